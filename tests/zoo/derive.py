"""Derivations that need no training: structure, number formats, merges, and ways to conceal a copy.

All work on a state dict of float32 tensors (name to tensor) and a `Spec`, and return new ones.  `AXES` says what each
axis of each tensor counts, so that one function permutes residual dimensions or units of every architecture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from tests.zoo.models import Spec

State = dict[str, Tensor]


@dataclass(frozen=True)
class Axes:
    """What a tensor's axes count.

    Attributes:
        residual: Axis of residual dimensions, or None.
        units: Axis of feed-forward units, or None.
        heads: Axis of attention channels, or None.
        what: ``q``, ``k``, ``v``, ``o``, ``qkv`` (fused), ``gate``, ``up``, ``down``, ``embed``, ``norm`` or empty.
    """

    residual: int | None
    units: int | None = None
    heads: int | None = None
    what: str = ""


_BLOCK = [
    (r"self_attn\.([qkv])_proj\.weight", Axes(1, None, 0, "\\1")),
    (r"self_attn\.(o)_proj\.weight", Axes(0, None, 1, "\\1")),
    (r"(input|post_attention)_layernorm\.weight", Axes(0, what="norm")),
    (r"\Amodel\.norm\.weight", Axes(0, what="norm")),
    (r"embed_tokens\.weight", Axes(1, what="embed")),
    (r"lm_head\.weight", Axes(1, what="head")),
]
AXES: dict[str, list[tuple[str, Axes]]] = {
    "llama": [
        *_BLOCK,
        (r"mlp\.(gate|up)_proj\.weight", Axes(1, 0, None, "\\1")),
        (r"mlp\.(down)_proj\.weight", Axes(0, 1, None, "\\1")),
    ],
    "mixtral": [
        *_BLOCK,
        (r"experts\.\d+\.w1\.weight", Axes(1, 0, None, "gate")),
        (r"experts\.\d+\.w3\.weight", Axes(1, 0, None, "up")),
        (r"experts\.\d+\.w2\.weight", Axes(0, 1, None, "down")),
        (r"block_sparse_moe\.gate\.weight", Axes(1, what="router")),
    ],
    "gpt2": [
        (r"wte\.weight", Axes(1, what="embed")),
        (r"wpe\.weight", Axes(1, what="positions")),
        (r"ln_\w+\.(weight|bias)", Axes(0, what="norm")),
        (r"attn\.c_attn\.weight", Axes(0, None, 1, "qkv")),
        (r"attn\.c_attn\.bias", Axes(None, None, 0, "qkv")),
        (r"attn\.c_proj\.weight", Axes(1, None, 0, "o")),
        (r"c_proj\.bias", Axes(0)),
        (r"mlp\.c_fc\.weight", Axes(0, 1, None, "up")),
        (r"mlp\.c_fc\.bias", Axes(None, 0)),
        (r"mlp\.c_proj\.weight", Axes(1, 0, None, "down")),
    ],
    "bert": [
        (r"word_embeddings\.weight", Axes(1, what="embed")),
        (r"(position|token_type)_embeddings\.weight", Axes(1, what="positions")),
        (r"LayerNorm\.(weight|bias)", Axes(0, what="norm")),
        (r"self\.query\.(weight)", Axes(1, None, 0, "q")),
        (r"self\.key\.(weight)", Axes(1, None, 0, "k")),
        (r"self\.value\.(weight)", Axes(1, None, 0, "v")),
        (r"self\.query\.bias", Axes(None, None, 0, "q")),
        (r"self\.key\.bias", Axes(None, None, 0, "k")),
        (r"self\.value\.bias", Axes(None, None, 0, "v")),
        (r"attention\.output\.dense\.weight", Axes(0, None, 1, "o")),
        (r"attention\.output\.dense\.bias", Axes(0)),
        (r"intermediate\.dense\.weight", Axes(1, 0, None, "up")),
        (r"intermediate\.dense\.bias", Axes(None, 0)),
        (r"\d+\.output\.dense\.weight", Axes(0, 1, None, "down")),
        (r"\d+\.output\.dense\.bias", Axes(0)),
    ],
}
_LAYER = re.compile(r"(layers|h|layer)\.(\d+)\.")


def axes(spec: Spec, name: str) -> Axes:
    """What the axes of a tensor count."""
    for pattern, found in AXES[spec.arch]:
        hit = re.search(pattern, name)
        if hit:
            return Axes(
                found.residual, found.units, found.heads, hit.expand(found.what) if "\\" in found.what else found.what
            )
    return Axes(None)


def layer_of(name: str) -> int:
    """Layer of a tensor, -1 outside layers."""
    hit = _LAYER.search(name)
    return int(hit.group(2)) if hit else -1


def block_of(name: str) -> str:
    """Which units a tensor belongs to: its layer, or its layer and expert."""
    expert = re.search(r"experts\.(\d+)\.", name)
    return f"{layer_of(name)}/{expert.group(1) if expert else ''}"


def generator(seed: int) -> torch.Generator:
    """A seeded generator."""
    return torch.Generator().manual_seed(seed)


def permute_units(state: State, spec: Spec, seed: int) -> State:
    """Feed-forward units of every layer (expert) in another order: the same function."""
    orders: dict[str, Tensor] = {}
    draw = generator(seed)
    out = {}
    for name, value in state.items():
        axis = axes(spec, name).units
        if axis is not None:
            key = block_of(name)
            if key not in orders:
                orders[key] = torch.randperm(value.shape[axis], generator=draw)
            value = value.index_select(axis, orders[key])
        out[name] = value.clone()
    return out


def permute_residual(state: State, spec: Spec, seed: int) -> State:
    """Residual dimensions in another order: the same function."""
    order = torch.randperm(spec.width, generator=generator(seed))
    out = {}
    for name, value in state.items():
        axis = axes(spec, name).residual
        out[name] = value.index_select(axis, order) if axis is not None else value.clone()
    return out


def permute_channels(state: State, spec: Spec, seed: int) -> State:
    """Value channels within each head in another order (with the output columns): the same function."""
    draw = generator(seed)
    orders: dict[tuple[int, int], Tensor] = {}
    s, group = spec.dim, spec.heads // spec.kv_heads
    for layer in range(spec.layers):
        for head in range(spec.kv_heads):
            orders[layer, head] = torch.randperm(s, generator=draw)
    out = {}
    for name, value in state.items():
        found, value = axes(spec, name), value.clone()
        if found.what in ("v", "o", "qkv"):
            layer, axis = layer_of(name), found.heads or 0
            count = spec.heads if found.what == "o" else spec.kv_heads
            start = 2 * spec.heads * s if found.what == "qkv" else 0
            index = torch.arange(value.shape[axis])
            for head in range(count):
                kv = head // group if found.what == "o" else head
                at = start + head * s
                index[at : at + s] = at + orders[layer, kv]
            value = value.index_select(axis, index)
        out[name] = value
    return out


def permute_heads(state: State, spec: Spec, seed: int) -> State:
    """Key/value heads (with their query heads) in another order: the same function."""
    draw = generator(seed)
    s, group = spec.dim, spec.heads // spec.kv_heads
    orders = {layer: torch.randperm(spec.kv_heads, generator=draw) for layer in range(spec.layers)}
    out = {}
    for name, value in state.items():
        found, value = axes(spec, name), value.clone()
        if found.what in ("q", "k", "v", "o", "qkv"):
            order, axis = orders[layer_of(name)], found.heads or 0
            of_kv = torch.cat([torch.arange(int(h) * s, int(h) * s + s) for h in order])
            of_q = torch.cat([torch.arange(int(h) * group * s, (int(h) + 1) * group * s) for h in order])
            if found.what == "qkv":
                size = spec.heads * s
                index = torch.cat((of_q, size + of_kv, 2 * size + of_kv))
            else:
                index = of_kv if found.what in ("k", "v") else of_q
            value = value.index_select(axis, index)
        out[name] = value
    return out


def fold_norms(state: State, spec: Spec) -> State:
    """RMSNorm gains multiplied into what reads them, gains set to one: the same function (Llama-like only)."""
    out = {n: v.clone() for n, v in state.items()}
    for layer in range(spec.layers):
        stem = f"model.layers.{layer}."
        for norm, readers in (
            ("input_layernorm.weight", r"self_attn\.[qkv]_proj"),
            (
                "post_attention_layernorm.weight",
                r"(gate_proj|up_proj|experts\.\d+\.w[13]|block_sparse_moe\.gate)\.weight",
            ),
        ):
            gain = out[stem + norm]
            for name in out:
                if name.startswith(stem) and re.search(readers, name):
                    out[name] = out[name] * gain
            out[stem + norm] = torch.ones_like(gain)
    out["lm_head.weight"] = out["lm_head.weight"] * out["model.norm.weight"]
    out["model.norm.weight"] = torch.ones_like(out["model.norm.weight"])
    return out


def rotate_residual(state: State, spec: Spec, seed: int) -> State:
    """Residual stream turned by a random orthogonal matrix after folding the norms: the same function (Llama-like)."""
    folded = fold_norms(state, spec)
    q, _ = torch.linalg.qr(torch.randn(spec.width, spec.width, generator=generator(seed)))
    out = {}
    for name, value in folded.items():
        found = axes(spec, name)
        if found.residual is None or found.what == "norm":
            out[name] = value
        else:
            out[name] = value @ q if found.residual == 1 else q.T @ value
    return out


def flip_residual(state: State, spec: Spec, seed: int) -> State:
    """Signs of residual dimensions flipped: the same function (Llama-like)."""
    signs = torch.randint(0, 2, (spec.width,), generator=generator(seed)).float() * 2 - 1
    out = {}
    for name, value in state.items():
        found = axes(spec, name)
        if found.residual is None or found.what == "norm":
            out[name] = value.clone()
        else:
            out[name] = value * (signs if found.residual == 1 else signs[:, None])
    return out


def rescale(state: State, spec: Spec, seed: int) -> State:
    """Scale moved between matrices, unit by unit and channel by channel: the same function.

    Up and down by unit where there is a gate (it is linear in up); v and o by channel everywhere.
    """
    draw = generator(seed)
    out = {n: v.clone() for n, v in state.items()}
    s, group = spec.dim, spec.heads // spec.kv_heads
    for layer in range(spec.layers):
        channel = torch.exp(0.5 * torch.randn(spec.kv_heads * s, generator=draw))
        spread = channel.view(spec.kv_heads, s).repeat_interleave(group, 0).flatten()
        units: dict[str, Tensor] = {}
        for name in out:
            if layer_of(name) != layer:
                continue
            found = axes(spec, name)
            if found.what == "v":
                out[name] = out[name] * (channel[:, None] if out[name].ndim == 2 else channel)
            elif found.what == "qkv":
                full = torch.cat((torch.ones(2 * spec.heads * s), channel))
                out[name] = out[name] * full
            elif found.what == "o":
                out[name] = out[name] / (spread if found.heads == 1 else spread[:, None])
            elif found.what in ("up", "down") and spec.arch in ("llama", "mixtral"):
                key = block_of(name)
                if key not in units:
                    units[key] = torch.exp(0.5 * torch.randn(spec.ffn, generator=draw))
                out[name] = out[name] * units[key][:, None] if found.what == "up" else out[name] / units[key]
    return out


def noise(state: State, share: float, seed: int) -> State:
    """Gaussian noise of ``share`` of each tensor's standard deviation."""
    draw = generator(seed)
    return {
        n: v + share * v.std() * torch.randn(v.shape, generator=draw) if v.ndim == 2 else v.clone()
        for n, v in state.items()
    }


