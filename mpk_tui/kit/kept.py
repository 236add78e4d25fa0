"""The imported database in a library's folder ``kit/``: written whole or not at all, read back as a stranger's.

``reference.mpkr`` is one canonical value, ``["MPKR1", record]``: where it came from, when, by whom, families and
assets; the weight signals of an asset lie in ``deep/`` under their SHA-256 (`mpk_tui.kit.deep`).  New weight signals
are written first, then the one file is replaced, then what nothing names any more is removed: a reader sees the old
import or the new one.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mpk_tui import __version__, canonical
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import MalformedError, StorageError, UnsupportedError, UsageError
from mpk_tui.files import write_file
from mpk_tui.kit import deep, parquet
from mpk_tui.kit import fields as f
from mpk_tui.kit.record import WeightSignals
from mpk_tui.kit.reference import (
    MAX_ASSETS,
    MAX_SHARDS,
    Asset,
    Reference,
    asset_of,
    family_of,
    mfi_of,
    read_database,
    summary_of,
    tfv_of,
)
from mpk_tui.kit.source import KINDS, open_tree
from mpk_tui.kit.telling import FOLDER, NAME
from mpk_tui.progress import CancelToken, Report, silent

SCHEMA = "mpk-tui/kit-database/1"
MAGIC = "MPKR1"
VERSION = (1, 0)
MAX_BYTES = 256 << 20
_OURS = re.compile(rf"[0-9a-f]{{64}}{re.escape(deep.SUFFIX)}\Z")
_HALF = re.compile(r"\.[0-9a-f]{40}\.")
_AGAIN = "Import it again: mpk-tui library import-mpk PATH"

_ASSET = f.record(
    {"facts": asset_of, "family": f.count, "mfi": mfi_of, "tfv": tfv_of, "summary": summary_of, "deep": f.binary,
     "deep_path": f.text, "deep_checksum": f.text},
    {},
)  # fmt: skip
_RECORD = f.record(
    {"v": f.items(f.count, 2), "tool": f.text, "kind": f.text, "version": f.text, "licence": f.text,
     "content": f.binary, "at": f.count, "who": f.text, "families": f.items(family_of, MAX_SHARDS),
     "assets": f.items(_ASSET, MAX_ASSETS), "notices": f.items(f.text, MAX_ASSETS)},
    {},
)  # fmt: skip


def import_database(
    path: Path, library: Path, *, who: str, at: int, report: Report = silent, cancel: CancelToken | None = None
) -> Reference:
    """Read the Kit's database and keep it in a library, in the place of an earlier import.

    Args:
        path: Package folder, wheel or copied folder.
        library: The library's folder; made if it is not there.
        who: Who imports.
        at: When, milliseconds since 1970, UTC.
        report: Progress.
        cancel: Polled; until the very end nothing of an earlier import is touched.

    Returns:
        What was kept.

    Raises:
        MpkError: It cannot be read, follows another format, or cannot be written.
    """
    cancel = cancel if cancel is not None else CancelToken()
    with open_tree(path) as tree:
        found = read_database(tree, report, cancel)
        there = {a.deep_path for a in found.assets if a.deep_path and tree.size(a.deep_path) is not None}
    found = replace(found, at=at, who=who)
    folder = library / FOLDER
    with _alone(folder):
        found = _with_deep(path, folder, found, there, report, cancel)
        cancel.check()
        write_file(folder / NAME, encode(found))
        _sweep(folder / "deep", {a.deep for a in found.assets})
    return found


def recall(library: Path) -> Reference | None:
    """What was imported into a library; None if nothing was.

    Raises:
        MalformedError: The file does not follow the format.
        StorageError: It cannot be read.
    """
    path = library / FOLDER / NAME
    return decode(read_small(path, MAX_BYTES), str(path)) if os.path.lexists(path) else None


def require(library: Path) -> Reference:
    """Like `recall`, but it must be there.

    Raises:
        UsageError: Nothing was imported.
    """
    found = recall(library)
    if found is None:
        raise UsageError(
            "no reference database of the Kit was imported into this library",
            where=str(library),
            hint="mpk-tui library import-mpk PATH imports it from the Kit's package or wheel",
        )
    return found


def signals(library: Path, asset: Asset) -> WeightSignals | None:
    """Weight signals of an asset; None if the database had none.

    Raises:
        MpkError: They are named but cannot be read.
    """
    return deep.read(library / FOLDER / "deep", asset.deep, asset.summary) if asset.deep else None


def as_record(reference: Reference, library: Path) -> dict[str, Any]:
    """What was imported, as ``mpk-tui library import-mpk --json`` prints it (schema ``mpk-tui/kit-database/1``)."""
    return {
        "schema": SCHEMA, "library": str(library), "database": facts(reference), "notices": list(reference.notices),
    }  # fmt: skip


def facts(reference: Reference) -> dict[str, Any]:
    """Where a database came from and how much it holds, plain."""
    return {
        "kind": reference.kind, "version": reference.version, "licence": reference.licence,
        "content": reference.content.hex(), "imported_at": reference.at, "imported_by": reference.who,
        "families": len(reference.families), "assets": len(reference.assets), "deep": reference.deep,
    }  # fmt: skip


def encode(reference: Reference) -> bytes:
    """Canonical bytes of the file."""
    return canonical.encode(
        [MAGIC, {
            "v": list(VERSION), "tool": f"mpk-tui {__version__}", "kind": reference.kind, "version": reference.version,
            "licence": reference.licence, "content": reference.content, "at": reference.at, "who": reference.who,
            "families": [dict(family) for family in reference.families],
            "assets": [
                {"facts": dict(a.facts), "family": a.family, "mfi": dict(a.mfi), "tfv": dict(a.tfv),
                 "summary": dict(a.summary), "deep": a.deep, "deep_path": a.deep_path,
                 "deep_checksum": a.deep_checksum}
                for a in reference.assets
            ],
            "notices": list(reference.notices),
        }]
    )  # fmt: skip


def decode(data: bytes, where: str) -> Reference:
    """The database of a file's bytes; nothing in them is believed.

    Raises:
        MalformedError: They do not follow the format; the field is named.
        UnsupportedError: Of a later version.
    """
    value: Any = canonical.decode(data, where=where)
    if not isinstance(value, list) or len(value) != 2 or value[0] != MAGIC:
        raise UnsupportedError(f"no imported database ({MAGIC} expected)", where=where, hint=_AGAIN)
    record = _RECORD(value[1], where, "")
    if tuple(record["v"])[:1] != VERSION[:1]:
        raise UnsupportedError(f"version {record['v']}; version 1 is read here", where=where, hint=_AGAIN)
    if record["kind"] not in KINDS:
        raise MalformedError(f"one of {', '.join(KINDS)} expected", where=f"{where}, field kind", hint=_AGAIN)
    assets = []
    for n, asset in enumerate(record["assets"]):
        if asset["family"] >= len(record["families"]):
            raise MalformedError("no such family", where=f"{where}, field assets[{n}].family", hint=_AGAIN)
        assets.append(Asset(**asset))
    if len({a.asset_id for a in assets}) != len(assets):
        raise MalformedError("an asset is listed twice", where=f"{where}, field assets", hint=_AGAIN)
    return Reference(
        record["kind"], record["version"], record["licence"], record["content"], record["at"], record["who"],
        tuple(record["families"]), tuple(assets), tuple(record["notices"]),
    )  # fmt: skip


def _with_deep(
    path: Path, folder: Path, found: Reference, there: set[str], report: Report, cancel: CancelToken
) -> Reference:
    named = [a for a in found.assets if a.deep_path]
    files = list(dict.fromkeys((a.deep_path, a.deep_checksum) for a in named if a.deep_path in there))
    notices = list(found.notices)
    if len(there) < len(named):
        notices.append(
            f"{len(named) - len(there)} of {len(named)} files of weight signals are not in this copy; without them a "
            "lead rests on metadata alone (the Kit fetches them with: provenancekit download-deepsignals-fingerprint)"
        )
    if files and not parquet.available():
        notices.append(
            f"{len(files)} files of weight signals were left out: reading them needs pyarrow (pip install "
            "'mpk-tui[kit]'); import again then"
        )
        files = []
    kept: dict[str, bytes] = {}
    if files:
        made = parquet.convert_apart(path, folder / "deep", files, report, cancel)
        kept = {name: digest for (name, _), (digest, _) in zip(files, made, strict=True)}
        if other := sum(not same for _, same in made):
            notices.append(f"{other} of {len(files)} files of weight signals are not those of the stated checksums")
    assets = tuple(replace(a, deep=kept.get(a.deep_path, b"")) for a in found.assets)
    return replace(found, assets=assets, notices=tuple(notices))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else imports into this folder meanwhile."""
    import fcntl

    for one in (folder, folder / "deep", *sorted((folder / "deep").glob("??"))):
        if one.is_symlink():  # a stranger's library must not have files of another one written or deleted
            raise MalformedError(
                "is a link; nothing is written or deleted through it", where=str(one),
                hint="Put the folder itself in its place; the library as a whole may lie behind a link",
            )  # fmt: skip
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise StorageError(
            f"cannot be written ({error.strerror})", where=str(folder), hint="Name a library that you may write to"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StorageError("another import is under way", where=str(folder), hint="Wait until it is done") from None
        yield
    finally:
        os.close(descriptor)


def _sweep(folder: Path, kept: set[bytes]) -> None:
    """Remove files of weight signals that nothing names, and what a killed import left half written."""
    for path in folder.glob("??/*"):
        whole = _OURS.match(path.name)
        if _HALF.match(path.name) or (whole and bytes.fromhex(path.name[:64]) not in kept):
            with contextlib.suppress(OSError):
                path.unlink()
