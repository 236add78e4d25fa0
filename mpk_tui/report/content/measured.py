"""What was measured of one pair: the finding, its tests with all numbers, tensors, figures and limits.

A comparison record in a bundle is signed, and its shape is not checked: it is read with `Loose`, so that whatever a
stranger put there ends in an empty cell and not in a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mpk_tui.errors import MpkError
from mpk_tui.report.content.view import View, cut
from mpk_tui.report.document import Block, Cell, Drawing, Facts, Items, Para, Run, Section, Standing, Table
from mpk_tui.report.explain import error_rate
from mpk_tui.report.figures import figures
from mpk_tui.report.untrusted import Loose, cell, chance, code, joined, number, say, shown
from mpk_tui.report.wording import PARTS, READINGS, TESTS, WORDS

NAMED = 40
"""Tensors that are named one by one."""
_DIRECTIONS = {"A": "A in B", "B": "B in A"}
NUMBERS = "numbers of the figures"
"""Title of the appendix."""
FIGURE_ROWS = 40
"""Rows of a figure's table."""


def sections(view: View, pair: str, prefix: str) -> tuple[Section, ...]:
    """The sections about the comparison of a pair; ids start with ``prefix``: finding, tests and their limits first,
    then tensors and pictures; the pictures' numbers stand in an appendix (`numbers`).
    """
    if view.section("findings") is None:
        return (_nothing(prefix, view.absent("findings")),)
    rows = view.contents.rows("findings", pair)
    if not rows:
        return (_nothing(prefix, "The bundle holds no comparison of this pair."),)
    record = rows[0]["record"]
    r = Loose(record)
    parts = [_finding(view, r, rows[0]["digest"], prefix), _tests(view, r, prefix), *_others(view, r, prefix)]
    return (*parts, _limits(view, r, prefix), _tensors(view, r, prefix), *_figures(view, record, prefix))


def numbers(view: View, pairs: Sequence[tuple[str, str]]) -> tuple[Section, ...]:
    """The appendix with the numbers of all figures, a part for each pair; empty if no pair has any.

    Args:
        view: Of the bundle.
        pairs: Pairs that have a chapter, with the prefix of its ids.
    """
    parts = tuple(part for pair, prefix in pairs for part in _numbers(view, pair, prefix))
    title = f"{NUMBERS[:1].upper()}{NUMBERS[1:]}"
    return (Section("numbers", title, parts=parts, standing=Standing.MEASURED, new_page=True, appendix=True),) * bool(
        parts
    )


def _numbers(view: View, pair: str, prefix: str) -> tuple[Section, ...]:
    rows = view.contents.rows("findings", pair)
    try:
        drawn = figures(rows[0]["record"]) if rows else ()
    except MpkError:  # the chapter says so
        return ()
    blocks: list[Block] = []
    tables: dict[tuple[tuple[str, ...], ...], str] = {}
    for f in drawn:
        same = tables.get(f.rows)
        if same:
            blocks.append(
                Para(say(f"The numbers of “{shown(f.title, 200)}” are those of the figure “{shown(same, 200)}”."))
            )
        elif f.columns and f.rows:
            tables[f.rows] = f.title
            table = replace(f, series=(), grid=None, bands=(), edges=())
            blocks.append(Drawing(table, max(0, len(f.rows) - FIGURE_ROWS), numbers=True))
    if not blocks:
        return ()
    about = view.pair(pair)
    return (Section(f"{prefix}-numbers", "Pair", tuple(blocks), standing=Standing.MEASURED, about=about),)


def _nothing(prefix: str, text: str) -> Section:
    return Section(f"{prefix}-measured", "What was measured", (Para(say(text)),), standing=Standing.MEASURED)


