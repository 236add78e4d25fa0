"""Check an evidence bundle offline, optionally against checkpoints on this machine.

Whom you believe comes from your own trust store (--trust, or the one in your data folder), or is one key (--key).  A
store is a folder of people, or a signed store as a file; where a signed one is installed, it counts.
The last line is always VERDICT <word> <code>, and the code is the exit code.

VALID means: signature and contents intact, by people whom you believe.  It does not endorse the conclusion; findings
are the signers' claims, and derivation is not a licensing question.  Times in a bundle and in endorsements are claims
of those who signed.  A revocation is known here only if your trust store has it: the store's date is printed beside
the verdict, and with --key there is none.  A deleted endorsement, a dissent too, or a newer bundle that is kept from
you, cannot be seen from one file.

With --checkpoint (repeatable) checkpoints are hashed again and held against the bundle, and two questions are answered
apart: are these the weights (by name and bytes, whatever files they lie in), and is this the folder.  A file that was
changed or added and could change what is run or loaded is a MISMATCH, hidden ones above all; with --match weights files
are listed and decide nothing.  Weights in another number format match no digest; --features tells whether their
features lie near, which supports and never decides.  Only what is presented is compared; an artifact that is not
presented is named and does not change the verdict.

With --rerun the findings are computed again from the features that the bundle carries, and held against the signed
ones; it needs NumPy.  Features show less than weights did, and what they cannot show is said.

With --earlier (repeatable) the bundle is held against earlier ones of its case: its log must begin with theirs.
--attachments names a folder with attachments that travel beside the bundle.

Every verification is written down: time, verdict, the file's digest, case, number and signers, one line in
receipts.jsonl in your data folder.  A bundle older than one seen before is then REPLAY.  --no-receipt leaves it out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mpk_tui.bundle import wording
from mpk_tui.bundle.checking import FOLDER, WEIGHTS, Request, bundle_id_of, check
from mpk_tui.bundle.limits import Bounds, bounds
from mpk_tui.bundle.outcome import Outcome
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.cli.receipts import log_file, receipt_options
from mpk_tui.errors import UsageError
from mpk_tui.keys.whom import Whom


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="evidence bundle (.mpkb)")
    trust_options(parser)
    parser.add_argument(
        "--checkpoint", type=Path, metavar="PATH", action="append", default=[], help="hash it again and compare"
    )
    parser.add_argument(
        "--earlier", type=Path, metavar="BUNDLE", action="append", default=[],
        help="an earlier bundle of the case, which this one must carry on",
    )  # fmt: skip
    parser.add_argument(
        "--match", choices=(FOLDER, WEIGHTS), default=FOLDER,
        help="what a checkpoint must match: folder (default), or weights: files are then listed and decide nothing",
    )  # fmt: skip
    parser.add_argument(
        "--features", action="store_true",
        help="where tensors do not match, tell whether features support it (another number format); needs numpy",
    )  # fmt: skip
    parser.add_argument(
        "--rerun", action="store_true", help="compute the findings again from the bundle's own features (needs numpy)"
    )
    parser.add_argument("--attachments", type=Path, metavar="DIR", help="folder with detached attachments")
    parser.add_argument("--expect-case", metavar="ID", help="the case that the bundle must belong to")
    parser.add_argument("--expect-bundle", metavar="SHA256", help="the bundle's id (64 hex digits)")
    parser.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/verify/1)")
    parser.add_argument(
        "--show-untrusted", action="store_true", help="show the content even if it is not to be relied on"
    )
    receipt_options(parser)
    parser.add_argument(
        "--limit", action="append", default=[], metavar="NAME=N",
        help="refuse more than N of this (e.g. file_bytes, blob_bytes, tensors, log_entries) as LIMIT",
    )  # fmt: skip
    parser.add_argument(
        "--allow-larger", action="store_true", help="let --limit go beyond the format's limits; costs memory and time"
    )


class Once(argparse.Action):
    """An option that may be given once: the second of two keys must not silently be the only one that is believed."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None
    ) -> None:
        """Keep the value, or refuse a second one."""
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option} was given twice; several keys make a trust store: mpk-tui keys trust")
        setattr(namespace, self.dest, values)


def trust_options(parser: argparse.ArgumentParser, *, key: str = "--key") -> None:
    """Declare ``--trust``, ``--key`` and ``--allow-stale-trust``: whom to believe, wherever a bundle is verified.

    Args:
        parser: Of the command or action.
        key: Name of the option for a single key, where ``--key`` is the key that signs.
    """
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument(
        "--trust", type=Path, metavar="PATH",
        help="trust store: a folder, or a signed store (default: the one in your data folder)",
    )  # fmt: skip
    whom.add_argument(key, type=Path, metavar="PEM", action=Once, help="believe this public key alone, in any role")
    parser.add_argument(
        "--allow-stale-trust", action="store_true", help="go on with a signed trust store that has expired"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    found = check(request_from(args), lambda: trust_from(args), progress_bar(), tell=narrate)
    show(found.outcome, found.store, json=args.json, untrusted=args.show_untrusted)
    return int(found.outcome.code)


def request_from(args: argparse.Namespace) -> Request:
    """What the arguments ask for.

    Raises:
        UsageError: An id that is none, or a limit that there is not.
    """
    return Request(
        args.bundle, args.expect_case, _digest(args.expect_bundle), tuple(args.checkpoint), args.match, args.features,
        args.rerun, tuple(args.earlier), args.attachments, args.show_untrusted, log_file(args), _bounds(args),
    )  # fmt: skip


def trust_from(args: argparse.Namespace) -> TrustStore:
    """The trust store that the arguments name."""
    return Whom(args.trust, args.key, getattr(args, "allow_stale_trust", False)).store()


def show(outcome: Outcome, store: TrustStore, *, json: bool, untrusted: bool) -> None:
    """Print an outcome; the verdict's line comes last."""
    if json:
        emit_json(wording.as_record(outcome, untrusted=untrusted, dated=store.dated, edition=store.edition))
        narrate(wording.verdict_line(outcome))
        return
    for line in wording.lines(outcome, untrusted=untrusted, dated=store.dated, edition=store.edition):
        emit(line, fold=True)
    if store.edition is not None and store.edition.given:
        from mpk_tui.keys.words import words

        emit(f"The root of the store that you named, in words: {words(store.edition.root)}")
    emit(wording.verdict_line(outcome))


def _bounds(args: argparse.Namespace) -> Bounds:
    chosen: dict[str, int] = {}
    for text in args.limit:
        name, _, number = text.partition("=")
        if not (number.isascii() and number.isdigit() and len(number) < 20):
            raise UsageError(f"--limit {text!r} is not NAME=N")
        chosen[name] = int(number)
    return bounds(chosen, larger=args.allow_larger)


def _digest(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return bundle_id_of(text)
    except UsageError:
        raise UsageError("--expect-bundle needs 64 hex digits") from None
