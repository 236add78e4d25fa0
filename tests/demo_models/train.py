"""Train the three checkpoints that `mpk-tui demo` runs on: a base, a fine-tune of it and an independent twin.

    python tests/demo_models/train.py OUT [base fine-tune twin …]

Needs PyTorch and tokenizers (the `train` extra of pyproject.toml); nothing of mpk_tui.  The text comes from the
running interpreter's own standard library, so everybody has it; README.md beside this file says which interpreter,
which seeds and what came out.  The models are small but nothing about them is staged: same architecture as any
Llama-like model (RMSNorm, rotary positions, grouped queries, SwiGLU), random initialisation, AdamW, cross-entropy.
"""

from __future__ import annotations

import ast
import hashlib
import json
import math
import platform
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "head_dim": 32,
    "hidden_act": "silu",
    "hidden_size": 128,
    "initializer_range": 0.02,
    "intermediate_size": 320,
    "max_position_embeddings": 128,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "vocab_size": 768,
}
END = "<|end|>"
CONTEXT = 128
BATCH = 16


@dataclass(frozen=True)
class Recipe:
    """How one checkpoint is made.

    Attributes:
        text: ``code`` (standard library modules) or ``reference`` (the language reference that pydoc prints).
        start: Checkpoint to start from, or None for a random initialisation.
        init_seed: Seed of the initialisation; of no effect with ``start``.
        data_seed: Seed of the order in which the text is seen.
        steps: Optimiser steps of BATCH x CONTEXT tokens.
        rate: Peak learning rate; linear warm-up, cosine decay to a tenth.
    """

    text: str
    start: str | None
    init_seed: int
    data_seed: int
    steps: int
    rate: float


RECIPES = {
    "base": Recipe("code", None, init_seed=11, data_seed=101, steps=1200, rate=3e-3),
    "fine-tune": Recipe("reference", "base", init_seed=0, data_seed=201, steps=200, rate=5e-4),
    "twin": Recipe("code", None, init_seed=12, data_seed=102, steps=1200, rate=3e-3),
    # Not part of the package; siblings that a developer may want to look at.
    "same-seed": Recipe("code", None, init_seed=11, data_seed=103, steps=1200, rate=3e-3),
    "continued": Recipe("code", "base", init_seed=0, data_seed=104, steps=600, rate=2e-3),
}
SHIPPED = ("base", "fine-tune", "twin")


def corpus(kind: str) -> list[str]:
    """Documents of a kind, in a fixed order."""
    library = Path(sysconfig.get_paths()["stdlib"])
    if kind == "code":
        files = sorted(p for p in library.glob("*.py") if not p.name.startswith("_sysconfigdata"))
        return [p.read_text(encoding="utf-8") for p in files]
    source = (library / "pydoc_data" / "topics.py").read_text(encoding="utf-8")
    assignment = next(n for n in ast.parse(source).body if isinstance(n, ast.Assign))
    topics = ast.literal_eval(assignment.value)
    return [topics[name] for name in sorted(topics)]


def digest(documents: list[str]) -> str:
    """SHA-256 over the documents, so that a rerun can be told from a rerun on other text."""
    h = hashlib.sha256()
    for text in documents:
        h.update(hashlib.sha256(text.encode()).digest())
    return h.hexdigest()


def train_tokenizer(documents: list[str]) -> Tokenizer:
    """Byte-level BPE over the base corpus, shared by all checkpoints."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=int(CONFIG["vocab_size"]),
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, documents: list[str]) -> tuple[Tensor, Tensor]:
    """Token streams for training and for measuring: every tenth document is held out."""
    streams: tuple[list[int], list[int]] = ([], [])
    for n, encoded in enumerate(tokenizer.encode_batch(documents)):
        streams[n % 10 == 9].extend([*encoded.ids, 0])
    return torch.tensor(streams[0]), torch.tensor(streams[1])


class Norm(nn.Module):
    """RMSNorm (Zhang and Sennrich 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + CONFIG["rms_norm_eps"])


