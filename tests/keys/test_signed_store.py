"""Signed trust stores on this machine: first acceptance, rotation, crashes, and whom `verify` believes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import stores as s
import workshop as w
from stores import ROOT_A, ROOT_B, ROOT_S2, root
from workshop import ANNA, BERT, DAY, STRANGER

from mpk_tui.bundle.trust import Revocation
from mpk_tui.cli import main
from mpk_tui.errors import MalformedError, MpkError, StorageError, TrustStoreError
from mpk_tui.keys import signed_store, store
from mpk_tui.keys.private import public_path
from mpk_tui.keys.public import pem
from mpk_tui.keys.store_listing import changes
from mpk_tui.keys.words import words

NOW = time.time_ns() // 1_000_000
MADE = NOW - 30 * DAY  # the command line looks at the real clock
FINGERPRINT = root(ROOT_A).fingerprint


def one(*people: object, **fields: object) -> bytes:
    return s.store(*people, **{"created": MADE, "expires": NOW + 300 * DAY, **fields})  # type: ignore[arg-type]


def following(before: bytes, *people: object, **fields: object) -> bytes:
    return s.after(before, *people, **{"expires": NOW + 300 * DAY, **fields})  # type: ignore[arg-type]


ONE = one()
TWO = following(ONE)
THREE = following(TWO)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "trust"


def lay(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def accept(folder: Path, data: bytes, *more: str) -> int:
    path = lay(folder.parent / "offered.mpkt", data)
    return main(["keys", "store", "accept", path, "--store", str(folder), *more])


def started(folder: Path, data: bytes = ONE, fingerprint: bytes = FINGERPRINT) -> None:
    assert accept(folder, data, "--confirm", fingerprint.hex()) == 0


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_first_store_needs_its_roots_fingerprint(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accept(folder, ONE) == 2  # nobody was asked
    assert accept(folder, ONE, "--confirm", ROOT_A.public.keyid.hex()) == 2  # a holder's key is not the root
    assert accept(folder, ONE, "--confirm", "00" * 32) == 2
    assert not folder.exists() or everything(folder) == {}
    assert words(FINGERPRINT) in capsys.readouterr().out
    assert accept(folder, ONE, "--confirm", words(FINGERPRINT)) == 0
    assert everything(folder) == {"trust.mpkt": ONE}
    assert os.stat(folder / "trust.mpkt").st_mode & 0o777 == 0o600
    assert accept(folder, ONE) == 0  # again: nothing to do
    assert everything(folder) == {"trust.mpkt": ONE}


@pytest.mark.parametrize(
    "data",
    [one(by=(ROOT_B,)), s.store(created=MADE, expires=NOW - 1), one(created=NOW + 9 * DAY), b"junk", b"", ONE[:-1]],
    ids=["not by its root", "expired", "from the future", "junk", "empty", "cut short"],
)
def test_a_first_store_that_is_refused_leaves_nothing(data: bytes, folder: Path) -> None:
    assert accept(folder, data, "--confirm", FINGERPRINT.hex()) in (30, 40)
    assert not folder.exists()


def test_rotation_keeps_every_store_that_was_in_use(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(folder)
    assert accept(folder, TWO) == 0
    assert accept(folder, THREE) == 0
    assert everything(folder) == {"trust.mpkt": THREE, "stores/1.mpkt": ONE, "stores/2.mpkt": TWO}
    assert "number 3" in capsys.readouterr().err
    kept = signed_store.installed(folder)
    assert kept is not None
    assert kept.body.seq == 3


REFUSED = {
    "rollback": (ONE, "number 1; number 2 is in use"),
    "111 N+2 at N": (following(THREE), "number 3 is missing"),
    "fork": (following(ONE, s.person("Bert", BERT)), "another store of number 2"),
    "112 only by the new root": (following(TWO, roots=root(ROOT_B), by=(ROOT_B,)), "the root of number 2"),
    "112 only by the old root": (following(TWO, roots=root(ROOT_B), by=(ROOT_A,)), "its own root"),
    "by a stranger": (following(TWO, by=(STRANGER,)), "the root of number 2"),
    "tampered with": (THREE.replace(b"Anna", b"Onna"), "does not fit"),
    "cut short": (THREE[:-5], "offered.mpkt"),
    "not a store": (w.sealed().to_bytes(), "payload is a"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_113_a_refused_store_leaves_the_one_in_use_byte_for_byte(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started(folder)
    assert accept(folder, TWO) == 0
    before = everything(folder)
    data, sentence = REFUSED[name]
    assert accept(folder, data) in (30, 32, 40)
    assert sentence in capsys.readouterr().err
    assert everything(folder) == before
    assert accept(folder, THREE) == 0  # and the way goes on from there


def test_a_store_that_failed_is_not_trusted_later(folder: Path) -> None:
    """CVE-2020-15163: a root that was kept although it failed was the start of the next update."""
    started(folder)
    mine = following(ONE, roots=root(STRANGER), by=(STRANGER,))
    assert accept(folder, mine) == 40
    assert accept(folder, following(mine, by=(STRANGER,))) == 40
    assert accept(folder, TWO) == 0


def test_an_expired_store_is_a_step_on_the_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(folder)
    stale = s.after(ONE, expires=NOW - 1)
    assert accept(folder, stale) == 0
    assert "verdicts are EXPIRED until the next one" in capsys.readouterr().err
    assert accept(folder, following(stale)) == 0


def test_a_root_is_handed_over_by_both(folder: Path) -> None:
    started(folder)
    handed = following(ONE, roots=root(ROOT_S2), by=(ROOT_A, ROOT_S2))
    assert accept(folder, handed) == 0
    assert accept(folder, following(handed, by=(ROOT_A,))) == 40
    assert accept(folder, following(handed, by=(ROOT_S2.first,))) == 40
    assert accept(folder, following(handed, by=(ROOT_S2,))) == 0


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-1], lambda b: b"", lambda b: b.replace(b"Anna", b"Onna"), lambda b: one(by=(ROOT_B,))],
    ids=["cut short", "empty", "changed", "exchanged"],
)  # fmt: skip
def test_a_damaged_store_is_never_passed_over(damage: object, folder: Path, tmp_path: Path) -> None:
    started(folder)
    store.add(folder, ANNA.public, "Anna", ("*",))
    (folder / "trust.mpkt").write_bytes(damage(ONE))  # type: ignore[operator]
    with pytest.raises((MalformedError, TrustStoreError)):
        signed_store.believed(folder)
    bundle = lay(tmp_path / "b.mpkb", w.sealed().to_bytes())
    assert main(["verify", bundle, "--trust", str(folder)]) == 40
    assert accept(folder, TWO) in (30, 40)


def test_a_link_or_folder_in_its_place_is_not_passed_over(folder: Path) -> None:
    started(folder)
    (folder / "trust.mpkt").unlink()
    (folder / "trust.mpkt").symlink_to(folder / "nothing")
    with pytest.raises(MpkError):
        signed_store.believed(folder)
    (folder / "trust.mpkt").unlink()
    (folder / "trust.mpkt").mkdir()
    with pytest.raises(StorageError):
        signed_store.believed(folder)


def test_a_store_that_is_gone_is_missed(folder: Path) -> None:
    started(folder)
    assert accept(folder, TWO) == 0
    store.add(folder, ANNA.public, "Anna", ("*",))
    (folder / "trust.mpkt").unlink()
    with pytest.raises(TrustStoreError, match="is gone"):
        signed_store.believed(folder)
    assert accept(folder, ONE, "--confirm", FINGERPRINT.hex()) == 40
    (folder / "trust.mpkt").write_bytes((folder / "stores" / "1.mpkt").read_bytes())
    assert accept(folder, TWO) == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from mpk_tui.bundle import trust_file
from mpk_tui.keys import signed_store
folder, offered, step = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
calls = 0
def dying(real):
    def call(*args, **more):
        global calls
        if calls == step:
            os.kill(os.getpid(), signal.SIGKILL)
        calls += 1
        return real(*args, **more)
    return call
os.replace, os.fsync, os.chmod = dying(os.replace), dying(os.fsync), dying(os.chmod)
signed_store.accept(folder, signed_store.read(offered), int(sys.argv[4]), "offered")
"""


