"""A family graph as a file: text, DOT, SVG or JSON; and that of a scan record in one call."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mpk_tui.errors import StorageError, UsageError
from mpk_tui.family.building import family_of_scan
from mpk_tui.family.graph import Family, as_record
from mpk_tui.files import write_file
from mpk_tui.report import family_dot, family_svg, family_text
from mpk_tui.report.shapes import BOOL, NUM, STR, Schema, choice, listing, maybe, record


def _text(graph: Family, *, ascii: bool = False) -> str:
    return "\n".join(family_text.lines(graph, ascii=ascii)) + "\n"


def _json(graph: Family) -> str:
    return json.dumps(as_record(graph), indent=2, ensure_ascii=True, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Family], str]] = {
    "text": _text, "dot": family_dot.dot, "svg": family_svg.file, "json": _json,
}  # fmt: skip
"""What writes each format."""


def made(graph: Family, format: str, *, ascii: bool = False) -> bytes:
    """The file; the same graph gives the same bytes.

    Args:
        graph: What to write.
        format: One of `FORMATS`.
        ascii: Draw a text with ASCII alone.

    Raises:
        UsageError: There is no such format.
    """
    if format not in FORMATS:
        raise UsageError(f"there is no format {format!r} of a graph", hint=f"Use {', '.join(FORMATS)}")
    text = _text(graph, ascii=True) if ascii and format == "text" else FORMATS[format](graph)
    return text.encode("utf-8", "backslashreplace")


def write(graph: Family, path: Path, format: str, *, ascii: bool = False) -> None:
    """Write a graph to a new file.

    Raises:
        StorageError: The file exists, or cannot be written.
        UsageError: There is no such format.
    """
    if os.path.lexists(path):
        raise StorageError("exists; an export never overwrites", where=str(path), hint="Name another file")
    write_file(path, made(graph, format, ascii=ascii))


def write_scan(scan: Mapping[str, Any], files: Mapping[str, Path | None], *, context: bool = False) -> None:
    """Write the graph of a scan record to files by format; those that are None are left out.

    Args:
        scan: The record, schema ``mpk-tui/scan/1``.
        files: Paths by format: ``{"dot": Path("a.dot"), "svg": None, "json": None}``.
        context: Draw near misses too.

    Raises:
        StorageError: A file exists, or cannot be written; none is written if one exists.
    """
    wanted = {format: path for format, path in files.items() if path is not None}
    for path in wanted.values():
        if os.path.lexists(path):
            raise StorageError("exists; an export never overwrites", where=str(path), hint="Name another file")
    graph = family_of_scan(scan, context=context)
    for format, path in wanted.items():
        write(graph, path, format)


def scan_tree(scan: Mapping[str, Any], *, width: int = family_text.WIDTH, ascii: bool = False) -> list[str]:
    """The graph of a scan record as lines for a terminal."""
    return family_text.lines(family_of_scan(scan), width=width, ascii=ascii)


_IDS = listing(STR)
SHAPE: Schema = record(
    {
        "schema": {"const": "mpk-tui/family/1"},
        "nodes": listing(
            record({"id": STR, "label": STR, "kind": choice("query", "reference", "named only"), "facts": listing(STR)})
        ),
        "edges": listing(
            record(
                {
                    "a": STR, "b": STR, "kind": choice("documented", "finding", "claimed", "context"),
                    "finding": maybe(STR), "label": STR, "directed": BOOL, "mechanism": STR, "basis": STR,
                    "evidence": STR, "source": STR, "p": maybe(NUM), "p_is_bound": BOOL, "rho": maybe(NUM),
                    "part": BOOL, "note": STR,
                }
            )
        ),
        "components": listing(_IDS),
        "siblings": listing(record({"ancestor": STR, "members": _IDS})),
        "merges": listing(record({"model": STR, "sources": _IDS})),
        "notes": listing(STR),
    }
)  # fmt: skip
"""JSON Schema of the record, without its head."""
# An arrow only from documents: the schema says it, too.
SHAPE["properties"]["edges"]["items"]["if"] = {"properties": {"directed": {"const": True}}}
SHAPE["properties"]["edges"]["items"]["then"] = {
    "properties": {"kind": {"const": "documented"}, "basis": {"type": "string", "pattern": "^[abc](,[abc])*$"}}
}
