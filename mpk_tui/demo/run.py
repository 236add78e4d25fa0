"""A whole case on the three checkpoints, through the same functions as the command line and the workbench.

One subject, ``fine-tune``, stands against two references: ``base``, from which it was made, and ``twin``, which has
the same config, vocabulary, text and recipe and nothing else in common with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.case import Case, actions, artifacts, create_case, review
from mpk_tui.constitution import norm
from mpk_tui.constitution.verdict import Verdict
from mpk_tui.errors import StorageError
from mpk_tui.files import write_file
from mpk_tui.progress import Report, silent

CHECKPOINTS = ("base", "fine-tune", "twin")
MARKER = "MADE-BY-MPK-TUI-DEMO.txt"
CASE, COPIES, KEYS, BUNDLE, VERIFICATION = "case", "checkpoints", "keys", "demo.mpkb", "verification.json"
_OURS = (CASE, COPIES, KEYS, BUNDLE, VERIFICATION)
_MARKER_TEXT = """\
This folder was made by "mpk-tui demo". The next run with the same --out replaces what it made here:
case, checkpoints, keys, demo.mpkb, verification.json. Copy what you want to keep to another place.
"""
SOURCE = "mpk-tui, README.md of mpk_tui/demo"
LINKED_PAIR, TWIN_PAIR = "S1:R1", "S1:R2"
Say = Callable[[str], None]


@dataclass(frozen=True)
class CaseResult:
    """What the case came to.

    Attributes:
        verdicts: By pair.
        findings: By pair.
    """

    verdicts: Mapping[str, Verdict]
    findings: Mapping[str, str]


def prepare(out: Path) -> None:
    """Make the folder, or clear what an earlier demo left there; anything else in it is not touched.

    Raises:
        StorageError: It holds something that no demo made, or cannot be written.
    """
    try:
        if out.is_symlink() or (out.exists() and not out.is_dir()):
            raise StorageError("is not a folder", where=str(out), hint="Name another with --out")
        if out.exists() and any(out.iterdir()) and not (out / MARKER).is_file():
            raise StorageError(
                "holds something that no demo made; nothing was changed", where=str(out), hint="Name another with --out"
            )
        out.mkdir(parents=True, exist_ok=True)
        write_file(out / MARKER, _MARKER_TEXT.encode())
        for name in _OURS:
            old = out / name
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            else:
                old.unlink(missing_ok=True)
        for name in CHECKPOINTS:
            shutil.copytree(Path(__file__).parent / name, out / COPIES / name, copy_function=shutil.copyfile)
    except OSError as error:
        place = str(error.filename or out)
        raise StorageError(f"cannot be written ({error.strerror or error})", where=place, hint="Use --out") from None


def run_case(out: Path, say: Say, report: Report = silent) -> CaseResult:
    """Steps 1 to 9 up to the signature.  The case is left in ``out / CASE``, closed.

    Args:
        out: A folder that `prepare` made.
        say: Told what is done and why, a line at a time.
        report: Progress of hashing and comparing.
    """
    say("1 Case")
    with create_case(
        out / CASE,
        id="DEMO-1",
        title="Is the suspect checkpoint made from one of two reference models?",
        examiner="Demo Examiner",
        exhibit="EX-1",
        authority="Demonstration; no authority is needed for the package's own models",
        purpose="Shows a case from two checkpoints to a signed bundle",
    ) as case:
        say(f"  {case.state.id}: {case.state.facts['title']}")
        _collect(case, out, say, report)
        findings = {pair: _compare(case, pair, say, report) for pair in (LINKED_PAIR, TWIN_PAIR)}
        _judge_linked(case, say)
        _judge_twin(case, say)
        verdicts = {pair: review.verdict(case, pair) for pair in (LINKED_PAIR, TWIN_PAIR)}
        say("9 Review")
        for artifact in list(case.state.artifacts.values()):
            same = artifacts.rehash_artifact(case, artifact.id, report)
            say(f"  {artifact.id} hashed again after the analysis: {'unchanged' if same else 'CHANGED'}")
        for pair, found in verdicts.items():
            _explain(case, pair, found, say)
        for gap in review.status(case):
            if gap.blocking:
                say(f"  missing, step {gap.step} {gap.pair}: {gap.sentence}")
    return CaseResult(verdicts, findings)


def _collect(case: Case, out: Path, say: Say, report: Report) -> None:
    say("2 Artifacts")
    for name, role, note in (
        ("fine-tune", "subject", "the checkpoint in question"),
        ("base", "reference", "first reference"),
        ("twin", "reference", "second reference: same config, vocabulary, text and recipe as the first"),
    ):
        made = artifacts.add_artifact(case, out / COPIES / name, role=role, label=name, note=note)
        say(f"  {made.id} {role:<9} {name:<9} {note}")
    say("3 Fingerprint")
    for artifact in list(case.state.artifacts.values()):
        fingerprint = artifacts.fingerprint_artifact(case, artifact.id, report)
        say(f"  {artifact.id} {len(fingerprint.tensors)} tensors, {fingerprint.parameters:,} parameters")
        say(f"     tensor root {fingerprint.root.hex()}")


def _compare(case: Case, pair: str, say: Say, report: Report) -> str:
    a, b = (case.state.artifacts[i].label for i in pair.split(":"))
    say(f"4 Compare {pair}: {a} with {b}")
    record = actions.compare_pair(case, pair, report)
    say(f"  finding {record['finding']}")
    say(f"  {record['sentence']}")
    for test in record["tests"]:
        say(f"  {_test_line(test)}")
    return str(record["finding"])


def _test_line(test: Mapping[str, Any]) -> str:
    """One test in a line: what was measured, in the words of the record."""
    if not test["ran"]:
        return f"{test['name']}: not run ({test['reason']})"
    if test["p"] is None:
        ratios = ", ".join(f"{d['ratio']:.2f}" for d in test["directions"] if d["ratio"] is not None) or "undefined"
        against = {"for": "for a trained ancestor", "against": "against a trained ancestor"}
        return f"{test['name']}: {against.get(test['reading'], test['reading'])}, ratios {ratios}"
    zs = [layer["z"] for layer in test["layers"]]
    p = "< 1e-12" if test["p"] <= 1e-12 else f"{'<=' if test['p_is_bound'] else '='} {test['p']:.2g}"
    return f"{test['name']}: p {p}, z {min(zs):.1f} to {max(zs):.1f} over {len(zs)} layers"


def _judge_linked(case: Case, say: Say) -> None:
    pair = LINKED_PAIR
    say(f"5 Evidence {pair}")
    measured = actions.evidence_from_comparison(case, pair)
    say(f"  {measured.id} ({measured.kind}) the comparison; supports {', '.join(measured.supports)}")
    actions.accept_proposals(case, pair)
    alone = review.verdict(case, pair)
    say(f"  on the comparison alone: {alone.label}, {', '.join(c.upper() for c in alone.conditions) or 'no condition'}")
    documented = actions.add_evidence(
        case, pair, kind="a", supports=("c1", "3.2"), source=SOURCE, locator="table, row fine-tune",
        excerpt="fine-tune: made from base, text reference, 200 steps", file=Path(__file__).parent / "README.md",
    )  # fmt: skip
    say(f"  {documented.id} (a) the makers' documentation names base as the start of fine-tune; supports C1, 3.2")
    say(f"6-8 Conditions, mechanism, exclusions {pair}")
    cited = (documented.id, measured.id)
    actions.answer(
        case, "c1", "met", pair=pair, evidence=cited, direction_documented=True,
        reason="The documentation names base as the starting point, and the comparison fits it.",
    )  # fmt: skip
    actions.answer(
        case, "3.2", "met", pair=pair, evidence=cited,
        reason="Documented as 200 further steps on other text; every matrix moved a little and kept its structure.",
    )  # fmt: skip
    _answer_rest(case, pair, "Not examined further: a condition that holds was found.")
    actions.set_rationale(
        case, pair,
        "Hidden units of all layers correspond, learned structure is kept, and the makers document the step from base "
        "to fine-tune.",
    )  # fmt: skip
    _list_answers(case, pair, say)


def _judge_twin(case: Case, say: Say) -> None:
    pair = TWIN_PAIR
    say(f"5 Evidence {pair}")
    measured = actions.evidence_from_comparison(case, pair)
    say(f"  {measured.id} ({measured.kind}) the comparison; supports {', '.join(measured.supports) or 'nothing'}")
    same = actions.add_evidence(
        case, pair, kind="context", source="config.json and tokenizer.json of both",
        excerpt="Same architecture, dimensions, vocabulary and training text",
    )  # fmt: skip
    say(f"  {same.id} (context) same architecture, vocabulary and text: never counts for a label")
    actions.accept_proposals(case, pair)
    alone = review.verdict(case, pair)
    say(f"  on the comparison alone: {alone.label}, {alone.display}")
    documented = actions.add_evidence(
        case, pair, kind="a", supports=("4.1",), source=SOURCE, locator="table, row twin",
        excerpt="twin: made from random initialisation, seeds 12, 102", file=Path(__file__).parent / "README.md",
    )  # fmt: skip
    say(f"  {documented.id} (a) the makers' documentation: twin was trained from a random start; supports 4.1")
    say(f"6-8 Conditions, mechanism, exclusions {pair}")
    actions.answer(
        case, "4.1", "met", pair=pair, evidence=(documented.id,),
        reason="Documented as trained from scratch a second time; the comparison found no correspondence with it.",
    )  # fmt: skip
    _answer_rest(case, pair, "No evidence that counts bears on it.")
    actions.set_rationale(
        case, pair,
        "Config, vocabulary and text are shared and say nothing about weights. The weights do not correspond, and the "
        "makers document a separate start.",
    )  # fmt: skip
    _list_answers(case, pair, say)


def _answer_rest(case: Case, pair: str, reason: str) -> None:
    for c in norm.load(case.state.norm).order:
        given = case.state.answers.get(pair, {}).get(c)
        if given is None or not given.reason.strip():
            actions.answer(case, c, "undetermined", pair=pair, reason=reason)


def _list_answers(case: Case, pair: str, say: Say) -> None:
    for a in case.state.answers[pair].values():
        proposed = f" (proposed: {a.proposed})" if a.proposed and a.proposed != a.answer else ""
        cites = f", cites {', '.join(a.evidence)}" if a.evidence else ""
        say(f"  {a.question.upper():<4} {a.answer}{proposed}{cites}: {a.reason}")


def _explain(case: Case, pair: str, found: Verdict, say: Say) -> None:
    a, b = (case.state.artifacts[i].label for i in pair.split(":"))
    aside = "" if found.display == found.label else f", {found.display}"
    say(f"  VERDICT {pair} ({a}, {b}): {found.label}{aside}")
    for sentence in (*found.statements, *(f"conflict: {c}" for c in found.conflicts)):
        say(f"    {sentence}")
