"""Endorsements: made, put beside a bundle, held against forgeries, and shown for what they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import workshop as w
from keyfiles import key_files
from workshop import ANNA, BERT, CARLA, CREATED, STRANGER, person, trusting

from mpk_tui.bundle import build, dsse, endorsements, envelope, limits, wording
from mpk_tui.bundle.envelope import Envelope, SealedEndorsement, Signature
from mpk_tui.bundle.later import endorse
from mpk_tui.bundle.outcome import Word
from mpk_tui.cli import main
from mpk_tui.errors import LimitError, MalformedError, UsageError

ONE = w.sealed()
BOTH = trusting(person("Anna", ANNA), person("Bert", BERT))
RECEIPT = {"verdict": "VALID", "code": 0, "file_sha256": bytes(32), "at": CREATED, "verifier": "mpk-tui 0"}

DATA: dict[str, tuple[str, dict[str, Any], str]] = {
    "concur about everything": ("concur", {}, "VALID"),
    "dissent about two sections": ("dissent", {"reviewed": ["answers", "log"]}, "VALID"),
    "witness of a section that is not there": ("witness", {"reviewed": ["nothing"]}, "MALFORMED"),
    "concur with something else": ("concur", {"colour": "red"}, "MALFORMED"),
    "reviewed is no list": ("concur", {"reviewed": "log"}, "MALFORMED"),
    "too many sections": ("concur", {"reviewed": ["log"] * 4097}, "LIMIT"),
    "receipt": ("receipt", RECEIPT, "VALID"),
    "receipt of a refusal": ("receipt", {**RECEIPT, "verdict": "ALTERED", "code": 20}, "VALID"),
    "receipt with another code": ("receipt", {**RECEIPT, "code": 10}, "MALFORMED"),
    "receipt with an unknown word": ("receipt", {**RECEIPT, "verdict": "FINE"}, "MALFORMED"),
    "receipt without a file": ("receipt", {"verdict": "VALID", "code": 0}, "MALFORMED"),
    "time stamp": ("timestamp", {"token": b"\x30\x03"}, "VALID"),
    "time stamp without a token": ("timestamp", {}, "MALFORMED"),
    "empty token": ("timestamp", {"token": b""}, "MALFORMED"),
    "token of more than 64 KiB": ("timestamp", {"token": bytes(65537)}, "LIMIT"),
}  # fmt: skip


@pytest.mark.parametrize("name", DATA)
def test_data_by_kind(name: str) -> None:
    kind, data, word = DATA[name]
    try:
        made = w.endorsed(ONE, BERT, kind, data=data)
    except LimitError:
        assert word == "LIMIT"
        return
    assert w.check(made, BOTH).verdict.value == word


def attached(base: Envelope, key: w.Key, kind: str = "concur", data: dict[str, Any] | None = None) -> Envelope:
    body = endorse.draft(base, kind, CREATED + 1000, key.signer("Bert", "reviewer"), "As I see it.", data)
    return endorse.attach(base, body, [Signature(key.public.keyid, key.sign(endorse.message(body)))])


def test_what_is_made_is_what_the_verifier_reads() -> None:
    made = attached(attached(ONE, BERT), CARLA, "dissent", {"reviewed": ["log"]})
    outcome = w.check(made, trusting(person("Anna", ANNA), person("Bert", BERT), person("Carla", CARLA)))
    assert outcome.verdict is Word.VALID
    assert outcome.bundle_id == w.check(ONE).bundle_id
    assert [(e.kind, e.state, e.person, e.detail) for e in outcome.endorsements] == [
        ("concur", "trusted", "Bert", ""), ("dissent", "trusted", "Carla", "about log only"),
    ]  # fmt: skip


REFUSED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "nobody signed": (lambda: attached(replace(ONE, signatures=()), BERT), UsageError, "nobody has signed"),
    "key of another suite": (
        lambda: endorse.draft(ONE, "concur", 0, replace(BERT.signer(), keys=(BERT.public, BERT.public)), ""),
        UsageError, "suite s1"),
    "a section that is not there": (
        lambda: attached(ONE, BERT, data={"reviewed": ["x"]}), UsageError, "does not list"),
    "data of another kind": (lambda: attached(ONE, BERT, "timestamp", {}), MalformedError, "token"),
    "a signature that does not fit": (
        lambda: endorse.attach(ONE, body(), [Signature(BERT.public.keyid, bytes(64))]), MalformedError, "does not fit"),
    "no signature": (lambda: endorse.attach(ONE, body(), []), MalformedError, "exactly the keys"),
    "a signature by somebody else as well": (
        lambda: endorse.attach(ONE, body(), [Signature(k.public.keyid, k.sign(endorse.message(body()))) for k in (BERT, CARLA)]),
        MalformedError, "exactly the keys"),
    "made for another bundle": (
        lambda: endorse.attach(w.sealed(None, ANNA, CARLA), body(), signed(body())), MalformedError, "another bundle"),
    "one more than are accepted": (
        lambda: attached(replace(ONE, endorsements=attached(ONE, BERT).endorsements * limits.ENDORSEMENTS), BERT),
        LimitError, "endorsements"),
}  # fmt: skip


def body() -> bytes:
    return endorse.draft(ONE, "concur", CREATED, BERT.signer("Bert", "reviewer"), "Yes.")


def signed(message_body: bytes) -> list[Signature]:
    return [Signature(BERT.public.keyid, BERT.sign(endorse.message(message_body)))]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_made(name: str) -> None:
    make, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        make()


FORGED: dict[str, Callable[[], Envelope]] = {
    "118 of another bundle": lambda: replace(ONE, endorsements=attached(w.sealed(w.contents(notes=[])), BERT).endorsements),
    "119 moved to a copy that others signed": lambda: replace(
        w.sealed(None, ANNA, CARLA), endorsements=attached(ONE, BERT).endorsements),
    "120 an endorsement signed as a bundle": lambda: replace(
        ONE, endorsements=(SealedEndorsement(body(), (
            Signature(BERT.public.keyid, BERT.sign(dsse.pae(dsse.BUNDLE_TYPE, body()))),)),)),
    "one word changed": lambda: replace(
        ONE, endorsements=(SealedEndorsement(body().replace(b"Yes.", b"No!!"), tuple(signed(body()))),)),
    "a trusted key's signature missing": lambda: replace(ONE, endorsements=(SealedEndorsement(body(), (
        Signature(STRANGER.public.keyid, STRANGER.sign(endorse.message(body()))),)),)),
}  # fmt: skip


def test_a_record_of_redaction_by_a_stranger_counts_for_nothing_whoever_is_named_beside() -> None:
    """Anna is trusted, Carla signed as well and is not known here: her key id under junk makes nobody somebody."""
    cut = w.without_blob(w.sealed(None, ANNA, CARLA), "notes")
    data = {"ids": ["notes"], "reason": "privacy", "authority": "me"}
    made = w.endorsed(cut, STRANGER, "redaction", data=data)
    without = "section notes is withheld without a record of who did it"
    assert without in w.check(made).notices
    assert without not in w.check(w.endorsed(cut, CARLA, "redaction", data=data)).notices
    (e,) = made.endorsements
    message = dsse.pae(dsse.ENDORSEMENT_TYPE, e.body)
    verdicts = {}
    for name, sig in (("junk", bytes(64)), ("hers", CARLA.sign(message))):
        both = tuple(sorted((*e.signatures, Signature(CARLA.public.keyid, sig)), key=lambda s: s.keyid))
        outcome = w.check(replace(made, endorsements=(SealedEndorsement(e.body, both),)))
        verdicts[name] = outcome.verdict
        assert name == "junk" or without in outcome.notices
    assert verdicts == {"junk": Word.ALTERED, "hers": Word.PARTIAL}


@pytest.mark.parametrize("name", FORGED)
def test_forged_and_moved_endorsements(name: str) -> None:
    assert w.check(FORGED[name](), BOTH).verdict is Word.ALTERED


def test_120b_a_bundle_signed_as_an_endorsement_is_none() -> None:
    made = w.resigned(ONE, ONE.payload, payload_type=dsse.ENDORSEMENT_TYPE)
    assert w.check(made, BOTH).verdict is Word.UNSUPPORTED


def test_both_halves_of_suite_s2_endorse() -> None:
    both = w.Pair("bert")
    made = build.build(w.contents(), [w.Pair("anna").signer("Anna")], suite="s2", salt=w.salts())
    for key, sig in zip(w.Pair("anna").keys, w.Pair("anna").sign(build.message(made)), strict=True):
        made = build.attach(made, Signature(key.keyid, sig))
    body = endorse.draft(made, "concur", CREATED, both.signer("Bert", "reviewer"), "Yes.")
    records = [Signature(k.keyid, s) for k, s in zip(both.keys, both.sign(endorse.message(body)), strict=True)]
    outcome = w.check(endorse.attach(made, body, records), trusting(person("Bert", BERT)))
    assert [len(e.keyids) for e in outcome.endorsements] == [2]
    for one in records:
        with pytest.raises(MalformedError, match="exactly the keys"):
            endorse.attach(made, body, [one])
    with pytest.raises(UsageError, match="suite s2"):
        endorse.draft(made, "concur", CREATED, BERT.signer("Bert", "reviewer"), "Yes.")


def test_dissent_is_as_prominent_as_concur() -> None:
    made = attached(attached(ONE, BERT, "dissent"), CARLA)
    outcome = w.check(made, trusting(person("Anna", ANNA), person("Bert", BERT), person("Carla", CARLA)))
    lines = wording.lines(outcome)
    at = {kind: next(n for n, line in enumerate(lines) if line.startswith(kind)) for kind in ("DISSENT", "CONCUR")}
    assert max(at.values()) < next(n for n, line in enumerate(lines) if line.startswith("case"))
    assert lines[at["DISSENT"] + 1].strip() == lines[at["CONCUR"] + 1].strip() == "“As I see it.”"
    assert "Against it: Bert, whom you trust, dissents." in outcome.words
    assert "Bert" not in w.check(attached(ONE, BERT), BOTH).words


def test_a_stranger_s_dissent_is_listed_and_not_beside_the_words() -> None:
    outcome = w.check(attached(ONE, STRANGER, "dissent"), BOTH)
    assert outcome.verdict is Word.VALID
    assert "Against it" not in outcome.words
    assert any("dissents" in n for n in outcome.notices)


def test_what_an_endorser_wrote_is_not_shown_where_content_is_not() -> None:
    outcome = w.check(attached(ONE, BERT, "dissent"), trusting(person("Carla", CARLA)))
    assert outcome.verdict is Word.UNTRUSTED
    assert "As I see it" not in "\n".join(wording.lines(outcome))
    assert wording.as_record(outcome)["endorsements"][0]["statement"] == ""
    assert "As I see it" in "\n".join(wording.lines(outcome, untrusted=True))


def test_a_time_stamp_is_said_not_to_be_evaluated() -> None:
    outcome = w.check(attached(ONE, BERT, "timestamp", {"token": b"\x30\x00"}), BOTH)
    assert any("not evaluated" in n for n in outcome.notices)
    assert "not evaluated" in outcome.endorsements[0].detail


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "good.mpkb").write_bytes(ONE.to_bytes())
    return key_files(tmp_path, anna=ANNA, bert=BERT)


def test_the_command_endorses_what_it_showed(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "bundle", "endorse", str(bench / "good.mpkb"), "--kind", "concur", "--id", "Bert", "--statement", "Yes.",
        "--key", str(bench / "bert.pem"), "--believe", str(bench / "anna.pub.pem"),
    ]  # fmt: skip
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert out.index("case-1") < out.index("VERDICT VALID 0") < out.index("signed   with")
    assert main(["verify", str(bench / "good.mpkb"), "--key", str(bench / "anna.pub.pem"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["endorsements"]
    assert [(r["kind"], r["id"], r["state"]) for r in rows] == [("concur", "Bert", "untrusted")]


def test_what_may_not_be_shown_is_not_endorsed(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (bench / "good.mpkb").read_bytes()
    arguments = [
        "bundle", "endorse", str(bench / "good.mpkb"), "--kind", "concur", "--id", "Bert", "--key",
        str(bench / "bert.pem"), "--believe", str(bench / "bert.pub.pem"),
    ]  # fmt: skip
    assert main(arguments) == 11
    assert "case-1" not in capsys.readouterr().out
    assert (bench / "good.mpkb").read_bytes() == before
    assert main([*arguments, "--show-untrusted", "-o", str(bench / "other.mpkb")]) == 0
    assert (bench / "good.mpkb").read_bytes() == before
    assert len(envelope.parse((bench / "other.mpkb").read_bytes()).endorsements) == 1


def test_a_receipt_says_what_the_verification_said(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "bundle", "endorse", str(bench / "good.mpkb"), "--kind", "receipt", "--id", "Bert", "--key",
        str(bench / "bert.pem"), "--believe", str(bench / "anna.pub.pem"),
    ]  # fmt: skip
    import hashlib

    before = hashlib.sha256((bench / "good.mpkb").read_bytes()).digest()
    assert main(arguments) == 0
    sealed = envelope.parse((bench / "good.mpkb").read_bytes())
    data = endorsements.parse(sealed.endorsements[0], "s1", "e").data
    assert (data["verdict"], data["code"], data["file_sha256"]) == ("VALID", 0, before)


def test_on_two_machines(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, request, made = bench / "good.mpkb", bench / "out.pae", bench / "s.sig"
    whom = ["--believe", str(bench / "anna.pub.pem")]
    common = ["bundle", "endorse", str(bundle), "--request", str(request), *whom]
    assert main([*common, "--kind", "dissent", "--id", "Bert", "--public", str(bench / "bert.pub.pem")]) == 0
    assert main(["bundle", "sign-request", str(request), "--key", str(bench / "bert.pem"), "-o", str(made)]) == 0
    other = bench / "other.mpkb"
    shutil.copy(bundle, other)
    assert main([*common, "--import", str(made)]) == 0
    store = trusting(person("Anna", ANNA), person("Bert", BERT))
    assert [e.kind for e in w.check(bundle.read_bytes(), store).endorsements] == ["dissent"]
    made.write_bytes(bytes(64))
    assert main(["bundle", "endorse", str(other), "--request", str(request), *whom, "--import", str(made)]) == 30
    assert w.check(other.read_bytes()).endorsements == ()


@pytest.mark.parametrize(
    "more",
    [
        ["--kind", "concur"],
        ["--id", "Bert"],
        ["--kind", "timestamp", "--id", "Bert"],
        ["--kind", "concur", "--id", "Bert", "--token", "x"],
        ["--kind", "receipt", "--id", "Bert", "--reviewed", "log"],
        ["--kind", "concur", "--id", "Bert", "--request", "x.pae"],
    ],
)
def test_command_lines_that_cannot_be_used(more: list[str], bench: Path) -> None:
    before = (bench / "good.mpkb").read_bytes()
    key = ["--key", str(bench / "bert.pem"), "--believe", str(bench / "anna.pub.pem")]
    assert main(["bundle", "endorse", str(bench / "good.mpkb"), *more, *key]) == 2
    assert (bench / "good.mpkb").read_bytes() == before


def test_a_section_that_is_not_there_is_not_reviewed(bench: Path) -> None:
    arguments = [
        "bundle", "endorse", str(bench / "good.mpkb"), "--kind", "concur", "--id", "Bert", "--reviewed", "x", "--key",
        str(bench / "bert.pem"), "--believe", str(bench / "anna.pub.pem"),
    ]  # fmt: skip
    assert main(arguments) == 2
