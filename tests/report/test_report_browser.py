"""The report in a browser, where one is installed: it is drawn, printed page by page, and asks for nothing else."""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import CASES, document
from hostile import bundle

from mpk_tui.report import html

BROWSER = next((p for n in ("chromium", "chromium-browser", "google-chrome", "chrome") if (p := shutil.which(n))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


class Asked(http.server.BaseHTTPRequestHandler):
    """Writes down that somebody asked."""

    paths: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[int]:
    Asked.paths = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asked) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_port
        listening.shutdown()


def browse(folder: Path, page: Path, *options: str) -> None:
    assert BROWSER is not None
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}", *options, page.as_uri(),
    ]  # fmt: skip
    environment = {**os.environ, "HOME": str(folder)}
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=environment)


def shades(png: bytes) -> int:
    """Number of different bytes in a picture's data: one or two for a blank page."""
    at, data = 8, b""
    while at < len(png):
        size, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        if kind == b"IDAT":
            data += png[at + 8 : at + 8 + size]
        at += size + 12
    return len(set(zlib.decompress(data)))


def test_it_is_drawn_and_printed(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(html.render(document(CASES["linked"](), classification="RESTRICTED")))
    browse(tmp_path, page, "--window-size=1000,1400", f"--screenshot={tmp_path / 'page.png'}")
    assert shades((tmp_path / "page.png").read_bytes()) > 40
    browse(tmp_path, page, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    pdf = (tmp_path / "page.pdf").read_bytes()
    assert pdf.count(b"/Type /Page\n") >= 6


def test_a_hostile_bundle_makes_it_ask_for_nothing(tmp_path: Path, server: int) -> None:
    there = f"http://127.0.0.1:{server}"
    evil = (
        f"hostile <img src={there}/img> <script src={there}/script></script> <link rel=stylesheet href={there}/css>"
        f'"><iframe src={there}/frame> </style><style>@import url({there}/import); body {{ background: url({there}/url) }}'
        f"<meta http-equiv=refresh content='0;url={there}/meta'> <svg><image href={there}/svg /></svg>"
    )
    page = tmp_path / "report.html"
    page.write_bytes(html.render(document(bundle(evil), classification=evil[:60])))
    browse(tmp_path, page, "--window-size=1000,1400", f"--screenshot={tmp_path / 'page.png'}")
    assert shades((tmp_path / "page.png").read_bytes()) > 40
    assert Asked.paths == []
    # The server does hear a page that asks: what was not asked for above was not asked for.
    page.write_text(f"<!DOCTYPE html><title>x</title><img src='{there}/img'>", encoding="utf-8")
    browse(tmp_path, page, f"--screenshot={tmp_path / 'asks.png'}")
    assert "/img" in Asked.paths
