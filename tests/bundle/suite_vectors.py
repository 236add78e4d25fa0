"""Every vector of ``bundles/``: a bundle, whom to believe, what lies beside it, and the answer that must be given.

The tables of the tests are the vectors, so that a case that is tested here is one that others can be held to.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import stores
import test_consistency
import test_continuity
import test_endorse
import test_hostile_bundles
import test_proofs
import test_redact
import test_suites
import test_trust
import workshop as w
from test_mutations import small
from test_recheck import REFERENCE, SUBJECT, default_verdict, random_tensors, sections_for, write_folder

from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.manifest import CaseFacts
from mpk_tui.bundle.outcome import CODES, Word
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.keys.public import pem

FAR = 253_370_764_800_000  # the year 9999: stores of the suite do not expire


@dataclass(frozen=True)
class Tree:
    """A checkpoint folder: what version control can carry, and what has to be made beside it.

    Attributes:
        files: Path -> content.
        more: Path -> content of files that version control would not take (``.git``, names that are not UTF-8 as
            hex after ``hex:``).
        links: Path -> target of a symbolic link.
        folders: Empty folders.
        hard_links: Path -> the file that it is another name of.
    """

    files: Mapping[str, bytes]
    more: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    hard_links: Mapping[str, str] = field(default_factory=dict)

    def made_beside(self) -> dict[str, Any]:
        """What ``checkpoint.json`` says: bytes in hex."""
        said: dict[str, Any] = {
            "files": {k: v.hex() for k, v in self.more.items()}, "links": dict(self.links),
            "folders": list(self.folders), "hard_links": dict(self.hard_links),
        }  # fmt: skip
        return {k: v for k, v in said.items() if v}


@dataclass(frozen=True)
class Vector:
    """One folder of the suite.

    Attributes:
        title: The number of the input in the design's list of hostile inputs, if it has one, and words.
        bundle: The file.
        answer: Required.
        trust: Name and bytes of a store or key of its own; None for the suite's key.
        options: What is known beforehand: ``expect_case``, ``expect_bundle``, ``match``.
        earlier: Earlier bundles of the case.
        checkpoint: A local checkpoint to compare with.
        attachments: Files that travel beside the bundle.
        file: Its name; ``proof.mpki`` for the proof of one tensor.
    """

    title: str
    bundle: bytes
    answer: Word
    trust: tuple[str, bytes] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    earlier: tuple[bytes, ...] = ()
    checkpoint: Tree | None = None
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    file: str = "bundle.mpkb"

    @property
    def name(self) -> str:
        """The folder's name."""
        name = re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")
        number = re.match(r"(\d+)([a-z]?)\b", self.title)
        if number:
            name = f"{int(number[1]):03}{number[2]}-{name[len(number[0]) + 1 :]}"
        return name + ("" if self.answer in (Word.VALID, Word.PARTIAL) else "_fail")

    def expectation(self) -> dict[str, Any]:
        """What ``expect.json`` says."""
        out: dict[str, Any] = {"verdict": self.answer.value, "exit_code": int(CODES[self.answer])}
        out["trust"] = self.trust[0] if self.trust else "../trusted.pub.pem"
        if self.file != "bundle.mpkb":
            out["file"] = self.file
        out |= dict(self.options)
        if self.earlier:
            out["earlier"] = [f"earlier-{n}.mpkb" for n in range(len(self.earlier))]
        if self.checkpoint is not None:
            out["checkpoint"] = "checkpoint"
        if self.attachments:
            out["attachments"] = "attachments"
        return out

    def readme(self) -> str:
        """What ``README.md`` says."""
        with_what = {"trust.mpkt": "the store `trust.mpkt`", None: "`../trusted.pub.pem` as the only trusted key"}
        whom = with_what.get(self.trust[0] if self.trust else None, f"the key `{self.trust[0] if self.trust else ''}`")
        extra = "".join(
            f" {text}"
            for given, text in (
                (self.checkpoint, "Held against `checkpoint/`."),
                (self.checkpoint and self.checkpoint.made_beside(), "First add what `checkpoint.json` says."),
                (self.earlier, "Held against the earlier bundles beside it."),
                (self.attachments, "Its attachments lie in `attachments/`."),
                (self.options, f"Known beforehand: {', '.join(f'{k} `{v}`' for k, v in self.options.items())}."),
            )
            if given
        )
        return (
            f"# {self.title}\n\nWith {whom} the answer is **{self.answer}** (exit {int(CODES[self.answer])}).{extra}\n"
        )


