"""Hostile text in every field of everything that the workbench shows: nothing breaks, nothing steers the terminal.

Two fences are looked at apart: what the widgets drew (text is made harmless where it enters) and what would be painted
(the line filter behind them).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hostile_case import BENIGN, CORPUS, EVIL, build, bundle, cut, shelf
from textual.pilot import Pilot
from tui_driver import LONG, SMALL, WIDE, drive, keys, paste, picture, until

from mpk_tui.text import clean
from mpk_tui.tui import keys as keymap
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.jobs import FAILED, RUNNING, Job
from mpk_tui.tui.screens.verify import Verify
from mpk_tui.tui.settings import Looks
from mpk_tui.tui.widgets.comparison import ComparisonView
from mpk_tui.tui.widgets.form import Form, Page
from mpk_tui.tui.widgets.table import RowTable

STEERING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""What moves a cursor, changes a colour, reorders text, hides, or has no UTF-8."""


class Watch:
    """Looks at every picture, and keeps all of them.

    Args:
        app: The application.
    """

    def __init__(self, app: Workbench) -> None:
        self.app = app
        self.seen = self._drawn = ""

    async def look(self, pilot: Pilot[Any], *pressed: str) -> None:
        """Press keys one by one and look after each."""
        for key in pressed or ("",):
            if key:
                await keys(pilot, key)
            await rest(pilot, self.app)
            strips = self.app.screen._compositor.render_strips()
            drawn = "\n".join("".join(s.text for s in strip if not s.control) for strip in strips)
            found = STEERING.search(drawn)
            assert found is None, (self.app.screen, key, drawn[max(0, found.start() - 80) : found.end() + 80])
            assert len(strips) == self.app.size.height
            drawn.encode("utf-8")
            shown = picture(self.app, strips) if drawn != self._drawn else ""
            assert STEERING.search(shown) is None
            self._drawn = drawn
            self.seen += shown


