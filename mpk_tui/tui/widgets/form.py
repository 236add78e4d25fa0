"""A dialog of a few fields, described as data; it stays open, with what was typed, until its values are accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static, TextArea

from mpk_tui.errors import MpkError
from mpk_tui.text import clean, clean_lines
from mpk_tui.tui.drafts import Drafts
from mpk_tui.tui.safe import plain, prose
from mpk_tui.tui.widgets.choice import Choice

LINE, LINES, SECRET, CHOICE = "line", "lines", "secret", "choice"
DELAY = 0.5
"""Seconds from a keystroke to the disk."""


@dataclass(frozen=True)
class Field:
    """One field of a form.

    Attributes:
        name: Key in the result.
        label: Our words.
        kind: ``line``, ``lines``, ``secret`` or ``choice``.
        value: To begin with; untrusted text.
        options: For a choice: value and label.
        hint: Shown in the empty field.
    """

    name: str
    label: str
    kind: str = LINE
    value: str = ""
    options: tuple[tuple[str, str], ...] = ()
    hint: str = ""


class Form(ModalScreen[dict[str, str] | None]):
    """Fields one below the other; Enter goes on, ctrl+s accepts, Esc closes.

    Args:
        title: Our words.
        fields: What to ask.
        accept: Takes the values, returns a sentence if they will not do, else None.  `MpkError` counts as a sentence.
        note: A paragraph above the fields; may hold untrusted text.
        button: Verb for the last line.
        drafts: Where unfinished text is kept until it is accepted; secrets never are.
        name: The form's name among the drafts.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", show=False, priority=True),
        Binding("ctrl+s", "accept", show=False, priority=True),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]

    def __init__(
        self,
        title: str,
        fields: Sequence[Field],
        accept: Callable[[dict[str, str]], str | None],
        *,
        note: str = "",
        button: str = "save",
        drafts: Drafts | None = None,
        name: str = "",
    ) -> None:
        super().__init__()
        self._title, self._fields, self._accept, self._note, self._button = title, tuple(fields), accept, note, button
        self._drafts, self._draft_name = drafts, name
        self._begun: dict[str, str] = {}
        self._waiting = self._warned = False

    def compose(self) -> ComposeResult:
        """Title, note, fields, fault, keys."""
        with Vertical(id="form"):
            yield Static(plain(self._title, style="bold"), id="form-title")
            with VerticalScroll(id="form-fields", can_focus=False):
                if self._note:
                    yield Static(prose(self._note), id="form-note")
                for f in self._fields:
                    yield Static(plain(f.label), classes="form-label")
                    if f.kind == CHOICE:
                        yield Choice(f.options, f.value or f.options[0][0], id=f"f-{f.name}")
                    elif f.kind == LINES:
                        yield TextArea(
                            clean_lines(f.value), id=f"f-{f.name}", soft_wrap=True, tab_behavior="focus", compact=True
                        )
                    else:
                        yield Input(
                            clean(f.value, 4000) if f.kind == LINE else "",
                            placeholder=f.hint,
                            password=f.kind == SECRET,
                            id=f"f-{f.name}",
                            compact=True,
                            select_on_focus=False,
                        )
            yield Static("", id="form-fault")
            yield Static(
                Content.assemble(
                    ("^s", "bold"), f" {self._button}   ", ("Tab", "bold"), " next field   ", ("Esc", "bold"), " close"
                ),
                id="form-keys",
            )

    def on_mount(self) -> None:
        """Put unfinished text back."""
        self._begun = self.values()
        for area in self.query(TextArea):
            if area.text:
                area.move_cursor(area.document.end)
        found = False
        for f in self._fields:
            draft = self._drafts.get(self._draft(f)) if self._drafts is not None else None
            if draft is None or f.kind == SECRET:
                continue
            widget = self.query_one(f"#f-{f.name}")
            if isinstance(widget, TextArea):
                widget.load_text(clean_lines(draft))
                widget.move_cursor(widget.document.end)
            elif isinstance(widget, Input):
                widget.value = clean(draft, 4000)
            elif isinstance(widget, Choice) and draft in dict(f.options):
                widget.value = draft
            found = True
        if found:
            self.fault("This was typed before and not entered; it was put back.")

    def _draft(self, f: Field) -> str:
        return f"{self._draft_name}/{f.name}"

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(Choice.Changed)
    def _typed(self) -> None:
        self._warned = False
        if self._drafts is not None and not self._waiting:
            self._waiting = True
            self.set_timer(DELAY, self._keep)

    def _keep(self) -> None:
        self._waiting = False
        if self._drafts is None or not self.is_mounted:
            return
        values = self.values()
        texts = {f.name: values[f.name] for f in self._fields if f.kind != SECRET}
        try:
            for name, text in texts.items():
                if text != self._begun.get(name):
                    self._drafts.keep(f"{self._draft_name}/{name}", text)
        except MpkError as error:
            self.fault(error.diagnosis())

    def _forget(self) -> None:
        drafts, self._drafts = self._drafts, None
        if drafts is not None:
            drafts.drop(*(self._draft(f) for f in self._fields))

    def values(self) -> dict[str, str]:
        """What stands in the fields now.  A line that was not touched keeps its original, unescaped text."""
        out = {}
        for f in self._fields:
            widget = self.query_one(f"#f-{f.name}")
            if isinstance(widget, Choice):
                out[f.name] = widget.value
            elif isinstance(widget, TextArea):
                out[f.name] = f.value if widget.text == clean_lines(f.value) else widget.text
            elif isinstance(widget, Input):
                out[f.name] = f.value if f.kind == LINE and widget.value == clean(f.value, 4000) else widget.value
        return out

    def fault(self, sentence: str) -> None:
        """Say why the values will not do."""
        self.query_one("#form-fault", Static).update(plain(f"! {sentence}", 600))

    @on(Input.Submitted)
    def _enter(self, event: Input.Submitted) -> None:
        last = self._fields[-1].name
        if event.input.id == f"f-{last}":
            self.action_accept()
        else:
            self.focus_next()

    def action_accept(self) -> None:
        """Hand the values over; close if they are taken."""
        values = self.values()
        try:
            sentence = self._accept(values)
        except MpkError as error:
            sentence = error.diagnosis()
        except OSError as error:
            sentence = f"{error.filename or 'this path'}: {error.strerror or error}"
        if sentence is None:
            self._forget()
            self.dismiss(values)
        else:
            self.fault(sentence)

    def action_close(self) -> None:
        """Give up; what was typed goes only on the second Esc."""
        if self.values() != self._begun and not self._warned:
            self._warned = True
            self.fault("Esc again closes without keeping what you typed.")
            return
        self._forget()
        self.dismiss(None)


class Page(ModalScreen[None]):
    """A page of text to read and close."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,f1", "dismiss", show=False, priority=True),
    ]

    def __init__(self, title: str, text: Content) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        """Title, text, keys."""
        with Vertical(id="form"):
            yield Static(plain(self._title, style="bold"), id="form-title")
            with VerticalScroll(id="page-text"):
                yield Static(self._text)
            yield Static(Content.assemble(("Esc", "bold"), " close   ", ("↑ ↓", "bold"), " scroll"), id="form-keys")
