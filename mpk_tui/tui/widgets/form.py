"""A dialog of a few fields, described as data; it stays open, with what was typed, until its values are accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events, on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from mpk_tui.errors import CancelledError, MpkError
from mpk_tui.progress import CancelToken
from mpk_tui.text import clean, clean_lines
from mpk_tui.tui import glyphs, keys
from mpk_tui.tui.drafts import Drafts
from mpk_tui.tui.safe import plain, prose
from mpk_tui.tui.widgets.at_once import Line, Lines
from mpk_tui.tui.widgets.choice import Choice
from mpk_tui.tui.widgets.marks import Marks

LINE, LINES, SECRET, CHOICE, MARKS = "line", "lines", "secret", "choice", "marks"
DELAY = 0.5
"""Seconds from a keystroke to the disk."""


@dataclass(frozen=True)
class Field:
    """One field of a form.

    Attributes:
        name: Key in the result.
        label: Our words.
        kind: ``line``, ``lines``, ``secret``, ``choice`` or ``marks``.
        value: To begin with; untrusted text.
        options: For a choice: value and label.  For marks: what can be marked (`Marks`).  For a line: texts that
            ^n puts into the field, one after the other, the text itself being the value.
        hint: Shown in the empty field.
        states: For marks: words of the marks, the first of them for none.
    """

    name: str
    label: str
    kind: str = LINE
    value: str = ""
    options: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    states: tuple[str, ...] = ("", "x")


@dataclass(frozen=True)
class Later:
    """An answer that takes more than a moment: the form stays, says what goes on, and a thread finds out.

    Attributes:
        saying: What goes on, e.g. ``reading headers…``.
        work: Runs in a thread; touches no widget and no journal.
        then: Takes its result on the interface's thread; returns as `Form`'s ``accept`` does.
    """

    saying: str
    work: Callable[[CancelToken], Any]
    then: Callable[[Any], str | Later | None]


Answered = str | Later | None


class Form(ModalScreen[dict[str, str] | None]):
    """Fields one below the other; Enter goes on, ctrl+s accepts, Esc closes.

    Args:
        title: Our words.
        fields: What to ask.
        accept: Takes the values, returns a sentence if they will not do, `Later` if that takes a thread to find out,
            else None.  `MpkError` counts as a sentence.
        note: A paragraph above the fields; may hold untrusted text.
        button: Verb for the last line.
        drafts: Where unfinished text is kept until it is accepted; secrets never are.
        name: The form's name among the drafts.
        keeps: Closing it keeps what was typed as a draft, instead of asking.
    """

    AUTO_FOCUS: ClassVar[str | None] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.bindings("form"),
        Binding("tab", "app.focus_next", show=False, priority=True),  # for the same reason as `action_go_on`
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
    ]

    def __init__(
        self,
        title: str,
        fields: Sequence[Field],
        accept: Callable[[dict[str, str]], Answered],
        *,
        note: str = "",
        button: str = "save",
        drafts: Drafts | None = None,
        name: str = "",
        keeps: bool = False,
    ) -> None:
        super().__init__()
        self._title, self._fields, self._accept, self._note, self._button = title, tuple(fields), accept, note, button
        self._drafts, self._draft_name, self._keeps = drafts, name, keeps and drafts is not None
        self._begun: dict[str, str] = {}
        self._waiting = self._warned = False
        self._under_way: CancelToken | None = None

    def compose(self) -> ComposeResult:
        """Title, note, fields, fault, keys."""
        with Vertical(id="form"):
            yield Static(plain(self._title, style="bold"), id="form-title")
            with VerticalScroll(id="form-fields", can_focus=False):
                if self._note:
                    yield Static(prose(self._note), id="form-note")
                for f in self._fields:
                    yield Static(self._label(f), classes="form-label", id=f"l-{f.name}")
                    if f.kind == CHOICE:
                        yield Choice(f.options, f.value or f.options[0][0], id=f"f-{f.name}")
                    elif f.kind == MARKS:
                        yield Marks(f.options, f.states, f.value, id=f"f-{f.name}")
                    elif f.kind == LINES:
                        yield Lines(
                            clean_lines(f.value), id=f"f-{f.name}", soft_wrap=True, tab_behavior="focus", compact=True
                        )
                    else:
                        yield Line(
                            clean(f.value, 4000) if f.kind == LINE else "",
                            placeholder=f.hint,
                            password=f.kind == SECRET,
                            id=f"f-{f.name}",
                            compact=True,
                            select_on_focus=False,
                        )
            yield Static("", id="form-fault")
            yield Static(self._keys(), id="form-keys")

    def _label(self, f: Field, here: bool = False) -> Content:
        """A label; the one of the field that has the focus carries a mark, which needs no colour to be seen."""
        return plain(f"{glyphs.glyph('cursor') if here else ' '}{f.label}", style="bold" if here else "")

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _mark_focus(self) -> None:
        here = self.focused.id if self.focused is not None else ""
        for f in self._fields:
            self.query_one(f"#l-{f.name}", Static).update(self._label(f, here == f"f-{f.name}"), layout=False)

    def _keys(self, *more: str) -> Content:
        """The keys, as they are in force, and some more of them."""
        name = keys.name_of
        parts: list[Any] = [(name("form", "accept"), "bold"), f" {self._button}   ", ("Tab", "bold"), " next field   "]
        parts += [(name("form", "close"), "bold"), " close, kept as a draft" if self._keeps else " close"]
        for key in more:
            parts += ["   ", (name("form", key), "bold"), " reads what is above"]
        return Content.assemble(*parts)

    def on_mount(self) -> None:
        """Put unfinished text back."""
        self._begun = self.values()
        first = self.query_one(f"#f-{self._fields[0].name}")
        first.focus(scroll_visible=False)  # or it would be centred before anything is laid out, and the note lost
        self.call_after_refresh(self._into_view, first)
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
            elif isinstance(widget, Marks) or (isinstance(widget, Choice) and draft in dict(f.options)):
                widget.value = draft
            found = True
        if found:
            self.fault("This was typed before and not entered; it was put back.")

    def _into_view(self, first: Widget) -> None:
        """A note that is longer than the window is turned to its end, where the first field is."""
        if not self.can_view_entire(first):
            first.scroll_visible(animate=False, immediate=True)
            self.query_one("#form-keys", Static).update(self._keys("page_up"))

    def action_turn_page(self, by: int) -> None:
        """Turn a long form by a window, to read what stands above its fields."""
        fields = self.query_one("#form-fields", VerticalScroll)
        fields.scroll_relative(y=by * max(1, fields.size.height - 1), animate=False)

    def _draft(self, f: Field) -> str:
        return f"{self._draft_name}/{f.name}"

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(Choice.Changed)
    @on(Marks.Changed)
    def _typed(self) -> None:
        self._warned = False
        if self._drafts is not None and not self._waiting:
            self._waiting = True
            self.set_timer(DELAY, self._keep)

    def _keep(self) -> bool:
        """Write down what was typed so far; whether it is safe."""
        self._waiting = False
        if self._drafts is None or not self.is_mounted:
            return False
        values = self.values()
        texts = {f.name: values[f.name] for f in self._fields if f.kind != SECRET}
        try:
            for name, text in texts.items():
                if text != self._begun.get(name):
                    self._drafts.keep(f"{self._draft_name}/{name}", text)
        except MpkError as error:
            self.fault(error.diagnosis())
            return False
        return True

    def _forget(self) -> None:
        drafts, self._drafts = self._drafts, None
        if drafts is not None:
            drafts.drop(*(self._draft(f) for f in self._fields))

    def values(self) -> dict[str, str]:
        """What stands in the fields now.  A line that was not touched keeps its original, unescaped text."""
        out = {}
        for f in self._fields:
            widget = self.query_one(f"#f-{f.name}")
            if isinstance(widget, (Choice, Marks)):
                out[f.name] = widget.value
            elif isinstance(widget, TextArea):
                out[f.name] = f.value if widget.text == clean_lines(f.value) else widget.text
            elif isinstance(widget, Input):
                begun = (f.value, *(text for text, _ in f.options)) if f.kind == LINE else ()
                known = {clean(v, 4000): v for v in begun}
                out[f.name] = known.get(widget.value, widget.value)
        return out

    def fault(self, sentence: str) -> None:
        """Say why the values will not do."""
        self.query_one("#form-fault", Static).update(plain(f"! {sentence}", 600))

    def action_go_on(self) -> None:
        """To the next field, or accept; in a text of several lines Enter is a character.

        The form hears this key before its fields do, and moves the focus at once: keys arrive in bursts over a slow
        line, and what follows belongs to the next field.
        """
        if isinstance(self.focused, TextArea):
            raise SkipAction
        if self.focused is not None and self.focused.id == f"f-{self._fields[-1].name}":
            self.action_accept()
        else:
            self.focus_next()

    def action_offer(self) -> None:
        """Put the next offered text into the field that has the focus."""
        field = next((f for f in self._fields if self.focused is not None and self.focused.id == f"f-{f.name}"), None)
        if field is None or field.kind != LINE or not field.options or not isinstance(self.focused, Input):
            return
        texts = [clean(text, 4000) for text, _ in field.options]
        at = texts.index(self.focused.value) if self.focused.value in texts else -1
        self.focused.value = texts[(at + 1) % len(texts)]
        self.focused.cursor_position = len(self.focused.value)

    def action_accept(self) -> None:
        """Hand the values over; close if they are taken.

        This key is heard before what was typed just ahead of it (keys arrive in bursts over a slow line), so that each
        field is let come to its end first.
        """
        self._behind([self.query_one(f"#f-{f.name}") for f in self._fields])

    def _behind(self, fields: Sequence[Widget]) -> None:
        """Accept once everything that waits for these fields was handled."""
        if fields:
            fields[0].call_later(self._behind, fields[1:])
        else:
            self._accept_now()

    def _accept_now(self) -> None:
        if self._under_way is not None or not self.is_current:
            return
        values = self.values()
        nul = next((f.label for f in self._fields if "\0" in values[f.name]), "")
        if nul:
            self.fault(f"{nul}: it holds a NUL character, which no path and no line can.")
            return
        self._take(values, lambda: self._accept(values))

    def _take(self, values: dict[str, str], ask: Callable[[], Answered]) -> None:
        """Close if the values were taken, else say why not, or that a thread finds out."""
        try:
            said = ask()
        except MpkError as error:
            said = error.diagnosis()
        except OSError as error:
            said = f"{error.filename or 'this path'}: {error.strerror or error}"
        if isinstance(said, Later):
            self._begin(values, said)
        elif said is None:
            self._forget()
            secrets = {f.name for f in self._fields if f.kind == SECRET}
            self._wipe()
            self.dismiss({name: value for name, value in values.items() if name not in secrets})
        else:
            self.fault(said)

    def _begin(self, values: dict[str, str], later: Later) -> None:
        token = CancelToken()
        self._under_way = token
        self.query_one("#form-fault", Static).update(plain(later.saying, 300))

        def run() -> None:
            result: Any = None
            fault = ""
            try:
                result = later.work(token)
            except CancelledError:
                return
            except MpkError as error:
                fault = error.diagnosis()
            except MemoryError:
                fault = "out of memory; nothing was kept"
            except OSError as error:
                fault = f"{error.filename or 'this path'}: {error.strerror or error}"
            except Exception as error:
                # A fault of ours must be a sentence, and quote nothing: a passphrase may have been typed here.
                fault = f"internal fault ({type(error).__name__}); please report"
            self.app.call_later(self._end, values, later, token, result, fault)

        self.run_worker(run, thread=True, exit_on_error=False, group="form")

    def _wipe(self) -> None:
        """What was typed in secret does not stay in the form."""
        for f in self._fields:
            if f.kind == SECRET:
                self.query_one(f"#f-{f.name}", Input).value = ""

    def _end(self, values: dict[str, str], later: Later, token: CancelToken, result: Any, fault: str) -> None:
        if token.cancelled or self._under_way is not token:
            return
        self._under_way = None
        if fault:
            self._wipe()
            self.fault(fault)
        else:
            self._take(values, lambda: later.then(result))

    def action_close(self) -> None:
        """Give up; what was typed stays a draft, or goes only on the second Esc.  The first stops what is under way."""
        if self._under_way is not None:
            self._under_way.cancel()
            self._under_way = None
            self.fault("Stopped. Nothing was taken.")
            return
        if self._keeps and self.values() != self._begun and self._keep():
            self.dismiss(None)
            return
        if self.values() != self._begun and not self._warned:
            self._warned = True
            self.fault(f"{keys.name_of('form', 'close')} again closes without keeping what you typed.")
            return
        self._forget()
        self.dismiss(None)


class Page(ModalScreen[None]):
    """A page of text to read and close."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("page")]

    def __init__(self, title: str, text: Content) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        """Title, text, keys."""
        with Vertical(id="form"):
            yield Static(plain(self._title, style="bold"), id="form-title")
            with VerticalScroll(id="page-text"):
                yield Static(self._text)
            close = keys.name_of("page", "close")
            yield Static(Content.assemble((close, "bold"), " close   ", ("↑ ↓", "bold"), " scroll"), id="form-keys")
