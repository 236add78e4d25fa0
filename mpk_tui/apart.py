"""Work in a process of its own, driven from a thread of this one: progress and a result come back, nothing else.

An interface that shares its interpreter with a measurement stalls whenever that holds the interpreter's lock for long,
as sorting 100,000 names or packing a vocabulary does; and what breaks a library that is not Python's takes the
interface with it.  A process apart does neither, and is gone at once when it is no longer wanted.

The other process runs one function ``module:name`` of ours, ``(request, report, cancel) -> bytes``, on a request of
bytes.  It writes frames ``kind | u32be length | payload`` to its output: ``p`` progress (dropped while nobody reads),
then one of ``r`` the result, ``e`` an `MpkError`, ``f`` a fault of ours, by places only.  It reads single bytes from
its input: ``p`` pause, ``g`` go on; the end of its input, which also comes when this process is killed, means stop.
Both ends are the same installation; the payloads of functions are their own canonical formats.

Standard library only.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mpk_tui import errors
from mpk_tui.errors import CancelledError, LimitError, MpkError, StorageError
from mpk_tui.progress import CancelToken, Progress, Report

GRACE = 1.0
"""Seconds in which the other process may end by itself once it was asked to; then it is killed."""
_ALONE = 10.0
"""Seconds after which the other process ends itself if nobody is there any more."""
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from mpk_tui.apart import serve; serve()"
_HEAD = 5
_MAX_FRAME = 1 << 30
_PIPE = 4096
"""Bytes that a pipe takes whole or not at all (PIPE_BUF on Linux; POSIX promises 512)."""
_KNOWN = {k.__name__: k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, MpkError)}

Task = Callable[[bytes, Report, CancelToken], bytes]


def run_apart(task: str, request: bytes, report: Report, cancel: CancelToken) -> bytes:
    """Run a function of ours in a process of its own and return what it returns.

    Args:
        task: ``module:function``, a name that stands in our code and never comes from outside.
        request: Its argument.
        report: Progress, as the function reports it.
        cancel: Pauses, resumes and stops the other process.

    Raises:
        MpkError: What the function raised.
        LimitError: The system ended the process, most often for want of memory.
        CancelledError: Stopped on request.
    """
    cancel.check()
    # The same modules as here; not what lies in the folder where the person stands, so far as it was not named.
    ours = [p for p in dict.fromkeys([*sys.path, str(Path(__file__).resolve().parent.parent)]) if p]
    quiet = ["-B"] if sys.dont_write_bytecode else []  # which -I takes from no variable
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", *quiet, "-c", _START, json.dumps(ours)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # ^C and ^Z in the terminal are for this process
        )
    except OSError as error:
        raise StorageError(f"no process could be started ({error.strerror})", hint="Close something first") from None
    try:
        return _converse(process, task, request, report, cancel)
    finally:
        _end(process)


def _converse(
    process: subprocess.Popen[bytes], task: str, request: bytes, report: Report, cancel: CancelToken
) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    name = task.encode()
    with contextlib.suppress(OSError):  # it died at once: its end of the output says so below
        process.stdin.write(len(name).to_bytes(4, "big") + name + len(request).to_bytes(4, "big") + request)
        process.stdin.flush()
    got, paused = bytearray(), False
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if cancel.cancelled:
                raise CancelledError
            if cancel.paused is not paused:
                paused = not paused
                with contextlib.suppress(OSError):
                    process.stdin.write(b"p" if paused else b"g")
                    process.stdin.flush()
            if not selector.select(0.05):
                continue
            piece = os.read(process.stdout.fileno(), 1 << 20)
            if not piece:
                raise _died(process)
            got += piece
            while (frame := _frame(got)) is not None:
                kind, payload = frame
                if kind == b"p":
                    report(Progress(*json.loads(payload)))
                elif kind == b"r":
                    return payload
                else:
                    raise _raised(kind, payload)


def _frame(got: bytearray) -> tuple[bytes, bytes] | None:
    """Take one whole frame off the front, or None if there is none yet."""
    if len(got) < _HEAD:
        return None
    length = int.from_bytes(got[1:_HEAD], "big")
    if length > _MAX_FRAME:
        raise LimitError(f"an answer of {length} bytes (at most {_MAX_FRAME})")
    if len(got) < _HEAD + length:
        return None
    kind, payload = bytes(got[:1]), bytes(got[_HEAD : _HEAD + length])
    del got[: _HEAD + length]
    return kind, payload


def _raised(kind: bytes, payload: bytes) -> MpkError:
    if kind == b"f":
        return MpkError(f"a fault of ours: {payload.decode()}", hint="Nothing was recorded; please report it")
    name, what, where, hint = json.loads(payload)
    if name == "CancelledError":
        return CancelledError()
    return _KNOWN.get(name, MpkError)(what, where=where, hint=hint)


def _died(process: subprocess.Popen[bytes]) -> MpkError:
    code = process.wait()
    if code == -signal.SIGKILL:
        why = "the system ended the process that did this work, most often because memory ran out"
    elif code < 0:
        why = f"the process that did this work was ended by signal {-code}"
    else:
        why = f"the process that did this work ended without an answer (exit {code})"
    return LimitError(why, hint="Nothing was recorded; close other programs and start it again")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop, and see that it is gone."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()


# -- the other process ----------------------------------------------------------------------------------------------


def serve() -> None:
    """What the other process does."""
    # Whatever a library prints must not come between the frames.
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    given = sys.stdin.buffer
    task = _take(given).decode()
    request = _take(given)
    cancel = CancelToken()
    threading.Thread(target=_listen, args=(given, cancel), daemon=True).start()
    kind, payload = _answer(task, request, answers, cancel)
    with contextlib.suppress(OSError):
        _write(answers, kind, payload)
    os._exit(0)  # the thread that listens would hold an orderly end back


def _answer(task: str, request: bytes, answers: int, cancel: CancelToken) -> tuple[bytes, bytes]:
    def report(p: Progress) -> None:
        frame = json.dumps([p.stage[:200], p.done, p.total, p.unit, p.elapsed, p.item[:400]]).encode()
        if len(frame) + _HEAD > _PIPE:  # a name that needs many escapes
            frame = json.dumps([p.stage[:200], p.done, p.total, p.unit, p.elapsed, ""]).encode()
        # A report that nobody reads (the interface is suspended) is dropped: the work must not wait for a reader.
        with selectors.DefaultSelector() as selector:
            selector.register(answers, selectors.EVENT_WRITE)
            if selector.select(0):
                with contextlib.suppress(OSError):
                    _write(answers, b"p", frame)

    try:
        module, name = task.split(":")
        made: Task = getattr(importlib.import_module(module), name)
        return b"r", made(request, report, cancel)
    except MpkError as error:
        return b"e", json.dumps([type(error).__name__, error.what, error.where, error.hint]).encode()
    except MemoryError:
        return b"e", json.dumps(["LimitError", "memory ran out", None, "Nothing was recorded"]).encode()
    except OSError as error:
        where = None if error.filename is None else str(error.filename)
        return b"e", json.dumps(["StorageError", str(error.strerror or error), where, "Nothing was recorded"]).encode()
    except Exception as error:
        return b"f", places(error).encode()


def places(error: BaseException) -> str:
    """What went wrong and where in our code, without any value: a value may be what nobody should read."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return f"{type(error).__name__} in " + ", ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames)


def _listen(given: BinaryIO, cancel: CancelToken) -> None:
    while byte := os.read(given.fileno(), 1):
        cancel.pause() if byte == b"p" else cancel.resume()
    cancel.cancel()
    time.sleep(_ALONE)
    os._exit(int(errors.ExitCode.INTERRUPTED))


def _take(given: BinaryIO) -> bytes:
    """One length and so many bytes; read without a buffer of Python's, which would swallow what follows."""

    def exactly(count: int) -> bytes:
        out = b""
        while len(out) < count:
            piece = os.read(given.fileno(), count - len(out))
            if not piece:
                os._exit(int(errors.ExitCode.INTERRUPTED))
            out += piece
        return out

    return exactly(int.from_bytes(exactly(4), "big"))


def _write(to: int, kind: bytes, payload: bytes) -> None:
    frame = memoryview(kind + len(payload).to_bytes(4, "big") + payload)
    while frame:
        frame = frame[os.write(to, frame) :]
