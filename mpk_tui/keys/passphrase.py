"""Asking for a passphrase: from a terminal or a file descriptor, never from arguments or the environment.

Python cannot wipe memory; what can be done is done: no core file is written once a passphrase has been read, and the
passphrase appears in no message, record or representation.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import sys

from mpk_tui.errors import UsageError

MOST = 1024


class Passphrase:
    """Bytes that do not show themselves.

    Attributes:
        value: The passphrase, UTF-8.
    """

    __slots__ = ("value",)

    def __init__(self, value: bytes) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "Passphrase(…)"


def no_core_files() -> None:
    """Keep this process from leaving its memory on the disk when it dies."""
    import resource

    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def from_descriptor(descriptor: int) -> Passphrase:
    """Read one line from an open file descriptor.

    Raises:
        UsageError: The descriptor cannot be read, or the line is empty or too long.
    """
    no_core_files()
    raw = b""
    try:
        while b"\n" not in raw and len(raw) <= MOST:
            chunk = os.read(descriptor, MOST + 1 - len(raw))
            if not chunk:
                break
            raw += chunk
    except OSError as error:
        raise UsageError(f"no passphrase can be read from descriptor {descriptor} ({error.strerror})") from None
    return _checked(raw.split(b"\n", 1)[0].removesuffix(b"\r"))


def ask(prompt: str = "Passphrase: ") -> Passphrase:
    """Ask once, without echo."""
    no_core_files()
    _terminal_only()
    return _checked(getpass.getpass(prompt).encode("utf-8", "surrogateescape"))


def ask_new() -> Passphrase:
    """Ask twice for a new passphrase.

    Raises:
        UsageError: The two differ.
    """
    first = ask("New passphrase: ")
    if ask("Once more: ").value != first.value:
        raise UsageError("the two passphrases differ", hint="Nothing was written; start again")
    return first


def _terminal_only() -> None:
    # getpass falls back to an echoing read without a terminal: refuse instead.
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        if not sys.stdin.isatty():
            raise UsageError(
                "there is no terminal to ask for a passphrase", hint="Give it with --passphrase-fd N"
            ) from None


def _checked(raw: bytes) -> Passphrase:
    if not raw:
        raise UsageError("the passphrase is empty", hint="A signing key needs one")
    if len(raw) > MOST:
        raise UsageError(f"the passphrase is longer than {MOST} bytes")
    return Passphrase(raw)
