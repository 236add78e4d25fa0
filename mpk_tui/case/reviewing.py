"""The reading of a case by a second person, who agrees or dissents.

A review is an act of the journal, by a person with the role ``reviewer``, and cannot be taken back; another review can
follow it.  It names what was read: the journal's chain head and the verdicts at that moment.  Whatever is judged or
measured afterwards makes it stale.  It decides nothing: no verdict reads it, and a signature does not wait for it.  A
signature of the second person is made on the bundle (``bundle endorse``), not here.
"""

from __future__ import annotations

from mpk_tui.case.actions import split_pair
from mpk_tui.case.custody import same_person
from mpk_tui.case.journal import Entry
from mpk_tui.case.review import ready, verdict_of
from mpk_tui.case.store import Case
from mpk_tui.errors import IncompleteCaseError, UsageError

READ, AGREES, DISSENTS = OUTCOMES = ("read", "agrees", "dissents")
ROLE = "reviewer"
MAX_NAME = 200
MAX_TEXT = 100_000


def review(case: Case, *, who: str, outcome: str, text: str = "", pair: str = "") -> Entry:
    """Record what a second person said after reading.

    Args:
        case: Open for writing; complete, unless it was read only.
        who: The reader; another person than the examiner.
        outcome: ``read`` (through, without an opinion), ``agrees`` or ``dissents``.
        text: In their own words; a dissent needs some.
        pair: The pair that was read; empty for the whole case.

    Raises:
        UsageError: The reader is the examiner or nobody, or the outcome, pair or text cannot be used.
        IncompleteCaseError: The case waits for something, so that there is nothing to agree with yet.
    """
    state = case.state
    name = " ".join(who.split())
    if not name:
        raise UsageError("a review names who read", hint="Give --who")
    if len(name) > MAX_NAME or len(text) > MAX_TEXT:
        raise UsageError(f"a name has at most {MAX_NAME} characters, a review {MAX_TEXT}")
    if same_person(name, state.examiner):
        raise UsageError(
            f"{name} is the examiner of this case; a review is another person's", hint="Name who read it, with --who"
        )
    if outcome not in OUTCOMES:
        raise UsageError(f"outcome {outcome!r}; known are {', '.join(OUTCOMES)}")
    if outcome == DISSENTS and not text.strip():
        raise UsageError("a dissent says what it dissents from", hint="Give --text")
    if pair:
        pair, _, _ = split_pair(case, pair)
    if outcome != READ and not ready(case):
        raise IncompleteCaseError(
            "there is nothing to agree or disagree with while the case is not complete", where=state.id,
            hint="mpk-tui case status says what is missing; the outcome 'read' can be recorded now",
        )  # fmt: skip
    shown = [f"{p} {verdict_of(state, p).display}" for p in ((pair,) if pair else state.pairs)]
    params = {"outcome": outcome, "pair": pair, "verdict": "; ".join(shown)}
    return case.append("review", params, obj=case.head, note=text, who=name, role=ROLE)
