"""How every act of ``case`` is declared: by its name, with the case's folder and, where it is about one, the pair."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def declare(actions: Any, name: str, text: str, *, pair: bool = False) -> argparse.ArgumentParser:
    """Add an act.

    Args:
        actions: The subparsers of ``case``.
        name: The act.
        text: What it does.
        pair: It is about one pair.
    """
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("case", type=Path, metavar="CASE", help="folder of the case")
    if pair:
        parser.add_argument("--pair", default="", metavar="PAIR", help="SUBJECT:REFERENCE")
    return parser