def _finding(view: View, r: Loose, digest: bytes, prefix: str) -> Section:
    finding = r.text("finding")
    words = WORDS.get(finding)
    blocks: list[Block] = [
        Para(
            say(
                "Finding: ", Run(words.title) if words else view.purse.name(finding, 64), ". The tool recorded: ",
                view.purse.tool(r.text("sentence") or "no sentence", 2000),
            ),
            strong=True,
        )
    ]  # fmt: skip
    if words is not None:
        blocks += [Para(say(words.meaning)), Para(say("It does not mean:")), Items(tuple(map(say, words.not_meant)))]
    families = r.count("families")
    p = r.chance("p")
    if p is not None and families:
        blocks.append(
            Para(
                say(
                    f"Combined over {families} forms of test, p {_equals(p)}{_bound(r)}; it was multiplied by "
                    f"{families}, the number of comparisons that use the same weights. It bounds how often two models "
                    "from independent random initialisations would look this much alike; it is not the probability "
                    "that they are independent."
                )
            )
        )
    blocks += _second_step(finding)
    tool = r.inner("tool")
    made = view.purse.tool(f"{tool.text('name')} {tool.text('version')}".strip() or "not recorded", 80)
    library = tool.text("numpy")
    blocks.append(
        Facts(
            (
                ("Compared by", cell(made, *((", NumPy ", view.purse.name(library, 40)) if library else ()))),
                ("SHA-256 of the record", cell(code(digest.hex()))),
            )
        )
    )  # fmt: skip
    sides = tuple(_side(view, name.upper(), r.inner(name)) for name in ("a", "b"))
    columns = ("", "Label", "Read from", "Family", "Parameters", "Tensors", "Root of the tensors' digests")
    blocks.append(Table("The two sides of the comparison", columns, sides, numeric=frozenset({4, 5})))
    return Section(f"{prefix}-finding", "Finding", tuple(blocks), standing=Standing.MEASURED)


def _equals(p: float) -> str:
    text = chance(p)
    return text if text.startswith("<") else f"= {text}"


def _bound(r: Loose) -> str:
    return " (an upper bound)" if r.flag("p_is_bound") else ""


def _second_step(finding: str) -> list[Block]:
    """The error rate of the step that has no p-value, wherever a finding rests on it or stops before it."""
    if finding not in ("shared-trained-ancestor", "component-shared", "shared-initialisation",
                       "common-origin-unresolved"):  # fmt: skip
        return []
    rate = error_rate()
    return [
        Para(
            say(
                "The step from a shared origin to a trained ancestor has no p-value. It is a rule with an "
                "error rate that "
                f"was counted: of {rate.pairs:,} pairs that share only a starting point it called {rate.wrong:,} a "
                f"trained ancestor, which is at most {100 * rate.upper:.1f} % at the 95 % level. Scale: {rate.models}. "
                "For larger or other models the rate may differ."
            )
        )
    ]


def _side(view: View, name: str, side: Loose) -> tuple[Cell, ...]:
    return (
        cell(name), cell(view.purse.name(side.text("label"), 120)),
        cell(view.purse.name(" ".join(t for t in (side.text("kind"), side.text("format")) if t), 80)),
        cell(view.purse.name(side.text("family"), 64)), cell(f"{side.count('parameters'):,}"),
        cell(f"{side.count('tensors'):,}"), cell(view.purse.name(side.text("root"), 80)),
    )  # fmt: skip


def _tests(view: View, r: Loose, prefix: str) -> Section:
    tests, more = cut(r.items("tests"), 40)
    if not tests:
        text = "No test is recorded: where all tensors are equal nothing was left to test."
        return Section(f"{prefix}-tests", "Tests", (Para(say(text)),), standing=Standing.MEASURED)
    rows = [_test(view, t) for t in tests]
    columns = ("Test", "Compared", "p", "z", "ρ̂", "Outcome")
    blocks: list[Block] = [
        Table("Tests, run or not", columns, tuple(rows), more, frozenset({2, 3, 4})),
        Para(
            say(
                "p: the share of random relabellings that look at least as much alike, or a bound on it; never printed "
                "below < 1e-12. z: distance from what relabelling gives, in its standard deviations; an effect "
                "size that is never turned into a chance. ρ̂: correlation of units that stand beside each other."
            )
        ),
    ]
    stated = list(dict.fromkeys(s for t in tests if (s := t.text("statement"))))
    if stated:
        blocks += [
            Para(say("What the tests assume, as recorded:")),
            Items(tuple(say(view.purse.tool(s, 600)) for s in stated[:12])),
        ]
    retention = next((t for t in tests if t.text("name") == "retention" and t.flag("ran")), None)
    if retention is not None:
        blocks += _retention(retention)
    return Section(f"{prefix}-tests", "Tests", tuple(blocks), standing=Standing.MEASURED)


