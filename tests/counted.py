"""What a call costs, counted instead of timed: lines of Python that it runs.  The same on every machine, however busy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def within(steps: int, call: Callable[[], T]) -> T:
    """The answer of a call that may run so many lines of Python in this thread.

    Lines inside of compiled functions are not seen, the calls of such functions are lines of their callers.  A call that
    would go on for ever is stopped at its next line.

    Args:
        steps: Lines at most; a hundredth of a second is some 100,000.
        call: Takes nothing.
    """
    done = 0

    def line(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal done
        if event == "line":
            done += 1
            if done > steps:
                sys.settrace(None)
                pytest.fail(
                    f"runs more than {steps} lines of Python, now {frame.f_code.co_qualname}, line {frame.f_lineno}"
                )
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        return call()
    finally:
        sys.settrace(before)
