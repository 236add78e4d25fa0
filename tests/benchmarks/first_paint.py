"""From the start of the process to the first picture with content on a pseudo-terminal, beside what Python itself takes.

    python tests/benchmarks/first_paint.py [--runs 15] [--case CASE]

The picture counts from the byte that completes the foot line with ``Quit``, which is drawn last.  The home folder is an
empty one, so nobody's settings are read.  Processes run one after the other, the commands in turn, after one run of each
that is not counted: caches are warm and a slow moment of the machine hits all of them.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DRAWN = b"Quit"


def seconds(command: Sequence[str], until: bytes, home: Path) -> float:
    """Run a command on a pseudo-terminal and return the seconds until some bytes came, or until it ended.

    Raises:
        RuntimeError: It ended before the bytes came.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = {
        "PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TERM": "xterm-256color",
        "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(home),
    }  # fmt: skip
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, cwd=home, env=env, start_new_session=True
    )
    os.close(slave)
    sent = b""
    try:
        if not until:
            process.wait()
            return time.perf_counter() - begun
        while until not in sent:
            if not select.select([master], [], [], 30)[0]:
                raise RuntimeError("nothing came for 30 s")
            try:
                sent += os.read(master, 65536)
            except OSError:
                raise RuntimeError(f"ended too early: {sent[-2000:]!r}") from None
        return time.perf_counter() - begun
    finally:
        if process.poll() is None:
            process.terminate()
            while process.poll() is None:  # drain, or a full buffer would keep it from ending
                if select.select([master], [], [], 0.05)[0]:
                    try:
                        os.read(master, 65536)
                    except OSError:
                        process.wait()
        os.close(master)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--case", type=Path, help="also a case, opened read-only")
    args = parser.parse_args()
    python = sys.executable
    commands: dict[str, tuple[list[str], bytes]] = {
        "python -c pass": ([python, "-c", "pass"], b""),
        "python -c 'import textual.app'": ([python, "-c", "import textual.app"], b""),
        "mpk-tui (Home)": ([python, "-m", "mpk_tui"], DRAWN),
    }
    if args.case:
        commands["mpk-tui CASE"] = ([python, "-m", "mpk_tui", str(args.case.resolve()), "--read-only"], DRAWN)
    taken: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as home:
        for run in range(args.runs + 1):
            for name, (command, until) in commands.items():
                spent = seconds(command, until, Path(home))
                if run:
                    taken[name].append(spent * 1000)
    print(f"{'milliseconds':<34}{'quartile':>10}{'median':>10}{'quartile':>10}   ({args.runs} runs)")
    for name, values in taken.items():
        low, middle, high = statistics.quantiles(values, n=4)
        print(f"{name:<34}{low:>10.0f}{middle:>10.0f}{high:>10.0f}")
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
