"""Dates on the command line: days and moments in UTC."""

from __future__ import annotations

import datetime
import re

from mpk_tui.errors import UsageError

DAY_MS = 24 * 3600 * 1000
METAVAR = "DATE"
HELP = "YYYY-MM-DD, or YYYY-MM-DDThh:mm:ssZ; UTC"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_EPOCH = datetime.datetime(1970, 1, 1)


def beginning(text: str, option: str) -> int:
    """A moment, or the first millisecond of a day; milliseconds since 1970.

    Raises:
        UsageError: It is no date, or one before 1970.
    """
    return _read(text, option)[0]


def end(text: str, option: str) -> int:
    """A moment, or the last millisecond of a day; milliseconds since 1970.

    Raises:
        UsageError: It is no date, or one before 1970.
    """
    at, whole_day = _read(text, option)
    return at + DAY_MS - 1 if whole_day else at


def _read(text: str, option: str) -> tuple[int, bool]:
    whole_day = _DAY.fullmatch(text) is not None
    try:
        if not whole_day and not _MOMENT.fullmatch(text):
            raise ValueError
        moment = datetime.datetime.strptime(text, "%Y-%m-%d" if whole_day else "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise UsageError(f"{option} {text!r} is no date", hint=f"Expected is {HELP}") from None
    at = round((moment - _EPOCH) / datetime.timedelta(milliseconds=1))
    if at < 0:
        raise UsageError(f"{option} {text!r} is before 1970")
    return at, whole_day
