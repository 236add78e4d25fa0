"""Broken and hostile bundles, each with the answer that it must get.  Numbers are stable names of cases."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import workshop as w

from mpk_tui import canonical
from mpk_tui.bundle import dsse, ed25519, envelope, limits
from mpk_tui.bundle.envelope import Blob, Envelope, Signature
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.errors import LimitError, MalformedError

Made = bytes | Envelope
GOOD = w.sealed()
RAW = GOOD.to_bytes()
SIG = GOOD.signatures[0]
LOW_ORDER_KEY = (1).to_bytes(32, "little")  # the identity: (R = identity, S = 0) "signs" every message under it


def sig(**changes: Any) -> Envelope:
    return replace(GOOD, signatures=(replace(SIG, **changes),))


def signature_over(message: bytes) -> Envelope:
    return sig(sig=w.ANNA.sign(message))


def with_outer(change: Callable[[list[Any]], Any]) -> bytes:
    """The file's outer array changed as plain values, without order or shape being put right."""
    import msgpack

    value = msgpack.unpackb(RAW)
    change(value)
    return bytes(msgpack.packb(value, use_bin_type=True))


def payload(raw: bytes) -> Envelope:
    """A payload that is not what `encode` would write, correctly signed."""
    return w.resigned(GOOD, raw)


def manifest(change: Callable[[dict[str, Any]], Any]) -> Envelope:
    return w.with_manifest(GOOD, change)


def section(m: dict[str, Any], name: str) -> dict[str, Any]:
    return next(s for s in m["sections"] if s["id"] == name)


def spliced(old: bytes, new: bytes) -> Envelope:
    """The manifest's bytes with one place replaced, correctly signed."""
    assert GOOD.payload.count(old) == 1
    return payload(GOOD.payload.replace(old, new))


def edit(name: str, change: Callable[[list[Any]], Any]) -> Envelope:
    rows = w.items(GOOD, name)
    change(rows)
    return w.with_items(GOOD, name, rows)


def leaf_of(row: Any) -> list[bytes]:
    from mpk_tui.hashtree import leaf_hash

    return [leaf_hash(canonical.encode(row))]


def entry_of(row: Any) -> list[bytes]:
    from mpk_tui.hashtree import sha256

    return [sha256(canonical.encode(row))]


def inner_of(rows: list[Any]) -> list[bytes]:
    from mpk_tui.hashtree import leaf_hash, node_hash

    return [node_hash(leaf_hash(canonical.encode(rows[0])), leaf_hash(canonical.encode(rows[1])))]


def swap_data(a: str, b: str) -> Envelope:
    x, y = w.blob(GOOD, a), w.blob(GOOD, b)
    return w.with_blob(w.with_blob(GOOD, a, data=y.data), b, data=x.data)


def swap_names(rows: list[Any]) -> None:
    rows[0][0], rows[1][0] = rows[1][0], rows[0][0]


def universal() -> Envelope:
    """A manifest that declares the identity as its signer's key, under a signature that fits every message there."""
    from mpk_tui.bundle.suites import PublicKey

    key = PublicKey("ed25519", LOW_ORDER_KEY)

    def change(m: dict[str, Any]) -> None:
        m["signers"][0]["keys"][0]["pub"] = LOW_ORDER_KEY

    made = w.with_manifest(GOOD, change)
    return replace(made, signatures=(Signature(key.keyid, LOW_ORDER_KEY + bytes(32)),))


def s_plus_l() -> Envelope:
    s = int.from_bytes(SIG.sig[32:], "little") + ed25519.L
    return sig(sig=SIG.sig[:32] + s.to_bytes(32, "little"))


def junk_signatures(n: int) -> Envelope:
    made = tuple(Signature(w.sha(f"key {i}"), bytes(64)) for i in range(n))
    return replace(GOOD, signatures=(*GOOD.signatures, *made))


def log(*entries: Any) -> Envelope:
    return w.sealed(w.contents(log=list(entries)))


HEAD = RAW[:7]

