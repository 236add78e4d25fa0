"""What a row of the table of architectures says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Roles = str | tuple[str, ...]

QKV = ("attn.q", "attn.k", "attn.v")
GATE_UP = ("ffn.gate", "ffn.up")
KV_B = ("attn.k_b", "attn.v_b")
STACK = "@*"
"""Behind a role: the tensor is a stack of matrices, one an expert."""


@dataclass(frozen=True)
class Row:
    """One family in one format.

    Attributes:
        family: Canonical family name.
        format: ``safetensors`` or ``gguf``.
        types: ``model_type`` or ``general.architecture`` values that select the row.
        prefixes: What may stand before the names; the longest that leads to a name wins.
        names: Template without ``.weight`` to role(s), ``{i}`` for the layer and ``{e}`` for an expert; biases follow
            by themselves.  A tuple of roles is a fused matrix, in the order of its rows.
        later: Templates of a second stack of layers, which are numbered on behind those of the first.
        stacks: Names of the two stacks.
        beside: Templates that stand under none of the prefixes.
        transposed: Matrices are stored (in, out), as GPT-2's Conv1D does.
        turned: Stacks of experts are stored (experts, in, out); decides only where shapes do not.
        grouped: Rows of a fused QKV lie by key/value heads: the queries of a head, its key, its value.
        paired: Rows of a fused GATE_UP alternate.
        rope_reordered: The converter re-ordered q and k rows (llama.cpp for Llama-like models).
        gain_offset: Norm gains are stored as gain minus this.
        also: Roles that a tensor serves beside its own (one norm before two parallel blocks).
        needs: Roles without which the row does not fit.
        core: The role that every such model has in its layers.
        shared: One stored layer serves all layers.
        scope: As in `mpk_tui.checkpoint.model.Architecture`.
    """

    family: str
    format: str
    types: tuple[str, ...]
    prefixes: tuple[str, ...]
    names: Mapping[str, Roles]
    later: Mapping[str, Roles] = field(default_factory=dict)
    stacks: tuple[str, ...] = ()
    beside: Mapping[str, Roles] = field(default_factory=dict)
    transposed: bool = False
    turned: bool = False
    grouped: bool = False
    paired: bool = False
    rope_reordered: bool = False
    gain_offset: float = 0.0
    also: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    core: str = "ffn.up"
    shared: bool = False
    scope: str = "transformer-lm"