@pytest.mark.parametrize("start", [None, ONE], ids=["the first", "a rotation"])
def test_a_kill_at_any_step_leaves_a_usable_store(start: bytes | None, tmp_path: Path) -> None:
    offered = ONE if start is None else TWO
    path = lay(tmp_path / "next.mpkt", offered)
    outcomes = []
    for step in range(20):
        folder = tmp_path / f"trust-{step}"
        if start is not None:
            started(folder, start)
        run = subprocess.run([sys.executable, "-c", KILLED, str(folder), path, str(step), str(NOW)], check=False)
        kept = signed_store.installed(folder)
        now_in_use = None if kept is None else kept.to_bytes()
        assert now_in_use in (start, offered)
        if start is not None:
            assert signed_store.believed(folder).people
        # Whatever was left behind, accepting again brings the store into use and nothing is lost.
        signed_store.accept(folder, s.read(offered), NOW, "offered")
        names = {name for name in everything(folder) if not name.rpartition("/")[2].startswith(".")}
        assert names == ({"trust.mpkt"} if start is None else {"trust.mpkt", "stores/1.mpkt"})
        assert (folder / "trust.mpkt").read_bytes() == offered
        outcomes.append(now_in_use == offered)
        if run.returncode == 0:
            break
        assert run.returncode == -signal.SIGKILL
    assert outcomes[0] is False
    assert outcomes[-1] is True
    assert len(outcomes) >= 4


