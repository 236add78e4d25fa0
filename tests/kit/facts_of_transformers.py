"""Write ``mpk_tui/kit/transformers.json``: what the installed transformers fills in where a configuration is silent.

    kit/bin/python -I tests/kit/facts_of_transformers.py mpk_tui/kit/transformers.json

Runs in the Kit's own environment (`tests/zoo/README.md` says how to make one) and imports nothing of ours.  Only facts
are kept: names and default values of settings, and which tokenizer class belongs to which model type.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import warnings

FIELDS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size", "d_ff",
    "encoder_ffn_dim", "decoder_ffn_dim", "ffn_dim", "hidden_dim", "n_inner", "vocab_size", "max_position_embeddings",
    "hidden_act", "hidden_activation", "head_dim", "rope_theta", "tie_word_embeddings", "rms_norm_eps",
    "rms_norm_epsilon", "layer_norm_eps", "layer_norm_epsilon", "attention_bias", "bias", "qk_layernorm", "qk_norm",
    "query_pre_attn_scalar", "position_embedding_type", "tokenizer_class",
)  # fmt: skip
MODELS = (
    "albert", "bart", "bert", "bloom", "camembert", "codegen", "deberta", "deberta-v2", "distilbert", "electra",
    "falcon", "gemma", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "llama", "mistral", "mpnet", "mt5", "opt",
    "phi", "qwen2", "roberta", "stablelm", "t5", "xlm-roberta", "xlnet",
)  # fmt: skip
"""Model types whose checkpoints are often PyTorch files: the Kit loads those through the model's class."""
_NONE = object()


def main(out: str) -> None:
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    import tokenizers
    import transformers
    from transformers.models.auto import tokenization_auto
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES

    types = {}
    for name in sorted(CONFIG_MAPPING_NAMES):
        try:
            made = CONFIG_MAPPING[name]()
        except Exception:  # a class without usable defaults
            continue
        row = facts(type(made), made)
        if made.model_type != name:
            row["is"] = made.model_type
        if row["sub"] or "vocab_size" in row["set"]:
            types[name] = row
    types = {n: r | {"sub": {k: v for k, v in r["sub"].items() if v in types}} for n, r in types.items()}
    record = {
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "fields": FIELDS,
        "known": sorted(CONFIG_MAPPING_NAMES),
        "types": {n: {k: v for k, v in r.items() if v} for n, r in types.items()},
        "tokenizers_of": {k: v for k, v in sorted(tokenization_auto.TOKENIZER_MAPPING_NAMES.items()) if v},
        "wrong_class": sorted(tokenization_auto.MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS),
        "classes": classes(transformers, tokenization_auto.tokenizer_class_from_name),
        "models": {kind: order(kind) for kind in MODELS},
    }
    with open(out, "w", encoding="utf-8") as f:
        f.write("{\n" + ",\n".join(lines(record)) + "\n}\n")


def classes(transformers, from_name):
    """Tokenizer classes by name: the name that the class has, whose constructor it runs, and what that one is."""
    from transformers import TokenizersBackend
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    found = {}
    names = set(dir(transformers)) | {"BloomTokenizer", "BloomTokenizerFast"}
    stems = {c.removesuffix("Config") for c in CONFIG_MAPPING_NAMES.values()}
    names |= {stem + end for stem in stems for end in ("Tokenizer", "TokenizerFast")}
    for name in sorted(names):
        if not name.endswith(("Tokenizer", "TokenizerFast", "TokenizersBackend", "PythonBackend")):
            continue
        try:
            cls = from_name(name)
            if cls is None:
                continue
            if not issubclass(cls, TokenizersBackend):
                found[name] = [cls.__name__, "", False]
                continue
        except Exception:  # needs a package that is not here
            continue
        owner = next(c.__name__ for c in cls.__mro__ if "__init__" in c.__dict__)
        found[name] = [cls.__name__, owner, owner == cls.__name__]
    return found


