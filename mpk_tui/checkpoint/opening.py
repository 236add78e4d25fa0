"""How a path is to be opened: said in advance, and kept in a case, without loading any reader of checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Opening:
    """How a path is to be opened.

    Attributes:
        model: Which of several models of a folder is meant, by the name that the error lists.
        partial: Accept missing shards and files that were cut short; what is missing is recorded.
        base: The model that an adapter was trained on; the adapter is put onto it in memory.
        isolate: Read headers in another process with limits (`mpk_tui.checkpoint.isolation`).
    """

    model: str = ""
    partial: bool = False
    base: Path | None = None
    isolate: bool = False


PLAIN = Opening()
"""One whole model."""
