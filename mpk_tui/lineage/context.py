"""The similarity scores of the field, as context: each beside what independent models score, none ever deciding.

Norm gains, embedding norms, spectra, vocabularies and configurations are alike in models that have nothing in common
but a recipe.  A reader who has met such a score elsewhere should see it here with the range that independently trained
models reach.  The ranges are data, measured by ``tests/zoo/context_ranges.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.sides import Side
from mpk_tui.lineage.similarity import MEASURES, Measure, Value, scores
from mpk_tui.progress import CancelToken, Meter, Report, silent

RANGES = "context-ranges.json"


def context(
    a: Side, b: Side, layer_map: LayerMap | None, report: Report = silent, cancel: CancelToken | None = None
) -> list[dict[str, Any]]:
    """Similarity scores of a pair, each beside what independent models score; they never decide.

    Args:
        a: One side.
        b: The other.
        layer_map: Which layers stand beside each other; None pairs them by relative depth.
        report: Progress in scores.
        cancel: Polled between scores.

    Returns:
        One row a measure, in a fixed order: ``name``, ``what``, ``value`` (None with a ``reason`` where it was not
        computed), ``independent_low``, ``independent_high``, ``independent_pairs``, ``independent_source``,
        ``same_seed_low``, ``same_seed_high`` (runs from one initialisation, where measured) and ``sentence``.
    """
    cancel = cancel or CancelToken()
    meter = Meter(report, "context", len(MEASURES), "scores")
    rows = []
    for measure, value in scores(a, b, layer_map, cancel):
        rows.append(_row(measure, value))
        meter.add(1, measure.name)
    return rows


@dataclass(frozen=True)
class Range:
    """What pairs of a known kind score.

    Attributes:
        low: Smallest value seen.
        high: Largest.
        pairs: Number of pairs with a value.
    """

    low: float
    high: float
    pairs: int


@cache
def ranges() -> dict[str, Any]:
    """The measured ranges, as the data file beside this module holds them."""
    text = resources.files("mpk_tui.lineage").joinpath(RANGES).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def measured_range(name: str, truth: str) -> Range | None:
    """Least and greatest value over all kinds of models for a measure.

    Args:
        name: Of the measure.
        truth: ``independent`` (independent initialisations) or ``same-seed`` (one initialisation trained apart).
    """
    found = [k for k in ranges()["measures"].get(name, {}).get(truth, {}).values() if k["pairs"]]
    if not found:
        return None
    return Range(min(k["low"] for k in found), max(k["high"] for k in found), sum(k["pairs"] for k in found))


def _source(name: str) -> str:
    kinds = ranges()["measures"].get(name, {}).get("independent", {})
    shown = [f"{k['pairs']} pairs of {ranges()['kinds'][kind]}" for kind, k in sorted(kinds.items()) if k["pairs"]]
    return f"{'; '.join(shown)}; measured {ranges()['measured']}, docs/lineage.md" if shown else ""


def _row(measure: Measure, value: Value) -> dict[str, Any]:
    independent, seed = measured_range(measure.name, "independent"), measured_range(measure.name, "same-seed")
    number = None if isinstance(value, str) else value
    return {
        "name": measure.name,
        "what": measure.what,
        "value": number,
        "reason": value if isinstance(value, str) else "",
        "independent_low": independent.low if independent else None,
        "independent_high": independent.high if independent else None,
        "independent_pairs": independent.pairs if independent else 0,
        "independent_source": _source(measure.name),
        "same_seed_low": seed.low if seed else None,
        "same_seed_high": seed.high if seed else None,
        "sentence": sentence(value, independent, seed),
    }


def sentence(value: Value, independent: Range | None, same_seed: Range | None = None) -> str:
    """A score beside what independent models score, in words.

    Args:
        value: The score, or why there is none.
        independent: What models from independent initialisations score, or None if that was never measured.
        same_seed: What runs from one initialisation score, which count as independent as well.
    """
    if isinstance(value, str):
        return f"Not computed: {value}."
    if independent is None:
        return f"{_shown(value)}; what independent models score was not measured, so it says nothing."
    seen = f"{_shown(independent.low)} to {_shown(independent.high)}"
    start = f"{_shown(value)}; {independent.pairs} pairs of independent models scored {seen}"
    if independent.low <= value <= independent.high:
        return f"{start}: it lies among them and says nothing."
    where = "above" if value > independent.high else "below"
    if same_seed and same_seed.low <= value <= same_seed.high:
        return (
            f"{start}: it lies {where} them, but runs that share only their initialisation scored "
            f"{_shown(same_seed.low)} to {_shown(same_seed.high)}; it decides nothing."
        )
    return f"{start}: it lies {where} them; it decides nothing."


def _shown(value: float) -> str:
    if abs(value) >= 10:
        return f"{value:.1f}"
    # What is nearly one must not be rounded to one.
    return f"{value:.6f}" if 0.9995 <= abs(value) < 1 else f"{value:.4f}"
