"""Public key files: one sound key in PEM or OpenSSH form, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa

from mpk_tui.bundle.suites import ED25519, ML_DSA_65, PublicKey
from mpk_tui.cli import main
from mpk_tui.errors import KeyFileError
from mpk_tui.keys.public import BEGIN, fingerprint, parse_public, pem, read_halves, read_public, ssh_line
from mpk_tui.keys.words import words

SPKI = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
SSH = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
FIRST = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
SECOND = mldsa.MLDSA65PrivateKey.from_seed_bytes(bytes(range(32))).public_key()
ED = PublicKey(ED25519, FIRST.public_bytes_raw())
ML = PublicKey(ML_DSA_65, SECOND.public_bytes_raw())
LINE = FIRST.public_bytes(*SSH)
# A point of order 8 times the base point, as a key of mixed order: encodes well and is not of prime order.
IDENTITY = ed25519.Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))


def blob(*strings: bytes) -> bytes:
    return base64.b64encode(b"".join(len(s).to_bytes(4, "big") + s for s in strings))


def mixed_order() -> bytes:
    """The key plus a point of order 2: a valid encoding outside the group of prime order."""
    from mpk_tui.bundle.ed25519 import P, add, decompress

    point = decompress(ED.raw)
    assert point is not None
    x, y, z, _ = add(point, (0, P - 1, 1, 0))
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


@pytest.mark.parametrize(("theirs", "ours"), [(FIRST, ED), (SECOND, ML)], ids=["ed25519", "ml-dsa-65"])
def test_pem_in_and_out(theirs: object, ours: PublicKey) -> None:
    data = theirs.public_bytes(*SPKI)  # type: ignore[attr-defined]
    assert parse_public(data, "k") == ours
    assert pem(ours) == data
    assert parse_public(data.replace(b"\n", b"\r\n"), "k") == ours


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n", b" anna@lab\n", b" a comment of words\n", b"\tanna"])
def test_the_openssh_form(tail: bytes) -> None:
    assert parse_public(LINE + tail, "k") == ED
    assert ssh_line(ED) == LINE.decode()
    assert ssh_line(ML) is None


def test_ssh_keygen_agrees(tmp_path: Path) -> None:
    keygen = shutil.which("ssh-keygen")
    if keygen is None:
        pytest.skip("ssh-keygen is not installed")
    path = tmp_path / "id"
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", "anna@lab", "-f", str(path)], check=True)
    key = read_public(tmp_path / "id.pub")
    told = subprocess.run([keygen, "-l", "-f", str(path)], capture_output=True, text=True, check=True).stdout
    line = ssh_line(key)
    assert line is not None
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    assert f"SHA256:{base64.b64encode(digest).decode().rstrip('=')} " in told


WRONG: dict[str, bytes] = {
    "empty": b"",
    "two PEM keys": pem(ED) * 2,
    "both halves in one file": pem(ED) + pem(ML),
    "a private key": ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ),
    "a certificate": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "key and certificate": pem(ED) + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "RSA": rsa.generate_private_key(65537, 2048).public_key().public_bytes(*SPKI),
    "P-256": ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(*SPKI),
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate().public_key().public_bytes(*SPKI),
    "low order": IDENTITY.public_bytes(*SPKI),
    "mixed order": pem(PublicKey(ED25519, mixed_order())),
    "broken": pem(ED)[:40] + b"\n-----END PUBLIC KEY-----\n",
    "cut": pem(ML)[:1000],
    "OpenSSH, two lines": LINE + b"\n" + LINE + b"\n",
    "OpenSSH, RSA": rsa.generate_private_key(65537, 2048).public_key().public_bytes(*SSH),
    "OpenSSH, P-256": ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(*SSH),
    "OpenSSH, low order": IDENTITY.public_bytes(*SSH),
    "OpenSSH, mixed order": b"ssh-ed25519 " + blob(b"ssh-ed25519", mixed_order()),
    "OpenSSH, other type within": b"ssh-ed25519 " + blob(b"ssh-rsa", ED.raw),
    "OpenSSH, short key": b"ssh-ed25519 " + blob(b"ssh-ed25519", ED.raw[:31]),
    "OpenSSH, more after the key": b"ssh-ed25519 " + blob(b"ssh-ed25519", ED.raw, b""),
    "OpenSSH, huge length": b"ssh-ed25519 " + base64.b64encode(b"\xff" * 51),
    "OpenSSH, bad base64": b"ssh-ed25519 AAAAC",
    "OpenSSH, FIDO": b"sk-ssh-ed25519@openssh.com "
    + blob(b"sk-ssh-ed25519@openssh.com", ED.raw, b"ssh:"),
    "OpenSSH, certificate": b"ssh-ed25519-cert-v01@openssh.com " + blob(b"ssh-ed25519-cert-v01@openssh.com", ED.raw),
    "an option line of authorized_keys": b'command="x" ' + LINE,
    "NUL": b"\0" * 100,
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_116_other_files_are_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(KeyFileError) as refused:
        parse_public(WRONG[name], "k.pem")
    assert refused.value.diagnosis().startswith("k.pem: ")


def test_fido_keys_are_refused_with_the_reason() -> None:
    with pytest.raises(KeyFileError, match="another structure"):
        parse_public(WRONG["OpenSSH, FIDO"], "k")


def test_halves_side_by_side(tmp_path: Path) -> None:
    first, second = tmp_path / "k.pub.pem", tmp_path / "k.ml-dsa-65.pub.pem"
    first.write_bytes(pem(ED))
    assert read_halves(first) == (ED,)
    second.write_bytes(pem(ML))
    assert read_halves(first) == (ED, ML)
    assert read_halves(second) == (ML,)
    second.write_bytes(pem(ED))  # somebody copied the wrong file
    with pytest.raises(KeyFileError, match="ML-DSA-65 half"):
        read_halves(first)
    first.write_bytes(pem(ML))
    assert read_halves(first) == (ML,)


def test_show_in_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "id.pub").write_bytes(LINE + b" anna\n")
    (tmp_path / "m.pub.pem").write_bytes(pem(ML))
    assert main(["keys", "show", str(tmp_path / "id.pub")]) == 0
    assert fingerprint(ED) in capsys.readouterr().out
    assert main(["keys", "show", str(tmp_path / "id.pub"), "--pem"]) == 0
    assert capsys.readouterr().out.encode() == pem(ED)
    assert main(["keys", "show", str(tmp_path / "m.pub.pem"), "--pem"]) == 0
    assert capsys.readouterr().out.encode() == pem(ML)
    assert main(["keys", "show", str(tmp_path / "id.pub"), "--openssh"]) == 0
    assert capsys.readouterr().out.encode() == LINE + b"\n"
    assert main(["keys", "show", str(tmp_path / "m.pub.pem"), "--openssh"]) == 2
    assert main(["keys", "show", str(tmp_path / "m.pub.pem"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": "mpk-tui/key/1", "alg": "ml-dsa-65", "keyid": ML.keyid.hex(), "words": words(ML.keyid),
    }  # fmt: skip


@pytest.mark.parametrize("tail", [b"", b"!", b"-----END", b"-----END PUBLIC KEY----"])
def test_a_file_of_white_space_is_refused_at_once(tail: bytes) -> None:
    """Patterns that try every way of dividing it would take minutes."""
    with pytest.raises(KeyFileError):
        parse_public(BEGIN + b"\n" * 60_000 + tail, "key.pub.pem")
