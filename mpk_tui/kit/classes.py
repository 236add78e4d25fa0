"""Tokenizer classes of transformers 5.24.0 that build their tokenizer anew from the vocabulary of ``tokenizer.json``.

Such a class keeps of the file only vocabulary, merges and post-processor and has steps of its own
(``models/*/tokenization_*.py``).  Classes that are not here are named in the error when one is met.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpk_tui.kit.backend import Backend, Model, Token
from mpk_tui.kit.steps import Step, template

Settings = Mapping[str, Any]
Ids = Callable[[str], int | None]
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN35 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_PLAIN_BPE = {
    "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
    "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
}  # fmt: skip
_EMPTY_MARKS = {**_PLAIN_BPE, "continuing_subword_prefix": "", "end_of_word_suffix": ""}


@dataclass(frozen=True)
class Parts:
    """What a class makes of its settings."""

    options: dict[str, Any]
    normalizer: Step | None = None
    pre_tokenizer: Step | None = None
    decoder: Step | None = None
    post_processor: Step | None = None


@dataclass(frozen=True)
class Class:
    """A tokenizer class.

    Attributes:
        model: Kind of its model.
        defaults: Settings of its constructor.
        build: Settings to steps.
        empty: Tokens of the vocabulary that it has where no file gives one: names of settings, or a token.
        after: Settings and ids to the post-processor that is set at the end, or None.
        files: What it reads where there is no ``tokenizer.json``: vocabulary, merges.
        everything: Adds all its special tokens at the end.
    """

    model: str
    defaults: Settings
    build: Callable[[Settings], Parts]
    empty: tuple[str, ...] = ()
    after: Callable[[Settings, Ids], Step | None] | None = None
    files: tuple[str, ...] = ()
    everything: bool = False
    loose: frozenset[str] = field(default_factory=frozenset)


def _byte_level(prefix: Any = True, trim: bool = True, regex: bool = True) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": bool(prefix), "trim_offsets": trim, "use_regex": regex}


def _list(inner: str, *steps: Step) -> dict[str, Any]:
    return {"type": "Sequence", inner: list(steps)}


def _replace(old: str, new: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def _metaspace(scheme: str, split: bool = True) -> dict[str, Any]:
    return {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": split}


def _split(pattern: dict[str, str], behavior: str, invert: bool = False) -> dict[str, Any]:
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def _gpt2(s: Settings) -> Parts:
    return Parts(dict(_EMPTY_MARKS), pre_tokenizer=_byte_level(s["add_prefix_space"]), decoder=_byte_level())


def _codegen(s: Settings) -> Parts:
    made = _gpt2(s)
    return Parts(made.options, None, made.pre_tokenizer, made.decoder, _byte_level(True, trim=False))


def _neox(s: Settings) -> Parts:
    inner = _byte_level(s["add_prefix_space"], trim=bool(s["trim_offsets"]))
    return Parts(dict(_EMPTY_MARKS), {"type": "NFC"}, inner, _byte_level())


def _cohere(s: Settings) -> Parts:
    inner = _byte_level(s["add_prefix_space"])
    cut = _list("pretokenizers", {"type": "Digits", "individual_digits": True}, inner)
    return Parts(dict(_EMPTY_MARKS), {"type": "NFC"}, cut, _byte_level())


def _qwen(pattern: str) -> Callable[[Settings], Parts]:
    def build(s: Settings) -> Parts:
        cut = _list(
            "pretokenizers",
            _split({"Regex": pattern}, "Isolated"),
            _byte_level(s["add_prefix_space"] or False, regex=False),
        )
        return Parts(dict(_EMPTY_MARKS), {"type": "NFC"}, cut, _byte_level())

    return build


def _llama(s: Settings) -> Parts:
    prefix = s["add_prefix_space"] is None or bool(s["add_prefix_space"])
    scheme = "never" if not prefix else "always" if s["legacy"] else "first"
    steps: list[Step] = [_replace("\u2581", " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
    if prefix:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    options = {**_PLAIN_BPE, "fuse_unk": True, "byte_fallback": True}
    return Parts(options, None, _metaspace(scheme, split=False), _list("decoders", *steps))


def _gemma(s: Settings) -> Parts:
    options = {**_PLAIN_BPE, "unk_token": str(s["unk_token"]), "fuse_unk": True, "byte_fallback": True}
    decoder = _list("decoders", _replace("\u2581", " "), {"type": "ByteFallback"}, {"type": "Fuse"})
    return Parts(options, _replace(" ", "\u2581"), _split({"String": " "}, "MergedWithPrevious"), decoder)


def _clip(s: Settings) -> Parts:
    options = {**_EMPTY_MARKS, "end_of_word_suffix": "</w>", "unk_token": str(s["unk_token"])}
    blanks = {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "}
    cut = _list("pretokenizers", _split({"Regex": _CLIP}, "Removed", invert=True), _byte_level(False))
    return Parts(options, _list("normalizers", {"type": "NFC"}, blanks, {"type": "Lowercase"}), cut, _byte_level())


def _bert(s: Settings) -> Parts:
    normalizer = {
        "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": s["tokenize_chinese_chars"],
        "strip_accents": s["strip_accents"], "lowercase": s["do_lower_case"],
    }  # fmt: skip
    options = {"unk_token": str(s["unk_token"]), "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    decoder = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    return Parts(options, normalizer, {"type": "BertPreTokenizer"}, decoder)


def _unigram(unk: int, scheme: str, normalizer: Step | None) -> Parts:
    cut = _list("pretokenizers", {"type": "WhitespaceSplit"}, _metaspace(scheme))
    return Parts({"unk_id": unk, "byte_fallback_last": False}, normalizer, cut, _metaspace(scheme))


def _charsmap(s: Settings) -> dict[str, Any] | None:
    found = s.get("_charsmap")
    return None if found is None else {"type": "Precompiled", "precompiled_charsmap": found}


def _t5(s: Settings) -> Parts:
    return _unigram(2, "always", _charsmap(s))


def _xlm_roberta(s: Settings) -> Parts:
    return _unigram(3, "always" if s["add_prefix_space"] else "never", _charsmap(s))


def _albert(s: Settings) -> Parts:
    steps: list[Step] = [_replace("``", '"'), _replace("''", '"')]
    if not s["keep_accents"]:
        steps += [{"type": "NFKD"}, {"type": "StripAccents"}]
    if s["do_lower_case"]:
        steps.append({"type": "Lowercase"})
    charsmap = _charsmap(s)
    steps += [charsmap] if charsmap else []
    return _unigram(1, "always" if s["add_prefix_space"] else "never", _list("normalizers", *steps))


def _cls_sep(s: Settings, ids: Ids) -> Step:
    return _around(str(s["cls_token"]), str(s["sep_token"]), ids(str(s["cls_token"])), ids(str(s["sep_token"])), (2, 3))


def _around(cls: str, sep: str, first: int | None, last: int | None, otherwise: tuple[int, int]) -> Step:
    """The text between two tokens, a second one behind it with a type of its own."""
    numbers = {cls: first if first is not None else otherwise[0], sep: last if last is not None else otherwise[1]}
    single = [(cls, 0), ("$A", 0), (sep, 0)]
    return template(single, [*single, ("$B", 1), (sep, 1)], numbers)


def _albert_after(s: Settings, ids: Ids) -> Step:
    # Set before the special tokens are there: the ids are those of the vocabulary.
    return _around("[CLS]", "[SEP]", ids(str(s["cls_token"])), ids(str(s["sep_token"])), (0, 0))


def _bos_eos(s: Settings, ids: Ids) -> Step:
    b, e = str(s["bos_token"]), str(s["eos_token"])
    numbers = {b: ids(b) or 0, e: ids(e) or 0}
    single = [(b, 0), ("$A", 0), (e, 0)]
    return template(single, [*single, (e, 0), ("$B", 0), (e, 0)], numbers)


def _t5_after(s: Settings, ids: Ids) -> Step:
    number = {"</s>": ids(str(s["eos_token"])) or 0}
    return template([("$A", 0), ("</s>", 0)], [("$A", 0), ("</s>", 0), ("$B", 0), ("</s>", 0)], number)


def _roberta(names: tuple[str, str], trim: bool | None, prefix: bool | None) -> Callable[[Settings, Ids], Step]:
    def after(s: Settings, ids: Ids) -> Step:
        sep, cls = (str(s[n]) for n in names)
        return {
            "type": "RobertaProcessing", "sep": [sep, ids(sep)], "cls": [cls, ids(cls)],
            "trim_offsets": bool(s["trim_offsets"]) if trim is None else trim,
            "add_prefix_space": bool(s["add_prefix_space"]) if prefix is None else prefix,
        }  # fmt: skip

    return after


_END = "<|endoftext|>"
_ENDS = {"unk_token": _END, "bos_token": _END, "eos_token": _END}
_WORDS = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
          "mask_token": "[MASK]"}  # fmt: skip
_XML = {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>",
        "pad_token": "<pad>", "mask_token": "<mask>"}  # fmt: skip
_BERT = {**_WORDS, "do_lower_case": True, "tokenize_chinese_chars": True, "strip_accents": None}
_JSON = ("vocab.json", "merges.txt")

CLASSES: dict[str, Class] = {
    "GPT2Tokenizer": Class("BPE", {**_ENDS, "pad_token": None, "add_prefix_space": False}, _gpt2, files=_JSON),
    "CodeGenTokenizer": Class("BPE", {**_ENDS, "pad_token": None, "add_prefix_space": False}, _codegen, files=_JSON),
    "GPTNeoXTokenizer": Class(
        "BPE",
        {**_ENDS, "pad_token": "<|padding|>", "add_prefix_space": False, "trim_offsets": True},
        _neox,
        ("unk_token", "pad_token"),
        lambda s, ids: template([("$A", 0)], [("$A", 0), ("$B", 1)], {}),
        _JSON,
    ),
    "RobertaTokenizer": Class(
        "BPE",
        {**_XML, "add_prefix_space": False, "trim_offsets": True},
        _gpt2,
        ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"),
        _roberta(("sep_token", "cls_token"), None, None),
        _JSON,
    ),
    "Qwen2Tokenizer": Class(
        "BPE",
        {"unk_token": _END, "bos_token": None, "eos_token": _END, "pad_token": _END, "add_prefix_space": None},
        _qwen(_QWEN2),
        (_END,),
        files=_JSON,
        everything=True,
    ),
    "Qwen3_5Tokenizer": Class(
        "BPE",
        {"unk_token": _END, "bos_token": None, "eos_token": _END, "pad_token": _END, "add_prefix_space": None},
        _qwen(_QWEN35),
        (_END,),
    ),
    "CohereTokenizer": Class(
        "BPE",
        {
            "unk_token": "<UNK>", "bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>",
            "pad_token": "<PAD>", "cls_token": "<CLS>", "sep_token": "<SEP>", "mask_token": "<MASK_TOKEN>",
            "add_prefix_space": False,
        },
        _cohere,
        ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token", "bos_token"),
        everything=True,
    ),
    "LlamaTokenizer": Class(
        "BPE",
        {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "add_prefix_space": None, "legacy": False},
        _llama,
        ("unk_token", "bos_token", "eos_token"),
        files=("tokenizer.model",),
    ),
    "GemmaTokenizer": Class(
        "BPE",
        {
            "unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>",
            "mask_token": "<mask>",
        },
        _gemma,
        ("pad_token", "eos_token", "bos_token", "unk_token", "mask_token"),
    ),
    "CLIPTokenizer": Class(
        "BPE",
        {"unk_token": _END, "bos_token": "<|startoftext|>", "eos_token": _END, "pad_token": _END},
        _clip,
        ("bos_token", "eos_token", "pad_token"),
        _roberta(("eos_token", "bos_token"), False, False),
        _JSON,
    ),
    "BertTokenizer": Class(
        "WordPiece",
        _BERT,
        _bert,
        ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"),
        _cls_sep,
        ("vocab.txt",),
    ),
    "MPNetTokenizer": Class(
        "WordPiece",
        {**_BERT, **_XML, "unk_token": "[UNK]"},
        _bert,
        after=_roberta(("sep_token", "cls_token"), True, False),
        files=("vocab.txt",),
        loose=frozenset({"mask_token"}),
    ),
    "AlbertTokenizer": Class(
        "Unigram",
        {
            "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "<unk>", "sep_token": "[SEP]",
            "pad_token": "<pad>",
            "cls_token": "[CLS]", "mask_token": "[MASK]", "do_lower_case": True, "keep_accents": False,
            "add_prefix_space": True,
        },
        _albert,
        ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"),
        files=("spiece.model",),
    ),
    "XLMRobertaTokenizer": Class(
        "Unigram",
        {**_XML, "add_prefix_space": True},
        _xlm_roberta,
        ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"),
        _bos_eos,
        ("sentencepiece.bpe.model",),
    ),
    "T5Tokenizer": Class(
        "Unigram",
        {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "extra_ids": 100},
        _t5,
        after=_t5_after,
        files=("spiece.model",),
    ),
}  # fmt: skip
CLASSES["DistilBertTokenizer"] = CLASSES["BertTokenizer"]
BEFORE = {"AlbertTokenizer": _albert_after}
"""Post-processors that are set before the special tokens are added."""


def empty(c: Class, settings: Settings) -> tuple[dict[str, int], list[float]]:
    """The vocabulary of a class where no file gives one; equal tokens are one, at the last place."""
    tokens = [str(settings.get(name, name)) for name in c.empty]
    if c is CLASSES["T5Tokenizer"]:
        tokens = [str(settings[n]) for n in ("pad_token", "eos_token", "unk_token")] + ["\u2581"]
        tokens += [f"<extra_id_{i}>" for i in range(int(settings["extra_ids"]) - 1, -1, -1)]
    return {t: i for i, t in enumerate(tokens)}, [-2.0 if t == "\u2581" else 0.0 for t in tokens]


def build(c: Class, settings: Settings, model: Model) -> Backend:
    """The tokenizer that a class builds of its settings and a vocabulary."""
    parts = c.build(settings)
    model.options = parts.options
    return Backend(model, parts.normalizer, parts.pre_tokenizer, parts.post_processor, parts.decoder)


def flagged(c: Class, name: str, value: Any) -> Any:
    """A special token as the class hands it on: MPNet's mask takes the blank before it."""
    if isinstance(value, str) and name in c.loose:
        return Token(value, lstrip=True, normalized=False, special=True)
    return value
