"""The models of a bundle as a CycloneDX 1.6 machine-learning bill of materials.

Format: schema bom-1.6.schema.json of github.com/CycloneDX/specification.  What its words mean decides what may stand
where:

* ``pedigree.variants`` are for components that are related without it being known how; that is what *linked* says, for
  weights show no direction.  ``pedigree.ancestors`` are what a component is derived from: only where a condition holds
  that runs from one model to the other (C1, C2, C3, or C5 by a chain) and its direction is documented by evidence of
  kind (a).  The bundle says that a direction is documented and has no field for which; the reference then stands as the
  ancestor of the subject, and the notes say that the roles of the case put it there.
* Independent pairs, pairs out of scope, withheld verdicts and bundles that are neither VALID nor PARTIAL state no
  relation; the notes say why.
* ``evidence.identity.methods`` demands a number for confidence with every technique.  A hash comparison of complete
  tensor trees is exact and has 1; every other finding has no such number, so it stands in properties and notes.
* A folder has no SHA-256.  A model of one file carries that file's; otherwise its files are components of their own.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from mpk_tui.bundle import consistency
from mpk_tui.bundle.outcome import PairReport
from mpk_tui.bundle.wording import verdict_line
from mpk_tui.constitution.answers import CHAIN
from mpk_tui.constitution.verdict import LINKED, directed
from mpk_tui.hashtree import sha256
from mpk_tui.report.source import EXPORTER, Listed, Made, Source, files_of, timestamp

Record = dict[str, Any]
"""An object of the bill of materials."""
SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_TYPES = {"tokenizer": "data"}
_TOOL = "tool"
_RUNS = frozenset({"c1", "c2", "c3"})
"""Conditions that run from one model to the other; C4 is equality, C5 runs only where a chain is its basis."""
_NAMESPACE = uuid.UUID("579ed148-fcfd-4ba8-83c1-48415e942ef4")
"""Of our serial numbers (version 5 of RFC 9562); chosen once, at random."""


def write(source: Source) -> Made:
    """The bill of materials as one JSON object."""
    bundle = sha256(source.data)
    serial = uuid.uuid5(_NAMESPACE, f"{bundle.hex()} {source.now} {source.outcome.verdict} {source.name!r}")
    record: Record = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": _metadata(source),
        "components": [_component(source, a, bundle) for a in source.contents.artifacts],
    }
    part = [f"artifact:{a['id']}" for a in source.contents.artifacts if not _whole(source, a)]
    if part:
        record["compositions"] = [{"aggregate": "incomplete", "assemblies": part}]
    notes = ["the bill of materials is not signed; it names the bundle and its SHA-256", *source.withheld]
    if not source.reliable:
        notes.append(f"no ancestors and no variants are stated: the bundle is {source.outcome.verdict}")
    return Made(json.dumps(record, indent=2, allow_nan=False).encode("ascii") + b"\n", tuple(notes))


def _metadata(source: Source) -> Record:
    m, outcome = source.manifest, source.outcome
    name, version = EXPORTER
    norm = source.contents.sections["norm"]
    tool: Record = {"type": "application", "bom-ref": _TOOL, "name": name, "version": version}
    properties = [
        *([("warning", source.warning)] if source.warning else []),
        ("verdict", verdict_line(outcome)),
        ("bundle-id", outcome.bundle_id.hex() if outcome.bundle_id else ""),
        ("bundle-tool", f"{m.tool.name} {m.tool.version}"),
        ("bundle-created", timestamp(m.created)),
        ("case", m.case.id),
        ("norm", f"{norm['id']} {norm['version']} sha256 {norm['digest'].hex()}"),
        *(("signer", f"{s.id}, {s.role}: {s.state}{f', {s.person}' if s.person else ''}") for s in outcome.signers),
        *(("endorsement", f"{e.id}, {e.role}: {e.kind}, {e.state}") for e in outcome.endorsements),
        *(("withheld", sentence) for sentence in source.withheld),
        *(("contradiction", sentence) for sentence in outcome.contradictions),
    ]
    return {
        "timestamp": timestamp(source.now),
        "tools": {"components": [tool]},
        "properties": _properties(properties),
    }


def _properties(pairs: list[tuple[str, str]]) -> list[Record]:
    return [{"name": f"mpk-tui:{name}", "value": value} for name, value in pairs]


def _component(source: Source, a: Mapping[str, Any], bundle: bytes) -> Record:
    """One artifact with its hashes, relations, evidence and files."""
    listed = files_of(source.contents, a["id"])
    out: Record = {**_short(source, a, listed), "bom-ref": f"artifact:{a['id']}"}
    out["properties"] += _properties(
        [
            ("role", a["role"]),
            ("format", a["format"]),
            ("parameters", str(a["parameters"])),
            ("complete", "true" if a["complete"] else "false"),
            *_findings(source, a["id"]),
            *((f"not-hashed:{f.kind}", f"{f.shown}: {f.why_unhashed}") for f in listed if f.sha256 is None),
        ]
    )
    if a["role"] not in _TYPES and a["family"]:
        out["modelCard"] = {"modelParameters": {"modelArchitecture": a["family"]}}
    pedigree = _pedigree(source, a["id"])
    if pedigree:
        out["pedigree"] = pedigree
    identity = _identity(source, a)
    if identity is not None:
        out["evidence"] = {"identity": [identity]}
    out["externalReferences"] = [
        {
            "type": "evidence",
            "url": quote(source.name.encode("utf-8", "surrogateescape"), safe=""),
            "comment": f"mpk-tui evidence bundle {source.outcome.bundle_id.hex() if source.outcome.bundle_id else ''}",
            "hashes": [{"alg": "SHA-256", "content": bundle.hex()}],
        }
    ]
    out["components"] = [_file(a["id"], n, f) for n, f in enumerate(listed) if f.sha256 is not None]
    return out


def _short(source: Source, a: Mapping[str, Any], listed: tuple[Listed, ...]) -> Record:
    """An artifact as another component's pedigree names it: without a reference of its own, which must be unique."""
    root = source.tensor_root(a["id"])
    out: Record = {
        "type": _TYPES.get(a["role"], "machine-learning-model"),
        "name": a["label"] or a["id"],
        "properties": _properties([("artifact", a["id"]), ("tensor-root", root.hex() if root else "")]),
    }
    hashed = [f for f in listed if f.kind != "dir"]
    if len(hashed) == 1 and hashed[0].sha256 is not None:
        out["hashes"] = [{"alg": "SHA-256", "content": hashed[0].sha256.hex()}]
    return out


