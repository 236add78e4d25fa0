"""The formats that a verified bundle is written in, and how one is chosen: by name, or the ending of a file name.

Reports are for people (and ``*.report.json`` for programs that read reports); exports are for other tools.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from mpk_tui.bundle import listing, wording
from mpk_tui.errors import UsageError
from mpk_tui.report import cyclonedx, document_json, dsse_json, hash_lists, html, intoto, plain
from mpk_tui.report.compose import compose
from mpk_tui.report.document import Document
from mpk_tui.report.source import Made, Source


@dataclass(frozen=True)
class Format:
    """One export format.

    Attributes:
        name: As ``--format`` takes it.
        endings: Endings of file names, in lower case; one without a leading dot is the whole name.
        title: What it is, for the list of formats.
        write: Makes it.
        of_artifact: It is about one artifact, so ``--artifact`` has a meaning.
        is_report: It is a report, so ``--classification``, ``--made`` and ``--pair`` have a meaning.
    """

    name: str
    endings: tuple[str, ...]
    title: str
    write: Callable[[Source], Made]
    of_artifact: bool = False
    is_report: bool = False


def _report(render: Callable[[Document], bytes]) -> Callable[[Source], Made]:
    """A format that renders the report's neutral document."""

    def write(source: Source) -> Made:
        document = compose(source)
        return Made(render(document), (*document.notes, *source.withheld))

    return write


def _json(source: Source) -> Made:
    """What ``mpk-tui bundle show --json`` prints: the verify record and every disclosed section."""
    record = {
        "schema": "mpk-tui/bundle/1",
        "verify": wording.as_record(source.outcome, untrusted=True, dated=source.dated),
        "sections": listing.sections_record(source.contents),
    }
    return Made(json.dumps(record, indent=2, allow_nan=False).encode("ascii") + b"\n", source.withheld)


FORMATS = (
    Format("html", (".html", ".htm"), "report in one file, for screen and paper", _report(html.render), is_report=True),
    Format("text", (".txt",), "report as plain text, for an e-mail", _report(plain.render), is_report=True),
    Format("report", (".report.json",), "the report's content as JSON", _report(document_json.render), is_report=True),
    Format("dsse", (".dsse.json",), "the signed manifest as a DSSE envelope", dsse_json.write),
    Format("in-toto", (".intoto.json",), "in-toto Statement v1, unsigned", intoto.write),
    Format("cyclonedx", (".cdx.json",), "CycloneDX 1.6 bill of materials of the models", cyclonedx.write),
    Format("hashdeep", (".hashdeep",), "HASHDEEP-1.0 list of one artifact", hash_lists.hashdeep, True),
    Format("sha256sums", ("sha256sums", ".sha256"), "sha256sum -c list of one artifact", hash_lists.sha256sums, True),
    Format("json", (".json",), "verify record and sections", _json),
)
"""Longer endings stand before shorter ones that they end with."""


def known() -> str:
    """The formats in one line, for messages."""
    return "; ".join(f"{f.name} ({', '.join(_ending(e) for e in f.endings)}): {f.title}" for f in FORMATS)


def _ending(text: str) -> str:
    return f"*{text}" if text.startswith(".") else text.upper()


def choose(file_name: str, name: str | None) -> Format:
    """The format that is meant.

    Args:
        file_name: Name of the file to be written, without its folder; ``-`` for standard output.
        name: As ``--format`` names it, or None.

    Raises:
        UsageError: Neither tells a format that exists.
    """
    if name is not None:
        for f in FORMATS:
            if f.name == name:
                return f
        raise UsageError(f"no format {name!r}", hint=f"There are {known()}")
    if file_name == "-":
        raise UsageError("standard output has no ending that tells a format", hint=f"Give --format: {known()}")
    lower = file_name.lower()
    for f in FORMATS:
        if any(lower.endswith(e) if e.startswith(".") else lower == e for e in f.endings):
            return f
    raise UsageError(f"{file_name!r} has no ending that tells a format", hint=f"There are {known()}; or give --format")
