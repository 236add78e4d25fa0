"""The words in which fingerprints are read aloud: the list keeps its rules, and bits become words and nothing else."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from itertools import combinations

import make_words
import pytest

from mpk_tui.keys.words import WORDS, is_word, wordlist, words, words_of


def test_the_list_has_2048_words_of_four_to_seven_letters_in_order() -> None:
    every = wordlist()
    assert len(every) == 2048
    assert list(every) == sorted(set(every))
    assert all(w.isascii() and w.isalpha() and w == w.lower() and 4 <= len(w) <= 7 for w in every)


def test_no_word_could_be_a_group_of_hex_digits() -> None:
    assert [w for w in wordlist() if not set(w) - set("abcdef")] == []


def test_four_letters_are_enough() -> None:
    assert len({w[:4] for w in wordlist()}) == 2048


def test_no_word_becomes_another_by_one_letter() -> None:
    assert [(a, b) for a, b in combinations(wordlist(), 2) if make_words.near(a, b)] == []


def test_no_word_sounds_like_another() -> None:
    assert len({make_words.sound(w) for w in wordlist()}) == 2048


def test_no_word_was_refused_by_name() -> None:
    refused = make_words.refused_words()
    assert len(refused) > 1000
    assert set(wordlist()) & refused == set()


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        ("weather", "whether", True), ("knight", "nite", True), ("write", "rite", True), ("phase", "faze", True),
        ("steel", "steal", True), ("ball", "bowl", True), ("cellar", "seller", True), ("apple", "zebra", False),
        ("harvest", "haven", False), ("planet", "plan", False),
    ],
)  # fmt: skip
def test_the_code_of_sounds_hears_what_people_confuse(a: str, b: str, alike: bool) -> None:
    assert (make_words.sound(a) == make_words.sound(b)) is alike


@pytest.mark.parametrize(
    ("a", "b", "one"),
    [("word", "ward", True), ("word", "words", True), ("sword", "word", True), ("word", "warm", False),
     ("word", "swords", False), ("word", "word", True)],
)  # fmt: skip
def test_one_letter(a: str, b: str, one: bool) -> None:
    assert make_words.near(a, b) is one


def test_the_choice_is_the_same_every_time_and_keeps_to_the_rules() -> None:
    lists = [
        ["apple", "apples", "face", "apply", "sphere"],
        ["grape", "graphic", "toolong1", "murder", "zigzag", "sfere"],
    ]
    assert make_words.choose(lists, frozenset({"murder"}), 4) == ["apple", "graphic", "sphere", "zigzag"]
    with pytest.raises(SystemExit):
        make_words.choose(lists, frozenset(), 100)


def test_the_file_is_as_the_script_writes_it_and_names_its_source() -> None:
    text = resources.files("mpk_tui.keys").joinpath("words.json").read_text(encoding="ascii")
    assert text == make_words.render(wordlist())
    assert "Kevin Atkinson" in json.loads(text)["source"]


def test_bits_become_words_most_significant_first() -> None:
    every = wordlist()
    assert words_of(bytes(32)) == (every[0],) * 12
    assert words_of(b"\xff" * 32) == (every[2047],) * 12
    # 132 bits are 16 bytes and a half: the first word is 11 bits, the last ends in the middle of the 17th byte.
    assert words_of(b"\x00\x20" + bytes(30))[:2] == (every[1], every[0])
    assert words_of(bytes(16) + b"\x1f" + bytes(15)) == (*(every[0],) * 11, every[1])
    assert words_of(bytes(16) + b"\x0f" + b"\xff" * 15) == (every[0],) * 12


def test_another_digest_reads_otherwise() -> None:
    seen = {words(hashlib.sha256(bytes([n])).digest()) for n in range(256)}
    assert len(seen) == 256
    assert all(len(line.split()) == WORDS for line in seen)


def test_a_known_answer() -> None:
    digest = hashlib.sha256(b"mpk-tui").digest()
    number = int(digest.hex()[:33], 16)
    expected = []
    for _ in range(12):
        number, place = divmod(number, 2048)
        expected.insert(0, wordlist()[place])
    assert words_of(digest) == tuple(expected)


def test_typing_a_word_or_its_beginning() -> None:
    assert is_word("harvest", "harvest")
    assert is_word("harv", "harvest")
    for wrong in ("", "har", "harve", "harvested", "haven"):
        assert not is_word(wrong, "harvest")
