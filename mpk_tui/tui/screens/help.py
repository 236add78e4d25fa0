"""Help, made from the key map."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from mpk_tui.tui import keys
from mpk_tui.tui.widgets.form import Page

_TITLES = {
    "everywhere": "Everywhere",
    "case": "In every step of a case",
    "case_form": "Case",
    "question": "A question",
    "conditions": "Conditions",
}
RULES = """A single key works while no field has the focus; Esc leaves a field and enters its text.
Undetermined is the default and counts as independent. Only evidence of kind (a), (b) or (c) carries a condition; \
names, architecture, tokenizer, configuration and summary statistics are context and never do.
Every change is in the journal, on disk, as soon as it is made. z takes the last one back; the journal keeps both.
Every action is also a command: mpk-tui case --help. Line by line, for a screen reader: mpk-tui case wizard CASE."""


class HelpPage(Page):
    """Keys of the screen below first, then everywhere, then the rules.

    Args:
        scopes: Scopes of the screen that asked.
    """

    def __init__(self, scopes: Sequence[str] = ()) -> None:
        parts: list[Content] = []
        for scope in (
            *[s for s in scopes if s not in ("case",)],
            *(["case"] if "case" in scopes else []),
            "everywhere",
        ):
            rows = keys.keys_for(scope)
            if rows:
                parts.append(Content.styled(_TITLES.get(scope, scope.capitalize()), "bold"))
                parts += [Content.assemble((f"  {r.name:<6}", "bold"), r.help) for r in rows]
        parts.append(Content.styled("Rules of the house", "bold"))
        parts.append(Content(RULES))
        super().__init__("Help", Content("\n").join(parts))
