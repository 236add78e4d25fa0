"""Keys from a terminal whose bytes are no UTF-8: read with a mark for what cannot be read, never a reason to end.

Textual's driver decodes strictly, so that one such byte (a letter with an accent from a Latin-1 terminal, noise on a
serial line) would end the program; measured with Textual 8.2.8.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable
from functools import partial

UNREADABLE = "\ufffd"
"""What stands for a byte that is no text."""


def lenient(encoding: str) -> Callable[[], codecs.IncrementalDecoder]:
    """A maker of decoders that put `UNREADABLE` where the bytes are not of the encoding."""
    return partial(codecs.getincrementaldecoder(encoding), errors="replace")


def listen() -> None:
    """Let the driver read keys leniently, from its next start on."""
    if os.name == "posix":
        from textual.drivers import linux_driver

        vars(linux_driver)["getincrementaldecoder"] = lenient
