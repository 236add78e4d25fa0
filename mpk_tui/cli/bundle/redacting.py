"""bundle redact: a copy of a bundle without some sections, log entries or tensors, and a signed record of that.

Signatures and endorsements stay good, for they cover the digests of what is left out.  Who verifies the copy finds it
PARTIAL and sees what is missing; the record says who left it out, why, and on whose authority.  A record under a key
that the receiver neither trusts nor finds among the bundle's signers counts as none.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from mpk_tui.bundle.later import endorse, redact
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.verify import verify
from mpk_tui.cli.bundle.endorsing import write
from mpk_tui.cli.bundle.looking import Looked, look, look_options, refuse
from mpk_tui.cli.bundle.signing import gives_signer, signer_from, signer_options
from mpk_tui.cli.output import emit, narrate
from mpk_tui.errors import ExitCode, MalformedError, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.keys.signing import declared, signatures


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    cut = actions.add_parser(
        "redact", allow_abbrev=False, help="write a copy that leaves something out, with a signed record of it",
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    cut.add_argument("bundle", type=Path, metavar="FILE")
    cut.add_argument("-o", "--output", type=Path, metavar="OUT", required=True, help="bundle file to write")
    cut.add_argument("--section", action="append", default=[], metavar="ID", help="leave out this section")
    cut.add_argument("--log", action="append", default=[], type=int, metavar="N", help="leave out log entry N, from 0")
    cut.add_argument(
        "--tensor", action="append", default=[], metavar="ARTIFACT:NAME", help="leave out one tensor of the list"
    )
    cut.add_argument("--with-log", action="store_true", help="leave out the log entries that repeat it as well")
    cut.add_argument("--reason", default="", metavar="CODE", help="why, e.g. privacy, privilege, trade-secret")
    cut.add_argument("--authority", default="", metavar="TEXT", help="on whose order")
    cut.add_argument("--statement", default="", metavar="TEXT", help="more words for the record")
    cut.add_argument("--id", metavar="NAME", help="who leaves it out")
    cut.add_argument("--role", default="analyst", metavar="ROLE", help="in which role (default: analyst)")
    cut.add_argument("--no-record", action="store_true", help="sign nothing; it will read “withheld without a record”")
    look_options(cut, signs=True)
    signer_options(cut)


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    if os.path.lexists(args.output):
        raise StorageError("exists; a bundle is never overwritten", where=str(args.output), hint="Name another file")
    _check(args)
    looked = look(args)
    if looked.contents is None:
        return refuse(looked, untrusted=args.show_untrusted, what="nothing was left out")
    selection = redact.select(
        looked.body, looked.contents, args.section, args.log, [tensor_name(text) for text in args.tensor]
    )
    if args.with_log:
        more = redact.repeating_entries(looked.contents, selection)
        selection = redact.Selection(selection.sections, tuple(sorted({*selection.items, *(("log", n) for n in more)})))
    for name in selection.sections:
        emit(f"without  section {name}")
    for name, index in selection.items:
        emit(f"without  item {index} of {name}")
    for sentence in redact.leaks(looked.contents, selection):
        narrate(f"still shows: {sentence}")
    made = redact.withhold(looked.sealed, selection)
    _must_read(made.to_bytes(), looked, str(args.output))
    if args.no_record:
        narrate("warning: nobody says who left this out; it will read “withheld without a record”")
        write_file(args.output, made.to_bytes())
        narrate(f"wrote {args.output}")
        return ExitCode.OK
    signer = signer_from(args, looked.body.suite)
    of_bundle = {k.keyid for s in looked.body.signers for k in s.keys}
    if not any(k.keyid in of_bundle for k in signer.keys):
        narrate("note: the record counts only for those who trust this key; it is not one of the bundle's signers")
    data = selection.data(args.reason, args.authority)
    body = endorse.draft(made, "redaction", looked.at, declared(signer, args.id, args.role), args.statement, data)
    return write(args.output, made, body, signatures(signer, endorse.message(body)))


def _check(args: argparse.Namespace) -> None:
    if args.no_record:
        if gives_signer(args):
            raise UsageError("--no-record signs nothing; leave --key or --agent out")
        return
    missing = [o for o, v in (("--id", args.id), ("--reason", args.reason), ("--authority", args.authority)) if not v]
    if missing:
        raise UsageError(
            f"the record needs {', '.join(missing)}", hint="--no-record leaves something out without saying who did it"
        )


def _must_read(data: bytes, looked: Looked, where: str) -> None:
    """What was left out must not have made anything else of the bundle."""
    after = verify(data, looked.store, looked.at)
    if after.verdict is not looked.outcome.verdict and after.verdict not in (Word.PARTIAL, Word.INCONSISTENT):
        raise MalformedError(f"would read {after.verdict}: {after.words}", where=where, hint="Nothing was written")


def tensor_name(text: str) -> tuple[str, str]:
    """``ARTIFACT:NAME`` taken apart.

    Raises:
        UsageError: It is not of that form.
    """
    artifact, _, name = text.partition(":")
    if not (artifact and name):
        raise UsageError(f"--tensor {text!r} is not ARTIFACT:NAME")
    return artifact, name
