"""Open the workbench: a case folder, or Home."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("case", nargs="?", metavar="CASE", help="folder of a case; without it Home opens")
    parser.add_argument("--new", action="store_true", help="begin with the form for a new case")
    parser.add_argument("--read-only", action="store_true", help="look at a case without taking its lock")
    parser.add_argument("--keys", metavar="FILE", help="a key map in place of your own (mpk-tui keymap prints one)")
    parser.add_argument("--theme", metavar="NAME", help="dark, light, contrast, blue-orange or ansi")
    parser.add_argument("--ascii", action="store_true", default=None, help="draw with ASCII characters only")
    parser.add_argument("--no-mouse", dest="mouse", action="store_false", default=None, help="leave the mouse alone")


def run(args: argparse.Namespace) -> int:
    """Run the workbench."""
    from mpk_tui.tui import terminal

    return terminal.run(
        Path(args.case) if args.case else None,
        new=args.new,
        read_only=args.read_only,
        keys=Path(args.keys) if args.keys else None,
        theme=args.theme,
        ascii=args.ascii,
        mouse=args.mouse,
    )
