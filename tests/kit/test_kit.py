"""The Kit's view by our own code: its own numbers for five tiny models, what it rests on, and bad inputs by name."""

from __future__ import annotations

import itertools
import json
import math
import random
import shutil
import struct
from pathlib import Path
from typing import Any

import golden_models
import jsonschema
import numpy as np
import pytest

from mpk_tui.cli import main
from mpk_tui.errors import ExitCode, MalformedError, MpkError, UnsupportedError
from mpk_tui.kit import compare, loading, scores
from mpk_tui.kit.backend import Backend, Model, Token, from_file
from mpk_tui.kit.encoding import Encoder
from mpk_tui.kit.features import extract
from mpk_tui.kit.record import Features, TokenizerFeatures, WeightSignals

GOLDEN: list[dict[str, Any]] = json.loads(golden_models.GOLDEN.read_text(encoding="utf-8"))
SCHEMA = Path(__file__).parent.parent.parent / "schemas" / "kit-1.json"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kit")
    golden_models.write(out)
    return out


@pytest.fixture(scope="module")
def known(models: Path) -> dict[str, Features]:
    return {n: extract(models / n) for n in golden_models.names()}


@pytest.mark.parametrize("row", GOLDEN, ids=lambda r: f"{r['a']}-{r['b']}")
def test_signals_scores_and_words_are_the_kits(row: dict[str, Any], known: dict[str, Features]) -> None:
    record = compare.compare_features(known[row["a"]], known[row["b"]])
    ours = {r["name"].lower(): r["value"] for r in record["signals"]} | record["scores"]
    for name, value in row["scores"].items():
        if name == "tier":
            assert record["gate"]["tier"] == value
        elif value is None:
            assert ours[name] is None, name
        else:
            assert ours[name] == pytest.approx(value, abs=1e-3), name
    assert record["verdict"]["quote"] == row["verdict"]


# Printed by the Kit itself with Settings(huge_model_params=-1), and for "rows" with a size of the files above 20 GB.
STREAMED = {
    "streamed": [
        (0.9689, 0.9998, 0.9999, 0.9851, 0.9745), (0.4977, 0.9971, 0.8296, 0.9302, 0.0014),
        (0.4834, 0.9962, 0.0003, 0.9046, None), (0.4998, 0.9973, 0.8381, 0.935, 0.0011),
        (0.4815, 0.9965, 0.0, 0.9151, None), (0.5073, 0.9961, 0.1569, 0.8634, None),
    ],
    "rows": [
        (0.9689, 0.9998, 0.9948, 0.9851, 0.9749), (0.4977, 0.9971, 0.0068, 0.9302, 0.0),
        (0.4834, 0.9962, 0.1409, 0.9046, None), (0.4998, 0.9973, 0.0238, 0.935, 0.0),
        (0.4815, 0.9965, 0.1949, 0.9151, None), (0.5073, 0.9961, 0.9113, 0.8634, None),
    ],
}  # fmt: skip


