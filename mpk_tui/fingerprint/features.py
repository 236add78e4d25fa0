"""Features that travel in a fingerprint: small sketches on which lineage tests stay exact.

Per layer, 256 feed-forward units in both forms of `mpk_tui.fingerprint.units`, each projected to 64 columns by fixed
random signs and rounded to half precision.  Projection and rounding treat all units alike, so p-values stay exact;
they only add noise of about 1 / sqrt(64 * 256 * layers) to the correlation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Architecture, Checkpoint
from mpk_tui.fingerprint.record import Feature
from mpk_tui.fingerprint.units import (
    MIN_ANCHORS,
    AnchorBasis,
    Anchors,
    Floats,
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
VERSION = 1


def compute(
    checkpoint: Checkpoint, reader: WeightReader, report: Report = silent, cancel: CancelToken | None = None
) -> list[Feature]:
    """All features that this checkpoint supports; an empty list where no roles are known."""
    arch = checkpoint.architecture
    cancel = cancel or CancelToken()
    widths = {unit_width(reader, arch, layer) for layer in range(arch.layers)}
    if len(widths) != 1 or widths == {0}:
        return []
    (width,) = widths
    ids = sample_units(width, SKETCH_UNITS)
    basis = _own_basis(checkpoint, reader)
    aligned: list[Floats] = []
    anchored: list[Floats] = []
    meter = Meter(report, "features", arch.layers, "layers")
    for layer in range(arch.layers):
        cancel.check()
        aligned.append(sketch_aligned(reader, arch, layer, ids))
        if basis is not None:
            rows = sketch_anchored(basis, layer, ids)
            if rows is not None:
                anchored.append(rows)
        meter.add(1, f"layer {layer}")
    common: dict[str, Any] = {"units": len(ids), "of": width, "layers": arch.layers, "columns": SKETCH_COLUMNS}
    inputs = list(input_roles(arch, 0))
    out = [_feature("ffn.aligned", {**common, "inputs": inputs, "width": arch.width}, aligned)]
    if basis is not None and len(anchored) == arch.layers:
        params = {
            **common, "inputs": list(basis.roles(0)), "anchors": len(basis.anchors.names), "by": basis.anchors.by,
        }  # fmt: skip
        out.append(_feature("ffn.anchored", params, anchored))
    return out


def sketch_aligned(reader: WeightReader, arch: Architecture, layer: int, ids: np.ndarray[Any, Any]) -> Floats:
    """One layer of ``ffn.aligned``: (m, 64) float32."""
    x = feature_map(aligned_rows(reader, arch, layer, ids, _SKETCH_RESIDUAL))
    return x @ aligned_projection(x.shape[1], SKETCH_COLUMNS)


def sketch_anchored(basis: AnchorBasis, layer: int, ids: np.ndarray[Any, Any]) -> Floats | None:
    """One layer of ``ffn.anchored``: (m, 64) float32."""
    rows = basis.rows(layer, ids)
    if rows is None:
        return None
    return feature_map(rows) @ anchored_projection(basis.anchors.names, basis.roles(layer), SKETCH_COLUMNS)


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
