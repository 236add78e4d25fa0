"""Building blocks of JSON Schemas (dialect 2020-12)."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STR: Schema = {"type": "string"}
INT: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUM: Schema = {"type": "number"}
BOOL: Schema = {"type": "boolean"}
HEX: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
P: Schema = {"type": ["number", "null"], "minimum": 1e-12, "maximum": 1}


def maybe(schema: Schema) -> Schema:
    """The schema or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def listing(schema: Schema) -> Schema:
    """An array of items."""
    return {"type": "array", "items": schema}


def record(fields: dict[str, Schema], *, optional: tuple[str, ...] = (), open_ended: bool = False) -> Schema:
    """An object whose fields are all required but the named ones."""
    return {
        "type": "object",
        "properties": fields,
        "required": [f for f in fields if f not in optional],
        "additionalProperties": open_ended,
    }


def choice(*values: str) -> Schema:
    """One of fixed strings."""
    return {"enum": list(values)}