CASES: dict[str, tuple[Callable[[], Made], str]] = {
    "1 empty": (lambda: b"", "MALFORMED"),
    "2 one byte": (lambda: RAW[:1], "MALFORMED"),
    "4 trailing byte": (lambda: RAW + b"\0", "MALFORMED"),
    "5 two bundles": (lambda: RAW + RAW, "MALFORMED"),
    "6 magic of a later version": (lambda: RAW[:6] + b"2" + RAW[7:], "UNSUPPORTED"),
    "6b magic of another format": (lambda: RAW[:6] + b"x" + RAW[7:], "MALFORMED"),
    "7 other payload type, signed": (
        lambda: w.resigned(GOOD, GOOD.payload, payload_type="application/vnd.in-toto+json"), "UNSUPPORTED"),
    "8 payload type of an endorsement": (
        lambda: w.resigned(GOOD, GOOD.payload, payload_type=dsse.ENDORSEMENT_TYPE), "UNSUPPORTED"),
    "9 the envelope is a map": (lambda: canonical.encode({"a": 1, "b": 2}), "MALFORMED"),
    "9b a map where the signatures belong": (lambda: with_outer(lambda v: v.__setitem__(3, {"a": 1})), "MALFORMED"),
    "10 seven elements": (lambda: with_outer(lambda v: v.append(None)), "MALFORMED"),
    "11 no signatures": (lambda: replace(GOOD, signatures=()), "MALFORMED"),
    "12 a signature twice": (lambda: with_outer(lambda v: v[3].append(v[3][0])), "MALFORMED"),
    "13 33 signatures": (lambda: junk_signatures(32), "LIMIT"),
    "14 signatures out of order": (lambda: with_outer(lambda v: v[3].insert(0, [b"\xff" * 32, b"x"])), "MALFORMED"),
    "14b blobs out of order": (lambda: with_outer(lambda v: v[5].reverse()), "MALFORMED"),
    "15 key id of 31 bytes": (lambda: with_outer(lambda v: v[3].__setitem__(0, [bytes(31), b"x"])), "MALFORMED"),
    "16 signature is a string": (lambda: with_outer(lambda v: v[3][0].__setitem__(1, "x" * 64)), "MALFORMED"),
    "17 one bit of a signature": (lambda: sig(sig=bytes([SIG.sig[0] ^ 1]) + SIG.sig[1:]), "ALTERED"),
    "18 S + L": (s_plus_l, "ALTERED"),
    "19 signature of 63 bytes": (lambda: sig(sig=SIG.sig[:-1]), "ALTERED"),
    "19b signature of 65 bytes": (lambda: sig(sig=SIG.sig + b"\0"), "ALTERED"),
    "20 unknown key id": (lambda: sig(keyid=w.sha("nobody")), "ALTERED"),
    "21 junk signature by an unknown key": (lambda: junk_signatures(1), "VALID"),
    "22 identity as key": (universal, "ALTERED"),
    "23 low-order R": (lambda: sig(sig=LOW_ORDER_KEY + SIG.sig[32:]), "ALTERED"),
    "24 signed without the encoding": (lambda: signature_over(GOOD.payload), "ALTERED"),
    "25 signed as another type": (
        lambda: signature_over(dsse.pae("application/vnd.in-toto+json", GOOD.payload)), "ALTERED"),
    "26 signed again by somebody else": (
        lambda: w.with_manifest(
            GOOD, lambda m: m["signers"][0]["keys"][0].update(pub=w.STRANGER.public.raw), w.STRANGER), "UNTRUSTED"),
    "31 suite s2 with one key": (lambda: manifest(lambda m: m.update(suite="s2")), "MALFORMED"),
    "33 suite none": (lambda: manifest(lambda m: m.update(suite="none")), "UNSUPPORTED"),
    "34 payload type that is not ASCII": (
        lambda: with_outer(lambda v: v.__setitem__(1, v[1] + "é")), "UNSUPPORTED"),
    "28 suite s2 without its second half": (
        lambda: manifest(lambda m: (m.update(suite="s2"),
                                    m["signers"][0]["keys"].append({"alg": "ml-dsa-65", "pub": bytes(1952)}))),
        "ALTERED"),
    "36 unsorted keys": (lambda: payload(b"\x82\xa1v\xc0\xa1a\xc0"), "MALFORMED"),
    "37 a key twice": (lambda: payload(b"\x82\xa1v\xc0\xa1v\xc0"), "MALFORMED"),
    "38 long integer": (lambda: spliced(b"\xa3seq\x00", b"\xa3seq\xcc\x00"), "MALFORMED"),
    "39 long string header": (lambda: spliced(b"\xa5suite\xa2s1", b"\xa5suite\xd9\x02s1"), "MALFORMED"),
    "40 float32": (lambda: spliced(b"\xa3seq\x00", b"\xa3seq\xca\0\0\0\0"), "MALFORMED"),
    "41 NaN": (lambda: spliced(b"\xa3seq\x00", b"\xa3seq\xcb" + struct.pack(">d", float("nan"))), "MALFORMED"),
    "43 infinity": (lambda: spliced(b"\xa3seq\x00", b"\xa3seq\xcb" + struct.pack(">d", float("inf"))), "MALFORMED"),
    "44 minus zero": (lambda: spliced(b"\xa3seq\x00", b"\xa3seq\xcb" + struct.pack(">d", -0.0)), "MALFORMED"),
    "45 timestamp": (lambda: spliced(b"\xa3seq\x00", b"\xa3seq\xd6\xff\0\0\0\1"), "MALFORMED"),
    "46 ext32": (lambda: spliced(b"\xa3seq\x00", b"\xa3seq\xc9\xff\xff\xff\xff\xff"), "MALFORMED"),
    "47 0xc1": (lambda: spliced(b"\xa3seq\x00", b"\xa3seq\xc1"), "MALFORMED"),
    "48 binary key": (lambda: spliced(b"\xa3seq\x00", b"\xc4\x03seq\x00"), "MALFORMED"),
    "50 look-alike key": (lambda: spliced(b"\xa3seq\x00", b"\xa4s\xd0\xb5q\x00"), "MALFORMED"),
    "51 invalid UTF-8": (lambda: spliced(b"\xa5suite\xa2s1", b"\xa5suite\xa2\xff\xff"), "MALFORMED"),
    "52 integer of 2**63": (lambda: spliced(b"\xa3seq\x00", b"\xa3seq\xcf\x80" + bytes(7)), "MALFORMED"),
    "53 bool for an integer": (lambda: manifest(lambda m: m.update(created=True)), "MALFORMED"),
    "54 float for an integer": (lambda: manifest(lambda m: m.update(created=1.0)), "MALFORMED"),
    "55 array of 4 G": (lambda: HEAD + b"\xdd\xff\xff\xff\xff", "LIMIT"),
    "56 a million items in 20 bytes": (lambda: payload(b"\xdd\0\x0f\0\0" + bytes(15)), "LIMIT"),
    "57 100,000 deep": (lambda: HEAD + b"\x91" * 100_000, "LIMIT"),
    "58 5,000 deep in the payload": (lambda: payload(b"\x91" * 5000 + b"\xc0"), "LIMIT"),
    "59 nested array32 headers": (lambda: HEAD + b"\xdd\0\x01\0\0" * 100_000, "LIMIT"),
    "60 map of 4 G": (lambda: HEAD + b"\xdf\xff\xff\xff\xff", "LIMIT"),
    "60b bin of 4 G": (lambda: HEAD + b"\xc6\xff\xff\xff\xff", "LIMIT"),
    "61 manifest of more than 1 MiB": (lambda: payload(bytes(limits.MANIFEST_BYTES + 1)), "LIMIT"),
    "66 major version 2": (lambda: manifest(lambda m: m.update(v=[2, 0])), "UNSUPPORTED"),
    "67 unknown field": (lambda: manifest(lambda m: m.update(colour="red")), "MALFORMED"),
    "67b unknown field of a signer": (lambda: manifest(lambda m: m["signers"][0].update(colour="red")), "MALFORMED"),
    "68 unknown field of a newer minor": (lambda: manifest(lambda m: m.update(v=[1, 1], colour="red")), "VALID"),
    "69 unknown critical field": (
        lambda: manifest(lambda m: m.update(v=[1, 1], colour="red", crit=["colour"])), "UNSUPPORTED"),
    "70 no sections": (lambda: manifest(lambda m: m.update(sections=[])), "MALFORMED"),
    "71 section id with a path": (lambda: manifest(lambda m: section(m, "docs").update(id="../../etc/x")), "MALFORMED"),
    "72 section twice": (lambda: manifest(lambda m: m["sections"].append(m["sections"][-1])), "MALFORMED"),
    "73 number 3 without a predecessor": (lambda: manifest(lambda m: m.update(seq=3)), "MALFORMED"),
    "73b number 0 with a predecessor": (lambda: manifest(lambda m: m.update(prev=bytes(32))), "MALFORMED"),
    "74 one key for two signers": (
        lambda: manifest(lambda m: m["signers"].append({**m["signers"][0], "id": "other"})), "MALFORMED"),
    "75 the manifest is an array": (lambda: payload(b"\x91\xc0"), "MALFORMED"),
    "76 a byte of a blob": (lambda: w.with_blob(GOOD, "doc.0", data=b"Attached"), "ALTERED"),
    "77 a longer blob": (lambda: w.with_blob(GOOD, "doc.0", data=b"attached."), "ALTERED"),
    "78 required blob missing": (lambda: w.without_blob(GOOD, "artifacts"), "ALTERED"),
    "78b norm missing": (lambda: w.without_blob(GOOD, "norm"), "ALTERED"),
    "79 redactable blob missing": (lambda: w.without_blob(GOOD, "notes"), "PARTIAL"),
    "79b verdict withheld": (lambda: w.without_blob(GOOD, "verdict"), "PARTIAL"),
    "79c answers and evidence withheld": (lambda: w.without_blob(GOOD, "answers", "evidence"), "PARTIAL"),
    "79d all that may be withheld": (
        lambda: w.without_blob(GOOD, "answers", "evidence", "verdict", "log", "notes", "docs", "doc.0", "findings",
                               "tensors.S1", "tensors.R1", "features.S1", "locations.S1"), "PARTIAL"),
    "80 unlisted blob": (lambda: replace(GOOD, blobs=(*GOOD.blobs, Blob("doc.1", b"", b"x"))), "ALTERED"),
    "81 blob twice": (lambda: with_outer(lambda v: v[5].append(v[5][-1])), "MALFORMED"),
    "82 two contents swapped": (lambda: swap_data("checkpoint.S1", "checkpoint.R1"), "ALTERED"),
    "83 salt changed": (lambda: w.with_blob(GOOD, "verdict", salt=bytes(32)), "ALTERED"),
    "83b salt removed": (lambda: w.with_blob(GOOD, "verdict", salt=b""), "ALTERED"),
    "83c salt added": (lambda: w.with_blob(GOOD, "norm", salt=bytes(32)), "ALTERED"),
    "83d salt of 31 bytes": (lambda: w.with_blob(GOOD, "verdict", salt=bytes(31)), "MALFORMED"),
    "85 last log entry dropped": (lambda: edit("log", lambda r: r.pop()), "ALTERED"),
    "86 middle dropped": (lambda: edit("log", lambda r: r.pop(1)), "ALTERED"),
    "86b edited": (lambda: edit("log", lambda r: r[1].update(note="x")), "ALTERED"),
    "86c reordered": (lambda: edit("log", lambda r: r.reverse()), "ALTERED"),
    "87 entry withheld": (lambda: edit("log", lambda r: r.__setitem__(1, entry_of(r[1]))), "PARTIAL"),
    "87b last entry withheld": (lambda: edit("log", lambda r: r.__setitem__(2, entry_of(r[2]))), "PARTIAL"),
    "88 entry replaced by another hash": (lambda: edit("log", lambda r: r.__setitem__(1, [bytes(32)])), "ALTERED"),
    "88b entry replaced by 31 bytes": (lambda: edit("log", lambda r: r.__setitem__(1, [bytes(31)])), "MALFORMED"),
    "89 no export at the end": (lambda: log(w.log_entry(0, "open"), w.log_entry(1, "note")), "MALFORMED"),
    "89d export of number false": (lambda: log(w.log_entry(0, "export", seq=False)), "MALFORMED"),
    "89b export of another number": (lambda: log(w.log_entry(0, "export", seq=1)), "MALFORMED"),
    "89c empty log": (lambda: log(), "MALFORMED"),
    "90 gap in the numbers": (lambda: log(w.log_entry(0, "open"), w.log_entry(2, "export", seq=0)), "MALFORMED"),
    "91 time runs backwards": (
        lambda: log(w.log_entry(0, "open"), w.log_entry(1, "export", w.CREATED - 1, seq=0)), "VALID"),
    "93 leaf edited": (lambda: edit("tensors.S1", lambda r: r[0].__setitem__(1, "F16")), "ALTERED"),
    "94 leaf withheld": (lambda: edit("tensors.S1", lambda r: r.__setitem__(1, leaf_of(r[1]))), "PARTIAL"),
    "95 leaf twice": (lambda: edit("tensors.S1", lambda r: r.append(r[-1])), "ALTERED"),
    "96 inner node as a leaf": (
        lambda: edit("tensors.S1", lambda r: r.__setitem__(slice(0, 2), [inner_of(r)])), "ALTERED"),
    "98 two tensors swap names": (lambda: edit("tensors.S1", swap_names), "ALTERED"),
    "manifest: verdict declared unsalted": (
        lambda: manifest(lambda m: section(m, "verdict").update(salted=False)), "MALFORMED"),
    "manifest: artifacts declared redactable": (
        lambda: manifest(lambda m: section(m, "artifacts").update(redactable=True)), "MALFORMED"),
    "manifest: no log": (lambda: manifest(lambda m: m["sections"].remove(section(m, "log"))), "MALFORMED"),
    "manifest: another count": (lambda: manifest(lambda m: section(m, "log").update(count=4)), "ALTERED"),
    "manifest: another size": (lambda: manifest(lambda m: section(m, "tensors.S1").update(size=4)), "ALTERED"),
    "section of an artifact that is not there": (
        lambda: w.sealed(w.contents(checkpoint__X=w.checkpoint_section())), "MALFORMED"),
    "artifact without tensors": (lambda: w.sealed(w.contents(tensors__R1=None)), "MALFORMED"),
    "locations of other tensors": (lambda: w.sealed(w.contents(locations__S1={"rows": [[0, 0]]})), "MALFORMED"),
    "locations in a file that is not there": (
        lambda: w.sealed(w.contents(locations__S1={"rows": [[9, 0]] * 3})), "MALFORMED"),
    "document without an index": (lambda: w.sealed(w.contents(docs=None)), "MALFORMED"),
    "document that is not in the index": (lambda: w.sealed(w.contents(doc__1=b"x")), "MALFORMED"),
    "index of another document": (lambda: w.sealed(w.contents(doc__0=b"something else")), "MALFORMED"),
    "unknown norm": (
        lambda: w.sealed(w.contents(norm={"id": "x", "version": "9.9.9", "digest": bytes(32)})), "UNSUPPORTED"),
    "norm with another data file": (
        lambda: w.sealed(w.contents(norm={"id": "x", "version": "1.0.0", "digest": bytes(32)})), "UNSUPPORTED"),
}  # fmt: skip


