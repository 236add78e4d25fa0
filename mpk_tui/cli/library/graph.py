"""``library graph``: the family graph of the entries, from documented parents alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.cli.library.declaring import declare, library_of
from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode, UsageError

STDOUT = "-"


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    p = declare(actions, "graph", "draw which entry is documented as made from which; nothing is compared")
    form = p.add_mutually_exclusive_group()
    form.add_argument("--dot", dest="format", action="store_const", const="dot", help="for Graphviz")
    form.add_argument("--svg", dest="format", action="store_const", const="svg", help="a picture")
    form.add_argument("--json", dest="format", action="store_const", const="json",
                      help="one JSON object (schema mpk-tui/family/1)")  # fmt: skip
    p.add_argument(
        "-o", "--output", metavar="FILE", default=STDOUT, help="a new file; without it, or -, standard output"
    )
    p.add_argument("--text", default="", metavar="TEXT", help="only entries that hold it, as for list")
    p.add_argument("--revoked", action="store_true", help="with entries that were revoked")
    p.add_argument("--ascii", action="store_true", help="draw the tree with ASCII alone")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.family.graph import as_record
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.family import family_of_library
    from mpk_tui.report import family_files, family_text

    if args.ascii and args.format:
        raise UsageError("--ascii is for the tree", hint="Leave it out")
    with open_library(library_of(args), immutable=args.immutable) as library:
        graph = family_of_library(library, text=args.text, revoked=args.revoked)
    if args.output != STDOUT:
        family_files.write(graph, Path(args.output), args.format or "text", ascii=args.ascii)
        narrate(f"wrote {args.output}")
    elif args.format == "json":
        emit_json(as_record(graph))
    elif args.format:
        for line in family_files.made(graph, args.format).decode("utf-8").splitlines():
            emit(line, most=10_000_000)
    else:
        for line in family_text.lines(graph, ascii=args.ascii):
            emit(line)
    arrows = sum(e.directed for e in graph.edges)
    narrate(f"models {len(graph.nodes)}, lines {len(graph.edges)}, documented arrows {arrows}")
    if not graph.edges:
        narrate(
            "no entry names a parent: mpk-tui library change NAME --parent NAME --parent-kind a --parent-source TEXT"
        )
    return ExitCode.OK
