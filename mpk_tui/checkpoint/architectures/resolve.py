"""From names, shapes and a configuration to canonical roles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mpk_tui.checkpoint.architectures.names import Hit, Names, patterns
from mpk_tui.checkpoint.architectures.parts import dimensions, parts_of, stacks_turned
from mpk_tui.checkpoint.architectures.row import STACK, Row
from mpk_tui.checkpoint.architectures.table import TABLE, TOWERS
from mpk_tui.checkpoint.config import fact, language_part, model_type, states_tied
from mpk_tui.checkpoint.model import Architecture, Part, Tensor

MAX_ROLES = 1 << 18
"""Roles of a checkpoint, experts one by one; the largest published models have some 70,000."""

# What a model_type names when it is no transformer language model; findings only, no verdict.
_OTHER_SCOPES = {
    "whisper": "speech model", "wav2vec2": "speech model", "hubert": "speech model", "vit": "vision model",
    "clip": "vision-language tower", "siglip": "vision-language tower", "dinov2": "vision model",
    "mamba": "state-space model", "mamba2": "state-space model", "rwkv": "recurrent model", "resnet": "vision model",
}  # fmt: skip
_CLASS_ENDINGS = (
    "ForConditionalGeneration", "ForCausalLM", "ForMaskedLM", "ForPreTraining", "LMHeadModel", "MTModel", "Model",
)  # fmt: skip
_INSTEAD = ("embed.tokens.encoder", "embed.tokens.decoder")
_NAMES: dict[int, Names] = {}


def resolve(kind: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Architecture:
    """Assign canonical roles.

    Args:
        kind: Format of the files.
        config: Configuration or GGUF metadata; only names and dimensions are taken from it, and checked.
        tensors: Logical weights by name.

    Returns:
        The architecture; family ``unknown`` without roles where no row fits.
    """
    named = _named(config)
    fitting = _fitting(TABLE, kind, named, tensors)
    scope = next((_OTHER_SCOPES[n] for n in named if n in _OTHER_SCOPES), "")
    if not fitting:
        wrapped = _unwrapped(kind, config, tensors)
        if wrapped is not None:
            return wrapped
        of_type = f" (model type {named[0]!r})" if named else ""
        notice = f"no row of the architecture table fits{of_type}; tensors are paired by name"
        return Architecture(
            "unknown", scope or "transformer-lm", 0, 0, 0, 0, 0, 0, False, {}, tuple(sorted(tensors)), (notice,)
        )
    row = fitting[0]
    notices = []
    if not set(named) & set(row.types):
        others = sorted({r.family for r in fitting} - {row.family})
        among = f" (as well as {', '.join(others)})" if others else ""
        said = f"the configuration's model type {named[0]!r} has no fitting row" if named else "no model type is stated"
        notices.append(f"{said}; the names of the tensors fit {row.family}{among}, which they are read as")
    beside = {part.tensor for tower in towers(kind, config, tensors).values() for part in tower.roles.values()}
    return _assemble(row, config, language_part(config), tensors, scope or row.scope, notices, beside)


def _unwrapped(kind: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Architecture | None:
    """Roles of a model that was saved from within another module (``module.``, ``_orig_mod.``, ``inner.``): names
    without the first component that nearly all have."""
    firsts = Counter(name.partition(".")[0] for name in tensors if "." in name)
    prefix, count = next(iter(firsts.most_common(1)), ("", 0))
    shorter = {n.removeprefix(f"{prefix}."): n for n in tensors}
    if not prefix or prefix.isdigit() or 10 * count < 9 * len(tensors) or len(shorter) != len(tensors):
        return None
    found = resolve(kind, config, {short: replace(tensors[n], name=short) for short, n in shorter.items()})
    if not found.roles:
        return None
    return replace(
        found,
        roles={key: replace(part, tensor=shorter[part.tensor]) for key, part in found.roles.items()},
        unassigned=tuple(sorted(shorter[n] for n in found.unassigned)),
        notices=(f"names were read without {prefix[:100]!r}, which they start with", *found.notices),
    )


def towers(kind: str, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Architecture]:
    """Canonical roles of parts beside the language model.

    Args:
        kind: Format of the files.
        config: The whole model's configuration.
        tensors: Logical weights by name.

    Returns:
        ``vision`` to its roles, or nothing.
    """
    part = config.get("vision_config")
    own: Mapping[str, Any] = part if isinstance(part, dict) else {}
    fitting = _fitting(TOWERS, kind, _named(own), tensors)
    if not fitting:
        return {}
    found = _assemble(fitting[0], {}, own, tensors, fitting[0].scope, [], set(), tower=True)
    return {"vision": found}


def _named(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Model types that a configuration names, the language model's first; by its class where no type is stated."""
    out = [model_type(config)]
    if isinstance(config.get("model_type"), str):
        out.append(config["model_type"])
    listed = config.get("architectures")
    if not any(out) and isinstance(listed, list | tuple) and listed and isinstance(listed[0], str):
        bare = next((listed[0].removesuffix(e) for e in _CLASS_ENDINGS if listed[0].endswith(e)), listed[0])
        flat = bare.lower()
        known = {t.replace("-", "").replace("_", "").lower(): t for row in TABLE for t in row.types}
        out.append(known.get(flat, flat))
    return tuple(dict.fromkeys(n for n in out if n))


