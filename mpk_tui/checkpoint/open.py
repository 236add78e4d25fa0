"""From a path to a `Checkpoint`: headers, configuration, vocabulary and roles, no weights."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint import gguf, pytorch, safetensors
from mpk_tui.checkpoint.adapters.opening import adapted
from mpk_tui.checkpoint.architectures import resolve
from mpk_tui.checkpoint.config import read_config
from mpk_tui.checkpoint.folder import find_weights, index_tensors, list_folder
from mpk_tui.checkpoint.layouts.find import find_layouts
from mpk_tui.checkpoint.layouts.record import MAX_SMALL
from mpk_tui.checkpoint.model import UNRESOLVED, Checkpoint, Derived, FileEntry, Tensor, Tokenizer
from mpk_tui.checkpoint.reading import CACHE_LINK, Source, open_entry
from mpk_tui.checkpoint.tokenizer import from_gguf, read_tokenizer
from mpk_tui.errors import MalformedError, MpkError, StorageError, UnsupportedError
from mpk_tui.progress import CancelToken

_STRING_METADATA = 20_000


def open_checkpoint(path: Path, cancel: CancelToken | None = None) -> Checkpoint:
    """Open a Hugging Face folder, a safetensors, GGUF or PyTorch file.

    A lone file stands for itself: configuration and vocabulary beside it are not taken to be its own.

    Args:
        path: Folder or file.
        cancel: Polled while a folder is listed.

    Raises:
        MpkError: One sentence that names the file, the place and what to do.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise StorageError(f"cannot be opened ({error.strerror})", where=str(path)) from None
    if stat.S_ISDIR(mode):
        return _folder(path, cancel or CancelToken())
    return _file(path)


def _folder(root: Path, cancel: CancelToken) -> Checkpoint:
    files = list_folder(root, cancel)
    kind, weights, notices = find_weights(root, files)
    config: dict[str, Any] = {}
    entry = next((e for e in files if e.path == "config.json"), None)
    if entry is not None and (entry.kind == "file" or entry.link_class == CACHE_LINK):
        try:
            config = read_config(root / "config.json", follow=entry.link_class == CACHE_LINK)
        except MpkError as error:
            notices.append(f"config.json was not read: {error.diagnosis()}")
    _older_settings(root, files, config, notices)
    tokenizer, more = read_tokenizer(root, files)
    index = index_tensors(root, files, kind) if kind != "gguf" else None
    return _assemble(root, root, kind, files, weights, config, tokenizer, notices + more, index)


def _older_settings(root: Path, files: tuple[FileEntry, ...], config: dict[str, Any], notices: list[str]) -> None:
    """Quantization settings that older GPTQ and AWQ tools left in a file of their own."""
    for name in ("quantize_config.json", "quant_config.json"):
        entry = next((e for e in files if e.path == name), None)
        if entry is None or "quantization_config" in config:
            continue
        if entry.kind == "file" or entry.link_class == CACHE_LINK:
            try:
                config["quantization_config"] = read_config(root / name, follow=entry.link_class == CACHE_LINK)
            except MpkError as error:
                notices.append(f"{name} was not read: {error.diagnosis()}")


def _file(path: Path) -> Checkpoint:
    with Source(path, path.name, follow=True) as source:
        size = source.size
        magic = source.read(0, min(16, size))
    if magic[:4] == b"GGUF":
        kind = "gguf"
    elif path.suffix == ".gguf":
        raise MalformedError("does not start with GGUF", where=str(path), hint="The file is damaged or misnamed")
    elif pytorch.looks_like(magic):
        kind = "pytorch"
    elif path.suffix == ".safetensors" or _looks_like_safetensors(path):
        kind = "safetensors"
    else:
        raise UnsupportedError(
            "neither a safetensors nor a GGUF nor a PyTorch file",
            where=str(path),
            hint="Other formats are not read by this version",
        )
    # The name that was given may be a link; the user named it, so it stands for its target.
    entry = (
        FileEntry(path.name, "symlink", size, str(path.readlink()), CACHE_LINK)
        if path.is_symlink()
        else FileEntry(path.name, "file", size)
    )
    return _assemble(path, path.parent, kind, (entry,), (path.name,), {}, None, [], None)


