"""What is known of an adapter without its base: claims of its configuration and facts of its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Touched:
    """One module of the base that the adapter changes by a computed part.

    Attributes:
        module: Its name as the adapter gives it, without the wrapper's prefix; untrusted text.
        method: ``lora``, ``dora``, ``ia3``, ``tokens`` (rows of an embedding) or the adapter's kind where it is
            none of these.
        rank: Rank r of the update by the shapes of its factors, 0 where there is none.
        scaling: What the product of the factors is multiplied by, 0 where it is not known or there is none.
        elements: Trained elements.
    """

    module: str
    method: str
    rank: int
    scaling: float
    elements: int


@dataclass(frozen=True)
class AdapterFacts:
    """An adapter as its files describe it.

    Attributes:
        kind: ``lora``, ``dora``, ``ia3``, ``prefix-tuning``, ``prompt-tuning``, ``p-tuning``, or another method's name
            in small letters; ``unknown`` where neither the configuration nor the tensors tell.
        base: The base that the configuration names, raw; a claim, empty if there is none.
        revision: The revision that it names; a claim, empty if there is none.
        task: The task that it names; a claim.
        library: The version of the library that wrote it; a claim.
        modules: Modules that are changed, in order of their names.
        saved: Names of weights that are stored whole and take the place of the base's, sorted.
        trained: Elements of all stored tensors of the adapter.
        prompts: Virtual tokens that are put before the input, 0 where there are none.
        bias: Which biases were trained, as claimed: ``none``, ``lora_only``, ``all``.
        turned: The configuration says that the base stores its matrices (in, out).
        problems: Contradictions, as sentences: such an adapter is listed and hashed, but never put onto a base.
    """

    kind: str
    base: str = ""
    revision: str = ""
    task: str = ""
    library: str = ""
    modules: tuple[Touched, ...] = ()
    saved: tuple[str, ...] = ()
    trained: int = 0
    prompts: int = 0
    bias: str = "none"
    turned: bool = False
    problems: tuple[str, ...] = ()

    @property
    def ranks(self) -> tuple[int, ...]:
        """Ranks that occur, ascending, without 0."""
        return tuple(sorted({m.rank for m in self.modules if m.rank}))

    @property
    def merges(self) -> bool:
        """Whether the adapter changes weights; prompt vectors do not, they stand before the input."""
        return bool(self.modules or self.saved)

    def plain(self) -> dict[str, Any]:
        """The same as data for a record: names, numbers and lists only, floats as they are."""
        return {
            "kind": self.kind,
            "base": self.base,
            "revision": self.revision,
            "task": self.task,
            "library": self.library,
            "modules": [
                {"module": m.module, "method": m.method, "rank": m.rank, "scaling": m.scaling, "elements": m.elements}
                for m in self.modules
            ],
            "saved": list(self.saved),
            "trained": self.trained,
            "prompts": self.prompts,
            "bias": self.bias,
            "turned": self.turned,
            "problems": list(self.problems),
        }

    def sentence(self) -> str:
        """One line for a person: kind, rank, how much is touched and what base is claimed; raw text within."""
        parts = [self.kind]
        if self.ranks:
            parts.append(f"rank {', '.join(map(str, self.ranks[:8]))}")
        if self.modules:
            parts.append(f"{len(self.modules)} modules changed")
        if self.saved:
            parts.append(f"{len(self.saved)} weights stored whole")
        if self.prompts:
            parts.append(f"{self.prompts} virtual tokens before the input, no weight changed")
        claim = f"names the base {self.base!r}" if self.base else "names no base"
        if self.revision:
            claim += f", revision {self.revision!r}"
        return f"{', '.join(parts)}; {self.trained} elements; {claim} (a claim of the adapter's own)"
