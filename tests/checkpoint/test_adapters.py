"""Adapters alone and on their base, against vectors that PEFT made (``make_adapter_vectors.py``)."""

from __future__ import annotations

import json
import re
import shutil
import struct
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import ml_arrays as ml
import numpy as np
import pytest
from adapter_reading import stored, weight
from makers import gguf, info, pair, string

from mpk_tui import canonical
from mpk_tui.checkpoint.adapters.onto import onto
from mpk_tui.checkpoint.adapters.opening import adapted, find_weights
from mpk_tui.checkpoint.adapters.patterns import matches
from mpk_tui.checkpoint.adapters.record import AdapterFacts
from mpk_tui.checkpoint.folder import list_folder
from mpk_tui.checkpoint.model import Checkpoint, Derived
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.errors import UnsupportedError, UsageError
from mpk_tui.fingerprint.hashing import hash_checkpoint

VECTORS = Path(__file__).resolve().parent / "adapter_vectors"
CASES = {
    "lora": "llama", "lora-patterns": "llama", "lora-embedding": "llama", "lora-saved": "llama", "lora-bin": "llama",
    "lora-bf16": "llama", "lora-tokens": "llama", "tokens": "llama", "dora": "llama", "ia3": "llama",
    "lora-saved-tied": "tied", "gpt2-lora": "gpt2", "gpt2-dora": "gpt2", "gpt2-ia3": "gpt2", "bert-lora": "bert",
    "bert-lora-bias": "bert", "bert-ia3": "bert",
}  # fmt: skip


def base(name: str) -> Checkpoint:
    return open_checkpoint(VECTORS / f"base-{name}")


def adapter(name: str) -> Checkpoint:
    return adapted(open_checkpoint(VECTORS / name))


def facts(name: str) -> AdapterFacts:
    found = adapter(name).adapter
    assert found is not None
    return found


@pytest.mark.parametrize("case", CASES)
def test_merged_as_peft_merges(case: str) -> None:
    """Every weight that merge_and_unload() changed or added, and no other, comes out the same."""
    expected = ml.load(VECTORS / f"{case}.merged.safetensors")
    composite = onto(base(CASES[case]), adapter(case))
    untouched = base(CASES[case]).tensors.keys() - expected.keys()
    assert set(composite.logical) == set(expected) | untouched
    for name, values in expected.items():
        got = weight(composite, name)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, values, rtol=0, atol=1e-6 * float(np.abs(values).max()), err_msg=name)
    for name in untouched:
        assert name in composite.tensors  # as it lies in the base
        assert np.array_equal(stored(composite, name), stored(base(CASES[case]), name))


@pytest.mark.parametrize("case", ["lora", "ia3"])
def test_merged_in_half_precision(case: str, tmp_path: Path) -> None:
    """A base in bfloat16: rounded to it, the composite is bit by bit the model that PEFT's merge publishes.

    Another library of linear algebra may add in another order, and then a value next to the middle of two may go the
    other way: at most two of 1536 may.
    """
    ml.save(tmp_path / "model.safetensors", ml.load(VECTORS / "base-llama/model.safetensors"), "BF16")
    shutil.copy(VECTORS / "base-llama/config.json", tmp_path)
    composite = onto(open_checkpoint(tmp_path), adapter(case))
    expected = ml.load(VECTORS / f"{case}.merged-bf16.safetensors")
    assert set(expected) == set(composite.derived)
    rounded = {n: np.frombuffer(ml.encode(weight(composite, n), "BF16"), "<i2") for n in expected}
    steps = [np.abs(rounded[n] - np.frombuffer(ml.encode(v, "BF16"), "<i2")) for n, v in expected.items()]
    assert max(s.max() for s in steps) <= 1
    assert sum(np.count_nonzero(s) for s in steps) <= 2


@pytest.mark.parametrize(
    "case", ["lora-embedding", "dora", "gpt2-dora", "gpt2-ia3", "gpt2-lora", "lora-tokens", "bert-ia3"]
)
def test_rows_are_rows_of_the_whole(case: str) -> None:
    """Any cut into blocks of rows gives the same weight (DoRA's norms over a transposed base need all of it)."""
    composite = onto(base(CASES[case]), adapter(case))
    for name, derived in composite.derived.items():
        whole = weight(composite, name)
        rows = derived.shape[0]
        for step in (1, 5, rows):
            cut = [weight(composite, name, at, min(rows, at + step)) for at in range(0, rows, step)]
            np.testing.assert_allclose(np.concatenate(cut), whole, rtol=2e-6, atol=1e-7)


