"""The table of docs/formats.md, made from what really happens to a small sample of each format.

    python tests/checkpoint/formats_table.py      writes it into docs/formats.md

A sample is *read* if its weights come out as values, *hashed* if every tensor (or at least every file) gets a digest,
and *compared* if a comparison with the very values that were read, stored as float32 safetensors, says that nothing
but the form differs.
"""

from __future__ import annotations

import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from makers import entry, gguf, info, pair, safetensors, string
from test_containers import UNDECODED, meta, tar, torch_file
from torch_files import Storage, Tensor, legacy, zipped

from mpk_tui.checkpoint import gguf as gguf_header
from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Part
from mpk_tui.checkpoint.open import Opening, open_checkpoint
from mpk_tui.checkpoint.safetensors import BITS
from mpk_tui.errors import MpkError
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.lineage.compare import compare

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "formats.md"
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


@dataclass(frozen=True)
class Sample:
    """One checkpoint to try.

    Attributes:
        row: Row of the table that it belongs to; a row holds if all its samples do.
        what: Its own name within the row, shown where samples of a row differ.
        path: Where it lies.
        base: For an adapter, the model it is put onto.
    """

    row: str
    what: str
    path: Path
    base: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """What happened to a sample: whether it was read, what was hashed, whether comparison works, and why not."""

    read: bool
    hashed: str
    compared: bool
    why: str = ""


def samples(root: Path) -> Iterator[Sample]:
    """Every format, in the order of the table; files are made below ``root``."""
    yield from _safetensors(root / "st")
    yield from _gguf(root / "gguf")
    yield from _torch(root / "torch")
    layouts = HERE / "layout_vectors"
    for case in sorted(p.name for p in layouts.iterdir() if p.is_dir()):
        yield Sample(_layout_row(case), case, _without_expected(layouts / case, root / "layouts" / case))
    adapters = HERE / "adapter_vectors"
    for case in sorted(p.name for p in adapters.iterdir() if p.is_dir() and not p.name.startswith("base-")):
        row, base = _adapter_row(case)
        yield Sample(row, case, adapters / case, adapters / base if row.endswith("onto its base") else None)
    graphs = HERE / "graph_vectors"
    for name in ("scripted.onnx", "newer.onnx", "external"):
        yield Sample("ONNX, initializers inside or in external data", name, graphs / name)
    for name in ("int8.onnx", "uint8.onnx", "nbits.onnx"):
        yield Sample("ONNX quantized by onnxruntime (QDQ, MatMulInteger, MatMulNBits)", name, graphs / name)
    yield Sample("NumPy .npz", "stored", graphs / "arrays.npz")
    yield Sample("NumPy .npz, compressed", "compressed", graphs / "compressed.npz")
    yield Sample("CTranslate2 model.bin", "int8, float16", _file(root / "ct2" / "model.bin", _ct2()))
    yield Sample(
        ".nemo, .tar (not compressed, one file of weights)", "", _file(root / "m.nemo", tar({"w.ckpt": torch_file()}))
    )
    for case, row in (
        ("compressed", ".nemo, .tar.gz (compressed)"), ("keras", "Keras, TensorFlow .h5"), ("flax", "Flax .msgpack"),
        ("lite", "TensorFlow Lite"), ("ggml", "GGML, GGJT (before GGUF)"), ("pickle", "bare pickle"),
        ("llamafile", "llamafile"),
    ):  # fmt: skip
        name, data, _ = UNDECODED[case]
        yield Sample(row, "", _file(root / "undecoded" / case / name, data))
    (root / "slices").mkdir()
    for i in range(2):
        _file(root / "slices" / f"consolidated.0{i}.pth", torch_file())
    yield Sample("consolidated.NN.pth of several devices", "", root / "slices")


def _layout_row(case: str) -> str:
    for start, row in (
        ("awq", "AWQ, 4 bits (gemm)"), ("bnb-int8", "bitsandbytes INT8"), ("bnb", "bitsandbytes NF4, FP4, nested"),
        ("fp8", "FP8, scales by tensor, row or block"), ("gptq_v2", "GPTQ v2, 2, 3, 4, 8 bits, act-order"),
        ("gptq", "GPTQ v1, 2, 3, 4, 8 bits, act-order"), ("int8", "compressed-tensors int8"),
        ("mxfp4", "MXFP4 (compressed-tensors, gpt-oss)"), ("nvfp4", "NVFP4"),
        ("packed", "compressed-tensors packed, 3, 4, 8 bits"), ("torchao", "torchao int4, int5, int8, float8"),
    ):  # fmt: skip
        if case.startswith(start):
            return f"safetensors: {row}"
    raise AssertionError(f"{case} has no row")


