"""The guide's pictures: there, small, and without anything that a reader's browser would fetch."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PICTURES = sorted((DOCS / "screens").glob("*.svg"))
MAKER = runpy.run_path(str(DOCS / "make_screenshots.py"))


def test_every_picture_of_the_maker_is_there_and_no_other() -> None:
    assert {p.stem for p in PICTURES} == {shot.name for shot in MAKER["SHOTS"]}


def test_the_guide_shows_pictures_that_are_there() -> None:
    shown = set(re.findall(r"\]\(screens/(\w+)\.svg\)", (DOCS / "workbench.md").read_text("utf-8")))
    assert len(shown) >= 10
    assert shown <= {p.stem for p in PICTURES}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: p.stem)
def test_a_picture_fetches_nothing(picture: Path) -> None:
    text = picture.read_text("utf-8")
    assert len(text) < 120_000
    assert "@font-face" not in text
    assert "@import" not in text
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", text)
    assert set(re.findall(r"\w+://[^\s\"'<>)]+", text)) <= {"http://www.w3.org/2000/svg"}
    names = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
    assert names <= {"svg", "style", "defs", "clipPath", "rect", "text", "g", "circle"}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: p.stem)
def test_a_picture_tells_nothing_of_the_machine_it_was_made_on(picture: Path) -> None:
    text = picture.read_text("utf-8").replace("&#160;", " ")
    assert "/home/" not in text
    assert "/root" not in text
    assert "fault of its own" not in text


def test_what_would_be_fetched_is_taken_out() -> None:
    svg = '<style>@font-face { src: url("https://cdn.example/x.woff2"); } .a { font-family: Fira Code; }</style>'
    lean = MAKER["lean"](svg)
    assert "example" not in lean
    assert "monospace" in lean
    with pytest.raises(SystemExit):
        MAKER["lean"]('<image href="https://cdn.example/x.png"/>')
