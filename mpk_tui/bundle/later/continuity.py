"""Whether a bundle carries on from an earlier one of the same case, or tells another story.

A case's journal only grows, so a later bundle's log begins with all entries of the earlier one: recomputed from the
later log's hashes it gives the earlier one's signed head.  Entries that are withheld do not matter, their hashes are
there.  Where two bundles follow each other directly the later one also names the earlier one (``prev``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mpk_tui import canonical, hashtree
from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.logbook import SEALED, extends
from mpk_tui.bundle.outcome import SHOWN, Outcome, Word
from mpk_tui.records import dataclass, replace


@dataclass(frozen=True)
class Continuity:
    """A bundle held against one earlier one.

    Attributes:
        path: The earlier file, as it was named.
        verdict: On the earlier file.
        bundle: Its id.
        seq: Its number in the case, where it may be told.
        word: `Word.REPLAY` for a fork, `Word.PARTIAL` where it could not be compared, None where the case goes on.
        sentence: The result in words.
    """

    path: str
    verdict: Word
    bundle: bytes | None
    seq: int | None
    word: Word | None
    sentence: str

    def as_record(self) -> dict[str, Any]:
        """Plain form, as ``verify --json`` prints it."""
        result = {Word.REPLAY: "fork", Word.PARTIAL: "not compared"}.get(self.word or Word.VALID, "continues")
        return {
            "path": self.path, "verdict": self.verdict.value, "bundle": self.bundle.hex() if self.bundle else None,
            "seq": self.seq, "result": result, "sentence": self.sentence,
        }  # fmt: skip


def held_against(outcome: Outcome, earlier: Sequence[tuple[str, Outcome]]) -> Outcome:
    """Hold a verified bundle against earlier ones.

    Args:
        outcome: Of the later bundle; its verdict can only become worse.
        earlier: Name and outcome of each earlier bundle, verified with the same trust.

    Returns:
        REPLAY if one of them was not carried on, at best PARTIAL if one could not be compared.
    """
    done = [compare(outcome, path, other) for path, other in earlier]
    worst = min((c.word for c in done if c.word is not None), key=list(Word).index, default=None)
    said = " ".join(c.sentence for c in done)
    numbers: dict[tuple[str, int], bytes | None] = {}
    for path, other in earlier:
        m = other.manifest
        if m is None or other.verdict not in SHOWN:
            continue
        if numbers.setdefault((m.case.id, m.seq), other.bundle_id) != other.bundle_id:
            worst, said = Word.REPLAY, f"{said} Fork: {path} is another bundle {m.seq} of the case than one before it."
    made = outcome.at_most(worst, said)
    told = tuple(dict.fromkeys(t for path, other in earlier for t in _dissents(path, other, outcome)))
    return replace(made, earlier=tuple(c.as_record() for c in done), notices=(*made.notices, *told))


def _dissents(path: str, earlier: Outcome, later: Outcome) -> list[str]:
    """Who dissented from an earlier bundle of the case: its endorsements do not travel with the next one."""
    if earlier.manifest is None or later.manifest is None or earlier.verdict not in SHOWN:
        return []
    if earlier.manifest.case.id != later.manifest.case.id or earlier.bundle_id == later.bundle_id:
        return []
    return [
        f"{e.person or repr(e.id)} ({e.state}) dissents from the earlier bundle {earlier.manifest.seq} ({path}); this "
        "bundle does not carry that"
        for e in earlier.endorsements
        if e.kind == "dissent" and e.state != "not verified"
    ]


def compare(later: Outcome, path: str, earlier: Outcome) -> Continuity:
    """Hold a bundle against one earlier one.

    An earlier file that is not to be relied on proves nothing, neither for nor against the later one.
    """
    a, b = earlier.manifest, later.manifest
    if b is None or a is None or earlier.verdict not in SHOWN:
        return Continuity(
            path, earlier.verdict, earlier.bundle_id, None, Word.PARTIAL,
            f"Not held against {path}, which reads {earlier.verdict}.",
        )  # fmt: skip

    def result(word: Word | None, sentence: str) -> Continuity:
        return Continuity(path, earlier.verdict, earlier.bundle_id, a.seq, word, sentence)

    if earlier.bundle_id == later.bundle_id:
        return result(None, f"{path} is the same bundle.")
    if a.case.id != b.case.id:
        return result(Word.REPLAY, f"{path} belongs to another case, {a.case.id!r}.")
    if a.seq == b.seq:
        return result(Word.REPLAY, f"Fork: there are two bundles number {a.seq} of this case.")
    if a.seq > b.seq:
        return result(Word.REPLAY, f"{path} is number {a.seq} and therefore later than this one, number {b.seq}.")
    entries = None if later.contents is None else later.contents.sections.get("log")
    log = a.section("log")
    digests = [_digest(e) for e in entries or ()]
    if entries is not None and log is not None and not extends(log.digest, log.count, digests):
        return result(Word.REPLAY, f"Fork: the log does not begin with that of bundle {a.seq}.")
    after = entries[log.count] if entries is not None and log is not None and len(entries) > log.count else None
    if isinstance(after, Mapping) and after["act"] == SEALED and after["obj"] not in (None, earlier.bundle_id):
        return result(Word.REPLAY, f"Fork: the log goes on from another bundle {a.seq} than this one.")
    if b.seq == a.seq + 1 and b.prev != earlier.bundle_id:
        return result(Word.REPLAY, f"Fork: the bundle does not name bundle {a.seq} as the one before it.")
    if entries is None or log is None:
        return result(Word.PARTIAL, f"Not held against the log of bundle {a.seq}: this bundle's log is withheld.")
    return result(
        None, f"The log begins with all {log.count} entries of bundle {a.seq} and adds {len(digests) - log.count}."
    )


def _digest(entry: Mapping[str, Any] | Withheld) -> bytes:
    return entry.digest if isinstance(entry, Withheld) else hashtree.sha256(canonical.encode(entry))
