"""Hops of C5: a chain, or why they are none."""

from __future__ import annotations

import pytest

from mpk_tui.constitution import hops
from mpk_tui.constitution.answers import Hop
from mpk_tui.constitution.norm import load

NORM = load()


def test_a_chain_has_no_faults() -> None:
    assert hops.faults(NORM, [Hop("a", "m", "c1"), Hop("m", "n", "c4"), Hop("n", "b", "c3")]) == ()


@pytest.mark.parametrize("given", [(), (Hop("a", "b", "c1"),)])
def test_fewer_than_two_hops_are_no_chain(given: tuple[Hop, ...]) -> None:
    (fault,) = hops.faults(NORM, given)
    assert "at least two" in fault


def test_every_gap_is_named() -> None:
    found = hops.faults(NORM, [Hop("a", "m", "c1"), Hop("x", "n", "c1"), Hop("y", "b", "c5")])
    assert found == (
        "the hops of C5 do not join: m and x",
        "the hops of C5 do not join: n and y",
        "a hop of C5 names 'c5'; each hop is one of C1 to C4",
    )


@pytest.mark.parametrize("condition", ["", "3.2", "C1", "c9", "c5"])
def test_a_hop_is_one_of_the_first_four(condition: str) -> None:
    assert len(hops.faults(NORM, [Hop("a", "m", "c1"), Hop("m", "b", condition)])) == 1
