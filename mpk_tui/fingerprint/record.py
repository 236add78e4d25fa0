"""The fingerprint record and its file: canonical msgpack, the same bytes on every run.  Standard library only.

A fingerprint file (``.mpkf``) is one canonical value, the array ``["MPKF1", record]``.  It holds no time, no path of
the machine and no name of a person: two runs over the same bytes with the same version give the same file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mpk_tui import canonical, hashtree
from mpk_tui.errors import LimitError, MalformedError, StorageError, UnsupportedError
from mpk_tui.files import write_file
from mpk_tui.fingerprint.hashing import FileHash, TensorHash, tensor_root

MAGIC = "MPKF1"
SUFFIX = ".mpkf"
VERSION = (1, 0)
MAX_BYTES = 256 << 20
"""A fingerprint file larger than this is refused before it is read."""
MOST_DIMENSIONS = 64
"""Of a tensor or a feature; the product of a million numbers takes hours, and a file of 9 MB can state them."""


@dataclass(frozen=True)
class Feature:
    """An array that a lineage test runs on.

    Attributes:
        id: What it is, e.g. ``ffn.aligned``.
        version: Of the algorithm; tests refuse to mix versions.
        params: Everything that was chosen: units, seed, projection, layers.
        dtype: NumPy type string, little endian, e.g. ``<f2``.
        shape: Of the array.
        data: Its bytes, row-major.
    """

    id: str
    version: int
    params: Mapping[str, Any]
    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class Fingerprint:
    """What is known of a checkpoint once it has been read.

    Attributes:
        tool: Name and version of what made it.
        format: ``safetensors``, ``gguf`` or ``pytorch``.
        family: Row of the architecture table.
        scope: ``transformer-lm`` or what it is instead.
        files: Every entry below the root with its SHA-256.
        tensors: Every tensor with the SHA-256 of its raw bytes.
        config: Facts of the configuration (claims of the file, never evidence of origin).
        tokenizer: Facts of the vocabulary.
        metadata: Header metadata by file.
        features: Arrays for lineage tests, by id.
        notices: What was odd.
    """

    tool: str
    format: str
    family: str
    scope: str
    files: tuple[FileHash, ...]
    tensors: tuple[TensorHash, ...]
    config: Mapping[str, Any]
    tokenizer: Mapping[str, Any]
    metadata: Mapping[str, Mapping[str, str]]
    features: Mapping[str, Feature]
    notices: tuple[str, ...]

    @cached_property
    def root(self) -> bytes:
        """Root of the tensor tree: the identity of the weights, whatever files they lie in."""
        return tensor_root(self.tensors)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the canonical file: the identity of this record."""
        return hashtree.sha256(self.to_bytes())

    @property
    def missing(self) -> tuple[str, ...]:
        """What is known to be missing of the checkpoint, as sentences; empty for whole evidence."""
        stated = self.config.get("missing", ())
        lacking = tuple(map(str, stated)) if isinstance(stated, list | tuple) else ()
        return (*lacking, f"the weights were not decoded: {self.undecoded}") if self.undecoded else lacking

    @property
    def undecoded(self) -> str:
        """Why no tensors were read although there are files, or empty."""
        return str(self.config.get("undecoded", ""))

    @property
    def parameters(self) -> int:
        """Number of elements of the model's weights: of the stored tensors, or what is computed from them."""
        computed = self.config.get("parameters")
        if isinstance(computed, int) and not isinstance(computed, bool) and computed >= 0:
            return computed
        total = 0
        for t in self.tensors:
            n = 1
            for d in t.shape:
                n *= d
            total += n
        return total

    def to_bytes(self) -> bytes:
        """Canonical bytes of the file."""
        record = {
            "v": list(VERSION),
            "tool": self.tool,
            "format": self.format,
            "family": self.family,
            "scope": self.scope,
            "files": [
                [_path(f.path), f.kind, f.size, f.sha256, _path(f.link), f.link_class] for f in self.files
            ],
            "tensors": [[t.name, t.dtype, list(t.shape), t.nbytes, t.sha256] for t in self.tensors],
            "root": self.root,
            "config": _spelled(dict(self.config)),
            "tokenizer": _spelled(dict(self.tokenizer)),
            "metadata": _spelled(
                [[file, sorted([k, v] for k, v in m.items())] for file, m in sorted(self.metadata.items())]
            ),
            "features": [
                {"id": f.id, "version": f.version, "params": dict(f.params), "dtype": f.dtype,
                 "shape": list(f.shape), "data": f.data}
                for _, f in sorted(self.features.items())
            ],
            "notices": _spelled(list(self.notices)),
        }  # fmt: skip
        return canonical.encode([MAGIC, record])

    @staticmethod
    def from_bytes(data: bytes, *, where: str = "fingerprint") -> Fingerprint:
        """Read canonical bytes back.

        Raises:
            MalformedError: Not a fingerprint, or a field of the wrong type.
            UnsupportedError: Written by a newer major version.
            LimitError: A shape of more than `MOST_DIMENSIONS`, or more than `mpk_tui.canonical.Limits` allow.
        """
        value = canonical.decode(data, where=where)
        if not (isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)):
            raise MalformedError(
                "not a fingerprint file", where=where, hint="Make one with: mpk-tui fingerprint PATH -o FILE"
            )
        if value[0] != MAGIC:
            if value[0].startswith("MPKF"):
                raise UnsupportedError(
                    f"a fingerprint of a newer kind ({value[0]!r})", where=where, hint="Use a newer mpk-tui"
                )
            raise MalformedError(f"not a fingerprint file ({value[0]!r})", where=where)
        found = _decode(value[1], where)
        vars(found)["digest"] = hashtree.sha256(data)  # canonical: `to_bytes` would write these very bytes
        return found

    def summary(self, *, brief: bool = False) -> dict[str, Any]:
        """The JSON object of ``mpk-tui fingerprint --json`` (schema ``mpk-tui/fingerprint/1``)."""
        out: dict[str, Any] = {
            "schema": "mpk-tui/fingerprint/1",
            "tool": self.tool,
            "fingerprint": self.digest.hex(),
            "format": self.format,
            "family": self.family,
            "scope": self.scope,
            "parameters": self.parameters,
            "root": self.root.hex(),
            "tensor_count": len(self.tensors),
            "config": dict(self.config),
            "tokenizer": {k: v.hex() if isinstance(v, bytes) else v for k, v in self.tokenizer.items()},
            "metadata": {file: dict(m) for file, m in self.metadata.items()},
            "files": [
                {"path": f.path, "kind": f.kind, "size": f.size, "sha256": f.sha256.hex() if f.sha256 else None,
                 "link": f.link, "link_class": f.link_class}
                for f in self.files
            ],
            "features": [
                {"id": f.id, "version": f.version, "params": dict(f.params), "dtype": f.dtype,
                 "shape": list(f.shape), "sha256": hashtree.sha256(f.data).hex()}
                for _, f in sorted(self.features.items())
            ],
            "notices": list(self.notices),
        }  # fmt: skip
        if not brief:
            out["tensors"] = [
                {"name": t.name, "dtype": t.dtype, "shape": list(t.shape), "bytes": t.nbytes, "sha256": t.sha256.hex()}
                for t in self.tensors
            ]
        return out


