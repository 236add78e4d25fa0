"""A bundle from somebody else, as the interface works on it: the same calls as ``mpk-tui verify`` and ``report``.

Everything here that reads or computes is work for a thread.  What was verified is kept as bytes: an endorsement or a
report is made of those and never of a file that was read again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mpk_tui.bundle import wording
from mpk_tui.bundle.checking import FOLDER, Checked, Request, bundle_id_of, check
from mpk_tui.bundle.outcome import Outcome
from mpk_tui.errors import StorageError, UsageError
from mpk_tui.keys import store
from mpk_tui.keys.whom import Whom
from mpk_tui.keys.words import words
from mpk_tui.progress import CancelToken, Report
from mpk_tui.text import hex_groups

YES, NO = "yes", "no"


@dataclass(frozen=True)
class Opened:
    """A bundle that was checked.

    Attributes:
        request: What was asked.
        whom: Whom the person said to believe.
        checked: What was found, with the bytes and the store that it rests on.
        asides: What was asked for and not done, as sentences.
        untrusted: Content that is not to be relied on is shown, on request.
    """

    request: Request
    whom: Whom
    checked: Checked
    asides: tuple[str, ...] = ()
    untrusted: bool = False

    @property
    def outcome(self) -> Outcome:
        """The answer."""
        return self.checked.outcome

    def trust_lines(self) -> list[str]:
        """Which store the verdict rests on: its number, date and root, beside every verdict."""
        found = self.checked.store
        if self.whom.key is not None:
            return [
                f"trust    the one public key in {self.whom.key}, in any role; with a single key no revocation is known"
            ]
        if not found.people:
            return ["trust    your store holds nobody; every signer is untrusted"]
        out = wording.trust_lines(found.dated, found.edition)
        if found.edition is not None:
            out.append(f"         in words: {words(found.edition.root)}")
        count = len(found.people)
        return [*out, f"         it holds {count} {'person' if count == 1 else 'people'}"]

    def trust_brief(self) -> str:
        """The same in two lines of a small window."""
        found = self.checked.store
        if self.whom.key is not None or not found.people or found.dated is None:
            return self.trust_lines()[0]
        day = wording.when(found.dated)[:10]
        if found.edition is None:
            return f"trust    your store of {day}; revocations since then are not known here"
        which = "the store that you named" if found.edition.given else "your store"
        root = hex_groups(found.edition.root, 4)
        return (
            f"trust    {which}, number {found.edition.number} of {day}, root {root}…; revocations after its date are "
            "not known here"
        )

    def receipt_line(self) -> str:
        """Where this check was written down."""
        if self.request.receipts is None:
            return "No receipt of this check was kept, as you asked."
        return f"Receipts of checks are kept in {self.request.receipts}."


def request_of(values: dict[str, str]) -> tuple[Request, Whom]:
    """What a person asked for in the form *Verify a bundle*.

    Args:
        values: ``bundle``, ``trust``, ``key``, ``stale``, ``case``, ``id``, ``receipt`` as typed.

    Raises:
        UsageError: Nothing was named, both a store and a key, or an id that is none.
    """
    bundle, trust, key, case, identity = (values[n].strip() for n in ("bundle", "trust", "key", "case", "id"))
    if not bundle:
        raise UsageError("type the path of a bundle")
    if not os.path.lexists(_path(bundle)):
        raise UsageError(f"{bundle}: there is nothing at this path")
    if trust and key:
        raise UsageError("name a trust store or a key, not both")
    receipts = store.default_receipts() if values["receipt"] == YES else None
    request = Request(
        _path(bundle), case=case or None, bundle_id=bundle_id_of(identity) if identity else None, receipts=receipts
    )
    return request, Whom(_path(trust) if trust else None, _path(key) if key else None, values["stale"] == YES)


def compared_with(request: Request, values: dict[str, str], untrusted: bool) -> Request:
    """The same bundle, held against what is here: the form *Compare with what is here*.

    Args:
        request: Of the bundle that is open.
        values: ``checkpoints`` and ``earlier`` (one path a line), ``match``, ``features``, ``rerun``, ``attachments``.
        untrusted: Go on with content that is not to be relied on.

    Raises:
        UsageError: Nothing was named that could be compared.
    """
    checkpoints, earlier = (_paths(values[name]) for name in ("checkpoints", "earlier"))
    folder = values["attachments"].strip()
    rerun, features = values["rerun"] == YES, values["features"] == YES
    if not (checkpoints or earlier or folder or rerun):
        raise UsageError("name a checkpoint, an earlier bundle or a folder with attachments, or compute again")
    if features and not checkpoints:
        raise UsageError("features are compared with those of a checkpoint; name one")
    return replace(
        request, checkpoints=checkpoints, earlier=earlier, attachments=_path(folder) if folder else None,
        match=values["match"] or FOLDER, features=features, rerun=rerun, untrusted=untrusted,
    )  # fmt: skip


def checking(request: Request, whom: Whom, untrusted: bool = False) -> Callable[[Report, CancelToken], Opened]:
    """Work for a thread: check a bundle, and write the receipt.

    Args:
        request: What is asked.
        whom: Whom to believe.
        untrusted: Show content that is not to be relied on.
    """

    def work(report: Report, cancel: CancelToken) -> Opened:
        asides: list[str] = []
        found = check(request, whom.store, report, cancel, asides.append)
        return Opened(request, whom, found, tuple(asides), untrusted)

    return work


def new_file(text: str) -> Path:
    """A path that somebody typed for a file that is to be written.

    Raises:
        UsageError: Nothing was typed.
        StorageError: Something is there already, or its folder cannot be written to.
    """
    if not text.strip():
        raise UsageError("type the path of the file to write")
    path = _path(text.strip())
    if os.path.lexists(path):
        raise StorageError("exists; it is not overwritten", where=str(path), hint="Name a new file")
    if not os.access(path.parent, os.W_OK):
        raise StorageError("is no folder that can be written", where=str(path.parent))
    return path


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(_path(line.strip()) for line in text.splitlines() if line.strip())
