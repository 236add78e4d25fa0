"""Options that say how checkpoints are opened, the same for every command that opens some."""

from __future__ import annotations

import argparse
from pathlib import Path

from mpk_tui.checkpoint.open import Opening


def add_opening(parser: argparse.ArgumentParser) -> None:
    """Declare ``--model``, ``--partial`` and ``--base``."""
    parser.add_argument(
        "--model", default="", metavar="NAME", help="which model is meant where a folder holds several, as listed"
    )
    parser.add_argument(
        "--partial",
        action="store_true",
        help="examine what is there although shards are missing or files cut short; what is missing is recorded, and "
        "neither identity nor an exclusion is established",
    )
    parser.add_argument(
        "--base",
        type=Path,
        metavar="PATH",
        help="the model that an adapter was trained on: the adapter is put onto it in memory, nothing is written",
    )


def add_isolation(parser: argparse.ArgumentParser) -> None:
    """Declare ``--isolate``."""
    parser.add_argument(
        "--isolate",
        action="store_true",
        help="read headers, configurations and vocabularies in another process that may take 2 GiB and 2 minutes, "
        "writes no file and starts no process",
    )


def opening(args: argparse.Namespace) -> Opening:
    """The options as given."""
    return Opening(args.model, args.partial, args.base, getattr(args, "isolate", False))
