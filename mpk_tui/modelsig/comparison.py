"""Files that a statement names held against a folder: five lists, and nothing that is there goes unmentioned."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.hash_check import digest_files, readable
from mpk_tui.checkpoint.model import FileEntry
from mpk_tui.checkpoint.reading import CACHE_LINK, open_entry
from mpk_tui.checkpoint.side_files import list_path
from mpk_tui.errors import UsageError
from mpk_tui.modelsig.statement import COMPUTED, WHOLE, SignedFile, Statement
from mpk_tui.progress import CancelToken, Meter, Report, silent
from mpk_tui.text import folded_name

CHUNK = 4 << 20
_LANES = 4
BY_DEFAULT = frozenset({".git", ".gitignore", ".gitattributes", ".github"})
"""What signers of this format leave out without saying so (specification, section 6.2)."""

IGNORED, DEFAULT, EMPTY, NO_BYTES, UNSIGNED = "ignore-paths", "by-default", "empty-folder", "empty-file", "unsigned"


@dataclass(frozen=True)
class Named:
    """A path with what is to be said about it."""

    path: str
    note: str


@dataclass(frozen=True)
class Extra:
    """Something that is there and that no signed digest covers.

    Attributes:
        path: Within the folder.
        kind: ``file``, ``symlink``, ``dir`` (an empty folder) or ``other``.
        why: `IGNORED`, `DEFAULT`, `EMPTY`, `NO_BYTES` (under shards only), or `UNSIGNED` where nothing excuses it.
        note: The same in words.
    """

    path: str
    kind: str
    why: str
    note: str


@dataclass(frozen=True)
class Compared:
    """The five lists.

    Attributes:
        same: Covered and equal.
        changed: Covered and there, with other content.
        missing: Covered and not there.
        extra: There and not covered.
        not_comparable: Covered and there, but not to be compared.
        sha256: By path, of every file of ``same`` whose SHA-256 was computed, hex.
        notices: What else a person should know.
    """

    same: tuple[str, ...] = ()
    changed: tuple[Named, ...] = ()
    missing: tuple[Named, ...] = ()
    extra: tuple[Extra, ...] = ()
    not_comparable: tuple[Named, ...] = ()
    sha256: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def covered(self) -> int:
        """Files that the statement names."""
        return len(self.same) + len(self.changed) + len(self.missing) + len(self.not_comparable)

    @property
    def unsigned(self) -> tuple[Extra, ...]:
        """What is there, not covered, and not excused by the format."""
        return tuple(e for e in self.extra if e.why == UNSIGNED)

    def as_record(self) -> dict[str, Any]:
        """Plain form."""
        return {
            "covered": self.covered, "same": list(self.same),
            "changed": [{"path": n.path, "note": n.note} for n in self.changed],
            "missing": [{"path": n.path, "note": n.note} for n in self.missing],
            "extra": [{"path": e.path, "kind": e.kind, "why": e.why, "note": e.note} for e in self.extra],
            "not_comparable": [{"path": n.path, "note": n.note} for n in self.not_comparable],
            "notices": list(self.notices),
        }  # fmt: skip


def compare_with(
    statement: Statement,
    path: Path,
    signature: Path | None = None,
    report: Report = silent,
    cancel: CancelToken | None = None,
    *,
    whole: bool = False,
) -> Compared:
    """Hash what a statement names and list what it does not.

    Names from the statement are looked up in a listing of the folder and never become paths.

    Args:
        statement: From `mpk_tui.modelsig.statement.read_statement`.
        path: Folder, or the file itself where one file was signed.
        signature: The signature file; where it lies in the folder it is not counted as extra.
        report: Progress in bytes.
        cancel: Polled once a chunk.
        whole: Compute SHA-256 of whole files also where shards are signed.

    Raises:
        UsageError: One file was signed, without its name, and a folder was given.
        StorageError: A folder or file cannot be read, or changed meanwhile.
    """
    root, listed = list_path(path, cancel)
    own = _own_name(root, signature)
    entries = {e.path: e for e in listed if not (e.path == own and readable(e))}
    signed = _signed(statement, path, entries)
    todo = [entries[s.path] for s in signed if s.path in entries and readable(entries[s.path])]
    notices: list[str] = []
    if len(entries) < len(listed):
        notices.append("the signature file lies in the folder; it is not counted, and no signature covers itself")
    linked = sum(e.kind == "symlink" for e in todo)
    if linked:
        notices.append(f"{linked} signed files are links into a Hugging Face cache; what they lead to was hashed")
    equal, sha256 = _equal(statement, signed, todo, root, whole, report, cancel)
    folders = {p[:n] for p in entries for n, c in enumerate(p) if c == "/"}
    alike = {folded_name(p): p for p in entries}
    same: list[str] = []
    changed: list[Named] = []
    missing: list[Named] = []
    not_comparable: list[Named] = []
    for one in signed:
        entry = entries.get(one.path)
        if entry is None or entry.kind == "dir":
            why = "a folder has this name" if entry or one.path in folders else _absent(one.path, alike)
            missing.append(Named(one.path, why))
        elif not readable(entry):
            not_comparable.append(Named(one.path, _unreadable(entry)))
        elif statement.algorithm not in COMPUTED:
            note = f"signed with {statement.algorithm}, which is not computed here"
            not_comparable.append(Named(one.path, note))
        elif one.size is not None and one.size != entry.size:
            changed.append(Named(one.path, f"has {entry.size} bytes, {one.size} were signed"))
        elif equal[one.path]:
            changed.append(Named(one.path, equal[one.path]))
        else:
            same.append(one.path)
    covered = {one.path for one in signed}
    ignored = _ignored(statement, notices)
    extra = tuple(_extra(e, ignored, statement.method) for e in entries.values() if e.path not in covered)
    kept = tuple((p, sha256[p]) for p in same if p in sha256)
    return Compared(
        tuple(same), tuple(changed), tuple(missing), extra, tuple(not_comparable), kept, tuple(notices)
    )  # fmt: skip


def _own_name(root: Path, signature: Path | None) -> str:
    """Path of the signature file within the folder, by where it lies and not by what it may be a link to."""
    if signature is None:
        return ""
    lies = os.path.join(os.path.realpath(signature.parent), signature.name)
    return os.path.relpath(lies, os.path.realpath(root))


def _signed(statement: Statement, path: Path, entries: dict[str, FileEntry]) -> tuple[SignedFile, ...]:
    """The signed files, a nameless single one under the name of the file that was given."""
    first = statement.files[0]
    if first.path != WHOLE:
        return statement.files
    if path.is_dir():
        raise UsageError(
            f"the signature covers one file without naming it (its model is called {statement.model[:200]!r}), and a "
            "folder was given",
            where=str(path),
            hint="Give that file in place of the folder",
        )
    return (SignedFile(next(iter(entries), path.name), first.digest, first.shards),)


def _equal(
    statement: Statement,
    signed: Sequence[SignedFile],
    todo: Sequence[FileEntry],
    root: Path,
    whole: bool,
    report: Report,
    cancel: CancelToken | None,
) -> tuple[dict[str, str], dict[str, str]]:
    """By path: what differs in words, empty where nothing does; and the SHA-256 of whole files."""
    if statement.algorithm not in COMPUTED:
        return {}, {}
    by_path = {s.path: s for s in signed}
    if statement.method == "files":
        made = digest_files(todo, root, (statement.algorithm,), cancel, report)
        differs = {
            p: "" if d.digests[statement.algorithm] == by_path[p].digest.hex() else "other content"
            for p, d in made.items()
        }
        return differs, {p: d.digests["sha256"] for p, d in made.items()}
    sized = [e for e in todo if e.size == by_path[e.path].size]
    meter = Meter(report, "hashing", sum(e.size for e in sized))
    token = cancel or CancelToken()

    def one(entry: FileEntry) -> tuple[str, str, str]:
        return entry.path, *_shards(by_path[entry.path], entry, statement.algorithm, root, whole, meter, token)

    with ThreadPoolExecutor(min(_LANES, os.cpu_count() or 1), thread_name_prefix="shards") as pool:
        results = list(pool.map(one, sized))
    return {p: text for p, text, _ in results}, {p: digest for p, _, digest in results if digest}


def _shards(
    one: SignedFile, entry: FileEntry, algorithm: str, root: Path, whole: bool, meter: Meter, cancel: CancelToken
) -> tuple[str, str]:
    wrong = []
    everything = hashlib.sha256() if whole else None
    buffer = bytearray(min(CHUNK, max(entry.size, 1)))
    with open_entry(root, entry) as source:
        for shard in one.shards:
            running = hashlib.new(algorithm)
            for at in range(shard.start, shard.end, CHUNK):
                cancel.check()
                view = memoryview(buffer)[: min(CHUNK, shard.end - at)]
                source.read_into(view, at)
                running.update(view)
                if everything:
                    everything.update(view)
                meter.add(len(view), entry.path)
            if running.digest() != shard.digest:
                wrong.append(f"{shard.start} to {shard.end}")
        source.check_unchanged()
    text = f"other content in {len(wrong)} of {len(one.shards)} shards: bytes {', '.join(wrong[:5])}" if wrong else ""
    return text + (" and more" if len(wrong) > 5 else ""), everything.hexdigest() if everything else ""


def _absent(path: str, alike: Mapping[str, str]) -> str:
    """Why a signed name is not there, as far as the names that are tell: by their folded form."""
    other = alike.get(folded_name(path))
    return "not there" if other is None else f"not there; {other} differs from it in case or Unicode form only"


def _unreadable(entry: FileEntry) -> str:
    if entry.kind == "symlink":
        return f"is a link ({entry.link_class}) to {entry.link}; it was not followed"
    return "is not a regular file; it was not opened"


def _ignored(statement: Statement, notices: list[str]) -> tuple[str, ...]:
    """The signer's ignore paths in plain form; what is no path within the folder excuses nothing."""
    kept, odd = [], []
    for stated in statement.ignore_paths:
        plain = stated.removeprefix("./").rstrip("/")
        parts = plain.split("/")
        if stated.startswith("/") or ".." in parts or "" in parts:
            odd.append(stated)
        else:
            kept.append(plain)
    if odd:
        notices.append(f"ignore_paths that are no path within the folder excuse nothing: {', '.join(odd)[:400]}")
    if "." in kept:
        notices.append("ignore_paths names the whole folder: whatever was added would be excused")
    return tuple(kept)


def _extra(entry: FileEntry, ignored: Sequence[str], method: str) -> Extra:
    link = f", a link to {entry.link}" if entry.link is not None else ""
    for prefix in ignored:
        if prefix == "." or entry.path == prefix or entry.path.startswith(f"{prefix}/"):
            return Extra(entry.path, entry.kind, IGNORED, f"left out by the signer (ignore_paths: {prefix}){link}")
    if entry.path.split("/")[0] in BY_DEFAULT:
        return Extra(entry.path, entry.kind, DEFAULT, f"left out by the format{link}")
    if entry.kind == "dir":
        return Extra(entry.path, entry.kind, EMPTY, "an empty folder; signatures of this kind cover files")
    if method == "shards" and readable(entry) and not entry.size:
        return Extra(entry.path, entry.kind, NO_BYTES, "an empty file; signatures by shards leave these out")
    kind = {"symlink": "a link, not signed", "other": "no regular file, not signed"}.get(entry.kind, "not signed")
    cache = " (into a Hugging Face cache)" if entry.link_class == CACHE_LINK else ""
    return Extra(entry.path, entry.kind, UNSIGNED, f"{kind}{link}{cache}")
