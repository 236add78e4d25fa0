"""An outcome in words and as a plain record: the same for every door, and nothing that may not be shown.

Text that comes from a bundle is escaped where it is printed (`mpk_tui.text.clean`), not here.
"""

from __future__ import annotations

import time
from typing import Any

from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.custody import Custody, Taken, asks, chronicle, taken
from mpk_tui.bundle.left_open import WHICH, direction, not_established
from mpk_tui.bundle.manifest import UNATTENDED, Manifest
from mpk_tui.bundle.outcome import MEANING, ON_REQUEST, EndorsementReport, Outcome, PairReport, SignerReport
from mpk_tui.bundle.trust import Edition
from mpk_tui.text import hex_groups

SCHEMA = "mpk-tui/verify/1"
OPINIONS = ("concur", "dissent")
"""Endorsements that agree or disagree: shown alike, above what the bundle says."""
NOBODY_READ = "signed unattended, by a machine's key: no person read it before it was signed"
"""What every door says of a signer in the role `UNATTENDED`."""
_CLAIMS = 200
"""Statements of custody and readings that a verification lists."""
_UNEQUAL = ("changed", "missing", "extra", "not_comparable")


def verdict_line(outcome: Outcome) -> str:
    """The last line: ``VERDICT <word> <code>``."""
    return f"VERDICT {outcome.verdict} {int(outcome.code)}"


