"""The same questions as on the screens, one after the other on plain lines: for serial consoles and screen readers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from mpk_tui.case import Case, actions, artifacts, review
from mpk_tui.case.state import ROLES
from mpk_tui.cli.output import emit, progress_bar
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import COMMON_ANCESTOR, MET, NOT_MET, UNDETERMINED
from mpk_tui.errors import ExitCode, MpkError

Ask = Callable[..., str]

_KEYS = {"m": MET, "n": NOT_MET, "u": UNDETERMINED}


class _End(Exception):
    """The person closed the input."""


def wizard(case: Case, lines: TextIO) -> int:
    """Ask what is still open; every answer is recorded at once, so the wizard can be left at any question."""

    def ask(question: str, default: str = "") -> str:
        emit(f"{question}{f' [{default}]' if default else ''}")
        line = lines.readline()
        if not line:
            raise _End
        return line.strip() or default

    try:
        _artifacts(case, ask)
        for a in [a for a in case.state.artifacts.values() if not a.fingerprint]:
            emit(f"Fingerprinting {a.id} …")
            artifacts.fingerprint_artifact(case, a.id, progress_bar())
        for pair in case.state.pairs:
            if pair not in case.state.comparisons:
                emit(f"Comparing {pair} …")
                actions.compare_pair(case, pair, progress_bar())
            _pair(case, pair, ask)
    except _End:
        emit("Input ended. Everything that was answered is recorded.")
    gaps = [g for g in review.status(case) if g.blocking]
    for g in gaps:
        emit(f"missing: {g.pair} {g.sentence}")
    emit("ready to sign: mpk-tui bundle build" if not gaps else "not ready to sign")
    return ExitCode.OK


def _artifacts(case: Case, ask: Ask) -> None:
    for role in ROLES[:2]:
        while role not in {a.role for a in case.state.artifacts.values()}:
            path = ask(f"Path of the {role}:")
            try:
                made = artifacts.add_artifact(case, Path(path), role=role)
                emit(f"{made.id} is {made.label}")
            except MpkError as error:
                emit(error.diagnosis())


def _pair(case: Case, pair: str, ask: Ask) -> None:
    current = norm.load(case.state.norm)
    made = case.state.comparisons[pair]
    emit(f"Pair {pair}. Finding: {made.finding}. {made.sentence}")
    item = actions.evidence_from_comparison(case, pair)
    emit(f"Kept as evidence {item.id}, kind {item.kind}; supports {', '.join(item.supports) or 'nothing'}.")
    proposed = actions.proposals(case, pair)
    questions = [*current.order, *(q for q in proposed if q not in current.order)]
    for q in questions:
        if q in case.state.answers.get(pair, {}):
            continue
        about, p = current.item(q), proposed.get(q)
        assert about is not None
        emit(f"{q.upper()} {about.title}: {about.question}")
        emit(f"  Counts: {about.what_counts}")
        emit(f"  Does not count: {about.what_does_not_count}")
        if p:
            emit(f"  Proposed: {p.answer}. {p.reason}")
        while True:
            key = ask("  m met, n not met, u undetermined", (p.answer if p else UNDETERMINED)[0])[:1].lower()
            if key in _KEYS:
                break
            emit("  One of m, n, u.")
        given = _KEYS[key]
        reason = ask("  Reason:", p.reason if p and p.answer == given else "")
        try:
            actions.answer(
                case, q, given, pair=pair, reason=reason, evidence=(item.id,) if given == MET else (),
                basis=COMMON_ANCESTOR if q == "c5" and given == MET else "",
            )  # fmt: skip
        except MpkError as error:
            emit(f"  {error.diagnosis()} Not recorded; it stays open.")
    if not case.state.rationale.get(pair):
        text = ask("Your rationale for this pair, in your own words:")
        if text:
            actions.set_rationale(case, pair, text)
    found = review.verdict(case, pair)
    emit(f"Verdict for {pair}: {found.label} ({found.display})")
    for sentence in (*found.statements, *found.conflicts):
        emit(f"  {sentence}")
