"""What the tests lean on: steps are counted the same everywhere, and the table of heavy files names files."""

from __future__ import annotations

from pathlib import Path

import pytest
from counted import within


def times(n: int) -> int:
    done = 0
    for _ in range(n):
        done += 1
    return done


def test_steps_are_counted_and_what_runs_on_is_stopped() -> None:
    assert within(1000, lambda: times(100)) == 100
    with pytest.raises(pytest.fail.Exception, match="more than 1000 lines of Python"):
        within(1000, lambda: times(1000))
    with pytest.raises(pytest.fail.Exception, match="more than 1000 lines"):
        within(1000, lambda: times(1 << 60))


def test_files_that_start_first_are_there() -> None:
    tree = Path(__file__).parents[1]
    assert [
        row
        for row in (tree / "tests" / "weights.txt").read_text().splitlines()
        if not (tree / row.split()[1]).is_file()
    ] == []
