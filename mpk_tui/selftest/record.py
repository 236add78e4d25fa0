"""The record of a self-test: what every bundle carries of the installation that made it.

One run costs seconds, so the record of the last good one is kept in the person's cache folder, in a file named by code,
Python and libraries.  It is believed only if all of these are the ones at hand; anything else is run again.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mpk_tui import canonical
from mpk_tui.bundle import sections
from mpk_tui.bundle.manifest import ToolFacts
from mpk_tui.bundle.schema import Reading
from mpk_tui.bundle.toolfacts import tool_facts
from mpk_tui.errors import MpkError
from mpk_tui.files import write_file
from mpk_tui.hashtree import tagged
from mpk_tui.selftest.check import Check
from mpk_tui.selftest.run import passed, selftest

VERSION = 1
MAX_BYTES = 1 << 20
Say = Callable[[str], None]
_IDENTITY = ("v", "tool", "code_sha256", "python", "libs", "os")


def as_record(checks: tuple[Check, ...], at: int | None = None) -> dict[str, Any]:
    """The plain record of a run (`mpk_tui.bundle.sections.SELFTEST`).

    Args:
        checks: From `selftest`.
        at: When, milliseconds since 1970; now by default.
    """
    return {
        **_identity(tool_facts()),
        "at": time.time_ns() // 1_000_000 if at is None else at,
        "checks": [c.as_record() for c in checks],
        "passed": passed(checks),
    }


def current(say: Say) -> dict[str, Any]:
    """The record of this installation for a bundle: of the last good run, or of one that is made now.

    A record with a failed check is returned like any other, and never kept: who signs must see it, and so must every
    receiver.

    Args:
        say: Told what is asked while it runs, and nothing where a kept record serves.
    """
    identity = _identity(tool_facts())
    place = _place(identity)
    kept = None if place is None else _kept(place, identity)
    if kept is not None:
        return kept
    record = as_record(selftest(say))
    if place is not None and record["passed"]:
        _keep(place, record)
    return record


def _identity(facts: ToolFacts) -> dict[str, Any]:
    return {
        "v": VERSION, "tool": f"{facts.name} {facts.version}", "code_sha256": facts.code_sha256,
        "python": facts.python, "libs": dict(facts.libs), "os": facts.os,
    }  # fmt: skip


def _place(identity: Mapping[str, Any]) -> Path | None:
    """The file of these versions in the cache folder, or None where there is no such folder."""
    try:
        from platformdirs import user_cache_path

        folder = user_cache_path("mpk-tui")
    except (ImportError, OSError, RuntimeError):
        return None
    return folder / f"selftest-{tagged('selftest', canonical.encode(dict(identity))).hex()[:32]}.mpks"


def _kept(place: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """A kept record, if it is whole, passed, and of exactly these versions."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as f:
            if not _ours(os.fstat(descriptor)):
                return None
            record = canonical.decode(f.read(MAX_BYTES), where=str(place))
        sections.SELFTEST(record, "selftest", Reading(newer=False))
    except (OSError, MpkError):
        return None
    same = all(record[name] == identity[name] for name in _IDENTITY)
    # What a failed or unfinished run left, and what claims to have passed with a failed check in it, is not believed.
    good = record["passed"] and all(c["passed"] is not False for c in record["checks"])
    # Nor what asked nothing, or comes from a clock that was ahead: it would be carried in every bundle from now on.
    good = good and any(c["passed"] for c in record["checks"]) and record["at"] <= time.time_ns() // 1_000_000
    return record if same and good and isinstance(record, dict) else None


def _ours(facts: os.stat_result) -> bool:
    """Whether nobody but this person can have written a file; its content is signed into bundles."""
    return facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH) == 0 and facts.st_uid == getattr(os, "getuid", lambda: 0)()


def _keep(place: Path, record: Mapping[str, Any]) -> None:
    """Keep a record; without a folder to keep it in, the next bundle runs the test again."""
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(place, canonical.encode(dict(record)), mode=0o600)
    except (OSError, MpkError):
        return
