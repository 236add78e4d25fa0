"""Questions on plain lines: one prompt a line, one line an answer; no escape sequence, no cursor, no colour.

``b`` goes back one question, ``?`` says more about it, ``q`` leaves; a text that is one of these letters is written
with a backslash before it.  A step asks its questions first and records last, so that going back inside it repeats the
ones before without recording anything twice.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from mpk_tui.cli.output import emit
from mpk_tui.errors import MpkError

KEYS = "b goes back one question, ? says more, q leaves (everything entered so far is recorded)"
_LITERAL = ("\\b", "\\q", "\\?")


class Leave(Exception):
    """The person leaves, or the input ended."""


class _Back(Exception):
    """One question back."""


class Asking:
    """The two streams of a dialogue, and the answers of the step that runs."""

    def __init__(self, lines: TextIO) -> None:
        self._lines = lines
        self._given: list[str] = []
        self._taken: list[str] = []

    def step(self, run: Callable[[], bool | None]) -> bool:
        """Run a step until it is done; False where the person went back beyond its first question.

        Args:
            run: Asks, then records; returns True to be run once more, afresh.
        """
        kept: list[str] = []
        while True:
            self._given, self._taken = list(kept), []
            try:
                if not run():
                    return True
                kept = []
            except _Back:
                if not self._taken:
                    return False
                kept = self._taken[:-1]
            except MpkError as error:
                if not self._taken:
                    raise  # it would only come again
                self._given = []
                self.say(f"Not recorded: {error.diagnosis()}")
                kept = []

    def say(self, line: str = "") -> None:
        """Print a line, unless the questions before the one that was gone back to are being repeated."""
        if not self._given:
            emit(line)

    def ask(
        self, prompt: str, default: str = "", *, more: Sequence[str] = (), needed: bool = False, lines: bool = False
    ) -> str:
        """One answer.

        Args:
            prompt: The question.
            default: What an empty line means.
            more: What ``?`` says.
            needed: An empty answer is asked for again.
            lines: The answer may have several lines; an empty one ends it.

        Raises:
            Leave: ``q``, or the input ended.
        """
        if self._given:
            answer = self._given.pop(0)
            self._taken.append(answer)
            return answer
        while True:
            ends = " (an empty line ends it)" if lines else ""
            self.say(f"{prompt}{ends}{f' [{default}]' if default else ''}")
            text = self._read(more)
            if text is None:
                continue
            while lines and text and (further := self._line()):
                text += f"\n{further}"
            answer = text or default
            if answer or not needed:
                self._taken.append(answer)
                return answer
            self.say("An answer is needed here; q leaves.")

    def choose(self, prompt: str, options: Mapping[str, str], default: str = "", *, more: Sequence[str] = ()) -> str:
        """One of several keys; asked again until it is one.

        Args:
            prompt: The question.
            options: Key and what it means; a key ``""`` makes an empty line an answer.
            default: The key that an empty line means.
            more: What ``?`` says.
        """
        shown = ", ".join(f"{key} {meaning}" if key else f"Enter {meaning}" for key, meaning in options.items())
        while True:
            answer = self.ask(f"{prompt} ({shown})", default, more=more).lower()
            if answer in options:
                return answer
            self._taken.pop()
            self.say(f"One of {', '.join(k or 'Enter' for k in options)}.")

    def yes(self, prompt: str, default: bool, *, more: Sequence[str] = ()) -> bool:
        """Yes or no."""
        return self.choose(prompt, {"y": "yes", "n": "no"}, "y" if default else "n", more=more) == "y"

    def _read(self, more: Sequence[str]) -> str | None:
        """A line that is an answer; None after help was given."""
        text = self._line()
        if text == "b":
            raise _Back
        if text == "q":
            raise Leave
        if text == "?":
            for line in (*more, KEYS):
                self.say(f"  {line}")
            return None
        return text[1:] if text in _LITERAL else text

    def _line(self) -> str:
        sys.stdout.flush()
        line = self._lines.readline()
        if not line:
            raise Leave
        return line.strip()
