"""Private keys in files: Ed25519 and ML-DSA-65, encrypted, readable by their owner alone.

A file is PKCS #8 with PBES2 and AES-256-CBC, written here because the library's own encryption derives the key with
2,048 rounds of PBKDF2.  The derivation is scrypt (N = 2^17, r = 8, p = 1, 128 MiB), or on request 1,000,000 rounds of
PBKDF2-HMAC-SHA256, which the openssl command of version 3.0 opens too.  ML-DSA-65 keys are stored as their seed
(RFC 9881, section 6).  ``load_pem_private_key`` opens both.

A key that a program uses on its own is marked: the line `MARK` stands before the armour of both halves, as RFC 7468
(section 2) lets explanatory text stand there.  A marked key signs in the role ``unattended`` and in no other; the mark
keeps honest hands from mistakes, and what a receiver believes is the role that its trust store grants.

An identity of suite s2 is two files, ``KEY.pem`` and ``KEY.ml-dsa-65.pem`` beside it, under one passphrase (ADR 0016).
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mpk_tui.bundle import mldsa
from mpk_tui.bundle.suites import ED25519, ML_DSA_65, SUITES, PublicKey
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import KeyFileError, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.keys import der
from mpk_tui.keys.passphrase import Passphrase, Secret
from mpk_tui.keys.public import MARK, MOST_BYTES, half_beside, pem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

SCRYPT_N, SCRYPT_R, SCRYPT_P = 1 << 17, 8, 1
PBKDF2_ROUNDS = 1_000_000
MOST_MEMORY = 1 << 30
MOST_ROUNDS = 10_000_000
# Possessive, because a file of nothing but white space would otherwise be tried in every way of dividing it.
_PEM = re.compile(
    rb"(?:"
    + re.escape(MARK)
    + rb"\r?\n)?+\s*+-----BEGIN (ENCRYPTED PRIVATE KEY|PRIVATE KEY)-----\s++([A-Za-z0-9+/=\s]++)-----END \1-----\s*+\Z"
)


class SigningKey:
    """An open private key.  Shows nothing of itself but its public half."""

    __slots__ = ("_key", "encrypted", "public", "unattended")

    def __init__(
        self, key: Ed25519PrivateKey | MLDSA65PrivateKey, *, encrypted: bool = True, unattended: bool = False
    ) -> None:
        self._key = key
        self.encrypted = encrypted
        self.unattended = unattended
        alg = ED25519 if isinstance(key, Ed25519PrivateKey) else ML_DSA_65
        self.public = PublicKey(alg, key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey({self.public.keyid.hex()[:16]}…)"

    def __reduce__(self) -> str:
        raise TypeError("a private key is not pickled")

    def sign(self, message: bytes) -> bytes:
        """The signature of a message: 64 bytes (Ed25519) or 3,309 (ML-DSA-65, empty context, randomised)."""
        return self._key.sign(message)

    def seed(self) -> Secret:
        """The 32 bytes that the key is made from, to hand it to an agent."""
        return Secret(self._key.private_bytes_raw())


def public_path(path: Path) -> Path:
    """Where the public half of ``KEY.pem`` lies: ``KEY.pub.pem``."""
    return path.with_name(f"{path.name.removesuffix('.pem')}.pub.pem")


def paths_of(path: Path, suite: str) -> dict[str, Path]:
    """Private key files of an identity by algorithm: ``KEY.pem``, and for s2 the second half beside it.

    Raises:
        UsageError: ``path`` has the name of a second half.
    """
    beside = half_beside(path)
    if beside is None:
        raise UsageError(
            f"{path.name!r} is the name of a second half", hint="Name the first half, KEY.pem; the second lies beside"
        )
    return {alg: path if alg == ED25519 else beside for alg in SUITES[suite]}


def must_be_free(path: Path, suite: str) -> None:
    """Refuse to make an identity where it cannot be kept or used; asks before a passphrase is asked for.

    Raises:
        StorageError: One of the files exists, or there is no folder for them.
        UnsupportedError: The installed library has no ML-DSA.
        UsageError: The name is that of a second half.
    """
    if ML_DSA_65 in SUITES[suite]:
        mldsa.require()
    if not path.absolute().parent.is_dir():
        raise StorageError("there is no such folder", where=str(path.parent))
    for target in (p for private in paths_of(path, suite).values() for p in (private, public_path(private))):
        if os.path.lexists(target):
            raise StorageError("exists; a key is never overwritten", where=str(target), hint="Name another file")


def create(
    path: Path,
    passphrase: Passphrase,
    suite: str = "s1",
    *,
    openssl_compatible: bool = False,
    unattended: bool = False,
) -> tuple[PublicKey, ...]:
    """Make the keys of an identity: ``KEY.pem`` (mode 0600) and ``KEY.pub.pem``, for s2 the second half beside them.

    Args:
        path: ``KEY.pem``.
        passphrase: For every private half.
        suite: Which keys.
        openssl_compatible: Derive with PBKDF2 instead of scrypt.
        unattended: Mark the keys as a machine's.

    Returns:
        The public halves in the order of the suite.

    Raises:
        StorageError: One of the files exists or cannot be written.
        UnsupportedError: The installed library has no ML-DSA.
        UsageError: The name is that of a second half.
    """
    must_be_free(path, suite)
    written: list[Path] = []
    keys: list[PublicKey] = []
    try:
        for alg, target in paths_of(path, suite).items():
            opened = SigningKey(_generate(alg))
            locked = _armour(_encrypt(_plain(opened), passphrase, openssl_compatible=openssl_compatible))
            mark = MARK + b"\n" if unattended else b""
            for file, data, mode in ((public_path(target), pem(opened.public), 0o644), (target, locked, 0o600)):
                write_file(file, mark + data, mode=mode)
                written.append(file)
            keys.append(opened.public)
    except BaseException:
        for file in written:
            file.unlink(missing_ok=True)
        raise
    return tuple(keys)


def _generate(alg: str) -> Ed25519PrivateKey | MLDSA65PrivateKey:
    if alg == ED25519:
        return Ed25519PrivateKey.generate()
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

    return MLDSA65PrivateKey.generate()


def _plain(key: SigningKey) -> Secret:
    return Secret(
        key._key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _encrypt(plain: Secret, passphrase: Passphrase, *, openssl_compatible: bool) -> bytes:
    salt, iv = secrets.token_bytes(16), secrets.token_bytes(16)
    derived: PBKDF2HMAC | Scrypt
    if openssl_compatible:
        derived = PBKDF2HMAC(hashes.SHA256(), 32, salt, PBKDF2_ROUNDS)
        derivation = der.pbkdf2(salt, PBKDF2_ROUNDS)
    else:
        derived = Scrypt(salt, 32, SCRYPT_N, SCRYPT_R, SCRYPT_P)
        derivation = der.scrypt(salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(derived.derive(passphrase.value)), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(padder.update(plain.value) + padder.finalize()) + encryptor.finalize()
    return der.encrypted_key(derivation, iv, ciphertext)


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
    return _read(path).encrypted


def load(path: Path, passphrase: Passphrase | None = None) -> SigningKey:
    """Open a private key.

    Args:
        path: PKCS #8 in PEM form, not readable by others.
        passphrase: Needed if it is encrypted.

    Raises:
        KeyFileError: Wrong passphrase, wrong kind of key, readable by others, or a derivation that costs too much.
        UnsupportedError: An ML-DSA key, and the installed library has none.
        StorageError: It cannot be read.
    """
    file = _read(path)
    where = str(path)
    if file.encrypted:
        _check_cost(file.der, where)
        if passphrase is None:
            raise KeyFileError("is encrypted and no passphrase was given", where=where)
    elif der.algorithm_of(file.der) == der.ML_DSA_65:
        mldsa.require()
    try:
        key = serialization.load_pem_private_key(file.pem, passphrase.value if passphrase and file.encrypted else None)
    except UnsupportedAlgorithm:
        raise KeyFileError(
            "holds a key of a kind that the installed cryptography does not read", where=where,
            hint="Ed25519 and ML-DSA-65 are read; ML-DSA-65 needs cryptography 48 or newer",
        ) from None  # fmt: skip
    except (ValueError, TypeError, MemoryError):
        if file.encrypted:
            what, hint = "cannot be opened: the passphrase is wrong or the file is damaged", None
        elif der.algorithm_of(file.der) == der.ML_DSA_65:
            what, hint = (
                "holds an ML-DSA-65 key in another form than its seed",
                "Only the seed form of RFC 9881 is read",
            )
        else:
            what, hint = "is damaged", None
        raise KeyFileError(what, where=where, hint=hint) from None
    if isinstance(key, Ed25519PrivateKey) or _is_mldsa(key):
        return SigningKey(key, encrypted=file.encrypted, unattended=file.pem.startswith(MARK))
    raise KeyFileError(
        "is neither an Ed25519 nor an ML-DSA-65 key", where=where, hint="Make one with: mpk-tui keys new -o KEY.pem"
    )


def _is_mldsa(key: object) -> TypeGuard[MLDSA65PrivateKey]:
    if not mldsa.supported():
        return False
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

    return isinstance(key, MLDSA65PrivateKey)


class _KeyFile:
    """A private key file as read; what it holds does not show itself."""

    __slots__ = ("der", "encrypted", "pem")

    def __init__(self, *, encrypted: bool, pem: bytes, der: bytes) -> None:
        self.encrypted = encrypted
        self.pem = pem
        self.der = der

    def __repr__(self) -> str:
        return f"_KeyFile(encrypted={self.encrypted})"


def _read(path: Path) -> _KeyFile:
    where = str(path)
    held = Secret(read_small(path, MOST_BYTES, follow=True))
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise StorageError(f"cannot be read ({error.strerror})", where=where) from None
    match = _PEM.match(held.value)
    public = match is None and b"PUBLIC KEY" in held.value  # which may be read by everybody, but signs nothing
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and not public:
        raise KeyFileError(
            f"can be read by others (mode {stat.S_IMODE(mode):04o})", where=where, hint=f"chmod 600 {path.name}"
        )
    if match is None:
        raise KeyFileError("is not one private key in PKCS #8 PEM form", where=where, hint=_hint(held))
    try:
        return _KeyFile(
            encrypted=match[1].startswith(b"ENCRYPTED"),
            pem=held.value,
            der=base64.b64decode(b"".join(match[2].split()), validate=True),
        )
    except ValueError:
        raise KeyFileError("is damaged (not base64)", where=where) from None


def _hint(held: Secret) -> str:
    if b"OPENSSH" in held.value:
        return "OpenSSH key files are not read; let an ssh-agent hold the key and sign with --agent"
    if held.value.count(b"-----BEGIN ") > 1:
        return "One file holds one key; the halves of an s2 identity are two files"
    if b"PUBLIC KEY" in held.value:
        return "This is the public half; give the KEY.pem file"
    return "Give the KEY.pem file"


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
