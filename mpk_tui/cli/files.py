"""List what else lies in a checkpoint's folder, or how two folders differ in it.

Code and what auto_map names, pickles, chat templates wherever they are stored, generation settings, cards and licences,
scripts, archives, hidden files, links: each with its kind, size and SHA-256.  Nothing is run, imported or followed.
With OTHER: same, changed (with a short diff), only in one, equal under another name; templates by their text, settings
field by field.  Context, not evidence: nothing here decides a finding or a verdict.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mpk_tui.checkpoint.side_diff import CONTEXT, Difference, difference
from mpk_tui.checkpoint.side_files import EXECUTABLE, Survey, list_path, survey
from mpk_tui.cli.output import emit, emit_json, progress_bar
from mpk_tui.errors import ExitCode
from mpk_tui.text import size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("path", type=Path, metavar="PATH", help="folder or file")
    parser.add_argument("other", type=Path, nargs="?", metavar="OTHER", help="folder or file to compare with")
    parser.add_argument("--weights", action="store_true", help="hash weight files too (a fingerprint has their hashes)")
    parser.add_argument("--no-diff", action="store_true", help="name changed texts without showing how they differ")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    a = _survey(args.path, args.weights)
    if args.other is None:
        if args.json:
            emit_json({"schema": "mpk-tui/files/1", "path": str(args.path), "context": CONTEXT, **a.as_record()})
        else:
            _print(a)
        return ExitCode.OK
    b = _survey(args.other, args.weights)
    found = difference(a, b)
    if args.json:
        emit_json(
            {"schema": "mpk-tui/files-diff/1", "a": str(args.path), "b": str(args.other), **found.as_record(),
             "notices_a": list(a.notices), "notices_b": list(b.notices)}
        )  # fmt: skip
    else:
        _print_difference(found, a, b, not args.no_diff)
    return ExitCode.OK


def _survey(path: Path, weights: bool) -> Survey:
    root, files = list_path(path)
    return survey(files, root, None, progress_bar(), weights=weights)


def _print(found: Survey) -> None:
    for f in found.files:
        emit(f"{f.sha256 or '-' * 64}  {f.kind:<13}  {size(f.size):>9}  {f.path}{f'  ({f.note})' if f.note else ''}")
    for r in found.references:
        place = f"in the repository {r.repository}, not looked for" if r.repository else (
            "present" if r.present else "NOT in this folder")  # fmt: skip
        emit(f"auto_map: {r.source} {r.task} -> {r.target}: {r.file}, {place}")
    for t in found.templates:
        emit(f"chat template: {t.source} {t.name!r}, {len(t.text)} characters, sha256 {t.sha256}")
    for name, value in found.settings.items():
        emit(f"generation: {name} = {json.dumps(value)}")
    for file, field, value in found.claims:
        emit(f"claim of {file}: {field}: {value}")
    for notice in found.notices:
        emit(f"note: {notice}")
    running = sum(f.kind in EXECUTABLE for f in found.files)
    emit(f"{len(found.files)} entries, {running} of kinds that run something when loaded. {CONTEXT}")


def _print_difference(found: Difference, a: Survey, b: Survey, diffs: bool) -> None:
    for path in found.same:
        emit(f"same      {path}")
    for c in found.changed:
        emit(f"changed   {c.path}  ({c.kind_a if c.kind_a == c.kind_b else f'{c.kind_a}, {c.kind_b}'})")
        emit(f"  A {c.a}")
        emit(f"  B {c.b}")
        for line in c.diff if diffs else ():
            emit(f"  {line}")
        if c.note:
            emit(f"  {c.note}")
    for left, right in found.renamed:
        emit(f"renamed   {left} has the content of {right}")
    for path in found.not_compared:
        emit(f"unhashed  {path}  (weights; --weights hashes them)")
    for path in found.only_a:
        emit(f"only in A {path}")
    for path in found.only_b:
        emit(f"only in B {path}")
    for t in found.templates:
        emit(f"chat template equal: {', '.join(t.a)} and {', '.join(t.b)}")
    for place in found.templates_a:
        emit(f"chat template only in A: {place}")
    for place in found.templates_b:
        emit(f"chat template only in B: {place}")
    for f in found.settings:
        if f.status != "same":
            emit(f"generation {f.name}: {f.status}: {json.dumps(f.a)} / {json.dumps(f.b)}")
    for side, of in (("A", a), ("B", b)):
        for notice in of.notices:
            emit(f"note on {side}: {notice}")
    emit(CONTEXT)
