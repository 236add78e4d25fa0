"""Help of the screen below, made from the key map, the screen's own sentences and the constitution's data."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from mpk_tui.constitution import norm
from mpk_tui.tui import keys
from mpk_tui.tui.about import ABOUT
from mpk_tui.tui.glyphs import spelled
from mpk_tui.tui.keymap import TITLES
from mpk_tui.tui.widgets.form import Page

RULES = """A key of one character works while no field has the focus; {leave} leaves a field and enters its text.
Every change is in the journal, on disk, as soon as it is made. {undo} takes the last one back; the journal keeps both.
A line that begins with ! is a fault or a refusal; it says what to do.
Every action is also a command: mpk-tui case --help. Line by line, for a screen reader: mpk-tui --plain CASE.
Keys can be changed: mpk-tui keymap prints the file to edit. Themes and ASCII are in the palette ({palette})."""


class HelpPage(Page):
    """What one does on the screen below, its keys first, then those everywhere, then the rules.

    Args:
        scopes: Scopes of the screen that asked.
        screen: Its name.
    """

    def __init__(self, scopes: Sequence[str] = (), screen: str = "") -> None:
        parts: list[Content] = []
        if screen in ABOUT:
            parts += [Content(" ".join(ABOUT[screen])), Content("")]
        own = [s for s in scopes if s != "case"]
        for scope in (*own, *(["case"] if "case" in scopes else []), "everywhere", "table", "form"):
            parts += _section(TITLES.get(scope, scope.capitalize()), keys.keys_for(scope))
        named = {"leave": "leave", "palette": "palette"}
        said = {word: keys.name_of("everywhere", id) for word, id in named.items()}
        parts += [
            _head("Rules of the house"),
            Content(spelled(RULES.format(undo=keys.name_of("case", "undo"), **said))),
        ]
        parts += [_head("Rules of the constitution"), *constitution()]
        title = next((p.title for p in keys.PLACES if p.name == screen), TITLES.get(screen, ""))
        super().__init__(f"Help: {title}" if title else "Help", Content("\n").join(parts))


def _head(title: str) -> Content:
    return Content.styled(title, "bold")


def _section(title: str, rows: Sequence[keys.Key]) -> list[Content]:
    if not rows:
        return []
    width = max(10, *(len(r.names) for r in rows)) + 2
    out = [_head(title)]
    for r in rows:
        out.append(Content.assemble((f"  {r.names:<{width}}", "bold"), r.help))
    return out


def constitution() -> list[Content]:
    """The rules at hand while answering, from the norm's own data."""
    n = norm.load()
    lines = [
        f"Version {n.version}, for {n.data['scope']['models']}. {n.data['stance']}",
        "A pair is linked if at least one condition is met:",
        *(f"  {n.conditions[c].id.upper()}  {n.conditions[c].title}: {n.conditions[c].question}" for c in n.order),
        "Mechanisms, and the conditions that each may serve:",
        *(f"  {m.id}  {m.title} ({', '.join(c.upper() for c in m.conditions)})" for m in n.mechanisms.values()),
        "Exclusions, each of which needs evidence of its own:",
        *(f"  {e.id}  {e.title}" for e in n.exclusions.values()),
        "Evidence that counts is of kind (a), (b) or (c):",
        *(f"  ({e['kind']})  {e['title']}. {e['what']}" for e in n.data["evidence"] if e["admissible"]),
        *(f"  {e['title']}: {e['what']}" for e in n.data["evidence"] if not e["admissible"]),
        f"What never counts, alone or together: {', '.join(n.data['never_counts'])}.",
        "Undetermined is the default and counts as independent.",
    ]
    return [Content(spelled(line)) for line in lines]
