"""The signature file: a Sigstore bundle (JSON, version 0.3) around one DSSE envelope with one signature.

Formats: OpenSSF Model Signing 1.0 sections 4 and 11 (github.com/ossf/model-signing-spec), the Sigstore bundle
(docs.sigstore.dev/about/bundle), DSSE (github.com/secure-systems-lab/dsse).  Both the present form (a hint names the
key) and that of releases 0.3.1 to 1.0.0 (the key itself as PEM, a null key id) are read.  Nothing in the file that is
not under the signature decides anything: a hint is a hint, a certificate is believed for the CA that the user gives.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.reading import read_small
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.modelsig.fields import a_list, a_text, an_object, base64_bytes, malformed, unsupported

MOST_BYTES = 64 << 20
"""Bytes of a signature file: some 200,000 resources."""
MOST_SIGNATURE = 1024
MOST_CERTIFICATE = 64 << 10
MOST_CERTIFICATES = 16
MOST_LOG_ENTRIES = 64
LAST_SECOND = 253402300799

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"

KEY, CERTIFICATE, KEYLESS = "key", "certificate", "keyless"

_SECONDS = re.compile(r"[0-9]{1,12}\Z")
_TOP = frozenset({"mediaType", "verificationMaterial", "dsseEnvelope"})
_MATERIAL = frozenset({"publicKey", "x509CertificateChain", "certificate", "tlogEntries", "timestampVerificationData"})
_METHODS = {"publicKey": KEY, "x509CertificateChain": CERTIFICATE, "certificate": KEYLESS}


@dataclass(frozen=True)
class SignatureFile:
    """A signature file, read and not checked.

    Attributes:
        where: How messages name it.
        sha256: Of the whole file, hex.
        method: ``key``, ``certificate`` or ``keyless``, by what the file carries.
        payload: The signed bytes.
        signature: As it stands, for ECDSA a DER pair.
        hint: What the file says of the key: SHA-256, hex, or empty.
        embedded_key: PEM that releases before 1.1 wrote in the place of the hint, or empty.
        certificates: DER, the signer's first.
        claimed_time: Seconds since 1970 of a log entry that nobody checked, or None.
        notices: What is there and not looked at.
    """

    where: str
    sha256: str
    method: str
    payload: bytes
    signature: bytes
    hint: str = ""
    embedded_key: bytes = b""
    certificates: tuple[bytes, ...] = ()
    claimed_time: int | None = None
    notices: tuple[str, ...] = ()


def read_signature_file(path: Path) -> SignatureFile:
    """Read a signature file.

    Raises:
        MalformedError: It is not of this form.
        UnsupportedError: It is a bundle of another version or about something else.
        LimitError: It is larger than `MOST_BYTES`.
        StorageError: It cannot be read.
    """
    return parse_signature_file(read_small(path, MOST_BYTES, follow=True), str(path))


def parse_signature_file(data: bytes, where: str) -> SignatureFile:
    """A signature file from its bytes; see `read_signature_file`."""
    top = an_object(parse(data, where), where)
    media = a_text(top.get("mediaType"), f"{where}, mediaType")
    if media != MEDIA_TYPE:
        if media.startswith("application/vnd.dev.sigstore.bundle"):
            unsupported(f"a Sigstore bundle of another version ({media[:80]}); {MEDIA_TYPE} is read", where)
        malformed(f"media type {media[:80]!r}, {MEDIA_TYPE} was expected", where)
    an_object(top, where, _TOP)
    if "dsseEnvelope" not in top:
        malformed("holds no dsseEnvelope, so nothing is signed in it", where)
    payload, signature = _envelope(top["dsseEnvelope"], f"{where}, dsseEnvelope")
    place = f"{where}, verificationMaterial"
    material = an_object(top.get("verificationMaterial"), place, _MATERIAL)
    present = [name for name in _METHODS if name in material]
    if len(present) != 1:
        malformed(f"exactly one of {', '.join(_METHODS)} was expected, found {', '.join(present) or 'none'}", place)
    entries = a_list(material.get("tlogEntries", []), f"{place}.tlogEntries", MOST_LOG_ENTRIES)
    notices = []
    if entries:
        notices.append(f"{len(entries)} entries of a transparency log are in the file; they were not checked")
    if material.get("timestampVerificationData"):
        notices.append("timestamps (RFC 3161) are in the file; they were not checked")
    hint, embedded = "", b""
    certificates: tuple[bytes, ...] = ()
    method = _METHODS[present[0]]
    if method == KEY:
        hint, embedded = _public_key(material["publicKey"], f"{place}.publicKey")
        if not (hint or embedded):
            notices.append("the file does not say which key made the signature")
    elif method == CERTIFICATE:
        certificates = _chain(material["x509CertificateChain"], f"{place}.x509CertificateChain")
    else:
        certificates = (_certificate(material["certificate"], f"{place}.certificate"),)
    return SignatureFile(
        where, hashlib.sha256(data).hexdigest(), method, payload, signature, hint, embedded, certificates,
        _claimed_time(entries, f"{place}.tlogEntries"), tuple(notices),
    )  # fmt: skip


def pae(payload: bytes) -> bytes:
    """What is signed: the pre-authentication encoding of DSSE, lengths in bytes."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode("ascii"), len(payload), payload)