def _names(row: Row) -> Names:
    return _NAMES.setdefault(id(row), Names(row))


def _fitting(table: tuple[Row, ...], kind: str, named: tuple[str, ...], tensors: Mapping[str, Tensor]) -> list[Row]:
    """Rows that fit best: those of the stated type if they fit at all, else all that name as many of the tensors."""
    # PyTorch files carry the names that safetensors files carry.
    rows = [r for r in table if r.format == ("gguf" if kind == "gguf" else "safetensors")]
    kinds = patterns(tensors)
    scored = []
    for place, row in enumerate(rows):
        names = _names(row)
        score, roles, layered = 0, set(), set()
        for name, count in kinds.values():
            hit = names.find(name)
            if hit is not None:
                score += count
                bare = hit.first.partition("@")[0]
                roles.add(bare)
                if hit.layer >= 0:
                    layered.add(bare)
                    if not isinstance(hit.roles, str):
                        layered |= {r.partition("@")[0] for r in hit.roles}
        if row.core in layered and roles >= set(row.needs):
            typed = bool(set(named) & set(row.types))
            scored.append((typed, score, -place, row))
    if not scored:
        return []
    scored.sort(key=lambda s: s[:3], reverse=True)
    best = [s[3] for s in scored if s[:2] == scored[0][:2]]
    examples = {name: tensors[name] for name, _ in kinds.values()}
    return [row for row in best if _reads_width(row, examples)] or best


def _reads_width(row: Row, examples: Mapping[str, Tensor]) -> bool:
    """Whether feed-forward matrices read the residual stream as this row turns them: same names may mean either."""
    names = _names(row)
    hits = {name: hit for name in examples if (hit := names.find(name)) is not None}
    width = _width(hits, examples)
    for name, hit in hits.items():
        shape = examples[name].shape
        if hit.roles == "ffn.up" and len(shape) == 2 and width:
            return shape[0 if row.transposed else 1] == width
    return True