def vectors() -> Iterator[Vector]:
    """All of them."""
    yield Vector("annotated", small(), Word.VALID)
    yield from _single_key()
    yield from _stores()
    yield from _second_suite()
    for title, change in test_consistency.CASES.items():
        yield Vector(f"verdict: {title}", _raw(w.sealed(test_consistency.changed(change))), Word.INCONSISTENT)
    for title, (later, earlier, word, _) in test_continuity.CASES.items():
        number = re.match(r"\d+[a-z]?\b", title)
        named = title if number else f"continuity: {title}"
        yield Vector(named, _raw(later), Word(word), earlier=(_raw(earlier),))
    yield from _after_signing()
    yield from _proofs()
    yield from _names()
    yield from _keys()
    yield from _checkpoints()


def _raw(made: Envelope | bytes) -> bytes:
    return made if isinstance(made, bytes) else made.to_bytes()


def _single_key() -> Iterator[Vector]:
    plain: dict[str, tuple[Callable[[], Envelope], str]] = {
        "0 plain": (w.sealed, "VALID"),
        "0b two signers, one trusted": (lambda: w.sealed(None, w.ANNA, w.BERT), "VALID"),
        "0c endorsed by a stranger": (lambda: w.endorsed(w.sealed(), w.STRANGER), "VALID"),
        "27 a key under the name of another algorithm": (
            lambda: w.with_manifest(w.sealed(), lambda m: m["signers"][0]["keys"][0].update(alg="ml-dsa-65")),
            "MALFORMED"),
        "99 unknown key": (lambda: w.sealed(None, w.STRANGER), "UNTRUSTED"),
        "110 dated years ahead": (
            lambda: w.with_manifest(w.sealed(), lambda m: m.update(created=250_000_000_000_000)), "REPLAY"),
        "118 endorsement of another bundle": (
            lambda: w.endorsed(w.sealed(), w.ANNA, target=w.sha("another bundle")), "ALTERED"),
        "119 endorsement of other signatures": (
            lambda: w.endorsed(w.sealed(), w.ANNA, sigs=w.sha("others")), "ALTERED"),
    }  # fmt: skip
    for title, (make, word) in {**plain, **test_hostile_bundles.CASES}.items():
        yield Vector(title, _raw(make()), Word(word))


def as_file(store: TrustStore) -> bytes:
    """A store of the tests as a signed file that does not expire."""
    made = stores.body(expires=FAR)
    people = store.people or (w.person("Carla", w.CARLA),)  # an empty store cannot be signed
    return stores.signed(replace(made, people=people, policy=store.policy), stores.ROOT_A).to_bytes()


def _stores() -> Iterator[Vector]:
    for title, (made, store, expected, word) in test_trust.CASES.items():
        if expected.last_seq is not None or "ahead" in title:
            continue  # what a verifier saw before is in no file, and what lies ahead of the tests' clock is past today
        options = {}
        if expected.case is not None:
            options["expect_case"] = expected.case
        if expected.bundle is not None:
            options["expect_bundle"] = expected.bundle.hex()
        named = title if re.match(r"\d+[a-z]?\b", title) else f"trust: {title}"
        clash = {"99 unknown key", "118 about another bundle", "119 about other signatures"}
        named = named.replace(" ", "s ", 1) if title in clash else named
        yield Vector(named, _raw(made), Word(word), ("trust.mpkt", as_file(store)), options)
    good = w.sealed()
    refused: dict[str, bytes] = {
        "102 store with a threshold of 0": stores.changed(
            as_file(w.trusting()), lambda m: m["policy"].update(needed=[["*", 0]])),
        "112 store signed by a stranger": stores.signed(stores.body(expires=FAR), w.STRANGER).to_bytes(),
        "112b store signed by too few": stores.store(
            expires=FAR, roots=stores.root(stores.ROOT_A, stores.ROOT_B, threshold=2), by=(stores.ROOT_A,)),
        "113 store with one byte changed": _turned(as_file(w.trusting())),
        "115 one key for two people": stores.changed(
            as_file(w.trusting(w.person("Anna", w.ANNA), w.person("Bert", w.BERT))),
            lambda m: m["people"][1]["keys"][0].update(pub=w.ANNA.public.raw)),
        "116 store with a key of low order": stores.changed(
            as_file(w.trusting()), lambda m: m["people"][0]["keys"][0].update(pub=bytes(31) + b"\x80")),
    }  # fmt: skip
    for title, data in refused.items():
        yield Vector(title, _raw(good), Word.INTERNAL, ("trust.mpkt", data))
    yield Vector("114 expired store", _raw(good), Word.EXPIRED, ("trust.mpkt", stores.store()))


