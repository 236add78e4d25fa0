"""The trust store as a folder: one small file for each person, and one for the policy if there is any.

This store is not signed: it is one person's or one small laboratory's list, on a disk that they guard.  A signed store
in a single file, with rotation, can stand beside it under the name ``trust.mpkt``.

Files: ``people/<id>.mpkp`` = canonical ``["MPKP1", {id, name, org, roles, keys: [{alg, pub, not_before, not_after,
revoked}]}]``; ``policy.mpkp`` = canonical ``["MPKP1", {needed: [[role, count]], min_suite}]``.
"""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path
from typing import Any

from mpk_tui import canonical
from mpk_tui.bundle.schema import Check, Reading, binary, choice, integer, listing, maybe, record, row, text
from mpk_tui.bundle.suites import PUBLIC_BYTES, PublicKey
from mpk_tui.bundle.trust import REASONS, Person, Policy, Revocation, TrustedKey, TrustStore
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import MalformedError, StorageError, UnsupportedError, UsageError
from mpk_tui.files import write_file

MAGIC = "MPKP1"
PEOPLE = "people"
POLICY = "policy.mpkp"
SUFFIX = ".mpkp"
MOST_PEOPLE = 10_000
_MOST_BYTES = 1 << 20

_ROLE = r"\*|[a-z][a-z0-9-]{0,31}"
_PERSON: Check = record(
    {
        "id": text(64, r"[a-z0-9][a-z0-9-]{0,63}"),
        "name": text(256, least=1),
        "org": text(256),
        "roles": listing(text(32, _ROLE), 32, 1),
        "keys": listing(
            record(
                {
                    "alg": choice(*PUBLIC_BYTES),
                    "pub": binary(1, 8192),
                    "not_before": maybe(integer()),
                    "not_after": maybe(integer()),
                    "revoked": maybe(record({"at": integer(), "reason": choice(*REASONS)})),
                }
            ),
            64,
            1,
        ),
    }
)
_POLICY: Check = record({"needed": listing(row(text(32, _ROLE), integer()), 32, 1), "min_suite": text(16)})


def default_folder() -> Path:
    """Where the store lies unless the person names another: the user's data folder."""
    try:
        from platformdirs import user_data_dir
    except ImportError:
        home = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
        return Path(home, "mpk-tui", "trust")
    return Path(user_data_dir("mpk-tui", appauthor=False), "trust")


