"""The front door: dispatch, usage, interruption, a reader that goes away."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mpk_tui import __version__
from mpk_tui.cli import COMMANDS, main
from mpk_tui.errors import ExitCode


def start(*arguments: str, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "mpk_tui", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert err == ""
    assert all(f"  {name} " in out for name in COMMANDS)
    assert "130 interrupted" in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out == f"mpk-tui {__version__}\n"


@pytest.mark.parametrize("arguments", [["verify", "a", "--\x1b[31m\n"], ["bundle", "show", "a", "b\x9b2J"]])
def test_what_is_not_understood_is_repeated_escaped(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == ExitCode.USAGE
    err = capsys.readouterr().err
    assert "unrecognized arguments" in err
    assert not {"\x1b", "\x9b"} & set(err)


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["no-such-command"], ["-x", "compare"]])
def test_what_cannot_be_understood_is_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "--help" in err


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: mpk-tui {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_an_unknown_option_of_a_command_is_usage(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--no-such-option"])
    assert ended.value.code == ExitCode.USAGE
    assert capsys.readouterr().out == ""


def test_options_cannot_be_abbreviated(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fingerprint", "--js", "x"])
    assert ended.value.code == ExitCode.USAGE


def test_an_error_is_one_clean_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = tmp_path / "evil\x1b[2J\nname.safetensors"
    name.write_bytes(b"\x00")
    assert main(["fingerprint", str(name)]) == ExitCode.MALFORMED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "\x1b" not in err
    assert "\\x1b" in err


def reads(pid: int, path: Path) -> bool:
    """Whether a process has a file open; what it does about signals is settled long before."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(descriptor) == str(path):
                return True
    return False


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interruption_unwinds_and_says_so(signum: signal.Signals, tmp_path: Path) -> None:
    # A command that waits: reading a FIFO that nobody writes would be refused, so the process waits in a long hash.
    big = tmp_path / "big.safetensors"
    header = b'{"w":{"dtype":"U8","shape":[8000000000],"data_offsets":[0,8000000000]}}'
    with big.open("wb") as f:
        f.write(len(header).to_bytes(8, "little") + header)
        f.truncate(8 + len(header) + 8_000_000_000)  # sparse: takes no room on the disk
    process = start("fingerprint", str(big), "-o", str(tmp_path / "out.mpkf"))
    while not reads(process.pid, big):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()[1]
    process.send_signal(signum)
    out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert out == b""
    assert b"nothing was written" in err
    assert b"Traceback" not in err
    assert os.listdir(tmp_path) == ["big.safetensors"]


def test_a_reader_that_goes_away_is_not_success(tmp_path: Path) -> None:
    one = tmp_path / "one.safetensors"
    header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    one.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [sys.executable, "-m", "mpk_tui", "fingerprint", "--json", str(one)], stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    _, err = process.communicate(timeout=120)
    assert process.returncode == ExitCode.INTERNAL
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
