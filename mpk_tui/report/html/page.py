"""From the neutral document to HTML.

Every tag and every attribute here is a constant of ours or one of our own ids.  Text goes through `_text` and into
element content, never into an attribute, a style or a script; so a hostile bundle has nowhere to stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

from mpk_tui.report.document import (
    STANDINGS,
    Block,
    Cell,
    Command,
    Document,
    Drawing,
    Facts,
    Graph,
    Items,
    Para,
    Quote,
    Run,
    Section,
    Stamp,
    Standing,
    Table,
    Text,
    Voice,
    numbered,
)
from mpk_tui.report.family_svg import svg as family_svg
from mpk_tui.report.figure import Figure
from mpk_tui.report.html.style import CSS
from mpk_tui.report.svg import svg
from mpk_tui.report.untrusted import shown

NUMBER = re.compile(r"-|(<=? )?-?[0-9][0-9.,e+-]*")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Content security policy: a browser loads nothing, whatever the file holds."""
WORD = 20
"""Characters of a word that may not be torn apart."""
SHORT = 8
"""Rows of a table that stays on one page."""
DEPTH = 1
"""Depth down to which the table of contents goes."""


def render(document: Document) -> bytes:
    """The file, UTF-8; the same document gives the same bytes."""
    return "\n".join(_file(document)).encode("utf-8", "backslashreplace") + b"\n"


def _file(d: Document) -> Iterator[str]:
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="referrer" content="no-referrer">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{_text(f'{d.title}: {d.case}')}</title>"
    yield f"<style>{CSS}</style>"
    yield "</head>"
    yield "<body>"
    yield from _running(d)
    if d.classification:
        yield f'<p class="banner">{_text(d.classification)}</p>'
    # A table, so that its empty head and foot keep the running head's and foot's places free on every printed page.
    yield '<table class="sheet" role="presentation"><thead><tr><td></td></tr></thead>'
    yield "<tfoot><tr><td></td></tr></tfoot><tbody><tr><td>"
    yield "<main>"
    yield f"<h1>{_text(d.title)}</h1>"
    yield f'<p class="subject">{_runs(d.subject)}</p>'
    if d.warning:
        yield f'<p class="warning">{_text(d.warning)}</p>'
    listed = list(numbered(d.sections))
    first = True
    for number, depth, section in listed:
        if first and section.new_page:
            # The contents stand behind the first page's sections: a reader wants the result first.
            yield from _contents(listed)
            first = False
        yield from _section(number, depth, section)
    if first:
        yield from _contents(listed)
    yield "</main>"
    yield "</td></tr></tbody></table>"
    if d.classification:
        yield f'<p class="banner">{_text(d.classification)}</p>'
    yield "</body>"
    yield "</html>"


def _running(d: Document) -> Iterator[str]:
    """Head and foot of every printed page."""
    verdict = f"check of the bundle: {d.warning or d.verdict}"
    yield (
        f'<div class="running head" aria-hidden="true"><p class="class">{_text(d.classification)}</p>'
        f"<p>Case {_text(d.case)} · {_text(verdict)}</p></div>"
    )
    yield (
        f'<div class="running foot" aria-hidden="true"><p>Bundle {_text(d.bundle)} · {_text(d.tool)}</p>'
        f'<p class="class">{_text(d.classification)}</p></div>'
    )


def _contents(listed: Iterable[tuple[str, int, Section]]) -> Iterator[str]:
    yield '<nav aria-labelledby="contents"><h2 id="contents">Contents</h2><ol>'
    for number, depth, s in listed:
        if depth <= DEPTH:
            about = f" {_runs(s.about)}" if s.about else ""
            indent = ' class="sub"' if depth else ""
            yield f'<li{indent}><a href="#{s.id}">{number} {_text(s.title)}{about}</a></li>'
    yield "</ol></nav>"


def _section(number: str, depth: int, s: Section) -> Iterator[str]:
    level = min(depth + 2, 4)
    page = ' class="page"' if s.new_page else ""
    about = f" {_runs(s.about)}" if s.about else ""
    yield f'<h{level} id="{s.id}"{page}>{number} {_text(s.title)}{about}{_mark(s.standing)}</h{level}>'
    for n, block in enumerate(s.blocks):
        yield from _block(block, f"{s.id}-{n}")


def _mark(standing: Standing) -> str:
    if standing is Standing.NONE:
        return ""
    return f' <span class="mark {standing.value}">{_text(STANDINGS[standing][0])}</span>'


