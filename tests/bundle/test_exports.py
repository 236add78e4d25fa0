"""``mpk-tui report``: what may leave a bundle, under which verdict, and how the command ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import workshop as w
from test_verify_command import CODES, HEAVY, MADE, PROBE

from mpk_tui import canonical, hashtree
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.cli import main
from mpk_tui.errors import UsageError
from mpk_tui.keys.public import pem
from mpk_tui.report.exports import FORMATS, choose

NAMES = {
    "dsse": "x.dsse.json", "in-toto": "x.intoto.json", "cyclonedx": "x.cdx.json", "hashdeep": "x.hashdeep",
    "sha256sums": "SHA256SUMS", "json": "x.json", "html": "x.html", "text": "x.txt", "report": "x.report.json",
}  # fmt: skip
ONE = {"hashdeep": ("--artifact", "S1"), "sha256sums": ("--artifact", "S1")}
BANNED = r"(?i)\b(copied|stolen|infring\w*|proves?|certified|compliant|cleared|original|unrelated|parent|child)\b"


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "anna.pub.pem").write_bytes(pem(w.ANNA.public))
    (tmp_path / "bert.pub.pem").write_bytes(pem(w.BERT.public))
    return tmp_path


def export(bench: Path, bundle: Envelope | bytes, format: str, *options: str, key: str = "anna") -> int:
    """Run the command into the file of that format's usual name."""
    (bench / "b.mpkb").write_bytes(bundle if isinstance(bundle, bytes) else bundle.to_bytes())
    out = bench / NAMES[format]
    arguments = ["report", str(bench / "b.mpkb"), "-o", str(out), "--key", str(bench / f"{key}.pub.pem")]
    return main([*arguments, *ONE.get(format, ()), *options])


def made(bench: Path, bundle: Envelope | bytes, format: str, *options: str, key: str = "anna") -> str:
    export(bench, bundle, format, *options, key=key)
    return (bench / NAMES[format]).read_text(encoding="utf-8")


def test_every_format_has_a_test_name() -> None:
    assert set(NAMES) == {f.name for f in FORMATS}
    assert {n: choose(f, None).name for n, f in NAMES.items()} == {n: n for n in NAMES}


