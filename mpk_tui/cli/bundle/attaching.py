"""``bundle extract`` and ``bundle detach``: attachments out of a bundle, or a bundle without them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.later import attachments
from mpk_tui.cli.bundle.looking import Looked, look, look_options, refuse
from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode, StorageError, UsageError
from mpk_tui.files import write_file


def add(actions: Any) -> None:
    """Declare the arguments of both actions."""
    out = actions.add_parser(
        "extract", allow_abbrev=False, help="write attachments into an empty folder, under their ids"
    )
    out.add_argument("bundle", type=Path, metavar="FILE")
    out.add_argument("--to", type=Path, metavar="DIR", required=True, help="new or empty folder")
    out.add_argument("--doc", action="append", default=[], metavar="doc.N", help="this one (default: all)")
    out.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/extract/1)")
    look_options(out)
    off = actions.add_parser("detach", allow_abbrev=False, help="write a copy whose attachments travel beside it")
    off.add_argument("bundle", type=Path, metavar="FILE")
    off.add_argument("-o", "--output", type=Path, metavar="OUT", required=True, help="bundle file to write")
    look_options(off)


def run(args: argparse.Namespace) -> int:
    """Run one of the actions."""
    if args.action == "detach" and os.path.lexists(args.output):
        raise StorageError("exists; a bundle is never overwritten", where=str(args.output), hint="Name another file")
    looked = look(args)
    if looked.contents is None:
        return refuse(looked, untrusted=args.show_untrusted, what="nothing was written")
    if args.action == "detach":
        return _detach(args, looked, looked.contents)
    return _extract(args, looked, looked.contents)


def _extract(args: argparse.Namespace, looked: Looked, contents: Contents) -> int:
    found = attachments.attachments(looked.body, contents)
    chosen = attachments.chosen(found, args.doc)
    if not chosen:
        raise UsageError("no attachment is in the file", where=str(args.bundle))
    attachments.extract(chosen, args.to)
    narrate(f"the bundle reads {looked.outcome.verdict}")
    if args.json:
        rows = [
            {"id": a.id, "sha256": a.sha256.hex(), "size": a.size, "name": a.name, "media_type": a.media_type}
            for a in chosen
        ]
        emit_json({"schema": "mpk-tui/extract/1", "verdict": looked.outcome.verdict.value, "written": rows})
    for a in chosen:
        if not args.json:
            emit(f"{a.id:<12} {a.sha256.hex()} {a.size} bytes, called {a.name!r}")
    narrate(f"wrote {len(chosen)} files to {args.to}; their names in the bundle were not used, nothing was opened")
    return ExitCode.OK


def _detach(args: argparse.Namespace, looked: Looked, contents: Contents) -> int:
    sealed = looked.sealed
    made = attachments.detach(sealed)
    off = len(sealed.blobs) - len(made.blobs)
    if not off:
        raise UsageError("no attachment is in the file", where=str(args.bundle))
    write_file(args.output, made.to_bytes())
    for a in attachments.attachments(looked.body, contents):
        emit(f"{a.id:<12} {a.sha256.hex()} {a.size} bytes, called {a.name!r}")
    narrate(f"wrote {args.output} without {off} attachments; verify it with --attachments DIR where they lie")
    return ExitCode.OK
