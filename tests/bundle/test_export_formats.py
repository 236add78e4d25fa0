"""Exports as the tools of their formats read them: securesystemslib, in-toto's rules, the CycloneDX schema."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import workshop as w
from test_exports import bench, export, made

from mpk_tui import canonical
from mpk_tui.bundle import build, dsse
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.envelope import Envelope, Signature
from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.suites import ML_DSA_65, PublicKey
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import Answer, Evidence, Hop
from mpk_tui.constitution.verdict import decide

__all__ = ["bench"]  # a fixture


# --- DSSE ---------------------------------------------------------------------------------------------------------------


def sslib_key(key: w.Key) -> Any:
    """A key as securesystemslib holds it, under our key id."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from securesystemslib.signer import SSlibKey

    return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(key.public.raw), keyid=key.public.keyid.hex())


def theirs(record: dict[str, Any]) -> Any:
    """The envelope as securesystemslib reads it; its reader empties what it is given."""
    from securesystemslib.dsse import Envelope as Theirs

    return Theirs.from_dict(copy.deepcopy(record))


def test_securesystemslib_verifies_the_envelope(bench: Path) -> None:
    sealed = w.sealed(None, w.ANNA, w.BERT)
    record = json.loads(made(bench, sealed, "dsse"))
    read = theirs(record)
    assert (read.payload, read.payload_type) == (sealed.payload, dsse.BUNDLE_TYPE)
    assert read.pae() == dsse.pae(sealed.payload_type, sealed.payload)
    keys = [sslib_key(k) for k in (w.ANNA, w.BERT)]
    assert set(read.verify(keys, 2)) == {k.public.keyid.hex() for k in (w.ANNA, w.BERT)}


def test_securesystemslib_refuses_what_was_changed(bench: Path) -> None:
    from securesystemslib.exceptions import VerificationError

    record = json.loads(made(bench, w.sealed(), "dsse"))
    payload = bytearray(base64.b64decode(record["payload"]))
    payload[-1] ^= 1
    changed = {**record, "payload": base64.b64encode(bytes(payload)).decode()}
    retyped = {**record, "payloadType": dsse.ENDORSEMENT_TYPE}
    for bad in (changed, retyped):
        with pytest.raises(VerificationError):
            theirs(bad).verify([sslib_key(w.ANNA)], 1)
    with pytest.raises(VerificationError):
        theirs(record).verify([sslib_key(w.BERT)], 1)
    assert theirs(record).verify([sslib_key(w.ANNA)], 1)


def test_the_envelope_is_lossless(bench: Path) -> None:
    """Payload and signatures come back byte for byte, a signature that nobody declared included."""
    base = w.sealed()
    stray = Signature(w.STRANGER.public.keyid, w.STRANGER.sign(dsse.pae(base.payload_type, base.payload)))
    signatures = tuple(sorted((*base.signatures, stray), key=lambda s: s.keyid))
    sealed = Envelope(base.payload_type, base.payload, signatures, base.endorsements, base.blobs)
    record = json.loads(made(bench, sealed, "dsse"))
    assert record.keys() == {"payload", "payloadType", "signatures"}
    found = tuple(
        Signature(bytes.fromhex(s["keyid"]), base64.b64decode(s["sig"], validate=True)) for s in record["signatures"]
    )
    payload = base64.b64decode(record["payload"], validate=True)
    again = Envelope(record["payloadType"], payload, found, sealed.endorsements, sealed.blobs)
    assert again.to_bytes() == sealed.to_bytes()
    assert w.check(again).verdict == "VALID"


