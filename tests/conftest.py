"""Options of the whole suite: where the test vectors of other projects lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several workers that each use every core for one product spend their time waiting for each other.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


WEIGHTS = Path(__file__).with_name("weights.txt")
"""Seconds that the heavy files of tests take: they start first, so that none is left running alone at the end."""


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # the default starts the files with the most tests first


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    rows = (line.split() for line in WEIGHTS.read_text().splitlines())
    seconds = {file: float(weight) for weight, file in rows}
    items.sort(key=lambda item: -seconds.get(item.nodeid.partition("::")[0], 0.0))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--vectors",
        metavar="DIR",
        default=os.environ.get("MPK_VECTORS") or None,
        help="folder with the test vectors of other projects, as --vectors=DIR (docs/CONTRIBUTING.md); default: $MPK_VECTORS; "
        "without it the tests that read them are skipped",
    )


@pytest.fixture(scope="session")
def vectors(pytestconfig: pytest.Config) -> Path:
    """The folder of other projects' vectors.  Not given: skip.  Given and not there: fail, for somebody meant it."""
    given = pytestconfig.getoption("--vectors")
    if given is None:
        pytest.skip("reads vectors of other projects; give their folder with --vectors=DIR (docs/CONTRIBUTING.md)")
    folder = Path(given)
    if not folder.is_dir():
        pytest.fail(f"--vectors (or MPK_VECTORS) names {given!r}, which is no folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Records of the self-test are kept in a folder of this run, never in that of the person who runs it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Receipts and the trust store lie in a folder of this run, never in that of the person who runs it."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def promised_cost() -> Iterator[dict[str, int]]:
    """What it costs to lock a key, by the names of the constants.

    Keys made in this process are locked with a thousandth of that: half a second each, several hundred times.  Tests of
    the cost itself make theirs under `full_cost`, and commands that run as processes of their own know nothing of this.
    """
    from mpk_tui.keys import private

    cheap = {"SCRYPT_N": 1 << 7, "PBKDF2_ROUNDS": 1000}
    real = {name: getattr(private, name) for name in cheap}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cheap.items():
            patch.setattr(private, name, value)
        yield real


@pytest.fixture
def full_cost(promised_cost: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are locked as those of people are."""
    from mpk_tui.keys import private

    for name, value in promised_cost.items():
        monkeypatch.setattr(private, name, value)


@pytest.fixture(scope="session")
def kept_fingerprints() -> Iterator[None]:
    """Comparisons take the fingerprint of a checkpoint from the first time that a folder of these bytes was measured."""
    from mpk_tui.checkpoint.model import Checkpoint
    from mpk_tui.fingerprint.record import Fingerprint
    from mpk_tui.lineage import sides

    made = sides.fingerprint
    kept: dict[bytes, Fingerprint] = {}

    def fingerprint(checkpoint: Checkpoint, *more: Any) -> Fingerprint:
        key = None if checkpoint.roots else _bytes_of(checkpoint.path, [checkpoint.format, *checkpoint.tensors])
        if key is None:
            return made(checkpoint, *more)
        if key not in kept:
            kept[key] = made(checkpoint, *more)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sides, "fingerprint", fingerprint)
        yield


def _bytes_of(folder: Path, more: list[str]) -> bytes | None:
    """A digest of the names and contents of a folder's files; None where it holds anything else, or is no folder."""
    digest = hashlib.sha256(repr(more).encode())
    if not folder.is_dir():
        return None
    for file in sorted(folder.iterdir()):
        if file.is_symlink() or not file.is_file():
            return None
        data = file.read_bytes()
        digest.update(repr((file.name, len(data))).encode() + data)
    return digest.digest()


@pytest.fixture(autouse=True)
def own_receipts(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What one test verified, another does not remember."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield
