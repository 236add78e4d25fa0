"""The first token of a short text, as the library tokenizers 0.23.3 would cut it.

The Kit asks its tokenizer for the first id of each of some dozens of anchor strings (provenancekit 1.0.0,
``core/signals/anchors.py``, ``_try_encode_anchors``).  This is written for such strings: one word or one mark, without
blanks; what a step would do to other texts is left out where it cannot matter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from mpk_tui.checkpoint.tokenizers.normal import byte_alphabet
from mpk_tui.errors import UnsupportedError
from mpk_tui.kit import steps
from mpk_tui.kit.backend import Backend, Model, Token

_CJK = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
        (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))  # fmt: skip
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""How byte-level tokenizers cut text where they use their own pattern."""
_LONGEST_PATTERN = 4096
_WORD = 24
"""Characters of a text that a file's pattern is tried on: even the worst pattern ends in time."""
_GROWN = 4096
"""Characters that a normalizer or pre-tokenizer may make of a word."""
Ranks = dict[tuple[str, str], int]


class Encoder:
    """Cuts short texts by one tokenizer.

    Args:
        backend: The tokenizer.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._ranks = {pair: n for n, pair in enumerate(backend.model.merges)}
        added = backend.added.values()
        self._raw = [(t.content, t) for t in added if not t.normalized]
        short = [t for t in added if t.normalized and len(t.content) <= _WORD]  # longer ones are in no anchor
        self._plain = [(_normalize(t.content, backend.normalizer), t) for t in short]

    def first_id(self, text: str) -> int | None:
        """Id of the first token, None where the text becomes none.

        Raises:
            UnsupportedError: A step that this version does not follow.
        """
        head, found = _before_added(text, self._raw)
        if found is None or head:
            head, found = _before_added(_normalize(head, self._backend.normalizer), self._plain)
        if found is not None and not head:
            return self._backend.token_id(found.content)
        for word in _words(head, self._backend):
            ids = _ids(word, self._backend.model, self._ranks)
            if ids:
                return ids[0]
        return None


def _before_added(text: str, tokens: list[tuple[str, Token]]) -> tuple[str, Token | None]:
    """What stands before the first added token in a text, and that token; the leftmost, then the longest."""
    best: tuple[int, int, Token] | None = None
    for content, token in tokens:
        at = text.find(content) if content else -1
        if at < 0 or (token.single_word and not _alone(text, at, at + len(content))):
            continue
        if best is None or (at, -len(content)) < best[:2]:
            best = (at, -len(content), token)
    return (text, None) if best is None else (text[: best[0]], best[2])


def _alone(text: str, start: int, stop: int) -> bool:
    return not (start and _wordlike(text[start - 1])) and not (stop < len(text) and _wordlike(text[stop]))


def _wordlike(c: str) -> bool:
    return c.isalnum() or c == "_"


def _normalize(text: str, normalizer: steps.Step | None) -> str:
    for step in steps.flat("normalizer", normalizer):
        text = _normalized(text, step)
        if len(text) > _GROWN:
            raise UnsupportedError(f"a normalizer makes {len(text)} characters of a word; such ones are not followed")
    return text


def _normalized(text: str, step: steps.Step) -> str:
    kind = step["type"]
    if kind in ("NFC", "NFD", "NFKC", "NFKD"):
        return unicodedata.normalize(kind, text)
    if kind == "BertNormalizer":
        return _bert(text, step)
    if kind == "Replace":
        return _pattern(step["pattern"], text).sub(lambda _: step["content"], text)
    if kind == "Prepend":
        return step["prepend"] + text if text else text
    if kind == "Lowercase":
        return text.lower()
    if kind == "StripAccents":
        return "".join(c for c in text if unicodedata.category(c) != "Mn")
    if kind == "Strip":
        return (text.lstrip if step["strip_left"] else str)(text) if not step["strip_right"] else text.strip()
    if kind == "ByteLevel":
        return _bytes(text)
    if kind in ("Precompiled", "Nmt") and unicodedata.normalize("NFKC", text).lower() == text:
        return text  # SentencePiece's maps are of compatibility forms and case: nothing to do for this text
    raise UnsupportedError(f"the normalizer {kind} is not followed for {text!r}")


def _bert(text: str, step: steps.Step) -> str:
    if step["clean_text"]:
        text = "".join(" " if c.isspace() else c for c in text if c.isspace() or not _control(c))
    if step["handle_chinese_chars"]:
        text = "".join(f" {c} " if any(a <= ord(c) <= b for a, b in _CJK) else c for c in text)
    strip = step["strip_accents"]
    if step["lowercase"] if strip is None else strip:
        text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return text.lower() if step["lowercase"] else text


def _control(c: str) -> bool:
    return ord(c) in (0, 0xFFFD) or unicodedata.category(c).startswith("C")


def _bytes(text: str) -> str:
    spelled = {b: c for c, b in byte_alphabet().items()}
    return "".join(spelled[b] for b in text.encode("utf-8", "replace"))


def _words(text: str, backend: Backend) -> list[str]:
    words = [text] if text else []
    for step in steps.flat("pre_tokenizer", backend.pre_tokenizer):
        words = [w for n, word in enumerate(words) for w in _cut(word, step, first=n == 0) if w]
        grown = sum(map(len, words))
        if grown > _GROWN:  # every byte-level step spells what the one before it wrote once more
            raise UnsupportedError(f"a pre-tokenizer makes {grown} characters of a word; such ones are not followed")
    return words


def _cut(word: str, step: steps.Step, *, first: bool) -> list[str]:
    kind = step["type"]
    if kind == "ByteLevel":
        if step["add_prefix_space"] and not word.startswith(" "):
            word = " " + word
        parts = _isolated(_pattern({"Regex": _GPT2}, word), word) if step["use_regex"] else [word]
        return [_bytes(p) for p in parts]
    if kind == "Metaspace":
        return _metaspace(word, step, first)
    if kind == "Split":
        return _split(word, step)
    if kind == "WhitespaceSplit":
        return word.split()
    if kind == "Whitespace":
        return re.findall(r"\w+|[^\w\s]+", word)
    if kind == "BertPreTokenizer":
        return [p for w in word.split() for p in _marks(w)]
    if kind == "Punctuation" and step["behavior"] == "Isolated":
        return _marks(word)
    if kind == "Digits":
        return re.findall(r"\D+|\d" if step["individual_digits"] else r"\D+|\d+", word)
    if kind == "CharDelimiterSplit":
        return word.split(step["delimiter"])
    if kind == "FixedLength":
        size = max(1, int(step["length"]))
        return [word[i : i + size] for i in range(0, len(word), size)]
    raise UnsupportedError(f"the pre-tokenizer {kind} is not followed")


def _metaspace(word: str, step: steps.Step, first: bool) -> list[str]:
    mark = step["replacement"]
    word = word.replace(" ", mark)
    scheme = step["prepend_scheme"]
    if (scheme == "always" or (scheme == "first" and first)) and not word.startswith(mark):
        word = mark + word
    return (
        re.findall(f"{re.escape(mark)}[^{re.escape(mark)}]*|[^{re.escape(mark)}]+", word) if step["split"] else [word]
    )


def _marks(word: str) -> list[str]:
    """A word with its punctuation marks on their own."""
    out: list[str] = []
    for c in word:
        mark = unicodedata.category(c).startswith("P") or (ord(c) < 128 and not c.isalnum() and not c.isspace())
        if mark or not out or out[-1] == "":
            out += [c, ""] if mark else [c]
        else:
            out[-1] += c
    return [w for w in out if w]


def _split(word: str, step: steps.Step) -> list[str]:
    found = _pattern(step["pattern"], word)
    behavior = step["behavior"]
    if step["invert"]:
        if behavior in ("Removed", "Isolated"):
            return [m.group() for m in found.finditer(word) if m.group()]
        raise UnsupportedError(f"an inverted split that is {behavior} is not followed")
    if behavior == "Isolated":
        return _isolated(found, word)
    if behavior == "Removed":
        return found.split(word)
    pieces = _isolated(found, word)
    if len(pieces) <= 1:
        return pieces
    raise UnsupportedError(f"a split that is {behavior} is not followed for {word!r}")


def _isolated(pattern: re.Pattern[str], word: str) -> list[str]:
    out, at = [], 0
    for m in pattern.finditer(word):
        if m.end() > m.start():
            out += [word[at : m.start()], m.group()]
            at = m.end()
    return [p for p in [*out, word[at:]] if p]


def _pattern(stated: object, text: str) -> re.Pattern[str]:
    """A pattern of a file for one text."""
    if isinstance(stated, str):
        return re.compile(re.escape(stated))
    if isinstance(stated, dict) and isinstance(stated.get("String"), str):
        return re.compile(re.escape(stated["String"]))
    regex = stated.get("Regex") if isinstance(stated, dict) else None
    if isinstance(regex, str) and len(regex) <= _LONGEST_PATTERN:
        if len(text) > _WORD:
            raise UnsupportedError(f"a pattern on a text of {len(text)} characters is not followed")
        return _regex(regex, "".join(sorted(set(text))))
    raise UnsupportedError("a split by a pattern of another kind is not followed")


@lru_cache(maxsize=512)
def _regex(pattern: str, alphabet: str) -> re.Pattern[str]:
    r"""A pattern of Oniguruma in Python's: ``\p{L}`` stands for those letters that the text has."""
    out, inside, at = [], False, 0
    while at < len(pattern):
        m = re.compile(r"\\([pP])\{(\^?)(\w+)\}|\\(.)|(.)", re.DOTALL).match(pattern, at)
        if m is None:
            raise UnsupportedError("a pattern that ends in a backslash is not followed")
        at = m.end()
        if m[1]:
            wanted = (m[1] == "p") != bool(m[2])
            chars = "".join(re.escape(c) for c in alphabet if _in_category(c, m[3]) == wanted) or r"\U0010ffff"
            out.append(chars if inside else f"[{chars}]")
            continue
        if m[5] == "[" and not inside:
            inside = True
        elif m[5] == "]" and inside and out[-1] not in ("[", "[^"):
            inside = False
        elif m[5] == "[":
            out.append("\\[")
            continue
        out.append(m[0])
    try:
        return re.compile("".join(out))
    except (re.error, OverflowError, RecursionError):
        raise UnsupportedError(f"the pattern {pattern[:80]!r} is not followed") from None


