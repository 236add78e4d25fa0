"""The workshop's keys as files: a private one without a passphrase, and its public half."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from workshop import Key

from mpk_tui.keys.public import pem


def key_files(folder: Path, **keys: Key) -> Path:
    """Write ``<name>.pem`` and ``<name>.pub.pem`` for each key; returns the folder."""
    for name, key in keys.items():
        held: Ed25519PrivateKey = key._key
        path = folder / f"{name}.pem"
        path.write_bytes(
            held.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        path.chmod(0o600)
        (folder / f"{name}.pub.pem").write_bytes(pem(key.public))
    return folder
