"""``mpk-tui case``: evidence with quotes and rows, custody, reviews, and what it says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy_models import write_model

from mpk_tui.case import open_case
from mpk_tui.cli import main
from mpk_tui.cli.case import ACTS
from mpk_tui.errors import ExitCode


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A case of a copy, compared; nothing is answered."""
    root = tmp_path / "case"
    assert main(["case", "new", str(root), "--id", "C-1", "--title", "Copy?", "--examiner", "Ada Roth"]) == 0
    for role, name in (("subject", "s"), ("reference", "r")):
        assert main(["case", "add", str(root), str(write_model(tmp_path / name, "x")), "--role", role]) == 0
    assert main(["case", "fingerprint", str(root)]) == 0
    assert main(["case", "compare", str(root)]) == 0
    (tmp_path / "card.md").write_text("# Card\nThis model was made\nfrom yours.\n")
    capsys.readouterr()
    return root


def run(capsys: pytest.CaptureFixture[str], *args: str | Path, code: int = 0) -> str:
    assert main(["case", *map(str, args)]) == code, capsys.readouterr()
    out, err = capsys.readouterr()
    return out if code == 0 else err


def items(folder: Path) -> dict[str, Any]:
    with open_case(folder, read_only=True) as case:
        return dict(case.state.evidence.get("S1:R1", {}))


@pytest.mark.parametrize("act", ACTS)
def test_every_act_explains_itself(act: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["case", act, "--help"])
    assert ended.value.code == 0
    assert f"usage: mpk-tui case {act}" in capsys.readouterr().out


def test_a_case_without_facts_journals_none(folder: Path) -> None:
    with open_case(folder, read_only=True) as case:
        assert case.entries[0].params["facts"] == {"title": "Copy?", "examiner": "Ada Roth"}


def test_a_quote_makes_excerpt_and_locator(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = tmp_path / "card.md"
    out = run(
        capsys,
        "evidence",
        folder,
        "--kind",
        "a",
        "--source",
        "card",
        "--supports",
        "C4",
        "--file",
        card,
        "--quote",
        "was made from",
    )
    assert "lines 2–3, bytes 18–30" in out
    out = run(capsys, "evidence", folder, "--kind", "context", "--source", "card", "--file", card, "--lines", "2-3")
    assert "lines 2–3, bytes 7–37" in out
    digest = run(capsys, "attach", folder, card, "--name", "other.md").strip()
    run(capsys, "evidence", folder, "--kind", "context", "--source", "card", "--attached", digest, "--quote", "Card")
    made = list(items(folder).values())
    assert [e.digest for e in made] == [digest] * 3
    assert made[0].excerpt == "was made\nfrom"
    run(capsys, "evidence", folder, "--revise", "E3", "--lines", "1")
    assert items(folder)["E3"].excerpt == "# Card"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--quote", "The model was made"], "line 2 comes nearest"),
        (["--lines", "9"], "has 3 lines"),
        (["--lines", "x"], "written 12-14"),
        (["--quote", "made", "--lines", "1"], "one of --quote and --lines"),
        (["--quote", "made", "--excerpt", "made"], "one of --quote and --lines"),
        (["--attached", "0" * 64], "not both"),
    ],
)
def test_a_quote_that_is_not_there_records_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    before = (folder / "journal.mpkj").read_bytes()
    card = tmp_path / "card.md"
    err = run(capsys, "evidence", folder, "--kind", "a", "--source", "card", "--file", card, *options, code=2)
    assert message in err
    assert (folder / "journal.mpkj").read_bytes() == before


def test_a_quote_needs_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "look into a file" in run(capsys, "evidence", folder, "--kind", "a", "--source", "x", "--quote", "y", code=2)
    assert "nothing was attached" in run(
        capsys, "evidence", folder, "--kind", "a", "--source", "x", "--attached", "ab", code=2
    )


def test_a_row_is_found_and_put_into_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Tensors that are equal have no row" in run(
        capsys, "evidence", folder, "--from-row", "identity / nothing", code=2
    )
    out = run(capsys, "evidence", folder, "--from-row", "tests/retention")
    assert "tests / retention" in out
    assert "kind b" in out
    out = run(capsys, "evidence", folder, "--from-row", "figure cosine", "--excerpt", "1, 1")
    assert "figure cosine" in out
    assert "no figure 'x'" in run(capsys, "evidence", folder, "--from-row", "figure / x", code=2)
    assert [e.locator for e in items(folder).values()] == ["tests / retention", "figure cosine"]


def test_one_proposal_can_be_taken_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "accept", folder, "--question", "c4").split() == ["c4", "met"]
    assert list(items(folder)) == ["E1"]