def _assemble(
    row: Row,
    config: Mapping[str, Any],
    text: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    scope: str,
    notices: list[str],
    beside: set[str],
    *,
    tower: bool = False,
) -> Architecture:
    names = _names(row)
    hits = {name: hit for name in tensors if (hit := names.find(name)) is not None}
    first = 1 + max((h.layer for h in hits.values() if h.stack == 0), default=-1)
    width = _width(hits, tensors)
    stacked = [(h.roles, tensors[n]) for n, h in hits.items() if h.first.endswith(STACK)]
    dims = dimensions(row, text, stacks_turned(row, stacked, width))
    roles: dict[tuple[str, int], Part] = {}
    used: set[str] = set()
    for name, hit in hits.items():
        layer = hit.layer if hit.layer < 0 or not hit.stack else hit.layer + first
        for role, part in parts_of(row, hit.roles, tensors[name], dims):
            if (role, layer) not in roles and len(roles) < MAX_ROLES:
                roles[role, layer] = part
                used.add(name)
    _serve_also(row, roles)
    for role in _INSTEAD:
        # An encoder alone is stored without the table that both stacks share.
        if ("embed.tokens", -1) not in roles and (role, -1) in roles:
            roles["embed.tokens", -1] = roles[role, -1]
    layers = 1 + max((layer for _, layer in roles), default=-1)
    _check_layers(row, text, roles, layers, notices)
    q_rows = _rows(roles, tensors, ("attn.q", 0))
    head_dim = q_rows // dims.heads if dims.heads and q_rows and q_rows % dims.heads == 0 else fact(text, "head_dim")
    ffn = {_rows(roles, tensors, key) for key in roles if key[0].partition("@")[0] == "ffn.up"} - {0}
    experts = 1 + max((int(r.partition("@")[2]) for r, _ in roles if r.startswith("ffn.up@")), default=-1)
    tied = not tower and ("head", -1) not in roles
    if not tower:
        _check_claims(text, roles, tied, width, notices)
    stacks: tuple[tuple[str, int, int], ...] = ()
    if row.stacks and 0 < first < layers:
        stacks = ((row.stacks[0], 0, first), (row.stacks[1], first, layers - first))
    return Architecture(
        family=row.family,
        scope=scope,
        layers=layers,
        width=width,
        ffn_width=ffn.pop() if len(ffn) == 1 else 0,
        heads=dims.heads,
        kv_heads=fact(text, "kv_heads") or (dims.kv_heads if row.grouped else 0),
        head_dim=head_dim,
        tied=tied,
        roles=dict(sorted(roles.items())),
        unassigned=() if tower else tuple(sorted(tensors.keys() - used - beside)),
        notices=tuple(notices),
        experts=experts,
        stacks=stacks,
    )


def _serve_also(row: Row, roles: dict[tuple[str, int], Part]) -> None:
    for (role, layer), part in list(roles.items()):
        bare = role.removesuffix(".bias")
        other = row.also.get(bare)
        if other is not None:
            roles.setdefault((other + role[len(bare) :], layer), part)


def _check_layers(
    row: Row, text: Mapping[str, Any], roles: Mapping[tuple[str, int], Part], layers: int, notices: list[str]
) -> None:
    stated = fact(text, "layers")
    if row.shared and stated > layers:
        notices.append(f"the {stated} layers that the configuration states share the weights of {layers}")
    elif stated and stated != layers and not row.stacks:
        notices.append(f"the configuration states {stated} layers, {layers} are stored")
    present = {layer for _, layer in roles if layer >= 0}
    if len(present) != layers:
        missing = sorted(set(range(layers)) - present)
        notices.append(f"layers without tensors: {', '.join(map(str, missing[:10]))}")


def _check_claims(
    text: Mapping[str, Any], roles: Mapping[tuple[str, int], Part], tied: bool, width: int, notices: list[str]
) -> None:
    said = states_tied(text)
    if said is True and ("head", -1) in roles:
        notices.append("the configuration states tied embeddings, a head is stored")
    if said is False and tied:
        notices.append("the configuration states a head of its own, none is stored")
    stated = fact(text, "width")
    if stated and width and stated != width:
        notices.append(f"the configuration states width {stated}, the tensors have {width}")


def _width(hits: Mapping[str, Hit], tensors: Mapping[str, Tensor]) -> int:
    """Residual width: the length of the norms, else what a matrix reads or an embedding row holds."""
    for role, axis in (
        ("attn.norm", 0), ("ffn.norm", 0), ("attn.post_norm", 0), ("mixer.norm", 0), ("norm.final", 0),
        ("embed.tokens", 1),
    ):  # fmt: skip
        for name, hit in hits.items():
            shape = tensors[name].shape
            if hit.first == role and len(shape) == axis + 1:
                return shape[axis]
    return 0


def _rows(roles: Mapping[tuple[str, int], Part], tensors: Mapping[str, Tensor], key: tuple[str, int]) -> int:
    """Canonical rows of a role's matrix, as `mpk_tui.checkpoint.arrays.WeightReader.shape` counts them."""
    part = roles.get(key)
    if part is None:
        return 0
    shape = tensors[part.tensor].shape[1 if part.index >= 0 else 0 :]
    if not shape:
        return 0
    rows = (part.stop if part.stop is not None else shape[-1 if part.transposed else 0]) - part.start
    return (rows + part.period - part.run) // part.period * part.run if part.run else rows
