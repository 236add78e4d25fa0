"""What the check itself found: the verdict in words, who signed, who endorsed, sections, comparisons with this machine.

These parts are there whatever the verdict is; of what a bundle says they show only what its verdict lets be shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mpk_tui.bundle import wording
from mpk_tui.bundle.manifest import UNATTENDED
from mpk_tui.bundle.outcome import MEANING, ON_REQUEST, EndorsementReport, Outcome, SectionReport, SignerReport
from mpk_tui.hashtree import sha256
from mpk_tui.keys.words import words
from mpk_tui.text import hex_groups, size
from mpk_tui.tui import keys
from mpk_tui.tui.screens.verify.part import Lines, Part, Rows, Table, number, sentences
from mpk_tui.tui.verifying import Opened
from mpk_tui.tui.widgets.table import Column

HOW_TO_TRUST = (
    "Nobody is trusted from this screen. Compare the key with its holder by another channel (by voice, on paper), as "
    "hex groups or as words; then, on the command line: mpk-tui keys trust KEY.pub.pem --name NAME --role ROLE. A "
    "bundle never brings its own trust along: whoever made it could have made the key as well."
)
LISTS = ("changed", "missing", "extra", "not_comparable")


def parts(opened: Opened) -> list[Part]:
    """Parts of the outcome, in the order of a reader's questions."""
    outcome = opened.outcome
    shown = outcome.shown(untrusted=opened.untrusted) is not None
    out = [
        Part("verdict", "What the check says", str(outcome.verdict), text=lambda: _verdict(opened), claim=False),
        Part(
            "signers", "Who signed", _states(outcome.signers) or "nobody that could be read",
            text=lambda: _signers(outcome), claim=False,
        ),
    ]  # fmt: skip
    if outcome.endorsements:
        out.append(
            Part(
                "endorsements",
                "Endorsed or dissented",
                _kinds(outcome),
                text=lambda: _endorsements(outcome, shown),
                claim=False,
            )
        )
    if outcome.contradictions and shown:
        out.append(
            Part(
                "contradictions", "Contradictions", f"{len(outcome.contradictions):,}",
                "What was signed does not follow from what the bundle holds.",
                table=lambda: sentences(outcome.contradictions, "contradiction"), claim=False,
            )
        )  # fmt: skip
    told = wording.notices(outcome, shown=shown)
    if told:
        out.append(Part("notices", "Notices", f"{len(told):,}", table=lambda: sentences(told, "notice"), claim=False))
    for n, row in enumerate(outcome.checkpoint if shown else ()):
        out.append(_local(n, row))
    out += [_again(row) for row in (outcome.rerun if shown else ())]
    for n, row in enumerate(outcome.earlier if shown else ()):
        out.append(_earlier(n, row))
    return out


def section_part(outcome: Outcome) -> list[Part]:
    """All sections with their states."""
    if not outcome.sections:
        return []
    odd = [s for s in outcome.sections if s.state != "intact"]
    state = f"{len(outcome.sections)}, " + (f"{len(odd)} not complete and intact" if odd else "all complete and intact")
    return [
        Part(
            "sections", "Sections", state,
            "What the signature commits to. Withheld ones keep their size and digest; redactions are named there.",
            table=lambda: _sections(outcome.sections), claim=False,
        )
    ]  # fmt: skip


def _verdict(opened: Opened) -> Lines:
    outcome, out = opened.outcome, Lines()
    out.line(f"{outcome.verdict} (exit code {int(outcome.code)})", "bold").line(outcome.words).gap()
    if MEANING not in outcome.words:
        out.line(MEANING).gap()
    out.head("Whom this rests on")
    for line in opened.trust_lines():
        out.line(line)
    out.gap().head("The file")
    out.fact("Path", str(opened.request.bundle))
    if opened.checked.data is not None:
        out.fact("SHA-256 of the file", sha256(opened.checked.data).hex())
        out.fact("Size", f"{size(len(opened.checked.data))}")
    if outcome.bundle_id is not None:
        out.fact("Bundle id", hex_groups(outcome.bundle_id))
    if opened.checked.at:
        out.fact("Checked", f"{wording.when(opened.checked.at)} by this machine's clock")
    if outcome.first_seen is not None:
        out.fact("First seen here", wording.when(outcome.first_seen))
    out.line(opened.receipt_line())
    for sentence in opened.asides:
        out.line(f"! {sentence}")
    if outcome.verdict in ON_REQUEST and outcome.shown(untrusted=opened.untrusted) is None:
        key = keys.name_of("verify", "untrusted")
        out.gap().line(f"What it says is not shown. {key} shows it, under a banner, not to be relied on.")
    elif outcome.shown(untrusted=opened.untrusted) is None:
        out.gap().line("What it says is not shown: under this verdict nothing of it can be relied on.")
    return out


def _states(signers: Sequence[SignerReport]) -> str:
    counts: dict[str, int] = {}
    for s in signers:
        counts[s.state] = counts.get(s.state, 0) + 1
    return ", ".join(f"{n} {state}" for state, n in counts.items())


def _signers(outcome: Outcome) -> Lines:
    out = Lines()
    missing = [s for s in outcome.signers if s.state == "missing"]
    if missing:
        out.line(f"! {len(missing)} declared co-signers are missing; a bundle needs all of them.", "bold").gap()
    for s in outcome.signers:
        who = s.person or "nobody that you know"
        out.head(f"{s.state}: {who}, signs as {s.id!r}" if s.id else f"{s.state}: a key that the bundle does not name")
        out.fact("Role", s.role)
        if s.role == UNATTENDED:
            out.line(f"! {wording.NOBODY_READ}", "bold")
        out.fact("Why", s.reason)
        for key in s.keyids:
            _key(out, key)
        out.gap()
    if not outcome.signers:
        out.line("No signature could be read.").gap()
    return out.line(HOW_TO_TRUST)


