"""Which weights the Kit loads from a folder, by which way and in which order (provenancekit 1.0.0).

Of a folder it knows four files: ``model.safetensors``, ``model.safetensors.index.json`` with its shards,
``pytorch_model.bin`` and ``pytorch_model.bin.index.json`` (``services/model_loader.py``).  The order of tensors is part
of what it computes: safetensors 0.8.0 hands them out by offset, shard by shard in the order of names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mpk_tui.checkpoint import pytorch, safetensors
from mpk_tui.checkpoint.folder import list_folder
from mpk_tui.checkpoint.model import UNRESOLVED, Checkpoint, FileEntry, Tensor
from mpk_tui.checkpoint.reading import open_entry, read_small
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.errors import MalformedError, StorageError, UnsupportedError
from mpk_tui.kit.automodel import ordered
from mpk_tui.kit.configuration import Configuration, gated
from mpk_tui.kit.names import layer_of

LARGE_PARAMETERS = 10e9
"""Above this estimate weights are streamed (config/settings.py, ``huge_model_params``)."""
LARGE_BYTES = 20e9
"""Above this many bytes on disk, too, and then by 32 rows a tensor (``_FULL_LOAD_DISK_LIMIT``)."""
MAX_INDEX = 64 << 20
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
TORCH, TORCH_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
_LOADS = frozenset({"BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64", "F16", "BF16", "F32", "F64"})
_EIGHTS = frozenset({"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})


@dataclass(frozen=True)
class Loading:
    """What the Kit would load.

    Attributes:
        way: ``whole``, ``streamed``, ``rows`` or ``automodel``.
        checkpoint: The files as far as a reader of weights needs them.
        order: Tensors in the order in which the Kit meets them.
    """

    way: str
    checkpoint: Checkpoint
    order: tuple[Tensor, ...]


def plan(folder: Path, configuration: Configuration) -> Loading | None:
    """What the Kit would load, None where it finds no weights and goes on without.

    Raises:
        MalformedError: Files that contradict their format; the Kit stops there, too.
        UnsupportedError: Weights at which the Kit stops.
    """
    entries = {e.path: e for e in list_folder(folder, deep=False) if e.kind in ("file", "symlink")}
    single, index = entries.get(SINGLE), _index(folder, entries, INDEX)
    torch_index = _index(folder, entries, TORCH_INDEX)
    sizes = _size(folder, entries, index, torch_index)
    streamed = estimate(configuration) > LARGE_PARAMETERS or sizes > LARGE_BYTES
    if streamed and (index or single):
        return _streamed(folder, entries, index, sizes)
    shards = [SINGLE] if single else sorted(set(index.values())) if index else []
    if shards and not streamed:
        if not all(s in entries for s in shards):
            return None
        return _whole(folder, entries, shards)
    files = sorted(set(torch_index.values())) if torch_index else [TORCH] if TORCH in entries else []
    if not files or not all(f in entries for f in files):
        return None
    if streamed:
        raise UnsupportedError("PyTorch files that the Kit would stream are not followed", where=str(folder))
    return _torch(folder, entries, files, configuration)


def _index(folder: Path, entries: Mapping[str, FileEntry], name: str) -> dict[str, str]:
    if name not in entries:
        return {}
    where = str(folder / name)
    value = parse(read_small(folder / name, MAX_INDEX, where, follow=True), where)
    mapped = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(mapped, dict) or not all(isinstance(v, str) for v in mapped.values()):
        raise MalformedError("no weight_map in it", where=where)
    for shard in mapped.values():
        if "/" in shard or "\\" in shard or shard in ("", ".", ".."):
            raise UnsupportedError(f"the shard {shard[:80]!r} lies in another folder", where=where)
    return mapped


def _size(folder: Path, entries: Mapping[str, FileEntry], index: dict[str, str], torch_index: dict[str, str]) -> int:
    """Bytes of the weights as the Kit counts them (``_estimate_local_size_for_streaming``)."""
    for mapped in (index, torch_index):
        shards = {s for s in mapped.values() if s in entries}
        if shards:
            return sum(_length(folder / s) for s in shards)
    for name in (SINGLE, TORCH):
        if name in entries:
            return _length(folder / name)
    return 0


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise StorageError(f"cannot be looked at ({error.strerror or error})", where=str(path)) from None


def _whole(folder: Path, entries: Mapping[str, FileEntry], shards: list[str]) -> Loading:
    """All tensors of all shards; one that comes twice keeps its place and has its last value."""
    found: dict[str, Tensor] = {}
    for shard in shards:
        for tensor in _header(folder, entries[shard]):
            if tensor.dtype not in _LOADS and (tensor.dtype not in _EIGHTS or _counted(tensor)):
                raise UnsupportedError(
                    f"the Kit has no answer for weights of type {tensor.dtype}: it stops at them",
                    where=f"{folder / shard}, tensor {tensor.name!r}",
                )
            found[tensor.name] = tensor
    return Loading("whole", _checkpoint(folder, entries, shards, found), tuple(found.values()))


def _counted(t: Tensor) -> bool:
    """Whether the Kit counts signs in a tensor, which its library cannot do in 8-bit floats."""
    return layer_of(t.name) is not None and (len(t.shape) > 1 or t.elements >= 1024)


def _streamed(folder: Path, entries: Mapping[str, FileEntry], index: dict[str, str], size: int) -> Loading:
    """Tensors by shard, in a shard in the order of the index; those that are not there are passed over."""
    mapped = index or {t.name: SINGLE for t in _header(folder, entries[SINGLE])}
    found: dict[str, Tensor] = {}
    for shard in sorted(set(mapped.values())):
        if shard not in entries:
            continue
        here = {t.name: t for t in _header(folder, entries[shard])}
        # Read one by one, tensors that cannot be worked with are passed over; read by rows, 8-bit floats can be.
        known = _LOADS | _EIGHTS if size > LARGE_BYTES else _LOADS
        found |= {n: here[n] for n, s in mapped.items() if s == shard and n in here and here[n].dtype in known}
    shards = [s for s in sorted(set(mapped.values())) if s in entries]
    way = "rows" if size > LARGE_BYTES else "streamed"
    return Loading(way, _checkpoint(folder, entries, shards, found), tuple(found.values()))


def _header(folder: Path, entry: FileEntry) -> tuple[Tensor, ...]:
    with open_entry(folder, entry) as source:
        header = safetensors.read_header(source, entry.path)
    if any("belong to no tensor" in n for n in header.notices):
        raise UnsupportedError(
            "the Kit has no answer: its library refuses a file with bytes that belong to no tensor",
            where=str(folder / entry.path),
        )
    return header.tensors


def _torch(folder: Path, entries: Mapping[str, FileEntry], files: list[str], configuration: Configuration) -> Loading:
    found: dict[str, Tensor] = {}
    for name in files:
        with open_entry(folder, entries[name]) as source:
            found |= {t.name: t for t in pytorch.read_header(source, name).tensors}
    order = ordered(configuration, found, str(folder))
    return Loading("automodel", _checkpoint(folder, entries, files, {t.name: t for t in order}), order)


def _checkpoint(
    folder: Path, entries: Mapping[str, FileEntry], weights: list[str], tensors: Mapping[str, Tensor]
) -> Checkpoint:
    files = tuple(entries[w] for w in weights)
    return Checkpoint(folder, folder, "kit", files, tuple(weights), tensors, {}, {}, None, UNRESOLVED)


def estimate(configuration: Configuration) -> int:
    """The Kit's estimate of the number of parameters (utils/tensor.py, ``estimate_param_count``)."""
    get = configuration.get
    width, heads = get("hidden_size", 0) or 0, get("num_attention_heads", 0) or 0
    kv = get("num_key_value_heads", None) or heads
    inner = get("intermediate_size", 0) or get("n_inner", 0) or 4 * width
    tied = get("tie_word_embeddings", None)
    head = get("head_dim", None) or (width // heads if heads else width)
    act = get("hidden_act", None) or ""
    matrices = 3 if gated(act, configuration.model_type) else 2
    layer = width * head * (heads + 2 * kv) + heads * head * width + matrices * width * inner
    embedding = (get("vocab_size", 0) or 0) * width
    layers = get("num_hidden_layers", 0) or 0
    return int(embedding + layers * layer + (0 if tied is None or tied else embedding))
