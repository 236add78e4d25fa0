"""The Kit's deep-signal parquet files, read with pyarrow (optional) in a process of its own.

Format: the README of the database in cisco-ai-provenance-kit 1.0.0: one number a row in the columns ``signal``,
``layer``, ``row``, ``col``, ``value``; how rows become arrays: its ``services/database.py``, ``load_deep_signals``
(the matrix is as large as its largest row says, vectors lie in the order of ``row``).  A decoder in C++ over a
stranger's bytes may break; it takes no more with it than its process.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpk_tui import canonical, hashtree
from mpk_tui.apart import run_apart
from mpk_tui.errors import LimitError, MalformedError, UnsupportedError
from mpk_tui.kit import deep
from mpk_tui.kit.record import Vector, WeightSignals
from mpk_tui.kit.source import open_tree
from mpk_tui.progress import CancelToken, Meter, Report

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

COLUMNS = ("signal", "layer", "row", "col", "value")
EAS, WVC = "eas_self_sim", "wvc_layer_sigs"
VECTORS = {"nlf": "nlf_vector", "lep": "lep_profile", "end": "end_histogram"}
MAX_BYTES = 256 << 20
MAX_ROWS = 32_000_000
"""Numbers of one file; the largest of version 1.0.0 holds 5.5 million by the database's own summary."""
MAX_DECODED = 2 << 30
MEMORY = 12 << 30
"""Bytes of address space of the other process; pyarrow reserves more than it uses."""
_MAX_SIGNALS = 256
_MOST = (1 << 31) - 1
"""The format's layers, rows and columns are int32."""
_TASK = "mpk_tui.kit.parquet:convert"
_HINT = "Nothing was imported; without this file the database is imported without the asset's weight signals"


def available() -> bool:
    """Whether pyarrow is installed."""
    return importlib.util.find_spec("pyarrow") is not None


def convert_apart(
    path: Path, folder: Path, files: list[tuple[str, str]], report: Report, cancel: CancelToken
) -> list[tuple[bytes, bool]]:
    """Read parquet files of a database and keep each as a file of ours.

    Args:
        path: The database, as a person named it.
        folder: Where our files go.
        files: Name and stated checksum of each.
        report: Progress by file.
        cancel: Stops the other process.

    Returns:
        For each: the SHA-256 of our file (empty: it holds no signal that is compared), and whether the file's bytes
        are those of the stated checksum.

    Raises:
        MpkError: One cannot be read; nothing of it was kept.
    """
    request = canonical.encode([os.fsencode(path.absolute()), os.fsencode(folder.absolute()), [list(f) for f in files]])
    answer = canonical.decode(run_apart(_TASK, request, report, cancel), where="the process that read parquet files")
    found = [(digest, same) for digest, same in answer]
    if len(found) != len(files) or any(not isinstance(d, bytes) or len(d) not in (0, 32) for d, _ in found):
        raise MalformedError("an answer for each parquet file expected", where=str(path))
    return found


