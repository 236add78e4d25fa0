"""What a model has learned, in little room: enough to run retention when the weights are gone.

For a few body matrices A = A_top + A_rest (K top singular triplets, and everything else) a fingerprint keeps
S_top = P^T A_top Q / ||A|| and S_rest = P^T A_rest Q / ||A|| with fixed random signs P and Q.  Inner products survive:
E mean(S_A * S_B) = <A, B> / (||A|| ||B||) with a standard deviation of about 1 / side for matrices without structure
(Johnson and Lindenstrauss 1984 for the idea, Achlioptas 2003 for signs).  Regressing one sketch on another cancels most
of the error where the two agree, see `mpk_tui.lineage.retention`.
"""

from __future__ import annotations

import numpy as np

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Architecture, Block
from mpk_tui.fingerprint.gauge import ROLES, body_matrix, gain_spread
from mpk_tui.fingerprint.record import Feature
from mpk_tui.fingerprint.spectra import STANDOUT, TRIPLETS, top_triplets
from mpk_tui.fingerprint.units import Floats
from mpk_tui.progress import CancelToken, Meter, Report

FEATURE = "retention"
SIDE = 128
"""Rows and columns of a sketch."""
SAMPLE = 1024
"""Longest side of the matrices that are sketched; a fixed sample of longer ones."""
MATRICES = 28
VERSION = 1


def compute(reader: WeightReader, arch: Architecture, report: Report, cancel: CancelToken) -> Feature | None:
    """Sketches of at most `MATRICES` body matrices, spread evenly over the layers."""
    todo = [(b, r) for b in chosen_blocks(arch) for r in ROLES]
    meter = Meter(report, "learned structure", len(todo), "matrices")
    names: list[list[str | int]] = []
    sketches: list[Floats] = []
    for block, role in todo:
        cancel.check()
        matrix = body_matrix(reader, arch, role, block, SAMPLE)
        meter.add(1, f"{role} {block}")
        if matrix is None or not matrix.any():
            continue
        top, rest, standing = split(matrix, len(names))
        names.append([role, block.layer, block.expert, *matrix.shape, standing])
        sketches.append(np.stack((top, rest)))
    if not names:
        return None
    array = np.stack(sketches).astype("<f2")
    spread = gain_spread(reader, arch)
    params = {
        "gain_spread": None if spread is None else float(f"{spread:.6g}"),
        "side": SIDE, "sample": SAMPLE, "triplets": TRIPLETS, "standout": STANDOUT, "matrices": names,
    }  # fmt: skip
    return Feature(FEATURE, VERSION, params, "<f2", array.shape, array.tobytes())


def chosen_blocks(arch: Architecture) -> list[Block]:
    """First and last layer and others evenly between; the first expert where layers have several."""
    firsts = sorted({b.layer: b for b in reversed(arch.blocks)}.values())
    keep = max(2, MATRICES // len(ROLES))
    if len(firsts) <= keep:
        return firsts
    return [firsts[round(k * (len(firsts) - 1) / (keep - 1))] for k in range(keep)]


def split(a: Floats, n: int) -> tuple[Floats, Floats, int]:
    """Sketches of the top part and of the rest, and how many directions stand out.

    Args:
        a: (rows, columns) float32, not all zero.
        n: Number of the matrix; seeds the decomposition.

    Returns:
        Two (SIDE, SIDE) float32 arrays and a count.
    """
    found = top_triplets(a, seed=(21, n))
    left, right = _signs(a.shape[0], 1), _signs(a.shape[1], 2)
    whole = left.T @ (a @ right)
    top = np.asarray((left.T @ found.u) @ ((found.s[:, None] * found.v.T) @ right), dtype=np.float32)
    scale = np.float32(1 / np.sqrt(found.square))
    return top * scale, (whole - top) * scale, found.standing


def _signs(size: int, which: int) -> Floats:
    rng = np.random.Generator(np.random.PCG64([6, which, size]))
    return rng.integers(0, 2, size=(size, SIDE), dtype=np.int8).astype(np.float32) * 2 - 1
