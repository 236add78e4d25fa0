"""Comparisons whose truth is known: the demonstration's base with its fine-tune, and with a twin of another start.

Imports NumPy; `mpk_tui.selftest.run` says so where there is none.  Ranges leave room for other versions of NumPy and
its libraries, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.errors import MpkError
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.lineage.compare import compare, compare_sides
from mpk_tui.lineage.sides import Side
from mpk_tui.progress import Report
from mpk_tui.selftest.check import Check
from mpk_tui.selftest.reading import demo_folder

Ranges = dict[str, tuple[float, float]]
# z by test: from sketches in fingerprints, and (with --full) from all weights.
_BASE: Ranges = {"ffn.aligned": (95, 115), "ffn.anchored": (85, 105), "residual.embeddings": (62, 77)}
_TWIN: Ranges = {"ffn.aligned": (-4, 4), "ffn.anchored": (-4, 4), "residual.embeddings": (-4, 4)}
_BASE_FULL: Ranges = {
    "ffn.aligned": (190, 220), "ffn.anchored": (148, 172), "attn.channels": (25, 30), "residual.embeddings": (98, 116),
    "residual.body": (98, 116),
}  # fmt: skip
_TWIN_FULL: Ranges = dict.fromkeys([*_BASE_FULL, "attn.heads"], (-4.0, 4.0))
_FOUND, _NOTHING = "shared-trained-ancestor", "no-correspondence"


def checks(report: Report) -> list[Check]:
    """From the fingerprints of the three checkpoints."""
    made: dict[str, Fingerprint] = {}

    def side(name: str) -> Side:
        if name not in made:
            made[name] = fingerprint(open_checkpoint(demo_folder(name)), report)
        return Side(name, made[name], None)

    def pair(a: str, b: str) -> Callable[[], dict[str, Any]]:
        return lambda: compare_sides(side(a), side(b))

    return [
        _held("fine-tune with base, by fingerprints", _FOUND, _BASE, pair("fine-tune", "base")),
        _held("fine-tune with twin, by fingerprints", _NOTHING, _TWIN, pair("fine-tune", "twin")),
        _held("base with itself", "identical", {}, pair("base", "base")),
    ]


def full_checks(report: Report) -> list[Check]:
    """From all weights."""
    tuned, base, twin = map(demo_folder, ("fine-tune", "base", "twin"))
    return [
        _held("fine-tune with base, by weights", _FOUND, _BASE_FULL, lambda: compare(tuned, base, report)),
        _held("base with fine-tune, by weights", _FOUND, _BASE_FULL, lambda: compare(base, tuned, report)),
        _held("fine-tune with twin, by weights", _NOTHING, _TWIN_FULL, lambda: compare(tuned, twin, report)),
    ]


def _held(name: str, finding: str, ranges: Ranges, ask: Callable[[], dict[str, Any]]) -> Check:
    expected = "; ".join([finding, *(f"{test} z {low:g} to {high:g}" for test, (low, high) in ranges.items())])
    try:
        record = ask()
        zs = {t["name"]: t["z"] for t in record["tests"]}
        found = [str(record["finding"]), *(f"{test} z {_number(zs.get(test))}" for test in ranges)]
        within = all(isinstance(z := zs.get(test), float) and low <= z <= high for test, (low, high) in ranges.items())
        return Check(name, expected, "; ".join(found), record["finding"] == finding and within)
    except MpkError as error:
        return Check(name, expected, type(error).__name__, False)
    except Exception as error:  # a broken part must be seen to fail, whatever it throws
        return Check(name, expected, f"{type(error).__name__}: {error}", False)


def _number(z: object) -> str:
    return f"{z:.1f}" if isinstance(z, float) else "none"
