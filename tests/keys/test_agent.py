"""Signatures by an ssh-agent: a real one, and one that lies, hangs and shouts."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpk_tui.bundle.suites import ED25519, ML_DSA_65, PublicKey
from mpk_tui.errors import KeyFileError, UsageError
from mpk_tui.keys import agent
from mpk_tui.keys.private import SigningKey
from mpk_tui.keys.public import read_public
from mpk_tui.keys.signing import signatures

SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = PublicKey(ED25519, SECRET.public_key().public_bytes_raw())
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
MESSAGE = b"DSSEv1 1 t 4 body"


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def blob(key: PublicKey = KEY, kind: bytes = b"ssh-ed25519") -> bytes:
    return string(kind) + string(key.raw)


def listing(*blobs: bytes, count: int | None = None) -> bytes:
    body = b"".join(string(b) + string(b"comment") for b in blobs)
    return bytes((12,)) + (len(blobs) if count is None else count).to_bytes(4, "big") + body


def signed(signature: bytes, kind: bytes = b"ssh-ed25519") -> bytes:
    return bytes((14,)) + string(string(kind) + string(signature))


Answer = bytes | Callable[[socket.socket, bytes], None]


@contextlib.contextmanager
def fake(folder: Path, *answers: Answer) -> Iterator[str]:
    """A socket that gives one prepared answer on each connection; bytes are framed, a function does as it likes."""
    path = str(folder / "s")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(4)
    server.settimeout(20)

    def serve() -> None:
        for answer in answers:
            try:
                line, _ = server.accept()
            except OSError:
                return
            with line:
                line.settimeout(20)
                head = line.recv(4)
                request = b""
                while len(request) < int.from_bytes(head, "big"):
                    request += line.recv(1 << 16)
                with contextlib.suppress(OSError):
                    if callable(answer):
                        answer(line, request)
                    else:
                        line.sendall(string(answer))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield path
    finally:
        server.close()
        thread.join()


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A short path: that of a Unix socket has at most some hundred bytes."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="mpk") as path:
        yield Path(path)


def test_an_honest_agent(folder: Path) -> None:
    seen: list[bytes] = []

    def sign(line: socket.socket, request: bytes) -> None:
        seen.append(request)
        line.sendall(string(signed(SECRET.sign(MESSAGE))))

    with fake(folder, listing(blob(), blob(), string(b"ssh-rsa") + string(b"\1\0\1")), sign) as path:
        signer = agent.open_signer(None, path=path)
        assert signer.keys == (KEY,)
        (made,) = signatures(signer, MESSAGE)
    assert (made.keyid, made.sig) == (KEY.keyid, SECRET.sign(MESSAGE))
    assert seen == [bytes((13,)) + string(blob()) + string(MESSAGE) + bytes(4)]


def hang(line: socket.socket, request: bytes) -> None:
    line.recv(1)  # until the other side gives up


def drip(line: socket.socket) -> None:
    """A byte now and then: every single read is quick, the whole never ends."""
    line.sendall((1000).to_bytes(4, "big"))
    for _ in range(400):
        line.sendall(b"\0")
        time.sleep(0.05)


def raw(data: bytes) -> Callable[[socket.socket, bytes], None]:
    return lambda line, request: line.sendall(data)


LISTINGS: dict[str, Answer] = {
    "nothing": raw(b""),
    "half a length": raw(b"\0\0"),
    "length 0": raw(bytes(4)),
    "length 4 G": raw(b"\xff\xff\xff\xff\x0c"),
    "length over the limit": raw((agent.MOST_BYTES + 1).to_bytes(4, "big") + b"\x0c"),
    "cut": raw((100).to_bytes(4, "big") + listing(blob())[:20]),
    "another type": bytes((14,)) + listing(blob())[1:],
    "no count": bytes((12,)),
    "half a count": bytes((12, 0, 0)),
    "count too high": listing(blob(), count=2),
    "count 4 G": listing(blob(), count=0xFFFFFFFF),
    "count too low": listing(blob(), blob(), count=1),
    "bytes after it": listing(blob()) + b"x",
    "key of huge length": bytes((12,)) + (1).to_bytes(4, "big") + b"\xff\xff\xff\xff" + blob(),
    "no kind": listing(b"\0\0"),
    "kind of huge length": listing(b"\xff\xff\xff\xff"),
    "short key": listing(string(b"ssh-ed25519") + string(KEY.raw[:31])),
    "more after the key": listing(blob() + b"x"),
    "garbage": bytes((12,)) + bytes(range(1, 151)) * 2,
    "text": raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "hangs": hang,
    "drips": lambda line, request: drip(line),
}  # fmt: skip


ENDLESS = ("hangs", "drips")


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_that_is_none_ends_in_a_sentence(name: str, folder: Path) -> None:
    with fake(folder, LISTINGS[name]) as path, pytest.raises(KeyFileError) as refused:
        agent.identities(path, seconds=0.4 if name in ENDLESS else 30)
    assert ("within" in refused.value.what) == (name in ENDLESS)
    assert refused.value.where == path


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


ANSWERS: dict[str, Answer] = {
    "refused": bytes((5,)),
    "done without a signature": bytes((6,)),
    "a listing": listing(blob()),
    "no content": bytes((14,)),
    "signature of another key": signed(OTHER.sign(MESSAGE)),
    "signature of another message": signed(SECRET.sign(MESSAGE + b"!")),
    "a bit turned": signed(flipped(SECRET.sign(MESSAGE))),
    "63 bytes": signed(SECRET.sign(MESSAGE)[:-1]),
    "65 bytes": signed(SECRET.sign(MESSAGE) + b"\0"),
    "zeros": signed(bytes(64)),
    "no bytes": signed(b""),
    "a FIDO signature": signed(SECRET.sign(MESSAGE), b"sk-ssh-ed25519@openssh.com"),
    "an RSA signature": signed(bytes(256), b"rsa-sha2-512"),
    "bytes after it": signed(SECRET.sign(MESSAGE)) + b"x",
    "bytes within": bytes((14,)) + string(string(b"ssh-ed25519") + string(SECRET.sign(MESSAGE)) + b"x"),
    "huge length within": bytes((14,)) + b"\xff\xff\xff\xff" + SECRET.sign(MESSAGE),
    "length 4 G": raw(b"\xff\xff\xff\xff\x0e"),
    "garbage": bytes((14,)) + bytes(range(1, 101)),
    "cut": raw((90).to_bytes(4, "big") + bytes((14,))),
    "hangs": hang,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_no_signature_is_not_used(name: str, folder: Path) -> None:
    with fake(folder, ANSWERS[name]) as path:
        seconds = 0.4 if name in ENDLESS else 30
        signer = agent.AgentSigner(path, agent.Identity("ssh-ed25519", blob(), KEY), seconds)
        with pytest.raises(KeyFileError) as refused:
            signer.sign(MESSAGE)
    assert ("within" in refused.value.what) == (name in ENDLESS)


def test_s_plus_l_is_not_accepted_from_an_agent(folder: Path) -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    good = SECRET.sign(MESSAGE)
    high = good[:32] + (int.from_bytes(good[32:], "little") + order).to_bytes(32, "little")
    with fake(folder, signed(high)) as path:
        signer = agent.AgentSigner(path, agent.Identity("ssh-ed25519", blob(), KEY))
        with pytest.raises(KeyFileError, match="does not fit"):
            signer.sign(MESSAGE)


def test_a_message_that_no_agent_takes_is_not_sent() -> None:
    signer = agent.AgentSigner("/nowhere", agent.Identity("ssh-ed25519", blob(), KEY))
    with pytest.raises(KeyFileError, match="takes at most"):
        signer.sign(bytes(agent.MOST_BYTES))


def test_which_key_is_meant(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = PublicKey(ED25519, OTHER.public_key().public_bytes_raw())
    low = PublicKey(ED25519, (1).to_bytes(32, "little"))
    fido = string(b"sk-ssh-ed25519@openssh.com") + string(KEY.raw) + string(b"ssh:")
    two = listing(blob(), blob(second), fido)
    with fake(folder, two, two, two, two, two) as path:
        assert agent.open_signer(KEY, path=path).keys == (KEY,)
        assert agent.open_signer(None, [second], path=path).keys == (second,)
        with pytest.raises(UsageError, match="2 keys"):
            agent.open_signer(None, path=path)
        with pytest.raises(KeyFileError, match="none of the keys"):
            agent.open_signer(None, [low], path=path)
        with pytest.raises(KeyFileError, match="does not hold"):
            agent.open_signer(low, path=path)
    (folder / "s").unlink()
    with fake(folder, listing(fido), listing(), listing(blob(low)), bytes((5,))) as path:
        with pytest.raises(KeyFileError, match="another structure"):
            agent.open_signer(None, path=path)
        with pytest.raises(KeyFileError, match="holds no"):
            agent.open_signer(None, path=path)
        with pytest.raises(KeyFileError, match="holds no"):  # a key of low order is not offered to sign
            agent.open_signer(None, path=path)
        with pytest.raises(KeyFileError, match="refused"):
            agent.open_signer(None, path=path)
    with pytest.raises(UsageError, match="ML-DSA-65"):
        agent.open_signer(PublicKey(ML_DSA_65, bytes(1952)), path="/nowhere")


def test_no_agent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(UsageError, match="SSH_AUTH_SOCK"):
        agent.open_signer(None)
    (folder / "file").write_bytes(b"")
    for path in (str(folder / "none"), str(folder / "file"), str(folder), "/" + "a" * 300):
        monkeypatch.setenv("SSH_AUTH_SOCK", path)
        with pytest.raises(KeyFileError, match="cannot be reached"):
            agent.open_signer(None)


def test_handing_a_key_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "SIGNING_SECONDS", 1.0)  # an agent that hangs is waited for, but not that long here
    seen: list[bytes] = []

    def take(line: socket.socket, request: bytes) -> None:
        seen.append(request)
        line.sendall(string(bytes((6,))))

    key = SigningKey(SECRET)
    with fake(folder, take, bytes((5,)), bytes((12,)), hang) as path:
        agent.hand_over(key, "anna.pem", 60, path=path)
        for _ in range(3):
            with pytest.raises(KeyFileError):
                agent.hand_over(key, "anna.pem", 60, path=path)
    parts = string(b"ssh-ed25519") + string(KEY.raw) + string(bytes(range(32)) + KEY.raw) + string(b"anna.pem")
    assert seen == [bytes((25,)) + parts + bytes((1, 0, 0, 0, 60))]
    for lifetime in (0, -1, 1 << 32):
        with pytest.raises(UsageError):
            agent.hand_over(key, "anna.pem", lifetime, path="/nowhere")


# --- a real agent -------------------------------------------------------------------------------------------------------


@pytest.fixture
def real(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An ssh-agent of this test's own, in the foreground, on a socket in ``folder``."""
    program = shutil.which("ssh-agent")
    if program is None or shutil.which("ssh-add") is None:
        pytest.skip("ssh-agent and ssh-add are not installed")
    path = folder / "agent"
    running = subprocess.Popen([program, "-D", "-a", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(2400):
            if path.exists():
                break
            time.sleep(0.05)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        yield folder
    finally:
        running.terminate()
        running.wait()


def tool(*arguments: str) -> str:
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout


def test_a_real_agent_signs_with_its_own_key(real: Path) -> None:
    for name in ("a", "b"):
        tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(real / name))
        tool("ssh-add", "-q", str(real / name))
    tool("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(real / "r"))
    tool("ssh-add", "-q", str(real / "r"))
    assert [i.kind for i in agent.identities(str(real / "agent"))] == ["ssh-ed25519", "ssh-ed25519", "ssh-rsa"]
    key = read_public(real / "b.pub")
    (made,) = signatures(agent.open_signer(key), MESSAGE)
    assert key.verifies(made.sig, MESSAGE)
    with pytest.raises(UsageError, match="2 keys"):
        agent.open_signer(None)
    tool("ssh-add", "-D")
    with pytest.raises(KeyFileError, match="holds no"):
        agent.open_signer(None)


def test_a_real_agent_takes_our_key_and_signs_as_the_file_does(real: Path) -> None:
    key = SigningKey(SECRET)
    agent.hand_over(key, "anna.pem", 600)
    assert "anna.pem (ED25519)" in tool("ssh-add", "-l")
    message = bytes(200_000)
    (made,) = signatures(agent.open_signer(None), message)
    assert made.sig == key.sign(message)
