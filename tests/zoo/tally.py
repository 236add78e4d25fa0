"""From results to tables: pure functions, nothing is read and nothing is compared here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mpk_tui.lineage import findings

from .pairing import Pair
from .uniform import Uniformity, uniformity

Results = Mapping[Pair, Mapping[str, Any]]

WHOLE = frozenset((findings.IDENTICAL, findings.REFORMATTED, findings.NEAR_IDENTICAL, findings.TRAINED_ANCESTOR))
LINKED = WHOLE | {findings.COMPONENT}
ORIGIN = frozenset((findings.SHARED_INIT, findings.UNRESOLVED))
"""Findings that claim a shared origin and count as independent."""
DISCRETE = frozenset(("attn.heads", "ffn.order"))
"""Forms whose p-values cannot be uniform: few relabellings, or a bound. They must only not be too small."""
WANTED_FOUND, WANTED_CONCEALED, WANTED_MECHANISM, WANTED_KS = 0.95, 0.90, 0.80, 0.01


def verdict(pair: Pair, result: Mapping[str, Any]) -> str:
    """``found``, ``abstained`` or ``wrong`` for one pair.

    Linked: a trained ancestor of the whole or of a part is found; a shared initialisation is wrong, because that says
    the trained weights are not shared.  Component: a claim about the whole is wrong.  Independent and undecidable: any
    linked finding, and any condition proposed as met, is wrong; everything else is ``abstained``.
    """
    if "error" in result:
        return "error"
    finding = result["finding"]
    if pair.truth in ("independent", "undecidable"):
        return "wrong" if finding in LINKED or result["met"] else "abstained"
    if pair.truth == "component":
        return "found" if finding == findings.COMPONENT else "wrong" if finding in WHOLE else "abstained"
    return "found" if finding in LINKED else "wrong" if finding == findings.SHARED_INIT else "abstained"


def right_first(pair: Pair, result: Mapping[str, Any]) -> bool | None:
    """Whether the first mechanism proposed is one of the right ones; None where the table names none or none is due."""
    if not pair.numbers or verdict(pair, result) != "found":
        return None
    return bool(result["mechanisms"]) and result["mechanisms"][0] in pair.numbers


def markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(c) for c in line) + " |" for line in lines)


def share(part: int, whole: int) -> str:
    """A count and its percentage."""
    return f"{part} ({100 * part / whole:.0f} %)" if whole else "0"


def mechanisms(results: Results) -> str:
    """Per mechanism and concealment: found, abstained with which finding, wrong, right mechanism first."""
    groups: dict[tuple[str, str, str], list[Pair]] = {}
    for p in results:
        if p.truth in ("linked", "component"):
            groups.setdefault((p.mechanism or "(none named)", p.concealment, p.truth), []).append(p)
    rows = []
    for (number, hidden, truth), pairs in sorted(groups.items()):
        by = Counter(verdict(p, results[p]) for p in pairs)
        in_part = sum(results[p].get("finding") == findings.COMPONENT for p in pairs)
        first = [r for p in pairs if (r := right_first(p, results[p])) is not None]
        rows.append(
            (
                number + (", a part" if truth == "component" else ""), hidden, len(pairs), share(by["found"], len(pairs)),
                in_part, _named(results, pairs, "abstained"), _named(results, pairs, "wrong"), by["error"],
                share(sum(first), len(first)) if first else "–",
            )
        )  # fmt: skip
    head = ("mechanism", "concealment", "pairs", "found", "of these as a component", "abstained", "wrong", "errors",
            "right mechanism first")  # fmt: skip
    return markdown(head, rows)


def exclusions(results: Results) -> str:
    """Per exclusion (and for undecidable pairs): false accusations, and what was said instead."""
    groups: dict[tuple[str, str], list[Pair]] = {}
    for p in results:
        if p.truth in ("independent", "undecidable"):
            name = p.mechanism or p.truth
            groups.setdefault((name + (" undecidable" if p.truth == "undecidable" else ""), p.concealment), []).append(
                p
            )
    rows = []
    for (number, hidden), pairs in sorted(groups.items()):
        by = Counter(verdict(p, results[p]) for p in pairs)
        said = Counter(results[p].get("finding", "error") for p in pairs)
        rows.append(
            (number, hidden, len(pairs), by["wrong"], by["error"], *(said[f] for f in (
                findings.NONE_FOUND, findings.NOT_COMPARABLE, findings.UNRESOLVED, findings.SHARED_INIT)))
        )  # fmt: skip
    head = ("exclusion", "concealment", "pairs", "false accusations", "errors", "no correspondence", "not comparable",
            "origin unresolved", "shared initialisation")  # fmt: skip
    return markdown(head, rows)


def _named(results: Results, pairs: list[Pair], kind: str) -> str:
    said = Counter(results[p]["finding"] for p in pairs if verdict(p, results[p]) == kind)
    return ", ".join(f"{n} {name}" for name, n in said.most_common()) or "0"


def figures(results: Results) -> str:
    """The figures that were set, as they came out, by half of the zoo."""
    splits = sorted({p.split for p in results})
    rows = []
    for name, wanted, measure in _FIGURES:
        rows.append((name, wanted, *(measure({p: r for p, r in results.items() if p.split == s}) for s in splits),
                     measure(results)))  # fmt: skip
    return markdown(("figure", "wanted", *(s or "(no split)" for s in splits), "all"), rows)


def _false_accusations(results: Results) -> str:
    pairs = [p for p in results if p.truth == "independent"]
    return f"{sum(verdict(p, results[p]) == 'wrong' for p in pairs)} of {len(pairs)}"


def _claimed(results: Results) -> str:
    pairs = [p for p in results if p.truth == "undecidable"]
    return f"{sum(verdict(p, results[p]) == 'wrong' for p in pairs)} of {len(pairs)}"


def is_single(concealment: str) -> bool:
    """Whether one thing was done to hide the copy, not several."""
    return concealment != "none" and " and " not in concealment


def _found(wanted: Callable[[Pair], bool]) -> Callable[[Results], str]:
    def measure(results: Results) -> str:
        pairs = [p for p in results if p.truth in ("linked", "component") and wanted(p)]
        found = sum(verdict(p, results[p]) == "found" for p in pairs)
        return f"{share(found, len(pairs))} of {len(pairs)}"

    return measure


def _mechanism(results: Results) -> str:
    first = [r for p in results if (r := right_first(p, results[p])) is not None]
    return f"{share(sum(first), len(first))} of {len(first)}"


_FIGURES: tuple[tuple[str, str, Callable[[Results], str]], ...] = (
    ("linked findings on independent pairs, shared seeds included", "0", _false_accusations),
    ("claims on pairs that weights cannot decide", "0", _claimed),
    ("linked pairs found, nothing concealed", f">= {WANTED_FOUND:.0%}", _found(lambda p: p.concealment == "none" and bool(p.numbers))),
    ("linked pairs found, one concealment", f">= {WANTED_CONCEALED:.0%}", _found(lambda p: is_single(p.concealment))),
    ("linked pairs found, several concealments", "–",
     _found(lambda p: p.concealment != "none" and not is_single(p.concealment))),
    ("relatives that no single mechanism connects (siblings, cousins) found", "–",
     _found(lambda p: p.concealment == "none" and not p.numbers)),
    ("right mechanism first, of found pairs", f">= {WANTED_MECHANISM:.0%}", _mechanism),
)  # fmt: skip


def calibration(tests: Mapping[str, Sequence[float]]) -> str:
    """Kolmogorov-Smirnov by form, with the smallest p-values seen."""
    rows = []
    for name, ps in sorted(tests.items()):
        u = uniformity(ps)
        rows.append((name, u.count, f"{u.distance:.3f}", _p(u), f"{u.excess:.3f}", f"{u.p_excess:.2g}",
                     *(sum(p <= level for p in ps) for level in (1e-2, 1e-3)), f"{min(ps):.2g}", calibrated(name, u)))  # fmt: skip
    head = ("form", "layer tests", "D", "KS p", "D+ (too small)", "p of D+", "p <= 0.01", "p <= 0.001", "smallest",
            f"KS p > {WANTED_KS}")  # fmt: skip
    return markdown(head, rows)


def calibrated(name: str, u: Uniformity) -> str:
    """Whether p-values are uniform, or, for forms with few relabellings, at least not too small."""
    if name in DISCRETE:
        return ("yes" if u.p_excess > WANTED_KS else "NO") + " (few relabellings: only too small p-values count)"
    return "yes" if u.p > WANTED_KS else "NO"


def _p(u: Uniformity) -> str:
    return f"{u.p:.2g}"


def offenders(results: Results) -> str:
    """Every false accusation, wrong finding and error, with the sentence that was said; and every pair not found."""
    rows = []
    for p, result in results.items():
        kind = verdict(p, result)
        missed = kind == "abstained" and p.truth in ("linked", "component")
        if kind in ("wrong", "error") or missed:
            said = result.get("error") or f"{result['finding']}: {result['sentence']}"
            rows.append((kind, p.a, p.b, f"{p.truth} {p.mechanism}", p.concealment, said.replace("|", "/")[:300]))
    order = {"wrong": 0, "error": 1, "abstained": 2}
    rows.sort(key=lambda row: (order[row[0]], row[3], row[4], row[1]))
    return markdown(("what", "a", "b", "truth", "concealment", "said"), rows) if rows else "none"


def confusion(results: Results) -> str:
    """First mechanism proposed against the true one, over found pairs."""
    seen: Counter[tuple[str, str]] = Counter()
    for p, result in results.items():
        if right_first(p, result) is not None:
            seen[p.mechanism, result["mechanisms"][0] if result["mechanisms"] else "none"] += 1
    true = sorted({t for t, _ in seen})
    said = sorted({s for _, s in seen})
    return markdown(("true \\ first", *said), [(t, *(seen[t, s] or "" for s in said)) for t in true])
