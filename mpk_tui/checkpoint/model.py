"""The records that a reader yields: what a checkpoint is, before anything is measured.  Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.adapters.record import AdapterFacts


@dataclass(frozen=True)
class FileEntry:
    """One directory entry of a checkpoint, found without following links.

    Attributes:
        path: Relative to the checkpoint's root, with ``/``; bytes that are not UTF-8 appear as surrogate escapes.
        kind: ``file``, ``symlink``, ``dir`` (empty directories only) or ``other`` (FIFO, device, socket).
        size: Bytes; 0 for what is not a file.
        link: Text of a symbolic link, else None.
        link_class: ``inside``, ``outside`` or ``broken`` for a link, else None.
    """

    path: str
    kind: str
    size: int
    link: str | None = None
    link_class: str | None = None


COLUMN_MAJOR = "/T"
"""Suffix of a type label: the matrix is stored column by column."""


@dataclass(frozen=True)
class Tensor:
    """A tensor as its file declares it.

    Attributes:
        name: As in the file; untrusted text.
        dtype: Canonical label: ``F64 F32 F16 BF16 I8 U8 ... BOOL`` or a GGUF block type such as ``Q4_K``.  With
            `COLUMN_MAJOR` behind it, the bytes of a matrix lie column by column (PyTorch files of turned views);
            being part of the label it is part of everything that is hashed.
        shape: Outermost dimension first (row-major), also for GGUF, whose files list dimensions innermost first.
        file: Path of the file, relative to the root.
        offset: First byte within that file.
        nbytes: Length in bytes.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: str
    offset: int
    nbytes: int

    @property
    def elements(self) -> int:
        """Number of elements."""
        n = 1
        for d in self.shape:
            n *= d
        return n


@dataclass(frozen=True)
class Part:
    """A canonical tensor as a view of a stored one.

    Attributes:
        tensor: Name of the stored tensor.
        transposed: The stored matrix is (in, out); the canonical one is (out, in).
        start: First canonical output row, after turning; for fused tensors.
        stop: One past the last canonical output row, or None for all.
        rope_heads: Number of heads whose rows a GGUF converter re-ordered for its rotary layout and which the
            reader has to put back, or 0.
        offset: Added to every value when read (1.0 for norm gains that are stored as gain - 1).
        index: Which matrix of a stack (experts, rows, columns) is meant; -1 for a tensor that is no stack.
        run: With ``period``: canonical rows lie in runs of this many, one run every ``period`` rows from ``start`` on
            (queries, keys and values interleaved head by head; gate and up interleaved row by row).  0 for rows that
            follow one another.
        period: Distance between the starts of two runs.
    """

    tensor: str
    transposed: bool = False
    start: int = 0
    stop: int | None = None
    rope_heads: int = 0
    offset: float = 0.0
    index: int = -1
    run: int = 0
    period: int = 0


@dataclass(frozen=True)
class Derived:
    """A weight that is no stored tensor but computed from some: dequantized, or a base plus an adapter.

    Attributes:
        name: What the plain model calls it, e.g. ``model.layers.0.self_attn.q_proj.weight``.
        layout: How it is computed, e.g. ``gptq``, ``awq``, ``bnb-nf4``, ``fp8-block``, ``lora``.
        shape: Of the computed weight, row-major, as the plain model would store it.
        sources: What a part is called by its layout (``qweight``, ``scales``, ``base`` ...) to the name of the stored
            (or, for adapters, derived) tensor.
        params: Numbers of the layout (bits, group size, rank, scaling ...), all plain data.
        bits: Bits of one stored code where values lie on a grid, 0 where they do not.
    """

    name: str
    layout: str
    shape: tuple[int, ...]
    sources: Mapping[str, str]
    params: Mapping[str, Any]
    bits: int = 0

    @property
    def elements(self) -> int:
        """Number of elements of the computed weight."""
        n = 1
        for d in self.shape:
            n *= d
        return n

    @property
    def label(self) -> str:
        """Type label in place of a stored type, e.g. ``GPTQ:4``."""
        return f"{self.layout.upper()}:{self.bits}" if self.bits else self.layout.upper()


@dataclass(frozen=True, order=True)
class Block:
    """One feed-forward block.

    Attributes:
        layer: Layer index.
        expert: Number of the expert, -1 for a dense layer.
    """

    layer: int
    expert: int = -1

    def __str__(self) -> str:
        return str(self.layer) if self.expert < 0 else f"{self.layer}.{self.expert}"


