"""The first page: is the bundle intact, who signed it, what does it say, and what does it not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.bundle.manifest import UNATTENDED
from mpk_tui.bundle.outcome import MEANING, EndorsementReport, PairReport, SignerReport, Word
from mpk_tui.bundle.trust import GIVEN_KEY
from mpk_tui.bundle.wording import NOBODY_READ, OPINIONS, trust_lines, when
from mpk_tui.constitution.verdict import LINKED
from mpk_tui.report.content.judged import left_open
from mpk_tui.report.content.view import ROWS, View, cut, statement, verdict_of
from mpk_tui.report.document import (
    STANDINGS,
    Block,
    Cell,
    Facts,
    Items,
    Para,
    Quote,
    Run,
    Section,
    Stamp,
    Standing,
    Table,
)
from mpk_tui.report.source import EXPORTER
from mpk_tui.report.untrusted import cell, code, joined, say, shown
from mpk_tui.text import hex_groups, size

STATES = {
    "trusted": "trusted: the key is in the verifier's store, or was named for this report",
    "untrusted": "not known to the verifier",
    "expired": "the key's time is over",
    "revoked": "the key was revoked",
    "bad": "the signature does not fit",
    "missing": "declared and not there",
    "ignored": "not taken into account",
}
SIGNED = {
    "trusted": "trusted by the verifier",
    "untrusted": "not known to the verifier",
    "expired": "the key's time was over",
    "revoked": "the key was revoked",
    "not verified": "the signature could not be verified",
}
"""What became of an endorsement."""
WORDS = {
    Word.VALID: "The bundle is whole and unchanged since it was signed, by people whom the verifier trusts.",
    Word.PARTIAL: "What is there is unchanged since it was signed, but parts of the bundle are not in this file.",
    Word.INCONSISTENT: "The bundle is unchanged since it was signed, but its verdict does not follow from its content.",
    Word.UNTRUSTED: "The bundle is unchanged since it was signed, by somebody whom the verifier does not know.",
    Word.EXPIRED: "The bundle is unchanged since it was signed, but a signer's key had ended or the store is too old.",
    Word.REVOKED: "A key that signed the bundle was revoked: the signature shows nothing about who made it.",
    Word.REPLAY: "The bundle is older than one that was seen before, or does not carry on from it.",
    Word.MISMATCH: "The bundle is intact, and a checkpoint that was held against it is not the one that it describes.",
}
"""What the check's word means, for a reader who has never seen one."""


def sections(view: View) -> tuple[Section, ...]:
    """The sections of the first page."""
    return (_check(view), _says(view), _does_not_say(), _case(view), _reading())


def _check(view: View) -> Section:
    outcome = view.outcome
    word = outcome.verdict
    blocks: list[Block] = [Stamp(word.value, say(WORDS.get(word, "")), word is Word.VALID)]
    told = outcome.words.replace(MEANING, "").strip()
    if told:
        blocks.append(Para(say("The check said: ", view.purse.tool(told, 2000))))
    blocks.append(Para(say(MEANING)))
    blocks += _signers(view)
    blocks += _opinions(view)
    blocks.append(Para(say(_trust(view), " ", _made(view))))
    if outcome.contradictions:
        listed, more = cut(list(outcome.contradictions), 40)
        items = [say(view.purse.tool(c)) for c in listed] + ([say(f"and {more:,} more")] if more else [])
        blocks += [Para(say("Contradictions that the check found:"), strong=True), Items(tuple(items))]
    withheld = view.source.withheld
    if withheld:
        text = f"Parts are withheld: {len(withheld)}; they are listed under “What is not in it”."
        blocks.append(Para(say(text), strong=True))
    return Section("check", "Check of the bundle", tuple(blocks), standing=Standing.CHECKED)


def _hex(digest: bytes | None) -> str:
    return digest.hex() if digest else "not known"


def _made(view: View) -> str:
    stated = view.source.made
    tool = f"This report was made from the signed bundle alone, by {' '.join(EXPORTER)}"
    return f"{tool}; no time of making was stated." if stated is None else f"{tool}; made {when(stated)}, as stated."


def _signers(view: View) -> list[Block]:
    rows = []
    listed, more = cut(list(view.outcome.signers), 40)
    for s in listed:
        rows.append((_who(view, s), cell(view.purse.name(s.role or "none", 40)), _state(s, view), _keys(s.keyids)))
    alone = [s for s in view.outcome.signers if s.role == UNATTENDED]
    told: list[Block] = [Para(say(f"{NOBODY_READ[0].upper()}{NOBODY_READ[1:]}."), strong=True)] if alone else []
    return [*told, Table("Signatures", ("Who", "Role", "State", "Key (SHA-256 of the public key)"), tuple(rows), more)]


