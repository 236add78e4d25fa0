"""Features that travel in a fingerprint: small sketches on which lineage tests stay exact.

Per feed-forward block, 256 units in both forms of `mpk_tui.fingerprint.units`, each projected to 64 columns by fixed
random signs and rounded to half precision; the residual dimensions of the embedding likewise; and, for the
discriminator, what `mpk_tui.fingerprint.learned` keeps of a few matrices.  Projection and rounding treat all units
alike, so p-values stay exact; they only add noise of about 1 / sqrt(64 * 256 * layers) to the correlation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Architecture, Block, Checkpoint
from mpk_tui.fingerprint import learned
from mpk_tui.fingerprint.record import Feature
from mpk_tui.fingerprint.units import (
    MIN_ANCHORS,
    AnchorBasis,
    Anchors,
    Floats,
    Ids,
    aligned_projection,
    aligned_rows,
    anchor_strings,
    anchored_projection,
    anchors_by_id,
    choose_anchors,
    feature_map,
    input_roles,
    sample_units,
    unit_width,
)
from mpk_tui.progress import CancelToken, Meter, Report, silent

SKETCH_UNITS = 256
SKETCH_COLUMNS = 64
_SKETCH_RESIDUAL = 512
BUDGET = 96
"""Blocks that are sketched with all their units; with more of them (many experts) fewer units and experts each."""
VERSION = 2


def compute(
    checkpoint: Checkpoint, reader: WeightReader, report: Report = silent, cancel: CancelToken | None = None
) -> list[Feature]:
    """All features that this checkpoint supports; an empty list where no roles are known."""
    arch = checkpoint.architecture
    cancel = cancel or CancelToken()
    out: list[Feature] = []
    basis = _own_basis(checkpoint, reader)
    blocks, units = sketched_blocks(arch)
    widths = {unit_width(reader, arch, block) for block in blocks}
    if len(widths) == 1 and widths != {0}:
        out += _units(reader, arch, basis, blocks, sample_units(widths.pop(), units), report, cancel)
    if basis is not None:
        out.append(_residual(basis, arch))
    learned_part = learned.compute(reader, arch, report, cancel)
    return out if learned_part is None else [*out, learned_part]


def sketched_blocks(arch: Architecture) -> tuple[list[Block], int]:
    """Blocks of the sketches and units of each: all blocks, or the first experts of each layer where they are many."""
    blocks = list(arch.blocks)
    if len(blocks) <= BUDGET:
        return blocks, SKETCH_UNITS
    experts = max(1, 2 * BUDGET // max(1, arch.layers))
    blocks = [b for b in blocks if b.expert < experts]
    return blocks, SKETCH_UNITS if len(blocks) <= BUDGET else SKETCH_UNITS // 2


def _units(
    reader: WeightReader, arch: Architecture, basis: AnchorBasis | None, blocks: list[Block], ids: Ids,
    report: Report, cancel: CancelToken,
) -> list[Feature]:  # fmt: skip
    aligned: list[Floats] = []
    anchored: list[Floats] = []
    meter = Meter(report, "features", len(blocks), "blocks")
    for block in blocks:
        cancel.check()
        aligned.append(sketch_aligned(reader, arch, block, ids))
        rows = None if basis is None else sketch_anchored(basis, block, ids)
        if rows is not None:
            anchored.append(rows)
        meter.add(1, f"layer {block}")
    common: dict[str, Any] = {
        "units": len(ids), "of": unit_width(reader, arch, blocks[0]), "layers": arch.layers,
        "columns": SKETCH_COLUMNS, "blocks": [[b.layer, b.expert] for b in blocks],
    }  # fmt: skip
    inputs = list(input_roles(arch, blocks[0]))
    out = [_feature("ffn.aligned", {**common, "inputs": inputs, "width": arch.width}, aligned)]
    if basis is not None and len(anchored) == len(blocks):
        params = {
            **common, "inputs": list(basis.roles(blocks[0])), "anchors": len(basis.anchors.names),
            "by": basis.anchors.by,
        }  # fmt: skip
        out.append(_feature("ffn.anchored", params, anchored))
    return out


def _residual(basis: AnchorBasis, arch: Architecture) -> Feature:
    """Residual dimensions of the embedding over the anchor tokens: (1, d, 64)."""
    rows = feature_map(np.ascontiguousarray(basis.table.T))
    projected = rows @ anchored_projection(basis.anchors.names, ("embed",), SKETCH_COLUMNS)
    params = {
        "width": arch.width, "columns": SKETCH_COLUMNS, "anchors": len(basis.anchors.names), "by": basis.anchors.by,
    }  # fmt: skip
    return _feature("residual.embeddings", params, [projected])


def sketch_aligned(reader: WeightReader, arch: Architecture, block: Block, ids: Ids) -> Floats:
    """One block of ``ffn.aligned``: (m, 64) float32."""
    x = feature_map(aligned_rows(reader, arch, block, ids, _SKETCH_RESIDUAL))
    return x @ aligned_projection(x.shape[1], SKETCH_COLUMNS)


def sketch_anchored(basis: AnchorBasis, block: Block, ids: Ids) -> Floats | None:
    """One block of ``ffn.anchored``: (m, 64) float32."""
    rows = basis.rows(block, ids)
    if rows is None:
        return None
    return feature_map(rows) @ anchored_projection(basis.anchors.names, basis.roles(block), SKETCH_COLUMNS)


def own_anchors(checkpoint: Checkpoint, reader: WeightReader) -> Anchors | None:
    """Anchors chosen from one model's own vocabulary, for its fingerprint."""
    part = checkpoint.architecture.roles.get(("embed.tokens", -1))
    if part is None:
        return None
    rows = reader.shape(part)[0]
    if checkpoint.tokenizer is None:
        return anchors_by_id(rows) if rows >= MIN_ANCHORS else None
    strings = anchor_strings(checkpoint.tokenizer, rows)
    return choose_anchors(strings, strings) if len(strings) >= MIN_ANCHORS else None


def _own_basis(checkpoint: Checkpoint, reader: WeightReader) -> AnchorBasis | None:
    anchors = own_anchors(checkpoint, reader)
    return None if anchors is None else AnchorBasis(reader, checkpoint.architecture, anchors)


def _feature(fid: str, params: dict[str, Any], layers: list[Floats]) -> Feature:
    array = np.stack(layers).astype("<f2")
    return Feature(fid, VERSION, params, "<f2", array.shape, array.tobytes())


def array(feature: Feature) -> Floats:
    """A stored feature as float32."""
    stored: Floats = np.frombuffer(feature.data, dtype=feature.dtype).reshape(feature.shape).astype(np.float32)
    return stored
