"""Everything that can be done in a case, as plain functions: the command line and the terminal UI call these."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

from mpk_tui import canonical, hashtree
from mpk_tui.case.artifacts import find_artifact, opening_of, shown
from mpk_tui.case.journal import Entry
from mpk_tui.case.state import CUSTODY, FACTS, UNDOABLE, undone_entries
from mpk_tui.case.store import ATTACHMENTS, COMPARISONS, Case
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import ANSWERS, BASES, KINDS, Answer, Evidence, Hop
from mpk_tui.constitution.verdict import LICENSE
from mpk_tui.errors import LimitError, StorageError, UsageError
from mpk_tui.progress import CancelToken, Report, silent

MAX_ATTACHMENT = 256 << 20


def set_facts(case: Case, **facts: str) -> Entry:
    """Change title, examiner, exhibit, authority or purpose."""
    unknown = facts.keys() - set(FACTS)
    if unknown:
        raise UsageError(f"unknown field {sorted(unknown)[0]!r}", hint=f"Known: {', '.join(FACTS)}")
    for name in ("title", "examiner"):
        if name in facts and not facts[name].strip():
            raise UsageError(f"{name} cannot be empty")
    return case.append("facts", facts)


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
    return compare(Path(left.path), Path(right.path), report, cancel, how=ways)


def record_comparison(case: Case, pair: str, record: dict[str, Any]) -> Entry:
    """Keep a comparison in the case and journal it (``analyse``).

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
    data = canonical.encode(record)
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


def stored_comparison(case: Case, pair: str) -> dict[str, Any] | None:
    """The recorded comparison of a pair, or None."""
    made = case.state.comparisons.get(pair)
    if made is None:
        return None
    a, b = pair.split(":")
    name = f"{a}-{b}.mpkc"
    record = canonical.decode(case.kept(COMPARISONS, name, made.digest), where=name)
    assert isinstance(record, dict)
    return record


def add_evidence(
    case: Case,
    pair: str,
    *,
    kind: str,
    supports: tuple[str, ...] = (),
    opposes: tuple[str, ...] = (),
    source: str = "",
    locator: str = "",
    excerpt: str = "",
    file: Path | None = None,
    id: str = "",
) -> Evidence:
    """Add an item of evidence; a file is copied into the case under its SHA-256.

    Raises:
        UsageError: A field is missing or unknown.
    """
    pair, _, _ = split_pair(case, pair)
    if kind not in KINDS:
        raise UsageError(f"evidence kind {kind!r}; known are {', '.join(KINDS)}")
    if not source.strip():
        raise UsageError("an item of evidence needs a source", hint="Say who says so and where it came from")
    _known_questions(case, (*supports, *opposes))
    digest = attach(case, file) if file is not None else ""
    if kind == "b" and not digest:
        raise UsageError(
            "checkpoint verification (b) needs a file with its record, or a comparison",
            hint="Give --file, or use --from-comparison",
        )
    item = Evidence(id or _free_evidence(case, pair), kind, supports, opposes, source, digest, locator, excerpt)
    if item.id in case.state.evidence.get(pair, {}):
        raise UsageError(f"the evidence id {item.id!r} is taken")
    case.append("evidence", {"pair": pair, "item": item.as_record()})
    return item


def attach(case: Case, file: Path) -> str:
    """Copy a file into the case and journal its name, for display only; returns its SHA-256, hex."""
    try:
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise StorageError("is not a regular file", where=str(file))
        if facts.st_size > MAX_ATTACHMENT:
            raise LimitError(f"{facts.st_size} bytes; an attachment has at most {MAX_ATTACHMENT}", where=str(file))
        data = file.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot be read ({error.strerror})", where=str(file)) from None
    digest = hashlib.sha256(data).hexdigest()
    case.keep(ATTACHMENTS, digest, data)
    name = shown(file.name)[:255]
    case.append("attach", {"name": name, "size": len(data)}, obj=bytes.fromhex(digest))
    return digest


