"""Names of tensors held against the templates of a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from mpk_tui.checkpoint.architectures.row import STACK, Roles, Row

MAX_LAYERS, MAX_EXPERTS = 10_000, 10_000
MAX_PATTERNS = 4096
"""Kinds of names that are looked at to choose a row; a model has some dozens."""
_SUFFIXES = ((".weight", ""), (".bias", ".bias"), (".gamma", ""), (".beta", ".bias"))
_NUMBER = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True)
class Hit:
    """What a row says of a name.

    Attributes:
        roles: Role or roles of a fused matrix, suffixes and experts included.
        layer: Within its stack, -1 for what is in no layer.
        stack: 0 or 1.
    """

    roles: Roles
    layer: int
    stack: int

    @property
    def first(self) -> str:
        """The role, or the first of several."""
        return self.roles if isinstance(self.roles, str) else self.roles[0]


class Names:
    """The templates of a row, ready to be asked."""

    def __init__(self, row: Row) -> None:
        self._prefixes = sorted(row.prefixes, key=len, reverse=True)
        self._templates = {t: (r, 0) for t, r in row.names.items()} | {t: (r, 1) for t, r in row.later.items()}
        self._beside = {t: (r, 0) for t, r in row.beside.items()}

    def find(self, name: str) -> Hit | None:
        """What a stored name means, or None."""
        for stem, templates in self._stems(name):
            hit = _lookup(templates, stem, "")
            if hit is not None:
                return hit
            for ending, suffix in _SUFFIXES:
                if stem.endswith(ending):
                    hit = _lookup(templates, stem.removesuffix(ending), suffix)
                    if hit is not None:
                        return hit
        return None

    def module(self, name: str) -> Hit | None:
        """What a name without ``.weight`` means, or None."""
        for stem, templates in self._stems(name):
            hit = _lookup(templates, stem, "")
            if hit is not None:
                return hit
        return None

    def _stems(self, name: str) -> Iterator[tuple[str, Mapping[str, tuple[Roles, int]]]]:
        for prefix in self._prefixes:
            if name.startswith(prefix):
                yield name[len(prefix) :], self._templates
        if self._beside:
            yield name.removeprefix("model."), self._beside


def _lookup(templates: Mapping[str, tuple[Roles, int]], stem: str, suffix: str) -> Hit | None:
    """The template of a stem: literally, or with one of its numbers as the layer and a later one as the expert."""
    if (found := templates.get(stem)) is not None:
        return Hit(_with(found[0], suffix, ""), -1, found[1])
    parts = stem.split(".")
    numbers = [k for k, part in enumerate(parts) if _NUMBER.fullmatch(part)][:4]
    for at, k in enumerate(numbers):
        if int(parts[k]) >= MAX_LAYERS:
            continue
        layered = [*parts[:k], "{i}", *parts[k + 1 :]]
        if (found := templates.get(".".join(layered))) is not None:
            return Hit(_with(found[0], suffix, ""), int(parts[k]), found[1])
        for m in numbers[at + 1 :]:
            if int(parts[m]) >= MAX_EXPERTS:
                continue
            name = ".".join([*layered[:m], "{e}", *layered[m + 1 :]])
            if (found := templates.get(name)) is not None:
                return Hit(_with(found[0], suffix, f"@{int(parts[m])}"), int(parts[k]), found[1])
    return None


def _with(roles: Roles, suffix: str, expert: str) -> Roles:
    """Roles with ``.bias`` and the expert behind them; of a stack the mark stays last."""
    if isinstance(roles, str):
        base = roles.removesuffix(STACK)
        return base + suffix + (STACK if base != roles else expert)
    return tuple(str(_with(r, suffix, expert)) for r in roles)


def patterns(names: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Kinds of names, numbers aside: to the first of a kind and how many there are, at most `MAX_PATTERNS`."""
    out: dict[str, tuple[str, int]] = {}
    for name in names:
        key = ".".join("#" if part.isdecimal() else part for part in name.split("."))
        known = out.get(key)
        if known is not None:
            out[key] = (known[0], known[1] + 1)
        elif len(out) < MAX_PATTERNS:
            out[key] = (name, 1)
    return out