def _block(block: Block, uid: str) -> Iterator[str]:
    match block:
        case Para(text, strong):
            yield f'<p class="strong">{_runs(text)}</p>' if strong else f"<p>{_runs(text)}</p>"
        case Items(items):
            yield "<ul>"
            yield from (f"<li>{_runs(t)}</li>" for t in items)
            yield "</ul>"
        case Facts(rows):
            yield "<dl>"
            yield from (f"<div><dt>{_text(name)}</dt><dd>{_cell(cell)}</dd></div>" for name, cell in rows)
            yield "</dl>"
        case Table():
            yield from _table(block)
        case Quote(who, lines):
            yield f'<figure class="quote"><figcaption>{_runs(who)}</figcaption><blockquote>'
            for n, line in enumerate(lines):
                left, right = "“" * (n == 0), "”" * (n == len(lines) - 1)
                yield f"<p>{left}<bdi>{_text(line)}</bdi>{right}</p>"
            yield "</blockquote></figure>"
        case Stamp(word, text, good):
            yield f'<p class="stamp {"good" if good else "bad"}"><strong>{_text(word)}</strong> {_runs(text)}</p>'
        case Command(lines):
            listed = "\n".join(lines)
            yield f'<pre><code class="long">{escape(listed)}</code></pre>'
        case Graph(graph):
            yield f'<figure class="drawing">{family_svg(graph, uid)}</figure>'
        case Drawing(figure, left_out, numbers):
            yield from _numbers(figure, left_out) if numbers else _drawing(figure, uid)


def _table(t: Table) -> Iterator[str]:
    counted = f" ({len(t.rows):,} of {len(t.rows) + t.left_out:,} are listed)" if t.left_out else ""
    short = " short" if len(t.rows) <= SHORT else ""
    yield f'<div class="scroll{short}"><table class="data"><caption>{_text(t.caption + counted)}</caption><thead><tr>'
    for n, column in enumerate(t.columns):
        yield f'<th scope="col"{_align(n in t.numeric)}>{_text(column)}</th>'
    yield "</tr></thead><tbody>"
    for row in t.rows:
        out = [f'<th scope="row">{_cell(row[0])}</th>'] if row else []
        out += [f"<td{_align(n in t.numeric)}>{_cell(c)}</td>" for n, c in enumerate(row[1:], 1)]
        yield f"<tr>{''.join(out)}</tr>"
    yield "</tbody></table></div>"
    if t.left_out:
        yield f'<p class="more">{t.left_out:,} further rows are in the bundle and not listed here.</p>'


def _align(number: bool) -> str:
    return ' class="number"' if number else ""


def _drawing(figure: Figure, uid: str) -> Iterator[str]:
    yield (
        f'<figure class="drawing"><figcaption><b>{_text(shown(figure.title, 300))}.</b> '
        f"{_text(shown(figure.about, 900))}</figcaption>"
    )
    if figure.missing:
        yield f'<p>Not drawn: <q class="tool"><bdi>{_text(shown(figure.missing, 600))}</bdi></q></p>'
    picture = svg(figure, uid)
    if picture:
        yield picture
    elif not figure.missing:
        yield "<p>Not drawn: none of its numbers was measured.</p>"
    yield "</figure>"


def _numbers(figure: Figure, left_out: int) -> Iterator[str]:
    kept = figure.rows[: len(figure.rows) - left_out]
    rows = tuple(tuple(((Run(shown(v, 120), Voice.NAME),),) for v in row) for row in kept)
    columns = tuple(shown(c, 60) for c in figure.columns)
    yield from _table(Table(shown(figure.title, 300), columns, rows, left_out, _numeric(kept)))


def _numeric(rows: tuple[tuple[str, ...], ...]) -> frozenset[int]:
    """Columns that hold numbers throughout."""
    wide = min(map(len, rows), default=0)
    return frozenset(n for n in range(wide) if all(NUMBER.fullmatch(row[n]) for row in rows))


def _cell(cell: Cell) -> str:
    if len(cell) == 1:
        return _runs(cell[0])
    return "".join(f"<p>{_runs(t)}</p>" for t in cell)


def _runs(text: Text) -> str:
    return "".join(map(_run, text))


def _run(run: Run) -> str:
    inner = _text(run.text)
    match run.voice:
        case Voice.SAID | Voice.TOOL:
            return f'<q class="{run.voice.value}">“<bdi>{inner}</bdi>”</q>'
        case Voice.NAME:
            return f'<bdi class="name{_long(run.text)}">{inner}</bdi>'
        case Voice.CODE:
            return f'<code class="code{_long(run.text)}">{inner}</code>'
        case _:
            return inner


def _long(text: str) -> str:
    """Whether a word must break anywhere, lest it widen the page."""
    return " long" if max(map(len, text.split(" "))) > WORD else ""


def _text(text: str) -> str:
    return escape(text, quote=True)
