"""SentencePiece models, read without the library: a walk over the few protobuf fields that hold the pieces.

Fields (sentencepiece_model.proto of the SentencePiece project): ModelProto.pieces = 1 (piece = 1, score = 2,
type = 3), ModelProto.trainer_spec = 2 (model_type = 3).  Encoding: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mpk_tui.checkpoint.model import Tokenizer
from mpk_tui.checkpoint.tokenizers import normal
from mpk_tui.checkpoint.tokenizers.vocabulary import MAX_TOKENS, Added, check_length, from_list
from mpk_tui.errors import LimitError, MalformedError

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_UNKNOWN, _CONTROL = 2, 3
_TYPES = range(1, 7)
_KINDS = {1: "unigram", 2: "bpe"}
_MAX_FIELDS = 64
"""Fields of a message other than the model itself; the longest in use has about fifty."""


@dataclass(frozen=True)
class Layout:
    """How a model numbers the pieces of its SentencePiece file.

    Attributes:
        head: Tokens with the first ids.
        skip: Pieces at the front of the file that have no ids.
        shift: What is added to a piece's number.
    """

    head: tuple[str, ...] = ()
    skip: int = 0
    shift: int = 0


PLAIN = Layout()
"""A piece's number is its id."""
FAIRSEQ = Layout(("<s>", "<pad>", "</s>", "<unk>"), 3, 1)
"""XLM-RoBERTa, mBART, NLLB, BARThez (transformers, tokenization_xlm_roberta.py: fairseq_offset)."""
CAMEMBERT = Layout(("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"), 1, 4)
"""transformers, tokenization_camembert.py: fairseq_offset 4."""
PEGASUS = Layout(("<pad>", "</s>"), 2, 103)
"""transformers, tokenization_pegasus.py: offset 103."""


def read_pieces(data: bytes, name: str, layout: Layout = PLAIN, added: Added | None = None) -> Tokenizer:
    """The vocabulary of a SentencePiece model.

    Args:
        data: The whole file.
        name: File name.
        layout: How the model numbers the pieces.
        added: Tokens beside them.

    Raises:
        MalformedError: No SentencePiece model, a value that reaches beyond its message, an empty or repeated piece.
        LimitError: More or longer pieces than are accepted.
    """
    pieces: list[str] = []
    special: set[int] = set()
    seen: set[str] = set()
    kind, others = "unigram", 0
    for number, wire, _, start, stop in _fields(data, 0, len(data), name):
        if number == 1:
            _expect(wire, _LENGTH, "pieces", name, start)
            if len(pieces) >= MAX_TOKENS:
                raise LimitError(f"more than {MAX_TOKENS} pieces", where=f"{name}, byte {start}")
            piece, kind_of = _piece(data, start, stop, name)
            if piece in seen:
                raise MalformedError(f"the piece {piece[:80]!r} occurs twice", where=f"{name}, byte {start}")
            seen.add(piece)
            if kind_of in (_UNKNOWN, _CONTROL):
                special.add(len(pieces))
            pieces.append(piece)
            continue
        others += 1
        if others > _MAX_FIELDS:
            raise LimitError(f"more than {_MAX_FIELDS} fields that are no pieces", where=f"{name}, byte {start}")
        if number == 2:
            _expect(wire, _LENGTH, "trainer_spec", name, start)
            kind = _KINDS.get(_model_type(data, start, stop, name), "unknown")
    if not pieces:
        raise MalformedError("no pieces in it; no SentencePiece model", where=name)
    tokens: list[str | None] = [p if i in special else normal.plain(p) for i, p in enumerate(pieces)]
    if layout != PLAIN:
        first = layout.skip + layout.shift
        tokens = [*layout.head, *[None] * (first - len(layout.head)), *tokens[layout.skip :]]
        special = {*range(len(layout.head)), *(i + layout.shift for i in special if i >= layout.skip)}
    return from_list(name, kind, tokens, frozenset(special), added)


def _piece(data: bytes, start: int, stop: int, name: str) -> tuple[str, int]:
    """Text and type of one piece."""
    raw, kind = b"", 1
    for count, (number, wire, value, at, end) in enumerate(_fields(data, start, stop, name), 1):
        if count > _MAX_FIELDS:
            raise LimitError(f"more than {_MAX_FIELDS} fields in a piece", where=f"{name}, byte {at}")
        if number == 1:
            _expect(wire, _LENGTH, "piece", name, at)
            raw = data[at:end]
        elif number == 2:
            _expect(wire, _FIXED32, "score", name, at)
        elif number == 3:
            _expect(wire, _VARINT, "type", name, at)
            if value not in _TYPES:
                raise MalformedError(f"a piece of type {value}; known are 1 to 6", where=f"{name}, byte {at}")
            kind = value
    if not raw:
        raise MalformedError("a piece without text", where=f"{name}, byte {start}")
    check_length(raw, f"{name}, byte {start}")
    try:
        return raw.decode("utf-8"), kind
    except UnicodeDecodeError:
        # The library accepts such pieces; they are spelled as the bytes that they are.
        return normal.from_bytes(raw), kind


def _model_type(data: bytes, start: int, stop: int, name: str) -> int:
    """How the pieces were found; 1 (unigram) is what an absent field means."""
    found = 1
    for count, (number, wire, value, at, _) in enumerate(_fields(data, start, stop, name), 1):
        # Symbols and inputs may be listed one a field, so this message is allowed more than the others.
        if count > 1 << 16:
            raise LimitError("more than 65536 fields in trainer_spec", where=f"{name}, byte {at}")
        if number == 3:
            _expect(wire, _VARINT, "model_type", name, at)
            found = value
    return found


def _expect(wire: int, expected: int, field: str, name: str, at: int) -> None:
    if wire != expected:
        raise MalformedError(
            f"the field {field} has wire type {wire}, expected {expected}",
            where=f"{name}, byte {at}",
            hint="This is no SentencePiece model",
        )


def _fields(data: bytes, start: int, stop: int, name: str) -> Iterator[tuple[int, int, int, int, int]]:
    """Field number, wire type, number (of varints), and where the value lies, of a message."""
    at = start
    while at < stop:
        tag, after = _varint(data, at, stop, name)
        number, wire = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise MalformedError(f"field number {number}", where=f"{name}, byte {at}")
        value = 0
        if wire == _VARINT:
            value, end = _varint(data, after, stop, name)
        elif wire == _LENGTH:
            length, after = _varint(data, after, stop, name)
            end = after + length
        elif wire in (_FIXED64, _FIXED32):
            end = after + (8 if wire == _FIXED64 else 4)
        else:
            raise MalformedError(f"wire type {wire}", where=f"{name}, byte {at}")
        if end > stop:
            raise MalformedError(
                f"a value of {end - after} bytes where {stop - after} are left",
                where=f"{name}, byte {after}",
                hint="The file is cut short or was made to mislead",
            )
        yield number, wire, value, after, end
        at = end


def _varint(data: bytes, at: int, stop: int, name: str) -> tuple[int, int]:
    """A varint and the place behind it."""
    value = shift = 0
    for here in range(at, min(stop, at + 10)):
        byte = data[here]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                raise MalformedError("a number of more than 64 bits", where=f"{name}, byte {at}")
            return value, here + 1
        shift += 7
    if stop - at >= 10:
        raise MalformedError("a number of more than ten bytes", where=f"{name}, byte {at}")
    raise MalformedError("a number that does not end", where=f"{name}, byte {at}")
