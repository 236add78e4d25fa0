"""A case becomes a bundle: complete, as journalled, numbered, and verified by what a receiver has."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from test_recheck import random_tensors, write_folder

from mpk_tui import canonical
from mpk_tui.bundle import dsse, envelope, manifest
from mpk_tui.case import create_case, open_case
from mpk_tui.case.actions import (
    accept_proposals,
    add_evidence,
    compare_pair,
    note,
    set_rationale,
)
from mpk_tui.case.artifacts import add_artifact, fingerprint_artifact
from mpk_tui.cli import main
from mpk_tui.errors import ExitCode
from mpk_tui.keys import private
from mpk_tui.keys.passphrase import Passphrase

SECRET = b"correct horse"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "anna.pem"
    private.create(path, Passphrase(SECRET))
    return path


def given(secret: bytes = SECRET) -> str:
    """A descriptor that holds the passphrase."""
    read, write = os.pipe()
    os.write(write, secret + b"\n")
    os.close(write)
    return str(read)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case that waits for nothing: a copy and a stranger."""
    folder = tmp_path / "case"
    tensors = random_tensors("subject")
    with create_case(folder, id="C-1", title="Copy?", examiner="Anna", exhibit="EX-7") as c:
        add_artifact(c, write_folder(tmp_path / "s", tensors, 2), role="subject", label="suspect")
        add_artifact(c, write_folder(tmp_path / "r", tensors), role="reference", label="reference")
        for a in ("S1", "R1"):
            fingerprint_artifact(c, a)
        compare_pair(c)
        accept_proposals(c)
        set_rationale(c, "S1:R1", "All tensors are equal.")
        note(c, "Sealed envelope kept.")
        (tmp_path / "letter.txt").write_text("We copied it.")
        add_evidence(c, "S1:R1", kind="a", source="letter", file=tmp_path / "letter.txt", supports=("c4",))
    return folder


def build(case: Path, out: Path, *more: str) -> int:
    return main(["bundle", "build", str(case), "-o", str(out), *more])


