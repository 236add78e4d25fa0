"""The neutral document as a plain record, for programs: schema ``mpk-tui/report/1``; lossless, figures as numbers."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from mpk_tui.family.graph import as_record as family_record
from mpk_tui.report.document import (
    SCHEMA,
    Block,
    Cell,
    Command,
    Document,
    Drawing,
    Facts,
    Graph,
    Items,
    Para,
    Quote,
    Section,
    Stamp,
    Standing,
    Table,
    Text,
    Voice,
)
from mpk_tui.report.figure import Figure


def render(document: Document) -> bytes:
    """The file, ASCII; the same document gives the same bytes."""
    return json.dumps(as_record(document), indent=1, allow_nan=False).encode("ascii") + b"\n"


def as_record(document: Document) -> dict[str, Any]:
    """The plain form."""
    d = document
    return {
        "schema": SCHEMA, "title": d.title, "subject": _text(d.subject), "classification": d.classification,
        "warning": d.warning, "case": d.case, "bundle": d.bundle, "verdict": d.verdict, "tool": d.tool,
        "sections": [_section(s) for s in d.sections], "notes": list(d.notes),
    }  # fmt: skip


def _section(s: Section) -> dict[str, Any]:
    return {
        "id": s.id, "title": s.title, "about": _text(s.about), "standing": s.standing.value,
        "blocks": [_block(b) for b in s.blocks], "parts": [_section(p) for p in s.parts],
    }  # fmt: skip


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Para(text, strong):
            return {"kind": "paragraph", "text": _text(text), "strong": strong}
        case Items(items):
            return {"kind": "list", "items": [_text(t) for t in items]}
        case Facts(rows):
            return {"kind": "facts", "rows": [{"name": name, "value": _cell(cell)} for name, cell in rows]}
        case Table():
            return {
                "kind": "table", "caption": block.caption, "columns": list(block.columns),
                "rows": [[_cell(c) for c in row] for row in block.rows], "left_out": block.left_out,
            }  # fmt: skip
        case Quote(who, lines):
            return {"kind": "quote", "who": _text(who), "lines": list(lines)}
        case Stamp(word, text, good):
            return {"kind": "stamp", "word": word, "text": _text(text), "good": good}
        case Command(lines):
            return {"kind": "commands", "lines": list(lines)}
        case Graph(graph):
            return {"kind": "family", "family": family_record(graph)}
        case Drawing(figure, left_out, numbers):
            return {"kind": "figure", "figure": _figure(figure, left_out), "left_out": left_out, "numbers": numbers}


def _figure(figure: Figure, left_out: int) -> dict[str, Any]:
    record: dict[str, Any] = asdict(figure)
    record["rows"] = record["rows"][: len(figure.rows) - left_out]
    return record


def _cell(cell: Cell) -> list[list[dict[str, str]]]:
    return [_text(t) for t in cell]


def _text(text: Text) -> list[dict[str, str]]:
    return [{"text": r.text, "voice": r.voice.value} for r in text]


_STRING = {"type": "string"}
_RUNS = {
    "type": "array",
    "items": {
        "type": "object", "required": ["text", "voice"], "additionalProperties": False,
        "properties": {"text": _STRING, "voice": {"enum": [v.value for v in Voice]}},
    },
}  # fmt: skip
_SECTIONS = {"type": "array", "items": {"$ref": "#/$defs/section"}}
_KINDS = ("paragraph", "list", "facts", "table", "quote", "stamp", "commands", "figure", "family")
SHAPE: dict[str, Any] = {
    "type": "object",
    "required": ["schema", "title", "subject", "classification", "warning", "case", "bundle", "verdict", "tool",
                 "sections", "notes"],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": SCHEMA}, "title": _STRING, "subject": _RUNS, "classification": _STRING, "warning": _STRING,
        "case": _STRING, "bundle": {"type": "string", "pattern": "^([0-9a-f]{64})?$"}, "verdict": _STRING,
        "tool": _STRING, "sections": _SECTIONS, "notes": {"type": "array", "items": _STRING},
    },
    "$defs": {
        "section": {
            "type": "object",
            "required": ["id", "title", "about", "standing", "blocks", "parts"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string", "pattern": "^[a-z0-9-]+$"}, "title": _STRING, "about": _RUNS,
                "standing": {"enum": [s.value for s in Standing]}, "parts": _SECTIONS,
                "blocks": {
                    "type": "array",
                    "items": {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": [*_KINDS]}}},
                },
            },
        }
    },
}  # fmt: skip
"""JSON Schema of the record, without its head (`mpk_tui.report.schemas` adds that)."""
