"""Custody and second readings in a bundle: kept in its log, listed as claims, told as the case tells them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_models import write_model

from mpk_tui import canonical
from mpk_tui.bundle import custody
from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.custody import ASKED, Custody, Reviewed, Taken, asks, chronicle, taken
from mpk_tui.case import actions, artifacts, create_case, open_case, state
from mpk_tui.case.custody import ACTS, notices
from mpk_tui.case.journal import Entry
from mpk_tui.case.reviewing import OUTCOMES
from mpk_tui.case.reviewing import review as read
from mpk_tui.case.state import CHANGES, fold
from mpk_tui.cli import main
from mpk_tui.keys import private
from mpk_tui.keys.passphrase import Passphrase


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "case"
    with create_case(folder, id="C-1", title="Copy?", examiner="Ada Roth") as case:
        for role, name in (("subject", "s"), ("reference", "r")):
            artifacts.add_artifact(case, write_model(tmp_path / name, "x"), role=role)
        for name in case.state.artifacts:
            artifacts.fingerprint_artifact(case, name)
        actions.compare_pair(case)
        actions.custody(case, "intake", "in a bag", **{"from": "Unit 7", "to": "Ada Roth", "when": "2026-11-20"})
        actions.custody(case, "mount", id="S1", device="disk 7", read_only="write blocker", **{"with": "T8"})
        read(case, who="Cy", outcome="read", text="so far")
        actions.accept_proposals(case)
        actions.set_rationale(case, "S1:R1", "equal")
        read(case, who="Bo Lind", outcome="dissents", text="\x1b[2JNot convinced.")
    return folder


def rows(folder: Path) -> list[Any]:
    with open_case(folder, read_only=True) as case:
        return [canonical.decode(e.raw) for e in case.entries]


def test_the_tables_of_case_and_bundle_are_the_same() -> None:
    assert {name: tuple(f.name for f in act.fields) for name, act in ACTS.items()} == dict(custody.CUSTODY)
    assert {name: act.title for name, act in ACTS.items()} == dict(custody.TITLES)
    assert set(custody.OUTCOMES) == set(OUTCOMES)
    assert custody.CHANGES == CHANGES


def test_the_log_tells_what_the_case_tells(root: Path) -> None:
    found = chronicle(rows(root))
    with open_case(root, read_only=True) as case:
        told, read_by = case.state.custody, case.state.reviews
    assert [
        (c.seq, c.at, c.who, c.act, c.artifact, dict(c.fields), c.text, c.sentence)
        for c in found
        if isinstance(c, Custody)
    ] == [(s.seq, s.at, s.who, s.act, s.artifact, dict(s.fields), s.text, s.sentence) for s in told]
    assert [(r.seq, r.who, r.outcome, r.text, r.verdict, r.stale) for r in found if isinstance(r, Reviewed)] == [
        (r.seq, r.who, r.outcome, r.text, r.verdict, r.stale) for r in read_by
    ]
    assert [r.stale for r in read_by] == [True, False]


def stated(seq: int, act: str, /, **params: Any) -> dict[str, Any]:
    return {"seq": seq, "at": 0, "who": "Ada", "act": act, "params": params, "result": None, "note": ""}


def test_a_receiver_is_told_what_the_case_asks(root: Path) -> None:
    assert asks(rows(root)) == ()
    with open_case(root) as case:
        actions.custody(case, "transfer", **{"from": "Cy Dunn", "to": "Bo Lind"})
        actions.custody(case, "seal_check", seal="A9", intact="no")
        told = notices(case.state.custody)
    assert list(asks(rows(root))) == told
    assert len(told) == 2
    assert told[0].endswith("transfer of S1 from Cy Dunn, but Ada Roth held it last")


def test_no_log_makes_a_receiver_wait() -> None:
    many = [stated(n, "intake", id=f"S{n}" if n % 2 else "", to="x") for n in range(ASKED + 5)]
    assert asks(many)[-1] == "5 further statements were not looked at"
    assert asks([Withheld(bytes(32)), stated(1, "note")]) == ()


def test_what_was_found_at_intake_is_told() -> None:
    lists = [{"list": "a.sha256", "sentence": "1 of 2 lines match"}, {"list": 3, "sentence": "so"}, "odd", {}]
    found = {"hash_lists": lists, "accepted_mismatch": "known"}
    log = [
        {**stated(0, "artifact", id="S1", note="from image"), "result": found},
        {**stated(1, "artifact", id="R1", note="twice"), "result": [1]},
        stated(2, "undo", seq=1),
        {**stated(3, "artifact", id="R1", note=""), "result": {"hash_lists": 7, "accepted_mismatch": None}},
        stated(4, "artifact", id="R2", note="gone"),
        stated(5, "artifact_removed", id="R2"),
        Withheld(bytes(32)),
    ]
    assert taken(log) == (
        Taken(0, 0, "Ada", "S1", "from image", ("a.sha256: 1 of 2 lines match", "so"), "known", False),
        Taken(1, 0, "Ada", "R1", "twice", (), "", True),
        Taken(4, 0, "Ada", "R2", "gone", (), "", True),
    )
    assert taken(log)[0].sentence == (
        "hash list a.sha256: 1 of 2 lines match; hash list so; contradictions accepted: “known”; note: “from image”"
    )


ACT = st.sampled_from([*sorted(CHANGES), "note", "review", "hash_after", "undo", "redo", "mount"])
ROW = st.tuples(ACT, st.sampled_from(["", "S1:R1", "S1:R2"]), st.integers(0, 12))


@settings(max_examples=300, deadline=None)
@given(st.lists(ROW, max_size=14))
def test_both_agree_on_what_makes_a_reading_stale(acts: list[tuple[str, str, int]]) -> None:
    entries, log = [], []
    for seq, (act, pair, target) in enumerate(acts):
        params: dict[str, Any] = {"seq": target} if act in ("undo", "redo") else {"pair": pair}
        if act == "review":
            params |= {"outcome": "read", "verdict": ""}
        entries.append(Entry(seq, 0, "w", "r", act, None, params, None, "", b""))
        log.append({"seq": seq, "at": 0, "who": "w", "act": act, "params": params, "note": ""})
    with pytest.MonkeyPatch.context() as patch:
        # Only what is said of readings is looked at; the other acts need not fit.
        kept = {n: h for n, h in state._HANDLERS.items() if n in ("review", "mount")}
        patch.setattr(state, "_HANDLERS", kept)
        stale = [r.stale for r in fold(entries).reviews]
    assert [r.stale for r in chronicle(log) if isinstance(r, Reviewed)] == stale


def test_withheld_and_strange_entries_are_passed_over() -> None:
    strange = [
        Withheld(bytes(32)),
        {"seq": 1, "at": 0, "who": "", "act": "intake", "params": {"from": 3, "id": None, "to": "B"}, "note": ""},
        {"seq": 2, "at": 0, "who": "", "act": "review", "params": {}, "note": ""},
        {"seq": 3, "at": 0, "who": "", "act": "undo", "params": {"seq": "1"}, "note": ""},
        {"seq": 4, "at": 0, "who": "", "act": "undo", "params": {"seq": 0}, "note": ""},
        {"seq": 5, "at": 0, "who": "", "act": "answer", "params": {"pair": 7}, "note": ""},
    ]
    intake, review = chronicle(strange)
    assert isinstance(intake, Custody)
    assert isinstance(review, Reviewed)
    assert dict(intake.fields) == {"to": "B"}
    assert (review.outcome, review.stale) == ("", True)
    assert review.sentence == "; the case was changed after it"
    assert chronicle([]) == ()


def given_passphrase() -> str:
    read_end, write_end = os.pipe()
    os.write(write_end, b"correct horse\n")
    os.close(write_end)
    return str(read_end)


def test_a_bundle_keeps_and_lists_them(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, out = tmp_path / "ada.pem", tmp_path / "x.mpkb"
    private.create(key, Passphrase(b"correct horse"))
    assert (
        main(["bundle", "build", str(root), "-o", str(out), "--key", str(key), "--passphrase-fd", given_passphrase()])
        == 0
    )
    public = str(private.public_path(key))
    capsys.readouterr()
    assert main(["verify", str(out), "--key", public]) == 0
    shown = capsys.readouterr().out
    assert "Claims of the journal:" in shown
    assert "custody  intake, stated by Ada Roth" in shown
    assert "from Unit 7; to Ada Roth; when 2026-11-20; in a bag" in shown
    assert "custody  mount S1, stated by Ada Roth" in shown
    assert "Cy " in shown
    assert "read the case through; the case was changed after it: “so far”" in shown
    assert "read the case and dissents: “\\x1b[2JNot convinced.”" in shown
    assert main(["verify", str(out), "--key", public, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [c["act"] for c in record["custody"]] == ["intake", "mount"]
    assert record["custody"][1]["fields"] == {"device": "disk 7", "read_only": "write blocker", "with": "T8"}
    assert [(r["outcome"], r["stale"]) for r in record["reviews"]] == [("read", True), ("dissents", False)]
    assert main(["bundle", "show", str(out), "--key", public, "--json"]) == 0
    sections = json.loads(capsys.readouterr().out)["sections"]
    block = {"by": "Ada Roth", "statement": "device disk 7; read only write blocker; with T8"}
    assert sections["checkpoint.S1"]["write_block"] == block
    assert sections["checkpoint.R1"]["write_block"] is None
    assert main(["bundle", "show", str(out), "--key", public]) == 0
    shown = capsys.readouterr().out
    assert shown.count("from Unit 7; to Ada Roth") == 2, "as a claim, and in the log"


def test_of_a_bundle_that_is_not_trusted_nothing_is_listed(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, out = tmp_path / "ada.pem", tmp_path / "x.mpkb"
    private.create(key, Passphrase(b"correct horse"))
    private.create(tmp_path / "other.pem", Passphrase(b"correct horse"))
    main(["bundle", "build", str(root), "-o", str(out), "--key", str(key), "--passphrase-fd", given_passphrase()])
    capsys.readouterr()
    main(["verify", str(out), "--key", str(private.public_path(tmp_path / "other.pem")), "--json"])
    record = json.loads(capsys.readouterr().out)
    assert (record["custody"], record["reviews"]) == ([], [])
    main(["verify", str(out), "--key", str(private.public_path(tmp_path / "other.pem"))])
    assert "Unit 7" not in capsys.readouterr().out


def test_hundreds_of_statements_do_not_fill_the_screen(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_case(root) as case:
        for n in range(210):
            actions.custody(case, "seal_check", f"looked, {n}")
    key, out = tmp_path / "ada.pem", tmp_path / "x.mpkb"
    private.create(key, Passphrase(b"correct horse"))
    main(["bundle", "build", str(root), "-o", str(out), "--key", str(key), "--passphrase-fd", given_passphrase()])
    capsys.readouterr()
    assert main(["verify", str(out), "--key", str(private.public_path(key))]) == 0
    shown = capsys.readouterr().out
    assert "  and 14 more" in shown
    assert "looked, 195" in shown
    assert "looked, 196" not in shown
