"""Which module a weight of an ONNX graph belongs to, which way it is turned, and from what codes it is computed.

Exporters keep the names of biases, norms and embeddings; what a node multiplies with is stored turned, under a number.
Its module is told, in this order, by the bias that is added to the product, by the scope that torch's newer exporter
records beside the node, and by the node's own name (``/encoder/layer.0/attention/self/query/MatMul``).  Quantized
weights are followed through ``DequantizeLinear``, ``Cast`` and ``Mul``, ``MatMulInteger`` with onnxruntime's names
(``X_quantized``, ``X_scale``, ``X_zero_point``), and ``MatMulNBits``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mpk_tui.checkpoint.model import COLUMN_MAJOR, Derived, Tensor

_NAMELESS = re.compile(
    r"(onnx::|val_|_?[0-9]+\Z|/|Constant_|tensor_|new_|_to_copy|t_[0-9]|permute|transpose)"
    r"|.*(?:::|_|/)(?:MatMul|Transpose|Constant)_?[0-9]*(_output_0)?(_quantized|_q)?\Z"
)
_QUANTIZED = re.compile(r"_(quantized|q|int8|uint8|weight_q)\Z")
_READERS = frozenset({
    "MatMul", "Gemm", "Gather", "Conv", "ConvTranspose", "LSTM", "GRU", "RNN", "LayerNormalization", "MatMulInteger",
    "MatMulNBits", "QLinearMatMul", "SkipLayerNormalization", "EmbedLayerNormalization", "Attention",
    "GatherBlockQuantized", "SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization",
    "InstanceNormalization", "BatchNormalization",
})  # fmt: skip
_FOLDED = re.compile(r"(?!weight|bias)[a-z][a-z_]*[0-9_]*\Z")
"""Names that torch's newer exporter gives to what it computed in advance: masks, tables, shapes."""
_FLOATS = ("F32", "F16", "BF16")
_DEPTH = 8


@dataclass
class Node:
    """An operation of the graph.

    Attributes:
        name: Its name; torch's older exporter makes it of the module's path.
        op: Its kind.
        inputs: Names of values it reads.
        outputs: Names of values it makes.
        numbers: Whole-numbered attributes.
        order: ``perm`` of a Transpose.
        scope: Module path that torch's newer exporter records beside the node, or empty.
    """

    name: str = ""
    op: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    scope: str = ""


