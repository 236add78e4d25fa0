"""Cosine by layer and kind of tensor, and the histogram of relative change: sums over what identity has read.

Nothing is read again.  Where a side is a fingerprint, cosines are those of equal digests (1) and of the sketches that
fingerprints keep of a few matrices; no relative change is known then.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpk_tui.checkpoint.model import Architecture
from mpk_tui.lineage.discriminator import sketches_of
from mpk_tui.lineage.identity import Delta, Identity
from mpk_tui.lineage.sides import Side
from mpk_tui.lineage.units import BlockPair

KINDS = ("attention", "ffn", "norm", "embedding", "other")
LAYERS = 256
"""Greatest number of rows of one kind: neighbouring layers of deeper models share one."""
LOW, STEP, BINS = -8.0, 0.5, 20
"""Bins of relative change: from 1e-8 to 100, two a power of ten; the first and the last are open."""

_LAYER = re.compile(r"(?:\A|[._])(?:layers?|h|blocks?|blk|encoderlayer|transformerblocks?)[._](\d{1,6})(?=[._])")
_NAMED = (
    ("norm", re.compile(r"norm|(?:\A|[._])ln(?:_|\d|[._])")),
    ("embedding", re.compile(r"embed|(?:\A|[._])w[tp]e(?:[._]|\Z)|lm_head|token_embd|\Aoutput\.weight")),
    ("attention", re.compile(r"att")),
    ("ffn", re.compile(r"mlp|ffn|feed_?forward|intermediate|experts?[._]|(?:\A|[._])fc\d?[._]")),
)


@dataclass(frozen=True)
class Place:
    """Where a tensor belongs in a figure: a layer of A, -1 outside layers, and a kind."""

    layer: int
    kind: str


def by_role(role: str, layer: int) -> Place:
    """Place of a canonical role."""
    if "norm" in role:
        kind = "norm"
    elif role.startswith("attn."):
        kind = "attention"
    elif role.startswith("ffn."):
        kind = "ffn"
    elif role.startswith(("embed.", "head")):
        kind = "embedding"
    else:
        kind = "other"
    return Place(layer, kind)


def by_name(name: str) -> Place:
    """Place of a tensor without a known role, by the words of its name; good for grouping and nothing else."""
    lower = name.lower()
    found = _LAYER.search(lower)
    kind = next((kind for kind, words in _NAMED if words.search(lower)), "other")
    return Place(int(found.group(1)) if found else -1, kind)


class _Places:
    """Places of pairs, by role where identity paired by it, else by the role that A's tensor has, else by name."""

    def __init__(self, arch: Architecture | None) -> None:
        self._roles = {} if arch is None else {p.tensor: key for key, p in list(arch.roles.items())[::-1]}

    def __call__(self, d: Delta) -> Place:
        if d.pair.role:
            return by_role(d.pair.role, d.pair.layer)
        known = self._roles.get(d.pair.a.tensor)
        return by_role(*known) if known else by_name(d.pair.a.tensor)


@dataclass
class _Sum:
    """What one row of the figure adds up."""

    tensors: int = 0
    equal: int = 0
    measured: int = 0
    weight: float = 0.0
    cosine: float = 0.0
    least: float = math.inf
    changed: float = 0.0
    change: float = 0.0

    def add_cosine(self, value: float, elements: int) -> None:
        self.measured += 1
        self.weight += elements
        self.cosine += value * elements
        self.least = min(self.least, value)

    def add_change(self, value: float, elements: int) -> None:
        self.changed += elements
        self.change += value * elements

    def record(self, place: tuple[int, int], kind: str) -> dict[str, Any]:
        return {
            "layer": place[0], "to": place[1], "kind": kind, "tensors": self.tensors, "equal": self.equal,
            "measured": self.measured,
            "cosine": _rounded(self.cosine / self.weight) if self.weight else None,
            "least": _rounded(self.least) if self.weight else None,
            "relative": _rounded(self.change / self.changed, 5) if self.changed else None,
        }  # fmt: skip


def _rounded(x: float, digits: int = 7) -> float:
    return float(f"{x:.{digits}g}") + 0.0


def cosines(a: Side, b: Side, identity: Identity, pairs: tuple[BlockPair, ...]) -> dict[str, Any]:
    """Mean cosine, weighted by elements, for every layer of A and kind of tensor.

    Args:
        a: One side.
        b: The other.
        identity: Every tensor accounted for.
        pairs: Feed-forward blocks that stand beside each other; used where only sketches are at hand.

    Returns:
        ``missing``, ``source`` and ``rows``.
    """
    sums: dict[tuple[int, str], _Sum] = {}
    places = _Places(a.weights.arch if a.weights else None)
    for d in identity.deltas:
        place = places(d)
        into = sums.setdefault((place.layer, place.kind), _Sum())
        into.tensors += 1
        into.equal += d.state == "bytes"
        if d.measured is None or not d.elements:
            continue
        cosine, relative = d.measured
        # A side that is zero has no direction: its cosine is stated as 0 and would pull the mean down.
        if cosine != 0.0:
            into.add_cosine(max(-1.0, min(1.0, cosine)), d.elements)
        if math.isfinite(relative):
            into.add_change(relative, d.elements)
    weights = a.weights is not None and b.weights is not None
    if not weights:
        for place, value, elements in _sketched(a, b, pairs):
            sums.setdefault((place.layer, place.kind), _Sum()).add_cosine(value, elements)
    if not any(s.measured for s in sums.values()):
        return {"missing": _why(identity, weights), "source": "", "rows": []}
    return {"missing": "", "source": "weights" if weights else "fingerprints", "rows": list(_rows(sums))}


