"""Whom a verifier believes: people, their keys and roles, and how many of them are needed.

Thresholds count people, never keys or signatures: two keys of one person are one person, and one key cannot stand for
two.  Everything is checked when a store is put together, so that no verification runs with a policy that cannot fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from mpk_tui.bundle.suites import SUITES, PublicKey
from mpk_tui.errors import UsageError
from mpk_tui.records import dataclass, field, replace

GIVEN_KEY = "the given key"
"""Name of the one person whom ``--key`` stands for."""
ANY = "*"
"""As a granted role: every role.  In a policy: a person of any role."""
REASONS = ("superseded", "left", "compromised")


def _known_suite(suite: str) -> None:
    if suite not in SUITES:
        raise UsageError(f"suite {suite!r}", hint=f"Known are {', '.join(SUITES)}")


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

    def __post_init__(self) -> None:
        if self.not_before is not None and self.not_after is not None and self.not_before > self.not_after:
            raise UsageError(
                f"key {self.key.keyid.hex()[:16]}… would be valid to a time before the one that it is valid from",
                hint="Exchange or correct the two times",
            )


@dataclass(frozen=True)
class Person:
    """Somebody whose keys the verifier knows.

    Attributes:
        id: Unique within the store.
        name: For people to read.
        roles: Roles in which this person may sign; `ANY` grants all.
        keys: Their keys, also old ones.
        org: Organisation, may be empty.
        min_suite: Weakest suite under which a signature of this person counts.
    """

    id: str
    name: str
    roles: frozenset[str]
    keys: tuple[TrustedKey, ...]
    org: str = ""
    min_suite: str = "s1"

    def __post_init__(self) -> None:
        _known_suite(self.min_suite)

    def may_act_as(self, role: str) -> bool:
        """Whether a role was granted."""
        return ANY in self.roles or role in self.roles

    def may_sign_under(self, suite: str) -> bool:
        """Whether a signature under a suite is strong enough for this person."""
        order = list(SUITES)
        return order.index(suite) >= order.index(self.min_suite)


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
        _known_suite(self.min_suite)


@dataclass(frozen=True)
class Edition:
    """Which signed store this is (see `mpk_tui.bundle.trust_file`).

    Attributes:
        number: 1 for the first, one more with every rotation.
        id: SHA-256 of the signed message.
        expires: Milliseconds, UTC; a bundle that is checked later is EXPIRED.
        root: Fingerprint of the keys that decide about this store and its successor.
        given: It was named as a file and is not the installed one: the verifier's own choice.
        stale_allowed: The verifier asked to go on with a store that has expired.
    """

    number: int
    id: bytes
    expires: int
    root: bytes
    given: bool = False
    stale_allowed: bool = False


@dataclass(frozen=True)
class TrustStore:
    """People and policy.

    Attributes:
        people: Everybody.
        policy: What is demanded.
        dated: When the store was made or last changed, milliseconds, or None; revocation is as fresh as this.
        edition: Which signed store it is, or None for a folder and for a single key.
    """

    people: tuple[Person, ...] = ()
    policy: Policy = field(default_factory=Policy)
    dated: int | None = None
    edition: Edition | None = None

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
        return self._owners.get(keyid)

    @cached_property
    def _owners(self) -> Mapping[bytes, tuple[Person, TrustedKey]]:
        # A store may hold ten thousand keys, and a bundle with all its endorsements asks for thousands.
        return {trusted.key.keyid: (person, trusted) for person in self.people for trusted in person.keys}

    def stale(self, now: int) -> bool:
        """Whether this is a signed store that has expired by ``now``."""
        return self.edition is not None and now > self.edition.expires

    def of_edition(self, edition: Edition) -> TrustStore:
        """The same people and policy, another word on which store they are of."""
        return replace(self, edition=edition)

    def allowing_stale(self) -> TrustStore:
        """The same store, believed although it may have expired: the verifier's explicit request."""
        return self if self.edition is None else self.of_edition(replace(self.edition, stale_allowed=True))


def single_key(*keys: PublicKey, name: str = GIVEN_KEY) -> TrustStore:
    """A store of one person in any role, with one key or the keys of an s2 identity: what ``verify --key`` means."""
    return TrustStore((Person("key", name, frozenset({ANY}), tuple(TrustedKey(k) for k in keys)),))
