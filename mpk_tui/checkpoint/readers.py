"""One reader for each format, with one kind of answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mpk_tui.checkpoint import containers, ctranslate2, gguf, npz, onnx, pytorch, safetensors
from mpk_tui.checkpoint.model import Derived, FileEntry, Tensor
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import MalformedError, MpkError, UnsupportedError

FORMATS = ("safetensors", "gguf", "pytorch", "onnx", "ctranslate2", "npz")
CONTAINER = "container"
"""What is listed and hashed, and whose weights are read only where they lie plain in it."""
WEIGHTS = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".npz")
"""Endings of files that may hold weights which are read."""
_STRING_METADATA = 20_000
_LISTED = 2000
"""Members of an archive that are listed by name in a fingerprint; the archive's own hash covers all."""


@dataclass(frozen=True)
class Part:
    """What one weight file declares, whatever its format.

    Attributes:
        format: One of `FORMATS`.
        tensors: Stored tensors.
        metadata: Header metadata as strings.
        config: Header metadata as data, where it stands for a configuration (GGUF).
        derived: Weights that the format itself computes from stored tensors.
        notices: What is odd but not wrong.
        lost: Names of tensors beyond the end of a file that was cut short.
        external: Further files that hold tensors of this one.
        split: The file's place in a GGUF split.
        undecoded: Why there are no tensors, or empty.
    """

    format: str
    tensors: tuple[Tensor, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    derived: tuple[Derived, ...] = ()
    notices: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    split: gguf.Part | None = None
    undecoded: str = ""


def recognise(source: Source, name: str) -> str:
    """The format of a file by its first bytes; names decide only where a format has no mark of its own.

    Raises:
        MalformedError: The name promises a format that the bytes are not.
        UnsupportedError: None of `FORMATS`, and no `CONTAINER`.
    """
    start = source.read(0, min(16, source.size))
    if start[:4] == b"GGUF":
        return "gguf"
    if name.endswith(".gguf"):
        raise MalformedError("does not start with GGUF", where=name, hint="The file is damaged or misnamed")
    if start[:2] == b"PK" and name.endswith((".npz", ".zip", ".keras")):
        return "npz" if name.endswith(".npz") else CONTAINER
    if pytorch.looks_like(start):
        return "pytorch"
    if name.endswith(".onnx"):
        return "onnx"
    if name.endswith(".safetensors") or _looks_like_safetensors(source, start):
        return "safetensors"
    if ctranslate2.looks_like(start):
        return "ctranslate2"
    if onnx.looks_like(start):
        return "onnx"
    if containers.look(source, name) is not None:
        return CONTAINER
    if name.endswith((".bin", ".pt", ".pth", ".ckpt")):
        raise MalformedError(
            "is neither a PyTorch file nor a CTranslate2 model", where=name, hint="The file is damaged or misnamed"
        )
    raise UnsupportedError(
        "none of the formats that are read: safetensors, GGUF, PyTorch, ONNX, CTranslate2, .npz",
        where=name,
        hint="mpk-tui files tells what it is and hashes it",
    )


def _looks_like_safetensors(source: Source, start: bytes) -> bool:
    return len(start) > 9 and int.from_bytes(start[:8], "little") <= source.size - 8 and start[8:9] == b"{"


def read(source: Source, file: str, kind: str, siblings: Mapping[str, FileEntry], *, partial: bool = False) -> Part:
    """Read one file's header; of formats with many dialects, one that is not known is no error but not decoded.

    Args:
        source: The open file.
        file: Its path relative to the checkpoint.
        kind: Its format as the folder's names tell; the bytes decide.
        siblings: Files of the checkpoint by path.
        partial: Accept a file that was cut short.

    Raises:
        MpkError: As the format's reader says.
    """
    try:
        return _read(source, file, kind, siblings, partial=partial)
    except UnsupportedError as error:
        if kind in ("safetensors", "gguf"):
            raise  # every file of these that is well-formed is read
        return Part(kind or CONTAINER, (), undecoded=error.diagnosis())


def _read(source: Source, file: str, kind: str, siblings: Mapping[str, FileEntry], *, partial: bool) -> Part:
    kind = recognise(source, file) if kind in ("", "pytorch", CONTAINER) else kind
    if kind == "gguf":
        header = gguf.read_header(source, file, partial=partial)
        return Part(
            kind, header.tensors, _strings(header), header.metadata, (), header.notices, header.lost,
            split=gguf.part_of(header, file),
        )  # fmt: skip
    if kind == "pytorch":
        pickled = pytorch.read_header(source, file)
        return Part(kind, pickled.tensors, notices=tuple(pickled.notices))
    if kind == "onnx":
        graph = onnx.read_header(source, file, siblings)
        return Part(kind, graph.tensors, graph.metadata, {}, graph.derived, graph.notices, external=graph.external)
    if kind == "ctranslate2":
        model = ctranslate2.read_header(source, file)
        return Part(kind, model.tensors, model.metadata, {}, model.derived, model.notices)
    if kind == "npz":
        arrays = npz.read_header(source, file)
        return Part(kind, arrays.tensors, notices=tuple(f"{file}: {n}" for n in arrays.notices))
    if kind == CONTAINER:
        return _contained(source, file, partial=partial)
    plain = safetensors.read_header(source, file, partial=partial)
    return Part("safetensors", plain.tensors, dict(plain.metadata), {}, (), plain.notices, plain.lost)


def _contained(source: Source, file: str, *, partial: bool) -> Part:
    """What an archive holds; the tensors too if one file of weights lies plain in it."""
    found = containers.look(source, file)
    if found is None:
        raise UnsupportedError("is no archive that is known", where=file)
    members = {f"member.{i:05}": f"{m.name[:1000]}, {m.size} bytes" for i, m in enumerate(found.members[:_LISTED], 1)}
    metadata = {"container": found.what, "members": str(len(found.members)), **members}
    empty = Part(CONTAINER, (), metadata)
    if found.reason:
        return replace(empty, undecoded=f"{file} ({found.what}): {found.reason}")
    weights = [m for m in found.members if m.name.endswith(WEIGHTS)]
    if len(weights) != 1:
        known = f"{len(weights)} files of weights" if weights else "no file of weights that is known"
        return replace(
            empty,
            undecoded=f"{file} ({found.what}) has {known} among {len(found.members)} members; unpack it and name one",
        )
    inner = containers.Within(source, weights[0])
    try:
        part = read(inner, weights[0].name, recognise(inner, weights[0].name), {}, partial=partial)
    except MpkError as error:
        return replace(empty, undecoded=f"{file}, member {weights[0].name[:200]!r}: {error.diagnosis()}")
    if part.external or part.undecoded:
        return replace(empty, undecoded=f"{file}: {part.undecoded or 'its tensors lie in further files'}")
    at = weights[0].offset
    tensors = tuple(replace(t, file=file, offset=t.offset + at) for t in part.tensors)
    notice = f"{file}: the weights were read from its member {weights[0].name[:200]!r}"
    return replace(part, tensors=tensors, metadata={**part.metadata, **metadata}, notices=(*part.notices, notice))


def _strings(header: gguf.Header) -> dict[str, str]:
    """Metadata as text, long arrays as their length; the whole is covered by the file's hash."""
    out = {"gguf.version": str(header.version), "gguf.byte_order": "big" if header.big_endian else "little"}
    for key, value in header.metadata.items():
        if isinstance(value, tuple) and len(value) > 16:
            out[key] = f"array of {len(value)}"
        else:
            out[key] = str(value)[:_STRING_METADATA]
    return out
