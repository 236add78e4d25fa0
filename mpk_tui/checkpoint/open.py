"""From a path to a `Checkpoint`: headers, configuration, vocabulary and roles, no weights."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint import gguf
from mpk_tui.checkpoint.adapters.onto import onto
from mpk_tui.checkpoint.adapters.opening import adapted
from mpk_tui.checkpoint.architectures import resolve, towers
from mpk_tui.checkpoint.config import read_config
from mpk_tui.checkpoint.folder import list_folder
from mpk_tui.checkpoint.layouts.find import find_layouts
from mpk_tui.checkpoint.layouts.record import MAX_SMALL
from mpk_tui.checkpoint.model import UNRESOLVED, Checkpoint, Derived, FileEntry, Tensor, Tokenizer
from mpk_tui.checkpoint.opening import PLAIN as PLAIN
from mpk_tui.checkpoint.opening import Opening as Opening
from mpk_tui.checkpoint.readers import read, recognise
from mpk_tui.checkpoint.reading import CACHE_LINK, Source, open_entry
from mpk_tui.checkpoint.tokenizer import from_gguf, read_tokenizer
from mpk_tui.checkpoint.weights import Model, beside, find_weights
from mpk_tui.errors import MalformedError, MpkError, StorageError, UnsupportedError
from mpk_tui.progress import CancelToken


def open_checkpoint(path: Path, cancel: CancelToken | None = None, how: Opening = PLAIN) -> Checkpoint:
    """Open a Hugging Face folder, a safetensors, GGUF or PyTorch file.

    A lone file stands for itself: configuration and vocabulary beside it are not taken to be its own.

    Args:
        path: Folder or file.
        cancel: Polled while a folder is listed.
        how: Which model, whether whole, and on which base; a base is for adapters and ignored for what is none.

    Raises:
        MpkError: One sentence that names the file, the place and what to do.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise StorageError(f"cannot be opened ({error.strerror})", where=str(path)) from None
    if how.isolate and (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        from mpk_tui.checkpoint.isolation import open_isolated

        found = open_isolated(path, cancel or CancelToken(), model=how.model, partial=how.partial)
    elif stat.S_ISDIR(mode):
        found = _folder(path, cancel or CancelToken(), how)
    else:
        found = _file(path, how)
    if found.adapter is None or how.base is None:
        return found
    return onto(open_checkpoint(how.base, cancel, Opening(partial=how.partial, isolate=how.isolate)), found)


def _folder(root: Path, cancel: CancelToken, how: Opening) -> Checkpoint:
    files = list_folder(root, cancel)
    model = find_weights(root, files, name=how.model, partial=how.partial)
    notices = list(model.notices)
    config: dict[str, Any] = {}
    # Meta's and Mistral's own releases call it params.json.
    by_path = {e.path: e for e in files}
    entry = by_path.get("config.json", by_path.get("params.json"))
    if entry is not None and (entry.kind == "file" or entry.link_class == CACHE_LINK):
        try:
            config = read_config(root / entry.path, follow=entry.link_class == CACHE_LINK)
        except MpkError as error:
            notices.append(f"{entry.path} was not read: {error.diagnosis()}")
    _older_settings(root, files, config, notices)
    tokenizer, more = read_tokenizer(root, files)
    return _assemble(root, root, files, model, config, tokenizer, notices + more, how)


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


def _file(path: Path, how: Opening) -> Checkpoint:
    with Source(path, path.name, follow=True) as source:
        size = source.size
        try:
            kind = recognise(source, path.name)
        except MpkError as error:
            within = (error.where or "").removeprefix(path.name)
            raise type(error)(error.what, where=f"{path}{within}", hint=error.hint) from None
    # The name that was given may be a link; the user named it, so it stands for its target.
    entry = (
        FileEntry(path.name, "symlink", size, str(path.readlink()), CACHE_LINK)
        if path.is_symlink()
        else FileEntry(path.name, "file", size)
    )
    return _assemble(path, path.parent, (entry,), Model(path.name, kind, (path.name,)), {}, None, [], how)


def _assemble(
    path: Path,
    root: Path,
    files: tuple[FileEntry, ...],
    model: Model,
    config: dict[str, Any],
    tokenizer: Tokenizer | None,
    notices: list[str],
    how: Opening,
) -> Checkpoint:
    by_path = {e.path: e for e in files}
    kind, missing = model.kind, list(model.missing)
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, dict[str, str]] = {}
    derived: dict[str, Derived] = {}
    splits: list[gguf.Part] = []
    weights, undecoded = set(model.weights), model.undecoded
    for file in () if undecoded else model.weights:
        with open_entry(root, by_path[file]) as source:
            part = read(source, file, kind, by_path, partial=how.partial)
            source.check_unchanged()
        kind = part.format
        if part.config:
            config = {**part.config, **{k: v for k, v in config.items() if k not in part.config}}
            tokenizer = from_gguf(part.config) or tokenizer
        metadata[file] = dict(part.metadata)
        derived |= {d.name: d for d in part.derived}
        splits += [part.split] if part.split is not None else []
        undecoded = undecoded or part.undecoded
        weights.update(part.external)
        notices += part.notices
        if part.lost:
            missing.append(
                f"{file} is cut short: {len(part.lost)} of {len(part.lost) + len(part.tensors)} tensors reach beyond "
                f"its end ({', '.join(part.lost[:3])}{' and others' if len(part.lost) > 3 else ''})"
            )
        for tensor in part.tensors:
            if tensor.name in tensors:
                raise MalformedError(
                    f"the tensor {tensor.name[:200]!r} lies in {tensors[tensor.name].file!r} as well",
                    where=file,
                    hint="One of the two shards does not belong here",
                )
            tensors[tensor.name] = tensor
    if splits:
        missing += gguf.check_parts(splits, how.partial)
    if model.index is not None:
        _check_index(model.index_name, model.index, tensors, notices, set(model.weights) if missing else None)
    if undecoded:
        tensors, derived = {}, {}
    ordered = {n: tensors[n] for n in sorted(tensors, key=lambda n: n.encode("utf-8"))}
    if not ordered and not undecoded:
        raise UnsupportedError("holds no tensors", where=str(path))
    if kind in ("safetensors", "pytorch"):
        derived, more = find_layouts(ordered, config, metadata, _small_reader(root, by_path))
        notices += more
    checkpoint = Checkpoint(
        path, root, kind, files, tuple(sorted(weights)), ordered, config, metadata, tokenizer, UNRESOLVED,
        tuple(notices), derived, undecoded=undecoded, missing=tuple(missing),
    )  # fmt: skip
    if undecoded:
        return checkpoint
    architecture = resolve(kind, config, checkpoint.logical)
    twins, more = _twins(root, by_path, beside(by_path, model) if kind == "safetensors" and path == root else ())
    return adapted(
        replace(
            checkpoint,
            architecture=architecture,
            towers=towers(kind, config, checkpoint.logical),
            twins=twins,
            notices=(*checkpoint.notices, *more),
        )
    )


