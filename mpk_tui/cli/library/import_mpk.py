"""``library import-mpk``: the reference database of Cisco's Model Provenance Kit, as leads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.cli.library.declaring import declare, library_of, who
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import ExitCode


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    p = declare(
        actions, "import-mpk", "take over the reference database of Cisco's Model Provenance Kit, as leads",
        writes=True, json="mpk-tui/kit-database/1",
    )  # fmt: skip
    p.add_argument(
        "path", type=Path, metavar="PATH",
        help="the Kit's installed package folder (provenancekit), its wheel (.whl), or a copied folder database",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.kit.kept import as_record, import_database
    from mpk_tui.kit.leads import LEADS_ONLY
    from mpk_tui.library.adding import now

    folder = library_of(args)
    made = import_database(args.path, folder, who=who(args), at=now(), report=progress_bar())
    if args.json:
        emit_json(as_record(made, folder))
    else:
        emit(f"families   {len(made.families)}")
        emit(f"assets     {len(made.assets)}, {made.deep} with weight signals")
        emit(f"version    {made.version or 'not stated'}{f', licence {made.licence}' if made.licence else ''}")
        emit(f"content    {made.content.hex()}")
    for notice in made.notices:
        narrate(f"note: {notice}")
    narrate(f"{folder}: imported in the place of any earlier import. {LEADS_ONLY}")
    narrate("mpk-tui scan MODEL --kit ranks them for a checkpoint")
    return ExitCode.OK
