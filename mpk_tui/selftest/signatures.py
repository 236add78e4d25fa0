"""Signatures whose answer is published: accepted ones, and those that only a lax verifier accepts."""

from __future__ import annotations

import json
from importlib import resources

from mpk_tui.bundle import ed25519, mldsa
from mpk_tui.bundle.suites import ED25519, ML_DSA_65, PublicKey
from mpk_tui.selftest.check import Check, Question, answered, not_run

# RFC 8032, section 7.1, tests 1 to 3: public key, message, signature.
_RFC_8032 = (
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
     "d25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
     "4a7c15e9716ed28dc027beceea1ec40a"),
)  # fmt: skip
# The identity as key: with it, S times the base point as R fits every message; here S = 1 and R is the base point.
_IDENTITY = bytes([1]) + bytes(31)
_BASE_POINT = bytes([0x58]) + bytes([0x66]) * 31
_UNIVERSAL = _BASE_POINT + bytes([1]) + bytes(31)
# SHA-256 of 302a300506032b6570032100 and the key, as openssl pkey -pubin -outform DER | sha256sum prints it.
_KEY_ID = "06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9"
_NONE = "refused, refused, refused"
_ML_DSA = "ML-DSA-65 (Wycheproof, tcId 1): accepted, and refused with one bit turned"


def checks() -> list[Check]:
    """Ed25519 as RFC 8032 means it, and ML-DSA-65 where the installed library has it."""
    asked = [
        Question("three Ed25519 signatures of RFC 8032", "accepted, accepted, accepted", _accepted),
        Question("the signatures of RFC 8032 over another message", _NONE, _another),
        Question("the signatures of RFC 8032 with one bit turned", _NONE, _turned),
        Question("the signatures of RFC 8032 with S + L for S", _NONE, _malleated),
        Question("a signature that fits every message, by a key of low order", "refused", _universal),
        Question("the key id of RFC 8032's first key", _KEY_ID, _key_id),
    ]
    return [*map(answered, asked), _ml_dsa()]


def _word(accepted: bool) -> str:
    return "accepted" if accepted else "refused"


def _triples() -> list[tuple[bytes, bytes, bytes]]:
    return [(bytes.fromhex(k), bytes.fromhex(m), bytes.fromhex(s)) for k, m, s in _RFC_8032]


def _accepted(more: bytes = b"") -> str:
    return ", ".join(_word(_verifies(key, sig, message + more)) for key, message, sig in _triples())


def _another() -> str:
    return _accepted(b"x")


def _turned() -> str:
    return ", ".join(_word(_verifies(key, bytes([sig[0] ^ 1]) + sig[1:], message)) for key, message, sig in _triples())


def _malleated() -> str:
    out = []
    for key, message, sig in _triples():
        s = int.from_bytes(sig[32:], "little") + ed25519.L
        out.append(_word(_verifies(key, sig[:32] + s.to_bytes(32, "little"), message)))
    return ", ".join(out)


def _universal() -> str:
    return _word(_verifies(_IDENTITY, _UNIVERSAL, b"any message") or _verifies(_IDENTITY, _UNIVERSAL, b"another"))


def _verifies(key: bytes, signature: bytes, message: bytes) -> bool:
    return PublicKey(ED25519, key).verifies(signature, message)


def _key_id() -> str:
    return PublicKey(ED25519, bytes.fromhex(_RFC_8032[0][0])).keyid.hex()


def _ml_dsa() -> Check:
    if not mldsa.supported():
        return not_run(_ML_DSA, "the installed cryptography has no ML-DSA")

    def ask() -> str:
        vector = json.loads((resources.files("mpk_tui") / "selftest" / "mldsa65.json").read_bytes())
        key, message, sig = (bytes.fromhex(vector[name]) for name in ("public", "message", "signature"))
        bad = bytes([sig[0] ^ 1]) + sig[1:]
        held = PublicKey(ML_DSA_65, key)
        return f"{_word(held.verifies(sig, message))}, {_word(held.verifies(bad, message))}"

    return answered(Question(_ML_DSA, "accepted, refused", ask))