def _turned(data: bytes) -> bytes:
    """One bit of the name of the first person turned: still well-formed, no longer what was signed."""
    at = data.index(b"Anna")
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _second_suite() -> Iterator[Vector]:
    t = test_suites
    ed, ml = t.EVA.keys
    both = ("trust.mpkt", as_file(t.BOTH))
    strict = ("trust.mpkt", as_file(w.trusting(t.person("Eva", *t.EVA.keys), w.person("Anna", w.ANNA), min_suite="s2")))
    one = ("trust.mpkt", as_file(w.trusting(t.person("Eva", ed))))
    crossed = t.with_sig(
        t.with_sig(t.TWO, t.EVA.keys[1], t.sig(t.TWO, t.FRED.keys[1])), t.FRED.keys[1], t.sig(t.TWO, ml)
    )
    for title, made, word, trust in (
        ("0d suite s2", t.GOOD, "VALID", both),
        ("0e suite s2, two signers", t.TWO, "VALID", both),
        ("0f suite s2 where it is required", t.GOOD, "VALID", strict),
        ("28b ML-DSA half stripped", t.with_sig(t.GOOD, ml, None), "ALTERED", both),
        ("29 Ed25519 half stripped", t.with_sig(t.GOOD, ed, None), "ALTERED", both),
        ("30 halves crossed", crossed, "ALTERED", both),
        ("30b a bit of the ML-DSA half", t.with_sig(t.GOOD, ml, t.flipped(t.sig(t.GOOD, ml), 4000)), "ALTERED", both),
        ("30c a bit of the Ed25519 half", t.with_sig(t.GOOD, ed, t.flipped(t.sig(t.GOOD, ed), 40)), "ALTERED", both),
        ("32c suite s1 where s2 is required", w.sealed(), "UNTRUSTED", strict),
        ("32d one half of an identity in the store", t.GOOD, "UNTRUSTED", one),
    ):  # fmt: skip
        yield Vector(title, _raw(made), Word(word), trust)


def _after_signing() -> Iterator[Vector]:
    good = w.sealed()
    dissent = w.endorsed(good, w.BERT, "dissent", statement="No.")
    gone = _raw(replace(dissent, endorsements=()))
    yield Vector("121 a dissent that was deleted, which no file can show", gone, Word.VALID)
    detached = w.without_blob(good, "doc.0")
    yield Vector(
        "attachments: beside the bundle", _raw(detached), Word.VALID, attachments={"any name.txt": b"attached"}
    )
    yield Vector("attachments: another file beside", _raw(detached), Word.PARTIAL, attachments={"doc.0": b"Attached"})
    yield Vector("attachments: detached and not there", _raw(detached), Word.PARTIAL)
    both = ("trust.mpkt", as_file(w.trusting(w.person("Anna", w.ANNA), w.person("Carla", w.CARLA))))
    for title, (make, word, _) in test_redact.RECORDS.items():
        named = title if re.match(r"\d+[a-z]?\b", title) else f"redaction record: {title}"
        named = named.replace("122 of", "122c of").replace("122b of", "122d of")
        yield Vector(named, _raw(make()), Word(word), both)
    for title, (kind, data, word) in test_endorse.DATA.items():
        if word != "LIMIT":  # what is too large for a reader is too large to be written
            yield Vector(f"endorsement: {title}", _raw(w.endorsed(good, w.BERT, kind, data=data)), Word(word), both)


