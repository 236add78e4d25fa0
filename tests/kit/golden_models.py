"""Five tiny models, made the same way every time, and what the Kit itself said of their pairs.

    PYTHONPATH=tests python -m tests.kit.golden_models KIT_PYTHON      # writes tests/kit/golden.json

KIT_PYTHON is the Python of an environment with cisco-ai-provenance-kit 1.0.0 (`tests/zoo/README.md`).  The tests make
the same models and hold our numbers against that file; neither torch nor the Kit is needed for them.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from checkpoint.torch_files import Storage, Tensor, zipped
from ml_arrays import encode

from mpk_tui.checkpoint.tokenizers.normal import byte_alphabet

GOLDEN = Path(__file__).with_name("golden.json")
WIDTH, TOKENS = 64, 320
Weights = dict[str, np.ndarray]
_WORDS = ("the", "of", "and", "to", "in", "is", "that", "it", "was", "on", "##s", "##ing", "##er", "number", "weight")
_FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


def names() -> list[str]:
    """Folders of the models."""
    return ["llama", "llama-tuned", "llama-long", "gpt2", "bert"]


def write(out: Path) -> None:
    """Make all five below a folder."""
    base = _llama(np.random.RandomState(1), 3, WIDTH)
    _folder(out / "llama", _llama_config(3, WIDTH), _byte_level())
    _single(out / "llama", base, lambda n: "F32" if "norm" in n else "BF16")
    noise = np.random.RandomState(2)
    tuned = {n: v + 0.02 * noise.standard_normal(v.shape) for n, v in base.items()}
    _folder(out / "llama-tuned", _llama_config(3, WIDTH), _byte_level())
    _single(out / "llama-tuned", tuned, lambda n: "F16")
    _folder(out / "llama-long", {**_llama_config(5, 96), "rope_scaling": {"type": "linear", "factor": 2.0}}, _unigram())
    _single(out / "llama-long", _llama(np.random.RandomState(3), 5, 96), lambda n: "F32")
    settings = {"tokenizer_class": "XLMRobertaTokenizer", "extra_special_tokens": ["<tool>"]}
    (out / "llama-long" / "tokenizer_config.json").write_text(json.dumps(settings))
    _gpt2(out / "gpt2")
    _bert(out / "bert")


def _llama_config(layers: int, width: int) -> dict[str, Any]:
    return {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96, "vocab_size": TOKENS,
        "max_position_embeddings": 64, "rope_theta": 50000.0,
    }  # fmt: skip


def _llama(rng: np.random.RandomState, layers: int, width: int) -> Weights:
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (TOKENS, width), "model.norm.weight": (width,)}
    for i in range(layers):
        at = f"model.layers.{i}."
        shapes |= {f"{at}self_attn.{n}_proj.weight": (width // 2 if n in "kv" else width, width) for n in "qkvo"}
        shapes |= {f"{at}mlp.{n}_proj.weight": (96, width) for n in ("gate", "up")}
        shapes |= {f"{at}mlp.down_proj.weight": (width, 96)}
        shapes |= {f"{at}{n}_layernorm.weight": (width,) for n in ("input", "post_attention")}
    return {n: _drawn(rng, s, 1 + layers % 7) for n, s in shapes.items()}


def _drawn(rng: np.random.RandomState, shape: tuple[int, ...], scale: int) -> np.ndarray:
    """Gains about 1, rows of matrices with lengths of their own."""
    values = rng.standard_normal(shape)
    if len(shape) == 1:
        return 1 + 0.2 * values
    return 0.02 * scale * values * np.exp(0.3 * rng.standard_normal((shape[0], 1)))


def _folder(folder: Path, config: dict[str, Any], tokenizer: dict[str, Any] | None) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    if tokenizer is not None:
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


def _single(folder: Path, weights: Weights, dtype: Callable[[str], str], name: str = "model.safetensors") -> None:
    """A safetensors file; the larger types first, as its own library writes it."""
    header, data = {}, b""
    for n in sorted(weights, key=lambda n: (dtype(n) != "F32", n)):
        raw = encode(weights[n], dtype(n))
        header[n] = {
            "dtype": dtype(n),
            "shape": list(weights[n].shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    (folder / name).write_bytes(len(text).to_bytes(8, "little") + text + data)


def _byte_level() -> dict[str, Any]:
    """Byte-level BPE with a few merges and tokens put beside them."""
    alphabet = sorted(byte_alphabet())
    merges = [
        ("t", "h"),
        ("th", "e"),
        ("o", "f"),
        ("i", "n"),
        ("in", "g"),
        ("Ġ", "the"),
        ("e", "r"),
        ("a", "n"),
        ("an", "d"),
    ]
    tokens = ["<s>", "</s>", *alphabet, *dict.fromkeys(a + b for a, b in merges)]
    added = [{"id": i, "content": t, **_FLAGS} for i, t in enumerate(tokens[:2])]
    added.append({"id": len(tokens), "content": "was", **_FLAGS, "special": False})
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {t: i for i, t in enumerate(tokens)}, "merges": [" ".join(m) for m in merges]},
    }  # fmt: skip


def _unigram() -> dict[str, Any]:
    """A Unigram vocabulary in three scripts."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.5), ("\u2581the", -3.1)]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?:;чтонеявикадб的一是不人我在有了这中大语言字"
    pieces += [(c, -4.0 - 0.01 * i) for i, c in enumerate(letters)] + [
        ("ing", -5.25),
        ("\u2581не", -1e-05),
        ("что", -6.0),
    ]
    return {
        "version": "1.0", "added_tokens": [{"id": i, "content": t, **_FLAGS} for i, (t, _) in enumerate(pieces[:4])],
        "normalizer": None, "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True},
        "post_processor": None, "decoder": None, "model": {"type": "Unigram", "unk_id": 3, "vocab": pieces},
    }  # fmt: skip


