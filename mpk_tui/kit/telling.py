"""How many leads a library has, for those who list or count it; NumPy is loaded only where there are some."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mpk_tui.errors import MpkError

if TYPE_CHECKING:
    from mpk_tui.kit.reference import Reference

FOLDER = "kit"
NAME = "reference.mpkr"


def count(library: Path) -> int:
    """Number of leads of a library; 0 where there are none or they cannot be used."""
    try:
        found = _recall(library)
    except MpkError:
        return 0
    return len(found.assets) if found is not None else 0


def told(library: Path) -> str:
    """One sentence about the leads of a library; empty where there are none."""
    try:
        found = _recall(library)
    except MpkError as error:
        return f"the imported database of the Kit cannot be used: {error.diagnosis()}"
    if found is None:
        return ""
    return (
        f"{len(found.assets)} leads from the database of Cisco's Model Provenance Kit {found.version}".rstrip()
        + f" ({found.deep} with weight signals): they decide nothing and are no entries; scan --kit ranks them"
    )


def _recall(library: Path) -> Reference | None:
    if not os.path.lexists(library / FOLDER / NAME):
        return None
    from mpk_tui.kit.kept import recall

    return recall(library)
