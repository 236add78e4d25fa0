"""JSON Schemas of what the actions of ``library`` print: entries, lists, histories, numbers, checks."""

from __future__ import annotations

from mpk_tui.report.shapes import BOOL, COUNT, HEX, INT, STR, Schema, choice, listing, maybe, record

_HEX_OR_NONE: Schema = {"type": "string", "pattern": "^([0-9a-f]{64})?$"}
_COUNTS: Schema = {"type": "object", "additionalProperties": COUNT}

PARENT: Schema = record(
    {
        "name": STR, "fingerprint": _HEX_OR_NONE, "root": _HEX_OR_NONE,
        "mechanism": {"type": "string", "pattern": "^(3\\.[1-9])?$"}, "kind": choice("", "a", "b", "c"),
        "evidence": STR, "source": STR,
    }
)  # fmt: skip
"""`mpk_tui.library.entry.Parent`."""
ENTRY: Schema = record(
    {
        "id": COUNT, "fingerprint": HEX, "root": HEX, "name": STR, "aliases": listing(STR), "source": STR,
        "licence": STR, "location": STR, "note": STR, "parents": listing(PARENT), "added_at": INT, "added_by": STR,
        "origin": record(
            {"pack": _HEX_OR_NONE, "pack_name": STR, "pack_version": COUNT, "issuers": listing(HEX)}
        ),
        "format": STR, "family": STR, "scope": STR, "parameters": COUNT, "layers": maybe(COUNT), "tensors": COUNT,
        "size": COUNT, "revoked": STR,
    }
)  # fmt: skip
"""`mpk_tui.library.entry.Entry`."""
_ACT: Schema = record(
    {"id": COUNT, "at": INT, "who": STR, "act": STR, "entry": COUNT, "fingerprint": _HEX_OR_NONE, "name": STR,
     "note": STR}
)  # fmt: skip

LIBRARY: Schema = record(
    {
        "schema": {"const": "mpk-tui/library/2"}, "folder": STR, "catalogue": BOOL, "read_only": BOOL,
        "entries": listing(ENTRY),
        "files": listing(
            record(
                {"path": STR, "name": STR, "size": COUNT, "changed": INT, "fault": maybe(STR), "format": STR,
                 "family": STR, "scope": STR, "parameters": COUNT, "layers": maybe(INT), "tensors": COUNT,
                 "features": COUNT, "root": STR, "fingerprint": STR, "tool": STR, "notices": COUNT}
            )
        ),
        "notices": listing(STR),
    }
)  # fmt: skip
HISTORY: Schema = record({"schema": {"const": "mpk-tui/library-log/1"}, "folder": STR, "history": listing(_ACT)})
STATS: Schema = record(
    {
        "schema": {"const": "mpk-tui/library-stats/1"}, "folder": STR, "entries": COUNT, "revoked": COUNT,
        "families": _COUNTS, "origins": _COUNTS, "with_parents": COUNT, "documented_parents": COUNT,
        "claimed_parents": COUNT, "rows": _COUNTS, "bytes": _COUNTS, "packs": COUNT, "leads": COUNT,
    }
)  # fmt: skip
CHECK: Schema = record(
    {
        "schema": {"const": "mpk-tui/library-check/1"}, "folder": STR, "entries": COUNT, "code": COUNT, "sentence": STR,
        "faults": listing(
            record(
                {"kind": choice("database", "missing", "altered", "rows", "orphan", "stray", "left-over"), "name": STR,
                 "sentence": STR, "repaired": BOOL}
            )
        ),
    }
)  # fmt: skip


def shown(fingerprint: Schema) -> Schema:
    """One entry in full.

    Args:
        fingerprint: Schema of a fingerprint's summary.
    """
    return record(
        {
            "schema": {"const": "mpk-tui/entry/1"}, "library": STR, "entry": ENTRY, "same_root": listing(STR),
            "fingerprint": fingerprint, "history": listing(_ACT),
        }
    )  # fmt: skip
