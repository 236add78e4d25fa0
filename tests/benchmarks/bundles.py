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
# The system hands the peak of the process that started it on to another one, so it is asked of its own memory.
PEAK = (
    "import sys; from mpk_tui.cli import main; code = main(sys.argv[1:]); "
    "sys.stderr.write([x for x in open('/proc/self/status') if x.startswith('VmHWM')][0]); sys.exit(code)"
)


def large(tensors: int) -> bytes:
    """A bundle of two checkpoints, one of them with this many tensors."""
    rows = [w.tensor(f"model.layers.{n:06}.weight", str(n)) for n in range(tensors)]
    kept, w.TENSORS["S1"] = w.TENSORS["S1"], rows
    try:
        return w.sealed(w.contents(features__S1=None, locations__S1=None)).to_bytes()
    finally:
        w.TENSORS["S1"] = kept


def once(command: list[str], env: dict[str, str]) -> float:
    """Wall seconds of one run, which must end with 0."""
    start = time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def peak(command: list[str], env: dict[str, str]) -> str:
    """Peak resident memory of one run of ``RUN``, in MB; empty for other commands."""
    if RUN not in command:
        return ""
    asked = [PEAK if part == RUN else part for part in command]
    said = subprocess.run(asked, env=env, capture_output=True, text=True, check=True).stderr
    return f"{int(said.split('VmHWM:')[1].split()[0]) / 1000:.0f} MB"


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
        found: dict[str, list[float]] = {title: [] for title in commands}
        for n in range(args.rounds + 1):
            for title, command in commands.items():
                if "," in title and "small" not in title and n > 5:
                    continue
                measured = once(command, env)
                if n:  # the first round fills caches
                    found[title].append(measured)
        base = statistics.median(found["python -c pass"])
        print("| command | median | to `python -c pass` | peak |\n|---|---:|---:|---:|")
        for title, runs in found.items():
            median = statistics.median(runs)
            memory = peak(commands[title], env)
            print(f"| {title} | {median * 1000:.0f} ms | {median / base:.1f} | {memory} |")


if __name__ == "__main__":
    main()
