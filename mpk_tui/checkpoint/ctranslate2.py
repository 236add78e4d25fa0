"""CTranslate2 ``model.bin``: a list of named variables, one after the other.

Layout (github.com/OpenNMT/CTranslate2, python/ctranslate2/specs/model_spec.py ``_serialize``, binary versions 4 to 6):
u32 version, name of the specification, u32 revision, u32 count; each variable as name, u8 rank, u32 dimensions, u8
type, u32 bytes, data; u32 count of aliases, pairs of names.  Strings are a u16 length, the text and a zero byte.
Quantized weights have ``NAME_scale`` beside ``NAME``: value = code / scale, one scale a row (int8) or one in all
(int16).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from mpk_tui.checkpoint.model import Derived, Tensor
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import LimitError, MalformedError, UnsupportedError

MAX_VARIABLES = 1 << 18
MAX_RANK = 8
TYPES = {0: ("F32", 4), 1: ("I8", 1), 2: ("I16", 2), 3: ("I32", 4), 4: ("F16", 2), 5: ("BF16", 2)}
"""Type number to label and bytes of an element."""


@dataclass(frozen=True)
class Header:
    """What the file declares.

    Attributes:
        tensors: Variables in order of the file.
        derived: Weights computed from quantized ones, under the variable's name with ``.dequantized`` behind it.
        metadata: Version, specification, revision, aliases.
        notices: What is odd but not wrong.
    """

    tensors: tuple[Tensor, ...]
    derived: tuple[Derived, ...]
    metadata: Mapping[str, str]
    notices: tuple[str, ...]


def looks_like(start: bytes) -> bool:
    """Whether a file starts as such a model does: a small version, then a name."""
    if len(start) < 8:
        return False
    version, length = struct.unpack_from("<IH", start)
    return 2 <= version <= 6 and 2 <= length <= 64 and start[6:8].isalpha()


def read_header(source: Source, file: str) -> Header:
    """Read the list of variables; data is skipped.

    Raises:
        MalformedError: It contradicts the layout or reaches outside the file.
        UnsupportedError: Another binary version, or an unknown element type.
        LimitError: More variables than are accepted.
    """
    at = 0

    def take(count: int) -> bytes:
        nonlocal at
        if count > source.size - at:
            raise MalformedError(
                f"{count} bytes wanted, {source.size - at} left",
                where=f"{file}, byte {at}",
                hint="The file is cut short or is no CTranslate2 model",
            )
        at += count
        return source.read(at - count, count)

    def number(code: str) -> int:
        value: int = struct.unpack("<" + code, take(struct.calcsize("<" + code)))[0]
        return value

    def string() -> str:
        start = at
        raw = take(number("H"))
        if not raw.endswith(b"\0"):
            raise MalformedError("a string without its end", where=f"{file}, byte {start}")
        return raw[:-1].decode("utf-8", "backslashreplace")

    version = number("I")
    if not 4 <= version <= 6:
        raise UnsupportedError(f"binary version {version}; 4 to 6 are read", where=f"{file}, byte 0")
    metadata = {"ctranslate2.version": str(version), "ctranslate2.spec": string()}
    metadata["ctranslate2.revision"] = str(number("I"))
    count = number("I")
    if count > MAX_VARIABLES:
        raise LimitError(f"{count} variables (at most {MAX_VARIABLES})", where=f"{file}, byte {at - 4}")
    tensors: dict[str, Tensor] = {}
    for _ in range(count):
        name = string()
        where = f"{file}, tensor {name[:200]!r}, byte {at}"
        rank = number("B")
        if rank > MAX_RANK:
            raise MalformedError(f"{rank} dimensions (at most {MAX_RANK})", where=where)
        shape = tuple(number("I") for _ in range(rank))
        kind, nbytes = number("B"), number("I")
        if kind not in TYPES:
            raise UnsupportedError(f"element type number {kind}", where=where)
        label, width = TYPES[kind]
        elements = 1
        for d in shape:
            elements *= d
        # A u32 cannot say more; larger variables wrap round, and their size follows from the shape.
        if (elements * width) % (1 << 32) != nbytes or elements * width > source.size - at:
            raise MalformedError(
                f"shape {list(shape)} of {label} in {nbytes} bytes, {source.size - at} left", where=where
            )
        if name in tensors:
            raise MalformedError("this name occurs twice", where=where)
        tensors[name] = Tensor(name, label, shape, file, at, elements * width)
        at += elements * width
    notices = []
    if at < source.size:
        aliases = number("I")
        if aliases > MAX_VARIABLES:
            raise LimitError(f"{aliases} aliases (at most {MAX_VARIABLES})", where=f"{file}, byte {at - 4}")
        for _ in range(aliases):
            alias = string()
            metadata[f"ctranslate2.alias.{alias}"] = string()
    if at < source.size:
        notices.append(f"{file}: {source.size - at} bytes after the last alias belong to nothing")
    return Header(tuple(tensors.values()), _quantized(tensors), metadata, tuple(notices))


def _quantized(tensors: Mapping[str, Tensor]) -> tuple[Derived, ...]:
    out = []
    for name, codes in tensors.items():
        scale = tensors.get(f"{name}_scale")
        if scale is None or len(codes.shape) != 2 or codes.dtype not in ("I8", "I16") or scale.dtype != "F32":
            continue
        rows, inputs = codes.shape
        if scale.elements not in (1, rows) or not codes.elements:
            continue
        one = scale.elements == 1
        params = {"block": [rows if one else 1, inputs], "grid": [1 if one else rows, 1], "rounds": "F32",
                  "divides": True}  # fmt: skip
        bits = 8 if codes.dtype == "I8" else 16
        out.append(Derived(f"{name}.dequantized", "int8" if bits == 8 else "int16", codes.shape,
                           {"codes": name, "scale": scale.name}, params, bits))  # fmt: skip
    return tuple(out)
