"""Files against acquisition hash lists: every file is read once, all digests are computed in that one pass.

A match in SHA-2 (or BLAKE2b) shows equal content.  A match in MD5 or SHA-1 alone does not, since different files with
equal digests can be made for both; it is reported as a cross-reference, beside the SHA-256 that was computed in the
same read.  Standard library only.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.hash_lists import PROOF, HashList, Line
from mpk_tui.checkpoint.model import FileEntry
from mpk_tui.checkpoint.reading import CACHE_LINK, open_entry
from mpk_tui.progress import CancelToken, Meter, Report, silent

CHUNK = 1 << 20
_LANES = 4
WEAK = "a match in MD5 or SHA-1 alone is a cross-reference and no proof of identity"


@dataclass(frozen=True)
class Digests:
    """A file that was read: its size and its digests, algorithm to lower-case hex."""

    path: str
    size: int
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """One line of a list, held against the files.

    Attributes:
        line: As the list states it.
        status: ``matches``, ``differs`` or ``missing``.
        path: The file that it was held against, or empty.
        proof: It matches, and in a digest that proves equal content.
        sha256: Computed, of ``path``; empty where nothing was read.
        note: What else is to be said, or empty.
    """

    line: Line
    status: str
    path: str
    proof: bool
    sha256: str
    note: str


@dataclass(frozen=True)
class Checked:
    """A list held against files.

    Attributes:
        list: The list.
        prefix: What was cut from the front of its names to find the files, or empty.
        rows: In the order of the list.
        unlisted: Files that no line concerns, with their digests, sorted by path.
    """

    list: HashList
    prefix: str
    rows: tuple[Row, ...]
    unlisted: tuple[Digests, ...]

    @property
    def differing(self) -> tuple[Row, ...]:
        """Lines that contradict the file they name."""
        return tuple(r for r in self.rows if r.status == "differs")

    @property
    def missing(self) -> tuple[Row, ...]:
        """Lines whose file is not there."""
        return tuple(r for r in self.rows if r.status == "missing")

    @property
    def weak(self) -> tuple[Row, ...]:
        """Lines that match without proving anything."""
        return tuple(r for r in self.rows if r.status == "matches" and not r.proof)

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        matching = len(self.rows) - len(self.differing) - len(self.missing)
        said = (
            f"{matching} of {len(self.rows)} lines match; lines that differ {len(self.differing)}, that name files "
            f"which are not there {len(self.missing)}; files that are not listed {len(self.unlisted)}"
        )
        return f"{said}; {len(self.weak)} match in MD5 or SHA-1 alone, which proves no identity" if self.weak else said

    def as_record(self) -> dict[str, Any]:
        """Plain data; paths that are not UTF-8 keep their surrogate escapes."""
        return {
            "list": self.list.source, "list_sha256": self.list.sha256, "format": self.list.format,
            "prefix": self.prefix, "matches": len(self.rows) - len(self.differing) - len(self.missing),
            "differs": len(self.differing), "missing": len(self.missing), "weak": len(self.weak),
            "not_listed": len(self.unlisted), "sentence": self.sentence,
            "notices": [*self.list.notices, *([f"{len(self.weak)} lines: {WEAK}"] if self.weak else [])],
            "lines": [
                {"line": r.line.number, "name": r.line.name, "status": r.status, "path": r.path, "proof": r.proof,
                 "stated": dict(r.line.digests), "stated_size": r.line.size, "sha256": r.sha256, "note": r.note}
                for r in self.rows
            ],
            "files_not_listed": [
                {"path": d.path, "size": d.size, "sha256": d.digests["sha256"]} for d in self.unlisted
            ],
        }  # fmt: skip


def readable(entry: FileEntry) -> bool:
    """Whether an entry has content that is read: regular files and links within a cache snapshot."""
    return entry.kind == "file" or (entry.kind == "symlink" and entry.link_class == CACHE_LINK)


def digest_files(
    files: Iterable[FileEntry],
    root: Path,
    algorithms: Iterable[str] = (),
    cancel: CancelToken | None = None,
    report: Report = silent,
) -> dict[str, Digests]:
    """Read every readable entry once and compute all digests in that pass.

    Args:
        files: From `mpk_tui.checkpoint.folder.list_folder`.
        root: The folder they were listed in.
        algorithms: Besides SHA-256, which is always computed.
        cancel: Polled once a chunk.
        report: Progress in bytes.

    Raises:
        UnstableFileError: A file changed while it was read.
        StorageError: The operating system refused a read.
        CancelledError: Stopped on request.
    """
    cancel, stop = cancel or CancelToken(), CancelToken()
    chosen = sorted({"sha256", *algorithms})
    entries = [e for e in files if readable(e)]
    meter = Meter(report, "hashing", sum(e.size for e in entries))

    def one(entry: FileEntry) -> Digests:
        # MD5 and SHA-1 are asked for as what other people's lists hold, never as security.
        running = [hashlib.new(name, usedforsecurity=name in PROOF) for name in chosen]
        buffer = bytearray(min(CHUNK, max(entry.size, 1)))
        with open_entry(root, entry) as source:
            for at in range(0, entry.size, CHUNK):
                cancel.check()
                stop.check()
                view = memoryview(buffer)[: min(CHUNK, entry.size - at)]
                source.read_into(view, at)
                for digest in running:
                    digest.update(view)
                meter.add(len(view), entry.path)
            source.check_unchanged()
        return Digests(entry.path, entry.size, {n: d.hexdigest() for n, d in zip(chosen, running, strict=True)})

    with ThreadPoolExecutor(min(_LANES, os.cpu_count() or 1), thread_name_prefix="digest") as pool:
        futures = [pool.submit(one, e) for e in sorted(entries, key=lambda e: -e.size)]
        try:
            made = [f.result() for f in futures]
        except BaseException:
            stop.cancel()
            for f in futures:
                f.cancel()
            raise
    return {d.path: d for d in sorted(made, key=lambda d: os.fsencode(d.path))}


def check(
    lists: Sequence[HashList],
    files: Sequence[FileEntry],
    root: Path,
    cancel: CancelToken | None = None,
    report: Report = silent,
) -> tuple[Checked, ...]:
    """Hold files against lists; all files are read once, whatever the number of lists.

    Args:
        lists: From `mpk_tui.checkpoint.hash_lists.read_list`.
        files: What is under examination.
        root: The folder they were listed in.
        cancel: Polled once a chunk.
        report: Progress in bytes.

    Raises:
        StorageError: A file cannot be read or changed meanwhile.
        CancelledError: Stopped on request.
    """
    wanted = {name for made in lists for line in made.lines for name in line.digests}
    read = digest_files(files, root, wanted, cancel, report)
    return tuple(held_against(made, files, read) for made in lists)


def held_against(made: HashList, files: Sequence[FileEntry], read: Mapping[str, Digests]) -> Checked:
    """One list against digests that were computed: pure."""
    entries = {e.path: e for e in files}
    prefix = find_prefix([line.name for line in made.lines if line.name], entries.keys())
    by_digest: dict[tuple[str, str], str] = {}
    for d in read.values():
        for name, digest in d.digests.items():
            by_digest.setdefault((name, digest), d.path)
    folded: dict[str, list[str]] = {}
    for path in entries:
        folded.setdefault(path.casefold(), []).append(path)
    rows = [_row(line, prefix, entries, read, by_digest, folded) for line in made.lines]
    listed = {r.path for r in rows}
    return Checked(made, prefix, tuple(rows), tuple(d for d in read.values() if d.path not in listed))


def _row(
    line: Line,
    prefix: str,
    entries: Mapping[str, FileEntry],
    read: Mapping[str, Digests],
    by_digest: Mapping[tuple[str, str], str],
    folded: Mapping[str, list[str]],
) -> Row:
    strong = bool(PROOF & line.digests.keys())
    elsewhere = sorted({by_digest[item] for item in line.digests.items() if item in by_digest})
    if not line.name:
        if not elsewhere:
            return Row(line, "missing", "", False, "", "no file has this digest")
        path = elsewhere[0]
        return Row(line, "matches", path, strong, read[path].digests["sha256"], "found by its content; names no file")
    path = line.name.removeprefix(prefix) if line.name.startswith(prefix) else line.name
    if path not in entries:
        note = ""
        if elsewhere:
            note = f"the same content lies in {elsewhere[0]}"
        elif near := folded.get(path.casefold()):
            note = f"{', '.join(near[:3])} differs in case only and was not taken for it"
        return Row(line, "missing", "", False, "", note)
    made = read.get(path)
    if made is None:
        entry = entries[path]
        kind = "link" if entry.kind == "symlink" else "folder" if entry.kind == "dir" else "special file"
        return Row(line, "missing", path, False, "", f"is a {kind}, which is not read")
    faults = [name for name, digest in line.digests.items() if made.digests[name] != digest]
    notes = [f"{', '.join(faults)} differs"] if faults else []
    if line.size is not None and line.size != made.size:
        notes.append(f"{made.size} bytes, the list says {line.size}")
    if notes:
        agreed = [n for n in line.digests if n not in faults]
        notes += [f"{', '.join(agreed)} agrees"] if agreed and faults else []
        return Row(line, "differs", path, False, made.digests["sha256"], "; ".join(notes))
    return Row(line, "matches", path, strong, made.digests["sha256"], "" if strong else WEAK)


def find_prefix(names: Sequence[str], present: Iterable[str]) -> str:
    """What has to be cut from the names of a list so that they name files.

    Lists are often made from a folder further up, or with absolute paths.  Tried are the folders above all names, from
    none to the deepest; the one under which most names are found counts, the shortest of equals.

    Args:
        names: As the list states them.
        present: Paths of the files.

    Returns:
        Empty, or a folder with its closing ``/``.
    """
    if not names:
        return ""
    there = set(present)
    folders = [n.split("/")[:-1] for n in names]
    shared = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    best, found = "", sum(n in there for n in names)
    for depth in range(1, min(len(shared), 32) + 1):
        prefix = "/".join(shared[:depth]) + "/"
        now = Counter(n.removeprefix(prefix) in there for n in names)[True]
        if now > found:
            best, found = prefix, now
    return best
