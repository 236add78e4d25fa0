"""Makes ``layout_vectors``: small weights in every layout that is decoded, with what its own implementation makes of them.

Run by hand, in an environment with torch 2.13, safetensors 0.8, gptqmodel 7.7.0, autoawq 0.2.9, bitsandbytes 0.50.2,
compressed-tensors 0.20.0, torchao 0.18.0 and transformers 5.23 (the tests need none of them):

    python tests/checkpoint/make_layout_vectors.py tests/checkpoint/layout_vectors

Each case is a folder with ``model.safetensors``, ``config.json`` and ``expected.safetensors`` (the plain weights).
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

OUT, IN = 32, 128
NAME = "model.layers.0.mlp.up_proj"


def save(root, case, tensors, config, expected, metadata=None):
    """One case."""
    folder = root / case
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata=metadata)
    save_file({k: v.detach().clone().contiguous() for k, v in expected.items()}, folder / "expected.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def weight(seed, outputs=OUT, inputs=IN):
    return torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(seed)) * 0.05


def gptq(root):
    from gptqmodel.nn_modules.qlinear.torch import TorchLinear
    from gptqmodel.utils.model import convert_gptq_v1_to_v2_format_module, convert_gptq_v2_to_v1_format_module

    for bits in (2, 3, 4, 8):
        for act_order, group in ((False, 32), (True, 32), (False, -1)):
            w = weight(bits)
            size = group if group > 0 else IN
            g_idx = torch.arange(IN, dtype=torch.int32) // size
            if act_order:
                g_idx = g_idx[torch.randperm(IN, generator=torch.Generator().manual_seed(7))]
            groups, top = IN // size, 2**bits - 1
            scales, zeros = torch.empty(OUT, groups), torch.empty(OUT, groups)
            rounded = torch.empty_like(w)
            for g in range(groups):
                part = w[:, g_idx == g]
                low, high = part.min(1).values, part.max(1).values
                step = ((high - low) / top).half().float()
                zero = torch.clamp(torch.round(-low / step), 1, top)
                codes = torch.clamp(torch.round(part / step[:, None]) + zero[:, None], 0, top)
                rounded[:, g_idx == g] = (codes - zero[:, None]) * step[:, None]
                scales[:, g], zeros[:, g] = step, zero
            linear = torch.nn.Linear(IN, OUT, bias=False)
            linear.weight.data = rounded
            module = TorchLinear(
                bits=bits,
                group_size=group,
                sym=False,
                desc_act=act_order,
                in_features=IN,
                out_features=OUT,
                bias=False,
                pack_dtype=torch.int32,
                register_buffers=True,
            )
            module.pack_block(linear, scales, zeros, g_idx, workers=1)
            module.post_init()
            expected = module.dequantize_weight().T
            for form in ("gptq_v2", "gptq"):
                if form == "gptq":
                    convert_gptq_v2_to_v1_format_module(module, quantize_config=Config(bits))
                tensors = {f"{NAME}.{k}": getattr(module, k) for k in ("qweight", "qzeros", "scales", "g_idx")}
                if act_order is False and group > 0 and bits == 4:
                    del tensors[f"{NAME}.g_idx"]
                settings = {"quant_method": "gptq", "bits": bits, "group_size": group, "checkpoint_format": form}
                case = f"{form}-{bits}{'-act-order' if act_order else ''}{'' if group > 0 else '-row'}"
                save(root, case, tensors, {"quantization_config": settings}, {f"{NAME}.weight": expected})
            convert_gptq_v1_to_v2_format_module(module, bits, torch.int32)
            assert torch.equal(module.dequantize_weight().T, expected)


class Config:
    """What gptqmodel's converter asks of its own configuration."""

    def __init__(self, bits):
        from gptqmodel.quantization import FORMAT, METHOD

        self.bits, self.pack_dtype, self.format, self.method = bits, torch.int32, FORMAT.GPTQ, METHOD.GPTQ
        self.quant_method, self.checkpoint_format = METHOD.GPTQ, FORMAT.GPTQ


