"""The public key that the user gives, and the ways in which a signature file may name it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import KeyFileError

MOST_BYTES = 64 << 10
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512(),
}  # fmt: skip
"""The curves of the format, each with the hash that goes with it."""


@dataclass(frozen=True)
class SignerKey:
    """An ECDSA public key on P-256, P-384 or P-521.

    Attributes:
        key: As the library holds it.
        keyid: SHA-256 of its DER form (SubjectPublicKeyInfo), hex; how this package names keys.
        pem_digest: SHA-256 of its PEM text, hex; how the format hints at a key.
    """

    key: ec.EllipticCurvePublicKey
    keyid: str
    pem_digest: str

    @property
    def curve(self) -> str:
        """``secp256r1``, ``secp384r1`` or ``secp521r1``."""
        return self.key.curve.name

    def fits(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature was made over ``message`` by this key, with the hash of its curve."""
        return self._fits(signature, message, _HASHES[self.curve])

    def fits_sha256(self, signature: bytes, message: bytes) -> bool:
        """The same with SHA-256 whatever the curve, as release 0.2 signed."""
        return self._fits(signature, message, hashes.SHA256())

    def _fits(self, signature: bytes, message: bytes, algorithm: hashes.HashAlgorithm) -> bool:
        try:
            self.key.verify(signature, message, ec.ECDSA(algorithm))
        except InvalidSignature:
            return False
        return True

    def named_by(self, hint: str) -> bool:
        """Whether a hint names this key: the digest of its PEM text, or of its DER form as others write."""
        return hint.lower() in (self.pem_digest, self.keyid)


def read_signer_key(path: Path) -> SignerKey:
    """Read a public key file.

    Raises:
        KeyFileError: It holds anything but one public key on a curve of the format.
        StorageError: It cannot be read.
    """
    return parse_signer_key(read_small(path, MOST_BYTES, follow=True), str(path))


def parse_signer_key(pem: bytes, where: str) -> SignerKey:
    """A key from PEM bytes; see `read_signer_key`."""
    if pem.count(b"-----BEGIN ") != 1 or b"-----BEGIN PUBLIC KEY-----" not in pem:
        what = "a private key" if b"PRIVATE KEY" in pem else "a certificate" if b"CERTIFICATE" in pem else "no key"
        several = pem.count(b"-----BEGIN ") > 1
        raise KeyFileError(
            f"holds {'several objects' if several else what}, one public key in PEM form was expected",
            where=where,
            hint="Give the signer's public key; a certificate goes with --ca",
        )
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError("is not a readable public key", where=where) from None
    return of_key(key, where)


def of_key(key: object, where: str) -> SignerKey:
    """A key that was read elsewhere (from a certificate).

    Raises:
        KeyFileError: It is not on a curve of the format.
    """
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        raise KeyFileError(
            "is not an ECDSA key on P-256, P-384 or P-521, the only ones that OpenSSF Model Signing knows", where=where
        )
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    der = key.public_bytes(serialization.Encoding.DER, spki)
    text = key.public_bytes(serialization.Encoding.PEM, spki)
    return SignerKey(key, hashlib.sha256(der).hexdigest(), hashlib.sha256(text).hexdigest())
