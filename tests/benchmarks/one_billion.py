"""What does a comparison of two checkpoints of 1.1 billion parameters cost?

    python tests/benchmarks/one_billion.py [--folder TMP] [--rounds 1] [--pair A B] [--unrelated] [--peers FOLDER]

Makes a pair of BF16 checkpoints of a Llama-like shape (22 layers, width 2,048, 5,632 units, 32 heads of 4 groups, 32,000
tokens) in a temporary folder: a base with a few strong directions in every matrix, as learned structure looks, and a
copy in which every matrix was changed a little.  A third, unrelated one may be made instead of the copy
(``--unrelated``).  Then measures in child processes: compare from weights, fingerprint of each, compare from the
fingerprints; and, with ``--peers`` (a folder with the environments of `tests/zoo/README.md`), the same pair under each
peer.  Prints wall and processor seconds (a machine busy with other work shows in the difference) and peak resident
memory as Markdown, with date, machine and commit.  A number printed here is a measurement of this machine, not a test.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

LAYERS, WIDTH, HIDDEN, HEADS, KV_HEADS, VOCAB = 22, 2048, 5632, 32, 4, 32_000
KV_WIDTH = WIDTH // HEADS * KV_HEADS
SPIKES, STRENGTH = 8, 6.0
"""Directions that stand out of each matrix, and how far above the edge of its noise the first of them lies."""
CHANGE = 0.05
"""Size of the copy's change, relative to each matrix."""
LAYER = {
    "input_layernorm.weight": (WIDTH,),
    "self_attn.q_proj.weight": (WIDTH, WIDTH),
    "self_attn.k_proj.weight": (KV_WIDTH, WIDTH),
    "self_attn.v_proj.weight": (KV_WIDTH, WIDTH),
    "self_attn.o_proj.weight": (WIDTH, WIDTH),
    "post_attention_layernorm.weight": (WIDTH,),
    "mlp.gate_proj.weight": (HIDDEN, WIDTH),
    "mlp.up_proj.weight": (HIDDEN, WIDTH),
    "mlp.down_proj.weight": (WIDTH, HIDDEN),
}
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": WIDTH,
    "intermediate_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "vocab_size": VOCAB,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 2048,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def tensors() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the whole model, in file order."""
    yield "model.embed_tokens.weight", (VOCAB, WIDTH)
    for n in range(LAYERS):
        for name, shape in LAYER.items():
            yield f"model.layers.{n}.{name}", shape
    yield "model.norm.weight", (WIDTH,)
    yield "lm_head.weight", (VOCAB, WIDTH)


def parameters() -> int:
    """How many there are."""
    return sum(math.prod(shape) for _, shape in tensors())


def values(shape: tuple[int, ...], seed: int, number: int) -> Any:
    """One tensor of a base, float32: noise with a few strong directions, or gains near one."""
    import numpy as np

    rng = np.random.default_rng([seed, number])
    if len(shape) == 1:
        return 1 + 0.1 * rng.standard_normal(shape, dtype=np.float32)
    x = rng.standard_normal(shape, dtype=np.float32)
    rows, columns = shape
    # A random matrix of unit variance ends at sqrt(rows) + sqrt(columns); spikes begin above and fall off.
    edge = math.sqrt(rows) + math.sqrt(columns)
    size = (STRENGTH * edge / np.arange(1, SPIKES + 1) ** 0.5).astype(np.float32)
    left = rng.standard_normal((rows, SPIKES), dtype=np.float32) / np.float32(math.sqrt(rows))
    right = rng.standard_normal((SPIKES, columns), dtype=np.float32) / np.float32(math.sqrt(columns))
    x += (left * size) @ right
    x *= np.float32(0.02)
    return x


def write(folder: Path, seed: int, change: float) -> None:
    """Write one checkpoint tensor by tensor, so that no more than one of them is in memory.

    Args:
        folder: Made here.
        seed: Of the base.
        change: Relative size of what is added to every matrix; 0 for the base itself.
    """
    import numpy as np

    folder.mkdir(parents=True)
    header: dict[str, Any] = {}
    at = 0
    for name, shape in tensors():
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + 2 * math.prod(shape)]}
        at += 2 * math.prod(shape)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with (folder / "model.safetensors").open("wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for number, (_, shape) in enumerate(tensors()):
            x = values(shape, seed, number)
            if change:
                noise = np.random.default_rng([seed, number, 1]).standard_normal(shape, dtype=np.float32)
                noise *= np.float32(change * float(x.std()))
                x += noise
            bits = x.view(np.uint32)
            bits += np.uint32(0x8000)  # to the nearest BF16, ties up
            f.write((bits >> np.uint32(16)).astype("<u2").tobytes())
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")


def timed(command: list[str], env: dict[str, str] | None = None, stdin: str = "") -> tuple[float, float, float, str]:
    """Wall seconds, processor seconds, peak resident memory in MB and standard output of one process.

    Raises:
        SystemExit: The process failed.
    """
    # Files instead of pipes: nothing has to be read while the process runs, so wait4 can be asked for its peak.
    with tempfile.TemporaryDirectory() as room:
        given, out, err = (Path(room) / n for n in ("in", "out", "err"))
        given.write_text(stdin, encoding="utf-8")
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, str(given), os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(out), os.O_WRONLY | os.O_CREAT, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, str(err), os.O_WRONLY | os.O_CREAT, 0o600),
        ]
        began = time.perf_counter()
        child = os.posix_spawnp(command[0], command, dict(os.environ if env is None else env), file_actions=actions)
        _, status, usage = os.wait4(child, 0)
        seconds = time.perf_counter() - began
        text = out.read_text(encoding="utf-8", errors="replace")
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            raise SystemExit(f"{' '.join(command)} failed with {code}: {err.read_text(errors='replace')[-500:]}")
    peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return seconds, usage.ru_utime + usage.ru_stime, peak, text


