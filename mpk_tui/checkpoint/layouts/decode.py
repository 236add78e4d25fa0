"""Values of weights that are stored in few bits; NumPy is needed here.

Everything is computed in float32, where the product of a code and a 16-bit scale is exact, and rounded once to the type
in which the reference implementation computes: the results are the same bits.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint.floats import round_to, table
from mpk_tui.checkpoint.model import Derived
from mpk_tui.errors import MalformedError

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[Any]

_AWQ = np.array([0, 4, 1, 5, 2, 6, 3, 7])
"""Place of each output within a word of eight (autoawq, packing_utils.py, ``AWQ_REVERSE_ORDER``)."""


class Stored(Protocol):
    """Access to stored tensors."""

    def values(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows (elements of a vector or scalar); integers in their own type, all floats as float32."""

    def elements(self, name: str) -> npt.NDArray[Any]:
        """All of a small tensor, one dimension; types as `values` has them."""

    def octets(self, name: str, start: int, stop: int) -> npt.NDArray[np.uint8]:
        """Bytes of a tensor, counted from its first."""


def rows(derived: Derived, stored: Stored, start: int, stop: int) -> Floats:
    """Rows of a computed weight.

    Args:
        derived: From `mpk_tui.checkpoint.layouts.find.find_layouts`.
        stored: The tensors it is computed from.
        start: First row; rows of a stack of matrices are numbered through.
        stop: One past the last.

    Returns:
        (stop - start, columns) float32.
    """
    # Scales of a broken file may be anything; what comes of them is inf or nan, not a warning.
    with np.errstate(all="ignore"):
        return _DECODERS[derived.layout](derived, stored, start, stop)


def unpack_words(words: Codes, bits: int, count: int) -> npt.NDArray[np.uint8]:
    """Codes packed densely from the lowest bit on into 32-bit words along the first axis.

    Args:
        words: (words, columns) of 32-bit integers.
        bits: 1 to 8.
        count: Codes in a column.

    Returns:
        (count, columns) uint8.
    """
    w = words.view(np.uint32)
    at = np.arange(count) * bits
    word, shift = at // 32, (at % 32).astype(np.uint32)
    codes = w[word] >> shift[:, None]
    split = np.flatnonzero(shift + bits > 32)
    if len(split):
        codes[split] |= w[word[split] + 1] << (np.uint32(32) - shift[split])[:, None]
    return (codes & np.uint32((1 << bits) - 1)).astype(np.uint8)


