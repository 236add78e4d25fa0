"""The steps of a tokenizer as the library tokenizers 0.23.3 writes them: fields, their order, what is left unsaid.

The Kit hashes that text (provenancekit 1.0.0, ``_derive_tokenizer_hash``), so that every field counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.errors import MalformedError, UnsupportedError

_MUST = object()
_BYTES = (("add_prefix_space", True), ("trim_offsets", True), ("use_regex", True))
_MARK = (("replacement", _MUST), ("prepend_scheme", "always"), ("split", True))
_REPLACE = (("pattern", _MUST), ("content", _MUST))
_PAIR = (("sep", _MUST), ("cls", _MUST))

Fields = tuple[tuple[str, Any], ...]
NORMALIZERS: dict[str, Fields] = {
    "BertNormalizer": (("clean_text", _MUST), ("handle_chinese_chars", _MUST), ("strip_accents", None),
                       ("lowercase", _MUST)),
    "Strip": (("strip_left", _MUST), ("strip_right", _MUST)),
    "StripAccents": (), "NFC": (), "NFD": (), "NFKC": (), "NFKD": (), "Lowercase": (), "Nmt": (), "ByteLevel": (),
    "Precompiled": (("precompiled_charsmap", _MUST),),
    "Replace": _REPLACE,
    "Prepend": (("prepend", _MUST),),
}  # fmt: skip
PRE_TOKENIZERS: dict[str, Fields] = {
    "BertPreTokenizer": (), "Whitespace": (), "WhitespaceSplit": (), "UnicodeScripts": (),
    "ByteLevel": _BYTES,
    "CharDelimiterSplit": (("delimiter", _MUST),),
    "Metaspace": _MARK,
    "Split": (("pattern", _MUST), ("behavior", _MUST), ("invert", _MUST)),
    "Punctuation": (("behavior", "Isolated"),),
    "Digits": (("individual_digits", _MUST),),
    "FixedLength": (("length", _MUST),),
}  # fmt: skip
POST_PROCESSORS: dict[str, Fields] = {
    "BertProcessing": _PAIR,
    "RobertaProcessing": (*_PAIR, ("trim_offsets", True), ("add_prefix_space", True)),
    "ByteLevel": _BYTES,
    "TemplateProcessing": (("single", _MUST), ("pair", _MUST), ("special_tokens", _MUST)),
}
DECODERS: dict[str, Fields] = {
    "BPEDecoder": (("suffix", _MUST),),
    "ByteLevel": _BYTES,
    "WordPiece": (("prefix", _MUST), ("cleanup", _MUST)),
    "Metaspace": _MARK,
    "CTC": (("pad_token", _MUST), ("word_delimiter_token", _MUST), ("cleanup", _MUST)),
    "Replace": _REPLACE,
    "Fuse": (), "ByteFallback": (),
    "Strip": (("content", _MUST), ("start", _MUST), ("stop", _MUST)),
}  # fmt: skip
LISTS = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
    "decoder": "decoders",
}
KINDS = {
    "normalizer": NORMALIZERS,
    "pre_tokenizer": PRE_TOKENIZERS,
    "post_processor": POST_PROCESSORS,
    "decoder": DECODERS,
}
Step = Mapping[str, Any]
_VALUES: dict[str, type | tuple[type, ...]] = {
    "content": str, "prepend": str, "replacement": str, "prepend_scheme": str, "delimiter": str, "length": int,
    "behavior": str, "precompiled_charsmap": str, "pattern": (str, dict), "prefix": str, "split": bool,
    "add_prefix_space": bool, "trim_offsets": bool, "use_regex": bool, "invert": bool, "individual_digits": bool,
    "clean_text": bool, "handle_chinese_chars": bool, "lowercase": bool, "strip_accents": (bool, type(None)),
    "strip_left": bool, "strip_right": bool,
}  # fmt: skip


def step(role: str, stated: Any, where: str) -> dict[str, Any] | None:
    """One step with its fields in the library's order and what was left unsaid filled in.

    Args:
        role: ``normalizer``, ``pre_tokenizer``, ``post_processor`` or ``decoder``.
        stated: As the file has it.
        where: For messages.

    Raises:
        MalformedError: Not a step.
        UnsupportedError: A kind that this version does not know.
    """
    if stated is None:
        return None
    if not isinstance(stated, dict) or not isinstance(stated.get("type"), str):
        raise MalformedError(f"the {role} is no step with a type", where=where)
    kind, inner = stated["type"], LISTS[role]
    if kind == "Sequence":
        steps = stated.get(inner)
        if not isinstance(steps, list):
            raise MalformedError(f"a sequence without {inner}", where=where)
        return {"type": kind, inner: [step(role, s, where) for s in steps]}
    fields = KINDS[role].get(kind)
    if fields is None:
        raise UnsupportedError(f"a {role} of the kind {kind[:80]!r} is not read by this version", where=where)
    stated = _older(stated) if kind == "Metaspace" else stated
    out: dict[str, Any] = {"type": kind}
    for name, default in fields:
        value = stated.get(name, default)
        if value is _MUST:
            raise MalformedError(f"a {role} {kind} without {name}", where=where)
        if not isinstance(value, _VALUES.get(name, object)):
            raise MalformedError(f"{name} of a {role} {kind} is {str(value)[:80]!r}", where=where)
        out[name] = _ordered(value) if name == "special_tokens" else value
    return out


def _older(stated: dict[str, Any]) -> dict[str, Any]:
    """Older files say ``add_prefix_space`` in place of a scheme."""
    if "prepend_scheme" in stated or stated.get("add_prefix_space") is not False:
        return stated
    return {**stated, "prepend_scheme": "never"}


def _ordered(tokens: Any) -> Any:
    if not isinstance(tokens, dict):
        return tokens
    rows = {k: tokens[k] for k in sorted(tokens)}
    return {
        k: {n: v[n] for n in ("id", "ids", "tokens") if n in v} if isinstance(v, dict) else v for k, v in rows.items()
    }


def flat(role: str, made: Step | None) -> list[Step]:
    """The steps of a sequence one after the other; none for None."""
    if made is None:
        return []
    if made["type"] == "Sequence":
        return [s for inner in made[LISTS[role]] for s in flat(role, inner)]
    return [made]


def template(single: list[tuple[str, int]], pair: list[tuple[str, int]], ids: dict[str, int]) -> dict[str, Any]:
    """A template post-processor: ``A`` and ``B`` are the texts, anything else a special token.

    Args:
        single: Pieces around one text and their type ids.
        pair: Pieces around two.
        ids: Of the special tokens.
    """

    def piece(name: str, kind: int) -> dict[str, Any]:
        if name in ("$A", "$B"):
            return {"Sequence": {"id": name[1:], "type_id": kind}}
        return {"SpecialToken": {"id": name, "type_id": kind}}

    return {
        "type": "TemplateProcessing",
        "single": [piece(*p) for p in single],
        "pair": [piece(*p) for p in pair],
        "special_tokens": {k: {"id": k, "ids": [ids[k]], "tokens": [k]} for k in sorted(ids)},
    }
