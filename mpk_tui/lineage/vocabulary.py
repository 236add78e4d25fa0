"""What became of the vocabulary: shared token strings, and whether their rows were inherited."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpk_tui.fingerprint.units import Floats, anchor_strings, choose_anchors
from mpk_tui.lineage.sides import Side

ROWS = 1024
"""Shared strings whose rows are compared, those with the smallest SHA-256."""
_GRAM = 256
"""Rows whose inner products are compared where rows themselves cannot be."""


@dataclass(frozen=True)
class Vocabulary:
    """Two vocabularies beside each other.

    Attributes:
        size_a: Tokens of A.
        size_b: Tokens of B.
        rows_a: Rows of A's table, 0 if it is not at hand.
        rows_b: Of B's.
        shared: Ordinary strings that occur once in both, None where the strings are not at hand.
        only_a: Ordinary strings of A that B has not.
        only_b: Of B that A has not.
        same_number: Shared strings that also have the same number.
        inherited: Median correlation of the rows of shared strings, or of their inner products.
        by: What was correlated: ``rows``, ``inner products`` or an empty string.
        shuffled: The same with the strings of one side shuffled: what unrelated rows score.
        by_number: Median correlation of rows with the same number, whatever their strings; None where widths differ.
    """

    size_a: int
    size_b: int
    rows_a: int = 0
    rows_b: int = 0
    shared: int | None = None
    only_a: int = 0
    only_b: int = 0
    same_number: int = 0
    inherited: float | None = None
    by: str = ""
    shuffled: float | None = None
    by_number: float | None = None

    @property
    def share(self) -> float | None:
        """Shared strings as a share of the smaller vocabulary."""
        total = min(self.shared + self.only_a, self.shared + self.only_b) if self.shared is not None else 0
        return self.shared / total if self.shared is not None and total else None


def compare(a: Side, b: Side) -> Vocabulary | None:
    """Compare vocabularies; None where they are the same list (and tables of the same length), or unknown.

    Args:
        a: One side; a fingerprint alone gives sizes only.
        b: The other.
    """
    ta, tb = a.fingerprint.tokenizer, b.fingerprint.tokenizer
    rows_a, rows_b = _table_rows(a), _table_rows(b)
    longer = bool(rows_a and rows_b and rows_a != rows_b)
    if not longer and (not ta or not tb or ta.get("sha256") == tb.get("sha256")):
        return None
    sizes = int(ta.get("size") or 0), int(tb.get("size") or 0)
    if not (a.weights and b.weights and a.weights.checkpoint.tokenizer and b.weights.checkpoint.tokenizer):
        return Vocabulary(*sizes, rows_a, rows_b)
    limit_a = rows_a or sizes[0]
    limit_b = rows_b or sizes[1]
    strings_a = anchor_strings(a.weights.checkpoint.tokenizer, limit_a)
    strings_b = anchor_strings(b.weights.checkpoint.tokenizer, limit_b)
    shared = strings_a.keys() & strings_b.keys()
    same = sum(strings_a[s] == strings_b[s] for s in shared)
    counts = (len(shared), len(strings_a) - len(shared), len(strings_b) - len(shared), same)
    if not rows_a or not rows_b:
        return Vocabulary(*sizes, rows_a, rows_b, *counts)
    table_a, table_b = a.weights.arch.roles["embed.tokens", -1], b.weights.arch.roles["embed.tokens", -1]
    by_number = None
    width_a, width_b = a.weights.reader.shape(table_a)[1], b.weights.reader.shape(table_b)[1]
    if width_a == width_b:
        ids = np.unique(np.linspace(0, min(rows_a, rows_b) - 1, ROWS).astype(np.int64))
        by_number = _rows(a.weights.reader.select(table_a, ids), b.weights.reader.select(table_b, ids))
    inherited = shuffled = None
    by = ""
    if len(shared) >= 32:
        of_a, of_b = choose_anchors(shared, strings_a, ROWS), choose_anchors(shared, strings_b, ROWS)
        x, y = a.weights.reader.select(table_a, of_a.rows), b.weights.reader.select(table_b, of_b.rows)
        turned = np.roll(np.arange(len(x)), 1)
        if width_a == width_b:
            by, inherited, shuffled = "rows", _rows(x, y), _rows(x[turned], y)
        if inherited is None or inherited < 0.5:
            products = _products(x[:_GRAM], y[:_GRAM])
            if inherited is None or products > 0.5:
                by, inherited = "inner products", products
                shuffled = _products(x[turned][:_GRAM], y[:_GRAM])
    return Vocabulary(*sizes, rows_a, rows_b, *counts, inherited, by, shuffled, by_number)


def _table_rows(side: Side) -> int:
    if side.weights is None:
        return 0
    part = side.weights.arch.roles.get(("embed.tokens", -1))
    shape = side.weights.reader.shape(part) if part else ()
    return int(shape[0]) if len(shape) == 2 else 0


def _rows(x: Floats, y: Floats) -> float:
    """Median correlation of rows, the mean row taken off: all rows of a table lean one way."""
    a, b = _centred(x), _centred(y)
    norm = np.sqrt(np.einsum("ij,ij->i", a, a) * np.einsum("ij,ij->i", b, b))
    inner = np.einsum("ij,ij->i", a, b)
    good = norm > 0
    return float(np.median(inner[good] / norm[good])) if good.any() else 0.0


def _products(x: Floats, y: Floats) -> float:
    """Correlation of the inner products between rows, which no turning of the basis changes."""
    a, b = _centred(x), _centred(y)
    above = np.triu_indices(len(a), 1)
    p, q = (a @ a.T)[above], (b @ b.T)[above]
    p, q = p - p.mean(), q - q.mean()
    norm = float(np.sqrt((p @ p) * (q @ q)))
    return float(p @ q) / norm if norm > 0 else 0.0


def _centred(x: Floats) -> npt.NDArray[np.float64]:
    out = np.nan_to_num(x).astype(np.float64)
    out -= out.mean(axis=0)
    return out
