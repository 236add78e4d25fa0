"""Items of evidence about a pair: added, attached, taken from a comparison, taken back."""

from __future__ import annotations

import hashlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.case.artifacts import shown
from mpk_tui.case.comparing import split_pair, stored_comparison
from mpk_tui.case.journal import Entry
from mpk_tui.case.lengths import ID, within
from mpk_tui.case.proposing import cites
from mpk_tui.case.store import ATTACHMENTS, Case
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import KINDS, Evidence
from mpk_tui.constitution.verdict import LICENSE
from mpk_tui.errors import LimitError, StorageError, UsageError

MAX_ATTACHMENT = 256 << 20
MAX_LOCATOR = 4500
"""Characters; a tensor's name may have 4096."""
MAX_EXCERPT = 20_000
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def known_questions(case: Case, questions: tuple[str, ...]) -> None:
    """Refuse questions that the norm of the case does not have.

    Raises:
        UsageError: With the known ones.
    """
    known = norm.load(case.state.norm).questions
    for q in questions:
        if q not in known:
            raise UsageError(f"no question {q!r}", hint=f"Known: {', '.join(known)}")


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
    attached: str = "",
    id: str = "",
) -> Evidence:
    """Add an item of evidence; a file is copied into the case under its SHA-256.

    Args:
        case: Open for writing.
        pair: The pair it is about; may be empty while there is one.
        kind: One of `KINDS`.
        supports: Questions it speaks for.
        opposes: Questions it speaks against.
        source: Who says so, where it came from.
        locator: Page, section or URL; for a text file what `mpk_tui.case.quoting` gives.
        excerpt: Quoted words or numbers.
        file: A file to attach.
        attached: Instead of a file: SHA-256, hex, of one that was attached before.
        id: The next free one by default.

    Raises:
        UsageError: A field is missing or unknown.
        StorageError: The file cannot be read.
    """
    pair, _, _ = split_pair(case, pair)
    if kind not in KINDS:
        raise UsageError(f"evidence kind {kind!r}; known are {', '.join(KINDS)}")
    if not source.strip():
        raise UsageError("an item of evidence needs a source", hint="Say who says so and where it came from")
    known_questions(case, (*supports, *opposes))
    bounded(locator, excerpt)
    if file is not None and attached:
        raise UsageError("a file is attached anew or was attached before, not both")
    within("the evidence id", id, ID)
    if id and id in case.state.evidence.get(pair, {}):  # before anything is attached
        raise UsageError(f"the evidence id {id!r} is taken")
    if kind == "b" and file is None and not attached:
        raise UsageError(
            "checkpoint verification (b) needs a file with its record, or a comparison",
            hint="Give --file, or use --from-comparison",
        )
    digest = attach(case, file) if file is not None else known_attachment(case, attached)
    item = Evidence(id or free_id(case, pair), kind, supports, opposes, source, digest, locator, excerpt)
    case.append("evidence", {"pair": pair, "item": item.as_record()})
    return item


def bounded(locator: str, excerpt: str) -> None:
    """Refuse a locator or an excerpt that is too long."""
    for name, text, most in (("locator", locator, MAX_LOCATOR), ("excerpt", excerpt, MAX_EXCERPT)):
        if len(text) > most:
            raise UsageError(f"the {name} has {len(text)} characters (at most {most})", hint="Quote less of it")


@dataclass(frozen=True)
class KeptFile:
    """A file that was copied into the case and not journalled yet: its SHA-256, hex, its size, its name for display."""

    digest: str
    size: int
    name: str


def attach(case: Case, file: Path, name: str = "") -> str:
    """Copy a file into the case and journal its name, for display only; returns its SHA-256, hex.

    Args:
        case: Open for writing.
        file: A regular file.
        name: What it is called, where that is not the file's own name.

    Raises:
        StorageError: It is no regular file, cannot be read, or changed while it was read.
        LimitError: It is too large.
    """
    return record_attached(case, keep_file(case, file, name))


def keep_file(case: Case, file: Path, name: str = "") -> KeptFile:
    """Copy a file into the case, not journalled: what a thread may do while the case goes on.  See `attach`."""
    case.must_write()
    try:
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise StorageError("is not a regular file", where=str(file))
        if facts.st_size > MAX_ATTACHMENT:
            raise LimitError(f"{facts.st_size} bytes; an attachment has at most {MAX_ATTACHMENT}", where=str(file))
        with open(file, "rb") as f:
            data = f.read(MAX_ATTACHMENT + 1)
    except OSError as error:
        raise StorageError(f"cannot be read ({error.strerror or error})", where=str(file)) from None
    if len(data) > MAX_ATTACHMENT:
        raise LimitError(f"an attachment has at most {MAX_ATTACHMENT} bytes", where=str(file))
    return keep_data(case, data, name or file.name)


def keep_data(case: Case, data: bytes, name: str) -> KeptFile:
    """Keep bytes in the case under their SHA-256, not journalled: a record that was made here and lies in no file.

    Raises:
        StorageError: The case is read-only, or cannot be written.
        LimitError: They are too many.
    """
    case.must_write()
    if len(data) > MAX_ATTACHMENT:
        raise LimitError(f"an attachment has at most {MAX_ATTACHMENT} bytes", where=name)
    digest = hashlib.sha256(data).hexdigest()
    case.keep(ATTACHMENTS, digest, data)
    return KeptFile(digest, len(data), shown(name)[:255])


def record_attached(case: Case, kept: KeptFile) -> str:
    """Journal a file that was copied into the case; returns its SHA-256, hex."""
    case.append("attach", {"name": kept.name, "size": kept.size}, obj=bytes.fromhex(kept.digest))
    return kept.digest


