"""The Kit's view of a pair: eight signals, three scores and its words, by our own code.  Context, never evidence.

What it says is quoted, and the record always says what its verdict rests on: its metadata gate answers from two
configurations and a tokenizer before any weight is looked at.
"""

from __future__ import annotations

import json
import math
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from mpk_tui import __version__
from mpk_tui.kit import scores
from mpk_tui.kit.configuration import facts
from mpk_tui.kit.features import extract
from mpk_tui.kit.metadata import family_of
from mpk_tui.kit.record import Features
from mpk_tui.progress import CancelToken, Report, silent

SCHEMA = "mpk-tui/kit/1"
PACKAGE, VERSION = "cisco-ai-provenance-kit", "1.0.0"
TITLES = {
    "MFI": "configuration and tokenizer",
    "TFV": "tokenizer features",
    "VOA": "vocabulary overlap",
    "EAS": "embedding anchors",
    "NLF": "norm gains",
    "LEP": "layer energies",
    "END": "lengths of embedding rows",
    "WVC": "sampled weights",
}
"""The eight signals in the Kit's order, and what each is about in our words."""
CONTEXT = (
    "This is what another tool would say, computed by our own code. It is context and never evidence: no condition of "
    "the constitution is met or denied by it."
)
_WEIGHTS = ("eas", "nlf", "lep", "end", "wvc")


def compare(a: Path, b: Path, report: Report = silent, cancel: CancelToken | None = None) -> dict[str, Any]:
    """What the Kit 1.0.0 would say of two checkpoint folders (`compare_features` has the record).

    Raises:
        UnsupportedError: The Kit has no answer for one of them; the message says which and why.
        MalformedError: A file that cannot be read.
    """
    first = extract(a, report=report, cancel=cancel)
    return compare_features(first, extract(b, report=report, cancel=cancel))


def compare_features(a: Features, b: Features) -> dict[str, Any]:
    """The record of a pair, schema mpk-tui/kit/1: plain data.

    ``signals`` has a row a signal with ``value`` (None where the Kit has none) and what independent models scored
    (None where not measured); ``gate`` whether metadata alone decided; ``verdict.quote`` the Kit's words;
    ``sentence`` what they rest on.
    """
    mfi = scores.mfi(a.metadata, b.metadata)
    values = {name: _signal(name, a, b) for name in _WEIGHTS}
    values |= {"tfv": scores.tfv(a.tokenizer, b.tokenizer), "voa": scores.voa(a.vocabulary, b.vocabulary)}
    identity = scores.identity_score(**{name: values[name] for name in _WEIGHTS})
    decision = scores.decide(mfi, identity)
    table = facts()
    return {
        "schema": SCHEMA,
        "tool": {"name": "mpk-tui", "version": __version__},
        "kit": {
            "name": PACKAGE,
            "version": VERSION,
            "transformers": table["transformers"],
            "tokenizers": table["tokenizers"],
        },
        "a": _side(a),
        "b": _side(b),
        "signals": [_row(name, mfi.score if name == "MFI" else values[name.lower()]) for name in TITLES],
        "scores": {
            "identity": _plain(identity),
            "tokenizer": scores.tokenizer_score(values["tfv"], values["voa"]),
            "pipeline": decision.score,
        },
        "gate": {"tier": mfi.tier, "match": mfi.match_type, "decided": decision.basis == "metadata gate"},
        "verdict": {"quote": decision.verdict, "basis": decision.basis},
        "sentence": sentence(mfi, identity, decision),
        "context": CONTEXT,
        "notices": [f"{side.label}: {n}" for side in (a, b) for n in side.notices],
    }


def _signal(name: str, a: Features, b: Features) -> float:
    found: float = getattr(scores, name)(a.weights, b.weights)
    return found


def sentence(mfi: scores.Mfi, identity: float, decision: scores.Decision) -> str:
    """What the Kit's verdict rests on, in our words."""
    if decision.basis == "metadata gate":
        same = (
            "the model type, the dimensions and the sizes in the two configurations are equal"
            if mfi.tier == 1
            else "the model type, the kind of attention, the tokenizer, the width and the depth are equal"
        )
        apart = (
            "It made no weight signal of them"
            if math.isnan(identity)
            else f'Its weights alone score {identity:.4f}, for which its word is "{scores.verdict(identity)}"'
        )
        return (
            f'Its metadata gate decided without weights: {same}, and for that alone the Kit says "{decision.verdict}". '
            f"{apart}."
        )
    if decision.basis == "weights":
        return f"The Kit decided by its weighted mean of the five weight signals, {identity:.4f}."
    return f"The Kit made no weight signal of this pair and decided by metadata alone, {mfi.score:.4f}."


def _side(f: Features) -> dict[str, Any]:
    return {
        "label": f.label,
        "model_type": f.metadata.model_type,
        "family": family_of(f.metadata.model_type),
        "tokenizer_class": f.tokenizer.tokenizer_class,
        "loading": f.loading,
        "arch_hash": f.metadata.arch_hash,
        "family_hash": f.metadata.family_hash,
    }


def _row(name: str, value: float) -> dict[str, Any]:
    known = ranges()["signals"].get(name)
    return {
        "name": name,
        "what": TITLES[name],
        "value": _plain(value),
        "independent_low": known["low"] if known else None,
        "independent_high": known["high"] if known else None,
        "independent_pairs": known["pairs"] if known else 0,
    }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


@cache
def ranges() -> dict[str, Any]:
    """What independently trained models score, as ``tests/kit/parity.py`` measured it with the Kit itself."""
    text = resources.files("mpk_tui.kit").joinpath("ranges.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
