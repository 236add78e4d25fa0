"""What two bundles, or two cases, say but for times, salts and what is made of these."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from mpk_tui.bundle.trust import single_key
from mpk_tui.bundle.verify import verify
from mpk_tui.keys import public

TIMED = {"at", "clock", "salt", "supplied_at", "decided_at"}


def timeless(value: Any) -> Any:
    """A record without its times and salts."""
    if isinstance(value, dict):
        # A review names the chain's head, which is made of times and salts.
        head = {"obj"} if value.get("act") == "review" else set()
        return {k: timeless(v) for k, v in value.items() if k not in TIMED | head}
    return [timeless(v) for v in value] if isinstance(value, list | tuple) else value


def payload(bundle: Path, key: Path) -> dict[str, Any]:
    """Everything that a bundle says, section by section, beside the facts of its case; it must be VALID."""
    outcome = verify(bundle.read_bytes(), single_key(public.read_public(key)), time.time_ns() // 10**6)
    assert outcome.verdict == "VALID", outcome
    contents = outcome.shown()
    assert contents is not None
    facts = {"case": dataclasses.asdict(contents.case), "seq": contents.seq, "tool": contents.tool.name}
    return {**facts, **contents.sections}


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Every section says the same."""
    assert before.keys() == after.keys()
    for name in before:
        assert timeless(after[name]) == timeless(before[name]), name
