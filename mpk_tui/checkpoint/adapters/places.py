"""Where an adapter's modules lie in a base: by name, by name under another prefix, or by role in a GGUF file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from mpk_tui.checkpoint.adapters.facts import Group, Sorted
from mpk_tui.checkpoint.adapters.place import Place
from mpk_tui.checkpoint.adapters.record import AdapterFacts
from mpk_tui.checkpoint.adapters.roles import by_role
from mpk_tui.checkpoint.model import Checkpoint, Part
from mpk_tui.errors import UsageError

HEADS = ("lm_head", "embed_out", "output")
_MAX_PREFIXES = 64
_MAX_COMPONENTS = 32


@dataclass(frozen=True)
class Places:
    """All of them.

    Attributes:
        strip: What the adapter's names start with and the base's do not.
        add: What the base's names start with in its place.
        by_role: Places found by role, by the adapter's module.
        transposed: Which of the base's tensors are stored (in, out), by its architecture.
        claimed: What the adapter says of the others.
        notices: How the names were brought together, if they differ.
        absent: Modules that lie in no file of a base that is known to be incomplete.
    """

    strip: str = ""
    add: str = ""
    by_role: Mapping[str, Place] = field(default_factory=dict)
    transposed: Mapping[str, bool] = field(default_factory=dict)
    claimed: bool = False
    notices: tuple[str, ...] = ()
    absent: frozenset[str] = frozenset()

    def of(self, module: str) -> Place:
        """The place of a module."""
        if module in self.by_role:
            return self.by_role[module]
        name = self._moved(module)
        return Place(name, self.transposed.get(f"{name}.weight", self.claimed))

    def weight(self, name: str) -> str:
        """The name that the base gives to a weight that the adapter keeps whole."""
        module, dot, last = name.rpartition(".")
        if module in self.by_role:
            return f"{self.by_role[module].name}.{last}"
        return f"{self._moved(module)}.{last}" if dot else name

    def _moved(self, module: str) -> str:
        return self.add + module[len(self.strip) :] if module.startswith(self.strip) else module


def find_places(base: Checkpoint, parts: Sorted, facts: AdapterFacts, adapter: Checkpoint) -> Places:
    """Find the base's tensor for every module that the adapter changes.

    Raises:
        UsageError: At least one module has none, in a base that is whole; the first is named with the shapes of its
            parts.
    """
    transposed = _transposed(base)
    plain = Places(transposed=transposed, claimed=facts.turned)
    modules = list(parts.groups)
    stored = base.logical
    tied = base.architecture.tied and ("embed.tokens", -1) in base.architecture.roles

    def known(places: Places, module: str) -> bool:
        name = places.of(module).name
        whole = f"{module}.weight" in parts.saved
        return f"{name}.weight" in stored or whole or (tied and name.rpartition(".")[2] in HEADS)

    if all(known(plain, m) for m in modules):
        return plain
    for strip, add in _prefixes(modules, stored):
        told = f"modules were found after {strip!r} in their names was replaced by {add!r}"
        moved = Places(strip, add, transposed=transposed, claimed=facts.turned, notices=(told,))
        if all(known(moved, m) for m in modules):
            return moved
    lost = frozenset(m for m in modules if not known(plain, m))
    if base.missing and len(lost) < len(modules):
        return replace(plain, absent=lost)
    found = by_role(base, modules)
    if found is not None:
        told = "modules were found by their roles: the base has other names"
        return Places(by_role=found, transposed=transposed, claimed=facts.turned, notices=(told,))
    missing = min(lost)
    raise mismatch(adapter, facts, f"it has no {missing[:200]!r} ({_shapes(parts.groups[missing])})", base)


def mismatch(adapter: Checkpoint, facts: AdapterFacts, what: str, base: Checkpoint) -> UsageError:
    """The error for an adapter that does not fit the base that was given."""
    claim = f"the adapter names {facts.base!r} as its base" if facts.base else "the adapter names no base"
    return UsageError(
        f"does not fit the base {str(base.path)!r}: {what}; {claim}",
        where=str(adapter.path),
        hint="Give the base that it was trained on",
    )


def _shapes(group: Group) -> str:
    return ", ".join(f"{slot} {list(t.shape)}" for slot, t in sorted(group.slots.items()))


def _transposed(base: Checkpoint) -> dict[str, bool]:
    parts: list[Part] = list(base.architecture.roles.values())
    for tower in base.towers.values():
        parts += tower.roles.values()
    return {p.tensor: p.transposed for p in parts}


def _prefixes(modules: list[str], stored: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What may stand before the names of a layer's modules in either, longest common ending first."""
    sample = next((m for m in modules if any(c.isdecimal() for c in m.split("."))), "")
    components = sample.split(".")
    layered = next((k for k, c in enumerate(components) if c.isdecimal()), 0)
    ending = f".{components[-1]}.weight"
    near = [n.removesuffix(".weight") for n in stored if n.endswith(ending)]
    tried = 0
    for k in range(min(layered, _MAX_COMPONENTS) if sample else 0):
        tail = ".".join(components[k:])
        for name in near:
            if name == tail or name.endswith(f".{tail}"):
                yield sample[: len(sample) - len(tail)], name[: len(name) - len(tail)]
                tried += 1
                if tried >= _MAX_PREFIXES:
                    return
