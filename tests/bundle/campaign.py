"""Long fuzzing of bundles, run by hand; the short forms of the same run in the test suite.

    python tests/bundle/campaign.py [--mutations 200000] [--structured 50000] [--grammar 400000] [--seed 1]

Invariants:

* every turned bit of a bundle is refused;
* a mutated file is VALID only if it is byte for byte one that was signed;
* a file that was taken apart, changed and put together again is VALID only if payload and all sections are those that
  were signed, and PARTIAL only if what it still discloses is;
* canonical bytes are those that msgpack would write: what our scan accepts, packs to itself.

Prints counts by verdict; ends with an assertion error at the first breach, with the seed that shows it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import msgpack
import workshop as w
from test_mutations import mutate, small

from mpk_tui import canonical
from mpk_tui.bundle import envelope
from mpk_tui.bundle.commitments import Withheld, read_items
from mpk_tui.bundle.envelope import Blob, Envelope
from mpk_tui.bundle.outcome import CODES, Word
from mpk_tui.errors import MpkError

STORE = w.trusting(w.person("Anna", w.ANNA), w.person("Bert", w.BERT))


def signed() -> list[Envelope]:
    """Bundles of several kinds, all of them VALID."""
    one = w.sealed()
    two = w.sealed(w.contents(notes=None), w.ANNA, w.BERT)
    return [one, two, w.endorsed(one, w.BERT), w.endorsed(w.endorsed(two, w.BERT, "dissent"), w.STRANGER, "witness")]


def flips() -> Counter[str]:
    """Every single-bit flip of the least bundle and of one with everything in it."""
    found: Counter[str] = Counter()
    for data in (small(), w.endorsed(w.sealed(), w.BERT).to_bytes()):
        for n, changed in enumerate(w.flips(data)):
            outcome = w.check(changed, STORE)
            found[outcome.verdict.value] += 1
            # An endorsement by somebody whom the store does not know may be broken without harm; there is none here.
            assert outcome.verdict is not Word.VALID, n
    return found


def mutations(count: int, rng: random.Random) -> Counter[str]:
    """Byte edits."""
    bases = [e.to_bytes() for e in signed()]
    known = {*bases, *(replace(e, endorsements=e.endorsements[:n]).to_bytes() for e in signed() for n in range(3))}
    found: Counter[str] = Counter()
    for n in range(count):
        data = rng.choice(bases)
        changed = mutate(data, rng, rng.choice(bases))
        outcome = w.check(changed, STORE)
        found[outcome.verdict.value] += 1
        assert outcome.code == CODES[outcome.verdict]
        if outcome.verdict is Word.VALID and changed not in known:
            # The one place that may differ: the signature of an endorser whom nobody knows.
            assert _known_part(changed) in {_known_part(b) for b in bases}, n
            found["VALID, a stranger's endorsement broken"] += 1
        if outcome.contents is not None:
            assert outcome.verdict in (Word.VALID, Word.PARTIAL), n
    return found


def _known_part(data: bytes) -> bytes:
    """A file without the endorsements, which are no part of what the signers signed."""
    return replace(envelope.parse(data), endorsements=()).to_bytes()


def structured(count: int, rng: random.Random) -> Counter[str]:
    """Edits of the parsed file, put together again canonically."""
    bases = signed()
    sections = {(e.payload, b.id): b for e in bases for b in e.blobs}
    found: Counter[str] = Counter()
    for n in range(count):
        made = rng.choice(bases)
        for _ in range(rng.randint(1, 3)):
            made = rng.choice(EDITS)(made, rng, rng.choice(bases))
        try:
            outcome = w.check(made, STORE)
        except MpkError:  # it cannot be written: twice the same id, say
            found["not writable"] += 1
            continue
        found[outcome.verdict.value] += 1
        if outcome.verdict in (Word.VALID, Word.PARTIAL):
            assert any(made.payload == b.payload and set(made.signatures) >= set(b.signatures) for b in bases), n
            for blob in made.blobs:
                assert _discloses(sections[made.payload, blob.id], blob), (n, blob.id)
            if outcome.verdict is Word.VALID:
                assert {b.id: b for b in made.blobs} == {b.id: b for (p, _), b in sections.items() if p == made.payload}
    return found


def _discloses(original: Blob, shown: Blob) -> bool:
    """Whether every item that a section shows is one that was signed, in its place."""
    if original == shown:
        return True
    kind = {"tensors": "merkle", "log": "chain"}[shown.id.partition(".")[0]]
    ours, theirs = (read_items(kind, b.data, b.id) for b in (original, shown))
    return ours.digest == theirs.digest and all(
        isinstance(b, Withheld) or a == b for a, b in zip(ours.values, theirs.values, strict=True)
    )


def _drop(made: Envelope, rng: random.Random, other: Envelope) -> Envelope:
    return replace(made, blobs=tuple(b for b in made.blobs if rng.random() > 0.1))


def _borrow(made: Envelope, rng: random.Random, other: Envelope) -> Envelope:
    taken = rng.choice(other.blobs)
    return replace(made, blobs=tuple(taken if b.id == taken.id else b for b in made.blobs))


def _swap(made: Envelope, rng: random.Random, other: Envelope) -> Envelope:
    if len(made.blobs) < 2:
        return made
    a, b = rng.sample(made.blobs, 2)
    exchanged = {a.id: b.data, b.id: a.data}
    return replace(made, blobs=tuple(replace(x, data=exchanged.get(x.id, x.data)) for x in made.blobs))


def _edit(made: Envelope, rng: random.Random, other: Envelope) -> Envelope:
    if not made.blobs:
        return made
    blob = rng.choice(made.blobs)
    return w.with_blob(made, blob.id, data=mutate(blob.data, rng, other.payload))


def _withhold(made: Envelope, rng: random.Random, other: Envelope) -> Envelope:
    """Items replaced by their hashes, or by other hashes."""
    for blob in made.blobs:
        family = blob.id.partition(".")[0]
        if family in ("tensors", "log") and rng.random() < 0.5:
            kind = "merkle" if family == "tensors" else "chain"
            try:
                rows = canonical.decode(blob.data)
                values = read_items(kind, blob.data, blob.id).values
            except MpkError:
                continue
            n = rng.randrange(len(values)) if values else 0
            if values and not isinstance(values[n], Withheld):
                raw = canonical.encode(values[n])
                right = w.hashlib.sha256((b"\0" if kind == "merkle" else b"") + raw).digest()
                rows[n] = [right if rng.random() < 0.8 else rng.randbytes(32)]
                made = w.with_items(made, blob.id, rows)
    return made


def _salt(made: Envelope, rng: random.Random, other: Envelope) -> Envelope:
    blob = rng.choice(made.blobs) if made.blobs else None
    return made if blob is None else w.with_blob(made, blob.id, salt=rng.choice((b"", rng.randbytes(32))))


def _payload(made: Envelope, rng: random.Random, other: Envelope) -> Envelope:
    return replace(made, payload=mutate(made.payload, rng, other.payload) or b"\x80")


def _signatures(made: Envelope, rng: random.Random, other: Envelope) -> Envelope:
    kept = tuple(s for s in (*made.signatures, *other.signatures) if rng.random() < 0.7)
    return replace(made, signatures=tuple({s.keyid: s for s in kept}.values()))


def _endorsements(made: Envelope, rng: random.Random, other: Envelope) -> Envelope:
    both = [*made.endorsements, *other.endorsements]
    rng.shuffle(both)
    return replace(made, endorsements=tuple(both[: rng.randint(0, 3)]))


EDITS: tuple[Callable[[Envelope, random.Random, Envelope], Envelope], ...] = (
    _drop, _borrow, _swap, _edit, _withhold, _salt, _payload, _signatures, _endorsements
)  # fmt: skip


def grammar(count: int, rng: random.Random) -> Counter[str]:
    """Strings of msgpack tokens, most of them nearly right, against msgpack itself."""
    found: Counter[str] = Counter()
    for n in range(count):
        data = b"".join(_tokens(rng))
        try:
            canonical.scan(data)
        except MpkError as error:
            found[type(error).__name__] += 1
            continue
        found["accepted"] += 1
        value = msgpack.unpackb(data, raw=False, strict_map_key=True)
        assert msgpack.packb(value, use_bin_type=True) == data, n
        assert canonical.encode(value) == data, n
    return found


def _tokens(rng: random.Random) -> Iterator[bytes]:
    open_items = 1
    for _ in range(rng.randint(1, 14)):
        if open_items == 0 and rng.random() < 0.95:
            return
        token, opens = _token(rng)
        open_items += opens - 1
        yield token


def _token(rng: random.Random) -> tuple[bytes, int]:
    kind = rng.randrange(12)
    n = rng.choice((0, 1, 2, 3, 15, 16, 31, 32, 127, 128, 255, 256, 65535, 65536, 2**32, 2**63 - 1, 2**63))
    if kind == 0:
        return bytes([rng.randrange(256)]), 0
    if kind == 1:
        return msgpack.packb(min(n, 2**64 - 1)), 0
    if kind == 2:
        return msgpack.packb(-min(n, 2**63)), 0
    if kind == 3:
        text = "a" * min(n, 40)
        return msgpack.packb(text), 0
    if kind == 4:
        return msgpack.packb(bytes(min(n, 40))), 0
    if kind == 5:
        return rng.choice((b"\xc0", b"\xc2", b"\xc3", b"\xcb" + rng.randbytes(8), msgpack.packb(rng.random()))), 0
    if kind in (6, 7):
        count = rng.randrange(4)
        return bytes([0x90 | count]), count
    if kind in (8, 9):
        count = rng.randrange(3)
        keys = sorted(rng.sample(("a", "b", "key", "z9", "a_b"), count), reverse=rng.random() < 0.1)
        packed = [msgpack.packb(k) + msgpack.packb(rng.randrange(300)) for k in keys]
        return bytes([0x80 | count]) + b"".join(packed), 0
    if kind == 10:
        return rng.choice(
            (b"\xdc\x00\x01", b"\xde\x00\x01", b"\xd9\x01a", b"\xc5\x00\x01a", b"\xcc\x05", b"\xd0\x05")
        ), 0
    return rng.choice((b"\xc7\x01\x01a", b"\xd4\x01a", b"\xca\0\0\0\0", b"\xc1", b"\xa1\xff", b"\xa1\x80")), 0


def main() -> None:
    """Run all parts and print what was counted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, count in (("mutations", 200_000), ("structured", 50_000), ("grammar", 400_000), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=count)
    args = parser.parse_args()
    rng: Any = random.Random(args.seed)
    for name, work in (
        ("single-bit flips", flips),
        ("mutations", lambda: mutations(args.mutations, rng)),
        ("structured", lambda: structured(args.structured, rng)),
        ("grammar", lambda: grammar(args.grammar, rng)),
    ):
        start = time.monotonic()
        found = work()
        print(f"{name}: {dict(found.most_common())}  ({time.monotonic() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
