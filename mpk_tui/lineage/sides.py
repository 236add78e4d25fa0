"""One side of a comparison: a fingerprint, and the weights behind it where they are at hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import COLUMN_MAJOR, Architecture, Checkpoint, Part
from mpk_tui.checkpoint.open import PLAIN, Opening, open_checkpoint
from mpk_tui.fingerprint import record
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.progress import CancelToken, Report


@dataclass(frozen=True)
class Weights:
    """Weights that can be read.

    Attributes:
        checkpoint: Headers and roles.
        reader: Open files.
        choices: In how many ways the matrices of a layer were chosen by their values (`mpk_tui.lineage.borrow`); 1
            where names say what they are.  p-values are multiplied by it.
    """

    checkpoint: Checkpoint
    reader: WeightReader
    choices: int = 1

    @property
    def arch(self) -> Architecture:
        """Canonical roles."""
        return self.checkpoint.architecture

    def dtype(self, part: Part) -> str:
        """Stored type of a part's elements."""
        return self.checkpoint.logical[part.tensor].dtype.removesuffix(COLUMN_MAJOR)

    def big_endian(self, part: Part) -> bool:
        """Whether the part's numbers lie with their highest byte first."""
        file = self.checkpoint.logical[part.tensor].file
        return self.checkpoint.metadata.get(file, {}).get("gguf.byte_order") == "big"

    def column_major(self, part: Part) -> bool:
        """Whether the part's bytes lie column by column."""
        return self.checkpoint.logical[part.tensor].dtype.endswith(COLUMN_MAJOR)


@dataclass(frozen=True)
class Side:
    """What is known of one model.

    Attributes:
        label: Last component of the path that was given, or what a case calls it; untrusted text.
        fingerprint: Always there.
        weights: None if only a fingerprint file was given.
    """

    label: str
    fingerprint: Fingerprint
    weights: Weights | None

    def facts(self) -> dict[str, Any]:
        """The ``a`` or ``b`` object of a comparison record."""
        fp = self.fingerprint
        return {
            "label": self.label,
            "kind": "checkpoint" if self.weights else "fingerprint",
            "format": fp.format,
            "family": fp.family,
            "scope": fp.scope,
            "parameters": fp.parameters,
            "tensors": len(fp.tensors),
            "root": fp.root.hex(),
            "fingerprint": fp.digest.hex(),
            **({"missing": list(fp.missing)} if fp.missing else {}),
        }


@contextmanager
def open_side(path: Path, report: Report, cancel: CancelToken, how: Opening = PLAIN) -> Iterator[Side]:
    """Open a checkpoint or a fingerprint file; the weights stay open until the end of the block.

    Args:
        path: What was named.
        report: Progress of hashing and measuring.
        cancel: Polled between chunks.
        how: How a checkpoint is opened.

    Raises:
        MpkError: Whatever reading refuses.
    """
    label = path.name or path.resolve().name
    if record.looks_like_fingerprint(path):
        yield Side(label, record.read(path), None)
        return
    checkpoint = open_checkpoint(path, cancel, how)
    made = fingerprint(checkpoint, report, cancel)
    with WeightReader(checkpoint) as reader:
        yield Side(label, made, Weights(checkpoint, reader))
