"""Makes ``graph_vectors``: one small network as ONNX in the ways that exporters and quantizers write it, and as ``.npz``.

Run by hand, with torch 2.13, onnx, onnxscript, onnxruntime and safetensors (the tests need none of them):

    python tests/checkpoint/make_graph_vectors.py tests/checkpoint/graph_vectors
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.numpy import save_file


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.query = torch.nn.Linear(32, 32)
        self.up = torch.nn.Linear(32, 64, bias=False)
        self.down = torch.nn.Linear(64, 32, bias=False)
        self.norm = torch.nn.LayerNorm(32)

    def forward(self, x):
        return self.norm(self.down(torch.relu(self.up(self.query(x)))) + x)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(50, 32)
        self.layers = torch.nn.ModuleList([Block(), Block()])

    def forward(self, ids):
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x)
        return x


def plain(model):
    """State dict as NumPy arrays."""
    return {k: v.detach().numpy() for k, v in model.state_dict().items()}


def dequantized(path, state):
    """What (code - zero point) x scale makes of the arrays of a file, by the operations' own definition."""
    graph = onnx.load(path).graph
    arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    out = {}
    for name, codes in arrays.items():
        if not name.endswith("_quantized"):
            continue
        stem = name.removesuffix("_quantized")
        scale, zero = arrays[f"{stem}_scale"], arrays[f"{stem}_zero_point"]
        value = (codes.astype(np.float32) - zero.astype(np.float32)) * scale
        # Which weight it is tells the nearest one of the model.
        out[min(state, key=lambda k: distance(state[k], value))] = turned(state, value)
    return out


def distance(a, b):
    if a.shape == b.shape:
        return float(np.abs(a - b).mean())
    return float(np.abs(a.T - b).mean()) if a.T.shape == b.shape else np.inf


def turned(state, value):
    best = min(state, key=lambda k: distance(state[k], value))
    same = state[best].shape == value.shape and np.abs(state[best] - value).mean() < 0.02
    return np.ascontiguousarray(value if same else value.T)


def scrub(path):
    """Leave out what names this machine: the exporter keeps stack traces with paths beside every node."""
    model = onnx.load(path)
    for node in model.graph.node:
        kept = [(e.key, e.value) for e in node.metadata_props if e.key == "pkg.torch.onnx.name_scopes"]
        del node.metadata_props[:]
        for key, value in kept:
            node.metadata_props.add(key=key, value=value)
        node.doc_string = ""
    onnx.save(model, path)


def main(root):
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    torch.manual_seed(3)
    model = Net().eval()
    state = plain(model)
    ids = torch.arange(8).reshape(1, 8)
    save_file({k: np.ascontiguousarray(v) for k, v in state.items()}, root / "expected.safetensors")
    scripted, newer = root / "scripted.onnx", root / "newer.onnx"
    torch.onnx.export(model, (ids,), scripted, dynamo=False, input_names=["ids"])
    torch.onnx.export(model, (ids,), newer, dynamo=True, external_data=False)
    scrub(newer)
    external = onnx.load(newer)
    folder = root / "external"
    folder.mkdir()
    onnx.save_model(external, folder / "model.onnx", save_as_external_data=True, location="model.onnx.data",
                    size_threshold=64)  # fmt: skip
    for name, kind, channel in (("int8", QuantType.QInt8, True), ("uint8", QuantType.QUInt8, False)):
        target = root / f"{name}.onnx"
        quantize_dynamic(scripted, target, weight_type=kind, per_channel=channel)
        expected = dequantized(target, {k: v for k, v in state.items() if v.ndim == 2})
        save_file(expected, root / f"{name}.expected.safetensors")
    quantizer = MatMulNBitsQuantizer(onnx.load(scripted), bits=4, block_size=16, is_symmetric=False)
    quantizer.process()
    quantizer.model.save_model_to_file(str(root / "nbits.onnx"))
    np.savez(root / "arrays.npz", **state, turned=np.asfortranarray(state["layers.0.up.weight"]))
    np.savez_compressed(root / "compressed.npz", **state)
    np.savez(root / "objects.npz", a=np.array([{"b": 1}], dtype=object), w=state["embed.weight"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
