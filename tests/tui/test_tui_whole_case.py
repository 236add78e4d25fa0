"""A whole case in a real terminal of 80 columns and 24 rows, by keys alone, and then looked at from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from test_tui_tmux import Terminal, wait

from mpk_tui.case import create_case, open_case
from mpk_tui.keys import private
from mpk_tui.keys.passphrase import Passphrase

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

SECRET = "correct horse battery"
SOON, LONG = 12, 300
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
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal that is gone afterwards, with all that ran in it; what the workbench remembers lies in it too."""
    for name in ("DATA", "CACHE", "CONFIG"):
        os.environ[f"XDG_{name}_HOME"] = str(tmp_path / name.lower())
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
    ada.press("C-s", until=("Wrote", "c14.html"), seconds=LONG)
    ada.press("e", until="Endorse or dissent")
    ada.press("Enter", until="Your name, as signed")
    ada.fills("Bo Lind", "")
    ada.types("I agree.")
    ada.press("Tab", until="About these sections only")
    ada.fills("", "", "bo.pem")
    terminal.text(SECRET)
    ada.press("Enter", until="New file to write")
    ada.press("Enter", until=("Wrote", "C-14-0-endorsed.mpkb"), seconds=LONG)


def from_outside(folder: Path) -> None:
    """What the files say to other processes."""
    bundle, endorsed, report = folder / "c14" / "C-14-0.mpkb", folder / "c14" / "C-14-0-endorsed.mpkb", folder / "c14.html"
    print(run("verify", str(bundle), "--key", str(folder / "ada.pub.pem")))
    print(run("case", "status", str(folder / "c14")))
    assert 0


def run(*args: str) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own."""
    return subprocess.run([sys.executable, "-m", "mpk_tui", *args], capture_output=True, text=True, check=False)
