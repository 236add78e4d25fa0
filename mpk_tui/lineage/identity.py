"""Are two checkpoints the same numbers: by bytes, or after a recorded cast or change of layout?

Every tensor is accounted for: equal, equal after a named conversion, different (and then named), or present on one
side only.  One edited matrix can never pass as identical.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from mpk_tui import canonical, hashtree
from mpk_tui.checkpoint.floats import round_to
from mpk_tui.checkpoint.model import Part
from mpk_tui.errors import UnsupportedError
from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.fingerprint.units import Floats
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.progress import CancelToken, Meter, Report

# Buffers that code regenerates: rotary tables, causal masks, position ids.  They carry no training.
_REGENERABLE = re.compile(
    r"(rotary_emb\.(inv_freq|cos_cached|sin_cached)|rope_freqs\.weight|rope_factors_(long|short)\.weight|position_ids|token_type_ids"
    r"|attn\.masked_bias|(?<!c_)attn\.bias|attention\.(masked_)?bias|attention\.rotary_emb\.inv_freq)\Z"
)
TELLING = 4096
"""Elements from which an equal tensor tells something."""
_BLOCK = 1 << 22
"""Elements compared at a time."""
_RUN = 1024
"""Elements whose products are added in single precision."""
_REVERSED = "byte order reversed"
_FLOATS = {"F32": (8, 23), "F16": (5, 10), "BF16": (8, 7)}
"""Exponent and mantissa bits of the types between which casts are recognised."""


@dataclass(frozen=True)
class Pair:
    """Two views of what should be the same tensor.

    Attributes:
        role: Canonical role, or an empty string where tensors were paired by name or by content.
        layer: Layer of A, -1 outside layers.
        a: View on A's side.
        b: View on B's side.
    """

    role: str
    layer: int
    a: Part
    b: Part


@dataclass(frozen=True)
class Delta:
    """How one pair compares.

    Attributes:
        pair: The pair.
        state: ``bytes``, ``converted``, ``different``, ``reshaped`` (shapes differ) or ``unread`` (no weights here).
        conversion: What makes them equal, for ``converted``.
        lossless: The conversion loses nothing.
        elements: Elements in A's view.
        changed: Elements that differ, for ``different``.
        relative: ||A - B|| / ||A||, for ``different`` and where a conversion loses digits.
        cosine: Of the flattened values, likewise.
        constant: All elements are one value on both sides.  Where they are equal byte for byte also: one of two values,
            as in masks, or an unknown table whose rows all have one length, as tables of sines have.  Such tensors
            speak for nothing.
    """

    pair: Pair
    state: str
    conversion: str = ""
    lossless: bool = True
    elements: int = 0
    changed: int = 0
    relative: float = 0.0
    cosine: float = 0.0
    constant: bool = False

    @property
    def measured(self) -> tuple[float, float] | None:
        """Cosine and relative change: 1 and 0 of equal tensors, None where values were not compared."""
        if self.state == "bytes" or (self.state == "converted" and self.lossless):
            return 1.0, 0.0
        read = self.state == "converted" or (self.state == "different" and self.changed > 0)
        return (self.cosine, self.relative) if read else None

    @property
    def telling(self) -> bool:
        """Equal byte for byte, and neither by chance nor by convention: no small tensor, no constant, no mask, nothing
        that code regenerates, no table of positions (those are often computed)."""
        return (
            self.state == "bytes" and not self.constant and self.elements >= TELLING
            and self.pair.role != "embed.positions" and not _REGENERABLE.search(self.pair.a.tensor)
        )  # fmt: skip


@dataclass(frozen=True)
class Identity:
    """All tensors accounted for.

    Attributes:
        deltas: One per pair.
        only_a: Stored tensors of A without a counterpart, sorted.
        only_b: Of B.
        ignored: Buffers that code regenerates and duplicates of tied tensors, left out on either side.
        renamed: Pairs whose stored names differ.
        same_record: Names, types, shapes and bytes are all equal.
    """

    deltas: tuple[Delta, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    ignored: tuple[str, ...]
    renamed: int
    same_record: bool
    by_state: Counter[str] = field(default_factory=Counter)

    @property
    def all_equal(self) -> bool:
        """Every tensor is equal, if need be after a conversion, and none is missing."""
        equal = self.by_state["bytes"] + self.by_state["converted"]
        return bool(self.deltas) and equal == len(self.deltas) and not self.only_a and not self.only_b

    @property
    def lossless(self) -> bool:
        """No conversion that was needed loses anything."""
        return all(d.lossless for d in self.deltas if d.state == "converted")

    @property
    def differing(self) -> tuple[Delta, ...]:
        """Pairs that were read and are not equal, or whose shapes differ."""
        return tuple(d for d in self.deltas if d.state in ("different", "reshaped"))


def tells(tensor: TensorHash, weights: Weights | None = None) -> bool:
    """Whether the same bytes in another model would say something, as `Delta.telling` asks of a pair.

    Args:
        tensor: Of one model.
        weights: Of that model where they are at hand: then tables of positions and what code could have computed are
            told, too.
    """
    if tensor.elements < TELLING or _REGENERABLE.search(tensor.name):
        return False
    if weights is None or tensor.name not in weights.checkpoint.logical:
        return True
    roles = [role for (role, _), part in weights.arch.roles.items() if part.tensor == tensor.name]
    if "embed.positions" in roles:
        return False
    return not _computed(Pair(roles[0] if roles else "", -1, Part(tensor.name), Part(tensor.name)), weights)


def compare_tensors(a: Side, b: Side, report: Report, cancel: CancelToken) -> Identity:
    """Account for every tensor of two models.

    Args:
        a: One side.
        b: The other; values are compared where both sides have weights, digests always.
        report: Progress in elements, reported as bytes of float32.
        cancel: Polled between blocks.
    """
    left, right = _hashes(a, b), _hashes(b, a)
    if left == right:
        deltas = tuple(Delta(Pair("", -1, Part(n), Part(n)), "bytes", elements=t.elements) for n, t in left.items())
        return Identity(deltas, (), (), (), 0, True, Counter(d.state for d in deltas))
    pairs, only_a, only_b = _pair_up(a, b, left, right)
    only_a, ignored_a = _without_ballast(only_a, left)
    only_b, ignored_b = _without_ballast(only_b, right)
    todo = sum(left[p.a.tensor].elements for p in pairs if not _same_bytes(p, left, right))
    meter = Meter(report, "comparing values", 4 * todo)
    deltas_ = []
    for pair in pairs:
        cancel.check()
        if _same_bytes(pair, left, right):
            elements = left[pair.a.tensor].elements
            flat = a.weights is not None and elements >= TELLING and _computed(pair, a.weights)
            deltas_.append(Delta(pair, "bytes", elements=elements, constant=flat))
        elif a.weights is None or b.weights is None:
            deltas_.append(_by_record(pair, left, right))
        else:
            deltas_.append(_by_value(pair, a.weights, b.weights, cancel))
            meter.add(4 * left[pair.a.tensor].elements, pair.a.tensor)
    return Identity(
        tuple(deltas_), tuple(only_a), tuple(only_b), tuple(sorted({*ignored_a, *ignored_b})),
        sum(d.pair.a.tensor != d.pair.b.tensor for d in deltas_), False, Counter(d.state for d in deltas_),
    )  # fmt: skip


def _hashes(side: Side, other: Side) -> dict[str, TensorHash]:
    """Hashes of the weights that roles name; of what is stored, where one side is a fingerprint only.

    A computed weight's hash covers how it is computed and the hashes of all it is computed from: two are equal where
    the same bytes are read in the same way.
    """
    stored = {t.name: t for t in side.fingerprint.tensors}
    if side.weights is None or other.weights is None or not side.weights.checkpoint.derived:
        return stored
    checkpoint = side.weights.checkpoint
    known: dict[str, bytes] = {}

    def computed(name: str) -> bytes:
        if name not in known:
            d = checkpoint.derived[name]
            sources = sorted([k, stored[s].sha256 if s in stored else computed(s)] for k, s in d.sources.items())
            params = sorted([k, v] for k, v in d.params.items())
            known[name] = hashtree.sha256(canonical.encode([d.layout, list(d.shape), sources, params]))
        return known[name]

    return {
        n: TensorHash(n, t.dtype, t.shape, 0, computed(n)) if n in checkpoint.derived else stored[n]
        for n, t in checkpoint.logical.items()
    }


def _same_bytes(pair: Pair, left: dict[str, TensorHash], right: dict[str, TensorHash]) -> bool:
    x, y = left[pair.a.tensor], right[pair.b.tensor]
    same_view = replace(pair.a, tensor="") == replace(pair.b, tensor="")
    return same_view and (x.dtype, x.shape, x.sha256) == (y.dtype, y.shape, y.sha256)


def _computed(pair: Pair, w: Weights) -> bool:
    """Whether code could have made these values without training or chance."""
    if _two_values(pair.a, w):
        return True
    shape = w.reader.shape(pair.a)
    if pair.role or len(shape) != 2 or shape[0] < 32:
        return False
    try:
        x = w.reader.select(pair.a, np.unique(np.linspace(0, shape[0] - 1, 256).astype(np.int64)))
    except UnsupportedError:
        return False
    # Sines and cosines of one angle: all rows have one length.  Rows drawn at random differ by 1 / sqrt(2 columns).
    length = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))
    return bool(np.isfinite(length).all() and np.ptp(length) <= 1e-3 * length.mean())


def _two_values(part: Part, w: Weights) -> bool:
    """At most two values in all; told from the first rows of whatever was trained or drawn at random."""
    shape = w.reader.shape(part)
    rows = shape[0] if shape else 1
    step = max(1, (_BLOCK >> 6) // max(1, int(np.prod(shape[1:], dtype=np.int64))))
    seen: set[float] = set()
    for start in range(0, rows, step):
        try:
            x = w.reader.rows(part, start, min(rows, start + step))
        except UnsupportedError:
            # Equal bytes of a type that cannot be decoded: nothing is known of their values.
            return False
        seen |= {float(x.min()), float(x.max())}
        if len(seen) > 2 or not np.isin(x, list(seen)).all():
            return False
    return True


def _by_record(pair: Pair, left: dict[str, TensorHash], right: dict[str, TensorHash]) -> Delta:
    """Without weights: same type, shape and view but other bytes is a difference; anything else cannot be told."""
    x, y = left[pair.a.tensor], right[pair.b.tensor]
    plain = Part(pair.a.tensor) == pair.a and Part(pair.b.tensor) == pair.b
    state = "different" if plain and (x.dtype, x.shape) == (y.dtype, y.shape) else "unread"
    return Delta(pair, state, elements=x.elements)


def _pair_up(
    a: Side, b: Side, left: dict[str, TensorHash], right: dict[str, TensorHash]
) -> tuple[list[Pair], list[str], list[str]]:
    """Pairs by canonical role, then by name, then by content; and what is left over."""
    pairs: list[Pair] = []
    used_a: set[str] = set()
    used_b: set[str] = set()
    if a.weights and b.weights and a.weights.arch.layers == b.weights.arch.layers:
        roles_a, roles_b = a.weights.arch.roles, b.weights.arch.roles
        for key in sorted(roles_a.keys() & roles_b.keys()):
            pairs.append(Pair(key[0], key[1], roles_a[key], roles_b[key]))
            used_a.add(roles_a[key].tensor)
            used_b.add(roles_b[key].tensor)
        # A fused tensor is used up only if all that it holds found a partner; views cover it by construction.
    for name in sorted((left.keys() - used_a) & (right.keys() - used_b)):
        pairs.append(Pair("", -1, Part(name), Part(name)))
        used_a.add(name)
        used_b.add(name)
    by_content: dict[tuple[str, tuple[int, ...], bytes], list[str]] = {}
    for name in sorted(right.keys() - used_b):
        t = right[name]
        by_content.setdefault((t.dtype, t.shape, t.sha256), []).append(name)
    for name in sorted(left.keys() - used_a):
        t = left[name]
        found = by_content.get((t.dtype, t.shape, t.sha256))
        if found:
            partner = found.pop(0)
            pairs.append(Pair("", -1, Part(name), Part(partner)))
            used_a.add(name)
            used_b.add(partner)
    return pairs, sorted(left.keys() - used_a), sorted(right.keys() - used_b)


def _without_ballast(names: list[str], tensors: dict[str, TensorHash]) -> tuple[list[str], list[str]]:
    """Split off regenerable buffers and copies of tensors that are stored twice (tied weights)."""
    alone = set(names)
    elsewhere = {t.sha256 for n, t in tensors.items() if n not in alone}
    # A matrix only: vectors of ones and zeros are equal everywhere, and a missing one must be told.
    twice = [n for n in names if len(tensors[n].shape) > 1 and tensors[n].sha256 in elsewhere]
    ballast = [n for n in names if _REGENERABLE.search(n) or n in set(twice)]
    return [n for n in names if n not in set(ballast)], ballast


def _by_value(pair: Pair, a: Weights, b: Weights, cancel: CancelToken) -> Delta:
    shape_a, shape_b = a.reader.shape(pair.a), b.reader.shape(pair.b)
    elements = int(np.prod(shape_a, dtype=np.int64))
    if shape_a != shape_b:
        return Delta(pair, "reshaped", elements=elements)
    type_a, type_b = a.dtype(pair.a), b.dtype(pair.b)
    tally = _Tally(type_a, type_b)
    rows = shape_a[0] if shape_a else 1
    step = max(1, _BLOCK // max(1, elements // max(1, rows)))
    for start in range(0, rows, step):
        cancel.check()
        stop = min(rows, start + step)
        tally.add(a.reader.rows(pair.a, start, stop), b.reader.rows(pair.b, start, stop))
    moved = _moved(pair)
    if a.column_major(pair.a) != b.column_major(pair.b):
        moved.append("stored column by column on one side")
    if a.big_endian(pair.a) != b.big_endian(pair.b):
        moved.append(_REVERSED)
    same_type = type_a == type_b
    # Same type, same layout, other bytes: different, whatever rounding to float32 may say.
    plain = bool({type_a, type_b} & _FLOATS.keys()) or _REVERSED in moved
    if tally.changed == 0 and (moved or not same_type) and plain:
        steps = [] if same_type else [f"{type_a} to {type_b}"]
        # Values pass through float32 here, so a 64-bit side may have lost digits that we did not see.
        exact = "F64" not in (type_a, type_b)
        return Delta(pair, "converted", ", ".join(steps + moved), exact, elements, constant=tally.constant)
    if tally.cast:
        said = ", ".join([tally.cast, *moved])
        return Delta(pair, "converted", said, False, elements, 0, tally.relative, tally.cosine, tally.constant)
    return Delta(
        pair, "different", "", True, elements, max(1, tally.changed), tally.relative, tally.cosine, tally.constant
    )


def _moved(pair: Pair) -> list[str]:
    """Changes of layout between two views, in words."""
    out = []
    if pair.a.transposed != pair.b.transposed:
        out.append("transposed")
    if (pair.a.start, pair.a.stop) != (pair.b.start, pair.b.stop):
        out.append("split or fused")
    if (pair.a.run, pair.a.period) != (pair.b.run, pair.b.period):
        out.append("rows interleaved")
    if (pair.a.index < 0) != (pair.b.index < 0):
        out.append("stacked or one by one")
    elif pair.a.index != pair.b.index:
        out.append("another place in the stack")
    if pair.a.rope_heads != pair.b.rope_heads:
        out.append("rotary rows re-ordered")
    if pair.a.offset != pair.b.offset:
        out.append("norm gain stored with another offset")
    return out


class _Tally:
    """Sums over blocks of two equally shaped tensors, and which casts would explain all of them."""

    def __init__(self, type_a: str, type_b: str) -> None:
        self.changed = 0
        self._dot = self._aa = self._bb = self._dd = 0.0
        self._first: tuple[np.float32, np.float32] | None = None
        self.constant = True
        self._casts = {}
        if type_a != type_b:
            if type_b in _FLOATS:
                self._casts[f"{type_a} rounded to {type_b}"] = (type_b, False, "nearest")
                self._casts[f"{type_a} truncated to {type_b}"] = (type_b, False, "zero")
            if type_a in _FLOATS:
                self._casts[f"{type_b} rounded to {type_a}"] = (type_a, True, "nearest")
                self._casts[f"{type_b} truncated to {type_a}"] = (type_a, True, "zero")
        # Neither is a cast of the other where both were made of wider numbers.
        self._both = (type_a, type_b) if {type_a, type_b} == {"F16", "BF16"} else ()

    def add(self, x: Floats, y: Floats) -> None:
        unequal = ~((x == y) | (np.isnan(x) & np.isnan(y)))
        self.changed += int(unequal.sum())
        xd, yd = x.ravel(), y.ravel()
        if not (np.isfinite(xd).all() and np.isfinite(yd).all()):
            xd, yd = np.nan_to_num(xd), np.nan_to_num(yd)
        self._dot += _inner(xd, yd)
        self._aa += _inner(xd, xd)
        self._bb += _inner(yd, yd)
        self._dd += _inner(xd - yd, xd - yd)
        if self.constant and x.size:
            if self._first is None:
                self._first = x.flat[0], y.flat[0]
            self.constant = bool((x == self._first[0]).all() and (y == self._first[1]).all())
        if (
            self._both
            and (np.abs(x - y) > sum(_half_step(v, t) for v, t in zip((x, y), self._both, strict=True))).any()
        ):
            self._both = ()
        for name, (dtype, turned, mode) in list(self._casts.items()):
            wide, narrow = (y, x) if turned else (x, y)
            cast = round_to(wide, dtype, mode)
            if not np.array_equal(cast, narrow, equal_nan=True):
                del self._casts[name]

    @property
    def cast(self) -> str:
        """The first cast that explains every element, or an empty string."""
        found = next(iter(self._casts), "")
        return found or ("wider numbers rounded to F16 on one side and to BF16 on the other" if self._both else "")

    @property
    def relative(self) -> float:
        """||A - B|| / ||A||."""
        return float(np.sqrt(self._dd / self._aa)) if self._aa > 0 else float(self._dd > 0)

    @property
    def cosine(self) -> float:
        """Cosine of the flattened tensors, 0 where one of them is zero."""
        norm = np.sqrt(self._aa * self._bb)
        return float(self._dot / norm) if norm > 0 else 0.0


def _half_step(x: Floats, dtype: str) -> Floats:
    """Half the distance to the next number of a type: how far rounding to nearest may have moved a value."""
    exponent_bits, mantissa_bits = _FLOATS[dtype]
    lowest = 2 - (1 << (exponent_bits - 1))
    _, exponent = np.frexp(x)
    out: Floats = np.ldexp(np.float32(0.5), np.maximum(exponent - 1, lowest) - mantissa_bits)
    return out


def _inner(x: Floats, y: Floats) -> float:
    """Inner product: single precision over short runs, double over the runs; errors stay near 1e-6 of the size."""
    whole = len(x) - len(x) % _RUN
    short = np.einsum("ij,ij->i", x[:whole].reshape(-1, _RUN), y[:whole].reshape(-1, _RUN))
    return float(short.sum(dtype=np.float64)) + float(np.vdot(x[whole:], y[whole:]))
