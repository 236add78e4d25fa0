"""Whether a signature fits: the key or the CA that is given decides, and nothing in the file can vouch for itself."""

from __future__ import annotations

import base64
import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from modelsig.signer import (
    CURVES,
    NOW,
    PAYLOAD_TYPE,
    bundle_of,
    certificate,
    chain_material,
    hint_of,
    new_key,
    pem_file,
    pem_of,
    rsa_key,
    statement_of,
)

from mpk_tui.errors import ExitCode, KeyFileError, MalformedError
from mpk_tui.modelsig.chain import of_der, read_authorities
from mpk_tui.modelsig.envelope import SignatureFile, parse_signature_file
from mpk_tui.modelsig.signature import Fit, Signing, check_with_ca, check_with_key, unchecked
from mpk_tui.modelsig.signer_key import parse_signer_key

STATEMENT = statement_of([{"name": "a", "digest": "00" * 32, "algorithm": "sha256"}])
PAYLOAD = json.dumps(STATEMENT).encode()
KEY, OTHER = new_key(), new_key()


def read(bundle: Any) -> SignatureFile:
    return parse_signature_file(json.dumps(bundle).encode(), "model.sig")


def with_key(bundle: Any, key: ec.EllipticCurvePrivateKey) -> Signing:
    return check_with_key(read(bundle), parse_signer_key(pem_of(key), "key.pem"))


@pytest.mark.parametrize("curve", sorted(CURVES))
def test_every_curve_of_the_format(curve: str) -> None:
    key = new_key(curve)
    assert with_key(bundle_of(STATEMENT, key), key).fit is Fit.FITS
    wrong = hashes.SHA512() if curve == "secp256r1" else hashes.SHA256()
    assert with_key(bundle_of(STATEMENT, key, algorithm=wrong), key).fit is Fit.DOES_NOT_FIT


def named(hint: str) -> dict[str, Any]:
    return {"publicKey": {"hint": hint}}


