"""The figures that rest on the ``profile`` of a comparison record; shapes are checked while they are read.

Standard library only.
"""

from __future__ import annotations

import math
from dataclasses import replace

from mpk_tui.report.fields import Fields
from mpk_tui.report.figure import Edge, Figure, Grid, Series, number

LAYERS = 256
"""Greatest number of layers, or groups of them, told apart by cosine."""
SIDE = 64
"""Greatest number of rows and of columns of the layer grid."""
BINS = 32
"""Greatest number of bins of relative change."""
MATRICES = 64
"""Greatest number of matrices in one figure."""
VALUES = 32
"""Greatest number of singular values of a matrix."""
QUANTILES = 32
"""Greatest number of quantiles, or of bins, of embedding norms."""
KINDS = ("attention", "ffn", "norm", "embedding", "other")
"""Kinds of tensors."""
_HUGE = 1e30
_ROLE = 48
"""Greatest number of characters of a role."""


def cosine(empty: Figure, part: Fields) -> Figure:
    """Cosine by layer and kind."""
    drawn: dict[str, list[tuple[float, float | None]]] = {}
    rows = []
    for row in part.maps("rows", LAYERS * len(KINDS)):
        kind = row.text("kind")
        if kind not in KINDS:
            raise row.wrong("kind", f"is none of {', '.join(KINDS)}")
        first, last = row.whole("layer", -1), row.whole("to", -1)
        value = row.within("cosine", -1.000001, 1.000001)
        drawn.setdefault(kind, []).append((float(first), value))
        rows.append((
            _span(first, last) if first >= 0 else "outside", kind, str(row.count("tensors")), str(row.count("equal")),
            str(row.count("measured")), number(value), number(row.within("least", -1.000001, 1.000001)),
            number(row.within("relative", 0, _HUGE)),
        ))  # fmt: skip
    return replace(
        empty,
        series=tuple(
            Series(kind, "line" if len(drawn[kind]) > 1 else "dot", *_points(drawn[kind]))
            for kind in KINDS
            if kind in drawn
        ),
        columns=("layer of A", "kind", "tensors", "equal", "read", "cosine", "lowest", "relative change"),
        rows=tuple(rows),
        about=_from_sketches(empty, part, "each estimated from sketches of at most a few matrices"),
    )


def _from_sketches(empty: Figure, part: Fields, how: str) -> str:
    return f"{empty.about} From fingerprints: {how}." if part.text("source") == "fingerprints" else empty.about


def _points(pairs: list[tuple[float, float | None]]) -> tuple[tuple[float, ...], tuple[float | None, ...]]:
    return tuple(x for x, _ in pairs), tuple(y for _, y in pairs)


def _span(first: int, last: int) -> str:
    return str(first) if last <= first else f"{first}-{last}"


def layers(empty: Figure, part: Fields) -> Figure:
    """Layer x layer."""
    names_a, names_b = _groups(part, "rows"), _groups(part, "columns")
    z = part.rows("z", len(names_a), len(names_b))
    matched = part.within("matched_from", 0, _HUGE) or 8.0
    most = max((max(row) for row in z), default=0.0)
    table = []
    for name, row in zip(names_a, z, strict=True):
        order = sorted(range(len(row)), key=lambda k: (-row[k], k))
        best = [(names_b[k], number(row[k])) for k in order[:2]] + [("-", "-")] * (2 - len(order[:2]))
        same = names_b.index(name) if name in names_b else None
        table.append((name, *best[0], *best[1], "-" if same is None else number(row[same])))
    form = part.text("form")
    return replace(
        empty,
        title=f"{empty.title} ({form})" if form else empty.title,
        about=f"{empty.about} A pair is drawn as matched from z {matched:g} on."
        + (" With experts a cell is the greatest z over them." if part.flag("experts") else "")
        + (" Neighbouring layers share a cell, which is their greatest z." if part.flag("joined") else ""),
        grid=Grid(names_a, names_b, z, 0.0, max(matched, most)),
        columns=("layer of A", "best of B", "z", "next best", "z", "z at its own number"),
        rows=tuple(table),
    )


