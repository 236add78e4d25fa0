"""The Verify screen: a bundle from somebody else."""

from mpk_tui.tui.screens.verify.screen import Verify

__all__ = ["Verify"]
