"""Which signatures are good, and which of them a verifier believes: pure functions over keys, times and the store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

from mpk_tui.bundle.envelope import Signature
from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.outcome import SignerReport, Word
from mpk_tui.bundle.suites import NAMES, SUITES, suite_of
from mpk_tui.bundle.trust import ANY, Person, TrustedKey, TrustStore
from mpk_tui.records import dataclass


@dataclass(frozen=True)
class Checked:
    """Signatures over one message, held against declared signers and the store.

    Attributes:
        faults: Why the bytes are not what was signed; empty if every declared signature is good.
        good: Declared signers all of whose keys verified.
        bad: Ids of declared signers of whom one is missing or bad, with ``missing`` or ``bad``.
        ignored: Signatures by keys that are neither declared nor in the store.
        beside: Good signatures of store keys that nobody declared.
        waiting: Signatures are missing and nothing else is wrong: the file waits for somebody, or was stripped.
    """

    faults: tuple[str, ...]
    good: tuple[Signer, ...]
    bad: Mapping[str, str]
    ignored: tuple[bytes, ...]
    beside: tuple[bytes, ...]
    waiting: bool = False


def check_signatures(
    message: bytes, signatures: Iterable[Signature], declared: Iterable[Signer], store: TrustStore
) -> Checked:
    """Verify every signature that somebody declared or the store knows; strict, and none is skipped."""
    by_keyid = {s.keyid: s.sig for s in signatures}
    faults: list[str] = []
    good: list[Signer] = []
    bad: dict[str, str] = {}
    seen: set[bytes] = set()
    absent = 0
    for signer in declared:
        for key in signer.keys:
            seen.add(key.keyid)
            sig = by_keyid.get(key.keyid)
            # The id commits to algorithm and bytes, so the store's key under this id is this key.
            known = store.find(key.keyid)
            if sig is None:
                absent += 1
                bad.setdefault(signer.id, "missing")  # of two keys, a bad signature outweighs a missing one
                faults.append(f"the {NAMES[key.alg]} signature of {signer.id} (key {key.keyid.hex()[:16]}…) is missing")
            elif not (known[1].key if known else key).verifies(sig, message):
                bad[signer.id] = "bad"
                faults.append(
                    f"the {NAMES[key.alg]} signature of {signer.id} (key {key.keyid.hex()[:16]}…) does not fit"
                )
        if signer.id not in bad:
            good.append(signer)
    ignored: list[bytes] = []
    beside: list[bytes] = []
    for keyid, sig in by_keyid.items():
        if keyid in seen:
            continue
        known = store.find(keyid)
        if known is None:
            ignored.append(keyid)
        elif known[1].key.verifies(sig, message):
            beside.append(keyid)
        else:
            faults.append(f"a signature under the key of {known[0].name} ({keyid.hex()[:16]}…) does not fit")
    waiting = 0 < absent == len(faults)
    return Checked(tuple(faults), tuple(good), bad, tuple(ignored), tuple(beside), waiting)


@dataclass(frozen=True)
class Standing:
    """What the store says of one declared signer at a time.

    Attributes:
        state: ``trusted``, ``untrusted``, ``expired`` or ``revoked``.
        person: Whose keys they are, or None.
        reason: A sentence, empty when trusted without more to say.
    """

    state: str
    person: Person | None
    reason: str = ""


def standing(
    signer: Signer,
    created: int,
    now: int,
    store: TrustStore,
    witnessed: Mapping[str, int],
    first_seen: int | None = None,
    what: str = "bundle",
) -> Standing:
    """Hold one signer, whose signatures are good, against the store.

    Args:
        signer: As declared.
        created: Signed time, milliseconds: a claim.
        now: The verifier's clock, milliseconds.
        store: People and keys.
        witnessed: Earliest time by person id at which that trusted person endorsed the bundle: independent evidence
            that it existed then.
        first_seen: When this verifier saw the bundle first, by its own receipts.  Counts for a key that has ended
            since.  Not for one that was compromised: a forgery, too, was seen before anybody knew.
        what: What was signed, as the reasons call it.
    """
    found = [store.find(key.keyid) for key in signer.keys]
    known = [f for f in found if f is not None]
    if not known:
        return Standing("untrusted", None, "the key is not in your trust store")
    if len(known) < len(found):
        absent = ", ".join(NAMES[k.alg] for k, f in zip(signer.keys, found, strict=True) if f is None)
        return Standing(
            "untrusted", None, f"the signer's {absent} key is not in your trust store: it needs both halves"
        )
    person = known[0][0]
    if any(f[0].id != person.id for f in known):
        return Standing("untrusted", None, "the keys belong to different people in your trust store")
    seen_by_others = min((at for who, at in witnessed.items() if who != person.id), default=None)
    notes: list[str] = []
    for _, trusted in known:
        state, reason = _key_state(trusted, created, now, seen_by_others, first_seen, what)
        if state != "trusted":
            return Standing(state, person, reason)
        if reason:
            notes.append(reason)
    if not person.may_act_as(signer.role):
        return Standing("untrusted", person, f"{person.name} was not granted the role {signer.role!r}")
    suite = suite_of(signer.keys)
    if not person.may_sign_under(suite):
        return Standing(
            "untrusted",
            person,
            f"{person.name} counts under suite {person.min_suite} only; this is signed under {suite}",
        )
    return Standing("trusted", person, "; ".join(notes))


def _key_state(
    trusted: TrustedKey, created: int, now: int, seen: int | None, first_seen: int | None, what: str
) -> tuple[str, str]:
    revoked = trusted.revoked
    note = ""
    if revoked is not None:
        when = day(revoked.at)
        if revoked.reason == "compromised":
            if seen is None or seen >= revoked.at:
                return "revoked", f"the key was revoked on {when} as compromised"
            note = f"the key was revoked on {when} as compromised; a trusted endorsement of {day(seen)} is older"
        elif created >= revoked.at:
            return "revoked", f"the key was revoked on {when} ({revoked.reason}), before the {what} was made"
        else:
            note = f"the key was revoked on {when} ({revoked.reason}), after the {what} was made"
    if trusted.not_before is not None and created < trusted.not_before:
        return "expired", f"the key is valid from {day(trusted.not_before)}, the {what} is dated {day(created)}"
    if trusted.not_after is not None:
        if created > trusted.not_after:
            return "expired", f"the key was valid to {day(trusted.not_after)}, the {what} is dated {day(created)}"
        known = min((t for t in (seen, first_seen) if t is not None), default=None)
        if now > trusted.not_after and (known is None or known > trusted.not_after):
            return (
                "expired",
                f"the key was valid to {day(trusted.not_after)}; the {what} is dated {day(created)}, which nothing "
                "independent supports",
            )
    return "trusted", note


def day(ms: int) -> str:
    """A date in UTC, e.g. ``2026-11-23``."""
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(ms // 1000))
    except (OverflowError, OSError, ValueError):
        return f"{ms} ms"


def judge(
    standings: Iterable[tuple[Signer, Standing]], suite: str, store: TrustStore, what: str = "bundle"
) -> list[tuple[Word, str]]:
    """What speaks against believing the signers; empty if the policy is met.

    People are counted, each once for a role, whatever number of keys they signed with; where several roles must sign,
    each needs somebody of its own.  Every signer is looked at, not only as many as the threshold needs.
    """
    out: list[tuple[Word, str]] = []
    counted: dict[str, set[str]] = {}
    for signer, s in standings:
        if s.state == "revoked":
            out.append((Word.REVOKED, f"{signer.id}: {s.reason}"))
        elif s.state == "expired":
            out.append((Word.EXPIRED, f"{signer.id}: {s.reason}"))
        elif s.state == "trusted" and s.person is not None:
            counted.setdefault(signer.role, set()).add(s.person.id)
            counted.setdefault(ANY, set()).add(s.person.id)
    for role, needed in store.policy.needed.items():
        have = len(counted.get(role, ()))
        if have < needed:
            name = f"{'person' if needed == 1 else 'people'} whom you trust{'' if role == ANY else f' as {role}'}"
            out.append((Word.UNTRUSTED, f"{needed} {name} must sign, {have} did"))
    # Each role has enough people by now, so that there are no more slots than people.
    enough = not any(word is Word.UNTRUSTED for word, _ in out)
    slots = [role for role, n in store.policy.needed.items() if role != ANY for _ in range(n)] if enough else []
    if not _filled(slots, counted):
        out.append((Word.UNTRUSTED, "each role that must sign needs somebody of its own: one person stands for one"))
    order = list(SUITES)
    if order.index(suite) < order.index(store.policy.min_suite):
        out.append((Word.UNTRUSTED, f"your policy asks for suite {store.policy.min_suite}, the {what} has {suite}"))
    return out


def _filled(slots: Sequence[str], people: Mapping[str, set[str]]) -> bool:
    """Whether every slot, a role, can be given a person of its own (augmenting paths of a bipartite matching)."""
    taken: dict[str, int] = {}

    def place(slot: int, tried: set[str]) -> bool:
        for person in sorted(people.get(slots[slot], ())):
            if person not in tried:
                tried.add(person)
                if person not in taken or place(taken[person], tried):
                    taken[person] = slot
                    return True
        return False

    return all(place(slot, set()) for slot in range(len(slots)))


def report(signer: Signer, checked: Checked, state: Standing | None) -> SignerReport:
    """The line about one declared signer."""
    keyids = tuple(k.keyid for k in signer.keys)
    if signer.id in checked.bad:
        return SignerReport(signer.id, signer.role, keyids, checked.bad[signer.id])
    assert state is not None
    return SignerReport(
        signer.id, signer.role, keyids, state.state, state.person.name if state.person else "", state.reason
    )
