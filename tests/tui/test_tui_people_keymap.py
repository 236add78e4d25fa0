"""A person's own key map: what it may say, how it is refused, and that it works."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from tui_driver import WIDE, drive, keys, picture

from mpk_tui.cli import main
from mpk_tui.errors import MpkError
from mpk_tui.tui import keymap
from mpk_tui.tui import keys as table
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.settings import Looks, Settings, read_settings


@pytest.fixture(autouse=True)
def _built_in_keys() -> Any:
    yield
    table.use({})


def refused(tmp_path: Path, text: str | bytes) -> str:
    """The sentence that refuses a map."""
    path = tmp_path / "keys.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(MpkError) as error:
        keymap.read(path)
    return error.value.diagnosis()


def test_a_map_replaces_keys_and_leaves_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text('[home]\nopen = ["^o", "O"]\nnew = "+"\n[everywhere]\nhelp = ["F1", "_"]\n')
    assert keymap.read(path) == {
        ("home", "open"): ("ctrl+o", "O"),
        ("home", "new"): ("plus",),
        ("everywhere", "help"): ("f1", "underscore"),
    }


def test_keys_may_change_places(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text('[home]\nopen = "n"\nnew = "o"\n')
    assert keymap.read(path) == {("home", "open"): ("n",), ("home", "new"): ("o",)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[hom]\nopen = "o"', ("line 1", "no section [hom]", "Sections are everywhere")),
        ('\n[home]\n\nopne = "o"', ("line 4, section [home]", "no action 'opne'", "It has open, new, verify")),
        ('[home]\nopen = "Hyper"', ("line 2", "open: there is no key 'Hyper'", "F1 to F24")),
        ("[home]\nopen = 3", ("line 2", "open is no key but 3")),
        ("[home]\nopen = []", ("line 2", "open is no key but []", "leave the line out")),
        ('[home]\nopen = [""]', ("line 2", "open is no key")),
        ('open = "o"', ("open", "Sections are")),
        ('home = "o"', ("home stands outside of a section",)),
        ('[home]\nopen = "^m"', ("line 2", "a terminal sends the same for ^m and Enter")),
        ('[home]\nopen = "^b"', ("line 2", "tmux keeps ^b for itself", "second key")),
        ('[everywhere]\nquit = "^q"', ("line 2", "software flow control", '["^q", "F9"]')),
        ('[everywhere]\nhelp = "h"', ("line 2", "help must work while typing", "writes a character")),
        (
            '[home]\nopen = "n"',
            ("line 2", "n would be both [home] open", "and [home] new (Begin a case in a new folder)", "another key"),
        ),
        ('[home]\n"open" = "g"', ("line 2", "g would be both [home] open", "and [everywhere] go")),
        ('[table]\nfirst = "t"', ("line 2", "t would be both [table] first", "and [")),
        ('[home]\nopen = "\nnew = "n"', ("not TOML", "line 2")),
        (b'[home]\nopen = "\xff"', ("not UTF-8 at byte 15",)),
        ("# " + "x" * 70_000, ("larger than 65536 bytes",)),
        ("[" * 50_000, ("not TOML",)),
        ('[home]\nopen = "\x1b[31m"', ("not TOML",)),
        ('[home]\nopen = "\\u001b[31m"', ("there is no key '\\\\x1b[31m'",)),
        ('["\\u202ehome"]\nopen = "o"', ("there is no section [\\u202ehome]",)),
    ],
)
def test_a_map_is_refused_with_a_sentence(tmp_path: Path, text: str | bytes, said: tuple[str, ...]) -> None:
    sentence = refused(tmp_path, text)
    assert str(tmp_path / "keys.toml") in sentence
    for part in said:
        assert part in sentence
    assert sentence.replace("\n", "").isprintable()


def test_the_guides_examples_can_be_used(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "workbench.md").read_text("utf-8")
    blocks = guide.split("```")[1::2]
    keys_toml = next(block for block in blocks if "[compare]" in block)
    settings_toml = next(block for block in blocks if "theme =" in block)
    (tmp_path / "keys.toml").write_text(keys_toml, "utf-8")
    (tmp_path / "settings.toml").write_text(settings_toml, "utf-8")
    assert keymap.read(tmp_path / "keys.toml")["comparison", "sort"] == ("o", "f6")
    assert read_settings(tmp_path / "settings.toml") == Settings("contrast", True, False)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none"):
        with pytest.raises(MpkError, match=path.name):
            keymap.read(path)


def test_the_printed_file_is_a_map_that_changes_nothing(tmp_path: Path) -> None:
    text = keymap.as_toml(table.KEYS)
    assert all(tomllib.loads(text)[scope] == {} for scope in {k.scope for k in table.KEYS})
    path = tmp_path / "keys.toml"
    path.write_text("\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines()[3:]))
    assert keymap.read(path) == {(k.scope, k.id): k.each for k in table.KEYS}


def test_the_screens_follow_the_map() -> None:
    own: keymap.Own = {
        ("home", "open"): ("n",),
        ("home", "new"): ("ctrl+n", "w"),
        ("everywhere", "help"): ("f7", "underscore"),
    }
    app = Workbench(looks=Looks(own_keys=own))

    async def script(pilot: Pilot[Any]) -> None:
        assert "n Open case" in picture(app)
        assert "^n New case" in picture(app)
        await keys(pilot, "o", "f1", "question_mark")
        assert app.screen.NAME == "home"  # type: ignore[attr-defined]
        await keys(pilot, "underscore")
        assert "F7 or _" in picture(app)
        await keys(pilot, "escape", "w")
        assert "A new case" in picture(app)
        await keys(pilot, "escape", "n")
        assert "Open a case" in picture(app)

    drive(app, script, WIDE)


def test_a_question_mark_can_be_typed() -> None:
    app = Workbench(new=True)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "w", "h", "y", "question_mark", "g", "q")
        assert "why?gq" in picture(app)

    drive(app, script)


def test_the_command_prints_and_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["keymap"]) == 0
    assert '# open = "o"' in capsys.readouterr().out
    assert main(["keymap", "--where"]) == 0
    default = Path(capsys.readouterr().out.strip())
    assert tmp_path in default.parents
    good = tmp_path / "good.toml"
    good.write_text('[home]\nopen = "O"\n')
    assert main(["keymap", "--check", str(good), "--json"]) == 0
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert record["schema"] == "mpk-tui/keymap/1"
    changed = [row for row in record["keys"] if row["changed"]]
    assert [(row["scope"], row["action"], row["keys"]) for row in changed] == [("home", "open", ["O"])]
    assert "1 of" in said.err
    good.write_text('[home]\nopen = "n"\n')
    assert main(["keymap", "--check", str(good)]) == 30
    said = capsys.readouterr()
    assert said.out == ""
    assert "would be both" in said.err
    default.parent.mkdir(parents=True, exist_ok=True)
    default.write_text('[home]\nopen = "O"\n')
    assert main(["keymap", "--markdown"]) == 0
    assert "| `O` | `open` |" in capsys.readouterr().out
    assert main(["keymap", "--markdown", "--builtin"]) == 0
    assert "| `o` | `open` |" in capsys.readouterr().out
