"""Vocabularies of every kind: one normal form, sources by rank, held against each other."""

from __future__ import annotations

import base64
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from mpk_tui.checkpoint.folder import list_folder
from mpk_tui.checkpoint.model import Tokenizer
from mpk_tui.checkpoint.tokenizer import disagreement, from_bytes, from_gguf, read_tokenizer

VECTORS = Path(__file__).parents[1] / "vectors" / "tokenizers"
EXPECTED: dict[str, Any] = json.loads((VECTORS / "expected.json").read_text(encoding="utf-8"))
MADE = sorted(k for k in EXPECTED if k != "versions")
BLANK = "\u2581"


def varint(n: int) -> bytes:
    """A protobuf number."""
    out = b""
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def piece(text: str | bytes, kind: int = 1, score: float = -1.0) -> bytes:
    """One entry of a SentencePiece model."""
    raw = text.encode() if isinstance(text, str) else text
    inner = b"\x0a" + varint(len(raw)) + raw + b"\x15" + struct.pack("<f", score) + b"\x18" + varint(kind)
    return b"\x0a" + varint(len(inner)) + inner


def spm(*pieces: bytes, kind: int = 2) -> bytes:
    """A SentencePiece model; kind 1 is unigram, 2 is BPE."""
    return b"".join(pieces) + b"\x12\x02\x18" + bytes([kind])


START = (piece("<unk>", 2), piece("<s>", 3), piece("</s>", 3))


def ranks(*tokens: bytes) -> bytes:
    """A tiktoken file."""
    return b"".join(base64.b64encode(t) + b" %d\n" % i for i, t in enumerate(tokens))


def bpe(vocabulary: dict[str, int], **more: Any) -> bytes:
    """A byte-level tokenizer.json."""
    model = {"type": "BPE", "vocab": vocabulary, "merges": []}
    return json.dumps({"model": model, "pre_tokenizer": {"type": "ByteLevel"}, **more}).encode()


def read(folder: Path, **files: bytes) -> tuple[Tokenizer | None, list[str]]:
    """The vocabulary of a folder with these files; ``__`` in a name stands for a dot."""
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return read_tokenizer(folder, list_folder(folder))


def sure(folder: Path, **files: bytes) -> Tokenizer:
    """The same where nothing may be odd."""
    tokenizer, notices = read(folder, **files)
    assert notices == []
    assert tokenizer is not None
    return tokenizer


@pytest.mark.parametrize("name", MADE)
def test_what_the_libraries_encode_is_what_our_strings_spell(name: str) -> None:
    """Ids that the library gives for a text, spelled with our strings, give the text back."""
    expected = EXPECTED[name]
    tokenizer = sure(VECTORS / name)
    assert len(tokenizer.tokens) == expected["size"]
    # The first id is the special token, which ranked bytes leave to the code that reads them.
    assert (None in tokenizer.tokens[:1]) == (name == "tiktoken")
    assert None not in tokenizer.tokens[1:]
    if "special" in expected:
        assert sorted(tokenizer.special) == expected["special"]
        assert [i for i, t in enumerate(tokenizer.tokens) if re.fullmatch("<0x[0-9A-F]{2}>", t or "")] == expected[
            "bytes"
        ]
    spelled = 0
    for text, ids in expected["texts"].items():
        if set(ids) & tokenizer.special:
            continue
        tokens = "".join(str(tokenizer.tokens[i]) for i in ids)
        raw = re.sub(
            b"<0x([0-9A-F]{2})>", lambda m: bytes([int(m[1], 16)]), tokens.replace(BLANK, " ").encode()
        ).decode()
        if tokenizer.kind in ("wordpiece", "wordlevel"):
            # Marks of punctuation are words of their own, runs of blanks are one.
            assert raw.split() == re.findall(r"\w+|[^\w\s]", text)
        elif name == "byte-level" or name in ("vocab-merges", "tiktoken") or name.startswith("pieces"):
            assert raw == " " + text
        else:
            assert raw.strip() == text
        spelled += 1
    assert spelled >= 3


def test_the_is_one_string_in_every_file_of_the_libraries() -> None:
    ids = {n: sure(VECTORS / n).tokens.index(f"{BLANK}the") for n in MADE}
    assert len(ids) == 10
    for n, i in ids.items():
        assert EXPECTED[n]["texts"]["the"] == [i]


def test_the_same_strings_from_three_files_of_one_vocabulary() -> None:
    plain, merges, ranked = (sure(VECTORS / n) for n in ("byte-level", "vocab-merges", "tiktoken"))
    assert plain.tokens == merges.tokens
    assert plain.tokens[1:] == ranked.tokens[1:]
    assert sure(VECTORS / "word-piece").tokens == sure(VECTORS / "vocab-txt").tokens
    assert plain.special == merges.special == {0}


