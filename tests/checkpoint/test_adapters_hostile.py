"""Hostile and damaged adapters: each opens with a sentence that says what is wrong and is never put onto a base."""

from __future__ import annotations

import json
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import ml_arrays as ml
import numpy as np
import pytest
from adapter_reading import weight
from counted import within
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import entry, gguf, info, pair, safetensors, string

from mpk_tui import canonical
from mpk_tui.checkpoint.adapters.facts import describe, sort
from mpk_tui.checkpoint.adapters.names import slot_of
from mpk_tui.checkpoint.adapters.onto import onto
from mpk_tui.checkpoint.adapters.opening import adapted
from mpk_tui.checkpoint.adapters.patterns import matches
from mpk_tui.checkpoint.adapters.record import AdapterFacts
from mpk_tui.checkpoint.adapters.settings import from_config
from mpk_tui.checkpoint.model import Checkpoint, Tensor
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.errors import MalformedError, MpkError, UnsupportedError, UsageError

BASE = Path(__file__).resolve().parent / "adapter_vectors" / "base-llama"
Q = "base_model.model.model.layers.0.self_attn.q_proj"
V = "base_model.model.model.layers.0.self_attn.v_proj"
E = "base_model.model.model.embed_tokens"
PLAIN: dict[str, Any] = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": "example/base"}
Shapes = dict[str, tuple[int, ...]]
GOOD: Shapes = {f"{Q}.lora_A.weight": (4, 16), f"{Q}.lora_B.weight": (16, 4)}


def factors(module: str = Q, a: tuple[int, ...] = (4, 16), b: tuple[int, ...] = (16, 4)) -> Shapes:
    return {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}


