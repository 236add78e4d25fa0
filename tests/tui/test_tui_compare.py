"""Compare as the place to look: views, tables over many tensors, pictures, and a row that becomes evidence."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from tiny_models import checkpoint, weights
from tui_driver import LONG, NARROW, SMALL, WIDE, drive, keys, paste, picture, until

from mpk_tui.case import actions, artifacts, create_case, open_case
from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.session import looking
from mpk_tui.tui.widgets import comparison as comparison_widget
from mpk_tui.tui.widgets.comparison import ComparisonView
from mpk_tui.tui.widgets.figure import FigureView
from mpk_tui.tui.widgets.sheet import Sheet

UP = "model.layers.1.mlp.up_proj.weight"
GONE = "model.layers.0.self_attn.q_proj.weight"
HOSTILE = "w[/]\x1b[31m\x9b2J\u202egnp\u200b[bold]" + "y" * 10_000


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A compared pair: one tensor changed, one gone, the rest equal."""
    base, edited = weights(1), dict(weights(1))
    edited[UP] = edited[UP] + 1
    del edited[GONE]
    with create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim") as c:
        artifacts.add_artifact(c, checkpoint(tmp_path / "suspect", edited), role="subject", label="sus[/]pect\x1b[2J")
        artifacts.add_artifact(c, checkpoint(tmp_path / "base", base), role="reference", label="base")
        for name in ("S1", "R1"):
            artifacts.fingerprint_artifact(c, name)
        actions.compare_pair(c)
    return tmp_path / "case"


def view(app: App[Any]) -> ComparisonView:
    return app.screen.query_one(ComparisonView)


async def opened(app: Workbench, pilot: Pilot[Any], *, tensors: bool = True) -> None:
    """Compare, with the fingerprints read."""
    await keys(pilot, "g", "4")
    await until(pilot, lambda: view(app).ready)
    if tensors:
        await until(pilot, lambda: any(v.id == "tensors" and "All tensors" in v.says for v in view(app).views))


@pytest.mark.parametrize("size", [SMALL, pytest.param(NARROW, marks=LONG), WIDE])
def test_every_view_is_reached_and_keeps_to_the_window(case: Path, size: tuple[int, int]) -> None:
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(app, pilot)
        assert "A: suspect" in picture(app)
        count = len(view(app).views)
        seen = []
        for _ in range(count):
            seen.append(view(app).view.id)
            shown = picture(app)
            assert "\x1b" not in shown
            assert len(shown.split("\n")) == size[1]
            assert app.focused is not None
            assert app.focused.is_on_screen
            await keys(pilot, "v")
        assert seen[0] == view(app).view.id == "overview"
        assert len(set(seen)) == count
        assert [s for s in seen if s.startswith("figure/")] == [
            f"figure/{x}" for x in ("cosine", "layers", "change", "singular", "retention", "embeddings", "rho", "z")
        ]
        await keys(pilot, "V")
        assert view(app).view.id == "figure/z"
        await keys(pilot, "i", "enter")
        assert view(app).view.id == "ffn.aligned"
        await keys(pilot, "escape")
        assert view(app).view.id == "overview"

    drive(app, script, size)