def evidence_from_comparison(case: Case, pair: str = "") -> Evidence:
    """Turn the recorded comparison of a pair into an item of kind (b).

    It supports what its finding licenses and nothing else; a finding that licenses nothing becomes context.
    """
    pair, _, _ = split_pair(case, pair)
    record = stored_comparison(case, pair)
    if record is None:
        raise UsageError(f"{pair} was not compared yet", hint="mpk-tui case compare makes the comparison")
    made = case.state.comparisons[pair]
    for existing in case.state.evidence.get(pair, {}).values():
        if existing.record == made.digest:
            return existing
    licensed = LICENSE[made.finding]
    proposed = record["proposal"]
    wanted = [c for c, a in proposed["conditions"].items() if a["answer"] == "met"]
    wanted += [*proposed["mechanisms"], *(x["number"] for x in proposed["exclusions"])]
    if "c5" in wanted:
        # The same finding serves whoever documents the direct step or the conversion.
        wanted += [c for c in ("c1", "c3") if c not in wanted]
        wanted += [m["number"] for m in record["mechanisms"] if m["number"] not in wanted and m["for"]]
    supports = tuple(q for q in dict.fromkeys(wanted) if q in licensed)
    detail = ""
    if made.finding == "reformatted":
        detail = "lossless" if record["identity"]["lossless"] else "rounding"
    item = Evidence(
        _free_evidence(case, pair), "b" if supports else "context", supports, (),
        f"mpk-tui {record['tool']['version']} comparison of {pair}", "", detail, record["sentence"], made.finding,
        made.digest,
    )  # fmt: skip
    case.append("evidence", {"pair": pair, "item": item.as_record()}, obj=bytes.fromhex(made.digest))
    return item


def remove_evidence(case: Case, pair: str, id: str) -> Entry:
    """Take an item of evidence back; the journal keeps it."""
    pair, _, _ = split_pair(case, pair)
    if id not in case.state.evidence.get(pair, {}):
        raise UsageError(f"no evidence {id!r} for {pair}")
    return case.append("evidence_removed", {"pair": pair, "id": id})


def _free_evidence(case: Case, pair: str) -> str:
    n = 1
    while f"E{n}" in case.state.evidence.get(pair, {}):
        n += 1
    return f"E{n}"


def answer(
    case: Case,
    question: str,
    given: str,
    *,
    pair: str = "",
    reason: str = "",
    evidence: tuple[str, ...] = (),
    basis: str = "",
    hops: tuple[Hop, ...] = (),
    direction_documented: bool = False,
    resolution: str = "",
) -> Answer:
    """Answer a question about a pair.

    Raises:
        UsageError: Unknown question, answer or evidence; a met answer without a reason.
    """
    pair, _, _ = split_pair(case, pair)
    question = question.lower()
    _known_questions(case, (question,))
    if given not in ANSWERS:
        raise UsageError(f"answer {given!r}; known are {', '.join(ANSWERS)}")
    if given == "met" and not reason.strip():
        raise UsageError("an answer 'met' needs a reason", hint="Give --reason")
    if basis not in BASES:
        raise UsageError(f"basis {basis!r}; known are {', '.join(b for b in BASES if b)}")
    if question != "c5" and (basis or hops):
        raise UsageError("a basis and hops belong to C5 only")
    missing = [e for e in evidence if e not in case.state.evidence.get(pair, {})]
    if missing:
        raise UsageError(f"no evidence {missing[0]!r} for {pair}", hint="Add it first, or check the id")
    made = Answer(
        question, given, reason, tuple(evidence), proposals(case, pair).get(question, Answer(question, "")).answer,
        basis, hops, direction_documented, resolution,
    )  # fmt: skip
    case.append("answer", {"pair": pair, "answer": made.as_record()})
    return made


def _known_questions(case: Case, questions: tuple[str, ...]) -> None:
    known = norm.load(case.state.norm).questions
    for q in questions:
        if q not in known:
            raise UsageError(f"no question {q!r}", hint=f"Known: {', '.join(known)}")


