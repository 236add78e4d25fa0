"""What verification costs: a small bundle in a fresh process, a large one, and how much of it is the libraries.

    python tests/benchmarks/bundles.py [--rounds 21] [--tensors 100000] [--python PYTHON]

`PYTHON` is the interpreter of an environment in which mpk-tui is installed from a wheel (by default the one that runs this); its
byte code must be cached, as it is after an ordinary installation.  Commands run in turns; medians and their ratios to
`python -c pass` are printed, and the peak resident memory of the large one.  A number printed here is a measurement of
this machine, not a test.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))

import test_suites
import workshop as w

from mpk_tui.keys.public import pem

LIBRARIES = (
    "import hashlib, msgpack; from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey as K; "
    "K.from_public_bytes(bytes(31) + b'@')"
)
RUN = "import sys; from mpk_tui.cli import main; sys.exit(main(sys.argv[1:]))"


def large(tensors: int) -> bytes:
    """A bundle of two checkpoints, one of them with this many tensors."""
    rows = [w.tensor(f"model.layers.{n:06}.weight", str(n)) for n in range(tensors)]
    kept, w.TENSORS["S1"] = w.TENSORS["S1"], rows
    try:
        return w.sealed(w.contents(features__S1=None, locations__S1=None)).to_bytes()
    finally:
        w.TENSORS["S1"] = kept


def once(command: list[str], env: dict[str, str]) -> tuple[float, int]:
    """Wall seconds and peak resident bytes of one run, which must end with 0."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{command} ended with {status}: {process.stderr.read() if process.stderr else b''!r}")
    return elapsed, usage.ru_maxrss * 1024


def main() -> None:
    """Run everything and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--tensors", type=int, default=100_000)
    parser.add_argument("--python", default=sys.executable)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env |= {"XDG_DATA_HOME": name, "XDG_CACHE_HOME": name}
        (folder / "small.mpkb").write_bytes(w.sealed().to_bytes())
        (folder / "large.mpkb").write_bytes(large(args.tensors))
        (folder / "two.mpkb").write_bytes(test_suites.GOOD.to_bytes())
        (folder / "anna.pub.pem").write_bytes(pem(w.ANNA.public))
        keys = test_suites.EVA.keys
        (folder / "eva.pub.pem").write_bytes(pem(keys[0]))
        (folder / "eva.ml-dsa-65.pub.pem").write_bytes(pem(keys[1]))

        def verify(bundle: str, key: str) -> list[str]:
            return [args.python, "-c", RUN, "verify", str(folder / bundle), "--key", str(folder / key), "--no-receipt"]

        commands = {
            "python -c pass": [args.python, "-c", "pass"],
            "the libraries alone: hashlib, msgpack, Ed25519 of cryptography": [args.python, "-c", LIBRARIES],
            "verify, small bundle": verify("small.mpkb", "anna.pub.pem"),
            "verify, small bundle, suite s2": verify("two.mpkb", "eva.pub.pem"),
            f"verify, {args.tensors:,} tensors": verify("large.mpkb", "anna.pub.pem"),
        }
        found: dict[str, list[tuple[float, int]]] = {title: [] for title in commands}
        for n in range(args.rounds + 1):
            for title, command in commands.items():
                if "," in title and "small" not in title and n > 5:
                    continue
                measured = once(command, env)
                if n:  # the first round fills caches
                    found[title].append(measured)
        base = statistics.median(t for t, _ in found["python -c pass"])
        print("| command | median | to `python -c pass` | peak |\n|---|---:|---:|---:|")
        for title, runs in found.items():
            median = statistics.median(t for t, _ in runs)
            print(
                f"| {title} | {median * 1000:.0f} ms | {median / base:.1f} | {max(m for _, m in runs) / 1e6:.0f} MB |"
            )


if __name__ == "__main__":
    main()