def raw(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    return {"publicKey": {"rawBytes": base64.b64encode(pem_of(key)).decode(), "keyDetails": "PKIX_ECDSA_P256_SHA_256"}}


DER_DIGEST = parse_signer_key(pem_of(KEY), "").keyid
KEYS: list[tuple[str, Any, ec.EllipticCurvePrivateKey, Fit, str]] = [
    ("right key, right hint", named(hint_of(KEY)), KEY, Fit.FITS, "fits the given key"),
    ("right key, hint of its DER form", named(DER_DIGEST), KEY, Fit.FITS, "fits"),
    ("right key, no hint", {"publicKey": {}}, KEY, Fit.FITS, "fits"),
    ("right key, itself as PEM", raw(KEY), KEY, Fit.FITS, "fits"),
    ("wrong key, right hint", named(hint_of(OTHER)), OTHER, Fit.DOES_NOT_FIT, "says that this key made it"),
    ("wrong key, itself as PEM", raw(OTHER), OTHER, Fit.DOES_NOT_FIT, "says that this key made it"),
    ("wrong key, hint of the signer", named(hint_of(KEY)), OTHER, Fit.DOES_NOT_FIT, "another key made it"),
    ("wrong key, no hint", {"publicKey": {}}, OTHER, Fit.DOES_NOT_FIT, "does not say which key"),
    ("right key, wrong hint", named(hint_of(OTHER)), KEY, Fit.DOES_NOT_FIT, "refused"),
    ("right key, another one as PEM", raw(OTHER), KEY, Fit.DOES_NOT_FIT, "refused"),
    ("right key, junk as PEM", {"publicKey": {"rawBytes": "AAAA"}}, KEY, Fit.DOES_NOT_FIT, "refused"),
]  # fmt: skip


@pytest.mark.parametrize(("material", "given", "fit", "words"), [k[1:] for k in KEYS], ids=[k[0] for k in KEYS])
def test_a_hint_may_refuse_and_never_vouch(
    material: Any, given: ec.EllipticCurvePrivateKey, fit: Fit, words: str
) -> None:
    found = with_key(bundle_of(STATEMENT, KEY, material), given)
    assert found.fit is fit
    assert words in found.sentence
    assert found.code == (ExitCode.OK if fit is Fit.FITS else ExitCode.ALTERED)


def test_one_bit_of_the_statement_or_the_signature() -> None:
    for part in ("payload", "sig"):
        bundle = bundle_of(STATEMENT, KEY)
        envelope = bundle["dsseEnvelope"]
        place = envelope if part == "payload" else envelope["signatures"][0]
        data = bytearray(base64.b64decode(place[part]))
        data[-2] ^= 1
        place[part] = base64.b64encode(data).decode()
        assert with_key(bundle, KEY).fit is Fit.DOES_NOT_FIT


@pytest.mark.parametrize("junk", [b"\x00", b"\x30\x06\x02\x01\x00\x02\x01\x00", b"\x30\x80", bytes(64)])
def test_signatures_that_are_none(junk: bytes) -> None:
    bundle = bundle_of(STATEMENT, KEY)
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(junk).decode()
    assert with_key(bundle, KEY).fit is Fit.DOES_NOT_FIT


def test_a_signature_over_the_payload_alone_does_not_fit() -> None:
    assert with_key(bundle_of(STATEMENT, KEY, message=PAYLOAD), KEY).fit is Fit.DOES_NOT_FIT


@pytest.mark.parametrize("curve", ["secp256r1", "secp384r1"])
def test_the_faulty_encoding_of_release_0_2_is_told_and_not_accepted(curve: str) -> None:
    key = new_key(curve)
    old = f"DSSEV1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(PAYLOAD)} {PAYLOAD!r}".encode()
    found = with_key(bundle_of(STATEMENT, key, message=old, algorithm=hashes.SHA256()), key)
    assert found.fit is Fit.NOT_SUPPORTED
    assert "release 0.2" in found.sentence
    assert found.code == ExitCode.UNSUPPORTED


def test_without_a_key_nothing_is_believed() -> None:
    found = unchecked(read(bundle_of(STATEMENT, KEY, raw(KEY))))
    assert (found.fit, found.code) == (Fit.NO_KEY, ExitCode.UNTRUSTED)
    assert "vouch for itself" in found.sentence


def keyless() -> dict[str, Any]:
    made = certificate("leaf", KEY, "fulcio", OTHER)
    der = base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()
    return bundle_of(STATEMENT, KEY, {"certificate": {"rawBytes": der}, "tlogEntries": [{"logIndex": "1"}]})


def test_a_keyless_signature_is_not_checked_whatever_is_given(tmp_path: Path) -> None:
    made = read(keyless())
    authorities = read_authorities(pem_file([certificate("fulcio", OTHER, "fulcio", OTHER, ca=True)], tmp_path / "ca"))
    given = parse_signer_key(pem_of(KEY), "key")
    for found in (check_with_key(made, given), check_with_ca(made, authorities, NOW), unchecked(made)):
        assert (found.fit, found.code) == (Fit.NOT_SUPPORTED, ExitCode.UNSUPPORTED)
        assert "keyless" in found.sentence


def other_curve() -> bytes:
    return pem_of(ec.generate_private_key(ec.SECP256K1()))  # type: ignore[arg-type]


def edwards() -> bytes:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "pem",
    [b"", b"x", pem_of(KEY) + pem_of(OTHER), pem_of(KEY)[:60], other_curve(), edwards(),
     certificate("x", KEY, "x", KEY).public_bytes(serialization.Encoding.PEM),
     KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())],
    ids=["empty", "text", "two", "cut", "secp256k1", "ed25519", "certificate", "private"],
)  # fmt: skip
def test_key_files_that_are_refused(pem: bytes) -> None:
    with pytest.raises(KeyFileError, match=r"given\.pem"):
        parse_signer_key(pem, "given.pem")


# Certificates ---------------------------------------------------------------------------------------------------------

