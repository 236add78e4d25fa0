"""What commands print: JSON and text to stdout, narration and progress to stderr."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from mpk_tui.progress import Progress, Report, silent
from mpk_tui.text import clean, size


def emit_json(record: dict[str, Any]) -> None:
    """Print one object as JSON; ASCII only, so that no byte of it can steer a terminal."""
    sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=True, allow_nan=False) + "\n")


def emit(line: str = "") -> None:
    """Print one line of data, escaped."""
    sys.stdout.write(clean(line, 4000) + "\n")


def narrate(line: str) -> None:
    """Tell the person something on stderr, escaped."""
    sys.stderr.write(clean(line, 4000) + "\n")
    sys.stderr.flush()


def progress_bar() -> Report:
    """A report that draws one line on stderr, or nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        return silent
    return _draw


def _draw(p: Progress) -> None:
    if p.unit == "bytes":
        amount = f"{size(p.done)} of {size(p.total)}  {size(int(p.rate))}/s"
    else:
        amount = f"{p.done} of {p.total}"
    left = p.remaining
    eta = f"  {left:.0f} s left" if left is not None and p.done < p.total else ""
    line = f"{p.stage}: {amount}{eta}  {clean(p.item, 40)}"
    end = "\n" if p.total and p.done >= p.total else ""
    columns = os.get_terminal_size(sys.stderr.fileno()).columns if sys.stderr.isatty() else 80
    sys.stderr.write("\r" + line[: columns - 1].ljust(columns - 1) + end)
    sys.stderr.flush()
