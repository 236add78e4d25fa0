"""From test results to one finding: pure functions, every threshold named."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mpk_tui.lineage.discriminator import RetentionTest
from mpk_tui.lineage.identity import Identity
from mpk_tui.lineage.units import UnitTest

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
        log_p: Natural logarithm of the smallest p over forms, times the number of forms.
        families: Number of forms that p was multiplied by.
    """

    name: str
    sentence: str
    log_p: float
    families: int


def combined(tests: list[UnitTest]) -> tuple[float, int]:
    """Bonferroni over the forms that ran: they reuse the same numbers, so Fisher would be wrong."""
    ran = [t for t in tests if t.ran]
    if not ran:
        return 0.0, 0
    return min(0.0, min(t.log_p for t in ran) + math.log(len(ran))), len(ran)


def quote(log_p: float) -> str:
    """A p-value in words, never below the floor."""
    if log_p < math.log(P_FLOOR):
        return "p < 1e-12"
    p = math.exp(log_p)
    return f"p = {p:.2g}"


def decide(identity: Identity, tests: list[UnitTest], retention: RetentionTest | None) -> Finding:
    """The finding for a pair.

    Args:
        identity: Every tensor accounted for.
        tests: Both forms of the unit test, run or not.
        retention: The discriminator, or None where it was not run.
    """
    log_p, families = combined(tests)
    by_identity = _by_identity(identity)
    if by_identity is not None:
        return Finding(*by_identity, log_p, families)
    if not families:
        equal = _telling_equal(identity)
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
    best = min((t for t in tests if t.ran), key=lambda t: (t.log_p, -t.rho))
    numbers = (
        f"{quote(log_p)} over {families} form{'s' if families > 1 else ''}, "
        f"{sum(r.log_p <= math.log(1e-3) for r in best.layers)} of {len(best.layers)} layers matched, "
        f"mean unit correlation {best.rho:.2f}"
    )
    if log_p >= math.log(P_NOTHING):
        equal = _telling_equal(identity)
        if equal:
            return Finding(
                UNRESOLVED,
                f"Feed-forward units do not correspond ({numbers}), yet {equal} tensors are equal byte for byte: part "
                "of the two models has one origin, and it cannot be told here whether it is a trained model",
                log_p,
                families,
            )
        return Finding(NONE_FOUND, f"No correspondence between hidden units was found ({numbers})", log_p, families)
    if log_p >= math.log(P_ORIGIN):
        return Finding(UNRESOLVED, f"A weak correspondence was found ({numbers}); it is not resolved", log_p, families)
    if retention is not None and retention.reading == "seed":
        return Finding(
            SHARED_INIT,
            f"Hidden units correspond ({numbers}), and what was learned differs while what is left of the "
            f"initialisation agrees (retention {_ratios(retention)}): the pattern of one random initialisation "
            "trained twice",
            log_p,
            families,
        )
    whole = best.matched >= MIN_MATCHED and best.rho >= MIN_RHO
    if whole and retention is not None and retention.reading == "for":
        return Finding(
            TRAINED_ANCESTOR,
            f"Hidden units correspond ({numbers}) and learned structure is kept as well as the bulk (retention "
            f"{_ratios(retention)}): the two models share a trained ancestor",
            log_p,
            families,
        )
    why = (
        "the discriminator was not run, it needs the weights of both"
        if retention is None
        else f"retention speaks against a trained ancestor ({_ratios(retention)})"
        if retention.reading == "against"
        else f"retention abstains: {retention.reason}"
        if retention.reading == "abstains"
        else "only part of the layers corresponds"
    )
    return Finding(
        UNRESOLVED,
        f"Hidden units correspond ({numbers}): the models share an origin, a trained model or an initialisation; which "
        f"of the two is not resolved ({why})",
        log_p,
        families,
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
    return sum(d.state == "bytes" and not d.constant and d.elements >= 4096 for d in identity.deltas)


def _by_identity(identity: Identity) -> tuple[str, str] | None:
    n = len(identity.deltas)
    if identity.same_record:
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
