"""Compare the pairs of a table, each once per engine, in worker processes; an interrupted run goes on where it was."""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mpk_tui

ENGINE = ("checkpoint", "fingerprint", "lineage")
"""Packages whose source decides what a comparison says."""


@dataclass(frozen=True)
class Pair:
    """One row of the table (columns are explained in `tests/zoo/truth.py`).

    Attributes:
        a: Folder of one model.
        b: Folder of the other.
        truth: ``linked``, ``component``, ``independent`` or ``undecidable``.
        mechanism: Numbers of the constitution, alternatives separated by ``/``.
        concealment: What was done to hide the copy, or ``none``.
        group: Base or bases the pair belongs to.
        split: ``choose``, ``report`` or ``cross``.
        others: Further parents of a merge, handed to the comparison.
    """

    a: str
    b: str
    truth: str
    mechanism: str = ""
    concealment: str = "none"
    group: str = ""
    split: str = ""
    others: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """The alternatives of the mechanism."""
        return tuple(self.mechanism.split("/")) if self.mechanism else ()


def read_table(path: Path) -> list[Pair]:
    """Rows of a tab-separated table with the columns a, b, truth and any of the others.

    A table that has ``what`` in place of ``mechanism`` is read, too: its first word, if it is a number of the
    constitution, is the mechanism.

    Raises:
        ValueError: A column is missing or a truth is unknown.
    """
    with open(path, encoding="utf-8", newline="") as f:
        rows = list(csv.DictReader(f, delimiter="\t"))
    out = []
    for line, row in enumerate(rows, 2):
        missing = [name for name in ("a", "b", "truth") if not row.get(name)]
        if missing:
            raise ValueError(f"{path}, line {line}: no {', '.join(missing)}")
        if row["truth"] not in ("linked", "component", "independent", "undecidable"):
            raise ValueError(f"{path}, line {line}: unknown truth {row['truth']!r}")
        number = row.get("mechanism") or (row.get("what") or "").split(" ")[0]
        out.append(
            Pair(
                row["a"], row["b"], row["truth"],
                number if number[:2] in ("3.", "4.") else "",
                row.get("concealment") or ("concealed" if "concealed" in (row.get("what") or "") else "none"),
                row.get("group") or "", row.get("split") or "",
                tuple(o for o in (row.get("others") or "").split(",") if o),
            )
        )  # fmt: skip
    return out


