"""The trust store's folder: what is put in comes out, what contradicts itself is refused."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import pytest
import workshop as w
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mpk_tui import canonical
from mpk_tui.bundle.suites import ML_DSA_65, PublicKey
from mpk_tui.bundle.trust import ANY, Policy, Revocation, TrustedKey
from mpk_tui.cli import main
from mpk_tui.errors import MalformedError, MpkError, StorageError, UnsupportedError, UsageError
from mpk_tui.keys import store
from mpk_tui.keys.public import fingerprint, pem
from mpk_tui.keys.words import words, words_of


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
    assert (
        store.revoke(folder, "Anna", "left", 9)[1] == 1
    )  # the one that was left; the other is revoked from earlier on
    assert store.revoke(folder, "Anna", "compromised", 100)[1] == 2  # worse than both
    assert {t.revoked for p in store.load(folder).people for t in p.keys} == {Revocation(100, "compromised")}
    for wrong in ("Anna", "Bert", key("b").keyid.hex(), "ab"):
        with pytest.raises(UsageError):
            store.revoke(folder, wrong, "left")
    with pytest.raises(UsageError):
        store.revoke(folder, "Anna", "compromised", 100)
    assert store.revoke(folder, "Anna", "compromised", 50)[1] == 2  # found out to be earlier


def test_times_and_the_weakest_suite_come_back(folder: Path) -> None:
    store.add(folder, [TrustedKey(key("a"), 5, 9)], "Anna", ("analyst",), min_suite="s2")
    (anna,) = store.load(folder).people
    assert (anna.min_suite, anna.keys[0].not_before, anna.keys[0].not_after) == ("s2", 5, 9)
    store.add(folder, key("b"), "Anna", ("analyst",))
    (anna,) = store.load(folder).people
    assert (anna.min_suite, len(anna.keys)) == ("s2", 2)
    store.revoke(folder, key("a").keyid.hex(), "left", 7)
    (anna,) = store.load(folder).people
    assert (anna.min_suite, anna.keys[0].not_after) == ("s2", 9)


def test_a_key_that_is_there_gets_other_times_and_stays_revoked(folder: Path) -> None:
    store.add(folder, key("a"), "Anna", ("analyst",))
    with pytest.raises(UsageError, match="nothing about it would change"):
        store.add(folder, key("a"), "Anna", ("analyst",))
    store.revoke(folder, "Anna", "left", 7)
    store.add(folder, [TrustedKey(key("a"), None, 9)], "Anna", ("analyst",))
    (anna,) = store.load(folder).people
    assert anna.keys == (TrustedKey(key("a"), None, 9, Revocation(7, "left")),)


def test_a_person_of_an_older_version_is_read_and_written_as_it_was(folder: Path) -> None:
    store.add(folder, key("a"), "Anna", ("analyst",))
    path = folder / "people" / "anna.mpkp"
    value = canonical.decode(path.read_bytes())[1]
    assert sorted(value) == ["id", "keys", "name", "org", "roles"]
    assert store.load(folder).people[0].min_suite == "s1"
    path.write_bytes(canonical.encode(["MPKP1", {**value, "min_suite": "s9"}]))
    with pytest.raises(UnsupportedError, match="s9"):
        store.load(folder)


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
    with pytest.raises(MalformedError, match="threshold"):
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
        "twelve words": (words(key("a").keyid), 0),
        "twelve words, commas and capitals": (words(key("a").keyid).replace(" ", ", ").upper(), 0),
        "twelve beginnings": (" ".join(w[:4] for w in words_of(key("a").keyid)), 0),
        "twelve words of another key": (words(key("b").keyid), 2),
        "eleven words": (" ".join(words_of(key("a").keyid)[:11]), 2),
        "three words": (
            f"1={words_of(key('a').keyid)[0]},7={words_of(key('a').keyid)[6]},12={words_of(key('a').keyid)[11]}",
            0,
        ),
        "two words and a group": (f"1={words_of(key('a').keyid)[0]},7={words_of(key('a').keyid)[6]},7={groups[6]}", 0),
        "word 13": (f"1={words_of(key('a').keyid)[0]},7={words_of(key('a').keyid)[6]},13=abacus", 2),
        "one word three times": (",".join([f"1={words_of(key('a').keyid)[0]}"] * 3), 2),
        "words in other places": (
            f"1={words_of(key('a').keyid)[1]},2={words_of(key('a').keyid)[0]},3={words_of(key('a').keyid)[2]}",
            2,
        ),
        "numbers of another script": (f"٣={groups[2]},9={groups[8]},16={groups[15]}", 2),
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


def trust(tmp_path: Path, *more: str, name: str = "a") -> int:
    (tmp_path / f"{name}.pub.pem").write_bytes(pem(key(name)))
    return main(
        ["keys", "trust", str(tmp_path / f"{name}.pub.pem"), "--store", str(tmp_path / "trust"),
         "--confirm", key(name).keyid.hex(), *more]
    )  # fmt: skip


DAY_ENDS = {
    ("--not-before", "2026-01-02"): 1767312000000,
    ("--not-after", "2026-01-02"): 1767398399999,
    ("--not-after", "2026-01-02T03:04:05Z"): 1767323045000,
}


@pytest.mark.parametrize(("option", "date"), DAY_ENDS)
def test_dates_are_utc_and_a_last_day_counts_to_its_end(option: str, date: str, tmp_path: Path) -> None:
    assert trust(tmp_path, "--name", "Anna", option, date) == 0
    kept = store.load(tmp_path / "trust").people[0].keys[0]
    assert (kept.not_before if option == "--not-before" else kept.not_after) == DAY_ENDS[option, date]


@pytest.mark.parametrize(
    "wrong",
    [("--not-after", "2026-02-30"), ("--not-after", "tomorrow"), ("--not-after", "1969-12-31"), ("--not-after", "2026-1-2"),
     ("--not-before", "2026-01-02T03:04:05"), ("--not-before", "2027-01-01", "--not-after", "2026-01-01"),
     ("--not-before", ""), ("--not-after", "٢٠٢٦-01-01"), ("--min-suite", "s9"), ("--role", "Analyst"), ("--role", "")],
)  # fmt: skip
def test_wrong_options_change_nothing(wrong: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) if wrong == ("--min-suite", "s9") else contextlib.nullcontext():
        assert trust(tmp_path, "--name", "Anna", *wrong) == 2
    assert not (tmp_path / "trust").exists()


def test_both_halves_of_an_identity_are_trusted_after_both_were_compared(tmp_path: Path) -> None:
    first, second = w.Pair("eva").keys
    (tmp_path / "eva.pub.pem").write_bytes(pem(first))
    (tmp_path / "eva.ml-dsa-65.pub.pem").write_bytes(pem(second))
    folder = tmp_path / "trust"
    arguments = [
        "keys",
        "trust",
        str(tmp_path / "eva.pub.pem"),
        "--name",
        "Eva",
        "--min-suite",
        "s2",
        "--store",
        str(folder),
    ]
    assert main([*arguments, "--confirm", first.keyid.hex()]) == 2
    assert main([*arguments, "--confirm", first.keyid.hex(), "--confirm", first.keyid.hex()]) == 2
    assert not folder.exists()
    assert main([*arguments, "--confirm", first.keyid.hex(), "--confirm", words(second.keyid)]) == 0
    (eva,) = store.load(folder).people
    assert [t.key for t in eva.keys] == [first, second]
    assert eva.keys[1].key.alg == ML_DSA_65
    assert eva.min_suite == "s2"


def test_halves_that_are_named_one_by_one(tmp_path: Path) -> None:
    first, second = w.Pair("eva").keys
    (tmp_path / "one.pub.pem").write_bytes(pem(second))
    (tmp_path / "two.pub.pem").write_bytes(pem(first))
    arguments = ["keys", "trust", str(tmp_path / "one.pub.pem"), str(tmp_path / "two.pub.pem"), "--name", "Eva",
                 "--store", str(tmp_path / "trust")]  # fmt: skip
    assert main([*arguments, "--confirm", first.keyid.hex(), "--confirm", second.keyid.hex()]) == 0
    assert main([*arguments[:3], *arguments[2:3], *arguments[4:]]) == 2  # the same half twice


def test_revocation_from_a_date_on(tmp_path: Path) -> None:
    assert trust(tmp_path, "--name", "Anna") == 0
    revoke = ["keys", "revoke", "Anna", "--reason", "compromised", "--store", str(tmp_path / "trust")]
    assert main([*revoke, "--at", "soon"]) == 2
    assert main([*revoke, "--at", "2026-01-02"]) == 0
    assert store.load(tmp_path / "trust").people[0].keys[0].revoked == Revocation(1767312000000, "compromised")


def test_the_policy_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = ["keys", "policy", "--store", str(tmp_path / "trust")]
    assert main(policy) == 0
    assert "1 of any role; suite s1" in capsys.readouterr().out
    assert not (tmp_path / "trust").exists()
    assert main([*policy, "--need", "analyst=2", "--need", "reviewer=1"]) == 0
    assert main([*policy, "--min-suite", "s2"]) == 0
    assert "2 of role analyst, 1 of role reviewer; suite s2" in capsys.readouterr().out
    for wrong in ("analyst=0", "analyst", "=1", "analyst=-1", "analyst=two", "Analyst=1", "analyst=10000", "a=٣"):
        assert main([*policy, "--need", wrong]) == 2
    assert main([*policy, "--need", "a=1", "--need", "a=2"]) == 2
    assert store.load(tmp_path / "trust").policy == Policy({"analyst": 2, "reviewer": 1}, "s2")
    assert main([*policy, "--need", "*=1"]) == 0
    assert store.load(tmp_path / "trust").policy == Policy({ANY: 1}, "s2")


def test_names_that_would_steer_a_terminal_are_listed_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trust(tmp_path, "--name", "An\x1b[31mna\u202e") == 0
    assert main(["keys", "list", "--store", str(tmp_path / "trust")]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\\x1b" in out
