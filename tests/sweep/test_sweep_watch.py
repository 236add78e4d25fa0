"""A watch list, what a drive has to do with it, and bundles that a machine signs on its own."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from drives import DEMO, Hands, copy, edited, library
from toy_models import write_model

from mpk_tui.bundle.trust import Person, Policy, TrustedKey, TrustStore
from mpk_tui.bundle.verify import verify
from mpk_tui.case import open_case, review
from mpk_tui.cli import main
from mpk_tui.errors import ExitCode, KeyFileError, MalformedError, UsageError
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import write
from mpk_tui.keys import private, public
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.keys.signing import FileSigner, declared
from mpk_tui.report import shapes_sweep
from mpk_tui.sweep import lines, unattended, watch, watching, watchlist
from mpk_tui.sweep.finding import find
from mpk_tui.sweep.watch import Watchful

SECRET = b"one two three four"
GOOD = '[[models]]\nname = "m"\nadvisories = ["A-1"]\n'
DIGEST = "ab" * 32


def listed(folder: Path, text: str, name: str = "list.toml") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no \\[\\[models\\]\\]"), ("x = 1", "'x' is not known"), ("[[models]", "is not TOML"), ("models = 1", "no \\["),
        ("models = []", "names no model"), ("models = [1]", "is no model"), ('schema = "y"\nmodels = []', "schema 'y'"),
        ('[[models]]\nadvisories = ["A"]\nroot = "' + DIGEST + '"', "has no name"),
        ('[[models]]\nname = "m"\nroot = "' + DIGEST + '"', "has no advisories"),
        (GOOD, "says not which model"), (GOOD + 'root = "zz"', "no SHA-256"), (GOOD + 'files = ["' + DIGEST[1:] + '"]', "no SHA-256"),
        (GOOD + "files = 1", "not a list"), (GOOD + "root = 1", "not a text"), (GOOD + 'colour = "red"', "'colour' is not known"),
        (GOOD + 'entry = "e"\nfingerprint = "f"', "an entry and a fingerprint file"),
        (GOOD + f'root = "{DIGEST}"\n' + GOOD + f'root = "{DIGEST}"', "stands there twice"),
        (GOOD.replace('"A-1"', '""') + f'root = "{DIGEST}"', "not a list"), ("a = " + "[" * 5000, "is not TOML"),
    ],
)  # fmt: skip
def test_a_list_that_is_not_understood_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(MalformedError, match=fault):
        watchlist.read(listed(tmp_path, text))


def test_a_list_may_be_json_lines(tmp_path: Path) -> None:
    row = {"name": "m", "advisories": ["A-1", "A-1"], "files": [f"sha256:{DIGEST.upper()}"], "severity": "bad"}
    read = watchlist.read(listed(tmp_path, json.dumps(row) + "\n\n", "l.jsonl"))
    assert read.models[0].files == {bytes.fromhex(DIGEST)}
    assert read.models[0].said()["advisories"] == ["A-1"]
    assert "known by digests only" in read.notices[0]
    for text in ('{"name": 1', '{"name":"a","name":"b"}', "[]", json.dumps(row) + "\n" + json.dumps(row)):
        with pytest.raises(MalformedError, match="line "):
            watchlist.read(listed(tmp_path, text, "l.jsonl"))
    with pytest.raises(UsageError, match="no entry is called"):
        watchlist.read(listed(tmp_path, GOOD + 'entry = "x"'), library(tmp_path / "library", "twin"))
    with pytest.raises(MalformedError, match="different models"):
        watchlist.read(listed(tmp_path, GOOD + f'entry = "twin"\nroot = "{DIGEST}"'), tmp_path / "library")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drive, a list, and a marked key."""
    root = tmp_path_factory.mktemp("watched")
    for name in ("base", "fine-tune", "twin"):
        copy(name, root / "drive" / name)
    edited(root / "drive" / "edited")
    (root / "drive" / "x.pt").write_bytes(b"\x80\x04 a program")
    (root / "drive" / "y.pkl").write_bytes(b"\x80\x04" + b"another program" * 400)
    toy = write_model(root / "drive" / "toy", "t")
    write(root / "base.mpkf", fingerprint(DEMO / "base"))
    sums = [hashlib.sha256((root / "drive" / n).read_bytes()).hexdigest() for n in ("x.pt", "y.pkl")]
    listed(
        root,
        'name = "Lab"\n[[models]]\nname = "bad base"\nadvisories = ["A-1", "A-2"]\nseverity = "high"\n'
        'source = "CERT"\nfingerprint = "base.mpkf"\n'
        f'[[models]]\nname = "pickles"\nadvisories = ["A-3"]\nfiles = {json.dumps(sums)}\n'
        f'[[models]]\nname = "toy"\nadvisories = ["A-4"]\nroot = "{fingerprint(toy).root.hex()}"\n',
    )
    for name, mark in (("watch", public.MARK + b"\n"), ("ada", b"")):
        key = Ed25519PrivateKey.generate()
        armour = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (root / f"{name}.pem").write_bytes(mark + armour)
        (root / f"{name}.pem").chmod(0o600)
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (root / f"{name}.pub.pem").write_bytes(mark + pem)
    return root


