"""What the palette finds: places, the keys of the screen below, themes and settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rich.markup import escape
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from mpk_tui.tui import glyphs, keys
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.settings import THEMES

Entry = tuple[str, str, Callable[[], Any]]
"""Title, key or remark, what it does."""

_SETTINGS = {
    glyphs.UNICODE: "Setting: draw with all characters",
    glyphs.CONSOLE: "Setting: draw with the Linux console's characters",
    glyphs.ASCII: "Setting: draw in ASCII only",
}


def entries(app: Workbench, scopes: tuple[str, ...]) -> list[Entry]:
    """Everything that can be found.

    Args:
        app: The application.
        scopes: Scopes of the screen below.
    """
    go = keys.name_of("everywhere", "go")
    out: list[Entry] = []
    for key in keys.keys_for(*scopes, "everywhere"):
        if key.id not in ("leave", "palette", "go_typing"):
            out.append((key.help.rstrip("."), key.name, partial(app.run_bound, key.action)))
    out += [(f"Go to {p.title}", f"{go} {p.digit}", partial(app.go, p.name)) for p in keys.PLACES]
    for theme in THEMES:
        out.append((f"Theme: {theme}", "in use" if theme == app.looks.theme else "", partial(app.wear, theme)))
    for charset, title in _SETTINGS.items():
        out.append((title, "in use" if charset == glyphs.charset() else "", partial(app.draw_with, charset)))
    out.append(("Setting: keep theme and characters for the next start", "", app.keep_looks))
    return out


class Actions(Provider):
    """The palette's one source."""

    def _all(self) -> list[Entry]:
        app = self.app
        assert isinstance(app, Workbench)
        return entries(app, tuple(getattr(self.screen, "SCOPES", ())))

    async def discover(self) -> Hits:
        """Everything, while nothing is typed."""
        for title, key, call in self._all():
            yield DiscoveryHit(Content(title), call, text=title, help=escape(key))

    async def search(self, query: str) -> Hits:
        """What fits the words typed."""
        matcher = self.matcher(query)
        for title, key, call in self._all():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), call, help=escape(key))
