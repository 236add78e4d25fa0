"""The pack file: what goes in comes out, and whatever is not exactly what was signed is refused with the right word."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
from models import EVIL, made, sha
from packing import ANN, ANN_NEW, BOB, BOTH, DAY, NOW, Key, Pair, check, listed, pack, person, trusting

from mpk_tui import canonical
from mpk_tui.bundle import dsse
from mpk_tui.bundle.envelope import Envelope, Signature
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.schema import Reading
from mpk_tui.bundle.trust import Revocation, single_key
from mpk_tui.checkpoint.reading import Source
from mpk_tui.cli import main
from mpk_tui.errors import LimitError, MalformedError, UsageError
from mpk_tui.library.entry import Facts, Origin, Parent
from mpk_tui.library.packs import body as bodies
from mpk_tui.library.packs import container, contents, cosigning, making
from mpk_tui.library.packs.body import Body, Clock, Earlier, Made
from mpk_tui.library.packs.contents import Contents, Listed, Revoked
from mpk_tui.library.packs.ledger import Imported

REVOKED = (Revoked(sha("gone"), "Gone", "withdrawn", NOW),)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of two fingerprints and one revocation."""
    folder = tmp_path_factory.mktemp("packs")
    return pack(folder / "small.mpkl", listed("one", source="s"), listed("two"), revoked=REVOKED, statement="S.")


def taken_apart(path: Path) -> list[Any]:
    value = msgpack.unpackb(path.read_bytes(), raw=False, max_bin_len=1 << 30)
    assert isinstance(value, list)
    return value


def signed(path: Path, body: Body, data: bytes, records: list[bytes], key: Key = ANN) -> Path:
    """A pack that says whatever it is told to say, under a good signature."""
    payload = body.to_bytes()
    made_ = Signature(key.public.keyid, key.sign(dsse.pae(dsse.PACK_TYPE, payload))[0])
    container.write(path, payload, (made_,), data, len(records), records)
    return path


def body_of(data: bytes, entries: int, revoked: int = 0, **changed: Any) -> Body:
    made_ = Body(
        "s1", "lab", 1, "full", None, NOW, Clock(), "", Made("t", "0", bytes(32)),
        (bodies.Signer("Ann", "issuer", ANN.keys),), dsse.sha256(data), len(data), entries, revoked,
    )  # fmt: skip
    return replace(made_, **changed)


def raw(*items: Listed, revoked: tuple[Revoked, ...] = (), shuffled: bool = False) -> bytes:
    """Bytes of a list that nobody checked."""
    rows = [contents._entry_record(e) for e in items]
    if not shuffled:
        rows.sort(key=lambda r: r["fingerprint"])
    back = [{"fingerprint": r.fingerprint, "name": r.name, "reason": r.reason, "since": r.since} for r in revoked]
    return canonical.encode({"entries": rows, "revoked": back}, contents.LIMITS)


def test_what_goes_in_comes_out_and_the_file_is_one_canonical_value(small: Path, tmp_path: Path) -> None:
    found = check(small)
    assert (found.verdict, found.code) == (Word.VALID, 0)
    assert found.contents is not None
    assert [(e.facts.name, e.facts.source) for e in found.contents.entries] == sorted(
        [("one", "s"), ("two", "")], key=lambda pair: made(pair[0]).digest
    )
    assert found.contents.revoked == REVOKED
    value = taken_apart(small)
    canonical.scan(small.read_bytes())
    assert value[0] == "MPKL1"
    assert [dsse.sha256(r) for r in value[5]] == [e.fingerprint for e in found.contents.entries]
    again = pack(tmp_path / "b", listed("two"), listed("one", source="s"), revoked=REVOKED, statement="S.")
    assert again.read_bytes() == small.read_bytes()  # deterministic, whatever the order


