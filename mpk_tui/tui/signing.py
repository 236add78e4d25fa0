"""The signature as the interface asks for it: the same calls as ``mpk-tui bundle build`` and ``sign``.

The case is read and journalled on the interface's thread, because the journal has one writer; packing, signing and
writing happen in a job.  The passphrase lives as long as it takes to open the key.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mpk_tui.bundle import build, from_case
from mpk_tui.bundle.dsse import bundle_id
from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.toolfacts import tool_facts
from mpk_tui.bundle.verify import inspect
from mpk_tui.case.store import Case
from mpk_tui.errors import MalformedError, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.keys import private
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.progress import CancelToken, Report
from mpk_tui.selftest.record import current

ROLE = "analyst"


@dataclass(frozen=True)
class Sealed:
    """A bundle that was written: where, its id, its number within the case."""

    path: Path
    id: bytes
    seq: int


def preview_lines(case: Case) -> list[str]:
    """What would be signed, before any key is opened."""
    seen = from_case.preview(case)
    lines: list[str] = []
    for pair, display, statements in seen.pairs:
        lines += [f"{pair}: {display}", *(f"  {s}" for s in statements)]
    return [*lines, *(f"Note: {w}" for w in seen.warnings), "Features and tensor digests may be confidential."]


def title(case: Case) -> str:
    """Which bundle it would be."""
    seen = from_case.preview(case)
    return f"Sign bundle {seen.seq} of case {seen.case}"


def proposed_path(case: Case) -> Path:
    """A name for the next bundle, beside the journal."""
    return case.root / f"{case.state.id}-{from_case.preview(case).seq}.mpkb"


def prepare(case: Case, values: dict[str, str]) -> tuple[Callable[[Report, CancelToken], Sealed], Path]:
    """Open the key, export the case (which journals the act) and return the rest as work for a thread.

    Args:
        case: Complete, open for writing.
        values: ``key``, ``passphrase``, ``signer``, ``out`` as typed.

    Raises:
        UsageError: Something was not given.
        StorageError: The target exists or its folder cannot be written.
        KeyFileError: The key cannot be opened.
        IncompleteCaseError: The case has gaps.
    """
    if not values["key"].strip() or not values["signer"].strip() or not values["out"].strip():
        raise UsageError("a signature needs a key file, a name and a file to write")
    path = Path(values["out"].strip()).expanduser()
    if os.path.lexists(path):
        raise StorageError("exists; a bundle is never overwritten", where=str(path), hint="Name a new file")
    if not os.access(path.parent, os.W_OK):
        raise StorageError("is no folder that can be written", where=str(path.parent))
    secret = Passphrase(values["passphrase"].encode("utf-8", "surrogateescape")) if values["passphrase"] else None
    key = private.load(Path(values["key"].strip()).expanduser(), secret)
    from_case.require_complete(case)
    contents = from_case.export(case, tool_facts(), {})
    signer = Signer(values["signer"].strip(), ROLE, (key.public,))

    def work(report: Report, cancel: CancelToken) -> Sealed:
        # The self-test knows nothing of the case and takes seconds: it is run here, not on the interface's thread.
        tested = current(lambda _: cancel.check())
        envelope = build.build(replace(contents, sections={**contents.sections, "selftest": tested}), [signer])
        cancel.check()
        envelope = build.sign(envelope, key.public, key.sign)
        data = envelope.to_bytes()
        looked = inspect(data, time.time_ns() // 1_000_000)
        if looked.verdict is not Word.VALID:  # nothing is written that a verifier would refuse
            raise MalformedError(f"cannot be signed, it would read {looked.verdict}: {looked.words}", where=str(path))
        write_file(path, data)
        return Sealed(path, bundle_id(envelope.payload), contents.seq)

    return work, path


def record(case: Case, sealed: Sealed) -> None:
    """Journal that the bundle was written."""
    from_case.record_sealed(case, sealed.id, sealed.seq)
