"""A whole case in a real terminal of 80 columns and 24 rows, by keys alone, and then looked at from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from test_tui_tmux import Terminal, wait
from tiny_models import checkpoint, weights

from mpk_tui.case import artifacts, create_case, open_case
from mpk_tui.keys import private
from mpk_tui.keys.passphrase import Passphrase

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

SECRET = "correct horse battery"
SOON, LONG = 60, 300
"""Seconds, for a machine on which much else runs: until a picture changes, and until a job is done."""
CARD = "Model card of the suspect\n\nThis model was fine-tuned from Base 1, release 2.\nNothing else is known of it.\n"


class Examiner:
    """Presses keys, and reads before pressing on: nothing is typed at a picture that has not come yet."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def press(self, *keys: str, until: str | Sequence[str], seconds: float = SOON) -> str:
        """Press keys in one go, then wait until the screen says something."""
        self._terminal.keys(*keys)
        return self.reads(*((until,) if isinstance(until, str) else until), seconds=seconds)

    def reads(self, *texts: str, seconds: float = SOON) -> str:
        """Wait until texts stand on the screen, however its lines are broken; the screen."""

        def shown() -> bool:
            flat = _flat(self._terminal.picture())
            return all(_flat(text) in flat for text in texts)

        wait(shown, seconds, lambda: f"{texts} not in\n{self._terminal.picture()}")
        return self._terminal.picture()

    def closes(self, title: str) -> None:
        """Press Esc, and see the page with this title gone: a key right behind an Esc reads as one with Alt."""
        self._terminal.keys("Escape")
        wait(lambda: title not in self._terminal.picture(), SOON, self._terminal.picture)

    def types(self, text: str) -> None:
        """Type one line and see its end stand there."""
        self._terminal.text(text)
        self.reads(text[-60:])

    def fills(self, *texts: str) -> None:
        """Fill fields of one line one after the other; Enter goes on from each."""
        for text in texts:
            if text:
                self.types(text)
            self._terminal.keys("Enter")

    def goes(self, digit: str, title: str) -> str:
        """Go to a place by its digit."""
        self.press("g", until="Go to")
        return self.press(digit, until=f"{title}  ")


def _flat(text: str) -> str:
    """Without line breaks, borders and double blanks."""
    return re.sub(r"[\s│▁▂▃▄▅▆▇█]+", " ", text)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal that is gone afterwards, with all that ran in it; what is remembered lies in the test's folder."""
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    made = Terminal(tmp_path)
    yield made
    made.tmux("kill-server")


@pytest.fixture
def models(tmp_path: Path) -> None:
    """The two checkpoints of the demo that are one descent, a model card, and two people's keys."""
    for name in ("base", "fine-tune"):
        with as_file(files("mpk_tui.demo") / name) as folder:
            shutil.copytree(folder, tmp_path / name)
    (tmp_path / "card.md").write_text(CARD)
    for who in ("ada", "bo"):
        private.create(tmp_path / f"{who}.pem", Passphrase(SECRET.encode()))


def test_a_whole_case_by_keys_alone(tmp_path: Path, terminal: Terminal, models: None) -> None:
    ada = Examiner(terminal)
    terminal.text(f"{sys.executable} -m mpk_tui; echo ended with $?")
    ada.press("Enter", until="n begins one")
    begin(ada)
    take_in(ada)
    measure(ada)
    gather(ada)
    judge(ada)
    review(ada)
    seal(ada, terminal)
    check(ada, terminal)
    ada.press("C-q", until="ended with 0")
    assert terminal.state() == "0 0"
    assert SECRET not in terminal.tmux("capture-pane", "-p", "-S", "-")
    from_outside(tmp_path)


def begin(ada: Examiner) -> None:
    """A new case from Home, and two statements of custody."""
    ada.press("n", until="Folder (it is made)")
    ada.fills("c14", "C-14", "Suspect against base", "Ada Roth", "X-7", "court order 7", "Is it from base?")
    ada.reads("1 Case C-14", "Purpose Is it from base?", "There is no subject")
    ada.press("c", until="A statement of custody: which?")
    ada.press("i", until="Custody: intake")
    ada.fills("Unit 7", "Ada Roth", "2026-11-20T09:00Z")
    ada.press("C-s", until=("Chain of custody", "from Unit 7; to Ada Roth"))
    ada.press("c", until="A statement of custody: which?")
    ada.press("s", until="Custody: seal check")
    ada.fills("A7")
    ada.press("Right", until="(o) yes")
    ada.press("C-s", until="seal A7")


