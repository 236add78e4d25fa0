"""Suites of algorithms, and public keys that name their own algorithm.

The algorithm comes from the key, never from a signature record; which algorithms a signer must use is fixed by the
suite that the signed manifest names.  The id of a key is the SHA-256 of its DER SubjectPublicKeyInfo, which commits to
the algorithm: ``openssl pkey -pubin -in KEY.pub.pem -outform DER | sha256sum`` prints the same value.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import pairwise

from mpk_tui.bundle import ed25519, mldsa
from mpk_tui.errors import UnsupportedError, UsageError
from mpk_tui.hashtree import sha256
from mpk_tui.records import dataclass

ED25519 = "ed25519"
ML_DSA_65 = "ml-dsa-65"

SUITES: dict[str, tuple[str, ...]] = {"s1": (ED25519,), "s2": (ED25519, ML_DSA_65)}
"""Algorithms of each suite, in the order in which a signer declares them; every one must verify."""
PUBLIC_BYTES = {ED25519: 32, ML_DSA_65: mldsa.PUBLIC_BYTES}
SIGNATURE_BYTES = {ED25519: 64, ML_DSA_65: mldsa.SIGNATURE_BYTES}
NAMES = {ED25519: "Ed25519", ML_DSA_65: "ML-DSA-65"}
"""How people write them."""
# DER before the key's bytes: SEQUENCE { SEQUENCE { OID }, BIT STRING without unused bits }.
_SPKI = {
    ED25519: bytes.fromhex("302a300506032b6570032100"),  # RFC 8410, section 4: OID 1.3.101.112
    # RFC 9881, section 4: OID 2.16.840.1.101.3.4.3.18, parameters absent
    ML_DSA_65: bytes.fromhex("308207b2300b0609608648016503040312038207a100"),
}


@dataclass(frozen=True)
class PublicKey:
    """A public key as a manifest or a trust store holds it.

    Attributes:
        alg: ``ed25519`` or ``ml-dsa-65``.
        raw: The key's bytes (32 for Ed25519, 1,952 for ML-DSA-65).
    """

    alg: str
    raw: bytes

    @cached_property
    def keyid(self) -> bytes:
        """SHA-256 of the DER SubjectPublicKeyInfo; always computed, never believed."""
        return sha256(self.spki())

    def spki(self) -> bytes:
        """DER SubjectPublicKeyInfo.

        Raises:
            UnsupportedError: This version has no encoding for the algorithm.
        """
        if self.alg not in _SPKI or len(self.raw) != PUBLIC_BYTES[self.alg]:
            raise UnsupportedError(
                f"keys of kind {self.alg!r} with {len(self.raw)} bytes are not supported by this version", where="key"
            )
        return _SPKI[self.alg] + self.raw

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` is this key's signature of ``message``.

        Raises:
            UnsupportedError: The installed library cannot check this algorithm.
        """
        if self.alg == ED25519:
            return ed25519.verifies(self.raw, signature, message)
        return self.alg == ML_DSA_65 and mldsa.verifies(self.raw, signature, message)

    def sound(self) -> bool:
        """Whether the key may be trusted at all: Ed25519 well encoded and of prime order, ML-DSA-65 of its length."""
        if self.alg == ED25519:
            return ed25519.of_prime_order(self.raw)
        return self.alg == ML_DSA_65 and len(self.raw) == mldsa.PUBLIC_BYTES


def from_spki(der: bytes) -> PublicKey | None:
    """The key in a DER SubjectPublicKeyInfo, or None if it is of no kind that suites use; needs no library."""
    for alg, head in _SPKI.items():
        if der.startswith(head) and len(der) == len(head) + PUBLIC_BYTES[alg]:
            return PublicKey(alg, der[len(head) :])
    return None


def verifiable(suite: str) -> bool:
    """Whether signatures of a known suite can be checked with the library that is installed."""
    return ML_DSA_65 not in SUITES[suite] or mldsa.supported()


def suite_of(keys: Iterable[PublicKey]) -> str:
    """The suite whose algorithms these keys are, in its order.

    Raises:
        UsageError: They are the keys of no suite.
    """
    found = tuple(k.alg for k in keys)
    for suite, wanted in SUITES.items():
        if found == wanted:
            return suite
    raise UsageError(
        f"keys of kind {', '.join(found) or 'none'} make no suite",
        hint="; ".join(f"{s} is {' and '.join(NAMES[a] for a in wanted)}" for s, wanted in SUITES.items()),
    )


def in_order(keys: Iterable[PublicKey]) -> tuple[PublicKey, ...]:
    """Keys in the order in which a signer declares them.

    Raises:
        UsageError: Two of one algorithm.
    """
    order = list(PUBLIC_BYTES)
    out = sorted(keys, key=lambda k: order.index(k.alg))
    for a, b in pairwise(out):
        if a.alg == b.alg:
            raise UsageError(
                f"two keys of kind {NAMES[a.alg]}", hint="A signer has one key for each algorithm of the suite"
            )
    return tuple(out)
