"""Compare two models: run what applies, decide, and keep every number in one plain record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mpk_tui import __version__
from mpk_tui.checkpoint.open import PLAIN, Opening
from mpk_tui.errors import UsageError
from mpk_tui.fingerprint.gauge import ROLES
from mpk_tui.lineage import (
    channels,
    components,
    context,
    findings,
    heads,
    mechanisms,
    merge,
    proposal,
    record,
    residual,
    trajectory,
    untouched,
)
from mpk_tui.lineage.borrow import borrow
from mpk_tui.lineage.components import Part
from mpk_tui.lineage.discriminator import Basis, RetentionTest, run_retention
from mpk_tui.lineage.findings import Evidence, Finding
from mpk_tui.lineage.identity import TELLING, Identity, compare_tensors
from mpk_tui.lineage.profile.build import profile
from mpk_tui.lineage.results import LAYER_P, UnitTest, not_run
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.lineage.sources import FORMS
from mpk_tui.lineage.trajectory import Trajectory
from mpk_tui.lineage.units import Units, run_unit_tests
from mpk_tui.lineage.untouched import Untouched
from mpk_tui.progress import CancelToken, Report, silent

SCHEMA = "mpk-tui/compare/1"
_OTHERS = (channels.FORM, heads.FORM, residual.EMBEDDINGS, residual.BODY)
_RESIDUAL = (residual.EMBEDDINGS, residual.BODY)
_ENOUGH = 20
"""Relabellings that reach a statistic after which a scan draws no more: where nothing is to be found it draws some
forty in place of 9,999, and the p-value stays exact."""
_NEEDS_WEIGHTS = "needs the weights of both models; fingerprints do not carry it"


def compare(
    a: Path,
    b: Path,
    report: Report = silent,
    cancel: CancelToken | None = None,
    *,
    along: Sequence[Path] = (),
    others: Sequence[Path] = (),
    how: Opening | tuple[Opening, Opening] = PLAIN,
    labels: tuple[str, str] = ("", ""),
) -> dict[str, Any]:
    """Compare two checkpoints or fingerprint files.

    Args:
        a: Checkpoint (folder or file) or fingerprint file.
        b: Likewise.
        report: Progress.
        cancel: Polled between blocks, layers and matrices.
        along: Checkpoints from A's training, earliest first.
        others: Further models that B may have been merged from, beside A.
        how: How checkpoints are opened, or how A and how B is.
        labels: What A and B are called in the record; where it is empty, the last part of the path.

    Returns:
        The record (schema ``mpk-tui/compare/1``): JSON- and canonical-msgpack-able, the same on every run.

    Raises:
        MpkError: Whatever reading refuses; a comparison itself never fails, it abstains.
    """
    cancel = cancel or CancelToken()
    with ExitStack() as opened:
        first, second = how if isinstance(how, tuple) else (how, how)
        rest = replace(first, base=None, model="")
        ways = (first, second, *(rest for _ in (*along, *others)))
        paths = (a, b, *along, *others)
        left, right, *more = (
            opened.enter_context(open_side(path, report, cancel, way)) for path, way in zip(paths, ways, strict=True)
        )
        if (first.base or second.base) and not any(s.weights and s.weights.checkpoint.roots for s in (left, right)):
            raise UsageError("a base was given, but neither model is an adapter", where=str(first.base or second.base))
        left, right = (
            replace(side, label=label or side.label) for side, label in zip((left, right), labels, strict=True)
        )
        return compare_sides(left, right, report, cancel, along=more[: len(along)], others=more[len(along) :])


@dataclass(frozen=True)
class Measured:
    """What was run on a pair.

    Attributes:
        identity: Every tensor accounted for.
        units: What feed-forward units say, and which layers stand beside each other.
        tests: All forms of the tests of correspondence, run or not.
        retention: The discriminator, or None where it was not run.
        parts: Parts that correspond where the whole does not.
        equal: Matrices equal byte for byte that hold learned structure.
        untouched: Weights that were left literally untouched, or None where they were not looked for.
    """

    identity: Identity
    units: Units
    tests: list[UnitTest]
    retention: RetentionTest | None
    parts: tuple[Part, ...]
    equal: tuple[str, ...]
    untouched: Untouched | None = None


def compare_sides(
    a: Side,
    b: Side,
    report: Report = silent,
    cancel: CancelToken | None = None,
    *,
    along: Sequence[Side] = (),
    others: Sequence[Side] = (),
    comparisons: int = 1,
) -> dict[str, Any]:
    """Like `compare`, for sides that are open already.

    Args:
        a: One side.
        b: The other.
        report: Progress.
        cancel: Polled between blocks, layers and matrices.
        along: Checkpoints from A's training, earliest first.
        others: Further models that B may have been merged from.
        comparisons: Number of models that the pair was chosen from, as a scan of a library does; p-values of the
            finding and of parts are multiplied by it, and the record says so.
    """
    cancel = cancel or CancelToken()
    a, b = borrow(a, b)
    found = _measure(a, b, report, cancel, comparisons)
    way = trajectory.follow(a, b, list(along), report, cancel) if along else None
    finding = _decide(a, b, found, way, comparisons)
    mixture = merge.decompose(b, [a, *others], None, report, cancel) if others else None
    ranked = mechanisms.propose(
        finding, a, b, found.identity, found.units.layer_map, report, cancel, found.tests, mixture
    )
    scopes = a.fingerprint.scope, b.fingerprint.scope
    return {
        "schema": SCHEMA,
        "tool": {"name": "mpk-tui", "version": __version__, "numpy": np.__version__},
        "a": a.facts(),
        "b": b.facts(),
        "others": [s.facts() for s in others],
        **record.finding_record(finding),
        "tests": [
            *(record.unit_record(t) for t in found.tests), record.retention_record(found.retention, found.identity)
        ],
        "trajectory": None if way is None else trajectory.to_record(way),
        "untouched": None if found.untouched is None else untouched.to_record(found.untouched),
        "identity": record.identity_record(found.identity),
        "components": [record.part_record(p) for p in found.parts],
        "repeats": {"a": _lists(found.units.repeated_a), "b": _lists(found.units.repeated_b)},
        "mechanisms": ranked,
        "merge": mixture,
        "proposal": proposal.propose(finding, found.identity, ranked, scopes, found.parts),
        "context": context.context(a, b, found.units.layer_map, report, cancel),
        "profile": profile(a, b, found.identity, found.units, found.retention, report, cancel),
        "limits": _limits(a, b, finding.name),
        "notices": _notices(a, b),
    }  # fmt: skip


def judge_sides(
    a: Side, b: Side, report: Report = silent, cancel: CancelToken | None = None, *, comparisons: int = 1
) -> tuple[Measured, Finding]:
    """The finding of `compare_sides` and what it rests on, without all that a record tells besides.

    Single p-values above 2e-3, which say nothing, come from fewer relabellings and differ a little from those of
    `compare_sides`.

    Args:
        a: One side.
        b: The other.
        report: Progress.
        cancel: Polled between blocks, layers and matrices.
        comparisons: Number of models that the pair was chosen from.
    """
    a, b = borrow(a, b)
    found = _measure(a, b, report, cancel or CancelToken(), comparisons, _ENOUGH)
    return found, _decide(a, b, found, None, comparisons)


def _decide(a: Side, b: Side, found: Measured, way: Trajectory | None, comparisons: int) -> Finding:
    missing = tuple(f"{n}: {m}" for n, s in (("A", a), ("B", b)) for m in s.fingerprint.missing)
    return findings.decide(
        Evidence(
            found.identity, found.tests, found.retention, found.parts, found.equal, way, missing, _undecoded(a, b),
            comparisons,
        )
    )  # fmt: skip


def _measure(a: Side, b: Side, report: Report, cancel: CancelToken, comparisons: int, enough: int = 0) -> Measured:
    identity = compare_tensors(a, b, report, cancel)
    if identity.all_equal:
        reason = "all tensors are equal; nothing is left to test"
        return Measured(identity, Units([], None), [not_run(f, reason) for f in (*FORMS, *_OTHERS)], None, (), ())
    units = run_unit_tests(a, b, report, cancel, enough)
    tests = [*units.tests, *_other_tests(a, b, units, report, cancel, enough)]
    log_p, families = findings.combined(tests, comparisons)
    equal = components.learned_and_equal(a, b, identity)
    retention: RetentionTest | None = None
    parts: tuple[Part, ...] = ()
    if families and log_p < math.log(findings.P_NOTHING) and units.pairs:
        basis = _basis(a, b, tests)
        if findings.of_body(tests) and min(t.log_p for t in findings.of_body(tests)) < math.log(findings.P_NOTHING):
            retention = run_retention(a, b, units.pairs, report, cancel, basis)
        if retention is None or retention.reading in ("for", "abstains"):
            parts = _parts(a, b, tests, units, equal, basis, report, cancel)
            parts = tuple(replace(p, log_p=min(0.0, p.log_p + math.log(comparisons))) for p in parts)
    if families and equal and retention is None and not parts:
        parts = (_equal_part(equal),)
    alone: Untouched | None = None
    if retention is not None and a.weights and b.weights:
        alone = untouched.look(a.weights, b.weights, units.pairs)
    return Measured(identity, units, tests, retention, parts, equal, alone)


def _basis(a: Side, b: Side, tests: list[UnitTest]) -> Basis:
    """What must be put in order before matrices can be laid over each other."""
    ran, enough = {t.form: t for t in tests if t.ran}, math.log(findings.P_NOTHING)
    in_order = [t for form, t in ran.items() if form in FORMS and t.log_p < enough]
    # Units are recognised in a permuted stream, too, so only residual dimensions say how the stream lies.
    telling = [ran[form] for form in _RESIDUAL if form in ran] or [t for f, t in ran.items() if f == "ffn.aligned"]
    straight = [t for t in telling if t.log_p <= math.log(LAYER_P) and t.rho >= findings.MIN_RHO]
    widths = [s.fingerprint.config.get("width") for s in (a, b)]
    return Basis(reordered=not in_order, turned=widths[0] != widths[1] or not straight)


def _other_tests(a: Side, b: Side, units: Units, report: Report, cancel: CancelToken, enough: int) -> list[UnitTest]:
    if not (a.weights and b.weights):
        missing = [not_run(form, _NEEDS_WEIGHTS) for form in (channels.FORM, heads.FORM, residual.BODY)]
        return [*missing[:2], residual.run_embeddings(a, b, enough), missing[2]]
    if units.layer_map is None:
        reason = "no layers of the two models could be paired"
        missing = [not_run(form, reason) for form in (channels.FORM, heads.FORM, residual.BODY)]
        return [*missing[:2], residual.run_embeddings(a, b, enough), missing[2]]
    return [
        channels.run_channels(a.weights, b.weights, units.layer_map, units.twice, report, cancel),
        heads.run_heads(a.weights, b.weights, units.layer_map, units.twice, report, cancel),
        residual.run_embeddings(a, b, enough),
        residual.run_body(a.weights, b.weights, units.pairs, report, cancel),
    ]


def _parts(
    a: Side, b: Side, tests: list[UnitTest], units: Units, equal: tuple[str, ...], basis: Basis,
    report: Report, cancel: CancelToken,
) -> tuple[Part, ...]:  # fmt: skip
    """Parts that correspond, where they are not the whole; each with its own discriminator."""
    found = components.parts(tests, units.pairs)
    if any(len(p.pairs) == len(units.pairs) and p.roles == ROLES for p in found):
        return ()
    out = []
    for part in found:
        retention = run_retention(a, b, part.pairs, report, cancel, basis, roles=part.roles)
        out.append(replace(part, retention=retention))
    table = components.embeddings(tests)
    if table is not None:
        out.append(table)
    if equal:
        out.append(_equal_part(equal))
    return tuple(out)


def _equal_part(equal: tuple[str, ...]) -> Part:
    return Part("equal tensors", "tensors", (), (), 0.0, 1.0, equal)


def _lists(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    return [list(p) for p in pairs]


def _limits(a: Side, b: Side, finding: str) -> list[str]:
    out = [
        "Distillation or training on another model's outputs without inherited weights leaves nothing that these tests "
        "could see.",
        "Weights show no direction: which of two related models came first is not decided here.",
        "A copy in which feed-forward units, value channels, heads and residual dimensions were all re-ordered or "
        "replaced is not found by this version.",
    ]
    if not (a.weights and b.weights):
        out.append(
            "A fingerprint file stands for at least one side: values, casts, attention and mechanisms could not be "
            "looked at, and learned structure was compared from sketches of a few matrices."
        )
    if a.fingerprint.missing or b.fingerprint.missing:
        out.append(
            "The evidence is partial: what is missing was not looked at, so that neither identity nor an exclusion is "
            "established by this comparison."
        )
    if finding in (findings.NONE_FOUND, findings.NOT_COMPARABLE):
        out.append("No correspondence is not the same as independent: it says what was not found by these tests.")
    if finding in (findings.TRAINED_ANCESTOR, findings.COMPONENT):
        out.append(
            "The step from shared origin to trained ancestor has an empirical error rate, known from small trained "
            "models only; see docs/lineage.md for its denominator."
        )
    return out


def _undecoded(a: Side, b: Side) -> str:
    """Why nothing was compared, and which files are nonetheless the same."""
    said = [f"{n}: {s.fingerprint.undecoded}" for n, s in (("A", a), ("B", b)) if s.fingerprint.undecoded]
    if not said:
        return ""
    theirs = {f.sha256 for f in b.fingerprint.files if f.size >= TELLING}
    equal = [f.path for f in a.fingerprint.files if f.size >= TELLING and f.sha256 is not None and f.sha256 in theirs]
    also = (
        f". Equal byte for byte all the same: {', '.join(equal[:3])}{' and others' if len(equal) > 3 else ''}" if equal
        else f". No file of {TELLING} bytes or more is equal byte for byte"
    )  # fmt: skip
    return f"The weights were not decoded, so that nothing was compared ({'; '.join(said)}){also}"


def _notices(a: Side, b: Side) -> list[str]:
    out = [f"A: {n}" for n in a.fingerprint.notices] + [f"B: {n}" for n in b.fingerprint.notices]
    for name, side in (("A", a), ("B", b)):
        if side.fingerprint.scope != proposal.IN_SCOPE:
            out.append(f"{name} is {side.fingerprint.scope}: findings may be reported, a constitution verdict may not.")
    return out