def _test(view: View, t: Loose) -> tuple[Cell, ...]:
    name, title = t.text("name"), TESTS.get(t.text("name"), "")
    head: Cell = (
        (Run(title), Run(" ("), view.purse.name(name, 40), Run(")")) if title else (view.purse.name(name, 60),),
    )
    if not t.flag("ran"):
        reason = t.text("reason")
        text = say("not run: ", view.purse.tool(reason, 400)) if reason else say("not run")
        return (*(head, cell("–"), cell("–"), cell("–"), cell("–")), (text,))
    threshold = t.inner("parameters").number("layer_p") or 1e-3
    layers = [x for x in t.items("layers") if (x.number("a") or 0) >= 0 and x.chance("p") is not None]
    matched = sum((x.chance("p") or 0) <= threshold for x in layers)
    units = [x.count("units") for x in t.items("layers") if x.count("units")]
    compared = f"{len(t.items('layers')):,} × {max(units):,} units" if units else f"{len(t.items('layers')):,} pairs"
    reading = t.text("reading")
    told: list[Run | str] = []
    if reading:
        told.append(READINGS.get(reading, "") or view.purse.name(reading, 40))
        if t.text("reason"):
            told += [": ", view.purse.tool(t.text("reason"), 400)]
    elif layers:
        told.append(f"{matched} of {len(layers)} match (p ≤ {threshold:g})")
    return (
        head, cell(compared), cell(chance(t.chance("p"), bound=t.flag("p_is_bound"))), cell(number(t.number("z"), 1)),
        cell(number(t.number("rho"))), cell(*told) if told else cell("–"),
    )  # fmt: skip


def _retention(t: Loose) -> list[Block]:
    """What one model has kept of the other's learned structure, in both directions."""
    rows = []
    for d in t.items("directions")[:2]:
        of = d.text("of").upper()
        rows.append(
            (
                cell(_DIRECTIONS.get(of, "–")), cell(number(d.number("top"))),
                cell(number(d.number("rest"))), cell(number(d.number("ratio"))),
                cell(f"{number(d.number('lower_quartile'))} to {number(d.number('upper_quartile'))}"),
                cell(f"{d.count('matrices'):,}"), cell("yes" if d.flag("counts") else "no"),
            )
        )  # fmt: skip
    if not rows:
        return []
    columns = ("Direction", "Learned (top)", "Bulk", "Ratio", "Quartiles", "Matrices", "Counts")
    shared = t.number("shared")
    text = "" if shared is None else f" Learned structure that both share: {shared:.3f}."
    return [
        Table("Retention of learned structure", columns, tuple(rows), numeric=frozenset({1, 2, 3, 5})),
        Para(say("Share of one model's top singular directions that the other has kept, against the rest." + text)),
    ]


def _tensors(view: View, r: Loose, prefix: str) -> Section:
    i = r.inner("identity")
    counts = [
        (title, cell(f"{i.count(key):,}"))
        for title, key in (
            ("Pairs of tensors", "pairs"), ("Equal, byte for byte", "equal"), ("Equal after a conversion", "converted"),
            ("Under another name", "renamed"), ("Not read", "unread"),
        )
    ]  # fmt: skip
    differing = i.items("differing")
    counts.append(("Different", cell(f"{len(differing):,}")))
    for title, key in (
        ("In A only", "only_a"),
        ("In B only", "only_b"),
        ("Left out (code makes them anew, or tied copies)", "ignored"),
    ):
        names = i.texts(key)
        first, more = cut(names, 12)
        named = joined([view.purse.name(n, 160) for n in first])
        tail = (Run(f" and {more:,} more"),) if more else ()
        counts.append((title, ((Run(f"{len(names):,}"), *((Run(": "), *named, *tail) if names else ())),)))
    conversions = i.texts("conversions")
    if conversions:
        lossless = "no digit is lost" if i.flag("lossless") else "digits are lost"
        listed = joined([view.purse.tool(c, 200) for c in conversions[:12]])
        counts.append(("Conversions", ((*listed, Run(f"; {lossless}")),)))
    blocks: list[Block] = [Facts(tuple(counts))]
    if differing:
        first, more = cut(differing, NAMED)
        columns = ("Tensor", "Layer", "Changed elements", "Relative change", "Cosine")
        rows = tuple(_row(view, d) for d in first)
        blocks.append(Table("Tensors that differ", columns, rows, more, frozenset({1, 2, 3, 4})))
    return Section(f"{prefix}-tensors", "Every tensor accounted for", tuple(blocks), standing=Standing.MEASURED)


def _row(view: View, d: Loose) -> tuple[Cell, ...]:
    a, b = d.text("a"), d.text("b")
    layer = d.number("layer")
    elements, changed = d.count("elements"), d.number("changed")
    return (
        (say(view.purse.name(a, 200)), *((say("in B: ", view.purse.name(b, 200)),) if b != a else ())),
        cell("–" if layer is None or layer < 0 else f"{layer:.0f}"),
        cell(view.purse.name(d.text("state"), 20) if changed is None else f"{changed:,.0f} of {elements:,}"),
        cell(number(d.number("relative"))), cell(number(d.number("cosine"))),
    )  # fmt: skip


