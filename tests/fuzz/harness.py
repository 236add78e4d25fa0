"""Coverage-guided fuzzing of the readers of untrusted bytes (run by hand, with atheris; see docs/fuzzing.md).

    python tests/fuzz/harness.py READER CORPUS [-max_total_time=3600 …]

A reader may refuse an input with one of this project's own errors; anything else that comes out is a finding.  The
inputs under ``corpus`` are replayed by ``test_fuzz_corpus.py`` without atheris.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from mpk_tui.checkpoint import containers, ctranslate2, gguf, npz, onnx, pickles, pytorch, safetensors, strictjson
from mpk_tui.checkpoint.hash_lists import parse as parse_hashes
from mpk_tui.checkpoint.reading import Source
from mpk_tui.checkpoint.tokenizers import huggingface, ranks, sentencepiece
from mpk_tui.errors import MpkError, UnstableFileError


class Memory(Source):
    """A source in memory: the same reads, no file."""

    def __init__(self, data: bytes) -> None:
        self.where, self.size, self._data = "fuzz", len(data), data

    def read_into(self, view: memoryview, at: int) -> None:
        piece = self._data[at : at + len(view)]
        if at < 0 or len(piece) != len(view):
            raise UnstableFileError("ends before the read does", where=self.where)
        view[:] = piece

    def check_unchanged(self) -> None:
        return None

    def close(self) -> None:
        return None


READERS: Mapping[str, Callable[[bytes], object]] = {
    "safetensors": lambda data: safetensors.read_header(Memory(data), "fuzz"),
    "safetensors-partial": lambda data: safetensors.read_header(Memory(data), "fuzz", partial=True),
    "gguf": lambda data: gguf.read_header(Memory(data), "fuzz"),
    "pytorch": lambda data: pytorch.read_header(Memory(data), "fuzz"),
    "pickle": lambda data: pickles.parse(data, 0, "fuzz"),
    "onnx": lambda data: onnx.read_header(Memory(data), "fuzz"),
    "npz": lambda data: npz.read_header(Memory(data), "fuzz"),
    "ctranslate2": lambda data: ctranslate2.read_header(Memory(data), "fuzz"),
    "tar": lambda data: containers.look(Memory(data), "fuzz.tar"),
    "tokenizer-json": lambda data: huggingface.read_json(data, "fuzz"),
    "sentencepiece": lambda data: sentencepiece.read_pieces(data, "fuzz"),
    "ranks": lambda data: ranks.read_ranks(data, "fuzz"),
    "hash-list": lambda data: parse_hashes(data, "fuzz"),
    "strictjson": lambda data: strictjson.parse(data, "fuzz"),
}


def one(reader: str, data: bytes) -> None:
    """Feed one input; only the project's own errors are swallowed."""
    try:
        READERS[reader](data)
    except MpkError:
        return


def main() -> None:
    """Fuzz one reader."""
    import atheris

    name = sys.argv.pop(1)
    atheris.instrument_all()

    def target(data: bytes) -> None:
        one(name, data)

    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