def _groups(part: Fields, key: str) -> tuple[str, ...]:
    listed = part.items(key, SIDE)
    if not listed:
        raise part.wrong(key, "is empty")
    table = part.rows(key, len(listed), 2)
    return tuple(_span(int(first), int(last)) for first, last in table)


def change(empty: Figure, part: Fields) -> Figure:
    """Histogram of relative change."""
    low, step = part.within("low", -300, 300) or 0.0, part.within("step", 1e-3, 100) or 1.0
    tensors, parameters = part.numbers("tensors", BINS), part.numbers("parameters", BINS)
    if len(tensors) != len(parameters):
        raise part.wrong("parameters", "is not as long as 'tensors'")
    if any(v < 0 for v in (*tensors, *parameters)):
        raise part.wrong("tensors", "or 'parameters' has a number below 0")
    apart = [(state, part.map(state)) for state in ("equal", "converted", "reshaped", "unread")]
    counted = [(state, m.count("tensors"), m.count("parameters")) for state, m in apart]
    compared = (
        sum(tensors) + sum(n for _, n, _ in counted[:2]),
        sum(parameters) + sum(p for _, _, p in counted[:2]),
    )
    if not compared[0]:
        return replace(empty, missing="no tensors of equal shape stand beside each other")
    xs = tuple(low + step * (k + 0.5) for k in range(len(tensors)))
    rows = [
        (_bin(k, len(tensors), low, step), f"{n:.0f}", f"{p:.0f}")
        for k, (n, p) in enumerate(zip(tensors, parameters, strict=True))
        if n or p
    ]
    rows += [(_APART[state], str(n), str(p)) for state, n, p in counted if n or p]
    return replace(
        empty,
        about=f"{empty.about} {_share(counted[0][1], compared[0])} equal byte for byte.",
        series=tuple(
            Series(name, "bar", xs, tuple(100 * v / total if total else 0.0 for v in values))
            for name, values, total in (
                ("tensors", tensors, compared[0]),
                ("parameters", parameters, compared[1]),
            )
        ),
        columns=("relative change", "tensors", "parameters"),
        rows=tuple(rows),
    )


_APART = {
    "equal": "equal byte for byte", "converted": "equal after a conversion", "reshaped": "shapes differ",
    "unread": "not read",
}  # fmt: skip


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} % of the tensors are" if part and whole else "No tensor is"


def _bin(k: int, count: int, low: float, step: float) -> str:
    start, stop = (f"{10 ** (low + step * n):.2g}" for n in (k, k + 1))
    return f"below {stop}" if k == 0 else f"from {start}" if k == count - 1 else f"{start} to {stop}"