def _opinions(view: View) -> list[Block]:
    """Agreement and dissent of trusted people, side by side; those of strangers are counted."""
    said = [e for e in view.outcome.endorsements if e.kind in OPINIONS]
    known, more = cut([e for e in said if e.state == "trusted"], 12)
    out = [block for e in known for block in endorsement(view, e)]
    strangers = [e for e in said if e.state != "trusted"]
    if strangers or more:
        against = sum(e.kind == "dissent" for e in strangers)
        text = (
            f"By people whom the verifier does not trust: dissents {against}, agreements {len(strangers) - against}"
            + (f"; by trusted people, {more} more" if more else "")
        )
        out.append(Para(say(f"{text}; see “Endorsements and dissents”.")))
    return out


def _who(view: View, s: SignerReport) -> Cell:
    declared = view.purse.name(s.id, 120) if s.id else "somebody whom the bundle does not declare"
    if s.person == GIVEN_KEY:
        return say("declared as ", declared), say("by the key that was named for this report")
    if s.person:
        return (say(view.purse.name(s.person, 120), " in the verifier's store"), say("declared as ", declared))
    return (say("declared as ", declared) if s.id else say(declared),)


def _state(s: SignerReport, view: View) -> Cell:
    first = say(STATES.get(s.state, s.state))
    return (first, say(view.purse.tool(s.reason))) if s.reason else (first,)


def _keys(keyids: tuple[bytes, ...]) -> Cell:
    return tuple(say(code(hex_groups(k))) for k in keyids) or cell("–")


def endorsement(view: View, e: EndorsementReport) -> list[Block]:
    """An endorsement: what kind, by whom, and their words."""
    name = {"concur": "AGREES", "dissent": "DISSENTS"}.get(e.kind, e.kind)
    who = say(
        Run(f"{name}: "), view.purse.name(e.person or e.id, 120),
        *(() if not e.person else (Run(", declared as "), view.purse.name(e.id, 120))), Run(", "),
        view.purse.name(e.role or "no role", 40), Run(f", {when(e.at)} as they state, key "),
        *joined([code(k.hex()[:16]) for k in e.keyids]), Run(f"; {SIGNED.get(e.state, e.state)}"),
    )  # fmt: skip
    lines = view.purse.lines(e.statement, 4000)
    detail = (Para(say(view.purse.tool(e.detail, 2000))),) if e.detail else ()
    return [Quote(who, lines) if lines else Para(who), *detail]


def _trust(view: View) -> str:
    if view.source.dated is None:
        return "Trust rests on a key that was named for this report; nothing is known here of its revocation."
    # The lines are ours: a store's dates and the digest of its root.
    lines = [shown(line.removeprefix("trust").strip()) for line in trust_lines(view.source.dated, view.source.edition)]
    return f"Trust: {' '.join(lines)}."


def _says(view: View) -> Section:
    """Each pair: label, display, what it rests on, and every sentence that belongs to it."""
    pairs, more = cut(list(view.outcome.pairs), ROWS)
    rows = tuple(_row(view, p) for p in pairs)
    blocks: list[Block] = []
    if pairs and all(p.agrees for p in pairs):
        blocks.append(Para(say("Recomputed here from the norm, the answers and the evidence; the same was signed.")))
    blocks.append(Table("Verdict of each pair", ("Pair", "Label", "Shown as", "Rests on"), rows, more))
    for p in pairs[:40]:
        blocks += _statements(view, p)
    return Section("verdicts", "What the bundle says", tuple(blocks), standing=Standing.RULE)


def _row(view: View, p: PairReport) -> tuple[Cell, ...]:
    verdict, _ = verdict_of(p)
    if verdict is None:
        return (view.pair(p.pair),), cell("withheld"), cell("–"), cell("–")
    rests = view.questions((*verdict["conditions"], *verdict["mechanisms"], *verdict["exclusions"]))
    fresh = p.recomputed is not None
    return (
        (view.pair(p.pair),), cell(label(verdict, fresh=fresh, view=view)),
        cell(statement(view, verdict["display"], fresh=fresh)), (joined(rests, empty="–"),),
    )  # fmt: skip


def label(verdict: Mapping[str, Any], *, fresh: bool, view: View) -> Run:
    """A verdict's label; the one that must not be overlooked in capitals."""
    text = str(verdict["label"])
    return statement(view, text.upper() if text == LINKED else text, fresh=fresh)