def _file(artifact: str, n: int, f: Listed) -> Record:
    properties = []
    if not f.is_text:
        properties.append(("name-bytes", f.path.hex()))
    if f.kind == "symlink":
        properties.append(("link", f.link))
    if f.changed:
        properties.append(("changed", "hashed after the analysis with another result; the hash is the one at intake"))
    return {
        "type": "file",
        "bom-ref": f"artifact:{artifact}/file:{n}",
        "name": f.shown,
        "hashes": [{"alg": "SHA-256", "content": (f.sha256 or b"").hex()}],
        **({"properties": _properties(properties)} if properties else {}),
    }


def _whole(source: Source, a: Mapping[str, Any]) -> bool:
    """Whether the bundle has all of the artifact: examined as a whole, every file hashed, nothing left out."""
    section = source.contents.sections[f"checkpoint.{a['id']}"]
    unread = any(f.sha256 is None and f.kind != "dir" for f in files_of(source.contents, a["id"]))
    return bool(a["complete"]) and not section["exclusions"] and not unread


def _findings(source: Source, artifact: str) -> Iterator[tuple[str, str]]:
    for row in source.contents.sections.get("findings", ()):
        if artifact in row["pair"].split(":"):
            yield "finding", f"{row['pair']}: {row['record'].get('finding')}, record sha256 {row['digest'].hex()}"


