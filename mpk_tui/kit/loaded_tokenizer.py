"""A folder's tokenizer as transformers 5.24.0 would have it in memory, without running any of it.

The steps are those of ``tokenization_utils_base.py`` (``_from_pretrained``) and ``tokenization_utils_tokenizers.py``
(``convert_to_native_format``, ``TokenizersBackend.__init__``): settings, added tokens, a backend from the file or anew
from its vocabulary, special tokens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.reading import read_small
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.checkpoint.tokenizer import MAX_BESIDE, MAX_BYTES
from mpk_tui.errors import MalformedError, UnsupportedError
from mpk_tui.kit.backend import (
    Backend,
    Model,
    Token,
    added_tokens,
    checked,
    from_file,
    numbered,
    pairs,
    pieces,
    token,
)
from mpk_tui.kit.choosing import PLAIN, class_of, constructor
from mpk_tui.kit.classes import BEFORE, CLASSES, Class, build, empty, flagged
from mpk_tui.kit.configuration import Configuration
from mpk_tui.kit.steps import flat, step, template

NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""Names of special tokens, in the order in which missing ones are added."""
_MOST_EXTRA = 100_000
_OTHER_VOCABULARIES = re.compile(r"tekken\.json|tokenizer\.model\.*|tiktoken\.model")


@dataclass(frozen=True)
class LoadedTokenizer:
    """A tokenizer in memory.

    Attributes:
        class_name: Its class.
        backend: Vocabulary and steps.
        special: Special tokens by name.
    """

    class_name: str
    backend: Backend
    special: Mapping[str, str]

    def special_id(self, name: str) -> int | None:
        """Id of a special token by its name; that of the unknown token where the vocabulary lacks it."""
        text = self.special.get(name)
        if text is None:
            return None
        found = self.backend.token_id(text)
        unknown = self.special.get("unk_token")
        return self.backend.token_id(unknown) if found is None and unknown is not None else found


def load(folder: Path, configuration: Configuration) -> LoadedTokenizer:
    """The tokenizer of a folder.

    Raises:
        UnsupportedError: The Kit would find none, or this reading of it does not know the class.
        MalformedError: A file that cannot be read.
    """
    settings = _object(folder, "tokenizer_config.json", MAX_BESIDE) or {}
    name = _file_name(settings)
    raw = _bytes(folder, name, MAX_BYTES)
    where = str(folder / name)
    class_name = class_of(configuration, settings, raw is not None and b'"ByteLevel"' in raw, str(folder))
    value = None if raw is None else parse(raw, where)
    if value is not None and not isinstance(value, dict):
        raise MalformedError("not a JSON object", where=where)
    return _Loading(folder, settings, value, where).run(class_name)


def _file_name(settings: Mapping[str, Any]) -> str:
    """``tokenizer.json``, or the newest of several that the settings list for versions of transformers."""
    listed = settings.get("fast_tokenizer_files")
    if not isinstance(listed, list):
        return "tokenizer.json"
    versions = {tuple(int(p) for p in m[1].split(".")): n for n in listed if isinstance(n, str)
                and (m := re.fullmatch(r"tokenizer\.([0-9.]+[0-9])\.json", n))}  # fmt: skip
    fitting = [v for v in versions if v <= (5, 24, 0)]
    return versions[max(fitting)] if fitting else "tokenizer.json"


def _bytes(folder: Path, name: str, limit: int) -> bytes | None:
    path = folder / name
    return read_small(path, limit, str(path), follow=True) if path.is_file() else None


def _object(folder: Path, name: str, limit: int) -> dict[str, Any] | None:
    raw = _bytes(folder, name, limit)
    if raw is None:
        return None
    value = parse(raw, str(folder / name))
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object", where=str(folder / name))
    return value


