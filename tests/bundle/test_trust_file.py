"""Signed trust stores: shape, who must have signed, what may follow what, and what an expired one does to a verdict.

The table of rotations has the cases of tuf-conformance (root rotation, duplicate keys and signatures, rollback, skipped
versions, expiry) in the terms of this format.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import stores as s
import workshop as w
from stores import ROOT_A, ROOT_B, ROOT_C, ROOT_S2, root
from workshop import ANNA, BERT, CREATED, DAY, NOW, STRANGER

from mpk_tui import canonical
from mpk_tui.bundle import build, dsse, trust_file, wording
from mpk_tui.bundle.envelope import Blob, Envelope, SealedEndorsement, Signature
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.trust import ANY, Policy, Revocation
from mpk_tui.errors import LimitError, MalformedError, MpkError, TrustStoreError, UnsupportedError, UsageError
from mpk_tui.hashtree import tagged
from mpk_tui.keys.signing import sign_bundle

ONE = s.store()


def plain(data: bytes) -> Any:
    return canonical.decode(s.read(data).payload)


def test_what_is_written_is_read() -> None:
    policy = Policy({"analyst": 2, ANY: 3}, "s2")
    bert = s.person(
        "Bert", w.Pair("bert"), roles=("reviewer", "analyst"), min_suite="s2", org="Lab", not_before=5, not_after=9,
        revoked=Revocation(7, "left"),
    )  # fmt: skip
    anna = s.person("Anna", ANNA)
    data = s.store(bert, anna, policy=policy, seq=4, prev=bytes(32), roots=root(ROOT_A, ROOT_S2, threshold=2))
    file = s.read(data)
    assert file.to_bytes() == data
    assert file.body.people == (anna, bert)
    assert file.body.policy == policy
    assert (file.body.seq, file.body.prev) == (4, bytes(32))
    assert file.body.root == root(ROOT_A, ROOT_S2, threshold=2)
    store = file.store()
    assert store.dated == s.STORE_CREATED
    assert store.edition is not None
    assert (store.edition.number, store.edition.id, store.edition.given) == (4, file.id, False)
    assert file.id == dsse.sha256(dsse.pae(dsse.TRUST_TYPE, file.payload))


def test_the_roots_fingerprint_covers_every_key_and_the_threshold() -> None:
    value = {"keys": [[{"alg": "ed25519", "pub": ROOT_A.public.raw}]], "threshold": 1}
    assert root(ROOT_A).fingerprint == tagged("root", canonical.encode(value))
    several = [
        root(ROOT_A), root(ROOT_B), root(ROOT_A, ROOT_B), root(ROOT_A, ROOT_B, threshold=2), root(ROOT_S2),
        root(ROOT_S2.first),
    ]  # fmt: skip
    assert len({r.fingerprint for r in several}) == len(several)


def rotten(value: dict[str, Any]) -> None:
    value["people"][0]["keys"][0]["pub"] = (1).to_bytes(32, "little")


def two_owners(value: dict[str, Any]) -> None:
    value["people"].append({**value["people"][0], "id": "zoe"})


def key(k: w.Key) -> dict[str, Any]:
    return {"alg": "ed25519", "pub": k.public.raw}


def mixed_order() -> bytes:
    """A root key plus a point of order 8: a good encoding, and not of prime order."""
    from mpk_tui.bundle import ed25519 as e

    low = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
    a, b = e.decompress(ROOT_A.public.raw), e.decompress(low)
    assert a is not None
    assert b is not None
    x, y, z, _ = e.add(a, b)
    inverse = pow(z, e.P - 2, e.P)
    return (y * inverse % e.P | (x * inverse % e.P & 1) << 255).to_bytes(32, "little")


# Payload changed and signed again by the root: every one is refused when it is read.
SHAPES: dict[str, tuple[Callable[[dict[str, Any]], Any], type[MpkError], str]] = {
    "no field missing": (lambda v: v.pop("policy"), MalformedError, "policy"),
    "no version": (lambda v: v.pop("v"), MalformedError, "'v'"),
    "version is no pair": (lambda v: v.update(v=1), MalformedError, "array of 2"),
    "another major version": (lambda v: v.update(v=[2, 0]), UnsupportedError, "version 2.0"),
    "unknown field": (lambda v: v.update(more=1), MalformedError, "unknown field"),
    "unknown field of a person": (lambda v: v["people"][0].update(more=1), MalformedError, "unknown field"),
    "unknown critical field": (lambda v: v.update(v=[1, 1], crit=["more"], more=1), UnsupportedError, "'more'"),
    "unknown critical field, known minor": (lambda v: v.update(crit=["more"]), UnsupportedError, "'more'"),
    "number 0": (lambda v: v.update(seq=0), MalformedError, "seq"),
    "number is true": (lambda v: v.update(seq=True), MalformedError, "seq"),
    "number beyond the end": (lambda v: v.update(seq=(1 << 31) + 1), MalformedError, "seq"),
    "the first after another": (lambda v: v.update(prev=bytes(32)), MalformedError, "with a store before"),
    "the second after none": (lambda v: v.update(seq=2), MalformedError, "without a store before"),
    "prev too short": (lambda v: v.update(seq=2, prev=bytes(31)), MalformedError, "prev"),
    "expires when it was made": (lambda v: v.update(expires=v["created"]), MalformedError, "expires before"),
    "expires after the year 9999": (lambda v: v.update(expires=253_402_300_800_000), MalformedError, "expires"),
    "created is a float": (lambda v: v.update(created=1.5), MalformedError, "created"),
    "no root": (lambda v: v["root"].update(keys=[]), MalformedError, "at least 1"),
    "nine holders": (lambda v: v["root"].update(keys=[[key(ANNA)]] * 9), LimitError, "at most 8"),
    "holder without a key": (lambda v: v["root"].update(keys=[[]]), MalformedError, "at least 1"),
    "holder with three keys": (lambda v: v["root"].update(keys=[[key(ANNA)] * 3]), LimitError, "at most 2"),
    "holder with two keys of one kind": (
        lambda v: v["root"].update(keys=[[key(ANNA), key(BERT)]]), MalformedError, "no suite"),
    "s2 halves in the wrong order": (
        lambda v: v["root"].update(
            keys=[[{"alg": "ml-dsa-65", "pub": ROOT_S2.keys[1].raw}, {"alg": "ed25519", "pub": ROOT_S2.keys[0].raw}]]
        ), MalformedError, "no suite"),
    "only the second half": (
        lambda v: v["root"].update(keys=[[{"alg": "ml-dsa-65", "pub": ROOT_S2.keys[1].raw}]]), MalformedError, "no suite"),
    "duplicate key ids: one key for two holders": (
        lambda v: v["root"].update(keys=[[key(ROOT_A)], [key(ROOT_A)]], threshold=2), MalformedError, "two holders"),
    "one half for two holders": (
        lambda v: v["root"].update(
            keys=[[{"alg": k.alg, "pub": k.raw} for k in ROOT_S2.keys], [key(ROOT_S2.first)]], threshold=2
        ), MalformedError, "two holders"),
    "root key of 31 bytes": (lambda v: v["root"]["keys"][0][0].update(pub=bytes(31)), MalformedError, "31 bytes"),
    "root key of low order": (
        lambda v: v["root"]["keys"].append([{"alg": "ed25519", "pub": (1).to_bytes(32, "little")}]), MalformedError,
        "prime order"),
    "root key of mixed order": (
        lambda v: v["root"]["keys"].append([{"alg": "ed25519", "pub": mixed_order()}]), MalformedError, "prime order"),
    "root key of an unknown kind": (lambda v: v["root"]["keys"][0][0].update(alg="rsa"), MalformedError, "one of"),
    "threshold 0": (lambda v: v["root"].update(threshold=0), MalformedError, "threshold of 0"),
    "threshold -1": (lambda v: v["root"].update(threshold=-1), MalformedError, "threshold"),
    "threshold true": (lambda v: v["root"].update(threshold=True), MalformedError, "threshold"),
    "threshold above the holders": (lambda v: v["root"].update(threshold=2), MalformedError, "threshold of 2"),
    "more in the root": (lambda v: v["root"].update(more=1), MalformedError, "unknown field"),
    "more in the root, newer minor": (
        lambda v: (v.update(v=[1, 1]), v["root"].update(more=1)), MalformedError, "unknown field"),
    "a revoked key in the root": (
        lambda v: v["people"].append(
            {"id": "zoe", "name": "Zoe", "org": "", "roles": ["*"], "min_suite": "s1",
             "keys": [{**key(ROOT_A), "not_before": None, "not_after": None,
                       "revoked": {"at": 5, "reason": "superseded"}}]}
        ), MalformedError, "still stands in the root"),
    "115 one key for two people": (two_owners, MalformedError, "belongs to"),
    "one person twice": (lambda v: v["people"].append(v["people"][0]), MalformedError, "twice or out of order"),
    "people out of order": (
        lambda v: v["people"].append({**v["people"][0], "id": "aaron", "keys": [
            {**key(BERT), "not_before": None, "not_after": None, "revoked": None}]}), MalformedError, "out of order"),
    "person without a key": (lambda v: v["people"][0].update(keys=[]), MalformedError, "at least 1"),
    "person with a low-order key": (rotten, MalformedError, "prime order"),
    "one key twice": (lambda v: v["people"][0]["keys"].append(v["people"][0]["keys"][0]), MalformedError, "belongs to"),
    "a role twice": (lambda v: v["people"][0].update(roles=["a", "a"]), MalformedError, "twice or out of order"),
    "no role": (lambda v: v["people"][0].update(roles=[]), MalformedError, "at least 1"),
    "a role in capitals": (lambda v: v["people"][0].update(roles=["Analyst"]), MalformedError, "a string like"),
    "an id that is a path": (lambda v: v["people"][0].update(id="../anna"), MalformedError, "a string like"),
    "valid to before valid from": (
        lambda v: v["people"][0]["keys"][0].update(not_before=9, not_after=8), MalformedError, "before the one"),
    "valid from before 1970": (lambda v: v["people"][0]["keys"][0].update(not_before=-1), MalformedError, "not_before"),
    "revoked for no known reason": (
        lambda v: v["people"][0]["keys"][0].update(revoked={"at": 1, "reason": "lost"}), MalformedError, "one of"),
    "a suite of the future for a person": (lambda v: v["people"][0].update(min_suite="s3"), UnsupportedError, "'s3'"),
    "a suite of the future for all": (lambda v: v["policy"].update(min_suite="s3"), UnsupportedError, "'s3'"),
    "102 nobody is needed": (lambda v: v["policy"].update(needed=[["*", 0]]), MalformedError, "threshold of 0"),
    "no need at all": (lambda v: v["policy"].update(needed=[]), MalformedError, "at least 1"),
    "a need twice": (lambda v: v["policy"].update(needed=[["*", 1], ["*", 2]]), MalformedError, "twice"),
    "needs out of order": (lambda v: v["policy"].update(needed=[["b", 1], ["a", 2]]), MalformedError, "order"),
    "crit is a string": (lambda v: v.update(crit="more"), MalformedError, "crit"),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_no_store_is_refused_when_it_is_read(name: str) -> None:
    change, error, words = SHAPES[name]
    with pytest.raises(error, match=words) as caught:
        trust_file.parse(s.changed(ONE, change), "x.mpkt")
    assert caught.value.where is not None
    assert caught.value.where.startswith("x.mpkt")


def test_a_newer_minor_version_is_read_and_what_was_passed_over_is_told() -> None:
    file = s.read(s.changed(ONE, lambda v: (v.update(v=[1, 7], more=1), v["people"][0].update(mood="good"))))
    assert [place.partition(".")[2] for place in file.unknown] == ["more", "people[0].mood"]
    trust_file.check_own(file)


def test_critical_fields_that_are_known_are_no_obstacle() -> None:
    assert s.read(s.changed(ONE, lambda v: v.update(crit=["people", "root"]))).body.crit == ("people", "root")


SEALED = s.signed(s.body(), ROOT_A)
ENVELOPES: dict[str, tuple[bytes, type[MpkError]]] = {
    "empty": (b"", MalformedError),
    "other": (b"hello", MalformedError),
    "another magic": (ONE.replace(b"MPKB1", b"MPKB2"), UnsupportedError),
    "a bundle": (w.sealed().to_bytes(), UnsupportedError),
    "an endorsement's type": (replace(SEALED, payload_type=dsse.ENDORSEMENT_TYPE).to_bytes(), UnsupportedError),
    "with a blob": (replace(SEALED, blobs=(Blob("x", b"", b"y"),)).to_bytes(), MalformedError),
    "with an endorsement": (
        replace(SEALED, endorsements=(SealedEndorsement(b"x", SEALED.signatures),)).to_bytes(), MalformedError),
    "not signed": (replace(SEALED, signatures=()).to_bytes(), MalformedError),
    "one signature twice": (
        canonical.encode(["MPKB1", dsse.TRUST_TYPE, SEALED.payload, [[x.keyid, x.sig] for x in SEALED.signatures] * 2, [], []]),
        MalformedError),
    "payload is no map": (s.signed(canonical.encode([1]), ROOT_A).to_bytes(), MalformedError),
    "payload is not canonical": (s.signed(b"\x81\xd9\x01v\x01", ROOT_A).to_bytes(), MalformedError),
    "something after it": (ONE + b"\x00", MalformedError),
    "too large": (ONE + bytes(trust_file.FILE_BYTES), LimitError),
}  # fmt: skip


@pytest.mark.parametrize("name", ENVELOPES)
def test_what_is_no_file_of_a_store(name: str) -> None:
    data, error = ENVELOPES[name]
    with pytest.raises(error):
        trust_file.parse(data)


def test_cut_short_anywhere() -> None:
    for n in range(len(ONE)):
        with pytest.raises((MalformedError, LimitError)):
            trust_file.parse(ONE[:n])


TWO_OF_THREE = root(ROOT_A, ROOT_B, ROOT_C, threshold=2)
OWN: dict[str, tuple[bytes, str]] = {
    "its single holder": (ONE, ""),
    "nobody of the root": (s.store(by=(ROOT_B,)), "0 did"),
    "two of three": (s.store(roots=TWO_OF_THREE, by=(ROOT_A, ROOT_C)), ""),
    "three of three": (s.store(roots=TWO_OF_THREE, by=(ROOT_A, ROOT_B, ROOT_C)), ""),
    "one of three, two needed": (s.store(roots=TWO_OF_THREE, by=(ROOT_A,)), "1 did"),
    "one of three and a stranger": (s.store(roots=TWO_OF_THREE, by=(ROOT_A, STRANGER)), "1 did"),
    "both halves": (s.store(roots=root(ROOT_S2), by=(ROOT_S2,)), ""),
    "the first half only": (s.store(roots=root(ROOT_S2), by=(ROOT_S2.first,)), "0 did"),
    "the second half only": (
        s.without(s.store(roots=root(ROOT_S2), by=(ROOT_S2,)), ROOT_S2.keys[0].keyid), "0 did"),
    "an s1 and an s2 holder": (s.store(roots=root(ROOT_A, ROOT_S2, threshold=2), by=(ROOT_A, ROOT_S2)), ""),
    "two keys of one holder are one holder": (
        s.store(roots=root(ROOT_A, ROOT_S2, threshold=2), by=(ROOT_S2,)), "1 did"),
    "a stranger beside": (s.store(by=(ROOT_A, STRANGER)), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_a_threshold_of_its_own_root_must_have_signed(name: str) -> None:
    data, words = OWN[name]
    if not words:
        trust_file.check_own(s.read(data))
        return
    with pytest.raises(TrustStoreError, match=words):
        trust_file.check_own(s.read(data))


def test_a_bad_signature_of_a_holder_spoils_the_store_even_if_enough_others_signed() -> None:
    file = s.read(s.store(roots=TWO_OF_THREE, by=(ROOT_A, ROOT_B, ROOT_C)))
    for n in range(3):
        record = file.signatures[n]
        broken = Signature(record.keyid, bytes([record.sig[0] ^ 1]) + record.sig[1:])
        spoiled = replace(file, signatures=(*file.signatures[:n], broken, *file.signatures[n + 1 :]))
        with pytest.raises(TrustStoreError, match="does not fit"):
            trust_file.check_own(spoiled)


@pytest.mark.parametrize("kind", [dsse.BUNDLE_TYPE, dsse.ENDORSEMENT_TYPE, ""])
def test_a_signature_over_another_kind_of_message_counts_for_nothing(kind: str) -> None:
    payload = s.body().to_bytes()
    message = dsse.pae(kind, payload) if kind else payload
    sealed = Envelope(dsse.TRUST_TYPE, payload, (Signature(ROOT_A.public.keyid, ROOT_A.sign(message)),), (), ())
    with pytest.raises(TrustStoreError, match="does not fit"):
        trust_file.check_own(s.read(sealed.to_bytes()))


AB = root(ROOT_A, ROOT_B, threshold=2)
FIRST_AB = s.store(roots=AB, by=(ROOT_A, ROOT_B))
TWO = s.after(ONE)
OTHER_ONE = s.store(s.person("Bert", BERT))
# Current store, offered store, and what the refusal says; nothing if it is accepted.
ROTATIONS: dict[str, tuple[bytes, bytes, str]] = {
    "the next one": (ONE, TWO, ""),
    "the next one, other people": (ONE, s.after(ONE, s.person("Bert", BERT)), ""),
    "rollback: an older one": (TWO, ONE, "number 1; number 2 is in use"),
    "111 skipped version: N+2 at N": (ONE, s.after(TWO), "number 2 is missing"),
    "fast forward: N+9 at N": (ONE, s.after(ONE, seq=10), "numbers 2 to 9 is missing"),
    "fast forward to the last number": (ONE, s.after(ONE, seq=1 << 31), "is missing"),
    "another one of the same number": (ONE, OTHER_ONE, "another store of number 1"),
    "follows another one of that number": (ONE, s.after(OTHER_ONE), "follows another store of number 1"),
    "prev is made up": (ONE, s.after(ONE, prev=bytes(32)), "follows another store"),
    "older than the one before": (ONE, s.after(ONE, created=s.STORE_CREATED - 1), "older than the store in use"),
    "of the same moment": (ONE, s.after(ONE, created=s.STORE_CREATED), ""),
    "from the future": (ONE, s.after(ONE, created=NOW + 2 * DAY, expires=NOW + 3 * DAY), "this machine's future"),
    "expired: a step on the way": (ONE, s.after(ONE, expires=NOW - 1), ""),
    "after an expired one": (s.store(expires=NOW - 1), s.after(s.store(expires=NOW - 1)), ""),
    "root rotation, signed by both": (ONE, s.after(ONE, roots=root(ROOT_B), by=(ROOT_A, ROOT_B)), ""),
    "112 self-signed only by the new root": (ONE, s.after(ONE, roots=root(ROOT_B), by=(ROOT_B,)), "root of number 1"),
    "112b only by the old root": (ONE, s.after(ONE, roots=root(ROOT_B), by=(ROOT_A,)), "its own root"),
    "signed by a stranger": (ONE, s.after(ONE, by=(STRANGER,)), "root of number 1"),
    "new root, and a stranger for the old one": (
        ONE, s.after(ONE, roots=root(ROOT_B), by=(STRANGER, ROOT_B)), "root of number 1"),
    "old threshold not met": (FIRST_AB, s.after(FIRST_AB, roots=root(ROOT_A), by=(ROOT_A,)), "2 of 2 holder"),
    "old threshold met, new one lower": (FIRST_AB, s.after(FIRST_AB, roots=root(ROOT_A), by=(ROOT_A, ROOT_B)), ""),
    "new threshold not met": (ONE, s.after(ONE, roots=AB, by=(ROOT_A,)), "its own root"),
    "new threshold met": (ONE, s.after(ONE, roots=AB, by=(ROOT_A, ROOT_B)), ""),
    "threshold raised by a holder alone": (
        FIRST_AB, s.after(FIRST_AB, roots=root(ROOT_A, threshold=1), by=(ROOT_A, STRANGER)), "root of number 1"),
    "one old holder and the new holders are not two old ones": (
        FIRST_AB, s.after(FIRST_AB, roots=root(ROOT_A, ROOT_C), by=(ROOT_A, ROOT_C)), "root of number 1"),
    "every holder replaced": (
        FIRST_AB, s.after(FIRST_AB, roots=root(ROOT_C, STRANGER), by=(ROOT_A, ROOT_B, ROOT_C)), ""),
    "to an s2 root": (ONE, s.after(ONE, roots=root(ROOT_S2), by=(ROOT_A, ROOT_S2)), ""),
    "to an s2 root, second half missing": (
        ONE, s.after(ONE, roots=root(ROOT_S2), by=(ROOT_A, ROOT_S2.first)), "its own root"),
    "down from an s2 root by its first half": (
        s.store(roots=root(ROOT_S2), by=(ROOT_S2,)),
        s.after(s.store(roots=root(ROOT_S2), by=(ROOT_S2,)), roots=root(ROOT_A), by=(ROOT_S2.first, ROOT_A)),
        "root of number 1"),
    "a revoked holder, taken out by the threshold": (
        s.store(s.person("Ann", ROOT_A), roots=root(ROOT_A, ROOT_B), by=(ROOT_B,)),
        s.after(
            s.store(s.person("Ann", ROOT_A), roots=root(ROOT_A, ROOT_B), by=(ROOT_B,)),
            s.person("Ann", ROOT_A, revoked=Revocation(CREATED, "compromised")), roots=root(ROOT_B), by=(ROOT_B,)),
        ""),
    "a stranger beside the holders": (ONE, s.after(ONE, by=(ROOT_A, STRANGER)), ""),
    "tampered with": (
        ONE, Envelope(dsse.TRUST_TYPE, s.read(TWO).payload.replace(b"Anna", b"Onna"), s.read(TWO).signatures, (), ()).to_bytes(),
        "does not fit"),
    "signatures of the store before": (
        ONE, replace(s.read(TWO), signatures=s.read(ONE).signatures).to_bytes(), "does not fit"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROTATIONS)
def test_rotation(name: str) -> None:
    current, offered, words = ROTATIONS[name]
    trust_file.check_own(s.read(current))
    if not words:
        trust_file.check_successor(s.read(current), s.read(offered), NOW)
        return
    with pytest.raises(TrustStoreError, match=words):
        trust_file.check_successor(s.read(current), s.read(offered), NOW, "offered.mpkt")


def test_a_bad_signature_under_an_old_root_key_spoils_the_rotation() -> None:
    both = root(ROOT_A, ROOT_B)
    first = s.store(roots=both)
    offered = s.read(s.after(first, roots=root(ROOT_C), by=(ROOT_A, ROOT_B, ROOT_C)))
    n = next(i for i, x in enumerate(offered.signatures) if x.keyid == ROOT_B.public.keyid)
    record = offered.signatures[n]
    broken = Signature(record.keyid, record.sig[:-1] + bytes([record.sig[-1] ^ 128]))
    spoiled = replace(offered, signatures=(*offered.signatures[:n], broken, *offered.signatures[n + 1 :]))
    trust_file.check_own(spoiled)  # the new root alone sees nothing wrong
    with pytest.raises(TrustStoreError, match="does not fit"):
        trust_file.check_successor(s.read(first), spoiled, NOW)


FIRSTS: dict[str, tuple[bytes, str]] = {
    "good": (ONE, ""),
    "a later number": (s.after(s.after(ONE)), ""),
    "not by its root": (s.store(by=(ROOT_B,)), "its own root"),
    "expired": (s.store(expires=NOW - 1), "expired on"),
    "on its last millisecond": (s.store(expires=NOW), ""),
    "from the future": (s.store(created=NOW + DAY + 1, expires=NOW + 9 * DAY), "this machine's future"),
    "some hours ahead": (s.store(created=NOW + DAY, expires=NOW + 9 * DAY), ""),
}


@pytest.mark.parametrize("name", FIRSTS)
def test_the_first_acceptance(name: str) -> None:
    data, words = FIRSTS[name]
    if not words:
        trust_file.check_first(s.read(data), NOW)
        return
    with pytest.raises(TrustStoreError, match=words):
        trust_file.check_first(s.read(data), NOW)


@pytest.mark.parametrize("threshold", [1, 2])
def test_no_turned_bit_is_accepted(threshold: int) -> None:
    holders = (ROOT_A, ROOT_B)[:threshold]
    data = s.store(s.person("Anna", ANNA), roots=root(*holders, threshold=threshold), by=holders)
    accepted = []
    for n, turned in enumerate(w.flips(data)):
        with contextlib.suppress(LimitError, MalformedError, UnsupportedError, TrustStoreError):
            trust_file.check_own(trust_file.parse(turned))
            accepted.append(n)
    assert accepted == []


def test_no_turned_bit_of_a_successor_is_accepted() -> None:
    accepted = []
    before = s.read(ONE)
    for n, turned in enumerate(w.flips(s.after(ONE, roots=root(ROOT_B), by=(ROOT_A, ROOT_B)))):
        with contextlib.suppress(LimitError, MalformedError, UnsupportedError, TrustStoreError):
            trust_file.check_successor(before, trust_file.parse(turned), NOW)
            accepted.append(n)
    assert accepted == []


def test_drafts_are_what_can_be_read_and_take_signatures_one_by_one() -> None:
    draft = trust_file.draft(s.body(roots=AB))
    assert draft.signatures == ()
    with pytest.raises(MalformedError, match="no signature"):
        trust_file.parse(draft.to_bytes())
    record = Signature(ROOT_A.public.keyid, ROOT_A.sign(draft.message))
    one = trust_file.attach(draft, [record])
    with pytest.raises(UsageError, match="already"):
        trust_file.attach(one, [record])
    both = trust_file.attach(one, [Signature(ROOT_B.public.keyid, ROOT_B.sign(draft.message))])
    trust_file.check_own(s.read(both.to_bytes()))
    with pytest.raises(UsageError, match="32"):
        trust_file.attach(both, [Signature(bytes([n]) * 32, b"x") for n in range(31)])
    with pytest.raises(MalformedError):
        trust_file.draft(s.body(expires=s.STORE_CREATED))


def test_eight_holders_with_two_keys_each_can_be_replaced_by_eight_others() -> None:
    old, new = ([w.Pair(f"{side} {n}") for n in range(8)] for side in ("old", "new"))
    first = s.store(roots=root(*old, threshold=8), by=old)
    trust_file.check_successor(
        s.read(first), s.read(s.after(first, roots=root(*new, threshold=8), by=[*old, *new])), NOW
    )


ONE_SIGNER = w.sealed()


def verdict(data: bytes, now: int = NOW, *, stale: bool = False, bundle: Any = ONE_SIGNER) -> tuple[Word, str]:
    store = s.read(data).store()
    outcome = w.check(bundle, store.allowing_stale() if stale else store, now)
    return outcome.verdict, " ".join((outcome.words, *outcome.notices))


def test_a_bundle_is_judged_by_the_people_of_a_signed_store() -> None:
    assert verdict(ONE)[0] is Word.VALID
    assert verdict(OTHER_ONE)[0] is Word.UNTRUSTED
    revoked = s.store(s.person("Anna", ANNA, revoked=Revocation(CREATED, "compromised")))
    assert verdict(revoked)[0] is Word.REVOKED


def test_114_an_expired_store_caps_every_verdict_at_expired() -> None:
    stale = s.store(expires=NOW - 1)
    found, words = verdict(stale)
    assert found is Word.EXPIRED
    assert "your trust store, number 1, expired on" in words
    assert verdict(stale, NOW - 1)[0] is Word.VALID
    found, words = verdict(stale, stale=True)
    assert found is Word.VALID
    assert "it was used on request" in words
    # what is worse stays, what is weaker does not come through
    assert verdict(stale, bundle=w.with_blob(ONE_SIGNER, "notes", data=b"x"))[0] is Word.ALTERED
    assert verdict(s.store(s.person("Bert", BERT), expires=NOW - 1))[0] is Word.EXPIRED
    assert verdict(stale, bundle=w.without_blob(ONE_SIGNER, "notes"))[0] is Word.EXPIRED
    gone = s.person("Anna", ANNA, revoked=Revocation(CREATED, "left"))
    assert verdict(s.store(gone, expires=NOW - 1))[0] is Word.REVOKED


def test_a_clock_behind_the_store_is_told() -> None:
    ahead = s.store(created=NOW + 9 * DAY, expires=NOW + 99 * DAY)
    found, words = verdict(ahead)
    assert found is Word.VALID
    assert "clock is behind your trust store" in words


@pytest.mark.parametrize(("suite", "found"), [("s1", Word.VALID), ("s2", Word.UNTRUSTED)])
def test_a_persons_weakest_suite_is_held_against_an_s1_bundle(suite: str, found: Word) -> None:
    result, words = verdict(s.store(s.person("Anna", ANNA, min_suite=suite)))
    assert result is found
    assert ("counts under suite s2 only" in words) is (suite == "s2")


def test_a_persons_weakest_suite_is_met_by_an_s2_bundle() -> None:
    eva = w.Pair("eva")
    made = build.build(w.contents(), [eva.signer()], suite="s2", salt=w.salts())
    for record in s.signed(b"", eva).signatures:
        made = build.attach(made, record)
    assert verdict(s.store(s.person("Eva", eva, min_suite="s2")), bundle=made)[0] is Word.ALTERED  # another message
    made = sign_bundle(build.build(w.contents(), [eva.signer()], suite="s2", salt=w.salts()), eva)
    assert verdict(s.store(s.person("Eva", eva, min_suite="s2")), bundle=made)[0] is Word.VALID
    assert verdict(s.store(s.person("Eva", eva.first, min_suite="s2")), bundle=made)[0] is Word.UNTRUSTED


def test_of_two_signers_the_one_below_their_suite_does_not_count() -> None:
    both = w.sealed(None, ANNA, BERT)
    people = (s.person("Anna", ANNA, min_suite="s2"), s.person("Bert", BERT))
    assert verdict(s.store(*people), bundle=both)[0] is Word.VALID
    assert verdict(s.store(*people, policy=Policy({ANY: 2})), bundle=both)[0] is Word.UNTRUSTED


def test_a_witness_below_their_suite_is_no_witness() -> None:
    witnessed = w.endorsed(ONE_SIGNER, BERT, "witness", at=CREATED + 1000)
    anna = s.person("Anna", ANNA, not_after=CREATED + 2000)
    assert verdict(s.store(anna, s.person("Bert", BERT)), bundle=witnessed)[0] is Word.VALID
    assert verdict(s.store(anna, s.person("Bert", BERT, min_suite="s2")), bundle=witnessed)[0] is Word.EXPIRED


def test_every_verdict_carries_the_stores_number_and_date() -> None:
    store = s.read(ONE).store()
    for data in (ONE_SIGNER.to_bytes(), b"junk", w.with_blob(ONE_SIGNER, "notes", data=b"x").to_bytes()):
        outcome = w.check(data, store)
        text = "\n".join(wording.lines(outcome, dated=store.dated, edition=store.edition))
        assert "number 1 of 2023-11-13" in text
        record = wording.as_record(outcome, dated=store.dated, edition=store.edition)
        json.dumps(record)
        assert record["trust_store"]["number"] == 1
        assert record["trust_store"]["root"] == root(ROOT_A).fingerprint.hex()
    given = s.read(ONE).store(given=True)
    text = "\n".join(wording.lines(outcome, dated=given.dated, edition=given.edition))
    assert "which you chose to believe" in text


def test_reading_a_store_needs_nothing_but_the_standard_library_cryptography_and_msgpack() -> None:
    code = (
        "import sys; from mpk_tui.bundle import trust_file; from mpk_tui.keys import signed_store;"
        "print(sorted({m.partition('.')[0] for m in sys.modules if not m.startswith('_')} - sys.stdlib_module_names))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(json.loads(out.replace("'", '"'))) <= {
        "cryptography",
        "msgpack",
        "mpk_tui",
        "cython_runtime",
        "sitecustomize",
    }
