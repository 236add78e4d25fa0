"""Step 7: which mechanism links the pair, one of the constitution's nine a screen."""

from __future__ import annotations

from typing import ClassVar

from mpk_tui.tui.screens.question import QuestionScreen


class Mechanism(QuestionScreen):
    """Mechanisms 3.1 to 3.9."""

    NAME = "mechanism"
    GROUP: ClassVar[str] = "mechanisms"
