"""Two folders' surroundings beside each other: what is the same, changed, renamed, only here or only there.

Equal templates or settings are copied in a minute and prove nothing about weights; a difference excludes nothing.
Pure functions, standard library only.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mpk_tui.checkpoint.side_files import SideFile, Survey

MAX_DIFF = 200
"""Lines of a unified diff that are kept."""
MAX_LINE = 400
MAX_COMPARED = 4_000
"""Lines of a text; matching takes quadratic time in the worst case."""
CONTEXT = "Context, not evidence: nothing in this record decides a finding or a verdict."


@dataclass(frozen=True)
class Changed:
    """A path that both have with different content.

    Attributes:
        path: Where it lies in both.
        kind_a: Kind in A.
        kind_b: Kind in B.
        a: SHA-256 or what else it is.
        b: Likewise.
        diff: Lines of a unified diff; empty where one of them is no small text.
        note: Why there is no diff, or how much was left out.
    """

    path: str
    kind_a: str
    kind_b: str
    a: str
    b: str
    diff: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class SameTemplate:
    """A chat template that occurs in both: where it is stored on each side, as ``file#name``."""

    sha256: str
    a: tuple[str, ...]
    b: tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """A generation setting; ``status`` is ``same``, ``changed``, ``only-a`` or ``only-b``."""

    name: str
    status: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Difference:
    """Everything between two surveys.

    Attributes:
        same: Paths with equal content.
        changed: Paths with different content.
        only_a: Paths of A that B has neither by name nor by content.
        only_b: Likewise.
        renamed: ``(path in A, path in B)`` with equal content under other names.
        not_compared: Paths in both that were not hashed (weights, unless asked for).
        templates: Chat templates in both, compared by their text wherever they are stored.
        templates_a: Templates of A that B lacks, as ``file#name``.
        templates_b: Likewise.
        settings: Generation settings, field by field.
    """

    same: tuple[str, ...]
    changed: tuple[Changed, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    not_compared: tuple[str, ...]
    templates: tuple[SameTemplate, ...]
    templates_a: tuple[str, ...]
    templates_b: tuple[str, ...]
    settings: tuple[Field, ...]

    def as_record(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "context": CONTEXT}


def difference(a: Survey, b: Survey) -> Difference:
    """Compare two surveys."""
    files_a, files_b = {f.path: f for f in a.files}, {f.path: f for f in b.files}
    same, changed, not_compared = [], [], []
    for path in _ordered(files_a.keys() & files_b.keys()):
        left, right = files_a[path], files_b[path]
        if not left.sha256 and not right.sha256 and left.kind == right.kind == "weights":
            not_compared.append(path)
        elif _identity(left) == _identity(right):
            same.append(path)
        else:
            changed.append(_changed(left, right))
    lone_a = _ordered(files_a.keys() - files_b.keys())
    lone_b = _ordered(files_b.keys() - files_a.keys())
    by_content: dict[str, list[str]] = {}
    for path in _ordered(files_b.keys()):
        if files_b[path].sha256:
            by_content.setdefault(files_b[path].sha256, []).append(path)
    renamed = []
    for path in lone_a:
        # A path that B has only under this content is preferred; content that lies there twice is told once.
        others = by_content.get(files_a[path].sha256, []) if files_a[path].sha256 else []
        if others:
            renamed.append((path, next((o for o in others if o not in files_a), others[0])))
    known = {files_a[p].sha256 for p in files_a if files_a[p].sha256}
    moved = {p for p, _ in renamed}
    return Difference(
        tuple(same), tuple(changed),
        tuple(p for p in lone_a if p not in moved),
        tuple(p for p in lone_b if files_b[p].sha256 not in known),
        tuple(renamed), tuple(not_compared), *_templates(a, b), _settings(a.settings, b.settings),
    )  # fmt: skip


def _identity(file: SideFile) -> tuple[str, str]:
    if file.sha256:
        return "content", file.sha256
    return file.kind, file.note if file.kind in ("link", "special") else ""


def _changed(a: SideFile, b: SideFile) -> Changed:
    said_a, said_b = a.sha256 or a.note or a.kind, b.sha256 or b.note or b.kind
    if a.text is None or b.text is None:
        return Changed(a.path, a.kind, b.kind, said_a, said_b, (), "no diff: not a small text on both sides")
    lines, note = text_diff(a.text, b.text)
    return Changed(a.path, a.kind, b.kind, said_a, said_b, lines, note)


def text_diff(a: str, b: str) -> tuple[tuple[str, ...], str]:
    """A short unified diff of two texts and what was left out of it.

    Returns:
        At most `MAX_DIFF` lines of at most `MAX_LINE` characters, raw: escape them before a terminal.
    """
    left, right = a.split("\n"), b.split("\n")
    if len(left) > MAX_COMPARED or len(right) > MAX_COMPARED:
        return (), f"no diff: more than {MAX_COMPARED} lines"
    found = list(difflib.unified_diff(left, right, "A", "B", lineterm="", n=2))
    kept = tuple(line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}… ({len(line)} characters)" for line in found)
    note = f"{len(found) - MAX_DIFF} more lines of the diff are left out" if len(found) > MAX_DIFF else ""
    return kept[:MAX_DIFF], note


def _templates(a: Survey, b: Survey) -> tuple[tuple[SameTemplate, ...], tuple[str, ...], tuple[str, ...]]:
    left, right = _places(a), _places(b)
    same = tuple(SameTemplate(d, left[d], right[d]) for d in left if d in right)
    return (
        same,
        tuple(place for d, places in left.items() if d not in right for place in places),
        tuple(place for d, places in right.items() if d not in left for place in places),
    )


def _places(of: Survey) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for t in of.templates:
        found[t.sha256] = (*found.get(t.sha256, ()), f"{t.source}#{t.name}")
    return found


def _settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Field, ...]:
    found = []
    for name in sorted(a.keys() | b.keys()):
        if name not in b:
            found.append(Field(name, "only-a", a[name], None))
        elif name not in a:
            found.append(Field(name, "only-b", None, b[name]))
        else:
            equal = a[name] == b[name] and type(a[name]) is type(b[name])
            found.append(Field(name, "same" if equal else "changed", a[name], b[name]))
    return tuple(found)


def _ordered(paths: Iterable[str]) -> list[str]:
    return sorted(paths, key=os.fsencode)
