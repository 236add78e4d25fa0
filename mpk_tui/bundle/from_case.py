"""From a case to the contents of a bundle.  The only module of the bundle that knows what a case is.

The journal's entries become the log as they are.  A bundle is made only of a case that waits for nothing; making one
is an act in the journal itself: ``export`` is the last entry of the log, and once the file is written ``bundle``
records its id, from which the next bundle of the case takes its number and its predecessor.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any

from mpk_tui import canonical, hashtree
from mpk_tui.bundle import consistency
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.logbook import SEALED
from mpk_tui.bundle.manifest import CaseFacts, ToolFacts
from mpk_tui.case import Case
from mpk_tui.case.actions import stored_comparison
from mpk_tui.case.artifacts import opening_of, shown, stored_fingerprint
from mpk_tui.case.review import Gap, in_scope, status, verdict_of
from mpk_tui.case.state import UNDOABLE, Artifact, CaseState
from mpk_tui.case.store import ATTACHMENTS
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.constitution import norm
from mpk_tui.errors import IncompleteCaseError, MalformedError, MpkError, UsageError
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.records import dataclass


@dataclass(frozen=True)
class Preview:
    """What would be signed, for a person to look at before any key is opened.

    Attributes:
        case: Id and title.
        pairs: Pair, display and statements.
        seq: Number of the bundle.
        warnings: What a careful examiner would still do first; none of it blocks a signature.
    """

    case: str
    pairs: tuple[tuple[str, str, tuple[str, ...]], ...]
    seq: int
    warnings: tuple[str, ...]


def require_complete(case: Case) -> None:
    """Refuse a case that a signature still waits for.

    Raises:
        IncompleteCaseError: With every blocking gap.
    """
    gaps = [g for g in status(case) if g.blocking]
    if not case.state.pairs and not gaps:
        gaps = [Gap(2, "", "There is no pair of a subject and a reference")]
    if gaps:
        listed = "; ".join(f"step {g.step}{f' {g.pair}' if g.pair else ''}: {g.sentence}" for g in gaps)
        raise IncompleteCaseError(
            f"nothing is signed while {len(gaps)} gaps are open: {listed}", where=case.state.id,
            hint="mpk-tui case status shows them",
        )  # fmt: skip


def preview(case: Case) -> Preview:
    """What a bundle of this case would say, without writing anything."""
    state = case.state
    pairs = []
    for pair in state.pairs:
        verdict = verdict_of(state, pair)
        pairs.append((pair, verdict.display, verdict.statements))
    rehashed = {e.params.get("id") for e in case.entries if e.act == "hash_after"}
    warnings = [
        f"{a} was not hashed again after the analysis (mpk-tui case rehash)"
        for a in state.artifacts
        if a not in rehashed
    ]
    if state.reviews:
        warnings += [g.sentence for g in status(case) if g.step == 9 and not g.blocking]
    return Preview(f"{state.id} {state.title}".strip(), tuple(pairs), _sequence(case)[0], tuple(warnings))


@dataclass(frozen=True)
class Gathered:
    """Sections of a bundle as the case stood: how many entries its journal had, and the sections by id."""

    entries: int
    sections: Mapping[str, Any]


def gather(case: Case) -> Gathered:
    """Read everything of a case that goes into a bundle; journals nothing, so that a thread may do it.

    Raises:
        IncompleteCaseError: The case has gaps.
        MpkError: A file of the case is missing or was changed.
    """
    require_complete(case)
    count = len(case.entries)
    return Gathered(count, _sections(case))


def export(case: Case, tool: ToolFacts, selftest: Mapping[str, Any], gathered: Gathered | None = None) -> Contents:
    """The contents of the next bundle; appends the ``export`` entry to the journal.

    Args:
        case: Complete.
        tool: What makes the bundle.
        selftest: Record of the self-test of this installation (`mpk_tui.bundle.sections.SELFTEST`).
        gathered: What `gather` read of this case just before; without it, it is read here.

    Raises:
        IncompleteCaseError: The case has gaps.
        UsageError: The case changed since it was gathered.
        MpkError: A file of the case is missing or was changed, or the journal cannot be written.
    """
    gathered = gathered or gather(case)
    if gathered.entries != len(case.entries):
        raise UsageError(
            "the case changed while it was packed", where=case.state.id, hint="Nothing was signed; try again"
        )
    seq, prev = _sequence(case)
    sections = {**gathered.sections, "selftest": dict(selftest)}
    case.append("export", {"seq": seq, "tool": f"{tool.name} {tool.version}"})
    sections["log"] = [canonical.decode(e.raw) for e in case.entries]
    facts = case.state.facts
    names = ("exhibit", "root_exhibit", "title", "authority", "purpose")
    return Contents(
        CaseFacts(case.state.id, *(facts.get(n, "") for n in names)),
        seq,
        prev,
        max(time.time_ns() // 1_000_000, case.entries[-1].at),
        tool,
        sections,
    )


def record_sealed(case: Case, bundle_id: bytes, seq: int) -> None:
    """Journal that bundle ``seq`` was written."""
    case.append(SEALED, {"seq": seq}, obj=bundle_id)


def _sequence(case: Case) -> tuple[int, bytes | None]:
    """Number of the next bundle and id of the one before it."""
    sealed = [e for e in case.entries if e.act == SEALED and e.obj is not None]
    return (len(sealed), sealed[-1].obj) if sealed else (0, None)


def _sections(case: Case) -> dict[str, Any]:
    state = case.state
    current = norm.load(state.norm)
    out: dict[str, Any] = {
        "norm": {"id": consistency.NORM_ID, "version": current.version, "digest": current.digest},
        "artifacts": [],
        "findings": [],
        "evidence": [],
        "answers": [],
    }
    for artifact in state.artifacts.values():
        made = stored_fingerprint(case, artifact.id)
        out["artifacts"].append(
            {
                "id": artifact.id, "role": artifact.role, "label": artifact.label, "format": made.format,
                "family": made.family, "scope": made.scope, "parameters": made.parameters,
                "fingerprint": made.digest, "complete": not made.missing,
            }
        )  # fmt: skip
        out |= _artifact_sections(case, artifact, made)
    for pair in state.pairs:
        record = stored_comparison(case, pair)
        if record is not None:
            digest = bytes.fromhex(state.comparisons[pair].digest)
            out["findings"].append({"pair": pair, "digest": digest, "record": record})
        out["evidence"] += [consistency.evidence_record(pair, e) for e in state.evidence.get(pair, {}).values()]
        out["answers"] += [consistency.answer_record(pair, a) for a in state.answers.get(pair, {}).values()]
    out["verdict"] = _verdict(case, state)
    notes = {e.seq: e for e in case.entries}
    if state.notes:
        out["notes"] = [{"at": notes[n].at, "who": notes[n].who, "text": text} for n, text in state.notes]
    out |= _documents(case, state)
    return out


def _artifact_sections(case: Case, source: Artifact, made: Fingerprint) -> dict[str, Any]:
    artifact = source.id
    after = _after(case, artifact, made)
    out: dict[str, Any] = {
        f"checkpoint.{artifact}": {
            "files": [
                {**_named("path", f.path), "kind": f.kind, "size": f.size, "sha256": f.sha256,
                 "after": after.get(f.path), **_link(f.link), "link_class": f.link_class, "mtime_ns": None,
                 "error": None}
                for f in made.files
            ],
            "mount": _mount(case, artifact),
            "write_block": _write_block(case, artifact),
            "exclusions": [],
            "notices": list(made.notices),
        },
        f"facts.{artifact}": {
            "tool": made.tool, "config": dict(made.config), "tokenizer": dict(made.tokenizer),
            "metadata": [[file, [[k, m[k]] for k in sorted(m)]] for file, m in sorted(made.metadata.items())],
        },
        f"tensors.{artifact}": [[t.name, t.dtype, list(t.shape), t.nbytes, t.sha256] for t in made.tensors],
        f"features.{artifact}": [
            {"id": f.id, "version": f.version, "params": dict(f.params), "tolerance": None, "dtype": f.dtype,
             "shape": list(f.shape), "data": f.data}
            for _, f in sorted(made.features.items())
        ],
    }  # fmt: skip
    located = _locations(made, source)
    if located is not None:
        out[f"locations.{artifact}"] = {"rows": located}
    return out


def _mount(case: Case, artifact: str) -> dict[str, Any]:
    """What the system said of the file system when the artifact was hashed; an observation, not a statement."""
    said = [e.params.get("mount") for e in case.entries if e.act == "hash_before" and e.params.get("id") == artifact]
    if not said or said[-1] not in ("read-only", "writable"):
        return {"read_only": None, "observed": "not recorded"}
    return {"read_only": said[-1] == "read-only", "observed": f"mounted {said[-1]} when it was hashed"}


def _write_block(case: Case, artifact: str) -> dict[str, Any] | None:
    """The last statement on the mount that is about this artifact or about all of them, and who made it."""
    said = [s for s in case.state.custody if s.act == "mount" and s.artifact in ("", artifact)]
    return {"statement": said[-1].sentence, "by": said[-1].who} if said else None


def _after(case: Case, artifact: str, made: Fingerprint) -> dict[str, bytes]:
    """SHA-256 by path after the analysis, from the last time that the artifact was hashed again."""
    entries = [e for e in case.entries if e.params.get("id") == artifact and e.act in ("hash_before", "hash_after")]
    if not entries or entries[-1].act != "hash_after":
        return {}
    again = {f.path: f.sha256 for f in made.files if f.sha256 is not None}
    if entries[-1].result == "same":
        return again
    listed = entries[-1].params.get("files")
    try:
        changed = {str(path): bytes.fromhex(digest) for path, digest in listed} if listed else {}
    except (TypeError, ValueError):
        raise MalformedError(
            "the list of changed files does not fit", where=f"journal, entry {entries[-1].seq}"
        ) from None
    return {path: changed.get(shown(path), digest) for path, digest in again.items()}


def _locations(made: Fingerprint, source: Artifact) -> list[list[int]] | None:
    """Where each tensor lies, if the checkpoint is still at hand and its headers are the ones that were hashed."""
    try:
        checkpoint = open_checkpoint(Path(source.path), None, opening_of(source))
    except MpkError:
        return None
    files = {f.path: n for n, f in enumerate(made.files)}
    rows = []
    for t in made.tensors:
        now = checkpoint.tensors.get(t.name)
        if now is None or now.file not in files or (now.dtype, now.shape, now.nbytes) != (t.dtype, t.shape, t.nbytes):
            return None
        rows.append([files[now.file], now.offset])
    sizes = {f.path: f.size for f in checkpoint.files}
    return rows if all(sizes.get(made.files[n].path) == made.files[n].size for n, _ in rows) else None


def _named(field: str, path: str) -> dict[str, Any]:
    """A path as text, or as bytes where it is not UTF-8."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return {f"{field}_b": path.encode("utf-8", "surrogateescape")}
    return {field: path}