def test_bytes_and_blanks_have_one_spelling(tmp_path: Path) -> None:
    assert from_bytes(b" a\xff\xe2\x96\x81") == f"{BLANK}a<0xFF>{BLANK}"
    folders = []
    for n in "abc":
        (tmp_path / n).mkdir()
        folders.append(tmp_path / n)
    level = sure(folders[0], tokenizer__json=bpe({"â": 0, "ĠĠ": 1, "Ġthe": 2}))
    pieces = sure(folders[1], tokenizer__model=spm(piece("<0xE2>", 6), piece(BLANK * 2), piece(f"{BLANK}the")))
    ranked = sure(folders[2], qwen__tiktoken=ranks(b"\xe2", b"  ", b" the"))
    assert level.tokens == pieces.tokens == ranked.tokens == ("<0xE2>", BLANK * 2, f"{BLANK}the")
    gguf = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ("â", "ĠĠ", "Ġthe")}
    assert from_gguf(gguf) == Tokenizer("gguf", "bpe", level.tokens)


def test_half_a_surrogate_can_be_encoded(tmp_path: Path) -> None:
    vocabulary = b'{"model":{"type":"BPE","vocab":{"\\ud800x":0},"merges":[]},"added_tokens":[{"id":1,"content":"\\udfff","special":true}]}'
    tokens = sure(tmp_path, tokenizer__json=vocabulary).tokens
    assert tokens == ("<0xED><0xA0><0x80>x", "<0xED><0xBF><0xBF>")


def test_sentencepiece_types(tmp_path: Path) -> None:
    data = spm(*START, piece("<0x0A>", 6), piece("<tool>", 4), piece("gone", 5), piece(f"{BLANK}the"), kind=1)
    found = sure(tmp_path, spiece__model=data)
    assert found == Tokenizer(
        "spiece.model", "unigram", ("<unk>", "<s>", "</s>", "<0x0A>", "<tool>", "gone", f"{BLANK}the"), frozenset({0, 1, 2})
    )  # fmt: skip


def test_numbers_of_xlm_roberta_camembert_and_pegasus(tmp_path: Path) -> None:
    data = spm(*START, piece(f"{BLANK}the"))
    for n, (file, kind, at) in enumerate([
        ("sentencepiece.bpe.model", "XLMRobertaTokenizer", 4), ("sentencepiece.bpe.model", "CamembertTokenizer", 7),
        ("spiece.model", "PegasusTokenizer", 106), ("tokenizer.model", "LlamaTokenizer", 3),
    ]):  # fmt: skip
        folder = tmp_path / str(n)
        folder.mkdir()
        settings = json.dumps({"tokenizer_class": kind}).encode()
        found = sure(folder, **{file: data, "tokenizer_config__json": settings})
        assert found.tokens.index(f"{BLANK}the") == at
        assert at not in found.special


def test_added_tokens_from_the_files_beside_a_vocabulary(tmp_path: Path) -> None:
    found = sure(
        tmp_path,
        vocab__json=b'{"a": 0, "\\u0120the": 1, "<|end|>": 2}',
        merges__txt=b"#version: 0.2\n",
        added_tokens__json=b'{"<|im|>": 3, "two words": 4}',
        special_tokens_map__json=b'{"eos_token": {"content": "<|end|>"}, "additional_special_tokens": ["<|im|>"]}',
        tokenizer_config__json=b'{"added_tokens_decoder": {"5": {"content": "<|x y|>", "special": true}}}',
    )
    assert found.tokens == ("a", f"{BLANK}the", "<|end|>", "<|im|>", f"two{BLANK}words", "<|x y|>")
    assert found.special == {2, 3, 5}


def test_marian_takes_its_ids_from_vocab_json(tmp_path: Path) -> None:
    vocabulary = json.dumps({"</s>": 0, "<unk>": 1, f"{BLANK}the": 2, "é": 3}).encode()
    found = sure(tmp_path, vocab__json=vocabulary, source__spm=spm(*START, piece(f"{BLANK}the")))
    assert (found.source, found.kind) == ("vocab.json", "unigram")
    assert found.tokens[2:] == (f"{BLANK}the", "é")


def test_llama_3_is_told_from_sentencepiece(tmp_path: Path) -> None:
    found = sure(tmp_path, tokenizer__model=ranks(b"!", b" the", b"\xe2\x80"))
    assert found.tokens == ("!", f"{BLANK}the", "<0xE2><0x80>")


