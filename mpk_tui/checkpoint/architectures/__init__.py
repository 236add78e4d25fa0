"""Canonical roles of a checkpoint's tensors, by a table of architectures.  Standard library only."""

from mpk_tui.checkpoint.architectures.resolve import resolve, towers

__all__ = ["resolve", "towers"]
