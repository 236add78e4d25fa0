"""JSON Schemas of the imported database of Cisco's Model Provenance Kit and of a ranking of its assets."""

from __future__ import annotations

from mpk_tui.report.shapes import COUNT, HEX, INT, NUM, STR, Schema, choice, listing, maybe, record

_DATABASE: Schema = record(
    {"kind": choice("package", "wheel", "folder"), "version": STR, "licence": STR, "content": HEX, "imported_at": INT,
     "imported_by": STR, "families": COUNT, "assets": COUNT, "deep": COUNT}
)  # fmt: skip
_SCORE = maybe(NUM)
_LEAD: Schema = record(
    {
        "rank": COUNT, "asset_id": STR, "model_id": STR, "family_id": STR, "family_name": STR, "publisher": STR,
        "source": STR, "param_bucket": STR,
        "match_type": choice("exact_arch", "family_hash", "mfi_only", "similarity"), "decision": STR,
        "basis": choice("metadata gate", "weights", "metadata only"),
        "scores": record(
            {"pipeline": _SCORE, "identity": _SCORE, "mfi": NUM, "mfi_tier": {"enum": [1, 2, 3]}, "mfi_match": STR,
             "tokenizer": _SCORE, "tfv": _SCORE, "eas": _SCORE, "nlf": _SCORE, "lep": _SCORE, "end": _SCORE,
             "wvc": _SCORE}
        ),
        "sentence": STR, "would_resolve": STR,
    }
)  # fmt: skip

KIT_DATABASE: Schema = record(
    {"schema": {"const": "mpk-tui/kit-database/1"}, "library": STR, "database": _DATABASE, "notices": listing(STR)}
)
KIT_SCAN: Schema = record(
    {
        "schema": {"const": "mpk-tui/kit-scan/1"}, "tool": STR, "database": _DATABASE,
        "query": record(
            {"label": STR, "model_type": STR, "architectures": listing(STR), "estimated_parameters": INT,
             "param_bucket": STR, "arch_hash": STR, "family_hash": STR, "weights": choice("read", "none", "not needed"),
             "loading": STR}
        ),
        "prefilter": record({"allowed": listing(STR), "scored": COUNT, "of": COUNT}),
        "threshold": NUM, "most": COUNT, "above": COUNT, "leads": listing(_LEAD), "limits": listing(STR),
        "notices": listing(STR),
    }
)  # fmt: skip
