"""Family graphs as text, DOT, SVG and JSON: what they show, that names of strangers stay names, and bounds."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cases import PAIR, document, finding, w
from hostile import CORPUS, MARK

from mpk_tui import canonical, hashtree
from mpk_tui.errors import StorageError, UsageError
from mpk_tui.family.building import Alike, Family, Found, Model, Stated, family
from mpk_tui.report import document_json, family_dot, family_files, family_svg, family_text, html, plain
from mpk_tui.report.document import Graph, texts
from mpk_tui.report.family_layout import MOST_NODES, ROW, layout
from mpk_tui.report.family_tree import DEEPEST, trees
from mpk_tui.report.lines import columns
from mpk_tui.report.schemas import all_schemas
from mpk_tui.report.words import BANNED, banned

STEERING = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
SCHEMA = jsonschema.Draft202012Validator(all_schemas()["family-1.json"])
TOKENS = re.compile(r'\s*(//[^\n]*|"(?:[^"\\]|\\.)*"|[a-z0-9_]+|->|[{}\[\]=;,])')
"""Tokens of the part of DOT that is written here: comments, quoted strings, plain ids, signs."""


def each(text: str = "") -> Family:
    """Every kind of node and line; ``text`` in every field of a stranger's."""
    names = [text or n for n in ("suspect", "helix/base", "helix/chat", "eye", "twin", "cousin")]
    known = [
        Model(f"m{n}", name, "reference" if n else "query", (text or "llama",), (f"m{n}", name), f"{n:02}" * 32)
        for n, name in enumerate(names)
    ]
    found = [
        Found("m0", "m1", "shared-trained-ancestor", 1e-300, 0.98765), Found("m0", "m2", "identical"),
        Found("m0", "m3", "component-shared", 1e-4, 0.3, True, (text or "vision",)),
        Found("m0", "m4", "shared-initialisation"), Found("m1", "m5", "no-correspondence"),
    ]  # fmt: skip
    stated = [
        Stated("m2", "m1", mechanism="3.2", kind="a", evidence=text or "tuned", source=text),
        Stated("m2", text or "gone/model", mechanism=text or "3.9", kind="c", evidence=text or "merged"),
        Stated("m4", "m1", evidence=text), Stated("m3", "m5", kind="a", evidence="x"), Stated("m5", "m3", kind="b", source="y"),
    ]  # fmt: skip
    return family(known, found, stated, [Alike("m0", "m5", text or "the same tokenizer")])


ATTRIBUTES = {k for e in ET.fromstring(family_files.made(each(), "svg")).iter() for k in e.attrib}


def dot_edges(text: str) -> list[dict[str, str]]:
    """Edges of a DOT file by a reader of its own: attributes, with the ends as ``a`` and ``b``."""
    tokens: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        found = TOKENS.match(text, at)
        assert found, text[at : at + 60]
        tokens += [found[1]] if not found[1].startswith("//") else []
        at = found.end()
    assert tokens[:3] == ["digraph", "family", "{"]
    assert tokens[-1] == "}"
    out = []
    for n, token in enumerate(tokens):
        if token == "->":
            inside = tokens[n + 3 : tokens.index("]", n)]
            pairs = dict(zip(inside[::4], inside[2::4], strict=True))
            out.append({"a": tokens[n - 1], "b": tokens[n + 1], **pairs})
    return out


def test_every_drawing_shows_each_line_and_an_arrow_only_for_documents() -> None:
    graph = each()
    drawn = [e for e in graph.edges if e.directed]
    assert [(e.a, e.b) for e in drawn] == [("m1", "m2"), ("named:1", "m2")]
    text = "\n".join(family_text.lines(graph))
    for said in (
        "══▶ [2] helix/chat", "documented (a): 3.2 fine-tuning; matched by name alone", "documented (c): 3.9 merge",
        "a shared trained ancestor; rho 0.988, p < 1e-12", "a shared part: vision; rho 0.300, p <= 0.0001",
        "a shared starting point only", "contradicted (a)", "context only: the same tokenizer", "claimed",
        "[2]: documented as made from [1], [7]", "Note: Documents contradict each other about the order of “eye”, “cousin”",
    ):  # fmt: skip
        assert said in re.sub(r"\s+", " ", text.replace("│", " ")), said
    edges = dot_edges(family_dot.dot(graph))
    assert [(e["a"], e["b"]) for e in edges if e.get("dir")] == [("n2", "n3"), ("n7", "n3")]
    assert "edge [dir=none" in family_dot.dot(graph)
    root = ET.fromstring(family_files.made(graph, "svg"))
    heads = [e for e in root.iter() if e.tag.endswith("polygon")]
    assert len(heads) == 2 + 1  # and the one that the legend explains
    assert len({e.get("stroke-dasharray") for e in root.iter() if e.tag.endswith("polyline")}) >= 5
    words = " ".join(t for t in root.itertext())
    assert not BANNED.search(words + text)
    record = json.loads(family_files.made(graph, "json"))
    SCHEMA.validate(record)
    wrong = {**record, "edges": [{**record["edges"][0], "directed": True, "kind": "finding"}]}
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate(wrong)