def test_facts_of_an_adapter() -> None:
    checkpoint = adapter("lora")
    found = facts("lora")
    assert (checkpoint.format, checkpoint.architecture.family, checkpoint.architecture.scope) == (
        "safetensors",
        "adapter",
        "adapter",
    )
    assert checkpoint.architecture.roles == {}
    assert (found.kind, found.base, found.revision, found.task) == (
        "lora",
        "example/tiny-llama",
        "0123abc",
        "CAUSAL_LM",
    )
    assert found.ranks == (4,)
    assert [m.module for m in found.modules] == sorted(
        f"model.layers.{i}.{m}" for i in (0, 1) for m in ("self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj")
    )
    assert {m.scaling for m in found.modules} == {2.5}
    assert found.trained == checkpoint.parameters == sum(m.elements for m in found.modules)
    assert found.problems == ()
    assert "names the base 'example/tiny-llama'" in found.sentence()
    assert json.loads(json.dumps(found.plain())) == found.plain()
    canonical.encode(found.plain())


def test_scalings_by_pattern_and_root() -> None:
    """rank_pattern, alpha_pattern with expressions, rsLoRA: alpha over the square root of the rank."""
    found = {m.module: (m.rank, m.scaling) for m in facts("lora-patterns").modules}
    assert found["model.layers.0.self_attn.q_proj"] == (4, pytest.approx(3 / 2))
    assert found["model.layers.1.self_attn.q_proj"] == (6, pytest.approx(8 / 6**0.5))
    assert found["model.layers.0.self_attn.o_proj"] == (2, pytest.approx(5 / 2**0.5))
    assert found["model.layers.1.mlp.up_proj"] == (4, pytest.approx(32 / 2))


@pytest.mark.parametrize(
    ("case", "kind", "methods", "saved"),
    [
        ("dora", "dora", {"dora"}, 1), ("ia3", "ia3", {"ia3"}, 0), ("lora-saved", "lora", {"lora"}, 2),
        ("lora-tokens", "lora", {"lora", "tokens"}, 0), ("tokens", "trainable-tokens", {"tokens"}, 0),
        ("bert-lora", "lora", {"lora"}, 20), ("lora-bin", "lora", {"lora"}, 0),
    ],
)  # fmt: skip
def test_kinds(case: str, kind: str, methods: set[str], saved: int) -> None:
    found = facts(case)
    assert (found.kind, {m.method for m in found.modules}, len(found.saved)) == (kind, methods, saved)
    assert found.problems == ()


@pytest.mark.parametrize(("case", "kind"), [("prefix", "prefix-tuning"), ("prompt", "prompt-tuning")])
def test_prompt_vectors_merge_into_nothing(case: str, kind: str) -> None:
    found = facts(case)
    assert (found.kind, found.prompts, found.merges, found.modules) == (kind, 4, False, ())
    with pytest.raises(UnsupportedError, match=r"changes no weight.*Nothing to merge"):
        onto(base("llama"), adapter(case))


def test_composite_is_readable_hashable_and_not_its_base() -> None:
    plain, part = base("llama"), adapter("lora-saved")
    composite = onto(plain, part)
    assert composite.adapter == part.adapter
    assert composite.architecture.roles == plain.architecture.roles
    hashes = hash_checkpoint(composite)
    files = {f.path: f.sha256 for f in hashes.files}
    assert files["base/model.safetensors"] == sha256((VECTORS / "base-llama/model.safetensors").read_bytes()).digest()
    assert (
        files["adapter/adapter_config.json"]
        == sha256((VECTORS / "lora-saved/adapter_config.json").read_bytes()).digest()
    )
    own = {t.name: t.sha256 for t in hash_checkpoint(plain).tensors}
    made = {t.name: t.sha256 for t in hashes.tensors}
    touched = "model.layers.0.self_attn.q_proj.weight"
    assert touched not in made
    assert made[f"base:{touched}"] == own[touched]
    assert made["model.norm.weight"] == own["model.norm.weight"]
    assert made["adapter:base_model.model.lm_head.weight"] != own["lm_head.weight"]
    # What takes the base's place leaves no second weight behind.
    assert not any(n.startswith(("base:", "adapter:")) for n in composite.logical)
    assert composite.logical[touched].dtype == "LORA"


