"""A case with two references and, on request, a comparison written by hand: judged without measuring anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mpk_tui.case import actions, artifacts, create_case
from mpk_tui.case.store import Case

RECORD: dict[str, Any] = {
    "schema": "mpk-tui/compare/1", "finding": "shared-trained-ancestor", "sentence": "One ancestor.",
    "tool": {"name": "mpk-tui", "version": "0"}, "tests": [], "components": [], "context": [], "limits": [],
    "notices": [], "identity": {"pairs": 3, "equal": 0, "differing": [], "only_a": [], "only_b": []},
    "a": {"root": "", "fingerprint": "00", "label": "s"}, "b": {"root": "", "fingerprint": "00", "label": "r"},
    "mechanisms": [{"number": "3.2", "title": "Fine-tuning", "for": ["small change"], "against": []}],
    "proposal": {
        "conditions": {
            "c5": {"answer": "met", "reason": "An ancestor.", "basis": "common-trained-ancestor"},
            "c2": {"answer": "undetermined", "reason": "Not visible.", "basis": ""},
        },
        "mechanisms": ["3.2"], "exclusions": [],
    },
}  # fmt: skip


def begun(folder: Path, *, references: int = 1, compared: bool = False) -> Path:
    """A case of a subject ``suspect`` and references ``ref1``, ``ref2``, …; its folder."""
    with create_case(folder / "case", id="T-1", title="Test", examiner="Kim") as case:
        for name, role in (("suspect", "subject"), *((f"ref{n}", "reference") for n in range(1, references + 1))):
            (folder / name).mkdir()
            artifacts.add_artifact(case, folder / name, role=role)
        if compared:
            for pair in case.state.pairs:
                actions.record_comparison(case, pair, RECORD)
    return folder / "case"


def documented(case: Case, pair: str, *questions: str) -> None:
    """Answer questions of a pair met, on a document."""
    item = actions.add_evidence(case, pair, kind="a", source="card", supports=questions)
    for question in questions:
        actions.answer(case, question, "met", pair=pair, reason="named", evidence=(item.id,))
