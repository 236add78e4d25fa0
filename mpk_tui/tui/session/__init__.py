"""The case that is open in the workbench, seen through the pair that is looked at.

Everything here is a call into `mpk_tui.case` and its neighbours: the command line makes the same calls.  Nothing is
decided here.  `Session` is the one object that screens see; its parts stand one concern a module.
"""

from __future__ import annotations

from mpk_tui.case.store import JOURNAL
from mpk_tui.tui.session.gaps import Gap
from mpk_tui.tui.session.whole import Session, begin

__all__ = ["JOURNAL", "Gap", "Session", "begin"]
