"""Files are written whole or not at all."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from mpk_tui.errors import StorageError
from mpk_tui.files import write_file


def test_writes_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "a.mpkf"
    write_file(target, b"one")
    write_file(target, b"two", mode=0o600)
    assert target.read_bytes() == b"two"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["a.mpkf"]


def test_does_not_write_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    link = tmp_path / "link"
    link.symlink_to(victim)
    with pytest.raises(StorageError, match="symbolic link"):
        write_file(link, b"new")
    assert victim.read_bytes() == b"untouched"
    assert link.is_symlink()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"is a folder"):
        write_file(tmp_path, b"x")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    target = tmp_path / "absent" / "a"
    with pytest.raises(StorageError) as caught:
        write_file(target, b"x")
    assert str(target) in caught.value.diagnosis()


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a"
    write_file(target, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        # Python ignores SIGXFSZ, so that the kernel's refusal arrives as an error half way through.
        with pytest.raises(StorageError, match="cannot be written"):
            write_file(target, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="cannot be written"):
            write_file(tmp_path / "a", b"x")
    finally:
        tmp_path.chmod(0o700)
