"""Look a model up in a library of reference fingerprints: what of it is there, and what it is related to.

PATH is a checkpoint (folder or file) or a fingerprint file.  Nothing is written.  Equal bytes are looked up, units and
embeddings are held against a sketch of every entry, and what resembles is compared in full; the number of entries is
in the significance.  Exit code 0 whatever is found; with --fail-on linked, 60 if something trained is shared.
"""

from __future__ import annotations

import argparse
import os
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mpk_tui.cli.leads import add_kit, run_kit
from mpk_tui.cli.opening import add_isolation, add_opening, opening
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import ExitCode, StorageError, UsageError

_WIDTH = 79
_NAMES = 26
_PARTS = 6
_MOST = 200
_GRAPHS = ("dot", "svg", "graph_json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("path", type=Path, metavar="PATH", help="checkpoint folder or file, or fingerprint file")
    parser.add_argument(
        "--library", type=Path, metavar="FOLDER", help="the library (default: library in your data folder)"
    )
    parser.add_argument(
        "--immutable",
        action="store_true",
        help="write nothing at all into the library's folder, not even what readers lay there for a while",
    )
    parser.add_argument(
        "--most", type=int, default=0, metavar="N", help="entries that are compared in full (default: 24)"
    )
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="the weights of an entry, which stand in for its fingerprint; may be given several times",
    )
    add_opening(parser)
    add_isolation(parser)
    out = parser.add_mutually_exclusive_group()
    out.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/scan/1)")
    out.add_argument("--names-only", action="store_true", help="print the names of related entries, one a line")
    out.add_argument("--tree", action="store_true", help="print the family as a tree instead")
    for name, what in (("dot", "for Graphviz"), ("svg", "as a picture"), ("graph-json", "as mpk-tui/family/1")):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write the family, {what}, to a new file")
    parser.add_argument("--fail-on", choices=["linked"], help="exit 60 if something trained is shared")
    add_kit(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from mpk_tui.fingerprint.record import looks_like_fingerprint

    if not 0 <= args.most <= _MOST:
        raise UsageError(f"--most {args.most} is no number from 1 to {_MOST}", hint="Leave it out, or give another")
    if args.kit:
        return run_kit(args)
    if args.kit_threshold is not None:
        raise UsageError("--kit-threshold goes with --kit only")
    if looks_like_fingerprint(args.path):
        # Products of a few hundred rows: a second thread costs more than it brings.  Read when NumPy is loaded.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    graphs = {name: getattr(args, name) for name in _GRAPHS}
    for path in graphs.values():  # before the work, not after it
        if path is not None and os.path.lexists(path):
            raise StorageError("exists; an export never overwrites", where=str(path), hint="Name another file")
    record = _scan(args)
    if any(graphs.values()):
        from mpk_tui.report import family_files

        family_files.write_scan(record, {"dot": args.dot, "svg": args.svg, "json": args.graph_json})
        for path in graphs.values():
            if path is not None:
                narrate(f"wrote {path}")
    if args.json:
        emit_json(record)
    elif args.names_only:
        for row in _claimed(record):
            emit(row["entry"]["name"])
    elif args.tree:
        from mpk_tui.report import family_files

        for line in family_files.scan_tree(record):
            emit(line)
    else:
        for line in lines(record):
            emit(line)
    if args.names_only or args.tree:
        narrate(record["answer"])
    for notice in record["notices"]:
        narrate(f"note: {notice}")
    if args.fail_on == "linked" and _claimed(record):
        return ExitCode.LINKED
    return ExitCode.OK


def _scan(args: argparse.Namespace) -> dict[str, Any]:
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.scan import BETWEEN, MOST, scan
    from mpk_tui.lineage.sides import Side, open_side
    from mpk_tui.progress import CancelToken

    report, cancel = progress_bar(), CancelToken()
    graph = args.tree or any(getattr(args, name) for name in _GRAPHS)
    with ExitStack() as opened:
        library = opened.enter_context(open_library(args.library, immutable=args.immutable))
        given: dict[int, Side] = {}
        for text in args.weights:
            name, sign, path = text.partition("=")
            if not (name and sign and path):
                raise UsageError(f"--weights {text!r} is not NAME=PATH", hint="NAME is an entry of the library")
            entry = library.entry(name)
            side = opened.enter_context(open_side(Path(path), report, cancel))
            if side.weights is None:
                raise UsageError("is a fingerprint; --weights wants a checkpoint", where=path)
            if side.fingerprint.root != entry.root:
                raise UsageError(
                    f"does not hold the tensors of {entry.name}", where=path,
                    hint="Compare it by itself: mpk-tui compare, or add it to the library as an entry of its own",
                )  # fmt: skip
            given[entry.id] = side
        query = opened.enter_context(open_side(args.path, report, cancel, opening(args)))
        return scan(
            library, query, most=args.most or MOST, given=given, pairs=BETWEEN if graph else 0, report=report,
            cancel=cancel,
        )  # fmt: skip


def _claimed(r: dict[str, Any]) -> list[dict[str, Any]]:
    from mpk_tui.library.judging import CLAIMS

    return [row for row in r["relatives"] if row["finding"] in CLAIMS]


def lines(r: dict[str, Any]) -> Iterator[str]:
    """A scan as lines of text for 80 columns; the first says the answer.

    Args:
        r: The record.
    """
    q = r["query"]
    yield from _wrapped(r["answer"])
    yield ""
    yield from _wrapped(f"{q['label']}  {q['family']}, {q['format']}, {q['parameters']:,} parameters ({q['kind']})")
    if not r["library"]["entries"]:
        return
    yield from _exact(r)
    if r["relatives"]:
        yield ""
        yield from _table(r)
    for g in r["groups"]:
        yield from _wrapped(g["sentence"], "group      ")
    for s in r["sources"]:
        yield from _wrapped(s["sentence"], "sources    ")
    parts = [(row["entry"]["name"], part["sentence"]) for row in r["relatives"] for part in row["components"]]
    for name, sentence in parts[:_PARTS]:
        yield from _wrapped(f"{name}: {sentence}", "part       ")
    if len(parts) > _PARTS:
        yield f"part       … and {len(parts) - _PARTS} more (--json)"
    if r["near_misses"]:
        yield ""
        yield "near misses: what resembles, and why it does not count"
    kinds: dict[str, list[dict[str, Any]]] = {}
    for m in r["near_misses"]:
        kinds.setdefault(m["what"], []).append(m)
    for alike in kinds.values():
        for m in alike[:2]:
            yield from _wrapped(m["sentence"], "  ")
        if len(alike) > 2:
            more = ", ".join(_cut(m["entry"]["name"], 30) for m in alike[2:])
            yield from _wrapped(f"The same holds of {more}.", "  ")
    for m in [m for m in r["near_misses"] if m["what"] == "not laid beside" and m["would_resolve"]][:1]:
        yield from _wrapped(f"What would tell: {m['would_resolve']}.", "  ")
    resolve = [(row["entry"]["name"], row["would_resolve"]) for row in r["relatives"] if row["would_resolve"]]
    if resolve:
        yield ""
        yield "what would resolve it"
    for name, text in resolve[:5]:
        yield from _wrapped(f"{name}: {text}", "  ")
    if r["screened"]["next"]:
        yield ""
        yield "next by the sketch, not compared"
    for n in r["screened"]["next"]:
        yield f"  {_cut(n['entry']['name'], 40):<40}  about {n['rho']:.2f}"
    yield ""
    yield from _counts(r)
    for text in r["limits"]:
        yield from _wrapped(text, "limit      ")


def _exact(r: dict[str, Any]) -> Iterator[str]:
    exact = r["exact"]
    by_path: dict[str, list[str]] = {}
    for f in sorted(exact["files"], key=lambda f: not f["weights"]):
        kind = "weights" if f["weights"] else "context"
        by_path.setdefault(f"{f['path']} ({kind}) is also a file of", []).append(f["name"])
    for said, names in list(by_path.items())[:5]:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield from _wrapped(f"{said} {', '.join(names[:3])}{more}", "equal file ")
    if len(by_path) > 5:
        yield f"equal file … and {len(by_path) - 5} more (--json)"
    for t in exact["tensors"][:5]:
        yield f"equal      {t['equal']} of {t['of']} tensors that tell something: {_cut(t['name'], 30)}"
    if len(exact["tensors"]) > 5:
        yield f"equal      … and in {len(exact['tensors']) - 5} more entries (--json)"


def _table(r: dict[str, Any]) -> Iterator[str]:
    from mpk_tui.library.answering import whence

    yield f"{'':>3} {'entry':<{_NAMES}} {'finding':<26} {'equal':>6} {'corr.':>5}  p"
    names = [_cut(row["entry"]["name"], _NAMES) for row in r["relatives"]]
    for row, name in zip(r["relatives"], names, strict=True):
        p = "< 1e-12" if row["p_is_bound"] else f"{row['p']:.1e}"
        rho = "" if row["rho"] is None else f"{row['rho']:.2f}"
        chance = "-" if row["stage"] == "exact" and row["rho"] is None else p
        group = f" [{row['group']}]" if row["group"] is not None else ""
        if names.count(name) > 1:  # one name, several entries
            group = f" {row['entry']['fingerprint'][:8]}{group}"
        told = _cut(row["entry"]["name"], _NAMES - len(group)) + group
        yield f"{row['rank']:>3} {told:<{_NAMES}} {row['finding']:<26} {row['equal']:>6} {rho:>5}  {chance:<9}".rstrip()
    best = r["relatives"][0]
    facts = [best["entry"][k] for k in ("source", "licence") if best["entry"][k]]
    if facts:
        yield from _wrapped("; ".join(facts), "    1 is said to be: ")
    yield from _wrapped(best["sentence"], "    1 ")
    if "A in B" in best["sentence"]:
        yield from _wrapped(f"(A is {r['query']['label']}, B the entry.)", "      ")
    by_whom: dict[str, list[str]] = {}
    for row in r["relatives"]:
        by_whom.setdefault(whence(row["entry"]), []).append(str(row["rank"]))
    for said, ranks in list(by_whom.items())[:_PARTS]:
        more = f" and {len(ranks) - 8} more" if len(ranks) > 8 else ""
        yield from _wrapped(f"{', '.join(ranks[:8])}{more}: {said}", "reference  ")
    if len(by_whom) > _PARTS:
        yield f"reference  … and {len(by_whom) - _PARTS} more (--json)"


def _counts(r: dict[str, Any]) -> Iterator[str]:
    s, n, revoked = r["screened"], r["comparisons"], r["library"]["revoked"]
    over = f"; {revoked:,} passed over, for {'it is' if revoked == 1 else 'they are'} revoked" if revoked else ""
    yield from _wrapped(
        f"{n:,} {'entry' if n == 1 else 'entries'} (p is multiplied by that), {s['entries']:,} through a sketch, "
        f"{s['worth']:,} of them worth a comparison; {r['compared']:,} compared in full{over}",
        "looked at  ",
    )


def _wrapped(text: str, head: str = "") -> list[str]:
    from mpk_tui.text import clean

    return textwrap.wrap(
        clean(text, 4000), _WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    )


def _cut(text: str, room: int) -> str:
    from mpk_tui.text import clean

    shown = clean(text, 4 * room)
    return shown if len(shown) <= room else shown[: room - 1] + "…"