@pytest.mark.parametrize(
    "evil", [*CORPUS, f'{MARK} "' + "\\" * 9, f"{MARK} \\N\\l\\", MARK + "\u202e" * 10_000], ids=range(24)
)
def test_a_name_stays_a_name_in_every_drawing(evil: str) -> None:
    graph = each(evil)
    for ascii in (False, True):
        listed = family_text.lines(graph, ascii=ascii)
        assert max(map(columns, listed)) <= 80
        assert not STEERING.search("".join(listed))
        assert not any("\n" in line for line in listed)
        assert not ascii or "".join(listed).isascii()
        assert MARK in "".join(listed)
    dot = family_dot.dot(graph)
    assert not STEERING.search(dot)
    assert len(dot_edges(dot)) == len(graph.edges)
    assert all(
        e.keys() <= {"a", "b", "dir", "style", "color", "penwidth", "constraint", "label"} for e in dot_edges(dot)
    )
    svg = family_files.made(graph, "svg").decode()
    assert not STEERING.search(svg)
    root = ET.fromstring(svg)
    tags = {e.tag.rpartition("}")[2] for e in root.iter()}
    assert tags <= {"svg", "title", "desc", "rect", "polyline", "polygon", "text"}
    assert {k for e in root.iter() for k in e.attrib} <= ATTRIBUTES
    record = family_files.made(graph, "json")
    assert record.isascii()
    SCHEMA.validate(json.loads(record))


def test_nothing_in_a_picture_overlaps() -> None:
    graph = family(
        [Model("q", "q", "query"), *(Model(f"m{n}", f"m{n}", names=(f"m{n}",)) for n in range(40))],
        [Found("q", f"m{n}", "shared-trained-ancestor") for n in range(0, 40, 2)],
        [Stated(f"m{n}", f"m{n // 3}", kind="a", evidence="x") for n in range(1, 40)],
    )
    placed = layout(graph)
    assert len(placed.boxes) == 41
    for n, (_, x, y, high) in enumerate(placed.boxes):
        assert not [b for b in placed.boxes[:n] if b[1] == x and abs(b[2] - y) < (b[3] + high) / 2]
    ends = [line.points[-1] for line in placed.lines]
    assert not [(a, b) for n, a in enumerate(ends) for b in ends[:n] if a[0] == b[0] and abs(a[1] - b[1]) < ROW - 1]
    for line in placed.lines:
        xs = [x for x, _ in line.points]
        assert xs == sorted(xs)
        for (x1, y1), (x2, y2) in zip(line.points, line.points[1:], strict=False):
            for _, x, y, high in placed.boxes:
                assert not (x1 < x + 1 and x2 > x + 1 and abs((y1 + y2) / 2 - y) < high / 2)


def test_what_is_too_much_is_counted() -> None:
    many = family(
        [Model("q", "q", "query"), *(Model(f"m{n}", f"m{n}", names=(f"m{n}",)) for n in range(500))],
        [Found("q", f"m{n}", "identical") for n in range(400)],
        [Stated(f"m{n}", f"m{n - 1}", kind="a", evidence="x") for n in range(401, 500)],
    )
    svg = family_svg.file(many)
    assert f"{501 - MOST_NODES} of 501 models are not drawn." in svg
    assert len(svg) < 200_000
    text = family_text.lines(many)
    assert "and 301 more models" in text
    twigs, cross = trees(many)
    assert sorted(t.node for t in twigs) == sorted(n.id for n in many.nodes)
    assert max(t.depth for t in twigs) == DEEPEST
    assert len([t for t in twigs if t.edge is not None]) + len(cross) == len(many.edges)
    clique = family(
        [Model(f"m{n}", f"m{n}") for n in range(60)],
        [Found(f"m{a}", f"m{b}", "identical") for a in range(60) for b in range(a)],
    )
    assert len(family_svg.file(clique)) < 200_000
    assert "not drawn" in family_svg.file(clique)
    assert family_svg.svg(Family(()), "x") == ""
    assert family_text.lines(Family(())) == []


