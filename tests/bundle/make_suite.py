"""Writes ``bundles/``: every hostile and odd bundle as a folder that any verifier can be held to.

    python tests/bundle/make_suite.py bundles

The same bytes on every run: keys, salts and times are fixed (and published: they must never be trusted outside tests).
Signatures of ML-DSA are made with chance; those that are frozen are kept as long as they fit what is signed.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import workshop as w
from suite_vectors import Vector, vectors

from mpk_tui.bundle import envelope
from mpk_tui.errors import MpkError
from mpk_tui.keys.public import pem

KEPT = ("released",)
"""Folders that no script writes: bundles as released versions wrote them."""


def write(root: Path, frozen: Path) -> None:
    """Write all folders below ``root``, which is emptied of earlier ones.

    Args:
        root: Where to.
        frozen: The suite as it is, from which signatures made with chance are taken over.
    """
    made = {v.name: keep_signatures(v, frozen) for v in vectors()}
    root.mkdir(exist_ok=True)
    for old in root.iterdir():
        if old.is_dir() and old.name not in KEPT:
            shutil.rmtree(old)
    (root / "trusted.pub.pem").write_bytes(pem(w.ANNA.public))
    for name, vector in made.items():
        write_one(root / name, vector)


def write_one(folder: Path, vector: Vector) -> None:
    """Write one folder."""
    folder.mkdir()
    files = {vector.file: vector.bundle, **{f"earlier-{n}.mpkb": e for n, e in enumerate(vector.earlier)}}
    files["expect.json"] = json.dumps(vector.expectation(), indent=1).encode() + b"\n"
    files["README.md"] = vector.readme().encode()
    if vector.trust is not None:
        files[vector.trust[0]] = vector.trust[1]
    files |= {f"attachments/{name}": data for name, data in vector.attachments.items()}
    if vector.checkpoint is not None:
        files |= {f"checkpoint/{name}": data for name, data in vector.checkpoint.files.items()}
        beside = vector.checkpoint.made_beside()
        if beside:
            files["checkpoint.json"] = json.dumps(beside, indent=1, sort_keys=True).encode() + b"\n"
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def keep_signatures(vector: Vector, frozen: Path) -> Vector:
    """Take over the frozen ML-DSA signatures where they sign the very same payload."""
    path = frozen / vector.name / "bundle.mpkb"
    if not path.exists():
        return vector
    try:
        new, old = envelope.parse(vector.bundle), envelope.parse(path.read_bytes())
    except MpkError:
        return vector
    lengths = {len(s.sig) for s in (*new.signatures, *old.signatures)}
    if not lengths & {3309} or replace(new, signatures=()) != replace(old, signatures=()):
        return vector
    if [s.keyid for s in new.signatures] != [s.keyid for s in old.signatures]:
        return vector
    return replace(vector, bundle=path.read_bytes())


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[1]))