def engine_digest() -> str:
    """SHA-256 over the source of what decides: a result belongs to the engine that found it."""
    whole = hashlib.sha256()
    root = Path(mpk_tui.__file__).parent
    for package in ENGINE:
        for path in sorted((root / package).rglob("*.py")):
            whole.update(f"{path.relative_to(root).as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:16]


def model_digest(folder: Path) -> str:
    """SHA-256 over names and bytes of everything in a model's folder, so a swapped tokenizer counts as a change."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else [folder]:
        with open(path, "rb") as f:
            whole.update(path.name.encode() + b"\0" + hashlib.file_digest(f, "sha256").digest())
    return whole.hexdigest()


def key_of(pair: Pair, digests: dict[str, str], engine: str, kind: str = "compare") -> str:
    """Which result this is: what was done, engine, both models, and further parents."""
    parts = [kind, engine, digests[pair.a], digests[pair.b], *(digests[o] for o in pair.others)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def slim(record: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What the tables need of a comparison's record."""
    met = [c for c, v in record["proposal"]["conditions"].items() if v["answer"] == "met"]
    retention: dict[str, Any] = next((t for t in record["tests"] if t["name"] == "retention"), {})
    return {
        "seconds": round(seconds, 3),
        "finding": record["finding"],
        "sentence": record["sentence"],
        "p": record["p"],
        "mechanisms": [m["number"] for m in record["mechanisms"]],
        "why": [m["for"][:1] for m in record["mechanisms"][:3]],
        "met": met,
        "components": [[c["name"], c["finding"]] for c in record["components"]],
        "retention": {k: retention.get(k) for k in ("reading", "reason", "directions", "shared", "basis")},
        "tests": [
            {
                "name": t["name"],
                "reason": t["reason"],
                "p": t["p"],
                "z": t["z"],
                "rho": t["rho"],
                "candidates": t["parameters"].get("candidates", 1),
                "layers": [[row["a"], row["b"], row["z"], row["rho"], row["p"]] for row in t["layers"]],
            }
            for t in record["tests"]
            if t["name"] != "retention"
        ],
    }


def run(
    pairs: list[Pair], models: Path, cache: Path, jobs: int = 2, echo: bool = True, kind: str = "compare"
) -> dict[Pair, dict[str, Any]]:
    """Results of all pairs, from the cache or by comparing.

    Args:
        pairs: What to compare.
        models: Folder that their names are below.
        cache: JSON lines, appended to as results come in.
        jobs: Worker processes.
        echo: Show progress on standard error.
        kind: ``compare``, or ``calibrate`` for `calibrate.result` in place of a comparison.

    Returns:
        The slim record of each pair, or ``{"error": text}``.  After Ctrl-C: those that were done by then.
    """
    engine = engine_digest()
    names = sorted({n for p in pairs for n in (p.a, p.b, *p.others)})
    digests = {n: model_digest(models / n) for n in names}
    known = _read_cache(cache, engine)
    found = {p: known[k] for p in pairs if (k := key_of(p, digests, engine, kind)) in known}
    todo = [p for p in pairs if p not in found]
    if not todo:
        return found
    began = time.monotonic()
    cache.parent.mkdir(parents=True, exist_ok=True)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[name] = "1"  # workers inherit it: a core each
    with open(cache, "a", encoding="utf-8") as out, multiprocessing.get_context("spawn").Pool(jobs, _quiet) as pool:
        out.write("\n" if cache.stat().st_size else "")  # ends the line that a killed run may have left open
        try:
            tasks = ((p, str(models), kind) for p in todo)
            for n, (pair, by, result) in enumerate(pool.imap_unordered(_one, tasks), 1):
                if by != engine:
                    raise SystemExit("the engine's source changed while the run was on: start it again")
                found[pair] = result
                row = {
                    "key": key_of(pair, digests, engine, kind),
                    "engine": engine,
                    "pair": asdict(pair),
                    "result": result,
                }
                out.write(json.dumps(row) + "\n")
                out.flush()
                if echo:
                    pace = (time.monotonic() - began) / n
                    print(
                        f"\r{n}/{len(todo)} pairs, {pace:.2f} s each, {pace * (len(todo) - n) / 60:.0f} min left ",
                        end="", file=sys.stderr, flush=True,
                    )  # fmt: skip
        except KeyboardInterrupt:
            pool.terminate()
            print("\nstopped; what was compared is kept, the next run goes on from here", file=sys.stderr)
    if echo:
        print(file=sys.stderr)
    return found


def _read_cache(path: Path, engine: str) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    return {row["key"]: row["result"] for row in _lines(path) if row.get("engine") == engine}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as f:
        for line in f:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue  # the last line of a run that was killed


_DIGEST = ""


def _quiet() -> None:
    """Start of a worker: Ctrl-C is the parent's business."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import mpk_tui.lineage.compare  # noqa: F401

    global _DIGEST
    _DIGEST = engine_digest()


def _one(task: tuple[Pair, str, str]) -> tuple[Pair, str, dict[str, Any]]:
    from mpk_tui.errors import MpkError
    from mpk_tui.lineage.compare import compare

    pair, models, kind = task
    began = time.perf_counter()
    try:
        root = Path(models)
        if kind == "calibrate":
            from .calibrate import result

            return pair, _DIGEST, result(root / pair.a, root / pair.b)
        record = compare(root / pair.a, root / pair.b, others=[root / o for o in pair.others])
        return pair, _DIGEST, slim(record, time.perf_counter() - began)
    except MpkError as e:
        return pair, _DIGEST, {"error": f"{type(e).__name__}: {e}"}
    except Exception as e:  # a fault of ours: told in the table, not hidden by stopping the run
        return pair, _DIGEST, {"error": f"FAULT {type(e).__name__}: {e}"}
