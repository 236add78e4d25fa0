"""Roles of one stored tensor as views of it: fused rows told apart, interleaved ones too, stacks by their matrices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mpk_tui.checkpoint.architectures.row import GATE_UP, KV_B, QKV, STACK, Roles, Row
from mpk_tui.checkpoint.config import fact
from mpk_tui.checkpoint.model import Part, Tensor

MAX_STACK = 4096
"""Experts of one stack that are addressed; no published model has more than some hundreds."""
_Rows = tuple[int, int | None, int, int]
"""First row, end, run, period, as in `Part`."""


@dataclass(frozen=True)
class Dimensions:
    """What splitting needs to know.

    Attributes:
        heads: Query heads, 0 if unknown.
        kv_heads: Key/value heads, 0 if unknown.
        value_dim: Width of a value head where it is not that of a query head, or 0.
        turned: Stacks of experts are stored (experts, in, out).
    """

    heads: int
    kv_heads: int
    value_dim: int
    turned: bool


def number(config: Mapping[str, Any], *keys: str) -> int:
    """The first of several keys that states a sensible number, else 0; GGUF keys carry the architecture in front."""
    prefix = config.get("general.architecture")
    for key in keys:
        for candidate in (f"{prefix}.{key}", key):
            value = config.get(candidate)
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31:
                return value
    return 0


def dimensions(row: Row, text: Mapping[str, Any], turned: bool) -> Dimensions:
    """Heads as a configuration states them in the terms of its family."""
    heads = fact(text, "heads") or number(text, "encoder_attention_heads", "decoder_attention_heads", "attention_heads")
    kv_heads = fact(text, "kv_heads")
    if row.family == "falcon" and row.grouped:
        # Falcon 7B shares one key head, Falcon 40B has groups, Falcon-RW has neither (modeling_falcon.py).
        if text.get("new_decoder_architecture") is True:
            kv_heads = number(text, "num_kv_heads", "n_head_kv") or heads
        else:
            kv_heads = 1 if text.get("multi_query", True) is True else heads
    elif row.family == "gpt_bigcode" and row.grouped:
        kv_heads = 1 if text.get("multi_query", True) is True else heads
    value = number(text, "v_head_dim", "attention.value_length_mla", "attention.value_length")
    return Dimensions(heads, kv_heads or heads, value, turned)


def stacks_turned(row: Row, stacks: list[tuple[Roles, Tensor]], width: int) -> bool:
    """Whether stacks of experts are (experts, in, out): by the first whose shape tells, else as the row says."""
    for roles, tensor in stacks:
        if len(tensor.shape) == 3 and (tensor.shape[1] == width) != (tensor.shape[2] == width):
            first = roles if isinstance(roles, str) else roles[0]
            reads = not first.startswith("ffn.down")
            return (tensor.shape[1] == width) == reads
    return row.turned


def parts_of(row: Row, roles: Roles, tensor: Tensor, dims: Dimensions) -> Iterator[tuple[str, Part]]:
    """Roles of a tensor with their views; nothing where its shape cannot be what the row says."""
    plain = (roles,) if isinstance(roles, str) else roles
    if plain[0].endswith(STACK):
        yield from _of_stack(row, plain, tensor, dims)
        return
    turned = row.transposed and len(tensor.shape) == 2 and not _is_table(plain[0])
    if len(plain) == 1:
        yield plain[0], _single(row, plain[0], tensor, dims, turned)
        return
    shape = tensor.shape[::-1] if turned else tensor.shape
    split = _split(row, plain, shape, dims)
    if split is None:
        base, _, end = plain[0].partition("@")
        bias = ".bias" if base.endswith(".bias") else ""
        whole = "attn.qkv" if base.removesuffix(".bias") == "attn.q" else base.removesuffix(".bias") + ".fused"
        yield whole + bias + (f"@{end}" if end else ""), Part(tensor.name, turned)
        return
    for role, (start, stop, run, period) in zip(plain, split, strict=True):
        yield role, Part(tensor.name, turned, start, stop, run=run, period=period)


def _single(row: Row, role: str, tensor: Tensor, dims: Dimensions, turned: bool) -> Part:
    gain = row.gain_offset if "norm" in role and len(tensor.shape) == 1 else 0.0
    rope = 0
    if row.rope_reordered and role.removesuffix(".bias") in ("attn.q", "attn.k"):
        rope = dims.heads if role.startswith("attn.q") else dims.kv_heads
        if rope and (not tensor.shape or tensor.shape[0] % (2 * rope)):
            rope = 0
    return Part(tensor.name, turned, rope_heads=rope, offset=gain)


def _is_table(role: str) -> bool:
    return role.startswith("embed.") or role == "head"


def _of_stack(row: Row, roles: tuple[str, ...], tensor: Tensor, dims: Dimensions) -> Iterator[tuple[str, Part]]:
    if not 2 <= len(tensor.shape) <= 3 or not 0 < tensor.shape[0] <= MAX_STACK:
        return
    turned = dims.turned and len(tensor.shape) == 3
    shape = tensor.shape[:0:-1] if turned else tensor.shape[1:]
    bare = tuple(r.removesuffix(STACK) for r in roles)
    rows: list[_Rows] | None = [(0, None, 0, 0)] if len(bare) == 1 else _split(row, bare, shape, dims)
    if rows is None:
        return
    for expert in range(tensor.shape[0]):
        for role, (start, stop, run, period) in zip(bare, rows, strict=True):
            yield f"{role}@{expert}", Part(tensor.name, turned, start, stop, index=expert, run=run, period=period)


def _split(row: Row, roles: tuple[str, ...], shape: tuple[int, ...], dims: Dimensions) -> list[_Rows] | None:
    """Rows of each role in a fused matrix or bias, or None where they cannot be told."""
    if not shape or len(shape) > 2:
        return None
    rows = shape[0]
    bare = tuple(r.partition("@")[0].removesuffix(".bias") for r in roles)
    if bare == QKV:
        return _attention(row, shape, dims)
    if bare == KV_B:
        each, value = rows // dims.heads if dims.heads else 0, dims.value_dim
        if not each or rows % dims.heads or not 0 < value < each:
            return None
        return [(0, None, each - value, each), (each - value, None, value, each)]
    if rows % len(roles):
        return None
    if row.paired and bare == GATE_UP:
        return [(k, None, 1, 2) for k in range(2)]
    size = rows // len(roles)
    return [(k * size, (k + 1) * size, 0, 0) for k in range(len(roles))]


def _attention(row: Row, shape: tuple[int, ...], dims: Dimensions) -> list[_Rows] | None:
    rows, heads, kv = shape[0], dims.heads, dims.kv_heads
    if not heads or not kv:
        # Without a configuration: thirds, where that is what the shape says.
        if row.grouped or len(shape) != 2 or rows != 3 * shape[1]:
            return None
        third = rows // 3
        return [(k * third, (k + 1) * third, 0, 0) for k in range(3)]
    if heads % kv or rows % (heads + 2 * kv):
        return None
    dim = rows // (heads + 2 * kv)
    if row.grouped and kv > 1:
        group = heads // kv
        period = (group + 2) * dim
        return [
            (0, None, group * dim, period),
            (group * dim, None, dim, period),
            ((group + 1) * dim, None, dim, period),
        ]
    at = heads * dim
    return [(0, at, 0, 0), (at, at + kv * dim, 0, 0), (at + kv * dim, rows, 0, 0)]
