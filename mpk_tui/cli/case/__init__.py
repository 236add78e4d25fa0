"""Keep a case: artifacts, fingerprints, comparisons, evidence, answers, rationale, custody, verdict.

A case is a folder with an append-only journal; everything that the terminal UI writes can be written here too.  PAIR is
SUBJECT:REFERENCE, e.g. S1:R1, and may be left out while the case has one pair.
"""

from __future__ import annotations

import argparse
import importlib

from mpk_tui.case import open_case
from mpk_tui.cli.output import narrate
from mpk_tui.errors import UsageError

# Act -> module of this package; each has ``add(actions)``, which declares its arguments, and ``run(case, args)``.
ACTS = {
    "new": "keeping",
    "set": "keeping",
    "add": "examining",
    "remove": "examining",
    "fingerprint": "examining",
    "rehash": "examining",
    "compare": "comparing",
    "propose": "comparing",
    "evidence": "evidence",
    "attach": "evidence",
    "answer": "answering",
    "accept": "answering",
    "merge": "answering",
    "rationale": "answering",
    "gaps": "answering",
    "note": "keeping",
    "custody": "custody",
    "review": "reviewing",
    "status": "reviewing",
    "verdict": "reviewing",
    "log": "keeping",
    "undo": "keeping",
    "redo": "keeping",
    "script": "scripting",
    "wizard": "wizard",
}
_READING = frozenset({"status", "verdict", "log", "propose", "script"})
_UNOPENED = frozenset({"new", "wizard"})
"""Acts that open or make the case themselves."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    for name in dict.fromkeys(ACTS.values()):
        importlib.import_module(f"{__name__}.{name}").add(actions)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    module = importlib.import_module(f"{__name__}.{ACTS[args.act]}")
    if args.act in _UNOPENED:
        return int(module.begin(args))
    reading = args.act in _READING or bool(getattr(args, "reading", lambda _: False)(args))
    with open_case(args.case, read_only=reading) as case:
        for notice in case.notices:
            narrate(notice)
        if case.read_only and not reading:
            raise UsageError(
                "nothing can be recorded: the case is open for reading only", where=str(args.case),
                hint="The notice above says why",
            )  # fmt: skip
        return int(module.run(case, args))
