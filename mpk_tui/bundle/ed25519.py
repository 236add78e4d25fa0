"""Ed25519 as RFC 8032 means it: signatures that every strict verifier accepts, and no others.

The library below accepts keys of low order, for which one signature fits every message, and encodings that are not
canonical.  Both are refused here before it is asked: an encoding with y >= p, the 14 encodings of points of low order
as key or as R, and S >= L.  A key that is put into a trust store must also lie in the group of prime order; that costs
a scalar multiplication and is done once, at import.

Curve: -x^2 + y^2 = 1 + d x^2 y^2 over p = 2^255 - 19, group order L (RFC 8032, section 5.1).
"""

from __future__ import annotations

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
_SIGN = 1 << 255

# y of the two pairs of points of order 8; with 0 (order 4), 1 (the identity) and -1 (order 2), and with the two
# encodings p and p + 1 that stand for 0 and 1, these are all y of points whose order divides 8.
_Y8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
LOW_ORDER_Y = frozenset({0, 1, P - 1, P, P + 1, _Y8, P - _Y8})

Point = tuple[int, int, int, int]
IDENTITY: Point = (0, 1, 1, 0)


def sound_encoding(point: bytes) -> bool:
    """Whether 32 bytes encode y < p and no point of low order (cheap; does not decompress)."""
    if len(point) != 32:
        return False
    y = int.from_bytes(point, "little") & ~_SIGN
    return y < P and y not in LOW_ORDER_Y


def verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` is a strict Ed25519 signature of ``message`` under ``public``.

    Args:
        public: 32 bytes.
        signature: 64 bytes, R then S.
        message: Any bytes.
    """
    if len(signature) != 64 or not sound_encoding(public) or not sound_encoding(signature[:32]):
        return False
    if int.from_bytes(signature[32:], "little") >= L:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


_BACK = 5 * L - 1


@lru_cache(maxsize=1 << 15)  # a store is put together more than once in a run, from the same keys
def of_prime_order(public: bytes) -> bool:
    """Whether a key lies in the group of prime order, i.e. L times the point is the identity.

    A multiplication by L in Python takes milliseconds, and a stranger's store may hold ten thousand keys; so the
    library multiplies, on the Montgomery form of the curve (RFC 7748, section 4.1: u = (1 + y) / (1 - y)), where a
    point and its negative are one.  Its scalars are multiples of 8 from 2^254 to 2^255, and 5 L - 1 is one.  Write the
    point as A + T with A of prime order and T of an order that divides 8: 5 L - 1 times it is -A, whose u is that of
    A + T exactly if T is nothing; for A = -(A + T) would make 2 A of low order, hence A nothing, and such points are
    refused before.
    """
    if not sound_encoding(public) or decompress(public) is None:
        return False
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    y = int.from_bytes(public, "little") & ~_SIGN
    u = ((1 + y) * pow(1 - y, -1, P) % P).to_bytes(32, "little")
    try:
        back = X25519PrivateKey.from_private_bytes(_BACK.to_bytes(32, "little")).exchange(
            X25519PublicKey.from_public_bytes(u)
        )
    except ValueError:  # the result is the neutral element
        return False
    return back == u


def decompress(data: bytes) -> Point | None:
    """Extended coordinates of an encoded point, or None if there is none (RFC 8032, section 5.1.3)."""
    value = int.from_bytes(data, "little")
    sign, y = value >> 255, value & ~_SIGN
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * pow(2, (P - 1) // 4, P) % P
    if v * x * x % P != u or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def add(a: Point, b: Point) -> Point:
    """Sum of two points (complete formulas, RFC 8032, section 5.1.4)."""
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    m, n, o, q = f - e, h - g, h + g, f + e
    return m * n % P, o * q % P, n * o % P, m * q % P


def multiply(n: int, point: Point) -> Point:
    """``n`` times a point.  Not constant in time: for public values only."""
    total = IDENTITY
    while n:
        if n & 1:
            total = add(total, point)
        point = add(point, point)
        n >>= 1
    return total


def is_identity(point: Point) -> bool:
    """Whether a point in extended coordinates is the neutral element."""
    return point[0] % P == 0 and (point[1] - point[2]) % P == 0
