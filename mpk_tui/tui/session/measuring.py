"""Artifacts and what is measured of them: work for threads, and the records that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpk_tui.case import actions, artifacts, resuming
from mpk_tui.case.evidence import keep_data, record_attached
from mpk_tui.case.measuring import Compared, compare_apart, fingerprint_apart
from mpk_tui.case.resuming import Measured
from mpk_tui.case.state import Artifact
from mpk_tui.case.store import FINGERPRINTS
from mpk_tui.errors import MpkError, UsageError
from mpk_tui.tui import keys, scanning, wording
from mpk_tui.tui.session.desk import Desk

if TYPE_CHECKING:
    from mpk_tui.case.intake import Intake
    from mpk_tui.checkpoint.opening import Opening
    from mpk_tui.fingerprint.record import Fingerprint
    from mpk_tui.progress import CancelToken, Report


class Measuring(Desk):
    """Fingerprints and comparisons."""

    def looking_into(self, path: Path, how: Opening) -> Callable[[CancelToken], None]:
        """Work for a thread: open a checkpoint's headers, so that what cannot be examined is refused at once.

        It raises `UsageError` where a folder holds several models, and whatever reading refuses.
        """
        from mpk_tui.checkpoint.open import open_checkpoint
        from mpk_tui.fingerprint.record import looks_like_fingerprint

        def work(cancel: CancelToken) -> None:
            if not path.exists() or looks_like_fingerprint(path):
                return
            try:
                open_checkpoint(path, cancel, how)
            except UsageError as error:
                raise UsageError(error.what, hint="Type the name of the one that is meant under Model") from None

        return work

    def add_artifact(
        self, path: Path, role: str, label: str, note: str, how: Opening, intake: Intake | None = None
    ) -> Artifact:
        """Put a checkpoint under examination."""
        return artifacts.add_artifact(self.case, path, role=role, label=label, note=note, how=how, intake=intake)

    def same_path(self, artifact: Artifact) -> str:
        """A sentence where one path was taken in as both subject and reference, else empty."""
        where = (artifact.path, artifact.model, artifact.base)
        twins = [
            a.id for a in self.artifacts if a.role != artifact.role and (a.path, a.model, a.base) == where and a.path
        ]
        if not twins:
            return ""
        return (
            f"{artifact.id} has the same path as {', '.join(twins)}: what is compared with itself is identical, "
            "and says nothing of any other model."
        )

    def checking(self, path: Path, lists: Sequence[Path], accept: str) -> Callable[[Report, CancelToken], Intake]:
        """Work for a thread: hold a folder against acquisition hash lists."""
        from mpk_tui.case.intake import measure_intake

        return lambda report, cancel: measure_intake(path, lists, accept, report, cancel)

    def remove_artifact(self, artifact: str) -> None:
        """Take one out of the examination."""
        artifacts.remove_artifact(self.case, artifact)

    def about_artifact(self, artifact: Artifact) -> list[str]:
        """An artifact in full."""
        not_yet = f"not fingerprinted yet ({keys.way_to('fingerprint')})"
        return [
            f"{artifact.id} {artifact.role}: {artifact.label}",
            f"Path: {artifact.path} (kept on this machine only, in no journal and no bundle)",
            *([f"Notice: {same}"] if (same := self.same_path(artifact)) else []),
            *([f"Intake: {artifact.note}"] if artifact.note else []),
            *([f"Model: {artifact.model}, one of several in the folder"] if artifact.model else []),
            *([f"Examined on the base {Path(artifact.base).name}"] if artifact.base else []),
            *(["PARTIAL: parts may be missing; no exclusion can be established"] if artifact.partial else []),
            *(
                [f"INCOMPLETE: see the notices of its fingerprint ({keys.way_to('fingerprint')})"]
                if not artifact.complete
                else []
            ),
            *(f"Hash list: {sentence}" for sentence in artifact.lists),
            *([f"Taken in although a list contradicts it: {artifact.mismatch}"] if artifact.mismatch else []),
            f"Tensor root: {artifact.root or not_yet}",
            *([f"Scope: {artifact.scope}"] if artifact.scope else []),
            *([f"Hashed again after the analysis: {self.rehashed(artifact.id)}"] if artifact.root else []),
        ]

    # -- fingerprints -----------------------------------------------------------------------------------------------

    def paths_of(self, *names: str) -> tuple[Path, ...]:
        """What measuring some artifacts reads."""
        chosen = [self.case.state.artifacts[name] for name in names]
        return tuple(Path(p) for a in chosen for p in (a.path, a.base) if p)

    def fingerprinting(self, artifact: str, *, afresh: bool = False) -> Callable[[Report, CancelToken], Measured]:
        """Work for a thread, which does it in another process; goes on where an interrupted run stopped."""
        known = self.case.state.artifacts[artifact]
        return partial(fingerprint_apart, known, resuming.plan(self.case, artifact, afresh=afresh))

    def record_fingerprint(self, artifact: str, made: Measured) -> str:
        """Journal what a thread made, and say what a person must know of how it came about."""
        resuming.record_measured(self.case, artifact, made)
        self._fingerprints[self.case.state.artifacts[artifact].fingerprint] = made.fingerprint
        return "; ".join(made.sentences())

    def fingerprint_file(self, artifact: str) -> Path:
        """Where the recorded fingerprint lies; whoever reads it checks its digest."""
        return self.case.root / FINGERPRINTS / f"{artifact}.mpkf"

    def keep_scan(self, record: Mapping[str, Any]) -> str:
        """Attach a scan to the case, as context about the pair that is looked at; says what came of it."""
        query = record.get("query")
        label = query.get("label") if isinstance(query, Mapping) else ""
        kept = keep_data(self.case, scanning.as_json(record), f"scan of {label}.json")
        digest = record_attached(self.case, kept)
        if self.pair is None:
            return f"The scan is attached ({digest[:16]}…). There is no pair yet for which it could be context."
        made = actions.add_evidence(
            self.case, self.pair, kind="context", source=scanning.context_source(record),
            excerpt=scanning.answer(record)[:1200], attached=digest,
        )  # fmt: skip
        return f"{made.id} is context about {self.pair}: it carries no label. The scan is attached ({digest[:16]}…)."

    def at_hand(self, artifact: str) -> Fingerprint | None:
        """The recorded fingerprint, if it was read already."""
        return self._fingerprints.get(self.case.state.artifacts[artifact].fingerprint)

    def reading_fingerprint(self, artifact: str) -> Callable[[], tuple[str, str, Fingerprint | None, str]]:
        """Work for a thread: the recorded fingerprint with its artifact and digest, or why it cannot be read."""
        digest = self.case.state.artifacts[artifact].fingerprint

        def work() -> tuple[str, str, Fingerprint | None, str]:
            try:
                return artifact, digest, artifacts.stored_fingerprint(self.case, artifact), ""
            except MpkError as error:
                return artifact, digest, None, error.diagnosis()

        return work

    def take_fingerprint(self, artifact: str, digest: str, found: Fingerprint | None, fault: str) -> None:
        """Keep what a thread read."""
        if found is not None:
            self._fingerprints[digest] = found
        elif fault:
            self.faults[artifact] = fault

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

    def rehashing(self, artifact: str) -> Callable[[Report, CancelToken], tuple[Fingerprint, Fingerprint]]:
        """Work for a thread: the fingerprint as it is recorded, and as the artifact gives it now.

        Raises:
            UsageError: It has no fingerprint yet.
        """
        known = self.case.state.artifacts[artifact]
        if not known.fingerprint:
            raise UsageError(f"{artifact} has no fingerprint yet", hint=f"{keys.way_to('fingerprint')} makes it")

        def work(report: Report, cancel: CancelToken) -> tuple[Fingerprint, Fingerprint]:
            before = artifacts.stored_fingerprint(self.case, artifact)
            return before, fingerprint_apart(known, None, report, cancel).fingerprint

        return work

    def record_rehash(self, artifact: str, found: tuple[Fingerprint, Fingerprint]) -> str:
        """Journal it and say what it came to."""
        same = artifacts.record_rehash(self.case, artifact, *found)
        return f"{artifact} hashed again: {'unchanged' if same else 'CHANGED since it was fingerprinted'}."

    def rehashed(self, artifact: str) -> str:
        """What the last hashing after the analysis said, in words."""
        about = [
            e for e in self.case.entries if e.act in ("hash_before", "hash_after") and e.params.get("id") == artifact
        ]
        if not about or about[-1].act != "hash_after":
            return "not yet"
        last = about[-1]
        files = last.params.get("files") or ()
        count = f", {len(files)} {'file' if len(files) == 1 else 'files'} with other bytes" if files else ""
        return f"{'unchanged' if last.result == 'same' else f'CHANGED{count}'}, {wording.utc(last.at)} UTC"

    # -- comparisons ------------------------------------------------------------------------------------------------

    def comparing(self, pair: str) -> Callable[[Report, CancelToken], Compared]:
        """Work for a thread, which does it in another process; refuses early what would be refused late."""
        actions.split_pair(self.case, pair)
        return partial(compare_apart, self.case, pair)

    def record_comparison(self, pair: str, made: Compared) -> None:
        """Journal what a thread made."""
        actions.record_comparison(self.case, pair, made.record, data=made.data)

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
