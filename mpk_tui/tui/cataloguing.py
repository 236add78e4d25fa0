"""What the Library screen shows of entries and files, and what its forms ask; no widget is touched here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textual.content import Content

from mpk_tui.case.state import Artifact
from mpk_tui.errors import MalformedError
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library import stored
from mpk_tui.library.adding import location_of, measure_apart, name_of, now, take_in
from mpk_tui.library.catalogue import open_library
from mpk_tui.library.entry import Entry, Facts, checked
from mpk_tui.library.listing import Listing, list_library
from mpk_tui.library.reading import holds
from mpk_tui.library.rows import lookup
from mpk_tui.library.shelf import Shelved
from mpk_tui.library.telling import Told, tell
from mpk_tui.progress import CancelToken, Report
from mpk_tui.text import clean, size
from mpk_tui.tui import wording
from mpk_tui.tui.safe import shown
from mpk_tui.tui.widgets.form import Field
from mpk_tui.tui.widgets.table import Column

MOST_LINES = 200
"""Files, tensors or facts of one fingerprint that its page lists; the rest is counted."""
_SHORT = 60
COLUMNS = (
    Column("name", name=True), Column("family", 10), Column("parameters", 13, right=True),
    Column("layers", 6, right=True), Column("from", 12), Column("added", 10, least=81), Column("source", 18, least=104),
    Column("root", 9, least=116),
)  # fmt: skip
KINDS = (
    ("", "none: a claim, which draws no arrow"),
    ("a", "(a) documentation of the releasing organisation"),
    ("b", "(b) checkpoint verification"),
    ("c", "(c) peer-reviewed analysis"),
)
Work = Callable[[Report, CancelToken], Any]


@dataclass(frozen=True)
class Row:
    """One line of the list.

    Attributes:
        entry: Of the catalogue, or None for a file that merely lies there.
        file: That file.
    """

    entry: Entry | None
    file: Shelved | None = None

    @property
    def name(self) -> str:
        """What it is called; untrusted text."""
        return self.entry.name if self.entry is not None else self.file.name if self.file is not None else ""

    @property
    def fault(self) -> str:
        """Why it cannot be used, or empty."""
        if self.entry is not None:
            return f"revoked: {self.entry.revoked}" if self.entry.revoked else ""
        return self.file.fault if self.file is not None else ""

    def fits(self, wanted: str) -> bool:
        """Whether it holds a text that is folded as names are."""
        return holds(self.entry, wanted) if self.entry is not None else wanted in lookup(self.name)

    def path(self, folder: Path) -> Path:
        """Its fingerprint file.

        Args:
            folder: The library.
        """
        if self.entry is not None:
            return stored.place(folder, self.entry.fingerprint)
        assert self.file is not None
        return self.file.path

    def cells(self) -> tuple[str, ...]:
        """Its cells, by `COLUMNS`."""
        e, f = self.entry, self.file
        if e is not None:
            layers = "–" if e.layers is None else str(e.layers)
            come = "revoked" if e.revoked else e.origin.pack_name if e.origin.pack else "added here"
            day = wording.utc(e.added_at)[:10]
            return (e.name, e.family, f"{e.parameters:,}", layers, come, day, e.facts.source, e.root.hex()[:8])
        assert f is not None
        day = wording.utc(f.changed)[:10]
        if f.fault:
            return (f.name, "–", "–", "–", "unusable", day, "", "–")
        layers = "–" if f.layers is None else str(f.layers)
        return (f.name, f.family, f"{f.parameters:,}", layers, "a file", day, "", f.root[:8])


def rows_of(found: Listing, text: str = "") -> list[Row]:
    """What a list shows: entries, then files; those that hold a text."""
    wanted = lookup(text)
    every = [*(Row(e) for e in found.entries), *(Row(None, f) for f in found.loose)]
    return [r for r in every if not wanted or r.fits(wanted)]


def listing(folder: Path) -> Work:
    """Work for a thread: everything in a library."""
    return lambda report, cancel: list_library(folder, revoked=True, report=report, cancel=cancel)


def head(found: Listing, count: int) -> str:
    """The folder, what is in it, and how many of it are shown."""
    entries, files = len(found.entries), len(found.loose)
    parts = [f"{found.folder}{' (read-only)' if found.read_only else ''}: {entries} {_many('entry', entries)}"]
    if files:
        faulty = sum(bool(r.fault) for r in found.loose)
        parts.append(
            f"{files} {_many('file', files)} beside the catalogue{f', {faulty} cannot be used' if faulty else ''}"
        )
    if count != entries + files:
        parts.append(f"{count} shown")
    return "; ".join((*parts, *found.notices[:3]))


def _many(word: str, count: int) -> str:
    return word if count == 1 else "entries" if word == "entry" else f"{word}s"


def brief(row: Row) -> str:
    """The row under the cursor, in some lines."""
    if row.file is not None:
        said = f"cannot be used: {row.file.fault}" if row.file.fault else f"root {row.file.root}"
        return f"{row.name}, a file that is not in the catalogue: {said}"
    e = row.entry
    assert e is not None
    f = e.facts
    parts = [_short(e.name) + (f" ({_short(', '.join(f.aliases))})" if f.aliases else "")]
    parts += [f"revoked: {_short(e.revoked)}"] if e.revoked else []
    for p in f.parents[:3]:
        word = f"documented parent ({p.kind})" if p.documented else "said to come from"
        parts.append(f"{word}: {_short(p.name or p.fingerprint.hex() or p.root.hex())}")
    parts += [f"source {_short(f.source)}"] if f.source else []
    parts += [f"licence {_short(f.licence)}"] if f.licence else []
    come = f" with pack {_short(e.origin.pack_name)}" if e.origin.pack else ""
    parts.append(f"added {wording.utc(e.added_at)[:10]} by {_short(e.added_by)}{come}")
    return "; ".join((*parts, f"root {e.root.hex()}"))


def _short(text: str) -> str:
    """So much of a stranger's text that it does not push the rest away."""
    return clean(text, _SHORT)