class Attention(nn.Module):
    """Causal attention with grouped queries and rotary positions in the half-split layout of Hugging Face."""

    def __init__(self) -> None:
        super().__init__()
        width, size = CONFIG["hidden_size"], CONFIG["head_dim"]
        self.heads, self.kv_heads = CONFIG["num_attention_heads"], CONFIG["num_key_value_heads"]
        self.q_proj = nn.Linear(width, self.heads * size, bias=False)
        self.k_proj = nn.Linear(width, self.kv_heads * size, bias=False)
        self.v_proj = nn.Linear(width, self.kv_heads * size, bias=False)
        self.o_proj = nn.Linear(self.heads * size, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        b, t, _ = x.shape
        q = rotate(self.q_proj(x).view(b, t, self.heads, -1).transpose(1, 2), cos, sin)
        k = rotate(self.k_proj(x).view(b, t, self.kv_heads, -1).transpose(1, 2), cos, sin)
        v = self.v_proj(x).view(b, t, self.kv_heads, -1).transpose(1, 2)
        group = self.heads // self.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021) of (batch, heads, time, size)."""
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat((-right, left), -1) * sin


class Mlp(nn.Module):
    """SwiGLU (Shazeer 2020)."""

    def __init__(self) -> None:
        super().__init__()
        width, hidden = CONFIG["hidden_size"], CONFIG["intermediate_size"]
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Pre-norm block."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm = Norm(CONFIG["hidden_size"])
        self.self_attn = Attention()
        self.post_attention_layernorm = Norm(CONFIG["hidden_size"])
        self.mlp = Mlp()

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Body(nn.Module):
    """Embedding, layers, final norm; called ``model`` in the checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(CONFIG["vocab_size"], CONFIG["hidden_size"])
        self.layers = nn.ModuleList(Layer() for _ in range(CONFIG["num_hidden_layers"]))
        self.norm = Norm(CONFIG["hidden_size"])
        half = CONFIG["head_dim"] // 2
        angle = torch.arange(CONTEXT)[:, None] * CONFIG["rope_theta"] ** (-torch.arange(half) / half)
        self.register_buffer("cos", torch.cat((angle, angle), -1).cos(), persistent=False)
        self.register_buffer("sin", torch.cat((angle, angle), -1).sin(), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        t = ids.shape[1]
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, self.cos[:t], self.sin[:t])
        return self.norm(x)


class Llama(nn.Module):
    """A causal language model whose state dict has the names of Hugging Face's LlamaForCausalLM."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.model = Body()
        self.lm_head = nn.Linear(CONFIG["hidden_size"], CONFIG["vocab_size"], bias=False)
        torch.manual_seed(seed)
        for name, p in self.named_parameters():
            if p.ndim == 2:
                nn.init.normal_(p, std=CONFIG["initializer_range"])
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    with torch.no_grad():
                        p.mul_((2 * CONFIG["num_hidden_layers"]) ** -0.5)

    def loss(self, windows: Tensor) -> Tensor:
        """Mean cross-entropy in nats a token over (batch, CONTEXT + 1) windows."""
        logits = self.lm_head(self.model(windows[:, :-1]))
        return functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())


def windows(stream: Tensor, seed: int) -> Iterator[Tensor]:
    """Endless batches of windows, every window of the stream once an epoch."""
    generator = torch.Generator().manual_seed(seed)
    count = (len(stream) - 1) // CONTEXT
    while True:
        for chosen in torch.randperm(count, generator=generator).split(BATCH):
            if len(chosen) == BATCH:
                yield stream[chosen[:, None] * CONTEXT + torch.arange(CONTEXT + 1)]


@torch.no_grad()
def measure(model: Llama, stream: Tensor) -> float:
    """Held-out cross-entropy in nats a token."""
    count = min(160, (len(stream) - 1) // CONTEXT)
    blocks = (torch.arange(count)[:, None] * CONTEXT + torch.arange(CONTEXT + 1)).split(BATCH)
    return sum(model.loss(stream[b]).item() * len(b) for b in blocks) / count


def unigram_entropy(stream: Tensor) -> float:
    """Entropy of single tokens in nats: what a model that learned nothing but frequencies would score."""
    p = torch.bincount(stream, minlength=CONFIG["vocab_size"]).double() / len(stream)
    return float(-(p[p > 0] * p[p > 0].log()).sum())


def train(recipe: Recipe, out: Path, stream: Tensor) -> Llama:
    """Run one recipe."""
    model = Llama(recipe.init_seed)
    if recipe.start is not None:
        stored = load_file(out / recipe.start / "model.safetensors")
        model.load_state_dict({name: value.float() for name, value in stored.items()})
    decayed = [p for p in model.parameters() if p.ndim == 2]
    other = [p for p in model.parameters() if p.ndim != 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": other, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.95))
    batches = windows(stream, recipe.data_seed)
    warmup = max(1, recipe.steps // 20)
    began = time.monotonic()
    for step in range(recipe.steps):
        cosine = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * min(1.0, (step + 1) / warmup) * (0.1 + 0.9 * cosine)
        loss = model.loss(next(batches))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 50 == 0 or step == recipe.steps - 1:
            print(f"  step {step:4d}  loss {loss.item():.3f}  {time.monotonic() - began:.0f} s", flush=True)
    return model


def save(model: Llama, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a Hugging Face folder: weights in BF16, config, tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: p.detach().to(torch.bfloat16).contiguous() for name, p in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").write_text(tokenizer.to_str() + "\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Train what is asked for, in the order of the recipes, and print what came out."""
    out = Path(arguments[0])
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(2)
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}")
    texts = {kind: corpus(kind) for kind in ("code", "reference")}
    for kind, documents in texts.items():
        print(f"text {kind}: {len(documents)} documents, SHA-256 {digest(documents)}")
    tokenizer = train_tokenizer(texts["code"])
    streams = {kind: encode(tokenizer, documents) for kind, documents in texts.items()}
    for kind, (learn, held) in streams.items():
        print(
            f"text {kind}: {len(learn)} tokens to learn, {len(held)} held out, "
            f"unigram entropy {unigram_entropy(held):.3f} nats"
        )
    for name in arguments[1:] or SHIPPED:
        print(f"{name}: {RECIPES[name]}", flush=True)
        recipe = RECIPES[name]
        model = train(recipe, out, streams[recipe.text][0])
        save(model, tokenizer, out / name)
        kept = load_file(out / name / "model.safetensors")
        model.load_state_dict({key: value.float() for key, value in kept.items()})
        losses = ", ".join(f"{kind} {measure(model, held):.3f}" for kind, (_, held) in streams.items())
        print(f"{name}: held-out loss in nats a token, as stored in BF16: {losses}")
        for file in sorted((out / name).iterdir()):
            print(f"  {hashlib.sha256(file.read_bytes()).hexdigest()}  {file.stat().st_size:>8}  {name}/{file.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
