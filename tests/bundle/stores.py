"""Signed trust stores made by hand for tests and for the frozen suite: fixed keys, so that every run makes the same.

A store signed with `Pair` holders differs from run to run, because ML-DSA signatures do; what is signed does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import workshop as w
from workshop import CREATED, DAY, Key, Pair

from mpk_tui import canonical
from mpk_tui.bundle import dsse, trust_file
from mpk_tui.bundle.envelope import Envelope, Signature
from mpk_tui.bundle.suites import PublicKey
from mpk_tui.bundle.trust import ANY, Person, Policy, TrustedKey
from mpk_tui.bundle.trust_file import Body, Root, TrustFile

Holder = Key | Pair
ROOT_A, ROOT_B, ROOT_C = (Key(f"root {n}") for n in "abc")
ROOT_S2 = Pair("root s2")
YEAR = 365 * DAY
STORE_CREATED = CREATED - DAY


def keys_of(holder: Holder) -> tuple[PublicKey, ...]:
    return holder.keys if isinstance(holder, Pair) else (holder.public,)


def root(*holders: Holder, threshold: int = 1) -> Root:
    return Root(tuple(keys_of(h) for h in holders), threshold)


def person(
    name: str, *keys: Holder, roles: Sequence[str] = (ANY,), min_suite: str = "s1", org: str = "", **limits: Any
) -> Person:
    """A person with all keys of all holders; ``limits`` (not_before, not_after, revoked) hold for each."""
    every = tuple(TrustedKey(k, **limits) for h in keys for k in keys_of(h))
    return Person(name.lower(), name, frozenset(roles), every, org, min_suite)


def body(
    *people: Person,
    roots: Root | None = None,
    seq: int = 1,
    prev: bytes | None = None,
    created: int = STORE_CREATED,
    expires: int = STORE_CREATED + YEAR,
    policy: Policy | None = None,
    crit: tuple[str, ...] = (),
) -> Body:
    """What a store says; without people it trusts Anna in every role."""
    listed = people or (person("Anna", w.ANNA),)
    return Body(seq, prev, created, expires, roots or root(ROOT_A), listed, policy or Policy(), crit)


def signed(what: Body | bytes, *holders: Holder) -> Envelope:
    """An envelope over a body or a payload, correctly signed as it stands, whatever it holds."""
    payload = what if isinstance(what, bytes) else what.to_bytes()
    message = dsse.pae(dsse.TRUST_TYPE, payload)
    made = []
    for holder in holders:
        sigs = holder.sign(message)
        pairs = zip(keys_of(holder), sigs if isinstance(sigs, tuple) else (sigs,), strict=True)
        made += [Signature(key.keyid, sig) for key, sig in pairs]
    return Envelope(dsse.TRUST_TYPE, payload, tuple(sorted(made, key=lambda s: s.keyid)), (), ())


def store(*people: Person, by: Sequence[Holder] = (ROOT_A,), **fields: Any) -> bytes:
    """The file of a signed store: `body`, signed by these holders (the single root key if none is named)."""
    return signed(body(*people, **fields), *by).to_bytes()


def after(before: bytes, *people: Person, by: Sequence[Holder] = (ROOT_A,), **fields: Any) -> bytes:
    """The file of the store after another one: next number, ``prev``, a day later, the same root if none is named."""
    old = read(before)
    given = {
        "seq": old.body.seq + 1, "prev": old.id, "created": old.body.created + DAY, "roots": old.body.root,
        "policy": old.body.policy, "expires": old.body.created + DAY + YEAR, **fields,
    }  # fmt: skip
    return store(*(people or old.body.people), by=by, **given)


def changed(before: bytes, change: Callable[[dict[str, Any]], Any], *by: Holder) -> bytes:
    """The payload changed as a plain map and correctly signed again, whatever it holds."""
    value = canonical.decode(read(before).payload)
    change(value)
    return signed(canonical.encode(value), *(by or (ROOT_A,))).to_bytes()


def without(data: bytes, *keyids: bytes) -> bytes:
    """With the signatures of some keys left out."""
    file = read(data)
    return replace(file, signatures=tuple(s for s in file.signatures if s.keyid not in keyids)).to_bytes()


def read(data: bytes) -> TrustFile:
    return trust_file.parse(data)
