"""Hold `mpk_tui.kit` against the Kit itself: every pair of a list by both, and the largest difference per signal.

    python -m tests.kit.parity KIT_PYTHON FOLDER... [--pairs FILE] [--independent FILE] [--ranges FILE] [--all]

KIT_PYTHON is the Python of an environment with cisco-ai-provenance-kit 1.0.0 (`tests/zoo/README.md`); the Kit runs there
without a network and imports nothing of ours.  All pairs of the folders are compared, or those of the table ``--pairs``
(columns a and b, relative to its folder).  ``--independent`` lists folders, one a line, of which any two were trained
apart; a word behind a folder names a group that is not paired within itself.  ``--ranges`` writes what such pairs score
to a file (``mpk_tui/kit/ranges.json``).
"""

from __future__ import annotations

import argparse
import csv
import datetime
import itertools
import json
import math
import subprocess
import sys
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from mpk_tui.errors import MpkError
from mpk_tui.kit import compare
from mpk_tui.kit.features import extract
from mpk_tui.kit.record import Features

from ..zoo.peers import offline

DRIVER = Path(__file__).parent.parent / "zoo" / "peer_driver.py"
NAMES = ("mfi", "tfv", "voa", "eas", "nlf", "lep", "end", "wvc", "identity", "tokenizer", "pipeline")
ALLOWED = 1e-3
Pairs = list[tuple[Path, Path]]


@cache
def features(path: Path) -> Features | MpkError:
    """Features by our code, or why there are none."""
    try:
        return extract(path)
    except MpkError as error:
        return error


def ours(a: Path, b: Path) -> dict[str, Any]:
    """Our answer in the form of the driver's."""
    sides = features(a), features(b)
    for side in sides:
        if isinstance(side, MpkError):
            return {"error": side.diagnosis()}
    first, second = sides
    assert isinstance(first, Features)
    assert isinstance(second, Features)
    record = compare.compare_features(first, second)
    found = {row["name"].lower(): row["value"] for row in record["signals"]}
    return {
        "verdict": record["verdict"]["quote"],
        "scores": {**found, **record["scores"], "tier": record["gate"]["tier"]},
        "loading": {record["a"]["loading"], record["b"]["loading"]},
    }


def theirs(python: Path, pairs: Pairs) -> list[dict[str, Any]]:
    """The Kit's answers."""
    tasks = "".join(json.dumps({"a": str(a.resolve()), "b": str(b.resolve())}) + "\n" for a, b in pairs)
    with tempfile.TemporaryDirectory(prefix="mpk-kit-") as home, tempfile.TemporaryFile() as noise:
        done = subprocess.run(
            [str(python), "-I", str(DRIVER), "kit"], input=tasks, text=True, stdout=subprocess.PIPE, stderr=noise,
            env=offline(home),
        )  # fmt: skip
        lines = done.stdout.splitlines()
        if done.returncode or len(lines) != len(pairs) + 1:
            noise.seek(0)
            raise SystemExit(noise.read().decode("utf-8", "replace")[-2000:])
    print("held against", json.loads(lines[0]))
    return [json.loads(line) for line in lines[1:]]


def difference(x: float | None, y: float | None) -> float:
    """Between two numbers, infinite where only one side has one."""
    if x is None or y is None:
        return 0.0 if x is None and y is None else math.inf
    return abs(x - y)


def main(argv: list[str]) -> int:
    """Run; 1 if a pair differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", type=Path)
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--independent", type=Path)
    parser.add_argument("--ranges", type=Path)
    parser.add_argument("--all", action="store_true", help="print both answers of every pair")
    args = parser.parse_args(argv)
    groups = independent(args.independent)
    found = sorted({p.resolve() for p in [*args.folders, *groups]})
    pairs: Pairs = list(itertools.combinations(found, 2))
    if args.pairs:
        with open(args.pairs, encoding="utf-8") as f:
            pairs = [
                (args.pairs.parent / r["a"], args.pairs.parent / r["b"]) for r in csv.DictReader(f, delimiter="\t")
            ]
    answers = theirs(args.python, pairs)
    return judge(pairs, answers, groups, args)


def independent(path: Path | None) -> dict[Path, str]:
    """Folders that were trained apart, with their group."""
    rows = path.read_text(encoding="utf-8").splitlines() if path else []
    words = [r.split("\t") for r in rows if r and not r.startswith("#")]
    return {Path(w[0]).resolve(): w[1] if len(w) > 1 else w[0] for w in words}


def judge(pairs: Pairs, answers: list[dict[str, Any]], groups: dict[Path, str], args: argparse.Namespace) -> int:
    """Print what differs and the tables."""
    worst = dict.fromkeys(NAMES, 0.0)
    none: Counter[str] = Counter()
    bad, numbers, both_refuse = 0, 0, 0
    apart: list[dict[str, Any]] = []
    for (a, b), kit in zip(pairs, answers, strict=True):
        mine = ours(a, b)
        if args.all:
            print(a, b, mine, {k: kit.get(k) for k in ("verdict", "scores", "error")}, sep="\n  ")
        if "verdict" not in kit or "verdict" not in mine:
            reason = str(mine.get("error") or kit.get("error"))
            both = "verdict" not in kit and "verdict" not in mine
            both_refuse += both
            bad += not both
            none[("neither answers: " if both else "ONE SIDE ANSWERS: ") + reason] += 1
            continue
        numbers += 1
        gaps = {n: difference(mine["scores"][n], kit["scores"][n]) for n in NAMES}
        worst = {n: max(worst[n], gaps[n]) for n in NAMES}
        if max(gaps.values()) > ALLOWED or mine["verdict"] != kit["verdict"]:
            bad += 1
            print("DIFFERS", a, b, mine, kit, sep="\n  ")
        x, y = groups.get(a.resolve()), groups.get(b.resolve())
        if x is not None and y is not None and x != y:
            apart.append(kit)
    print(f"\n{len(pairs)} pairs, {numbers} with two answers, {both_refuse} with none, {bad} that differ\n")
    print("| signal | largest difference |\n|---|---|")
    print("\n".join(f"| {n} | {worst[n]:.4f} |" for n in NAMES))
    for reason, count in none.most_common():
        print(f"{count:6} {reason[:300]}")
    if apart:
        tell(apart, args.ranges)
    return int(bad > 0)


def tell(apart: list[dict[str, Any]], out: Path | None) -> None:
    """What pairs score that were trained apart."""
    said = Counter(k["verdict"] for k in apart)
    weights = [k["scores"]["identity"] for k in apart if k["scores"]["identity"] is not None]
    print(f"\n{len(apart)} independent pairs: the Kit said", dict(said))
    print(f"its weights alone above 0.75: {sum(w > 0.75 for w in weights)} of {len(weights)}, largest {max(weights)}")
    signals = {}
    for n in NAMES[:8]:
        values = [k["scores"][n] for k in apart if k["scores"][n] is not None]
        if values:
            signals[n.upper()] = {"low": min(values), "high": max(values), "pairs": len(values)}
            print(f"{n.upper()} {min(values):.4f} to {max(values):.4f} in {len(values)} pairs")
    if out:
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        out.write_text(json.dumps({"measured": day, "signals": signals}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
