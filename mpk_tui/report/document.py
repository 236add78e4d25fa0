"""What a report says, as one neutral record: sections of paragraphs, tables, figures and quotations.

HTML, text and JSON are made from the same record, so they say the same.  Every piece of text knows whose it is
(`Voice`): what we say, what the tool that made the bundle recorded, what the norm calls things, what somebody wrote,
and what something is named.  Every section knows what it rests on (`Standing`): facts stand apart from opinions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mpk_tui.family.graph import Family
from mpk_tui.report.figure import Figure

SCHEMA = "mpk-tui/report/1"


class Voice(StrEnum):
    """Whose words a piece of text is."""

    OURS = "ours"
    """The report's own words."""
    TOOL = "tool"
    """Words of the tool that made the bundle, under its signature."""
    NORM = "norm"
    """A name that the constitution's data file gives to something."""
    SAID = "said"
    """Words of a person or of a document: quoted, never ours."""
    NAME = "name"
    """A name, an identifier or a path that somebody else chose."""
    CODE = "code"
    """A digest, a command or a number that is read character by character; ours."""


class Standing(StrEnum):
    """What a section rests on."""

    NONE = ""
    CHECKED = "checked"
    """Found by the check of the bundle on the machine that made the report."""
    MEASURED = "measured"
    """Computed from weights or files by the tool that made the bundle."""
    JUDGED = "judged"
    """The analyst's own answers, reasons and choice of evidence."""
    RULE = "rule"
    """What follows from the answers and the evidence by the constitution's rules."""
    RECORDED = "recorded"
    """Stated by the people who signed, or written down as they worked; not examined by anybody else."""
    GENERAL = "general"
    """Explanation that is the same in every report."""


STANDINGS = {
    Standing.CHECKED: ("CHECKED", "found by the check of the bundle, on the machine that made this report"),
    Standing.MEASURED: ("MEASURED", "computed from files and weights by the tool that made the bundle"),
    Standing.JUDGED: ("JUDGEMENT", "the analyst's answers, reasons and choice of evidence, quoted as theirs"),
    Standing.RULE: (
        "BY RULE",
        "follows from the answers and the evidence by the constitution's rules; nobody typed it",
    ),
    Standing.RECORDED: ("STATED", "stated by those who signed, or written down as they worked"),
    Standing.GENERAL: ("GENERAL", "the same in every report"),
}
"""Mark of each standing, and what it means."""


@dataclass(frozen=True)
class Run:
    """A piece of text.

    Attributes:
        text: Clean: one line, nothing in it that is invisible or controls anything.
        voice: Whose words they are.
    """

    text: str
    voice: Voice = Voice.OURS


Text = tuple[Run, ...]
"""One paragraph."""
Cell = tuple[Text, ...]
"""Paragraphs of a cell."""


@dataclass(frozen=True)
class Para:
    """A paragraph; a ``strong`` one must not be missed."""

    text: Text
    strong: bool = False


@dataclass(frozen=True)
class Items:
    """A list."""

    items: tuple[Text, ...]


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    rows: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: What it lists.
        columns: Heads of the columns.
        rows: Cells by row; as many as columns.
        left_out: Rows that there are and that the report does not list.
        numeric: Columns of numbers, by index.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int = 0
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Quote:
    """Somebody's own words, a paragraph a line.

    Attributes:
        who: Who said or wrote it, and of what.
        lines: What they said.
    """

    who: Text
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Stamp:
    """A result in one word, with what it means: the first thing that a reader looks for."""

    word: str
    text: Text
    good: bool


@dataclass(frozen=True)
class Command:
    """What can be typed in at a shell, a line each."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes:
        figure: What is drawn, or the table of its numbers.
        left_out: Rows of its table that are not listed.
        numbers: Only the table, as in an appendix; the picture stands elsewhere.
    """

    figure: Figure
    left_out: int = 0
    numbers: bool = False


@dataclass(frozen=True)
class Graph:
    """A family graph, its texts clean: a picture, a tree of lines, or a record."""

    family: Family


Block = Para | Items | Facts | Table | Quote | Stamp | Command | Drawing | Graph


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        id: Ours; unique within the report: ``[a-z0-9-]+``.
        title: Heading.
        blocks: What it says.
        parts: Sections below it.
        standing: What it rests on; empty where its parts say so.
        new_page: Starts on a page of its own when it is printed.
        about: What the heading is about, where that has a name of somebody else's.
        appendix: Numbered by letters, behind the others.
    """

    id: str
    title: str
    blocks: tuple[Block, ...] = ()
    parts: tuple[Section, ...] = ()
    standing: Standing = Standing.NONE
    new_page: bool = False
    about: Text = ()
    appendix: bool = False


@dataclass(frozen=True)
class Document:
    """A report.

    Attributes:
        title: Of the report; ours.
        subject: Case id and title.
        classification: One line for every page, or empty.
        warning: A sentence for every page where the content is not to be relied on, or empty.
        case: Case id, for every page.
        bundle: Bundle id in hex, for every page.
        verdict: The word of the check, for every page.
        sections: In order.
        notes: What the report could not say, for the person who made it.
        tool: Name and version of what made the report.
    """

    title: str
    subject: Text
    classification: str
    warning: str
    case: str
    bundle: str
    verdict: str
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()
    tool: str = ""


def numbered(sections: tuple[Section, ...], prefix: str = "") -> Iterator[tuple[str, int, Section]]:
    """Every section with its number and its depth, in the order of reading."""
    letters = 0
    for n, section in enumerate(sections, 1):
        letters += section.appendix
        number = chr(ord("A") + letters - 1) if section.appendix else f"{prefix}{n}"
        yield number, number.count("."), section
        yield from numbered(section.parts, f"{number}.")


def texts(document: Document) -> Iterator[Run]:
    """Every piece of text of a report, captions and heads of tables included; for checks of its words."""
    yield from (Run(t) for t in (document.title, document.warning, document.tool))
    for _, _, section in numbered(document.sections):
        yield Run(section.title)
        yield from section.about
        for block in section.blocks:
            yield from _runs(block)


def _runs(block: Block) -> Iterator[Run]:
    match block:
        case Para(text) | Stamp(_, text):
            yield from text
        case Items(items):
            for text in items:
                yield from text
        case Facts(rows):
            for name, cell in rows:
                yield Run(name)
                for text in cell:
                    yield from text
        case Table():
            yield Run(block.caption)
            yield from (Run(c) for c in block.columns)
            for row in block.rows:
                for cell in row:
                    for text in cell:
                        yield from text
        case Quote(who, lines):
            yield from who
            yield from (Run(line, Voice.SAID) for line in lines)
        case Command(lines):
            yield from (Run(line, Voice.CODE) for line in lines)
        case Graph(graph):
            for node in graph.nodes:
                yield from (Run(t, Voice.NAME) for t in (node.label, *node.facts))
            for edge in graph.edges:  # a part is called what the record calls it
                yield Run(edge.words(), Voice.NAME if edge.part else Voice.OURS)
        case Drawing(figure):
            yield from (Run(t) for t in (figure.title, figure.about, figure.x, figure.y, figure.missing))
            yield from (Run(t) for t in figure.columns)
