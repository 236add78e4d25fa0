"""The strict wrapper: what plain verification lets through is refused, what RFC 8032 signs is accepted."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from workshop import ANNA, BERT

from mpk_tui.bundle import ed25519
from mpk_tui.bundle.suites import PublicKey
from mpk_tui.errors import UnsupportedError

# RFC 8032, section 7.1, tests 1 to 3: public key, message, signature.
RFC = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
     "d25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
     "4a7c15e9716ed28dc027beceea1ec40a"),
]  # fmt: skip


@pytest.mark.parametrize(("public", "message", "signature"), RFC)
def test_rfc_8032_vectors(public: str, message: str, signature: str) -> None:
    key, text, sig = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert ed25519.verifies(key, sig, text)
    assert ed25519.of_prime_order(key)
    assert not ed25519.verifies(key, sig, text + b"x")
    assert not ed25519.verifies(key, sig[:32] + bytes(32), text)


def small_order_encodings() -> set[bytes]:
    """All 32-byte strings that any decoder could read as a point of order 1, 2, 4 or 8."""
    out = set()
    for y in ed25519.LOW_ORDER_Y:
        for sign in (0, 1):
            out.add((y | sign << 255).to_bytes(32, "little"))
    return out


def test_the_list_of_low_order_points_is_complete_and_right() -> None:
    assert len(small_order_encodings()) == 14
    canonical = [e for e in small_order_encodings() if ed25519.decompress(e) is not None]
    points = [ed25519.decompress(e) for e in canonical]
    assert len(points) == 8  # the whole torsion group
    for p in points:
        assert p is not None
        assert ed25519.is_identity(ed25519.multiply(8, p))


@pytest.mark.parametrize("encoding", sorted(small_order_encodings()), ids=lambda e: e.hex()[:8])
def test_low_order_keys_and_commitments_are_refused(encoding: bytes) -> None:
    assert not ed25519.sound_encoding(encoding)
    assert not ed25519.of_prime_order(encoding)
    good = ANNA.sign(b"m")
    assert not ed25519.verifies(encoding, encoding + bytes(32), b"m")
    assert not ed25519.verifies(ANNA.public.raw, encoding + good[32:], b"m")


def test_the_library_alone_accepts_a_signature_that_fits_everything() -> None:
    """Why the wrapper exists; if this ever fails the library has become stricter."""
    identity = (1).to_bytes(32, "little")
    key = Ed25519PublicKey.from_public_bytes(identity)
    for message in (b"one", b"two"):
        key.verify(identity + bytes(32), message)
        assert not ed25519.verifies(identity, identity + bytes(32), message)


def test_non_canonical_encodings_are_refused() -> None:
    for y in range(2**255 - 19, 2**255):
        assert not ed25519.sound_encoding(y.to_bytes(32, "little"))
    assert not ed25519.sound_encoding(bytes(31))


def test_s_must_be_reduced() -> None:
    good = ANNA.sign(b"m")
    s = int.from_bytes(good[32:], "little")
    assert ed25519.verifies(ANNA.public.raw, good, b"m")
    assert not ed25519.verifies(ANNA.public.raw, good[:32] + (s + ed25519.L).to_bytes(32, "little"), b"m")
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(ANNA.public.raw).verify(good, b"n")


def test_a_point_that_does_not_exist_is_no_key() -> None:
    absent = next(y for y in range(2, 50) if ed25519.decompress(y.to_bytes(32, "little")) is None)
    assert not ed25519.of_prime_order(absent.to_bytes(32, "little"))
    assert not ed25519.verifies(absent.to_bytes(32, "little"), ANNA.sign(b"m"), b"m")


def test_a_key_id_is_the_digest_that_openssl_prints(tmp_path: Path) -> None:
    from mpk_tui.keys.public import pem

    (tmp_path / "k.pem").write_bytes(pem(ANNA.public))
    try:
        der = subprocess.run(
            ["openssl", "pkey", "-pubin", "-in", str(tmp_path / "k.pem"), "-outform", "DER"],
            check=True, capture_output=True,
        ).stdout  # fmt: skip
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    assert hashlib.sha256(der).digest() == ANNA.public.keyid
    assert ANNA.public.keyid != BERT.public.keyid


def test_keys_of_other_algorithms_have_no_id_here() -> None:
    for alg, size in (("ml-dsa-87", 2592), ("rsa", 270), ("ed25519", 33), ("ml-dsa-65", 1951)):
        with pytest.raises(UnsupportedError):
            _ = PublicKey(alg, bytes(size)).keyid
    assert not PublicKey("ml-dsa-87", bytes(2592)).verifies(bytes(4627), b"m")


def encoded(point: ed25519.Point) -> bytes:
    inverse = pow(point[2], -1, ed25519.P)
    x, y = point[0] * inverse % ed25519.P, point[1] * inverse % ed25519.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def test_prime_order_is_what_a_multiplication_by_the_order_says() -> None:
    """The library's multiplication against ours: points of every coset of the torsion group, and arbitrary strings."""
    base = ed25519.decompress(bytes([0x58]) + bytes([0x66]) * 31)
    eighth = ed25519.decompress(ed25519._Y8.to_bytes(32, "little"))
    assert base is not None
    assert eighth is not None
    for n in range(1, 6):
        for k in range(8):
            key = encoded(ed25519.add(ed25519.multiply(n, base), ed25519.multiply(k, eighth)))
            assert ed25519.of_prime_order(key) is (k == 0), (n, k)
    found = set()
    for n in range(200):
        text = hashlib.sha256(b"point %d" % n).digest()
        point = ed25519.decompress(text)
        expected = point is not None and ed25519.is_identity(ed25519.multiply(ed25519.L, point))
        assert ed25519.of_prime_order(text) is expected
        found.add((point is not None, expected))
    assert found == {(False, False), (True, False), (True, True)}
