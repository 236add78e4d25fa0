"""Four small transformers with the tensor names of their big relatives.

* ``llama``: RMSNorm, rotary positions, grouped queries, SwiGLU, a head of its own.
* ``mixtral``: the same with four experts, two of them used by every token.
* ``gpt2``: LayerNorm with biases, learned positions, GELU, fused q/k/v stored (in, out), tied head.
* ``bert``: normalisation behind each block, both directions, masked-language loss, tied decoder.

Everything is ordinary: random initialisation with standard deviation 0.02, residual outputs scaled by depth, no trick
that would make lineage easier or harder to see.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CONTEXT = 96
MASK = 1
"""Id of the mask token (``bert``)."""


@dataclass(frozen=True)
class Spec:
    """Shape of one model.

    Attributes:
        arch: ``llama``, ``mixtral``, ``gpt2`` or ``bert``.
        width: Residual width.
        ffn: Feed-forward units (of each expert).
        layers: Layers.
        heads: Query heads.
        kv_heads: Key and value heads.
        vocab: Rows of the embedding.
        experts: Experts a layer, 0 for dense layers.
    """

    arch: str
    width: int
    ffn: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int
    experts: int = 0
    head_dim: int = 0

    @property
    def dim(self) -> int:
        """Width of a head; stored, because it stays when the residual width is cut."""
        return self.head_dim or self.width // self.heads

    def config(self) -> dict[str, Any]:
        """What config.json says of it."""
        if self.arch == "gpt2":
            return {
                "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": self.width, "n_inner": self.ffn,
                "n_layer": self.layers, "n_head": self.heads, "n_positions": CONTEXT, "vocab_size": self.vocab,
                "activation_function": "gelu_new", "tie_word_embeddings": True,
            }  # fmt: skip
        if self.arch == "bert":
            return {
                "architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_size": self.width,
                "intermediate_size": self.ffn, "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
                "max_position_embeddings": CONTEXT, "type_vocab_size": 2, "vocab_size": self.vocab,
                "hidden_act": "gelu", "tie_word_embeddings": True,
            }  # fmt: skip
        out: dict[str, Any] = {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": self.width,
            "intermediate_size": self.ffn, "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads, "head_dim": self.dim, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "max_position_embeddings": CONTEXT, "vocab_size": self.vocab, "hidden_act": "silu",
            "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        }  # fmt: skip
        if self.experts:
            out |= {
                "architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "num_local_experts": self.experts,
                "num_experts_per_tok": 2,
            }  # fmt: skip
        return out

    def changed(self, **changes: int) -> Spec:
        """Another shape of the same architecture."""
        return Spec(**{**asdict(self), "head_dim": self.dim, **changes})


class Norm(nn.Module):
    """RMSNorm (Zhang and Sennrich 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)


class Conv1D(nn.Module):
    """A linear map stored (in, out), as GPT-2 does."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


def bag(**children: nn.Module) -> nn.Module:
    """A module that is nothing but a name for its children."""
    out = nn.Module()
    for name, child in children.items():
        out.add_module(name, child)
    return out


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear map without bias."""
    return nn.Linear(inputs, outputs, bias=False)


def rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021), half-split layout."""
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat((-right, left), -1) * sin


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, kv: int, causal: bool, turn: Any = None) -> Tensor:
    """Multi-head attention of projected (batch, time, ...) inputs."""
    b, t, _ = q.shape
    q = q.view(b, t, heads, -1).transpose(1, 2)
    k = k.view(b, t, kv, -1).transpose(1, 2)
    v = v.view(b, t, kv, -1).transpose(1, 2)
    if turn is not None:
        q, k = turn(q), turn(k)
    k, v = k.repeat_interleave(heads // kv, 1), v.repeat_interleave(heads // kv, 1)
    return functional.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).reshape(b, t, -1)


class Llama(nn.Module):
    """Llama-like, dense or with experts."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        d, s = spec.width, spec.dim
        self.spec = spec
        layers = []
        for _ in range(spec.layers):
            parts = {
                "input_layernorm": Norm(d),
                "self_attn": bag(
                    q_proj=linear(d, spec.heads * s), k_proj=linear(d, spec.kv_heads * s),
                    v_proj=linear(d, spec.kv_heads * s), o_proj=linear(spec.heads * s, d),
                ),
                "post_attention_layernorm": Norm(d),
            }  # fmt: skip
            if spec.experts:
                experts = [
                    bag(w1=linear(d, spec.ffn), w2=linear(spec.ffn, d), w3=linear(d, spec.ffn))
                    for _ in range(spec.experts)
                ]
                parts["block_sparse_moe"] = bag(gate=linear(d, spec.experts), experts=nn.ModuleList(experts))
            else:
                parts["mlp"] = bag(
                    gate_proj=linear(d, spec.ffn), up_proj=linear(d, spec.ffn), down_proj=linear(spec.ffn, d)
                )
            layers.append(bag(**parts))
        self.model = bag(embed_tokens=nn.Embedding(spec.vocab, d), layers=nn.ModuleList(layers), norm=Norm(d))
        self.lm_head = linear(d, spec.vocab)
        half = s // 2
        angle = torch.arange(CONTEXT)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cos", torch.cat((angle, angle), -1).cos(), persistent=False)
        self.register_buffer("sin", torch.cat((angle, angle), -1).sin(), persistent=False)

    def logits(self, ids: Tensor) -> Tensor:
        t = ids.shape[1]
        turn = lambda x: rotary(x, self.cos[:t], self.sin[:t])  # noqa: E731
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            y, at = layer.input_layernorm(x), layer.self_attn
            x = x + at.o_proj(
                attend(at.q_proj(y), at.k_proj(y), at.v_proj(y), self.spec.heads, self.spec.kv_heads, True, turn)
            )
            y = layer.post_attention_layernorm(x)
            x = x + (self._experts(layer.block_sparse_moe, y) if self.spec.experts else self._dense(layer.mlp, y))
        return self.lm_head(self.model.norm(x))

    @staticmethod
    def _dense(mlp: Any, y: Tensor) -> Tensor:
        return mlp.down_proj(functional.silu(mlp.gate_proj(y)) * mlp.up_proj(y))

    @staticmethod
    def _experts(moe: Any, y: Tensor) -> Tensor:
        # Every expert sees every token, weighted; at this size cheaper than routing, and the same function.
        scores = moe.gate(y)
        kept = scores.topk(2, -1)
        weights = torch.zeros_like(scores).scatter(-1, kept.indices, kept.values.softmax(-1))
        return sum(
            weights[..., e : e + 1] * expert.w2(functional.silu(expert.w1(y)) * expert.w3(y))
            for e, expert in enumerate(moe.experts)
        )

    def loss(self, windows: Tensor, generator: torch.Generator) -> Tensor:
        return functional.cross_entropy(self.logits(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())


class Gpt2(nn.Module):
    """GPT-2-like."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        d, a = spec.width, spec.heads * spec.dim
        self.spec = spec
        layers = [
            bag(
                ln_1=nn.LayerNorm(d), attn=bag(c_attn=Conv1D(d, 3 * a), c_proj=Conv1D(a, d)), ln_2=nn.LayerNorm(d),
                mlp=bag(c_fc=Conv1D(d, spec.ffn), c_proj=Conv1D(spec.ffn, d)),
            )
            for _ in range(spec.layers)
        ]  # fmt: skip
        self.transformer = bag(
            wte=nn.Embedding(spec.vocab, d), wpe=nn.Embedding(CONTEXT, d), h=nn.ModuleList(layers), ln_f=nn.LayerNorm(d)
        )

    def logits(self, ids: Tensor) -> Tensor:
        g = self.transformer
        x = g.wte(ids) + g.wpe.weight[: ids.shape[1]]
        for layer in g.h:
            q, k, v = layer.attn.c_attn(layer.ln_1(x)).chunk(3, -1)
            x = x + layer.attn.c_proj(attend(q, k, v, self.spec.heads, self.spec.heads, True))
            x = x + layer.mlp.c_proj(functional.gelu(layer.mlp.c_fc(layer.ln_2(x)), approximate="tanh"))
        return g.ln_f(x) @ g.wte.weight.T

    def loss(self, windows: Tensor, generator: torch.Generator) -> Tensor:
        return functional.cross_entropy(self.logits(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())


class Bert(nn.Module):
    """BERT-like."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        d, a = spec.width, spec.heads * spec.dim
        self.spec = spec
        layers = []
        for _ in range(spec.layers):
            own = bag(query=nn.Linear(d, a), key=nn.Linear(d, a), value=nn.Linear(d, a))
            attention = bag(self=own, output=bag(dense=nn.Linear(a, d), LayerNorm=nn.LayerNorm(d)))
            layers.append(
                bag(
                    attention=attention, intermediate=bag(dense=nn.Linear(d, spec.ffn)),
                    output=bag(dense=nn.Linear(spec.ffn, d), LayerNorm=nn.LayerNorm(d)),
                )
            )  # fmt: skip
        embeddings = bag(
            word_embeddings=nn.Embedding(spec.vocab, d), position_embeddings=nn.Embedding(CONTEXT, d),
            token_type_embeddings=nn.Embedding(2, d), LayerNorm=nn.LayerNorm(d),
        )  # fmt: skip
        self.bert = bag(embeddings=embeddings, encoder=bag(layer=nn.ModuleList(layers)))
        self.cls = bag(predictions=nn.Module())
        self.cls.predictions.bias = nn.Parameter(torch.zeros(spec.vocab))

    def logits(self, ids: Tensor) -> Tensor:
        e = self.bert.embeddings
        x = e.word_embeddings(ids) + e.position_embeddings.weight[: ids.shape[1]] + e.token_type_embeddings.weight[0]
        x = e.LayerNorm(x)
        for layer in self.bert.encoder.layer:
            own, out = layer.attention.self, layer.attention.output
            y = attend(own.query(x), own.key(x), own.value(x), self.spec.heads, self.spec.heads, False)
            x = out.LayerNorm(x + out.dense(y))
            x = layer.output.LayerNorm(x + layer.output.dense(functional.gelu(layer.intermediate.dense(x))))
        return x @ e.word_embeddings.weight.T + self.cls.predictions.bias

    def loss(self, windows: Tensor, generator: torch.Generator) -> Tensor:
        ids = windows[:, :-1]
        hidden = torch.rand(ids.shape, generator=generator) < 0.2
        logits = self.logits(ids.masked_fill(hidden, MASK))
        return functional.cross_entropy(logits[hidden], ids[hidden])


KINDS = {"llama": Llama, "mixtral": Llama, "gpt2": Gpt2, "bert": Bert}


def build(spec: Spec, seed: int) -> nn.Module:
    """A freshly initialised model.

    The initialisation draws tensors in a fixed order, so one seed and one shape give one initialisation.
    """
    model = KINDS[spec.arch](spec)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 2:
                p.normal_(0.0, 0.02, generator=generator)
                if name.endswith(("o_proj.weight", "down_proj.weight", "w2.weight", "c_proj.weight")):
                    p.mul_((2 * spec.layers) ** -0.5)
    return model
