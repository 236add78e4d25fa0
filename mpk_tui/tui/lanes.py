"""Which jobs may run at the same time: pure decisions over what each reads.

A heavy job reads much: two of them on one drive slow each other down, so they take turns; on different drives they may
run side by side, at most `MOST_HEAVY` at a time, for hashing alone keeps two cores busy.  A light job (verifying a
bundle, signing) reads little and never waits for a heavy one.  Drives are told apart by the device number of their file
system; two file systems on one disk look like two drives, which costs speed and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

MOST_HEAVY = 2
MOST_LIGHT = 4
UNKNOWN = -1
"""Device of what cannot be asked; it is taken to be shared with everything."""
HEAVY = frozenset({"fingerprint", "rehash", "compare", "intake"})
"""Jobs that are heavy even where nobody said what they read."""


class Reader(Protocol):
    """What a decision looks at.

    Attributes:
        number: Of the job.
        devices: Device numbers of what it reads at length; none for a light job.
    """

    number: int
    devices: frozenset[int]


def devices_of(what: str, paths: Iterable[Path]) -> frozenset[int]:
    """Device numbers of what a job reads.

    Args:
        what: Kind of job.
        paths: Files and folders that it reads at length.
    """
    found = set()
    for path in paths:
        try:
            found.add(os.stat(path).st_dev)
        except OSError:
            found.add(UNKNOWN)
    if not found and what in HEAVY:
        found.add(UNKNOWN)
    return frozenset(found)


def waits_for(job: Reader, running: Sequence[Reader]) -> tuple[tuple[int, ...], str]:
    """Numbers of the running jobs that a job must wait for, and why in a few words; none if it may run.

    Args:
        job: One that wants to run.
        running: Those that do, without it.
    """
    if not job.devices:
        light = tuple(r.number for r in running if not r.devices)
        return (light, "several run already") if len(light) >= MOST_LIGHT else ((), "")
    heavy = [r for r in running if r.devices]
    shared = tuple(r.number for r in heavy if r.devices & job.devices or UNKNOWN in r.devices | job.devices)
    if shared:
        return shared, "same drive"
    if len(heavy) >= MOST_HEAVY:
        return tuple(r.number for r in heavy), "two measure already"
    return (), ""
