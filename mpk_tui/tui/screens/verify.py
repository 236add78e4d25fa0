"""A bundle from somebody else: the verdict on it first, in words, then who signed and every part."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.errors import UsageError
from mpk_tui.progress import CancelToken, Report
from mpk_tui.text import clean, size
from mpk_tui.tui import keys, wording
from mpk_tui.tui.jobs import Job
from mpk_tui.tui.safe import plain
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.widgets.form import Field, Form

if TYPE_CHECKING:
    from mpk_tui.bundle.outcome import Outcome


class Verify(StepScreen):
    """Verification of one bundle; needs no case."""

    NAME = "verify"
    SCOPES = ("verify",)
    BINDINGS: ClassVar[list[Any]] = keys.bindings("verify")

    def __init__(self, bundle: str = "") -> None:
        super().__init__()
        self._bundle = bundle
        self._outcome: Outcome | None = None
        self._job: Job | None = None

    def body(self) -> Iterable[Widget]:
        """The word, then the rest."""
        yield Static("", id="word", classes="lead")
        with VerticalScroll(id="start", classes="pane"):
            yield Static("", id="outcome", classes="text")

    def show(self) -> None:
        """The outcome, or what to do."""
        word, rest = self.query_one("#word", Static), self.query_one("#outcome", Static)
        if self._outcome is None:
            word.update(Content("No bundle is open."))
            rest.update(
                Content(
                    "o names a bundle (.mpkb) and whom you trust: a trust store, or one public key in PEM form.\n"
                    "Without either, your own store counts; a signer whom it does not hold is untrusted."
                )
            )
            return
        word.update(plain(f"{self._outcome.verdict}: {self._outcome.words}", 1200))
        rest.update(Content("\n").join(outcome_lines(self._outcome)))

    def show_jobs(self) -> None:
        """A bundle that is being read says so."""
        super().show_jobs()
        if self._job is not None and self._job.state == "failed":
            self.query_one("#word", Static).update(plain(f"Not verified: {self._job.error}", 1200))

    def _accept(self, values: dict[str, str]) -> str | None:
        work = check(values)

        def finish(outcome: Outcome) -> None:
            self._outcome = outcome
            if self.is_mounted:
                self.show()

        self._outcome, self._job = None, None
        self._bundle = values["bundle"].strip()
        self._job = self.bench.start_job("verify", self._bundle, f"verify {self._bundle}", work, finish)
        return None

    def action_open(self) -> None:
        """Ask for a bundle and for whom to trust."""
        form = Form(
            "Verify a bundle",
            [
                Field("bundle", "Bundle", value=self._bundle, hint="path of a .mpkb file"),
                Field("trust", "Trust store", hint="its folder or signed file; empty: your own store"),
                Field("key", "or one public key", hint="path of a PEM file; or leave empty"),
                Field("checkpoint", "Local checkpoint to compare with", hint="path; or leave empty"),
            ],
            self._accept,
            button="verify",
        )
        self.bench.push_screen(form)


def check(values: dict[str, str]) -> Callable[[Report, CancelToken], Outcome]:
    """Work for a thread: read, verify, and hold against a local checkpoint if one was named.

    Raises:
        UsageError: Nothing was named, or both a store and a key.
        MpkError: The store or the key cannot be read.
    """
    from mpk_tui.bundle.trust import TrustStore, single_key
    from mpk_tui.keys import public, signed_store, store

    bundle, trust, key, local = (values[n].strip() for n in ("bundle", "trust", "key", "checkpoint"))
    if not bundle:
        raise UsageError("type the path of a bundle")
    if trust and key:
        raise UsageError("name a trust store or a key, not both")
    believed = TrustStore()
    if trust:
        believed = signed_store.believed(Path(trust).expanduser())
    elif key:
        believed = single_key(*public.read_halves(Path(key).expanduser()))
    else:
        believed = signed_store.believed(None)
    path = Path(bundle).expanduser()

    def work(report: Report, cancel: CancelToken) -> Outcome:
        from mpk_tui.bundle import receipt_log
        from mpk_tui.bundle.limits import FILE_BYTES
        from mpk_tui.bundle.local.recheck import recheck
        from mpk_tui.bundle.verify import Expected, verify
        from mpk_tui.checkpoint.reading import read_small

        data = read_small(path, FILE_BYTES, follow=True)
        known = receipt_log.load(store.default_receipts())
        outcome = verify(data, believed, time.time_ns() // 1_000_000, Expected(history=known))
        shown = outcome.shown()
        if local and shown is not None:
            outcome = recheck(outcome, shown, [Path(local).expanduser()], report, cancel)
        return outcome

    return work


def outcome_lines(outcome: Outcome) -> list[Content]:
    """Everything below the verdict; all of it from a stranger's file."""
    from mpk_tui.bundle.wording import notices

    out: list[Content] = []

    def head(text: str) -> None:
        out.append(Content.styled(text, "bold"))

    def line(text: str) -> None:
        out.append(Content(clean(text, 1200)))

    # What the bundle says is shown where its verdict lets it be shown, as on the command line.
    trusted = outcome.shown() is not None
    if outcome.contradictions and trusted:
        head("Contradictions")
        for text in outcome.contradictions:
            line(f"  ! {text}")
    head("Who signed")
    for s in outcome.signers:
        who = f"{s.person or 'unknown to you'} (signs as {s.id!r}, role {s.role})" if s.id else "nobody declared"
        line(f"  {s.state}: {who}{f', {s.reason}' if s.reason else ''}")
        for keyid in s.keyids:
            line(f"    key {keyid.hex()}")
    for e in outcome.endorsements:
        line(f"  {e.kind} by {e.person or e.id}, {e.state}{f': {e.statement}' if trusted else ''}")
    if outcome.manifest is not None and not trusted:
        line("  What it says is not shown: mpk-tui verify --show-untrusted shows it, under a banner.")
    if outcome.manifest is not None and trusted:
        m = outcome.manifest
        head("Case, as signed")
        line(f"  {m.case.id} {m.case.title}; bundle {m.seq}; created {wording.utc(m.created)} UTC (a claim)")
    for pair in outcome.pairs if trusted else ():
        head(clean(f"Verdict on {pair.pair}"))
        agrees = {True: "agrees with", False: "CONTRADICTS", None: "cannot be held against"}[pair.agrees]
        if pair.recomputed is not None:
            line(f"  recomputed: {pair.recomputed.get('display')}")
            for statement in pair.recomputed.get("statements", ()):
                line(f"  {statement}")
        if pair.signed is not None:
            line(f"  what was signed {agrees} what follows from its own answers and evidence")
    if outcome.sections:
        head("Sections")
        for x in outcome.sections:
            count = f", {x.count} items" if x.count else ""
            withheld = f", {x.withheld} withheld" if x.withheld else ""
            line(f"  {x.state:<16} {x.id} ({x.kind}, {size(x.size)}{count}{withheld}) {x.reason}")
    for row in outcome.checkpoint:
        head("Local checkpoint")
        line(f"  {row['path']}: {row['result']}. {row['sentence']}")
        line(f"  weights: {row['weights']}")
        line(f"  folder: {row['folder']}")
        for level in ("tensors", "files"):
            lists = row[level]
            counts = ", ".join(f"{len(lists[n])} {n}" for n in ("changed", "missing", "extra"))
            line(f"  {level}: {lists['same']} same, {counts}")
            for n in ("changed", "missing", "extra"):
                for name in lists[n][:50]:
                    line(f"    {n}: {name}")
    if told := notices(outcome, shown=trusted):
        head("Notices")
        for text in told:
            line(f"  {text}")
    if outcome.bundle_id is not None:
        line(f"Bundle id {outcome.bundle_id.hex()}")
    return out
