"""Questions: what is offered, proposed, contradicted, chained and merged; and the way from gap to gap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from judged_case import begun, documented
from textual.pilot import Pilot
from textual.widgets import Input, Static
from tui_driver import SMALL, WIDE, drive, keys, paste, picture

from mpk_tui.case import actions, open_case, review
from mpk_tui.case.store import Case
from mpk_tui.constitution.norm import load
from mpk_tui.tui import wording
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.drafts import FILE
from mpk_tui.tui.session.gaps import gaps_of
from mpk_tui.tui.wording import Proposal


def acts(case: Path) -> list[str]:
    with open_case(case, read_only=True) as c:
        return [e.act for e in c.entries]


def shown(app: Workbench) -> str:
    return " ".join(picture(app).replace("│", " ").split())


def stands(app: Workbench) -> str:
    """The first line of a question: what stands against its answer."""
    return str(app.screen.query_one("#question", Static).content).split("\n")[0]


def state(app: Workbench) -> Any:
    assert app.session is not None
    return app.session.case.state


def test_a_mechanism_is_offered_only_for_conditions_answered_met(tmp_path: Path) -> None:
    case = begun(tmp_path)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "7")
        assert "No mechanism is offered while no condition is answered met" in shown(app)
        await keys(pilot, "m")
        assert "Not entered. 3.1 can serve C4, C3, C5; no condition is answered met." in shown(app)
        await keys(pilot, "u")
        assert "[3.1 undet.]" in picture(app)  # any answer but met can be given in any order
        documented(app.session.case, "S1:R1", "c2")  # type: ignore[union-attr]
        await keys(pilot, "g", "7")
        said = shown(app)
        assert "3.2 n/o" in said
        assert "3.5 –" in said
        assert "3.2 can serve C1, C5; answered met is C2." in said
        for _ in range(4):
            await keys(pilot, "right")
        await keys(pilot, "r")
        await paste(pilot, "the paper names the teacher")
        await keys(pilot, "escape", "m")
        assert "[3.5 met]" in picture(app)
        # The condition is taken back: what was answered met before stands as a contradiction.
        actions.answer(app.session.case, "c2", "undetermined", pair="S1:R1")  # type: ignore[union-attr]
        app.changed()
        await pilot.pause()
        said = shown(app)
        assert "[3.5 met!]" in said
        assert "! 3.5 is answered met, but is not offered" in said

    drive(app, script, WIDE)
    assert acts(case).count("answer") == 4


def test_a_proposal_is_taken_over_by_one_key_and_another_answer_needs_a_reason(tmp_path: Path) -> None:
    case = begun(tmp_path, compared=True)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "6", "left")
        assert "This is the first of the conditions; N goes to the next gap." in shown(app)
        assert "[C4 –]" in picture(app)
        await keys(pilot, *["right"] * 5)
        assert "This is the last of the conditions; N goes to the next gap." in shown(app)
        assert "The tool proposes: met (common-trained-ancestor). An ancestor. (t takes it over)" in shown(app)
        await keys(pilot, "u")
        assert "The tool proposes met; another answer needs a reason" in shown(app)
        assert "answer" not in acts(case)
        await keys(pilot, "escape")
        assert "Not entered: undetermined has no reason" in shown(app)
        await keys(pilot, "t")
        given = state(app).answers["S1:R1"]["c5"]
        assert (given.answer, given.reason, given.basis, given.evidence) == (
            "met", "An ancestor.", "common-trained-ancestor", ("E1",),
        )  # fmt: skip
        assert "Taken over: met, with its reason, now yours to change, citing E1." in shown(app)
        await keys(pilot, "left", "t")
        assert "No finding proposes an answer to C3." in shown(app)
        await keys(pilot, "left")
        assert "No finding proposes" not in shown(app)  # it was said of another question
        await keys(pilot, "z")
        assert "Taken back" in shown(app)
        assert "Next to take back: entry" in shown(app)

    drive(app, script, SMALL)


def test_a_reason_that_the_tool_gave_for_another_answer_does_not_become_ones_own(tmp_path: Path) -> None:
    case = begun(tmp_path, compared=True)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "6", "right", "right", "t")
        assert "Taken over: undetermined" in shown(app)
        await keys(pilot, "right")
        assert "Taken over" not in shown(app)  # it was said of another question
        await keys(pilot, "left", "m")
        assert "Met needs a reason of your own; this one is the tool's, for undetermined" in shown(app)
        assert "Reason, typing · Esc enters it, with met" in shown(app)
        await keys(pilot, "escape")
        assert "Not entered: met has no reason of its own yet." in shown(app)
        assert state(app).answers["S1:R1"]["c2"].answer == "undetermined"
        await keys(pilot, "m")
        await paste(pilot, "the paper names the teacher")  # over the tool's words, which are marked
        await keys(pilot, "escape")
        given = state(app).answers["S1:R1"]["c2"]
        assert (given.answer, given.reason) == ("met", "the paper names the teacher")

    drive(app, script, SMALL)


def test_a_contradiction_stands_on_both_answers_at_once(tmp_path: Path) -> None:
    case = begun(tmp_path)
    with open_case(case) as c:
        documented(c, "S1:R1", "c1", "3.2")
    app = Workbench(case)
    one = "! exclusion 4.1 is answered met beside C1: resolve it in writing on 4.1 and C1 (w) [not yet on 4.1, C1]"

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "8", "w")
        assert "Answer the question first." in shown(app)
        await keys(pilot, "r")
        await paste(pilot, "they say so")
        await keys(pilot, "escape", "m")
        said = shown(app)
        assert said.count("exclusion 4.1 is answered met beside C1") >= 2  # above the question, and at the foot at once
        assert stands(app) == one
        await keys(pilot, "g", "6", "right")
        assert "[C1 met!]" in picture(app)
        assert stands(app) == one
        await keys(pilot, "g", "8", "w")
        await paste(pilot, "two statements")
        assert "Esc close, kept as a draft" in shown(app)
        await keys(pilot, "escape")  # as in the reason, nothing typed is lost; but it is not entered either
        assert "Resolution: typed and kept, not entered (w goes on)" in shown(app)
        assert state(app).answers["S1:R1"]["4.1"].resolution == ""
        await keys(pilot, "w")
        await paste(pilot, ", one older")
        await keys(pilot, "ctrl+s")
        assert "typed and kept" not in shown(app)
        assert stands(app) == one.replace("4.1, C1]", "C1]")
        await keys(pilot, "g", "6", "w")
        await paste(pilot, "two statements, one older")
        await keys(pilot, "ctrl+s")
        assert "is answered met beside" not in shown(app)
        await keys(pilot, "left", "w")
        assert "Answer the question first." in shown(app)
        await keys(pilot, "g", "9")
        resolved = "4.1 is answered met and not established beside C1; resolved in writing: “two statements, one older”"
        assert resolved in str(app.screen.query_one("#verdict-text", Static).content)

    drive(app, script, WIDE)


def test_all_that_must_be_resolved_in_writing_are_named(tmp_path: Path) -> None:
    with open_case(begun(tmp_path)) as c:
        documented(c, "S1:R1", "c1", "c3")
        actions.answer(c, "4.1", "met", pair="S1:R1", reason="they say so")
        (conflict,) = review.verdict(c, "S1:R1").conflicts
        sentences = [gap.text for gap in gaps_of(c, load(c.state.norm))]
    assert conflict.endswith("resolve it in writing on both")
    assert wording.named(conflict).endswith("beside C1, C3: resolve it in writing on 4.1, C1 and C3")
    assert wording.named(conflict) in sentences
    assert wording.named("mechanism 3.1 on both") == "mechanism 3.1 on both"


def test_a_proposal_fits_the_finding_below_it() -> None:
    none = Proposal("undetermined", "No finding bears on this question.")
    assert wording.offer(none, []) == none.reason
    assert wording.offer(none, ["finding x"]) == "The finding neither shows nor excludes it."
    assert wording.offer(Proposal("", none.reason), ["finding x"]) == "The finding proposes no answer to it."
    assert wording.offer(Proposal("met", "median change 0.1"), ["finding x"]) == "Median change 0.1"
    assert wording.offer(Proposal("met", "ffn.aligned agrees"), []) == "ffn.aligned agrees"


def test_a_gap_is_not_said_any_longer_once_work_on_it_began(tmp_path: Path) -> None:
    app = Workbench(begun(tmp_path))

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "4", "N")
        assert "The two models were not compared" in shown(app)
        await keys(pilot, "c")
        assert "The two models were not compared" not in shown(app)

    drive(app, script, SMALL)


def test_the_editor_of_hops(tmp_path: Path) -> None:
    case = begun(tmp_path)
    app = Workbench(case)

    async def hop(pilot: Pilot[Any], b: str, turns: int = 0) -> None:
        await keys(pilot, "tab", *["right"] * turns, "tab")
        if b:
            app.screen.query_one("#f-b", Input).value = ""
            await paste(pilot, b)
        await keys(pilot, "ctrl+s")

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "6", "h")
        assert "This belongs to C5." in shown(app)
        await keys(pilot, *["right"] * 4, "h", "a")
        assert app.screen.query_one("#f-a", Input).value == "suspect"  # a chain begins at the subject
        await keys(pilot, "ctrl+s")
        assert "Name both models." in shown(app)
        await hop(pilot, "M [/]\x1b[2J")
        await keys(pilot, "a")
        assert "M [/]\\x1b[2J" in shown(app)
        await keys(pilot, "tab", "tab", "ctrl+n", "ctrl+n")  # names of the case are offered, one after the other
        assert app.screen.query_one("#f-b", Input).value == "suspect"
        app.screen.query_one("#f-b", Input).value = "ref1"
        await keys(pilot, "shift+tab", "right", "right", "ctrl+s")
        assert "The hops join: suspect to ref1." in shown(app)
        await keys(pilot, "minus")
        assert "the hops of C5 do not join: ref1 and suspect" in shown(app)
        await keys(pilot, "plus", "t")
        assert "suspect, M [/]" in shown(app)
        await keys(pilot, "escape", "a", "escape", "D")
        assert "at least two" in shown(app)
        await keys(pilot, "escape")
        assert "Esc again closes without keeping the hops." in shown(app)
        await keys(pilot, "t")
        app.screen.query_one("#f-hops").load_text("suspect, M, c1\nM, ref1, C3")  # type: ignore[attr-defined]
        await keys(pilot, "ctrl+s")
        await keys(pilot, "ctrl+s")
        assert "they are entered with your answer" in shown(app)
        assert "M, ref1, c3" in (case / FILE).read_text()
        await keys(pilot, "r")
        await paste(pilot, "two steps, each documented")
        await keys(pilot, "escape", "m")
        given = state(app).answers["S1:R1"]["c5"]
        assert given.basis == "chain"
        assert [(h.a, h.condition, h.b) for h in given.hops] == [("suspect", "c1", "M"), ("M", "c3", "ref1")]
        assert not (case / FILE).exists()
        await keys(pilot, "b")
        assert "Basis (b): common trained ancestor" in shown(app)
        await keys(pilot, "d")
        assert state(app).answers["S1:R1"]["c5"].direction_documented

    drive(app, script, WIDE)


def test_a_merge_is_answered_for_several_references_in_one_go(tmp_path: Path) -> None:
    case = begun(tmp_path, references=3)
    with open_case(case) as c:
        for pair in ("S1:R1", "S1:R2"):
            documented(c, pair, "c3")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "9", "p")
        assert "Not offered for R3: 3.9 can serve C3, C5; no condition is answered met." in shown(app)
        await keys(pilot, "ctrl+s")
        assert "Mark at least one reference" in shown(app)
        await keys(pilot, "space", "down", "space", "tab")
        await paste(pilot, "the card names both")
        await keys(pilot, "ctrl+s")
        said = shown(app)
        assert "3.9 answered met for 2 pairs" in said
        assert "Linked to every one of them." in said
        assert "R1 met, R2 met, R3 not offered" in said
        await keys(pilot, "g", "7", *["right"] * 8)
        assert "Merge: Named as merged: R1, R2." in shown(app)

    drive(app, script, WIDE)
    with open_case(case) as c:
        assert {p: a["3.9"].reason for p, a in c.state.answers.items() if "3.9" in a} == {
            "S1:R1": "the card names both", "S1:R2": "the card names both",
        }  # fmt: skip


def test_known_gaps_are_marked_in_a_list(tmp_path: Path) -> None:
    case = begun(tmp_path)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "9", "k", "down", "space", "end", "space", "ctrl+s")
        assert state(app).known_gaps["S1:R1"] == ("10.2", "10.10")
        assert "Known gap: 10.10 Conversion between sparse and dense" in shown(app)
        await keys(pilot, "k", "down", "space", "ctrl+s")
        assert state(app).known_gaps["S1:R1"] == ("10.10",)

    drive(app, script, WIDE)


def close(case: Case, pair: str) -> None:
    """Everything about a pair that a signature waits for, except what is measured and the mechanism."""
    documented(case, pair, "c1")
    for question in ("c2", "c3", "c4", "c5"):
        actions.answer(case, question, "undetermined", pair=pair)
    actions.set_rationale(case, pair, "documented")


def test_every_gap_leads_to_where_it_is_closed(tmp_path: Path) -> None:
    case = begun(tmp_path, references=2, compared=True)
    with open_case(case) as c:
        close(c, "S1:R1")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        assert app.session is not None
        landed = []
        for gap in app.session.gaps():
            app.jump(gap)
            await pilot.pause()
            await pilot.pause()
            where = f"{gap.step}: {gap.text}"
            if gap.pair:
                assert app.session.pair == gap.pair, where
            said = shown(app)
            if gap.step in ("conditions", "mechanism", "exclusions"):
                asked = app.screen.question.id  # type: ignore[attr-defined]
                assert asked == gap.what or (gap.step == "mechanism" and asked == "3.2"), where
                assert app.session.refused(asked) == ""
            elif gap.step == "fingerprint":
                assert f"› {gap.what}" in said, where
            elif gap.step == "case":
                assert app.screen.focused is not None
                assert app.screen.focused.id == f"f-{gap.what}", where
            elif gap.step == "review":
                assert ("Rationale for" in said) or ("who are you" in said), where
            landed.append(gap.step)
            await keys(pilot, "escape")
        assert {"case", "fingerprint", "conditions", "mechanism", "review"} <= set(landed)

    drive(app, script, WIDE)


def test_one_key_goes_from_gap_to_gap(tmp_path: Path) -> None:
    case = begun(tmp_path, compared=True)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        seen = []
        for _ in range(3):
            await keys(pilot, "N")
            seen.append(app.screen.NAME)  # type: ignore[attr-defined]
        assert seen == ["fingerprint", "fingerprint", "conditions"]
        assert "C4 was not answered" in shown(app)
        await keys(pilot, "u", "N")
        assert "[C1 –]" in picture(app)
        assert "C4 was not answered" not in shown(app)  # closed, so it is not said any longer
        await keys(pilot, "g", "9", "N")
        assert "Rationale for" in shown(app)

    drive(app, script, WIDE)


def test_a_gap_that_was_closed_is_not_said_on_because_another_pair_has_one_like_it(tmp_path: Path) -> None:
    app = Workbench(begun(tmp_path, references=2, compared=True))

    async def script(pilot: Pilot[Any]) -> None:
        for _ in range(5):  # past the fingerprints
            await keys(pilot, "N")
            if "S1:R1: C4 was not answered" in shown(app):
                break
        assert "S1:R1: C4 was not answered" in shown(app)
        await keys(pilot, "u")
        assert "was not answered" not in shown(app)
        await keys(pilot, "g", "1")
        assert "C4 was not answered" in shown(app)

    drive(app, script, SMALL)


def test_keys_typed_just_ahead_of_the_accepting_key_are_in_the_form(tmp_path: Path) -> None:
    from textual import events

    case = begun(tmp_path)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "t")
        for key in (*"sealed", "ctrl+s"):  # as a terminal hands over a burst: all of it before anything is handled
            pressed = events.Key(key, key if len(key) == 1 else None)
            pressed.set_sender(app)
            app.post_message(pressed)
        await pilot.pause()
        await pilot.pause()
        assert [n.note for n in app.session.notes()] == ["sealed"]  # type: ignore[union-attr]

    drive(app, script)
