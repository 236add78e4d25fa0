"""Floats of 8 and 4 bits with scales: FP8 (per matrix, row or block), NVFP4 and MXFP4.

Formats: FP8 blocks as DeepSeek-V3 publishes them (``weight_scale_inv`` is what values are multiplied by; inference
code, kernel.py ``weight_dequant``), compressed-tensors ``float-quantized``, ``nvfp4-pack-quantized`` and
``mxfp4-pack-quantized`` (compressed-tensors 0.20.0), NVIDIA ModelOpt's ``weight_scale_2``, and the expert stacks of
gpt-oss (``*_blocks`` and ``*_scales``; transformers 5.23, integrations/mxfp4.py ``convert_moe_packed_tensors``).
Element formats: OCP Microscaling Formats 1.0 (E2M1, E8M0) and Micikevicius et al., "FP8 Formats for Deep Learning",
2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.checkpoint.layouts.integers import grid_of
from mpk_tui.checkpoint.layouts.record import EIGHT_BIT, FLOATS, Found, RefusedError, modules, shape2, want, whole
from mpk_tui.checkpoint.model import Derived, Tensor

_FP8 = ("weight", "weight_scale_inv", "weight_scale")
_FP4 = ("weight", "weight_packed", "weight_scale", "weight_scale_2", "weight_global_scale")
_STACK = (("_blocks", "_scales"),)


def eight_bit(tensors: Mapping[str, Tensor], settings: Mapping[str, Any], found: Found) -> None:
    """FP8 weights with their scales."""
    for module, parts in modules(tensors, _FP8).items():
        weight = parts.get("weight")
        if weight is None or weight.dtype not in EIGHT_BIT or len(parts) == 1:
            continue
        try:
            want(len(parts) == 2, "both weight_scale and weight_scale_inv are stored")
            ending = "weight_scale_inv" if "weight_scale_inv" in parts else "weight_scale"
            _, scale = whole(parts, "weight", ending)
            outputs, inputs = shape2(weight, "weight")
            rows, columns = grid_of(scale, outputs, inputs)
            want(scale.dtype in (*FLOATS, "F8_E8M0"), f"scales of type {scale.dtype}")
            block = _block(settings, outputs, inputs, rows, columns)
            rounds = scale.dtype if ending == "weight_scale" and scale.dtype in FLOATS else "F32"
            sources = {"codes": weight.name, "scale": scale.name}
            params = {"block": list(block), "grid": [rows, columns], "rounds": rounds}
            found.add(Derived(weight.name, "fp8", weight.shape, sources, params, 8))
        except RefusedError as error:
            found.refuse(module, str(error))


def _block(settings: Mapping[str, Any], outputs: int, inputs: int, rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns that share a scale.  The last block may be cut off, so that the table's shape alone leaves the
    block's size open; what is stated counts if it fits, then 128."""
    stated = settings.get("weight_block_size")
    sizes: list[Any] = [stated] if isinstance(stated, list) and len(stated) == 2 else []
    for down, across in [*sizes, (128, 128), (-(-outputs // rows), -(-inputs // columns))]:
        if not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in (down, across)):
            continue
        if (-(-outputs // down), -(-inputs // across)) == (rows, columns):
            return down, across
    raise RefusedError(f"scales of shape {[rows, columns]} fit no block of a matrix {[outputs, inputs]}")


def four_bit(tensors: Mapping[str, Tensor], found: Found) -> None:
    """Two FP4 values in a byte, the first in the lower half, with a scale for 16 (NVFP4) or 32 (MXFP4) of them."""
    for module, parts in modules(tensors, _FP4).items():
        codes = parts.get("weight_packed") or parts.get("weight")
        scale = parts.get("weight_scale")
        if codes is None or codes.dtype != "U8" or scale is None or len(codes.shape) != 2:
            continue
        try:
            outputs, half = shape2(codes, "codes")
            inputs = 2 * half
            want(shape2(scale, "weight_scale")[0] == outputs, "scales and codes differ in rows")
            groups = scale.shape[1]
            want(inputs % groups == 0, f"{inputs} inputs in {groups} groups")
            sources = {"codes": codes.name, "scale": scale.name}
            params: dict[str, Any] = {"group": inputs // groups}
            if scale.dtype == "F8_E4M3":
                whole_scale = parts.get("weight_global_scale") or parts.get("weight_scale_2")
                want(whole_scale is not None, "the scale of the whole matrix is missing")
                assert whole_scale is not None
                want(
                    whole_scale.elements == 1 and whole_scale.dtype in FLOATS,
                    "more than one scale for the whole matrix",
                )
                want(params["group"] == 16, f"groups of {params['group']}, NVFP4 has 16")
                sources["global"] = whole_scale.name
                divides = "weight_global_scale" in parts
                # compressed-tensors computes in bfloat16, ModelOpt in float32.
                params |= {"divides": divides, "rounds": "BF16" if divides else "F32"}
                found.add(Derived(f"{module}.weight", "nvfp4", (outputs, inputs), sources, params, 4))
            elif scale.dtype in ("U8", "F8_E8M0"):
                want(params["group"] == 32, f"groups of {params['group']}, MXFP4 has 32")
                found.add(Derived(f"{module}.weight", "mxfp4", (outputs, inputs), sources, params, 4))
            else:
                raise RefusedError(f"4-bit codes with scales of type {scale.dtype}")
        except RefusedError as error:
            found.refuse(module, str(error))


def expert_stacks(tensors: Mapping[str, Tensor], found: Found) -> None:
    """gpt-oss: ``P_blocks`` (experts, rows, groups, 16) and ``P_scales`` (experts, rows, groups) make ``P``.

    The weight is given as transformers keeps it when it is not packed: (experts, columns, rows).
    """
    for name, blocks in tensors.items():
        if not name.endswith("_blocks") or blocks.dtype != "U8":
            continue
        module = name.removesuffix("_blocks")
        scales = tensors.get(f"{module}_scales")
        try:
            want(scales is not None, "its scales are missing")
            assert scales is not None
            want(len(blocks.shape) == 4 and blocks.shape[3] == 16, f"blocks of shape {list(blocks.shape)}")
            want(blocks.elements > 0, "an empty stack")
            want(scales.dtype in ("U8", "F8_E8M0"), f"scales of type {scales.dtype}")
            want(scales.shape == blocks.shape[:3], f"scales of shape {list(scales.shape)}")
            experts, rows, groups, _ = blocks.shape
            sources = {"codes": name, "scale": scales.name}
            found.add(Derived(module, "mxfp4-stack", (experts, groups * 32, rows), sources, {"group": 32}, 4))
        except RefusedError as error:
            found.refuse(module, str(error))
