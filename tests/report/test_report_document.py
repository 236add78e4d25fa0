"""What a report says: everything that a reader must find, nothing more than was measured, bounded, the same every time."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import jsonschema
import pytest
import workshop as w
from cases import CASES, PAIR, bundle, cited, document, finding, source
from hostile import CORPUS
from hostile import bundle as hostile_bundle

from mpk_tui import canonical, hashtree
from mpk_tui.bundle.verify import verify
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import Answer, Evidence
from mpk_tui.errors import UsageError
from mpk_tui.keys.whom import Whom
from mpk_tui.lineage.findings import FINDINGS
from mpk_tui.records import replace as replace_record
from mpk_tui.report import document_json, html, plain
from mpk_tui.report.compose import CLASSIFICATION, compose
from mpk_tui.report.document import Document, Drawing, Quote, Run, Section, Standing, Voice, numbered, texts
from mpk_tui.report.schemas import all_schemas
from mpk_tui.report.source import Source
from mpk_tui.report.untrusted import PURSE, Purse, chance, number
from mpk_tui.report.wording import WORDS
from mpk_tui.report.words import BANNED, banned

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "bundles" / "released"


def flat(d: Document, *voices: Voice) -> str:
    """All text, or that of some voices."""
    return "\n".join(r.text for r in texts(d) if not voices or r.voice in voices)


def page(d: Document) -> str:
    """The plain text, its lines joined."""
    return " ".join(plain.render(d).decode().split())


def section(d: Document, name: str) -> Section:
    return next(s for _, _, s in numbered(d.sections) if s.id == name)


@pytest.mark.parametrize("case", CASES)
def test_every_report_says_what_a_reader_must_find(case: str) -> None:
    text = page(document(CASES[case]()))
    for said in (
        "VALID means: signature and contents intact", "Derivation is not licensing", "like behaviour means shared weights",
        "could not have been seen", "Bundle id", "SHA-256 of the payload", "Signed head of the hash chain",
        "mpk-tui verify b.mpkb --key KEY.pub.pem", "node tests/node/verify.mjs b.mpkb", "no statement that anybody or anything conforms",
        "Self-test of the installation", "Zhu, Ahmed, Kuditipudi, Liang", "was examined by nobody else",
        "wrong in 805 pairs", "at most 0.4 %", "Questions answered", "Known gaps of the constitution",
    ):  # fmt: skip
        assert said in text, said
    for question in norm.load().questions:
        assert f"{question.upper()} {norm.load().item(question).title}" in text  # type: ignore[union-attr]


def test_each_kind_of_verdict_is_told_with_all_its_sentences() -> None:
    said = {name: page(document(make())) for name, make in CASES.items()}
    assert "Common trained ancestor established; a chain from A to B or B to A not established." in said["linked"]
    assert "No direction is stated" in said["linked"]
    assert "LINKED" in said["linked"]
    assert "independent by default" in said["default"]
    assert "distillation without inherited weights, for one, could not have been seen" in said["default"]
    assert "Exclusion established: 4.1 independent reproduction." in said["excluded"]
    assert "for this pair there are findings, no verdict" in said["out of scope"]
    assert "Bert read the case and dissents" in said["disputed"]
    assert "dissents 1, agreements 1" in said["disputed"]
    assert "“Sealed bag.”" in said["disputed"]
    assert "Resolution of a conflict, on C5 Transitivity, in the analyst's words: > Not the seed." in said["disputed"]


def test_a_receiver_learns_what_the_sentences_leave_open() -> None:
    d = document(CASES["directed"]())
    assert d.verdict == "VALID"
    which = "Which of the two came first is not a field of this format; it stands in evidence:"
    cited_item = "E2: “model card”, at “line 6”, says “fine-tuned from base”"
    resolved = "Answered met, not established: 4.1 Independent reproduction; resolved in writing"
    text = page(d)
    for said in (f"{which} - {cited_item}", f"{resolved}, in the analyst's words: > A post without a source."):
        assert text.count(said) == 2, said  # on the first page, and where it follows by rule
    assert which not in page(document(CASES["linked"]()))
    without = page(document(w.without_blob(CASES["directed"](), "evidence")))
    assert "it stands in evidence, which is withheld." in without


def test_custody_is_told_with_what_it_gives_cause_to_ask() -> None:
    d = document(CASES["directed"]())
    asked = section(d, "custody-asks")
    assert asked.standing is Standing.CHECKED
    text = page(d)
    assert "“entry 3: transfer from Cy Dunn, but Anna held it last”" in text
    assert "“entry 4: seal A-9 was checked, but it travelled under seal A-7”" in text
    assert "Act: Seal check Time of the event, as stated: not stated" in text
    assert "Time of the event, as stated: “2023-01-02T03:04:00Z”" in text
    assert "“from image I-3”" in text
    assert "“acq.sha256: 2 of 3 lines match” Contradictions accepted, because: “The card was mended.”" in text
    assert section(d, "integrity").standing is Standing.MEASURED
    assert "Nothing that was stated does, by these rules." in page(document(CASES["linked"]()))
    withheld = page(document(w.without_blob(CASES["directed"](), "log")))
    assert "Cy Dunn" not in withheld
    assert withheld.count("Section log is withheld.") >= 3


def test_a_pair_is_told_in_the_order_of_a_readers_questions() -> None:
    d = document(CASES["linked"]())
    (chapter,) = (s for s in d.sections if s.id == "pair-1")
    order = [s.id.removeprefix("pair-1-") for s in chapter.parts]
    assert order == ["rule", "answers", "evidence", "finding", "tests", "more", "limits", "tensors", "figures"]
    tables = section(d, "pair-1-numbers")
    assert tables.standing is Standing.MEASURED
    drawn = [b for b in section(d, "pair-1-figures").blocks if isinstance(b, Drawing)]
    assert drawn
    assert not any(b.figure.rows or b.numbers for b in drawn)
    assert all(b.numbers and b.figure.rows for b in tables.blocks if isinstance(b, Drawing))
    numbers = {s.id: n for n, _, s in numbered(d.sections)}
    assert (numbers["glossary"], numbers["numbers"], numbers["pair-1-numbers"]) == ("E", "F", "F.1")
    raw = html.render(d).decode()
    assert '<a href="#pair-1-numbers">F.1 Pair' in raw
    assert 'class="data"' not in raw[raw.index('id="pair-1-figures"') : raw.index('id="handling"')]


def test_items_are_named_with_their_pair_where_there_are_several() -> None:
    base = w.contents()
    second = {**base.artifacts[1], "id": "R2"}
    more = {f"{s}__R2": base.sections[f"{s}.R1"] for s in ("checkpoint", "tensors", "facts")}
    signed = base.sections["verdict"]["pairs"][0]
    row = base.sections["evidence"][0]
    made = w.contents(
        artifacts=[*base.artifacts, second],
        evidence=[{**row, "pair": pair, "id": "E1"} for pair in (PAIR, "S1:R2")],
        verdict={
            "pairs": [{**signed, "pair": pair} for pair in (PAIR, "S1:R2")], "decided_by": "Anna",
            "decided_at": w.CREATED,
        },
        **more,
    )  # fmt: skip
    text = page(document(w.sealed(made)))
    assert "Item S1:R1 E1" in text
    assert "Item S1:R2 E1" in text
    assert "Item E1" not in text
    assert "Item E1" in page(document(CASES["linked"]()))


def test_facts_stand_apart_from_opinions() -> None:
    d = document(CASES["linked"]())
    standing = {s.id: s.standing for _, _, s in numbered(d.sections)}
    assert standing["pair-1-rule"] is Standing.RULE
    assert standing["pair-1-tests"] is Standing.MEASURED
    assert standing["pair-1-answers"] is standing["pair-1-evidence"] is Standing.JUDGED
    assert standing["check"] is Standing.CHECKED
    assert {s.title for _, _, s in numbered(d.sections) if s.standing is Standing.NONE} == {
        "Pair",
        "Custody and review",
    }
    judged = section(d, "pair-1-answers")
    assert Quote((Run("Rationale, in the analyst's words"),), ("As the layers show.",)) in judged.blocks
    text = page(d)
    assert "Answers that override what the tool proposed: 1" in text
    assert "OVERRIDES" in text
    assert "10.5 Merges of many parents" in text


@pytest.mark.parametrize("case", CASES)
def test_no_word_of_ours_says_more_than_was_measured(case: str) -> None:
    d = document(CASES[case](), classification="RESTRICTED", made=w.NOW)
    assert banned(texts(d)) == []
    if case == "disputed":
        # The analyst's words are quoted as theirs, and are the only ones that say so.
        assert [r.voice for r in texts(d) if BANNED.search(r.text)] == [Voice.SAID] * 4


@pytest.mark.parametrize("finding_name", FINDINGS)
def test_no_finding_is_told_in_words_that_say_more(finding_name: str) -> None:
    compared = finding(finding_name)
    d = document(bundle(compared, [Answer("c5", "undetermined")], []))
    assert banned(texts(d)) == []
    assert f"Finding: {WORDS[finding_name].title}. The tool recorded: “…”" in page(d)


@pytest.mark.parametrize("version", sorted(p.name for p in RELEASED.iterdir()))
def test_bundles_of_released_versions_have_reports(version: str) -> None:
    folder = RELEASED / version
    data = (folder / "bundle.mpkb").read_bytes()
    outcome = verify(data, Whom(None, folder / "key.pub.pem", False).store(), w.NOW * 2)
    assert outcome.manifest is not None
    assert outcome.contents is not None
    d = compose(Source(data, "b.mpkb", outcome, outcome.manifest, outcome.contents, w.NOW))
    assert banned(texts(d)) == []
    assert d.verdict == "VALID"


def test_the_word_list_finds_what_it_must() -> None:
    ours = ["it was copied", "STOLEN", "this infringes", "it proves that", "certified", "non-compliant", "cleared", "the original",
            "unrelated", "the parent", "a child", "high confidence", "their parents"]  # fmt: skip
    assert len(banned(Run(t) for t in ours)) == len(ours)
    assert banned(Run(t) for t in ("approved text", "improve", "grandparental", "origin", "relation")) == []
    assert banned([Run("it was copied", Voice.SAID), Run("copied.bin", Voice.NAME)]) == []
    assert banned([Run("copied", Voice.TOOL), Run("of the parents", Voice.TOOL)]) == ["copied", "of the parents"]


def test_a_p_value_is_never_printed_below_its_floor() -> None:
    assert [chance(p) for p in (0.0, 1e-300, 1e-12, 2e-12, 0.5, None)] == ["< 1e-12"] * 3 + ["2e-12", "0.5", "–"]
    assert chance(1e-5, bound=True) == "≤ 1e-05"
    assert number(0.99996) == "0.99996"
    compared = finding("shared-trained-ancestor", p=1e-12)
    for t in compared["tests"]:
        t["p"] = 1e-15 if t["p"] else t["p"]
    assert "1e-15" not in page(document(bundle(compared, [], [])))


@pytest.mark.parametrize(
    "gone", ["answers", "evidence", "findings", "verdict", "log", "docs", "tensors.S1", "notes", "facts.S1"]
)
def test_what_is_withheld_is_said_and_not_shown(gone: str) -> None:
    extra = ("doc.0",) if gone == "docs" else ()
    d = document(w.without_blob(CASES["linked"](), gone, *extra))
    text = page(d)
    assert d.verdict == "PARTIAL"
    assert f"section {gone} is withheld" in text
    assert "Parts are withheld" in text
    for name, words in (("answers", "Every layer was tested"), ("verdict", "As the layers show"), ("notes", "A note.")):
        assert (words in text) == (gone != name)


def test_withheld_answers_leave_the_signed_verdict_and_say_so() -> None:
    text = page(document(w.without_blob(CASES["linked"](), "answers", "evidence")))
    assert "as it was signed; answers or evidence are withheld, so it was not recomputed" in text
    assert "Recomputed here" not in text
    text = page(document(w.without_blob(CASES["linked"](), "answers", "evidence", "verdict")))
    assert "the verdict is withheld" in text


def test_an_inconsistent_bundle_says_both_verdicts() -> None:
    d = document(w.sealed(w.contents(answers=[])))
    assert d.verdict == "INCONSISTENT"
    assert "The signed verdict says something else: “linked”." in page(d)
    assert "does not follow from what the bundle holds" in d.warning


def test_a_chosen_pair_and_what_cannot_be_chosen() -> None:
    assert section(document(CASES["linked"](), pair=PAIR), "pair-1")
    with pytest.raises(UsageError, match="no pair 'S1:R9'"):
        document(CASES["linked"](), pair="S1:R9")
    with pytest.raises(UsageError, match="71 columns"):
        document(CASES["linked"](), classification="x" * (CLASSIFICATION + 1))


def test_many_pairs_have_a_verdict_each_and_a_chapter_for_the_first() -> None:
    base = w.contents()
    ids = [f"R{n}" for n in range(1, 31)]
    rows = [*base.artifacts[:1], *({**base.artifacts[1], "id": i} for i in ids)]
    more = {
        f"{s}.{i}".replace(".", "__"): base.sections[f"{s}.R1"] for s in ("checkpoint", "tensors", "facts") for i in ids
    }
    signed = base.sections["verdict"]["pairs"][0]
    pairs = [{**signed, "pair": f"S1:{i}"} for i in ids]
    made = w.contents(artifacts=rows, verdict={"pairs": pairs, "decided_by": "Anna", "decided_at": w.CREATED}, **more)
    d = document(w.sealed(made))
    assert len([s for s in d.sections if s.id.startswith("pair-")]) == 16
    assert d.notes == (
        "14 further pairs have no chapter here; their verdicts stand on the first page, --pair names one",
    )
    assert section(document(w.sealed(made), pair="S1:R30"), "pair-1").about[5].text == "R30"


def test_a_report_is_bounded_whatever_a_bundle_holds() -> None:
    many = 20_000
    compared = finding("shared-trained-ancestor")
    row = {"a": "model.layers.0." + "x" * 60, "b": "other." + "y" * 60, "layer": 1, "elements": 9, "changed": 3}
    compared["identity"]["differing"] = [row] * many
    compared["identity"]["only_a"] = [f"t{n}" for n in range(many)]
    text = "word " * 1000
    items = [Evidence(f"E{n}", "context", (), (), text, "", text, text) for n in range(400)]
    log = [cases.entry(n, "note", text) for n in range(1500)] + [w.log_entry(1500, "export", seq=0)]
    notes = [{"at": w.CREATED, "who": "Anna", "text": text * 5}] * 500
    d = document(bundle(compared, [], items, log=log, notes=notes, rationale=text * 20))
    assert sum(len(r.text) for r in texts(d)) < PURSE * 1.3
    rendered = html.render(d)
    assert len(rendered) < 4_000_000
    assert len(plain.render(d)) < 3_000_000
    said = page(d)
    assert "40 of 20,000 are listed" in said
    assert "t11 and 19,988 more" in said
    assert "and 300 more of this kind" in said
    assert "1,201 further rows are in the bundle" in " ".join(rendered.decode().split())


def test_an_empty_purse_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    d = document(bundle(finding("no-correspondence"), [], [], rationale="word " * 2000))
    assert "cut; 10000 characters" not in flat(d)
    assert d.notes == ()
    monkeypatch.setattr(Purse.__init__, "__defaults__", (60,))
    d = document(bundle(finding("no-correspondence"), [], [], rationale="word " * 2000))
    assert "… (cut; 10000 characters in the bundle)" in flat(d)
    assert d.notes == ("the bundle holds more text than a report takes; what was cut ends in … and its length",)


def test_a_record_of_any_shape_ends_in_a_report() -> None:
    """Signed, and otherwise whatever a stranger liked: parts exchanged by values of other kinds."""
    odd: list[Any] = [None, True, -1, 2**62, 1e308, -0.5, "x", "", [], {}, [[]], {"a": {}}, ["x", 1, None], b"\x00"]
    rng = random.Random(7)

    def changed(value: Any, depth: int = 0) -> Any:
        if depth and rng.random() < 0.12:
            return rng.choice(odd)
        if isinstance(value, dict):
            return {k: changed(v, depth + 1) for k, v in value.items()}
        if isinstance(value, list):
            return [changed(v, depth + 1) for v in value]
        return value

    for _ in range(25):
        base = finding(rng.choice(FINDINGS))
        compared = {**changed(base), "a": base["a"], "b": base["b"]}
        plain_sections = w.contents(findings=[{"pair": PAIR, "digest": _digest(compared), "record": compared}])
        d = document(w.sealed(plain_sections))
        assert html.render(d)
        assert plain.render(d)
        assert document_json.render(d)


def _digest(compared: dict[str, Any]) -> bytes:
    return hashtree.sha256(canonical.encode(compared))


@pytest.mark.parametrize("case", [*CASES, *range(len(CORPUS))])
def test_the_json_follows_its_schema_and_holds_the_same_text(case: str | int) -> None:
    made = hostile_bundle(CORPUS[case]) if isinstance(case, int) else CASES[case]()
    d = document(made, classification="RESTRICTED")
    value = json.loads(document_json.render(d))
    jsonschema.validate(value, all_schemas()["report-1.json"], cls=jsonschema.Draft202012Validator)
    assert value["sections"][0]["blocks"][0]["word"] == d.verdict
    assert value["classification"] == "RESTRICTED"


def test_nothing_depends_on_the_clock() -> None:
    made = CASES["disputed"]()
    first = source(made, made=w.NOW)
    second = replace(first, now=w.NOW + 10**9)
    for render in (html.render, plain.render, document_json.render):
        assert render(compose(first)) == render(compose(second))
    assert "made 2023-11-14 22:13:20 UTC, as stated" in page(compose(first))
    assert "no time of making was stated" in page(document(made))


def test_what_was_held_against_this_machine_is_told_without_its_paths() -> None:
    given = source(CASES["linked"]())
    found = {"path": "/home/anna/secret/suspect", "sentence": "All tensors match."}
    again = {"pair": PAIR, "sentence": "The findings are reproduced."}
    d = compose(replace(given, outcome=replace_record(given.outcome, checkpoint=(found,), rerun=(again,))))
    text = page(d)
    assert "All tensors match." in text
    assert "The findings are reproduced." in text
    assert "secret" not in text
    assert "Checks on this machine" not in page(document(CASES["linked"]()))


def test_a_comparison_that_is_cited_names_its_record() -> None:
    compared = finding("shared-trained-ancestor")
    d = document(
        bundle(compared, [Answer("c5", "met", "So.", ("E1",), "", "common-trained-ancestor")], [cited(compared, "c5")])
    )
    assert _digest(compared).hex() in flat(d, Voice.CODE)