def rename(state: State, spec: Spec) -> State:
    """Names of nobody's convention."""
    out = {}
    for k, name in enumerate(sorted(state, key=lambda n: (layer_of(n), n))):
        layer = layer_of(name)
        out[f"net.block_{layer:02d}.p{k:03d}" if layer >= 0 else f"net.outer.p{k:03d}"] = state[name].clone()
    return out


def keep_layers(state: State, spec: Spec, layers: list[int]) -> tuple[State, Spec]:
    """The layers named, in that order; a layer may come twice."""
    out = {n: v.clone() for n, v in state.items() if layer_of(n) < 0}
    for new, old in enumerate(layers):
        for name, value in state.items():
            if layer_of(name) == old:
                out[_LAYER.sub(lambda m, new=new: f"{m.group(1)}.{new}.", name)] = value.clone()
    return out, spec.changed(layers=len(layers))


def interleave(x: State, y: State, spec: Spec, plan: Iterable[tuple[int, int]]) -> tuple[State, Spec]:
    """A passthrough merge: layers (which model, which layer) in order; the rest from the first model."""
    plan = list(plan)
    out = {n: v.clone() for n, v in x.items() if layer_of(n) < 0}
    for new, (model, old) in enumerate(plan):
        for name, value in (x, y)[model].items():
            if layer_of(name) == old:
                out[_LAYER.sub(lambda m, new=new: f"{m.group(1)}.{new}.", name)] = value.clone()
    return out, spec.changed(layers=len(plan))


