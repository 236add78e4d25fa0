"""ML-DSA-65 (FIPS 204), the second half of suite s2: verification, through the library below, which is asked late.

Context is the empty string, as the format says; a signature that was made with another context does not fit.  Versions
of the library before 48 have no ML-DSA, and a build may leave it out: `supported` says so, and nothing here crashes.

The public key is rho (32 bytes) and t1 in 10-bit numbers (1,920 bytes): every string of that length is one, so there is
no weak encoding to refuse.  Which signatures are well encoded (the bound of z, the order of the hints) the library
checks, as FIPS 204 asks for in algorithms 3 and 27.
"""

from __future__ import annotations

from functools import cache

from mpk_tui.errors import UnsupportedError

PUBLIC_BYTES = 1952
SIGNATURE_BYTES = 3309


def supported() -> bool:
    """Whether the installed ``cryptography`` can check ML-DSA-65."""
    return _probe()


@cache
def _probe() -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

        # Version 47 has the module and refuses at the first use.
        MLDSA65PublicKey.from_public_bytes(bytes(PUBLIC_BYTES))
    except (ImportError, UnsupportedAlgorithm):
        return False
    return True


def require() -> None:
    """Refuse what needs ML-DSA where there is none.

    Raises:
        UnsupportedError: The installed library has none.
    """
    if not supported():
        raise UnsupportedError(
            "ML-DSA-65 cannot be used here: the installed cryptography has none", where="suite s2",
            hint="Install cryptography 48 or newer",
        )  # fmt: skip


def verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` is an ML-DSA-65 signature of ``message`` under ``public``, with the empty context.

    Args:
        public: 1,952 bytes.
        signature: 3,309 bytes.
        message: Any bytes.

    Raises:
        UnsupportedError: The installed library has no ML-DSA.
    """
    require()
    if len(public) != PUBLIC_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

    try:
        MLDSA65PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
