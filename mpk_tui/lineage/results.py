"""What a test family found, layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpk_tui.lineage.rowtest import RowTest, log_fisher

LAYER_P = 1e-3
"""A layer counts as matched from this p on."""


@dataclass(frozen=True)
class LayerResult:
    """One pair of layers or of experts.

    Attributes:
        a: Layer of A, -1 where the test speaks of the model as a whole.
        b: Layer of B.
        test: The result.
        log_p: Logarithm of the p-value after multiplying by the number of candidates.
        expert_a: Expert of A, -1 for a dense layer.
        expert_b: Expert of B.
    """

    a: int
    b: int
    test: RowTest
    log_p: float
    expert_a: int = -1
    expert_b: int = -1

    @property
    def group(self) -> tuple[int, int]:
        """Results of one group are independent of each other under H0-ind; experts of one layer need not be."""
        return self.expert_a, self.expert_b


@dataclass(frozen=True)
class UnitTest:
    """One form over all layers.

    Attributes:
        form: Its name, such as ``ffn.aligned``.
        layers: Results, empty if the test could not be run.
        log_p: Combination over layers, natural logarithm.
        reason: Why it was not run, or an empty string.
        source: ``weights`` or ``fingerprints``.
        params: What was chosen.
    """

    form: str
    layers: tuple[LayerResult, ...]
    log_p: float
    reason: str
    source: str
    params: dict[str, Any]

    @property
    def ran(self) -> bool:
        """Whether there is a result."""
        return bool(self.layers)

    @property
    def matched(self) -> float:
        """Share of layers at p <= `LAYER_P`."""
        return sum(r.log_p <= math.log(LAYER_P) for r in self.layers) / len(self.layers) if self.layers else 0.0

    @property
    def rho(self) -> float:
        """Mean correlation over layers."""
        return float(np.mean([r.test.rho for r in self.layers])) if self.layers else 0.0

    @property
    def z(self) -> float:
        """Median z over layers."""
        return float(np.median([r.test.z for r in self.layers])) if self.layers else 0.0


def not_run(form: str, reason: str) -> UnitTest:
    """A test that could not be run, and why."""
    return UnitTest(form, (), 0.0, reason, "", {})


def combine(results: list[LayerResult], twice: frozenset[tuple[int, int]] = frozenset()) -> float:
    """Fisher over layers within a group, Bonferroni over groups.

    Layers are independent under H0-ind.  Experts of one layer are not if they were copied from one dense layer before
    training, on either side; so each expert is a group of its own.

    Args:
        results: All pairs.
        twice: Pairs of layers to leave out because both sides repeat an earlier layer there: such pairs are copies of
            one another, and counting them again would make chance look like proof.
    """
    groups: dict[tuple[int, int], list[float]] = {}
    for r in results:
        if (r.a, r.b) not in twice:
            groups.setdefault(r.group, []).append(r.log_p)
    if not groups:
        return 0.0
    return min(0.0, min(log_fisher(ps) for ps in groups.values()) + math.log(len(groups)))


def join(tests: list[RowTest]) -> RowTest:
    """One result from parts that are independent under the null: Fisher for p, sums for z and rho."""
    # z = T / s for each part; with equal weights the sum of z has variance n.
    z = sum(t.z for t in tests) / math.sqrt(len(tests))
    rho = float(np.mean([t.rho for t in tests]))
    return RowTest(
        z, rho, log_fisher([t.log_p for t in tests]), any(t.bound for t in tests), sum(t.units for t in tests)
    )
