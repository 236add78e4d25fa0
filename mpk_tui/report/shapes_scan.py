"""JSON Schema of what ``scan`` prints."""

from __future__ import annotations

from mpk_tui.lineage.findings import FINDINGS
from mpk_tui.report.shapes import BOOL, COUNT, HEX, NUM, STR, P, Schema, choice, listing, maybe, record
from mpk_tui.report.shapes_library import ENTRY, PARENT

_STATED = ("id", "name", "aliases", "fingerprint", "root", "source", "licence", "location", "origin",
           "added_by", "format", "family", "scope", "parameters", "layers")  # fmt: skip
_ENTRY: Schema = record({name: ENTRY["properties"][name] for name in _STATED})
_PART: Schema = record(
    {"name": STR, "kind": STR, "finding": choice(*FINDINGS), "sentence": STR, "p": P, "p_is_bound": BOOL, "rho": NUM,
     "layers": listing(listing(STR)), "equal": listing(STR), "retention": maybe({"type": "object"})}
)  # fmt: skip
_SHARE: Schema = record(
    {"entry": COUNT, "name": STR, "layers": listing(COUNT), "tensors": listing(STR), "equal": COUNT,
     "coefficient": maybe(NUM)}
)  # fmt: skip

SCAN: Schema = record(
    {
        "schema": {"const": "mpk-tui/scan/1"},
        "tool": {"type": "object", "required": ["name", "version"]},
        "query": record(
            {"label": STR, "kind": choice("checkpoint", "fingerprint"), "format": STR, "family": STR, "scope": STR,
             "parameters": COUNT, "tensors": COUNT, "root": HEX, "fingerprint": HEX, "missing": listing(STR),
             "layers": maybe(COUNT), "base": STR},
            optional=("missing", "base"),
        ),
        "library": record({"folder": STR, "entries": COUNT, "revoked": COUNT, "digest": HEX}),
        "comparisons": COUNT,
        "answer": STR,
        "exact": record(
            {
                "files": listing(
                    record({"entry": COUNT, "name": STR, "path": STR, "theirs": STR, "sha256": HEX, "weights": BOOL})
                ),
                "tensors": listing(record({"entry": COUNT, "name": STR, "equal": COUNT, "of": COUNT})),
                "root": listing(COUNT),
            }
        ),
        "relatives": listing(
            record(
                {
                    "rank": COUNT, "entry": _ENTRY, "finding": choice(*FINDINGS), "sentence": STR, "p": P,
                    "p_is_bound": BOOL, "rho": maybe(NUM), "form": STR, "closeness": maybe(NUM), "equal": COUNT,
                    "of": COUNT, "stage": choice("exact", "lineage"), "scope": choice("whole", "part"),
                    "components": listing(_PART), "weights": BOOL, "group": maybe(COUNT), "would_resolve": STR,
                }
            )
        ),
        "groups": listing(
            record({"id": COUNT, "members": listing(COUNT), "sentence": STR, "documented": BOOL, "by_screen": BOOL})
        ),
        "sources": listing(
            record(
                {"kind": choice("parts", "mixture", "weights"), "sentence": STR, "gain": maybe(NUM), "reading": STR,
                 "of": listing(_SHARE)},
                optional=("reading",),
            )
        ),
        "near_misses": listing(
            record({"entry": _ENTRY, "what": STR, "sentence": STR, "p": P, "rho": NUM, "would_resolve": STR})
        ),
        "pairs": listing(
            record({"a": COUNT, "b": COUNT, "finding": choice(*FINDINGS), "sentence": STR, "p": P, "p_is_bound": BOOL,
                    "rho": maybe(NUM), "components": listing(_PART)})
        ),
        "screened": record(
            {"entries": COUNT, "worth": COUNT, "from": NUM, "left_out": COUNT, "blind": COUNT, "whole": BOOL,
             "next": listing(record({"entry": _ENTRY, "score": NUM, "rho": NUM}))}
        ),
        "compared": COUNT,
        "parents": listing(record({"entry": record({"id": COUNT, "name": STR}), "parents": listing(PARENT)})),
        "limits": listing(STR),
        "notices": listing(STR),
    }
)  # fmt: skip
"""`mpk_tui.library.scan.scan`."""
