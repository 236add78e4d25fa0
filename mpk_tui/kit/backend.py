"""A tokenizer as the library tokenizers 0.23.3 holds it in memory, from its file, and the text that it writes.

Only what the Kit asks of it: the vocabulary, ids of tokens, merges, and the text whose hash is part of the Kit's
``family_hash`` (provenancekit 1.0.0, ``core/signals/metadata.py`` and ``tokenizer.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mpk_tui.checkpoint.tokenizers.vocabulary import MAX_TOKENS
from mpk_tui.errors import LimitError, MalformedError, UnsupportedError
from mpk_tui.kit import steps

MODELS: dict[str, tuple[tuple[str, Any], ...]] = {
    "BPE": (("dropout", None), ("unk_token", None), ("continuing_subword_prefix", None), ("end_of_word_suffix", None),
            ("fuse_unk", False), ("byte_fallback", False), ("ignore_merges", False)),
    "WordPiece": (("unk_token", "[UNK]"), ("continuing_subword_prefix", "##"), ("max_input_chars_per_word", 100)),
    "WordLevel": (),
    "Unigram": (("unk_id", None),),
}  # fmt: skip

_TEXT, _FLAG = (str, type(None)), (bool,)
_OPTIONS: dict[str, tuple[type, ...]] = {
    "dropout": (int, float, type(None)), "unk_token": _TEXT, "continuing_subword_prefix": _TEXT,
    "end_of_word_suffix": _TEXT, "fuse_unk": _FLAG, "byte_fallback": _FLAG, "ignore_merges": _FLAG,
    "max_input_chars_per_word": (int,), "unk_id": (int, type(None)),
}  # fmt: skip


@dataclass(frozen=True)
class Token:
    """A token put beside a vocabulary, with its flags."""

    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    special: bool = False

    def __str__(self) -> str:
        return self.content


@dataclass
class Model:
    """The vocabulary and how words become tokens.

    Attributes:
        kind: ``BPE``, ``WordPiece``, ``WordLevel`` or ``Unigram``.
        options: Its settings in the library's order.
        ids: Tokens of the model, in no order that matters.
        merges: Pairs by rank (BPE).
        scores: Log-probabilities by id (Unigram).
    """

    kind: str
    options: dict[str, Any]
    ids: dict[str, int]
    merges: list[tuple[str, str]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


@dataclass
class Backend:
    """The whole tokenizer."""

    model: Model
    normalizer: steps.Step | None = None
    pre_tokenizer: steps.Step | None = None
    post_processor: steps.Step | None = None
    decoder: steps.Step | None = None
    truncation: Mapping[str, Any] | None = None
    padding: Mapping[str, Any] | None = None
    added: dict[int, Token] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_content = {t.content: i for i, t in self.added.items()}

    def token_id(self, token: str) -> int | None:
        """Id of a token: an added one, else the model's."""
        found = self._by_content.get(token)
        return self.model.ids.get(token) if found is None else found

    def add(self, tokens: list[Token]) -> None:
        """Add tokens as the library does: ones of the vocabulary keep their id, others get the next one."""
        size, largest = len(self.model.ids), max(self.added, default=-1)
        for token in tokens:
            here = self._by_content.get(token.content)
            if not token.content or (here is not None and self.added[here] == token):
                continue
            found = self.token_id(token.content)
            if found is None:
                found = largest + 1 if largest >= size or (self.added and not size) else size
            self.added[found] = token
            self._by_content[token.content] = found
            largest = max(largest, found)

    def vocabulary(self) -> dict[str, int]:
        """All tokens, added ones too."""
        return {**self.model.ids, **{t.content: i for i, t in self.added.items()}}

    def text(self) -> str:
        """What the library writes of it, to the byte."""
        added = [{"id": i, **_flags(t)} for i, t in sorted(self.added.items())]
        parts: list[tuple[str, Any]] = [
            ("version", "1.0"), ("truncation", self.truncation), ("padding", self.padding), ("added_tokens", added),
            ("normalizer", self.normalizer), ("pre_tokenizer", self.pre_tokenizer),
            ("post_processor", self.post_processor), ("decoder", self.decoder),
        ]  # fmt: skip
        return "{" + "".join(f'"{k}":{_json(v)},' for k, v in parts) + f'"model":{_model_text(self.model)}' + "}"


