"""The same sources give the same wheel, byte for byte, wherever they lie; and its code digest needs none of our code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "verifying-the-verifier.md"
BUILD = "import sys, setuptools.build_meta as b; b.build_wheel(sys.argv[1])"


def modern_setuptools() -> bool:
    try:
        import setuptools
    except ImportError:
        return False
    return int(setuptools.__version__.split(".")[0]) >= 77


def built(folder: Path, **env: str) -> Path:
    """A wheel from a copy of the sources in ``folder``."""
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "mpk_tui", folder / "mpk_tui", ignore=skipped)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, folder / name)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    out = folder / "out"
    out.mkdir()
    made = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000", **env}, umask=0o022,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.mark.skipif(not modern_setuptools(), reason="building a wheel needs setuptools 77 or newer")
def test_the_same_sources_give_the_same_wheel(tmp_path: Path) -> None:
    one = built(tmp_path / "one")
    two = built(tmp_path / "another place" / "deeper", TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7")
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()
    three = built(tmp_path / "three")
    assert three.read_bytes() == one.read_bytes()
    assert digest_by_the_page(three, tmp_path) == code_digest()


def test_the_page_computes_the_code_digest_of_a_wheel_without_our_code(tmp_path: Path) -> None:
    wheel = tmp_path / "mpk_tui-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("mpk_tui-0.dist-info/METADATA", "Name: mpk-tui")
        for path in sorted((ROOT / "mpk_tui").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                z.write(path, path.relative_to(ROOT).as_posix())
    assert digest_by_the_page(wheel, tmp_path) == code_digest()
    with zipfile.ZipFile(wheel, "a") as z:
        z.writestr("mpk_tui/planted.py", "")
    assert digest_by_the_page(wheel, tmp_path) != code_digest()


def digest_by_the_page(wheel: Path, tmp_path: Path) -> str:
    """What the script in the page prints, run without this package at hand."""
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert "mpk_tui." not in script.replace("mpk_tui/", "")
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, str(wheel)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def code_digest() -> str:
    from mpk_tui.bundle import toolfacts

    return toolfacts.code_digest().hex()