def _statements(view: View, p: PairReport) -> list[Block]:
    verdict, how = verdict_of(p)
    if verdict is None:
        return [Para((*view.pair(p.pair), Run(": the verdict is withheld.")))]
    fresh = p.recomputed is not None
    came = "" if p.agrees else f", {how}"
    out: list[Block] = [Para((*view.pair(p.pair), Run(f"{came}:")), strong=True)]
    if p.agrees is False and p.signed is not None:
        signed = view.purse.tool(p.signed["display"], 128)
        out.append(Para(say("The signed verdict says something else: ", signed, "."), strong=True))
    statements, more = cut(list(verdict["statements"]), 20)
    items = [say(statement(view, s, fresh=fresh)) for s in statements] + ([say(f"and {more} more")] if more else [])
    return [*out, Items(tuple(items)), *left_open(view, p)]


def _does_not_say() -> Section:
    items = (
        "Anything about licences or rights. Derivation is not licensing: whether terms carry over from one model to "
        "another, and were kept, is a question of law and documents.",
        "Anything about intent, or about who did what and when.",
        "That like behaviour means shared weights, or that shared weights mean like behaviour.",
        "Which of two related models came first, unless documentation (evidence of kind a) says so.",
        "That a pair shown as independent has no relation. Distillation, or training on text that the other model "
        "wrote, without inherited weights, could not have been seen; nor a model in which every tested part was "
        "re-ordered or replaced, nor a chain so long that nothing is left.",
        "That the findings are right. The signatures say who stands behind them; the numbers and how to compute them "
        "again are in this report and in the bundle.",
    )
    return Section("limits", "What this report does not say", (Items(tuple(say(t) for t in items)),),
                   standing=Standing.GENERAL)  # fmt: skip


def _case(view: View) -> Section:
    case, outcome, source = view.contents.case, view.outcome, view.source
    verdict = view.section("verdict")
    rows: list[tuple[str, Cell]] = [("Case", cell(view.purse.name(case.id)))]
    for title, value in (
        ("Title", case.title), ("Exhibit", case.exhibit), ("Cut from exhibit", case.root_exhibit),
        ("Authority", case.authority), ("Purpose", case.purpose),
    ):  # fmt: skip
        rows.append((title, cell(view.purse.said(value)) if value else cell("not stated")))
    if verdict is not None:
        rows.append(("Examiner", cell(view.purse.name(verdict["decided_by"]))))
        rows.append(("Decided", cell(f"{when(verdict['decided_at'])} (clock of the examiner's machine)")))
    norm, previous = view.section("norm"), source.manifest.prev
    before = ("the first",) if previous is None else ("the one before it is ", code(previous.hex()))
    rows += [
        ("Norm", cell(view.purse.name(norm["id"]), " ", view.purse.name(norm["version"]), ", data file ",
                      code(norm["digest"].hex()))),
        ("Bundle id", cell(code(_hex(outcome.bundle_id)))),
        ("File", cell(view.purse.name(source.name), f", {len(source.data):,} bytes, SHA-256 ",
                      code(source.file_sha256.hex()))),
        ("Number in the case", cell(f"{source.manifest.seq}, ", *before)),
        ("Dated", cell(f"{when(source.manifest.created)}, as the signers state")),
    ]  # fmt: skip
    artifacts, more = cut(list(view.contents.artifacts))
    table = Table(
        "Models that were examined",
        ("Id", "Role", "Label", "Format", "Family", "Parameters", "Complete"),
        tuple(
            (cell(view.purse.name(a["id"], 64)), cell(a["role"]), cell(view.purse.name(a["label"], 120)),
             cell(view.purse.name(a["format"])), cell(view.purse.name(a["family"])), cell(f"{a['parameters']:,}"),
             cell("yes" if a["complete"] else "NO, parts were missing"))
            for a in artifacts
        ),
        more,
        frozenset({5}),
    )  # fmt: skip
    return Section("case", "Case, bundle and models", (Facts(tuple(rows)), table), standing=Standing.RECORDED)


def _reading() -> Section:
    rows = tuple((mark, cell(text)) for mark, text in STANDINGS.values())
    blocks: tuple[Block, ...] = (
        Para(say("Every section carries a mark that says what it rests on, so that facts stand apart from opinions:")),
        Facts(rows),
        Para(
            say(
                "Words in quotation marks “ ” are not this report's: they are those of the person or document that is "
                "named, or were recorded by the tool that made the bundle. Characters that are invisible or that "
                "control a screen are spelled out, such as \\x1b or \\u202e; text that was cut ends in … and its "
                "length. Times are UTC."
            )
        ),
    )
    return Section("marks", "How to read it", blocks, standing=Standing.GENERAL)


def bytes_of(n: int) -> str:
    """A size for people, with the exact number."""
    return f"{n:,} bytes" if n < 10_000 else f"{n:,} bytes ({size(n)})"
