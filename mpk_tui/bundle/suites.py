"""Suites of algorithms, and public keys that name their own algorithm.

The algorithm comes from the key, never from a signature record; which algorithms a signer must use is fixed by the
suite that the signed manifest names.  The id of a key is the SHA-256 of its DER SubjectPublicKeyInfo, which commits to
the algorithm: ``openssl pkey -pubin -in KEY.pub.pem -outform DER | sha256sum`` prints the same value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mpk_tui.bundle import ed25519
from mpk_tui.errors import UnsupportedError
from mpk_tui.hashtree import sha256

ED25519 = "ed25519"
ML_DSA_65 = "ml-dsa-65"

SUITES: dict[str, tuple[str, ...]] = {"s1": (ED25519,), "s2": (ED25519, ML_DSA_65)}
"""Algorithms of each suite, in the order in which a signer declares them; every one must verify."""
VERIFIABLE = frozenset({"s1"})
"""Suites whose signatures this version can check."""
PUBLIC_BYTES = {ED25519: 32, ML_DSA_65: 1952}
_SPKI_ED25519 = bytes.fromhex("302a300506032b6570032100")  # RFC 8410, section 4: OID 1.3.101.112, then 32 bytes


@dataclass(frozen=True)
class PublicKey:
    """A public key as a manifest or a trust store holds it.

    Attributes:
        alg: ``ed25519`` or ``ml-dsa-65``.
        raw: The key's bytes (32 for Ed25519).
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
        if self.alg != ED25519:
            raise UnsupportedError(f"keys of kind {self.alg!r} are not supported by this version", where="key")
        return _SPKI_ED25519 + self.raw

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` is this key's signature of ``message``."""
        return self.alg == ED25519 and ed25519.verifies(self.raw, signature, message)

    def sound(self) -> bool:
        """Whether the key may be trusted at all: well encoded and of prime order."""
        return self.alg == ED25519 and ed25519.of_prime_order(self.raw)
