"""The eight figures of a comparison record, each with a table of its numbers: what both doors and the report draw.

A pure function of the record.  What was not measured says why; nothing here decides anything.  A record from a
stranger may hold anything: a part of the wrong shape gives a figure that says so.  Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from typing import Any

from mpk_tui.errors import MpkError
from mpk_tui.report import figures_profile
from mpk_tui.report.fields import Fields
from mpk_tui.report.figure import Band, Edge, Figure, Grid, Series, number

__all__ = ["Band", "Edge", "Figure", "Grid", "Series", "figures"]

BY_LAYER = ("ffn.aligned", "ffn.anchored", "attn.channels", "attn.heads")
"""Tests with one exact permutation test a layer; these are drawn, the others stand in the table."""
SPREADS = 3.0
"""Half width of the null band, in standard deviations."""
_NO_NUMBERS = "the record holds no numbers for this figure"
_NOT_MEASURED = "this record has no profile: it was made by an earlier version; compare the two again"


def figures(record: Mapping[str, Any]) -> tuple[Figure, ...]:
    """All eight figures of a comparison record (schema ``mpk-tui/compare/1``), in a fixed order.

    Args:
        record: The record; its shape need not have been checked.

    Returns:
        ``cosine``, ``layers``, ``change``, ``singular``, ``retention``, ``embeddings``, ``rho``, ``z``.  A figure that
        cannot be drawn says why in ``missing``.
    """
    whole = Fields(record, "comparison record", "")
    out = []
    for empty, draw in _BUILDERS:
        try:
            out.append(draw(empty, whole))
        except MpkError as error:
            out.append(replace(empty, missing=f"the record is malformed: {error.what}"))
    return tuple(out)


def _profiled(name: str, draw: Callable[[Figure, Fields], Figure]) -> Callable[[Figure, Fields], Figure]:
    def drawn(empty: Figure, record: Fields) -> Figure:
        if "profile" not in record:
            return replace(empty, missing=_NOT_MEASURED)
        profile = record.map("profile")
        part = profile.map(name)
        reason = part.text("missing") if name in profile else _NO_NUMBERS
        if reason:
            return replace(empty, missing=reason)
        made = draw(empty, part)
        something = made.grid is not None or any(s.xs for s in made.series)
        return made if something or made.missing else replace(empty, missing=_NO_NUMBERS)

    return drawn


def _retention(empty: Figure, record: Fields) -> Figure:
    """Top against bulk from the profile; their ratio alone where a record has no profile."""
    if "profile" in record:
        return _profiled("retention", figures_profile.retention)(empty, record)
    test = next((t for t in record.maps("tests") if t.text("name") == "retention"), None)
    if test is None or not test.flag("ran"):
        return replace(empty, missing=(test.text("reason") if test else "") or "the test was not run")
    series: dict[str, list[float | None]] = {"A in B": [], "B in A": []}
    rows: list[tuple[str, ...]] = []
    for layer in test.maps("layers"):
        ahead, back = layer.number("a_in_b"), layer.number("b_in_a")
        series["A in B"].append(ahead)
        series["B in A"].append(back)
        names = layer.text("role"), str(layer.whole("a", -1)), str(layer.whole("b", -1))
        rows.append((str(len(rows) + 1), *names, number(ahead), number(back)))
    return replace(
        empty,
        y="top over bulk (1: top kept as well as bulk)",
        series=tuple(
            Series(f"{name}: top over bulk", "dot", tuple(range(1, len(ys) + 1)), tuple(ys))
            for name, ys in series.items()
        ),
        columns=("no.", "matrix", "layer of A", "layer of B", "A in B", "B in A"),
        rows=tuple(rows),
    )


def _by_layer(empty: Figure, record: Fields, value: str) -> Figure:
    """``rho`` or ``z`` of every test that has one a layer, with the band of its null."""
    series: list[Series] = []
    rows: list[tuple[str, ...]] = []
    reasons: dict[str, list[str]] = {}
    unit, of, chosen, several = 1.0, "each test", False, False
    for test in record.maps("tests"):
        name = test.text("name")
        if name == "retention":
            continue
        if not test.flag("ran"):
            reasons.setdefault(test.text("reason"), []).append(name)
            continue
        layers = _layers(test)
        if name in BY_LAYER:
            chosen = chosen or test.map("parameters").text("layer_map") == "best monotone path"
            drawn = [(float(x.a), getattr(x, value)) for x in layers if x.a >= 0]
            if drawn and value == "rho" and not series:
                unit, of = _middle([x.spread for x in layers]) or 0.0, name
            if drawn:
                series.append(Series(name, "line", tuple(x for x, _ in drawn), tuple(y for _, y in drawn)))
        several = several or any(x.blocks > 1 for x in layers)
        rows += [x.cells(name) for x in layers]
    columns = ("test", "layer of A", "layer of B", "blocks", "rho", "null sd of rho", "z", "p")
    if not series and not rows:
        return replace(empty, missing=_joined(reasons) or "no test was run")
    about = empty.about
    if several:
        about += " With experts a point is the median over the blocks of a pair of layers, and p the least of them."
    if chosen:
        about += (
            " Layers were put beside each other along the best path: their values are the best of several, and may lie "
            "above the band for independent models, too."
        )
    name = f"null of {of}: mean 0, {SPREADS:g} standard deviations to either side"
    band = Band(name, -SPREADS * unit, SPREADS * unit)
    return replace(
        empty, about=about, series=tuple(series), bands=(band,) if unit > 0 and series else (), columns=columns,
        rows=tuple(rows),
    )  # fmt: skip


def _joined(reasons: dict[str, list[str]]) -> str:
    """Why tests were not run, each reason once."""
    if len(reasons) == 1:
        return next(iter(reasons))
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())


class _Layer:
    """All blocks of one pair of layers: the median block, and how many there are."""

    def __init__(self, a: int, b: int, blocks: list[tuple[float | None, float | None, float | None, bool]]) -> None:
        self.a, self.b, self.blocks = a, b, len(blocks)
        self.rho = _middle([b[0] for b in blocks])
        self.z = _middle([b[1] for b in blocks])
        self.p = min((b[2] for b in blocks if b[2] is not None), default=None)
        self.bound = any(b[3] for b in blocks)
        # z is rho in units of its own spread over relabellings: both are T, divided by two constants.
        self.spread = _middle([b[0] / b[1] if b[0] is not None and b[1] else None for b in blocks])

    def cells(self, test: str) -> tuple[str, ...]:
        where = ("whole model", "whole model") if self.a < 0 else (str(self.a), str(self.b))
        # The test on order has another null: the length of an increasing run.
        spread = "-" if test not in BY_LAYER and self.a >= 0 else number(self.spread, 2)
        return (test, *where, str(self.blocks), number(self.rho), spread, number(self.z), _p(self.p, self.bound))


def _middle(values: list[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return median(known) if known else None


def _p(p: float | None, bound: bool) -> str:
    """A p-value, never below its floor."""
    if p is None:
        return "-"
    return "< 1e-12" if p < 1.0000001e-12 else f"{'<= ' if bound else ''}{p:.2g}"


def _layers(test: Fields) -> list[_Layer]:
    found: dict[tuple[int, int], list[tuple[float | None, float | None, float | None, bool]]] = {}
    for x in test.maps("layers"):
        key = x.whole("a", -1), x.whole("b", -1)
        block = x.within("rho", -1.001, 1.001), x.number("z"), x.chance("p"), x.flag("p_is_bound")
        found.setdefault(key, []).append(block)
    return [_Layer(a, b, blocks) for (a, b), blocks in sorted(found.items())]


def _rho(empty: Figure, record: Fields) -> Figure:
    return _by_layer(empty, record, "rho")


def _z(empty: Figure, record: Fields) -> Figure:
    return _by_layer(empty, record, "z")


_Builder = Callable[[Figure, Fields], Figure]
_BUILDERS: tuple[tuple[Figure, _Builder], ...] = (
    (
        Figure(
            "cosine",
            "Cosine of tensors that stand beside each other, by layer and kind",
            "1 is the same direction, 0 none in common; an equal tensor is 1. Outside layers is drawn at -1. Tensors "
            "are paired by role, and by name where depths differ. A high cosine is context and decides nothing: norm "
            "gains of independent models reach 0.999.",
            "layer of A",
            "cosine",
        ),
        _profiled("cosine", figures_profile.cosine),
    ),
    (
        Figure(
            "layers",
            "How every layer of A fits every layer of B: z of the row test on a sample of units",
            "Under the null (units of one model relabelled) a cell has mean 0 and standard deviation 1. A dark "
            "diagonal is a correspondence in order; a bent or broken one tells of layers removed, repeated or moved. "
            "Units are compared by their numbers: where they were re-ordered or cut out, the grid is blank. It decides "
            "nothing, and the p-values of the tests are their own.",
            "layer of B",
            "layer of A",
        ),
        _profiled("layers", figures_profile.layers),
    ),
    (
        Figure(
            "change",
            "How much tensors changed: relative change, in bins of half a power of ten",
            "Relative change is ||A - B|| / ||A||; about 1.41 is what matrices of one size with nothing in common "
            "differ by. Equal tensors are counted in the table and not drawn. Size alone does not say what kind of "
            "change it was.",
            "log10 of the relative change",
            "share of what was compared (%)",
        ),
        _profiled("change", figures_profile.change),
    ),
    (
        Figure(
            "singular",
            "Singular values of the change of a few matrices, in multiples of the rounding edge",
            "The edge is the greatest singular value that rounding to the stored digits alone would leave, if entries "
            "were of one size; others pass it somewhat. A few values far above the edge and the rest at it "
            "are a change of low rank; a slow decay is a change throughout. Of each kind of matrix the middle layer is "
            "drawn; the table has the first and the last one, too.",
            "number of the singular value, greatest first (log10)",
            "singular value / rounding edge",
            y_log=True,
        ),
        _profiled("singular", figures_profile.singular),
    ),
    (
        Figure(
            "retention",
            "What each side kept of the other's matrices: top singular directions against the bulk",
            "The top holds what was learned, the bulk what is left of the initialisation. A descendant keeps the top "
            "as well as the bulk; two runs from one initialisation keep the bulk and lose the top. A dash: nothing "
            "stands out there. The reading is the test's, from medians and quartiles, and has an empirical error rate.",
            "matrix, in the order of the table",
            "kept share (1: all of it)",
        ),
        _retention,
    ),
    (
        Figure(
            "embeddings",
            "Norms of embedding rows, A against B",
            "The line pairs equal quantiles of the two tables, the dots rows of shared tokens (binned by A's norm; "
            "median and quartiles of B's). On the diagonal norms are equal. Norms follow how often tokens occur: "
            "independent models agree in them to 0.997, so agreement says nothing.",
            "norm of A's row",
            "norm of B's row",
        ),
        _profiled("embeddings", figures_profile.embeddings),
    ),
    (
        Figure(
            "rho",
            "Correlation of units by layer, for every test that has one a layer",
            "0 is what relabelled units give on average, 1 the same units. The band is that of the first test (median "
            "over layers); the table has the standard deviation of every null. It measures how much is shared; whether "
            "anything is shared, p says.",
            "layer of A",
            "correlation (rho)",
        ),
        _rho,
    ),
    (
        Figure(
            "z",
            "Effect size by layer, for every test that has one a layer",
            "z counts standard deviations from the mean over relabellings of units, channels or heads of one model; "
            "mean 0 and standard deviation 1 hold exactly under H0-ind, whatever data or architecture are shared. z is "
            "an effect size and is never turned into a tail: p is the rank among random relabellings, or a bound.",
            "layer of A",
            "z (standard deviations of the null)",
        ),
        _z,
    ),
)
