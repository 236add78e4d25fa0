"""Weight signals of one asset of the Kit's database, in a file of ours named by its SHA-256.

A file (``.mpkd``) is one canonical value, ``["MPKD1", {"eas", "end", "lep", "nlf", "wvc"}]``; arrays are little-endian
float32, as in the Kit's database, and null stands for a signal that it does not have.  All assets of version 1.0.0
together hold 181 million numbers, 0.7 GB: a scan reads the files of those assets only that pass its first filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mpk_tui import canonical, hashtree
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import LimitError, MalformedError, UnsupportedError
from mpk_tui.files import write_file
from mpk_tui.kit.record import Vector, WeightSignals

MAGIC = "MPKD1"
SUFFIX = ".mpkd"
MAX_BYTES = 256 << 20
"""Of one file; the largest asset of version 1.0.0 has 22 MB."""
MAX_ANCHORS = 4_096
MAX_LAYERS = 4_096
_SINGLE = ("end", "lep", "nlf")
_HINT = "Import the database again: mpk-tui library import-mpk PATH"


def encode(signals: WeightSignals) -> bytes:
    """The bytes of a file.

    Raises:
        LimitError: It would be larger than is read back.
    """

    def data(vector: Vector | None) -> bytes | None:
        return None if vector is None else np.ascontiguousarray(vector, dtype="<f4").tobytes()

    layers = signals.wvc_layer_sigs
    made = canonical.encode(
        [MAGIC, {
            "eas": data(signals.eas_self_sim), "nlf": data(signals.nlf_vector), "lep": data(signals.lep_profile),
            "end": data(signals.end_histogram),
            "wvc": None if layers is None else [[n, data(layers[n])] for n in sorted(layers)],
        }]
    )  # fmt: skip
    if len(made) > MAX_BYTES:
        raise LimitError(f"weight signals of {len(made)} bytes (at most {MAX_BYTES})")
    return made


def keep(folder: Path, data: bytes) -> bytes:
    """Write a file below a folder unless it is there; its SHA-256.

    Raises:
        StorageError: It cannot be written.
    """
    digest = hashtree.sha256(data)
    path = place(folder, digest)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data)
    return digest


def place(folder: Path, digest: bytes) -> Path:
    """Where a file lies below a folder."""
    return folder / digest.hex()[:2] / f"{digest.hex()}{SUFFIX}"


def read(folder: Path, digest: bytes, summary: Mapping[str, Any]) -> WeightSignals:
    """The signals of an asset.

    Args:
        folder: Where such files lie.
        digest: SHA-256 of the file.
        summary: Of the asset: how its norms were taken.

    Raises:
        MalformedError: It is not the file of that digest, or does not follow the format.
        StorageError: It cannot be read.
    """
    path = place(folder, digest)
    data = read_small(path, MAX_BYTES)
    where = str(path)
    if hashtree.sha256(data) != digest:
        raise MalformedError("its bytes are not those that its name is the SHA-256 of", where=where, hint=_HINT)
    value = canonical.decode(data, where=where)
    if not isinstance(value, list) or len(value) != 2 or value[0] != MAGIC:
        raise UnsupportedError(f"no file of weight signals ({MAGIC} expected)", where=where, hint=_HINT)
    fields = value[1]
    if not isinstance(fields, dict) or sorted(fields) != ["eas", *_SINGLE, "wvc"]:
        raise MalformedError("the fields eas, end, lep, nlf and wvc expected", where=where, hint=_HINT)
    eas = _vector(fields["eas"], where, "eas")
    if eas is not None:
        side = round(len(eas) ** 0.5)
        if side * side != len(eas) or side > MAX_ANCHORS:
            raise MalformedError(f"a square expected, {len(eas)} numbers found", where=f"{where}, field eas")
        eas = eas.reshape(side, side)
    end, lep, nlf = (_vector(fields[name], where, name) for name in _SINGLE)
    return WeightSignals(
        eas_self_sim=eas, nlf_vector=nlf, nlf_mode=summary["nlf_mode"], nlf_num_layers=summary["nlf_num_layers"],
        lep_profile=lep, end_histogram=end, wvc_layer_sigs=_layers(fields["wvc"], where),
    )  # fmt: skip


def _layers(value: Any, where: str) -> dict[int, Vector] | None:
    if value is None:
        return None
    out: dict[int, Vector] = {}
    for n, pair in enumerate(value if isinstance(value, list) else [None]):
        field = f"wvc[{n}]"
        if not isinstance(pair, list) or len(pair) != 2 or type(pair[0]) is not int or pair[0] in out:
            raise MalformedError("pairs of a layer and its numbers expected", where=f"{where}, field {field}")
        found = _vector(pair[1], where, field)
        if found is None or len(out) == MAX_LAYERS:
            raise MalformedError(f"numbers of at most {MAX_LAYERS} layers expected", where=f"{where}, field {field}")
        out[pair[0]] = found
    return out


def _vector(value: Any, where: str, field: str) -> Vector | None:
    if value is None:
        return None
    if not isinstance(value, bytes) or len(value) % 4:
        raise MalformedError("float32 numbers expected", where=f"{where}, field {field}", hint=_HINT)
    found = np.frombuffer(value, dtype="<f4")
    if not np.isfinite(found).all():
        raise MalformedError("a number that is not finite", where=f"{where}, field {field}", hint=_HINT)
    return found
