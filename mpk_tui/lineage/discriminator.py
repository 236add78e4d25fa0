"""The discriminator: retention over the matrices of two models, and what it says of their common origin.

All body matrices take part, in residual coordinates.  Where that basis is gone (other widths, a rotated or permuted
residual stream) one stream is first turned into the basis of the other; where weights are gone, sketches in the
fingerprints take their place.  Thresholds and the pairs that they were seen on: docs/adr/0005-retention-quartile.md and
docs/adr/0008-retention-after-alignment.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mpk_tui.checkpoint.model import Block
from mpk_tui.fingerprint import learned
from mpk_tui.fingerprint.features import array
from mpk_tui.fingerprint.gauge import MIN_SIDE, ROLES, body_matrix, gain_spread
from mpk_tui.fingerprint.spectra import top_triplets
from mpk_tui.fingerprint.units import Floats, Ids, sample_units, unit_width
from mpk_tui.lineage.alignment import residual_turn
from mpk_tui.lineage.retention import Retention, from_sketches, retention
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.lineage.units import BlockPair, matcher_of
from mpk_tui.progress import CancelToken, Meter, Report

AGAINST = 0.90
"""A direction that counts and whose median ratio falls below this speaks against a trained ancestor."""
LOW_AGAINST = 0.75
"""A lower quartile below this speaks against, whatever the median is."""
FOR = 0.96
"""Least median ratio of a direction that speaks for a trained ancestor: next to nothing of what the projecting side
learned is lost.  It is not outweighed by the other direction, which falls as the descendant learns more of its own."""
LOW_FOR = 0.95
"""Least lower quartile of a direction that speaks for one."""
FOR_ALIGNED = 0.98
"""The same where units or residual dimensions had to be matched first: only those that still resemble each other find
each other, which raises the ratio of mere siblings."""
LOW_FOR_ALIGNED = 0.96
EVEN = 0.12
"""Greatest distance of the quartiles where one side is a linear part of the other, however small."""
MOST_RATIO = 1.06
"""Greatest median ratio of such a part: top and rest are the same fraction."""
LEAST_PART, MOST_PART = 0.15, 0.60
"""Least r_top and greatest r_rest of such a part: what is larger is judged by the rules above."""
STEADY = 0.10
"""Greatest distance of the quartiles of r_rest over its median for such a part: one fraction in all matrices."""
TRAINED = 0.012
"""Least spread of norm gains (`gain_spread`) of a side whose directions count: siblings of one seed that hardly trained
cannot be told from descendants."""
UNGAUGED = 2
"""Least median number of directions that stand out where a side has no norm gains to go by."""
KEPT = 0.60
"""Least share of learned structure that both keep of each other, where a direction speaks for a trained ancestor."""
SEED = 0.75
"""Both directions count and stay below this: the pattern of a shared initialisation."""
SHARE = 0.5
"""Share of the matrices on which the projecting side must stand out for its direction to count."""
MATRICES = 42
"""Matrices looked at, spread evenly over layers and roles."""
_SIDE = 4096
"""Greatest number of rows and columns; a fixed sample of larger matrices is used."""

RESIDUAL, TURNED = "residual coordinates", "residual coordinates after alignment"
SKETCHED = "sketches in fingerprints"


@dataclass(frozen=True)
class MatrixRetention:
    """Both directions on one pair of matrices."""

    role: str
    a: int
    b: int
    forward: Retention
    backward: Retention


@dataclass(frozen=True)
class Direction:
    """One direction over all matrices.

    Attributes:
        counts: The projecting side stands out in at least `SHARE` of the matrices.
        ratio: Median ratio over matrices where it is defined, or None.
        low: Lower quartile of the ratio, or None.
        high: Upper quartile of the ratio, or None.
        top: Median r_top.
        rest: Median r_rest.
        rest_spread: Distance of the quartiles of r_rest over its median.
        matrices: Number of matrices with a defined ratio.
    """

    counts: bool
    ratio: float | None
    low: float | None
    high: float | None
    top: float
    rest: float
    rest_spread: float
    matrices: int

    def speaks_for(self, aligned: bool) -> bool:
        """What the projecting side learned is kept as well as its bulk, in nearly all matrices.

        Args:
            aligned: Units or residual dimensions were matched first.
        """
        least, low = (FOR_ALIGNED, LOW_FOR_ALIGNED) if aligned else (FOR, LOW_FOR)
        return self.counts and (self.ratio or 0.0) >= least and (self.low or 0.0) >= low

    @property
    def even(self) -> bool:
        """Top and rest are kept alike, and at one fraction in all matrices: the projecting side is a linear part of the
        other."""
        return (
            (self.ratio or 0.0) <= MOST_RATIO
            and (self.high or 0.0) - (self.low or 0.0) <= EVEN
            and self.top >= LEAST_PART
            and self.rest <= MOST_PART
            and self.rest_spread <= STEADY
        )

    @property
    def speaks_against(self) -> bool:
        """What the projecting side learned is lost where its bulk is kept, in the median or in many matrices."""
        return self.counts and self.ratio is not None and (self.ratio < AGAINST or (self.low or 0.0) < LOW_AGAINST)


@dataclass(frozen=True)
class RetentionTest:
    """The discriminator between a trained ancestor and an initialisation.

    Attributes:
        basis: `RESIDUAL` or `ANCHORED`.
        matrices: Every pair of matrices.
        forward: What A has, looked for in B.
        backward: What B has, looked for in A.
        kept: sqrt(r_top of A in B x r_top of B in A): how much learned structure the two share, whatever their scales.
        reading: ``for``, ``against``, ``seed`` (against, with the pattern of a shared initialisation) or ``abstains``.
        reason: Why it was not run or abstains, or an empty string.
        spreads: `gain_spread` of A and of B.
    """

    basis: str
    matrices: tuple[MatrixRetention, ...]
    forward: Direction
    backward: Direction
    kept: float
    reading: str
    reason: str
    spreads: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True)
class Basis:
    """What must be put in order before the matrices of two models can be laid over each other.

    Attributes:
        reordered: Feed-forward units do not stand in one order: each unit of B is first put beside the unit of A whose
            mutual nearest neighbour it is.
        turned: Residual dimensions do not stand beside each other (other width, or permuted, flipped or rotated): A's
            stream is first turned into B's basis by the embeddings of shared tokens.
    """

    reordered: bool = False
    turned: bool = False


def run_retention(
    a: Side, b: Side, pairs: tuple[BlockPair, ...], report: Report, cancel: CancelToken, basis: Basis, *,
    roles: tuple[str, ...] = ROLES,
) -> RetentionTest:  # fmt: skip
    """Retention at matched blocks, in residual coordinates.

    Args:
        a: One side; without weights the sketches in the fingerprints of both are compared.
        b: The other.
        pairs: Blocks that stand beside each other.
        report: Progress in matrices.
        cancel: Polled once a matrix.
        basis: What has to be put in order first.
        roles: Body matrices to look at.
    """
    if not (a.weights and b.weights):
        return _sketched(a, b, pairs, roles)
    units = _Units(a.weights, b.weights, basis.reordered)
    spreads = gain_spread(a.weights.reader, a.weights.arch), gain_spread(b.weights.reader, b.weights.arch)
    plain: RetentionTest | None = None
    if a.weights.arch.width == b.weights.arch.width:
        todo = _matrices(a.weights, b.weights, pairs, roles, units, None)
        plain = _run(RESIDUAL, todo, units.matched, spreads, report, cancel)
        if not basis.turned:
            return plain
    turn = residual_turn(a.weights, b.weights)
    if isinstance(turn, str):
        return plain or read(TURNED, (), turn)
    todo = _matrices(a.weights, b.weights, pairs, roles, units, turn.matrix)
    after = _run(TURNED, todo, True, spreads, report, cancel)
    # A part may lie straight where the embeddings do not: what correlates more in its bulk is how it lies.
    return plain if plain is not None and _bulk(plain) > _bulk(after) else after


def _bulk(test: RetentionTest) -> float:
    return max(test.forward.rest, test.backward.rest)


Load = Callable[[], "tuple[Floats, Floats] | None"]
Todo = list[tuple[str, BlockPair, Load]]


class _Units:
    """Units of either side that stand beside each other; found once per pair of blocks."""

    def __init__(self, a: Weights, b: Weights, reordered: bool) -> None:
        self._a, self._b = a, b
        self._reordered = reordered
        self._matcher = matcher_of(a, b)
        self._found: dict[BlockPair, tuple[Ids, Ids] | None] = {}

    @property
    def matched(self) -> bool:
        """Whether units are matched by their weights instead of by their numbers."""
        widths = {unit_width(w.reader, w.arch, block) for w in (self._a, self._b) for block in w.arch.blocks}
        return self._reordered or len(widths) > 1

    def __call__(self, pair: BlockPair) -> tuple[Ids, Ids] | None:
        """Ids on either side, or None where nothing fits."""
        if pair not in self._found:
            self._found[pair] = self._look(pair)
        return self._found[pair]

    def _look(self, pair: BlockPair) -> tuple[Ids, Ids] | None:
        width_a = unit_width(self._a.reader, self._a.arch, pair.a)
        width_b = unit_width(self._b.reader, self._b.arch, pair.b)
        if not width_a or not width_b:
            return None
        if width_a == width_b and not self._reordered:
            ids = np.sort(sample_units(width_a, _SIDE, seed=4))
            return ids, ids
        if isinstance(self._matcher, str):
            return None
        found = self._matcher(pair)
        return None if found is None or len(found) < MIN_SIDE else (found.a, found.b)


def _run(
    basis: str,
    todo: Todo,
    aligned: bool,
    spreads: tuple[float | None, float | None],
    report: Report,
    cancel: CancelToken,
) -> RetentionTest:
    meter = Meter(report, "retention", len(todo), "matrices")
    found = []
    for n, (role, pair, load) in enumerate(todo):
        cancel.check()
        both = load()
        meter.add(1, f"{role} {pair.a}")
        if both is not None and both[0].shape == both[1].shape:
            found.append(both_directions(role, pair.a.layer, pair.b.layer, *both, n))
    reason = "" if found else "no matrices of equal shape at matched layers"
    return read(basis, tuple(found), reason, aligned=aligned, spreads=spreads)


def both_directions(role: str, i: int, j: int, x: Floats, y: Floats, n: int) -> MatrixRetention:
    """Retention of X in Y and of Y in X; ``n`` seeds the decompositions."""
    inner = float(np.einsum("ij,ij->", x, y, dtype=np.float64))
    of_x, of_y = top_triplets(x, seed=(21, n)), top_triplets(y, seed=(22, n))
    return MatrixRetention(role, i, j, retention(of_x, inner, y), retention(of_y, inner, x))


def _spread(pairs: tuple[BlockPair, ...], roles: int) -> list[BlockPair]:
    """Matched blocks, evenly thinned so that all roles of a block fit into `MATRICES`."""
    keep = max(2, MATRICES // max(1, roles))
    if len(pairs) <= keep:
        return list(pairs)
    return [pairs[round(k * (len(pairs) - 1) / (keep - 1))] for k in range(keep)]


def _matrices(
    a: Weights, b: Weights, pairs: tuple[BlockPair, ...], roles: tuple[str, ...], units: _Units, turn: Floats | None
) -> Todo:
    out: Todo = []
    layers = set()
    for pair in _spread(pairs, len(roles)):
        first = (pair.a.layer, pair.b.layer) not in layers
        layers.add((pair.a.layer, pair.b.layer))
        for role in roles:
            # Experts share the attention of their layer.
            if role.startswith("ffn.") or first:
                out.append((role, pair, _both_read(a, b, role, pair, units, turn)))
    return out


def _both_read(a: Weights, b: Weights, role: str, pair: BlockPair, units: _Units, turn: Floats | None) -> Load:
    def load() -> tuple[Floats, Floats] | None:
        ids = units(pair) if role.startswith("ffn.") else None
        if role.startswith("ffn.") and ids is None:
            return None
        folded = turn is not None
        x = body_matrix(a.reader, a.arch, role, pair.a, _SIDE, None if ids is None else ids[0], folded=folded)
        y = body_matrix(b.reader, b.arch, role, pair.b, _SIDE, None if ids is None else ids[1], folded=folded)
        if x is None or y is None:
            return None
        if turn is not None:
            out = role in ("attn.o", "ffn.down")
            if x.shape[0 if out else 1] != len(turn):
                return None
            x = turn.T @ x if out else x @ turn
        return (x, y) if min(x.shape) >= MIN_SIDE else None

    return load


def _sketched(a: Side, b: Side, pairs: tuple[BlockPair, ...], roles: tuple[str, ...]) -> RetentionTest:
    """Retention from what both fingerprints carry."""
    of_a, of_b = sketches_of(a), sketches_of(b)
    if of_a is None or of_b is None:
        return read(SKETCHED, (), "a fingerprint carries no sketch of learned structure")
    found = []
    for pair in pairs:
        for role in roles:
            x = of_a.get((role, pair.a.layer, pair.a.expert if role.startswith("ffn.") else _any(of_a, role, pair.a)))
            y = of_b.get((role, pair.b.layer, pair.b.expert if role.startswith("ffn.") else _any(of_b, role, pair.b)))
            if x is None or y is None or x.shape != y.shape:
                continue
            forward = from_sketches(x.top, x.rest, y.top + y.rest, x.standing)
            backward = from_sketches(y.top, y.rest, x.top + x.rest, y.standing)
            found.append(MatrixRetention(role, pair.a.layer, pair.b.layer, forward, backward))
    reason = "" if found else "the fingerprints hold no matrices that stand beside each other"
    return read(SKETCHED, tuple(found), reason, spreads=(_spread_of(a), _spread_of(b)))


@dataclass(frozen=True)
class Sketch:
    """One body matrix of a fingerprint (`mpk_tui.fingerprint.learned`).

    Attributes:
        top: (side, side) sketch of its top triplets, over the norm of the matrix.
        rest: Of everything else.
        shape: Rows and columns of the matrix that was sketched.
        standing: Directions that stand out.
    """

    top: Floats
    rest: Floats
    shape: tuple[int, int]
    standing: int


_Key = tuple[str, int, int]


def _spread_of(side: Side) -> float | None:
    stored = side.fingerprint.features[learned.FEATURE].params.get("gain_spread")
    return stored if isinstance(stored, float) else None


def sketches_of(side: Side) -> dict[_Key, Sketch] | None:
    """What a fingerprint keeps of body matrices, by role, layer and expert; None where there is none."""
    feature = side.fingerprint.features.get(learned.FEATURE)
    if feature is None or feature.version != learned.VERSION:
        return None
    stored = array(feature)
    listed = feature.params.get("matrices")
    if stored.ndim != 4 or stored.shape[1:] != (2, learned.SIDE, learned.SIDE) or not isinstance(listed, list):
        return None
    out: dict[_Key, Sketch] = {}
    for row, (top, rest) in zip(listed, stored, strict=False):
        try:
            role, layer, expert, rows, columns, standing = row
            key = str(role), int(layer), int(expert)
            out[key] = Sketch(top, rest, (int(rows), int(columns)), int(standing))
        except (TypeError, ValueError):
            return None
    return out


def _any(found: dict[_Key, Sketch], role: str, block: Block) -> int:
    """The expert under which a layer's attention was kept."""
    return next((e for r, layer, e in found if (r, layer) == (role, block.layer)), -1)


