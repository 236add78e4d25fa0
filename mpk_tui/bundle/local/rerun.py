"""The findings computed again from the features that the bundle itself carries: ``verify --rerun``.

Three things are held against each other: the fingerprints that the sections make and the digests that were signed; the
signed findings and what the same tests find on those fingerprints; and, test by test, the numbers.

What a finding claims is compared, not its name alone.  Features are sketches: a sample of units in half precision, no
attention and no values, so they can show less than the weights did.  That is *weaker* and no fault.  A *contradiction*
is a claim that the features deny: a shared origin where the same test finds none, or the reverse; a trained ancestor
where learned structure speaks of a common initialisation, or the reverse; identity that the digests deny.

Numbers of a test that was made from the same fingerprints must come out again: z within 2 % and 0.05, the correlation
within 0.005 (machines differ by 1.3e-6 in a feature and by the last digits of a sum).  Numbers from weights and numbers
from features are printed side by side; there a test that speaks plainly on one side must not be silent on the other,
and the correlation of ``ffn.aligned``, which needs no shared tokens, may differ by 0.1.  On 19 pairs of small models
whose history is known the largest such difference was 0.012, and none of them contradicted itself.

NumPy is imported inside `rerun` alone: a machine that only verifies need not have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.local.rebuild import Rebuilt, rebuild
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.errors import CancelledError, MpkError
from mpk_tui.progress import CancelToken, Report, silent
from mpk_tui.records import dataclass, replace

Z_SHARE, Z_LEAST = 0.02, 0.05
"""z from the same fingerprints may differ by this share, and by this much at least."""
RHO_SAME, RHO_SKETCHED = 0.005, 0.1
"""Mean correlations may differ by this much: from the same fingerprints; from weights and from sketches of them."""
P_SHOWN, P_SILENT = 1e-12, 1e-3
"""A test shows a correspondence up to the first p, and shows none above the second; between them it is weak."""

# What a finding claims of a shared origin and of a trained ancestor: yes, no, or nothing.
_CLAIMS: Mapping[str, tuple[bool | None, bool | None]] = {
    "identical": (True, True),
    "reformatted": (True, True),
    "near-identical": (True, True),
    "shared-trained-ancestor": (True, True),
    "component-shared": (True, None),
    "shared-initialisation": (True, False),
    "common-origin-unresolved": (True, None),
    "no-correspondence": (False, None),
    "not-comparable": (None, None),
}
REPRODUCED, WEAKER, STRONGER, CONTRADICTS, NOT_RUN = "reproduced", "weaker", "stronger", "contradicts", "not-run"


@dataclass(frozen=True)
class Rerun:
    """One pair, computed again.

    Attributes:
        pair: ``subject:reference``.
        outcome: ``reproduced``, ``weaker`` (the features show less and deny nothing), ``stronger`` (they show more than
            was claimed), ``contradicts`` or ``not-run``.
        signed: The signed finding, or empty.
        found: The finding from features, or empty.
        sentence: The result in words.
        faults: What contradicts.
        tests: Numbers side by side, one row for each test of either record.
    """

    pair: str
    outcome: str
    signed: str
    found: str
    sentence: str
    faults: tuple[str, ...] = ()
    tests: tuple[Mapping[str, Any], ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Plain form, as ``verify --json`` prints it."""
        return {
            "pair": self.pair, "outcome": self.outcome, "signed": self.signed, "found": self.found,
            "sentence": self.sentence, "faults": list(self.faults), "tests": [dict(t) for t in self.tests],
        }  # fmt: skip


def rerun(outcome: Outcome, contents: Contents, report: Report = silent, cancel: CancelToken | None = None) -> Outcome:
    """Compute every finding again and hold it against the signed one.

    Args:
        outcome: Of the verification; its verdict can only become worse.
        contents: What the bundle says, as far as it may be shown.
        report: Progress of the comparisons.
        cancel: Polled between layers.
    """
    rows = contents.sections.get("findings")
    if rows is None:
        return replace(outcome, notices=(*outcome.notices, "findings are withheld: none was computed again"))
    try:
        import numpy  # noqa: F401
    except ImportError:
        why = "numpy is not installed here; the findings were not computed again, and the verdict does not rest on it"
        done = [Rerun(r["pair"], NOT_RUN, _finding(r["record"]), "", f"{r['pair']}: not run: {why}.") for r in rows]
        return replace(outcome, rerun=tuple(d.as_record() for d in done))
    made = {a["id"]: rebuild(contents, a["id"]) for a in contents.artifacts}
    done = [_pair(contents, row, made, report, cancel) for row in rows]
    false = [f"the features of {name} are not those that were recorded: {r.reason}" for name, r in made.items()
             if r.genuine is False]  # fmt: skip
    faults = (*false, *(f for d in done for f in d.faults))
    worse = outcome
    if faults:
        worse = outcome.at_most(Word.INCONSISTENT, f"Computed again, it does not come out: {'; '.join(faults)}.")
    return replace(worse, contradictions=(*outcome.contradictions, *faults), rerun=tuple(d.as_record() for d in done))


