"""The receipts of a verifier: what they remember, what they must not let others do, and that they never get in the way."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import workshop as w
from keyfiles import key_files
from workshop import ANNA, BERT, CREATED, DAY, NOW, STRANGER, person, trusting

from mpk_tui.bundle import dsse, receipt_log, receipts
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.bundle.receipts import GENESIS, History, Receipt, receipt_of
from mpk_tui.bundle.trust import Revocation, TrustStore
from mpk_tui.bundle.verify import Expected
from mpk_tui.cli import main

ONE = w.sealed()


def numbered(seq: int, *keys: w.Key) -> Envelope:
    made = w.contents(log=[w.log_entry(0, "export", seq=seq)])
    return w.sealed(replace(made, seq=seq, prev=bytes(32) if seq else None), *keys)


def remembered(*seen: tuple[Envelope, TrustStore, int]) -> History:
    lines: list[bytes] = []
    for made, store, at in seen:
        prev = receipts.sha256(lines[-1]) if lines else GENESIS
        one = receipt_of(w.check(made, store), bytes(32), at, "mpk-tui 0", len(lines), prev)
        lines.append(one.line().removesuffix(b"\n"))
    out = receipts.read(lines, GENESIS)
    assert out.notices == ()
    return out


def again(made: Envelope, store: TrustStore, history: History, now: int = NOW) -> Outcome:
    return w.check(made, store, now, Expected(history=history))


ANNA_ONLY = trusting(person("Anna", ANNA))
BOTH = trusting(person("Anna", ANNA), person("Bert", BERT))
TWO_KEYS = trusting(person("Anna", ANNA, BERT))

SEEN: dict[str, tuple[Envelope, TrustStore, Envelope, TrustStore, str]] = {
    "109 older than seen": (numbered(3), ANNA_ONLY, numbered(2), ANNA_ONLY, "REPLAY"),
    "the same number": (numbered(3), ANNA_ONLY, numbered(3), ANNA_ONLY, "VALID"),
    "a later one": (numbered(3), ANNA_ONLY, numbered(4), ANNA_ONLY, "VALID"),
    "partial, then older": (w.without_blob(numbered(3), "notes"), ANNA_ONLY, numbered(2), ANNA_ONLY, "REPLAY"),
    "poison: a stranger's high number": (numbered(9, STRANGER), ANNA_ONLY, numbered(2), ANNA_ONLY, "VALID"),
    "poison: somebody else whom I trust": (numbered(9, BERT), BOTH, numbered(2), BOTH, "VALID"),
    "poison: a key believed alone once": (numbered(9, STRANGER), trusting(person("X", STRANGER)), numbered(2), ANNA_ONLY, "VALID"),
    "poison: a high number that was altered": (
        w.with_blob(numbered(9), "notes", data=b"\x90"), ANNA_ONLY, numbered(2), ANNA_ONLY, "VALID"),
    "poison: a key that was revoked since": (
        numbered(9, ANNA), TWO_KEYS, numbered(2, BERT),
        TrustStore((replace(person("Anna", ANNA, BERT), keys=(
            replace(person("Anna", ANNA).keys[0], revoked=Revocation(NOW, "compromised")),
            person("Anna", BERT).keys[0])),)), "VALID"),
    "with a co-signer, then without": (numbered(3, ANNA, BERT), BOTH, numbered(2, ANNA), BOTH, "REPLAY"),
    "alone, then with a co-signer": (numbered(3, ANNA), BOTH, numbered(2, ANNA, BERT), BOTH, "VALID"),
    "another key of the same person": (numbered(3, BERT), TWO_KEYS, numbered(2, ANNA), TWO_KEYS, "REPLAY"),
    "another case": (
        w.sealed(replace(w.contents(log=[w.log_entry(0, "export", seq=9)]), seq=9, prev=bytes(32),
                         case=replace(w.contents().case, id="case-2"))),
        ANNA_ONLY, numbered(2), ANNA_ONLY, "VALID"),
    "nobody is trusted today": (numbered(3), ANNA_ONLY, numbered(2), TrustStore(), "UNTRUSTED"),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEN)
def test_older_than_seen(name: str) -> None:
    before, then, made, today, word = SEEN[name]
    outcome = again(made, today, remembered((before, then, NOW)))
    assert outcome.verdict.value == word, outcome.words


def test_first_seen_is_told_and_recorded() -> None:
    history = remembered((ONE, ANNA_ONLY, NOW - 5 * DAY), (ONE, ANNA_ONLY, NOW - DAY))
    outcome = again(ONE, ANNA_ONLY, history)
    assert outcome.first_seen == NOW - 5 * DAY
    assert any("first seen by this verifier on" in n for n in outcome.notices)
    assert again(numbered(1), ANNA_ONLY, history).first_seen is None
    assert again(w.without_blob(ONE, "notes"), ANNA_ONLY, history).first_seen == NOW - 5 * DAY


def ended(at: int) -> TrustStore:
    return trusting(person("Anna", ANNA, not_after=at))


def test_what_was_seen_in_time_outlives_the_key() -> None:
    seen = CREATED + 1000
    history = remembered((ONE, ANNA_ONLY, seen))
    assert again(ONE, ended(seen + 1), History()).verdict is Word.EXPIRED
    assert again(ONE, ended(seen + 1), history).verdict is Word.VALID
    assert again(ONE, ended(seen - 1), history).verdict is Word.EXPIRED


def test_what_was_seen_does_not_outlive_a_compromise() -> None:
    history = remembered((ONE, ANNA_ONLY, CREATED + 1000))
    gone = trusting(person("Anna", ANNA, revoked=Revocation(CREATED + 2000, "compromised")))
    assert again(ONE, gone, history).verdict is Word.REVOKED


def test_a_bundle_seen_before_it_was_well_signed_was_not_seen() -> None:
    bad = replace(ONE, signatures=(replace(ONE.signatures[0], sig=bytes(64)),))
    history = remembered((bad, ANNA_ONLY, CREATED))
    assert again(ONE, ANNA_ONLY, history).first_seen is None
    assert again(ONE, ended(NOW - 1), history).verdict is Word.EXPIRED
    untrusted = remembered((ONE, TrustStore(), CREATED))
    assert again(ONE, ended(NOW - 1), untrusted).verdict is Word.VALID


def test_a_receipt_survives_its_line() -> None:
    odd = Receipt(
        7, NOW, "mpk-tui 0", Word.PARTIAL, w.sha("f"), w.sha("b"), 'Fäll \u202e\n"1"', 3, (w.sha("k"),), w.sha("p")
    )
    line = odd.line()
    assert line.endswith(b"\n")
    assert line.isascii()
    assert line.count(b"\n") == 1
    assert receipts.parse(line.removesuffix(b"\n")) == odd
    nothing = receipt_of(Outcome(Word.MALFORMED, "x"), bytes(32), NOW, "v", 0, GENESIS)
    assert receipts.parse(nothing.line().removesuffix(b"\n")) == nothing
    wide = replace(odd, case="\U0001f511" * 32, signers=(w.sha("k"),) * 64)
    assert receipts.parse(wide.line().removesuffix(b"\n")) == wide


GOOD = receipt_of(w.check(ONE), bytes(32), NOW, "v", 0, GENESIS).line().removesuffix(b"\n")


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(GOOD), **fields}, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "line",
    [
        b"", b"x", b"[]", b"{}", b"[" * 5000, GOOD + b" " * 9000, GOOD[:-1], b"\xff" + GOOD, changed(n=True),
        changed(at=1.0), changed(at=-1), changed(at=1 << 60), changed(seq="1"), changed(verdict="FINE"),
        changed(file="00"), changed(bundle="zz" * 32), changed(signers=["x"]), changed(signers="x"), changed(case=1),
        changed(colour="red"), changed(signers=[w.sha("k").hex()] * 65), b'{"n":' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_receipt(line: bytes) -> None:
    assert receipts.parse(line) is None


# -- the file ----------------------------------------------------------------------------------------------------------


def add(path: Path, made: Envelope = ONE, at: int = NOW) -> str:
    return receipt_log.append(path, lambda n, prev: receipt_of(w.check(made), bytes(32), at, "v", n, prev))


def parsed(history: History) -> list[Receipt | None]:
    return [receipts.parse(line) for line in history.lines]


def test_lines_are_chained_and_a_dropped_one_shows(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log"
    for n in range(4):
        assert add(path, at=NOW + n) == ""
    history = receipt_log.load(path)
    assert [r and r.number for r in parsed(history)] == [0, 1, 2, 3]
    assert history.notices == ()
    assert os.stat(path).st_mode & 0o777 == 0o600
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in (lines[1:], [lines[0], *lines[2:]], [*lines[:2], lines[2].replace(b"VALID", b"VALOD"), lines[3]]):
        path.write_bytes(b"".join(kept))
        assert any("dropped or changed" in n for n in receipt_log.load(path).notices)
    path.write_bytes(b"".join(lines[:2]))
    assert receipt_log.load(path).notices == ()  # the end cut off does not show: docs/format.md says so


def test_a_torn_line_is_closed_and_costs_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "log"
    add(path)
    first = len(path.read_bytes())
    add(path)
    whole = path.read_bytes()
    for cut in (first + 1, first + 20, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert add(path, at=NOW + 9) == ""
        history = receipt_log.load(path)
        rows = [r for r in parsed(history) if r is not None]
        assert rows[0].at == NOW
        assert rows[-1].at == NOW + 9
        assert not any("dropped" in n for n in history.notices)


def _write(path: Path, count: int) -> None:
    for _ in range(count):
        while (said := add(path)).endswith("another verification holds it)"):
            pass  # half a second is not always enough on a busy machine
        assert said == ""


def test_two_writers_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "log"
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write, args=(path, 25)) for _ in range(3)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert [one.exitcode for one in workers] == [0, 0, 0]
    history = receipt_log.load(path)
    assert [r and r.number for r in parsed(history)] == list(range(75))
    assert history.notices == ()


def test_a_log_that_has_grown_is_set_aside_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipt_log, "MOST_BYTES", 2000)
    path = tmp_path / "log"
    for n in range(20):
        assert add(path, at=NOW + n) == ""
        assert path.stat().st_size <= 2000
        history = receipt_log.load(path)
        assert history.notices == ()
        rows = parsed(history)
        assert rows[-1] is not None
        assert rows[-1].number == n
    aside = sorted(p.name for p in tmp_path.iterdir())
    assert len(aside) > 3
    assert len(parsed(receipt_log.load(path))) >= 3
    path.unlink()
    assert add(path) == ""
    assert any("dropped or changed" in n for n in receipt_log.load(path).notices)


ODD: dict[str, Callable[[Path], object]] = {
    "garbage": lambda p: p.write_bytes(os.urandom(5000)),
    "zeros": lambda p: p.write_bytes(bytes(5000)),
    "huge": lambda p: os.truncate((p.write_bytes(b"x"), p)[1], 5 << 30),
    "empty": lambda p: p.write_bytes(b""),
    "truncated": lambda p: (add(p), add(p), os.truncate(p, p.stat().st_size - 40)),
    "fifo": os.mkfifo,
    "folder": Path.mkdir,
    "device": lambda p: p.symlink_to("/dev/zero"),
    "link": lambda p: (p.with_name("real").write_bytes(b""), p.symlink_to(p.with_name("real"))),
    "dangling link": lambda p: p.symlink_to(p.with_name("nowhere")),
    "held by somebody": lambda p: None,
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_log_is_a_notice_and_never_a_failure(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    ODD[kind](path)
    (tmp_path / "good.mpkb").write_bytes(ONE.to_bytes())
    key_files(tmp_path, anna=ANNA)
    held = -1
    if kind == "held by somebody":
        import fcntl

        monkeypatch.setattr(receipt_log, "_TRIES", 2)
        held = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
    arguments = [
        "verify",
        str(tmp_path / "good.mpkb"),
        "--key",
        str(tmp_path / "anna.pub.pem"),
        "--receipts",
        str(path),
    ]
    assert main([*arguments, "--json"]) == 0
    notices = json.loads(capsys.readouterr().out)["notices"]
    assert (notices == []) == (kind == "empty"), notices
    kept = kind in ("garbage", "zeros", "huge", "empty", "truncated")
    assert any("no receipt was kept" in n for n in notices) == (not kept)
    assert main([*arguments, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["first_seen"] is not None) == kept
    if kind == "link":
        assert path.with_name("real").read_bytes() == b""
    assert not path.with_name("nowhere").exists()
    if held >= 0:
        os.close(held)


def test_no_disk_and_no_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good.mpkb").write_bytes(ONE.to_bytes())
    key_files(tmp_path, anna=ANNA)
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", Path("/proc/nowhere"), Path("/dev/null")):
        monkeypatch.setenv("XDG_DATA_HOME", str(place))
        assert main(["verify", str(tmp_path / "good.mpkb"), "--key", str(tmp_path / "anna.pub.pem")]) == 0
        assert "no receipt was kept" in capsys.readouterr().out


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    assert "no receipt was kept" in add(Path("/dev/full"))
    path = tmp_path / "log"
    add(path)
    before = path.read_bytes()

    def too_much() -> None:
        import resource
        import sys

        sys.dont_write_bytecode = True  # a cut-off one would stay beside our modules
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, len(before) + 10))
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        assert "no receipt was kept" in add(path)

    one = multiprocessing.get_context("fork").Process(target=too_much)
    one.start()
    one.join()
    assert one.exitcode == 0
    assert path.read_bytes() == before


def test_the_command_remembers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    key_files(tmp_path, anna=ANNA)
    for seq in (1, 3):
        (tmp_path / f"{seq}.mpkb").write_bytes(numbered(seq).to_bytes())
    arguments = ["--key", str(tmp_path / "anna.pub.pem"), "--json"]
    assert main(["verify", str(tmp_path / "1.mpkb"), *arguments]) == 0
    assert main(["verify", str(tmp_path / "3.mpkb"), *arguments]) == 0
    assert main(["verify", str(tmp_path / "1.mpkb"), *arguments, "--no-receipt"]) == 0
    log = tmp_path / "data" / "mpk-tui" / "receipts.jsonl"
    assert len(log.read_bytes().splitlines()) == 2
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "1.mpkb"), *arguments]) == 14
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "REPLAY"
    assert told["case"] is None
    last = json.loads(log.read_bytes().splitlines()[-1])
    assert (last["verdict"], last["code"], last["seq"]) == ("REPLAY", 14, 1)
    assert last["bundle"] == dsse.bundle_id(numbered(1).payload).hex()
    assert main(["verify", str(tmp_path / "3.mpkb"), *arguments]) == 0


def test_an_older_bundle_is_old_at_every_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What verify calls REPLAY, an export and the workbench must not call VALID."""
    from mpk_tui.progress import CancelToken, silent
    from mpk_tui.tui.verifying import checking, request_of

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    key_files(tmp_path, anna=ANNA)
    for seq in (1, 2):
        (tmp_path / f"{seq}.mpkb").write_bytes(numbered(seq).to_bytes())
    old, key = str(tmp_path / "1.mpkb"), str(tmp_path / "anna.pub.pem")

    def doors(name: str) -> list[object]:
        rest = dict.fromkeys(("trust", "case", "id"), "")
        request, whom = request_of({"bundle": old, "key": key, "stale": "no", "receipt": "yes", **rest})
        return [
            main(["bundle", "show", old, "--key", key]),
            main(["report", old, "--key", key, "-o", str(tmp_path / f"{name}.cdx.json")]),
            checking(request, whom)(silent, CancelToken()).outcome.verdict,
        ]

    assert doors("before") == [0, 0, Word.VALID]
    assert main(["verify", str(tmp_path / "2.mpkb"), "--key", key]) == 0
    assert doors("after") == [14, 14, Word.REPLAY]
    assert not (tmp_path / "after.cdx.json").exists()
