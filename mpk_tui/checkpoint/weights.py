"""Which files of a folder hold the weights: one model, complete, or an error that lists what is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint import containers
from mpk_tui.checkpoint.adapters.opening import find_weights as find_adapter
from mpk_tui.checkpoint.model import FileEntry
from mpk_tui.checkpoint.reading import CACHE_LINK, read_small
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.errors import MalformedError, MpkError, StorageError, UnsupportedError, UsageError
from mpk_tui.text import size as in_bytes

MAX_INDEX = 64 << 20
_INDEX_ENDING = {"safetensors": ".safetensors.index.json", "pytorch": ".bin.index.json"}
_PREFERRED = {"safetensors": "model.safetensors", "pytorch": "pytorch_model.bin"}
_ENDINGS = {
    ".safetensors": "safetensors", ".gguf": "gguf", ".bin": "pytorch", ".pt": "pytorch", ".pth": "pytorch",
    ".ckpt": "pytorch", ".onnx": "onnx", ".npz": "npz",
}  # fmt: skip
# What trainers leave beside the weights under the same endings; listed and hashed, never opened.
_TRAINER = ("training_args", "optimizer", "scheduler", "rng_state", "scaler", "random_states")
_COPIES = ("pytorch", "onnx", "npz", "container")
"""Formats that stand beside another one as copies of it, and are the model where they are alone."""
_SLICES = re.compile(r"consolidated\.[0-9]{2}\.pth\Z")
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>[0-9]{1,6})-of-(?P<total>[0-9]{1,6})(?P<ending>\.[a-z]+)\Z")


@dataclass(frozen=True)
class Model:
    """One model of a folder.

    Attributes:
        name: What selects it: its file, its index, or what its shards have in common.
        kind: Format as far as names tell.
        weights: Paths of its files, sorted.
        index: Tensor to file as its index says, or None where there is none.
        index_name: File of the index, or empty.
        notices: What was odd about it.
        missing: What is known to be missing; without leave to read parts this is an error.
        undecoded: Why its weights are not decoded, as far as names tell.
        error: Why it cannot be read at all; raised only if it is the one that is wanted.
    """

    name: str
    kind: str
    weights: tuple[str, ...]
    index: Mapping[str, str] | None = None
    index_name: str = ""
    notices: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    undecoded: str = ""
    error: MpkError | None = None


def find_weights(root: Path, files: tuple[FileEntry, ...], *, name: str = "", partial: bool = False) -> Model:
    """The model that a folder holds.

    Args:
        root: The folder.
        files: Its listing.
        name: Which of several models is meant: a file, an index, or what shards have in common.
        partial: Accept that shards are missing; what is missing is then recorded.

    Raises:
        UsageError: There are several models, or none of that name; the message lists them.
        UnsupportedError: There is none that this version reads.
        MalformedError: A shard is missing or the index contradicts the folder.
        StorageError: A weight file is a link that is not followed.
    """
    top = {e.path: e for e in files if "/" not in e.path and e.kind != "dir"}
    adapter = find_adapter(files)
    if adapter is not None and not name:
        kind, weights, notices = adapter
        chosen = Model(weights[0], kind, weights, notices=tuple(notices))
    else:
        chosen = _choose(root, top, files, name)
    if chosen.error is not None:
        raise chosen.error
    if chosen.missing and not partial:
        raise MalformedError(
            chosen.missing[0],
            where=str(root),
            hint="Complete the folder, or examine what is there with --partial",
        )
    for path in chosen.weights:
        entry = top[path]
        if entry.kind == "symlink" and entry.link_class != CACHE_LINK:
            raise StorageError(
                f"is a link to {entry.link!r}, which is not followed",
                where=path,
                hint="Copy the file into the folder, or name the file itself",
            )
        if entry.kind == "other":
            raise StorageError("is not a regular file", where=path)
    return chosen


def models(root: Path, top: Mapping[str, FileEntry]) -> list[Model]:
    """Every model that a folder's own files make up, in order of kind and name."""
    out: list[Model] = []
    used: set[str] = set()
    for kind, ending in _INDEX_ENDING.items():
        for path in sorted(p for p in top if p.endswith(ending)):
            try:
                found = _indexed(root, top, path, kind)
            except MpkError as error:
                found = Model(path, kind, (), index_name=path, error=error)
            out.append(found)
            used |= {*found.weights, *(found.index or {}).values()}
    for kind in ("safetensors", "gguf", "pytorch", "onnx", "npz"):
        names = sorted(
            p for p in top if _kind(p) == kind and p not in used and not p.startswith(_TRAINER)
        )  # fmt: skip
        slices = [p for p in names if _SLICES.match(p)]
        if len(slices) > 1:
            out.append(_sliced(slices))
            names = [p for p in names if p not in slices]
        out += _unindexed(kind, names)
    out += [Model(p, "container", (p,)) for p in sorted(top) if p.endswith(containers.ENDINGS) and not _kind(p)]
    return out


def _sliced(names: list[str]) -> Model:
    reason = (
        f"{names[0]} to {names[-1]} hold slices of every matrix, one a device (Meta's model parallelism); this version "
        "does not join them: convert a copy with the model's own tools"
    )
    return Model("consolidated.pth", "pytorch", tuple(names), undecoded=reason)


def _kind(path: str) -> str:
    return next((kind for ending, kind in _ENDINGS.items() if path.endswith(ending)), "")


