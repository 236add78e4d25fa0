"""Does the workbench stay awake?  A 20 ms tick inside the real app, under a real pseudo-terminal, while it works.

    nice python tests/benchmarks/tick.py [--folder KEEP] [--gigabytes 2] [--only NAME ...] [--rounds 1]

Makes its material once (``--folder`` keeps it: a checkpoint of some gigabytes in four shards, two models with a
vocabulary of 128,000 tokens, two with 100,000 tensors, a case with 10,000 journal entries), starts `Workbench` in a
child process on a pseudo-terminal of 80 x 24, sets an interval of 20 ms on it and notes when each tick came.  Prints,
for each activity, percentiles of the time from one tick to the next as Markdown, with the machine's load.

A stall of a second is one tick that came late, yet it spoils fifty.  So every late tick is counted once for each tick
that should have come in its time (as HdrHistogram corrects for coordinated omission); the percentiles are of those.
The aim: the 95th percentile under 50 ms while hashing and comparing.  Pytest does not collect this file.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import itertools
import json
import os
import platform
import pty
import shutil
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Awaitable, Callable
from fcntl import ioctl
from pathlib import Path
from typing import Any

TICK = 0.02
AIM = 0.05
VOCAB, WIDTH, FFN, LAYERS = 128_000, 512, 1024, 6
MANY = 100_000
ENTRIES = 10_000


# -- material -------------------------------------------------------------------------------------------------------


def safetensors(path: Path, tensors: dict[str, tuple[tuple[int, ...], bytes]]) -> None:
    """Write BF16 tensors in safetensors' layout."""
    header: dict[str, Any] = {}
    at = 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, data in tensors.values():
            f.write(data)


def bfloat(shape: tuple[int, ...], seed: int) -> bytes:
    """Random weights of the usual size."""
    import numpy as np

    x = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32) * np.float32(0.02)
    return (x.view(np.uint32) >> np.uint32(16)).astype("<u2").tobytes()


def config(folder: Path, width: int, ffn: int, layers: int, vocab: int) -> None:
    """A Llama-like configuration."""
    facts = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": width, "intermediate_size": ffn,
        "num_hidden_layers": layers, "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": vocab,
        "rms_norm_eps": 1e-6, "torch_dtype": "bfloat16", "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(facts))


def layer(at: str, width: int, ffn: int, seed: int) -> dict[str, tuple[tuple[int, ...], bytes]]:
    """Tensors of one layer."""
    shapes: dict[str, tuple[int, ...]] = {f"self_attn.{n}_proj": (width, width) for n in "qkvo"}
    shapes |= {"mlp.gate_proj": (ffn, width), "mlp.up_proj": (ffn, width), "mlp.down_proj": (width, ffn)}
    shapes |= {"input_layernorm": (width,), "post_attention_layernorm": (width,)}
    return {f"{at}{n}.weight": (s, bfloat(s, seed * 100 + i)) for i, (n, s) in enumerate(shapes.items())}


