"""One module a screen; each owns its state and reads everything else from the case."""

from __future__ import annotations

import importlib
from typing import Any

from textual.screen import ModalScreen, Screen

_WHERE = {
    "home": ("home", "Home"),
    "case": ("case", "CaseScreen"),
    "artifacts": ("artifacts", "Artifacts"),
    "fingerprint": ("fingerprint", "FingerprintScreen"),
    "compare": ("compare", "Compare"),
    "evidence": ("evidence", "EvidenceScreen"),
    "conditions": ("conditions", "Conditions"),
    "mechanism": ("mechanism", "Mechanism"),
    "exclusions": ("exclusions", "Exclusions"),
    "review": ("review", "Review"),
    "history": ("history", "History"),
    "verify": ("verify", "Verify"),
    "library": ("library", "Library"),
    "scan": ("scan", "Scan"),
    "jobs": ("jobs", "JobsScreen"),
    "help": ("help", "HelpPage"),
    "go": ("go", "Go"),
    "hops": ("hops", "Hops"),
    "pager": ("pager", "Pager"),
    "reading": ("reading", "Reading"),
}


def make(name: str, **where: Any) -> Screen[Any]:
    """A new screen by its name; its module is imported when it is first wanted."""
    module, cls = _WHERE[name]
    screen = getattr(importlib.import_module(f"mpk_tui.tui.screens.{module}"), cls)(**where)
    assert isinstance(screen, Screen)
    return screen


def scopes() -> list[tuple[str, ...]]:
    """Of every screen, the scopes of the key map that work on it at the same time; imports them all.

    Of a dialog these are its own and a table's; of any other screen those of everywhere too.
    """
    out = []
    for module, cls in _WHERE.values():
        screen = getattr(importlib.import_module(f"mpk_tui.tui.screens.{module}"), cls)
        own = tuple(getattr(screen, "SCOPES", ()))
        if own:
            out.append(("table", *own) if issubclass(screen, ModalScreen) else ("everywhere", "table", *own))
    return list(dict.fromkeys(out))
