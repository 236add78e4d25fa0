"""A person's own key map: a small TOML file, read, checked against every screen, and written out again.

A section is a scope of the table in `keys`, a line names an action and its key, or several keys in brackets:

    [compare]
    start = "s"
    cancel = ["x", "F8"]

What is refused is refused whole, with a sentence that names the file, the line, both actions and what to do.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mpk_tui.errors import MalformedError, StorageError
from mpk_tui.text import clean
from mpk_tui.tui.keynames import SAME, SWALLOWED, to_people, to_textual, types_text
from mpk_tui.tui.keys import KEYS, PLACES, Key

LARGEST = 64 * 1024
SCHEMA = "mpk-tui/keymap/1"
FILE = "keys.toml"

TITLES = {
    "everywhere": "Everywhere",
    "case": "In every step of a case",
    "case_form": "Case",
    "question": "A question",
    "table": "In a table",
    "figure": "In a picture of a comparison",
    "comparison": "In a comparison",
    "form": "In a form",
    "choice": "In a row of options",
    "page": "In a page of text",
    "merge": "A merge of several references",
    "hops": "The hops of a chain",
    "reading": "The second person's reading",
    "pager": "Quoting from a file",
    "pick": "In a list to pick from",
    **{p.name: p.title for p in PLACES if p.name != "case"},
}
"""Scopes by the names that people read."""

DIALOGS = (("form",), ("choice",), ("page",), ("table", "pick"))
"""Scopes that work together in dialogs and in what stands in them, which no key of a screen reaches."""

Own = dict[tuple[str, str], tuple[str, ...]]
"""(scope, id) to Textual key names: the rows that a person changed."""


def folder() -> Path:
    """The platform's folder for what a person sets."""
    from platformdirs import user_config_dir

    return Path(user_config_dir("mpk-tui", appauthor=False))


