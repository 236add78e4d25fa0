"""One data file per version of the norm, known by its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mpk_tui.errors import UnsupportedError
from mpk_tui.records import dataclass

CURRENT = "1.0.0"
VERSIONS = ("1.0.0",)


@dataclass(frozen=True)
class Item:
    """A condition, mechanism or exclusion.

    Attributes:
        id: ``c1`` … ``c5``, ``3.1`` … ``3.9`` or ``4.1`` … ``4.8``.
        title: Short name.
        question: The question put to the analyst.
        what_counts: What would establish it.
        what_does_not_count: What is often offered and does not.
        conditions: For a mechanism, the conditions that it can serve.
    """

    id: str
    title: str
    question: str
    what_counts: str
    what_does_not_count: str
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Norm:
    """One version of the norm.

    Attributes:
        version: Of the constitution.
        digest: SHA-256 of the data file's bytes.
        conditions: C1 to C5 by id.
        mechanisms: 3.1 to 3.9 by id.
        exclusions: 4.1 to 4.8 by id.
        order: Conditions in the order of the questions.
        admissible: Kinds of evidence that count.
        data: The whole file.
    """

    version: str
    digest: bytes
    conditions: Mapping[str, Item]
    mechanisms: Mapping[str, Item]
    exclusions: Mapping[str, Item]
    order: tuple[str, ...]
    admissible: frozenset[str]
    data: Mapping[str, Any]

    def item(self, question: str) -> Item | None:
        """A condition, mechanism or exclusion by id."""
        return self.conditions.get(question) or self.mechanisms.get(question) or self.exclusions.get(question)

    @property
    def questions(self) -> tuple[str, ...]:
        """All question ids: conditions in the constitution's order, mechanisms, exclusions."""
        return (*self.order, *self.mechanisms, *self.exclusions)


@cache
def load(version: str = CURRENT) -> Norm:
    """Load a version of the norm.

    Raises:
        UnsupportedError: This package does not carry that version.
    """
    if version not in VERSIONS:
        raise UnsupportedError(
            f"constitution version {version[:40]!r}", hint=f"This version carries {', '.join(VERSIONS)}"
        )
    raw = Path(__file__).with_name(f"norm-{version}.json").read_bytes()
    data = json.loads(raw)
    return Norm(
        version,
        hashlib.sha256(raw).digest(),
        _items(data["conditions"]),
        _items(data["mechanisms"]),
        _items(data["exclusions"]),
        tuple(data["order"]),
        frozenset(e["kind"] for e in data["evidence"] if e["admissible"]),
        data,
    )


def by_digest(version: str, digest: bytes) -> Norm:
    """The norm of that version, if its data file is the very one that was used.

    Raises:
        UnsupportedError: The version is not carried, or its data file differs.
    """
    norm = load(version)
    if norm.digest != digest:
        raise UnsupportedError(
            f"constitution {version} with the data file {digest.hex()[:16]}…; carried is {norm.digest.hex()[:16]}…",
            hint="Verify with the mpk-tui version that made the bundle",
        )
    return norm


def _items(rows: list[dict[str, Any]]) -> dict[str, Item]:
    return {
        r["id"]: Item(
            r["id"],
            r["title"],
            r["question"],
            r["what_counts"],
            r["what_does_not_count"],
            tuple(r.get("conditions", ())),
        )
        for r in rows
    }
