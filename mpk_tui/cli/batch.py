"""Fingerprint and scan a drive full of checkpoints: every one that lies below the folders, a line for each.

The lines go to --out as they are made, one JSON object each (schema mpk-tui/batch/1), errors included.  The same
command again goes on where it stopped: what has a line and did not change since, by size, modification time and inode,
is not done again.  Nothing is written below the folders, and no checkpoint is able to stop the sweep: each is read in a
process of its own, within limits of memory and time.  Exit code 0 once every checkpoint has its line, whatever it says.

mpk-tui case new CASE --from-batch FILE.jsonl --line N opens a case on a line.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.cli.output import emit, emit_json, narrate, narrate_over, progress_bar
from mpk_tui.errors import ExitCode, StorageError, UsageError
from mpk_tui.progress import CancelToken

MEMORY = 8.0
"""GB of address space of a checkpoint's process; weights are read in bounded blocks, so its size is not what counts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("roots", nargs="+", type=Path, metavar="DIR", help="folder, or a single file")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="file of lines; goes on with it")
    add_working(parser)
    parser.add_argument("--no-scan", action="store_true", help="fingerprint only")
    parser.add_argument(
        "--fingerprints", type=Path, metavar="FOLDER", help="keep every fingerprint there, under its own digest"
    )
    parser.add_argument(
        "--among", type=Path, metavar="PAIRS.jsonl",
        help="compare the checkpoints of the drive with each other, too, and write a line for each pair that is worth "
        "it; needs --fingerprints",
    )  # fmt: skip
    parser.add_argument("--again", action="store_true", help="do everything again")
    parser.add_argument("--retry", action="store_true", help="do again what ended in an error")
    parser.add_argument("--rescan", action="store_true", help="scan again, as after a change of the library")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="let the workers of a Dask cluster do it, e.g. tls://HOST:8786"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/batch-summary/1)")


def add_working(parser: argparse.ArgumentParser) -> None:
    """Declare what every command has that works on a drive: library, jobs and limits."""
    parser.add_argument("--library", type=Path, metavar="PATH", help="library (default: in your data folder)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="checkpoints at a time (default: 1)")
    parser.add_argument(
        "--memory", type=float, default=MEMORY, metavar="GB",
        help=f"memory that the process of one checkpoint may take, 0 for no limit (default: {MEMORY:g})",
    )  # fmt: skip
    parser.add_argument(
        "--partial", action="store_true", help="take checkpoints with missing shards and files that were cut short, too"
    )


def limit(args: argparse.Namespace) -> int:
    """Bytes of ``--memory``.

    Raises:
        UsageError: Memory or jobs that nothing can be done with.
    """
    if not 1 <= args.jobs <= 256:
        raise UsageError("--jobs needs a number from 1 to 256")
    if not (args.memory == 0 or 0.5 <= args.memory < 1e6):
        raise UsageError("--memory needs 0 or at least 0.5 GB")
    return int(args.memory * 1e9)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from mpk_tui.sweep import among, batch, finding, lines, local, summary

    memory = limit(args)
    if args.among is not None and args.fingerprints is None:
        raise UsageError("--among compares kept fingerprints", hint="Give --fingerprints FOLDER")
    if args.scheduler is not None and args.fingerprints is None:
        raise UsageError(
            "with --scheduler, fingerprints come back through a folder that all machines see",
            hint="Give it with --fingerprints FOLDER",
        )
    if args.rescan and args.no_scan:
        raise UsageError("--rescan and --no-scan contradict each other")
    library = None if args.no_scan else _library(args.library)
    plan = batch.Plan(
        library, args.fingerprints, args.partial, memory, args.again, args.retry, args.rescan,
        shared=args.scheduler is not None,
    )  # fmt: skip
    cancel = CancelToken()
    with lines.Writer(args.out) as writer:
        drive = finding.find(args.roots, cancel)
        narrate(f"{len(drive.found)} checkpoints among {drive.files} files")
        hands = _hands(args, plan, cancel) if args.scheduler is not None else local.Here(args.jobs, cancel)
        try:
            swept = batch.sweep(drive, writer, plan, hands, narrate_over, progress_bar(), cancel)
            pairs = None
            if args.among is not None:
                with lines.Writer(args.among, among.checked) as written:
                    pairs = among.among(
                        swept.lines, args.fingerprints, written, hands, narrate_over, progress_bar(), cancel,
                        memory=memory, again=args.again,
                    )  # fmt: skip
        finally:
            hands.stop()
    record = summary.summary(
        drive, swept, pairs, out=str(args.out), library=None if library is None else str(library)
    )  # fmt: skip
    for notice in record["notices"]:
        narrate(f"note: {notice}")
    if args.json:
        emit_json(record)
    else:
        for line in summary.table(record):
            emit(line, fold=True)
    return ExitCode.OK


def _library(named: Path | None) -> Path:
    """The library that is scanned; that it can be opened is seen before hours of work."""
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.shelf import default_folder

    folder = named if named is not None else default_folder()
    try:
        with open_library(folder) as catalogue:
            total, revoked, _ = catalogue.census()
    except StorageError as error:
        raise StorageError(error.what, where=error.where, hint=f"{error.hint}; --no-scan fingerprints only") from None
    count = total - revoked
    narrate(f"library {folder}: {count} entries")
    return folder


def _hands(args: argparse.Namespace, plan: Any, cancel: CancelToken) -> Any:
    from mpk_tui.sweep.cluster import Cluster

    args.fingerprints.mkdir(parents=True, exist_ok=True)
    folders = [*args.roots, args.fingerprints, *([plan.library] if plan.library is not None else [])]
    made = Cluster(args.scheduler, folders, cancel)
    narrate(f"{made.workers} workers at {args.scheduler}")
    return made
