"""The receipt log as commands name it; `mpk_tui.bundle.receipt_log` reads and writes it."""

from __future__ import annotations

import argparse
from pathlib import Path

from mpk_tui.bundle.receipt_log import VERIFIER, history

__all__ = ["NAME", "VERIFIER", "default_file", "history", "log_file", "receipt_options"]

NAME = "receipts.jsonl"


def receipt_options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--receipts`` and ``--no-receipt``."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--receipts", type=Path, metavar="FILE", help=f"log of verifications (default: {NAME} in your data folder)"
    )
    where.add_argument(
        "--no-receipt", action="store_true", help="neither read nor write the log: nothing is written at all"
    )


def log_file(args: argparse.Namespace) -> Path | None:
    """The log that the arguments name, None if there is to be none."""
    if args.no_receipt:
        return None
    named: Path | None = args.receipts
    return named if named is not None else default_file()


def default_file() -> Path:
    """The log in the user's data folder, beside the trust store."""
    from mpk_tui.keys.store import default_receipts

    return default_receipts()
