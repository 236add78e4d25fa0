"""Rows of GGUF files name every tensor that gguf-py's own constants list for their architecture."""

from __future__ import annotations

from typing import Any

import pytest
from gguf.constants import MODEL_ARCH, MODEL_ARCH_NAMES, MODEL_TENSORS, TENSOR_NAMES

from mpk_tui.checkpoint.architectures import resolve
from mpk_tui.checkpoint.architectures.table import TABLE
from mpk_tui.checkpoint.model import Tensor

D, H, HEADS, KV, HD, E, V, L = 48, 80, 6, 2, 8, 3, 101, 2
KNOWN = {name: arch for arch, name in MODEL_ARCH_NAMES.items()}
ROWS = [(row, kind) for row in TABLE if row.format == "gguf" for kind in row.types if kind in KNOWN]
# Two forms of the same thing: a file holds one of them.
INSTEAD = {
    "attn_qkv": ("attn_q", "attn_k", "attn_v"),
    "ffn_gate_up_exps": ("ffn_gate_exps", "ffn_up_exps"),
    "attn_q_b": ("attn_q",),
    "attn_kv_b": ("attn_k_b", "attn_v_b"),
}
# Listed by the constants and written by no converter of these families.
NEVER = ("attn_rot_embd", "ffn_act", "rope_freqs", "blk.0.ffn.", "blk.1.ffn.")
# Of a remote-code variant of Jina's BERT; what reads it was not settled.
LEFT = {"jina-bert-v2": ("attn_norm_2",)}


def shape_of(name: str, kind: str) -> tuple[int, ...]:
    """A plausible stored shape."""
    stem = name.split(".")[-2]
    heads_up = 2 * H if kind in ("phi3", "modern-bert") else H
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd": (V, D), "output": (V, D), "position_embd": (40, D), "token_types": (2, D),
        "attn_qkv": ((HEADS + 2 * KV) * HD, D), "attn_k": (KV * HD, D), "attn_v": (KV * HD, D),
        "ffn_up": (heads_up, D), "ffn_gate": (H, D), "ffn_down": (D, H), "ffn_gate_inp": (E, D),
        "ffn_up_exps": (E, H, D), "ffn_gate_exps": (E, H, D), "ffn_down_exps": (E, D, H),
        "ffn_gate_up_exps": (E, 2 * H, D),
    }  # fmt: skip
    return (D,) if "norm" in stem else shapes.get(stem, (D, D))


def model_of(kind: str, *, fused: bool) -> dict[str, Tensor]:
    names = {TENSOR_NAMES[t] for t in MODEL_TENSORS[KNOWN[kind]]}
    stems = {n.split(".")[-1] for n in names}
    for whole, split in INSTEAD.items():
        if whole in stems and split[0] in stems:
            drop = set(split) if fused else {whole}
            names = {n for n in names if n.split(".")[-1] not in drop}
    out = {}
    for name in names:
        for layer in range(L if "{bid}" in name else 1):
            stored = name.format(bid=layer) + ".weight"
            if not any(mark in stored for mark in NEVER):
                out[stored] = Tensor(stored, "F16", shape_of(stored, kind), "x", 0, 0)
    return out


def config_of(kind: str) -> dict[str, Any]:
    return {
        "general.architecture": kind, f"{kind}.attention.head_count": HEADS, f"{kind}.attention.head_count_kv": KV,
        f"{kind}.block_count": L,
    }  # fmt: skip


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("row", "kind"), ROWS, ids=lambda x: x if isinstance(x, str) else x.family)
def test_every_listed_name_has_a_role(row: Any, kind: str, fused: bool) -> None:
    tensors = model_of(kind, fused=fused)
    if row.needs and kind == "falcon":
        assert any("attn_norm_2" in n for n in tensors)
    arch = resolve("gguf", config_of(kind), tensors)
    both = bool(row.stacks) and kind == "t5"
    assert (arch.family, arch.layers) == (row.family, 2 * L if both else L)
    left = [name for name in arch.unassigned if name.split(".")[-2] not in LEFT.get(kind, ())]
    assert left == []
    assert not any("fit" in n for n in arch.notices)
    if row.core == "ffn.up":
        assert {b.layer for b in arch.blocks} == set(range(arch.layers))
        assert all(("attn.o", layer) in arch.roles for layer in range(arch.layers))


