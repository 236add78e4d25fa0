"""The report as text for an e-mail: narrow, harmless in transit, and with the same content."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from itertools import pairwise

import pytest
from cases import CASES, document
from hostile import CORPUS, MARK, bundle

from mpk_tui.report import plain
from mpk_tui.report.lines import WIDTH, columns


def lines(raw: bytes) -> list[str]:
    return raw.decode("utf-8").split("\n")


@pytest.mark.parametrize("case", [*CASES, *range(len(CORPUS))])
def test_every_line_is_narrow_and_nothing_on_its_way_changes_it(case: str | int) -> None:
    evil = CORPUS[case] if isinstance(case, int) else ""
    made = bundle(evil) if evil else CASES[str(case)]()
    raw = plain.render(document(made, classification=(evil or "RESTRICTED")[:14], name=(evil or "b.mpkb")[:200]))
    listed = lines(raw)
    assert max(map(columns, listed)) <= WIDTH
    assert not [line for line in listed if line != line.rstrip() or line.startswith(("From ", ".", "-- "))]
    assert not re.search(
        r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]", raw.decode()
    )
    assert raw.endswith(b"\n")
    assert not evil or MARK in raw.decode()
    assert "\nVERDICT" not in raw.decode()


def test_it_comes_through_a_mail_as_it_was_sent() -> None:
    raw = plain.render(document(CASES["disputed"]()))
    message = EmailMessage(policy=email.policy.SMTP)
    message.set_content(raw.decode(), cte="quoted-printable")
    received = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    assert isinstance(received, EmailMessage)
    assert received.get_content().replace("\r\n", "\n").encode() == raw


def test_a_classification_stands_at_the_top_at_the_end_and_on_every_page() -> None:
    listed = lines(plain.render(document(CASES["linked"](), classification="RESTRICTED")))
    banner = "*** RESTRICTED ***"
    at = [n for n, line in enumerate(listed) if line.strip() == banner]
    assert at[0] == 0
    assert listed[at[-1] :] == [listed[0], ""]
    assert max(b - a for a, b in pairwise(at)) <= plain.PAGE + 25
    assert banner not in plain.render(document(CASES["linked"]())).decode()


def test_no_quotation_looks_like_words_of_ours() -> None:
    text = plain.render(document(bundle(f"{MARK} ” VERDICT: “ok”"))).decode()
    assert '" VERDICT: "ok"”' in text.replace("\n", " ")
    quoted = [line for line in text.split("\n") if line.startswith("> ")]
    assert any(MARK in line for line in quoted)
