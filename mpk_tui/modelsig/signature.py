"""Whether a signature fits what the user gave: one key, or one CA.  Words of its own, never those of a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from mpk_tui.errors import ExitCode, KeyFileError, MpkError
from mpk_tui.modelsig.chain import Certificate, find_chain, of_der
from mpk_tui.modelsig.envelope import CERTIFICATE, KEY, KEYLESS, SignatureFile, pae, repr_pae
from mpk_tui.modelsig.signer_key import SignerKey, of_key, parse_signer_key
from mpk_tui.modelsig.statement import OLD_REASON
from mpk_tui.modelsig.validity import WITHIN, Validity, stamp, validity_of


class Fit(StrEnum):
    """How a signature stands."""

    FITS = "fits"
    DOES_NOT_FIT = "does-not-fit"
    NOT_VALID_TODAY = "not-valid-today"
    NOT_UNDER_CA = "not-under-the-ca"
    NO_KEY = "no-key-given"
    NOT_SUPPORTED = "not-supported"


CODES = {
    Fit.FITS: ExitCode.OK, Fit.DOES_NOT_FIT: ExitCode.ALTERED, Fit.NOT_VALID_TODAY: ExitCode.EXPIRED,
    Fit.NOT_UNDER_CA: ExitCode.UNTRUSTED, Fit.NO_KEY: ExitCode.UNTRUSTED, Fit.NOT_SUPPORTED: ExitCode.UNSUPPORTED,
}  # fmt: skip


@dataclass(frozen=True)
class Signing:
    """The answer about a signature.

    Attributes:
        fit: The word.
        sentence: The same for a person, with the reason.
        keyid: Of the key that it fits, SHA-256 of the DER form, hex, or empty.
        signer: Subject of the signer's certificate, or empty.
        chain: From the signer's certificate to the given CA; empty without one.
        validity: Of that chain, or None.
        notices: What else a person should know.
    """

    fit: Fit
    sentence: str
    keyid: str = ""
    signer: str = ""
    chain: tuple[Certificate, ...] = ()
    validity: Validity | None = None
    notices: tuple[str, ...] = field(default=())

    @property
    def code(self) -> ExitCode:
        """The exit code that goes with the word."""
        return CODES[self.fit]

    def as_record(self) -> dict[str, Any]:
        """Plain form."""
        return {
            "fit": self.fit.value, "sentence": self.sentence, "keyid": self.keyid or None, "signer": self.signer,
            "chain": [
                {"subject": c.subject, "issuer": c.issuer, "sha256": c.sha256, "not_before": stamp(c.not_before),
                 "not_after": stamp(c.not_after)} for c in self.chain
            ],
            "validity": self.validity.as_record() if self.validity else None, "notices": list(self.notices),
        }  # fmt: skip


def check_with_key(made: SignatureFile, key: SignerKey) -> Signing:
    """Check a signature against a key that the user gave.

    The key decides; what the file says of it (a hint, or in old files the key itself) may only refuse.
    """
    if made.method == KEYLESS:
        return keyless(made)
    if not key.fits(made.signature, pae(made.payload)):
        if _is_old(made, key):
            return Signing(Fit.NOT_SUPPORTED, f"the signature is not checked: {OLD_REASON}")
        return Signing(Fit.DOES_NOT_FIT, f"the signature does not fit the given key; {_about(made, key)}")
    if made.method == CERTIFICATE:
        note = "the file also carries certificates; they were not looked at, since a key was given"
        return Signing(Fit.FITS, _fits(key), key.keyid, notices=(note,))
    if other := _contradiction(made, key):
        text = f"the signature fits the given key, but the file says that another key made it ({other}): refused"
        return Signing(Fit.DOES_NOT_FIT, text)
    return Signing(Fit.FITS, _fits(key), key.keyid)


def check_with_ca(made: SignatureFile, authorities: Sequence[Certificate], now: datetime) -> Signing:
    """Check a signature and the certificate that it came with against CAs that the user gave.

    Args:
        made: The signature file.
        authorities: The CAs.
        now: Today, with a time zone.

    Raises:
        MalformedError: A certificate of the file cannot be read.
    """
    if made.method == KEYLESS:
        return keyless(made)
    if made.method == KEY:
        text = "the signature cannot be checked with a CA: the file names a key and carries no certificate; give --key"
        return Signing(Fit.NO_KEY, text)
    place = f"{made.where}, certificate"
    signer, *others = [of_der(der, f"{place} {n + 1}") for n, der in enumerate(made.certificates)]
    try:
        key = of_key(signer.x509.public_key(), f"{place} 1")
    except KeyFileError as error:
        return Signing(
            Fit.NOT_SUPPORTED, f"the signature cannot be checked: {error.diagnosis()}", signer=signer.subject
        )
    if not key.fits(made.signature, pae(made.payload)):
        if _is_old(made, key):
            return Signing(Fit.NOT_SUPPORTED, f"the signature is not checked: {OLD_REASON}", signer=signer.subject)
        text = f"the signature does not fit the certificate that it came with ({signer.subject})"
        return Signing(Fit.DOES_NOT_FIT, text, signer=signer.subject)
    chain, reason = find_chain(signer, others, authorities)
    if not chain:
        text = f"the signature fits its certificate, but that does not lead to the given CA: {reason}"
        return Signing(Fit.NOT_UNDER_CA, text, signer=signer.subject)
    held = validity_of(chain, now, made.claimed_time)
    through = "is the given one" if len(chain) == 1 else f"leads to the given CA ({chain[-1].subject})"
    fit, text = Fit.FITS, f"the signature fits the certificate of {signer.subject}, and that {through}"
    if held.today != WITHIN:
        fit, text = Fit.NOT_VALID_TODAY, f"{text}, but the chain is not valid today ({held.today})"
    note = "revocation was not checked: there is no network"
    return Signing(fit, text, key.keyid, signer.subject, chain, held, (note,))


def unchecked(made: SignatureFile) -> Signing:
    """The answer where the user gave neither a key nor a CA."""
    if made.method == KEYLESS:
        return keyless(made)
    needed = "--ca" if made.method == CERTIFICATE else "--key"
    text = f"the signature was not checked: no key was given, and a file cannot vouch for itself; give {needed}"
    return Signing(Fit.NO_KEY, text)


def keyless(made: SignatureFile) -> Signing:
    """The answer about a keyless signature: its digests are read, the signature is not checked."""
    claims: tuple[str, ...] = ()
    try:
        names = of_der(made.certificates[0], made.where).names
        if names:
            claims = (f"the certificate claims the identity {', '.join(names)[:400]}; this was not checked",)
    except MpkError:
        claims = ("the certificate in the file cannot be read",)
    text = (
        "the signature cannot be checked here: it is keyless (Sigstore), which needs the roots of Fulcio and Rekor; "
        "the digests were read all the same"
    )
    return Signing(Fit.NOT_SUPPORTED, text, notices=claims)


def _is_old(made: SignatureFile, key: SignerKey) -> bool:
    message = repr_pae(made.payload)
    return key.fits(made.signature, message) or key.fits_sha256(made.signature, message)


def _fits(key: SignerKey) -> str:
    return f"the signature fits the given key ({key.keyid[:16]}…, {key.curve})"


def _contradiction(made: SignatureFile, key: SignerKey) -> str:
    if made.hint and not key.named_by(made.hint):
        return f"hint {made.hint[:64]}"
    if made.embedded_key:
        try:
            inside = parse_signer_key(made.embedded_key, made.where)
        except KeyFileError:
            return "a key that cannot be read"
        if inside.keyid != key.keyid:
            return f"key {inside.keyid[:16]}…"
    return ""


def _about(made: SignatureFile, key: SignerKey) -> str:
    """What the file says of its key, to tell an altered file from somebody else's."""
    if made.method == CERTIFICATE:
        return "the file carries a certificate, which --ca checks"
    if not (made.hint or made.embedded_key):
        return "the file does not say which key made it"
    if other := _contradiction(made, key):
        return f"the file says that another key made it ({other})"
    return "the file says that this key made it, so statement, signature or hint was altered"
