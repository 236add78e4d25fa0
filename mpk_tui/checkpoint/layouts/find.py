"""Which weights of a checkpoint are computed from stored tensors, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.checkpoint.layouts import codebooks, integers, small_floats, torchao
from mpk_tui.checkpoint.layouts.record import Found, Read, text
from mpk_tui.checkpoint.model import Derived, Tensor

_OTHERS = {
    "W_q": "HQQ", "codebooks": "AQLM", "q_weight": "ExLlamaV2", "q_group_map": "ExLlamaV2", "B_24": "Marlin 2:4",
    "weight._data": "quanto", "qweight_ternary": "BitNet", "SU": "QuIP#", "Qidxs": "QuIP#", "trellis": "ExLlamaV3",
    "weight_scales": "EETQ", "bitmask": "a sparse bit mask",
}  # fmt: skip
"""Endings that only layouts have which this version does not decode."""


def find_layouts(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any], metadata: Mapping[str, Mapping[str, str]], read: Read
) -> tuple[dict[str, Derived], list[str]]:
    """Look for quantized layouts.

    Args:
        tensors: Stored tensors by name.
        config: The model's configuration; its ``quantization_config`` is a claim that only settles what names and
            shapes leave open.
        metadata: Header metadata by file.
        read: Reads small tensors.

    Returns:
        Computed weights by name, and sentences on what was not decoded and why.
    """
    settings = quantization_settings(config)
    found = Found()
    integers.gptq_and_awq(tensors, settings, found)
    integers.packed(tensors, settings, read, found)
    integers.eight_bit(tensors, found)
    small_floats.eight_bit(tensors, settings, found)
    small_floats.four_bit(tensors, found)
    small_floats.expert_stacks(tensors, found)
    codebooks.four_bit(tensors, read, found)
    torchao.find(tensors, metadata, found)
    _others(tensors, found)
    method = text(settings, "quant_method", "quantization_method")
    if settings and not found.derived and not found.refused:
        found.notes.append(
            f"the configuration states quantization ({method[:40] or 'no method named'}), but no layout of it is stored"
        )
    # A derived weight must not take the place of another stored tensor.
    taken = [n for n, d in found.derived.items() if n in tensors and n not in d.sources.values()]
    for name in taken:
        del found.derived[name]
        found.refuse(name, "a tensor of the plain weight's name is stored as well")
    return found.derived, found.notices()


def quantization_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a configuration states of its quantization, empty if nothing."""
    for key in ("quantization_config", "compression_config"):
        value = config.get(key)
        if isinstance(value, dict):
            return value
    nested = config.get("text_config")
    return quantization_settings(nested) if isinstance(nested, dict) and nested is not config else {}


def _others(tensors: Mapping[str, Tensor], found: Found) -> None:
    for ending, layout in _OTHERS.items():
        modules = [n[: -len(ending) - 1] for n in tensors if n.endswith("." + ending)]
        for module in modules:
            if f"{module}.weight" not in found.derived:
                found.refuse(module, f"stored as {layout}, which this version does not decode")
