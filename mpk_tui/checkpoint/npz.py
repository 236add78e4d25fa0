"""NumPy ``.npz`` archives: stored members are read where they lie, nothing is unpacked, unpickled or evaluated.

Formats: a zip of ``.npy`` members; ``.npy`` as numpy/lib/format.py describes it (magic, version, header length, a
Python literal with exactly the keys ``descr``, ``fortran_order`` and ``shape``).  The literal is matched by a pattern
of its own.  Objects (``|O``) are pickles inside and are named, not read; compressed members are named as not decoded.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass

from mpk_tui.checkpoint import zips
from mpk_tui.checkpoint.model import COLUMN_MAJOR, Tensor
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import MalformedError, UnsupportedError

MAX_HEADER = 1 << 14
_LITERAL = re.compile(
    rb"\{(?:\s*'(?:descr'\s*:\s*'(?P<descr>[^']{1,16})'|fortran_order'\s*:\s*(?P<order>True|False)"
    rb"|shape'\s*:\s*\((?P<shape>[0-9L, ]{0,200})\))\s*,?\s*){3}\}\s*\Z"
)
_TYPES = {
    "f8": ("F64", 8), "f4": ("F32", 4), "f2": ("F16", 2), "i8": ("I64", 8), "i4": ("I32", 4), "i2": ("I16", 2),
    "i1": ("I8", 1), "u8": ("U64", 8), "u4": ("U32", 4), "u2": ("U16", 2), "u1": ("U8", 1), "b1": ("BOOL", 1),
    "c8": ("C64", 8),
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What the archive holds.

    Attributes:
        tensors: Arrays, in order of name.
        notices: Members that are not decoded, and why.
    """

    tensors: tuple[Tensor, ...]
    notices: tuple[str, ...]


def read_header(source: Source, file: str) -> Header:
    """Read the directory and every member's header.

    Raises:
        MalformedError: No zip, or a member that contradicts its header or the file.
        LimitError: More members than are accepted.
        UnsupportedError: No member can be read.
    """
    tensors: dict[str, Tensor] = {}
    left: dict[str, list[str]] = {}
    for member in zips.members(source, file):
        if not member.filename.endswith(".npy"):
            left.setdefault("no .npy member", []).append(member.filename)
            continue
        name = member.filename.removesuffix(".npy")
        if member.compress_type != zipfile.ZIP_STORED:
            left.setdefault("compressed; save it again with numpy.savez to have it decoded", []).append(name)
            continue
        start, size = zips.span(source, member, file)
        found = _array(source, name, start, size, file)
        if isinstance(found, str):
            left.setdefault(found, []).append(name)
        else:
            tensors[name] = found
    notices = tuple(
        f"not decoded: {', '.join(names[:5])}{' and others' if len(names) > 5 else ''}: {why}"
        for why, names in left.items()
    )
    if not tensors:
        raise UnsupportedError(notices[0] if notices else "an empty archive", where=file, hint="Its bytes are hashed")
    return Header(tuple(tensors.values()), notices)


def _array(source: Source, name: str, start: int, size: int, file: str) -> Tensor | str:
    """The array of a member, or why it is not read."""
    where = f"{file}, member {name[:200]!r}, byte {start}"
    if size < 10:
        raise MalformedError(f"{size} bytes; an .npy file has at least 10", where=where)
    head = source.read(start, min(12, size))
    if head[:6] != b"\x93NUMPY" or head[6] not in (1, 2, 3):
        raise MalformedError("does not start as an .npy file", where=where)
    first = 10 if head[6] == 1 else 12
    length = int.from_bytes(head[8:first], "little")
    if length > MAX_HEADER or first + length > size:
        raise MalformedError(f"a header of {length} bytes in a member of {size}", where=where)
    literal = source.read(start + first, length)
    hit = _LITERAL.match(literal)
    if hit is None or hit["descr"] is None or hit["order"] is None or hit["shape"] is None:
        if b"'|O'" in literal or b"object" in literal:
            return "objects, which are a pickle; pickles are not run"
        return "structured or unknown element type"
    descr = hit["descr"].decode("latin-1")
    if descr.lstrip("<>|=") == "O":
        return "objects, which are a pickle; pickles are not run"
    known = _TYPES.get(descr[1:]) if descr[0] in "<|=" else None
    if known is None:
        return f"element type {descr!r}"
    digits = [d.strip().rstrip("L") for d in hit["shape"].decode("latin-1").split(",")]
    if any(d and (not d.isdigit() or len(d) > 18) for d in digits) or len(digits) > 17:
        raise MalformedError("a shape that is no list of numbers", where=where)
    shape = tuple(int(d) for d in digits if d)
    elements = 1
    for n in shape:
        elements *= n
    label, width = known
    if elements * width != size - first - length:
        raise MalformedError(
            f"shape {list(shape)} of {label} needs {elements * width} bytes, {size - first - length} are given",
            where=where,
        )
    turned = hit["order"] == b"True" and len(shape) > 1
    if turned and len(shape) != 2:
        return "more than two dimensions in Fortran order"
    return Tensor(name, label + (COLUMN_MAJOR if turned else ""), shape, file, start + first + length, elements * width)