def _flags(t: Token) -> dict[str, Any]:
    return {
        "content": t.content, "single_word": t.single_word, "lstrip": t.lstrip, "rstrip": t.rstrip,
        "normalized": t.normalized, "special": t.special,
    }  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _number(value: float) -> str:
    """A float as Rust writes it: an exponent without padding."""
    text = repr(float(value))
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def _model_text(m: Model) -> str:
    head = "".join(f',"{k}":{_json(v)}' for k, v in m.options.items() if k not in ("unk_last", "byte_fallback_last"))
    ordered = sorted(m.ids.items(), key=lambda pair: pair[1])
    if m.kind == "Unigram":
        rows = ",".join(f"[{_json(t)},{_number(m.scores[i])}]" for t, i in ordered)
        fallback = _json(m.options.get("byte_fallback_last", False))
        return f'{{"type":"Unigram"{head},"vocab":[{rows}],"byte_fallback":{fallback}}}'
    vocabulary = "{" + ",".join(f"{_json(t)}:{i}" for t, i in ordered) + "}"
    tail = f',"merges":{_json(m.merges)}' if m.kind == "BPE" else ""
    if m.kind == "WordLevel":
        tail = f',"unk_token":{_json(m.options["unk_last"])}'
    return f'{{"type":"{m.kind}"{head},"vocab":{vocabulary}{tail}}}'


def from_file(value: Any, where: str) -> Backend:
    """The tokenizer of a ``tokenizer.json``.

    Raises:
        MalformedError: A part that is missing or of the wrong kind.
        UnsupportedError: A step of a kind that this version does not know.
    """
    if not isinstance(value, dict) or not isinstance(value.get("model"), dict):
        raise MalformedError("no model in it", where=where)
    made = Backend(
        model=read_model(value["model"], where),
        truncation=_truncation(value.get("truncation")),
        padding=_padding(value.get("padding")),
        normalizer=steps.step("normalizer", value.get("normalizer"), where),
        pre_tokenizer=steps.step("pre_tokenizer", value.get("pre_tokenizer"), where),
        post_processor=steps.step("post_processor", value.get("post_processor"), where),
        decoder=steps.step("decoder", value.get("decoder"), where),
    )
    made.add(added_tokens(value.get("added_tokens"), where))
    return made


def added_tokens(items: Any, where: str) -> list[Token]:
    """The added tokens of a file, in its order."""
    if items is not None and not isinstance(items, list):
        raise MalformedError("added_tokens is no list", where=where)
    return [token(item, where) for item in items or ()]


def token(item: Any, where: str) -> Token:
    """A token with flags from a file; flags that are left out are false, ``normalized`` unless it is special."""
    if not isinstance(item, dict) or not isinstance(item.get("content"), str):
        raise MalformedError("an added token without content", where=where)
    special = item.get("special") is True
    flags = {k: item.get(k) is True for k in ("single_word", "lstrip", "rstrip")}
    return Token(item["content"], **flags, normalized=bool(item.get("normalized", not special)), special=special)


def _truncation(stated: Any) -> dict[str, Any] | None:
    if not isinstance(stated, dict):
        return None
    return {
        "direction": stated.get("direction", "Right"), "max_length": stated.get("max_length"),
        "strategy": stated.get("strategy"), "stride": stated.get("stride"),
    }  # fmt: skip


def _padding(stated: Any) -> dict[str, Any] | None:
    if not isinstance(stated, dict):
        return None
    names = ("strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token")
    return {k: stated.get(k) for k in names}


