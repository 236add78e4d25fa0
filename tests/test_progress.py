"""Progress and cancellation are plain values and callables."""

from __future__ import annotations

import threading
import time

import pytest

from mpk_tui.errors import CancelledError
from mpk_tui.progress import CancelToken, Meter, Progress, without_pauses


def test_rate_and_remaining() -> None:
    p = Progress("hashing", done=300, total=900, unit="bytes", elapsed=2.0)
    assert p.rate == 150.0
    assert p.remaining == pytest.approx(4.0)


@pytest.mark.parametrize(("done", "total", "elapsed"), [(0, 900, 2.0), (300, 0, 2.0), (300, 900, 0.0)])
def test_nothing_is_promised_before_it_can_be_known(done: int, total: int, elapsed: float) -> None:
    assert Progress("hashing", done, total, "bytes", elapsed).remaining is None


def test_more_work_than_announced_never_gives_negative_time() -> None:
    assert Progress("hashing", 1000, 900, "bytes", 2.0).remaining == 0.0


def test_the_meter_counts_over_threads_and_always_reports_the_end() -> None:
    seen: list[Progress] = []
    meter = Meter(seen.append, "hashing", 4 * 5000)
    threads = [threading.Thread(target=lambda: [meter.add(1, "w") for _ in range(5000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen[-1].done == 20_000
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    # At most ten a second: a terminal over a slow line must not be flooded.
    assert len(seen) <= 2 + 10 * (seen[-1].elapsed + 1)


def test_cancelling_from_another_thread() -> None:
    token = CancelToken()
    token.check()
    assert not token.cancelled
    thread = threading.Thread(target=token.cancel)
    thread.start()
    thread.join()
    assert token.cancelled
    with pytest.raises(CancelledError):
        token.check()


def test_a_paused_token_holds_the_work_and_lets_it_go_on() -> None:
    token, passed = CancelToken(), threading.Semaphore(0)

    def work() -> None:
        for _ in range(2):
            token.check()
            passed.release()

    token.pause()
    assert token.paused
    thread = threading.Thread(target=work)
    thread.start()
    assert not passed.acquire(timeout=0.1)  # it stands at its first check
    token.resume()
    thread.join(10)
    assert not thread.is_alive()
    assert not token.paused
    assert token.paused_since(0.0) > 0


def test_stopping_ends_a_pause() -> None:
    token, ended = CancelToken(), threading.Event()

    def work() -> None:
        try:
            token.check()
        except CancelledError:
            ended.set()

    token.pause()
    thread = threading.Thread(target=work)
    thread.start()
    token.cancel()
    assert ended.wait(10)
    token.pause()  # too late: what was asked to stop does not wait
    assert not token.paused


def test_rates_leave_pauses_out() -> None:
    token = CancelToken()
    seen: list[Progress] = []
    report = without_pauses(seen.append, token)
    p = Progress("hashing", 100, 200, "bytes", 0.05)
    report(p)
    assert seen == [p]
    token.pause()
    time.sleep(0.1)
    token.resume()
    report(Progress("hashing", 100, 200, "bytes", 1000.0))
    assert 0 < seen[1].elapsed <= 999.9
    # A stage that began after the pause has lost nothing to it.
    report(Progress("features", 1, 2, "steps", 0.0))
    assert seen[2].elapsed == 0.0