def _direction(results: list[Retention], trained: bool) -> Direction:
    stand = [r for r in results if r.standing]
    ratios = [r.ratio for r in stand if r.ratio is not None]
    counts = trained and len(stand) >= SHARE * len(results) and len(ratios) >= SHARE * len(results)
    rests = np.array([r.rest for r in stand]) if stand else np.zeros(1)
    low, middle, high = (float(q) for q in np.quantile(rests, (0.25, 0.5, 0.75)))
    return Direction(
        bool(results) and counts,
        float(np.median(ratios)) if ratios else None,
        float(np.quantile(ratios, 0.25)) if ratios else None,
        float(np.quantile(ratios, 0.75)) if ratios else None,
        float(np.median([r.top for r in stand])) if stand else 0.0,
        middle,
        (high - low) / middle if middle > 0 else 0.0,
        len(ratios),
    )


def _trained(spread: float | None, results: list[Retention]) -> bool:
    """Whether a side has trained for long enough that what it learned is its own."""
    if spread is not None:
        return spread >= TRAINED
    return bool(results) and float(np.median([r.standing for r in results])) >= UNGAUGED


def read(
    basis: str,
    matrices: tuple[MatrixRetention, ...],
    reason: str,
    *,
    aligned: bool = False,
    spreads: tuple[float | None, float | None] = (None, None),
) -> RetentionTest:
    """What the matrices say together.

    Args:
        basis: `RESIDUAL`, `TURNED` or `SKETCHED`.
        matrices: Both directions on every pair.
        reason: Why there are none, or an empty string.
        aligned: Units or residual dimensions were matched first.
        spreads: `gain_spread` of either side.
    """
    ahead, back = [m.forward for m in matrices], [m.backward for m in matrices]
    trained = _trained(spreads[0], ahead), _trained(spreads[1], back)
    forward, backward = _direction(ahead, trained[0]), _direction(back, trained[1])
    kept = math.sqrt(max(0.0, forward.top) * max(0.0, backward.top))
    both = (forward, backward)
    speaking = [d for d in both if d.speaks_for(aligned)]
    if not any(d.counts for d in both):
        reading = "abstains"
        reason = reason or (
            "learned structure does not stand out, or the bulk shows no correlation, in most matrices"
            if any(trained)
            else "both models are hardly trained: siblings of one seed look like descendants then"
        )
    elif speaking and (kept >= KEPT or any(d.even for d in speaking)):
        reading = "for"
    elif any(d.speaks_against for d in both):
        seed = all(d.counts and d.ratio is not None and d.ratio < SEED for d in both)
        reading = "seed" if seed else "against"
    elif speaking:
        reading = "abstains"
        reason = f"too little learned structure is shared ({kept:.2f}) to tell a descendant from a shared seed"
    else:
        reading, reason = "abstains", "the ratios lie between the ranges seen for descendants and for shared seeds"
    return RetentionTest(basis, matrices, forward, backward, kept, reading, reason, spreads)
