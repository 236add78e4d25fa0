"""What the finders of layouts share: the tensors of one module together, and what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpk_tui.checkpoint.model import COLUMN_MAJOR, Derived, Tensor

Read = Callable[[Tensor], bytes]
"""Reads the bytes of a small tensor, in the file's own order."""

MAX_SMALL = 1 << 16
"""Bytes of a tensor that is read while layouts are looked for (shapes, recorded settings)."""
FLOATS = ("F64", "F32", "F16", "BF16")
EIGHT_BIT = ("F8_E4M3", "F8_E5M2")


class RefusedError(Exception):
    """A module whose tensors contradict each other or the configuration; never leaves this package."""


@dataclass
class Found:
    """Collects what the finders find.

    Attributes:
        derived: Computed weights by name.
        refused: Reason to names of modules that were left as they are stored.
        notes: Sentences that hold for the whole checkpoint.
    """

    derived: dict[str, Derived] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, weight: Derived) -> None:
        """One weight."""
        self.derived[weight.name] = weight

    def refuse(self, module: str, reason: str) -> None:
        """One module, and why."""
        self.refused.setdefault(reason, []).append(module)

    def notices(self) -> list[str]:
        """All sentences: one for each reason, with the first modules that it holds for."""
        out = list(dict.fromkeys(self.notes))
        for reason, modules in self.refused.items():
            more = f" and {len(modules) - 3} more" if len(modules) > 3 else ""
            out.append(f"not decoded: {', '.join(modules[:3])}{more}: {reason}")
        return out


def modules(tensors: Mapping[str, Tensor], endings: tuple[str, ...]) -> dict[str, dict[str, Tensor]]:
    """Tensors by module and ending: ``{"layers.0.q_proj": {"qweight": ..., "scales": ...}}``.

    Args:
        tensors: By name.
        endings: What may stand behind the module's name and a dot; the longest that fits counts.
    """
    ordered = sorted(endings, key=len, reverse=True)
    out: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        for ending in ordered:
            if name.endswith("." + ending):
                out.setdefault(name[: -len(ending) - 1], {})[ending] = tensor
                break
    return out


def want(condition: bool, reason: str) -> None:
    """Refuse the module unless the condition holds."""
    if not condition:
        raise RefusedError(reason)


def whole(parts: Mapping[str, Tensor], *names: str) -> list[Tensor]:
    """The tensors of these endings; a module that lacks one is refused, and so is one stored column by column."""
    for name in names:
        want(name in parts, f"its {name} is missing")
        want(not parts[name].dtype.endswith(COLUMN_MAJOR), f"its {name} is stored column by column")
    return [parts[name] for name in names]


def shape2(tensor: Tensor, what: str) -> tuple[int, int]:
    """Rows and columns."""
    want(len(tensor.shape) == 2 and tensor.elements > 0, f"{what} has shape {list(tensor.shape)}, a matrix is expected")
    return tensor.shape[0], tensor.shape[1]


def number(settings: Mapping[str, Any], *keys: str) -> int | None:
    """A whole number that a configuration states under one of these keys, or None."""
    for key in keys:
        value = settings.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and -1 <= value < 1 << 31:
            return value
    return None


def text(settings: Mapping[str, Any], *keys: str) -> str:
    """A string that a configuration states under one of these keys, in lower case, or empty."""
    for key in keys:
        value = settings.get(key)
        if isinstance(value, str):
            return value.lower()
    return ""
