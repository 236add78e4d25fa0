"""``scan --kit``: what the scan of Cisco's Model Provenance Kit would say, in the place of our own."""

from __future__ import annotations

import argparse

from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import ExitCode, UsageError
from mpk_tui.files import data_folder

_NOT_WITH = ("weights", "names_only", "tree", "dot", "svg", "graph_json", "fail_on")


def add_kit(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--kit",
        action="store_true",
        help="say instead what the scan of Cisco's Model Provenance Kit would say over its imported database: leads, "
        "which decide nothing (with --json: schema mpk-tui/kit-scan/1; --most: leads, default 3)",
    )
    parser.add_argument(
        "--kit-threshold", type=float, metavar="X", help="with --kit: the least pipeline score of a lead (default: 0.5)"
    )


def run_kit(args: argparse.Namespace) -> int:
    """Rank the imported database; nothing of it reaches a finding, so the exit code is 0 whatever it says."""
    from mpk_tui.kit.leads import kit_scan, lines
    from mpk_tui.kit.lookup import MOST, THRESHOLD

    for name in _NOT_WITH:
        if getattr(args, name, None):
            raise UsageError(
                f"--{name.replace('_', '-')} does not go with --kit", hint="What the Kit says is no relative of a scan"
            )
    threshold = THRESHOLD if args.kit_threshold is None else args.kit_threshold
    if not 0 <= threshold <= 1:
        raise UsageError(f"--kit-threshold {threshold} is not between 0 and 1")
    library = args.library if args.library is not None else data_folder() / "library"
    record = kit_scan(args.path, library, most=args.most or MOST, threshold=threshold, report=progress_bar())
    if args.json:
        emit_json(record)
    else:
        for line in lines(record):
            emit(line)
    for notice in [*record["limits"][2:], *record["notices"]]:
        narrate(f"note: {notice}")
    return ExitCode.OK