def _looks_like_safetensors(path: Path) -> bool:
    with Source(path, path.name, follow=True) as source:
        if source.size < 10:
            return False
        start = source.read(0, 9)
        return int.from_bytes(start[:8], "little") <= source.size - 8 and start[8:9] == b"{"


def _assemble(
    path: Path,
    root: Path,
    kind: str,
    files: tuple[FileEntry, ...],
    weights: tuple[str, ...],
    config: dict[str, Any],
    tokenizer: Tokenizer | None,
    notices: list[str],
    index: tuple[str, dict[str, str]] | None,
) -> Checkpoint:
    by_path = {e.path: e for e in files}
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, dict[str, str]] = {}
    for file in weights:
        with open_entry(root, by_path[file]) as source:
            if kind == "gguf":
                header = gguf.read_header(source, file)
                config = {**header.metadata, **{k: v for k, v in config.items() if k not in header.metadata}}
                tokenizer = from_gguf(header.metadata) or tokenizer
                metadata[file] = _strings(header)
                found, odd = header.tensors, header.notices
            elif kind == "pytorch":
                pickled = pytorch.read_header(source, file)
                metadata[file] = {}
                found, odd = pickled.tensors, pickled.notices
            else:
                plain = safetensors.read_header(source, file)
                metadata[file] = dict(plain.metadata)
                found, odd = plain.tensors, plain.notices
            source.check_unchanged()
        notices += odd
        for tensor in found:
            if tensor.name in tensors:
                raise MalformedError(
                    f"the tensor {tensor.name[:200]!r} lies in {tensors[tensor.name].file!r} as well",
                    where=file,
                    hint="One of the two shards does not belong here",
                )
            tensors[tensor.name] = tensor
    if index is not None:
        _check_index(*index, tensors, notices)
    ordered = {n: tensors[n] for n in sorted(tensors, key=lambda n: n.encode("utf-8"))}
    if not ordered:
        raise UnsupportedError("holds no tensors", where=str(path))
    derived: dict[str, Derived] = {}
    if kind != "gguf":
        derived, more = find_layouts(ordered, config, metadata, _small_reader(root, by_path))
        notices += more
    checkpoint = Checkpoint(
        path, root, kind, files, weights, ordered, config, metadata, tokenizer, UNRESOLVED, tuple(notices), derived
    )
    architecture = resolve(kind, config, checkpoint.logical)
    return adapted(replace(checkpoint, architecture=architecture))


def _small_reader(root: Path, entries: dict[str, FileEntry]) -> Callable[[Tensor], bytes]:
    """Reads tensors that say how others are to be read; what is larger than `MAX_SMALL` is cut off."""

    def read(tensor: Tensor) -> bytes:
        with open_entry(root, entries[tensor.file]) as source:
            return source.read(tensor.offset, min(tensor.nbytes, MAX_SMALL))

    return read


def _check_index(index_name: str, index: dict[str, str], tensors: dict[str, Tensor], notices: list[str]) -> None:
    for name, file in index.items():
        tensor = tensors.get(name)
        if tensor is None or tensor.file != file:
            place = "no shard" if tensor is None else repr(tensor.file)
            raise MalformedError(
                f"says that {name[:200]!r} lies in {file!r}; it lies in {place}",
                where=index_name,
                hint="The index belongs to other shards, or a shard was exchanged",
            )
    extra = sorted(tensors.keys() - index.keys())
    if extra:
        notices.append(f"tensors that the index does not name: {', '.join(extra[:10])}")


def _strings(header: gguf.Header) -> dict[str, str]:
    """Metadata as text, long arrays as their length; the whole is covered by the file's hash."""
    out = {"gguf.version": str(header.version), "gguf.byte_order": "big" if header.big_endian else "little"}
    for key, value in header.metadata.items():
        if isinstance(value, tuple) and len(value) > 16:
            out[key] = f"array of {len(value)}"
        else:
            out[key] = str(value)[:_STRING_METADATA]
    return out
