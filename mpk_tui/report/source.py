"""A verified bundle as exports read it: what may be shown, whether to rely on it, what is missing, its files.

Nothing here verifies; an export starts from the outcome of `mpk_tui.bundle.verify.verify` over the same bytes.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mpk_tui import __version__
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.envelope import parse
from mpk_tui.bundle.manifest import Manifest
from mpk_tui.bundle.outcome import ON_REQUEST, Outcome, Word
from mpk_tui.bundle.trust import Edition
from mpk_tui.hashtree import sha256
from mpk_tui.text import clean

EXPORTER = ("mpk-tui", __version__)
"""Name and version of what writes the export; the manifest names what made the bundle."""


@dataclass(frozen=True)
class Source:
    """A bundle that was verified and whose content may be shown.

    Attributes:
        data: Bytes of the bundle file, the ones that were verified.
        name: Name of the file, without its folder.
        outcome: What the verification found.
        manifest: The signed body.
        contents: What the bundle says, as far as it is disclosed.
        now: The verifier's clock, milliseconds since 1970, UTC.
        dated: When the verifier's trust store was last changed, milliseconds, or None.
        artifact: Id of the artifact that was asked for, or empty.
        edition: Which signed trust store the check rests on, if it is one.
        classification: One line that a report prints at the top and the bottom of every page, or empty.
        made: When the report was made, as whoever makes it states; milliseconds, or None.  A report reads no clock.
        pair: The pair that a report is about, or empty for all.
    """

    data: bytes
    name: str
    outcome: Outcome
    manifest: Manifest
    contents: Contents
    now: int
    dated: int | None = None
    artifact: str = ""
    edition: Edition | None = None
    classification: str = ""
    made: int | None = None
    pair: str = ""

    @property
    def file_sha256(self) -> bytes:
        """SHA-256 of the bundle file."""
        return sha256(self.data)

    @property
    def payload_sha256(self) -> bytes:
        """SHA-256 of the signed body's bytes."""
        return sha256(parse(self.data).payload)

    @property
    def warning(self) -> str:
        """A sentence that must stand at the top where the content is not to be relied on, else empty."""
        word = self.outcome.verdict
        if word in ON_REQUEST:
            return f"{word}: what follows is not to be relied on."
        if word is Word.INCONSISTENT:
            return f"{word}: the signed verdict does not follow from what the bundle holds."
        return ""

    @property
    def reliable(self) -> bool:
        """Whether a relation between models may be stated in fields that machines act on."""
        return self.outcome.verdict in (Word.VALID, Word.PARTIAL)

    @property
    def withheld(self) -> tuple[str, ...]:
        """What the bundle does not disclose, section by section, as sentences."""
        out = []
        for s in self.outcome.sections:
            if s.state == "withheld":
                out.append(f"section {s.id} is withheld")
            elif s.state == "partly withheld":
                out.append(f"section {s.id}: {s.withheld} of {s.count} items are withheld")
        return tuple(out)

    def tensor_root(self, artifact: str) -> bytes | None:
        """The signed tensor root of an artifact: it stays when single tensors are withheld."""
        entry = self.manifest.section(f"tensors.{artifact}")
        return None if entry is None else entry.digest


@dataclass(frozen=True)
class Made:
    """An export.

    Attributes:
        data: The whole file.
        notes: What the format could not say or the bundle does not disclose: sentences for the person.
    """

    data: bytes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listed:
    """One entry of an artifact's file list.

    Attributes:
        path: Relative path with ``/``, in the bytes of the file system.
        kind: ``file``, ``symlink``, ``dir`` or ``other``.
        size: Bytes of the content.
        sha256: Of the content at intake; None where it was not hashed.
        link: Text of a symbolic link as people read it, or empty.
        changed: Hashed again after the analysis, with another result.
        again: Hashed again after the analysis.
        error: Why it could not be read, or empty.
    """

    path: bytes
    kind: str
    size: int
    sha256: bytes | None
    link: str = ""
    changed: bool = False
    error: str = ""
    again: bool = False

    @property
    def shown(self) -> str:
        """The path for people and for JSON: bytes that are not UTF-8 as ``\\xNN``."""
        return self.path.decode("utf-8", "backslashreplace")

    @property
    def is_text(self) -> bool:
        """Whether the name is UTF-8."""
        try:
            self.path.decode("utf-8")
        except UnicodeDecodeError:
            return False
        return True

    @property
    def why_unhashed(self) -> str:
        """Why there is no digest, in words."""
        if self.error:
            return clean(self.error)
        if self.kind == "symlink":
            return f"a symbolic link to {clean(self.link)}, whose target was not read"
        return {"dir": "an empty folder", "other": "no regular file"}.get(self.kind, "not hashed")


def files_of(contents: Contents, artifact: str) -> tuple[Listed, ...]:
    """The file list of an artifact, in the bundle's order."""
    return tuple(_listed(row) for row in contents.sections[f"checkpoint.{artifact}"]["files"])


def _listed(row: Mapping[str, Any]) -> Listed:
    link = row.get("link_b", b"").decode("utf-8", "backslashreplace") if row["link"] is None else row["link"]
    changed = row["after"] is not None and row["after"] != row["sha256"]
    path = row["path_b"] if "path_b" in row else row["path"].encode("utf-8")
    return Listed(path, row["kind"], row["size"], row["sha256"], link, changed, row["error"] or "",
                  row["after"] is not None)  # fmt: skip


def timestamp(ms: int) -> str:
    """A time in UTC as RFC 3339 writes it, to the millisecond; ``ms`` since 1970, at most the year 9999."""
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds") + "Z"
