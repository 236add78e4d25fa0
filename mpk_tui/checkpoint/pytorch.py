"""PyTorch files (``.bin``, ``.pt``, ``.pth``): tensors found without running or importing anything named in them.

Two layouts (github.com/pytorch/pytorch, torch/serialization.py).  Zip, since 1.6: an uncompressed archive with
``PREFIX/data.pkl`` and one ``PREFIX/data/KEY`` a storage.  Legacy: five pickles (magic number, protocol, system, the
object, the storage keys) and then each storage as a u64 element count and its bytes, in the order of the keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mpk_tui.checkpoint import zips
from mpk_tui.checkpoint.model import COLUMN_MAJOR, Tensor
from mpk_tui.checkpoint.pickles import DTYPES, STORAGES, Name, StorageRef, TensorRef, parse
from mpk_tui.checkpoint.reading import Source
from mpk_tui.checkpoint.safetensors import BITS
from mpk_tui.errors import LimitError, MalformedError, UnsupportedError

MAGIC = 0x1950A86A20F9469CFC6C
MAX_PICKLE = 64 << 20
MAX_MEMBERS = 1 << 20
MAX_TENSORS = 1 << 20
_NESTED = ("state_dict", "model_state_dict", "model", "module")


@dataclass(frozen=True)
class Header:
    """What a PyTorch file holds.

    Attributes:
        tensors: In order of offset; tied tensors share their bytes.
        notices: Names that the pickle would have called, with offsets; none of them was.
    """

    tensors: tuple[Tensor, ...]
    notices: tuple[str, ...]


def looks_like(start: bytes) -> bool:
    """Whether a file's first bytes are those of either layout."""
    return start.startswith((b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."))


def read_header(source: Source, file: str) -> Header:
    """Find all tensors.

    Raises:
        MalformedError: The file contradicts its format or itself.
        LimitError: A size beyond what we accept.
        UnsupportedError: A compressed archive, strides that are not contiguous, or no tensors at all.
    """
    start = source.read(0, min(16, source.size))
    value, places, foreign = _zip(source, file) if start.startswith(b"PK") else _legacy(source, file)
    found = _state_dict(value)
    if found is None:
        raise UnsupportedError("holds no dictionary of tensors", where=file, hint="Export the model's state dict")
    tensors = [_tensor(name, ref, places, file) for name, ref in found.items()]
    tensors.sort(key=lambda t: (t.offset, t.nbytes, t.name))
    for before, after in pairwise([t for t in tensors if t.nbytes]):
        same = (before.offset, before.nbytes) == (after.offset, after.nbytes)
        if not same and before.offset + before.nbytes > after.offset:
            raise UnsupportedError(
                f"shares part of its bytes with {before.name[:200]!r}", where=f"{file}, tensor {after.name[:200]!r}"
            )
    return Header(tuple(tensors), tuple(_told(foreign, file)))


def _told(foreign: tuple[Name, ...], file: str) -> list[str]:
    """One sentence for each name, the first offset of each."""
    first: dict[str, int] = {}
    for name in foreign:
        first.setdefault(str(name), name.offset)
    return [f"{file}: the pickle names {n} (byte {at}); it was not imported and not run" for n, at in first.items()]


def _zip(source: Source, file: str) -> tuple[Any, dict[str, tuple[int, int]], tuple[Name, ...]]:
    places = {m.filename: zips.span(source, m, file) for m in zips.members(source, file)}
    heads = [n for n in places if n.endswith("/data.pkl")]
    if len(heads) != 1:
        raise UnsupportedError(f"a zip archive with {len(heads)} data.pkl; one was expected", where=file)
    prefix = heads[0].removesuffix("data.pkl")
    order = places.get(prefix + "byteorder")
    if order is not None and source.read(order[0], min(16, order[1])).strip() == b"big":
        raise UnsupportedError("tensors in big-endian order", where=file)
    at, size = places[heads[0]]
    if size > MAX_PICKLE:
        raise LimitError(f"a pickle of {size} bytes (at most {MAX_PICKLE})", where=file)
    parsed = parse(source.read(at, size), 0, f"{file}, {heads[0]}")
    storages = {n[len(prefix) + 5 :]: p for n, p in places.items() if n.startswith(prefix + "data/")}
    return parsed.value, storages, parsed.foreign


def _legacy(source: Source, file: str) -> tuple[Any, dict[str, tuple[int, int]], tuple[Name, ...]]:
    head = source.read(0, min(source.size, MAX_PICKLE))
    at, values, foreign = 0, [], []
    for _ in range(5):
        parsed = parse(head, at, file)
        values.append(parsed.value)
        foreign += list(parsed.foreign)
        at = parsed.end
    magic, _, system, value, keys = values
    if magic != MAGIC:
        raise MalformedError("no PyTorch file: the magic number is another", where=file)
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise UnsupportedError("tensors in big-endian order", where=file)
    if not isinstance(keys, list) or not all(isinstance(k, str) for k in keys) or len(set(keys)) != len(keys):
        raise MalformedError("the list of storages is not a list of names", where=f"{file}, byte {at}")
    kinds = _storages(value)
    places: dict[str, tuple[int, int]] = {}
    for key in keys:
        if key not in kinds:
            raise MalformedError(
                f"a storage {key[:80]!r} that no tensor uses: its size is unknown", where=f"{file}, byte {at}"
            )
        if source.size - at < 8:
            raise MalformedError("the storages are cut short", where=f"{file}, byte {at}")
        count = int.from_bytes(source.read(at, 8), "little")
        size = count * BITS[STORAGES[kinds[key].kind]] // 8
        if count >= 1 << 60 or at + 8 + size > source.size:
            raise MalformedError(
                f"a storage of {count} elements", where=f"{file}, byte {at}", hint="The file is cut short"
            )
        places[key] = (at + 8, size)
        at += 8 + size
    return value, places, tuple(foreign)


def _storages(value: Any) -> dict[str, StorageRef]:
    """All storages that the tensors below a value refer to."""
    found: dict[str, StorageRef] = {}
    todo, seen = [value], set()
    while todo:
        item = todo.pop()
        if isinstance(item, TensorRef):
            found[item.storage.key] = item.storage
        elif isinstance(item, StorageRef):
            found[item.key] = item
        elif isinstance(item, (dict, list, tuple)) and id(item) not in seen:
            seen.add(id(item))
            todo += list(item.values()) if isinstance(item, dict) else list(item)
    return found


def _state_dict(value: Any) -> Mapping[str, TensorRef] | None:
    """The tensors by name: of the object itself, or of what training scripts wrap it in."""
    for depth in (value, *(value.get(k) for k in _NESTED if isinstance(value, dict))):
        if isinstance(depth, dict):
            found = {k: v for k, v in depth.items() if isinstance(k, str) and isinstance(v, TensorRef)}
            if len(found) > MAX_TENSORS:
                raise LimitError(f"{len(found)} tensors")
            if found:
                return found
    return None


def _tensor(name: str, ref: TensorRef, places: Mapping[str, tuple[int, int]], file: str) -> Tensor:
    where = f"{file}, tensor {name[:200]!r}"
    if any("\ud800" <= c <= "\udfff" for c in name):
        raise MalformedError("a name with unpaired surrogates is no text", where=where)
    if ref.storage.key not in places:
        raise MalformedError(f"its storage {ref.storage.key[:80]!r} is missing", where=where)
    dtype = DTYPES.get(ref.dtype) if ref.dtype else STORAGES[ref.storage.kind]
    if dtype is None:
        raise UnsupportedError(f"element type {ref.dtype[:40]!r}", where=where)
    elements, expected = 1, []
    for d in reversed(ref.shape):
        expected.append(elements)
        elements *= d
    contiguous = all(s == e or d <= 1 for s, e, d in zip(ref.stride, reversed(expected), ref.shape, strict=True))
    turned = len(ref.shape) == 2 and ref.stride == (1, ref.shape[0])
    if elements and not contiguous and not turned:
        raise UnsupportedError(f"strides {list(ref.stride)} for shape {list(ref.shape)}", where=where)
    width = BITS[dtype] // 8
    base, size = places[ref.storage.key]
    if (ref.offset + elements) * width > size:
        raise MalformedError(
            f"elements {ref.offset} to {ref.offset + elements} of a storage of {size} bytes",
            where=where,
            hint="It reaches outside its storage: the file is cut short or was made to mislead",
        )
    label = dtype if contiguous or not elements else dtype + COLUMN_MAJOR
    return Tensor(name, label, ref.shape, file, base + ref.offset * width, elements * width)
