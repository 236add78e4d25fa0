"""What was lost or removed comes back: from the same pack, from a fingerprint file; and what newcomers stumbled over."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
from models import made
from packing import ANN, BOB, BOTH, DAY, NOW, Key, check, listed, pack

from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.trust import single_key
from mpk_tui.cli import main
from mpk_tui.cli.library.listing import entry_lines
from mpk_tui.errors import ExitCode, StorageError, UsageError
from mpk_tui.fingerprint.record import write
from mpk_tui.library.adding import not_found, parent, take_in
from mpk_tui.library.catalogue import Catalogue, open_library
from mpk_tui.library.checking import check as check_library
from mpk_tui.library.entry import Facts
from mpk_tui.library.packs import importing, making
from mpk_tui.library.packs.importing import Result
from mpk_tui.library.scan import scan

SCHEMA = Path(__file__).parents[2] / "schemas" / "pack-import-1.json"


def take(path: Path, folder: Path, **more: bool) -> Result:
    return importing.take_in(path, folder, BOTH, who="me", now=NOW + DAY, **more)


def whole(folder: Path) -> list[str]:
    """Names of the entries; files and rows are as they were written."""
    with open_library(folder) as library:
        assert check_library(library).faults == ()
        return sorted(e.name for e in library.entries())


def test_the_same_pack_makes_whole_what_is_missing(tmp_path: Path) -> None:
    one, lib = pack(tmp_path / "1", *(listed(n) for n in ("lost", "bad", "linked", "gone", "good"))), tmp_path / "lib"
    take(one, lib)
    with open_library(lib, write=True) as library:
        library.remove(library.entry("gone"), who="me", at=NOW, reason="not needed")
        lost, bad, linked = (library.path(library.entry(n)) for n in ("lost", "bad", "linked"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(linked.read_bytes())
    lost.unlink()
    bad.write_bytes(made("other").to_bytes())
    linked.unlink()
    linked.symlink_to(elsewhere)
    with open_library(lib, write=True) as library:
        assert check_library(library, repair=True).code == ExitCode.ALTERED
        library.derive_all()  # rows of what is lost are gone, too
    dry = take(one, lib, dry_run=True)
    assert (dry.written, lost.exists()) == (False, False)
    assert "3 fingerprint files would be written again" in dry.sentence(dry_run=True)
    done = take(one, lib)
    assert (done.outcome.verdict, done.outcome.imported, done.written) == (Word.VALID, True, True)
    assert sorted(done.lines()[1:]) == [
        "gone was taken out here and stays out; --again takes it in again",
        *(f"the fingerprint file of {n} was {w} and is written again"
          for n, w in (("bad", "altered"), ("linked", "altered"), ("lost", "missing"))),
    ]  # fmt: skip
    assert "1 of its entries were taken out here since, and stay out: --again" in done.sentence(dry_run=False)
    jsonschema.validate(done.as_record(), json.loads(SCHEMA.read_text("ascii")))
    assert whole(lib) == ["bad", "good", "linked", "lost"]
    assert elsewhere.is_file()
    back = take(one, lib, again=True)
    assert "1 of its entries taken in again" in back.sentence(dry_run=False)
    assert whole(lib) == ["bad", "gone", "good", "linked", "lost"]
    with open_library(lib) as library:
        assert library.entry("gone").origin.pack == done.outcome.id
        assert [a.act for a in library.acts(2)] == ["took in again", "added"]
        assert len(importing.imported(library)) == 1
    assert not take(one, lib, again=True).written, "nothing to do"


def test_an_older_pack_stays_old_and_a_newer_one_mends_too(tmp_path: Path) -> None:
    one, lib = pack(tmp_path / "1", listed("one"), listed("two")), tmp_path / "lib"
    two = pack(tmp_path / "2", listed("one"), listed("three"), previous=[one])
    take(one, lib)
    with open_library(lib) as library:
        path = library.path(library.entry("one"))
    path.write_bytes(b"")
    done = take(two, lib)
    assert "the fingerprint file of one was altered and is written again" in done.lines()
    assert whole(lib) == ["one", "three", "two"]
    with open_library(lib, write=True) as library:
        library.remove(library.entry("two"), who="me", at=NOW, reason="x")
    found = take(one, lib, again=True)
    assert (found.outcome.verdict, found.written, found.plan) == (Word.REPLAY, False, None)
    # A break at the end takes nothing in; a file that was made whole may stay, for a row names it.
    with open_library(lib, write=True) as library:
        library.remove(library.entry("three"), who="me", at=NOW, reason="x")
    path.unlink()

    def broken(*args: object, **more: object) -> None:
        raise StorageError("the disk is full")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalogue, "take_in", broken)
        with pytest.raises(StorageError):
            take(two, lib, again=True)
    assert whole(lib) == ["one"]
    path.unlink()
    assert take(two, lib, again=True).written
    assert whole(lib) == ["one", "three"]


def test_adding_again_writes_a_lost_file_and_nothing_makes_no_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lib, file = tmp_path / "lib", tmp_path / "one.mpkf"

    def add(*args: object) -> tuple[int, str]:
        code = main(["library", "add", *map(str, args), "--library", str(lib)])
        return code, capsys.readouterr().err

    assert add(tmp_path / "nowhere")[0] == ExitCode.INTERNAL
    assert add(tmp_path / "nowhere", tmp_path / "none", "--parent", "Folk")[0] == ExitCode.INTERNAL
    assert not lib.exists()
    write(file, made("one"))
    code, err = add(file, "--parent", "nobody:9.9", "--parent", "Folk:3.2")
    assert code == 0
    assert "9.9 is no mechanism of the constitution" in err
    assert "nobody is no entry of the library (the whole, nobody:9.9, is kept as a name)" in err
    assert "Folk is no entry of the library (kept as a name)" in err
    with open_library(lib) as library:
        path = library.path(library.entry("one"))
        assert not_found("one:3.2", parent(library, "one:3.2")) == []
    path.unlink()
    assert "its file was missing and is written again" in add(file)[1]
    path.write_bytes(b"x")
    with pytest.raises(UsageError, match="its file was altered and is written again"):
        take_in(lib, made("one"), Facts("again"), (), "me")
    assert "library change alters that" in add(file)[1]
    assert whole(lib) == ["one"]


def test_a_revoked_entry_is_recognised_and_not_compared(tmp_path: Path) -> None:
    with open_library(tmp_path / "lib", write=True, create=True) as library:
        library.add([(made("bad"), Facts("bad")), (made("good"), Facts("good"))], who="me", at=1)
        library.revoke(library.entry("bad"), "poisoned", who="me", at=2)
        found = scan(library, made("bad"))
        assert found["relatives"] == []
        assert "its tensors are those of the revoked entry bad (poisoned)" in found["notices"]
        assert "those of the revoked entry bad" in found["answer"]
        other = made("bad", tensors=5)  # other tensors, the same weight file
        assert any("is one of the revoked entry bad (poisoned)" in n for n in scan(library, other)["notices"])
        assert not any("revoked" in n for n in scan(library, made("new"))["notices"])
        library.revoke(library.entry("good"), "old", who="me", at=2)
        assert scan(library, made("new"))["answer"].startswith("All entries of the library are revoked")


def test_whoever_signed_before_is_called_as_before(tmp_path: Path) -> None:
    path = pack(tmp_path / "1", listed("one"))
    earlier = making.read_earlier([path])
    assert making.called_before(ANN.keys, earlier) == "Ann"
    assert making.called_before(BOB.keys, earlier) == making.called_before(ANN.keys, ()) == ""
    found = check(path, single_key(Key("another").public))
    assert found.verdict is Word.UNTRUSTED
    assert "signed by another key than the one given" in found.words
    assert "trust store" not in found.words


def test_kit_says_that_a_path_is_not_there(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "a")
    assert main(["kit", str(tmp_path / "a"), str(tmp_path / "nowhere")]) == ExitCode.INTERNAL


def test_names_come_first_and_are_not_torn(tmp_path: Path) -> None:
    with open_library(tmp_path / "lib", write=True, create=True) as library:
        entries = library.add([(made(n), Facts(n * 20)) for n in ("A_", "b")], who="somebody", at=1)
    narrow, wide = list(entry_lines(entries, 80)), list(entry_lines(entries, None))
    assert [line.split()[1] for line in (narrow[0], narrow[2], *wide)] == ["A_" * 20, "b" * 20] * 2
    assert (len(narrow), len(wide)) == (4, 2)
    assert max(map(len, narrow)) <= 80