def _finding(record: Mapping[str, Any]) -> str:
    name = record.get("finding")
    return name if isinstance(name, str) else ""


def _pair(
    contents: Contents, row: Mapping[str, Any], made: Mapping[str, Rebuilt], report: Report, cancel: CancelToken | None
) -> Rerun:
    import numpy as np

    from mpk_tui.lineage.compare import compare_sides
    from mpk_tui.lineage.sides import Side

    pair, signed = row["pair"], _finding(row["record"])
    sides = []
    for name in pair.split(":"):
        rebuilt = made.get(name)
        if rebuilt is None or rebuilt.fingerprint is None:
            why = "no such artifact" if rebuilt is None else rebuilt.reason
            return Rerun(pair, NOT_RUN, signed, "", f"{pair}: not run: {name}: {why}.")
        label = (contents.artifact(name) or {}).get("label", name)
        sides.append(Side(label, rebuilt.fingerprint, None))
    try:
        with np.errstate(all="ignore"):
            found = compare_sides(sides[0], sides[1], report, cancel, comparisons=_chosen_from(row["record"]))
    except CancelledError:
        raise
    except MpkError as error:
        return Rerun(pair, NOT_RUN, signed, "", f"{pair}: not run: {error.diagnosis()}.")
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # Signed by a stranger, and of the right shape only on the outside.
        why = f"the features cannot be used ({type(error).__name__})"
        return Rerun(pair, NOT_RUN, signed, "", f"{pair}: not run: {why}.")
    return judge(pair, row["record"], found)


def _chosen_from(signed: Mapping[str, Any]) -> int:
    """Number of models that the pair was chosen from, as it was signed; without it, the pair was named."""
    stated = signed.get("comparisons", 1)
    return min(max(stated, 1), 1 << 40) if isinstance(stated, int) else 1


def judge(pair: str, signed: Mapping[str, Any], found: Mapping[str, Any]) -> Rerun:
    """Hold a record that was made from features against the signed one; a pure function.

    Args:
        pair: ``subject:reference``.
        signed: A comparison record as it was signed; untrusted, any shape.
        found: The record that the features gave.
    """
    mine, theirs = _tests(found), _tests(signed)
    same_version = _version(signed) == _version(found)
    rows = [_row(name, theirs.get(name), mine.get(name)) for name in dict.fromkeys([*theirs, *mine])]
    faults = [f"{pair}: {fault}" for row in rows for fault in _number_faults(row, same_version)]
    claimed, shown = _finding(signed), _finding(found)
    if claimed not in _CLAIMS:
        faults.append(f"{pair}: the signed finding {claimed!r} is none of this version's")
        outcome = CONTRADICTS
    else:
        outcome, fault = _claims(claimed, shown, rows)
        faults += [f"{pair}: {fault}"] if fault else []
    if faults:
        outcome = CONTRADICTS
    return Rerun(
        pair, outcome, claimed, shown, _sentence(pair, outcome, claimed, shown, rows), tuple(faults), tuple(rows)
    )


def _claims(claimed: str, shown: str, rows: list[dict[str, Any]]) -> tuple[str, str]:
    """How two findings stand to each other, and what contradicts."""
    if claimed == shown:
        return REPRODUCED, ""
    both = f"signed is the finding {claimed}, the features give {shown}"
    if "identical" in (claimed, shown):  # digests of all tensors are in the bundle: nothing is sketched about them
        return CONTRADICTS, f"{both}; whether all tensors are equal does not depend on features"
    origin, ancestor = _CLAIMS[claimed]
    origin_f, ancestor_f = _CLAIMS[shown]
    if origin_f is None:
        return WEAKER, ""
    if not origin and origin_f:
        return CONTRADICTS, f"{both}: they show a shared origin"
    if origin and not origin_f:
        # A weak correspondence in weights need not show in sketches; a strong one was seen by a test that can be
        # repeated, or by one that cannot.
        beyond = any(r["state"] == "not-repeated" and _at_most(r["signed_p"], P_SHOWN) for r in rows)
        if claimed != "common-origin-unresolved" and not beyond:
            return CONTRADICTS, f"{both}, and no test that features cannot repeat is signed as showing more"
        return WEAKER, ""
    if ancestor is not None and ancestor_f is not None and ancestor is not ancestor_f:
        return CONTRADICTS, f"{both}: learned structure says the opposite"
    return (STRONGER, "") if ancestor_f and not ancestor else (WEAKER, "")


