"""Which unit of a checkpoint is which unit of a fingerprint, where their feed-forward widths differ.

A fingerprint keeps 256 units of a block, drawn by number from all that the block has, so two fingerprints of unlike
widths keep other units.  Where the weights of one side are at hand, its units can be sketched as the other side's were
(`mpk_tui.fingerprint.features`), and each kept unit looked for among them.  What is left of a pruned copy stands in the
order of the original: the same test as between two checkpoints (`mpk_tui.lineage.matching`), and exact for the same
reason, for the matching treats the units of the checkpoint alike.
"""

from __future__ import annotations

import numpy as np

from mpk_tui.checkpoint.model import Block
from mpk_tui.fingerprint.features import VERSION, array, own_anchors, sketch_aligned, sketch_anchored
from mpk_tui.fingerprint.record import Feature, Fingerprint
from mpk_tui.fingerprint.units import AnchorBasis, Floats, Ids, input_roles, sample_units, unit_width
from mpk_tui.lineage.matching import Matching, mutual_nearest
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.lineage.sources import blocks_of

MOST_UNITS = 2048
"""Units of a block of the checkpoint that are sketched, by number; with 256 of the other side, some dozens meet in the
widest models, and ten in the same order are enough."""
_WIDEST = 1 << 20
"""Feed-forward width that a fingerprint may state."""


class SketchMatcher:
    """Finds the units that a fingerprint keeps among those of a checkpoint.

    Args:
        weights: The checkpoint.
        form: ``ffn.anchored`` or ``ffn.aligned``.
        rows: The feature of the fingerprint, (blocks, units, columns) float32.
        blocks: Its blocks.
        ids: (units,) which units of theirs they are.
        basis: For the anchored form.
    """

    def __init__(
        self, weights: Weights, form: str, rows: Floats, blocks: tuple[Block, ...], ids: Ids, basis: AnchorBasis | None
    ) -> None:
        self.form = form
        self._weights, self._basis = weights, basis
        self._order = np.argsort(ids)
        self._ids, self._rows = ids[self._order], rows
        self._at = {block: n for n, block in enumerate(blocks)}

    def __call__(self, mine: Block, kept: Block) -> Matching | None:
        """Mutual nearest neighbours: positions are unit ids, of the fingerprint first; None where shapes do not fit.

        Args:
            mine: Block of the checkpoint.
            kept: Block of the fingerprint.
        """
        w = self._weights
        ids = np.sort(sample_units(unit_width(w.reader, w.arch, mine), MOST_UNITS, seed=7))
        if kept not in self._at or not len(ids):
            return None
        if self._basis is not None:
            rows = sketch_anchored(self._basis, mine, ids)
        else:
            rows = sketch_aligned(w.reader, w.arch, mine, ids)
        if rows is None:
            return None
        found = mutual_nearest(self._rows[self._at[kept]][self._order], rows)
        return Matching(self._ids[found.a], ids[found.b], found.cosine)


def sketch_matcher(weights: Weights, other: Side) -> SketchMatcher | str:
    """A matcher for a checkpoint and a fingerprint, or why there is none.

    The anchored form does not change when residual dimensions are relabelled, so it is taken where both sides have it.
    """
    blocks = blocks_of(other)
    if not blocks or not weights.arch.blocks:
        return "no feed-forward roles are known for one of the models"
    inputs = list(input_roles(weights.arch, weights.arch.blocks[0]))
    feature = _usable(other.fingerprint, "ffn.anchored", len(blocks))
    anchors = own_anchors(weights.checkpoint, weights.reader)
    if feature is not None and anchors is not None and feature.params.get("by") == anchors.by:
        basis = AnchorBasis(weights.reader, weights.arch, anchors)
        if feature.params.get("inputs") == list(basis.roles(weights.arch.blocks[0])):
            return SketchMatcher(weights, feature.id, array(feature), blocks, _ids(feature), basis)
    feature = _usable(other.fingerprint, "ffn.aligned", len(blocks))
    if feature is None or feature.params.get("width") != weights.arch.width or feature.params.get("inputs") != inputs:
        return "the fingerprint keeps no units that could be looked for in the other model"
    return SketchMatcher(weights, feature.id, array(feature), blocks, _ids(feature), None)


def kept_width(other: Fingerprint) -> int:
    """Feed-forward width that a fingerprint states of its sketches, or 0."""
    feature = other.features.get("ffn.aligned")
    of = None if feature is None else feature.params.get("of")
    return of if isinstance(of, int) and not isinstance(of, bool) and 0 < of <= _WIDEST else 0


def _usable(fingerprint: Fingerprint, form: str, blocks: int) -> Feature | None:
    feature = fingerprint.features.get(form)
    if feature is None or feature.version != VERSION or len(feature.shape) != 3 or feature.shape[0] != blocks:
        return None
    units, of = feature.shape[1], kept_width(fingerprint)
    return feature if 1 < units <= of == feature.params.get("of") else None


def _ids(feature: Feature) -> Ids:
    return sample_units(int(feature.params["of"]), feature.shape[1])
