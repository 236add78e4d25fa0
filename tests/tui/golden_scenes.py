"""The scenes of the golden screens, as data: which screen, which keys lead there, what stands ready."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golden_case import GOLDEN, Place, fingerprint
from textual.pilot import Pilot
from tui_driver import keys, until

from mpk_tui.fingerprint.record import write
from mpk_tui.keys import public
from mpk_tui.library.catalogue import open_library
from mpk_tui.library.entry import Facts, Origin, Parent
from mpk_tui.library.scan_apart import Asked
from mpk_tui.progress import CancelToken, Progress
from mpk_tui.tui import jobs
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.jobs import Job
from mpk_tui.tui.screens.scan import Desk
from mpk_tui.tui.screens.verify import Verify
from mpk_tui.tui.settings import Looks

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bundle"))
import workshop as w

Act = Callable[[Pilot[Any], Workbench, Place], Any]
GB = 10**9


@dataclass(frozen=True)
class Scene:
    """One picture in its sizes.

    Attributes:
        name: Of the files.
        pressed: Textual's names of the keys; ``.`` waits for what threads bring about, ``'text`` types text.
        case: Whether the case is open; else Home.
        looks: Theme and characters, if not the built-in ones.
        before: Something that no key does: jobs under way, a bundle that was checked.
    """

    name: str
    pressed: tuple[str, ...] = ()
    case: bool = True
    looks: Looks | None = None
    before: Act | None = None


async def press(pilot: Pilot[Any], pressed: tuple[str, ...]) -> None:
    """Press a scene's keys."""
    app = pilot.app
    assert isinstance(app, Workbench)
    waiting: list[str] = []
    for key in pressed:
        if key == ".":
            await keys(pilot, *waiting)
            waiting.clear()
            await at_rest(pilot, app)
        else:
            waiting += key[1:] if key.startswith("'") else (key,)
    await keys(pilot, *waiting)
    await at_rest(pilot, app)


async def at_rest(pilot: Pilot[Any], app: Workbench) -> None:
    """Wait until no thread has anything to bring; jobs that a scene put there go on for ever."""
    await pilot.pause()

    def rests() -> bool:
        begun = any(j.live and j.begun for j in app.jobs.all.values())
        return not begun and not any(worker.is_running for worker in app.workers)

    if not rests():
        await until(pilot, rests, 60)
        await pilot.pause()


# -- what no key does ------------------------------------------------------------------------------------------------


def under_way(_: Pilot[Any], app: Workbench, place: Place) -> None:
    """Jobs in every state; none of them runs."""

    def job(what: str, subject: str, title: str, state: str, *, root: str = str(place.case), **more: Any) -> None:
        number = len(app.jobs.all) + 1
        made = Job(number, what, subject, title, lambda report, cancel: None, lambda _: None, root)
        made.token, made.state = CancelToken(), state
        for name, value in more.items():
            setattr(made, name, value)
        app.jobs.all[number] = made

    job("fingerprint", "R1", "fingerprint R1", jobs.DONE)
    job("fingerprint", "S1", "fingerprint S1", jobs.FAILED, error="/media/exhibit7/models/aurora-chat/"
        "model-00002-of-00004.safetensors: Input/output error")  # fmt: skip
    job(
        "fingerprint", "R2", "fingerprint R2", jobs.RUNNING,
        progress=Progress("hashing", 3_912_000_000, 15 * GB, "bytes", 9.6, "model-00001-of-00004.safetensors"),
    )  # fmt: skip
    job("rehash", "S1", "hash S1 again", jobs.PAUSED, progress=Progress("hashing", 2 * GB, 8 * GB, "bytes", 4.0, ""))
    job("compare", "S1:R2", "compare S1:R2", jobs.QUEUED, waiting="waits for job 3: it reads the same drive")
    job("verify", "x", "verify exhibit7.mpkb", jobs.STOPPED, root="")
    app.show_jobs()


def bundle(place: Place) -> Path:
    """A bundle that one person signed and another endorsed, with the key that it is held against."""
    (place.root / "anna.pub.pem").write_bytes(public.pem(w.ANNA.public))
    path = place.root / "exhibit7.mpkb"
    path.write_bytes(w.endorsed(w.sealed(), w.BERT, "concur", statement="I come to the same.").to_bytes())
    return path


async def checked(pilot: Pilot[Any], app: Workbench, place: Place, *, altered: bool = False) -> None:
    """A bundle that was checked on the Verify screen."""
    path = bundle(place)
    if altered:
        path = path.with_name("altered.mpkb")
        path.write_bytes(w.sealed(None, w.STRANGER).to_bytes())
    await keys(pilot, "g", "v")
    screen = app.screen
    assert isinstance(screen, Verify)
    typed = dict.fromkeys(("trust", "case", "id"), "") | {"stale": "no", "receipt": "no"}
    screen.begin({**typed, "bundle": str(path), "key": str(place.root / "anna.pub.pem")})
    await at_rest(pilot, app)