def test_of_suite_s2_the_ed25519_half_is_verified_elsewhere(bench: Path) -> None:
    """Both halves are in the list.  securesystemslib signs another message with ML-DSA, so that half fits only ours."""
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    secret = MLDSA65PrivateKey.from_seed_bytes(bytes(32))
    half = PublicKey(ML_DSA_65, secret.public_key().public_bytes_raw())
    signer = Signer("Anna", "analyst", (w.ANNA.public, half))
    sealed = build.build(w.contents(), (signer,), suite="s2", salt=w.salts())
    sealed = build.sign(build.sign(sealed, w.ANNA.public, w.ANNA.sign), half, secret.sign)
    record = json.loads(made(bench, sealed, "dsse", "--show-untrusted"))
    read = theirs(record)
    assert set(read.signatures) == {w.ANNA.public.keyid.hex(), half.keyid.hex()}
    assert set(read.verify([sslib_key(w.ANNA)], 1)) == {w.ANNA.public.keyid.hex()}
    signature = bytes.fromhex(read.signatures[half.keyid.hex()].signature)
    MLDSA65PublicKey.from_public_bytes(half.raw).verify(signature, read.pae())
    with pytest.raises(VerificationError):
        read.verify([SSlibKey.from_crypto(secret.public_key(), keyid=half.keyid.hex())], 1)


# --- in-toto ------------------------------------------------------------------------------------------------------------

# RFC 3986, appendix A, as far as a URN needs it; scheme and authority in lower case (TypeURI).
TYPE_URI = re.compile(r"[a-z][a-z0-9+.-]*:([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})+")


def statement(bench: Path, bundle: Envelope, *options: str, key: str = "anna") -> dict[str, Any]:
    record = json.loads(made(bench, bundle, "in-toto", *options, key=key))
    assert record.keys() == {"_type", "subject", "predicateType", "predicate"}
    assert record["_type"] == "https://in-toto.io/Statement/v1"
    assert TYPE_URI.fullmatch(record["predicateType"])
    names = [s["name"] for s in record["subject"]]
    assert len(set(names)) == len(names) > 0
    for s in record["subject"]:
        assert re.fullmatch("[0-9a-f]{64}", s["digest"]["sha256"])
    return record  # type: ignore[no-any-return]


def test_statement(bench: Path) -> None:
    sealed = w.sealed()
    record = statement(bench, sealed)
    assert {s["name"]: s["digest"]["sha256"] for s in record["subject"]} == {
        "S1/model.safetensors": w.sha("s").hex(), "S1/config.json": w.sha("{}").hex(),
        "R1/model.safetensors": w.sha("r").hex(),
    }  # fmt: skip
    said = record["predicate"]
    assert "warning" not in said
    assert said["bundle"]["id"] == dsse.bundle_id(sealed.payload).hex()
    assert said["bundle"]["sha256"] == hashlib.sha256(sealed.to_bytes()).hexdigest()
    assert said["bundle"]["created"] == "2023-11-14T21:13:20.000Z"
    assert (said["verification"]["verdict"], said["verification"]["code"]) == ("VALID", 0)
    assert said["signers"] == [
        {"id": "Signer 0", "role": "analyst", "keys": [w.ANNA.public.keyid.hex()], "state": "trusted",
         "person": "the given key", "reason": ""}
    ]  # fmt: skip
    current = norm.load()
    assert said["norm"]["version"] == current.version
    assert said["norm"]["digest"] == {"sha256": current.digest.hex()}
    (pair,) = said["pairs"]
    assert (pair["pair"], pair["agrees"]) == (w.PAIR, True)
    assert pair["recomputed"]["label"] == pair["signed"]["label"] == "linked"
    assert pair["signed"]["rationale"] == "As the layers show."
    assert said["withheld"] == said["notSubjects"] == []
    assert said["artifacts"][0]["tensorRoot"] == w.root("S1").hex()


def test_statement_of_what_is_not_to_be_relied_on(bench: Path) -> None:
    record = statement(bench, w.sealed(), "--show-untrusted", key="bert")
    assert next(iter(record["predicate"])) == "warning"
    assert record["predicate"]["verification"]["code"] == 11
    assert record["predicate"]["signers"][0]["state"] == "untrusted"


def test_statement_of_a_contradiction_has_both_readings(bench: Path) -> None:
    said = statement(bench, w.sealed(w.contents(answers=[])))["predicate"]
    (pair,) = said["pairs"]
    assert (pair["recomputed"]["label"], pair["signed"]["label"], pair["agrees"]) == ("independent", "linked", False)
    assert said["contradictions"]
    assert said["warning"].startswith("INCONSISTENT")