def test_head_that_the_base_shares() -> None:
    """A tied base, a head of the adapter's own: the table stays as it is."""
    composite = onto(base("tied"), adapter("lora-saved-tied"))
    assert base("tied").architecture.tied
    assert not composite.architecture.tied
    assert composite.architecture.roles["head", -1].tensor == "lm_head.weight"


def test_factors_on_a_shared_head(tmp_path: Path) -> None:
    """Factors for the head of a tied base change the head only, as the adapter does when it is run unmerged."""
    source = ml.load(VECTORS / "lora-embedding/adapter_model.safetensors")
    factors = {n: v for n, v in source.items() if "lm_head.lora_" in n}
    ml.save(tmp_path / "adapter_model.safetensors", factors, "F32")
    shutil.copy(VECTORS / "lora-embedding/adapter_config.json", tmp_path)
    composite = onto(base("tied"), adapted(open_checkpoint(tmp_path)))
    table = stored(base("tied"), "model.embed_tokens.weight")
    a, b = (factors[f"base_model.model.lm_head.lora_{k}.weight"] for k in "AB")
    assert np.array_equal(weight(composite, "model.embed_tokens.weight"), table)
    np.testing.assert_allclose(weight(composite, "lm_head.weight"), table + b @ a * (8 / 3), rtol=1e-5, atol=1e-6)
    assert composite.architecture.roles["head", -1].tensor == "lm_head.weight"


def test_adapter_on_an_adapter() -> None:
    """Two adapters, one on the other: both differences add, and every file is found and hashed."""
    first = onto(base("llama"), adapter("lora"))
    both = onto(first, adapter("lora-bin"))
    name = "model.layers.0.self_attn.q_proj.weight"
    plain = stored(base("llama"), name)
    one, two = (ml.load(VECTORS / f"{c}.merged.safetensors")[name] for c in ("lora", "lora-bin"))
    np.testing.assert_allclose(weight(both, name), one + two - plain, rtol=0, atol=1e-5)
    only = "model.layers.1.self_attn.v_proj.weight"
    np.testing.assert_allclose(weight(both, only), ml.load(VECTORS / "lora.merged.safetensors")[only], atol=1e-6)
    assert set(both.logical) == set(base("llama").tensors)
    assert len(hash_checkpoint(both).tensors) == len(first.tensors) + 8


def test_base_that_is_dequantized() -> None:
    """A base whose weights are computed themselves: the adapter's source is the computed weight."""
    plain = base("llama")
    name, scale = "model.layers.0.self_attn.q_proj.weight", "model.layers.0.input_layernorm.weight"
    inner = Derived(name, "fp8-block", plain.tensors[name].shape, {"weight": name, "scale": scale}, {"block": 128}, 8)
    composite = onto(replace(plain, derived={name: inner}), adapter("lora"))
    step = composite.derived[composite.derived[name].sources["base"]]
    assert (step.layout, step.shape, step.params) == ("fp8-block", inner.shape, inner.params)
    assert {k: stored(composite, s).shape for k, s in step.sources.items()} == {"weight": (16, 16), "scale": (16,)}
    # Nothing but the way to the weight itself is called by a prefix, and no step counts as a weight.
    assert set(composite.logical) == set(plain.tensors) - {scale}
    assert composite.logical[name].dtype == "LORA"


def test_other_prefixes(tmp_path: Path) -> None:
    """A base saved without its head keeps ``layers.0...`` for what the adapter calls ``model.layers.0...``."""
    tensors = {n.removeprefix("model."): v for n, v in ml.load(VECTORS / "base-llama/model.safetensors").items()}
    ml.save(tmp_path / "model.safetensors", tensors, "F32")
    shutil.copy(VECTORS / "base-llama/config.json", tmp_path)
    composite = onto(open_checkpoint(tmp_path), adapter("lora"))
    for name, values in ml.load(VECTORS / "lora.merged.safetensors").items():
        np.testing.assert_allclose(weight(composite, name.removeprefix("model.")), values, atol=1e-6)
    assert any("'model.' in their names" in n for n in composite.notices)


