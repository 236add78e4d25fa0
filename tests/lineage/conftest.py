"""The models of the tree are measured once."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _kept_fingerprints(kept_fingerprints: None) -> None:
    """See there."""