# What is wrong, the configuration, the tensors, the error of putting it onto a base, words of that error.
CASES: list[tuple[str, Any, Shapes, type[MpkError], str]] = [
    ("no configuration", None, GOOD, MalformedError, "no adapter_config.json"),
    ("not JSON", b"{nonsense", GOOD, MalformedError, "could be read"),
    ("a list", b"[]", GOOD, MalformedError, "could be read"),
    ("the same key twice", b'{"r":4,"r":5}', GOOD, MalformedError, "could be read"),
    ("deep nesting", b'{"a":' * 5000 + b"1" + b"}" * 5000, GOOD, MalformedError, "could be read"),
    ("half a surrogate", b'{"peft_type":"LORA","r":4,"lora_alpha":8,"base_model_name_or_path":"\\ud800"}', GOOD, MalformedError, "not text"),
    ("alpha NaN", b'{"peft_type":"LORA","r":4,"lora_alpha":NaN}', GOOD, MalformedError, "could be read"),
    ("alpha infinite", b'{"peft_type":"LORA","r":4,"lora_alpha":1e999}', GOOD, MalformedError, "lora_alpha is inf"),
    ("alpha of 39 digits", {**PLAIN, "lora_alpha": 10**38}, GOOD, MalformedError, "lora_alpha"),
    ("no alpha", {"peft_type": "LORA", "r": 4}, GOOD, MalformedError, "no lora_alpha"),
    ("rank 0", {**PLAIN, "r": 0}, GOOD, MalformedError, "r is 0"),
    ("rank true", {**PLAIN, "r": True}, GOOD, MalformedError, "r is True"),
    ("rank a fraction", {**PLAIN, "r": 4.0}, GOOD, MalformedError, "r is 4.0"),
    ("rank in words", {**PLAIN, "r": "four"}, GOOD, MalformedError, "r is 'four'"),
    ("another rank than the factors", {**PLAIN, "r": 8}, GOOD, MalformedError, "says rank 8, its factors have rank 4"),
    ("a pattern of another rank", {**PLAIN, "rank_pattern": {"q_proj": 2}}, GOOD, MalformedError, "says rank 2"),
    ("patterns that are a list", {**PLAIN, "alpha_pattern": ["q_proj"]}, GOOD, MalformedError, "alpha_pattern is 'list'"),
    ("a pattern's alpha in words", {**PLAIN, "alpha_pattern": {"q_proj": "all"}}, GOOD, MalformedError, "alpha_pattern, entry 'q_proj'"),
    ("a look-behind", {**PLAIN, "alpha_pattern": {"(?<=x)q": 3}}, GOOD, MalformedError, r"\(\? group"),
    ("a pattern of a million", {**PLAIN, "alpha_pattern": {"(" * 10**6: 3}}, GOOD, MalformedError, "1000000 characters"),
    ("20 000 patterns", {**PLAIN, "rank_pattern": {f"m{k}": 4 for k in range(20_000)}}, GOOD, MalformedError, "at most 16384"),
    ("bias of a new kind", {**PLAIN, "bias": "some"}, GOOD, MalformedError, "bias is 'some'"),
    ("A without B", PLAIN, {f"{Q}.lora_A.weight": (4, 16)}, MalformedError, "A and B belong together"),
    ("B without A", PLAIN, {**GOOD, f"{V}.lora_B.weight": (8, 4)}, MalformedError, "v_proj.*belong together"),
    ("factors of two ranks", PLAIN, factors(b=(16, 2)), MalformedError, "rank 4 and rank 2"),
    ("factors that are vectors", PLAIN, factors(a=(4,), b=(16, 4)), MalformedError, "no matrices"),
    ("factors of three axes", PLAIN, factors(a=(4, 16, 1), b=(16, 4, 1)), MalformedError, "no matrices"),
    ("factors of no rank", PLAIN, factors(a=(0, 16), b=(16, 0)), MalformedError, "is empty"),
    ("a scalar", PLAIN, factors(a=(), b=()), MalformedError, "no matrices"),
    ("factors of two sorts", PLAIN, {f"{E}.lora_embedding_A": (4, 32), f"{E}.lora_B.weight": (16, 4)}, MalformedError, "factors of an embedding"),
    ("four factors", PLAIN, {**factors(E, (4, 32), (16, 4)), f"{E}.lora_embedding_A": (4, 32), f"{E}.lora_embedding_B": (16, 4)}, MalformedError, "factors of an embedding"),
    ("two adapters", PLAIN, {f"{Q}.lora_A.x.weight": (4, 16), f"{Q}.lora_B.y.weight": (16, 4)}, MalformedError, "several adapters"),
    ("the same place twice", PLAIN, {**GOOD, f"{Q}.lora_A.default.weight": (4, 16)}, MalformedError, "two tensors for one place"),
    ("DoRA without magnitudes", {**PLAIN, "use_dora": True}, GOOD, MalformedError, "no lora_magnitude_vector"),
    ("magnitudes without DoRA", PLAIN, {**GOOD, f"{Q}.lora_magnitude_vector": (16,)}, MalformedError, "magnitude vectors"),
    ("too few magnitudes", {**PLAIN, "use_dora": True}, {**GOOD, f"{Q}.lora_magnitude_vector": (15,)}, MalformedError, "each of 16 outputs"),
    ("magnitudes alone", {**PLAIN, "use_dora": True}, {f"{Q}.lora_magnitude_vector": (16,)}, MalformedError, "belong together"),
    ("IA³ that is LoRA", {"peft_type": "IA3"}, GOOD, MalformedError, "says ia3"),
    ("a square IA³ vector", {"peft_type": "IA3"}, {f"{Q}.ia3_l": (4, 4)}, MalformedError, "no IA³ vector"),
    ("IA³ beside factors", PLAIN, {**GOOD, f"{Q}.ia3_l": (16, 1)}, MalformedError, "IA³ vector beside|tensors are of"),
    ("tokens that are not said", PLAIN, {**GOOD, f"{E}.token_adapter.trainable_tokens_delta": (2, 16)}, MalformedError, "0 different tokens"),
    ("a token twice", {**PLAIN, "trainable_token_indices": [1, 1]}, {**GOOD, f"{E}.token_adapter.trainable_tokens_delta": (2, 16)}, MalformedError, "1 different tokens"),
    ("a token below zero", {**PLAIN, "trainable_token_indices": [-1]}, {**GOOD, f"{E}.token_adapter.trainable_tokens_delta": (1, 16)}, MalformedError, "trainable_token_indices"),
    ("a token beyond the table", {**PLAIN, "trainable_token_indices": [32]}, {**GOOD, f"{E}.token_adapter.trainable_tokens_delta": (1, 16)}, UsageError, "rows up to 32"),
    ("a module's name of a megabyte", PLAIN, {**GOOD, **factors("x" * (1 << 20))}, MalformedError, "1048576 characters"),
    ("no module's name", PLAIN, {"lora_A.weight": (4, 16), "lora_B.weight": (16, 4)}, UsageError, "does not fit"),
    ("another method", {"peft_type": "VERA"}, GOOD, UnsupportedError, "how 'vera' changes weights"),
    ("a method in capitals and escapes", {"peft_type": "\x1b[31mX"}, GOOD, UnsupportedError, "changes weights"),
    ("parameters of another method", PLAIN, {**GOOD, f"{Q}.lora_E": (4, 1)}, MalformedError, "no part of lora"),
    ("PiSSA", {**PLAIN, "init_lora_weights": "pissa_niter_4"}, GOOD, UnsupportedError, "PiSSA changes the base"),
    ("layers that are repeated", {**PLAIN, "layer_replication": [[0, 1], [0, 1]]}, GOOD, UnsupportedError, "layer_replication"),
    ("prefix tuning with factors", {"peft_type": "PREFIX_TUNING"}, GOOD, UnsupportedError, "changes no weight"),
    ("nothing but prompt vectors", PLAIN, {"prompt_embeddings": (4, 16)}, MalformedError, "no factors"),
    ("inputs that do not fit", PLAIN, factors(a=(4, 17)), UsageError, r"16 outputs and 17 inputs.*\[16, 16\].*'example/base'"),
    ("outputs that do not fit", PLAIN, factors(b=(1 << 20, 4)), UsageError, "1048576 outputs"),
    ("a vector as a matrix", PLAIN, factors("base_model.model.model.norm"), UnsupportedError, "only matrices"),
    ("a module that is not there", PLAIN, {**GOOD, **factors(f"{Q}x")}, UsageError, "q_projx"),
    ("a bias that is not there", PLAIN, {**GOOD, f"{Q}.lora_B.bias": (16,)}, UsageError, "the base has none"),
]  # fmt: skip


