"""What the demo leaves behind can be checked by somebody else, with the public key and nothing of the case."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from demo_run import Ran

from mpk_tui.cli import main
from mpk_tui.demo import run
from mpk_tui.demo.seal import KEY, PASSPHRASE
from mpk_tui.errors import ExitCode
from mpk_tui.keys import private
from mpk_tui.keys.passphrase import Passphrase


def verify(ran: Ran, *more: str) -> int:
    key = private.public_path(ran.out / run.KEYS / KEY)
    return main(["verify", str(ran.out / run.BUNDLE), "--key", str(key), *more])


def test_the_bundle_is_valid_and_says_so_on_the_last_line(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(ran) == ExitCode.OK
    assert capsys.readouterr().out.splitlines()[-1] == "VERDICT VALID 0"


def test_the_verification_that_was_left_behind_is_the_one_that_was_printed(ran: Ran) -> None:
    record = json.loads((ran.out / run.VERIFICATION).read_text())
    assert (record["schema"], record["verdict"], record["code"]) == ("mpk-tui/verify/1", "VALID", 0)
    assert {c["artifact"] for c in record["checkpoint"]} == {"S1", "R1", "R2"}
    assert "VERDICT VALID 0" in ran.text
    assert "VERDICT ALTERED 20" in ran.text


def test_a_changed_checkpoint_does_not_match(ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ran.out / run.COPIES / "fine-tune", copy)
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert verify(ran, "--checkpoint", str(copy)) == ExitCode.MISMATCH
    assert "VERDICT MISMATCH 21" in capsys.readouterr().out


def test_the_key_can_be_used_with_the_word_that_was_printed(ran: Ran) -> None:
    assert repr(PASSPHRASE) in ran.text
    path = ran.out / run.KEYS / KEY
    assert private.needs_passphrase(path)
    key = private.load(path, Passphrase(PASSPHRASE.encode()))
    assert key.public.verifies(key.sign(b"message"), b"message")


def test_without_a_trusted_key_nothing_is_believed(ran: Ran, tmp_path: Path) -> None:
    private.create(tmp_path / "other.pem", Passphrase(b"another"))
    key = private.public_path(tmp_path / "other.pem")
    assert main(["verify", str(ran.out / run.BUNDLE), "--key", str(key)]) == ExitCode.UNTRUSTED
