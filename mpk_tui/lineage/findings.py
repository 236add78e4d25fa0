"""From test results to one finding: pure functions, every threshold named."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from mpk_tui.lineage.components import Part
from mpk_tui.lineage.discriminator import RetentionTest
from mpk_tui.lineage.identity import Identity
from mpk_tui.lineage.results import UnitTest
from mpk_tui.lineage.trajectory import Trajectory

IDENTICAL = "identical"
REFORMATTED = "reformatted"
NEAR_IDENTICAL = "near-identical"
TRAINED_ANCESTOR = "shared-trained-ancestor"
COMPONENT = "component-shared"
SHARED_INIT = "shared-initialisation"
UNRESOLVED = "common-origin-unresolved"
NONE_FOUND = "no-correspondence"
NOT_COMPARABLE = "not-comparable"
FINDINGS = (
    IDENTICAL, REFORMATTED, NEAR_IDENTICAL, TRAINED_ANCESTOR, COMPONENT, SHARED_INIT, UNRESOLVED, NONE_FOUND,
    NOT_COMPARABLE,
)  # fmt: skip

P_ORIGIN = 1e-12
"""Below this combined p a shared origin is established."""
P_NOTHING = 1e-6
"""At or above this combined p nothing is claimed at all."""
MIN_MATCHED = 0.80
"""Share of layers that must match for the whole model to share an origin."""
MIN_RHO = 0.20
"""Mean unit correlation below which the whole model is not spoken for."""
NEAR_SHARE = 0.10
"""Up to this share of tensors (at least one) may differ in a near-identical copy."""
P_FLOOR = 1e-12
"""No p-value is quoted below this."""


@dataclass(frozen=True)
class Finding:
    """What the tests license, and the combined significance behind it.

    Attributes:
        name: One of `FINDINGS`.
        sentence: In plain words, with the numbers that carry it.
        log_p: Natural logarithm of the smallest p over forms, times the number of forms and of comparisons.
        families: Number of forms that p was multiplied by.
        comparisons: Number of models that this one was chosen from; p was multiplied by it, too.
    """

    name: str
    sentence: str
    log_p: float
    families: int
    comparisons: int = 1


def combined(tests: list[UnitTest], comparisons: int = 1) -> tuple[float, int]:
    """Bonferroni over the forms that ran: they reuse the same numbers, so Fisher would be wrong.

    Args:
        tests: Run or not.
        comparisons: Number of models that the pair was chosen from: whoever looks at N of them divides the level by N,
            which is multiplying p by N.
    """
    ran = [t for t in tests if t.ran]
    if not ran:
        return 0.0, 0
    return min(0.0, min(t.log_p for t in ran) + math.log(len(ran) * comparisons)), len(ran)


def quote(log_p: float) -> str:
    """A p-value in words, never below the floor."""
    if log_p < math.log(P_FLOOR):
        return "p < 1e-12"
    p = math.exp(log_p)
    return f"p = {p:.2g}"


@dataclass(frozen=True)
class Evidence:
    """Everything that a finding is decided on.

    Attributes:
        identity: Every tensor accounted for.
        tests: All forms of the tests of correspondence, run or not.
        retention: The discriminator on the whole body, or None where it was not run.
        parts: Parts that correspond where the whole does not, each with its own discriminator.
        equal: Matrices equal byte for byte that hold learned structure.
        trajectory: B seen from A's training, or None where no checkpoints of it were given.
        missing: What is known to be missing on either side; empty for whole evidence.
        undecoded: Why the weights of a side were not read, as a sentence; empty where both were.
        comparisons: Number of models that this one was chosen from; 1 where the pair was named beforehand.
    """

    identity: Identity
    tests: list[UnitTest]
    retention: RetentionTest | None = None
    parts: tuple[Part, ...] = ()
    equal: tuple[str, ...] = ()
    trajectory: Trajectory | None = None
    missing: tuple[str, ...] = ()
    undecoded: str = ""
    comparisons: int = 1

    @property
    def against(self) -> bool:
        """Whether a discriminator speaks against a trained ancestor."""
        retention = self.retention is not None and self.retention.reading in ("seed", "against")
        return retention or (self.trajectory is not None and self.trajectory.reading == "sibling")

    @property
    def speaks_for(self) -> str:
        """The discriminator that speaks for a trained ancestor of the whole, in words, or an empty string."""
        if self.retention is not None and self.retention.reading == "for":
            return f"learned structure is kept as well as the bulk (retention {_ratios(self.retention)})"
        if self.trajectory is not None and self.trajectory.reading == "descendant":
            return f"along the training of A, {self.trajectory.reason}"
        return ""


def of_body(tests: list[UnitTest]) -> list[UnitTest]:
    """Tests that ran and speak of layers; the token embedding is a part of its own."""
    return [t for t in tests if t.ran and t.form != "residual.embeddings"]


def is_whole(tests: list[UnitTest]) -> bool:
    """Whether the whole body corresponds: most layers match in a form, or, where no form tells layers apart, residual
    dimensions do over all of them."""
    body = of_body(tests)
    by_layer = [t for t in body if t.layers[0].a >= 0]
    most = [t for t in by_layer if t.matched >= MIN_MATCHED and t.rho >= MIN_RHO]
    if any(t.form.startswith("ffn.") for t in most):
        return True
    # Attention alone is a part, unless feed-forward units were re-ordered (residual dimensions tell) or not tested.
    feed = [t for t in body if t.form.startswith("ffn.") or t.form == "residual.body"]
    if most and (not feed or any(t.matched and t.form == "residual.body" for t in feed)):
        return True
    told_apart = any(t.log_p < math.log(P_NOTHING) for t in by_layer)
    return not told_apart and any(t.matched and t.rho >= MIN_RHO for t in body if t not in by_layer)


def decide(evidence: Evidence) -> Finding:
    """The finding for a pair."""
    if evidence.undecoded:
        # Equal files that nobody looked into may hold anything; what they are worth is for the analyst to say.
        return Finding(NOT_COMPARABLE, evidence.undecoded, 0.0, 0, evidence.comparisons)
    finding = replace(_decide(evidence), comparisons=evidence.comparisons)
    return _of_parts(finding, evidence) if evidence.missing else finding


def _of_parts(finding: Finding, evidence: Evidence) -> Finding:
    """What partial evidence leaves of a finding: no identity, nothing that an exclusion could rest on."""
    shown = "; ".join(evidence.missing[:3]) + (
        f"; and {len(evidence.missing) - 3} more" if len(evidence.missing) > 3 else ""
    )
    here = f"the evidence is partial ({shown})"
    name, sentence = finding.name, finding.sentence
    if name in (IDENTICAL, REFORMATTED):
        name, sentence = NEAR_IDENTICAL, f"{sentence}, as far as they are here; what is missing may differ"
    elif name == SHARED_INIT:
        name, sentence = UNRESOLVED, f"{sentence}. Partial evidence establishes no exclusion, so this is not resolved"
    return replace(finding, name=name, sentence=f"{sentence}; {here}")


def _decide(evidence: Evidence) -> Finding:
    identity, tests = evidence.identity, evidence.tests
    log_p, families = combined(tests, evidence.comparisons)
    by_identity = _by_identity(identity)
    if by_identity is not None:
        return Finding(*by_identity, log_p, families)
    equal = _telling_equal(identity)
    if not families:
        if evidence.equal:
            return Finding(COMPONENT, _equal_sentence(evidence.equal), log_p, families)
        if equal:
            return Finding(
                UNRESOLVED,
                f"{equal} tensors are equal byte for byte, the rest cannot be tested: some origin is shared, and it "
                "cannot be told here whether it is a trained model",
                log_p,
                families,
            )
        return Finding(
            NOT_COMPARABLE, "No test of this version applies to this pair, so nothing was found", log_p, families
        )
    numbers = _numbers(tests, log_p, families, evidence.comparisons)
    if log_p >= math.log(P_NOTHING) and not equal:
        return Finding(NONE_FOUND, f"No correspondence between the two models was found ({numbers})", log_p, families)
    if log_p < math.log(P_ORIGIN) and not evidence.against:
        if is_whole(tests) and evidence.speaks_for:
            return Finding(
                TRAINED_ANCESTOR,
                f"Hidden units correspond ({numbers}) and {evidence.speaks_for}: the two models share a trained "
                "ancestor",
                log_p,
                families,
            )
        shared = [p for p in evidence.parts if part_finding(p) == COMPONENT]
        if shared:
            return Finding(COMPONENT, _parts_sentence(shared, numbers), log_p, families)
    if evidence.equal and not evidence.against:
        return Finding(COMPONENT, _equal_sentence(evidence.equal), log_p, families)
    return Finding(*_unresolved(evidence, numbers, log_p), log_p, families)


def part_finding(part: Part) -> str:
    """What holds for one part: the same rules as for the whole."""
    if part.equal:
        return COMPONENT
    if part.log_p >= math.log(P_ORIGIN) or part.retention is None:
        return UNRESOLVED
    if part.retention.reading == "seed":
        return SHARED_INIT
    return COMPONENT if part.retention.reading == "for" and part.rho >= MIN_RHO else UNRESOLVED


def part_sentence(part: Part, finding: str) -> str:
    """What holds for a part, in a sentence of its own."""
    if part.equal:
        return f"{_equal_sentence(part.equal)}."
    bound = "< 1e-12" if part.log_p < math.log(P_FLOOR) else f"<= {math.exp(part.log_p):.2g}"
    numbers = f"p {bound}, mean correlation {part.rho:.2f}"
    if part.kind == "embeddings":
        return (
            f"Residual dimensions of the token embeddings correspond ({numbers}): the tables have one origin. "
            "Embeddings of one initialisation keep what they learn as descendants do, so nothing more is said."
        )
    ratios = "not run" if part.retention is None else _ratios(part.retention)
    says = {
        COMPONENT: "learned structure is kept as well as the bulk: this part has a trained ancestor in common",
        SHARED_INIT: "what was learned differs: the pattern of one random initialisation trained twice",
    }.get(finding, "whether from a trained model or from an initialisation is not resolved")
    verb = "correspond" if part.name.startswith("layers ") or part.kind == "expert" else "corresponds"
    return f"{part.name[:1].upper()}{part.name[1:]} {verb} ({numbers}); {says} (retention {ratios})."


def _numbers(tests: list[UnitTest], log_p: float, families: int, comparisons: int) -> str:
    best = min((t for t in tests if t.ran), key=lambda t: (t.log_p, -t.rho))
    matched = sum(r.log_p <= math.log(1e-3) for r in best.layers)
    chosen = f" and {comparisons} comparisons" if comparisons > 1 else ""
    told = f"{matched} of {len(best.layers)} layers matched, " if best.layers[0].a >= 0 else ""
    return (
        f"{quote(log_p)} over {families} form{'s' if families > 1 else ''}{chosen}, {told}"
        f"mean correlation {best.rho:.2f} in {best.form}"
    )


def _parts_sentence(shared: list[Part], numbers: str) -> str:
    body = [f"{p.name} (retention {_ratios(p.retention)})" for p in shared[:6] if p.retention is not None]
    if not body:
        return _equal_sentence(tuple(name for p in shared for name in p.equal))
    return (
        f"Only a part of the two models corresponds ({numbers}), and what was learned is kept there: "
        f"{'; '.join(body)}. This part has a trained ancestor in common; of the rest nothing is said"
    )


def _equal_sentence(equal: tuple[str, ...]) -> str:
    named = ", ".join(equal[:3]) + (f" and {len(equal) - 3} more" if len(equal) > 3 else "")
    return (
        f"{len(equal)} matrices that hold learned structure are equal byte for byte ({named}), the rest does not "
        "correspond: these parts come from one trained model; of the rest nothing is said"
    )


def _unresolved(evidence: Evidence, numbers: str, log_p: float) -> tuple[str, str]:
    """Name and sentence where an origin is shared and no trained ancestor is established."""
    tests, retention = evidence.tests, evidence.retention
    if log_p >= math.log(P_NOTHING):
        return UNRESOLVED, (
            f"Units do not correspond ({numbers}), yet {_telling_equal(evidence.identity)} tensors are equal byte for "
            "byte: part of the two models has one origin, and it cannot be told here whether it is a trained model"
        )
    if log_p >= math.log(P_ORIGIN):
        return UNRESOLVED, f"A weak correspondence was found ({numbers}); it is not resolved"
    if retention is not None and retention.reading == "seed":
        return SHARED_INIT, (
            f"Hidden units correspond ({numbers}), and what was learned differs while what is left of the "
            f"initialisation agrees (retention {_ratios(retention)}): the pattern of one random initialisation "
            "trained twice"
        )
    if not [t for t in of_body(tests) if t.log_p < math.log(P_NOTHING)]:
        return UNRESOLVED, (
            f"The token embeddings correspond ({numbers}) and no layer does: the two tables have one origin, and "
            "embeddings do not tell a trained model from an initialisation"
        )
    if retention is None:
        why = "the discriminator was not run"
    elif retention.reading == "against":
        why = f"retention speaks against a trained ancestor ({_ratios(retention)})"
    elif evidence.against and evidence.trajectory is not None:
        why = evidence.trajectory.reason
    elif retention.reading == "abstains":
        why = f"retention abstains: {retention.reason}"
    else:
        why = "only part of the layers corresponds"
    return UNRESOLVED, (
        f"Hidden units correspond ({numbers}): the models share an origin, a trained model or an initialisation; which "
        f"of the two is not resolved ({why})"
    )


def _ratios(test: RetentionTest) -> str:
    shown = [
        f"{name} {d.ratio:.2f}, lower quartile {d.low or 0.0:.2f}"
        for name, d in (("A in B", test.forward), ("B in A", test.backward))
        if d.counts and d.ratio is not None
    ]
    return "; ".join([*shown, f"shared {test.kept:.2f}"]) if shown else "undefined"


def _telling_equal(identity: Identity) -> int:
    """Tensors equal byte for byte that could not be equal by chance or convention: matrices of some size."""
    return sum(d.telling for d in identity.deltas)


def _by_identity(identity: Identity) -> tuple[str, str] | None:
    n = len(identity.deltas)
    if identity.same_record and n:
        return IDENTICAL, f"All {n} tensors are equal byte for byte, names, types and shapes included"
    if identity.all_equal:
        kinds = sorted({d.conversion for d in identity.deltas if d.conversion})
        what = f"after a recorded conversion ({'; '.join(kinds[:4])})" if kinds else "byte for byte"
        names = f", {identity.renamed} of them under another name" if identity.renamed else ""
        left = f"; {len(identity.ignored)} regenerable or duplicate tensors left out" if identity.ignored else ""
        return REFORMATTED, f"All {n} tensors are equal {what}{names}{left}"
    unread = identity.by_state["unread"]
    off = len(identity.differing) + len(identity.only_a) + len(identity.only_b)
    equal = identity.by_state["bytes"] + identity.by_state["converted"]
    few = max(1, int(NEAR_SHARE * (n + len(identity.only_a) + len(identity.only_b))))
    speaks = _telling_equal(identity) or identity.by_state["converted"]
    if equal and speaks and not unread and off <= few:
        return NEAR_IDENTICAL, f"{equal} of {equal + off} tensors are equal and {off} not; each of them is named"
    return None
