"""A bundle checked as somebody asks for it: the reading and the order of the steps, the same for every door.

`mpk_tui.bundle.verify` looks at bytes alone.  Here the file is read, what the verifier remembers is looked up, the
bundle is held against earlier ones and against this machine where that is asked for, and a receipt is written.  What
is heavy is imported only where it is asked for, so that a check of signatures needs none of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from mpk_tui.bundle import receipt_log
from mpk_tui.bundle.limits import DEFAULT, Bounds
from mpk_tui.bundle.loading import read_bundle
from mpk_tui.bundle.outcome import SHOWN, Outcome, Word
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.bundle.verify import Expected, verify
from mpk_tui.errors import CancelledError, LimitError, MpkError, UsageError
from mpk_tui.progress import CancelToken, Report, silent
from mpk_tui.records import dataclass, field, replace

FOLDER, WEIGHTS = "folder", "weights"
"""What a checkpoint must match: all of its folder, or the tensors alone."""


@dataclass(frozen=True)
class Request:
    """What is to be checked, and against what.

    Attributes:
        bundle: The file.
        case: The case that it must belong to, or None.
        bundle_id: The id that it must have (32 bytes), or None.
        checkpoints: Folders or files on this machine to hash again and compare.
        match: `FOLDER`, or `WEIGHTS`: files are then listed and decide nothing.
        features: Where tensors do not match, compare features as well; needs NumPy.
        rerun: Compute the findings again from the bundle's own features; needs NumPy.
        earlier: Earlier bundles of the case, which this one must carry on.
        attachments: Folder with attachments that travel beside the bundle, or None.
        untrusted: The person asked to go on with content that is not to be relied on.
        receipts: Log of verifications, read and appended to; None neither reads nor writes one.
        bounds: What is accepted before it is refused as LIMIT.
    """

    bundle: Path
    case: str | None = None
    bundle_id: bytes | None = None
    checkpoints: tuple[Path, ...] = ()
    match: str = FOLDER
    features: bool = False
    rerun: bool = False
    earlier: tuple[Path, ...] = ()
    attachments: Path | None = None
    untrusted: bool = False
    receipts: Path | None = None
    bounds: Bounds = DEFAULT


@dataclass(frozen=True)
class Checked:
    """What a check found, and what it stood on.

    Attributes:
        outcome: The answer.
        store: Whom it believed; empty where the store itself could not be used.
        data: The bytes that were verified, or None where none were read.
        at: The clock that it went by, milliseconds since 1970, UTC; 0 where it did not come so far.
    """

    outcome: Outcome
    store: TrustStore = TrustStore()
    data: bytes | None = field(default=None, repr=False)
    at: int = 0


def check(
    request: Request,
    trust: Callable[[], TrustStore],
    report: Report = silent,
    cancel: CancelToken | None = None,
    tell: Callable[[str], None] | None = None,
) -> Checked:
    """Check a bundle as requested.

    Args:
        request: What is asked.
        trust: Opens the trust store; what goes wrong there is part of the answer.
        report: Progress of what takes long.
        cancel: Polled in what takes long.
        tell: Takes sentences about what was asked for and not done.

    Returns:
        The outcome.  Whatever kept us from an answer is INTERNAL.

    Raises:
        CancelledError: On request.
        UsageError: What was asked cannot be done as it was said; one that names a file is INTERNAL instead.
    """
    store = TrustStore()
    try:
        store = trust()
        return _check(request, store, report, cancel, tell or _nobody)
    except CancelledError:
        raise
    except MpkError as error:
        # A wrong option stays a usage error; whatever else kept us from an answer is INTERNAL.
        if isinstance(error, UsageError) and error.where is None:
            raise
        outcome = Outcome(Word.INTERNAL, error.diagnosis())
    except MemoryError:
        outcome = Outcome(Word.INTERNAL, "Out of memory; nothing was verified")
    except OSError as error:
        outcome = Outcome(Word.INTERNAL, f"{error.filename or request.bundle}: {error.strerror or error}")
    return Checked(outcome, store)


def bundle_id_of(text: str) -> bytes:
    """A bundle's id as people write it.

    Raises:
        UsageError: Not 64 hex digits.
    """
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise UsageError("a bundle's id has 64 hex digits")
    return digest


def _nobody(_: str) -> None:
    """There is nobody to tell."""


def _check(
    request: Request, store: TrustStore, report: Report, cancel: CancelToken | None, tell: Callable[[str], None]
) -> Checked:
    try:
        data = read_bundle(request.bundle, request.bounds)
    except LimitError as error:
        return Checked(Outcome(Word.LIMIT, error.diagnosis()), store)
    now = time.time_ns() // 1_000_000
    known = receipt_log.history(request.receipts)
    expected = Expected(request.case, request.bundle_id, history=known)
    if request.attachments is not None:
        from mpk_tui.bundle.later.attachments import beside

        expected = replace(expected, beside=beside(request.attachments))
    outcome = verify(data, store, now, expected, request.bounds)
    if cancel is not None:
        cancel.check()
    if request.earlier:
        outcome = _with_earlier(request, outcome, store, now, tell)
    if request.checkpoints:
        outcome = _with_checkpoints(request, outcome, report, cancel, tell)
    if request.rerun:
        outcome = _again(request, outcome, report, cancel, tell)
    return Checked(receipt_log.keep(request.receipts, outcome, known, data, now), store, data, now)


def _again(
    request: Request, outcome: Outcome, report: Report, cancel: CancelToken | None, tell: Callable[[str], None]
) -> Outcome:
    contents = outcome.shown(untrusted=request.untrusted)
    if contents is None:
        tell("the findings were not computed again: the bundle's content is not to be relied on")
        return outcome
    from mpk_tui.bundle.local.rerun import rerun

    return rerun(outcome, contents, report, cancel)


def _with_earlier(
    request: Request, outcome: Outcome, store: TrustStore, now: int, tell: Callable[[str], None]
) -> Outcome:
    if outcome.verdict not in SHOWN:
        tell("the earlier bundles were not compared: this one is not to be relied on")
        return outcome
    from mpk_tui.bundle.later.continuity import held_against

    earlier = []
    for path in request.earlier:
        try:
            found = verify(read_bundle(path, request.bounds), store, now, bounds=request.bounds)
        except LimitError as error:
            found = Outcome(Word.LIMIT, error.diagnosis())
        earlier.append((str(path), found))
    return held_against(outcome, earlier)


def _with_checkpoints(
    request: Request, outcome: Outcome, report: Report, cancel: CancelToken | None, tell: Callable[[str], None]
) -> Outcome:
    contents = outcome.shown(untrusted=request.untrusted)
    if contents is None:
        tell("the checkpoints were not compared: the bundle's content is not to be relied on")
        return outcome
    from mpk_tui.bundle.local.recheck import recheck

    outcome = recheck(outcome, contents, request.checkpoints, report, cancel, folder=request.match == FOLDER)
    if not request.features:
        return outcome
    from mpk_tui.bundle.local.featurematch import with_features

    return with_features(outcome, contents, report, cancel)
