"""Keys of a screen that shows a comparison, for the palette: it asks the screen, and the widget does the work."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen

from mpk_tui.tui.widgets.comparison import ComparisonView


class ShowsComparison(Screen[Any]):
    """A screen that mounts one `ComparisonView`: what the palette needs, which asks the screen and not a widget."""

    @property
    def comparison(self) -> ComparisonView:
        """The comparison that this screen shows."""
        return self.query_one(ComparisonView)

    def action_view(self, by: int) -> None:
        """The next view or the one before."""
        self.comparison.action_view(by)

    def action_overview(self) -> None:
        """What there is to look at."""
        self.comparison.action_overview()

    def action_tensors(self) -> None:
        """All tensors."""
        self.comparison.action_tensors()

    def action_numbers(self) -> None:
        """A figure's numbers as a table, and back."""
        self.comparison.action_numbers()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self.comparison.action_sort()

    def action_flip(self) -> None:
        """Turn the order round."""
        self.comparison.action_flip()

    def action_filter(self) -> None:
        """Type a filter."""
        self.comparison.action_filter()