def cut_width(state: State, spec: Spec, width: int) -> tuple[State, Spec]:
    """Residual dimensions with the smallest embedding energy removed; heads keep their size."""
    embed = next(v for n, v in state.items() if axes(spec, n).what == "embed")
    keep = embed.square().sum(0).topk(width).indices.sort().values
    out = {}
    for name, value in state.items():
        axis = axes(spec, name).residual
        out[name] = value.index_select(axis, keep) if axis is not None else value.clone()
    return out, spec.changed(width=width)


def prune_units(state: State, spec: Spec, units: int) -> tuple[State, Spec]:
    """Units with the smallest norm removed, the others in their order."""
    size: dict[str, Tensor] = {}
    for name, value in state.items():
        axis = axes(spec, name).units
        if axis is not None and value.ndim == 2:
            size[block_of(name)] = size.get(block_of(name), torch.zeros(spec.ffn)) + value.square().sum(1 - axis)
    keep = {key: v.topk(units).indices.sort().values for key, v in size.items()}
    out = {}
    for name, value in state.items():
        axis = axes(spec, name).units
        out[name] = value.index_select(axis, keep[block_of(name)]) if axis is not None else value.clone()
    return out, spec.changed(ffn=units)


def mask_half(state: State) -> State:
    """The smaller half of each body matrix set to zero."""
    out = {}
    for name, value in state.items():
        value = value.clone()
        if value.ndim == 2 and layer_of(name) >= 0:
            value[value.abs() < value.abs().median()] = 0.0
        out[name] = value
    return out


