"""A sweep: a line for each checkpoint, whatever it is, once; and what follows from its lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from drives import Hands, copy, edited, library
from toy_models import write_model

from mpk_tui.case import open_case
from mpk_tui.cli import main
from mpk_tui.errors import CancelledError, ExitCode
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.progress import CancelToken, Progress, Report
from mpk_tui.sweep import among, batch, lines, local, summary
from mpk_tui.sweep.batch import Plan, Swept
from mpk_tui.sweep.finding import find
from mpk_tui.sweep.working import Answer, Order


def run(drive: Path, out: Path, plan: Plan, hands: Any = None, said: list[str] | None = None) -> Swept:
    told: list[str] = [] if said is None else said
    with lines.Writer(out) as writer:
        return batch.sweep(find([drive]), writer, plan, hands or Hands(), told.append)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a drive, a library, and a sweep of the one against the other."""
    root = tmp_path_factory.mktemp("swept")
    drive = root / "drive"
    for name in ("base", "fine-tune", "twin"):
        copy(name, drive / name)
    edited(drive / "a copy")
    (drive / "broken").mkdir()
    (drive / "broken" / "model.safetensors").write_bytes(b"")
    (drive / "broken" / "config.json").write_text("{}")
    library(root / "library", "base")
    run(drive, root / "out.jsonl", Plan(root / "library", root / "kept"))
    return root


def found(root: Path) -> dict[str, dict[str, Any]]:
    return {x["name"]: x for x in lines.latest(lines.read(root / "out.jsonl").lines).values()}


def test_every_checkpoint_has_a_line_that_says_what_was_found(swept: Path) -> None:
    by_name = found(swept)
    assert {n: x["scan"] and x["scan"]["finding"] for n, x in by_name.items()} == {
        "drive/base": "identical", "drive/fine-tune": "shared-trained-ancestor", "drive/twin": "none-found",
        "drive/a copy": "near-identical", "drive/broken": None,
    }  # fmt: skip
    assert by_name["drive/fine-tune"]["scan"]["relatives"][0]["name"] == "base"
    assert by_name["drive/base"]["scan"]["exact"]["root"] == 1
    broken = by_name["drive/broken"]
    assert (broken["state"], broken["measured"], broken["error"]["code"]) == ("error", None, ExitCode.MALFORMED)
    assert {f"{x['measured']['fingerprint']}.mpkf" for x in by_name.values() if x["measured"]} == {
        p.name for p in (swept / "kept").iterdir()
    }


def test_a_second_run_does_what_is_missing_changed_or_asked_for(swept: Path, tmp_path: Path) -> None:
    out, drive = tmp_path / "out.jsonl", swept / "drive"
    out.write_bytes((swept / "out.jsonl").read_bytes() + b'{"schema":"mpk-tui/ba')
    plan = Plan(swept / "library", swept / "kept")
    hands = Hands()
    done = run(drive, out, plan, hands)
    assert (done.made, hands.given, len(done.lines)) == (0, [], 5)
    assert any("cut short was taken off (21 bytes)" in n for n in done.notices)
    os.utime(drive / "twin" / "config.json")
    said: list[str] = []
    done = run(drive, out, plan, said=said)
    assert (done.made, said) == (1, ["1 of 1  drive/twin: none-found"])
    said = []
    run(drive, out, Plan(swept / "library", swept / "kept", retry=True), said=said)
    assert len(said) == 1
    assert said[0].startswith("1 of 1  drive/broken: ")
    # Lines without a scan get one from the kept fingerprint: the checkpoint is opened, and not hashed again.
    bare = tmp_path / "bare.jsonl"
    bare.write_bytes(b"".join(lines.encode({**x, "scan": None}) for x in found(swept).values() if "fine" in x["name"]))

    class Looking(Hands):
        def run(self, task: Any, request: bytes, report: Report) -> bytes:
            order = Order.from_bytes(request)
            assert (order.known is not None) == ("fine" in order.path.name)
            return super().run(task, request, report) if order.known else Answer(b"", None).to_bytes()

    done = run(drive / "fine-tune", bare, plan, Looking())
    assert done.made == 1
    assert done.lines[0]["scan"]["finding"] == "shared-trained-ancestor"


