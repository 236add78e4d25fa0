"""SHA-256 of every file and of every tensor's raw bytes, in one read.  Standard library only.

Each weight file is read once, in chunks, by positional reads into a few reused buffers; two threads hash a chunk at
the same time, one for the file, one for the tensors that lie in it, while the next chunk is being read.  hashlib
releases the GIL, so two cores do the work that one core needs to hash the file alone.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from mpk_tui import canonical, hashtree
from mpk_tui.checkpoint.model import Checkpoint, FileEntry, Tensor
from mpk_tui.checkpoint.reading import open_entry
from mpk_tui.errors import UnstableFileError
from mpk_tui.progress import CancelToken, Meter, Report, silent

CHUNK = 4 << 20
"""Bytes per read: large enough that threads meet rarely, small enough to stay in cache between the two hashes."""
_BUFFERS = 3

Submit = Callable[..., "Future[None]"]


@dataclass(frozen=True)
class FileHash:
    """A directory entry and, for a regular file or an accepted link, the SHA-256 of its content."""

    path: str
    kind: str
    size: int
    sha256: bytes | None
    link: str | None = None
    link_class: str | None = None


@dataclass(frozen=True)
class TensorHash:
    """A tensor and the SHA-256 of its raw bytes as stored."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    sha256: bytes

    @property
    def elements(self) -> int:
        """Number of elements."""
        n = 1
        for d in self.shape:
            n *= d
        return n

    def item(self) -> bytes:
        """Canonical leaf item of the tensor tree: [name, dtype, shape, nbytes, sha256]."""
        return canonical.encode([self.name, self.dtype, list(self.shape), self.nbytes, self.sha256])


@dataclass(frozen=True)
class Hashes:
    """Everything that was hashed: files sorted by path, tensors sorted by name; tensors of twins by file."""

    files: tuple[FileHash, ...]
    tensors: tuple[TensorHash, ...]
    twins: Mapping[str, tuple[TensorHash, ...]] = field(default_factory=dict)


class Began(Protocol):
    """What was taken from an earlier run."""

    def stage(self) -> str:
        """The few words that fit a progress line."""


class Kept(Protocol):
    """Hashes that an interrupted run left, see `mpk_tui.fingerprint.kept`."""

    def find(
        self, path: str, facts: os.stat_result, tensors: Sequence[Tensor]
    ) -> tuple[bytes, list[TensorHash]] | None:
        """The hashes of a file, or None if it must be read."""

    def keep(
        self,
        path: str,
        before: os.stat_result,
        after: os.stat_result,
        began_ns: int,
        digest: bytes,
        tensors: Sequence[Tensor],
        hashes: Sequence[TensorHash],
    ) -> None:
        """Keep the hashes of a file that was read to its end."""

    def took(self, files: int, of: int, nbytes: int, all_bytes: int) -> Began | None:
        """Note how much was taken."""


def tensor_root(tensors: tuple[TensorHash, ...]) -> bytes:
    """RFC 9162 root over the leaf items, in order of names; independent of files and shards."""
    return hashtree.merkle_root([hashtree.leaf_hash(t.item()) for t in tensors])