def when(ms: int) -> str:
    """A time in UTC, to the second."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ms // 1000))
    except (OverflowError, OSError, ValueError):
        return f"{ms} ms"


def as_record(
    outcome: Outcome, *, untrusted: bool = False, dated: int | None = None, edition: Edition | None = None
) -> dict[str, Any]:
    """The object of ``verify --json`` (schema ``mpk-tui/verify/1``).

    Args:
        outcome: Of `verify`.
        untrusted: The person asked to see content that is not trusted.
        dated: When the trust store was last changed, milliseconds.
        edition: Which signed trust store it is, if it is one.
    """
    contents = outcome.shown(untrusted=untrusted)
    m = outcome.manifest if contents is not None else None
    return {
        "schema": SCHEMA,
        "verdict": outcome.verdict.value,
        "code": int(outcome.code),
        "words": outcome.words,
        "meaning": MEANING,
        "bundle": outcome.bundle_id.hex() if outcome.bundle_id else None,
        "trust_dated": dated,
        "trust_store": None if edition is None else _edition(edition),
        "case": None if m is None else _case(m),
        "signers": [_signer(s) for s in outcome.signers],
        "sections": [
            {"id": s.id, "kind": s.kind, "size": s.size, "count": s.count, "state": s.state, "withheld": s.withheld,
             "reason": s.reason}
            for s in outcome.sections
        ],
        "endorsements": [
            {"kind": e.kind, "at": e.at, "id": e.id, "role": e.role, "state": e.state, "person": e.person,
             "statement": e.statement if contents is not None else "",
             "detail": e.detail if contents is not None else "", "keys": [k.hex() for k in e.keyids]}
            for e in outcome.endorsements
        ],
        "pairs": [_pair(p) for p in outcome.pairs] if contents is not None else [],
        **_chronicle_record(contents),
        "contradictions": list(outcome.contradictions) if contents is not None else [],
        "notices": notices(outcome, shown=contents is not None),
        "checkpoint": [dict(c) for c in outcome.checkpoint],
        "earlier": [dict(e) for e in outcome.earlier],
        "rerun": [dict(r) for r in outcome.rerun],
        "first_seen": outcome.first_seen,
    }  # fmt: skip


def _edition(e: Edition) -> dict[str, Any]:
    return {
        "number": e.number, "id": e.id.hex(), "expires": e.expires, "root": e.root.hex(), "given": e.given,
        "stale_allowed": e.stale_allowed,
    }  # fmt: skip


def _case(m: Manifest) -> dict[str, Any]:
    return {
        "id": m.case.id, "exhibit": m.case.exhibit, "root_exhibit": m.case.root_exhibit, "title": m.case.title,
        "authority": m.case.authority, "purpose": m.case.purpose, "seq": m.seq,
        "prev": m.prev.hex() if m.prev else None, "created": m.created, "tool": f"{m.tool.name} {m.tool.version}",
    }  # fmt: skip


def _signer(s: SignerReport) -> dict[str, Any]:
    return {
        "id": s.id, "role": s.role, "keys": [k.hex() for k in s.keyids], "state": s.state, "person": s.person,
        "reason": s.reason,
    }  # fmt: skip


def _pair(p: PairReport) -> dict[str, Any]:
    return {
        "pair": p.pair,
        "recomputed": None if p.recomputed is None else dict(p.recomputed),
        "signed": None if p.signed is None else dict(p.signed),
        "agrees": p.agrees,
    }


def lines(
    outcome: Outcome, *, untrusted: bool = False, dated: int | None = None, edition: Edition | None = None
) -> list[str]:
    """The outcome as lines for people, without the last one (`verdict_line`)."""
    contents = outcome.shown(untrusted=untrusted)
    out: list[str] = []
    if outcome.verdict in ON_REQUEST and contents is not None:
        out += [f"*** {outcome.verdict}: what follows is not to be relied on ***", ""]
    if outcome.bundle_id is not None:
        out.append(f"bundle   {outcome.bundle_id.hex()}")
    # The first screen answers what a receiver asks: is it intact, who signed, what does it say, is mine the one.
    out += _section_lines(outcome)
    out += _signer_lines(outcome, shown=contents is not None)
    out += trust_lines(dated, edition)
    # Whoever agrees and whoever does not stand side by side, before anything that the bundle says.
    for e in outcome.endorsements:
        if e.kind in OPINIONS:
            out += _endorsement_lines(e, shown=contents is not None)
    if contents is not None and outcome.manifest is not None:
        out += _summary(contents, outcome)
        out += ["", *_head(contents, outcome.manifest)]
    if contents is not None:
        if outcome.contradictions:
            out += ["", "Contradictions:", *(f"  {c}" for c in outcome.contradictions)]
        for pair in outcome.pairs:
            out += ["", *pair_lines(pair, contents)]
        claims = chronicle_lines(contents)
        more = [f"  and {len(claims) - _CLAIMS} more"] if len(claims) > _CLAIMS else []
        out += ["", "Claims of the journal:", *(f"  {c}" for c in claims[:_CLAIMS]), *more] if claims else []
        odd = asks(contents.sections.get("log", ()))
        if odd:
            out += ["", "Cause to ask, found here by rule from what was stated:", *(f"  {n}" for n in odd[:_CLAIMS])]
            out += [f"  and {len(odd) - _CLAIMS} more"] if len(odd) > _CLAIMS else []
    elif outcome.verdict in ON_REQUEST:
        out += ["", "Its content is not shown; --show-untrusted shows it, under a banner."]
    for record in outcome.checkpoint:
        out += ["", *_checkpoint_lines(record)]
    for record in outcome.rerun:
        out += ["", *_rerun_lines(record)]
    for record in outcome.earlier:
        out += ["", f"earlier {record['path']}: {record['result']}", f"  {record['sentence']}"]
    told = notices(outcome, shown=contents is not None)
    if told:
        out += ["", "Notices:", *(f"  {n}" for n in told)]
    return [*out, "", outcome.words]


def notices(outcome: Outcome, *, shown: bool) -> list[str]:
    """Notices that may be told; contradictions quote what the bundle says, and are left out where it is not shown."""
    quoting = frozenset[str]() if shown else frozenset(outcome.contradictions)
    return [n for n in outcome.notices if n not in quoting]


def _summary(contents: Contents, outcome: Outcome) -> list[str]:
    """Case, verdicts and local checkpoints, a line or two each; everything again below, in full."""
    case = contents.case
    out = [f"case     {case.id}  {case.title}".rstrip()]
    names = {a["id"]: f"{a['id']} ({a['label']})" for a in contents.artifacts}
    for p in outcome.pairs:
        shown = p.recomputed if p.recomputed is not None else p.signed
        display = "verdict withheld" if shown is None else shown["display"]
        odd = "" if p.agrees is not False else ", which is not what was signed"
        out.append(f"says     {' and '.join(names.get(i, i) for i in p.pair.split(':'))}: {display}{odd}")
    for record in outcome.checkpoint:
        whole = record["tensors"]["same"] and not any(record["tensors"][n] for n in _UNEQUAL)
        is_it = {"match": "is", "partial": "is part of"}.get(
            record["result"], "has the weights of" if whole else "is not"
        )
        known = names.get(record["artifact"] or "", "") if record["tensors"]["same"] else "any of these models"
        out.append(f"yours    {record['path']} {is_it} {known}")
        out += [f"         weights: {record['weights']}", f"         folder: {record['folder']}"]
        if record["features"] is not None:
            out.append(f"         {record['features']['sentence']}")
    if outcome.rerun:
        found = [f"{r['pair']} {r['outcome']}" for r in outcome.rerun]
        out.append(f"again    from its own features: {', '.join(found)}")
    held = {r["artifact"] for r in outcome.checkpoint if r["tensors"]["same"]}
    absent = [name for artifact, name in names.items() if artifact not in held]
    if absent and outcome.checkpoint:
        out.append(f"not held against anything here: {', '.join(absent)}")
    elif absent:
        out.append("no checkpoint was presented: mpk-tui verify --checkpoint PATH tells whether yours is one of these")
    return out


def _head(contents: Contents, m: Manifest) -> list[str]:
    case = m.case
    out = []
    for name, value in (("exhibit", case.exhibit), ("by order", case.authority), ("purpose", case.purpose)):
        if value:
            out.append(f"{name:<9}{value}")
    out.append(f"number   {m.seq}, dated {when(m.created)} (the signer's claim), by {m.tool.name} {m.tool.version}")
    norm = contents.sections["norm"]
    out.append(f"norm     {norm['id']} {norm['version']}")
    for a in contents.artifacts:
        out.append(f"artifact {a['id']}  {a['role']}: {a['label']} ({a['format']}, {a['parameters']:,} parameters)")
    return out


def trust_lines(dated: int | None, edition: Edition | None) -> list[str]:
    """Which store the verdict rests on: beside every verdict, because revocation is as fresh as the store."""
    if dated is None:
        return []
    if edition is None:
        return [f"trust    your store is of {when(dated)}; revocations since then are not known here"]
    which = "the store that you named" if edition.given else "your store"
    return [
        f"trust    {which} is number {edition.number} of {when(dated)}, to be used until {when(edition.expires)}; "
        "revocations after its date are not known here",
        f"         signed by root {hex_groups(edition.root)}"
        + (", which you chose to believe" if edition.given else ""),
    ]


def _signer_lines(outcome: Outcome, *, shown: bool) -> list[str]:
    out: list[str] = []
    for s in outcome.signers:
        who = f"{s.person} as {s.id!r}" if s.person else repr(s.id) if s.id else "somebody"
        role = f", {s.role}" if s.role else ""
        out.append(f"signer   {who}{role}: {s.state}{f' ({s.reason})' if s.reason else ''}")
        out += [f"         {NOBODY_READ}"] if s.role == UNATTENDED else []
        for k in s.keyids:
            groups = hex_groups(k)
            out += [f"         key {groups[:39]}", f"             {groups[40:]}"]
    for e in outcome.endorsements:
        if e.kind not in OPINIONS:
            out += _endorsement_lines(e, shown=shown)
    return out


def _endorsement_lines(e: EndorsementReport, *, shown: bool) -> list[str]:
    who = f"{e.person} as {e.id!r}" if e.person else repr(e.id)
    name = e.kind.upper() if e.kind in OPINIONS else e.kind
    out = [f"{name:<8} {who}, {e.role}: {e.state}, {when(e.at)}"]
    return [
        *out,
        *(f"         {text}" for text in (f"“{e.statement}”" if e.statement else "", e.detail) if text and shown),
    ]


def pair_lines(p: PairReport, contents: Contents) -> list[str]:
    """One pair: the verdict, both readings, the answers and the analyst's own words."""
    shown = p.recomputed if p.recomputed is not None else p.signed
    names = {a["id"]: a["label"] for a in contents.artifacts}
    out = [f"pair     {' and '.join(f'{i} ({names.get(i, i)})' for i in p.pair.split(':'))}"]
    if shown is None:
        return [*out, "  verdict withheld"]
    out.append(f"  verdict: {shown['display']}" + ("" if p.recomputed is not None else "  (signed; not recomputed)"))
    if p.agrees is False and p.signed is not None:
        out.append(f"  signed:  {p.signed['display']}  (contradicts the above)")
    out += [f"  {sentence}" for sentence in shown["statements"]]
    items = direction(contents, p)
    if items is not None:
        out.append(f"  {WHICH}{':' if items else ', which is withheld.'}")
        out += [f"    {'; '.join(t for t in (_cited(e), e['locator'], _quoted(e['excerpt'])) if t)}" for e in items]
    out += [
        f"  answered met, not established: {a['question'].upper()}; resolved: {_quoted(a['resolution']) or 'not'}"
        for a in not_established(contents, p)
    ]
    for name in ("conditions", "mechanisms", "exclusions"):
        if shown[name]:
            out.append(f"  {name}: {', '.join(str(x).upper() for x in shown[name])}")
    for row in contents.rows("findings", p.pair):
        sentence = row["record"].get("sentence")
        out.append(f"  finding: {row['record'].get('finding')}. {sentence if isinstance(sentence, str) else ''}")
    overridden = [
        f"{a['question'].upper()} {a['proposed']} → {a['answer']}"
        for a in contents.rows("answers", p.pair)
        if a["proposed"] and a["proposed"] != a["answer"]
    ]
    if overridden:
        out.append(f"  answers that override the tool's proposal: {', '.join(overridden)}")
    if p.signed is not None:
        if p.signed["rationale"]:
            out.append(f"  in the signer's words: “{p.signed['rationale']}”")
        out += [f"  limit: {text}" for text in p.signed["limitations"]]
    return out


