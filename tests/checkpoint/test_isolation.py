"""Headers read by another process: the same answers, the same refusals, and no trust in what that process says."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from pathlib import Path

import pytest
from makers import GOOD, entry, gguf, info, pair, safetensors, string

from mpk_tui.checkpoint import isolation
from mpk_tui.checkpoint.open import Opening, open_checkpoint
from mpk_tui.errors import CancelledError, LimitError, MalformedError, MpkError, UnstableFileError
from mpk_tui.progress import CancelToken

APART = Opening(isolate=True)
BEGIN = "import sys; sys.path.insert(0, sys.argv[1]); import json, os; from mpk_tui.checkpoint import isolation\n"


def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.safetensors").write_bytes(GOOD)
    (tmp_path / "config.json").write_text(
        '{"model_type": "llama", "big": 123456789012345678901234567890, "x": [1.5, null]}'
    )
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\nthe\n##ing\n")
    (tmp_path / "link").symlink_to("/nowhere")
    return tmp_path


def test_the_same_record_comes_out_of_either_process(tmp_path: Path) -> None:
    path = folder(tmp_path)
    assert open_checkpoint(path, None, APART) == open_checkpoint(path)


@pytest.mark.parametrize("order", ["<", ">"])
def test_of_gguf_files_and_lone_files_too(tmp_path: Path, order: str) -> None:
    pairs = [
        pair("general.architecture", 8, string("llama", order), order),
        pair("list", 9, (8).to_bytes(4, "little" if order == "<" else "big")
             + (1).to_bytes(8, "little" if order == "<" else "big") + string("a\udce9".encode("utf-8", "ignore"), order), order),
    ]  # fmt: skip
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf([info("a", [32], 0, 0, order)], pairs, bytes(128), order=order))
    here = open_checkpoint(path)
    assert open_checkpoint(path, None, APART) == here
    assert isinstance(here.config["list"], tuple)


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    path = folder(tmp_path)
    (path / os.fsdecode(b"\xff\xfe")).write_text("x")
    assert open_checkpoint(path, None, APART).files == open_checkpoint(path).files


@pytest.mark.parametrize(
    "data",
    [b"", b"GGUF", safetensors({"a": entry(0, 99, [2])}, bytes(8)), safetensors({}, length=1 << 60), b"\x80\x02."],
)  # fmt: skip
def test_refusals_are_the_same(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    with pytest.raises(MpkError) as here:
        open_checkpoint(path)
    with pytest.raises(MpkError) as there:
        open_checkpoint(path, None, APART)
    assert type(here.value) is type(there.value)
    assert str(here.value) == str(there.value)
    assert here.value.hint == there.value.hint


def serve(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(isolation, "_START", BEGIN + script)


@pytest.mark.parametrize(
    ("script", "kind", "says"),
    [
        ("os._exit(3)", MalformedError, "ended without an answer .exit 3"),
        ("os.abort()", MalformedError, "ended without an answer .exit -6"),
        ("print('{}')", MalformedError, "something else|without an answer"),
        ("print('[\"surprise\", 1]')", MalformedError, "answered something else"),
        ("print('[' * 100000)", MalformedError, "without an answer"),
        ("print(json.dumps(['checkpoint', []]))", MalformedError, "no checkpoint"),
        ("print(json.dumps(['checkpoint', {'m': []}]))", MalformedError, "no checkpoint"),
        ("print(json.dumps(['error', ['SystemExit', 'x', '', '']]))", MalformedError, "x"),
        ("print(json.dumps(['error', 5]))", MalformedError, "answered nothing"),
        ("isolation._confine(); x = bytearray(3 << 30)", MalformedError, "without an answer"),
        ("import signal; os.kill(os.getpid(), signal.SIGKILL)", LimitError, "was stopped"),
        ("import signal; os.kill(os.getpid(), signal.SIGXCPU)", LimitError, "was stopped"),
    ],
)
def test_a_reader_that_breaks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, kind: type[MpkError], says: str
) -> None:
    serve(monkeypatch, script)
    with pytest.raises(kind, match=says) as caught:
        open_checkpoint(folder(tmp_path), None, APART)
    assert str(tmp_path) in str(caught.value)


def test_answers_without_end_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "MAX_ANSWER", 1 << 20)
    serve(monkeypatch, "while True: sys.stdout.write('[' * 65536)")
    with pytest.raises(LimitError, match="more than 1 MiB"):
        open_checkpoint(folder(tmp_path), None, APART)


def test_a_reader_that_hangs_ends_with_the_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, "import time; time.sleep(86400)")
    cancel = CancelToken()
    threading.Timer(0.3, cancel.cancel).start()
    with pytest.raises(CancelledError):
        open_checkpoint(folder(tmp_path), cancel, APART)


_CHANGES = {
    "beyond its file": ("tensors", lambda ts: {n: dataclasses.replace(t, offset=10**9) for n, t in ts.items()}),
    "before its file": ("tensors", lambda ts: {n: dataclasses.replace(t, offset=-8) for n, t in ts.items()}),
    "in a file that is not there": ("tensors", lambda ts: {n: dataclasses.replace(t, file="../x") for n, t in ts.items()}),
    "under another name": ("tensors", lambda ts: {n + "x": t for n, t in ts.items()}),
    "weights elsewhere": ("weights", lambda _: ("/etc/passwd",)),
    "places elsewhere": ("roots", lambda _: {"a": Path("/etc")}),
}  # fmt: skip


@pytest.mark.parametrize("case", _CHANGES)
def test_lies_about_places_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    path = folder(tmp_path / "m" if (tmp_path / "m").mkdir() is None else tmp_path)
    field, change = _CHANGES[case]
    found = open_checkpoint(path)
    lie = dataclasses.replace(found, **{field: change(getattr(found, field))})
    (tmp_path / "answer").write_text(json.dumps(["checkpoint", isolation.encode(lie)]))
    serve(monkeypatch, f"print(open({str(tmp_path / 'answer')!r}).read())")
    with pytest.raises(MalformedError, match=r"outside its file|names other files"):
        open_checkpoint(path, None, APART)


def test_another_listing_is_a_changed_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path / "m" if (tmp_path / "m").mkdir() is None else tmp_path)
    found = open_checkpoint(path)
    (tmp_path / "answer").write_text(json.dumps(["checkpoint", isolation.encode(found)]))
    (path / "more").write_text("x")
    serve(monkeypatch, f"print(open({str(tmp_path / 'answer')!r}).read())")
    with pytest.raises(UnstableFileError, match="changed while it was read"):
        open_checkpoint(path, None, APART)


@pytest.mark.skipif(os.name != "posix", reason="limits are those of Unix")
def test_the_other_process_gives_up_what_it_does_not_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "written"
    serve(
        monkeypatch,
        f"""
isolation._confine()
said = []
try:
    with open({str(target)!r}, "w") as f:
        f.write("x" * 10)
except OSError as e:
    said.append("no writing")
try:
    files = [open({__file__!r}) for _ in range(100)]
except OSError:
    said.append("few files")
try:
    bytearray(3 << 30)
except MemoryError:
    said.append("little memory")
import os
said.append(",".join(sorted(os.environ)))
print(json.dumps(["error", ["MalformedError", "; ".join(said), "", ""]]))
""",
    )
    with pytest.raises(MalformedError, match="no writing; few files; little memory") as caught:
        open_checkpoint(folder(tmp_path), None, APART)
    assert not target.exists() or target.read_text() == ""
    assert "SECRET" not in str(caught.value)
    assert "HOME" not in str(caught.value)
