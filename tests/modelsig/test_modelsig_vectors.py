"""Signatures that others made: release 1.0.0 of model-signing, by key and by certificate, and the specification's vectors."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mpk_tui.cli import main
from mpk_tui.errors import ExitCode


@pytest.fixture
def made(vectors: Path) -> Path:
    folder = vectors / "model-signing"
    if not folder.is_dir():
        pytest.skip(f"{vectors} has no folder model-signing")
    return folder


def command(*args: str | Path) -> int:
    return main(["model-sig", *(str(a) for a in args)])


def test_release_1_0_0_by_certificate(made: Path) -> None:
    model, keys = made / "v1.0.0-certificate", made / "keys" / "certificate"
    within = datetime.now(UTC) < datetime(2035, 4, 30, 23, tzinfo=UTC)  # the period of all three certificates
    expected = ExitCode.OK if within else ExitCode.EXPIRED
    assert command(model, "--ca", keys / "ca-cert.pem") == expected
    assert command(model, "--ca", keys / "int-ca-cert.pem") == expected
    assert command(model, "--key", keys / "signing-key-pub.pem") == ExitCode.OK
    assert command(model) == ExitCode.UNTRUSTED


def test_release_1_0_0_by_key(made: Path) -> None:
    model, key = made / "v1.0.0-elliptic-key", made / "keys" / "certificate" / "signing-key-pub.pem"
    assert command(model / "signme-1", "--key", key) == ExitCode.OK
    assert command(model, "--key", key) == ExitCode.USAGE  # one file was signed, without its name
    assert (
        command(model / "signme-1", "--key", key, "--sig", made / "v1.0.0-certificate" / "model.sig")
        == ExitCode.MISMATCH
    )


def test_the_specifications_vectors(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = made / "keys" / "certificate" / "signing-key-pub.pem"
    model = tmp_path / "m"
    model.mkdir()
    (model / "signme-1").write_bytes((made / "v1.0.0-elliptic-key" / "signme-1").read_bytes())
    (model / "signme-2").write_bytes((made / "v1.0.0-certificate" / "signme-2").read_bytes())
    (model / "ignore-me").write_text("x")
    valid = made / "spec-v1.0" / "valid" / "key.bundle.json"
    assert command(model, "--sig", valid, "--key", key) == ExitCode.OK
    assert "extra     ignore-me" in capsys.readouterr().out
    (model / "signme-3").write_text("x")
    assert command(model, "--sig", valid, "--key", key) == ExitCode.MISMATCH
    for broken in sorted((made / "spec-v1.0" / "invalid").iterdir()):
        assert command(model, "--sig", broken, "--key", key) == ExitCode.MALFORMED
