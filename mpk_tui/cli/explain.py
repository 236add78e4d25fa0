"""Explain a comparison in a page of plain words: what was tested, what was found, what it does not mean.

Give the record that `mpk-tui compare A B --json` printed (a file, or - for stdin), a comparison that a case keeps, or
two models, which are then compared first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mpk_tui.cli.output import emit, progress_bar
from mpk_tui.errors import ExitCode, UsageError
from mpk_tui.report.comparison import MAX_BYTES, Comparison, from_record, parse
from mpk_tui.report.explain import explain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("first", type=Path, metavar="RECORD|A", help="comparison record, - for stdin, or a model")
    parser.add_argument("second", type=Path, nargs="?", metavar="B", help="the other model, if A is a model")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    for line in explain(_comparison(args.first, args.second)):
        emit(line)
    return ExitCode.OK


def _comparison(first: Path, second: Path | None) -> Comparison:
    if second is not None:
        from mpk_tui.lineage.compare import compare

        return from_record(compare(first, second, progress_bar()), f"{first} and {second}")
    if str(first) == "-":
        return parse(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    if first.is_dir():
        raise UsageError(
            "is a folder, not a comparison record", where=str(first), hint="Name two models to compare them first"
        )
    from mpk_tui.checkpoint.reading import read_small

    return parse(read_small(first, MAX_BYTES, str(first), follow=True), str(first))
