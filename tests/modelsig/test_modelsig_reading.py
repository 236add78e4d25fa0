"""What a signature file may hold, and what is refused before any key is asked."""

from __future__ import annotations

import base64
import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modelsig.signer import bundle_of, chain_material, new_key, pae, resources_of, shards_of, statement_of

from mpk_tui.errors import LimitError, MalformedError, MpkError, UnsupportedError
from mpk_tui.modelsig import envelope
from mpk_tui.modelsig.envelope import parse_signature_file, read_signature_file
from mpk_tui.modelsig.statement import read_statement

KEY = new_key()
ZERO = "00" * 32


def resource(name: str, digest: str = ZERO, algorithm: str = "sha256", **more: Any) -> dict[str, Any]:
    return {"name": name, "digest": digest, "algorithm": algorithm, **more}


def good() -> dict[str, Any]:
    return bundle_of(statement_of([resource("a"), resource("b/c")]), KEY)


def read(bundle: Any) -> Any:
    data = bundle if isinstance(bundle, bytes) else json.dumps(bundle).encode()
    made = parse_signature_file(data, "model.sig")
    return read_statement(made.payload, made.where)


def shards(*names: str, size: Any = 8, **how: Any) -> dict[str, Any]:
    return statement_of([resource(n) for n in names], method="shards", shard_size=size, **how)


def test_a_right_file_is_read() -> None:
    statement = read(good())
    assert [f.path for f in statement.files] == ["a", "b/c"]
    assert (statement.method, statement.algorithm, statement.shard_size) == ("files", "sha256", 0)


@pytest.mark.parametrize("keyid", ["", None, "whatever"])
def test_a_key_id_may_be_anything(keyid: str | None) -> None:
    bundle = good()
    bundle["dsseEnvelope"]["signatures"][0]["keyid"] = keyid
    read(bundle)
    del bundle["dsseEnvelope"]["signatures"][0]["keyid"]
    read(bundle)


def test_the_encoding_counts_bytes() -> None:
    assert envelope.pae("é".encode()) == pae("é".encode()) == b"DSSEv1 28 application/vnd.in-toto+json 2 \xc3\xa9"