def _number_faults(row: Mapping[str, Any], same_version: bool) -> list[str]:
    name, z, again = row["name"], row["signed_z"], row["found_z"]
    if row["state"] != "repeated" or z is None or again is None:
        return []
    rho, rho_again = row["signed_rho"], row["found_rho"]
    said = f"{name}: signed z {z:g} and correlation {_number(rho)}, computed again {again:g} and {_number(rho_again)}"
    if row["same_data"]:
        far = abs(z - again) > max(Z_LEAST, Z_SHARE * abs(again)) or _apart(rho, rho_again, RHO_SAME)
        return [f"{said}, from the same fingerprints"] if far and same_version else []
    strong = _at_most(row["signed_p"], P_SHOWN) and rho is not None and rho >= RHO_SKETCHED
    denied = (strong and _above(row["found_p"], P_SILENT)) or (
        _above(row["signed_p"], P_SILENT) and _at_most(row["found_p"], P_SHOWN)
    )
    # Other tests match tokens, and a fingerprint knows fewer of them than a checkpoint: their correlation may be lower.
    apart = name == "ffn.aligned" and _apart(rho, rho_again, RHO_SKETCHED)
    return [f"{said}, from features of the same weights"] if denied or apart else []


def _at_most(p: float | None, limit: float) -> bool:
    return p is not None and p <= limit


def _above(p: float | None, limit: float) -> bool:
    return p is not None and p > limit


def _apart(a: float | None, b: float | None, most: float) -> bool:
    return a is not None and b is not None and abs(a - b) > most


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _tests(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Tests by name; a signed record may be of any shape, and what is none of a test's is passed over."""
    listed = record.get("tests")
    rows = listed if isinstance(listed, list | tuple) else ()
    return {t["name"]: t for t in rows if isinstance(t, dict) and isinstance(t.get("name"), str)}


def _version(record: Mapping[str, Any]) -> object:
    tool = record.get("tool")
    return tool.get("version") if isinstance(tool, dict) else None


def _row(name: str, signed: Mapping[str, Any] | None, found: Mapping[str, Any] | None) -> dict[str, Any]:
    """One test, as it was signed and as it came out again."""
    ran, again = bool(signed and signed.get("ran")), bool(found and found.get("ran"))
    reason = found.get("reason") if found and not again else ""
    state = "repeated" if ran and again else "not-repeated" if ran else "new" if again else "neither"
    return {
        "name": name,
        "state": state,
        "same_data": bool(ran and again and signed and found and signed.get("source") == found.get("source")),
        **{f"signed_{n}": _float(signed, n) if ran else None for n in ("p", "z", "rho")},
        **{f"found_{n}": _float(found, n) if again else None for n in ("p", "z", "rho")},
        "signed_reading": _word(signed) if ran else "",
        "found_reading": _word(found) if again else "",
        "reason": reason if isinstance(reason, str) else "",
    }


def _float(test: Mapping[str, Any] | None, name: str) -> float | None:
    value = None if test is None else test.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _word(test: Mapping[str, Any] | None) -> str:
    value = None if test is None else test.get("reading")
    return value if isinstance(value, str) else ""


def _sentence(pair: str, outcome: str, claimed: str, shown: str, rows: list[dict[str, Any]]) -> str:
    beyond = [r["name"] for r in rows if r["state"] == "not-repeated"]
    unseen = f" Features cannot repeat {', '.join(beyond)}." if beyond else ""
    if outcome == REPRODUCED:
        return f"{pair}: the bundle's own features give the signed finding, {claimed}.{unseen}"
    if outcome == WEAKER:
        less = f"which is less than the signed {claimed} and denies none of it"
        return f"{pair}: the features alone give {shown}, {less}.{unseen}"
    if outcome == STRONGER:
        return f"{pair}: the features alone give {shown}, which is more than the signed {claimed}.{unseen}"
    return f"{pair}: the features contradict the signed finding {claimed}; they give {shown}.{unseen}"
