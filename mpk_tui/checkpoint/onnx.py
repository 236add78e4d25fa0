"""Weights of ONNX files: initializers inside or beside the file, under the names of the modules they belong to.

Format: onnx/onnx.proto3 of github.com/onnx/onnx (field numbers below), external data as docs/ExternalData.md there.
Exporters keep the names of biases, norms and embeddings, but a weight that is multiplied with is stored turned, under a
name such as ``onnx::MatMul_1234``.  Which module it belongs to says the node that uses it
(``/encoder/layer.0/attention/self/query/MatMul``); under that module's name and orientation it is listed, its type
label ending in `COLUMN_MAJOR`, because its bytes lie column by column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mpk_tui.checkpoint.model import Derived, FileEntry, Tensor
from mpk_tui.checkpoint.onnx_graph import Graph, Names, Node
from mpk_tui.checkpoint.protobuf import FIXED32, LENGTH, VARINT, Field, Reader
from mpk_tui.checkpoint.reading import Source
from mpk_tui.checkpoint.safetensors import BITS
from mpk_tui.errors import LimitError, MalformedError, UnsupportedError

MAX_TENSORS = 1 << 18
MAX_NODES = 1 << 17
MAX_DIMENSIONS = 16
TYPES = {
    1: "F32", 2: "U8", 3: "I8", 4: "U16", 5: "I16", 6: "I32", 7: "I64", 9: "BOOL", 10: "F16", 11: "F64", 12: "U32",
    13: "U64", 14: "C64", 16: "BF16", 17: "F8_E4M3", 18: "F8_E4M3FNUZ", 19: "F8_E5M2", 20: "F8_E5M2FNUZ", 21: "U4",
    22: "I4", 23: "F4",
}  # fmt: skip
"""``TensorProto.DataType`` to type label."""
_BITS = {**BITS, "U4": 4, "I4": 4}
# TensorProto: where typed values lie packed as they would lie raw (field number, type labels).
_PACKED = {4: ("F32",), 10: ("F64",)}
MAX_NUMBERS = 1 << 18
"""Zero points that are accepted value by value; onnxruntime's quantizer writes them so."""
_NUMBERS = ("I8", "U8", "I32")


@dataclass(frozen=True)
class Header:
    """What an ONNX file declares.

    Attributes:
        tensors: Weights, those of external files too.
        derived: Weights that are computed from quantized ones.
        metadata: Producer, versions and ``metadata_props``; original names of tensors listed under a module's name.
        notices: What is odd, or not decoded.
        external: Files beside this one that hold tensors, sorted.
    """

    tensors: tuple[Tensor, ...]
    derived: tuple[Derived, ...]
    metadata: Mapping[str, str]
    notices: tuple[str, ...]
    external: tuple[str, ...]


def looks_like(start: bytes) -> bool:
    """Whether a file may be ONNX: its first field is the version of the format."""
    return len(start) > 2 and start[0] == 0x08 and 0 < start[1] < 0x40


def read_header(source: Source, file: str, siblings: Mapping[str, FileEntry] | None = None) -> Header:
    """Read the structure of an ONNX file; weights stay where they are.

    Args:
        source: The open file.
        file: Its path relative to the checkpoint.
        siblings: Other files of the checkpoint by path; external data may lie in them and nowhere else.

    Raises:
        MalformedError: It contradicts the format, or itself, or a file that it names.
        LimitError: More of something than is accepted.
        UnsupportedError: An element type that this reader does not know.
    """
    reader = Reader(source, file)
    graph = Graph()
    seen = False
    for f in reader.fields(0, source.size):
        if f.number == 7 and f.wire == LENGTH:
            if seen:
                raise MalformedError("two graphs", where=f"{file}, byte {f.start}")
            seen = True
            _graph(reader, f, graph, siblings or {})
        elif f.number in (2, 3, 4) and f.wire == LENGTH:
            graph.metadata[f"onnx.{('producer', 'producer_version', 'domain')[f.number - 2]}"] = reader.text(f)
        elif f.number in (1, 5) and f.wire == VARINT:
            graph.metadata["onnx.ir_version" if f.number == 1 else "onnx.model_version"] = str(f.signed)
        elif f.number == 14 and f.wire == LENGTH:
            key, value = _entry(reader, f)
            graph.metadata[key] = value
        elif f.number == 25:
            graph.functions += 1
    if not seen:
        raise MalformedError("no graph: this is no ONNX model, or it is cut short", where=file)
    return _listed(graph, file)


def _entry(reader: Reader, entry: Field) -> tuple[str, str]:
    """A ``StringStringEntryProto``."""
    pair = {1: "", 2: ""}
    for f in reader.fields(entry.start, entry.stop):
        if f.number in pair:
            pair[f.number] = reader.text(f, 1 << 20)
    return pair[1], pair[2]