def order(kind):
    """Names of a model's tensors in the order of its state dictionary: ``[name | [stack, names in a layer]]``."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    config = AutoConfig.for_model(kind)
    small = {"num_hidden_layers": 2, "num_layers": 2, "encoder_layers": 2, "decoder_layers": 2, "num_decoder_layers": 2}
    for name, value in small.items():
        if look(config, name) is not _NONE:
            setattr(config, name, value)
    if kind == "gpt_neo":
        config.attention_types, config.attention_layers = [[["global"], 2]], ["global", "global"]
    with torch.device("meta"):
        try:
            model = AutoModelForCausalLM.from_config(config)
        except ValueError:
            model = AutoModel.from_config(config)
    names = list(model.state_dict())
    rows, stacks = [], []
    for name in names:
        cuts = [m.start() for m in re.finditer(r"[.]0[.]", name)]
        at = next((c for c in cuts if any(n.startswith(name[:c] + ".1.") for n in names)), None)
        if any(name.startswith(stack + ".1.") for stack in stacks):
            continue
        if at is None:
            rows.append(name)
            continue
        stack, rest = name[:at], name[at + 3 :]
        if not (rows and isinstance(rows[-1], list) and rows[-1][0] == stack):
            rows.append([stack, []])
            stacks.append(stack)
        rows[-1][1].append(rest if f"{stack}.1.{rest}" in names else "?" + rest)  # only the first layer has it
    sizes = [(n, look(config, n)) for n in ("hidden_size", "embedding_size")]
    fills = {
        n: next((s for s, value in sizes if value == p.shape[0]), None)
        for n, p in model.named_parameters()
        if p.dim() == 1 and re.search(r"(layer_?norm|LayerNorm)[.](weight|bias)$", n) and not re.search(r"[.]\d+[.]", n)
    }
    fills = {n: s for n, s in fills.items() if s}  # a norm that the file lacks begins as ones and zeros
    return {"class": type(model).__name__, "prefix": model.base_model_prefix, "order": rows, "fills": fills}


def lines(record):
    for key, value in record.items():
        if key not in ("types", "models"):
            yield f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}"
            continue
        rows = [f"{json.dumps(n)}:{json.dumps(r, separators=(',', ':'))}" for n, r in value.items()]
        yield json.dumps(key) + ": {\n" + ",\n".join(rows) + "\n}"


def facts(cls, made):
    """Defaults by position in `FIELDS`, other names of settings, and what is derived from what."""
    found = {}
    for n, field in enumerate(FIELDS):
        value = look(made, field)
        if value is None or isinstance(value, (str, int, float, list)):
            found[FIELDS[n]] = value
    return {
        "set": found,
        "as": {k: v for k, v in cls.attribute_map.items() if k in FIELDS},
        "heads": derived(cls, "num_key_value_heads", 6),
        "width": derived(cls, "head_dim", 16),
        "rope": hasattr(made, "rope_parameters") and look(with_(cls, rope_theta=12345.0), "rope_theta") is _NONE,
        "sub": {
            k: look(made, k).model_type
            for k in ("text_config", "decoder")
            if hasattr(look(made, k), "model_type")
        },
    }  # fmt: skip


def derived(cls, field, expected):
    """When a setting becomes what follows from 6 heads and a width of 96: ``a`` where absent, ``n`` where null."""
    absent = look(with_(cls, hidden_size=96, num_attention_heads=6), field) == expected
    null = look(with_(cls, hidden_size=96, num_attention_heads=6, **{field: None}), field) == expected
    return "a" * absent + "n" * null


def with_(cls, **settings):
    try:
        return cls(**settings)
    except Exception:  # settings that this class does not take
        return None


def look(made, field):
    try:
        return getattr(made, field, _NONE)
    except Exception:  # a property that needs what the defaults have not
        return _NONE


if __name__ == "__main__":
    main(sys.argv[1])
