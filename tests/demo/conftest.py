from __future__ import annotations

import contextlib
import io

import pytest
from demo_run import Ran

from mpk_tui.cli import main


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    out = tmp_path_factory.mktemp("demo") / "a folder"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main(["demo", "--out", str(out)])
    return Ran(code, out, printed.getvalue())