def _graph(reader: Reader, message: Field, graph: Graph, siblings: Mapping[str, FileEntry]) -> None:
    for f in reader.fields(message.start, message.stop):
        if f.wire != LENGTH:
            continue
        if f.number == 5:
            _add(reader, f, "", graph, siblings)
        elif f.number == 1:
            if len(graph.nodes) >= MAX_NODES:
                raise LimitError(f"more than {MAX_NODES} nodes", where=f"{reader.file}, byte {f.start}")
            graph.nodes.append(_node(reader, f, graph, siblings))
        elif f.number == 15:
            graph.undecoded.append("sparse initializers")


def _node(reader: Reader, message: Field, graph: Graph, siblings: Mapping[str, FileEntry]) -> Node:
    node = Node()
    constants: list[Field] = []
    for f in reader.fields(message.start, message.stop):
        if f.wire != LENGTH:
            continue
        if f.number == 1:
            node.inputs.append(reader.text(f))
        elif f.number == 2:
            node.outputs.append(reader.text(f))
        elif f.number == 3:
            node.name = reader.text(f)
        elif f.number == 4:
            node.op = reader.text(f, 256)
        elif f.number == 5:
            name, number, tensor = "", None, None
            for a in reader.fields(f.start, f.stop):
                if a.number == 1 and a.wire == LENGTH:
                    name = reader.text(a, 256)
                elif a.number == 3 and a.wire == VARINT:
                    number = a.signed
                elif a.number == 5 and a.wire == LENGTH:
                    tensor = a
                elif a.number == 8 and name == "perm":
                    node.order += (a.signed,) if a.wire == VARINT else tuple(_varints(reader, a))
                elif a.number == 6:
                    graph.subgraphs += 1
            if number is not None:
                node.numbers[name] = number
            if tensor is not None and name == "value":
                constants.append(tensor)
        elif f.number == 9:
            key, value = _entry(reader, f)
            if key == "pkg.torch.onnx.name_scopes":
                scopes = re.findall(r"'([^']*)'", value)
                node.scope = scopes[-2] if len(scopes) > 1 else ""
    if node.op == "Constant" and constants and node.outputs:
        _add(reader, constants[0], node.outputs[0], graph, siblings)
    return node


def _add(reader: Reader, message: Field, name: str, graph: Graph, siblings: Mapping[str, FileEntry]) -> None:
    tensor = _tensor(reader, message, name, graph, siblings)
    if tensor is None:
        return
    if tensor.name in graph.tensors:
        raise MalformedError(
            "this name occurs twice", where=f"{reader.file}, tensor {tensor.name[:200]!r}, byte {message.start}"
        )
    if len(graph.tensors) >= MAX_TENSORS:
        raise LimitError(f"more than {MAX_TENSORS} tensors", where=reader.file)
    graph.tensors[tensor.name] = tensor