def read_model(stated: Mapping[str, Any], where: str) -> Model:
    """The model of a ``tokenizer.json``; older files leave its type out."""
    kind = stated.get("type") or _guess(stated)
    if kind not in MODELS:
        raise UnsupportedError(f"a model of the kind {str(kind)[:80]!r} is not read by this version", where=where)
    options = {k: stated.get(k, default) for k, default in MODELS[kind]}
    for k, value in options.items():
        if not isinstance(value, _OPTIONS[k]) or (isinstance(value, bool) and bool not in _OPTIONS[k]):
            raise MalformedError(f"model.{k} is {str(value)[:80]!r}", where=where)
    vocabulary = stated.get("vocab")
    if kind == "Unigram":
        ids, scores = pieces(vocabulary, where)
        options["byte_fallback_last"] = bool(stated.get("byte_fallback", False))
        return Model(kind, options, ids, scores=scores)
    ids = numbered(vocabulary, where)
    if kind == "WordLevel":
        options["unk_last"] = str(stated.get("unk_token", "<unk>"))
    merges = list(pairs(stated.get("merges"), where)) if kind == "BPE" else []
    return checked(Model(kind, options, ids, merges), where)


def checked(m: Model, where: str) -> Model:
    """Refuse merges of tokens that are not there: the library does not load such a tokenizer."""
    prefix = len(m.options.get("continuing_subword_prefix") or "")
    for a, b in m.merges:
        for t in (a, b, a + b[prefix:]):
            if t not in m.ids:
                raise MalformedError(f"the Kit has no answer: a merge names {t[:80]!r}, which is no token", where=where)
    return replace(m, merges=list(dict.fromkeys(m.merges)))


def _guess(stated: Mapping[str, Any]) -> str:
    if "merges" in stated:
        return "BPE"
    if isinstance(stated.get("vocab"), list):
        return "Unigram"
    return "WordPiece" if "continuing_subword_prefix" in stated else "WordLevel"


def numbered(vocabulary: Any, where: str) -> dict[str, int]:
    """A map of tokens to ids, checked."""
    if not isinstance(vocabulary, dict):
        raise MalformedError("model.vocab is no map", where=where)
    if len(vocabulary) > MAX_TOKENS:
        raise LimitError(f"{len(vocabulary)} tokens; at most {MAX_TOKENS} are read", where=where)
    for t, i in vocabulary.items():
        if not isinstance(t, str):
            raise MalformedError(f"the token {str(t)[:80]!r} is no text", where=where)
        if not isinstance(i, int) or isinstance(i, bool) or not 0 <= i < 1 << 32:
            raise MalformedError(f"the id of {t[:80]!r} is {str(i)[:80]!r}, no natural number", where=where)
    return vocabulary


def pieces(vocabulary: Any, where: str) -> tuple[dict[str, int], list[float]]:
    """Tokens and log-probabilities of a Unigram vocabulary; a token that comes twice counts by its last place."""
    ids: dict[str, int] = {}
    scores = []
    if not isinstance(vocabulary, list) or len(vocabulary) > MAX_TOKENS:
        raise MalformedError("model.vocab is no list of tokens and scores", where=where)
    for i, row in enumerate(vocabulary):
        if not isinstance(row, list | tuple) or len(row) != 2 or not isinstance(row[0], str):
            raise MalformedError(f"model.vocab[{i}] is no token and score", where=where)
        if not isinstance(row[1], int | float):
            raise MalformedError(f"the score of model.vocab[{i}] is no number", where=where)
        ids[row[0]] = i
        scores.append(float(row[1]))
    return ids, scores


def pairs(merges: Any, where: str) -> Iterator[tuple[str, str]]:
    """Merges, whether written as pairs or with a blank between."""
    if merges is not None and not isinstance(merges, list):
        raise MalformedError("merges is no list", where=where)
    for n, merge in enumerate(merges or ()):
        parts = merge.split(" ") if isinstance(merge, str) else merge
        if not isinstance(parts, list | tuple) or len(parts) != 2 or not all(isinstance(p, str) for p in parts):
            raise MalformedError(f"merge {n} is no pair of tokens", where=where)
        yield parts[0], parts[1]
