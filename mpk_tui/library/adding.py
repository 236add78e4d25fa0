"""From a path to an entry: what is measured, what it is called, and which parents a person names."""

from __future__ import annotations

import getpass
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mpk_tui.apart import run_apart
from mpk_tui.checkpoint.open import PLAIN, Opening
from mpk_tui.errors import UsageError
from mpk_tui.fingerprint import record
from mpk_tui.fingerprint.record import SUFFIX, Fingerprint
from mpk_tui.library.catalogue import open_library
from mpk_tui.library.entry import MOST_NAME, Entry, Facts, Parent, checked, spelled
from mpk_tui.library.reading import Reader
from mpk_tui.progress import CancelToken, Report, silent

_WITH_MECHANISM = re.compile(r"(.*):(3\.[0-9]+)\Z", re.DOTALL)
_OTHER_NUMBER = re.compile(r"(.+):([0-9]+\.[0-9]+)\Z", re.DOTALL)
_ENDINGS = frozenset({SUFFIX, ".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".npz"})


def this_person() -> str:
    """Who is at this machine, as the system calls them; what the history keeps where nobody says who they are."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in the system's list
        return "unknown"


def now() -> int:
    """This machine's clock, milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def measure(
    path: Path,
    report: Report = silent,
    cancel: CancelToken | None = None,
    how: Opening = PLAIN,
    threads: int | None = None,
) -> Fingerprint:
    """The fingerprint of a path: a fingerprint file as it is, a checkpoint read and hashed.

    Raises:
        MpkError: Whatever reading refuses.
    """
    if record.looks_like_fingerprint(path):
        return record.read(path)
    from mpk_tui.fingerprint.build import fingerprint  # late: NumPy

    return fingerprint(path, report, cancel, threads, how)


def name_of(path: Path) -> str:
    """What an entry is called if nobody says it: the name of its folder, or of its file without the ending."""
    name = path.name or path.resolve().name
    stem, dot, ending = name.rpartition(".")
    return spelled(stem if stem and f"{dot}{ending}".lower() in _ENDINGS else name)[:MOST_NAME] or "unnamed"


def location_of(path: Path) -> str:
    """Where the weights of an entry lie if nobody says it: the path of a checkpoint; nothing for a fingerprint file."""
    return "" if record.looks_like_fingerprint(path) else spelled(str(path.absolute()))


def parent(library: Reader | None, text: str, *, kind: str = "", evidence: str = "", source: str = "") -> Parent:
    """A parent as a person names it.

    Args:
        library: Where it is looked up; a parent that is not there is kept by its name, or by its digest.  None is a
            library that is still to be made.
        text: ``NAME``, or the hex of a fingerprint or root or its beginning; ``:3.2`` behind it is a mechanism.
        kind: Kind of the evidence.
        evidence: What it says.
        source: Where.

    Raises:
        UsageError: Several entries could be meant.
    """
    match = _WITH_MECHANISM.match(text)
    name, mechanism = (match[1], match[2]) if match else (text, "")
    name = name.strip()
    if not name:
        raise UsageError("--parent needs a name or a digest")
    found = library.named(name) if library is not None else []
    if library is not None and len({e.root for e in found}) > 1:
        library.entry(name)  # says which
    if found:
        e = found[0]
        return Parent(e.name, e.fingerprint if len(found) == 1 else b"", e.root, mechanism, kind, evidence, source)
    if len(name) == 64 and not set(name.lower()) - set("0123456789abcdef"):
        return Parent("", bytes.fromhex(name), b"", mechanism, kind, evidence, source)
    return Parent(name, b"", b"", mechanism, kind, evidence, source)


def not_found(text: str, made: Parent) -> list[str]:
    """What a person should know of a parent as they named it and as it was taken, as sentences.

    Args:
        text: What they wrote.
        made: What `parent` made of it.
    """
    if made.fingerprint or made.root:
        return []
    out = []
    name, odd = made.name, _OTHER_NUMBER.match(made.name)
    if odd is not None and not made.mechanism:
        name = odd[1].strip()
        out.append(f"--parent {text}: {odd[2]} is no mechanism of the constitution, which are 3.1 to 3.9")
    kept = "kept as a name" if name == made.name else f"the whole, {made.name}, is kept as a name"
    return [*out, f"--parent {text}: {name} is no entry of the library ({kept})"]


def change_here(entry: Entry, facts: Facts) -> Facts:
    """What a person here may say of an entry: anything of their own, but of one from a pack only their own words.

    Raises:
        UsageError: It would put words into the mouth of those who signed the pack.
    """
    if entry.origin.pack:
        was = entry.facts
        for field in ("name", "source", "licence", "parents"):
            if getattr(facts, field) != getattr(was, field):
                raise UsageError(
                    f"came with the pack {entry.origin.pack_name}; its {field} is what those say who signed it",
                    where=entry.name, hint="Aliases, location and note can be changed",
                )  # fmt: skip
    return facts


def measure_apart(path: Path, report: Report, cancel: CancelToken) -> Fingerprint:
    """`measure` in a process of its own, headers in yet another; for an interface that must not stall.

    Raises:
        MpkError: What the measurement raised, or that its process ended.
    """
    if record.looks_like_fingerprint(path):
        return record.read(path)
    data = run_apart(f"{__name__}:measure_task", os.fsencode(path.absolute()), report, cancel)
    return Fingerprint.from_bytes(data, where=str(path))


def measure_task(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    """What the other process does for `measure_apart`."""
    return measure(Path(os.fsdecode(request)), report, cancel, Opening(isolate=True)).to_bytes()


def take_in(
    folder: Path, fingerprint: Fingerprint, facts: Facts, parents: Sequence[Mapping[str, str]], who: str
) -> Entry:
    """Add one model to a library, which is made where there is none.

    Args:
        folder: The library.
        fingerprint: Of the model.
        facts: What is said of it, but for its parents.
        parents: For each of them what `parent` takes: ``text``, ``kind``, ``evidence``, ``source``.
        who: Who adds it.

    Raises:
        MpkError: It is there already, a text cannot be kept, the library cannot be written.
    """
    checked(facts, where=facts.name)  # before a library is made for it
    with open_library(folder, write=True, create=True) as library:
        there = library.known(fingerprint.digest)
        wrong = library.mend(there, fingerprint, who=who, at=now()) if there is not None else ""
        if there is not None and wrong:
            raise UsageError(
                f"is in the library already, as {there.name}; its file was {wrong} and is written again",
                where=facts.name,
            )  # fmt: skip
        named = tuple(
            parent(library, p["text"], **{k: p.get(k, "") for k in ("kind", "evidence", "source")}) for p in parents
        )
        return library.add([(fingerprint, replace(facts, parents=(*facts.parents, *named)))], who=who, at=now())[0]
