"""An outcome in words and as a plain record: the same for every door, and nothing that may not be shown.

Text that comes from a bundle is escaped where it is printed (`mpk_tui.text.clean`), not here.
"""

from __future__ import annotations

import datetime
from typing import Any

from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.manifest import Manifest
from mpk_tui.bundle.outcome import MEANING, ON_REQUEST, Outcome, PairReport, SignerReport
from mpk_tui.text import hex_groups

SCHEMA = "mpk-tui/verify/1"


def verdict_line(outcome: Outcome) -> str:
    """The last line: ``VERDICT <word> <code>``."""
    return f"VERDICT {outcome.verdict} {int(outcome.code)}"


def when(ms: int) -> str:
    """A time in UTC, to the second."""
    try:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    except OverflowError:
        return f"{ms} ms"
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def as_record(outcome: Outcome, *, untrusted: bool = False, dated: int | None = None) -> dict[str, Any]:
    """The object of ``verify --json`` (schema ``mpk-tui/verify/1``).

    Args:
        outcome: Of `verify`.
        untrusted: The person asked to see content that is not trusted.
        dated: When the trust store was last changed, milliseconds.
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
        "case": None if m is None else _case(m),
        "signers": [_signer(s) for s in outcome.signers],
        "sections": [
            {"id": s.id, "kind": s.kind, "size": s.size, "count": s.count, "state": s.state, "withheld": s.withheld,
             "reason": s.reason}
            for s in outcome.sections
        ],
        "endorsements": [
            {"kind": e.kind, "at": e.at, "id": e.id, "role": e.role, "state": e.state, "person": e.person,
             "statement": e.statement if contents is not None else "", "keys": [k.hex() for k in e.keyids]}
            for e in outcome.endorsements
        ],
        "pairs": [_pair(p) for p in outcome.pairs] if contents is not None else [],
        "contradictions": list(outcome.contradictions),
        "notices": list(outcome.notices),
        "checkpoint": [dict(c) for c in outcome.checkpoint],
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


def lines(outcome: Outcome, *, untrusted: bool = False, dated: int | None = None) -> list[str]:
    """The outcome as lines for people, without the last one (`verdict_line`)."""
    contents = outcome.shown(untrusted=untrusted)
    out: list[str] = []
    if outcome.verdict in ON_REQUEST and contents is not None:
        out += [f"*** {outcome.verdict}: what follows is not to be relied on ***", ""]
    if outcome.bundle_id is not None:
        out.append(f"bundle   {outcome.bundle_id.hex()}")
    if contents is not None and outcome.manifest is not None:
        out += _head(contents, outcome.manifest)
    out += _signer_lines(outcome, dated)
    if contents is not None:
        if outcome.contradictions:
            out += ["", "Contradictions:", *(f"  {c}" for c in outcome.contradictions)]
        for pair in outcome.pairs:
            out += ["", *pair_lines(pair, contents)]
    elif outcome.verdict in ON_REQUEST:
        out += ["", "Its content is not shown; --show-untrusted shows it, under a banner."]
    out += _section_lines(outcome)
    for record in outcome.checkpoint:
        out += ["", *_checkpoint_lines(record)]
    if outcome.notices:
        out += ["", "Notices:", *(f"  {n}" for n in outcome.notices)]
    return [*out, "", outcome.words]


def _head(contents: Contents, m: Manifest) -> list[str]:
    case = m.case
    out = [f"case     {case.id}  {case.title}".rstrip()]
    for name, value in (("exhibit", case.exhibit), ("by order", case.authority), ("purpose", case.purpose)):
        if value:
            out.append(f"{name:<9}{value}")
    out.append(f"number   {m.seq}, dated {when(m.created)} (the signer's claim), by {m.tool.name} {m.tool.version}")
    norm = contents.sections["norm"]
    out.append(f"norm     {norm['id']} {norm['version']}")
    for a in contents.artifacts:
        out.append(f"artifact {a['id']}  {a['role']}: {a['label']} ({a['format']}, {a['parameters']:,} parameters)")
    return out


def _signer_lines(outcome: Outcome, dated: int | None) -> list[str]:
    out: list[str] = []
    for s in outcome.signers:
        who = f"{s.person} as {s.id!r}" if s.person else repr(s.id) if s.id else "somebody"
        role = f", {s.role}" if s.role else ""
        out.append(f"signer   {who}{role}: {s.state}{f' ({s.reason})' if s.reason else ''}")
        out += [f"         key {hex_groups(k)}" for k in s.keyids]
    for e in outcome.endorsements:
        who = f"{e.person} as {e.id!r}" if e.person else repr(e.id)
        out.append(f"{e.kind:<9}{who}, {e.role}: {e.state}, {when(e.at)}")
    if outcome.signers and dated:
        out.append(f"trust    your store is of {when(dated)}; revocations since then are not known here")
    return out


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


def _section_lines(outcome: Outcome) -> list[str]:
    odd = [s for s in outcome.sections if s.state != "intact"]
    if not outcome.sections:
        return []
    out = ["", f"sections {len(outcome.sections)} signed, {len(outcome.sections) - len(odd)} complete and intact"]
    for s in odd:
        detail = f", {s.withheld} of {s.count} items" if s.state == "partly withheld" else ""
        out.append(f"  {s.id}: {s.state}{detail}{f' ({s.reason})' if s.reason else ''}")
    return out


def _checkpoint_lines(record: Any) -> list[str]:
    out = [f"checkpoint {record['path']}: {record['result']}", f"  {record['sentence']}"]
    for level, title in (("tensors", "tensors (L2)"), ("files", "files (L1)")):
        lists = record[level]
        out.append(f"  {title}: {lists['same']} same")
        for name in ("changed", "missing", "extra", "not_comparable"):
            listed = lists[name]
            if listed:
                out.append(f"    {name.replace('_', ' ')}: {len(listed)}")
                out += [f"      {item}" for item in listed[:50]]
                if len(listed) > 50:
                    out.append(f"      and {len(listed) - 50} more")
    return [*out, *(f"  {n}" for n in record["notices"])]
