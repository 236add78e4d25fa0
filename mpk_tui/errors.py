"""One root error with a diagnosis for people and an exit code for scripts.

Exit codes are an API: they live here and nowhere else.  A code below 10 is never a verdict; 1 is left to
Python's own traceback and is therefore a bug.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Every way in which a command can end."""

    OK = 0
    USAGE = 2
    PARTIAL = 10
    UNTRUSTED = 11
    EXPIRED = 12
    REVOKED = 13
    REPLAY = 14
    ALTERED = 20
    MISMATCH = 21
    INCONSISTENT = 22
    MALFORMED = 30
    LIMIT = 31
    UNSUPPORTED = 32
    INTERNAL = 40
    INCOMPLETE = 50
    LINKED = 60
    INTERRUPTED = 130


class MpkError(Exception):
    """Root of all errors that this package raises on purpose.

    Args:
        what: What was expected and what was found, one sentence without a final stop.
        where: The file, tensor, field or byte offset; untrusted text, escaped when it is shown.
        hint: What the person can do next.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def diagnosis(self) -> str:
        """The whole message for a person: place, fault, next step.  Not yet escaped (see `mpk_tui.text`)."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}. {self.hint}" if self.hint else head

    def __str__(self) -> str:
        return self.diagnosis()


class UsageError(MpkError):
    """The command line or an argument cannot be used as given."""

    exit_code = ExitCode.USAGE


class MalformedError(MpkError):
    """Bytes from outside that do not follow their format."""

    exit_code = ExitCode.MALFORMED


class LimitError(MpkError):
    """Refused before it was read: a declared size exceeds what we accept."""

    exit_code = ExitCode.LIMIT


class UnsupportedError(MpkError):
    """Well-formed as far as we can see, but it needs a reader that we are not."""

    exit_code = ExitCode.UNSUPPORTED


class StorageError(MpkError):
    """The operating system refused to read or write."""

    exit_code = ExitCode.INTERNAL


class UnstableFileError(StorageError):
    """A file changed while it was being read."""


class KeyFileError(MpkError):
    """A private key cannot be opened (wrong passphrase, wrong kind, unsafe permissions)."""

    exit_code = ExitCode.INTERNAL


class TrustStoreError(MpkError):
    """A signed trust store that must not be believed: its root did not sign it, or it does not follow the last one."""

    exit_code = ExitCode.INTERNAL


class IncompleteCaseError(MpkError):
    """The case lacks something that a signature needs."""

    exit_code = ExitCode.INCOMPLETE


class CancelledError(MpkError):
    """The person asked to stop."""

    exit_code = ExitCode.INTERRUPTED

    def __init__(self, what: str = "stopped on request; nothing was written") -> None:
        super().__init__(what)
