"""Score the engine on the zoo: one page of tables, against truth that follows from how the models were made.

    python -m tests.zoo.score OUT [--pairs FILE] [--jobs 2] [--split report] [--limit N] [--peers FOLDER] [--misses]

OUT is the folder that `tests/zoo/train.py` filled.  Results are kept in OUT/results.jsonl by engine and model, so that
an interrupted run goes on where it was; Ctrl-C is safe.  The page goes to standard output, progress to standard error.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
from pathlib import Path

import numpy as np

from . import calibrate, tally
from .pairing import Pair, engine_digest, read_table, run


def chosen(pairs: list[Pair], split: str | None, limit: int | None) -> list[Pair]:
    """Rows of one half, each pair once, thinned evenly to a limit."""
    seen: dict[tuple[str, str], Pair] = {}
    for p in pairs:
        if split is None or p.split == split:
            seen.setdefault((p.a, p.b), p)
    out = list(seen.values())
    if limit is None or limit >= len(out):
        return out
    return [out[k * len(out) // limit] for k in range(limit)]


def page(results: tally.Results, misses: bool = False, nulls: dict[str, list[float]] | None = None) -> str:
    """The whole page, Markdown; ``nulls`` are p-values of layer tests on independent pairs, by form."""
    parts = [
        ("Figures", tally.figures(results)),
        ("Mechanisms", tally.mechanisms(results)),
        ("First mechanism proposed", tally.confusion(results)),
        ("Exclusions", tally.exclusions(results)),
    ]
    if nulls:
        parts.append(("Calibration: layer tests on independent pairs of bases", tally.calibration(nulls)))
    if misses:
        parts.append(("Wrong, errors, not found", tally.offenders(results)))
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in parts)


def main() -> None:
    """Compare what is missing and print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--pairs", type=Path, help="another table of pairs (default: OUT/pairs.tsv)")
    parser.add_argument("--results", type=Path, help="where results are kept (default: OUT/results.jsonl)")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--split", choices=("choose", "report", "cross"), help="one half of the zoo only")
    parser.add_argument("--limit", type=int, help="at most so many pairs, evenly spread")
    parser.add_argument("--peers", type=Path, help="folder of virtual environments of the peers (tests/zoo/peers.py)")
    parser.add_argument("--misses", action="store_true", help="list every pair that was wrong or not found")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # being ended is like Ctrl-C: no worker is left behind
    pairs = chosen(read_table(args.pairs or args.out / "pairs.tsv"), args.split, args.limit)
    there = [p for p in pairs if all((args.out / n).exists() for n in (p.a, p.b, *p.others))]
    kept = args.results or args.out / "results.jsonl"
    results = run(there, args.out, kept, args.jobs)
    nulls = run([p for p in there if calibrate.is_null(p)], args.out, kept, args.jobs, kind="calibrate")
    seconds = sum(r.get("seconds", 0.0) for r in results.values())
    print(f"# mpk-tui on {len(results)} of {len(pairs)} pairs\n")
    print(
        f"Engine {engine_digest()}, Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores; "
        f"{seconds / max(1, len(results)):.2f} s a pair on one core.\n"
    )
    print(page(results, args.misses, calibrate.gathered(nulls)))
    if args.peers:
        from . import peers as tools

        print("\n" + tools.section(list(results), args.out, args.peers, results))


if __name__ == "__main__":
    main()
