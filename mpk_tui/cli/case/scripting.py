"""``case script``: the commands that make the same case again."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from mpk_tui.case import Case
from mpk_tui.case.replay import Step, steps
from mpk_tui.cli.case.declaring import declare
from mpk_tui.cli.output import emit, narrate
from mpk_tui.errors import ExitCode
from mpk_tui.text import clean


def add(subparsers: Any) -> None:
    """Declare the act's arguments."""
    p = declare(subparsers, "script", "print the commands that make the same case again, as a script for bash")
    p.add_argument("--into", type=Path, metavar="FOLDER", help="folder of the new case; default: CASE-again")


def run(case: Case, args: argparse.Namespace) -> int:
    """Run the act."""
    target = args.into if args.into is not None else case.root.with_name(f"{case.root.absolute().name}-again")
    _line("#!/usr/bin/env bash")
    _line(f"# Makes case {case.state.id} again, act by act. Paths are those of the machine that wrote this.")
    _line("# Times, salts and what is made of them differ; what a bundle says does not.")
    _line("set -eu")
    left_out = 0
    for step in steps(case, target):
        left_out += not step.argv
        _line(_shell(step))
    if left_out:
        narrate(f"{left_out} acts are not made again; the script says which")
    return ExitCode.OK


def _shell(step: Step) -> str:
    if not step.argv:
        return f"# entry {step.seq}: {step.remark}"
    if any("\0" in word for word in step.argv):
        return f"# entry {step.seq}: holds a NUL, which no command line can carry"
    line = " ".join(["mpk-tui", *map(_word, step.argv)])
    # A hash that was found changed ends so; anything else still stops the script.
    return f"{line} || test $? -eq {step.code}" if step.code else line


def _word(word: str) -> str:
    """A word for bash, in printable characters only: what is hidden or controls a terminal is spelled out."""
    try:
        if clean(word, len(word) + 1) == word:
            return shlex.quote(word)
        raw = word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = word.encode("utf-8", "backslashreplace")
    plain = {ord("'"): "\\'", ord("\\"): "\\\\", ord("\n"): "\\n"}
    return "$'" + "".join(plain.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in raw) + "'"


def _line(line: str) -> None:
    emit(line, most=len(line) + 1)
