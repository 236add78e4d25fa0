"""The report as HTML: only our own tags and attributes, whatever a bundle holds; what accessible tables and figures need."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from cases import CASES, document
from hostile import CORPUS, MARK, bundle

from mpk_tui.report import html
from mpk_tui.report.html.style import CSS
from mpk_tui.report.source import Made

SHAPES = {"svg", "title", "desc", "rect", "line", "circle", "polygon", "polyline", "text"}
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "nav", "div", "p", "h1", "h2", "h3", "h4", "ol", "ul", "li",
    "a", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "figure", "figcaption",
    "blockquote", "pre", "code", "q", "bdi", "span", "strong", "b", *SHAPES,
}  # fmt: skip
NUMBERS = re.compile(r"[-0-9., #a-f]*")
VALUES = {
    "id": re.compile(r"[a-z0-9-]+"), "href": re.compile(r"#[a-z0-9-]+"), "class": re.compile(r"[a-z -]+"),
    "lang": re.compile("en"), "scope": re.compile("row|col"), "role": re.compile("presentation|img"),
    "aria-hidden": re.compile("true"), "aria-labelledby": re.compile(r"[a-z0-9 -]+"), "charset": re.compile("utf-8"),
    "http-equiv": re.compile("Content-Security-Policy"), "name": re.compile("viewport|referrer"),
    "content": re.compile(r"default-src 'none'; style-src 'unsafe-inline'; img-src data:|no-referrer|width=[a-z0-9=, -]+"),
    "fill": re.compile("none|#[0-9a-f]{6}"), "stroke": re.compile("none|#000000"), "text-anchor": re.compile("[a-z]+"),
    "font-family": re.compile("sans-serif"), "font-size": re.compile("[0-9]+"), "transform": re.compile(r"rotate\([-0-9. ]+\)"),
    **dict.fromkeys(
        ("viewbox", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "points", "stroke-width",
         "stroke-dasharray"), NUMBERS,
    ),
}  # fmt: skip
VOID = {"meta"}


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.styles: list[str] = []
        self.text: list[str] = []
        self.tables: list[dict[str, int]] = []
        self.count: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in TAGS:
            self.faults.append(f"tag {tag}")
        for name, value in attrs:
            if name not in VALUES or value is None or not VALUES[name].fullmatch(value):
                self.faults.append(f"{tag} {name}={value!r}")
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if "href" in given else []
        if tag == "table" and given.get("class") == "data":
            self.tables.append({"caption": 0, "scope": 0})
        if tag == "caption":
            self.tables[-1]["caption"] += 1
        if tag == "th" and given.get("scope"):
            self.tables[-1]["scope"] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"end of {tag}")

    def handle_data(self, data: str) -> None:
        (self.styles if self.open[-1:] == ["style"] else self.text).append(data)

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment {data[:40]!r}")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"declaration {data[:40]!r}")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"instruction {data[:40]!r}")


def read(raw: bytes) -> Reader:
    reader = Reader()
    reader.feed(raw.decode("utf-8"))
    reader.close()
    return reader


@pytest.mark.parametrize("case", CASES)
def test_a_report_is_well_formed_and_its_links_lead_into_itself(case: str) -> None:
    reader = read(html.render(document(CASES[case](), classification="RESTRICTED")))
    assert reader.faults == []
    assert reader.open == []
    assert len(set(reader.ids)) == len(reader.ids)
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)
    assert reader.count["main"] == reader.count["h1"] == reader.count["style"] == 1
    assert all(t["caption"] == 1 and t["scope"] >= 2 for t in reader.tables)
    assert reader.count.get("svg", 0) == reader.count.get("desc", 0)


@pytest.mark.parametrize("evil", CORPUS, ids=range(len(CORPUS)))
def test_whatever_a_bundle_holds_only_our_markup_is_there(evil: str) -> None:
    raw = html.render(document(bundle(evil), classification=evil[:14], name=evil[:200]))
    reader = read(raw)
    assert reader.faults == []
    assert reader.open == []
    # Style and policy are constants: nothing of a bundle is in them.
    assert reader.styles == [CSS]
    text = "".join(reader.text)
    assert MARK in text, "what was hostile is shown, spelled out"
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)


def test_the_style_sheet_loads_nothing() -> None:
    assert not re.search(r"url\(|@import|@font-face|expression|</", CSS)
    raw = html.render(document(CASES["linked"]())).decode()
    assert not re.search(r"<(script|link|img|iframe|object|embed|base|form|input|video|audio)\b", raw)
    assert 'src="' not in raw
    assert raw.startswith("<!DOCTYPE html>")


def test_a_classification_is_at_the_top_and_the_bottom_of_the_screen_and_of_every_page() -> None:
    raw = html.render(document(CASES["linked"](), classification="RESTRICTED <only>")).decode()
    assert raw.count('<p class="banner">RESTRICTED &lt;only&gt;</p>') == 2
    assert raw.count('<p class="class">RESTRICTED &lt;only&gt;</p>') == 2
    assert raw.count("position: fixed") == 1


def test_an_untrusted_bundle_says_so_on_every_page() -> None:
    import workshop as w

    raw = html.render(document(w.sealed(None, w.STRANGER), untrusted=True)).decode()
    warning = "UNTRUSTED: what follows is not to be relied on."
    head = raw[raw.index('class="running head"') : raw.index("<main>")]
    assert warning in head
    assert f'<p class="warning">{warning}</p>' in raw


def test_the_same_bundle_gives_the_same_bytes() -> None:
    assert Made(html.render(document(CASES["disputed"]()))) == Made(html.render(document(CASES["disputed"]())))
