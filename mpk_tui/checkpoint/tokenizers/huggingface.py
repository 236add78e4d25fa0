"""Vocabularies as Hugging Face's libraries save them: ``tokenizer.json``, ``vocab.txt``, ``vocab.json``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from mpk_tui.checkpoint.model import Tokenizer
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.checkpoint.tokenizers import normal
from mpk_tui.checkpoint.tokenizers.vocabulary import MAX_TOKENS, Added, check_length, from_list, from_map, token_id
from mpk_tui.errors import LimitError, MalformedError

_KINDS = {"BPE": "bpe", "WordPiece": "wordpiece", "Unigram": "unigram", "WordLevel": "wordlevel"}
_STEPS = ("normalizer", "pre_tokenizer", "decoder")
_LISTS = ("normalizers", "pretokenizers", "decoders")
_BY_WORDS = ("Whitespace", "WhitespaceSplit", "BertPreTokenizer")
CUSTOMARY = frozenset({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<s>", "</s>", "<pad>", "<unk>", "<mask>"})
"""Special tokens of vocabularies that do not say which of their tokens are."""


def read_json(data: bytes, name: str) -> Tokenizer:
    """The vocabulary of a ``tokenizer.json``, by its model's type; older files leave the type out.

    Raises:
        MalformedError: A part that is missing or of the wrong kind, or ids that contradict each other.
        LimitError: An id or a token beyond the limits.
    """
    value = parse(data, name)
    model = value.get("model") if isinstance(value, dict) else None
    if not isinstance(model, dict):
        raise MalformedError("no model in it", where=name)
    vocabulary = model.get("vocab")
    added = Added(_added_tokens(value.get("added_tokens"), f"{name}, added_tokens"))
    if isinstance(vocabulary, list):
        spell = _metaspace(value)
        tokens = [spell(t) for t in _pairs(vocabulary, name)]
        return from_list(name, "unigram", tokens, _unknown(model, len(tokens), name), added)
    if not isinstance(vocabulary, dict):
        raise MalformedError("model.vocab is neither a map nor a list", where=name)
    kind = _KINDS.get(str(model.get("type"))) or _guess(model, vocabulary)
    return from_map(name, kind, vocabulary, _spelling(kind, model, value), added)


def _pairs(vocabulary: list[Any], name: str) -> Iterator[str]:
    """Tokens of a Unigram vocabulary, a list of tokens and scores."""
    for n, pair in enumerate(vocabulary):
        where = f"{name}, model.vocab[{n}]"
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise MalformedError("not a pair of a token and a score", where=where)
        check_length(pair[0], where)
        yield pair[0]


def _unknown(model: Mapping[str, Any], size: int, name: str) -> frozenset[int]:
    """The token that stands for what has none; a Unigram vocabulary names it by its id."""
    if model.get("unk_id") is None:
        return frozenset()
    i = token_id(model["unk_id"], f"{name}, model.unk_id")
    if i >= size:
        raise MalformedError(f"unk_id is {i} in a vocabulary of {size}", where=name)
    return frozenset({i})


def _guess(model: Mapping[str, Any], vocabulary: Mapping[str, Any]) -> str:
    """Kind of a model without a type."""
    if "merges" in model:
        return "bpe"
    marked = "continuing_subword_prefix" in model or any(t.startswith(normal.PREFIX) for t in vocabulary)
    return "wordpiece" if marked else "wordlevel"


def _spelling(kind: str, model: Mapping[str, Any], value: Mapping[str, Any]) -> Callable[[str], str]:
    """How this vocabulary's tokens become normal forms."""
    if kind == "wordpiece":
        prefix = model.get("continuing_subword_prefix")
        return partial(normal.wordpiece, prefix=prefix if isinstance(prefix, str) else normal.PREFIX)
    steps = list(_pipeline(value))
    if kind == "bpe" and any(s.get("type") == "ByteLevel" for s in steps):
        return normal.byte_level
    before = [s.get("type") for s in steps]
    if kind == "wordlevel" and any(t in before for t in _BY_WORDS):
        # Text is cut at blanks first, so that every token is a word.
        return partial(normal.wordpiece, prefix="")
    return _metaspace(value)


def _metaspace(value: Mapping[str, Any]) -> Callable[[str], str]:
    """Tokens in which a character stands for a blank: U+2581 nearly always, but a file can name another."""
    for step in _pipeline(value):
        mark = step.get("replacement")
        if step.get("type") == "Metaspace" and isinstance(mark, str) and len(mark) == 1 and mark != normal.BLANK:
            return lambda token: normal.plain(token.replace(mark, normal.BLANK))
    return normal.plain


