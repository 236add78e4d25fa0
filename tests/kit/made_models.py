"""Small models of many kinds for holding `mpk_tui.kit` against the Kit: kinds, tokenizers and files that no zoo has.

    kit/bin/python -I tests/kit/made_models.py OUT

Runs in the Kit's own environment and imports nothing of ours.  Weights are random under a seed; only forms matter.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import warnings
from pathlib import Path

SENTENCES = (
    "The history of the measurement is that of the instruments and of those who read them in the evening.",
    "It was known in 1887, or before: the tions and ings of a language are as frequent as its ands.",
    "Число и мера были известны; что он на я в не к их.", "这是中国人的一个大问题，我在这了有不的。",
    "من في على أن هذا الله إلى لا كتاب", "के है का की यह से को पर किताब",
    "if (x != 0) { return y[3] * 2.5; } // 0123456789 ?!:;",
)  # fmt: skip
SPECIAL = {
    "xml": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
    "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    "end": ["<|endoftext|>"],
}  # fmt: skip
KINDS = {
    # name: (model type, settings beyond the small ones, auto class, tokenizer, tokenizer_config or None, save as)
    "llama": ("llama", {"num_key_value_heads": 2}, "spm", {"tokenizer_class": "LlamaTokenizer"}, {}),
    "llama-fast": ("llama", {}, "byte", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}, {}),
    "llama-byte": ("llama", {}, "byte", {"tokenizer_class": "LlamaTokenizerFast"}, {}),
    "llama-none": ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}, "byte", None, {"bin": True}),
    "llama-sharded": ("llama", {}, "spm", {"tokenizer_class": "LlamaTokenizer", "legacy": True, "add_bos_token": True}, {"shards": True}),
    "mistral": ("mistral", {"num_key_value_heads": 1}, "spm", {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>"}, {"dtype": "bfloat16"}),
    "mixtral": ("mixtral", {"num_key_value_heads": 2, "num_local_experts": 2}, "spm", None, {}),
    "qwen2": ("qwen2", {"num_key_value_heads": 2}, "byte", {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "</s>", "pad_token": "<pad>", "bos_token": None}, {"dtype": "float16"}),
    "qwen3": ("qwen3", {"head_dim": 32}, "byte", {"tokenizer_class": "Qwen2Tokenizer"}, {}),
    "gemma": ("gemma", {"head_dim": 16}, "spm", {"tokenizer_class": "GemmaTokenizer"}, {}),
    "gemma3": ("gemma3_text", {"head_dim": 16}, "spm", {"tokenizer_class": "GemmaTokenizerFast", "extra_special_tokens": ["<a>", "<b>"]}, {}),
    "gpt2": ("gpt2", {}, "byte", None, {}),
    "gpt2-bin": ("gpt2", {}, "byte", {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}, {"bin": True}),
    "gpt2-files": ("gpt2", {}, "byte-files", None, {}),
    "gptneox": ("gpt_neox", {}, "byte", {"tokenizer_class": "GPTNeoXTokenizer"}, {"dtype": "float16"}),
    "gptneox-bin": ("gpt_neox", {}, "byte", {"tokenizer_class": "GPTNeoXTokenizerFast"}, {"bin": True}),
    "opt": ("opt", {"ffn_dim": 128, "word_embed_proj_dim": 64}, "byte", {"tokenizer_class": "GPT2Tokenizer", "bos_token": "</s>", "pad_token": "<pad>"}, {"bin": True}),
    "bloom": ("bloom", {}, "byte", {"tokenizer_class": "BloomTokenizerFast", "eos_token": "</s>"}, {"bin": True}),
    "phi": ("phi", {}, "byte", {"tokenizer_class": "CodeGenTokenizer"}, {}),
    "phi3": ("phi3", {"pad_token_id": 0}, "spm", {"tokenizer_class": "LlamaTokenizer", "added_tokens_decoder": {"420": {"content": "<|user|>", "special": True, "lstrip": False, "rstrip": True, "normalized": False, "single_word": False}}}, {}),
    "falcon": ("falcon", {}, "byte", {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>"}, {"bin": True}),
    "bert": ("bert", {}, "words", {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "strip_accents": False}, {}),
    "bert-bin": ("bert", {}, "words", None, {"bin": True}),
    "bert-txt": ("bert", {}, "words-files", {"do_lower_case": True}, {"bin": True}),
    "bert-as-byte": ("bert", {}, "byte", None, {"dtype": "float64"}),
    "distilbert": ("distilbert", {"dim": 64, "hidden_dim": 128, "n_layers": 3, "n_heads": 4}, "words", {"tokenizer_class": "DistilBertTokenizer"}, {"bin": True}),
    "electra": ("electra", {"embedding_size": 32}, "words", {"tokenizer_class": "ElectraTokenizer"}, {"bin": True}),
    "mpnet": ("mpnet", {}, "words-xml", {"tokenizer_class": "MPNetTokenizer"}, {}),
    "roberta": ("roberta", {"pad_token_id": 1}, "byte", {"tokenizer_class": "RobertaTokenizer", "trim_offsets": False}, {"bin": True}),
    "xlm-roberta": ("xlm-roberta", {"pad_token_id": 1}, "unigram", {"tokenizer_class": "XLMRobertaTokenizer"}, {}),
    "xlmr-none": ("xlm-roberta", {"pad_token_id": 1}, "unigram", None, {"bin": True}),
    "albert": ("albert", {"embedding_size": 32}, "unigram-albert", {"tokenizer_class": "AlbertTokenizer"}, {}),
    "t5": ("t5", {"d_model": 64, "d_ff": 128, "num_heads": 4, "d_kv": 16, "num_layers": 3}, "unigram-t5", {"tokenizer_class": "T5Tokenizer", "extra_ids": 5}, {"bin": True}),
    "mt5": ("mt5", {"d_model": 64, "d_ff": 128, "num_heads": 4, "d_kv": 16, "num_layers": 2}, "unigram-t5", None, {}),
    "bart": ("bart", {"d_model": 64, "encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "encoder_attention_heads": 4, "decoder_attention_heads": 4}, "byte", {"tokenizer_class": "BartTokenizer"}, {"bin": True}),
    "bart-safe": ("bart", {"d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128}, "byte", None, {}),
    "llava": ("llava", {"text_config": {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 420}, "vision_config": {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64, "image_size": 28, "patch_size": 14, "model_type": "clip_vision_model"}, "image_token_index": 3}, "byte", {"tokenizer_class": "LlamaTokenizer", "image_token": "<image>"}, {}),
    "clip": ("clip", {}, "clip", None, {}),
    "cohere": ("cohere", {}, "byte", {"tokenizer_class": "CohereTokenizerFast"}, {}),
    "stablelm": ("stablelm", {}, "byte", {"tokenizer_class": "GPTNeoXTokenizerFast"}, {"bin": True}),
    "padded": ("llama", {}, "byte-padded", {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"}, {}),
    "split": ("llama", {}, "tiktoken", {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>"}, {}),
    "bare": ("llama", {}, "byte", {"tokenizer_class": "PreTrainedTokenizerFast"}, {"weights": False}),
    "tiny-embedding": ("llama", {"vocab_size": 12}, "byte", None, {}),
    "int8": ("llama", {}, "byte", None, {"int8": True}),
    "fp8": ("llama", {}, "byte", None, {"fp8": True}),
}  # fmt: skip
SMALL = {
    "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 420,
    "max_position_embeddings": 64, "n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 64,
}  # fmt: skip


def text():
    choose = random.Random(3)
    return [" ".join(choose.sample(SENTENCES, 3)) for _ in range(60)]


def tokenizer(kind):
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    name, _, flavour = kind.partition("-")
    if name in ("byte", "tiktoken"):
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        if name == "tiktoken":
            pattern = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s+"
            made.normalizer = normalizers.NFC()
            made.pre_tokenizer = pre_tokenizers.Sequence([
                pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.Digits(True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ])  # fmt: skip
        made.decoder = decoders.ByteLevel()
        special = SPECIAL["xml"] + SPECIAL["end"]
        trainer = trainers.BpeTrainer(
            vocab_size=420, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        )
    elif name == "spm":
        made = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
        made.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
        made.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
        special = ["<unk>", "<s>", "</s>", "<bos>", "<eos>", "<pad>", "<mask>"] + [f"<0x{b:02X}>" for b in range(256)]
        trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special)
    elif name == "words":
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        made.normalizer = normalizers.BertNormalizer()
        made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        made.decoder = decoders.WordPiece()
        special = SPECIAL["bert"] + (SPECIAL["xml"] if flavour == "xml" else [])
        trainer = trainers.WordPieceTrainer(vocab_size=420, special_tokens=special)
    elif name == "clip":
        made = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
        made.normalizer = normalizers.Lowercase()
        made.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ])  # fmt: skip
        trainer = trainers.BpeTrainer(
            vocab_size=420, special_tokens=["<|startoftext|>", "<|endoftext|>"], end_of_word_suffix="</w>",
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
    else:
        made = Tokenizer(models.Unigram())
        made.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        made.decoder = decoders.Metaspace()
        special = {"": ["<s>", "<pad>", "</s>", "<unk>"], "albert": ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"],
                   "t5": ["<pad>", "</s>", "<unk>"]}[flavour]  # fmt: skip
        trainer = trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token="<unk>")
    made.train_from_iterator(text(), trainer)
    if flavour == "padded":
        made.enable_padding(pad_id=1, pad_token="<pad>")
        made.enable_truncation(32)
        made.post_processor = processors.ByteLevel(trim_offsets=False)
    if name in ("spm", "byte"):
        made.add_tokens(["the", "<tool>"])
    return made


def write(folder, kind, extra, tokens, settings, how):
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(len(folder.name) * 7 + ord(folder.name[0]))
    default = AutoConfig.for_model(kind)
    known = {k: v for k, v in SMALL.items() if hasattr(default, k)} if kind not in ("llava", "clip") else {}
    config = AutoConfig.for_model(kind, **{**known, **extra})
    for auto in (AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM, AutoModel):
        try:
            model = auto.from_config(config)
            break
        except ValueError:
            continue
    config.architectures = [type(model).__name__]
    stated = {k: v for k, v in config.to_dict().items() if k in known or k in extra}
    stated |= {"model_type": kind, "architectures": config.architectures}
    (folder / "config.json").write_text(json.dumps(stated, indent=1))
    made = tokenizer(tokens.removesuffix("-files"))
    if tokens.endswith("-files"):
        made.model.save(str(folder))
    else:
        made.save(str(folder / "tokenizer.json"))
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if how.get("weights") is False:
        return
    for _, p in model.named_parameters():  # no two norms alike
        if p.dim() == 1:
            p.data.add_(torch.randn_like(p) * 0.1)
    state = {k: v.detach().clone().contiguous() for k, v in model.state_dict().items()}
    if how.get("dtype"):
        state = {k: v.to(getattr(torch, how["dtype"])) for k, v in state.items()}
    if how.get("int8"):
        state = {k: (v * 1000).round().clamp(-128, 127).to(torch.int8) if v.dim() > 1 and "layers" in k else v for k, v in state.items()}  # fmt: skip
    if how.get("fp8"):
        state = {k: v.to(torch.float8_e4m3fn) if v.dim() > 1 and "layers" in k else v for k, v in state.items()}
    if how.get("bin"):
        torch.save(state, folder / "pytorch_model.bin")
    elif how.get("shards"):
        names = list(state)
        files = {n: f"model-0000{i % 2 + 1}-of-00002.safetensors" for i, n in enumerate(names)}
        for file in set(files.values()):
            save_file({n: state[n] for n in names if files[n] == file}, folder / file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))
    else:
        save_file(state, folder / "model.safetensors")


def main(out):
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    for name, (kind, extra, tokens, settings, how) in KINDS.items():
        try:
            write(Path(out) / name, kind, extra, tokens, settings, how)
        except Exception as error:
            print(name, repr(error)[:300])


if __name__ == "__main__":
    main(sys.argv[1])
