"""Options of the whole suite: where the test vectors of other projects lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several workers that each use every core for one product spend their time waiting for each other.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


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


@pytest.fixture(autouse=True)
def own_receipts(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What one test verified, another does not remember."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield
