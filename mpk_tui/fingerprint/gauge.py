"""Body matrices in one gauge: scale that can be moved between matrices without changing the model is balanced.

Where units are gated, the function is linear in a unit's up row and down column, so up can be multiplied by c and down
by 1/c; likewise a channel of V and the columns of O that read it.  Both are set to equal norm here.  Whoever moves
scale between matrices to hide a copy changes nothing of what these functions return; for everybody else they are a mild
rescaling that both models undergo alike.
"""

from __future__ import annotations

import numpy as np

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Architecture, Block, Part
from mpk_tui.fingerprint.spectra import tame
from mpk_tui.fingerprint.units import Floats, Ids, sample_units

ROLES = ("attn.q", "attn.k", "attn.v", "attn.o", "ffn.gate", "ffn.up", "ffn.down")
"""Body matrices in which learned structure is looked for."""
MIN_SIDE = 32
"""Smaller matrices tell nothing."""


def part_of(arch: Architecture, role: str, block: Block) -> Part | None:
    """The stored part behind a body matrix."""
    return arch.feed(role, block) if role.startswith("ffn.") else arch.roles.get((role, block.layer))


def body_matrix(
    reader: WeightReader, arch: Architecture, role: str, block: Block, side: int, units: Ids | None = None, *,
    folded: bool = False,
) -> Floats | None:  # fmt: skip
    """One body matrix, balanced, (rows, columns) float32.

    Args:
        reader: Open weights.
        arch: Roles.
        role: One of `ROLES`.
        block: Its layer and expert.
        side: Longest side; a fixed sample of rows or columns of longer ones is taken.
        units: Feed-forward units in the order wanted (where another model's order is to be met), or None for all or
            the sample.
        folded: Multiply the gain of the norm before it into what reads the residual stream, as turning the stream
            does.

    Returns:
        The matrix, or None where it is missing, is no matrix or is too small.
    """
    part = part_of(arch, role, block)
    if part is None:
        return None
    shape = reader.shape(part)
    if len(shape) != 2 or min(shape) < MIN_SIDE:
        return None
    rows, columns = _ids(shape[0], side), _ids(shape[1], side)
    if units is not None and role.startswith("ffn."):
        rows, columns = (rows, units) if role == "ffn.down" else (units, columns)
    out = tame(_cut(reader, part, rows, columns))
    if role in ("ffn.up", "ffn.down") and arch.feed("ffn.gate", block) is not None:
        out = _balance_units(reader, arch, role, block, rows, columns, out)
    if role in ("attn.v", "attn.o"):
        out = _balance_channels(reader, arch, role, block, rows, columns, out)
    if folded and role not in ("attn.o", "ffn.down"):
        gain = arch.roles.get(("attn.norm" if role.startswith("attn.") else "ffn.norm", block.layer))
        if gain is not None and reader.shape(gain) == (shape[1],):
            out = out * reader.whole(gain)[columns]
    return tame(out)


def _ids(size: int, side: int) -> Ids:
    return np.arange(size, dtype=np.int64) if size <= side else np.sort(sample_units(size, side, seed=4))


def _cut(reader: WeightReader, part: Part, rows: Ids, columns: Ids) -> Floats:
    shape = reader.shape(part)
    out = reader.whole(part) if len(rows) == shape[0] and _in_order(rows) else reader.select(part, rows)
    return out if len(columns) == shape[1] and _in_order(columns) else np.ascontiguousarray(out[:, columns])


def _in_order(ids: Ids) -> bool:
    return bool((np.diff(ids) == 1).all())


def _balance_units(
    reader: WeightReader, arch: Architecture, role: str, block: Block, rows: Ids, columns: Ids, out: Floats
) -> Floats:
    other = arch.feed("ffn.down" if role == "ffn.up" else "ffn.up", block)
    if other is None:
        return out
    units, across = (rows, columns) if role == "ffn.up" else (columns, rows)
    if role == "ffn.up":
        partner = _norms(_cut(reader, other, across, units), 0)
        return out * _ratio(partner, _norms(out, 1))[:, None]
    partner = _norms(_cut(reader, other, units, across), 1)
    return out * _ratio(partner, _norms(out, 0))


def _balance_channels(
    reader: WeightReader, arch: Architecture, role: str, block: Block, rows: Ids, columns: Ids, out: Floats
) -> Floats:
    v, o = arch.roles.get(("attn.v", block.layer)), arch.roles.get(("attn.o", block.layer))
    kv = arch.kv_heads or arch.heads
    if v is None or o is None or not kv or not arch.heads or arch.heads % kv:
        return out
    channels, width = reader.shape(v)[0], reader.shape(o)[1]
    group = arch.heads // kv
    if channels % kv or width != channels * group:
        return out
    dim = channels // kv
    # Column c of O reads channel of V: heads of one group read the same channels.
    read = (np.arange(width) // dim // group) * dim + np.arange(width) % dim
    norm_v = _norms(reader.whole(v), 1)
    square = _norms(reader.whole(o), 0) ** 2
    norm_o = np.sqrt(np.bincount(read, weights=square, minlength=channels) / group).astype(np.float32)
    ratio = _ratio(norm_o, norm_v)
    return out * ratio[rows][:, None] if role == "attn.v" else out / ratio[read][columns]


def _norms(x: Floats, axis: int) -> Floats:
    found: Floats = np.sqrt(np.einsum("ij,ij->i" if axis == 1 else "ij,ij->j", x, x, dtype=np.float64)).astype(
        np.float32
    )
    return found


def _ratio(partner: Floats, own: Floats) -> Floats:
    """sqrt(partner / own), 1 where either is zero or not a number."""
    with np.errstate(all="ignore"):
        found: Floats = np.sqrt(partner / own)
    return np.where(np.isfinite(found) & (found > 0), found, np.float32(1)).astype(np.float32)


_NORMS = ("attn.norm", "ffn.norm", "attn.post_norm", "ffn.post_norm")


def gain_spread(reader: WeightReader, arch: Architecture) -> float | None:
    """How far training has come, by the gains of the norms: the median over norms of standard deviation over mean.

    Gains begin at one constant, so at initialisation this is 0.  Seen: up to 0.008 for small models stopped after a
    twentieth of their training, 0.013 and more after a tenth, 0.015 to 0.06 at their end, 0.056 to 1.0 for published
    models.

    Returns:
        The median, or None where no norm has gains or all are constant (folded into the matrices).
    """
    found = []
    for (role, layer), part in arch.roles.items():
        if role in _NORMS and layer >= 0 and len(reader.shape(part)) == 1:
            gain = np.nan_to_num(reader.whole(part)).astype(np.float64)
            found.append(float(gain.std() / max(1e-9, abs(float(gain.mean())))))
    return float(np.median(found)) if found and any(found) else None
