"""Vocabularies as ranked bytes: tiktoken files (Llama 3, Qwen 1) and Mistral's ``tekken.json``.

tiktoken (tiktoken/load.py): lines of base64 bytes, a blank and the rank, which is the id; special tokens stand in
the code that uses the file, not in it.  tekken (mistral_common, tokens/tokenizers/tekken.py): entries of ``vocab`` by
rank, behind ``config.default_num_special_tokens`` special ones; entries beyond ``config.default_vocab_size`` are
stored but not used.
"""

from __future__ import annotations

import binascii
from typing import Any

from mpk_tui.checkpoint.model import Tokenizer
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.checkpoint.tokenizers import normal
from mpk_tui.checkpoint.tokenizers.vocabulary import (
    MAX_LENGTH,
    MAX_TOKENS,
    Added,
    check_length,
    size_of,
    token_id,
    with_added,
)
from mpk_tui.errors import LimitError, MalformedError

_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def is_ranked(data: bytes) -> bool:
    """Whether a file's first line is base64, a blank and a number: how ``tokenizer.model`` of Llama 3 begins."""
    token, blank, rank = data[: MAX_LENGTH * 2].partition(b"\n")[0].rstrip(b"\r").partition(b" ")
    return bool(token and blank) and rank.isdigit() and all(b in _BASE64 for b in token)


def read_ranks(data: bytes, name: str, added: Added | None = None) -> Tokenizer:
    """The vocabulary of a tiktoken file.

    Raises:
        MalformedError: A line that is not base64 and a rank, or a rank or token that occurs twice.
        LimitError: A rank or token beyond the limits.
    """
    by_id: dict[int, bytes] = {}
    seen: set[bytes] = set()
    at = 0
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        line, where = data[at:end].rstrip(b"\r"), f"{name}, byte {at}"
        at = end + 1
        if not line:
            continue
        text, blank, rank = line.partition(b" ")
        if not blank or not rank.isdigit():
            raise MalformedError("a line that is not base64, a blank and a rank", where=where)
        if len(rank) > 10:
            raise LimitError(f"a rank of {len(rank)} digits; at most {MAX_TOKENS - 1} is read", where=where)
        i = token_id(int(rank), where)
        raw = _decode(text, where)
        if i in by_id or raw in seen:
            what = f"rank {i}" if i in by_id else f"token {text[:80].decode('ascii')}"
            raise MalformedError(f"the {what} occurs twice", where=where)
        by_id[i] = raw
        seen.add(raw)
    if not by_id:
        raise MalformedError("no tokens in it", where=name)
    tokens: list[str | None] = [None] * size_of(by_id, name)
    for i, raw in by_id.items():
        tokens[i] = normal.from_bytes(raw)
    return with_added(Tokenizer(name, "bpe", tuple(tokens)), added)


def _decode(text: bytes, where: str) -> bytes:
    if len(text) > MAX_LENGTH * 4 // 3 + 4:
        raise LimitError(f"a token of {len(text)} base64 characters", where=where)
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise MalformedError(f"not base64 ({error})", where=where) from None
    if not raw:
        raise MalformedError("a token without bytes", where=where)
    check_length(raw, where)
    return raw


def read_tekken(data: bytes, name: str) -> Tokenizer:
    """The vocabulary of a ``tekken.json``.

    Raises:
        MalformedError: Fields that are missing or no numbers, invalid base64, a rank that occurs twice.
        LimitError: An id or token beyond the limits.
    """
    value = parse(data, name)
    if not isinstance(value, dict) or not isinstance(value.get("vocab"), list):
        raise MalformedError("no list called vocab", where=name)
    config = value.get("config")
    if not isinstance(config, dict):
        raise MalformedError("no config in it", where=name)
    specials = token_id(config.get("default_num_special_tokens"), f"{name}, config.default_num_special_tokens")
    size = token_id(config.get("default_vocab_size"), f"{name}, config.default_vocab_size")
    if specials > size:
        raise MalformedError(f"{specials} special tokens in a vocabulary of {size}", where=f"{name}, config")
    tokens: dict[int, str] = {}
    for n, item in enumerate(value["vocab"]):
        where = f"{name}, vocab[{n}]"
        rank, text = (item.get("rank"), item.get("token_bytes")) if isinstance(item, dict) else (None, None)
        i = token_id(rank, where) + specials
        if not isinstance(text, str) or not text.isascii():
            raise MalformedError("token_bytes is no base64 text", where=where)
        raw = _decode(text.encode("ascii"), where)
        if i in tokens:
            raise MalformedError(f"the rank {rank} occurs twice", where=where)
        if i < size:
            tokens[i] = normal.from_bytes(raw)
    tokens |= _tekken_specials(value.get("special_tokens"), specials, name)
    by_id = [tokens.get(i) for i in range(size_of(tokens, name))]
    return Tokenizer(name, "bpe", tuple(by_id), frozenset(range(min(specials, len(by_id)))))


def _tekken_specials(items: Any, count: int, name: str) -> dict[int, str]:
    """Special tokens; files before version 7 do not name them."""
    if items is None:
        return {}
    if not isinstance(items, list):
        raise MalformedError("special_tokens is no list", where=name)
    found: dict[int, str] = {}
    for n, item in enumerate(items):
        where = f"{name}, special_tokens[{n}]"
        if not isinstance(item, dict) or not isinstance(item.get("token_str"), str):
            raise MalformedError("an entry without token_str", where=where)
        i = token_id(item.get("rank"), where, item["token_str"])
        if i >= count or i in found:
            raise MalformedError(f"the rank {i} occurs twice or is not below {count}", where=where)
        check_length(item["token_str"], where)
        found[i] = normal.special(item["token_str"])
    return found