async def rest(pilot: Pilot[Any], app: Workbench) -> None:
    """Wait for what threads bring."""

    def busy() -> bool:
        return bool(app.jobs.live) or any(w.is_running for w in app.workers)

    if busy():
        await until(pilot, lambda: not busy(), 60)
        await pilot.pause()


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Case, shelf and bundle of a stranger; screens are shown, nothing is changed."""
    root = tmp_path_factory.mktemp("stranger")
    shelf(root / "data", EVIL, build(root, EVIL))
    bundle(root, EVIL)
    return root


@pytest.fixture(autouse=True)
def _own_folders(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(stranger / "data"))
    monkeypatch.chdir(stranger)


def test_the_corpus_holds_what_it_is_for() -> None:
    for text in CORPUS[:1] + CORPUS[1:2] + CORPUS[3:4] + CORPUS[5:6]:
        assert STEERING.search(text)
    assert STEERING.search(EVIL.whole) is not None
    assert STEERING.search(EVIL.name) is not None
    assert STEERING.search(EVIL.short) is not None
    assert STEERING.search(BENIGN.whole + BENIGN.name + BENIGN.short) is None
    assert len(EVIL.whole) > 10_000


@pytest.mark.parametrize("size", [SMALL, pytest.param(WIDE, marks=LONG)])
def test_a_case_of_a_stranger_on_every_screen(size: tuple[int, int], stranger: Path) -> None:
    app = Workbench(stranger / "c1")

    async def script(pilot: Pilot[Any]) -> None:
        watch = Watch(app)
        look = watch.look
        await look(pilot, "x", "enter", "escape", "x", "e", "escape", "c", "i", "escape", "t", "escape")
        await look(pilot, "g", "2", "down", "a", "escape")
        await look(pilot, "g", "3", "down", "up")
        await look(pilot, "g", "4")
        view = app.screen.query_one(ComparisonView)
        await until(pilot, lambda: view.ready)
        visited = set()
        for _ in view.views:
            visited.add(view.view.id)
            await look(pilot, "enter")
            visited.add(view.view.id)
            if isinstance(app.screen, Page):
                await look(pilot, "escape")
            await look(pilot, "v")
        assert visited == {v.id for v in view.views}
        await look(pilot, "t", "end", "enter", "escape", "slash")
        await paste(pilot, clean(EVIL.short))
        await look(pilot, "escape")
        await look(pilot, "g", "5")
        for _ in range(7):
            await look(pilot, "enter", "escape", "q")
            if len(app.screen_stack) > 1:
                await look(pilot, "down", "space", "pagedown", "end", "escape", "escape")
            await look(pilot, "e")
            if len(app.screen_stack) > 1:
                await look(pilot, "escape")
            await look(pilot, "down")
        await look(pilot, "g", "6", "right", "right", "right", "right", "h")
        if len(app.screen_stack) > 1:
            await look(pilot, "t", "escape", "escape")
        await look(pilot, "e", "down", "escape", "r", "escape", "w", "escape", "f1", "escape")
        await look(pilot, "g", "7", "right", "w", "escape", "g", "8", "right")
        await look(pilot, "g", "9", "r", "escape", "k", "escape", "v")
        await paste(pilot, "Somebody else")
        await look(pilot, "ctrl+s", "right", "right", "right", "right", "right", "right", "escape")
        await look(pilot, "h")
        await look(pilot, "g", "h", "enter", "escape", "slash", *"evi", "enter", "enter", "escape", "escape", "e")
        await look(pilot, "escape", "end", *["enter", "escape", "up"] * 3)
        await look(
            pilot, "j", "enter", "g", "l", "down", "down", "down", "enter", "escape", "g", "0", "ctrl+p", "escape"
        )
        for place in keymap.PLACES:
            assert place.name == "verify" or f" {place.title} " in watch.seen
        assert "\\x1b" in watch.seen
        assert "[@click=app.quit]" in watch.seen  # shown as it is, and nothing came of it
        assert app.is_running

    drive(app, script, size)


@pytest.mark.parametrize("size", [WIDE, pytest.param(SMALL, marks=LONG)])
def test_a_bundle_and_a_library_of_a_stranger(size: tuple[int, int], stranger: Path) -> None:
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        watch = Watch(app)
        look = watch.look
        await look(pilot, "g", "l", *["down", "enter", "escape"] * (len(EVIL.files) + 1), "r", "g", "v")
        screen = app.screen
        assert isinstance(screen, Verify)
        values = dict.fromkeys(("trust", "case", "id"), "") | {"stale": "no", "receipt": "no"}
        screen.begin({**values, "bundle": str(stranger / "b.mpkb"), "key": str(stranger / "anna.pub.pem")})
        await look(pilot, "")
        parts = app.kept["verify"].parts
        assert len(parts) > 15
        await look(pilot, "enter")
        for _ in parts:
            if app.screen.query_one("#part-table", RowTable).display:
                await look(pilot, "enter")
                if isinstance(app.screen, Page):
                    await look(pilot, "pagedown", "escape")
            await look(pilot, "n")
        await look(pilot, "escape", "e", "escape", "r", "escape", "c", "escape", "escape", "o", "escape")
        assert "\\x1b" in watch.seen

    drive(app, script, size)


def test_folders_and_lists_of_cases_on_home(stranger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in EVIL.files:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.mkdir()
        (path / "journal.mpkj").write_bytes(b"no journal")
    monkeypatch.chdir(tmp_path)
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        watch = Watch(app)
        for _ in range(40):  # the list is read by a thread; a key before it is there opens nothing
            await watch.look(pilot, "down", "enter")
            if "does not begin" in watch.seen:
                break
        assert "does not begin" in watch.seen
        await watch.look(pilot, *["down", "enter"] * 3, "D", "X")
        assert app.session is None
        assert "No case is remembered any more." in watch.seen

    drive(app, script)


@pytest.mark.parametrize("opened", [("home", "o", "folder"), ("home", "n", "id"), ("verify", "o", "bundle"),
                                    ("library", "o", "folder")])  # fmt: skip
def test_what_is_typed_and_refused(opened: tuple[str, str, str], tmp_path: Path) -> None:
    where, key, field = opened
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        app.go(where)
        await pilot.pause()
        await keys(pilot, key)
        for text in (*CORPUS, EVIL.short, "\udcff\udc9b"):
            form = app.screen
            assert isinstance(form, Form)
            for given in form._fields:
                if given.kind == "line":
                    form.query_one(f"#f-{given.name}").value = text if given.name == field else "x"  # type: ignore[attr-defined]
            await keys(pilot, "ctrl+s")
            await rest(pilot, app)
            if app.screen is not form:  # it was taken; what came of it is told on the screen below
                assert STEERING.search(picture(app)) is None
                await keys(pilot, key)
            shown = picture(app)
            assert STEERING.search(shown) is None
            shown.encode()

    drive(app, script)


def test_words_said_toasts_and_titles_of_jobs(stranger: Path) -> None:
    app = Workbench(stranger / "c1", looks=Looks(notices=(EVIL.whole, EVIL.short)))

    async def script(pilot: Pilot[Any]) -> None:
        watch = Watch(app)
        await watch.look(pilot)
        for text in (*CORPUS, EVIL.whole, EVIL.short, "\udcff\udc9b"):
            app.say(text, bad=True)
            await watch.look(pilot)
            app.screen.hear(text and clean(text), 1)  # type: ignore[attr-defined]
            await keys(pilot, "t")
            app.say(text, bad=True)  # over a dialog it is a toast
            app.say(text)
            await watch.look(pilot, "escape")
            job = Job(len(app.jobs.all) + 1, "compare", text, text, lambda r, c: None, lambda _: None, text)
            job.state, job.error = (FAILED, text) if len(app.jobs.all) % 2 else (RUNNING, "")
            app.jobs.all[job.number] = job
            app.show_jobs()
            await pilot.pause()
            shown = picture(app)
            job.state = FAILED
            await watch.look(pilot, "j", "end", "j")
            assert STEERING.search(shown) is None

    drive(app, script)


def test_a_key_map_of_a_stranger(tmp_path: Path) -> None:
    from mpk_tui.errors import MpkError
    from mpk_tui.tui import keymap as file

    for n, text in enumerate((*CORPUS, EVIL.short)):
        path = tmp_path / f"{n}{cut(EVIL.short, 40).replace('/', '_')}.toml"
        for body in (f"[home]\nopen = '{text}'\n", f"['{text}']\nopen = 'o'\n", text, f"[home]\n'{text}' = 'o'\n"):
            path.write_bytes(body.encode("utf-8", "surrogatepass"))
            try:
                file.read(path)
            except MpkError as error:
                app = Workbench(looks=Looks(notices=(f"! {error.diagnosis()}",)))
                if n % 3 == 0:

                    async def script(pilot: Pilot[Any], app: Workbench = app) -> None:
                        await Watch(app).look(pilot)

                    drive(app, script)
    assert keymap.in_force() == list(keymap.KEYS)


def test_a_flood_of_marks_is_not_stacked_on_one_letter() -> None:
    assert clean("Z" + "\u0301" * 20) == "Z" + "\u0301" * 8 + "\\u0301" * 12
    assert clean("\u05d1\u05bc\u05b8\u0591 ") == "\u05d1\u05bc\u05b8\u0591 "
