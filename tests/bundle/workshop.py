"""Bundles made by hand for tests: two small artifacts, one comparison, one verdict, fixed keys and salts."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from mpk_tui import canonical, hashtree
from mpk_tui.bundle import build, commitments, consistency, dsse, endorsements, envelope
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.envelope import Blob, Envelope, SealedEndorsement, Signature
from mpk_tui.bundle.manifest import CaseFacts, Signer, ToolFacts
from mpk_tui.bundle.outcome import Outcome
from mpk_tui.bundle.suites import ED25519, ML_DSA_65, PublicKey
from mpk_tui.bundle.trust import ANY, Person, Policy, TrustedKey, TrustStore
from mpk_tui.bundle.verify import Expected, verify
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import Answer, Evidence
from mpk_tui.constitution.verdict import decide

NOW = 1_700_000_000_000  # 2023: in the past of every machine that runs this
CREATED = NOW - 3_600_000
DAY = 24 * 3600 * 1000


class Key:
    """A signing key with a fixed seed, so that every run makes the same bundle."""

    def __init__(self, name: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.public = PublicKey(ED25519, self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)

    def signer(self, id: str = "Examiner", role: str = "analyst") -> Signer:
        return Signer(id, role, (self.public,))


class Pair:
    """An identity of suite s2 with fixed seeds; the signatures of its second half are others on every run."""

    def __init__(self, name: str) -> None:
        self.first = Key(name)
        self.second = MLDSA65PrivateKey.from_seed_bytes(hashlib.sha256(f"{name}, second half".encode()).digest())
        self.keys = (self.first.public, PublicKey(ML_DSA_65, self.second.public_key().public_bytes_raw()))

    def sign(self, message: bytes) -> tuple[bytes, ...]:
        return self.first.sign(message), self.second.sign(message)

    def signer(self, id: str = "Examiner", role: str = "analyst") -> Signer:
        return Signer(id, role, self.keys)


ANNA, BERT, CARLA, STRANGER = (Key(n) for n in ("anna", "bert", "carla", "stranger"))


def person(name: str, *keys: Key, roles: tuple[str, ...] = (ANY,), **limits: Any) -> Person:
    return Person(name.lower(), name, frozenset(roles), tuple(TrustedKey(k.public, **limits) for k in keys))


def trusting(*people: Person, **policy: Any) -> TrustStore:
    return TrustStore(people or (person("Anna", ANNA),), Policy(**policy) if policy else Policy())


DEFAULT_STORE = trusting()


def salts() -> Callable[[], bytes]:
    counter = iter(range(1000))
    return lambda: hashlib.sha256(b"salt %d" % next(counter)).digest()


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def tensor(name: str, content: str, shape: Sequence[int] = (2, 2)) -> list[Any]:
    return [name, "F32", list(shape), 16, sha(content)]


TENSORS = {
    "S1": [tensor("a.weight", "s a"), tensor("b.weight", "s b"), tensor("c.weight", "shared")],
    "R1": [tensor("a.weight", "r a"), tensor("b.weight", "r b"), tensor("c.weight", "shared")],
}


def file_row(path: str, content: str, **more: Any) -> dict[str, Any]:
    return {
        "path": path, "kind": "file", "size": len(content), "sha256": sha(content), "after": None, "link": None,
        "link_class": None, "mtime_ns": None, "error": None, **more,
    }  # fmt: skip


def checkpoint_section(*files: dict[str, Any]) -> dict[str, Any]:
    return {
        "files": list(files), "mount": {"read_only": None, "observed": "not recorded"}, "write_block": None,
        "exclusions": [], "notices": [],
    }  # fmt: skip


def log_entry(seq: int, act: str, at: int = CREATED, /, **params: Any) -> dict[str, Any]:
    return {
        "seq": seq, "at": at, "clock": {"source": "system", "utc_offset": 3600, "trusted": False}, "who": "Anna",
        "role": "analyst", "act": act, "obj": None, "tool": "mpk-tui test", "params": params, "result": None,
        "note": "", "salt": sha(f"entry {seq}")[:16],
    }  # fmt: skip


def root(artifact: str) -> bytes:
    return hashtree.merkle_root([hashtree.leaf_hash(canonical.encode(t)) for t in TENSORS[artifact]])


def comparison(finding: str = "shared-trained-ancestor") -> dict[str, Any]:
    return {
        "schema": "mpk-tui/compare/1", "a": {"root": root("S1").hex()}, "b": {"root": root("R1").hex()},
        "finding": finding, "sentence": "Units correspond.", "identity": {"lossless": False}, "tests": [],
    }  # fmt: skip


PAIR = "S1:R1"
REASON = "The comparison tests every layer against a stated null."


def answers() -> list[Answer]:
    out = [Answer(c, "not-met", "Nothing speaks for it.") for c in ("c4", "c1", "c2", "c3")]
    return [*out, Answer("c5", "met", REASON, ("E1",), "met", "common-trained-ancestor")]


def evidence(record: dict[str, Any]) -> list[Evidence]:
    digest = hashtree.sha256(canonical.encode(record)).hex()
    return [
        Evidence("E1", "b", ("c5",), (), "comparison", "", "", "z = 70", record["finding"], digest),
        Evidence("E2", "context", (), (), "model card", "", "page 1", "same family"),
    ]


def contents(**sections: Any) -> Contents:
    """A consistent case; keyword arguments replace sections (dots written as two underscores), None removes one."""
    record = comparison()
    given, items = answers(), evidence(record)
    current = norm.load()
    verdict = decide(current, {a.question: a for a in given}, items)
    plain: dict[str, Any] = {
        "artifacts": [
            {"id": i, "role": role, "label": label, "format": "safetensors", "family": "llama",
             "scope": "transformer-lm", "parameters": 12, "fingerprint": sha(i), "complete": True}
            for i, role, label in (("S1", "subject", "suspect"), ("R1", "reference", "reference"))
        ],
        "norm": {"id": consistency.NORM_ID, "version": current.version, "digest": current.digest},
        "findings": [{"pair": PAIR, "digest": hashtree.sha256(canonical.encode(record)), "record": record}],
        "evidence": [consistency.evidence_record(PAIR, e) for e in items],
        "answers": [consistency.answer_record(PAIR, a) for a in given],
        "verdict": {
            "pairs": [{"pair": PAIR, **verdict.as_record(), "rationale": "As the layers show.", "alternatives": [],
                       "limitations": [], "known_gaps": []}],
            "decided_by": "Anna", "decided_at": CREATED,
        },
        "log": [log_entry(0, "open", id="case-1"), log_entry(1, "note"), log_entry(2, "export", seq=0)],
        "notes": [{"at": CREATED, "who": "Anna", "text": "A note."}],
        "checkpoint.S1": checkpoint_section(file_row("model.safetensors", "s"), file_row("config.json", "{}")),
        "checkpoint.R1": checkpoint_section(file_row("model.safetensors", "r")),
        "facts.S1": {"tool": "mpk-tui test", "config": {"model_type": "llama"}, "tokenizer": {},
                     "metadata": [["model.safetensors", [["format", "pt"]]]]},
        "facts.R1": {"tool": "mpk-tui test", "config": {}, "tokenizer": {}, "metadata": []},
        "selftest": {"v": 1, "at": CREATED, "tool": "mpk-tui 0", "code_sha256": sha("code"), "python": "3.11",
                     "libs": {"msgpack": "1.2.4"}, "os": "Linux", "passed": True,
                     "checks": [{"name": "sha256", "expected": "ba78…", "found": "ba78…", "passed": True}]},
        "tensors.S1": TENSORS["S1"],
        "tensors.R1": TENSORS["R1"],
        "features.S1": [{"id": "ffn", "version": 1, "params": {"units": 2}, "tolerance": None, "dtype": "<f4",
                         "shape": [2], "data": bytes(8)}],
        "locations.S1": {"rows": [[0, 0], [0, 16], [0, 32]]},
        "docs": [{"id": "doc.0", "name": "../../evil", "media_type": "text/plain", "sha256": sha("attached"),
                  "size": 8, "supplied_by": "Anna", "supplied_at": None, "relation": "evidence"}],
        "doc.0": b"attached",
    }  # fmt: skip
    for name, value in sections.items():
        key = name.replace("__", ".")
        if value is None:
            del plain[key]
        else:
            plain[key] = value
    facts = CaseFacts("case-1", "EX-1", "", "Provenance of a suspect", "owner", "licence question")
    tool = ToolFacts("mpk-tui", "0", sha("code"), "3.11", {"msgpack": "1.2.4"}, "Linux", "lab", None)
    return Contents(facts, 0, None, CREATED, tool, copy.deepcopy(plain))


def unsigned(what: Contents | None = None, *signers: Signer) -> Envelope:
    return build.build(what or contents(), signers or (ANNA.signer(),), salt=salts())


def sealed(what: Contents | None = None, *keys: Key) -> Envelope:
    """Built and signed by these keys (Anna alone if none is named)."""
    keys = keys or (ANNA,)
    made = unsigned(what, *(k.signer(f"Signer {n}") for n, k in enumerate(keys)))
    for k in keys:
        made = build.sign(made, k.public, k.sign)
    return made


def sealed_as(*signers: tuple[Key, str]) -> Envelope:
    """Signed by keys in roles."""
    made = unsigned(None, *(k.signer(f"Signer {n}", role) for n, (k, role) in enumerate(signers)))
    for k, _ in signers:
        made = build.sign(made, k.public, k.sign)
    return made


def resigned(base: Envelope, payload: bytes, *keys: Key, payload_type: str = dsse.BUNDLE_TYPE) -> Envelope:
    """Another payload, correctly signed as it stands, whatever it holds."""
    message = dsse.pae(payload_type, payload)
    signatures = tuple(Signature(k.public.keyid, k.sign(message)) for k in keys or (ANNA,))
    return replace(base, payload_type=payload_type, payload=payload, signatures=signatures)


def with_manifest(base: Envelope, change: Callable[[dict[str, Any]], Any], *keys: Key) -> Envelope:
    """The manifest changed as a plain map and correctly signed again."""
    value = canonical.decode(base.payload)
    change(value)
    return resigned(base, canonical.encode(value), *keys)


def with_section(base: Envelope, section: str, value: Any, *keys: Key) -> Envelope:
    """The content of a section exchanged, committed to and correctly signed, whatever it holds."""
    row = next(s for s in canonical.decode(base.payload)["sections"] if s["id"] == section)
    data = canonical.encode(value)
    if row["kind"] == "blob":
        digest = commitments.blob_digest(section, blob(base, section).salt, data)
        count = 0
    else:
        digest, count = commitments.read_items(row["kind"], data, section).digest, len(value)

    def change(manifest: dict[str, Any]) -> None:
        entry = next(s for s in manifest["sections"] if s["id"] == section)
        entry.update(size=len(data), count=count, digest=digest)

    return with_manifest(with_blob(base, section, data=data), change, *keys)


def with_blob(base: Envelope, section: str, **changes: Any) -> Envelope:
    return replace(base, blobs=tuple(replace(b, **changes) if b.id == section else b for b in base.blobs))


def without_blob(base: Envelope, *sections: str) -> Envelope:
    return replace(base, blobs=tuple(b for b in base.blobs if b.id not in sections))


def blob(base: Envelope, section: str) -> Blob:
    return next(b for b in base.blobs if b.id == section)


def items(base: Envelope, section: str) -> list[Any]:
    out = canonical.decode(blob(base, section).data)
    assert isinstance(out, list)
    return out


def with_items(base: Envelope, section: str, rows: list[Any]) -> Envelope:
    return with_blob(base, section, data=canonical.encode(rows))


def endorsed(base: Envelope, key: Key, kind: str = "concur", **changes: Any) -> Envelope:
    """With one more endorsement by a key."""
    fields: dict[str, Any] = {
        "target": dsse.bundle_id(base.payload), "sigs": envelope.signatures_digest(base.signatures),
        "at": CREATED + 1000, "signer": key.signer("Endorser", "reviewer"), "statement": "I agree.", "data": {},
    }  # fmt: skip
    payload_type = changes.pop("payload_type", dsse.ENDORSEMENT_TYPE)
    by = changes.pop("by", key)
    body = endorsements.body(kind, **{**fields, **changes})
    signature = Signature(key.public.keyid, by.sign(dsse.pae(payload_type, body)))
    return replace(base, endorsements=(*base.endorsements, SealedEndorsement(body, (signature,))))


def check(
    data: bytes | Envelope, store: TrustStore | None = None, now: int = NOW, expected: Expected | None = None
) -> Outcome:
    raw = data if isinstance(data, bytes) else data.to_bytes()
    return verify(raw, store or DEFAULT_STORE, now, expected)


def flips(data: bytes) -> Iterator[bytes]:
    """Every version of ``data`` with one bit turned."""
    for n in range(len(data) * 8):
        changed = bytearray(data)
        changed[n // 8] ^= 1 << (n % 8)
        yield bytes(changed)
