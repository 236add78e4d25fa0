"""Writes ``bundles/``: every hostile and odd bundle as a folder that any verifier can be held to.

    python tests/bundle/make_suite.py bundles

The same bytes on every run: keys, salts and times are fixed (and published: they must never be trusted outside tests).
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import workshop as w
from test_hostile_bundles import CASES

from mpk_tui.bundle.outcome import CODES, Word
from mpk_tui.keys.public import pem

PLAIN = {
    "0 plain": (w.sealed, "VALID"),
    "0b two signers, one trusted": (lambda: w.sealed(None, w.ANNA, w.BERT), "VALID"),
    "0c endorsed by a stranger": (lambda: w.endorsed(w.sealed(), w.STRANGER), "VALID"),
    "99 unknown key": (lambda: w.sealed(None, w.STRANGER), "UNTRUSTED"),
    "110 dated years ahead": (
        lambda: w.with_manifest(w.sealed(), lambda m: m.update(created=250_000_000_000_000)), "REPLAY"),
    "118 endorsement of another bundle": (
        lambda: w.endorsed(w.sealed(), w.ANNA, target=w.sha("another bundle")), "ALTERED"),
    "119 endorsement of other signatures": (lambda: w.endorsed(w.sealed(), w.ANNA, sigs=w.sha("others")), "ALTERED"),
}  # fmt: skip


def suite() -> Iterator[tuple[str, str, bytes, Word]]:
    """Folder name, title, bytes and required answer of every case."""
    for title, (make, word) in {**PLAIN, **CASES}.items():
        made = make()
        data = made if isinstance(made, bytes) else made.to_bytes()
        answer = Word(word)
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        number = re.match(r"(\d+)([a-z]?)\b", title)
        if number:
            name = f"{int(number[1]):03}{number[2]}-{name[len(number[0]) + 1 :]}"
        yield name + ("" if answer in (Word.VALID, Word.PARTIAL) else "_fail"), title, data, answer


def write(root: Path) -> None:
    """Write all folders below ``root``, which is emptied of earlier ones."""
    root.mkdir(exist_ok=True)
    for old in root.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    (root / "trusted.pub.pem").write_bytes(pem(w.ANNA.public))
    for name, title, data, answer in suite():
        folder = root / name
        folder.mkdir()
        (folder / "bundle.mpkb").write_bytes(data)
        expected = {"verdict": answer.value, "exit_code": int(CODES[answer])}
        (folder / "expect.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(
            f"# {title}\n\nWith `../trusted.pub.pem` as the only trusted key the answer is **{answer.value}** (exit "
            f"{int(CODES[answer])}).\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