def test_hops_may_hold_commas(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "evidence", folder, "--from-comparison")
    run(capsys, "answer", folder, "c5", "met", "--reason", "x", "--evidence", "E1", "--basis", "chain",
        "--hop", "S1, M, C1", "--hop", '["M", "R1, late", "c3"]')  # fmt: skip
    with open_case(folder, read_only=True) as case:
        found = case.state.answers["S1:R1"]["c5"].hops
    assert [(h.a, h.b, h.condition) for h in found] == [("S1", "M", "c1"), ("M", "R1, late", "c3")]
    for hop in ("a,b", "[1, 2, 3]", "[" * 5000, '["a", "b"]'):
        run(capsys, "answer", folder, "c5", "undetermined", "--hop", hop, code=2)


def test_custody_by_fields_and_by_words(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no statement of custody" in run(capsys, "custody", folder)
    run(capsys, "set", folder, "--exhibit", "EX-7", "--root-exhibit", "PC-1", "--authority", "order 7")
    run(
        capsys,
        "custody",
        folder,
        "intake",
        "sealed",
        "--from",
        "Unit 7",
        "--to",
        "Ada Roth",
        "--when",
        "2026-11-20 09:00+0100",
    )
    run(capsys, "custody", folder, "seal", "--seal", "A7", "--intact", "y", "--id", "S1")
    run(capsys, "custody", folder, "mount", "--text", "behind a bridge")
    assert main(["case", "custody", str(folder), "transfer", "--from", "Bo", "--to", "Cy"]) == 0
    assert "notice: entry" in capsys.readouterr().err
    out = run(capsys, "custody", folder)
    for words in ("root exhibit: PC-1", "Received from: Unit 7", "When (UTC): 2026-11-20T08:00:00Z", "Seal check of S1",
                  "Intact: yes", "behind a bridge", "notice: entry 10: transfer of S1 from Bo, but Ada Roth held it last"):  # fmt: skip
        assert words in out
    record = json.loads(run(capsys, "custody", folder, "--json"))
    assert [s["act"] for s in record["statements"]] == ["intake", "seal_check", "mount", "transfer"]
    assert record["statements"][1]["fields"] == {"seal": "A7", "intact": "yes"}
    assert record["authority"] == "order 7"
    assert len(record["notices"]) == 1
    assert "seal A7" in run(capsys, "log", folder)


@pytest.mark.parametrize(
    "options",
    [["intake"], ["intake", "x", "--device", "d"], ["transfer", "x", "--when", "soon"], ["mount", "x", "--json"], ["--from", "a"],
     ["intake", "x", "--text", "y"], ["seal", "--seal", "1", "--intact", "perhaps"], ["intake", "x", "--id", "S7"]],
)  # fmt: skip
def test_custody_that_says_nothing_usable_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    before = (folder / "journal.mpkj").read_bytes()
    run(capsys, "custody", folder, *options, code=2)
    assert (folder / "journal.mpkj").read_bytes() == before


def test_a_second_person_reads(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No second analyst has read this case" in run(capsys, "status", folder)
    run(capsys, "review", folder, "--who", "Bo Lind", "--outcome", "agrees", code=ExitCode.INCOMPLETE)
    run(capsys, "review", folder, "--who", "ADA ROTH", "--outcome", "read", code=2)
    run(capsys, "accept", folder)
    run(capsys, "rationale", folder, "all equal")
    assert "Bo Lind DISSENTS; read was: S1:R1 linked" in run(
        capsys, "review", folder, "--who", "Bo Lind", "--outcome", "dissents", "--text", "no"
    )
    out = run(capsys, "status", folder)
    assert "review: Bo Lind DISSENTS" in out
    assert "ready to sign" in out.splitlines()[-1]
    run(capsys, "rationale", folder, "all tensors equal")
    assert "(before the last change)" in run(capsys, "status", folder)
    record = json.loads(run(capsys, "status", folder, "--json"))
    assert record["reviews"][0]["stale"] is True


def test_looking_is_possible_while_somebody_writes_and_writing_is_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_case(folder):
        for act in ("evidence", "custody", "status", "log", "script"):
            run(capsys, act, folder)
        err = run(capsys, "note", folder, "x", code=2)
        assert "open elsewhere" in err
        assert "nothing can be recorded" in err


def test_a_strangers_words_do_not_reach_the_terminal(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J\u202e\x9b1m\nevil"
    (tmp_path / "evil.txt").write_text(evil)
    run(
        capsys,
        "evidence",
        folder,
        "--kind",
        "context",
        "--source",
        evil,
        "--file",
        tmp_path / "evil.txt",
        "--quote",
        "evil",
    )
    run(capsys, "custody", folder, "intake", evil)
    run(capsys, "note", folder, evil, "--artifact", "S1")
    run(capsys, "review", folder, "--who", evil, "--outcome", "read", "--text", evil)
    for act in (["evidence"], ["custody"], ["status"], ["log"], ["script"], ["custody", "--json"], ["log", "--json"]):
        out = run(capsys, act[0], folder, *act[1:])
        assert not {"\x1b", "\x9b", "\u202e"} & set(out), act
