"""A later bundle must carry on from an earlier one: same case, chain of ids, and a log that begins with the earlier log."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import workshop as w
from keyfiles import key_files
from workshop import ANNA, STRANGER

from mpk_tui.bundle import dsse
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.later import redact
from mpk_tui.bundle.later.continuity import compare, held_against
from mpk_tui.bundle.later.redact import Selection
from mpk_tui.bundle.manifest import CaseFacts
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.cli import main

FIRST = [w.log_entry(0, "open"), w.log_entry(1, "note"), w.log_entry(2, "export", seq=0)]
SECOND = [*FIRST, w.log_entry(3, "bundle", seq=0), w.log_entry(4, "export", seq=1)]
THIRD = [*SECOND, w.log_entry(5, "note"), w.log_entry(6, "export", seq=2)]


def bundle(
    seq: int, log: list[dict[str, Any]], prev: Envelope | None = None, case: str = "case-1", **more: Any
) -> Envelope:
    made = w.contents(log=log, **more)
    before = None if prev is None else dsse.bundle_id(prev.payload)
    facts = CaseFacts(case, made.case.exhibit, "", made.case.title, made.case.authority, made.case.purpose)
    return w.sealed(replace(made, seq=seq, prev=before, case=facts))


ONE = bundle(0, FIRST)
TWO = bundle(1, SECOND, ONE)
THREE = bundle(2, THIRD, TWO)
REWRITTEN = [w.log_entry(0, "open"), {**w.log_entry(1, "note"), "note": "another"}, *SECOND[2:]]
SHORT = [w.log_entry(0, "open"), w.log_entry(1, "export", seq=1)]

CASES: dict[str, tuple[Envelope, Envelope, str, str]] = {
    "adjacent": (TWO, ONE, "VALID", "continues"),
    "adjacent, later": (THREE, TWO, "VALID", "continues"),
    "with one between": (THREE, ONE, "VALID", "continues"),
    "the same": (TWO, TWO, "VALID", "continues"),
    "92 the log was rewritten": (bundle(1, REWRITTEN, ONE), ONE, "REPLAY", "fork"),
    "92b the log was rewritten, one between": (bundle(2, [*REWRITTEN, *THIRD[5:]], TWO), ONE, "REPLAY", "fork"),
    "92c the log is shorter": (bundle(1, SHORT, ONE), ONE, "REPLAY", "fork"),
    "names another bundle as the one before": (bundle(1, SECOND, bundle(0, FIRST, notes=[])), ONE, "REPLAY", "fork"),
    "two bundles of one number": (bundle(1, SECOND, ONE, notes=[]), TWO, "REPLAY", "fork"),
    "in the wrong order": (ONE, TWO, "REPLAY", "fork"),
    "of another case": (TWO, bundle(0, FIRST, case="case-2"), "REPLAY", "fork"),
    "earlier log withheld": (TWO, w.without_blob(ONE, "log"), "VALID", "continues"),
    "earlier entry withheld": (TWO, redact.withhold(ONE, Selection((), (("log", 1),))), "VALID", "continues"),
    "later entries withheld": (redact.withhold(TWO, Selection((), (("log", 1), ("log", 4)))), ONE, "PARTIAL", "continues"),
    "rewritten and withheld": (
        redact.withhold(bundle(1, REWRITTEN, ONE), Selection((), (("log", 1),))), ONE, "REPLAY", "fork"),
    "later log withheld": (w.without_blob(TWO, "log"), ONE, "PARTIAL", "not compared"),
    "earlier one altered": (TWO, w.with_blob(ONE, "notes", data=b"\x90"), "PARTIAL", "not compared"),
    "earlier one by a stranger": (TWO, w.sealed(w.contents(log=FIRST), STRANGER), "PARTIAL", "not compared"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_required_answer(name: str) -> None:
    later, earlier, word, result = CASES[name]
    outcome = held_against(w.check(later), [("earlier.mpkb", w.check(earlier))])
    assert outcome.verdict.value == word, outcome.words
    assert [r["result"] for r in outcome.earlier] == [result]
    assert outcome.earlier[0]["sentence"] in outcome.words
    assert (outcome.contents is None) == (word == "REPLAY")
    assert (outcome.held_back is None) == (word != "REPLAY")


def test_the_worst_of_several_counts() -> None:
    bad = bundle(1, REWRITTEN, ONE)
    outcome = held_against(w.check(THREE), [(n, w.check(e)) for n, e in (("a", ONE), ("b", bad), ("c", TWO))])
    assert outcome.verdict is Word.REPLAY
    assert [r["result"] for r in outcome.earlier] == ["continues", "fork", "continues"]
    assert "does not begin with that of bundle 1" in outcome.earlier[1]["sentence"]


def test_an_unreadable_earlier_bundle_proves_nothing() -> None:
    done = compare(w.check(TWO), "x", Outcome(Word.MALFORMED, ""))
    assert (done.word, done.seq, done.bundle) == (Word.PARTIAL, None, None)


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    for name, made in (("one", ONE), ("two", TWO), ("three", THREE), ("fork", bundle(1, REWRITTEN, ONE))):
        (tmp_path / f"{name}.mpkb").write_bytes(made.to_bytes())
    (tmp_path / "junk.mpkb").write_bytes(b"junk")
    return key_files(tmp_path, anna=ANNA, stranger=STRANGER)


def test_the_command(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def verify(later: str, *earlier: str, key: str = "anna") -> tuple[int, str]:
        more = [x for e in earlier for x in ("--earlier", str(bench / f"{e}.mpkb"))]
        code = main(
            ["verify", str(bench / f"{later}.mpkb"), "--key", str(bench / f"{key}.pub.pem"), "--no-receipt", *more]
        )
        return code, capsys.readouterr().out

    assert verify("three", "one", "two")[0] == 0
    code, out = verify("fork", "one")
    assert code == 14
    assert out.strip().endswith("VERDICT REPLAY 14")
    assert "case-1" not in out
    assert "Fork: the log does not begin with that of bundle 0" in out
    assert verify("three", "junk")[0] == 10
    assert verify("three", "nowhere")[0] == 40
    assert verify("three", "one", key="stranger")[0] == 11


def test_the_record(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["verify", str(bench / "two.mpkb"), "--key", str(bench / "anna.pub.pem"), "--no-receipt", "--json"]
    assert main([*arguments, "--earlier", str(bench / "one.mpkb")]) == 0
    (row,) = json.loads(capsys.readouterr().out)["earlier"]
    assert row["bundle"] == dsse.bundle_id(ONE.payload).hex()
    assert (row["verdict"], row["seq"], row["result"]) == ("VALID", 0, "continues")


@pytest.mark.parametrize("change", [lambda e: e, lambda e: redact.withhold(e, Selection((), (("log", 0),)))])
def test_what_was_withheld_does_not_hide_a_fork(change: Callable[[Envelope], Envelope]) -> None:
    for earlier in (ONE, redact.withhold(ONE, Selection((), (("log", 0),)))):
        assert compare(w.check(change(TWO)), "x", w.check(earlier)).word is None
        assert compare(w.check(change(bundle(1, REWRITTEN, ONE))), "x", w.check(earlier)).word is Word.REPLAY


def test_a_dissent_on_an_earlier_bundle_is_told_with_the_later_one() -> None:
    store = w.trusting(w.person("Anna", ANNA), w.person("Bert", w.BERT))
    dissenting = w.endorsed(ONE, w.BERT, "dissent", statement="No.")
    made = held_against(w.check(TWO, store), [("one", w.check(dissenting, store))])
    assert made.verdict is Word.VALID
    assert [n for n in made.notices if "Bert (trusted) dissents from the earlier bundle 0 (one)" in n]
    agreeing = held_against(w.check(TWO, store), [("one", w.check(ONE, store))])
    assert not any("dissent" in n for n in agreeing.notices)


def test_the_entry_after_the_earlier_log_names_the_earlier_bundle() -> None:
    said = [
        *FIRST,
        {**w.log_entry(3, "bundle", seq=0), "obj": dsse.bundle_id(ONE.payload)},
        w.log_entry(4, "export", seq=1),
    ]
    assert compare(w.check(bundle(1, said, ONE)), "one", w.check(ONE)).word is None
    said[3]["obj"] = w.sha("another")
    found = compare(w.check(bundle(1, said, ONE)), "one", w.check(ONE))
    assert found.word is Word.REPLAY
    assert "another bundle" in found.sentence


def test_earlier_bundles_that_tell_two_stories_are_a_fork() -> None:
    twin = bundle(0, FIRST, notes=[])
    made = held_against(w.check(THREE), [("one", w.check(ONE)), ("twin", w.check(twin))])
    assert made.verdict is Word.REPLAY
    assert held_against(w.check(THREE), [("one", w.check(ONE)), ("again", w.check(ONE))]).verdict is Word.VALID
