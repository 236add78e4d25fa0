"""What commands print: JSON and text to stdout, narration and progress to stderr."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from typing import Any, TextIO

from mpk_tui.progress import Progress, Report, silent
from mpk_tui.text import clean, folded, size


def emit_json(record: dict[str, Any]) -> None:
    """Print one object as JSON; ASCII only, so that no byte of it can steer a terminal."""
    sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=True, allow_nan=False) + "\n")


def emit(line: str = "", *, fold: bool = False, most: int = 4000) -> None:
    """Print one line of data, escaped.

    Args:
        line: Anything.
        fold: It holds a stranger's sentences: a terminal must not break it so that a part looks like a line of ours.
        most: Characters after which it is cut, and said to be.
    """
    shown = clean(line, most)
    sys.stdout.write((_folded(shown, sys.stdout) if fold else shown) + "\n")


def _folded(line: str, stream: TextIO) -> str:
    try:
        return folded(line, os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):  # no terminal, or a stream without a descriptor: the line as it is
        return line


def narrate(line: str) -> None:
    """Tell the person something on stderr, escaped; a terminal gets it broken between words, never within a path."""
    sys.stderr.write(_by_words(clean(line, 4000), sys.stderr) + "\n")
    sys.stderr.flush()


def _by_words(line: str, stream: TextIO) -> str:
    try:
        width = os.get_terminal_size(stream.fileno()).columns - 1
    except (OSError, ValueError):
        return line
    if width < 20 or len(line) <= width:
        return line
    # Indented, so that no part of a stranger's sentence begins a line as ours do.
    return textwrap.fill(
        line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False, expand_tabs=False
    )


def narrate_over(line: str) -> None:
    """Like `narrate`, where a progress bar may stand: it is wiped, and drawn again below with the next report."""
    if sys.stderr.isatty():
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
        sys.stderr.write("\r" + " " * (columns - 1) + "\r")
    narrate(line)


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
