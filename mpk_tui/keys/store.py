"""The trust store as a folder: one small file for each person, and one for the policy if there is any.

This store is not signed: it is one person's or one small laboratory's list, on a disk that they guard, and what a
signed store is made from (`mpk_tui.keys.signed_store`).

Files: ``people/<id>.mpkp`` = canonical ``["MPKP1", {id, name, org, roles, keys: [{alg, pub, not_before, not_after,
revoked}], min_suite}]``; ``policy.mpkp`` = canonical ``["MPKP1", {needed: [[role, count]], min_suite}]``.
``min_suite`` of a person is left out where it is ``s1``, so that versions which do not know it read the file.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpk_tui import canonical
from mpk_tui.bundle.schema import Check, Reading
from mpk_tui.bundle.suites import PublicKey
from mpk_tui.bundle.trust import Person, Policy, Revocation, TrustedKey, TrustStore
from mpk_tui.bundle.trust_records import (
    PERSON_IN_FOLDER,
    POLICY,
    person_record,
    policy_record,
    read_person,
    read_policy,
)
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import MalformedError, StorageError, UnsupportedError, UsageError
from mpk_tui.files import data_folder, write_file
from mpk_tui.records import replace

MAGIC = "MPKP1"
PEOPLE = "people"
POLICY_FILE = "policy.mpkp"
SUFFIX = ".mpkp"
MOST_PEOPLE = 10_000
_MOST_BYTES = 1 << 20


def default_folder() -> Path:
    """Where the store lies unless the person names another: the user's data folder."""
    return data_folder() / "trust"


def default_receipts() -> Path:
    """What a verifier wrote down of earlier verifications, beside the store (`mpk_tui.bundle.receipt_log`)."""
    return default_folder().parent / "receipts.jsonl"


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
        person = read_person(_decode(path, PERSON_IN_FOLDER), str(path))
        if f"{person.id}{SUFFIX}" != name:
            raise MalformedError(f"holds the person {person.id!r}", where=str(path), hint="The file was renamed")
        people.append(person)
        dated = max(dated, path.stat().st_mtime_ns // 1_000_000)
    policy = Policy()
    path = folder / POLICY_FILE
    if path.exists():
        policy = read_policy(_decode(path, POLICY), str(path))
        dated = max(dated, path.stat().st_mtime_ns // 1_000_000)
    return TrustStore(tuple(people), policy, dated or None)


def load_default() -> TrustStore:
    """The store in the user's data folder, empty if there is none."""
    folder = default_folder()
    return load(folder) if folder.exists() else TrustStore()


def add(
    folder: Path,
    keys: PublicKey | Sequence[TrustedKey],
    name: str,
    roles: tuple[str, ...],
    org: str = "",
    min_suite: str | None = None,
) -> Person:
    """Trust keys: a new person, or more keys of a person of that name.

    A key that this person has already gets the times that are given now; a revocation stays.

    Args:
        folder: The store.
        keys: One key, or keys with the times within which they may sign.
        name: Whose they are.
        roles: Roles that are granted, beside those that were granted before.
        org: Organisation; empty leaves it as it is.
        min_suite: Weakest suite under which this person counts; None leaves it as it is.

    Raises:
        UsageError: A key is another person's, or is there already without anything to change, or cannot be trusted.
    """
    store = load(folder) if folder.exists() else TrustStore()
    given = (TrustedKey(keys),) if isinstance(keys, PublicKey) else tuple(keys)
    existing = next((p for p in store.people if p.name == name), None)
    for trusted in given:
        known = store.find(trusted.key.keyid)
        if known is not None and known[0] is not existing:
            raise UsageError(f"this key is in the store already, as {known[0].name}'s")
    if existing is None:
        person = Person(_free_id(name, store), name, frozenset(roles), given, org, min_suite or "s1")
        after = (*store.people, person)
    else:
        person = Person(
            existing.id, name, existing.roles | set(roles), _merged(existing.keys, given), org or existing.org,
            min_suite or existing.min_suite,
        )  # fmt: skip
        if person == existing:
            raise UsageError(f"this key is in the store already, as {name}'s, and nothing about it would change")
        after = tuple(person if p is existing else p for p in store.people)
    TrustStore(after, store.policy)  # refuses what could not be loaded again
    _write_person(folder, person)
    return person


def _merged(old: Sequence[TrustedKey], new: Sequence[TrustedKey]) -> tuple[TrustedKey, ...]:
    times = {t.key.keyid: t for t in new}
    kept = [
        t if (n := times.pop(t.key.keyid, None)) is None else TrustedKey(t.key, n.not_before, n.not_after, t.revoked)
        for t in old
    ]
    return (*kept, *times.values())


def revoke(folder: Path, which: str, reason: str, at: int | None = None) -> tuple[Person, int]:
    """Revoke the keys that a name, person id or key id (or its beginning, 8 hex digits or more) stands for.

    A key that is revoked already is marked anew only where that makes more of its signatures bad: compromised in the
    place of another reason, or an earlier time for the same reason.

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
        if which in (person.name, person.id):
            keys = list(person.keys)
        if keys:
            found.append((person, keys))
    if len(found) != 1:
        raise UsageError(f"{which!r} fits {len(found)} people of the store", hint="mpk-tui keys list shows them")
    person, keys = found[0]
    mark = Revocation(time.time_ns() // 1_000_000 if at is None else at, reason)
    changed = tuple(
        replace(t, revoked=mark) if t in keys and _worse(mark, t.revoked) else t for t in person.keys
    )  # fmt: skip
    count = sum(a is not b for a, b in zip(changed, person.keys, strict=True))
    if not count:
        raise UsageError(f"the keys of {person.name} are revoked already")
    _write_person(folder, replace(person, keys=changed))
    return person, count


def _worse(mark: Revocation, before: Revocation | None) -> bool:
    if before is None:
        return True
    if (mark.reason == "compromised") != (before.reason == "compromised"):
        return mark.reason == "compromised"
    return mark.at < before.at


def write_policy(folder: Path, policy: Policy) -> None:
    """Set what the store demands."""
    _make(folder)
    write_file(folder / POLICY_FILE, canonical.encode([MAGIC, policy_record(policy)]), mode=0o600)


def unpack(folder: Path, store: TrustStore) -> None:
    """Write the people and the policy of a signed store into a new folder, to be changed there.

    Raises:
        UsageError: The folder holds people already.
    """
    if _names(folder / PEOPLE):
        raise UsageError("holds people already", where=str(folder), hint="Name a folder that is not there yet")
    for person in store.people:
        _write_person(folder, person)
    write_policy(folder, store.policy)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / PEOPLE).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot be made ({error.strerror})", where=str(folder)) from None


def _write_person(folder: Path, person: Person) -> None:
    _make(folder)
    value = person_record(person)
    if person.min_suite == "s1":
        del value["min_suite"]
    data = canonical.encode([MAGIC, value])
    PERSON_IN_FOLDER(canonical.decode(data)[1], person.name, Reading())
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
