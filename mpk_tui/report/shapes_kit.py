"""The shape of ``mpk-tui kit --json``."""

from __future__ import annotations

from mpk_tui.report.shapes import BOOL, COUNT, HEX, NUM, STR, choice, listing, maybe, record

_SIDE = record(
    {
        "label": STR, "model_type": STR, "family": STR, "tokenizer_class": STR,
        "loading": choice("whole", "streamed", "rows", "automodel", ""), "arch_hash": HEX, "family_hash": HEX,
    }
)  # fmt: skip
_SIGNAL = record(
    {
        "name": choice("MFI", "TFV", "VOA", "EAS", "NLF", "LEP", "END", "WVC"), "what": STR, "value": maybe(NUM),
        "independent_low": maybe(NUM), "independent_high": maybe(NUM), "independent_pairs": COUNT,
    }
)  # fmt: skip
KIT = record(
    {
        "schema": {"const": "mpk-tui/kit/1"},
        "tool": record({"name": STR, "version": STR}),
        "kit": record({"name": STR, "version": STR, "transformers": STR, "tokenizers": STR}),
        "a": _SIDE,
        "b": _SIDE,
        "signals": listing(_SIGNAL),
        "scores": record({"identity": maybe(NUM), "tokenizer": NUM, "pipeline": NUM}),
        "gate": record({"tier": {"enum": [1, 2, 3]}, "match": STR, "decided": BOOL}),
        "verdict": record({"quote": STR, "basis": choice("metadata gate", "weights", "metadata only")}),
        "sentence": STR,
        "context": STR,
        "notices": listing(STR),
    }
)
