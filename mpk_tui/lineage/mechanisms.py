"""Which mechanism of the constitution fits a finding, with what speaks for it and against it.

A proposal for the analyst, ordered by how well the numbers fit; never a direction.  Numbers and titles of the
mechanisms are the constitution's (section 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mpk_tui.lineage import findings
from mpk_tui.lineage.findings import Finding
from mpk_tui.lineage.identity import Delta, Identity
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.sides import Side

TITLES = {
    "3.1": "identity and reformatting",
    "3.2": "fine-tuning",
    "3.3": "continued pretraining",
    "3.4": "vocabulary-modified",
    "3.5": "distillation",
    "3.6": "structural modification with weight inheritance",
    "3.7": "quantization and compression",
    "3.8": "adapter-based",
    "3.9": "merging",
}
_COSINE_FLOOR = {8: 0.9999, 6: 0.9990, 5: 0.995, 4: 0.985, 3: 0.95, 2: 0.75}
"""Least median cosine between a matrix and its copy rounded to so many bits, with group scales."""
_BITS = {
    "Q8_0": 8, "Q8_1": 8, "Q8_K": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "Q6_K": 6, "Q5_0": 5, "Q5_1": 5, "Q5_K": 5,
    "Q4_0": 4, "Q4_1": 4, "Q4_K": 4, "IQ4_NL": 4, "IQ4_XS": 4, "MXFP4": 4, "Q3_K": 3, "IQ3_XXS": 3, "IQ3_S": 3,
    "Q2_K": 2, "IQ2_XXS": 2, "IQ2_XS": 2, "IQ2_S": 2,
}  # fmt: skip
SMALL_CHANGE = 0.15
"""Median relative change up to which fine-tuning is named before continued pretraining; a rule of thumb."""


def propose(finding: Finding, a: Side, b: Side, identity: Identity, layer_map: LayerMap | None) -> list[dict[str, Any]]:
    """Mechanisms in order of fit; empty where the finding licenses none."""
    if finding.name == findings.IDENTICAL:
        return [_row("3.1", ["every tensor is equal byte for byte"], [])]
    if finding.name == findings.REFORMATTED:
        kinds = sorted({d.conversion for d in identity.deltas if d.conversion}) or ["names or files only"]
        if identity.lossless:
            return [_row("3.1", [f"lossless conversion: {'; '.join(kinds[:4])}"], [])]
        return [
            _row("3.7", [f"every element is the rounded value: {'; '.join(kinds[:4])}"], []),
            _row("3.1", ["nothing but the number format differs"], ["the conversion loses digits"]),
        ]
    if finding.name not in (findings.NEAR_IDENTICAL, findings.TRAINED_ANCESTOR):
        return []
    change = _change(identity)
    scored = [
        row
        for row in (
            _quantized(a, b, change), _vocabulary(a, b), _structure(a, b, layer_map),
            _fine_tuned(change), _continued(change),
        )
        if row is not None
    ]  # fmt: skip
    scored.sort(key=lambda pair: -pair[0])
    return [row for _, row in scored]


def _row(number: str, speaks_for: list[str], against: list[str]) -> dict[str, Any]:
    return {"number": number, "title": TITLES[number], "for": speaks_for, "against": against}


class _Change:
    """Medians over body matrices that were read on both sides."""

    def __init__(self, deltas: list[Delta], share_equal: float) -> None:
        self.relative = float(np.median([d.relative for d in deltas])) if deltas else None
        self.cosine = float(np.median([d.cosine for d in deltas])) if deltas else None
        self.matrices = len(deltas)
        self.share_equal = share_equal


def _change(identity: Identity) -> _Change:
    body = [d for d in identity.deltas if d.pair.layer >= 0 and d.elements >= 4096]
    read = [d for d in body if d.state == "different"]
    equal = sum(d.state in ("bytes", "converted") for d in body)
    return _Change(read, equal / len(body) if body else 0.0)


def _quantized(a: Side, b: Side, change: _Change) -> tuple[float, dict[str, Any]] | None:
    bits_a, bits_b = _storage_bits(a), _storage_bits(b)
    bits = min(bits_a, bits_b)
    if bits > 8 or change.cosine is None:
        return None
    floor = _COSINE_FLOOR[bits]
    both = bits_a <= 8 and bits_b <= 8
    speaks = [f"{'both sides store their' if both else 'one side stores its'} matrices in about {bits} bits"]
    against: list[str] = []
    if change.cosine >= floor:
        speaks.append(f"median cosine {change.cosine:.5f} is what rounding to {bits} bits leaves (at least {floor})")
        return 3.0, _row("3.7", speaks, against)
    against.append(f"median cosine {change.cosine:.5f} is below what rounding to {bits} bits leaves ({floor})")
    return 0.5, _row("3.7", speaks, against)


def _storage_bits(side: Side) -> int:
    """Bits of the commonest type among large matrices, 16 or more for plain floats."""
    weight: dict[int, int] = {}
    for t in side.fingerprint.tensors:
        if len(t.shape) >= 2:
            weight[_BITS.get(t.dtype, 16)] = weight.get(_BITS.get(t.dtype, 16), 0) + t.nbytes
    return max(weight, key=lambda k: weight[k]) if weight else 16


def _vocabulary(a: Side, b: Side) -> tuple[float, dict[str, Any]] | None:
    ta, tb = a.fingerprint.tokenizer, b.fingerprint.tokenizer
    if not ta or not tb or ta.get("sha256") == tb.get("sha256"):
        return None
    sizes = f"vocabularies of {ta.get('size')} and {tb.get('size')} tokens, not the same list"
    return (2.0 if ta.get("size") != tb.get("size") else 1.5), _row("3.4", [sizes], [])


def _structure(a: Side, b: Side, layer_map: LayerMap | None) -> tuple[float, dict[str, Any]] | None:
    ca, cb = a.fingerprint.config, b.fingerprint.config
    speaks = [
        f"{words}: {ca[key]} and {cb[key]}"
        for key, words in (("layers", "layers"), ("width", "residual width"), ("ffn_width", "feed-forward units"))
        if ca.get(key) and cb.get(key) and ca[key] != cb[key]
    ]
    if layer_map is not None and layer_map.how != "same index":
        speaks.append(
            "layers correspond along a monotone path: " + ", ".join(f"{i}~{j}" for i, j in layer_map.pairs[:48])
        )
    return (2.5, _row("3.6", speaks, [])) if speaks else None


def _fine_tuned(change: _Change) -> tuple[float, dict[str, Any]] | None:
    if change.relative is None:
        return None
    text = f"median relative change of body matrices {change.relative:.3f}"
    if change.share_equal:
        text += f", {change.share_equal:.0%} of them untouched"
    small = change.relative <= SMALL_CHANGE
    row = _row("3.2", [text] if small else [], [] if small else [f"{text}: more than fine-tuning usually makes"])
    return (1.2 if small else 0.8), row


def _continued(change: _Change) -> tuple[float, dict[str, Any]] | None:
    if change.relative is None or change.share_equal:
        return None
    text = f"median relative change of body matrices {change.relative:.3f}, no matrix untouched"
    large = change.relative > SMALL_CHANGE
    row = _row(
        "3.3", [text] if large else [], [] if large else [f"{text}: less than continued pretraining usually makes"]
    )
    return (1.0 if large else 0.6), row
