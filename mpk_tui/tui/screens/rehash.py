"""Hashing after the analysis: artifacts held against their fingerprints, as jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mpk_tui.tui.screens.step import StepScreen


def rehash(screen: StepScreen, artifacts: Sequence[str]) -> None:
    """Start a job for each artifact; its result is journalled and said."""
    session, bench = screen.session, screen.bench
    if not bench.attempt(session.must_write):
        return
    todo = [a for a in artifacts if session.case.state.artifacts[a].fingerprint]
    if not todo:
        bench.say("There is no fingerprint yet to hold it against.")
        return

    def finish(artifact: str) -> Callable[[Any], None]:
        def taken(found: Any) -> None:
            said = session.record_rehash(artifact, found)
            bench.say(said, bad="CHANGED" in said)

        return taken

    for artifact in todo:
        bench.attempt(
            partial(
                bench.start_job,
                "rehash",
                artifact,
                f"hash {artifact} again",
                session.rehashing(artifact),
                finish(artifact),
                session.paths_of(artifact),
            )
        )
