"""Which checkpoints lie below some folders; what is passed over is said.

A folder with a configuration and weights is one checkpoint, with everything below it; so is an adapter's folder.  In a
folder without a configuration, every file of weights is one, and shards that belong together are one.  Files of other
names count where their first bytes are those of GGUF or safetensors.  Hidden folders are looked into.  No link is
followed but those of a hub cache, ``models--X/snapshots/REV/name -> ../../blobs/HASH``; no other file system is
entered;
what was found once is not found again through a hard link.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mpk_tui import hashtree
from mpk_tui.checkpoint import containers, ctranslate2, pytorch
from mpk_tui.checkpoint.adapters.opening import find_weights as find_adapter
from mpk_tui.checkpoint.folder import MAX_DEPTH, MAX_ENTRIES, list_folder
from mpk_tui.checkpoint.model import FileEntry
from mpk_tui.checkpoint.readers import WEIGHTS
from mpk_tui.checkpoint.reading import CACHE_LINK, Source
from mpk_tui.checkpoint.weights import Model, find_weights, models
from mpk_tui.errors import LimitError, MpkError, StorageError, UsageError
from mpk_tui.fingerprint.record import SUFFIX
from mpk_tui.progress import CancelToken

MOST_FILES = 5_000_000
"""Files below all folders of one sweep."""
_CONFIGS = ("config.json", "params.json")
_LOOSE = (".bin", ".pt", ".pth", ".ckpt")
"""Endings that other files have, too: alone in a folder they count only if their first bytes say so."""
_ALONE = ("gguf", "onnx", "npz")
"""Formats whose file says everything, so that the folder around it need not be read with it."""
_PICKLE = b"\x80"
"""First byte of a pickle of protocol 2 or later."""
_SAME = "the very files of"
_LEAST = 4096
"""Bytes of a file of another name before its first bytes are looked at."""


@dataclass(frozen=True)
class Found:
    """A checkpoint on a drive.

    Attributes:
        path: Folder or file, as `mpk_tui.checkpoint.open.open_checkpoint` takes it.
        model: Which of several models of the folder, or empty.
        name: Where it lies, from the folder that was named on; untrusted text.
        weights: Its files of weights, as (device, inode).
        size: Bytes of all of its files.
        stamp: SHA-256, hex, over path, size, modification time and inode of all of its files: equal as long as nobody
            changed any of them in an ordinary way.
    """

    path: Path
    model: str
    name: str
    weights: frozenset[tuple[int, int]]
    size: int
    stamp: str

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it among the checkpoints of a sweep."""
        return str(self.path), self.model


@dataclass(frozen=True)
class Skipped:
    """What was passed over.

    Attributes:
        path: Where it lies; untrusted text.
        reason: Why, half a sentence.
    """

    path: str
    reason: str


@dataclass(frozen=True)
class Drive:
    """What lies below the folders of a sweep.

    Attributes:
        found: Checkpoints, in the order in which they were come upon (by name).
        skipped: What was passed over.
        files: Files that were looked at.
    """

    found: tuple[Found, ...]
    skipped: tuple[Skipped, ...]
    files: int


def find(roots: list[Path], cancel: CancelToken | None = None) -> Drive:
    """Every checkpoint below some folders; a file that is named stands for itself.

    Args:
        roots: Folders or files; a link that is named is followed.
        cancel: Polled between folders.

    Raises:
        StorageError: One of them is not there or cannot be read.
        LimitError: More than `MOST_FILES` files.
    """
    search = _Search(cancel or CancelToken())
    for root in roots:
        path = Path(os.path.abspath(root))
        try:
            facts = os.stat(path)
        except OSError as error:
            raise StorageError(f"cannot be opened ({error.strerror})", where=str(root)) from None
        if stat.S_ISDIR(facts.st_mode):
            search.folder(path, path.name or str(path), facts.st_dev)
        elif stat.S_ISREG(facts.st_mode):
            search.take(path, "", path.name, [path])
        else:
            raise StorageError("is neither a folder nor a file", where=str(root))
    search.misnamed()
    return Drive(search.once(), tuple(search.skipped), search.files)


