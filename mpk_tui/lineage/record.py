"""A comparison as one plain record: every number, parameter, seed and assumption, the same on every run."""

from __future__ import annotations

import math
from typing import Any

from mpk_tui.fingerprint.spectra import STANDOUT, TRIPLETS
from mpk_tui.lineage import discriminator, findings
from mpk_tui.lineage.components import Part
from mpk_tui.lineage.discriminator import RetentionTest
from mpk_tui.lineage.findings import Finding
from mpk_tui.lineage.identity import Delta, Identity
from mpk_tui.lineage.results import LAYER_P, UnitTest

_NULL = (
    "H0-ind: the two models come from independent random initialisations, so that relabelling the {what} of one "
    "changes nothing in distribution. p bounds how often this null would look like this; it is not the probability "
    "that the models are independent."
)
_UNITS = (
    "feed-forward units", "hidden units",
    "relabels units within each layer; void if units are ordered or nested, or were sorted by importance on both sides "
    "by one rule",
)  # fmt: skip
_TOKENS = "embeddings of tokens that both vocabularies share"
_DIMENSIONS = (
    "residual dimensions", "residual dimensions",
    "relabels residual dimensions, all tensors together; void with sinusoidal positions",
)  # fmt: skip
_FORMS: dict[str, tuple[str, str, str, str]] = {
    "ffn.aligned": (*_UNITS, "residual coordinates"),
    "ffn.anchored": (*_UNITS, _TOKENS),
    "ffn.order": (*_UNITS, "order of units that are each other's nearest"),
    "attn.channels": (
        "value/output channels", "channels of each head",
        "relabels channels within each head; void if positions are encoded on values", _TOKENS,
    ),
    "attn.heads": (
        "attention heads", "heads of each layer",
        "relabels heads within their groups; void with ALiBi or where some heads are local and some global", _TOKENS,
    ),
    "residual.embeddings": (*_DIMENSIONS, "tokens that both vocabularies share"),
    "residual.body": (*_DIMENSIONS, "matched feed-forward units and norm gains"),
}  # fmt: skip


def p_value(log_p: float) -> float:
    """A p-value that is never quoted below the floor."""
    return max(findings.P_FLOOR, math.exp(log_p))


def rounded(x: float, digits: int = 6) -> float:
    """A number to so many significant digits, so that records agree across platforms."""
    return float(f"{x:.{digits}g}") if math.isfinite(x) else 0.0


def unit_record(test: UnitTest) -> dict[str, Any]:
    """One test of correspondence."""
    family, what, assumption, basis = _FORMS[test.form]
    floor = math.log(findings.P_FLOOR)
    return {
        "name": test.form,
        "family": family,
        "statement": _NULL.format(what=what),
        "assumption": assumption,
        "basis": basis,
        "ran": test.ran,
        "reason": test.reason,
        "source": test.source,
        "p": p_value(test.log_p) if test.ran else None,
        "p_is_bound": test.ran and test.log_p < floor,
        "z": rounded(test.z) if test.ran else None,
        "rho": rounded(test.rho) if test.ran else None,
        "parameters": {**test.params, "layer_p": LAYER_P},
        "layers": [
            {
                "a": r.a,
                "b": r.b,
                **({"expert_a": r.expert_a, "expert_b": r.expert_b} if max(r.expert_a, r.expert_b) >= 0 else {}),
                "z": rounded(r.test.z),
                "rho": rounded(r.test.rho),
                "p": p_value(r.log_p),
                "p_is_bound": r.test.bound or r.log_p < floor,
                "units": r.test.units,
            }
            for r in test.layers
        ],
    }


