"""Everything around the findings: method, endorsements, what is missing, files, versions, frameworks, words."""

from __future__ import annotations

import shlex
from pathlib import PurePath

from mpk_tui.bundle.wording import OPINIONS, notices, when
from mpk_tui.report import frameworks
from mpk_tui.report.content.front import bytes_of, endorsement
from mpk_tui.report.content.view import View, cut
from mpk_tui.report.document import Block, Cell, Command, Facts, Items, Para, Run, Section, Standing, Table
from mpk_tui.report.explain import error_rate
from mpk_tui.report.source import EXPORTER, Listed, files_of
from mpk_tui.report.untrusted import Loose, cell, code, norm, number, say, shown

FILES = 100
"""Files that are listed for a model."""
CHECKS = 120
ENDORSEMENTS = 64

PUBLISHED = (
    (
        "Relabelling of hidden units (permutation test of independence)",
        "Zhu, Ahmed, Kuditipudi, Liang: Independence Tests for Language Models, ICML 2025 (the idea; forms and code "
        "are ours)",
    ),
    ("Joining layers", "Fisher's method; Bonferroni over the forms that use the same embeddings"),
    ("Upper limits of error rates", "Clopper and Pearson 1934, exact and one-sided"),
    ("Digests, trees and signatures", "SHA-256 (FIPS 180-4), RFC 9162 trees, Ed25519 (RFC 8032), ML-DSA-65 (FIPS 204)"),
)
"""What rests on published work, and where that is."""
OWN = (
    "The forms of the row test (inner units, channels, heads, residual dimensions, anchors by shared tokens) and the "
    "bound that stands in for ranks too small to be drawn.",
    "Retention of learned structure, its thresholds, and with them the step from a shared origin to a trained "
    "ancestor. Its error rate is counted and not derived.",
    "Trajectory, findings for parts, and the ranking of mechanisms.",
)
"""What nobody but us has examined."""


def method(view: View) -> Section:
    """How a finding comes about, which tests are published and which are ours, and how often the rule was wrong."""
    rate = error_rate()
    blocks: tuple[Block, ...] = (
        Para(
            say(
                "Two questions are asked of the weights, one after the other. First: do the two models come from "
                "independent random initialisations? For this null there are exact p-values: the hidden units of one "
                "model are relabelled at random, and it is counted how often the two look as much alike as they do. A "
                "tiny p says that they share an origin, a trained model or only an initialisation. Second: was it a "
                "trained model? Weights give no p-value for that; it is read from what each has kept of the other's "
                "learned structure, by a rule whose errors were counted."
            )
        ),
        Para(
            say(
                f"Error rate of the second step: {rate.wrong:,} wrong in {rate.pairs:,} pairs of known history, "
                f"which is at most {100 * rate.upper:.1f} % at the 95 % level. Scale: {rate.models}."
            )
        ),
        Table("What rests on published work", ("What", "Source"), tuple((cell(a), cell(b)) for a, b in PUBLISHED)),
        Para(say("What is this tool's own, and was examined by nobody else:")),
        Items(tuple(say(t) for t in OWN)),
        Para(
            say(
                "What never counts by itself or together: "
                + ", ".join((view.norm.data["never_counts"] if view.norm else ()) or ("see the constitution",))
                + ". Names, architecture, tokenizer, config and summary statistics are context."
            )
        ),
        Para(
            say(
                "Random draws have fixed seeds: the same files on the same platform give the same record. "
                "docs/lineage.md of "
                "the program has nulls, thresholds and sources in full; docs/benchmark.md has the counts."
            )
        ),
    )
    return Section("method", "Method", blocks, standing=Standing.GENERAL)


def endorsements(view: View) -> Section:
    """What others signed after the signature."""
    listed, more = cut(list(view.outcome.endorsements), ENDORSEMENTS)
    blocks: list[Block] = []
    for e in sorted(listed, key=lambda e: e.kind not in OPINIONS):
        blocks += endorsement(view, e)
    if more:
        blocks.append(Para(say(f"and {more} more, in the bundle")))
    if not listed:
        blocks.append(Para(say("The file carries none.")))
    blocks.append(
        Para(
            say(
                "An endorsement can be taken out of a file without a trace: that none is here shows only that none is "
                "here."
            )
        )
    )
    return Section("endorsements", "Endorsements and dissents", tuple(blocks), standing=Standing.RECORDED)


