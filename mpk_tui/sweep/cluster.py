"""Orders carried out on other machines, as tasks of a Dask cluster over a folder that all of them see.

Which task runs where, and what happens when a machine is lost, is Dask's; here are only the task, which runs an order
in a process of its own on the worker, and the client.  A task takes paths and digests and returns a small record; a
fingerprint comes back as a file in the shared folder, which whoever gave the order reads, checks and names by its own
digest (`mpk_tui.sweep.batch.received`).

Whoever can speak to a Dask scheduler can run code on every machine that takes part.  TLS with certificates of both
sides is Dask's own configuration; ADR 0029 and docs/sweep.md say what else to do.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from mpk_tui import __version__, errors
from mpk_tui.errors import LimitError, MalformedError, MpkError, StorageError, UnsupportedError, UsageError
from mpk_tui.progress import CancelToken, Report, silent
from mpk_tui.sweep import among, working
from mpk_tui.sweep.local import HandsGoneError, timed

TASKS = frozenset({working.TASK, among.TASK})
"""What a worker runs for us, and nothing else by this way."""
CONNECT = 15
"""Seconds to reach a scheduler and its first worker."""
_FORM = "An address is tcp://HOST:PORT or tls://HOST:PORT"
_ADDRESS = re.compile(r"(tcp|tls)://[A-Za-z0-9_.:\[\]-]{1,255}:[0-9]{1,5}")
_PLAIN = ["dask", "msgpack", "error"]
"""Serialisers of Dask that results may come in: all but pickle."""
_AHEAD = 2
"""Orders given for each thread of a worker, so that none waits for the next."""
_KNOWN = {k.__name__: k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, MpkError)}


class Cluster:
    """The workers of a Dask cluster (see `mpk_tui.sweep.local.Hands`); a context manager.

    Attributes:
        most: Orders that are worth giving at a time.
        workers: Their number when the connection was made.
    """

    def __init__(self, address: str, folders: Iterable[Path], cancel: CancelToken) -> None:
        """Connect, and see that every worker is of this version and sees the same folders.

        Args:
            address: Of the scheduler, e.g. ``tls://host:8786``.
            folders: What workers must see under the same paths.
            cancel: Polled by whoever waits.

        Raises:
            UnsupportedError: Dask is not installed.
            StorageError: There is no scheduler, or it has no workers.
            UsageError: A worker does not fit.
        """
        try:
            from distributed import Client, Security
        except ImportError:
            raise UnsupportedError(
                "a cluster needs dask and distributed, which are not installed here",
                hint="pip install 'mpk-tui[cluster]'; docs/sweep.md says how without a network",
            ) from None
        if not _ADDRESS.fullmatch(address):
            raise UsageError(f"{address[:200]!r} is no address of a scheduler", hint=f"{_FORM}, e.g. tls://HOST:8786")
        if address.startswith("tls:") and Security().get_connection_args("client").get("ssl_context") is None:
            raise UsageError(
                "TLS needs a certificate, a key and the authority's certificate", where=address,
                hint="Set distributed.comm.tls.ca-file and .client.cert, .client.key in Dask's configuration",
            )  # fmt: skip
        self._cancel = cancel
        # Its account of a lost connection is many pages long; ours is a sentence.
        logging.getLogger("distributed").setLevel(logging.CRITICAL + 1)
        try:
            # What workers return is plain bytes; nothing that they send is unpickled here.
            self._client: Any = Client(
                address, timeout=CONNECT, set_as_default=False, name="mpk-tui", deserializers=_PLAIN
            )
        except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
            raise StorageError(
                f"no Dask scheduler answers there ({str(error)[:200]})", where=address,
                hint=f"{_FORM}; certificates stand in Dask's configuration",
            ) from None  # fmt: skip
        try:
            self._fitting(address, [str(f.absolute()) for f in folders])
        except BaseException:
            self._client.close()
            raise

    def _fitting(self, address: str, folders: list[str]) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CONNECT)
        except TimeoutError:
            raise StorageError("has no workers", where=address, hint="Start one: dask worker ADDRESS") from None
        threads = self._client.nthreads()
        self.workers = len(threads)
        self.most = _AHEAD * max(1, sum(threads.values()))
        asked = {w: self._client.submit(sight, folders, workers=[w], pure=False) for w in threads}
        for worker, (version, missing) in sorted((w, _sighted(w, f)) for w, f in asked.items()):
            if version != __version__:
                raise UsageError(f"worker {worker} has mpk-tui {version}, here is {__version__}", where=address)
            if missing:
                raise UsageError(
                    f"worker {worker} does not see {missing[0]}", where=address,
                    hint="All machines must see the drive, the library and the fingerprints' folder by the same paths",
                )  # fmt: skip

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def give(self, task: str, request: bytes, seconds: float, report: Report) -> Future[bytes]:
        """See `mpk_tui.sweep.local.Hands.give`; there is no progress from a worker."""
        if self._client.status != "running":
            raise _gone()
        there = self._client.submit(carry_out, task, request, seconds, pure=False)
        here: Future[bytes] = Future()

        def done(given: Any) -> None:
            try:
                here.set_result(_result(given))
            except BaseException as error:
                here.set_exception(error)

        there.add_done_callback(done)
        here.add_done_callback(lambda _: there.release())  # holds the task alive until then
        return here

    def stop(self) -> None:
        """Give nothing more.  What a worker is at, it finishes, and nobody takes the result."""
        self._cancel.cancel()
        self._client.close()


def _sighted(worker: str, given: Any) -> tuple[str, list[str]]:
    """What a worker answered to `sight`.

    Raises:
        StorageError: It did not, in time.
    """
    try:
        version, missing = given.result(timeout=CONNECT)
        return str(version), [str(m) for m in missing]
    except Exception as error:  # whatever Dask, the worker or the network made of it
        raise StorageError(
            f"does not answer ({type(error).__name__})", where=worker,
            hint="mpk-tui must be installed there, as it is here",
        ) from None  # fmt: skip


def sight(folders: list[str]) -> tuple[str, list[str]]:
    """On a worker: its version, and which of some folders it does not see."""
    return __version__, [f for f in folders if not os.path.exists(f)]


def carry_out(task: str, request: bytes, seconds: float) -> bytes:
    """On a worker: run a task of ours in a process of its own.

    Returns:
        ``r`` and its result, or ``e`` and the error that it raised: errors of ours do not travel as objects.
    """
    try:
        if task not in TASKS:
            raise UsageError(f"no task {task[:80]!r}")
        return b"r" + timed(task, request, seconds, silent, CancelToken())
    except MpkError as error:
        said = [type(error).__name__, error.what, error.where, error.hint]
        return b"e" + json.dumps(said).encode("ascii")


def _gone() -> HandsGoneError:
    return HandsGoneError(
        "the scheduler cannot be reached any more",
        hint="Every line that was written stands; run the same command again",
    )


def _result(given: Any) -> bytes:
    """The result of a finished task.

    Raises:
        HandsGoneError: The scheduler is gone, or the connection to it.
        MpkError: What it raised there, or that its worker was lost.
    """
    if given.status in ("cancelled", "lost"):
        raise _gone()
    if given.status != "finished":
        try:
            why = type(given.exception()).__name__
        except Exception as error:  # an exception that cannot be read without running what it says
            why = type(error).__name__
        raise LimitError(
            f"no worker finished it ({why})", hint="A worker that is lost again and again most often lacks memory"
        )
    answer = given.result()
    if not isinstance(answer, bytes) or answer[:1] not in (b"r", b"e"):
        raise MalformedError("a worker answered something else")
    if answer[:1] == b"r":
        return answer[1:]
    try:
        name, what, where, hint = json.loads(answer[1:])
        told = [None if t is None else str(t)[:4000] for t in (what, where, hint)]
    except (ValueError, TypeError):
        raise MalformedError("a worker answered something else") from None
    kind = _KNOWN.get(str(name), MpkError)
    if kind is errors.CancelledError:
        kind = LimitError
    raise kind(told[0] or "", where=told[1], hint=told[2])
