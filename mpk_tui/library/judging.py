"""Entries of a library that are compared in full with the model that is asked about."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mpk_tui.errors import CancelledError, LimitError, MalformedError, MpkError
from mpk_tui.fingerprint import features
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library.catalogue import Catalogue
from mpk_tui.library.entry import Entry
from mpk_tui.library.exact import Exact, shared
from mpk_tui.library.search import Seen
from mpk_tui.lineage import findings
from mpk_tui.lineage.compare import Measured, judge_sides
from mpk_tui.lineage.findings import Finding
from mpk_tui.lineage.results import UnitTest
from mpk_tui.lineage.sides import Side
from mpk_tui.progress import CancelToken, Meter, Report, silent

CLAIMS = frozenset(
    {
        findings.IDENTICAL, findings.REFORMATTED, findings.NEAR_IDENTICAL, findings.TRAINED_ANCESTOR,
        findings.COMPONENT,
    }
)  # fmt: skip
"""Findings that say that something trained is shared."""
ORIGIN = CLAIMS | {findings.SHARED_INIT, findings.UNRESOLVED}
"""Findings that say at least that an origin is shared."""
ALIKE = 0.9
"""Cosine that two sketches of the same tensors have at least."""
MOST_BYTES = 48 << 20
"""Of a fingerprint file that is compared: those of relatives wait in memory together, and may be strangers'.  What this
version writes has 2 to 4 MB, with 140,000 tensors some 20."""


_BY_BYTES = frozenset({findings.UNRESOLVED, findings.REFORMATTED, findings.NEAR_IDENTICAL})
"""Findings that may rest on equal digests alone."""


@dataclass(frozen=True)
class Judged:
    """One entry, compared in full.

    Attributes:
        entry: Which.
        side: Its fingerprint, and its weights where they were given.
        measured: What was run.
        finding: What was decided, with the number of models that were looked at in its significance.
        equal: Telling tensors of the model that the entry holds byte for byte, by digest.
        seen: What the screen showed, or None where nothing could be screened.
    """

    entry: Entry
    side: Side
    measured: Measured
    finding: Finding
    equal: frozenset[bytes]
    seen: Seen | None

    @property
    def best(self) -> UnitTest | None:
        """The test with the smallest p, of equals the one with the greatest correlation."""
        ran = [t for t in self.measured.tests if t.ran]
        return min(ran, key=lambda t: (t.log_p, -t.rho)) if ran else None

    @property
    def rho(self) -> float:
        """Greatest mean correlation over the forms of the body that ran."""
        return max((t.rho for t in findings.of_body(self.measured.tests)), default=0.0)

    @property
    def alone(self) -> float:
        """Natural logarithm of the p-value that the pair would have, had it been named beforehand."""
        return findings.combined(self.measured.tests)[0]

    @property
    def related(self) -> bool:
        """At least an origin is shared.

        Where fingerprints stand for both models an equal tensor may be a constant, which `mpk_tui.library.exact` tells
        by its digest: such equality alone makes no relative.
        """
        if self.finding.name not in ORIGIN:
            return False
        by_units = self.finding.log_p < math.log(findings.P_NOTHING)
        by_bytes = self.finding.name in _BY_BYTES and self.side.weights is None
        return not by_bytes or by_units or bool(self.equal)

    @property
    def claimed(self) -> bool:
        """Something trained is shared."""
        return self.finding.name in CLAIMS

    @property
    def whole(self) -> bool:
        """The finding speaks of the model as a whole."""
        return self.finding.name != findings.COMPONENT


def judge(
    catalogue: Catalogue,
    query: Side,
    chosen: Sequence[Entry],
    comparisons: int,
    exact: Exact,
    seen: Mapping[int, Seen],
    given: Mapping[int, Side],
    failed: Callable[[Entry, MpkError], None],
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> Iterator[Judged]:
    """Compare every chosen entry in full.

    Args:
        catalogue: The library.
        query: The model that is asked about.
        chosen: Entries, best candidates first.
        comparisons: Number of models that were looked at.
        exact: What is equal byte for byte.
        seen: What the screen showed, by entry.
        given: Sides with weights, by entry, that stand in for its fingerprint.
        failed: Called with an entry whose fingerprint cannot be used.
        report: Progress in entries.
        cancel: Polled within comparisons.
    """
    cancel = cancel or CancelToken()
    meter = Meter(report, "comparing", len(chosen), "models")
    for entry in chosen:
        cancel.check()
        try:
            side = given.get(entry.id) or Side(entry.name, _fingerprint(catalogue, entry), None)
            measured, finding = judged_pair(query, side, comparisons, cancel)
        except CancelledError:
            raise
        except MpkError as error:
            failed(entry, error)
        else:
            equal = shared(exact, side.fingerprint.tensors)
            found = Judged(entry, side, measured, finding, equal, seen.get(entry.id))
            # Of what is no relative only configuration and vocabulary are asked for again: the arrays need not wait.
            yield found if found.related else replace(found, side=_without_features(side))
        meter.add(1, entry.name)


def judged_pair(a: Side, b: Side, comparisons: int, cancel: CancelToken) -> tuple[Measured, Finding]:
    """Two sides compared, whatever a stranger put into a fingerprint.

    Raises:
        MalformedError: Its features have the right shape on the outside only.
    """
    try:
        with np.errstate(all="ignore"):
            return judge_sides(a, b, silent, cancel, comparisons=comparisons)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise MalformedError(
            f"the features of one fingerprint cannot be used ({type(error).__name__})", where=b.label,
            hint="Make the fingerprint again from the checkpoint",
        ) from None  # fmt: skip


def contradicts(query: Side, judged: Judged) -> bool:
    """Whether the same tensors are said to have other features: features follow from tensors, so one side is forged."""
    if judged.finding.name != findings.IDENTICAL:
        return False
    mine, theirs = query.fingerprint.features, judged.side.fingerprint.features
    for name in mine.keys() & theirs.keys():
        a, b = mine[name], theirs[name]
        if (a.version, a.params, a.dtype, a.shape) == (b.version, b.params, b.dtype, b.shape) and a.data != b.data:
            with np.errstate(all="ignore"):
                x, y = features.array(a).ravel(), features.array(b).ravel()
                # Half precision and another processor move a few digits, no more.
                cosine = float(x @ y) / math.sqrt(float(x @ x) * float(y @ y) or 1.0)
            if not cosine > ALIKE:
                return True
    return False


def _fingerprint(catalogue: Catalogue, entry: Entry) -> Fingerprint:
    with contextlib.suppress(OSError):
        size = catalogue.path(entry).stat().st_size
        if size > MOST_BYTES:
            raise LimitError(f"its fingerprint has {size} bytes (at most {MOST_BYTES} are compared)", where=entry.name)
    return catalogue.fingerprint(entry)


def _without_features(side: Side) -> Side:
    return side if side.weights is not None else replace(side, fingerprint=replace(side.fingerprint, features={}))
