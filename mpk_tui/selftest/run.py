"""The whole self-test: every question in order, told as it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mpk_tui.progress import Report, silent
from mpk_tui.selftest import bundles, copies, digests, reading, signatures, trust, verdicts
from mpk_tui.selftest.check import Check, answered, not_run

Say = Callable[[str], None]
DISTRUST = "Do not rely on this installation: it gives other answers than the known ones."
RELIABLE = (
    "This installation gives the known answers. Whoever can change it can change this test as well: compare its code "
    "digest with one that you got another way."
)
_PAIRS = ("fine-tune with base", "fine-tune with twin")


def selftest(say: Say, report: Report = silent, *, full: bool = False) -> tuple[Check, ...]:
    """Ask every question.

    Args:
        say: Told which part is asked, a line at a time.
        report: Progress within a part.
        full: Also turn a bit in every byte of the frozen bundle, and compare from all weights.

    Returns:
        All checks, in a fixed order.  No error of a part under test leaves this function.
    """
    out: list[Check] = []

    def part(name: str, ask: Callable[[], Iterable[Check]]) -> None:
        say(f"self-test: {name}")
        try:
            out.extend(ask())
        except Exception as error:  # a broken part must be seen to fail, whatever it throws
            out.append(Check(name, "an answer", f"{type(error).__name__}: {error}", False))

    part("hashes, trees and the canonical form", lambda: map(answered, digests.questions()))
    part("signatures", signatures.checks)
    part("bundles", lambda: map(answered, [*bundles.questions(), *trust.questions()]))
    part("verdicts", lambda: map(answered, verdicts.questions()))
    part("checkpoints", lambda: [*reading.checks(), *map(answered, copies.questions())])
    part("comparisons", lambda: _comparisons(report, full=False))
    if full:
        part("every byte of a bundle", lambda: [answered(bundles.every_byte(report))])
        part("comparisons from all weights", lambda: _comparisons(report, full=True))
    return tuple(out)


def passed(checks: Iterable[Check]) -> bool:
    """Whether no question was answered wrongly; what could not be asked does not count."""
    return all(c.passed is not False for c in checks)


def _comparisons(report: Report, *, full: bool) -> list[Check]:
    try:
        import numpy  # noqa: F401
    except ImportError:
        how = "weights" if full else "fingerprints"
        return [not_run(f"{name}, by {how}", "numpy is not installed") for name in _PAIRS]
    from mpk_tui.selftest import lineage

    return lineage.full_checks(report) if full else lineage.checks(report)
