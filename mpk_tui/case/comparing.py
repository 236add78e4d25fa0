"""The comparison of a pair: made, kept, read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from mpk_tui import canonical, hashtree
from mpk_tui.case.artifacts import find_artifact, opening_of, side_label
from mpk_tui.case.journal import Entry
from mpk_tui.case.store import COMPARISONS, Case
from mpk_tui.errors import UsageError
from mpk_tui.progress import CancelToken, Report, silent


def split_pair(case: Case, pair: str = "") -> tuple[str, str, str]:
    """A pair id with its two artifacts; the only pair of the case if none is named.

    Raises:
        UsageError: There is no such pair, or several and none was named.
    """
    pairs = case.state.pairs
    if not pair:
        if len(pairs) != 1:
            known = f"name one of: {', '.join(pairs)}" if pairs else "add a subject and a reference first"
            raise UsageError(f"the case has {len(pairs)} pairs", hint=known[0].upper() + known[1:])
        pair = pairs[0]
    if pair not in pairs:
        raise UsageError(f"no pair {pair!r}", hint=f"Known: {', '.join(pairs) or 'none'}")
    a, b = pair.split(":")
    return pair, a, b


def measure_comparison(
    case: Case, pair: str, report: Report = silent, cancel: CancelToken | None = None, *, isolate: bool = False
) -> dict[str, Any]:
    """The comparison record of a pair, not recorded; with ``isolate``, headers are read in another process."""
    from mpk_tui.lineage.compare import compare

    _, a, b = split_pair(case, pair)
    left, right = find_artifact(case, a), find_artifact(case, b)
    ways = opening_of(left, isolate=isolate), opening_of(right, isolate=isolate)
    named = side_label(left), side_label(right)
    return compare(Path(left.path), Path(right.path), report, cancel, how=ways, labels=named)


def record_comparison(case: Case, pair: str, record: dict[str, Any], *, data: bytes = b"") -> Entry:
    """Keep a comparison in the case and journal it (``analyse``).

    Args:
        case: Open for writing.
        pair: The pair.
        record: What was found.
        data: Its canonical bytes, if they were made already.

    Raises:
        UsageError: It was made from other bytes than the recorded fingerprints.
    """
    pair, a, b = split_pair(case, pair)
    for name, side in ((a, record["a"]), (b, record["b"])):
        kept = find_artifact(case, name)
        if kept.root and kept.root != side["root"]:
            raise UsageError(
                f"{name} has changed since it was fingerprinted (tensor root {side['root'][:16]}…, recorded "
                f"{kept.root[:16]}…)",
                where=kept.path,
                hint="Find out why; then fingerprint it again",
            )
    data = data or canonical.encode(record)
    digest = hashtree.sha256(data)
    case.keep(COMPARISONS, f"{a}-{b}.mpkc", data)
    params = {
        "pair": pair, "record": digest.hex(), "finding": record["finding"], "sentence": record["sentence"],
        "fingerprint_a": record["a"]["fingerprint"], "fingerprint_b": record["b"]["fingerprint"],
    }  # fmt: skip
    return case.append("analyse", params, obj=digest)


def compare_pair(
    case: Case, pair: str = "", report: Report = silent, cancel: CancelToken | None = None, *, isolate: bool = False
) -> dict[str, Any]:
    """Compare a pair and record it."""
    pair, _, _ = split_pair(case, pair)
    record = measure_comparison(case, pair, report, cancel, isolate=isolate)
    record_comparison(case, pair, record)
    return record


_READ: WeakKeyDictionary[Case, dict[str, dict[str, Any]]] = WeakKeyDictionary()
"""Records that were read and checked, by digest: one of many tensors takes seconds to read, and is asked for often."""
_KEPT = 4


def stored_comparison(case: Case, pair: str) -> dict[str, Any] | None:
    """The recorded comparison of a pair, or None; not to be changed, as the next call returns the same."""
    made = case.state.comparisons.get(pair)
    if made is None:
        return None
    known = _READ.setdefault(case, {})
    if made.digest not in known:
        a, b = pair.split(":")
        name = f"{a}-{b}.mpkc"
        record = canonical.decode(case.kept(COMPARISONS, name, made.digest), where=name)
        assert isinstance(record, dict)
        while len(known) >= _KEPT:
            del known[next(iter(known))]
        known[made.digest] = record
        return record
    return known[made.digest]
