"""From the signer's certificate to a CA that the user gives, step by step, with nobody else's roots.

A part of RFC 5280 section 6 that can be stated in full: every step is signed by the next certificate and named by it,
every issuer is marked as a CA that may sign certificates, path lengths hold, no critical extension is ignored, and
no step rests on SHA-1, MD5 or an RSA key below 2048 bits.  Not done: revocation lists (there is no network), name
constraints and policies (a chain that needs them is refused).  Validity periods are reported by `mpk_tui.modelsig.
validity`, not here, since it takes a time to judge them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import KeyFileError, MalformedError

MOST_BYTES = 4 << 20
LONGEST = 8
"""Certificates from the signer's to the CA's."""
MOST_STEPS = 200
"""Signatures on certificates that are checked; certificates that name one another in circles must cost nothing."""

_UNDERSTOOD = frozenset(
    {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE,
     ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.SUBJECT_KEY_IDENTIFIER,
     ExtensionOID.AUTHORITY_KEY_IDENTIFIER}
)  # fmt: skip
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises while it reads a certificate, some of it only when a part is asked for."""
_STRONG = frozenset({"sha256", "sha384", "sha512"})


@dataclass(frozen=True)
class Certificate:
    """A certificate whose every part that is used here was read once, so that none fails later.

    Attributes:
        x509: As the library holds it.
        sha256: Of its DER form, hex.
        subject: Its holder's name (RFC 4514).
        issuer: Its issuer's name.
        not_before: First moment of its validity, UTC.
        not_after: Last moment, UTC.
        is_ca: Marked as a CA that may sign certificates.
        path_length: Greatest number of CAs below it, or None for any.
        may_sign: May sign other data than certificates: key usage ``digitalSignature``, or without a key usage the
            extended one ``codeSigning``; and no extended usage that is for other purposes only.
        unknown: Critical extensions that are not understood here.
        names: Alternative names that are e-mail addresses or URIs.
    """

    x509: x509.Certificate
    sha256: str
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    is_ca: bool
    path_length: int | None
    may_sign: bool
    unknown: tuple[str, ...]
    names: tuple[str, ...]


def of_der(der: bytes, where: str) -> Certificate:
    """Read a certificate from a signature file.

    Raises:
        MalformedError: It cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _certificate(x509.load_der_x509_certificate(der))
    except _UNREADABLE:
        raise MalformedError("is not a readable certificate", where=where) from None


def read_authorities(path: Path) -> tuple[Certificate, ...]:
    """Read the certificates that the user gives.

    Raises:
        KeyFileError: The file holds no certificate, or one that cannot be read.
        LimitError: It is larger than `MOST_BYTES`.
        StorageError: It cannot be read.
    """
    pem = read_small(path, MOST_BYTES, follow=True)
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        what = "a key" if b"KEY-----" in pem else "no certificate"
        raise KeyFileError(
            f"holds {what}, certificates in PEM form were expected",
            where=str(path),
            hint="A public key goes with --key",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tuple(_certificate(c) for c in x509.load_pem_x509_certificates(pem))
    except _UNREADABLE:
        raise KeyFileError("holds a certificate that cannot be read", where=str(path)) from None


def _certificate(made: x509.Certificate) -> Certificate:
    ca, length, usage, extended = False, None, None, None
    unknown: list[str] = []
    names: list[str] = []
    for extension in made.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints):
            ca, length = value.ca, value.path_length
        elif isinstance(value, x509.KeyUsage):
            usage = value
        elif isinstance(value, x509.ExtendedKeyUsage):
            extended = value
        elif isinstance(value, x509.SubjectAlternativeName):
            names += value.get_values_for_type(x509.RFC822Name)
            names += value.get_values_for_type(x509.UniformResourceIdentifier)
        if extension.critical and extension.oid not in _UNDERSTOOD:
            unknown.append(extension.oid.dotted_string)
    for_code = bool(extended and ExtendedKeyUsageOID.CODE_SIGNING in extended)
    # A certificate that lists purposes is for these alone (RFC 5280, section 4.2.1.12): no web server signs models.
    listed = extended is None or for_code or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in extended
    may_sign = usage.digital_signature and listed if usage else for_code
    made.public_key()
    return Certificate(
        made, made.fingerprint(hashes.SHA256()).hex(),
        made.subject.rfc4514_string(), made.issuer.rfc4514_string(), made.not_valid_before_utc,
        made.not_valid_after_utc, ca and (usage is None or usage.key_cert_sign), length, may_sign, tuple(unknown),
        tuple(names),
    )  # fmt: skip


def find_chain(
    signer: Certificate, others: Sequence[Certificate], authorities: Sequence[Certificate]
) -> tuple[tuple[Certificate, ...], str]:
    """The way from the signer's certificate to one that the user gave.

    Args:
        signer: The first certificate of the signature file.
        others: The rest of that file: helpers, believed for nothing.
        authorities: What the user gave; each is an end of the way, whoever issued it.

    Returns:
        The certificates from signer to CA and an empty string, or none and the reason in words.
    """
    given = {a.sha256 for a in authorities}
    if not signer.may_sign:
        return (), f"the signer's certificate ({signer.subject}) is not meant for signing (key usage)"
    if signer.unknown:
        return (), _not_understood(signer)
    if signer.sha256 in given:
        return (signer,), ""
    reasons: list[str] = []
    steps = 0

    def climb(way: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
        nonlocal steps
        last = way[-1]
        if len(way) >= LONGEST:
            reasons.append(f"the chain is longer than {LONGEST} certificates")
            return ()
        for issuer in (*authorities, *others):
            if issuer.x509.subject != last.x509.issuer or any(c.sha256 == issuer.sha256 for c in way):
                continue
            steps += 1
            if steps > MOST_STEPS:
                return ()
            if fault := _step_fault(last, issuer, below=len(way) - 1):
                reasons.append(fault)
                continue
            found = (*way, issuer) if issuer.sha256 in given else climb((*way, issuer))
            if found:
                return found
        return ()

    found = climb((signer,))
    if found:
        return found, ""
    return (), reasons[0] if reasons else f"nothing that was given is the issuer of {signer.subject} ({signer.issuer})"


def _step_fault(last: Certificate, issuer: Certificate, below: int) -> str:
    """Why ``issuer`` cannot stand above ``last``, or an empty string; ``below``: CAs between it and the signer."""
    if not issuer.is_ca:
        return f"{issuer.subject} is not a CA that may sign certificates"
    if issuer.path_length is not None and below > issuer.path_length:
        return f"{issuer.subject} allows {issuer.path_length} CAs below it, here are {below}"
    if issuer.unknown:
        return _not_understood(issuer)
    try:
        algorithm = last.x509.signature_hash_algorithm
        key = issuer.x509.public_key()
        if algorithm is not None and algorithm.name not in _STRONG:
            return f"the certificate of {last.subject} is signed with {algorithm.name}"
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
            return f"the RSA key of {issuer.subject} has {key.key_size} bits"
        last.x509.verify_directly_issued_by(issuer.x509)
    except InvalidSignature:
        return f"the certificate of {last.subject} is not signed by {issuer.subject}"
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return f"the signature on the certificate of {last.subject} is of a kind that is not checked here"
    return ""


def _not_understood(certificate: Certificate) -> str:
    listed = ", ".join(certificate.unknown)
    return f"the certificate of {certificate.subject} has critical extensions that are not understood here ({listed})"