def known_attachment(case: Case, digest: str) -> str:
    """A digest that is among the attachments, or empty."""
    if not digest:
        return ""
    if not _DIGEST.match(digest) or not (case.root / ATTACHMENTS / digest).is_file():
        raise UsageError(
            f"nothing was attached under {digest[:80]!r}", hint="mpk-tui case attach prints the SHA-256 of a file"
        )
    return digest


def evidence_from_comparison(case: Case, pair: str = "") -> Evidence:
    """Turn the recorded comparison of a pair into an item of kind (b).

    It supports what its finding licenses and nothing else; a finding that licenses nothing becomes context.

    Raises:
        UsageError: The pair was not compared.
    """
    pair, _, _ = split_pair(case, pair)
    record = _compared(case, pair)
    made = case.state.comparisons[pair]
    for existing in case.state.evidence.get(pair, {}).values():
        if cites(existing, made.digest):
            return existing
    detail = ""
    if made.finding == "reformatted":
        detail = "lossless" if record["identity"]["lossless"] else "rounding"
    return _from_record(case, pair, record, _licensed(record, made.finding), detail, record["sentence"])


def evidence_from_row(
    case: Case, pair: str, *, part: str, locator: str, excerpt: str, supports: tuple[str, ...] | None = None
) -> Evidence:
    """Turn one row, tensor or figure of the recorded comparison into an item that cites the same record and finding.

    It supports what the comparison as a whole may support, with two exceptions: scores of the table ``context`` never
    decide and become context; and a row of a conversion does not speak for C4 or 3.1, because one tensor does not say
    whether every tensor was converted without loss (the item of the whole comparison does).

    Args:
        case: Open for writing.
        pair: The pair; may be empty while there is one.
        part: Table of the record (``identity``, ``tests``, ``components``, ``context``, …) or ``figure``.
        locator: The row within it, with or without the table's name before it.
        excerpt: Its numbers, in words.
        supports: Fewer questions than it may support, or None for all of these.

    Returns:
        The item; the one that is there already, if this row was taken before.

    Raises:
        UsageError: The pair was not compared, or a field is missing.
    """
    pair, _, _ = split_pair(case, pair)
    record = _compared(case, pair)
    made = case.state.comparisons[pair]
    part, row = part.strip(), locator.strip()
    if not part or not row or not excerpt.strip():
        raise UsageError("a row of a comparison needs its table, its name and its numbers")
    place = row if row == part or row.startswith((f"{part} ", f"{part}/")) else f"{part} / {row}"
    bounded(place, excerpt)
    for existing in case.state.evidence.get(pair, {}).values():
        if (existing.record, existing.locator) == (made.digest, place):
            return existing
    if made.finding == "reformatted" and "lossless" in place and not record["identity"]["lossless"]:
        # Verifiers read the word in a locator as a claim about the conversion; a tensor's name must not make it.
        raise UsageError(
            "a row whose name holds the word 'lossless' cannot be cited under a conversion that rounds",
            hint="Cite the comparison as a whole, or describe the row in your reason",
        )
    table = re.split("[ /]", place, maxsplit=1)[0]
    allowed = () if "context" in (part, table) else _licensed(record, made.finding)
    if made.finding == "reformatted":
        allowed = tuple(q for q in allowed if q not in ("c4", "3.1"))
    beyond = [q for q in supports or () if q not in allowed]
    if beyond:
        raise UsageError(
            f"this row cannot support {beyond[0]}", hint=f"It may support: {', '.join(allowed) or 'nothing'}"
        )
    return _from_record(case, pair, record, allowed if supports is None else supports, place, excerpt.strip())


def _compared(case: Case, pair: str) -> dict[str, Any]:
    record = stored_comparison(case, pair)
    if record is None:
        raise UsageError(f"{pair} was not compared yet", hint="mpk-tui case compare makes the comparison")
    return record


def _licensed(record: dict[str, Any], finding: str) -> tuple[str, ...]:
    """Questions that the proposal answers met, as far as the finding licenses them."""
    licensed = LICENSE[finding]
    proposed = record["proposal"]
    wanted = [c for c, a in proposed["conditions"].items() if a["answer"] == "met"]
    wanted += [*proposed["mechanisms"], *(x["number"] for x in proposed["exclusions"])]
    if "c5" in wanted:
        # The same finding serves whoever documents the direct step or the conversion.
        wanted += [c for c in ("c1", "c3") if c not in wanted]
        wanted += [m["number"] for m in record["mechanisms"] if m["number"] not in wanted and m["for"]]
    return tuple(q for q in dict.fromkeys(wanted) if q in licensed)


def _from_record(
    case: Case, pair: str, record: dict[str, Any], supports: tuple[str, ...], locator: str, excerpt: str
) -> Evidence:
    made = case.state.comparisons[pair]
    item = Evidence(
        free_id(case, pair), "b" if supports else "context", supports, (),
        f"mpk-tui {record['tool']['version']} comparison of {pair}", "", locator, excerpt, made.finding, made.digest,
    )  # fmt: skip
    case.append("evidence", {"pair": pair, "item": item.as_record()}, obj=bytes.fromhex(made.digest))
    return item


def remove_evidence(case: Case, pair: str, id: str) -> Entry:
    """Take an item of evidence back; the journal keeps it."""
    pair, _, _ = split_pair(case, pair)
    if id not in case.state.evidence.get(pair, {}):
        raise UsageError(f"no evidence {id!r} for {pair}")
    return case.append("evidence_removed", {"pair": pair, "id": id})


def free_id(case: Case, pair: str) -> str:
    """The next free id of an item about a pair."""
    n = 1
    while f"E{n}" in case.state.evidence.get(pair, {}):
        n += 1
    return f"E{n}"
