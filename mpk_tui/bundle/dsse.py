"""What a signature covers: the pre-authentication encoding of DSSE over exact bytes.

``PAE(type, body) = "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body``, LEN in bytes, decimal, without leading zeros
(github.com/secure-systems-lab/dsse, protocol.md).  The type is signed with the body, so bytes signed as one kind of
record are never read as another; nothing is parsed or brought into canonical form before a signature is checked.
"""

from __future__ import annotations

from mpk_tui.hashtree import sha256

BUNDLE_TYPE = "application/vnd.mpk-tui.bundle.v1+msgpack"
ENDORSEMENT_TYPE = "application/vnd.mpk-tui.endorsement.v1+msgpack"
TRUST_TYPE = "application/vnd.mpk-tui.trust.v1+msgpack"
PACK_TYPE = "application/vnd.mpk-tui.pack.v1+msgpack"


def pae(payload_type: str, payload: bytes) -> bytes:
    """The message that is signed.

    Args:
        payload_type: One of the ASCII constants of this module.
        payload: The exact bytes that travel in the envelope.
    """
    name = payload_type.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload)


def bundle_id(payload: bytes) -> bytes:
    """SHA-256 of the signed message of a manifest: the bundle's identity, the same after redaction or endorsement."""
    return sha256(pae(BUNDLE_TYPE, payload))
