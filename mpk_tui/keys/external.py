"""Signatures that are made elsewhere: the message goes out as a file, the signature comes back as one.

What goes out is the exact message that every signer signs, ``PAE(type, body)`` (`mpk_tui.bundle.dsse`), and nothing
else: ``openssl pkeyutl -sign -rawin`` signs it as it stands, and so does another copy of this program, which first says
what it would sign.  What comes back is the raw signature; its length tells the algorithm, and it is taken only if it is
the strict signature of that message under a key that was declared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mpk_tui import canonical
from mpk_tui.bundle import limits, trust_file
from mpk_tui.bundle import manifest as manifests
from mpk_tui.bundle.dsse import BUNDLE_TYPE, ENDORSEMENT_TYPE, TRUST_TYPE, pae
from mpk_tui.bundle.endorsements import Endorsement
from mpk_tui.bundle.endorsements import parse as parse_endorsement
from mpk_tui.bundle.envelope import SealedEndorsement, Signature
from mpk_tui.bundle.manifest import Manifest, Signer
from mpk_tui.bundle.sections import check_manifest
from mpk_tui.bundle.suites import NAMES, SIGNATURE_BYTES, SUITES, PublicKey
from mpk_tui.bundle.trust_file import TrustFile
from mpk_tui.bundle.wording import when
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import MalformedError, UnsupportedError
from mpk_tui.hashtree import sha256
from mpk_tui.keys.public import fingerprint
from mpk_tui.keys.store_listing import file_lines
from mpk_tui.text import hex_groups

MOST_BYTES = limits.MANIFEST_BYTES + 256
_PAE = re.compile(rb"DSSEv1 ([1-9][0-9]{0,3}) ([\x21-\x7e]{1,256}) ([1-9][0-9]{0,7}) ", re.ASCII)


@dataclass(frozen=True)
class Request:
    """A message that somebody is asked to sign, and what it says.

    Attributes:
        message: The exact bytes.
        body: The manifest of a bundle, an endorsement, or a trust store.
    """

    message: bytes
    body: Manifest | Endorsement | TrustFile

    @property
    def id(self) -> bytes:
        """SHA-256 of the message: what ``sha256sum`` prints, and for a bundle its id."""
        return sha256(self.message)

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Whose signatures are asked for."""
        if isinstance(self.body, TrustFile):
            holders = self.body.body.root.holders
            return tuple(Signer(f"holder {n}", "root", keys) for n, keys in enumerate(holders, 1))
        return self.body.signers if isinstance(self.body, Manifest) else (self.body.signer,)

    @property
    def names_all(self) -> bool:
        """Whether nobody but `signers` may sign: a trust store is signed by holders of the root before it as well."""
        return not (isinstance(self.body, TrustFile) and self.body.body.prev is not None)


def parse_request(data: bytes, where: str) -> Request:
    """Read a message that is to be signed.

    Raises:
        MalformedError: It is not the message of a bundle or of an endorsement.
        UnsupportedError: It is one of a kind or version that this program does not know.
    """
    head = _PAE.match(data)
    if head is None:
        raise MalformedError(
            "is not a message to be signed (DSSE's encoding)", where=where,
            hint="mpk-tui bundle sign FILE --request OUT.pae writes one",
        )  # fmt: skip
    kind, body = head[2].decode("ascii"), data[head.end() :]
    if pae(kind, body) != data:
        raise MalformedError("does not have the lengths that it names", where=where, hint="Was it cut short?")
    if kind == BUNDLE_TYPE:
        manifest = manifests.parse(body)
        check_manifest(manifest)
        return _understood(Request(data, manifest), body, where)
    if kind == ENDORSEMENT_TYPE:
        return _understood(Request(data, _endorsement(body, where)), body, where)
    if kind == TRUST_TYPE:
        return _understood(Request(data, trust_file.unsigned(body, where)), body, where)
    raise UnsupportedError(
        f"asks for a signature of {kind!r}", where=where,
        hint="Bundles, endorsements and trust stores are signed, nothing else",
    )  # fmt: skip


