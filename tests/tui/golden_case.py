"""The case behind the golden screens: fixed times, names, paths and numbers, whatever machine it is made on.

Hashes are those of the checkpoints that come with the package.  The comparison is a record kept beside the screens
(`golden/compared.json`, one run of the program over two of these checkpoints, rounded to five digits): a comparison
made afresh would carry this machine's last digits.  Paths of the case are as long as the placeholders put in their
stead, so that no line breaks elsewhere.
"""

from __future__ import annotations

import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mpk_tui import __version__
from mpk_tui.case import actions, artifacts, create_case, reviewing
from mpk_tui.case.quoting import quote_lines
from mpk_tui.case.store import PATHS, Case
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.fingerprint.hashing import hash_checkpoint
from mpk_tui.fingerprint.record import Feature, Fingerprint

GOLDEN = Path(__file__).parent / "golden"
MODELS = Path(__file__).resolve().parents[2] / "mpk_tui" / "demo"
BEGUN = 1_741_597_200_000_000_000
"""2025-03-10 09:00 UTC in nanoseconds; every look at the clock is 40 seconds later."""
STEP = 40_000_000_000
STANDS_FOR = "/home/examiner/cases"
"""What the pictures show in place of the temporary folder; of the same length."""
CARD = """Aurora Chat 0.9

License: see LICENSE.txt
Intended use: conversation in English.

Training
Aurora Chat was fine-tuned from Helix Base on 40,000 dialogues,
two epochs, learning rate 1e-5.
The tokenizer is that of Helix Base.
"""


@dataclass(frozen=True)
class Place:
    """Where everything lies.

    Attributes:
        root: Temporary folder; shown as `STANDS_FOR`.
        case: The case's folder in it.
    """

    root: Path

    @property
    def case(self) -> Path:
        """The case's folder."""
        return self.root / "2025-014"

    def told(self, picture: str) -> str:
        """A picture with placeholders for what differs from machine to machine and from version to version."""
        version = f"mpk-tui {__version__}"
        return picture.replace(str(self.root), STANDS_FOR).replace(version, f"mpk-tui {'#' * len(__version__)}")


@contextmanager
def somewhere() -> Iterator[Place]:
    """A temporary folder whose path is as long as the one that stands for it."""
    above = "/tmp"
    room = len(STANDS_FOR) - len(above) - 1
    folder = Path(tempfile.mkdtemp(prefix="golden-"[: room - 8].ljust(room - 8, "-"), dir=above))
    assert len(str(folder)) == len(STANDS_FOR)
    try:
        yield Place(folder)
    finally:
        shutil.rmtree(folder)


@contextmanager
def slow_clock(patch: pytest.MonkeyPatch, begun: int = BEGUN) -> Iterator[None]:
    """The clock that journals are dated by: a fixed moment, then a step a look."""
    ticks = itertools.count(begun, STEP)
    with patch.context() as p:
        p.setattr("time.time_ns", lambda: next(ticks))
        yield


def fingerprint(model: str) -> Fingerprint:
    """What is known of one of the checkpoints without any computing: hashes; its features are empty arrays."""
    with_headers = open_checkpoint(MODELS / model)
    hashes = hash_checkpoint(with_headers)
    features = {
        name: Feature(name, 2, {"units": 1}, "<f2", (1,), bytes(2)) for name in ("ffn.aligned", "residual.embeddings")
    }
    return Fingerprint(
        "mpk-tui 1.0", "safetensors", "llama", "transformer-lm", hashes.files, hashes.tensors,
        {"model_type": "llama", "layers": 4}, {"vocabulary": 512}, {}, features, (),
    )  # fmt: skip


def record(a: Fingerprint, b: Fingerprint) -> dict[str, Any]:
    """The kept comparison, of these two fingerprints."""
    out: dict[str, Any] = json.loads((GOLDEN / "compared.json").read_text("utf-8"))
    for side, made in (("a", a), ("b", b)):
        out[side] |= {"root": made.root.hex(), "fingerprint": made.digest.hex()}
    return out


def take_in(case: Case, name: str, role: str, label: str, path: str, note: str = "") -> None:
    """An artifact as the journal has it; its path is nowhere on this machine."""
    case.keep(PATHS, name, path.encode())
    facts = {"id": name, "role": role, "label": label, "name": path.rpartition("/")[2], "note": note}
    case.append("artifact", facts)


def build(place: Place) -> None:
    """A case in the middle of its work: one pair compared and judged, one to do."""
    with create_case(
        place.case, id="2025-014", title="Aurora Chat: from which model?", examiner="R. Lindqvist", exhibit="EX-7",
        authority="District Court of Uppsala, order 4411/25", purpose="Which of two published models it was made from",
    ) as c:  # fmt: skip
        actions.custody(
            c, "intake", "", **{"from": "Court registry", "to": "R. Lindqvist", "when": "2025-03-07T14:20Z",
                                "seal": "A-1187", "condition": "sealed bag, undamaged", "place": "evidence room 2"},
        )  # fmt: skip
        actions.custody(c, "seal_check", "", seal="A-1187", intact="yes", when="2025-03-10T08:45Z")
        take_in(c, "S1", "subject", "aurora-chat", "/media/exhibit7/models/aurora-chat", "image of the seized drive")
        take_in(c, "R1", "reference", "helix-base", "/srv/references/helix/helix-base")
        take_in(c, "R2", "reference", "helix-twin", "/srv/references/helix/helix-twin")
        suspect, base = fingerprint("fine-tune"), fingerprint("base")
        artifacts.record_fingerprint(c, "S1", suspect)
        artifacts.record_fingerprint(c, "R1", base)
        pair = "S1:R1"
        actions.record_comparison(c, pair, record(suspect, base))
        actions.evidence_from_comparison(c, pair)
        card = place.root / "model-card.md"
        card.write_text(CARD, "utf-8")
        kept = actions.attach(c, card)
        said = quote_lines(c, kept, 7, 8)
        actions.add_evidence(
            c, pair, kind="a", supports=("c1", "3.2"), source="Model card of Aurora Chat 0.9, as found on the exhibit",
            locator=said.locator, excerpt=said.excerpt, attached=kept,
        )  # fmt: skip
        actions.add_evidence(
            c, pair, kind="context", source="Both configurations", excerpt="the same layers, widths and vocabulary"
        )
        actions.add_evidence(
            c, pair, kind="denial", opposes=("c1",), source="Letter of Aurora AB, 3 March 2025", locator="page 1",
            excerpt="Aurora Chat was developed in our own laboratories.",
        )  # fmt: skip
        actions.note(c, "The drive was read through a write blocker; its serial number is on the photograph.")
        actions.answer(c, "c4", "not-met", pair=pair, reason="The hashes differ.", evidence=("E1",))
        actions.answer(c, "c2", "undetermined", pair=pair)
        actions.answer(
            c, "c5", "met", pair=pair, reason="Every layer corresponds and learned structure is kept.",
            evidence=("E1",), basis="common-trained-ancestor",
        )  # fmt: skip
        actions.answer(
            c, "3.2", "met", pair=pair, reason="Small changes in all layers; the card says fine-tuned.",
            evidence=("E1", "E2"),
        )  # fmt: skip
        actions.answer(c, "4.1", "met", pair=pair, reason="An error of mine.", evidence=())
        actions.undo(c)
        actions.set_rationale(c, pair, "The layers correspond one by one; the model card names the same source.")
        reviewing.review(c, who="M. Okafor", outcome="read", pair=pair, text="I read every answer of this pair.")
