"""A case's folder: journal, fingerprints, comparisons, attachments, and the lock that lets one writer in."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from mpk_tui import hashtree
from mpk_tui.case.journal import Entry, Journal, Writer, make_entry, read_journal, set_aside
from mpk_tui.case.state import FACTS, CaseState, fold
from mpk_tui.constitution import norm
from mpk_tui.errors import MalformedError, StorageError, UsageError
from mpk_tui.files import write_file

JOURNAL = "journal.mpkj"
LOCK = "lock"
BASE = "~base"
"""Behind an artifact's id, which cannot hold it: the path of the model below an adapter."""
FINGERPRINTS, COMPARISONS, ATTACHMENTS, PATHS = "fingerprints", "comparisons", "attachments", "paths"
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\Z")


class Case:
    """An open case; a context manager.

    Attributes:
        root: The folder.
        notices: What the opening had to say (a torn tail, a second opening).
    """

    def __init__(self, root: Path, journal: Journal, lock: int | None, notices: tuple[str, ...]) -> None:
        self.root = root
        self.notices = notices
        self._lock = lock
        self._entries = list(journal.entries)
        self._writer = None if lock is None else Writer(root / JOURNAL, journal)
        self._state = self._located(fold(self._entries))

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
        return tuple(self._entries)

    def append(
        self,
        act: str,
        params: Mapping[str, Any],
        *,
        obj: bytes | None = None,
        result: Any = None,
        note: str = "",
        who: str = "",
        role: str = "analyst",
    ) -> Entry:
        """Record one act: written, synced, then visible in `state`; all or nothing.

        Raises:
            StorageError: The case is open for reading only, or the disk refuses.
            MalformedError: The act does not fit the state.
        """
        if self._writer is None:
            raise StorageError("is open for reading only", where=str(self.root), hint="Close the other opening first")
        after = self._entries[-1].at if self._entries else 0
        name = who or self._state.examiner or str(params.get("facts", {}).get("examiner", ""))
        entry = make_entry(len(self._entries), name, role, act, params, obj, result, note, after)
        state = self._located(fold([*self._entries, entry]))  # a record that cannot be folded must never reach the disk
        self._writer.append(entry)
        self._entries.append(entry)
        self._state = state
        return entry

    def _located(self, state: CaseState) -> CaseState:
        """The state with the paths of this machine, which are kept beside the journal and never signed."""
        artifacts = {}
        for name, artifact in state.artifacts.items():
            try:
                path = (self.root / PATHS / name).read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                path = artifact.name  # a case that was carried over: the analyst is told when it is needed
            base = artifact.base
            if base:
                with contextlib.suppress(OSError, UnicodeDecodeError):
                    base = (self.root / PATHS / f"{name}{BASE}").read_text("utf-8")
            artifacts[name] = replace(artifact, path=path, base=base)
        return replace(state, artifacts=artifacts)

    def keep(self, folder: str, name: str, data: bytes) -> Path:
        """Write a file of the case, whole or not at all; an equal one is left as it is."""
        if self.read_only:
            raise StorageError("is open for reading only", where=str(self.root))
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


def create_case(root: Path, *, id: str, title: str, examiner: str, **facts: str) -> Case:
    """Make a new case in a new or empty folder and open it for writing.

    Args:
        root: The folder.
        id: Case number; letters, digits, ``_ . -``.
        title: One line.
        examiner: Who is responsible.
        facts: ``exhibit``, ``root_exhibit``, ``authority``, ``purpose``.

    Raises:
        UsageError: A field cannot be used.
        StorageError: The folder holds something already, or cannot be written.
    """
    if not SLUG.match(id):
        raise UsageError("a case id has letters, digits and _ . - only, at most 63", where=repr(id[:80]))
    if not title.strip() or not examiner.strip():
        raise UsageError("a case needs a title and an examiner", hint="Give --title and --examiner")
    unknown = facts.keys() - set(FACTS)
    if unknown:
        raise UsageError(f"unknown field {sorted(unknown)[0]!r}")
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise StorageError("is not empty", where=str(root), hint="Name a new folder for the case")
    except OSError as error:
        raise StorageError(f"cannot be used ({error.strerror})", where=str(root)) from None
    lock = _take_lock(root)
    assert isinstance(lock, int)
    case = Case(root, Journal((), hashtree.chain_start(), 0, b""), lock, ())
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

    If another process has it open, this opening is for reading only, and a notice says who holds it.

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
        taken = _take_lock(root)
        if isinstance(taken, int):
            lock = taken
        else:
            notices.append(taken)
    try:
        journal = read_journal(path)
        if journal.torn:
            if lock is not None:
                notices.append(set_aside(path, journal))
            else:
                notices.append(f"The journal ends in {len(journal.torn)} bytes of an act that is not complete.")
        if not journal.entries or journal.entries[0].act != "open":
            raise MalformedError("does not begin with the act 'open'", where=str(path))
        return Case(root, journal, lock, tuple(notices))
    except BaseException:
        if lock is not None:
            os.close(lock)
        raise


def _take_lock(root: Path) -> int | str:
    """The lock's descriptor, or a sentence about who holds it."""
    path = root / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return "The case lies on a medium that cannot be written; it is open for reading only."
        raise StorageError(f"cannot be opened ({error.strerror})", where=str(path)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "another process"
        os.close(descriptor)
        return f"The case is open elsewhere (process {holder}); this opening is for reading only."
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    except OSError:
        pass  # a full disk must not keep a case from being opened; the pid is a courtesy
    return descriptor
