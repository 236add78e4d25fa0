"""As much DER as an encrypted private key needs: a writer for our own files, a bounded reader for the parameters.

Formats: PKCS #8 EncryptedPrivateKeyInfo (RFC 5958), PBES2 (RFC 8018), scrypt as its key derivation (RFC 7914).
"""

from __future__ import annotations

from dataclasses import dataclass

from mpk_tui.errors import KeyFileError

SEQUENCE, INTEGER, OCTETS, NULL, OID = 0x30, 0x02, 0x04, 0x05, 0x06
PBES2 = "1.2.840.113549.1.5.13"
PBKDF2 = "1.2.840.113549.1.5.12"
SCRYPT = "1.3.6.1.4.1.11591.4.11"
AES_256_CBC = "2.16.840.1.101.3.4.1.42"


def element(tag: int, content: bytes) -> bytes:
    """One element: tag, shortest length, content."""
    n = len(content)
    if n < 0x80:
        return bytes((tag, n)) + content
    length = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of encoded elements."""
    return element(SEQUENCE, b"".join(parts))


def integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return element(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(value: bytes) -> bytes:
    """An OCTET STRING."""
    return element(OCTETS, value)


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *rest = (int(x) for x in dotted.split("."))
    out = bytearray()
    for number in (first * 40 + second, *rest):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(0x80 | (number & 0x7F))
        out += bytes(reversed(groups))
    return element(OID, bytes(out))


def encrypted_key(salt: bytes, n: int, r: int, p: int, iv: bytes, ciphertext: bytes) -> bytes:
    """EncryptedPrivateKeyInfo under PBES2 with scrypt and AES-256-CBC."""
    derivation = sequence(oid(SCRYPT), sequence(octets(salt), integer(n), integer(r), integer(p)))
    cipher = sequence(oid(AES_256_CBC), octets(iv))
    return sequence(sequence(oid(PBES2), sequence(derivation, cipher)), octets(ciphertext))


@dataclass(frozen=True)
class Derivation:
    """Cost of a key derivation as a file declares it.

    Attributes:
        name: ``scrypt`` or ``pbkdf2``.
        memory: Bytes.
        rounds: PBKDF2 iterations, or scrypt's p.
    """

    name: str
    memory: int
    rounds: int


def derivation_of(der: bytes) -> Derivation:
    """What an EncryptedPrivateKeyInfo will cost to open, read before anything is derived.

    Raises:
        KeyFileError: Not of this form, or of a kind that we do not open.
    """
    try:
        outer = _children(_whole(der, SEQUENCE))
        scheme = _children(_typed(outer[0], SEQUENCE))
        if _typed(scheme[0], OID) != _content(oid(PBES2)):
            raise KeyFileError("is encrypted in an old way; only PBES2 is read", hint="Convert it: openssl pkcs8 -v2")
        parameters = _children(_typed(scheme[1], SEQUENCE))
        derivation = _children(_typed(parameters[0], SEQUENCE))
        kind = _typed(derivation[0], OID)
        values = [_number(x) for x in _children(_typed(derivation[1], SEQUENCE)) if x[0] == INTEGER]
        if kind == _content(oid(SCRYPT)):
            n, r, p = values[:3]
            return Derivation("scrypt", 128 * n * r * p, p)
        if kind == _content(oid(PBKDF2)):
            return Derivation("pbkdf2", 0, values[0])
    except (IndexError, ValueError):
        raise KeyFileError("is not a PKCS #8 private key") from None
    raise KeyFileError("derives its key in a way that is not read; only scrypt and PBKDF2 are")


Node = tuple[int, bytes]


def _read(data: bytes, at: int) -> tuple[Node, int]:
    tag, length = data[at], data[at + 1]
    at += 2
    if length & 0x80:
        width = length & 0x7F
        if not 1 <= width <= 4 or at + width > len(data):
            raise ValueError
        length = int.from_bytes(data[at : at + width], "big")
        at += width
    if length > len(data) - at:
        raise ValueError
    return (tag, data[at : at + length]), at + length


def _whole(data: bytes, tag: int) -> bytes:
    node, end = _read(data, 0)
    if end != len(data):
        raise ValueError
    return _typed(node, tag)


def _typed(node: Node, tag: int) -> bytes:
    if node[0] != tag:
        raise ValueError
    return node[1]


def _children(content: bytes) -> list[Node]:
    out, at = [], 0
    while at < len(content):
        node, at = _read(content, at)
        out.append(node)
    return out


def _content(encoded: bytes) -> bytes:
    return _read(encoded, 0)[0][1]


def _number(node: Node) -> int:
    if len(node[1]) > 8:
        raise ValueError
    return int.from_bytes(node[1], "big")
