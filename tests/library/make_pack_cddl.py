"""Writes schemas/pack-1.cddl: the shapes of a pack from the checkers that run.  ``python tests/library/make_pack_cddl.py``"""

from __future__ import annotations

from pathlib import Path

from mpk_tui.bundle import limits
from mpk_tui.bundle.envelope import SIGNATURE_ROWS
from mpk_tui.bundle.schema import binary, listing, row, text
from mpk_tui.library.packs import body, contents
from mpk_tui.report import cddl

FILE = Path(__file__).resolve().parents[2] / "schemas" / "pack-1.cddl"
HEAD = """\
; The pack of reference fingerprints, schema 1: shapes of its parts.  Generated from the checkers that the program runs;
; do not edit.  Every part is canonical msgpack (docs/format.md, section 1), whose data model is that of CDDL.

; The file.  The third item is a canonical `pack-manifest`, the fifth a canonical `pack-contents`, the items of the last
; are fingerprint records.  The program reads the file in pieces (docs/pack-format.md); it has this shape.
"""
PACK = row(
    text(16), text(256), binary(1, limits.MANIFEST_BYTES), SIGNATURE_ROWS, binary(1, body.CONTENTS_BYTES),
    listing(binary(1, body.RECORD_BYTES), body.MOST_ENTRIES),
)  # fmt: skip
RULES = {"pack": PACK, "pack-manifest": body.BODY, "pack-contents": contents.CONTENTS}


def render() -> str:
    return "\n".join([HEAD, *cddl.described(RULES)])


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
