"""Suite s2: Ed25519 and ML-DSA-65, both of them or nothing; and what happens where there is no ML-DSA."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import workshop as w
from cryptography.hazmat.primitives import serialization

from mpk_tui.bundle import build, dsse, endorsements, envelope, mldsa, suites
from mpk_tui.bundle.envelope import Envelope, SealedEndorsement, Signature
from mpk_tui.bundle.suites import ED25519, ML_DSA_65, PublicKey
from mpk_tui.bundle.trust import ANY, Person, Revocation, TrustedKey, TrustStore, single_key
from mpk_tui.bundle.verify import inspect
from mpk_tui.errors import UnsupportedError, UsageError
from mpk_tui.keys.signing import sign_bundle, signatures

EVA, FRED = w.Pair("eva"), w.Pair("fred")


def person(name: str, *keys: PublicKey, role: str = ANY) -> Person:
    return Person(name.lower(), name, frozenset({role}), tuple(TrustedKey(k) for k in keys))


BOTH = w.trusting(person("Eva", *EVA.keys), person("Fred", *FRED.keys))


def sealed(*pairs: w.Pair) -> Envelope:
    pairs = pairs or (EVA,)
    signers = [p.signer(f"Signer {n}") for n, p in enumerate(pairs)]
    made = build.build(w.contents(), signers, suite="s2", salt=w.salts())
    for p in pairs:
        made = sign_bundle(made, p)
    return made


GOOD = sealed()
TWO = sealed(EVA, FRED)


def with_sig(base: Envelope, key: PublicKey, sig: bytes | None) -> Envelope:
    """The signature of one key exchanged, or taken out."""
    kept = tuple(
        s if s.keyid != key.keyid else Signature(s.keyid, sig)
        for s in base.signatures
        if s.keyid != key.keyid or sig is not None
    )  # fmt: skip
    return replace(base, signatures=kept)  # type: ignore[arg-type]


def sig(base: Envelope, key: PublicKey) -> bytes:
    return next(s.sig for s in base.signatures if s.keyid == key.keyid)


def flipped(data: bytes, n: int) -> bytes:
    return data[: n // 8] + bytes([data[n // 8] ^ 1 << n % 8]) + data[n // 8 + 1 :]


def test_key_ids_are_those_of_the_der_form() -> None:
    second = EVA.second.public_key()
    spki = second.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert EVA.keys[1].spki() == spki
    assert EVA.keys[1].keyid == hashlib.sha256(spki).digest()
    assert len(spki) == 1974
    for alg, raw in ((ML_DSA_65, bytes(32)), (ED25519, bytes(1952)), ("rsa", bytes(32))):
        with pytest.raises(UnsupportedError):
            PublicKey(alg, raw).spki()


def test_both_halves_make_it_valid() -> None:
    outcome = w.check(GOOD, BOTH)
    assert (outcome.verdict, int(outcome.code)) == ("VALID", 0)
    assert [len(s.keyids) for s in outcome.signers] == [2]
    assert w.check(TWO, w.trusting(person("Eva", *EVA.keys), person("Fred", *FRED.keys), needed={ANY: 2})).code == 0
    assert w.check(GOOD, single_key(*EVA.keys)).verdict == "VALID"


ED, ML = EVA.keys
ALTERED: dict[str, Callable[[], Envelope]] = {
    "28 second half stripped": lambda: with_sig(GOOD, ML, None),
    "29 first half stripped": lambda: with_sig(GOOD, ED, None),
    "30 halves crossed": lambda: with_sig(with_sig(GOOD, ED, sig(GOOD, ML)), ML, sig(GOOD, ED)),
    "30 second halves of two people crossed": lambda: with_sig(
        with_sig(TWO, ML, sig(TWO, FRED.keys[1])), FRED.keys[1], sig(TWO, ML)
    ),
    "first half of a bundle, second of another": lambda: with_sig(GOOD, ML, sig(TWO, ML)),
    "one half of one of two signers stripped": lambda: with_sig(TWO, FRED.keys[1], None),
    "second half cut": lambda: with_sig(GOOD, ML, sig(GOOD, ML)[:-1]),
    "second half longer": lambda: with_sig(GOOD, ML, sig(GOOD, ML) + b"\0"),
    "second half of zeros": lambda: with_sig(GOOD, ML, bytes(3309)),
    "another context": lambda: with_sig(GOOD, ML, EVA.second.sign(build.message(GOOD), b"mpk")),
    "second half over the payload alone": lambda: with_sig(GOOD, ML, EVA.second.sign(GOOD.payload)),
    "first half over the payload alone": lambda: with_sig(GOOD, ED, EVA.first.sign(GOOD.payload)),
}


@pytest.mark.parametrize("name", ALTERED)
def test_a_half_that_is_missing_or_bad_is_altered(name: str) -> None:
    for store in (BOTH, TrustStore(), single_key(ED)):
        outcome = w.check(ALTERED[name](), store)
        assert (outcome.verdict, int(outcome.code)) == ("ALTERED", 20)
    assert "Ed25519" in outcome.words or "ML-DSA-65" in outcome.words


@pytest.mark.parametrize("key", [ED, ML], ids=["ed25519", "ml-dsa-65"])
def test_single_bits_of_either_half_are_altered(key: PublicKey) -> None:
    whole = sig(GOOD, key)
    for n in range(0, len(whole) * 8, 13 if key is ED else 677):
        assert w.check(with_sig(GOOD, key, flipped(whole, n)), BOTH).verdict == "ALTERED"


def keys(*pairs: tuple[str, bytes]) -> Callable[[], Envelope]:
    """A bundle of suite s2 whose signer declares these keys, signed by Eva's."""

    def make() -> Envelope:
        return w.with_manifest(GOOD, lambda m: m["signers"][0].update(keys=[{"alg": a, "pub": b} for a, b in pairs]))

    return make


