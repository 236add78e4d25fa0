"""Leaving something out: signatures stay good, what is gone shows, and who did it is on record or it is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import workshop as w
from keyfiles import key_files
from workshop import ANNA, BERT, CARLA, STRANGER, person, trusting

from mpk_tui.bundle import envelope
from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.later import redact
from mpk_tui.bundle.later.redact import Selection
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.cli import main
from mpk_tui.errors import UsageError

LOG = [
    w.log_entry(0, "open"), w.log_entry(1, "answer", answer="x"), w.log_entry(2, "note"), w.log_entry(3, "attach"),
    w.log_entry(4, "export", seq=0),
]  # fmt: skip
ONE = w.sealed(w.contents(log=LOG))
READ = w.check(ONE)


def selected(**what: Any) -> Selection:
    assert READ.manifest is not None
    assert READ.contents is not None
    return redact.select(READ.manifest, READ.contents, **what)


def record(selection: Selection) -> dict[str, Any]:
    return selection.data("privacy", "the court")


def unrecorded(outcome: Outcome) -> list[str]:
    return [n for n in outcome.notices if "without a record" in n]


def test_sections_entries_and_tensors_leave_and_everything_else_stays_good() -> None:
    what = selected(sections=["answers", "notes"], entries=[1, 2], tensors=[("S1", "b.weight")])
    assert what.items == (("log", 1), ("log", 2), ("tensors.S1", 1))
    made = redact.withhold(w.endorsed(ONE, BERT), what)
    made = w.endorsed(made, ANNA, "redaction", data=record(what))
    outcome = w.check(made, trusting(person("Anna", ANNA), person("Bert", BERT)))
    assert outcome.verdict is Word.PARTIAL
    assert outcome.bundle_id == READ.bundle_id
    assert [e.state for e in outcome.endorsements] == ["trusted", "trusted"]
    assert unrecorded(outcome) == []
    assert outcome.contents is not None
    assert [isinstance(e, Withheld) for e in outcome.contents.sections["log"]] == [False, True, True, False, False]
    assert outcome.endorsements[1].detail.startswith(
        "withheld answers, notes, items 1 to 2 of log, item 1 of tensors.S1;"
    )


def test_the_salt_leaves_with_the_content() -> None:
    made = redact.withhold(ONE, selected(sections=["verdict"])).to_bytes()
    blob = w.blob(ONE, "verdict")
    assert blob.data in ONE.to_bytes()
    assert blob.salt in ONE.to_bytes()
    assert blob.data not in made
    assert blob.salt not in made


def test_nothing_of_a_withheld_item_is_left() -> None:
    made = redact.withhold(ONE, selected(entries=[2], tensors=[("S1", "b.weight")])).to_bytes()
    for gone in (LOG[2]["salt"], w.TENSORS["S1"][1][4]):
        assert gone in ONE.to_bytes()
        assert gone not in made


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a required section": ({"sections": ["artifacts"]}, "may not be withheld"),
    "files of a checkpoint": ({"sections": ["checkpoint.S1"]}, "may not be withheld"),
    "a section that is not there": ({"sections": ["x"]}, "no section"),
    "an entry that is not there": ({"entries": [5]}, "no item 5"),
    "a negative entry": ({"entries": [-1]}, "no item -1"),
    "a tensor that is not there": ({"tensors": [("S1", "x")]}, "lists no tensor"),
    "a tensor of another artifact": ({"tensors": [("X", "a.weight")]}, "no section"),
    "an entry of a log that leaves as a whole": ({"sections": ["log"], "entries": [1]}, "as a whole"),
    "nothing": ({}, "nothing was named"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_left_out(name: str) -> None:
    what, words = REFUSED[name]
    with pytest.raises(UsageError, match=words):
        selected(**what)


def test_what_is_withheld_already_is_not_withheld_again() -> None:
    done = w.check(redact.withhold(ONE, selected(sections=["notes"], entries=[1])))
    assert done.manifest is not None
    assert done.contents is not None
    with pytest.raises(UsageError, match="withheld before"):
        redact.select(done.manifest, done.contents, ["notes"])
    with pytest.raises(UsageError, match="already"):
        redact.select(done.manifest, done.contents, (), [1])


def base() -> Envelope:
    return redact.withhold(ONE, selected(sections=["notes"], entries=[1]))


RECORDS: dict[str, tuple[Callable[[], Envelope], str, int]] = {
    "none": (base, "PARTIAL", 2),
    "of both": (lambda: w.endorsed(base(), ANNA, "redaction", data={
        "ids": ["notes"], "items": [["log", 1]], "reason": "r", "authority": "a"}), "PARTIAL", 0),
    "of the section only": (lambda: w.endorsed(base(), ANNA, "redaction", data={
        "ids": ["notes"], "reason": "r", "authority": "a"}), "PARTIAL", 1),
    "of the item only": (lambda: w.endorsed(base(), ANNA, "redaction", data={
        "ids": [], "items": [["log", 1]], "reason": "r", "authority": "a"}), "PARTIAL", 1),
    "by somebody whom the receiver trusts": (lambda: w.endorsed(base(), CARLA, "redaction", data={
        "ids": ["notes"], "items": [["log", 1]], "reason": "r", "authority": "a"}), "PARTIAL", 0),
    "by a stranger": (lambda: w.endorsed(base(), STRANGER, "redaction", data={
        "ids": ["notes"], "items": [["log", 1]], "reason": "r", "authority": "a"}), "PARTIAL", 2),
    "122 of a section that is here": (lambda: w.endorsed(base(), ANNA, "redaction", data={
        "ids": ["verdict"], "reason": "r", "authority": "a"}), "ALTERED", 0),
    "122b of an item that is here": (lambda: w.endorsed(base(), ANNA, "redaction", data={
        "ids": [], "items": [["log", 2]], "reason": "r", "authority": "a"}), "ALTERED", 0),
    "of an item of a list that is complete": (lambda: w.endorsed(base(), ANNA, "redaction", data={
        "ids": [], "items": [["tensors.S1", 0]], "reason": "r", "authority": "a"}), "ALTERED", 0),
    "of an item of a section that left as a whole": (lambda: w.endorsed(w.without_blob(ONE, "log"), ANNA, "redaction", data={
        "ids": ["log"], "items": [["log", 1]], "reason": "r", "authority": "a"}), "PARTIAL", 0),
    "of an item that there is not": (lambda: w.endorsed(base(), ANNA, "redaction", data={
        "ids": [], "items": [["log", 5]], "reason": "r", "authority": "a"}), "MALFORMED", 0),
    "of an item of a blob": (lambda: w.endorsed(base(), ANNA, "redaction", data={
        "ids": [], "items": [["notes", 0]], "reason": "r", "authority": "a"}), "MALFORMED", 0),
    "of a section that there is not": (lambda: w.endorsed(base(), ANNA, "redaction", data={
        "ids": ["x"], "reason": "r", "authority": "a"}), "MALFORMED", 0),
    "of nothing": (lambda: w.endorsed(base(), ANNA, "redaction", data={
        "ids": [], "items": [], "reason": "r", "authority": "a"}), "MALFORMED", 0),
    "of a required section that is missing": (lambda: w.endorsed(w.without_blob(ONE, "artifacts"), ANNA, "redaction", data={
        "ids": ["artifacts"], "reason": "r", "authority": "a"}), "ALTERED", 0),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDS)
def test_records(name: str) -> None:
    make, word, bare = RECORDS[name]
    outcome = w.check(make(), trusting(person("Anna", ANNA), person("Carla", CARLA)))
    assert outcome.verdict.value == word, outcome.words
    assert len(unrecorded(outcome)) == bare


def test_a_record_under_a_revoked_key_is_none() -> None:
    from mpk_tui.bundle.trust import Revocation

    made = w.endorsed(base(), CARLA, "redaction", data={"ids": ["notes"], "reason": "r", "authority": "a"})
    store = trusting(person("Anna", ANNA), person("Carla", CARLA, revoked=Revocation(0, "compromised")))
    assert len(unrecorded(w.check(made, store))) == 2


def test_the_log_entries_that_repeat_it_are_named() -> None:
    assert READ.contents is not None
    what = selected(sections=["answers"])
    assert redact.repeating_entries(READ.contents, what) == (1,)
    assert any("--with-log" in s for s in redact.leaks(READ.contents, what))
    what = selected(sections=["answers", "notes", "doc.0"], entries=[1])
    assert redact.repeating_entries(READ.contents, what) == (2, 3)
    assert redact.repeating_entries(READ.contents, selected(sections=["answers", "log"])) == ()
    assert redact.repeating_entries(READ.contents, selected(sections=["locations.S1"])) == ()


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "good.mpkb").write_bytes(ONE.to_bytes())
    return key_files(tmp_path, anna=ANNA, bert=BERT)


def test_the_command(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = bench / "out.mpkb"
    before = (bench / "good.mpkb").read_bytes()
    arguments = [
        "bundle", "redact", str(bench / "good.mpkb"), "-o", str(out), "--section", "answers", "--with-log", "--tensor",
        "S1:b.weight", "--reason", "privacy", "--authority", "the court", "--id", "Anna", "--key",
        str(bench / "anna.pem"), "--believe", str(bench / "anna.pub.pem"),
    ]  # fmt: skip
    assert main(arguments) == 0
    assert "still shows" in capsys.readouterr().err
    assert (bench / "good.mpkb").read_bytes() == before
    assert main(["verify", str(out), "--key", str(bench / "anna.pub.pem"), "--json"]) == 10
    told = json.loads(capsys.readouterr().out)
    states = {s["id"]: (s["state"], s["withheld"]) for s in told["sections"] if s["state"] != "intact"}
    assert states == {"answers": ("withheld", 0), "log": ("partly withheld", 1), "tensors.S1": ("partly withheld", 1)}
    assert not any("without a record" in n for n in told["notices"])
    assert told["endorsements"][0]["detail"].endswith("reason: privacy; authority: the court")
    assert main(arguments) == 40  # a bundle is never overwritten


def test_without_a_record_it_is_said(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = bench / "out.mpkb"
    common = ["bundle", "redact", str(bench / "good.mpkb"), "-o", str(out), "--believe", str(bench / "anna.pub.pem")]
    assert main([*common, "--section", "notes", "--no-record"]) == 0
    assert "without a record" in capsys.readouterr().err
    assert envelope.parse(out.read_bytes()).endorsements == ()
    assert main(["verify", str(out), "--key", str(bench / "anna.pub.pem")]) == 10
    assert "without a record" in capsys.readouterr().out


def test_a_key_that_is_not_the_bundle_s_is_told(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "bundle", "redact", str(bench / "good.mpkb"), "-o", str(bench / "out.mpkb"), "--section", "notes", "--reason",
        "r", "--authority", "a", "--id", "Bert", "--key", str(bench / "bert.pem"), "--believe",
        str(bench / "anna.pub.pem"),
    ]  # fmt: skip
    assert main(arguments) == 0
    assert "not one of the bundle's signers" in capsys.readouterr().err


@pytest.mark.parametrize(
    "more",
    [
        ["--section", "notes"],
        ["--section", "notes", "--reason", "r", "--id", "Anna"],
        ["--section", "notes", "--no-record", "--key", "anna.pem"],
        ["--no-record"],
        ["--no-record", "--section", "artifacts"],
        ["--no-record", "--tensor", "S1"],
        ["--no-record", "--log", "99"],
    ],
)
def test_command_lines_that_cannot_be_used(more: list[str], bench: Path) -> None:
    out = bench / "out.mpkb"
    arguments = ["bundle", "redact", str(bench / "good.mpkb"), "-o", str(out), "--believe", str(bench / "anna.pub.pem")]
    assert main([*arguments, *more]) == 2
    assert not out.exists()


def test_what_may_not_be_shown_is_not_cut(bench: Path) -> None:
    out = bench / "out.mpkb"
    arguments = ["bundle", "redact", str(bench / "good.mpkb"), "-o", str(out), "--section", "notes", "--no-record"]
    assert main([*arguments, "--believe", str(bench / "bert.pub.pem")]) == 11
    assert not out.exists()
