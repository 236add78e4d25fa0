"""Train the zoo: small transformers with known truth, and everything that can be derived from them.

    python -m tests.zoo.train OUT [--part K/N] [--bases NAME…] [--steps 400] [--list]

Needs PyTorch and tokenizers (the ``train`` extra); nothing of mpk_tui.  A model that is there already is not made
again, so an interrupted run goes on where it stopped, and N processes may share the work.  At the end of each part (or
with ``--list``) OUT/models.tsv and OUT/pairs.tsv hold what is what; `tests.zoo.truth` makes them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from tests.zoo import derive, truth
from tests.zoo.derive import State
from tests.zoo.models import Spec, build
from tests.zoo.text import corpus, encode, train_tokenizer, windows

VOCAB = 800
BATCH = 10
SPECS = {
    "llama-a": Spec("llama", 96, 256, 4, 4, 2, VOCAB),
    "llama-b": Spec("llama", 128, 344, 4, 4, 2, VOCAB),
    "gpt2-a": Spec("gpt2", 96, 384, 4, 4, 4, VOCAB),
    "gpt2-b": Spec("gpt2", 128, 512, 4, 4, 4, VOCAB),
    "bert-a": Spec("bert", 96, 384, 4, 4, 4, VOCAB),
    "bert-b": Spec("bert", 128, 512, 4, 4, 4, VOCAB),
    "mixtral-a": Spec("mixtral", 96, 128, 4, 4, 2, VOCAB, experts=4),
    "mixtral-b": Spec("mixtral", 128, 160, 4, 4, 2, VOCAB, experts=4),
}
SEEDS = (1, 2, 3)


class World:
    """Text, tokenizers and the folder of models."""

    def __init__(self, out: Path, steps: int) -> None:
        self.out, self.steps = out, steps
        texts = {kind: corpus(kind) for kind in ("code", "packages", "reference")}
        self.tokenizers = {
            "first": train_tokenizer(texts["code"], VOCAB),
            "second": train_tokenizer(texts["reference"] + texts["packages"], VOCAB + 96),
            "third": train_tokenizer(texts["reference"], VOCAB),
        }
        self.streams = {
            (name, kind): encode(tokenizer, documents)
            for name, tokenizer in self.tokenizers.items()
            for kind, documents in texts.items()
            if name != "third"
        }

    def load(self, name: str) -> tuple[State, Spec]:
        """A finished model, waited for where another process makes it."""
        while not (self.out / name / "tokenizer.json").exists():
            time.sleep(5)
        stored = load_file(self.out / name / "model.safetensors")
        facts = json.loads((self.out / name / "spec.json").read_text())
        return {n: v.float() for n, v in stored.items()}, Spec(**facts)

    def save(
        self, name: str, state: State, spec: Spec, tokenizer: str = "first", dtype: torch.dtype = torch.bfloat16
    ) -> None:
        """Write a folder as a user would hold it; the tokenizer last, it marks the folder as complete."""
        folder = self.out / name
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {n: v.to(dtype).contiguous() for n, v in state.items()}, folder / "model.safetensors", {"format": "pt"}
        )
        (folder / "config.json").write_text(json.dumps(spec.config(), indent=2) + "\n", encoding="utf-8")
        (folder / "spec.json").write_text(json.dumps(spec.__dict__) + "\n", encoding="utf-8")
        (folder / "tokenizer.json.part").write_text(self.tokenizers[tokenizer].to_str() + "\n", encoding="utf-8")
        os.replace(folder / "tokenizer.json.part", folder / "tokenizer.json")


@dataclass(frozen=True)
class Course:
    """How a model is trained.

    Attributes:
        text: Which corpus.
        steps: Optimiser steps.
        rate: Peak learning rate.
        order: Seed of the data order.
        tokenizer: Which tokenizer.
        swapped: Share of windows replaced.
        saves: Steps after which the state is handed to ``on_save``.
    """

    text: str
    steps: int
    rate: float
    order: int
    tokenizer: str = "first"
    swapped: float = 0.0
    saves: tuple[int, ...] = ()


def train(
    world: World, model: nn.Module, course: Course, *, teacher: nn.Module | None = None,
    adapter: int = 0, on_save: Callable[[int, State], None] | None = None,
) -> State:  # fmt: skip
    """Train, or distil from a teacher, or train a low-rank adapter and merge it.

    AdamW, linear warm-up, cosine decay to a tenth, weight decay 0.1 on matrices, gradients clipped at 1.
    """
    draw = torch.Generator().manual_seed(course.order + 7)
    batches = windows(world.streams[course.tokenizer, course.text], course.order, BATCH, course.swapped)
    low: dict[str, tuple[Tensor, Tensor]] = {}
    if adapter:
        for p in model.parameters():
            p.requires_grad_(False)
        for name, p in model.named_parameters():
            if p.ndim == 2 and derive.axes(model.spec, name).what in ("q", "v", "up", "down", "qkv"):
                down = torch.randn(p.shape[0], adapter, generator=draw) * 0.02
                low[name] = (down.requires_grad_(), torch.zeros(adapter, p.shape[1]).requires_grad_())
        learn = [x for pair in low.values() for x in pair]
    else:
        learn = list(model.parameters())
    groups = [
        {"params": [p for p in learn if p.ndim == 2], "weight_decay": 0.0 if adapter else 0.1},
        {"params": [p for p in learn if p.ndim != 2], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=course.rate, betas=(0.9, 0.95))
    warmup = max(1, course.steps // 20)
    for step in range(course.steps):
        if on_save is not None and step in course.saves:
            on_save(step, {n: p.detach().clone() for n, p in model.named_parameters()})
        cosine = 0.5 * (1 + math.cos(math.pi * step / course.steps))
        for group in optimiser.param_groups:
            group["lr"] = course.rate * min(1.0, (step + 1) / warmup) * (0.1 + 0.9 * cosine)
        batch = next(batches)
        if teacher is not None:
            with torch.no_grad():
                wanted = teacher.logits(batch[:, :-1]).log_softmax(-1)
            got = model.logits(batch[:, :-1]).log_softmax(-1)
            loss = functional.kl_div(got.flatten(0, 1), wanted.flatten(0, 1), log_target=True, reduction="batchmean")
        elif adapter:
            merged = {n: dict(model.named_parameters())[n] + down @ up for n, (down, up) in low.items()}
            loss = functional_call(_Loss(model), {f"model.{n}": v for n, v in merged.items()}, (batch, draw))
        else:
            loss = model.loss(batch, draw)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learn, 1.0)
        optimiser.step()
    print(f"    {course.text}, {course.steps} steps, last loss {loss.item():.3f}", flush=True)
    state = {n: p.detach().clone() for n, p in model.named_parameters()}
    for name, (down, up) in low.items():
        state[name] = (state[name] + down @ up).detach()
    return state


class _Loss(nn.Module):
    """The loss as a forward call, which `functional_call` needs."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor, draw: torch.Generator) -> Tensor:
        return self.model.loss(batch, draw)


