"""Does the signed verdict follow from what the bundle holds?  The norm's pure function is asked again.

A signature says who stands behind a verdict, not that it follows.  The verdict of every pair is recomputed from the
norm, the answers and the evidence; a signed verdict that says something else makes the bundle INCONSISTENT, and so
does evidence that leans on a comparison that is not in the bundle, is about other models, or found something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from mpk_tui import canonical, hashtree
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.outcome import PairReport
from mpk_tui.bundle.sections import IN_SCOPE
from mpk_tui.constitution.answers import Answer, Evidence, Hop
from mpk_tui.constitution.norm import Norm, by_digest
from mpk_tui.constitution.verdict import Verdict, decide
from mpk_tui.errors import UnsupportedError

NORM_ID = "model-provenance-constitution"
IDENTICAL = "identical"
"""Finding that says: the same tensors, names and bytes included; the one that the bundle itself can contradict."""
_COMPARED = ("label", "display", "conditions", "mechanisms", "exclusions", "basis")


def answer_record(pair: str, answer: Answer) -> dict[str, Any]:
    """An answer as a row of the ``answers`` section."""
    return {"pair": pair, **answer.as_record()}


def evidence_record(pair: str, item: Evidence) -> dict[str, Any]:
    """An item of evidence as a row of the ``evidence`` section: digests are bytes there."""
    row = {"pair": pair, **item.as_record()}
    for name in ("digest", "record"):
        row[name] = bytes.fromhex(row[name]) if row[name] else None
    return row


def read_answer(row: Mapping[str, Any]) -> Answer:
    """A row of the ``answers`` section, whose shape was checked."""
    return Answer(
        row["question"], row["answer"], row["reason"], tuple(row["evidence"]), row["proposed"], row["basis"],
        tuple(Hop(*h) for h in row["hops"]), row["direction_documented"], row["resolution"],
    )  # fmt: skip


def read_evidence(row: Mapping[str, Any]) -> Evidence:
    """A row of the ``evidence`` section, whose shape was checked."""
    return Evidence(
        row["id"], row["kind"], tuple(row["supports"]), tuple(row["opposes"]), row["source"],
        (row["digest"] or b"").hex(), row["locator"], row["excerpt"], row["finding"], (row["record"] or b"").hex(),
    )  # fmt: skip


def norm_of(contents: Contents) -> Norm:
    """The norm that the bundle was decided under.

    Raises:
        UnsupportedError: This version does not carry it, or carries another data file under its number.
    """
    row = contents.sections["norm"]
    if row["id"] != NORM_ID:
        raise UnsupportedError(
            f"decided under {row['id']!r}; this version knows {NORM_ID}", where="norm.id", hint="Use another verifier"
        )
    return by_digest(row["version"], row["digest"])


def verdict_of(contents: Contents, norm: Norm, pair: str) -> Verdict | None:
    """The verdict of a pair as the norm's function gives it; None where answers or evidence are withheld."""
    if "answers" not in contents.sections or "evidence" not in contents.sections:
        return None
    sides = [a for name in pair.split(":") if (a := contents.artifact(name)) is not None]
    return decide(
        norm,
        {r["question"]: read_answer(r) for r in contents.rows("answers", pair)},
        [read_evidence(r) for r in contents.rows("evidence", pair)],
        in_scope=all(a["scope"] == IN_SCOPE for a in sides),
        partial=not all(a["complete"] for a in sides),
    )


def pairs_of(contents: Contents) -> tuple[str, ...]:
    """Every subject with every reference, in the order of the artifacts."""
    subjects = [a["id"] for a in contents.artifacts if a["role"] == "subject"]
    references = [a["id"] for a in contents.artifacts if a["role"] == "reference"]
    return tuple(f"{s}:{r}" for s in subjects for r in references)


