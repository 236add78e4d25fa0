"""The verdict function on the twelve example pairs of the norm's summary (section 8), and on what never links."""

from __future__ import annotations

from functools import partial

from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import Answer, Evidence
from mpk_tui.constitution.verdict import decide
from mpk_tui.selftest.check import Question

# Models, what is answered *met* with documents behind it, the label that follows.
_GOLDEN = (
    ("Llama-2-7B", "Llama-2-7B-chat", ("c1", "3.2"), "linked"),
    ("BERT-base", "DistilBERT", ("c2", "3.5"), "linked"),
    ("Mistral-7B", "Zephyr-7B-beta", ("c1", "3.2"), "linked"),
    ("Llama-2-7B", "CodeLlama-7B", ("c1", "3.3"), "linked"),
    ("RoBERTa-base", "SecureBERT", ("c1", "3.4"), "linked"),
    ("Phi-1.5", "Phi-2", ("c3", "3.6"), "linked"),
    ("Llama-2-7B", "Open LLaMA 7B", ("4.1",), "exclusion established"),
    ("Llama-2-7B", "Llama-2-13B", ("4.2",), "exclusion established"),
    ("T5-small", "mT5-small", ("4.3",), "exclusion established"),
    ("BERT-base", "RoBERTa-base", ("4.5",), "exclusion established"),
    ("BERT-base", "ALBERT-base-v2", ("4.6",), "exclusion established"),
    ("Pythia-1.4B", "Pythia-1.4B-deduped", ("4.4",), "exclusion established"),
)
_DEFAULT = "provenance not established (default)"
_RECORD = "ab" * 32


def questions() -> list[Question]:
    """Twelve pairs, and four ways in which nothing may be linked."""
    golden = [
        Question(f"verdict on {a} and {b}, {' and '.join(met).upper()} documented", display, partial(_verdict, met))
        for a, b, met, display in _GOLDEN
    ]
    return [
        *golden,
        Question("C1 met without evidence", _DEFAULT, lambda: _verdict(("c1",), None)),
        Question(
            "C1 met with context alone",
            _DEFAULT,
            lambda: _verdict(("c1",), Evidence("E1", "context", ("c1",), (), "x")),
        ),
        Question(
            "C5 met with a comparison that found no correspondence",
            _DEFAULT,
            lambda: _verdict(("c5",), _comparison("no-correspondence"), "common-trained-ancestor"),
        ),
        Question(
            "C5 met with a comparison that found a trained ancestor",
            "linked",
            lambda: _verdict(("c5",), _comparison("shared-trained-ancestor"), "common-trained-ancestor"),
        ),
    ]


def _comparison(finding: str) -> Evidence:
    return Evidence("E1", "b", ("c5",), (), "comparison", "", "", "", finding, _RECORD)


def _verdict(met: tuple[str, ...], item: Evidence | str | None = "documents", basis: str = "") -> str:
    if isinstance(item, str):
        item = Evidence("E1", "a", met, (), "release notes")
    answers = {q: Answer(q, "met", "as documented", ("E1",), "", basis if q == "c5" else "") for q in met}
    return decide(norm.load(norm.CURRENT), answers, [] if item is None else [item]).display