def test_every_flipped_bit_is_refused(small: Path, tmp_path: Path) -> None:
    """Bits by turns, every byte of the head and every fifth of the rest: a verdict each time, never a crash."""
    data, words = small.read_bytes(), set[Word]()
    path = tmp_path / "flipped"
    for at in (*range(120), *range(120, len(data), 5)):
        path.write_bytes(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
        words.add(found := check(path).verdict)
        assert found in (Word.ALTERED, Word.MALFORMED, Word.UNSUPPORTED, Word.LIMIT), at
    assert words >= {Word.ALTERED, Word.MALFORMED, Word.UNSUPPORTED}


def test_every_cut_and_every_byte_more_is_refused(small: Path, tmp_path: Path) -> None:
    data, path = small.read_bytes(), tmp_path / "cut"
    for end in {*range(0, len(data), 64), *range(12), len(data) - 1}:
        path.write_bytes(data[:end])
        assert check(path).verdict is Word.MALFORMED, end
    path.write_bytes(data + b"\xc0")
    assert "1 bytes follow the last record" in check(path).words


def swapped(value: list[Any]) -> list[Any]:
    a, b = value[5]
    # Of unequal lengths: headers no longer fit; of equal ones: digests do not.
    return [*value[:5], [b, a]]


@pytest.mark.parametrize(
    ("change", "word", "said"),
    [
        (lambda v: [v[0], dsse.BUNDLE_TYPE, *v[2:]], Word.UNSUPPORTED, "payload"),
        (lambda v: ["MPKL2", *v[1:]], Word.UNSUPPORTED, "version 2"),
        (swapped, Word.ALTERED, "not the one that is listed"),
        (lambda v: [*v[:5], v[5][:1]], Word.MALFORMED, "1 records, the list names 2"),
        (lambda v: [*v[:5], [*v[5], v[5][0]]], Word.MALFORMED, "3 records"),
        (lambda v: [*v[:5], [v[5][0], v[5][0]]], Word.ALTERED, "not the one that is listed"),
        (lambda v: [*v[:3], [], *v[4:]], Word.MALFORMED, "no signature"),
        (lambda v: [*v[:3], v[3] * 2, *v[4:]], Word.MALFORMED, "twice or out of order"),
        (lambda v: [*v[:3], [[v[3][0][0], b""]], *v[4:]], Word.MALFORMED, "key id of 32 bytes"),
        (lambda v: [*v[:4], v[4][:-1] + b"\x01", v[5]], Word.ALTERED, "the list is not the one that was signed"),
        (lambda v: [*v[:2], bytes(1 << 21), *v[3:]], Word.LIMIT, "2097152"),
        (lambda v: v[:5], Word.MALFORMED, "start like a pack"),
    ],
)  # fmt: skip
def test_a_pack_that_was_changed(
    change: Callable[[list[Any]], list[Any]], word: Word, said: str, small: Path, tmp_path: Path
) -> None:
    path = tmp_path / "changed"
    path.write_bytes(msgpack.packb(change(taken_apart(small)), use_bin_type=True))
    found = check(path)
    assert (found.verdict, said in found.words) == (word, True), found.words
    assert found.contents is found.held_back is None


def test_longer_forms_of_lengths_are_refused(small: Path, tmp_path: Path) -> None:
    value, path = taken_apart(small), tmp_path / "long"
    parts = [b"\x96", *(msgpack.packb(v, use_bin_type=True) for v in value)]
    for n in (2, 3, 5):  # type: str 8 as str 16; payload: bin 16 as bin 32; list: bin 16 as bin 32
        body = value[n - 1].encode() if n == 2 else value[n - 1]
        longer = b"\xda" + len(body).to_bytes(2, "big") if n == 2 else b"\xc6" + len(body).to_bytes(4, "big")
        path.write_bytes(b"".join([*parts[:n], longer + body, *parts[n + 1 :]]))
        assert "a length that has a shorter form" in check(path).words


def test_what_its_issuers_signed_and_does_not_hold(tmp_path: Path) -> None:
    """Lies under a good signature: counts, order, duplicates, sizes, roots, records that are none."""
    (one, first), (two, second) = sorted((listed("one"), listed("two")), key=lambda i: i[0].fingerprint)
    path = tmp_path / "p"

    def word(data: bytes, count: int, records: list[bytes], revoked: int = 0, **changed: Any) -> tuple[Word, str]:
        found = check(signed(path, body_of(data, count, revoked, **changed), data, records))
        assert found.contents is None or found.verdict is Word.INCONSISTENT
        return found.verdict, found.words

    both = raw(one, two)
    assert check(signed(path, body_of(both, 2), both, [first, second])).verdict is Word.VALID
    assert word(both, 3, [first, second]) == (Word.MALFORMED, "contents.entries: 2 in the list, the manifest says 3")
    assert word(both, 2, [first, second], 1)[0] is Word.MALFORMED
    assert "not in ascending order" in word(raw(two, one, shuffled=True), 2, [second, first])[1]
    assert "listed twice" in word(raw(one, one), 2, [first, first])[1]
    back = (Revoked(one.fingerprint, "", "x", NOW),)
    assert "both listed and revoked" in word(raw(one, revoked=back), 1, [first], 1)[1]
    assert word(raw(replace(one, size=one.size + 1)), 1, [first])[0] is Word.MALFORMED
    assert word(raw(replace(one, size=1 << 40)), 1, [first])[0] is Word.MALFORMED
    assert word(raw(replace(one, root=bytes(32))), 1, [first])[0] is Word.INCONSISTENT
    junk = b"\x92\xa5MPKF1\xc0"
    other = replace(one, fingerprint=dsse.sha256(junk), size=len(junk))
    assert word(raw(other), 1, [junk])[0] is Word.MALFORMED
    for odd in (
        Facts(" one"),
        Facts("one", ("a", "a")),
        Facts("one", note="a\x00b"),
        Facts("one", parents=(Parent(""),)),
    ):
        assert word(raw(replace(one, facts=odd)), 1, [first])[0] is Word.MALFORMED, odd
    assert word(both, 2, [first, second], kind="delta")[1].startswith("manifest.prev: a delta that names no pack")
    assert word(both, 2, [first, second], prev=Earlier(1, bytes(32)))[0] is Word.MALFORMED
    assert word(both, 2, [first, second], name="../x")[0] is Word.MALFORMED
    assert word(both, 2, [first, second], crit=("future",))[0] is Word.UNSUPPORTED
    assert word(both, 2, [first, second], schema=(2, 0))[0] is Word.UNSUPPORTED
    assert word(both, 2, [first, second], suite="s9")[0] is Word.UNSUPPORTED
    assert word(both, 2, [first, second], signers=(bodies.Signer("A", "analyst", ANN.keys),))[0] is Word.MALFORMED
    assert word(both, 2, [first, second], created=NOW + 3 * DAY)[0] is Word.REPLAY


def test_hostile_sizes_are_refused_before_they_are_read(tmp_path: Path) -> None:
    def refused(data: bytes) -> str:
        with pytest.raises(LimitError) as error:
            contents.read(data)
        return error.value.what

    assert "an array of 1048576" in refused(b"\x82\xa7entries\xdd\x00\x10\x00\x00\xa7revoked\x90")
    assert "nesting deeper" in refused(b"\x82\xa7entries" + b"\x91" * 20 + b"\xc0\xa7revoked\x90")
    assert "a string of" in refused(b"\x82\xa7entries\xdb\x7f\xff\xff\xff")
    head = container.HEAD + container.header("s", len(dsse.PACK_TYPE)) + dsse.PACK_TYPE.encode()
    for tail, word in (
        (b"\xc6\xff\xff\xff\xff", Word.LIMIT),
        (b"\xc4\x01\xc0\xdc\x00\x21", Word.LIMIT),
        (b"\xc4\x01", Word.MALFORMED),
    ):
        path = tmp_path / "h"
        path.write_bytes(head + tail)
        # The manifest's shape is looked at after the head is whole.
        assert check(path).verdict is word, tail
    with pytest.raises(UsageError, match="at most 2000"):
        making.revocations(None, [("x", "y" * 2001)], (), NOW)


@pytest.mark.parametrize("count", [0, 15, 16, 31, 32, 255, 256, 65535, 65536])
def test_headers_are_those_of_the_library(count: int) -> None:
    packer = msgpack.Packer(use_bin_type=True)
    assert container.header("b", count) == packer.pack(bytes(count))[: len(container.header("b", count))]
    assert container.header("s", count) == packer.pack("x" * count)[: len(container.header("s", count))]
    assert container.header("a", count) == packer.pack_array_header(count)


def test_trust_decides_as_for_bundles(small: Path, tmp_path: Path) -> None:
    ended = {"not_after": NOW + DAY // 2}
    cases = [
        (trusting(person("Bob", BOB)), (), Word.UNTRUSTED),
        (trusting(person("Ann", ANN, roles=("analyst",))), (), Word.UNTRUSTED),
        (trusting(person("Ann", ANN, roles=("issuer",))), (), Word.VALID),
        (trusting(needed={"analyst": 1, "reviewer": 1}), (), Word.VALID),  # roles in a case; a pack has none
        (trusting(needed={"issuer": 2}), (), Word.UNTRUSTED),
        (trusting(needed={"*": 2}), (), Word.UNTRUSTED),
        (trusting(min_suite="s2"), (), Word.UNTRUSTED),
        (trusting(person("Ann", ANN, **ended)), (), Word.EXPIRED),
        (trusting(person("Ann", ANN, not_before=NOW + 1)), (), Word.EXPIRED),
        (trusting(person("Ann", ANN, revoked=Revocation(NOW + 1, "compromised"))), (), Word.REVOKED),
        (trusting(person("Ann", ANN, revoked=Revocation(NOW - 1, "left"))), (), Word.REVOKED),
        (trusting(person("Ann", ANN, revoked=Revocation(NOW + 1, "left"))), (), Word.VALID),
    ]
    found = check(small)
    assert found.id is not None
    seen = (Imported(found.id, "lab", 1, (ANN.public.keyid,), NOW + 1),)
    cases.append((trusting(person("Ann", ANN, **ended)), seen, Word.VALID))  # taken in while the key was good
    for store, packs, word in cases:
        found = check(small, store, packs)
        assert found.verdict is word, (store, found.words)
        assert (found.contents is not None) == (word is Word.VALID)
        assert "bundle" not in found.words
    # A stranger's records are hashed and never parsed.
    junk = b"\x92\xa5MPKF1\xc0"
    data = raw(replace(listed("one")[0], fingerprint=dsse.sha256(junk), size=len(junk)))
    path = signed(tmp_path / "junk", body_of(data, 1), data, [junk])
    assert check(path, trusting(person("Bob", BOB))).verdict is Word.UNTRUSTED
    assert check(path).verdict is Word.MALFORMED


def test_numbers_only_go_up_within_a_line(tmp_path: Path) -> None:
    one = pack(tmp_path / "1", listed("one"))
    two = pack(tmp_path / "2", listed("one"), listed("two"), previous=[one])
    three = pack(tmp_path / "3", listed("one"), listed("two"), listed("three"), since=[one, two])
    ids = {n: check(p, BOTH).id or b"" for n, p in ((1, one), (2, two), (3, three))}
    ann = (ANN.public.keyid,)

    def word(path: Path, *packs: tuple[bytes, int], issuers: tuple[bytes, ...] = ann, name: str = "lab") -> Word:
        taken = [Imported(id, name, version, issuers, NOW) for id, version in packs]
        return check(path, BOTH, taken).verdict

    assert word(one) is word(two) is Word.VALID
    assert word(three) is word(three, (ids[1], 1)) is Word.PARTIAL
    assert word(three, (ids[2], 2)) is Word.VALID
    assert word(one, (ids[2], 2)) is Word.REPLAY
    assert word(one, (sha("another"), 1)) is word(two, (sha("another"), 1)) is Word.REPLAY
    assert word(two, (ids[2], 2)) is Word.VALID
    # Other names, other people and strangers' packs are other lines; a second key of Ann's is hers.
    assert word(one, (ids[2], 2), name="other") is Word.VALID
    assert word(one, (ids[2], 2), issuers=(BOB.public.keyid,)) is Word.VALID
    assert word(one, (ids[2], 2), issuers=(ANN_NEW.public.keyid,)) is Word.REPLAY
    assert f"({ids[2].hex()})" in check(three, BOTH).words


def test_a_delta_holds_what_is_new_changed_or_taken_back(tmp_path: Path) -> None:
    one = pack(tmp_path / "1", listed("one"), listed("two"), revoked=REVOKED)
    two = pack(tmp_path / "2", listed("one", note="n"), listed("two"), listed("three"), since=[one])
    found = check(two, BOTH, [Imported(check(one).id or b"", "lab", 1, (ANN.public.keyid,), NOW)])
    assert found.contents is not None
    assert {e.facts.name for e in found.contents.entries} == {"one", "three"}
    assert found.contents.revoked == ()
    with pytest.raises(UsageError, match="nothing is new"):
        pack(tmp_path / "3", listed("one"), listed("two"), since=[one])
    full = check(pack(tmp_path / "4", listed("three"), previous=[one, two])).contents
    assert full is not None
    assert ([e.facts.name for e in full.entries], full.revoked) == (["three"], REVOKED)
    assert check(pack(tmp_path / "5", revoked=making.revocations(None, [("two", "bad")], making.read_earlier([one]), NOW),
                      since=[one])).verdict is Word.PARTIAL  # fmt: skip
    for wrong, said in (({"version": 1}, "from 2 on"), ({"name": "other"}, "keeps its name")):
        with pytest.raises(UsageError, match=said):
            pack(tmp_path / "6", listed("x"), previous=[one], **wrong)
    for name in ("", "../x", "a b", "x" * 65, "\u0430"):
        with pytest.raises(UsageError, match="cannot be called"):
            pack(tmp_path / "6", listed("x"), name=name)
    with pytest.raises(UsageError, match="fits 0"):
        making.revocations(None, [("nobody", "x")], making.read_earlier([one]), NOW)
    with pytest.raises(UsageError, match="several names"):
        making.read_earlier([one, pack(tmp_path / "7", listed("one"), name="else")])
    with pytest.raises(MalformedError, match="changed while the pack was made"):
        pack(tmp_path / "8", (listed("one")[0], b"other"))
    assert not (tmp_path / "8").exists()


def test_packs_and_bundles_are_never_taken_for_each_other(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Envelope(dsse.BUNDLE_TYPE, b"\x80", (Signature(bytes(32), b"x"),), (), ()).to_bytes()
    (tmp_path / "b.mpkb").write_bytes(bundle)
    assert "is an evidence bundle" in check(tmp_path / "b.mpkb").words
    (tmp_path / "f.mpkf").write_bytes(made("one").to_bytes())
    assert "is a fingerprint file" in check(tmp_path / "f.mpkf").words
    (tmp_path / "none").mkdir()
    for command in (("verify",), ("bundle", "show")):
        assert main([*command, str(small), "--trust", str(tmp_path / "none")]) == 30
        assert "is a pack of reference fingerprints" in capsys.readouterr().out
    # A signature over a bundle's message does not fit a pack's.
    value = taken_apart(small)
    value[3] = [[ANN.public.keyid, ANN.sign(dsse.pae(dsse.BUNDLE_TYPE, value[2]))[0]]]
    (tmp_path / "moved").write_bytes(msgpack.packb(value, use_bin_type=True))
    assert check(tmp_path / "moved").verdict is Word.ALTERED


def test_a_strangers_texts_steer_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = EVIL.replace("\x00", "")
    facts: dict[str, Any] = {
        "aliases": (name + "2",), "note": name, "parents": (Parent(name, kind="a", evidence=name, source=name),),
    }  # fmt: skip
    path = pack(
        tmp_path / "p", listed(name, made("x"), **facts), statement=name, revoked=[Revoked(sha("g"), name, name, NOW)]
    )
    (tmp_path / "none").mkdir()
    for more in ([], ["--json"]):
        assert (
            main(["library", "pack", "show", str(path), "--trust", str(tmp_path / "none"), "--show-untrusted", *more])
            == 11
        )
        said = capsys.readouterr()
        assert "\x1b" not in said.out + said.err
        assert "\u202e" not in said.out + said.err
        assert "x1b" in said.out or "u001b" in said.out


def test_an_origin_travels_as_a_claim() -> None:
    via = Origin(sha("p"), "theirs", 3)
    one = replace(listed("one")[0], via=via)
    assert contents.read(Contents((one,)).to_bytes()).entries[0].via == via


def test_a_file_that_grows_is_told_as_that(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(small.read_bytes())
    with Source(path) as source:
        head = container.read_head(source)
        data, at = container.read_contents(source, head)
        entries = contents.read(data).entries
        reading = container.records(source, at, entries)
        next(reading)
        path.write_bytes(small.read_bytes() + b"more")
        with pytest.raises(Exception, match="changed while it was read"):
            list(itertools.islice(reading, 5))


def test_several_issuers_sign_one_after_the_other(tmp_path: Path) -> None:
    others = [bodies.Signer("Bob", "issuer", BOB.keys)]
    path = pack(tmp_path / "p", listed("one"), others=others)
    found = check(path, BOTH)
    assert found.verdict is Word.ALTERED
    assert found.words.startswith("Not everybody who is declared has signed")
    whole = path.read_bytes()

    def sign(key: Key) -> None:
        with Source(path) as source:
            cosigning.add(path, cosigning.read_waiting(source), source, key)

    with pytest.raises(UsageError, match="does not wait for key"):
        sign(ANN)
    path.write_bytes(whole[:-1] + b"x")
    with pytest.raises(MalformedError, match="not the one that is listed"):
        sign(BOB)
    path.write_bytes(whole)
    sign(BOB)
    assert check(path, trusting(*BOTH.people, needed={"issuer": 2})).verdict is Word.VALID
    assert check(path, trusting(needed={"issuer": 2})).verdict is Word.UNTRUSTED
    with pytest.raises(UsageError, match="has signed already"):
        sign(BOB)


def test_both_halves_of_suite_s2_must_fit(tmp_path: Path) -> None:
    pair = Pair("both")
    path = pack(tmp_path / "p", listed("one"), key=pair)
    store = single_key(*pair.keys)
    assert check(path, store).verdict is Word.VALID
    value = taken_apart(path)
    for n in range(2):
        sigs = [list(row) for row in value[3]]
        sigs[n][1] = bytes([sigs[n][1][0] ^ 1]) + sigs[n][1][1:]
        path.write_bytes(msgpack.packb([*value[:3], sigs, *value[4:]], use_bin_type=True))
        assert check(path, store).verdict is Word.ALTERED


def test_the_published_shapes_are_the_ones_that_run(small: Path) -> None:
    import cbor2
    import make_pack_cddl as published
    import pycddl

    text = published.render()
    assert published.FILE.read_text(encoding="utf-8") == text, "stale; run: python tests/library/make_pack_cddl.py"
    value = taken_apart(small)
    for rule, part in (
        ("pack", value), ("pack-manifest", canonical.decode(value[2])), ("pack-contents", canonical.decode(value[4])),
    ):  # fmt: skip
        published.RULES[rule](part, rule, Reading())
        checker = pycddl.Schema(f"root = {rule}\n{text}")
        checker.validate_cbor(cbor2.dumps(part))
        for name in part if isinstance(part, dict) else ():
            with pytest.raises(pycddl.ValidationError):
                checker.validate_cbor(cbor2.dumps({k: v for k, v in part.items() if k != name}))