@pytest.mark.parametrize("format", NAMES)
@pytest.mark.parametrize("word", [*MADE])
def test_what_leaves_and_how_it_ends(word: str, format: str, bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = export(bench, MADE[word](), format)
    captured = capsys.readouterr()
    assert code == CODES[word]
    assert captured.err.splitlines()[-1] == f"VERDICT {word} {code}"
    assert captured.out == ""
    assert (bench / NAMES[format]).exists() == (word in ("VALID", "PARTIAL", "INCONSISTENT"))
    assert not list(bench.glob(".*")), "nothing half-written stays"


@pytest.mark.parametrize("format", NAMES)
@pytest.mark.parametrize("word", ["UNTRUSTED", "REPLAY", "ALTERED", "MALFORMED"])
def test_untrusted_content_on_request_only_and_says_so(
    word: str, format: str, bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = export(bench, MADE[word](), format, "--show-untrusted")
    err = capsys.readouterr().err
    out = bench / NAMES[format]
    assert code == CODES[word]
    assert out.exists() == (word in ("UNTRUSTED", "REPLAY"))
    if out.exists():
        assert f"*** {word}: what follows is not to be relied on. ***" in err
        # The envelope has no room for words of ours; everything else carries them.
        assert (word in out.read_text()) == (format != "dsse")


@pytest.mark.parametrize("format", ["in-toto", "cyclonedx"])
def test_withheld_sections_are_named(format: str, bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = w.sealed()
    gone = ("answers", "evidence", "findings", "verdict", "notes", "docs", "doc.0")
    entries = w.items(whole, "log")
    entries[1] = [hashtree.sha256(canonical.encode(entries[1]))]
    assert export(bench, w.with_items(w.without_blob(whole, *gone), "log", entries), format) == CODES["PARTIAL"]
    err = capsys.readouterr().err
    strings = generated(json.loads((bench / NAMES[format]).read_text()))
    for sentence in (*(f"section {name} is withheld" for name in gone), "section log: 1 of 3 items are withheld"):
        assert sentence in strings
        assert f"note: {sentence}" in err


@pytest.mark.parametrize("gone", ["answers", "evidence", "findings", "verdict", "log", "docs", "tensors.S1"])
@pytest.mark.parametrize("format", NAMES)
def test_any_section_may_be_withheld(format: str, gone: str, bench: Path) -> None:
    extra = ("doc.0",) if gone == "docs" else ()
    assert export(bench, w.without_blob(w.sealed(), gone, *extra), format) == CODES["PARTIAL"]
    assert (bench / NAMES[format]).stat().st_size


@pytest.mark.parametrize("format", NAMES)
def test_nothing_is_overwritten(format: str, bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = bench / NAMES[format]
    out.write_text("mine")
    assert export(bench, w.sealed(), format) == CODES["INTERNAL"]
    err = capsys.readouterr().err
    assert out.read_text() == "mine"
    assert "never overwrites" in err
    assert err.splitlines()[-1] == "VERDICT INTERNAL 40"
    out.unlink()
    out.symlink_to(bench / "elsewhere")
    assert export(bench, w.sealed(), format) == CODES["INTERNAL"]
    assert not (bench / "elsewhere").exists()


@pytest.mark.parametrize("format", NAMES)
def test_standard_output_is_the_file(format: str, bench: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    (bench / "b.mpkb").write_bytes(w.sealed().to_bytes())
    arguments = ["report", str(bench / "b.mpkb"), "-o", "-", "--key", str(bench / "anna.pub.pem"), *ONE.get(format, ())]
    assert main([*arguments, "--format", format]) == 0
    captured = capsysbinary.readouterr()
    assert captured.err.splitlines()[-1] == b"VERDICT VALID 0"
    assert captured.out.endswith(b"\n")
    assert b"wrote" not in captured.err
    if format not in (*ONE, "html", "text"):
        assert isinstance(json.loads(captured.out), dict)
    assert main(arguments) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "x.pdf"], "has no ending that tells a format"),
        (["-o", "x.csv"], "dsse (*.dsse.json)"),
        (["-o", "x"], "has no ending"),
        (["-o", "-"], "Give --format"),
        (["-o", "x.json", "--format", "pdf"], "no format 'pdf'"),
        (["-o", "x.json", "--artifact", "S1"], "has no meaning"),
        (["-o", "x.hashdeep"], "the bundle has S1, R1"),
        (["-o", "SHA256SUMS", "--artifact", "../S1"], "no artifact '../S1'"),
    ],
)
def test_wrong_options(
    options: list[str], said: str, bench: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bench)
    (bench / "b.mpkb").write_bytes(w.sealed().to_bytes())
    before = sorted(bench.iterdir())
    assert main(["report", "b.mpkb", "--key", "anna.pub.pem", *options]) == 2
    assert said in capsys.readouterr().err
    assert sorted(bench.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "format"),
    [("A.DSSE.JSON", "dsse"), ("sha256sums", "sha256sums"), ("S1.sha256", "sha256sums"), ("dsse.json", "json"),
     ("b.intoto.json", "in-toto"), (".cdx.json", "cyclonedx")],
)  # fmt: skip
def test_endings(name: str, format: str) -> None:
    assert choose(name, None).name == format


@pytest.mark.parametrize("name", ["x.intoto.jsonl", "MYSHA256SUMS", "sha256", "", "x.json ", "hashdeep"])
def test_what_is_no_ending(name: str) -> None:
    with pytest.raises(UsageError):
        choose(name, None)