@pytest.mark.parametrize("way", STREAMED)
def test_large_models_are_read_as_the_kit_reads_them(way: str, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LARGE_PARAMETERS", -1)
    monkeypatch.setattr(loading, "LARGE_BYTES", 1 if way == "rows" else 1e12)
    found = [extract(models / n) for n in golden_models.names()[:4]]
    assert {f.loading for f in found} == {way}
    for (a, b), expected in zip(itertools.combinations(found, 2), STREAMED[way], strict=True):
        for signal, value in zip((scores.eas, scores.nlf, scores.lep, scores.end, scores.wvc), expected, strict=True):
            ours = signal(a.weights, b.weights)
            assert math.isnan(ours) if value is None else ours == pytest.approx(value, abs=1e-3)


def test_the_gate_is_named_and_the_weights_beside_it(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = [str(models / "llama"), str(models / "llama-tuned")]
    assert main(["kit", *pair]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert 'The Kit says: "Confirmed Match"' in printed
    assert "Its metadata gate decided without weights" in printed
    assert "Its weights alone score 0.9806" in printed
    assert "context and never evidence" in printed
    assert main(["kit", *pair, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    jsonschema.validate(record, json.loads(SCHEMA.read_text()), cls=jsonschema.Draft202012Validator)
    assert record["gate"] == {"tier": 1, "match": "exact", "decided": True}
    assert [r["name"] for r in record["signals"]] == list(compare.TITLES)
    assert all(r["independent_high"] is not None for r in record["signals"])


def test_metadata_alone_where_there_are_no_weights(models: Path, tmp_path: Path) -> None:
    for name in ("llama", "gpt2"):
        shutil.copytree(models / name, tmp_path / name, ignore=shutil.ignore_patterns("*.safetensors*"))
    record = compare.compare(tmp_path / "llama", tmp_path / "gpt2")
    # Its config, its tokenizer, no weights: the Kit falls back on metadata and says so.
    assert record["verdict"] == {"quote": "Not Matched (metadata only)", "basis": "metadata only"}
    assert record["scores"]["identity"] is None
    assert all("goes on without" in n for n in record["notices"])
    assert "decided by metadata alone, 0.6371" in record["sentence"]


def test_words_and_weights_of_scores() -> None:
    words = [scores.verdict(s) for s in (0.7501, 0.75, 0.6501, 0.65, math.nan)]
    assert words == ["High-Confidence Match", "Weak Match", "Weak Match", "Not Matched", "Insufficient data"]
    assert scores.identity_score(0.5, math.nan, 0.25, math.nan, math.nan) == pytest.approx(
        (0.36 * 0.5 + 0.16 * 0.25) / 0.52, abs=1e-4
    )
    assert math.isnan(scores.identity_score(*[math.nan] * 5))
    assert scores.decide(scores.Mfi(0.9, 2, "family"), 0.1) == scores.Decision(0.9, "Confirmed Match", "metadata gate")
    empty = TokenizerFeatures(0, "X")
    # Nothing in common but emptiness: class, ids, whitespace share, byte tokens, merge count, special tokens, no merges.
    assert scores.tfv(empty, empty) == pytest.approx(0.10 + 0.08 + 0.07 + 0.05 + 0.05 + 0.05 + 0.10 + 0.075)
    assert scores.voa(frozenset(), frozenset()) == 0.0
    assert all(
        math.isnan(f(None, WeightSignals())) for f in (scores.eas, scores.nlf, scores.lep, scores.end, scores.wvc)
    )


def test_norms_of_several_sizes_are_compared_by_statistics() -> None:
    direct = WeightSignals(nlf_vector=np.arange(12.0), nlf_mode="direct", nlf_num_layers=3)
    stats = WeightSignals(
        nlf_vector=np.array([1.5, 1.118034, 3, 0, 5.5, 1.118034, 7, 4]), nlf_mode="stats", nlf_num_layers=2
    )
    assert scores.nlf(direct, stats) == 1.0  # the first two norms of the one are the two of the other
    assert scores.nlf(direct, direct) == 1.0


def _config(folder: Path, **change: Any) -> None:
    value = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps({k: v for k, v in value.items() if v is not None}))


def _header(folder: Path, edit: Any) -> None:
    data = (folder / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    edit(header)
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


def _tokenizer(folder: Path, edit: Any) -> None:
    value = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    edit(value)
    (folder / "tokenizer.json").write_text(json.dumps(value))


def _rename(old: str, new: str) -> Any:
    return lambda header: header.update({new: header.pop(old)})


def _nan(folder: Path) -> None:
    """The first 16 bytes of the embedding become values that are no numbers."""

    def edit(header: dict[str, Any]) -> None:
        edit.at = header["model.embed_tokens.weight"]["data_offsets"][0]  # type: ignore[attr-defined]

    _header(folder, edit)
    data = bytearray((folder / "model.safetensors").read_bytes())
    at = 8 + struct.unpack("<Q", data[:8])[0] + edit.at  # type: ignore[attr-defined]
    data[at : at + 16] = b"\xff\x7f" * 8
    (folder / "model.safetensors").write_bytes(data)


Q = "model.layers.0.self_attn.q_proj.weight"
BAD: dict[str, tuple[Any, type[MpkError], str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), UnsupportedError, "without config.json"),
    "gguf": (lambda f: ((f / "config.json").unlink(), (f / "m.gguf").write_bytes(b"GGUF")), UnsupportedError, "no answer for GGUF"),
    "onnx": (lambda f: ((f / "config.json").unlink(), (f / "m.onnx").write_bytes(b"x")), UnsupportedError, "no answer for ONNX"),
    "config is no object": (lambda f: (f / "config.json").write_text("[]"), MalformedError, "not a JSON object"),
    "no model type": (lambda f: _config(f, model_type=None), UnsupportedError, "names no model_type"),
    "unknown model type": (lambda f: _config(f, model_type="quux\x1b[31m"), UnsupportedError, "knows no model_type"),
    "no architectures": (lambda f: _config(f, architectures=None), UnsupportedError, "names no architectures"),
    "width is text": (lambda f: _config(f, hidden_size="64"), MalformedError, "no whole number"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), UnsupportedError, "no tokenizer.json"),
    "tokenizer cut short": (lambda f: (f / "tokenizer.json").write_bytes((f / "tokenizer.json").read_bytes()[:999]), MalformedError, "not JSON"),
    "tokenizer is a list": (lambda f: (f / "tokenizer.json").write_text("[]"), MalformedError, "not a JSON object"),
    "no model in it": (lambda f: _tokenizer(f, lambda v: v.update(model=None)), MalformedError, "no model"),
    "a merge of nothing": (lambda f: _tokenizer(f, lambda v: v["model"]["merges"].append("zz yy")), MalformedError, "is no token"),
    "an id is text": (lambda f: _tokenizer(f, lambda v: v["model"]["vocab"].update(zz="1")), MalformedError, "no natural number"),
    "a strange step": (lambda f: _tokenizer(f, lambda v: v.update(normalizer={"type": "Quux"})), UnsupportedError, "is not read"),
    "a normalizer that explodes": (
        lambda f: _tokenizer(f, lambda v: v.update(normalizer={"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"String": c}, "content": c * 9} for c in "0000000"]})),
        UnsupportedError, "characters of a word"
    ),
    "a pre-tokenizer that explodes": (
        lambda f: _tokenizer(f, lambda v: v.update(pre_tokenizer={"type": "Sequence", "pretokenizers": [
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}] * 60})),
        UnsupportedError, "characters of a word"
    ),
    "a step without its field": (lambda f: _tokenizer(f, lambda v: v.update(pre_tokenizer={"type": "Split"})), MalformedError, "without pattern"),
    "a strange class": (lambda f: (f / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}'), UnsupportedError, "ByT5Tokenizer"),
    "code of its own": (
        lambda f: (_config(f, model_type="llama"), (f / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["a.B", null]}}')),
        UnsupportedError,
        "code of the model's own",
    ),
    "weights cut short": (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-8]), MalformedError, "cut short"),
    "bytes of nobody": (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes() + b"x"), UnsupportedError, "belong to no tensor"),
    "8-bit floats": (
        lambda f: _header(f, lambda h: h[Q].update(dtype="F8_E4M3", shape=[128, 64])), UnsupportedError, "F8_E4M3"
    ),
    "layer of no model": (lambda f: _header(f, _rename(Q, "model.layers.99999999999.q_proj.weight")), MpkError, "layer 99999999999"),
    "no numbers": (_nan, UnsupportedError, "values that are no numbers"),
    "an embedding of three dimensions": (
        lambda f: _header(f, lambda h: h["model.embed_tokens.weight"].update(shape=[320, 8, 8])), UnsupportedError, "[320, 8, 8]"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_the_kit_has_no_answer_for_is_said_by_name(
    case: str, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, kind, words = BAD[case]
    folder = tmp_path / "llama"
    shutil.copytree(models / "llama", folder)
    spoil(folder)
    with pytest.raises(kind, match=None) as caught:
        extract(folder)
    assert words in caught.value.diagnosis()
    assert main(["kit", str(models / "gpt2"), str(folder)]) in (
        ExitCode.UNSUPPORTED, ExitCode.MALFORMED, ExitCode.LIMIT
    )  # fmt: skip
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b" not in err


def test_shards_outside_the_folder_and_missing_ones(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "gpt2", tmp_path / "gpt2")
    index = tmp_path / "gpt2" / "model.safetensors.index.json"
    kept = index.read_text()
    index.write_text(kept.replace("model-00001", "../model-00001", 1))
    with pytest.raises(UnsupportedError, match="another folder"):
        extract(tmp_path / "gpt2")
    index.write_text("{}")
    with pytest.raises(MalformedError, match="no weight_map"):
        extract(tmp_path / "gpt2")
    index.write_text(kept)
    (tmp_path / "gpt2" / "model-00002-of-00002.safetensors").unlink()
    assert extract(tmp_path / "gpt2").weights is None  # and the Kit goes on without


def test_single_files_are_named_by_their_kind(tmp_path: Path) -> None:
    for name, kind in (
        ("m.gguf", "GGUF"),
        ("m.onnx", "ONNX"),
        ("m.mpkf", "a fingerprint file"),
        ("m.bin", "a single file"),
    ):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(UnsupportedError, match=f"no answer for {kind}"):
            extract(tmp_path / name)
    with pytest.raises(UnsupportedError, match="no such folder"):
        extract(tmp_path / "nowhere")


def test_a_file_that_lacks_matrices_is_refused(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "bert", tmp_path / "bert")
    data = (tmp_path / "bert" / "pytorch_model.bin").read_bytes()
    name = b"bert.encoder.layer.1.intermediate.dense.weight"
    assert data.count(name) == 1
    (tmp_path / "bert" / "pytorch_model.bin").write_bytes(data.replace(name, name.replace(b"dense", b"DENSE")))
    with pytest.raises(MpkError, match="at random"):
        extract(tmp_path / "bert")


def _backend(model: Model, **parts: Any) -> Backend:
    return Backend(model, **parts)


def test_added_tokens_and_bytes_of_unknown_letters() -> None:
    bpe = {"dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None,
           "fuse_unk": True, "byte_fallback": True, "ignore_merges": False}  # fmt: skip
    ids = {t: i for i, t in enumerate(["<unk>", "t", "h", "e", "th", "the", "<0xD0>", "<0xB8>"])}
    made = _backend(Model("BPE", bpe, ids, [("t", "h"), ("th", "e")]))
    first = Encoder(made).first_id
    assert (first("the"), first("then"), first("и"), first("я"), first("")) == (5, 5, 6, 0, None)
    made.add([Token("the", special=True, normalized=False), Token("hen", single_word=True)])
    assert made.added == {5: Token("the", special=True, normalized=False), 8: Token("hen", single_word=True)}
    first = Encoder(made).first_id
    assert (first("the"), first("hen"), first("then"), first("henn")) == (5, 8, 5, 2)


def test_patterns_of_other_libraries_cut_as_there() -> None:
    pattern = r"[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
    value = {
        "added_tokens": [], "pre_tokenizer": {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
        "model": {"type": "WordLevel", "vocab": {"а": 1, "12": 2, "क": 3, "े": 4, "?": 5, "<unk>": 0}, "unk_token": "<unk>"},
    }  # fmt: skip
    first = Encoder(from_file(value, "t")).first_id
    assert (first("а?"), first("12"), first("1234"), first("के"), first("?!")) == (1, 2, 0, 3, 0)


def test_a_tokenizer_is_written_as_its_library_writes_it(models: Path) -> None:
    value = json.loads((models / "llama-long" / "tokenizer.json").read_text(encoding="utf-8"))
    text = from_file(value, "t").text()
    again = json.loads(text)
    assert list(again) == [
        "version",
        "truncation",
        "padding",
        "added_tokens",
        "normalizer",
        "pre_tokenizer",
        "post_processor",
        "decoder",
        "model",
    ]
    assert '["▁не",-1e-5]' in text  # Rust's exponent
    assert again["pre_tokenizer"] == {
        "type": "Metaspace",
        "replacement": "▁",
        "prepend_scheme": "always",
        "split": True,
    }


def test_the_estimate_decides_what_is_streamed() -> None:
    from mpk_tui.kit.configuration import Configuration

    stated = {
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "intermediate_size": 11008,
        "vocab_size": 32000,
    }
    assert loading.estimate(Configuration("llama", stated)) == 6_738_149_376  # embeddings, head, 32 layers; no norms


def test_a_comparison_goes_on_where_the_kit_has_no_answer(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(models / "bert", tmp_path / "bert", ignore=shutil.ignore_patterns("config.json"))
    assert main(["compare", "--kit", str(models / "bert"), str(tmp_path / "bert")]) == 0
    out = capsys.readouterr().out
    assert out.index("FINDING  identical") < out.index("the Kit has no answer for a folder without config.json")


JUNK: list[Any] = [None, True, -1, 0, 1.5, "x", [], {}, [1], {"a": 1}, 1 << 40, [["a", 1]], {"type": "Sequence"}]


def _mutated(value: Any, choose: random.Random) -> Any:
    """A value with something in it replaced by something else, or gone."""
    if isinstance(value, dict) and value and choose.random() < 0.8:
        key = choose.choice(sorted(value))
        rest = {k: v for k, v in value.items() if k != key}
        return rest if choose.random() < 0.15 else {**rest, key: _mutated(value[key], choose)}
    if isinstance(value, list) and value and choose.random() < 0.8:
        at = choose.randrange(len(value))
        return [*value[:at], _mutated(value[at], choose), *value[at + 1 :]]
    return choose.choice(JUNK)


def test_nothing_but_our_own_errors_leaves(models: Path, tmp_path: Path) -> None:
    settings = {
        "tokenizer_class": "BertTokenizer", "extra_special_tokens": ["<x>"], "added_tokens_decoder": {"3": {"content": "a"}},
        "bos_token": {"__type": "AddedToken", "content": "<s>"}, "auto_map": None, "add_bos_token": True,
    }  # fmt: skip
    choose = random.Random(7)
    refused = 0
    for n in range(150):
        source = models / choose.choice(["llama", "llama-long", "gpt2", "bert"])
        folder = tmp_path / str(n)
        shutil.copytree(source, folder)
        (folder / "tokenizer_config.json").write_text(json.dumps(_mutated(settings, choose)))
        name = choose.choice(sorted(p.name for p in folder.glob("*.json")))
        value = json.loads((folder / name).read_text(encoding="utf-8"))
        for _ in range(2):
            value = _mutated(value, choose)
        (folder / name).write_text(json.dumps(value))
        try:
            extract(folder, deep=n % 3 == 0)
        except MpkError:
            refused += 1
    assert 30 < refused < 150  # both ways were taken
