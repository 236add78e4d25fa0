"""JSON Schema of the profile of a comparison record."""

from __future__ import annotations

from mpk_tui.report.shapes import BOOL, COUNT, INT, NUM, STR, choice, listing, maybe, record

_APART = record({"tensors": COUNT, "parameters": COUNT})
_UP_TO = {"type": "array", "items": NUM, "maxItems": 32}
PROFILE = record(
    {
        "v": INT,
        "cosine": record(
            {
                "missing": STR, "source": choice("", "weights", "fingerprints"),
                "rows": listing(
                    record({"layer": INT, "to": INT, "kind": choice("attention", "ffn", "norm", "embedding", "other"),
                            "tensors": COUNT, "equal": COUNT, "measured": COUNT, "cosine": maybe(NUM),
                            "least": maybe(NUM), "relative": maybe(NUM)})
                ),
            }
        ),
        "layers": record(
            {"missing": STR, "form": STR, "source": STR, "matched_from": NUM, "experts": BOOL, "joined": BOOL,
             "rows": listing(listing(COUNT)), "columns": listing(listing(COUNT)), "z": listing(listing(NUM))},
            optional=("form", "source", "matched_from", "experts", "joined", "rows", "columns", "z"),
        ),
        "change": record(
            {"missing": STR, "low": NUM, "step": NUM, "tensors": listing(COUNT), "parameters": listing(COUNT),
             "equal": _APART, "converted": _APART, "reshaped": _APART, "unread": _APART}
        ),
        "singular": record(
            {
                "missing": STR,
                "matrices": listing(
                    record({"role": STR, "a": INT, "b": INT, "rows": COUNT, "columns": COUNT, "full": COUNT,
                            "ranks": {"type": "array", "items": COUNT, "maxItems": 32}, "values": _UP_TO,
                            "edge": maybe(NUM), "above": COUNT})
                ),
            }
        ),
        "retention": record(
            {
                "missing": STR, "basis": STR,
                "matrices": listing(
                    record({"role": STR, "a": INT, "b": INT, "a_top": maybe(NUM), "a_rest": maybe(NUM),
                            "b_top": maybe(NUM), "b_rest": maybe(NUM)})
                ),
            },
            optional=("basis",),
        ),
        "embeddings": record(
            {
                "missing": STR, "rows_a": COUNT, "rows_b": COUNT, "sampled_a": COUNT, "sampled_b": COUNT,
                "quantiles": _UP_TO, "a": _UP_TO, "b": _UP_TO, "shared": COUNT, "shared_missing": STR,
                "bins": listing(record({"tokens": COUNT, "a": NUM, "b": NUM, "b_low": NUM, "b_high": NUM})),
            },
            optional=("rows_a", "rows_b", "sampled_a", "sampled_b", "quantiles", "a", "b", "shared", "shared_missing",
                      "bins"),
        ),
    }
)  # fmt: skip
"""``profile`` of a comparison record: what `mpk_tui.report.figures` draws."""
