"""Private key files: what is written opens elsewhere, what is unsafe is refused, and nothing secret is said."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mpk_tui.cli import main
from mpk_tui.errors import KeyFileError, StorageError, UsageError
from mpk_tui.keys import der, passphrase, private
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.keys.public import fingerprint, parse_public, read_public

SECRET = b"hunter2 hunter2"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "anna.pem"
    private.create(path, Passphrase(SECRET))
    return path


def pkcs8(key: object, encryption: serialization.KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(  # type: ignore[attr-defined,no-any-return]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption or serialization.NoEncryption()
    )


def kept(folder: Path, data: bytes) -> Path:
    path = folder / "k.pem"
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def test_files_and_modes(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o600
    beside = made.with_name("anna.pub.pem")
    assert read_public(beside) == private.load(made, Passphrase(SECRET)).public
    assert b"ENCRYPTED PRIVATE KEY" in made.read_bytes()
    assert len(fingerprint(read_public(beside)).split()) == 16


def test_the_library_opens_it_and_the_signature_verifies(made: Path) -> None:
    theirs = serialization.load_pem_private_key(made.read_bytes(), SECRET)
    assert isinstance(theirs, ed25519.Ed25519PrivateKey)
    ours = private.load(made, Passphrase(SECRET))
    assert theirs.sign(b"m") == ours.sign(b"m")
    assert ours.public.verifies(ours.sign(b"m"), b"m")


def test_the_cost_is_the_promised_one(made: Path) -> None:
    raw = base64.b64decode(b"".join(made.read_bytes().split(b"\n")[1:-2]))
    assert der.derivation_of(raw) == der.Derivation("scrypt", 128 << 20, 1)


def test_two_keys_are_never_alike(made: Path, tmp_path: Path) -> None:
    other = private.create(tmp_path / "b.pem", Passphrase(SECRET))
    assert other != read_public(made.with_name("anna.pub.pem"))


@pytest.mark.parametrize("existing", ["anna.pem", "anna.pub.pem"])
def test_nothing_is_overwritten(existing: str, tmp_path: Path) -> None:
    (tmp_path / existing).write_bytes(b"precious")
    with pytest.raises(StorageError, match="never overwritten"):
        private.create(tmp_path / "anna.pem", Passphrase(SECRET))
    assert os.listdir(tmp_path) == [existing]


def test_wrong_passphrase_is_one_sentence_without_it(made: Path) -> None:
    with pytest.raises(KeyFileError) as refused:
        private.load(made, Passphrase(b"wrong horse"))
    error = refused.value
    assert error.__traceback__ is not None
    below = error.__traceback__.tb_next  # the frames of the package, with their locals
    text = "".join(traceback.TracebackException(KeyFileError, error, below, capture_locals=True).format())
    assert "passphrase is wrong" in error.diagnosis()
    assert "Passphrase(…)" in text
    assert "wrong horse" not in text
    assert refused.value.__cause__ is None
    with pytest.raises(KeyFileError, match="no passphrase"):
        private.load(made)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused(mode: int, made: Path, tmp_path: Path) -> None:
    path = kept(tmp_path, made.read_bytes())
    path.chmod(mode)
    with pytest.raises(KeyFileError, match="read by others"):
        private.load(path, Passphrase(SECRET))


def foreign(n: int = 1 << 30, rounds: int = 0) -> bytes:
    if rounds:
        derivation = der.sequence(der.oid(der.PBKDF2), der.sequence(der.octets(bytes(16)), der.integer(rounds)))
        cipher = der.sequence(der.oid(der.AES_256_CBC), der.octets(bytes(16)))
        raw = der.sequence(der.sequence(der.oid(der.PBES2), der.sequence(derivation, cipher)), der.octets(bytes(64)))
    else:
        raw = der.encrypted_key(bytes(16), n, 8, 1, bytes(16), bytes(64))
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n%s-----END ENCRYPTED PRIVATE KEY-----\n" % base64.encodebytes(raw)


@pytest.mark.parametrize(
    ("data", "what"),
    [(foreign(1 << 30), "memory"), (foreign(1 << 62), "memory"), (foreign(rounds=1 << 31), "rounds")],
    ids=["scrypt 2**30", "scrypt 2**62", "pbkdf2 2**31"],
)
def test_117_a_derivation_that_costs_too_much_is_refused_before_it_is_run(
    data: bytes, what: str, tmp_path: Path
) -> None:
    with pytest.raises(KeyFileError, match=what):
        private.load(kept(tmp_path, data), Passphrase(SECRET))


WRONG: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "RSA": lambda: pkcs8(rsa.generate_private_key(65537, 2048)),
    "P-256": lambda: pkcs8(ec.generate_private_key(ec.SECP256R1())),
    "two keys": lambda: pkcs8(ed25519.Ed25519PrivateKey.generate()) * 2,
    "OpenSSH": lambda: ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ),
    "not base64": lambda: b"-----BEGIN PRIVATE KEY-----\nA\n-----END PRIVATE KEY-----\n",
    "not DER": lambda: b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    "other scheme": lambda: (
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n%s-----END ENCRYPTED PRIVATE KEY-----\n"
        % base64.encodebytes(der.sequence(der.sequence(der.oid("1.2.3"), der.sequence()), der.octets(b"x")))
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_files_are_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError):
        private.load(kept(tmp_path, WRONG[name]()), Passphrase(SECRET))


def test_every_cut_and_every_turned_byte_of_a_key_file_is_refused(made: Path) -> None:
    raw = base64.b64decode(b"".join(made.read_bytes().split(b"\n")[1:-2]))
    for n in range(len(raw)):
        with pytest.raises(KeyFileError):
            der.derivation_of(raw[:n])
    for n in range(60):  # headers and parameters
        changed = bytearray(raw)
        changed[n] ^= 0xFF
        try:
            der.derivation_of(bytes(changed))
        except KeyFileError:
            continue


def test_plain_and_pbkdf2_keys_of_others_open(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    assert not private.load(kept(tmp_path, pkcs8(key))).encrypted
    data = pkcs8(key, serialization.BestAvailableEncryption(SECRET))
    assert private.load(kept(tmp_path, data), Passphrase(SECRET)).encrypted


def test_secrets_do_not_show_themselves(made: Path) -> None:
    key = private.load(made, Passphrase(SECRET))
    for text in (repr(key), str(key), repr(Passphrase(SECRET)), str(Passphrase(SECRET))):
        assert "hunter" not in text
        assert "object at" not in text
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_passphrases_from_descriptors() -> None:
    def piped(data: bytes) -> int:
        read, write = os.pipe()
        os.write(write, data)
        os.close(write)
        return read

    assert passphrase.from_descriptor(piped(b"one\ntwo\n")).value == b"one"
    assert passphrase.from_descriptor(piped(b"one\r\n")).value == b"one"
    assert passphrase.from_descriptor(piped(b"no line end")).value == b"no line end"
    for data in (b"", b"\n", b"x" * 2000):
        with pytest.raises(UsageError):
            passphrase.from_descriptor(piped(data))
    with pytest.raises(UsageError):
        passphrase.from_descriptor(987)


def test_no_core_file_and_no_terminal_no_question(tmp_path: Path) -> None:
    script = (
        "import resource, sys\n"
        "from mpk_tui.cli import main\n"
        f"code = main(['keys', 'new', '-o', {str(tmp_path / 'k.pem')!r}])\n"
        "print(code, resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        start_new_session=True,
    )  # fmt: skip
    assert done.stdout.strip() == "2 (0, 0)", done.stderr
    assert "--passphrase-fd" in done.stderr
    assert os.listdir(tmp_path) == []


def test_public_files_hold_one_sound_key_and_nothing_else(made: Path) -> None:
    good = made.with_name("anna.pub.pem").read_bytes()
    assert parse_public(good, "k").raw
    identity = ed25519.Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    wrong = {
        "two": good * 2, "private": made.read_bytes(), "low order": identity.public_bytes(*spki),
        "P-256": other.public_bytes(*spki), "empty": b"", "certificate": b"-----BEGIN CERTIFICATE-----\n",
        "broken": good[:40] + b"\n-----END PUBLIC KEY-----\n",
    }  # fmt: skip
    for name, data in wrong.items():
        with pytest.raises(KeyFileError):
            parse_public(data, name)


def test_new_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read, write = os.pipe()
    os.write(write, SECRET)
    os.close(write)
    path = tmp_path / "k.pem"
    assert main(["keys", "new", "-o", str(path), "--passphrase-fd", str(read)]) == 0
    shown = capsys.readouterr().out.strip()
    assert main(["keys", "show", str(tmp_path / "k.pub.pem")]) == 0
    assert shown in capsys.readouterr().out
    assert private.load(path, Passphrase(SECRET)).public.keyid.hex() == shown.replace(" ", "")
