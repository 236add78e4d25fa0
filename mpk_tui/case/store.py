"""A case's folder: journal, fingerprints, comparisons, attachments, and the lock that lets one writer in."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from mpk_tui import hashtree
from mpk_tui.case.folding import Folding
from mpk_tui.case.journal import Entry, Journal, Writer, make_entry, read_journal, set_aside
from mpk_tui.case.lengths import within
from mpk_tui.case.lock import take_lock
from mpk_tui.case.state import FACTS, CaseState
from mpk_tui.constitution import norm
from mpk_tui.errors import MalformedError, StorageError, UsageError
from mpk_tui.files import write_file

JOURNAL = "journal.mpkj"
BASE = "~base"
"""Behind an artifact's id, which cannot hold it: the path of the model below an adapter."""
FINGERPRINTS, COMPARISONS, ATTACHMENTS, PATHS = "fingerprints", "comparisons", "attachments", "paths"
_TEMPORARY = re.compile(r"\.[0-9A-Za-z_.~-]{1,40}\.[a-z0-9_]{8}\Z")
"""Names that `mpk_tui.files.write_file` gives to files before they are whole."""
_AHEAD = 120
"""Seconds that a clock may be behind the last act before anybody is told."""
_LATEST = 253_402_300_800_000
"""Year 10000 in milliseconds: what a time of day can be written for."""
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")


class Case:
    """An open case; a context manager.

    Attributes:
        root: The folder.
        notices: What the opening had to say (a torn tail, a second opening).
        acting: Role under which acts are recorded that name none.
    """

    def __init__(self, root: Path, journal: Journal, lock: int | None, notices: tuple[str, ...]) -> None:
        self.root = root
        self.notices = notices
        self.acting = "analyst"
        self._lock = lock
        self._folding = Folding(journal.entries)
        self._listed: tuple[Entry, ...] | None = None
        self._head = journal.head
        self._paths: dict[str, tuple[str, str]] = {}
        self._writer = None if lock is None else Writer(root / JOURNAL, journal)
        self._state = self._located(self._folding.state)

    def __enter__(self) -> Case:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def read_only(self) -> bool:
        """No act can be recorded through this opening."""
        return self._writer is None

    @property
    def state(self) -> CaseState:
        """The fold over all entries."""
        return self._state

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries."""
        if self._listed is None:
            self._listed = tuple(self._folding.entries)
        return self._listed

    @property
    def head(self) -> bytes:
        """Chain head after the last entry, 32 bytes."""
        return self._head

    def must_write(self) -> None:
        """Refuse early where nothing can be recorded.

        Raises:
            StorageError: The case is open for reading only.
        """
        if self._writer is None:
            raise StorageError("is open for reading only", where=str(self.root), hint="Its opening said why")

    def append(
        self,
        act: str,
        params: Mapping[str, Any],
        *,
        obj: bytes | None = None,
        result: Any = None,
        note: str = "",
        who: str = "",
        role: str = "",
    ) -> Entry:
        """Record one act: written, synced, then visible in `state`; all or nothing.

        Raises:
            StorageError: The case is open for reading only, or the disk refuses or is gone.
            MalformedError: The act does not fit the state.
            LimitError: The entry is too long, or the journal full.
        """
        self.must_write()
        assert self._writer is not None
        before = self._folding.entries
        last = before[-1].at if before else 0
        name = who or self._state.examiner or str(params.get("facts", {}).get("examiner", ""))
        entry = make_entry(len(before), name, role or self.acting, act, params, obj, result, note, last)
        folded = self._folding.after(entry)  # what cannot be folded must never reach the disk
        self._head = self._writer.append(entry)
        self._folding.take(entry, folded)
        self._listed = None
        self._state = self._located(folded)
        return entry

    def _located(self, state: CaseState) -> CaseState:
        """The state with the paths of this machine, which are kept beside the journal and never signed."""
        artifacts = {}
        for name, artifact in state.artifacts.items():
            if name not in self._paths:
                self._paths[name] = self._path(name), self._path(f"{name}{BASE}")
            path, base = self._paths[name]
            # A case that was carried over has none: the analyst is told when one is needed.
            base = (base or artifact.base) if artifact.base else ""
            artifacts[name] = replace(artifact, path=path or artifact.name, base=base)
        return replace(state, artifacts=artifacts)

    def _path(self, name: str) -> str:
        try:
            return (self.root / PATHS / name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def keep(self, folder: str, name: str, data: bytes) -> Path:
        """Write a file of the case, whole or not at all; an equal one is left as it is.

        Raises:
            StorageError: The case is open for reading only, or the disk refuses or is gone.
        """
        self.must_write()
        if self._writer is not None:
            self._writer.must_be_there()  # else a folder would be made anew where the case's drive was
        if folder == PATHS:
            self._paths.pop(name.removesuffix(BASE), None)
        target = self.root / folder
        try:
            target.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot be made ({error.strerror})", where=str(target)) from None
        path = target / name
        if not (path.is_file() and path.read_bytes() == data):
            write_file(path, data, mode=0o600)
        return path

    def kept(self, folder: str, name: str, digest: str) -> bytes:
        """Read a file of the case and check that it is the one that the journal names.

        Raises:
            StorageError: It is missing or cannot be read.
            MalformedError: Its SHA-256 is not the journalled one.
        """
        path = self.root / folder / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StorageError(f"cannot be read ({error.strerror})", where=str(path)) from None
        if hashtree.sha256(data).hex() != digest:
            raise MalformedError(
                "is not the file that the journal names (its SHA-256 differs)", where=str(path), hint="Measure again"
            )
        return data

    def close(self) -> None:
        """Release the lock; harmless when repeated."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def create_case(root: Path, *, id: str, title: str, examiner: str, acting: str = "analyst", **facts: str) -> Case:
    """Make a new case in a new or empty folder and open it for writing.

    Args:
        root: The folder.
        id: Case number; letters, digits, ``_ . -``.
        title: One line.
        examiner: Who is responsible.
        acting: Role under which acts are recorded that name none.
        facts: ``exhibit``, ``root_exhibit``, ``authority``, ``purpose``.

    Raises:
        UsageError: A field cannot be used.
        StorageError: The folder holds something already, or cannot be written.
    """
    if not SLUG.match(id):
        raise UsageError("a case id has letters, digits and _ . - only, at most 63", where=repr(id[:80]))
    if not title.strip() or not examiner.strip():
        raise UsageError("a case needs a title and an examiner", hint="Give --title and --examiner")
    for name, value in {"title": title, "examiner": examiner, **facts}.items():
        within(name, value)
    unknown = facts.keys() - set(FACTS)
    if unknown:
        raise UsageError(f"unknown field {sorted(unknown)[0]!r}")
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise StorageError("is not empty", where=str(root), hint="Name a new folder for the case")
    except OSError as error:
        raise StorageError(f"cannot be used ({error.strerror})", where=str(root)) from None
    taken = take_lock(root)
    if taken.descriptor is None:
        raise StorageError("cannot be written", where=str(root), hint=taken.notice)
    notices = (taken.notice,) if taken.notice else ()
    try:
        case = Case(root, Journal((), hashtree.chain_start(), 0, b""), taken.descriptor, notices)
        case.acting = acting
    except BaseException:
        os.close(taken.descriptor)
        raise
    try:
        current = norm.load()
        given = {"title": title, "examiner": examiner, **facts}
        case.append("open", {"id": id, "norm": current.version, "facts": given}, obj=current.digest, who=examiner)
    except BaseException:
        case.close()
        raise
    return case