def test_all_tensors_sort_filter_and_open(case: Path) -> None:
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(app, pilot)
        await keys(pilot, "t")
        shown = picture(app)
        assert "All tensors of both sides: 21 rows; 19 of 20 pairs equal" in shown
        assert f"  only B     {GONE[:20]}" in shown
        assert "row 1 of 21 · by tensor, rising" in shown
        await keys(pilot, "s")
        assert "by change, rising" in picture(app)
        lines = picture(app).split("\n")
        first = next(line for line in lines if line.startswith(("›", "  different")))
        assert "different" in " ".join(lines[2:5]), first
        await keys(pilot, "s", "s", "S", "S", "slash")
        await paste(pilot, "mlp change>0")
        await pilot.pause()
        assert "row 1 of 1 out of 21" in picture(app)
        await paste(pilot, " chnge>1")
        await pilot.pause()
        assert "! no column 'chnge' here; columns: state, tensor, change" in picture(app)
        await keys(pilot, "escape")
        shown = picture(app)
        assert "!" not in shown
        assert "filter: mlp change>0" in shown
        assert view(app).view.id == "tensors"
        await keys(pilot, "slash", "end")
        await paste(pilot, " chnge>1")
        await keys(pilot, "enter")
        shown = " ".join(picture(app).split())
        assert "! not applied: mlp change>0 chnge>1 (no column 'chnge' here" in shown  # not dropped without a word
        assert "filter: mlp change>0" in shown
        await keys(pilot, "slash", "escape")
        assert "not applied" not in picture(app)
        await keys(pilot, "enter")
        shown = picture(app)
        assert f"Tensor: {UP}" in shown
        assert "State: different" in shown
        assert "Changed elements: 2,048 of 2,048" in shown
        assert "Shape in A: 64 x 32" in shown
        assert "Digests: not equal" in shown
        await keys(pilot, "escape", "slash")
        await pilot.press(*["backspace"] * 12)
        await keys(pilot, "enter", "end")
        assert "row 21 of 21" in picture(app)

    drive(app, script)


def test_a_row_a_test_and_a_value_become_evidence_with_their_record(case: Path) -> None:
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(app, pilot)
        await keys(pilot, "t", "slash")
        await paste(pilot, "state=different")
        await keys(pilot, "enter", "e")
        assert f"identity / {UP}" in " ".join(picture(app).split())
        await keys(pilot, "e")
        assert "is E1 already" in " ".join(picture(app).split())
        await keys(pilot, "i", "v", "e")
        assert "tests / ffn.aligned / 0" in " ".join(picture(app).split())
        for _ in range(40):
            if view(app).view.id == "figure/rho":
                break
            await keys(pilot, "v")
        await keys(pilot, "right", "e")
        assert "figure rho / ffn.aligned, layer of A 1" in " ".join(picture(app).split())
        await keys(pilot, "i", "end", "e")
        await keys(pilot, "b")

    drive(app, script)
    with open_case(case) as c:
        digest = c.state.comparisons["S1:R1"].digest
        items = list(c.state.evidence["S1:R1"].values())
    assert [i.locator for i in items[:4]] == [
        f"identity / {UP}", "tests / ffn.aligned / 0", "figure rho / ffn.aligned, layer of A 1", "figure z",
    ]  # fmt: skip
    assert all(i.record == digest for i in items)
    assert len(items) == 5
    assert "Cosine" in items[0].excerpt
    assert "SHA-256 in A" in items[0].excerpt
    assert "ffn.aligned" in items[2].excerpt


def test_nothing_to_cite_says_so(case: Path) -> None:
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(app, pilot)
        at = next(n for n, v in enumerate(view(app).views) if v.id == "mechanisms")
        view(app).sheet.rows.cursor = at - 1
        await keys(pilot, "e")
        assert "Nothing that can be cited is under the cursor" in picture(app)

    drive(app, script)
    with open_case(case) as c:
        assert not c.state.evidence.get("S1:R1")


def test_a_picture_has_numbers_a_cursor_and_a_list(case: Path) -> None:
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(app, pilot)
        view(app).go_to("figure/rho")
        await pilot.pause()
        shown = picture(app)
        assert "> layer of A 0: ffn.aligned" in shown
        assert "› " in shown  # the numbers beside it, at the cursor
        await keys(pilot, "s")
        assert "This is a picture; l shows its numbers" in picture(app)
        await keys(pilot, "right", "l")
        assert view(app).query_one(Sheet).display
        assert "layer of A" in picture(app)
        await keys(pilot, "s", "enter")
        assert "test: " in picture(app)
        await keys(pilot, "escape", "l")
        assert view(app).query_one(FigureView).at.index == 1
        await keys(pilot, "enter")
        assert "At the cursor: layer of A 1" in " ".join(picture(app).split())
        await keys(pilot, "escape", "t", "l")
        assert "Only a figure has a picture" in picture(app)

    drive(app, script)


