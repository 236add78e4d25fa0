"""What lies in a checkpoint's folder, and which of it holds the weights.  Links are recorded, never followed out."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.adapters.opening import find_weights as find_adapter
from mpk_tui.checkpoint.model import FileEntry
from mpk_tui.checkpoint.reading import CACHE_LINK, read_small
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.errors import LimitError, MalformedError, StorageError, UnsupportedError, UsageError
from mpk_tui.progress import CancelToken

MAX_ENTRIES = 100_000
MAX_DEPTH = 32
MAX_INDEX = 64 << 20
INDEX = "model.safetensors.index.json"
PYTORCH_INDEX = "pytorch_model.bin.index.json"
_PYTORCH = (".bin", ".pt", ".pth")
# What trainers leave beside the weights under the same endings; listed and hashed, never opened.
_TRAINER = ("training_args", "optimizer", "scheduler", "rng_state", "scaler", "random_states")
_UNREAD = (".ckpt", ".onnx", ".h5", ".msgpack", ".npz", ".nemo", ".tflite", ".pkl")


def list_folder(root: Path, cancel: CancelToken | None = None) -> tuple[FileEntry, ...]:
    """Every entry below ``root``, sorted by path; empty folders too.  No link is followed.

    Raises:
        StorageError: A folder cannot be read.
        LimitError: More entries or deeper nesting than we accept.
    """
    cancel = cancel or CancelToken()
    found: list[FileEntry] = []

    def walk(folder: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise LimitError(f"folders nested deeper than {MAX_DEPTH}", where=folder)
        cancel.check()
        try:
            with os.scandir(root / folder) as entries:
                listed = sorted(entries, key=lambda e: os.fsencode(e.name))
        except OSError as error:
            raise StorageError(f"cannot be listed ({error.strerror})", where=str(root / folder)) from None
        if not listed and folder:
            found.append(FileEntry(folder, "dir", 0))
        for entry in listed:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if len(found) >= MAX_ENTRIES:
                raise LimitError(f"more than {MAX_ENTRIES} entries", where=str(root))
            if entry.is_symlink():
                found.append(_link(root, path))
            elif entry.is_dir(follow_symlinks=False):
                walk(path, depth + 1)
            else:
                facts = entry.stat(follow_symlinks=False)
                regular = stat.S_ISREG(facts.st_mode)
                found.append(FileEntry(path, "file" if regular else "other", facts.st_size if regular else 0))

    walk("", 0)
    return tuple(sorted(found, key=lambda e: os.fsencode(e.path)))


def _link(root: Path, path: str) -> FileEntry:
    text = os.readlink(root / path)
    target = Path(os.path.normpath((root / path).parent.resolve() / text))
    if not os.path.exists(target):
        return FileEntry(path, "symlink", 0, text, "broken")
    real_root = root.resolve()
    real = target.resolve()
    if _is_cache_blob(real_root, real):
        return FileEntry(path, "symlink", real.stat().st_size, text, CACHE_LINK)
    inside = real == real_root or real_root in real.parents
    return FileEntry(path, "symlink", 0, text, "inside" if inside else "outside")


def _is_cache_blob(root: Path, target: Path) -> bool:
    """Whether a link of ``models--X/snapshots/REV`` leads into ``models--X/blobs``."""
    repository = root.parent.parent
    return (
        root.parent.name == "snapshots"
        and repository.name.startswith("models--")
        and target.parent == repository / "blobs"
        and target.is_file()
    )


def find_weights(root: Path, files: tuple[FileEntry, ...]) -> tuple[str, tuple[str, ...], list[str]]:
    """Which files of a folder hold the weights.

    Returns:
        The format, the paths, sorted, and notices.

    Raises:
        UsageError: There are several models; the message lists them.
        UnsupportedError: There is none that this version reads.
        MalformedError: A shard is missing or the index contradicts the folder.
        StorageError: A weight file is a link that is not followed.
    """
    top = {e.path: e for e in files if "/" not in e.path and e.kind != "dir"}
    notices: list[str] = []
    safetensors = sorted(p for p in top if p.endswith(".safetensors"))
    pickled = sorted(p for p in top if p.endswith(_PYTORCH) and not p.startswith(_TRAINER))
    ggufs = sorted(p for p in top if p.endswith(".gguf"))
    adapter = find_adapter(files)
    if adapter is not None:
        kind, (only,), notices = adapter
        chosen = [only]
    elif INDEX in top:
        shards = _indexed(root, top, INDEX)
        chosen, kind = shards, "safetensors"
        extra = [p for p in safetensors if p not in set(shards)]
        if extra:
            notices.append(f"not part of {INDEX}, hashed but not read: {', '.join(extra[:10])}")
    elif "model.safetensors" in top and len(safetensors) > 1 and not ggufs:
        chosen, kind = ["model.safetensors"], "safetensors"
        others = [p for p in safetensors if p != "model.safetensors"]
        notices.append(f"beside model.safetensors, hashed but not read: {', '.join(others[:10])}")
    elif safetensors and not ggufs:
        chosen, kind = _shards_without_index(safetensors, notices), "safetensors"
    elif len(ggufs) == 1 and not safetensors:
        chosen, kind = ggufs, "gguf"
    elif safetensors or ggufs:
        raise UsageError(
            f"holds several models: {', '.join((safetensors + ggufs)[:20])}",
            where=str(root),
            hint="Name one of the files",
        )
    elif PYTORCH_INDEX in top:
        chosen, kind = _indexed(root, top, PYTORCH_INDEX), "pytorch"
    elif len(pickled) == 1 or "pytorch_model.bin" in pickled:
        chosen, kind = ["pytorch_model.bin"] if "pytorch_model.bin" in pickled else pickled, "pytorch"
    elif pickled:
        raise UsageError(
            f"holds several models: {', '.join(pickled[:20])}", where=str(root), hint="Name one of the files"
        )
    else:
        raise _nothing(root, files)
    beside = [p for p in pickled if p not in set(chosen)]
    if beside:
        notices.append(f"PyTorch files beside the weights, hashed but not read: {', '.join(beside[:10])}")
    for path in chosen:
        entry = top[path]
        if entry.kind == "symlink" and entry.link_class != CACHE_LINK:
            raise StorageError(
                f"is a link to {entry.link!r}, which is not followed",
                where=path,
                hint="Copy the file into the folder, or name the file itself",
            )
        if entry.kind == "other":
            raise StorageError("is not a regular file", where=path)
    return kind, tuple(sorted(chosen)), notices


def _indexed(root: Path, top: dict[str, FileEntry], name: str) -> list[str]:
    follow = top[name].link_class == CACHE_LINK
    index = parse(read_small(root / name, MAX_INDEX, name, follow=follow), name)
    weight_map: Any = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(v, str) for v in weight_map.values()):
        raise MalformedError("weight_map is not a map of tensor names to file names", where=name)
    shards = sorted(set(weight_map.values()))
    for shard in shards:
        if "/" in shard or "\\" in shard or shard in ("", ".", ".."):
            raise MalformedError(f"names the file {shard!r} outside this folder", where=name)
        if shard not in top:
            raise MalformedError(
                f"the shard {shard!r} is missing ({sum(v == shard for v in weight_map.values())} of {len(weight_map)} "
                "tensors lie in it)",
                where=str(root),
                hint="Complete the folder; partial evidence is not read by this version",
            )
    return shards


def index_tensors(root: Path, files: tuple[FileEntry, ...], kind: str) -> tuple[str, dict[str, str]] | None:
    """The index's name and its map of tensor to file, or None where there is no index."""
    name = PYTORCH_INDEX if kind == "pytorch" else INDEX
    entry = next((e for e in files if e.path == name), None)
    if entry is None:
        return None
    data = read_small(root / name, MAX_INDEX, name, follow=entry.link_class == CACHE_LINK)
    weight_map: dict[str, str] = parse(data, name)["weight_map"]
    return name, weight_map


