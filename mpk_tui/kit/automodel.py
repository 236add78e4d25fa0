"""PyTorch files: the Kit loads them through the model's class, in half precision and in the class's order of tensors.

``AutoModelForCausalLM``, else ``AutoModel`` (provenancekit 1.0.0, ``services/model_loader.py``, ``_try_automodel``).  A
class takes tensors by its own names, with or without the prefix of its base model.  Norms that the file lacks begin as
ones and zeros; matrices begin at random, so that the Kit's answer then changes from run to run.  Orders are facts of
transformers 5.24.0 (``tests/kit/facts_of_transformers.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mpk_tui.checkpoint.model import Tensor
from mpk_tui.errors import UnsupportedError
from mpk_tui.kit.configuration import Configuration, facts
from mpk_tui.kit.names import is_norm, layer_of

FILLS = {"weight": "ONES", "bias": "ZEROS"}
"""Types of tensors that lie in no file: a norm that a file lacks begins as ones and zeros."""


def ordered(configuration: Configuration, tensors: Mapping[str, Tensor], where: str) -> tuple[Tensor, ...]:
    """The tensors of a file under the names and in the order of the model's class.

    Args:
        configuration: Of the model.
        tensors: Of the files, by name.
        where: For messages.

    Raises:
        UnsupportedError: A class that is not in our table, or tensors that the file lacks and the Kit makes up.
    """
    kind = configuration.model_type
    model = facts()["models"].get(kind)
    if model is None:
        raise UnsupportedError(
            f"the Kit loads PyTorch files of model_type {kind!r} through a class whose order is not in our table",
            where=where,
        )
    prefix = model["prefix"] + "."
    held = {_renamed(n): t for n, t in tensors.items()}
    depth = 1 + max((i for n in held if (i := layer_of(n)) is not None), default=-1)
    out = []
    for name, optional in _names(model["order"], depth):
        other = name.removeprefix(prefix) if name.startswith(prefix) else prefix + name
        found = held.get(name, held.get(other))
        if found is not None:
            out.append(replace(found, name=name))
        elif name in model["fills"]:
            size = int(configuration.get(model["fills"][name], 0) or 0)
            out.append(Tensor(name, FILLS[name.rpartition(".")[2]], (size,), "", 0, 0))
        elif not optional and (is_norm(name) or layer_of(name) is not None) and _in_depth(name, held, prefix):
            raise UnsupportedError(
                f"the file has no {name[:80]!r}; the Kit fills it at random and has another answer every time",
                where=where,
            )
    return tuple(out)


def _renamed(name: str) -> str:
    """Names from before 2020 that the library still takes."""
    for old, new in (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")):
        name = name.replace(old, new)
    return name


def _in_depth(name: str, held: Mapping[str, Tensor], prefix: str) -> bool:
    """Whether the file has anything of that layer (an encoder may be shorter than its decoder)."""
    layer = layer_of(name)
    if layer is None:
        return True
    head = name[: name.index(f".{layer}.") + len(f".{layer}.")]
    other = head.removeprefix(prefix) if head.startswith(prefix) else prefix + head
    return any(n.startswith((head, other)) for n in held)


def _names(order: list[str | list[object]], depth: int) -> Iterator[tuple[str, bool]]:
    for row in order:
        if isinstance(row, str):
            yield row, False
            continue
        stack, rests = row
        assert isinstance(rests, list)
        for layer in range(depth):
            for rest in rests:
                yield f"{stack}.{layer}.{rest.removeprefix('?')}", rest.startswith("?")
