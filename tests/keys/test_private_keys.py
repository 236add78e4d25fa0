"""Private key files: what is written opens elsewhere, what is unsafe is refused, and nothing secret is said."""

from __future__ import annotations

import base64
import os
import pickle
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa, x25519

from mpk_tui.bundle import mldsa as ours
from mpk_tui.cli import main
from mpk_tui.errors import KeyFileError, StorageError, UnsupportedError, UsageError
from mpk_tui.keys import der, passphrase, private
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.keys.public import fingerprint, half_beside, read_halves, read_public

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


@pytest.mark.usefixtures("full_cost")
def test_the_cost_is_the_promised_one(tmp_path: Path) -> None:
    path = tmp_path / "anna.pem"
    (public,) = private.create(path, Passphrase(SECRET))
    raw = base64.b64decode(b"".join(path.read_bytes().split(b"\n")[1:-2]))
    assert der.derivation_of(raw) == der.Derivation("scrypt", 128 << 20, 1)
    assert private.load(path, Passphrase(SECRET)).public == public


def test_two_keys_are_never_alike(made: Path, tmp_path: Path) -> None:
    (other,) = private.create(tmp_path / "b.pem", Passphrase(SECRET))
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
        raw = der.encrypted_key(der.scrypt(bytes(16), n, 8, 1), bytes(16), bytes(64))
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


def plain_pem(raw: bytes) -> bytes:
    return b"-----BEGIN PRIVATE KEY-----\n%s-----END PRIVATE KEY-----\n" % base64.encodebytes(raw)


def mldsa_pem(inner: bytes) -> bytes:
    return plain_pem(der.sequence(der.integer(0), der.sequence(der.oid(der.ML_DSA_65)), der.octets(inner)))


WRONG: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "RSA": lambda: pkcs8(rsa.generate_private_key(65537, 2048)),
    "P-256": lambda: pkcs8(ec.generate_private_key(ec.SECP256R1())),
    "two keys": lambda: pkcs8(ed25519.Ed25519PrivateKey.generate()) * 2,
    "OpenSSH": lambda: ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ),
    "ML-DSA-44": lambda: pkcs8(mldsa.MLDSA44PrivateKey.generate()),
    "X25519": lambda: pkcs8(x25519.X25519PrivateKey.generate()),
    "two halves in one file": lambda: (
        pkcs8(ed25519.Ed25519PrivateKey.generate()) + pkcs8(mldsa.MLDSA65PrivateKey.generate())
    ),
    "a public key": lambda: (
        ed25519.Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    ),
    "a certificate": lambda: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "key and certificate": lambda: (
        pkcs8(ed25519.Ed25519PrivateKey.generate()) + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    ),
    "ML-DSA-65 expanded": lambda: mldsa_pem(der.octets(bytes(4032))),
    "ML-DSA-65 seed and expanded": lambda: mldsa_pem(der.sequence(der.octets(bytes(32)), der.octets(bytes(4032)))),
    "ML-DSA-65, short seed": lambda: mldsa_pem(der.element(0x80, bytes(31))),
    "no algorithm": lambda: plain_pem(der.sequence(der.integer(0))),
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


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pair") / "eva.pem"
    private.create(path, Passphrase(SECRET), "s2")
    return path


def test_an_identity_of_s2_is_two_pairs_of_files(pair: Path) -> None:
    assert sorted(os.listdir(pair.parent)) == [
        "eva.ml-dsa-65.pem", "eva.ml-dsa-65.pub.pem", "eva.pem", "eva.pub.pem",
    ]  # fmt: skip
    second = half_beside(pair)
    assert second is not None
    assert [p.stat().st_mode & 0o777 for p in (pair, second)] == [0o600, 0o600]
    opened = [private.load(p, Passphrase(SECRET)) for p in (pair, second)]
    assert tuple(k.public for k in opened) == read_halves(private.public_path(pair))
    assert [k.public.alg for k in opened] == ["ed25519", "ml-dsa-65"]
    for key in opened:
        assert key.public.verifies(key.sign(b"m"), b"m")
    theirs = serialization.load_pem_private_key(second.read_bytes(), SECRET)
    assert isinstance(theirs, mldsa.MLDSA65PrivateKey)
    assert theirs.public_key().public_bytes_raw() == opened[1].public.raw


def test_names_of_halves() -> None:
    for first, second in (
        ("K.pem", "K.ml-dsa-65.pem"), ("K.pub.pem", "K.ml-dsa-65.pub.pem"), ("K.sig", "K.ml-dsa-65.sig"),
        ("K", "K.ml-dsa-65"), ("a.b.pem", "a.b.ml-dsa-65.pem"),
    ):  # fmt: skip
        assert half_beside(Path("d", first)) == Path("d", second)
        assert half_beside(Path("d", second)) is None


@pytest.mark.parametrize("existing", ["eva.ml-dsa-65.pem", "eva.ml-dsa-65.pub.pem", "eva.pem", "eva.pub.pem"])
def test_no_half_is_overwritten(existing: str, tmp_path: Path) -> None:
    (tmp_path / existing).write_bytes(b"precious")
    with pytest.raises(StorageError, match="never overwritten"):
        private.create(tmp_path / "eva.pem", Passphrase(SECRET), "s2")
    assert os.listdir(tmp_path) == [existing]
    assert (tmp_path / existing).read_bytes() == b"precious"


def test_a_failure_leaves_no_half_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = private.write_file

    def fails_at_the_last(path: Path, data: bytes, *, mode: int) -> None:
        if path.name == "eva.ml-dsa-65.pem":
            raise StorageError("no space", where=str(path))
        real(path, data, mode=mode)

    monkeypatch.setattr(private, "write_file", fails_at_the_last)
    with pytest.raises(StorageError, match="no space"):
        private.create(tmp_path / "eva.pem", Passphrase(SECRET), "s2")
    assert os.listdir(tmp_path) == []