def test_a_file_that_is_no_bundle_or_is_not_there(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = bench / "x.json"
    key = str(bench / "anna.pub.pem")
    assert main(["report", str(bench / "absent.mpkb"), "-o", str(out), "--key", key]) == CODES["INTERNAL"]
    assert capsys.readouterr().err.splitlines()[-1] == "VERDICT INTERNAL 40"
    assert export(bench, b"", "json") == CODES["MALFORMED"]
    assert (
        main(["report", str(bench / "b.mpkb"), "-o", str(out), "--key", str(bench / "none.pem")]) == CODES["INTERNAL"]
    )
    assert export(bench, w.sealed(), "json", "--format", "json") == 0
    out.unlink()
    nowhere = str(bench / "no" / "x.json")
    assert main(["report", str(bench / "b.mpkb"), "-o", nowhere, "--key", key]) == CODES["INTERNAL"]
    assert capsys.readouterr().err.splitlines()[-1] == "VERDICT INTERNAL 40"


def generated(value: Any) -> list[str]:
    """All strings in a JSON value, keys too."""
    if isinstance(value, dict):
        return [*value, *(s for v in value.values() for s in generated(v))]
    if isinstance(value, list):
        return [s for v in value for s in generated(v)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("format", ["in-toto", "cyclonedx", "hashdeep", "sha256sums"])
@pytest.mark.parametrize("word", ["VALID", "PARTIAL", "INCONSISTENT", "UNTRUSTED"])
def test_no_word_says_more_than_was_measured(
    word: str, format: str, bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = made(bench, MADE[word](), format, "--show-untrusted")
    strings = [text] if format in ONE else generated(json.loads(text))
    assert [s for s in [*strings, *capsys.readouterr().err.splitlines()] if re.search(BANNED, s)] == []


def test_what_a_stranger_wrote_stays_one_line_and_moves_no_cursor(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J\u202eevil\r\n\u2028line"
    artifacts = w.contents().sections["artifacts"]
    artifacts[0]["label"] = evil
    files = w.checkpoint_section(
        w.file_row("plain", "x"),
        w.file_row(evil, "y"),
        {**w.file_row("pipe" + evil, ""), "kind": "other", "sha256": None},
    )
    bundle = w.sealed(w.contents(artifacts=artifacts, checkpoint__S1=files, locations__S1=None))
    for format in NAMES:
        raw = made(bench, bundle, format)
        assert not {"\x1b", "\u202e"} & set(raw) or format == "sha256sums"
        comments = [line for line in raw.split("\n") if line.startswith("#")]
        assert not {"\x1b", "\u202e", "\r", "\u2028"} & set("".join(comments))
        if format in ONE:
            rows = [line for line in raw.split("\n") if line and not line.startswith(("#", "%"))]
            assert len(rows) == (2 if format == "sha256sums" else 1)
    captured = capsys.readouterr()
    assert not {"\x1b", "\u202e", "\r", "\u2028"} & set(captured.out + captured.err)


def test_the_json_is_what_bundle_show_prints(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = json.loads(made(bench, w.sealed(), "json"))
    capsys.readouterr()
    main(["bundle", "show", str(bench / "b.mpkb"), "--key", str(bench / "anna.pub.pem"), "--json"])
    assert json.loads(capsys.readouterr().out) == mine
    assert mine["schema"] == "mpk-tui/bundle/1"


def test_exports_import_nothing_heavy(bench: Path) -> None:
    (bench / "b.mpkb").write_bytes(w.sealed().to_bytes())
    for format, name in NAMES.items():
        arguments = ["report", str(bench / "b.mpkb"), "-o", str(bench / name), "--key", str(bench / "anna.pub.pem")]
        done = subprocess.run(
            [sys.executable, "-c", PROBE.format(block="", heavy=HEAVY), *arguments, *ONE.get(format, ())],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "HEAVY []" in done.stderr


def test_trust_is_named_as_in_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path / "b.mpkb"), "-o", "-", "--key", "a.pem", "--key", "b.pem"])
    assert ended.value.code == 2
    assert "given twice" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    assert "--allow-stale-trust" in capsys.readouterr().out
