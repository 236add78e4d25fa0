"""L1: the files of a local checkpoint against those that were examined, by path, kind and content.

Which differences are only told, and which make a folder another one, is decided here (ADR 0018).  Paths are compared as
bytes; a name that differs in case or Unicode form alone is another name, and the hint says so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mpk_tui.checkpoint.folder import INDEX
from mpk_tui.checkpoint.model import Checkpoint
from mpk_tui.checkpoint.reading import CACHE_LINK
from mpk_tui.fingerprint.hashing import FileHash, Hashes
from mpk_tui.records import dataclass
from mpk_tui.text import composed, folded_name

_PROSE_NAMES = ("readme", "license", "licence", "notice", "copying", "changelog", "citation")
_PROSE_ENDS = (".md", ".rst", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")


@dataclass(frozen=True)
class Lists:
    """What a comparison of names found.  ``same`` is a count, the rest are names."""

    same: int
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    not_comparable: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Plain form."""
        return {
            "same": self.same, "changed": list(self.changed), "missing": list(self.missing), "extra": list(self.extra),
            "not_comparable": list(self.not_comparable),
        }  # fmt: skip


NONE = Lists(0)
"""Nothing compared."""


@dataclass(frozen=True)
class FilesFound:
    """L1 and what follows from it.

    Attributes:
        lists: Paths.
        acting: Differences that could change what is run or loaded, each with what is odd about it.
        line: The answer on files alone.
        tail: How a sentence about matching tensors ends.
        hints: Names that differ in case or Unicode form alone.
    """

    lists: Lists
    acting: tuple[str, ...]
    line: str
    tail: str
    hints: tuple[str, ...]


def compare_files(
    recorded: Sequence[Mapping[str, Any]], checkpoint: Checkpoint, hashes: Hashes, *, same_tensors: bool = True
) -> FilesFound:
    """Hold files against those of a bundle.

    Args:
        recorded: Rows of ``checkpoint.<id>``.
        checkpoint: The local one; a lone file stands for itself, not for its folder.
        hashes: Of the local one.
        same_tensors: Whether all tensors match, so that other weight files only hold them in another way.
    """
    rows = {_path(r): r for r in recorded}
    local = {f.path: f for f in hashes.files}
    unread = [
        p for p, r in rows.items()
        if p in local and r["kind"] == "file" and r["sha256"] is None and local[p].kind == "file"
    ]  # fmt: skip
    both = [p for p in rows if p in local and p not in unread]
    changed = [p for p in both if not _equal(rows[p], local[p])]
    missing = [p for p in rows if p not in local]
    extra = [p for p in local if p not in rows]
    weights = _layout(checkpoint, local)
    padded = _padded(checkpoint, {*changed, *extra}, local)
    renamed = _renamed(missing, extra)
    acting = [
        *(f"{p} ({why})" for p in changed if (why := _changed(rows[p], local[p], weights, padded))),
        *(f"{p} ({why})" for p in extra if (why := _added(local[p], weights, padded, renamed))),
    ]
    lists = Lists(len(both) - len(changed), tuple(changed), tuple(missing), tuple(extra), tuple(unread))
    alone = len(hashes.files) == 1 and checkpoint.path != checkpoint.root
    hints = tuple(
        f"{here!r} here and {there!r} in the bundle differ in {how} alone: to the verifier they are two files"
        for here, (there, how) in renamed.items()
    )
    other = bool(changed or missing or extra)
    resharded = any(p in weights for p in (*changed, *extra)) and not padded and same_tensors
    tail = "; the folder's layout differs (listed)" if resharded else "; other files differ (listed)"
    if not other:
        tail = " and so do all files"
    line = _line(lists, alone=alone, resharded=resharded)
    if acting:
        line += f"; could change what is run or loaded: {first(acting)}"
    return FilesFound(lists, tuple(acting), line, "" if alone else tail, hints)


