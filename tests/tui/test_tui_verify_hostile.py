"""Strangers' bundles through the Verify screen: the suite's verdicts, and no text of theirs that could do anything."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from tui_driver import LONG, NARROW, SMALL, drive, keys, picture, until

from mpk_tui.keys import public
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.screens.verify import Verify
from mpk_tui.tui.screens.verify.screen import Desk
from mpk_tui.tui.widgets.form import Page
from mpk_tui.tui.widgets.table import RowTable

for folder in ("report", "bundle"):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / folder))
import workshop as w  # noqa: E402
from hostile import CORPUS  # noqa: E402
from hostile import bundle as hostile_bundle  # noqa: E402
from test_suite import checkpoint  # noqa: E402

ROOT = Path(__file__).parents[2] / "bundles"
STEERING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
EACH = 2
"""Cases of the suite of every verdict; all of them were run by hand."""


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def sample() -> Iterator[tuple[Path, dict[str, Any]]]:
    """The first cases of every verdict, and of everything that can be asked."""
    seen: dict[str, int] = {}
    for file in sorted(ROOT.glob("*/expect.json")):
        expected = json.loads(file.read_text())
        if not expected.get("file", "bundle.mpkb").endswith(".mpkb"):
            continue
        for kind in (expected["verdict"], *(k for k in ("checkpoint", "earlier", "attachments") if k in expected)):
            seen[kind] = seen.get(kind, 0) + 1
            if seen[kind] <= EACH:
                yield file.parent, expected
                break


def values(bundle: Path, trust: Path, **more: str) -> dict[str, str]:
    """What a person would have typed."""
    out = dict.fromkeys(("trust", "key", "case", "id"), "") | {"stale": "no", "receipt": "no", "bundle": str(bundle)}
    out["trust" if trust.suffix == ".mpkt" else "key"] = str(trust)
    return {**out, **more}


def desk(app: Workbench) -> Desk:
    found = app.kept["verify"]
    assert isinstance(found, Desk)
    return found


async def checked(pilot: Pilot[Any], app: Workbench) -> None:
    await until(pilot, lambda: not app.jobs.live, 60)
    await pilot.pause()
    assert desk(app).job is not None
    assert desk(app).job.error == ""  # type: ignore[union-attr]


async def everything(pilot: Pilot[Any], app: Workbench) -> None:
    """Open every part, and the first row of every table; nothing painted could steer a terminal."""
    screen = app.screen
    assert isinstance(screen, Verify)
    shown = picture(app)
    for part in desk(app).parts:
        desk(app).part = part.id
        screen.show_state()
        await pilot.pause()
        shown += picture(app)
        table = screen.query_one("#part-table", RowTable)
        if table.display and table.rows:
            await keys(pilot, "enter")
            assert isinstance(app.screen, Page)
            shown += picture(app)
            await keys(pilot, "escape")
    desk(app).part = ""
    screen.show_state()
    assert STEERING.search(shown) is None


def test_the_suite_reads_as_its_answers_say(tmp_path: Path) -> None:
    cases = list(sample())
    assert len({e["verdict"] for _, e in cases}) >= 11
    assert len(cases) <= 50
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "v")
        for n, (case, e) in enumerate(cases):
            screen = app.screen
            assert isinstance(screen, Verify)
            more = {"case": e.get("expect_case", ""), "id": e.get("expect_bundle", "")}
            screen.begin(values(case / "bundle.mpkb", case / e["trust"], **more))
            await checked(pilot, app)
            if {"checkpoint", "earlier", "attachments"} & e.keys():
                work = tmp_path / str(n)
                work.mkdir()
                screen.compare(
                    {
                        "checkpoints": str(checkpoint(case, e["checkpoint"], work)) if "checkpoint" in e else "",
                        "earlier": "\n".join(str(case / p) for p in e.get("earlier", ())),
                        "attachments": str(case / e["attachments"]) if "attachments" in e else "",
                        "match": e.get("match", "folder"), "features": "no", "rerun": "no",
                    }
                )  # fmt: skip
                await checked(pilot, app)
                shutil.rmtree(work)
            found = desk(app).opened
            assert found is not None
            outcome = found.outcome
            assert (outcome.verdict, int(outcome.code)) == (e["verdict"], e["exit_code"]), case.name
            assert f" {e['verdict']}:" in picture(app), case.name
            if n % 6 == 0:
                await everything(pilot, app)

    drive(app, script)


EVIL = (
    " ".join(CORPUS),
    "[/][bold red]" + "\x1b]0;x\x07\x9b31m" + "\u202e" * 20 + "A" * 10_000 + "[@click=app.bell()]x[/]",
    "\n".join(f"VALID: line {n}\r" for n in range(40)),
)


@pytest.mark.parametrize("size", [NARROW, pytest.param(SMALL, marks=LONG)])
def test_no_text_of_a_stranger_does_anything(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "anna.pub.pem").write_bytes(public.pem(w.ANNA.public))
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "v")
        for n, evil in enumerate(EVIL if size == SMALL else EVIL[1:2]):
            path = tmp_path / f"{n}{evil[:4].replace('/', '')}.mpkb"
            path.write_bytes(hostile_bundle(evil).to_bytes())
            screen = app.screen
            assert isinstance(screen, Verify)
            screen.begin(values(path, tmp_path / "anna.pub.pem"))
            await checked(pilot, app)
            assert desk(app).opened.outcome.contents is not None  # type: ignore[union-attr]
            await everything(pilot, app)

    drive(app, script, size)


RECORDS: tuple[dict[str, Any], ...] = (
    {},
    {"finding": 7, "tests": 3, "identity": [], "a": [], "limits": {"x": 1}, "notices": 4},
    {"finding": "identical", "tests": [None, {}, {"name": []}], "identity": {"differing": [5, {}], "only_a": [[1]]}},
    {"tests": [{"name": "x", "ran": True, "layers": [{"a": "b", "b": None, "z": {}}], "p": "no"}], "mechanisms": [1]},
    {"profile": {"cosine": 1, "layers": [[]], "change": {"x": 1e308}}, "context": [{}], "components": "no"},
)


def test_a_comparison_of_any_shape_is_shown_somehow(tmp_path: Path) -> None:
    (tmp_path / "anna.pub.pem").write_bytes(public.pem(w.ANNA.public))
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "v")
        for n, record in enumerate(RECORDS):
            path = tmp_path / f"{n}.mpkb"
            row = {"pair": "S1:R1", "digest": bytes(32), "record": record}
            path.write_bytes(w.sealed(w.contents(findings=[row])).to_bytes())
            screen = app.screen
            assert isinstance(screen, Verify)
            screen.begin(values(path, tmp_path / "anna.pub.pem"))
            await checked(pilot, app)
            desk(app).part = next(p.id for p in desk(app).parts if p.id.startswith("finding:"))
            screen.show_state()
            await pilot.pause()
            await keys(pilot, "v", "v", "t", "enter")
            if isinstance(app.screen, Page):
                await keys(pilot, "escape")
            assert "comparison, as signed" in picture(app)
            await keys(pilot, "escape")

    drive(app, script)
