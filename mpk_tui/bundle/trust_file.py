"""The signed trust store, ``trust.mpkt``: what it says, who must have signed it, and what may follow it.

One canonical file in the envelope of a bundle, without endorsements and blobs.  Its payload names people, a policy,
and the root: holders of keys, a threshold of whom sign this store and decide about the next one.  Store N+1 is
accepted after N only if it has the next number, names N as the one before, and is signed by a threshold of the holders
of N's root and of its own (cf. The Update Framework, specification 5.3.4 and 5.3.5).  Holders are counted, never keys
or signatures.

Nothing here reads or writes a file; `mpk_tui.keys.signed_store` keeps what was accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

from mpk_tui import canonical
from mpk_tui.bundle import envelope, limits
from mpk_tui.bundle.dsse import TRUST_TYPE, pae
from mpk_tui.bundle.envelope import Envelope, Signature
from mpk_tui.bundle.schema import (
    Check,
    Reading,
    canonical_map,
    digest,
    integer,
    listing,
    maybe,
    moment,
    record,
    row,
    text,
)
from mpk_tui.bundle.signers import day
from mpk_tui.bundle.suites import PublicKey, suite_of
from mpk_tui.bundle.trust import Edition, Person, Policy, TrustStore
from mpk_tui.bundle.trust_records import (
    KEY,
    PERSON,
    POLICY,
    person_record,
    policy_record,
    read_key,
    read_person,
    read_policy,
)
from mpk_tui.errors import LimitError, MalformedError, TrustStoreError, UnsupportedError, UsageError
from mpk_tui.hashtree import sha256, tagged
from mpk_tui.records import dataclass, replace

VERSION = (1, 0)
SUFFIX = ".mpkt"
FILE_BYTES = 2 << 20
"""A payload of 1 MiB and 32 signatures fit."""
MOST_HOLDERS = 8
"""Two roots of eight holders with two keys each fill the 32 signatures of an envelope: every root can be replaced."""
MOST_PEOPLE = limits.SECTIONS
FIRST = 1
_ALGORITHMS = 2
_WHERE = "trust store"


@dataclass(frozen=True)
class Root:
    """Who decides about a store.

    Attributes:
        holders: The keys of each holder, one for each algorithm of a suite, in its order.
        threshold: How many holders must sign.
    """

    holders: tuple[tuple[PublicKey, ...], ...]
    threshold: int

    def __post_init__(self) -> None:
        where = f"{_WHERE}.root"
        if not 1 <= len(self.holders) <= MOST_HOLDERS:
            raise UsageError(f"a root of {len(self.holders)} holders; 1 to {MOST_HOLDERS} are possible", where=where)
        if isinstance(self.threshold, bool) or not 1 <= self.threshold <= len(self.holders):
            raise UsageError(
                f"a threshold of {self.threshold} for {len(self.holders)} holder(s)", where=where,
                hint="At least one holder must sign, and not more than there are",
            )  # fmt: skip
        seen: set[bytes] = set()
        for keys in self.holders:
            suite_of(keys)
            for key in keys:
                if key.keyid in seen:
                    raise UsageError(
                        f"key {key.keyid.hex()[:16]}… stands for two holders", where=where,
                        hint="Holders are counted: one key stands for one of them, once",
                    )  # fmt: skip
                seen.add(key.keyid)
                if not key.sound():
                    raise UsageError(
                        f"key {key.keyid.hex()[:16]}… is not a sound public key (not of prime order)", where=where,
                        hint="With such a key one signature can fit every store",
                    )  # fmt: skip

    @cached_property
    def keyids(self) -> frozenset[bytes]:
        """Ids of all keys of all holders."""
        return frozenset(key.keyid for keys in self.holders for key in keys)

    @cached_property
    def fingerprint(self) -> bytes:
        """T("root", canonical record): covers every key and the threshold; what people compare."""
        return tagged("root", canonical.encode(self.record(), limits.MANIFEST))

    def record(self) -> dict[str, Any]:
        """The plain form."""
        return {
            "keys": [[{"alg": k.alg, "pub": k.raw} for k in keys] for keys in self.holders],
            "threshold": self.threshold,
        }


@dataclass(frozen=True)
class Body:
    """What a signed store says.

    Attributes:
        seq: Its number, from 1.
        prev: Id of the store before it; None for the first.
        created: Milliseconds, UTC.
        expires: Milliseconds, UTC; later than ``created``.
        root: Who decides about it.
        people: In ascending order of their ids.
        policy: What a verifier demands.
        crit: Top-level fields that a reader must understand.
    """

    seq: int
    prev: bytes | None
    created: int
    expires: int
    root: Root
    people: tuple[Person, ...]
    policy: Policy
    crit: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """The payload."""
        return canonical.encode(
            {
                "v": list(VERSION), "seq": self.seq, "prev": self.prev, "created": self.created,
                "expires": self.expires, "root": self.root.record(),
                "people": [person_record(p) for p in sorted(self.people, key=lambda p: p.id)],
                "policy": policy_record(self.policy), "crit": list(self.crit),
            },
            limits.MANIFEST,
        )  # fmt: skip


@dataclass(frozen=True)
class TrustFile:
    """A signed store as it travels: its shape was checked, its signatures were not (see `check_own`).

    Attributes:
        body: What it says.
        payload: The bytes that are signed.
        signatures: Ascending by key id.
        unknown: Fields of a newer minor version that were passed over.
        people: The store that a verifier uses.
    """

    body: Body
    payload: bytes
    signatures: tuple[Signature, ...]
    unknown: tuple[str, ...]
    people: TrustStore

    @cached_property
    def message(self) -> bytes:
        """What every holder signs."""
        return pae(TRUST_TYPE, self.payload)

    @cached_property
    def id(self) -> bytes:
        """SHA-256 of the message; what the next store names as ``prev``."""
        return sha256(self.message)

    def to_bytes(self) -> bytes:
        """The file."""
        return Envelope(TRUST_TYPE, self.payload, self.signatures, (), ()).to_bytes()

    def store(self, *, given: bool = False) -> TrustStore:
        """The people and the policy, with the edition that they are of.

        Args:
            given: The file was named by the verifier and is not the installed store.
        """
        edition = self.people.edition
        return self.people if edition is None else self.people.of_edition(replace(edition, given=given))


_FIELDS: dict[str, Check] = {
    "v": row(integer(), integer()),
    "seq": integer(FIRST, 1 << 31),
    "prev": maybe(digest),
    "created": moment,
    "expires": moment,
    "root": record({"keys": listing(listing(KEY, _ALGORITHMS, 1), MOST_HOLDERS, 1), "threshold": integer()}),
    "people": listing(PERSON, MOST_PEOPLE),
    "policy": POLICY,
    "crit": listing(text(64), 64),
}
BODY = record(_FIELDS)


def parse(data: bytes, where: str = _WHERE, *, unsigned: bool = False) -> TrustFile:
    """Take a signed store apart.  Who signed it is not looked at (see `check_own`).

    Args:
        data: The whole file.
        where: Its name for messages.
        unsigned: Accept a draft that nobody has signed yet.

    Raises:
        LimitError: Larger than a store may be, or a declared size is.
        MalformedError: Not canonical, not of this shape, or it contradicts itself.
        UnsupportedError: Another kind of file, a newer major version, a critical field or a suite that we do not know.
    """
    try:
        return _parse(data, unsigned=unsigned)
    except (LimitError, MalformedError, UnsupportedError) as error:
        at = error.where.removeprefix(_WHERE).removeprefix("bundle").lstrip(", ") if error.where else ""
        raise type(error)(error.what, where=f"{where}, {at.lstrip('.')}" if at else where, hint=error.hint) from None
    except UsageError as error:
        raise MalformedError(error.what, where=where, hint=error.hint) from None


def _parse(data: bytes, *, unsigned: bool) -> TrustFile:
    if len(data) > FILE_BYTES:
        raise LimitError(f"{len(data)} bytes; a trust store has at most {FILE_BYTES}")
    if data[:6] != envelope.HEAD[:6]:
        raise MalformedError("does not start like a trust store", where=f"{_WHERE}, byte 0")
    sealed = envelope.parse(data, unsigned=True)
    if sealed.payload_type != TRUST_TYPE:
        raise UnsupportedError(f"the payload is a {sealed.payload_type!r}", hint=f"Expected {TRUST_TYPE}")
    if sealed.endorsements or sealed.blobs:
        raise MalformedError("carries endorsements or blobs; a trust store has none")
    if not sealed.signatures and not unsigned:
        raise MalformedError("carries no signature", hint="Sign it with: mpk-tui keys store sign")
    return _read(sealed.payload, sealed.signatures)


def _read(payload: bytes, signatures: tuple[Signature, ...]) -> TrustFile:
    value = canonical_map(payload, limits.MANIFEST, _WHERE)
    _FIELDS["v"](value["v"], f"{_WHERE}.v", Reading())
    major, minor = value["v"]
    if major != VERSION[0]:
        raise UnsupportedError(f"trust store version {major}.{minor}", where=_WHERE, hint="Use a newer mpk-tui")
    if "root" in value:
        # The fingerprint covers the root as we read it: a root with anything else in it is never passed over.
        _FIELDS["root"](value["root"], f"{_WHERE}.root", Reading())
    reading = Reading(newer=minor > VERSION[1])
    BODY(value, _WHERE, reading)
    unknown = [name for name in value["crit"] if name not in _FIELDS]
    if unknown:
        raise UnsupportedError(
            f"field {unknown[0]!r} must be understood and is not", where=_WHERE, hint="Use a newer mpk-tui"
        )
    root = Root(
        tuple(tuple(read_key(k, f"{_WHERE}.root") for k in keys) for keys in value["root"]["keys"]),
        value["root"]["threshold"],
    )
    people = tuple(read_person(p, f"{_WHERE}.people[{n}]") for n, p in enumerate(value["people"]))
    policy = read_policy(value["policy"], f"{_WHERE}.policy")
    body = Body(
        value["seq"], value["prev"], value["created"], value["expires"], root, people, policy, tuple(value["crit"])
    )
    _rules(value, body)
    edition = Edition(body.seq, sha256(pae(TRUST_TYPE, payload)), body.expires, root.fingerprint)
    store = TrustStore(people, policy, body.created, edition)
    return TrustFile(body, payload, signatures, reading.passed_over, store)


def _rules(value: dict[str, Any], body: Body) -> None:
    if (body.seq == FIRST) != (body.prev is None):
        raise MalformedError(
            f"number {body.seq} {'without' if body.prev is None else 'with'} a store before it", where=f"{_WHERE}.prev"
        )
    if body.expires <= body.created:
        raise MalformedError("expires before it was made", where=f"{_WHERE}.expires")
    _ascending([p.id for p in body.people], f"{_WHERE}.people")
    for n, row_ in enumerate(value["people"]):
        _ascending(row_["roles"], f"{_WHERE}.people[{n}].roles")
    _ascending([role for role, _ in value["policy"]["needed"]], f"{_WHERE}.policy.needed")
    for person in body.people:
        for trusted in person.keys:
            if trusted.revoked is not None and trusted.key.keyid in body.root.keyids:
                raise MalformedError(
                    f"key {trusted.key.keyid.hex()[:16]}… of {person.id!r} is revoked and still stands in the root",
                    where=f"{_WHERE}.root", hint="Take it out of the root in the store that revokes it",
                )  # fmt: skip


def _ascending(names: Sequence[str], where: str) -> None:
    for a, b in pairwise(names):
        if a >= b:
            raise MalformedError("records twice or out of order", where=where)


def draft(body: Body) -> TrustFile:
    """An unsigned store; what we write, we can read.

    Raises:
        MalformedError, LimitError: It does not fit the format.
    """
    return unsigned(body.to_bytes())


def unsigned(payload: bytes, where: str = _WHERE) -> TrustFile:
    """The store that a payload makes, before anybody has signed it.

    Raises:
        LimitError, MalformedError, UnsupportedError: As for `parse`.
    """
    if not 1 <= len(payload) <= limits.MANIFEST_BYTES:
        raise LimitError(f"a payload of {len(payload)} bytes, 1 to {limits.MANIFEST_BYTES} are possible", where=where)
    return parse(Envelope(TRUST_TYPE, payload, (), (), ()).to_bytes(), where, unsigned=True)


def attach(file: TrustFile, made: Iterable[Signature]) -> TrustFile:
    """With more signatures, which were checked.

    Raises:
        UsageError: One of the keys has signed already, or there are more than an envelope holds.
    """
    have = {s.keyid for s in file.signatures}
    added = tuple(made)
    for s in added:
        if s.keyid in have:
            raise UsageError(f"key {s.keyid.hex()[:16]}… has signed already")
    if len(file.signatures) + len(added) > limits.SIGNATURES:
        raise UsageError(f"more than {limits.SIGNATURES} signatures")
    return replace(file, signatures=tuple(sorted((*file.signatures, *added), key=lambda s: s.keyid)))


@dataclass(frozen=True)
class Tally:
    """Signatures held against one root.

    Attributes:
        good: Holders, by their place in the root, all of whose keys signed.
        bad: Ids of root keys whose signature does not fit.
    """

    good: frozenset[int]
    bad: tuple[bytes, ...]


def tally(file: TrustFile, root: Root) -> Tally:
    """Which holders of a root have signed; every signature under one of its keys is checked, none is skipped."""
    by_keyid = {s.keyid: s.sig for s in file.signatures}
    good: set[int] = set()
    bad: list[bytes] = []
    for n, keys in enumerate(root.holders):
        fits = {k.keyid: k.verifies(by_keyid[k.keyid], file.message) for k in keys if k.keyid in by_keyid}
        bad += [keyid for keyid, fit in fits.items() if not fit]
        if len(fits) == len(keys) and all(fits.values()):
            good.add(n)
    return Tally(frozenset(good), tuple(bad))


def strangers(file: TrustFile, *roots: Root) -> tuple[bytes, ...]:
    """Ids of keys that signed and stand in none of these roots: their signatures count for nothing."""
    known = frozenset[bytes]().union(*(r.keyids for r in roots))
    return tuple(s.keyid for s in file.signatures if s.keyid not in known)


def check_own(file: TrustFile, where: str = _WHERE) -> None:
    """Whether a threshold of a store's own root has signed it.

    This alone makes nobody believable: anybody can sign a store of their own.

    Raises:
        TrustStoreError: They have not, or a signature under a root key does not fit.
    """
    _by_root(file, file.body.root, "its own root", where)


def check_first(file: TrustFile, now: int, where: str = _WHERE) -> None:
    """Whether a store may be the first that a verifier accepts, once its root's fingerprint was compared.

    It may have any number.  It must not have expired: nothing would say that the people in it are still to be believed.

    Raises:
        TrustStoreError: It may not.
    """
    check_own(file, where)
    _not_ahead(file, now, where)
    if now > file.body.expires:
        raise TrustStoreError(f"expired on {day(file.body.expires)}", where=where, hint="Ask for the newest store")


def check_successor(current: TrustFile, offered: TrustFile, now: int, where: str = _WHERE) -> None:
    """Whether a store may take the place of the one before it.

    One that has expired may: it can be a step on the way to the next.  A verdict that rests on it is EXPIRED.

    Raises:
        TrustStoreError: It may not.
    """
    have, number = current.body.seq, offered.body.seq
    if number == have:
        raise TrustStoreError(
            f"is another store of number {have} than the one in use", where=where,
            hint="Two stores of one number are never both right: ask the holders of the root",
        )  # fmt: skip
    if number < have:
        raise TrustStoreError(f"is number {number}; number {have} is in use", where=where, hint="Older is never taken")
    if number > have + 1:
        missing = f"number {have + 1}" if number == have + 2 else f"numbers {have + 1} to {number - 1}"
        raise TrustStoreError(
            f"is number {number}; number {have} is in use, and {missing} is missing in between", where=where,
            hint="Accept every store in its order",
        )  # fmt: skip
    if offered.body.prev != current.id:
        raise TrustStoreError(
            f"follows another store of number {have} than the one in use", where=where,
            hint="It was made from a copy that was changed, or by somebody else: ask the holders of the root",
        )  # fmt: skip
    if offered.body.created < current.body.created:
        raise TrustStoreError(
            f"is of {day(offered.body.created)}, older than the store in use, of {day(current.body.created)}",
            where=where,
        )
    _not_ahead(offered, now, where)
    _by_root(offered, current.body.root, f"the root of number {have}", where)
    _by_root(offered, offered.body.root, "its own root", where)


def _not_ahead(file: TrustFile, now: int, where: str) -> None:
    if file.body.created > now + limits.FUTURE_MS:
        raise TrustStoreError(
            f"is dated {day(file.body.created)}, in this machine's future", where=where, hint="Set the clock"
        )


def _by_root(file: TrustFile, root: Root, whose: str, where: str) -> None:
    found = tally(file, root)
    if found.bad:
        raise TrustStoreError(
            f"a signature under key {found.bad[0].hex()[:16]}… of {whose} does not fit", where=where,
            hint="The file was altered; get it again",
        )  # fmt: skip
    if len(found.good) < root.threshold:
        raise TrustStoreError(
            f"{root.threshold} of {len(root.holders)} holder(s) of {whose} must sign, {len(found.good)} did",
            where=where, hint="Signatures are added with: mpk-tui keys store sign",
        )  # fmt: skip
