"""A text field whose content survives kill -9 before it is entered."""

from __future__ import annotations

from textual import on
from textual.widgets import TextArea

from mpk_tui.errors import MpkError
from mpk_tui.text import clean_lines
from mpk_tui.tui.drafts import Drafts

DELAY = 0.5
"""Seconds from a keystroke to the disk, however long the typing goes on."""


class DraftArea(TextArea):
    """Several lines; `entered` is what the journal holds, the rest is a draft.

    Args:
        id: As of any widget.
    """

    def __init__(self, *, id: str) -> None:
        super().__init__("", id=id, soft_wrap=True, tab_behavior="focus", compact=True)
        self._drafts: Drafts | None = None
        self._key = ""
        self._entered = ""
        self._waiting = False

    def bind_to(self, drafts: Drafts, name: str, entered: str, *, locked: bool) -> bool:
        """Show the text of a field; whether an unfinished draft was found and put back.

        Args:
            drafts: Where drafts are kept.
            name: The field's name among them.
            entered: What the journal holds; untrusted text.
            locked: No typing (read-only case).
        """
        if (self._drafts, self._key, self._entered) == (drafts, name, entered) and self.read_only == locked:
            return False
        self.save_draft()
        self._drafts, self._key, self._entered = drafts, name, entered
        self.read_only = locked
        draft = None if locked else drafts.get(name)
        self.load_text(clean_lines(entered) if draft is None else clean_lines(draft))
        self.move_cursor(self.document.end)  # whoever comes back goes on writing
        return draft is not None and draft != entered

    @property
    def dirty(self) -> bool:
        """Whether something was typed that the journal does not hold."""
        return not self.read_only and self.text != clean_lines(self._entered)

    @property
    def value(self) -> str:
        """The text; as the journal has it, if nobody touched it."""
        return self.text if self.dirty else self._entered

    @on(TextArea.Changed)
    def _typed(self) -> None:
        if self.dirty and not self._waiting:
            self._waiting = True
            self.set_timer(DELAY, self.save_draft)

    def save_draft(self) -> None:
        """Write the unfinished text down now."""
        self._waiting = False
        if self._drafts is not None and self._key and self.dirty:
            try:
                self._drafts.keep(self._key, self.text)
            except MpkError as error:
                self.app.notify(f"! {error.diagnosis()}", severity="error", markup=False)

    def settled(self) -> None:
        """The journal holds the text now: the draft is not needed any more."""
        if self._drafts is not None:
            self._entered = self.value
            self._drafts.drop(self._key)