async def of_a_stranger(pilot: Pilot[Any], app: Workbench, place: Place) -> None:
    """A bundle that nobody signed who is trusted."""
    await checked(pilot, app, place, altered=True)


def shelf(_: Pilot[Any], __: Workbench, place: Place) -> None:
    """A library of two, one of them from a pack; beside it a loose fingerprint and what is no fingerprint at all."""
    folder = place.root / "mpk-tui" / "library"
    base, twin = fingerprint("base"), fingerprint("twin")
    with open_library(folder, write=True, create=True) as library:
        if not library.count():
            said = Facts("helix-base", ("Helix 1B",), "Helix Lab", "Apache-2.0")
            library.add([(base, said)], who="Kim Berg", at=1_735_689_600_000)
            parent = Parent(
                "helix-base", base.digest, base.root, "3.2", "a", "Fine-tuned from helix-base.", "model card"
            )
            tuned = Facts("helix-tuned", (), "Helix Lab", "Apache-2.0", parents=(parent,))
            pack = Origin(bytes(32), "helix-lab", 3, (bytes(32),))
            library.add([(fingerprint("fine-tune"), tuned)], who="Kim Berg", at=1_735_776_000_000, origin=pack)
    (folder / "helix").mkdir(exist_ok=True)
    write(folder / "helix" / "helix-twin.mpkf", twin)
    (folder / "notes.mpkf").write_bytes(b"no fingerprint")
    for n, file in enumerate(sorted(folder.rglob("*.mpkf"))):
        os.utime(file, (1_735_689_600 + n * 86_400,) * 2)


async def scanned(pilot: Pilot[Any], app: Workbench, place: Place) -> None:
    """A model that was held against a library; the record is kept beside the screens."""
    record = json.loads((GOLDEN / "scanned.json").read_text("utf-8"))
    app.kept["scan"] = Desk(
        Asked(place.case / "fingerprints" / "S1.mpkf", Path("/srv/references/library")), record=record
    )
    await keys(pilot, "g", "s")


# -- the table -------------------------------------------------------------------------------------------------------

ASCII = Looks(charset="ascii")
SCENES = (
    Scene("home", case=False),
    Scene("home_new_case", ("n",), case=False),
    Scene("case"),
    Scene("case_custody", ("x",)),
    Scene("case_custody_form", ("c", "i")),
    Scene("artifacts", ("g", "2")),
    Scene("artifacts_add", ("g", "2", "a")),
    Scene("fingerprint", ("g", "3", ".")),
    Scene("fingerprint_at_work", ("g", "3"), before=under_way),
    Scene("compare", ("g", "4", ".")),
    Scene("compare_not_yet", ("right_square_bracket", "g", "4", ".")),
    Scene("compare_test", ("g", "4", ".", "enter")),
    Scene("compare_tensors", ("g", "4", ".", "t")),
    Scene("figure_cosine", ("g", "4", ".", *["V"] * 8, ".")),
    Scene("figure_layers", ("g", "4", ".", *["V"] * 7, ".")),
    Scene("figure_change", ("g", "4", ".", *["V"] * 6, ".")),
    Scene("figure_singular", ("g", "4", ".", *["V"] * 5, ".")),
    Scene("figure_rho", ("g", "4", ".", *["V"] * 2, ".")),
    Scene("evidence", ("g", "5", "down")),
    Scene("evidence_form", ("g", "5", "a")),
    Scene("evidence_quote", ("g", "5", "down", "q", ".", *["down"] * 6, "space", "down")),
    Scene("conditions", ("g", "6")),
    Scene("conditions_met", ("g", "6", *["right"] * 4)),
    Scene("mechanism", ("g", "7", "right")),
    Scene("exclusions", ("g", "8")),
    Scene("review", ("g", "9")),
    Scene("review_reader", ("g", "9", "v")),
    Scene("verify_nothing", ("g", "v"), case=False),
    Scene("verify", case=False, before=checked),
    Scene("verify_pair", ("down", "down", "down", "enter"), case=False, before=checked),
    Scene("verify_stranger", case=False, before=of_a_stranger),
    Scene("library", ("g", "l", "."), case=False, before=shelf),
    Scene("scan", ("down", "down", "down"), before=scanned),
    Scene("scan_tree", ("v", "v"), before=scanned),
    Scene("history", ("g", "h")),
    Scene("jobs", ("j", "down", "down"), before=under_way),
    Scene("help", ("g", "6", "f1")),
    Scene("palette", ("g", "6", "ctrl+p", "'theme", ".")),
    Scene("go", ("g", "8", "g")),
    Scene("ascii_conditions", ("g", "6", *["right"] * 4), looks=ASCII),
    Scene("ascii_figure", ("g", "4", ".", *["V"] * 8, "."), looks=ASCII),
    Scene("ascii_jobs", ("j", "down", "down"), looks=ASCII, before=under_way),
)
