"""The signed part of a bundle as a DSSE envelope in JSON: the same bytes under the same signatures, no key needed.

Format: github.com/secure-systems-lab/dsse, envelope.md: ``payload`` and ``sig`` in standard base64, ``keyid`` free
text.  The payload is the manifest, canonical msgpack as it was signed; sections are not part of it, their digests are.
A reader verifies each signature over ``PAE(payloadType, payload)``; for ML-DSA signatures (suite s2) readers differ in
what they sign (docs/interop.md), the Ed25519 ones are plain RFC 8032.
"""

from __future__ import annotations

import base64
import json

from mpk_tui.bundle import dsse, envelope
from mpk_tui.errors import MalformedError
from mpk_tui.report.source import Made, Source

_LEFT_OUT = (
    "the envelope holds the signed manifest; sections and endorsements stay in the bundle",
    "the envelope does not say whether its keys are trusted; whoever reads it must know them",
)


def write(source: Source) -> Made:
    """The envelope as one JSON object.

    Raises:
        MalformedError: The bytes are not those that were verified (a fault of ours).
    """
    sealed = envelope.parse(source.data)
    if dsse.bundle_id(sealed.payload) != source.outcome.bundle_id:
        raise MalformedError("is not the bundle that was verified", where=source.name)
    record = {
        "payload": _base64(sealed.payload),
        "payloadType": sealed.payload_type,
        "signatures": [{"keyid": s.keyid.hex(), "sig": _base64(s.sig)} for s in sealed.signatures],
    }
    return Made(json.dumps(record, indent=2).encode("ascii") + b"\n", _LEFT_OUT)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
