"""An endorsement from words to bytes: what a kind asks for, keys of both suites, and what does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import workshop as w

from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.suites import ED25519, ML_DSA_65
from mpk_tui.errors import KeyFileError, MalformedError, StorageError, UsageError
from mpk_tui.keys import private
from mpk_tui.keys.endorsing import GIVEN, Statement, data_for, endorsed, file_signer, suite_of_bundle
from mpk_tui.keys.passphrase import Passphrase

SECRET = Passphrase(b"correct horse battery")
SAID = Statement("concur", "Bo", text="As I see it.")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    private.create(tmp_path / "bo.pem", SECRET)
    return tmp_path / "bo.pem"


def made(said: Statement, key: Path, base: Envelope | None = None) -> tuple[bytes, bytes]:
    data = (base or w.sealed()).to_bytes()
    signer = file_signer([key], suite_of_bundle(data), SECRET)
    return data, endorsed(said, w.check(data), data, w.NOW, signer)


@pytest.mark.parametrize("kind", GIVEN)
def test_every_kind_that_a_person_gives(kind: str, key: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"0\x80")
    said = replace(SAID, kind=kind, token=tmp_path / "token" if kind == "timestamp" else None)
    before, after = made(said, key)
    outcome = w.check(after)
    assert (outcome.verdict, outcome.bundle_id) == ("VALID", w.check(before).bundle_id)
    assert [(e.kind, e.id, e.role, e.statement) for e in outcome.endorsements] == [(kind, "Bo", "reviewer", SAID.text)]
    if kind == "receipt":
        assert "VALID 0 of the file" in outcome.endorsements[0].detail


def test_a_redaction_is_not_given_like_this() -> None:
    assert "redaction" not in GIVEN


def test_it_can_be_limited_to_sections(key: Path) -> None:
    _, after = made(replace(SAID, reviewed=("log", "findings", "log")), key)
    assert w.check(after).endorsements[0].detail == "about findings, log only"
    with pytest.raises(UsageError, match="does not list"):
        made(replace(SAID, reviewed=("none",)), key)
    with pytest.raises(UsageError, match="names no sections"):
        made(replace(SAID, kind="receipt", reviewed=("log",)), key)


def test_a_token_belongs_to_a_timestamp(tmp_path: Path) -> None:
    data = w.sealed().to_bytes()
    outcome = w.check(data)
    (tmp_path / "empty").write_bytes(b"")
    for kind, name, error in (
        ("timestamp", None, UsageError),
        ("concur", "empty", UsageError),
        ("timestamp", "empty", MalformedError),
        ("timestamp", "missing", StorageError),
    ):
        token = tmp_path / name if name else None
        with pytest.raises(error):
            data_for(replace(SAID, kind=kind, token=token), outcome, data, w.NOW)


def test_keys_are_those_of_the_bundle_s_suite(tmp_path: Path, key: Path) -> None:
    private.create(tmp_path / "two.pem", SECRET, suite="s2")
    assert [k.alg for k in file_signer([tmp_path / "two.pem"], "s2", SECRET).keys] == [ED25519, ML_DSA_65]
    assert [k.alg for k in file_signer([tmp_path / "two.pem"], "s1", SECRET).keys] == [ED25519]
    with pytest.raises(KeyFileError):
        file_signer([key], "s1", Passphrase(b"wrong"))
    with pytest.raises(StorageError):
        file_signer([tmp_path / "none.pem"], "s1", SECRET)
    data = w.sealed().to_bytes()
    with pytest.raises(UsageError, match="suite s1"):
        endorsed(SAID, w.check(data), data, w.NOW, file_signer([tmp_path / "two.pem"], "s2", SECRET))