def test_whoever_works_is_not_believed(swept: Path, tmp_path: Path) -> None:
    """A worker that answers with the fingerprint of other files, or with rubbish."""
    drive = copy("base", tmp_path / "drive" / "base").parent
    other = fingerprint(write_model(tmp_path / "toy", "a")).to_bytes()

    class Lying(Hands):
        answer = b""

        def run(self, task: Any, request: bytes, report: Report) -> bytes:
            return self.answer

    made, hands = {}, Lying()
    for name, hands.answer in (
        ("other", Answer(other, None).to_bytes()),
        ("rubbish", b"\xc1"), ("short", Answer(b"x", None).to_bytes()), ("list", b"\x92\xc0\xc0"),
    ):  # fmt: skip
        done = run(drive, tmp_path / f"{name}.jsonl", Plan(keep=tmp_path / "kept"), hands)
        made[name] = done.lines[0]
    assert {x["state"] for x in made.values()} == {"error"}
    assert {x["measured"] is None for x in made.values()} == {True}
    assert list((tmp_path / "kept").iterdir()) == []


def test_checkpoints_are_grouped_by_their_tensors_and_by_what_was_found_between_them(
    swept: Path, tmp_path: Path
) -> None:
    copy("base", tmp_path / "again")
    rows = list(found(swept).values())
    with lines.Writer(tmp_path / "again.jsonl") as writer:
        more = batch.sweep(find([tmp_path / "again"]), writer, Plan(keep=swept / "kept"), Hands())
    hands, out = Hands(), tmp_path / "pairs.jsonl"
    with lines.Writer(out, among.checked) as writer:
        pairs = among.among([*rows, *more.lines], swept / "kept", writer, hands)
    # Four different models, six pairs: those with twin do not pass the screen.
    assert (len(pairs.models), pairs.total, len(pairs.lines)) == (4, 6, 3)
    assert {p["comparisons"] for p in pairs.lines} == {6}
    both = Swept((*rows, *more.lines), 1, ())
    record = summary.summary(find([swept / "drive"]), both, pairs, out="x", library=None)
    assert [d["names"] for d in record["duplicates"]] == [["drive/base", "again"]]
    assert [sorted(f["names"]) for f in record["families"]] == [
        ["again", "drive/a copy", "drive/base", "drive/fine-tune"]
    ]
    table = "\n".join(summary.table(record))
    assert "drive/twin" in table
    assert "none-found" in table
    assert "family 1 on this drive" in table
    # A second run compares nothing; a kept fingerprint that was altered is not believed.
    with lines.Writer(out, among.checked) as writer:
        again = among.among(rows, swept / "kept", writer, hands)
    assert (len(hands.given), again.lines) == (3, pairs.lines)
    keep = tmp_path / "altered"
    keep.mkdir()
    for p in (swept / "kept").iterdir():
        (keep / p.name).write_bytes(p.read_bytes()[:-1] + b"x")
    models, notices = among.distinct(rows, keep)
    assert (models, len(notices)) == ([], 1)