def edited(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    bundle = copy.deepcopy(good())
    change(bundle)
    return bundle


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(bundle: dict[str, Any]) -> None:
        at: Any = bundle
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value

    return change


SIGNATURE = good()["dsseEnvelope"]["signatures"][0]
MATERIAL = "verificationMaterial"

ENVELOPES: list[tuple[str, Any, type[MpkError], str]] = [
    ("empty", b"", MalformedError, "not JSON"),
    ("not utf-8", b"\xff{}", MalformedError, "UTF-8"),
    ("a list", b"[]", MalformedError, "an object was expected"),
    ("duplicate key", b'{"mediaType": "a", "mediaType": "b"}', MalformedError, "occurs twice"),
    ("unknown top-level field", edited(put("extra", value=1)), MalformedError, "unknown field 'extra'"),
    ("unknown envelope field", edited(put("dsseEnvelope", "x", value=1)), MalformedError, "unknown field 'x'"),
    (
        "unknown signature field",
        edited(put("dsseEnvelope", "signatures", 0, "cert", value="")),
        MalformedError,
        "'cert'",
    ),
    ("unknown material field", edited(put(MATERIAL, "x", value=1)), MalformedError, "unknown field 'x'"),
    ("no envelope", edited(lambda b: b.pop("dsseEnvelope")), MalformedError, "no dsseEnvelope"),
    (
        "second signature",
        edited(put("dsseEnvelope", "signatures", value=[SIGNATURE, SIGNATURE])),
        MalformedError,
        "2 signatures",
    ),
    ("no signature", edited(put("dsseEnvelope", "signatures", value=[])), MalformedError, "0 signatures"),
    ("payloadType", edited(put("dsseEnvelope", "payloadType", value="text/plain")), UnsupportedError, "text/plain"),
    (
        "another bundle version",
        edited(put("mediaType", value="application/vnd.dev.sigstore.bundle.v0.2+json")),
        UnsupportedError,
        "another version",
    ),
    ("another media type", edited(put("mediaType", value="x")), MalformedError, "media type"),
    ("payload not base64", edited(put("dsseEnvelope", "payload", value="é")), MalformedError, "not base64"),
    ("payload url-safe base64", edited(put("dsseEnvelope", "payload", value="__8=")), MalformedError, "not base64"),
    ("payload with stray bits", edited(put("dsseEnvelope", "payload", value="aB==")), MalformedError, "stray bits"),
    ("payload is a number", edited(put("dsseEnvelope", "payload", value=3)), MalformedError, "a string was expected"),
    (
        "signature of 2 kB",
        edited(put("dsseEnvelope", "signatures", 0, "sig", value="A" * 2048)),
        MalformedError,
        "characters",
    ),
    ("no material", edited(put(MATERIAL, value={})), MalformedError, "exactly one of"),
    (
        "two kinds of material",
        edited(put(MATERIAL, "certificate", value={"rawBytes": "AA=="})),
        MalformedError,
        "exactly one of",
    ),
    ("empty chain", edited(put(MATERIAL, value=chain_material([]))), MalformedError, "no certificate"),
    (
        "integratedTime",
        edited(put(MATERIAL, "tlogEntries", value=[{"integratedTime": "9" * 5000}])),
        MalformedError,
        "integratedTime",
    ),
    ("hint is a list", edited(put(MATERIAL, "publicKey", value={"hint": []})), MalformedError, "hint"),
]


@pytest.mark.parametrize(("bundle", "error", "words"), [e[1:] for e in ENVELOPES], ids=[e[0] for e in ENVELOPES])
def test_envelopes_that_are_refused(bundle: Any, error: type[MpkError], words: str) -> None:
    with pytest.raises(error, match=words) as refused:
        read(bundle)
    assert "model.sig" in str(refused.value)


def without(statement: dict[str, Any], *path: str) -> dict[str, Any]:
    at = statement
    for step in path[:-1]:
        at = at[step]
    del at[path[-1]]
    return statement


def root(statement: dict[str, Any], digest: str) -> dict[str, Any]:
    statement["subject"][0]["digest"]["sha256"] = digest
    return statement


TWICE = statement_of([resource("a")])
TWICE_TEXT = json.dumps(TWICE).replace('"_type"', '"predicateType": "x", "_type"').encode()
STATEMENTS: list[tuple[str, Any, type[MpkError], str]] = [
    ("duplicate key", TWICE_TEXT, MalformedError, "occurs twice"),
    ("not JSON", b"{", MalformedError, "not JSON"),
    ("another statement", {**statement_of([resource("a")]), "_type": "x"}, UnsupportedError, "statement of type"),
    ("another predicate", {**statement_of([resource("a")]), "predicateType": "https://slsa.dev/provenance/v1"}, UnsupportedError, "not a model signature"),
    ("release 0.2", {**statement_of([resource("a")]), "predicateType": "https://model_signing/Digests/v0.1"}, UnsupportedError, "release 0.2"),
    ("duplicate resource", statement_of([resource("a"), resource("a", "11" * 32)]), MalformedError, "'a' occurs twice"),
    ("absolute", statement_of([resource("/etc/passwd")]), MalformedError, "absolute"),
    ("absolute with a drive", statement_of([resource("C:\\x")]), MalformedError, "absolute"),
    ("climbing", statement_of([resource("a/../../x")]), MalformedError, "climbs"),
    ("climbing with backslashes", statement_of([resource("a/..\\x")]), MalformedError, "climbs"),
    ("only ..", statement_of([resource("..")]), MalformedError, "climbs"),
    ("dot component", statement_of([resource("a/./b")]), MalformedError, "plain relative"),
    ("double slash", statement_of([resource("a//b")]), MalformedError, "plain relative"),
    ("trailing slash", statement_of([resource("a/")]), MalformedError, "plain relative"),
    ("NUL", statement_of([resource("a\0b")]), MalformedError, "plain relative"),
    ("empty name", statement_of([resource("")]), MalformedError, "1 to"),
    ("half a surrogate pair", statement_of([resource("\udc80")]), MalformedError, "surrogate"),
    ("whole file beside others", statement_of([resource("."), resource("a")]), MalformedError, "beside others"),
    ("nothing covered", statement_of([]), MalformedError, "covers nothing"),
    ("wrong root", root(statement_of([resource("a")]), ZERO), MalformedError, "root digest"),
    ("two subjects", {**statement_of([resource("a")]), "subject": [{}, {}]}, MalformedError, "2 subjects"),
    ("no subject", without(statement_of([resource("a")]), "subject"), MalformedError, "subject"),
    ("unknown hash", statement_of([resource("a", algorithm="md5")], hash_type="md5"), UnsupportedError, "md5"),
    ("hash that disagrees", statement_of([resource("a", algorithm="blake2b")]), MalformedError, "hash_type is sha256"),
    ("short digest", statement_of([resource("a", "00")]), MalformedError, "64 lowercase"),
    ("upper-case digest", statement_of([resource("a", "AA" * 32)]), MalformedError, "64 lowercase"),
    ("no resources", without(statement_of([resource("a")]), "predicate", "resources"), MalformedError, "resources"),
    ("unknown method", statement_of([resource("a")], method="file-shard-8"), UnsupportedError, "file-shard-8"),
    ("links neither true nor false", statement_of([resource("a")], allow_symlinks="false"), MalformedError, "true or false"),
    ("ignore_paths of numbers", statement_of([resource("a")], ignore_paths=[1]), MalformedError, "a string was expected"),
    ("shard without range", shards("a"), MalformedError, "path:start:end"),
    ("shard with one number", shards("a:8"), MalformedError, "path:start:end"),
    ("shard with a sign", shards("a:0:+8"), MalformedError, "path:start:end"),
    ("shard with a leading zero", shards("a:00:8"), MalformedError, "path:start:end"),
    ("shard of digits of another script", shards("a:0:٨"), MalformedError, "path:start:end"),
    ("shard without path", shards(":0:8"), MalformedError, "a string was expected"),
    ("shard without bytes", shards("a:0:0"), MalformedError, "no bytes"),
    ("shard backwards", shards("a:8:0"), MalformedError, "no bytes"),
    ("shard that climbs", shards("../a:0:8"), MalformedError, "climbs"),
    ("shard too long", shards("a:0:9"), MalformedError, "follow one another"),
    ("first shard missing", shards("a:8:16"), MalformedError, "follow one another"),
    ("gap", shards("a:0:8", "a:16:20"), MalformedError, "follow one another"),
    ("overlap", shards("a:0:8", "a:4:12"), MalformedError, "follow one another"),
    ("short shard inside", shards("a:0:4", "a:4:12"), MalformedError, "follow one another"),
    ("shard size 0", shards("a:0:8", size=0), MalformedError, "shard_size"),
    ("shard size half", shards("a:0:8", size=8.5), MalformedError, "shard_size"),
    ("shard size true", shards("a:0:1", size=True), MalformedError, "shard_size"),
    ("shard size infinite", json.dumps(shards("a:0:8", size=123)).replace("123", "1e999").encode(), MalformedError, "shard_size"),
    ("no shard size", shards("a:0:8", size=None), MalformedError, "shard_size"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "error", "words"), [s[1:] for s in STATEMENTS], ids=[s[0] for s in STATEMENTS])
def test_statements_that_are_refused_although_well_signed(statement: Any, error: type[MpkError], words: str) -> None:
    with pytest.raises(error, match=words) as refused:
        read(bundle_of(statement, KEY))
    assert "statement" in str(refused.value)


def test_shards_are_taken_apart_at_the_last_two_colons() -> None:
    statement = read(bundle_of(shards("a:b:8:11", "a:b:0:8", size=8.0), KEY))
    (only,) = statement.files
    assert (only.path, only.size, [(s.start, s.end) for s in only.shards]) == ("a:b", 11, [(0, 8), (8, 11)])


def test_unknown_signed_fields_are_told(tmp_path: Path) -> None:
    statement = statement_of([resource("a", size=3)], colour="red")
    statement["predicate"]["annotations"] = {}
    found = read(bundle_of(statement, KEY))
    assert found.notices == (
        "signed fields that this reader does not know: predicate.annotations, serialization.colour",
    )


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    big = tmp_path / "model.sig"
    with big.open("wb") as f:
        f.truncate(envelope.MOST_BYTES + 1)
    with pytest.raises(LimitError):
        read_signature_file(big)


def test_mutations_end_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    sources = [
        json.dumps(bundle_of(statement_of(resources_of(tmp_path, ["a"])), KEY)).encode(),
        json.dumps(bundle_of(statement_of(shards_of(tmp_path, ["a"], 4), method="shards", shard_size=4), KEY)).encode(),
    ]
    payloads = [base64.b64decode(json.loads(s)["dsseEnvelope"]["payload"]) for s in sources]
    chance = random.Random(5)

    def mutated(data: bytes) -> bytes:
        out = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(out))
            kind = chance.randrange(3)
            if kind == 0:
                out[at] = chance.choice(b'{}[]",:0123456789abcef\\/.-ue\x00\xff')
            elif kind == 1:
                del out[at : at + chance.randint(1, 20)]
            else:
                out[at:at] = out[at : at + chance.randint(1, 20)]
        return bytes(out)

    refused = 0
    for _ in range(3000):
        try:
            read(mutated(chance.choice(sources)))
        except MpkError:
            refused += 1
        try:
            read_statement(mutated(chance.choice(payloads)), "x")
        except MpkError:
            refused += 1
    assert refused > 4000
