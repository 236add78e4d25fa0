"""Packs into a library: all or nothing, only what is VALID, and no word about entries of others."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from models import made
from packing import ANN, ANN_NEW, BOB, BOTH, DAY, NOW, Key, check, listed, pack, person, trusting

from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.trust import Revocation, TrustStore
from mpk_tui.cli import main
from mpk_tui.errors import CancelledError, MalformedError, StorageError, UnstableFileError
from mpk_tui.keys import store as stores
from mpk_tui.library import stored
from mpk_tui.library.catalogue import Catalogue, open_library
from mpk_tui.library.entry import Facts, Parent
from mpk_tui.library.packs import importing, making
from mpk_tui.library.packs import trusting as standing
from mpk_tui.library.packs.contents import Revoked
from mpk_tui.library.packs.importing import Result, take_in
from mpk_tui.progress import CancelToken

SCHEMAS = Path(__file__).parents[2] / "schemas"


def take(path: Path, folder: Path, store: TrustStore = BOTH, **more: Any) -> Result:
    return take_in(path, folder, store, who="me", now=NOW + DAY, **more)


def names(folder: Path, **more: Any) -> list[str]:
    with open_library(folder) as library:
        return sorted(e.name for e in library.entries(**more))


def everything(folder: Path) -> dict[str, bytes]:
    """All files of a folder but SQLite's own side files."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.endswith(("-wal", "-shm"))
    }  # fmt: skip


def test_a_pack_is_taken_in_whole_with_its_origin(tmp_path: Path) -> None:
    parent = Parent("one", made("one").digest, made("one").root, "3.2", "a", "Fine-tuned from one.", "card")
    path, lib = pack(tmp_path / "p", listed("one"), listed("two", parents=(parent,), location="x")), tmp_path / "lib"
    dry = take(path, lib, dry_run=True)
    assert (dry.outcome.verdict, dry.written, lib.exists()) == (Word.VALID, False, False)
    done = take(path, lib)
    assert (done.written, names(lib)) == (True, ["one", "two"])
    with open_library(lib) as library:
        entry = library.entry("two")
        assert entry.facts.parents == (parent,)
        origin = entry.origin
        assert (origin.pack, origin.pack_name, origin.pack_version, origin.issuers) == (
            done.outcome.id, "lab", 1, (ANN.public.keyid,),
        )  # fmt: skip
        assert library.fingerprint(entry) == made("two")
        assert (entry.added_by, entry.added_at) == ("me", NOW + DAY)
    before = everything(lib)
    again = take(path, lib)
    assert (again.outcome.verdict, again.outcome.imported, again.written) == (Word.VALID, True, False)
    assert everything(lib) == before


def test_nothing_is_written_unless_it_is_valid(tmp_path: Path) -> None:
    good, lib = pack(tmp_path / "1", listed("one")), tmp_path / "lib"
    bad = tmp_path / "bad"
    bad.write_bytes(good.read_bytes()[:-9] + b"x" * 9)
    stranger = pack(tmp_path / "2", listed("one"), key=Key("stranger"))
    late = pack(tmp_path / "3", listed("one"), created=NOW + 9 * DAY)
    for path, word in ((bad, Word.ALTERED), (stranger, Word.UNTRUSTED), (late, Word.REPLAY)):
        assert (take(path, lib).outcome.verdict, lib.exists()) == (word, False)
    take(good, lib)
    before = everything(lib)
    delta = pack(
        tmp_path / "5", listed("one"), listed("two"), since=[pack(tmp_path / "4", listed("one"), created=NOW + 1)]
    )
    found = take(delta, lib)
    assert (found.outcome.verdict, found.plan) == (Word.REPLAY, None)  # of another version 1 than the one that is here
    assert everything(lib) == before


def test_a_break_anywhere_takes_nothing_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, lib = pack(tmp_path / "p", *(listed(n) for n in "abcd")), tmp_path / "lib"
    with open_library(lib, write=True, create=True) as library:
        library.add([(made("mine"), Facts("mine"))], who="me", at=1)
    files = sorted(p.name for p in lib.rglob("*.mpkf"))
    written = stored.write

    class Broken(Exception):
        pass

    for point in ("file", "rows", "ready"):
        seen = 0
        real = Catalogue.__init__

        def init(self: Catalogue, *args: Any, point: str = point, real: Any = real, **more: Any) -> None:
            real(self, *args, **more)

            def reached(name: str) -> None:
                nonlocal seen
                seen += name == point
                if name == point and (seen == 3 or point == "ready"):
                    raise Broken

            self.reached = reached

        with monkeypatch.context() as patch:
            patch.setattr(Catalogue, "__init__", init)
            with pytest.raises(Broken):
                take(path, lib)
        assert names(lib) == ["mine"], point
        assert sorted(p.name for p in lib.rglob("*.mpkf")) == files
        with open_library(lib) as library:
            assert importing.imported(library) == []
    # The file is exchanged between the two readings.
    data, count = path.read_bytes(), 0

    def exchange(folder: Path, fingerprint: Any) -> int:
        nonlocal count
        count += 1
        if count == 2:
            with open(path, "r+b") as f:
                f.seek(-5, os.SEEK_END)
                f.write(b"xxxxx")
        return written(folder, fingerprint)

    with monkeypatch.context() as patch:
        patch.setattr(stored, "write", exchange)
        with pytest.raises(UnstableFileError, match="changed while it was read"):
            take(path, lib)
    assert names(lib) == ["mine"]
    path.write_bytes(data)
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        take(path, lib, cancel=token)
    assert take(path, lib).written


