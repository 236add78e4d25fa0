"""Every input that fuzzing kept, replayed without atheris: only this project's own errors may come out, and soon."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from harness import READERS, one

CORPUS = Path(__file__).parent / "corpus"
INPUTS = sorted(p for p in CORPUS.glob("*/*") if p.is_file())


def test_there_are_inputs_for_every_reader() -> None:
    assert {p.parent.name for p in INPUTS} == set(READERS) - {"safetensors-partial"}


@pytest.mark.parametrize("path", INPUTS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_no_input_does_more_than_be_refused(path: Path) -> None:
    data = path.read_bytes()
    tracemalloc.start()
    try:
        one(path.parent.name, data)
        if path.parent.name == "safetensors":
            one("safetensors-partial", data)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
