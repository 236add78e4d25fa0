"""Headers read in a process of their own: whatever a hostile file does to a reader, it does there.

The other process may take 2 GiB and two minutes of processor time, may open files but write none, and starts none.
What it answers is data of a fixed form, decoded by the types of `mpk_tui.checkpoint.model` and held against the
listing of this process; it is believed no more than the file it was read from.  Weights are decoded in this process,
by bounded reads at places that were checked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import selectors
import signal
import subprocess
import sys
import time
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from mpk_tui import errors
from mpk_tui.checkpoint.folder import list_folder
from mpk_tui.checkpoint.model import Checkpoint
from mpk_tui.errors import LimitError, MalformedError, MpkError, StorageError, UnstableFileError
from mpk_tui.progress import CancelToken

MEMORY = 2 << 30
"""Bytes of address space of the other process; a vocabulary of 256,000 tokens needs a tenth."""
SECONDS = 120
"""Processor time of the other process."""
MAX_ANSWER = 512 << 20
_OPEN_FILES = 64
_MAX_ERRORS = 1 << 16
_START = "import sys; sys.path.insert(0, sys.argv[1]); from mpk_tui.checkpoint.isolation import serve; serve()"
_KNOWN = {k.__name__: k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, MpkError)}
_SCALARS = frozenset({str, int, float, bool, type(None)})
_T = TypeVar("_T")


def open_isolated(path: Path, cancel: CancelToken, *, model: str = "", partial: bool = False) -> Checkpoint:
    """Open one checkpoint as `mpk_tui.checkpoint.open.open_checkpoint` does, its headers read by another process.

    Args:
        path: Folder or file.
        cancel: Polled while the other process works; it is killed when set.
        model: Which of several models of a folder.
        partial: Accept missing shards and files that were cut short.

    Raises:
        MpkError: What the reader refuses, from either process.
        LimitError: The reader needed more memory, time or output than it may.
        MalformedError: It died otherwise, or answered what cannot be.
    """
    request = json.dumps([os.fsencode(path.absolute()).hex(), model, partial]).encode()
    kind, answer = _ask(path, request, cancel)
    if kind == "error":
        raise _error(answer, path)
    found = decode(Checkpoint, answer, str(path))
    root = path if path.is_dir() else path.parent
    checked = dataclasses.replace(found, path=path, root=root)
    _check(checked, cancel, listed=path.is_dir())
    return checked


def serve() -> None:
    """What the other process does: one request from its input, one answer to its output."""
    _confine()
    request = json.loads(sys.stdin.buffer.read())
    path = Path(os.fsdecode(bytes.fromhex(request[0])))
    from mpk_tui.checkpoint.open import Opening, open_checkpoint

    try:
        found = open_checkpoint(path, None, Opening(request[1], partial=request[2]))
        answer = ["checkpoint", encode(found)]
    except MpkError as error:
        answer = ["error", [type(error).__name__, error.what, error.where, error.hint]]
    except MemoryError:
        answer = ["error", ["LimitError", f"needs more than {MEMORY >> 20} MiB to be read", str(path), None]]
    sys.stdout.buffer.write(json.dumps(answer).encode("ascii"))
    sys.stdout.buffer.flush()


def _confine() -> None:
    """Give up what reading headers does not need; what a system has no limit for is left."""
    try:
        import resource
    except ImportError:  # no Unix: a process of its own, without limits
        return
    for name, limit in (
        ("RLIMIT_AS", MEMORY), ("RLIMIT_CPU", SECONDS), ("RLIMIT_FSIZE", 0), ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", _OPEN_FILES), ("RLIMIT_NPROC", 0),
    ):  # fmt: skip
        if hasattr(resource, name):
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(getattr(resource, name), (limit, limit))


def _ask(path: Path, request: bytes, cancel: CancelToken) -> tuple[str, Any]:
    """Start the other process, hand it the request and take its answer."""
    package = Path(__file__).resolve().parents[2]
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", _START, str(package)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath},
            start_new_session=True,  # Ctrl-C reaches this process, which ends the other one
        )
    except OSError as error:
        raise StorageError(f"no process could be started to read it ({error.strerror})", where=str(path)) from None
    try:
        raw = _exchange(process, request, cancel, path)
        code = process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        code = -signal.SIGKILL
    finally:
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
    if code == -int(getattr(signal, "SIGXCPU", 1 << 16)) or (code == -signal.SIGKILL and not raw):
        raise LimitError(f"its reader was stopped: it took more than {SECONDS} s or too much memory", where=str(path))
    try:
        kind, value = json.loads(raw)
    except (ValueError, TypeError, RecursionError):
        raise MalformedError(
            f"the process that read it ended without an answer (exit {code})",
            where=str(path),
            hint="Nothing was recorded. The file may be made to break readers; keep it as it is",
        ) from None
    if kind not in ("checkpoint", "error"):
        raise MalformedError("the process that read it answered something else", where=str(path))
    return kind, value


def _exchange(process: subprocess.Popen[bytes], request: bytes, cancel: CancelToken, path: Path) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.write(request)
        process.stdin.close()
    out = bytearray()
    # Processor time is bounded by the system; a reader that waits on a drive is bounded here.
    until = time.monotonic() + 10 * SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            cancel.check()
            if time.monotonic() > until:
                raise LimitError(f"was not read within {10 * SECONDS} s", where=str(path))
            if not selector.select(0.1):
                continue
            piece = os.read(process.stdout.fileno(), 1 << 20)
            if not piece:
                return bytes(out)
            out += piece
            if len(out) > MAX_ANSWER:
                raise LimitError(f"its headers come to more than {MAX_ANSWER >> 20} MiB", where=str(path))


def _error(answer: Any, path: Path) -> MpkError:
    """The error of the other process, of the same kind."""
    texts = answer if isinstance(answer, list) and len(answer) == 4 else ["MalformedError", "answered nothing", "", ""]
    name, what, where, hint = (str(t)[:_MAX_ERRORS] if t is not None else "" for t in texts)
    kind = _KNOWN.get(name, MalformedError)
    if kind in (errors.CancelledError, MpkError):
        kind = MalformedError
    return kind(what, where=where or str(path), hint=hint or None)


def _check(found: Checkpoint, cancel: CancelToken, *, listed: bool) -> None:
    """Hold an answer against what this process sees itself."""
    where = str(found.path)
    if listed:
        if found.files != list_folder(found.root, cancel):
            raise UnstableFileError("changed while it was read", where=where, hint="Let it come to rest, then repeat")
    elif [e.path for e in found.files] != [found.path.name]:
        raise MalformedError("the process that read it names other files", where=where)
    sizes = {e.path: e.size for e in found.files}
    everything = [*found.tensors.items(), *((t.name, t) for ts in found.twins.values() for t in ts)]
    for name, tensor in everything:
        size = sizes.get(tensor.file, -1)
        if name != tensor.name or not 0 <= tensor.offset <= tensor.offset + tensor.nbytes <= size:
            raise MalformedError("a tensor lies outside its file", where=f"{where}, tensor {name[:200]!r}")
    if found.roots or not sizes.keys() >= {*found.weights, *found.twins}:
        raise MalformedError("the process that read it names other files", where=where)


def encode(value: Any) -> Any:
    """A record as lists, strings and numbers; what a type hint will not tell is marked."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [encode(getattr(value, f.name)) for f in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return {"m": [[encode(k), encode(v)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"t": list(value) if _SCALARS.issuperset(map(type, value)) else [encode(v) for v in value]}
    if isinstance(value, frozenset):
        return {"s": sorted(value)}
    if isinstance(value, bytes):
        return {"b": value.hex()}
    if isinstance(value, Path):
        return os.fsdecode(value)
    if isinstance(value, list):
        return [encode(v) for v in value]
    return value