def _adapter_row(case: str) -> tuple[str, str]:
    base = "base-bert" if case.startswith("bert") else "base-gpt2" if case.startswith("gpt2") else "base-llama"
    base = "base-tied" if "tied" in case else base
    kind = case.removeprefix("bert-").removeprefix("gpt2-")
    if kind in ("prefix", "prompt"):
        return "adapter: prefix and prompt vectors", base
    name = (
        "DoRA"
        if kind.startswith("dora")
        else "IA³"
        if kind.startswith("ia3")
        else "LoRA, trained tokens, saved modules"
    )
    return f"adapter: {name}, onto its base", base


def _file(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _without_expected(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("expected*"))
    return target


def _bytes(count: int, seed: int) -> bytes:
    """Small numbers in whatever type: no block of them decodes to anything infinite."""
    return np.random.Generator(np.random.PCG64(seed)).integers(1, 16, count).astype(np.uint8).tobytes()


def _safetensors(root: Path) -> Iterator[Sample]:
    one = {"a": entry(0, 64, [4, 4]), "b": entry(64, 96, [8])}
    yield Sample(
        "safetensors, one file", "", _file(root / "one" / "model.safetensors", safetensors(one, _bytes(96, 0)))
    )
    halves = (
        safetensors({"a": entry(0, 64, [4, 4])}, _bytes(64, 0)),
        safetensors({"b": entry(0, 32, [8])}, _bytes(32, 1)),
    )
    for index in (True, False):
        folder = root / f"sharded-{index}"
        names = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
        for name, half in zip(names, halves, strict=True):
            _file(folder / name, half)
        if index:
            mapped = f'{{"weight_map": {{"a": "{names[0]}", "b": "{names[1]}"}}}}'
            _file(folder / "model.safetensors.index.json", mapped.encode())
        yield Sample("safetensors, sharded, with or without index", f"index {index}", folder)
    blob = _file(root / "models--a--b" / "blobs" / ("0" * 64), safetensors(one, _bytes(96, 0)))
    snapshot = root / "models--a--b" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").symlink_to(f"../../blobs/{blob.name}")
    yield Sample("safetensors, Hugging Face cache snapshot", "", snapshot)
    for dtype, bits in BITS.items():
        name = "safetensors, complex numbers" if dtype == "C64" else "safetensors, element types"
        data = safetensors({"a": entry(0, 16 * bits // 8, [4, 4], dtype)}, _bytes(16 * bits // 8, bits))
        yield Sample(name, dtype, _file(root / dtype / "model.safetensors", data))
    meta(root.parent / "meta", 1)
    yield Sample("Meta's and Mistral's own names, params.json", "", root.parent / "meta")


def _gguf(root: Path) -> Iterator[Sample]:
    for kind, (label, block, width) in gguf_header.TYPES.items():
        elements = max(256, block)
        data = gguf([info("a", [elements, 2], kind, 0)], [], _bytes(2 * elements // block * width, kind) + bytes(64))
        undecoded = label in ("Q8_1", "Q8_K", "Q1_0")
        row = "GGUF, types without a decoder in gguf-py" if undecoded else "GGUF, tensor types"
        yield Sample(row, label, _file(root / f"{label}.gguf", data))
    general = pair("general.architecture", 8, string("llama"))
    for version in (2, 3):
        data = gguf([info("a", [32, 2], 0, 0)], [general], _bytes(256, 1), version=version)
        yield Sample("GGUF version 2 and 3, little-endian", str(version), _file(root / f"v{version}.gguf", data))
    big = gguf([info("a", [32, 2], 0, 0, ">")], [], _bytes(256, 1), order=">")
    yield Sample("GGUF big-endian, plain types", "F32", _file(root / "big.gguf", big))
    quantized = gguf([info("a", [32, 2], 8, 0, ">")], [], _bytes(256, 1), order=">")
    yield Sample("GGUF big-endian, block types", "Q8_0", _file(root / "big8.gguf", quantized))
    for i in range(2):
        pairs = [
            pair("split.no", 2, struct.pack("<H", i)), pair("split.count", 2, struct.pack("<H", 2)),
            pair("split.tensors.count", 5, struct.pack("<i", 2)),
        ]  # fmt: skip
        data = gguf([info(f"t{i}", [32, 2], 0, 0)], pairs, _bytes(256, 1))
        _file(root / "split" / f"m-0000{i + 1}-of-00002.gguf", data)
    yield Sample("GGUF, split", "", root / "split")


def _torch(root: Path) -> Iterator[Sample]:
    storage = Storage("0", np.arange(24, dtype=np.float32))
    plain, turned = {"w": Tensor(storage, (4, 6))}, {"w": Tensor(storage, (4, 6), stride=(1, 4))}
    for name, state in (("rows", plain), ("columns", turned)):
        yield Sample("PyTorch, zip (since 1.6)", name, _file(root / f"{name}.pt", zipped(state, [storage])))
        yield Sample("PyTorch, legacy", name, _file(root / f"{name}.bin", legacy(state, [storage])))
    folder = root / "sharded"
    for i in (1, 2):
        state = {f"w{i}": Tensor(storage, (4, 6))}
        _file(folder / f"pytorch_model-0000{i}-of-00002.bin", zipped(state, [storage]))
    mapped = ", ".join(f'"w{i}": "pytorch_model-0000{i}-of-00002.bin"' for i in (1, 2))
    _file(folder / "pytorch_model.bin.index.json", f'{{"weight_map": {{{mapped}}}}}'.encode())
    yield Sample("PyTorch, sharded with index", "", folder)


def _ct2() -> bytes:
    from test_graphs import ct2

    g = np.random.Generator(np.random.PCG64(1))
    return ct2([
        ("enc/weight", g.integers(-127, 128, (6, 4)).astype(np.int8)),
        ("enc/weight_scale", g.uniform(100, 200, 6).astype(np.float32)),
        ("emb/weight", g.normal(size=(3, 4)).astype(np.float16)),
    ])  # fmt: skip


def tried(sample: Sample, work: Path) -> Outcome:
    """Open, hash and compare one sample."""
    how = Opening(base=sample.base)
    try:
        checkpoint = open_checkpoint(sample.path, None, how)
        made = fingerprint(checkpoint)
    except MpkError as error:
        return Outcome(False, "no", False, error.what)
    hashed = "tensors, files" if made.tensors and len(made.tensors) == len(checkpoint.tensors) else "files"
    if checkpoint.undecoded:
        return Outcome(False, hashed, False, checkpoint.undecoded)
    header, data = {}, b""
    try:
        with WeightReader(checkpoint) as reader:
            for name, tensor in checkpoint.logical.items():
                if len(tensor.shape) == 3:
                    stack = [reader.whole(Part(name, index=k)) for k in range(tensor.shape[0])]
                    value = np.stack(stack)
                else:
                    value = reader.whole(Part(name))
                header[name] = entry(len(data), len(data) + value.nbytes, list(tensor.shape))
                data += np.ascontiguousarray(value, dtype=np.float32).tobytes()
    except MpkError as error:
        return Outcome(False, hashed, False, error.what)
    if sample.base is None and checkpoint.adapter is not None:
        return Outcome(True, hashed, False, "changes no weight of a model")
    work.mkdir(parents=True, exist_ok=True)
    plain = _file(work / "model.safetensors", safetensors(header, data))
    for name in ("config.json", "params.json"):
        source = (sample.base or sample.path) / name
        if source.is_file():
            shutil.copy(source, work / "config.json")
    record = compare(sample.path, plain.parent, how=(how, Opening()))
    good = record["finding"] in ("identical", "reformatted")
    return Outcome(True, hashed, good, "" if good else f"{record['finding']}: {record['sentence']}")


def table(root: Path) -> str:
    """The table as Markdown."""
    rows: dict[str, list[tuple[Sample, Outcome]]] = {}
    for i, sample in enumerate(samples(root)):
        rows.setdefault(sample.row, []).append((sample, tried(sample, root / "plain" / str(i))))
    lines = ["| format | samples | read | hash | compare | why not |", "|---|---:|---|---|---|---|"]
    for row, found in rows.items():
        outcomes = [o for _, o in found]
        whys = sorted({o.why for o in outcomes if o.why})
        lines.append(
            f"| {row} | {len(found)} | {_said([o.read for o in outcomes])} | {min(o.hashed for o in outcomes)} | "
            f"{_said([o.compared for o in outcomes])} | {'; '.join(_short(w) for w in whys)} |"
        )
    types = [s.what for s, o in rows["safetensors, element types"] if o.read]
    blocks = [s.what for s, o in rows["GGUF, tensor types"] if o.read]
    lines += ["", f"Element types of safetensors that are read: {', '.join(types)}.", ""]
    lines += [f"Tensor types of GGUF that are read: {', '.join(blocks)}."]
    return "\n".join(lines)


def _short(why: str) -> str:
    return why.replace("|", "/")[:160]


def _said(flags: list[bool]) -> str:
    return "yes" if all(flags) else "no" if not any(flags) else f"{sum(flags)} of {len(flags)}"


def generated(document: str) -> str:
    """The table as the document has it."""
    return document.partition(BEGIN)[2].partition(END)[0].strip()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = table(Path(folder))
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(text.replace(generated(text), made) if generated(text) else text)
    print(made)
