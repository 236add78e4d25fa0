"""The screens' questions one after the other on plain lines: for serial consoles and screen readers.

A case can be begun, examined and judged here until it is ready to sign.  Every answer is recorded when its step ends,
so that leaving at any question loses at most the step it belongs to.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TextIO

from mpk_tui.case import Case, review
from mpk_tui.cli.output import emit
from mpk_tui.cli.wizard import evidence, examining, judging, keeping
from mpk_tui.cli.wizard.asking import KEYS, Asking, Leave
from mpk_tui.cli.wizard.step import Step
from mpk_tui.errors import ExitCode, StorageError


def wizard(path: Path | None, lines: TextIO) -> int:
    """Ask what is open, from the first open question on.

    Args:
        path: Folder of the case; asked for if None, made if there is no case in it.
        lines: Where answers come from.

    Raises:
        MpkError: The case cannot be opened for writing.
    """
    to = Asking(lines)
    emit(f"mpk-tui, question by question. {KEYS}.")
    try:
        case = keeping.opened(path, to)
    except Leave:
        emit("Left before a case was opened.")
        return ExitCode.OK
    with case:
        for notice in case.notices:
            emit(notice)
        if case.read_only:
            raise StorageError("is open for reading only, so nothing can be asked", where=str(case.root))
        emit(f"Case {case.state.id}: {case.state.title}. Examiner: {case.state.examiner}.")
        try:
            _walk(case, to)
        except Leave:
            emit("Left. Everything that was entered is recorded.")
        _end(case)
    return ExitCode.OK


def plan(case: Case, to: Asking) -> list[Step]:
    """All steps as things stand, in order; answers change it, so it is made anew after each."""
    out = [*keeping.facts(case, to), *examining.steps(case, to)]
    for pair in case.state.pairs:
        out += evidence.steps(case, to, pair)
        if review.in_scope(case.state, pair):
            out += judging.steps(case, to, pair)
    out += keeping.statements(case, to)
    out += examining.hashed_again(case, to)
    return [*out, *keeping.second_reading(case, to)]


def _walk(case: Case, to: Asking) -> None:
    """From step to step: forward to the next open one, back to the one before."""
    steps = plan(case, to)
    at = next(n for n, s in enumerate(steps) if not s.done)
    while True:
        before = [s.key for s in steps]
        forward = to.step(steps[at].run)
        steps = plan(case, to)
        place = {s.key: n for n, s in enumerate(steps)}
        here = place.get(before[at])
        # A step that is gone (a contradiction that was resolved) lies before the first later one that is still there.
        after = here + 1 if here is not None else next(place[k] for k in before[at + 1 :] if k in place)
        if forward:
            following = next((n for n in range(after, len(steps)) if not steps[n].done), None)
            if following is None:
                return
            at = following
        elif after > 1:
            at = after - 2 if here is not None else after - 1
        else:
            to.say("This is the first question.")
            at = 0


def _end(case: Case) -> None:
    gaps = review.status(case)
    for g in gaps:
        kind = "missing" if g.blocking else "reminder"
        emit(f"{kind}: {review.STEPS[g.step - 1]}{f' {g.pair}' if g.pair else ''}: {g.sentence}")
    root = shlex.quote(str(case.root))
    if review.ready(case):
        emit(f"Ready to sign: mpk-tui bundle build {root} -o {case.state.id}.mpkb --key KEY.pem")
        emit("A second person then adds a signature of their own: mpk-tui bundle endorse.")
    else:
        emit(f"Not ready to sign. Go on with: mpk-tui case wizard {root}")
