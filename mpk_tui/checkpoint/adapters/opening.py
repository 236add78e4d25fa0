"""From a checkpoint whose headers are read to an adapter with its facts; and which files of a folder hold one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mpk_tui.checkpoint.adapters import ggml, names
from mpk_tui.checkpoint.adapters.facts import Sorted, describe, sort
from mpk_tui.checkpoint.adapters.settings import CONFIG, Settings, from_config
from mpk_tui.checkpoint.config import read_config
from mpk_tui.checkpoint.model import Architecture, Checkpoint, FileEntry
from mpk_tui.checkpoint.reading import CACHE_LINK
from mpk_tui.errors import MpkError

WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
"""Names under which PEFT saves (``peft/utils/constants.py``)."""
_MODELS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


def find_weights(files: tuple[FileEntry, ...]) -> tuple[str, tuple[str, ...], list[str]] | None:
    """The format and the weight file of a folder that holds an adapter and no model beside it; None for others.

    Returns:
        Format, path, notices; the safetensors file if there is one of each kind, as PEFT itself prefers it.
    """
    top = {e.path: e for e in files if "/" not in e.path and e.kind != "dir"}
    found = [name for name in WEIGHTS if name in top]
    if not found or any(name in top for name in _MODELS):
        return None
    notices = [f"beside {found[0]}, hashed but not read: {found[1]}"] if len(found) > 1 else []
    return ("safetensors" if found[0].endswith(".safetensors") else "pytorch"), (found[0],), notices


def adapted(checkpoint: Checkpoint) -> Checkpoint:
    """The same checkpoint with the facts of an adapter if it is one, else as it was.

    Reads ``adapter_config.json`` from the checkpoint's folder if it is listed there.  An ill-formed configuration
    is a notice; the adapter is still listed and hashed, but not put onto a base.
    """
    if checkpoint.adapter is not None:
        return checkpoint
    if checkpoint.format == "gguf":
        if not ggml.is_adapter(checkpoint.config):
            return checkpoint
        settings: Settings | None = ggml.settings(checkpoint.config)
        config: Mapping[str, Any] = checkpoint.config
        notices: list[str] = []
    else:
        if not _is_adapter(checkpoint):
            return checkpoint
        settings, config, notices = _configured(checkpoint)
    parts = sorted_parts(checkpoint)
    facts = describe(settings, parts)
    if parts.ignored:
        notices.append(f"second copies of weights, hashed but not used: {', '.join(t.name for t in parts.ignored[:5])}")
    stored = tuple(checkpoint.tensors)
    nothing = Architecture("adapter", "adapter", 0, 0, 0, 0, 0, 0, False, {}, stored)
    return replace(
        checkpoint,
        config=config,
        architecture=nothing,
        adapter=facts,
        notices=(*checkpoint.notices, *notices, *facts.problems),
    )


def sorted_parts(checkpoint: Checkpoint) -> Sorted:
    """An adapter's tensors by module."""
    if checkpoint.format == "gguf":
        return ggml.sort_tensors(checkpoint.tensors)
    return sort((names.slot_of(name), tensor) for name, tensor in checkpoint.tensors.items())


def settings_of(checkpoint: Checkpoint) -> Settings:
    """The settings of a checkpoint that `adapted` made."""
    return ggml.settings(checkpoint.config) if checkpoint.format == "gguf" else from_config(checkpoint.config)


def _is_adapter(checkpoint: Checkpoint) -> bool:
    if any(w in WEIGHTS for w in checkpoint.weights):
        return True
    # A lone or renamed file: by what its tensors are called.
    slots = [names.slot_of(name).slot for name in checkpoint.tensors]
    return 2 * sum(s not in (names.SAVED, names.IGNORED) for s in slots) > len(slots)


def _configured(checkpoint: Checkpoint) -> tuple[Settings | None, Mapping[str, Any], list[str]]:
    entry = next((e for e in checkpoint.files if e.path == CONFIG), None)
    if entry is None or not (entry.kind == "file" or entry.link_class == CACHE_LINK):
        return None, {}, []
    try:
        config = read_config(checkpoint.root / CONFIG, follow=entry.link_class == CACHE_LINK)
    except MpkError as error:
        return None, {}, [f"{CONFIG} was not read: {error.diagnosis()}"]
    return from_config(config), config, []
