"""The files of one artifact as an examiner's own tools check them: ``sha256sum -c`` and ``hashdeep -a -k``.

SHA256SUMS: GNU coreutils manual, "cksum output modes": names with a backslash, line feed or carriage return are
escaped behind a leading backslash, lines that start with ``#`` are comments.  HASHDEEP-1.0: the FILEFORMAT page of
hashdeep 4.4: two header lines, ``#`` comments, then ``size,sha256,filename``, nothing quoted.

Both formats take names as bytes, so a name that is not UTF-8 is written as it is.  What a format cannot say (a link
whose target was not read, a folder, for hashdeep a line break in a name) is a comment in the list, and a note.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mpk_tui.bundle.wording import verdict_line, when
from mpk_tui.checkpoint.hash_lists import write_list
from mpk_tui.errors import UsageError
from mpk_tui.report.source import EXPORTER, Listed, Made, Source, files_of
from mpk_tui.text import clean

_TOLD = 20
"""Notes of one kind on the screen; the list itself has all of them."""


@dataclass(frozen=True)
class _Row:
    """What `write_list` asks of a file."""

    path: str
    size: int
    digests: dict[str, str] = field(default_factory=dict)


def sha256sums(source: Source) -> Made:
    """``SHA256SUMS`` of one artifact, for ``sha256sum -c`` inside its folder."""
    artifact, listed = _chosen(source)
    hashed = [f for f in listed if f.sha256 is not None and _below(f.path)]
    rows = [_Row(f.path.decode("utf-8", "surrogateescape"), f.size, {"sha256": _hex(f)}) for f in hashed]
    notes = _notes(listed, [])
    return _made(source, "", artifact, notes, write_list(rows, "sha256sums"))


def hashdeep(source: Source) -> Made:
    """A HASHDEEP-1.0 list of one artifact, for ``hashdeep -r -l -a -k LIST .`` inside its folder.

    Names start with ``./`` as they do for that command: to hashdeep another spelling of a path is a moved file.
    """
    artifact, listed = _chosen(source)
    broken = [f for f in listed if f.sha256 is not None and (b"\n" in f.path or b"\r" in f.path)]
    rows = [
        b"%d,%s,./%s\n" % (f.size, _hex(f).encode("ascii"), f.path)
        for f in listed
        if f.sha256 is not None and f not in broken and _below(f.path)
    ]
    head = "%%%% HASHDEEP-1.0\n%%%% size,sha256,filename\n"
    return _made(source, head, artifact, _notes(listed, broken), b"".join(rows))


def _below(path: bytes) -> bool:
    """Whether a name stays below the folder: whoever made the bundle must not choose what else a tool reads."""
    return not any(part in (b"", b".", b"..") for part in path.split(b"/"))


def _hex(f: Listed) -> str:
    return (f.sha256 or b"").hex()


def _chosen(source: Source) -> tuple[str, tuple[Listed, ...]]:
    """The artifact that was asked for; it must be named where there are several.

    Raises:
        UsageError: Not named, or not in the bundle.
    """
    known = [a["id"] for a in source.contents.artifacts]
    names = ", ".join(known)
    if not source.artifact and len(known) > 1:
        raise UsageError("a hash list is of one artifact", hint=f"Give --artifact ID; the bundle has {names}")
    artifact = source.artifact or known[0]
    if artifact not in known:
        raise UsageError(f"no artifact {artifact!r} in the bundle", hint=f"It has {names}")
    return artifact, files_of(source.contents, artifact)


def _notes(listed: tuple[Listed, ...], broken: list[Listed]) -> list[str]:
    out = [f"not in the list: {clean(f.shown)} ({f.why_unhashed})" for f in listed if f.sha256 is None]
    out += [
        f"not in the list: {clean(f.shown)} (no path below the folder), sha256 {_hex(f)}"
        for f in listed
        if f.sha256 is not None and not _below(f.path)
    ]
    out += [
        f"not in the list: {clean(f.shown)} (hashdeep's format cannot hold a line break in a name), sha256 {_hex(f)}"
        for f in broken
    ]
    out += [
        f"the name is not UTF-8 and stands in the list as its bytes: {clean(f.shown)}"
        for f in listed
        if f.sha256 is not None and f not in broken and not f.is_text
    ]
    out += [
        f"a symbolic link to {clean(f.link)}, listed with the digest of its target: {clean(f.shown)}"
        for f in listed
        if f.kind == "symlink" and f.sha256 is not None
    ]
    out += [
        f"hashed after the analysis with another result; the list has the digest at intake: {clean(f.shown)}"
        for f in listed
        if f.changed
    ]
    return out


def _made(source: Source, head: str, artifact: str, notes: list[str], rows: bytes) -> Made:
    """Header, comments, rows.  A comment is one line of clean text, whatever stands in it."""
    outcome, row = source.outcome, source.contents.artifact(artifact)
    comments = [
        f"{EXPORTER[0]} {EXPORTER[1]}, {when(source.now)}",
        f"bundle {outcome.bundle_id.hex() if outcome.bundle_id else ''}, {verdict_line(outcome)}",
        *([source.warning] if source.warning else []),
        f"artifact {artifact}: {row['label'] if row else ''}",
        "digests at intake, as signed; paths below the artifact's folder",
        *notes,
    ]
    lines = "".join(f"# {clean(c, 2000)}\n" for c in comments).encode("utf-8")
    told = notes[:_TOLD] + ([f"and {len(notes) - _TOLD} more, in the list"] if len(notes) > _TOLD else [])
    return Made(head.encode("ascii") + lines + rows, tuple(told))