def test_where_each_pair_was_left_is_found_again(case: Path) -> None:
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(app, pilot)
        await keys(pilot, "t", "slash")
        await paste(pilot, "mlp")
        await keys(pilot, "enter", "down", "down")
        row = view(app).sheet.row
        await keys(pilot, "g", "5", "g", "4")
        await until(pilot, lambda: view(app).ready)
        assert view(app).view.id == "tensors"
        assert view(app).sheet.row == row
        assert "filter: mlp" in picture(app)

    drive(app, script)


def test_a_long_record_is_read_by_a_thread(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "AT_ONCE", 0)
    monkeypatch.setattr(comparison_widget, "AT_ONCE", 0)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(app, pilot)
        await keys(pilot, "t")
        assert "All tensors of both sides: 21 rows" in picture(app)

    drive(app, script)


@pytest.mark.parametrize("at_once", [1 << 20, 0])
def test_files_that_are_not_sound_say_so(case: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(looking, "AT_ONCE", at_once)
    fingerprint = case / "fingerprints" / "R1.mpkf"
    fingerprint.write_bytes(fingerprint.read_bytes()[:-1])
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await opened(app, pilot, tensors=False)
        await until(pilot, lambda: "Fingerprint of R1: is not the file" in picture(app))
        await keys(pilot, "t")
        shown = " ".join(picture(app).split())
        assert "Tensors that the record names: 2" in shown
        assert "is not the file that the journal names" in shown

    drive(app, script)
    record = case / "comparisons" / "S1-R1.mpkc"
    record.write_bytes(record.read_bytes()[:-1])
    app = Workbench(case)

    async def broken(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "4")
        await until(pilot, lambda: "is not the file that the journal names" in " ".join(picture(app).split()))
        await keys(pilot, "v", "t", "s", "slash", "e", "l", "i", "escape")
        assert "Nothing that can be cited" in picture(app)

    drive(app, broken)


# -- many tensors, and records from strangers -------------------------------------------------------------------------


class Shown(App[None]):
    """The view alone, as the screen of a bundle mounts it."""

    def __init__(self, record: Any, tensors: Any = None) -> None:
        super().__init__()
        self.record, self.tensors = record, tensors

    def compose(self) -> ComposeResult:
        yield ComparisonView(self.record, self.tensors)


def many(count: int) -> tuple[dict[str, Any], Any]:
    """A record and two fingerprints' tensors; every third differs."""

    def tensor(n: int, content: str) -> TensorHash:
        name = f"model.layers.{n // 100}.mlp.experts.{n % 100}.up_proj.weight"
        return TensorHash(name, "BF16", (64, 32), 4096, hashlib.sha256(f"{n}{content}".encode()).digest())

    a = tuple(tensor(n, "") for n in range(count))
    b = tuple(tensor(n, "x" if n % 3 == 0 else "") for n in range(count))
    differing = [
        {"a": t.name, "b": t.name, "role": "ffn.up", "layer": n // 100, "state": "different", "elements": 2048,
         "changed": n % 2048, "relative": (n * 7919 % count) / count, "cosine": 0.5}
        for n, t in enumerate(a) if n % 3 == 0
    ]  # fmt: skip
    identity = {"pairs": count, "equal": count - len(differing), "converted": 0, "unread": 0, "differing": differing}
    return {"finding": "near-identical", "sentence": "s", "identity": identity}, (a, b)


def test_a_hundred_thousand_tensors_are_shown_sorted_and_filtered() -> None:
    app = Shown(*many(100_000))

    async def script(pilot: Pilot[Any]) -> None:
        shown = view(app)
        await until(pilot, lambda: shown.ready, 60)
        shown.go_to("tensors")
        assert "model.layers" in picture(app)  # rows stand there before they are in order
        await until(pilot, lambda: not shown.sheet.busy, 60)
        assert "row 1 of 100,000 · by tensor, rising" in picture(app)
        shown.sheet.sort(1)
        assert shown.sheet.busy  # work goes on between keys
        await until(pilot, lambda: not shown.sheet.busy, 60)
        shown.sheet.flip()
        await until(pilot, lambda: not shown.sheet.busy, 60)
        await pilot.press("home")
        await pilot.pause()
        top = shown.sheet.row
        assert top is not None
        assert shown.view.table.values[top][2] == max(v[2] for v in shown.view.table.values if v[2] is not None)
        await keys(pilot, "slash")
        await paste(pilot, "experts.7. layer=410 change>0.1 state=different")
        await pilot.pause()
        await until(pilot, lambda: not shown.sheet.busy, 60)
        assert "out of 100,000" in picture(app)
        assert "model.layers.410.mlp" in shown.view.table.values[shown.sheet.row or 0][1]

    drive(app, script)


def test_nothing_of_the_pair_before_can_be_cited_while_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = many(30), many(60)
    app = Shown(*first)

    async def script(pilot: Pilot[Any]) -> None:
        shown = view(app)
        shown.go_to("tensors")
        assert shown.place is not None
        monkeypatch.setattr(comparison_widget, "AT_ONCE", 0)
        shown.show(*second)
        assert shown.place is None
        assert not shown.ready
        assert "Reading 140 tensors" in picture(app)
        await until(pilot, lambda: shown.ready)
        await pilot.pause()
        assert "All tensors of both sides: 60 rows" in picture(app)
        shown.show(second[0], None)  # the same record: it stays in view until it is drawn anew
        assert shown.ready

    drive(app, script)


def test_a_hostile_record_is_shown_and_read_in_full() -> None:
    row = {"a": HOSTILE, "b": HOSTILE, "state": HOSTILE, "role": HOSTILE, "layer": HOSTILE, "relative": HOSTILE}
    record = {
        "finding": HOSTILE, "sentence": HOSTILE, "a": {"label": HOSTILE, "root": HOSTILE}, "b": [HOSTILE],
        "limits": [HOSTILE, 3], "notices": {"x": HOSTILE},
        "identity": {"differing": [row, 3], "only_a": [HOSTILE], "conversions": [HOSTILE]},
        "tests": [{"name": HOSTILE, "reason": HOSTILE}, {"name": HOSTILE, "ran": True, "layers": [{"a": HOSTILE}]}],
        "components": [{"name": HOSTILE}], "context": [{"name": HOSTILE, "value": HOSTILE}],
        "mechanisms": [{"number": HOSTILE, "title": HOSTILE, "for": [HOSTILE]}], "trajectory": {"points": [{"label": HOSTILE}]},
    }  # fmt: skip
    tensor = TensorHash(HOSTILE, HOSTILE, (1, 2), 8, b"\0" * 32)
    app = Shown(record, ((tensor,), (tensor,)))

    async def script(pilot: Pilot[Any]) -> None:
        for _ in view(app).views:
            shown = picture(app)
            assert not any(c in shown for c in "\x1b\x9b\u202e\u200b")
            if view(app).view.id != "overview":
                await keys(pilot, "enter")
                shown = picture(app)
                assert not any(c in shown for c in "\x1b\x9b\u202e\u200b")
                await pilot.press("escape")
            assert view(app).view.id == "overview" or view(app).place is None or view(app).place.locator
            await keys(pilot, "v")

    drive(app, script)


@pytest.mark.parametrize("record", [{}, {"identity": 3, "tests": "x", "a": None}])
def test_an_empty_record_is_shown(record: Any) -> None:
    app = Shown(record)

    async def script(pilot: Pilot[Any]) -> None:
        assert "look at" in picture(app)
        for _ in view(app).views:
            await keys(pilot, "v", "s", "S", "l", "enter", "escape")
        await keys(pilot, "t")
        assert "Tensors that the record names: 0" in picture(app)

    drive(app, script)
