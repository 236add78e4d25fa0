"""What every action of ``library`` declares alike."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.files import data_folder


def declare(actions: Any, name: str, about: str, *, json: str = "", writes: bool = False) -> argparse.ArgumentParser:
    """A parser for one action, with ``--library`` and what else is the same everywhere.

    Args:
        actions: The subparsers of the command.
        name: Of the action.
        about: One line of help.
        json: Schema of the object that ``--json`` prints, or empty for an action without.
        writes: Whether it changes the library, which asks who does it.
    """
    parser: argparse.ArgumentParser = actions.add_parser(name, allow_abbrev=False, help=about, description=about)
    parser.add_argument(
        "--library",
        type=Path,
        metavar="FOLDER",
        default=None,
        help="the library (default: library in your data folder)",
    )
    if json:
        parser.add_argument("--json", action="store_true", help=f"print one JSON object (schema {json})")
    if writes:
        parser.add_argument(
            "--who", metavar="NAME", default="", help="who does this, for the history (default: your login name)"
        )
    else:
        parser.add_argument(
            "--immutable", action="store_true",
            help="write nothing at all into the folder, not even what readers lay there for a while",
        )  # fmt: skip
    return parser


def library_of(args: argparse.Namespace) -> Path:
    """The folder that is meant."""
    folder: Path | None = args.library
    return folder if folder is not None else data_folder() / "library"


def who(args: argparse.Namespace) -> str:
    """Who does this."""
    from mpk_tui.library.adding import this_person

    return str(args.who).strip() or this_person()
