"""Signatures by an ssh-agent: the private key stays in another process, or on a card behind it.

The agent is spoken to over its Unix socket (SSH_AUTH_SOCK) in the protocol of draft-miller-ssh-agent: a frame is
``uint32 length | byte type | content``; 11 asks for the keys, 12 answers; 13 asks for a signature, 14 answers; 25 hands
a key over; 6 is done, 5 is a refusal.  An ``ssh-ed25519`` signature is the plain Ed25519 signature of the bytes that
were sent (RFC 8709, section 6), so a verifier cannot tell it from one that was made with a key file.  Keys of FIDO
tokens (``sk-``) sign another structure, in which the message is only hashed, and are refused.

Whatever answers is not believed: frames are bounded before they are read, every exchange ends at a time-out, and a
signature is checked strictly before it is handed on.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from mpk_tui.bundle.suites import ED25519, NAMES, SIGNATURE_BYTES, PublicKey
from mpk_tui.errors import KeyFileError, UsageError
from mpk_tui.keys.passphrase import Secret
from mpk_tui.keys.private import SigningKey
from mpk_tui.keys.public import SSH_ED25519, fingerprint, ssh_key

REFUSAL, DONE, ASK_KEYS, KEYS, ASK_SIGNATURE, SIGNATURE, ADD_CONSTRAINED = 5, 6, 11, 12, 13, 14, 25
LIFETIME, CONFIRM = 1, 2  # constraints of an added key
MOST_BYTES = 256 << 10
"""The largest frame in either direction; what OpenSSH's agent accepts (AGENT_MAX_LEN)."""
MOST_KEYS = 1_000
LISTING_SECONDS = 10.0
SIGNING_SECONDS = 120.0
"""An agent may ask its owner (``ssh-add -c``), or a card for a touch."""


@dataclass(frozen=True)
class Identity:
    """A key that an agent offers: its kind, and the key itself if it is one that can sign here."""

    kind: str
    blob: bytes
    key: PublicKey | None


class AgentSigner:
    """One Ed25519 key of an agent, as `mpk_tui.keys.signing.MessageSigner`."""

    def __init__(self, path: str, identity: Identity, seconds: float = SIGNING_SECONDS) -> None:
        assert identity.key is not None
        self._path = path
        self._blob = identity.blob
        self._seconds = seconds
        self.keys: tuple[PublicKey, ...] = (identity.key,)

    def sign(self, message: bytes) -> tuple[bytes, ...]:
        """The signature that the agent made, checked.

        Raises:
            KeyFileError: The agent refuses, does not answer in time or not in its protocol, or what it returns does not
                fit the key.
        """
        request = bytes((ASK_SIGNATURE,)) + _string(self._blob) + _string(message) + bytes(4)
        if len(request) > MOST_BYTES:
            raise KeyFileError(
                f"an ssh-agent takes at most {MOST_BYTES} bytes, the request has {len(request)}", where=self._path,
                hint="Sign with a key file, or with --request on another machine",
            )  # fmt: skip
        kind, content = _exchange(self._path, Secret(request), self._seconds)
        if kind == REFUSAL:
            raise KeyFileError(
                "the ssh-agent refused to sign", where=self._path, hint="Is it locked, or was a question denied?"
            )
        if kind != SIGNATURE:
            raise _strange(self._path)
        try:
            (record,) = _strings(content, 1)
            name, signature = _strings(record, 2)
        except ValueError:
            raise _strange(self._path) from None
        if name != SSH_ED25519 or len(signature) != SIGNATURE_BYTES[ED25519]:
            raise _strange(self._path)
        if not self.keys[0].verifies(signature, message):
            raise KeyFileError(
                f"the ssh-agent returned a signature that does not fit key {self.keys[0].keyid.hex()[:16]}…",
                where=self._path, hint="Nothing was signed; do not use this agent",
            )  # fmt: skip
        return (signature,)


def open_signer(wanted: PublicKey | None, among: Sequence[PublicKey] = (), *, path: str | None = None) -> AgentSigner:
    """The agent's key that is to sign.

    Args:
        wanted: Exactly this one.
        among: Otherwise the only one of these that the agent has; empty: the only one that it has.
        path: Its socket; None: SSH_AUTH_SOCK.

    Raises:
        UsageError: No agent is named, or it is not clear which key is meant.
        KeyFileError: The agent does not answer, or does not hold the key.
    """
    if wanted is not None and wanted.alg != ED25519:
        raise UsageError(
            f"an ssh-agent signs with Ed25519, the public key is an {NAMES[wanted.alg]} one",
            hint="Sign with that half by --key KEY.ml-dsa-65.pem",
        )
    where = socket_path() if path is None else path
    held = identities(where)
    usable = {i.key: i for i in held if i.key is not None and i.key.sound()}
    if wanted is not None:
        fitting = [wanted] if wanted in usable else []
    else:
        fitting = [key for key in usable if not among or key in among]
    if not fitting:
        raise KeyFileError(_not_held(held, wanted, among), where=where, hint="ssh-add -l shows what it holds")
    if len(fitting) > 1:
        raise UsageError(
            f"the ssh-agent holds {len(fitting)} keys that could sign", hint="Say which: --public KEY.pub.pem"
        )
    return AgentSigner(where, usable[fitting[0]])


def _not_held(held: Sequence[Identity], wanted: PublicKey | None, among: Sequence[PublicKey]) -> str:
    if wanted is not None:
        what = f"the ssh-agent does not hold key {fingerprint(wanted)}"
    elif among:
        what = "the ssh-agent holds none of the keys that may sign"
    else:
        what = "the ssh-agent holds no ssh-ed25519 key"
    if any(i.kind.startswith("sk-") for i in held):
        what += "; its keys of FIDO tokens (sk-) sign another structure than the message and cannot be used"
    return what


