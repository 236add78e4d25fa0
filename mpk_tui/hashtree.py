"""Unambiguous hashing: tagged digests, the tensor tree and the hash chain of a journal.

* ``tagged``: SHA-256("MPKB1/" || tag || 0x00 || for each part u64be(len) || part).
* ``merkle_root``: the tree of RFC 9162 section 2.1.1, SHA-256: leaf 0x00 || item, node 0x01 || left || right, split at
  the largest power of two below n.
* ``chain``: h0 = tagged("log-genesis"), h(i) = tagged("log", h(i-1), SHA-256(entry i)).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence


def sha256(data: bytes | memoryview) -> bytes:
    """SHA-256 of one byte string, 32 bytes."""
    return hashlib.sha256(data).digest()


def tagged(tag: str, *parts: bytes) -> bytes:
    """Digest of parts under a tag; no two lists of parts share an input (cf. DSSE's PAE)."""
    h = hashlib.sha256(b"MPKB1/" + tag.encode("ascii") + b"\x00")
    for part in parts:
        h.update(len(part).to_bytes(8, "big"))
        h.update(part)
    return h.digest()


def leaf_hash(item: bytes) -> bytes:
    """RFC 9162 leaf hash."""
    return hashlib.sha256(b"\x00" + item).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 9162 node hash."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf hashes (32 bytes each); the empty tree is SHA-256 of nothing.

    Pairing neighbours level by level and promoting an odd last node gives the same root as the recursive
    definition, in one pass and without recursion.
    """
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = list(leaves)
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Audit path of leaf ``index`` (RFC 9162 section 2.1.3.1), lowest sibling first."""
    path: list[bytes] = []
    level, i = list(leaves), index
    while len(level) > 1:
        sibling = i ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        paired = [node_hash(level[k], level[k + 1]) for k in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level, i = paired, i // 2
    return path


def proves_inclusion(leaf: bytes, index: int, count: int, path: Sequence[bytes], root: bytes) -> bool:
    """Check an audit path (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < count:
        return False
    fn, sn, r = index, count - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            r = node_hash(r, p)
        fn >>= 1
        sn >>= 1
    return sn == 0 and r == root


def chain_start() -> bytes:
    """Head of an empty chain."""
    return tagged("log-genesis")


def chain_link(head: bytes, entry_digest: bytes) -> bytes:
    """Head after one more entry, given SHA-256 of its bytes."""
    return tagged("log", head, entry_digest)


def chain_head(entry_digests: Iterable[bytes]) -> bytes:
    """Head over all entries."""
    head = chain_start()
    for digest in entry_digests:
        head = chain_link(head, digest)
    return head