def _twins(
    root: Path, by_path: Mapping[str, FileEntry], names: tuple[str, ...]
) -> tuple[dict[str, tuple[Tensor, ...]], list[str]]:
    """Tensors of files that should be copies of the model's, and why some could not be looked into."""
    twins: dict[str, tuple[Tensor, ...]] = {}
    notices: list[str] = []
    for name in names:
        try:
            with open_entry(root, by_path[name]) as source:
                twins[name] = read(source, name, "", by_path).tensors
        except MpkError as error:
            notices.append(f"{name} was not held against the model: {error.diagnosis()}")
    return twins, notices


def _small_reader(root: Path, entries: dict[str, FileEntry]) -> Callable[[Tensor], bytes]:
    """Reads tensors that say how others are to be read; what is larger than `MAX_SMALL` is cut off."""

    def read(tensor: Tensor) -> bytes:
        with open_entry(root, entries[tensor.file]) as source:
            return source.read(tensor.offset, min(tensor.nbytes, MAX_SMALL))

    return read


def _check_index(
    index_name: str,
    index: Mapping[str, str],
    tensors: dict[str, Tensor],
    notices: list[str],
    present: set[str] | None,
) -> None:
    """Hold an index against the shards; of partial evidence only what should be in a file that is there."""
    for name, file in index.items():
        tensor = tensors.get(name)
        if present is not None and (file not in present or tensor is None):
            continue
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
