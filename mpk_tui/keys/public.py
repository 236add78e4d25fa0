"""Public keys from files: one sound Ed25519 or ML-DSA-65 key, in PEM or in the form of OpenSSH, and nothing else.

The public halves of an s2 identity are two files side by side, ``KEY.pub.pem`` and ``KEY.ml-dsa-65.pub.pem``.  That
they lie side by side makes them nobody's keys: a trust store names both, each after its fingerprint was compared.
"""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

from mpk_tui.bundle.suites import ED25519, ML_DSA_65, NAMES, PublicKey, from_spki, in_order
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import KeyFileError
from mpk_tui.text import hex_groups

MOST_BYTES = 64 << 10
BEGIN = b"-----BEGIN PUBLIC KEY-----"
END = b"-----END PUBLIC KEY-----"
MARK = b"Signs unattended: a machine's key, used by no person"
"""First line of both halves of a key that a program uses on its own (see `mpk_tui.keys.private`)."""
SECOND_HALF = ".ml-dsa-65"
# Possessive, because a file of nothing but white space would otherwise be tried in every way of dividing it.
_PEM = re.compile(re.escape(BEGIN) + rb"\s++([A-Za-z0-9+/=\s]++)" + re.escape(END))
_SSH_LINE = re.compile(rb"(?P<type>[a-z0-9@.-]+)[ \t]+(?P<blob>[A-Za-z0-9+/]+={0,2})(?:[ \t][^\r\n]*)?[\r\n]*")
_SSH_TYPES = (b"ssh-", b"ecdsa-", b"sk-")
SSH_ED25519 = b"ssh-ed25519"


def half_beside(path: Path) -> Path | None:
    """Where the ML-DSA-65 half of ``KEY.pem`` lies: ``KEY.ml-dsa-65.pem``; None if it is a second half itself.

    The same for public halves (``.pub.pem``) and for signatures (``.sig``).
    """
    tail = next((t for t in (".pub.pem", ".pem", ".sig") if path.name.endswith(t)), "")
    stem = path.name.removesuffix(tail)
    return None if stem.endswith(SECOND_HALF) else path.with_name(f"{stem}{SECOND_HALF}{tail}")


def read_public(path: Path) -> PublicKey:
    """Read a public key file.

    Raises:
        KeyFileError: It holds anything but one sound public key of a kind that suites use.
        StorageError: It cannot be read.
    """
    return parse_public(read_small(path, MOST_BYTES, follow=True), str(path))


def is_marked(path: Path) -> bool:
    """Whether a key file says that its key signs unattended.

    Raises:
        StorageError: It cannot be read.
    """
    return read_small(path, MOST_BYTES, follow=True).startswith(MARK)


def read_halves(path: Path) -> tuple[PublicKey, ...]:
    """The key in a file, and its second half if one lies beside it; in the order of a suite.

    Raises:
        KeyFileError: One of the files holds anything but one sound public key, or the one beside is no second half.
        StorageError: One of them cannot be read.
    """
    first = read_public(path)
    beside = half_beside(path)
    if first.alg != ED25519 or beside is None or not os.path.lexists(beside):
        return (first,)
    second = read_public(beside)
    if second.alg != ML_DSA_65:
        raise KeyFileError(
            f"is an {NAMES[second.alg]} key, the ML-DSA-65 half of {path.name} was expected", where=str(beside)
        )
    return in_order((first, second))


def parse_public(data: bytes, where: str) -> PublicKey:
    """A public key from the bytes of a file.

    Raises:
        KeyFileError: Two keys, a certificate, a private key, another algorithm, or a point that is not of prime order.
    """
    line = _SSH_LINE.fullmatch(data)
    public = _from_ssh(line["type"], line["blob"], where) if line else _from_pem(data, where)
    if not public.sound():
        raise KeyFileError(
            "is not a sound key (not of prime order): one signature could fit every message", where=where
        )
    return public


def _from_pem(data: bytes, where: str) -> PublicKey:
    if data.count(b"-----BEGIN ") != 1 or BEGIN not in data:
        what = "a private key" if b"PRIVATE KEY" in data else "a certificate" if b"CERTIFICATE" in data else "no key"
        if data.count(b"-----BEGIN ") > 1 or sum(x.startswith(_SSH_TYPES) for x in data.splitlines()) > 1:
            what = "several objects"
        raise KeyFileError(
            f"holds {what}, one public key in PEM form was expected",
            where=where,
            hint="Give the .pub.pem file",
        )
    body = _PEM.search(data)
    try:
        raw = base64.b64decode(b"".join(body[1].split()), validate=True) if body else b""
    except ValueError:
        raw = b""
    if not raw:
        raise KeyFileError("is not a readable public key", where=where)
    public = from_spki(raw)
    if public is None:
        raise KeyFileError(
            "is neither an Ed25519 nor an ML-DSA-65 key", where=where, hint="Suites s1 and s2 sign with these alone"
        )
    return public


def _from_ssh(kind: bytes, blob: bytes, where: str) -> PublicKey:
    """``ssh-ed25519 BASE64 comment``, the form of an OpenSSH ``.pub`` file (RFC 8709, section 4; RFC 4253, 6.6)."""
    if kind.startswith(b"sk-"):
        raise KeyFileError(
            "is a key of a FIDO token, which signs another structure than the message", where=where,
            hint="Use an ssh-ed25519 key",
        )  # fmt: skip
    if kind != SSH_ED25519:
        raise KeyFileError("is not an Ed25519 key", where=where, hint="Of OpenSSH keys only ssh-ed25519 can sign here")
    try:
        raw = base64.b64decode(blob, validate=True)
    except ValueError:
        raise KeyFileError("is damaged (not base64)", where=where) from None
    return ssh_key(raw, where)


def ssh_key(blob: bytes, where: str) -> PublicKey:
    """The key in an SSH public key blob: ``string "ssh-ed25519"``, ``string`` of 32 bytes, nothing after.

    Raises:
        KeyFileError: It is anything else.
    """
    head = len(SSH_ED25519).to_bytes(4, "big") + SSH_ED25519 + (32).to_bytes(4, "big")
    if len(blob) != len(head) + 32 or not blob.startswith(head):
        raise KeyFileError("is not an ssh-ed25519 key as OpenSSH writes it", where=where)
    return PublicKey(ED25519, blob[len(head) :])


def ssh_line(key: PublicKey) -> str | None:
    """An Ed25519 key in the form of an OpenSSH ``.pub`` file, without a comment; None for other kinds."""
    if key.alg != ED25519:
        return None
    blob = len(SSH_ED25519).to_bytes(4, "big") + SSH_ED25519 + len(key.raw).to_bytes(4, "big") + key.raw
    return f"{SSH_ED25519.decode()} {base64.b64encode(blob).decode()}"


def pem(key: PublicKey) -> bytes:
    """The PEM form of a public key (RFC 7468, section 13)."""
    body = base64.b64encode(key.spki())
    lines = b"\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return b"%s\n%s\n%s\n" % (BEGIN, lines, END)


def fingerprint(key: PublicKey) -> str:
    """The key id as 16 groups of four hex digits, for comparing by eye or voice."""
    return hex_groups(key.keyid)
