"""Hash every file and tensor of a checkpoint and compute the features that lineage tests need.

PATH is a Hugging Face folder or a safetensors, GGUF or PyTorch file (whose pickle is followed, never run).
With -o the result is a small canonical file (.mpkf), the same bytes on every run; with several paths -o names a folder.
Fingerprint files hold digests and features of the weights: treat them as confidential if the weights are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mpk_tui.cli.opening import add_isolation, add_opening, opening
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import ExitCode, StorageError, UsageError
from mpk_tui.fingerprint.record import SUFFIX, Fingerprint, write
from mpk_tui.text import size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="checkpoint folder or file")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="fingerprint file, or folder for several paths"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object (one for each path, as a list of results)"
    )
    parser.add_argument("--brief", action="store_true", help="JSON without the tensor list: their count and root")
    add_opening(parser)
    add_isolation(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="hashing threads (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from mpk_tui.fingerprint.build import fingerprint

    if args.threads is not None and args.threads < 1:
        raise UsageError("--threads needs a number of at least 1")
    several = len(args.paths) > 1
    if several and args.output is not None and not args.output.is_dir():
        raise StorageError("is not a folder; several paths need one", where=str(args.output), hint="Create it first")
    targets = [_target(args.output, path, several) for path in args.paths]
    named = [t for t in targets if t is not None]
    if len(set(named)) != len(named):
        raise UsageError("two paths would write the same fingerprint file", hint="Run them one by one with -o FILE")
    found = []
    for path, target in zip(args.paths, targets, strict=True):
        made = fingerprint(path, progress_bar(), None, args.threads, opening(args))
        if target is not None:
            write(target, made)
            narrate(f"wrote {target}")
        found.append(made)
        if not args.json:
            _print(path, made)
    if args.json:
        summaries = [made.summary(brief=args.brief) for made in found]
        emit_json(summaries[0] if not several else {"schema": "mpk-tui/fingerprints/1", "fingerprints": summaries})
    return ExitCode.OK


def _target(output: Path | None, path: Path, several: bool) -> Path | None:
    if output is None:
        return None
    if several or output.is_dir():
        return output / f"{(path.name or path.resolve().name)}{SUFFIX}"
    return output


def _print(path: Path, made: Fingerprint) -> None:
    emit(f"{path}")
    emit(f"  format       {made.format}, {made.family}, {made.scope}")
    stored = size(sum(t.nbytes for t in made.tensors))
    emit(f"  parameters   {made.parameters:,} in {len(made.tensors)} tensors, {stored}")
    for layout, bits, count, elements in made.config.get("derived", ()):
        width = f", {bits} bits" if bits else ""
        emit(f"  computed     {count} weights from {layout}{width}: {elements:,} parameters")
    for sentence in made.missing:
        emit(f"  missing      {sentence}")
    emit(f"  tensor root  {made.root.hex()}")
    emit(f"  fingerprint  {made.digest.hex()}")
    for f in made.files:
        emit(f"  {f.sha256.hex() if f.sha256 else f.kind.ljust(64)}  {f.path}{' -> ' + f.link if f.link else ''}")
    for notice in made.notices:
        emit(f"  note: {notice}")
