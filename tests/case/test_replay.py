"""A journal replayed through the command line: every act once, and a bundle that says the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from same_payload import assert_same
from toy_models import write_model

from mpk_tui import canonical
from mpk_tui.bundle.from_case import export
from mpk_tui.bundle.manifest import ToolFacts
from mpk_tui.case import Case, actions, artifacts, create_case, open_case, review
from mpk_tui.case.custody import ACTS, CHOICE, TIME
from mpk_tui.case.intake import measure_intake
from mpk_tui.case.replay import replay, steps
from mpk_tui.case.reviewing import review as read
from mpk_tui.case.revising import revise_evidence
from mpk_tui.checkpoint.open import Opening
from mpk_tui.cli import main
from mpk_tui.constitution.answers import Hop
from mpk_tui.errors import UsageError

TEXT = "--says: 'quoted' \"twice\" $HOME `x` \\ \u202e\n\n- second paragraph\t\x1b[2J ünï"


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """Every act once, and texts that a command line could trip over."""
    for name in ("s", "r", "o"):
        write_model(tmp_path / name, "o" if name == "o" else "x")
    sums = tmp_path / "r" / "SHA256SUMS"
    subprocess.run(
        f"cd {tmp_path / 'r'} && sha256sum m*.* > SHA256SUMS && echo '{'0' * 64}  config.json' >> SHA256SUMS",
        shell=True,
        check=True,
    )
    (tmp_path / "letter, of Bo's.txt").write_text("We fine-tuned it\nfrom yours.\n")
    with create_case(
        tmp_path / "case", id="C-1", title=f"A {TEXT}", examiner="E. Xaminer", exhibit="-x", authority=""
    ) as c:
        actions.set_facts(c, purpose="", root_exhibit="--help")
        artifacts.add_artifact(
            c, tmp_path / "s", role="subject", label="-suspect", note=TEXT, how=Opening("", True, None)
        )
        checked = measure_intake(tmp_path / "r", [sums], "the list is older")
        artifacts.add_artifact(c, tmp_path / "r", role="reference", id="Ref.1", intake=checked)
        artifacts.add_artifact(c, tmp_path / "o", role="reference", id="gone")
        artifacts.remove_artifact(c, "gone")
        artifacts.add_artifact(c, tmp_path / "o", role="tokenizer")
        for name in c.state.artifacts:
            artifacts.fingerprint_artifact(c, name)
        actions.compare_pair(c)
        pair = c.state.pairs[0]
        actions.accept_proposals(c, pair)
        item = actions.add_evidence(
            c, pair, kind="a", supports=("c1", "c5", "3.2"), opposes=("4.1",), source=TEXT, locator="--p. 3", excerpt=TEXT,
            file=tmp_path / "letter, of Bo's.txt",
        )  # fmt: skip
        actions.add_evidence(c, pair, kind="denial", source="-", id="--den")
        actions.evidence_from_row(c, pair, part="figure", locator="figure cosine", excerpt=TEXT)
        actions.evidence_from_row(c, pair, part="context", locator="body", excerpt="0.9")
        actions.evidence_from_row(c, pair, part="tests", locator="ffn.aligned / 3", excerpt="z 9", supports=("c4",))
        actions.add_evidence(c, pair, kind="b", source="again", attached=item.digest, supports=("c1",))
        revise_evidence(c, item.id, pair=pair, locator="page 4")
        actions.remove_evidence(c, pair, "--den")
        actions.attach(c, tmp_path / "letter, of Bo's.txt", name="other name")
        actions.answer(c, "c1", "met", reason=TEXT, evidence=(item.id,), direction_documented=True, resolution=TEXT)
        actions.answer(c, "3.2", "met", reason="-", evidence=(item.id,))
        actions.answer(
            c, "c5", "met", reason="x", evidence=(item.id,), basis="chain",
            hops=(Hop("S1", "a, b [\"c\"]", "c1"), Hop("a, b [\"c\"]", "Ref.1", "c3")),
        )  # fmt: skip
        actions.answer(c, "4.4", "undetermined")
        actions.undo(c)
        actions.redo(c)
        actions.set_rationale(c, pair, TEXT)
        actions.set_known_gaps(c, pair, ("10.1", "10.10"))
        actions.set_known_gaps(c, pair, ())
        actions.note(c, TEXT)
        actions.note(c, "-S1", id="S1")
        actions.undo(c)
        for act in ACTS.values():
            value = {TIME: "2026-11-20T10:00Z", CHOICE: "no"}
            actions.custody(c, act.name, TEXT, id="S1", **{f.name: value.get(f.kind, f"-{f.name}") for f in act.fields})
            actions.custody(c, act.name, **{f.name: value.get(f.kind, "x") for f in act.fields if f.needed})
        artifacts.rehash_artifact(c, "S1")
        assert review.ready(c), [g for g in review.status(c) if g.blocking]
        read(c, who="Bo Lind", outcome="dissents", text=TEXT)
        read(c, who="Cy", outcome="read", pair=pair)
        yield c


def sections(case: Case) -> dict[str, Any]:
    tool = ToolFacts("mpk-tui", "0", bytes(32), "3", {}, "x", "", None)
    return dict(export(case, tool, {}).sections)


def test_every_act_that_can_be_journalled_is_in_this_case(case: Case) -> None:
    from mpk_tui.case.state import _HANDLERS

    assert {e.act for e in case.entries} == (set(_HANDLERS) | {"attach", "undo", "redo"}) - {"export"}


def test_the_journal_replayed_says_the_same(case: Case, tmp_path: Path) -> None:
    commands = replay(case, tmp_path / "again")
    assert len(commands) == len(case.entries)
    for argv in commands:
        assert main(argv) == 0, argv
    with open_case(tmp_path / "again") as again:
        before, after = sections(case), sections(again)
    assert_same(before, after)
    assert {e["act"] for e in before["log"]} == {e["act"] for e in after["log"]}
    assert [canonical.encode(e) for e in before["log"]] != [canonical.encode(e) for e in after["log"]], "salts are new"


def test_the_script_does_the_same_in_a_shell(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Words come out of a shell as they went in; the commands themselves are run by the test above."""
    capsys.readouterr()
    assert main(["case", "script", str(case.root), "--into", str(tmp_path / "again")]) == 0
    script = capsys.readouterr().out
    assert all(c >= " " or c == "\n" for c in script), "nothing that steers a terminal"
    assert "\u202e" not in script
    (tmp_path / "script").write_text(script)
    show = "import json, sys; print(json.dumps(sys.argv[1:]))"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mpk-tui").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{show}' \"$@\"\n")
    (tmp_path / "bin" / "mpk-tui").chmod(0o755)
    done = subprocess.run(
        ["bash", str(tmp_path / "script")],
        env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    import json

    assert [json.loads(line) for line in done.stdout.splitlines()] == replay(case, tmp_path / "again")


def test_a_changed_artifact_stays_changed(tmp_path: Path) -> None:
    with create_case(tmp_path / "case", id="C", title="t", examiner="e") as case:
        artifacts.add_artifact(case, write_model(tmp_path / "m", "x"), role="subject")
        artifacts.fingerprint_artifact(case, "S1")
        (tmp_path / "m" / "config.json").write_text("{}")
        assert not artifacts.rehash_artifact(case, "S1")
        assert [s.code for s in steps(case, tmp_path / "again")] == [0, 0, 0, 21]


def test_bundles_and_strange_acts_are_told_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with create_case(tmp_path / "case", id="C", title="t", examiner="e") as case:
        case.append("bundle", {"seq": 0}, obj=bytes(32))
        case.append("dance", {})
        found = steps(case, tmp_path / "again")
        assert [bool(s.argv) for s in found] == [True, False, False]
        assert "needs a key" in found[1].remark
        assert "dance" in found[2].remark
        assert len(replay(case, tmp_path / "again")) == 1
    assert main(["case", "script", str(tmp_path / "case")]) == 0
    out, err = capsys.readouterr()
    assert "# entry 1: " in out
    assert "2 acts are not made again" in err
    assert f"{tmp_path}/case-again" in out


def test_a_nul_is_refused(tmp_path: Path) -> None:
    with create_case(tmp_path / "case", id="C", title="t", examiner="e") as case:
        actions.note(case, "a\0b")
        with pytest.raises(UsageError, match="NUL"):
            replay(case, tmp_path / "again")
    assert main(["case", "script", str(tmp_path / "case")]) == 0


def test_an_adapter_with_its_base_and_one_of_several_models(tmp_path: Path) -> None:
    """Options only: nothing is opened when an artifact is added."""
    for name in ("adapter", "base"):
        (tmp_path / name).mkdir()
    with create_case(tmp_path / "case", id="C", title="t", examiner="e") as case:
        how = Opening("unet", False, tmp_path / "base")
        artifacts.add_artifact(case, tmp_path / "adapter", role="adapter", how=how)
        argv = replay(case, tmp_path / "again")[1]
        assert f"--base={tmp_path / 'base'}" in argv
        assert "--model=unet" in argv
        for words in replay(case, tmp_path / "again"):
            assert main(words) == 0
        with open_case(tmp_path / "again") as again:
            assert again.state.artifacts == case.state.artifacts