def convert(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    """What the other process does; see `convert_apart`."""
    _confine()
    path, folder, files = canonical.decode(request, where="request")
    made: list[list[Any]] = []
    meter = Meter(report, "reading weight signals", len(files), unit="steps")
    with open_tree(Path(os.fsdecode(path))) as tree:
        for name, checksum in files:
            cancel.check()
            data = tree.read(name, MAX_BYTES)
            signals = read(data, f"{tree.where}, {name}")
            kept = b"" if signals is None else deep.keep(Path(os.fsdecode(folder)), deep.encode(signals))
            made.append([kept, not checksum or checksum == f"sha256:{hashtree.sha256(data).hex()}"])
            meter.add(1, name.rsplit("/", 1)[-1])
    return canonical.encode(made)


def _confine() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def read(data: bytes, where: str) -> WeightSignals | None:
    """The weight signals of one parquet file, without what a bundle's summary says of them; None if it has none.

    Raises:
        MalformedError: No parquet file of these columns; the column is named.
        LimitError: More numbers than are accepted.
        UnsupportedError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet as pq
    except ImportError:
        raise UnsupportedError("a parquet file needs pyarrow", where=where, hint="pip install 'mpk-tui[kit]'") from None
    try:
        with pq.ParquetFile(pa.BufferReader(data), read_dictionary=["signal"]) as file:
            facts = file.metadata
            decoded = sum(facts.row_group(n).total_byte_size for n in range(facts.num_row_groups))
            if facts.num_rows > MAX_ROWS or decoded > MAX_DECODED:
                raise LimitError(
                    f"{facts.num_rows} numbers in {decoded} bytes (at most {MAX_ROWS} in {MAX_DECODED})", where=where
                )
            missing = [c for c in COLUMNS if file.schema_arrow.names.count(c) != 1]
            if missing:
                raise MalformedError("the column once expected", where=f"{where}, column {missing[0]}", hint=_HINT)
            table = file.read(columns=list(COLUMNS), use_threads=False).unify_dictionaries()
        return _signals(table, where)
    except MemoryError:
        raise LimitError("needs more memory than there is", where=where, hint=_HINT) from None
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        first = str(error).split("\n", 1)[0]
        raise MalformedError(f"no parquet file that can be read ({first[:200]})", where=where, hint=_HINT) from None


def _signals(table: Any, where: str) -> WeightSignals | None:
    import numpy as np
    import pyarrow as pa

    signal = table.column("signal").combine_chunks()
    if isinstance(signal, pa.ChunkedArray):  # an empty column keeps its chunks
        signal = signal.chunk(0) if signal.num_chunks else pa.array([], pa.string())
    if not pa.types.is_dictionary(signal.type):
        signal = signal.dictionary_encode()
    if not pa.types.is_string(signal.type.value_type) and not pa.types.is_large_string(signal.type.value_type):
        raise MalformedError("text expected", where=f"{where}, column signal", hint=_HINT)
    if len(signal.dictionary) > _MAX_SIGNALS:
        raise LimitError(f"{len(signal.dictionary)} signals (at most {_MAX_SIGNALS})", where=f"{where}, column signal")
    names = signal.dictionary.to_pylist()
    of = signal.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    layer, row, col = (_whole(table.column(c), where, c) for c in ("layer", "row", "col"))
    value = _values(table.column("value"), where)

    def rows_of(name: str) -> npt.NDArray[np.int64]:
        which = [n for n, known in enumerate(names) if known == name]
        found = np.flatnonzero(of == which[0]) if which else np.empty(0, dtype=np.int64)
        if len(found) and row[found].min() < 0:
            raise MalformedError("a row of each number expected", where=f"{where}, column row, {name}", hint=_HINT)
        return found

    def vector(name: str) -> Vector | None:
        found = rows_of(name)
        made: Vector = value[found[np.argsort(row[found], kind="stable")]]
        return made if len(found) else None

    eas = None
    if len(found := rows_of(EAS)):
        side = int(row[found].max()) + 1
        columns = np.where(col[found] < 0, 0, col[found])
        if side > deep.MAX_ANCHORS or int(columns.max()) >= side:
            raise MalformedError(
                f"a square of at most {deep.MAX_ANCHORS} anchors expected", where=f"{where}, column col, {EAS}",
                hint=_HINT,
            )  # fmt: skip
        eas = np.zeros((side, side), dtype=np.float32)
        eas[row[found], columns] = value[found]
    wvc: dict[int, Vector] | None = None
    if len(found := rows_of(WVC)):
        wvc = {}
        found = found[layer[found] >= 0]
        place = layer[found] << 32 | row[found]
        if (np.diff(place) < 0).any():
            found = found[np.argsort(place, kind="stable")]
        starts = np.flatnonzero(np.diff(layer[found], prepend=-1))
        if len(starts) > deep.MAX_LAYERS:
            raise LimitError(f"{len(starts)} layers (at most {deep.MAX_LAYERS})", where=f"{where}, column layer")
        for start, stop in zip(starts, [*starts[1:], len(found)], strict=True):
            wvc[int(layer[found[start]])] = value[found[start:stop]]
    vectors = {name: vector(theirs) for name, theirs in VECTORS.items()}
    if eas is None and wvc is None and not any(v is not None for v in vectors.values()):
        return None
    return WeightSignals(
        eas_self_sim=eas, nlf_vector=vectors["nlf"], lep_profile=vectors["lep"], end_histogram=vectors["end"],
        wvc_layer_sigs=wvc,
    )  # fmt: skip


def _whole(column: Any, where: str, name: str) -> npt.NDArray[np.int64]:
    """Whole numbers; -1 for none, which pandas writes as a missing value or as NaN."""
    import numpy as np
    import pyarrow as pa

    place = f"{where}, column {name}"
    if pa.types.is_null(column.type):
        return np.full(len(column), -1, dtype=np.int64)
    if pa.types.is_integer(column.type):
        found = column.fill_null(-1).to_numpy()
        if len(found) and not -1 <= int(found.min()) <= int(found.max()) <= _MOST:
            raise MalformedError("whole numbers from 0 on expected", where=place, hint=_HINT)
        return np.asarray(found, dtype=np.int64)
    if not pa.types.is_floating(column.type):
        raise MalformedError(f"whole numbers expected, {column.type} found", where=place, hint=_HINT)
    floats = column.fill_null(-1).to_numpy().astype(np.float64)
    floats[np.isnan(floats)] = -1
    if (np.abs(floats) > _MOST).any() or (floats != np.floor(floats)).any() or (floats < -1).any():
        raise MalformedError("whole numbers from 0 on expected", where=place, hint=_HINT)
    made: npt.NDArray[np.int64] = floats.astype(np.int64)
    return made


def _values(column: Any, where: str) -> npt.NDArray[np.float32]:
    import numpy as np
    import pyarrow as pa

    place = f"{where}, column value"
    if not pa.types.is_floating(column.type):
        raise MalformedError(f"numbers expected, {column.type} found", where=place, hint=_HINT)
    with np.errstate(over="ignore"):
        found = np.asarray(column.to_numpy(), dtype=np.float32)
    odd = np.flatnonzero(~np.isfinite(found))
    if column.null_count or len(odd):
        at = f", number {int(odd[0])}" if len(odd) else ""
        raise MalformedError("a finite number in float32 expected", where=place + at, hint=_HINT)
    return found
