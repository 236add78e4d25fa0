"""Where the rows of feed-forward units come from: the weights of both models, or the sketches in their fingerprints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpk_tui.checkpoint.model import Architecture, Block
from mpk_tui.fingerprint.features import VERSION, array
from mpk_tui.fingerprint.units import (
    ANCHORS,
    MIN_ANCHORS,
    AnchorBasis,
    Anchors,
    Floats,
    aligned_rows,
    anchor_strings,
    anchors_by_id,
    choose_anchors,
    input_roles,
    sample_units,
    unit_width,
)
from mpk_tui.lineage.sides import Side, Weights

FORMS = ("ffn.aligned", "ffn.anchored")
MOST_BLOCKS, MOST_LAYERS, MOST_EXPERTS = 384, 1024, 1 << 16
"""What a fingerprint may state of its sketches; twice the blocks that this version writes of many experts."""


@dataclass(frozen=True)
class Source:
    """Rows of units of two models.

    Attributes:
        kind: ``weights`` or ``fingerprints``.
        of_a: Rows of a block of A for so many units, (m, columns), or None where its shapes do not fit.
        of_b: Likewise for B; row i is the same unit id on both sides.
        params: What was chosen, for the record.
    """

    kind: str
    of_a: Callable[[Block, int], Floats | None]
    of_b: Callable[[Block, int], Floats | None]
    params: dict[str, Any]


def blocks_of(side: Side) -> tuple[Block, ...]:
    """Feed-forward blocks that can be tested on this side."""
    if side.weights:
        return side.weights.arch.blocks
    feature = side.fingerprint.features.get("ffn.aligned")
    if feature is None or feature.version != VERSION:
        return ()
    listed = feature.params.get("blocks")
    try:
        found = tuple(Block(int(layer), int(expert)) for layer, expert in listed or ())
    except (TypeError, ValueError, OverflowError):
        return ()
    # What a stranger may state: every block is compared with every other, and tables are as long as the last layer.
    sound = all(0 <= b.layer < MOST_LAYERS and -1 <= b.expert < MOST_EXPERTS for b in found)
    return found if sound and len(set(found)) == len(found) == feature.shape[0] <= MOST_BLOCKS else ()


def sources(a: Side, b: Side) -> dict[str, Source | str]:
    """A source for each form, or why there is none."""
    if a.weights and b.weights:
        return {form: _weights(form, a.weights, b.weights) for form in FORMS}
    return {form: _sketches(a, b, form) for form in FORMS}


def _sketches(a: Side, b: Side, form: str) -> Source | str:
    fa, fb = a.fingerprint.features.get(form), b.fingerprint.features.get(form)
    if fa is None or fb is None:
        return "the fingerprint of one model has no such feature"
    if fa.version != VERSION or fb.version != VERSION:
        return f"features of versions {fa.version} and {fb.version}; make both fingerprints again"
    keys = ["of", "units", "columns", "inputs"] + (["width"] if form == "ffn.aligned" else ["by"])
    for key in keys:
        if fa.params.get(key) != fb.params.get(key):
            return f"{key!r} is {fa.params.get(key)} in one fingerprint and {fb.params.get(key)} in the other"
    if len(fa.shape) != 3 or len(fb.shape) != 3 or fa.shape[1:] != fb.shape[1:]:
        return "the features have shapes that do not fit together"
    x, y = array(fa), array(fb)
    at_a = {block: n for n, block in enumerate(blocks_of(a))}
    at_b = {block: n for n, block in enumerate(blocks_of(b))}
    return Source(
        "fingerprints",
        lambda block, m: x[at_a[block], :m] if block in at_a else None,
        lambda block, m: y[at_b[block], :m] if block in at_b else None,
        {"columns": int(x.shape[2])},
    )


def _weights(form: str, a: Weights, b: Weights) -> Source | str:
    """Rows from weights.  Where widths differ the first units are compared: exact all the same, and it sees copies
    that were cut or widened at the end."""
    widths = {unit_width(w.reader, w.arch, block) for w in (a, b) for block in w.arch.blocks}
    width = min(widths)
    if not width:
        return "feed-forward shapes contradict each other in one model"
    if len({input_roles(w.arch, block) for w in (a, b) for block in w.arch.blocks}) > 1:
        return "one model has gated feed-forward units, the other has not"
    params: dict[str, Any] = {} if len(widths) == 1 else {"first_units_of": width}
    if form == "ffn.aligned":
        if a.arch.width != b.arch.width:
            return f"residual widths differ ({a.arch.width} and {b.arch.width}): only the anchored form can be run"
        return Source(
            "weights",
            lambda block, m: aligned_rows(a.reader, a.arch, block, sample_units(width, m)),
            lambda block, m: aligned_rows(b.reader, b.arch, block, sample_units(width, m)),
            params,
        )
    anchors = shared_anchors(a, b)
    if isinstance(anchors, str):
        return anchors
    basis_a = AnchorBasis(a.reader, a.arch, anchors[0])
    basis_b = AnchorBasis(b.reader, b.arch, anchors[1])
    params |= {"anchors": len(anchors[0].names), "shared_tokens": anchors[2], "tokens_matched_by": anchors[0].by}
    return Source(
        "weights",
        lambda block, m: basis_a.rows(block, sample_units(width, m)),
        lambda block, m: basis_b.rows(block, sample_units(width, m)),
        params,
    )


def shared_anchors(a: Weights, b: Weights, count: int = ANCHORS) -> tuple[Anchors, Anchors, int] | str:
    """Anchor tokens that both vocabularies hold, as rows of either table, and how many strings they share."""
    parts = a.arch.roles.get(("embed.tokens", -1)), b.arch.roles.get(("embed.tokens", -1))
    if parts[0] is None or parts[1] is None:
        return "one model has no token embedding"
    rows_a, rows_b = a.reader.shape(parts[0])[0], b.reader.shape(parts[1])[0]
    ta, tb = a.checkpoint.tokenizer, b.checkpoint.tokenizer
    if ta is None or tb is None:
        if rows_a != rows_b or rows_a < MIN_ANCHORS:
            return "a tokenizer is missing and the embedding tables differ in length: no tokens to match"
        anchors = anchors_by_id(rows_a, count)
        return anchors, anchors, rows_a
    strings_a, strings_b = anchor_strings(ta, rows_a), anchor_strings(tb, rows_b)
    shared = strings_a.keys() & strings_b.keys()
    if len(shared) < MIN_ANCHORS:
        return f"the vocabularies share {len(shared)} tokens; at least {MIN_ANCHORS} are needed"
    return choose_anchors(shared, strings_a, count), choose_anchors(shared, strings_b, count), len(shared)


def layers_of(arch: Architecture) -> int:
    """Layers with feed-forward roles."""
    return arch.layers if arch.blocks else 0
