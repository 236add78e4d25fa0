"""What a person sets, what the terminal is, and what comes of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpk_tui.errors import MpkError, UsageError
from mpk_tui.tui import settings
from mpk_tui.tui.glyphs import ASCII, CONSOLE, UNICODE
from mpk_tui.tui.settings import Looks, Settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's folder of settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    settings.folder().mkdir(parents=True)
    return settings.folder()


@pytest.mark.parametrize(
    ("wishes", "environ", "locale", "looks"),
    [
        (Settings(), {"TERM": "xterm-256color"}, "en_GB.UTF-8", Looks("dark", UNICODE)),
        (Settings(), {"TERM": "xterm-256color"}, "en_GB.utf8", Looks("dark", UNICODE)),
        (Settings(), {"TERM": "xterm-256color"}, "C", Looks("dark", ASCII)),
        (Settings(), {"TERM": "xterm-256color"}, "de_DE.ISO-8859-15", Looks("dark", ASCII)),
        (Settings(ascii=False), {"TERM": "linux"}, "C", Looks("ansi", UNICODE)),
        (Settings(), {"TERM": "linux"}, "C.UTF-8", Looks("ansi", CONSOLE)),
        (Settings(), {"TERM": "linux"}, "C", Looks("ansi", ASCII)),
        (Settings(ascii=True), {"TERM": "linux"}, "C.UTF-8", Looks("ansi", ASCII)),
        (Settings("contrast"), {"TERM": "linux"}, "C.UTF-8", Looks("contrast", CONSOLE)),
        (Settings("contrast"), {"TERM": "xterm", "NO_COLOR": ""}, "C.UTF-8", Looks("ansi", UNICODE)),
        (Settings(mouse=False), {"TERM": "xterm"}, "C.UTF-8", Looks("dark", UNICODE, mouse=False)),
        (Settings(), {}, "C.UTF-8", Looks("dark", UNICODE)),
    ],
)
def test_what_comes_of_wishes_and_terminal(
    wishes: Settings, environ: dict[str, str], locale: str, looks: Looks
) -> None:
    assert settings.decide(wishes, environ, locale) == looks


def test_the_locale_is_the_persons_not_what_python_made_of_it() -> None:
    made = {"LC_CTYPE": "C.UTF-8"}
    assert settings.locale_of(made, b"TERM=linux\0") == "C"
    assert settings.locale_of(made, b"LANG=de_DE.UTF-8\0LC_CTYPE=C\0") == "C"
    assert settings.locale_of(made, b"LANG=de_DE.UTF-8\0LC_ALL=\0") == "de_DE.UTF-8"
    assert settings.locale_of(made) == "C.UTF-8"
    assert settings.locale_of({"LANG": "en_GB.UTF-8"}, b"\xff=\xff\0no pair") == "C"


def test_settings_are_kept_and_read_again(home: Path) -> None:
    for wishes in (Settings("light", True, False), Settings("", None, None), Settings("contrast", False, True)):
        path = settings.keep(wishes)
        assert path.parent == home
        assert settings.read_settings(path) == wishes
        assert settings.gather(Settings(), None, {"TERM": "xterm"}).theme == (wishes.theme or "dark")


def test_options_go_before_the_file(home: Path) -> None:
    settings.keep(Settings("light", True, False))
    looks = settings.gather(Settings("blue-orange", False, True), None, {"TERM": "xterm"})
    assert looks == Looks("blue-orange", UNICODE, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('colour = "x"', "no setting 'colour'"),
        ('theme = "solarized"', "Themes are dark, light"),
        ('ascii = "yes"', "ascii: expected true or false, found 'yes'"),
        ("mouse = 1", "mouse: expected true or false"),
        ("theme = [", "not TOML"),
    ],
)
def test_a_settings_file_that_is_wrong_is_told_and_left_aside(home: Path, text: str, said: str) -> None:
    (home / "settings.toml").write_text(text)
    with pytest.raises(MpkError, match=r"settings\.toml"):
        settings.read_settings(home / "settings.toml")
    looks = settings.gather(Settings(), None, {"TERM": "xterm", "LANG": "C.UTF-8"})
    assert looks.theme == "dark"
    assert said in looks.notices[0]
    assert looks.notices[0].startswith("! ")


def test_a_wrong_key_map_of_ones_own_is_told_and_one_that_was_named_ends(home: Path, tmp_path: Path) -> None:
    (home / "keys.toml").write_text('[home]\nopen = "n"\n')
    looks = settings.gather(Settings(), None, {"TERM": "xterm"})
    assert looks.own_keys is None
    assert "Built-in keys are in force." in looks.notices[0]
    with pytest.raises(MpkError, match="would be both"):
        settings.gather(Settings(), home / "keys.toml", {"TERM": "xterm"})
    (tmp_path / "good.toml").write_text('[home]\nopen = "O"\n')
    looks = settings.gather(Settings(), tmp_path / "good.toml", {"TERM": "xterm"})
    assert (looks.own_keys, looks.notices) == ({("home", "open"): ("O",)}, ())


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(UsageError, match="no theme 'mauve'"):
        settings.wishes_of("mauve", None, None)
