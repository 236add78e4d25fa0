"""A case, a shelf and a folder in which every text that a stranger can choose is chosen by one; and the same, harmless.

Both have one shape, so that what a terminal gets for the one can be held against what it gets for the other.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tiny_models import checkpoint, weights

from mpk_tui.case import actions, artifacts, create_case
from mpk_tui.case.evidence import evidence_from_row
from mpk_tui.constitution.answers import Hop
from mpk_tui.fingerprint import record as fingerprints

for folder in ("report", "bundle"):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / folder))
import workshop as w  # noqa: E402
from hostile import bundle as hostile_bundle  # noqa: E402

from mpk_tui.keys import public  # noqa: E402

GOLDEN = Path(__file__).parent / "golden"
MARK = "OWNED"
"""In every payload that a terminal could act on."""
STEER = (
    f"\x1b[2J\x1b[31m\x1b]0;{MARK}\x07\x1b]52;c;{MARK}\x07\x1b]8;;http://{MARK}.invalid\x1b\\x\x1b]8;;\x1b\\"
    f"\x1bP1;1|{MARK}\x1b\\\x1b_{MARK}\x1b\\\x1b^{MARK}\x1b\\\x1bX{MARK}\x1b\\\x1b(0\x1bc\x1b[6n\x1b[?1049l"
)
EIGHT_BIT = f"\x9b31m\x9b2J\x9d0;{MARK}\x9c\x90{MARK}\x9c\x9f{MARK}\x9c\x84\x85\x8d"
MARKUP = f"[/][bold red]x[@click=app.quit]q[/] [link=http://{MARK}.invalid]l[/link] [$primary][/ \\[ [b]]"
BIDI = "\u202egnp.exe\u202c \u2066x\u2069\u2067y \u200f\u061c\u200bz\ufeff\u00ad\u2060\u200e"
FLOOD = "Z" + "\u0301\u0489" * 200
LINES = "one\r\ntwo\ttabbed\rback\x0b\x0c\u2028\u2029\x85end"
WIDE = "漢字かな한글🤦🏽\u200d♂️👨\u200d👩\u200d👧🏳️\u200d🌈 مرحبا שלום"
ODD = "\x00\x01\x07\x08\x0e\x0f\x7f \U000e0041\ue000\ufffe\U000f0000 \u115f\u3164\u2800\ufe0f"
CORPUS = (STEER, EIGHT_BIT, MARKUP, BIDI, FLOOD, LINES, WIDE, ODD)


@dataclass(frozen=True)
class Texts:
    """What stands in the fields.

    Attributes:
        whole: All of the corpus in one, and long.
        name: What a field of a thousand bytes holds.
        short: What a line of 40 shows most of.
        files: Names of files, as bytes, fit for a file system.
    """

    whole: str
    name: str
    short: str
    files: tuple[bytes, ...]


def cut(text: str, most: int) -> str:
    """So many bytes of UTF-8 at most."""
    return text.encode("utf-8")[:most].decode("utf-8", "ignore")


EVIL = Texts(
    " ".join(CORPUS) + " " + "A" * 10_000,
    cut(" ".join((STEER, MARKUP, BIDI, EIGHT_BIT, LINES, WIDE, ODD, FLOOD)), 1000),
    cut(f"x{MARKUP[:12]}\x1b[2J\x9b31m\u202egnp\r\n\t漢字", 120),
    tuple(
        b
        for b in (
            cut(STEER.replace("/", "_"), 200).encode(), cut(MARKUP.replace("/", "_"), 200).encode(),
            cut(BIDI + LINES, 200).encode(), b"\xff\xfe\x9b31m\x1b[2J.bin", cut(WIDE, 200).encode(),
            EIGHT_BIT.encode()[:180],
        )
    ),
)  # fmt: skip
BENIGN = Texts(
    "word " * 2600, "word " * 200, "a name that is harmless",
    tuple(f"file-{n} of a harmless name.bin".encode() for n in range(len(EVIL.files))),
)  # fmt: skip


def poisoned(value: Any, text: str, key: str = "") -> Any:
    """A record with a text in every place that holds one, but for what a case goes by."""
    if key in ("schema", "root", "fingerprint", "finding", "answer", "basis", "mechanisms", "exclusions"):
        return value
    if isinstance(value, dict):
        return {k: poisoned(v, text, k) for k, v in value.items()}
    if isinstance(value, list):
        return [poisoned(v, text) for v in value]
    return text if isinstance(value, str) else value


def model(folder: Path, seed: int, texts: Texts) -> Path:
    """A checkpoint whose tensors, files and configuration are named by a stranger."""
    tensors = dict(list(weights(seed).items())[:6])
    for n, name in enumerate((texts.name.replace("\x00", ""), texts.short, texts.whole.replace("\x00", "")[:12_000])):
        tensors[f"{name}.{n}.weight"] = next(iter(weights(seed + n).values()))[:2]
    made = checkpoint(folder, tensors)
    config = json.loads((made / "config.json").read_text())
    config |= {"_name_or_path": texts.whole, "model_type": texts.short, "architectures": [texts.name]}
    (made / "config.json").write_text(json.dumps(config))
    for name in texts.files:
        Path(os.fsdecode(os.fsencode(made) + b"/" + name)).write_bytes(name)
    return made


def build(root: Path, texts: Texts) -> Path:
    """The case; its folder is called ``c1``."""
    named = os.fsdecode(os.fsencode(root) + b"/" + texts.files[1])
    suspect = model(Path(named), 1, texts)
    base = model(root / "base", 5, texts)
    with create_case(
        root / "c1", id="T-1", title=texts.name, examiner=texts.name, exhibit=texts.name, authority=texts.name,
        purpose=texts.name,
    ) as c:  # fmt: skip
        artifacts.add_artifact(c, suspect, role="subject", label=texts.name, note=texts.whole)
        artifacts.add_artifact(c, base, role="reference", label=texts.short, note=texts.whole)
        for name in ("S1", "R1"):
            artifacts.fingerprint_artifact(c, name)
        pair = "S1:R1"
        compared = poisoned(json.loads((GOLDEN / "compared.json").read_text("utf-8")), texts.short)
        for side, id in (("a", "S1"), ("b", "R1")):
            made = artifacts.stored_fingerprint(c, id)
            compared[side] |= {"root": made.root.hex(), "fingerprint": made.digest.hex(), "label": texts.whole}
        compared["sentence"], compared["notices"], compared["limits"] = texts.whole, [texts.whole], [texts.whole]
        actions.record_comparison(c, pair, compared)
        actions.evidence_from_comparison(c, pair)
        evidence_from_row(c, pair, part="identity", locator=texts.name, excerpt=texts.name)
        paper = Path(os.fsdecode(os.fsencode(root) + b"/" + texts.files[0]))
        paper.write_bytes("\n".join([texts.short, texts.whole, *texts.whole.split(" ")]).encode() + b"\xff\x9b2J\n")
        kept = actions.attach(c, paper)
        for kind in ("a", "b", "c", "context", "denial"):
            actions.add_evidence(
                c, pair, kind=kind, supports=() if kind in ("context", "denial") else ("c1", "c5"),
                opposes=("c1",) if kind == "denial" else (), source=texts.name, locator=texts.name, excerpt=texts.name,
                attached=kept if kind in ("a", "b") else "",
            )  # fmt: skip
        for question in ("c4", "c2", "c3", "4.1", "4.2"):
            actions.answer(c, question, "not-met", pair=pair, reason=texts.whole)
        actions.answer(
            c, "c5", "met", pair=pair, reason=texts.whole, evidence=("E1", "E3"),
            hops=(Hop(texts.name, texts.short, "c1"), Hop(texts.short, texts.name, "c1")), resolution=texts.whole,
        )  # fmt: skip
        actions.answer(c, "3.2", "met", pair=pair, reason=texts.whole, evidence=("E1",), resolution=texts.whole)
        actions.set_rationale(c, pair, texts.whole)
        actions.note(c, texts.whole)
        # What the program itself would not take, a journal from elsewhere may hold all the same.
        for act, fields in (("intake", ("from", "to", "how", "seal", "condition", "place")), ("mount", ("device",))):
            c.append(act, {"id": "S1", **dict.fromkeys(fields, texts.whole)}, note=texts.whole)
        c.append(
            "review", {"outcome": "dissents", "pair": pair, "verdict": texts.name}, note=texts.whole,
            who=texts.name, role="reviewer",
        )  # fmt: skip
    return root / "c1"


def shelf(data: Path, texts: Texts, case: Path) -> None:
    """A library whose files a stranger named and filled; one is no fingerprint."""
    folder = data / "mpk-tui" / "library"
    folder.mkdir(parents=True)
    bytes_of = (case / "fingerprints" / "S1.mpkf").read_bytes()
    for n, name in enumerate(texts.files):
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name + b".mpkf"))
        path.write_bytes(b"no fingerprint" if n == 2 else bytes_of)
    assert fingerprints.looks_like_fingerprint(folder / os.fsdecode(texts.files[0] + b".mpkf"))


def bundle(root: Path, texts: Texts) -> Path:
    """A bundle with the text in every field, signed by whom one trusts; the key lies beside it."""
    (root / "anna.pub.pem").write_bytes(public.pem(w.ANNA.public))
    path = root / "b.mpkb"
    path.write_bytes(hostile_bundle(texts.name).to_bytes())
    return path
