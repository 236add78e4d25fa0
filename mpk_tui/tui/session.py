"""The case that is open in the workbench, seen through the pair that is looked at.

Everything here is a call into `mpk_tui.case` and its neighbours: the command line makes the same calls.  Nothing is
decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.content import Content

from mpk_tui.case import actions, artifacts, review
from mpk_tui.case.intake import Intake, measure_intake
from mpk_tui.case.journal import Entry
from mpk_tui.case.state import Artifact, undone_entries
from mpk_tui.case.store import JOURNAL, Case, create_case, open_case
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import MET, Answer, Evidence, Hop
from mpk_tui.constitution.verdict import Verdict
from mpk_tui.errors import MpkError, StorageError, UsageError
from mpk_tui.text import clean
from mpk_tui.tui import wording
from mpk_tui.tui.drafts import Drafts
from mpk_tui.tui.wording import Proposal, Question

if TYPE_CHECKING:
    from mpk_tui.checkpoint.open import Opening
    from mpk_tui.fingerprint.record import Fingerprint
    from mpk_tui.progress import CancelToken, Report

__all__ = ["JOURNAL", "Gap", "Session", "begin"]

GROUPS = ("conditions", "mechanisms", "exclusions")
PLACE_OF_STEP = {
    1: "case", 2: "artifacts", 3: "fingerprint", 4: "compare", 5: "evidence", 6: "conditions", 7: "mechanism",
    8: "exclusions", 9: "review",
}  # fmt: skip


@dataclass(frozen=True)
class Gap:
    """Something open, and where it can be closed.

    Attributes:
        step: Name of the screen.
        pair: The pair it concerns, or empty.
        text: What is missing; may hold untrusted text.
        blocking: A signature waits for it.
    """

    step: str
    pair: str
    text: str
    blocking: bool


def begin(values: dict[str, str]) -> Path:
    """Create a case from a form's values and return its folder.

    Raises:
        MpkError: A field cannot be used, or the folder cannot.
    """
    root = Path(values["folder"].strip()).expanduser()
    facts = {k: values[k].strip() for k in ("exhibit", "authority", "purpose") if values[k].strip()}
    made = create_case(
        root, id=values["id"].strip(), title=values["title"].strip(), examiner=values["examiner"].strip(), **facts
    )
    made.close()
    return root


class Session:
    """One open case.

    Attributes:
        case: The case itself.
        drafts: Text that was typed and not entered.
        at: Where each screen was left.
        faults: Kept files that are missing or altered, by artifact or pair, as sentences.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.drafts = Drafts(None if case.read_only else case.root)
        self.at: dict[str, int] = {}
        self.faults: dict[str, str] = {}
        self._pair = 0
        self._fingerprints: dict[str, Fingerprint] = {}
        self._comparisons: dict[str, dict[str, Any]] = {}

    @staticmethod
    def open(folder: Path, *, read_only: bool = False) -> Session:
        """Open a case; read-only by itself if somebody else is writing it.

        Raises:
            MpkError: There is no case, or its journal was altered.
        """
        return Session(open_case(folder, read_only=read_only))

    def close(self) -> None:
        """Release the lock."""
        self.case.close()

    # -- the case ---------------------------------------------------------------------------------------------------

    @property
    def notices(self) -> tuple[str, ...]:
        """What the opening had to say."""
        return self.case.notices

    @property
    def read_only(self) -> bool:
        """Nothing can be changed through this opening."""
        return self.case.read_only

    @property
    def name(self) -> str:
        """Number and title, escaped."""
        return clean(f"{self.case.state.id} {self.case.state.title}", 120)

    def must_write(self) -> None:
        """Refuse early where nothing can be recorded.

        Raises:
            StorageError: The case is open read-only.
        """
        if self.read_only:
            raise StorageError("the case is open for reading only; nothing can be recorded", where=str(self.case.root))

    def facts(self) -> list[tuple[str, str]]:
        """What the case says of itself."""
        state = self.case.state
        rows = [("Case", state.id), *((label, state.facts.get(n, "") or "–") for n, label in wording.FACTS)]
        rows.append(("Folder", str(self.case.root.absolute())))
        rows.append(("Norm", f"Model Provenance Constitution {state.norm}"))
        rows += [("Custody", f"{act}: {text}") for _, act, text in state.custody]
        rows += [("Note", text) for _, text in state.notes]
        return rows

    def editable(self) -> list[tuple[str, str, str]]:
        """Fields of the case that can be changed: name, label, value."""
        return [(n, label, self.case.state.facts.get(n, "")) for n, label in wording.FACTS]

    def edit(self, values: dict[str, str]) -> None:
        """Change what differs."""
        changed = {n: v.strip() for n, v in values.items() if v.strip() != self.case.state.facts.get(n, "")}
        if changed:
            actions.set_facts(self.case, **changed)

    def note(self, text: str) -> None:
        """Write a note."""
        actions.note(self.case, text)

    def custody(self, act: str, text: str) -> None:
        """Record a custody statement."""
        actions.custody(self.case, act, text)

    def gaps(self) -> list[Gap]:
        """What is open, blocking ones first."""
        found = [Gap(PLACE_OF_STEP[g.step], g.pair, g.sentence, g.blocking) for g in review.status(self.case)]
        return sorted(found, key=lambda g: not g.blocking)

    def question_of(self, gap: Gap) -> str:
        """The question that a gap names, or empty."""
        group = {"conditions": self.norm.order, "mechanism": self.norm.mechanisms, "exclusions": self.norm.exclusions}
        words = gap.text.lower().replace(":", " ").split()
        return next((w for w in words if w in group.get(gap.step, ())), "")

    def open_steps(self) -> dict[str, int]:
        """Number of blocking gaps by screen."""
        out: dict[str, int] = {}
        for gap in self.gaps():
            out[gap.step] = out.get(gap.step, 0) + gap.blocking
        return out

    # -- the journal ------------------------------------------------------------------------------------------------

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The journal."""
        return self.case.entries

    @property
    def undone(self) -> frozenset[int]:
        """Entries that were taken back."""
        return undone_entries(list(self.case.entries))

    def undo(self) -> str:
        """Take the last act of judgement back; says which."""
        return self._named(actions.undo(self.case))

    def redo(self) -> str:
        """Restore it; says which."""
        return self._named(actions.redo(self.case))

    def _named(self, entry: Entry) -> str:
        target = self.case.entries[int(entry.params["seq"])]
        return f"entry {target.seq}, {wording.entry_line(target, frozenset())}"

    # -- pairs ------------------------------------------------------------------------------------------------------

    @property
    def pairs(self) -> tuple[str, ...]:
        """Every subject with every reference."""
        return self.case.state.pairs

    @property
    def pair(self) -> str | None:
        """The pair that is looked at."""
        return self.pairs[self._pair % len(self.pairs)] if self.pairs else None

    @property
    def pair_name(self) -> str:
        """The pair for people."""
        if self.pair is None:
            return ""
        a, b = self.pair.split(":")
        labels = self.case.state.artifacts
        count = f" {self.pairs.index(self.pair) + 1}/{len(self.pairs)}" if len(self.pairs) > 1 else ""
        return f"{a} {labels[a].label} ~ {b} {labels[b].label}{count}"

    def turn_pair(self, by: int) -> bool:
        """Look at another pair; False if there is no other."""
        if len(self.pairs) < 2:
            return False
        self._pair = (self._pair + by) % len(self.pairs)
        return True

    def look_at(self, pair: str) -> None:
        """Look at a pair by its id."""
        if pair in self.pairs:
            self._pair = self.pairs.index(pair)

    def summary(self) -> Content:
        """The pair in a narrow column: finding, verdict, what is open."""
        if self.pair is None:
            return Content("No pair yet: add a subject and a reference.")
        found = self.verdict()
        made = self.case.state.comparisons.get(self.pair)
        open_here = [g for g in self.gaps() if g.blocking and g.pair in ("", self.pair)]
        lines = [
            Content.styled("Pair", "bold"), Content(clean(self.pair_name)),
            Content.styled("\nFinding", "bold"), Content(clean(made.sentence, 500) if made else "not compared yet"),
            Content.styled("\nVerdict as things stand", "bold"), Content(clean(found.display)),
            *(Content(clean(s, 500)) for s in found.statements),
            Content.styled(f"\nOpen before a signature: {len(open_here)}", "bold"),
            *(Content(clean(f"- {g.text}", 300)) for g in open_here[:12]),
        ]  # fmt: skip
        return Content("\n").join(lines)

    # -- artifacts --------------------------------------------------------------------------------------------------

    @property
    def artifacts(self) -> list[Artifact]:
        """In order of adding."""
        return list(self.case.state.artifacts.values())

    def look_into(self, path: Path, how: Opening) -> None:
        """Open a checkpoint's headers, in another process, so that what cannot be examined is refused at once.

        Raises:
            UsageError: The folder holds several models; the sentence lists them.
            MpkError: Whatever reading refuses.
        """
        from mpk_tui.checkpoint.open import open_checkpoint
        from mpk_tui.fingerprint.record import looks_like_fingerprint

        if path.exists() and not looks_like_fingerprint(path):
            open_checkpoint(path, None, how)

    def add_artifact(
        self, path: Path, role: str, label: str, note: str, how: Opening, intake: Intake | None = None
    ) -> Artifact:
        """Put a checkpoint under examination."""
        return artifacts.add_artifact(self.case, path, role=role, label=label, note=note, how=how, intake=intake)

    def checking(self, path: Path, lists: Sequence[Path], accept: str) -> Callable[[Report, CancelToken], Intake]:
        """Work for a thread: hold a folder against acquisition hash lists."""
        return lambda report, cancel: measure_intake(path, lists, accept, report, cancel)

    def remove_artifact(self, artifact: str) -> None:
        """Take one out of the examination."""
        artifacts.remove_artifact(self.case, artifact)

    def about_artifact(self, artifact: Artifact) -> list[str]:
        """An artifact in full."""
        return [
            f"{artifact.id} {artifact.role}: {artifact.label}",
            f"Path: {artifact.path} (kept on this machine only, in no journal and no bundle)",
            *([f"Intake: {artifact.note}"] if artifact.note else []),
            *([f"Model: {artifact.model}, one of several in the folder"] if artifact.model else []),
            *([f"Examined on the base {Path(artifact.base).name}"] if artifact.base else []),
            *(["PARTIAL: parts may be missing; no exclusion can be established"] if artifact.partial else []),
            *(["INCOMPLETE: see the notices of its fingerprint (g 3)"] if not artifact.complete else []),
            *(f"Hash list: {sentence}" for sentence in artifact.lists),
            *([f"Taken in although a list contradicts it: {artifact.mismatch}"] if artifact.mismatch else []),
            f"Tensor root: {artifact.root or 'not fingerprinted yet (g 3)'}",
            *([f"Scope: {artifact.scope}"] if artifact.scope else []),
        ]

    # -- measurements -----------------------------------------------------------------------------------------------

    def fingerprinting(self, artifact: str) -> Callable[[Report, CancelToken], Any]:
        """Work for a thread."""
        return partial(artifacts.measure_fingerprint, self.case.state.artifacts[artifact], isolate=True)

    def record_fingerprint(self, artifact: str, made: Fingerprint) -> None:
        """Journal what a thread made."""
        artifacts.record_fingerprint(self.case, artifact, made)
        self._fingerprints[self.case.state.artifacts[artifact].fingerprint] = made

    def fingerprint(self, artifact: str) -> Fingerprint | None:
        """The recorded fingerprint, read once; None also if its file is not sound (see `faults`)."""
        digest = self.case.state.artifacts[artifact].fingerprint
        if not digest:
            return None
        if digest not in self._fingerprints:
            try:
                self._fingerprints[digest] = artifacts.stored_fingerprint(self.case, artifact)
            except MpkError as error:
                self.faults[artifact] = error.diagnosis()
                return None
        return self._fingerprints[digest]

    def comparing(self, pair: str) -> Callable[[Report, CancelToken], Any]:
        """Work for a thread; refuses early what would be refused late."""
        actions.split_pair(self.case, pair)
        return partial(actions.measure_comparison, self.case, pair, isolate=True)

    def record_comparison(self, pair: str, record: dict[str, Any]) -> None:
        """Journal what a thread made."""
        actions.record_comparison(self.case, pair, record)

    @property
    def comparison(self) -> dict[str, Any] | None:
        """The recorded comparison of the pair that is looked at, read once; None also if its file is not sound."""
        made = self.case.state.comparisons.get(self.pair or "")
        if made is None:
            return None
        if made.digest not in self._comparisons:
            try:
                record = actions.stored_comparison(self.case, self.pair or "")
            except MpkError as error:
                self.faults[self.pair or ""] = error.diagnosis()
                return None
            assert record is not None
            self._comparisons[made.digest] = record
        return self._comparisons[made.digest]

    # -- evidence ---------------------------------------------------------------------------------------------------

    @property
    def evidence(self) -> list[Evidence]:
        """Items about the pair that is looked at."""
        return list(self.case.state.evidence.get(self.pair or "", {}).values())

    def add_evidence(self, **fields: Any) -> None:
        """Add one."""
        actions.add_evidence(self.case, self.pair or "", **fields)

    def remove_evidence(self, item: str) -> None:
        """Take one back."""
        actions.remove_evidence(self.case, self.pair or "", item)

    def comparison_as_evidence(self) -> str:
        """The recorded comparison becomes an item; says what it carries."""
        have = {e.id for e in self.evidence}
        made = actions.evidence_from_comparison(self.case, self.pair or "")
        if made.id in have:
            return f"This comparison is {made.id} already."
        if made.kind == "b":
            return f"{made.id}, kind (b), supports {', '.join(made.supports)}."
        return f"{made.id} is context: its finding ({made.finding}) carries no label."

    # -- the constitution -------------------------------------------------------------------------------------------

    @property
    def norm(self) -> norm.Norm:
        """The version that the case was begun with."""
        return norm.load(self.case.state.norm)

    def questions(self, group: str) -> Sequence[Question]:
        """Questions of a group, conditions in the constitution's order."""
        rows = getattr(self.norm, group)
        ids = self.norm.order if group == "conditions" else rows
        return [wording.question(rows[i], self.norm) for i in ids]

    def answer(self, question: str) -> Answer | None:
        """The analyst's answer for the pair that is looked at."""
        return self.case.state.answers.get(self.pair or "", {}).get(question)

    def set_answer(self, question: str, given: str, **fields: Any) -> None:
        """Answer; what is not named stays as it was.  A c5 that is met takes the proposed basis, if none was named."""
        old = self.answer(question) or Answer(question, given)
        new = replace(old, **fields)
        if question == "c5" and given == MET and not new.basis:
            new = replace(new, basis=self.proposed("c5").basis)
        actions.answer(
            self.case, question, given, pair=self.pair or "", reason=new.reason, evidence=new.evidence, basis=new.basis,
            hops=new.hops, direction_documented=new.direction_documented, resolution=new.resolution,
        )  # fmt: skip

    def proposed(self, question: str) -> Proposal:
        """What the recorded comparison proposes."""
        record = self.comparison
        if record is None:
            return Proposal("", "The pair was not compared yet (g 4).")
        offered = actions.proposals(self.case, self.pair or "").get(question)
        if offered is None or not offered.answer:
            return Proposal("", "No finding bears on this question.")
        return Proposal(offered.answer, offered.reason, offered.basis)

    @property
    def question_ids(self) -> tuple[str, ...]:
        """All questions of the norm."""
        return self.norm.questions

    def numbers(self, question: str) -> list[str]:
        """The numbers behind a proposal."""
        record = self.comparison
        return wording.numbers(record, question) if record is not None else []

    def conflicts(self, question: str) -> list[str]:
        """What contradicts something in an answer's group."""
        label = question.upper()
        return [c for c in self.verdict().conflicts if label in c]

    def parse_hops(self, text: str) -> tuple[Hop, ...]:
        """Hops as typed, one a line: ``model, model, condition``.

        Raises:
            UsageError: A line is not of that form.
        """
        out = []
        for line in text.splitlines():
            if not line.strip():
                continue
            parts = [p.strip() for p in line.split(",")]
            if len(parts) != 3 or not all(parts):
                raise UsageError(f"a hop is written: model, model, condition; not {line.strip()!r}")
            out.append(Hop(parts[0], parts[1], parts[2].lower()))
        return tuple(out)

    def verdict(self, pair: str = "") -> Verdict:
        """The verdict as things stand."""
        return review.verdict(self.case, pair or self.pair or "")

    @property
    def rationale(self) -> str:
        """The analyst's own words about the pair."""
        return self.case.state.rationale.get(self.pair or "", "")

    def set_rationale(self, text: str) -> None:
        """Enter them."""
        actions.set_rationale(self.case, self.pair or "", text)

    def set_known_gaps(self, gaps: tuple[str, ...]) -> None:
        """Known gaps of the constitution that bear on the verdict."""
        actions.set_known_gaps(self.case, self.pair or "", gaps)

    @property
    def named_gaps(self) -> tuple[str, ...]:
        """Known gaps that were named for the pair."""
        return self.case.state.known_gaps.get(self.pair or "", ())

    def to_be_signed(self) -> list[str]:
        """What a signature would cover, in counts."""
        state = self.case.state
        answers = sum(len(a) for a in state.answers.values())
        evidence = sum(len(e) for e in state.evidence.values())
        return [
            f"case {state.id}, examiner {state.examiner}, constitution {state.norm} with the digest of its data",
            f"artifacts: {len(state.artifacts)}, fingerprints: {sum(bool(a.fingerprint) for a in self.artifacts)}, "
            "with file hashes, tensor hashes, features (these may be confidential)",
            f"comparisons: {len(state.comparisons)}, items of evidence: {evidence}, answers: {answers}, "
            f"rationales: {len(state.rationale)}, notes: {len(state.notes)}",
            f"the journal, {len(self.case.entries)} entries, with everything that was taken back",
        ]
