"""Axes in character cells: where a value stands, and which round values are written beside it.  Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from mpk_tui.report.figure import number


@dataclass(frozen=True)
class Scale:
    """One axis.

    Attributes:
        low: Value at its beginning.
        high: Value at its end; greater than ``low``.
        log: Equal steps are equal factors; then both are positive.
    """

    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float | None:
        """Where a value stands between 0 and 1; None for what a logarithmic axis cannot hold."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            return None
        return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))

    def cell(self, value: float, cells: int) -> int | None:
        """The cell of so many in which a value is drawn; values beyond the ends are drawn at the ends."""
        share = self.share(value)
        return None if share is None else round(min(max(share, 0.0), 1.0) * (cells - 1))

    def ticks(self, most: int) -> list[float]:
        """Round values on the axis, at most so many."""
        if self.log:
            return _decades(self.low, self.high, most)
        step = _round_step((self.high - self.low) / max(1, most - 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [n * step for n in range(first, min(last, first + most - 1) + 1)]


def finite(values: Iterable[float | None]) -> list[float]:
    """What can be drawn at all: numbers below 1e300, so that differences stay finite too."""
    return [float(v) for v in values if v is not None and math.isfinite(v) and abs(v) < 1e300]


def scale_of(values: Iterable[float | None], *, log: bool = False, zero: bool = False) -> Scale:
    """An axis that holds all values.

    Args:
        values: What is drawn on it; what cannot be drawn is passed over.
        log: Logarithmic; only positive values count.
        zero: It must hold 0, as bars need.
    """
    known = [v for v in finite(values) if v > 0 or not log]
    if zero and not log:
        known.append(0.0)
    if not known:
        return Scale(1.0, 10.0, True) if log else Scale(0.0, 1.0)
    low, high = min(known), max(known)
    if log:
        return Scale(low, high, True) if high > low * 1.0001 else Scale(low / 2, high * 2, True)
    least = max(abs(low), abs(high)) * 1e-9 or 0.5
    if high - low < least:
        return Scale(low - least, high + least) if high else Scale(-0.5, 0.5)
    return Scale(low, high)


def rounded(scale: Scale, most: int) -> Scale:
    """The axis extended to its next tick at either end, where that costs little room."""
    if scale.log:
        return scale
    span = scale.high - scale.low
    step = _round_step(span / max(1, most - 1))
    low, high = math.floor(scale.low / step + 1e-9) * step, math.ceil(scale.high / step - 1e-9) * step
    return Scale(
        low if scale.low - low <= 0.15 * span else scale.low, high if high - scale.high <= 0.15 * span else scale.high
    )


def label(value: float, step: float = 0.0) -> str:
    """A value beside an axis, with as many digits as a step between ticks needs."""
    if value == 0 or abs(value) < abs(step) * 1e-6:
        return "0"
    if step and 1e-4 <= abs(value) < 1e6:
        # The fewest digits that are the value: 0.75 must not read 0.8.
        for digits in range(10):
            if abs(round(value, digits) - value) <= abs(step) * 1e-3:
                return f"{value:.{digits}f}"
    return number(value, 3)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1.0, 2.0, 5.0, 10.0):
        if rough <= factor * power * 1.0000001:
            return factor * power
    raise AssertionError("unreachable")


def _decades(low: float, high: float, most: int) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if first > last:
        return [low, high]
    every = max(1, math.ceil((last - first + 1) / max(1, most)))
    return [10.0**n for n in range(first, last + 1, every)]
