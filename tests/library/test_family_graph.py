"""``library graph``: documented parents as a tree, a picture, DOT and JSON, by the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mpk_tui.cli import main
from mpk_tui.errors import ExitCode
from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library.catalogue import open_library
from mpk_tui.library.entry import Facts, Parent
from mpk_tui.library.family import family_of_library

BASE = Fingerprint(
    "mpk-tui 0", "safetensors", "llama", "transformer-lm", (), (TensorHash("w", "F32", (2,), 8, bytes(32)),), {}, {}, {}, {}, ()
)  # fmt: skip


def model(number: int) -> Fingerprint:
    return replace(BASE, tensors=(TensorHash("w", "F32", (2,), 8, bytes([number]) * 32),))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    with open_library(tmp_path / "l", write=True, create=True) as made:
        tuned = Parent("base", root=model(1).root, mechanism="3.2", kind="a", evidence="tuned from base", source="card")
        facts = [
            Facts("base"), Facts("chat", parents=(tuned,)), Facts("alone"),
            Facts("mix", parents=(Parent("chat", kind="c", source="paper"), Parent("gone", kind="a", source="card"))),
            Facts("said", parents=(Parent("base"),)),
        ]  # fmt: skip
        made.add([(model(n), f) for n, f in enumerate(facts, 1)], who="test", at=0)
    return tmp_path / "l"


def test_parents_become_arrows_and_claims_do_not(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_library(library) as opened:
        graph = family_of_library(opened)
        some = family_of_library(opened, text="mix")
    labels = {n.id: n.label for n in graph.nodes}
    drawn = {(labels[e.a], labels[e.b], e.line) for e in graph.edges}
    assert drawn == {
        ("base", "chat", "arrow"), ("chat", "mix", "arrow"), ("gone", "mix", "arrow"), ("base", "said", "dotted"),
    }  # fmt: skip
    assert "Nothing is said of 1 further entry; not drawn." in graph.notes
    assert {n.label for n in some.nodes} == {"chat", "mix", "gone"}
    assert main(["library", "graph", "--library", str(library), "--ascii"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert out.isascii()
    assert "`==> [" in out
    assert "documented as made from" in out


def test_formats_and_files(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["library", "graph", "--library", str(library)]
    assert main([*command, "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["schema"] == "mpk-tui/family/1"
    for form, begins in (("--dot", "digraph"), ("--svg", "<?xml"), ("--json", "{")):
        assert main([*command, form]) == ExitCode.OK
        shown = capsys.readouterr().out
        assert shown.startswith(begins)
        file = tmp_path / form
        assert main([*command, form, "-o", str(file)]) == ExitCode.OK
        assert file.read_text() == shown
        assert main([*command, form, "-o", str(file)]) == ExitCode.INTERNAL
        assert file.read_text() == shown
    capsys.readouterr()
    assert main([*command, "--dot", "--ascii"]) == ExitCode.USAGE
    assert main(["library", "graph", "--library", str(tmp_path / "none")]) != ExitCode.OK
    assert "library add" in capsys.readouterr().err