def singular(empty: Figure, part: Fields) -> Figure:
    """Singular values of changes, in multiples of the rounding edge; of each kind of matrix one is drawn."""
    spectra: dict[str, list[Series]] = {}
    rows = []
    for m in part.maps("matrices", MATRICES):
        ranks, values = m.numbers("ranks", VALUES), m.numbers("values", VALUES)
        if len(ranks) != len(values):
            raise m.wrong("values", "is not as long as 'ranks'")
        if any(r < 1 for r in ranks) or any(v < 0 for v in values):
            raise m.wrong("values", "or 'ranks' has a number below its least")
        edge, role = m.within("edge", 0, _HUGE), _role(m)
        name = f"{role} {m.whole('a', -1)}"
        if edge and values and max(values) > 0:
            over = tuple(v / edge if v > 0 else None for v in values)
            spectra.setdefault(role, []).append(Series(name, "line", tuple(math.log10(r) for r in ranks), over))
        ends = (values[0], values[len(values) // 2], values[-1]) if values else (None, None, None)
        rows.append((
            name, f"{m.count('rows')} x {m.count('columns')}", *(number(v) for v in ends), number(edge),
            "-" if edge is None else f"{m.count('above')} of {m.count('full')}",
        ))  # fmt: skip
    if not rows:
        return replace(empty, missing="no matrix has a counterpart of its shape")
    return replace(
        empty,
        series=tuple(found[len(found) // 2] for found in spectra.values()),
        edges=(Edge("rounding edge", 1.0, "y"),) if spectra else (),
        columns=("matrix, layer of A", "block", "first", "middle", "last", "rounding edge", "above 1.5 x edge"),
        rows=tuple(rows),
        missing="" if spectra else "the matrices that were looked at are equal, or their rounding is not known",
    )


def _role(m: Fields) -> str:
    role = m.text("role")
    if len(role) > _ROLE:
        raise m.wrong("role", f"has {len(role)} characters; at most {_ROLE}")
    return role


def retention(empty: Figure, part: Fields) -> Figure:
    """Top against bulk, per matrix, in both directions."""
    names = {"a_top": "A in B: top", "a_rest": "A in B: bulk", "b_top": "B in A: top", "b_rest": "B in A: bulk"}
    drawn: dict[str, list[float | None]] = {k: [] for k in names}
    rows = []
    for n, m in enumerate(part.maps("matrices", MATRICES), 1):
        for k, listed in drawn.items():
            listed.append(m.within(k, -_HUGE, _HUGE))
        where = _role(m), str(m.whole("a", -1)), str(m.whole("b", -1))
        rows.append((str(n), *where, *(number(listed[-1]) for listed in drawn.values())))
    xs = tuple(float(n) for n in range(1, len(rows) + 1))
    return replace(
        empty,
        series=tuple(Series(names[k], "dot", xs, tuple(listed)) for k, listed in drawn.items()),
        edges=(Edge("all of it", 1.0, "y"),),
        columns=("no.", "matrix", "layer of A", "layer of B", *names.values()),
        rows=tuple(rows),
    )


def embeddings(empty: Figure, part: Fields) -> Figure:
    """Quantile against quantile, and norm against norm."""
    at, a, b = (part.numbers(k, QUANTILES) for k in ("quantiles", "a", "b"))
    if not len(at) == len(a) == len(b):
        raise part.wrong("quantiles", "is not as long as 'a' and 'b'")
    if any(v < 0 for v in (*a, *b)) or any(not 0 <= q <= 1 for q in at):
        raise part.wrong("quantiles", "or 'a' or 'b' has a number out of its range")
    rows: list[tuple[str, ...]] = [
        (f"quantile {100 * q:g} %", number(x), number(y), "-", "-") for q, x, y in zip(at, a, b, strict=True)
    ]
    xs, middle, low, high = [], [], [], []
    for m in part.maps("bins", QUANTILES):
        found = [m.within(k, 0, _HUGE) for k in ("a", "b", "b_low", "b_high")]
        xs.append(found[0] or 0.0)
        middle.append(found[1])
        low.append(found[2])
        high.append(found[3])
        rows.append((f"{m.count('tokens')} shared tokens", *(number(v) for v in found)))
    series = [Series("equal quantiles", "line", a, b)]
    if xs:
        series += [
            Series(f"shared tokens: {name}", "dot", tuple(xs), tuple(ys))
            for name, ys in (("median", middle), ("lower quartile", low), ("upper quartile", high))
        ]
    if a:
        ends = min(*a, *b), max(*a, *b)
        series.append(Series("equal norms", "line", ends, ends))
    unshared = part.text("shared_missing")
    return replace(
        empty,
        about=f"{empty.about} No shared tokens are drawn: {unshared}." if unshared else empty.about,
        series=tuple(series),
        columns=("rows", "norm in A", "norm in B", "lower quartile in B", "upper quartile in B"),
        rows=tuple(rows),
    )


_PARTS = {
    "cosine": cosine, "layers": layers, "change": change, "singular": singular, "retention": retention,
    "embeddings": embeddings,
}  # fmt: skip


def check(profile: Fields) -> None:
    """Check the shape of a profile from a stranger.

    Raises:
        LimitError: A list is longer than any that this version writes.
        MalformedError: A field has another type, or a number that cannot be.
    """
    for name, draw in _PARTS.items():
        part = profile.map(name)
        if name in profile and not part.text("missing"):
            draw(Figure(name, "", "", "", ""), part)