def retention_record(test: RetentionTest | None, identity: Identity) -> dict[str, Any]:
    """The discriminator, run or not."""
    if test is not None:
        reason = test.reason
    elif identity.all_equal:
        reason = "all tensors are equal; nothing is left to test"
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
        "basis": test.basis if test is not None else discriminator.RESIDUAL,
        "ran": test is not None and bool(test.matrices),
        "reason": reason,
        "source": ""
        if test is None
        else "fingerprints"
        if test.basis == discriminator.SKETCHED
        else "weights",
        "p": None,
        "p_is_bound": False,
        "z": None,
        "rho": None,
        "parameters": {
            "triplets": TRIPLETS, "standout": STANDOUT, "at_most_matrices": discriminator.MATRICES,
            "speaks_for_from": discriminator.FOR, "and_lower_quartile_from": discriminator.LOW_FOR,
            "for_after_alignment_from": discriminator.FOR_ALIGNED,
            "and_lower_quartile_after_alignment_from": discriminator.LOW_FOR_ALIGNED,
            "and_shared_from": discriminator.KEPT, "or_even_quartiles_within": discriminator.EVEN,
            "and_even_part_from": discriminator.LEAST_PART, "to": discriminator.MOST_PART,
            "and_rest_quartiles_within": discriminator.STEADY, "gain_spread_from": discriminator.TRAINED,
            "speaks_against_below": discriminator.AGAINST,
            "or_lower_quartile_below": discriminator.LOW_AGAINST, "seed_pattern_below": discriminator.SEED,
        },
        "layers": [],
    }  # fmt: skip
    if test is None:
        return record
    return {**record, **_directions(test), "layers": _matrices(test)}


def _directions(test: RetentionTest) -> dict[str, Any]:
    return {
        "reading": test.reading,
        "shared": rounded(test.kept),
        "gain_spread": [None if s is None else rounded(s) for s in test.spreads],
        "directions": [
            {
                "of": of,
                "counts": d.counts,
                "ratio": None if d.ratio is None else rounded(d.ratio),
                "lower_quartile": None if d.low is None else rounded(d.low),
                "upper_quartile": None if d.high is None else rounded(d.high),
                "top": rounded(d.top),
                "rest": rounded(d.rest),
                "matrices": d.matrices,
            }
            for of, d in (("a", test.forward), ("b", test.backward))
        ],
    }


def _matrices(test: RetentionTest) -> list[dict[str, Any]]:
    return [
        {
            "a": m.a,
            "b": m.b,
            "role": m.role,
            "a_in_b": None if m.forward.ratio is None else rounded(m.forward.ratio),
            "b_in_a": None if m.backward.ratio is None else rounded(m.backward.ratio),
            "a_stands_out": m.forward.standing,
            "b_stands_out": m.backward.standing,
        }
        for m in test.matrices
    ]


def part_record(part: Part) -> dict[str, Any]:
    """One part, with the finding that holds for it."""
    name = findings.part_finding(part)
    return {
        "name": part.name,
        "kind": part.kind,
        "finding": name,
        "sentence": findings.part_sentence(part, name),
        "p": p_value(part.log_p),
        "p_is_bound": True,
        "rho": rounded(part.rho),
        "layers": [[str(p.a), str(p.b)] for p in part.pairs],
        "equal": list(part.equal),
        "retention": None if part.retention is None else {"basis": part.retention.basis, **_directions(part.retention)},
    }


def identity_record(identity: Identity) -> dict[str, Any]:
    """Every tensor accounted for."""
    return {
        "pairs": len(identity.deltas),
        "equal": identity.by_state["bytes"],
        "converted": identity.by_state["converted"],
        "unread": identity.by_state["unread"],
        "renamed": identity.renamed,
        "conversions": sorted({d.conversion for d in identity.deltas if d.conversion}),
        "lossless": identity.lossless,
        "differing": [_delta(d) for d in identity.differing],
        "only_a": list(identity.only_a),
        "only_b": list(identity.only_b),
        "ignored": list(identity.ignored),
    }


def _delta(d: Delta) -> dict[str, Any]:
    read = d.state == "different" and d.changed > 0
    return {
        "a": d.pair.a.tensor,
        "b": d.pair.b.tensor,
        "role": d.pair.role,
        "layer": d.pair.layer,
        "state": d.state,
        "elements": d.elements,
        "changed": d.changed if read else None,
        "relative": rounded(d.relative) if read else None,
        "cosine": rounded(d.cosine, 8) if read else None,
    }


def finding_record(finding: Finding) -> dict[str, Any]:
    """The finding and the significance behind it."""
    return {
        "finding": finding.name,
        "sentence": finding.sentence + ".",
        "p": p_value(finding.log_p),
        "p_is_bound": finding.log_p < math.log(findings.P_FLOOR),
        "families": finding.families,
        # Only where the pair was chosen from several: records of a named pair stay what they were, byte for byte.
        **({"comparisons": finding.comparisons} if finding.comparisons > 1 else {}),
    }
