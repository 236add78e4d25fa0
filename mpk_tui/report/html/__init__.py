"""The report as one HTML file that needs nothing else: no script, no resource, no link that leaves it."""

from __future__ import annotations

from mpk_tui.report.html.page import render

__all__ = ["render"]
