"""Print the workbench's key map in force, as a file to edit, and check one.

Your own map is keys.toml in the folder that --where names. A map that contradicts itself is refused whole.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--check", metavar="FILE", help="say whether this key map will do, and print it in place")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--toml", action="store_true", help="as a file to edit (the default)")
    form.add_argument("--markdown", action="store_true", help="as tables for documentation")
    form.add_argument("--json", action="store_true", help="one JSON object")
    form.add_argument("--where", action="store_true", help="name the file that the workbench reads by itself")
    parser.add_argument("--builtin", action="store_true", help="leave your own map aside")


def run(args: argparse.Namespace) -> int:
    """Print or check the map."""
    from mpk_tui.tui import keymap
    from mpk_tui.tui.keys import KEYS

    path = keymap.folder() / keymap.FILE
    if args.where:
        emit(str(path))
        return ExitCode.OK
    own: keymap.Own = {}
    source = ""
    if args.check:
        path = Path(args.check)
        own, source = keymap.read(path), str(path)
        narrate(f"{path}: {len(own)} of {len(KEYS)} rows changed; no contradiction")
    elif path.exists() and not args.builtin:
        own, source = keymap.read(path), str(path)
    table = keymap.apply(own)
    if args.json:
        emit_json(keymap.as_record(table, own, source))
    else:
        text = keymap.as_markdown(table) if args.markdown else keymap.as_toml(table)
        for line in text.splitlines():
            emit(line)
    return ExitCode.OK
