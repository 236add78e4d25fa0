"""A checkpoint held against what was recorded of it: itself, another one, and itself with a file more or changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.local import recheck
from mpk_tui.bundle.manifest import CaseFacts, ToolFacts
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.fingerprint.hashing import hash_checkpoint
from mpk_tui.selftest.check import Question
from mpk_tui.selftest.reading import demo_folder

_TOOL = ToolFacts("", "", bytes(32), "", {}, "", "", None)


def questions() -> list[Question]:
    """The demonstration's base model, as a verifier with a copy of it would hold it against a bundle."""
    return [
        Question("a checkpoint held against itself", "VALID", lambda: _word("base", [])),
        Question("another checkpoint held against it", "MISMATCH", lambda: _word("twin", [])),
        Question("itself with a file that was not examined", "MISMATCH", lambda: _word("base", ["extra"])),
        Question("itself with a file that was changed", "MISMATCH", lambda: _word("base", ["changed"])),
        Question("itself without tensors that were examined", "PARTIAL", lambda: _word("base", ["more"])),
    ]


def _word(name: str, odd: list[str]) -> str:
    contents = _recorded(demo_folder("base"), odd)
    return recheck.recheck(Outcome(Word.VALID, ""), contents, [demo_folder(name)]).verdict


def _recorded(folder: Path, odd: list[str]) -> Contents:
    """What a bundle records of a folder; where the two are to differ, the record is changed and not the folder."""
    made = hash_checkpoint(open_checkpoint(folder))
    tensors: list[list[Any]] = [[t.name, t.dtype, list(t.shape), t.nbytes, t.sha256] for t in made.tensors]
    files = [{"path": f.path, "kind": f.kind, "size": f.size, "sha256": f.sha256, "link": f.link} for f in made.files]
    config = next(f for f in files if f["path"] == "config.json")
    if "extra" in odd:
        files.remove(config)
    if "changed" in odd:
        config["sha256"] = bytes(32)
    if "more" in odd:
        tensors.append(["zzz.weight", "F32", [1], 4, bytes(32)])
    artifact = {"id": "S1", "label": "base"}
    sections = {"artifacts": [artifact], "tensors.S1": tuple(tensors), "checkpoint.S1": {"files": files}}
    return Contents(CaseFacts("self-test"), 0, None, 0, _TOOL, sections)
