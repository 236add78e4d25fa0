"""What every part of a report needs at hand: the bundle, the norm, the purse, and names of models and questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpk_tui.bundle.consistency import norm_of
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.outcome import Outcome, PairReport
from mpk_tui.constitution.norm import Norm
from mpk_tui.errors import MpkError
from mpk_tui.report.document import Run, Text
from mpk_tui.report.source import Source
from mpk_tui.report.untrusted import Purse, norm, ours, shown

ROWS = 200
"""Rows that a table lists at most; the rest is counted."""
DETAILED = 16
"""Pairs that get a chapter of their own; the others stand in the first page's table."""


@dataclass(frozen=True)
class View:
    """A verified bundle as the parts of a report see it.

    Attributes:
        source: The bundle and the check.
        norm: The norm that it was decided under; None if this version does not carry it.
        purse: Takes untrusted text.
        notes: What the report had to leave out; grows as it is written.
    """

    source: Source
    norm: Norm | None
    purse: Purse = field(default_factory=Purse)
    notes: list[str] = field(default_factory=list)

    @property
    def contents(self) -> Contents:
        """What the bundle says."""
        return self.source.contents

    @property
    def outcome(self) -> Outcome:
        """What the check found."""
        return self.source.outcome

    def section(self, name: str) -> Any:
        """A section's content, or None where it is withheld or was never there."""
        return self.contents.sections.get(name)

    def absent(self, name: str) -> str:
        """Why a section cannot be shown, as a sentence."""
        listed = self.source.manifest.section(name) is not None
        return f"Section {name} is withheld." if listed else f"The bundle has no section {name}."

    def model(self, artifact: str) -> Text:
        """An artifact by id and label."""
        row = self.contents.artifact(artifact)
        if row is None:
            return (self.purse.name(artifact, 64),)
        return (self.purse.name(artifact, 64), ours(" ("), self.purse.name(row["label"] or "no label", 80), ours(")"))

    def pair(self, pair: str) -> Text:
        """Both models of a pair."""
        first, _, second = pair.partition(":")
        return (*self.model(first), ours(" and "), *self.model(second))

    def item(self, pair: str, item: str) -> Text:
        """An item of evidence by its id; with its pair where there are several, for ids begin anew with each."""
        name = self.purse.name(item, 64)
        return (name,) if len(self.outcome.pairs) < 2 else (self.purse.name(pair, 130), ours(" "), name)

    def question(self, name: str) -> Run:
        """A condition, mechanism or exclusion by number and title."""
        item = None if self.norm is None else self.norm.item(name)
        return self.purse.name(name.upper(), 16) if item is None else norm(f"{name.upper()} {item.title}")

    def questions(self, names: Iterable[str]) -> list[Run]:
        """Several of them."""
        return [self.question(n) for n in names]


def look(source: Source) -> View:
    """The view of a verified bundle."""
    try:
        norm = norm_of(source.contents)
    except MpkError:  # the check says so in its own words; questions then go by number
        norm = None
    return View(source, norm)


def verdict_of(report: PairReport) -> tuple[Mapping[str, Any] | None, str]:
    """The verdict to show for a pair, and what it is: recomputed, signed, or withheld."""
    if report.recomputed is not None:
        return report.recomputed, "recomputed here from the norm, the answers and the evidence"
    if report.signed is not None:
        return report.signed, "as it was signed; answers or evidence are withheld, so it was not recomputed"
    return None, "withheld"


def statement(view: View, text: str, *, fresh: bool) -> Run:
    """A sentence of a verdict: ours if it was recomputed here and repeats no name or id of the bundle."""
    ours_alone = fresh and not text.startswith("Chain of links: ") and "denial (" not in text
    return ours(shown(text, 1200)) if ours_alone else view.purse.tool(text, 1200)


def cut(rows: list[Any], most: int = ROWS) -> tuple[list[Any], int]:
    """The first rows, and how many more there are."""
    return rows[:most], max(0, len(rows) - most)
