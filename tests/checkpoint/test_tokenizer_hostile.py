"""Hostile vocabularies: each ends in a typed error that names the file and the place, quickly and in little memory."""

from __future__ import annotations

import base64
import json
import os
import random
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from counted import within
from test_tokenizer import START, bpe, piece, ranks, read, spm, varint

from mpk_tui.checkpoint.model import Tokenizer
from mpk_tui.checkpoint.tokenizer import MAX_BYTES
from mpk_tui.checkpoint.tokenizers.huggingface import (
    read_added,
    read_json,
    read_lines,
    read_names,
    read_settings,
    read_vocab,
)
from mpk_tui.checkpoint.tokenizers.ranks import read_ranks, read_tekken
from mpk_tui.checkpoint.tokenizers.sentencepiece import read_pieces
from mpk_tui.errors import LimitError, MalformedError, MpkError

Reader = Callable[[bytes, str], object]


def vocab(data: bytes, name: str) -> Tokenizer:
    """As a vocab.json with merges beside it."""
    return read_vocab(data, name, True)


def model(value: Any, **more: Any) -> bytes:
    """A tokenizer.json with this model."""
    return json.dumps({"model": value, **more}).encode()


def tekken(items: Any, config: Any = (9, 3), **more: Any) -> bytes:
    """A tekken.json."""
    if isinstance(config, tuple):
        config = {"default_vocab_size": config[0], "default_num_special_tokens": config[1]}
    return json.dumps({"config": config, "vocab": items, **more}).encode()


def inner(*parts: bytes) -> bytes:
    """One piece with these fields."""
    return b"\x0a" + varint(len(b"".join(parts))) + b"".join(parts)


