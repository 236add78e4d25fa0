"""Compare two models: run what applies, decide, and keep every number in one plain record."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from mpk_tui import __version__
from mpk_tui.lineage import channels, findings, mechanisms, proposal
from mpk_tui.lineage.discriminator import (
    AGAINST,
    FOR,
    KEPT,
    LOW_AGAINST,
    LOW_FOR,
    MATRICES,
    RESIDUAL,
    SEED,
    RetentionTest,
    run_retention,
)
from mpk_tui.lineage.identity import Delta, Identity, compare_tensors
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.retention import STANDOUT, TRIPLETS
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.lineage.units import FORMS, LAYER_P, UnitTest, not_run, run_unit_tests
from mpk_tui.progress import CancelToken, Report, silent

SCHEMA = "mpk-tui/compare/1"

_NULL = (
    "H0-ind: the two models come from independent random initialisations, so that relabelling the hidden units of one "
    "changes nothing in distribution. p bounds how often this null would look like this; it is not the probability "
    "that the models are independent."
)
_VOID = "void if units are ordered or nested, or were sorted by importance on both sides by one rule"


def compare(a: Path, b: Path, report: Report = silent, cancel: CancelToken | None = None) -> dict[str, Any]:
    """Compare two checkpoints or fingerprint files.

    Args:
        a: Checkpoint (folder or file) or fingerprint file.
        b: Likewise.
        report: Progress.
        cancel: Polled between blocks, layers and matrices.

    Returns:
        The record (schema ``mpk-tui/compare/1``): JSON- and canonical-msgpack-able, the same on every run.

    Raises:
        MpkError: Whatever reading refuses; a comparison itself never fails, it abstains.
    """
    cancel = cancel or CancelToken()
    with open_side(a, report, cancel) as left, open_side(b, report, cancel) as right:
        return compare_sides(left, right, report, cancel)


def compare_sides(a: Side, b: Side, report: Report = silent, cancel: CancelToken | None = None) -> dict[str, Any]:
    """Like `compare`, for sides that are open already."""
    cancel = cancel or CancelToken()
    identity = compare_tensors(a, b, report, cancel)
    tests: list[UnitTest]
    layer_map: LayerMap | None = None
    retention: RetentionTest | None = None
    if identity.all_equal:
        tests = [not_run(f, "all tensors are equal; nothing is left to test") for f in (*FORMS, channels.FORM)]
    else:
        tests, layer_map = run_unit_tests(a, b, report, cancel)
        tests.append(_channels(a, b, layer_map, report, cancel))
        log_p, families = findings.combined(tests)
        if families and log_p < math.log(findings.P_NOTHING) and layer_map and a.weights and b.weights:
            retention = run_retention(a.weights, b.weights, layer_map, report, cancel)
    finding = findings.decide(identity, tests, retention)
    ranked = mechanisms.propose(finding, a, b, identity, layer_map)
    return {
        "schema": SCHEMA,
        "tool": {"name": "mpk-tui", "version": __version__, "numpy": np.__version__},
        "a": a.facts(),
        "b": b.facts(),
        "finding": finding.name,
        "sentence": finding.sentence + ".",
        "p": _p(finding.log_p),
        "p_is_bound": finding.log_p < math.log(findings.P_FLOOR),
        "families": finding.families,
        "tests": [_unit_record(t) for t in tests] + [_retention_record(retention, a, b, identity)],
        "identity": _identity_record(identity),
        "components": [],
        "mechanisms": ranked,
        "proposal": proposal.propose(finding, identity, ranked, (a.fingerprint.scope, b.fingerprint.scope)),
        "limits": _limits(a, b, finding.name),
        "notices": _notices(a, b),
    }


def _channels(a: Side, b: Side, layer_map: LayerMap | None, report: Report, cancel: CancelToken) -> UnitTest:
    if layer_map is None:
        return not_run(channels.FORM, "no layers of the two models could be paired")
    if not (a.weights and b.weights):
        return not_run(channels.FORM, "needs the weights of both models; fingerprints do not carry attention")
    return channels.run_channels(a.weights, b.weights, layer_map, report, cancel)


def _p(log_p: float) -> float:
    return max(findings.P_FLOOR, math.exp(log_p))


def _round(x: float, digits: int = 6) -> float:
    return float(f"{x:.{digits}g}")


def _unit_record(test: UnitTest) -> dict[str, Any]:
    aligned = test.form == "ffn.aligned"
    attention = test.form == channels.FORM
    return {
        "name": test.form,
        "family": "value/output channels" if attention else "feed-forward units",
        "statement": _NULL,
        "assumption": (
            "relabels channels within each head; void if positions are encoded on values"
            if attention
            else f"relabels units within each layer; {_VOID}"
        ),
        "basis": "residual coordinates" if aligned else "embeddings of tokens that both vocabularies share",
        "ran": test.ran,
        "reason": test.reason,
        "source": test.source,
        "p": _p(test.log_p) if test.ran else None,
        "p_is_bound": test.ran and test.log_p < math.log(findings.P_FLOOR),
        "z": _round(test.z) if test.ran else None,
        "rho": _round(test.rho) if test.ran else None,
        "parameters": {**test.params, "layer_p": LAYER_P},
        "layers": [
            {
                "a": r.a,
                "b": r.b,
                "z": _round(r.test.z),
                "rho": _round(r.test.rho),
                "p": _p(r.log_p),
                "p_is_bound": r.test.bound or r.log_p < math.log(findings.P_FLOOR),
                "units": r.test.units,
            }
            for r in test.layers
        ],
    }


def _retention_record(test: RetentionTest | None, a: Side, b: Side, identity: Identity) -> dict[str, Any]:
    if test is not None:
        reason = test.reason
    elif identity.all_equal:
        reason = "all tensors are equal; nothing is left to test"
    elif not (a.weights and b.weights):
        reason = "needs the weights of both models; give the checkpoints instead of fingerprint files"
    else:
        reason = "not needed: no shared origin was established"
    record: dict[str, Any] = {
        "name": "retention",
        "family": "retention of learned structure",
        "statement": (
            "Tells a shared trained ancestor from a shared initialisation. No p-value exists for this step; its error "
            "rate is empirical."
        ),
        "assumption": "what was learned stands out from the bulk on the projecting side",
        "basis": test.basis if test is not None else RESIDUAL,
        "ran": test is not None and bool(test.matrices),
        "reason": reason,
        "source": "weights" if test is not None else "",
        "p": None,
        "p_is_bound": False,
        "z": None,
        "rho": None,
        "parameters": {
            "triplets": TRIPLETS, "standout": STANDOUT, "at_most_matrices": MATRICES,
            "speaks_for_from": FOR, "and_lower_quartile_from": LOW_FOR, "and_shared_from": KEPT,
            "speaks_against_below": AGAINST,
            "or_lower_quartile_below": LOW_AGAINST, "seed_pattern_below": SEED,
        },
        "layers": [],
    }  # fmt: skip
    if test is None:
        return record
    record["reading"] = test.reading
    record["shared"] = _round(test.kept)
    record["directions"] = [
        {
            "of": of,
            "counts": d.counts,
            "ratio": None if d.ratio is None else _round(d.ratio),
            "lower_quartile": None if d.low is None else _round(d.low),
            "top": _round(d.top),
            "rest": _round(d.rest),
            "matrices": d.matrices,
        }
        for of, d in (("a", test.forward), ("b", test.backward))
    ]
    record["layers"] = [
        {
            "a": m.a,
            "b": m.b,
            "role": m.role,
            "a_in_b": None if m.forward.ratio is None else _round(m.forward.ratio),
            "b_in_a": None if m.backward.ratio is None else _round(m.backward.ratio),
            "a_stands_out": m.forward.standing,
            "b_stands_out": m.backward.standing,
        }
        for m in test.matrices
    ]
    return record


def _identity_record(identity: Identity) -> dict[str, Any]:
    return {
        "pairs": len(identity.deltas),
        "equal": identity.by_state["bytes"],
        "converted": identity.by_state["converted"],
        "unread": identity.by_state["unread"],
        "renamed": identity.renamed,
        "conversions": sorted({d.conversion for d in identity.deltas if d.conversion}),
        "lossless": identity.lossless,
        "differing": [_delta_record(d) for d in identity.differing],
        "only_a": list(identity.only_a),
        "only_b": list(identity.only_b),
        "ignored": list(identity.ignored),
    }


def _delta_record(d: Delta) -> dict[str, Any]:
    read = d.state == "different" and d.changed > 0
    return {
        "a": d.pair.a.tensor,
        "b": d.pair.b.tensor,
        "role": d.pair.role,
        "layer": d.pair.layer,
        "state": d.state,
        "elements": d.elements,
        "changed": d.changed if read else None,
        "relative": _round(d.relative) if read else None,
        "cosine": _round(d.cosine, 8) if read else None,
    }


def _limits(a: Side, b: Side, finding: str) -> list[str]:
    out = [
        "Distillation or training on another model's outputs without inherited weights leaves nothing that these tests "
        "could see.",
        "Weights show no direction: which of two related models came first is not decided here.",
        "Feed-forward units and the channels of attention heads were tested; a copy in which both were re-ordered or "
        "replaced is not found by this version.",
    ]
    if not (a.weights and b.weights):
        out.append(
            "A fingerprint file stands for at least one side: values, casts and retention could not be checked, so a "
            "trained ancestor cannot be told from a shared initialisation."
        )
    if finding in (findings.NONE_FOUND, findings.NOT_COMPARABLE):
        out.append("No correspondence is not the same as independent: it says what was not found by these tests.")
    if finding == findings.TRAINED_ANCESTOR:
        out.append(
            "The step from shared origin to trained ancestor has an empirical error rate, known from small trained "
            "models only; see docs/lineage.md for its denominator."
        )
    return out


def _notices(a: Side, b: Side) -> list[str]:
    out = [f"A: {n}" for n in a.fingerprint.notices] + [f"B: {n}" for n in b.fingerprint.notices]
    for name, side in (("A", a), ("B", b)):
        if side.fingerprint.scope != proposal.IN_SCOPE:
            out.append(f"{name} is {side.fingerprint.scope}: findings may be reported, a constitution verdict may not.")
    return out
