"""The text that the zoo learns from: the running interpreter's own standard library, which everybody has."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

from tests.zoo.models import CONTEXT

SPECIAL = ["<|end|>", "<|mask|>"]
UNUSED = 16
"""Reserved ids at the end of the vocabulary that no text ever uses."""


def corpus(kind: str) -> list[str]:
    """Documents in a fixed order.

    Args:
        kind: ``code`` (modules), ``packages`` (modules of packages) or ``reference`` (what pydoc prints).
    """
    library = Path(sysconfig.get_paths()["stdlib"])
    if kind == "reference":
        source = (library / "pydoc_data" / "topics.py").read_text(encoding="utf-8")
        assignment = next(n for n in ast.parse(source).body if isinstance(n, ast.Assign))
        topics = ast.literal_eval(assignment.value)
        return [topics[name] for name in sorted(topics)]
    if kind == "code":
        files = sorted(p for p in library.glob("*.py") if not p.name.startswith("_sysconfigdata"))
    else:
        wanted = ("asyncio", "concurrent", "email", "html", "http", "idlelib", "importlib", "json", "logging",
                  "multiprocessing", "tkinter", "unittest", "urllib", "wsgiref", "xml", "xmlrpc")  # fmt: skip
        files = sorted(p for folder in wanted for p in (library / folder).glob("*.py"))
    return [p.read_text(encoding="utf-8", errors="replace") for p in files]


def train_tokenizer(documents: list[str], size: int) -> Tokenizer:
    """Byte-level BPE with `UNUSED` reserved ids at its end."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - UNUSED,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    tokenizer.add_tokens([f"<|reserved_{i}|>" for i in range(size - tokenizer.get_vocab_size())])
    return tokenizer


def encode(tokenizer: Tokenizer, documents: list[str]) -> Tensor:
    """One stream of ids, documents separated by the end token."""
    ids: list[int] = []
    for encoded in tokenizer.encode_batch(documents):
        ids.extend([*encoded.ids, 0])
    return torch.tensor(ids)


def windows(stream: Tensor, seed: int, batch: int, swapped: float = 0.0) -> Iterator[Tensor]:
    """Endless batches of windows, every window once an epoch.

    Args:
        stream: Token ids.
        seed: Seed of the order.
        batch: Windows a batch.
        swapped: Share of windows replaced by others: nearly the same data in nearly the same order.
    """
    draw = torch.Generator().manual_seed(seed)
    other = torch.Generator().manual_seed(seed + 1_000_003)
    count = (len(stream) - 1) // CONTEXT
    while True:
        for chosen in torch.randperm(count, generator=draw).split(batch):
            if len(chosen) < batch:
                continue
            if swapped:
                away = torch.rand(batch, generator=other) < swapped
                chosen = torch.where(away, torch.randint(0, count, (batch,), generator=other), chosen)
            yield stream[chosen[:, None] * CONTEXT + torch.arange(CONTEXT + 1)]
