"""Drives for the tests of sweeps, and hands that work in this very process."""

from __future__ import annotations

import importlib
import shutil
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import mpk_tui.demo
from mpk_tui.errors import MpkError
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.library.catalogue import open_library
from mpk_tui.library.entry import Facts
from mpk_tui.progress import CancelToken, Report

DEMO = Path(mpk_tui.demo.__file__).parent
AT = 1_780_000_000_000


class Hands:
    """Runs every order at once where the test runs; the real tasks, without a process for each."""

    most = 2

    def __init__(self) -> None:
        self.given: list[str] = []
        self.stopped = False

    def give(self, task: str, request: bytes, seconds: float, report: Report) -> Future[bytes]:
        module, name = task.split(":")
        self.given.append(name)
        out: Future[bytes] = Future()
        try:
            out.set_result(self.run(getattr(importlib.import_module(module), name), request, report))
        except MpkError as error:
            out.set_exception(error)
        return out

    def run(self, task: Any, request: bytes, report: Report) -> bytes:
        return bytes(task(request, report, CancelToken()))

    def stop(self) -> None:
        self.stopped = True


def copy(name: str, to: Path) -> Path:
    """A demo checkpoint somewhere else, with files of its own."""
    shutil.copytree(DEMO / name, to, copy_function=shutil.copyfile)
    return to


def edited(to: Path) -> Path:
    """The demo's base with one number of one matrix changed."""
    copy("base", to)
    file = to / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    return to


def library(folder: Path, *names: str) -> Path:
    """A library of demo checkpoints."""
    with open_library(folder, write=True, create=True) as catalogue:
        catalogue.add(((fingerprint(DEMO / n), Facts(n)) for n in names), who="Ada", at=AT)
    return folder