class _Search:
    """What one search has come upon so far."""

    def __init__(self, cancel: CancelToken) -> None:
        self.skipped: list[Skipped] = []
        self.files = 0
        self._cancel = cancel
        self._found: list[Found] = []
        self._folders: set[tuple[int, int]] = set()
        self._weights: set[tuple[int, int]] = set()
        self._others: list[tuple[Path, str]] = []

    def folder(self, root: Path, name: str, device: int) -> None:
        """Look through a folder and all below it; ``name`` is how its checkpoints are called."""
        waiting = [(root, name, 0)]
        while waiting:
            folder, called, depth = waiting.pop()
            self._cancel.check()
            below = []
            for entry in self._entries(folder):
                if entry.is_symlink():
                    if entry.is_dir():
                        self._skip(entry.path, "a link to a folder; links are not followed")
                    continue
                if not entry.is_dir(follow_symlinks=False):
                    continue
                facts = entry.stat(follow_symlinks=False)
                if facts.st_dev != device:
                    self._skip(entry.path, "another file system; name it to have it swept")
                elif depth >= MAX_DEPTH:
                    self._skip(entry.path, f"deeper than {MAX_DEPTH} folders")
                elif (facts.st_dev, facts.st_ino) not in self._folders:
                    self._folders.add((facts.st_dev, facts.st_ino))
                    below.append((Path(entry.path), f"{called}/{entry.name}", depth + 1))
            self._own(folder, called)
            waiting += reversed(below)

    def take(self, path: Path, model: str, name: str, weights: list[Path]) -> None:
        """A checkpoint."""
        try:
            inodes = frozenset((f.st_dev, f.st_ino) for f in map(os.stat, weights))
            size, stamp = stamped(path)
        except OSError as error:
            self._skip(str(path), f"cannot be read ({error.strerror})")
            return
        self._weights |= inodes
        self._found.append(Found(path, model, name, inodes, size, stamp))

    def once(self) -> tuple[Found, ...]:
        """Every checkpoint that has a file of weights of its own; where a folder and a file share them, the folder."""
        owners: dict[tuple[int, int], Found] = {}
        out = []
        for found in sorted(self._found, key=lambda f: not f.path.is_dir()):
            theirs = {owners[i].name: None for i in found.weights if i in owners}
            if found.weights and found.weights <= owners.keys() and len(theirs) == 1:
                self._skip(str(found.path), f"{_SAME} {next(iter(theirs))}, by hard links or a cache's links")
                continue
            for inode in found.weights:
                owners.setdefault(inode, found)
            out.append(found)
        place = {id(found): n for n, found in enumerate(self._found)}
        return tuple(sorted(out, key=lambda f: place[id(f)]))

    def misnamed(self) -> None:
        """Files under other names whose first bytes are those of weights, and that belong to no checkpoint yet."""
        for path, name in self._others:
            self._cancel.check()
            try:
                facts = os.lstat(path)
                if (facts.st_dev, facts.st_ino) not in self._weights and _starts_like_weights(path):
                    self.take(path, "", name, [path])
            except (OSError, MpkError):
                continue  # it has no weights' name, and nothing says that it holds any

    def _entries(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda e: os.fsencode(e.name))
        except OSError as error:
            self._skip(str(folder), f"cannot be listed ({error.strerror})")
            return []
        self.files += len(listed)
        if self.files > MOST_FILES:
            raise LimitError(f"more than {MOST_FILES} files", where=str(folder), hint="Sweep its folders one by one")
        return listed

    def _own(self, folder: Path, called: str) -> None:
        """The checkpoints that a folder's own files make up."""
        try:
            files = list_folder(folder, self._cancel, deep=False)
        except MpkError as error:
            self._skip(str(folder), error.diagnosis())
            return
        top = self._usable(folder, files)
        named = [p for p in top if p.endswith((*WEIGHTS, ".index.json"))]
        for path in top:
            if path not in named and top[path].kind == "file" and top[path].size >= _LEAST:
                if path.endswith(containers.ENDINGS):
                    self._skip(str(folder / path), "an archive or a format that is not decoded")
                elif not path.endswith(SUFFIX):
                    self._others.append((folder / path, f"{called}/{path}"))
        if not named:
            return
        usable = tuple(top.values())
        adapter = find_adapter(usable)
        if adapter is not None:
            weights = adapter[1]
            self.take(folder, "", called, [folder / w for w in weights])
            usable = tuple(e for e in usable if e.path not in weights)
            top = {e.path: e for e in usable}
        try:
            listed = [m for m in models(folder, top) if m.kind != "container"]
        except MpkError:
            # Names that contradict each other: opening it says what is wrong with them.
            self.take(folder, "", called, [folder / p for p in named if top.get(p) is not None])
            return
        config = next((c for c in _CONFIGS if c in top), "")
        if config and adapter is None and listed and self._as_one(folder, called, usable):
            return
        for model in listed:
            self._one(folder, called, model, bool(config), len(listed) == 1)

    def _usable(self, folder: Path, files: tuple[FileEntry, ...]) -> dict[str, FileEntry]:
        """The files of a folder that may be read: no links but a cache's, no devices."""
        top = {}
        for e in files:
            if e.kind == "file" or (e.kind == "symlink" and e.link_class == CACHE_LINK):
                top[e.path] = e
            elif e.path.endswith(WEIGHTS):
                what = {"broken": "a link to nothing", "outside": "a link out of its folder", "inside": "a link"}
                reason = what.get(e.link_class or "", "no regular file")
                self._skip(str(folder / e.path), reason + ("; links are not followed" if "link" in reason else ""))
        return top

    def _as_one(self, folder: Path, called: str, usable: tuple[FileEntry, ...]) -> bool:
        """A folder with a configuration, unless it holds several models between which only a person can choose."""
        try:
            chosen = find_weights(folder, usable, partial=True)
        except UsageError:
            return False
        except MpkError:
            return False
        self.take(folder, "", called, [folder / w for w in chosen.weights])
        return True

    def _one(self, folder: Path, called: str, model: Model, config: bool, alone: bool) -> None:
        """One of a folder's models: its file where that is all of it, else the folder with the model's name."""
        name = f"{called}/{model.name}"
        lone = len(model.weights) == 1 and not model.index_name and not model.missing
        if lone and (not config or model.kind in _ALONE):
            path = folder / model.weights[0]
            if not config and path.name.endswith(_LOOSE) and not _looks_loose(path):
                self._skip(str(path), "by its first bytes neither a PyTorch file nor a CTranslate2 model")
                return
            self.take(path, "", name, [path])
            return
        self.take(folder, "" if alone else model.name, called if alone else name, [folder / w for w in model.weights])

    def _skip(self, path: str, reason: str) -> None:
        self.skipped.append(Skipped(path, reason))