@dataclass(frozen=True)
class Architecture:
    """Canonical roles of a checkpoint's tensors.

    Roles are ``embed.tokens``, ``embed.positions``, ``embed.types``, ``embed.norm``, ``norm.final``, ``head``, and
    per layer ``attn.q attn.k attn.v attn.o attn.norm ffn.gate ffn.up ffn.down ffn.norm`` with ``.bias`` appended for
    biases and ``@`` and a number for what belongs to one expert (``ffn.up@3``); all matrices are (out, in) once read.

    Attributes:
        family: Row of the table, e.g. ``llama``; ``unknown`` if no row fits (then ``roles`` is empty).
        scope: ``transformer-lm`` or what else it is; the constitution speaks of the former only.
        layers: Number of layers L.
        width: Residual width d, 0 if unknown.
        ffn_width: Feed-forward units h, 0 if unknown or not the same in all layers.
        heads: Query heads, 0 if unknown.
        kv_heads: Key/value heads, 0 if unknown.
        head_dim: Width of a head, 0 if unknown.
        tied: The head is the token embedding (stated or no head stored).
        roles: ``(role, layer)`` to part; layer is -1 for what is not in a layer.
        unassigned: Stored tensors without a role, sorted.
        notices: What the table could not settle, as sentences.
        experts: Routed experts of a layer that has experts, 0 where all layers are dense.
        stacks: ``(name, first layer, layers)`` of stacks that are numbered through in ``roles`` (an encoder and the
            decoder behind it); empty where there is one.
    """

    family: str
    scope: str
    layers: int
    width: int
    ffn_width: int
    heads: int
    kv_heads: int
    head_dim: int
    tied: bool
    roles: Mapping[tuple[str, int], Part]
    unassigned: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    experts: int = 0
    stacks: tuple[tuple[str, int, int], ...] = ()

    def feed(self, role: str, block: Block) -> Part | None:
        """A feed-forward matrix of a block, or None where there is none."""
        return self.roles.get((role if block.expert < 0 else f"{role}@{block.expert}", block.layer))

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Feed-forward blocks in order: one a layer, or one an expert."""
        found = []
        for role, layer in self.roles:
            name, _, expert = role.partition("@")
            if name == "ffn.up":
                found.append(Block(layer, int(expert) if expert else -1))
        return tuple(sorted(found))


UNRESOLVED = Architecture("unknown", "transformer-lm", 0, 0, 0, 0, 0, 0, False, {})
"""Before roles are known."""


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary as data.

    Attributes:
        source: File it came from (or ``gguf``).
        kind: ``bpe``, ``wordpiece``, ``wordlevel``, ``unigram`` or ``unknown``.
        tokens: Token strings by id in one normal form: every blank is ``\\u2581``, byte-level alphabets are decoded
            (bytes that are no text appear as ``<0xE2>``), word-piece marks are turned round (``##ing`` becomes
            ``ing``, ``the`` becomes ``\\u2581the``), and special tokens keep their spelling.  None where an id has no
            string.
        special: Ids of special tokens.
    """

    source: str
    kind: str
    tokens: tuple[str | None, ...]
    special: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Checkpoint:
    """A model on disk, headers read, weights untouched.

    Attributes:
        path: What the user named.
        root: Folder that relative paths start from.
        format: One of `mpk_tui.checkpoint.readers.FORMATS`, or ``container`` for what is listed and hashed only.
        files: Everything below the root (or the one file), sorted by path.
        weights: Paths of the files that hold tensors, sorted.
        tensors: By name, sorted by name (bytewise).
        config: The model's configuration as data (``config.json`` or GGUF metadata), empty if there is none.
        metadata: Header metadata of the weight files, by file (strings only; kept as evidence).
        tokenizer: Vocabulary, or None.
        architecture: Canonical roles.
        notices: Anything odd that is no error, as sentences.
        derived: Weights that are computed from stored tensors, by name.
        towers: Canonical roles of parts beside the language model (``vision``, ``audio``), by name.
        twins: Tensors of files beside the weights that should be copies of them, by file; hashed in the same pass.
        undecoded: Why no tensors are listed although there are files, or empty.
        missing: What is known to be missing, as sentences; empty for whole evidence.
        roots: For a composite (an adapter on its base): folders by the first components of the files' paths; empty
            for a checkpoint that lies in one place.
        adapter: What an adapter's configuration and tensors say, None for what is no adapter.
    """

    path: Path
    root: Path
    format: str
    files: tuple[FileEntry, ...]
    weights: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any]
    metadata: Mapping[str, Mapping[str, str]]
    tokenizer: Tokenizer | None
    architecture: Architecture
    notices: tuple[str, ...] = ()
    derived: Mapping[str, Derived] = field(default_factory=dict)
    towers: Mapping[str, Architecture] = field(default_factory=dict)
    twins: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)
    undecoded: str = ""
    missing: tuple[str, ...] = ()
    roots: Mapping[str, Path] = field(default_factory=dict)
    adapter: AdapterFacts | None = None

    @property
    def places(self) -> Path | Mapping[str, Path]:
        """Where the files lie, as `mpk_tui.checkpoint.reading.open_entry` takes it."""
        return self.roots or self.root

    @cached_property
    def logical(self) -> Mapping[str, Tensor]:
        """The weights that roles name: stored tensors that nothing was computed from, and the derived ones.

        A derived weight lies in no file: its ``file`` is empty and its type label names the layout.  A source names
        a stored tensor if there is one of that name (it may be called as the derived weight itself is), else a
        derived weight, which then is a step on the way and no weight of the model.
        """
        used = {source for d in self.derived.values() for source in d.sources.values()}
        steps = used - self.tensors.keys()
        kept = {n: t for n, t in self.tensors.items() if n not in used}
        for d in self.derived.values():
            if d.name not in steps:
                kept[d.name] = Tensor(d.name, d.label, d.shape, "", 0, 0)
        return {n: kept[n] for n in sorted(kept, key=lambda n: n.encode("utf-8", "surrogatepass"))}

    @property
    def parameters(self) -> int:
        """Number of stored elements."""
        return sum(t.elements for t in self.tensors.values())

    @property
    def weight_bytes(self) -> int:
        """Bytes in the weight files."""
        return sum(f.size for f in self.files if f.path in set(self.weights))