_SCRIPTS = {"Han": "CJK", "Hiragana": "HIRAGANA", "Katakana": "KATAKANA", "Hangul": "HANGUL", "Latin": "LATIN",
            "Cyrillic": "CYRILLIC", "Arabic": "ARABIC", "Devanagari": "DEVANAGARI"}  # fmt: skip


def _in_category(c: str, name: str) -> bool:
    if name in _SCRIPTS:
        return unicodedata.name(c, "").startswith(_SCRIPTS[name])
    if len(name) > 2:
        raise UnsupportedError(f"the class {name[:40]!r} of a pattern is not followed")
    return unicodedata.category(c).startswith(name)


def _ids(word: str, model: Model, ranks: Ranks) -> list[int]:
    if model.kind == "BPE":
        return _bpe(word, model, ranks)
    if model.kind == "WordPiece":
        return _word_piece(word, model)
    if model.kind == "Unigram":
        return _unigram(word, model)
    found = model.ids.get(word, model.ids.get(str(model.options.get("unk_last"))))
    return [] if found is None else [found]


def _bpe(word: str, model: Model, ranks: Ranks) -> list[int]:
    options, ids = model.options, model.ids
    if options["ignore_merges"] and word in ids:
        return [ids[word]]
    prefix, suffix = options["continuing_subword_prefix"] or "", options["end_of_word_suffix"] or ""
    symbols = [(prefix if n else "") + c + (suffix if n == len(word) - 1 else "") for n, c in enumerate(word)]
    found = [piece for s in symbols for piece in _known(s, model)]
    while len(found) > 1:
        at = min(range(len(found) - 1), key=lambda i: ranks.get((found[i], found[i + 1]), len(ranks)))
        pair = found[at], found[at + 1]
        if pair not in ranks:
            break
        found[at : at + 2] = [pair[0] + pair[1][len(prefix) :]]
    return [ids[p] for p in found]


