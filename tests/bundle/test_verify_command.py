"""``mpk-tui verify`` as people and scripts meet it: last line, exit code, what it imports, odd files."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import workshop as w
from test_recheck import SUBJECT, write_folder

from mpk_tui.bundle.limits import FILE_BYTES
from mpk_tui.cli import main
from mpk_tui.keys import store
from mpk_tui.keys.public import pem

HEAVY = ("numpy", "gguf", "safetensors", "textual", "rich", "mpk_tui.lineage", "mpk_tui.tui", "mpk_tui.case")


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "anna.pub.pem").write_bytes(pem(w.ANNA.public))
    (tmp_path / "bert.pub.pem").write_bytes(pem(w.BERT.public))
    (tmp_path / "good.mpkb").write_bytes(w.sealed().to_bytes())
    return tmp_path


def last(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    out = capsys.readouterr().out
    return out.strip().splitlines()[-1], out


MADE = {
    "VALID": lambda: w.sealed().to_bytes(),
    "PARTIAL": lambda: w.without_blob(w.sealed(), "notes").to_bytes(),
    "UNTRUSTED": lambda: w.sealed(None, w.STRANGER).to_bytes(),
    "REPLAY": lambda: w.with_manifest(w.sealed(), lambda m: m.update(created=250_000_000_000_000)).to_bytes(),
    "ALTERED": lambda: w.with_blob(w.sealed(), "notes", data=b"\x90").to_bytes(),
    "INCONSISTENT": lambda: w.sealed(w.contents(answers=[])).to_bytes(),
    "MALFORMED": lambda: w.sealed().to_bytes()[:-1],
    "LIMIT": lambda: w.sealed().to_bytes()[:7] + b"\xdd\xff\xff\xff\xff",
    "UNSUPPORTED": lambda: b"\x96\xa5MPKB2",
}
CODES = {
    "VALID": 0, "PARTIAL": 10, "UNTRUSTED": 11, "EXPIRED": 12, "REVOKED": 13, "REPLAY": 14, "ALTERED": 20,
    "MISMATCH": 21, "INCONSISTENT": 22, "MALFORMED": 30, "LIMIT": 31, "UNSUPPORTED": 32, "INTERNAL": 40,
}  # fmt: skip


@pytest.mark.parametrize("word", MADE)
def test_exit_code_and_last_line_agree(word: str, bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bench / "x.mpkb"
    path.write_bytes(MADE[word]())
    code = main(["verify", str(path), "--key", str(bench / "anna.pub.pem")])
    assert code == CODES[word]
    assert last(capsys)[0] == f"VERDICT {word} {code}"
    assert main(["verify", str(path), "--key", str(bench / "anna.pub.pem"), "--json"]) == code
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert (record["schema"], record["verdict"], record["code"]) == ("mpk-tui/verify/1", word, code)
    assert captured.err.strip().splitlines()[-1] == f"VERDICT {word} {code}"
    assert {"signers", "sections", "notices", "checkpoint"} <= record.keys()


def test_revoked_and_expired_from_a_store(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = bench / "trust"
    store.add(folder, w.ANNA.public, "Anna", ("analyst",))
    arguments = ["verify", str(bench / "good.mpkb"), "--trust", str(folder)]
    assert main(arguments) == CODES["VALID"]
    capsys.readouterr()
    store.revoke(folder, "Anna", "compromised")
    assert main(arguments) == CODES["REVOKED"]
    line, out = last(capsys)
    assert line == "VERDICT REVOKED 13"
    assert "case-1" not in out


def test_mismatch(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_folder(bench / "other", SUBJECT)
    arguments = ["verify", str(bench / "good.mpkb"), "--key", str(bench / "anna.pub.pem"), "--checkpoint", str(other)]
    assert main(arguments) == CODES["MISMATCH"]
    line, out = last(capsys)
    assert line == "VERDICT MISMATCH 21"
    assert "shares no tensor" in out


def test_untrusted_content_is_shown_only_on_request(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["verify", str(bench / "good.mpkb"), "--key", str(bench / "bert.pub.pem")]
    assert main(arguments) == CODES["UNTRUSTED"]
    out = capsys.readouterr().out
    assert "case-1" not in out
    assert "suspect" not in out
    assert main([*arguments, "--json"]) == CODES["UNTRUSTED"]
    out = capsys.readouterr().out
    assert "case-1" not in out
    assert json.loads(out)["pairs"] == []
    assert main([*arguments, "--show-untrusted"]) == CODES["UNTRUSTED"]
    out = capsys.readouterr().out
    assert "case-1" in out
    assert out.startswith("*** UNTRUSTED")


def test_what_a_stranger_wrote_moves_no_cursor(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = w.contents()
    artifacts = made.sections["artifacts"]
    artifacts[0]["label"] = "\x1b[2J\u202eevil\r\u200b"
    (bench / "x.mpkb").write_bytes(w.sealed(w.contents(artifacts=artifacts)).to_bytes())
    main(["verify", str(bench / "x.mpkb"), "--key", str(bench / "anna.pub.pem"), "--show-untrusted"])
    main(["bundle", "show", str(bench / "x.mpkb"), "--key", str(bench / "anna.pub.pem"), "--show-untrusted"])
    out = capsys.readouterr().out
    assert "\\x1b[2J\\u202eevil" in out
    assert not {"\x1b", "\u202e", "\r", "\u200b"} & set(out)


def test_expected_case(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["verify", str(bench / "good.mpkb"), "--key", str(bench / "anna.pub.pem")]
    assert main([*arguments, "--expect-case", "case-2"]) == CODES["REPLAY"]
    assert "VERDICT REPLAY 14" in capsys.readouterr().out
    assert main([*arguments, "--expect-bundle", "12"]) == 2


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "absent", "unreadable"])
def test_what_is_no_file_is_internal(kind: str, bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bench / "odd"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "unreadable":
        path.write_bytes(b"x")
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user can read everything")
    assert main(["verify", str(path), "--key", str(bench / "anna.pub.pem")]) == CODES["INTERNAL"]
    assert last(capsys)[0] == "VERDICT INTERNAL 40"


def test_a_huge_file_is_refused_without_being_read(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = bench / "huge.mpkb"
    with path.open("wb") as f:
        f.write(w.sealed().to_bytes())
        f.truncate(10 << 30)
    assert main(["verify", str(path), "--key", str(bench / "anna.pub.pem")]) == CODES["LIMIT"]
    assert last(capsys)[0] == "VERDICT LIMIT 31"
    assert FILE_BYTES < 10 << 30


def test_without_any_store_a_good_bundle_is_untrusted(
    bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(bench / "data"))
    monkeypatch.setenv("HOME", str(bench))
    assert main(["verify", str(bench / "good.mpkb")]) == CODES["UNTRUSTED"]
    assert last(capsys)[0] == "VERDICT UNTRUSTED 11"
    assert main(["verify", str(bench / "good.mpkb"), "--trust", str(bench / "nowhere")]) == CODES["INTERNAL"]


PROBE = """
import sys
import termios
{block}
from mpk_tui.cli import main
code = main(sys.argv[1:])
heavy = [m for m in {heavy!r} if any(k == m or k.startswith(m + ".") for k in sys.modules)]
print("HEAVY", heavy, file=sys.stderr)
sys.exit(code)
"""
BLOCK = """
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("numpy", "gguf", "safetensors", "textual", "rich", "platformdirs"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
"""


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("block", ["", BLOCK], ids=["installed", "absent"])
def test_verification_imports_nothing_heavy(bench: Path, checkpoint: bool, block: str) -> None:
    arguments = ["verify", str(bench / "good.mpkb"), "--key", str(bench / "anna.pub.pem"), "--show-untrusted"]
    if checkpoint:
        arguments += ["--checkpoint", str(write_folder(bench / "c", SUBJECT))]
    script = PROBE.format(block=block, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert "HEAVY []" in done.stderr, done.stderr
    line = done.stdout.strip().splitlines()[-1]
    assert line.startswith("VERDICT ")
    assert done.returncode == int(line.split()[2])
    assert "c: not one of the bundle's artifacts" in done.stdout or not checkpoint


def test_no_part_of_a_stranger_s_sentence_looks_like_a_line_of_ours_on_a_terminal(bench: Path) -> None:
    """Eighty columns: what a stranger wrote to be broken by the terminal just before a verdict of their own."""
    statement = ("Seen." + " " * 65) + "VERDICT VALID 0".ljust(80) * 3
    (bench / "x.mpkb").write_bytes(w.endorsed(w.sealed(), w.STRANGER, "concur", statement=statement).to_bytes())
    terminal, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    arguments = ["verify", str(bench / "x.mpkb"), "--key", str(bench / "bert.pub.pem"), "--no-receipt"]
    child = subprocess.Popen(
        [sys.executable, "-m", "mpk_tui", *arguments, "--show-untrusted"], stdin=end, stdout=end, stderr=end
    )
    os.close(end)
    shown = b""
    while True:
        try:
            more = os.read(terminal, 1 << 16)
        except OSError:  # Linux says so when the other end is closed
            break
        if not more:
            break
        shown += more
    os.close(terminal)
    assert child.wait() == CODES["UNTRUSTED"]
    lines = shown.decode().splitlines()
    assert all(len(line) < 80 for line in lines)
    assert [line for line in lines if line.startswith("VERDICT")] == ["VERDICT UNTRUSTED 11"]
    assert sum("VERDICT VALID 0" in line for line in lines) >= 3


def test_a_second_key_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "b.mpkb").write_bytes(w.sealed().to_bytes())
    (tmp_path / "k.pem").write_bytes(pem(w.ANNA.public))
    key = str(tmp_path / "k.pem")
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(tmp_path / "b.mpkb"), "--key", key, "--key", key])
    assert ended.value.code == 2
    assert "given twice" in capsys.readouterr().err


def test_a_missing_signature_is_not_called_a_difference_of_bytes() -> None:
    from dataclasses import replace

    two = w.sealed(None, w.ANNA, w.BERT)
    waiting = w.check(replace(two, signatures=two.signatures[:1]))
    assert waiting.verdict.value == "ALTERED"
    assert "Not everybody who is declared has signed" in waiting.words
    broken = replace(two, signatures=tuple(replace(s, sig=bytes(64)) for s in two.signatures))
    assert "The bytes differ" in w.check(broken).words
