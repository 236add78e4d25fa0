"""Say what Cisco's Model Provenance Kit 1.0.0 would say of two models.

Its eight signals, its scores and its verdict, computed by our own code from the checkpoint folders; nothing of it has
to be installed.  All of this is context and never evidence.  The verdict is quoted, and a sentence says what it rests
on: its metadata gate answers before any weight is looked at.  Exit code 0 whatever it says, 32 for a checkpoint that
the Kit has no answer for.
"""

from __future__ import annotations

import argparse
import os
import textwrap
from pathlib import Path
from typing import Any

from mpk_tui.cli.output import emit, emit_json, progress_bar
from mpk_tui.errors import ExitCode, StorageError
from mpk_tui.text import clean


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("a", type=Path, metavar="A", help="checkpoint folder with a config.json")
    parser.add_argument("b", type=Path, metavar="B", help="likewise")
    parser.add_argument("--json", action="store_true", help="print the whole record as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from mpk_tui.kit.compare import compare

    for path in (args.a, args.b):
        if not os.path.lexists(path):
            raise StorageError("there is no such file or folder", where=str(path), hint="Name a checkpoint folder")
    record = compare(args.a, args.b, progress_bar())
    if args.json:
        emit_json(record)
    else:
        show(record)
    return ExitCode.OK


def show(r: dict[str, Any]) -> None:
    """Print a record for a person."""
    kit = r["kit"]
    emit(f"{kit['name']} {kit['version']} on transformers {kit['transformers']}, computed by mpk-tui: context")
    emit()
    for name in ("a", "b"):
        side = r[name]
        ways = {
            "whole": "all weights as stored", "automodel": "weights through the model's class, in half precision",
            "rows": "32 rows of every matrix", "streamed": "weights one by one", "": "no weights",
        }  # fmt: skip
        emit(f"{name.upper()}  {side['label']}")
        emit(f"   {side['model_type']}, {side['tokenizer_class']}, {ways[side['loading']]}")
    emit()
    emit("signal  value   independent models  what is compared")
    for row in r["signals"]:
        low, high = row["independent_low"], row["independent_high"]
        beside = "not measured" if low is None else f"{low:.4f} to {high:.4f}"
        emit(f"{row['name']:<6}  {_number(row['value'])}  {beside:<18}  {row['what']}")
    emit()
    scores = r["scores"]
    emit(f"identity {_number(scores['identity'])}   tokenizer {_number(scores['tokenizer'])}   "
         f"pipeline {_number(scores['pipeline'])}")  # fmt: skip
    emit(f'The Kit says: "{r["verdict"]["quote"]}"')
    _paragraph(r["sentence"])
    for text in r["notices"]:
        _paragraph(f"note: {text}")
    emit()
    _paragraph(r["context"])


def _paragraph(text: str) -> None:
    """Print sentences for 80 columns, no word broken."""
    for line in textwrap.wrap(clean(text, 4000), 79, break_on_hyphens=False):
        emit(line)


def _number(value: float | None) -> str:
    return "none  " if value is None else f"{value:.4f}"
