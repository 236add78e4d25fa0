"""Makes ``adapter_vectors/`` with the real PEFT; run by hand (pip install torch transformers peft safetensors).

Three tiny bases, adapters of every kind that is merged, and beside each adapter the weights that
``merge_and_unload()`` changes or adds.  Written with peft 0.21.2, transformers 5.23.0, torch 2.13.0.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import (
    IA3Config,
    LoraConfig,
    PeftModel,
    PrefixTuningConfig,
    PromptTuningConfig,
    TrainableTokensConfig,
    get_peft_model,
)
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
)

HERE = Path(__file__).resolve().parent / "adapter_vectors"
LLAMA: dict[str, Any] = {
    "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
GPT2 = {
    "vocab_size": 32,
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 2,
    "n_positions": 8,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
BERT = {
    "vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": 8,
}  # fmt: skip


def fresh(base: str) -> Any:
    torch.manual_seed(7)
    if base == "llama":
        model: Any = LlamaForCausalLM(LlamaConfig(**LLAMA, tie_word_embeddings=False))
    elif base == "tied":
        model = LlamaForCausalLM(LlamaConfig(**LLAMA, tie_word_embeddings=True))
    elif base == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(**GPT2))
    else:
        model = BertForSequenceClassification(BertConfig(**BERT))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.1)
    return model.eval()


def save_base(base: str) -> None:
    model = fresh(base)
    folder = HERE / f"base-{base}"
    folder.mkdir(parents=True)
    state = {k: v.contiguous().clone() for k, v in model.state_dict().items()}
    if base in ("tied", "gpt2"):
        del state["lm_head.weight"]
    if base == "bert":  # the published model has no classifier
        state = {k: v for k, v in state.items() if not k.startswith("classifier")}
    save_file({k: v for k, v in state.items() if v.is_floating_point()}, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(model.config.to_diff_dict(), indent=1, sort_keys=True) + "\n")


def shake(model: Any) -> None:
    """What training would do: no trained part stays as it was initialised."""
    torch.manual_seed(11)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if not p.requires_grad:
                continue
            if "magnitude" in name:
                p.mul_(1 + 0.2 * torch.randn_like(p))
            elif "ia3" in name:
                p.add_(0.3 * torch.randn_like(p))
            elif "lora_" in name:
                p.copy_(0.3 * torch.randn_like(p))
            else:
                p.add_(0.1 * torch.randn_like(p))


def make(case: str, base: str, config: Any, *, binary: bool = False, half: torch.dtype | None = None) -> None:
    model = get_peft_model(fresh(base), config)
    shake(model)
    folder = HERE / case
    model.save_pretrained(folder, safe_serialization=not binary)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    written = json.loads(path.read_text())
    written |= {"base_model_name_or_path": f"example/tiny-{base}", "revision": "0123abc"}
    path.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")
    if half is not None:
        weights = folder / "adapter_model.safetensors"
        save_file({k: v.to(half) for k, v in load_file(weights).items()}, weights, {"format": "pt"})
    if config.is_prompt_learning:
        return
    before = load_file(HERE / f"base-{base}" / "model.safetensors")
    merged = PeftModel.from_pretrained(fresh(base), folder).merge_and_unload().state_dict()
    changed = {}
    for name, tensor in merged.items():
        if name.endswith("lm_head.weight") and base == "gpt2":
            continue  # shared with the table
        if name not in before or not torch.equal(tensor, before[name]):
            changed[name] = tensor.float().contiguous().clone()
    save_file(changed, HERE / f"{case}.merged.safetensors")


def merge_half(case: str, base: str) -> None:
    """The same adapter merged into the base in bfloat16, as models are mostly published."""
    merged = PeftModel.from_pretrained(fresh(base).to(torch.bfloat16), HERE / case).merge_and_unload().state_dict()
    before = fresh(base).to(torch.bfloat16).state_dict()
    changed = {n: t.contiguous().clone() for n, t in merged.items() if not torch.equal(t, before[n])}
    save_file(changed, HERE / f"{case}.merged-bf16.safetensors")


def main() -> None:
    shutil.rmtree(HERE, ignore_errors=True)
    for base in ("llama", "tied", "gpt2", "bert"):
        save_base(base)
    causal: dict[str, Any] = {"task_type": "CAUSAL_LM"}
    llama = ["q_proj", "v_proj", "down_proj"]
    make("lora", "llama", LoraConfig(r=4, lora_alpha=10, target_modules=llama, **causal))
    make(
        "lora-patterns", "llama",
        LoraConfig(
            r=4, lora_alpha=8, use_rslora=True, target_modules=["q_proj", "o_proj", "up_proj"],
            rank_pattern={"o_proj": 2, r"layers\.1\.self_attn\.q_proj": 6},
            alpha_pattern={r".*\.mlp\.(up|gate)_proj": 32, "^model.layers.0.self_attn.q_proj": 3, "o_proj": 5},
            **causal,
        ),
    )  # fmt: skip
    make("lora-embedding", "llama", LoraConfig(r=3, target_modules=["embed_tokens", "lm_head", "k_proj"], **causal))
    make(
        "lora-saved",
        "llama",
        LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"], **causal),
    )
    make("lora-saved-tied", "tied", LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"], **causal))
    make(
        "lora-bin",
        "llama",
        LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "gate_proj"], **causal),
        binary=True,
    )
    make("lora-bf16", "llama", LoraConfig(r=4, lora_alpha=16, target_modules=llama, **causal), half=torch.bfloat16)
    make(
        "lora-tokens", "llama", LoraConfig(r=2, target_modules=["v_proj"], trainable_token_indices=[5, 1, 30], **causal)
    )
    make("tokens", "llama", TrainableTokensConfig(token_indices=[0, 3, 17], target_modules=["embed_tokens"], **causal))
    make("dora", "llama", LoraConfig(r=4, use_dora=True, target_modules=[*llama, "embed_tokens"], **causal))
    make(
        "ia3",
        "llama",
        IA3Config(target_modules=["k_proj", "q_proj", "down_proj"], feedforward_modules=["down_proj"], **causal),
    )
    make("gpt2-lora", "gpt2", LoraConfig(r=4, target_modules=["c_attn", "c_proj"], bias="lora_only", **causal))
    make(
        "gpt2-dora", "gpt2", LoraConfig(r=4, use_dora=True, target_modules=["c_attn", "c_fc", "attn.c_proj"], **causal)
    )
    make(
        "gpt2-ia3",
        "gpt2",
        IA3Config(target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], feedforward_modules=["mlp.c_proj"], **causal),
    )
    make(
        "bert-lora",
        "bert",
        LoraConfig(r=4, target_modules=["query", "value", "dense"], bias="all", task_type="SEQ_CLS"),
    )
    make(
        "bert-lora-bias", "bert", LoraConfig(r=4, target_modules=["query", "key"], lora_bias=True, task_type="SEQ_CLS")
    )
    make(
        "bert-ia3",
        "bert",
        IA3Config(
            target_modules=["key", "value", "output.dense"], feedforward_modules=["output.dense"], task_type="SEQ_CLS"
        ),
    )
    for case in ("lora", "ia3"):
        merge_half(case, "llama")
    make("prefix", "llama", PrefixTuningConfig(num_virtual_tokens=4, **causal))
    make("prompt", "llama", PromptTuningConfig(num_virtual_tokens=4, **causal))


if __name__ == "__main__":
    main()