def test_files_are_written_once_and_none_if_one_exists(tmp_path: Path) -> None:
    scan: dict[str, Any] = {
        "query": {"label": "q"},
        "relatives": [{"entry": {"id": 1, "name": "r"}, "finding": "identical"}],
    }
    (tmp_path / "there.svg").write_text("mine")
    paths = {"dot": tmp_path / "a.dot", "svg": tmp_path / "there.svg", "json": None}
    with pytest.raises(StorageError, match="exists"):
        family_files.write_scan(scan, paths)
    assert [p.name for p in tmp_path.iterdir()] == ["there.svg"]
    family_files.write_scan(scan, {**paths, "svg": tmp_path / "b.svg"})
    assert dot_edges((tmp_path / "a.dot").read_text())
    ET.parse(tmp_path / "b.svg")
    assert "identical weights" in "\n".join(family_files.scan_tree(scan, ascii=True))
    with pytest.raises(UsageError, match="no format"):
        family_files.made(each(), "png")


def several(second: str = "no-correspondence") -> Any:
    """A bundle of one subject and three references, one of which was never compared."""
    base = w.contents()
    ids = ("R2", "R3")
    more = {f"{s}__{i}": base.sections[f"{s}.R1"] for s in ("checkpoint", "tensors", "facts") for i in ids}
    signed = base.sections["verdict"]["pairs"][0]
    pairs = [PAIR, *(f"S1:{i}" for i in ids)]
    records = {PAIR: finding("shared-trained-ancestor", p=1e-12), "S1:R2": finding(second)}
    return w.sealed(
        w.contents(
            artifacts=[*base.artifacts, *({**base.artifacts[1], "id": i} for i in ids)],
            findings=[
                {"pair": p, "digest": hashtree.sha256(canonical.encode(r)), "record": r} for p, r in records.items()
            ],
            verdict={"pairs": [{**signed, "pair": p} for p in pairs], "decided_by": "Anna", "decided_at": w.CREATED},
            **more,
        )
    )


def test_a_report_of_several_pairs_draws_its_models_without_an_arrow() -> None:
    d = document(several())
    (section,) = (s for s in d.sections if s.id == "family")
    (graph,) = (b.family for b in section.blocks if isinstance(b, Graph))
    assert lines_of(graph) == {("S1", "R1", "solid")}
    assert len(graph.nodes) == 4
    text = " ".join(plain.render(d).decode().split())
    assert "[1] ‘S1 suspect’ (subject, llama, 12 parameters)" in text
    assert "S1 (suspect) and R2 (reference): no correspondence was found" in text
    assert "S1 (suspect) and R3 (reference): the bundle shows no comparison" in text
    page = html.render(d).decode()
    assert page.count("Family graph") == 1
    blocks = json.loads(document_json.render(d))
    (kept,) = (b for s in blocks["sections"] for b in s["blocks"] if b["kind"] == "family")
    SCHEMA.validate(kept["family"])
    assert not any(e["directed"] for e in kept["family"]["edges"])
    assert banned(texts(d)) == []
    assert not [s for s in document(w.sealed(w.contents())).sections if s.id == "family"]
    odd = document(several("a-later-finding"))
    assert "a finding that this version does not know" in " ".join(plain.render(odd).decode().split())


def lines_of(graph: Family) -> set[tuple[str, str, str]]:
    return {(e.a, e.b, e.line) for e in graph.edges}


def test_a_model_hangs_on_the_line_that_says_most() -> None:
    """Identical weights before a shared ancestor, a greater correlation before a lesser one, a claim last of all."""
    known = [Model("q", "q", "query"), *(Model(n, n, names=(n,)) for n in ("a", "b", "c", "d"))]
    ancestor = "shared-trained-ancestor"
    found = [
        *(Found("q", n, ancestor, 1e-12, rho) for n, rho in (("a", 0.98), ("b", 0.7), ("c", 0.99))),
        Found("a", "b", "identical"), Found("a", "c", ancestor, 1e-12, 0.999), Found("q", "d", "component-shared", 1e-12, 1.0),
        Found("b", "d", ancestor, 1e-12, 0.5),
    ]  # fmt: skip
    twigs, cross = trees(family(known, found, [Stated("d", "c", evidence="x")]))
    assert {t.node: None if t.edge is None else {t.edge.a, t.edge.b} for t in twigs} == {
        "q": None, "c": {"q", "c"}, "a": {"a", "c"}, "b": {"a", "b"}, "d": {"b", "d"},
    }  # fmt: skip
    assert "identical" not in {e.finding for e in cross}
    assert len(twigs) - 1 + len(cross) == len(found) + 1