def _link(link: str | None) -> dict[str, Any]:
    named = {"link": None} if link is None else _named("link", link)
    return {"link": None, **named}


def _verdict(case: Case, state: CaseState) -> dict[str, Any]:
    judged = [e.at for e in case.entries if e.act in UNDOABLE or e.act == "analyse"]
    return {
        "pairs": [_pair_verdict(case, state, pair) for pair in state.pairs],
        "decided_by": state.examiner,
        "decided_at": max(judged, default=case.entries[-1].at),
    }


def _pair_verdict(case: Case, state: CaseState, pair: str) -> dict[str, Any]:
    record: Mapping[str, Any] = stored_comparison(case, pair) or {}
    scope = [] if in_scope(state, pair) else ["The pair is outside the scope of the constitution."]
    return {
        "pair": pair,
        **verdict_of(state, pair).as_record(),
        "rationale": state.rationale.get(pair, ""),
        "alternatives": [],
        "limitations": [*scope, *record.get("limits", ())],
        "known_gaps": list(state.known_gaps.get(pair, ())),
    }


def _documents(case: Case, state: CaseState) -> dict[str, Any]:
    """Files that evidence rests on, each once, under the names by which they were attached."""
    types = MimeTypes()  # the table that comes with Python: no file of the machine is asked
    attached = {e.obj.hex(): e for e in case.entries if e.act == "attach" and e.obj is not None}
    index: list[dict[str, Any]] = []
    out: dict[str, Any] = {}
    cited: dict[str, list[str]] = {}
    for pair, items in state.evidence.items():
        for item in items.values():
            if item.digest:
                cited.setdefault(item.digest, []).append(f"{pair} {item.id}")
    for n, (digest, where) in enumerate(sorted(cited.items())):
        name = f"doc.{n}"
        data = case.kept(ATTACHMENTS, digest, digest)
        entry = attached.get(digest)
        label = str(entry.params.get("name", digest)) if entry else digest
        index.append(
            {
                "id": name, "name": label, "media_type": types.guess_type(label)[0] or "application/octet-stream",
                "sha256": hashtree.sha256(data), "size": len(data),
                "supplied_by": entry.who if entry else state.examiner, "supplied_at": entry.at if entry else None,
                "relation": f"evidence {', '.join(where)}"[:1000],
            }
        )  # fmt: skip
        out[name] = data
    if index:
        out["docs"] = index
    return out
