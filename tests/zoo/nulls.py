"""Synthetic pairs that have nothing in common but structure: the engine must say nothing about any of them.

    python -m tests.zoo.nulls [--pairs 10000] [--models 25] [--jobs 2]

Real weights are not white noise.  Units share a mean, some columns are larger than the rest by orders of magnitude, a
few directions carry most of the energy, entries have heavy tails, and independent models share all of that because they
learned from the same world.  What they do not share is which unit is which.

* Small pairs: rows of numbers straight through `feature_map` and `row_test`, layer by layer, joined as the engine joins
  them and handed to `findings.decide`.  Means, outlier columns and directions are the *same* in both models; loadings
  of units are drawn apart.
* Whole models: tiny Llama-like checkpoints with such structure, every pair through `compare` from files.  What tokens
  share is the same in all of them; residual dimensions are relabelled in each, as independent training does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mpk_tui.fingerprint.units import Floats, feature_map
from mpk_tui.lineage import findings
from mpk_tui.lineage.findings import Evidence
from mpk_tui.lineage.identity import Identity
from mpk_tui.lineage.results import LayerResult, UnitTest, combine
from mpk_tui.lineage.rowtest import row_test

from . import tally
from .calibrate import gathered
from .pairing import Pair, run
from .uniform import uniformity

LAYERS, UNITS, COLUMNS = 3, 64, 160
"""Layers of a small pair, units of each and columns of the feature map."""
LEVELS = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True)
class World:
    """Structure that both models of a pair share.

    Attributes:
        mean: Mean row, (columns,).
        scale: Standard deviation by column, (columns,); a few are outliers.
        directions: Shared directions, (rank, columns), their strength folded in.
        heavy: Whether entries have heavy tails (Student's t with three degrees of freedom).
    """

    mean: Floats
    scale: Floats
    directions: Floats
    heavy: bool


def draw_world(rng: np.random.Generator, columns: int) -> World:
    """Some structure; every kind is there in half of the worlds or more."""
    mean = rng.standard_normal(columns) * rng.choice([0.0, 0.3, 1.0, 5.0])
    scale = np.exp(rng.standard_normal(columns) * rng.choice([0.0, 0.3, 1.0]))
    outliers = rng.permutation(columns)[: int(rng.integers(0, 5))]
    scale[outliers] *= rng.uniform(10, 100, size=len(outliers))
    rank = int(rng.integers(0, 6))
    directions = rng.standard_normal((rank, columns)) * rng.uniform(0.3, 4.0, size=(rank, 1))
    return World(
        mean.astype(np.float32), scale.astype(np.float32), directions.astype(np.float32), bool(rng.integers(0, 2))
    )


def draw_rows(rng: np.random.Generator, world: World, rows: int) -> Floats:
    """Units of one model in this world: (rows, columns) float32; their order means nothing."""
    columns = len(world.mean)
    noise = rng.standard_t(3, size=(rows, columns)) if world.heavy else rng.standard_normal((rows, columns))
    # Loadings: some units carry a direction strongly, most hardly, as features do.
    loads = rng.standard_normal((rows, len(world.directions))) ** 3
    sizes = np.exp(0.5 * rng.standard_normal((rows, 1)))
    x = world.mean + world.scale * (noise + loads @ world.directions) * sizes
    return np.asarray(x, dtype=np.float32)


@dataclass(frozen=True)
class Null:
    """What came out for one small pair.

    Attributes:
        z: One per layer.
        p: One per layer.
        p_pair: Layers joined.
        finding: What was decided.
    """

    z: tuple[float, ...]
    p: tuple[float, ...]
    p_pair: float
    finding: str


def small_pair(number: int, seed: int = 0) -> Null:
    """One synthetic null pair through the tests and the decision."""
    rng = np.random.default_rng([seed, number])
    results = []
    for layer in range(LAYERS):
        world = draw_world(rng, COLUMNS)
        a, b = draw_rows(rng, world, UNITS), draw_rows(rng, world, UNITS)
        test = row_test(feature_map(a), feature_map(b), seed=(99, number, layer))
        results.append(LayerResult(layer, layer, test, test.log_p))
    unit_test = UnitTest("ffn.aligned", tuple(results), combine(results), "", "weights", {})
    finding = findings.decide(Evidence(Identity((), (), (), (), 0, False), [unit_test]))
    return Null(
        tuple(r.test.z for r in results), tuple(math.exp(r.log_p) for r in results), math.exp(unit_test.log_p),
        finding.name,
    )  # fmt: skip


def small_page(nulls: list[Null]) -> str:
    """Numbers of the small pairs, as Markdown."""
    z = np.array([v for n in nulls for v in n.z])
    ps, joined = [v for n in nulls for v in n.p], [n.p_pair for n in nulls]
    layer, pair = uniformity(ps), uniformity(joined)
    rows = [("p <= " + f"{level:g}", sum(p <= level for p in ps), f"{level * len(ps):g}",
             sum(p <= level for p in joined), f"{level * len(joined):g}") for level in LEVELS]  # fmt: skip
    said = Counter(n.finding for n in nulls)
    return "\n".join(
        (
            f"{len(nulls)} pairs, {len(ps)} layer tests: mean of z {z.mean():.3f}, sd {z.std():.3f}, max |z| "
            f"{np.abs(z).max():.2f}; KS p {layer.p:.2g} over layers (D {layer.distance:.4f}), {pair.p:.2g} over pairs "
            f"(D {pair.distance:.4f}); smallest p of a pair {min(joined):.2g}.",
            "",
            tally.markdown(("level", "layer tests", "expected", "pairs", "expected"), rows),
            "",
            "Findings: " + ", ".join(f"{count} {name}" for name, count in said.most_common()) + ".",
        )
    )


WIDTH, HIDDEN, HEADS, KV, DEPTH, VOCAB = 64, 160, 8, 4, 3, 512


def tensors(rng: np.random.Generator, shared: np.random.Generator) -> Iterator[tuple[str, Floats]]:
    """Weights of one tiny Llama-like model; ``shared`` yields the same in every model."""
    tokens = shared.standard_normal((VOCAB, 6)) ** 3
    frequency = shared.standard_normal(VOCAB)

    def matrix(rows: int, columns: int) -> Floats:
        rank = int(rng.integers(0, 5))
        spikes = rng.standard_normal((rows, rank)) * rng.uniform(1, 6, rank) @ rng.standard_normal((rank, columns))
        scale = np.ones(columns)
        scale[rng.permutation(columns)[:2]] = rng.uniform(5, 30, 2)
        noise = rng.standard_normal((rows, columns)) + 0.5 * rng.standard_normal(columns)
        return np.asarray(0.03 * (noise * scale + spikes / math.sqrt(rows)), dtype=np.float32)

    def embedding() -> Floats:
        # What tokens have in common is shared; where in the residual stream it lies is each model's own.
        spikes = tokens @ rng.standard_normal((tokens.shape[1], WIDTH))
        common = rng.standard_normal(WIDTH) * 2
        sizes = np.exp(0.3 * frequency)[:, None]
        return np.asarray(0.02 * (rng.standard_normal((VOCAB, WIDTH)) + common + spikes) * sizes, dtype=np.float32)

    def gains() -> Floats:
        return np.asarray(1 + 0.2 * rng.standard_normal(WIDTH), dtype=np.float32)

    yield "model.embed_tokens.weight", embedding()
    yield "lm_head.weight", embedding()
    yield "model.norm.weight", gains()
    head = WIDTH // HEADS
    for n in range(DEPTH):
        at = f"model.layers.{n}."
        yield at + "input_layernorm.weight", gains()
        yield at + "post_attention_layernorm.weight", gains()
        yield at + "self_attn.q_proj.weight", matrix(WIDTH, WIDTH)
        yield at + "self_attn.k_proj.weight", matrix(KV * head, WIDTH)
        yield at + "self_attn.v_proj.weight", matrix(KV * head, WIDTH)
        yield at + "self_attn.o_proj.weight", matrix(WIDTH, WIDTH)
        yield at + "mlp.gate_proj.weight", matrix(HIDDEN, WIDTH)
        yield at + "mlp.up_proj.weight", matrix(HIDDEN, WIDTH)
        yield at + "mlp.down_proj.weight", matrix(WIDTH, HIDDEN)


def write_model(folder: Path, seed: int) -> None:
    """One synthetic checkpoint."""
    folder.mkdir(parents=True)
    header: dict[str, object] = {}
    chunks, at = [], 0
    for name, x in tensors(np.random.default_rng([7, seed]), np.random.default_rng(8)):
        header[name] = {"dtype": "F32", "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        chunks.append(x.tobytes())
        at += x.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"".join(chunks))
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": WIDTH, "intermediate_size": HIDDEN,
        "num_attention_heads": HEADS, "num_key_value_heads": KV, "num_hidden_layers": DEPTH, "vocab_size": VOCAB,
        "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def whole_models(count: int, jobs: int) -> tuple[dict[Pair, dict[str, Any]], dict[str, list[float]]]:
    """All pairs of so many synthetic models, end to end, and p-values of single layer tests on them by form."""
    with tempfile.TemporaryDirectory(prefix="mpk-nulls-") as name:
        folder = Path(name)
        names = [f"m{n}" for n in range(count)]
        for n, model in enumerate(names):
            write_model(folder / model, n)
        pairs = [Pair(a, b, "independent", "4.1") for a, b in itertools.combinations(names, 2)]
        kept = folder / "results.jsonl"
        return run(pairs, folder, kept, jobs), gathered(run(pairs, folder, kept, jobs, kind="calibrate"))


def main() -> None:
    """Run both and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000, help="small pairs")
    parser.add_argument("--models", type=int, default=25, help="whole models, of which every pair is compared")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # workers inherit it: a core each
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(args.jobs) as pool:
        nulls = pool.map(small_pair, range(args.pairs), chunksize=50)
    print(f"## Synthetic nulls: small pairs\n\n{small_page(nulls)}\n\n{time.perf_counter() - began:.0f} s.\n")
    began = time.perf_counter()
    results, tests = whole_models(args.models, args.jobs)
    print(f"## Synthetic nulls: whole models\n\n{tally.exclusions(results)}\n")
    print(tally.calibration(tests))
    print(f"\nWrong or errors: {tally.offenders(results)}\n\n{time.perf_counter() - began:.0f} s.")


if __name__ == "__main__":
    main()