def _identity(source: Source, a: Mapping[str, Any]) -> Record | None:
    """Complete artifacts whose signed tensor trees have one root: the only comparison here that is exact."""
    root = source.tensor_root(a["id"])
    equal = [
        b["id"]
        for b in source.contents.artifacts
        if b["id"] != a["id"] and a["complete"] and b["complete"] and root and source.tensor_root(b["id"]) == root
    ]
    if root is None or not equal:
        return None
    methods = [
        {
            "technique": "hash-comparison",
            "confidence": 1,
            "value": f"root of the SHA-256 tree over all tensors (RFC 9162), equal to that of artifact {other}",
        }
        for other in equal
    ]
    return {"field": "hash", "concludedValue": root.hex(), "methods": methods, "tools": [_TOOL]}


def _pedigree(source: Source, artifact: str) -> Record:
    """Relations of a subject to its references; a reference says nothing of its own."""
    out: Record = {}
    notes: list[str] = []
    for pair in source.outcome.pairs:
        subject, _, reference = pair.pair.partition(":")
        other = source.contents.artifact(reference)
        if subject != artifact or other is None:
            continue
        where, why = _relation(source, pair)
        if where:
            named = _short(source, other, files_of(source.contents, reference))
            out.setdefault(where, []).append(named)
        notes += [f"{pair.pair}: {sentence}" for sentence in [*_said(pair), why, *_own_words(pair)] if sentence]
    if notes:
        out["notes"] = "\n".join([*([source.warning] if source.warning else []), *notes])
    return out


def _relation(source: Source, pair: PairReport) -> tuple[str, str]:
    """``ancestors``, ``variants`` or nothing, and a sentence on why."""
    shown = pair.recomputed if pair.recomputed is not None else pair.signed
    if not source.reliable:
        return "", f"No relation is stated: the bundle is {source.outcome.verdict}."
    if shown is None:
        return "", "The verdict is withheld; no relation is stated."
    if shown["label"] != LINKED:
        return "", ""
    if pair.recomputed is None:
        return "variants", "Answers or evidence are withheld, so that no direction could be checked."
    conditions = _directed(source, pair.pair)
    if not conditions:
        return "variants", ""
    names = ", ".join(c.upper() for c in conditions)
    return "ancestors", (
        f"Listed as ancestor because the direction of {names} is documented. The bundle has no field for which of the "
        "two came first; the roles of the case put the reference there. The documents are in its evidence of kind (a)."
    )


def _directed(source: Source, pair: str) -> tuple[str, ...]:
    """Conditions that hold, run from one model to the other, and have their direction documented."""
    contents = source.contents
    norm = consistency.norm_of(contents)
    answers = {r["question"]: consistency.read_answer(r) for r in contents.rows("answers", pair)}
    evidence = [consistency.read_evidence(r) for r in contents.rows("evidence", pair)]
    verdict = consistency.verdict_of(contents, norm, pair)
    held = verdict.conditions if verdict is not None else ()
    runs = [c for c in held if c in _RUNS or (c == "c5" and answers["c5"].basis == CHAIN)]
    return directed(norm, answers, evidence, runs)


def _said(pair: PairReport) -> list[str]:
    """The verdict in both readings: recomputed from norm, answers and evidence, and as it was signed."""
    out = []
    if pair.recomputed is not None:
        out += [f"{pair.recomputed['display']} (recomputed).", *pair.recomputed["statements"]]
    if pair.signed is not None:
        out.append(f"{pair.signed['display']} (signed).")
        if pair.recomputed is None:
            out += pair.signed["statements"]
    return out


def _own_words(pair: PairReport) -> list[str]:
    if pair.signed is None:
        return []
    rationale = [f"In the signer's words: “{pair.signed['rationale']}”"] if pair.signed["rationale"] else []
    return [*rationale, *(f"Limit: {text}" for text in pair.signed["limitations"])]
