"""What the Kit's ``scan`` would say of a checkpoint, as a record and as lines: leads, never findings.

A record (schema ``mpk-tui/kit-scan/1``) quotes the Kit's words as the Kit's, says what each rests on, and names what to
fetch to test it: weights or a fingerprint of the reference, which our own comparison can then decide on.
"""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

from mpk_tui import __version__
from mpk_tui.errors import UsageError
from mpk_tui.kit import kept
from mpk_tui.kit.features import extract
from mpk_tui.kit.lookup import MOST, THRESHOLD, Lead, Ranking, parameters, rank
from mpk_tui.kit.record import Features
from mpk_tui.kit.reference import Reference
from mpk_tui.kit.scores import verdict
from mpk_tui.progress import CancelToken, Report, silent
from mpk_tui.text import clean

SCHEMA = "mpk-tui/kit-scan/1"
LEADS_ONLY = (
    "Leads only: these are scores of another tool over its own reference features. They decide nothing here, count "
    "towards no finding and no verdict, and name no relative."
)
BY_METADATA = "The Kit's metadata decided without weights: two models trained apart on one configuration get this, too."
WITHOUT_WEIGHTS = "Metadata only: no weights were compared."
BY_WEIGHTS = "Weight signals were compared; metadata alone did not decide."
_WIDTH = 79
_WEIGHT_SIGNALS = ("eas", "nlf", "lep", "end", "wvc")
ROWS = "More than 20 GB of weights: as the Kit does, 32 rows of each tensor were read."
NO_VOCABULARIES = "The Kit's scan takes no vocabularies: VOA counts as 0 in its tokenizer score."


