"""What a bundle says: the case, every pair with its answers, evidence and comparison; the rest from its neighbours.

Shown only where the verdict lets it be shown, or under a banner because somebody asked.  All of it is a claim of
whoever signed, but for the verdicts on pairs, which are recomputed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from mpk_tui.bundle.consistency import norm_of
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.left_open import WHICH, direction, not_established
from mpk_tui.bundle.outcome import Outcome, PairReport
from mpk_tui.bundle.wording import when
from mpk_tui.constitution.norm import Norm
from mpk_tui.text import hex_groups
from mpk_tui.tui.screens.verify import journal
from mpk_tui.tui.screens.verify.examined import artifact_parts, making_parts
from mpk_tui.tui.screens.verify.part import Lines, Part, Rows, Table, withheld
from mpk_tui.tui.screens.verify.view import tensors_of
from mpk_tui.tui.widgets.table import Column
from mpk_tui.tui.wording import kind, short_answer, words

AGREES = {
    True: "what was signed agrees with it",
    False: "what was signed CONTRADICTS it",
    None: "what was signed cannot be held against it",
}

ITEMS = 20
"""Items and answers beside a verdict that are listed at most."""


def parts(outcome: Outcome, contents: Contents) -> list[Part]:
    """Parts of the contents: the case, pairs, what happened, artifacts, the making."""
    norm = norm_of(contents)
    return [
        Part("case", "Case facts", f"{contents.case.id} {contents.case.title}", text=lambda: _case(contents)),
        *(p for pair in outcome.pairs for p in _pair(outcome, contents, norm, pair)),
        *journal.parts(contents),
        *(p for a in contents.artifacts for p in artifact_parts(contents, a)),
        *making_parts(contents),
    ]


def _case(contents: Contents) -> Lines:
    case, out = contents.case, Lines()
    out.fact("Case", case.id).fact("Title", case.title).fact("Exhibit", case.exhibit)
    out.fact("Root exhibit", case.root_exhibit).fact("Authority", case.authority).fact("Purpose", case.purpose)
    out.fact("Bundle number", str(contents.seq))
    out.fact("Bundle before it", hex_groups(contents.prev) if contents.prev else "none")
    out.fact("Dated", f"{when(contents.created)} (the signers' claim)")
    verdict = contents.sections.get("verdict")
    if verdict is not None:
        out.fact("Decided", f"by {verdict['decided_by']}, {when(verdict['decided_at'])} (a claim)")
    row = contents.sections["norm"]
    out.fact("Norm", f"{row['id']} {row['version']}, data {row['digest'].hex()}")
    out.gap().head("Artifacts")
    for a in contents.artifacts[:200]:
        out.line(
            f"{a['id']}  {a['role']}: {a['label']} ({a['format']}, {a['family']}, {a['parameters']:,} parameters)"
            f"{'' if a['complete'] else '; only part of it was examined'}"
        )
    if len(contents.artifacts) > 200:
        out.line(f"and {len(contents.artifacts) - 200} more")
    return out


def _pair(outcome: Outcome, contents: Contents, norm: Norm, pair: PairReport) -> list[Part]:
    name = pair.pair
    seen = pair.recomputed if pair.recomputed is not None else pair.signed
    state = "withheld" if seen is None else str(seen["display"])
    if pair.agrees is False:
        state += ", NOT what was signed"
    answers, evidence = contents.rows("answers", name), contents.rows("evidence", name)
    out = [
        Part(
            f"pair:{name}", f"{name} verdict", state, text=lambda: _decided(contents, norm, pair),
            claim=pair.recomputed is None,
        ),
    ]  # fmt: skip
    if "answers" in contents.sections:
        met = sum(a["answer"] == "met" for a in answers)
        about = "What the signers answered, and what the tool had proposed."
        out.append(
            Part(
                f"answers:{name}", f"{name} answers", f"{len(answers)}, {met} met", about,
                table=lambda: _answers(norm, answers),
            )
        )  # fmt: skip
    else:
        out.append(Part(f"answers:{name}", f"{name} answers", "withheld", text=lambda: withheld("answers")))
    if "evidence" in contents.sections:
        kinds = ", ".join(sorted({kind(e["kind"]) for e in evidence}))
        out.append(
            Part(
                f"evidence:{name}", f"{name} evidence", f"{len(evidence)}{f': {kinds}' if kinds else ''}",
                "What the answers rest on.", table=lambda: _evidence(evidence),
            )
        )  # fmt: skip
    else:
        out.append(Part(f"evidence:{name}", f"{name} evidence", "withheld", text=lambda: withheld("evidence")))
    if "findings" not in contents.sections:
        out.append(Part(f"finding:{name}", f"{name} comparison", "withheld", text=lambda: withheld("findings")))
    for row in contents.rows("findings", name):
        record = row["record"]
        finding = record.get("finding")
        out.append(
            Part(
                f"finding:{name}:{row['digest'].hex()[:16]}", f"{name} comparison",
                finding if isinstance(finding, str) else "no finding", record=record,
                tensors=partial(tensors_of, outcome, contents, name),
            )
        )  # fmt: skip
    return out


def _decided(contents: Contents, norm: Norm, pair: PairReport) -> Lines:
    out = Lines()
    names = {a["id"]: a["label"] for a in contents.artifacts}
    for side in pair.pair.split(":"):
        out.fact(side, names.get(side, "no artifact of this bundle"))
    out.gap().head("Recomputed here, from the norm, the answers and the evidence")
    if pair.recomputed is None:
        out.line("Not recomputed: answers or evidence are withheld, or this is no pair of the bundle.")
    else:
        _one_verdict(out, norm, pair.recomputed)
        out.line(f"{AGREES[pair.agrees]}.".capitalize(), "bold")
    _left_open(out, contents, norm, pair)
    out.gap().head("As signed")
    signed = pair.signed
    if signed is None:
        return out.line("There is none, or it is withheld.")
    if pair.agrees:
        out.line("The same.")
    else:
        _one_verdict(out, norm, signed)
    out.quote("The signer's reasons", signed["rationale"])
    for title, name in (("Alternatives considered", "alternatives"), ("Limits", "limitations")):
        for text in signed[name]:
            out.fact(title, text)
    titles = {g["id"]: g["title"] for g in norm.data["known_gaps"]}
    for gap in signed["known_gaps"]:
        out.fact("Known gap of the norm", f"{gap} {titles.get(gap, '')}")
    return out


def _left_open(out: Lines, contents: Contents, norm: Norm, pair: PairReport) -> None:
    """Which came first, in the evidence's words, and what was answered met and is not established."""
    items = direction(contents, pair)
    if items is not None:
        out.gap().line(f"{WHICH}{':' if items else ', which is withheld.'}")
    for e in (items or ())[:ITEMS]:
        where = f", {e['locator']}" if e["locator"] else ""
        out.quote(f"{e['id']}, source", f"{e['source'] or 'not stated'}{where}")
        out.quote(f"{e['id']}, excerpt", e["excerpt"] or "none")
    for a in not_established(contents, pair)[:ITEMS]:
        out.gap().line(f"Answered met, not established: {_question(norm, a['question'])}")
        out.quote("Resolved in writing, in the signer's words", a["resolution"])