def restored(spec: Spec, state: State) -> nn.Module:
    """A model with these weights."""
    model = build(spec, 0)
    model.load_state_dict(state, strict=True)
    return model


def rebuilt_vocabulary(world: World, state: State, spec: Spec, seed: int) -> tuple[State, Spec]:
    """Another tokenizer; rows of shared strings inherited, the others drawn anew."""
    old, new = world.tokenizers["first"].get_vocab(), world.tokenizers["second"].get_vocab()
    draw = derive.generator(seed)
    out = {}
    for name, value in state.items():
        what = derive.axes(spec, name).what
        if what in ("embed", "head") or name == "cls.predictions.bias":
            shape = (len(new), *value.shape[1:])
            fresh = torch.randn(shape, generator=draw) * value.std()
            for token, row in new.items():
                if token in old:
                    fresh[row] = value[old[token]]
            value = fresh
        out[name] = value
    return out, spec.changed(vocab=len(new))


def jobs_of(world: World, key: str, seed: int) -> list[tuple[str, Callable[[], None]]]:
    """Everything that is made from one base, in an order in which each finds what it needs."""
    spec = SPECS[key]
    n = world.steps
    name = f"{key}-{seed}"
    other = f"{key}-{seed % len(SEEDS) + 1}"
    o = 1000 * seed
    full = spec.arch != "mixtral"
    made: list[tuple[str, Callable[[], None]]] = []

    def add(
        suffix: str,
        make: Callable[[], tuple[State, Spec] | tuple[State, Spec, str]],
        dtype: torch.dtype = torch.bfloat16,
    ) -> None:
        target = f"{name}.{suffix}" if suffix else name

        def run() -> None:
            state, shape, *rest = make()
            world.save(target, state, shape, *(rest or ["first"]), dtype=dtype)

        made.append((target, run))

    def base() -> State:
        return world.load(name)[0]

    def tuned(course: Course, start: str = name, **options: object) -> tuple[State, Spec]:
        state, shape = world.load(start)
        return train(world, restored(shape, state), course, **options), shape

    def fresh(course: Course, init: int) -> tuple[State, Spec]:
        return train(world, build(spec, init), course), spec

    def pretrain() -> tuple[State, Spec]:
        def keep(step: int, state: State) -> None:
            world.save(f"{name}.step{step:04d}", state, spec)

        saves = (0, n // 4, n // 2, 3 * n // 4) if seed == 1 else ()
        return train(world, build(spec, seed), Course("code", n, 3e-3, o, saves=saves), on_save=keep), spec

    def healed(shape_state: tuple[State, Spec], steps: int, order: int) -> tuple[State, Spec]:
        state, shape = shape_state
        return train(world, restored(shape, state), Course("code", steps, 1e-3, order)), shape

    def student() -> tuple[State, Spec]:
        teacher = restored(spec, base())
        state, shape = derive.keep_layers(base(), spec, [0, 2])
        return train(world, restored(shape, state), Course("code", n // 4, 1e-3, o + 12), teacher=teacher), shape

    def distilled() -> tuple[State, Spec]:
        shape = spec.changed(layers=3)
        teacher = restored(spec, base())
        return train(world, build(shape, 900 + seed), Course("code", n // 2, 3e-3, o + 13), teacher=teacher), shape

    def revocabulary() -> tuple[State, Spec, str]:
        state, shape = rebuilt_vocabulary(world, base(), spec, o + 14)
        course = Course("packages", n // 4, 1e-3, o + 15, tokenizer="second")
        return train(world, restored(shape, state), course), shape, "second"

    add("", pretrain)
    add("ft", lambda: tuned(Course("reference", n // 5, 5e-4, o + 1)))
    add("ft2", lambda: tuned(Course("packages", n // 5, 5e-4, o + 2)))
    add("seed_order", lambda: fresh(Course("code", n, 3e-3, o + 20), seed))
    if seed != 1:
        add("seed_corpus", lambda: fresh(Course("packages", n, 3e-3, o + 21), seed))
    if seed != 2:
        add("seed_near", lambda: fresh(Course("code", n, 3e-3, o, swapped=0.02), seed))
    if seed == 3:
        add("seed_short", lambda: fresh(Course("code", n // 5, 1e-3, o + 22), seed))
    add("cpt", lambda: tuned(Course("packages", n // 2, 2e-3, o + 3)))
    if seed == 2:
        add("cpt_heavy", lambda: tuned(Course("reference", n, 3e-3, o + 4)))
    add("ft_ft", lambda: tuned(Course("packages", n // 8, 5e-4, o + 5), f"{name}.ft"))
    add("lora", lambda: tuned(Course("reference", n // 4, 3e-3, o + 6), adapter=4))
    add("vocab", revocabulary)
    if full:
        add("drop", lambda: healed(derive.keep_layers(base(), spec, [0, 1, 3]), n // 8, o + 7))
        add("repeat", lambda: healed(derive.keep_layers(base(), spec, [0, 1, 1, 2, 2, 3]), n // 8, o + 8))
        add("hidden", lambda: healed(derive.cut_width(base(), spec, spec.width * 3 // 4), n // 8, o + 9))
        add("pruned", lambda: healed(derive.prune_units(base(), spec, spec.ffn * 3 // 4), n // 8, o + 10))
        add("kd_layers", student)
    add("mask", lambda: (derive.mask_half(base()), spec))
    if seed != 3:
        add("kd_random", distilled)
    add("q4", lambda: (derive.on_grid(base(), 4, 32, spec.arch == "gpt2"), spec))
    add("q8", lambda: (derive.on_grid(base(), 8, 64, spec.arch == "gpt2"), spec))
    add("q3_ft", lambda: (derive.on_grid(world.load(f"{name}.ft")[0], 3, 32, spec.arch == "gpt2"), spec))
    add("slerp", lambda: (derive.slerp(world.load(f"{name}.ft")[0], world.load(f"{name}.ft2")[0], 0.4), spec))
    add(
        "mean",
        lambda: (derive.linear_merge([world.load(f"{name}.ft")[0], world.load(f"{name}.ft2")[0]], [0.7, 0.3]), spec),
    )
    add(
        "task",
        lambda: (
            derive.task_arithmetic(base(), [world.load(f"{name}.ft")[0], world.load(f"{name}.ft2")[0]], 0.8),
            spec,
        ),
    )
    add("mix", lambda: (derive.linear_merge([base(), world.load(other)[0]], [0.7, 0.3]), spec))
    if full:
        add(
            "stack",
            lambda: derive.interleave(
                world.load(f"{name}.ft")[0],
                world.load(f"{name}.ft2")[0],
                spec,
                [(0, 0), (0, 1), (1, 1), (1, 2), (0, 2), (0, 3)],
            ),
        )
        add("franken", lambda: derive.interleave(base(), world.load(other)[0], spec, [(0, 0), (0, 1), (1, 2), (1, 3)]))
    add("f32", lambda: (base(), spec), torch.float32)
    add("perm_units", lambda: (derive.permute_units(base(), spec, o), spec))
    add("perm_residual", lambda: (derive.permute_residual(base(), spec, o), spec))
    add("perm_heads", lambda: (derive.permute_heads(base(), spec, o), spec))
    add("rescale", lambda: (derive.rescale(base(), spec, o), spec))
    add("noise", lambda: (derive.noise(base(), 0.1, o), spec))
    add("rename", lambda: (derive.rename(base(), spec), spec))
    add("rename_ft", lambda: (derive.rename(world.load(f"{name}.ft")[0], spec), spec))
    add("tokenizer", lambda: (base(), spec, "third"))
    add("tokenizer_ft", lambda: (world.load(f"{name}.ft")[0], spec, "third"))
    if spec.arch in ("llama", "mixtral"):
        add("rotate", lambda: (derive.rotate_residual(base(), spec, o), spec))
        add("flip", lambda: (derive.flip_residual(base(), spec, o), spec))
        add("ft_rotate", lambda: (derive.rotate_residual(world.load(f"{name}.ft")[0], spec, o), spec))
    add("ft_perm_units", lambda: (derive.permute_units(world.load(f"{name}.ft")[0], spec, o), spec))
    add("perm_both", lambda: (derive.permute_residual(derive.permute_units(base(), spec, o), spec, o), spec))
    add("perm_units_channels", lambda: (derive.permute_channels(derive.permute_units(base(), spec, o), spec, o), spec))
    add(
        "perm_units_residual_channels",
        lambda: (
            derive.permute_channels(derive.permute_residual(derive.permute_units(base(), spec, o), spec, o), spec, o),
            spec,
        ),
    )
    add("cpt_perm_residual", lambda: (derive.permute_residual(world.load(f"{name}.cpt")[0], spec, o), spec))
    add("seed_perm_units", lambda: (derive.permute_units(world.load(f"{name}.seed_order")[0], spec, o), spec))
    return made


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--part", default="1/1", help="K/N: every Nth base, from the Kth on")
    parser.add_argument("--bases", nargs="*", help="only these, such as llama-a-1")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--list", action="store_true", help="write the tables of what is there and stop")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.list:
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        world = World(args.out, args.steps)
        part, parts = map(int, args.part.split("/"))
        bases = [(key, seed) for seed in SEEDS for key in SPECS]
        mine = [b for k, b in enumerate(bases) if k % parts == part - 1]
        if args.bases:
            mine = [b for b in bases if f"{b[0]}-{b[1]}" in args.bases]
        plans = [jobs_of(world, key, seed) for key, seed in mine]
        # All bases first, so that what needs two of them never waits for long.
        for name, run in [p[0] for p in plans] + [job for p in plans for job in p[1:]]:
            if (args.out / name / "tokenizer.json").exists():
                continue
            began = time.monotonic()
            run()
            print(f"{name}  {time.monotonic() - began:.1f} s", flush=True)
    truth.write(args.out)


if __name__ == "__main__":
    main()