def take_in(ada: Examiner) -> None:
    """The suspect and what it may come from: the next gap opens the form for each."""
    ada.press("N", until=("Add an artifact", "(o) subject"))
    ada.press("Enter", until="Add an artifact")
    ada.fills("fine-tune", "suspect", "cloned by Unit 7")
    ada.press("C-s", until="S1 was taken in")
    ada.press("N", until=("Add an artifact", "(o) reference"))
    ada.press("Enter", until="Add an artifact")
    ada.fills("base")
    ada.press("C-s", until=("R1 was taken in", "S1 suspect ~ R1 base"))


def measure(ada: Examiner) -> None:
    """Fingerprints, the comparison, a picture and a tensor, each cited; then the comparison as a whole."""
    ada.press("N", until="fingerprints the artifact under the cursor")
    ada.press("A", until=("S1 suspect done", "R1 base done"), seconds=LONG)
    ada.press("N", until="not compared yet")
    ada.press("c", until="shared-trained-ancestor", seconds=LONG)
    ada.press("i", "End", until="row 18 of 18")
    ada.press("Enter", until="18/18")
    ada.press("Right", until="> layer of A 1")
    ada.press("e", until="E1, kind (b)")
    ada.press("t", until="All tensors of both sides")
    ada.press("/", until="words and conditions")
    ada.types("up_proj")
    ada.press("Enter", until="of 4")
    ada.press("Down", until="row 2 of 4")
    ada.press("e", until="E2, kind (b), supports")
    ada.press("b", until="E3, kind (b)")


def gather(ada: Examiner) -> None:
    """A document, its file kept in the case, and a line of it quoted."""
    ada.goes("5", "Evidence")
    ada.press("a", until="Evidence: (a) official documentation")
    ada.fills("Model card of the suspect")
    ada.press("Down", until="› [ ] C1")
    ada.press("Space", until="[for ] C1")
    ada.press("Down", "Down", "Down", "Down", "Down", until="› [ ] 3.2")
    ada.press("Space", until="[for ] 3.2")
    ada.press("Tab", "Tab", "Tab", until="File to keep")
    ada.fills("card.md")
    ada.reads("E4 was added", "› E4")
    ada.press("q", until="1 Model card of the suspect")
    ada.press("Down", "Down", until="› 3")
    ada.press("Space", until="lines 3 to 3")
    ada.press("Down", until="lines 3 to 4")
    ada.press("Enter", until=("Where: lines 3–4", "fine-tuned from Base 1, release 2"))


def judge(ada: Examiner) -> None:
    """Five conditions, a mechanism and an exclusion: taken over, overruled with a reason, left undetermined."""
    ada.goes("6", "Conditions")
    ada.press("n", until=("[C4", "another answer needs a reason", "Reason, typing"))
    ada.types("No tensor is equal.")
    ada.press("Escape", until=("[C4 not met]", "(o) not met"))
    ada.press("Right", until="[C1")
    ada.press("e", until="Evidence, choosing")
    ada.press("End", until="› [ ] E4")
    ada.press("Space", until="goes back: E4")
    ada.press("Escape", until=("Evidence (e", "kept, but entered only with an answer"))
    ada.press("m", until="Met needs a reason")
    ada.types("The card names release 2 of the reference.")
    ada.press("Escape", until="[C1 met]")
    ada.press("d", until="Direction: you say that documents establish it")
    ada.press("Right", until="[C2")
    ada.press("u", until="[C2 undet.]")
    ada.press("Right", until="[C3")
    ada.press("t", until="[C3 undet.]")
    ada.press("Right", until="[C5")
    ada.press("t", until=("[C5 met]", "Taken over: met", "citing E3"))

    ada.goes("7", "Mechanism")
    ada.press("Right", until="[3.2")
    ada.press("t", until=("[3.2 met]", "Taken over: met"))

    ada.goes("8", "Exclusions")
    ada.press("n", until="[4.1 not met]")


