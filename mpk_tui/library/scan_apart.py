"""A scan in a process of its own, as a workbench runs it; the answer is the canonical bytes of the record."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgpack

from mpk_tui import canonical
from mpk_tui.apart import run_apart
from mpk_tui.checkpoint.opening import PLAIN, Opening
from mpk_tui.errors import StorageError, UsageError
from mpk_tui.progress import CancelToken, Report


@dataclass(frozen=True)
class Asked:
    """What is to be scanned.

    Attributes:
        path: A checkpoint or a fingerprint file.
        library: Folder of the library.
        label: What the model is called; its path's last part, if empty.
        how: How a checkpoint is opened.
        fingerprint: Digest that the fingerprint must have, hex, or empty: of one that a journal names.
    """

    path: Path
    library: Path
    label: str = ""
    how: Opening = PLAIN
    fingerprint: str = ""


def scan_apart(asked: Asked, report: Report, cancel: CancelToken) -> dict[str, Any]:
    """Scan in another process, headers in yet another.

    Args:
        asked: What is to be scanned.
        report: Progress.
        cancel: Stops and pauses the process.

    Returns:
        The record, schema ``mpk-tui/scan/1``.

    Raises:
        MpkError: What the scan raised, or that its process ended.
    """
    base = b"" if asked.how.base is None else os.fsencode(asked.how.base)
    request = canonical.encode(
        [os.fsencode(asked.path), os.fsencode(asked.library), asked.label, asked.how.model, asked.how.partial, base,
         asked.fingerprint]
    )  # fmt: skip
    data = run_apart(f"{__name__}:scan_task", request, report, cancel)
    made = msgpack.unpackb(data, raw=False, strict_map_key=True, max_bin_len=len(data), max_str_len=len(data))
    assert isinstance(made, dict)
    return made


def scan_task(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    """What the other process does for `scan_apart`."""
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.scan import BETWEEN, scan
    from mpk_tui.lineage.sides import open_side

    path, library, label, model, partial, base, expected = canonical.decode(request)
    how = Opening(model, partial, Path(os.fsdecode(base)) if base else None, isolate=True)
    with (
        open_library(Path(os.fsdecode(library))) as catalogue,
        open_side(Path(os.fsdecode(path)), report, cancel, how) as side,
    ):
        if expected and side.fingerprint.digest.hex() != expected:
            raise StorageError(
                "is not the fingerprint that the journal names", where=os.fsdecode(path), hint="Fingerprint it again"
            )
        query = replace(side, label=label) if label else side
        return canonical.encode(scan(catalogue, query, pairs=BETWEEN, report=report, cancel=cancel))


def reference_file(library: Path, fingerprint: str) -> Path:
    """Where the fingerprint file of an entry lies.

    Args:
        library: Folder.
        fingerprint: Digest of the entry's fingerprint, hex.

    Raises:
        UsageError: The library has no such entry any more.
        MpkError: The library cannot be read.
    """
    from mpk_tui.library.catalogue import open_library

    with open_library(library) as catalogue:
        entry = catalogue.known(bytes.fromhex(fingerprint)) if len(fingerprint) == 64 else None
        if entry is None:
            raise UsageError("this library has no such entry", where=str(library), hint="Scan again")
        return catalogue.path(entry)
