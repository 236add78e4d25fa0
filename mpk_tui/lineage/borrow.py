"""Roles for a model whose tensor names nobody knows, taken from the other model where shapes and values agree.

A copy whose tensors were renamed has no roles of its own.  Where the other side's roles are known, each of its tensors
is given the tensor of equal shape whose sampled values correlate with it most, if that correlation is beyond chance.
Choosing the best of n candidates is a search: the p-values of feed-forward tests are multiplied by the number of ways
in which a layer's matrices could have been chosen (`Weights.choices`).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from mpk_tui.checkpoint.model import Architecture, Part
from mpk_tui.fingerprint.units import Floats, sample_units
from mpk_tui.lineage.sides import Side, Weights

_ROWS = 64
"""Rows sampled of every tensor."""
_BEYOND = 8.0
"""Standard deviations from which a correlation of samples is no accident."""


def borrow(a: Side, b: Side) -> tuple[Side, Side]:
    """Both sides, with roles for the one whose names are unknown where the other's can be found in it."""
    if a.weights is None or b.weights is None:
        return a, b
    known_a, known_b = bool(a.weights.arch.roles), bool(b.weights.arch.roles)
    if known_a and not known_b:
        return a, _with_roles(b, b.weights, a.weights)
    if known_b and not known_a:
        return _with_roles(a, a.weights, b.weights), b
    return a, b


def _with_roles(side: Side, own: Weights, other: Weights) -> Side:
    found, choices = _match(own, other)
    if ("ffn.up", 0) not in {(role.split("@")[0], layer) for role, layer in found}:
        return side
    arch = other.arch
    named = {part.tensor for part in found.values()}
    notice = (
        f"its tensor names are unknown; roles of {len(found)} tensors were taken from the other model where shapes and "
        "values agree"
    )
    renamed: Architecture = replace(
        arch, roles=found, unassigned=tuple(sorted(own.checkpoint.logical.keys() - named)), notices=(notice,),
        tied=("head", -1) not in found,
    )  # fmt: skip
    weights = replace(own, checkpoint=replace(own.checkpoint, architecture=renamed), choices=choices)
    fingerprint = replace(
        side.fingerprint,
        notices=(*side.fingerprint.notices, notice),
        config={**side.fingerprint.config, "layers": arch.layers, "width": arch.width, "ffn_width": arch.ffn_width},
    )
    return replace(side, fingerprint=fingerprint, weights=weights)


def _match(own: Weights, other: Weights) -> tuple[dict[tuple[str, int], Part], int]:
    """Roles with tensors of ours, and in how many ways the matrices of a layer could have been chosen."""
    by_shape: dict[tuple[int, ...], list[str]] = {}
    for name, tensor in own.checkpoint.logical.items():
        by_shape.setdefault(tensor.shape, []).append(name)
    samples: dict[str, Floats] = {}
    wanted = _stored(other)
    taken: dict[str, str] = {}
    most = 1
    for theirs, tensor in ((n, other.checkpoint.logical[n]) for n in wanted):
        candidates = [n for n in by_shape.get(tensor.shape, []) if n not in taken.values()]
        if not candidates:
            continue
        reference = _sample(other, theirs)
        scores = []
        for name in candidates:
            if name not in samples:
                samples[name] = _sample(own, name)
            scores.append(float(reference @ samples[name]))
        best = int(np.argmax(scores))
        if scores[best] * math.sqrt(len(reference)) >= _BEYOND:
            taken[theirs] = candidates[best]
            if len(tensor.shape) > 1:
                most = max(most, len(by_shape[tensor.shape]))
    roles = {
        key: replace(part, tensor=taken[part.tensor]) for key, part in other.arch.roles.items() if part.tensor in taken
    }
    return roles, most**3


def _stored(w: Weights) -> list[str]:
    """Stored tensors behind roles, matrices first: vectors are alike everywhere and are told apart last."""
    names = {part.tensor for part in w.arch.roles.values()}
    return sorted(names, key=lambda n: (-len(w.checkpoint.logical[n].shape), n))


def _sample(w: Weights, name: str) -> Floats:
    """Values of some rows, centred and of unit length."""
    part = Part(name)
    rows = w.reader.shape(part)[0] if w.reader.shape(part) else 1
    ids = np.sort(sample_units(rows, _ROWS if len(w.reader.shape(part)) > 1 else rows, seed=17))
    x = np.nan_to_num(w.reader.select(part, ids)).ravel()
    x = x - x.mean()
    size = float(np.linalg.norm(x))
    out: Floats = x / np.float32(size) if size > 0 else x
    return out
