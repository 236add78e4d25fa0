"""Makes tests/vectors/tokenizers: small vocabularies saved by the libraries themselves, and what these encode.

Run by hand; the tests read the result:

    pip install sentencepiece==0.2.3 tokenizers==0.23.3
    python tests/vectors/make_tokenizers.py
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import sentencepiece
import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = Path(__file__).parent / "tokenizers"
SIZE = 400
TEXTS = ("the ship sails", "the", "then  two   blanks", "naïve café", "日本", "rows: 12, 34!")
WORDS = [
    "the",
    "ship",
    "sails",
    "over",
    "the",
    "sea",
    "and",
    "the",
    "old",
    "captain",
    "reads",
    "the",
    "chart",
    "while",
    "rain",
    "falls",
    "on",
    "the",
    "deck",
    "of",
    "the",
    "vessel",
    "harbour",
    "lights",
    "shine",
    "far",
    "away",
    "two",
    "blanks",
    "here",
    "naïve",
    "café",
    "façade",
    "rows",
    "columns",
    "weights",
    "tensors",
    "model",
    "trained",
    "sailing",
    "reading",
    "shining",
    "falling",
    "ships",
    "charts",
    "captains",
    "towers",
    "older",
    "newer",
    "and",
    "then",
    "again",
    "12",
    "34",
    "56",
    "78",
    "日本",
    "語",
]


def corpus() -> list[str]:
    """Lines in which every word meets others; the same on every run."""
    lines = []
    for n in range(400):
        lines.append(" ".join(WORDS[(n * 7 + k * (n % 11 + 1)) % len(WORDS)] for k in range(9)) + ": 1, 2!")
    return [*lines, "then  two   blanks"]


def folder(name: str) -> Path:
    """An empty folder for one vocabulary."""
    path = HERE / name
    path.mkdir(parents=True)
    return path


def encoded(tokenizer: Tokenizer) -> dict[str, Any]:
    """What a vocabulary makes of the texts."""
    return {
        "size": tokenizer.get_vocab_size(),
        "texts": {t: tokenizer.encode(t, add_special_tokens=False).ids for t in TEXTS},
    }


def pieces(name: str, file: str, kind: str, **options: Any) -> dict[str, Any]:
    """A SentencePiece model; identity normalization keeps the file small."""
    path = folder(name)
    lines = path / "corpus.txt"
    lines.write_text("\n".join(corpus()), encoding="utf-8")
    # The trainer writes its paths into the model, so they are relative ones.
    with contextlib.chdir(path):
        sentencepiece.SentencePieceTrainer.train(
            input="corpus.txt", model_prefix="m", model_type=kind, normalization_rule_name="identity",
            remove_extra_whitespaces=False, num_threads=1, minloglevel=2, **options,
        )  # fmt: skip
    lines.unlink()
    (path / "m.vocab").unlink()
    (path / "m.model").rename(path / file)
    model = sentencepiece.SentencePieceProcessor(model_file=str(path / file))
    return {
        "size": model.get_piece_size(),
        "special": [i for i in range(model.get_piece_size()) if model.is_control(i) or model.is_unknown(i)],
        "bytes": [i for i in range(model.get_piece_size()) if model.is_byte(i)],
        "texts": {t: model.encode(t) for t in TEXTS},
    }


def byte_level() -> dict[str, Any]:
    """GPT-2's kind, saved three times: tokenizer.json, vocab.json with merges.txt, and ranked bytes."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(
            vocab_size=SIZE, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    made.save(str(folder("byte-level") / "tokenizer.json"), pretty=False)
    path = folder("vocab-merges")
    made.model.save(str(path))
    (path / "special_tokens_map.json").write_text('{"eos_token": "<|end|>"}\n')
    ranks = sorted((i, t) for t, i in made.get_vocab(with_added_tokens=False).items() if t != "<|end|>")
    table = {made_char: b for b, made_char in enumerate(_alphabet())}
    lines = [f"{base64.b64encode(bytes(table[c] for c in t)).decode()} {i}" for i, t in ranks]
    (folder("tiktoken") / "tokenizer.model").write_text("\n".join(lines) + "\n")
    return encoded(made)


def _alphabet() -> list[str]:
    """The library's stand-in of each byte, found by asking it about characters that hold the byte."""
    step = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    found: dict[int, str] = {}
    for code in [*range(0x80), *range(0x80, 0x800), *range(0x800, 0xD800, 0x40), *range(0x10000, 0x110000, 0x1000)]:
        raw, shown = chr(code).encode("utf-8"), step.pre_tokenize_str(chr(code))[0][0]
        found.update(zip(raw, shown, strict=True))
    rest = set(pre_tokenizers.ByteLevel.alphabet()) - set(found.values())
    # Bytes that occur in no UTF-8 text: the library moves them behind the others, in order.
    missing = [b for b in range(256) if b not in found]
    found.update(zip(missing, sorted(rest), strict=True))
    return [found[b] for b in range(256)]


def word_piece() -> dict[str, Any]:
    """BERT's kind, saved as tokenizer.json and as vocab.txt."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(
        corpus(), trainers.WordPieceTrainer(vocab_size=300, special_tokens=names, show_progress=False)
    )
    made.save(str(folder("word-piece") / "tokenizer.json"), pretty=False)
    made.model.save(str(folder("vocab-txt")))
    return encoded(made)


def fallback() -> dict[str, Any]:
    """Llama 2's kind in tokenizer.json: SentencePiece BPE with bytes for what has no piece."""
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")  # for the training only
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    names = ["<unk>", "<s>", "</s>", *[f"<0x{b:02X}>" for b in range(256)]]
    plain = [line.encode("ascii", "ignore").decode() for line in corpus()]
    made.train_from_iterator(
        plain, trainers.BpeTrainer(vocab_size=SIZE, special_tokens=names, max_token_length=8, show_progress=False)
    )
    saved = json.loads(made.to_str())
    saved["added_tokens"] = saved["added_tokens"][:3]
    saved["pre_tokenizer"] = None
    made = Tokenizer.from_str(json.dumps(saved))
    made.save(str(folder("fallback") / "tokenizer.json"), pretty=False)
    return encoded(made)


def unigram() -> dict[str, Any]:
    """T5's kind in tokenizer.json."""
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.train_from_iterator(
        corpus(),
        trainers.UnigramTrainer(
            vocab_size=200, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False
        ),
    )
    made.save(str(folder("unigram") / "tokenizer.json"), pretty=False)
    return encoded(made)


def word_level() -> dict[str, Any]:
    """Whole words."""
    made = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(corpus(), trainers.WordLevelTrainer(special_tokens=["[UNK]"], show_progress=False))
    made.save(str(folder("word-level") / "tokenizer.json"), pretty=False)
    return encoded(made)


def main() -> None:
    """Make every vocabulary anew."""
    shutil.rmtree(HERE, ignore_errors=True)
    expected: dict[str, Any] = {"versions": [sentencepiece.__version__, tokenizers.__version__]}
    expected["pieces-bpe"] = pieces("pieces-bpe", "tokenizer.model", "bpe", vocab_size=SIZE, byte_fallback=True)
    expected["pieces-unigram"] = pieces("pieces-unigram", "spiece.model", "unigram", vocab_size=90)
    expected["byte-level"] = expected["vocab-merges"] = expected["tiktoken"] = byte_level()
    expected["word-piece"] = expected["vocab-txt"] = word_piece()
    expected["fallback"], expected["unigram"], expected["word-level"] = fallback(), unigram(), word_level()
    (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
