"""What lies beside the weights: listed, hashed, diffed; never run, never followed."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
from pathlib import Path

import pytest
from counted import within

from mpk_tui.checkpoint.folder import list_folder
from mpk_tui.checkpoint.side_diff import MAX_COMPARED, MAX_DIFF, difference, text_diff
from mpk_tui.checkpoint.side_files import Survey, card_claims, list_path, survey
from mpk_tui.cli import main
from mpk_tui.errors import StorageError

TEMPLATE = "{% for m in messages %}{{ m.content }}{% endfor %}"


def gguf(template: str) -> bytes:
    """A GGUF of one metadata entry and no tensors."""

    def text(s: str) -> bytes:
        return struct.pack("<Q", len(s.encode())) + s.encode()

    return (
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("tokenizer.chat_template") + struct.pack("<I", 8) + text(template)
    )


def looked(root: Path, *, weights: bool = False) -> Survey:
    return survey(list_folder(root), root, weights=weights)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "a"
    root.mkdir()
    files: dict[str, bytes | str] = {
        "modeling_x.py": f"open({str(tmp_path / 'ran')!r}, 'w')\n", "model.safetensors": b"\0" * 32,
        "config.json": json.dumps({"auto_map": {
            "AutoModel": "modeling_x.Model", "AutoConfig": "gone.Config", "AutoTokenizer": ["own/er--tok.Slow", None],
        }}),
        "tokenizer_config.json": json.dumps({"chat_template": TEMPLATE}),
        "chat_template.jinja": TEMPLATE, "generation_config.json": '{"temperature": 0.7, "top_k": 1, "x": 1e999}',
        "preprocessor_config.json": "{}", "LICENSE": "mine", "run.sh": "rm -rf /", "notes": b"#!/bin/sh\n",
        "nb.ipynb": "{}", "more.zip": b"PK\x03\x04", ".hidden": "h", "odd": pickle.dumps([1]), "t.bin": b"x",
        "lib.json": b"\x7fELF\x02\x01", "README.md": "---\nlicense: mit\nbase_model:\n- a/b\n- 'c/d'\n---\nlicense: x\n",
        "model.gguf": gguf(TEMPLATE), "what": b"\x01\x02",
    }  # fmt: skip
    for name, data in files.items():
        (root / name).write_bytes(data.encode() if isinstance(data, str) else data)
    (root / "out").symlink_to("/etc/hostname")
    os.mkfifo(root / "pipe")
    (root / "empty").mkdir()
    return root


def test_kinds_hashes_and_nothing_ran(folder: Path, tmp_path: Path) -> None:
    found = looked(folder)
    kinds = {f.path: f.kind for f in found.files}
    assert kinds == {
        "modeling_x.py": "code", "model.safetensors": "weights", "config.json": "config", "run.sh": "script",
        "tokenizer_config.json": "tokenizer", "chat_template.jinja": "chat-template", "LICENSE": "licence",
        "generation_config.json": "generation", "preprocessor_config.json": "preprocessor", "notes": "script",
        "nb.ipynb": "notebook", "more.zip": "archive", ".hidden": "hidden", "odd": "pickle", "t.bin": "pickle",
        "lib.json": "native", "README.md": "card", "model.gguf": "weights", "what": "unknown", "out": "link",
        "pipe": "special", "empty": "folder",
    }  # fmt: skip
    assert not (tmp_path / "ran").exists()
    for f in found.files:
        if f.kind in ("weights", "link", "special", "folder"):
            assert f.sha256 == ""
        else:
            assert f.sha256 == hashlib.sha256((folder / f.path).read_bytes()).hexdigest()
    assert all(f.sha256 for f in looked(folder, weights=True).files if f.kind == "weights")
    assert next(f.note for f in found.files if f.path == "out") == "link to /etc/hostname, outside; not followed"


def test_references_templates_settings_and_claims(folder: Path) -> None:
    found = looked(folder)
    assert [(r.task, r.repository, r.file, r.present) for r in found.references] == [
        ("AutoConfig", "", "gone.py", False), ("AutoModel", "", "modeling_x.py", True),
        ("AutoTokenizer", "own/er", "tok.py", False),
    ]  # fmt: skip
    assert [t.source for t in found.templates] == ["chat_template.jinja", "model.gguf", "tokenizer_config.json"]
    assert {t.text for t in found.templates} == {TEMPLATE}
    assert found.settings == {"temperature": 0.7, "top_k": 1, "x": "inf"}
    assert [c[1:] for c in found.claims] == [("license", "mit"), ("base_model", "a/b"), ("base_model", "c/d")]
    json.dumps(found.as_record(), allow_nan=False)


def test_named_templates(tmp_path: Path) -> None:
    listed = [{"name": "tool_use", "template": "T"}, {"name": 3, "template": None}, "x"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": listed}))
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": {"default": "D"}}))
    assert [(t.name, t.text) for t in looked(tmp_path).templates] == [("default", "D"), ("tool_use", "T")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("config.json", b"{" * 100_000), ("config.json", b'{"a": 1, "a": 2}'), ("config.json", b"[]"),
        ("tokenizer_config.json", b"\xff\xfe"), ("generation_config.json", b'{"x": NaN}'),
        ("m.gguf", b"GGUF" + b"\xff" * 40), ("m.gguf", b"GG"), ("chat_template.jinja", b"\0"),
    ],
)  # fmt: skip
def test_hostile_files_are_told_and_hashed(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    found = looked(tmp_path, weights=True)
    assert name in " ".join(found.notices)
    assert found.files[0].sha256 == hashlib.sha256(data).hexdigest()


def test_odd_configurations_are_no_error(tmp_path: Path) -> None:
    values: tuple[object, ...] = ("text", ["a"], {"A": 1}, {"A": {}}, {"A": "--"}, {"A": ""})
    for value in values:
        (tmp_path / "config.json").write_text(json.dumps({"auto_map": value}))
        assert not any(r.present for r in looked(tmp_path).references)


def test_front_matter_that_is_none() -> None:
    assert card_claims("R", "license: mit\n") == ()
    assert card_claims("R", "---\nlicense: mit\n") == ()
    assert card_claims("R", "") == ()
    text = '---\nbase_model: [a/b, "c"] \nx:\n  license: no\nlicense: mit # yes\n---\n'
    assert card_claims("R", text) == (("R", "base_model", "a/b"), ("R", "base_model", "c"), ("R", "license", "mit"))


def test_difference(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "b"
    other.mkdir()
    (other / "modeling_x.py").write_text("pass\n")
    (other / "LICENCE.txt").write_text("mine")
    (other / "config.json").write_bytes((folder / "config.json").read_bytes())
    (other / "model.safetensors").write_bytes(b"other")
    (other / "generation_config.json").write_text('{"temperature": 1, "top_k": 1, "min_p": 0.1}')
    (other / "new.py").write_text("1")
    (other / "chat.gguf").write_bytes(gguf(TEMPLATE))
    (other / "chat_template.jinja").write_text("other")
    a, b = looked(folder), looked(other)
    found = difference(a, b)
    assert found.same == ("config.json",)
    assert [c.path for c in found.changed] == ["chat_template.jinja", "generation_config.json", "modeling_x.py"]
    assert "+pass" in found.changed[2].diff
    assert found.renamed == (("LICENSE", "LICENCE.txt"),)
    assert found.not_compared == ("model.safetensors",)
    assert found.only_b == ("chat.gguf", "new.py")
    assert "run.sh" in found.only_a
    assert "LICENSE" not in found.only_a
    (template,) = found.templates
    assert template.b == ("chat.gguf#default",)
    assert len(template.a) == 3
    assert found.templates_b == ("chat_template.jinja#chat_template",)
    assert {f.name: f.status for f in found.settings} == {
        "temperature": "changed", "top_k": "same", "x": "only-a", "min_p": "only-b"
    }  # fmt: skip
    again = difference(a, a)
    assert not (again.changed)
    assert not (again.only_a)
    assert not (again.only_b)
    assert not (again.renamed)
    assert not (again.templates_a)
    assert difference(looked(folder, weights=True), looked(other, weights=True)).not_compared == ()


def test_diffs_are_bounded() -> None:
    lines, note = text_diff("\n".join(map(str, range(2000))), "\n".join(map(str, range(2000, 4000))))
    assert len(lines) == MAX_DIFF
    assert "left out" in note
    assert max(map(len, text_diff("a" * 200_000, "b")[0])) < 450
    one, other = ("\n".join(f"{n * by % 100}" for n in range(1950)) for by in (1, 7))
    within(20_000_000, lambda: text_diff(one, other))  # 9,000,000
    assert text_diff("\n" * MAX_COMPARED, "b") == ((), f"no diff: more than {MAX_COMPARED} lines")


def test_a_lone_file_and_nothing(folder: Path, tmp_path: Path) -> None:
    root, files = list_path(folder / "model.gguf")
    assert [f.path for f in survey(files, root).files] == ["model.gguf"]
    for path in (tmp_path / "none", folder / "pipe"):
        with pytest.raises(StorageError):
            list_path(path)


def test_the_command_escapes_what_it_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side, text in (("a", "one"), ("b", "two\x1b[2J\u202e")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "x\x1b.py").write_text(text)
    assert main(["files", str(tmp_path / "b")]) == 0
    assert main(["files", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "+two\\x1b[2J\\u202e" in out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "Context, not evidence" in out
