"""Compare two checkpoints or fingerprint files: what they share, by which tests, with which error.

The finding is a measurement, never a verdict.  Exit code 0 whatever is found; with --fail-on linked, 60 if the finding
proposes a link.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.cli.output import emit, emit_json, progress_bar
from mpk_tui.errors import ExitCode

LINKING = ("identical", "reformatted", "near-identical", "shared-trained-ancestor", "component-shared")
"""Findings that propose a link."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("a", type=Path, metavar="A", help="checkpoint folder or file, or fingerprint file")
    parser.add_argument("b", type=Path, metavar="B", help="likewise")
    parser.add_argument("--json", action="store_true", help="print the whole record as one JSON object")
    parser.add_argument("--fail-on", choices=["linked"], help="exit 60 if the finding proposes a link")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from mpk_tui.lineage.compare import compare

    record = compare(args.a, args.b, progress_bar())
    if args.json:
        emit_json(record)
    else:
        _print(record)
    if args.fail_on == "linked" and record["finding"] in LINKING and record["proposal"]["mechanisms"]:
        return ExitCode.LINKED
    return ExitCode.OK


def _print(r: dict[str, Any]) -> None:
    for name in ("a", "b"):
        side = r[name]
        emit(
            f"{name.upper()}  {side['label']}  {side['family']}, {side['format']}, {side['parameters']:,} parameters ({side['kind']})"
        )
    emit()
    emit(f"FINDING  {r['finding']}")
    emit(r["sentence"])
    emit()
    identity = r["identity"]
    emit(
        f"tensors    {identity['pairs']} pairs: {identity['equal']} equal, {identity['converted']} equal after conversion, "
        f"{len(identity['differing'])} differ, {identity['unread']} not read; "
        f"only in A {len(identity['only_a'])}, only in B {len(identity['only_b'])}"
    )
    for kind in identity["conversions"]:
        emit(f"  conversion: {kind}")
    shown = identity["differing"] if r["finding"] == "near-identical" else identity["differing"][:5]
    for d in shown:
        change = (
            ""
            if d["relative"] is None
            else f"  {d['changed']} of {d['elements']} elements, relative change {d['relative']:.4g}"
        )
        emit(f"  differs: {d['a']}{change}{'  (shapes differ)' if d['state'] == 'reshaped' else ''}")
    if len(shown) < len(identity["differing"]):
        emit(f"  … and {len(identity['differing']) - len(shown)} more (--json names all)")
    for side in ("a", "b"):
        for name in identity[f"only_{side}"][:10]:
            emit(f"  only in {side.upper()}: {name}")
    for t in r["tests"]:
        if not t["ran"]:
            emit(f"{t['name']:<12} not run: {t['reason']}")
            continue
        if t["name"] == "retention":
            parts = [
                f"{d['of'].upper()}: {'ratio ' + format(d['ratio'], '.3f') if d['ratio'] is not None else 'undefined'}"
                f"{'' if d['counts'] else ' (does not count)'}"
                for d in t["directions"]
            ]
            emit(
                f"{t['name']:<12} speaks {t['reading']}; {', '.join(parts)}"
                if t["reading"] in ("for", "against")
                else f"{t['name']:<12} {t['reading']}; {', '.join(parts)}"
            )
            continue
        p = "< 1e-12" if t["p_is_bound"] else f"= {t['p']:.2g}"
        zs = [layer["z"] for layer in t["layers"]]
        emit(
            f"{t['name']:<12} p {p}; z {min(zs):.1f} to {max(zs):.1f} over {len(zs)} layers; mean correlation {t['rho']:.3f} ({t['source']})"
        )
    emit()
    if r["mechanisms"]:
        emit("mechanisms that fit, best first")
        for m in r["mechanisms"]:
            emit(
                f"  {m['number']} {m['title']}: {'; '.join(m['for']) or 'nothing speaks for it'}{' | against: ' + '; '.join(m['against']) if m['against'] else ''}"
            )
    emit(f"proposal   {r['proposal']['sentence']}")
    for text in r["limits"]:
        emit(f"limit      {text}")
    for text in r["notices"]:
        emit(f"note       {text}")