@dataclass
class Graph:
    """What is collected while the file is walked.

    Attributes:
        tensors: Initializers and constants by name.
        nodes: Operations in the order of the file.
        metadata: Producer and versions.
        numbers: Whole numbers stored value by value, by name; zero points are.
        undecoded: Names of what else is stored value by value.
        functions: Functions, which are not searched.
        subgraphs: Graphs within nodes, likewise.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    undecoded: list[str] = field(default_factory=list)
    functions: int = 0
    subgraphs: int = 0


@dataclass(frozen=True)
class Value:
    """What an input of a node comes down to.

    Attributes:
        tensor: The stored tensor.
        turned: Rows and columns are exchanged on the way.
        scale: Name of the tensor of scales, empty for a weight that is stored as it is.
        zero: Name of the tensor of zero points, or empty.
        axis: Axis of the stored matrix along which scales differ; -1 for one scale.
        name: Name of the computed value.
    """

    tensor: str
    turned: bool = False
    scale: str = ""
    zero: str = ""
    axis: int = -1
    name: str = ""


class Names:
    """Weights under the names of their modules.

    Attributes:
        tensors: Stored tensors by the name they are listed under.
        derived: Weights computed from quantized ones, by name.
        renamed: Name that a tensor is listed under to its name in the file.
        zeros: Names of zero points that were used.
        read: Names that operations read as weights read.
    """

    def __init__(
        self, tensors: Mapping[str, Tensor], nodes: Sequence[Node], numbers: Mapping[str, tuple[int, ...]]
    ) -> None:
        self.tensors = dict(tensors)
        self.derived: dict[str, Derived] = {}
        self.renamed: dict[str, str] = {}
        self.zeros: set[str] = set()
        self.read = {n for node in nodes if node.op in _READERS for n in node.inputs[:3]}
        self._numbers = numbers
        self._stored = tensors
        self._makers: dict[str, Node] = {}
        self._users: dict[str, Node] = {}
        for node in nodes:
            for name in node.outputs:
                self._makers.setdefault(name, node)
            for name in node.inputs:
                self._users.setdefault(name, node)
        for node in nodes:
            self._look(node)
        for node in nodes:
            self._named_value(node)
        self._conventions()

    def _look(self, node: Node) -> None:
        """A node that multiplies with a weight."""
        if node.op in ("MatMul", "Gemm") and len(node.inputs) >= 2:
            value = self._follow(node.inputs[1])
            if value is not None:
                # Gemm with transB multiplies with the transpose of its second input, as a linear layer does.
                as_stored = node.op == "Gemm" and node.numbers.get("transB", 0) == 1
                self._place(value, node, turned=value.turned if as_stored else not value.turned)
        elif node.op == "MatMulInteger" and len(node.inputs) >= 2:
            name = node.inputs[1]
            stem = name.removesuffix("_quantized")
            if stem != name and f"{stem}_scale" in self._stored and name in self._stored:
                zero = node.inputs[3] if len(node.inputs) > 3 else ""
                axis = -1 if self._stored[f"{stem}_scale"].elements == 1 else 1
                self._place(Value(name, False, f"{stem}_scale", zero, axis, stem), node, turned=True)
        elif node.op == "MatMulNBits" and len(node.inputs) >= 3:
            self._blocks(node)

    def _named_value(self, node: Node) -> None:
        """A dequantized value that kept a weight's name, whatever reads it (embeddings)."""
        if node.op in ("Mul", "DequantizeLinear") and node.outputs and not _NAMELESS.match(node.outputs[0]):
            name = node.outputs[0]
            value = self._follow(name)
            if value is not None and value.scale and name.endswith(".weight"):
                self._derive(name, value, value.tensor, turned=False)

    def _conventions(self) -> None:
        """Tables that onnxruntime quantized (its quantize.py): ``X_quantized`` with its scale and zero point."""
        for name in [n for n in self.tensors if n.endswith("_quantized")]:
            stem = name.removesuffix("_quantized")
            if f"{stem}_scale" in self._stored and name in self._stored:
                zero = f"{stem}_zero_point"
                zero = zero if zero in self._stored or zero in self._numbers else ""
                axis = -1 if self._stored[f"{stem}_scale"].elements == 1 else 0
                if not any(name in d.sources.values() for d in self.derived.values()):
                    self._derive(stem, Value(name, False, f"{stem}_scale", zero, axis, stem), name, turned=False)

    def _follow(self, name: str, depth: int = 0) -> Value | None:
        """The stored tensor that a value comes down to, through casts, turns and dequantization."""
        if name in self._stored:
            return Value(name, name=name)
        node = self._makers.get(name)
        if node is None or depth > _DEPTH or not node.inputs:
            return None
        if node.op in ("Cast", "Identity"):
            return self._follow(node.inputs[0], depth + 1)
        if node.op == "Transpose" and node.order in ((), (1, 0)):
            inner = self._follow(node.inputs[0], depth + 1)
            return None if inner is None else Value(
                inner.tensor, not inner.turned, inner.scale, inner.zero, inner.axis, inner.name
            )  # fmt: skip
        if node.op == "DequantizeLinear" and len(node.inputs) >= 2 and node.inputs[0] in self._stored:
            zero = node.inputs[2] if len(node.inputs) > 2 else ""
            scale = self._stored.get(node.inputs[1])
            axis = node.numbers.get("axis", 1)
            if scale is None or not -2 <= axis <= 1:
                return None
            return Value(node.inputs[0], False, scale.name, zero, -1 if scale.elements == 1 else axis % 2, name)
        if node.op == "Mul" and len(node.inputs) == 2:
            for codes, step in (node.inputs, node.inputs[::-1]):
                inner, scale = self._follow(codes, depth + 1), self._stored.get(step)
                if inner is None or scale is None or inner.scale or inner.turned:
                    continue
                if self._stored[inner.tensor].dtype in ("I8", "U8"):
                    axis = -1 if scale.elements == 1 else 0 if scale.shape[-1:] == (1,) else 1
                    return Value(inner.tensor, False, step, "", axis, name)
        return None

    def _module(self, node: Node) -> str:
        """Module of a node that multiplies: by its bias, its recorded scope, or its name."""
        biases = [node.inputs[2]] if node.op == "Gemm" and len(node.inputs) > 2 else []
        after = self._users.get(node.outputs[0]) if node.outputs else None
        hops = 0
        # onnxruntime's integer products are cast and scaled before the bias is added.
        while after is not None and after.op in ("Cast", "Mul") and after.outputs and hops < 3:
            after, hops = self._users.get(after.outputs[0]), hops + 1
        if after is not None and after.op == "Add":
            biases += after.inputs
        for name in biases:
            if name.endswith(".bias") and name in self._stored:
                return name.removesuffix(".bias")
        if node.scope:
            return node.scope
        parts = [p for p in node.name.split("/") if p]
        return ".".join(parts[:-1]) if node.name.startswith("/") and len(parts) > 1 else ""

    def _place(self, value: Value, node: Node, *, turned: bool) -> None:
        """List a weight under its module; ``turned``: stored (in, out)."""
        module = self._module(node)
        tensor = self._stored[value.tensor]
        if len(tensor.shape) != 2 or value.tensor not in self.tensors:
            return
        nameless = bool(_NAMELESS.match(value.name or value.tensor))
        plain = f"{module}.weight" if module and nameless else value.name or value.tensor
        if value.scale and nameless and not module and turned:
            # Whose weight it is nobody knows; how it lies, the product tells.
            self._list(value.tensor, value.tensor, tensor, turned)
            self._derive(value.name or f"{value.tensor}.dequantized", value, value.tensor, turned=True)
            return
        if not value.scale:
            # A named weight lies as its module keeps it, e.g. (in, out) in GPT-2's own layers.
            if nameless and module and self._free(plain):
                self._list(value.tensor, plain, tensor, turned)
            return
        listed = value.tensor
        if turned and nameless and module and self._free(f"{module}.weight_quantized"):
            listed = f"{module}.weight_quantized"
            self._list(value.tensor, listed, tensor, turned)
        self._derive(plain, value, listed, turned=turned and listed != value.tensor)

    def _list(self, old: str, new: str, tensor: Tensor, turned: bool) -> None:
        if tensor.dtype in ("U4", "I4", "F4"):
            return
        del self.tensors[old]
        label, shape = (tensor.dtype + COLUMN_MAJOR, tensor.shape[::-1]) if turned else (tensor.dtype, tensor.shape)
        self.tensors[new] = Tensor(new, label, shape, tensor.file, tensor.offset, tensor.nbytes)
        if new != old:
            self.renamed[new] = old

    @staticmethod
    def folded(tensor: Tensor) -> bool:
        """Whether a tensor is a constant of the graph by its size and name; what reads it may say otherwise."""
        return (tensor.elements <= 1 and "." not in tensor.name) or bool(_FOLDED.match(tensor.name))

    def _free(self, name: str) -> bool:
        return name not in self.tensors and name not in self.derived

    def _derive(self, plain: str, value: Value, codes: str, *, turned: bool) -> None:
        """A weight of bytes with one scale, or one for each output."""
        stored, scale = self.tensors.get(codes), self._stored.get(value.scale)
        zero, numbers = self._stored.get(value.zero), self._numbers.get(value.zero, ())
        if stored is None or scale is None or len(stored.shape) != 2 or not stored.elements or not self._free(plain):
            return
        outputs, inputs = stored.shape
        along_outputs = value.axis == (1 if turned else 0)
        if stored.dtype.removesuffix(COLUMN_MAJOR) not in ("I8", "U8") or scale.dtype not in _FLOATS:
            return
        if scale.elements != 1 and not (along_outputs and scale.elements == outputs):
            return
        if zero is not None and (zero.elements != scale.elements or zero.dtype not in ("I8", "U8", "I32")):
            return
        if value.zero and zero is None and len(numbers) != scale.elements:
            return  # without its zero points the weight would be another one
        self.zeros.add(value.zero)
        sources = {"codes": codes, "scale": scale.name} | ({"zero": zero.name} if zero is not None else {})
        rows = 1 if scale.elements == 1 else outputs
        params: dict[str, Any] = {"block": [outputs if rows == 1 else 1, inputs], "grid": [rows, 1], "rounds": "F32"}
        if any(numbers):
            params["zeros"] = list(numbers)
        self.derived[plain] = Derived(plain, "int8", stored.shape, sources, params, 8)

    def _blocks(self, node: Node) -> None:
        """``com.microsoft.MatMulNBits`` of onnxruntime: codes (outputs, blocks, bytes), the first in the lower bits."""
        codes, scale = self._stored.get(node.inputs[1]), self._stored.get(node.inputs[2])
        zero = self._stored.get(node.inputs[3]) if len(node.inputs) > 3 else None
        inputs, outputs, bits, block = (node.numbers.get(k, 0) for k in ("K", "N", "bits", "block_size"))
        if len(node.inputs) > 3 and node.inputs[3] and zero is None:
            return  # without its zero points the weight would be another one
        if codes is None or scale is None or min(inputs, outputs, block) <= 0 or bits not in (4, 8):
            return
        blocks = -(-inputs // block)
        if codes.dtype != "U8" or codes.elements * 8 != outputs * blocks * block * bits:
            return
        if scale.elements != outputs * blocks or scale.dtype not in _FLOATS:
            return
        if zero is not None and (zero.dtype != "U8" or zero.elements != outputs * -(-blocks * bits // 8)):
            return
        module = self._module(node)
        plain = f"{module}.weight" if module else _QUANTIZED.sub("", codes.name) + ".dequantized"
        if not self._free(plain):
            return
        sources = {"codes": codes.name, "scale": scale.name} | ({"zero": zero.name} if zero is not None else {})
        params = {"bits": bits, "block": block, "blocks": blocks}
        self.derived[plain] = Derived(plain, "onnx-blocks", (outputs, inputs), sources, params, bits)
