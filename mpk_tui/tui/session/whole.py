"""A session as screens see it."""

from __future__ import annotations

from pathlib import Path

from textual.content import Content

from mpk_tui.case.store import create_case, open_case
from mpk_tui.tui.safe import shown
from mpk_tui.tui.session.gaps import PLACE_OF_STEP, Gap, gaps_of
from mpk_tui.tui.session.judging import Judging
from mpk_tui.tui.session.keeping import Keeping


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


class Session(Keeping, Judging):
    """One open case.

    Attributes:
        aim: The gap that the next screen is to land on, or None.
    """

    aim: Gap | None = None
    _shown: Gap | None = None

    @staticmethod
    def open(folder: Path, *, read_only: bool = False) -> Session:
        """Open a case; read-only by itself if somebody else is writing it.

        Raises:
            MpkError: There is no case, or its journal was altered.
        """
        return Session(open_case(folder, read_only=read_only))

    def gaps(self) -> list[Gap]:
        """What is open, blocking ones first."""
        return gaps_of(self.case, self.norm)

    def question_of(self, gap: Gap) -> str:
        """The question that a gap names, or empty."""
        return gap.what if gap.what in self.norm.questions else ""

    def take_aim(self) -> Gap | None:
        """The gap to land on, once."""
        gap, self.aim = self.aim, None
        return gap

    def next_gap(self, step: str) -> Gap | None:
        """The next gap that a signature waits for: after the one shown last, or from a step on; in a circle."""
        blocking = [g for g in self.gaps() if g.blocking]
        if not blocking:
            return None
        steps = list(PLACE_OF_STEP.values())
        if self._shown in blocking and self._shown.step == step:
            found = blocking[(blocking.index(self._shown) + 1) % len(blocking)]
        else:
            here = steps.index(step) if step in steps else 0
            found = next((g for g in blocking if steps.index(g.step) >= here), blocking[0])
        self._shown = found
        return found

    def open_steps(self) -> dict[str, int]:
        """Number of blocking gaps by screen."""
        out: dict[str, int] = {}
        for gap in self.gaps():
            out[gap.step] = out.get(gap.step, 0) + gap.blocking
        return out

    def summary(self) -> Content:
        """The pair in a narrow column: finding, verdict, what is open."""
        if self.pair is None:
            return Content("No pair yet: add a subject and a reference.")
        found = self.verdict()
        made = self.case.state.comparisons.get(self.pair)
        blocking = [g for g in self.gaps() if g.blocking]
        open_here = [g for g in blocking if self._bears(g, self.pair)]
        elsewhere = f", elsewhere: {len(blocking) - len(open_here)}" if len(open_here) < len(blocking) else ""
        lines = [
            Content.styled("Pair", "bold"), Content(shown(self.pair_name)),
            Content.styled("\nFinding", "bold"), Content(shown(made.sentence, 500) if made else "not compared yet"),
            Content.styled("\nVerdict as things stand", "bold"), Content(shown(found.display)),
            *(Content(shown(s, 500)) for s in found.statements),
            Content.styled(f"\nOpen for this pair: {len(open_here)}{elsewhere}", "bold"),
            *(Content(shown(f"- {g.text}", 300)) for g in open_here[:12]),
        ]  # fmt: skip
        return Content("\n").join(lines)

    def _bears(self, gap: Gap, pair: str) -> bool:
        """Whether a gap is one of this pair, or of the whole case; another model's is neither."""
        if gap.pair:
            return gap.pair == pair
        return gap.what not in self.case.state.artifacts or gap.what in pair.split(":")

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