def missing(view: View) -> Section:
    """What the bundle withholds, and what the check remarked."""
    blocks: list[Block] = []
    withheld, more = cut(list(view.source.withheld), 100)
    if withheld:
        items = [say(view.purse.tool(t, 300)) for t in withheld] + ([say(f"and {more} more")] if more else [])
        blocks += [Para(say("Withheld:"), strong=True), Items(tuple(items))]
    else:
        blocks.append(Para(say("Nothing is withheld: every section that was signed is in the file.")))
    odd = [s for s in view.outcome.sections if s.state not in ("intact", "withheld", "partly withheld")][:100]
    if odd:
        blocks.append(Items(tuple(say("section ", view.purse.name(s.id), f": {s.state}") for s in odd)))
    told = notices(view.outcome, shown=True)
    told = [t for t in told if t not in frozenset(view.outcome.contradictions)]
    listed, more = cut(told, 60)
    if listed:
        items = [say(view.purse.tool(t, 600)) for t in listed] + ([say(f"and {more} more")] if more else [])
        blocks += [Para(say("Notices of the check:")), Items(tuple(items))]
    return Section("missing", "What is not in it", tuple(blocks), standing=Standing.CHECKED)


def local(view: View) -> tuple[Section, ...]:
    """What was held against this machine, where the person asked for it: checkpoints, reruns, earlier bundles."""
    outcome = view.outcome
    rows = [
        (Run(kind), view.purse.name(PurePath(str(r[key])).name, 120), view.purse.tool(str(r["sentence"]), 600))
        for kind, key, records in (
            ("checkpoint", "path", outcome.checkpoint), ("computed again", "pair", outcome.rerun),
            ("earlier bundle", "path", outcome.earlier),
        )
        for r in records
    ]  # fmt: skip
    if not rows:
        return ()
    listed, more = cut(rows)
    table = Table("Held against this machine", ("What", "Which", "Result"),
                  tuple(tuple(cell(r) for r in row) for row in listed), more)  # fmt: skip
    return (Section("local", "Checks on this machine", (table,), standing=Standing.CHECKED),)


def files(view: View) -> Section:
    """Every model's files and roots, and the digests of all sections."""
    parts = []
    artifacts, more = cut(list(view.contents.artifacts), 40)
    for n, a in enumerate(artifacts, 1):
        parts.append(_model(view, a["id"], n))
    entries, left = cut(list(view.source.manifest.sections))
    states = {s.id: s.state for s in view.outcome.sections}
    rows = tuple(
        (cell(view.purse.name(s.id, 100)), cell(s.kind), cell(f"{s.size:,}"), cell(f"{s.count:,}" if s.count else "–"),
         cell(states.get(s.id, "–")), cell(code(s.digest.hex())))
        for s in entries
    )  # fmt: skip
    table = Table("Sections of the bundle", ("Section", "Kind", "Bytes", "Items", "State", "Digest"), rows, left,
                  frozenset({2, 3}))  # fmt: skip
    docs, left_docs = cut(list(view.section("docs") or ()))
    attached = tuple(
        (cell(view.purse.name(d["id"], 64)), cell(view.purse.name(d["name"], 160)), cell(bytes_of(d["size"])),
         cell(view.purse.name(d["supplied_by"], 120)), cell(code(d["sha256"].hex())))
        for d in docs
    )  # fmt: skip
    blocks: list[Block] = [table]
    if attached:
        columns = ("Id", "Name as supplied", "Size", "Supplied by", "SHA-256")
        blocks.append(Table("Documents that evidence rests on", columns, attached, left_docs))
    if more:
        blocks.append(Para(say(f"{more} further models are not listed here; they are in the bundle.")))
    payload = Facts(
        (
            ("SHA-256 of the payload (the signed manifest)", cell(code(view.source.payload_sha256.hex()))),
            ("Bundle id", cell(code(view.outcome.bundle_id.hex() if view.outcome.bundle_id else "–"))),
        )
    )
    return Section(
        "hashes",
        "Files and hashes",
        (payload, *blocks),
        tuple(parts),
        standing=Standing.MEASURED,
        new_page=True,
        appendix=True,
    )


