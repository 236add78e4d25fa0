"""From a shell into the workbench and back, whatever ends it: q, a signal, a dead terminal or a fault of ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from mpk_tui.errors import ExitCode, UsageError

THREADS = 1.0
"""Seconds after everything was entered and the terminal restored in which threads may end; then they are left."""
GRACE = 5.0
"""Seconds that a signal leaves for restoring the terminal; the journal needs none, it is on disk already."""


def refuse_reason(environ: dict[str, str], stdin_tty: bool, stdout_tty: bool) -> str | None:
    """Why a full-screen interface cannot run here, or None.

    Args:
        environ: Environment variables.
        stdin_tty: Whether keys come from a terminal.
        stdout_tty: Whether the picture goes to one.
    """
    if not (stdin_tty and stdout_tty):
        return "the workbench needs a terminal for its keys and its picture"
    if environ.get("TERM", "").lower() in ("", "dumb", "unknown"):
        return f"this terminal (TERM={environ.get('TERM', '')!r}) cannot draw a full screen"
    return None


def run(
    case: Path | None,
    *,
    new: bool = False,
    read_only: bool = False,
    keys: Path | None = None,
    theme: str | None = None,
    ascii: bool | None = None,
    mouse: bool | None = None,
) -> int:
    """Run the workbench until it is left, and return the exit code.

    Args:
        case: Folder of a case, or None for Home.
        new: Begin with the form for a new case (in ``case``, if given).
        read_only: Look, change nothing.
        keys: A key map in place of the person's own.
        theme: One of `settings.THEMES`.
        ascii: Draw in ASCII only.
        mouse: Whether the mouse is used.

    Raises:
        UsageError: No terminal that could show it, or no such theme.
        MpkError: The key map that was named cannot be used, or the case cannot be opened.
    """
    reason = refuse_reason(dict(os.environ), sys.stdin.isatty(), sys.stderr.isatty())
    if reason:
        raise UsageError(reason, hint="The same questions, line by line: mpk-tui --plain CASE")
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)  # where a shell exports them they would freeze the size against every resize
    from mpk_tui.tui import settings

    looks = settings.gather(settings.wishes_of(theme, ascii, mouse), keys, os.environ)
    from mpk_tui.tui import keyboard
    from mpk_tui.tui.app import Workbench

    keyboard.listen()
    app = Workbench(case, new=new, read_only=read_only, looks=looks)
    return asyncio.run(_main(app))


async def _main(app: object) -> int:
    from mpk_tui.tui.app import Workbench

    assert isinstance(app, Workbench)
    ended: list[int] = []
    loop = asyncio.get_running_loop()

    def end(signum: int) -> None:
        # A dead terminal can block the writer for ever; after the grace the process goes without ceremony.
        watchdog = threading.Timer(GRACE, os._exit, (int(ExitCode.INTERRUPTED),))
        watchdog.daemon = True
        watchdog.start()
        ended.append(signum)
        app.close_down()

    signals = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    for signum in signals:
        loop.add_signal_handler(signum, end, signum)
    try:
        await app.run_async(mouse=app.looks.mouse)
    finally:
        app.close_case()
        for signum in signals:
            loop.remove_signal_handler(signum)
    # Textual says 1 after an unhandled exception; 1 is no code of ours.
    code = ExitCode.INTERRUPTED if ended else ExitCode.INTERNAL if app.return_code else ExitCode.OK
    _let_go(code)
    return code


def _let_go(code: int) -> None:
    """Do not wait for a thread that reads or computes something nobody will see: what counts is on disk already."""

    def leave() -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)

    timer = threading.Timer(THREADS, leave)
    timer.daemon = True
    timer.start()
