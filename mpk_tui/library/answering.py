"""A scan in words: the answer in one sentence, and what it does not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mpk_tui.library.entry import spelled
from mpk_tui.library.judging import CLAIMS
from mpk_tui.lineage import findings

FILL = (
    "mpk-tui library add MODEL adds a reference, mpk-tui library import PACK takes a signed pack in, mpk-tui library "
    "build LIST.toml makes one on a connected machine"
)
"""How a library is filled."""


def answer(r: Mapping[str, Any], revoked: Sequence[str] = ()) -> str:
    """What was found, in one sentence, and in another that it is a revoked entry, if it is one.

    Args:
        r: A scan record, all but its sentences.
        revoked: Names of revoked entries that the model is byte for byte; why they were, the notices say.
    """
    said = _found(r)
    if not revoked:
        return said
    more = f" and of {len(revoked) - 1} more" if len(revoked) > 1 else ""
    return f"{said} Its tensors or files are those of the revoked entry {spelled(revoked[0])}{more}."


def _found(r: Mapping[str, Any]) -> str:
    n = r["library"]["entries"]
    if not n and r["library"]["revoked"]:
        return f"All entries of the library are revoked, so nothing was compared. {FILL}."
    if not n:
        return f"The library holds no entry, so nothing was looked up. {FILL}."
    label, looked = _subject(r["query"]), f"{_many(n, 'entry', 'entries')} looked at"
    rows = r["relatives"]
    claimed = [row for row in rows if row["finding"] in CLAIMS]
    if claimed:
        finding, name, more = claimed[0]["finding"], claimed[0]["entry"]["name"], len(claimed) - 1
        others = f" and {_many(more, 'more entry', 'more entries')}" if more else ""
        also = f"; {_many(more, 'more entry is', 'more entries are')} related" if more else ""
        said = {
            findings.IDENTICAL: f"{label} holds the very tensors of {name} ({looked}{also})",
            findings.REFORMATTED: f"{label} holds the tensors of {name} in another form ({looked}{also})",
            findings.NEAR_IDENTICAL: f"{label} holds nearly all tensors of {name} ({looked}{also})",
            findings.TRAINED_ANCESTOR: f"{label} shares a trained ancestor with {name}{others} ({looked})",
            findings.COMPONENT: f"A part of {label} has a trained ancestor in common with {name}{others} ({looked})",
        }
        return f"{said[finding]}."
    if rows:
        name, resolve = rows[0]["entry"]["name"], rows[0]["would_resolve"]
        if rows[0]["finding"] == findings.SHARED_INIT:
            return f"{label} and {name} began from one initialisation; no trained ancestor was found ({looked})."
        # What is known of other rows must not hide behind the first: an initialisation may be all that is shared.
        twins = sum(row["finding"] == findings.SHARED_INIT for row in rows)
        others = _many(twins, "other entry", "other entries")
        began = f" With {others} it shares an initialisation, and no trained ancestor was found there."
        return (
            f"{label} shares an origin with {name}, a trained model or an initialisation, and which is not resolved "
            f"({looked}){f'; what would resolve it: {resolve}' if resolve else ''}.{began if twins else ''}"
        )
    return f"No relative of {label} was found ({looked})."


def _subject(query: Mapping[str, Any]) -> str:
    """What was looked up: of an adapter on a base, what stands in the base is no news of the adapter."""
    if "base" not in query:
        return str(query["label"])
    named = f" ({query['base']})" if query["base"] else ""
    return f"{query['label']} on the base that was given{named}"


def limits(r: Mapping[str, Any]) -> list[str]:
    """What a scan does not say."""
    n, screened = r["library"]["entries"], r["screened"]
    out: list[str] = []
    if not n:
        return out
    if screened["left_out"]:
        out.append(
            f"{_many(screened['left_out'], 'more entry', 'more entries')} looked like a relative on the screen and "
            "had no place among those compared in full: more of them with --most."
        )
    if not screened["whole"]:
        out.append(
            f"{n} entries were looked at by digests, {screened['entries']} of them by a sketch of their units, too; "
            f"{r['compared']} were compared in full. A correlation under 0.2 may pass the sketch unseen."
        )
    if screened["blind"]:
        out.append(
            f"{_many(screened['blind'], 'entry has', 'entries have')} no units or embeddings that could be laid "
            "beside those of the model (another width, another form): there a comparison of fingerprints finds equal "
            "bytes and nothing else, also where it was run in full."
        )
    if "base" in r["query"]:
        named = f", {r['query']['base']}" if r["query"]["base"] else ""
        out.append(
            f"The adapter was looked up together with a base that the examiner chose{named}: what equals the base or "
            "shares an ancestor with it follows from that choice, and says nothing of what the adapter was trained on."
        )
    if r["query"]["family"] == "adapter":
        out.append(
            "An adapter alone is no model: give the model that it goes on (--base), and the two are looked up together."
        )
    if not r["relatives"]:
        out.append(
            "No relative in this library is not the same as none: a model of which the library holds no relative looks "
            "like this, and so does one of which everything was re-ordered."
        )
    kind = "fingerprint" if r["query"]["kind"] == "fingerprint" else "checkpoint"
    if not any(row["weights"] for row in r["relatives"]):
        out.append(
            f"The {kind} was compared with fingerprints of the entries: attention, values and copies whose residual "
            "stream was turned need the weights of both (mpk-tui compare)."
        )
    if not all(row["weights"] for row in r["relatives"]):
        out.append(
            "The fingerprint of an entry is a statement of whoever added it, names and facts too: that it is the "
            "fingerprint of that model only the model's weights show."
        )
    out.append("Weights show no direction: which of two related models came first is not decided here.")
    return out


def whence(entry: Mapping[str, Any]) -> str:
    """Who stands for an entry: what it says of a model is their statement.

    Args:
        entry: As a scan record holds it; the texts are a stranger's.
    """
    who, origin = entry["added_by"], entry["origin"]
    if not origin["pack"]:
        return f"added here by {who}"
    keys = ", ".join(key[:16] for key in origin["issuers"])
    return (
        f"came with the pack {origin['pack_name']}, version {origin['pack_version']}, signed by {keys or 'no key'}; "
        f"taken in by {who}"
    )


def path(folder: Path) -> str:
    """A path as a record can hold it."""
    return str(folder).encode("utf-8", "backslashreplace").decode("utf-8")


def _many(n: int, one: str, more: str) -> str:
    return f"{n:,} {one if n == 1 else more}"
