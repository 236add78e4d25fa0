"""Hashes, trees, chains and the canonical profile: answers that standards or docs/format.md fix."""

from __future__ import annotations

import hashlib

from mpk_tui import canonical, hashtree
from mpk_tui.constitution import norm
from mpk_tui.selftest.check import Question

# One value of each kind that the profile knows, and its only encoding (docs/format.md, section 1).
_VALUE = {"a": [None, True, -1, 128, 1.5], "b": b"\x00\xff", "c": "é"}
_BYTES = "83a16195c0c3ffcc80cb3ff8000000000000a162c40200ffa163a2c3a9"
# What looks like it and is refused: keys out of order, a key twice, an integer and a string in a longer form, float32,
# NaN, minus zero, an extension, 0xc1, a binary key, invalid UTF-8, an integer of 2^63, a byte too many, one too few.
_REFUSED = (
    "82a162c0a161c0", "82a161c0a161c0", "cd0001", "d90161", "ca3fc00000", "cb7ff8000000000000", "cb8000000000000000",
    "d60000000000", "c1", "81c40161c0", "a2c328", "cf8000000000000000", "c0c0", "92c0",
)  # fmt: skip
# RFC 9162, section 2.1.1, over the eight leaves that Certificate Transparency implementations are tested with.
_LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
_ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def questions() -> list[Question]:
    """FIPS 180-4 examples, the RFC 9162 root, a log head, the profile's two sides, the norm's data file."""
    return [
        Question(
            "SHA-256 of 'abc' (FIPS 180-4)",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            lambda: hashtree.sha256(b"abc").hex(),
        ),
        Question(
            "SHA-256 of a million 'a', in pieces",
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
            _in_pieces,
        ),
        Question(
            "SHA-512 of 'abc' (FIPS 180-4)",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            lambda: hashlib.sha512(b"abc").hexdigest(),
        ),
        Question("RFC 9162 root of eight leaves", _ROOT, _root),
        Question(
            "head of a log of two entries",
            "5f774d4837a87ccc38fb4600a3108c5f6a60e8d95471c6621878d8427e86376e",
            lambda: hashtree.chain_head([hashtree.sha256(b"one"), hashtree.sha256(b"two")]).hex(),
        ),
        Question("a canonical value is written as it must be", _BYTES, lambda: canonical.encode(_VALUE).hex()),
        Question("the same bytes are read back", "the same value", _read_back),
        Question(f"{len(_REFUSED)} other encodings are refused", "all refused", _refusals),
        Question(
            f"data file of the norm {norm.CURRENT}",
            "5a445f4848f0b2ee86d66d26288c47adabf3ba1528767fdc8ca511211ada1e9b",
            lambda: norm.load(norm.CURRENT).digest.hex(),
        ),
    ]


def _in_pieces() -> str:
    whole = hashlib.sha256()
    for _ in range(1000):
        whole.update(b"a" * 1000)
    return whole.hexdigest()


def _root() -> str:
    return hashtree.merkle_root([hashtree.leaf_hash(bytes.fromhex(leaf)) for leaf in _LEAVES]).hex()


def _read_back() -> str:
    return "the same value" if canonical.decode(bytes.fromhex(_BYTES)) == _VALUE else "another value"


def _refusals() -> str:
    from mpk_tui.errors import LimitError, MalformedError

    taken = []
    for text in _REFUSED:
        try:
            canonical.decode(bytes.fromhex(text))
        except (MalformedError, LimitError):
            continue
        taken.append(text)
    return f"accepted: {', '.join(taken)}" if taken else "all refused"