def review(ada: Examiner) -> None:
    """Known gap, hashing again, rationale, and another person's reading."""
    ada.goes("9", "Review & sign")
    ada.press("k", until="What the constitution itself says it does not settle")
    ada.press("Space", until="[x]")
    ada.press("C-s", until="Known gap: ")
    ada.press("h", until=[f"{a} hashed again after the analysis: unchanged" for a in ("S1", "R1")], seconds=LONG)
    ada.press("r", until="Rationale for")
    ada.types("Card and weights agree.")
    ada.press("C-s", until=("Rationale: Card and weights agree.", "Nothing blocks a signature: s"))
    ada.press("v", until="Read-through by a second person")
    ada.fills("Bo Lind")
    screen = ada.press("C-s", until="Bo Lind reads")
    found = re.search(r"1 of (\d+)", screen)
    assert found is not None
    for page in range(2, int(found[1]) + 1):
        ada.press("n", until=f"{page} of {found[1]}")
    ada.reads("All seen: o says")
    ada.press("o", until="Bo Lind on the whole case")
    ada.press("Right", until="(o) agrees")
    ada.press("Enter", until="In your own words")
    ada.types("I repeated the comparison.")
    ada.press("C-s", until="Journalled: Bo Lind agrees.")


def seal(ada: Examiner, terminal: Terminal) -> None:
    """The signature, with a key and a passphrase that were made before."""
    ada.press("s", until=("Sign bundle 0 of case C-14", "S1:R1: linked"))
    ada.fills("ada.pem", "", "", "", "", "")
    ada.press("Tab", until="Passphrase of the key file")
    terminal.text(SECRET)
    ada.press("Enter", until=("Signed", "Bundle id"), seconds=LONG)
    ada.closes("Bundle id")


def check(ada: Examiner, terminal: Terminal) -> None:
    """The bundle as a stranger's: verified, reported, endorsed."""
    ada.goes("v", "Verify")
    ada.press("o", until="Verify a bundle")
    ada.fills("c14/C-14-0.mpkb", "", "ada.pub.pem")
    ada.press("C-s", until=("VALID", "parts"), seconds=LONG)
    ada.press("r", until="Make a report")
    ada.press("C-u", until="its ending tells the format")
    ada.fills("c14.html", "CONFIDENTIAL")
    ada.press("C-s", until="Wrote c14.html", seconds=LONG)
    ada.press("e", until="Endorse or dissent")
    ada.press("Enter", until="Your name, as signed")
    ada.fills("Bo Lind", "")
    ada.types("I agree.")
    ada.press("Tab", until="About these sections only")
    ada.fills("", "", "bo.pem")
    terminal.text(SECRET)
    ada.press("Enter", until="New file to write")
    ada.press("Enter", until=("what you see is that file, checked again", "| I agree."), seconds=LONG)