def socket_path() -> str:
    """Where the agent listens.

    Raises:
        UsageError: SSH_AUTH_SOCK is not set.
    """
    path = os.environ.get("SSH_AUTH_SOCK", "")
    if not path:
        raise UsageError("there is no ssh-agent: SSH_AUTH_SOCK is not set", hint='Start one: eval "$(ssh-agent)"')
    return path


def identities(path: str, seconds: float = LISTING_SECONDS) -> tuple[Identity, ...]:
    """What an agent offers, each key once.

    Raises:
        KeyFileError: It does not answer in time or not in its protocol.
    """
    kind, content = _exchange(path, Secret(bytes((ASK_KEYS,))), seconds)
    if kind == REFUSAL:
        raise KeyFileError("the ssh-agent refused to list its keys", where=path, hint="Is it locked? ssh-add -X")
    try:
        if kind != KEYS or len(content) < 4:
            raise ValueError
        count = int.from_bytes(content[:4], "big")
        if count > MOST_KEYS:
            raise ValueError
        parts = _strings(content[4:], 2 * count)
        return tuple(_identity(blob) for blob in dict.fromkeys(parts[::2]))
    except ValueError:
        raise _strange(path) from None


def hand_over(key: SigningKey, comment: str, lifetime: int, *, confirm: bool = False, path: str | None = None) -> None:
    """Give an agent an open Ed25519 key to hold; ``ssh-add`` does not read the key files that we write.

    Args:
        key: The key.
        comment: What ``ssh-add -l`` shows beside it.
        lifetime: Seconds after which the agent forgets it.
        confirm: The agent asks its owner before each signature.
        path: Its socket; None: SSH_AUTH_SOCK.

    Raises:
        UsageError: No agent is named, another kind of key, or a lifetime that cannot be said.
        KeyFileError: The agent does not answer, or refuses.
    """
    if key.public.alg != ED25519:
        raise UsageError(f"an ssh-agent holds no {NAMES[key.public.alg]} key", hint="Keep that half in its file")
    if not 1 <= lifetime < 1 << 32:
        raise UsageError(f"a lifetime of {lifetime} seconds", hint="At least 1, less than 4294967296")
    where = socket_path() if path is None else path
    public = key.public.raw
    constraints = bytes((LIFETIME,)) + lifetime.to_bytes(4, "big") + (bytes((CONFIRM,)) if confirm else b"")
    request = Secret(
        bytes((ADD_CONSTRAINED,)) + _string(SSH_ED25519) + _string(public) + _string(key.seed().value + public)
        + _string(comment.encode("utf-8", "replace")) + constraints
    )  # fmt: skip
    kind, _ = _exchange(where, request, SIGNING_SECONDS)
    if kind == REFUSAL:
        raise KeyFileError("the ssh-agent refused to take the key", where=where, hint="Is it locked? ssh-add -X")
    if kind != DONE:
        raise _strange(where)


def _identity(blob: bytes) -> Identity:
    size = int.from_bytes(blob[:4], "big")
    if len(blob) < 4 or size > len(blob) - 4:
        raise ValueError
    kind = blob[4 : 4 + size]
    key = None
    if kind == SSH_ED25519:
        try:
            key = ssh_key(blob, "ssh-agent")
        except KeyFileError:
            raise ValueError from None
    return Identity(kind.decode("ascii", "replace"), blob, key)


def _strange(path: str) -> KeyFileError:
    return KeyFileError(
        "does not answer as an ssh-agent does", where=path, hint="Is SSH_AUTH_SOCK the socket of an agent?"
    )


def _exchange(path: str, request: Secret, seconds: float) -> tuple[int, bytes]:
    """One request and its answer: type and content, on a connection of its own that ends by ``seconds``."""
    deadline = time.monotonic() + seconds
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(seconds)
            line.connect(path)
            line.sendall(_string(request.value))  # sendall counts its time-out over the whole of it
            head = _receive(line, 4, deadline, path)
            size = int.from_bytes(head, "big")
            if not 1 <= size <= MOST_BYTES:
                raise _strange(path)
            answer = _receive(line, size, deadline, path)
    except TimeoutError:
        raise KeyFileError(
            f"the ssh-agent did not answer within {seconds:g} seconds", where=path, hint="Nothing was signed"
        ) from None
    except OSError as error:
        raise KeyFileError(
            f"the ssh-agent cannot be reached ({error.strerror or error})", where=path,
            hint="Is it running? ssh-add -l should answer",
        ) from None  # fmt: skip
    return answer[0], answer[1:]


def _receive(line: socket.socket, count: int, deadline: float, path: str) -> bytes:
    """Exactly ``count`` bytes before the deadline, however slowly they come."""
    got = bytearray()
    while len(got) < count:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        line.settimeout(left)
        chunk = line.recv(min(count - len(got), 1 << 16))
        if not chunk:
            raise _strange(path)
        got += chunk
    return bytes(got)


def _string(data: bytes) -> bytes:
    """A string of RFC 4251, section 5: its length as uint32, then its bytes."""
    return len(data).to_bytes(4, "big") + data


def _strings(data: bytes, count: int) -> list[bytes]:
    """Exactly ``count`` strings and nothing after them; ValueError otherwise."""
    out, at = [], 0
    for _ in range(count):
        if at + 4 > len(data):
            raise ValueError
        size = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if size > len(data) - at:
            raise ValueError
        out.append(data[at : at + size])
        at += size
    if at != len(data):
        raise ValueError
    return out
