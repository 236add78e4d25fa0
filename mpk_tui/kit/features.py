"""All that the Kit takes from one model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mpk_tui.errors import UnsupportedError
from mpk_tui.kit import anchors, configuration, loaded_tokenizer, metadata, tokenizer
from mpk_tui.kit.loading import Loading, plan
from mpk_tui.kit.names import layer_of
from mpk_tui.kit.record import Features
from mpk_tui.kit.weights import signals
from mpk_tui.progress import CancelToken, Report, silent


def extract(path: Path, *, deep: bool = True, report: Report = silent, cancel: CancelToken | None = None) -> Features:
    """Features of a checkpoint folder as the Kit 1.0.0 would take them.

    Args:
        path: A folder with ``config.json``, as the Kit wants it.
        deep: Read weights, too; else metadata and tokenizer only.
        report: Progress.
        cancel: Polled between tensors.

    Raises:
        UnsupportedError: The Kit has no answer for this kind of checkpoint, or this reading of it has none.
        MalformedError: A file that cannot be read; the Kit stops at it, too.
    """
    _refuse(path)
    stated = configuration.read(path)
    loaded = loaded_tokenizer.load(path, stated)
    vocabulary = loaded.backend.vocabulary()
    facts = metadata.metadata(
        stated, loaded.backend.text(), loaded.special_id("bos_token"), loaded.special_id("eos_token")
    )
    found = Features(str(path), facts, tokenizer.features(loaded, vocabulary), frozenset(vocabulary), None)
    if not deep:
        return found
    loading = plan(path, stated)
    if loading is None:
        return replace(found, notices=("the Kit finds no weights here and goes on without",))

    def chosen(rows: int) -> list[int]:
        return anchors.anchor_ids(loaded.backend, vocabulary, rows)

    notices = _codes(loading)
    return replace(found, weights=signals(loading, chosen, report, cancel), loading=loading.way, notices=notices)


def _codes(loading: Loading) -> tuple[str, ...]:
    """Say where the Kit takes codes of quantized weights for the weights."""
    codes = sum(t.dtype[0] in "IU" and len(t.shape) > 1 and layer_of(t.name) is not None for t in loading.order)
    if not codes:
        return ()
    return (f"{codes} matrices are stored as whole numbers; the Kit takes these codes for the weights themselves",)


def _refuse(path: Path) -> None:
    """Say by name what the Kit has no answer for."""
    if path.is_file():
        kind = {".gguf": "GGUF", ".onnx": "ONNX", ".mpkf": "a fingerprint file"}.get(
            path.suffix.lower(), "a single file"
        )
        raise UnsupportedError(
            f"the Kit has no answer for {kind}", where=str(path), hint="It reads folders with a config.json"
        )
    if not path.is_dir():
        raise UnsupportedError("no such folder", where=str(path))
    if (path / "config.json").is_file():
        return
    for suffix, kind in ((".gguf", "GGUF"), (".onnx", "ONNX")):
        if any(p.suffix.lower() == suffix for p in path.iterdir()):
            raise UnsupportedError(
                f"the Kit has no answer for {kind}", where=str(path), hint="It reads folders with a config.json"
            )