def write(folder: Path, config: Any, shapes: Shapes, dtype: str = "F32") -> Path:
    if config is not None:
        (folder / "adapter_config.json").write_bytes(
            config if isinstance(config, bytes) else json.dumps(config).encode()
        )
    header, at = {}, 0
    for name, shape in shapes.items():
        count = int(np.prod(shape, dtype=np.int64)) * (4 if dtype == "F32" else 1)
        header[name] = entry(at, at + count, list(shape), dtype)
        at += count
    # Zeros that are not there: the file is sparse, however large the shapes are.
    with (folder / "adapter_model.safetensors").open("wb") as file:
        head = safetensors(header)
        file.write(head)
        file.truncate(len(head) + at)
    return folder


def opened(folder: Path) -> tuple[Checkpoint, AdapterFacts]:
    """Open within so many steps, and again within 100 MB (tracing is slow)."""
    checkpoint = within(20_000_000, lambda: adapted(open_checkpoint(folder)))
    tracemalloc.start()
    try:
        adapted(open_checkpoint(folder))
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    assert checkpoint.adapter is not None
    return checkpoint, checkpoint.adapter


@pytest.fixture(scope="module")
def base() -> Checkpoint:
    return open_checkpoint(BASE)


@pytest.mark.parametrize(("config", "shapes", "error", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_hostile(
    tmp_path: Path, base: Checkpoint, config: Any, shapes: Shapes, error: type[MpkError], words: str
) -> None:
    checkpoint, facts = opened(write(tmp_path, config, shapes))
    assert checkpoint.architecture.scope == "adapter"
    assert set(facts.problems) <= set(checkpoint.notices)
    with pytest.raises(error, match=f"(?s){words}") as caught:
        onto(base, checkpoint)
    assert type(caught.value) is error
    assert str(checkpoint.path) in caught.value.diagnosis()
    if error is MalformedError:
        assert any(caught.value.what in n for n in checkpoint.notices)


def test_the_good_one_is_good(tmp_path: Path, base: Checkpoint) -> None:
    """The cases above fail for what was changed in them, not for what they share."""
    checkpoint, facts = opened(write(tmp_path, PLAIN, GOOD))
    assert facts.problems == ()
    assert checkpoint.notices == ()
    assert list(onto(base, checkpoint).derived) == ["model.layers.0.self_attn.q_proj.weight"]


@pytest.mark.parametrize("alpha", [-0.0, -1e-323])
def test_a_scaling_of_nothing(tmp_path: Path, alpha: float) -> None:
    """Negative zero has no place in a record."""
    canonical.encode(opened(write(tmp_path, {**PLAIN, "lora_alpha": alpha}, GOOD))[1].plain())


def test_integers_are_no_factors(tmp_path: Path, base: Checkpoint) -> None:
    checkpoint, facts = opened(write(tmp_path, PLAIN, GOOD, "I8"))
    assert "stored as I8" in facts.problems[0]
    with pytest.raises(MalformedError):
        onto(base, checkpoint)


def test_a_configuration_that_is_no_file(tmp_path: Path) -> None:
    write(tmp_path, None, GOOD)
    os.mkfifo(tmp_path / "adapter_config.json")
    assert "could be read" in opened(tmp_path)[1].problems[0]


def test_a_configuration_that_leads_out(tmp_path: Path) -> None:
    """A link is not followed, even to a sound configuration."""
    inside, outside = tmp_path / "a", tmp_path / "b"
    inside.mkdir(), outside.mkdir()
    write(outside, PLAIN, GOOD)
    write(inside, None, GOOD)
    (inside / "adapter_config.json").symlink_to(outside / "adapter_config.json")
    assert opened(inside)[1].base == ""


def test_a_configuration_of_a_terabyte(tmp_path: Path) -> None:
    write(tmp_path, None, GOOD)
    with (tmp_path / "adapter_config.json").open("wb") as file:
        file.truncate(1 << 40)
    assert any("at most" in n for n in opened(tmp_path)[0].notices)


def test_many_modules_and_many_patterns(tmp_path: Path) -> None:
    """Names times patterns are bounded: neither plain ones nor expressions make the opening slow."""
    shapes: Shapes = {}
    for k in range(1500):
        shapes |= factors(f"base_model.model.layers.{k}.q", (1, 1), (1, 1))
    plain = {f"layers.{k}.q": 4 for k in range(1500)}
    _, facts = opened(write(tmp_path, {**PLAIN, "alpha_pattern": plain}, shapes))
    assert any("more than are tried" in p for p in facts.problems)
    _, facts = opened(write(tmp_path, {**PLAIN, "alpha_pattern": {"(.*.*.*)*x": 1, "(a|a)*$": 2}}, shapes))
    assert len(facts.modules) == 1500
    assert len(facts.problems) < 30  # one module each says that its rank is another; they are counted, not all told


def test_patterns_that_explode_elsewhere() -> None:
    assert not within(100_000, lambda: matches("(a*)*b", "a" * 4000))
    assert not within(100_000, lambda: matches("(x+x+)+y", "x" * 4000))
    assert within(100_000, lambda: matches("(.*.*.*.*)*", "y" * 4000))


def test_a_base_that_uses_the_prefixes(tmp_path: Path, base: Checkpoint) -> None:
    """Names that look like a composite's own are not mistaken for them."""
    name = "model.layers.0.self_attn.q_proj.weight"
    tensors = ml.load(BASE / "model.safetensors")
    tensors |= {f"base:{name}": np.ones((2, 2), "f4"), f"adapter:{Q}.lora_A.weight": np.ones((4, 16), "f4")}
    (tmp_path / "base").mkdir(), (tmp_path / "adapter").mkdir()
    ml.save(tmp_path / "base" / "model.safetensors", tensors, "F32")
    checkpoint, _ = opened(write(tmp_path / "adapter", PLAIN, GOOD))
    composite = onto(open_checkpoint(tmp_path / "base"), checkpoint)
    assert len(composite.tensors) == len(tensors) + 2
    assert np.array_equal(weight(composite, name), tensors[name])  # factors of zeros change nothing
    assert np.array_equal(weight(composite, f"base:{name}"), np.ones((2, 2)))


def test_a_base_that_points_elsewhere(tmp_path: Path, base: Checkpoint) -> None:
    """The claimed base is text: it is never opened, and a composite reads below its two folders only."""
    secret = tmp_path / "secret"
    os.mkfifo(secret)  # opening it would wait for ever
    (tmp_path / "a").mkdir()
    checkpoint, facts = opened(write(tmp_path / "a", {**PLAIN, "base_model_name_or_path": str(secret)}, GOOD))
    assert facts.base == str(secret)
    assert set(onto(base, checkpoint).roots.values()) == {BASE, tmp_path / "a"}


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([pair("adapter.type", 8, string("lora")), pair("adapter.lora.alpha", 6, struct.pack("<f", float("nan")))], "adapter.lora.alpha"),
        ([pair("adapter.type", 8, string("lora")), pair("adapter.lora.alpha", 8, string("much"))], "adapter.lora.alpha"),
        ([pair("adapter.type", 8, string("control"))], "how 'control' changes"),
        ([pair("adapter.type", 4, struct.pack("<I", 7))], "how 'unknown' changes"),
        ([pair("adapter.type", 8, string("lora")), pair("adapter.alora.invocation_tokens", 4, struct.pack("<I", 7))], "aLoRA"),
    ],
)  # fmt: skip
def test_hostile_adapters_of_llama_cpp(tmp_path: Path, base: Checkpoint, pairs: list[bytes], words: str) -> None:
    infos = [info("blk.0.attn_q.weight.lora_a", [16, 4], 0, 0), info("blk.0.attn_q.weight.lora_b", [4, 16], 0, 256)]
    path = tmp_path / "a.gguf"
    path.write_bytes(gguf(infos, [pair("general.type", 8, string("adapter")), *pairs], bytes(512)))
    checkpoint, _ = opened(path)
    with pytest.raises((MalformedError, UnsupportedError), match=words):
        onto(base, checkpoint)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = st.sampled_from(
    [
        "peft_type", "r", "lora_alpha", "use_dora", "use_rslora", "rank_pattern", "alpha_pattern", "bias", "fan_in_fan_out",
        "token_indices", "trainable_token_indices", "num_virtual_tokens", "init_lora_weights", "layer_replication",
        "base_model_name_or_path", "revision", "modules_to_save",
    ]
)  # fmt: skip
_NAMES = st.lists(
    st.sampled_from(
        ["base_model", "model", "layers", "0", "q_proj", "lora_A", "lora_B", "weight", "bias", "lora_embedding_A", "default",
         "lora_magnitude_vector", "ia3_l", "base_layer", "modules_to_save", "token_adapter", "trainable_tokens_delta",
         "prompt_embeddings", "original_module", "", "lora_E"]
    ),
    max_size=6,
).map(".".join)  # fmt: skip
_SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(_FIELDS, _JSON, max_size=8), st.dictionaries(_NAMES, _SHAPES, max_size=8))
def test_any_configuration_and_any_names(config: dict[str, Any], shapes: Shapes) -> None:
    """Whatever an adapter says, it becomes facts: no exception, and plain data."""
    tensors = {n: Tensor(n, "F32", s, "f", 0, 4 * int(np.prod(s))) for n, s in shapes.items()}
    facts = describe(from_config(config), sort((slot_of(n), t) for n, t in tensors.items()))
    assert facts.trained <= sum(t.elements for t in tensors.values())
    assert all(m.rank == 0 or np.isfinite(m.scaling) for m in facts.modules)
    assert facts.sentence()
    canonical.encode(facts.plain())
