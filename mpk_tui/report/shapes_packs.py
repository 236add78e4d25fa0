"""JSON Schemas of what the commands about packs print: ``library pack show``, ``import``, ``packs``, ``build``."""

from __future__ import annotations

from mpk_tui.bundle.outcome import Word
from mpk_tui.report.shapes import BOOL, COUNT, HEX, INT, STR, Schema, choice, listing, maybe, record
from mpk_tui.report.shapes_library import PARENT

_DIGEST_OR_NONE: Schema = {"type": "string", "pattern": "^([0-9a-f]{64})?$"}
_VERDICT = choice(*Word)
_BEFORE = record({"version": COUNT, "id": HEX})
_VIA = record({"pack": HEX, "name": STR, "version": COUNT})
_NAMED = record({"id": COUNT, "name": STR, "fingerprint": HEX})
PACK = record(
    {
        "schema": {"const": "mpk-tui/pack/1"}, "verdict": _VERDICT, "code": COUNT, "words": STR, "meaning": STR,
        "pack": maybe(HEX), "imported": BOOL, "trust_dated": maybe(INT), "trust_store": maybe(COUNT),
        "manifest": maybe(
            record(
                {
                    "name": STR, "version": COUNT, "kind": choice("full", "delta"), "prev": maybe(_BEFORE),
                    "created": INT,
                    "clock": record({"source": STR, "utc_offset": INT, "trusted": BOOL}), "statement": STR,
                    "tool": STR, "entries": COUNT, "revoked": COUNT,
                }
            )
        ),
        "signers": listing(
            record({"id": STR, "role": STR, "keys": listing(HEX), "state": STR, "person": STR, "reason": STR})
        ),
        "entries": listing(
            record(
                {
                    "fingerprint": HEX, "size": COUNT, "root": HEX, "name": STR, "aliases": listing(STR),
                    "source": STR, "licence": STR, "location": STR, "note": STR, "parents": listing(PARENT),
                    "who": STR, "at": INT, "via": maybe(_VIA),
                }
            )
        ),
        "revoked": listing(record({"fingerprint": HEX, "name": STR, "reason": STR, "since": INT})),
        "notices": listing(STR),
    }
)  # fmt: skip
IMPORT = record(
    {
        "schema": {"const": "mpk-tui/pack-import/1"}, "pack": PACK,
        "plan": maybe(
            record(
                {
                    "added": listing(record({"name": STR, "fingerprint": HEX})), "changed": listing(_NAMED),
                    "same": listing(_NAMED), "kept": listing(_NAMED), "revoked": listing(_NAMED),
                    "not_revoked": listing(_NAMED), "still_revoked": listing(_NAMED), "unlisted": listing(_NAMED),
                    "mended": listing(_NAMED), "again": listing(record({"name": STR, "fingerprint": HEX})),
                    "gone": listing(record({"name": STR, "fingerprint": HEX})), "sentences": listing(STR),
                }
            )
        ),
        "written": BOOL,
    }
)  # fmt: skip
PACKS = record(
    {
        "schema": {"const": "mpk-tui/packs/1"},
        "packs": listing(
            record(
                {
                    "pack": HEX, "name": STR, "version": COUNT, "kind": choice("full", "delta"), "created": INT,
                    "issuers": listing(record({"id": STR, "keys": listing(HEX)})), "taken_in": INT, "by": STR,
                    "verdict": _VERDICT, "why": listing(STR), "entries": listing(_NAMED),
                }
            )
        ),
    }
)  # fmt: skip
BUILD = record(
    {
        "schema": {"const": "mpk-tui/library-build/1"}, "list": STR,
        "checkpoints": listing(
            record(
                {
                    "number": COUNT, "name": STR, "path": STR, "fingerprint": _DIGEST_OR_NONE,
                    "root": _DIGEST_OR_NONE, "size": COUNT, "again": BOOL, "fault": STR, "notices": listing(STR),
                }
            )
        ),
        "pack": maybe(
            record(
                {"id": HEX, "name": STR, "version": COUNT, "kind": choice("full", "delta"), "entries": COUNT,
                 "revoked": COUNT}
            )
        ),
    }
)  # fmt: skip
