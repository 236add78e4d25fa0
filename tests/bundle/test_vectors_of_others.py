"""Signatures and msgpack against the vectors of other projects (docs/CONTRIBUTING.md says where to get them).

Every count is asserted, so that a file of another version, or a verifier that became more or less strict, is seen.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mpk_tui import canonical
from mpk_tui.bundle import ed25519, mldsa
from mpk_tui.errors import MalformedError


def load(vectors: Path, name: str) -> Any:
    return json.loads((vectors / name).read_text(encoding="utf-8"))


# -- Ed25519 -----------------------------------------------------------------------------------------------------------


def test_wycheproof_ed25519(vectors: Path) -> None:
    """C2SP/wycheproof, ed25519_test.json: all 151 as the file says."""
    answers: Counter[tuple[str, bool]] = Counter()
    for group in load(vectors, "wycheproof/ed25519_test.json")["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            good = ed25519.verifies(key, bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
            assert good == (test["result"] == "valid"), test["tcId"]
            answers[test["result"], good] += 1
    assert answers == {("valid", True): 88, ("invalid", False): 63}


# What makes a vector of C2SP/CCTV one that no strict verifier takes.
REFUSED = {"low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue", "reencoded_k"}


def test_cctv_ed25519(vectors: Path) -> None:
    """C2SP/CCTV, ed25519vectors.json: 43 of 914 are accepted, and of their keys one could be trusted.

    The other 42 have a key with a component of low order (a multiple of the base point plus a point of order 2, 4 or
    8) that happens to cancel out: the equation of RFC 8032 without cofactor holds for them.  Such a key is refused where
    keys enter a trust store, by `ed25519.of_prime_order`.
    """
    rows = load(vectors, "cctv/ed25519vectors.json")
    flags_seen: Counter[str] = Counter()
    accepted: Counter[tuple[frozenset[str], bool]] = Counter()
    for row in rows:
        key, signature = bytes.fromhex(row["key"]), bytes.fromhex(row["sig"])
        flags = frozenset(row["flags"] or ())
        flags_seen.update(flags)
        if ed25519.verifies(key, signature, row["msg"].encode()):
            assert not flags & REFUSED, row["number"]
            accepted[flags, ed25519.of_prime_order(key)] += 1
        else:
            assert flags & REFUSED, row["number"]
    assert len(rows) == 914
    assert flags_seen == {
        "low_order_A": 526, "low_order_R": 586, "low_order_component_A": 774, "low_order_component_R": 665,
        "low_order_residue": 583, "non_canonical_A": 226, "non_canonical_R": 316, "reencoded_k": 146,
    }  # fmt: skip
    assert accepted == {
        (frozenset(), True): 1,
        (frozenset({"low_order_component_A"}), False): 7,
        (frozenset({"low_order_component_A", "low_order_component_R"}), False): 35,
    }


def test_speccheck_ed25519(vectors: Path) -> None:
    """novifinancial/ed25519-speccheck, cases.json: of its 12 cases number 3 alone is accepted, and its key is no key.

    Case 3 has A and R with components of low order that cancel out in the equation without cofactor; 4 and 5 hold with
    a cofactor only.  The others are refused for what they are made of, as the lists below say.
    """
    rows = load(vectors, "speccheck/cases.json")
    keys = [bytes.fromhex(row["pub_key"]) for row in rows]
    signatures = [bytes.fromhex(row["signature"]) for row in rows]
    assert len(rows) == 12
    assert [
        n for n, row in enumerate(rows) if ed25519.verifies(keys[n], signatures[n], bytes.fromhex(row["message"]))
    ] == [3]
    assert [n for n in range(12) if not ed25519.sound_encoding(keys[n])] == [0, 1, 10, 11]
    assert [n for n in range(12) if not ed25519.sound_encoding(signatures[n][:32])] == [0, 2, 8, 9]
    # Of these, 8 to 11 are zero with a sign for x, which RFC 8032 does not decode at all.
    assert [n for n in range(12) if ed25519.decompress(keys[n]) is None] == [10, 11]
    assert [n for n in range(12) if ed25519.decompress(signatures[n][:32]) is None] == [8, 9]
    assert [n for n in range(12) if int.from_bytes(signatures[n][32:], "little") >= ed25519.L] == [6, 7]
    assert [n for n, key in enumerate(keys) if ed25519.of_prime_order(key)] == [6, 7]


# -- ML-DSA ------------------------------------------------------------------------------------------------------------


def test_wycheproof_ml_dsa_65(vectors: Path) -> None:
    """C2SP/wycheproof, mldsa_65_verify_test.json: all 210 as the file says, but for two contexts.

    A bundle's signatures have the empty context (docs/format.md), and ours takes no other.  Two vectors are valid in a
    context of 7 and of 255 bytes: without it they are signatures of another message, so refusing them is right.
    """
    answers: Counter[tuple[str, bool, bool]] = Counter()
    for group in load(vectors, "wycheproof/mldsa_65_verify_test.json")["testGroups"]:
        key = bytes.fromhex(group["publicKey"])
        for test in group["tests"]:
            in_context = bool(test.get("ctx"))
            good = mldsa.verifies(key, bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
            assert good == (test["result"] == "valid" and not in_context), test["tcId"]
            answers[test["result"], in_context, good] += 1
    assert answers == {
        ("valid", False, True): 77, ("valid", True, False): 2, ("invalid", False, False): 126, ("invalid", True, False): 5,
    }  # fmt: skip


@pytest.mark.parametrize(("other", "count"), [("44", 180), ("87", 241)])
def test_other_parameter_sets_of_ml_dsa_are_refused(vectors: Path, other: str, count: int) -> None:
    """Keys and signatures of ML-DSA-44 and ML-DSA-87 are false answers here, never another exception."""
    tests = [
        (group["publicKey"], test)
        for group in load(vectors, f"wycheproof/mldsa_{other}_verify_test.json")["testGroups"] for test in group["tests"]
    ]  # fmt: skip
    assert len(tests) == count
    for key, test in tests:
        assert not mldsa.verifies(bytes.fromhex(key), bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))


# -- msgpack -----------------------------------------------------------------------------------------------------------

FLOAT32, FLOAT64 = 0xCA, 0xCB


def unhex(dashed: str) -> bytes:
    return bytes.fromhex(dashed.replace("-", ""))


def typed(row: dict[str, Any]) -> tuple[str, Any]:
    """Type and value of a row of the suite; a bignum that is also given as a number is an integer."""
    kind = next(k for k in ("bignum", *row) if k in row and k != "msgpack")
    value = row[kind]
    if kind == "bignum":
        return "integer", int(value)
    if kind == "number":
        return ("float", value) if isinstance(value, float) else ("integer", value)
    return kind, unhex(value) if kind == "binary" else value


def accepted(data: bytes) -> bool:
    """Whether the scanner passes it; if so, decoding and encoding again must give the same bytes."""
    try:
        canonical.scan(data)
    except MalformedError:
        with pytest.raises(MalformedError):
            canonical.decode(data)
        return False
    assert canonical.encode(canonical.decode(data)) == data
    return True


def test_msgpack_has_one_encoding_of_every_value(vectors: Path) -> None:
    """kawanet/msgpack-test-suite: of all encodings listed for a value one is canonical, the one that we write.

    The suite lists an integer's encodings as a 64-bit float beside those as an integer.  The profile keeps the two types
    apart: 1.0 is a value of its own with one encoding, and a field that holds integers refuses it.  Eleven of these are
    listed and pass as floats.  Integers from 2**63 on, timestamps and extensions have no encoding.
    """
    values: Counter[str] = Counter()
    encodings: Counter[str] = Counter()
    suite = load(vectors, "msgpack/msgpack-test-suite.json")
    for row in (row for rows in suite.values() for row in rows):
        kind, value = typed(row)
        listed = [unhex(text) for text in row["msgpack"]]
        passed = [data for data in listed if accepted(data)]
        outside = kind in ("timestamp", "ext") or (kind == "integer" and value >= 1 << 63)
        values["integer from 2**63" if outside and kind == "integer" else kind] += 1
        of_floats = [data for data in passed if kind == "integer" and data[0] == FLOAT64]
        for data in of_floats:
            assert canonical.decode(data) == value
            assert canonical.encode(float(value)) == data
        one = [data for data in passed if data not in of_floats]
        if outside:
            assert passed == [], row
        else:
            assert one == [canonical.encode(value)], row
            back = canonical.decode(one[0])
            assert back == value
            assert type(back) is type(value)
        encodings["canonical"] += len(one)
        encodings["canonical as a float"] += len(of_floats)
        refused = [data for data in listed if data not in passed]
        encodings["32-bit float"] += sum(data[0] == FLOAT32 for data in refused)
        encodings["longer, or no type of the profile"] += sum(data[0] != FLOAT32 for data in refused)
    assert values == {
        "nil": 1, "bool": 2, "binary": 3, "integer": 26, "float": 2, "string": 11, "array": 7, "map": 5,
        "integer from 2**63": 2, "timestamp": 19, "ext": 7,
    }  # fmt: skip
    assert encodings == {
        "canonical": 57, "canonical as a float": 11, "32-bit float": 10, "longer, or no type of the profile": 155,
    }  # fmt: skip
