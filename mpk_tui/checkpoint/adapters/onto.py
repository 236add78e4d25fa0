"""An adapter put onto a base: a composite checkpoint whose touched weights are computed when they are read.

Stored tensors of the base keep their names where nothing touches them; touched ones and the adapter's get a prefix
(``base:``, ``adapter:``), so that a composite is never taken for its base.  Files get a folder (``base/``,
``adapter/``); `mpk_tui.checkpoint.model.Checkpoint.roots` says where each of them lies.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mpk_tui.checkpoint.adapters import names
from mpk_tui.checkpoint.adapters.facts import Group, Sorted, token_ids
from mpk_tui.checkpoint.adapters.opening import settings_of, sorted_parts
from mpk_tui.checkpoint.adapters.place import Place
from mpk_tui.checkpoint.adapters.places import HEADS, Places, find_places, mismatch
from mpk_tui.checkpoint.adapters.record import AdapterFacts
from mpk_tui.checkpoint.adapters.settings import PROMPT_KINDS, Settings
from mpk_tui.checkpoint.model import Architecture, Checkpoint, Derived, FileEntry, Part, Tensor
from mpk_tui.errors import MalformedError, UnsupportedError, UsageError

BASE, ADAPTER = "base", "adapter"
_BROKEN = "Such an adapter is not put onto a base; where its weight file alone was named, name its folder"


def onto(base: Checkpoint, adapter: Checkpoint) -> Checkpoint:
    """A composite of a base and an adapter.

    Args:
        base: A model, plain or quantized, or a composite itself (adapters may be stacked).
        adapter: What `mpk_tui.checkpoint.adapters.opening.adapted` recognised.

    Raises:
        UsageError: One of the two is not what it should be, or the adapter fits nothing in this base.
        UnsupportedError: There is nothing to merge (prompt vectors), or its merge is not computed here.
        MalformedError: The adapter contradicts itself.
    """
    facts = adapter.adapter
    if facts is None or adapter.roots:
        raise UsageError("is no adapter", where=str(adapter.path), hint="Give the folder with adapter_config.json")
    if base.adapter is not None and not base.roots:
        raise UsageError("is an adapter itself", where=str(base.path), hint="Give the model that it was trained on")
    settings = settings_of(adapter)
    _check(adapter, facts, settings)
    parts = sorted_parts(adapter)
    work = _Work(base, adapter, facts, settings, find_places(base, parts, facts, adapter))
    for group in parts.groups.values():
        if group.module not in work.places.absent:
            work.group(group, parts)
    for name, tensor in parts.saved.items():
        work.saved(name, tensor)
    work.spare(parts.ignored)
    return work.composite()


def _check(adapter: Checkpoint, facts: AdapterFacts, settings: Settings) -> None:
    where = str(adapter.path)
    if settings.unmerged and not (settings.kind == "unknown" and facts.problems):
        hint = "Compare it by itself" if facts.kind in PROMPT_KINDS else "Merge it with the library that made it"
        raise UnsupportedError(
            settings.unmerged, where=where, hint=f"Nothing to merge. {hint}" if not facts.merges else hint
        )
    if facts.problems:
        raise MalformedError(facts.problems[0], where=where, hint=_BROKEN)
    if not facts.merges:
        raise UnsupportedError("holds nothing that changes a weight", where=where, hint="Compare it by itself")


@dataclass
class _Work:
    """The composite while it is being made."""

    base: Checkpoint
    adapter: Checkpoint
    facts: AdapterFacts
    settings: Settings
    places: Places
    derived: dict[str, Derived] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        taken = [*self.base.tensors, *self.base.derived]
        self._base, self._own = (_free(p, taken) for p in (f"{BASE}:", f"{ADAPTER}:"))
        self._touched: dict[str, str] = {}
        self.notices += self.places.notices
        self._scalings = {m.module: m.scaling for m in self.facts.modules}

    def _source(self, name: str) -> str:
        """The name under which a touched weight of the base is found in the composite."""
        inner = self.base.derived.get(name)
        self._touched[name] = f"{self._base}{name}" if inner is None else f"{self._base}{name}@{inner.layout}"
        return self._touched[name]

    def _mine(self, tensor: Tensor) -> str:
        return f"{self._own}{tensor.name}"

    def _wrong(self, what: str) -> UsageError:
        return mismatch(self.adapter, self.facts, what, self.base)

    def group(self, group: Group, parts: Sorted) -> None:
        """One module that the adapter changes."""
        place = self.places.of(group.module)
        weight = f"{place.name}.weight"
        whole = parts.saved.get(f"{group.module}.weight")
        stored = self.base.logical.get(weight)
        head = ""
        if whole is not None:
            shape = whole.shape
            sources = {"base": self._mine(whole)}
            if stored is not None:
                sources["replaced"] = self._source(weight)
        elif stored is not None:
            shape, sources = stored.shape, {"base": self._source(weight)}
        else:
            head = self._tied(place.name)
            shape, sources = self.base.logical[head].shape, {"base": self._source(head)}
        if len(shape) != 2:
            raise UnsupportedError(
                f"{group.module[:200]!r} is {list(shape)} in the base; only matrices are merged by this version",
                where=str(self.adapter.path),
            )
        self._weight(group, place, weight, shape, sources)
        if head:
            # The head that was shared is now a weight of its own, and the table is read as before.
            self.derived[head] = Derived(head, "copy", shape, {"value": sources["base"]}, {})
            self.notices.append(f"{weight}: the base shares its head with its table; the adapter changes the head only")
            self.added.append(weight)

    def _weight(self, group: Group, place: Place, weight: str, shape: tuple[int, ...], sources: dict[str, str]) -> None:
        if group.method == "tokens":
            ids = token_ids(group, self.settings)
            tensor = group.slots[names.TOKENS]
            if tensor.shape[1] != shape[1] or max(ids) >= shape[0]:
                raise self._wrong(
                    f"{group.module[:200]!r} replaces rows up to {max(ids)} of {tensor.shape[1]} numbers, the base has "
                    f"{list(shape)}"
                )
            sources["rows"] = self._mine(tensor)
            self.derived[weight] = Derived(weight, "rows", shape, sources, {"ids": ids})
        elif group.method == "ia3":
            self._vector(group, place, weight, shape, sources)
        else:
            self._factors(group, place, weight, shape, sources)

    def _factors(
        self, group: Group, place: Place, weight: str, shape: tuple[int, ...], sources: dict[str, str]
    ) -> None:
        factors = group.factors
        assert factors is not None  # `describe` found no problem
        inputs, outputs = group.span
        if group.embedding:
            turned = True
            fits = shape == (inputs, outputs)
        else:
            fits = sorted(shape) == sorted((inputs, outputs))
            turned = place.turned(shape, inputs, outputs)
        if not fits or (place.rope_heads and turned):
            raise self._wrong(
                f"{group.module[:200]!r} has factors {list(factors[0].shape)} and {list(factors[1].shape)}, for "
                f"{outputs} outputs and {inputs} inputs, the base has {weight[:200]!r} {list(shape)}"
            )
        sources |= {"a": self._mine(factors[0]), "b": self._mine(factors[1])}
        params: dict[str, Any] = {"rank": group.rank, "scaling": self._scalings[group.module], "turned": turned}
        if group.columns_first:
            params["columns_first"] = True
        if place.rope_heads:
            params["rope_heads"] = place.rope_heads
        if names.MAGNITUDE in group.slots:
            sources["magnitude"] = self._mine(group.slots[names.MAGNITUDE])
        self.derived[weight] = Derived(weight, group.method, shape, sources, params)
        shift = group.slots.get(names.B_BIAS)
        if shift is not None:
            self._bias(group, place, "lora", {"shift": self._mine(shift)}, params, outputs)

    def _vector(self, group: Group, place: Place, weight: str, shape: tuple[int, ...], sources: dict[str, str]) -> None:
        tensor = group.slots[names.VECTOR]
        upright = tensor.shape[1] == 1
        count = tensor.elements
        if shape[0] == shape[1]:
            turned = place.turned(shape, *shape)
        else:
            turned = count == shape[1 if upright else 0]
        axis = int(turned) if upright else 1 - int(turned)
        if shape[axis] != count:
            raise self._wrong(
                f"{group.module[:200]!r} has a vector {list(tensor.shape)}, the base has {weight[:200]!r} {list(shape)}"
            )
        sources["vector"] = self._mine(tensor)
        params = {"count": count, "upright": upright, "axis": axis}
        if place.rope_heads and upright:
            params["rope_heads"] = place.rope_heads
        self.derived[weight] = Derived(weight, "ia3", shape, sources, params)
        if upright and f"{place.name}.bias" in self.base.logical:
            mine = {"vector": sources["vector"]}
            self._bias(group, place, "ia3", mine, params | {"axis": 0}, count)

    def _bias(
        self, group: Group, place: Place, layout: str, sources: dict[str, str], params: dict[str, Any], outputs: int
    ) -> None:
        name = f"{place.name}.bias"
        stored = self.base.logical.get(name)
        if stored is None or stored.shape != (outputs,):
            found = "none" if stored is None else str(list(stored.shape))
            raise self._wrong(f"{group.module[:200]!r} changes a bias of {outputs} numbers, the base has {found}")
        self.derived[name] = Derived(name, layout, stored.shape, {"base": self._source(name), **sources}, params)

    def _tied(self, module: str) -> str:
        """The table that serves as the head of a base that stores no head."""
        table = self.base.architecture.roles.get(("embed.tokens", -1))
        if module.rpartition(".")[2] in HEADS and self.base.architecture.tied and table is not None:
            return table.tensor
        raise self._wrong(f"{module[:200]!r} is changed, the base has no {f'{module}.weight'[:200]!r}")

    def saved(self, name: str, tensor: Tensor) -> None:
        """A weight that is kept whole: it takes the place of the base's, or is new (a classifier's head)."""
        target = self.places.weight(name)
        if target in self.derived:
            done = self.derived[target]
            if "base" in done.sources and done.sources["base"] == self._mine(tensor):
                return
            if name.endswith(".bias"):
                # A trained bias beside a factor's: PEFT adds to what is stored.
                replaced = done.sources["base"]
                sources = {**done.sources, "base": self._mine(tensor), "replaced": replaced}
                self.derived[target] = replace(done, sources=sources)
                return
        stored = self.base.logical.get(target)
        if self.places.by_role and (stored is None or len(tensor.shape) != 2 or stored.shape != tensor.shape):
            raise UnsupportedError(
                f"{name[:200]!r} {list(tensor.shape)} is kept whole, and the base has other names; only matrices are "
                "put into its place by role",
                where=str(self.adapter.path),
                hint="Give the base in the format that the adapter was trained on",
            )
        sources = {"value": self._mine(tensor)}
        if stored is not None:
            sources["base"] = self._source(target)
            if stored.shape != tensor.shape:
                self.notices.append(
                    f"{target[:200]}: {list(tensor.shape)} takes the place of the base's {list(stored.shape)}"
                )
        else:
            self.added.append(target)
        self.derived[target] = Derived(target, "copy", tensor.shape, sources, {})

    def spare(self, tensors: list[Tensor]) -> None:
        """Copies that are not loaded: named as sources, or they would count as weights of the model."""
        first = min(self.derived)
        unused = {f"unused{k}": self._mine(t) for k, t in enumerate(tensors)}
        self.derived[first] = replace(self.derived[first], sources={**self.derived[first].sources, **unused})

    def composite(self) -> Checkpoint:
        """The checkpoint of both."""
        base, adapter = self.base, self.adapter
        renamed = dict(self._touched)
        for name in self._touched:
            inner = base.derived.get(name)
            if inner is not None:
                # What a touched weight was computed from belongs to the base alone.
                renamed |= {s: f"{self._base}{s}" for s in inner.sources.values() if s in base.tensors}
                renamed[name] = self._touched[name]
        stored = {n for n in base.tensors if n in renamed}
        prefix = {BASE: f"{BASE}/", ADAPTER: f"{ADAPTER}/"}
        tensors: dict[str, Tensor] = {}
        for name, tensor in base.tensors.items():
            new = f"{self._base}{name}" if name in stored else name
            tensors[new] = replace(tensor, name=new, file=prefix[BASE] + tensor.file)
        for tensor in adapter.tensors.values():
            new = self._mine(tensor)
            tensors[new] = replace(tensor, name=new, file=prefix[ADAPTER] + tensor.file)
        derived: dict[str, Derived] = {}
        for name, inner in base.derived.items():
            sources = {
                k: f"{self._base}{s}" if s in stored else self._touched.get(s, s) for k, s in inner.sources.items()
            }
            new = self._touched.get(name, name)
            derived[new] = replace(inner, name=new, sources=sources)
        derived |= self.derived
        roots = {f"{BASE}/{k}": v for k, v in base.roots.items()} or {BASE: base.root}
        if self.added:
            self.notices.append(f"weights that the base does not have: {', '.join(sorted(self.added)[:10])}")
        grown = any(d.layout == "copy" and "base" in d.sources and self._is_table(n) for n, d in self.derived.items())
        return Checkpoint(
            path=adapter.path,
            root=adapter.root,
            format=base.format,
            files=_by_path((prefix[BASE], base.files), (prefix[ADAPTER], adapter.files)),
            weights=tuple(sorted(prefix[k] + w for k, c in ((BASE, base), (ADAPTER, adapter)) for w in c.weights)),
            tensors=_ordered(tensors),
            config=base.config,
            metadata={prefix[BASE] + k: v for k, v in base.metadata.items()}
            | {prefix[ADAPTER] + k: v for k, v in adapter.metadata.items()},
            tokenizer=adapter.tokenizer if adapter.tokenizer and (grown or not base.tokenizer) else base.tokenizer,
            architecture=self._architecture(),
            notices=(*base.notices, *adapter.notices, *self.notices),
            derived=_ordered(derived),
            towers=base.towers,
            undecoded=base.undecoded or adapter.undecoded,
            missing=(*base.missing, *adapter.missing, *self._lost()),
            roots={**roots, ADAPTER: adapter.root},
            adapter=self.facts,
        )  # fmt: skip

    def _lost(self) -> list[str]:
        lost = sorted(self.places.absent)
        return (
            [f"{len(lost)} modules of the adapter lie in what the base lacks, {lost[0][:200]!r} first"] if lost else []
        )

    def _is_table(self, name: str) -> bool:
        part = self.base.architecture.roles.get(("embed.tokens", -1))
        return part is not None and part.tensor == name

    def _architecture(self) -> Architecture:
        """The base's roles hold: touched weights keep their names.  A head that the base shared may be new."""
        base = self.base.architecture
        roles = dict(base.roles)
        head = next((n for n in self.added if n.removesuffix(".weight").rpartition(".")[2] in HEADS), None)
        tied = base.tied
        if head is not None and tied and base.roles and ("head", -1) not in roles:
            roles["head", -1] = Part(head)
            tied = False
        named = {p.tensor for p in roles.values()}
        unassigned = sorted({*base.unassigned, *(n for n in self.added if n not in named)})
        return replace(base, roles=roles, tied=tied, unassigned=tuple(unassigned))


def _free(prefix: str, taken: list[str]) -> str:
    """The prefix, repeated until nothing is called so already (an adapter on an adapter on a base)."""
    out = prefix
    while any(n.startswith(out) for n in taken):
        out += prefix
    return out


def _by_path(*parts: tuple[str, tuple[FileEntry, ...]]) -> tuple[FileEntry, ...]:
    files = [replace(e, path=prefix + e.path) for prefix, entries in parts for e in entries]
    return tuple(sorted(files, key=lambda e: os.fsencode(e.path)))


def _ordered(named: Mapping[str, Any]) -> dict[str, Any]:
    return {n: named[n] for n in sorted(named, key=lambda n: n.encode("utf-8", "surrogatepass"))}
