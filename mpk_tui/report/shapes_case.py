"""JSON Schemas of what lists a case and the key map."""

from __future__ import annotations

from mpk_tui.report.shapes import BOOL, COUNT, HEX, INT, STR, Schema, choice, listing, maybe, record

_ANSWER = choice("met", "not-met", "undetermined", "")
ANSWER: Schema = record(
    {
        "question": STR, "answer": _ANSWER, "reason": STR, "evidence": listing(STR), "proposed": _ANSWER,
        "basis": choice("", "common-trained-ancestor", "chain"),
        "hops": listing({"type": "array", "items": STR, "minItems": 3, "maxItems": 3}), "direction_documented": BOOL,
        "resolution": STR,
    }
)  # fmt: skip
"""`mpk_tui.constitution.answers.Answer`."""
EVIDENCE_ITEM: Schema = record(
    {
        "id": STR, "kind": choice("a", "b", "c", "context", "denial"), "supports": listing(STR),
        "opposes": listing(STR),
        "source": STR, "digest": STR, "locator": STR, "excerpt": STR, "finding": STR, "record": STR,
    }
)  # fmt: skip
"""`mpk_tui.constitution.answers.Evidence`."""

PROPOSAL: Schema = record({"schema": STR, "pair": STR, "answers": listing(ANSWER)})
EVIDENCE: Schema = record({"schema": STR, "pair": STR, "evidence": listing(EVIDENCE_ITEM)})
LOG: Schema = record(
    {
        "schema": STR,
        "entries": listing(
            record(
                {"seq": COUNT, "at": INT, "who": STR, "role": STR, "act": STR, "note": STR, "obj": maybe(HEX),
                 "params": record({}, open_ended=True), "undone": BOOL}
            )
        ),
    }
)  # fmt: skip
CUSTODY: Schema = record(
    {
        "schema": STR, "case": STR, "exhibit": STR, "root_exhibit": STR, "authority": STR,
        "statements": listing(
            record(
                {"seq": COUNT, "at": INT, "who": STR, "act": choice("intake", "transfer", "seal_check", "mount"),
                 "artifact": STR, "fields": record({}, open_ended=True), "text": STR}
            )
        ),
        "notices": listing(STR),
    }
)  # fmt: skip
KEYMAP: Schema = record(
    {
        "schema": STR, "source": STR,
        "keys": listing(
            record({"scope": STR, "action": STR, "keys": listing(STR), "help": STR, "in_fields": BOOL, "changed": BOOL})
        ),
    }
)  # fmt: skip
