"""Small floating-point types as float32, and rounding to 16-bit ones; NumPy is needed here.

Types: OCP Microscaling Formats 1.0 (E2M1, E2M3, E3M2, E8M0), Micikevicius et al., "FP8 Formats for Deep Learning", 2022
(E4M3, E5M2), and Noune et al., "8-bit Numerical Formats for Deep Neural Networks", 2022 (the FNUZ variants).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# Label: exponent bits, mantissa bits, bias, what the top codes mean.
_FORMATS = {
    "F8_E4M3": (4, 3, 7, "one nan"), "F8_E5M2": (5, 2, 15, "ieee"), "F8_E4M3FNUZ": (4, 3, 8, "fnuz"),
    "F8_E5M2FNUZ": (5, 2, 16, "fnuz"), "F6_E2M3": (2, 3, 1, "finite"), "F6_E3M2": (3, 2, 3, "finite"),
    "F4": (2, 1, 1, "finite"),
}  # fmt: skip
SMALL = frozenset({*_FORMATS, "F8_E8M0"})
"""Labels of types below 16 bits."""


@cache
def table(label: str) -> Floats:
    """All values of a type below 16 bits by their code: (2**bits,) float32, read-only."""
    if label == "F8_E8M0":
        values: Floats = np.ldexp(np.ones(256), np.minimum(np.arange(256), 254) - 127).astype(np.float32)
        values[255] = np.nan
    else:
        exponent_bits, mantissa_bits, bias, top = _FORMATS[label]
        size = exponent_bits + mantissa_bits
        code = np.arange(1 << (size + 1))
        sign = np.where(code >> size, -1.0, 1.0)
        exponent = (code >> mantissa_bits) & ((1 << exponent_bits) - 1)
        fraction = (code & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
        normal = np.ldexp(1.0 + fraction, exponent - bias)
        values = (sign * np.where(exponent == 0, np.ldexp(fraction, 1 - bias), normal)).astype(np.float32)
        if top == "one nan":
            values[(code & ((1 << size) - 1)) == (1 << size) - 1] = np.nan
        elif top == "ieee":
            last = exponent == (1 << exponent_bits) - 1
            values[last] = np.where(fraction[last] == 0, sign[last] * np.inf, np.nan)
        elif top == "fnuz":
            # No negative zero: its code is the only NaN.
            values[1 << size] = np.nan
    values.setflags(write=False)
    return values


def unpack(raw: npt.NDArray[np.uint8], label: str, count: int) -> Floats:
    """Values of a type below 16 bits from packed bytes.

    Args:
        raw: (rows, bytes) uint8, each row packed on its own.
        label: One of `SMALL`.
        count: Values in a row.

    Returns:
        (rows, count) float32.  4-bit values lie two in a byte, the first in the lower half; 6-bit values four in three
        bytes, the first in the lowest bits.
    """
    if label == "F4":
        codes = np.stack((raw & 0xF, raw >> 4), axis=-1).reshape(len(raw), -1)[:, :count]
    elif label in ("F6_E2M3", "F6_E3M2"):
        bits = np.unpackbits(raw, axis=1, bitorder="little")[:, : 6 * count].reshape(len(raw), count, 6)
        codes = bits @ (1 << np.arange(6, dtype=np.uint8))
    else:
        codes = raw
    return table(label)[codes]


def round_to(x: Floats, dtype: str, mode: str = "nearest") -> Floats:
    """Float32 values as they come back from storage in ``dtype``.

    Args:
        x: Float32 values.
        dtype: ``F32``, ``F16`` or ``BF16``.
        mode: ``nearest`` (ties to even) or ``zero`` (truncation, BF16 only; for others it is ``nearest``).
    """
    if dtype == "F16":
        with np.errstate(over="ignore"):
            return x.astype(np.float16).astype(np.float32)
    if dtype == "BF16":
        bits: npt.NDArray[np.uint32] = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
        if mode == "zero":
            kept = bits & np.uint32(0xFFFF0000)
        else:
            kept = (bits + (((bits >> np.uint32(16)) & np.uint32(1)) + np.uint32(0x7FFF))) & np.uint32(0xFFFF0000)
            kept = np.where(np.isnan(x), bits & np.uint32(0xFFFF0000), kept)
        return kept.view(np.float32)
    return x
