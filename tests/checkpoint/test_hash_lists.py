"""Hash lists: every form people write, and what is refused with its line."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mpk_tui.checkpoint.folder import list_folder
from mpk_tui.checkpoint.hash_check import Checked, check, digest_files, find_prefix
from mpk_tui.checkpoint.hash_lists import MAX_LINE, parse, read_list, write_list
from mpk_tui.errors import CancelledError, LimitError, MalformedError, UnsupportedError, UsageError
from mpk_tui.progress import CancelToken

A = b"weights"
SHA = hashlib.sha256(A).hexdigest()
MD5 = hashlib.md5(A, usedforsecurity=False).hexdigest()
SHA1 = hashlib.sha1(A, usedforsecurity=False).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "sub").mkdir(parents=True)
    (root / "w.bin").write_bytes(A)
    (root / "sub" / "b c.txt").write_bytes(b"other")
    return root


def held(root: Path, text: str | bytes) -> Checked:
    data = text if isinstance(text, bytes) else text.encode()
    (found,) = check([parse(data, "L")], list_folder(root), root)
    return found


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        (f"{SHA}  w.bin\n", "sha256"), (f"{SHA} *w.bin\r\n", "sha256"), (f"{SHA.upper()}  ./w.bin", "sha256"),
        (f"{SHA} w.bin\n", "sha256"), (f"SHA256 (w.bin) = {SHA}\n", "sha256"), (f"sha256:{SHA}  w.bin\n", "sha256"),
        (f"\ufeff{SHA}  w.bin\n", "sha256"), (f"# a comment\n\n{MD5}  w.bin\n", "md5"),
        (f"MD5 (w.bin) = {MD5}\n", "md5"), (f"{SHA1}  w.bin\n", "sha1"), (f"SHA2-256(w.bin)= {SHA}\n", "sha256"),
        (f"{hashlib.sha512(A).hexdigest()}  w.bin\n", "sha512"), (f"{hashlib.sha384(A).hexdigest()}  w.bin", "sha384"),
        (f"BLAKE2b (w.bin) = {hashlib.blake2b(A).hexdigest()}\n", "blake2b"),
    ],
)  # fmt: skip
def test_every_form_of_a_line(folder: Path, text: str, algorithm: str) -> None:
    found = held(folder, text)
    (row,) = found.rows
    assert (row.status, row.path, row.sha256, list(row.line.digests)) == ("matches", "w.bin", SHA, [algorithm])
    assert row.proof == (algorithm not in ("md5", "sha1"))
    assert [d.path for d in found.unlisted] == ["sub/b c.txt"]


def test_a_changed_file_differs_in_every_form(folder: Path) -> None:
    lists = [
        f"{SHA}  w.bin",
        f"{MD5}  w.bin",
        f"%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename\n7,{MD5},{SHA},w.bin\n",
    ]
    (folder / "w.bin").write_bytes(b"Weights")
    for text in lists:
        (row,) = held(folder, text).differing
        assert row.sha256 == hashlib.sha256(b"Weights").hexdigest()


def test_weak_digests_never_prove(folder: Path) -> None:
    found = held(folder, f"{MD5}  w.bin\n")
    assert found.weak == found.rows
    assert "proves no identity" in found.sentence
    assert "no proof of identity" in found.rows[0].note
    mixed = held(folder, f"%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename\n## x\n7,{MD5},{SHA},w.bin\n")
    assert mixed.rows[0].proof
    assert not mixed.weak


def test_hashdeep_size_and_one_of_two_digests(folder: Path) -> None:
    head = "%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename\n"
    assert held(folder, f"{head}8,{MD5},{SHA},w.bin\n").differing[0].note == "7 bytes, the list says 8"
    (row,) = held(folder, f"{head}7,{MD5},{'0' * 64},w.bin\n").differing
    assert row.note == "sha256 differs; md5 agrees"
    tiger = held(folder, f"%%%% HASHDEEP-1.0\n%%%% size,tiger,sha256,filename\n7,{'0' * 48},{SHA},w.bin\n")
    assert tiger.rows[0].proof
    assert "tiger" in tiger.list.notices[0]


def test_names_without_a_file_and_files_without_a_name(folder: Path) -> None:
    found = held(folder, f"{SHA}\n{'1' * 64}\n{SHA}  gone.bin\n{'2' * 64}  W.BIN\n")
    by_content, nothing, moved, case = found.rows
    assert (by_content.status, by_content.path) == ("matches", "w.bin")
    assert (nothing.status, moved.status, case.status) == ("missing", "missing", "missing")
    assert moved.note == "the same content lies in w.bin"
    assert "differs in case only" in case.note


def test_names_from_further_up(folder: Path) -> None:
    for prefix in ("/evidence/disk/model/", "model/", "C:\\\\ev\\\\model\\\\".replace("\\\\", "\\")):
        found = held(folder, f"{SHA}  {prefix}w.bin\n{'0' * 64}  {prefix}sub/b c.txt\n".replace("\\sub/", "\\sub\\"))
        assert [r.status for r in found.rows] == ["matches", "differs"], prefix
        assert found.prefix.endswith("model/")
    assert find_prefix(["a/w", "b/w"], ["w"]) == ""
    assert find_prefix(["a/a/w"], ["w", "a/w"]) == "a/"


def test_links_are_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(A)
    (folder / "l").symlink_to(tmp_path / "outside")
    (row,) = held(folder, f"{SHA}  l\n").rows
    assert (row.status, row.note, row.sha256) == ("missing", "is a link, which is not read", "")


@pytest.mark.parametrize(
    ("text", "where", "fault"),
    [
        (f"{SHA}  ok\n{SHA}  ../up\n", "line 2", "climbs out"),
        (f"{SHA}  a/../../up\n", "line 1", "climbs out"),
        (f"{SHA}  ./\n", "line 1", "names no file"),
        ("hello world\n", "line 1", "no line of a hash list"),
        (f"{SHA}x  a\n", "line 1", "no line of a hash list"),
        (f"{SHA[:50]}  a\n", "line 1", "belongs to no algorithm"),
        (f"SHA256 (a) = {MD5}\n", "line 1", "has 64 hex digits"),
        (f"{SHA}  a\n{'0' * 64}  ./a\n", "line 2", "another sha256"),
        (f"\\{SHA}  a\\q\n", "line 1", "no escape"),
        (f"\\{SHA}  a\\\n", "line 1", "no escape"),
        (f"{SHA}  a\0b\n", "line 1", "zero byte"),
        ("", "L", "states no digest"),
        ("# nothing\n", "L", "states no digest"),
        ("%%%% HASHDEEP-1.0\n7,x,a\n", "line 2", "before the line of column names"),
        ("%%%% HASHDEEP-1.0\n%%%% md5,filename\n", "line 2", "column names"),
        (f"%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n-1,{MD5},a\n", "line 3", "no number of bytes"),
        (f"%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n{'9' * 5000},{MD5},a\n", "line 3", "no number of bytes"),
        ("%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n1,zz,a\n", "line 3", "no hex"),
        ("%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n1\n", "line 3", "1 columns"),
        (f"%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n1,{MD5},a\n2,{MD5},a\n", "line 4", "another size"),
    ],
)
def test_refused_with_its_line(text: str, where: str, fault: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse(text.encode(), "L")
    assert where in (caught.value.where or "")
    assert fault in caught.value.what


def test_refused_as_unknown_or_too_large() -> None:
    for text in (f"TIGER (a) = {SHA}", "%%%% HASHDEEP-2.0\n", "%%%% HASHDEEP-1.0\n%%%% size,crc,filename\n"):
        with pytest.raises(UnsupportedError):
            parse(text.encode(), "L")
    for text in (f"{SHA}  {'a' * MAX_LINE}", "\n" * 100_001):
        with pytest.raises(LimitError):
            parse(text.encode(), "L")
    with pytest.raises(MalformedError, match="UTF-16"):
        parse(b"\xff\xfe\x00\xd8x", "L")


def test_notices_are_bounded() -> None:
    found = parse("".join(f"{SHA}  {'aA'[n % 2]}{n // 2}\n" for n in range(100)).encode(), "L")
    assert len(found.notices) == 21
    assert found.notices[-1] == "30 more names differ in case only"


def test_odd_but_no_error() -> None:
    found = parse(f"{SHA}  a\r\n{SHA}  a\r\n{SHA}  A\r\n".encode(), "L")
    assert [x.name for x in found.lines] == ["a", "A"]
    assert found.notices == ("lines end in CR LF", "'a' and 'A' differ in case only", "1 lines repeat others")
    wide = parse(f"{SHA}  a\r\n".encode("utf-16"), "L")
    assert wide.lines[0].name == "a"
    assert "UTF-16" in wide.notices[0]
    signed = parse(
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{SHA}  a\n-----BEGIN PGP SIGNATURE-----\nxx\n".encode(),
        "L",
    )
    assert signed.lines[0].name == "a"
    assert "not checked" in signed.notices[0]


NAMES = [
    b"plain",
    b"with  blanks ",
    b"back\\slash",
    b"line\nfeed",
    b"cr\r",
    b"\xff\xfe.bin",
    b"-",
    b"*star",
    b"comma,x",
]


def test_round_trip_with_coreutils(tmp_path: Path) -> None:
    root = tmp_path / "odd"
    root.mkdir()
    for n, name in enumerate(NAMES):
        try:
            Path(os.fsdecode(os.path.join(os.fsencode(root), name))).write_bytes(b"x" * n)
        except OSError:
            pytest.skip("this file system refuses such names")
    files = list_folder(root)
    made = digest_files(files, root, ["md5"])
    data = write_list(made.values(), "sha256sums")
    (found,) = check([parse(data, "L")], files, root)
    assert {r.status for r in found.rows} == {"matches"}
    assert len(found.rows) == len(NAMES)
    assert not found.unlisted
    with pytest.raises(UsageError, match="hashdeep"):
        write_list(made.values(), "hashdeep")
    plain = [d for d in made.values() if "\n" not in d.path and "\r" not in d.path]
    (deep,) = check([parse(write_list(plain, "hashdeep"), "L")], files, root)
    assert {r.status for r in deep.rows} == {"matches"}
    assert len(deep.unlisted) == 2
    if shutil.which("sha256sum"):
        (tmp_path / "L").write_bytes(data)
        subprocess.run(["sha256sum", "-c", "--strict", "--quiet", str(tmp_path / "L")], cwd=root, check=True)
        for options in ([], ["--tag"], ["-b"]):
            told = subprocess.run(
                [b"sha256sum", *[o.encode() for o in options], b"--", *[b"./" + n for n in NAMES]],
                cwd=root, check=True, capture_output=True,
            ).stdout  # fmt: skip
            (found,) = check([parse(told, "L")], files, root)
            assert {r.status for r in found.rows} == {"matches"}
            assert not found.unlisted


def test_cancelled_and_read_from_disk(folder: Path, tmp_path: Path) -> None:
    stop = CancelToken()
    stop.cancel()
    with pytest.raises(CancelledError):
        digest_files(list_folder(folder), folder, (), stop)
    (tmp_path / "SHA256SUMS").write_text(f"{SHA}  w.bin\n")
    made = read_list(tmp_path / "SHA256SUMS")
    assert made.source == "SHA256SUMS"
    assert made.sha256 == hashlib.sha256((tmp_path / "SHA256SUMS").read_bytes()).hexdigest()
