"""A trust store in words and as a plain record: its people, its policy, and who decides about it.

Text from a store is escaped where it is printed (`mpk_tui.text.clean`), not here.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from mpk_tui.bundle.suites import NAMES, PublicKey
from mpk_tui.bundle.trust import ANY, Person, Policy, TrustedKey, TrustStore
from mpk_tui.bundle.trust_file import Root, TrustFile
from mpk_tui.bundle.wording import when
from mpk_tui.keys.public import fingerprint
from mpk_tui.keys.words import words
from mpk_tui.text import hex_groups

SCHEMA = "mpk-tui/trust/1"


def people_lines(store: TrustStore) -> list[str]:
    """The policy, then everybody with their keys."""
    return [policy_line(store.policy), *(line for p in store.people for line in _person(p))]


def file_lines(file: TrustFile) -> list[str]:
    """A signed store: number, dates, root, and what `people_lines` says."""
    body = file.body
    return [
        f"store    number {body.seq} of {when(body.created)}, to be used until {when(body.expires)}",
        f"id       {file.id.hex()}",
        *([f"after    {body.prev.hex()}"] if body.prev is not None else []),
        *root_lines(body.root, {s.keyid for s in file.signatures}),
        *people_lines(file.people),
        *(f"not understood (written by a newer version): {place}" for place in file.unknown),
    ]


def root_lines(root: Root, signed: Collection[bytes] = ()) -> list[str]:
    """The root: its fingerprint, then every holder; ``signed`` are ids of keys that have signed."""
    out = [
        f"root     {root.threshold} of {len(root.holders)} holder(s) must sign",
        f"         fingerprint  {hex_groups(root.fingerprint)}",
        f"         in words     {words(root.fingerprint)}",
    ]
    for n, keys in enumerate(root.holders, 1):
        for key in keys:
            mark = "signed" if key.keyid in signed else "not signed"
            out.append(f"holder {n} {NAMES[key.alg]} key {fingerprint(key)}  {mark}")
    return out


def key_lines(key: PublicKey, *, label: str = "fingerprint") -> list[str]:
    """A key's fingerprint in hex digits and in words, for comparing by eye or voice."""
    return [f"{label:<12} {fingerprint(key)}", f"{'in words':<12} {words(key.keyid)}"]


def policy_line(policy: Policy) -> str:
    """How many of whom must sign, and the weakest suite."""
    needed = ", ".join(f"{n} of {'any role' if r == ANY else f'role {r}'}" for r, n in sorted(policy.needed.items()))
    return f"policy   people who must sign: {needed}; suite {policy.min_suite} or stronger"


def _person(p: Person) -> list[str]:
    suite = f"; counts under suite {p.min_suite} only" if p.min_suite != "s1" else ""
    out = [f"{p.name} ({p.id}){f', {p.org}' if p.org else ''}: {', '.join(sorted(p.roles))}{suite}"]
    for t in p.keys:
        out.append(f"  {t.key.alg} {fingerprint(t.key)}{_times(t)}")
        out.append(f"    in words {words(t.key.keyid)}")
    return out


def _times(t: TrustedKey) -> str:
    out = ""
    if t.not_before is not None:
        out += f"  from {when(t.not_before)}"
    if t.not_after is not None:
        out += f"  to {when(t.not_after)}"
    if t.revoked is not None:
        out += f"  revoked {when(t.revoked.at)}, {t.revoked.reason}"
    return out


def as_record(store: TrustStore, file: TrustFile | None = None) -> dict[str, Any]:
    """The object of ``keys list --json`` and ``keys store show --json`` (schema ``mpk-tui/trust/1``)."""
    signed = {} if file is None else {s.keyid for s in file.signatures}
    return {
        "schema": SCHEMA,
        "dated": store.dated,
        "needed": dict(store.policy.needed),
        "min_suite": store.policy.min_suite,
        "people": [
            {
                "id": p.id, "name": p.name, "org": p.org, "roles": sorted(p.roles), "min_suite": p.min_suite,
                "keys": [
                    {"alg": t.key.alg, "keyid": t.key.keyid.hex(), "words": words(t.key.keyid),
                     "not_before": t.not_before, "not_after": t.not_after,
                     "revoked": None if t.revoked is None else {"at": t.revoked.at, "reason": t.revoked.reason}}
                    for t in p.keys
                ],
            }
            for p in store.people
        ],
        "store": None if file is None else {
            "number": file.body.seq, "id": file.id.hex(), "prev": file.body.prev.hex() if file.body.prev else None,
            "expires": file.body.expires, "root": file.body.root.fingerprint.hex(),
            "root_words": words(file.body.root.fingerprint), "threshold": file.body.root.threshold,
            "holders": [
                [{"alg": k.alg, "keyid": k.keyid.hex(), "signed": k.keyid in signed} for k in keys]
                for keys in file.body.root.holders
            ],
        },
    }  # fmt: skip


def changes(before: TrustFile, after: TrustFile) -> list[str]:
    """What a store says otherwise than the one before it, a line each."""
    old = {p.id: p for p in before.body.people}
    new = {p.id: p for p in after.body.people}
    out = [f"new      {new[i].name} ({i})" for i in sorted(new.keys() - old.keys())]
    out += [f"gone     {old[i].name} ({i})" for i in sorted(old.keys() - new.keys())]
    for i in sorted(old.keys() & new.keys()):
        if old[i] != new[i]:
            revoked = {t.key.keyid for t in new[i].keys if t.revoked} - {t.key.keyid for t in old[i].keys if t.revoked}
            back = {t.key.keyid for t in old[i].keys if t.revoked} - {t.key.keyid for t in new[i].keys if t.revoked}
            said = [f"{len(revoked)} more revoked"] if revoked else []
            if back:
                said.append(f"REVOCATION OF {len(back)} TAKEN BACK: believed again, or gone from the store")
            more = f": {', '.join(said)}" if said else ""
            out.append(f"changed  {new[i].name} ({i}){more}")
    if before.body.policy != after.body.policy:
        out.append("changed  the policy")
    if before.body.root.fingerprint != after.body.root.fingerprint:
        out.append("changed  the root: whoever accepts it for the first time compares another fingerprint")
    return out or ["nothing but the dates changed"]
