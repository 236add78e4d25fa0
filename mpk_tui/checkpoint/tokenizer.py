"""Vocabularies as data: token strings in one normal form, so that "the" is the same token everywhere.

Normal form: a leading blank is U+2581 (as SentencePiece writes it); GPT-2's byte alphabet is decoded to UTF-8;
WordPiece continuation marks are turned round (``##ing`` becomes ``ing``, ``the`` becomes U+2581 ``the``); bytes that
are not UTF-8 appear as ``<0xE2>``; special tokens keep their spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.model import FileEntry, Tokenizer
from mpk_tui.checkpoint.reading import CACHE_LINK, read_small
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.errors import MalformedError, MpkError

BLANK = "\u2581"
MAX_BYTES = 256 << 20
MAX_TOKENS = 1 << 22
_SPECIAL = frozenset({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>"})


@cache
def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes: printable Latin-1 stands for itself, the rest is moved up to U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(b): b for b in printable}
    moved = 0
    for b in range(256):
        if b not in printable:
            table[chr(0x100 + moved)] = b
            moved += 1
    return table


def from_bytes(raw: bytes) -> str:
    """Token bytes in normal form."""
    out: list[str] = []
    rest = raw
    while rest:
        try:
            out.append(rest.decode("utf-8"))
            break
        except UnicodeDecodeError as error:
            out.append(rest[: error.start].decode("utf-8"))
            out += [f"<0x{b:02X}>" for b in rest[error.start : error.end]]
            rest = rest[error.end :]
    text = "".join(out)
    return BLANK + text[1:] if text.startswith(" ") else text


def _byte_level(token: str) -> str:
    table = _byte_alphabet()
    if all(c in table for c in token):
        return from_bytes(bytes(table[c] for c in token))
    return token


def _sentencepiece(token: str) -> str:
    return token


def _wordpiece(token: str) -> str:
    if token.startswith("##"):
        return token[2:]
    return token if token.startswith("[") and token.endswith("]") else BLANK + token


def read_tokenizer(root: Path, files: tuple[FileEntry, ...]) -> tuple[Tokenizer | None, list[str]]:
    """The vocabulary of a Hugging Face folder, and notices; a damaged one is a notice, since it decides nothing."""
    top = {e.path: e for e in files if "/" not in e.path}
    for name, reader in (("tokenizer.json", _from_json), ("vocab.txt", _from_lines), ("vocab.json", _from_vocab)):
        entry = top.get(name)
        follow = entry is not None and entry.link_class == CACHE_LINK
        if entry is None or not (entry.kind == "file" or follow):
            continue
        try:
            return reader(read_small(root / name, MAX_BYTES, name, follow=follow), name), []
        except MpkError as error:
            return None, [f"the tokenizer was not read: {error.diagnosis()}"]
    return None, []


def _from_json(data: bytes, name: str) -> Tokenizer:
    value = parse(data, name)
    model = value.get("model") if isinstance(value, dict) else None
    if not isinstance(model, dict):
        raise MalformedError("no model in it", where=name)
    kind = {"BPE": "bpe", "WordPiece": "wordpiece", "Unigram": "unigram"}.get(str(model.get("type")), "unknown")
    vocabulary = model.get("vocab")
    pairs: dict[str, int]
    if isinstance(vocabulary, dict):
        pairs = vocabulary
        if kind == "unknown":
            kind = "bpe" if "merges" in model else "wordpiece"
    elif isinstance(vocabulary, list):
        kind = "unigram"
        if not all(isinstance(v, list) and len(v) == 2 for v in vocabulary):
            raise MalformedError("a Unigram vocabulary that is not a list of pairs", where=name)
        pairs = {str(v[0]): i for i, v in enumerate(vocabulary)}
    else:
        raise MalformedError("model.vocab is neither a map nor a list", where=name)
    byte_level = kind == "bpe" and _mentions_byte_level(value)
    normal = _byte_level if byte_level else _wordpiece if kind == "wordpiece" else _sentencepiece
    added = value.get("added_tokens") or []
    special: dict[str, int] = {}
    plain: dict[str, int] = {}
    for token in added if isinstance(added, list) else []:
        if isinstance(token, dict) and isinstance(token.get("content"), str) and isinstance(token.get("id"), int):
            (special if token.get("special") else plain)[token["content"]] = token["id"]
    return _build(name, kind, pairs, normal, special, plain)


def _mentions_byte_level(value: dict[str, Any]) -> bool:
    """Whether the pipeline maps bytes to printable characters first."""
    todo = [value.get("pre_tokenizer"), value.get("decoder")]
    while todo:
        step = todo.pop()
        if isinstance(step, dict):
            if step.get("type") == "ByteLevel":
                return True
            for key in ("pretokenizers", "decoders"):
                if isinstance(step.get(key), list):
                    todo += step[key]
    return False


def _from_lines(data: bytes, name: str) -> Tokenizer:
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise MalformedError("not UTF-8", where=f"{name}, byte {error.start}") from None
    if lines and not lines[-1]:
        lines.pop()
    pairs = {line.rstrip("\r"): i for i, line in enumerate(lines)}
    special = {
        t: i
        for t, i in pairs.items()
        if t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>")
    }
    return _build(name, "wordpiece", pairs, _wordpiece, special, {})


def _from_vocab(data: bytes, name: str) -> Tokenizer:
    pairs = parse(data, name)
    if not isinstance(pairs, dict):
        raise MalformedError("not a JSON object", where=name)
    return _build(name, "bpe", pairs, _byte_level, {}, {})


def _build(
    name: str, kind: str, pairs: Mapping[str, Any], normal: Any, special: dict[str, int], plain: dict[str, int]
) -> Tokenizer:
    ids = [*pairs.values(), *special.values(), *plain.values()]
    if not all(isinstance(i, int) and not isinstance(i, bool) and 0 <= i < MAX_TOKENS for i in ids):
        raise MalformedError(f"token ids outside 0 to {MAX_TOKENS}", where=name)
    tokens: list[str | None] = [None] * (max(ids, default=-1) + 1)
    for token, i in pairs.items():
        tokens[i] = normal(token)
    for token, i in plain.items():
        tokens[i] = BLANK + token[1:] if token.startswith(" ") else token
    for token, i in special.items():
        tokens[i] = token
    return Tokenizer(name, kind, tuple(tokens), frozenset(special.values()))


def from_gguf(metadata: Mapping[str, Any]) -> Tokenizer | None:
    """The vocabulary in a GGUF header (``tokenizer.ggml.*``), or None."""
    tokens = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, tuple) or not all(isinstance(t, str) for t in tokens):
        return None
    model = metadata.get("tokenizer.ggml.model")
    kinds = metadata.get("tokenizer.ggml.token_type")
    # Token types (gguf.TokenType): 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte.
    special = (
        frozenset(i for i, k in enumerate(kinds) if k in (2, 3))
        if isinstance(kinds, tuple) and len(kinds) == len(tokens)
        else frozenset()
    )
    if model == "gpt2":
        kind, normal = "bpe", _byte_level
    elif model == "bert":
        # llama.cpp writes WordPiece vocabularies with the blank in front already (phantom space).
        kind, normal = "wordpiece", _sentencepiece
    else:
        kind, normal = ("bpe" if model == "llama" else "unigram" if model == "t5" else "unknown"), _sentencepiece
    return Tokenizer("gguf", kind, tuple(t if i in special else normal(t) for i, t in enumerate(tokens)), special)