ROOT_KEY, MID_KEY = rsa_key(), new_key("secp384r1")
ROOT = certificate("root", ROOT_KEY, "root", ROOT_KEY, ca=True, days=(-100, 1000))
MID = certificate("mid", MID_KEY, "root", ROOT_KEY, ca=True, path_length=0, days=(-50, 500))
LEAF = certificate("leaf", KEY, "mid", MID_KEY)


def with_ca(
    chain: list[x509.Certificate], given: list[x509.Certificate], tmp_path: Path, now: datetime = NOW
) -> Signing:
    made = read(bundle_of(STATEMENT, KEY, chain_material(chain)))
    return check_with_ca(made, read_authorities(pem_file(given, tmp_path / "ca.pem")), now)


def test_a_chain_to_the_given_ca(tmp_path: Path) -> None:
    found = with_ca([LEAF, MID], [ROOT], tmp_path)
    assert found.fit is Fit.FITS
    assert [c.subject for c in found.chain] == ["CN=leaf", "CN=mid", "CN=root"]
    assert with_ca([LEAF], [MID, ROOT], tmp_path).fit is Fit.FITS
    assert with_ca([LEAF, ROOT, MID], [ROOT], tmp_path).fit is Fit.FITS
    assert with_ca([LEAF], [LEAF], tmp_path).fit is Fit.FITS  # the certificate itself was given


def cases() -> list[tuple[str, list[x509.Certificate], list[x509.Certificate], str]]:
    forged = certificate("mid", MID_KEY, "root", rsa_key(), ca=True)
    no_ca = certificate("mid", MID_KEY, "root", ROOT_KEY)
    deep = certificate("deep", MID_KEY, "mid", MID_KEY, ca=True)
    below_deep = certificate("leaf", KEY, "deep", MID_KEY)
    weak = rsa_key(1024)
    weak_root = certificate("root", weak, "root", weak, ca=True)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    odd = certificate("leaf", KEY, "mid", MID_KEY, critical=unknown)
    names = x509.NameConstraints([x509.DNSName("example.org")], None)
    odd_mid = certificate("mid", MID_KEY, "root", ROOT_KEY, ca=True, critical=names)
    return [
        ("another root", [LEAF, MID], [certificate("root", rsa_key(), "root", ROOT_KEY, ca=True)], "not signed by"),
        ("a root of another name", [LEAF, MID], [certificate("else", ROOT_KEY, "else", ROOT_KEY, ca=True)], "nothing that was given"),
        ("the link missing", [LEAF], [ROOT], "nothing that was given"),
        ("the file's own root is worth nothing", [LEAF, MID, ROOT], [certificate("r2", MID_KEY, "r2", MID_KEY, ca=True)], "nothing that was given"),
        ("a forged link", [LEAF, forged], [ROOT], "not signed by"),
        ("a link that is no CA", [LEAF, no_ca], [ROOT], "not a CA"),
        ("a path too long", [below_deep, deep, MID], [ROOT], "CAs below it"),
        ("RSA of 1024 bits", [certificate("leaf", KEY, "root", weak)], [weak_root], "1024 bits"),
        ("not meant for signing", [certificate("leaf", KEY, "mid", MID_KEY, signing=False), MID], [ROOT], "not meant for signing"),
        ("a web server's", [certificate("leaf", KEY, "mid", MID_KEY, purpose=ExtendedKeyUsageOID.SERVER_AUTH), MID], [ROOT], "not meant for signing"),
        ("unknown critical extension", [odd, MID], [ROOT], "1.2.3.4"),
        ("name constraints in a link", [LEAF, odd_mid], [ROOT], "2.5.29.30"),
    ]  # fmt: skip


CASES = cases()