def _known(symbol: str, model: Model) -> Iterator[str]:
    """A symbol if it is a token, else its bytes where they are, else the unknown token, else nothing."""
    if symbol in model.ids:
        yield symbol
        return
    if model.options["byte_fallback"]:
        pieces = [f"<0x{b:02X}>" for b in symbol.encode("utf-8", "replace")]
        if all(p in model.ids for p in pieces):
            yield from pieces
            return
    unknown = model.options["unk_token"]
    if unknown is not None and unknown in model.ids:
        yield unknown


def _word_piece(word: str, model: Model) -> list[int]:
    unknown = model.ids.get(model.options["unk_token"])
    missing = [] if unknown is None else [unknown]
    if len(word) > model.options["max_input_chars_per_word"]:
        return missing
    out, at = [], 0
    while at < len(word):
        prefix = model.options["continuing_subword_prefix"] if at else ""
        stop = next((s for s in range(len(word), at, -1) if prefix + word[at:s] in model.ids), None)
        if stop is None:
            return missing
        out.append(model.ids[prefix + word[at:stop]])
        at = stop
    return out


def _unigram(word: str, model: Model) -> list[int]:
    """The likeliest cut; a character that is in no token costs 10 more than the least likely token."""
    unknown, unlikely = model.options["unk_id"], min(model.scores, default=0.0) - 10.0
    best: list[tuple[float, int, int | None]] = [(0.0, 0, None)]
    longest = max((len(t) for t in model.ids), default=0) if len(word) > 16 else 16
    for stop in range(1, len(word) + 1):
        options: list[tuple[float, int, int | None]] = []
        for start in range(max(0, stop - longest), stop):
            token = model.ids.get(word[start:stop])
            if token is not None:
                options.append((best[start][0] + model.scores[token], start, token))
        if not any(start == stop - 1 for _, start, _ in options):
            options.append((best[stop - 1][0] + unlikely, stop - 1, None))
        best.append(max(options, key=lambda o: o[0]))
    cuts: list[tuple[int, int, int | None]] = []
    at = len(word)
    while at:
        _, start, token = best[at]
        cuts.append((start, at, token))
        at = start
    start, stop, token = cuts[-1] if cuts else (0, 0, None)
    if token is not None:
        return [token]
    if model.options.get("byte_fallback_last"):
        unknowns = next((c[0] for c in reversed(cuts) if c[2] is not None), len(word))
        raw = [f"<0x{b:02X}>" for b in word[start:unknowns].encode("utf-8", "replace")]
        if raw and all(r in model.ids for r in raw):
            return [model.ids[r] for r in raw]
    return [] if unknown is None or not cuts else [int(unknown)]
