"""What is said of one model in fourteen forms, and of another model in the same forms.

    python tests/benchmarks/formats.py FOLDER [docs/formats-benchmark.md]

FOLDER is what ``make_formats.py`` wrote.  Run by hand; needs nothing but this project.  Every pair of forms of one model
has to be *identical*, *reformatted*, or linked with quantization and compression (3.7) as the first mechanism and the
bits of the coarser side; every pair of forms of the two models has to be without correspondence.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

from mpk_tui.lineage.compare import compare_sides
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.progress import CancelToken, silent


@dataclass(frozen=True)
class Form:
    """One form: its name in the table, where it lies, and the bits of its coarsest matrices (0 for a plain one)."""

    name: str
    place: str
    bits: int


FORMS = (
    Form("F32", "f32", 0), Form("BF16 shards", "bf16-shards", 0), Form(".bin", "bin", 0),
    Form("GGUF F16", "gguf/f16.gguf", 0), Form("ONNX", "onnx", 0), Form("GGUF Q8_0", "gguf/q8_0.gguf", 8),
    Form("INT8", "int8", 8), Form("FP8", "fp8", 8), Form("ONNX int8", "onnx-int8", 8),
    Form("GGUF Q4_K_M", "gguf/q4_k_m.gguf", 4), Form("GPTQ", "gptq", 4), Form("AWQ", "awq", 4), Form("NF4", "nf4", 4),
    Form("MXFP4", "mxfp4", 4),
)  # fmt: skip
RELATED = ("near-identical", "shared-trained-ancestor", "component-shared")


@dataclass(frozen=True)
class Said:
    """What was said of a pair."""

    a: Form
    b: Form
    finding: str
    mechanism: str
    bits: tuple[int, ...]
    seconds: float
    sentence: str

    @property
    def right(self) -> bool:
        """Whether that is what the pair is."""
        if self.finding in ("identical", "reformatted"):
            return True
        known = {f.bits for f in (self.a, self.b)} - {0}
        named = set(self.bits)
        return (
            self.finding in RELATED
            and self.mechanism == "3.7"
            and named <= known
            and min(named, default=0) == min(known)
        )


def bits_of(mechanism: dict[str, Any]) -> tuple[int, ...]:
    """Bit widths that a proposed mechanism names."""
    numbers = mechanism.get("numbers", {})
    named = {numbers.get(k, 16) for k in ("bits", "stored_bits_a", "stored_bits_b")}
    return tuple(sorted(b for b in named if b < 16))


def said(a: Form, b: Form, first: Side, second: Side) -> Said:
    began = time.perf_counter()
    record = compare_sides(first, second, silent, CancelToken())
    took = time.perf_counter() - began
    ranked = record["mechanisms"]
    return Said(
        a, b, record["finding"], ranked[0]["number"] if ranked else "", bits_of(ranked[0]) if ranked else (), took,
        record["sentence"],
    )  # fmt: skip


def run(folder: Path) -> tuple[list[Said], list[Said]]:
    """All pairs of forms of the model, and of the model with the other."""
    own, other = [], []
    for a, b in combinations(FORMS, 2):
        with (
            open_side(folder / "model" / a.place, silent, CancelToken()) as first,
            open_side(folder / "model" / b.place, silent, CancelToken()) as second,
        ):
            own.append(said(a, b, first, second))
            print(a.name, "|", b.name, "|", own[-1].finding, own[-1].mechanism, own[-1].bits, own[-1].right, flush=True)
    for a in FORMS:
        for b in FORMS:
            with (
                open_side(folder / "model" / a.place, silent, CancelToken()) as first,
                open_side(folder / "other" / b.place, silent, CancelToken()) as second,
            ):
                other.append(said(a, b, first, second))
    return own, other


def document(own: list[Said], other: list[Said]) -> str:
    """The page."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    findings = Counter(s.finding for s in other)
    times = sorted(s.seconds for s in own)
    by = {(s.a.name, s.b.name): s for s in own}
    lines = [
        "# One model in fourteen forms", "",
        f"Generated {datetime.now(UTC):%Y-%m-%d}, commit {commit.strip()}, {platform.machine()}, Python "
        f"{platform.python_version()}, by `tests/benchmarks/formats.py`; the forms are made by `tests/benchmarks/make_formats.py`",
        "with the formats' own tools: torch 2.13, safetensors, gguf and llama.cpp (llama-cpp-python 0.3.36), gptqmodel 7.7.0 and autoawq",
        "0.2.9 (packed with their own layouts, rounded to nearest, without calibration data), bitsandbytes 0.50.2, compressed-tensors",
        "0.20.0, onnx 1.23, onnxruntime 1.32. The model is a Llama of 4 layers and width 256, trained for 350 steps.", "",
        f"- Pairs of forms of one model told rightly: **{sum(s.right for s in own)} of {len(own)}** (right: identical, reformatted, or linked "
        "with mechanism 3.7 first, the bits of the coarser side, and no bits that neither side has).",
        f"- Pairs with another model, trained apart, in every form against every form: {len(other)}; said: "
        f"{', '.join(f'{k} {n}' for k, n in findings.most_common())}.",
        f"- A comparison takes {times[len(times) // 2]:.2f} s (median; opening and hashing apart).", "",
        "Cells: **=** identical or reformatted; a number: quantized, with these bits in the first mechanism; ✗ otherwise.", "",
        "| | " + " | ".join(f.name for f in FORMS[1:]) + " |", "|---" * len(FORMS) + "|",
    ]  # fmt: skip
    for i, a in enumerate(FORMS[:-1]):
        cells = [cell(by[a.name, b.name]) if j > i else "" for j, b in enumerate(FORMS) if j]
        lines.append(f"| {a.name} | " + " | ".join(cells) + " |")
    wrong = [s for s in own if not s.right]
    if wrong:
        lines += ["", "Not told rightly:", ""]
        lines += [
            f"- {s.a.name} and {s.b.name}: {s.finding}, {s.mechanism or 'no mechanism'}; {s.sentence}" for s in wrong
        ]
    return "\n".join(lines) + "\n"


def cell(pair: Said) -> str:
    """One cell of the matrix."""
    if pair.finding in ("identical", "reformatted"):
        return "="
    return ", ".join(map(str, pair.bits)) if pair.right else "✗"


if __name__ == "__main__":
    page = document(*run(Path(sys.argv[1])))
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(page, encoding="utf-8")
    print(page)