def _cited(e: Any) -> str:
    return f"{e['id']}: {e['source'] or 'source not stated'}"


def _quoted(text: str) -> str:
    return f"“{text}”" if text.strip() else ""


def chronicle_lines(contents: Contents) -> list[str]:
    """Custody, intake and second readings as the log states them; claims that nothing here was held against."""
    out = []
    log = contents.sections.get("log", ())
    for r in sorted((*chronicle(log), *taken(log)), key=lambda r: r.seq):
        if isinstance(r, Custody):
            about = f" {r.artifact}" if r.artifact else ""
            out.append(f"custody  {r.act.replace('_', ' ')}{about}, stated by {r.who} {when(r.at)}: {r.sentence}")
        elif isinstance(r, Taken):
            out.append(f"intake   {r.artifact} taken in by {r.who} {when(r.at)}: {r.sentence}")
        else:
            out.append(f"review   {r.who} {when(r.at)}: {r.sentence}")
    return out


def _chronicle_record(contents: Contents | None) -> dict[str, Any]:
    told = () if contents is None else chronicle(contents.sections.get("log", ()))
    return {
        "custody": [
            {"seq": r.seq, "at": r.at, "who": r.who, "act": r.act, "artifact": r.artifact, "fields": dict(r.fields),
             "text": r.text}
            for r in told if isinstance(r, Custody)
        ],
        "reviews": [
            {"seq": r.seq, "at": r.at, "who": r.who, "outcome": r.outcome, "pair": r.pair, "text": r.text,
             "verdict": r.verdict, "stale": r.stale}
            for r in told if not isinstance(r, Custody)
        ],
    }  # fmt: skip