def kit_scan(
    path: Path,
    library: Path,
    *,
    most: int = MOST,
    threshold: float = THRESHOLD,
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Rank the imported database for a checkpoint.

    Args:
        path: A checkpoint folder; a fingerprint holds none of the Kit's features.
        library: The library into which the database was imported.
        most: Leads at most.
        threshold: The least pipeline score of a lead, 0 to 1.
        report: Progress.
        cancel: Polled.

    Returns:
        The record, schema ``mpk-tui/kit-scan/1``; plain, fit for JSON.

    Raises:
        UsageError: No database was imported, or the path is no folder.
        MpkError: The checkpoint or the database cannot be read.
    """
    if not path.is_dir():
        raise UsageError(
            "the Kit's scan needs a checkpoint folder with config.json and a tokenizer", where=str(path),
            hint="Name the folder; what the Kit measures is not in a fingerprint",
        )  # fmt: skip
    reference = kept.require(library)
    # The Kit reads the weights also where no asset has weight signals to hold them against; its ranking is the same.
    query = extract(path, deep=reference.deep > 0, report=report, cancel=cancel)
    ranking = rank(
        query, reference, lambda asset: kept.signals(library, asset), most=most, threshold=threshold, report=report,
        cancel=cancel,
    )  # fmt: skip
    return as_record(query, reference, ranking, most=most, threshold=threshold)


def as_record(
    query: Features, reference: Reference, ranking: Ranking, *, most: int = MOST, threshold: float = THRESHOLD
) -> dict[str, Any]:
    """The record of a ranking."""
    limits = [LEADS_ONLY, NO_VOCABULARIES]
    if query.loading == "rows":
        limits.append(ROWS)
    if not reference.deep:
        limits.append("The imported database holds no weight signals: every lead rests on metadata.")
    metadata = query.metadata
    weights = "not needed" if not reference.deep else "none" if query.weights is None else "read"
    return {
        "schema": SCHEMA,
        "tool": f"mpk-tui {__version__}",
        "database": kept.facts(reference),
        "query": {
            "label": query.label, "model_type": str(metadata.model_type),
            "architectures": [str(a) for a in metadata.architectures or ()],
            "estimated_parameters": parameters(metadata), "param_bucket": ranking.bucket,
            "arch_hash": metadata.arch_hash, "family_hash": metadata.family_hash,
            "weights": weights, "loading": query.loading,
        },
        "prefilter": {"allowed": list(ranking.allowed), "scored": ranking.scored, "of": len(reference.assets)},
        "threshold": float(threshold),
        "most": most,
        "above": ranking.above,
        "leads": [_lead(n, lead, reference) for n, lead in enumerate(ranking.leads, 1)],
        "limits": limits,
        "notices": [*query.notices, *reference.notices],
    }  # fmt: skip


def _lead(place: int, lead: Lead, reference: Reference) -> dict[str, Any]:
    family = reference.family(lead.asset)
    return {
        "rank": place,
        "asset_id": lead.asset.asset_id,
        "model_id": lead.asset.model_id,
        "family_id": family["family_id"],
        "family_name": family["display_name"],
        "publisher": family["publisher"],
        "source": lead.asset.facts["source_uri"],
        "param_bucket": lead.asset.param_bucket,
        "match_type": lead.match_type,
        "decision": lead.decision.verdict,
        "basis": lead.decision.basis,
        "scores": {
            "pipeline": _number(lead.decision.score), "identity": _number(lead.identity),
            "mfi": lead.metadata.score, "mfi_tier": lead.metadata.tier, "mfi_match": lead.metadata.match_type,
            "tokenizer": _number(lead.tokenizer), "tfv": _number(lead.tfv),
            **{name: _number(value) for name, value in lead.signals.items()},
        },
        "sentence": sentence(lead),
        "would_resolve": would_resolve(lead),
    }  # fmt: skip


def sentence(lead: Lead) -> str:
    """What the Kit's words rest on, and what its own weight signals would say where its gate left them out."""
    if lead.decision.basis == "metadata gate":
        if math.isnan(lead.identity):
            return BY_METADATA
        return f'{BY_METADATA} Its weight signals, which did not count, read "{verdict(lead.identity)}".'
    return BY_WEIGHTS if lead.decision.basis == "weights" else WITHOUT_WEIGHTS


def would_resolve(lead: Lead) -> str:
    """Which file would test this lead, and how."""
    source = str(lead.asset.facts["source_uri"])
    place = f" ({source})" if source else ""
    return (
        f"the weights of {lead.asset.model_id}{place}, or a fingerprint made from them: add it to the library and scan "
        "again, or compare the two"
    )


def lines(record: dict[str, Any]) -> list[str]:
    """The record for a terminal of 80 columns; every text of a stranger is escaped."""
    base, query, filtered = record["database"], record["query"], record["prefilter"]
    kit = f"Model Provenance Kit {base['version'] or '(version not stated)'}"
    out = [
        *textwrap.wrap(f"What the scan of Cisco's {clean(kit)} would say. {LEADS_ONLY}", _WIDTH),
        "",
        *_row("model", clean(query["label"])),
        *_row("", f"{clean(query['model_type'])}, class {query['param_bucket']}: about "
              f"{query['estimated_parameters']:,} parameters by its configuration"),
        *_row("database", f"{base['assets']} assets, {base['families']} families; weight signals of {base['deep']}"),
        *_row("prefilter", f"{filtered['scored']} of {filtered['of']}, classes {', '.join(filtered['allowed'])}"),
    ]  # fmt: skip
    if not record["leads"]:
        out += ["", *_row("no lead", f"none scores {record['threshold']:.2f} or more")]
    for lead in record["leads"]:
        got = lead["scores"]
        weighed = got["identity"] is not None
        named = clean(f"{lead['model_id']}, family {lead['family_name']}, class {lead['param_bucket']}")
        out += [
            "",
            *_row(f"lead {lead['rank']}", named),
            *_row("the Kit", f'"{lead["decision"]}", pipeline score {_shown(got["pipeline"])}'),
            *_row("", lead["sentence"]),
            *_row(
                "metadata", f"{_shown(got['mfi'])}  tier {got['mfi_tier']} ({got['mfi_match']}), {lead['match_type']}"
            ),
            *_row("weights", f"{_shown(got['identity'])}  {'identity score' if weighed else 'none to compare'}"),
            *(_row("", "  ".join(f"{n.upper()} {_shown(got[n])}" for n in _WEIGHT_SIGNALS)) if weighed else ()),
            *_row("tokenizer", f"{_shown(got['tokenizer'])}  TFV {_shown(got['tfv'])}  VOA not taken, counts as 0"),
            *_row("to test it", f"get {clean(lead['would_resolve'], 1000)}"),
        ]
    if record["above"] > len(record["leads"]):
        more = record["above"] - len(record["leads"])
        out += ["", *_row("more", f"{more} other assets score {record['threshold']:.2f} or more; --most N shows them")]
    return out


def _row(name: str, text: str) -> list[str]:
    """One named row, folded under its name; addresses are not broken."""
    return textwrap.wrap(
        text, _WIDTH, initial_indent=f"  {name:<11} ", subsequent_indent=" " * 14, break_long_words=False,
        break_on_hyphens=False,
    ) or [f"  {name:<11}".rstrip()]  # fmt: skip


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4f}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
