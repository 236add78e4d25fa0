"""The wizard: a whole case by lines, back and forth, left at any time, and nothing on the screen but plain lines."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_models import write_model

from mpk_tui.case import actions, create_case, open_case, review
from mpk_tui.cli import main
from mpk_tui.cli.wizard import wizard
from mpk_tui.errors import StorageError

Lines = list[tuple[str, str]]
Drive = Callable[[Path | None, Lines], str]


class Typed(io.TextIOBase):
    """Answers, each with words that the question before it must hold."""

    def __init__(self, capsys: pytest.CaptureFixture[str], lines: Lines) -> None:
        self._capsys, self._lines, self.seen = capsys, list(lines), ""

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        out = self._capsys.readouterr().out
        self.seen += out
        if not self._lines:
            return ""
        expected, answer = self._lines.pop(0)
        question = (out or self.seen).rstrip("\n").rsplit("\n", 1)[-1]
        assert expected in question, f"{expected!r} was expected, asked was: {out[-600:]}"
        return f"{answer}\n"

    def all_answered(self) -> bool:
        return not self._lines


@pytest.fixture
def drive(capsys: pytest.CaptureFixture[str]) -> Drive:
    def run(path: Path | None, lines: Lines) -> str:
        typed = Typed(capsys, lines)
        assert wizard(path, typed) == 0  # type: ignore[arg-type]
        assert typed.all_answered(), typed._lines
        return typed.seen + capsys.readouterr().out

    return run


FACTS: Lines = [
    ("Case number", "C-1"), ("Title", "Copy?"), ("Examiner", "Ada Roth"), ("Exhibit", "EX-7"), ("Root exhibit", ""),
    ("Authority", "order 7"), ("Purpose", "licence"),
]  # fmt: skip


def added(key: str, path: Path, role: str) -> Lines:
    return [
        ("Artifacts", key), (f"Path of the {role}", str(path)), ("What people call it", ""), ("Where it came from", "by mail"),
        ("Anything special", ""), ("hash list", ""),
    ]  # fmt: skip


def measured(*names: str) -> Lines:
    return [("Artifacts", ""), *((f"Fingerprint {n} now", "y") for n in names)]


END: Lines = [("custody", ""), ("A note", "")]
EXCLUSIONS: Lines = [("Your answer", "")] * 8


def test_a_linked_case_from_nothing_to_ready(drive: Drive, tmp_path: Path) -> None:
    shown = drive(
        None,
        [
            ("Folder", str(tmp_path / "case")), *FACTS,
            *added("s", write_model(tmp_path / "s", "x"), "subject"), *added("r", write_model(tmp_path / "r", "x"), "reference"),
            *measured("S1", "R1"), ("Compare S1:R1 now", ""), ("Keep the comparison", ""), ("Evidence about S1:R1", ""),
            ("The questions follow", ""),
            ("Your answer", "m"), ("Reason", ""), ("Evidence it rests on", ""),  # c4
            ("Your answer", ""), ("Reason", ""),  # c1, undetermined as proposed
            ("Your answer", ""), ("Reason", ""),  # c2
            ("Your answer", "n"), ("Reason", ""), ("Reason", "no conversion"), ("Evidence", ""),  # c3
            ("Your answer", "u"), ("Reason", ""),  # c5
            ("Your answer", "m"), ("Reason", ""), ("Evidence", ""),  # 3.1, the only mechanism that c4 allows
            *EXCLUSIONS, ("Known gaps", "10.1"), ("Why, in your own words", "All tensors are equal."), ("", "Byte for byte."), ("", ""),
            ("custody", "i"), ("Received from", "Unit 7"), ("Received by", "Ada Roth"), ("When", "2026-11-20 09:00+0100"), ("How", ""),
            ("Seal", "A7"), ("Condition", ""), ("Place", ""), ("artifact concerned", "S1"), ("Anything else", ""), *END,
            ("Hash S1 again", ""), ("Hash R1 again", ""),
            ("second person", "Bo Lind"), ("They", "a"), ("own words", "Read it all."), ("", ""), ("The pair", ""), ("second person", ""),
        ],
    )  # fmt: skip
    assert "Ready to sign: mpk-tui bundle build" in shown
    assert "missing:" not in shown
    assert "Numbers for it" in shown
    assert "Does not count: Most tensors equal" in shown
    with open_case(tmp_path / "case", read_only=True) as case:
        assert review.ready(case), [g for g in review.status(case) if g.blocking]
        assert review.verdict(case).conditions == ("c4",)
        assert review.verdict(case).mechanisms == ("3.1",)
        assert case.state.facts == {
            "title": "Copy?",
            "examiner": "Ada Roth",
            "exhibit": "EX-7",
            "authority": "order 7",
            "purpose": "licence",
        }
        assert case.state.rationale["S1:R1"] == "All tensors are equal.\nByte for byte."
        assert case.state.known_gaps["S1:R1"] == ("10.1",)
        assert case.state.custody[0].fields["when"] == "2026-11-20T08:00:00Z"
        assert [(r.who, r.outcome, r.stale) for r in case.state.reviews] == [("Bo Lind", "agrees", False)]
        assert [e.act for e in case.entries].count("hash_after") == 2
        assert case.state.artifacts["S1"].note == "by mail"


def test_nothing_but_plain_lines_is_printed(drive: Drive, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "evil\x1b[2J\u202e", "x")
    shown = drive(
        None, [("Folder", str(tmp_path / "case")), *FACTS, *added("s", folder, "subject"), ("Artifacts", "q")]
    )
    assert "S1" in shown
    assert all(c == "\n" or c.isprintable() for c in shown)
    assert "\u202e" not in shown


def begun(tmp_path: Path, **models: str) -> Path:
    """A case that is measured: a subject of seed x, references by id."""
    from mpk_tui.case import artifacts

    root = tmp_path / "case"
    with create_case(
        root, id="C", title="t", examiner="Ada", exhibit="1", root_exhibit="2", authority="3", purpose="4"
    ) as case:
        artifacts.add_artifact(case, write_model(tmp_path / "s", "x"), role="subject")
        for name, seed in models.items():
            artifacts.add_artifact(case, write_model(tmp_path / name, seed), role="reference", id=name)
        for name in case.state.artifacts:
            artifacts.fingerprint_artifact(case, name)
        for pair in case.state.pairs:
            actions.compare_pair(case, pair)
    return root


HASHED: Lines = [("Hash", "n"), ("Hash", "n")]
NOT_MET: Lines = [("Your answer", "n"), ("Reason", "trained apart"), ("Evidence", "-")]


def test_an_independent_case_by_an_exclusion(drive: Drive, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Both models were trained\nfrom scratch, by us.\n")
    shown = drive(
        begun(tmp_path, R="y"),
        [
            ("Artifacts", ""), ("Keep the comparison", "y"),
            ("Evidence about", "a"), ("Source", "a letter"), ("speaks for", "4.1"), ("speaks against", "c1"), ("File", str(letter)),
            ("Quote", "trained from scratch"), ("Evidence about", "t"), ("Id of the item", "E7"), ("Evidence about", ""),
            ("The questions follow", ""), *NOT_MET * 5,
            ("Your answer", "m"), ("Reason", "the letter says so"), ("Evidence", ""),  # 4.1
            *EXCLUSIONS[1:], ("Known gaps", ""), ("Why", "As the letter says."), ("", ""), *END, *HASHED, ("second person", ""),
        ],
    )  # fmt: skip
    assert "Not recorded: no evidence 'E7'" in shown
    assert "lines 1–2, bytes 17–36" in shown
    assert "3.1" not in shown.split("4.1 Independent reproduction")[0].split("C5 Transitivity")[1], (
        "no mechanism without a condition"
    )
    with open_case(tmp_path / "case", read_only=True) as case:
        assert review.ready(case), [g for g in review.status(case) if g.blocking]
        assert review.verdict(case).exclusions == ("4.1",)
        assert case.state.evidence["S1:R"]["E2"].excerpt == "trained\nfrom scratch"


def test_an_independent_case_by_default(drive: Drive, tmp_path: Path) -> None:
    drive(
        begun(tmp_path, R="y"),
        [
            ("Artifacts", ""), ("Keep the comparison", "n"), ("Evidence about", ""), ("The questions follow", ""),
            *[("Your answer", "u"), ("Reason", "")] * 5, *EXCLUSIONS, ("Known gaps", "-"), ("Why", "Nothing was found."), ("", ""), *END,
            *HASHED, ("second person", ""),
        ],
    )  # fmt: skip
    with open_case(tmp_path / "case", read_only=True) as case:
        assert review.ready(case), [g for g in review.status(case) if g.blocking]
        assert review.verdict(case).display == "provenance not established (default)"


def test_several_pairs_each_with_its_questions(drive: Drive, tmp_path: Path) -> None:
    root = begun(tmp_path, R1="x", R2="y")
    pair: Lines = [
        ("Evidence about", ""), ("The questions follow", ""), *[("Your answer", "u"), ("Reason", "open")] * 5, *EXCLUSIONS,
        ("Known gaps", ""), ("Why", "x"), ("", ""),
    ]  # fmt: skip
    shown = drive(
        root,
        [
            ("Artifacts", ""), ("Keep the comparison", "n"), *pair, ("Keep the comparison", "n"), *pair, *END, *HASHED, ("Hash R2", "n"),
            ("second person", ""),
        ],
    )  # fmt: skip
    assert shown.index("C4 Identity, pair S1:R1") < shown.index("C4 Identity, pair S1:R2")
    with open_case(root, read_only=True) as case:
        assert review.ready(case), [g for g in review.status(case) if g.blocking]
        assert set(case.state.answers) == {"S1:R1", "S1:R2"}


def test_a_contradiction_is_shown_where_it_arises_and_resolved_in_writing(drive: Drive, tmp_path: Path) -> None:
    root = begun(tmp_path, R="x")
    letter = tmp_path / "l"
    letter.write_text("from scratch")
    with open_case(root) as case:
        actions.accept_proposals(case)
        actions.add_evidence(case, "S1:R", kind="a", supports=("4.1",), source="letter", file=letter)
    shown = drive(
        root,
        [
            ("Artifacts", ""), ("Evidence about", ""),
            ("Your answer", "m"), ("Reason", "so it says"), ("Evidence", ""),  # 4.1
            ("How it is resolved", "The letter is of another"), ("", "release."), ("", ""), *EXCLUSIONS[1:], ("Known gaps", ""),
            ("Why", "Equal."), ("", ""), *END, *HASHED, ("second person", ""),
        ],
    )  # fmt: skip
    assert shown.count("CONTRADICTION: exclusion 4.1 is answered met beside") == 2
    with open_case(root, read_only=True) as case:
        answers = case.state.answers["S1:R"]
        assert answers["4.1"].resolution == answers["c4"].resolution == "The letter is of another\nrelease."
        assert review.ready(case), [g for g in review.status(case) if g.blocking]


def test_c5_asks_for_its_basis_and_hops(drive: Drive, tmp_path: Path) -> None:
    root = begun(tmp_path, R="x")
    with open_case(root) as case:
        actions.evidence_from_comparison(case)
        actions.add_evidence(case, "S1:R", kind="a", supports=("c5",), source="card", locator="https://example.org")
        for q in ("c4", "c1", "c2", "c3"):
            actions.answer(case, q, "undetermined")
    shown = drive(
        root,
        [
            ("Artifacts", ""), ("Evidence about", ""), ("The questions follow", ""), ("Your answer", "m"), ("Reason", "the card"),
            ("Evidence", "E2"), ("On what basis", "x"), ("On what basis", "2"), ("Hop 1", "S1, Mid, C1"), ("Hop 2", "nothing"),
            ("Hop 2", "Mid, a model, v2, c3"), ("Hop 3", ""), ("which came first", "y"), ("Your answer", "q"),
        ],
    )  # fmt: skip
    assert "A hop is written" in shown
    with open_case(root, read_only=True) as case:
        made = case.state.answers["S1:R"]["c5"]
        assert [(h.a, h.b, h.condition) for h in made.hops] == [("S1", "Mid", "c1"), ("Mid, a model", "v2", "c3")]
        assert made.direction_documented


def test_b_goes_back_one_question_and_records_nothing_twice(drive: Drive, tmp_path: Path) -> None:
    drive(
        None,
        [
            ("Folder", "b"), ("Folder", str(tmp_path / "case")), ("Case number", "b"), ("Folder", str(tmp_path / "case")),
            ("Case number", "C-1"), ("Title", "Typo"), ("Examiner", "b"), ("Title", "Copy?"), ("Examiner", "Ada"),
            ("Exhibit", "EX-1"), ("Root exhibit", "b"), ("Exhibit [EX-1]", "EX-2"), ("Root exhibit", "b"), ("Exhibit [EX-2]", "b"),
            ("Examiner [Ada]", "b"), ("Title of the case [Copy?]", "b"), ("Title of the case [Copy?]", ""), ("Root exhibit", ""), ("Authority", ""), ("Purpose", ""),
            ("Artifacts", "s"), ("Path", "/nowhere"), ("What", "b"), ("Path", str(write_model(tmp_path / "s", "x"))), ("What", ""),
            ("Where", ""), ("special", "z"), ("special", ""), ("hash list", "b"), ("special", ""), ("hash list", ""),
            ("Artifacts", ""), ("Fingerprint S1 now", "n"), ("custody", "b"), ("Fingerprint S1 now", ""), ("custody", "t"), ("From", "A"),
            ("To", "b"), ("From", "B"), ("To", "C"), ("When", "b"), ("To", "D"), ("When", ""), ("How", ""), ("Seal", ""), ("Place", ""),
            ("concerned", ""), ("else", ""), ("custody", "q"),
        ],
    )  # fmt: skip
    with open_case(tmp_path / "case", read_only=True) as case:
        assert [e.act for e in case.entries] == ["open", "facts", "facts", "artifact", "hash_before", "transfer"]
        assert case.state.facts["exhibit"] == "EX-2"
        assert case.state.custody[0].fields == {"from": "B", "to": "D"}


def test_an_answer_that_stays_as_it_was_is_not_recorded_again(drive: Drive, tmp_path: Path) -> None:
    root = begun(tmp_path, R="x")
    with open_case(root) as case:
        actions.accept_proposals(case)
        for x in ("4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7", "4.8"):
            actions.answer(case, x, "undetermined")
        count = len(case.entries)
    back: Lines = [("Known gaps", "b"), ("Your answer", ""), ("Reason", ""), ("Known gaps", "q")]
    drive(root, [("Artifacts", ""), ("Evidence about", ""), *back])
    with open_case(root, read_only=True) as case:
        assert len(case.entries) == count


def test_help_is_told_and_the_question_asked_again(drive: Drive, tmp_path: Path) -> None:
    shown = drive(begun(tmp_path, R="x"), [("Artifacts", "?"), ("Artifacts", ""), ("Keep", "?"), ("Keep", "q")])
    assert "The subject is the model in question" in shown
    assert shown.count("Keep the comparison as evidence (y yes, n no) [y]") == 2


def test_a_letter_that_is_a_key_can_be_meant(drive: Drive, tmp_path: Path) -> None:
    drive(
        None,
        [
            ("Folder", str(tmp_path / "case")),
            ("Case number", "\\b"),
            ("Title", "\\q"),
            ("Examiner", "\\?"),
            ("Exhibit", "q"),
        ],
    )
    with open_case(tmp_path / "case", read_only=True) as case:
        assert (case.state.id, case.state.title, case.state.examiner) == ("b", "q", "?")


@pytest.mark.parametrize("lines", [0, 3, 9, 14])
def test_an_end_of_input_leaves_what_was_entered(drive: Drive, tmp_path: Path, lines: int) -> None:
    given = [("Folder", str(tmp_path / "case")), *FACTS, *added("s", write_model(tmp_path / "s", "x"), "subject")][
        :lines
    ]
    shown = drive(None, given)
    assert ("Left before a case was opened" if lines < 4 else "Left. Everything") in shown
    assert (tmp_path / "case").exists() is (lines >= 4)


def test_it_goes_on_where_it_was_left(drive: Drive, tmp_path: Path) -> None:
    root = begun(tmp_path, R="x")
    with open_case(root) as case:
        actions.accept_proposals(case)
        actions.set_known_gaps(case, "S1:R", ())
    shown = drive(root, [("Artifacts", ""), ("Evidence about", ""), *EXCLUSIONS, ("Why", "q")])
    assert "Not ready to sign. Go on with: mpk-tui case wizard" in shown
    assert "missing: Review & sign S1:R: There is no rationale" in shown


def test_contradicting_hash_lists_are_named_and_need_a_reason(drive: Drive, tmp_path: Path) -> None:
    root = begun(tmp_path, R="x")
    other = write_model(tmp_path / "o", "y")
    (tmp_path / "sums").write_text(f"{'0' * 64}  config.json\n")
    drive(
        root,
        [
            ("Artifacts", "r"), ("Path", str(other)), ("call it", "O"), ("Where", ""), ("special", ""), ("hash list", str(tmp_path / "sums")),
            ("Another", ""), ("Why it is taken in", "b"), ("Another", ""), ("Why it is taken in", "an old list"), ("Artifacts", "q"),
        ],
    )  # fmt: skip
    with open_case(root, read_only=True) as case:
        assert [(a.label, a.mismatch) for a in case.state.artifacts.values()][-1] == ("O", "an old list")


def test_a_case_that_cannot_be_written_is_refused(drive: Drive, tmp_path: Path) -> None:
    root = begun(tmp_path, R="x")
    with open_case(root), pytest.raises(StorageError, match="reading only"):
        drive(root, [])


def test_a_folder_with_other_things_is_not_taken(drive: Drive, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    shown = drive(tmp_path, [("Case number", "a"), ("Title", "b c"), ("Examiner", "d"), ("Case number", "q")])
    assert "Not recorded" in shown
    assert "is not empty" in shown


@pytest.mark.parametrize("words", [["--plain"], ["case", "wizard"]])
def test_both_doors_lead_to_it(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{tmp_path / 'case'}\nC-1\nt\ne\n"))
    assert main(words) == 0
    with open_case(tmp_path / "case", read_only=True) as case:
        assert case.state.id == "C-1"
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    assert main([*words, str(tmp_path / "case")]) == 0
    assert re.search(r"Case C-1: t\. Examiner: e\.", capsys.readouterr().out)


def test_a_pair_outside_the_scope_has_no_questions(drive: Drive, tmp_path: Path) -> None:
    from mpk_tui.case import artifacts

    root = tmp_path / "case"
    with create_case(
        root, id="C", title="t", examiner="Ada", exhibit="1", root_exhibit="2", authority="3", purpose="4"
    ) as case:
        for role in ("subject", "reference"):
            artifacts.add_artifact(case, write_model(tmp_path / role, "x", model_type="whisper"), role=role)
    shown = drive(
        root,
        [
            *measured("S1", "R1"),
            ("Compare", ""),
            ("Keep", "n"),
            ("Evidence about", ""),
            *END,
            *HASHED,
            ("second person", ""),
        ],
    )
    assert "C4" not in shown