def on_grid(state: State, bits: int, group: int, conv: bool) -> State:
    """Symmetric absmax grid over groups along the input axis, stored as floats again."""
    top = 2 ** (bits - 1) - 1
    out = {}
    for name, value in state.items():
        if value.ndim == 2 and layer_of(name) >= 0:
            x = value.T.contiguous() if conv else value
            size = group if x.shape[1] % group == 0 else x.shape[1]
            blocks = x.reshape(x.shape[0], -1, size)
            scale = blocks.abs().amax(-1, keepdim=True).clamp_min(1e-9) / top
            x = ((blocks / scale).round().clamp(-top, top) * scale).reshape(x.shape)
            value = x.T.contiguous() if conv else x
        out[name] = value.clone()
    return out


def linear_merge(parents: list[State], weights: list[float]) -> State:
    """Weighted mean of models of one shape."""
    return {n: sum((w * p[n] for w, p in zip(weights, parents, strict=True)), torch.zeros(())) for n in parents[0]}


def slerp(x: State, y: State, t: float) -> State:
    """Spherical interpolation, tensor by tensor (Shoemake 1985)."""
    out = {}
    for name, a in x.items():
        b = y[name]
        cosine = torch.clamp((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12), -1.0, 1.0)
        angle = torch.arccos(cosine)
        if angle < 1e-4:
            out[name] = (1 - t) * a + t * b
        else:
            out[name] = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    return out


def task_arithmetic(base: State, tuned: list[State], scale: float) -> State:
    """Base plus scaled sum of task vectors (Ilharco et al. 2023)."""
    return {n: base[n] + scale * sum((t[n] - base[n] for t in tuned), torch.zeros(())) for n in base}


def remap(state: State, change: Callable[[str, Tensor], Tensor]) -> State:
    """Every tensor changed by one function."""
    return {n: change(n, v).clone() for n, v in state.items()}
