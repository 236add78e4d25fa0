"""What is done to one checkpoint, in a process of its own: read, fingerprinted, scanned.

The process gets an order and gives back what it measured; whatever a hostile file does to a reader, it does there.  It
may take so much memory; how long it may take is watched from outside (`mpk_tui.sweep.local`).  The fingerprint comes
back as the bytes of its file, or lies in a folder that both sides see, and is read and checked by whoever ordered it:
nothing that is known of a checkpoint rests on the word of the process that measured it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpk_tui import canonical
from mpk_tui.checkpoint.opening import Opening
from mpk_tui.errors import MalformedError, UnstableFileError
from mpk_tui.files import write_file
from mpk_tui.fingerprint import record
from mpk_tui.progress import CancelToken, Report

if TYPE_CHECKING:
    from mpk_tui.lineage.sides import Side

TASK = f"{__name__}:measure_task"


@dataclass(frozen=True)
class Order:
    """What is to be done to one checkpoint.

    Attributes:
        path: Folder or file.
        model: Which of several models of the folder, or empty.
        partial: Accept missing shards and files that were cut short.
        library: Library to scan, or None.
        leave: File to write the fingerprint to, or None: then it comes back with the answer.
        memory: Bytes of address space, 0 for no limit.
        known: Fingerprint file of this very checkpoint, made before: then it is not read again, only scanned.
    """

    path: Path
    model: str = ""
    partial: bool = False
    library: Path | None = None
    leave: Path | None = None
    memory: int = 0
    known: Path | None = None

    def to_bytes(self) -> bytes:
        """As it goes to the process."""
        return canonical.encode(
            {
                "path": os.fsencode(self.path), "model": os.fsencode(self.model), "partial": self.partial,
                "library": _path(self.library), "leave": _path(self.leave), "memory": self.memory,
                "known": _path(self.known),
            }
        )  # fmt: skip

    @staticmethod
    def from_bytes(data: bytes) -> Order:
        """The order that `to_bytes` wrote."""
        v = canonical.decode(data, where="order")
        return Order(
            Path(os.fsdecode(v["path"])), os.fsdecode(v["model"]), v["partial"], _read(v["library"]), _read(v["leave"]),
            v["memory"], _read(v["known"]),
        )  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        fingerprint: Bytes of its file; empty if it was left in a file.
        scan: Record of the scan, or None.
        fault: Why there is no scan although one was ordered: name, exit code and diagnosis; or None.
    """

    fingerprint: bytes
    scan: dict[str, Any] | None
    fault: dict[str, Any] | None = None

    def to_bytes(self) -> bytes:
        """As it goes back."""
        said = json.dumps({"scan": self.scan, "fault": self.fault}, ensure_ascii=True).encode("ascii")
        return canonical.encode([self.fingerprint, said])

    @staticmethod
    def from_bytes(data: bytes) -> Answer:
        """The answer that `to_bytes` wrote.

        Raises:
            MalformedError: It is none.
        """
        try:
            fingerprint, said = canonical.decode(data, where="answer")
            told = json.loads(said)
            scan, fault = told["scan"], told["fault"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise MalformedError("whoever measured it answered something else") from None
        if not isinstance(fingerprint, bytes) or not all(v is None or isinstance(v, dict) for v in (scan, fault)):
            raise MalformedError("whoever measured it answered something else")
        return Answer(fingerprint, scan, fault)


def measure_task(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    """What the other process does: `Order` in, `Answer` out."""
    order = Order.from_bytes(request)
    confine(order.memory)
    return measure(order, report, cancel).to_bytes()


def measure(order: Order, report: Report, cancel: CancelToken) -> Answer:
    """Fingerprint a checkpoint, and scan a library for its relatives with its weights at hand.

    Raises:
        MpkError: It cannot be read.  That a library cannot be scanned is no error here, but part of the answer.
    """
    with opened(order, report, cancel) as side:
        data = side.fingerprint.to_bytes()
        if order.leave is not None:
            write_file(order.leave, data)
        scan, fault = None, None
        if order.library is not None:
            from mpk_tui.sweep.relatives import scanned

            scan, fault = scanned(order.library, side, report, cancel)
    return Answer(b"" if order.leave is not None else data, scan, fault)


@contextlib.contextmanager
def opened(order: Order, report: Report, cancel: CancelToken) -> Iterator[Side]:
    """The checkpoint of an order with its weights at hand, measured anew unless it is known.

    Raises:
        MpkError: It cannot be read.
    """
    # Late: they bring NumPy, which whoever only gives orders does not need.
    from mpk_tui.lineage.sides import Side, Weights, open_side

    how = Opening(order.model, order.partial)
    if order.known is None:
        with open_side(order.path, report, cancel, how) as side:
            yield replace(side, label=readable(side.label))
        return
    from mpk_tui.checkpoint.arrays import WeightReader
    from mpk_tui.checkpoint.open import open_checkpoint

    made = record.read(order.known)
    checkpoint = open_checkpoint(order.path, cancel, how)
    stored = {(t.name, t.dtype, t.shape, t.nbytes) for t in checkpoint.tensors.values()}
    if stored != {(t.name, t.dtype, t.shape, t.nbytes) for t in made.tensors}:
        raise UnstableFileError(
            "its tensors are not those of the fingerprint that was kept of it", where=str(order.path),
            hint="It was changed in a way that size, time and inode do not show; sweep it with --again",
        )  # fmt: skip
    with WeightReader(checkpoint) as reader:
        yield Side(readable(order.path.name), made, Weights(checkpoint, reader))


def readable(name: str) -> str:
    """A name as records can hold it: what is not UTF-8 in letters."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode("utf-8")


def confine(memory: int) -> None:
    """Take no more memory than that, dump no core; what a system has no limit for is left."""
    try:
        import resource
    except ImportError:  # no Unix: a process of its own, without limits
        return
    limits = [("RLIMIT_CORE", 0), *([("RLIMIT_AS", memory)] if memory else [])]
    for name, limit in limits:
        if hasattr(resource, name):
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(getattr(resource, name), (limit, limit))


def _path(path: Path | None) -> bytes | None:
    return None if path is None else os.fsencode(path)


def _read(path: bytes | None) -> Path | None:
    return None if path is None else Path(os.fsdecode(path))