def test_a_newer_version_speaks_for_its_own_line_only(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    with open_library(lib, write=True, create=True) as library:
        library.add([(made("local"), Facts("My own", note="mine"))], who="me", at=1)
    take(pack(tmp_path / "b", listed("theirs"), key=BOB, name="lab"), lib)
    one = pack(tmp_path / "1", listed("one", source="s"), listed("two"), listed("old"))
    take(one, lib)
    with open_library(lib, write=True) as library:
        mine = library.entry("one")
        library.change(mine, replace(mine.facts, aliases=("uno",), location="/here"), who="me", at=2)
    back = [Revoked(made(n).digest, n, "withdrawn", NOW) for n in ("two", "local", "theirs")]
    two = pack(
        tmp_path / "2", listed("one", source="new", aliases=("eins",)), listed("new"), revoked=back, previous=[one]
    )
    found = take(two, lib)
    assert found.plan is not None
    said = "\n".join(found.plan.sentences())
    assert "two is revoked: withdrawn" in said
    assert "conflict: the pack revokes My own (withdrawn), which was added here" in said
    assert (
        "conflict: the pack revokes theirs (withdrawn), which came with the pack lab, version 1, of other issuers"
        in said
    )
    assert "old is not listed any more" in said
    assert "one changes: aliases: ['uno'] here, ['eins', 'uno'] there; source: 's' here, 'new' there" in said
    with open_library(lib) as library:
        entry = library.entry("one")
        assert entry.facts == Facts("one", ("eins", "uno"), "new", location="/here")
        assert entry.origin.pack_version == 2
        revoked = {e.name: e.revoked for e in library.entries(revoked=True) if e.revoked}
        assert revoked == {"two": "withdrawn (pack lab, version 2)"}
        assert sorted(e.name for e in library.entries()) == ["My own", "new", "old", "one", "theirs"]
    # What is listed and came from elsewhere stays as it is; of two issuers' words, the first.
    three = pack(
        tmp_path / "3", listed("Else", made("local"), note="x"), listed("Not theirs", made("theirs")), previous=[two]
    )
    found = take(three, lib)
    assert found.plan is not None
    assert len(found.plan.kept) == 2
    assert "yours stays: name: 'My own' here, 'Else' there; note: 'mine' here, 'x' there" in "\n".join(
        found.plan.sentences()
    )
    assert names(lib) == ["My own", "new", "old", "one", "theirs"]
    # Revoked stays revoked, whatever lists it again.
    four = pack(tmp_path / "4", listed("two"), previous=[two, three])
    assert take(four, lib).plan.still_revoked[0].name == "two"  # type: ignore[union-attr]
    assert "two" not in names(lib)
    assert take(one, lib).outcome.verdict is Word.REPLAY


def test_a_new_key_of_the_same_people_carries_the_line_on(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    one = pack(tmp_path / "1", listed("one"))
    take(one, lib)
    two = pack(tmp_path / "2", listed("one", note="n"), listed("two"), since=[one], key=ANN_NEW)
    assert take(two, lib, trusting(person("Ann", ANN), person("New", ANN_NEW))).outcome.verdict is Word.PARTIAL
    assert take(two, lib).written
    with open_library(lib) as library:
        assert library.entry("one").origin.issuers == (ANN_NEW.public.keyid,)
        assert library.entry("one").facts.note == "n"


def test_issuers_who_are_no_longer_believed_are_named_with_their_entries(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    take(pack(tmp_path / "1", listed("one"), listed("two")), lib)
    take(pack(tmp_path / "2", listed("three"), key=BOB, name="bob"), lib)

    def words(store: TrustStore) -> list[tuple[str, str, int]]:
        with open_library(lib) as library:
            found = standing.standings(library, store, NOW + 9 * DAY)
            assert standing.orphans(library, found) == []
        return [(s.body.name, s.verdict.value, len(s.entries)) for s in found]

    bob = person("Bob", BOB)
    assert words(BOTH) == [("lab", "VALID", 2), ("bob", "VALID", 1)]
    stolen = trusting(person("Ann", ANN, revoked=Revocation(NOW - DAY, "compromised")), bob)
    assert words(stolen) == [("lab", "REVOKED", 2), ("bob", "VALID", 1)]
    assert words(trusting(bob)) == [("lab", "UNTRUSTED", 2), ("bob", "VALID", 1)]
    # Taken in while the key was good: its end alone takes nothing back.
    assert words(trusting(person("Ann", ANN, not_after=NOW + 2 * DAY), bob))[0][1] == "VALID"
    # A catalogue in which somebody put another manifest under a pack's id.
    with open_library(lib, write=True) as library:
        library._connection.execute("UPDATE packs SET manifest = x'80'")
        with pytest.raises(MalformedError, match="another manifest"):
            importing.imported(library)


def test_an_altered_library_is_not_exported(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    with open_library(lib, write=True, create=True) as library:
        (entry,) = library.add([(made("one"), Facts("one"))], who="me", at=1)
        assert [e.facts.name for e in making.listed_of(library, making.select(library, every=True))] == ["one"]
        library.path(entry).write_bytes(made("two").to_bytes())
        with pytest.raises(MalformedError, match="not its name"):
            making.listed_of(library, [entry])
        library.path(entry).unlink()
        with pytest.raises(StorageError):
            making.listed_of(library, [entry])


def test_by_command_from_one_library_to_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, key = tmp_path / "a", tmp_path / "b", tmp_path / "k.pem"
    with open_library(a, write=True, create=True) as library:
        library.add([(made(n), Facts(n, location="/srv/x")) for n in ("one", "two", "three")], who="ann", at=1)
    reader, writer = os.pipe()
    os.write(writer, b"correct horse battery staple\n")
    os.close(writer)
    assert main(["keys", "new", "-o", str(key), "--passphrase-fd", str(reader), "--openssl-compatible"]) == 0
    capsys.readouterr()

    def run(*args: object, code: int = 0) -> tuple[str, str]:
        assert main(["library", *(str(a) for a in args)]) == code, capsys.readouterr()
        said = capsys.readouterr()
        return said.out, said.err

    def export(*args: object, code: int = 0) -> tuple[str, str]:
        reader, writer = os.pipe()
        os.write(writer, b"correct horse battery staple\n")
        os.close(writer)
        try:
            return run("export", *args, "--key", key, "--passphrase-fd", reader, "--library", a, code=code)
        finally:
            os.close(reader) if code else None

    public = key.with_name("k.pub.pem")
    one, two = tmp_path / "1.mpkl", tmp_path / "2.mpkl"
    out, err = export("one", "two", "--pack", "lab", "--id", "Lab A", "-o", one)
    assert "confidential" in err
    assert "2 of 2 locations look like paths" in err
    assert "signed    by Lab A" in out
    export("one", "-o", one, "--pack", "lab", code=40)  # never overwritten
    run("revoke", "two", "--reason", "broken", "--library", a)
    export("two", "--pack", "lab", "-o", two, code=2)
    out, _ = export("--all", "--since", one, "-o", two, "--no-locations")
    assert "revoked" in out
    shown = fits(run("pack", "show", one, "--key", public, "--json"))
    assert (shown["verdict"], len(shown["entries"])) == ("VALID", 2)
    assert fits(run("pack", "show", one, "--json", code=11))["entries"] == []
    run("import", one, "--library", b, code=11)
    assert "VERDICT VALID 0" in run("import", one, "--key", public, "--library", b)[0]
    assert fits(run("import", two, "--key", public, "--library", b, "--json"))["written"]
    assert names(b) == ["one", "three"]
    assert fits(run("packs", "--library", b, "--key", public, "--json"))["packs"][1]["version"] == 2
    assert "not believed today" in run("packs", "--library", b, code=11)[1]
    assert "fits 0" in export("--revoke", "nobody", "--reason", "x", "--pack", "x", "-o", tmp_path / "3", code=2)[1]
    assert "1 --revoke and 0 --reason" in export("--revoke", "one", "--pack", "x", "-o", tmp_path / "3", code=2)[1]
    trust = tmp_path / "trust"
    stores.add(trust, check_key(public), "Ann", ("issuer",))
    assert "all their issuers" in run("packs", "--library", b, "--trust", trust)[1]
    stores.revoke(trust, "Ann", "compromised", 0)
    out, _ = run("packs", "--library", b, "--trust", trust, code=13)
    assert "REVOKED: Lab A" in out
    assert "entry  three" in out


def fits(said: tuple[str, str]) -> dict[str, Any]:
    """The object that was printed, held against its published schema."""
    value: dict[str, Any] = json.loads(said[0])
    name = value["schema"].removeprefix("mpk-tui/").replace("/", "-")
    jsonschema.validate(value, json.loads((SCHEMAS / f"{name}.json").read_text("ascii")))
    return value


def check_key(path: Path) -> Any:
    from mpk_tui.keys.public import read_public

    return read_public(path)


def test_the_check_is_the_one_that_import_runs(tmp_path: Path) -> None:
    path = pack(tmp_path / "p", listed("one"))
    assert check(path, BOTH) == take(path, tmp_path / "lib", dry_run=True).outcome
