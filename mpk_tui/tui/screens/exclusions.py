"""Step 8: what would keep the pair apart, one exclusion a screen."""

from __future__ import annotations

from typing import ClassVar

from mpk_tui.tui.screens.question import QuestionScreen


class Exclusions(QuestionScreen):
    """Exclusions 4.1 to 4.8."""

    NAME = "exclusions"
    GROUP: ClassVar[str] = "exclusions"
