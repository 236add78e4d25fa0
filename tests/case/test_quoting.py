"""Quotes: word for word from the file, located by lines and bytes, never read beyond a bound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpk_tui.case import Case, actions, create_case, quoting
from mpk_tui.errors import LimitError, StorageError, UsageError

CARD = "# Model card\n\nThis model was fine-tuned\r\nfrom the base model, Größe 7B.\nLicense: none.\n"


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "card.md"
    path.write_bytes(CARD.encode())
    return path


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with create_case(tmp_path / "case", id="C-1", title="A drive", examiner="E") as made:
        yield made


@pytest.mark.parametrize(
    ("text", "excerpt", "locator"),
    [
        ("This model", "This model", "line 3, bytes 14–23"),
        ("fine-tuned from the  base", "fine-tuned\nfrom the base", "lines 3–4, bytes 29–53"),
        ("Größe 7B", "Größe 7B", "line 4, bytes 62–71"),
        (" License: none.\n", "License: none.", "line 5, bytes 74–87"),
    ],
)
def test_a_quote_is_found_with_its_place(card: Path, text: str, excerpt: str, locator: str) -> None:
    found = quoting.find(card, text)
    assert (found.excerpt, found.locator) == (excerpt, locator)
    assert CARD.encode()[found.start : found.stop].decode().replace("\r\n", "\n") == excerpt


def test_what_the_file_does_not_hold_is_refused_with_the_nearest_line(card: Path) -> None:
    with pytest.raises(UsageError, match="line 3 comes nearest: “This model was fine-tuned”"):
        quoting.find(card, "This model was finetuned")
    with pytest.raises(UsageError, match=r"does not hold this text$"):
        quoting.find(card, "zzzzzz")
    with pytest.raises(UsageError, match="a quote has words"):
        quoting.find(card, " \n ")


@pytest.mark.parametrize(
    ("lines", "excerpt", "locator"),
    [
        ("3-4", "This model was fine-tuned\nfrom the base model, Größe 7B.", "lines 3–4, bytes 14–72"),
        ("1", "# Model card", "line 1, bytes 0–11"),
        (" 5 – 5 ", "License: none.", "line 5, bytes 74–87"),
    ],
)
def test_lines_are_quoted_with_their_place(card: Path, lines: str, excerpt: str, locator: str) -> None:
    found = quoting.lines_of(card, *quoting.parse_lines(lines))
    assert (found.excerpt, found.locator) == (excerpt, locator)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("5-6", "has 5 lines"),
        ("2", "empty"),
        ("0-1", "count from 1"),
        ("4-3", "count from 1"),
        ("99999999", "has 5 lines"),
    ],
)
def test_lines_that_are_not_there_are_refused(card: Path, lines: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        quoting.lines_of(card, *quoting.parse_lines(lines))


@pytest.mark.parametrize("text", ["", "a", "1-", "-2", "1,2", "1-2-3", "٣", "1\x1b[2J", "9999999999"])
def test_what_is_no_range_of_lines_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="written 12-14 or 12"):
        quoting.parse_lines(text)


def test_bytes_that_are_no_text_are_spelled_out(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xff\xfeabc\x00 word \xc3\nend")
    found = quoting.lines_of(path, 1, 1)
    assert found.excerpt == "\\xff\\xfeabc\x00 word \\xc3"
    assert found.locator == "line 1, bytes 0–12"
    assert quoting.find(path, "word").start == 7


def test_files_beyond_the_bound_and_things_that_are_no_files_are_refused(tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as f:
        f.truncate(quoting.MAX_QUOTED + 1)  # sparse
    with pytest.raises(LimitError, match="at most"):
        quoting.find(big, "x")
    with pytest.raises(StorageError):
        quoting.find(tmp_path, "x")
    with pytest.raises(StorageError):
        quoting.find(tmp_path / "nothing", "x")
    with pytest.raises(LimitError):
        quoting.find(big, "x" * (quoting.MAX_QUOTE + 1))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12), min_size=1, max_size=8),
    st.data(),
)
def test_the_place_of_a_quote_is_where_it_stands(lines: list[str], data: st.DataObject) -> None:
    import tempfile

    raw = "\n".join(lines).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_bytes(raw)
        number = data.draw(st.integers(1, len(lines)))
        if not lines[number - 1].encode().strip():
            return
        found = quoting.lines_of(path, number, number)
        begin, end = map(int, re.findall(r"bytes (\d+)–(\d+)", found.locator)[0])
        assert raw[begin : end + 1].decode() == lines[number - 1]
        assert raw[:begin].count(b"\n") == number - 1
        assert quoting.find(path, found.excerpt).first <= number


def test_an_attachment_is_looked_at_in_pieces(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    lines = [f"line {n}" for n in range(1, 5001)]
    lines[9] = "x" * 300_000
    path.write_text("\n".join(lines))
    digest = actions.attach(case, path)
    first = quoting.attachment_lines(case, digest, 1, 3)
    assert (first.lines, first.more, first.offset) == (("line 1", "line 2", "line 3"), True, 0)
    following = quoting.attachment_lines(case, digest, 4, 2, offset=first.following)
    assert following.lines == ("line 4", "line 5")
    assert following == quoting.attachment_lines(case, digest, 4, 2)
    long = quoting.attachment_lines(case, digest, 10, 2)
    assert len(long.lines[0]) < 2100
    assert long.lines[0].endswith("… (300000 bytes)")
    assert long.lines[1] == "line 11"
    last = quoting.attachment_lines(case, digest, 4999, 10)
    assert (last.lines, last.more) == (("line 4999", "line 5000"), False)
    assert quoting.attachment_lines(case, digest, 6000, 5).lines == ()
    assert quoting.quote(case, digest, "line 4999").locator.startswith("line 4999, bytes ")
    with pytest.raises(UsageError, match="does not hold"):
        quoting.quote(case, digest, "line 5001")
    with pytest.raises(UsageError, match=re.escape("log.txt")):
        quoting.quote_lines(case, digest, 6000, 6000)


@pytest.mark.parametrize(
    ("start", "count", "offset"), [(0, 1, 0), (1, 0, 0), (1, quoting.MAX_LINES + 1, 0), (1, 1, -1)]
)
def test_numbers_that_make_no_sense_are_refused(case: Case, card: Path, start: int, count: int, offset: int) -> None:
    digest = actions.attach(case, card)
    with pytest.raises(UsageError, match="count from 1"):
        quoting.attachment_lines(case, digest, start, count, offset=offset)


@pytest.mark.parametrize("digest", ["", "0" * 64, "../journal.mpkj", "A" * 64])
def test_only_attachments_are_looked_into(case: Case, digest: str) -> None:
    with pytest.raises(UsageError, match="nothing was attached"):
        quoting.attachment_lines(case, digest)
