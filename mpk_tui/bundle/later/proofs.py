"""The proof of one tensor: a signed manifest, one item of a tensor list, and the path from it to the signed root.

Who has the proof alone can check that a tensor of this name, type, shape and digest is one of the weights that the
bundle describes, and hold a local tensor against it.  Nothing else of the bundle is in it: no verdict, no log, no
endorsement.  For a list of 100,000 tensors the path has 17 hashes.
"""

from __future__ import annotations

from typing import Any

from mpk_tui import canonical, hashtree
from mpk_tui.bundle import dsse, limits, manifest
from mpk_tui.bundle.envelope import SIGNATURE_ROWS, Envelope, Signature, signature_rows
from mpk_tui.bundle.manifest import SECTION_ID, Manifest
from mpk_tui.bundle.outcome import CODES, ON_REQUEST, SHOWN, SignerReport, Word
from mpk_tui.bundle.run import Run
from mpk_tui.bundle.schema import Check, Reading, binary, digest, integer, listing, row, text
from mpk_tui.bundle.sections import TENSOR, check_manifest
from mpk_tui.bundle.signers import check_signatures, report, standing
from mpk_tui.bundle.suites import verifiable
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.bundle.verify import Expected, believe, check_freshness
from mpk_tui.errors import ExitCode, LimitError, MalformedError, MpkError, UnsupportedError, UsageError
from mpk_tui.records import dataclass, replace

MAGIC = "MPKI1"
SUFFIX = ".mpki"
MOST_BYTES = 2 << 20
"""A manifest, 32 signatures and one item."""
ITEM_BYTES = 1 << 16
_STEM = b"\x99\xa5MPKI"
_OUTER = canonical.Limits(
    depth=4, map_keys=0, array_items=64, str_bytes=256, bin_bytes=limits.MANIFEST_BYTES, nodes=256
)
RECORD: Check = row(
    text(16), text(256), binary(1, limits.MANIFEST_BYTES), SIGNATURE_ROWS, text(128, SECTION_ID),
    integer(0, limits.TENSORS), integer(1, limits.TENSORS), binary(1, ITEM_BYTES), listing(digest, 64),
)  # fmt: skip


@dataclass(frozen=True)
class Proof:
    """A proof, taken apart and not yet believed.

    Attributes:
        payload_type: Of the bundle.
        payload: Its manifest.
        signatures: Over both.
        section: Id of the list, ``tensors.<artifact>``.
        index: Number of the item, from 0.
        count: Items of the list.
        item: Canonical bytes of ``[name, dtype, shape, nbytes, sha256]``.
        path: Sibling hashes, lowest first (RFC 9162, section 2.1.3.1).
    """

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]
    section: str
    index: int
    count: int
    item: bytes
    path: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """Canonical bytes of the file."""
        return canonical.encode(
            [
                MAGIC, self.payload_type, self.payload, signature_rows(self.signatures), self.section, self.index,
                self.count, self.item, list(self.path),
            ],
            _OUTER,
        )  # fmt: skip