def entry_page(folder: Path, entry: Entry) -> list[Content]:
    """Everything about an entry; for a thread."""
    with open_library(folder) as library:
        told = tell(library, library.by_id(entry.id))
    return [*said_lines(told), *fingerprint_lines(told.fingerprint)]


def said_lines(told: Told) -> list[Content]:
    """What is said and known of an entry."""
    lines = []
    for name, value in told.lines(lambda at: f"{wording.utc(at)} UTC", size):
        if name:
            lines.append(Content.assemble((f"{name}: ", "bold"), shown(value, 20_000)))
        else:
            lines.append(Content(f"  {shown(value, 20_000)}"))
    return lines


def file_page(row: Shelved, made: Fingerprint) -> list[Content]:
    """A loose file in full.

    Args:
        row: Its place.
        made: Read from there; untrusted.
    """
    lines = [
        _fact("File", str(row.path)),
        _fact("Size", f"{row.size:,} bytes, written {wording.utc(row.changed)} UTC"),
        _fact("Made by", made.tool),
        _fact("Format", f"{made.format}, {made.family}, {made.scope}"),
        _fact("Parameters", f"{row.parameters:,} in {len(made.tensors):,} tensors"),
        _fact("Tensor root", made.root.hex()),
        _fact("Fingerprint (SHA-256 of the record)", row.fingerprint),
        Content("A fingerprint holds no name of its model; what the configuration states is a claim."),
        *(_fact("Missing", sentence) for sentence in made.missing[:MOST_LINES]),
    ]
    return [*lines, *fingerprint_lines(made)]


def fingerprint_lines(made: Fingerprint) -> list[Content]:
    """What a fingerprint holds, as far as a page should be long."""
    out: list[Content] = []

    def listed(name: str, lines: Sequence[str]) -> None:
        out.append(Content.styled(f"\n{name}: {len(lines):,}", "bold"))
        out.extend(Content(f"  {shown(line, 600)}") for line in lines[:MOST_LINES])
        if len(lines) > MOST_LINES:
            out.append(Content(f"  and {len(lines) - MOST_LINES:,} more"))

    listed("Notices", list(made.notices))
    listed("Configuration, as stated", [f"{k}: {wording.plain_value(v)}" for k, v in made.config.items()])
    listed("Tokenizer", [f"{k}: {wording.plain_value(v)}" for k, v in made.tokenizer.items()])
    listed(
        "Features",
        [f"{f.id}, version {f.version}, {f.dtype} {'×'.join(map(str, f.shape))}" for f in made.features.values()],
    )
    listed("Files", [f"{f.sha256.hex() if f.sha256 else f.kind}  {f.path}" for f in made.files])
    listed("Tensors", [f"{t.name}  {t.dtype}  {'×'.join(map(str, t.shape)) or 'scalar'}" for t in made.tensors])
    return out


def _fact(name: str, value: str) -> Content:
    return Content.assemble((f"{name}: ", "bold"), shown(value, 4000))