def check(
    contents: Contents, roots: Mapping[str, bytes]
) -> tuple[tuple[PairReport, ...], tuple[str, ...], tuple[str, ...]]:
    """Recompute every verdict and hold it against the signed one.

    Args:
        contents: Sections whose digests and shapes were checked.
        roots: Tensor root by artifact id, from the manifest.

    Returns:
        Reports by pair, contradictions, and notices.

    Raises:
        UnsupportedError: The norm is not one that this version carries.
    """
    norm = norm_of(contents)
    reports: list[PairReport] = []
    wrong: list[str] = []
    notices: list[str] = []
    signed = {row["pair"]: row for row in contents.verdicts}
    pairs = pairs_of(contents)
    known = frozenset(pairs)
    for pair in (*pairs, *(p for p in signed if p not in known)):
        if pair not in known:
            wrong.append(f"a verdict on {pair}, which is no pair of a subject and a reference of this bundle")
            reports.append(PairReport(pair, None, signed[pair], False))
            continue
        verdict = verdict_of(contents, norm, pair)
        row = signed.get(pair)
        agrees: bool | None = None
        if row is None and "verdict" in contents.sections:
            wrong.append(f"no verdict on {pair}")
            agrees = False
        elif verdict is not None and row is not None:
            faults = _differences(pair, verdict, row)
            wrong += faults
            agrees = not faults
            if not faults and list(verdict.statements) != row["statements"]:
                notices.append(
                    f"the signed sentences on {pair} are worded in another way; the recomputed ones are shown"
                )
        if verdict is not None:
            wrong += [f"{pair}: {conflict}" for conflict in verdict.conflicts]
            notices += [f"{pair}: signed although open: {gap}" for gap in verdict.gaps]
        reports.append(PairReport(pair, None if verdict is None else verdict.as_record(), row, agrees))
    if any(r.recomputed is None and r.pair in known for r in reports):
        notices.append("answers or evidence are withheld: the signed verdict could not be recomputed")
    wrong += _stray_rows(contents, known)
    wrong += _citations(contents, roots, notices)
    notices += _tested(contents)
    return tuple(reports), tuple(wrong), tuple(notices)


def _differences(pair: str, verdict: Verdict, row: Mapping[str, Any]) -> list[str]:
    record = verdict.as_record()
    return [
        f"{pair}: signed {name} {_plain(row[name])}, but norm, answers and evidence give {_plain(record[name])}"
        for name in _COMPARED
        if record[name] != row[name]
    ]


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value) or "none"


def _tested(contents: Contents) -> list[str]:
    """What the signers' installation said of itself, where it gives no reason to rely on it."""
    record = contents.sections["selftest"]
    notices = []
    failed = [c["name"] for c in record["checks"] if c["passed"] is False]
    if failed or not record["passed"]:
        more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
        notices.append(
            "the installation that made this bundle failed its self-test "
            f"({', '.join(failed[:3]) or 'it does not say where'}{more}): do not rely on what it measured"
        )
    if record["code_sha256"] != contents.tool.code_sha256:
        notices.append(
            f"the self-test in this bundle is of other code ({record['code_sha256'].hex()[:16]}…) than made it "
            f"({contents.tool.code_sha256.hex()[:16]}…): it says nothing about the installation that made it"
        )
    return notices


def _stray_rows(contents: Contents, known: Set[str]) -> list[str]:
    return [
        f"section {section} speaks of {row['pair']}, which is no pair of this bundle"
        for section in ("findings", "evidence", "answers")
        for row in contents.sections.get(section, ())
        if row["pair"] not in known
    ]


def _citations(contents: Contents, roots: Mapping[str, bytes], notices: list[str]) -> list[str]:
    """Comparisons must be what their digests say, be about the pair's models, and carry the finding that is cited."""
    wrong: list[str] = []
    if "findings" not in contents.sections:
        notices.append("findings are withheld: what the evidence cites from them could not be checked")
        return wrong
    by_digest_: dict[bytes, Mapping[str, Any]] = {}
    for row in contents.sections["findings"]:
        by_digest_[row["digest"]] = row
        if hashtree.sha256(canonical.encode(row["record"])) != row["digest"]:
            wrong.append(f"the comparison of {row['pair']} is not the one that its digest names")
        for side, artifact in zip(("a", "b"), row["pair"].split(":"), strict=True):
            facts = row["record"].get(side)
            root = facts.get("root") if isinstance(facts, dict) else None
            if artifact in roots and root != roots[artifact].hex():
                wrong.append(f"the comparison of {row['pair']} was made with other tensors than those of {artifact}")
        ours = [roots.get(artifact) for artifact in row["pair"].split(":")]
        if row["record"].get("finding") == IDENTICAL and None not in ours and ours[0] != ours[1]:
            wrong.append(f"the comparison of {row['pair']} says identical, and the two lists of tensors are not")
    for item in contents.sections.get("evidence", ()):
        name = f"evidence {item['id']} of {item['pair']}"
        if item["record"] is None:
            if item["finding"]:
                wrong.append(f"{name} claims the finding {item['finding']!r} and cites no comparison")
            continue
        cited = by_digest_.get(item["record"])
        if cited is None:
            wrong.append(f"{name} cites a comparison that is not in the bundle")
        elif cited["pair"] != item["pair"]:
            wrong.append(f"{name} cites a comparison of {cited['pair']}")
        elif cited["record"].get("finding") != item["finding"]:
            wrong.append(f"{name} claims the finding {item['finding']!r}; the comparison it cites found something else")
        elif item["finding"] == "reformatted" and "lossless" in item["locator"] and not _lossless(cited["record"]):
            wrong.append(f"{name} claims a conversion without loss; the comparison it cites does not say so")
    return wrong


def _lossless(record: Mapping[str, Any]) -> bool:
    identity = record.get("identity")
    return isinstance(identity, dict) and identity.get("lossless") is True
