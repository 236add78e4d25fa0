"""Shapes of what ``mpk-tui batch`` and ``mpk-tui watch`` write: lines of their files, and the summary."""

from __future__ import annotations

from mpk_tui.lineage.findings import FINDINGS
from mpk_tui.report.shapes import BOOL, COUNT, HEX, NUM, STR, P, choice, listing, maybe, record

_FAULT = record({"kind": STR, "code": COUNT, "diagnosis": STR})
_RELATIVE = record(
    {
        "id": COUNT, "name": STR, "fingerprint": HEX, "root": HEX, "finding": choice(*FINDINGS), "stage": STR,
        "scope": STR, "p": P, "rho": maybe(NUM), "sentence": STR,
    }
)  # fmt: skip
_SCAN = record(
    {
        "library": record({"folder": STR, "entries": COUNT, "revoked": COUNT, "digest": STR}), "comparisons": COUNT,
        "screened": {"type": "object"}, "compared": COUNT,
        "exact": record({"root": COUNT, "files": COUNT, "tensors": COUNT}),
        "finding": choice("none-found", *FINDINGS), "relatives": listing(_RELATIVE), "count": COUNT,
        "near_misses": COUNT,
    }
)  # fmt: skip
_MEASURED = record(
    {
        "fingerprint": HEX, "root": HEX, "format": STR, "family": STR, "scope": STR, "parameters": COUNT,
        "tensors": COUNT, "layers": maybe(COUNT), "missing": listing(STR), "adapter": BOOL,
    }
)  # fmt: skip
BATCH = record(
    {
        "schema": {"const": "mpk-tui/batch/1"}, "name": STR, "path": STR, "model": STR,
        "state": choice("done", "error"), "stamp": HEX, "size": COUNT, "at": COUNT, "seconds": NUM, "tool": STR,
        "measured": maybe(_MEASURED), "scan": maybe(_SCAN), "error": maybe(_FAULT), "notices": listing(STR),
    }
)  # fmt: skip
"""One line of a sweep's file: one checkpoint."""

PAIR = record(
    {
        "schema": {"const": "mpk-tui/batch-pair/1"}, "a": HEX, "b": HEX, "a_name": STR, "b_name": STR,
        "finding": maybe(choice(*FINDINGS)), "sentence": STR, "p": P, "p_is_bound": BOOL, "rho": maybe(NUM),
        "equal": COUNT, "differing": COUNT, "comparisons": COUNT, "at": COUNT, "tool": STR, "error": maybe(_FAULT),
    }
)  # fmt: skip
"""One line of a file of pairs: two checkpoints of a drive."""

_FOUND = record({"a": STR, "b": STR, "finding": choice(*FINDINGS), "p": P, "rho": maybe(NUM)})
SUMMARY = record(
    {
        "schema": {"const": "mpk-tui/batch-summary/1"}, "out": STR, "library": maybe(STR), "files": COUNT,
        "made": COUNT,
        "checkpoints": listing(
            record(
                {
                    "name": STR, "path": STR, "model": STR, "state": choice("done", "error"), "size": COUNT,
                    "parameters": maybe(COUNT), "root": maybe(HEX), "finding": maybe(choice("none-found", *FINDINGS)),
                    "nearest": maybe(STR), "p": P, "rho": maybe(NUM), "error": maybe(STR),
                }
            )
        ),
        "errors": COUNT,
        "duplicates": listing(record({"root": HEX, "names": listing(STR)})),
        "families": maybe(listing(record({"names": listing(STR), "findings": listing(_FOUND)}))),
        "between": listing(_FOUND),
        "pairs": maybe(record({"models": COUNT, "of": COUNT, "compared": COUNT})),
        "skipped": listing(record({"path": STR, "reason": STR})), "notices": listing(STR),
    }
)  # fmt: skip
"""What a sweep came to."""

LEVELS = ("identical", "near-identical", "shares-tensors", "shared-trained-ancestor", "component")
"""What an alert of a watch list may say; `mpk_tui.sweep.watching` has them too, and a test holds both together."""
_LISTED = record(
    {
        "name": STR, "advisories": listing(STR), "severity": STR, "source": STR, "note": STR, "root": maybe(HEX),
        "fingerprint": maybe(HEX),
    }
)  # fmt: skip
_HEAD = {
    "schema": {"const": "mpk-tui/watch/1"}, "kind": choice("alert", "notice", "error", "checked"), "name": STR,
    "path": STR, "model": STR, "stamp": HEX, "list": HEX, "run": STR, "at": COUNT, "tool": STR,
    "fingerprint": maybe(HEX), "root": maybe(HEX),
}  # fmt: skip
_SAID = {
    "listed": maybe(_LISTED), "level": maybe(choice(*LEVELS)), "finding": maybe(choice(*FINDINGS)), "sentence": STR,
    "files": listing(STR), "equal_tensors": COUNT, "equal_named": listing(STR), "p": P, "p_is_bound": BOOL,
    "pairs": COUNT, "equal": COUNT, "differing": listing(STR), "differing_count": COUNT, "only_here": listing(STR),
    "only_listed": listing(STR), "comparisons": COUNT, "bundle": maybe(STR), "bundle_reason": maybe(STR),
    "error": _FAULT, "alerts": COUNT, "models": COUNT,
}  # fmt: skip
WATCH = record({**_HEAD, **_SAID}, optional=tuple(_SAID))
"""One line of a watch: an alert, a notice, an error, or that a checkpoint was held against the whole list."""
