"""One checkpoint held against a watch list: equal files, equal tensors, near copies, and what a comparison finds.

A level is what was measured, in this order: `IDENTICAL` (the very file, or all tensors equal, if need be after a
lossless conversion), `NEAR` (nearly all tensors; those that differ are named), `TENSORS` (some learned tensors are
equal byte for byte), `ANCESTOR` and `COMPONENT` (findings of a comparison).  None of them says that a checkpoint does
what the advisory says of the listed model.  A common initialisation, or a common origin that is not resolved, is a
notice.  What cannot be opened is held against the list's files all the same, by the hashes of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui import canonical
from mpk_tui.checkpoint.folder import list_folder
from mpk_tui.checkpoint.reading import CACHE_LINK, Source
from mpk_tui.errors import MalformedError, MpkError
from mpk_tui.fingerprint import record
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.lineage import findings
from mpk_tui.progress import CancelToken, Report
from mpk_tui.sweep.relatives import fault_of
from mpk_tui.sweep.working import Order, confine, opened, readable

TASK = f"{__name__}:watch_task"
IDENTICAL, NEAR, TENSORS, ANCESTOR, COMPONENT = (
    "identical", "near-identical", "shares-tensors", "shared-trained-ancestor", "component",
)  # fmt: skip
LEVELS = (IDENTICAL, NEAR, TENSORS, ANCESTOR, COMPONENT)
_OF_FINDING = {
    findings.IDENTICAL: IDENTICAL, findings.REFORMATTED: IDENTICAL, findings.NEAR_IDENTICAL: NEAR,
    findings.TRAINED_ANCESTOR: ANCESTOR, findings.COMPONENT: COMPONENT,
}  # fmt: skip
_OF_ALL = (findings.IDENTICAL, findings.REFORMATTED, findings.NEAR_IDENTICAL)
MISSES = (findings.SHARED_INIT, findings.UNRESOLVED)
"""Findings that are told and raise no alert."""
MOST_NAMES = 1_000
"""Files or tensors that an alert names; the rest is counted."""
_PIECE = 8 << 20
ALL = 8
"""A list of so many models is compared whole; of a longer one, what passes the screen or shares bytes."""


@dataclass(frozen=True)
class Mark:
    """One model of the list, as the process that does the work gets it.

    Attributes:
        number: Its place in the list.
        name: As the list calls it; untrusted text.
        root: Tensor root, or empty.
        files: SHA-256 of files.
        path: Its fingerprint file, or None.
        fingerprint: Digest of that.
    """

    number: int
    name: str
    root: bytes
    files: frozenset[bytes]
    path: Path | None
    fingerprint: bytes

    def plain(self) -> list[Any]:
        """As it goes to the process."""
        return [
            self.number, self.name, self.root, sorted(self.files), None if self.path is None else bytes(self.path),
            self.fingerprint,
        ]  # fmt: skip

    @staticmethod
    def read(v: Any) -> Mark:
        """What `plain` wrote."""
        path = None if v[4] is None else Path(os.fsdecode(v[4]))
        return Mark(v[0], v[1], v[2], frozenset(v[3]), path, v[5])


@dataclass(frozen=True)
class Seen:
    """What a checkpoint has to do with one model of the list.

    Attributes:
        number: The model's place in the list.
        level: One of `LEVELS`, or empty for a near miss.
        finding: Of the comparison, or empty if there was none.
        sentence: What was found.
        numbers: Counts, names of files and tensors.
        comparison: Canonical record of the comparison (schema ``mpk-tui/compare/1``), or empty.
    """

    number: int
    level: str
    finding: str
    sentence: str
    numbers: Mapping[str, Any]
    comparison: bytes


@dataclass(frozen=True)
class Held:
    """A checkpoint held against a whole list.

    Attributes:
        fingerprint: Its fingerprint file's bytes.
        seen: What there is to tell, by the list's order.
        faults: Models that it could not be held against: place in the list and why.
        gap: Why nothing but files could be compared, or empty.
        fault: Why it could not be opened, or None.
    """

    fingerprint: bytes
    seen: tuple[Seen, ...]
    faults: tuple[tuple[int, dict[str, Any]], ...]
    gap: str
    fault: dict[str, Any] | None = None

    def to_bytes(self) -> bytes:
        """As it goes back."""
        return canonical.encode(
            [
                self.fingerprint,
                [[s.number, s.level, s.finding, s.sentence, dict(s.numbers), s.comparison] for s in self.seen],
                [[n, f] for n, f in self.faults],
                self.gap,
                self.fault,
            ]
        )

    @staticmethod
    def from_bytes(data: bytes) -> Held:
        """What `to_bytes` wrote.

        Raises:
            MalformedError: It is not.
        """
        try:
            made, seen, faults, gap, fault = canonical.decode(data, where="answer")
            return Held(made, tuple(Seen(*s) for s in seen), tuple((n, f) for n, f in faults), gap, fault)
        except (TypeError, ValueError):
            raise MalformedError("whoever measured it answered something else") from None


def request(order: Order, marks: Iterable[Mark], comparisons: int) -> bytes:
    """What `watch_task` is asked."""
    return canonical.encode([order.to_bytes(), [m.plain() for m in marks], comparisons])


def watch_task(data: bytes, report: Report, cancel: CancelToken) -> bytes:
    """What the other process does: an order and a list in, `Held` out."""
    asked, marks, comparisons = canonical.decode(data, where="order")
    order = Order.from_bytes(asked)
    confine(order.memory)
    listed = [Mark.read(m) for m in marks]
    try:
        with opened(order, report, cancel) as side:
            return hold(side, listed, comparisons, report, cancel).to_bytes()
    except MpkError as error:
        cancel.check()
        return _unopened(order.path, listed, error, cancel).to_bytes()


def hold(side: Any, marks: list[Mark], comparisons: int, report: Report, cancel: CancelToken) -> Held:
    """Hold a checkpoint against every model of a list.

    Args:
        side: The checkpoint, a `mpk_tui.lineage.sides.Side`.
        marks: The list.
        comparisons: What the significance is divided by.
        report: Progress.
        cancel: Polled between models.
    """
    from mpk_tui.lineage.compare import compare_sides
    from mpk_tui.lineage.sides import Side

    fp: Fingerprint = side.fingerprint
    seen: list[Seen] = []
    faults: list[tuple[int, dict[str, Any]]] = []
    telling = _telling(side)
    ready: list[tuple[Mark, Fingerprint | None]] = []
    for mark in marks:
        cancel.check()
        try:
            ready.append((mark, _read(mark)))
        except MpkError as error:
            faults.append((mark.number, fault_of(error)))
    worth = _worth(fp, ready, telling, cancel)
    for mark, made in ready:
        cancel.check()
        files = [f.path for f in fp.files if f.sha256 is not None and f.sha256 in mark.files]
        if made is None or mark.number not in worth:
            if files or (mark.root and mark.root == fp.root and fp.tensors):
                seen.append(_by_digests(mark, files, fp))
            continue
        try:
            other = Side(mark.name, made, None)
            found = compare_sides(side, other, report, cancel, comparisons=comparisons)
        except MpkError as error:
            cancel.check()
            faults.append((mark.number, fault_of(error)))
            continue
        shared = sorted({telling[t.sha256] for t in made.tensors if t.sha256 in telling}, key=str)
        told = _by_comparison(mark, files, shared, found)
        if told is not None:
            seen.append(told)
    return Held(fp.to_bytes(), tuple(seen), tuple(faults), fp.undecoded)


def _unopened(path: Path, marks: list[Mark], error: MpkError, cancel: CancelToken) -> Held:
    """A checkpoint that no reader opens: its files by their hashes, if the list names any."""
    wanted = frozenset[bytes]().union(*(m.files for m in marks))
    found: dict[bytes, list[str]] = {}
    for name, place in _files(path) if wanted else ():
        with contextlib.suppress(MpkError):  # one that cannot be read; what cannot be opened at all is told below
            digest = _hash(place, cancel)
            if digest in wanted:
                found.setdefault(digest, []).append(name)
    seen = []
    for mark in marks:
        files = sorted(name for digest in mark.files & found.keys() for name in found[digest])
        if files:
            sentence = f"{_count(files, 'file is', 'files are')} byte for byte as the list names them."
            seen.append(Seen(mark.number, IDENTICAL, "", sentence, _numbers(files, [], None), b""))
    return Held(b"", tuple(seen), (), "", fault_of(error))


def _files(path: Path) -> list[tuple[str, Path]]:
    if not path.is_dir():
        return [(path.name, path)]
    return [(e.path, path / e.path) for e in list_folder(path) if e.kind == "file" or e.link_class == CACHE_LINK]


def _hash(path: Path, cancel: CancelToken) -> bytes:
    made = hashlib.sha256()
    with Source(path, follow=True) as source:
        at = 0
        while at < source.size:
            cancel.check()
            piece = source.read(at, min(_PIECE, source.size - at))
            made.update(piece)
            at += len(piece)
        source.check_unchanged()
    return made.digest()


def _read(mark: Mark) -> Fingerprint | None:
    if mark.path is None:
        return None
    made = record.read(mark.path)
    if made.digest != mark.fingerprint:
        raise MalformedError("is not the fingerprint that the list means", where=str(mark.path))
    return made


def _telling(side: Any) -> dict[bytes, str]:
    """Digests of the checkpoint's tensors whose equality in another model says something, with their names."""
    from mpk_tui.library.exact import telling

    return {t.sha256: t.name for t in telling(side)}


