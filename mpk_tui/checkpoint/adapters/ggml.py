"""Adapters of llama.cpp: a GGUF file of type ``adapter`` with ``NAME.lora_a`` and ``NAME.lora_b`` for tensor ``NAME``.

Layout (llama.cpp, ``convert_lora_to_gguf.py`` and ``src/llama-adapter.cpp``): ``general.type`` is ``adapter``,
``adapter.type`` is ``lora``, ``adapter.lora.alpha`` a number.  Row-major, A is (r, in) and B (out, r); A of the token
embedding is (tokens, r).  Rows of B are in the order of the base's GGUF file.  The product is multiplied by alpha
over rank, or by one where alpha is 0 or missing.  Norm weights beside the factors are not loaded by llama.cpp, and not
used here either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.checkpoint.adapters import names
from mpk_tui.checkpoint.adapters.facts import Sorted, sort
from mpk_tui.checkpoint.adapters.names import Slot
from mpk_tui.checkpoint.adapters.settings import MAX_ALPHA, Settings
from mpk_tui.checkpoint.model import Tensor

EMBEDDING = "token_embd"


def is_adapter(metadata: Mapping[str, Any]) -> bool:
    """Whether GGUF metadata say that the file is an adapter."""
    return metadata.get("general.type") == "adapter"


def settings(metadata: Mapping[str, Any]) -> Settings:
    """What the metadata claim."""
    kind = metadata.get("adapter.type")
    named = kind[:80] if isinstance(kind, str) else "unknown"
    alpha = metadata.get("adapter.lora.alpha", 0.0)
    problems = []
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not abs(alpha) <= MAX_ALPHA:
        problems.append(f"adapter.lora.alpha is {str(alpha)[:80]}, not a number")
        alpha = None
    unmerged = "" if kind == "lora" else f"how {named!r} changes weights is not computed by this version"
    if metadata.get("adapter.alora.invocation_tokens"):
        unmerged = "aLoRA acts after its invocation tokens only; that is no change of weights"
    return Settings(
        kind=named,
        base=_text(metadata, "general.base_model.0.repo_url") or _text(metadata, "general.base_model.0.name"),
        revision=_text(metadata, "general.base_model.0.version"),
        task=_text(metadata, "adapter.lora.task_name"),
        alpha=alpha,
        unit_scaling=alpha == 0,
        unmerged=unmerged,
        problems=tuple(problems),
    )


def _text(metadata: Mapping[str, Any], key: str) -> str:
    value = metadata.get(key)
    return value[:4096] if isinstance(value, str) else ""


def sort_tensors(tensors: Mapping[str, Tensor]) -> Sorted:
    """Tensors by the module that they change; modules are the base's tensors without ``.weight``."""
    found = []
    turned = []
    for name, tensor in tensors.items():
        target, _, slot = name.rpartition(".")
        module = target.removesuffix(".weight")
        if slot not in ("lora_a", "lora_b"):
            found.append((Slot(name, names.IGNORED if name.endswith("_norm.weight") else names.OTHER), tensor))
        elif module == EMBEDDING:
            turned.append(module)
            found.append((Slot(module, names.EMBED_A if slot == "lora_a" else names.EMBED_B), tensor))
        else:
            found.append((Slot(module, names.A if slot == "lora_a" else names.B), tensor))
    return sort(found, columns_first=turned)
