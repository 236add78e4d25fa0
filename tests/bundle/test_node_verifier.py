"""Two verifiers, one page: the one in JavaScript (``tests/node``) must give the answers that ours gives.

`SETTLED` holds where they once differed, and the answer that the page gives.  Checkpoints: test_node_checkpoints.py.
"""

from __future__ import annotations

import contextlib
import copy
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stores
import workshop as w
from second_verifier import EVA, FAR, FRED, STORE, ask, compare_runs, differences, lines
from test_endorse import DATA
from test_mutations import mutate, variants
from test_redact import RECORDS
from workshop import ANNA, BERT, CARLA, CREATED, NOW, STRANGER, Key, Pair

from mpk_tui import canonical, hashtree
from mpk_tui.bundle import build, dsse
from mpk_tui.bundle.commitments import blob_digest
from mpk_tui.bundle.envelope import Envelope, SealedEndorsement, Signature
from mpk_tui.bundle.later import proofs
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.trust import Policy, Revocation
from mpk_tui.constitution.verdict import decide
from mpk_tui.errors import LimitError, MpkError

BUNDLES = Path(__file__).parents[2] / "bundles"


# -- known differences -------------------------------------------------------------------------------------------------


def with_data(section: str, data: bytes) -> Envelope:
    """The plain bundle with the data of a blob exchanged, canonical or not, and correctly signed."""

    def change(manifest: dict[str, Any]) -> None:
        entry = next(s for s in manifest["sections"] if s["id"] == section)
        entry.update(size=len(data), digest=blob_digest(section, w.blob(PLAIN, section).salt, data))

    return w.with_manifest(w.with_blob(PLAIN, section, data=data), change)


def nested(inside: bytes) -> Envelope:
    """Facts whose configuration has twelve open containers with something inside."""
    config = b"\xa6config\x81\xa1a" + b"\x91" * 10 + inside
    return with_data("facts.R1", b"\x84" + config + b"\xa8metadata\x90\xa9tokenizer\x80\xa4tool\xa0")


def linked(**fields: Any) -> Envelope:
    section = canonical.decode(w.blob(PLAIN, "checkpoint.S1").data)
    section["files"][1].update(kind="symlink", **fields)
    return w.with_section(PLAIN, "checkpoint.S1", section)


def hidden(base: Envelope, section: str, *numbers: int) -> Envelope:
    """Some entries of a chain replaced by their hashes."""
    rows = w.items(base, section)
    for n in numbers:
        rows[n] = [hashtree.sha256(canonical.encode(rows[n]))]
    return w.with_items(base, section, rows)


def withheld_in_part() -> Envelope:
    data = {"ids": ["log"], "items": [], "reason": "r", "authority": "a"}
    return w.endorsed(hidden(PLAIN, "log", 1), BERT, "redaction", data=data)


PLAIN = w.sealed()
# What is odd -> the file, our answer, the answer that the page asks for, and where it does.
SETTLED: dict[str, tuple[Callable[[], Envelope], str, str]] = {
    "an empty array inside of twelve": (lambda: nested(b"\x90"), "VALID", "1: an empty container opens nothing"),
    "too deep and too long at once": (
        lambda: nested(b"\xdd\x00\x0f\xff\xff"), "LIMIT", "1: the cap is asked first",
    ),
    "link_b that is UTF-8": (lambda: linked(link_b=b"abc"), "MALFORMED", "5, checkpoint: likewise"),
    "link_b beside a link": (lambda: linked(link="x", link_b=b"\xff"), "MALFORMED", "5: beside a nil link"),
    "a section recorded as left out that is here in part": (withheld_in_part, "ALTERED", "8.2"),
}  # fmt: skip


@pytest.mark.parametrize("name", SETTLED)
def test_what_once_differed_has_one_answer(name: str, tmp_path: Path) -> None:
    make, word, _ = SETTLED[name]
    data = make().to_bytes()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x").write_bytes(data)
    (tmp_path / "trust.mpkt").write_bytes(STORE)
    said = lines(ask("--batch", tmp_path / "files", "--trust", tmp_path / "trust.mpkt", "--now", str(NOW)))
    assert (w.check(data, stores.read(STORE).store()).verdict.value, said[0]["verdict"]) == (word, word)


