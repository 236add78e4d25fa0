"""Canonical roles of tensors, by the rows of `mpk_tui.checkpoint.architecture_table`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from mpk_tui.checkpoint.architecture_table import GATE_UP, QKV, TABLE, Roles, Row
from mpk_tui.checkpoint.config import fact, language_part, model_type, states_tied
from mpk_tui.checkpoint.model import Architecture, Part, Tensor

MAX_LAYERS = 10_000
_EXPERT = re.compile(r"\.experts\.([0-9]{1,4})(?=\.)")

# What a model_type names when it is no transformer language model; findings only, no verdict.
_OTHER_SCOPES = {
    "whisper": "speech model", "wav2vec2": "speech model", "hubert": "speech model", "vit": "vision model",
    "clip": "vision-language tower", "siglip": "vision-language tower", "dinov2": "vision model",
    "mamba": "state-space model", "mamba2": "state-space model", "rwkv": "recurrent model", "resnet": "vision model",
}  # fmt: skip


def resolve(kind: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Architecture:
    """Assign canonical roles.

    Args:
        kind: Format of the files.
        config: Configuration or GGUF metadata; only names and dimensions are taken from it, and checked.
        tensors: Stored tensors by name.

    Returns:
        The architecture; family ``unknown`` without roles where no row fits.
    """
    named = model_type(config)
    scope = _OTHER_SCOPES.get(named, "transformer-lm")
    # PyTorch files carry the names that safetensors files carry.
    rows = [r for r in TABLE if r.format == ("gguf" if kind == "gguf" else "safetensors")]
    ordered = [r for r in rows if named in r.types] + [r for r in rows if named not in r.types]
    best: tuple[int, Row, dict[tuple[str, int], tuple[str, Roles]]] | None = None
    for row in ordered:
        found = _match(row, tensors)
        complete = sum(1 for (role, _) in found if role.split("@")[0] in ("ffn.up", "ffn.gate", GATE_UP[0]))
        score = len(found) + (10_000_000 if named in row.types and complete else 0)
        if complete and (best is None or score > best[0]):
            best = (score, row, found)
    if best is None:
        of_type = f" (model type {named!r})" if named else ""
        notice = f"no row of the architecture table fits{of_type}; tensors are paired by name"
        return Architecture("unknown", scope, 0, 0, 0, 0, 0, 0, False, {}, tuple(sorted(tensors)), (notice,))
    return _assemble(best[1], best[2], config, tensors, scope)


def _match(row: Row, tensors: Mapping[str, Tensor]) -> dict[tuple[str, int], tuple[str, Roles]]:
    """(first role with its suffix, layer) to (stored name, roles)."""
    patterns = _patterns(row)
    found: dict[tuple[str, int], tuple[str, Roles]] = {}
    for name in tensors:
        for prefix in sorted(row.prefixes, key=len, reverse=True):
            if not name.startswith(prefix):
                continue
            hit = _lookup(patterns, name[len(prefix) :])
            if hit is not None:
                roles, layer, suffix = hit
                first = roles if isinstance(roles, str) else roles[0]
                found.setdefault((first + suffix, layer), (name, roles))
                break
    return found


def _patterns(row: Row) -> Callable[[str], tuple[Roles, int] | None]:
    plain = {t: r for t, r in row.names.items() if "{i}" not in t}
    layered: dict[str, dict[str, Roles]] = {t.split("{i}")[0]: {} for t in row.names if "{i}" in t}
    for template, roles in row.names.items():
        if "{i}" in template:
            head, tail = template.split("{i}")
            layered[head][tail] = roles

    def look(stem: str) -> tuple[Roles, int] | None:
        if stem in plain:
            return plain[stem], -1
        for head, tails in layered.items():
            if stem.startswith(head):
                number = re.match(r"[0-9]{1,5}", stem[len(head) :])
                if not number or int(number.group()) >= MAX_LAYERS:
                    continue
                tail = stem[len(head) + number.end() :]
                if (roles := tails.get(tail)) is not None:
                    return roles, int(number.group())
                expert = _EXPERT.search(tail)
                if expert is None:
                    continue
                roles = tails.get(f"{tail[: expert.start(1)]}{{e}}{tail[expert.end(1) :]}")
                if roles is not None:
                    return _of_expert(roles, expert.group(1)), int(number.group())
        return None

    return look


def _of_expert(roles: Roles, expert: str) -> Roles:
    return f"{roles}@{int(expert)}" if isinstance(roles, str) else tuple(f"{r}@{int(expert)}" for r in roles)


def _lookup(patterns: Callable[[str], tuple[Roles, int] | None], name: str) -> tuple[Roles, int, str] | None:
    for ending, suffix in ((".weight", ""), (".bias", ".bias"), (".gamma", ""), (".beta", ".bias")):
        if name.endswith(ending):
            hit = patterns(name[: -len(ending)])
            return None if hit is None else (hit[0], hit[1], suffix)
    return None


def _assemble(
    row: Row,
    found: dict[tuple[str, int], tuple[str, Roles]],
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    scope: str,
) -> Architecture:
    text = language_part(config)
    notices: list[str] = []
    used = {name for name, _ in found.values()}
    layers = 1 + max((layer for _, layer in found), default=-1)
    stated = fact(text, "layers")
    if stated and stated != layers:
        notices.append(f"the configuration states {stated} layers, {layers} are stored")
    present = {layer for role, layer in found if layer >= 0}
    if len(present) != layers:
        missing = sorted(set(range(layers)) - present)
        notices.append(f"layers without tensors: {', '.join(map(str, missing[:10]))}")
    width = _width(found, tensors)
    heads, kv_heads = fact(text, "heads"), fact(text, "kv_heads")
    heads_kv = kv_heads or heads
    roles: dict[tuple[str, int], Part] = {}
    for (first, layer), (name, spec) in found.items():
        suffix = ".bias" if first.endswith(".bias") else ""
        for role, part in _parts(row, name, spec, tensors[name], heads, heads_kv):
            roles[role + suffix, layer] = part
            if role in row.also and (row.also[role] + suffix, layer) not in roles:
                roles[row.also[role] + suffix, layer] = part
    q_rows = _rows(roles, tensors, ("attn.q", 0))
    head_dim = fact(text, "head_dim") or (q_rows // heads if heads and q_rows % heads == 0 else 0)
    ffn = {_rows(roles, tensors, key) for key in roles if key[0].split("@")[0] == "ffn.up"} - {0}
    experts = 1 + max((int(role.split("@")[1]) for role, _ in roles if role.startswith("ffn.up@")), default=-1)
    tied = ("head", -1) not in roles
    said = states_tied(text)
    if said is True and not tied:
        notices.append("the configuration states tied embeddings, a head is stored")
    if said is False and tied:
        notices.append("the configuration states a head of its own, none is stored")
    stated_width = fact(text, "width")
    if stated_width and width and stated_width != width:
        notices.append(f"the configuration states width {stated_width}, the tensors have {width}")
    return Architecture(
        family=row.family,
        scope=scope,
        layers=layers,
        width=width,
        ffn_width=ffn.pop() if len(ffn) == 1 else 0,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        tied=tied,
        roles=dict(sorted(roles.items())),
        unassigned=tuple(sorted(tensors.keys() - used)),
        notices=tuple(notices),
        experts=experts,
    )


def _width(found: Mapping[tuple[str, int], tuple[str, Roles]], tensors: Mapping[str, Tensor]) -> int:
    """Residual width: the length of the norms, else that of an embedding row."""
    for role, axis in (("attn.norm", 0), ("ffn.norm", 0), ("norm.final", 0), ("embed.tokens", 1)):
        for (candidate, _), (name, _roles) in found.items():
            shape = tensors[name].shape
            if candidate == role and len(shape) > axis:
                return shape[axis]
    return 0


def _parts(row: Row, name: str, spec: Roles, tensor: Tensor, heads: int, kv_heads: int) -> list[tuple[str, Part]]:
    matrix = len(tensor.shape) == 2
    transposed = row.transposed and matrix and not _is_table(spec)
    if isinstance(spec, str):
        gain = row.gain_offset if "norm" in spec and not matrix else 0.0
        rope = 0
        if row.rope_reordered and spec in ("attn.q", "attn.k"):
            rope = heads if spec == "attn.q" else kv_heads
            if rope and (not tensor.shape or tensor.shape[0] % (2 * rope)):
                rope = 0
        return [(spec, Part(name, transposed, rope_heads=rope, offset=gain))]
    rows = (tensor.shape[1] if transposed else tensor.shape[0]) if tensor.shape else 0
    sizes = _split(spec, rows, heads, kv_heads)
    if sizes is None:
        return [(spec[0] + ".fused", Part(name, transposed))]
    out, start = [], 0
    for role, size in zip(spec, sizes, strict=True):
        out.append((role, Part(name, transposed, start, start + size)))
        start += size
    return out


def _is_table(spec: Roles) -> bool:
    return isinstance(spec, str) and (spec.startswith("embed.") or spec == "head")


def _split(spec: tuple[str, ...], rows: int, heads: int, kv_heads: int) -> list[int] | None:
    """Rows of each role in a fused matrix, or None where they cannot be told."""
    if spec == QKV and heads and kv_heads and rows % (heads + 2 * kv_heads) == 0:
        unit = rows // (heads + 2 * kv_heads)
        return [heads * unit, kv_heads * unit, kv_heads * unit]
    if rows % len(spec) == 0 and (spec != QKV or not heads or heads == kv_heads):
        return [rows // len(spec)] * len(spec)
    return None


def _rows(roles: Mapping[tuple[str, int], Part], tensors: Mapping[str, Tensor], key: tuple[str, int]) -> int:
    part = roles.get(key)
    if part is None:
        return 0
    if part.stop is not None:
        return part.stop - part.start
    shape = tensors[part.tensor].shape
    return shape[-1] if part.transposed and shape else shape[0] if shape else 0
