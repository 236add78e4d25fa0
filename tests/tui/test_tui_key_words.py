"""Sentences name the keys that are in force: no text of a screen has a key of the built-in map written into it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judged_case import begun
from textual.pilot import Pilot
from tui_driver import drive, keys, picture

import mpk_tui.tui
from mpk_tui.tui import keys as table
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.settings import Looks

TUI = Path(mpk_tui.tui.__file__).parent
TABLES = {"keys.py", "keynames.py", "keymap.py"}
NAMED = re.compile(
    r"\bg [0-9hjlv]\b"  # the way to a place
    r"|(?<![\w{])(Enter|Esc|Space|[a-zA-Z]) (opens|adds|restores|takes|chooses|writes|signs|shows|begins|quotes|marks"
    r"|goes|compares|stops|fingerprints|enters|again)\b"
    r"|: [a-z], [a-z] or [a-z]\b|\(([mnurthkz])\)"
)


def sentences(file: Path) -> Iterator[tuple[int, str]]:
    """Texts of a module that are no docstrings, with their lines."""
    tree = ast.parse(file.read_text())
    said = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            said.add(id(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.lineno, node.value


@pytest.mark.parametrize("text", ["Go on: g 5 adds some", "(Enter opens)", "z restores it", ": m, n or u.", "met (m)"])
def test_the_search_finds_such_a_sentence(text: str) -> None:
    assert NAMED.search(text)


def test_no_sentence_has_a_built_in_key_written_into_it() -> None:
    found = [
        f"{file.relative_to(TUI)}:{line}: {text}"
        for file in sorted(TUI.rglob("*.py"))
        if file.name not in TABLES
        for line, text in sentences(file)
        if NAMED.search(text)
    ]
    assert not found, found


@pytest.fixture
def own() -> Iterator[dict[tuple[str, str], tuple[str, ...]]]:
    """A key map in which nothing is where it was."""
    yield {
        ("question", "answer_met"): ("f5",), ("question", "answer_not_met"): ("f6",), ("question", "reason"): ("f7",),
        ("question", "answer_undetermined"): ("f8",), ("question", "pick"): ("f11",), ("everywhere", "go"): ("f12",),
        ("table", "mark"): ("insert",), ("question", "take"): ("f13",),
    }  # fmt: skip
    table.use({})


def test_a_question_tells_the_keys_of_a_map_of_ones_own(
    tmp_path: Path, own: dict[tuple[str, str], tuple[str, ...]]
) -> None:
    app = Workbench(begun(tmp_path, compared=True), looks=Looks(own_keys=own))

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "f12", "6", "right")
        shown = picture(app)
        assert "( ) met (F5)   ( ) not met (F6)   ( ) undetermined (F8)" in shown
        assert "Reason (F7)" in shown
        assert "Evidence (F11, then Insert marks)" in shown
        assert "No evidence yet: F12 5 adds some." in shown
        await keys(pilot, "f7", "x", "escape")
        assert "entered only with an answer: F5, F6 or F8" in picture(app)
        await keys(pilot, "f8")
        assert "(o) undetermined (F8)" in picture(app)
        await keys(pilot, "f12", "7")
        assert "answered met (F12 6)" in picture(app)

    drive(app, script)