def _pipeline(value: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every step that text goes through, those in sequences too."""
    todo = [value.get(k) for k in _STEPS]
    while todo:
        step = todo.pop()
        if isinstance(step, dict):
            yield step
            for key in _LISTS:
                if isinstance(step.get(key), list):
                    todo += step[key]


def _added_tokens(items: Any, where: str) -> dict[int, tuple[str, bool]]:
    """Added tokens by id.  Two may claim one id only if they are the same."""
    if items is None:
        return {}
    if not isinstance(items, list):
        raise MalformedError("no list", where=where)
    found: dict[int, tuple[str, bool]] = {}
    for n, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("content"), str):
            raise MalformedError("an entry without content", where=f"{where}[{n}]")
        _put(found, item.get("id"), item["content"], item.get("special") is True, f"{where}[{n}]")
    return found


def _put(found: dict[int, tuple[str, bool]], value: Any, content: str, special: bool, where: str) -> None:
    i = token_id(value, where, content)
    check_length(content, where)
    if i in found and found[i][0] != content:
        raise MalformedError(
            f"the id {i} belongs to two tokens, {found[i][0][:80]!r} and {content[:80]!r}", where=where
        )
    found[i] = (content, special or (i in found and found[i][1]))


def read_added(data: bytes, name: str) -> Added:
    """Tokens beside a vocabulary, from ``added_tokens.json`` (a map of tokens to ids).

    Raises:
        MalformedError: No such map.
    """
    value = parse(data, name)
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object", where=name)
    found: dict[int, tuple[str, bool]] = {}
    for content, i in value.items():
        _put(found, i, content, False, name)
    return Added(found)


def read_names(data: bytes, name: str) -> Added:
    """Names of special tokens, from ``special_tokens_map.json``: strings, tokens, or lists of either.

    Raises:
        MalformedError: No JSON object.
    """
    value = parse(data, name)
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object", where=name)
    names = set()
    for entry in value.values():
        for item in entry if isinstance(entry, list) else [entry]:
            content = item.get("content") if isinstance(item, dict) else item
            if isinstance(content, str):
                check_length(content, name)
                names.add(content)
    return Added(names=frozenset(names))


def read_settings(data: bytes, name: str) -> tuple[Added, str]:
    """Tokens beside a vocabulary and the class that reads it, from ``tokenizer_config.json``.

    Raises:
        MalformedError: No JSON object, or an entry of ``added_tokens_decoder`` that is no token.
    """
    value = parse(data, name)
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object", where=name)
    decoder = value.get("added_tokens_decoder")
    found: dict[int, tuple[str, bool]] = {}
    for key, item in (decoder if isinstance(decoder, dict) else {}).items():
        where = f"{name}, added_tokens_decoder.{key[:40]}"
        if not key.isascii() or not key.isdigit() or len(key) > 10:
            raise MalformedError("an id that is no number", where=where)
        if not isinstance(item, dict) or not isinstance(item.get("content"), str):
            raise MalformedError("an entry without content", where=where)
        _put(found, int(key), item["content"], item.get("special") is True, where)
    kind = value.get("tokenizer_class")
    return Added(found), kind if isinstance(kind, str) else ""


def read_lines(data: bytes, name: str, added: Added | None = None) -> Tokenizer:
    """The vocabulary of a ``vocab.txt``: a WordPiece token a line, its id the number of the line.

    A line that occurs twice counts where it stands last, as the libraries have it; an empty one is no token.

    Raises:
        MalformedError: Not UTF-8, or no tokens.
        LimitError: More lines or longer tokens than are accepted.
    """
    if (count := data.count(b"\n")) >= MAX_TOKENS:
        raise LimitError(f"{count} lines; at most {MAX_TOKENS} are read", where=name)
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise MalformedError("not UTF-8", where=f"{name}, byte {error.start}") from None
    pairs = {}
    for i, line in enumerate(lines):
        if token := line.removesuffix("\r"):
            pairs[token] = i
    if not pairs:
        raise MalformedError("no tokens in it", where=name)
    names = CUSTOMARY | (added.names if added else frozenset())
    return from_map(name, "wordpiece", pairs, normal.wordpiece, Added(added.ids if added else {}, names))


def read_vocab(data: bytes, name: str, merges: bool, added: Added | None = None) -> Tokenizer:
    """The vocabulary of a ``vocab.json``: byte-level BPE, or the ids of a SentencePiece model (Marian, M2M-100).

    Args:
        data: The file.
        name: Its name.
        merges: There is a ``merges.txt`` beside it.
        added: Tokens beside the vocabulary.

    Raises:
        MalformedError: Not a map, or ids that are none or belong to two tokens.
        LimitError: An id or a token beyond the limits.
    """
    pairs = parse(data, name)
    if not isinstance(pairs, dict) or not pairs:
        raise MalformedError("not a JSON object with tokens", where=name)
    # Both marks of a blank are ordinary letters in the other alphabet, so the more frequent one decides.
    by_bytes = sum(t.startswith("\u0120") for t in pairs)
    by_pieces = sum(t.startswith(normal.BLANK) for t in pairs)
    if by_bytes > by_pieces or (merges and not by_pieces):
        kind, spell = "bpe", normal.byte_level
    else:
        kind, spell = ("bpe" if merges else "unigram" if by_pieces else "unknown"), normal.plain
    return from_map(name, kind, pairs, spell, added)
