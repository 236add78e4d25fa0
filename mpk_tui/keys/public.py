"""Public keys from files: one Ed25519 key in a PEM, of prime order, and nothing else."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mpk_tui.bundle.suites import ED25519, PublicKey
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import KeyFileError
from mpk_tui.text import hex_groups

MOST_BYTES = 64 << 10
BEGIN = b"-----BEGIN PUBLIC KEY-----"


def read_public(path: Path) -> PublicKey:
    """Read a public key file.

    Raises:
        KeyFileError: It holds anything but one sound Ed25519 public key.
        StorageError: It cannot be read.
    """
    return parse_public(read_small(path, MOST_BYTES, follow=True), str(path))


def parse_public(data: bytes, where: str) -> PublicKey:
    """A public key from PEM bytes.

    Raises:
        KeyFileError: Two keys, a certificate, a private key, another algorithm, or a point that is not of prime order.
    """
    if data.count(b"-----BEGIN ") != 1 or BEGIN not in data:
        what = "a private key" if b"PRIVATE KEY" in data else "a certificate" if b"CERTIFICATE" in data else "no key"
        several = data.count(b"-----BEGIN ") > 1
        raise KeyFileError(
            f"holds {'several objects' if several else what}, one public key in PEM form was expected",
            where=where,
            hint="Give the .pub.pem file",
        )
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFileError("is not a readable public key", where=where) from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFileError("is not an Ed25519 key", where=where, hint="This version signs and verifies with Ed25519")
    public = PublicKey(ED25519, key.public_bytes_raw())
    if not public.sound():
        raise KeyFileError(
            "is not a sound key (not of prime order): one signature could fit every message", where=where
        )
    return public


def pem(key: PublicKey) -> bytes:
    """The PEM form of a public key."""
    return Ed25519PublicKey.from_public_bytes(key.raw).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def fingerprint(key: PublicKey) -> str:
    """The key id as 16 groups of four hex digits, for comparing by eye or voice."""
    return hex_groups(key.keyid)
