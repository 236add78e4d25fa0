"""An endorsement as the interface asks for it: the same calls as ``mpk-tui bundle endorse``, into a new file.

The key is opened in the thread that signs; the passphrase lives as long as that takes and shows itself nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from mpk_tui.errors import UsageError
from mpk_tui.files import write_file
from mpk_tui.keys.endorsing import Statement, endorsed, file_signer, suite_of_bundle
from mpk_tui.keys.passphrase import Passphrase, no_core_files
from mpk_tui.progress import CancelToken, Report
from mpk_tui.tui.verifying import Opened, new_file

KINDS = (
    ("concur", "concur"),
    ("dissent", "dissent"),
    ("witness", "witness: it existed"),
    ("receipt", "receipt of this check"),
    ("timestamp", "timestamp token"),
)
"""Kinds that a person gives.  The sixth, redaction, is made by ``bundle redact``, which takes something out."""


def statement_of(values: dict[str, str]) -> Statement:
    """What a person wants to say.

    Args:
        values: ``kind``, ``id``, ``role``, ``statement``, ``reviewed`` (section ids with blanks between), ``token``.

    Raises:
        UsageError: A name, a role or a token is missing, or something does not go with the kind.
    """
    kind, name, role = values["kind"], values["id"].strip(), values["role"].strip()
    if not name or not role:
        raise UsageError("an endorsement needs a name and a role")
    if kind == "dissent" and not values["statement"].strip():
        raise UsageError("a dissent needs a statement: say what you do not agree with, and why")
    token = values["token"].strip()
    return Statement(
        kind, name, role, values["statement"], tuple(values["reviewed"].replace(",", " ").split()),
        Path(token).expanduser() if token else None,
    )  # fmt: skip


def endorsing(opened: Opened, values: dict[str, str]) -> tuple[Callable[[Report, CancelToken], Path], Path]:
    """Take the form's values; the rest, from opening the key on, is work for a thread.

    Args:
        opened: The bundle as it was shown; what may not be shown is not signed.
        values: As for `statement_of`, with ``key``, ``passphrase`` and ``out``.

    Raises:
        UsageError: Something was not given, or the content was not shown.
        StorageError: The target exists or its folder cannot be written.
    """
    data, at = opened.checked.data, opened.checked.at
    if data is None or opened.outcome.shown(untrusted=opened.untrusted) is None:
        raise UsageError("what may not be shown is not signed")
    said = statement_of(values)
    if not values["key"].strip():
        raise UsageError("name your private key file")
    path = new_file(values["out"])
    key = Path(values["key"].strip()).expanduser()
    no_core_files()
    secret = Passphrase(values["passphrase"].encode("utf-8", "surrogateescape")) if values["passphrase"] else None

    def work(report: Report, cancel: CancelToken) -> Path:
        signer = file_signer([key], suite_of_bundle(data), secret)
        # A bundle may stand open for hours: what is said of it is dated when it is said, never before the check.
        made = endorsed(said, opened.outcome, data, at, signer, max(at, time.time_ns() // 1_000_000))
        cancel.check()
        write_file(new_file(str(path)), made)
        return path

    return work, path
