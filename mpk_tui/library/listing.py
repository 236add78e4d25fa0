"""A library as it is listed: the entries of its catalogue, then fingerprint files that merely lie in the folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.library import opening, shelf, stored
from mpk_tui.library.catalogue import open_library
from mpk_tui.library.entry import Entry
from mpk_tui.library.shelf import Shelved
from mpk_tui.progress import CancelToken, Report, silent

SCHEMA = "mpk-tui/library/2"


@dataclass(frozen=True)
class Listing:
    """A folder as it was found.

    Attributes:
        folder: The library.
        catalogue: Whether there is a catalogue.
        read_only: The media cannot be written.
        entries: Of the catalogue, in the order in which they were added.
        loose: Fingerprint files that are not in the catalogue.
        notices: What was left out, as sentences.
    """

    folder: Path
    catalogue: bool
    read_only: bool
    entries: tuple[Entry, ...]
    loose: tuple[Shelved, ...]
    notices: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """The object of ``mpk-tui library list --json``."""
        return {
            "schema": SCHEMA, "folder": str(self.folder), "catalogue": self.catalogue, "read_only": self.read_only,
            "entries": [e.as_record() for e in self.entries], "files": [row.as_record() for row in self.loose],
            "notices": list(self.notices),
        }  # fmt: skip


def list_library(
    folder: Path,
    *,
    text: str = "",
    revoked: bool = False,
    immutable: bool = False,
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> Listing:
    """List a library.

    Args:
        folder: A folder; one that is not there is an empty library.
        text: Only what holds it, in a name or another field (`Reader.entries`), or in a file's name.
        revoked: With entries that were revoked.
        immutable: Write nothing, as on read-only media.
        report: Progress in bytes of loose files.
        cancel: Polled between files.

    Raises:
        MpkError: The folder cannot be read, or the catalogue is refused.
    """
    there = os.path.lexists(folder / opening.NAME)
    read_only = folder.is_dir() and not os.access(folder, os.W_OK)
    entries, known = tuple[Entry, ...](), frozenset[str]()
    if there:
        with open_library(folder, immutable=immutable) as library, library.moment():
            every = tuple(library.entries(revoked=True))
            known = frozenset(e.fingerprint.hex() for e in every)
            entries = tuple(library.entries(text=text, revoked=revoked))
    found = shelf.look(folder, report, cancel, apart=(stored.FOLDER,) if there else ())
    loose = [
        row for row in found.rows
        if row.fingerprint not in known and (not text or text.casefold() in row.name.casefold())
    ]  # fmt: skip
    return Listing(folder, there, read_only or immutable, entries, tuple(loose), found.notices)
