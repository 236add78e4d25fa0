"""One module a screen; each owns its state and reads everything else from the case."""

from __future__ import annotations

import importlib
from typing import Any

from textual.screen import Screen

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
    "help": ("help", "HelpPage"),
    "go": ("go", "Go"),
}


def make(name: str, **where: Any) -> Screen[Any]:
    """A new screen by its name; its module is imported when it is first wanted."""
    module, cls = _WHERE[name]
    screen = getattr(importlib.import_module(f"mpk_tui.tui.screens.{module}"), cls)(**where)
    assert isinstance(screen, Screen)
    return screen
