"""An evidence bundle that a machine makes and signs on its own, and that reads so.

It is an ordinary case and an ordinary bundle: a subject, one reference, the comparison that raised the alert, the line
of the alert as context.  Every question is answered *undetermined*, because nobody was asked; so the verdict is that
provenance is not established, with the findings inside.  Every act of the journal has the role `UNATTENDED`, and so has
the signer, whose key is marked (`mpk_tui.keys.private`).  The case stays beside the bundle: a person opens it, answers,
and signs its next bundle with their own key.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui import canonical, hashtree
from mpk_tui.bundle import build as building
from mpk_tui.bundle import dsse
from mpk_tui.bundle.from_case import export, record_sealed
from mpk_tui.bundle.manifest import UNATTENDED
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.toolfacts import tool_facts
from mpk_tui.bundle.verify import inspect
from mpk_tui.case import actions, artifacts, create_case
from mpk_tui.case.evidence import keep_file, record_attached
from mpk_tui.checkpoint.opening import Opening
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import UNDETERMINED
from mpk_tui.errors import MalformedError, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.keys.signing import MessageSigner, declared, is_unattended, sign_bundle
from mpk_tui.sweep.working import readable

SUFFIX = ".mpkb"
EXAMINER = "mpk-tui watch, unattended"
NOBODY = "Nobody was asked."
RATIONALE = (
    "No person examined this. A program held a checkpoint against a watch list, recorded what it measured and signed "
    "it with a machine's key. Every question is answered undetermined because nobody was asked; a person who reads the "
    "findings may answer them in this case, in a bundle that follows this one."
)


@dataclass(frozen=True)
class Alerted:
    """What raised an alert, with all that a bundle of it needs.

    Attributes:
        path: The checkpoint.
        model: Which of several models of the folder, or empty.
        partial: It was opened although parts may be missing.
        fingerprint: Its fingerprint file's bytes.
        reference: Fingerprint file of the listed model.
        name: What the list calls that.
        comparison: Canonical record of the comparison.
        line: The alert.
        source: The list: its name and digest, hex.
    """

    path: Path
    model: str
    partial: bool
    fingerprint: bytes
    reference: Path
    name: str
    comparison: bytes
    line: Mapping[str, Any]
    source: tuple[str, str]

    @property
    def id(self) -> str:
        """Number of the case: the same for the same checkpoint, place, list and listed model."""
        parts = (os.fsencode(self.path), os.fsencode(self.model), hashtree.sha256(self.fingerprint),
                 hashtree.sha256(self.comparison), self.source[1].encode())  # fmt: skip
        return f"W-{hashtree.sha256(b''.join(hashtree.sha256(p) for p in parts)).hex()[:16]}"


def must_be_marked(signer: MessageSigner) -> None:
    """Refuse a person's key: nobody would know that no person signed.

    Raises:
        UsageError: The key is not marked.
    """
    if not is_unattended(signer):
        raise UsageError(
            "this key is not marked as one that signs unattended", hint="Make one with: mpk-tui keys new --unattended"
        )


def make(
    alerted: Alerted, folder: Path, signer: MessageSigner, tested: Mapping[str, Any], argv: list[str], suite: str = "s1"
) -> Path:
    """Make, sign and write the bundle of an alert; one that is there already is left as it is.

    Args:
        alerted: What raised it.
        folder: For bundles; the case is made in a folder in it.
        signer: A marked key.
        tested: Record of the self-test of this installation.
        argv: Arguments of the command, of which the bundle keeps a digest.
        suite: Signature suite of the key.

    Returns:
        The bundle's file.

    Raises:
        UsageError: The key is not marked.
        MpkError: It cannot be made or written.
    """
    must_be_marked(signer)
    target = folder / f"{alerted.id}{SUFFIX}"
    if target.exists():
        return target
    root = folder / alerted.id
    if root.exists():
        _set_aside(root)
    _line_file(folder, alerted)
    facts = {
        "authority": f"watch list {alerted.source[0][:200]}, SHA-256 {alerted.source[1]}",
        "purpose": "unattended sweep of a drive",
    }
    with create_case(
        root, id=alerted.id, title=_title(alerted), examiner=EXAMINER, acting=UNATTENDED, **facts
    ) as case:  # fmt: skip
        _fill(case, alerted, folder)
        who = declared(signer, case.state.examiner, UNATTENDED)
        contents = export(case, tool_facts(argv, ""), tested)
        made = sign_bundle(building.build(contents, [who], suite=suite), signer)
        data = made.to_bytes()
        looked = inspect(data, time.time_ns() // 1_000_000)
        if looked.verdict is not Word.VALID:
            raise MalformedError(f"would read {looked.verdict}: {looked.words}", where=str(target))
        write_file(target, data)
        record_sealed(case, dsse.bundle_id(made.payload), contents.seq)
    _line_path(folder, alerted).unlink(missing_ok=True)
    return target


def _fill(case: Any, alerted: Alerted, folder: Path) -> None:
    """Only what was measured: two fingerprints, their comparison, the alert as context; nobody's answers."""
    label = readable(alerted.path.name)
    subject = artifacts.add_artifact(
        case, alerted.path, role="subject", label=label, how=Opening(alerted.model, alerted.partial),
        note="found by an unattended sweep",
    )  # fmt: skip
    artifacts.record_fingerprint(
        case, subject.id, Fingerprint.from_bytes(alerted.fingerprint), data=alerted.fingerprint
    )
    reference = artifacts.add_artifact(
        case, alerted.reference, role="reference", label=readable(alerted.name)[:200], note="named by the watch list"
    )
    artifacts.fingerprint_artifact(case, reference.id)
    pair = f"{subject.id}:{reference.id}"
    comparison = canonical.decode(alerted.comparison, where="comparison")
    actions.record_comparison(case, pair, comparison, data=alerted.comparison)
    actions.evidence_from_comparison(case, pair)
    digest = record_attached(case, keep_file(case, _line_path(folder, alerted), "alert.json"))
    listed = alerted.line["listed"]
    actions.add_evidence(
        case, pair, kind="context", source=f"watch list {readable(alerted.source[0])[:200]}", attached=digest,
        locator=f"SHA-256 {alerted.source[1]}", excerpt=readable("; ".join(listed["advisories"]))[:2000],
    )  # fmt: skip
    for question in norm.load(case.state.norm).order:
        actions.answer(case, question, UNDETERMINED, pair=pair, reason=NOBODY)
    actions.set_rationale(case, pair, RATIONALE)


def _title(alerted: Alerted) -> str:
    return f"Watch list alert, {alerted.line['level']}: {readable(alerted.path.name)[:100]}"


def _line_path(folder: Path, alerted: Alerted) -> Path:
    return folder / f".{alerted.id}.alert.json"


def _line_file(folder: Path, alerted: Alerted) -> None:
    text = json.dumps(alerted.line, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    write_file(_line_path(folder, alerted), text.encode("ascii"), mode=0o600)


def _set_aside(root: Path) -> None:
    """A case that a crash left before its bundle was written: nobody judged anything in it, but nothing is deleted."""
    for n in range(1, 1000):
        aside = root.with_name(f"{root.name}.unfinished-{n}")
        if not aside.exists():
            root.rename(aside)
            return
    raise StorageError("cannot be set aside", where=str(root), hint="Move the unfinished cases away")
