"""From the neutral document to text for an e-mail: at most 78 columns, UTF-8, every line harmless in transit.

No line starts with ``From `` or a full stop, ends in a blank, or is longer than 78 columns, so neither mbox, SMTP nor
quoted-printable (RFC 5322, RFC 2045) changes it.  What others said stands behind ``> `` or in quotation marks.
"""

from __future__ import annotations

from collections.abc import Iterator

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
from mpk_tui.report.family_text import lines as family_lines
from mpk_tui.report.figure import Figure
from mpk_tui.report.lines import WIDTH, columns, simple, wrap
from mpk_tui.report.untrusted import shown

PAGE = 50
"""Lines after which the classification is repeated, at the next empty line: about a printed page."""
_NAME = 26


def render(document: Document) -> bytes:
    """The file; the same document gives the same bytes."""
    out = list(_head(document))
    for number, depth, section in numbered(document.sections):
        out += _section(number, depth, section)
    lines = [_harmless(line) for line in out]
    if document.classification:
        lines = _stamped(lines, _banner(document.classification))
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def _harmless(line: str) -> str:
    """A line that nothing on its way changes."""
    line = line.rstrip()
    return f" {line}" if line.startswith(("From ", ".", "-- ")) or line == "--" else line


def _banner(text: str) -> list[str]:
    return [f"*** {line} ***".center(WIDTH).rstrip() for line in wrap(text, width=WIDTH - 8)]


def _stamped(lines: list[str], banner: list[str]) -> list[str]:
    """The lines with the banner at the top, at the end and after every page's worth of them."""
    out, since = [*banner, ""], 0
    for line in lines:
        since += 1
        if since >= PAGE and (not line or since >= PAGE + 20):
            out += ["", *banner, ""]
            since = 0
        out.append(line)
    return [*out, "", *banner]


def _head(d: Document) -> Iterator[str]:
    yield d.title.upper()
    yield from wrap(_runs(d.subject))
    yield from wrap(f"Bundle {d.bundle}")
    yield f"Check of the bundle: {d.verdict}"
    if d.warning:
        yield from wrap(f"*** {d.warning} ***")


def _section(number: str, depth: int, s: Section) -> Iterator[str]:
    yield ""
    mark = f"  [{STANDINGS[s.standing][0]}]" if s.standing is not Standing.NONE else ""
    title = f"{number} {s.title.upper() if depth == 0 else s.title}{f' {_runs(s.about)}' if s.about else ''}{mark}"
    lines = wrap(title)
    if depth == 0:
        yield "=" * WIDTH
    yield from lines
    yield ("=" if depth == 0 else "-") * min(WIDTH, max(map(columns, lines)))
    before: Block | None = None
    for block in s.blocks:
        apart = isinstance(before, Items | Quote) and isinstance(block, Para)
        if before is not None and (apart or isinstance(before, Para) or isinstance(block, Quote | Table)):
            yield ""
        yield from _block(block)
        before = block


def _block(block: Block) -> Iterator[str]:
    match block:
        case Para(text, strong):
            yield from wrap(f"{'* ' if strong else ''}{_runs(text)}", "", "  " if strong else "")
        case Items(items):
            for text in items:
                yield from wrap(_runs(text), "  - ", "    ")
        case Facts(rows):
            for name, cell in rows:
                yield from _fact(name, cell)
            yield ""
        case Table():
            yield from _table(block)
        case Quote(who, lines):
            yield from wrap(f"{_runs(who)}:")
            for line in lines:
                yield from wrap(line, "> ", "> ")
        case Stamp(word, text):
            yield from wrap(f"{word}: {_runs(text)}", "  ", "  ")
        case Command(lines):
            for line in lines:
                yield from wrap(line, "    ", "      ")
        case Graph(graph):
            yield from family_lines(graph, width=WIDTH)
            yield ""
        case Drawing(figure, left_out, numbers):
            yield from _drawing(figure, left_out, numbers=numbers)


def _fact(name: str, cell: Cell) -> Iterator[str]:
    first = f"  {name}".ljust(_NAME)
    if not first.endswith(" "):
        yield first
        first = " " * _NAME
    for text in cell:
        yield from wrap(_runs(text), first, " " * _NAME)
        first = " " * _NAME


def _table(t: Table) -> Iterator[str]:
    counted = f" ({len(t.rows):,} of {len(t.rows) + t.left_out:,} are listed)" if t.left_out else ""
    yield from wrap(f"{t.caption}{counted}:")
    plain = [[" / ".join(_runs(text) for text in c) for c in row] for row in t.rows]
    yield from _grid(t.columns, plain, t.numeric)


def _grid(
    heads: tuple[str, ...], rows: list[list[str]], numeric: frozenset[int] = frozenset(), *, above: bool = False
) -> Iterator[str]:
    """Columns side by side where they fit, else row by row with the heads repeated.

    Args:
        heads: Of the columns.
        rows: Cells.
        numeric: Columns that stand to the right.
        above: Where only the cells fit side by side, the heads are listed above them, in their order.
    """
    bare = [max([1, *(columns(r[n]) for r in rows if n < len(r))]) for n in range(len(heads))]
    widths = [max(columns(h), w) for h, w in zip(heads, bare, strict=True)]
    fits = sum(widths) + 2 * len(widths) <= WIDTH
    if rows and (fits or (above and sum(bare) + 2 * len(bare) <= WIDTH)):
        if fits:
            yield "  " + "  ".join(h + " " * (w - columns(h)) for h, w in zip(heads, widths, strict=True))
        else:
            yield from wrap(f"Columns: {'; '.join(heads)}", "  ", "    ")
            widths = bare
        for row in rows:
            out = []
            for n, (value, width) in enumerate(zip(row, widths, strict=False)):
                blank = " " * (width - columns(value))
                out.append(blank + value if n in numeric else value + blank)
            yield "  " + "  ".join(out)
        yield ""
        return
    for row in rows:
        yield from wrap(row[0] if row else "", "  + ", "    ")
        for head, value in zip(heads[1:], row[1:], strict=False):
            if value not in ("", "–"):
                yield from wrap(f"{head}: {value}", "      ", "        ")
    yield ""


def _drawing(figure: Figure, left_out: int, *, numbers: bool) -> Iterator[str]:
    """Text has no pictures: a figure is named where the others draw it, and told with its numbers in the appendix."""
    if not numbers:
        why = f"nothing to draw: “{shown(figure.missing, 600)}”" if figure.missing else "drawn in the HTML report"
        yield from wrap(f"{shown(figure.title, 300)}; {why}", "  - ", "    ")
        return
    yield from wrap(f"Figure: {shown(figure.title, 300)}.")
    yield from wrap(shown(figure.about, 900), "  ", "  ")
    if figure.columns and figure.rows:
        kept = figure.rows[: len(figure.rows) - left_out]
        yield from _grid(tuple(shown(c, 40) for c in figure.columns), [[shown(v, 80) for v in row] for row in kept],
                         frozenset(range(1, len(figure.columns))), above=True)  # fmt: skip
        if left_out:
            yield f"  and {left_out:,} more rows"
    yield ""


def _runs(text: Text) -> str:
    return "".join(map(_run, text))


def _run(run: Run) -> str:
    match run.voice:
        case Voice.SAID | Voice.TOOL:
            # Quotation marks within must not look like the end of ours.
            return f"“{run.text.translate(_MARKS)}”"
        case Voice.NAME:
            return run.text if simple(run.text) else f"‘{run.text.translate(_MARKS)}’"
        case _:
            return run.text


_MARKS = str.maketrans("“”‘’", "\"\"''")
