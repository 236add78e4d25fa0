"""Figures as SVG: escaped, bounded, told apart without colour, the same every time."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hostile import CORPUS
from records import record

from mpk_tui.report.figure import Band, Edge, Figure, Grid, Series
from mpk_tui.report.figures import figures
from mpk_tui.report.svg import HEIGHT, WIDTH, svg

LINE = Figure(
    "rho", "Rho", "How to read it.", "layer", "rho", series=(Series("one", "line", (0, 1, 2), (0.1, None, 0.3)),)
)


def parsed(figure: Figure) -> ET.Element:
    return ET.fromstring(svg(figure, "f"))


def coordinates(root: ET.Element) -> list[float]:
    out = []
    for node in root.iter():
        for name, value in node.attrib.items():
            if name in ("x", "x1", "x2", "cx"):
                out.append((float(value), WIDTH))
            elif name in ("y", "y1", "y2", "cy"):
                out.append((float(value), HEIGHT))
            elif name == "points":
                for point in value.split():
                    x, y = map(float, point.split(","))
                    out += [(x, WIDTH), (y, HEIGHT)]
    assert all(math.isfinite(v) for v, _ in out)
    return [v / limit for v, limit in out]


def test_a_picture_has_a_title_and_a_description_and_only_grey() -> None:
    root = parsed(LINE)
    assert root.attrib["role"] == "img"
    assert [root[0].tag, root[0].text, root[1].tag, root[1].text] == ["title", "Rho", "desc", "How to read it."]
    colours = set(re.findall(r"#[0-9a-f]{6}", svg(LINE, "f")))
    assert all(c[1:3] == c[3:5] == c[5:7] for c in colours)
    assert "url" not in svg(LINE, "f")
    assert "href" not in svg(LINE, "f")


def test_what_was_not_measured_breaks_the_line() -> None:
    both = Series("two", "line", (0, 1, 2, 3, 4), (0.1, 0.2, None, 0.3, 0.4))
    drawn = parsed(Figure("z", "Z", "", "x", "y", series=(both,)))
    assert len(drawn.findall("polyline")) == 2


@pytest.mark.parametrize("mark", ["line", "bar", "dot"])
@pytest.mark.parametrize(
    "ys",
    [(1.0,), (0.0, 0.0), (5.0, 5.0, 5.0), (-1e300, 1e300), (1e-300, 1e-299), (1e9, 1e9 + 1), (None, 2.0), (-3.0, -2.0)],
)
@pytest.mark.parametrize("log", [False, True])
def test_any_numbers_stay_inside_the_picture(mark: str, ys: tuple[float | None, ...], log: bool) -> None:
    s = Series("s", mark, tuple(map(float, range(len(ys)))), ys)
    figure = Figure(
        "z", "Z", "", "x", "y", log, (s, s), (Band("null", -3.0, 3.0),), (Edge("edge", 1.0, "y"), Edge("at", 0.5, "x"))
    )
    text = svg(figure, "f")
    if not text:
        assert log
        assert not any(y is not None and y > 0 for y in ys)
        return
    assert all(-0.02 <= v <= 1.02 for v in coordinates(parsed(figure)))


def test_series_are_told_apart_by_shape_and_named() -> None:
    many = tuple(Series(f"series {n}", "line", (0, 1), (n, n + 1.0)) for n in range(20))
    root = parsed(Figure("z", "Z", "", "x", "y", series=many))
    dashes = [(p.get("stroke-dasharray"),) for p in root.findall("polyline")]
    assert len(dashes) == 12
    assert len(set(dashes)) == 6
    said = " ".join(t.text or "" for t in root.findall("text"))
    assert all(f"series {n}" in said for n in range(12))
    assert "and 8 more in the table" in said


def test_a_heatmap_has_numbers_or_a_ramp_and_shows_what_was_not_measured() -> None:
    small = Figure("layers", "L", "", "b", "a", grid=Grid(("0", "1"), ("0", "1"), ((1.0, None), (0.25, 2.0)), 0.0, 1.0))
    root = parsed(small)
    said = [t.text for t in root.findall("text")]
    assert {"0.25", "2", "not measured", "1 and above", "0 and below"} <= set(said)
    names = tuple(map(str, range(500)))
    big = Figure("layers", "L", "", "b", "a", grid=Grid(names, names, ((0.5,) * 500,) * 500, 0.0, 1.0))
    assert len(svg(big, "f")) < 700_000
    assert svg(Figure("layers", "L", "", "b", "a", grid=Grid((), (), (), 0, 1)), "f") == ""


def test_pictures_are_bounded() -> None:
    xs = tuple(map(float, range(100_000)))
    huge = Figure(
        "z", "Z", "", "x", "y", series=tuple(Series(f"s{n}", m, xs, xs) for n, m in enumerate(("line", "bar", "dot")))
    )
    assert len(svg(huge, "f")) < 300_000


@pytest.mark.parametrize("evil", CORPUS, ids=range(len(CORPUS)))
def test_hostile_names_are_text(evil: str) -> None:
    figure = Figure(
        "z", evil, evil, evil, evil, series=(Series(evil, "line", (0, 1), (0, 1)), Series(evil, "bar", (0, 1), (0, 1))),
        bands=(Band(evil, 0, 1),), edges=(Edge(evil, 0.5, "x"), Edge(evil, 0.5, "y")),
    )  # fmt: skip
    grid = Figure("layers", evil, evil, evil, evil, grid=Grid((evil,), (evil,), ((1.0,),), 0, 1))
    for f in (figure, grid):
        root = parsed(f)
        assert {n.tag for n in root.iter()} <= {
            "svg", "title", "desc", "rect", "line", "circle", "polygon", "polyline", "text",
        }  # fmt: skip
        assert not [v for n in root.iter() for v in n.attrib.values() if "hostile" in v]


def test_all_figures_of_a_record_are_drawn_or_say_why_not() -> None:
    for f in figures(record("shared-trained-ancestor")):
        measured = [y for s in f.series for y in s.ys if y is not None] or f.grid is not None
        assert bool(svg(f, "f")) == bool(measured)
        assert bool(f.series or f.grid) != bool(f.missing)
    assert svg(LINE, "f") == svg(LINE, "f")
