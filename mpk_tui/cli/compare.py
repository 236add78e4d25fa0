"""Compare two checkpoints or fingerprint files: what they share, by which tests, with which error.

The finding is a measurement, never a verdict.  Exit code 0 whatever is found; with --fail-on linked, 60 if the finding
proposes a link.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.cli.opening import add_isolation, add_opening, opening
from mpk_tui.cli.output import emit, emit_json, progress_bar
from mpk_tui.errors import ExitCode, MpkError

LINKING = ("identical", "reformatted", "near-identical", "shared-trained-ancestor", "component-shared")
"""Findings that propose a link."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("a", type=Path, metavar="A", help="checkpoint folder or file, or fingerprint file")
    parser.add_argument("b", type=Path, metavar="B", help="likewise")
    parser.add_argument(
        "--along",
        type=Path,
        action="append",
        default=[],
        metavar="STEP",
        help="checkpoint from A's own training, earliest first; may be given several times",
    )
    parser.add_argument(
        "--with",
        type=Path,
        action="append",
        default=[],
        dest="others",
        metavar="PARENT",
        help="further model that B may have been merged from, beside A; may be given several times",
    )
    add_opening(parser)
    add_isolation(parser)
    parser.add_argument("--context", action="store_true", help="print the similarity scores that never decide, too")
    parser.add_argument(
        "--kit", action="store_true", help="print what Cisco's Model Provenance Kit would say, too; never decides"
    )
    parser.add_argument("--figures", action="store_true", help="print the numbers behind the eight figures, too")
    parser.add_argument("--json", action="store_true", help="print the whole record as one JSON object")
    parser.add_argument("--fail-on", choices=["linked"], help="exit 60 if the finding proposes a link")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from mpk_tui.lineage.compare import compare

    record = compare(args.a, args.b, progress_bar(), along=args.along, others=args.others, how=opening(args))
    if args.json:
        emit_json(record)
    else:
        _print(record, args.context)
        if args.kit:
            _print_kit(args.a, args.b)
        if args.figures:
            _print_figures(record)
    if args.fail_on == "linked" and record["finding"] in LINKING and record["proposal"]["mechanisms"]:
        return ExitCode.LINKED
    return ExitCode.OK


def _print(r: dict[str, Any], context: bool) -> None:
    for name, side in [("A", r["a"]), ("B", r["b"]), *(("with", s) for s in r["others"])]:
        size = f"{side['parameters']:,} parameters"
        emit(f"{name}  {side['label']}  {side['family']}, {side['format']}, {size} ({side['kind']})")
    emit()
    emit(f"FINDING  {r['finding']}")
    emit(r["sentence"])
    emit()
    _print_identity(r)
    for t in r["tests"]:
        emit(f"{t['name']:<20} {_test_line(t)}")
    if r["trajectory"] is not None:
        emit(f"{'trajectory':<20} {r['trajectory']['reading']}: {r['trajectory']['reason']}")
    if r["untouched"] is not None:
        emit(f"{'untouched':<20} {r['untouched']['sentence']}")
    for name in ("a", "b"):
        if r["repeats"][name]:
            pairs = ", ".join(f"{i} of {j}" for i, j in r["repeats"][name])
            emit(f"repeated layers of {name.upper()}: {pairs}")
    for part in r["components"]:
        emit(f"part                 {part['name']}: {part['finding']}. {part['sentence']}")
    emit()
    if r["mechanisms"]:
        emit("mechanisms that fit, best first")
    for m in r["mechanisms"]:
        against = f" | against: {'; '.join(m['against'])}" if m["against"] else ""
        emit(f"  {m['number']} {m['title']}: {'; '.join(m['for']) or 'nothing speaks for it'}{against}")
        if m["direction"]:
            emit(f"      hint: {m['direction']}")
    if r["merge"] is not None:
        _print_merge(r["merge"])
    emit(f"proposal   {r['proposal']['sentence']}")
    if context:
        _print_context(r["context"])
    for text in r["limits"]:
        emit(f"limit      {text}")
    for text in r["notices"]:
        emit(f"note       {text}")


def _print_kit(a: Path, b: Path) -> None:
    """The Kit's view below the finding, or why it has none; it is no part of the record."""
    from mpk_tui.cli.kit import show
    from mpk_tui.kit.compare import compare

    emit()
    try:
        show(compare(a, b, progress_bar()))
    except MpkError as error:
        emit(f"context: {error.diagnosis()}")


def _print_figures(record: dict[str, Any]) -> None:
    from mpk_tui.report.figures import figures
    from mpk_tui.report.figures_text import lines_of

    for figure in figures(record):
        emit()
        for line in lines_of(figure):
            emit(line)


def _print_merge(merge: dict[str, Any]) -> None:
    emit(f"merge      {merge['reading']}: {merge['sentence']}")
    for against in merge["against"]:
        emit(f"           against: {against}")


def _print_context(rows: list[dict[str, Any]]) -> None:
    emit("context: scores that never decide, each beside what independent models score")
    for row in rows:
        value = row["reason"] if row["value"] is None else f"{row['value']:.3f}"
        low, high = row["independent_low"], row["independent_high"]
        beside = "" if low is None or high is None else f"  (independent models: {low:.3f} to {high:.3f})"
        emit(f"  {row['name']}: {value}{beside}")


def _print_identity(r: dict[str, Any]) -> None:
    identity = r["identity"]
    emit(
        f"tensors      {identity['pairs']} pairs: {identity['equal']} equal, {identity['converted']} equal after "
        f"conversion, {len(identity['differing'])} differ, {identity['unread']} not read; only in A "
        f"{len(identity['only_a'])}, only in B {len(identity['only_b'])}"
    )
    for kind in identity["conversions"]:
        emit(f"  conversion: {kind}")
    # A near-identical copy stands and falls with the tensors that differ: all of them are named.
    most = len(identity["differing"]) if r["finding"] == "near-identical" else 3
    for d in identity["differing"][:most]:
        if d["state"] == "reshaped":
            change = "  (shapes differ)"
        elif d["relative"] is None:
            change = ""
        else:
            change = f"  {d['changed']} of {d['elements']} elements, relative change {d['relative']:.4g}"
        emit(f"  differs: {d['a']}{change}")
    for side in ("a", "b"):
        names = identity[f"only_{side}"]
        for name in names if r["finding"] == "near-identical" else names[:2]:
            emit(f"  only in {side.upper()}: {name}")
    if most < len(identity["differing"]):
        emit("  … (--json names every tensor)")


def _test_line(t: dict[str, Any]) -> str:
    if not t["ran"]:
        return f"not run: {t['reason']}"
    if t["name"] == "retention":
        parts = []
        for d in t["directions"]:
            ratio = "undefined" if d["ratio"] is None else f"{d['ratio']:.3f}"
            parts.append(f"of {d['of'].upper()} {ratio}{'' if d['counts'] else ' (does not count)'}")
        says = f"speaks {t['reading']}" if t["reading"] in ("for", "against") else t["reading"]
        return f"{says}; {', '.join(parts)}; {len(t['layers'])} matrices"
    p = "< 1e-12" if t["p_is_bound"] else f"= {t['p']:.2g}"
    zs = [layer["z"] for layer in t["layers"]]
    if t["layers"][0]["a"] < 0:
        spread = f"z {zs[0]:.1f} over the whole model"
    else:
        what = "experts" if "expert_a" in t["layers"][0] else "layers"
        spread = f"z {min(zs):.1f} to {max(zs):.1f} over {len(zs)} {what}"
    return f"p {p}; {spread}; mean correlation {t['rho']:.3f} (from {t['source']})"