def _gptq(d: Derived, stored: Stored, start: int, stop: int) -> Floats:
    outputs, inputs = d.shape
    bits, s = int(d.params["bits"]), d.sources
    groups_of = _groups(d, stored, inputs)
    codes = unpack_words(stored.values(s["qweight"], 0, -(-inputs * bits // 32))[:, start:stop], bits, inputs)
    count = int(groups_of.max()) + 1
    packed = stored.values(s["qzeros"], 0, count)
    if d.params["zero_shift"]:
        packed = _one_more(packed, bits)
    zeros = unpack_words(np.ascontiguousarray(packed.T), bits, outputs)[start:stop].T.astype(np.float32)
    scales = stored.values(s["scales"], 0, count)[:, start:stop]
    out = scales[groups_of] * (codes.astype(np.float32) - zeros[groups_of])
    return round_to(np.ascontiguousarray(out.T), d.params["rounds"])


def _one_more(packed: Codes, bits: int) -> Codes:
    """Zero points of GPTQ v1, which are stored one too low.

    The one is added to the words themselves, as gptqmodel's ``convert_gptq_v1_to_v2_format_module`` does, so that what
    was borrowed from the next code when the one was taken away is given back; three-bit codes cross words and are
    counted one by one.
    """
    w = packed.view(np.uint32)
    if 32 % bits == 0:
        one = sum(1 << k for k in range(0, 32, bits))
        return (w + np.uint32(one)).view(np.int32)
    count = w.shape[1] * 32 // bits
    codes: npt.NDArray[np.uint8] = (unpack_words(np.ascontiguousarray(w.T), bits, count).T + 1).astype(np.uint8)
    spread = np.unpackbits(codes[:, :, None], axis=2, bitorder="little")[:, :, :bits].reshape(len(w), -1)
    full = np.zeros((len(w), w.shape[1] * 32), dtype=np.uint8)
    full[:, : spread.shape[1]] = spread
    return np.packbits(full, axis=1, bitorder="little").view(np.int32)


def _groups(d: Derived, stored: Stored, inputs: int) -> npt.NDArray[np.int64]:
    """Which scale each input uses."""
    if "g_idx" in d.sources:
        index = stored.values(d.sources["g_idx"], 0, inputs).astype(np.int64)
        groups = int(d.params["groups"])
        if index.min() < 0 or index.max() >= groups:
            raise MalformedError(
                f"names group {int(index.max() if index.max() >= groups else index.min())} of {groups}",
                where=f"tensor {d.sources['g_idx']!r}",
                hint="The weight cannot be computed; it was hashed as it lies",
            )
        return index
    return np.arange(inputs) // int(d.params["group"])


def _awq(d: Derived, stored: Stored, start: int, stop: int) -> Floats:
    _, inputs = d.shape
    first, last = start // 8, -(-stop // 8)
    shift = (4 * _AWQ).astype(np.uint32)
    group = int(d.params["group"])
    count = -(-inputs // group)

    def unpacked(name: str, height: int) -> Floats:
        words = stored.values(name, 0, height)[:, first:last].view(np.uint32)
        codes = (words[:, :, None] >> shift) & np.uint32(15)
        return codes.reshape(height, -1)[:, start - 8 * first : stop - 8 * first].astype(np.float32)

    scales = stored.values(d.sources["scales"], 0, count)[:, start:stop]
    groups = np.arange(inputs) // group
    out = (unpacked(d.sources["qweight"], inputs) - unpacked(d.sources["qzeros"], count)[groups]) * scales[groups]
    return round_to(np.ascontiguousarray(out.T), d.params["rounds"])


def _packed(d: Derived, stored: Stored, start: int, stop: int) -> Floats:
    outputs, inputs = d.shape
    bits, s = int(d.params["bits"]), d.sources
    middle = np.float32(1 << (bits - 1))
    words = stored.values(s["codes"], start, stop)
    codes = unpack_words(np.ascontiguousarray(words.T), bits, inputs).T.astype(np.float32) - middle
    groups = _groups(d, stored, inputs)
    scales = stored.values(s["scale"], start, stop)
    if "zero" in s:
        packed = stored.values(s["zero"], 0, -(-outputs * bits // 32))
        zeros = unpack_words(packed, bits, outputs)[start:stop].astype(np.float32) - middle
        codes -= zeros[:, groups]
    return round_to(codes * scales[:, groups], d.params["rounds"])


def _int8(d: Derived, stored: Stored, start: int, stop: int) -> Floats:
    codes = stored.values(d.sources["codes"], start, stop).astype(np.float32)
    if "zero" in d.sources:
        codes -= _spread(d, stored.elements(d.sources["zero"]), start, stop)
    elif "zeros" in d.params:
        codes -= _spread(d, np.array(d.params["zeros"], dtype=np.float32), start, stop)
    scale = _spread(d, stored.elements(d.sources["scale"]), start, stop)
    return round_to(codes / scale if d.params.get("divides") else codes * scale, d.params["rounds"])


def _spread(d: Derived, whole: npt.NDArray[Any], start: int, stop: int) -> Floats:
    """Entries of a table of scales or zero points for rows ``start`` to ``stop``: (rows, columns) or (rows, 1)."""
    down, across = d.params["block"]
    height, width = d.params["grid"]
    inputs = d.shape[1]
    low, high = start // down, -(-stop // down)
    if height * width == 1:
        return np.full((1, 1), whole[0], dtype=np.float32)
    grid = whole.reshape(height, width)[low:high]
    tall: Floats = grid[np.arange(start, stop) // down - low].astype(np.float32)
    if width > 1:
        tall = tall[:, np.arange(inputs) // across]
    return tall


def _bnb_int8(d: Derived, stored: Stored, start: int, stop: int) -> Floats:
    """Rows times their greatest magnitude over 127, by its reciprocal (bitsandbytes, ``int8_vectorwise_dequant``)."""
    codes = stored.values(d.sources["codes"], start, stop).astype(np.float32)
    scale = stored.values(d.sources["scale"], 0, d.shape[0]).reshape(-1)[start:stop]
    out: Floats = codes * scale[:, None] * np.float32(1 / 127)
    return out


def _codebook(d: Derived, stored: Stored, start: int, stop: int) -> Floats:
    p, s = d.params, d.sources
    width = d.shape[-1]
    first, last = start * width, stop * width
    octets = stored.octets(s["codes"], first // 2, -(-last // 2))
    codes = np.stack((octets >> 4, octets & 0xF), axis=-1).reshape(-1)[first % 2 : first % 2 + last - first]
    block = int(p["block"])
    low, high = first // block, -(-last // block)
    if "nested_absmax" in s:
        nested = int(p["nested_block"])
        outer = -(-high // nested)
        index = stored.octets(s["absmax"], low, high)
        scales = stored.values(s["nested_absmax"], 0, outer).reshape(-1)
        book = stored.values(s["nested_book"], 0, 256).reshape(-1)
        absmax = book[index] * scales[np.arange(low, high) // nested] + np.float32(p["nested_offset"])
    else:
        absmax = stored.values(s["absmax"], low, high).reshape(-1)
    values = stored.values(s["book"], 0, 16).reshape(-1)[codes]
    out = values * absmax[np.arange(first, last) // block - low]
    return round_to(out.reshape(stop - start, width), p["rounds"])


def _fp8(d: Derived, stored: Stored, start: int, stop: int) -> Floats:
    codes = stored.values(d.sources["codes"], start, stop)
    return round_to(codes * _spread(d, stored.elements(d.sources["scale"]), start, stop), d.params["rounds"])


def _halves(octets: npt.NDArray[np.uint8]) -> Floats:
    """FP4 values two in a byte, the first in the lower half: (..., 2 x bytes)."""
    pairs = np.stack((octets & 0xF, octets >> 4), axis=-1)
    return table("F4")[pairs.reshape(*octets.shape[:-1], -1)]


def _nvfp4(d: Derived, stored: Stored, start: int, stop: int) -> Floats:
    values = _halves(stored.values(d.sources["codes"], start, stop))
    scale = stored.values(d.sources["scale"], start, stop)
    whole = stored.values(d.sources["global"], 0, 1).reshape(-1)[0]
    scale = scale / whole if d.params["divides"] else scale * whole
    return round_to(values * np.repeat(scale, int(d.params["group"]), axis=1), d.params["rounds"])


def _powers(exponents: npt.NDArray[Any]) -> Floats:
    """E8M0 scales: 2**(code - 127); floats are such scales decoded already."""
    return table("F8_E8M0")[exponents] if exponents.dtype == np.uint8 else exponents


def _mxfp4(d: Derived, stored: Stored, start: int, stop: int) -> Floats:
    values = _halves(stored.values(d.sources["codes"], start, stop))
    scale = _powers(stored.values(d.sources["scale"], start, stop))
    return values * np.repeat(scale, int(d.params["group"]), axis=1)


def _mxfp4_stack(d: Derived, stored: Stored, start: int, stop: int) -> Floats:
    _, columns, outputs = d.shape  # given turned: (experts, inputs, outputs)
    out = np.empty((stop - start, outputs), dtype=np.float32)
    at = start
    while at < stop:
        expert, first = divmod(at, columns)
        last = min(columns, first + stop - at)
        octets = stored.values(d.sources["codes"], expert, expert + 1)[0]  # (outputs, groups, 16)
        scale = _powers(stored.values(d.sources["scale"], expert, expert + 1)[0])
        groups = slice(first // 32, -(-last // 32))
        values = _halves(octets[:, groups]) * scale[:, groups, None]
        low = first - 32 * groups.start
        out[at - start : at - start + last - first] = values.reshape(outputs, -1)[:, low : low + last - first].T
        at += last - first
    return out


def _onnx_blocks(d: Derived, stored: Stored, start: int, stop: int) -> Floats:
    """Blocks of codes along the inputs; without zero points the middle code is zero (onnxruntime, MatMulNBits)."""
    bits, block, blocks = (int(d.params[k]) for k in ("bits", "block", "blocks"))
    rows, width = stop - start, blocks * block * bits // 8

    def codes(name: str, count: int, size: int) -> Floats:
        octets = stored.octets(name, start * size, stop * size).reshape(rows, size)
        if bits == 4:
            octets = np.stack((octets & 0xF, octets >> 4), axis=-1).reshape(rows, -1)
        return octets[:, :count].astype(np.float32)

    scale = stored.elements(d.sources["scale"]).reshape(-1, blocks)[start:stop]
    zero: Floats | np.float32 = np.float32(1 << (bits - 1))
    if "zero" in d.sources:
        zero = np.repeat(codes(d.sources["zero"], blocks, -(-blocks * bits // 8)), block, axis=1)
    out: Floats = (codes(d.sources["codes"], blocks * block, width) - zero) * np.repeat(scale, block, axis=1)
    return out[:, : d.shape[1]]


_DECODERS = {
    "gptq": _gptq, "awq": _awq, "packed-int": _packed, "int8": _int8, "int16": _int8, "bnb-int8": _bnb_int8,
    "bnb-nf4": _codebook, "bnb-fp4": _codebook, "fp8": _fp8, "nvfp4": _nvfp4, "mxfp4": _mxfp4,
    "mxfp4-stack": _mxfp4_stack, "onnx-blocks": _onnx_blocks,
}  # fmt: skip
LAYOUTS = frozenset(_DECODERS)
"""Layouts that are decoded."""
