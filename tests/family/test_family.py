"""The family graph: an arrow only from documents, never from findings; contradictions told; the same graph every time."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from mpk_tui.family.building import Alike, Family, Found, Model, Stated, as_record, family, family_of_scan
from mpk_tui.lineage.findings import FINDINGS

KINDS = ("", "a", "b", "c", "context", "denial", "A", "ab", " a")
EVIL = '"</svg>\x1b[2J\u202e' + "A" * 10_000


def models(*ids: str) -> list[Model]:
    return [
        Model(id, id.upper(), "query" if id == "q" else "reference", names=(id.upper(),), root=id * 8) for id in ids
    ]


def said(of: str, name: str, kind: str = "a", evidence: str = "made from it", **more: str) -> Stated:
    return Stated(of, name, kind=kind, evidence=evidence, **more)


def lines(graph: Family) -> set[tuple[str, str, str]]:
    return {(e.a, e.b, e.line) for e in graph.edges}


def test_no_mix_of_findings_claims_and_context_draws_an_arrow() -> None:
    chance = random.Random(7)
    for _ in range(300):
        ids = [f"m{n}" for n in range(chance.randint(2, 7))]
        ends = [tuple(chance.choices(ids, k=2)) for _ in range(20)]
        found = [
            Found(a, b, chance.choice([*FINDINGS, "made-of", ""]), chance.choice([None, 0.0, 1e-300, 0.5, float("nan")]),
                  chance.choice([None, 1.0, float("inf")]), chance.random() < 0.5, ("a part",), chance.random() < 0.3)
            for a, b in ends
        ]  # fmt: skip
        claims = [
            Stated(a, b.upper(), mechanism="3.2", kind=chance.choice(KINDS), evidence="")  # no words, no place
            if chance.random() < 0.5
            else Stated(a, b.upper(), kind=chance.choice(["", "context", "denial", "A", "ab", " a"]), evidence="words")
            for a, b in ends
        ]
        alike = [Alike(a, b, "the same tokenizer") for a, b in ends]
        graph = family(models(*ids), found, claims, alike)
        assert not any(e.directed or e.kind == "documented" or e.line == "arrow" for e in graph.edges)
        assert not graph.siblings
        assert not graph.merges


@pytest.mark.parametrize("kind", ["a", "b", "c"])
def test_a_document_draws_an_arrow_whatever_was_found(kind: str) -> None:
    for finding in FINDINGS:
        graph = family(models("p", "k"), [Found("k", "p", finding)], [said("k", "P", kind, mechanism="3.2")])
        arrow = next(e for e in graph.edges if e.directed)
        assert (arrow.a, arrow.b, arrow.basis, arrow.mechanism) == ("p", "k", kind, "3.2")
        assert arrow.label == f"documented ({kind}): 3.2 fine-tuning"
        contradicted = any("no correspondence" in note for note in graph.notes)
        assert contradicted == (finding == "no-correspondence")
    assert lines(family(models("p", "k"), stated=[said("k", "P", kind, evidence=" ", source="")])) == {
        ("p", "k", "dotted")
    }


def test_findings_differ_by_their_lines_and_nothing_draws_nothing() -> None:
    drawn = {f: {e.line for e in family(models("q", "r"), [Found("r", "q", f)]).edges} for f in FINDINGS}
    assert drawn["shared-trained-ancestor"] == drawn["identical"] == {"solid"}
    assert drawn["component-shared"] == {"dashed"}
    assert drawn["shared-initialisation"] == drawn["common-origin-unresolved"] == {"open"}
    assert drawn["no-correspondence"] == drawn["not-comparable"] == set()
    part = family(
        models("q", "r"), [Found("r", "q", "shared-trained-ancestor", 1e-40, 0.98765, part=True, parts=("eye",))]
    )
    assert [e.words() for e in part.edges] == ["a shared part: eye (a shared trained ancestor); rho 0.988, p < 1e-12"]


def test_documents_that_contradict_each_other_draw_no_arrow_and_are_told() -> None:
    both = family(models("a", "b", "c"), stated=[said("b", "A"), said("a", "B", "c"), said("c", "B")])
    assert lines(both) == {("a", "b", "double"), ("b", "a", "double"), ("b", "c", "arrow")}
    assert both.notes == ("Documents contradict each other about the order of “A”, “B”: no arrow between them.",)
    n = 3000  # a ring that would be too deep for recursion
    ring = [f"m{k}" for k in range(n)]
    graph = family(models(*ring), stated=[said(ring[k], f"M{(k + 1) % n}") for k in range(n)])
    assert {e.line for e in graph.edges} == {"double"}
    assert "and 2992 more" in graph.notes[0]
    chain = family(models(*ring), stated=[said(ring[k], f"M{k + 1}") for k in range(n - 1)])
    assert {e.line for e in chain.edges} == {"arrow"}
    assert len(chain.components) == 1


def test_a_claim_against_a_document_leaves_the_arrow_and_is_told() -> None:
    graph = family(models("a", "b"), stated=[said("b", "A"), said("a", "B", "")])
    assert lines(graph) == {("a", "b", "arrow"), ("b", "a", "dotted")}
    assert "contradicts a document" in graph.notes[0]


def test_siblings_merges_and_what_is_named_only() -> None:
    stated = [said("x", "BASE", mechanism="3.2"), said("y", "BASE"), said("m", "X", mechanism="3.9"), said("m", "Y"),
              said("m", "gone/with digest", root="ff"), said("y", "BASE", "c", source="a paper", mechanism="3.3")]  # fmt: skip
    graph = family(models("base", "x", "y", "m"), stated=stated)
    assert [(s.ancestor, s.members) for s in graph.siblings] == [("base", ("x", "y"))]
    assert [(m.model, m.sources) for m in graph.merges] == [("m", ("x", "y", "named:1"))]
    assert graph.node("named:1").kind == "named only"
    (twice,) = (e for e in graph.edges if e.b == "y")
    assert (twice.basis, twice.mechanism, twice.note) == ("a,c", "3.3", "matched by name alone, 2 statements")


def test_a_digest_decides_which_model_is_meant_and_a_name_that_two_bear_means_none() -> None:
    known = [Model("one", "M", names=("M",), root="11"), Model("two", "M2", names=("M2", "alias"), root="22")]
    query = [Model("q", "suspect", "query", root="22")]
    by_root = family([*query, *known, Model("k", "K")], stated=[said("k", "M", root="22")])
    assert lines(by_root) == {("two", "k", "arrow")}
    assert not by_root.edges[0].note
    other = family([*known, Model("k", "K")], stated=[said("k", "M", root="33")])
    assert lines(other) == {("named:1", "k", "arrow")}
    twins = family([*known, Model("three", "m", names=("m",)), Model("k", "K")], stated=[said("k", "M")])
    assert lines(twins) == {("named:1", "k", "arrow")}
    assert lines(family([*known, Model("k", "K")], stated=[said("k", "ALIAS")])) == {("two", "k", "arrow")}
    itself = family(models("a"), stated=[said("a", "A")])
    assert not itself.edges
    assert "from itself" in itself.notes[0]


def test_the_order_of_what_is_given_does_not_matter() -> None:
    ids = ["q", "a", "b", "c", "d"]
    found = [Found(a, b, "shared-trained-ancestor", 0.01) for a in ids for b in ids if a < b]
    stated = [said("b", "A"), said("c", "B"), said("a", "C"), said("d", "elsewhere"), said("q", "D", "")]
    first = as_record(family(models(*ids), found, stated))
    chance = random.Random(1)
    for _ in range(20):
        chance.shuffle(found)
        chance.shuffle(stated)
        turned = [Found(f.b, f.a, f.finding, f.p) for f in found]
        assert as_record(family(models(*ids), turned, stated)) == first
    assert {e["directed"] for e in first["edges"] if e["kind"] == "finding"} == {False}


def entry(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "name": name, "fingerprint": f"{number:02x}" * 32, "root": f"{number + 100:02x}" * 32, **more}


SCAN: dict[str, Any] = {
    "schema": "mpk-tui/scan/1", "query": {"label": "suspect", "family": "llama", "parameters": 12, "root": "aa" * 32},
    "relatives": [
        {"entry": entry(1, "base"), "finding": "shared-trained-ancestor", "p": 1e-12, "rho": 0.9, "scope": "whole"},
        {"entry": entry(2, "eye"), "finding": "component-shared", "scope": "part",
         "components": [{"name": "vision", "finding": "shared-trained-ancestor"}, {"name": "x", "finding": "not-comparable"}]},
        {"entry": entry(3, "chat"), "finding": "near-identical", "scope": "whole"},
    ],
    "near_misses": [{"entry": entry(4, "cousin"), "what": "the same tokenizer"}],
    "parents": [{"entry": 3, "name": "base", "mechanism": "3.2", "kind": "a", "evidence": "tuned from base"},
                {"entry": 1, "name": "chat"}, {"entry": 99, "name": "base", "kind": "a", "evidence": "x"}],
}  # fmt: skip


def test_a_scan_becomes_a_graph_in_which_context_draws_only_on_request() -> None:
    graph = family_of_scan(SCAN)
    assert lines(graph) == {
        ("query", "entry:1", "solid"), ("query", "entry:2", "dashed"), ("query", "entry:3", "solid"),
        ("entry:1", "entry:3", "arrow"), ("entry:3", "entry:1", "dotted"),
    }  # fmt: skip
    assert "a shared part: vision" in {e.label for e in graph.edges}
    assert lines(family_of_scan(SCAN, context=True)) - lines(graph) == {("query", "entry:4", "thin")}


@pytest.mark.parametrize(
    "junk", [None, 1, True, "x", [], {}, [None], [{"entry": {"id": []}}], {"id": 2**70}, EVIL, float("nan")]
)
def test_a_record_of_another_shape_ends_in_less_and_not_in_a_fault(junk: Any) -> None:
    for key in SCAN:
        assert family_of_scan({**SCAN, key: junk}).nodes
    for key in SCAN["relatives"][0]:
        for inner in (junk, {"id": junk, "name": junk, "aliases": junk, "parameters": junk}):
            graph = family_of_scan({**SCAN, "relatives": [{**SCAN["relatives"][0], key: inner}]}, context=True)
            assert len(graph.nodes) <= 4
            assert json.dumps(as_record(graph), allow_nan=False)


def test_models_of_one_name_are_told_apart_in_the_graph_and_in_its_notes() -> None:
    long = "n" * 70
    known = [
        Model("q", "base", "query", fingerprint="99" * 32),
        *(Model(id, name, names=(name,), fingerprint=id * 32) for id, name in
          (("11", "base"), ("22", "base"), ("33", "other"), ("44", long), ("55", long))),
    ]  # fmt: skip
    told = [Stated("11", "", fingerprint="11" * 32, evidence="x"), Stated("55", "", fingerprint="55" * 32, evidence="x"),
            Stated("33", "other", fingerprint="66" * 32, kind="a", evidence="x")]  # fmt: skip
    graph = family(known, (), told)
    labels = [
        "base",
        "base 11111111",
        "base 22222222",
        "other",
        f"{long} 44444444",
        f"{long} 55555555",
        "other 66666666",
    ]
    assert [n.label for n in graph.nodes] == labels
    assert any("“base 11111111” is said" in note for note in graph.notes)
    assert any("55555555” is said" in note for note in graph.notes)