def run(place: Path, out: Path | None, **how: Any) -> tuple[watch.Watched, list[dict[str, Any]], Hands]:
    told: list[dict[str, Any]] = []
    hands = Hands()
    read = watchlist.read(place / "list.toml")
    if out is None:
        return watch.watch(find([place / "drive"]), read, Watchful(**how), hands, told.append), told, hands
    with lines.Writer(out, watch.checked) as writer:
        return watch.watch(find([place / "drive"]), read, Watchful(**how), hands, told.append, writer), told, hands


def test_alerts_say_what_was_measured_and_no_more(place: Path, tmp_path: Path) -> None:
    found, told, hands = run(place, tmp_path / "w.jsonl")
    alerts = {(x["name"], x["listed"]["name"]): x for x in told if x["kind"] == "alert"}
    assert {k: x["level"] for k, x in alerts.items()} == {
        ("drive/base", "bad base"): "identical", ("drive/edited", "bad base"): "near-identical",
        ("drive/fine-tune", "bad base"): "shared-trained-ancestor", ("drive/x.pt", "pickles"): "identical",
        ("y.pkl", "pickles"): "identical", ("drive/toy", "toy"): "identical",
    }  # fmt: skip
    near = alerts["drive/edited", "bad base"]
    assert len(near["differing"]) == near["differing_count"] == 1
    assert near["listed"]["advisories"] == ["A-1", "A-2"]
    assert alerts["drive/x.pt", "pickles"]["files"] == ["x.pt"]
    # What was not opened is an error, although its file was recognised; twin and what is no checkpoint are silent.
    assert [(x["kind"], x["name"]) for x in told if x["kind"] != "alert"] == [("error", "drive/x.pt")]
    assert (found.alerts, found.errors, found.checkpoints) == (6, 1, 7)
    assert tuple(watching.LEVELS) == shapes_sweep.LEVELS
    assert "infect" not in json.dumps(told)
    # Again: nothing is read, everything is told; a list that changed is another list; what changed is read again.
    again, retold, idle = run(place, tmp_path / "w.jsonl")
    assert (again.looked, idle.given) == (0, [])
    assert sorted(map(str, retold)) == sorted(map(str, told))
    os.utime(place / "drive" / "toy" / "config.json")
    changed, _, hands = run(place, tmp_path / "w.jsonl")
    assert (changed.looked, changed.alerts, len(hands.given)) == (1, 6, 1)


def test_a_near_miss_is_a_notice() -> None:
    for finding in watching.MISSES:
        seen = watching._by_comparison(
            watching.Mark(0, "m", b"", frozenset(), None, b""), [], [],
            {"finding": finding, "sentence": "s", "p": None, "p_is_bound": False,
             "identity": {"differing": [], "equal": 0, "converted": 0, "pairs": 0, "only_a": [], "only_b": []}},
        )  # fmt: skip
        assert seen is not None
        assert (seen.level, seen.finding) == ("", finding)