def test_two_at_once_never_lose_the_order(folder: Path, tmp_path: Path) -> None:
    started(folder)
    paths = [lay(tmp_path / f"{n}.mpkt", data) for n, data in enumerate((TWO, following(ONE, s.person("Bert", BERT))))]
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "mpk_tui", "keys", "store", "accept", path, "--store", str(folder)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for path in paths
    ]  # fmt: skip
    assert sorted(run.wait() for run in runs) == [0, 40]
    assert set(everything(folder)) == {"trust.mpkt", "stores/1.mpkt"}


def test_a_folder_that_cannot_be_written_keeps_its_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started(folder)
    before = everything(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert accept(folder, TWO) == 40
    assert everything(folder) == before


def verify(bundle: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["verify", str(bundle), "--no-receipt", *arguments])
    return code, capsys.readouterr().out


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "b.mpkb"
    path.write_bytes(w.sealed().to_bytes())
    return path


def test_verify_takes_a_file_and_says_whose_it_is(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = verify(bundle, capsys, "--trust", lay(tmp_path / "one.mpkt", ONE))
    assert code == 0
    assert "the store that you named is number 1" in out
    assert words(FINGERPRINT) in out
    assert "which you chose to believe" in out
    code, out = verify(bundle, capsys, "--trust", lay(tmp_path / "one.mpkt", ONE), "--json")
    record = json.loads(out)["trust_store"]
    assert (record["root"], record["given"], record["number"]) == (FINGERPRINT.hex(), True, 1)
    assert verify(bundle, capsys, "--trust", lay(tmp_path / "x.mpkt", one(by=(ROOT_B,))))[0] == 40
    assert verify(bundle, capsys, "--trust", lay(tmp_path / "x.mpkt", one(s.person("Bert", BERT))))[0] == 11
    assert verify(bundle, capsys, "--trust", str(tmp_path / "nothing.mpkt"))[0] == 40
    assert verify(bundle, capsys, "--trust", str(bundle))[0] == 40


def test_verify_with_an_expired_store(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = lay(tmp_path / "stale.mpkt", s.store(created=MADE, expires=NOW - 1))
    code, out = verify(bundle, capsys, "--trust", path)
    assert code == 12
    assert "your trust store, number 1, expired on" in out
    assert "number 1 of" in out
    code, out = verify(bundle, capsys, "--trust", path, "--allow-stale-trust")
    assert code == 0
    assert "used on request" in out


def test_verify_without_a_store_uses_the_signed_one_if_there_is_one(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert verify(bundle, capsys)[0] == 11
    folder = store.default_folder()
    store.add(folder, ANNA.public, "Anna", ("*",))
    assert verify(bundle, capsys)[0] == 0
    gone = one(s.person("Anna", ANNA, revoked=Revocation(MADE, "compromised")))
    assert main(["keys", "store", "accept", lay(tmp_path / "gone.mpkt", gone), "--confirm", FINGERPRINT.hex()]) == 0
    code, out = verify(bundle, capsys)
    assert code == 13
    assert "your store is number 1" in out
    assert verify(bundle, capsys, "--trust", str(folder))[0] == 13  # the folder that it is installed in
    capsys.readouterr()
    assert main(["keys", "list"]) == 0
    assert "revoked" in capsys.readouterr().out
    assert main(["keys", "list", "--people"]) == 0
    assert "revoked" not in capsys.readouterr().out


class Holder:
    """Key files of a root holder, without a passphrase, so that the command line can sign."""

    def __init__(self, folder: Path, key: w.Key, name: str) -> None:
        from cryptography.hazmat.primitives import serialization

        self.path = folder / f"{name}.pem"
        der = key._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.path.write_bytes(der)
        self.path.chmod(0o600)
        self.public = public_path(self.path)
        self.public.write_bytes(pem(key.public))


def keys_store(*arguments: object) -> int:
    return main(["keys", "store", *map(str, arguments)])


def test_a_store_is_drafted_signed_and_followed_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maker, receiver = tmp_path / "maker", tmp_path / "receiver"
    a, b = Holder(tmp_path, ROOT_A, "a"), Holder(tmp_path, ROOT_B, "b")
    first, second = tmp_path / "1.mpkt", tmp_path / "2.mpkt"
    draft = ("new", "-o", first, "--root", a.public, "--root", b.public, "--store", maker)
    assert keys_store(*draft, "--threshold", 2) == 40  # there is no folder of people yet
    store.add(maker, ANNA.public, "Anna", ("*",))
    assert keys_store(*draft) == 2  # how many must sign?
    assert keys_store(*draft, "--threshold", 3) == 2
    assert keys_store(*draft, "--threshold", 2, "--days", 0) == 2
    assert keys_store(*draft, "--threshold", 2, "--expires", "2000-01-01") == 30
    assert keys_store("new", "-o", first, "--store", maker) == 2
    assert not first.exists()
    assert keys_store(*draft, "--threshold", 2) == 0
    assert keys_store(*draft, "--threshold", 2) == 40  # never over a file that exists
    fingerprint = root(ROOT_A, ROOT_B, threshold=2).fingerprint
    accepting = ("accept", first, "--store", receiver, "--confirm", fingerprint.hex())
    assert keys_store(*accepting) == 30  # nobody signed
    assert keys_store("sign", first, "--key", a.path, "--store", maker) == 0
    assert "by 1 of 2 needed" in capsys.readouterr().out
    assert keys_store("sign", first, "--key", a.path, "--store", maker) == 2  # already
    assert keys_store(*accepting) == 40  # one of two
    assert keys_store("sign", first, "--key", b.path, "--store", maker) == 0
    assert keys_store("sign", first, "--key", b.path, "--store", maker) == 2  # everybody has
    assert keys_store(*accepting) == 0
    assert keys_store("accept", first, "--store", maker, "--confirm", fingerprint.hex()) == 0

    store.revoke(maker, "Anna", "left")
    assert keys_store("next", "-o", second, "--root", b.public, "--store", maker) == 0
    assert "1 more revoked" in capsys.readouterr().out
    assert keys_store("sign", second, "--key", b.path, "--store", maker) == 0
    assert keys_store("accept", second, "--store", receiver) == 40  # of the old root one is missing
    assert (
        keys_store("sign", second, "--key", a.path, "--store", tmp_path / "empty") == 2
    )  # of no root that is known there
    assert keys_store("sign", second, "--key", a.path, "--after", first) == 0
    assert keys_store("accept", second, "--store", receiver) == 0
    kept = signed_store.installed(receiver)
    assert kept is not None
    assert kept.body.people[0].keys[0].revoked is not None
    assert keys_store("show", "--store", receiver, "--json") == 0
    shown = json.loads(capsys.readouterr().out.partition("{\n")[2].join(["{\n", ""]).rpartition("}")[0] + "}")
    assert shown["store"]["number"] == 2


def test_a_store_is_signed_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maker = tmp_path / "maker"
    a = Holder(tmp_path, ROOT_A, "a")
    store.add(maker, ANNA.public, "Anna", ("*",))
    first, message, made = tmp_path / "1.mpkt", tmp_path / "1.pae", tmp_path / "1.sig"
    assert keys_store("new", "-o", first, "--root", a.public, "--store", maker) == 0
    assert keys_store("sign", first, "--request", message, "--store", maker) == 0
    assert message.read_bytes() == signed_store.read(first, unsigned=True).message
    assert main(["bundle", "sign-request", str(message), "--key", str(a.path), "-o", str(made)]) == 0
    assert "trust store" in capsys.readouterr().out
    assert keys_store("sign", first, "--import", lay(tmp_path / "bad.sig", bytes(64)), "--store", maker) == 30
    assert keys_store("sign", first, "--import", made, "--store", maker) == 0
    assert keys_store("accept", first, "--store", maker, "--confirm", words(FINGERPRINT)) == 0
    assert keys_store("sign", first, "--key", a.path, "--import", made) == 2  # one way at a time
    assert keys_store("sign", first) == 2


def test_a_revoked_key_cannot_stay_in_the_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    maker = tmp_path / "maker"
    a = Holder(tmp_path, ROOT_A, "a")
    store.add(maker, ROOT_A.public, "Ann", ("*",))
    store.revoke(maker, "Ann", "compromised")
    assert keys_store("new", "-o", tmp_path / "1.mpkt", "--root", a.public, "--store", maker) == 30
    assert "still stands in the root" in capsys.readouterr().err
    assert not (tmp_path / "1.mpkt").exists()


def test_people_of_a_signed_store_are_unpacked_to_be_changed(tmp_path: Path) -> None:
    people = (
        s.person("Anna", ANNA, not_after=9),
        s.person("Bert", w.Pair("bert"), min_suite="s2", roles=("reviewer",)),
    )
    path = lay(tmp_path / "one.mpkt", one(*people))
    assert keys_store("unpack", path, "--to", tmp_path / "edit") == 0
    assert store.load(tmp_path / "edit").people == people
    assert keys_store("unpack", path, "--to", tmp_path / "edit") == 2
    assert keys_store("unpack", lay(tmp_path / "x.mpkt", one(by=(ROOT_B,))), "--to", tmp_path / "other") == 40
    assert not (tmp_path / "other").exists()


def test_show_tells_what_is_wrong_and_that_anybody_can_sign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys_store("show", lay(tmp_path / "x.mpkt", one(by=(ROOT_B,)))) == 0
    err = capsys.readouterr().err
    assert "not signed by its own root" in err
    assert "anybody can sign a store of their own" in err
    assert keys_store("show", lay(tmp_path / "x.mpkt", ONE.replace(b"Anna", b"Onna"))) == 0
    assert "does not fit" in capsys.readouterr().err
    assert keys_store("show", "--store", tmp_path / "nothing") == 40


def test_the_person_may_type_groups_or_words(folder: Path, tmp_path: Path) -> None:
    """At a terminal three random parts are asked for, each as a group of hex digits or as a word."""
    import pty

    path = lay(tmp_path / "one.mpkt", ONE)
    groups, named = FINGERPRINT.hex(), words(FINGERPRINT).split()
    for way, wrong in (("group", False), ("word", False), ("word", True)):
        target = tmp_path / f"trust-{way}-{wrong}"
        here, there = pty.openpty()
        run = subprocess.Popen(
            [sys.executable, "-m", "mpk_tui", "keys", "store", "accept", path, "--store", str(target)],
            stdin=there, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("group ") and " or word " in line:
                group, word = (int("".join(c for c in part if c.isdigit())) for part in line.split(" or "))
                answer = groups[4 * group - 4 : 4 * group] if way == "group" else named[word - 1]
                os.write(here, (("abacus" if wrong else answer) + "\n").encode())
        assert run.wait() == (2 if wrong else 0)
        assert (target / "trust.mpkt").exists() is not wrong
        os.close(there)
        os.close(here)


def test_a_revocation_that_is_taken_back_is_told() -> None:
    good = s.person("Bert", w.BERT)
    bad = s.person("Bert", w.BERT, revoked=Revocation(w.CREATED, "compromised"))
    first = s.store(s.person("Anna", w.ANNA), bad)
    second = s.after(first, s.person("Anna", w.ANNA), good)
    assert any("REVOCATION OF 1 TAKEN BACK" in line for line in changes(s.read(first), s.read(second)))
    assert any("1 more revoked" in line for line in changes(s.read(second), s.read(first)))
