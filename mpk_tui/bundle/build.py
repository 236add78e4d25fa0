"""From contents to a bundle: sections, digests, the manifest, and signatures of the declared signers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from mpk_tui import canonical
from mpk_tui.bundle import limits
from mpk_tui.bundle.commitments import SALT_BYTES, Withheld, blob_digest, pack_items, read_items
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.dsse import BUNDLE_TYPE, pae
from mpk_tui.bundle.envelope import Blob, Envelope, Signature
from mpk_tui.bundle.manifest import Manifest, SectionEntry, Signer, parse
from mpk_tui.bundle.schema import Reading
from mpk_tui.bundle.sections import FAMILIES, check_content, check_manifest, type_of
from mpk_tui.bundle.suites import PublicKey
from mpk_tui.errors import MalformedError, UsageError
from mpk_tui.records import replace


def new_salt() -> bytes:
    """32 bytes that nobody can guess."""
    return secrets.token_bytes(SALT_BYTES)


def build(
    contents: Contents, signers: Sequence[Signer], *, suite: str = "s1", salt: Callable[[], bytes] = new_salt
) -> Envelope:
    """Put together an unsigned bundle.

    Args:
        contents: What it says; every section must fit its schema.
        signers: Everyone who will have to sign: the manifest names them with their keys.
        suite: Set of algorithms.
        salt: Source of salts.

    Raises:
        MalformedError: A section does not fit its schema.
        LimitError: Something is larger than readers accept.
        UsageError: No signer, or one twice.
    """
    if not signers:
        raise UsageError("a bundle needs at least one declared signer", hint="Name one with --signer or --key")
    entries: list[SectionEntry] = []
    blobs: list[Blob] = []
    for section_id in sorted(contents.sections):
        entry, blob = _section(section_id, contents.sections[section_id], salt)
        entries.append(entry)
        blobs.append(blob)
    body = Manifest(
        suite, contents.case, contents.seq, contents.prev, contents.created, contents.tool, tuple(signers),
        tuple(entries),
    )  # fmt: skip
    payload = body.to_bytes()
    check_manifest(parse(payload))  # what we write, we can read
    return Envelope(BUNDLE_TYPE, payload, (), (), tuple(blobs))


def _section(section_id: str, value: object, salt: Callable[[], bytes]) -> tuple[SectionEntry, Blob]:
    name = section_id.partition(".")[0]
    family = FAMILIES.get(name)
    if family is None:
        raise MalformedError("no section of schema 1 has this name", where=section_id)
    pinch = salt() if family.salted else b""
    if family.kind == "blob":
        data = value if isinstance(value, bytes) else canonical.encode(value, limits.SECTION)
        entry = SectionEntry(
            section_id, "blob", type_of(name), len(data), 0, blob_digest(section_id, pinch, data), family.salted,
            family.redactable,
        )  # fmt: skip
        checked: object = data if family.check is None else canonical.decode(data, limits.SECTION, where=section_id)
    else:
        if not isinstance(value, (list, tuple)) or any(isinstance(v, Withheld) for v in value):
            raise MalformedError("a bundle is built from all items", where=section_id)
        data, digest = pack_items(family.kind, value)
        entry = SectionEntry(
            section_id, family.kind, type_of(name), len(data), len(value), digest, False, family.redactable
        )
        checked = read_items(family.kind, data, section_id)
    check_content(entry, checked, Reading())
    return entry, Blob(section_id, pinch, data)


def message(envelope: Envelope) -> bytes:
    """What every signer of this bundle signs."""
    return pae(envelope.payload_type, envelope.payload)


def may_sign(envelope: Envelope, key: PublicKey) -> None:
    """Refuse a key whose signature has no place in this bundle.

    Raises:
        UsageError: The manifest does not declare this key, or it has signed already.
    """
    body = parse(envelope.payload)
    if not any(k.keyid == key.keyid for s in body.signers for k in s.keys):
        raise UsageError(
            f"the bundle does not name key {key.keyid.hex()[:16]}… as a signer",
            hint="Signers are declared when the bundle is built (--signer)",
        )
    if any(s.keyid == key.keyid for s in envelope.signatures):
        raise UsageError(f"key {key.keyid.hex()[:16]}… has signed already")


def attach(envelope: Envelope, made: Signature) -> Envelope:
    """Put a signature that was checked into its place."""
    return replace(envelope, signatures=tuple(sorted((*envelope.signatures, made), key=lambda s: s.keyid)))


def sign(envelope: Envelope, key: PublicKey, signer: Callable[[bytes], bytes]) -> Envelope:
    """Add the signature of one declared key.

    Args:
        envelope: Unsigned or signed by others.
        key: The public key that signs.
        signer: Makes a signature of the message; private keys stay where they are.

    Raises:
        UsageError: The manifest does not declare this key, or it has signed already.
        MalformedError: The signature that came back does not fit the key.
    """
    may_sign(envelope, key)
    signature = signer(message(envelope))
    if not key.verifies(signature, message(envelope)):
        raise MalformedError("the signature that was made does not fit the key", where=key.keyid.hex()[:16])
    return attach(envelope, Signature(key.keyid, signature))


def missing_keys(envelope: Envelope) -> tuple[tuple[Signer, PublicKey], ...]:
    """Declared keys whose signature is still missing, each with its signer."""
    have = {s.keyid for s in envelope.signatures}
    return tuple((s, k) for s in parse(envelope.payload).signers for k in s.keys if k.keyid not in have)
