"""VALID means byte for byte what was signed: every bit turned, every length cut, thousands of mutations."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import workshop as w

from mpk_tui import canonical
from mpk_tui.bundle import listing, wording
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.outcome import CODES, Outcome, Word
from mpk_tui.errors import MpkError


def small() -> bytes:
    """The least that a bundle can hold: one artifact without tensors of note, no pair answered."""
    artifacts = w.contents().sections["artifacts"]
    for a in artifacts:
        a["label"] = "x"
    made = w.contents(
        artifacts=artifacts, notes=None, docs=None, doc__0=None, features__S1=None, locations__S1=None,
        tensors__S1=[w.tensor("a", "a")], tensors__R1=[w.tensor("a", "b")], findings=[], evidence=[], answers=[],
        checkpoint__S1=w.checkpoint_section(), checkpoint__R1=w.checkpoint_section(),
        verdict={"pairs": [_default_verdict()], "decided_by": "A", "decided_at": 1},
        log=[w.log_entry(0, "export", seq=0)],
    )  # fmt: skip
    return w.sealed(made).to_bytes()


def _default_verdict() -> dict[str, object]:
    from mpk_tui.constitution import norm
    from mpk_tui.constitution.verdict import decide

    verdict = decide(norm.load(), {}, [])
    more = {"rationale": "", "alternatives": [], "limitations": [], "known_gaps": []}
    return {"pair": w.PAIR, **verdict.as_record(), **more}


def test_the_small_bundle_is_valid() -> None:
    assert w.check(small()).verdict is Word.VALID


def test_no_turned_bit_is_ever_valid(capsys: pytest.CaptureFixture[str]) -> None:
    data = small()
    found: Counter[str] = Counter()
    for changed in w.flips(data):
        outcome = w.check(changed)
        assert outcome.verdict is not Word.VALID
        assert outcome.contents is None or outcome.verdict is Word.PARTIAL
        found[outcome.verdict.value] += 1
    assert sum(found.values()) == 8 * len(data)
    assert found["VALID"] == found["PARTIAL"] == 0
    with capsys.disabled():
        print(f" {sum(found.values())} single-bit flips: {dict(found)} ", end="")


def test_no_cut_is_anything_but_malformed_or_limit() -> None:
    data = small()
    found = {w.check(data[:n]).verdict for n in range(len(data))}
    assert found <= {Word.MALFORMED, Word.LIMIT}
    assert Word.MALFORMED in found


def mutate(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """One to four edits: bytes, runs, insertions, cuts, copies from elsewhere or from another bundle."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out)) if out else 0
        length = rng.randint(1, 40)
        kind = rng.randrange(6)
        if kind == 0:
            out[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del out[at : at + length]
        elif kind == 2:
            out[at:at] = rng.randbytes(length)
        elif kind == 3:
            start = rng.randrange(len(data))
            out[at : at + length] = data[start : start + length]
        elif kind == 4:
            start = rng.randrange(len(other))
            out[at : at + length] = other[start : start + length]
        else:
            out[at:at] = out[at : at + length]
    return bytes(out)


def test_mutations_are_valid_only_if_nothing_changed() -> None:
    rng = random.Random(20261123)
    data, other = w.sealed().to_bytes(), w.sealed(w.contents(notes=None), w.ANNA, w.BERT).to_bytes()
    found: Counter[Word] = Counter()
    for _ in range(4000):
        changed = mutate(data, rng, other)
        outcome: Outcome = w.check(changed)
        found[outcome.verdict] += 1
        assert outcome.code == CODES[outcome.verdict]
        if outcome.verdict is Word.VALID:
            assert changed == data
        if outcome.verdict not in (Word.VALID, Word.PARTIAL):
            assert outcome.contents is None
    assert found[Word.ALTERED] > 100
    assert found[Word.MALFORMED] > 100


def test_every_mutated_envelope_part_is_refused_or_identical() -> None:
    """Mutations inside blobs, re-packed so that the envelope stays well-formed: the digests must catch them."""
    rng = random.Random(7)
    base = w.sealed()
    for blob in base.blobs:
        for _ in range(25):
            data = mutate(blob.data, rng, base.payload)
            outcome = w.check(w.with_blob(base, blob.id, data=data))
            assert outcome.verdict in (Word.ALTERED, Word.MALFORMED, Word.LIMIT) or data == blob.data, blob.id


STRANGE: tuple[Any, ...] = (
    None, True, 0, -1, 1 << 62, 1.5, "", "c5", "\u202e" * 9, "S1:S1:S1", b"", bytes(32), [], {}, [[]], [b"x"], {"a": [1]},
)  # fmt: skip


def variants(value: Any) -> Iterator[Any]:
    """Every version of a plain value with one place exchanged for something strange, dropped or doubled."""
    yield from STRANGE
    if isinstance(value, dict):
        for name in value:
            yield {k: v for k, v in value.items() if k != name}
            for inner in variants(value[name]):
                yield {**value, name: inner}
        yield {**value, "zz": 1}
    if isinstance(value, list) and value:
        yield value[1:]
        yield [*value, value[-1]]
        for inner in variants(value[0]):
            yield [inner, *value[1:]]


def test_signed_nonsense_ends_in_a_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    """A signer may be hostile: whatever stands in a field, correctly signed, no foreign exception comes out."""
    base = w.sealed()
    rng = random.Random(3)
    found: Counter[str] = Counter()
    for blob in base.blobs:
        if blob.id == "doc.0":
            continue
        every = list(variants(canonical.decode(blob.data)))
        for value in rng.sample(every, min(60, len(every))):
            try:
                made = w.with_section(base, blob.id, value)
            except (MpkError, TypeError):  # no items to count: the workshop cannot commit to it
                continue
            found[answer(made)] += 1
    every = list(variants(canonical.decode(base.payload)))
    for value in rng.sample(every, 300):
        found[answer(w.resigned(base, canonical.encode(value)))] += 1
    assert found["MALFORMED"] > 500
    assert sum(found.values()) > 1000
    with capsys.disabled():
        print(f" {sum(found.values())} signed: {dict(found)} ", end="")


def answer(made: Envelope) -> str:
    outcome = w.check(made)
    for untrusted in (False, True):  # showing it must not fail either
        wording.as_record(outcome, untrusted=untrusted)
        contents = outcome.shown(untrusted=untrusted)
        if contents is not None:
            listing.lines(contents)
            listing.sections_record(contents)
        assert all(isinstance(line, str) for line in wording.lines(outcome, untrusted=untrusted))
    return outcome.verdict.value