def _worth(
    fp: Fingerprint, ready: list[tuple[Mark, Fingerprint | None]], telling: Mapping[bytes, str], cancel: CancelToken
) -> set[int]:
    """Places of the models that the checkpoint is compared with."""
    from mpk_tui.library.screen import screens_of
    from mpk_tui.library.search import WORTH, look

    known = [(m, made) for m, made in ready if made is not None]
    if len(known) <= ALL:
        return {m.number for m, _ in known}
    rows = [(m.number, s.key, s.layers, s.data) for m, made in known for s in screens_of(made)]
    passed = {n for n, s in look(screens_of(fp), rows, cancel).items() if s.score >= WORTH}
    shares = {
        m.number for m, made in known if made.root == fp.root or any(t.sha256 in telling for t in made.tensors)
    }  # fmt: skip
    return passed | shares


def _by_digests(mark: Mark, files: list[str], fp: Fingerprint) -> Seen:
    """Of a model that is known by digests alone, or that nothing but a file connects."""
    if mark.root and mark.root == fp.root:
        sentence = f"All {len(fp.tensors)} tensors are equal, by their digests (tensor root)."
    else:
        sentence = f"{_count(files, 'file is', 'files are')} byte for byte as the list names them."
    return Seen(mark.number, IDENTICAL, "", sentence, _numbers(files, [], None), b"")