def answer(made: Made) -> Outcome:
    return w.check(made)


def test_the_workshop_makes_a_valid_bundle() -> None:
    outcome = answer(GOOD)
    assert outcome.verdict is Word.VALID
    assert outcome.code == 0
    assert outcome.notices == ()
    assert {s.state for s in outcome.sections} == {"intact"}
    assert RAW[:7] == HEAD == envelope.HEAD


@pytest.mark.parametrize("name", CASES)
def test_required_answer(name: str) -> None:
    make, expected = CASES[name]
    outcome = answer(make())
    assert outcome.verdict.value == expected, outcome.words
    shown = outcome.verdict in (Word.VALID, Word.PARTIAL)
    assert (outcome.contents is not None) == shown
    assert (outcome.held_back is not None) == (outcome.verdict is Word.UNTRUSTED)


def test_notices_name_what_was_odd() -> None:
    assert any("unknown key" in n for n in answer(junk_signatures(1)).notices)
    assert any("not understood" in n for n in answer(CASES["68 unknown field of a newer minor"][0]()).notices)
    assert any("backwards" in n for n in answer(CASES["91 time runs backwards"][0]()).notices)
    assert any("without a record" in n for n in answer(w.without_blob(GOOD, "notes")).notices)


def test_what_is_withheld_is_listed_and_the_rest_is_there() -> None:
    made = w.without_blob(edit("log", lambda r: r.__setitem__(1, entry_of(r[1]))), "notes")
    outcome = answer(made)
    states = {s.id: (s.state, s.withheld) for s in outcome.sections if s.state != "intact"}
    assert states == {"log": ("partly withheld", 1), "notes": ("withheld", 0)}
    assert outcome.contents is not None
    assert "notes" not in outcome.contents.sections
    assert outcome.pairs[0].agrees is True