def verified(path: Path, key: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    capsys.readouterr()
    main(["verify", str(path), "--key", str(private.public_path(key)), "--json", *more])
    record = json.loads(capsys.readouterr().out)
    assert isinstance(record, dict)
    return record


def test_from_case_to_valid(case: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.mpkb"
    assert build(case, out, "--key", str(key), "--passphrase-fd", given()) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "S1:R1: linked" in shown
    made = envelope.parse(out.read_bytes())
    assert dsse.bundle_id(made.payload).hex() in shown
    record = verified(out, key, capsys, "--checkpoint", str(tmp_path / "s"), "--checkpoint", str(tmp_path / "r"))
    assert record["verdict"] == "VALID"
    assert [p["recomputed"]["label"] for p in record["pairs"]] == ["linked"]
    assert [c["result"] for c in record["checkpoint"]] == ["match", "match"]
    body = manifest.parse(made.payload)
    assert (body.case.id, body.case.exhibit, body.seq, body.prev) == ("C-1", "EX-7", 0, None)
    assert {s.id for s in body.sections} >= {"doc.0", "docs", "notes", "locations.S1", "features.R1", "log"}
    # No path of this machine anywhere; no host name in what everybody can read even after redaction.
    for private_thing in (str(tmp_path), str(key)):
        assert private_thing.encode() not in out.read_bytes()
    assert os.uname().nodename.encode() not in made.payload


def test_the_journal_is_the_log(case: Path, key: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.mpkb"
    build(case, out, "--key", str(key), "--passphrase-fd", given())
    made = envelope.parse(out.read_bytes())
    rows = canonical.decode(next(b.data for b in made.blobs if b.id == "log"))
    with open_case(case, read_only=True) as c:
        raw = [e.raw for e in c.entries]
    assert [canonical.encode(r) for r in rows] == raw[:-1]
    assert rows[-1]["act"] == "export"
    assert rows[-1]["params"]["seq"] == 0
    last = canonical.decode(raw[-1])
    assert (last["act"], last["obj"]) == ("bundle", dsse.bundle_id(made.payload))


def test_the_next_bundle_names_the_one_before(
    case: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.mpkb", "b.mpkb"):
        assert build(case, tmp_path / name, "--key", str(key), "--passphrase-fd", given()) == ExitCode.OK
    first = envelope.parse((tmp_path / "a.mpkb").read_bytes())
    second = manifest.parse(envelope.parse((tmp_path / "b.mpkb").read_bytes()).payload)
    assert (second.seq, second.prev) == (1, dsse.bundle_id(first.payload))
    assert verified(tmp_path / "b.mpkb", key, capsys)["verdict"] == "VALID"


def test_an_incomplete_case_is_refused_and_untouched(
    tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with create_case(tmp_path / "c", id="C", title="T", examiner="A"):
        pass
    before = (tmp_path / "c" / "journal.mpkj").read_bytes()
    out = tmp_path / "x.mpkb"
    assert build(tmp_path / "c", out, "--key", str(key), "--passphrase-fd", given()) == ExitCode.INCOMPLETE
    assert "There is no subject" in capsys.readouterr().err
    assert not out.exists()
    assert (tmp_path / "c" / "journal.mpkj").read_bytes() == before


def test_a_wrong_passphrase_leaves_nothing(
    case: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (case / "journal.mpkj").read_bytes()
    out = tmp_path / "x.mpkb"
    assert build(case, out, "--key", str(key), "--passphrase-fd", given(b"battery staple")) == ExitCode.INTERNAL
    err = capsys.readouterr().err
    assert "passphrase is wrong" in err
    assert "battery" not in err
    assert not out.exists()
    assert (case / "journal.mpkj").read_bytes() == before


def test_a_bundle_is_never_overwritten(case: Path, key: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.mpkb"
    out.write_bytes(b"precious")
    assert build(case, out, "--key", str(key), "--passphrase-fd", given()) == ExitCode.INTERNAL
    assert out.read_bytes() == b"precious"


def test_a_changed_file_of_the_case_stops_the_build(case: Path, key: Path, tmp_path: Path) -> None:
    stored = case / "fingerprints" / "S1.mpkf"
    data = stored.read_bytes()
    stored.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    out = tmp_path / "x.mpkb"
    assert build(case, out, "--key", str(key), "--passphrase-fd", given()) == ExitCode.MALFORMED
    assert not out.exists()


def test_two_people_sign_on_two_machines(
    case: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bert = tmp_path / "bert.pem"
    private.create(bert, Passphrase(b"b"))
    out = tmp_path / "x.mpkb"
    declared = [f"Anna:analyst:{private.public_path(key)}", f"Bert:reviewer:{private.public_path(bert)}"]
    assert build(case, out, "--signer", declared[0], "--signer", declared[1]) == ExitCode.OK
    assert "waiting  for Bert" in capsys.readouterr().out
    assert verified(out, key, capsys)["verdict"] == "MALFORMED"  # nobody has signed
    assert main(["bundle", "sign", str(out), "--key", str(key), "--passphrase-fd", given()]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "verdict: linked" in shown
    assert verified(out, key, capsys)["verdict"] == "ALTERED"  # a declared signature is missing
    assert main(["bundle", "sign", str(out), "--key", str(bert), "--passphrase-fd", given(b"b")]) == ExitCode.OK
    assert verified(out, key, capsys)["verdict"] == "VALID"
    assert main(["bundle", "sign", str(out), "--key", str(bert), "--passphrase-fd", given(b"b")]) == ExitCode.USAGE
    stranger = tmp_path / "s.pem"
    private.create(stranger, Passphrase(b"s"))
    assert main(["bundle", "sign", str(out), "--key", str(stranger), "--passphrase-fd", given(b"s")]) == ExitCode.USAGE


def test_what_would_not_verify_is_not_signed(case: Path, key: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.mpkb"
    build(case, out, "--signer", f"Anna:analyst:{private.public_path(key)}")
    data = bytearray(out.read_bytes())
    at = data.index(b"All tensors are equal.")
    data[at] ^= 1
    out.write_bytes(data)
    assert main(["bundle", "sign", str(out), "--key", str(key), "--passphrase-fd", given()]) == ExitCode.MALFORMED
    assert out.read_bytes() == bytes(data)


def test_show_prints_all_of_it(case: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.mpkb"
    build(case, out, "--key", str(key), "--passphrase-fd", given())
    capsys.readouterr()
    public = str(private.public_path(key))
    assert main(["bundle", "show", str(out), "--key", public]) == ExitCode.OK
    text = capsys.readouterr().out
    for expected in (
        "answer   S1:R1 C4: met",
        "Sealed envelope kept.",
        "document doc.0",
        "model.safetensors",
        "export",
    ):
        assert expected in text
    assert text.strip().endswith("VERDICT VALID 0")
    assert main(["bundle", "show", str(out), "--key", public, "--json"]) == ExitCode.OK
    record = json.loads(capsys.readouterr().out)
    assert record["verify"]["verdict"] == "VALID"
    assert record["sections"]["norm"]["version"] == "1.0.0"
