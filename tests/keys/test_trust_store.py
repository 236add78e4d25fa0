"""The trust store's folder: what is put in comes out, what contradicts itself is refused."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpk_tui import canonical
from mpk_tui.bundle.suites import PublicKey
from mpk_tui.bundle.trust import ANY, Policy
from mpk_tui.cli import main
from mpk_tui.errors import MalformedError, MpkError, StorageError, UnsupportedError, UsageError
from mpk_tui.keys import store
from mpk_tui.keys.public import fingerprint, pem


def key(name: str) -> PublicKey:
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    return PublicKey("ed25519", private.public_key().public_bytes_raw())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "trust"


def test_people_keys_and_policy_come_back(folder: Path) -> None:
    store.add(folder, key("a1"), "Anna Ölund", ("analyst", "reviewer"), "Lab")
    store.add(folder, key("a2"), "Anna Ölund", ("witness",))
    store.add(folder, key("b"), "Bert", (ANY,))
    store.write_policy(folder, Policy({"analyst": 1, "reviewer": 2}))
    kept = store.load(folder)
    assert [(p.id, p.name, sorted(p.roles), len(p.keys), p.org) for p in kept.people] == [
        ("anna-lund", "Anna Ölund", ["analyst", "reviewer", "witness"], 2, "Lab"),
        ("bert", "Bert", ["*"], 1, ""),
    ]
    assert kept.policy == Policy({"analyst": 1, "reviewer": 2})
    assert kept.dated is not None
    found = kept.find(key("a2").keyid)
    assert found is not None
    assert found[0].name == "Anna Ölund"


def test_names_that_look_alike_get_ids_of_their_own(folder: Path) -> None:
    for n, name in enumerate(("A B", "a-b", "../../x", "\u202e")):
        store.add(folder, key(str(n)), name, ("analyst",))
    assert sorted(os.listdir(folder / "people")) == ["a-b-2.mpkp", "a-b.mpkp", "person.mpkp", "x.mpkp"]


def test_revocation(folder: Path) -> None:
    store.add(folder, key("a1"), "Anna", ("analyst",))
    store.add(folder, key("a2"), "Anna", ("analyst",))
    assert store.revoke(folder, key("a1").keyid.hex()[:12], "superseded", 5)[1] == 1
    marks = {t.key: t.revoked for p in store.load(folder).people for t in p.keys}
    assert marks[key("a2")] is None
    first = marks[key("a1")]
    assert first is not None
    assert (first.at, first.reason) == (5, "superseded")
    assert store.revoke(folder, "Anna", "compromised")[1] == 1  # the one that was left
    for wrong in ("Anna", "Bert", key("b").keyid.hex(), "ab"):
        with pytest.raises(UsageError):
            store.revoke(folder, wrong, "left")


def test_the_same_key_for_two_people_is_refused_on_every_way(folder: Path) -> None:
    store.add(folder, key("a"), "Anna", ("analyst",))
    with pytest.raises(UsageError, match="already"):
        store.add(folder, key("a"), "Bert", ("analyst",))
    data = canonical.decode((folder / "people" / "anna.mpkp").read_bytes())
    data[1].update(id="bert", name="Bert")
    (folder / "people" / "bert.mpkp").write_bytes(canonical.encode(data))
    with pytest.raises(UsageError, match="belongs to"):
        store.load(folder)


def test_thresholds_below_one_and_unsound_keys_are_refused_at_loading(folder: Path) -> None:
    store.add(folder, key("a"), "Anna", ("analyst",))
    (folder / "policy.mpkp").write_bytes(canonical.encode(["MPKP1", {"needed": [["*", 0]], "min_suite": "s1"}]))
    with pytest.raises(UsageError, match="threshold"):
        store.load(folder)
    (folder / "policy.mpkp").write_bytes(
        canonical.encode(["MPKP1", {"needed": [["*", 2], ["*", 1]], "min_suite": "s1"}])
    )
    with pytest.raises(MalformedError, match="twice"):
        store.load(folder)
    (folder / "policy.mpkp").unlink()
    data = canonical.decode((folder / "people" / "anna.mpkp").read_bytes())
    data[1]["keys"][0]["pub"] = (1).to_bytes(32, "little")
    (folder / "people" / "anna.mpkp").write_bytes(canonical.encode(data))
    with pytest.raises(UsageError, match="prime order"):
        store.load(folder)


def test_damaged_files_end_in_a_sentence(folder: Path) -> None:
    store.add(folder, key("a"), "Anna", ("analyst",))
    path = folder / "people" / "anna.mpkp"
    data = path.read_bytes()
    for n in range(len(data) * 8):
        changed = bytearray(data)
        changed[n // 8] ^= 1 << (n % 8)
        path.write_bytes(changed)
        try:
            kept = store.load(folder)
        except MpkError:
            continue
        assert canonical.encode(canonical.decode(bytes(changed))) == bytes(changed)
        assert len(kept.people) == 1
    path.write_bytes(canonical.encode(["MPKP2", {}]))
    with pytest.raises(UnsupportedError):
        store.load(folder)
    path.write_bytes(data)
    path.rename(path.with_name("bert.mpkp"))
    with pytest.raises(MalformedError, match="renamed"):
        store.load(folder)


def test_what_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no trust store"):
        store.load(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="not a folder"):
        store.load(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert store.load(tmp_path / "empty").people == ()


def test_links_and_strange_files_are_not_people(folder: Path, tmp_path: Path) -> None:
    store.add(folder, key("a"), "Anna", ("analyst",))
    (folder / "people" / "anna.mpkp").rename(tmp_path / "anna.mpkp")
    (folder / "people" / "anna.mpkp").symlink_to(tmp_path / "anna.mpkp")
    (folder / "people" / "notes.txt").write_text("x")
    assert store.load(folder).people == ()


def confirm_cases(good: str) -> dict[str, tuple[str, int]]:
    groups = good.split()
    return {
        "whole": (good, 0),
        "whole, no blanks": ("".join(groups).upper(), 0),
        "three groups": (f"3={groups[2]},9={groups[8]},16={groups[15]}", 0),
        "wrong": ("00" * 32, 2),
        "two groups": (f"3={groups[2]},9={groups[8]}", 2),
        "one group three times": (f"3={groups[2]},3={groups[2]},3={groups[2]}", 2),
        "a wrong group": (f"3={groups[2]},9={groups[8]},16=zzzz", 2),
        "group 17": (f"3={groups[2]},9={groups[8]},17={groups[15]}", 2),
        "only the beginning": ("".join(groups[:3]), 2),
        "empty": ("", 2),
    }


@pytest.mark.parametrize("name", confirm_cases(fingerprint(key("a"))))
def test_trust_needs_the_fingerprint(name: str, tmp_path: Path) -> None:
    text, code = confirm_cases(fingerprint(key("a")))[name]
    (tmp_path / "a.pub.pem").write_bytes(pem(key("a")))
    folder = tmp_path / "trust"
    arguments = ["keys", "trust", str(tmp_path / "a.pub.pem"), "--name", "Anna", "--store", str(folder)]
    assert main([*arguments, "--confirm", text]) == code
    assert folder.exists() == (code == 0)


def test_the_command_line_keeps_a_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.pub.pem").write_bytes(pem(key("a")))
    arguments = ["keys", "trust", str(tmp_path / "a.pub.pem"), "--name", "Anna", "--role", "reviewer"]
    assert main(["keys", "list"]) == 0
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115
    assert main(arguments) == 2  # nobody confirmed
    assert main([*arguments, "--confirm", key("a").keyid.hex()]) == 0
    assert store.load_default().people[0].name == "Anna"
    capsys.readouterr()
    assert main(["keys", "list"]) == 0
    assert "Anna (anna): reviewer" in capsys.readouterr().out
    assert main(["keys", "revoke", "Anna", "--reason", "left"]) == 0
    assert main(["keys", "list"]) == 0
    assert "left" in capsys.readouterr().out