def test_a_proof_whose_manifest_breaks_the_table_has_one_answer(tmp_path: Path) -> None:
    """A correctly signed proof whose manifest lists a section that schema 1 does not know."""
    body = w.check(PLAIN).manifest
    assert body is not None
    parts = canonical.decode(proofs.prove(PLAIN, body, "S1", "b.weight").to_bytes())

    def change(manifest: dict[str, Any]) -> None:
        manifest["sections"].append({**manifest["sections"][0], "id": "zz", "type": "zz/1"})

    other = w.with_manifest(PLAIN, change)
    parts[2:4] = [other.payload, [[s.keyid, s.sig] for s in other.signatures]]
    data = canonical.encode(parts)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x").write_bytes(data)
    (tmp_path / "trust.mpkt").write_bytes(STORE)
    said = lines(ask("--batch", tmp_path / "files", "--trust", tmp_path / "trust.mpkt", "--now", str(NOW)))
    ours = proofs.check(data, stores.read(STORE).store(), NOW).verdict.value
    assert (ours, said[0]["verdict"]) == ("MALFORMED", "MALFORMED")


# -- the suite ---------------------------------------------------------------------------------------------------------


def test_every_frozen_case_gets_the_required_answer() -> None:
    """Ours are held to the same file by test_suite.py."""
    done = ask("--suite", BUNDLES)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r for r in rows if f"{r['verdict']} {r['exit_code']}" != r["expected"]] == []
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(rows) == len(list(BUNDLES.rglob("expect.json"))) > 250
    assert {r["verdict"] for r in rows} == {word.value for word in Word}


# -- mutations of bytes ------------------------------------------------------------------------------------------------


def sealed_twice(*pairs: Pair) -> Envelope:
    """A bundle of suite s2."""
    made = build.build(w.contents(), [p.signer(f"Signer {n}") for n, p in enumerate(pairs)], suite="s2", salt=w.salts())
    message = dsse.pae(dsse.BUNDLE_TYPE, made.payload)
    rows = [Signature(k.keyid, s) for p in pairs for k, s in zip(p.keys, p.sign(message), strict=True)]
    return replace(made, signatures=tuple(sorted(rows, key=lambda s: s.keyid)))


def redacted() -> Envelope:
    data = {"ids": ["notes", "answers"], "items": [["log", 1]], "reason": "r", "authority": "a"}
    return w.endorsed(w.without_blob(hidden(PLAIN, "log", 1), "notes", "answers"), BERT, "redaction", data=data)


BASES: dict[str, tuple[Callable[[], Envelope], str]] = {
    "plain": (lambda: PLAIN, "VALID"),
    "endorsed": (lambda: w.endorsed(PLAIN, BERT), "VALID"),
    "s2": (lambda: sealed_twice(EVA, FRED), "VALID"),
    "redacted": (redacted, "PARTIAL"),
}


@pytest.mark.parametrize("name", BASES)
def test_thousands_of_mutations_get_the_same_answer(name: str, tmp_path: Path) -> None:
    make, word = BASES[name]
    data, other, rng = make().to_bytes(), w.endorsed(PLAIN, BERT).to_bytes(), random.Random(name)
    made = {f"{n:04}": mutate(data, rng, other) for n in range(500)}
    for n in range(250):  # one byte: the envelope mostly stays well-formed
        at = rng.randrange(7, len(data))
        made[f"one-{n:04}"] = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
    counts = differences(tmp_path, {"whole": data, **made})
    assert counts[word] >= 1
    assert counts["ALTERED"] > 100
    assert counts["MALFORMED"] > 100


