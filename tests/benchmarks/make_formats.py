"""One small trained Llama-like model in every form that people hold, each made with the form's own tools.

    python tests/benchmarks/make_formats.py OUT AUTOAWQ

Run by hand, with torch 2.13, transformers 5.23, tokenizers, safetensors, gguf, llama-cpp-python 0.3.36, gptqmodel 7.7.0,
bitsandbytes 0.50.2, compressed-tensors 0.20.0, onnx 1.23 and onnxruntime 1.32; AUTOAWQ is a folder with the sources of
autoawq 0.2.9.  Four minutes on one core, most of it training.  Two models of different seeds are trained on different
text (``model`` and ``other``); both are written in every form.
"""

import ctypes
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.zoo.text import corpus, encode, train_tokenizer

VOCABULARY, STEPS, BATCH, CONTEXT = 2048, 350, 8, 128
GROUP = 128


def settings():
    return LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=256, intermediate_size=768, num_hidden_layers=4, num_attention_heads=8,
        num_key_value_heads=4, head_dim=32, max_position_embeddings=256, tie_word_embeddings=False,
    )  # fmt: skip


def trained(seed, kind, tokenizer, kept):
    torch.manual_seed(seed)
    model = LlamaForCausalLM(settings())
    if kept.is_file():  # from an earlier run
        model.load_state_dict(load_file(kept))
        return model.eval()
    stream = encode(tokenizer, corpus(kind))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 30) * (1 - step / STEPS)
        starts = torch.randint(0, len(stream) - CONTEXT - 1, (BATCH,))
        batch = torch.stack([stream[s : s + CONTEXT] for s in starts.tolist()]).long()
        loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    print(f"seed {seed}: loss {loss.item():.2f}", flush=True)
    return model.eval()


def linear(name):
    return name.endswith("_proj.weight")


