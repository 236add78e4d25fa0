"""Does a second copy of the weights in a folder (``pytorch_model.bin`` beside safetensors) hold the same tensors?"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.floats import round_to
from mpk_tui.checkpoint.model import COLUMN_MAJOR, Checkpoint, Part
from mpk_tui.fingerprint.hashing import Hashes, TensorHash
from mpk_tui.progress import CancelToken

_NAMED = 20
_FLOATS = {"BF16": 0, "F16": 1, "F32": 2}
_BLOCK = 1 << 22
"""Elements compared at a time."""
_SHARD = re.compile(r"-[0-9]{1,6}-of-[0-9]{1,6}(?=\.)")


@dataclass(frozen=True)
class Twin:
    """How one second copy compares with the weights that were read.

    Attributes:
        name: Its file, or what its shards have in common.
        equal: Tensors whose bytes, type and shape are equal, under whatever name.
        converted: Tensors whose values are equal, if need be after rounding the wider type to the narrower one.
        differ: Names of tensors whose bytes or shapes differ, sorted.
        only_twin: Names of tensors that only the copy has, sorted.
        only_model: Names of tensors that only the weights have, sorted.
    """

    name: str
    equal: int
    converted: int
    differ: tuple[str, ...]
    only_twin: tuple[str, ...]
    only_model: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Nothing speaks against its being a copy; tied tensors may be left out of it."""
        return not self.differ and not self.only_twin and (self.equal + self.converted) > 0

    def sentence(self) -> str:
        """In words, for a notice."""
        parts = [f"{self.equal} tensors equal"]
        if self.converted:
            parts.append(f"{self.converted} equal in value but stored in another type or order")
        for count, what, names in (
            (len(self.differ), "differ", self.differ), (len(self.only_twin), "only there", self.only_twin),
            (len(self.only_model), "not there", self.only_model),
        ):  # fmt: skip
            if count:
                parts.append(f"{count} {what} ({', '.join(n[:200] for n in names[:3])}{', …' if count > 3 else ''})")
        verdict = (
            "agrees with the weights that were read" if self.agrees else "is NOT a copy of the weights that were read"
        )
        return f"{self.name} {verdict}: {', '.join(parts)}"

    def plain(self) -> dict[str, Any]:
        """For the record."""
        return {
            "name": self.name, "agrees": self.agrees, "equal": self.equal, "converted": self.converted,
            "differ": len(self.differ), "only_twin": len(self.only_twin), "only_model": len(self.only_model),
            "differing": list(self.differ[:_NAMED]),
        }  # fmt: skip


def compare_twins(checkpoint: Checkpoint, hashes: Hashes, cancel: CancelToken) -> tuple[Twin, ...]:
    """Hold every second copy against the weights, shards of one copy together.

    Args:
        checkpoint: Whose copies they are.
        hashes: With the tensors of the copies.
        cancel: Polled between tensors whose values are read because bytes cannot compare them.
    """
    copies: dict[str, list[TensorHash]] = {}
    for path, tensors in sorted(hashes.twins.items()):
        copies.setdefault(_SHARD.sub("", path), []).extend(tensors)
    if not copies:
        return ()
    plain = {t.name: t for tensors in checkpoint.twins.values() for t in tensors}
    with (
        WeightReader(replace(checkpoint, derived={})) as own,
        WeightReader(replace(checkpoint, tensors=plain, derived={})) as other,
    ):

        def same(mine: TensorHash, theirs: TensorHash) -> bool:
            cancel.check()
            return _same_values(own, mine, other, theirs)

        return tuple(_compare(name, listed, hashes.tensors, same) for name, listed in copies.items())


def _same_values(own: WeightReader, mine: TensorHash, other: WeightReader, theirs: TensorHash) -> bool:
    """Equal floats, the wider rounded to the narrower; one row block after the other."""
    a, b = mine.dtype.removesuffix(COLUMN_MAJOR), theirs.dtype.removesuffix(COLUMN_MAJOR)
    if not {a, b} <= _FLOATS.keys() or {a, b} == {"F16", "BF16"}:
        return False
    narrow = min(a, b, key=lambda t: _FLOATS[t])
    part = Part(mine.name)
    rows = mine.shape[0] if mine.shape else 1
    step = max(1, _BLOCK * rows // max(1, mine.elements))
    for start in range(0, rows, step):
        stop = min(rows, start + step)
        x, y = own.rows(part, start, stop), other.rows(part, start, stop)
        if narrow != a:
            x = round_to(x, narrow)
        if narrow != b:
            y = round_to(y, narrow)
        if not np.array_equal(x, y, equal_nan=True):
            return False
    return True


def _compare(
    name: str, tensors: list[TensorHash], model: tuple[TensorHash, ...], same: Callable[[TensorHash, TensorHash], bool]
) -> Twin:
    by_name = {t.name: t for t in model}
    contents = {(t.dtype, t.shape, t.sha256) for t in model}
    theirs = {(t.dtype, t.shape, t.sha256) for t in tensors}
    equal = converted = 0
    differ, only_twin = [], []
    for t in tensors:
        own = by_name.get(t.name)
        if (t.dtype, t.shape, t.sha256) in contents and (own is None or own.sha256 == t.sha256):
            equal += 1
        elif own is None:
            only_twin.append(t.name)
        elif own.shape == t.shape and own.dtype != t.dtype and same(own, t):
            converted += 1
        else:
            differ.append(t.name)
    named = {t.name for t in tensors}
    only_model = [t.name for t in model if t.name not in named and (t.dtype, t.shape, t.sha256) not in theirs]
    return Twin(name, equal, converted, tuple(sorted(differ)), tuple(sorted(only_twin)), tuple(sorted(only_model)))