def _section_lines(outcome: Outcome) -> list[str]:
    odd = [s for s in outcome.sections if s.state != "intact"]
    if not outcome.sections:
        return []
    out = [f"sections {len(outcome.sections)} signed, {len(outcome.sections) - len(odd)} complete and intact"]
    for s in odd:
        detail = f", {s.withheld} of {s.count} items" if s.state == "partly withheld" else ""
        out.append(f"  {s.id}: {s.state}{detail}{f' ({s.reason})' if s.reason else ''}")
    return out


def _checkpoint_lines(record: Any) -> list[str]:
    out = [f"checkpoint {record['path']}: {record['result']}"]
    out += [f"  weights: {record['weights']}", f"  folder: {record['folder']}", f"  {record['sentence']}"]
    for level, title in (("tensors", "tensors (L2)"), ("files", "files (L1)")):
        lists = record[level]
        out.append(f"  {title}: {lists['same']} same")
        for name in _UNEQUAL:
            listed = lists[name]
            if listed:
                out.append(f"    {name.replace('_', ' ')}: {len(listed)}")
                out += [f"      {item}" for item in listed[:50]]
                if len(listed) > 50:
                    out.append(f"      and {len(listed) - 50} more")
    return [*out, *(f"  {n}" for n in record["notices"])]


def _rerun_lines(record: Any) -> list[str]:
    """One pair computed again: the sentence, then the numbers side by side."""
    out = [f"again    {record['sentence']}"]
    if record["tests"]:
        out.append(f"  {'test':<20}{'signed: z':>10}{'corr.':>7}  {'again: z':>10}{'corr.':>7}")
    for t in record["tests"]:
        if t["state"] == "neither":
            continue
        signed, found = (f"{_plain(t[f'{of}_z'], 1):>10}{_plain(t[f'{of}_rho'], 3):>7}" for of in ("signed", "found"))
        if t["signed_z"] is None and t["found_z"] is None:
            signed, found = f"{t['signed_reading'] or '-':>17}", f"{t['found_reading'] or '-':>17}"
        out.append(f"  {t['name']:<20}{signed}  {found}")
    if any(t["state"] == "repeated" and not t["same_data"] for t in record["tests"]):
        out.append("  Features hold fewer units than weights do, so their z is closer to 0.")
    return out


def _plain(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
