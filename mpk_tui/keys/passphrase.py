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


class Secret:
    """Bytes that do not show themselves, in no message, no representation and no listing of local variables.

    Attributes:
        value: The bytes.
    """

    __slots__ = ("value",)

    def __init__(self, value: bytes) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


class Passphrase(Secret):
    """A passphrase, UTF-8."""

    __slots__ = ()


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
    given = Passphrase(b"")
    try:
        while b"\n" not in given.value and len(given.value) <= MOST:
            before = len(given.value)
            given.value += os.read(descriptor, MOST + 1 - before)
            if len(given.value) == before:
                break
    except OSError as error:
        raise UsageError(f"no passphrase can be read from descriptor {descriptor} ({error.strerror})") from None
    except OverflowError:
        raise UsageError(f"{descriptor} is not a file descriptor") from None
    given.value = given.value.split(b"\n", 1)[0].removesuffix(b"\r")
    return _checked(given)


def ask(prompt: str = "Passphrase: ") -> Passphrase:
    """Ask once, without echo."""
    no_core_files()
    _terminal_only()
    return _checked(Passphrase(getpass.getpass(prompt).encode("utf-8", "surrogateescape")))


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


def _checked(given: Passphrase) -> Passphrase:
    if not given.value:
        raise UsageError("the passphrase is empty", hint="A signing key needs one")
    if len(given.value) > MOST:
        raise UsageError(f"the passphrase is longer than {MOST} bytes")
    return given
