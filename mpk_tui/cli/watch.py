"""Hold every checkpoint below some folders against a watch list, and print what there is to tell as JSON lines.

LIST names models by an entry of the library, a fingerprint file, a tensor root or the SHA-256 of files, each with the
advisories that put it there (docs/sweep.md).  A line (schema mpk-tui/watch/1) is an alert, a notice or an error.  An
alert says what was measured: identical, near-identical (with the tensors that differ), shares-tensors,
shared-trained-ancestor or component.  It does not say that a checkpoint does what the advisory says of the listed
model.  Near misses, such as a common initialisation, are notices.

Exit code 0 whatever is found; with --fail-on alert, 60 if there is an alert.  40 if checkpoints were found and not one
of them could be opened.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpk_tui.bundle.suites import SUITES
from mpk_tui.cli.batch import add_working, limit
from mpk_tui.cli.bundle.signing import passphrase_option
from mpk_tui.cli.output import narrate, narrate_over, progress_bar
from mpk_tui.errors import ExitCode, UsageError
from mpk_tui.progress import CancelToken


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("list", type=Path, metavar="LIST", help="watch list: TOML, or JSON lines in a .jsonl file")
    parser.add_argument("roots", nargs="+", type=Path, metavar="DIR", help="folder, or a single file")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.jsonl",
        help="keep the lines there, too; the same command again reads only what changed, and tells all of them again",
    )  # fmt: skip
    add_working(parser)
    parser.add_argument("--again", action="store_true", help="read everything again")
    parser.add_argument("--fail-on", choices=["alert"], help="exit 60 if there is an alert")
    bundles = parser.add_argument_group("signed evidence of every alert, made without a person")
    bundles.add_argument("--bundles", type=Path, metavar="FOLDER", help="for the bundles, and the cases behind them")
    bundles.add_argument(
        "--key", type=Path, metavar="KEY.pem", action="append", default=[],
        help="key that is marked so (keys new --unattended); its second half lies beside it",
    )  # fmt: skip
    bundles.add_argument("--suite", choices=list(SUITES), default="s1", help="of the key (default: s1)")
    passphrase_option(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from mpk_tui.sweep import finding, lines, local, watch, watchlist

    memory = limit(args)
    if bool(args.key) != (args.bundles is not None):
        raise UsageError("bundles need a key that signs them, and a folder", hint="Give --bundles FOLDER --key KEY.pem")
    listed = watchlist.read(args.list, args.library)
    for notice in listed.notices:
        narrate(f"note: {notice}")
    seal = _sealer(args) if args.bundles is not None else None
    cancel = CancelToken()
    drive = finding.find(args.roots, cancel)
    narrate(f"{len(drive.found)} checkpoints among {drive.files} files, {len(listed.models)} models on the list")
    how = watch.Watchful(args.partial, memory, args.again, seal)
    hands = local.Here(args.jobs, cancel)
    writer = None if args.out is None else lines.Writer(args.out, watch.checked)
    try:
        found = watch.watch(drive, listed, how, hands, _tell, writer, progress_bar(), cancel)
    finally:
        hands.stop()
        if writer is not None:
            writer.close()
    narrate(
        f"{found.checkpoints} looked at, {found.looked} of them now: {found.alerts} alerts, {found.notices} notices, "
        f"{found.errors} errors"
    )
    if args.fail_on == "alert" and found.alerts:
        return ExitCode.LINKED
    if found.checkpoints and found.unopened == found.checkpoints:
        return ExitCode.INTERNAL
    return ExitCode.OK


def _tell(line: dict[str, Any]) -> None:
    """One line of data, ASCII only, and the same in words on stderr."""
    from mpk_tui.sweep.watch import text_of

    sys.stdout.write(json.dumps(line, ensure_ascii=True, allow_nan=False) + "\n")
    sys.stdout.flush()
    narrate_over(text_of(line))


def _sealer(args: argparse.Namespace) -> Callable[[Any], Path]:
    """Opens the key now, before hours of work, and makes bundles with it."""
    from mpk_tui.cli.bundle.signing import open_keys
    from mpk_tui.errors import StorageError
    from mpk_tui.keys.opening import key_files, together
    from mpk_tui.keys.signing import FileSigner
    from mpk_tui.selftest.record import current
    from mpk_tui.selftest.run import DISTRUST
    from mpk_tui.sweep import unattended

    signer = together(
        [FileSigner(open_keys(key_files(args.key, args.suite), args.passphrase_fd))], args.suite
    )  # fmt: skip
    unattended.must_be_marked(signer)
    try:
        args.bundles.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot be made ({error.strerror})", where=str(args.bundles)) from None
    tested = current(narrate)
    if not tested["passed"]:
        narrate(f"warning: {DISTRUST} The bundles will say so; mpk-tui selftest tells more")
    return lambda alerted: unattended.make(alerted, args.bundles, signer, tested, sys.argv[1:], args.suite)