def first(names: Sequence[str], most: int = 10) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _line(lists: Lists, *, alone: bool, resharded: bool) -> str:
    if alone:
        return "one file was presented; the others of the folder were not compared"
    same = f"{lists.same} file is" if lists.same == 1 else f"{lists.same} files are"
    parts = [
        f"{len(names)} {what}"
        for names, what in (
            (lists.changed, "differs" if len(lists.changed) == 1 else "differ"), (lists.extra, "extra"),
            (lists.missing, "missing"), (lists.not_comparable, "not comparable"),
        )
        if names
    ]  # fmt: skip
    if not parts:
        return f"all {lists.same} files are those that were examined"
    why = "; the tensors lie in other files" if resharded else ""
    return f"{same} the same, {', '.join(parts)} (listed{why})"


def _path(row: Mapping[str, Any]) -> str:
    raw = row.get("path_b")
    return os.fsdecode(raw) if isinstance(raw, bytes) else str(row["path"])


def _equal(row: Mapping[str, Any], mine: FileHash) -> bool:
    raw = row.get("link_b")
    link = os.fsdecode(raw) if isinstance(raw, bytes) else row["link"]
    return bool(row["kind"] == mine.kind and row["sha256"] == mine.sha256 and link == mine.link)


def _layout(checkpoint: Checkpoint, local: Mapping[str, FileHash]) -> frozenset[str]:
    """Files that only say how the tensors lie, whose contents L2 compares: weight files that were read, the index."""
    plain = {p for p in (*checkpoint.weights, INDEX) if p in local}
    return frozenset(p for p in plain if local[p].kind == "file" or local[p].link_class == CACHE_LINK)


def _padded(checkpoint: Checkpoint, among: set[str], local: Mapping[str, FileHash]) -> frozenset[str]:
    """Safetensors files with bytes behind or between their tensors: no tensor's digest covers those."""
    held: dict[str, list[tuple[int, int]]] = {}
    for t in checkpoint.tensors.values():
        held.setdefault(t.file, []).append((t.offset, t.nbytes))
    return frozenset(
        p
        for p, spans in held.items()
        if p in among
        and p.endswith(".safetensors")
        and local[p].size - min(at for at, _ in spans) > sum(n for _, n in spans)
    )


def _changed(row: Mapping[str, Any], mine: FileHash, weights: frozenset[str], padded: frozenset[str]) -> str:
    """Why a changed file matters, or an empty string."""
    if mine.path in padded:
        return "bytes that belong to no tensor"
    if mine.sha256 is not None and mine.sha256 == row["sha256"]:
        return ""  # the cache's link in place of the file, or the reverse: the content is the same
    if mine.kind != row["kind"]:
        return f"was a {_kind(row['kind'])}, is a {_kind(mine.kind)}"
    return "" if mine.path in weights or (mine.kind == "file" and _prose(mine.path)) else "changed"


def _added(
    mine: FileHash, weights: frozenset[str], padded: frozenset[str], renamed: Mapping[str, tuple[str, str]]
) -> str:
    """Why a file that was added matters, or an empty string."""
    if mine.path in padded:
        return "extra, with bytes that belong to no tensor"
    if mine.path in weights:
        return ""
    if mine.path in renamed:
        return "renamed"
    if any(part.startswith(".") for part in mine.path.split("/")):
        return "extra, hidden"
    if mine.kind == "dir":
        return ""
    if mine.kind != "file":
        return f"extra, a {_kind(mine.kind)}"
    return "" if _prose(mine.path) else "extra"


def _kind(kind: str) -> str:
    return {"symlink": "link", "dir": "folder", "other": "device or pipe"}.get(kind, kind)


def _prose(path: str) -> bool:
    """Whether a file is text or a picture for people, by its name alone: nothing loads a model from such.

    Case is that of ASCII: other letters that only fold to these are other names.
    """
    name = "".join(c.lower() if c.isascii() else c for c in path.rsplit("/", 1)[-1])
    stem, _, end = name.partition(".")
    return (end in ("", "txt") and stem in _PROSE_NAMES) or name.endswith(_PROSE_ENDS)


def _renamed(missing: Sequence[str], extra: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Names here that equal a missing one in another Unicode form or case, by the name here."""
    out: dict[str, tuple[str, str]] = {}
    for how, form in (("Unicode form", composed), ("case", str.casefold), ("case and Unicode form", folded_name)):
        gone = {form(p): p for p in missing}
        for p in extra:
            if p not in out and form(p) in gone:
                out[p] = (gone[form(p)], how)
    return out