# -- forms -----------------------------------------------------------------------------------------------------------


def adding_fields(path: str, artifacts: Sequence[Artifact], who: str) -> list[Field]:
    """What is asked of a model that is to be added.

    Args:
        path: To begin with.
        artifacts: Of the open case; their paths can be put into the field.
        who: To begin with.
    """
    return [
        Field("path", "Path" + (" (^n: the artifacts of the case)" if artifacts else ""), value=path,
              hint="folder, .safetensors, .gguf or .mpkf", options=tuple((a.path, a.label) for a in artifacts)),
        Field("name", "Name (empty: the path's last part, or the artifact's label)"),
        *_facts_fields(Facts("")),
        Field("parent", "Documented parent: its name or digest, :3.x behind it for a mechanism"),
        Field("kind", "Kind of the evidence for it", "choice", value="", options=KINDS),
        Field("evidence", "Its words, or the digest of what was checked"),
        Field("evidence_source", "Where that stands"),
        Field("who", "Who adds it, for the history", value=who),
    ]  # fmt: skip


def changing_fields(facts: Facts, who: str) -> list[Field]:
    """What can be said anew of an entry."""
    return [
        Field("name", "Name", value=facts.name),
        *_facts_fields(facts),
        Field("who", "Who says so, for the history", value=who),
    ]


def _facts_fields(facts: Facts) -> list[Field]:
    return [
        Field("aliases", "Other names, several with ; between", value="; ".join(facts.aliases)),
        Field("source", "Source: who released it, or where that is documented", value=facts.source),
        Field("licence", "Licence, as stated", value=facts.licence),
        Field("location", "Location: where the weights lie or can be had", value=facts.location),
        Field("note", "Note", value=facts.note),
    ]


def facts_of(values: Mapping[str, str], was: Facts) -> Facts:
    """What a form says; a field that still shows what it showed keeps what it stood for.

    Raises:
        UsageError: A text cannot be kept.
    """

    def said(field: str, before: str) -> str:
        text = values[field].strip()
        return before if text == clean(before, 4000).strip() else text

    joined = "; ".join(was.aliases)
    typed = said("aliases", joined)
    aliases = was.aliases if typed == joined else tuple(a.strip() for a in typed.split(";") if a.strip())
    return checked(
        replace(
            was, name=said("name", was.name), aliases=aliases, source=said("source", was.source),
            licence=said("licence", was.licence), location=said("location", was.location), note=said("note", was.note),
        ),
        where=was.name or "entry",
    )  # fmt: skip


def adding(folder: Path, values: Mapping[str, str], artifacts: Sequence[Artifact], kept: Path | None) -> Work:
    """Work for a thread: measure a model, unless the case did, and add it.

    Args:
        folder: The library.
        values: Of the form.
        artifacts: Of the open case.
        kept: Folder with the case's fingerprints, or None without a case.

    Raises:
        UsageError: At once, for a text that cannot be kept.
    """
    path = Path(values["path"].strip()).expanduser()
    artifact = next((a for a in artifacts if a.path == str(path)), None)
    name = values["name"].strip() or (artifact.label if artifact is not None else "") or name_of(path)
    facts = facts_of({**values, "name": name}, Facts(name))
    if not facts.location:
        facts = replace(facts, location=location_of(path))
    known = artifact.fingerprint if artifact is not None and kept is not None else ""
    file = kept / f"{artifact.id}.mpkf" if kept is not None and artifact is not None and known else path
    parents = [
        {"text": values["parent"], "kind": values["kind"], "evidence": values["evidence"],
         "source": values["evidence_source"]}
    ] if values["parent"].strip() else []  # fmt: skip

    def work(report: Report, cancel: CancelToken) -> Entry:
        made = measure_apart(file, report, cancel)
        if known and made.digest.hex() != known:
            raise MalformedError("is not the fingerprint that the case recorded", where=str(file))
        return take_in(folder, made, facts, parents, values["who"])

    return work


def changing(folder: Path, entry: Entry, facts: Facts, who: str) -> Work:
    """Work for a thread: say something else of an entry."""

    def work(_: Report, __: CancelToken) -> Entry:
        with open_library(folder, write=True) as library:
            return library.change(entry, facts, who=who, at=now())

    return work


def removing(folder: Path, entry: Entry, reason: str, who: str) -> Work:
    """Work for a thread: take an entry out."""

    def work(_: Report, __: CancelToken) -> None:
        with open_library(folder, write=True) as library:
            library.remove(entry, who=who, at=now(), reason=reason)

    return work