def machine() -> str:
    """Cores, processor and versions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    except OSError:
        name = platform.processor()
    return (
        f"{os.cpu_count()} cores, {name}, {platform.system()} {platform.release()}; "
        f"Python {platform.python_version()}, NumPy {version('numpy')}"
    )


def commit() -> str:
    """Commit of the working tree, or that there is none."""
    try:
        head = ["git", "-C", str(Path(__file__).parent)]
        found = subprocess.run([*head, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*head, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip() + (" with changes" if changed.stdout.strip() else "")


def ours(a: Path, b: Path, room: Path) -> Iterator[tuple[str, float, float, float, str]]:
    """What is measured of mpk-tui: (what, wall, processor seconds, peak MB, remark)."""
    tool = [sys.executable, "-m", "mpk_tui"]
    for n, (left, right, what) in enumerate((
        (a, b, "mpk-tui compare, from weights"),
        (room / "a.mpkf", room / "b.mpkf", "mpk-tui compare, from fingerprints"),
    )):  # fmt: skip
        if n == 1:
            for path, out in ((a, left), (b, right)):
                out.unlink(missing_ok=True)
                seconds, busy, peak, _ = timed([*tool, "fingerprint", str(path), "-o", str(out)])
                yield f"mpk-tui fingerprint, {path.name}", seconds, busy, peak, f"{out.stat().st_size / 1e6:.2f} MB"
        seconds, busy, peak, text = timed([*tool, "compare", str(left), str(right), "--json"])
        yield what, seconds, busy, peak, json.loads(text)["finding"]


def theirs(a: Path, b: Path, environments: Path) -> Iterator[tuple[str, float, float, float, str]]:
    """The same pair under each peer that is installed."""
    driver = Path(__file__).parents[1] / "zoo" / "peer_driver.py"
    for name in ("kit", "modeldna"):
        python = environments / name / "bin" / "python"
        if not python.exists():
            continue
        with tempfile.TemporaryDirectory(prefix="mpk-peer-") as home:
            env = {"PATH": os.environ["PATH"], "HOME": home, "HF_HOME": home, "XDG_CACHE_HOME": home,
                   "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}  # fmt: skip
            pair = json.dumps({"a": str(a.resolve()), "b": str(b.resolve())}) + "\n"
            seconds, busy, peak, text = timed([str(python), "-I", str(driver), name, "--fresh"], env, pair)
        hello, answer = (json.loads(line) for line in text.splitlines()[:2])
        said = answer.get("verdict") or "error: " + answer.get("error", "")[:80]
        yield f"{hello['package']} {hello['version']}, from weights", seconds, busy, peak, said


def measure(a: Path, b: Path, room: Path, rounds: int, environments: Path | None) -> None:
    """Run everything and print the table as rows come in."""
    print(f"{datetime.date.today().isoformat()}; {machine()}; commit {commit()}")
    size = sum(p.stat().st_size for p in a.rglob("*.safetensors"))
    print(f"Pair of checkpoints, {size / 1e9:.2f} GB each, in the page cache.\n")
    print("| what | wall | processor | peak memory | said |\n|---|---|---|---|---|")
    for path in (*a.rglob("*.safetensors"), *b.rglob("*.safetensors")):
        with path.open("rb", buffering=0) as f:
            while f.read(1 << 22):
                pass
    for _ in range(rounds):
        for what, seconds, busy, peak, said in ours(a, b, room):
            print(f"| {what} | {seconds:.1f} s | {busy:.1f} s | {peak:.0f} MB | {said} |", flush=True)
    if environments:
        for what, seconds, busy, peak, said in theirs(a, b, environments):
            print(f"| {what} | {seconds:.1f} s | {busy:.1f} s | {peak:.0f} MB | {said} |", flush=True)


def main() -> None:
    """Make or take a pair, measure, clean up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to make the pair (default: the system's temporary folder)")
    parser.add_argument("--pair", type=Path, nargs=2, metavar=("A", "B"), help="measure these instead of making a pair")
    parser.add_argument("--unrelated", action="store_true", help="make a second base in place of the copy")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json to lay beside both (peers ask for one)")
    parser.add_argument("--peers", type=Path, help="folder of the peers' environments")
    args = parser.parse_args()
    parent = args.folder or Path(tempfile.gettempdir())
    if not args.pair and shutil.disk_usage(parent).free < 4.5 * parameters() + 1e9:
        raise SystemExit(f"{parent} has no room for {4 * parameters() / 1e9:.1f} GB; name another folder with --folder")
    with tempfile.TemporaryDirectory(prefix="mpk-one-billion-", dir=parent) as name:
        room = Path(name)
        a, b = args.pair or (room / "base", room / ("other" if args.unrelated else "copy"))
        if not args.pair:
            # In processes of their own: a child starts with its parent's high-water mark, so this one stays small.
            spawn = multiprocessing.get_context("spawn")
            work = ((a, 1, 0.0), (b, 2, 0.0) if args.unrelated else (b, 1, CHANGE))
            makers = [spawn.Process(target=write, args=task) for task in work]
            for maker in makers:
                maker.start()
                maker.join()
                if maker.exitcode:
                    raise SystemExit("the pair could not be made")
            if args.tokenizer:
                for folder in (a, b):
                    shutil.copy(args.tokenizer, folder / "tokenizer.json")
        measure(a, b, room, args.rounds, args.peers)


if __name__ == "__main__":
    main()
