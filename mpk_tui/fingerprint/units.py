"""Feed-forward units as rows of numbers, in the two forms that lineage tests compare.

* **aligned**: ``[gate_i ; up_i ; down_:,i]`` in the model's own residual basis.  Needs equal residual width.
* **anchored** (basis-free): inner products of a unit's input weights, norm gain folded in, with the embeddings of
  anchor tokens that both vocabularies share by string.  Unchanged by permuting, flipping or rotating the residual
  stream, and comparable across widths.

Everything here looks at one model at a time and treats its units alike, so relabelling units stays an exact null.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Architecture, Block, Part, Tokenizer

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

ANCHORS = 512
"""Anchor tokens of the basis-free form."""
MIN_ANCHORS = 64
"""Fewer shared tokens than this and the basis-free form is not run."""
RESIDUAL_SAMPLE = 1024
"""Residual dimensions of the output side that the aligned form looks at."""


def sample_units(width: int, count: int, seed: int = 0) -> Ids:
    """Ids of the units to compare: the first ``count`` of one fixed permutation of ``range(width)``.

    A smaller sample is a prefix of a larger one, so a fingerprint's 256 units are among the 1024 of a checkpoint.
    """
    order = np.random.Generator(np.random.PCG64([seed, width])).permutation(width)
    return order[: min(count, width)].astype(np.int64)


def feature_map(rows: Floats) -> Floats:
    """Centre over units, equalise columns, normalise rows, centre again.

    Dividing each column by its standard deviation kills outlier dimensions; everything is done on one model alone
    and treats its units alike, so relabelling stays exact.

    Args:
        rows: (m, columns) float32, one unit a row; not changed.

    Returns:
        (m, columns) float32; columns without variation, or with values that are not finite, are zero.
    """
    finite = np.isfinite(rows).all(axis=0)
    x = np.where(finite, rows, np.float32(0))
    x -= x.mean(axis=0, dtype=np.float64).astype(np.float32)
    std = np.sqrt(np.einsum("ij,ij->j", x, x, dtype=np.float64) / len(x)).astype(np.float32)
    # A column that is constant up to rounding carries no identity of units.
    x *= np.divide(1.0, std, out=np.zeros_like(std), where=std > 1e-12)
    norm = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64)).astype(np.float32)
    x *= np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)[:, None]
    x -= x.mean(axis=0, dtype=np.float64).astype(np.float32)
    return x


@dataclass(frozen=True)
class Anchors:
    """Tokens whose embeddings serve as a basis that both models share.

    Attributes:
        by: ``strings``, or ``ids`` where there is no tokenizer and equal ids are taken to be equal tokens.
        names: Token strings (or ids as text), in the order of ``rows``.
        rows: Row of each in the embedding table.
    """

    by: str
    names: tuple[str, ...]
    rows: Ids


def anchor_strings(tokenizer: Tokenizer, rows: int) -> dict[str, int]:
    """Ordinary token strings of a vocabulary and their embedding rows; strings that occur twice are left out."""
    found: dict[str, int] = {}
    twice = set()
    for i, token in enumerate(tokenizer.tokens[:rows]):
        if token is None or i in tokenizer.special:
            continue
        if token in found:
            twice.add(token)
        found[token] = i
    for token in twice:
        del found[token]
    return found


def choose_anchors(strings: Iterable[str], lookup: dict[str, int], count: int = ANCHORS) -> Anchors:
    """The ``count`` strings with the smallest SHA-256: fixed before any weight is looked at, the same everywhere."""
    names = sorted(strings, key=lambda s: hashlib.sha256(s.encode("utf-8", "surrogatepass")).digest())[:count]
    return Anchors("strings", tuple(names), np.array([lookup[n] for n in names], dtype=np.int64))


def anchors_by_id(rows: int, count: int = ANCHORS) -> Anchors:
    """Anchors where no vocabulary is known: ``count`` row numbers, the same for every table of this size."""
    ids = np.sort(sample_units(rows, count, seed=1))
    return Anchors("ids", tuple(f"{i}/{rows}" for i in ids), ids)


def unit_width(reader: WeightReader, arch: Architecture, block: Block) -> int:
    """Number of units of a feed-forward block, 0 where the roles are missing or contradict each other."""
    up, down = arch.feed("ffn.up", block), arch.feed("ffn.down", block)
    if up is None or down is None:
        return 0
    shape, other = reader.shape(up), reader.shape(down)
    if len(shape) != 2 or len(other) != 2 or shape[0] != other[1] or shape[1] != other[0]:
        return 0
    return int(shape[0])


def input_roles(arch: Architecture, block: Block) -> tuple[str, ...]:
    """Matrices that feed the units: gate and up, or up alone."""
    return ("ffn.gate", "ffn.up") if arch.feed("ffn.gate", block) is not None else ("ffn.up",)


def feed(arch: Architecture, role: str, block: Block) -> Part:
    """A matrix that `unit_width` has found to be there."""
    part = arch.feed(role, block)
    assert part is not None
    return part


def aligned_rows(
    reader: WeightReader, arch: Architecture, block: Block, ids: Ids, residual: int = RESIDUAL_SAMPLE
) -> Floats:
    """The aligned form of chosen units.

    Args:
        reader: Open weights.
        arch: Roles.
        block: Feed-forward block.
        ids: (m,) unit ids.
        residual: Residual dimensions of the output side to include, a fixed sample where the width is larger.

    Returns:
        (m, inputs * d + min(d, residual)) float32.
    """
    blocks = [reader.select(feed(arch, role, block), ids) for role in input_roles(arch, block)]
    down = feed(arch, "ffn.down", block)
    width = reader.shape(down)[0]
    out = np.sort(sample_units(width, residual, seed=2))
    blocks.append(np.ascontiguousarray(reader.select(down, out)[:, ids].T))
    return np.concatenate(blocks, axis=1)


class AnchorBasis:
    """Embeddings of the anchor tokens, read once for all layers."""

    def __init__(self, reader: WeightReader, arch: Architecture, anchors: Anchors) -> None:
        self.anchors = anchors
        self._reader, self._arch = reader, arch
        self._table = reader.select(arch.roles["embed.tokens", -1], anchors.rows)
        self._out = self._output_table()

    @property
    def width(self) -> int:
        """Width of the embedding."""
        return int(self._table.shape[1])

    @property
    def table(self) -> Floats:
        """Embeddings of the anchors, (anchors, width) float32."""
        return self._table

    @property
    def outputs(self) -> Floats:
        """What outputs are read against, (anchors, width) float32."""
        return self._out

    def inputs(self, layer: int, norm: str) -> Floats | None:
        """What inputs are read against, the gain of a norm folded in; None where its width does not fit."""
        part = self._arch.roles.get((norm, layer))
        if part is None:
            return self._table
        gain = self._reader.whole(part)
        return self._table * gain if gain.shape == (self.width,) else None

    def roles(self, block: Block) -> tuple[str, ...]:
        """Matrices in the rows: gate and up, or up and down where there is no gate.

        Seen on real and small models: with a gate, the output side adds only common directions and lowers z; without
        one it raises z by a third.
        """
        inputs = input_roles(self._arch, block)
        return inputs if len(inputs) == 2 else (*inputs, "ffn.down")

    def rows(self, block: Block, ids: Ids) -> Floats | None:
        """The anchored form of chosen units, (m, roles * anchors) float32; None where widths do not fit."""
        table = self.inputs(block.layer, "ffn.norm")
        if table is None:
            return None
        blocks = []
        for role in self.roles(block):
            part = feed(self._arch, role, block)
            out = role == "ffn.down"
            weights = self._reader.columns(part, ids).T if out else self._reader.select(part, ids)
            if weights.shape[1] != self.width:
                return None
            blocks.append(weights @ (self._out if out else table).T)
        return np.concatenate(blocks, axis=1)

    def _output_table(self) -> Floats:
        """Rows of the head, its norm gain folded in, or of the embedding where they are one or do not fit."""
        head, final = self._arch.roles.get(("head", -1)), self._arch.roles.get(("norm.final", -1))
        out = self._table
        if head is not None and not self._arch.tied:
            shape = self._reader.shape(head)
            if len(shape) == 2 and shape[1] == self.width and shape[0] > int(self.anchors.rows.max(initial=0)):
                out = self._reader.select(head, self.anchors.rows)
        if final is not None:
            gain = self._reader.whole(final)
            if gain.shape == (self.width,):
                out = out * gain
        return out


def aligned_projection(columns: int, target: int) -> Floats:
    """Fixed signs that project ``columns`` to ``target`` columns (Achlioptas 2003), (columns, target) float32."""
    rng = np.random.Generator(np.random.PCG64([3, columns]))
    signs = rng.integers(0, 2, size=(columns, target), dtype=np.int8)
    return (signs.astype(np.float32) * 2 - 1) / np.float32(np.sqrt(target))


def anchored_projection(names: Sequence[str], roles: Sequence[str], target: int) -> Floats:
    """Signs that belong to a token's string, so that vocabularies which share only some anchors still meet.

    Returns:
        (len(roles) * len(names), target) float32; ``target`` at most 256.
    """
    rows = []
    for role in roles:
        for name in names:
            digest = hashlib.sha256(f"anchor/{role}/{name}".encode("utf-8", "surrogatepass")).digest()
            rows.append(np.unpackbits(np.frombuffer(digest, dtype=np.uint8))[:target])
    return (np.array(rows, dtype=np.float32) * 2 - 1) / np.float32(np.sqrt(target))