def _one_verdict(out: Lines, norm: Norm, v: Mapping[str, Any]) -> None:
    out.line(v["display"] if v["display"] == v["label"] else f"{v['label']}: {v['display']}")
    for title in ("conditions", "mechanisms", "exclusions"):
        for question in v[title]:
            out.line(f"  {title[:-1]} {_question(norm, str(question))}")
    if v["basis"]:
        out.line(f"  basis {v['basis']}")
    for sentence in v["statements"]:
        out.line(f"  {sentence}")


def _question(norm: Norm, question: str) -> str:
    """A question's number and title; a stranger may ask what the norm does not."""
    known = {**norm.conditions, **norm.mechanisms, **norm.exclusions}.get(question)
    return f"{question.upper()} {known.title}" if known is not None else f"{question} (no question of this norm)"


def _answers(norm: Norm, rows: Sequence[Mapping[str, Any]]) -> Table:
    def row(_: int, a: Mapping[str, Any]) -> Sequence[str]:
        proposed = short_answer(a["proposed"]) if a["proposed"] else "–"
        return (
            a["question"].upper(), short_answer(a["answer"]), proposed, ", ".join(a["evidence"]) or "–",
            a["reason"] or "–",
        )  # fmt: skip

    def details(n: int) -> list[tuple[str, str]]:
        a = rows[n]
        hops = "; ".join(f"{h[0]} → {h[1]} ({h[2].upper()})" for h in a["hops"])
        over = a["proposed"] and a["proposed"] != a["answer"]
        return [
            ("Question", _question(norm, a["question"])), ("Answer", words(a["answer"])),
            ("The tool proposed", (words(a["proposed"]) or "nothing") + (", which was overridden" if over else "")),
            ("Reason", a["reason"] or "–"), ("Evidence", ", ".join(a["evidence"]) or "–"),
            ("Basis", a["basis"] or "–"), ("Hops", hops or "–"),
            ("Direction documented", "yes" if a["direction_documented"] else "no"),
            ("Contradiction resolved", a["resolution"] or "–"),
        ]  # fmt: skip

    return Table(
        (
            Column("question", 8), Column("answer", 8), Column("proposed", 8), Column("evidence", 12),
            Column("reason"),
        ),
        Rows(rows, row), details, "No question was answered.",
    )  # fmt: skip


def _evidence(rows: Sequence[Mapping[str, Any]]) -> Table:
    def row(_: int, e: Mapping[str, Any]) -> Sequence[str]:
        about = [*(q.upper() for q in e["supports"]), *(f"not {q.upper()}" for q in e["opposes"])]
        return (e["id"], kind(e["kind"]), ", ".join(about) or "–", e["source"] or e["finding"] or "–")

    def details(n: int) -> list[tuple[str, str]]:
        e = rows[n]
        return [
            ("Item", e["id"]), ("Kind", kind(e["kind"])),
            ("Supports", ", ".join(q.upper() for q in e["supports"]) or "–"),
            ("Opposes", ", ".join(q.upper() for q in e["opposes"]) or "–"),
            ("Source", e["source"] or "–"), ("Where in it", e["locator"] or "–"), ("Excerpt", e["excerpt"] or "–"),
            ("SHA-256 of the document", e["digest"].hex() if e["digest"] else "–"),
            ("Finding", e["finding"] or "–"),
            ("Comparison record", e["record"].hex() if e["record"] else "–"),
        ]  # fmt: skip

    return Table(
        (Column("item", 8), Column("kind", 8), Column("bears on", 16), Column("source")),
        Rows(rows, row), details, "No evidence was brought.",
    )  # fmt: skip
