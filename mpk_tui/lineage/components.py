"""Parts that two models share when the whole does not match: layers, attention, feed-forward blocks, experts, tables.

Which parts are looked at follows from the tests of correspondence alone, never from the discriminator, so that nothing
is searched for until it speaks for a link.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mpk_tui.checkpoint.model import Block
from mpk_tui.fingerprint.gauge import ROLES
from mpk_tui.fingerprint.spectra import tame, top_triplets
from mpk_tui.fingerprint.units import sample_units
from mpk_tui.lineage.discriminator import RetentionTest
from mpk_tui.lineage.identity import Delta, Identity
from mpk_tui.lineage.results import LAYER_P, UnitTest
from mpk_tui.lineage.sides import Side
from mpk_tui.lineage.units import BlockPair

STRICT_P = 1e-6
"""A block belongs to a shared part from this p on, after multiplying by the forms and the pairs of blocks."""
FEED, ATTENTION = "feed-forward", "attention"
_ATTENTION_ROLES = tuple(r for r in ROLES if r.startswith("attn."))
_FEED_ROLES = tuple(r for r in ROLES if r.startswith("ffn."))
_TRAINED = frozenset({*ROLES, "attn.qkv", "embed.tokens", "head"})
_TABLE = 2048
"""Rows of an equal table that are looked at for learned structure."""


@dataclass(frozen=True)
class Part:
    """A part of two models whose units correspond.

    Attributes:
        name: In words, such as ``layers 0-1`` or ``attention of layers 0-3``.
        kind: ``layers``, ``feed-forward``, ``attention``, ``expert``, ``embeddings`` or ``tensors``.
        pairs: Blocks that stand beside each other, empty outside layers.
        roles: Body matrices that belong to it.
        log_p: Bound on the p-value, logarithm, with everything that was searched through multiplied in.
        rho: Mean correlation over its blocks.
        equal: Tensors that are equal byte for byte and hold learned structure.
        retention: The discriminator on this part, or None.
    """

    name: str
    kind: str
    pairs: tuple[BlockPair, ...]
    roles: tuple[str, ...]
    log_p: float
    rho: float
    equal: tuple[str, ...] = ()
    retention: RetentionTest | None = None


def parts(tests: Iterable[UnitTest], pairs: tuple[BlockPair, ...]) -> list[Part]:
    """Parts of the body that correspond, where it is not the whole.

    Args:
        tests: All forms, run or not.
        pairs: Blocks that stand beside each other.
    """
    ran = [t for t in tests if t.ran]
    feed, loose_feed = _matched(ran, "ffn.", len(pairs))
    attention, loose_attention = _matched(ran, "attn.", len(pairs))
    out: list[Part] = []
    experts = sorted({(p.a.expert, p.b.expert) for p in pairs if p.a.expert >= 0 or p.b.expert >= 0})
    if experts:
        for group in experts:
            chosen = tuple(p for p in pairs if (p.a.expert, p.b.expert) == group and _key(p) in feed)
            if chosen:
                out.append(_part(_expert_name(group, chosen), "expert", chosen, _FEED_ROLES, feed))
        of_layers = {(a, b): hit for (a, b, _, _), hit in attention.items()}
        chosen = tuple(p for p in _one_a_layer(pairs) if (p.a.layer, p.b.layer) in of_layers)
        if chosen:
            found = {_key(p): of_layers[p.a.layer, p.b.layer] for p in chosen}
            out.append(_part(f"attention of {_layers(chosen)}", ATTENTION, chosen, _ATTENTION_ROLES, found))
        return out
    # One side must match beyond doubt; the other, if it was tested, must at least not speak against it.
    both = tuple(
        p for p in pairs
        if (_key(p) in feed and (loose_attention is None or _key(p) in loose_attention))
        or (_key(p) in attention and (loose_feed is None or _key(p) in loose_feed))
    )  # fmt: skip
    only_feed = tuple(p for p in pairs if _key(p) in feed and p not in both)
    only_attention = tuple(p for p in pairs if _key(p) in attention and p not in both)
    for chosen, kind, roles in (
        (both, "layers", ROLES), (only_feed, FEED, _FEED_ROLES), (only_attention, ATTENTION, _ATTENTION_ROLES),
    ):  # fmt: skip
        if chosen:
            name = _layers(chosen) if kind == "layers" else f"{kind} of {_layers(chosen)}"
            out.append(_part(name, kind, chosen, roles, {**attention, **feed}))
    return out


_Hit = tuple[float, float]
_Key = tuple[int, int, int, int]


def _key(pair: BlockPair) -> _Key:
    return pair.a.layer, pair.b.layer, pair.a.expert, pair.b.expert


def _matched(ran: list[UnitTest], prefix: str, count: int) -> tuple[dict[_Key, _Hit], frozenset[_Key] | None]:
    """Blocks that match beyond `STRICT_P` in some form, with log p and rho; and those that match at `LAYER_P`, or None
    where nothing was tested."""
    forms = [t for t in ran if t.form.startswith(prefix)]
    price = math.log(max(1, len(ran)) * max(1, count))
    out: dict[_Key, _Hit] = {}
    loose = set()
    for test in forms:
        # Small heads cannot reach the strict level in one layer; a form that does over all layers lends it to those
        # that match on their own.
        joint = min(0.0, test.log_p + price)
        for r in test.layers:
            log_p = min(0.0, r.log_p + price)
            if r.log_p <= math.log(LAYER_P):
                log_p = min(log_p, joint)
            key = r.a, r.b, r.expert_a, r.expert_b
            if r.log_p <= math.log(LAYER_P):
                loose.add(key)
            if log_p <= math.log(STRICT_P) and log_p < out.get(key, (0.0, 0.0))[0]:
                out[key] = log_p, r.test.rho
    return out, frozenset(loose) if forms else None


def _part(name: str, kind: str, chosen: tuple[BlockPair, ...], roles: tuple[str, ...], hits: dict[_Key, _Hit]) -> Part:
    found = [hits[_key(p)] for p in chosen]
    return Part(name, kind, chosen, roles, min(p for p, _ in found), float(np.mean([rho for _, rho in found])))


def _one_a_layer(pairs: tuple[BlockPair, ...]) -> tuple[BlockPair, ...]:
    first: dict[tuple[int, int], BlockPair] = {}
    for p in pairs:
        first.setdefault((p.a.layer, p.b.layer), p)
    return tuple(first.values())


def _layers(pairs: tuple[BlockPair, ...]) -> str:
    of_a, of_b = [p.a.layer for p in pairs], [p.b.layer for p in pairs]
    words = _runs(of_a)
    return words if of_a == of_b else f"{words} of A and {_runs(of_b)} of B"


def _runs(numbers: list[int]) -> str:
    ordered = sorted(set(numbers))
    runs: list[list[int]] = []
    for n in ordered:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    words = ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in runs)
    return f"layer{'s' if len(ordered) > 1 else ''} {words}"


def _expert_name(group: tuple[int, int], chosen: tuple[BlockPair, ...]) -> str:
    a, b = (f"expert {e}" if e >= 0 else "dense block" for e in group)
    return f"{a} of A and {b} of B in {_runs([p.a.layer for p in chosen])}"


def embeddings(tests: Iterable[UnitTest]) -> Part | None:
    """The token embedding as a part, where its residual dimensions correspond."""
    for test in tests:
        if test.form == "residual.embeddings" and test.ran and test.log_p <= math.log(STRICT_P):
            return Part("token embeddings", "embeddings", (), (), test.log_p, test.rho)
    return None


def learned_and_equal(a: Side, b: Side, identity: Identity) -> tuple[str, ...]:
    """Matrices of A that B holds byte for byte and whose top directions stand out.

    Two runs from one initialisation cannot arrive at equal trained values; an untrained table could be equal, so what
    does not stand out from its own noise is left out.
    """
    if a.weights is None or b.weights is None:
        return ()
    out = []
    # Only what the table of architectures knows to be trained: masks, caches and tables that code computes are equal
    # in many models.
    trained = {p.tensor for (role, _), p in a.weights.arch.roles.items() if role.partition("@")[0] in _TRAINED}
    for d in identity.deltas:
        if d.telling and d.pair.a.tensor in trained and _learned(a, d):
            out.append(d.pair.a.tensor)
    return tuple(sorted(set(out)))


def _learned(side: Side, delta: Delta) -> bool:
    assert side.weights is not None
    reader, part = side.weights.reader, delta.pair.a
    shape = reader.shape(part)
    if len(shape) != 2 or min(shape) < 32:
        return False
    ids = np.sort(sample_units(shape[0], _TABLE, seed=9))
    return top_triplets(tame(reader.select(part, ids)), seed=(23,)).standing > 0


def block_pairs(pairs: Iterable[tuple[int, int]]) -> tuple[BlockPair, ...]:
    """Pairs of layers as pairs of dense blocks."""
    return tuple(BlockPair(Block(i), Block(j)) for i, j in pairs)
