"""The receipt log as commands use it: which file it is, what it says, and one more line."""

from __future__ import annotations

import argparse
from pathlib import Path

from mpk_tui import __version__
from mpk_tui.bundle import receipt_log
from mpk_tui.bundle.outcome import Outcome
from mpk_tui.bundle.receipts import History, receipt_of
from mpk_tui.hashtree import sha256
from mpk_tui.records import replace

NAME = "receipts.jsonl"
VERIFIER = f"mpk-tui {__version__}"


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


def history(path: Path | None) -> History:
    """What the log says."""
    return History() if path is None else receipt_log.load(path)


def keep(path: Path | None, outcome: Outcome, known: History, data: bytes, at: int) -> Outcome:
    """Write down what a verification found; what is odd about the log becomes a notice.

    Args:
        path: The log, or None.
        outcome: What was found.
        known: What the log said before.
        data: The file that was verified.
        at: The verifier's clock, milliseconds.
    """
    if path is None:
        return outcome
    file = sha256(data)
    why = receipt_log.append(path, lambda number, prev: receipt_of(outcome, file, at, VERIFIER, number, prev))
    return replace(outcome, notices=(*outcome.notices, *known.notices, *([why] if why else [])))
