"""Changing an item of evidence: it is taken out and entered again under its id, as two acts of the journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mpk_tui.case.comparing import split_pair
from mpk_tui.case.evidence import attach, bounded, known_attachment, known_questions, remove_evidence
from mpk_tui.case.store import Case
from mpk_tui.constitution.answers import Evidence
from mpk_tui.errors import UsageError


def revise_evidence(
    case: Case,
    id: str,
    *,
    pair: str = "",
    source: str | None = None,
    supports: tuple[str, ...] | None = None,
    opposes: tuple[str, ...] | None = None,
    locator: str | None = None,
    excerpt: str | None = None,
    file: Path | None = None,
    attached: str = "",
) -> Evidence:
    """Change what is said of an item; what is not named stays.

    Its kind stays too: an item of another kind is another item.  Answers that cite the id go on citing it.

    Args:
        case: The case.
        id: Of the item.
        pair: Which pair; the only one by default.
        source: Who says so.
        supports: Questions that it speaks for.
        opposes: Questions that it speaks against.
        locator: Where in it.
        excerpt: Word for word.
        file: A file in place of the one that is kept.
        attached: Instead of a file: SHA-256, hex, of one that was attached before.

    Raises:
        UsageError: No such item, a recorded comparison (whose words are the record's), or a field that cannot be used.
    """
    pair, _, _ = split_pair(case, pair)
    old = case.state.evidence.get(pair, {}).get(id)
    if old is None:
        raise UsageError(f"no evidence {id!r} for {pair}")
    if old.record:
        raise UsageError(
            f"{id} is taken from a comparison; its words are the record's", hint="Take it out, and add an item anew"
        )
    new = replace(
        old,
        source=old.source if source is None else source,
        supports=old.supports if supports is None else supports,
        opposes=old.opposes if opposes is None else opposes,
        locator=old.locator if locator is None else locator,
        excerpt=old.excerpt if excerpt is None else excerpt,
    )
    if not new.source.strip():
        raise UsageError("an item of evidence needs a source", hint="Say who says so and where it came from")
    known_questions(case, (*new.supports, *new.opposes))
    bounded(new.locator, new.excerpt)
    if file is not None or attached:
        new = replace(new, digest=attach(case, file) if file is not None else known_attachment(case, attached))
    if new == old:
        return old
    remove_evidence(case, pair, id)
    case.append("evidence", {"pair": pair, "item": new.as_record()})
    return new
