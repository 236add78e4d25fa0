"""Whom to believe: roles, thresholds of people, validity, revocation, freshness, endorsements, precedence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import workshop as w
from workshop import ANNA, BERT, CARLA, CREATED, DAY, NOW, STRANGER, person, trusting

from mpk_tui.bundle import dsse
from mpk_tui.bundle.envelope import Signature, signatures_digest
from mpk_tui.bundle.logbook import extends
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.bundle.suites import PublicKey
from mpk_tui.bundle.trust import ANY, Person, Policy, Revocation, TrustedKey, TrustStore
from mpk_tui.bundle.verify import Expected
from mpk_tui.errors import UsageError

ONE = w.sealed()
TWO = w.sealed(None, ANNA, BERT)


def anna(**limits: Any) -> Person:
    return person("Anna", ANNA, **limits)


def revoked(reason: str, at: int) -> TrustStore:
    return trusting(anna(revoked=Revocation(at, reason)), person("Bert", BERT))


def of_case(change: Callable[[dict[str, Any]], Any]) -> Any:
    return w.with_manifest(ONE, change)


WITNESSED = w.endorsed(ONE, BERT, "witness", at=CREATED + 1000)
LATE = w.endorsed(ONE, BERT, "witness", at=NOW - 1000)

CASES: dict[str, tuple[Any, TrustStore, Expected, str]] = {
    "trusted": (ONE, trusting(), Expected(), "VALID"),
    "99 unknown key": (ONE, trusting(person("Bert", BERT)), Expected(), "UNTRUSTED"),
    "99b empty store": (ONE, TrustStore(), Expected(), "UNTRUSTED"),
    "100 one signer, two needed": (ONE, trusting(anna(), needed={ANY: 2}), Expected(), "UNTRUSTED"),
    "two signers, two needed": (TWO, trusting(anna(), person("Bert", BERT), needed={ANY: 2}), Expected(), "VALID"),
    "two signers, one known": (TWO, trusting(anna()), Expected(), "VALID"),
    "101 one person with two keys": (TWO, trusting(person("Anna", ANNA, BERT), needed={ANY: 2}), Expected(), "UNTRUSTED"),
    "103 role not granted": (ONE, trusting(person("Anna", ANNA, roles=("reviewer",))), Expected(), "UNTRUSTED"),
    "role granted": (ONE, trusting(person("Anna", ANNA, roles=("analyst",)), needed={"analyst": 1}), Expected(), "VALID"),
    "one person in two roles": (
        w.sealed_as((ANNA, "analyst"), (BERT, "reviewer")),
        trusting(person("Anna", ANNA, BERT), needed={"analyst": 1, "reviewer": 1}), Expected(), "UNTRUSTED"),
    "two people in two roles": (
        w.sealed_as((ANNA, "analyst"), (BERT, "reviewer")),
        trusting(anna(), person("Bert", BERT), needed={"analyst": 1, "reviewer": 1}), Expected(), "VALID"),
    "two people, one of them in both roles": (
        w.sealed_as((ANNA, "analyst"), (BERT, "reviewer"), (CARLA, "analyst")),
        trusting(person("Anna", ANNA, BERT), person("Carla", CARLA), needed={"analyst": 1, "reviewer": 1}), Expected(),
        "VALID"),
    "role that nobody signed in": (ONE, trusting(anna(), needed={"reviewer": 1}), Expected(), "UNTRUSTED"),
    "32 suite too weak": (ONE, trusting(anna(), min_suite="s2"), Expected(), "UNTRUSTED"),
    "104 not yet valid": (ONE, trusting(anna(not_before=CREATED + 1)), Expected(), "EXPIRED"),
    "104b dated after the key's end": (ONE, trusting(anna(not_after=CREATED - 1)), Expected(), "EXPIRED"),
    "104c ended since, nothing independent": (ONE, trusting(anna(not_after=CREATED + 10)), Expected(), "EXPIRED"),
    "ended since, witnessed before": (
        WITNESSED, trusting(anna(not_after=CREATED + 2000), person("Bert", BERT)), Expected(), "VALID"),
    "ended since, witnessed too late": (
        LATE, trusting(anna(not_after=CREATED + 2000), person("Bert", BERT)), Expected(), "EXPIRED"),
    "ended since, witnessed by a stranger": (WITNESSED, trusting(anna(not_after=CREATED + 2000)), Expected(), "EXPIRED"),
    "105 compromised, long ago": (ONE, revoked("compromised", CREATED + DAY), Expected(), "REVOKED"),
    "106 superseded after": (ONE, revoked("superseded", CREATED + 1), Expected(), "VALID"),
    "106b superseded before": (ONE, revoked("superseded", CREATED), Expected(), "REVOKED"),
    "106c left before": (ONE, revoked("left", CREATED - DAY), Expected(), "REVOKED"),
    "107 compromised, witnessed before": (WITNESSED, revoked("compromised", CREATED + DAY), Expected(), "VALID"),
    "107b compromised, witnessed after": (WITNESSED, revoked("compromised", CREATED), Expected(), "REVOKED"),
    "108 another case": (ONE, trusting(), Expected(case="case-2"), "REPLAY"),
    "the expected case": (ONE, trusting(), Expected(case="case-1"), "VALID"),
    "another bundle": (ONE, trusting(), Expected(bundle=bytes(32)), "REPLAY"),
    "the expected bundle": (ONE, trusting(), Expected(bundle=dsse.bundle_id(ONE.payload)), "VALID"),
    "109 older than seen": (ONE, trusting(), Expected(last_seq=1), "REPLAY"),
    "seen before": (ONE, trusting(), Expected(last_seq=0), "VALID"),
    "110 dated years ahead": (of_case(lambda m: m.update(created=NOW + 900 * DAY)), trusting(), Expected(), "REPLAY"),
    "dated some hours ahead": (of_case(lambda m: m.update(created=NOW + DAY // 2)), trusting(), Expected(), "VALID"),
    "concur": (w.endorsed(ONE, BERT), trusting(anna(), person("Bert", BERT)), Expected(), "VALID"),
    "concur by a stranger": (w.endorsed(ONE, STRANGER), trusting(), Expected(), "VALID"),
    "dissent": (w.endorsed(ONE, BERT, "dissent"), trusting(anna(), person("Bert", BERT)), Expected(), "VALID"),
    "118 about another bundle": (w.endorsed(ONE, BERT, target=bytes(32)), trusting(), Expected(), "ALTERED"),
    "119 about other signatures": (w.endorsed(ONE, BERT, sigs=bytes(32)), trusting(), Expected(), "ALTERED"),
    "120 signed as a bundle": (
        w.endorsed(ONE, BERT, payload_type=dsse.BUNDLE_TYPE), trusting(anna(), person("Bert", BERT)), Expected(),
        "ALTERED"),
    "forged under a known key": (
        w.endorsed(ONE, BERT, by=STRANGER), trusting(anna(), person("Bert", BERT)), Expected(), "ALTERED"),
    "forged under an unknown key": (w.endorsed(ONE, BERT, by=STRANGER), trusting(), Expected(), "VALID"),
    "forged under the signer's key": (w.endorsed(ONE, ANNA, by=STRANGER), TrustStore(), Expected(), "ALTERED"),
    "122 redaction of what is here": (
        w.endorsed(ONE, ANNA, "redaction", data={"ids": ["notes"], "reason": "r", "authority": "a"}), trusting(),
        Expected(), "ALTERED"),
    "123 redaction with a record": (
        w.endorsed(w.without_blob(ONE, "notes"), ANNA, "redaction",
                   data={"ids": ["notes"], "reason": "r", "authority": "a"}), trusting(), Expected(), "PARTIAL"),
    "redaction without ids": (w.endorsed(ONE, ANNA, "redaction"), trusting(), Expected(), "MALFORMED"),
    "endorsement that is no endorsement": (
        replace(ONE, endorsements=(replace(WITNESSED.endorsements[0], body=b"\x80"),)), trusting(), Expected(),
        "MALFORMED"),
    "revoked and of another case": (ONE, revoked("left", CREATED - DAY), Expected(case="x"), "REVOKED"),
    "untrusted and of another case": (ONE, TrustStore(), Expected(case="x"), "UNTRUSTED"),
    "altered and untrusted": (w.with_blob(ONE, "notes", data=b"\x90"), TrustStore(), Expected(), "ALTERED"),
    "partial and of another case": (w.without_blob(ONE, "notes"), trusting(), Expected(case="x"), "REPLAY"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_required_answer(name: str) -> None:
    made, store, expected, word = CASES[name]
    assert w.check(made, store, expected=expected).verdict.value == word


def states(outcome: Outcome) -> list[tuple[str, str]]:
    return [(s.person, s.state) for s in outcome.signers]


def test_every_signer_is_reported_whoever_is_enough() -> None:
    outcome = w.check(TWO, trusting(anna()))
    assert states(outcome) == [("Anna", "trusted"), ("", "untrusted")]


def test_a_stripped_cosigner_is_seen() -> None:
    kept = tuple(s for s in TWO.signatures if s.keyid == ANNA.public.keyid)
    outcome = w.check(replace(TWO, signatures=kept), trusting(anna()))
    assert outcome.verdict is Word.ALTERED
    assert [s.state for s in outcome.signers] == ["trusted", "missing"]


def test_signature_beside_the_declared_ones_does_not_count() -> None:
    message = dsse.pae(dsse.BUNDLE_TYPE, ONE.payload)
    both = replace(ONE, signatures=(*ONE.signatures, Signature(BERT.public.keyid, BERT.sign(message))))
    store = trusting(anna(), person("Bert", BERT), needed={ANY: 2})
    assert w.check(both, store).verdict is Word.UNTRUSTED
    assert any("not counted" in n for n in w.check(both, store).notices)
    bad = replace(ONE, signatures=(*ONE.signatures, Signature(BERT.public.keyid, bytes(64))))
    assert w.check(bad, store).verdict is Word.ALTERED
    assert w.check(bad, trusting()).verdict is Word.VALID


def test_dissent_is_told_and_a_forged_concur_is_not_counted() -> None:
    outcome = w.check(w.endorsed(ONE, BERT, "dissent", statement="No."), trusting(anna(), person("Bert", BERT)))
    assert [(e.kind, e.state, e.person, e.statement) for e in outcome.endorsements] == [
        ("dissent", "trusted", "Bert", "No.")
    ]
    assert any("dissents" in n for n in outcome.notices)
    outcome = w.check(w.endorsed(ONE, BERT, by=STRANGER), trusting())
    assert [e.state for e in outcome.endorsements] == ["not verified"]


def test_redaction_with_a_record_is_not_called_unrecorded() -> None:
    made = CASES["123 redaction with a record"][0]
    assert not any("without a record" in n for n in w.check(made).notices)


def test_endorsements_do_not_change_the_bundle_s_identity() -> None:
    assert w.check(WITNESSED, trusting()).bundle_id == w.check(ONE).bundle_id
    assert signatures_digest(ONE.signatures) == signatures_digest(tuple(reversed(ONE.signatures)))


@pytest.mark.parametrize("count", [0, -1, True, 1.0])
def test_102_a_threshold_that_cannot_fail_is_refused(count: Any) -> None:
    with pytest.raises(UsageError):
        Policy({ANY: count})
    with pytest.raises(UsageError):
        Policy({})


def test_115_one_key_for_two_people_is_refused() -> None:
    with pytest.raises(UsageError, match="belongs to"):
        trusting(anna(), person("Bert", ANNA))
    with pytest.raises(UsageError, match="two people"):
        trusting(anna(), replace(person("Carla", CARLA), id="anna"))


def test_116_unsound_keys_are_refused_by_the_store() -> None:
    from mpk_tui.bundle import ed25519

    good = ed25519.decompress(ANNA.public.raw)
    low = ed25519.decompress(ed25519._Y8.to_bytes(32, "little"))
    assert good is not None
    assert low is not None
    x, y, z, _ = ed25519.add(good, low)
    inverse = pow(z, ed25519.P - 2, ed25519.P)
    x, y = x * inverse % ed25519.P, y * inverse % ed25519.P
    mixed = (y | (x & 1) << 255).to_bytes(32, "little")
    assert ed25519.sound_encoding(mixed)
    for raw in (mixed, bytes(32), (1).to_bytes(32, "little")):
        with pytest.raises(UsageError, match="prime order"):
            TrustStore((Person("x", "X", frozenset({ANY}), (TrustedKey(PublicKey("ed25519", raw)),)),))


def test_92_a_later_log_begins_with_the_earlier_one() -> None:
    entries = [w.sha(str(n)) for n in range(6)]
    from mpk_tui.hashtree import chain_head

    head = chain_head(entries[:4])
    assert extends(head, 4, entries)
    assert extends(head, 4, entries[:4])
    assert not extends(head, 4, entries[:3])
    assert not extends(head, 4, [*entries[:3], w.sha("x"), *entries[4:]])
    assert not extends(head, 3, entries)


def test_what_is_held_back_is_shown_only_on_request() -> None:
    outcome = w.check(ONE, TrustStore())
    assert outcome.contents is None
    assert outcome.shown() is None
    shown = outcome.shown(untrusted=True)
    assert shown is not None
    assert shown.case.id == "case-1"
    assert "case-1" not in repr(replace(outcome, manifest=None, words=""))