def large(folder: Path, gigabytes: float) -> Path:
    """A checkpoint of some gigabytes in four shards."""
    if folder.exists():
        return folder
    made = folder.with_name(f".{folder.name}")
    made.mkdir(parents=True)
    width, ffn, shards = 2048, 8192, 4
    each = 2 * (4 * width * width + 3 * width * ffn)
    layers = max(shards, round(gigabytes * 1e9 / each) // shards * shards)
    one = layer("", width, ffn, 7)  # the same bytes in each layer: hashing does not care
    for s in range(shards):
        part = {}
        for n in range(s * layers // shards, (s + 1) * layers // shards):
            part |= {f"model.layers.{n}.{name}": t for name, t in one.items()}
        if s == 0:
            for name in ("model.embed_tokens.weight", "lm_head.weight"):
                part[name] = ((32_000, width), bfloat((32_000, width), 3))
            part["model.norm.weight"] = ((width,), bfloat((width,), 4))
        safetensors(made / f"model-{s + 1:05d}-of-{shards:05d}.safetensors", part)
    config(made, width, ffn, layers, 32_000)
    made.rename(folder)
    return folder


def worded(folder: Path, seed: int) -> Path:
    """A small model with a large vocabulary."""
    if folder.exists():
        return folder
    made = folder.with_name(f".{folder.name}")
    made.mkdir(parents=True)
    part = {
        "model.embed_tokens.weight": ((VOCAB, WIDTH), bfloat((VOCAB, WIDTH), seed)),
        "lm_head.weight": ((VOCAB, WIDTH), bfloat((VOCAB, WIDTH), seed + 1)),
        "model.norm.weight": ((WIDTH,), bfloat((WIDTH,), seed + 2)),
    }
    for n in range(LAYERS):
        part |= layer(f"model.layers.{n}.", WIDTH, FFN, seed + 10 + n)
    safetensors(made / "model.safetensors", part)
    config(made, WIDTH, FFN, LAYERS, VOCAB)
    vocab = {f"\u0120t{i}" if i % 2 else f"w{i}": i for i in range(VOCAB)}
    merges = [f"a{i} b{i}" for i in range(VOCAB)]
    model = {"type": "BPE", "vocab": vocab, "merges": merges, "byte_fallback": False}
    (made / "tokenizer.json").write_text(json.dumps({"added_tokens": [], "model": model}))
    made.rename(folder)
    return folder


def many(folder: Path, seed: int) -> Path:
    """A checkpoint of 100,000 small tensors."""
    if folder.exists():
        return folder
    made = folder.with_name(f".{folder.name}")
    made.mkdir(parents=True)
    part = {}
    for i in range(MANY):
        part[f"model.layers.{i // 20}.block.{i % 20}.weight"] = ((4,), bfloat((4,), seed + i % 1000))
    safetensors(made / "model.safetensors", part)
    config(made, 4, 4, MANY // 20, 16)
    made.rename(folder)
    return folder


def case_of(folder: Path, id: str, subject: Path, reference: Path) -> Path:
    """A case with one pair."""
    from mpk_tui.case import artifacts, create_case

    if not folder.exists():
        with create_case(folder, id=id, title="Tick", examiner="Kim") as case:
            artifacts.add_artifact(case, subject, role="subject")
            artifacts.add_artifact(case, reference, role="reference")
    return folder


def long_case(folder: Path, subject: Path, reference: Path) -> Path:
    """A case with 10,000 journal entries: answers and notes, as years of work would leave them."""
    from mpk_tui.case import actions, artifacts, create_case, open_case
    from mpk_tui.case.journal import Writer, make_entry, read_journal
    from mpk_tui.case.store import JOURNAL

    if folder.exists():
        return folder
    made = folder.with_name(f".{folder.name}")
    with create_case(made, id="L-1", title="Long", examiner="Kim") as case:
        artifacts.add_artifact(case, subject, role="subject")
        artifacts.add_artifact(case, reference, role="reference")
        actions.answer(case, "c1", "not-met", reason="Nothing in the documents names the reference.")
        actions.note(case, "A note.")
        patterns = case.entries[-2:]
    path = made / JOURNAL
    journal = read_journal(path)
    writer = Writer(path, journal)
    sync, os.fsync = os.fsync, lambda _: None  # ten thousand syncs are no part of what is measured
    try:
        for seq in range(len(journal.entries), ENTRIES):
            p = patterns[seq % 2]
            writer.append(make_entry(seq, p.who, p.role, p.act, p.params, p.obj, p.result, p.note))
    finally:
        os.fsync = sync
        writer.close()
    with open_case(made) as case:
        assert len(case.entries) == ENTRIES
    made.rename(folder)
    return folder


# -- inside the app -------------------------------------------------------------------------------------------------


async def until(true: Callable[[], bool], seconds: float = 900) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError
        await asyncio.sleep(0.05)


def inside(activity: str, room: Path, out: Path) -> None:
    """The child: the app with a tick, one activity, its ticks written to a file."""
    from mpk_tui.tui.app import Workbench

    ticks: list[float] = []
    facts: dict[str, Any] = {}
    case = {
        "idle": "idle", "fingerprint, some GB": "large", "fingerprint, 128,000 tokens": "worded",
        "compare, 128,000 tokens": "worded", "fingerprint, 100,000 tensors": "many",
        "compare, 100,000 tensors": "many", "table of 100,000 tensors": "table",
    }.get(activity)  # fmt: skip
    app = Workbench(room / f"case-{case}" if case else None)

    async def job(key: str, what: str) -> None:
        app.screen.set_focus(None)
        app.simulate_key(key)
        await until(lambda: any(j.what == what for j in app.jobs.all.values()), 10)
        made = next(j for j in app.jobs.all.values() if j.what == what)
        await until(lambda: not made.live)
        facts["state"], facts["error"] = made.state, made.error

    async def idle() -> None:
        await asyncio.sleep(4)

    async def fingerprint() -> None:
        await job("f", "fingerprint")

    async def compare() -> None:
        await job("c", "compare")

    async def opening() -> None:
        app.open_soon(room / "case-long")
        await until(lambda: app.session is not None, 60)
        await asyncio.sleep(1)

    async def history() -> None:
        app.go("history")
        await asyncio.sleep(0.5)
        for _ in range(20):
            app.simulate_key("down")
            await asyncio.sleep(0.05)

    async def answering() -> None:
        app.go("conditions")
        await asyncio.sleep(0.5)
        for _ in range(6):
            for key in ("m", "n", "right"):
                app.simulate_key(key)
                await asyncio.sleep(0.25)

    async def table() -> None:
        app.go("compare")
        await asyncio.sleep(1)
        for key in [*["pagedown"] * 20, *["down"] * 40, "t", "t", "end", "home", *["down"] * 10]:
            app.simulate_key(key)
            await asyncio.sleep(0.05)

    async def script() -> None:
        await until(lambda: len(app.screen_stack) > 1, 30)
        await asyncio.sleep(0.5)
        acts: dict[str, Callable[[], Awaitable[None]]] = {
            "idle": idle, "opening 10,000 entries": opening, "history of 10,000 entries": history,
            "answering after 10,000 entries": answering, "table of 100,000 tensors": table,
        }  # fmt: skip
        act = acts.get(activity) or (fingerprint if activity.startswith("fingerprint") else compare)
        if act in (history, answering):
            app.open_case(room / "case-long")
        if act in (fingerprint, compare):
            app.go(act.__name__)
        await asyncio.sleep(0.5)
        app.set_interval(TICK, lambda: ticks.append(time.perf_counter()))
        await asyncio.sleep(0.2)
        began = time.perf_counter()
        await act()
        facts["seconds"] = time.perf_counter() - began
        await asyncio.sleep(0.3)

    left = [0.0]

    async def pilot(_: Any) -> None:
        try:
            await script()
        except BaseException as error:
            facts["error"] = repr(error)
        left[0] = time.perf_counter()
        app.close_down()

    asyncio.run(app.run_async(auto_pilot=pilot))
    facts["quit"] = time.perf_counter() - left[0]
    import resource

    facts["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts["peak_below"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    gaps = [b - a for a, b in itertools.pairwise(ticks)]
    out.write_text(json.dumps({"gaps": gaps, **facts}))


# -- outside --------------------------------------------------------------------------------------------------------


def measure(activity: str, room: Path) -> dict[str, Any]:
    """One activity in a child on a pseudo-terminal."""
    out = room / "ticks.json"
    out.unlink(missing_ok=True)
    errors = room / "errors.txt"
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm-256color"}
        for name in ("DATA", "CACHE", "CONFIG"):
            os.environ[f"XDG_{name}_HOME"] = str(room / "xdg")
        os.execv(sys.executable, [sys.executable, __file__, "--folder", str(room), "--inside", activity])
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    tail = b""
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not piece:
            break
        tail = (tail + piece)[-20_000:]
    os.waitpid(pid, 0)
    os.close(terminal)
    if not out.exists():
        errors.write_bytes(tail)
        raise SystemExit(f"{activity}: the app ended without ticks; its last output is in {errors}")
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def corrected(gaps: list[float]) -> list[float]:
    """Each late tick once for every tick that should have come in its time."""
    full = []
    for gap in gaps:
        while gap > 0:
            full.append(gap)
            gap -= TICK
            if gap < TICK:
                break
    return sorted(full)


def percentile(ordered: list[float], q: float) -> float:
    """A percentile in milliseconds."""
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] * 1000 if ordered else float("nan")


def row(activity: str, found: dict[str, Any]) -> str:
    """One line of the table."""
    gaps = corrected(found["gaps"])
    shown = [f"{percentile(gaps, q):.0f}" for q in (0.5, 0.95, 0.99)]
    worst = max(found["gaps"], default=0) * 1000
    verdict = "" if percentile(gaps, 0.95) < AIM * 1000 else " over"
    state = f" {found['error'] or found.get('state', '')}" if found.get("error") else ""
    return (
        f"| {activity} | {found.get('seconds', 0):.1f} s | {shown[0]} | {shown[1]}{verdict} | {shown[2]} | {worst:.0f} | "
        f"{found['peak']:.0f} + {found['peak_below']:.0f} MB | {found.get('quit', 0):.2f} s |{state}"
    )


ACTIVITIES = (
    "idle", "fingerprint, some GB", "fingerprint, 128,000 tokens", "compare, 128,000 tokens",
    "fingerprint, 100,000 tensors", "compare, 100,000 tensors", "table of 100,000 tensors", "opening 10,000 entries",
    "history of 10,000 entries", "answering after 10,000 entries",
)  # fmt: skip


def prepare(room: Path, gigabytes: float, wanted: list[str]) -> None:
    """Make what the wanted activities need, and fresh cases."""
    a, b = worded(room / "worded-a", 1000), worded(room / "worded-b", 2000)
    for name in ("idle", "worded", "large", "many"):
        shutil.rmtree(room / f"case-{name}", ignore_errors=True)
    case_of(room / "case-idle", "I-1", a, b)
    case_of(room / "case-worded", "W-1", a, b)
    if any("GB" in w for w in wanted):
        case_of(room / "case-large", "G-1", large(room / "large", gigabytes), a)
    if any("tensors" in w for w in wanted):
        c, d = many(room / "many-a", 1), many(room / "many-b", 2)
        case_of(room / "case-many", "M-1", c, d)
        if any("table" in w for w in wanted) and not (room / "case-table").exists():
            from mpk_tui.case import actions, open_case

            with open_case(case_of(room / "case-table", "T-1", c, d)) as case:
                actions.compare_pair(case)
    if any("entries" in w for w in wanted):
        long_case(room / "case-long", a, b)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="WORD", help="activities whose names hold one of these"
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.inside:
        inside(args.inside, args.folder, args.folder / "ticks.json")
        return
    wanted = [a for a in ACTIVITIES if not args.only or any(w in a for w in args.only)]
    with tempfile.TemporaryDirectory() as name:
        room = (args.folder or Path(name)).absolute()
        room.mkdir(parents=True, exist_ok=True)
        print(f"{datetime.date.today()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
              f"Python {platform.python_version()}\n")  # fmt: skip
        print("| activity | for | p50 ms | p95 | p99 | longest | peak, app + largest below | quit |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        for _ in range(args.rounds):
            prepare(room, args.gigabytes, wanted)
            for activity in wanted:
                load = os.getloadavg()[0]
                print(f"{row(activity, measure(activity, room))} load {load:.1f}", flush=True)


if __name__ == "__main__":
    main()
