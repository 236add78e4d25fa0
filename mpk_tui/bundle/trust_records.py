"""People and policies as plain records: the same in a folder store and in a signed one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.bundle.schema import Check, binary, choice, integer, listing, maybe, moment, record, row, text
from mpk_tui.bundle.suites import PUBLIC_BYTES, SUITES, PublicKey
from mpk_tui.bundle.trust import REASONS, Person, Policy, Revocation, TrustedKey
from mpk_tui.errors import MalformedError, UnsupportedError, UsageError

MOST_ROLES = 32
MOST_KEYS = 64
_ROLE = r"\*|[a-z][a-z0-9-]{0,31}"

KEY: Check = record({"alg": choice(*PUBLIC_BYTES), "pub": binary(1, 8192)})
"""A public key: its algorithm and its bytes."""
_TRUSTED: Check = record(
    {
        "alg": choice(*PUBLIC_BYTES),
        "pub": binary(1, 8192),
        "not_before": maybe(moment),
        "not_after": maybe(moment),
        "revoked": maybe(record({"at": moment, "reason": choice(*REASONS)})),
    }
)
_PERSON: dict[str, Check] = {
    "id": text(64, r"[a-z0-9][a-z0-9-]{0,63}"),
    "name": text(256, least=1),
    "org": text(256),
    "roles": listing(text(32, _ROLE), MOST_ROLES, 1),
    "keys": listing(_TRUSTED, MOST_KEYS, 1),
    "min_suite": text(16),
}
PERSON: Check = record(_PERSON)
"""A person in a signed store."""
PERSON_IN_FOLDER: Check = record(_PERSON, optional=("min_suite",))
"""A person's file in a folder store; without ``min_suite`` every suite counts."""
POLICY: Check = record({"needed": listing(row(text(32, _ROLE), integer()), MOST_ROLES, 1), "min_suite": text(16)})


def read_key(value: Mapping[str, Any], where: str) -> PublicKey:
    """A public key that has passed `KEY` or the shape of a person's key.

    Raises:
        MalformedError: It does not have the bytes of its algorithm.
    """
    if len(value["pub"]) != PUBLIC_BYTES[value["alg"]]:
        raise MalformedError(f"a key of {len(value['pub'])} bytes for {value['alg']}", where=where)
    return PublicKey(value["alg"], value["pub"])


def read_person(value: Mapping[str, Any], where: str) -> Person:
    """A person that has passed one of the shapes above.

    Raises:
        MalformedError: A key does not have the bytes of its algorithm, or is valid to before it is valid from.
        UnsupportedError: A suite that we do not know.
    """
    keys = []
    for n, k in enumerate(value["keys"]):
        revoked = Revocation(k["revoked"]["at"], k["revoked"]["reason"]) if k["revoked"] else None
        try:
            trusted = TrustedKey(read_key(k, f"{where}.keys[{n}]"), k["not_before"], k["not_after"], revoked)
        except UsageError as error:
            raise MalformedError(error.what, where=f"{where}.keys[{n}]") from None
        keys.append(trusted)
    suite = _suite(value.get("min_suite", "s1"), where)
    return Person(value["id"], value["name"], frozenset(value["roles"]), tuple(keys), value["org"], suite)


def person_record(person: Person) -> dict[str, Any]:
    """The plain form of a person, with ``min_suite``."""
    keys = [
        {
            "alg": t.key.alg,
            "pub": t.key.raw,
            "not_before": t.not_before,
            "not_after": t.not_after,
            "revoked": None if t.revoked is None else {"at": t.revoked.at, "reason": t.revoked.reason},
        }
        for t in person.keys
    ]
    return {
        "id": person.id, "name": person.name, "org": person.org, "roles": sorted(person.roles), "keys": keys,
        "min_suite": person.min_suite,
    }  # fmt: skip


def read_policy(value: Mapping[str, Any], where: str) -> Policy:
    """A policy that has passed `POLICY`.

    Raises:
        MalformedError: A role twice, or a threshold below one.
        UnsupportedError: A suite that we do not know.
    """
    needed = dict(value["needed"])
    if len(needed) != len(value["needed"]):
        raise MalformedError("names a role twice", where=where)
    suite = _suite(value["min_suite"], where)
    try:
        return Policy(needed, suite)
    except UsageError as error:
        raise MalformedError(error.what, where=where, hint=error.hint) from None


def policy_record(policy: Policy) -> dict[str, Any]:
    """The plain form of a policy; roles in ascending order."""
    return {"needed": [[r, n] for r, n in sorted(policy.needed.items())], "min_suite": policy.min_suite}


def _suite(name: str, where: str) -> str:
    if name not in SUITES:
        raise UnsupportedError(f"suite {name!r}", where=where, hint="Use a newer mpk-tui")
    return name
