"""As much DER as a private key file needs: a writer for our own files, a bounded reader for the parameters.

Formats: PKCS #8 PrivateKeyInfo and EncryptedPrivateKeyInfo (RFC 5958), PBES2 with PBKDF2 (RFC 8018) or scrypt (RFC
7914) as its key derivation.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpk_tui.errors import KeyFileError

SEQUENCE, INTEGER, OCTETS, NULL, OID = 0x30, 0x02, 0x04, 0x05, 0x06
PBES2 = "1.2.840.113549.1.5.13"
PBKDF2 = "1.2.840.113549.1.5.12"
SCRYPT = "1.3.6.1.4.1.11591.4.11"
HMAC_SHA256 = "1.2.840.113549.2.9"
AES_256_CBC = "2.16.840.1.101.3.4.1.42"
ML_DSA_65 = "2.16.840.1.101.3.4.3.18"


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


def scrypt(salt: bytes, n: int, r: int, p: int) -> bytes:
    """AlgorithmIdentifier of scrypt (RFC 7914, section 7)."""
    return sequence(oid(SCRYPT), sequence(octets(salt), integer(n), integer(r), integer(p)))


def pbkdf2(salt: bytes, rounds: int) -> bytes:
    """AlgorithmIdentifier of PBKDF2 with HMAC-SHA256 (RFC 8018, appendix A.2)."""
    return sequence(
        oid(PBKDF2), sequence(octets(salt), integer(rounds), sequence(oid(HMAC_SHA256), element(NULL, b"")))
    )


def encrypted_key(derivation: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    """EncryptedPrivateKeyInfo under PBES2 with the given derivation and AES-256-CBC."""
    cipher = sequence(oid(AES_256_CBC), octets(iv))
    return sequence(sequence(oid(PBES2), sequence(derivation, cipher)), octets(ciphertext))


def algorithm_of(der: bytes) -> str | None:
    """`ML_DSA_65` if a PrivateKeyInfo is of that kind, else None; says nothing about the rest of it."""
    try:
        kind = _typed(_children(_typed(_children(_whole(der, SEQUENCE))[1], SEQUENCE))[0], OID)
    except (IndexError, ValueError):
        return None
    return ML_DSA_65 if kind == _content(oid(ML_DSA_65)) else None


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
