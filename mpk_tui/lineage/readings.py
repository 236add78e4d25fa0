"""One reading of the evidence for each mechanism: a score that only orders, sentences, and the numbers behind them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mpk_tui.lineage.evidence import DENSE, SPARSE, TURNED, Evidence, commonest, layers_left_out
from mpk_tui.lineage.identity import Identity
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.results import UnitTest
from mpk_tui.lineage.sides import Side

EXPLAINS = 3.0
"""From this score on the values are explained down to their rounding."""
COSINE_FLOOR = {8: 0.9999, 6: 0.9990, 5: 0.995, 4: 0.985, 3: 0.95, 2: 0.75}
"""Least median cosine between a matrix and its copy rounded to so many bits with group scales: a little below what was
seen on small trained models (8 bits .99997, 6 .9996, 5 .998, 4 .992, 3 .966, 2 .79)."""
FLOAT8_FLOOR = 0.998
"""The same for 8-bit floats: a mantissa of three bits errs by 2.6 % (rms; cosine .9997), one of two by 5.2 %."""
BITS = {
    "Q8_0": 8, "Q8_1": 8, "Q8_K": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "Q6_K": 6, "Q5_0": 5, "Q5_1": 5, "Q5_K": 5,
    "Q4_0": 4, "Q4_1": 4, "Q4_K": 4, "IQ4_NL": 4, "IQ4_XS": 4, "MXFP4": 4, "Q3_K": 3, "IQ3_XXS": 3, "IQ3_S": 3,
    "Q2_K": 2, "IQ2_XXS": 2, "IQ2_XS": 2, "IQ2_S": 2,
}  # fmt: skip
"""Bits a weight of stored types that are grids by themselves."""
COPIED = 0.02
"""Relative change of units in the anchored form up to which a copy in another basis or order is called one: what
rounding to 16 bits leaves after turning and folding is well below, a light fine-tune above.  A rule of thumb."""
SAME_UNITS = 0.995
"""Least mean correlation of units in the anchored form for such a copy, where values cannot be compared."""
HALF_STEP = 0.90
"""Least share of values within half a step of their counterpart for the grid alone to explain the change."""
SAME_RANK = 0.80
"""Least share of touched matrices that are sharply of low rank, and of those that have the same one."""
CLEAR = 2.0
"""Least median gap between the last singular value that counts and the next, over touched matrices."""


@dataclass(frozen=True)
class Reading:
    """One mechanism, as far as it fits.

    Attributes:
        score: Orders the rows; it has no other meaning.
        number: Of the mechanism.
        speaks: Sentences for it.
        against: Sentences against it.
        numbers: What the sentences rest on.
        direction: A hint at the order of the two, or an empty string.
    """

    score: float
    number: str
    speaks: list[str]
    against: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    direction: str = ""


def concealed(e: Evidence, tests: list[UnitTest]) -> Reading | None:
    """3.1: values agree once order and basis of units and residual stream are set aside."""
    relative = e.median("relative")
    measured = [r.measure.relative for r in e.measured if r.measure is not None]
    if not measured or float(np.quantile(measured, 0.75)) < TURNED:
        return None
    numbers: dict[str, Any] = {"relative_in_place": relative, "matrices": len(measured)}
    rho = next((t.rho for t in tests if t.form == "ffn.anchored" and t.ran), None)
    numbers["rho_anchored"] = rho
    speaks = [f"matrices differ by {relative:.2f} of their norm where they stand (unrelated ones by about 1.41)"]
    u = e.units
    if u is not None:
        numbers |= {
            "units_looked_for": u.looked, "units_found": u.found, "units_in_place": u.in_place,
            "relative_set_aside": u.relative, "spread_of_scales": u.scales,
        }  # fmt: skip
        if u.found >= 0.99 and u.relative <= COPIED:
            order = "in their places" if u.in_place >= 0.99 else f"{u.in_place:.0%} of them in their places"
            basis = "in another order" if u.in_place < 0.99 else "in another basis of the residual stream"
            speaks.append(
                f"through the embeddings of shared tokens {u.found:.0%} of the units are found, {order}, with values "
                f"that differ by {u.relative:.4f}: the same values {basis}"
            )
            return Reading(4.5, "3.1", speaks, [], numbers)
        if u.found >= 0.5:
            text = (
                f"through shared tokens {u.found:.0%} of the units are found with values that differ by "
                f"{u.relative:.3f}: the basis or order was changed, and the values as well"
            )
            return Reading(0.7, "3.1", [*speaks, text], [f"more than {COPIED} is left: not a mere copy"], numbers)
    if rho is not None and rho >= SAME_UNITS:
        speaks.append(f"units correlate by {rho:.4f} once the basis is set aside")
        return Reading(3.2, "3.1", speaks, ["the values themselves could not be compared"], numbers)
    return None


def rescaled(e: Evidence) -> Reading | None:
    """3.1 where factors cancel between matrices, 3.8 where multiplied rows or columns change the function."""
    tried = [r for r in e.touched if r.scaling is not None]
    exact = [r for r in tried if r.scaling is not None and r.scaling.exact]
    if not exact or len(exact) < 0.8 * len([r for r in tried if r.change is None or not r.change.small]):
        return None
    by_rows = sorted({r.role for r in exact if r.scaling and r.scaling.by_rows})
    by_columns = sorted({r.role for r in exact if r.scaling and r.scaling.by_columns})
    if not by_rows and not by_columns:
        return None
    numbers: dict[str, Any] = {
        "matrices": len(exact), "rows_of": ", ".join(by_rows), "columns_of": ", ".join(by_columns),
        "left_in_rounding_errors": float(np.median([r.scaling.left for r in exact if r.scaling])),
    }  # fmt: skip
    words = "; ".join(
        f"{what} of {', '.join(roles)}" for what, roles in (("rows", by_rows), ("columns", by_columns)) if roles
    )
    speaks = [f"matrices are equal up to rounding once {words} are multiplied by factors"]
    if e.balanced is not None and abs(abs(e.balanced[0]) - 1) < 0.02 and e.balanced[1] < 0.02:
        numbers |= {"product_median": e.balanced[0], "product_spread": e.balanced[1]}
        speaks.append("factors of rows of up are undone by those of columns of down: the function is the same")
        return Reading(4.4, "3.1", speaks, [], numbers)
    if by_columns and len(by_columns) >= 2 and not by_rows:
        speaks.append("several matrices that read one norm have rescaled columns, as when its gain is folded in")
        return Reading(4.0, "3.1", speaks, [], numbers)
    text = "factors of rows and columns are what adapters of the IA3 kind leave when merged"
    return Reading(3.4, "3.8", [*speaks, text], [], numbers)


def quantized(a: Side, b: Side, e: Evidence, identity: Identity) -> Reading | None:
    """3.7: stored in few bits, on a grid, or rounded to a narrower float."""
    stored = _stored(a, b, e)
    on_grid = _on_grid(e)
    if stored and on_grid and _contradicts(stored, on_grid):
        return stored
    if stored and on_grid:
        first, second = (stored, on_grid) if stored.score >= on_grid.score else (on_grid, stored)
        return Reading(
            first.score, "3.7", [*first.speaks, *second.speaks], [*first.against, *second.against],
            {**second.numbers, **first.numbers}, first.direction or second.direction,
        )  # fmt: skip
    if stored or on_grid:
        return stored or on_grid
    cast = [d for d in identity.deltas if d.state == "converted" and not d.lossless]
    if cast and len(cast) >= 0.5 * len(identity.deltas):
        kinds = sorted({d.conversion for d in cast})
        text = f"{len(cast)} of {len(identity.deltas)} tensors are rounded values: {'; '.join(kinds[:3])}"
        return Reading(3.0, "3.7", [text], [], {"rounded": len(cast), "tensors": len(identity.deltas)})
    return None


def _contradicts(stored: Reading, on_grid: Reading) -> bool:
    """Whether levels in use suggest other bits than the layout that the very side is stored in: the layout knows."""
    side = str(on_grid.numbers["side"]).lower()
    known = stored.numbers[f"stored_bits_{side}"]
    return bool(known <= 8 and known != on_grid.numbers["bits"])


def _stored(a: Side, b: Side, e: Evidence) -> Reading | None:
    bits_a, bits_b = _storage_bits(a), _storage_bits(b)
    bits, cosine = min(bits_a, bits_b), e.median("cosine")
    if bits > 8:
        return None
    both = bits_a <= 8 and bits_b <= 8
    numbers: dict[str, Any] = {"stored_bits_a": bits_a, "stored_bits_b": bits_b, "cosine": cosine}
    speaks = [f"{'both sides store their' if both else 'one side stores its'} matrices in about {bits} bits"]
    hint = "" if both else f"The side in few bits ({'A' if bits_a < bits_b else 'B'}) is likelier the later one."
    if cosine is None:
        return Reading(1.4, "3.7", speaks, ["values could not be compared"], numbers, hint)
    floor = COSINE_FLOOR[bits] if bits < 8 or not (_small_floats(a) or _small_floats(b)) else FLOAT8_FLOOR
    if cosine >= floor:
        speaks.append(f"median cosine {cosine:.5f} is what rounding to {bits} bits leaves (at least {floor})")
        return Reading(4.0, "3.7", speaks, [], numbers, hint)
    against = f"median cosine {cosine:.5f} is below what rounding to {bits} bits leaves ({floor}): more was changed"
    return Reading(1.1, "3.7", speaks, [against], numbers, hint)


def _small_floats(side: Side) -> bool:
    """Whether matrices are stored as 8-bit floats, whose steps grow with the values."""
    layouts = {layout for layout, *_ in side.fingerprint.config.get("derived", ())}
    return "fp8" in layouts or any(t.dtype.startswith("F8_E") for t in side.fingerprint.tensors if len(t.shape) >= 2)


def _storage_bits(side: Side) -> int:
    """Bits in which most elements of matrices are stored, 16 for plain floats."""
    weight: dict[int, int] = {}
    for t in side.fingerprint.tensors:
        if len(t.shape) >= 2:
            bits = BITS.get(t.dtype, 16)
            weight[bits] = weight.get(bits, 0) + math.prod(t.shape)
    for _, bits, _, elements in side.fingerprint.config.get("derived", ()):
        if bits:
            weight[bits] = weight.get(bits, 0) + elements
    return max(weight, key=lambda k: weight[k]) if weight else 16


def _on_grid(e: Evidence) -> Reading | None:
    shares = [len(e.grids[k]) / e.searched[k] if e.searched[k] else 0.0 for k in (0, 1)]
    k = 0 if shares[0] > shares[1] else 1
    found = list(e.grids[k].values())
    if len(found) < 2 or shares[k] < 0.25:
        return None
    bits, bits_share = commonest([g.bits for g in found])
    group, group_share = commonest([g.group for g in found])
    example = next(g for g in found if g.group == group)
    side, other = "AB"[k], "BA"[k]
    blurred = sum(g.blurred for g in found)
    numbers: dict[str, Any] = {
        "side": side, "bits": bits, "group": group, "kind": commonest_kind([g.kind for g in found]),
        "matrices_on_grid": len(found), "matrices_searched": e.searched[k], "share_of_these_bits": bits_share,
        "share_of_this_group": group_share, "distinct_in_group": float(np.median([g.distinct for g in found])),
        "blurred": blurred, "other_side_on_grid": len(e.grids[1 - k]),
    }  # fmt: skip
    kind = "equally spaced levels" if numbers["kind"] == "even" else "the levels of one codebook"
    speaks = [
        f"values of {side} lie on {kind} in {len(found)} of {e.searched[k]} matrices: {bits} bits, {example.words}"
        + (f" ({blurred} of them blurred by the stored type)" if blurred else "")
    ]
    hint = "" if shares[1 - k] >= 0.25 else f"The side on the grid ({side}) is likelier the later one."
    cosine = e.median("cosine")
    numbers["cosine"] = cosine
    floor = COSINE_FLOOR[min(8, bits) if bits != 7 else 6]
    moved = e.residuals[k]
    if moved:
        within = float(np.median([r.within for r in moved]))
        correlation = float(np.median([r.correlation for r in moved]))
        numbers |= {"within_half_step": within, "residual_correlation": correlation}
        if within >= HALF_STEP:
            speaks.append(
                f"{within:.1%} of {other}'s values lie within half a step of them, and the rest that rounding took off "
                f"correlates by {correlation:.2f} with what it left"
            )
            return Reading(4.1, "3.7", speaks, [], numbers, hint)
        text = f"only {within:.0%} of {other}'s values lie within half a step: more than rounding to the nearest level"
        close = cosine is not None and cosine >= floor
        if close:
            speaks.append(f"median cosine {cosine:.5f} is what {bits} bits leave (at least {floor})")
        return Reading(3.1 if close else 2.2, "3.7", speaks, [text], numbers, hint)
    if cosine is not None and cosine >= floor:
        speaks.append(f"median cosine {cosine:.5f} is what {bits} bits leave (at least {floor})")
        return Reading(3.9, "3.7", speaks, [], numbers, hint)
    return Reading(2.2, "3.7", speaks, ["values of the other side are further off than rounding"], numbers, hint)


def commonest_kind(kinds: list[str]) -> str:
    """The commoner of the two kinds of grid."""
    return max(sorted(set(kinds)), key=kinds.count)


def sparse(e: Evidence) -> Reading | None:
    """3.6: many exact zeros on one side where the other has none."""
    rows = e.measured
    if not rows:
        return None
    zeros = [float(np.median([r.zeros[k] for r in rows])) for k in (0, 1)]
    k = 0 if zeros[0] > zeros[1] else 1
    pruned = [r for r in rows if r.zeros[k] >= SPARSE and r.zeros[1 - k] <= DENSE]
    if len(pruned) < max(1, 0.25 * len(rows)):
        return None
    patterns = [r.pattern for r in pruned]
    pattern = max(sorted(set(patterns)), key=patterns.count)
    # The middle level of a grid is zero: a grid's zeros are no mask unless they follow a pattern or are most values.
    if e.grids[k] and not pattern and zeros[k] < 0.4:
        return None
    share = float(np.median([r.zeros[k] for r in pruned]))
    kept = float(np.median([r.kept_values for r in pruned]))
    side = "AB"[k]
    numbers: dict[str, Any] = {
        "side": side, "share_of_zeros": share, "pattern": pattern, "matrices": len(pruned), "of": len(rows),
        "others_equal": kept, "zeros_of_the_other": zeros[1 - k],
    }  # fmt: skip
    words = f", {pattern} along the input axis" if pattern else ""
    speaks = [f"{share:.0%} of {side}'s values are exactly zero{words} in {len(pruned)} of {len(rows)} matrices"]
    against = []
    if kept >= 0.99:
        speaks.append(f"{kept:.1%} of the others are equal: a mask and nothing else")
    else:
        against.append(f"only {kept:.0%} of the others are equal: trained or rounded as well")
    hint = f"The side with the zeros ({side}) is likelier the later one."
    return Reading(4.2 if kept >= 0.99 else 3.3, "3.6", speaks, against, numbers, hint)


def adapter(e: Evidence, identity: Identity) -> Reading | None:
    """3.8: the change is of one small rank in all touched matrices."""
    known = [r for r in e.touched if r.change is not None]
    # A change under the edge is rounding (of a grid, say) and was touched by nothing else.
    touched = [r for r in known if r.change is not None and r.change.rank]
    if not touched or len(known) < 0.9 * len(e.touched):
        return None
    small = [r for r in touched if r.change is not None and r.change.small]
    dora = {s.low_rank.rank for s in e.dora if s.low_rank is not None}
    if len(e.dora) >= 2 and len(dora) == 1 and len(small) < SAME_RANK * len(touched):
        return _rescaled_adapter(e)
    if len(touched) < 2 or len(small) < SAME_RANK * len(touched):
        return None
    if float(np.median([r.change.gap for r in touched if r.change is not None])) < CLEAR:
        return None
    ranks = [r.change.rank for r in touched if r.change is not None]
    rank, share = commonest(ranks)
    roles = sorted({r.role for r in touched})
    untouched = sorted({r.role for r in e.measured} - set(roles))
    others = sorted({d.pair.a.tensor for d in identity.differing if d.pair.layer < 0})
    gaps = [r.change.gap for r in small if r.change is not None]
    edges = [r.change.last / r.change.edge for r in small if r.change is not None and r.change.edge > 0]
    numbers: dict[str, Any] = {
        "rank": rank, "share_of_this_rank": share, "greatest_rank": max(ranks), "touched": len(touched),
        "untouched": len(e.measured) - len(touched), "touched_roles": ", ".join(roles),
        "untouched_roles": ", ".join(untouched), "least_gap": min(gaps) if np.isfinite(min(gaps)) else None,
        "last_over_edge": min(edges) if edges else None, "outside_layers": len(others),
    }  # fmt: skip
    speaks = [
        f"the change has rank {rank} in {share:.0%} of {len(touched)} touched matrices ({', '.join(roles)}); the next "
        "singular value is at the edge of rounding"
    ]
    if numbers["least_gap"]:
        speaks.append(f"between the last that counts and the next lies a factor of at least {min(gaps):.1f}")
    if untouched:
        speaks.append(f"untouched: {', '.join(untouched)}")
    against = []
    if others:
        against.append(f"{len(others)} tensors outside layers differ as well: {', '.join(others[:4])}")
    if share >= SAME_RANK:
        return Reading(3.8, "3.8", speaks, against, numbers)
    against.append(
        f"ranks differ, up to {max(ranks)}: the weakest directions of an adapter may be lost in the rounding"
    )
    return Reading(3.3, "3.8", speaks, against, numbers)


def _rescaled_adapter(e: Evidence) -> Reading:
    ranks = [s.low_rank.rank for s in e.dora if s.low_rank is not None]
    spread = float(np.median([np.std(s.rows) for s in e.dora]))
    text = (
        f"once rows are rescaled (by factors that spread by {spread:.3f}) the change has rank {max(ranks)} up to "
        "rounding, as merged DoRA adapters leave it"
    )
    numbers = {"rank": max(ranks), "matrices": len(ranks), "spread_of_rows": spread}
    return Reading(3.6, "3.8", [text], [], numbers)


def vocabulary(e: Evidence) -> Reading | None:
    """3.4: another vocabulary, with what was inherited."""
    v = e.vocabulary
    if v is None:
        return None
    numbers: dict[str, Any] = {
        "tokens_a": v.size_a, "tokens_b": v.size_b, "rows_a": v.rows_a, "rows_b": v.rows_b, "shared": v.shared,
        "share_of_smaller": v.share, "only_a": v.only_a, "only_b": v.only_b, "inherited": v.inherited, "by": v.by,
        "shuffled": v.shuffled, "by_number": v.by_number, "same_number": v.same_number,
    }  # fmt: skip
    if v.shared is None or v.share is None:
        text = f"vocabularies of {v.size_a} and {v.size_b} tokens, not the same list"
        return Reading(2.0 if v.size_a != v.size_b else 1.5, "3.4", [text], [], numbers)
    if v.only_a == v.only_b == 0 and v.same_number == v.shared:
        text = f"the same tokens with tables of {v.rows_a} and {v.rows_b} rows: padded or cut, no token changed"
        return Reading(1.25, "3.4", [text], ["no token string differs"], numbers)
    speaks = [
        f"vocabularies of {v.size_a} and {v.size_b} tokens share {v.shared} strings ({v.share:.0%} of the smaller); "
        f"{v.only_a} are only in A, {v.only_b} only in B"
    ]
    against = []
    hint = ""
    if not v.only_a and v.only_b:
        speaks.append("B has all of A's tokens and more: extended")
        hint = "Vocabularies are extended more often than they are cut: B is likelier the later one."
    elif not v.only_b and v.only_a:
        speaks.append("A has all of B's tokens and more")
        hint = "A vocabulary that lies within the other may be cut or extended; the lists alone do not tell which."
    score = 2.0
    if v.inherited is not None and v.shuffled is not None:
        what = "rows" if v.by == "rows" else "inner products of rows"
        if v.inherited >= 0.5:
            speaks.append(f"{what} of shared strings correlate by {v.inherited:.3f} (shuffled: {v.shuffled:.3f})")
            score = 2.6
        else:
            against.append(f"{what} of shared strings correlate by {v.inherited:.3f} only: no rows were inherited")
    if v.by_number is not None and v.by_number >= 0.9 and v.by_number > (v.inherited or 0.0) + 0.1:
        against.append(
            f"rows with the same number correlate by {v.by_number:.3f}: the strings were exchanged, not rows"
        )
        score = 1.0
    return Reading(score, "3.4", speaks, against, numbers, hint)


def structure(a: Side, b: Side, layer_map: LayerMap | None, e: Evidence) -> Reading | None:
    """3.6: other depth or widths, with the layers, units and dimensions that correspond."""
    ca, cb = a.fingerprint.config, b.fingerprint.config
    numbers: dict[str, Any] = {}
    speaks: list[str] = []
    against: list[str] = []
    for key, words in (("layers", "layers"), ("width", "residual width"), ("ffn_width", "feed-forward units")):
        if ca.get(key) and cb.get(key) and ca[key] != cb[key]:
            speaks.append(f"{words}: {ca[key]} and {cb[key]}")
            numbers |= {f"{key}_a": ca[key], f"{key}_b": cb[key]}
    if not speaks and (layer_map is None or layer_map.how == "same index"):
        return None
    if layer_map is not None and layer_map.how != "same index":
        pairs = ", ".join(f"{i}~{j}" for i, j in layer_map.pairs[:48])
        speaks.append(f"layers correspond along a monotone path: {pairs}")
        numbers["layer_pairs"] = pairs
        for name, config, k in (("A", ca, 0), ("B", cb, 1)):
            left = layers_left_out(int(config.get("layers") or 0), {p[k] for p in layer_map.pairs})
            if left:
                copies = [f"{i} repeats {j}" for i, j in e.repeats[k]]
                what = f"; {', '.join(copies[:16])}" if copies else ""
                speaks.append(f"layers of {name} without a partner: {', '.join(map(str, left[:32]))}{what}")
                numbers[f"without_partner_{name.lower()}"] = len(left)
                numbers[f"repeated_{name.lower()}"] = len(copies)
    if e.units is not None and e.units.widths[0] != e.units.widths[1]:
        u = e.units
        numbers |= {"units_found": u.found, "units_looked_for": u.looked}
        side = "A" if u.widths[0] < u.widths[1] else "B"
        text = f"{u.found:.0%} of {u.looked} units of {side} are found among those of the other"
        (speaks if u.found >= 0.5 else against).append(text)
    if e.dimensions is not None and e.dimensions.widths[0] != e.dimensions.widths[1]:
        d = e.dimensions
        numbers |= {"dimensions_found": d.found, "dimension_correlation": d.correlation}
        how = "sub-selected" if d.found >= 0.5 else "not picked one by one: projected, or trained far"
        speaks.append(
            f"{d.found:.0%} of the narrower side's residual dimensions are found among the other's (median correlation "
            f"{d.correlation:.2f}): {how}"
        )
    return Reading(2.8, "3.6", speaks, against, numbers)