def repr_pae(payload: bytes) -> bytes:
    """What release 0.2 signed instead: the payload as Python prints bytes, under another word in front.

    Known so that such a signature is told from an altered one; it is never accepted.
    """
    return f"DSSEV1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} {payload!r}".encode()


def _envelope(value: Any, where: str) -> tuple[bytes, bytes]:
    envelope = an_object(value, where, frozenset({"payload", "payloadType", "signatures"}))
    kind = a_text(envelope.get("payloadType"), f"{where}.payloadType")
    if kind != PAYLOAD_TYPE:
        unsupported(f"the signed bytes are {kind[:80]!r}, {PAYLOAD_TYPE} was expected", f"{where}.payloadType")
    signatures = a_list(envelope.get("signatures"), f"{where}.signatures", 32)
    if len(signatures) != 1:
        malformed(f"{len(signatures)} signatures; a model signature has exactly one", f"{where}.signatures")
    place = f"{where}.signatures[0]"
    one = an_object(signatures[0], place, frozenset({"sig", "keyid"}))
    if one.get("keyid") not in (None, ""):
        a_text(one["keyid"], f"{place}.keyid")  # a hint that this format does not use
    payload = base64_bytes(envelope.get("payload"), f"{where}.payload", MOST_BYTES)
    return payload, base64_bytes(one.get("sig"), f"{place}.sig", MOST_SIGNATURE)


def _public_key(value: Any, where: str) -> tuple[str, bytes]:
    key = an_object(value, where, frozenset({"hint", "rawBytes", "keyDetails", "validFor"}))
    hint, raw = key.get("hint"), key.get("rawBytes")
    return (
        "" if hint in (None, "") else a_text(hint, f"{where}.hint", 1024),
        b"" if raw in (None, "") else base64_bytes(raw, f"{where}.rawBytes", MOST_CERTIFICATE),
    )


def _chain(value: Any, where: str) -> tuple[bytes, ...]:
    chain = an_object(value, where, frozenset({"certificates"}))
    listed = a_list(chain.get("certificates"), f"{where}.certificates", MOST_CERTIFICATES)
    if not listed:
        malformed("no certificate", f"{where}.certificates")
    return tuple(_certificate(c, f"{where}.certificates[{n}]") for n, c in enumerate(listed))


def _certificate(value: Any, where: str) -> bytes:
    certificate = an_object(value, where, frozenset({"rawBytes"}))
    return base64_bytes(certificate.get("rawBytes"), f"{where}.rawBytes", MOST_CERTIFICATE)


def _claimed_time(entries: list[Any], where: str) -> int | None:
    """Earliest ``integratedTime``; in JSON made from protobuf a 64-bit number is a string of digits."""
    times = []
    for n, entry in enumerate(entries):
        record: Mapping[str, Any] = an_object(entry, f"{where}[{n}]")
        stated = record.get("integratedTime")
        if stated is None:
            continue
        text = str(stated)
        if isinstance(stated, bool) or not _SECONDS.match(text) or int(text) > LAST_SECOND:
            malformed("integratedTime is not a number of seconds up to the year 9999", f"{where}[{n}]")
        times.append(int(text))
    return min((t for t in times if t), default=None)