def test_statement_of_odd_names(bench: Path) -> None:
    odd = [
        {**w.file_row("", "a"), "path_b": b"caf\xe9"},
        w.file_row("caf\\xe9", "b"),
        {**w.file_row("link", "c"), "kind": "symlink", "link": "../blobs/c", "link_class": "cache"},
        {**w.file_row("out", ""), "kind": "symlink", "sha256": None, "link": "/etc/passwd", "link_class": "outside"},
        {**w.file_row("changed", "d"), "after": w.sha("e")},
    ]
    del odd[0]["path"]
    record = statement(bench, w.sealed(w.contents(checkpoint__S1=w.checkpoint_section(*odd), locations__S1=None)))
    by_digest = {s["digest"]["sha256"]: s for s in record["subject"]}
    assert by_digest[w.sha("a").hex()]["annotations"] == {"mpkTuiNameBytes": b"caf\xe9".hex()}
    assert by_digest[w.sha("b").hex()]["name"] != by_digest[w.sha("a").hex()]["name"]
    assert by_digest[w.sha("c").hex()]["annotations"] == {"mpkTuiLink": "../blobs/c"}
    assert "mpkTuiChanged" in by_digest[w.sha("d").hex()]["annotations"]
    (absent,) = record["predicate"]["notSubjects"]
    assert absent["name"] == "S1/out"
    assert "/etc/passwd" in absent["reason"]


