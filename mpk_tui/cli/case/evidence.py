"""``case evidence|attach``: items of evidence, and the files that they rest on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.case import Case, actions, quoting
from mpk_tui.case.evidence import MAX_EXCERPT
from mpk_tui.case.revising import revise_evidence
from mpk_tui.case.rows import find_row
from mpk_tui.cli.case.declaring import declare
from mpk_tui.cli.output import emit, emit_json
from mpk_tui.constitution.answers import KINDS, Evidence
from mpk_tui.errors import ExitCode, UsageError


def add(subparsers: Any) -> None:
    """Declare the acts' arguments."""
    p = declare(subparsers, "evidence", "add or remove an item of evidence, or list all", pair=True)
    p.add_argument(
        "--kind", choices=KINDS,
        help="a: official documentation; b: checkpoint verification; c: peer-reviewed analysis; "
        "context: supports nothing; denial: by the author",
    )  # fmt: skip
    p.add_argument("--supports", action="append", default=[], metavar="QUESTION")
    p.add_argument("--opposes", action="append", default=[], metavar="QUESTION")
    p.add_argument("--source", default="")
    p.add_argument("--locator", default="")
    p.add_argument("--excerpt", default="")
    p.add_argument("--file", type=Path, help="attach this file")
    p.add_argument("--attached", default="", metavar="SHA256", help="instead: a file that was attached before")
    p.add_argument("--quote", metavar="TEXT", help="find TEXT in the file; excerpt and locator are made of it")
    p.add_argument("--lines", metavar="N-M", help="quote these lines of the file")
    p.add_argument("--id", default="")
    p.add_argument("--from-comparison", action="store_true", help="turn the recorded comparison into kind (b)")
    p.add_argument(
        "--from-row", metavar="ROW",
        help="turn one row of it into kind (b), e.g. 'identity / TENSOR', 'tests / ffn.aligned', 'figure / cosine'; "
        "its numbers are put into words unless --excerpt gives them",
    )  # fmt: skip
    p.add_argument("--model-sig", type=Path, metavar="FILE", help="check an OpenSSF Model Signing file: kind (b)")
    p.add_argument("--artifact", default="", metavar="ID", help="the side whose files --model-sig is about")
    whom = p.add_mutually_exclusive_group()
    whom.add_argument("--key", type=Path, metavar="PEM", help="for --model-sig: the signer's public key")
    whom.add_argument("--ca", type=Path, metavar="PEM", help="for --model-sig: the CA of the signer's certificate")
    p.add_argument("--revise", metavar="ID", help="change what the options name of an item; its id and kind stay")
    p.add_argument("--remove", metavar="ID")
    p.add_argument("--json", action="store_true")
    p.set_defaults(
        reading=lambda a: not (a.kind or a.from_comparison or a.from_row or a.model_sig or a.revise or a.remove)
    )
    p = declare(subparsers, "attach", "copy a file into the case; prints the SHA-256 that --attached takes")
    p.add_argument("file", type=Path, metavar="FILE")
    p.add_argument("--name", default="", help="what the journal calls it; the file's own name by default")


def run(case: Case, args: argparse.Namespace) -> int:
    """Run the act."""
    if args.act == "attach":
        emit(actions.attach(case, args.file, args.name))
        return ExitCode.OK
    if args.model_sig is not None:
        from mpk_tui.cli.model_evidence import add_model_evidence

        return add_model_evidence(case, args)
    if args.artifact or args.key or args.ca:
        raise UsageError("--artifact, --key and --ca go with --model-sig")
    if args.from_comparison:
        _told(actions.evidence_from_comparison(case, args.pair))
    elif args.from_row:
        _told(_from_row(case, args))
    elif args.remove:
        actions.remove_evidence(case, args.pair, args.remove)
    elif args.revise:
        _told(_revise(case, args))
    elif args.kind:
        _told(_add(case, args))
    else:
        _list(case, args)
    return ExitCode.OK


def _told(item: Evidence) -> None:
    emit(f"{item.id}  kind {item.kind}  supports {', '.join(item.supports) or 'nothing'}")
    if item.excerpt and item.locator:
        emit(f"  {item.locator}")
        emit(f"  {item.excerpt}")


def _questions(given: list[str]) -> tuple[str, ...]:
    return tuple(q.lower() for q in given)


