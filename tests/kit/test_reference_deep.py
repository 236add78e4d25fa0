"""Weight signals of the Kit's database come from parquet files, read by pyarrow in a process of its own.

Skipped where pyarrow (the extra ``kit``) is not installed; what then is said is tested all the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_database import ASSETS, Signals, rows, write_database

from mpk_tui.errors import LimitError, MalformedError
from mpk_tui.kit import kept, parquet

COLUMNS = ("signal", "layer", "row", "col", "value")
NAMES = ("eas_self_sim", "nlf_vector", "lep_profile", "end_histogram", "wvc_layer_sigs")


def test_without_pyarrow_it_is_said_what_was_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_database(tmp_path / "database", lambda path, _: path.write_bytes(b"PAR1") and None)
    monkeypatch.setattr(parquet, "available", lambda: False)
    found = kept.import_database(tmp_path / "database", tmp_path / "library", who="Ann", at=1)
    assert found.deep == 0
    assert [n for n in found.notices if "3 files of weight signals were left out" in n and "mpk-tui[kit]" in n]


def table(cells: list[tuple[Any, ...]], **types: Any) -> Any:
    pa = pytest.importorskip("pyarrow", reason="the extra kit is not installed")
    kinds = {"signal": pa.string(), "layer": pa.int32(), "row": pa.int32(), "col": pa.int32(), "value": pa.float32()}
    kinds |= types
    columns = zip(*cells, strict=True) if cells else [[] for _ in COLUMNS]
    return pa.table({n: pa.array(list(c), kinds[n]) for n, c in zip(COLUMNS, columns, strict=True)})


def as_bytes(made: Any) -> bytes:
    pq = pytest.importorskip("pyarrow.parquet")
    pa = pytest.importorskip("pyarrow")
    out = pa.BufferOutputStream()
    pq.write_table(made, out, row_group_size=500)
    return bytes(out.getvalue())


def same(found: Any, given: Signals) -> bool:
    plain = all(np.array_equal(getattr(found, n), given[n]) for n in NAMES[:4])
    layers = found.wvc_layer_sigs
    return plain and all(np.array_equal(layers[n], v) for n, v in given["wvc_layer_sigs"].items())


def test_every_number_arrives_whatever_the_order_of_rows(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra kit is not installed")

    def write(path: Path, weights: Signals) -> None:
        cells = rows(weights)
        path.write_bytes(as_bytes(table(cells[::-1] if "beta" in path.name else cells)))

    write_database(tmp_path / "database", write)
    library = tmp_path / "library"
    found = kept.import_database(tmp_path / "database", library, who="Ann", at=1)
    assert found.deep == 3
    assert not found.notices
    for asset in found.assets:
        given, got = ASSETS[asset.model_id][3], kept.signals(library, asset)
        assert (got is None) == (given is None)
        assert given is None or (same(got, given) and got is not None and got.nlf_num_layers == given["nlf_num_layers"])
    # The same weights twice are one file.
    assert len(list((library / "kit" / "deep").rglob("*.mpkd"))) == 2
    # A broken file ends the import and leaves the earlier one.
    (tmp_path / "database" / found.assets[0].deep_path).write_bytes(b"PAR1 broken PAR1")
    with pytest.raises(MalformedError, match=r"alpha_deep-signals\.parquet"):
        kept.import_database(tmp_path / "database", library, who="Ann", at=2)
    assert kept.recall(library) == found


def test_what_pandas_makes_of_missing_places_is_understood() -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra kit is not installed")
    cells = [
        ("lep_profile", None, 1, None, 2.0),
        ("lep_profile", None, 0, None, 1.0),
        ("eas_self_sim", None, 1, None, 3.0),
    ]
    floats = table([(s, np.nan, r, np.nan, v) for s, _, r, _, v in cells], layer=pa.float64(), col=pa.float64())
    for made in (table(cells), floats, table(cells, layer=pa.null(), col=pa.null(), value=pa.float64())):
        found = parquet.read(as_bytes(made), "x")
        assert found is not None
        assert found.lep_profile is not None
        assert found.eas_self_sim is not None
        assert found.lep_profile.tolist() == [1, 2]
        assert found.eas_self_sim.tolist() == [[0, 0], [3, 0]]
    assert parquet.read(as_bytes(table([("wsp_signature", None, 0, None, 1.0)])), "x") is None
    assert parquet.read(as_bytes(table([])), "x") is None


def test_hostile_parquet_is_refused_by_column() -> None:
    pa = pytest.importorskip("pyarrow", reason="the extra kit is not installed")
    one = ("nlf_vector", None, 0, None, 1.0)
    for made, said in (
        (table([(*one[:4], float("nan"))]), "column value"),
        (table([(*one[:4], 1e300)], value=pa.float64()), "column value"),
        (table([(*one[:4], None)]), "column value"),
        (table([("nlf_vector", None, -2, None, 1.0)]), "column row"),
        (table([("nlf_vector", None, None, None, 1.0)]), "column row"),
        (table([("nlf_vector", None, 1 << 40, None, 1.0)], row=pa.int64()), "column row"),
        (table([("nlf_vector", None, 0.5, None, 1.0)], row=pa.float64()), "column row"),
        (table([("eas_self_sim", None, 5000, 0, 1.0)]), "column col"),
        (table([("eas_self_sim", None, 0, 3, 1.0)]), "column col"),
        (table([one]).drop_columns("layer"), "column layer"),
        (table([one]).append_column("row", pa.array([0])), "column row"),
        (table([(1, *one[1:])], signal=pa.int32()), "column signal"),
        (table([(str(n), *one[1:]) for n in range(300)]), "column signal"),
        (table([("wvc_layer_sigs", n, 0, None, 1.0) for n in range(5000)]), "column layer"),
    ):
        with pytest.raises((MalformedError, LimitError)) as caught:
            parquet.read(as_bytes(made), "file.parquet")
        assert f"file.parquet, {said}" in str(caught.value)
    whole = as_bytes(table([one] * 400))
    for data in (b"", whole[:-9], whole[: len(whole) // 2], b"PAR1" + bytes(40) + b"PAR1"):
        with pytest.raises(MalformedError):
            parquet.read(data, "file.parquet")
    for at in range(4, len(whole), 7):  # whatever a flipped byte does, it is one of our errors or numbers
        flipped = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        try:
            parquet.read(flipped, "file.parquet")
        except (MalformedError, LimitError):
            continue
