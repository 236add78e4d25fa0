"""What a library holds byte for byte of a model: files, tensors, all of its tensors.  Look-ups in indexes.

Equal bytes speak only where they could not be equal by chance or convention.  A tensor counts by the rule of
`mpk_tui.lineage.identity`; where a fingerprint stands for the model its values are not at hand, and constants are told
by their digests.  A file counts if it holds weights; an equal vocabulary is context.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from mpk_tui.fingerprint.hashing import FileHash, TensorHash
from mpk_tui.library.catalogue import Catalogue
from mpk_tui.lineage.identity import tells
from mpk_tui.lineage.sides import Side


def _bf16(x: float) -> bytes:
    """The nearest of the upper halves of single precision, ties to even."""
    bits = int.from_bytes(struct.pack("<f", x), "little")
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).to_bytes(2, "little")


WEIGHTS = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".npz", ".onnx", ".h5", ".msgpack", ".data")
"""Endings of files that hold weights.  Any file of `LARGE` bytes counts as one."""
LARGE = 16 << 20
"""Bytes; vocabularies are smaller, or their equality is told as context."""
_FILLED = (-1.0, 0.5, 2.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, -1e4, -1e9, -math.inf)
_MOST_FILLED = 1 << 20
_CONSTANTS = {
    "F64": (b"\0" * 8, b"\0\0\0\0\0\0\xf0\x3f"),
    "F32": (b"\0" * 4, b"\0\0\x80\x3f"),
    "F16": (b"\0\0", b"\x00\x3c"),
    "BF16": (b"\0\0", b"\x80\x3f"),
    "I64": (b"\0" * 8,),
    "I32": (b"\0" * 4,),
    "I8": (b"\0",),
    "U8": (b"\0", b"\1"),
    "F8_E4M3": (b"\0", b"\x38"),
    "F8_E5M2": (b"\0", b"\x3c"),
    "BOOL": (b"\0", b"\1"),
}
"""Zero and one, little endian, by type."""
_SMALL_CONSTANTS: dict[str, tuple[bytes, ...]] = {
    "F64": tuple(struct.pack("<d", x) for x in _FILLED),
    "F32": tuple(struct.pack("<f", x) for x in _FILLED),
    "F16": tuple(struct.pack("<e", x) for x in _FILLED if abs(x) < 6e4 or math.isinf(x)),
    "BF16": tuple(_bf16(x) for x in _FILLED),
    "I64": (b"\xff" * 8, b"\1" + b"\0" * 7),
    "I32": (b"\xff" * 4, b"\1\0\0\0", b"\x77" * 4, b"\x88" * 4, b"\x7f" * 4, b"\x80" * 4),
}
"""What else is filled in before training or by a quantiser, by type; looked at up to `_MOST_FILLED` bytes."""
_POSITIONS = re.compile(
    r"position|(^|[._])(wpe|pos_emb|pos_embed|embed_pos)|freqs_cis|sinusoid|alibi|inv_freq|(cos|sin)_cached"
    r"|(^|[._])(causal|attn|attention|padding)_?mask|(^|[._])(tril|triu|mask|g_idx|qzeros|zero_points?)\Z"
)
"""Names of tables of positions and masks, which are often computed, and of what quantisers write by rule (the group of
every row and the zero points of GPTQ); roles are known for a checkpoint only."""
_MOST_WITHDRAWN = 50
"""Revoked entries that are named at most."""
_MOST_CONSTANT = 16 << 20
"""Bytes of a tensor that is held against constants; larger ones are taken to be trained."""


@dataclass(frozen=True)
class SameFile:
    """One file that both hold.

    Attributes:
        entry: Number of the entry.
        path: In the model that is asked about.
        theirs: In the entry.
        sha256: Of both.
        weights: It holds weights.
    """

    entry: int
    path: str
    theirs: str
    sha256: bytes
    weights: bool


@dataclass(frozen=True)
class Exact:
    """What is equal byte for byte.

    Attributes:
        root: Entries with the same tensors under the same names.
        files: Files that an entry holds, too.
        tensors: By entry, the number of telling tensors of the model that it holds, too.
        telling: Number of distinct telling tensors of the model.
        digests: Their digests.
    """

    root: tuple[int, ...]
    files: tuple[SameFile, ...]
    tensors: Mapping[int, int]
    telling: int
    digests: frozenset[bytes]

    def as_record(self, names: Mapping[int, str]) -> dict[str, Any]:
        """The ``exact`` object of a scan record; entries without a name here are left out."""
        return {
            "files": [
                {"entry": f.entry, "name": names[f.entry], "path": _text(f.path), "theirs": _text(f.theirs),
                 "sha256": f.sha256.hex(), "weights": f.weights}
                for f in self.files if f.entry in names
            ],
            "tensors": [
                {"entry": n, "name": names[n], "equal": equal, "of": self.telling}
                for n, equal in sorted(self.tensors.items(), key=lambda x: (-x[1], x[0])) if n in names
            ],
            "root": [n for n in self.root if n in names],
        }  # fmt: skip


def look_up(catalogue: Catalogue, side: Side) -> Exact:
    """Everything that is equal byte for byte; milliseconds whatever the size of the library.

    Args:
        catalogue: The library.
        side: The model that is asked about.
    """
    fp = side.fingerprint
    root = tuple(e.id for e in catalogue.by_root(fp.root)) if fp.tensors else ()
    ours = {f.sha256: f for f in fp.files if f.sha256 is not None}
    files = [
        SameFile(entry, ours[sha].path, path, sha, _holds_weights(ours[sha]))
        for entry, found in catalogue.by_files(ours).items()
        for path, sha in found
        if sha in ours
    ]
    candidates = {t.sha256: t for t in fp.tensors if _named(t)}
    equal = catalogue.by_tensors(candidates)
    if equal:
        # Only where something is equal at all are constants made, and values read.
        candidates = {d: t for d, t in candidates.items() if not _constant(t) and tells(t, side.weights)}
        equal = catalogue.by_tensors(candidates)
    return Exact(root, tuple(files), equal, len(candidates), frozenset(candidates))


def withdrawn(catalogue: Catalogue, side: Side) -> list[tuple[str, str]]:
    """Revoked entries that a model is byte for byte: the name of each and what must be said; nothing is compared.

    Args:
        catalogue: The library.
        side: The model that is asked about.
    """
    fp = side.fingerprint
    same = [e for e in catalogue.by_root(fp.root, revoked=True) if e.revoked] if fp.tensors else []
    out = {e.id: (e.name, f"its tensors are those of the revoked entry {e.name} ({e.revoked})") for e in same}
    ours = {f.sha256: f.path for f in fp.files if f.sha256 is not None and _holds_weights(f)}
    shown = catalogue.by_files(ours).keys()
    others = {i: found for i, found in catalogue.by_files(ours, revoked=True).items() if i not in shown}
    for number, found in list(others.items())[:_MOST_WITHDRAWN]:
        for e in catalogue.revoked(number):
            paths = ", ".join(sorted({_text(ours[sha]) for _, sha in found if sha in ours})[:3])
            out.setdefault(e.id, (e.name, f"its file {paths} is one of the revoked entry {e.name} ({e.revoked})"))
    return list(out.values())[:_MOST_WITHDRAWN]


def telling(side: Side) -> list[TensorHash]:
    """Tensors of a model whose bytes in another model would say something: no small ones, no constants, no tables."""
    return [t for t in side.fingerprint.tensors if _named(t) and not _constant(t) and tells(t, side.weights)]


def shared(exact: Exact, tensors: Iterable[TensorHash]) -> frozenset[bytes]:
    """Digests of telling tensors of the model that are among these."""
    return exact.digests & {t.sha256 for t in tensors}


def _holds_weights(file: FileHash) -> bool:
    return file.size >= LARGE or file.path.lower().endswith(WEIGHTS)


def _named(tensor: TensorHash) -> bool:
    """Large enough, and by its name nothing that code or a quantiser writes by rule."""
    return tells(tensor) and not _POSITIONS.search(tensor.name)


def _constant(tensor: TensorHash) -> bool:
    """All elements one value that is filled in by rule: equal in models that have nothing in common."""
    if tensor.nbytes > _MOST_CONSTANT:
        return False
    return tensor.sha256 in _constant_digests(tensor.dtype, tensor.nbytes)


@cache
def _constant_digests(dtype: str, nbytes: int) -> frozenset[bytes]:
    out = set()
    small = _SMALL_CONSTANTS.get(dtype, ()) if nbytes <= _MOST_FILLED else ()
    for element in (*_CONSTANTS.get(dtype, ()), *small):
        whole, rest = divmod(nbytes, len(element))
        if not rest:
            out.add(hashlib.sha256(element * whole).digest())
    return frozenset(out)


def _text(path: str) -> str:
    """A path as UTF-8 can hold it: what is not UTF-8 in letters."""
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode("utf-8")
