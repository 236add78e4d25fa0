"""What a reader of bundles accepts before it refuses (exit 31); all are checked before anything is allocated.

The constants are the format's limits, and what a writer keeps to.  A verifier may accept less, or on request more: it
passes `Bounds` along, and a constant that knows its name is looked up there.
"""

from __future__ import annotations

from collections.abc import Mapping

from mpk_tui.canonical import Limits
from mpk_tui.errors import LimitError, UsageError
from mpk_tui.records import dataclass, replace


class Named(int):
    """A limit of the format: an integer that knows which field of `Bounds` may replace it."""

    name: str

    def __new__(cls, value: int, name: str) -> Named:
        """The value and the field's name."""
        made = super().__new__(cls, value)
        made.name = name
        return made


FILE_BYTES = Named(1 << 30, "file_bytes")
MANIFEST_BYTES = Named(1 << 20, "manifest_bytes")
BLOB_BYTES = Named(256 << 20, "blob_bytes")
SIGNATURES = Named(32, "signatures")
ENDORSEMENTS = Named(64, "endorsements")
ENDORSEMENT_BYTES = Named(1 << 20, "endorsement_bytes")
SECTIONS = Named(4096, "sections")
LOG_ENTRIES = Named(100_000, "log_entries")
TENSORS = Named(1 << 20, "tensors")
PATH_BYTES = 4096
NODES = Named(8_000_000, "nodes")
TOTAL_NODES = Named(16_000_000, "total_nodes")
_MOST = 1 << 32

OUTER = Limits(depth=6, map_keys=256, array_items=SECTIONS, str_bytes=256, bin_bytes=BLOB_BYTES, nodes=40_000)
"""The envelope: arrays of short records; payload and blobs are opaque byte strings here."""
MANIFEST = Limits(depth=12, map_keys=256, array_items=SECTIONS, str_bytes=1 << 16, bin_bytes=1 << 16, nodes=200_000)
SECTION = Limits(bin_bytes=BLOB_BYTES, nodes=NODES)
"""A section's content: the profile's own limits."""


FUTURE_MS = 24 * 3600 * 1000
"""What is signed may be dated this far ahead of the verifier's clock."""


@dataclass(frozen=True)
class Bounds:
    """What one verification accepts; each field is the format's limit unless somebody chose another.

    Attributes:
        file_bytes: Of the whole file.
        manifest_bytes: Of the signed body.
        blob_bytes: Of one section.
        signatures: Over the bundle or over one endorsement.
        endorsements: Beside the bundle.
        endorsement_bytes: Of one endorsement's body.
        sections: In the manifest.
        log_entries: In the log.
        tensors: In one list.
        nodes: Values in one section.
        total_nodes: Values in all sections together.
    """

    file_bytes: int = FILE_BYTES
    manifest_bytes: int = MANIFEST_BYTES
    blob_bytes: int = BLOB_BYTES
    signatures: int = SIGNATURES
    endorsements: int = ENDORSEMENTS
    endorsement_bytes: int = ENDORSEMENT_BYTES
    sections: int = SECTIONS
    log_entries: int = LOG_ENTRIES
    tensors: int = TENSORS
    nodes: int = NODES
    total_nodes: int = TOTAL_NODES

    def of(self, most: int) -> int:
        """The bound that applies where the format says ``most``."""
        return int(getattr(self, most.name)) if isinstance(most, Named) else most

    def check(self, most: Named, found: int, where: str) -> None:
        """Refuse what is larger.

        Raises:
            LimitError: Names the limit.
        """
        bound = self.of(most)
        if found > bound:
            raise LimitError(f"{found}, at most {bound} accepted (limit {most.name})", where=where, hint=_REFUSED)

    @property
    def outer(self) -> Limits:
        """For the envelope; a bound below the format's is checked by name once it is taken apart."""
        items = max(SECTIONS, self.sections, self.endorsements, self.signatures)
        nodes = max(OUTER.nodes, 4 * self.sections + 4 * self.endorsements * self.signatures)
        return replace(OUTER, array_items=items, bin_bytes=max(BLOB_BYTES, self.blob_bytes), nodes=nodes)

    @property
    def manifest(self) -> Limits:
        """For the manifest."""
        nodes = max(MANIFEST.nodes, 32 * self.sections)
        return replace(MANIFEST, array_items=max(SECTIONS, self.sections, self.signatures), nodes=nodes)

    @property
    def section(self) -> Limits:
        """For the content of a section."""
        items = max(SECTION.array_items, self.tensors, self.log_entries)
        return replace(SECTION, array_items=items, bin_bytes=max(BLOB_BYTES, self.blob_bytes), nodes=self.nodes)


_REFUSED = "Refused before reading it"
DEFAULT = Bounds()


def bounds(chosen: Mapping[str, int], *, larger: bool = False) -> Bounds:
    """Bounds that a person chose by name.

    Args:
        chosen: Field of `Bounds` and number.
        larger: Accept more than the format's limits.

    Raises:
        UsageError: An unknown name, a number that is none, or one above the format's without ``larger``.
    """
    known = {name: int(getattr(DEFAULT, name)) for name in Bounds.__match_args__}
    for name, number in chosen.items():
        if name not in known:
            raise UsageError(f"there is no limit {name!r}", hint=f"Limits are {', '.join(known)}")
        if not 1 <= number <= _MOST:
            raise UsageError(f"limit {name} cannot be {number}", hint=f"Give a number from 1 to {_MOST}")
        if number > known[name] and not larger:
            raise UsageError(
                f"limit {name} is {known[name]}; {number} is more",
                hint="--allow-larger accepts what other verifiers refuse, and what it may cost in memory",
            )
    return replace(DEFAULT, **chosen)
