"""An artifact held against acquisition hash lists when it is taken in.

The outcome becomes the ``result`` of the journal's ``artifact`` entry: counts, every line that does not match by proof
(as many as a journal entry should hold), and the digests under which the lists and the whole record are kept among the
case's attachments.  Lists are custody and context: no finding and no verdict reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mpk_tui import canonical, hashtree
from mpk_tui.case.store import ATTACHMENTS, Case
from mpk_tui.checkpoint.hash_check import Checked, check
from mpk_tui.checkpoint.hash_lists import MAX_LIST, parse
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.checkpoint.side_files import list_path, without
from mpk_tui.errors import ExitCode, MpkError, UsageError
from mpk_tui.progress import CancelToken, Report, silent

MAX_SHOWN = 200
"""Lines of each kind that the journal entry itself holds; the kept record has all."""

MAX_TEXT = 500
"""Characters of a name or note in the journal entry."""


class ContradictionError(MpkError):
    """Files under intake contradict an acquisition hash list.

    Attributes:
        lines: Every contradiction, as `Intake.differing` words it; the message itself holds the first few.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.MISMATCH

    def __init__(self, lines: tuple[str, ...], where: str) -> None:
        named = "; ".join(line[:300] for line in lines[:5])
        rest = f"; and {len(lines) - 5} more" if len(lines) > 5 else ""
        super().__init__(
            f"{len(lines)} line{'s'[: len(lines) != 1]} of hash lists contradict{'s'[: len(lines) == 1]} the files: "
            f"{named}{rest}", where=where,
            hint="Nothing was taken in. Copy again, or say why they are taken in all the same (--accept-mismatch)",
        )  # fmt: skip
        self.lines = lines


@dataclass(frozen=True)
class Intake:
    """Files held against lists, before the case knows of it.

    Attributes:
        checked: One for each list.
        lists: Bytes of each list, in the same order.
        accepted: Why files that contradict a list are taken in all the same, or empty.
    """

    checked: tuple[Checked, ...]
    lists: tuple[bytes, ...]
    accepted: str = ""

    @property
    def differing(self) -> tuple[str, ...]:
        """Every contradiction as ``list, line: path (what)``."""
        return tuple(
            f"{c.list.source}, line {r.line.number}: {r.path} ({r.note})" for c in self.checked for r in c.differing
        )


def measure_intake(
    path: Path,
    lists: Sequence[Path],
    accept: str = "",
    report: Report = silent,
    cancel: CancelToken | None = None,
    *,
    names: Sequence[str] | None = None,
) -> Intake:
    """Hold what lies at ``path`` against lists; nothing is recorded.

    Args:
        path: Folder or file that is to be taken in.
        lists: List files.
        accept: Why contradicting files are taken in all the same; empty to refuse them.
        report: Progress in bytes.
        cancel: Polled once a chunk.
        names: What the journal calls the lists, one for each; their files' own names by default.

    Raises:
        ContradictionError: A file contradicts a list and no reason was given; names every such file.
        MpkError: A list or file cannot be read.
    """
    root, files = list_path(path, cancel)
    data = [read_small(p, MAX_LIST, follow=True) for p in lists]
    called = [p.name for p in lists] if names is None else names
    parsed = [parse(d, name) for d, name in zip(data, called, strict=True)]
    found = check(parsed, without(files, root, lists), root, cancel, report)
    made = Intake(found, tuple(data), accept)
    if made.differing and not accept:
        raise ContradictionError(made.differing, str(path))
    if accept and not made.differing:
        raise UsageError("no file contradicts a list; there is no mismatch to accept", hint="Leave the option out")
    return made


def keep_intake(case: Case, intake: Intake) -> dict[str, Any]:
    """Keep lists and record among the attachments; returns the ``result`` of the artifact's entry."""
    for data in intake.lists:
        case.keep(ATTACHMENTS, hashtree.sha256(data).hex(), data)
    whole = canonical.encode({"schema": "mpk-tui/intake/1", "lists": [_sayable(c.as_record()) for c in intake.checked]})
    digest = hashtree.sha256(whole).hex()
    case.keep(ATTACHMENTS, digest, whole)
    result: dict[str, Any] = {"hash_lists": [_brief(c) for c in intake.checked], "record": digest}
    if intake.accepted:
        result["accepted_mismatch"] = intake.accepted
    return result


def _brief(checked: Checked) -> dict[str, Any]:
    record = _sayable(checked.as_record())
    lines = [line for line in record.pop("lines") if line["status"] != "matches"]
    record.pop("files_not_listed")
    differing = [line for line in lines if line["status"] == "differs"]
    absent = [line for line in lines if line["status"] == "missing"]
    shown = {"differing_lines": differing[:MAX_SHOWN], "missing_lines": absent[:MAX_SHOWN]}
    return {**record, **{k: [_short(line) for line in lines] for k, lines in shown.items()}}


def _short(line: dict[str, Any]) -> dict[str, Any]:
    """A line whose texts cannot fill a journal entry; the kept record has them whole."""
    return {k: f"{v[:MAX_TEXT]}…" if isinstance(v, str) and len(v) > MAX_TEXT else v for k, v in line.items()}


def _sayable(value: Any) -> Any:
    """Names that are not UTF-8 with their odd bytes spelled out, as the journal holds text only."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {k: _sayable(v) for k, v in value.items()}
    return [_sayable(v) for v in value] if isinstance(value, (list, tuple)) else value
