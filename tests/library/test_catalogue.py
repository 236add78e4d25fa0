"""The catalogue: what goes in comes out, is found by every name and digest, and its history says who did what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from models import EVIL, made, sha

from mpk_tui.cli import main
from mpk_tui.errors import ExitCode, LimitError, MalformedError, StorageError, UsageError
from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.fingerprint.record import read, write
from mpk_tui.library import entry as limits
from mpk_tui.library.adding import change_here, name_of, parent
from mpk_tui.library.catalogue import Catalogue, open_library
from mpk_tui.library.checking import check
from mpk_tui.library.entry import Facts, Origin, Parent, facts_from
from mpk_tui.library.screen import screens_of

PACK = Origin(sha("pack"), "lab pack", 3, (sha("k1"), sha("k2")))
ALL = Facts(
    "Basis", ("base", "Ä-Modell"), "the lab", "MIT", "/mnt/x", "a note\nin lines",
    (Parent("Grand", sha("f"), sha("r"), "3.2", "a", "fine-tuned from Grand", "README.md, line 3"), Parent("Rumour")),
)  # fmt: skip


@pytest.fixture
def library(tmp_path: Path) -> Any:
    with open_library(tmp_path / "lib", write=True, create=True) as opened:
        yield opened


def put(library: Catalogue, *names: str, **more: Any) -> None:
    library.add([(made(n, **more), Facts(n)) for n in names], who="me", at=1)


def test_what_goes_in_comes_out(library: Catalogue) -> None:
    one = made("one")
    (entry,) = library.add([(one, ALL)], who=" Ann ", at=1_700_000_000_000, origin=PACK)
    assert (entry.facts, entry.origin, entry.added_by, entry.added_at) == (ALL, PACK, "Ann", 1_700_000_000_000)
    assert (entry.fingerprint, entry.root, entry.parameters, entry.layers, entry.tensors) == (
        one.digest, one.root, 24, 2, 5,
    )  # fmt: skip
    assert library.fingerprint(entry) == one == read(library.path(entry))
    assert entry.size == library.path(entry).stat().st_size
    with open_library(library.folder) as second:
        assert second.by_id(entry.id) == entry
        assert list(second.entries()) == [entry]
        assert second.read_only
        with pytest.raises(UsageError, match="reading only"):
            second.remove(entry, who="x", at=1, reason="y")
    assert facts_from(json.loads(json.dumps(entry.as_record()))) == ALL


def test_found_by_name_alias_and_the_beginning_of_digests(library: Catalogue) -> None:
    put(library, "one", "two", "twin")
    library.change(library.entry("one"), ALL, who="me", at=2)
    entry = library.entry("basis")
    for name in ("BASE", "ä-modell", " Basis ", entry.fingerprint.hex(), entry.root.hex()[:7].upper()):
        assert library.entry(name) == entry, name
    library.change(library.entry("two"), Facts("other", ("Base",)), who="me", at=2)
    with pytest.raises(UsageError, match=r"'base' is 2 entries: Basis .* other"):
        library.entry("base")
    with pytest.raises(UsageError, match="Near it: twin"):
        library.entry("twim")
    with pytest.raises(UsageError, match="no entry"):
        library.entry("%")
    assert [e.name for e in library.entries(text="THE LAB")] == ["Basis"]
    assert [e.name for e in library.entries(text=library.entry("twin").root.hex()[:10])] == ["twin"]
    with pytest.raises(UsageError, match="number 99"):
        library.by_id(99)


def test_nobody_stands_in_for_another_by_its_digest(library: Catalogue) -> None:
    one, two = made("one"), made("two")
    digits = one.digest.hex()
    library.add([(one, Facts("one")), (two, Facts(digits[:12], (digits, one.root.hex())))], who="me", at=1)
    assert [library.entry(text).name for text in (digits, one.root.hex().upper(), digits[:16])] == ["one"] * 3
    with pytest.raises(UsageError, match="is 2 entries"):
        library.entry(digits[:12])


def test_exact_digests_are_counted_once_and_small_files_tell_nothing(library: Catalogue) -> None:
    put(library, "one", "two", shared=2)
    put(library, "far")
    query = made("one", shared=2)
    digests = [t.sha256 for t in query.tensors] * 2
    assert library.by_tensors(digests) == {1: 4, 2: 2}
    files = library.by_files(f.sha256 for f in query.files if f.sha256)
    assert files[2] == [("tokenizer.json", sha("tokenizer"))]
    assert [p for p, _ in files[1]] == ["tokenizer.json", "\udcffone.safetensors"]
    assert [e.id for e in library.by_root(query.root)] == [1]
    wanted = screens_of(query)[0]
    rows = list(library.screens())
    assert rows[0] == (1, wanted.key, 1, wanted.data)
    assert [r[0] for r in rows] == [1, 2, 3]
    library.revoke(library.by_id(2), "withdrawn by its makers", who="me", at=5)
    assert library.by_tensors(digests) == {1: 4}
    assert library.by_tensors(digests, revoked=True) == {1: 4, 2: 2}
    assert list(files) == [1, 2]
    assert list(library.by_files([sha("tokenizer")])) == [1]
    assert [r[0] for r in library.screens()] == [1, 3]
    assert [e.id for e in library.entries()] == [1, 3]
    assert library.entry("two").revoked == "withdrawn by its makers"


def test_changes_are_all_or_nothing_and_leave_a_history(library: Catalogue) -> None:
    put(library, "one")
    with pytest.raises(UsageError, match="in the library already, as one"):
        library.add([(made("two"), Facts("two")), (made("one"), Facts("again"))], who="me", at=2)
    assert [e.name for e in library.entries()] == ["one"]
    assert len(list((library.folder / "fingerprints").glob("*/*.mpkf"))) == 1
    with library.changes():
        put(library, "two")
        with pytest.raises(UsageError):
            library.change(library.entry("two"), Facts(" "), who="me", at=2)
        with pytest.raises(UsageError):
            library.add([(made("three"), Facts("three")), (made("two"), Facts("again"))], who="me", at=2)
    assert [e.name for e in library.entries()] == ["one", "two"], "what failed inside did not take the rest along"
    one = library.entry("one")
    library.change(one, Facts("eins", licence="MIT"), who="Bob", at=3)
    library.remove(library.entry("eins"), who="Cy", at=4, reason="wrong file")
    assert not library.path(one).exists()
    assert [(a.act, a.who, a.at, a.name) for a in library.acts(entry=one)] == [
        ("removed", "Cy", 4, "eins"), ("changed", "Bob", 3, "one"), ("added", "me", 1, "one"),
    ]  # fmt: skip
    assert "licence: '' became 'MIT'" in library.acts(entry=one)[1].note
    assert library.acts(1)[0].note == "wrong file"
    put(library, "one")
    assert library.entry("one").id > 2, "a number is not used again"
    assert check(library).faults == ()
    library.take_in(PACK, who="me", at=9)
    assert library.packs() == [(PACK, 9, "me")]


@pytest.mark.parametrize(
    ("facts", "match"),
    [
        (Facts("  "), "needs a name"),
        (Facts("x" * 201), "201 characters"),
        (Facts("x", tuple(map(str, range(65)))), "65 aliases"),
        (Facts("x", parents=(Parent("p", kind="d"),)), "no kind of evidence"),
        (Facts("x", parents=(Parent("p", mechanism="4.1"),)), "no mechanism"),
        (Facts("x", parents=(Parent(""),)), "name or a digest"),
        (Facts("x", parents=(Parent("p", root=b"short"),)), "SHA-256"),
    ],
)
def test_facts_that_no_entry_can_hold_are_refused(library: Catalogue, facts: Facts, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        library.add([(made("one"), facts)], who="me", at=1)
    assert library.count() == 0


def test_texts_are_kept_as_utf8_can_hold_them(library: Catalogue) -> None:
    (entry,) = library.add([(made("one", family=EVIL), Facts(f"\udcff{EVIL}", (EVIL, EVIL)))], who="\udcff", at=1)
    assert entry.facts.aliases == (EVIL.replace("\x00", "\\x00"),)
    assert entry.name.startswith("\\udcff")
    assert check(library).faults == ()
    deep = replace(made("x"), tensors=(TensorHash("t", "F32", (3,) * 65, 4, bytes(32)),))
    with pytest.raises(LimitError, match="dimensions"):
        library.add([(deep, Facts("deep"))], who="me", at=1)
    for number in (-1, True):  # nor may an entry be kept that cannot be read again
        (entry,) = library.add(
            [(replace(made(f"n{number}"), config={"parameters": number}), Facts("n"))], who="me", at=1
        )
        assert entry.parameters == 24
    huge = replace(made("x"), tensors=(TensorHash("t", "F32", (2**60, 2**60), 4, bytes(32)),), config={"layers": 2**60})
    (entry,) = library.add([(huge, Facts("huge"))], who="me", at=1)
    assert (entry.parameters, entry.layers) == (2**120, None)
    for bad in ({"name": 3}, {"name": "x", "aliases": "no"}, {"name": "x", "parents": [{"name": "p", "root": "zz"}]}):
        with pytest.raises(MalformedError):
            facts_from(bad)


def test_parents_are_looked_up_and_a_pack_speaks_for_itself(library: Catalogue) -> None:
    put(library, "one", "two")
    one = library.entry("one")
    assert parent(library, "ONE:3.2", kind="a") == Parent("one", one.fingerprint, one.root, "3.2", "a")
    assert parent(library, one.root.hex()[:12]).fingerprint == one.fingerprint
    assert parent(library, "org/model:v2") == Parent("org/model:v2")
    assert [Parent("p", kind=k, source=s).documented for k, s in (("a", "card"), ("a", " "), ("", "card"))] == [
        True, False, False,
    ]  # fmt: skip
    assert parent(library, "ab" * 32).fingerprint == bytes.fromhex("ab" * 32)
    library.add([(made("six"), Facts("one"))], who="me", at=1)
    with pytest.raises(UsageError, match="is 2 entries"):
        parent(library, "one")
    (packed,) = library.add([(made("p"), ALL)], who="me", at=1, origin=PACK)
    assert change_here(packed, replace(ALL, note="mine", aliases=("mine",))).note == "mine"
    with pytest.raises(UsageError, match="its licence is what those say who signed it"):
        change_here(packed, replace(ALL, licence="mine"))
    assert [name_of(Path(p)) for p in ("a/b.v2", "a/b.mpkf", "a/x.Q4.gguf")] == ["b.v2", "b", "x.Q4"]


def test_a_check_names_every_fault_and_repairs_what_follows_from_the_files(library: Catalogue) -> None:
    put(library, "one", "two", "three", "four")
    sql = library._connection.execute
    sql("DELETE FROM tensors WHERE entry = 1")
    sql("UPDATE entries SET family = 'lie', parameters = '7' WHERE id = 1")
    sql("UPDATE names SET folded = 'lie' WHERE entry = 1")
    sql("INSERT INTO tensors VALUES (?, 77)", (bytes(16),))
    sql("UPDATE screens SET data = zeroblob(256) WHERE entry = 2")
    library.path(library.by_id(3)).unlink()
    other = library.path(library.by_id(4))
    other.write_bytes(made("five").to_bytes())
    orphan = made("orphan")
    at = library.folder / "fingerprints" / orphan.digest.hex()[:2] / f"{orphan.digest.hex()}.mpkf"
    at.parent.mkdir(exist_ok=True)
    write(at, orphan)
    (library.folder / "fingerprints" / "notes.txt").write_text("x")
    found = check(library)
    assert sorted((f.kind, f.name) for f in found.faults) == [
        ("altered", "four"), ("missing", "three"), ("orphan", f"fingerprints/{at.parent.name}/{at.name}"),
        ("rows", "catalogue"), ("rows", "one"), ("rows", "two"), ("stray", "fingerprints/notes.txt"),
    ]  # fmt: skip
    assert found.code == ExitCode.ALTERED
    assert "family is 'lie'" in next(f.sentence for f in found.faults if f.name == "one")
    mended = check(library, repair=True)
    assert {f.kind for f in mended.faults if not f.repaired} == {"altered", "missing", "orphan", "stray"}
    assert {f.kind for f in check(library).faults} == {"altered", "missing", "orphan", "stray"}
    assert library.entry("one").family == "llama"
    for name in ("three", "four"):
        library.remove(library.entry(name), who="me", at=3, reason="lost")
    library.add([(orphan, Facts("orphan"))], who="me", at=4)
    last = check(library)
    assert (last.code, [f.kind for f in last.faults]) == (ExitCode.OK, ["stray"])
    # One row that follows from no file.
    sql("INSERT INTO tensors VALUES (?, 1)", (bytes(16),))
    assert check(library).code == ExitCode.INCONSISTENT
    assert check(library, repair=True).code == ExitCode.OK
    assert [f.kind for f in check(library).faults] == ["stray"]


def test_the_commands_do_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "lib"

    def run(*args: str | Path) -> tuple[int, str, str]:
        code = main(["library", *map(str, args), "--library", str(folder)])
        said = capsys.readouterr()
        assert not {"\x1b", "\u202e"} & set(said.out + said.err)
        return code, said.out, said.err

    for name in ("one", "two", "three"):
        write(tmp_path / f"{name}.mpkf", made(name, shared=1))
    assert run("list")[0] == 0
    assert not folder.exists(), "reading makes nothing"
    assert run("show", "one")[0] == ExitCode.INTERNAL
    said = ("--alias", f"Eins{EVIL}", "--source", "lab", "--licence", "MIT", "--note", "n", "--who", "Ann")
    code, out, _ = run("add", tmp_path / "one.mpkf", *said)
    assert (code, out.split()) == (0, [made("one", shared=1).digest.hex(), "one"])
    (tmp_path / "bad.mpkf").write_bytes(b"\x92\xa5MPKF1")
    code, out, err = run("add", tmp_path / "bad.mpkf", tmp_path / "one.mpkf", tmp_path / "two.mpkf",
                         "--parent", "one:3.2", "--parent-kind", "a", "--parent-evidence", f"tuned {EVIL}",
                         "--parent-source", "card", "--parent", "Folk")  # fmt: skip
    assert (code, len(out.splitlines())) == (ExitCode.MALFORMED, 1), "one that fails keeps no other out"
    assert "in the library already, as one" in err
    assert run("add", tmp_path / "one.mpkf", tmp_path / "two.mpkf", "--name", "x")[0] == ExitCode.USAGE
    with pytest.raises(SystemExit):
        run("add", tmp_path / "one.mpkf", "--parent-kind", "a")
    out = run("show", "two")[1]
    assert "mechanism 3.2; evidence (a)" in out
    assert "names        Folk; a claim" in out
    assert "parent       Folk" not in out
    write(folder / "loose.mpkf", made("loose"))
    write(folder / "again.mpkf", made("one", shared=1))
    out = run("list")[1]
    assert [line for line in out.splitlines() if "not in the catalogue" in line] == [
        "loose  (a file, not in the catalogue)"
    ]
    assert run("list", "--text", "eins")[1].count("\n") == 1
    assert run("change", "one", "--name", "first", "--alias", "uno", "--no-aliases", "--parent", "two")[0] == 0
    record = json.loads(run("show", "uno", "--json")[1])
    assert (record["entry"]["name"], record["entry"]["aliases"], record["entry"]["licence"]) == (
        "first",
        ["uno"],
        "MIT",
    )
    assert [a["act"] for a in record["history"]] == ["changed", "added"]
    assert run("show", "uno", "-o", tmp_path / "out.mpkf")[0] == 0
    assert read(tmp_path / "out.mpkf") == made("one", shared=1)
    assert run("change", "one")[0] == ExitCode.USAGE
    assert run("remove", "first", "--reason", " ")[0] == ExitCode.USAGE
    assert run("remove", "first", "--reason", "mistake", "--who", "Bob")[0] == 0
    assert "by Bob: mistake" in run("log")[1]
    assert run("stats")[1].startswith("entries      1, 0 of them revoked")
    assert run("check")[0] == 0
    assert run("check", "--immutable", "--repair")[0] == ExitCode.USAGE
    begun = folder / "fingerprints" / "ab" / f".{'ab' * 20}.x1y2"  # as a kill in the middle of a file leaves it
    begun.parent.mkdir(exist_ok=True)
    begun.write_text("torn")
    (folder / "fingerprints" / "unconfirmed").write_text("\n" + "ab" * 32 + "\nab")
    assert run("check")[1].count("left-over") == 2
    assert run("check", "--repair")[1].count("(repaired)") == 2
    assert run("check")[1] == ""
    assert not begun.exists()


def test_reading_without_a_trace(tmp_path: Path) -> None:
    folder = tmp_path / "lib"
    with open_library(folder, write=True, create=True) as library:
        put(library, "one")
    for immutable in (False, True):
        before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
        with open_library(folder, immutable=immutable) as library:
            assert [e.name for e in library.entries()] == ["one"]
            if immutable:
                assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before
        assert set(folder.rglob("*")) == set(before), "nothing is left beside the catalogue"
    with pytest.raises(StorageError, match="read-only"):
        open_library(folder, write=True, immutable=True)
    assert limits.MOST_TEXT > limits.MOST_LINE
