"""What a person sets about the picture: theme, repertoire of characters, mouse.

It comes from options, else from a small TOML file of their own, else from what the terminal is:

    theme = "contrast"
    ascii = true
    mouse = false
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mpk_tui.errors import MalformedError, MpkError, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.text import clean
from mpk_tui.tui.glyphs import ASCII, CONSOLE, UNICODE
from mpk_tui.tui.keymap import FILE as KEYS_FILE
from mpk_tui.tui.keymap import Own, folder, read, read_toml

FILE = "settings.toml"
THEMES = ("dark", "light", "contrast", "blue-orange", "ansi")
FEW_COLOURS = ("linux", "vt100", "vt220", "ansi", "screen", "tmux")
"""Terminals (``TERM``) that have 16 colours of their own and no others."""


@dataclass(frozen=True)
class Settings:
    """What a person wishes; None or an empty name leaves it to the terminal.

    Attributes:
        theme: One of `THEMES`.
        ascii: Draw in ASCII only; False asks for full Unicode.
        mouse: Whether the terminal's mouse is used.
    """

    theme: str = ""
    ascii: bool | None = None
    mouse: bool | None = None

    def over(self, other: Settings) -> Settings:
        """These wishes, and the other's where there are none."""
        return Settings(
            self.theme or other.theme,
            other.ascii if self.ascii is None else self.ascii,
            other.mouse if self.mouse is None else self.mouse,
        )


@dataclass(frozen=True)
class Looks:
    """How the workbench appears, decided.

    Attributes:
        theme: One of `THEMES`.
        charset: Repertoire of `glyphs`.
        mouse: Whether the terminal's mouse is used.
        own_keys: A person's key map.
        notices: What was wrong with their files, to be told on the first screen.
    """

    theme: str = "dark"
    charset: str = UNICODE
    mouse: bool = True
    own_keys: Own | None = None
    notices: tuple[str, ...] = ()


def read_settings(path: Path) -> Settings:
    """Read and check a settings file.

    Raises:
        StorageError: It cannot be read.
        MalformedError: It sets what does not exist.
    """
    data, _ = read_toml(path, "the settings file")
    where = clean(str(path))
    for name, value in data.items():
        if name not in ("theme", "ascii", "mouse"):
            raise MalformedError(
                f"there is no setting {clean(name, 40)!r}", where=where, hint="It may set theme, ascii and mouse"
            )
        if name == "theme" and value not in THEMES:
            hint = f"Themes are {', '.join(THEMES)}"
            raise MalformedError(f"theme: there is no theme {clean(str(value), 40)!r}", where=where, hint=hint)
        if name != "theme" and not isinstance(value, bool):
            found = clean(str(value), 40)
            raise MalformedError(f"{name}: expected true or false, found {found!r}", where=where, hint="Mend that line")
    return Settings(**data)


def keep(settings: Settings) -> Path:
    """Write the settings file of this person, and return where it is.

    Raises:
        StorageError: The folder or the file cannot be written.
    """
    lines = ["# What the mpk-tui workbench looks like; a line left out leaves it to the terminal."]
    if settings.theme:
        lines.append(f'theme = "{settings.theme}"')
    for name in ("ascii", "mouse"):
        value = getattr(settings, name)
        if value is not None:
            lines.append(f"{name} = {str(value).lower()}")
    path = folder() / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, ("\n".join(lines) + "\n").encode())
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror}", where=clean(str(path)), hint="Write it by hand elsewhere"
        ) from None
    return path


def decide(wishes: Settings, environ: Mapping[str, str], locale: str) -> Looks:
    """How it appears.

    Args:
        wishes: What the person wishes.
        environ: Environment variables.
        locale: The locale's name, e.g. ``en_GB.UTF-8``.
    """
    term = environ.get("TERM", "")
    if wishes.ascii or (wishes.ascii is None and "utf8" not in locale.lower().replace("-", "")):
        charset = ASCII
    elif wishes.ascii is None and term == "linux":
        charset = CONSOLE
    else:
        charset = UNICODE
    few = term in FEW_COLOURS or "NO_COLOR" in environ
    theme = "ansi" if "NO_COLOR" in environ else wishes.theme or ("ansi" if few else "dark")
    return Looks(theme=theme, charset=charset, mouse=wishes.mouse is not False)


def locale_of(environ: Mapping[str, str], started_with: bytes | None = None) -> str:
    """The name of the locale that the terminal's person set; ``C`` if none is set.

    Python itself puts ``LC_CTYPE=C.UTF-8`` into its environment where no locale is set (PEP 538), so what the process
    was started with is looked at where the system tells.

    Args:
        environ: Environment variables.
        started_with: The environment that the process was started with, as ``/proc/self/environ`` gives it.
    """
    names: Mapping[str, str] = environ
    if started_with:
        pairs = (item.partition(b"=") for item in started_with.split(b"\0"))
        names = {k.decode("ascii", "replace"): v.decode("ascii", "replace") for k, _, v in pairs}
    return names.get("LC_ALL") or names.get("LC_CTYPE") or names.get("LANG") or "C"


def gather(options: Settings, keys_file: Path | None, environ: Mapping[str, str]) -> Looks:
    """Options, files and terminal together.

    A file of the person's own that is refused is told on the first screen and left aside; one that was named in an
    option ends the program.

    Args:
        options: What was given on the command line.
        keys_file: A key map named there, in place of the person's own.
        environ: Environment variables.

    Raises:
        MpkError: The key map that was named cannot be used.
    """
    notices = []
    wishes, own = options, None
    home = folder()
    if (home / FILE).exists():
        try:
            wishes = options.over(read_settings(home / FILE))
        except MpkError as error:
            notices.append(f"! Your settings are left aside. {error.diagnosis()}")
    if keys_file is not None:
        own = read(keys_file)
    elif (home / KEYS_FILE).exists():
        try:
            own = read(home / KEYS_FILE)
        except MpkError as error:
            notices.append(f"! Built-in keys are in force. {error.diagnosis()}")
    try:
        started_with: bytes | None = Path("/proc/self/environ").read_bytes()
    except OSError:
        started_with = None
    looks = decide(wishes, environ, locale_of(environ, started_with))
    return replace(looks, own_keys=own, notices=tuple(notices))


def wishes_of(theme: str | None, ascii: bool | None, mouse: bool | None) -> Settings:
    """Options of the command line as wishes.

    Raises:
        UsageError: There is no such theme.
    """
    if theme and theme not in THEMES:
        raise UsageError(f"there is no theme {clean(theme, 40)!r}", hint=f"Themes are {', '.join(THEMES)}")
    return Settings(theme or "", ascii, mouse)