def test_a_withheld_verdict_is_recomputed_and_a_withheld_answer_is_said() -> None:
    outcome = answer(w.without_blob(GOOD, "verdict"))
    assert outcome.pairs[0].signed is None
    assert outcome.pairs[0].recomputed is not None
    assert outcome.pairs[0].recomputed["label"] == "linked"
    outcome = answer(w.without_blob(GOOD, "answers"))
    assert outcome.pairs[0].recomputed is None
    assert any("could not be recomputed" in n for n in outcome.notices)


def test_a_withheld_verdict_cannot_be_guessed_from_its_digest() -> None:
    from mpk_tui.bundle.commitments import blob_digest

    committed = next(s for s in answer(GOOD).manifest.sections if s.id == "verdict").digest  # type: ignore[union-attr]
    section_bytes = w.blob(GOOD, "verdict").data
    guesses = []
    for label, display in (
        ("linked", "linked"), ("independent", "exclusion established"), ("none", "out of scope"),
        ("independent", "provenance not established (default)"),
    ):  # fmt: skip
        value = canonical.decode(section_bytes)
        value["pairs"][0].update(label=label, display=display)
        guesses += [blob_digest("verdict", salt, canonical.encode(value)) for salt in (b"", bytes(32))]
    assert blob_digest("verdict", w.blob(GOOD, "verdict").salt, section_bytes) == committed
    assert committed not in guesses


def test_altered_content_is_never_handed_out() -> None:
    outcome = answer(w.with_blob(GOOD, "doc.0", data=b"Attached"))
    assert outcome.verdict is Word.ALTERED
    assert (outcome.contents, outcome.held_back, outcome.manifest, outcome.pairs) == (None, None, None, ())
    assert [s.id for s in outcome.sections if s.state == "altered"] == ["doc.0"]
    assert "doc.0" in outcome.words


def test_limits_can_be_told_from_malformed_by_the_reader_alone() -> None:
    with pytest.raises(LimitError):
        envelope.parse(HEAD + b"\xdd\xff\xff\xff\xff")
    with pytest.raises(MalformedError):
        envelope.parse(RAW[:-1])


@pytest.mark.parametrize("seq", [False, 0.0])
def test_the_number_of_an_export_is_an_integer(seq: object) -> None:
    """Neither false nor 0.0 is 0: other languages tell them apart (rule 6 of the profile)."""
    assert answer(log(w.log_entry(0, "open"), w.log_entry(1, "export", seq=seq))).verdict is Word.MALFORMED