def _tensor(
    reader: Reader, message: Field, name: str, graph: Graph, siblings: Mapping[str, FileEntry]
) -> Tensor | None:
    """A ``TensorProto`` whose values lie somewhere as they are; None for one that is too small to be a weight, empty,
    or encoded value by value."""
    dims: list[int] = []
    kind = 0
    raw: tuple[int, int] | None = None
    packed: tuple[int, int, int] | None = None
    scattered = external = False
    entries: dict[str, str] = {}
    for f in reader.fields(message.start, message.stop):
        if f.number == 1:
            dims += [f.signed] if f.wire == VARINT else _varints(reader, f)
        elif f.number == 2 and f.wire == VARINT:
            kind = f.value
        elif f.number == 8 and f.wire == LENGTH:
            name = reader.text(f) or name
        elif f.number == 9 and f.wire == LENGTH:
            raw = f.start, f.stop
        elif f.number in (4, 5, 7, 10, 11):
            if f.wire == LENGTH and packed is None:
                packed = f.number, f.start, f.stop
            else:
                scattered = scattered or f.wire in (VARINT, FIXED32, LENGTH)
        elif f.number == 13 and f.wire == LENGTH:
            key, value = _entry(reader, f)
            entries[key] = value
        elif f.number == 14 and f.wire == VARINT:
            external = f.value == 1
    where = f"{reader.file}, tensor {name[:200]!r}"
    if len(dims) > MAX_DIMENSIONS or any(not 0 <= d < 1 << 48 for d in dims):
        raise MalformedError(f"dimensions {dims[:20]!s}", where=where)
    if kind == 8:
        return None  # strings are no weights
    if kind not in TYPES:
        raise UnsupportedError(f"element type number {kind}", where=where, hint="Use a newer mpk-tui")
    label = TYPES[kind]
    elements = 1
    for d in dims:
        elements *= d
    nbytes = -(-elements * _BITS[label] // 8)
    if nbytes >= 1 << 62:
        raise MalformedError(f"dimensions {dims}", where=where)
    if external:
        return _external(name, label, tuple(dims), nbytes, entries, siblings, where)
    if raw is None and packed is not None and not scattered and label in _PACKED.get(packed[0], ()):
        raw = packed[1], packed[2]
    if raw is None:
        if packed is not None and packed[0] == 5 and not scattered and elements <= MAX_NUMBERS and label in _NUMBERS:
            numbers = _varints(reader, Field(5, LENGTH, 0, packed[1], packed[2]), MAX_NUMBERS)
            if len(numbers) != elements:
                raise MalformedError(f"shape {dims} has {elements} values, {len(numbers)} are given", where=where)
            graph.numbers[name] = tuple(numbers)
        if elements > 64 and (packed is not None or scattered):
            graph.undecoded.append(name)
        return None
    if raw[1] - raw[0] != nbytes:
        raise MalformedError(
            f"shape {dims} of {label} needs {nbytes} bytes, {raw[1] - raw[0]} are given",
            where=f"{where}, byte {raw[0]}",
        )
    return Tensor(name, label, tuple(dims), reader.file, raw[0], nbytes)


def _varints(reader: Reader, packed: Field, limit: int = MAX_DIMENSIONS) -> list[int]:
    if packed.wire != LENGTH or packed.stop - packed.start > 10 * limit:
        raise MalformedError(f"a list of more than {limit} numbers", where=f"{reader.file}, byte {packed.start}")
    out, at = [], packed.start
    while at < packed.stop:
        value, at = reader.varint(at, packed.stop)
        out.append(value - (1 << 64) if value >> 63 else value)
    return out


def _external(
    name: str, label: str, shape: tuple[int, ...], nbytes: int, entries: Mapping[str, str],
    siblings: Mapping[str, FileEntry], where: str,
) -> Tensor:  # fmt: skip
    location = entries.get("location", "")
    if not location or location.startswith(("/", "\\", "~")) or ".." in re.split(r"[/\\]", location) or ":" in location:
        raise MalformedError(f"names the file {location[:200]!r} outside this folder", where=where)
    beside = siblings.get(location.removeprefix("./"))
    if beside is None or beside.kind not in ("file", "symlink"):
        raise MalformedError(
            f"its values lie in {location[:200]!r}, which is not here",
            where=where,
            hint="Name the folder with both files, or complete it",
        )
    try:
        offset = int(entries.get("offset", "0")[:20])
        length = int(entries.get("length", str(nbytes))[:20])
    except ValueError:
        raise MalformedError("offset or length is no number", where=where) from None
    if length != nbytes or offset < 0 or offset + nbytes > beside.size:
        raise MalformedError(
            f"bytes {offset} to {offset + length} of {beside.path!r}, which has {beside.size}; shape {list(shape)} of "
            f"{label} needs {nbytes}",
            where=where,
            hint="The files do not belong together, or one is cut short",
        )
    return Tensor(name, label, shape, beside.path, offset, nbytes)


def _listed(graph: Graph, file: str) -> Header:
    """Tensors under the names of their modules, quantized ones with what is computed from them."""
    names = Names(graph.tensors, graph.nodes, graph.numbers)
    notices = []
    undecoded = [n for n in graph.undecoded if n not in names.zeros]
    if undecoded:
        shown = ", ".join(dict.fromkeys(undecoded[:5]))
        notices.append(f"{file}: {len(undecoded)} tensors are stored value by value and not decoded ({shown})")
    if graph.functions or graph.subgraphs:
        notices.append(
            f"{file}: {graph.subgraphs} sub-graphs and {graph.functions} functions were not searched for weights"
        )
    if names.renamed:
        notices.append(
            f"{file}: {len(names.renamed)} weights are listed under the names of the modules whose nodes use them"
        )
    # Scalars, shapes, masks and tables that were computed in advance are constants of the graph, not weights.
    used = {s for d in names.derived.values() for s in d.sources.values()} | names.read | names.renamed.keys()
    kept = [t for t in names.tensors.values() if t.name in used or not names.folded(t)]
    if len(kept) < len(names.tensors):
        left = sorted(names.tensors.keys() - {t.name for t in kept})
        notices.append(
            f"{file}: {len(left)} constants of the graph are no weights and covered by the file's hash only "
            f"({', '.join(left[:3])}{', ...' if len(left) > 3 else ''})"
        )
    external = sorted({t.file for t in kept} - {file})
    metadata = dict(graph.metadata) | {f"onnx.name.{new}": old for new, old in names.renamed.items()}
    return Header(tuple(kept), tuple(names.derived.values()), metadata, tuple(notices), tuple(external))
