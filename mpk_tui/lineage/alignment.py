"""Putting the residual stream of one model into the basis of another, where it was permuted, flipped, rotated or cut.

The two token embeddings, over the tokens that both vocabularies share, say how: dimensions of a permuted stream find
each other as mutual nearest neighbours; any other turn is the orthogonal Procrustes problem (Schönemann 1966), whose
solution is the polar factor of E_A^T E_B.  Nothing here is a test.  It serves the discriminator, which needs body
matrices in one basis: comparing them through embeddings instead, matrix times embedding, lets what two runs learn alike
about tokens pass for a common past (docs/adr/0008-retention-after-alignment.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpk_tui.fingerprint.spectra import tame
from mpk_tui.fingerprint.units import Floats
from mpk_tui.lineage.sides import Weights
from mpk_tui.lineage.sources import shared_anchors

MOST_TOKENS = 16_384
WIDEST = 4096
"""Residual width beyond which no turn is looked for."""
_PERMUTED = 0.95
"""Share of dimensions that must be each other's nearest for the turn to be called a permutation."""


@dataclass(frozen=True)
class Turn:
    """How A's residual basis becomes B's.

    Attributes:
        matrix: (width of A, width of B) float32, orthonormal columns or rows.
        kind: ``permuted`` (signs included) or ``turned``.
        tokens: Shared tokens that it rests on.
        fit: Correlation of the two embeddings after turning.
    """

    matrix: Floats
    kind: str
    tokens: int
    fit: float


def residual_turn(a: Weights, b: Weights) -> Turn | str:
    """The turn between two residual streams, or why none can be found."""
    wide = max(a.arch.width, b.arch.width)
    if not wide or wide > WIDEST:
        return f"residual streams of width {a.arch.width} and {b.arch.width} are not aligned (at most {WIDEST})"
    anchors = shared_anchors(a, b, min(MOST_TOKENS, 8 * wide))
    if isinstance(anchors, str):
        return anchors
    tokens = len(anchors[0].names)
    if tokens < 2 * wide:
        return f"{tokens} shared tokens are too few to align residual streams of width {wide}"
    x = _centred(a.reader.select(a.arch.roles["embed.tokens", -1], anchors[0].rows))
    y = _centred(b.reader.select(b.arch.roles["embed.tokens", -1], anchors[1].rows))
    if x.shape[1] != a.arch.width or y.shape[1] != b.arch.width:
        return "token embeddings are not as wide as the residual stream"
    matrix, kind = _permutation(x, y), "permuted"
    if matrix is None:
        u, _, vt = np.linalg.svd(x.T @ y, full_matrices=False)
        matrix, kind = (u @ vt).astype(np.float32), "turned"
    turned = x @ matrix
    size = float(np.linalg.norm(turned) * np.linalg.norm(y))
    return Turn(matrix, kind, tokens, float(np.einsum("ij,ij->", turned, y, dtype=np.float64)) / size if size else 0.0)


def _centred(table: Floats) -> Floats:
    table = tame(table)
    out: Floats = table - table.mean(axis=0)
    return out


def _permutation(x: Floats, y: Floats) -> Floats | None:
    """Mutual nearest dimensions with their signs, or None where too few find each other."""
    cross = _normed(x).T @ _normed(y)
    size = np.abs(cross)
    of_x, of_y = size.argmax(axis=1), size.argmax(axis=0)
    rows = np.flatnonzero(of_y[of_x] == np.arange(len(of_x)))
    if len(rows) < _PERMUTED * min(cross.shape):
        return None
    out = np.zeros(cross.shape, dtype=np.float32)
    out[rows, of_x[rows]] = np.sign(cross[rows, of_x[rows]])
    return out


def _normed(x: Floats) -> Floats:
    norm = np.sqrt(np.einsum("ij,ij->j", x, x, dtype=np.float64)).astype(np.float32)
    out: Floats = x * np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)
    return out