@dataclass(frozen=True)
class ProofOutcome:
    """What checking a proof found.

    Attributes:
        verdict: The word, of the same meaning as for a bundle.
        words: What it means here.
        bundle_id: Id of the bundle that it comes from.
        section: The list.
        index: Number of the tensor in it, from 0.
        count: Tensors in the list.
        tensor: ``[name, dtype, shape, nbytes, sha256]``; None where nothing may be believed of it.
        signers: As for a bundle.
        notices: What else a person should know.
    """

    verdict: Word
    words: str
    bundle_id: bytes | None = None
    section: str = ""
    index: int = 0
    count: int = 0
    tensor: tuple[Any, ...] | None = None
    signers: tuple[SignerReport, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def code(self) -> ExitCode:
        """The exit code that belongs to the verdict."""
        return CODES[self.verdict]

    def shown(self, *, untrusted: bool = False) -> tuple[Any, ...] | None:
        """The tensor, if it may be shown; ``untrusted`` is the person's explicit request."""
        return self.tensor if self.verdict in SHOWN or (untrusted and self.verdict in ON_REQUEST) else None


def prove(envelope: Envelope, body: Manifest, artifact: str, name: str) -> Proof:
    """Take the proof of one tensor out of a bundle that was verified.

    Args:
        envelope: The bundle.
        body: Its manifest.
        artifact: Id of the artifact.
        name: Of the tensor.

    Raises:
        UsageError: No such artifact or tensor, or it is withheld.
    """
    section = f"tensors.{artifact}"
    blob = next((b for b in envelope.blobs if b.id == section), None)
    if body.section(section) is None:
        raise UsageError(f"the bundle has no artifact {artifact!r}")
    if blob is None:
        raise UsageError(f"the tensors of {artifact!r} are withheld")
    rows = canonical.decode(blob.data, limits.SECTION, where=section)
    index = next((n for n, r in enumerate(rows) if len(r) > 1 and r[0] == name), None)
    if index is None:
        raise UsageError(f"artifact {artifact!r} lists no tensor {name!r}", hint="It is not there, or it is withheld")
    leaves = [r[0] if len(r) == 1 else hashtree.leaf_hash(canonical.encode(r)) for r in rows]
    return Proof(
        envelope.payload_type, envelope.payload, envelope.signatures, section, index, len(rows),
        canonical.encode(rows[index]), tuple(hashtree.inclusion_proof(leaves, index)),
    )  # fmt: skip


def parse(data: bytes) -> Proof:
    """Take a proof file apart.

    Raises:
        MalformedError: Not a canonical proof.
        LimitError: Something in it is larger than we accept.
        UnsupportedError: Of another version.
    """
    where = "proof"
    if len(data) > MOST_BYTES:
        raise LimitError(f"{len(data)} bytes; a proof has at most {MOST_BYTES}", where=where)
    if data[:6] != _STEM or len(data) < 7:
        raise MalformedError("does not start like the proof of a tensor", where=f"{where}, byte 0")
    if data[6:7] != MAGIC[-1:].encode() and data[6:7].isdigit():
        raise UnsupportedError(f"a proof of version {data[6:7].decode()}", where=where, hint="Use a newer mpk-tui")
    value = canonical.decode(data, _OUTER, where=where)
    RECORD(value, where, Reading())
    if value[0] != MAGIC:
        raise MalformedError("does not start like the proof of a tensor", where=f"{where}, byte 0")
    keys = [r[0] for r in value[3]]
    if not keys or keys != sorted(set(keys)):
        raise MalformedError("no signature, or records twice or out of order", where=f"{where}.signatures")
    _, kind, payload, signatures, section, index, count, item, path = value
    return Proof(kind, payload, tuple(Signature(*r) for r in signatures), section, index, count, item, tuple(path))


def check(data: bytes, store: TrustStore, now: int) -> ProofOutcome:
    """Check a proof: shape, signatures, the signed list, the path, and trust; in the words of a bundle's verdicts.

    Args:
        data: The whole file.
        store: Whom the verifier believes.
        now: The verifier's clock, milliseconds since 1970, UTC.
    """
    run = Run()
    try:
        return _steps(run, data, store, now)
    except (LimitError, MalformedError, UnsupportedError) as error:
        return ProofOutcome(_REFUSALS[type(error)], error.diagnosis(), run.bundle_id)


_REFUSALS: dict[type[MpkError], Word] = {
    LimitError: Word.LIMIT, MalformedError: Word.MALFORMED, UnsupportedError: Word.UNSUPPORTED,
}  # fmt: skip


def _steps(run: Run, data: bytes, store: TrustStore, now: int) -> ProofOutcome:
    proof = parse(data)
    if proof.payload_type != dsse.BUNDLE_TYPE:
        raise UnsupportedError(
            f"the payload is a {proof.payload_type!r}", where="proof", hint=f"Expected {dsse.BUNDLE_TYPE}"
        )
    body = manifest.parse(proof.payload)
    run.bundle_id = dsse.bundle_id(proof.payload)
    if not verifiable(body.suite):
        raise UnsupportedError(f"signatures of suite {body.suite} cannot be checked here", where="manifest.suite")
    check_manifest(body)
    checked = check_signatures(dsse.pae(proof.payload_type, proof.payload), proof.signatures, body.signers, store)
    faults = list(checked.faults)
    if not faults:
        faults = _item_faults(proof, body)
    if faults:
        signers = tuple(report(s, checked, standing(s, body.created, now, store, {})) for s in body.signers)
        words = f"Not a proof; by what cause is unknown: {'; '.join(faults[:5])}."
        return ProofOutcome(Word.ALTERED, words, run.bundle_id, signers=signers)
    item = canonical.decode(proof.item, limits.SECTION, where="proof.item")
    TENSOR(item, "proof.item", Reading())
    believe(run, body, checked, now, store, {})
    check_freshness(run, body, now, Expected())
    word = min((found for found, _ in run.found), key=list(Word).index, default=Word.VALID)
    artifact = proof.section.partition(".")[2]
    people = ", ".join(s.person for s in run.signers if s.state == "trusted")
    why = "; ".join(reason for found, reason in run.found if found is word)
    said = (
        f"This tensor is number {proof.index + 1} of the {proof.count} of artifact {artifact} in bundle "
        f"{run.bundle_id.hex()}. Nothing else of that bundle is in a proof."
    )
    head = f"Signed by {people}, whom you trust. " if word is Word.VALID else f"Not to be relied on: {why}. "
    return ProofOutcome(
        word, head + said, run.bundle_id, proof.section, proof.index, proof.count, tuple(item), tuple(run.signers),
        tuple(dict.fromkeys(run.notices)),
    )  # fmt: skip


def _item_faults(proof: Proof, body: Manifest) -> list[str]:
    entry = body.section(proof.section)
    if entry is None or entry.family != "tensors" or entry.kind != "merkle":
        return [f"the bundle lists no tensors under {proof.section}"]
    if proof.count != entry.count:
        return [f"{proof.count} tensors, {entry.count} were signed"]
    leaf = hashtree.leaf_hash(proof.item)
    if not hashtree.proves_inclusion(leaf, proof.index, entry.count, proof.path, entry.digest):
        return ["the item does not lead to the signed root"]
    return []


def held_against(outcome: ProofOutcome, found: tuple[Any, ...] | None, path: str) -> ProofOutcome:
    """Hold the proven tensor against a local one.

    Args:
        outcome: Of `check`, with a tensor that may be shown.
        found: ``[name, dtype, shape, nbytes, sha256]`` of the local tensor of that name; None if there is none.
        path: Of the checkpoint, for the words.

    Returns:
        MISMATCH if it differs or is not there.
    """
    assert outcome.tensor is not None
    name = outcome.tensor[0]
    if found == outcome.tensor:
        return replace(outcome, words=f"{path}: tensor {name!r} is the proven one, byte for byte. {outcome.words}")
    what = "has no tensor" if found is None else "holds another tensor"
    rank = list(Word)
    word = min(outcome.verdict, Word.MISMATCH, key=rank.index)
    return replace(outcome, verdict=word, words=f"{path}: {what} {name!r}. {outcome.words}")