def _key(out: Lines, keyid: bytes) -> None:
    groups = hex_groups(keyid)
    out.line(f"  key {groups[:39]}").line(f"      {groups[40:]}")
    out.line(f"      in words: {words(keyid)}")


def _kinds(outcome: Outcome) -> str:
    counts: dict[str, int] = {}
    for e in outcome.endorsements:
        counts[e.kind] = counts.get(e.kind, 0) + 1
    return ", ".join(f"{n} {kind}" for kind, n in counts.items())


def _endorsements(outcome: Outcome, shown: bool) -> Lines:
    out = Lines()
    # Whoever agrees and whoever does not stand side by side, before everything else.
    ordered = sorted(outcome.endorsements, key=lambda e: e.kind not in wording.OPINIONS)
    for e in ordered:
        _endorsement(out, e, shown)
    out.line("A deleted endorsement, a dissent too, cannot be seen from one file.")
    return out


def _endorsement(out: Lines, e: EndorsementReport, shown: bool) -> None:
    kind = e.kind.upper() if e.kind in wording.OPINIONS else e.kind
    out.head(f"{kind} by {e.person or 'nobody that you know'}, as {e.id!r}, {e.role}: {e.state}")
    out.fact("Dated", f"{wording.when(e.at)} (a claim)")
    if shown:
        out.fact("About", e.detail)
        out.quote("In their words", e.statement)
    elif e.statement:
        out.line("What it says is not shown under this verdict.")
    for key in e.keyids:
        _key(out, key)
    out.gap()


def _sections(sections: Sequence[SectionReport]) -> Table:
    def row(_: int, s: SectionReport) -> Sequence[str]:
        count = f"{s.count:,}" if s.kind != "blob" else "–"
        return (s.state, s.id, s.kind, size(s.size), count, f"{s.withheld:,}" if s.withheld else "–")

    def details(n: int) -> list[tuple[str, str]]:
        s = sections[n]
        some = ", ".join(str(i) for i in s.items[:200]) + (f" and {len(s.items) - 200} more" * (len(s.items) > 200))
        return [
            ("Section", s.id), ("Kind", s.kind), ("State", s.state), ("Why", s.reason or "–"),
            ("Size", f"{s.size:,} bytes"), ("Items", f"{s.count:,}"), ("Withheld items", f"{s.withheld:,}"),
            ("Their numbers", some or "–"),
        ]  # fmt: skip

    return Table(
        (
            Column("state", 15), Column("section", name=True), Column("kind", 6), Column("size", 9, right=True),
            Column("items", 9, right=True), Column("withheld", 8, right=True),
        ),
        Rows(sections, row),
        details,
    )  # fmt: skip


def _local(n: int, record: Mapping[str, Any]) -> Part:
    """One checkpoint of this machine, weights and folder answered apart."""
    rows = [
        (level, name.replace("_", " "), item)
        for level in ("tensors", "files")
        for name in LISTS
        for item in record[level][name]
    ]

    def text() -> Lines:
        out = Lines().fact("Yours", str(record["path"])).fact("Result", str(record["result"]))
        out.fact("Artifact", str(record["artifact"] or "none of the bundle's"))
        out.fact("Weights", str(record["weights"])).fact("Folder", str(record["folder"]))
        out.line(str(record["sentence"]))
        if record["features"] is not None:
            out.fact("Features", str(record["features"]["sentence"]))
        for notice in record["notices"]:
            out.line(f"Notice: {notice}")
        return out.line(f"{record['tensors']['same']:,} tensors and {record['files']['same']:,} files are the same.")

    return Part(
        f"local{n}", "Yours", f"{record['result']}: {record['path']}",
        text=text, claim=False,
        table=lambda: Table(
            (Column("what", 8), Column("how", 14), Column("name", name=True)), rows,
            lambda at: list(zip(("What", "How", "Name"), rows[at], strict=True)), "Nothing differs.",
        ),
    )  # fmt: skip


def _again(record: Mapping[str, Any]) -> Part:
    """One pair computed again from the bundle's own features."""
    tests = record["tests"]

    def row(_: int, t: Mapping[str, Any]) -> Sequence[str]:
        signed = [number(t["signed_z"], 1), number(t["signed_rho"])]
        again = [number(t["found_z"], 1), number(t["found_rho"])]
        return (t["name"], t["state"], *signed, *again)

    def details(n: int) -> list[tuple[str, str]]:
        return [(k.replace("_", " "), "–" if v in (None, "") else str(v)) for k, v in tests[n].items()]

    def text() -> Lines:
        out = Lines().line(record["sentence"])
        for fault in record["faults"]:
            out.line(f"! {fault}")
        return out.line("Features hold fewer units than weights do, so their z is closer to 0.")

    return Part(
        f"again:{record['pair']}", f"{record['pair']} computed again", record["outcome"], text=text, claim=False,
        table=lambda: Table(
            (
                Column("test", 20), Column("state", 12), Column("signed z", 9, right=True),
                Column("corr.", 7, right=True), Column("again z", 9, right=True), Column("corr.", 7, right=True),
            ),
            Rows(tests, row), details, "No test was repeated.",
        ),
    )  # fmt: skip


def _earlier(n: int, record: Mapping[str, Any]) -> Part:
    def text() -> Lines:
        out = Lines().fact("Earlier bundle", record["path"]).fact("It reads", record["verdict"])
        out.fact("Number", "–" if record["seq"] is None else str(record["seq"])).fact("Id", record["bundle"] or "–")
        return out.line(record["sentence"])

    return Part(f"earlier{n}", "Earlier bundle", f"{record['result']}: {record['path']}", text=text, claim=False)
