"""What looking something up in a large catalogue costs, and adding to it.

    python tests/benchmarks/catalogue.py FOLDER [--entries 10000] [--tensors 300]

Fills a library in FOLDER with synthetic entries (random digests, no features; their rows are those of real ones, their
fingerprint files are not written) and one family of 20 that share all but ten tensors.  Then, in a fresh connection
each: opening, a name, the beginning of a digest, files, the tensors of a family member, the tensors of a stranger, the
whole list, words; and ten ordinary adds with files, synced.  Medians are printed; they are of this machine, with the
file in the system's cache.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mpk_tui.fingerprint.hashing import FileHash, TensorHash
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library import stored
from mpk_tui.library.catalogue import Catalogue, open_library
from mpk_tui.library.entry import Facts
from mpk_tui.library.opening import NAME

FAMILY, OWN, CHUNK = 20, 10, 1000


def digest(*words: object) -> bytes:
    return hashlib.sha256(" ".join(map(str, words)).encode()).digest()


def model(number: int, tensors: int, *, written: bool = True) -> Fingerprint:
    """Entry of that number; the first `FAMILY` share all but `OWN` tensors."""
    kin = number < FAMILY
    made = Fingerprint(
        "mpk-tui benchmark", "safetensors", "llama", "transformer-lm",
        tuple(FileHash(f"model-{i}.safetensors", "file", 1 << 30, digest("file", number, i), None, None) for i in range(4)),
        tuple(
            TensorHash(f"model.layers.{i:03}.weight", "BF16", (4096, 4096), 1 << 25,
                       digest("tensor", "kin" if kin and i >= OWN else number, i))
            for i in range(tensors)
        ),
        {"layers": 32}, {}, {}, {}, (),
    )  # fmt: skip
    if not written:  # its file is not, and neither is hashed
        vars(made).update(root=digest("root", number), digest=digest("record", number))
    return made


def pairs(start: int, stop: int, tensors: int, *, written: bool = True) -> Iterator[tuple[Fingerprint, Facts]]:
    for n in range(start, stop):
        yield (
            model(n, tensors, written=written),
            Facts(f"org{n % 97}/model-{n}", (f"m{n}",), source=f"org{n % 97}", licence="none"),
        )


def fill(folder: Path, entries: int, tensors: int) -> float:
    """Rows for so many entries; files only for the family."""
    began, write = time.perf_counter(), stored.write
    with open_library(folder, write=True, create=True) as library:
        library.add(pairs(0, FAMILY, tensors), who="benchmark", at=1)
        stored.write = lambda folder, fingerprint: 2_000_000
        try:
            for start in range(FAMILY, entries, CHUNK):
                some = pairs(start, min(start + CHUNK, entries), tensors, written=False)
                library.add(some, who="benchmark", at=1)
        finally:
            stored.write = write
    return time.perf_counter() - began


def median(folder: Path, act: Callable[[Catalogue], Any], rounds: int = 11) -> tuple[float, Any]:
    """Milliseconds of an act in an open library, and what it gave."""
    spans = []
    for _ in range(rounds):
        with open_library(folder) as library:
            began = time.perf_counter()
            found = act(library)
            spans.append(time.perf_counter() - began)
    return statistics.median(spans) * 1000, found


def opened(folder: Path) -> float:
    spans = []
    for _ in range(11):
        began = time.perf_counter()
        with open_library(folder) as library:
            library.known(bytes(32))
        spans.append(time.perf_counter() - began)
    return statistics.median(spans) * 1000


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--tensors", type=int, default=300)
    asked = parser.parse_args(argv)
    folder = asked.folder / "catalogue"
    shutil.rmtree(folder, ignore_errors=True)
    took = fill(folder, asked.entries, asked.tensors)
    kin = [t.sha256 for t in model(3, asked.tensors).tensors]
    stranger = [digest("nobody", i) for i in range(asked.tensors)]
    files = [f.sha256 for f in model(7, asked.tensors).files if f.sha256]
    whole = model(5, asked.tensors).digest.hex()
    print(f"{asked.entries:,} entries of {asked.tensors} tensors: {(folder / NAME).stat().st_size / 1e6:,.0f} MB, "
          f"filled in {took:.0f} s")  # fmt: skip
    print(f"{'open, ask for one fingerprint, close':<44}{opened(folder):>9.1f} ms")
    acts: list[tuple[str, Callable[[Catalogue], Any]]] = [
        ("a name", lambda c: c.entry("ORG5/model-5").id), ("12 hex digits", lambda c: c.entry(whole[:12]).id),
        ("four files", lambda c: len(c.by_files(files))),
        (f"{asked.tensors} tensors, {FAMILY} relatives", lambda c: len(c.by_tensors(kin))),
        (f"{asked.tensors} tensors, none known", lambda c: len(c.by_tensors(stranger))),
        ("the whole list", lambda c: sum(1 for _ in c.entries())),
        ("the list, narrowed by a word", lambda c: sum(1 for _ in c.entries(text="org96"))),
    ]  # fmt: skip
    for name, act in acts:
        took, found = median(folder, act)
        print(f"{name:<44}{took:>9.1f} ms  ({found})")
    spans = []
    with open_library(folder, write=True) as library:
        for n in range(10):
            began = time.perf_counter()
            library.add(pairs(asked.entries + n, asked.entries + n + 1, asked.tensors), who="benchmark", at=2)
            spans.append(time.perf_counter() - began)
    print(f"{'one add, synced':<44}{statistics.median(spans) * 1000:>9.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