def _why(identity: Identity, weights: bool) -> str:
    if not identity.deltas:
        return "no tensor of A has a counterpart in B"
    if not weights:
        return "values need the weights of both models, and no sketch of one matrix stands in both fingerprints"
    return "no tensors of equal shape stand beside each other"


def _sketched(a: Side, b: Side, pairs: tuple[BlockPair, ...]) -> Iterator[tuple[Place, float, int]]:
    """Cosines of the sketched matrices that stand beside each other (`mpk_tui.fingerprint.learned`): an inner product
    of sketches is that of the matrices up to about 1 / side."""
    of_a, of_b = sketches_of(a), sketches_of(b)
    if of_a is None or of_b is None:
        return
    beside = dict.fromkeys((p.a.layer, p.a.expert, p.b.layer, p.b.expert) for p in pairs)
    for (role, layer, expert), x in of_a.items():
        to = next(((j, f) for i, e, j, f in beside if (i, e) == (layer, expert)), (layer, expert))
        y = of_b.get((role, *to))
        if y is None or x.shape != y.shape:
            continue
        p, q = (x.top + x.rest).astype(np.float64), (y.top + y.rest).astype(np.float64)
        norm = math.sqrt(float((p * p).sum()) * float((q * q).sum()))
        if norm > 0 and math.isfinite(norm):
            value = max(-1.0, min(1.0, float((p * q).sum()) / norm))
            yield by_role(role, layer), value, x.shape[0] * x.shape[1]


def _rows(sums: dict[tuple[int, str], _Sum]) -> Iterator[dict[str, Any]]:
    depth = 1 + max(layer for layer, _ in sums)
    every = max(1, -(-depth // LAYERS))
    joined: dict[tuple[int, str], _Sum] = {}
    for (layer, kind), s in sums.items():
        key = (layer // every if layer >= 0 else -1, kind)
        joined[key] = s if key not in joined else _joined(joined[key], s)
    for (group, kind), s in sorted(joined.items(), key=lambda item: (item[0][0], KINDS.index(item[0][1]))):
        place = (group, group) if group < 0 else (group * every, min(depth, (group + 1) * every) - 1)
        yield s.record(place, kind)


def _joined(x: _Sum, y: _Sum) -> _Sum:
    return _Sum(
        x.tensors + y.tensors, x.equal + y.equal, x.measured + y.measured, x.weight + y.weight, x.cosine + y.cosine,
        min(x.least, y.least), x.changed + y.changed, x.change + y.change,
    )  # fmt: skip


def changes(identity: Identity, weights: bool) -> dict[str, Any]:
    """Histogram of ||A - B|| / ||A|| over pairs of tensors, by tensors and by parameters.

    Args:
        identity: Every tensor accounted for.
        weights: Both sides have weights.

    Returns:
        ``missing``; ``low`` and ``step`` (log10); ``tensors`` and ``parameters``, one number a bin; and counts of pairs
        that are in no bin: ``equal``, ``converted`` without loss, ``reshaped`` and ``unread``.
    """
    tensors, parameters = [0] * BINS, [0] * BINS
    apart = {state: {"tensors": 0, "parameters": 0} for state in ("equal", "converted", "reshaped", "unread")}
    for d in identity.deltas:
        state = _apart(d)
        if state:
            apart[state]["tensors"] += 1
            apart[state]["parameters"] += d.elements
            continue
        k = bin_of(d.relative)
        tensors[k] += 1
        parameters[k] += d.elements
    known = any(tensors) or any(apart[s]["tensors"] for s in ("equal", "converted"))
    missing = "" if known else _why(identity, True) if weights else "needs the weights of both models"
    return {"missing": missing, "low": LOW, "step": STEP, "tensors": tensors, "parameters": parameters, **apart}


def bin_of(relative: float) -> int:
    """Number of the bin of a relative change."""
    if not relative > 0:
        return 0
    if not math.isfinite(relative):
        return BINS - 1
    return min(BINS - 1, max(0, math.floor((math.log10(relative) - LOW) / STEP)))


def _apart(d: Delta) -> str:
    if d.state == "bytes":
        return "equal"
    if d.state == "converted":
        return "converted" if d.lossless else ""
    if d.state == "reshaped":
        return "reshaped"
    return "" if d.measured is not None else "unread"