def test_tekken(tmp_path: Path) -> None:
    entries = [
        {"rank": i, "token_bytes": base64.b64encode(t).decode()} for i, t in enumerate([b"a", b" the", b"\xff", b"no"])
    ]
    data: dict[str, Any] = {"config": {"default_vocab_size": 6, "default_num_special_tokens": 3}, "vocab": entries}
    found = sure(tmp_path, tekken__json=json.dumps(data).encode())
    assert found.tokens == (None, None, None, "a", f"{BLANK}the", "<0xFF>")
    assert found.special == {0, 1, 2}
    data["special_tokens"] = [{"rank": 1, "token_str": "<s>", "is_control": True}]
    assert sure(tmp_path, tekken__json=json.dumps(data).encode()).tokens[:3] == (None, "<s>", None)


def test_whole_words_and_other_marks(tmp_path: Path) -> None:
    words = {"model": {"type": "WordLevel", "vocab": {"the": 0}}, "pre_tokenizer": {"type": "Whitespace"}}
    found = sure(tmp_path, tokenizer__json=json.dumps(words).encode())
    assert (found.kind, found.tokens) == ("wordlevel", (f"{BLANK}the",))
    letters = {"model": {"type": "WordLevel", "vocab": {"A": 0}}}
    assert sure(tmp_path, tokenizer__json=json.dumps(letters).encode()).tokens == ("A",)
    mark = {
        "model": {"type": "WordPiece", "continuing_subword_prefix": "@@", "vocab": {"the": 0, "@@ing": 1, "##x": 2}}
    }
    assert sure(tmp_path, tokenizer__json=json.dumps(mark).encode()).tokens == (f"{BLANK}the", "ing", f"{BLANK}##x")
    meta = {"model": {"type": "Unigram", "vocab": [["_the", 0]]}, "decoder": {"type": "Metaspace", "replacement": "_"}}
    assert sure(tmp_path, tokenizer__json=json.dumps(meta).encode()).tokens == (f"{BLANK}the",)


def test_gguf_fills_and_plain_tokens() -> None:
    found = from_gguf({
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": ("Ã©", "é x", "<|end|>", "[PAD3]"),
        "tokenizer.ggml.token_type": (1, 4, 3, 5),
    })  # fmt: skip
    assert found == Tokenizer("gguf", "bpe", ("é", f"é{BLANK}x", "<|end|>", None), frozenset({2}))
    assert from_gguf({"tokenizer.ggml.tokens": (1, 2)}) is None


def test_tokenizer_json_counts_and_agreement_is_silent(tmp_path: Path) -> None:
    special = [{"id": 2, "content": "<|end|>", "special": True}]
    found = sure(
        tmp_path, tokenizer__json=bpe({"a": 0, "Ġthe": 1}, added_tokens=special),
        vocab__json='{"a": 0, "Ġthe": 1}'.encode(), merges__txt=b"", x__tiktoken=ranks(b"a", b" the"),
    )  # fmt: skip
    assert found.source == "tokenizer.json"


def test_sources_that_disagree_are_a_sentence(tmp_path: Path) -> None:
    found, notices = read(tmp_path, tokenizer__json=bpe({"a": 0, "Ġthe": 1}), x__tiktoken=ranks(b"a", b" of"))
    assert found is not None
    assert found.source == "tokenizer.json"
    assert notices == [
        f"tokenizer.json and x.tiktoken disagree: 1 ids name other tokens (the id 1: '{BLANK}the' and '{BLANK}of'); "
        "tokenizer.json counts"
    ]
    _, notices = read(tmp_path, x__tiktoken=ranks(b"a", b" the", b"more"))
    assert notices == ["tokenizer.json and x.tiktoken disagree: 2 and 3 ordinary tokens; tokenizer.json counts"]


def test_special_tokens_are_no_disagreement() -> None:
    a = Tokenizer("a", "bpe", ("<s>", "x", None), frozenset({0}))
    b = Tokenizer("b", "bpe", ("<S>", "x", "<end>"), frozenset({2}))
    assert disagreement(a, b) is None


def test_a_damaged_first_source_gives_way_to_the_next(tmp_path: Path) -> None:
    found, notices = read(tmp_path, tokenizer__json=b"{}", vocab__txt=b"[UNK]\nthe\n##ing\r\n\nthe\n")
    assert found == Tokenizer("vocab.txt", "wordpiece", ("[UNK]", None, "ing", None, f"{BLANK}the"), frozenset({0}))
    assert notices == ["the tokenizer was not read: tokenizer.json: no model in it"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(bpe({"a": 0}))
    (tmp_path / "tokenizer.json").symlink_to("elsewhere")
    assert read(tmp_path) == (None, [])