def read(path: Path) -> Fingerprint:
    """Read a fingerprint file.

    Raises:
        StorageError: It cannot be read.
        LimitError: It is larger than `MAX_BYTES`.
        MalformedError: It is not a canonical fingerprint.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as f:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise StorageError("is not a regular file", where=str(path))
            if facts.st_size > MAX_BYTES:
                raise LimitError(f"{facts.st_size} bytes; a fingerprint has at most {MAX_BYTES}", where=str(path))
            data = f.read(MAX_BYTES + 1)
    except OSError as error:
        raise StorageError(f"cannot be read ({error.strerror})", where=str(path)) from None
    return Fingerprint.from_bytes(data, where=str(path))


def write(path: Path, fingerprint: Fingerprint) -> None:
    """Write a fingerprint file, whole or not at all."""
    write_file(path, fingerprint.to_bytes())


def looks_like_fingerprint(path: Path) -> bool:
    """Whether a file starts like one (the name does not matter)."""
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as f:
            return f.read(6) == b"\x92\xa5MPKF"
    except OSError:
        return False


def _path(path: str | None) -> str | bytes | None:
    """Paths are UTF-8 text; one that is not travels as bytes."""
    if path is None:
        return None
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return path.encode("utf-8", "surrogateescape")
    return path


def _spelled(value: Any) -> Any:
    """Facts and sentences as UTF-8 can hold them: halves of surrogates, as file names have them, in letters."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {k: _spelled(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled(v) for v in value]
    return value