def awq(root):
    import importlib.util

    folder = Path(sys.argv[2]) / "awq" / "utils"
    spec = importlib.util.spec_from_file_location("packing_utils", folder / "packing_utils.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    g = torch.Generator().manual_seed(5)
    qweight = torch.randint(-(2**31), 2**31, (IN, OUT // 8), generator=g).to(torch.int32)
    qzeros = torch.randint(-(2**31), 2**31, (IN // 32, OUT // 8), generator=g).to(torch.int32)
    scales = (torch.rand(IN // 32, OUT, generator=g) * 0.01).half()
    expected = module.dequantize_gemm(qweight, qzeros, scales, 4, 32).T
    tensors = {f"{NAME}.qweight": qweight, f"{NAME}.qzeros": qzeros, f"{NAME}.scales": scales}
    settings = {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True}
    save(root, "awq", tensors, {"quantization_config": settings}, {f"{NAME}.weight": expected})


def bitsandbytes(root):
    import bitsandbytes.functional as F
    from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
    from bitsandbytes.backends.utils import _get_4bit_code

    for kind, nested, dtype, width in (
        ("nf4", False, "bfloat16", 256), ("nf4", False, "float16", 256), ("nf4", False, "float32", 256),
        ("nf4", True, "bfloat16", 320), ("fp4", False, "bfloat16", 256), ("fp4", True, "float32", 320),
        ("nf4", False, "bfloat16", 96),
    ):  # fmt: skip
        w = weight(11, 64, width).to(getattr(torch, dtype))
        codes, state = F.quantize_4bit(w, blocksize=64, compress_statistics=nested, quant_type=kind)
        tensors = {f"{NAME}.weight": codes}
        tensors |= {f"{NAME}.weight.{k}": v for k, v in state.as_dict(packed=True).items()}
        expected = F.dequantize_4bit(codes, state)
        if width % 64:
            # Blocks that cross rows: the CPU kernel of 0.50.2 takes the scales of other blocks, the package's own
            # implementation in torch does not.
            book = _get_4bit_code(kind, codes.device)
            expected = _dequantize_4bit_compute(codes.reshape(-1), state.absmax, book, 64, w.shape, w.dtype)
            assert (expected.float() - w.float()).abs().mean() < 0.01
        case = f"bnb-{kind}{'-nested' if nested else ''}{'-crossing' if width % 64 else ''}-{dtype}"
        settings = {"quant_method": "bitsandbytes", "load_in_4bit": True}
        save(root, case, tensors, {"quantization_config": settings}, {f"{NAME}.weight": expected})
    codes, scale, _ = F.int8_vectorwise_quant(weight(12).half())
    tensors = {
        f"{NAME}.weight": codes,
        f"{NAME}.SCB": scale,
        f"{NAME}.weight_format": torch.tensor(0, dtype=torch.uint8),
    }
    save(
        root,
        "bnb-int8",
        tensors,
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
        {f"{NAME}.weight": F.int8_vectorwise_dequant(codes, scale)},
    )


def compressed(root):
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams

    def case(name, form, args, dtype=torch.bfloat16, extra=None):
        w = weight(21).to(dtype)
        scheme = QuantizationScheme(targets=["Linear"], weights=args)
        blocks = w
        if args.strategy in ("group", "tensor_group"):
            blocks = w.reshape(OUT, -1, args.group_size)
        if args.strategy == "tensor":
            low, high = w.min().reshape(1), w.max().reshape(1)
        elif args.strategy == "block":
            tall, wide = args.block_structure
            tiles = w.reshape(OUT // tall, tall, IN // wide, wide)
            low, high = tiles.amin((1, 3)), tiles.amax((1, 3))
        else:
            low, high = blocks.amin(-1), blocks.amax(-1)
            if args.strategy == "channel":
                low, high = low[:, None], high[:, None]
        kwargs = {}
        state = {"weight": w}
        if args.strategy == "tensor_group":
            state["weight_global_scale"] = kwargs["global_scale"] = (448.0 * 6.0 / w.abs().max().float()).reshape(1)
        scale, zero = calculate_qparams(low, high, args, **kwargs)
        state["weight_scale"] = scale
        if not args.symmetric:
            state["weight_zero_point"] = zero
        compressor = BaseCompressor.get_value_from_registry(form)
        packed = compressor.compress(state, scheme)
        plain = compressor.decompress(dict(packed), scheme)["weight"]
        settings = {
            "quant_method": "compressed-tensors",
            "format": form,
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": json.loads(args.model_dump_json())}},
        }
        tensors = {f"{NAME}.{k}": v for k, v in packed.items()}
        save(root, name, tensors, {"quantization_config": settings}, {f"{NAME}.weight": plain})

    for bits in (3, 4, 8):
        for symmetric in (True, False):
            args = QuantizationArgs(num_bits=bits, type="int", symmetric=symmetric, strategy="group", group_size=32)
            case(f"packed-{bits}{'' if symmetric else '-asymmetric'}", "pack-quantized", args)
    case("packed-4-row", "pack-quantized", QuantizationArgs(num_bits=4, type="int", strategy="channel"), torch.float16)
    case("int8-row", "int-quantized", QuantizationArgs(num_bits=8, type="int", strategy="channel"))
    asymmetric = QuantizationArgs(num_bits=8, type="int", strategy="channel", symmetric=False)
    case("int8-row-asymmetric", "int-quantized", asymmetric)
    case("int8-tensor", "int-quantized", QuantizationArgs(num_bits=8, type="int", strategy="tensor"))
    case("fp8-row", "float-quantized", QuantizationArgs(num_bits=8, type="float", strategy="channel"))
    case("fp8-tensor", "float-quantized", QuantizationArgs(num_bits=8, type="float", strategy="tensor"))
    block = QuantizationArgs(num_bits=8, type="float", strategy="block", block_structure=[16, 32])
    case("fp8-block", "float-quantized", block)
    nv = QuantizationArgs(num_bits=4, type="float", strategy="tensor_group", group_size=16, symmetric=True)
    case("nvfp4", "nvfp4-pack-quantized", nv)
    mx = QuantizationArgs(num_bits=4, type="float", strategy="group", group_size=32, symmetric=True,
                          scale_dtype=torch.uint8)  # fmt: skip
    case("mxfp4", "mxfp4-pack-quantized", mx)


def deepseek(root):
    """Blocks of 128 with a cut-off last one, by the published rule: code times the scale of its block."""
    w = weight(31, 200, 320)
    tall, wide = 128, 128
    scale = torch.empty(2, 3)
    codes = torch.empty_like(w, dtype=torch.float8_e4m3fn)
    expected = torch.empty_like(w)
    for i in range(2):
        for j in range(3):
            block = (slice(i * tall, (i + 1) * tall), slice(j * wide, (j + 1) * wide))
            scale[i, j] = w[block].abs().max() / 448
            codes[block] = (w[block] / scale[i, j]).to(torch.float8_e4m3fn)
            expected[block] = codes[block].float() * scale[i, j]
    settings = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}
    tensors = {f"{NAME}.weight": codes, f"{NAME}.weight_scale_inv": scale}
    save(root, "fp8-deepseek", tensors, {"quantization_config": settings}, {f"{NAME}.weight": expected})


def gpt_oss(root):
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    g = torch.Generator().manual_seed(41)
    blocks = torch.randint(0, 256, (3, 16, 4, 16), generator=g).to(torch.uint8)
    scales = torch.randint(118, 126, (3, 16, 4), generator=g).to(torch.uint8)
    name = "model.layers.0.mlp.experts.gate_up_proj"
    expected = convert_moe_packed_tensors(blocks, scales, dtype=torch.bfloat16)
    save(
        root,
        "mxfp4-gpt-oss",
        {f"{name}_blocks": blocks, f"{name}_scales": scales},
        {"quantization_config": {"quant_method": "mxfp4"}},
        {name: expected},
    )


def torchao(root):
    from torchao import quantization as q
    from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict
    from torchao.quantization import quantize_

    for case, config in (
        ("torchao-int8", q.Int8WeightOnlyConfig()),
        ("torchao-float8", q.Float8WeightOnlyConfig()),
        ("torchao-int4", q.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=q.PerGroup(32))),
        ("torchao-int5-row", q.IntxWeightOnlyConfig(weight_dtype=torch.int5, granularity=q.PerAxis(0))),
    ):
        model = torch.nn.Sequential(torch.nn.Linear(IN, OUT, bias=False, dtype=torch.bfloat16))
        model[0].weight.data = weight(51).bfloat16()
        quantize_(model, config)
        expected = {"0.weight": model[0].weight.dequantize()}
        tensors, metadata = flatten_tensor_state_dict(dict(model.state_dict()))
        save(root, case, tensors, {"quantization_config": {"quant_method": "torchao"}}, expected, metadata)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    for make in (gptq, awq, bitsandbytes, compressed, deepseek, gpt_oss, torchao):
        try:
            make(target)
        except ImportError as error:  # one missing package does not stop the others
            print(make.__name__, error)
