"""The proof of one tensor: it holds alone, and nothing but the very tensor at its very place holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import workshop as w
from keyfiles import key_files
from test_recheck import SUBJECT, write_folder
from workshop import ANNA, BERT, DAY, NOW, STRANGER, person, trusting

from mpk_tui import canonical, hashtree
from mpk_tui.bundle import dsse
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.later import proofs, redact
from mpk_tui.bundle.later.proofs import Proof
from mpk_tui.bundle.later.redact import Selection
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.trust import Revocation, TrustStore
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.cli import main
from mpk_tui.errors import UsageError
from mpk_tui.fingerprint.hashing import hash_checkpoint, hash_tensor

STORE = trusting()
ONE = w.sealed()


def proof_of(made: Envelope, name: str, artifact: str = "S1") -> Proof:
    body = w.check(made).manifest
    assert body is not None
    return proofs.prove(made, body, artifact, name)


GOOD = proof_of(ONE, "b.weight")
RAW = GOOD.to_bytes()


def answer(made: Proof | bytes, store: TrustStore = STORE, now: int = NOW) -> str:
    return proofs.check(made if isinstance(made, bytes) else made.to_bytes(), store, now).verdict.value


def test_it_says_which_tensor_of_which_bundle() -> None:
    outcome = proofs.check(RAW, STORE, NOW)
    assert outcome.verdict is Word.VALID
    assert outcome.bundle_id == dsse.bundle_id(ONE.payload)
    assert outcome.tensor == tuple(w.TENSORS["S1"][1])
    assert "number 2 of the 3 of artifact S1" in outcome.words
    assert "Nothing else of that bundle" in outcome.words
    assert RAW[:7] == b"\x99\xa5MPKI1"
    assert proofs.parse(RAW) == GOOD


@pytest.mark.parametrize("count", [*range(1, 20), 32, 33, 69])
def test_every_tensor_of_lists_of_many_sizes(count: int) -> None:
    rows = [w.tensor(f"t{n:03}", f"content {n}") for n in range(count)]
    made = w.with_section(w.without_blob(ONE, "locations.S1"), "tensors.S1", rows)
    blob, body = w.blob(made, "tensors.S1"), w.check(ONE).manifest
    assert body is not None
    for n in range(count):
        one = proofs.prove(made, body, "S1", f"t{n:03}")
        assert answer(one) == "VALID"
        assert answer(replace(one, index=(n + 1) % count)) == ("VALID" if count == 1 else "ALTERED")
        assert answer(replace(one, path=(*one.path, bytes(32)))) == "ALTERED"
        if one.path:
            assert answer(replace(one, path=one.path[:-1])) == "ALTERED"
    assert canonical.decode(blob.data) == rows


def item(row: list[Any]) -> bytes:
    return canonical.encode(row)


FORGED: dict[str, tuple[Callable[[], Proof], str]] = {
    "97 wrong index": (lambda: replace(GOOD, index=0), "ALTERED"),
    "97b index beyond the list": (lambda: replace(GOOD, index=3), "ALTERED"),
    "97c smaller list": (lambda: replace(GOOD, count=2), "ALTERED"),
    "97d larger list": (lambda: replace(GOOD, count=4), "ALTERED"),
    "97e extra hash": (lambda: replace(GOOD, path=(*GOOD.path, bytes(32))), "ALTERED"),
    "97f hash missing": (lambda: replace(GOOD, path=GOOD.path[1:]), "ALTERED"),
    "97g no path": (lambda: replace(GOOD, path=()), "ALTERED"),
    "hashes in another order": (lambda: replace(GOOD, path=GOOD.path[::-1]), "ALTERED"),
    "another tensor": (lambda: replace(GOOD, item=item(w.TENSORS["S1"][0])), "ALTERED"),
    "another digest": (lambda: replace(GOOD, item=item(w.tensor("b.weight", "other"))), "ALTERED"),
    "another artifact": (lambda: replace(GOOD, section="tensors.R1"), "ALTERED"),
    "an artifact that is not there": (lambda: replace(GOOD, section="tensors.X"), "ALTERED"),
    "a section that is no list of tensors": (lambda: replace(GOOD, section="log"), "ALTERED"),
    "a blob": (lambda: replace(GOOD, section="norm"), "ALTERED"),
    "an inner node offered as an item": (
        lambda: replace(GOOD, index=0, item=inner(), path=GOOD.path[1:]), "ALTERED"),
    "signatures of another bundle": (
        lambda: replace(GOOD, signatures=w.sealed(w.contents(notes=[])).signatures), "ALTERED"),
    "manifest of another bundle": (lambda: replace(GOOD, payload=w.sealed(w.contents(notes=[])).payload), "ALTERED"),
    "signed by a stranger instead": (lambda: replace(GOOD, signatures=w.sealed(None, STRANGER).signatures), "ALTERED"),
    "one bit of a signature": (
        lambda: replace(GOOD, signatures=(replace(GOOD.signatures[0], sig=bytes(64)),)), "ALTERED"),
    "other type": (lambda: replace(GOOD, payload_type=dsse.ENDORSEMENT_TYPE), "UNSUPPORTED"),
    "no signature": (lambda: replace(GOOD, signatures=()), "MALFORMED"),
    "a path of 65 hashes": (lambda: replace(GOOD, path=(bytes(32),) * 65), "LIMIT"),
}  # fmt: skip


def inner() -> bytes:
    a, b = (hashtree.leaf_hash(item(row)) for row in w.TENSORS["S1"][:2])
    return a + b


@pytest.mark.parametrize("name", FORGED)
def test_forgeries(name: str) -> None:
    make, word = FORGED[name]
    made = make()
    try:
        data = made.to_bytes()
    except Exception:
        assert word == "LIMIT"
        import msgpack

        rows = [[s.keyid, s.sig] for s in made.signatures]
        data = msgpack.packb(
            [proofs.MAGIC, made.payload_type, made.payload, rows, made.section, made.index, made.count, made.item,
             list(made.path)], use_bin_type=True,
        )  # fmt: skip
    outcome = proofs.check(data, STORE, NOW)
    assert outcome.verdict.value == word, outcome.words
    assert outcome.tensor is None
    assert outcome.shown(untrusted=True) is None


def test_an_item_that_is_no_tensor_is_malformed() -> None:
    made = w.with_section(w.without_blob(ONE, "locations.S1"), "tensors.S1", [["x"] * 2])
    body = w.check(ONE).manifest
    assert body is not None
    one = proofs.prove(made, body, "S1", "x")
    assert answer(one) == "MALFORMED"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "MALFORMED"), (RAW[:6], "MALFORMED"), (RAW[:-1], "MALFORMED"), (RAW + b"\0", "MALFORMED"),
        (RAW[:6] + b"2" + RAW[7:], "UNSUPPORTED"), (RAW[:6] + b"x" + RAW[7:], "MALFORMED"),
        (ONE.to_bytes(), "MALFORMED"), (b"\x98" + RAW[1:], "MALFORMED"), (bytes(proofs.MOST_BYTES + 1), "LIMIT"),
        (RAW[:7] + b"\xdd\xff\xff\xff\xff", "LIMIT"),
    ],
)  # fmt: skip
def test_what_is_no_proof(data: bytes, word: str) -> None:
    assert answer(data) == word


def test_a_proof_is_no_bundle() -> None:
    assert w.check(RAW).verdict is Word.MALFORMED


def test_no_bit_can_be_turned() -> None:
    words = {answer(changed) for n, changed in enumerate(w.flips(RAW)) if n % 11 == 0}
    assert words <= {"ALTERED", "MALFORMED", "UNSUPPORTED", "LIMIT"}


TRUST: dict[str, tuple[TrustStore, int, str]] = {
    "unknown": (trusting(person("Bert", BERT)), NOW, "UNTRUSTED"),
    "nobody": (TrustStore(), NOW, "UNTRUSTED"),
    "two needed": (trusting(person("Anna", ANNA), needed={"*": 2}), NOW, "UNTRUSTED"),
    "ended since": (trusting(person("Anna", ANNA, not_after=NOW - 1)), NOW, "EXPIRED"),
    "revoked": (trusting(person("Anna", ANNA, revoked=Revocation(0, "left"))), NOW, "REVOKED"),
    "dated ahead": (STORE, NOW - 30 * DAY, "REPLAY"),
}


@pytest.mark.parametrize("name", TRUST)
def test_trust_is_asked_as_for_a_bundle(name: str) -> None:
    store, now, word = TRUST[name]
    outcome = proofs.check(RAW, store, now)
    assert outcome.verdict.value == word
    assert outcome.shown() is None
    assert outcome.shown(untrusted=True) == tuple(w.TENSORS["S1"][1])


def test_what_cannot_be_proven() -> None:
    hidden = redact.withhold(ONE, Selection((), (("tensors.S1", 1),)))
    for made, artifact, name in (
        (ONE, "S1", "x"), (ONE, "X", "b.weight"), (hidden, "S1", "b.weight"),
        (w.without_blob(ONE, "tensors.S1"), "S1", "b.weight"),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            proof_of(made, name, artifact)
    assert answer(proof_of(hidden, "c.weight")) == "VALID"
    assert proof_of(hidden, "a.weight").path == proof_of(ONE, "a.weight").path


def test_one_tensor_is_hashed_as_in_the_whole(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(write_folder(tmp_path / "c", SUBJECT, shards=2))
    for one in hash_checkpoint(checkpoint).tensors:
        assert hash_tensor(checkpoint, one.name) == one
    assert hash_tensor(checkpoint, "x") is None


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    checkpoint = open_checkpoint(write_folder(tmp_path / "c", SUBJECT))
    rows = [[t.name, t.dtype, list(t.shape), t.nbytes, t.sha256] for t in hash_checkpoint(checkpoint).tensors]
    from test_recheck import default_verdict

    made = w.sealed(w.contents(
        tensors__S1=rows, locations__S1=None, findings=[], evidence=[], answers=[],
        verdict={"pairs": [default_verdict()], "decided_by": "Anna", "decided_at": 1},
    ))  # fmt: skip
    (tmp_path / "good.mpkb").write_bytes(made.to_bytes())
    return key_files(tmp_path, anna=ANNA, bert=BERT)


def test_the_commands(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, key, name = bench / "p.mpki", str(bench / "anna.pub.pem"), next(iter(SUBJECT))
    assert (
        main(["bundle", "prove", str(bench / "good.mpkb"), "--tensor", f"S1:{name}", "-o", str(out), "--key", key]) == 0
    )
    capsys.readouterr()
    check = ["bundle", "check-proof", str(out), "--key", key]
    assert main(check) == 0
    said = capsys.readouterr().out
    assert said.strip().endswith("VERDICT VALID 0")
    assert name in said
    assert main([*check, "--checkpoint", str(bench / "c"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tensor"]["name"] == name
    changed = {**SUBJECT, name: bytes(64)}
    for folder, tensors in (("changed", changed), ("without", {n: t for n, t in SUBJECT.items() if n != name})):
        assert main([*check, "--checkpoint", str(write_folder(bench / folder, tensors))]) == 21
        assert capsys.readouterr().out.strip().endswith("VERDICT MISMATCH 21")
    assert main([*check, "--checkpoint", str(bench / "nowhere")]) == 40
    assert capsys.readouterr().out.strip().endswith("VERDICT INTERNAL 40")


def test_an_untrusted_proof_shows_nothing(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, name = bench / "p.mpki", next(iter(SUBJECT))
    prove = ["bundle", "prove", str(bench / "good.mpkb"), "--tensor", f"S1:{name}", "-o", str(out)]
    assert main([*prove, "--key", str(bench / "bert.pub.pem")]) == 11
    assert not out.exists()
    assert main([*prove, "--key", str(bench / "anna.pub.pem")]) == 0
    assert main([*prove, "--key", str(bench / "anna.pub.pem")]) == 40
    capsys.readouterr()
    check = ["bundle", "check-proof", str(out), "--key", str(bench / "bert.pub.pem"), "--checkpoint", str(bench / "c")]
    assert main(check) == 11
    assert name not in capsys.readouterr().out
    assert main([*check, "--json"]) == 11
    assert json.loads(capsys.readouterr().out)["tensor"] is None
    assert main([*check, "--show-untrusted"]) == 11
    assert name in capsys.readouterr().out
    assert main(["bundle", "check-proof", "/dev/zero"]) == 40
    assert main([*prove[:4], "b.weight", "-o", str(bench / "q"), "--key", str(bench / "anna.pub.pem")]) == 2