def test_every_architecture_of_the_rows_is_one_that_is_known() -> None:
    kinds = {kind for row in TABLE if row.format == "gguf" for kind in row.types}
    assert kinds - KNOWN.keys() <= {"mistral3", "smollm3", "modern-bert", "qwen3vl"}
    assert MODEL_ARCH.LLAMA in KNOWN.values()


@pytest.mark.parametrize("kind", ["llama", "granite", "olmo", "smollm3", "minicpm", "internlm2"])
def test_rows_that_converters_re_order_are_put_back(kind: str) -> None:
    arch = resolve("gguf", config_of(kind), model_of("llama", fused=False))
    assert (arch.roles["attn.q", 0].rope_heads, arch.roles["attn.k", 0].rope_heads) == (HEADS, KV)
    assert arch.roles["attn.v", 0].rope_heads == 0


@pytest.mark.parametrize("kind", ["llama4", "qwen2", "qwen3", "gemma3", "olmo2", "stablelm", "command-r"])
def test_rows_of_others_stay_as_they_are(kind: str) -> None:
    arch = resolve("gguf", config_of(kind), model_of(kind, fused=False))
    assert (arch.roles["attn.q", 0].rope_heads, arch.roles["attn.q", 0].offset) == (0, 0.0)
    assert all(part.offset == 0.0 for part in arch.roles.values())


def test_fused_rows_lie_one_after_the_other_whatever_the_family_did() -> None:
    for kind in ("gptneox", "bloom", "falcon", "starcoder", "mpt"):
        arch = resolve("gguf", config_of(kind), model_of(kind, fused=True))
        parts = [arch.roles[role, 0] for role in ("attn.q", "attn.k", "attn.v")]
        assert [(p.start, p.stop, p.run) for p in parts] == [(0, 48, 0), (48, 64, 0), (64, 80, 0)], kind


def test_falcon_with_two_norms_reads_attention_through_the_second() -> None:
    tensors = model_of("falcon", fused=True)
    arch = resolve("gguf", config_of("falcon"), tensors)
    assert arch.roles["attn.norm", 0].tensor == "blk.0.attn_norm_2.weight"
    assert arch.roles["ffn.norm", 0].tensor == "blk.0.attn_norm.weight"
    one = resolve("gguf", config_of("falcon"), {n: t for n, t in tensors.items() if "attn_norm_2" not in n})
    assert one.roles["attn.norm", 0] == one.roles["ffn.norm", 0]
    assert one.roles["attn.norm", 0].tensor == "blk.0.attn_norm.weight"


def test_gpt_oss_calls_the_norm_of_its_feed_forward_by_another_name() -> None:
    arch = resolve("gguf", config_of("gpt-oss"), model_of("gpt-oss", fused=False))
    assert arch.roles["ffn.norm", 0].tensor == "blk.0.post_attention_norm.weight"


def test_experts_of_older_files_are_numbered_in_their_names() -> None:
    tensors = {n: t for n, t in model_of("llama", fused=False).items() if "exps" not in n and ".ffn_gate." not in n
               and ".ffn_up." not in n and ".ffn_down." not in n}  # fmt: skip
    for e in range(E):
        for stem, shape in (("ffn_gate", (H, D)), ("ffn_up", (H, D)), ("ffn_down", (D, H))):
            for layer in range(L):
                name = f"blk.{layer}.{stem}.{e}.weight"
                tensors[name] = Tensor(name, "F16", shape, "x", 0, 0)
    arch = resolve("gguf", config_of("llama"), tensors)
    assert (arch.experts, arch.ffn_width, arch.unassigned) == (E, H, ())
    assert arch.roles["ffn.up@2", 1].tensor == "blk.1.ffn_up.2.weight"