class _Loading:
    """One loading, step by step."""

    def __init__(self, folder: Path, settings: dict[str, Any], value: dict[str, Any] | None, where: str) -> None:
        self.folder, self.where, self.value = folder, where, value
        self.settings: dict[str, Any] = dict(settings)
        self.settings.pop("tokenizer_class", None)
        if value is not None:
            self.settings.pop("add_bos_token", None)
            self.settings.pop("add_eos_token", None)

    def run(self, class_name: str) -> LoadedTokenizer:
        """Load by the class of a name."""
        base = constructor(class_name)
        made = CLASSES.get(base[0]) if base else None
        if base is None or (made is None and base[0] != PLAIN):
            raise UnsupportedError(
                f"tokenizers of the class {class_name[:80]!r} are not followed by this version",
                where=str(self.folder),
                hint="The Kit may have an answer that we cannot give",
            )
        decoder = self._added()
        self._special_names()
        owner = base[0]
        if made is None:
            return self._finish(class_name, self._plain(), decoder, {}, None, owner)
        named = {**made.defaults, **{k: v for k, v in self.settings.items() if k in made.defaults}}
        extra = named.get("extra_ids", 0)
        if not isinstance(extra, int) or not 0 <= extra <= _MOST_EXTRA:
            raise MalformedError(f"extra_ids is {str(extra)[:80]!r}", where=str(self.folder))
        if self.value is not None and not base[1]:
            backend = from_file(self.value, self.where)
        else:
            backend = self._anew(made, named)
        return self._finish(class_name, backend, decoder, named, made, owner)

    def _added(self) -> dict[int, Token]:
        """Added tokens by id; named ones take their flags from here."""
        found: dict[int, Token] = {}
        stated = self.settings.get("added_tokens_decoder")
        if isinstance(stated, dict):
            for key, item in stated.items():
                if not isinstance(key, str) or not key.isdecimal():
                    raise MalformedError(f"added_tokens_decoder has the id {str(key)[:80]!r}", where=str(self.folder))
                found[int(key)] = token(item, f"{self.folder}, added_tokens_decoder")
        else:
            self._legacy(found)
        by_text = {t.content: t for t in found.values()}
        for key in NAMED:
            value = self.settings.get(key)
            if value is not None:
                self.settings[key] = by_text.get(_content(value), self._token(value))
        return found

    def _legacy(self, found: dict[int, Token]) -> None:
        """Tokens beside older tokenizers: ``special_tokens_map.json``, ``added_tokens.json``, ``tokenizer.json``."""
        for key, value in (_object(self.folder, "special_tokens_map.json", MAX_BESIDE) or {}).items():
            if isinstance(value, dict) and key != "extra_special_tokens":
                value = replace(token(value, f"{self.folder}, special_tokens_map.json"), special=True)
            self.settings[key] = value
        self._move_additional()
        special = {_content(self.settings[k]) for k in NAMED if self.settings.get(k)}
        for text, i in (_object(self.folder, "added_tokens.json", MAX_BESIDE) or {}).items():
            if isinstance(i, int) and not isinstance(i, bool) and 0 <= i < 1 << 32:
                found[i] = Token(text, normalized=text not in special, special=text in special)
        items = (self.value or {}).get("added_tokens")
        for made, item in zip(added_tokens(items, self.where), items or (), strict=True):
            if isinstance(item.get("id"), int):
                found[item["id"]] = made

    def _token(self, value: Any) -> Any:
        if isinstance(value, dict) and value.get("__type") == "AddedToken":
            return token(value, str(self.folder))
        return value

    def _move_additional(self) -> None:
        if "additional_special_tokens" in self.settings and not self.settings.get("extra_special_tokens"):
            self.settings["extra_special_tokens"] = self.settings.pop("additional_special_tokens")

    def _special_names(self) -> None:
        """Tokens that have a name of the model's own, and the list of those without one."""
        self._move_additional()
        self.extra: list[Any] = []
        self.own: dict[str, Any] = {
            k: v for k, v in self.settings.items() if k not in NAMED and k.endswith("_token") and isinstance(v, str)
        }
        stated = self.settings.get("extra_special_tokens")
        if isinstance(stated, dict):
            self.own |= {k: self._token(v) for k, v in stated.items()}
            self.settings.pop("extra_special_tokens")
        elif isinstance(stated, list):
            self.extra = [self._token(v) for v in stated]

    def _plain(self) -> Backend:
        if self.value is not None:
            return from_file(self.value, self.where)
        self._refuse_other_vocabularies()
        raise UnsupportedError("the Kit has no answer: no tokenizer.json", where=str(self.folder))

    def _refuse_other_vocabularies(self) -> None:
        for path in sorted(self.folder.iterdir()):
            if _OTHER_VOCABULARIES.search(path.name):
                raise UnsupportedError(
                    "without tokenizer.json the Kit converts this vocabulary; that is not followed by this version",
                    where=str(path),
                )

    def _anew(self, c: Class, named: dict[str, Any]) -> Backend:
        """The class's own backend on the vocabulary of the file."""
        if self.value is None:
            return build(c, named, self._without_file(c, named))
        stated = self.value.get("model")
        if not isinstance(stated, dict):
            raise MalformedError("no model in it", where=self.where)
        normalizers = flat("normalizer", step("normalizer", self.value.get("normalizer"), self.where))
        named["_charsmap"] = next((n["precompiled_charsmap"] for n in normalizers if n["type"] == "Precompiled"), None)
        backend = build(c, named, self._model(c, stated, named))
        whole = from_file({**self.value, "model": {"type": "WordLevel", "vocab": {}}, "added_tokens": []}, self.where)
        backend.truncation, backend.padding = whole.truncation, whole.padding
        backend.post_processor = whole.post_processor or backend.post_processor
        return backend

    def _model(self, c: Class, stated: Mapping[str, Any], named: dict[str, Any]) -> Model:
        vocabulary = stated.get("vocab")
        if vocabulary is None:
            ids, scores = empty(c, named)
            return Model(c.model, {}, ids, scores=scores)
        if c.model == "Unigram":
            if not isinstance(vocabulary, list):
                raise UnsupportedError("the Kit has no answer: the class wants tokens with scores", where=self.where)
            ids, scores = pieces(vocabulary, self.where)
            return Model(c.model, {}, ids, scores=scores)
        if isinstance(vocabulary, list):
            vocabulary = {(row[0] if isinstance(row, list) and row else row): i for i, row in enumerate(vocabulary)}
        ids = numbered(vocabulary, self.where)
        merges = list(pairs(stated.get("merges"), self.where)) if c.model == "BPE" else []
        return checked(Model(c.model, {"continuing_subword_prefix": ""}, ids, merges), self.where)

    def _without_file(self, c: Class, named: dict[str, Any]) -> Model:
        """A vocabulary in other files, or the few tokens that a class has by itself."""
        present = [n for n in c.files if (self.folder / n).is_file()]
        if not present:
            self._refuse_other_vocabularies()
            ids, scores = empty(c, named)
            return Model(c.model, {}, ids, scores=scores)
        where = str(self.folder / c.files[0])
        raw = _bytes(self.folder, c.files[0], MAX_BYTES)
        if raw is None or present[0].endswith(".model"):
            raise UnsupportedError(
                f"without tokenizer.json the Kit converts {present[0]}; that is not followed by this version",
                where=str(self.folder),
            )
        if c.model == "WordPiece":
            lines = raw.decode("utf-8", "replace").removesuffix("\n").split("\n")
            return Model(c.model, {}, {line.rstrip(): i for i, line in enumerate(lines)})
        ids = numbered(parse(raw, where), where)
        beside = _bytes(self.folder, c.files[1], MAX_BYTES) or b""
        rows = beside.decode("utf-8", "replace").removesuffix("\n").split("\n")
        listed = [r.rstrip("\r") for r in rows if r and not r.startswith("#version")]
        return checked(Model(c.model, {"continuing_subword_prefix": ""}, ids, list(pairs(listed, where))), where)

    def _finish(
        self,
        class_name: str,
        backend: Backend,
        decoder: dict[int, Token],
        named: dict[str, Any],
        c: Class | None,
        owner: str,
    ) -> LoadedTokenizer:
        """Special tokens: their names, and those that the backend lacks."""
        if owner in BEFORE:
            backend.post_processor = backend.post_processor if self.value is not None else None
            early = BEFORE[owner](named, backend.token_id)
            backend.post_processor = backend.post_processor or early
        special: dict[str, Any] = {k: v for k, v in named.items() if k in NAMED}
        special |= {k: v for k, v in self.settings.items() if k in NAMED}
        if backend.padding is not None and "pad_token" not in special:
            special["pad_token"] = backend.padding["pad_token"]
        special = {k: special[k] for k in NAMED if special.get(k) is not None} | self.own
        if owner == "T5Tokenizer" and not self.extra:
            self.extra = [f"<extra_id_{i}>" for i in range(int(named["extra_ids"]))]
        if c is not None:
            special = {k: flagged(c, k, v) for k, v in special.items()}
        for key, value in special.items():
            if not isinstance(value, str | Token):
                raise UnsupportedError(f"the Kit has no answer: the special token {key} is no text", where=self.where)
        _add_missing(backend, decoder, special, self.extra)
        adds = self.settings.get("add_bos_token"), self.settings.get("add_eos_token")
        if backend.post_processor is None or adds != (None, None):
            _around_text(backend, special, adds)
        if c is not None and c.after is not None:
            texts = {**named, **{k: _content(v) for k, v in special.items()}}
            backend.post_processor = c.after(texts, backend.token_id)
        if c is not None and c.everything:
            every = [_content(v) for v in (*special.values(), *self.extra)]
            backend.add([Token(t, normalized=False, special=True) for t in dict.fromkeys(every)])
        return LoadedTokenizer(class_name, backend, {k: _content(v) for k, v in special.items()})


