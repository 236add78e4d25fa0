"""Rules of the ``log`` section: a case's journal under signature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mpk_tui import hashtree
from mpk_tui.bundle.commitments import Items, Withheld
from mpk_tui.errors import MalformedError

EXPORT = "export"
SEALED = "bundle"
"""Act that records a bundle that was written; its object is the bundle's id."""


def check(items: Items, seq: int) -> tuple[str, ...]:
    """Hold the disclosed entries against the rules; their shapes and the chain were checked.

    Args:
        items: Entries in order.
        seq: Number of the bundle; its last entry must be the export that made it.

    Returns:
        Notices: what is odd but may happen (a clock that was set back, hashes that were not repeated).

    Raises:
        MalformedError: Numbers with a gap, or no export at the end.
    """
    entries = items.values
    if not entries:
        raise MalformedError("has no entries", where="log")
    last_at = 0
    backwards: list[int] = []
    acts: set[str] = set()
    for n, entry in enumerate(entries):
        if isinstance(entry, Withheld):
            continue
        if entry["seq"] != n:
            raise MalformedError(f"entry {n} carries the number {entry['seq']}", where=f"log[{n}]")
        if entry["at"] < last_at:
            backwards.append(n)
        last_at = max(last_at, entry["at"])
        acts.add(entry["act"])
    notices = []
    final = entries[-1]
    if isinstance(final, Withheld):
        notices.append("the last log entry is withheld: whether it is the export could not be checked")
    elif final["act"] != EXPORT:
        raise MalformedError("does not end with the export", where=f"log[{len(entries) - 1}]")
    elif type(final["params"].get("seq")) is not int or final["params"]["seq"] != seq:  # neither true nor 1.0 is 1
        raise MalformedError(f"its export is not that of bundle number {seq}", where=f"log[{len(entries) - 1}]")
    if backwards:
        notices.append(f"time runs backwards in the log at entry {', '.join(map(str, backwards[:10]))}")
    if not items.withheld and "hash_before" in acts and "hash_after" not in acts:
        notices.append("the log records hashes at intake and none after the analysis")
    return tuple(notices)


def extends(earlier_head: bytes, earlier_count: int, later: Sequence[Any]) -> bool:
    """Whether a later log begins with all of an earlier one (prefix consistency).

    Args:
        earlier_head: Signed head of the earlier log.
        earlier_count: Its signed number of entries.
        later: Digests of the later log's entries, in order (32 bytes each).
    """
    if earlier_count > len(later):
        return False
    return hashtree.chain_head(later[:earlier_count]) == earlier_head
