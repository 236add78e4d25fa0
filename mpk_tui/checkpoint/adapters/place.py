"""One module of a base, as an adapter needs to know it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A module of the base.

    Attributes:
        name: Its name in the base, without ``.weight``.
        transposed: Its matrix is stored (in, out), by the base's architecture or, where that does not tell, by the
            adapter's claim; only asked where the shape does not tell.
        rope_heads: Heads whose rows the base's file holds in another order than the adapter, or 0.
    """

    name: str
    transposed: bool = False
    rope_heads: int = 0

    def turned(self, shape: tuple[int, ...], inputs: int, outputs: int) -> bool:
        """Whether a matrix of this shape is stored (inputs, outputs)."""
        return self.transposed if inputs == outputs else shape == (inputs, outputs)
