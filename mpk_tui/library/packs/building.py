"""Fingerprints of all checkpoints of a list, kept one by one in a work folder, so that nothing is done twice.

A kept fingerprint is taken again if the program's version, how the checkpoint is opened, and path, size and time of
change of every file of it are what they were: what is believed is the file system, as `mpk_tui.fingerprint.kept` says.
One checkpoint that cannot be read does not keep the others from being read.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mpk_tui import __version__, canonical
from mpk_tui.checkpoint.open import Opening
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import CancelledError, MalformedError, MpkError, StorageError, UnsupportedError
from mpk_tui.fingerprint import record
from mpk_tui.fingerprint.record import MAX_BYTES, SUFFIX, Fingerprint
from mpk_tui.hashtree import sha256
from mpk_tui.library.entry import Facts, Parent
from mpk_tui.library.packs.contents import Listed
from mpk_tui.library.packs.list_file import BuildList, Wanted
from mpk_tui.library.packs.making import Sealed
from mpk_tui.progress import CancelToken, Report, silent
from mpk_tui.records import dataclass, replace

_MOST_FILES = 100_000


@dataclass(frozen=True)
class Item:
    """What came of one checkpoint.

    Attributes:
        wanted: As the list names it.
        fingerprint: SHA-256 of its record, or empty where it failed.
        root: Tensor root.
        size: Bytes of the record.
        kept: Where the record lies.
        again: It was taken from the work folder.
        fault: Why it failed, or empty.
        notices: What a person should know.
    """

    wanted: Wanted
    fingerprint: bytes = b""
    root: bytes = b""
    size: int = 0
    kept: Path = Path()
    again: bool = False
    fault: str = ""
    notices: tuple[str, ...] = ()


SCHEMA = "mpk-tui/library-build/1"


def as_record(wanted: BuildList, items: Sequence[Item], sealed: Sealed | None) -> dict[str, object]:
    """The object of ``library build --json`` (schema ``mpk-tui/library-build/1``)."""
    return {
        "schema": SCHEMA, "list": str(wanted.path),
        "checkpoints": [
            {"number": i.wanted.number, "name": i.wanted.facts.name, "path": str(i.wanted.path),
             "fingerprint": i.fingerprint.hex(), "root": i.root.hex(), "size": i.size, "again": i.again,
             "fault": i.fault, "notices": list(i.notices)}
            for i in items
        ],
        "pack": None if sealed is None else {
            "id": sealed.id.hex(), "name": sealed.body.name, "version": sealed.body.version, "kind": sealed.body.kind,
            "entries": sealed.body.entries, "revoked": sealed.body.revoked,
        },
    }  # fmt: skip


def work_folder(path: Path) -> Path:
    """Where fingerprints are kept unless a person names another folder: beside the list."""
    return path.with_name(f"{path.name}.work")


def check(wanted: BuildList, cancel: CancelToken | None = None) -> Iterator[tuple[Wanted, str]]:
    """Every checkpoint with what is wrong about it before anything is hashed; empty if nothing is.

    Headers are read, weights are not.
    """
    from mpk_tui.checkpoint.open import open_checkpoint

    for one in wanted.checkpoints:
        if cancel is not None:
            cancel.check()
        try:
            found = open_checkpoint(one.path, cancel, _how(one))
            _expected(one, {f.path for f in found.files})
            yield one, ""
        except CancelledError:
            raise
        except MpkError as error:
            yield one, error.diagnosis()


def _expected(one: Wanted, paths: set[str]) -> None:
    for name in one.sha256:
        if name not in paths:
            raise MalformedError(f"'sha256' names {name!r}, which is not there", where=one.where)


def fingerprints(
    wanted: BuildList,
    work: Path,
    report: Report = silent,
    cancel: CancelToken | None = None,
    threads: int | None = None,
) -> Iterator[Item]:
    """Fingerprint every checkpoint of a list, in its order.

    Args:
        wanted: The list.
        work: Folder for fingerprint files; made if it is not there.
        report: Progress.
        cancel: Polled between chunks; what is finished is kept.
        threads: Hashing threads.

    Raises:
        StorageError: The work folder cannot be made or written.
        CancelledError: On request.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot be made ({error.strerror or error})", where=str(work)) from None
    for one in wanted.checkpoints:
        try:
            yield _one(one, work, report, cancel, threads)
        except CancelledError:
            raise
        except MpkError as error:
            yield Item(one, fault=error.diagnosis())
        except MemoryError:
            yield Item(one, fault="needs more memory than there is")


