"""GPTQ, AWQ, compressed-tensors with integers, and LLM.int8(): codes on an even grid with scales and zero points.

Formats as their reference implementations write them: GPTQ (auto_gptq 0.7.1, nn_modules/qlinear; gptqmodel 7.7.0, the
same and its ``checkpoint_format``), AWQ (autoawq 0.2.9, utils/packing_utils.py), compressed-tensors 0.20.0
(compressors/pack_quantized, compressors/naive_quantized), LLM.int8() (bitsandbytes 0.50.2, ``Linear8bitLt``).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from mpk_tui.checkpoint.layouts.record import (
    FLOATS,
    Found,
    Read,
    RefusedError,
    modules,
    number,
    shape2,
    text,
    want,
    whole,
)
from mpk_tui.checkpoint.model import Derived, Tensor

_GPTQ = ("qweight", "qzeros", "scales", "g_idx")
_PACKED = ("weight_packed", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx", "weight_global_scale")
_INT = ("weight", "weight_scale", "weight_zero_point", "SCB", "weight_format", "weight_g_idx")
GPTQ_BITS = (2, 3, 4, 8)


def gptq_and_awq(tensors: Mapping[str, Tensor], settings: Mapping[str, Any], found: Found) -> None:
    """Modules with ``qweight``, ``qzeros`` and ``scales``."""
    for module, parts in modules(tensors, _GPTQ).items():
        if "qweight" not in parts:
            continue
        try:
            qweight, qzeros, scales = whole(parts, "qweight", "qzeros", "scales")
            want(
                qweight.dtype == qzeros.dtype == "I32",
                f"codes of type {qweight.dtype} and {qzeros.dtype}, I32 expected",
            )
            want(scales.dtype in FLOATS, f"scales of type {scales.dtype}")
            _, outputs = shape2(scales, "scales")
            if shape2(qweight, "qweight")[1] == outputs:
                found.add(_gptq(module, parts, settings, found))
            else:
                found.add(_awq(module, qweight, qzeros, scales, settings))
        except RefusedError as error:
            found.refuse(module, str(error))


def _gptq(module: str, parts: Mapping[str, Tensor], settings: Mapping[str, Any], found: Found) -> Derived:
    qweight, qzeros, scales = parts["qweight"], parts["qzeros"], parts["scales"]
    groups, outputs = scales.shape
    want(shape2(qzeros, "qzeros")[0] == groups, f"{qzeros.shape[0]} groups of zero points, {groups} of scales")
    # Zero points are packed along the outputs: outputs x bits / 32 words, rounded up.
    fits = [b for b in GPTQ_BITS if -(-outputs * b // 32) == qzeros.shape[1]]
    stated = number(settings, "bits", "w_bit")
    if len(fits) > 1 and stated in fits:
        fits = [stated]
    want(len(fits) == 1, f"{qzeros.shape[1]} words of zero points for {outputs} outputs fit no width")
    bits = fits[0]
    if stated is not None and stated != bits:
        found.notes.append(f"the configuration states {stated} bits, packed zero points have {bits}; the latter count")
    g_idx = parts.get("g_idx")
    inputs = g_idx.shape[0] if g_idx is not None and len(g_idx.shape) == 1 else qweight.shape[0] * 32 // bits
    want(-(-inputs * bits // 32) == qweight.shape[0], f"{qweight.shape[0]} words of codes for {inputs} inputs")
    if g_idx is not None:
        want(g_idx.dtype in ("I32", "I64") and g_idx.shape == (inputs,), f"g_idx of shape {list(g_idx.shape)}")
        group = 0
    else:
        group = _group(inputs, groups, number(settings, "group_size", "q_group_size"))
    form = text(settings, "checkpoint_format", "format")
    want(form in ("", "gptq", "gptq_v2"), f"GPTQ format {form!r} is not decoded by this version")
    if not form and not settings:
        found.notes.append(
            "no configuration says whether zero points are stored one too low (GPTQ v1) or as they are (v2); v1 is read"
        )
    sources = {k: parts[k].name for k in _GPTQ if k in parts}
    params = {"bits": bits, "group": group, "groups": groups, "rounds": scales.dtype}
    params["zero_shift"] = 0 if form == "gptq_v2" else 1
    return Derived(f"{module}.weight", "gptq", (outputs, inputs), sources, params, bits)


def _group(inputs: int, groups: int, stated: int | None) -> int:
    """Neighbouring inputs that share a scale; the last group may be shorter where the configuration says how long
    they are."""
    if stated is not None and stated > 0 and -(-inputs // stated) == groups:
        return stated
    want(groups > 0 and inputs % groups == 0, f"{inputs} inputs in {groups} groups")
    return inputs // groups


def _awq(module: str, qweight: Tensor, qzeros: Tensor, scales: Tensor, settings: Mapping[str, Any]) -> Derived:
    inputs, words = shape2(qweight, "qweight")
    groups, outputs = scales.shape
    form = text(settings, "version", "format", "checkpoint_format")
    want(form in ("", "gemm", "awq"), f"AWQ version {form!r} is not decoded by this version")
    want(words * 8 == outputs, f"{words} words of codes for {outputs} outputs: neither GPTQ nor AWQ (GEMM, 4 bits)")
    want(qzeros.shape == (groups, words), f"zero points of shape {list(qzeros.shape)}, {[groups, words]} expected")
    params = {"group": _group(inputs, groups, number(settings, "group_size", "q_group_size")), "rounds": scales.dtype}
    sources = {"qweight": qweight.name, "qzeros": qzeros.name, "scales": scales.name}
    return Derived(f"{module}.weight", "awq", (outputs, inputs), sources, params, 4)


def packed(tensors: Mapping[str, Tensor], settings: Mapping[str, Any], read: Read, found: Found) -> None:
    """compressed-tensors ``pack-quantized``: codes packed densely into 32-bit words along the inputs."""
    for module, parts in modules(tensors, _PACKED).items():
        if "weight_packed" not in parts or parts["weight_packed"].dtype != "I32":
            continue
        try:
            found.add(_packed(module, parts, settings, read))
        except RefusedError as error:
            found.refuse(module, str(error))


def _packed(module: str, parts: Mapping[str, Tensor], settings: Mapping[str, Any], read: Read) -> Derived:
    codes, scale, shape = whole(parts, "weight_packed", "weight_scale", "weight_shape")
    want(shape.dtype in ("I64", "I32") and shape.elements == 2, f"weight_shape of shape {list(shape.shape)}")
    outputs, inputs = struct.unpack("<2q" if shape.dtype == "I64" else "<2i", read(shape))
    rows, words = shape2(codes, "weight_packed")
    want(rows == outputs and 0 < inputs <= words * 32, f"a stated shape of {[outputs, inputs]}, {rows} rows are stored")
    stated = [b for b in _stated_bits(settings) if -(-inputs * b // 32) == words]
    fits = [b for b in range(1, 9) if -(-inputs * b // 32) == words]
    bits = stated[0] if stated else fits[0] if len(fits) == 1 else 0
    want(bits > 0, f"{words} words of codes for {inputs} inputs fit no width that is stated")
    want(scale.dtype in FLOATS and shape2(scale, "weight_scale")[0] == outputs, "scales and codes differ in rows")
    groups = scale.shape[1]
    sources = {"codes": codes.name, "scale": scale.name, "shape": shape.name}
    if (zero := parts.get("weight_zero_point")) is not None:
        want(
            zero.dtype == "I32" and zero.shape == (-(-outputs * bits // 32), groups),
            f"packed zero points of type {zero.dtype} and shape {list(zero.shape)}",
        )
        sources["zero"] = zero.name
    group = 0
    if (g_idx := parts.get("weight_g_idx")) is not None:
        want(g_idx.shape == (inputs,) and g_idx.dtype in ("I32", "I64"), f"g_idx of shape {list(g_idx.shape)}")
        sources["g_idx"] = g_idx.name
    else:
        group = _group(inputs, groups, None)
    params = {"bits": bits, "group": group, "groups": groups, "rounds": scale.dtype}
    return Derived(f"{module}.weight", "packed-int", (outputs, inputs), sources, params, bits)


def _stated_bits(settings: Mapping[str, Any]) -> list[int]:
    """Widths that a compressed-tensors configuration states, one for each group of modules."""
    out = []
    groups = settings.get("config_groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        weights = group.get("weights") if isinstance(group, dict) else None
        bits = number(weights, "num_bits") if isinstance(weights, dict) else None
        if bits is not None and 1 <= bits <= 8:
            out.append(bits)
    return sorted(set(out))


def eight_bit(tensors: Mapping[str, Tensor], found: Found) -> None:
    """Whole bytes: LLM.int8() (``SCB``) and compressed-tensors ``int-quantized`` (``weight_scale``)."""
    for module, parts in modules(tensors, _INT).items():
        weight = parts.get("weight")
        if weight is None or weight.dtype != "I8" or not parts.keys() & {"SCB", "weight_scale"}:
            continue
        try:
            outputs, inputs = shape2(whole(parts, "weight")[0], "weight")
            if "SCB" in parts:
                (scb,) = whole(parts, "SCB")
                want(scb.elements == outputs and scb.dtype in FLOATS, f"SCB of shape {list(scb.shape)}")
                sources = {"codes": weight.name, "scale": scb.name}
                if "weight_format" in parts:
                    sources["format"] = parts["weight_format"].name
                found.add(Derived(weight.name, "bnb-int8", weight.shape, sources, {}, 8))
                continue
            found.add(_int8(parts, weight, outputs, inputs))
        except RefusedError as error:
            found.refuse(module, str(error))


def _int8(parts: Mapping[str, Tensor], weight: Tensor, outputs: int, inputs: int) -> Derived:
    (scale,) = whole(parts, "weight_scale")
    want(scale.dtype in FLOATS, f"scales of type {scale.dtype}")
    sources = {"codes": weight.name, "scale": scale.name}
    rows, columns = grid_of(scale, outputs, inputs)
    if (zero := parts.get("weight_zero_point")) is not None:
        want(zero.shape == scale.shape and zero.dtype == "I8", f"zero points of shape {list(zero.shape)}")
        sources["zero"] = zero.name
    params = {"block": [-(-outputs // rows), -(-inputs // columns)], "grid": [rows, columns], "rounds": scale.dtype}
    return Derived(weight.name, "int8", weight.shape, sources, params, 8)


def grid_of(scale: Tensor, outputs: int, inputs: int) -> tuple[int, int]:
    """Rows and columns of a table of scales: one for all, one a row, one for each group of a row or each block."""
    if scale.elements == 1:
        return 1, 1
    if len(scale.shape) == 1:
        want(scale.shape[0] == outputs, f"{scale.shape[0]} scales for {outputs} outputs")
        return outputs, 1
    rows, columns = shape2(scale, "scales")
    want(rows <= outputs and columns <= inputs, f"scales of shape {[rows, columns]} for {[outputs, inputs]}")
    return rows, columns
