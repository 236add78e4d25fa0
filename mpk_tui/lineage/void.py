"""Where relabelling is no null: units, channels, heads or dimensions that have an order of their own.

A test over relabellings of a group is exact if the law of at least one of two independent models does not change when
that group is relabelled.  If B is exchangeable, (A, pi B) has the law of (A, B) for every pi.  If A is instead,
T(A, pi B) = T(pi^-1 A, B), and pi^-1 is as uniform as pi.  So an order on one side costs nothing, whatever it is, and
a test is refused only where both sides have one: not necessarily by the same rule or in the same direction, for two
rules may agree in what they put first.  Nobody can have a test refused by sorting a copy of what was not sorted.

Refusing makes no p-value smaller: P(not refused and p <= alpha) <= P(p <= alpha) <= alpha wherever the test is exact,
whatever the refusal looks at.  So a needless refusal costs power and nothing else.

Read from weights, one model at a time: units whose norms, biases or zeros follow their number or resemble those of
their neighbours (duplicated units do); zeros that neighbouring units have in common; position tables of sines; residual
dimensions whose embeddings follow or resemble each other in norm (nested embeddings).  Read from configurations: what
`mpk_tui.lineage.stated_orders` lists.

Not seen, and assumed away where a record states its assumption: an order without a trace in norms or zeros (by
activations, say), block-sparse initialisation whose zeros were trained away, code that treats channels or heads
unlike each other without its configuration saying so.  A fingerprint keeps no more of a configuration than the model
type, and its sketches are normalised: there only what follows from the model type is noticed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint.model import Block
from mpk_tui.fingerprint.units import Ids, feed, input_roles, sample_units, unit_width
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.lineage.stated_orders import encoded_values, nested_units, sinusoidal, unlike_heads

Values = npt.NDArray[np.float64]

BEYOND = 6.0
"""Standard deviations from which an order is none of chance; an exchangeable group comes there once in 1e8 looks."""
RUNS, RUN = 8, 64
"""Units looked at in a block: so many runs of so many neighbours, evenly spread; all units of a narrow block."""
SAMPLE = 256
"""Residual dimensions that norms of down columns are taken over, and tokens that norms of residual dimensions are."""
SHARED_ZEROS = 0.3
"""Correlation of the zeros of neighbouring units, beyond that of distant ones, from which it counts."""
POSITIONS = 256
"""Rows of a position table that are looked at."""
_LEAST = 32


def units(a: Side, b: Side, pairs: Iterable[tuple[Block, Block]]) -> str:
    """Why feed-forward units must not be relabelled, or an empty string.

    Args:
        a: One side.
        b: The other.
        pairs: Blocks that stand beside each other; one pair with an order on both sides is enough.
    """
    stated = nested_units(_config(a)), nested_units(_config(b))
    seen: dict[Block, str] = {}
    for x, y in pairs:
        if x not in seen:
            seen[x] = stated[0] or (unit_order(a.weights, x) if a.weights else "")
        # The second side is looked at only where the first has an order, which is next to never.
        of_b = seen[x] and (stated[1] or (unit_order(b.weights, y) if b.weights else ""))
        if of_b:
            where = "" if all(stated) else f"layer {x} of A, layer {y} of B"
            return _refusal("units", seen[x], of_b, where)
    return ""


def channels(a: Weights, b: Weights) -> str:
    """Why value channels must not be relabelled, or an empty string."""
    return _refusal("value channels", encoded_values(a.checkpoint.config), encoded_values(b.checkpoint.config))


def heads(a: Weights, b: Weights) -> str:
    """Why heads must not be relabelled, or an empty string."""
    return _refusal("heads", unlike_heads(a.checkpoint.config), unlike_heads(b.checkpoint.config))


def dimensions(a: Side | Weights, b: Side | Weights) -> str:
    """Why residual dimensions must not be relabelled, or an empty string."""
    of_a = dimension_order(a)
    return _refusal("residual dimensions", of_a, dimension_order(b)) if of_a else ""


def _refusal(what: str, of_a: str, of_b: str, where: str = "") -> str:
    if not (of_a and of_b):
        return ""
    by = f"by {of_a} on both sides" if of_a == of_b else f"by {of_a} in A and by {of_b} in B"
    return f"refused: {what} are ordered {by}, so relabelling them is no null{f' ({where})' if where else ''}"


def unit_order(w: Weights, block: Block) -> str:
    """By what the units of a block are ordered, as far as weights show it, or an empty string."""
    width = unit_width(w.reader, w.arch, block)
    if width < _LEAST:
        return ""
    ids = _runs(width)
    down = feed(w.arch, "ffn.down", block)
    rows = np.sort(sample_units(w.reader.shape(down)[0], SAMPLE, seed=18))
    parts = {role: w.reader.select(feed(w.arch, role, block), ids) for role in input_roles(w.arch, block)}
    parts["ffn.down"] = np.ascontiguousarray(w.reader.select(down, rows)[:, ids].T)
    squares = {role: np.einsum("ij,ij->i", x, x, dtype=np.float64) for role, x in parts.items()}
    found = {f"the norm of {role.removeprefix('ffn.')}": v for role, v in squares.items()}
    found["the norm of their weights"] = np.sum(list(squares.values()), axis=0)
    found["the product of their norms"] = np.prod(list(squares.values()), axis=0)
    bias = w.arch.feed("ffn.up.bias", block)
    if bias is not None and w.reader.shape(bias) == (width,):
        found["their bias"] = w.reader.select(bias, ids).astype(np.float64)
    zeros = np.concatenate([x == 0 for x in parts.values()], axis=1)
    found["their number of zeros"] = zeros.sum(axis=1, dtype=np.float64)
    for name, values in found.items():
        if ordered(ids, values):
            return name
    return "the place of their zeros" if shared_zeros(ids, zeros) else ""


def dimension_order(side: Side | Weights) -> str:
    """By what residual dimensions are ordered, as far as configuration and weights show it, or an empty string."""
    stated, w = sinusoidal(_config(side)), side if isinstance(side, Weights) else side.weights
    if stated or w is None:
        return stated
    positions, tokens = w.arch.roles.get(("embed.positions", -1)), w.arch.roles.get(("embed.tokens", -1))
    shape = w.reader.shape(positions) if positions is not None else ()
    # The first rows of some tables stand for padding.
    if (
        positions is not None
        and len(shape) == 2
        and is_sines(w.reader.rows(positions, 4, min(4 + POSITIONS, shape[0])))
    ):
        return "sinusoidal positions"
    if tokens is not None and len(shape := w.reader.shape(tokens)) == 2:
        x = np.nan_to_num(w.reader.select(tokens, np.sort(sample_units(shape[0], SAMPLE, seed=19)))).astype(np.float64)
        if ordered(np.arange(shape[1]), ((x - x.mean(axis=0)) ** 2).sum(axis=0)):
            return "the norm of their embeddings"
    return ""


def ordered(ids: Ids, values: Values) -> bool:
    """Whether ranks of values follow the ids, or those of neighbouring ids each other, far beyond chance.

    Args:
        ids: (m,) ascending; neighbours are those that differ by one.
        values: (m,) one number each.
    """
    if len(ids) < _LEAST or not np.isfinite(values).all():
        return False
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count + 1) / 2)[place]
    ranks -= ranks.mean()
    spread = float((ranks**2).mean())
    if spread == 0.0:
        return False
    at = np.arange(len(ids)) - (len(ids) - 1) / 2
    # Over relabellings Spearman's correlation has variance 1/(m - 1) exactly, ties or none; the serial one about 1/n.
    follows = float((at * ranks).mean()) / math.sqrt(spread * float((at**2).mean())) * math.sqrt(len(ids) - 1)
    beside = np.flatnonzero(np.diff(ids) == 1)
    resembles = float((ranks[beside] * ranks[beside + 1]).sum()) / spread / math.sqrt(max(1, len(beside)))
    return abs(follows) > BEYOND or resembles > BEYOND


def shared_zeros(ids: Ids, zeros: npt.NDArray[np.bool_]) -> bool:
    """Whether neighbouring units have their zeros in the same places, far more than distant ones.

    Args:
        ids: (m,) ascending.
        zeros: (m, columns) where a unit's weights are exactly zero.
    """
    if len(ids) < _LEAST or not zeros.any():
        return False
    x = zeros.astype(np.float32)
    x -= x.mean(axis=0)
    norm = np.sqrt(np.einsum("ij,ij->i", x, x))
    x *= np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)[:, None]
    beside = np.flatnonzero(np.diff(ids) == 1)
    near = float(np.einsum("ij,ij->", x[beside], x[beside + 1])) / max(1, len(beside))
    far = float(np.einsum("ij,ij->", x, np.roll(x, len(ids) // 2, axis=0))) / len(ids)
    return near - far > max(SHARED_ZEROS, BEYOND / math.sqrt(max(1, len(beside))))


def is_sines(table: npt.NDArray[np.float32]) -> bool:
    """Whether consecutive rows are sines and cosines of their number, in any layout, with any frequencies and scale.

    sin and cos come in pairs, so every row has the squared norm d/2; and every column has
    x[p+1] + x[p-1] = 2 cos(w) x[p].  Tolerances are those of bfloat16.
    """
    x = table.astype(np.float64)
    if x.shape[0] < _LEAST or not np.isfinite(x).all():
        return False
    size = (x**2).sum(axis=1)
    if size.min() <= 0 or size.max() > 1.02 * size.min():
        return False
    x = x / math.sqrt(float(size.mean()) / (x.shape[1] / 2))
    middle, outer = x[1:-1], x[:-2] + x[2:]
    weight = (middle**2).sum(axis=0)
    twice = np.divide((middle * outer).sum(axis=0), weight, out=np.zeros_like(weight), where=weight > 0)
    if (x.std(axis=0) > 0.1).mean() < 0.25:  # rows that are all alike count nothing
        return False
    return bool(np.abs(twice).max() < 2.05 and np.abs(outer - twice * middle).max() < 0.04)


def _runs(width: int) -> Ids:
    """Ids of runs of neighbours, ascending."""
    if width <= RUNS * RUN:
        return np.arange(width, dtype=np.int64)
    starts = np.linspace(0, width - RUN, RUNS).astype(np.int64)
    return np.asarray((starts[:, None] + np.arange(RUN)).ravel(), dtype=np.int64)


def _config(side: Side | Weights) -> Mapping[str, Any]:
    """The configuration, or the little of it that a fingerprint keeps."""
    if isinstance(side, Weights):
        return side.checkpoint.config
    if side.weights:
        return side.weights.checkpoint.config
    claims = side.fingerprint.config.get("claims")
    pairs = claims if isinstance(claims, (list, tuple)) else ()
    return {p[0]: p[1] for p in pairs if isinstance(p, (list, tuple)) and len(p) == 2 and isinstance(p[0], str)}
