"""bitsandbytes NF4 and FP4: 4-bit indices into a book of 16 values, a scale for each block of neighbours.

Layout (bitsandbytes 0.50.2, functional.py, ``QuantState.as_dict`` and ``from_dict``): ``P.weight`` holds two indices a
byte, the first in the upper half, row after row; ``P.weight.quant_map`` the book; ``P.weight.absmax`` the scales, or
indices into ``nested_quant_map`` with scales ``nested_absmax`` of their own and an offset; and
``P.weight.quant_state.bitsandbytes__nf4`` a JSON text with block sizes, shape and type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.checkpoint.layouts.record import MAX_SMALL, Found, Read, RefusedError, modules, number, want, whole
from mpk_tui.checkpoint.model import Derived, Tensor
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.errors import MpkError

_STATE = "weight.quant_state.bitsandbytes__"
_ENDINGS = (
    "weight", "weight.absmax", "weight.quant_map", "weight.nested_absmax", "weight.nested_quant_map",
    f"{_STATE}nf4", f"{_STATE}fp4",
)  # fmt: skip
_TYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


def four_bit(tensors: Mapping[str, Tensor], read: Read, found: Found) -> None:
    """Weights with a recorded quantization state."""
    for module, parts in modules(tensors, _ENDINGS).items():
        if not any(k.startswith("weight.") for k in parts):
            continue
        try:
            found.add(_weight(parts, read))
        except RefusedError as error:
            found.refuse(module, str(error))


def _weight(parts: Mapping[str, Tensor], read: Read) -> Derived:
    kind = next((k for k in ("nf4", "fp4") if _STATE + k in parts), "")
    want(bool(kind), "its recorded quantization state is missing")
    weight, state, absmax, book = whole(parts, "weight", _STATE + kind, "weight.absmax", "weight.quant_map")
    want(state.dtype == "U8" and state.nbytes <= MAX_SMALL, f"a quantization state of {state.nbytes} bytes")
    try:
        facts: Any = parse(read(state), state.name)
    except MpkError as error:
        raise RefusedError(f"its quantization state cannot be read ({error.diagnosis()})") from None
    want(isinstance(facts, dict), "its quantization state is no JSON object")
    shape = facts.get("shape")
    want(
        isinstance(shape, list) and 1 <= len(shape) <= 4
        and all(isinstance(n, int) and not isinstance(n, bool) and 0 < n < 1 << 40 for n in shape),
        "its quantization state gives no shape",
    )  # fmt: skip
    elements = 1
    for n in shape:
        elements *= n
    want(weight.nbytes == -(-elements // 2), f"{weight.nbytes} bytes of codes for shape {shape}")
    block = number(facts, "blocksize") or 0
    want(16 <= block <= 1 << 16, f"blocks of {block}")
    blocks = -(-elements // block)
    want(absmax.elements == blocks, f"{absmax.elements} scales for {blocks} blocks")
    want(book.dtype == "F32" and book.elements == 16, f"a book of {book.elements} values")
    rounds = _TYPES.get(str(facts.get("dtype")))
    want(rounds is not None, f"values of type {str(facts.get('dtype'))[:40]!r}")
    sources = {"codes": weight.name, "absmax": absmax.name, "book": book.name}
    params: dict[str, Any] = {"block": block, "rounds": rounds, "state": state.name}
    if "weight.nested_absmax" in parts:
        scale, second = whole(parts, "weight.nested_absmax", "weight.nested_quant_map")
        nested = number(facts, "nested_blocksize") or 0
        offset = facts.get("nested_offset")
        want(16 <= nested <= 1 << 20 and scale.elements == -(-blocks // nested), f"{scale.elements} scales of scales")
        want(absmax.dtype == "U8" and second.elements == 256, "a book of scales without 256 values")
        want(scale.dtype == second.dtype == "F32", "scales of scales that are not F32")
        want(isinstance(offset, float | int) and not isinstance(offset, bool), "no offset of its scales is recorded")
        sources |= {"nested_absmax": scale.name, "nested_book": second.name}
        params |= {"nested_block": nested, "nested_offset": float(offset)}
    else:
        want(absmax.dtype == "F32", f"scales of type {absmax.dtype}")
    sources["state"] = state.name
    return Derived(weight.name, f"bnb-{kind}", tuple(shape), sources, params, 4)