class Forms:
    """Every form of one model, written below a folder."""

    def __init__(self, model, tokenizer, root, autoawq):
        self.model, self.tokenizer, self.root, self.autoawq = model, tokenizer, root, autoawq
        self.state = {k: v.detach().float().contiguous() for k, v in model.state_dict().items()}
        self.config = json.loads(model.config.to_json_string())

    def all(self):
        for name in (
            "f32", "bf16_shards", "bin", "gguf_f16", "gguf_q8_0", "gguf_q4_k_m", "gptq", "awq", "nf4", "fp8", "int8",
            "mxfp4", "onnx", "onnx_int8",
        ):  # fmt: skip
            getattr(self, name)()
            print(name, flush=True)

    def folder(self, name, quantization=None):
        folder = self.root / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        config = self.config | ({"quantization_config": quantization} if quantization else {})
        (folder / "config.json").write_text(json.dumps(config, indent=1))
        self.tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    def f32(self):
        save_file(self.state, self.folder("f32") / "model.safetensors", metadata={"format": "pt"})

    def bf16_shards(self):
        folder = self.folder("bf16-shards")
        names = sorted(self.state)
        index = {}
        for i, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), 1):
            file = f"model-0000{i}-of-00002.safetensors"
            save_file({n: self.state[n].bfloat16() for n in part}, folder / file, metadata={"format": "pt"})
            index |= dict.fromkeys(part, file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))

    def bin(self):
        torch.save(self.state, self.folder("bin") / "pytorch_model.bin")

    def gguf_f16(self):
        self._gguf("F16", np.float16)

    def gguf_q8_0(self):
        self._gguf("Q8_0", None)

    def _gguf(self, label, dtype):
        import gguf

        self.root.joinpath("gguf").mkdir(parents=True, exist_ok=True)
        writer = gguf.GGUFWriter(self.root / "gguf" / f"{label.lower()}.gguf", "llama")
        c = self.model.config
        writer.add_context_length(256)
        writer.add_embedding_length(c.hidden_size)
        writer.add_block_count(c.num_hidden_layers)
        writer.add_feed_forward_length(c.intermediate_size)
        writer.add_head_count(c.num_attention_heads)
        writer.add_head_count_kv(c.num_key_value_heads)
        writer.add_layer_norm_rms_eps(c.rms_norm_eps)
        writer.add_rope_dimension_count(32)
        vocabulary = json.loads(self.tokenizer.to_str())
        tokens = [self.tokenizer.id_to_token(i) for i in range(VOCABULARY)]
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(tokens)
        writer.add_token_types([1] * VOCABULARY)
        writer.add_token_merges([" ".join(m) if isinstance(m, list) else m for m in vocabulary["model"]["merges"]])
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, c.num_hidden_layers)
        for name, value in self.state.items():
            array = value.numpy()
            for end, heads in (("q_proj.weight", c.num_attention_heads), ("k_proj.weight", c.num_key_value_heads)):
                if name.endswith(end):
                    # As llama.cpp's converter lays the rows for its rotary embedding.
                    array = array.reshape(heads, 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
            new = names.get_name(name, try_suffixes=(".weight",))
            if array.ndim == 1:
                writer.add_tensor(new, array)
            elif dtype is not None:
                writer.add_tensor(new, array.astype(dtype))
            else:
                kind = gguf.GGMLQuantizationType[label]
                writer.add_tensor(new, gguf.quants.quantize(array, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def gguf_q4_k_m(self):
        import llama_cpp

        params = llama_cpp.llama_model_quantize_default_params()
        params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
        params.nthread = 1
        source, target = self.root / "gguf" / "f16.gguf", self.root / "gguf" / "q4_k_m.gguf"
        code = llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params))
        assert code == 0, code

    def _even(self, weight, top, lowest):
        """Codes, scales and zero points of groups along the inputs, as round-to-nearest quantizers choose them."""
        outputs, inputs = weight.shape
        groups = weight.reshape(outputs, inputs // GROUP, GROUP)
        low, high = groups.amin(2), groups.amax(2)
        scale = ((high - low) / top).half().float()
        zero = torch.clamp(torch.round(-low / scale), lowest, top)
        codes = torch.clamp(torch.round(groups / scale[:, :, None]) + zero[:, :, None], 0, top)
        plain = ((codes - zero[:, :, None]) * scale[:, :, None]).reshape(outputs, inputs)
        return codes.reshape(outputs, inputs), scale, zero, plain

    def gptq(self):
        from gptqmodel.nn_modules.qlinear.torch import TorchLinear
        from gptqmodel.utils.model import convert_gptq_v2_to_v1_format_module

        from tests.checkpoint.make_layout_vectors import Config

        out = {}
        for name, weight in self.state.items():
            if not linear(name):
                out[name] = weight.half()
                continue
            outputs, inputs = weight.shape
            _, scale, zero, plain = self._even(weight, 15, 1)
            module = TorchLinear(
                bits=4, group_size=GROUP, sym=False, desc_act=False, in_features=inputs, out_features=outputs,
                bias=False, pack_dtype=torch.int32, register_buffers=True,
            )  # fmt: skip
            layer = torch.nn.Linear(inputs, outputs, bias=False)
            layer.weight.data = plain
            module.pack_block(layer, scale, zero, torch.arange(inputs, dtype=torch.int32) // GROUP, workers=1)
            module.post_init()
            convert_gptq_v2_to_v1_format_module(module, quantize_config=Config(4))
            stem = name.removesuffix(".weight")
            out |= {f"{stem}.{k}": getattr(module, k).clone() for k in ("qweight", "qzeros", "scales", "g_idx")}
        quantization = {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "checkpoint_format": "gptq"}
        save_file({k: v.contiguous() for k, v in out.items()}, self.folder("gptq", quantization) / "model.safetensors")

    def awq(self):
        spec = importlib.util.spec_from_file_location("packing", self.autoawq / "awq" / "utils" / "packing_utils.py")
        packing = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(packing)
        order = [0, 2, 4, 6, 1, 3, 5, 7]

        def packed(codes):
            words = torch.zeros(codes.shape[0], codes.shape[1] // 8, dtype=torch.int64)
            for i, place in enumerate(order):
                words |= codes.long()[:, place::8] << (4 * i)
            return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32)

        out = {}
        for name, weight in self.state.items():
            if not linear(name):
                out[name] = weight.half()
                continue
            codes, scale, zero, plain = self._even(weight, 15, 0)
            qweight, qzeros, scales = packed(codes.T), packed(zero.T), scale.T.half().contiguous()
            made = packing.dequantize_gemm(qweight, qzeros, scales, 4, GROUP).T.float()
            assert (made - plain).abs().max() <= 1e-3 * plain.abs().max()
            stem = name.removesuffix(".weight")
            out |= {f"{stem}.qweight": qweight, f"{stem}.qzeros": qzeros, f"{stem}.scales": scales}
        quantization = {"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm", "zero_point": True}
        save_file({k: v.contiguous() for k, v in out.items()}, self.folder("awq", quantization) / "model.safetensors")

    def nf4(self):
        import bitsandbytes.functional as bnb

        out = {}
        for name, weight in self.state.items():
            if not linear(name):
                out[name] = weight.bfloat16()
                continue
            codes, state = bnb.quantize_4bit(weight.bfloat16(), blocksize=64, quant_type="nf4")
            out[name] = codes
            out |= {f"{name}.{k}": v for k, v in state.as_dict(packed=True).items()}
        quantization = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
        save_file({k: v.contiguous() for k, v in out.items()}, self.folder("nf4", quantization) / "model.safetensors")

    def fp8(self):
        self._compressed("fp8", "float-quantized", {"num_bits": 8, "type": "float", "strategy": "channel"})

    def int8(self):
        self._compressed("int8", "int-quantized", {"num_bits": 8, "type": "int", "strategy": "channel"})

    def mxfp4(self):
        settings = {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32, "scale_dtype": torch.uint8}
        self._compressed("mxfp4", "mxfp4-pack-quantized", settings)

    def _compressed(self, folder, form, settings):
        from compressed_tensors.compressors import BaseCompressor
        from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
        from compressed_tensors.quantization.utils import calculate_qparams

        args = QuantizationArgs(symmetric=True, **settings)
        scheme = QuantizationScheme(targets=["Linear"], weights=args)
        compressor = BaseCompressor.get_value_from_registry(form)
        out = {}
        for name, value in self.state.items():
            weight = value.bfloat16()
            if not linear(name):
                out[name] = weight
                continue
            blocks = weight.reshape(len(weight), -1, args.group_size) if args.strategy == "group" else weight
            low, high = blocks.amin(-1), blocks.amax(-1)
            if args.strategy == "channel":
                low, high = low[:, None], high[:, None]
            scale, _ = calculate_qparams(low, high, args)
            stem = name.removesuffix(".weight")
            packed = compressor.compress({"weight": weight, "weight_scale": scale}, scheme)
            out |= {f"{stem}.{k}": v for k, v in packed.items()}
        groups = {"group_0": {"targets": ["Linear"], "weights": json.loads(args.model_dump_json())}}
        quantization = {"quant_method": "compressed-tensors", "format": form, "config_groups": groups}
        save_file({k: v.contiguous() for k, v in out.items()}, self.folder(folder, quantization) / "model.safetensors")

    def onnx(self):
        class Plain(torch.nn.Module):
            def __init__(self, model):
                super().__init__()
                self.model, self.lm_head = model.model, model.lm_head

            def forward(self, ids):
                return self.lm_head(self.model(input_ids=ids, use_cache=False).last_hidden_state)

        folder = self.folder("onnx")
        self.model.config._attn_implementation = "eager"
        ids = torch.arange(16).reshape(1, 16)
        torch.onnx.export(
            Plain(self.model), (ids,), folder / "model.onnx", dynamo=True, external_data=False, input_names=["ids"]
        )

    def onnx_int8(self):
        from onnxruntime.quantization import QuantType, quantize_dynamic

        target = self.folder("onnx-int8") / "model.onnx"
        quantize_dynamic(self.root / "onnx" / "model.onnx", target, weight_type=QuantType.QInt8, per_channel=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    out, autoawq = Path(sys.argv[1]), Path(sys.argv[2])
    tokenizer = train_tokenizer(corpus("code"), VOCABULARY)
    for name, seed, kind in (("model", 1, "code"), ("other", 2, "packages")):
        Forms(
            trained(seed, kind, tokenizer, out / name / "f32" / "model.safetensors"), tokenizer, out / name, autoawq
        ).all()