def _add(case: Case, args: argparse.Namespace) -> Evidence:
    locator, excerpt = _quoted(case, args)
    return actions.add_evidence(
        case, args.pair, kind=args.kind, supports=_questions(args.supports), opposes=_questions(args.opposes),
        source=args.source, locator=locator, excerpt=excerpt, file=args.file, attached=args.attached, id=args.id,
    )  # fmt: skip


def _quoted(case: Case, args: argparse.Namespace) -> tuple[str, str]:
    """Locator and excerpt: as given, or those of a quote; found before anything is recorded."""
    if args.quote is None and args.lines is None:
        return args.locator, args.excerpt
    if args.excerpt or args.locator or (args.quote is not None and args.lines is not None):
        raise UsageError("one of --quote and --lines makes excerpt and locator; leave the other options out")
    if args.file is None and not args.attached:
        raise UsageError("--quote and --lines look into a file", hint="Give --file or --attached")
    path = args.file if args.file is not None else quoting.attached(case, args.attached)
    if args.quote is not None:
        found = quoting.find(path, args.quote)
    else:
        found = quoting.lines_of(path, *quoting.parse_lines(args.lines))
    return found.locator, found.excerpt


def _revise(case: Case, args: argparse.Namespace) -> Evidence:
    if args.kind:
        raise UsageError("--revise keeps the kind; an item of another kind is another item")
    old = case.state.evidence.get(actions.split_pair(case, args.pair)[0], {}).get(args.revise)
    if args.quote is not None or args.lines is not None:
        args.attached = args.attached or (old.digest if old is not None and args.file is None else "")
    locator, excerpt = _quoted(case, args)
    return revise_evidence(
        case, args.revise, pair=args.pair, source=args.source or None,
        supports=_questions(args.supports) if args.supports else None,
        opposes=_questions(args.opposes) if args.opposes else None,
        locator=locator or None, excerpt=excerpt or None, file=args.file, attached=args.attached,
    )  # fmt: skip


def _from_row(case: Case, args: argparse.Namespace) -> Evidence:
    pair, _, _ = actions.split_pair(case, args.pair)
    part, _, row = (x.strip() for x in args.from_row.partition("/"))
    if not row:
        part, row = part.partition(" ")[0], part
    excerpt = args.excerpt
    if not excerpt:
        record = actions.stored_comparison(case, pair)
        if record is None:
            raise UsageError(f"{pair} was not compared yet", hint="mpk-tui case compare makes the comparison")
        if part == "figure":
            excerpt = _figure(record, row)
        else:
            found = find_row(record, args.from_row)
            part, row, excerpt = found.part, found.locator, found.excerpt
    supports = _questions(args.supports) if args.supports else None
    return actions.evidence_from_row(case, pair, part=part, locator=row, excerpt=excerpt, supports=supports)


def _figure(record: dict[str, Any], name: str) -> str:
    """The numbers of a figure, row by row."""
    from mpk_tui.report.figures import figures

    drawn = {f.id: f for f in figures(record)}
    if name not in drawn:
        raise UsageError(f"no figure {name!r}", hint=f"Known: {', '.join(drawn)}")
    figure = drawn[name]
    if figure.missing or not figure.rows:
        raise UsageError(f"figure {name} has no numbers: {figure.missing or 'nothing was measured'}")
    out = f"{figure.title}. {', '.join(figure.columns)}: {'; '.join(', '.join(r) for r in figure.rows)}"
    return out if len(out) <= MAX_EXCERPT else f"{out[: MAX_EXCERPT - 20]} … (shortened)"


def _list(case: Case, args: argparse.Namespace) -> None:
    pair, _, _ = actions.split_pair(case, args.pair)
    items = list(case.state.evidence.get(pair, {}).values())
    if args.json:
        emit_json({"schema": "mpk-tui/evidence/1", "pair": pair, "evidence": [e.as_record() for e in items]})
        return
    for e in items:
        against = f"  opposes {', '.join(e.opposes)}" if e.opposes else ""
        emit(f"{e.id}  ({e.kind})  supports {', '.join(e.supports) or '-'}{against}  {e.source}")
        for line in (e.locator, e.excerpt):
            if line:
                emit(f"    {line}")
