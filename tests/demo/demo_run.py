"""One run of the whole command, shared by the tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ran:
    """Exit code, folder, and what was printed on stdout."""

    code: int
    out: Path
    text: str
