"""The wizard's questions about the case itself: its facts, custody, notes, the second reading."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mpk_tui.case import Case, actions, create_case, open_case
from mpk_tui.case.custody import ACTS, CHOICE, notices
from mpk_tui.case.reviewing import OUTCOMES, review
from mpk_tui.case.state import FACTS
from mpk_tui.case.store import JOURNAL
from mpk_tui.cli.wizard.asking import Asking
from mpk_tui.cli.wizard.step import Step

_ABOUT = {
    "title": ("Title of the case", "One line that says what is asked."),
    "examiner": ("Examiner", "Who is responsible, and signs."),
    "exhibit": ("Exhibit", "Number of the item under examination, as its label has it."),
    "root_exhibit": ("Root exhibit", "Number of the item that it was taken from, a seized machine for instance."),
    "authority": ("Authority", "By whose order: court order, contract, internal request."),
    "purpose": ("Purpose", "What the examination is for."),
}


def opened(path: Path | None, to: Asking) -> Case:
    """The case to work on: opened, or begun where there is none.

    Raises:
        Leave: The person leaves.
        MpkError: The case cannot be opened.
    """
    if path is not None and (path / JOURNAL).is_file():
        return open_case(path)
    made: list[Case] = []

    def run() -> None:
        root = path or Path(to.ask("Folder of the case", more=_FOLDER, needed=True)).expanduser()
        if not (root / JOURNAL).is_file():
            to.say(f"There is no case in {root}: a new one begins there.")
            id = to.ask("Case number", more=("Letters, digits and _ . - only.",), needed=True)
            title = to.ask(_ABOUT["title"][0], more=_ABOUT["title"][1:], needed=True)
            examiner = to.ask(_ABOUT["examiner"][0], more=_ABOUT["examiner"][1:], needed=True)
            made.append(create_case(root, id=id, title=title, examiner=examiner))
        else:
            made.append(open_case(root))

    while not to.step(run):
        to.say("This is the first question.")
    return made[0]


_FOLDER = ("An existing case is opened; in a new or empty folder a case begins.",)


def facts(case: Case, to: Asking) -> list[Step]:
    """What the case says of itself, one fact a step."""
    given = case.state.facts
    return [Step(f"fact {n}", partial(_fact, case, to, n), bool(given.get(n))) for n in FACTS]


def _fact(case: Case, to: Asking, name: str) -> None:
    label, about = _ABOUT[name]
    old = case.state.facts.get(name, "")
    new = to.ask(label, old, more=(about, "An empty line leaves it as it is."))
    if new != old:
        actions.set_facts(case, **{name: new})


def statements(case: Case, to: Asking) -> list[Step]:
    """Custody and notes."""
    return [Step("custody", partial(_custody, case, to)), Step("note", partial(_note, case, to))]


def _custody(case: Case, to: Asking) -> bool:
    for s in case.state.custody:
        to.say(f"  {ACTS[s.act].title}{f' of {s.artifact}' if s.artifact else ''}: {s.sentence}")
    for sentence in notices(case.state.custody):
        to.say(f"  notice: {sentence}")
    keys = dict(zip("itsm", ACTS.values(), strict=True))
    key = to.choose(
        "A statement of custody", {**{k: a.title.lower() for k, a in keys.items()}, "": "none"},
        more=(*(f"{a.title}: {a.about}" for a in ACTS.values()), "Statements cannot be taken back."),
    )  # fmt: skip
    if not key:
        return False
    act = keys[key]
    fields = {}
    for f in act.fields:
        if f.kind == CHOICE:
            fields[f.name] = to.choose(f"  {f.label}", {**{o[0]: o for o in f.options}, "": "not known"})
        else:
            fields[f.name] = to.ask(f"  {f.label}", more=(f.about,))
    artifact = _artifact(case, to)
    text = to.ask("  Anything else, in your own words", lines=True)
    actions.custody(case, act.name, text, id=artifact, **fields)
    return True


def _artifact(case: Case, to: Asking) -> str:
    known = ", ".join(case.state.artifacts)
    return to.ask(f"  The artifact concerned ({known}); Enter for all") if known else ""


def _note(case: Case, to: Asking) -> bool:
    text = to.ask("A note; Enter for none", lines=True, more=("Notes go into the journal and the bundle.",))
    if not text:
        return False
    actions.note(case, text, id=_artifact(case, to))
    return True


def second_reading(case: Case, to: Asking) -> list[Step]:
    """What a second person says."""
    return [Step("review", partial(_review, case, to))]


def _review(case: Case, to: Asking) -> bool:
    for r in case.state.reviews:
        late = ", before the last change" if r.stale else ""
        to.say(f"  {r.who}: {r.outcome}{f' ({r.pair})' if r.pair else ''}{late}. {r.text}")
    who = to.ask(
        "Name of a second person who read the case; Enter for nobody",
        more=(f"Another person than {case.state.examiner}. What they say cannot be taken back, and blocks nothing.",),
    )
    if not who:
        return False
    outcome = to.choose("  They", {o[0]: o for o in OUTCOMES}, "r")
    text = to.ask("  In their own words", lines=True)
    pair = to.ask(f"  The pair they read ({', '.join(case.state.pairs)}); Enter for all") if case.state.pairs else ""
    review(case, who=who, outcome=next(o for o in OUTCOMES if o[0] == outcome), text=text, pair=pair)
    return True
