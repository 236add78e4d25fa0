"""What a sweep came to, in one object and in one table: pure, from its lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mpk_tui.lineage import findings
from mpk_tui.sweep.among import Pairs
from mpk_tui.sweep.batch import Swept
from mpk_tui.sweep.finding import Drive
from mpk_tui.sweep.lines import Line
from mpk_tui.text import clean, size

SCHEMA = "mpk-tui/batch-summary/1"
KIN = (findings.IDENTICAL, findings.REFORMATTED, findings.NEAR_IDENTICAL, findings.TRAINED_ANCESTOR)
"""Findings that put two checkpoints of a drive into one family; a shared part does not."""
BETWEEN = (findings.COMPONENT, findings.SHARED_INIT, findings.UNRESOLVED)
_NAME, _FINDING = 44, 26
_BETWEEN = 20
_SKIPPED = 3
"""Paths that are named for each reason; the object has all."""


def summary(drive: Drive, swept: Swept, pairs: Pairs | None, *, out: str, library: str | None) -> dict[str, Any]:
    """The object of ``mpk-tui batch --json`` (schema ``mpk-tui/batch-summary/1``).

    Args:
        drive: What was found.
        swept: The lines.
        pairs: The checkpoints against each other, if that was asked for.
        out: The sweep's file.
        library: Library that was scanned.
    """
    rows = [_row(line) for line in swept.lines]
    return {
        "schema": SCHEMA, "out": out, "library": library, "files": drive.files, "made": swept.made,
        "checkpoints": rows, "errors": sum(r["state"] == "error" for r in rows),
        "duplicates": duplicates(swept.lines),
        "families": None if pairs is None else families(swept.lines, pairs),
        "between": [] if pairs is None else between(pairs),
        "pairs": None if pairs is None else _counts(pairs),
        "skipped": [{"path": s.path, "reason": s.reason} for s in drive.skipped],
        "notices": [*swept.notices, *(pairs.notices if pairs is not None else ())],
    }  # fmt: skip


def _counts(pairs: Pairs) -> dict[str, int]:
    return {"models": len(pairs.models), "of": pairs.total, "compared": len(pairs.lines)}


def _row(line: Line) -> dict[str, Any]:
    measured, scan, error = line["measured"] or {}, line["scan"], line["error"]
    best: Mapping[str, Any] = scan["relatives"][0] if scan and scan["relatives"] else {}
    return {
        "name": line["name"], "path": line["path"], "model": line["model"], "state": line["state"],
        "size": line["size"], "parameters": measured.get("parameters"), "root": measured.get("root"),
        "finding": scan["finding"] if scan else None, "nearest": best.get("name"), "p": best.get("p"),
        "rho": best.get("rho"), "error": error["diagnosis"] if error else None,
    }  # fmt: skip


def duplicates(swept: Iterable[Line]) -> list[dict[str, Any]]:
    """Checkpoints with equal tensors under equal names: one tensor root."""
    by_root: dict[str, list[str]] = {}
    for line in swept:
        measured = line["measured"]
        if measured is not None and measured.get("tensors"):
            by_root.setdefault(measured["root"], []).append(line["name"])
    return [{"root": root, "names": names} for root, names in by_root.items() if len(names) > 1]


def families(swept: Iterable[Line], pairs: Pairs) -> list[dict[str, Any]]:
    """Checkpoints that findings of `KIN` connect, with those findings.

    A family has no direction and no order: it says who is connected.
    """
    head = {m.fingerprint: m.fingerprint for m in pairs.models}

    def top(of: str) -> str:
        while head[of] != of:
            head[of] = head[head[of]]
            of = head[of]
        return of

    for p in pairs.lines:
        if p["finding"] in KIN:
            head[top(p["a"])] = top(p["b"])
    names: dict[str, list[str]] = {}
    by_root = {m.root: m.fingerprint for m in pairs.models}
    for line in swept:
        measured = line["measured"]
        if measured is not None and measured["root"] in by_root:
            names.setdefault(by_root[measured["root"]], []).append(line["name"])
    groups: dict[str, list[str]] = {}
    for m in pairs.models:
        groups.setdefault(top(m.fingerprint), []).append(m.fingerprint)
    return [
        {
            "names": [n for m in members for n in names.get(m, ())],
            "findings": [_pair(p) for p in pairs.lines if p["finding"] in KIN and p["a"] in members],
        }
        for members in groups.values() if len(members) > 1
    ]  # fmt: skip


def between(pairs: Pairs) -> list[dict[str, Any]]:
    """What connects checkpoints and makes no family: a shared part, one initialisation, an origin not resolved."""
    return [_pair(p) for p in pairs.lines if p["finding"] in BETWEEN]


def _pair(p: Line) -> dict[str, Any]:
    return {"a": p["a_name"], "b": p["b_name"], "finding": p["finding"], "p": p["p"], "rho": p["rho"]}


def table(record: Mapping[str, Any]) -> list[str]:
    """The same for people, in lines; holds untrusted text."""
    rows = record["checkpoints"]
    width = min(_NAME, max((len(clean(r["name"], 200)) for r in rows), default=10))
    out = [f"{'CHECKPOINT':<{width}}  {'SIZE':>8}  {'FINDING':<{_FINDING}}NEAREST RELATIVE".rstrip()]
    for r in rows:
        name = clean(r["name"], 200)
        if len(name) > width:
            out.append(name)
            name = ""
        if r["state"] == "error":
            said = f"not done: {clean(r['error'] or '', 300)}"
        elif r["finding"] is None:
            said = "not scanned"
        else:
            said = f"{r['finding']:<{_FINDING}}{clean(r['nearest'] or '', 200)}".rstrip()
        out.append(f"{name:<{width}}  {size(r['size']):>8}  {said}")
    out += _groups(record)
    total = len(rows)
    out += ["", f"{total} checkpoints among {record['files']} files, {record['errors']} not done"]
    if record["pairs"] is not None:
        p = record["pairs"]
        out.append(f"{p['models']} different models, {p['of']} pairs, {p['compared']} of them compared")
    return out


def _groups(record: Mapping[str, Any]) -> list[str]:
    out: list[str] = []
    for d in record["duplicates"]:
        out += ["", f"equal tensors, root {d['root'][:16]}:", *(f"  {clean(n, 200)}" for n in d["names"])]
    for n, f in enumerate(record["families"] or (), 1):
        out += ["", f"family {n} on this drive:", *(f"  {clean(name, 200)}" for name in f["names"])]
    shown = record["between"][:_BETWEEN]
    out += ["", "also found on this drive:"] if shown else []
    out += [f"  {clean(p['a'], 80)} and {clean(p['b'], 80)}: {p['finding']}" for p in shown]
    if len(record["between"]) > len(shown):
        out.append(f"  and {len(record['between']) - len(shown)} more (--json names all)")
    by_reason: dict[str, list[str]] = {}
    for s in record["skipped"]:
        # The checkpoint that it repeats stands in the reason; as a group they are one.
        reason = s["reason"] if not s["reason"].startswith("the very files") else "the very files of another"
        by_reason.setdefault(reason, []).append(s["path"])
    for reason, paths in by_reason.items():
        named = ", ".join(clean(p, 120) for p in paths[:_SKIPPED])
        more = f" and {len(paths) - _SKIPPED} more (--json names all)" if len(paths) > _SKIPPED else ""
        out += ["", f"passed over, {reason}: {named}{more}"]
    return out