def _understood(request: Request, body: bytes, where: str) -> Request:
    """A reader may pass over what a newer minor version added; nobody signs what could not be shown.

    Raises:
        UnsupportedError: The body is of a newer minor version.
    """
    minor = canonical.decode(body, limits.MANIFEST, where=where)["v"][1]
    if minor > 0:
        raise UnsupportedError(
            f"is of version 1.{minor}: it may hold what this program cannot show", where=where,
            hint="Sign it with the version of mpk-tui that wrote it",
        )  # fmt: skip
    return request


def _endorsement(body: bytes, where: str) -> Endorsement:
    """An endorsement does not name its suite; the bundle does, and its signer's keys show which it must be."""
    sealed = SealedEndorsement(body, ())
    *others, last = SUITES
    for suite in others:
        try:
            return parse_endorsement(sealed, suite, where)
        except MalformedError:
            continue
    return parse_endorsement(sealed, last, where)


def describe(request: Request) -> list[str]:
    """What would be signed, in words.  Text in it comes from whoever wrote the request and is not escaped yet."""
    body = request.body
    out = [f"message  {len(request.message)} bytes, SHA-256 {hex_groups(request.id)}"]
    if isinstance(body, TrustFile):
        return [*out, "asks for the signature of a trust store", *file_lines(body)]
    if isinstance(body, Manifest):
        out += [
            f"asks for the signature of a bundle: {request.id.hex()}",
            f"case     {body.case.id!r}, bundle number {body.seq}"
            + (f", after {body.prev.hex()}" if body.prev is not None else ""),
            *(
                f"         {name}: {value!r}"
                for name, value in (
                    ("title", body.case.title), ("exhibit", body.case.exhibit), ("root", body.case.root_exhibit),
                    ("authority", body.case.authority), ("purpose", body.case.purpose),
                )
                if value
            ),
            f"made     {when(body.created)} by {body.tool.name} {body.tool.version}"
            + (f" on {body.tool.host_label!r}" if body.tool.host_label else ""),
            f"suite    {body.suite}: {' and '.join(NAMES[alg] for alg in SUITES[body.suite])}",
        ]  # fmt: skip
        for s in body.sections:
            size = f"{s.count} items, {s.size} bytes" if s.kind != "blob" else f"{s.size} bytes"
            out.append(f"section  {s.id}: {size}, {s.digest.hex()}")
    else:
        out += [
            f"asks for the signature of an endorsement: {body.kind}",
            f"about    bundle {body.target.hex()}",
            f"dated    {when(body.at)}",
            f"says     {body.statement!r}",
        ]
        if detail := body.detail():
            out.append(f"         {detail}")
    for signer in request.signers:
        for key in signer.keys:
            out.append(f"signer   {signer.id!r}, {signer.role}: {NAMES[key.alg]} key {fingerprint(key)}")
    if isinstance(body, Manifest):
        out.append("The sections themselves are not here: read them where the bundle is, and compare its id.")
    return out


def read_signature(path: Path, message: bytes, keys: Sequence[PublicKey]) -> Signature:
    """A signature from a file, if it is one of these keys'.

    Args:
        path: The raw bytes, 64 or 3,309 of them.
        message: What must have been signed.
        keys: Keys that may sign.

    Raises:
        MalformedError: It is no raw signature, or fits none of the keys.
        UnsupportedError: The installed library has no ML-DSA.
    """
    data = read_small(path, 8192, follow=True)
    alg = next((a for a, size in SIGNATURE_BYTES.items() if size == len(data)), None)
    if alg is None:
        sizes = " or ".join(f"{size} ({NAMES[a]})" for a, size in SIGNATURE_BYTES.items())
        raise MalformedError(
            f"has {len(data)} bytes, a raw signature has {sizes}", where=str(path),
            hint="Give the file that openssl pkeyutl or bundle sign-request wrote: no base64, no header",
        )  # fmt: skip
    for key in keys:
        if key.alg == alg and key.verifies(data, message):
            return Signature(key.keyid, data)
    asked = [f"{NAMES[k.alg]} key {fingerprint(k)}" for k in keys if k.alg == alg]
    raise MalformedError(
        f"is not the {NAMES[alg]} signature of this message by " + (" or ".join(asked) or "any key that is waited for"),
        where=str(path), hint="Was another file signed, or with another key?",
    )  # fmt: skip
