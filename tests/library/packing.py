"""Packs made by hand for tests: fixed keys, fixed times, fingerprints of a few hundred bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from models import made

from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.suites import ED25519, ML_DSA_65, PublicKey
from mpk_tui.bundle.trust import ANY, Person, Policy, TrustedKey, TrustStore
from mpk_tui.checkpoint.reading import Source
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library.entry import Facts
from mpk_tui.library.packs import making
from mpk_tui.library.packs.contents import Listed, Revoked
from mpk_tui.library.packs.ledger import Imported
from mpk_tui.library.packs.outcome import PackOutcome
from mpk_tui.library.packs.verify import verify

NOW = 1_700_000_000_000  # 2023: in the past of every machine that runs this
DAY = 24 * 3600 * 1000


class Pair:
    """An identity of suite s2 with fixed seeds."""

    def __init__(self, name: str) -> None:
        self._first = Key(name)
        self._second = MLDSA65PrivateKey.from_seed_bytes(hashlib.sha256(f"{name}, second half".encode()).digest())
        self.keys = (self._first.public, PublicKey(ML_DSA_65, self._second.public_key().public_bytes_raw()))

    def sign(self, message: bytes) -> tuple[bytes, ...]:
        return (*self._first.sign(message), self._second.sign(message))


class Key:
    """A signing key with a fixed seed, as `mpk_tui.keys.signing.MessageSigner` has it."""

    def __init__(self, name: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.public = PublicKey(ED25519, self._key.public_key().public_bytes_raw())
        self.keys = (self.public,)

    def sign(self, message: bytes) -> tuple[bytes, ...]:
        return (self._key.sign(message),)


ANN, ANN_NEW, BOB = Key("ann"), Key("ann, second"), Key("bob")


def person(name: str, *keys: Key, roles: tuple[str, ...] = (ANY,), **limits: Any) -> Person:
    return Person(name.lower(), name, frozenset(roles), tuple(TrustedKey(k.public, **limits) for k in keys))


def trusting(*people: Person, **policy: Any) -> TrustStore:
    return TrustStore(people or (person("Ann", ANN),), Policy(**policy) if policy else Policy())


BOTH = trusting(person("Ann", ANN, ANN_NEW), person("Bob", BOB))


def listed(name: str, fingerprint: Fingerprint | None = None, **facts: Any) -> tuple[Listed, bytes]:
    one = fingerprint or made(name)
    data = one.to_bytes()
    return Listed(one.digest, len(data), one.root, Facts(name, **facts), "ann", NOW), data


def pack(
    path: Path,
    *items: tuple[Listed, bytes],
    key: Key | Pair = ANN,
    name: str = "lab",
    revoked: Sequence[Revoked] = (),
    created: int = NOW,
    since: Sequence[Path] = (),
    previous: Sequence[Path] = (),
    others: Sequence[Signer] = (),
    **more: Any,
) -> Path:
    """Write a pack of these items and return its path."""
    records = {e.fingerprint: data for e, data in items}
    draft = making.draft(
        [e for e, _ in items],
        revoked,
        name=name,
        earlier=making.read_earlier([*since, *previous]),
        delta=bool(since),
        **more,
    )
    making.seal(draft, key, "Ann", created=created, others=others).write(path, lambda e: records[e.fingerprint])
    return path


def check(
    path: Path, store: TrustStore | None = None, packs: Sequence[Imported] = (), now: int = NOW + DAY
) -> PackOutcome:
    with Source(path, follow=True) as source:
        return verify(source, trusting() if store is None else store, now, packs)[0]