def _content(value: Any) -> str:
    if isinstance(value, Token):
        return value.content
    return str(value.get("content", "")) if isinstance(value, dict) else str(value)


def _add_missing(backend: Backend, decoder: dict[int, Token], special: dict[str, Any], extra: list[Any]) -> None:
    """Add what the backend lacks: listed tokens that differ from its own, then special ones by name, then others."""
    have = set(backend.added.values())
    adding: list[Any] = [t for _, t in sorted(decoder.items()) if t not in have]
    known = {t.content for t in have} | {t.content for t in adding}
    for value in (*special.values(), *extra):
        if _content(value) not in known and value not in adding:
            adding.append(value)
    names = {_content(v) for v in special.values()}
    tokens = []
    for t in adding:
        if isinstance(t, Token):
            tokens.append(t if t.special or t.content not in names else replace(t, special=True))
        else:
            tokens.append(Token(_content(t), normalized=False, special=True))
    backend.add(tokens)


def _around_text(backend: Backend, special: dict[str, Any], adds: tuple[Any, Any]) -> None:
    """The post-processor that puts the tokens that begin and end a text around it, where the settings say so."""
    first = _content(special["bos_token"]) if adds[0] and "bos_token" in special else None
    last = _content(special["eos_token"]) if adds[1] and "eos_token" in special else None
    before, behind = [first] if first else [], [last] if last else []
    single = [(p, 0) for p in (*before, "$A", *behind)]
    pair = [*single, *((p, 1) for p in (*before, "$B", *behind))]
    ids = {t: backend.token_id(t) or 0 for t in (*before, *behind)}
    backend.post_processor = template(single, pair, ids)
