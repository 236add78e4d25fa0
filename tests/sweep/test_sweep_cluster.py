"""Other machines, as a Dask cluster of two processes on this one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drives import copy, library

from mpk_tui.errors import LimitError, MpkError, StorageError, UsageError
from mpk_tui.progress import CancelToken
from mpk_tui.sweep import among, batch, cluster, lines
from mpk_tui.sweep.batch import Plan
from mpk_tui.sweep.finding import find
from mpk_tui.sweep.local import HandsGoneError

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Any]:
    import dask

    # A task that loses its worker is given to no second one, or this would take its time.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as made,
    ):
        yield made


def test_a_sweep_by_workers_gives_the_same_lines(scheduler: Any, tmp_path: Path) -> None:
    drive, shared = tmp_path / "drive", tmp_path / "kept"
    for name in ("base", "fine-tune"):
        copy(name, drive / name)
    (drive / "x.gguf").write_bytes(b"GGUF")
    shared.mkdir()
    plan = Plan(library(tmp_path / "library", "base"), shared, shared=True)
    cancel = CancelToken()
    with cluster.Cluster(scheduler.scheduler_address, [drive, shared], cancel) as hands:
        assert (hands.workers, hands.most) == (2, 4)
        with lines.Writer(tmp_path / "out.jsonl") as writer:
            done = batch.sweep(find([drive]), writer, plan, hands, cancel=cancel)
        with lines.Writer(tmp_path / "pairs.jsonl", among.checked) as writer:
            pairs = among.among(done.lines, shared, writer, hands, cancel=cancel)
        # No other function of ours is run for us this way, and errors come back as what they were.
        with pytest.raises(UsageError, match="no task"):
            hands.give("os:system", b"", 1.0, lambda _: None).result(30)
        with pytest.raises(LimitError, match="was stopped after 0 s"):
            hands.give(batch.working.TASK, batch.Order(drive / "base").to_bytes(), 0.0, lambda _: None).result(60)
    assert {x["name"]: x["scan"] and x["scan"]["finding"] for x in done.lines} == {
        "drive/base": "identical", "drive/fine-tune": "shared-trained-ancestor", "drive/x.gguf": None,
    }  # fmt: skip
    assert [p["finding"] for p in pairs.lines] == ["shared-trained-ancestor"]
    assert sorted(p.name for p in shared.iterdir()) == sorted(
        f"{x['measured']['fingerprint']}.mpkf" for x in done.lines if x["measured"]
    )
    with pytest.raises(HandsGoneError):
        hands.give(batch.working.TASK, b"", 1.0, lambda _: None)


def test_workers_that_do_not_fit_and_schedulers_that_are_not_there_are_told(scheduler: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not see"):
        cluster.Cluster(scheduler.scheduler_address, [tmp_path / "no"], CancelToken())
    for address in ("nonsense", "tcp://", "http://a:1", "tls://127.0.0.1:1"):
        with pytest.raises(UsageError):
            cluster.Cluster(address, [], CancelToken())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "CONNECT", 0.2)
        with pytest.raises(StorageError, match="no Dask scheduler answers"):
            cluster.Cluster("tcp://127.0.0.1:1", [], CancelToken())


def test_a_worker_that_is_lost_again_and_again_is_an_error_and_what_it_sends_is_not_unpickled(
    scheduler: Any, tmp_path: Path
) -> None:
    with cluster.Cluster(scheduler.scheduler_address, [tmp_path], CancelToken()) as hands:
        lost = hands._client.submit(_die, pure=False)
        evil = hands._client.submit(_Evil, str(tmp_path / "ran"), pure=False)
        while not (lost.done() and evil.done()):
            time.sleep(0.01)
        with pytest.raises(LimitError, match="no worker finished it"):
            cluster._result(lost)
        with pytest.raises((MpkError, TypeError)):
            cluster._result(evil)
    assert not (tmp_path / "ran").exists()


def _die() -> None:
    import os

    os._exit(3)


class _Evil:
    """Runs code where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (Path(self.path),)
