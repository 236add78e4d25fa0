"""Which vocabulary a checkpoint has: the sources in a folder in order of rank, held against each other; GGUF's arrays.

Normal form of the tokens: `mpk_tui.checkpoint.tokenizers.normal`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.model import FileEntry, Tokenizer
from mpk_tui.checkpoint.reading import CACHE_LINK, read_small
from mpk_tui.checkpoint.tokenizers import normal
from mpk_tui.checkpoint.tokenizers.huggingface import (
    read_added,
    read_json,
    read_lines,
    read_names,
    read_settings,
    read_vocab,
)
from mpk_tui.checkpoint.tokenizers.normal import BLANK, from_bytes
from mpk_tui.checkpoint.tokenizers.ranks import is_ranked, read_ranks, read_tekken
from mpk_tui.checkpoint.tokenizers.sentencepiece import CAMEMBERT, FAIRSEQ, PEGASUS, PLAIN, Layout, read_pieces
from mpk_tui.checkpoint.tokenizers.vocabulary import MAX_TOKENS, Added
from mpk_tui.errors import MpkError

__all__ = ["BLANK", "MAX_BYTES", "MAX_TOKENS", "disagreement", "from_bytes", "from_gguf", "read_tokenizer"]

MAX_BYTES = 128 << 20
"""Bytes of a vocabulary; the largest published ``tokenizer.json`` files have about 35 million."""
MAX_BESIDE = 16 << 20
"""Bytes of a file of added tokens or settings."""
_MAX_SOURCES = 8
_PIECES = ("tokenizer.model", "spiece.model", "spm.model", "sentencepiece.model", "sentencepiece.bpe.model",
           "source.spm", "target.spm")  # fmt: skip
_NUMBERED = re.compile(r"tokenizer\.model\.v[0-9]{1,3}[a-z0-9]{0,4}")
_PAD = re.compile(r"\[PAD[0-9]+\]")


def read_tokenizer(root: Path, files: tuple[FileEntry, ...]) -> tuple[Tokenizer | None, list[str]]:
    """The vocabulary of a folder, and notices; a damaged one is a notice, since it decides nothing.

    Sources by rank: ``tokenizer.json``, ``tekken.json``, ``vocab.json``, ``vocab.txt``, SentencePiece models, tiktoken
    files.  The first that can be read counts; the others are held against it, and what they name otherwise is said.

    Args:
        root: The folder.
        files: Its listing; only entries at its top are looked at.
    """
    top = {e.path: e for e in files if "/" not in e.path and (e.kind == "file" or e.link_class == CACHE_LINK)}
    notices: list[str] = []

    def load(name: str, limit: int) -> bytes:
        return read_small(root / name, limit, name, follow=top[name].link_class == CACHE_LINK)

    sources = _sources(top)
    if len(sources) > _MAX_SOURCES:
        notices.append(f"{len(sources)} vocabularies; only {', '.join(sources[:_MAX_SOURCES])} were read")
        sources = sources[:_MAX_SOURCES]
    # Files beside a vocabulary belong to those that carry no added tokens themselves.
    needed = any(s not in ("tokenizer.json", "tekken.json") for s in sources)
    added, kind = _beside(top, load, notices) if needed else (Added(), "")
    first: Tokenizer | None = None
    for name in sources:
        try:
            found = _read(name, load(name, MAX_BYTES), top, added, kind)
        except MpkError as error:
            notices.append(f"the tokenizer was not read: {error.diagnosis()}")
            continue
        if first is None:
            first = found
        elif sentence := disagreement(first, found):
            notices.append(sentence)
    return first, notices


def _sources(top: Mapping[str, FileEntry]) -> list[str]:
    """Vocabularies of a folder by rank."""
    ranked = ["tokenizer.json", "tekken.json", "vocab.json", "vocab.txt", *_PIECES]
    found = [n for n in ranked if n in top]
    if "vocab.json" in top and "merges.txt" not in top:
        # Marian and M2M-100 number their pieces by vocab.json; their SentencePiece files have numbers of their own.
        found = [n for n in found if n not in ("source.spm", "target.spm", "sentencepiece.bpe.model", "spm.model")]
    elif "source.spm" in top:
        found = [n for n in found if n != "target.spm"]
    found += sorted(n for n in top if _NUMBERED.fullmatch(n))
    return found + sorted(n for n in top if n.endswith(".tiktoken"))


def _beside(top: Mapping[str, FileEntry], load: Callable[[str, int], bytes], notices: list[str]) -> tuple[Added, str]:
    """Added tokens, names of special ones and the tokenizer's class, from the files beside a vocabulary."""
    ids: dict[int, tuple[str, bool]] = {}
    names: set[str] = set()
    kind = ""
    for name in ("added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"):
        if name not in top:
            continue
        try:
            data = load(name, MAX_BESIDE)
            if name == "tokenizer_config.json":
                added, kind = read_settings(data, name)
            else:
                added = (read_added if name == "added_tokens.json" else read_names)(data, name)
        except MpkError as error:
            notices.append(f"tokens beside the vocabulary were not read: {error.diagnosis()}")
            continue
        for i, token in added.ids.items():
            if i in ids and ids[i][0] != token[0]:
                notices.append(f"{name} and added_tokens.json name the id {i} {token[0][:80]!r} and {ids[i][0][:80]!r}")
            ids[i] = token
        names |= added.names
    return Added(ids, frozenset(names)), kind