def _shards_without_index(names: list[str], notices: list[str]) -> list[str]:
    """``model-00001-of-00003.safetensors`` and its like must be complete even where the index is gone."""
    if len(names) == 1 and "-of-" not in names[0]:
        return names
    groups: dict[tuple[str, str], list[int]] = {}
    for name in names:
        stem, dash, rest = name.removesuffix(".safetensors").rpartition("-of-")
        head, _, number = stem.rpartition("-")
        if not dash or not number.isdigit() or not rest.isdigit():
            raise UsageError(
                f"several files and no index: {', '.join(names[:20])}", where=INDEX, hint="Name one of them"
            )
        groups.setdefault((head, rest), []).append(int(number))
    if len(groups) != 1:
        raise UsageError(f"several models: {', '.join(names[:20])}", hint="Name one of the files")
    ((_, total), numbers) = next(iter(groups.items()))
    if len(total) > 6:
        raise MalformedError(f"a shard count of {total} in a file name", where=names[0])
    missing = sorted(set(range(1, int(total) + 1)) - set(numbers))
    if missing:
        raise MalformedError(
            f"shard {missing[0]} of {int(total)} is missing",
            where=names[0],
            hint="Complete the folder; partial evidence is not read by this version",
        )
    notices.append("sharded without an index: completeness is known from the file names only")
    return names


def _nothing(root: Path, files: tuple[FileEntry, ...]) -> UnsupportedError:
    other = [e.path for e in files if e.path.endswith(_UNREAD)]
    deeper = [e.path for e in files if "/" in e.path and e.path.endswith((".safetensors", ".gguf", *_PYTORCH))]
    if deeper:
        hint = f"Name one of the folders below: {', '.join(deeper[:5])}"
    elif other:
        hint = f"Not read by this version: {', '.join(other[:5])}"
    else:
        hint = "Name the folder that holds the model's files"
    return UnsupportedError(
        "no weights here: neither .safetensors nor .gguf nor a PyTorch file was found", where=str(root), hint=hint
    )
