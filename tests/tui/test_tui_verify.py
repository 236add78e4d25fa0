"""The Verify screen: the verdict first, every part in full, comparing, endorsing and reporting from what was checked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from tui_driver import LONG, SMALL, WIDE, drive, keys, picture, until

from mpk_tui.bundle.trust import single_key
from mpk_tui.bundle.verify import verify
from mpk_tui.cli import main
from mpk_tui.keys import private, public
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.screens.verify.screen import Desk
from mpk_tui.tui.widgets.choice import Choice
from mpk_tui.tui.widgets.form import Form, Page
from mpk_tui.tui.widgets.table import RowTable

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bundle"))
import workshop as w

ROOT = Path(__file__).parents[2] / "bundles"
PASSWORD = "correct horse battery"
SHOWN_ANYWAY = "not to be relied on ***"


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "anna.pub.pem").write_bytes(public.pem(w.ANNA.public))
    (tmp_path / "good.mpkb").write_bytes(w.sealed().to_bytes())
    (tmp_path / "strange.mpkb").write_bytes(w.sealed(None, w.STRANGER).to_bytes())
    return tmp_path


def desk(app: Workbench) -> Desk:
    found = app.kept["verify"]
    assert isinstance(found, Desk)
    return found


async def form(pilot: Pilot[Any], pressed: str, /, **values: str) -> None:
    """Open a form by its key, fill it in and accept it."""
    app = pilot.app
    await keys(pilot, pressed)
    await until(pilot, lambda: isinstance(app.screen, Form) and bool(app.screen.query("#form-keys")))
    for name, value in values.items():
        field: Any = app.screen.query_one(f"#f-{name}")
        if hasattr(field, "load_text"):
            field.load_text(value)
        else:
            field.value = value
    await keys(pilot, "ctrl+s")


async def opened(pilot: Pilot[Any], bundle: Path, key: Path | None = None, **more: str) -> None:
    """Go to Verify and check a bundle."""
    app = pilot.app
    assert isinstance(app, Workbench)
    await keys(pilot, "g", "v")
    await form(pilot, "o", bundle=str(bundle), key=str(key or bundle.with_name("anna.pub.pem")), **more)
    await settled(pilot)


async def settled(pilot: Pilot[Any]) -> None:
    app = pilot.app
    assert isinstance(app, Workbench)
    await until(pilot, lambda: "verify" in app.kept and desk(app).job is not None and not app.jobs.live, 60)
    await pilot.pause()


async def part(pilot: Pilot[Any], id: str) -> str:
    """Go to a part with the keys that people have, and return its picture."""
    app = pilot.app
    assert isinstance(app, Workbench)
    ids = [p.id for p in desk(app).parts]
    assert id in ids
    ahead = (ids.index(id) - desk(app).row) % len(ids)
    if not desk(app).part:
        await pilot.press("enter")
    await keys(pilot, *["n"] * ahead)
    assert desk(app).part == id
    return picture(app)


def script(run: Callable[[Pilot[Any], Workbench], Any], size: tuple[int, int] = SMALL) -> Workbench:
    app = Workbench()

    async def go(pilot: Pilot[Any]) -> None:
        await run(pilot, app)

    drive(app, go, size)
    return app


def test_the_verdict_stands_first_in_words(bench: Path) -> None:
    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await keys(pilot, "g", "v")
        assert "No bundle is open." in picture(app)
        await opened(pilot, bench / "good.mpkb")
        lines = picture(app).splitlines()
        assert lines[1] == " VALID: signature and contents intact; this does not endorse the conclusion."
        assert any("the one public key in" in line for line in lines[2:6])
        assert "linked" in picture(app)
        receipt = json.loads((bench / "data" / "mpk-tui" / "receipts.jsonl").read_text())
        assert (receipt["verdict"], receipt["case"]) == ("VALID", "case-1")

    script(run)


def test_custody_is_shown_with_what_it_gives_cause_to_ask(bench: Path) -> None:
    at = {"when": "2023-01-02T03:04:00Z"}
    log = [
        w.log_entry(0, "intake", **{"from": "Court", "to": "Anna", "seal": "A7"}, **at),
        w.log_entry(1, "transfer", **{"from": "Cy Dunn", "to": "Bo"}),
        w.log_entry(2, "seal_check", seal="A9", intact="yes"),
        {**w.log_entry(3, "artifact", id="S1", note="from image"), "result": {"hash_lists": [{"sentence": "3 match"}]}},
        w.log_entry(4, "export", seq=0),
    ]
    (bench / "held.mpkb").write_bytes(w.sealed(w.contents(log=log)).to_bytes())

    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "held.mpkb", bench / "anna.pub.pem")
        assert "2 causes to ask; 3 of custody, 0 readings, 1 taken in" in {p.state for p in desk(app).parts}
        shown = await part(pilot, "custody")
        assert "found here by rule from what was stated" in shown
        assert "entry 1: transfer from Cy Dunn, but Anna held it last" in shown
        assert "seal A9 was checked, but it travelled under seal A7" in shown
        assert "Seal check" in shown
        assert "seal_check" not in shown
        assert "2023-01-02 03:04" in shown
        assert "2023-11" not in shown, "the time of writing is not the time of the event"
        await keys(pilot, "enter")
        intake = picture(app)
        assert "Time of the event, as stated: 2023-01-02T03:04:00Z" in intake
        assert "Entry written: 2023-11-1" in intake
        await keys(pilot, "escape", "end", "enter")
        assert "Held against a hash list, as the tool recorded: 3 match" in picture(app)
        assert "Note at intake: from image" in picture(app)

    script(run)


def test_every_part_is_shown_in_full(bench: Path) -> None:
    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb")
        keyid = w.ANNA.public.keyid.hex()
        signers = await part(pilot, "signers")
        assert f"{keyid[:4]} {keyid[4:8]}" in signers
        assert "in words: " in signers
        assert "Nobody is trusted from this screen" in signers
        assert "Provenance of a suspect" in await part(pilot, "case")
        verdict = await part(pilot, "pair:S1:R1")
        assert "Recomputed here" in verdict
        assert "What was signed agrees with it." in verdict
        assert "| As the layers show." in verdict
        assert "C5" in await part(pilot, "answers:S1:R1")
        assert "Nothing speaks for it." in picture(app)
        assert "model card" in await part(pilot, "evidence:S1:R1")
        log = await part(pilot, "log")
        assert "export" in log
        await keys(pilot, "enter")
        assert isinstance(app.screen, Page)
        assert "system, offset 3600 s, not trusted" in picture(app)
        await keys(pilot, "escape")
        assert "A note." in await part(pilot, "notes")
        assert "../../evil" in await part(pilot, "docs")
        assert "config.json" in await part(pilot, "files:S1")
        tensors = await part(pilot, "tensors:S1")
        assert "b.weight" in tensors
        assert "SHA-256 over its code" in await part(pilot, "tool")
        assert "sha256" in await part(pilot, "selftest")
        assert "features.S1" in await part(pilot, "sections")
        await keys(pilot, "escape")
        assert "parts" in picture(app)
        assert app.screen.query_one("#start", RowTable).cursor == len(desk(app).parts) - 1

    script(run)


def test_enter_opens_the_part_under_the_cursor_and_moving_opens_none(bench: Path) -> None:
    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb")
        await keys(pilot, "down", "down")
        assert desk(app).part == ""
        await keys(pilot, "enter")
        assert desk(app).part == desk(app).parts[2].id
        await keys(pilot, "p")
        assert desk(app).part == desk(app).parts[1].id

    script(run)


def test_a_comparison_is_drawn_and_a_filter_can_be_typed(bench: Path) -> None:
    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb")
        id = next(p.id for p in desk(app).parts if p.id.startswith("finding:"))
        shown = await part(pilot, id)
        assert "Units correspond." in shown
        await keys(pilot, "t", "slash")
        await pilot.press(*"c.weight")
        await keys(pilot, "escape")
        assert desk(app).part == id
        await keys(pilot, "escape")
        assert desk(app).part == ""

    script(run, WIDE)


def test_the_bundle_stays_open_while_another_screen_is_shown(bench: Path) -> None:
    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb")
        await part(pilot, "log")
        await keys(pilot, "g", "0")
        await keys(pilot, "g", "v")
        assert desk(app).part == "log"
        shown = picture(app)
        assert "export" in shown
        assert "this does not endorse the conclusion." in shown

    script(run)


@pytest.mark.parametrize("size", [SMALL, pytest.param(WIDE, marks=LONG)])
def test_what_a_stranger_says_is_shown_only_on_request_and_under_a_banner(bench: Path, size: tuple[int, int]) -> None:
    said = ("case-1", "linked", "suspect")

    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "strange.mpkb")
        shown = picture(app)
        assert "UNTRUSTED:" in shown
        assert {p.id for p in desk(app).parts} <= {"verdict", "signers", "endorsements", "notices", "sections"}
        for p in desk(app).parts:
            shown += await part(pilot, p.id)
        assert not [text for text in said if text in shown]
        await keys(pilot, "c")
        assert "What may not be shown is not compared" in picture(app)
        await keys(pilot, "e")
        assert "What may not be shown is not signed" in picture(app)
        await keys(pilot, "r")
        assert "What may not be shown is not reported" in picture(app)
        await keys(pilot, "u")
        await settled(pilot)
        for p in desk(app).parts:
            assert SHOWN_ANYWAY in await part(pilot, p.id), p.id
        assert "Provenance of a suspect" in await part(pilot, "case")
        await keys(pilot, "u")
        await settled(pilot)
        assert SHOWN_ANYWAY not in picture(app)
        assert "case" not in {p.id for p in desk(app).parts}

    script(run, size)


def test_of_an_altered_bundle_nothing_is_shown_at_all(bench: Path) -> None:
    (bench / "altered.mpkb").write_bytes(w.with_blob(w.sealed(), "notes", data=b"\x90").to_bytes())

    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "altered.mpkb")
        assert "ALTERED:" in picture(app)
        await keys(pilot, "u")
        assert "Under ALTERED there is nothing that could be shown." in picture(app)
        assert "case" not in {p.id for p in desk(app).parts}

    script(run)


def test_a_missing_file_a_wrong_id_and_two_answers_to_one_question(bench: Path) -> None:
    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await keys(pilot, "g", "v")
        await form(pilot, "o", bundle=str(bench / "none.mpkb"))
        assert "none.mpkb:thereisnothingatthispath" in "".join(picture(app).replace("│", " ").split())
        assert not app.jobs.all
        await keys(pilot, "escape", "escape")
        await form(pilot, "o", bundle=str(bench / "good.mpkb"), trust=str(bench), key=str(bench / "anna.pub.pem"))
        assert "name a trust store or a key, not both" in picture(app)
        app.screen.query_one("#f-trust").value = ""  # type: ignore[attr-defined]
        app.screen.query_one("#f-id").value = "12"  # type: ignore[attr-defined]
        await keys(pilot, "ctrl+s")
        assert "64 hex digits" in picture(app)
        app.screen.query_one("#f-id").value = "00" * 32  # type: ignore[attr-defined]
        await keys(pilot, "ctrl+s")
        await settled(pilot)
        assert "REPLAY:" in picture(app)

    script(run)


def test_a_receipt_can_be_declined(bench: Path) -> None:
    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb", receipt="no")
        assert "No receipt of this check was kept" in await part(pilot, "verdict") + picture(app)
        assert not (bench / "data" / "mpk-tui" / "receipts.jsonl").exists()

    app = script(run, WIDE)
    assert desk(app).opened is not None


CASES = {
    "checkpoint-the-same-folder": ("VALID", "match"),
    "checkpoint-one-tensor-edited_fail": ("MISMATCH", "mismatch"),
    "checkpoint-extra-code_fail": ("MISMATCH", "mismatch"),
    "checkpoint-extra-code-weights-asked-for": ("VALID", "match"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_local_checkpoint_is_answered_apart_for_weights_and_folder(name: str, tmp_path: Path) -> None:
    case, (word, result) = ROOT / name, CASES[name]
    expected = json.loads((case / "expect.json").read_text())
    local = case / expected["checkpoint"]

    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, case / "bundle.mpkb", case / expected["trust"])
        await form(pilot, "c", checkpoints=f"{local}\n", match=expected.get("match", "folder"))
        await settled(pilot)
        assert f"{word}:" in picture(app)
        shown = await part(pilot, "local0")
        assert f"Result: {result}" in shown
        assert "Weights: " in shown
        assert "Folder: " in shown
        found = desk(app).opened
        assert found is not None
        names = [n for level in ("tensors", "files") for n in found.outcome.checkpoint[0][level]["changed"]]
        assert all(n in shown for n in names)

    script(run, WIDE)


def test_earlier_bundles_rerun_and_nothing(bench: Path) -> None:
    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb")
        await form(pilot, "c")
        assert "name a checkpoint, an earlier bundle" in picture(app)
        app.screen.query_one("#f-earlier").load_text(str(bench / "good.mpkb"))  # type: ignore[attr-defined]
        app.screen.query_one("#f-rerun", Choice).value = "yes"
        await keys(pilot, "ctrl+s")
        await settled(pilot)
        assert "the same bundle." in await part(pilot, "earlier0")
        assert "not run" in await part(pilot, "again:S1:R1")

    script(run)


@pytest.fixture
def key(bench: Path) -> Path:
    private.create(bench / "bo.pem", Passphrase(PASSWORD.encode()))
    return bench / "bo.pem"


def test_a_dissent_goes_into_a_new_file_which_is_checked_again(bench: Path, key: Path) -> None:
    before = (bench / "good.mpkb").read_bytes()

    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb")
        values = {"kind": "dissent", "id": "Bo", "statement": "", "key": str(key), "passphrase": PASSWORD}
        await form(pilot, "e", **values)
        assert "a dissent needs a statement" in picture(app)
        app.screen.query_one("#f-statement").load_text("I read\nthe numbers otherwise.")  # type: ignore[attr-defined]
        app.screen.query_one("#f-out").value = str(bench / "good.mpkb")  # type: ignore[attr-defined]
        await keys(pilot, "ctrl+s")
        assert "exists; it is not overwritten" in picture(app)
        app.screen.query_one("#f-out").value = str(bench / "with.mpkb")  # type: ignore[attr-defined]
        await keys(pilot, "ctrl+s")
        await settled(pilot)
        shown = picture(app)
        assert desk(app).part == "endorsements"
        assert "DISSENT by nobody that you know, as 'Bo', reviewer: untrusted" in shown
        assert "  | the numbers otherwise." in shown
        assert PASSWORD not in shown

    script(run)
    assert (bench / "good.mpkb").read_bytes() == before
    store = single_key(public.read_public(bench / "anna.pub.pem"))
    outcome = verify((bench / "with.mpkb").read_bytes(), store, w.NOW * 2)
    assert [(e.kind, e.statement) for e in outcome.endorsements] == [("dissent", "I read\nthe numbers otherwise.")]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"id": ""}, "needs a name and a role"),
        ({"key": ""}, "name your private key file"),
        ({"out": ""}, "type the path of the file to write"),
        ({"out": "/nowhere/at/all.mpkb"}, "is no folder that can be written"),
        ({"passphrase": "wrong"}, "endorse with.mpkb"),
        ({"reviewed": "no-such-section"}, "names section 'no-such-section'"),
        ({"kind": "receipt", "reviewed": "log"}, "it names no sections"),
        ({"kind": "timestamp"}, "a token belongs to a timestamp"),
    ],
)
def test_an_endorsement_that_cannot_be_made_leaves_nothing(
    values: dict[str, str], said: str, bench: Path, key: Path
) -> None:
    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb")
        good = {"id": "Bo", "key": str(key), "passphrase": PASSWORD, "out": str(bench / "with.mpkb")}
        await form(pilot, "e", **{**good, **values})
        await settled(pilot)
        assert said in " ".join(picture(app).replace("│", " ").split())
        found = desk(app).opened
        assert found is not None
        assert found.request.bundle == bench / "good.mpkb"

    script(run)
    assert not (bench / "with.mpkb").exists()


def test_after_a_wrong_passphrase_the_words_of_a_dissent_stand_there_again(bench: Path, key: Path) -> None:
    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb")
        out = str(bench / "with.mpkb")
        values = {"kind": "dissent", "id": "Bo", "statement": "I read\nit otherwise.", "key": str(key), "out": out}
        await form(pilot, "e", **values, passphrase="wrong")
        await settled(pilot)
        await form(pilot, "e", passphrase=PASSWORD)
        await settled(pilot)
        assert "DISSENT by nobody that you know, as 'Bo'" in picture(app)
        await form(pilot, "e", id="")
        assert app.screen.query_one("#f-kind").value == "concur"  # type: ignore[attr-defined]

    script(run)
    store = single_key(public.read_public(bench / "anna.pub.pem"))
    (said,) = verify((bench / "with.mpkb").read_bytes(), store, w.NOW * 2).endorsements
    assert (said.kind, said.statement) == ("dissent", "I read\nit otherwise.")


@pytest.mark.parametrize("kind", ["concur", "witness", "receipt", "timestamp"])
def test_other_kinds_can_be_given(kind: str, bench: Path, key: Path) -> None:
    (bench / "token").write_bytes(b"0\x80")

    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb")
        values = {"kind": kind, "id": "Bo", "key": str(key), "passphrase": PASSWORD, "out": str(bench / "with.mpkb")}
        if kind == "timestamp":
            values["token"] = str(bench / "token")
        if kind == "concur":
            values["reviewed"] = "log, findings"
        await form(pilot, "e", **values)
        await settled(pilot)
        shown = picture(app)
        assert kind.upper() if kind == "concur" else kind in shown
        assert kind != "concur" or "about findings, log only" in shown

    script(run)
    assert (bench / "with.mpkb").exists()


@pytest.mark.parametrize("ending", [".html", ".txt", ".json", ".dsse.json", ".intoto.json", ".cdx.json", ".hashdeep"])
def test_a_report_is_what_the_command_writes(ending: str, bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = bench / f"ours{ending}", bench / f"theirs{ending}"
    artifact = "S1" if ending == ".hashdeep" else ""

    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb", receipt="no")
        await form(pilot, "r", out=str(ours), artifact=artifact)
        await settled(pilot)
        assert "Wrote" in picture(app)

    script(run)
    args = ["report", str(bench / "good.mpkb"), "-o", str(theirs), "--key", str(bench / "anna.pub.pem")]
    assert main([*args, *(["--artifact", artifact] if artifact else [])]) == 0
    capsys.readouterr()
    a, b = ours.read_bytes(), theirs.read_bytes()
    if ending in (".html", ".txt"):
        assert a == b
    # The others state the time of the check.
    assert len(a) == len(b)
    assert sum(x != y for x, y in zip(a, b, strict=True)) < 200


def test_a_report_says_what_it_gives_away_and_what_does_not_fit(bench: Path) -> None:
    async def run(pilot: Pilot[Any], app: Workbench) -> None:
        await opened(pilot, bench / "good.mpkb")
        await form(pilot, "r", out=str(bench / "report.pdf"))
        assert "may be confidential" in picture(app)
        assert "no ending that tells a format" in picture(app)
        app.screen.query_one("#f-out").value = str(bench / "out.cdx.json")  # type: ignore[attr-defined]
        app.screen.query_one("#f-classification").value = "SECRET"  # type: ignore[attr-defined]
        await keys(pilot, "ctrl+s")
        assert "they are for reports" in picture(app)
        app.screen.query_one("#f-out").value = str(bench / "out.txt")  # type: ignore[attr-defined]
        await keys(pilot, "ctrl+s")
        await settled(pilot)

    script(run, WIDE)
    assert "SECRET" in (bench / "out.txt").read_text()
