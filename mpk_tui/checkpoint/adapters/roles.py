"""An adapter's modules found by role where the base has other names: PEFT's adapters on GGUF files."""

from __future__ import annotations

from collections.abc import Iterator

from mpk_tui.checkpoint.adapters.place import Place
from mpk_tui.checkpoint.architecture_table import TABLE, Roles, Row
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
    prefixes = sorted(row.prefixes, key=len, reverse=True)
    for module in modules:
        stems = (module[len(p) :] for p in prefixes if module.startswith(p))
        yield module, next((k for k in (_key(row, stem) for stem in stems) if k is not None), None)


def _key(row: Row, stem: str) -> _Key | None:
    """The roles of a name in a row: its numbers are the layer and the expert."""
    numbers: list[int] = []
    template = []
    for component in stem.split("."):
        if component.isdecimal() and component.isascii() and len(component) < 6 and len(numbers) < 2:
            template.append("{i}" if not numbers else "{e}")
            numbers.append(int(component))
        else:
            template.append(component)
    roles = row.names.get(".".join(template))
    if roles is None:
        return None
    if len(numbers) > 1:
        end = f"@{numbers[1]}"
        roles = roles + end if isinstance(roles, str) else tuple(r + end for r in roles)
    return roles, numbers[0] if numbers else -1


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