def test_no_statement_without_a_subject(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    none = w.checkpoint_section({**w.file_row("a", ""), "sha256": None})
    bundle = w.sealed(w.contents(checkpoint__S1=none, checkpoint__R1=w.checkpoint_section(), locations__S1=None))
    assert export(bench, bundle, "in-toto") == 40
    assert capsys.readouterr().err.splitlines()[-1] == "VERDICT INTERNAL 40"
    assert not (bench / "x.intoto.json").exists()


# --- CycloneDX ----------------------------------------------------------------------------------------------------------


def bill(bench: Path, bundle: Envelope, *options: str, key: str = "anna") -> dict[str, Any]:
    """An export that the official schema accepts."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = made(bench, bundle, "cyclonedx", *options, key=key)
    (bench / "x.cdx.json").unlink()
    errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text, all_errors=True)
    assert errors is None, [str(e) for e in errors]
    record = json.loads(text)
    refs = re.findall(r'"bom-ref": "([^"]+)"', text)
    assert len(set(refs)) == len(refs)
    return record  # type: ignore[no-any-return]


def subject(record: dict[str, Any]) -> dict[str, Any]:
    return next(c for c in record["components"] if c["bom-ref"] == "artifact:S1")


def named(component: dict[str, Any], name: str) -> list[str]:
    return [p["value"] for p in component["properties"] if p["name"] == f"mpk-tui:{name}"]


def decided(answers: list[Answer], items: list[Evidence], **changes: Any) -> Envelope:
    """A bundle with these answers and evidence and the verdict that follows."""
    from mpk_tui.bundle import consistency

    verdict = decide(norm.load(), {a.question: a for a in answers}, items)
    assert not verdict.conflicts
    more = {"rationale": "Because.", "alternatives": [], "limitations": ["A limit."], "known_gaps": []}
    sections = {
        "answers": [consistency.answer_record(w.PAIR, a) for a in answers],
        "evidence": [consistency.evidence_record(w.PAIR, e) for e in items],
        "verdict": {"pairs": [{"pair": w.PAIR, **verdict.as_record(), **more}], "decided_by": "A", "decided_at": 1},
        **changes,
    }
    return w.sealed(w.contents(**sections))


CARD = Evidence("E3", "a", ("c1", "c3", "c4", "c5"), (), "model card", "aa" * 32, "page 1", "made from it")


def documented(condition: str, directed: bool = True, **more: Any) -> Envelope:
    mechanism = {"c1": "3.2", "c3": "3.7", "c4": "3.1", "c5": "3.2"}[condition]
    answers = [
        Answer(condition, "met", "The card says so.", ("E3",), direction_documented=directed, **more),
        Answer(mechanism, "met", "The card says so.", ("E3",)),
    ]
    return decided(answers, [CARD])


def test_linked_without_direction_is_a_variant(bench: Path) -> None:
    sealed = w.sealed()
    record = bill(bench, sealed)
    pedigree = subject(record)["pedigree"]
    assert pedigree.keys() == {"variants", "notes"}
    (other,) = pedigree["variants"]
    assert (other["type"], other["name"]) == ("machine-learning-model", "reference")
    assert named(other, "tensor-root") == [w.root("R1").hex()]
    assert "No direction is stated" in pedigree["notes"]
    assert "As the layers show." in pedigree["notes"]
    (reference,) = (c for c in record["components"] if c["bom-ref"] == "artifact:R1")
    assert "pedigree" not in reference
    (link,) = subject(record)["externalReferences"]
    assert (link["type"], link["url"]) == ("evidence", "b.mpkb")
    assert link["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(sealed.to_bytes()).hexdigest()}]


@pytest.mark.parametrize("condition", ["c1", "c3"])
def test_documented_direction_is_an_ancestor(condition: str, bench: Path) -> None:
    pedigree = subject(bill(bench, documented(condition)))["pedigree"]
    assert [c["name"] for c in pedigree["ancestors"]] == ["reference"]
    assert "variants" not in pedigree
    assert "roles of the case put the reference there" in pedigree["notes"]
    pedigree = subject(bill(bench, documented(condition, False)))["pedigree"]
    assert "ancestors" not in pedigree
    assert [c["name"] for c in pedigree["variants"]] == ["reference"]


def test_equality_and_a_common_ancestor_have_no_direction(bench: Path) -> None:
    """Neither of two equal models, or of two models cut from a third, is derived from the other."""
    for sealed in (documented("c4"), documented("c5", basis="common-trained-ancestor")):
        pedigree = subject(bill(bench, sealed))["pedigree"]
        assert pedigree.keys() == {"variants", "notes"}
    hops = (Hop("suspect", "M", "c1"), Hop("M", "reference", "c3"))
    assert "ancestors" in subject(bill(bench, documented("c5", basis="chain", hops=hops)))["pedigree"]


def test_direction_needs_a_document(bench: Path) -> None:
    """A tick beside a comparison is no document: kind (b) leaves the pair without direction."""
    items = [Evidence("E3", "b", ("c3",), (), "a conversion repeated", "aa" * 32, "", "")]
    answers = [
        Answer("c3", "met", "Repeated.", ("E3",), direction_documented=True), Answer("3.7", "met", "Repeated.", ("E3",)),
    ]  # fmt: skip
    assert "ancestors" not in subject(bill(bench, decided(answers, items)))["pedigree"]


@pytest.mark.parametrize("established", [False, True])
def test_independent_pairs_state_no_relation(established: bool, bench: Path) -> None:
    said = Evidence("E3", "a", ("4.1",), (), "paper", "aa" * 32, "page 1", "trained from scratch")
    answers = [Answer("4.1", "met", "Documented.", ("E3",))] if established else []
    pedigree = subject(bill(bench, decided(answers, [said])))["pedigree"]
    assert pedigree.keys() == {"notes"}
    assert ("exclusion established" if established else "not established (default)") in pedigree["notes"]


@pytest.mark.parametrize("gone", ["answers", "evidence"])
def test_a_direction_that_cannot_be_checked_is_not_stated(gone: str, bench: Path) -> None:
    pedigree = subject(bill(bench, w.without_blob(documented("c1"), gone)))["pedigree"]
    assert pedigree.keys() == {"variants", "notes"}
    assert "no direction could be checked" in pedigree["notes"]


def test_no_relation_where_the_verdict_is_withheld_or_not_reliable(bench: Path) -> None:
    hidden = bill(bench, w.without_blob(documented("c1"), "answers", "verdict"))
    assert subject(hidden)["pedigree"].keys() == {"notes"}
    assert "withheld" in subject(hidden)["pedigree"]["notes"]
    stranger = bill(bench, documented("c1"), "--show-untrusted", key="bert")
    assert subject(stranger)["pedigree"].keys() == {"notes"}
    assert named(stranger["metadata"], "warning") == ["UNTRUSTED: what follows is not to be relied on."]
    contradicted = bill(bench, w.sealed(w.contents(answers=[])))
    assert subject(contradicted)["pedigree"].keys() == {"notes"}
    assert named(contradicted["metadata"], "contradiction")


def test_confidence_only_where_the_comparison_is_exact(bench: Path) -> None:
    assert '"confidence"' not in made(bench, w.sealed(), "cyclonedx")
    (bench / "x.cdx.json").unlink()
    changes = {"tensors__R1": w.TENSORS["S1"], "findings": []}
    record = bill(bench, decided([], [], **changes))
    for component in record["components"]:
        (identity,) = component["evidence"]["identity"]
        assert (identity["field"], identity["concludedValue"]) == ("hash", w.root("S1").hex())
        (method,) = identity["methods"]
        assert (method["technique"], method["confidence"]) == ("hash-comparison", 1)
    artifacts = w.contents().sections["artifacts"]
    artifacts[1]["complete"] = False
    partial = bill(bench, decided([], [], artifacts=artifacts, **changes))
    assert not any("evidence" in c for c in partial["components"])
    assert partial["compositions"] == [{"aggregate": "incomplete", "assemblies": ["artifact:R1"]}]


def test_files_are_components_and_one_file_is_the_model(bench: Path) -> None:
    record = bill(bench, w.sealed())
    model = subject(record)
    assert "hashes" not in model
    assert {c["name"]: c["hashes"][0]["content"] for c in model["components"]} == {
        "model.safetensors": w.sha("s").hex(), "config.json": w.sha("{}").hex(),
    }  # fmt: skip
    (reference,) = (c for c in record["components"] if c["bom-ref"] == "artifact:R1")
    assert reference["hashes"] == [{"alg": "SHA-256", "content": w.sha("r").hex()}]


@pytest.mark.parametrize("role", ["adapter", "tokenizer"])
def test_other_artifacts_are_in_the_bill(role: str, bench: Path) -> None:
    made_ = w.contents()
    artifacts = [*made_.sections["artifacts"], {**made_.sections["artifacts"][0], "id": "X1", "role": role}]
    sections = {**made_.sections, "artifacts": artifacts, "checkpoint.X1": made_.sections["checkpoint.R1"],
                "tensors.X1": []}  # fmt: skip
    if "facts.R1" in sections:
        sections["facts.X1"] = sections["facts.R1"]
    record = bill(bench, w.sealed(Contents(made_.case, made_.seq, made_.prev, made_.created, made_.tool, sections)))
    assert record["components"][2]["type"] == ("data" if role == "tokenizer" else "machine-learning-model")


@pytest.mark.parametrize("name", ["b c.mpkb", "ü:#?.mpkb", "https:x.mpkb"])
def test_any_file_name_of_a_bundle_is_a_reference(name: str, bench: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    from mpk_tui.cli import main

    (bench / name).write_bytes(w.sealed().to_bytes())
    out = bench / "n.cdx.json"
    assert main(["report", str(bench / name), "-o", str(out), "--key", str(bench / "anna.pub.pem")]) == 0
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(out.read_text()) is None
    (link,) = subject(json.loads(out.read_text()))["externalReferences"]
    assert not re.search(r"[:#? ]", link["url"])


def test_a_canonical_payload_stays_what_it_is(bench: Path) -> None:
    """The payload of the envelope is the manifest that our own reader takes."""
    record = json.loads(made(bench, w.sealed(), "dsse"))
    manifest = canonical.decode(base64.b64decode(record["payload"]))
    assert isinstance(manifest, dict)
    assert manifest["case"]["id"] == "case-1"
