"""What a reader of bundles accepts before it refuses (exit 31); all are checked before anything is allocated."""

from __future__ import annotations

from mpk_tui.canonical import Limits

FILE_BYTES = 1 << 30
MANIFEST_BYTES = 1 << 20
BLOB_BYTES = 256 << 20
SIGNATURES = 32
ENDORSEMENTS = 64
ENDORSEMENT_BYTES = 1 << 20
SECTIONS = 4096
LOG_ENTRIES = 100_000
TENSORS = 1 << 20
PATH_BYTES = 4096

OUTER = Limits(depth=6, map_keys=256, array_items=SECTIONS, str_bytes=256, bin_bytes=BLOB_BYTES, nodes=40_000)
"""The envelope: arrays of short records; payload and blobs are opaque byte strings here."""
MANIFEST = Limits(depth=12, map_keys=256, array_items=SECTIONS, str_bytes=1 << 16, bin_bytes=1 << 16, nodes=200_000)
SECTION = Limits(bin_bytes=BLOB_BYTES)
"""A section's content: the profile's own limits."""
