"""The field's own tools on the same pairs, each in an environment of its own, offline, beside ours.

    python -m tests.zoo.peers OUT FOLDER [--pairs FILE] [--split report] [--limit N]

FOLDER holds virtual environments ``kit`` (cisco-ai-provenance-kit 1.0.0) and ``modeldna`` (modeldna 0.1.0); those that
are missing are left out.  `tests/zoo/README.md` says how to make them.  Nothing here imports either of them.

What counts as an accusation is each tool's own word for a match:

* Kit (ladder in ``provenancekit/core/scoring.py`` and ``scanner.py``): *Confirmed Match* (configuration alone), *High-
  Confidence Match* (score above 0.75), *Weak Match* (above 0.65), *Not Matched*.  The first two accuse; a weak match
  is counted apart.
* modelDNA (``modeldna/verdict.py``): EXACT_COPY, QUANTIZED_COPY, FINE_TUNE, SAME_LINEAGE and LIKELY_MERGE accuse;
  SAME_FAMILY_UNRESOLVED, NO_MATCH and INSUFFICIENT do not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import tally
from .pairing import Pair, model_digest, read_table


@dataclass(frozen=True)
class Peer:
    """A tool and how its words are read.

    Attributes:
        folder: Name of its environment, and of its driver.
        title: What the tables call it.
        accuses: Verdicts that say the models are related.
        weak: Verdicts between yes and no.
    """

    folder: str
    title: str
    accuses: frozenset[str]
    weak: frozenset[str]

    def reading(self, answer: Mapping[str, Any]) -> str:
        """``match``, ``weak``, ``none`` or ``error``."""
        if "verdict" not in answer:
            return "error"
        word = str(answer["verdict"]).removesuffix(" (metadata only)")
        return "match" if word in self.accuses else "weak" if word in self.weak else "none"


PEERS = (
    Peer("kit", "Kit", frozenset(("Confirmed Match", "High-Confidence Match")), frozenset(("Weak Match",))),
    Peer(
        "modeldna",
        "modelDNA",
        frozenset(("EXACT_COPY", "QUANTIZED_COPY", "FINE_TUNE", "SAME_LINEAGE", "LIKELY_MERGE")),
        frozenset(("SAME_FAMILY_UNRESOLVED",)),
    ),
)
KIT_MATCH = 0.75
"""From above this score on the Kit speaks of a match (its constants.py, scoring.py)."""
Answers = dict[Pair, dict[str, Any]]


def interpreter(environments: Path, peer: Peer) -> Path | None:
    """The Python of a peer's environment, or None where there is none."""
    for name in ("bin/python", "Scripts/python.exe"):
        path = environments / peer.folder / name
        if path.exists():
            return path
    return None


