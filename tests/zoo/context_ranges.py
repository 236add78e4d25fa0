"""Measure what independent models score on the context measures, and write the ranges that ship with the package.

    python -m tests.zoo.context_ranges -o mpk_tui/lineage/context-ranges.json --measured 2026-11-23 \
        --set small "small models trained for the purpose" PAIRS.tsv MODELS \
        --set real "published models" PAIRS.tsv MODELS

A table of pairs has the columns ``a``, ``b`` and ``truth`` and, optionally, ``mechanism`` (or ``what``) and
``concealment``; models are folders or files below MODELS.  Rows whose truth is ``independent`` and that hide nothing are
measured; those whose mechanism is 4.4 (independent runs under a shared seed) are kept apart as ``same-seed``.  Bases of
two architectures, one size and one seed are left out: their token embeddings are drawn first, from one stream of random
numbers, so that they begin equal and the rest does not.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.lineage.similarity import MEASURES, scores
from mpk_tui.progress import CancelToken, silent

SCHEMA = "mpk-tui/context-ranges/1"
INDEPENDENT, SAME_SEED = "independent", "same-seed"


def read_pairs(table: Path) -> list[tuple[str, str, str]]:
    """(a, b, truth) of the rows that count, truth being ``independent`` or ``same-seed``; each pair once."""
    with open(table, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    found: dict[frozenset[str], tuple[str, str, str]] = {}
    for row in rows:
        open_ = (row.get("concealment") or "none") == "none"
        open_ = open_ and not begin_alike(row.get("group") or "")
        if row["truth"] == INDEPENDENT and open_ and row["a"] != row["b"]:
            number = row.get("mechanism") or row.get("what") or ""
            truth = SAME_SEED if "4.4" in number else INDEPENDENT
            found.setdefault(frozenset((row["a"], row["b"])), (row["a"], row["b"], truth))
    return list(found.values())


def begin_alike(group: str) -> bool:
    """Whether a group of two bases (``gpt2-a-1+llama-a-1``: architecture, size, seed) shares its first random draws."""
    bases = [base.split("-") for base in group.split("+")]
    return len(bases) == 2 and all(len(b) == 3 for b in bases) and bases[0][1:] == bases[1][1:]


def thinned(pairs: list[tuple[str, str, str]], most: int) -> list[tuple[str, str, str]]:
    """At most ``most`` pairs of each truth, by a fixed draw."""
    out = []
    for truth in (INDEPENDENT, SAME_SEED):
        of_kind = [p for p in pairs if p[2] == truth]
        keep = np.sort(np.random.default_rng(0).permutation(len(of_kind))[:most])
        out += [of_kind[k] for k in keep]
    return out


def measure(pairs: list[tuple[str, str, str]], models: Path) -> dict[str, dict[str, list[float]]]:
    """Values by measure and truth; measures that do not apply to a pair leave no value."""
    out: dict[str, dict[str, list[float]]] = {m.name: {INDEPENDENT: [], SAME_SEED: []} for m in MEASURES}
    cancel = CancelToken()
    with ExitStack() as stack:
        sides: dict[str, Side] = {}
        for a, b, truth in pairs:
            for name in (a, b):
                if name not in sides:
                    sides[name] = stack.enter_context(open_side(models / name, silent, cancel))
            for m, value in scores(sides[a], sides[b], None, cancel):
                if isinstance(value, float):
                    out[m.name][truth].append(value)
    return out


def summary(sets: Iterable[tuple[str, str, dict[str, dict[str, list[float]]]]], measured: str) -> dict[str, Any]:
    """The data file: least, median and greatest value a measure, truth and kind of models."""
    kinds: dict[str, str] = {}
    measures: dict[str, Any] = {m.name: {INDEPENDENT: {}, SAME_SEED: {}} for m in MEASURES}
    for kind, title, found in sets:
        kinds[kind] = title
        for name, by_truth in found.items():
            for truth, values in by_truth.items():
                if values:
                    measures[name][truth][kind] = {
                        "pairs": len(values),
                        "low": min(values),
                        "median": float(f"{float(np.median(values)):.6g}"),
                        "high": max(values),
                    }
    return {"schema": SCHEMA, "measured": measured, "kinds": kinds, "measures": measures}


def main() -> None:
    """Measure the sets named on the command line and write the data file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--measured", required=True, help="date of the measurement")
    parser.add_argument(
        "--most", type=int, default=1000, help="pairs of each truth to measure in a set, by a fixed draw"
    )
    parser.add_argument("--set", nargs=4, action="append", required=True, metavar=("KIND", "TITLE", "PAIRS", "MODELS"))
    args = parser.parse_args()
    sets = [
        (kind, title, measure(thinned(read_pairs(Path(table)), args.most), Path(models)))
        for kind, title, table, models in args.set
    ]
    text = json.dumps(summary(sets, args.measured), indent=1, sort_keys=True)
    args.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