def open_case(root: Path, *, read_only: bool = False) -> Case:
    """Open a case; a torn tail is set aside and told in `Case.notices`.

    If another process has it open, or nothing can be written there, this opening is for reading only, and a notice says
    why.  A case can always be read, on a full disk and on a medium that is write-protected too.

    Raises:
        StorageError: There is no case.
        MalformedError: The journal was altered.
    """
    path = root / JOURNAL
    if not path.is_file():
        raise StorageError("holds no case (no journal.mpkj)", where=str(root), hint="mpk-tui case new makes one")
    notices: list[str] = []
    lock: int | None = None
    if not read_only:
        taken = take_lock(root)
        lock = taken.descriptor
        notices += [taken.notice] if taken.notice else []
    try:
        journal = read_journal(path)
        if journal.torn:
            torn = f"The journal ends in {len(journal.torn)} bytes of an act that is not complete."
            if lock is None:
                notices.append(torn)
            else:
                try:
                    notices.append(set_aside(path, journal))
                except StorageError as error:
                    os.close(lock)
                    lock = None
                    notices.append(f"{torn} They could not be set aside, so it is open for reading only: {error}")
        if not journal.entries or journal.entries[0].act != "open":
            raise MalformedError("does not begin with the act 'open'", where=str(path))
        notices += _clock(journal)
        try:
            case = Case(root, journal, lock, tuple(notices))
        except StorageError as error:
            if lock is None:
                raise
            os.close(lock)
            lock = None
            notices.append(f"The case is open for reading only: {error}")
            case = Case(root, journal, None, tuple(notices))
        if lock is not None:
            _sweep(root)
        return case
    except BaseException:
        if lock is not None:
            os.close(lock)
        raise


def _clock(journal: Journal) -> list[str]:
    """A notice where the last act is dated later than now: no act is ever dated before the one that it follows."""
    last = journal.entries[-1].at
    ahead = last / 1000 - time.time()
    if ahead < _AHEAD:
        return []
    dated = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(last / 1000)) if last < _LATEST else f"{last} ms"
    return [
        f"The last act is dated {dated}, later than this machine's clock. Acts carry that time until the clock has "
        "passed it; if a clock was wrong, say so in a note."
    ]


def _sweep(root: Path) -> None:
    """Remove what a kill left half written: temporary files of ours, which no act names."""
    for folder in (FINGERPRINTS, COMPARISONS, ATTACHMENTS, PATHS):
        try:
            names = os.listdir(root / folder)
        except OSError:
            continue
        for name in names:
            if _TEMPORARY.match(name):
                with contextlib.suppress(OSError):
                    os.unlink(root / folder / name)
