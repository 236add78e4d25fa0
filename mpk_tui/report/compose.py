"""A report as a neutral document, from a verified bundle and nothing else: no clock, no file, no network.

The same bundle, checked with the same result, and the same options give the same document.
"""

from __future__ import annotations

from mpk_tui.bundle.outcome import PairReport
from mpk_tui.errors import UsageError
from mpk_tui.report.content import apparatus, front, handling, judged, measured
from mpk_tui.report.content.view import DETAILED, View, look
from mpk_tui.report.document import Document, Para, Section
from mpk_tui.report.family_case import family_section
from mpk_tui.report.lines import columns
from mpk_tui.report.source import EXPORTER, Source
from mpk_tui.report.untrusted import say, shown

TITLE = "Model provenance report"
CLASSIFICATION = 70
"""Columns of a classification at most: it must fit the head of a page, whole."""


def compose(source: Source) -> Document:
    """What the report says.

    Args:
        source: A bundle whose check lets it be shown.

    Raises:
        UsageError: The bundle has no such pair, or the classification is longer than a page is wide.
    """
    classification = shown(source.classification.strip(), 4 * CLASSIFICATION)
    if columns(classification) > CLASSIFICATION:
        raise UsageError(
            f"a classification of {columns(classification)} columns", hint=f"At most {CLASSIFICATION} fit a page"
        )
    view = look(source)
    chosen = [p for p in source.outcome.pairs if source.pair in ("", p.pair)]
    if source.pair and not chosen:
        known = ", ".join(p.pair for p in source.outcome.pairs[:20])
        raise UsageError(f"no pair {source.pair!r}", hint=f"The bundle has {known or 'none'}")
    # In the order of reading: where text must be cut, it is not cut on the first page.
    case = view.contents.case
    subject = say(view.purse.name(case.id), *((" · ", view.purse.said(case.title, 200)) if case.title else ()))
    first = front.sections(view)
    detailed = [(p, f"pair-{n}") for n, p in enumerate(chosen[:DETAILED], 1)]
    chapters = tuple(_pair(view, p, prefix) for p, prefix in detailed)
    left = len(source.outcome.pairs) - len(chapters)
    if left:
        text = f"{left:,} further pairs have no chapter here; their verdicts stand on the first page, --pair names one"
        view.notes.append(text)
        chapters = (*chapters, Section("further", "Further pairs", (Para(say(f"{text}.")),)))
    appendix = (apparatus.files(view), apparatus.versions(view), handling.log(view), apparatus.framework_map(view),
                apparatus.glossary(), *measured.numbers(view, [(p.pair, x) for p, x in detailed]))  # fmt: skip
    sections = (
        *first,
        *family_section(view),
        *chapters,
        handling.section(view),
        apparatus.endorsements(view),
        apparatus.missing(view),
        *apparatus.local(view),
        apparatus.method(view),
        apparatus.verifying(view),
        *appendix,
    )
    if view.purse.left <= 0:
        view.notes.append("the bundle holds more text than a report takes; what was cut ends in … and its length")
    return Document(
        title=TITLE,
        subject=subject,
        classification=classification,
        warning=source.warning,
        case=shown(case.id, 80),
        bundle=source.outcome.bundle_id.hex() if source.outcome.bundle_id else "",
        verdict=source.outcome.verdict.value,
        sections=sections,
        notes=tuple(view.notes),
        tool=" ".join(EXPORTER),
    )


def _pair(view: View, report: PairReport, prefix: str) -> Section:
    """What a reader asks first stands first: the result, whose judgement it is, what it rests on, then the numbers."""
    parts = (*judged.sections(view, report, prefix), *measured.sections(view, report.pair, prefix))
    return Section(prefix, "Pair", parts=parts, new_page=True, about=view.pair(report.pair))