def stamped(path: Path) -> tuple[int, str]:
    """Bytes and stamp of a checkpoint's files as they are now (see `Found`).

    Raises:
        OSError: It cannot be looked at.
    """
    lines: list[bytes] = []
    total = 0
    for name, facts in _facts(path):
        lines.append(b"%s\0%d\0%d\0%d\n" % (os.fsencode(name), facts.st_size, facts.st_mtime_ns, facts.st_ino))
        total += facts.st_size if stat.S_ISREG(facts.st_mode) else 0
    return total, hashtree.sha256(b"".join(sorted(lines))).hex()


def _facts(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    if not path.is_dir():
        yield "", os.stat(path)
        return
    count = 0
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in names:
            count += 1
            if count > MAX_ENTRIES:  # it is not opened either
                return
            place = os.path.join(folder, name)
            try:
                facts = os.stat(place)  # of a cache's link what counts is the blob
            except OSError:
                facts = os.lstat(place)
            yield os.path.relpath(place, path), facts


def _starts_like_weights(path: Path) -> bool:
    """GGUF by its mark; safetensors by a length that fits into the file and the JSON object behind it."""
    with Source(path) as source:
        start = source.read(0, min(16, source.size))
        length = int.from_bytes(start[:8], "little")
        return start[:4] == b"GGUF" or (start[8:10] == b'{"' and 2 < length <= min(source.size - 8, 100_000_000))


def _looks_loose(path: Path) -> bool:
    try:
        with Source(path, follow=True) as source:
            start = source.read(0, min(16, source.size))
            return (
                not source.size
                or pytorch.looks_like(start)
                or start[:1] == _PICKLE
                or ctranslate2.looks_like(start)
                or containers.look(source, path.name) is not None
            )
    except MpkError:
        return True  # it is opened, and its line says what is wrong


def loose(drive: Drive) -> list[Found]:
    """Regular files among what was passed over: what they are is not known, but they can be hashed."""
    out = []
    for skipped in drive.skipped:
        if skipped.reason.startswith(_SAME):
            continue
        path = Path(skipped.path)
        with contextlib.suppress(OSError):
            facts = os.lstat(path)
            if stat.S_ISREG(facts.st_mode):
                size, stamp = stamped(path)
                out.append(Found(path, "", path.name, frozenset({(facts.st_dev, facts.st_ino)}), size, stamp))
    return out


def again(found: Found) -> Found:
    """The same checkpoint with the stamp that it has now.

    Raises:
        OSError: It is gone.
    """
    size, stamp = stamped(found.path)
    return replace(found, size=size, stamp=stamp)
