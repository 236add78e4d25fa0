"""Which mechanism of the constitution fits a finding, with the numbers for it and against it.

A proposal for the analyst, ordered by how well the numbers fit; never a direction, at most a hint of one.  Numbers and
titles of the mechanisms are the constitution's (section 3).  A score orders the rows and is not shown: what explains
the values down to their rounding (a grid, a mask, a rank, a rescaling, a mixture of parents) stands above what explains
shapes, and that above the size of a change, which any training could have made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mpk_tui.lineage import findings, readings, training
from mpk_tui.lineage.evidence import Evidence, gather
from mpk_tui.lineage.findings import Finding
from mpk_tui.lineage.identity import Identity
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.readings import Reading
from mpk_tui.lineage.results import UnitTest
from mpk_tui.lineage.sides import Side
from mpk_tui.progress import CancelToken, Report, silent

TITLES = {
    "3.1": "identity and reformatting",
    "3.2": "fine-tuning",
    "3.3": "continued pretraining",
    "3.4": "vocabulary-modified",
    "3.5": "distillation",
    "3.6": "structural modification with weight inheritance",
    "3.7": "quantization and compression",
    "3.8": "adapter-based",
    "3.9": "merging",
}
_RELATED = (findings.NEAR_IDENTICAL, findings.TRAINED_ANCESTOR, findings.COMPONENT)


def propose(
    finding: Finding,
    a: Side,
    b: Side,
    identity: Identity,
    layer_map: LayerMap | None,
    report: Report = silent,
    cancel: CancelToken | None = None,
    tests: list[UnitTest] | None = None,
    merge: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Mechanisms in order of fit; empty where the finding licenses none.

    Args:
        finding: From `findings.decide`.
        a: One side; its weights may be missing.
        b: The other.
        identity: Every tensor accounted for.
        layer_map: Which layers stand beside each other.
        report: Progress in matrices.
        cancel: Polled between matrices.
        tests: Results of the unit tests, for the correlation of units once the basis is set aside.
        merge: What `merge.decompose` found with further parents, if any were given.

    Returns:
        Rows ``{number, title, for, against, numbers, direction}``: sentences, the numbers behind them, and a hint or an
        empty string.
    """
    if finding.name == findings.IDENTICAL:
        return [_row(Reading(1.0, "3.1", ["every tensor is equal byte for byte"]))]
    if finding.name == findings.REFORMATTED:
        return [_row(r) for r in _reformatted(identity)]
    if finding.name not in _RELATED:
        return []
    evidence = gather(a, b, layer_map, report, cancel or CancelToken())
    found = _Found(a, b, identity, layer_map, evidence, list(tests or ()))
    return [_row(r) for r in rank(found, merge)]


@dataclass(frozen=True)
class _Found:
    """Everything that the readings look at."""

    a: Side
    b: Side
    identity: Identity
    layer_map: LayerMap | None
    evidence: Evidence
    tests: list[UnitTest] = field(default_factory=list)


def rank(found: _Found, merge: dict[str, Any] | None) -> list[Reading]:
    """All readings that apply, best first."""
    e, identity = found.evidence, found.identity
    named = [
        readings.concealed(e, found.tests),
        readings.rescaled(e),
        readings.quantized(found.a, found.b, e, identity),
        readings.sparse(e),
        readings.adapter(e, identity),
        readings.structure(found.a, found.b, found.layer_map, e),
        readings.vocabulary(e),
        training.mixture(e),
        training.passthrough(e),
        training.merged(merge),
    ]
    rows = [r for r in named if r is not None]
    explained = max((r.score for r in rows), default=0.0) >= readings.EXPLAINS
    rows += [r for r in training.trained(e, identity, explained) if r is not None]
    if not any(r.number == "3.9" for r in rows):
        weak = training.merge_of_two(e, explained)
        rows += [weak] if weak is not None else []
    return sorted(rows, key=lambda r: -r.score)


def _reformatted(identity: Identity) -> list[Reading]:
    kinds = sorted({d.conversion for d in identity.deltas if d.conversion}) or ["names or files only"]
    numbers: dict[str, Any] = {"converted": identity.by_state["converted"], "equal": identity.by_state["bytes"]}
    if identity.lossless:
        return [Reading(1.0, "3.1", [f"lossless conversion: {'; '.join(kinds[:4])}"], numbers=numbers)]
    return [
        Reading(2.0, "3.7", [f"every element is the rounded value: {'; '.join(kinds[:4])}"], numbers=numbers,
                direction="The narrower type can be made from the wider one and not the other way round."),
        Reading(1.0, "3.1", ["nothing but the number format differs"], ["the conversion loses digits"]),
    ]  # fmt: skip


def _row(r: Reading) -> dict[str, Any]:
    return {
        "number": r.number,
        "title": TITLES[r.number],
        "for": list(r.speaks),
        "against": list(r.against),
        "numbers": {k: _plain(v) for k, v in r.numbers.items() if v is not None},
        "direction": r.direction,
    }


def _plain(v: Any) -> float | int | str:
    """A number of six significant digits, an integer or a string."""
    if isinstance(v, float):
        return float(f"{v:.6g}")
    return v if isinstance(v, (int, str)) else str(v)