A = {"rank": 0, "token_bytes": "YQ=="}
J, P, T, K, V, L = "tokenizer.json", "tokenizer.model", "x.tiktoken", "tekken.json", "vocab.json", "vocab.txt"
CASES: list[tuple[str, str, Reader, bytes, type[MpkError], str]] = [
    ("empty", J, read_json, b"", MalformedError, "line 1"),
    ("a list", J, read_json, b"[]", MalformedError, "no model"),
    ("model is text", J, read_json, model("BPE"), MalformedError, "no model"),
    ("vocabulary is a number", J, read_json, model({"vocab": 7}), MalformedError, "model.vocab"),
    ("nested 100 000 deep", J, read_json, b'{"model":' + b"[" * 100_000, MalformedError, "character"),
    ("not UTF-8", J, read_json, b'{"model":{"vocab":{"\xff":1}}}', MalformedError, "byte 20"),
    ("a token twice", J, read_json, b'{"model":{"vocab":{"a":0,"a":1}}}', MalformedError, "'a'"),
    ("an id twice", J, read_json, bpe({"a": 0, "b": 0}), MalformedError, "the id 0"),
    ("id beyond four million", J, read_json, bpe({"a": 1 << 22}), LimitError, "4194304"),
    ("id of 2**64", J, read_json, bpe({"a": 1 << 64}), LimitError, "18446744073709551616"),
    ("id of 4000 digits", J, read_json, b'{"model":{"vocab":{"a":' + b"9" * 4000 + b"}}}", MalformedError, "digits"),
    ("one id far away", J, read_json, bpe({"a": (1 << 22) - 1}), LimitError, "4194303"),
    ("negative id", J, read_json, bpe({"a": -1}), MalformedError, "'a'"),
    ("fractional id", J, read_json, b'{"model":{"vocab":{"a":1.0}}}', MalformedError, "'a'"),
    ("id is a truth value", J, read_json, b'{"model":{"vocab":{"a":true}}}', MalformedError, "'a'"),
    ("id is a map", J, read_json, b'{"model":{"vocab":{"a":{}}}}', MalformedError, "'a'"),
    ("token of a million characters", J, read_json, bpe({"a" * 1_000_000: 0}), LimitError, "1000000"),
    ("unigram of single strings", J, read_json, model({"vocab": ["a"]}), MalformedError, "model.vocab[0]"),
    ("unigram of triples", J, read_json, model({"vocab": [["a", 0], ["b", 0, 1]]}), MalformedError, "model.vocab[1]"),
    ("unigram of numbers", J, read_json, model({"vocab": [[1, 0]]}), MalformedError, "model.vocab[0]"),
    ("unk_id outside", J, read_json, model({"vocab": [["a", 0]], "unk_id": 5}), MalformedError, "unk_id"),
    ("added tokens are a map", J, read_json, bpe({}, added_tokens={}), MalformedError, "added_tokens"),
    ("added token without content", J, read_json, bpe({}, added_tokens=[{"id": 1}]), MalformedError, "added_tokens[0]"),
    ("added token without id", J, read_json, bpe({}, added_tokens=[{"content": "a"}]), MalformedError, "added_tokens[0]"),
    ("two added tokens at one id", J, read_json, bpe({}, added_tokens=[{"id": 1, "content": "a"}, {"id": 1, "content": "b"}]), MalformedError, "added_tokens[1]"),
    ("added token far away", J, read_json, bpe({"a": 0}, added_tokens=[{"id": 4_000_000, "content": "b"}]), LimitError, "4000000"),
    ("empty", P, read_pieces, b"", MalformedError, "no pieces"),
    ("no pieces", P, read_pieces, b"\x12\x02\x18\x01", MalformedError, "no pieces"),
    ("length of 2**63", P, read_pieces, b"\x0a" + varint(1 << 63), MalformedError, "byte 11"),
    ("length of 2**64-1", P, read_pieces, b"\x0a" + b"\xff" * 9 + b"\x01", MalformedError, "byte 11"),
    ("length beyond the file", P, read_pieces, b"\x0a\x7fabc", MalformedError, "byte 2"),
    ("piece longer than its message", P, read_pieces, START[0] + inner(b"\x0a\x7fabc"), MalformedError, "byte"),
    ("number that wraps 64 bits", P, read_pieces, b"\x0a" + b"\xff" * 9 + b"\x02", MalformedError, "64 bits"),
    ("number of eleven bytes", P, read_pieces, b"\x0a" + b"\x80" * 11, MalformedError, "ten bytes"),
    ("number that does not end", P, read_pieces, b"\x0a\x80", MalformedError, "byte 1"),
    ("number beyond its message", P, read_pieces, inner(b"\x18\x80") + b"\x01", MalformedError, "byte 3"),
    ("field number 0", P, read_pieces, b"\x02\x00", MalformedError, "field number 0"),
    ("field number 2**29", P, read_pieces, varint(1 << 32) + b"\x00", MalformedError, "field number"),
    ("group", P, read_pieces, b"\x0b\x0c", MalformedError, "wire type 3"),
    ("wire type 7", P, read_pieces, b"\x0f", MalformedError, "wire type 7"),
    ("pieces are numbers", P, read_pieces, b"\x08\x01", MalformedError, "pieces"),
    ("text is a number", P, read_pieces, inner(b"\x08\x01"), MalformedError, "piece"),
    ("score is text", P, read_pieces, inner(b"\x0a\x01a\x12\x01a"), MalformedError, "score"),
    ("type is text", P, read_pieces, inner(b"\x0a\x01a\x1a\x01a"), MalformedError, "type"),
    ("type 9", P, read_pieces, spm(piece("a", 9)), MalformedError, "type 9"),
    ("fixed value cut off", P, read_pieces, inner(b"\x15\x00\x00"), MalformedError, "byte"),
    ("empty piece", P, read_pieces, spm(piece("")), MalformedError, "without text"),
    ("piece twice", P, read_pieces, spm(piece("a"), piece("a")), MalformedError, "'a' occurs twice"),
    ("piece of a million bytes", P, read_pieces, spm(piece("a" * 1_000_000)), LimitError, "1000000"),
    ("messages in messages", P, read_pieces, inner(inner(inner(inner(b"\xff")))) * 3, MalformedError, "byte"),
    ("100 000 fields beside the pieces", P, read_pieces, b"\x18\x01" * 100_000, LimitError, "64 fields"),
    ("100 000 fields in a piece", P, read_pieces, inner(b"\x18\x01" * 100_000), LimitError, "in a piece"),
    ("100 000 fields in trainer_spec", P, read_pieces, spm(piece("a")) + b"\x12" + varint(200_000) + b"\x18\x01" * 100_000, LimitError, "trainer_spec"),
    ("empty", T, read_ranks, b"\n\n", MalformedError, "no tokens"),
    ("no base64", T, read_ranks, b"YQ== 0\n!!!! 1\n", MalformedError, "byte 7"),
    ("base64 without its end", T, read_ranks, b"YQ 0\n", MalformedError, "byte 0"),
    ("base64 not ASCII", T, read_ranks, b"\xc3\xa9\xff\xff 0\n", MalformedError, "byte 0"),
    ("token without bytes", T, read_ranks, b" 0\n", MalformedError, "without bytes"),
    ("no rank", T, read_ranks, b"YQ==\n", MalformedError, "byte 0"),
    ("negative rank", T, read_ranks, b"YQ== -1\n", MalformedError, "byte 0"),
    ("rank of other digits", T, read_ranks, "YQ== \u0663\n".encode(), MalformedError, "byte 0"),
    ("rank of 5000 digits", T, read_ranks, b"YQ== " + b"9" * 5000, LimitError, "5000 digits"),
    ("rank beyond four million", T, read_ranks, b"YQ== 4194304", LimitError, "4194304"),
    ("one rank far away", T, read_ranks, b"YQ== 4194303", LimitError, "4194303"),
    ("rank twice", T, read_ranks, b"YQ== 0\nYg== 0\n", MalformedError, "byte 7"),
    ("token twice", T, read_ranks, b"YQ== 0\nYQ== 1\n", MalformedError, "byte 7"),
    ("token of a million bytes", T, read_ranks, ranks(b"a" * 1_000_000), LimitError, "byte 0"),
    ("no vocabulary", K, read_tekken, b"{}", MalformedError, "vocab"),
    ("no config", K, read_tekken, tekken([A], []), MalformedError, "config"),
    ("size is text", K, read_tekken, tekken([A], ("9", 3)), MalformedError, "default_vocab_size"),
    ("more special tokens than tokens", K, read_tekken, tekken([A], (2, 3)), MalformedError, "special"),
    ("size beyond four million", K, read_tekken, tekken([A], (1 << 40, 3)), LimitError, "default_vocab_size"),
    ("one token behind four million", K, read_tekken, tekken([A], ((1 << 22) - 1, (1 << 22) - 2)), LimitError, "4194302"),
    ("entry is text", K, read_tekken, tekken(["a"]), MalformedError, "vocab[0]"),
    ("no base64", K, read_tekken, tekken([A, {"rank": 1, "token_bytes": "!"}]), MalformedError, "vocab[1]"),
    ("base64 beyond ASCII", K, read_tekken, tekken([{"rank": 1, "token_bytes": "é"}]), MalformedError, "vocab[0]"),
    ("rank twice", K, read_tekken, tekken([A, A]), MalformedError, "vocab[1]"),
    ("special token behind its range", K, read_tekken, tekken([A], special_tokens=[{"rank": 3, "token_str": "x"}]), MalformedError, "special_tokens[0]"),
    ("special tokens are text", K, read_tekken, tekken([A], special_tokens="x"), MalformedError, "special_tokens"),
    ("empty", V, vocab, b"{}", MalformedError, "tokens"),
    ("a list", V, vocab, b"[1]", MalformedError, "object"),
    ("an id twice", V, vocab, b'{"a":1,"b":1}', MalformedError, "the id 1"),
    ("id beyond four million", V, vocab, b'{"a":99999999}', LimitError, "99999999"),
    ("not UTF-8", L, read_lines, b"the\n\xff\n", MalformedError, "byte 4"),
    ("only empty lines", L, read_lines, b"\n" * 1000, MalformedError, "no tokens"),
    ("line of a million characters", L, read_lines, b"a" * 1_000_000, LimitError, "1000000"),
    ("a token behind four million lines", L, read_lines, b"\n" * (1 << 22) + b"a", LimitError, "4194304"),
    ("a list", "added_tokens.json", read_added, b"[]", MalformedError, "object"),
    ("an id twice", "added_tokens.json", read_added, b'{"a":1,"b":1}', MalformedError, "the id 1"),
    ("a list", "special_tokens_map.json", read_names, b"[]", MalformedError, "object"),
    ("a number", "tokenizer_config.json", read_settings, b"1", MalformedError, "object"),
    ("id is no number", "tokenizer_config.json", read_settings, b'{"added_tokens_decoder":{"x":{"content":"a"}}}', MalformedError, "added_tokens_decoder.x"),
    ("id of other digits", "tokenizer_config.json", read_settings, '{"added_tokens_decoder":{"\u00b2":{"content":"a"}}}'.encode(), MalformedError, "added_tokens_decoder"),
    ("token without content", "tokenizer_config.json", read_settings, b'{"added_tokens_decoder":{"1":{}}}', MalformedError, "added_tokens_decoder.1"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("what", "name", "reader", "data", "error", "place"), CASES, ids=[f"{c[1]}: {c[0]}" for c in CASES]
)
def test_each_hostile_vocabulary_ends_in_one_sentence(
    what: str, name: str, reader: Reader, data: bytes, error: type[MpkError], place: str
) -> None:
    tracemalloc.start()
    with pytest.raises(error) as caught:
        within(
            10_000_000, lambda: reader(data, name)
        )  # 2,000,000 at most; what is quadratic runs thousands of millions
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sentence = caught.value.diagnosis()
    assert name in sentence
    assert place in sentence
    assert "\n" not in sentence
    assert len(sentence) < 500
    assert peak < 100 << 20


GOOD: list[tuple[str, Reader, bytes]] = [
    (J, read_json, bpe({"a": 0, "Ġthe": 1}, added_tokens=[{"id": 2, "content": "<s>", "special": True}])),
    (P, read_pieces, spm(*START, piece("<0x0A>", 6), piece("\u2581the"))),
    (T, read_ranks, ranks(b"a", b" the", b"\xff")),
    (K, read_tekken, tekken([A, {"rank": 1, "token_bytes": base64.b64encode(b" the").decode()}])),
    (L, read_lines, "[UNK]\nthe\n##é\n".encode()),
]


@pytest.mark.parametrize(("name", "reader", "good"), GOOD, ids=[g[0] for g in GOOD])
def test_cut_and_meddled_files_end_in_typed_errors(name: str, reader: Reader, good: bytes) -> None:
    """Every cut, and 1500 files with bytes exchanged: a vocabulary whose strings can be encoded, or our own error."""
    reader(good, name)
    draw = random.Random(7)
    meddled = [good[:n] for n in range(len(good))]
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(draw.randint(1, 3)):
            data[draw.randrange(len(data))] = draw.choice((0, 0x7F, 0x80, 0xFF, 0x22, 0x0A, draw.randrange(256)))
        meddled.append(bytes(data))
    failed = read_well = 0
    for data in meddled:
        try:
            made = reader(data, name)
        except MpkError as error:
            failed += name in error.diagnosis()
        else:
            read_well += 1
            assert isinstance(made, Tokenizer)
            assert all(t is None or t.encode("utf-8") is not None for t in made.tokens)
    # Every error named the file.
    assert failed == len(meddled) - read_well > 20


def test_a_sparse_terabyte_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / J).open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)
    tokenizer, notices = read(tmp_path)
    assert tokenizer is None
    assert f"at most {MAX_BYTES}" in notices[0]


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tokenizer.model")
    (tmp_path / "vocab.txt").mkdir()
    (tmp_path / "vocab.txt" / "x").touch()
    assert read(tmp_path) == (None, [])


def test_a_hundred_vocabularies_are_not_all_read(tmp_path: Path) -> None:
    for n in range(100):
        (tmp_path / f"{n:03}.tiktoken").write_bytes(ranks(b"a"))
    tokenizer, notices = read(tmp_path)
    assert tokenizer is not None
    assert tokenizer.source == "000.tiktoken"
    assert len(notices) == 1
    assert notices[0].startswith("100 vocabularies")


def test_damaged_files_beside_a_vocabulary_are_notices(tmp_path: Path) -> None:
    tokenizer, notices = read(tmp_path, vocab__txt=b"the\n", added_tokens__json=b"[", tokenizer_config__json=b"{")
    assert tokenizer is not None
    assert [n.split(":")[1].split(",")[0].strip() for n in notices] == ["added_tokens.json", "tokenizer_config.json"]


def test_a_score_that_is_no_number_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / P).write_bytes(inner(b"\x0a\x01a\x15" + struct.pack("<f", float("nan"))))
    tokenizer, notices = read(tmp_path)
    assert (tokenizer and tokenizer.tokens, notices) == (("a",), [])
