"""What a library remembers of the packs that it took in: enough to know an old one again, and to ask who signed it.

A **line** of packs is what people who issue under one name carry on: the same name, by the same issuers.  Issuers are
the same if their keys are, or if your trust store says that other keys are the same people's.  A pack of that name by
anybody else is another line, and can neither make this one look old nor change what came with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mpk_tui.bundle.trust import TrustStore
from mpk_tui.library.entry import Origin
from mpk_tui.library.packs.body import Body
from mpk_tui.records import dataclass


@dataclass(frozen=True)
class Imported:
    """A pack that was taken in.

    Attributes:
        id: SHA-256 of its signed message.
        name: As it calls itself.
        version: Its number.
        issuers: Ids of the keys that signed it, ascending.
        at: When it was taken in, milliseconds since 1970, UTC, by this machine's clock.
    """

    id: bytes
    name: str
    version: int
    issuers: tuple[bytes, ...]
    at: int


def same_issuers(a: Iterable[bytes], b: Iterable[bytes], store: TrustStore) -> bool:
    """Whether two lists of key ids stand for the same people."""
    first, second = frozenset(a), frozenset(b)
    if first == second:
        return bool(first)
    one, other = _people(first, store), _people(second, store)
    return one is not None and one == other


def _people(keyids: Iterable[bytes], store: TrustStore) -> frozenset[str] | None:
    found = [store.find(k) for k in keyids]
    known = frozenset(f[0].id for f in found if f is not None)
    return known if known and None not in found else None


def line(packs: Sequence[Imported], body: Body, store: TrustStore) -> list[Imported]:
    """Those packs that are of the same line as one at hand, by number."""
    found = [p for p in packs if p.name == body.name and same_issuers(p.issuers, body.keyids, store)]
    return sorted(found, key=lambda p: (p.version, p.at))


def of_line(origin: Origin, body: Body, store: TrustStore) -> bool:
    """Whether an entry came with a pack of this line."""
    return bool(origin.pack) and origin.pack_name == body.name and same_issuers(origin.issuers, body.keyids, store)