def _model(view: View, artifact: str, n: int) -> Section:
    row = view.contents.artifact(artifact)
    assert row is not None  # it is one of the rows
    root = view.source.tensor_root(artifact)
    tensors = view.source.manifest.section(f"tensors.{artifact}")
    fingerprint = row["fingerprint"]
    config = Loose(view.section(f"facts.{artifact}")).inner("config")
    facts: list[tuple[str, Cell]] = [
        ("Root of the tensors' digests", cell(code(root.hex() if root else "–"))),
        ("Tensors", cell(f"{tensors.count:,}" if tensors else "–")),
        ("Fingerprint file", cell(code(fingerprint.hex()) if fingerprint else "none")),
    ]
    shape = [(k, config.number(k)) for k in ("layers", "width", "heads", "kv_heads", "head_dim", "ffn_width")]
    known = ", ".join(f"{k.replace('_', ' ')} {number(v, 0)}" for k, v in shape if v is not None)
    if known:
        facts.append(("Dimensions", cell(known)))
    listed, more = cut(list(files_of(view.contents, artifact)), FILES)
    rows = tuple(_file(view, f) for f in listed)
    columns = ("File", "Bytes", "SHA-256 at intake", "After the analysis")
    told = view.section(f"checkpoint.{artifact}")["notices"]
    first, left = cut(list(told), 20)
    remarks = (Items(tuple(say(view.purse.tool(t, 400)) for t in first)),) if first else ()
    extra = (Para(say(f"and {left} more notices")),) if left else ()
    blocks = (Facts(tuple(facts)), Table("Files", columns, rows, more, frozenset({1})), *remarks, *extra)
    return Section(f"model-{n}", "Model", blocks, standing=Standing.MEASURED, about=view.model(artifact))


def _file(view: View, f: Listed) -> tuple[Cell, ...]:
    digest = code(f.sha256.hex()) if f.sha256 else Run(shown(f.why_unhashed, 200))
    after = "CHANGED" if f.changed else "the same" if f.again else "not hashed again"
    return cell(view.purse.name(f.shown, 300)), cell(f"{f.size:,}"), cell(digest), cell(after)


def versions(view: View) -> Section:
    """What made the bundle, what it said of itself, and what made this report."""
    tool, test = view.source.manifest.tool, view.contents.sections["selftest"]
    libs = ", ".join(f"{k} {v}" for k, v in sorted(tool.libs.items())[:20])
    row = view.contents.sections["norm"]
    facts: tuple[tuple[str, Cell], ...] = (
        ("Bundle made by", cell(view.purse.name(f"{tool.name} {tool.version}"))),
        ("Its code (digest over all files)", cell(code(tool.code_sha256.hex()))),
        ("Python", cell(view.purse.name(tool.python, 64))),
        ("Libraries", cell(view.purse.name(libs or "none recorded", 400))),
        ("System", cell(view.purse.name(tool.os or "not recorded", 200))),
        (
            "Machine, as its people call it",
            cell(view.purse.name(tool.host_label, 200) if tool.host_label else "not stated"),
        ),
        ("Norm", cell(view.purse.name(f"{row['id']} {row['version']}"), ", data file ", code(row["digest"].hex()))),
        ("Report made by", cell(" ".join(EXPORTER))),
        (
            "Report made on",
            cell("not stated" if view.source.made is None else f"{when(view.source.made)}, as stated"),
        ),
    )
    checks = test["checks"]
    failed = [c for c in checks if c["passed"] is False]
    idle = sum(c["passed"] is None for c in checks)
    overall = "passed" if test["passed"] else "FAILED"
    told = f"{len(checks):,} checks, {len(failed):,} failed, {idle:,} not run; overall {overall}."
    blocks: list[Block] = [Facts(facts), Para(say("Self-test of the installation that made the bundle: " + told))]
    if failed:
        columns = ("Check", "Expected", "Found")
        rows = tuple(
            (cell(view.purse.name(c["name"], 160)), cell(view.purse.name(c["expected"], 160)),
             cell(view.purse.name(c["found"], 160)))
            for c in failed[:CHECKS]
        )  # fmt: skip
        blocks.append(Table("Checks that failed", columns, rows, max(0, len(failed) - CHECKS)))
    return Section("versions", "Versions", tuple(blocks), standing=Standing.RECORDED, appendix=True)


