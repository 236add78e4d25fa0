"""Signing through the command line: with files, an agent, another machine, openssl; one half at a time or both."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import workshop as w

from mpk_tui import canonical
from mpk_tui.bundle import build, envelope, mldsa
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.trust import single_key
from mpk_tui.cli import main
from mpk_tui.keys import private
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.keys.public import fingerprint, read_halves, ssh_line
from mpk_tui.keys.signing import declared, sign_bundle

SECRET = b"correct horse"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """eva (s2) and max (s1), in a form that openssl opens as well."""
    folder = tmp_path_factory.mktemp("keys")
    private.create(folder / "eva.pem", Passphrase(SECRET), "s2", openssl_compatible=True)
    private.create(folder / "max.pem", Passphrase(SECRET), openssl_compatible=True)
    return folder


def bundle(tmp_path: Path, keys: Path, suite: str = "s2", *names: str) -> Path:
    """An unsigned bundle that declares these people."""
    out = tmp_path / f"{suite}.mpkb"
    signers = []
    for name in names or ("eva",):
        halves = read_halves(keys / f"{name}.pub.pem")
        signers.append(w.Signer(name, "analyst", halves if suite == "s2" else halves[:1]))
    out.write_bytes(build.build(w.contents(), signers, suite=suite, salt=w.salts()).to_bytes())
    return out


def run(*arguments: object, secret: bytes | None = SECRET) -> int:
    """A command with its passphrase on a descriptor."""
    given = [str(a) for a in arguments]
    if secret is None:
        return main(given)
    read, write = os.pipe()
    os.write(write, secret)
    os.close(write)
    try:
        return main([*given, "--passphrase-fd", str(read)])
    finally:
        os.close(read)


def read(path: Path) -> Envelope:
    return envelope.parse(path.read_bytes(), unsigned=True)


def valid(path: Path, keys: Path, name: str = "eva") -> bool:
    return main(["verify", str(path), "--key", str(keys / f"{name}.pub.pem")]) == 0


def test_both_halves_are_found_by_the_name_of_one(keys: Path, tmp_path: Path) -> None:
    path = bundle(tmp_path, keys)
    assert run("bundle", "sign", path, "--key", keys / "eva.pem") == 0
    assert len(read(path).signatures) == 2
    assert valid(path, keys)
    # A verifier who was given one half only does not believe it.
    (tmp_path / "half.pub.pem").write_bytes((keys / "eva.pub.pem").read_bytes())
    assert main(["verify", str(path), "--key", str(tmp_path / "half.pub.pem")]) == 11


def test_halves_in_different_places_and_one_after_the_other(keys: Path, tmp_path: Path) -> None:
    shutil.copy(keys / "eva.pem", tmp_path / "a.pem")
    shutil.copy(keys / "eva.ml-dsa-65.pem", tmp_path / "b.pem")
    path = bundle(tmp_path, keys)
    assert run("bundle", "sign", path, "--key", tmp_path / "b.pem", "--key", tmp_path / "a.pem") == 0
    assert valid(path, keys)
    path = bundle(tmp_path, keys)
    assert run("bundle", "sign", path, "--key", tmp_path / "a.pem") == 0
    assert main(["verify", str(path), "--key", str(keys / "eva.pub.pem")]) == 20
    assert run("bundle", "sign", path, "--key", tmp_path / "a.pem") == 2  # has signed already
    assert run("bundle", "sign", path, "--key", keys / "eva.pem") == 0  # the half that is left
    assert valid(path, keys)
    assert run("bundle", "sign", path, "--key", keys / "eva.pem") == 2


def test_what_is_missing_is_told_by_algorithm(keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bundle(tmp_path, keys)
    assert run("bundle", "sign", path, "--key", keys / "eva.ml-dsa-65.pem") == 0
    out = capsys.readouterr().out
    first, second = read_halves(keys / "eva.pub.pem")
    assert f"signed   by eva, analyst, ML-DSA-65 key {second.keyid.hex()[:16]}" in out
    assert f"waiting  for eva, analyst, Ed25519 key {fingerprint(first)}" in out


def test_keys_that_do_not_belong(keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bundle(tmp_path, keys, "s1")
    before = path.read_bytes()
    for arguments, code in (
        (("--key", keys / "eva.ml-dsa-65.pem"), 2),  # not of this suite
        (("--key", keys / "max.pem"), 2),  # not declared
        (("--key", keys / "eva.pem", "--key", keys / "max.pem"), 2),  # two of one kind
        (("--key", keys / "eva.pub.pem"), 40),
        (("--key", keys / "none.pem"), 40),
        (("--key", keys / "eva.pem", "--public", keys / "eva.pub.pem"), 2),
        (("--key", keys / "eva.pem", "--request", tmp_path / "r.pae"), 2),
        (("--key", keys / "eva.pem", "--signer", "eva"), 2),
        ((), 2),
    ):
        assert run("bundle", "sign", path, *arguments) == code, arguments
    assert run("bundle", "sign", path, "--key", keys / "eva.pem", secret=b"wrong") == 40
    assert path.read_bytes() == before
    assert not (tmp_path / "r.pae").exists()
    assert "Traceback" not in capsys.readouterr().err


def test_two_machines(keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bundle(tmp_path, keys, "s2", "eva")
    request, sig = tmp_path / "r.pae", tmp_path / "s.sig"
    assert main(["bundle", "sign", str(path), "--request", str(request), "--signer", "eva"]) == 0
    told = capsys.readouterr().err
    message = build.message(read(path))
    assert request.read_bytes() == message
    assert told.count(hashlib.sha256(message).hexdigest()) == 2
    assert read(path).signatures == ()
    assert main(["bundle", "sign", str(path), "--request", str(request)]) == 40  # never written over
    assert main(["bundle", "sign", str(path), "--request", str(tmp_path / "x"), "--signer", "max"]) == 2
    capsys.readouterr()

    assert run("bundle", "sign-request", request, "--key", keys / "eva.pem", "-o", sig) == 0
    said = capsys.readouterr().out
    for part in ("'case-1'", "s2: Ed25519 and ML-DSA-65", hashlib.sha256(message).hexdigest(), "'eva', analyst"):
        assert part in said
    assert (sig.stat().st_size, (tmp_path / "s.ml-dsa-65.sig").stat().st_size) == (64, 3309)
    assert run("bundle", "sign-request", request, "--key", keys / "eva.pem", "-o", sig) == 40

    assert main(["bundle", "sign", str(path), "--import", str(sig)]) == 0  # takes the half beside it
    assert valid(path, keys)
    assert main(["bundle", "sign", str(path), "--import", str(sig)]) == 2


def test_the_message_is_shown_before_a_key_is_opened(
    keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bundle(tmp_path, keys, "s1", "max")
    request, sig = tmp_path / "r.pae", tmp_path / "s.sig"
    assert main(["bundle", "sign", str(path), "--request", str(request)]) == 0
    capsys.readouterr()
    assert run("bundle", "sign-request", request, "--key", keys / "max.pem", "-o", sig, secret=b"wrong") == 40
    assert "'case-1'" in capsys.readouterr().out
    assert run("bundle", "sign-request", request, "--key", keys / "eva.pem", "-o", sig) == 2  # not asked for
    request.write_bytes(request.read_bytes()[:-1])
    assert run("bundle", "sign-request", request, "--key", keys / "max.pem", "-o", sig) == 30
    request.write_bytes(b"DSSEv1 10 text/plain 4 body")
    assert run("bundle", "sign-request", request, "--key", keys / "max.pem", "-o", sig) == 32
    assert not sig.exists()


def test_openssl_makes_the_same_signature(keys: Path, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command is not installed")
    path = bundle(tmp_path, keys, "s1", "max")
    request, ours, theirs = tmp_path / "r.pae", tmp_path / "ours.sig", tmp_path / "theirs.sig"
    assert main(["bundle", "sign", str(path), "--request", str(request)]) == 0
    assert run("bundle", "sign-request", request, "--key", keys / "max.pem", "-o", ours) == 0
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    done = subprocess.run(
        [openssl, "pkeyutl", "-sign", "-rawin", "-inkey", str(keys / "max.pem"), "-passin", f"file:{secret}",
         "-in", str(request), "-out", str(theirs)],
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert theirs.read_bytes() == ours.read_bytes()
    assert main(["bundle", "sign", str(path), "--import", str(theirs), "--public", str(keys / "max.pub.pem")]) == 0
    assert valid(path, keys, "max")


def test_signatures_that_fit_nobody_are_refused(keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bundle(tmp_path, keys, "s2", "eva")
    before = path.read_bytes()
    opened = private.load(keys / "eva.pem", Passphrase(SECRET))
    stranger = private.load(keys / "max.pem", Passphrase(SECRET))
    message = build.message(read(path))
    wrong = {
        "another key": stranger.sign(message), "another message": opened.sign(message[:-1]), "zeros": bytes(64),
        "zeros of the second half": bytes(3309), "hex": opened.sign(message).hex().encode(), "empty": b"",
        "a line end": opened.sign(message) + b"\n",
    }  # fmt: skip
    for name, data in wrong.items():
        (tmp_path / "s.sig").write_bytes(data)
        assert main(["bundle", "sign", str(path), "--import", str(tmp_path / "s.sig")]) == 30, name
    assert fingerprint(opened.public) in capsys.readouterr().err  # whose signature is waited for
    (tmp_path / "s.sig").write_bytes(opened.sign(message))
    second = keys / "eva.ml-dsa-65.pub.pem"
    for key, code in ((second, 30), (keys / "max.pub.pem", 2)):
        arguments = ["bundle", "sign", str(path), "--import", str(tmp_path / "s.sig"), "--public", str(key)]
        assert main(arguments) == code
    assert main(["bundle", "sign", str(path), "--import", str(tmp_path / "none.sig")]) == 40
    twice = ["--import", str(tmp_path / "s.sig"), "--import", str(tmp_path / "s.sig")]
    assert main(["bundle", "sign", str(path), *twice]) == 30
    assert path.read_bytes() == before
    assert main(["bundle", "sign", str(path), "--import", str(tmp_path / "s.sig")]) == 0


def test_nothing_is_signed_that_would_not_verify(keys: Path, tmp_path: Path) -> None:
    path = bundle(tmp_path, keys, "s1", "max")
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    for arguments in (("--request", tmp_path / "r.pae"), ("--key", keys / "max.pem"), ("--import", tmp_path / "s")):
        assert run("bundle", "sign", path, *arguments) == 30
    assert not (tmp_path / "r.pae").exists()


def test_35_without_ml_dsa_an_s2_bundle_is_not_signed(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, signed, plain = bundle(tmp_path, keys), tmp_path / "signed.mpkb", bundle(tmp_path, keys, "s1")
    shutil.copy(path, signed)
    assert run("bundle", "sign", signed, "--key", keys / "eva.pem") == 0
    assert run("bundle", "sign", plain, "--key", keys / "eva.pem") == 0
    monkeypatch.setattr(mldsa, "supported", lambda: False)
    before = path.read_bytes()
    assert run("bundle", "sign", path, "--key", keys / "eva.pem") == 30
    assert path.read_bytes() == before
    assert main(["verify", str(signed), "--key", str(keys / "eva.pub.pem")]) == 32
    assert main(["verify", str(plain), "--key", str(keys / "eva.pub.pem")]) == 0


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An ssh-agent of this test's own."""
    import tempfile

    program = shutil.which("ssh-agent")
    if program is None or shutil.which("ssh-add") is None:
        pytest.skip("ssh-agent and ssh-add are not installed")
    with tempfile.TemporaryDirectory(prefix="mpk") as folder:
        path = Path(folder, "agent")
        running = subprocess.Popen([program, "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
        try:
            for _ in range(2400):
                if path.exists():
                    break
                time.sleep(0.05)
            monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
            yield
        finally:
            running.terminate()
            running.wait()


def test_an_agent_signs(agent: None, keys: Path, tmp_path: Path) -> None:
    path = bundle(tmp_path, keys, "s1", "max")
    assert main(["bundle", "sign", str(path), "--agent"]) == 40  # it holds no key yet
    assert run("keys", "agent", keys / "eva.ml-dsa-65.pem") == 2
    assert run("keys", "agent", keys / "eva.pem", "--lifetime", 600) == 0
    assert main(["bundle", "sign", str(path), "--agent"]) == 40  # not the one that is declared
    assert run("keys", "agent", keys / "max.pem") == 0
    assert main(["bundle", "sign", str(path), "--agent"]) == 0  # of two keys the declared one
    assert valid(path, keys, "max")

    path = bundle(tmp_path, keys, "s2", "eva")
    shown = tmp_path / "id.pub"
    line = ssh_line(read_halves(keys / "eva.pub.pem")[0])
    shown.write_text(f"{line} eva@lab\n")
    second = keys / "eva.ml-dsa-65.pem"
    assert run("bundle", "sign", path, "--agent", "--public", shown, "--key", second) == 0
    assert valid(path, keys)


def test_an_agent_that_signs_with_another_key_changes_nothing(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import tempfile

    path = bundle(tmp_path, keys, "s1", "max")
    before = path.read_bytes()
    public = read_halves(keys / "max.pub.pem")[0]

    def string(data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + data

    blob = string(b"ssh-ed25519") + string(public.raw)
    answers = [
        bytes((12, 0, 0, 0, 1)) + string(blob) + string(b""),
        bytes((14,)) + string(string(b"ssh-ed25519") + string(w.STRANGER.sign(build.message(read(path))))),
    ]
    with tempfile.TemporaryDirectory(prefix="mpk") as folder, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{folder}/s")
        server.listen()
        server.settimeout(20)

        def serve() -> None:
            for answer in answers:
                line, _ = server.accept()
                with line:
                    line.recv(1 << 16)
                    line.sendall(string(answer))

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv("SSH_AUTH_SOCK", f"{folder}/s")
        assert main(["bundle", "sign", str(path), "--agent"]) == 40
        thread.join()
    assert "does not fit" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_signer_is_whoever_holds_the_keys() -> None:
    pair = w.Pair("eva")
    made = build.build(w.contents(), [declared(pair, "Eva", "analyst")], suite="s2", salt=w.salts())
    assert w.check(sign_bundle(made, pair), single_key(*pair.keys)).verdict == "VALID"


def test_a_draft_of_a_newer_minor_version_is_not_signed(
    keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader may pass over what it does not know; whoever signs would put their name under it unseen."""
    path = bundle(tmp_path, keys, "s1", "max")
    value = canonical.decode(read(path).payload)
    value.update(v=[1, 9], besides="I owe you a million.")
    before = replace(read(path), payload=canonical.encode(value)).to_bytes()
    path.write_bytes(before)
    assert run("bundle", "sign", path, "--key", keys / "max.pem") == 32
    assert "version 1.9" in capsys.readouterr().err
    assert path.read_bytes() == before