def _by_comparison(mark: Mark, files: list[str], shared: list[str], found: dict[str, Any]) -> Seen | None:
    level = _OF_FINDING.get(found["finding"], "")
    if files and level not in (IDENTICAL, NEAR):
        level = IDENTICAL  # the very file that the list names, whatever else lies beside it
    elif shared and level not in (IDENTICAL, NEAR):
        level = TENSORS
    if not level and found["finding"] not in MISSES:
        return None
    said = found["sentence"]
    if shared and level == TENSORS:
        said = f"{_count(shared, 'learned tensor is', 'learned tensors are')} equal byte for byte. {said}"
    if files:
        said = f"{_count(files, 'file is', 'files are')} byte for byte as the list names them. {said}"
    return Seen(
        mark.number, level, found["finding"], said, _numbers(files, shared, found), canonical.encode(found)
    )  # fmt: skip


def _numbers(files: list[str], shared: list[str], found: Mapping[str, Any] | None) -> dict[str, Any]:
    out: dict[str, Any] = {"files": [readable(f) for f in files[:MOST_NAMES]], "equal_tensors": len(shared)}
    # Where nearly all are equal, those that differ say more.
    out["equal_named"] = shared[:MOST_NAMES] if found is None or found["finding"] not in _OF_ALL else []
    if found is None:
        return {**out, "p": None, "p_is_bound": False, "pairs": 0, "equal": 0, "differing": [], "differing_count": 0,
                "only_here": [], "only_listed": [], "comparisons": 1}  # fmt: skip
    identity = found["identity"]
    # Of two models that have little in common every tensor differs, and no name says anything.
    near = found["finding"] == findings.NEAR_IDENTICAL or bool(shared)
    names = [d["a"] for d in identity["differing"]] if near else []
    return {
        **out, "p": found["p"], "p_is_bound": found["p_is_bound"], "pairs": identity["pairs"],
        "equal": identity["equal"] + identity["converted"], "differing": names[:MOST_NAMES],
        "differing_count": len(identity["differing"]), "only_here": identity["only_a"][:MOST_NAMES] if near else [],
        "only_listed": identity["only_b"][:MOST_NAMES] if near else [], "comparisons": found.get("comparisons", 1),
    }  # fmt: skip


def _count(items: list[str], one: str, more: str) -> str:
    return f"{len(items)} {one if len(items) == 1 else more}"
