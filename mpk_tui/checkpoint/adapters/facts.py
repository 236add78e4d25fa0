"""An adapter's tensors sorted by the module they belong to, and held against its configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mpk_tui.checkpoint.adapters import names
from mpk_tui.checkpoint.adapters.names import Slot
from mpk_tui.checkpoint.adapters.patterns import is_name
from mpk_tui.checkpoint.adapters.record import AdapterFacts, Touched
from mpk_tui.checkpoint.adapters.settings import CONFIG, MERGED_KINDS, PROMPT_KINDS, Settings
from mpk_tui.checkpoint.model import COLUMN_MAJOR, Tensor
from mpk_tui.errors import UnsupportedError

MAX_NAME = 4096
"""Characters of a module's name."""
MAX_LOOKUPS = 1 << 20
"""Names times plain patterns that are tried."""
MAX_WALKS = 1 << 15
"""Names times patterns that are expressions."""
MAX_TOLD = 20
_NO_WEIGHTS = ("I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "BOOL", "C64")


@dataclass(frozen=True)
class Group:
    """The tensors that change one module.

    Attributes:
        module: Its name.
        slots: Slot to tensor.
        columns_first: Factor A is stored (in, r), as llama.cpp does for embeddings.
    """

    module: str
    slots: Mapping[str, Tensor]
    columns_first: bool = False

    @property
    def embedding(self) -> bool:
        """Whether the module is an embedding, whose matrix is (tokens, width)."""
        return names.EMBED_A in self.slots

    @property
    def factors(self) -> tuple[Tensor, Tensor] | None:
        """A and B, None where there are none or only one."""
        a = self.slots.get(names.A) or self.slots.get(names.EMBED_A)
        b = self.slots.get(names.B) or self.slots.get(names.EMBED_B)
        return (a, b) if a is not None and b is not None else None

    @property
    def method(self) -> str:
        """``lora``, ``dora``, ``ia3`` or ``tokens``."""
        if names.VECTOR in self.slots:
            return "ia3"
        if names.TOKENS in self.slots:
            return "tokens"
        return "dora" if names.MAGNITUDE in self.slots else "lora"

    @property
    def rank(self) -> int:
        """Rank by the shape of A, 0 where that is no matrix."""
        a = self.slots.get(names.A) or self.slots.get(names.EMBED_A)
        return a.shape[1 if self.columns_first else 0] if a is not None and len(a.shape) == 2 else 0

    @property
    def span(self) -> tuple[int, int]:
        """Inputs and outputs by the shapes of sound factors."""
        factors = self.factors
        if factors is None:
            return 0, 0
        return factors[0].shape[0 if self.columns_first else 1], factors[1].shape[0]


@dataclass
class Sorted:
    """All tensors of an adapter by what they are.

    Attributes:
        groups: By module, in order of names.
        saved: Weights that are kept whole, by the name that the base gives them.
        prompts: Prompt vectors.
        ignored: Copies that are not loaded: of what was not trained, or of what is there already.
        other: Parameters of methods that are not computed here.
        problems: What contradicts itself.
    """

    groups: dict[str, Group] = field(default_factory=dict)
    saved: dict[str, Tensor] = field(default_factory=dict)
    prompts: list[Tensor] = field(default_factory=list)
    ignored: list[Tensor] = field(default_factory=list)
    other: list[Tensor] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def sort(slots: Iterable[tuple[Slot, Tensor]], *, columns_first: Iterable[str] = ()) -> Sorted:
    """Sort tensors by module; those that contradict one another are told in ``problems``."""
    out = Sorted()
    turned = frozenset(columns_first)
    found: dict[str, dict[str, Tensor]] = {}
    adapters: set[str] = set()
    for slot, tensor in slots:
        if len(slot.module) > MAX_NAME:
            out.problems.append(f"a module's name of {len(slot.module)} characters (at most {MAX_NAME})")
        elif slot.slot == names.PROMPT:
            out.prompts.append(tensor)
        elif slot.slot == names.IGNORED:
            out.ignored.append(tensor)
        elif slot.slot == names.OTHER:
            out.other.append(tensor)
        elif slot.slot == names.SAVED:
            before = out.saved.setdefault(slot.module, tensor)
            if before is not tensor:
                # Once under its own name and once under the wrapper's: PEFT itself loads the shorter.
                out.saved[slot.module], spare = sorted((before, tensor), key=lambda t: (len(t.name), t.name))
                out.ignored.append(spare)
        else:
            group = found.setdefault(slot.module, {})
            if slot.slot in group:
                out.problems.append(f"two tensors for one place: {_named(group[slot.slot])} and {_named(tensor)}")
            group[slot.slot] = tensor
            adapters.add(slot.adapter)
    if len(adapters) > 1:
        out.problems.append(f"several adapters in one file: {', '.join(repr(a[:80]) for a in sorted(adapters)[:5])}")
    out.groups = {m: Group(m, found[m], m in turned) for m in sorted(found)}
    return out


def describe(settings: Settings | None, parts: Sorted) -> AdapterFacts:
    """Facts of an adapter; whatever contradicts the configuration or itself is in ``problems``.

    Args:
        settings: From the configuration, None where there is none.
        parts: From `sort`.
    """
    problems = list(settings.problems if settings else ()) + parts.problems
    if settings is None and not parts.prompts:
        problems.append(f"there is no {CONFIG} that could be read: the scaling and the base are not known")
    claims = settings or Settings()
    methods = {g.method for g in parts.groups.values()}
    problems += _kind_problems(claims.kind, methods, parts)
    usable = _patterns_usable(claims, len(parts.groups), problems)
    modules = []
    for group in parts.groups.values():
        wrong = _group_problem(group, claims)
        scaling = 0.0
        if group.rank and not wrong and usable:
            try:
                claimed = claims.rank_of(group.module)
                scaling = claims.scaling(group.module, group.rank)
            except UnsupportedError as error:
                problems.append(error.diagnosis())
                usable = False
            else:
                if claimed and claimed != group.rank:
                    wrong = f"{group.module[:200]!r}: {CONFIG} says rank {claimed}, its factors have rank {group.rank}"
        if wrong:
            problems.append(wrong)
        elements = sum(t.elements for t in group.slots.values())
        modules.append(Touched(group.module, group.method, group.rank, scaling, elements))
    if settings is not None and claims.alpha is None and any(m.rank for m in modules):
        problems.append(f"{CONFIG} states no lora_alpha: the scaling is not known")
    kind = claims.kind
    if kind == "unknown":
        kind = methods.pop() if len(methods) == 1 else "prompt" if parts.prompts and not methods else "unknown"
    return AdapterFacts(
        kind=kind,
        base=claims.base,
        revision=claims.revision,
        task=claims.task,
        library=claims.library,
        modules=tuple(modules),
        saved=tuple(sorted(parts.saved)),
        trained=sum(
            t.elements
            for some in (
                (t for g in parts.groups.values() for t in g.slots.values()),
                parts.saved.values(), parts.prompts, parts.other,
            )
            for t in some
        ),
        prompts=claims.prompts or (parts.prompts[0].shape[0] if parts.prompts and parts.prompts[0].shape else 0),
        bias=claims.bias,
        turned=claims.turned,
        problems=_bounded(problems),
    )  # fmt: skip


def _bounded(problems: list[str]) -> tuple[str, ...]:
    if len(problems) <= MAX_TOLD:
        return tuple(problems)
    return (*problems[:MAX_TOLD], f"and {len(problems) - MAX_TOLD} more of the kind")


def _named(tensor: Tensor) -> str:
    return f"{tensor.name[:200]!r} {list(tensor.shape)}"


def _kind_problems(kind: str, methods: set[str], parts: Sorted) -> list[str]:
    out = []
    if kind == "dora" and "lora" in methods and parts.groups:
        bare = [g.module for g in parts.groups.values() if g.method == "lora" and g.factors is not None]
        if bare:
            out.append(f"{CONFIG} says DoRA, {bare[0][:200]!r} has no lora_magnitude_vector")
    if kind == "lora" and "dora" in methods:
        out.append(f"{CONFIG} says LoRA without DoRA, yet there are magnitude vectors")
    if (kind == "ia3") != ("ia3" in methods) and kind in ("ia3", "lora", "dora"):
        out.append(f"{CONFIG} says {kind}, the tensors are of {', '.join(sorted(methods)) or 'none of its kind'}")
    if kind in ("lora", "dora") and not methods & {"lora", "dora"} and "ia3" not in methods:
        out.append(f"{kind} is claimed, there are no factors A and B")
    if parts.other and kind in MERGED_KINDS:
        out.append(f"{_named(parts.other[0])} is no part of {kind}")
    if kind in PROMPT_KINDS and methods:
        out.append(f"{CONFIG} says {kind}, yet there are parts of {', '.join(sorted(methods))}")
    return out


def _patterns_usable(claims: Settings, modules: int, problems: list[str]) -> bool:
    patterns = [p for p, _ in claims.ranks] + [p for p, _ in claims.alphas]
    expressions = sum(not is_name(p) for p in patterns)
    if modules * (len(patterns) - expressions) > MAX_LOOKUPS or modules * expressions > MAX_WALKS:
        problems.append(f"{CONFIG}: {len(patterns)} patterns for {modules} modules are more than are tried")
        return False
    return True


def _group_problem(group: Group, claims: Settings) -> str:
    """Why a module's tensors cannot be what they say, or empty."""
    where = f"{group.module[:200]!r}"
    for tensor in group.slots.values():
        if tensor.dtype.removesuffix(COLUMN_MAJOR) in _NO_WEIGHTS:
            return f"{where}: {_named(tensor)} is stored as {tensor.dtype}, trained parts are floating-point numbers"
        if not tensor.elements:
            return f"{where}: {_named(tensor)} is empty"
    if group.method == "ia3":
        vector = group.slots[names.VECTOR]
        if len(group.slots) > 1:
            return f"{where}: an IA³ vector beside parts of another method"
        if len(vector.shape) != 2 or 1 not in vector.shape:
            return f"{where}: {_named(vector)} is no IA³ vector, (outputs, 1) or (1, inputs)"
        return ""
    if group.method == "tokens":
        if len(group.slots) > 1:
            return f"{where}: rows of single tokens beside parts of another method"
        return _token_problem(group, claims, where)
    factors = group.factors
    if factors is None:
        there = next(iter(group.slots.values()))
        return f"{where}: only {_named(there)}; factors A and B belong together"
    a, b = factors
    if (names.EMBED_A in group.slots) != (names.EMBED_B in group.slots) or len(group.slots.keys() & _FACTORS) != 2:
        return f"{where}: factors of an embedding beside factors of a matrix"
    if len(a.shape) != 2 or len(b.shape) != 2:
        return f"{where}: factors {_named(a)} and {_named(b)} are no matrices"
    if b.shape[1] != group.rank:
        return f"{where}: factors {_named(a)} and {_named(b)} do not fit: rank {group.rank} and rank {b.shape[1]}"
    for slot in (names.MAGNITUDE, names.B_BIAS):
        extra = group.slots.get(slot)
        if extra is not None and extra.shape != b.shape[:1]:
            return f"{where}: {_named(extra)} has not one number for each of {b.shape[0]} outputs"
    return ""


_FACTORS = frozenset({names.A, names.B, names.EMBED_A, names.EMBED_B})


def token_ids(group: Group, claims: Settings) -> tuple[int, ...]:
    """Which rows of an embedding a group of single tokens replaces; empty if the configuration does not say."""
    for module, ids in claims.tokens.items():
        if not module or group.module == module or group.module.endswith(f".{module}"):
            return ids
    return ()


def _token_problem(group: Group, claims: Settings, where: str) -> str:
    rows = group.slots[names.TOKENS]
    ids = token_ids(group, claims)
    if len(rows.shape) != 2:
        return f"{where}: {_named(rows)} is no matrix of token rows"
    if len(ids) != rows.shape[0] or len(set(ids)) != len(ids):
        return f"{where}: {_named(rows)} for {len(set(ids))} different tokens in {CONFIG}"
    return ""