def from_outside(folder: Path) -> None:
    """What the files say to other processes."""
    bundle, endorsed, page = (
        folder / "c14" / "C-14-0.mpkb",
        folder / "c14" / "C-14-0-endorsed.mpkb",
        folder / "c14.html",
    )
    checked = run("verify", bundle, "--key", folder / "ada.pub.pem", "--checkpoint", folder / "fine-tune")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.endswith("VERDICT VALID 0\n")
    said = _flat(checked.stdout)
    for text in (
        "Linked by C1 direct descent; C5 transitivity.", "The direction is documented by evidence of kind (a).",
        "mechanisms: 3.2", "C4 undetermined → not-met, C1 undetermined → met", "“Card and weights agree.”",
        "custody intake, stated by Ada Roth", "Bo Lind", "read the case and agrees: “I repeated the comparison.”",
    ):  # fmt: skip
        assert text in said, text
    told = json.loads(run("verify", endorsed, "--key", folder / "ada.pub.pem", "--json").stdout)
    assert told["verdict"] == "VALID"
    assert [(e["id"], e["kind"]) for e in told["endorsements"]] == [("Bo Lind", "concur")]

    html = page.read_text()
    for text in ("CONFIDENTIAL", "fine-tuned from Base 1, release 2", "Card and weights agree.", "<svg"):
        assert text in html, text
    status = run("case", "status", folder / "c14")
    assert status.returncode == 0
    assert "S1:R1 shared-trained-ancestor; linked review: Bo Lind agrees ready to sign" in _flat(status.stdout)

    with open_case(folder / "c14") as case:
        assert not case.read_only, "leaving released the lock"
        assert not case.notices
        kinds = [e.kind for e in case.state.evidence["S1:R1"].values()]
        assert kinds == ["b", "b", "b", "a"]
        given = case.state.answers["S1:R1"]
        assert {q: a.answer for q, a in given.items()} == {
            "c4": "not-met", "c1": "met", "c2": "undetermined", "c3": "undetermined", "c5": "met", "3.2": "met",
            "4.1": "not-met",
        }  # fmt: skip
        assert given["c1"].evidence == ("E4",)
        assert given["c1"].direction_documented
        assert case.state.known_gaps["S1:R1"]
    assert not (folder / "c14" / "drafts.json").exists()
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert SECRET.encode() not in file.read_bytes(), file


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own."""
    command = [sys.executable, "-m", "mpk_tui", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_two_openings_a_signal_and_what_was_being_typed(tmp_path: Path, terminal: Terminal) -> None:
    """A reason is being typed while a second person opens the case; then the first process is told to end."""
    with create_case(tmp_path / "c14", id="C-14", title="Two", examiner="Ada") as case:
        for name, role, seed in (("s", "subject", 1), ("r", "reference", 2)):
            artifacts.add_artifact(case, checkpoint(tmp_path / name, weights(seed)), role=role)
    command = f"{sys.executable} -m mpk_tui c14; echo ended with $?"
    (tmp_path / "bo").mkdir()
    second = Terminal(tmp_path / "bo")
    try:
        ada, bo = Examiner(terminal), Examiner(second)
        terminal.text(command)
        ada.press("Enter", until="Open before a signature")
        holder = int((tmp_path / "c14" / "lock").read_text().split()[0])
        ada.goes("6", "Conditions")
        ada.press("n", until="[C4 not met]")
        ada.press("Right", until="[C1")
        ada.press("r", until="Reason, typing")
        ada.types("half a sentence")

        second.text(f"cd .. && {command}")
        bo.press("Enter", until=("READ ONLY", f"process {holder}"))
        bo.goes("6", "Conditions")
        bo.reads("C4 not met")
        bo.press("n", until="open for reading only")
        bo.goes("h", "History")
        bo.reads("answer S1:R1 C4: not met", "open for reading only: nothing can be taken back")

        wait(lambda: "half a sentence" in _drafts(tmp_path), SOON, lambda: _drafts(tmp_path))
        os.kill(holder, signal.SIGTERM)
        ada.reads("ended with 130")
        assert terminal.state() == "0 0"
        bo.press("C-q", until="ended with 0")

        second.text(command)
        bo.press("Enter", until="Open before a signature")
        assert "READ ONLY" not in second.picture()
        bo.goes("6", "Conditions")
        bo.press("Right", until=("[C1 –]", "half a sentence", "kept, but entered only with an answer: m, n or u"))
        bo.press("u", until="[C1 undet.]")
        bo.press("z", until=("[C1 –]", "Taken back: "))
        bo.press("y", until=("[C1 undet.]", "Restored: ", "half a sentence"))
        bo.goes("h", "History")
        bo.reads("redo entry 4", "undo entry 4")
        bo.press("Down", "Down", until="› 4")
        bo.press("Enter", until="half a sentence")
    finally:
        second.tmux("kill-server")
    with open_case(tmp_path / "c14") as case:
        assert [e.act for e in case.entries[-4:]] == ["answer", "answer", "undo", "redo"]
        assert case.state.answers["S1:R1"]["c1"].reason == "half a sentence"


def _drafts(folder: Path) -> str:
    file = folder / "c14" / "drafts.json"
    return file.read_text() if file.exists() else ""