def decode(kind: type[_T], value: Any, where: str) -> _T:
    """The record of a type that `encode` made.

    Raises:
        MalformedError: It is none.
    """
    try:
        found: _T = _decode(kind, value)
    except (TypeError, ValueError, KeyError, RecursionError, OverflowError) as error:
        raise MalformedError(f"the process that read it answered no checkpoint ({error})", where=where) from None
    return found


@functools.cache
def _fields(kind: type) -> tuple[tuple[str, Any], ...]:
    hints = typing.get_type_hints(kind)
    return tuple((f.name, hints[f.name]) for f in dataclasses.fields(kind))


def _decode(kind: Any, value: Any) -> Any:
    if kind is Any:
        return _plain(value)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _decode(next(k for k in inner if k is not types.NoneType), value)
    if origin is tuple:
        items = _marked(value, "t")
        if len(inner) == 2 and inner[1] is Ellipsis:
            # Vocabularies have hundreds of thousands of entries.
            if {inner[0], *typing.get_args(inner[0])}.issuperset(map(type, items)):
                return tuple(items)
            return tuple([_decode(inner[0], v) for v in items])
        return tuple(_decode(k, v) for k, v in zip(inner, items, strict=True))
    if origin is frozenset:
        return frozenset(_decode(inner[0], v) for v in _marked(value, "s"))
    if origin is not None and issubclass(origin, Mapping):
        return {_decode(inner[0], k): _decode(inner[1], v) for k, v in _marked(value, "m")}
    if dataclasses.is_dataclass(kind):
        fields = _fields(typing.cast(type, kind))
        if not isinstance(value, list) or len(value) != len(fields):
            raise TypeError(f"{getattr(kind, '__name__', kind)} expected")
        make: Callable[..., Any] = typing.cast(Any, kind)
        return make(**{name: _decode(k, v) for (name, k), v in zip(fields, value, strict=True)})
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError(f"{getattr(kind, '__name__', kind)} expected, {type(value).__name__} found")
    return value


def _marked(value: Any, mark: str) -> list[Any]:
    if not isinstance(value, dict) or list(value) != [mark] or not isinstance(value[mark], list):
        raise TypeError("another container expected")
    items: list[Any] = value[mark]
    return items


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if not isinstance(value, dict):
        return value
    ((mark, inner),) = value.items()
    if mark == "m":
        return {_plain(k): _plain(v) for k, v in inner}
    if mark == "t":
        return tuple(inner) if _SCALARS.issuperset(map(type, inner)) else tuple([_plain(v) for v in inner])
    if mark == "b":
        return bytes.fromhex(inner)
    if mark == "s":
        return frozenset(inner)
    raise TypeError(f"mark {mark!r}")
