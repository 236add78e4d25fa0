"""A library from a stranger: what is not ours is refused with a sentence, and nothing of it runs."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from models import EVIL, made

from mpk_tui.errors import ExitCode, LimitError, MalformedError, MpkError, StorageError, UnsupportedError
from mpk_tui.library import opening, reading, schema
from mpk_tui.library.catalogue import open_library
from mpk_tui.library.checking import check
from mpk_tui.library.entry import Facts, Parent

# The catalogue of version 1, as it was: never edit this text.
VERSION_1 = """
PRAGMA application_id = 1297107788;
CREATE TABLE entries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  fingerprint BLOB NOT NULL UNIQUE, root BLOB NOT NULL,
  name TEXT NOT NULL, source TEXT NOT NULL, licence TEXT NOT NULL, location TEXT NOT NULL, note TEXT NOT NULL,
  added_at INTEGER NOT NULL, added_by TEXT NOT NULL,
  pack BLOB NOT NULL, pack_name TEXT NOT NULL, pack_version INTEGER NOT NULL, issuers BLOB NOT NULL,
  format TEXT NOT NULL, family TEXT NOT NULL, scope TEXT NOT NULL,
  parameters TEXT NOT NULL, layers INTEGER, tensors INTEGER NOT NULL, size INTEGER NOT NULL,
  revoked TEXT NOT NULL
);
CREATE INDEX entries_root ON entries (root);
CREATE INDEX entries_pack ON entries (pack_name);
CREATE TABLE names (
  folded TEXT NOT NULL, entry INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (entry, place)
) WITHOUT ROWID;
CREATE INDEX names_folded ON names (folded);
CREATE TABLE parents (
  entry INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, fingerprint BLOB NOT NULL, root BLOB NOT NULL,
  mechanism TEXT NOT NULL, kind TEXT NOT NULL, evidence TEXT NOT NULL, source TEXT NOT NULL,
  PRIMARY KEY (entry, place)
) WITHOUT ROWID;
CREATE TABLE files (sha256 BLOB NOT NULL, entry INTEGER NOT NULL, path BLOB NOT NULL, PRIMARY KEY (sha256, entry, path)) WITHOUT ROWID;
CREATE INDEX files_entry ON files (entry);
CREATE TABLE tensors (digest BLOB NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (digest, entry)) WITHOUT ROWID;
CREATE TABLE acts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, act TEXT NOT NULL,
  entry INTEGER NOT NULL, fingerprint BLOB NOT NULL, name TEXT NOT NULL, note TEXT NOT NULL
);
CREATE INDEX acts_entry ON acts (entry);
PRAGMA user_version = 1;
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    with open_library(folder, write=True, create=True) as library:
        library.add([(made("one"), Facts("one", ("uno",), parents=(Parent("p"),)))], who="me", at=1)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of a sound library."""
    return Path(shutil.copytree(sound, tmp_path / "lib"))


def sql(folder: Path, *statements: str) -> None:
    connection = sqlite3.connect(folder / opening.NAME)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def seen(folder: Path) -> list[str]:
    with open_library(folder, immutable=True) as library:
        list(library.screens())
        library.by_files([bytes(32)])
        library.by_tensors([t.sha256 for t in made("one").tensors])
        library.acts()
        library.packs()
        return [e.name for e in library.entries(revoked=True)]


def written(folder: Path) -> None:
    with open_library(folder, write=True) as library:
        library.remove(library.entry("one"), who="me", at=1, reason="why")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON acts BEGIN DELETE FROM entries; END",
        "CREATE VIEW v AS SELECT * FROM entries",
        "CREATE TABLE more (x)",
        "CREATE INDEX more ON acts (who)",
        "CREATE VIRTUAL TABLE v USING fts5(x)",
        "DROP INDEX acts_entry",
        "ALTER TABLE entries ADD COLUMN more TEXT GENERATED ALWAYS AS (name || name) VIRTUAL",
    ],
)
def test_a_schema_that_is_not_ours_is_refused_unread(folder: Path, statement: str) -> None:
    sql(folder, statement)
    for write in (False, True):
        with pytest.raises(MalformedError, match="its tables are not those of a catalogue"):
            open_library(folder, write=write)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET name = zeroblob(20)",
        "UPDATE entries SET fingerprint = 'text'",
        "UPDATE entries SET root = zeroblob(31)",
        "UPDATE entries SET note = printf('%.*c', 30000, 'x')",
        "UPDATE entries SET added_at = -1",
        "UPDATE entries SET added_at = 1.5",
        "UPDATE entries SET parameters = '-3'",
        "UPDATE entries SET parameters = printf('%.*c', 4500, '9')",
        "UPDATE entries SET issuers = zeroblob(33)",
        "UPDATE entries SET size = 'big'",
        "UPDATE parents SET kind = 'z'",
        "UPDATE parents SET fingerprint = 7",
        "UPDATE names SET name = x'07' WHERE place = 1",
        "UPDATE screens SET layers = 'x'",
        "UPDATE screens SET key = zeroblob(9)",
        "UPDATE screens SET data = 'x'",
        "UPDATE acts SET note = zeroblob(2)",
        "UPDATE acts SET at = 'x'",
        "INSERT INTO packs VALUES (1, zeroblob(32), x'03', 1, zeroblob(0), zeroblob(0), zeroblob(0), 1, 'x')",
    ],
)
def test_a_field_of_the_wrong_kind_is_a_sentence(folder: Path, statement: str) -> None:
    sql(folder, statement)
    with pytest.raises(MalformedError, match="a row of the catalogue holds"):
        seen(folder)


def test_text_that_is_no_text_stays_readable(folder: Path) -> None:
    sql(folder, "UPDATE entries SET name = CAST(x'ff1b5b324a' AS TEXT)")
    assert seen(folder) == ["\\xff\x1b[2J"]


def test_too_much_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sql(folder, f"UPDATE screens SET data = zeroblob({opening.MOST_CELL + 1})")
    with pytest.raises(LimitError, match="a field of more than"):
        seen(folder)
    monkeypatch.setattr(opening, "budget", lambda _: lambda: 1)
    with open_library(folder, immutable=True) as library, pytest.raises(MalformedError, match="more steps to read"):
        library._rows("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x) FROM n")
    monkeypatch.undo()
    sql(folder, "UPDATE screens SET data = zeroblob(1)")
    monkeypatch.setattr(reading, "MOST_ENTRIES", 0)
    with pytest.raises(LimitError, match="more than 0 entries"):
        seen(folder)


def _byte(at: int, value: bytes) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[at : at + len(value)] = value
        file.write_bytes(data)

    return change


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda f: f.write_bytes(b""), MalformedError, "no SQLite database"),
        (lambda f: f.write_bytes(b"SQLite format 3\x00"), MalformedError, "no SQLite database"),
        (_byte(68, bytes(4)), MalformedError, "no catalogue of mpk-tui"),
        (_byte(60, bytes(4)), MalformedError, "version 0"),
        (_byte(60, b"\x00\x00\x00\x63"), UnsupportedError, f"version 99; this mpk-tui knows {len(schema.STEPS)}"),
        (_byte(60, b"\xff\xff\xff\xff"), MalformedError, "version -1"),
        (_byte(100, b"\xff" * 300), MalformedError, "damaged"),
        (lambda f: f.write_bytes(f.read_bytes()[:9000]), MalformedError, "damaged"),
        (lambda f: (f.unlink(), f.symlink_to("/etc/passwd")), StorageError, "cannot be read"),
        (lambda f: (f.unlink(), os.mkfifo(f)), MalformedError, "no regular file"),
        (lambda f: f.with_name(f.name + "-journal").write_bytes(b"x"), MalformedError, "rollback journal"),
        (lambda f: f.with_name(f.name + "-wal").symlink_to("/etc/passwd"), MalformedError, "link or a device"),
        (lambda f: f.with_name(f.name + "-shm").mkdir(), MalformedError, "link or a device"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_catalogue_is_refused(
    folder: Path, change: Callable[[Path], object], error: type[MpkError], match: str
) -> None:
    change(folder / opening.NAME)
    with pytest.raises(error, match=match):
        seen(folder)
    with pytest.raises(error, match=match):
        written(folder)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_page_ends_in_one_of_our_errors_or_is_found_by_the_check(folder: Path, seed: int) -> None:
    file, random_ = folder / opening.NAME, random.Random(seed)
    data = bytearray(file.read_bytes())
    for _ in range(40):
        data[random_.randrange(100, len(data))] = random_.randrange(256)
    file.write_bytes(data)
    try:
        with open_library(folder, immutable=True) as library:
            assert check(library).code != ExitCode.OK
    except MpkError as error:
        assert error.exit_code in (ExitCode.MALFORMED, ExitCode.LIMIT, ExitCode.UNSUPPORTED, ExitCode.INTERNAL)  # noqa: PT017


def test_a_fingerprint_file_is_believed_only_for_its_digest(folder: Path) -> None:
    with open_library(folder) as library:
        entry = library.entry("one")
        path = library.path(entry)
        path.write_bytes(made("other").to_bytes())
        with pytest.raises(MalformedError, match="not its name"):
            library.fingerprint(entry)
        path.unlink()
        path.symlink_to(folder / "elsewhere.mpkf")
        with pytest.raises(MalformedError, match="is a link"):
            library.fingerprint(entry)
    # A note that names what it should not deletes nothing that a row names, and nothing elsewhere.
    (folder / "keep.mpkf").write_text("x")
    (folder / "fingerprints" / "unconfirmed").write_bytes(
        entry.fingerprint.hex().encode() + b"\n../../keep\n" + b"zz" * 32 + b"\n\xff\n"
    )
    with open_library(folder, write=True) as library:
        library.revoke(library.entry("uno"), EVIL, who="me", at=1)
    assert path.is_symlink()
    assert (folder / "keep.mpkf").exists()


@pytest.mark.parametrize("whole", [True, False])
def test_nothing_is_written_or_deleted_behind_a_link(folder: Path, tmp_path: Path, whole: bool) -> None:
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    two, (kept,) = made("two"), other.glob("fingerprints/*/*.mpkf")
    before = sorted(other.rglob("*"))
    if whole:
        shutil.rmtree(folder / "fingerprints")
        (folder / "fingerprints").symlink_to(other / "fingerprints")
    else:
        (folder / "fingerprints" / two.digest.hex()[:2]).symlink_to(other)
    with (
        pytest.raises(MalformedError, match="is a link; nothing is written"),
        open_library(folder, write=True) as library,
    ):
        library.add([(two, Facts("two"))], who="me", at=1)
    assert sorted(other.rglob("*")) == before
    if whole:
        return
    # A note of the stranger's names a file of the other library.
    sql(folder, "DELETE FROM entries")
    shutil.rmtree(folder / "fingerprints" / kept.parent.name)
    (folder / "fingerprints" / kept.parent.name).symlink_to(kept.parent)
    (folder / "fingerprints" / "unconfirmed").write_text(kept.name[:64] + "\n")
    with pytest.raises(MalformedError, match="is a link"), open_library(folder, write=True) as library:
        library.add([(made("three"), Facts("three"))], who="me", at=1)
    assert kept.exists()
    # The library as a whole may be one.
    (tmp_path / "link").symlink_to(other)
    with open_library(tmp_path / "link", write=True) as library:
        library.add([(two, Facts("two"))], who="me", at=1)
    assert len(list(other.glob("fingerprints/*/*.mpkf"))) == 2


def old(folder: Path) -> Path:
    """A library of version 1 with one entry, made by nothing but its text."""
    folder.mkdir()
    one = made("one")
    connection = sqlite3.connect(folder / opening.NAME)
    connection.executescript(VERSION_1)
    connection.execute(
        "INSERT INTO entries VALUES (1, ?, ?, 'one', '', '', '', '', 5, 'Ann', x'', '', 0, x'', ?, ?, ?, '24', 2, 5, ?, '')",
        (one.digest, one.root, one.format, one.family, one.scope, len(one.to_bytes())),
    )
    connection.execute("INSERT INTO names VALUES ('one', 1, 0, 'one')")
    connection.commit()
    connection.close()
    at = folder / "fingerprints" / one.digest.hex()[:2]
    at.mkdir(parents=True)
    (at / f"{one.digest.hex()}.mpkf").write_bytes(one.to_bytes())
    return folder


def test_an_older_catalogue_is_copied_and_brought_up_to_date(tmp_path: Path) -> None:
    folder = old(tmp_path / "lib")
    with pytest.raises(UnsupportedError, match=r"version 1, and this media is read-only.*Copy"):
        open_library(folder, immutable=True)
    before = (folder / opening.NAME).read_bytes()
    with open_library(folder) as library:
        assert [(e.name, e.added_by) for e in library.entries()] == [("one", "Ann")]
        assert check(library).code == ExitCode.INCONSISTENT, "its screens and digests are still to be made"
    (kept,) = folder.glob(f"{opening.NAME}.version-1-*")
    copy = sqlite3.connect(kept)
    assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    assert copy.execute("SELECT name FROM entries").fetchall() == [("one",)]
    copy.close()
    assert before != (folder / opening.NAME).read_bytes()
    with open_library(folder, write=True) as library:
        check(library, repair=True)
        assert check(library).faults == ()
        assert library.by_tensors(t.sha256 for t in made("one").tensors) == {1: 4}
    assert len(list(folder.glob(f"{opening.NAME}.version-*"))) == 1
    assert schema.version_of(sqlite3.connect(folder / opening.NAME)) == len(schema.STEPS)


def test_a_step_that_fails_leaves_the_old_catalogue_as_it_was(tmp_path: Path) -> None:
    folder = old(tmp_path / "lib")

    def third(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE acts")
        raise sqlite3.OperationalError("stopped")

    with pytest.raises(MpkError):
        opening.connect(folder, write=True, steps=(*schema.STEPS, third))
    with open_library(folder) as library:
        assert library.acts() == []
        assert library.entry("one").id == 1


def test_an_old_catalogue_with_strange_tables_is_refused_before_anything_runs(tmp_path: Path) -> None:
    folder = old(tmp_path / "lib")
    sql(folder, "CREATE TRIGGER t AFTER UPDATE ON entries BEGIN DELETE FROM acts; END")
    with pytest.raises(MalformedError, match="trigger t"):
        open_library(folder)
    assert list(folder.glob("*version-1*")) == []