def _how(one: Wanted) -> Opening:
    return Opening(one.model, one.partial, one.base)


def _one(one: Wanted, work: Path, report: Report, cancel: CancelToken | None, threads: int | None) -> Item:
    if record.looks_like_fingerprint(one.path):
        data = read_small(one.path, MAX_BYTES, follow=True)
        made = Fingerprint.from_bytes(data, where=str(one.path))
        return _item(one, made, len(data), one.path, again=True)
    mark = _mark(one)
    kept = work / f"{mark.hex()}{SUFFIX}"
    if kept.is_file():
        try:
            found = record.read(kept)
            return _item(one, found, kept.stat().st_size, kept, again=True)
        except (MalformedError, UnsupportedError):
            pass  # damaged, or of another version: made anew below
    from mpk_tui.fingerprint.build import fingerprint  # late: NumPy

    made = fingerprint(one.path, report, cancel, threads, _how(one))
    if _mark(one) != mark:
        raise StorageError(
            "changed while it was read", where=str(one.path), hint="Copy it to a quiet place and start again"
        )
    record.write(kept, made)
    return _item(one, made, kept.stat().st_size, kept, again=False)


def _item(one: Wanted, made: Fingerprint, size: int, kept: Path, *, again: bool) -> Item:
    found = {f.path: f.sha256 for f in made.files}
    _expected(one, set(found))
    for name, digest in one.sha256.items():
        if found[name] != digest:
            theirs = found[name]
            raise MalformedError(
                f"{name} has the SHA-256 {theirs.hex() if theirs else 'of no file'}, the list says {digest.hex()}",
                where=str(one.path), hint="It is another file than the one that was meant; fetch it again",
            )  # fmt: skip
    notices = tuple(f"incomplete: {m}" for m in made.missing)
    return Item(one, made.digest, made.root, size, kept, again, "", notices)


def _mark(one: Wanted) -> bytes:
    """Digest of all that decides whether a kept fingerprint is still that of the checkpoint."""
    seen: list[list[object]] = []
    for root in (one.path, *([one.base] if one.base is not None else [])):
        seen.append([os.fsencode(root.absolute())])
        for name, facts in _files(root):
            seen.append([os.fsencode(name), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns])
            if len(seen) > _MOST_FILES:
                raise StorageError(f"more than {_MOST_FILES} files", where=str(root))
    return sha256(canonical.encode([__version__, one.model, one.partial, seen]))


def _files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    try:
        facts = root.stat()
        if not stat.S_ISDIR(facts.st_mode):
            yield "", facts
            return
        for folder, below, names in os.walk(root, onerror=_raise):
            below.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                try:
                    facts = os.stat(path)
                except FileNotFoundError:  # a link to nothing, which the fingerprint records as such
                    facts = os.lstat(path)
                yield os.path.relpath(path, root), facts
    except OSError as error:
        raise StorageError(f"cannot be read ({error.strerror or error})", where=str(error.filename or root)) from None


def _raise(error: OSError) -> None:
    raise error


def listed(items: Sequence[Item], who: str, at: int) -> list[Listed]:
    """What a pack lists of the checkpoints that did not fail; parents that the list names get their digests.

    Args:
        items: From `fingerprints`.
        who: Who builds it.
        at: Milliseconds since 1970, UTC.

    Raises:
        MalformedError: Two checkpoints of the list have the same fingerprint.
    """
    good = [i for i in items if not i.fault]
    names = {n.casefold(): i for i in good for n in (i.wanted.facts.name, *i.wanted.facts.aliases)}
    seen: dict[bytes, Item] = {}
    for item in good:
        other = seen.setdefault(item.fingerprint, item)
        if other is not item:
            raise MalformedError(
                f"is the very same as {other.wanted.where}", where=item.wanted.where,
                hint="List it once and give the other name as an alias",
            )  # fmt: skip
    return [Listed(i.fingerprint, i.size, i.root, _joined(i.wanted.facts, names), who, at) for i in good]


def _joined(facts: Facts, names: Mapping[str, Item]) -> Facts:
    def found(p: Parent) -> Parent:
        other = names.get(p.name.casefold())
        if other is None or p.fingerprint or p.root:
            return p
        return replace(p, fingerprint=other.fingerprint, root=other.root)

    return replace(facts, parents=tuple(found(p) for p in facts.parents))