@pytest.mark.parametrize(("chain", "given", "words"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_chains_that_do_not_lead_to_the_ca(
    chain: list[x509.Certificate], given: list[x509.Certificate], words: str, tmp_path: Path
) -> None:
    found = with_ca(chain, given, tmp_path)
    assert (found.fit, found.code) == (Fit.NOT_UNDER_CA, ExitCode.UNTRUSTED)
    assert words in found.sentence


def test_another_key_than_the_certificates(tmp_path: Path) -> None:
    foreign = certificate("leaf", OTHER, "mid", MID_KEY)
    assert with_ca([foreign, MID], [ROOT], tmp_path).fit is Fit.DOES_NOT_FIT


def test_a_certificate_of_another_kind_of_key(tmp_path: Path) -> None:
    assert with_ca([certificate("leaf", ROOT_KEY, "mid", MID_KEY), MID], [ROOT], tmp_path).fit is Fit.NOT_SUPPORTED


@pytest.mark.parametrize(
    ("days", "today", "first"),
    [(-5, "within", "within"), (20, "expired", "within"), (-20, "not-yet-valid", "within")],
)
def test_validity_today_and_at_signing_are_told_apart(days: int, today: str, first: str, tmp_path: Path) -> None:
    found = with_ca([LEAF, MID], [ROOT], tmp_path, NOW + timedelta(days=days))
    assert found.validity is not None
    assert (found.validity.today, found.validity.at_signing) == (today, "unknown")
    assert found.validity.at_first_moment == first
    assert found.fit is (Fit.FITS if today == "within" else Fit.NOT_VALID_TODAY)
    assert found.code == (ExitCode.OK if today == "within" else ExitCode.EXPIRED)
    assert sum("the time of signing: not known" in s for s in found.validity.sentences()) == 1


def test_a_claimed_time_is_shown_and_decides_nothing(tmp_path: Path) -> None:
    claimed = int((NOW + timedelta(days=1)).timestamp())
    made = read(bundle_of(STATEMENT, KEY, chain_material([LEAF, MID], tlogEntries=[{"integratedTime": str(claimed)}])))
    authorities = read_authorities(pem_file([ROOT], tmp_path / "ca.pem"))
    found = check_with_ca(made, authorities, NOW + timedelta(days=20))
    assert found.validity is not None
    assert (found.validity.today, found.validity.at_signing) == ("expired", "within")
    assert found.fit is Fit.NOT_VALID_TODAY
    assert any("not checked" in s for s in found.validity.sentences())


def test_an_issuer_younger_than_the_leaf_is_seen(tmp_path: Path) -> None:
    young = certificate("mid", MID_KEY, "root", ROOT_KEY, ca=True, days=(-1, 100))
    found = with_ca([LEAF, young], [ROOT], tmp_path)
    assert found.validity is not None
    assert (found.validity.today, found.validity.at_first_moment) == ("within", "not-yet-valid")


def test_certificates_that_name_one_another_cost_nothing(tmp_path: Path) -> None:
    ring = [certificate("mid", MID_KEY, "mid", MID_KEY, ca=True) for _ in range(15)]
    found = with_ca([LEAF, *ring], [ROOT], tmp_path)
    assert found.fit is Fit.NOT_UNDER_CA


def test_a_ca_for_a_signature_by_key(tmp_path: Path) -> None:
    made = read(bundle_of(STATEMENT, KEY))
    found = check_with_ca(made, read_authorities(pem_file([ROOT], tmp_path / "ca.pem")), NOW)
    assert (found.fit, found.code) == (Fit.NO_KEY, ExitCode.UNTRUSTED)
    assert "--key" in found.sentence


def test_a_key_for_a_signature_by_certificate() -> None:
    found = with_key(bundle_of(STATEMENT, KEY, chain_material([LEAF, MID])), KEY)
    assert found.fit is Fit.FITS
    assert "not looked at" in found.notices[0]


def test_mutated_certificates_end_in_a_sentence() -> None:
    chance, refused = random.Random(3), 0
    for source in (LEAF, ROOT):
        der = source.public_bytes(serialization.Encoding.DER)
        for _ in range(1500):
            data = bytearray(der)
            for _ in range(chance.randint(1, 3)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                of_der(bytes(data), "c")
            except MalformedError:
                refused += 1
    assert refused > 500


@pytest.mark.parametrize("pem", [b"", pem_of(KEY), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_ca_files_that_are_refused(pem: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(pem)
    with pytest.raises(KeyFileError, match=r"ca\.pem"):
        read_authorities(path)