def hash_checkpoint(
    checkpoint: Checkpoint,
    report: Report = silent,
    cancel: CancelToken | None = None,
    threads: int | None = None,
    kept: Kept | None = None,
) -> Hashes:
    """Hash all files below the root and all tensors.

    Args:
        checkpoint: From `open_checkpoint`.
        report: Progress in bytes.
        cancel: Polled once a chunk.
        threads: Hashing threads; all cores by default.
        kept: Hashes of an interrupted run, taken where they may be, and where finished files are kept.

    Raises:
        UnstableFileError: A file changed between its opening and its last byte.
        StorageError: The operating system refused a read.
        CancelledError: Stopped on request.
    """
    cancel = cancel or CancelToken()
    by_file: dict[str, list[Tensor]] = {path: [] for path in checkpoint.weights}
    by_file |= {path: list(tensors) for path, tensors in checkpoint.twins.items()}
    twins: dict[str, tuple[TensorHash, ...]] = {}
    for tensor in checkpoint.tensors.values():
        by_file[tensor.file].append(tensor)
    readable = [e for e in checkpoint.files if _has_content(e)]
    known = _known(checkpoint, readable, by_file, kept)
    digests: dict[str, bytes] = {}
    tensors: list[TensorHash] = []

    def take(path: str, digest: bytes, found: list[TensorHash]) -> None:
        digests[path] = digest
        if path in checkpoint.twins:
            twins[path] = tuple(found)
        else:
            tensors.extend(found)

    for path, (digest, hashes) in known.items():
        take(path, digest, hashes)
    everything, taken = sum(e.size for e in readable), sum(e.size for e in readable if e.path in known)
    began = kept.took(len(known), len(readable), taken, everything) if kept is not None else None
    readable = [e for e in readable if e.path not in known]
    # What was taken is no work done: it would make the rate, and with it the estimate, too good.
    meter = Meter(report, began.stage() if began else "hashing", everything - taken)
    # A file with tensors keeps two threads busy; the largest go first so that none is left alone at the end.
    lanes = max(1, (threads or os.cpu_count() or 1) // 2)
    order = sorted(readable, key=lambda e: -e.size)
    stop = CancelToken()

    def one(entry: FileEntry) -> tuple[str, bytes, list[TensorHash]]:
        return entry.path, *_hash_file(checkpoint, entry, by_file.get(entry.path, []), meter, cancel, stop, kept)

    with ThreadPoolExecutor(lanes, thread_name_prefix="hash-file") as pool:
        futures = [pool.submit(one, entry) for entry in order]
        try:
            for future in futures:
                take(*future.result())
        except BaseException:
            stop.cancel()
            for future in futures:
                future.cancel()
            raise
    files = tuple(FileHash(e.path, e.kind, e.size, digests.get(e.path), e.link, e.link_class) for e in checkpoint.files)
    return Hashes(files, tuple(sorted(tensors, key=lambda t: t.name.encode("utf-8", "surrogatepass"))), twins)


def hash_tensor(checkpoint: Checkpoint, name: str, report: Report = silent) -> TensorHash | None:
    """Hash one tensor and nothing else; None if the checkpoint has none of that name.

    Raises:
        UnstableFileError: Its file changed while it was read.
        StorageError: The operating system refused a read.
    """
    tensor = checkpoint.tensors.get(name)
    if tensor is None:
        return None
    entry = next(e for e in checkpoint.files if e.path == tensor.file)
    meter = Meter(report, "hashing", tensor.nbytes)
    total = hashlib.sha256()
    with open_entry(checkpoint.places, entry) as source:
        buffer = bytearray(min(CHUNK, tensor.nbytes))
        for at in range(0, tensor.nbytes, CHUNK):
            view = memoryview(buffer)[: min(CHUNK, tensor.nbytes - at)]
            source.read_into(view, tensor.offset + at)
            total.update(view)
            meter.add(len(view), name)
        source.check_unchanged()
    return TensorHash(name, tensor.dtype, tensor.shape, tensor.nbytes, total.digest())


def _known(
    checkpoint: Checkpoint, readable: list[FileEntry], by_file: Mapping[str, list[Tensor]], kept: Kept | None
) -> dict[str, tuple[bytes, list[TensorHash]]]:
    """Hashes that need no reading, by path."""
    out: dict[str, tuple[bytes, list[TensorHash]]] = {}
    for entry in readable if kept is not None else ():
        with open_entry(checkpoint.places, entry) as source:
            found = kept.find(entry.path, source.facts, by_file.get(entry.path, [])) if kept is not None else None
        if found is not None:
            out[entry.path] = found
    return out


def _has_content(entry: FileEntry) -> bool:
    return entry.kind == "file" or (entry.kind == "symlink" and entry.link_class == "cache")


def _hash_file(
    checkpoint: Checkpoint,
    entry: FileEntry,
    tensors: list[Tensor],
    meter: Meter,
    cancel: CancelToken,
    stop: CancelToken,
    kept: Kept | None,
) -> tuple[bytes, list[TensorHash]]:
    whole = hashlib.sha256()
    segments = _Segments(tensors)
    began_ns = time.time_ns()
    with open_entry(checkpoint.places, entry) as source, _lane() as submit:
        buffers = [bytearray(CHUNK) for _ in range(_BUFFERS)]
        pending: list[Future[None] | None] = [None] * _BUFFERS
        at = turn = 0
        while at < entry.size:
            cancel.check()
            stop.check()
            waiting = pending[turn]
            if waiting is not None:
                waiting.result()  # this buffer may be filled again once its hash is done
            view = memoryview(buffers[turn])[: min(CHUNK, entry.size - at)]
            source.read_into(view, at)
            pending[turn] = submit(segments.update, view, at)
            whole.update(view)
            meter.add(len(view), entry.path)
            at += len(view)
            turn = (turn + 1) % _BUFFERS
        for waiting in pending:
            if waiting is not None:
                waiting.result()
        after = source.check_unchanged()
    if entry.size == 0:
        meter.add(0, entry.path)
    digest, hashes = whole.digest(), segments.results()
    if kept is not None:
        kept.keep(entry.path, source.facts, after, began_ns, digest, tensors, hashes)
    return digest, hashes


@contextmanager
def _lane() -> Iterator[Submit]:
    """A second thread for one file; work given to it runs in order."""
    with ThreadPoolExecutor(1, thread_name_prefix="hash-tensors") as pool:
        yield pool.submit


class _Segments:
    """Feeds consecutive chunks of a file to the digests of the tensors that lie in it.

    Tensors may share their bytes as a whole (tied weights of a PyTorch file), never in part.
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        groups: dict[tuple[int, int], list[Tensor]] = {}
        for t in tensors:
            groups.setdefault((t.offset, t.nbytes), []).append(t)
        self._todo = sorted(groups.items())
        self._next = 0
        self._digest = hashlib.sha256()
        self._done: list[TensorHash] = []

    def update(self, chunk: memoryview, at: int) -> None:
        """Take ``chunk``, which starts at byte ``at`` of the file; chunks come in order, without gaps."""
        end = at + len(chunk)
        while self._next < len(self._todo):
            (offset, nbytes), _ = self._todo[self._next]
            last = offset + nbytes
            if offset >= end and nbytes:
                return
            self._digest.update(chunk[max(0, offset - at) : max(0, last - at)])
            if last > end:
                return
            self._finish()

    def results(self) -> list[TensorHash]:
        """Digests of all tensors; empty ones at the end of a file are closed here."""
        while self._next < len(self._todo) and not self._todo[self._next][0][1]:
            self._finish()
        if self._next < len(self._todo):
            (offset, _), tensors = self._todo[self._next]
            raise UnstableFileError(
                f"the file ended before tensor {tensors[0].name!r} did",
                where=f"{tensors[0].file}, byte {offset}",
                hint="It was changed while it was read; copy it to a quiet place and start again",
            )
        return self._done

    def _finish(self) -> None:
        _, tensors = self._todo[self._next]
        digest = self._digest.digest()
        self._done += [TensorHash(t.name, t.dtype, t.shape, t.nbytes, digest) for t in tensors]
        self._digest = hashlib.sha256()
        self._next += 1
