"""Every family that transformers saves gets its roles, with the right shapes, and no row takes another's model."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from counted import within

from mpk_tui.checkpoint.architectures import resolve, towers
from mpk_tui.checkpoint.architectures.table import TABLE
from mpk_tui.checkpoint.model import Architecture, Part, Tensor

FIXTURE = Path(__file__).parents[1] / "vectors" / "architectures.json"
FAMILIES: dict[str, Any] = json.loads(FIXTURE.read_text())["families"]
D, H, HE, SHARED, HEADS, KV, HD = 48, 80, 20, 28, 6, 2, 8

# Tensors that no role is defined for, by the beginnings of their names.
LEFT = {
    "phi4_multimodal": ("model.embed_tokens_extend.", "model.layers."),
}
# Key/value heads where they are not as many as the query heads.
GROUPED = {
    "llama", "llama-tied", "llama4", "mistral", "mistral3", "ministral3", "mixtral", "llava", "qwen2", "qwen2_moe",
    "qwen3", "qwen3_moe", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "gemma", "gemma2", "gemma3", "gemma3_text", "paligemma",
    "phi", "phi3", "phimoe", "phi4_multimodal", "falcon-40b", "falcon-11b", "starcoder2", "stablelm", "stablelm-12b",
    "olmo", "olmo2", "olmo3", "olmoe", "gpt_oss", "granite", "granitemoe", "granitemoeshared", "smollm3", "cohere",
    "cohere2", "mllama",
}  # fmt: skip
ONE_KEY = {"falcon-7b", "gpt_bigcode-mq"}
MLA = {"deepseek_v2", "deepseek_v2-lite", "deepseek_v3"}
UNGATED = {
    "phi", "falcon-7b", "falcon-40b", "falcon-11b", "falcon-rw", "bloom", "mpt", "opt", "opt-350m", "gpt2", "gptj",
    "gpt_neo", "gpt_neox", "gpt_bigcode-mq", "gpt_bigcode-mh", "starcoder2", "bert", "bert-pretraining", "bert-bare",
    "roberta", "xlm-roberta", "camembert", "distilbert", "albert", "mpnet", "deberta", "deberta-v2", "electra",
    "electra-generator", "t5", "bart", "mbart", "marian", "pegasus", "m2m_100", "whisper",
}  # fmt: skip
INNER = {
    "bloom": 4 * D, "mpt": 4 * D, "gpt2": 4 * D, "gptj": 4 * D, "gpt_oss": D, "qwen3_moe": H,
}  # fmt: skip
EXPERTS = {
    "mixtral": H, "phimoe": H, "qwen2_moe": HE, "qwen3_moe": HE, "olmoe": H, "deepseek_v2": HE, "deepseek_v2-lite": HE,
    "deepseek_v3": HE, "gpt_oss": D, "llama4": HE, "granitemoe": H, "granitemoeshared": H,
}  # fmt: skip
BOTH = {"t5", "t5-v1_1", "mt5", "umt5", "bart", "mbart", "marian", "pegasus", "m2m_100", "whisper"}
TOWERS = {"llama4", "mllama", "mistral3", "llava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "gemma3", "paligemma"}
LANGUAGE = sorted(FAMILIES.keys() - {"mamba", "mamba2"})


def tensors_of(key: str) -> dict[str, Tensor]:
    """The tensors of a family as headers would tell them."""
    return {
        name: Tensor(name, "F32", tuple(int(d) for d in shape.split("x")) if shape else (), "x", 0, 0)
        for shape, names in FAMILIES[key]["tensors"].items()
        for name in names
    }


def found(key: str) -> Architecture:
    return resolve("safetensors", FAMILIES[key]["config"], tensors_of(key))


def shape_of(part: Part, tensors: dict[str, Tensor]) -> tuple[int, ...]:
    """Canonical shape by counting the rows that a part takes, one by one."""
    shape = tensors[part.tensor].shape
    if part.index >= 0:
        assert part.index < shape[0]
        shape = shape[1:]
    if part.transposed:
        shape = shape[::-1]
    stop = shape[0] if part.stop is None else part.stop
    assert 0 <= part.start < stop <= shape[0]
    rows = [r for r in range(part.start, stop) if not part.run or (r - part.start) % part.period < part.run]
    return (len(rows), *shape[1:])


@pytest.mark.parametrize("key", LANGUAGE)
def test_every_layer_has_its_matrices_in_canonical_shape(key: str) -> None:
    tensors, arch = tensors_of(key), found(key)
    kv = KV * HD if key in GROUPED else HD if key in ONE_KEY else D
    assert arch.width == D
    assert arch.layers == (
        5 if key in BOTH else 1 if key == "albert" else 3 if key in MLA | {"mllama", "qwen2_moe"} else 2
    )
    for layer in range(arch.layers):
        cross = "attn.cross." if key == "mllama" and layer == 1 else "attn."
        assert shape_of(arch.roles[cross + "o", layer], tensors) == (D, 7 * HEADS if key in MLA else D)
        if key in MLA:
            q = 28 if ("attn.q_a", layer) in arch.roles else D
            assert shape_of(arch.roles["attn.q", layer], tensors) == (HEADS * 14, q)
            assert shape_of(arch.roles["attn.kv_a", layer], tensors) == (12 + 4, D)
            assert shape_of(arch.roles["attn.k_b", layer], tensors) == (HEADS * 10, 12)
            assert shape_of(arch.roles["attn.v_b", layer], tensors) == (HEADS * 7, 12)
            assert ("attn.k", layer) not in arch.roles
        else:
            assert shape_of(arch.roles[cross + "q", layer], tensors) == (D, D)
            assert shape_of(arch.roles[cross + "k", layer], tensors) == (kv, D)
            assert shape_of(arch.roles[cross + "v", layer], tensors) == (kv, D)
        blocks = [b for b in arch.blocks if b.layer == layer]
        assert blocks
        for block in blocks:
            inner = INNER.get(key, H) if block.expert < 0 else EXPERTS[key]
            up, down, gate = (arch.feed(r, block) for r in ("ffn.up", "ffn.down", "ffn.gate"))
            assert up is not None
            assert down is not None
            assert (shape_of(up, tensors), shape_of(down, tensors)) == ((inner, D), (D, inner))
            assert (gate is None) == (key in UNGATED)
            if gate is not None:
                assert shape_of(gate, tensors) == (inner, D)
                assert gate != up


@pytest.mark.parametrize("key", LANGUAGE)
def test_norms_stand_where_they_are_read(key: str) -> None:
    tensors, arch = tensors_of(key), found(key)
    norms = {r for r, layer in arch.roles if layer == arch.layers - 1 and r in {
        "attn.norm", "ffn.norm", "attn.post_norm", "ffn.post_norm", "attn.cross.norm"}}  # fmt: skip
    behind = {"ffn.norm", "ffn.post_norm"}
    expected = {"attn.norm", "ffn.norm"}
    if key in {"gemma2", "gemma3", "gemma3_text"}:
        expected = {"attn.norm", "ffn.norm", "attn.post_norm", "ffn.post_norm"}
    elif key in {"olmo2", "olmo3"}:
        expected = {"attn.post_norm", "ffn.post_norm"}
    elif key == "olmo":
        expected = set()
    elif key in {
        "bert", "bert-pretraining", "bert-bare", "roberta", "xlm-roberta", "camembert", "distilbert", "albert", "mpnet",
        "deberta", "deberta-v2", "electra", "electra-generator", "opt-350m",
    }:  # fmt: skip
        expected = behind
    elif key in {"bart", "marian"}:
        expected = behind | {"attn.cross.norm"}
    elif key in BOTH:
        expected = {"attn.norm", "ffn.norm", "attn.cross.norm"}
    assert norms == expected
    for (role, _), part in arch.roles.items():
        if role in expected | {"norm.final"}:
            assert shape_of(part, tensors) == (D,)
            assert part.offset == (1.0 if key in {"gemma", "gemma2", "gemma3", "gemma3_text", "paligemma"} else 0.0)


@pytest.mark.parametrize("key", sorted(FAMILIES))
def test_nothing_is_left_over_and_nothing_is_claimed_twice(key: str) -> None:
    arch = found(key)
    left = [name for name in arch.unassigned if not name.startswith(LEFT.get(key, ()))]
    assert left == []
    assert ("embed.tokens", -1) in arch.roles
    owners: dict[tuple[Any, ...], set[str]] = {}
    for (role, layer), part in arch.roles.items():
        owners.setdefault((part.tensor, part.index, part.start, layer), set()).add(role)
    for roles in owners.values():
        assert len(roles) == 1 or roles <= {"attn.norm", "ffn.norm"} or roles <= {"attn.norm.bias", "ffn.norm.bias"} or (
            "embed.tokens" in roles)  # fmt: skip


def test_left_over_of_phi_4_multimodal_is_its_adapters_and_its_embedders() -> None:
    for name in found("phi4_multimodal").unassigned:
        assert "lora" in name or name.startswith("model.embed_tokens_extend."), name


@pytest.mark.parametrize("key", sorted(FAMILIES))
def test_a_row_of_the_stated_type_is_taken(key: str) -> None:
    arch, config = found(key), FAMILIES[key]["config"]
    inner = config.get("text_config", config).get("model_type")
    types = {t for row in TABLE if row.family == arch.family for t in row.types}
    assert {inner, config["model_type"]} & types
    assert not any("no model type" in n or "no fitting row" in n for n in arch.notices)


@pytest.mark.parametrize("key", sorted(BOTH))
def test_encoder_and_decoder_are_numbered_through(key: str) -> None:
    tensors, arch = tensors_of(key), found(key)
    assert arch.stacks == (("encoder", 0, 2), ("decoder", 2, 3))
    for layer in range(5):
        stored = arch.roles["attn.q", layer].tensor
        assert ("decoder." in stored) == (layer >= 2)
        assert f".{layer if layer < 2 else layer - 2}." in stored
        for role in "qkvo":
            assert (f"attn.cross.{role}", layer) in arch.roles or layer < 2
            assert (f"attn.cross.{role}", layer) not in arch.roles or layer >= 2
    assert shape_of(arch.roles["attn.cross.k", 3], tensors) == (D, D)


@pytest.mark.parametrize("key", sorted(FAMILIES))
def test_towers_are_components_of_their_own(key: str) -> None:
    tensors = tensors_of(key)
    beside = towers("safetensors", FAMILIES[key]["config"], tensors)
    assert set(beside) == ({"vision"} if key in TOWERS else set())
    language = {part.tensor for part in found(key).roles.values()}
    for tower in beside.values():
        assert (tower.width, tower.heads, tower.scope) == (24, 4, "vision tower")
        assert not {part.tensor for part in tower.roles.values()} & language
        for layer in range(tower.layers):
            assert [shape_of(tower.roles[f"attn.{r}", layer], tensors) for r in "qkvo"] == [(24, 24)] * 4
            assert shape_of(tower.roles["ffn.up", layer], tensors) == (48 if key == "qwen2_vl" else 36, 24)


def test_original_names_of_siglip_are_known_too() -> None:
    renamed = {
        n.replace("vision_tower.", "vision_tower.vision_model."): t for n, t in tensors_of("gemma3").items()
    }  # fmt: skip
    tensors = {n: Tensor(n, t.dtype, t.shape, "x", 0, 0) for n, t in renamed.items()}
    config = FAMILIES["gemma3"]["config"]
    assert towers("safetensors", config, tensors)["vision"].layers == 2
    assert resolve("safetensors", config, tensors).unassigned == ()


def test_state_space_models_are_of_another_scope() -> None:
    for key in ("mamba", "mamba2"):
        arch = found(key)
        assert (arch.family, arch.scope, arch.blocks) == ("mamba", "state-space model", ())
    assert found("whisper").scope == "speech model"


def test_shared_layers_are_told() -> None:
    assert found("albert").notices == ("the 4 layers that the configuration states share the weights of 1",)


@pytest.mark.parametrize("key", ["llama", "bert", "gpt2", "t5", "bloom", "mixtral", "whisper"])
def test_without_a_config_the_names_decide_and_say_so(key: str) -> None:
    with_config, without = found(key), resolve("safetensors", {}, tensors_of(key))
    assert (without.family, without.layers) == (with_config.family, with_config.layers)
    assert any("no model type is stated" in n and without.family in n for n in without.notices)


def test_interleaved_rows_are_not_guessed_without_heads() -> None:
    arch = resolve("safetensors", {}, tensors_of("bloom"))
    assert ("attn.q", 0) not in arch.roles
    assert arch.roles["attn.qkv", 0].stop is None


def test_equal_names_are_told_apart_by_which_side_is_the_width() -> None:
    assert resolve("safetensors", {}, tensors_of("gpt_bigcode-mh")).family == "gpt_bigcode"
    assert resolve("safetensors", {}, tensors_of("gpt2")).family == "gpt2"


def test_the_class_stands_in_for_a_model_type() -> None:
    arch = resolve("safetensors", {"architectures": ["GemmaForCausalLM"]}, tensors_of("gemma"))
    assert (arch.family, arch.roles["norm.final", -1].offset) == ("gemma", 1.0)


def test_a_config_that_names_another_family_does_not_win_against_the_tensors() -> None:
    arch = resolve("safetensors", {"model_type": "llama"}, tensors_of("bert"))
    assert arch.family == "bert"
    assert any("'llama' has no fitting row" in n for n in arch.notices)


def test_unknown_names_have_no_roles_and_a_notice() -> None:
    arch = resolve("safetensors", {"model_type": "mystery"}, {"a.b": Tensor("a.b", "F32", (2, 2), "x", 0, 16)})
    assert (arch.family, dict(arch.roles), arch.unassigned) == ("unknown", {}, ("a.b",))
    assert "mystery" in arch.notices[0]


@pytest.mark.parametrize("number", ["99999999999", "-1", "1e3", "٣"])
def test_strange_layer_numbers_are_no_layers(number: str) -> None:
    name = f"model.layers.{number}.mlp.up_proj.weight"
    arch = resolve("safetensors", {}, {**tensors_of("llama"), name: Tensor(name, "F32", (H, D), "x", 0, 0)})
    assert arch.layers == 2
    assert arch.unassigned == (name,)


def test_experts_are_addressed_one_by_one() -> None:
    arch = found("mixtral")
    assert arch.experts == 3
    assert [str(b) for b in arch.blocks] == [f"{i}.{e}" for i in range(2) for e in range(3)]
    part = arch.feed("ffn.down", arch.blocks[1])
    assert part is not None
    assert part.tensor == "model.layers.0.block_sparse_moe.experts.1.w2.weight"
    llama4 = found("llama4")
    stacked = llama4.feed("ffn.up", next(b for b in llama4.blocks if b.expert == 2))
    assert stacked is not None
    assert (stacked.index, stacked.start, stacked.stop, stacked.transposed) == (2, HE, 2 * HE, True)


def test_layers_may_be_dense_beside_layers_of_experts() -> None:
    assert [str(b) for b in found("qwen3_moe").blocks] == ["0", "1.0", "1.1", "1.2"]
    assert ("ffn.shared.up", 1) in found("deepseek_v3").roles


def test_a_stack_of_absurd_length_has_no_roles() -> None:
    tensors = tensors_of("llama4")
    name = next(n for n in tensors if n.endswith("experts.gate_up_proj"))
    tensors[name] = Tensor(name, "F32", (1 << 40, D, 2 * HE), "x", 0, 0)
    assert name in within(1_000_000, lambda: resolve("safetensors", FAMILIES["llama4"]["config"], tensors)).unassigned


@pytest.mark.parametrize("key", ["llama4", "gpt_oss", "deepseek_v3", "falcon-40b", "t5", "mllama", "bert"])
def test_shapes_and_configurations_that_lie_raise_nothing(key: str) -> None:
    draw = random.Random(key)
    odd = [0, -1, 1, 7, 1 << 31, 10**30, True, None, 1.5, "x", [], {}, [{}], ["X"], ["LlamaModel"]]
    keys = ["text_config", "vision_config", "architectures", "model_type", "num_attention_heads", "v_head_dim"]
    for _ in range(5):
        config = {k: draw.choice(odd) if draw.random() < 0.3 else v for k, v in FAMILIES[key]["config"].items()}
        config |= {draw.choice(keys): draw.choice(odd) for _ in range(3)}
        tensors = {
            name: Tensor(
                name,
                "F32",
                tuple(draw.choice([0, 1, 3, 18, 24, D, 1 << 40]) for _ in range(draw.randrange(5))),
                "x",
                0,
                0,
            )
            for name in tensors_of(key)
            if draw.random() > 0.1
        }
        arch = resolve("safetensors", config, tensors)
        towers("safetensors", config, tensors)
        for part in arch.roles.values():
            shape = tensors[part.tensor].shape[1 if part.index >= 0 else 0 :]
            rows = shape[-1 if part.transposed else 0] if shape else 0
            assert 0 <= part.start <= rows
            assert part.stop is None or part.start <= part.stop <= rows
