"""What a finding proposes for the constitution's questions; the analyst confirms or overrides, with a reason."""

from __future__ import annotations

from typing import Any

from mpk_tui.lineage import findings
from mpk_tui.lineage.components import Part
from mpk_tui.lineage.findings import Finding
from mpk_tui.lineage.identity import Identity

CONDITIONS = ("c1", "c2", "c3", "c4", "c5")
IN_SCOPE = "transformer-lm"


def propose(
    finding: Finding,
    identity: Identity,
    mechanisms: list[dict[str, Any]],
    scopes: tuple[str, str],
    parts: tuple[Part, ...] = (),
) -> dict[str, Any]:
    """Proposed answers; everything that the finding does not license stays undetermined, which counts as independent.

    Args:
        finding: From `findings.decide`.
        identity: Says whether a conversion was lossless.
        mechanisms: From `mechanisms.propose`.
        scopes: Scope of either model; outside transformer language models nothing is proposed.
        parts: Parts with findings of their own; a link is proposed for parts of the body only, because embedding
            tables and towers are shared legitimately.
    """
    conditions = {c: _answer("undetermined", "", "No finding bears on this question.") for c in CONDITIONS}
    conditions["c2"] = _answer(
        "undetermined", "", "Distillation without inherited weights cannot be seen in weights; documentation decides."
    )
    exclusions: list[dict[str, Any]] = []
    outside = [s for s in scopes if s != IN_SCOPE]
    if outside:
        text = "The constitution speaks of transformer language models only; no answer is proposed for this pair."
        return {"conditions": conditions, "mechanisms": [], "exclusions": [], "sentence": text}
    name = finding.name
    if name == findings.IDENTICAL:
        conditions["c4"] = _answer("met", "", finding.sentence + ".")
        text = "Linked by identity (C4), mechanism 3.1."
    elif name == findings.REFORMATTED and identity.lossless:
        conditions["c4"] = _answer("met", "", finding.sentence + "; numerically equal.")
        conditions["c3"] = _answer("met", "", finding.sentence + ": a conversion without training.")
        text = "Linked by identity and by a lossless conversion (C4, C3), mechanism 3.1."
    elif name == findings.REFORMATTED:
        conditions["c3"] = _answer("met", "", finding.sentence + ": a conversion without training.")
        text = "Linked by a mechanical transformation (C3), mechanism 3.7."
    elif name in (findings.NEAR_IDENTICAL, findings.TRAINED_ANCESTOR):
        for c in ("c1", "c3"):
            conditions[c] = _answer(
                "undetermined",
                "",
                "Weights show a common trained ancestor, not which of the two came first, nor that one came from the "
                "other; documentation decides.",
            )
        conditions["c5"] = _answer("met", "common-trained-ancestor", finding.sentence + ".")
        text = (
            "Linked by transitivity (C5): common trained ancestor established; a chain from A to B or B to A not "
            "established."
        )
    elif name == findings.COMPONENT and any(_body(p) for p in parts):
        conditions["c5"] = _answer("met", "common-trained-ancestor", finding.sentence + ".")
        text = (
            "Linked by transitivity (C5) in a part: "
            + ", ".join(p.name for p in parts if _body(p))
            + ". Provenance per component is a known gap of the constitution; name the part in the verdict."
        )
    elif name == findings.COMPONENT:
        text = (
            "Independent by default: what is shared lies outside the body of the model, and such parts are shared "
            "legitimately; documentation decides. Provenance per component is a known gap of the constitution."
        )
    elif name == findings.SHARED_INIT:
        exclusions.append({"number": "4.4", **_answer("met", "", finding.sentence + ".")})
        text = "Independent: exclusion 4.4 (independent runs under a shared seed) is proposed."
    else:
        text = "Independent by default: no condition is proposed as met."
    met = any(c["answer"] == "met" for c in conditions.values())
    return {
        "conditions": conditions,
        "mechanisms": [m["number"] for m in mechanisms[:1]] if met else [],
        "exclusions": exclusions,
        "sentence": text,
    }


def _body(part: Part) -> bool:
    """Whether a part of the body has a trained ancestor in common."""
    return part.kind not in ("embeddings", "tensors") and findings.part_finding(part) == findings.COMPONENT


def _answer(answer: str, basis: str, reason: str) -> dict[str, Any]:
    return {"answer": answer, "basis": basis, "reason": reason}
