"""A journal as the commands that make the same case again: one command for each act, none of them with a secret.

The commands name the files of this machine: the artifacts where they lie, attachments and hash lists as the case keeps
them.  Run in order against an empty folder they give a journal with the same acts, so that a bundle of it says the same
but for times, salts and what is made of these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui import hashtree
from mpk_tui.case.journal import Entry
from mpk_tui.case.proposing import WHOLE
from mpk_tui.case.state import CUSTODY
from mpk_tui.case.store import ATTACHMENTS, BASE, PATHS, Case
from mpk_tui.errors import UsageError


@dataclass(frozen=True)
class Step:
    """One act of a journal as a command.

    Attributes:
        seq: Number of the entry.
        argv: Arguments after ``mpk-tui``; empty where the act is not made again.
        remark: Why not, or what to know; may hold untrusted text.
        code: The exit code that the command ends with.
    """

    seq: int
    argv: tuple[str, ...]
    remark: str = ""
    code: int = 0


def steps(case: Case, target: Path) -> tuple[Step, ...]:
    """Every act in order.

    Args:
        case: The case.
        target: Folder that the commands make the case in.
    """
    return tuple(_step(case, entry, str(target)) for entry in case.entries)


def replay(case: Case, target: Path) -> list[list[str]]:
    """The commands alone, as lists of arguments after ``mpk-tui``.

    Raises:
        UsageError: An act cannot be given as a command (its text holds a NUL).
    """
    out = []
    for step in steps(case, target):
        if any("\0" in word for word in step.argv):
            raise UsageError(
                "this act holds a NUL, which no command line can carry", where=f"journal, entry {step.seq}"
            )
        if step.argv:
            out.append(list(step.argv))
    return out


def _step(case: Case, e: Entry, target: str) -> Step:
    if e.act in ("export", "bundle"):
        return Step(e.seq, (), "a bundle was built here; it needs a key: mpk-tui bundle build")
    made = _MAKERS.get(e.act)
    if made is None:
        return Step(e.seq, (), f"an act that this version has no command for: {e.act}")
    act, options, words = made(case, e)
    code = 21 if e.act == "hash_after" and e.result != "same" else 0
    # Options are single words and everything else stands behind --, so that no text can be taken for an option.
    argv = ("case", act, *(f"--{n}={v}" if v is not None else f"--{n}" for n, v in options), "--", target, *words)
    return Step(e.seq, argv, code=code)


Options = list[tuple[str, str | None]]
Made = tuple[str, Options, tuple[str, ...]]


def _given(**values: Any) -> Options:
    """Options with a text; empty ones are left out."""
    return [(n.replace("_", "-"), str(v)) for n, v in values.items() if v]


def _open(case: Case, e: Entry) -> Made:
    facts: Options = [(n.replace("_", "-"), str(v)) for n, v in e.params["facts"].items()]
    return "new", [("id", str(e.params["id"])), *facts], ()


def _set(case: Case, e: Entry) -> Made:
    return "set", [(n.replace("_", "-"), str(v)) for n, v in e.params.items()], ()


def _add(case: Case, e: Entry) -> Made:
    p = e.params
    path = _path(case, p["id"]) or str(p["name"])
    options = _given(role=p["role"], id=p["id"], label=p["label"], note=p["note"], model=p.get("model"))
    options += [("partial", None)] * (p.get("partial") == "yes")
    options += _given(base=(_path(case, f"{p['id']}{BASE}") or p["base"]) if p.get("base") else "")
    if isinstance(e.result, Mapping):
        for listed in e.result.get("hash_lists", ()):
            options += [("hashes", _list(case, path, listed)), ("hashes-name", str(listed["list"]))]
        options += _given(accept_mismatch=e.result.get("accepted_mismatch"))
    return "add", options, (path,)


def _path(case: Case, name: str) -> str:
    try:
        return (case.root / PATHS / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _list(case: Case, path: str, listed: Mapping[str, Any]) -> str:
    """Where a hash list lies: among the files that it lists, if it is still there unchanged, else as the case keeps it.

    A list among the files it lists is not itself a file that it fails to list; elsewhere it would not be left out.
    """
    there = Path(path) / str(listed["list"])
    digest = str(listed.get("list_sha256", ""))
    try:
        if there.parent == Path(path) and hashtree.sha256(there.read_bytes()).hex() == digest:
            return str(there)
    except OSError:
        pass
    return _kept(case, digest)


def _kept(case: Case, digest: str) -> str:
    return str((case.root / ATTACHMENTS / digest).absolute())


def _evidence(case: Case, e: Entry) -> Made:
    item = e.params["item"]
    options = _given(pair=e.params["pair"])
    if item["record"]:
        if item["locator"] in WHOLE:
            return "evidence", [*options, ("from-comparison", None)], ()
        options += [("from-row", item["locator"]), ("excerpt", item["excerpt"])]
        return "evidence", [*options, *(("supports", q) for q in item["supports"])], ()
    options += [("kind", item["kind"]), *(("supports", q) for q in item["supports"])]
    options += [("opposes", q) for q in item["opposes"]]
    options += _given(
        source=item["source"], locator=item["locator"], excerpt=item["excerpt"], attached=item["digest"], id=item["id"]
    )
    return "evidence", options, ()


def _attach(case: Case, e: Entry) -> Made:
    digest = e.obj.hex() if e.obj else ""
    return "attach", _given(name=e.params["name"]), (_kept(case, digest),)


def _answer(case: Case, e: Entry) -> Made:
    a = e.params["answer"]
    options = _given(pair=e.params["pair"], reason=a["reason"])
    options += [("evidence", i) for i in a["evidence"]]
    options += _given(basis=a["basis"])
    options += [("hop", json.dumps(list(h), ensure_ascii=False)) for h in a["hops"]]
    options += [("direction-documented", None)] * bool(a["direction_documented"])
    return "answer", [*options, *_given(resolution=a["resolution"])], (a["question"], a["answer"])


def _review(case: Case, e: Entry) -> Made:
    return "review", _given(pair=e.params["pair"], who=e.who, outcome=e.params["outcome"], text=e.note), ()


def _custody(case: Case, e: Entry) -> Made:
    fields: Options = [(n.replace("_", "-"), str(v)) for n, v in e.params.items()]
    return "custody", [f for f in fields if f[1]], (e.act, *([e.note] * bool(e.note)))


def _about_pair(act: str, *names: str) -> Callable[[Case, Entry], Made]:
    def make(case: Case, e: Entry) -> Made:
        words: list[str] = []
        for name in names:
            value = e.params[name]
            words += [value] if isinstance(value, str) else [str(v) for v in value]
        return act, _given(pair=e.params["pair"]), tuple(words)

    return make


_MAKERS: Mapping[str, Callable[[Case, Entry], Made]] = {
    "open": _open, "facts": _set, "artifact": _add, "attach": _attach, "evidence": _evidence, "answer": _answer,
    "artifact_removed": lambda case, e: ("remove", [], (str(e.params["id"]),)),
    "hash_before": lambda case, e: ("fingerprint", [], (str(e.params["id"]),)),
    "hash_after": lambda case, e: ("rehash", [], (str(e.params["id"]),)),
    "analyse": lambda case, e: ("compare", [], (str(e.params["pair"]),)),
    "evidence_removed": lambda case, e: (
        "evidence", [*_given(pair=e.params["pair"]), ("remove", str(e.params["id"]))], ()
    ),
    "rationale": _about_pair("rationale", "text"), "known_gaps": _about_pair("gaps", "gaps"),
    "note": lambda case, e: ("note", _given(artifact=e.params.get("id")), (e.note,)),
    "review": _review, **dict.fromkeys(CUSTODY, _custody),
    "undo": lambda case, e: ("undo", [], ()), "redo": lambda case, e: ("redo", [], ()),
}  # fmt: skip
