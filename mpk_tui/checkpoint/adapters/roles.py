"""An adapter's modules found by role where the base has other names: PEFT's adapters on GGUF files."""

from __future__ import annotations

from collections.abc import Iterator

from mpk_tui.checkpoint.adapters.place import Place
from mpk_tui.checkpoint.architectures.names import Names
from mpk_tui.checkpoint.architectures.row import Roles, Row
from mpk_tui.checkpoint.architectures.table import TABLE
from mpk_tui.checkpoint.config import model_type
from mpk_tui.checkpoint.model import Checkpoint, Part

MAX_MODULES = 1 << 15
_Key = tuple[Roles, int]


def by_role(base: Checkpoint, modules: list[str]) -> dict[str, Place] | None:
    """The place of every module by the roles of the base, or None if any has none.

    Only a tensor that is one role as a whole, or all of a fused one, is taken: factors cannot be put onto slices.
    """
    named = model_type(base.config)
    rows = [r for r in TABLE if r.format != base.format and base.architecture.roles and len(modules) <= MAX_MODULES]
    for row in sorted(rows, key=lambda r: named not in r.types):
        found: dict[str, Place] = {}
        for module, key in _keys(row, modules):
            place = None if key is None else _place(base, *key)
            if place is None:
                break
            found[module] = place
        if modules and len(found) == len(modules):
            return found
    return None


def _keys(row: Row, modules: list[str]) -> Iterator[tuple[str, _Key | None]]:
    names = Names(row)
    for module in modules:
        hit = names.module(module)
        # Layers of a second stack are numbered on behind the first, whose length an adapter does not tell; and rows
        # that a converter puts into another order are no slices of those that the adapter was trained on.
        fused = hit is not None and not isinstance(hit.roles, str)
        known = hit is not None and not row.stacks and not (fused and (row.grouped or row.paired))
        yield module, (hit.roles, hit.layer) if hit is not None and known else None


def _place(base: Checkpoint, roles: Roles, layer: int) -> Place | None:
    table = base.architecture.roles
    if isinstance(roles, str):
        part = table.get((roles, layer))
        whole = part is not None and _plain(part) and part.start == 0 and part.stop is None
        return _of(part) if part is not None and whole else None
    parts = [table.get((r, layer)) for r in roles]
    at = 0
    for part in parts:
        if part is None or not _plain(part) or part.rope_heads or part.start != at or part.stop is None:
            return None
        at = part.stop
    first = parts[0]
    same = len({p.tensor for p in parts if p is not None}) == 1
    return _of(first) if first is not None and same else None


def _plain(part: Part) -> bool:
    return part.index < 0 and not part.run and part.tensor.endswith(".weight")


def _of(part: Part) -> Place:
    return Place(part.tensor.removesuffix(".weight"), part.transposed, part.rope_heads)
