"""What a stranger's bundle says is shown only where its verdict lets it be shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mpk_tui.bundle.checking import Checked, Request
from mpk_tui.bundle.outcome import ON_REQUEST, SHOWN, Outcome, Word
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.keys.whom import Whom
from mpk_tui.tui.screens.verify.screen import parts_of
from mpk_tui.tui.verifying import Opened

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bundle"))
import workshop as w

SECRETS = ("case-1", "Provenance of a suspect", "As the layers show.", "model card", "A note.", "linked", "I disagree.")
ALWAYS = {"verdict", "signers", "endorsements", "notices", "sections"}


def opened(outcome: Outcome, *, untrusted: bool) -> Opened:
    return Opened(Request(Path("x.mpkb")), Whom(), Checked(outcome, TrustStore(), b"", w.NOW), (), untrusted)


def text(of: Opened) -> str:
    """Everything that the parts of a bundle hold: lists, texts, tables and the details of their rows."""
    out = []
    for part in parts_of(of):
        out += [part.title, part.state, part.about]
        if part.text is not None:
            out.append(str(part.text().content()))
        if part.table is not None:
            table = part.table()
            out += [cell for row in table.rows for cell in row]
            out += [f"{k} {v}" for n in range(len(table.rows)) for k, v in table.details(n)]
    return "\n".join(out)


def bundle() -> w.Envelope:
    return w.endorsed(w.sealed(), w.BERT, "dissent", statement="I disagree.")


def test_a_trusted_bundle_is_shown_whole() -> None:
    shown = text(opened(w.check(bundle()), untrusted=False))
    assert not [s for s in SECRETS if s not in shown]


@pytest.mark.parametrize("untrusted", [False, True])
@pytest.mark.parametrize("word", list(Word))
def test_the_verdict_decides_what_is_shown(word: Word, untrusted: bool) -> None:
    outcome = w.check(bundle()).at_most(word, "")
    if outcome.verdict is not word:
        assert word is Word.VALID or list(Word).index(outcome.verdict) < list(Word).index(word)
        return
    of = opened(outcome, untrusted=untrusted)
    shown = text(of)
    if word in SHOWN or (word in ON_REQUEST and untrusted):
        assert not [s for s in SECRETS if s not in shown]
    else:
        assert not [s for s in SECRETS if s in shown]
        assert {p.id for p in parts_of(of)} <= ALWAYS
        assert "not shown" in shown


def test_a_stranger_is_named_and_nothing_else_is_said() -> None:
    shown = text(opened(w.check(bundle(), w.trusting(w.person("Carla", w.CARLA))), untrusted=False))
    assert "untrusted: nobody that you know" in shown
    assert w.ANNA.public.keyid.hex()[:4] in shown
    assert not [s for s in SECRETS if s in shown]


def test_what_is_withheld_says_so() -> None:
    shown = text(opened(w.check(w.without_blob(w.sealed(), "answers", "log", "findings")), untrusted=False))
    for name in ("answers", "log", "findings"):
        assert f"Section {name} is withheld" in shown
    assert "Not recomputed" in shown
