"""A fingerprint from a checkpoint: hashes, facts and features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mpk_tui import __version__, canonical, hashtree
from mpk_tui.checkpoint.model import Checkpoint
from mpk_tui.checkpoint.open import PLAIN, Opening, open_checkpoint
from mpk_tui.fingerprint.hashing import Kept, hash_checkpoint
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.progress import CancelToken, Report, silent


def fingerprint(
    path: Path | Checkpoint,
    report: Report = silent,
    cancel: CancelToken | None = None,
    threads: int | None = None,
    how: Opening = PLAIN,
    kept: Kept | None = None,
) -> Fingerprint:
    """Read a checkpoint once and say what it is.

    Args:
        path: Folder or file, or a checkpoint that is open already.
        report: Progress, in bytes while hashing and in layers while computing features.
        cancel: Polled between chunks.
        threads: Hashing threads.
        how: How a path is opened.
        kept: Hashes of an interrupted run (`mpk_tui.fingerprint.kept`); the result is the same with and without.

    Raises:
        MpkError: Whatever reading, hashing or decoding refuses.
    """
    from mpk_tui.checkpoint.arrays import WeightReader
    from mpk_tui.fingerprint.features import compute
    from mpk_tui.fingerprint.twins import compare_twins

    cancel = cancel or CancelToken()
    checkpoint = path if isinstance(path, Checkpoint) else open_checkpoint(path, cancel, how)
    hashes = hash_checkpoint(checkpoint, report, cancel, threads, kept)
    with WeightReader(checkpoint) as reader:
        features = compute(checkpoint, reader, report, cancel)
    arch = checkpoint.architecture
    twins = compare_twins(checkpoint, hashes, cancel)
    return Fingerprint(
        tool=f"mpk-tui {__version__}",
        format=checkpoint.format,
        family=arch.family,
        scope=arch.scope,
        files=hashes.files,
        tensors=hashes.tensors,
        config={
            "layers": arch.layers,
            "width": arch.width,
            "ffn_width": arch.ffn_width,
            "heads": arch.heads,
            "kv_heads": arch.kv_heads,
            "head_dim": arch.head_dim,
            "tied": arch.tied,
            "claims": _claims(checkpoint.config),
            **_computed(checkpoint),
            **({"undecoded": checkpoint.undecoded} if checkpoint.undecoded else {}),
            **({"twins": [t.plain() for t in twins]} if twins else {}),
            **({"missing": list(checkpoint.missing)} if checkpoint.missing else {}),
            **({"adapter": checkpoint.adapter.plain()} if checkpoint.adapter is not None else {}),
        },
        tokenizer=_tokenizer_facts(checkpoint),
        metadata=checkpoint.metadata,
        features={f.id: f for f in features},
        notices=checkpoint.notices
        + arch.notices
        + _about_adapter(checkpoint)
        + tuple(t.sentence() for t in twins)
        + ((f"not decoded: {checkpoint.undecoded}",) if checkpoint.undecoded else ()),
    )


def _computed(checkpoint: Checkpoint) -> dict[str, Any]:
    """What is computed from stored tensors: layout, bits, weights and elements of each kind; nothing where all is
    plain."""
    if not checkpoint.derived:
        return {}
    kinds: dict[tuple[str, int], list[int]] = {}
    for name in checkpoint.logical.keys() & checkpoint.derived.keys():
        d = checkpoint.derived[name]
        count = kinds.setdefault((d.layout, d.bits), [0, 0])
        count[0] += 1
        count[1] += d.elements
    return {
        "derived": [[layout, bits, *count] for (layout, bits), count in sorted(kinds.items())],
        "parameters": sum(t.elements for t in checkpoint.logical.values()),
    }


def _about_adapter(checkpoint: Checkpoint) -> tuple[str, ...]:
    if checkpoint.adapter is None:
        return ()
    about = f"adapter: {checkpoint.adapter.sentence()}"
    if checkpoint.roots:
        return (f"{about}; examined together with the base that was given",)
    return (
        f"{about}; alone it names its base by that claim only: give the base (--base) to examine what the two make",
    )


_CLAIMS = (
    "model_type", "architectures", "_name_or_path", "vocab_size", "torch_dtype", "dtype", "transformers_version",
    "general.name", "general.architecture", "general.file_type", "general.quantized_by",
)  # fmt: skip


def _claims(config: Any) -> list[list[str]]:
    """What the configuration says of itself, as strings; context, never evidence."""
    out = []
    for key in _CLAIMS:
        value = config.get(key)
        if value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            out.append([key, text[:400]])
    return out


def _tokenizer_facts(checkpoint: Checkpoint) -> dict[str, Any]:
    tokenizer = checkpoint.tokenizer
    if tokenizer is None:
        return {}
    # Normal-form strings by id: the same for tokenizer.json, vocab.txt and GGUF arrays of one vocabulary.
    strings = [None if t is None else t.encode("utf-8", "surrogateescape") for t in tokenizer.tokens]
    return {
        "source": tokenizer.source,
        "kind": tokenizer.kind,
        "size": len(tokenizer.tokens),
        "special": len(tokenizer.special),
        "sha256": hashtree.sha256(canonical.encode(strings)),
    }