def test_35_without_ml_dsa_nothing_of_it_is_made_or_opened(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = half_beside(pair)
    assert second is not None
    monkeypatch.setattr(ours, "supported", lambda: False)
    with pytest.raises(UnsupportedError, match="ML-DSA"):
        private.create(tmp_path / "k.pem", Passphrase(SECRET), "s2")
    assert os.listdir(tmp_path) == []
    with pytest.raises(UnsupportedError, match="ML-DSA"):
        private.load(kept(tmp_path, pkcs8(mldsa.MLDSA65PrivateKey.generate())))
    with pytest.raises(KeyFileError):
        private.load(second, Passphrase(SECRET))
    assert len(read_halves(private.public_path(pair))) == 2  # a public key is read without the library
    assert private.load(pair, Passphrase(SECRET)).public.alg == "ed25519"


@pytest.mark.usefixtures("full_cost")
def test_pbkdf2_opens_with_the_openssl_command(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    (key,) = private.create(path, Passphrase(SECRET), openssl_compatible=True)
    raw = base64.b64decode(b"".join(path.read_bytes().split(b"\n")[1:-2]))
    assert der.derivation_of(raw) == der.Derivation("pbkdf2", 0, 1_000_000)
    assert private.load(path, Passphrase(SECRET)).public == key
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command is not installed")
    read, write = os.pipe()
    os.write(write, SECRET)
    os.close(write)
    done = subprocess.run(
        [openssl, "pkey", "-in", str(path), "-passin", f"fd:{read}", "-pubout", "-outform", "DER"],
        capture_output=True, check=False, pass_fds=[read],
    )  # fmt: skip
    os.close(read)
    assert done.stdout == key.spki(), done.stderr


def test_der_numbers_and_lengths() -> None:
    # RFC 8018, appendix A.2: the salt, the count, and the function, because it is not the default of that page.
    parameters = "04020000" + "020203e8" + "300c06082a864886f70d02090500"
    assert der.pbkdf2(bytes(2), 1000).hex() == "3023" + "06092a864886f70d01050c" + "3016" + parameters
    assert der.algorithm_of(b"") is None
    assert der.algorithm_of(bytes(40)) is None
    assert der.algorithm_of(der.sequence(der.integer(0), der.sequence(der.oid("1.3.101.112")))) is None


def locals_of(error: BaseException) -> str:
    """The traceback as a careless program would print it: with all local variables of the package's frames."""
    assert error.__traceback__ is not None
    below = error.__traceback__.tb_next
    return "".join(traceback.TracebackException(type(error), error, below, capture_locals=True).format())


def crash(*_: object, **__: object) -> None:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("place", ["write_file", "_armour", "_encrypt", "pem"])
def test_a_crash_while_a_key_is_made_does_not_print_it(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bytes] = []

    def generate(alg: str) -> object:
        key = ed25519.Ed25519PrivateKey.generate()
        made.append(key.private_bytes_raw())
        return key

    monkeypatch.setattr(private, "_generate", generate)
    monkeypatch.setattr(private, place, crash)
    with pytest.raises(RuntimeError) as crashed:
        private.create(tmp_path / "k.pem", Passphrase(SECRET))
    text = locals_of(crashed.value)
    assert "passphrase = Passphrase(…)" in text
    assert "hunter" not in text
    for form in (repr(made[0])[2:-1], repr(made[0][:8])[2:-1], made[0].hex(), base64.b64encode(made[0])[:20].decode()):
        assert form not in text
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_crash_while_a_key_is_opened_does_not_print_it(
    encrypted: bool, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = bytes(range(65, 97))
    path = made if encrypted else kept(tmp_path, pkcs8(ed25519.Ed25519PrivateKey.from_private_bytes(seed)))
    monkeypatch.setattr(private, "SigningKey", crash)
    with pytest.raises(RuntimeError) as crashed:
        private.load(path, Passphrase(SECRET))
    text = locals_of(crashed.value)
    assert "_KeyFile(" in text
    for form in ("hunter", "ABCDEFGH", base64.b64encode(seed)[:20].decode(), "QUJDREVG"):
        assert form not in text


def test_a_passphrase_that_is_refused_is_not_printed() -> None:
    read, write = os.pipe()
    os.write(write, b"hunter" * 300)
    os.close(write)
    with pytest.raises(UsageError) as refused:
        passphrase.from_descriptor(read)
    assert "hunter" not in locals_of(refused.value)


def test_an_identity_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def make(*arguments: str) -> int:
        read, write = os.pipe()
        os.write(write, SECRET)
        os.close(write)
        try:
            return main(["keys", "new", *arguments, "--passphrase-fd", str(read)])
        finally:
            os.close(read)

    path = tmp_path / "eva.pem"
    assert make("-o", str(path), "--suite", "s2", "--openssl-compatible") == 0
    shown = capsys.readouterr().out.splitlines()
    halves = read_halves(private.public_path(path))
    assert shown == [f"{name:<9}  {fingerprint(k)}" for name, k in zip(("Ed25519", "ML-DSA-65"), halves, strict=True)]
    assert make("-o", str(path)) == 40
    assert make("-o", str(tmp_path / "x.ml-dsa-65.pem"), "--suite", "s2") == 2
    assert make("-o", str(tmp_path / "none" / "x.pem")) == 40
    assert main(["keys", "show", str(tmp_path / "eva.pub.pem")]) == 0
    assert "eva.ml-dsa-65.pub.pem" in capsys.readouterr().err
