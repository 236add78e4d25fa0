"""Changes that are broken off: each in a child of this process, killed at a named point or refused by a full disk.

``python breaking.py FOLDER`` makes one library below FOLDER for each case and prints one line of JSON for each.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from pathlib import Path

from models import made

from mpk_tui.errors import MpkError
from mpk_tui.library.catalogue import open_library
from mpk_tui.library.entry import Facts

POINTS = [
    ("begun", 1), ("file", 1), ("rows", 1), ("file", 2), ("rows", 2), ("ready", 1), ("committed", 1), ("confirmed", 1),
]  # fmt: skip
FULL = [(20, 4), (40_000, 1000), (60_000, 40)]
"""Bytes that a file may have, and tensors: too few for what processes share, for a fingerprint file, for the rows."""


def first(folder: Path) -> None:
    with open_library(folder, write=True, create=True) as library:
        library.add([(made("old"), Facts("old")), (made("gone"), Facts("gone"))], who="me", at=1)


def killed(folder: Path, point: str, times: int) -> None:
    """Adds two and removes one, and is killed when it comes to a point for the n-th time."""
    seen = 0

    def reached(name: str) -> None:
        nonlocal seen
        seen += name == point
        if seen == times:
            os.kill(os.getpid(), signal.SIGKILL)

    with open_library(folder, write=True) as library:
        library.reached = reached
        with library.changes():
            library.add([(made(n), Facts(n)) for n in ("new", "newer")], who="me", at=2)
            library.remove(library.entry("gone"), who="me", at=3, reason="broken off")


def full(folder: Path, most: int, tensors: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        with open_library(folder, write=True) as library:
            library.add([(made(n, tensors=tensors), Facts(n)) for n in ("new", "newer")], who="me", at=2)
    except MpkError as error:
        os.write(1, (json.dumps({"case": str(most), "said": error.diagnosis()}) + "\n").encode())
        os._exit(7)


def main(top: Path) -> None:
    for name, act, *args in [
        *((f"{p}-{n}", killed, p, n) for p, n in POINTS), *((str(most), full, most, n) for most, n in FULL)
    ]:  # fmt: skip
        folder = top / name
        first(folder)
        child = os.fork()
        if not child:
            act(folder, *args)  # type: ignore[operator]
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.write(1, (json.dumps({"case": name, "status": status}) + "\n").encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
