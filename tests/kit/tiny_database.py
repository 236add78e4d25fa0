"""A database of four assets in the Kit's layout, and models to ask about: arithmetic, no randomness.

Imported by the tests and, under the Kit's own Python, by ``golden_ranks.py``; needs NumPy and nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Signals = dict[str, Any]
WriteParquet = Callable[[Path, Signals], None]


def wave(n: int, step: float, at: float = 0.0) -> np.ndarray:
    """Numbers that look like weights."""
    return np.sin(np.arange(n, dtype=np.float64) * step + at).astype(np.float32)


def mfi(width: int, layers: int, family: str, vocabulary: int = 1000, **other: Any) -> dict[str, Any]:
    """Metadata of a small model; models of one family share the family hash."""
    facts: dict[str, Any] = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": width,
        "num_hidden_layers": layers, "num_attention_heads": 8, "num_key_value_heads": 4, "intermediate_size": 4 * width,
        "vocab_size": vocabulary, "max_position_embeddings": 2048, "hidden_act": "silu", "rope_theta": 10000.0,
        "rope_scaling": {"rope_type": "default"}, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2,
        "gqa_ratio": 2.0, "attention_style": "GQA", "norm_type": "RMSNorm", "attention_bias": False, "qk_norm": False,
        "pos_encoding": "RoPE", "head_dim": None, "tokenizer_hash": "t" * 64, "token_id_signature": "bos=1|eos=2",
        **other,
    }  # fmt: skip
    dims = f"{family} {width} {layers} {vocabulary} {facts['max_position_embeddings']}"
    facts["arch_hash"] = hashlib.sha256(dims.encode()).hexdigest()
    facts["family_hash"] = hashlib.sha256(family.encode()).hexdigest()
    return facts


def tfv(vocabulary: int, merges: int, **other: Any) -> dict[str, Any]:
    """Tokenizer facts, as the database holds them: without the merges themselves."""
    return {
        "vocab_size": vocabulary, "tokenizer_class": "LlamaTokenizer", "bos_token_id": 1, "eos_token_id": 2,
        "pad_token_id": None, "num_added_tokens": 3, "num_special_tokens": 3, "num_merges": merges,
        "first_5_merges": ["a b"], "merge_rule_hash": f"{merges:064x}",
        "special_token_ids": {"pad": None, "unk": 0, "mask": None}, "pct_single_char": 0.1, "avg_token_length": 5.5,
        "max_token_length": 20, "pct_whitespace_prefix": 0.4, "pct_byte_tokens": 0.0,
        "script_distribution": {"Latin": 0.9, "Other": 0.1}, **other,
    }  # fmt: skip


def signals(layers: int, norms: int, at: float, mode: str = "direct") -> Signals:
    """Weight signals; ``at`` moves them away from those of another model."""
    anchors = wave(16 * 16, 0.7, at).reshape(16, 16)
    return {
        "eas_self_sim": (anchors + anchors.T) / 2,
        "nlf_vector": 1 + wave(norms * 8, 0.3, at) / 4,
        "nlf_mode": mode,
        "nlf_num_layers": norms,
        "lep_profile": np.linspace(0.2, 1.0, layers, dtype=np.float32) + wave(layers, 1.3, at) / 8,
        "end_histogram": np.abs(wave(20, 0.4, at)),
        "wvc_layer_sigs": {n: wave(96, 0.11 + n / 50, at) for n in range(layers)},
    }


ASSETS: dict[str, tuple[str, dict[str, Any], dict[str, Any], Signals | None]] = {
    "alpha": ("<=1B", mfi(256, 4, "greek"), tfv(1000, 500), signals(4, 9, 0.0)),
    "alpha-twin": ("<=1B", mfi(256, 4, "greek"), tfv(1000, 500), None),
    "beta": ("1-10B", mfi(320, 6, "greek", 1200), tfv(1200, 700), signals(6, 13, 0.4)),
    "omega": ("40B+", mfi(256, 4, "greek"), tfv(1000, 500), signals(4, 9, 0.0)),
}
"""Size class, metadata, tokenizer, weight signals; ``omega`` states a class that no small model is held against."""

QUERIES: dict[str, tuple[dict[str, Any], dict[str, Any], Signals | None]] = {
    # One configuration: confirmed without weights, in the order of the catalogue.
    "equal configuration": (mfi(256, 4, "greek"), tfv(1000, 500), signals(4, 9, 2.0)),
    # One family hash and equal dimensions, another architecture hash.
    "equal family": (mfi(256, 4, "greek", 900), tfv(900, 500), signals(4, 9, 2.0)),
    # One family hash, other dimensions: weights decide where the database has some.
    "other width": (mfi(288, 5, "greek"), tfv(1000, 500, all_merges_str="a b\nc d"), signals(5, 11, 0.1)),
    "weights of another": (mfi(288, 5, "latin", bos_token_id=None), tfv(1000, 0), signals(5, 11, 1.7, "stats")),
    "no weights": (mfi(288, 5, "latin", qk_norm=True), tfv(400, 500), None),
    # By its configuration of the class 10-40B: held against beta and omega only.
    "large": (mfi(5120, 40, "latin", 32000), tfv(1000, 500), None),
}


def write_database(root: Path, write_parquet: WriteParquet | None = None) -> None:
    """Write the four assets in one family as a database of the Kit.

    Args:
        root: Where it goes.
        write_parquet: Writes the weight signals of one asset; without it there are none, as in the Kit's package.
    """
    listed = []
    for name, (bucket, metadata, tokenizer, weights) in ASSETS.items():
        parquet = f"features/deep-signals/by-family/tiny/{name}_deep-signals.parquet"
        refs, summary = [], {}
        if weights is not None:
            refs = [{"artifact_id": name, "type": "deep_signals", "path": parquet, "signals": [], "checksum": ""}]
            summary = {"nlf_mode": weights["nlf_mode"], "nlf_num_layers": weights["nlf_num_layers"]}
            if write_parquet is not None:
                (root / parquet).parent.mkdir(parents=True, exist_ok=True)
                write_parquet(root / parquet, weights)
        path = f"features/base/by-family/tiny/{name}_features.json"
        put(root / path, {"mfi": metadata, "tfv": tokenizer, "signals": summary, "artifact_refs": refs})
        listed.append(
            {"asset_id": f"{name}__own", "model_id": name, "format": "safetensors", "feature_path": path,
             "param_bucket": bucket, "source_uri": f"https://models.example/{name}"}
        )  # fmt: skip
    shard = {"family_id": "tiny", "display_name": "Tiny", "publisher": "nobody", "baseline_model_ids": ["alpha"]}
    put(root / "catalog/by-family/tiny.json", {"family": shard, "assets": listed})
    shards = [{"family_id": "tiny", "shard_path": "catalog/by-family/tiny.json", "asset_count": len(listed)}]
    put(root / "catalog/manifest.json", {"shards": shards})


def put(path: Path, value: Any) -> None:
    """Write JSON, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def rows(weights: Signals) -> list[tuple[str, int | None, int, int | None, float]]:
    """Weight signals in the long form of the Kit's parquet files."""
    out: list[tuple[str, int | None, int, int | None, float]] = []
    for (r, c), v in np.ndenumerate(weights["eas_self_sim"]):
        out.append(("eas_self_sim", None, r, c, float(v)))
    for name in ("nlf_vector", "lep_profile", "end_histogram"):
        out += [(name, None, n, None, float(v)) for n, v in enumerate(weights[name])]
    out += [("wsp_signature", None, n, None, 0.5) for n in range(4)]
    for layer, vector in weights["wvc_layer_sigs"].items():
        out += [("wvc_layer_sigs", layer, n, None, float(v)) for n, v in enumerate(vector)]
    return out