def test_mutations_that_are_signed_get_the_same_answer(tmp_path: Path) -> None:
    rng, made = random.Random(5), {}
    blobs = [b for b in PLAIN.blobs if not b.id.startswith(("doc.", "log", "tensors."))]
    for n in range(300):
        made[f"payload-{n}"] = w.resigned(PLAIN, mutate(PLAIN.payload, rng, PLAIN.payload) or b"\xc0").to_bytes()
        blob = rng.choice(blobs)
        made[f"blob-{n}"] = with_data(blob.id, mutate(blob.data, rng, rng.choice(blobs).data)).to_bytes()
    assert differences(tmp_path, made)["MALFORMED"] > 400


# -- correctly signed nonsense -----------------------------------------------------------------------------------------


def sampled(value: object, count: int, rng: random.Random) -> list[Any]:
    every = list(variants(value))
    return rng.sample(every, min(count, len(every)))


@pytest.mark.parametrize("minor", [0, 1])
def test_signed_nonsense_gets_the_same_answer(minor: int, tmp_path: Path) -> None:
    rng, made = random.Random(minor), {}
    plain = {**canonical.decode(PLAIN.payload), "v": [1, minor]}
    base = w.resigned(PLAIN, canonical.encode(plain))
    for n, value in enumerate(sampled(plain, 300, rng)):
        made[f"manifest-{n}"] = w.resigned(PLAIN, canonical.encode(value)).to_bytes()
    for blob in PLAIN.blobs:
        if blob.id != "doc.0":
            for n, value in enumerate(sampled(canonical.decode(blob.data), 40, rng)):
                with contextlib.suppress(MpkError, TypeError):  # no items to count
                    made[f"{blob.id}-{n}"] = w.with_section(base, blob.id, value).to_bytes()
    counts = differences(tmp_path, made)
    assert sum(counts.values()) > 650
    assert counts["VALID"] > 20
    assert counts["MALFORMED"] > 450


def with_body(base: Envelope, body: bytes, *keys: Key) -> Envelope:
    message = dsse.pae(dsse.ENDORSEMENT_TYPE, body)
    rows = sorted((Signature(k.public.keyid, k.sign(message)) for k in keys), key=lambda s: s.keyid)
    return replace(base, endorsements=(*base.endorsements, SealedEndorsement(body, tuple(rows))))


def test_nonsense_in_endorsements_gets_the_same_answer(tmp_path: Path) -> None:
    rng, made = random.Random(8), {}
    for number, (kind, data, _) in enumerate(DATA.values()):
        with contextlib.suppress(LimitError):  # what cannot be written cannot be compared
            sealed = w.endorsed(PLAIN, BERT, kind, data=data)
            made[f"data-{number}"] = sealed.to_bytes()
            body = canonical.decode(sealed.endorsements[0].body)
            for n, value in enumerate(sampled({**body, "v": [1, number % 2]}, 20, rng)):
                key = rng.choice([BERT, STRANGER, ANNA])
                made[f"body-{number}-{n}"] = with_body(PLAIN, canonical.encode(value), key).to_bytes()
    for number, (make, *_) in enumerate(RECORDS.values()):
        made[f"record-{number}"] = make().to_bytes()
    counts = differences(tmp_path, made)
    assert sum(counts.values()) > 250
    assert {"VALID", "PARTIAL", "ALTERED", "MALFORMED", "UNSUPPORTED"} <= counts.keys()


# -- decisions and trust -----------------------------------------------------------------------------------------------

QUESTIONS = [*(f"c{n}" for n in range(1, 6)), *(f"3.{n}" for n in range(1, 10)), *(f"4.{n}" for n in range(1, 9))]
FINDINGS = ["identical", "reformatted", "near-identical", "component-shared", "shared-initialisation", "unrelated"]


