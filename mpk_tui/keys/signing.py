"""Whoever signs a message: the keys of one person, wherever the private halves are.

A bundle's manifest, an endorsement and a trust store are signed in the same way: every key of the signer signs the same
message, and what comes back is checked before it is used.  What holds the private halves (files, an agent) is a
`MessageSigner`; nothing else needs to know which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mpk_tui.bundle import build
from mpk_tui.bundle.envelope import Envelope, Signature
from mpk_tui.bundle.manifest import UNATTENDED, Signer, parse
from mpk_tui.bundle.suites import NAMES, PublicKey, in_order
from mpk_tui.errors import KeyFileError, UsageError
from mpk_tui.keys.private import SigningKey


class MessageSigner(Protocol):
    """The keys of one person, able to sign."""

    @property
    def keys(self) -> tuple[PublicKey, ...]:
        """The public halves, in the order of a suite: what a signer declares."""

    def sign(self, message: bytes) -> tuple[bytes, ...]:
        """One signature of ``message`` for each of `keys`, in their order; not yet checked."""


class FileSigner:
    """Private keys that were read from files."""

    def __init__(self, opened: Sequence[SigningKey]) -> None:
        """Put the halves together.

        Raises:
            UsageError: Two of one algorithm.
        """
        by_key = {key.public: key for key in opened}
        self.keys = in_order(key.public for key in opened)
        self._opened = tuple(by_key[public] for public in self.keys)
        self.unattended = any(key.unattended for key in opened)

    def __repr__(self) -> str:
        return f"FileSigner({', '.join(k.keyid.hex()[:16] for k in self.keys)})"

    def sign(self, message: bytes) -> tuple[bytes, ...]:
        """One signature for each key."""
        return tuple(key.sign(message) for key in self._opened)


class Together:
    """Several signers of one person as one: an agent for one half, a file for the other."""

    def __init__(self, parts: Sequence[MessageSigner]) -> None:
        """Put the parts together.

        Raises:
            UsageError: Two of them hold a key of the same algorithm.
        """
        self._parts = tuple(parts)
        self.keys = in_order(key for part in self._parts for key in part.keys)
        self.unattended = any(is_unattended(part) for part in self._parts)

    def sign(self, message: bytes) -> tuple[bytes, ...]:
        """One signature for each key, in the order of the suite."""
        made = {
            key: sig for part in self._parts for key, sig in zip(part.keys, part.sign(message), strict=True)
        }  # fmt: skip
        return tuple(made[key] for key in self.keys)


def is_unattended(signer: MessageSigner) -> bool:
    """Whether one of the keys is marked as a machine's, as far as whoever holds it knows."""
    return bool(getattr(signer, "unattended", False))


def may_act_as(signer: MessageSigner, role: str) -> None:
    """Refuse a machine's key for anything that a person is taken to have signed.

    Raises:
        UsageError: The key is marked, and the role is another than ``unattended``.
    """
    if is_unattended(signer) and role != UNATTENDED:
        raise UsageError(
            f"this key is marked as one that signs unattended; it does not sign as {role!r}",
            hint=f"Sign with a person's own key; mpk-tui watch uses this one, in the role {UNATTENDED!r}",
        )


def signatures(signer: MessageSigner, message: bytes) -> tuple[Signature, ...]:
    """Have a message signed with every key of a signer, and check what comes back.

    Returns:
        Records for an envelope, an endorsement or a trust store, ascending by key id.

    Raises:
        KeyFileError: A signature does not fit its key.
    """
    made = signer.sign(message)
    for key, sig in zip(signer.keys, made, strict=True):
        if not key.verifies(sig, message):
            raise KeyFileError(
                f"the {NAMES[key.alg]} signature that was made does not fit the key", where=key.keyid.hex()[:16],
                hint="Nothing was signed; the key's file or its agent is damaged",
            )  # fmt: skip
    records = (Signature(key.keyid, sig) for key, sig in zip(signer.keys, made, strict=True))
    return tuple(sorted(records, key=lambda s: s.keyid))


def sign_bundle(envelope: Envelope, signer: MessageSigner) -> Envelope:
    """Add the signatures of a declared signer's keys to a bundle.

    Raises:
        UsageError: The manifest does not declare one of the keys, or it has signed already.
        KeyFileError: A signature does not fit its key.
    """
    for key in signer.keys:
        build.may_sign(envelope, key)
    for declared_as in parse(envelope.payload).signers:
        if set(declared_as.keys) & set(signer.keys):
            may_act_as(signer, declared_as.role)
    for made in signatures(signer, build.message(envelope)):
        envelope = build.attach(envelope, made)
    return envelope


def declared(signer: MessageSigner, id: str, role: str) -> Signer:
    """The record that a manifest or an endorsement holds of this signer.

    Raises:
        UsageError: An empty id, or a machine's key in a person's role.
    """
    may_act_as(signer, role)
    if not id:
        raise UsageError("a signer needs a name")
    return Signer(id, role, signer.keys)