def read_toml(path: Path, what: str) -> tuple[dict[str, Any], str]:
    """A small TOML file of the person's own.

    Args:
        path: The file.
        what: What it is, for sentences.

    Returns:
        Its data and its text.

    Raises:
        StorageError: It cannot be read, or is no regular file.
        MalformedError: It is too large, not UTF-8, or not TOML.
    """
    where = clean(str(path))
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise StorageError(f"{what} is not a regular file", where=where, hint="Name a TOML file")
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise StorageError(
            f"{what} cannot be read: {error.strerror}", where=where, hint="Check the name and its permissions"
        ) from None
    if len(data) > LARGEST:
        raise MalformedError(f"{what} is larger than {LARGEST} bytes", where=where, hint="It holds a few short lines")
    try:
        text = data.decode("utf-8")
        return tomllib.loads(text), text
    except UnicodeDecodeError as error:
        raise MalformedError(
            f"{what} is not UTF-8 at byte {error.start}", where=where, hint="Save it as UTF-8"
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MalformedError(
            f"{what} is not TOML: {clean(str(error), 200)}", where=where, hint="Mend that line"
        ) from None


def read(path: Path) -> Own:
    """Read and check a key map.

    Raises:
        StorageError: It cannot be read.
        MalformedError: It names a scope, an action or a key that does not exist, or contradicts itself.
    """
    data, text = read_toml(path, "the key map")
    own = parse(data, text, clean(str(path)))
    faults = contradictions(apply(own), own)
    if faults:
        first = faults[0]
        more = f" ({len(faults)} such in all)" if len(faults) > 1 else ""
        raise MalformedError(first.sentence + more, where=_place(clean(str(path)), text, *first.at), hint=first.hint)
    return own


def _place(where: str, text: str, scope: str, action: str = "") -> str:
    """File, line and section of what is wrong; tomllib keeps no line numbers, so the text is searched."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        head = re.match(r"\s*\[\s*([^\]]*?)\s*\]", line)
        if head:
            section = head[1].strip("'\"")
            if section == scope and not action:
                return f"{where}, line {number}"
        elif section == scope and action and re.match(rf"\s*[\"']?{re.escape(action)}[\"']?\s*=", line):
            return f"{where}, line {number}, section [{clean(scope, 40)}]"
    return f"{where}, section [{clean(scope, 40)}]"


def parse(data: Mapping[str, Any], text: str, where: str) -> Own:
    """Turn the file's data into rows, without looking for contradictions yet.

    Args:
        data: Decoded TOML.
        text: The file's text, for line numbers.
        where: The file's name, clean.

    Raises:
        MalformedError: It names a scope, an action or a key that does not exist.
    """
    rows = {(k.scope, k.id): k for k in KEYS}
    scopes = list(dict.fromkeys(k.scope for k in KEYS))
    own: Own = {}
    for scope, lines in data.items():
        if scope not in scopes:
            hint = f"Sections are {', '.join(scopes)}"
            raise MalformedError(
                f"there is no section [{clean(scope, 40)}]", where=_place(where, text, scope), hint=hint
            )
        if not isinstance(lines, dict):
            raise MalformedError(f"{scope} stands outside of a section", where=where, hint=f"Write [{scope}] above it")
        for action, value in lines.items():
            at = _place(where, text, scope, action)
            row = rows.get((scope, action))
            if row is None:
                known = ", ".join(a for s, a in rows if s == scope)
                raise MalformedError(f"[{scope}] has no action {clean(action, 40)!r}", where=at, hint=f"It has {known}")
            names = value if isinstance(value, list) else [value]
            if not names or not all(isinstance(name, str) and name for name in names):
                hint = 'Write a key such as "c", or several as ["c", "F5"]; leave the line out for the built-in key'
                raise MalformedError(
                    f"{action} is no key but {clean(json.dumps(value, default=str), 60)}", where=at, hint=hint
                )
            own[scope, action] = tuple(dict.fromkeys(_key(name, action, at) for name in names))
            _reachable(row, own[scope, action], at)
    return own


def _key(name: str, action: str, at: str) -> str:
    key = to_textual(name)
    if key is None:
        hint = "Write one character, or F1 to F24, ^a to ^z, Enter, Esc, Space, Tab, Delete, PageUp, Left and the like"
        raise MalformedError(f"{action}: there is no key {clean(name, 40)!r}", where=at, hint=hint)
    if key in SAME:
        raise MalformedError(
            f"{action}: {clean(name, 40)} cannot be used, {SAME[key]}", where=at, hint="Choose another key"
        )
    return key


def _reachable(row: Key, names: tuple[str, ...], at: str) -> None:
    """Refuse keys that leave an action out of reach."""
    if all(key in SWALLOWED for key in names):
        why = f"{row.id}: {SWALLOWED[names[0]]}"
        raise MalformedError(why, where=at, hint=f'Give a second key beside it, as in ["{to_people(names[0])}", "F9"]')
    if row.in_fields and all(types_text(key) for key in names):
        why = f"{row.id} must work while typing, and {to_people(names[0])} writes a character there"
        raise MalformedError(why, where=at, hint=f'Give a second key beside it, as in ["{to_people(names[0])}", "F9"]')


def apply(own: Mapping[tuple[str, str], tuple[str, ...]]) -> list[Key]:
    """The whole table with a person's keys in place."""
    from dataclasses import replace

    return [replace(k, keys=",".join(own[k.scope, k.id]), shown="") if (k.scope, k.id) in own else k for k in KEYS]


class Contradiction:
    """One key with two meanings in one place.

    Attributes:
        sentence: Names the key, the place and both actions.
        hint: What to do.
        at: Scope and id of the row to blame: one that the person changed, if either was.
    """

    def __init__(self, key: str, one: Key, other: Key, own: Mapping[tuple[str, str], Any]) -> None:
        blamed, left = (one, other) if (one.scope, one.id) in own else (other, one)
        self.at = (blamed.scope, blamed.id)
        self.sentence = (
            f"{to_people(key)} would be both {_said(blamed)} and {_said(left)}, which work in the same place"
        )
        self.hint = "Choose another key for one of them; mpk-tui keymap lists what is taken"


def _said(k: Key) -> str:
    return f"[{k.scope}] {k.id} ({k.help.rstrip('.')})"


def combinations() -> list[tuple[str, ...]]:
    """Scopes whose keys work at the same time, as the screens themselves declare them.

    Where figures are drawn, one of them may have the focus in a table's place.
    """
    from mpk_tui.tui.screens import scopes

    found = scopes()
    drawn = [tuple("figure" if s == "table" else s for s in each) for each in found if "comparison" in each]
    return [*found, *drawn, *DIALOGS]


def contradictions(
    table: Iterable[Key],
    own: Mapping[tuple[str, str], Any] | None = None,
    together: Iterable[tuple[str, ...]] | None = None,
) -> list[Contradiction]:
    """Keys that mean two things in one place.

    A table's own Enter and Space are handed on to its screen, which may name them in rows of its own.

    Args:
        table: Rows of the map to be checked.
        own: Rows that a person changed; they are blamed first.
        together: Scopes that work at the same time; those of the screens, if not given.
    """
    rows = list(table)
    found: dict[tuple[str, ...], Contradiction] = {}
    for scopes in combinations() if together is None else together:
        seen: dict[str, Key] = {}
        for row in (k for scope in scopes for k in rows if k.scope == scope):
            for key in row.each:
                other = seen.setdefault(key, row)
                handed = other.scope == "table" and other.id in ("pick", "mark")
                if other is not row and not handed:
                    pair = (key, other.scope, other.id, row.scope, row.id)
                    found.setdefault(pair, Contradiction(key, other, row, own or {}))
    return list(found.values())


def as_toml(table: Iterable[Key]) -> str:
    """The map as a file to be edited: every line a comment that says what the key does."""
    lines = [
        "# Keys of the mpk-tui workbench. Take the # from a line and change its key; other lines may stay or go.",
        '# A key is one character, or a name: F5, ^k, Enter, Esc, Space, Delete, PageUp, Left. Several: ["c", "F5"].',
        "# mpk-tui keymap --check FILE says whether it will do.",
    ]
    for scope, rows in _by_scope(table).items():
        lines += ["", f"[{scope}]  # {TITLES.get(scope, scope.capitalize())}"]
        for k in rows:
            names = [json.dumps(to_people(key), ensure_ascii=False) for key in k.each]
            value = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
            lines.append(f"{f'# {k.id} = {value}':<40} # {k.help}")
    return "\n".join(lines) + "\n"


def as_markdown(table: Iterable[Key]) -> str:
    """The map as tables for a page of documentation."""
    lines: list[str] = []
    for scope, rows in _by_scope(table).items():
        lines += [
            f"## {TITLES.get(scope, scope.capitalize())} `[{scope}]`",
            "",
            "| key | action | what it does |",
            "|---|---|---|",
        ]
        lines += [f"| {_code(k)} | `{k.id}` | {k.help.replace('|', chr(92) + '|')} |" for k in rows]
        lines.append("")
    return "\n".join(lines)


def _code(k: Key) -> str:
    return " ".join(f"`{to_people(key)}`" if key != "vertical_line" else "`\\|`" for key in k.each)


def as_record(table: Iterable[Key], own: Mapping[tuple[str, str], Any], source: str) -> dict[str, Any]:
    """The map as one JSON object.

    Args:
        table: The map.
        own: Rows that a person changed.
        source: The file they come from, empty for the built-in map.
    """
    rows = [
        {
            "scope": k.scope, "action": k.id, "keys": [to_people(key) for key in k.each], "help": k.help,
            "in_fields": k.in_fields, "changed": (k.scope, k.id) in own,
        }
        for k in table
    ]  # fmt: skip
    return {"schema": SCHEMA, "source": source, "keys": rows}


def _by_scope(table: Iterable[Key]) -> dict[str, list[Key]]:
    out: dict[str, list[Key]] = {}
    for k in table:
        out.setdefault(k.scope, []).append(k)
    return out