def _text(path: str | bytes | None) -> str | None:
    return path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path


def _decode(record: Any, where: str) -> Fingerprint:
    def bad(field: str, expected: str) -> MalformedError:
        return MalformedError(f"field {field!r} is not {expected}", where=where)

    def row(field: str, value: Any, *kinds: Any) -> list[Any]:
        if not isinstance(value, list) or len(value) != len(kinds):
            raise bad(field, f"a row of {len(kinds)}")
        for item, kind in zip(value, kinds, strict=True):
            if not isinstance(item, kind) or (isinstance(item, bool) and kind is not bool):
                raise bad(field, "of the expected types")
        return value

    def take(field: str, kind: type) -> Any:
        if field not in record:
            raise bad(field, "there")
        if not isinstance(record[field], kind):
            raise bad(field, f"a {kind.__name__}")
        return record[field]

    def digest(field: str, value: Any) -> bytes:
        if not isinstance(value, bytes) or len(value) != 32:
            raise bad(field, "a SHA-256 of 32 bytes")
        return value

    def shape(field: str, value: list[Any]) -> tuple[int, ...]:
        if any(not isinstance(d, int) or isinstance(d, bool) or d < 0 for d in value):
            raise bad(field, "a list of dimensions")
        if len(value) > MOST_DIMENSIONS:
            raise LimitError(f"{len(value)} dimensions in {field!r} (at most {MOST_DIMENSIONS})", where=where)
        return tuple(value)

    if not isinstance(record, dict):
        raise bad("record", "a map")
    version = row("v", take("v", list), int, int)
    if version[0] != VERSION[0]:
        raise UnsupportedError(f"fingerprint version {version}", where=where, hint="Use a newer mpk-tui")
    none = type(None)
    files, tensors = [], []
    for value in take("files", list):
        p, kind, size, sha, link, link_class = row(
            "files", value, (str, bytes), str, int, (bytes, none), (str, bytes, none), (str, none)
        )
        name = _text(p)
        assert name is not None
        files.append(FileHash(name, kind, size, None if sha is None else digest("files", sha), _text(link), link_class))
    for value in take("tensors", list):
        name, dtype, dims, nbytes, sha = row("tensors", value, str, str, list, int, bytes)
        tensors.append(TensorHash(name, dtype, shape("tensors", dims), nbytes, digest("tensors", sha)))
    metadata: dict[str, dict[str, str]] = {}
    for value in take("metadata", list):
        file, pairs = row("metadata", value, str, list)
        metadata[file] = dict(row("metadata", pair, str, str) for pair in pairs)
    features: dict[str, Feature] = {}
    for value in take("features", list):
        if not isinstance(value, dict):
            raise bad("features", "a map")
        fid, fversion, params, dtype, dims, data = row(
            "features",
            [value.get(k) for k in ("id", "version", "params", "dtype", "shape", "data")],
            str, int, dict, str, list, bytes,
        )  # fmt: skip
        items = 1
        for d in shape("features", dims):
            items *= d
        width = {"<f2": 2, "<f4": 4, "<f8": 8, "<i4": 4, "<i8": 8}.get(dtype)
        if width is None or items * width != len(data):
            raise bad("features", "an array whose bytes fit its shape")
        features[fid] = Feature(fid, fversion, params, dtype, tuple(dims), data)
    out = Fingerprint(
        take("tool", str), take("format", str), take("family", str), take("scope", str),
        tuple(files), tuple(tensors), take("config", dict), take("tokenizer", dict), metadata, features,
        tuple(row("notices", take("notices", list), *([str] * len(record["notices"])))),
    )  # fmt: skip
    if digest("root", take("root", bytes)) != out.root:
        raise MalformedError(
            "the tensor root does not follow from the tensors", where=where, hint="The file was altered"
        )
    return out
