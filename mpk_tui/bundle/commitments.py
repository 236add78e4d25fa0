"""How a section's bytes become the digest that is signed, and what may be withheld without breaking it.

* ``blob``: SHA-256 of the bytes (so ``sha256sum`` agrees), or with a salt T("sec", id, salt, bytes).
* ``merkle``: RFC 9162 root over the items; an item may be replaced by ``[leaf hash]``.
* ``chain``: head of the hash chain over the entries; an entry may be replaced by ``[SHA-256 of the entry]``.

Items travel as one canonical array.  A salt keeps content that could be guessed (a verdict has few values) from being
tried against its digest once it is withheld; it travels with the content and leaves with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack

from mpk_tui import canonical, hashtree
from mpk_tui.bundle import limits
from mpk_tui.bundle.limits import DEFAULT, Bounds
from mpk_tui.errors import MalformedError
from mpk_tui.records import dataclass

SALT_BYTES = 32


@dataclass(frozen=True)
class Withheld:
    """Stands where an item was withheld: its leaf hash (merkle) or digest (chain)."""

    digest: bytes


@dataclass(frozen=True)
class Items:
    """The items of a merkle or chain section.

    Attributes:
        values: Decoded items, `Withheld` where one is not disclosed.
        digest: Root or head over all of them.
        nodes: How many values they are made of.
    """

    values: tuple[Any, ...]
    digest: bytes
    nodes: int = 0

    @property
    def hidden(self) -> tuple[int, ...]:
        """Numbers of those that are not disclosed."""
        return tuple(n for n, v in enumerate(self.values) if isinstance(v, Withheld))

    @property
    def withheld(self) -> int:
        """How many are not disclosed."""
        return len(self.hidden)


def blob_digest(section_id: str, salt: bytes, data: bytes) -> bytes:
    """Digest of a blob section; salted if there is a salt."""
    if salt:
        return hashtree.tagged("sec", section_id.encode("ascii"), salt, data)
    return hashtree.sha256(data)


def pack_items(kind: str, items: Sequence[Any]) -> tuple[bytes, bytes]:
    """Canonical content of a merkle or chain section, and its digest.

    Args:
        kind: ``merkle`` or ``chain``.
        items: Plain values, or `Withheld`.
    """
    data = canonical.encode([[i.digest] if isinstance(i, Withheld) else i for i in items], limits.SECTION)
    return data, read_items(kind, data, kind).digest


def read_items(kind: str, data: bytes, where: str, bounds: Bounds = DEFAULT) -> Items:
    """Take a merkle or chain section apart and compute its digest.

    Raises:
        MalformedError: Not a canonical array, or an item that could be either an item or a hash.
        LimitError: More items than we accept.
    """
    rows, nodes = canonical.counted(data, bounds.section, where=where)
    if not isinstance(rows, list):
        raise MalformedError("expected an array of items", where=where)
    bounds.check(limits.TENSORS if kind == "merkle" else limits.LOG_ENTRIES, len(rows), where)
    values: list[Any] = []
    digests: list[bytes] = []
    pack = msgpack.Packer(use_bin_type=True).pack
    for n, item in enumerate(rows):
        if isinstance(item, list) and len(item) == 1:
            if not isinstance(item[0], bytes) or len(item[0]) != 32:
                raise MalformedError("a withheld item is one hash of 32 bytes", where=f"{where}[{n}]")
            values.append(Withheld(item[0]))
            digests.append(item[0])
            continue
        # What was decoded from canonical bytes packs to the same bytes again: maps keep their order.
        packed = pack(item)
        values.append(item)
        digests.append(hashtree.leaf_hash(packed) if kind == "merkle" else hashtree.sha256(packed))
    total = hashtree.merkle_root(digests) if kind == "merkle" else hashtree.chain_head(digests)
    return Items(tuple(values), total, nodes)
