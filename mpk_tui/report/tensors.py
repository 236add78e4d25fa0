"""Every tensor of two models: what both fingerprints say of it, joined with what the comparison record says.

A record lists the pairs that differ and the tensors without a counterpart; pairs that are equal it only counts.  The
fingerprints name all tensors with their digests, so that together they account for each by name.  Pure, standard
library only; records and fingerprints may come from a stranger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mpk_tui.fingerprint.hashing import TensorHash

EQUAL, DIFFERENT, RESHAPED = "equal", "different", "reshaped"
CONVERTED, UNREAD, EITHER = "converted", "unread", "conv./unread"
ONLY_A, ONLY_B, ASIDE, UNNAMED = "only A", "only B", "set aside", "not named"

STATES = {
    EQUAL: "Type, shape and bytes are equal on both sides.",
    DIFFERENT: "The values differ; the record has the numbers where both sides could be read.",
    RESHAPED: "The shapes differ, so that no values were compared.",
    CONVERTED: "Equal after a conversion that the record names: the name is on both sides with other bytes, and the "
    "record does not list it among the differing ones.",
    UNREAD: "The bytes differ and the values were not compared.",
    EITHER: "The bytes differ: equal after a conversion, or not compared by value. The record counts both kinds and "
    "lists neither by name.",
    ONLY_A: "A has it; B has no counterpart.",
    ONLY_B: "B has it; A has no counterpart.",
    ASIDE: "Left out of the comparison: code regenerates it, or it is stored twice.",
    UNNAMED: "The record does not name it: it was paired under another name and is equal after a conversion or was not "
    "read, or it is a part of a weight that is computed from several tensors.",
}
"""What each state of a row means."""


class TensorRow(NamedTuple):
    """One tensor, or one view of a tensor that holds several weights.

    Attributes:
        state: One of `STATES`.
        name_a: Its name in A, or empty; untrusted.
        name_b: Its name in B, or empty; untrusted.
        a: What A's fingerprint says of it; None where the fingerprint has no tensor of that name.
        b: What B's fingerprint says of it.
        found: The record's own row about the pair, if it has one; untrusted.
    """

    state: str
    name_a: str
    name_b: str
    a: TensorHash | None
    b: TensorHash | None
    found: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        """One name, or both where they differ."""
        if self.name_a and self.name_b and self.name_a != self.name_b:
            return f"{self.name_a} / {self.name_b}"
        return self.name_a or self.name_b


def account(record: Mapping[str, Any], a: Iterable[TensorHash], b: Iterable[TensorHash]) -> list[TensorRow]:
    """All tensors of both sides, A's in their order, then what only B has.

    Args:
        record: A comparison record; fields of the wrong type count as absent.
        a: Tensors of A's fingerprint.
        b: Tensors of B's fingerprint.
    """
    stated = record.get("identity")
    identity: Mapping[str, Any] = stated if isinstance(stated, Mapping) else {}
    left, right = {t.name: t for t in a}, {t.name: t for t in b}
    only_a, only_b, ignored = (_names(identity.get(k)) for k in ("only_a", "only_b", "ignored"))
    differing: dict[str, list[Mapping[str, Any]]] = {}
    for row in _rows(identity.get("differing")):
        differing.setdefault(_name(row, "a"), []).append(row)
    other = _other_bytes(identity)
    out: list[TensorRow] = []
    used: set[str] = set()
    loose: list[int] = []
    for name, t in left.items():
        rows = differing.pop(name, None)
        if rows is not None:
            for row in rows:
                partner = _name(row, "b")
                used.add(partner)
                out.append(TensorRow(_state(row), name, partner, t, right.get(partner), row))
        elif name in only_a:
            out.append(TensorRow(ONLY_A, name, "", t, None, None))
        elif name in right:
            used.add(name)
            u = right[name]
            same = (t.sha256, t.dtype, t.shape) == (u.sha256, u.dtype, u.shape)
            out.append(TensorRow(EQUAL if same else other, name, name, t, u, None))
        else:
            loose.append(len(out))
            out.append(TensorRow(ASIDE if name in ignored else UNNAMED, name, "", t, None, None))
    _by_content(out, loose, {n: t for n, t in right.items() if n not in used and n not in only_b}, used)
    # Weights that are computed from several tensors are compared under names that no fingerprint has.
    for name, rows in differing.items():
        for row in rows:
            partner = _name(row, "b")
            used.add(partner)
            out.append(TensorRow(_state(row), name, partner, None, right.get(partner), row))
    out += [TensorRow(ONLY_A, name, "", None, None, None) for name in sorted(only_a - left.keys())]
    for name, t in right.items():
        if name not in used:
            state = ONLY_B if name in only_b else ASIDE if name in ignored else UNNAMED
            out.append(TensorRow(state, "", name, None, t, None))
    out += [TensorRow(ONLY_B, "", name, None, None, None) for name in sorted(only_b - right.keys())]
    return out


def listed(record: Mapping[str, Any]) -> list[TensorRow]:
    """Only the tensors that the record itself names, where no fingerprints are at hand."""
    return account(record, (), ())


def _by_content(out: list[TensorRow], loose: Sequence[int], right: dict[str, TensorHash], used: set[str]) -> None:
    """Pair what is left over by type, shape and digest, as the comparison does."""
    found: dict[tuple[str, tuple[int, ...], bytes], list[str]] = {}
    for name in sorted(right):
        t = right[name]
        found.setdefault((t.dtype, t.shape, t.sha256), []).append(name)
    for at in loose:
        row = out[at]
        if row.state != UNNAMED or row.a is None:
            continue
        names = found.get((row.a.dtype, row.a.shape, row.a.sha256))
        if names:
            partner = names.pop(0)
            used.add(partner)
            out[at] = TensorRow(EQUAL, row.name_a, partner, row.a, right[partner], None)


def _other_bytes(identity: Mapping[str, Any]) -> str:
    """What a pair with other bytes is that the record does not list as differing."""
    converted, unread = (identity.get(k) for k in ("converted", "unread"))
    if not unread:
        return CONVERTED if converted else UNNAMED
    return EITHER if converted else UNREAD


def _state(row: Mapping[str, Any]) -> str:
    state = row.get("state")
    return state if isinstance(state, str) else DIFFERENT


def _name(row: Mapping[str, Any], side: str) -> str:
    name = row.get(side)
    return name if isinstance(name, str) else ""


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [r for r in value if isinstance(r, Mapping)] if isinstance(value, list | tuple) else []


def _names(value: object) -> frozenset[str]:
    return frozenset(n for n in value if isinstance(n, str)) if isinstance(value, list | tuple) else frozenset()
