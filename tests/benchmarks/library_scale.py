"""How long a scan of a large library takes, and in how much memory.

    python tests/benchmarks/library_scale.py FOLDER [--sizes 1000 10000 30000 100000] [--tensors 100]

Fills libraries in FOLDER and scans each from the start of the process to its end, fingerprint file in, JSON out.  Run
by hand; needs nothing but this project.

What is synthetic: all of it, and the table says so.  The model that is asked about has 32 layers, 256 units and 64
columns a layer, features of random numbers with the shapes of a real fingerprint, and 291 tensors.  Its three relatives
are the same with 5 % noise; they have whole fingerprint files.  Every other entry is rows of the catalogue alone: a
name, digests of files and tensors, and screens of random bytes **under the same keys as the model's**, so that none can
be passed over: the worst case, a library in which every model has one architecture.  A real library holds other widths,
too, whose screens are never multiplied.  Entries without a fingerprint file cannot be compared; none of them should be.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mpk_tui.fingerprint.features import VERSION
from mpk_tui.fingerprint.hashing import FileHash, TensorHash
from mpk_tui.fingerprint.record import Feature, Fingerprint, write
from mpk_tui.library.catalogue import Catalogue, open_library
from mpk_tui.library.entry import Facts
from mpk_tui.library.exact import look_up
from mpk_tui.library.screen import screens_of
from mpk_tui.lineage.sides import Side

LAYERS, WIDTH, FFN, MATRICES = 32, 512, 11008, 28
TENSORS = 9 * LAYERS + 3
CHUNK = 2000


def feature(name: str, params: dict[str, Any], array: np.ndarray[Any, Any], version: int = VERSION) -> Feature:
    data = array.astype("<f2")
    return Feature(name, version, params, "<f2", data.shape, data.tobytes())


def model(number: int, noise: float = 0.0) -> Fingerprint:
    """A synthetic fingerprint; with noise, one that lies near model 0."""
    rng = np.random.default_rng([1, 0])
    own = np.random.default_rng([2, number])
    blocks = [[i, -1] for i in range(LAYERS)]
    common = {"units": 256, "of": FFN, "layers": LAYERS, "columns": 64, "blocks": blocks}

    def drawn(*shape: int) -> np.ndarray[Any, Any]:
        x = rng.standard_normal(shape, dtype=np.float32)
        return x + noise * own.standard_normal(shape, dtype=np.float32) if noise else x

    learned = np.stack([np.stack((_low_rank(rng), rng.standard_normal((128, 128)))) for _ in range(MATRICES)])
    learned = learned * (1 + noise * own.standard_normal(learned.shape)) if noise else learned
    matrices = [["attn.q", i, -1, 1024, 1024, 9] for i in range(MATRICES)]
    made = [
        feature("ffn.aligned", {**common, "inputs": ["ffn.gate", "ffn.up"], "width": WIDTH}, drawn(LAYERS, 256, 64)),
        feature("ffn.anchored", {**common, "inputs": ["ffn.gate", "ffn.up"], "anchors": 512, "by": "strings"},
                drawn(LAYERS, 256, 64)),
        feature("residual.embeddings", {"width": WIDTH, "columns": 64, "anchors": 512, "by": "strings"},
                drawn(1, WIDTH, 64)),
        feature("retention", {"gain_spread": 0.2, "side": 128, "sample": 1024, "triplets": 16, "standout": 1.2,
                              "matrices": matrices}, learned, 1),
    ]  # fmt: skip
    tensors = tuple(
        TensorHash(f"model.layers.{i}.weight", "BF16", (4096, 4096), 1 << 25, digest("tensor", number, i))
        for i in range(TENSORS)
    )
    files = tuple(FileHash(f"model-{i}.safetensors", "file", 1 << 30, digest("file", number, i)) for i in range(4))
    return Fingerprint(
        "synthetic", "safetensors", "llama", "transformer-lm", files, tensors,
        {"layers": LAYERS, "width": WIDTH, "ffn_width": FFN, "heads": 32, "kv_heads": 32, "head_dim": 128,
         "tied": False, "claims": []},
        {}, {}, {f.id: f for f in made}, (),
    )  # fmt: skip


def _low_rank(rng: np.random.Generator) -> np.ndarray[Any, Any]:
    return rng.standard_normal((128, 4)) @ rng.standard_normal((4, 128))


def digest(kind: str, number: int, i: int) -> bytes:
    return hashlib.sha256(f"{kind}/{number}/{i}".encode()).digest()


def fill(catalogue: Catalogue, size: int, tensors: int, query: Fingerprint) -> None:
    """Rows of so many entries; what a scan reads of them, and nothing else."""
    shapes = [(s.key, s.layers, len(s.data)) for s in screens_of(query)]
    connection = catalogue._connection
    row = connection.execute("SELECT * FROM entries LIMIT 1")
    columns = [c[0] for c in row.description]
    first = dict(zip(columns, row.fetchone(), strict=True))
    start = connection.execute("SELECT max(id) FROM entries").fetchone()[0] + 1
    rng = np.random.default_rng(9)
    for at in range(start, size + 1, CHUNK):
        ids = range(at, min(size + 1, at + CHUNK))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            f"INSERT INTO entries ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            [
                tuple(
                    {**first, "id": i, "name": f"synthetic {i}", "fingerprint": digest("fp", i, 0),
                     "root": digest("root", i, 0)}.values()
                )
                for i in ids
            ],
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO names VALUES (?, ?, 0, ?)", [(f"synthetic {i}", i, f"synthetic {i}") for i in ids]
        )
        connection.executemany(
            "INSERT INTO files VALUES (?, ?, ?)",
            [(digest("file", i, f), i, f"model-{f}.safetensors".encode()) for i in ids for f in range(4)],
        )
        connection.executemany(
            "INSERT INTO tensors VALUES (?, ?)",
            sorted((digest("tensor", i, t)[:16], i) for i in ids for t in range(tensors)),
        )
        connection.executemany(
            "INSERT INTO screens (entry, key, layers, data) VALUES (?, ?, ?, ?)",
            [(i, key, n, rng.integers(-127, 128, size, dtype=np.int8).tobytes()) for i in ids
             for key, n, size in shapes],
        )  # fmt: skip
        connection.execute("COMMIT")


def timed(command: list[str]) -> tuple[float, int, bytes]:
    """Seconds from start to end, peak resident kilobytes, output."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = process.stdout.read() if process.stdout else b""
    _, _, used = os.wait4(process.pid, 0)
    return time.perf_counter() - began, used.ru_maxrss, out


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 10_000, 30_000, 100_000])
    parser.add_argument("--tensors", type=int, default=100, help="tensor digests of each synthetic entry")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    query = model(0)
    target = args.folder / "query.mpkf"
    write(target, query)
    library = args.folder / "library"
    if not library.exists():
        with open_library(library, write=True, create=True) as catalogue:
            catalogue.add(
                [(model(n, 0.05 * n), Facts(f"relative {n}")) for n in (1, 2, 3)], who="benchmark", at=0
            )  # fmt: skip
    python = [sys.executable, "-c", "pass"]
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, Python "
          f"{platform.python_version()}, NumPy {np.__version__}, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print(f"python -c pass: {min(timed(python)[0] for _ in range(3)) * 1e3:.0f} ms")
    print(
        "\n| entries | catalogue | exact look-ups | scan, median | least | processor | peak | worth | compared | right |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for size in args.sizes:
        with open_library(library, write=True) as catalogue:
            fill(catalogue, size, args.tensors, query)
            side = Side("query", replace(query), None)
            look_up(catalogue, side)
            began = time.perf_counter()
            look_up(catalogue, side)
            exact = time.perf_counter() - began
        command = [sys.executable, "-m", "mpk_tui", "scan", str(target), "--library", str(library), "--json"]
        runs = []
        for _ in range(args.repeat):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            wall, peak, out = timed(command)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            runs.append((wall, used, peak, out))
        runs.sort()
        wall, used, peak, out = runs[len(runs) // 2]
        record = json.loads(out)
        found = [row["entry"]["name"] for row in record["relatives"]]
        file = (library / "catalogue.sqlite3").stat().st_size / 1e6
        print(
            f"| {size:,} | {file:,.0f} MB | {exact * 1e3:.1f} ms | {wall:.2f} s | {runs[0][0]:.2f} s | {used:.2f} s | "
            f"{max(r[2] for r in runs) / 1024:.0f} MB | {record['screened']['worth']} | {record['compared']} | "
            f"{'yes' if found == ['relative 1', 'relative 2', 'relative 3'] else found} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
