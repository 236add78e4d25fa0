"""torchao's tensor classes, taken apart into plain tensors of a safetensors file.

Layout (torchao 0.18.0, prototype/safetensors/safetensors_support.py): a weight ``P.weight`` becomes
``P._weight_qdata``, ``P._weight_scale`` and so on, and the header's metadata holds, under ``P.weight``, a JSON text
with the class and its settings.  Decoded are `Int8Tensor`, `IntxUnpackedToInt8Tensor` and `Float8Tensor`; other
classes are packed for one kind of device and are named as not decoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.checkpoint.layouts.integers import grid_of
from mpk_tui.checkpoint.layouts.record import EIGHT_BIT, FLOATS, MAX_SMALL, Found, RefusedError, shape2, want
from mpk_tui.checkpoint.model import Derived, Tensor
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.errors import MpkError

_TYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
_CLASSES = ("Int8Tensor", "IntxUnpackedToInt8Tensor", "Float8Tensor")


def find(tensors: Mapping[str, Tensor], metadata: Mapping[str, Mapping[str, str]], found: Found) -> None:
    """Weights whose header metadata records a class of torchao."""
    for entries in metadata.values():
        if "tensor_names" not in entries:
            continue
        for name, recorded in entries.items():
            if name == "tensor_names" or '"_type"' not in recorded or len(recorded) > MAX_SMALL:
                continue
            try:
                facts: Any = parse(recorded.encode("utf-8"), f"metadata {name[:200]!r}")
            except MpkError as error:
                found.refuse(name, f"its recorded class cannot be read ({error.diagnosis()})")
                continue
            kind = facts.get("_type") if isinstance(facts, dict) else None
            if kind == "Tensor":
                continue
            try:
                want(kind in _CLASSES, f"torchao's {str(kind)[:60]} is not decoded by this version")
                found.add(_weight(name, str(kind), facts.get("_data"), tensors))
            except RefusedError as error:
                found.refuse(name, str(error))


def _weight(name: str, kind: str, facts: Any, tensors: Mapping[str, Tensor]) -> Derived:
    want(isinstance(facts, dict), "no settings are recorded")
    module, _, last = name.rpartition(".")

    def part(ending: str) -> Tensor | None:
        return tensors.get(f"{module}._{last}_{ending}")

    codes, scale, zero = part("qdata"), part("scale"), part("zero_point")
    want(codes is not None and scale is not None, "its codes or scales are missing")
    assert codes is not None
    assert scale is not None
    outputs, inputs = shape2(codes, "codes")
    rows, columns = grid_of(scale, outputs, inputs)
    want(scale.dtype in FLOATS, f"scales of type {scale.dtype}")
    block = facts.get("block_size")
    want(
        isinstance(block, list) and len(block) == 2
        and all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in block)
        and (-(-outputs // block[0]), -(-inputs // block[1])) == (rows, columns),
        f"blocks of {str(block)[:60]} contradict scales of shape {list(scale.shape)}",
    )  # fmt: skip
    stated = facts.get("dtype")
    rounds = _TYPES.get(str(stated.get("_data")) if isinstance(stated, dict) else "", scale.dtype)
    sources = {"codes": codes.name, "scale": scale.name}
    if kind == "Float8Tensor":
        want(codes.dtype in EIGHT_BIT, f"codes of type {codes.dtype}")
        return Derived(
            name, "fp8", codes.shape, sources, {"block": block, "grid": [rows, columns], "rounds": rounds}, 8
        )
    want(codes.dtype == "I8", f"codes of type {codes.dtype}")
    if zero is not None:
        want(zero.elements == scale.elements, f"{zero.elements} zero points, {scale.elements} scales")
        sources["zero"] = zero.name
    bits = 8
    target = facts.get("target_dtype")
    if isinstance(target, dict) and str(target.get("_data")).startswith("int"):
        digits = str(target["_data"])[3:]
        bits = int(digits) if digits in ("1", "2", "3", "4", "5", "6", "7", "8") else 8
    params = {"block": block, "grid": [rows, columns], "rounds": rounds}
    return Derived(name, "int8", codes.shape, sources, params, bits)
