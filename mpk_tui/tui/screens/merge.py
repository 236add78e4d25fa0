"""Merges: which references went into the subject, answered for all of them in one go (3.9)."""

from __future__ import annotations

from textual.content import Content

from mpk_tui.case.merging import MERGE, MergePart, sentence
from mpk_tui.text import clean
from mpk_tui.tui import keys, wording
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.session import Session
from mpk_tui.tui.widgets.form import MARKS, Field, Form


def merge_lines(session: Session) -> list[Content]:
    """What is said of a merge, where the subject has several references; else nothing."""
    found = session.merge_parts()
    if len(found) < 2:
        return []
    said = ", ".join(f"{p.reference} {_state(p)}" for p in found)
    return [
        Content.assemble(
            ("Merge: ", "bold"),
            clean(f"{sentence(found)} 3.9 by reference: {said}. ", 800),
            (f"({keys.name_of('merge', 'merge')} answers several at once)", "bold"),
        )
    ]


def _state(part: MergePart) -> str:
    return wording.words(part.answer) if part.answer else "not offered" if part.refused else "not answered"


def ask_merge(screen: StepScreen) -> None:
    """Ask which references went into the subject, and answer 3.9 met for each of them."""
    session, bench = screen.session, screen.bench
    found = session.merge_parts()
    if len(found) < 2:
        bench.say("A merge has several models: this subject has one reference, for which 3.9 is answered as any other.")
        return
    if not bench.attempt(session.must_write):
        return
    open_parts = [p for p in found if not p.refused]
    if not open_parts:
        bench.say(f"3.9 is offered for none of the references. {found[0].pair}: {found[0].refused}", bad=True)
        return
    labels = session.case.state.artifacts

    def accept(values: dict[str, str]) -> str | None:
        pairs = values["pairs"].split()
        if not pairs:
            return f"Mark at least one reference: Tab to the list, {keys.name_of('table', 'mark')} marks."
        if not values["reason"].strip():
            return "Met needs a reason."
        count = session.answer_merge(pairs, values["reason"].strip())
        bench.say(
            f"3.9 answered met for {count} {'pair' if count == 1 else 'pairs'}. {sentence(session.merge_parts())}"
        )
        return None

    given = session.case.state.answers.get(session.pair or "", {}).get(MERGE)
    form = Form(
        f"3.9: what {found[0].pair.partition(':')[0]} was merged from",
        [
            Field(
                "pairs",
                "References that went into it",
                MARKS,
                " ".join(p.pair for p in open_parts if p.answer == "met"),
                options=tuple((p.pair, f"{p.reference} {labels[p.reference].label}") for p in open_parts),
            ),
            Field("reason", "Reason, entered for each", "lines", given.reason if given is not None else ""),
        ],
        accept,
        note="\n".join(
            [
                "Each answer is an entry of its own and cites the items of its own pair that speak for 3.9. A merge is "
                "linked to every model that went into it.",
                *(f"Not offered for {p.reference}: {p.refused}" for p in found if p.refused),
            ]
        ),
        drafts=session.drafts,
        name=f"merge/{found[0].pair}",
    )
    bench.push_screen(form, lambda values: bench.changed() if values else None)
