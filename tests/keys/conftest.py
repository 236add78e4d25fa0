"""Bundles and signed stores made by hand come from the folder of the bundle's tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bundle"))
