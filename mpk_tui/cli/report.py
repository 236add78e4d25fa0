"""Write a report of a signed bundle, or export it to formats that other tools read, after it was verified.

The format comes from the ending of FILE, or from --format; FILE may be - for standard output.
  *.html                html        report in one file, for screen and paper: no script, no resource
  *.txt                 text        the same report as plain text, at most 78 columns, for an e-mail
  *.report.json         report      the same report's content as JSON, schema mpk-tui/report/1
  *.dsse.json           dsse        the signed manifest as a DSSE envelope, lossless
  *.intoto.json         in-toto     Statement v1 about the artifacts' files, unsigned
  *.cdx.json            cyclonedx   CycloneDX 1.6 bill of materials of the models
  *.hashdeep            hashdeep    file list of one artifact, for hashdeep -r -l -a -k
  SHA256SUMS, *.sha256  sha256sums  file list of one artifact, for sha256sum -c
  *.json                json        what bundle show --json prints

A report reads the bundle and nothing else, no clock either: the same bundle with the same options and the same trust
gives the same bytes.  --classification prints a line at the top and the bottom of every page, --made states a date.

Only what the verdict lets be shown is written: nothing of an ALTERED bundle, and of one that is not trusted only with
--show-untrusted, with the verdict on every page.  The last line on stderr is VERDICT <word> <code>, and the code is the
exit code.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import time
from pathlib import Path

from mpk_tui.bundle.loading import read_bundle
from mpk_tui.bundle.outcome import ON_REQUEST, Outcome, Word
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.bundle.verify import Expected, verify
from mpk_tui.bundle.wording import verdict_line
from mpk_tui.cli.output import emit, narrate
from mpk_tui.cli.receipts import default_file, history
from mpk_tui.cli.verify import trust_from, trust_options
from mpk_tui.errors import CancelledError, LimitError, MpkError, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.report.exports import Format, choose
from mpk_tui.report.source import Source

STDOUT = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="evidence bundle (.mpkb)")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="file to write; - for standard output")
    parser.add_argument("--format", metavar="NAME", help="format, where the ending of FILE does not tell it")
    parser.add_argument("--artifact", metavar="ID", default="", help="for hash lists: which artifact")
    parser.add_argument(
        "--classification",
        metavar="TEXT",
        default="",
        help="for reports: one line for the top and bottom of every page",
    )
    parser.add_argument(
        "--made",
        metavar="TIME",
        help="for reports: when it was made, UTC, such as 2026-11-26T14:05Z; printed as stated",
    )
    parser.add_argument("--pair", metavar="ID", default="", help="for reports: only this pair in full, such as S1:R1")
    trust_options(parser)
    parser.add_argument(
        "--show-untrusted", action="store_true", help="export the content even if it is not to be relied on"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    chosen = choose(STDOUT if args.output == STDOUT else Path(args.output).name, args.format)
    if args.artifact and not chosen.of_artifact:
        raise UsageError(f"--artifact has no meaning for the format {chosen.name}", hint="It is for hash lists")
    for option in ("classification", "made", "pair"):
        if getattr(args, option) and not chosen.is_report:
            raise UsageError(f"--{option} has no meaning for the format {chosen.name}", hint="It is for reports")
    args.made = None if args.made is None else _moment(args.made)
    try:
        outcome = _export(args, chosen)
    except CancelledError:
        raise
    except MpkError as error:
        # A wrong option stays a usage error; whatever else kept us from an export is INTERNAL.
        if isinstance(error, UsageError) and error.where is None:
            raise
        outcome = Outcome(Word.INTERNAL, error.diagnosis())
    except MemoryError:
        outcome = Outcome(Word.INTERNAL, "Out of memory; nothing was exported")
    except BrokenPipeError:
        raise
    except OSError as error:
        # Files have errors of our own; what is left is standard output.
        outcome = Outcome(Word.INTERNAL, f"{error.filename or 'standard output'}: {error.strerror or error}")
    narrate(outcome.words)
    narrate(verdict_line(outcome))
    return int(outcome.code)


def _export(args: argparse.Namespace, chosen: Format) -> Outcome:
    to_stdout = args.output == STDOUT
    if not to_stdout and os.path.lexists(args.output):
        raise StorageError("exists; an export never overwrites", where=args.output, hint="Name another file")
    store = trust_from(args)
    now = time.time_ns() // 1_000_000
    try:
        data = read_bundle(args.bundle)
    except LimitError as error:
        return Outcome(Word.LIMIT, error.diagnosis())
    # An older bundle than one that was verified here is no better for being exported.
    outcome = verify(data, store, now, Expected(history=history(default_file())))
    source = _source(args, data, outcome, store, now)
    if source is None:
        narrate("nothing was exported")
        if outcome.verdict in ON_REQUEST:
            narrate("--show-untrusted exports the content, with a warning in it")
        return outcome
    made = chosen.write(source)
    if to_stdout:
        _to_stdout(made.data)
    else:
        write_file(Path(args.output), made.data)
    if source.warning:
        narrate(f"*** {source.warning} ***")
    for note in made.notes:
        narrate(f"note: {note}")
    if not to_stdout:
        narrate(f"wrote {args.output}")
    return outcome


def _source(args: argparse.Namespace, data: bytes, outcome: Outcome, store: TrustStore, now: int) -> Source | None:
    """What is exported from; None if the verdict does not let it be shown."""
    contents = outcome.shown(untrusted=args.show_untrusted)
    if contents is None or outcome.manifest is None:
        return None
    return Source(
        data, args.bundle.name, outcome, outcome.manifest, contents, now, store.dated, args.artifact, store.edition,
        args.classification, args.made, args.pair,
    )  # fmt: skip


def _moment(text: str) -> int:
    """A time that was given, in milliseconds since 1970; without an offset it is UTC."""
    try:
        moment = datetime.datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        ms = (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)) // datetime.timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise UsageError(f"--made {text[:40]!r} is not a time", hint="Write it like 2026-11-26T14:05Z") from None
    if ms < 0:
        raise UsageError(f"--made {text[:40]!r} lies before 1970", hint="Write it like 2026-11-26T14:05Z")
    return ms


def _to_stdout(data: bytes) -> None:
    """Bytes as they are into a pipe; on a terminal every line is escaped, for names come from the bundle."""
    if sys.stdout.isatty():
        for line in data.decode("utf-8", "surrogateescape").splitlines():
            emit(line)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