def load(folder: Path) -> TrustStore:
    """Read a store; a folder without people is an empty one.

    Raises:
        StorageError: It is not a folder, or cannot be read.
        MalformedError: A file is not what it should be.
        UsageError: The store contradicts itself: one key for two people, a threshold below one, an unsound key.
    """
    if not folder.exists():
        raise StorageError("there is no trust store", where=str(folder), hint="mpk-tui keys trust KEY.pub.pem makes it")
    if not folder.is_dir():
        raise StorageError("is not a folder; a trust store is one", where=str(folder))
    people: list[Person] = []
    dated = 0
    names = _names(folder / PEOPLE)
    for name in names:
        path = folder / PEOPLE / name
        person = _person(_decode(path, _PERSON), str(path))
        if f"{person.id}{SUFFIX}" != name:
            raise MalformedError(f"holds the person {person.id!r}", where=str(path), hint="The file was renamed")
        people.append(person)
        dated = max(dated, path.stat().st_mtime_ns // 1_000_000)
    policy = Policy()
    if (folder / POLICY).exists():
        value = _decode(folder / POLICY, _POLICY)
        needed = dict(value["needed"])
        if len(needed) != len(value["needed"]):
            raise MalformedError("names a role twice", where=str(folder / POLICY))
        policy = Policy(needed, value["min_suite"])
    return TrustStore(tuple(people), policy, dated or None)


def load_default() -> TrustStore:
    """The store in the user's data folder, empty if there is none."""
    folder = default_folder()
    return load(folder) if folder.exists() else TrustStore()


def add(folder: Path, key: PublicKey, name: str, roles: tuple[str, ...], org: str = "") -> Person:
    """Trust a key: a new person, or one more key of a person of that name.

    Raises:
        UsageError: The key is there already, or cannot be trusted.
    """
    store = load(folder) if folder.exists() else TrustStore()
    known = store.find(key.keyid)
    if known is not None:
        raise UsageError(f"this key is in the store already, as {known[0].name}'s")
    existing = next((p for p in store.people if p.name == name), None)
    if existing is None:
        person = Person(_free_id(name, store), name, frozenset(roles), (TrustedKey(key),), org)
        after = (*store.people, person)
    else:
        person = Person(
            existing.id, name, existing.roles | set(roles), (*existing.keys, TrustedKey(key)), org or existing.org
        )
        after = tuple(person if p is existing else p for p in store.people)
    TrustStore(after, store.policy)  # refuses what could not be loaded again
    _write_person(folder, person)
    return person


def revoke(folder: Path, which: str, reason: str, at: int | None = None) -> tuple[Person, int]:
    """Revoke the keys that a name, person id or key id (or its beginning, 8 hex digits or more) stands for.

    Returns:
        The person, and how many keys were revoked.

    Raises:
        UsageError: Nothing or more than one person fits.
    """
    store = load(folder)
    wanted = which.lower().replace(" ", "")
    found = []
    for person in store.people:
        keys = [t for t in person.keys if len(wanted) >= 8 and t.key.keyid.hex().startswith(wanted)]
        if person.name == which or person.id == which:
            keys = list(person.keys)
        if keys:
            found.append((person, keys))
    if len(found) != 1:
        raise UsageError(f"{which!r} fits {len(found)} people of the store", hint="mpk-tui keys list shows them")
    person, keys = found[0]
    mark = Revocation(time.time_ns() // 1_000_000 if at is None else at, reason)
    changed = tuple(
        TrustedKey(t.key, t.not_before, t.not_after, mark) if t in keys and t.revoked is None else t
        for t in person.keys
    )
    count = sum(a is not b for a, b in zip(changed, person.keys, strict=True))
    if not count:
        raise UsageError(f"the keys of {person.name} are revoked already")
    _write_person(folder, Person(person.id, person.name, person.roles, changed, person.org))
    return person, count


def write_policy(folder: Path, policy: Policy) -> None:
    """Set what the store demands."""
    _make(folder)
    value = {"needed": [[r, n] for r, n in sorted(policy.needed.items())], "min_suite": policy.min_suite}
    write_file(folder / POLICY, canonical.encode([MAGIC, value]), mode=0o600)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / PEOPLE).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot be made ({error.strerror})", where=str(folder)) from None


def _write_person(folder: Path, person: Person) -> None:
    _make(folder)
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
    value = {"id": person.id, "name": person.name, "org": person.org, "roles": sorted(person.roles), "keys": keys}
    data = canonical.encode([MAGIC, value])
    _PERSON(canonical.decode(data)[1], person.name, Reading())
    write_file(folder / PEOPLE / f"{person.id}{SUFFIX}", data, mode=0o600)


def _free_id(name: str, store: TrustStore) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "person"
    taken = {p.id for p in store.people}
    n = 1
    while (candidate := stem if n == 1 else f"{stem}-{n}") in taken:
        n += 1
    return candidate


def _names(folder: Path) -> list[str]:
    if not folder.exists():
        return []
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                e.name
                for e in entries
                if e.name.endswith(SUFFIX) and stat.S_ISREG(e.stat(follow_symlinks=False).st_mode)
            )
    except OSError as error:
        raise StorageError(f"cannot be read ({error.strerror})", where=str(folder)) from None
    if len(names) > MOST_PEOPLE:
        raise UsageError(f"{len(names)} people, at most {MOST_PEOPLE} are read", where=str(folder))
    return names


def _decode(path: Path, shape: Check) -> dict[str, Any]:
    where = str(path)
    value = canonical.decode(read_small(path, _MOST_BYTES), where=where)
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str):
        raise MalformedError("is not a file of a trust store", where=where)
    if value[0] != MAGIC:
        raise UnsupportedError(f"a file of kind {value[0]!r}", where=where, hint="Use a newer mpk-tui")
    shape(value[1], where, Reading())
    content = value[1]
    assert isinstance(content, dict)
    return content


def _person(value: dict[str, Any], where: str) -> Person:
    keys = []
    for k in value["keys"]:
        if len(k["pub"]) != PUBLIC_BYTES[k["alg"]]:
            raise MalformedError(f"a key of {len(k['pub'])} bytes for {k['alg']}", where=where)
        revoked = Revocation(k["revoked"]["at"], k["revoked"]["reason"]) if k["revoked"] else None
        keys.append(TrustedKey(PublicKey(k["alg"], k["pub"]), k["not_before"], k["not_after"], revoked))
    return Person(value["id"], value["name"], frozenset(value["roles"]), tuple(keys), value["org"])