def test_names_with_the_adapters_own_name(tmp_path: Path) -> None:
    """Trainers that save the state themselves leave ``.default`` in it, and some write no prefix."""
    source = ml.load(VECTORS / "lora/adapter_model.safetensors")
    renamed = {n.replace(".weight", ".default.weight").removeprefix("base_model.model."): v for n, v in source.items()}
    ml.save(tmp_path / "adapter_model.safetensors", renamed, "F32")
    shutil.copy(VECTORS / "lora/adapter_config.json", tmp_path)
    composite = onto(base("llama"), adapted(open_checkpoint(tmp_path)))
    name = "model.layers.1.mlp.down_proj.weight"
    np.testing.assert_allclose(weight(composite, name), ml.load(VECTORS / "lora.merged.safetensors")[name], atol=1e-6)


GGUF_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm", "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
}  # fmt: skip


def gguf_name(name: str) -> str:
    name = re.sub(r"^model\.layers\.", "blk.", name)
    for theirs, ours in GGUF_NAMES.items():
        name = re.sub(rf"(^|\.){re.escape(theirs)}\.", rf"\1{ours}.", name)
    return name


def reordered(name: str, values: np.ndarray) -> np.ndarray:
    """Rows of q and k in llama.cpp's order; the tiny Llama has 2 query heads and 1 key head of width 8."""
    heads = 2 if "attn_q" in name else 1 if "attn_k" in name else 0
    if not heads or len(values) != heads * 8:
        return values
    return values.reshape(heads, 2, 4, -1).swapaxes(1, 2).reshape(values.shape)


def write_gguf(path: Path, tensors: dict[str, np.ndarray], pairs: list[bytes]) -> Path:
    infos, data = [], b""
    for name, values in tensors.items():
        infos.append(info(name, list(values.shape[::-1]), 0, len(data)))
        raw = np.ascontiguousarray(values, "<f4").tobytes()
        data += raw + bytes(-len(raw) % 32)
    path.write_bytes(gguf(infos, pairs, data))
    return path


def text(key: str, value: str) -> bytes:
    return pair(key, 8, string(value))


@pytest.fixture
def gguf_base(tmp_path: Path) -> Checkpoint:
    tensors = {gguf_name(n): v for n, v in ml.load(VECTORS / "base-llama/model.safetensors").items()}
    numbers = {
        "block_count": 2,
        "embedding_length": 16,
        "feed_forward_length": 24,
        "attention.head_count": 2,
        "attention.head_count_kv": 1,
    }
    pairs = [text("general.architecture", "llama")]
    pairs += [pair(f"llama.{k}", 4, struct.pack("<I", v)) for k, v in numbers.items()]
    path = write_gguf(tmp_path / "base.gguf", {n: reordered(n, v) for n, v in tensors.items()}, pairs)
    found = open_checkpoint(path)
    assert found.architecture.roles["attn.q", 0].rope_heads == 2
    return found


@pytest.mark.parametrize("case", ["lora", "lora-patterns", "dora", "ia3", "lora-embedding", "lora-bin"])
def test_peft_adapter_on_a_gguf_base(case: str, gguf_base: Checkpoint) -> None:
    """Modules are found by role, and rows go where the converter put them."""
    composite = onto(gguf_base, adapter(case))
    expected = {gguf_name(n): v for n, v in ml.load(VECTORS / f"{case}.merged.safetensors").items()}
    assert set(composite.logical) == set(gguf_base.tensors)
    assert set(composite.derived) == set(expected)
    for name, values in expected.items():
        values = reordered(name, values)
        np.testing.assert_allclose(
            weight(composite, name), values, rtol=0, atol=1e-6 * float(np.abs(values).max()), err_msg=name
        )