def _gpt2(folder: Path) -> None:
    """Half precision in two shards; the vocabulary as a map and a list of merges; no settings of the tokenizer."""
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": WIDTH, "n_layer": 3, "n_head": 4,
              "n_positions": 64, "vocab_size": TOKENS}  # fmt: skip
    _folder(folder, config, None)
    model = _byte_level()["model"]
    vocabulary = {**model["vocab"], "<|endoftext|>": len(model["vocab"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(model["merges"]) + "\n", encoding="utf-8")
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (TOKENS, WIDTH),
        "wpe.weight": (64, WIDTH),
        "ln_f.weight": (WIDTH,),
    }
    for i in range(3):
        inner = {
            "attn.c_attn": (WIDTH, 192),
            "attn.c_proj": (WIDTH, WIDTH),
            "mlp.c_fc": (WIDTH, 256),
            "mlp.c_proj": (256, WIDTH),
        }
        shapes |= {f"h.{i}.{n}.weight": s for n, s in inner.items()}
        shapes |= {f"h.{i}.ln_{k}.{n}": (WIDTH,) for k in (1, 2) for n in ("weight", "bias")}
    rng = np.random.RandomState(4)
    weights = {n: _drawn(rng, s, 2) for n, s in shapes.items()}
    files = {n: f"model-0000{i % 2 + 1}-of-00002.safetensors" for i, n in enumerate(weights)}
    for file in sorted(set(files.values())):
        _single(folder, {n: v for n, v in weights.items() if files[n] == file}, lambda n: "F16", file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))


def _bert(folder: Path) -> None:
    """A PyTorch file and a ``vocab.txt``."""
    config = {"model_type": "bert", "architectures": ["BertForMaskedLM"], "hidden_size": WIDTH, "num_hidden_layers": 2,
              "num_attention_heads": 4, "intermediate_size": 96, "vocab_size": 120, "max_position_embeddings": 64}  # fmt: skip
    _folder(folder, config, None)
    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *_WORDS,
        *"abcdefghijklmnopqrstuvwxyz0123456789.,!?:;的一人",
        "क",
        "न",
        "и",
    ]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    head = {"word": 120, "position": 64, "token_type": 2}
    shapes: dict[str, tuple[int, ...]] = {f"bert.embeddings.{n}_embeddings.weight": (s, WIDTH) for n, s in head.items()}
    for i in range(2):
        at = f"bert.encoder.layer.{i}."
        matrices = {f"{at}attention.self.{n}": (WIDTH, WIDTH) for n in ("query", "key", "value")}
        matrices |= {
            f"{at}attention.output.dense": (WIDTH, WIDTH),
            f"{at}intermediate.dense": (96, WIDTH),
            f"{at}output.dense": (WIDTH, 96),
        }
        shapes |= {f"{n}.weight": s for n, s in matrices.items()} | {f"{n}.bias": s[:1] for n, s in matrices.items()}
        shapes |= {
            f"{at}{n}.LayerNorm.{k}": (WIDTH,) for n in ("attention.output", "output") for k in ("gamma", "beta")
        }
    shapes |= {f"bert.embeddings.LayerNorm.{k}": (WIDTH,) for k in ("weight", "bias")}
    shapes |= {"cls.predictions.bias": (120,), "cls.predictions.transform.dense.weight": (WIDTH, WIDTH)}
    shapes |= {f"cls.predictions.transform.{n}": (WIDTH,) for n in ("dense.bias", "LayerNorm.weight", "LayerNorm.bias")}
    rng = np.random.RandomState(5)
    storages = {
        n: Storage(str(k), _drawn(rng, s, 2).astype(np.float32).reshape(-1)) for k, (n, s) in enumerate(shapes.items())
    }
    state = {n: Tensor(storages[n], s) for n, s in shapes.items()}
    (folder / "pytorch_model.bin").write_bytes(zipped(state, list(storages.values())))


def main(python: str) -> None:
    """Ask the Kit."""
    from .parity import theirs

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        pairs = [(Path(folder) / a, Path(folder) / b) for a, b in itertools.combinations(names(), 2)]
        rows = [
            {"a": a.name, "b": b.name, **{k: v for k, v in r.items() if k in ("verdict", "scores", "error")}}
            for (a, b), r in zip(pairs, theirs(Path(python), pairs), strict=True)
        ]
    GOLDEN.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
