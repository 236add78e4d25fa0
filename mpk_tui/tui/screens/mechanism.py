"""Step 7: which mechanism links the pair; what the conditions answered met leave no room for is not offered."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.content import Content

from mpk_tui.case.merging import MERGE
from mpk_tui.tui import keys
from mpk_tui.tui.safe import shown
from mpk_tui.tui.screens.merge import ask_merge, merge_lines
from mpk_tui.tui.screens.question import QuestionScreen
from mpk_tui.tui.screens.step import case_bindings


class Mechanism(QuestionScreen):
    """Mechanisms 3.1 to 3.9."""

    NAME = "mechanism"
    GROUP: ClassVar[str] = "mechanisms"
    SCOPES: ClassVar[tuple[str, ...]] = ("question", "merge", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("question", "merge")

    def extra(self) -> list[Content]:
        """Of 3.9: every reference of the subject."""
        return merge_lines(self.session) if self.question.id == MERGE else []

    def after(self) -> list[Content]:
        """What is not offered, with the reason."""
        closed = self.session.not_offered()
        if not closed:
            return []
        if len(closed) == len(self.questions):
            way = keys.way_to("conditions")
            return [Content.styled(f"No mechanism is offered while no condition is answered met ({way}).", "bold")]
        lines = [Content.styled("Not offered (n/o above):", "bold")]
        return [*lines, *(Content(shown(f"  {why}", 300)) for why in closed.values())]

    def action_merge(self) -> None:
        """Answer 3.9 for several references at once."""
        self.flush()
        ask_merge(self)