@pytest.mark.parametrize(("alpha", "scaling"), [(10.0, 2.5), (0.0, 1.0), (None, 1.0)])
def test_adapter_of_llama_cpp(tmp_path: Path, gguf_base: Checkpoint, alpha: float | None, scaling: float) -> None:
    """``lora_a`` and ``lora_b`` in a GGUF file, alpha from its metadata; A of the table is stored by tokens."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((4, 16)).astype("f4"), rng.standard_normal((8, 4)).astype("f4")
    rows, wide = rng.standard_normal((32, 4)).astype("f4"), rng.standard_normal((16, 4)).astype("f4")
    pairs = [
        text("general.type", "adapter"),
        text("general.architecture", "llama"),
        text("adapter.type", "lora"),
        text("general.base_model.0.name", "Tiny"),
    ]
    if alpha is not None:
        pairs.append(pair("adapter.lora.alpha", 6, struct.pack("<f", alpha)))
    tensors = {
        "blk.1.attn_k.weight.lora_a": a, "blk.1.attn_k.weight.lora_b": b, "token_embd.weight.lora_a": rows,
        "token_embd.weight.lora_b": wide, "blk.0.attn_norm.weight": np.ones(16, "f4"),
    }  # fmt: skip
    found = adapted(open_checkpoint(write_gguf(tmp_path / "adapter.gguf", tensors, pairs)))
    assert found.adapter is not None
    assert (found.adapter.kind, found.adapter.base, found.adapter.ranks, found.adapter.problems) == (
        "lora",
        "Tiny",
        (4,),
        (),
    )
    composite = onto(gguf_base, found)
    for name, delta in (("blk.1.attn_k.weight", b @ a), ("token_embd.weight", rows @ wide.T)):
        np.testing.assert_allclose(
            weight(composite, name), stored(gguf_base, name) + scaling * delta, rtol=1e-5, atol=1e-5
        )
    assert np.array_equal(weight(composite, "blk.0.attn_norm.weight"), stored(gguf_base, "blk.0.attn_norm.weight"))
    assert set(composite.logical) == set(gguf_base.tensors)


def test_wrong_base_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        onto(base("gpt2"), adapter("lora"))
    message = caught.value.diagnosis()
    assert all(s in message for s in ("mlp.down_proj", "a [4, 24], b [16, 4]", "'example/tiny-llama'", "base-gpt2"))


def test_base_that_is_incomplete() -> None:
    """Of a base that is known to lack a shard the rest is merged, and what is left out is said."""
    plain = base("llama")
    rest = {n: t for n, t in plain.tensors.items() if not n.startswith("model.layers.1.")}
    with pytest.raises(UsageError, match=r"layers\.1\.mlp\.down_proj"):
        onto(replace(plain, tensors=rest), adapter("lora"))
    composite = onto(replace(plain, tensors=rest, missing=("a shard",)), adapter("lora"))
    assert set(composite.derived) == {n for n in ml.load(VECTORS / "lora.merged.safetensors") if ".layers.0." in n}
    assert "3 modules of the adapter" in composite.missing[1]


def test_which_two_are_given() -> None:
    with pytest.raises(UsageError, match="is no adapter"):
        onto(base("llama"), base("tied"))
    with pytest.raises(UsageError, match="is an adapter itself"):
        onto(adapter("lora"), adapter("dora"))
    assert adapted(base("llama")) == base("llama")


def test_which_files_hold_an_adapter(tmp_path: Path) -> None:
    assert find_weights(list_folder(VECTORS / "base-llama")) is None
    assert find_weights(list_folder(VECTORS / "lora-bin")) == ("pytorch", ("adapter_model.bin",), [])
    for name in ("adapter_model.safetensors", "adapter_model.bin", "non_lora_trainables.bin", "rng.bin"):
        (tmp_path / name).write_bytes(b"")
    kind, weights, notices = find_weights(list_folder(tmp_path)) or ("", (), [])
    assert (kind, weights, len(notices)) == ("safetensors", ("adapter_model.safetensors",), 1)
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert find_weights(list_folder(tmp_path)) is None


PATTERNS = [
    "q_proj", "layers.0.self_attn.q_proj", "^model.layers.0.q_proj", r".*\.q_proj", r"layers\.\d+\.mlp\..*", "(q|v)_proj",
    "layers.[0-9].*", "[^x]*q", "a+b?c*", "model.layers.(0|1|2).*proj$", ".*", "(?:a|b)*c", "^.*down", "x$", "l.yers.0.q", "a*?b",
    r"\w+_proj", "[a-f]+", "", "model", "-_-",
]  # fmt: skip
MODULES = [
    "model.layers.0.self_attn.q_proj", "model.layers.11.mlp.down_proj", "lm_head", "q_proj", "xq_proj", "aab", "model.layers.0.q_proj",
    "a.aabcc", "layers.2.v_proj", "ababc", "model", "my.model", "layers.0.q", "", ".", "x.", "-_-", "a.-_-",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_match_as_the_library_matches(pattern: str) -> None:
    for module in MODULES:
        assert matches(pattern, module) == bool(re.match(rf"(.*\.)?({pattern})$", module)), module
