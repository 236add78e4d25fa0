"""Model signatures made here, right ones and wrong ones, with `cryptography` alone."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CURVES: Mapping[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]] = {
    "secp256r1": (ec.SECP256R1(), hashes.SHA256()),
    "secp384r1": (ec.SECP384R1(), hashes.SHA384()),
    "secp521r1": (ec.SECP521R1(), hashes.SHA512()),
}
PAYLOAD_TYPE = "application/vnd.in-toto+json"
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def new_key(curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(CURVES[curve][0])


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, SPKI)


def hint_of(key: ec.EllipticCurvePrivateKey) -> str:
    return hashlib.sha256(pem_of(key)).hexdigest()


def write_public(key: ec.EllipticCurvePrivateKey, path: Path) -> Path:
    path.write_bytes(pem_of(key))
    return path


def resources_of(root: Path, names: Sequence[str], algorithm: str = "sha256") -> list[dict[str, str]]:
    return [
        {"name": n, "algorithm": algorithm, "digest": hashlib.new(algorithm, (root / n).read_bytes()).hexdigest()}
        for n in sorted(names)
    ]


def shards_of(root: Path, names: Sequence[str], size: int) -> list[dict[str, str]]:
    out = []
    for name in sorted(names):
        data = (root / name).read_bytes()
        for at in range(0, len(data), size):
            part = data[at : at + size]
            out.append(
                {"name": f"{name}:{at}:{at + len(part)}", "algorithm": f"sha256-sharded-{size}",
                 "digest": hashlib.sha256(part).hexdigest()}
            )  # fmt: skip
    return out


def statement_of(resources: Sequence[Mapping[str, Any]], **serialization: Any) -> dict[str, Any]:
    """A statement over resources; further arguments go into ``serialization``, None takes a field out."""
    how = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, **serialization}
    digests = b"".join(bytes.fromhex(str(r["digest"])) for r in resources)
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": hashlib.sha256(digests).hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": list(resources),
            "serialization": {k: v for k, v in how.items() if v is not None},
        },
    }


def pae(payload: bytes) -> bytes:
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload


def bundle_of(
    statement: Any,
    key: ec.EllipticCurvePrivateKey,
    material: Mapping[str, Any] | None = None,
    message: bytes | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
) -> dict[str, Any]:
    """A signature file as an object; ``message`` is signed in place of the right encoding."""
    payload = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
    chosen = algorithm or CURVES[key.curve.name][1]
    signature = key.sign(message if message is not None else pae(payload), ec.ECDSA(chosen))
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": dict(material or {"publicKey": {"hint": hint_of(key)}, "tlogEntries": []}),
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }


def write_bundle(bundle: Any, path: Path) -> Path:
    path.write_bytes(bundle if isinstance(bundle, bytes) else json.dumps(bundle).encode())
    return path


def chain_material(chain: Sequence[x509.Certificate], **beside: Any) -> dict[str, Any]:
    ders = [base64.b64encode(c.public_bytes(serialization.Encoding.DER)).decode() for c in chain]
    return {"x509CertificateChain": {"certificates": [{"rawBytes": d} for d in ders]}, **beside}


def pem_file(certificates: Sequence[x509.Certificate], path: Path) -> Path:
    path.write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates))
    return path


def certificate(
    subject: str,
    key: Any,
    issuer: str,
    issuer_key: Any,
    *,
    ca: bool = False,
    path_length: int | None = None,
    days: tuple[int, int] = (-10, 10),
    signing: bool = True,
    algorithm: hashes.HashAlgorithm | None = None,
    critical: x509.ExtensionType | None = None,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
) -> x509.Certificate:
    """A certificate valid from ``days[0]`` to ``days[1]`` around `NOW`."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        .add_extension(
            x509.KeyUsage(signing and not ca, False, False, False, False, ca, False, False, False), critical=True
        )
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if critical is not None:
        builder = builder.add_extension(critical, critical=True)
    return builder.sign(issuer_key, algorithm or hashes.SHA256())


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)
