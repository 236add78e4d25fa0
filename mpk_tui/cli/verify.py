"""Check an evidence bundle offline, optionally against checkpoints on this machine.

Whom you believe comes from your own trust store (--trust DIR, or the one in your data folder), or is one key (--key).
The last line is always VERDICT <word> <code>, and the code is the exit code.  VALID means: signature and contents
intact; this does not endorse the conclusion.  A deleted endorsement, or a newer bundle that is kept from you, cannot
be seen from one file.

With --checkpoint (repeatable) checkpoints are hashed again and held against the bundle: tensors by name and bytes
whatever files they lie in, and files.  Only what is presented is compared; an artifact that is not presented is named
and does not change the verdict.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from mpk_tui.bundle import wording
from mpk_tui.bundle.loading import read_bundle
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.bundle.trust import TrustStore, single_key
from mpk_tui.bundle.verify import Expected, verify
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import CancelledError, LimitError, MpkError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="evidence bundle (.mpkb)")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--trust", type=Path, metavar="DIR", help="trust store (default: the one in your data folder)")
    whom.add_argument("--key", type=Path, metavar="PEM", help="believe this public key alone, in any role")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="PATH", action="append", default=[], help="hash it again and compare"
    )
    parser.add_argument("--expect-case", metavar="ID", help="the case that the bundle must belong to")
    parser.add_argument("--expect-bundle", metavar="SHA256", help="the bundle's id (64 hex digits)")
    parser.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/verify/1)")
    parser.add_argument(
        "--show-untrusted", action="store_true", help="show the content even if it is not to be relied on"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    store = TrustStore()
    try:
        expected = Expected(args.expect_case, _digest(args.expect_bundle))
        store = trust_from(args)
        outcome = _outcome(args, store, expected)
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
        outcome = Outcome(Word.INTERNAL, f"{error.filename or args.bundle}: {error.strerror or error}")
    show(outcome, store, json=args.json, untrusted=args.show_untrusted)
    return int(outcome.code)


def trust_from(args: argparse.Namespace) -> TrustStore:
    """The trust store that the arguments name."""
    from mpk_tui.keys import store
    from mpk_tui.keys.public import read_public

    if args.key is not None:
        return single_key(read_public(args.key))
    return store.load(args.trust) if args.trust is not None else store.load_default()


def show(outcome: Outcome, store: TrustStore, *, json: bool, untrusted: bool) -> None:
    """Print an outcome; the verdict's line comes last."""
    if json:
        emit_json(wording.as_record(outcome, untrusted=untrusted, dated=store.dated))
        narrate(wording.verdict_line(outcome))
        return
    for line in wording.lines(outcome, untrusted=untrusted, dated=store.dated):
        emit(line)
    emit(wording.verdict_line(outcome))


def _outcome(args: argparse.Namespace, store: TrustStore, expected: Expected) -> Outcome:
    try:
        data = read_bundle(args.bundle)
    except LimitError as error:
        return Outcome(Word.LIMIT, error.diagnosis())
    outcome = verify(data, store, time.time_ns() // 1_000_000, expected)
    if not args.checkpoint:
        return outcome
    contents = outcome.shown(untrusted=args.show_untrusted)
    if contents is None:
        narrate("the checkpoints were not compared: the bundle's content is not to be relied on")
        return outcome
    from mpk_tui.bundle.recheck import recheck

    return recheck(outcome, contents, args.checkpoint, progress_bar())


def _digest(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise UsageError("--expect-bundle needs 64 hex digits")
    return digest