def _others(view: View, r: Loose, prefix: str) -> tuple[Section, ...]:
    """Parts, mechanisms, the training's trajectory, what was left untouched, context: where the record has them."""
    blocks: list[Block] = []
    rows: tuple[tuple[Cell, ...], ...]
    columns: tuple[str, ...]
    parts, more = cut(r.items("components"), 40)
    if parts:
        rows = tuple(
            (cell(view.purse.name(c.text("name"), 160)),
             cell(PARTS.get(c.text("finding"), "") or view.purse.name(c.text("finding"), 64)),
             cell(chance(c.chance("p"), bound=c.flag("p_is_bound"))), cell(number(c.number("rho"))),
             cell(f"{len(c.texts('equal')):,}"), cell(view.purse.tool(c.text("sentence"), 400)))
            for c in parts
        )  # fmt: skip
        columns = ("Part", "Finding", "p", "ρ̂", "Equal tensors", "As recorded")
        blocks.append(Table("Parts with findings of their own", columns, rows, more, frozenset({2, 3, 4})))
    mechanisms, more = cut(r.items("mechanisms"), 20)
    if mechanisms:
        rows = tuple(
            (cell(view.question(m.text("number"))), _lines(view, m.texts("for")), _lines(view, m.texts("against")))
            for m in mechanisms
        )
        blocks.append(
            Table("Mechanisms that the pattern fits, a proposal", ("Mechanism", "For", "Against"), rows, more)
        )
    sentences = [
        say(title, view.purse.tool(text, 600))
        for title, text in (
            (
                "Along the training of A: ",
                r.inner("trajectory").text("reason") or r.inner("trajectory").text("reading"),
            ),
            ("Left untouched: ", r.inner("untouched").text("sentence")),
            ("As a merge: ", r.inner("merge").text("sentence")),
            ("What the tool proposed: ", r.inner("proposal").text("sentence")),
        )
        if text
    ]
    if sentences:
        blocks.append(Items(tuple(sentences)))
    scores, more = cut(r.items("context"), 20)
    if scores:
        rows = tuple(
            (cell(view.purse.name(s.text("name"), 64)), cell(number(s.number("value"))),
             cell(f"{number(s.number('independent_low'))} to {number(s.number('independent_high'))}"),
             cell(f"{s.count('independent_pairs'):,}"),
             cell(f"{number(s.number('same_seed_low'))} to {number(s.number('same_seed_high'))}"))
            for s in scores
        )  # fmt: skip
        columns = ("Score", "This pair", "Independent models", "of pairs", "One initialisation, trained apart")
        blocks.append(Table("Similarity scores: context that decided nothing", columns, rows, more, frozenset({1, 3})))
    return (
        Section(f"{prefix}-more", "Parts, mechanisms and context", tuple(blocks), standing=Standing.MEASURED),
    ) * bool(blocks)


def _lines(view: View, texts: list[str]) -> Cell:
    first, more = cut(texts, 8)
    return tuple(say(view.purse.tool(t, 300)) for t in first) + ((say(f"and {more} more"),) if more else ()) or cell(
        "–"
    )


def _figures(view: View, record: Mapping[str, Any], prefix: str) -> tuple[Section, ...]:
    try:
        drawn = figures(record)
    except MpkError as error:
        # A record that a stranger made up: the numbers above are all that there is.
        view.notes.append("a comparison has no figures: its record is not of a known shape")
        blocks: list[Block] = [Para(say("No figures: ", view.purse.tool(error.diagnosis(), 300)))]
    else:
        blocks = [Para(say(f"The {NUMBERS} stand in the appendix."))] if any(f.rows for f in drawn) else []
        blocks += [Drawing(replace(f, rows=())) for f in drawn]
    return (Section(f"{prefix}-figures", "Figures", tuple(blocks), standing=Standing.MEASURED),) if blocks else ()


def _limits(view: View, r: Loose, prefix: str) -> Section:
    blocks: list[Block] = []
    for title, key in (("Limits that the record states:", "limits"), ("Notices of the comparison:", "notices")):
        listed, more = cut(r.texts(key), 30)
        if listed:
            items = [say(view.purse.tool(t, 600)) for t in listed] + ([say(f"and {more} more")] if more else [])
            blocks += [Para(say(title)), Items(tuple(items))]
    said = tuple(blocks) or (Para(say("The record states none.")),)
    return Section(f"{prefix}-limits", "What the tests could not have seen", said, standing=Standing.MEASURED)
