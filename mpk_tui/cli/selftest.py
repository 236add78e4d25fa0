"""Ask this installation questions with known answers: hashes, signatures, frozen bundles, verdicts, comparisons.

Prints the digest of the installed code, one line for each check, and at the end whether to rely on the installation.
Exit code 0 if every check that could be made passed, 40 if one failed.  A program cannot vouch for itself: compare the
code digest with one that you got another way (docs/verifying-the-verifier.md).
"""

from __future__ import annotations

import argparse
from typing import Any

from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import ExitCode

SCHEMA = "mpk-tui/selftest/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--full", action="store_true", help="also every byte of a frozen bundle, and comparisons from all weights"
    )
    parser.add_argument("--json", action="store_true", help=f"print one JSON object (schema {SCHEMA})")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from mpk_tui.selftest.record import as_record
    from mpk_tui.selftest.run import DISTRUST, RELIABLE, selftest

    record = as_record(selftest(narrate, progress_bar(), full=args.full))
    sentence = RELIABLE if record["passed"] else DISTRUST
    if args.json:
        emit_json({"schema": SCHEMA, **record, "code_sha256": record["code_sha256"].hex(), "sentence": sentence})
    else:
        _show(record, sentence)
    return ExitCode.OK if record["passed"] else ExitCode.INTERNAL


def _show(record: dict[str, Any], sentence: str) -> None:
    words = {True: "passed", False: "FAILED", None: "not run"}
    for check in record["checks"]:
        emit(f"{words[check['passed']]:<9}{check['name']}")
        if check["passed"] is False:
            emit(f"         expected {check['expected']}")
            emit(f"         found    {check['found']}")
        elif check["passed"] is None:
            emit(f"         {check['found']}")
    counts = {word: sum(c["passed"] is p for c in record["checks"]) for p, word in words.items()}
    emit()
    emit(f"tool     {record['tool']}")
    emit(f"code     {record['code_sha256'].hex()}")
    libs = ", ".join(f"{name} {version}" for name, version in sorted(record["libs"].items()))
    emit(f"with     Python {record['python']}, {libs}")
    emit(f"on       {record['os']}")
    emit(", ".join(f"{n} {word.lower()}" for word, n in counts.items() if n or word == "passed") + ".")
    emit(sentence)