def test_a_checkpoint_that_takes_too_long_or_too_much_is_a_line_and_the_sweep_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processes of their own."""
    write_model(tmp_path / "drive" / "a", "a")
    cancel = CancelToken()
    hands = local.Here(1, cancel)
    try:
        monkeypatch.setattr(batch, "allowed", lambda size: 0.0)
        slow = run(tmp_path / "drive", tmp_path / "slow.jsonl", Plan(), hands).lines[0]
        monkeypatch.setattr(batch, "allowed", lambda size: 600.0)
        fat = run(tmp_path / "drive", tmp_path / "fat.jsonl", Plan(memory=1 << 20), hands).lines[0]
        good = run(tmp_path / "drive", tmp_path / "good.jsonl", Plan(memory=8 << 30), hands).lines[0]
    finally:
        hands.stop()
    assert slow["error"]["diagnosis"].startswith("was stopped after 0 s")
    assert fat["state"] == "error"
    assert (good["state"], good["measured"]["tensors"]) == ("done", 4)


def test_stopping_ends_what_runs_and_keeps_every_line(tmp_path: Path) -> None:
    for name in "abc":
        write_model(tmp_path / "drive" / name, name)
    cancel, hands = CancelToken(), Hands()

    def tell(line: str) -> None:
        cancel.cancel()

    with lines.Writer(tmp_path / "out.jsonl") as writer, pytest.raises(CancelledError):
        batch.sweep(find([tmp_path / "drive"]), writer, Plan(), hands, tell, cancel=cancel)
    assert hands.stopped
    assert len(lines.read(tmp_path / "out.jsonl", whole=True).lines) < 3


def test_progress_counts_bytes_of_what_is_done_and_of_what_is_under_way() -> None:
    seen: list[Progress] = []
    gauge = batch.Gauge(seen.append, 30)
    a, b = gauge.of("a", 10), gauge.of("b", 20)
    a(Progress("hashing", 4, 10, "bytes", 1.0))
    b(Progress("hashing", 25, 20, "bytes", 1.0))
    b(Progress("features", 1, 2, "steps", 1.0))
    gauge.finish("a", 10)
    gauge.finish("b", 20)
    gauge.of("c", 10)(Progress("hashing", 10, 10, "bytes", 1.0))
    assert [p.done for p in seen] == [4, 24, 29, 30, 30]
    assert {(p.stage, p.total, p.unit) for p in seen} == {("sweeping", 30, "bytes")}


def test_the_command_survives_being_killed_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        write_model(tmp_path / "drive" / name, name)
    (tmp_path / "drive" / os.fsdecode(b"\xe9vil\x1b[31m.gguf")).write_bytes(b"GGUF\x1b[2J")
    out = tmp_path / "out.jsonl"
    args = ["batch", str(tmp_path / "drive"), "--out", str(out), "--no-scan"]
    for ending in (signal.SIGKILL, signal.SIGTERM):
        before = len(lines.read(out).lines)
        process = subprocess.Popen(
            [sys.executable, "-m", "mpk_tui", *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None and len(lines.read(out).lines) == before:
            time.sleep(0.01)
        process.send_signal(ending)
        code = process.wait()
        assert code in ((-9, 0) if ending == signal.SIGKILL else (130, 0))  # 0: it was faster than the signal
    assert main([*args, "--json"]) == 0
    told = capsys.readouterr()
    record = json.loads(told.out)
    assert [c["state"] for c in record["checkpoints"]] == ["error", "done", "done"]
    whole = lines.read(out, whole=True).lines
    assert len(lines.latest(whole)) == 3
    assert main(args) == 0
    told = capsys.readouterr()
    assert len(lines.read(out).lines) == len(whole)
    assert "\x1b" not in told.out + told.err
    assert main(["batch", str(tmp_path), "--out", str(out), "--among", "x"]) == ExitCode.USAGE
    assert main([*args, "--scheduler", "tcp://127.0.0.1:1"]) == ExitCode.USAGE
    assert main([*args, "--jobs", "0"]) == ExitCode.USAGE
    assert main(["batch", str(tmp_path / "drive"), "--out", str(out), "--library", str(tmp_path / "no")]) == 40


def test_a_case_is_opened_on_a_line(swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = ["--id", "C-1", "--title", "A line", "--examiner", "Ada", "--from-batch", str(swept / "out.jsonl")]
    kept = ["--fingerprints", str(swept / "kept")]
    assert main(["case", "new", str(tmp_path / "c"), *facts, "--path", "drive/fine-tune", *kept]) == 0
    told = capsys.readouterr().out
    assert "R1 is base: shared-trained-ancestor" in told
    assert "The bytes were not read again" in told
    with open_case(tmp_path / "c", read_only=True) as case:
        subject, reference = case.state.artifacts.values()
        line = found(swept)["drive/fine-tune"]
        assert (subject.fingerprint, subject.root) == (line["measured"]["fingerprint"], line["measured"]["root"])
        assert reference.fingerprint == line["scan"]["relatives"][0]["fingerprint"]
        assert [e.kind for e in case.state.evidence["S1:R1"].values()] == ["context"]
        assert len(case.state.notes) == 2
    assert main(["case", "rehash", str(tmp_path / "c")]) == 0
    # Without the fingerprint, or of a checkpoint that changed, nothing is recorded.
    assert main(["case", "new", str(tmp_path / "d"), *facts, "--path", "drive/fine-tune"]) == 0
    assert "was not kept" in capsys.readouterr().out
    number = next(n for n, x in enumerate(lines.read(swept / "out.jsonl").lines, 1) if x["name"] == "drive/a copy")
    (swept / "drive" / "a copy" / "note.txt").write_text("x")
    assert main(["case", "new", str(tmp_path / "e"), *facts, "--line", str(number), *kept]) == 0
    assert "changed since the sweep" in capsys.readouterr().out
    with open_case(tmp_path / "e", read_only=True) as case:
        assert not case.state.artifacts["S1"].fingerprint
    for wrong in (["--line", "99"], ["--path", "drive/none"], ["--path", "drive/broken"], [], ["--line", "0"]):
        assert main(["case", "new", str(tmp_path / "f"), *facts, *wrong]) == ExitCode.USAGE
    assert not (tmp_path / "f").exists()
