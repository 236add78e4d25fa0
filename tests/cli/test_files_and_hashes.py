"""The commands as a script meets them: JSON after its schema, exit codes, pipes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mpk_tui.cli import main
from mpk_tui.errors import ExitCode

SCHEMAS = Path(__file__).parent.parent.parent / "schemas"


def printed(capsys: pytest.CaptureFixture[str], code: int, *args: str | Path) -> dict[str, Any]:
    capsys.readouterr()
    assert main([str(a) for a in args]) == code
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    name = value["schema"].removeprefix("mpk-tui/").replace("/", "-") + ".json"
    jsonschema.validate(value, json.loads((SCHEMAS / name).read_text()), cls=jsonschema.Draft202012Validator)
    return value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "m"
    root.mkdir()
    (root / "config.json").write_text('{"auto_map": {"AutoModel": "x--m.M"}}')
    (root / "generation_config.json").write_text('{"top_p": 0.9}')
    (root / "chat_template.jinja").write_text("{{ m }}")
    (root / "README.md").write_text("---\nbase_model: a/b\n---\n")
    (root / "w.safetensors").write_bytes(b"x")
    return root


def test_files(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, 0, "files", folder, "--json")
    assert found["claims"] == [{"file": "README.md", "field": "base_model", "value": "a/b"}]
    assert found["references"][0]["repository"] == "x"
    other = tmp_path / "o"
    other.mkdir()
    (other / "chat_template.jinja").write_text("{{ n }}")
    found = printed(capsys, 0, "files", folder, other, "--json")
    assert found["changed"][0]["diff"][-2:] == ["-{{ m }}", "+{{ n }}"]
    assert main(["files", str(tmp_path / "none")]) == ExitCode.INTERNAL


@pytest.mark.parametrize("format", ["sha256sums", "hashdeep"])
def test_made_lists_check_out(folder: Path, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    listed = folder / "LIST"  # within the folder: it lists itself neither when it is made nor when it is checked
    assert main(["hashes", "make", str(folder), "-o", str(listed), "--format", format]) == 0
    assert main(["hashes", "make", str(folder), "-o", str(listed), "--format", format]) == 0
    found = printed(capsys, 0, "hashes", "check", folder, listed, "--json")
    assert found["agrees"] is True
    assert (found["lists"][0]["matches"], found["lists"][0]["not_listed"]) == (5, 0)
    (folder / "w.safetensors").write_bytes(b"y")
    (folder / "README.md").unlink()
    found = printed(capsys, ExitCode.MISMATCH, "hashes", "check", folder, listed, "--json")
    assert (found["lists"][0]["differs"], found["lists"][0]["missing"]) == (1, 1)
    assert main(["hashes", "check", str(folder), str(listed)]) == ExitCode.MISMATCH
    out = capsys.readouterr().out
    assert f"differs  line {5 if format == 'sha256sums' else 7}  w.safetensors" in out
    assert hashlib.sha256(b"y").hexdigest() in out


def test_missing_files_and_lone_files(folder: Path, tmp_path: Path) -> None:
    good, listed = hashlib.sha256(b"x").hexdigest(), tmp_path / "L"
    listed.write_text(f"{good}  w.safetensors\n{'0' * 64}  gone\n")
    assert main(["hashes", "check", str(folder), str(listed)]) == ExitCode.MISMATCH
    assert main(["hashes", "check", str(folder), str(listed), "--ignore-missing"]) == 0
    assert main(["hashes", "check", str(folder / "w.safetensors"), str(listed)]) == 0
    assert main(["hashes", "check", str(folder / "README.md"), str(listed)]) == ExitCode.MISMATCH
    listed.write_text("nonsense\n")
    assert main(["hashes", "check", str(folder), str(listed)]) == ExitCode.MALFORMED


def test_a_pipe_gets_what_sha256sum_reads(folder: Path, tmp_path: Path) -> None:
    (folder / "a\nb").write_bytes(b"line")
    out = subprocess.run(
        [sys.executable, "-m", "mpk_tui", "hashes", "make", str(folder)], check=True, capture_output=True
    ).stdout
    assert b"\\" + hashlib.sha256(b"line").hexdigest().encode() + b"  a\\nb\n" in out
    (tmp_path / "L").write_bytes(out)
    assert main(["hashes", "check", str(folder), str(tmp_path / "L")]) == 0
