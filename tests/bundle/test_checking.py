"""One plan for every door: what is asked, in which order it is done, what is written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import workshop as w

from mpk_tui.bundle.checking import WEIGHTS, Request, bundle_id_of, check
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.cli import main
from mpk_tui.errors import CancelledError, StorageError, UsageError
from mpk_tui.keys.public import pem
from mpk_tui.keys.whom import Whom
from mpk_tui.progress import CancelToken


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "anna.pub.pem").write_bytes(pem(w.ANNA.public))
    (tmp_path / "good.mpkb").write_bytes(w.sealed().to_bytes())
    (tmp_path / "strange.mpkb").write_bytes(w.sealed(None, w.STRANGER).to_bytes())
    return tmp_path


def believing() -> TrustStore:
    return w.DEFAULT_STORE


def test_a_check_stands_on_bytes_a_store_and_a_clock(bench: Path) -> None:
    found = check(Request(bench / "good.mpkb"), believing)
    assert found.outcome.verdict is Word.VALID
    assert found.data == (bench / "good.mpkb").read_bytes()
    assert found.store is w.DEFAULT_STORE
    assert found.at > w.NOW


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ({}, Word.VALID),
        ({"case": "another"}, Word.REPLAY),
        ({"bundle_id": bytes(32)}, Word.REPLAY),
        ({"bundle": "strange.mpkb"}, Word.UNTRUSTED),
        ({"bundle": "missing.mpkb"}, Word.INTERNAL),
        ({"earlier": ("good.mpkb",)}, Word.VALID),
        ({"earlier": ("strange.mpkb",)}, Word.PARTIAL),
        ({"earlier": ("missing.mpkb",)}, Word.INTERNAL),
        ({"attachments": "missing"}, Word.INTERNAL),
        ({"checkpoints": ("missing",)}, Word.INTERNAL),
    ],
)
def test_both_doors_answer_alike(
    asked: dict[str, object], word: Word, bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = dict(asked)
    paths = {
        name: tuple(bench / p for p in value) if isinstance(value, tuple) else bench / str(value)
        for name, value in given.items()
        if name in ("bundle", "earlier", "attachments", "checkpoints")
    }
    request = Request(**{"bundle": bench / "good.mpkb", **given, **paths})  # type: ignore[arg-type]
    found = check(request, Whom(key=bench / "anna.pub.pem").store)
    assert found.outcome.verdict is word
    args = ["verify", str(request.bundle), "--key", str(bench / "anna.pub.pem"), "--no-receipt", "--json"]
    for name, value in (("--expect-case", request.case), ("--attachments", request.attachments)):
        args += [name, str(value)] if value is not None else []
    args += ["--expect-bundle", request.bundle_id.hex()] if request.bundle_id is not None else []
    args += [x for p in request.earlier for x in ("--earlier", str(p))]
    args += [x for p in request.checkpoints for x in ("--checkpoint", str(p))]
    code = main(args)
    record = json.loads(capsys.readouterr().out)
    assert (code, record["verdict"], record["words"]) == (int(found.outcome.code), word.value, found.outcome.words)


def test_what_is_asked_for_and_not_done_is_told(bench: Path) -> None:
    told: list[str] = []
    request = Request(
        bench / "strange.mpkb", checkpoints=(bench,), earlier=(bench / "good.mpkb",), rerun=True, match=WEIGHTS
    )
    found = check(request, believing, tell=told.append)
    assert found.outcome.verdict is Word.UNTRUSTED
    assert [t.split(" were ")[0] for t in told[:2]] == ["the earlier bundles", "the checkpoints"]
    assert len(told) == 3
    assert all("not to be relied on" in t for t in told)


def test_a_store_that_cannot_be_used_is_part_of_the_answer(bench: Path) -> None:
    def broken() -> TrustStore:
        raise StorageError("cannot be read", where="store")

    found = check(Request(bench / "good.mpkb"), broken)
    assert (found.outcome.verdict, found.data, found.at) == (Word.INTERNAL, None, 0)
    assert "store: cannot be read" in found.outcome.words

    def wrong() -> TrustStore:
        raise UsageError("name one of them")

    with pytest.raises(UsageError):
        check(Request(bench / "good.mpkb"), wrong)


def test_a_receipt_is_written_and_remembered(bench: Path) -> None:
    log = bench / "receipts.jsonl"
    request = Request(bench / "good.mpkb", receipts=log)
    first = check(request, believing)
    assert first.outcome.first_seen is None
    second = check(request, believing)
    assert second.outcome.first_seen == first.at
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(row["n"], row["verdict"]) for row in lines] == [(0, "VALID"), (1, "VALID")]
    assert lines[0]["file"] == w.hashlib.sha256((bench / "good.mpkb").read_bytes()).hexdigest()


def test_the_command_and_the_core_write_the_same_receipt(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check(Request(bench / "good.mpkb", receipts=bench / "core.jsonl"), Whom(key=bench / "anna.pub.pem").store)
    key = str(bench / "anna.pub.pem")
    assert main(["verify", str(bench / "good.mpkb"), "--key", key, "--receipts", str(bench / "cli.jsonl")]) == 0
    capsys.readouterr()
    ours, theirs = (json.loads((bench / f"{n}.jsonl").read_text()) for n in ("core", "cli"))
    assert {**ours, "at": 0} == {**theirs, "at": 0}


def test_a_check_stops_on_request(bench: Path) -> None:
    token = CancelToken()
    token.cancel()
    log = bench / "receipts.jsonl"
    with pytest.raises(CancelledError):
        check(Request(bench / "good.mpkb", receipts=log), believing, cancel=token)
    assert not log.exists()


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "0" * 63, "0" * 66])
def test_an_id_has_64_digits(text: str) -> None:
    with pytest.raises(UsageError):
        bundle_id_of(text)
    assert bundle_id_of("0F" * 32) == b"\x0f" * 32


def test_whom_to_believe(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(bench / "data"))
    assert Whom().store().people == ()
    assert Whom(key=bench / "anna.pub.pem").store().find(w.ANNA.public.keyid) is not None
    with pytest.raises(StorageError):
        Whom(trust=bench / "none").store()
