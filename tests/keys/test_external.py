"""Messages that are signed elsewhere: what they are taken for, and which signatures are taken back."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))

import workshop as w

from mpk_tui import canonical
from mpk_tui.bundle import build, dsse, endorsements
from mpk_tui.bundle.manifest import Manifest
from mpk_tui.errors import LimitError, MalformedError, MpkError, UnsupportedError
from mpk_tui.keys import external

EVA, FRED = w.Pair("eva"), w.Pair("fred")
S1 = build.message(w.unsigned())
S2 = build.message(build.build(w.contents(), [EVA.signer("Eva"), FRED.signer("Fred")], suite="s2", salt=w.salts()))


def endorsement(signer: object, kind: str = "dissent", data: dict[str, object] | None = None) -> bytes:
    body = endorsements.body(
        kind, w.sha("bundle"), w.sha("signatures"), w.CREATED, signer, "I do not agree.\x1b[31m", data or {}  # type: ignore[arg-type]
    )  # fmt: skip
    return dsse.pae(dsse.ENDORSEMENT_TYPE, body)


def test_a_bundle_says_what_it_is() -> None:
    asked = external.parse_request(S2, "f.pae")
    assert isinstance(asked.body, Manifest)
    assert asked.id == hashlib.sha256(S2).digest()
    text = "\n".join(external.describe(asked))
    for part in (
        asked.id.hex(), "'case-1'", "'Provenance of a suspect'", "bundle number 0", "2023-11-14", "s2: Ed25519 and ML-DSA-65",
        "verdict: ", "tensors.S1: 3 items", "'Eva', analyst", "'Fred', analyst", "ML-DSA-65 key", "not here",
    ):  # fmt: skip
        assert part in text
    assert "s1: Ed25519" in "\n".join(external.describe(external.parse_request(S1, "f.pae")))


@pytest.mark.parametrize("signer", [w.ANNA.signer("Anna"), EVA.signer("Eva")], ids=["s1", "s2"])
def test_an_endorsement_says_what_it_is(signer: object) -> None:
    asked = external.parse_request(endorsement(signer), "f.pae")
    text = "\n".join(external.describe(asked))
    for part in ("dissent", w.sha("bundle").hex(), "I do not agree.\\x1b[31m", "2023-11-14"):
        assert part in text
    removal = {"ids": ["notes"], "reason": "personal data", "authority": "court order 7"}
    text = "\n".join(external.describe(external.parse_request(endorsement(signer, "redaction", removal), "f.pae")))
    assert "notes" in text
    assert "court order 7" in text


def pae(kind: bytes, body: bytes, *, type_len: object = None, body_len: object = None) -> bytes:
    a = len(kind) if type_len is None else type_len
    b = len(body) if body_len is None else body_len
    return f"DSSEv1 {a} ".encode() + kind + f" {b} ".encode() + body


KIND = dsse.BUNDLE_TYPE.encode()
BODY = w.unsigned().payload
WRONG: dict[str, tuple[Callable[[], bytes], type[MpkError]]] = {
    "empty": (lambda: b"", MalformedError),
    "a bundle file": (lambda: w.unsigned().to_bytes(), MalformedError),
    "the manifest alone": (lambda: BODY, MalformedError),
    "text": (lambda: b"Please sign this letter.\n", MalformedError),
    "cut": (lambda: S1[:-1], MalformedError),
    "a byte more": (lambda: S1 + b"\n", MalformedError),
    "leading zero": (lambda: pae(KIND, BODY, body_len=f"0{len(BODY)}"), MalformedError),
    "type length wrong": (lambda: pae(KIND, BODY, type_len=len(KIND) + 1), MalformedError),
    "huge lengths": (lambda: pae(KIND, BODY, body_len=10**30), MalformedError),
    "version 2": (lambda: S1.replace(b"DSSEv1", b"DSSEv2"), MalformedError),
    "other type": (lambda: dsse.pae("application/vnd.in-toto+json", b"{}"), UnsupportedError),
    "type of a contract": (lambda: dsse.pae("text/plain", b"I owe you"), UnsupportedError),
    "type that is not ASCII": (lambda: pae("é".encode(), BODY), MalformedError),
    "not canonical": (lambda: dsse.pae(dsse.BUNDLE_TYPE, b"\x82\xa1v\xc0\xa1a\xc0"), MalformedError),
    "no manifest": (lambda: dsse.pae(dsse.BUNDLE_TYPE, canonical.encode({"v": [1, 0]})), MalformedError),
    "manifest 2.0": (
        lambda: dsse.pae(dsse.BUNDLE_TYPE, canonical.encode({**canonical.decode(BODY), "v": [2, 0]})),
        UnsupportedError,
    ),
    "endorsement as a bundle": (
        lambda: dsse.pae(dsse.BUNDLE_TYPE, endorsement(w.ANNA.signer()).split(b" ", 5)[-1]), MalformedError),
    "bundle as an endorsement": (lambda: dsse.pae(dsse.ENDORSEMENT_TYPE, BODY), MalformedError),
    "endorsement of an unknown kind": (
        lambda: endorsement(w.ANNA.signer()).replace(b"dissent", b"whisper"), MalformedError),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_request_is_refused(name: str) -> None:
    make, kind = WRONG[name]
    with pytest.raises(kind):
        external.parse_request(make(), "f.pae")


def test_every_cut_of_a_request_is_refused() -> None:
    for n in range(0, len(S1), 7):
        with pytest.raises(MpkError):
            external.parse_request(S1[:n], "f.pae")


def test_signatures_are_taken_by_length_and_fit(tmp_path: Path) -> None:
    path = tmp_path / "s.sig"
    keys = (*EVA.keys, *FRED.keys)
    for pair in (EVA, FRED):
        for key, sig in zip(pair.keys, pair.sign(S2), strict=True):
            path.write_bytes(sig)
            assert external.read_signature(path, S2, keys).keyid == key.keyid
            with pytest.raises(MalformedError, match="is not the"):
                external.read_signature(path, S1, keys)
            with pytest.raises(MalformedError, match="any key that is waited for"):
                external.read_signature(path, S2, [k for k in keys if k.alg != key.alg])


@pytest.mark.parametrize("size", [0, 1, 63, 65, 88, 128, 3308, 3310, 8192])
def test_other_lengths_are_no_signatures(size: int, tmp_path: Path) -> None:
    (tmp_path / "s.sig").write_bytes(bytes(size))
    with pytest.raises(MalformedError, match=f"has {size} bytes"):
        external.read_signature(tmp_path / "s.sig", S2, EVA.keys)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "s.sig").write_bytes(bytes(8193))
    with pytest.raises(LimitError):
        external.read_signature(tmp_path / "s.sig", S2, EVA.keys)


def newer(body: bytes) -> bytes:
    value = canonical.decode(body)
    return canonical.encode({**value, "v": [1, 9], "besides": "I owe you a million."})


@pytest.mark.parametrize("kind", [dsse.BUNDLE_TYPE, dsse.ENDORSEMENT_TYPE, dsse.TRUST_TYPE])
def test_what_could_not_be_shown_is_not_asked_for(kind: str) -> None:
    """A newer minor version may hold fields that this program passes over: readers may, signers must not."""
    import stores

    bodies = {
        dsse.BUNDLE_TYPE: w.unsigned().payload,
        dsse.ENDORSEMENT_TYPE: endorsement(w.ANNA.signer()).split(b" ", 4)[4],
        dsse.TRUST_TYPE: stores.read(stores.store()).payload,
    }
    external.parse_request(dsse.pae(kind, bodies[kind]), "f.pae")
    with pytest.raises(UnsupportedError, match=r"version 1\.9"):
        external.parse_request(dsse.pae(kind, newer(bodies[kind])), "f.pae")
