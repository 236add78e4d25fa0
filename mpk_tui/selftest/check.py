"""One question with a known answer, and what this installation said to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpk_tui.errors import MpkError

LONGEST = 400
"""Characters of an answer that a record keeps."""


@dataclass(frozen=True)
class Check:
    """A question, the answer that must come, and the one that came.

    Attributes:
        name: What was asked, in a few words.
        expected: The known answer.
        found: What this installation said.
        passed: Whether the two agree; None where the question could not be asked.
    """

    name: str
    expected: str
    found: str
    passed: bool | None

    def as_record(self) -> dict[str, Any]:
        """Plain form."""
        return {
            "name": self.name, "expected": _short(self.expected), "found": _short(self.found), "passed": self.passed,
        }  # fmt: skip


def _short(text: str) -> str:
    """ASCII, so that a record can hold whatever an error said."""
    return text.encode("ascii", "backslashreplace").decode("ascii")[:LONGEST]


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        name: In a few words.
        expected: The known answer, as it must be written.
        ask: Gives the answer of this installation.
    """

    name: str
    expected: str
    ask: Callable[[], object]


def answered(question: Question) -> Check:
    """Ask one question.  An error is an answer too, and never the expected one unless it is named as such."""
    try:
        found = str(question.ask())
    except MpkError as error:
        found = type(error).__name__
    except Exception as error:  # a broken part must be seen to fail, whatever it throws
        found = f"{type(error).__name__}: {error}"
    return Check(question.name, question.expected, found, found == question.expected)


def not_run(name: str, why: str) -> Check:
    """A question that this installation cannot be asked."""
    return Check(name, "", f"not run ({why})", None)
