"""Open the workbench: a case folder, or Home."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("case", nargs="?", metavar="CASE", help="folder of a case; without it Home opens")
    parser.add_argument("--new", action="store_true", help="begin with the form for a new case")
    parser.add_argument("--read-only", action="store_true", help="look at a case without taking its lock")


def run(args: argparse.Namespace) -> int:
    """Run the workbench."""
    from mpk_tui.tui import terminal

    return terminal.run(Path(args.case) if args.case else None, new=args.new, read_only=args.read_only)