def _proofs() -> Iterator[Vector]:
    """One tensor: the proof stands in the place of the bundle."""
    good = test_proofs.GOOD
    other = test_proofs.proof_of(test_proofs.ONE, "a.weight")
    odd: dict[str, tuple[bytes, str]] = {
        "97 proof": (good.to_bytes(), "VALID"),
        "97b proof with another index": (replace(good, index=good.index + 1).to_bytes(), "ALTERED"),
        "97c proof with another count": (replace(good, count=good.count + 1).to_bytes(), "ALTERED"),
        "97d proof with a longer path": (replace(good, path=(*good.path, w.sha("x"))).to_bytes(), "ALTERED"),
        "97e proof with a shorter path": (replace(good, path=good.path[:-1]).to_bytes(), "ALTERED"),
        "97f proof of another tensor": (replace(good, item=other.item).to_bytes(), "ALTERED"),
        "97g proof of another list": (replace(good, section="tensors.R1").to_bytes(), "ALTERED"),
        "97h proof with another manifest": (
            replace(good, payload=w.sealed(w.contents(notes=None)).payload).to_bytes(), "ALTERED"),
        "97i proof that is cut": (good.to_bytes()[:-1], "MALFORMED"),
        "97j proof of a section that is no list of tensors": (replace(good, section="log").to_bytes(), "ALTERED"),
    }  # fmt: skip
    for title, (data, word) in odd.items():
        yield Vector(title, data, Word(word), file="proof.mpki")


def _names() -> Iterator[Vector]:
    hostile = "\x1b[2J\x1b]0;x\x07\r\n‮evil​"
    made = w.contents(notes=[{"at": w.CREATED, "who": hostile, "text": hostile}])
    facts = CaseFacts(f"case {hostile}", hostile, hostile, hostile, hostile, hostile)
    yield Vector("136 escape sequences everywhere", _raw(w.sealed(replace(made, case=facts))), Word.VALID)
    index = w.contents().sections["docs"][0]
    for n, name in enumerate(("../../evil", "C:\\autoexec.bat", "CON", "x" * 300, "/etc/passwd")):
        docs = [{**index, "name": name}]
        letter = "abcde"[n]
        yield Vector(
            f"137{letter} attachment with another hostile name", _raw(w.sealed(w.contents(docs=docs))), Word.VALID
        )


def _keys() -> Iterator[Vector]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    good = _raw(w.sealed())
    numbers = rsa.RSAPublicNumbers(65537, (1 << 2047) + 1)  # never used: it only has to look like a key
    other = numbers.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    low = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00" + (1).to_bytes(32, "little")
    import base64

    low_pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(low) + b"\n-----END PUBLIC KEY-----\n"
    for title, data in (
        ("116b two keys in one file", pem(w.ANNA.public) + pem(w.BERT.public)),
        ("116c an RSA key", other),
        ("116d a key of low order", low_pem),
        ("116e no key", b"hello\n"),
    ):
        yield Vector(title, good, Word.INTERNAL, ("key.pub.pem", data))


def _checkpoints() -> Iterator[Vector]:
    with tempfile.TemporaryDirectory() as name:
        yield from _folders(Path(name))


