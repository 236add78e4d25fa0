"""The Kit's database is read from folder, package and wheel, kept, and read back; nothing hostile gets through."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_database import ASSETS, put, write_database

from mpk_tui import canonical
from mpk_tui.cli import main
from mpk_tui.errors import LimitError, MalformedError, MpkError, StorageError, UnsupportedError, UsageError
from mpk_tui.kit import deep, kept, source, telling
from mpk_tui.kit.record import WeightSignals
from mpk_tui.kit.reference import read_database

INSIDE = "provenancekit/data/database/"
INFO = "cisco_ai_provenance_kit-1.0.0.dist-info/METADATA"
BUNDLE = "features/base/by-family/tiny/alpha_features.json"
SHARD = "catalog/by-family/tiny.json"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    write_database(tmp_path / "database")
    return tmp_path / "database"


@pytest.fixture
def site(database: Path, tmp_path: Path) -> Path:
    """An installation: package and its metadata, side by side."""
    shutil.copytree(database, tmp_path / "site" / INSIDE)
    (tmp_path / "site" / INFO).parent.mkdir()
    (tmp_path / "site" / INFO).write_text("Name: x\nVersion: 1.0.0\nLicense: Apache-2.0\n\nVersion: 9\n")
    return tmp_path / "site"


def packed(folder: Path, out: Path, *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(out, "w", method) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return out


def change(database: Path, name: str, edit: Callable[[Any], None]) -> None:
    value = json.loads((database / name).read_text())
    edit(value)
    put(database / name, value)


def taken(path: Path, library: Path) -> kept.Reference:
    return kept.import_database(path, library, who="Ann", at=1_700_000_000_000)


def test_one_database_in_four_forms(database: Path, site: Path, tmp_path: Path) -> None:
    wheel = packed(site, tmp_path / "kit.whl")
    stored = packed(site, tmp_path / "stored.whl", method=zipfile.ZIP_STORED)
    found = [taken(path, tmp_path / "library") for path in (database, site / "provenancekit", site, wheel, stored)]
    assert all(
        (f.content, f.assets, f.families) == (found[0].content, found[0].assets, found[0].families) for f in found
    )
    assert [f.kind for f in found] == ["folder", "package", "package", "wheel", "wheel"]
    assert [(f.version, f.licence) for f in found] == [("", ""), *[("1.0.0", "Apache-2.0")] * 4]
    assert kept.recall(tmp_path / "library") == found[-1]
    assert [a.model_id for a in found[0].assets] == list(ASSETS)
    assert found[0].assets[0].metadata.arch_hash == ASSETS["alpha"][1]["arch_hash"]
    assert found[0].assets[0].tokenizer.special_token_ids == {"pad": None, "unk": 0, "mask": None}
    assert any("3 of 3 files of weight signals are not in this copy" in notice for notice in found[0].notices)


def test_what_is_missing_is_passed_over_and_said(database: Path, tmp_path: Path) -> None:
    (database / BUNDLE).unlink()
    change(database, "catalog/manifest.json", lambda m: m["shards"].append({"family_id": "gone", "shard_path": "a/b"}))
    found = taken(database, tmp_path / "library")
    assert [a.model_id for a in found.assets] == ["alpha-twin", "beta", "omega"]
    assert "the features of alpha__own" in " ".join(found.notices)
    assert "the shard of gone is not there (a/b)" in found.notices


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"mfi": {"vocab_size": NaN}}', "field mfi.vocab_size: a finite number expected, NaN found"),
        ('{"tfv": {"x": [1, -Infinity]}}', "field tfv.x[1]: a finite number expected, -Infinity found"),
        ('{"mfi": {"rope_theta": 1e999}}', "field mfi.rope_theta: a finite number expected, inf found"),
        ('{"mfi": {"bos_token_id": 9223372036854775808}}', "field mfi.bos_token_id: a number of at most 64 bits"),
        ('{"mfi": {"bos_token_id": 1' + "0" * 60 + "}}", "a number of more than 40 digits"),
        ('{"mfi": 1, "mfi": 2}', "the key 'mfi' occurs twice"),
        ("[" * 100_000, "nested deeper than 64"),
        ('{"mfi": ', "not JSON"),
        ("[]", "field (the whole): an object expected, a list found"),
    ],
)
def test_hostile_json_is_refused_by_file_and_field(database: Path, tmp_path: Path, text: str, said: str) -> None:
    (database / BUNDLE).write_text(text)
    with pytest.raises(MalformedError) as caught:
        taken(database, tmp_path / "library")
    assert said in str(caught.value)
    assert BUNDLE in str(caught.value)
    assert kept.recall(tmp_path / "library") is None


def set_mfi(name: str, value: Any) -> Callable[[Any], None]:
    return lambda bundle: bundle["mfi"].__setitem__(name, value)


@pytest.mark.parametrize(
    ("name", "edit", "field"),
    [
        (BUNDLE, set_mfi("hidden_size", True), "mfi.hidden_size"),
        (BUNDLE, set_mfi("hidden_size", "256"), "mfi.hidden_size"),
        (BUNDLE, set_mfi("architectures", None), "mfi.architectures"),
        (BUNDLE, set_mfi("arch_hash", "\ud800"), "mfi.arch_hash"),
        (BUNDLE, set_mfi("model_type", "x" * 5000), "mfi.model_type"),
        (BUNDLE, lambda b: b["mfi"].pop("family_hash"), "mfi.family_hash"),
        (BUNDLE, lambda b: b["tfv"].update(script_distribution=[1]), "tfv.script_distribution"),
        (BUNDLE, lambda b: b["tfv"].update(script_distribution={"Latin": "much"}), "tfv.script_distribution.Latin"),
        (BUNDLE, lambda b: b["signals"].update(nlf_num_layers=-1), "signals.nlf_num_layers"),
        (BUNDLE, lambda b: b["artifact_refs"][0].pop("path"), "artifact_refs[0].path"),
        (SHARD, lambda s: s["assets"][1].pop("model_id"), "assets[1].model_id"),
        (SHARD, lambda s: s["assets"][1].update(asset_id="alpha__own"), "is listed a second time"),
        (SHARD, lambda s: s["assets"][1].update(feature_path="../../secret.json"), "'../../secret.json'"),
        (SHARD, lambda s: s["assets"][1].update(feature_path="/etc/passwd"), "'/etc/passwd'"),
        (SHARD, lambda s: s["assets"][1].update(feature_path="a\\b"), "a relative name"),
        ("catalog/manifest.json", lambda m: m["shards"].append(m["shards"][0]), "is listed a second time"),
    ],
)
def test_a_wrong_field_is_named(
    database: Path, tmp_path: Path, name: str, edit: Callable[[Any], None], field: str
) -> None:
    change(database, name, edit)
    with pytest.raises((MalformedError, LimitError)) as caught:
        taken(database, tmp_path / "library")
    assert field in str(caught.value)


def test_links_are_not_followed(database: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_bytes((database / BUNDLE).read_bytes())
    (database / BUNDLE).unlink()
    os.symlink(tmp_path / "secret.json", database / BUNDLE)
    with pytest.raises(StorageError, match="is a link"):
        taken(database, tmp_path / "library")


@pytest.mark.parametrize("at", ["kit", "kit/deep", "kit/deep/ab"])
def test_nothing_is_written_or_deleted_behind_a_link(database: Path, tmp_path: Path, at: str) -> None:
    victim = tmp_path / "other" / ("ab" if at == "kit/deep" else "deep/ab" if at == "kit" else "") / f"{'ab' * 32}.mpkd"
    victim.parent.mkdir(parents=True)
    victim.write_bytes(b"x")
    link = tmp_path / "library" / at
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "other")
    with pytest.raises(MalformedError, match="is a link"):
        taken(database, tmp_path / "library")
    assert [p for p in (tmp_path / "other").rglob("*") if p.is_file()] == [victim]


def broken_wheels(site: Path, out: Path) -> dict[str, bytes]:
    whole = packed(site, out).read_bytes()
    member = (INSIDE + SHARD).encode()
    at = whole.index(member) - 30  # its local header
    entry = whole.rindex(member) - 46  # its directory entry
    return {
        "cut": whole[:-40],
        "flipped": whole[: at + 30 + len(member) + 20] + b"\xff\xff" + whole[at + 32 + len(member) + 20 :],
        "no local header": whole[:at] + b"XX" + whole[at + 2 :],
        "declares more": whole[: entry + 24] + struct.pack("<I", 1 << 20) + whole[entry + 28 :],
        "declares 4 GiB": whole[: entry + 24] + struct.pack("<I", 0xFFFFFFF0) + whole[entry + 28 :],
        "declares less": whole[: entry + 24] + struct.pack("<I", 10) + whole[entry + 28 :],
        "encrypted": whole[: entry + 8] + b"\x01" + whole[entry + 9 :],
        "another method": whole[: entry + 10] + b"\x0c" + whole[entry + 11 :],
        "no zip": b"no zip at all",
    }


def test_broken_wheels_end_in_a_sentence(site: Path, tmp_path: Path) -> None:
    for what, data in broken_wheels(site, tmp_path / "whole.whl").items():
        (tmp_path / "broken.whl").write_bytes(data)
        with pytest.raises((MalformedError, LimitError, UnsupportedError)) as caught:
            taken(tmp_path / "broken.whl", tmp_path / "library")
        assert "broken.whl" in str(caught.value), what
    assert kept.recall(tmp_path / "library") is None


def test_a_wheel_with_a_name_that_leads_elsewhere_is_refused(site: Path, tmp_path: Path) -> None:
    wheel = packed(site, tmp_path / "kit.whl")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("../outside.py", "x")
    with pytest.raises(MalformedError, match=r"\.\./outside\.py"):
        taken(wheel, tmp_path / "library")
    assert not (tmp_path.parent / "outside.py").exists()


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(INSIDE + "catalog/manifest.json", b" " * (8 << 20))
    (tmp_path / "bomb.whl").write_bytes(data.getvalue())
    with source.open_tree(tmp_path / "bomb.whl") as tree, pytest.raises(LimitError, match="at most 4194304"):
        read_database(tree)


def test_what_is_no_database_says_what_to_name(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="its wheel"):
        taken(tmp_path / "empty", tmp_path / "library")
    with pytest.raises(UsageError, match="library import-mpk"):
        kept.require(tmp_path / "library")


def test_a_later_import_takes_the_place_of_an_earlier_one(database: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    taken(database, library)
    signals = WeightSignals(end_histogram=deep.np.ones(20, dtype="f4"))
    digest = deep.keep(library / "kit" / "deep", deep.encode(signals))
    (library / "kit" / "deep" / "00").mkdir()
    (library / "kit" / "deep" / "00" / "notes.mpkd").write_text("not ours")
    change(database, SHARD, lambda s: s["assets"].pop())
    taken(database, library)
    assert telling.count(library) == 3
    assert not deep.place(library / "kit" / "deep", digest).exists()
    assert (library / "kit" / "deep" / "00" / "notes.mpkd").exists()
    # One that fails leaves what was there.
    (database / BUNDLE).write_text("{")
    with pytest.raises(MalformedError):
        taken(database, library)
    assert telling.count(library) == 3


def test_a_kept_database_is_read_as_a_stranger_s(database: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    made = taken(database, library)
    path = library / "kit" / "reference.mpkr"
    whole = path.read_bytes()
    assert kept.encode(made) == whole
    magic, record = canonical.decode(whole)
    assert magic == "MPKR1"

    def with_record(**changes: Any) -> bytes:
        return canonical.encode(["MPKR1", record | changes])

    asset = record["assets"][0]
    for data in (
        whole[:-1], whole + b"\0", b"", b"\x91\xc0", canonical.encode(["MPKR2", record]),
        with_record(v=[2, 0]), with_record(kind="\x1b[2J"), with_record(content=b"short"), with_record(at=-1),
        with_record(families=[]), with_record(assets=[asset | {"family": 7}]), with_record(assets=[asset, asset]),
        with_record(assets=[asset | {"deep": b"x"}]), with_record(assets=[asset | {"mfi": {}}]),
        with_record(assets=[asset | {"tfv": asset["tfv"] | {"script_distribution": [["a", 0.5], ["a", 0.5]]}}]),
    ):  # fmt: skip
        path.write_bytes(data)
        with pytest.raises(MpkError) as caught:
            kept.recall(library)
        assert "reference.mpkr" in str(caught.value)
    assert telling.count(library) == 0
    assert "cannot be used" in telling.told(library)


def test_kept_weight_signals_are_read_as_a_stranger_s(tmp_path: Path) -> None:
    summary = {"nlf_mode": "stats", "nlf_num_layers": 2}
    np = deep.np
    given = WeightSignals(
        eas_self_sim=np.eye(3, dtype="f4"), lep_profile=np.arange(4, dtype="f4"),
        wvc_layer_sigs={0: np.ones(2, "f4"), 7: np.zeros(1, "f4")},
    )  # fmt: skip
    data = deep.encode(given)
    found = deep.read(tmp_path, deep.keep(tmp_path, data), summary)
    assert found.eas_self_sim is not None
    assert found.wvc_layer_sigs is not None
    assert found.eas_self_sim.tolist() == np.eye(3).tolist()
    assert (found.nlf_vector, found.end_histogram, found.nlf_mode, found.nlf_num_layers) == (None, None, "stats", 2)
    assert {n: v.tolist() for n, v in found.wvc_layer_sigs.items()} == {0: [1, 1], 7: [0]}
    fields = canonical.decode(data)[1]
    nan = np.array([np.nan], "<f4").tobytes()
    for wrong in (
        ["MPKD2", fields], ["MPKD1", {}], ["MPKD1", fields | {"eas": bytes(20)}], ["MPKD1", fields | {"nlf": bytes(3)}],
        ["MPKD1", fields | {"end": nan}], ["MPKD1", fields | {"wvc": [[0, bytes(4)], [0, bytes(4)]]}],
        ["MPKD1", fields | {"wvc": [[0, None]]}], ["MPKD1", fields | {"wvc": 1}],
    ):  # fmt: skip
        with pytest.raises((MalformedError, UnsupportedError)):
            deep.read(tmp_path, deep.keep(tmp_path, canonical.encode(wrong)), summary)
    path = deep.place(tmp_path, deep.keep(tmp_path, data))
    path.write_bytes(data[:-1] + b"\xc0")
    with pytest.raises(MalformedError, match="SHA-256"):
        deep.read(tmp_path, bytes.fromhex(path.stem), summary)


def test_the_command_says_what_it_took_and_that_it_decides_nothing(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = str(tmp_path / "library")
    change(site / INSIDE, SHARD, lambda s: s["family"].update(display_name="\x1b]0;x\x07"))
    assert main(["library", "import-mpk", str(site), "--library", library, "--who", "Ann"]) == 0
    printed = capsys.readouterr()
    assert "assets     4, 0 with weight signals" in printed.out
    assert "They decide nothing here" in printed.err
    assert main(["library", "list", "--library", library]) == 0
    assert "4 leads from the database of Cisco's Model Provenance Kit 1.0.0" in capsys.readouterr().err
    assert main(["library", "import-mpk", str(site), "--library", library, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["database"]["assets"] == 4
    assert main(["library", "import-mpk", str(tmp_path / "nothing"), "--library", library]) == 40
