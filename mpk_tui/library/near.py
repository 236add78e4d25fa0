"""Near misses: entries that resemble the model in something, and why that makes no relative."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from mpk_tui.library.entry import Entry
from mpk_tui.library.judging import Judged
from mpk_tui.library.ranking import entry_record, would_resolve
from mpk_tui.library.search import WORTH, Seen
from mpk_tui.lineage import findings, record
from mpk_tui.lineage.sides import Side

MOST = 10
"""Near misses that are told."""
_FIRST = math.log(1e-3)
"""p from which a pair that was named beforehand would have been worth a word."""
_TEXT = {"by threshold": 0, "not laid beside": 1, "by design": 2, "embeddings": 3, "vocabulary": 4, "configuration": 5}
_OPEN = frozenset({"by threshold", "not laid beside", "by design"})
"""What weights could say more about; the rest is context, of which nothing is open."""
_FORMS = {
    "residual.embeddings": "The token embeddings", "ffn.aligned": "Feed-forward units",
    "ffn.anchored": "Feed-forward units", "ffn.order": "The order of units",
}  # fmt: skip
_SHAPE = ("layers", "width", "ffn_width", "heads", "kv_heads")


def near_misses(query: Side, judged: Iterable[Judged], comparisons: int) -> list[dict[str, Any]]:
    """At most `MOST` entries that were compared, are no relatives and yet have something in common with the model.

    Args:
        query: The model that is asked about.
        judged: All that were compared.
        comparisons: Number of models that were looked at.
    """
    out = []
    for j in judged:
        if j.related:
            continue
        said = _why(query, j, comparisons)
        if said is not None:
            what, sentence = said
            out.append((_TEXT[what], -(j.seen.score if j.seen else 0.0), j.entry.id, what, sentence, j))
    return [
        {
            "entry": entry_record(j.entry), "what": what, "sentence": sentence, "p": record.p_value(j.finding.log_p),
            "rho": record.rounded(j.rho), "would_resolve": would_resolve(query, j) if what in _OPEN else "",
        }
        for _, _, _, what, sentence, j in sorted(out, key=lambda x: x[:3])[:MOST]
    ]  # fmt: skip


def _why(query: Side, j: Judged, comparisons: int) -> tuple[str, str] | None:
    name, alone = j.entry.name, j.alone
    units = [t for t in j.measured.tests if t.form.startswith("ffn.")]
    ran = [t for t in j.measured.tests if t.ran]
    if ran and alone < _FIRST:
        best = min(ran, key=lambda t: t.log_p)
        paid = (
            f", and {findings.quote(j.finding.log_p)} since {comparisons} models were looked at"
            if comparisons > 1
            else ""
        )
        return "by threshold", (
            f"{_FORMS.get(best.form, best.form)} correlate ({best.rho:.2f}): {findings.quote(alone)} for this pair "
            f"alone{paid}. Nothing is said of {name} from 1e-6 on."
        )
    alike = _alike(query, j.side)
    if alike and not any(t.ran for t in units):
        widths = [s.fingerprint.config.get("ffn_width") for s in (query, j.side)]
        if widths[0] != widths[1]:
            return "not laid beside", (
                f"{alike} as in {name}, but feed-forward widths differ ({widths[0]} and {widths[1]}): fingerprints "
                "keep other units then, so only weights can be laid beside each other."
            )
        refused = next((t.reason for t in units if t.reason.startswith("refused")), "")
        if refused:
            return "by design", f"{alike} as in {name}. Units are not compared: {refused}."
    if j.seen is not None and j.seen.form == "residual.embeddings" and j.seen.score >= WORTH and j.seen.rho >= 0.1:
        return "embeddings", (
            f"The token embeddings resemble those of {name} ({j.seen.rho:.2f}) and nothing else does: tables are "
            "inherited alone, or drawn from one seed, so this is context."
        )
    if alike.startswith("The same vocabulary"):
        return "vocabulary", f"{alike} as {name}: context, for many models that are not related share one."
    if alike:
        return "configuration", f"{alike} as {name}: context, for a shape says how large a model is, not whose it is."
    return None


def _alike(a: Side, b: Side) -> str:
    """What two models have in common besides weights, in words, or an empty string."""
    x, y = a.fingerprint, b.fingerprint
    shape = all(x.config.get(k) == y.config.get(k) and x.config.get(k) is not None for k in _SHAPE)
    words = x.tokenizer.get("sha256")
    same_words = isinstance(words, bytes) and words == y.tokenizer.get("sha256")
    if same_words and shape:
        return "The same vocabulary and the same shape"
    if same_words:
        return "The same vocabulary"
    return "The same shape" if shape and x.family == y.family else ""


def best_of(left_out: Mapping[int, Seen]) -> list[int]:
    """Numbers of the `MOST` nearest of the entries that were not compared, nearest first."""
    return [s.entry for s in sorted(left_out.values(), key=lambda s: (-s.rho, s.entry))[:MOST]]


def unlooked(left_out: Mapping[int, Seen], entries: Mapping[int, Entry]) -> list[dict[str, Any]]:
    """Entries that the screen found worth a comparison and that were not compared, nearest first."""
    return [
        {"entry": entry_record(entries[i]), "score": record.rounded(left_out[i].score, 4),
         "rho": record.rounded(left_out[i].rho, 3)}
        for i in best_of(left_out) if i in entries
    ]  # fmt: skip
