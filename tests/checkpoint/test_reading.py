"""Good checkpoints: folders, shards, caches, GGUF in either byte order, roles, vocabularies, values."""

from __future__ import annotations

import json
from pathlib import Path

import ml_arrays as ml
import numpy as np
import pytest
from makers import GOOD, entry, gguf, info, pair, safetensors, string, write

from mpk_tui.checkpoint import gguf as gguf_header
from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Part
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.checkpoint.safetensors import BITS
from mpk_tui.checkpoint.tokenizer import from_bytes, read_tokenizer
from mpk_tui.errors import UnstableFileError

RNG = np.random.default_rng(0)


def matrix(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def llama(
    layers: int = 2, d: int = 8, h: int = 12, heads: int = 2, kv: int = 1, vocab: int = 10
) -> dict[str, np.ndarray]:
    out = {"model.embed_tokens.weight": matrix(vocab, d), "model.norm.weight": matrix(d)}
    for i in range(layers):
        p = f"model.layers.{i}."
        out |= {
            p + "input_layernorm.weight": matrix(d), p + "post_attention_layernorm.weight": matrix(d),
            p + "self_attn.q_proj.weight": matrix(d, d), p + "self_attn.k_proj.weight": matrix(d // heads * kv, d),
            p + "self_attn.v_proj.weight": matrix(d // heads * kv, d), p + "self_attn.o_proj.weight": matrix(d, d),
            p + "mlp.gate_proj.weight": matrix(h, d), p + "mlp.up_proj.weight": matrix(h, d),
            p + "mlp.down_proj.weight": matrix(d, h),
        }  # fmt: skip
    return out


CONFIG = {
    "model_type": "llama", "num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1,
    "intermediate_size": 12,
}  # fmt: skip


def folder_of(tmp_path: Path, tensors: dict[str, np.ndarray], config: dict[str, object], dtype: str = "F32") -> Path:
    ml.save(tmp_path / "model.safetensors", tensors, dtype)
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_llama_roles(tmp_path: Path) -> None:
    tensors = llama()
    checkpoint = open_checkpoint(folder_of(tmp_path, tensors, CONFIG))
    arch = checkpoint.architecture
    assert (arch.family, arch.scope, arch.layers, arch.width, arch.ffn_width) == ("llama", "transformer-lm", 2, 8, 12)
    assert (arch.heads, arch.kv_heads, arch.head_dim, arch.tied) == (2, 1, 4, True)
    assert not arch.unassigned
    assert not arch.notices
    with WeightReader(checkpoint) as reader:
        got = reader.whole(arch.roles["ffn.up", 1])
        assert np.array_equal(got, tensors["model.layers.1.mlp.up_proj.weight"])
        ids = np.array([5, 0, 7])
        assert np.array_equal(
            reader.select(arch.roles["ffn.gate", 0], ids), tensors["model.layers.0.mlp.gate_proj.weight"][ids]
        )
        assert np.array_equal(
            reader.columns(arch.roles["ffn.down", 0], ids), tensors["model.layers.0.mlp.down_proj.weight"][:, ids]
        )


def test_a_config_that_contradicts_the_tensors_is_a_notice(tmp_path: Path) -> None:
    found = open_checkpoint(folder_of(tmp_path, llama(), {**CONFIG, "num_hidden_layers": 9, "hidden_size": 99}))
    text = " ".join(found.architecture.notices)
    assert "9 layers" in text
    assert "width 99" in text
    assert found.architecture.layers == 2


def test_roles_without_any_config(tmp_path: Path) -> None:
    ml.save(tmp_path / "x.safetensors", llama(), "F32")
    assert open_checkpoint(tmp_path / "x.safetensors").architecture.family == "llama"


def test_fused_gate_and_up_are_split(tmp_path: Path) -> None:
    tensors = llama(layers=1)
    gate, up = tensors.pop("model.layers.0.mlp.gate_proj.weight"), tensors.pop("model.layers.0.mlp.up_proj.weight")
    q, k, v = (tensors.pop(f"model.layers.0.self_attn.{n}_proj.weight") for n in "qkv")
    tensors["model.layers.0.mlp.gate_up_proj.weight"] = np.concatenate([gate, up])
    tensors["model.layers.0.self_attn.qkv_proj.weight"] = np.concatenate([q, k, v])
    checkpoint = open_checkpoint(folder_of(tmp_path, tensors, {**CONFIG, "model_type": "phi3", "num_hidden_layers": 1}))
    with WeightReader(checkpoint) as reader:
        roles = checkpoint.architecture.roles
        for role, expected in (("ffn.gate", gate), ("ffn.up", up), ("attn.q", q), ("attn.k", k), ("attn.v", v)):
            assert np.array_equal(reader.whole(roles[role, 0]), expected), role


def test_gpt2_is_turned_and_split(tmp_path: Path) -> None:
    d, h = 8, 32
    tensors = {
        "wte.weight": matrix(10, d),
        "wpe.weight": matrix(6, d),
        "ln_f.weight": matrix(d),
        "ln_f.bias": matrix(d),
    }
    tensors |= {
        "h.0.ln_1.weight": matrix(d), "h.0.ln_2.weight": matrix(d), "h.0.attn.c_attn.weight": matrix(d, 3 * d),
        "h.0.attn.c_attn.bias": matrix(3 * d), "h.0.attn.c_proj.weight": matrix(d, d), "h.0.mlp.c_fc.weight": matrix(d, h),
        "h.0.mlp.c_fc.bias": matrix(h), "h.0.mlp.c_proj.weight": matrix(h, d),
    }  # fmt: skip
    checkpoint = open_checkpoint(
        folder_of(tmp_path, tensors, {"model_type": "gpt2", "n_head": 2, "n_layer": 1, "n_embd": d})
    )
    arch = checkpoint.architecture
    assert (arch.family, arch.ffn_width) == ("gpt2", h)
    with WeightReader(checkpoint) as reader:
        fused = tensors["h.0.attn.c_attn.weight"]
        assert np.array_equal(reader.whole(arch.roles["attn.k", 0]), fused[:, d : 2 * d].T)
        assert np.array_equal(reader.whole(arch.roles["attn.k.bias", 0]), tensors["h.0.attn.c_attn.bias"][d : 2 * d])
        assert np.array_equal(reader.whole(arch.roles["ffn.up", 0]), tensors["h.0.mlp.c_fc.weight"].T)
        assert np.array_equal(reader.whole(arch.roles["embed.tokens", -1]), tensors["wte.weight"])
        ids = np.array([3, 1])
        assert np.array_equal(reader.columns(arch.roles["ffn.up", 0], ids), tensors["h.0.mlp.c_fc.weight"][ids].T)


def test_bert_roles_with_and_without_prefix(tmp_path: Path) -> None:
    d, h = 8, 16
    for n, prefix in enumerate(("bert.", "")):
        tensors = {
            prefix + "embeddings.word_embeddings.weight": matrix(9, d),
            prefix + "embeddings.LayerNorm.weight": matrix(d),
        }
        layer = prefix + "encoder.layer.0."
        tensors |= {layer + f"attention.self.{x}.weight": matrix(d, d) for x in ("query", "key", "value")}
        tensors |= {
            layer + "attention.output.dense.weight": matrix(d, d), layer + "attention.output.LayerNorm.weight": matrix(d),
            layer + "intermediate.dense.weight": matrix(h, d), layer + "output.dense.weight": matrix(d, h),
            layer + "output.LayerNorm.weight": matrix(d), prefix + "pooler.dense.weight": matrix(d, d),
        }  # fmt: skip
        folder = tmp_path / str(n)
        folder.mkdir()
        arch = open_checkpoint(
            folder_of(folder, tensors, {"model_type": "bert", "num_attention_heads": 2})
        ).architecture
        assert (arch.family, arch.layers, arch.width, arch.ffn_width) == ("bert", 1, d, h)
        assert arch.roles["ffn.norm", 0].tensor == layer + "attention.output.LayerNorm.weight"
        assert arch.roles["pooler", -1].tensor == prefix + "pooler.dense.weight"
        assert arch.unassigned == ()


def test_gemma_gains_are_stored_less_one(tmp_path: Path) -> None:
    tensors = llama()
    checkpoint = open_checkpoint(folder_of(tmp_path, tensors, {**CONFIG, "model_type": "gemma"}))
    with WeightReader(checkpoint) as reader:
        got = reader.whole(checkpoint.architecture.roles["ffn.norm", 0])
    assert np.allclose(got, tensors["model.layers.0.post_attention_layernorm.weight"] + 1)


def _gguf_llama(order: str = "<") -> tuple[bytes, np.ndarray]:
    """One layer whose q rows are re-ordered as llama.cpp's converter does, and the original q."""
    d, h, heads = 8, 12, 2
    q = matrix(d, d)
    swapped = q.reshape(heads, 2, d // heads // 2, d).swapaxes(1, 2).reshape(d, d)
    tensors = {
        "token_embd.weight": matrix(10, d), "blk.0.attn_q.weight": swapped, "blk.0.attn_k.weight": matrix(4, d),
        "blk.0.attn_v.weight": matrix(4, d), "blk.0.attn_output.weight": matrix(d, d), "blk.0.attn_norm.weight": matrix(d),
        "blk.0.ffn_norm.weight": matrix(d), "blk.0.ffn_gate.weight": matrix(h, d), "blk.0.ffn_up.weight": matrix(h, d),
        "blk.0.ffn_down.weight": matrix(d, h),
    }  # fmt: skip
    infos, data = [], b""
    for name, x in tensors.items():
        infos.append(info(name, list(x.shape[::-1]), 0, len(data), order))
        raw = x.astype(order + "f4").tobytes()
        data += raw + bytes(-len(raw) % 32)
    u32 = order + "I"
    import struct

    pairs = [
        pair("general.architecture", 8, string("llama", order), order),
        pair("llama.block_count", 4, struct.pack(u32, 1), order),
        pair("llama.attention.head_count", 4, struct.pack(u32, 2), order),
        pair("llama.attention.head_count_kv", 4, struct.pack(u32, 1), order),
        pair("tokenizer.ggml.model", 8, string("llama", order), order),
        pair(
            "tokenizer.ggml.tokens",
            9,
            struct.pack(order + "IQ", 8, 2) + string("<s>", order) + string("▁the", order),
            order,
        ),
    ]
    return gguf(infos, pairs, data, order=order), q


@pytest.mark.parametrize("order", ["<", ">"])
def test_gguf_in_either_byte_order_and_rotary_rows_put_back(tmp_path: Path, order: str) -> None:
    data, q = _gguf_llama(order)
    checkpoint = open_checkpoint(write(tmp_path, "m.gguf", data))
    arch = checkpoint.architecture
    assert (checkpoint.format, arch.family, arch.layers, arch.heads, arch.kv_heads) == ("gguf", "llama", 1, 2, 1)
    assert checkpoint.tensors["blk.0.ffn_up.weight"].shape == (12, 8)
    assert checkpoint.tokenizer is not None
    assert checkpoint.tokenizer.tokens == ("<s>", "▁the")
    with WeightReader(checkpoint) as reader:
        assert np.array_equal(reader.whole(arch.roles["attn.q", 0]), q)


def test_type_tables_agree_with_the_gguf_package() -> None:
    import gguf as package

    theirs = {int(t): (t.name, *sizes) for t, sizes in package.GGML_QUANT_SIZES.items()}
    assert theirs == gguf_header.TYPES


@pytest.mark.parametrize("name", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_quantized_rows_decode_as_the_gguf_package_does(tmp_path: Path, name: str) -> None:
    import gguf as package
    from gguf import quants

    kind = package.GGMLQuantizationType[name]
    values = matrix(6, 64)
    raw = quants.quantize(values, kind)
    data = gguf([info("w", [64, 6], int(kind), 0)], data=raw.tobytes())
    checkpoint = open_checkpoint(write(tmp_path, "m.gguf", data))
    assert checkpoint.tensors["w"].dtype == name
    with WeightReader(checkpoint) as reader:
        assert np.array_equal(reader.select(Part("w"), np.array([4, 1])), quants.dequantize(raw, kind)[[4, 1]])


@pytest.mark.parametrize("name", ["Q4_K", "Q6_K", "Q5_K", "Q3_K", "Q2_K"])
def test_k_types_decode_as_the_gguf_package_does(tmp_path: Path, name: str) -> None:
    import gguf as package
    from gguf import quants

    kind = package.GGMLQuantizationType[name]
    block, width = package.GGML_QUANT_SIZES[kind]
    raw = RNG.integers(0, 256, size=(3, width * 2), dtype=np.uint8)
    data = gguf([info("w", [block * 2, 3], int(kind), 0)], data=raw.tobytes())
    checkpoint = open_checkpoint(write(tmp_path, "m.gguf", data))
    with WeightReader(checkpoint) as reader, np.errstate(all="ignore"):
        expected = quants.dequantize(raw, kind)
        assert np.array_equal(reader.whole(Part("w")), expected, equal_nan=True)


def test_every_type_of_the_safetensors_library_is_known() -> None:
    from safetensors import numpy as library

    theirs = {label: np.dtype(kind).itemsize * 8 for label, kind in library._TYPES.items() if label != "BF16"}
    assert len(theirs) >= 10
    assert {label: BITS.get(label) for label in theirs} == theirs
    assert BITS["BF16"] == 16


def test_bf16_and_f8_values(tmp_path: Path) -> None:
    raw = bytes(range(256))
    path = write(tmp_path, "x.safetensors", safetensors({"w": entry(0, 256, [256], "F8_E4M3")}, raw))
    checkpoint = open_checkpoint(path)
    with WeightReader(checkpoint) as reader:
        values = reader.whole(Part("w"))
    assert values[0x38] == 1.0
    assert values[0x7E] == 448.0
    assert np.isnan(values[0x7F])
    assert values[0x01] == 2.0**-9
    assert values[0xB8] == -1.0


def test_a_hugging_face_cache_snapshot_is_read_through_its_links(tmp_path: Path) -> None:
    blobs = tmp_path / "models--org--name" / "blobs"
    snapshot = tmp_path / "models--org--name" / "snapshots" / "abc"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    write(blobs, "f00d", GOOD)
    (snapshot / "model.safetensors").symlink_to("../../blobs/f00d")
    checkpoint = open_checkpoint(snapshot)
    assert checkpoint.files[0].link == "../../blobs/f00d"
    assert checkpoint.files[0].link_class == "cache"
    assert list(checkpoint.tensors) == ["a", "b"]


def test_gaps_and_trailing_bytes_are_told(tmp_path: Path) -> None:
    data = safetensors({"a": entry(4, 8, [1])}, bytes(20))
    notices = open_checkpoint(write(tmp_path, "x.safetensors", data)).notices
    assert any("before tensor 'a'" in n for n in notices)
    assert any("after the last tensor" in n for n in notices)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    ml.save(path, {"w": matrix(100, 100)}, "F32")
    checkpoint = open_checkpoint(path)

    def shrink() -> None:
        with WeightReader(checkpoint) as reader:
            reader.rows(Part("w"), 0, 1)
            with open(path, "r+b") as f:
                f.truncate(2000)
            reader.whole(Part("w"))

    with pytest.raises(UnstableFileError, match=r"x\.safetensors"):
        shrink()


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    ml.save(path, {"w": matrix(10, 10)}, "F32")
    checkpoint = open_checkpoint(path)

    def change() -> None:
        with WeightReader(checkpoint) as reader:
            reader.whole(Part("w"))
            with open(path, "r+b") as f:
                f.seek(-4, 2)
                f.write(b"evil")

    with pytest.raises(UnstableFileError, match="changed while it was read"):
        change()


def _tokens(tmp_path: Path, name: str, content: str) -> dict[str, int]:
    write(tmp_path, name, content.encode())
    write(tmp_path, "model.safetensors", GOOD)
    tokenizer, notices = read_tokenizer(tmp_path, open_checkpoint(tmp_path).files)
    assert not notices
    assert tokenizer is not None
    (tmp_path / name).unlink()
    return {t: i for i, t in enumerate(tokenizer.tokens) if t is not None}


def test_the_is_the_same_token_everywhere(tmp_path: Path) -> None:
    byte_level = {
        "model": {"type": "BPE", "vocab": {"Ġthe": 0, "ing": 1, "é".encode().decode("latin-1"): 2, "<s>": 3}, "merges": []},
        "pre_tokenizer": {"type": "ByteLevel"}, "added_tokens": [{"id": 3, "content": "<s>", "special": True}],
    }  # fmt: skip
    word_piece = {"model": {"type": "WordPiece", "vocab": {"the": 0, "##ing": 1, "[CLS]": 2}}}
    unigram = {"model": {"type": "Unigram", "vocab": [["▁the", -1.0], ["ing", -2.0]]}}
    found = [
        _tokens(tmp_path, "tokenizer.json", json.dumps(byte_level)),
        _tokens(tmp_path, "tokenizer.json", json.dumps(word_piece)),
        _tokens(tmp_path, "tokenizer.json", json.dumps(unigram)),
        _tokens(tmp_path, "vocab.txt", "the\n##ing\n[CLS]\n"),
        _tokens(tmp_path, "vocab.json", json.dumps({"Ġthe": 0, "ing": 1})),
    ]
    for tokens in found:
        assert (tokens["▁the"], tokens["ing"]) == (0, 1)
    assert found[0]["é"] == 2


def test_bytes_that_are_no_text_stay_apart() -> None:
    assert from_bytes(b"\xe2\x82") != from_bytes(b"\xe2\x83")
    assert from_bytes(b" a\xff") == "▁a<0xFF>"
    assert from_bytes("é".encode()) == "é"