def framework_map(view: View) -> Section:
    """Codes of other frameworks."""
    rows = tuple((cell(norm(name)), cell(norm(", ".join(codes) or "the document"))) for name, codes in
                 frameworks.codes(view.norm))  # fmt: skip
    table = Table("Where such a report is asked for", ("Framework", "Codes"), rows)
    blocks = (Para(say(frameworks.DISCLAIMER)), table)
    return Section("frameworks", "Map to frameworks", blocks, standing=Standing.GENERAL, appendix=True)


def verifying(view: View) -> Section:
    """How to check the bundle, and what this report says of it, without a network."""
    given = view.source.name
    name = shown(shlex.quote(f"./{given}" if given.startswith("-") else given), 300)
    blocks: list[Block] = [
        Para(
            say(
                "This report is a view of the bundle and bears no signature: whoever has it can have changed "
                "it. The bundle is "
                "the evidence. Ask for it and for the signers' public keys by another way, compare the key "
                "digests on the first "
                "page by voice or on paper, and check it on a machine of your own; no network is needed."
            )
        ),
        Command(
            (
                f"sha256sum {name}",
                f"mpk-tui verify {name} --key KEY.pub.pem",
                f"mpk-tui verify {name} --key KEY.pub.pem --checkpoint FOLDER   # is mine the one?",
                f"mpk-tui verify {name} --key KEY.pub.pem --rerun               # the findings again",
                f"mpk-tui bundle show {name} --key KEY.pub.pem                  # everything in it",
                f"mpk-tui report {name} --key KEY.pub.pem -o REPORT.html        # this report again",
                "openssl pkey -pubin -in KEY.pub.pem -outform DER | sha256sum   # a key's digest",
            )
        ),
        Para(
            say(
                "A second verifier in another language, written from the format's description, comes with the "
                "sources (Node.js, no package, nothing of ours installed). It must come to the same word:"
            )
        ),
        Command((f"node tests/node/verify.mjs {name} --key KEY.pub.pem",)),
        Para(
            say(
                "docs/format.md describes the file exactly enough to write a third; "
                "docs/verifying-the-verifier.md says how to know "
                "that the program itself is genuine. The same bundle with the same options gives this report "
                "again, byte for byte, with the same version of the program."
            )
        ),
    ]
    return Section("verifying", "How to check this", tuple(blocks), standing=Standing.GENERAL)


GLOSSARY = (
    ("Artifact", "A model as it lies on disk: its files and tensors."),
    ("Bundle", "One signed file with everything that a verdict rests on."),
    ("Bundle id", "SHA-256 of the message that was signed; it stays when endorsements are added."),
    ("Checkpoint", "The stored weights of a model, with their configuration."),
    ("Condition, mechanism, exclusion", "The constitution's questions: C1 to C5, 3.1 to 3.9, 4.1 to 4.8."),
    ("Endorsement", "A statement that somebody signed after the bundle was signed: agreement, dissent, witness."),
    ("Evidence (a), (b), (c)", "Documentation by the makers; verification on checkpoints; peer-reviewed analysis."),
    ("Independent", "No condition holds. Either an exclusion was established, or nothing was (the default)."),
    ("Linked", "At least one condition holds. It is said of both models alike; it has no direction by itself."),
    ("p", "How often independent initialisations would look at least this much alike. Not the probability of it."),
    ("Retention", "How much of one model's learned structure the other has kept, against the rest."),
    ("ρ̂ (rho)", "Correlation of units that stand beside each other; 0 without a common origin, 1 for equal ones."),
    ("Tensor root", "One digest over the digests of all tensors of a model."),
    ("Trained ancestor", "A model that had been trained already and whose weights live on in both."),
    ("Undetermined", "Not shown either way; counts as independent."),
    ("VALID", "Signature and contents intact, by trusted people. It endorses no conclusion."),
    ("z", "Effect size of a test in standard deviations of its null. Never turned into a chance here."),
)
"""Words of this report."""


def glossary() -> Section:
    """What the report's words mean."""
    rows = tuple((word, cell(text)) for word, text in GLOSSARY)
    return Section("glossary", "Words", (Facts(rows),), standing=Standing.GENERAL, appendix=True)
