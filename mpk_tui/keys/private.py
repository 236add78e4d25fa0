"""Private keys in files: Ed25519, encrypted, readable by their owner alone.

The file is PKCS #8 with PBES2, scrypt (N = 2^17, r = 8, p = 1, 128 MiB) and AES-256-CBC, written here because the
library's own encryption derives the key with 2,048 rounds of PBKDF2.  ``load_pem_private_key`` opens it.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mpk_tui.bundle.suites import ED25519, PublicKey
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import KeyFileError, StorageError
from mpk_tui.files import write_file
from mpk_tui.keys import der
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.keys.public import MOST_BYTES, pem

SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 17, 8, 1
MOST_MEMORY = 1 << 30
MOST_ROUNDS = 10_000_000
_PEM = re.compile(rb"\s*-----BEGIN (ENCRYPTED PRIVATE KEY|PRIVATE KEY)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----\s*\Z")


class SigningKey:
    """An open private key.  Shows nothing of itself but its public half."""

    __slots__ = ("_key", "encrypted", "public")

    def __init__(self, key: Ed25519PrivateKey, *, encrypted: bool = True) -> None:
        self._key = key
        self.encrypted = encrypted
        self.public = PublicKey(ED25519, key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey({self.public.keyid.hex()[:16]}…)"

    def __reduce__(self) -> str:
        raise TypeError("a private key is not pickled")

    def sign(self, message: bytes) -> bytes:
        """The Ed25519 signature of a message, 64 bytes."""
        return self._key.sign(message)


def public_path(path: Path) -> Path:
    """Where the public half of ``KEY.pem`` lies: ``KEY.pub.pem``."""
    return path.with_name(f"{path.name.removesuffix('.pem')}.pub.pem")


def create(path: Path, passphrase: Passphrase) -> PublicKey:
    """Make a key, write ``KEY.pem`` (mode 0600) and ``KEY.pub.pem`` beside it.

    Raises:
        StorageError: One of the files exists or cannot be written.
    """
    beside = public_path(path)
    for target in (path, beside):
        if os.path.lexists(target):
            raise StorageError("exists; a key is never overwritten", where=str(target), hint="Name another file")
    key = Ed25519PrivateKey.generate()
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    opened = SigningKey(key)
    locked = _armour(_encrypt(plain, passphrase))
    write_file(beside, pem(opened.public), mode=0o644)
    try:
        write_file(path, locked, mode=0o600)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return opened.public


def _encrypt(plain: bytes, passphrase: Passphrase) -> bytes:
    salt, iv = secrets.token_bytes(16), secrets.token_bytes(16)
    secret = Scrypt(salt=salt, length=32, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase.value)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    return der.encrypted_key(salt, SCRYPT_N, SCRYPT_R, SCRYPT_P, iv, ciphertext)


def _armour(data: bytes) -> bytes:
    body = base64.b64encode(data)
    lines = [body[i : i + 64] for i in range(0, len(body), 64)]
    name = b"ENCRYPTED PRIVATE KEY"
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (name, b"\n".join(lines), name)


def needs_passphrase(path: Path) -> bool:
    """Whether a key file is encrypted.

    Raises:
        KeyFileError: It is no private key file, or others can read it.
    """
    return _read(path)[0]


def load(path: Path, passphrase: Passphrase | None = None) -> SigningKey:
    """Open a private key file.

    Raises:
        KeyFileError: Wrong passphrase, wrong kind of key, readable by others, or a derivation that costs too much.
        StorageError: It cannot be read.
    """
    encrypted, data, raw = _read(path)
    where = str(path)
    if encrypted:
        _check_cost(raw, where)
        if passphrase is None:
            raise KeyFileError("is encrypted and no passphrase was given", where=where)
    try:
        key = serialization.load_pem_private_key(data, passphrase.value if passphrase and encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm, MemoryError):
        raise KeyFileError(
            "cannot be opened: the passphrase is wrong or the file is damaged" if encrypted else "is damaged",
            where=where,
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError("is not an Ed25519 key", where=where, hint="Make one with: mpk-tui keys new -o KEY.pem")
    return SigningKey(key, encrypted=encrypted)


def _read(path: Path) -> tuple[bool, bytes, bytes]:
    """Whether it is encrypted, the PEM, and the DER within."""
    where = str(path)
    data = read_small(path, MOST_BYTES, follow=True)
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise StorageError(f"cannot be read ({error.strerror})", where=where) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(
            f"can be read by others (mode {stat.S_IMODE(mode):04o})", where=where, hint=f"chmod 600 {path.name}"
        )
    match = _PEM.match(data)
    if match is None:
        hint = "OpenSSH and PKCS #12 files are not read" if b"OPENSSH" in data else "Give the KEY.pem file"
        raise KeyFileError("is not one private key in PKCS #8 PEM form", where=where, hint=hint)
    try:
        raw = base64.b64decode(b"".join(match[2].split()), validate=True)
    except ValueError:
        raise KeyFileError("is damaged (not base64)", where=where) from None
    return match[1].startswith(b"ENCRYPTED"), data, raw


def _check_cost(raw: bytes, where: str) -> None:
    try:
        cost = der.derivation_of(raw)
    except KeyFileError as error:
        raise KeyFileError(error.what, where=where, hint=error.hint) from None
    if cost.memory > MOST_MEMORY:
        raise KeyFileError(
            f"asks for {cost.memory} bytes of memory to be opened, at most {MOST_MEMORY} are given", where=where
        )
    if cost.rounds > MOST_ROUNDS:
        raise KeyFileError(f"asks for {cost.rounds} rounds to be opened, at most {MOST_ROUNDS} are run", where=where)