def decided(rng: random.Random) -> bytes:
    """Answers and evidence by chance; the signed verdict is what our decision says."""
    record = w.comparison(rng.choice(FINDINGS))
    record["identity"] = {"lossless": rng.random() < 0.7}
    digest = hashtree.sha256(canonical.encode(record)).hex()
    items = []
    for n in range(rng.randrange(1, 6)):
        finding = record["finding"] if rng.random() < 0.5 else ""
        document = rng.choice(["", digest])
        items.append(
            w.Evidence(
                f"E{n}", rng.choice(["a", "b", "b", "c", "context", "denial"]), tuple(rng.sample(QUESTIONS, 12)), (),
                rng.choice(["", "source"]), document, rng.choice(["", "lossless"]), "", finding, digest if finding else "",
            )
        )  # fmt: skip
    cited = [e.id for e in items]
    given = [
        w.Answer(
            question, rng.choice(["met", "met", "not-met"]), "", tuple(rng.sample(cited, rng.randrange(len(cited) + 1))), "",
            "common-trained-ancestor" if question == "c5" and rng.random() < 0.6 else "",
        )
        for question in rng.sample(QUESTIONS, rng.randrange(1, 8))
    ]  # fmt: skip
    verdict = decide(w.norm.load(), {a.question: a for a in given}, items)
    more = {"rationale": "", "alternatives": [], "limitations": [], "known_gaps": []}
    made = w.contents(
        findings=[{"pair": w.PAIR, "digest": bytes.fromhex(digest), "record": record}],
        evidence=[w.consistency.evidence_record(w.PAIR, e) for e in items],
        answers=[w.consistency.answer_record(w.PAIR, a) for a in given],
        verdict={"pairs": [{"pair": w.PAIR, **verdict.as_record(), **more}], "decided_by": "A", "decided_at": 1},
    )  # fmt: skip
    return w.sealed(made).to_bytes()


def test_decisions_are_recomputed_alike(tmp_path: Path) -> None:
    rng = random.Random(71)
    counts = differences(tmp_path, {f"{n}": decided(rng) for n in range(250)})
    assert counts["VALID"] > 30
    assert counts["INCONSISTENT"] > 30


TIMES = [CREATED - 1, CREATED, CREATED + 1, CREATED + 999, CREATED + 1000, CREATED + 1001, NOW - 1, NOW, NOW + 1]


def limits(rng: random.Random) -> dict[str, Any]:
    first, last = sorted(rng.sample(TIMES, 2))
    reason = rng.choice(["superseded", "left", "compromised"])
    every = {"not_before": first, "not_after": last, "revoked": Revocation(rng.choice(TIMES), reason)}
    return {name: value for name, value in every.items() if rng.random() < 0.35}