MALFORMED: dict[str, Callable[[], Envelope]] = {
    "27 the key under another algorithm": keys((ML_DSA_65, ED.raw), (ML_DSA_65, ML.raw)),
    "31 Ed25519 only": keys((ED25519, ED.raw)),
    "31 ML-DSA-65 only": keys((ML_DSA_65, ML.raw)),
    "31 two Ed25519": keys((ED25519, ED.raw), (ED25519, FRED.keys[0].raw)),
    "31 in the other order": keys((ML_DSA_65, ML.raw), (ED25519, ED.raw)),
    "31 a key too many": keys((ED25519, ED.raw), (ML_DSA_65, ML.raw), (ML_DSA_65, FRED.keys[1].raw)),
    "31 no key": keys(),
    "31 short second key": keys((ED25519, ED.raw), (ML_DSA_65, ML.raw[:-1])),
    "31 s2 keys under s1": lambda: w.with_manifest(GOOD, lambda m: m.update(suite="s1")),
    "27 the key under another algorithm, s1": lambda: w.with_manifest(
        w.sealed(), lambda m: m["signers"][0]["keys"][0].update(alg=ML_DSA_65)
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_31_keys_that_are_not_those_of_the_suite_are_malformed(name: str) -> None:
    assert w.check(MALFORMED[name](), BOTH).verdict == "MALFORMED"


def test_32_a_policy_that_asks_for_s2_does_not_believe_s1() -> None:
    strict = w.trusting(w.person("Anna", w.ANNA), min_suite="s2")
    assert w.check(w.sealed(), strict).verdict == "UNTRUSTED"
    strict = w.trusting(person("Eva", *EVA.keys), min_suite="s2")
    assert w.check(GOOD, strict).verdict == "VALID"
    # The same person under the weaker suite, with the same Ed25519 key.
    assert w.check(w.sealed(None, EVA.first), strict).verdict == "UNTRUSTED"


def trusted(key: PublicKey, **marks: object) -> TrustedKey:
    return TrustedKey(key, **marks)  # type: ignore[arg-type]


def eva(*held: TrustedKey) -> TrustStore:
    return w.trusting(Person("eva", "Eva", frozenset({ANY}), held))


STORES: dict[str, tuple[TrustStore, str, str]] = {
    "first half only": (single_key(ED), "UNTRUSTED", "ML-DSA-65"),
    "second half only": (single_key(ML), "UNTRUSTED", "Ed25519"),
    "halves of two people": (w.trusting(person("Eva", ED), person("Fred", ML)), "UNTRUSTED", "different people"),
    "two keys are one person": (w.trusting(person("Eva", *EVA.keys), needed={ANY: 2}), "UNTRUSTED", "2 people"),
    "second half revoked": (
        eva(trusted(ED), trusted(ML, revoked=Revocation(w.NOW, "compromised"))), "REVOKED", "compromised"),
    "first half revoked": (
        eva(trusted(ED, revoked=Revocation(w.NOW, "compromised")), trusted(ML)), "REVOKED", "compromised"),
    "second half expired": (eva(trusted(ED), trusted(ML, not_after=w.CREATED - 1)), "EXPIRED", "valid to"),
}  # fmt: skip


@pytest.mark.parametrize("name", STORES)
def test_a_store_must_hold_both_halves_of_one_person(name: str) -> None:
    store, verdict, text = STORES[name]
    outcome = w.check(GOOD, store)
    assert outcome.verdict == verdict
    assert text in " ".join((outcome.words, *(s.reason for s in outcome.signers)))


def endorsed(base: Envelope, pair: w.Pair, left_out: int | None = None, kind: str = "concur") -> Envelope:
    body = endorsements.body(
        kind, dsse.bundle_id(base.payload), envelope.signatures_digest(base.signatures), w.CREATED + 1000,
        pair.signer("Endorser", "reviewer"), "I agree.", {},
    )  # fmt: skip
    made = signatures(pair, dsse.pae(dsse.ENDORSEMENT_TYPE, body))
    if left_out is not None:
        made = tuple(s for s in made if s.keyid != pair.keys[left_out].keyid)
    return replace(base, endorsements=(SealedEndorsement(body, made),))


def test_endorsements_are_signed_with_both_halves() -> None:
    outcome = w.check(endorsed(GOOD, FRED), BOTH)
    assert (outcome.verdict, [e.state for e in outcome.endorsements]) == ("VALID", ["trusted"])
    for left_out in (0, 1):
        assert w.check(endorsed(GOOD, FRED, left_out), BOTH).verdict == "ALTERED"
        assert w.check(endorsed(GOOD, w.Pair("nobody"), left_out), BOTH).endorsements[0].state == "not verified"
    assert w.check(w.endorsed(GOOD, w.ANNA), BOTH).verdict == "MALFORMED"  # one key where the suite has two


def test_a_draft_with_one_bad_half_is_not_signed_further() -> None:
    draft = with_sig(TWO, FRED.keys[1], None)
    assert inspect(draft.to_bytes(), w.NOW).verdict == "VALID"
    for bad, missing in ((ED, ML), (ML, ED)):
        half = with_sig(with_sig(GOOD, bad, flipped(sig(GOOD, bad), 7)), missing, None)
        assert inspect(half.to_bytes(), w.NOW).verdict == "ALTERED"


def test_35_without_ml_dsa_the_answer_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mldsa, "supported", lambda: False)
    for store in (BOTH, TrustStore()):
        outcome = w.check(GOOD, store)
        assert (outcome.verdict, int(outcome.code)) == ("UNSUPPORTED", 32)
        assert "cryptography" in outcome.words
    assert inspect(GOOD.to_bytes(), w.NOW).verdict == "UNSUPPORTED"
    assert w.check(w.sealed()).verdict == "VALID"
    assert w.check(w.sealed(), w.trusting(w.person("Anna", w.ANNA), person("Eva", *EVA.keys))).verdict == "VALID"
    # An undeclared signature under a key of the store that cannot be checked here is not passed over.
    beside = replace(
        w.sealed(), signatures=tuple(sorted((*w.sealed().signatures, Signature(ML.keyid, bytes(3309))),
                                            key=lambda s: s.keyid)),
    )  # fmt: skip
    assert w.check(beside, w.trusting(w.person("Anna", w.ANNA), person("Eva", *EVA.keys))).verdict == "UNSUPPORTED"
    with pytest.raises(UnsupportedError):
        sign_bundle(build.build(w.contents(), [EVA.signer()], suite="s2", salt=w.salts()), EVA)


def test_the_library_is_asked_once_and_says_yes_here() -> None:
    assert mldsa.supported()  # the floor of the requirements has it
    assert suites.verifiable("s1")
    assert suites.verifiable("s2")


@pytest.mark.parametrize("missing", ["the module", "the algorithm"])
def test_old_versions_of_the_library_answer_no(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 46 has no module, version 47 has it and refuses to use it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import mldsa as theirs

    class Refusing:
        @staticmethod
        def from_public_bytes(data: bytes) -> None:
            raise UnsupportedAlgorithm("ML-DSA is not supported by this version")

    if missing == "the module":
        monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.mldsa", None)
    else:
        monkeypatch.setattr(theirs, "MLDSA65PublicKey", Refusing)
    mldsa._probe.cache_clear()
    try:
        assert not mldsa.supported()
        assert w.check(GOOD, BOTH).verdict == "UNSUPPORTED"
    finally:
        mldsa._probe.cache_clear()


def test_suite_s1_does_not_pay_for_ml_dsa() -> None:
    script = (
        "import sys\n"
        "from mpk_tui.bundle.verify import verify\n"
        "from mpk_tui.bundle.suites import PublicKey\n"
        "from mpk_tui.bundle.trust import single_key\n"
        f"key = PublicKey('ed25519', bytes.fromhex('{w.ANNA.public.raw.hex()}'))\n"
        "out = verify(sys.stdin.buffer.read(), single_key(key), 1_700_000_000_000)\n"
        "print(out.verdict, [m for m in sys.modules if m.endswith('asymmetric.mldsa')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=w.sealed().to_bytes(), capture_output=True, check=False
    )  # fmt: skip
    assert done.stdout.decode().strip() == "VALID []", done.stderr.decode()[-2000:]


def test_keys_make_a_suite_in_one_order_only() -> None:
    assert suites.suite_of(EVA.keys) == "s2"
    assert suites.suite_of(EVA.keys[:1]) == "s1"
    for wrong in ((ML, ED), (ML,), (), (ED, ED)):
        with pytest.raises(UsageError):
            suites.suite_of(wrong)
    assert suites.in_order((ML, ED)) == EVA.keys
    with pytest.raises(UsageError):
        suites.in_order((ML, FRED.keys[1]))


def test_soundness() -> None:
    assert ML.sound()
    assert not PublicKey(ML_DSA_65, ML.raw[:-1]).sound()
    assert not PublicKey(ED25519, (1).to_bytes(32, "little")).sound()
    assert not PublicKey("rsa", bytes(32)).sound()
    assert not PublicKey("rsa", bytes(32)).verifies(b"", b"")
