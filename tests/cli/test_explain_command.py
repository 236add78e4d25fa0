"""`mpk-tui explain` from the outside: a file, a pipe, a case's file, two models; and what it refuses."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import mpk_tui.demo
from mpk_tui import canonical
from mpk_tui.cli import main
from mpk_tui.errors import ExitCode

DEMO = Path(mpk_tui.demo.__file__).parent
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of the demo's base and a copy of it, as the command prints it."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copytree(DEMO / "base", folder / "copy")
    done = subprocess.run(
        [sys.executable, "-m", "mpk_tui", "compare", str(DEMO / "base"), str(folder / "copy"), "--json"],
        capture_output=True, check=True,
    )  # fmt: skip
    (folder / "record.json").write_bytes(done.stdout)
    return folder / "record.json"


def test_a_record_a_pipe_a_case_file_and_two_models_give_one_page(
    compared: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["explain", str(compared)]) == ExitCode.OK
    page = capsys.readouterr().out
    assert "WHAT WAS FOUND: identical" in page
    assert "“copy”" in page
    kept = compared.with_suffix(".mpkc")
    kept.write_bytes(canonical.encode(json.loads(compared.read_bytes())))
    assert main(["explain", str(kept)]) == ExitCode.OK
    assert capsys.readouterr().out == page
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(compared.read_bytes())))
    assert main(["explain", "-"]) == ExitCode.OK
    assert capsys.readouterr().out == page
    assert main(["explain", str(DEMO / "base"), str(compared.parent / "copy")]) == ExitCode.OK
    assert capsys.readouterr().out == page


def test_two_models_are_compared_first(capsys: Capture) -> None:
    assert main(["explain", str(DEMO / "base"), str(DEMO / "twin")]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert "WHAT WAS FOUND: no correspondence found" in out
    assert err == ""
    assert len(out.splitlines()) <= 70


def test_what_is_no_record_has_the_exit_code_of_its_fault(compared: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty.json").write_bytes(b"")
    (tmp_path / "later.json").write_text('{"schema": "mpk-tui/compare/7"}')
    record = json.loads(compared.read_bytes())
    (tmp_path / "unknown.json").write_text(json.dumps({**record, "finding": "brand-new"}))
    with open(tmp_path / "huge.json", "wb") as f:
        os.truncate(f.fileno(), 33 << 20)
    for argument, code in (
        (tmp_path / "empty.json", ExitCode.MALFORMED),
        (DEMO / "base" / "config.json", ExitCode.MALFORMED),
        (DEMO / "base" / "model.safetensors", ExitCode.MALFORMED),
        (tmp_path / "later.json", ExitCode.UNSUPPORTED),
        (tmp_path / "unknown.json", ExitCode.UNSUPPORTED),
        (tmp_path / "huge.json", ExitCode.LIMIT),
        (tmp_path / "missing.json", ExitCode.INTERNAL),
        (DEMO / "base", ExitCode.USAGE),
    ):
        assert main(["explain", str(argument)]) == code, argument
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("mpk-tui explain: ")
        assert err.count("\n") == 1


def test_a_record_is_explained_without_numpy(compared: Path) -> None:
    code = (
        "import sys; from mpk_tui.cli import main; main(['explain', sys.argv[1]]); "
        "print([m for m in ('numpy', 'gguf', 'textual', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(compared)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