def test_trust_is_judged_alike(tmp_path: Path) -> None:
    rng, counts = random.Random(9), Counter[str]()
    pool = {}
    for n in range(12):
        made = w.sealed(None, *[ANNA, BERT][: 1 + n % 2])
        for _ in range(n // 4):
            made = w.endorsed(made, rng.choice([ANNA, BERT, CARLA, STRANGER]), "witness", at=rng.choice(TIMES))
        pool[str(n)] = made.to_bytes()
    for _ in range(16):
        people = [
            stores.person(
                name, key, roles=rng.choice([("*",), ("analyst",), ("analyst", "reviewer")]),
                min_suite=rng.choice(["s1", "s1", "s1", "s2"]), **limits(rng),
            )
            for name, key in (("anna", ANNA), ("bert", BERT), ("carla", CARLA))
        ]  # fmt: skip
        policy = rng.choice([None, Policy(needed={"*": 2}), Policy(needed={"analyst": 1})])
        store = stores.store(*people, policy=policy, expires=NOW + rng.choice([-1, 0, 1]))
        counts += differences(tmp_path, pool, store)
    assert {"VALID", "UNTRUSTED", "EXPIRED", "REVOKED"} <= counts.keys()


def test_stores_of_nonsense_get_the_same_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(12)
    holders = (stores.ROOT_A, stores.ROOT_B)
    person = stores.person(
        "anna", ANNA, roles=("analyst",), not_before=1, not_after=FAR, revoked=Revocation(FAR, "left")
    )
    good = stores.store(
        person, stores.person("bert", BERT), expires=FAR, roots=stores.root(*holders, threshold=2), by=holders
    )
    payload = stores.read(good).payload
    made = {"good": good}
    for minor in (0, 1):
        for n, value in enumerate(sampled({**canonical.decode(payload), "v": [1, minor]}, 250, rng)):
            made[f"{minor}-{n}"] = stores.signed(canonical.encode(value), *holders).to_bytes()
    made |= {f"file-{n}": mutate(good, rng, PLAIN.to_bytes()) for n in range(150)}
    made |= {f"sig-{n}": good[:-n] + bytes([good[-n] ^ 1]) + good[len(good) - n + 1 :] for n in (9, 40, 80, 110)}
    (tmp_path / "bundle.mpkb").write_bytes(PLAIN.to_bytes())
    runs = {}
    for name, data in made.items():
        (tmp_path / f"{name}.mpkt").write_bytes(data)
        runs[name] = [str(tmp_path / "bundle.mpkb"), "--trust", str(tmp_path / f"{name}.mpkt")]
    counts = compare_runs(tmp_path, runs, capsys, monkeypatch)
    assert counts["INTERNAL"] > 300
    assert counts["VALID"] > 5


# -- proofs of one tensor ----------------------------------------------------------------------------------------------


def test_proofs_get_the_same_answer(tmp_path: Path) -> None:
    rng, made = random.Random(84), {}
    for count in (1, 2, 3, 5, 8, 13):
        rows = [w.tensor(f"t{n:02}", str(n)) for n in range(count)]
        bundle = w.sealed(w.contents(tensors__S1=rows, locations__S1=None))
        body = w.check(bundle).manifest
        assert body is not None
        for n in range(count):
            parts = canonical.decode(proofs.prove(bundle, body, "S1", f"t{n:02}").to_bytes())
            made[f"{count}-{n}"] = canonical.encode(parts)
            for index in {n - 1, n + 1} - {-1}:
                made[f"{count}-{n}-as-{index}"] = canonical.encode([*parts[:5], index, *parts[6:]])
            made[f"{count}-{n}-longer"] = canonical.encode([*parts[:8], [*parts[8], bytes(32)]])
            made[f"{count}-{n}-shorter"] = canonical.encode([*parts[:8], parts[8][:-1]])
    good = made["13-5"]
    mutated = [mutate(good, rng, PLAIN.to_bytes()) for _ in range(400)]
    made |= {f"mutated-{n}": data for n, data in enumerate(mutated) if data[:7] == good[:7]}
    counts = differences(tmp_path, made, proof=True)
    assert counts["VALID"] >= 32
    assert counts["ALTERED"] > 100
    assert counts["MALFORMED"] > 100


def test_continuity_gets_the_same_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def numbered(seq: int, prev: bytes | None, log: list[dict[str, Any]]) -> Envelope:
        def change(manifest: dict[str, Any]) -> None:
            manifest.update(seq=seq, prev=prev)

        return w.with_manifest(w.sealed(w.contents(log=copy.deepcopy(log))), change)

    first = numbered(0, None, [w.log_entry(0, "open"), w.log_entry(1, "export", seq=0)])
    ident = dsse.bundle_id(first.payload)
    log = [*w.items(first, "log"), w.log_entry(2, "bundle"), w.log_entry(3, "export", seq=1)]
    second = numbered(1, ident, log)
    made = {
        "first": first, "second": second, "wrong predecessor": numbered(1, bytes(32), log),
        "rewritten": numbered(1, ident, [w.log_entry(0, "open", CREATED - 5), *log[1:]]),
        "log withheld": w.without_blob(second, "log"), "entry withheld": hidden(second, "log", 0),
        "altered": w.with_blob(first, "notes", data=b"x"), "first redacted": hidden(first, "log", 0, 1),
        "stranger": w.sealed(w.contents(log=w.items(first, "log")), STRANGER),
    }  # fmt: skip
    (tmp_path / "trust.mpkt").write_bytes(STORE)
    for name, bundle in made.items():
        (tmp_path / name).write_bytes(bundle.to_bytes())
    runs = {
        f"{a} after {b}": [str(tmp_path / a), "--trust", str(tmp_path / "trust.mpkt"), "--earlier", str(tmp_path / b)]
        for a in made
        for b in made
    }
    counts = compare_runs(tmp_path, runs, capsys, monkeypatch)
    assert {"VALID", "PARTIAL", "REPLAY", "UNTRUSTED", "ALTERED"} <= counts.keys()
