"""Every row of the table resolves the tensors that it names, and no row takes another's model."""

from __future__ import annotations

from typing import Any

import pytest

from mpk_tui.checkpoint.architecture_table import GATE_UP, QKV, TABLE, Row
from mpk_tui.checkpoint.architectures import resolve
from mpk_tui.checkpoint.model import Tensor

EXPERTS = 2

D, H, HEADS, VOCABULARY, LAYERS = 8, 24, 2, 11, 3


def shape_of(row: Row, roles: Any) -> tuple[int, ...]:
    """A plausible stored shape for a role."""
    if roles == QKV or roles == "attn.qkv":
        shape: tuple[int, ...] = (3 * D, D)
    elif roles == GATE_UP:
        shape = (2 * H, D)
    elif "norm" in str(roles):
        return (D,)
    elif str(roles).startswith("embed.") or roles == "head":
        return (VOCABULARY, D)
    elif roles in ("ffn.gate", "ffn.up"):
        shape = (H, D)
    elif roles == "ffn.down":
        shape = (D, H)
    else:
        shape = (D, D)
    return shape[::-1] if row.transposed else shape


def model_of(row: Row, prefix: str, layers: int = LAYERS) -> dict[str, Tensor]:
    """Tensors as a checkpoint of this family would name them; fused and split forms of one thing exclude each other."""
    taken = dict(row.names)
    roles = set(taken.values())
    if QKV in roles and "attn.q" in roles:
        taken = {t: r for t, r in taken.items() if r != QKV}
    if GATE_UP in roles and "ffn.up" in roles:
        taken = {t: r for t, r in taken.items() if r != GATE_UP}
    if "attn.qkv" in roles and "attn.q" in roles:
        taken = {t: r for t, r in taken.items() if r not in ("attn.q", "attn.k", "attn.v")}
    out = {}
    for template, role in taken.items():
        for i in range(layers if "{i}" in template else 1):
            for e in range(EXPERTS if "{e}" in template else 1):
                name = f"{prefix}{template.replace('{i}', str(i)).replace('{e}', str(e))}.weight"
                out[name] = Tensor(name, "F32", shape_of(row, role), "x", 0, 0)
    return out


@pytest.mark.parametrize("row", TABLE, ids=lambda r: f"{r.format} {r.types[0]}")
def test_each_row_resolves_its_own_names_under_each_prefix(row: Row) -> None:
    for prefix in row.prefixes:
        tensors = model_of(row, prefix)
        for kind in row.types:
            config = {"model_type": kind, "num_attention_heads": HEADS} if row.format == "safetensors" else {
                "general.architecture": kind, f"{kind}.attention.head_count": HEADS}  # fmt: skip
            arch = resolve(row.format, config, tensors)
            assert (arch.family, arch.layers, arch.width, arch.ffn_width) == (row.family, LAYERS, D, H), (prefix, kind)
            assert not arch.unassigned
            for layer in range(LAYERS):
                assert any(b.layer == layer and arch.feed("ffn.down", b) for b in arch.blocks)
                if row.also:
                    assert arch.roles["ffn.norm", layer] == arch.roles["attn.norm", layer]


def test_without_a_config_the_names_decide() -> None:
    for row in TABLE:
        arch = resolve(row.format, {}, model_of(row, row.prefixes[0]))
        assert arch.layers == LAYERS, row
        assert arch.blocks[-1].layer == LAYERS - 1, row


def test_a_config_that_names_another_family_does_not_win_against_the_tensors() -> None:
    bert = next(r for r in TABLE if r.family == "bert" and r.format == "safetensors")
    assert resolve("safetensors", {"model_type": "llama"}, model_of(bert, "bert.")).family == "bert"


def test_unknown_names_have_no_roles_and_a_notice() -> None:
    arch = resolve("safetensors", {"model_type": "mystery"}, {"a.b": Tensor("a.b", "F32", (2, 2), "x", 0, 16)})
    assert (arch.family, dict(arch.roles), arch.unassigned) == ("unknown", {}, ("a.b",))
    assert "mystery" in arch.notices[0]


@pytest.mark.parametrize("number", ["99999999999", "-1", "1e3", "٣"])
def test_strange_layer_numbers_are_no_layers(number: str) -> None:
    llama = next(r for r in TABLE if r.family == "llama" and r.format == "safetensors")
    tensors = model_of(llama, "model.")
    name = f"model.layers.{number}.mlp.up_proj.weight"
    arch = resolve("safetensors", {}, {**tensors, name: Tensor(name, "F32", (H, D), "x", 0, 0)})
    assert arch.layers == LAYERS
    assert arch.unassigned == (name,)


def test_experts_are_addressed_one_by_one() -> None:
    row = next(r for r in TABLE if "mixtral" in r.types)
    arch = resolve("safetensors", {"model_type": "mixtral", "num_attention_heads": HEADS}, model_of(row, "model."))
    assert arch.experts == EXPERTS
    assert [str(b) for b in arch.blocks] == [f"{i}.{e}" for i in range(LAYERS) for e in range(EXPERTS)]
    part = arch.feed("ffn.down", arch.blocks[1])
    assert part is not None
    assert part.tensor == "model.layers.0.block_sparse_moe.experts.1.w2.weight"


def test_layers_may_be_dense_beside_layers_of_experts() -> None:
    row = next(r for r in TABLE if "qwen3_moe" in r.types)
    tensors = model_of(row, "model.")
    dense = {n: t for n, t in tensors.items() if ".layers.0." not in n or ".experts." not in n}
    mixed = {n: t for n, t in dense.items() if ".layers.0." in n or (".mlp.up" not in n and ".mlp.down" not in n)}
    arch = resolve("safetensors", {"model_type": "qwen3_moe", "num_attention_heads": HEADS}, mixed)
    assert [str(b) for b in arch.blocks] == ["0", "1.0", "1.1", "2.0", "2.1"]
