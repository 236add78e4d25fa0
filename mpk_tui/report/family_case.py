"""The family of a case in its report: every model of the bundle and what was found between them, as one graph.

The bundle format has no field that says which of two models came first, so this graph has no arrow; where a verdict
says that documents establish the direction, the evidence that it stands in is named beside the graph.
"""

from __future__ import annotations

from mpk_tui.bundle.left_open import WHICH, direction
from mpk_tui.bundle.outcome import PairReport
from mpk_tui.family.building import family
from mpk_tui.family.graph import NOTHING, PART, QUERY, REFERENCE, SAYS, Family, Found, Model
from mpk_tui.report.content.view import View, cut
from mpk_tui.report.document import Block, Graph, Items, Para, Run, Section, Standing, Text
from mpk_tui.report.untrusted import Loose, joined, say

FROM_PAIRS, FROM_MODELS = 2, 3
"""A case of so many pairs, or of so many models, has a graph; a single line between two models says nothing new."""
MOST_MODELS = 200
_INTRO = (
    "All models of the case and what was found between them. The lines of findings have no arrow: weights do not show "
    "which model came first, and the format of the bundle has no field that says so. Where a model stands in the "
    "picture says nothing."
)


def family_section(view: View) -> tuple[Section, ...]:
    """The section; none for a case of one pair."""
    artifacts, more = cut(list(view.contents.artifacts), MOST_MODELS)
    pairs = [p.pair for p in view.outcome.pairs]
    if len(pairs) < FROM_PAIRS and len(artifacts) < FROM_MODELS:
        return ()
    blocks: list[Block] = [Para(say(_INTRO)), Graph(case_family(view))]
    if more:
        blocks.append(Para(say(f"{more:,} further models are not drawn.")))
    blocks += _listed("No line is drawn between:", [_without(view, p) for p in pairs if _finding(view, p) not in SAYS])
    blocks += _listed(
        f"A direction is documented. {WHICH}:", [t for p in view.outcome.pairs for t in _documents(view, p)]
    )
    return (Section("family", "The models and what lies between them", tuple(blocks), standing=Standing.MEASURED),)


def case_family(view: View) -> Family:
    """The graph of a bundle's models and findings; its texts are clean, none of its edges is directed."""
    models = [
        Model(
            a["id"], " ".join(t for t in (view.purse.take(a["id"], 64), view.purse.take(a["label"], 120)) if t),
            QUERY if a["role"] == "subject" else REFERENCE,
            (a["role"], *filter(None, (view.purse.take(a["family"], 60), f"{a['parameters']:,} parameters"))),
        )
        for a in view.contents.artifacts[:MOST_MODELS]
    ]  # fmt: skip
    found = []
    for report in view.outcome.pairs:
        a, _, b = report.pair.partition(":")
        r = _record(view, report.pair)
        if r is None:
            continue
        parts = [c.text("name") for c in r.items("components") if c.text("finding") in SAYS] * (_named(r) == PART)
        tests = [(t.chance("p"), t.number("rho")) for t in r.items("tests")]
        ran = [(p, -rho) for p, rho in tests if p is not None and rho is not None]
        rho = -min(ran)[1] if ran else None
        found.append(
            Found(
                a,
                b,
                _named(r),
                r.chance("p"),
                rho,
                r.flag("p_is_bound"),
                tuple(view.purse.take(x, 60) for x in parts[:4] if x),
            )
        )
    return family(models, found)


def _record(view: View, pair: str) -> Loose | None:
    if view.section("findings") is None:
        return None
    rows = view.contents.rows("findings", pair)
    return Loose(rows[0]["record"]) if rows else None


def _named(r: Loose) -> str:
    return r.text("finding")


def _finding(view: View, pair: str) -> str:
    r = _record(view, pair)
    return "" if r is None else _named(r)


def _without(view: View, pair: str) -> Text:
    """Why a pair has no line."""
    finding = _finding(view, pair)
    if finding in NOTHING:
        why = {"no-correspondence": "no correspondence was found", "not-comparable": "no test applies"}[finding]
    elif _record(view, pair) is None:
        why = "the bundle shows no comparison"
    else:
        why = "a finding that this version does not know"
    return (*view.pair(pair), Run(f": {why}"))


def _documents(view: View, report: PairReport) -> list[Text]:
    """The evidence that a documented direction stands in."""
    items = direction(view.contents, report)
    if items is None:
        return []
    cited = joined([view.purse.name(e["id"], 64) for e in items], empty="withheld")
    return [(*view.pair(report.pair), Run(": "), *cited)]


def _listed(title: str, items: list[Text]) -> list[Block]:
    listed, more = cut(items, 40)
    if more:
        listed.append(say(f"and {more:,} more"))
    return [Para(say(title)), Items(tuple(listed))] if listed else []
