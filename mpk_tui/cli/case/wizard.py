"""``case wizard``: the screens' questions one after the other, on plain lines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(subparsers: Any) -> None:
    """Declare the act's arguments."""
    text = "the same questions as on the screens one after the other, on plain lines"
    p = subparsers.add_parser("wizard", help=text, description=text, allow_abbrev=False)
    p.add_argument("case", type=Path, nargs="?", metavar="CASE", help="folder of the case; asked for by default")


def begin(args: argparse.Namespace) -> int:
    """Run the wizard."""
    from mpk_tui.cli.wizard import wizard

    return wizard(args.case, sys.stdin)
