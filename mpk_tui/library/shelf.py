"""A folder of fingerprint files (``.mpkf``), looked through and listed.  Nothing is written.

Every file is read whole and checked as `mpk_tui.fingerprint.record.read` checks it: its canonical form, its fields and
that its root follows from its tensors.  One that cannot be used is listed with the reason.  A fingerprint holds no name
of its model, so the name of the file is what there is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.errors import LimitError, MpkError, StorageError
from mpk_tui.files import data_folder
from mpk_tui.fingerprint import record
from mpk_tui.fingerprint.record import SUFFIX, Fingerprint
from mpk_tui.progress import CancelToken, Meter, Report, silent

MOST_FILES = 2_000
"""Fingerprint files that one listing reads."""
MOST_DIMENSIONS = 64
"""Of a tensor: the product of more numbers than that would take long to multiply and cannot be printed."""
MOST_DEPTH = 4
"""Folders below the shelf that are looked into."""


@dataclass(frozen=True)
class Shelved:
    """One file.

    Attributes:
        path: Where it lies.
        name: Path below the shelf, without the ending; untrusted text.
        size: Bytes.
        changed: When the file was last written, milliseconds since 1970, UTC; a claim of the file system.
        fault: Why it cannot be used, or empty; then all that follows is empty.
        format: Of the checkpoint.
        family: Row of the architecture table.
        scope: ``transformer-lm`` or what it is instead.
        parameters: Elements of its weights.
        layers: As the configuration states, or None.
        tensors: Number of tensors.
        features: Number of features.
        root: Tensor root, hex: the identity of the weights.
        fingerprint: SHA-256 of the canonical record, hex.
        tool: What made it.
        notices: What was odd, counted.
    """

    path: Path
    name: str
    size: int
    changed: int
    fault: str = ""
    format: str = ""
    family: str = ""
    scope: str = ""
    parameters: int = 0
    layers: int | None = None
    tensors: int = 0
    features: int = 0
    root: str = ""
    fingerprint: str = ""
    tool: str = ""
    notices: int = 0

    def as_record(self) -> dict[str, Any]:
        """Plain form, as ``mpk-tui library list --json`` prints it."""
        return {
            "path": str(self.path), "name": self.name, "size": self.size, "changed": self.changed,
            "fault": self.fault or None, "format": self.format, "family": self.family, "scope": self.scope,
            "parameters": self.parameters, "layers": self.layers, "tensors": self.tensors, "features": self.features,
            "root": self.root, "fingerprint": self.fingerprint, "tool": self.tool, "notices": self.notices,
        }  # fmt: skip


@dataclass(frozen=True)
class Shelf:
    """A folder as it was found.

    Attributes:
        folder: The folder.
        rows: Its files, by name.
        notices: What was left out, as sentences.
    """

    folder: Path
    rows: tuple[Shelved, ...]
    notices: tuple[str, ...] = ()


def default_folder() -> Path:
    """Where reference fingerprints lie unless a person names another folder: ``library`` in the user's data folder."""
    return data_folder() / "library"


def look(
    folder: Path, report: Report = silent, cancel: CancelToken | None = None, apart: Collection[str] = ()
) -> Shelf:
    """Read every fingerprint file of a folder and of the folders in it.

    Args:
        folder: The shelf.  One that is not there is an empty one.
        report: Progress in bytes.
        cancel: Polled between files.
        apart: Names of folders in it that are not looked into: where the catalogue keeps its own.

    Raises:
        StorageError: It is no folder, or it cannot be read.
    """
    if not os.path.lexists(folder):
        return Shelf(folder, (), ("there is no such folder yet",))
    if not folder.is_dir():
        raise StorageError("is not a folder", where=str(folder), hint="Name a folder with fingerprint files (.mpkf)")
    notices: list[str] = []
    found: list[tuple[Path, os.stat_result]] = []
    for entry in _files(folder, notices, apart=apart):
        if len(found) == MOST_FILES:
            notices.append(f"only the first {MOST_FILES} files were read; name a folder below this one")
            break
        found.append(entry)
    meter = Meter(report, "reading", sum(facts.st_size for _, facts in found) or 1)
    rows = []
    for path, facts in found:
        if cancel is not None:
            cancel.check()
        rows.append(_shelved(folder, path, facts))
        meter.add(facts.st_size, path.name)
    return Shelf(folder, tuple(sorted(rows, key=lambda r: r.name)), tuple(notices))


def one(path: Path) -> Fingerprint:
    """One file of a shelf, whole.

    Raises:
        MpkError: It cannot be read or used.
    """
    return record.read(path)


def _files(
    folder: Path, notices: list[str], depth: int = 0, apart: Collection[str] = ()
) -> Iterator[tuple[Path, os.stat_result]]:
    """Files with our ending, links to them included, in the order of their names; links to folders are not followed."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entries, key=lambda e: e.name)
    except OSError as error:
        if not depth:
            raise StorageError(f"cannot be read ({error.strerror})", where=str(folder)) from None
        notices.append(f"{folder}: cannot be read ({error.strerror})")
        return
    for entry in names:
        if entry.name in apart:
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                if depth < MOST_DEPTH:
                    yield from _files(Path(entry.path), notices, depth + 1)
                else:
                    notices.append(f"{entry.path}: too deep; not looked into")
            elif entry.name.endswith(SUFFIX):
                yield Path(entry.path), entry.stat(follow_symlinks=False)
        except OSError as error:
            notices.append(f"{entry.path}: {error.strerror}")


def _shelved(folder: Path, path: Path, facts: os.stat_result) -> Shelved:
    name = str(path.relative_to(folder)).removesuffix(SUFFIX)
    changed = facts.st_mtime_ns // 1_000_000
    try:
        if not stat.S_ISREG(facts.st_mode):
            raise StorageError("is a link or a device; a file was expected", where=str(path))
        if facts.st_size > record.MAX_BYTES:
            raise LimitError(f"{facts.st_size} bytes; a fingerprint has at most {record.MAX_BYTES}", where=str(path))
        made = record.read(path)
        if any(len(t.shape) > MOST_DIMENSIONS for t in made.tensors):
            raise LimitError(f"holds a tensor of more than {MOST_DIMENSIONS} dimensions", where=str(path))
    except MpkError as error:
        return Shelved(path, name, facts.st_size, changed, error.diagnosis())
    except MemoryError:
        return Shelved(path, name, facts.st_size, changed, "needs more memory than there is")
    layers = made.config.get("layers")
    return Shelved(
        path, name, facts.st_size, changed, "", made.format, made.family, made.scope, made.parameters,
        layers if isinstance(layers, int) and not isinstance(layers, bool) else None, len(made.tensors),
        len(made.features), made.root.hex(), made.digest.hex(), made.tool, len(made.notices),
    )  # fmt: skip
