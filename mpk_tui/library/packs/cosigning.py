"""More signatures under a pack: of declared issuers who have not signed yet, without making the pack anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mpk_tui.bundle.dsse import PACK_TYPE, pae
from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.signers import check_signatures
from mpk_tui.bundle.suites import PublicKey
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import MalformedError, UsageError
from mpk_tui.files import write_pieces
from mpk_tui.hashtree import sha256
from mpk_tui.keys.signing import MessageSigner, signatures
from mpk_tui.library.packs import body as bodies
from mpk_tui.library.packs import container, contents
from mpk_tui.library.packs.verify import Opened

_CHUNK = 4 << 20


def read_waiting(source: Source) -> Opened:
    """Head and list of a pack that waits for signatures; those that are there fit.

    Raises:
        MalformedError: It is no such pack, a signature does not fit, or it was altered.
        UsageError: Every declared issuer has signed.
        LimitError, UnsupportedError: As for `mpk_tui.library.packs.container.read_head`.
    """
    head = container.read_head(source)
    body = bodies.parse(head.payload)
    if body.schema[1] > bodies.VERSION[1]:
        raise MalformedError(
            "was written by a newer version and may hold what this one cannot show", where=source.where,
            hint="Sign it with the version of mpk-tui that wrote it",
        )  # fmt: skip
    checked = check_signatures(pae(PACK_TYPE, head.payload), head.signatures, body.signers, TrustStore())
    if "bad" in checked.bad.values():
        raise MalformedError("; ".join(checked.faults), where=source.where, hint="It was altered; get it again")
    if not checked.bad:
        raise UsageError("every declared issuer has signed already", where=source.where)
    data, at = container.read_contents(source, head)
    if len(data) != body.contents_size or sha256(data) != body.contents:
        raise MalformedError("the list is not the one that was signed", where=source.where)
    listed = contents.read(data)
    contents.check_counts(listed, body)
    container.check_layout(source, at, listed.entries)
    for entry, record in container.records(source, at, listed.entries):
        if record is None:
            raise MalformedError(f"the record of {entry.facts.name} is not the one that is listed", where=source.where)
    return Opened(head, body, listed, at)


def missing(opened: Opened) -> list[tuple[Signer, PublicKey]]:
    """Declared keys whose signature is still missing, each with its issuer."""
    have = {s.keyid for s in opened.head.signatures}
    return [(s, k) for s in opened.body.signers for k in s.keys if k.keyid not in have]


def add(path: Path, opened: Opened, source: Source, signer: MessageSigner) -> None:
    """Put the signatures of a declared issuer into a pack: the file is written anew and takes the old one's place.

    Args:
        path: The pack file.
        opened: From `read_waiting`.
        source: The same file, open.
        signer: Whose keys sign.

    Raises:
        UsageError: The manifest does not declare one of the keys, or it has signed already.
        KeyFileError: A signature does not fit its key.
        StorageError: The file cannot be read or written.
    """
    wanted = {key.keyid for _, key in missing(opened)}
    for key in signer.keys:
        if key.keyid not in wanted:
            raise UsageError(
                f"the pack does not wait for key {key.keyid.hex()[:16]}…",
                hint="Issuers are declared when the pack is made (--signer)",
            )
    head = opened.head
    made = (*head.signatures, *signatures(signer, pae(PACK_TYPE, head.payload)))

    def pieces() -> Iterator[bytes]:
        yield container.head_bytes(head.payload, made)
        for start in range(head.end, source.size, _CHUNK):
            yield source.read(start, min(_CHUNK, source.size - start))
        source.check_unchanged()

    write_pieces(path, pieces())
