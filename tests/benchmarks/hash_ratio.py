"""How long does a fingerprint take, beside the plainest hash of the same bytes?

    python tests/benchmarks/hash_ratio.py [--size-gb 4] [--rounds 3] [--threads N] [--checkpoint DIR] [--folder TMP]

Makes a sharded checkpoint in a temporary folder (or takes the one that is given), reads it once so that it lies in the
page cache, then runs `openssl dgst -sha256` over its weight files and `mpk-tui fingerprint` over it in turns.  Prints
every time, the medians, their ratio, and the peak resident memory of each process.  A number printed here is a
measurement of this machine, not a test: nothing in the suite depends on it.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

WIDTH, HIDDEN, KV_WIDTH, VOCAB = 4096, 14_336, 1024, 32_000
"""Matrices of a Llama-like 8B layer: the shapes decide how much work the features are beside the hash."""
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
SHARD_BYTES = 1 << 30


def tensors(layers: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the whole model, in file order."""
    yield "model.embed_tokens.weight", (VOCAB, WIDTH)
    for n in range(layers):
        for name, shape in LAYER.items():
            yield f"model.layers.{n}.{name}", shape
    yield "model.norm.weight", (WIDTH,)
    yield "lm_head.weight", (VOCAB, WIDTH)


def nbytes(shape: tuple[int, ...]) -> int:
    """Bytes of a BF16 tensor."""
    return 2 * math.prod(shape)


def make(folder: Path, total: int) -> None:
    """Write a BF16 checkpoint of about ``total`` bytes in shards of about a gibibyte."""
    import numpy as np

    fixed = 2 * nbytes((VOCAB, WIDTH))
    per_layer = sum(map(nbytes, LAYER.values()))
    layers = max(1, round((total - fixed) / per_layer))
    shards: list[list[tuple[str, tuple[int, ...]]]] = [[]]
    room = SHARD_BYTES
    for name, shape in tensors(layers):
        if shards[-1] and nbytes(shape) > room:
            shards.append([])
            room = SHARD_BYTES
        shards[-1].append((name, shape))
        room -= nbytes(shape)
    # Gaussian weights as BF16, drawn once and written over and over from another place: fast to make, and no hash
    # and no feature can profit from what repeats at this distance.
    rng = np.random.default_rng(1)
    pool = (rng.standard_normal(1 << 24, dtype=np.float32) * 0.02).view(np.uint32)
    block = np.tile((pool >> 16).astype(np.uint16), 2)
    where: dict[str, str] = {}
    for n, shard in enumerate(shards):
        file = f"model-{n + 1:05d}-of-{len(shards):05d}.safetensors"
        header, offset = {}, 0
        for name, shape in shard:
            end = offset + nbytes(shape)
            header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, end]}
            where[name], offset = file, end
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with (folder / file).open("wb") as f:
            f.write(len(text).to_bytes(8, "little") + text)
            for _, shape in shard:
                left = nbytes(shape) // 2
                while left:
                    start = int(rng.integers(1 << 24))
                    piece = block[start : start + min(left, 1 << 24)]
                    f.write(piece.data)
                    left -= len(piece)
    index = {"metadata": {"total_size": fixed + layers * per_layer}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": HIDDEN,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "num_hidden_layers": layers,
        "vocab_size": VOCAB,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config))


def timed(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak resident memory in MB of one process."""
    began = time.perf_counter()
    child = os.posix_spawnp(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    )
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{command[0]} failed with {os.waitstatus_to_exitcode(status)}")
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return seconds, usage.ru_maxrss / scale


def first_line(*command: str) -> str:
    """First line that a command prints, or what it lacks."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return f"{command[0]}: not available"


def processor() -> str:
    """Name of the processor and whether it has SHA instructions, which decide the rate of both sides."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return f"{name}, {'with' if 'sha_ni' in flags else 'without'} sha_ni"


def measure(folder: Path, rounds: int, threads: int | None) -> None:
    """Run both commands in turns and print what came out."""
    files = sorted(str(p) for p in folder.glob("*.safetensors"))
    total = sum(os.path.getsize(p) for p in files)
    for path in files:  # into the page cache
        with open(path, "rb", buffering=0) as f:
            while f.read(1 << 22):
                pass
    limit = ["--threads", str(threads)] if threads else []
    openssl = ["openssl", "dgst", "-sha256", *files]
    ours = [sys.executable, "-m", "mpk_tui", "fingerprint", str(folder), *limit]
    print(f"machine   {os.cpu_count()} cores, {processor()}, {platform.platform()}")
    print(f"versions  Python {platform.python_version()}, {first_line('openssl', 'version')}, numpy {version('numpy')}")
    print(f"input     {len(files)} files, {total / 1e9:.2f} GB, warm")
    results: dict[str, list[tuple[float, float]]] = {"openssl": [], "mpk-tui": []}
    for n in range(rounds):
        for name, command in (("openssl", openssl), ("mpk-tui", ours)):
            results[name].append(timed(command))
            seconds, peak = results[name][-1]
            print(f"round {n + 1}   {name:<8} {seconds:7.2f} s  {total / seconds / 1e6:7.0f} MB/s  peak {peak:6.0f} MB")
    medians = {name: statistics.median(seconds for seconds, _ in runs) for name, runs in results.items()}
    peak = max(memory for _, memory in results["mpk-tui"])
    print(
        f"median    openssl {medians['openssl']:.2f} s, mpk-tui {medians['mpk-tui']:.2f} s, "
        f"ratio {medians['mpk-tui'] / medians['openssl']:.2f}, peak memory of mpk-tui {peak:.0f} MB"
    )


def main() -> None:
    """Make or take a checkpoint, measure, clean up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-gb", type=float, default=4.0, help="size of the checkpoint to make")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--checkpoint", type=Path, help="measure this folder instead of making one")
    parser.add_argument("--folder", type=Path, help="where to make it (default: the system's temporary folder)")
    args = parser.parse_args()
    if args.checkpoint:
        measure(args.checkpoint, args.rounds, args.threads)
        return
    total = int(args.size_gb * 1e9)
    parent = args.folder or Path(tempfile.gettempdir())
    if shutil.disk_usage(parent).free < total * 1.2 + 1e9:
        raise SystemExit(f"{parent} has no room for {args.size_gb} GB; name another folder with --folder")
    with tempfile.TemporaryDirectory(prefix="mpk-hash-ratio-", dir=parent) as name:
        # In a process of its own: a child starts with its parent's high-water mark, so this one has to stay small.
        maker = multiprocessing.get_context("spawn").Process(target=make, args=(Path(name), total))
        maker.start()
        maker.join()
        if maker.exitcode:
            raise SystemExit("the checkpoint could not be made")
        measure(Path(name), args.rounds, args.threads)


if __name__ == "__main__":
    main()
