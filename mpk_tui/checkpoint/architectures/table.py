"""The table of architectures: one row a family and format, extended by adding rows.

Names were read from published checkpoints, from what transformers 5.23 saves and from llama.cpp's converters.
"""

from __future__ import annotations

from mpk_tui.checkpoint.architectures import decoders, encoders, experts, gguf_rows, vision
from mpk_tui.checkpoint.architectures.row import Row

TABLE: tuple[Row, ...] = (*decoders.ROWS, *experts.ROWS, *encoders.ROWS, *gguf_rows.ROWS)
"""Language models and what stands in their place."""

TOWERS: tuple[Row, ...] = vision.ROWS
"""Parts beside a language model."""
