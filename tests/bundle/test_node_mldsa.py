"""The second implementation of ML-DSA-65 verification, in JavaScript, against the library that Python uses."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

VERIFIER = Path(__file__).parents[1] / "node" / "mldsa.mjs"

# Sizes of ML-DSA-65 (FIPS 204, tables 1 and 2): the commitment hash, z (five rows of 640 bytes), then the hint: 55
# places and the six counts at which its rows end.
C_BYTES, ROW_BYTES, OMEGA, K, L = 48, 640, 55, 6, 5
HINT = C_BYTES + L * ROW_BYTES
BOUND = 2**19 - 49 * 4  # gamma1 - beta: coefficients of z must be smaller

Case = tuple[bytes, bytes, bytes]  # public key, message, signature


def run(cases: list[Case] | list[tuple[bytes, ...]], folder: Path, *options: str) -> list[str]:
    """One line of the JavaScript program for each case."""
    node = shutil.which("node")
    if node is None:
        pytest.fail("Node is not installed: the second verifier cannot be run (any version from 20 on will do)")
    file = folder / "cases.json"
    file.write_text(json.dumps([[part.hex() for part in case] for case in cases]))
    done = subprocess.run(
        [node, str(VERIFIER), *options, str(file)], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.split()
    assert len(lines) == len(cases)
    return lines


def library(case: Case) -> bool:
    public, message, signature = case
    try:
        MLDSA65PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def private(seed: int) -> MLDSA65PrivateKey:
    return MLDSA65PrivateKey.from_seed_bytes(seed.to_bytes(32, "big"))


def agree(cases: list[Case], folder: Path) -> list[bool]:
    """Both answers, which must be the same for every case."""
    theirs = [line == "true" for line in run(cases, folder)]
    ours = [library(case) for case in cases]
    assert [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b] == []
    return ours


def flipped(data: bytes, g: random.Random, start: int = 0, stop: int | None = None) -> bytes:
    """One bit of a part turned."""
    at = g.randrange(start, len(data) if stop is None else stop)
    return data[:at] + bytes([data[at] ^ 1 << g.randrange(8)]) + data[at + 1 :]


def other_hints(signature: bytes) -> list[bytes]:
    """The same hint written in ways that FIPS 204, algorithm 21, refuses; a lenient reader would find the same ones."""
    head, places, ends = signature[:HINT], signature[HINT : HINT + OMEGA], signature[HINT + OMEGA :]
    out = []
    if ends[0] >= 2:  # two places of the first row exchanged
        out.append(head + bytes([places[1], places[0]]) + places[2:] + ends)
    if ends[-1] < OMEGA:
        for at in range(ends[-1], OMEGA):  # something behind the last place
            out.append(head + places[:at] + b"\x01" + places[at + 1 :] + ends)
    if ends[-2] < ends[-1] < OMEGA:  # the last place of the last row twice
        doubled = places[: ends[-1]] + places[ends[-1] - 1 : ends[-1]] + places[ends[-1] + 1 :]
        out.append(head + doubled + ends[:-1] + bytes([ends[-1] + 1]))
    out.append(head + places + bytes([*ends[:-1], OMEGA + 1]))  # more places than there are
    out.append(head + places + bytes([*ends[:-1], 255]))
    if ends[0] < ends[1]:  # a row that ends before it begins
        out.append(head + places + bytes([ends[1], ends[0], *ends[2:]]))
    return out


def test_real_signatures_verify_and_mutated_ones_get_the_same_answer(tmp_path: Path) -> None:
    g = random.Random(20240813)
    good: list[Case] = []
    bad: list[Case] = []
    for n in range(40):
        key = private(n)
        public = key.public_key().public_bytes_raw()
        message = g.randbytes((0, 1, 135, 136, 137, 5000)[n % 6])
        signature = key.sign(message)
        good.append((public, message, signature))
        bad += [(public, message, flipped(signature, g, 0, C_BYTES)) for _ in range(8)]
        bad += [(public, message, flipped(signature, g, C_BYTES, HINT)) for _ in range(16)]
        bad += [(public, message, flipped(signature, g, HINT)) for _ in range(16)]
        bad += [(flipped(public, g), message, signature) for _ in range(8)]
        bad += [(public, message, other) for other in other_hints(signature)]
        bad += [
            (public, message + b"\x00", signature), (public, message, signature[:-1]),
            (public, message, signature + b"\x00"), (public, message, b""), (public[:-1], message, signature),
            (public + b"\x00", message, signature), (b"", message, signature), (public, message, bytes(len(signature))),
            (public, message, b"\xff" * len(signature)), (bytes(len(public)), message, signature),
            (private(n + 1000).public_key().public_bytes_raw(), message, signature),
        ]  # fmt: skip
        if message:
            bad.append((public, flipped(message, g), signature))
    assert len(bad) > 2500
    answers = agree(good + bad, tmp_path)
    assert all(answers[: len(good)])
    assert not any(answers[len(good) :])


def test_a_signature_of_another_context_does_not_verify_without_it(tmp_path: Path) -> None:
    key = private(7)
    public = key.public_key().public_bytes_raw()
    rows: list[tuple[bytes, ...]] = []
    expected = []
    for context in (b"", b"x", bytes(255)):
        signature = key.sign(b"m", context)
        rows += [(public, b"m", signature), (public, b"m", signature, context), (public, b"m", signature, b"y")]
        expected += [context == b"", True, False]
    # A context of 256 bytes whose length, cut to a byte, would make the message that was signed.
    rows.append((public, b"m", key.sign(bytes(256) + b"m"), bytes(256)))
    expected.append(False)
    assert [line == "true" for line in run(rows, tmp_path)] == expected


def packed(rows: list[list[int]]) -> bytes:
    """z as a signature carries it: 20 bits of gamma1 - coefficient each, little-endian (FIPS 204, algorithm 17)."""
    out = b""
    for row in rows:
        bits = sum((2**19 - value) << (20 * i) for i, value in enumerate(row))
        out += bits.to_bytes(ROW_BYTES, "little")
    return out


def hint(rows: list[list[int]]) -> bytes:
    """A hint from the places of its ones in each row (FIPS 204, algorithm 20)."""
    places = [place for row in rows for place in row]
    ends = [sum(len(row) for row in rows[: i + 1]) for i in range(K)]
    return bytes(places).ljust(OMEGA, b"\x00") + bytes(ends)


def random_hint(g: random.Random, ones: int) -> list[list[int]]:
    chosen = g.sample(range(K * 256), ones)
    return [sorted(c % 256 for c in chosen if c // 256 == row) for row in range(K)]


def test_bounds_of_norm_and_hint_where_everything_else_fits(tmp_path: Path) -> None:
    """With t1 = 0 nobody needs a secret: any z and hint has a commitment hash that makes the equation hold.

    So the library accepts exactly what keeps the bounds, and its answers show that our equation is its equation for
    arbitrary z and hints, and that both draw the bounds in the same place.
    """
    g = random.Random(204)
    drafts: list[tuple[bytes, bytes, bytes, bool]] = []
    for n in range(60):
        public = g.randbytes(32) + bytes(1920)
        rows = [[g.randint(1 - BOUND, BOUND - 1) for _ in range(256)] for _ in range(L)]
        ones = random_hint(g, (0, 1, 54, 55)[n % 4])
        drafts.append((public, packed(rows), hint(ones), True))
        for edge in (BOUND - 1, 1 - BOUND, BOUND, -BOUND, BOUND + 1, -BOUND - 1, 2**19, 1 - 2**19):
            row, place = g.randrange(L), g.choice([0, 1, 254, 255, g.randrange(256)])
            changed = [list(r) for r in rows]
            changed[row][place] = edge
            drafts.append((public, packed(changed), hint(ones), abs(edge) < BOUND))
    # A norm is broken at any place that breaks it.
    public = g.randbytes(32) + bytes(1920)
    for row in range(L):
        for place in range(row, 256, L):
            zero = [[0] * 256 for _ in range(L)]
            zero[row][place] = BOUND if place % 2 else -BOUND
            drafts.append((public, packed(zero), hint([[]] * K), False))
    # z = 0 makes w = 0, the one place where "low bits > 0" and ">= 0" differ at a hint.
    drafts.append((public, packed([[0] * 256] * L), hint(random_hint(g, OMEGA)), True))
    seeds = [(public, b"m", bytes(C_BYTES) + z + h) for public, z, h, _ in drafts]
    hashes = run(seeds, tmp_path, "--commitment")
    cases = [(p, b"m", bytes.fromhex(c) + z + h) for (p, z, h, _), c in zip(drafts, hashes, strict=True)]
    answers = agree(cases, tmp_path)
    assert answers == [fits for *_, fits in drafts]
    assert sum(answers) == 60 * 3 + 1
    # The same with hints that are written in another way: refused before anything is computed.
    others = [(p, m, other) for p, m, s in cases[:120] for other in other_hints(s)]
    assert set(run(others, tmp_path, "--commitment")) == {"null"}
    assert not any(agree(others, tmp_path))
    # Counts that run backwards, and one place more than there are, where the places themselves are in order.
    z = packed([[0] * 256] * L)
    backwards = bytes([3, 9]).ljust(OMEGA, b"\x00") + bytes([2, 1, 2, 2, 2, 2])
    beyond = bytes(range(OMEGA)) + bytes([OMEGA] * (K - 1) + [OMEGA + 1])
    within = bytes(range(OMEGA)) + bytes([OMEGA] * K)
    lines = run([(public, b"m", bytes(C_BYTES) + z + h) for h in (backwards, beyond, within)], tmp_path, "--commitment")
    assert lines[:2] == ["null", "null"]
    assert lines[2] != "null"
    # Nor has a key or a signature of another length a commitment hash.
    p, m, s = cases[0]
    lengths = [(p + b"\x00", m, s), (p[:-1], m, s), (p, m, s + b"\x00"), (p, m, s[:-1]), (b"", m, s), (p, m, b"")]
    assert run(lengths, tmp_path, "--commitment") == ["null"] * len(lengths)


def test_wycheproof(vectors: Path, tmp_path: Path) -> None:
    """C2SP/wycheproof, mldsa_65_verify_test.json: every answer as the file says, contexts included."""
    data = json.loads((vectors / "wycheproof" / "mldsa_65_verify_test.json").read_text())
    rows: list[tuple[bytes, ...]] = []
    expected = []
    for group in data["testGroups"]:
        for test in group["tests"]:
            parts = (group["publicKey"], test["msg"], test["sig"], test.get("ctx", ""))
            rows.append(tuple(bytes.fromhex(part) for part in parts))
            expected.append(test["result"] == "valid")
    assert (len(rows), sum(expected)) == (210, 79)
    assert [line == "true" for line in run(rows, tmp_path)] == expected