def proposals(case: Case, pair: str) -> dict[str, Answer]:
    """What the recorded comparison proposes, by question; the analyst confirms or overrides."""
    record = stored_comparison(case, pair)
    if record is None:
        return {}
    made = case.state.comparisons[pair]
    cited = tuple(e.id for e in case.state.evidence.get(pair, {}).values() if e.record == made.digest)
    out: dict[str, Answer] = {}
    for question, a in record["proposal"]["conditions"].items():
        out[question] = Answer(
            question, a["answer"], a["reason"], cited if a["answer"] == "met" else (), a["answer"], a["basis"]
        )
    reasons = {m["number"]: "; ".join(m["for"]) for m in record["mechanisms"]}
    for number in record["proposal"]["mechanisms"]:
        out[number] = Answer(number, "met", (reasons.get(number) or made.sentence) + ".", cited, "met")
    for x in record["proposal"]["exclusions"]:
        out[x["number"]] = Answer(x["number"], x["answer"], x["reason"], cited, x["answer"])
    return out


def accept_proposals(case: Case, pair: str = "") -> list[Answer]:
    """Confirm every proposed answer as the analyst's own, the comparison cited as evidence of kind (b)."""
    pair, _, _ = split_pair(case, pair)
    evidence_from_comparison(case, pair)
    taken = []
    for proposed in proposals(case, pair).values():
        given = replace(proposed)
        case.append("answer", {"pair": pair, "answer": given.as_record()})
        taken.append(given)
    return taken


def set_rationale(case: Case, pair: str, text: str) -> Entry:
    """The analyst's reasoning for a pair, in their own words."""
    pair, _, _ = split_pair(case, pair)
    return case.append("rationale", {"pair": pair, "text": text})


def set_known_gaps(case: Case, pair: str, gaps: tuple[str, ...]) -> Entry:
    """Known gaps of the constitution that bear on a verdict."""
    pair, _, _ = split_pair(case, pair)
    known = {g["id"] for g in norm.load(case.state.norm).data["known_gaps"]}
    wrong = [g for g in gaps if g not in known]
    if wrong:
        raise UsageError(f"no known gap {wrong[0]!r}", hint=f"Known: {', '.join(sorted(known))}")
    return case.append("known_gaps", {"pair": pair, "gaps": list(gaps)})


def note(case: Case, text: str) -> Entry:
    """A free note."""
    if not text.strip():
        raise UsageError("a note needs text")
    return case.append("note", {}, note=text)


def custody(case: Case, act: str, text: str, *, id: str = "") -> Entry:
    """A statement of custody: ``intake``, ``transfer``, ``seal_check`` or ``mount``; cannot be taken back."""
    if act not in CUSTODY:
        raise UsageError(f"custody act {act!r}; known are {', '.join(CUSTODY)}")
    if not text.strip():
        raise UsageError("a statement of custody needs text")
    if id:
        find_artifact(case, id)
    return case.append(act, {"id": id}, note=text)


def undo(case: Case) -> Entry:
    """Take back the last act of judgement that still stands.

    Raises:
        UsageError: There is none.
    """
    entries = list(case.entries)
    undone = undone_entries(entries)
    for entry in reversed(entries):
        if entry.act in UNDOABLE and entry.seq not in undone:
            return case.append("undo", {"seq": entry.seq})
    raise UsageError("there is nothing to undo")


def redo(case: Case) -> Entry:
    """Restore what the last undo took back, unless something was judged since.

    Raises:
        UsageError: There is nothing to redo.
    """
    entries = list(case.entries)
    undone = undone_entries(entries)
    for entry in reversed(entries):
        if entry.act in UNDOABLE and entry.seq not in undone:
            break
        if entry.act == "undo" and entry.params.get("seq") in undone:
            return case.append("redo", {"seq": entry.params["seq"]})
    raise UsageError("there is nothing to redo")