def test_the_command_prints_lines_signs_unattended_and_has_an_exit_code(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["watch", str(place / "list.toml"), str(place / "drive" / "edited")]
    sealing = ["--bundles", str(tmp_path / "b"), "--key", str(place / "watch.pem"), "--fail-on", "alert"]
    assert main([*args, *sealing]) == ExitCode.LINKED
    (alert,) = [json.loads(x) for x in capsys.readouterr().out.splitlines()]
    bundle, key = Path(alert["bundle"]), place / "watch.pub.pem"
    assert (alert["level"], alert["bundle_reason"]) == ("near-identical", None)
    # The receiver: whose role, that nobody read it, no verdict but the default, the findings inside.
    assert main(["verify", str(bundle), "--key", str(key), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [(s["id"], s["role"]) for s in record["signers"]] == [(unattended.EXAMINER, "unattended")]
    for command in (["verify", str(bundle), "--key", str(key)], ["bundle", "show", str(bundle), "--key", str(key)]):
        assert main(command) == 0
        told = capsys.readouterr().out
        assert "signed unattended, by a machine's key: no person read it" in told
        assert "provenance not established (default)" in told
        assert "finding: near-identical" in told
        assert "No person examined this." in told
    assert main(["report", str(bundle), "--key", str(key), "-o", str(tmp_path / "r.txt")]) == 0
    assert "Signed unattended, by a machine's key" in (tmp_path / "r.txt").read_text()
    with open_case(tmp_path / "b" / bundle.stem) as case:
        assert {e.role for e in case.entries} == {"unattended"}
        assert review.verdict(case).label == "independent"
    # Once more: the bundle that is there stays as it is.
    data = bundle.read_bytes()
    capsys.readouterr()
    assert main([*args, *sealing[:4]]) == 0
    assert json.loads(capsys.readouterr().out)["bundle"] == str(bundle)
    assert bundle.read_bytes() == data
    # A trust store that grants the role, and a policy that asks for a person.
    machine = TrustedKey(public.read_public(key))
    person = Person("m", "Machine", frozenset({"unattended"}), (machine,))
    assert verify(data, TrustStore((person,)), 2_000_000_000_000).verdict.value == "VALID"
    strict = TrustStore((person,), Policy({"analyst": 1}))
    assert verify(data, strict, 2_000_000_000_000).verdict.value == "UNTRUSTED"
    analyst = Person("m", "Machine", frozenset({"analyst"}), (machine,))
    assert verify(data, TrustStore((analyst,)), 2_000_000_000_000).verdict.value == "UNTRUSTED"
    # A person's key does not sign here, and where nothing can be opened, that is no silence.
    assert main([*args, "--bundles", str(tmp_path / "c"), "--key", str(place / "ada.pem")]) == 2
    assert main([*args, "--bundles", str(tmp_path / "c")]) == ExitCode.USAGE
    assert main(["watch", str(place / "list.toml"), str(place / "drive" / "x.pt")]) == ExitCode.INTERNAL


def test_a_marked_key_signs_unattended_and_as_nobody_else(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    private.create(tmp_path / "watch.pem", Passphrase(SECRET), unattended=True)
    opened = private.load(tmp_path / "watch.pem", Passphrase(SECRET))
    signer = FileSigner([opened])
    assert declared(signer, "m", "unattended").role == "unattended"
    for role in ("analyst", "reviewer", "issuer"):
        with pytest.raises(UsageError, match="signs unattended"):
            declared(signer, "m", role)
    with pytest.raises(UsageError, match="not marked"):
        unattended.must_be_marked(FileSigner([private.load(place / "ada.pem")]))
    store = ["--store", str(tmp_path / "trust"), "--confirm", public.fingerprint(opened.public)]
    trust = ["keys", "trust", str(tmp_path / "watch.pub.pem"), "--name", "Watch", *store]
    assert main([*trust, "--role", "analyst"]) == ExitCode.USAGE
    assert main(trust) == 0
    assert "is trusted as unattended" in capsys.readouterr().err
    assert main(["keys", "show", str(tmp_path / "watch.pub.pem")]) == 0
    assert "signs unattended" in capsys.readouterr().out
    # The mark is one exact line; any other text before the armour is refused as it always was.
    other = tmp_path / "other.pem"
    other.write_bytes(b"Signs whatever\n" + (tmp_path / "watch.pem").read_bytes().split(b"\n", 1)[1])
    other.chmod(0o600)
    with pytest.raises(KeyFileError):
        private.load(other, Passphrase(SECRET))