def _folders(work: Path) -> Iterator[Vector]:
    subject = write_folder(work / "s", SUBJECT, 2, README__md="Read me.\n")
    (subject / "empty.txt").write_bytes(b"")
    reference = write_folder(work / "r", REFERENCE)
    made = w.contents(
        findings=[], evidence=[], answers=[], features__S1=None, locations__S1=None,
        verdict={"pairs": [default_verdict()], "decided_by": "Anna", "decided_at": 1},
    )  # fmt: skip
    sections = {**made.sections, **sections_for(subject, "S1"), **sections_for(reference, "R1")}
    bundle = w.sealed(replace(made, sections=sections)).to_bytes()
    files = _read(subject)
    shards = sorted(n for n in files if n.endswith(".safetensors"))

    def vector(title: str, word: str, tree: Tree, **options: str) -> Vector:
        return Vector(title, bundle, Word(word), checkpoint=tree, options=options)

    yield vector("checkpoint: the same folder", "VALID", Tree(files))
    yield vector("checkpoint: the other artifact", "VALID", Tree(_read(reference)))
    yield vector("checkpoint: another README", "VALID", Tree({**files, "README.md": b"Rewritten.\n"}))
    yield vector("checkpoint: an extra picture", "VALID", Tree({**files, "plot.png": b"\x89PNG"}))
    yield vector("checkpoint: edited configuration", "MISMATCH", Tree({**files, "config.json": b'{"model_type": "x"}'}))
    yield vector("checkpoint: extra code", "MISMATCH", Tree({**files, "modeling_x.py": b"print()\n"}))
    yield vector("checkpoint: extra code, weights asked for", "VALID",
                 Tree({**files, "modeling_x.py": b"print()\n"}), match="weights")  # fmt: skip
    yield vector("checkpoint: another model", "MISMATCH", Tree(_made(work / "x", random_tensors("another"))))
    edited = {**SUBJECT, "lm_head.weight": REFERENCE["lm_head.weight"]}
    yield vector("checkpoint: one tensor edited", "MISMATCH", Tree(_made(work / "e", edited, 2)))
    added = {**SUBJECT, "zz.weight": SUBJECT["lm_head.weight"]}
    yield vector("checkpoint: a tensor added", "MISMATCH", Tree(_made(work / "a", added, 2)))
    names = list(SUBJECT)
    swapped = {**SUBJECT, names[0]: SUBJECT[names[1]], names[1]: SUBJECT[names[0]]}
    yield vector("checkpoint: two tensors swap names", "MISMATCH", Tree(_made(work / "w", swapped, 2)))
    yield vector("124 extra file in .git", "MISMATCH", Tree(files, more={".git/hooks/post-checkout": b"#!/bin/sh\n"}))
    yield vector("125 extra file in a hidden folder", "MISMATCH", Tree({**files, ".cache/x.bin": b"x"}))
    without = {k: v for k, v in files.items() if k != "config.json"}
    yield vector("126 file replaced by a link to the same", "MISMATCH",
                 Tree({**without, "copy.txt": files["config.json"]}, links={"config.json": "copy.txt"}))  # fmt: skip
    yield vector("127 link out of the folder", "MISMATCH", Tree(files, links={"outside": "../bundle.mpkb"}))
    yield vector("128 name in another case", "MISMATCH", Tree({**without, "Config.json": files["config.json"]}))
    yield vector("132 the same tensors in one file", "VALID", Tree(_made(work / "one", SUBJECT)))
    yield vector("133 one shard absent", "PARTIAL", Tree({k: v for k, v in files.items() if k != shards[0]}))
    yield vector("135 bytes after the last tensor", "MISMATCH", Tree({**files, shards[1]: files[shards[1]] + b"tail"}))
    yield from _odd_names(work, made, files)


def _odd_names(work: Path, made: Any, files: Mapping[str, bytes]) -> Iterator[Vector]:
    """Names whose bytes matter, empty files, and two names of one file."""
    odd = work / "odd"
    shutil.copytree(work / "s", odd)
    (odd / "é.txt").write_bytes(b"composed")
    raw = b"caf\xe9.txt"
    Path(_decoded(odd, raw)).write_bytes(b"not text")
    sections = {**made.sections, **sections_for(odd, "S1"), **sections_for(work / "r", "R1")}
    for entry in sections["checkpoint.S1"]["files"]:
        if entry["path"] == raw.decode("utf-8", "surrogateescape"):
            del entry["path"]
            entry["path_b"] = raw
    sections["checkpoint.S1"]["files"].sort(key=lambda f: f.get("path_b", b"") or f["path"].encode())
    bundle = w.sealed(replace(made, sections=sections)).to_bytes()
    same = {f"hex:{raw.hex()}": b"not text", f"hex:{'é.txt'.encode().hex()}": b"composed"}
    decomposed = unicodedata.normalize("NFD", "é.txt").encode()
    other_form = {f"hex:{raw.hex()}": b"not text", f"hex:{decomposed.hex()}": b"composed"}
    other_byte = {f"hex:{b'caf'.hex()}ea2e747874": b"not text", f"hex:{'é.txt'.encode().hex()}": b"composed"}
    for title, word, tree in (
        ("129 name in another Unicode form", "MISMATCH", Tree(files, more=other_form)),
        ("130 name that is not text", "VALID", Tree(files, more=same)),
        ("130b another name that is not text", "MISMATCH", Tree(files, more=other_byte)),
        ("134 two names of one file", "MISMATCH", Tree(files, more=same, hard_links={"again.json": "config.json"})),
    ):
        yield Vector(title, bundle, Word(word), checkpoint=tree)


def _decoded(folder: Path, name: bytes) -> str:
    return f"{folder}/{name.decode('utf-8', 'surrogateescape')}"


def _made(folder: Path, tensors: Mapping[str, bytes], shards: int = 1) -> dict[str, bytes]:
    return _read(write_folder(folder, tensors, shards, README__md="Read me.\n")) | {"empty.txt": b""}


def _read(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
