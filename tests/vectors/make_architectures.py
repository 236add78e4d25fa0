"""Names and shapes of the tensors that transformers itself saves for each family, at small dimensions.

Run by hand where transformers and torch are installed (they are no dependency of the project):

    python tests/vectors/make_architectures.py

Every model is built from its own configuration class, written with ``save_pretrained`` (whose names are those of
published files) and read back by the header alone.  Dimensions are chosen so that no two of them are equal by chance:
a role that takes the wrong axis gets the wrong shape.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_name("architectures.json")

D, H, HEADS, KV, HD, V, L, E, HE = 48, 80, 6, 2, 8, 101, 2, 3, 20
P = 40

LLAMA = {
    "hidden_size": D, "intermediate_size": H, "num_attention_heads": HEADS, "num_key_value_heads": KV,
    "num_hidden_layers": L, "vocab_size": V, "head_dim": HD, "max_position_embeddings": P,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
PLAIN = {k: v for k, v in LLAMA.items() if k not in ("head_dim", "num_key_value_heads")}
GPT2 = {
    "n_embd": D,
    "n_layer": L,
    "n_head": HEADS,
    "vocab_size": V,
    "n_positions": P,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
BERT = {**PLAIN, "type_vocab_size": 2}
T5 = {
    "d_model": D,
    "d_kv": HD,
    "d_ff": H,
    "num_layers": L,
    "num_decoder_layers": 3,
    "num_heads": HEADS,
    "vocab_size": V,
    "pad_token_id": 0,
    "decoder_start_token_id": 0,
}
BART = {
    "d_model": D, "encoder_layers": L, "decoder_layers": 3, "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS, "encoder_ffn_dim": H, "decoder_ffn_dim": H, "vocab_size": V,
    "max_position_embeddings": P, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "decoder_start_token_id": 2, "forced_eos_token_id": None,
}  # fmt: skip
VISION = {
    "hidden_size": 24,
    "intermediate_size": 36,
    "num_attention_heads": 4,
    "num_hidden_layers": L,
    "image_size": 28,
    "patch_size": 14,
}
MLA = {
    **{k: v for k, v in LLAMA.items() if k not in ("head_dim",)}, "num_key_value_heads": HEADS, "num_hidden_layers": 3,
    "kv_lora_rank": 12, "q_lora_rank": 28, "qk_nope_head_dim": 10, "qk_rope_head_dim": 4, "v_head_dim": 7,
    "n_routed_experts": 4, "n_shared_experts": 1, "moe_intermediate_size": HE, "num_experts_per_tok": 2,
    "n_group": 2, "topk_group": 1, "first_k_dense_replace": 1,
}  # fmt: skip
QWEN_VISION = {
    "depth": L,
    "embed_dim": 24,
    "hidden_size": D,
    "num_heads": 4,
    "mlp_ratio": 2,
    "patch_size": 4,
    "in_channels": 3,
}
MOE = {"num_experts": E, "num_experts_per_tok": 2, "moe_intermediate_size": HE}

# key, class of the model, class of its configuration, settings.
CASES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("llama", "LlamaForCausalLM", "LlamaConfig", {**LLAMA, "attention_bias": True}),
    ("llama-tied", "LlamaForCausalLM", "LlamaConfig", {**LLAMA, "tie_word_embeddings": True}),
    ("llama4", "Llama4ForConditionalGeneration", "Llama4Config", {
        "text_config": {**LLAMA, "intermediate_size": HE, "intermediate_size_mlp": H, "num_local_experts": E,
                        "num_experts_per_tok": 1, "interleave_moe_layer_step": 2, "num_hidden_layers": 2},
        "vision_config": {**VISION, "vision_output_dim": 30, "projector_input_dim": 30, "projector_output_dim": 30},
    }),
    ("mllama", "MllamaForConditionalGeneration", "MllamaConfig", {
        "text_config": {**{k: v for k, v in LLAMA.items() if k != "head_dim"}, "num_hidden_layers": 3,
                        "cross_attention_layers": [1]},
        "vision_config": {"hidden_size": 24, "intermediate_size": 36, "attention_heads": 4, "num_hidden_layers": 2,
                          "num_global_layers": 1, "image_size": 28, "patch_size": 14, "max_num_tiles": 2,
                          "vision_output_dim": 48, "intermediate_layers_indices": [1],
                          "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]]},
    }),
    ("mistral", "MistralForCausalLM", "MistralConfig", LLAMA),
    ("mistral3", "Mistral3ForConditionalGeneration", "Mistral3Config", {
        "text_config": {**LLAMA, "model_type": "mistral"},
        "vision_config": {**VISION, "model_type": "pixtral", "head_dim": 6}, "spatial_merge_size": 2,
    }),
    ("ministral3", "Ministral3ForCausalLM", "Ministral3Config", LLAMA),
    ("mixtral", "MixtralForCausalLM", "MixtralConfig", {**LLAMA, "num_local_experts": E}),
    ("llava", "LlavaForConditionalGeneration", "LlavaConfig", {
        "text_config": {**LLAMA, "model_type": "llama"}, "vision_config": {**VISION, "model_type": "clip_vision_model"},
    }),
    ("qwen2", "Qwen2ForCausalLM", "Qwen2Config", {k: v for k, v in LLAMA.items() if k != "head_dim"}),
    ("qwen2_moe", "Qwen2MoeForCausalLM", "Qwen2MoeConfig", {
        **{k: v for k, v in LLAMA.items() if k != "head_dim"}, **MOE, "shared_expert_intermediate_size": 28,
        "num_hidden_layers": 3, "mlp_only_layers": [1]}),
    ("qwen3", "Qwen3ForCausalLM", "Qwen3Config", LLAMA),
    ("qwen3_moe", "Qwen3MoeForCausalLM", "Qwen3MoeConfig", {**LLAMA, **MOE, "mlp_only_layers": [0]}),
    ("qwen2_vl", "Qwen2VLForConditionalGeneration", "Qwen2VLConfig", {
        "text_config": {**{k: v for k, v in LLAMA.items() if k != "head_dim"},
                        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}},
        "vision_config": QWEN_VISION,
    }),
    ("qwen2_5_vl", "Qwen2_5_VLForConditionalGeneration", "Qwen2_5_VLConfig", {
        "text_config": {**{k: v for k, v in LLAMA.items() if k != "head_dim"},
                        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}},
        "vision_config": {"depth": L, "hidden_size": 24, "intermediate_size": 36, "num_heads": 4, "patch_size": 4,
                          "out_hidden_size": D},
    }),
    ("qwen3_vl", "Qwen3VLForConditionalGeneration", "Qwen3VLConfig", {
        "text_config": {**LLAMA, "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}},
        "vision_config": {"depth": L, "hidden_size": 24, "intermediate_size": 36, "num_heads": 4, "patch_size": 4,
                          "out_hidden_size": D, "deepstack_visual_indexes": [0], "num_position_embeddings": 16},
    }),
    ("gemma", "GemmaForCausalLM", "GemmaConfig", LLAMA),
    ("gemma2", "Gemma2ForCausalLM", "Gemma2Config", LLAMA),
    ("gemma3_text", "Gemma3ForCausalLM", "Gemma3TextConfig", LLAMA),
    ("gemma3", "Gemma3ForConditionalGeneration", "Gemma3Config", {
        "text_config": LLAMA, "vision_config": {**VISION, "vision_use_head": False}, "mm_tokens_per_image": 4,
    }),
    ("paligemma", "PaliGemmaForConditionalGeneration", "PaliGemmaConfig", {
        "text_config": {**LLAMA, "model_type": "gemma"},
        "vision_config": {**VISION, "model_type": "siglip_vision_model", "vision_use_head": False}, "projection_dim": D,
    }),
    ("phi", "PhiForCausalLM", "PhiConfig", {**PLAIN, "num_key_value_heads": KV}),
    ("phi3", "Phi3ForCausalLM", "Phi3Config", {k: v for k, v in LLAMA.items() if k != "head_dim"}),
    ("phimoe", "PhimoeForCausalLM", "PhimoeConfig", {
        **{k: v for k, v in LLAMA.items() if k != "head_dim"}, "num_local_experts": E, "attention_bias": True, "lm_head_bias": True}),
    ("phi4_multimodal", "Phi4MultimodalForCausalLM", "Phi4MultimodalConfig", {
        **{k: v for k, v in LLAMA.items() if k != "head_dim"},
        "vision_config": {**VISION, "crop_size": 28},
        "audio_config": {"hidden_size": 24, "intermediate_size": 36, "num_blocks": 2, "num_attention_heads": 4,
                         "ext_pw_out_channel": 24, "depthwise_separable_out_channel": 24, "nemo_conv_channels": 24,
                         "bias_max_distance": 8, "kernel_size": 3, "time_reduction": 8, "input_size": 16},
    }),
    ("falcon-7b", "FalconForCausalLM", "FalconConfig", {
        **PLAIN, "multi_query": True, "new_decoder_architecture": False, "parallel_attn": True, "bias": False,
        "ffn_hidden_size": H}),
    ("falcon-40b", "FalconForCausalLM", "FalconConfig", {
        **PLAIN, "num_kv_heads": KV, "new_decoder_architecture": True, "bias": False, "ffn_hidden_size": H}),
    ("falcon-11b", "FalconForCausalLM", "FalconConfig", {
        **PLAIN, "num_kv_heads": KV, "new_decoder_architecture": True, "num_ln_in_parallel_attn": 1, "bias": False,
        "ffn_hidden_size": H}),
    ("falcon-rw", "FalconForCausalLM", "FalconConfig", {
        **PLAIN, "multi_query": False, "new_decoder_architecture": False, "parallel_attn": False, "bias": True,
        "alibi": True, "ffn_hidden_size": H}),
    ("bloom", "BloomForCausalLM", "BloomConfig", {"hidden_size": D, "n_layer": L, "n_head": HEADS, "vocab_size": V}),
    ("mpt", "MptForCausalLM", "MptConfig", {
        "d_model": D, "n_layers": L, "n_heads": HEADS, "vocab_size": V, "max_seq_len": P, "expansion_ratio": 3}),
    ("opt", "OPTForCausalLM", "OPTConfig", {**PLAIN, "ffn_dim": H, "word_embed_proj_dim": D}),
    ("opt-350m", "OPTForCausalLM", "OPTConfig", {
        **PLAIN, "ffn_dim": H, "word_embed_proj_dim": 32, "do_layer_norm_before": False}),
    ("gpt2", "GPT2LMHeadModel", "GPT2Config", GPT2),
    ("gptj", "GPTJForCausalLM", "GPTJConfig", {**GPT2, "rotary_dim": 4, "tie_word_embeddings": False}),
    ("gpt_neo", "GPTNeoForCausalLM", "GPTNeoConfig", {
        "hidden_size": D, "num_layers": L, "num_heads": HEADS, "vocab_size": V, "max_position_embeddings": P,
        "intermediate_size": H, "attention_types": [[["global", "local"], 1]]}),
    ("gpt_neox", "GPTNeoXForCausalLM", "GPTNeoXConfig", {**PLAIN}),
    ("gpt_bigcode-mq", "GPTBigCodeForCausalLM", "GPTBigCodeConfig", {**GPT2, "multi_query": True, "n_inner": H}),
    ("gpt_bigcode-mh", "GPTBigCodeForCausalLM", "GPTBigCodeConfig", {**GPT2, "multi_query": False, "n_inner": H}),
    ("starcoder2", "Starcoder2ForCausalLM", "Starcoder2Config", {k: v for k, v in LLAMA.items() if k != "head_dim"}),
    ("stablelm", "StableLmForCausalLM", "StableLmConfig", {
        **{k: v for k, v in LLAMA.items() if k != "head_dim"}, "use_qkv_bias": True}),
    ("stablelm-12b", "StableLmForCausalLM", "StableLmConfig", {
        **{k: v for k, v in LLAMA.items() if k != "head_dim"}, "qk_layernorm": True, "use_parallel_residual": True}),
    ("olmo", "OlmoForCausalLM", "OlmoConfig", {k: v for k, v in LLAMA.items() if k != "head_dim"}),
    ("olmo2", "Olmo2ForCausalLM", "Olmo2Config", {k: v for k, v in LLAMA.items() if k != "head_dim"}),
    ("olmo3", "Olmo3ForCausalLM", "Olmo3Config", {k: v for k, v in LLAMA.items() if k != "head_dim"}),
    ("olmoe", "OlmoeForCausalLM", "OlmoeConfig", {
        **{k: v for k, v in LLAMA.items() if k != "head_dim"}, "num_experts": E, "num_experts_per_tok": 2}),
    ("deepseek_v2", "DeepseekV2ForCausalLM", "DeepseekV2Config", MLA),
    ("deepseek_v2-lite", "DeepseekV2ForCausalLM", "DeepseekV2Config", {**MLA, "q_lora_rank": None}),
    ("deepseek_v3", "DeepseekV3ForCausalLM", "DeepseekV3Config", MLA),
    ("gpt_oss", "GptOssForCausalLM", "GptOssConfig", {**LLAMA, "intermediate_size": D, "num_local_experts": E, "num_experts_per_tok": 2}),
    ("granite", "GraniteForCausalLM", "GraniteConfig", {k: v for k, v in LLAMA.items() if k != "head_dim"}),
    ("granitemoe", "GraniteMoeForCausalLM", "GraniteMoeConfig", {
        **{k: v for k, v in LLAMA.items() if k != "head_dim"}, "num_local_experts": E, "num_experts_per_tok": 2}),
    ("granitemoeshared", "GraniteMoeSharedForCausalLM", "GraniteMoeSharedConfig", {
        **{k: v for k, v in LLAMA.items() if k != "head_dim"}, "num_local_experts": E, "num_experts_per_tok": 2,
        "shared_intermediate_size": 28}),
    ("smollm3", "SmolLM3ForCausalLM", "SmolLM3Config", {k: v for k, v in LLAMA.items() if k != "head_dim"}),
    ("cohere", "CohereForCausalLM", "CohereConfig", {
        **{k: v for k, v in LLAMA.items() if k != "head_dim"}, "use_qk_norm": True}),
    ("cohere2", "Cohere2ForCausalLM", "Cohere2Config", {k: v for k, v in LLAMA.items() if k != "head_dim"}),
    ("bert", "BertForMaskedLM", "BertConfig", BERT),
    ("bert-pretraining", "BertForPreTraining", "BertConfig", BERT),
    ("bert-bare", "BertModel", "BertConfig", BERT),
    ("roberta", "RobertaForMaskedLM", "RobertaConfig", BERT),
    ("xlm-roberta", "XLMRobertaForMaskedLM", "XLMRobertaConfig", BERT),
    ("camembert", "CamembertForMaskedLM", "CamembertConfig", BERT),
    ("distilbert", "DistilBertForMaskedLM", "DistilBertConfig", {
        "dim": D, "hidden_dim": H, "n_heads": HEADS, "n_layers": L, "vocab_size": V, "max_position_embeddings": P}),
    ("albert", "AlbertForMaskedLM", "AlbertConfig", {**BERT, "embedding_size": 32, "num_hidden_layers": 4}),
    ("mpnet", "MPNetForMaskedLM", "MPNetConfig", {**PLAIN, "relative_attention_num_buckets": 9}),
    ("deberta", "DebertaForMaskedLM", "DebertaConfig", {
        **BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "type_vocab_size": 0}),
    ("deberta-v2", "DebertaV2ForMaskedLM", "DebertaV2Config", {
        **BERT, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "type_vocab_size": 0,
        "position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": True, "conv_kernel_size": 3}),
    ("electra", "ElectraForPreTraining", "ElectraConfig", {**BERT, "embedding_size": 32}),
    ("electra-generator", "ElectraForMaskedLM", "ElectraConfig", {**BERT, "embedding_size": 32}),
    ("modernbert", "ModernBertForMaskedLM", "ModernBertConfig", {**PLAIN, "pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2}),
    ("t5", "T5ForConditionalGeneration", "T5Config", T5),
    ("t5-v1_1", "T5ForConditionalGeneration", "T5Config", {
        **T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    ("t5-encoder", "T5EncoderModel", "T5Config", {**T5, "feed_forward_proj": "gated-gelu"}),
    ("mt5", "MT5ForConditionalGeneration", "MT5Config", {**T5, "feed_forward_proj": "gated-gelu"}),
    ("umt5", "UMT5ForConditionalGeneration", "UMT5Config", {**T5, "feed_forward_proj": "gated-gelu"}),
    ("bart", "BartForConditionalGeneration", "BartConfig", BART),
    ("mbart", "MBartForConditionalGeneration", "MBartConfig", BART),
    ("marian", "MarianMTModel", "MarianConfig", BART),
    ("pegasus", "PegasusForConditionalGeneration", "PegasusConfig", BART),
    ("m2m_100", "M2M100ForConditionalGeneration", "M2M100Config", BART),
    ("whisper", "WhisperForConditionalGeneration", "WhisperConfig", {
        **BART, "num_mel_bins": 16, "max_source_positions": 30, "max_target_positions": 20}),
    ("mamba", "MambaForCausalLM", "MambaConfig", {
        "hidden_size": D, "state_size": 4, "num_hidden_layers": L, "vocab_size": V}),
    ("mamba2", "Mamba2ForCausalLM", "Mamba2Config", {
        "hidden_size": D, "state_size": 4, "num_hidden_layers": L, "vocab_size": V, "num_heads": 12, "head_dim": 8,
        "n_groups": 1}),
]  # fmt: skip

_NOISE = (
    "id2label",
    "label2id",
    "task_specific_params",
    "transformers_version",
    "problem_type",
    "suppress_tokens",
    "begin_suppress_tokens",
)


def header(path: Path) -> dict[str, list[int]]:
    """Names and shapes of a safetensors file."""
    with path.open("rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        entries = json.loads(file.read(size))
    return {name: e["shape"] for name, e in sorted(entries.items()) if name != "__metadata__"}


def lean(value: Any) -> Any:
    """A configuration without what says nothing of tensors."""
    if isinstance(value, Mapping):
        return {k: lean(v) for k, v in value.items() if k not in _NOISE and v is not None and "dropout" not in k}
    return value


def folded(shapes: dict[str, list[int]]) -> dict[str, list[str]]:
    """Shape to names: half the bytes of the other way round."""
    out: dict[str, list[str]] = {}
    for name, shape in shapes.items():
        out.setdefault("x".join(map(str, shape)), []).append(name)
    return out


def make(model: str, config: str, settings: dict[str, Any]) -> dict[str, Any]:
    """One family, as saved."""
    import torch
    import transformers

    torch.manual_seed(0)
    made = getattr(transformers, model)(getattr(transformers, config)(**settings))
    with tempfile.TemporaryDirectory() as folder:
        made.save_pretrained(folder)
        stated = json.loads((Path(folder) / "config.json").read_text())
        return {"config": lean(stated), "tensors": folded(header(Path(folder) / "model.safetensors"))}


def main() -> int:
    """Write the fixture; a family that cannot be made is told and left out."""
    import transformers

    found: dict[str, Any] = {"made_by": f"transformers {transformers.__version__}", "families": {}}
    failed = 0
    for key, model, config, settings in CASES:
        try:
            found["families"][key] = make(model, config, settings)
        except Exception as error:  # told, with its name
            failed += 1
            print(f"{key}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
    TARGET.write_text(json.dumps(found, separators=(",", ":"), sort_keys=True) + "\n")
    print(len(found["families"]), "families,", TARGET.stat().st_size, "bytes")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