def _read(name: str, data: bytes, top: Mapping[str, FileEntry], added: Added, kind: str) -> Tokenizer:
    if name == "tokenizer.json":
        return read_json(data, name)
    if name == "tekken.json":
        return read_tekken(data, name)
    if name == "vocab.json":
        return read_vocab(data, name, "merges.txt" in top, added)
    if name == "vocab.txt":
        return read_lines(data, name, added)
    if name.endswith(".tiktoken") or is_ranked(data):
        return read_ranks(data, name, added)
    return read_pieces(data, name, _layout(name, kind), added)


def _layout(name: str, kind: str) -> Layout:
    """How a model numbers the pieces of its file, by the class of its tokenizer and the name that the file has."""
    if kind.startswith("Camembert"):
        return CAMEMBERT
    if kind.startswith("Pegasus"):
        return PEGASUS
    return FAIRSEQ if name == "sentencepiece.bpe.model" else PLAIN


def disagreement(a: Tokenizer, b: Tokenizer) -> str | None:
    """What two vocabularies of one model name otherwise, as a sentence; None where they agree.

    Special tokens are left out: formats differ in which they store at all.
    """
    special = a.special | b.special
    differ = [
        i
        for i, (x, y) in enumerate(zip(a.tokens, b.tokens, strict=False))
        if x is not None and y is not None and x != y and i not in special
    ]
    if differ:
        i = differ[0]
        return (
            f"{a.source} and {b.source} disagree: {len(differ)} ids name other tokens "
            f"(the id {i}: {str(a.tokens[i])[:80]!r} and {str(b.tokens[i])[:80]!r}); {a.source} counts"
        )
    sizes = [sum(t is not None and i not in special for i, t in enumerate(v.tokens)) for v in (a, b)]
    if sizes[0] != sizes[1]:
        return f"{a.source} and {b.source} disagree: {sizes[0]} and {sizes[1]} ordinary tokens; {a.source} counts"
    return None


def from_gguf(metadata: Mapping[str, Any]) -> Tokenizer | None:
    """The vocabulary in a GGUF header (``tokenizer.ggml.*``), or None."""
    tokens = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, tuple) or len(tokens) > MAX_TOKENS or not all(isinstance(t, str) for t in tokens):
        return None
    model = metadata.get("tokenizer.ggml.model")
    kinds = metadata.get("tokenizer.ggml.token_type")
    if not isinstance(kinds, tuple) or len(kinds) != len(tokens):
        kinds = (1,) * len(tokens)
    # Token types (gguf.TokenType): 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte.
    special = frozenset(i for i, k in enumerate(kinds) if k in (2, 3))
    # llama.cpp writes WordPiece vocabularies with the blank in front already, and SentencePiece ones as they are.
    spell = normal.byte_level if model == "gpt2" else normal.plain
    kind = {"gpt2": "bpe", "bert": "wordpiece", "llama": "bpe", "t5": "unigram"}.get(str(model), "unknown")
    found: list[str | None] = []
    for token, k in zip(tokens, kinds, strict=True):
        if k in (2, 3):
            found.append(normal.special(token))
        elif k == 5 and _PAD.fullmatch(token):
            # Fills a vocabulary up to the number of rows; the model has no such token.
            found.append(None)
        else:
            found.append(normal.plain(token) if k == 4 else spell(token))
    return Tokenizer("gguf", kind, tuple(found), special)