def offline(home: str) -> dict[str, str]:
    """An environment in which a peer finds no cache, no account and no hub."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "SYSTEMROOT", "TMPDIR")}
    return {
        **kept, "HOME": home, "HF_HOME": home, "XDG_CACHE_HOME": home, "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "NO_COLOR": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip


def ask(peer: Peer, environments: Path, pairs: list[Pair], models: Path, cache: Path) -> tuple[str, Answers]:
    """Run one peer over pairs, those that are kept already left out.

    Returns:
        Name and version of the peer, and its answers.
    """
    python = interpreter(environments, peer)
    assert python is not None
    digests = {n: model_digest(models / n) for n in {n for p in pairs for n in (p.a, p.b)}}
    kept = _read(cache)
    driver = [str(python), "-I", str(Path(__file__).with_name("peer_driver.py")), peer.folder]
    with (
        tempfile.TemporaryDirectory(prefix="mpk-peer-") as home,
        tempfile.TemporaryFile() as noise,
        subprocess.Popen(driver, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=noise, text=True,
                         env=offline(home)) as child,
    ):  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        hello = child.stdout.readline()
        if not hello:
            child.wait()
            noise.seek(0)
            last = noise.read().decode("utf-8", "replace").strip().splitlines()[-1:]
            raise SystemExit(f"{peer.title} does not start: {' '.join(last)}")
        what = json.loads(hello)
        name = f"{what['package']} {what['version']}"
        answers: Answers = {}
        with open(cache, "a", encoding="utf-8") as out:
            for n, pair in enumerate(pairs, 1):
                key = f"{name} {digests[pair.a]} {digests[pair.b]}"
                if key not in kept:
                    task = {"a": str((models / pair.a).resolve()), "b": str((models / pair.b).resolve())}
                    child.stdin.write(json.dumps(task) + "\n")
                    child.stdin.flush()
                    line = child.stdout.readline()
                    if not line:
                        raise SystemExit(f"{peer.title} ended at the pair {pair.a}, {pair.b}")
                    answer = {k: v for k, v in json.loads(line).items() if k not in ("a", "b")}
                    out.write(json.dumps({"key": key, "a": pair.a, "b": pair.b, "answer": answer}) + "\n")
                    out.flush()
                    kept[key] = answer
                    print(f"\r{peer.title} {n}/{len(pairs)} ", end="", file=sys.stderr, flush=True)
                answers[pair] = kept[key]
        child.stdin.close()
    print(file=sys.stderr)
    return name, answers


def _read(cache: Path) -> dict[str, dict[str, Any]]:
    if not cache.exists():
        return {}
    out = {}
    for line in cache.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a run that was killed
        out[row["key"]] = row["answer"]
    return out


def section(pairs: list[Pair], models: Path, environments: Path, ours: tally.Results, cache: Path | None = None) -> str:
    """Tables with every peer that is there, beside ours."""
    told: list[tuple[Peer, str, Answers | None]] = []
    for peer in PEERS:
        if interpreter(environments, peer) is None:
            told.append((peer, "not installed", None))
        else:
            told.append((peer, *ask(peer, environments, pairs, models, cache or models / "peers.jsonl")))
    lines = ["## Peers on the same pairs", "", *(f"* {p.title}: {name}" for p, name, _ in told), ""]
    with_answers = [(p, answers) for p, _, answers in told if answers is not None]
    lines += [compared(ours, with_answers), ""]
    for peer, answers in with_answers:
        said = Counter(a.get("verdict", "error: " + a.get("error", "")[:60]) for a in answers.values())
        lines.append(f"* {peer.title} said: " + ", ".join(f"{n} {word}" for word, n in said.most_common()) + ".")
        lines += by_weights(peer, answers)
    return "\n".join(lines)


def compared(ours: tally.Results, peers: list[tuple[Peer, Answers]]) -> str:
    """Per kind of pair: linked findings of ours and matches of each peer (weak matches and errors behind)."""
    groups: dict[tuple[str, str, str], list[Pair]] = {}
    for p in ours:
        groups.setdefault((p.truth, p.mechanism or "–", p.concealment), []).append(p)
        groups.setdefault((p.truth, "all", ""), []).append(p)
    rows = []
    for (truth, number, hidden), pairs in sorted(groups.items(), key=lambda g: (g[0][0], g[0][1] != "all", g[0])):
        linked = sum(_links(ours[p]) for p in pairs) if any(ours[p] for p in pairs) else "–"
        cells = [_cell(Counter(peer.reading(answers[p]) for p in pairs if p in answers)) for peer, answers in peers]
        rows.append((truth, number, hidden, len(pairs), linked, *cells))
    return tally.markdown(
        ("truth", "mechanism", "concealment", "pairs", "mpk-tui: linked",
         *(f"{peer.title}: match (+ weak, errors)" for peer, _ in peers)), rows,
    )  # fmt: skip


def by_weights(peer: Peer, answers: Answers) -> list[str]:
    """The Kit's score from weights, where its gate on configurations would decide before any weight is looked at."""
    if peer.folder != "kit":
        return []
    told = []
    for truth in ("independent", "linked", "component"):
        scores = [a["scores"]["identity"] for p, a in answers.items() if p.truth == truth and "scores" in a]
        known = [s for s in scores if s is not None]
        if known:
            told.append(f"{sum(s > KIT_MATCH for s in known)} of {len(known)} {truth}")
    return [f"* {peer.title}, score from weights alone above {KIT_MATCH}: {', '.join(told)} pairs."] if told else []


def _links(result: Mapping[str, Any]) -> bool:
    return bool(result.get("finding") in tally.LINKED or result.get("met"))


def _cell(by: Counter[str]) -> str:
    behind = [f"+ {by['weak']} weak"] if by["weak"] else []
    behind += [f"{by['error']} errors"] if by["error"] else []
    return f"{by['match']}" + (f" ({', '.join(behind)})" if behind else "")


def main() -> None:
    """The peers alone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("environments", type=Path, metavar="FOLDER")
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--split", choices=("choose", "report", "cross"))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--cache", type=Path, help="where answers are kept (default: OUT/peers.jsonl)")
    args = parser.parse_args()
    from .score import chosen

    pairs = chosen(read_table(args.pairs or args.out / "pairs.tsv"), args.split, args.limit)
    print(section(pairs, args.out, args.environments, {p: {} for p in pairs}, args.cache))


if __name__ == "__main__":
    main()
