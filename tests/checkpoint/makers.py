"""Good and bad checkpoint files, made byte by byte."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any


def safetensors(header: Any, data: bytes = b"", *, length: int | None = None, raw: bytes | None = None) -> bytes:
    """A safetensors file from any header; ``raw`` replaces its JSON, ``length`` its declared length."""
    text = raw if raw is not None else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    """A tensor entry."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


GOOD = safetensors({"a": entry(0, 16, [2, 2]), "b": entry(16, 24, [2])}, bytes(range(24)))


def string(text: bytes | str, order: str = "<") -> bytes:
    """A GGUF string."""
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack(order + "Q", len(raw)) + raw


def pair(key: str, kind: int, value: bytes, order: str = "<") -> bytes:
    """A GGUF metadata pair."""
    return string(key, order) + struct.pack(order + "I", kind) + value


def info(name: str, dims: list[int], kind: int, offset: int, order: str = "<") -> bytes:
    """A GGUF tensor info; ``dims`` innermost first."""
    return string(name, order) + struct.pack(order + "I", len(dims)) + b"".join(
        struct.pack(order + "Q", d) for d in dims
    ) + struct.pack(order + "IQ", kind, offset)  # fmt: skip


def gguf(
    infos: list[bytes],
    pairs: list[bytes] | None = None,
    data: bytes = b"",
    *,
    version: int = 3,
    order: str = "<",
    tensors: int | None = None,
    metadata: int | None = None,
    alignment: int = 32,
) -> bytes:
    """A GGUF file."""  # fmt: skip
    pairs = pairs or []
    head = b"GGUF" + struct.pack(
        order + "IQQ", version, len(infos) if tensors is None else tensors, len(pairs) if metadata is None else metadata
    )
    head += b"".join(pairs) + b"".join(infos)
    return head + bytes(-len(head) % alignment) + data


def write(folder: Path, name: str, data: bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(data)
    return path
