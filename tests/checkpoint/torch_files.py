"""PyTorch files for tests, in both layouts, written with the standard library and stand-ins for torch's names."""

from __future__ import annotations

import collections
import io
import pickle
import struct
import sys
import types
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True)
class Storage:
    """Bytes that tensors look at."""

    key: str
    values: np.ndarray
    kind: str = "FloatStorage"


class Tensor:
    """Pickles as torch's tensors do."""

    def __init__(
        self, storage: Storage, shape: tuple[int, ...], offset: int = 0, stride: tuple[int, ...] | None = None
    ) -> None:
        self.storage, self.shape, self.offset = storage, shape, offset
        steps: list[int] = []
        n = 1
        for d in reversed(shape):
            steps.insert(0, n)
            n *= d
        self.stride = stride or tuple(steps)

    def __reduce__(self) -> Any:
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (self.storage, self.offset, self.shape, self.stride, False, collections.OrderedDict())


@contextmanager
def stand_ins() -> Iterator[None]:
    """torch's names, for the pickler to write down; gone afterwards."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*_: object) -> None:
        raise AssertionError("nothing may call this")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    for kind in ("FloatStorage", "HalfStorage", "BFloat16Storage"):
        made = type(kind, (), {"__module__": "torch"})
        setattr(torch, kind, made)
    torch._utils = utils  # type: ignore[attr-defined]
    before = {n: sys.modules.get(n) for n in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Storage):
            return ("storage", getattr(sys.modules["torch"], obj.kind), obj.key, "cpu", obj.values.size)
        return None


def dumps(value: Any, protocol: int = 2) -> bytes:
    """Pickle with torch's conventions."""
    out = io.BytesIO()
    with stand_ins():
        _Pickler(out, protocol).dump(value)
    return out.getvalue()


def legacy(value: Any, storages: list[Storage], *, body: bytes | None = None) -> bytes:
    """A file of the layout before 1.6; ``body`` replaces the pickled object."""
    out = pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2)
    out += pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2}}, 2)
    out += (dumps(value) if body is None else body) + pickle.dumps([s.key for s in storages], 2)
    return out + b"".join(struct.pack("<Q", s.values.size) + s.values.tobytes() for s in storages)


def zipped(
    value: Any, storages: list[Storage], *, body: bytes | None = None, method: int = zipfile.ZIP_STORED
) -> bytes:
    """A file of the zip layout."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("archive/data.pkl", dumps(value) if body is None else body)
        archive.writestr("archive/byteorder", b"little")
        for s in storages:
            archive.writestr(f"archive/data/{s.key}", s.values.tobytes())
        archive.writestr("archive/version", b"3\n")
    return out.getvalue()
