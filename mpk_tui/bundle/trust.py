"""Whom a verifier believes: people, their keys and roles, and how many of them are needed.

Thresholds count people, never keys or signatures: two keys of one person are one person, and one key cannot stand for
two.  Everything is checked when a store is put together, so that no verification runs with a policy that cannot fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mpk_tui.bundle.suites import SUITES, PublicKey
from mpk_tui.errors import UsageError

ANY = "*"
"""As a granted role: every role.  In a policy: a person of any role."""
REASONS = ("superseded", "left", "compromised")


@dataclass(frozen=True)
class Revocation:
    """A key that must no longer be believed.

    Attributes:
        at: Milliseconds since 1970, UTC.
        reason: ``superseded`` and ``left`` leave what was signed before ``at`` good; ``compromised`` leaves nothing
            good that has no independent evidence of its time.
    """

    at: int
    reason: str

    def __post_init__(self) -> None:
        if self.reason not in REASONS:
            raise UsageError(f"revocation reason {self.reason!r}", hint=f"Known are {', '.join(REASONS)}")


@dataclass(frozen=True)
class TrustedKey:
    """A key of a person, from when to when it may sign (milliseconds, UTC; None is open), and its revocation."""

    key: PublicKey
    not_before: int | None = None
    not_after: int | None = None
    revoked: Revocation | None = None


@dataclass(frozen=True)
class Person:
    """Somebody whose keys the verifier knows.

    Attributes:
        id: Unique within the store.
        name: For people to read.
        roles: Roles in which this person may sign; `ANY` grants all.
        keys: Their keys, also old ones.
        org: Organisation, may be empty.
    """

    id: str
    name: str
    roles: frozenset[str]
    keys: tuple[TrustedKey, ...]
    org: str = ""

    def may_act_as(self, role: str) -> bool:
        """Whether a role was granted."""
        return ANY in self.roles or role in self.roles


@dataclass(frozen=True)
class Policy:
    """What a verifier demands.

    Attributes:
        needed: People needed by role; `ANY` counts people of every granted role.
        min_suite: Weakest suite that is accepted.
    """

    needed: Mapping[str, int] = field(default_factory=lambda: {ANY: 1})
    min_suite: str = "s1"

    def __post_init__(self) -> None:
        if not self.needed:
            raise UsageError("a policy must ask for at least one person")
        for role, count in self.needed.items():
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise UsageError(f"a threshold of {count!r} for {role!r}", hint="Ask for at least one person")
        if self.min_suite not in SUITES:
            raise UsageError(f"suite {self.min_suite!r}", hint=f"Known are {', '.join(SUITES)}")


@dataclass(frozen=True)
class TrustStore:
    """People and policy.

    Attributes:
        people: Everybody.
        policy: What is demanded.
        dated: When the store was last changed, milliseconds, or None; revocation is as fresh as this.
    """

    people: tuple[Person, ...] = ()
    policy: Policy = field(default_factory=Policy)
    dated: int | None = None

    def __post_init__(self) -> None:
        ids: set[str] = set()
        owners: dict[bytes, str] = {}
        for person in self.people:
            if person.id in ids:
                raise UsageError(f"the id {person.id!r} stands for two people", where="trust store")
            ids.add(person.id)
            for trusted in person.keys:
                keyid = trusted.key.keyid
                if keyid in owners:
                    raise UsageError(
                        f"key {keyid.hex()[:16]}… belongs to {owners[keyid]!r} and to {person.id!r}",
                        where="trust store",
                        hint="One key stands for one person, once",
                    )
                owners[keyid] = person.id
                if not trusted.key.sound():
                    raise UsageError(
                        f"key {keyid.hex()[:16]}… of {person.id!r} is not a sound public key (not of prime order)",
                        where="trust store",
                        hint="With such a key one signature can fit every message; remove it",
                    )

    def find(self, keyid: bytes) -> tuple[Person, TrustedKey] | None:
        """The person and key behind a key id."""
        for person in self.people:
            for trusted in person.keys:
                if trusted.key.keyid == keyid:
                    return person, trusted
        return None


def single_key(key: PublicKey, name: str = "the given key") -> TrustStore:
    """A store of one person with one key, in any role: what ``verify --key`` means."""
    return TrustStore((Person("key", name, frozenset({ANY}), (TrustedKey(key),)),))
