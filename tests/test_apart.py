"""Work in a process of its own: answers, errors, pauses, and an end in every case."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from mpk_tui.apart import run_apart
from mpk_tui.errors import CancelledError, LimitError, MalformedError, MpkError, StorageError
from mpk_tui.progress import CancelToken, Meter, Progress, Report, silent

HERE = __name__


def echo(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    print("what a library prints does not come between the frames", flush=True)
    report(Progress("echoing", 1, 2, "steps", 0.5, "x\x1b" * 4000))
    return request[::-1]


def refuse(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    raise MalformedError("the header is cut short", where="a.gguf", hint="Copy it again")


def break_down(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    secret = request.decode()
    raise ValueError(f"cannot use {secret}")


def vanish(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    return Path(request.decode()).read_bytes()


def die(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    os.kill(os.getpid(), int(request))
    return b""


def count(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    """Count up until stopped; the pid goes to the file that the request names."""
    Path(os.fsdecode(request)).write_text(str(os.getpid()))
    meter = Meter(report, "counting", 1 << 40)
    while True:
        cancel.check()
        meter.add(1)
        time.sleep(0.01)


def deaf(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    Path(os.fsdecode(request)).write_text(str(os.getpid()))
    while True:
        time.sleep(60)


def wait(true: object, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and ") Z " in stat.read_text()


def test_bytes_go_and_come_with_progress() -> None:
    seen: list[Progress] = []
    payload = os.urandom(3 << 20)
    assert run_apart(f"{HERE}:echo", payload, seen.append, CancelToken()) == payload[::-1]
    assert [(p.stage, p.done, p.total, p.unit) for p in seen] == [("echoing", 1, 2, "steps")]
    assert len(seen[0].item) <= 400


def test_errors_come_back_as_they_were() -> None:
    with pytest.raises(MalformedError) as caught:
        run_apart(f"{HERE}:refuse", b"", silent, CancelToken())
    assert caught.value.diagnosis() == "a.gguf: the header is cut short. Copy it again"
    with pytest.raises(StorageError, match="nowhere"):
        run_apart(f"{HERE}:vanish", b"/nowhere/at/all", silent, CancelToken())


def test_a_fault_of_ours_names_places_and_no_values() -> None:
    with pytest.raises(MpkError) as caught:
        run_apart(f"{HERE}:break_down", b"correct horse", silent, CancelToken())
    assert "ValueError in" in str(caught.value)
    assert "test_apart.py:" in str(caught.value)
    assert "correct horse" not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGKILL, "memory"), (signal.SIGSEGV, f"signal {signal.SIGSEGV}")]
)
def test_a_process_that_dies_is_told(number: signal.Signals, words: str) -> None:
    with pytest.raises(LimitError, match=words):
        run_apart(f"{HERE}:die", str(int(number)).encode(), silent, CancelToken())


@pytest.mark.parametrize("task", ["count", "deaf"])
def test_stopping_ends_the_process_even_if_it_does_not_listen(task: str, tmp_path: Path) -> None:
    token, file = CancelToken(), tmp_path / "pid"
    raised: list[BaseException] = []

    def run() -> None:
        try:
            run_apart(f"{HERE}:{task}", os.fsencode(file), silent, token)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait(lambda: file.exists() and file.read_text())
    token.cancel()
    thread.join(120)
    assert isinstance(raised[0], CancelledError)
    assert gone(int(file.read_text()))


def test_a_pause_reaches_the_other_process(tmp_path: Path) -> None:
    token, file = CancelToken(), tmp_path / "pid"
    seen: list[Progress] = []

    def run() -> None:
        with pytest.raises(CancelledError):
            run_apart(f"{HERE}:count", os.fsencode(file), seen.append, token)

    thread = threading.Thread(target=run)
    thread.start()
    wait(lambda: len(seen) > 1)
    token.pause()
    # What was under way arrives; then nothing more does.
    still = -1
    while still != len(seen):
        still = len(seen)
        time.sleep(0.5)
    assert not gone(int(file.read_text()))
    token.resume()
    wait(lambda: len(seen) > still)
    token.cancel()
    thread.join(120)
    assert not thread.is_alive()


def test_it_ends_when_the_one_that_wants_it_was_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    script = (
        "import sys\n"
        f"sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}\n"
        "from mpk_tui.apart import run_apart\n"
        "from mpk_tui.progress import CancelToken, silent\n"
        f"run_apart('test_apart:count', {os.fsencode(file)!r}, silent, CancelToken())\n"
    )
    parent = os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", script])
    wait(lambda: file.exists() and file.read_text())
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    wait(lambda: gone(int(file.read_text())))
