"""Make and check acquisition hash lists.

make PATH writes the SHA-256 of every file below PATH, as sha256sum or hashdeep would.
check PATH LIST... holds the files below PATH against lists: SHA256SUMS and its sisters, --tag, sha256:hex, hashdeep,
MD5 and SHA-1.  Every file is read once.  A match in MD5 or SHA-1 alone is a cross-reference and proves no identity.
check ends with 21 if a file differs or a listed file is not there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mpk_tui.checkpoint.hash_check import Checked, check, digest_files, readable
from mpk_tui.checkpoint.hash_lists import read_list, write_list
from mpk_tui.checkpoint.side_files import list_path, without
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import ExitCode
from mpk_tui.files import write_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    sub = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    p = sub.add_parser("make", help="write a list of a folder", allow_abbrev=False)
    p.add_argument("path", type=Path, metavar="PATH", help="folder or file")
    p.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: stdout")
    p.add_argument("--format", choices=("sha256sums", "hashdeep"), default="sha256sums")
    p = sub.add_parser("check", help="hold a folder against lists", allow_abbrev=False)
    p.add_argument("path", type=Path, metavar="PATH", help="folder or file")
    p.add_argument("lists", type=Path, nargs="+", metavar="LIST")
    p.add_argument("--ignore-missing", action="store_true", help="listed files that are not there are no fault")
    p.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    return _make(args) if args.act == "make" else _check(args)


def _make(args: argparse.Namespace) -> int:
    root, files = list_path(args.path)
    files = without(files, root, [args.output] if args.output is not None else [])
    for entry in files:
        if not readable(entry) and entry.kind != "dir":
            narrate(f"not hashed: {entry.path} ({'a link' if entry.kind == 'symlink' else 'no regular file'})")
    algorithms = ("md5",) if args.format == "hashdeep" else ()
    data = write_list(digest_files(files, root, algorithms, None, progress_bar()).values(), args.format)
    if args.output is None:
        if sys.stdout.isatty():
            # Names come from the folder; on a terminal they are escaped, in a pipe they are what sha256sum -c needs.
            for line in data.decode("utf-8", "surrogateescape").splitlines():
                emit(line)
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(data)
    else:
        write_file(args.output, data)
        narrate(f"wrote {args.output}")
    return ExitCode.OK


def _check(args: argparse.Namespace) -> int:
    root, files = list_path(args.path)
    lists = [read_list(path) for path in args.lists]
    found = check(lists, without(files, root, args.lists), root, None, progress_bar())
    # A lone file is held against the lines that name it; the others speak of what is not under examination.
    lenient = args.ignore_missing or args.path.is_file()
    faulty = any(c.differing or (c.missing and not lenient) for c in found)
    if lenient and not any(r.status == "matches" for c in found for r in c.rows):
        faulty = True  # nothing was checked at all: never a success
    if args.json:
        emit_json(
            {"schema": "mpk-tui/hashes/1", "path": str(args.path), "agrees": not faulty,
             "lists": [c.as_record() for c in found]}
        )  # fmt: skip
    else:
        for c in found:
            print_checked(c)
    return ExitCode.MISMATCH if faulty else ExitCode.OK


def print_checked(found: Checked) -> None:
    """Print a list held against files, faults first in sight: every line that is no proof, then the counts."""
    emit(f"{found.list.source}  ({found.list.format}, sha256 {found.list.sha256})")
    for notice in found.list.notices:
        emit(f"  note: {notice}")
    if found.prefix:
        emit(f"  note: {found.prefix} was cut from the front of the listed names")
    for r in found.rows:
        if r.status == "matches" and r.proof and r.line.name:
            continue
        name = r.line.name or next(iter(r.line.digests.values()))
        emit(f"  {r.status:<8} line {r.line.number}  {name}{f'  ({r.note})' if r.note else ''}")
        if r.sha256 and not r.proof:
            emit(f"           sha256 {r.sha256}")
    for d in found.unlisted:
        emit(f"  unlisted {d.path}  sha256 {d.digests['sha256']}")
    emit(f"  {found.sentence}")