def _choose(root: Path, top: dict[str, FileEntry], files: tuple[FileEntry, ...], name: str) -> Model:
    found = models(root, top)
    if name:
        for model in found:
            if name in (model.name, *model.weights):
                return model
        raise UsageError(f"holds no model {name[:200]!r}", where=str(root), hint=f"It holds: {_listed(found, top)}")
    # An index whose shards were not copied does not stand in the way of another model.
    found = [m for m in found if m.weights] or found
    if not found:
        raise _nothing(root, files)
    kinds = {m.kind for m in found} - set(_COPIES)
    if len(kinds) > 1:
        raise _several(root, found, top)
    kind = kinds.pop() if kinds else next(k for k in _COPIES if k in {m.kind for m in found})
    of_kind = [m for m in found if m.kind == kind]
    preferred = [m for m in of_kind if m.name == _PREFERRED.get(kind, "") + ".index.json"] or [
        m for m in of_kind if m.name == _PREFERRED.get(kind)
    ]
    if len(of_kind) > 1 and not preferred:
        raise _several(root, of_kind, top)
    chosen = (preferred or of_kind)[0]
    beside = [p for m in found if m is not chosen for p in m.weights]
    if not beside:
        return chosen
    notice = f"beside {chosen.name}, hashed but not read: {', '.join(beside[:10])}"
    return replace(chosen, notices=(*chosen.notices, notice))


def beside(top: Mapping[str, FileEntry], chosen: Model) -> tuple[str, ...]:
    """Other files of a folder that hold tensors, as far as their names say: copies in another format, mostly."""
    return tuple(
        sorted(
            p for p, e in top.items()
            if "/" not in p and e.kind == "file" and _kind(p) in ("safetensors", "pytorch")
            and p not in chosen.weights and not p.startswith(_TRAINER)
        )
    )  # fmt: skip


def _several(root: Path, found: list[Model], top: Mapping[str, FileEntry]) -> UsageError:
    return UsageError(
        f"holds several models: {_listed(found, top)}",
        where=str(root),
        hint=f"Choose one with --model, e.g. --model {found[0].name}",
    )


def _listed(found: list[Model], top: Mapping[str, FileEntry]) -> str:
    shown = [f"{m.name} ({m.kind}, {in_bytes(sum(top[p].size for p in m.weights))})" for m in found[:20]]
    return ", ".join(shown) + (f" and {len(found) - 20} more" if len(found) > 20 else "")


def _indexed(root: Path, top: Mapping[str, FileEntry], name: str, kind: str) -> Model:
    follow = top[name].link_class == CACHE_LINK
    index = parse(read_small(root / name, MAX_INDEX, name, follow=follow), name)
    weight_map: Any = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(v, str) for v in weight_map.values()):
        raise MalformedError("weight_map is not a map of tensor names to file names", where=name)
    shards = sorted(set(weight_map.values()))
    missing = []
    for shard in shards:
        if "/" in shard or "\\" in shard or shard in ("", ".", ".."):
            raise MalformedError(f"names the file {shard!r} outside this folder", where=name)
        if shard not in top:
            lost = sum(v == shard for v in weight_map.values())
            missing.append(f"the shard {shard!r} is missing ({lost} of {len(weight_map)} tensors lie in it)")
    present = tuple(s for s in shards if s in top)
    if not present:
        raise MalformedError(f"none of the {len(shards)} shards that {name} names is here", where=str(root))
    return Model(name, kind, present, weight_map, name, (), tuple(missing))


def _unindexed(kind: str, names: list[str]) -> list[Model]:
    """Single files, and shards that are numbered in their names: they must be complete even where the index is gone."""
    groups: dict[tuple[str, int, str], dict[int, str]] = {}
    out: list[Model] = []
    for path in names:
        hit = _SHARD.match(path)
        if hit is None:
            out.append(Model(path, kind, (path,)))
            continue
        number, total = int(hit["number"]), int(hit["total"])
        key = hit["stem"], total, hit["ending"]
        if not 1 <= number <= total or number in groups.get(key, {}):
            raise MalformedError(f"says that it is shard {number} of {total}", where=path)
        groups.setdefault(key, {})[number] = path
    for (stem, total, ending), shards in groups.items():
        lacking = total - len(shards)
        first = next((n for n in range(1, total + 1) if n not in shards), 0)
        missing = (
            (f"shard {first} of {total} is missing" + (f", and {lacking - 1} more" if lacking > 1 else ""),)
            if lacking
            else ()
        )
        # llama.cpp numbers its splits inside the files as well, and they have no index.
        notices = (
            () if kind == "gguf" else ("sharded without an index: completeness is known from the file names only",)
        )
        out.append(Model(f"{stem}{ending}", kind, tuple(sorted(shards.values())), None, "", notices, missing))
    return sorted(out, key=lambda m: m.name)


def _nothing(root: Path, files: tuple[FileEntry, ...]) -> UnsupportedError:
    deeper = [e.path for e in files if "/" in e.path and e.path.endswith(tuple(_ENDINGS))]
    if deeper:
        hint = f"Name one of the folders below: {', '.join(deeper[:5])}"
    else:
        hint = "Name the folder that holds the model's files"
    return UnsupportedError(
        "no weights here: no safetensors, GGUF, PyTorch, ONNX or .npz file was found",
        where=str(root),
        hint=hint,
    )
