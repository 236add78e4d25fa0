"""The fingerprint file of an artifact, put together again from the sections that a bundle carries.  Standard library.

A bundle holds a fingerprint in parts, so that each can be withheld: files in ``checkpoint.<id>``, tensors, features,
and the rest in ``facts.<id>``.  All of them together give the bytes of the ``.mpkf`` file, and their SHA-256 must be
the one that the ``artifacts`` section names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.contents import Contents
from mpk_tui.errors import MpkError
from mpk_tui.fingerprint.hashing import FileHash, TensorHash
from mpk_tui.fingerprint.record import Feature, Fingerprint
from mpk_tui.records import dataclass


@dataclass(frozen=True)
class Rebuilt:
    """A fingerprint from a bundle, or why there is none.

    Attributes:
        fingerprint: None where something is withheld or does not fit together.
        reason: Why there is none, or why it is not the one that was recorded; empty if all is well.
        genuine: Whether its digest is the one in ``artifacts``; None where that cannot be said.
    """

    fingerprint: Fingerprint | None
    reason: str
    genuine: bool | None


def fingerprint_of(contents: Contents, artifact: str) -> Fingerprint | None:
    """The fingerprint of an artifact, or None where a section of it is withheld.

    Args:
        contents: Sections whose digests and shapes were checked.
        artifact: Its id.

    Raises:
        MalformedError: The parts do not make a fingerprint.
    """
    return None if withheld(contents, artifact) else _assembled(contents, artifact)


def withheld(contents: Contents, artifact: str) -> tuple[str, ...]:
    """Sections that are needed and not, or not wholly, here."""
    names = [f"{family}.{artifact}" for family in ("checkpoint", "facts", "features", "tensors")]
    rows = contents.sections.get(f"tensors.{artifact}", ())
    return tuple(
        n
        for n in names
        if n not in contents.sections or (n.startswith("tensors.") and any(isinstance(r, Withheld) for r in rows))
    )


def rebuild(contents: Contents, artifact: str) -> Rebuilt:
    """Put a fingerprint together and hold it against the signed digest.

    Args:
        contents: Sections whose digests and shapes were checked.
        artifact: Its id.
    """
    lacking = withheld(contents, artifact)
    if lacking:
        return Rebuilt(None, f"withheld or not carried: {', '.join(lacking)}", None)
    try:
        made = _assembled(contents, artifact)
        digest = made.digest
    except MpkError as error:
        return Rebuilt(None, f"its sections do not make a fingerprint ({error.diagnosis()})", False)
    row = contents.artifact(artifact)
    signed = None if row is None else row["fingerprint"]
    if signed is None:
        return Rebuilt(made, "the bundle does not say which fingerprint was recorded", None)
    if digest != signed:
        return Rebuilt(
            made, f"its sections make the fingerprint {digest.hex()[:16]}…, recorded is {signed.hex()[:16]}…", False
        )
    return Rebuilt(made, "", True)


def _assembled(contents: Contents, artifact: str) -> Fingerprint:
    row = contents.artifact(artifact) or {}
    facts = contents.sections[f"facts.{artifact}"]
    checkpoint = contents.sections[f"checkpoint.{artifact}"]
    features = [
        Feature(f["id"], f["version"], f["params"], f["dtype"], tuple(f["shape"]), f["data"])
        for f in contents.sections[f"features.{artifact}"]
    ]
    made = Fingerprint(
        facts["tool"], row["format"], row["family"], row["scope"],
        tuple(_file(f) for f in checkpoint["files"]),
        tuple(
            TensorHash(name, dtype, tuple(shape), nbytes, sha)
            for name, dtype, shape, nbytes, sha in contents.sections[f"tensors.{artifact}"]
        ),
        facts["config"], facts["tokenizer"],
        {file: dict(pairs) for file, pairs in facts["metadata"]},
        {f.id: f for f in features},
        tuple(checkpoint["notices"]),
    )  # fmt: skip
    # The reader of fingerprint files knows what may stand in one; what it refuses is no fingerprint of ours either.
    return Fingerprint.from_bytes(made.to_bytes(), where=f"fingerprint of {artifact}")


def _file(row: Mapping[str, Any]) -> FileHash:
    path, link = _text(row, "path"), _text(row, "link")
    return FileHash(path or "", row["kind"], row["size"], row["sha256"], link, row["link_class"])


def _text(row: Mapping[str, Any], field: str) -> str | None:
    """A path as text; bytes that are not UTF-8 are kept as lone surrogates, as fingerprints keep them."""
    raw = row.get(f"{field}_b")
    if isinstance(raw, bytes):
        return raw.decode("utf-8", "surrogateescape")
    value = row.get(field)
    return None if value is None else str(value)
