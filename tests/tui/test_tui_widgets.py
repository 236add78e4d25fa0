"""The small widgets: state as text, no markup, no steering, only the rows in view."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input, Static, TextArea
from tui_driver import SMALL, drive, paste, picture, until

from mpk_tui.errors import UsageError
from mpk_tui.progress import CancelToken
from mpk_tui.tui import glyphs, safe
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.drafts import FILE, Drafts
from mpk_tui.tui.settings import Looks
from mpk_tui.tui.widgets.choice import Choice
from mpk_tui.tui.widgets.form import Field, Form, Later
from mpk_tui.tui.widgets.table import Column, RowTable

HOSTILE = "bad[/]\x1b[31m\x9b2J\u202egnp.exe\u200b[bold]\n\ttail"


class TableApp(App[None]):
    def __init__(self, rows: list[tuple[str, str]]) -> None:
        super().__init__()
        self.rows = rows
        self.picked: list[int] = []

    def compose(self) -> ComposeResult:
        yield RowTable([Column("name"), Column("z", 8, right=True)], id="start")

    def on_mount(self) -> None:
        self.query_one(RowTable).show(self.rows)

    def on_row_table_picked(self, event: RowTable.Picked) -> None:
        self.picked.append(event.index)


def test_table_marks_the_cursor_with_a_character() -> None:
    app = TableApp([("one", "1.0"), ("two", "2.0")])

    async def script(pilot: Pilot[Any]) -> None:
        lines = picture(app).split("\n")
        assert lines[0].split() == ["name", "z"]
        assert lines[1].startswith("› one")
        assert lines[1].rstrip().endswith("1.0")
        await pilot.press("down", "enter")
        assert picture(app).split("\n")[2].startswith("› two")
        assert app.picked == [1]

    drive(app, script)


def test_table_of_200000_rows_builds_those_in_view() -> None:
    built: list[object] = []
    real = safe.shown

    def shown(value: object) -> str:
        built.append(value)
        return real(value)

    app = TableApp([(f"model.layers.{i}.weight", str(i)) for i in range(200_000)])

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("end")
        await pilot.pause()
        assert "› model.layers.199999.weight" in picture(app)
        await pilot.press("home")
        await pilot.pause()
        assert "› model.layers.0.weight" in picture(app)
        for _ in range(3):
            await pilot.press("pagedown")
        assert "› model.layers.66.weight" in picture(app)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(safe, "shown", shown)
        drive(app, script)
    assert len(built) < 2000  # the rows in view, a few times over


def test_table_shows_hostile_cells_escaped() -> None:
    app = TableApp([(HOSTILE, "[/]")])

    async def script(pilot: Pilot[Any]) -> None:
        shown = picture(app)
        assert "bad[/]\\x1b[31m\\x9b2J\\u202egnp.exe" in shown
        assert not any(c in shown for c in "\x1b\x9b\u202e\u200b")

    drive(app, script)


def test_choice_says_its_state_in_words() -> None:
    class ChoiceApp(App[None]):
        said: list[str]

        def compose(self) -> ComposeResult:
            self.said = []
            yield Choice((("met", "met"), ("not-met", "not met"), ("u", "undetermined")), "met")

        def on_choice_changed(self, event: Choice.Changed) -> None:
            self.said.append(event.value)

    app = ChoiceApp()

    async def script(pilot: Pilot[Any]) -> None:
        assert "(o) met   ( ) not met   ( ) undetermined" in picture(app)
        app.query_one(Choice).focus()
        await pilot.press("right")
        assert "( ) met   (o) not met   ( ) undetermined" in picture(app)
        await pilot.press("left", "left")
        assert app.said == ["not-met", "met", "u"]
        await pilot.resize_terminal(20, 10)
        await pilot.pause()
        assert [line for line in picture(app).split("\n") if line] == ["( ) met", "( ) not met", "(o) undetermined"]

    drive(app, script, (60, 10))


def test_last_fence_replaces_what_a_widget_lets_through() -> None:
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await app.screen.mount(Static(HOSTILE, markup=False), before=0)
        await app.screen.mount(Input(HOSTILE), before=0)
        app.notify(HOSTILE, title="[/]", markup=False)
        await pilot.pause()
        shown = picture(app)
        assert "bad[/]?[31m?2J?gnp.exe?[bold]" in shown
        assert not any(c in shown for c in "\x1b\x9b\u202e\u200b\t")

    drive(app, script)


def test_toast_is_never_markup() -> None:
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        app.say("a[/]b [bold]c[/bold] \x1b[2J", bad=True)
        await pilot.pause()
        assert "! a[/]b [bold]c[/bold] \\x1b[2J" in picture(app)

    drive(app, script)


def ask(form: Form) -> tuple[App[None], list[dict[str, str] | None]]:
    got: list[dict[str, str] | None] = []

    class Asking(App[None]):
        CSS_PATH = Workbench.CSS_PATH

        def on_mount(self) -> None:
            self.push_screen(form, got.append)

    return Asking(), got


FIELDS = [
    Field("kind", "Kind", "choice", options=(("a", "(a)"), ("b", "(b)"))),
    Field("source", "Source"),
    Field("text", "Text", "lines"),
    Field("pass", "Passphrase", "secret"),
]


def test_form_stays_open_until_its_values_will_do() -> None:
    handed: list[dict[str, str]] = []

    def accept(values: dict[str, str]) -> str | None:
        handed.append(values)
        if values["source"] == "raise":
            raise UsageError("that will not do", where="a[/]b")
        return None if values["source"] else "Say where it comes from."

    app, got = ask(Form("Evidence", FIELDS, accept))

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "! Say where it comes from." in picture(app)
        await pilot.press("right", "tab")
        await paste(pilot, "raise")
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "! a[/]b: that will not do" in picture(app)
        await pilot.press(*["backspace"] * 5)
        await paste(pilot, "card")
        await pilot.press("tab")
        await paste(pilot, "two\nlines")
        await pilot.press("tab")
        await paste(pilot, "s3cret")
        assert "s3cret" not in picture(app)
        await pilot.press("enter")
        await pilot.pause()
        assert handed[-1]["pass"] == "s3cret"
        # A secret is handed to who asked for it, and to nobody after.
        assert got == [{"kind": "b", "source": "card", "text": "two\nlines"}]

    drive(app, script, SMALL)


@pytest.mark.parametrize("charset", ["unicode", "ascii"])
def test_the_field_with_the_focus_is_told_without_colour(monkeypatch: pytest.MonkeyPatch, charset: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    fields = [*FIELDS, Field("marks", "Marks", "marks", options=(("p", "p"), ("q", "q")))]
    app, mark = Workbench(looks=Looks(charset=charset)), {"unicode": "›", "ascii": ">"}[charset]

    def marked() -> list[str]:
        labels = [str(label.content) for label in app.screen.query(".form-label").results(Static)]
        assert [label[1:] for label in labels] == [f.label for f in fields]
        assert all(f" {label}" in picture(app) for label in labels)
        return [label[1:] for label in labels if label[0] == mark]

    def reversed_text() -> str:
        strips = app.screen._compositor.render_strips()
        painted = [s for strip in strips for s in strip.apply_filter(app._grey, app.screen.background_colors[0])]
        return "".join(s.text for s in painted if s.style is not None and s.style.reverse)

    async def script(pilot: Pilot[Any]) -> None:
        app.push_screen(Form("Evidence", fields, lambda _: None))
        await pilot.pause()
        seen = []
        for at in range(len(fields)):
            assert marked() == [fields[at].label]
            seen.append(reversed_text())
            await pilot.press("tab")
            await pilot.pause()
        assert marked() == [fields[0].label]
        assert seen[0] == "(o) (a)"
        assert seen[1:4] == [" "] * 3  # the cursor in a field of text
        assert "p" in seen[4]
        await pilot.press("shift+tab")
        await pilot.pause()
        assert marked() == ["Marks"]

    drive(app, script)
    glyphs.set_charset("unicode")


def test_keys_in_one_burst_come_into_their_fields() -> None:
    form = Form(
        "A form",
        [
            Field("a", "A"), Field("b", "B", "choice", options=(("x", "x"), ("y", "y"))), Field("c", "C", "lines"),
            Field("d", "D", "marks", options=(("p", "p"), ("q", "q"))), Field("e", "E"),
        ],
        lambda values: None,
    )  # fmt: skip
    app, results = ask(form)

    async def script(pilot: Pilot[Any]) -> None:
        # As a slow line delivers them: all before the first is handled.
        pressed = [
            *"onex", "backspace", "enter", "right", "enter", *"two", "enter", *"three", "tab", "down", "space", "tab",
            *"our", "home", "f", "end", "s", "enter",
        ]  # fmt: skip
        for key in pressed:
            event = events.Key(key, key if len(key) == 1 else {"enter": "\r", "space": " "}.get(key))
            event.set_sender(app)
            app.post_message(event)
        await pilot.pause()
        await until(pilot, lambda: bool(results))

    drive(app, script)
    assert results == [{"a": "one", "b": "y", "c": "two\nthree", "d": "q", "e": "fours"}]


def test_form_gives_up_typed_text_only_on_the_second_escape() -> None:
    app, got = ask(Form("Evidence", FIELDS, lambda _: None))

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("tab", "x", "escape")
        await pilot.pause()
        assert got == []
        assert "Esc again closes" in picture(app)
        await pilot.press("escape")
        await pilot.pause()
        assert got == [None]

    drive(app, script)


def test_form_draft_survives_a_kill_and_holds_no_secret(tmp_path: Any) -> None:
    app, _ = ask(Form("Evidence", FIELDS, lambda _: None, drafts=Drafts(tmp_path), name="e"))

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("tab")
        await paste(pilot, "card")
        await pilot.press("tab")
        await paste(pilot, "long text")
        await pilot.press("tab")
        await paste(pilot, "s3cret")
        await pilot.pause(0.8)

    drive(app, script)
    on_disk = (tmp_path / FILE).read_text()
    assert "card" in on_disk
    assert "s3cret" not in on_disk

    again, got = ask(Form("Evidence", FIELDS, lambda _: None, drafts=Drafts(tmp_path), name="e"))

    async def look(pilot: Pilot[Any]) -> None:
        assert again.screen.query_one("#f-text", TextArea).text == "long text"
        assert "it was put back" in picture(again)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert got[0] is not None
        assert got[0]["source"] == "card"

    drive(again, look)
    assert not (tmp_path / FILE).exists()


def test_an_answer_that_takes_a_thread_leaves_the_form_open_and_can_be_stopped() -> None:
    going, ended = threading.Event(), threading.Event()

    def work(cancel: CancelToken) -> str:
        if not going.is_set():
            raise UsageError("not this one")
        while not cancel.cancelled:
            ended.wait(0.005)
            if ended.is_set():
                return "found"
        cancel.check()
        raise AssertionError

    taken: list[str] = []
    fields = [Field("path", "Path"), Field("pass", "Passphrase", "secret")]
    app, got = ask(Form("A path", fields, lambda _: Later("Reading headers…", work, taken.append)))

    async def script(pilot: Pilot[Any]) -> None:
        await paste(pilot, "x")
        await pilot.press("tab", *"pw", "ctrl+s")
        await until(pilot, lambda: "! not this one" in picture(app))
        assert app.screen.query_one("#f-pass", Input).value == ""
        going.set()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Reading headers…" in picture(app))
        await pilot.press("ctrl+s")  # once is enough
        await pilot.press("escape")
        await until(pilot, lambda: "Stopped. Nothing was taken." in picture(app))
        assert not taken
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Reading headers…" in picture(app))
        ended.set()
        await until(pilot, lambda: bool(got))
        assert taken == ["found"]
        assert got == [{"path": "x"}]

    drive(app, script, SMALL)


def test_marks_are_text_and_go_round() -> None:
    fields = [
        Field("q", "Speaks", "marks", "-b zz", (("a", "A [/]"), ("b", "B"), ("c", "C")), states=("", "for", "not"))
    ]
    app, got = ask(Form("Marks", fields, lambda _: None))

    async def script(pilot: Pilot[Any]) -> None:
        assert "[not]  B" in picture(app)
        assert "A [/]" in picture(app)
        await pilot.press("space", "down", "space", "down", "space", "space", "space", "ctrl+s")
        await until(pilot, lambda: bool(got))
        assert got == [{"q": "a"}]

    drive(app, script, SMALL)
