"""What was typed and not yet entered, kept beside the journal so that kill -9 costs at most a second of typing.

The journal is evidence and is handed on whole, so half sentences do not belong in it: a reason is journalled when its
field is left, and until then stands here.  Passphrases never do.
"""

from __future__ import annotations

import json
from pathlib import Path

from mpk_tui.files import write_file

FILE = "drafts.json"
MAX_BYTES = 4 << 20


class Drafts:
    """Unfinished text of one case, by the name of its field; a broken file counts as none.

    Args:
        folder: The case's folder, or None where nothing may be written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = folder / FILE if folder is not None else None
        self._texts: dict[str, str] = {}
        if self._path is None:
            return
        try:
            if self._path.is_symlink() or self._path.stat().st_size > MAX_BYTES:
                return
            value = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return
        if isinstance(value, dict):
            self._texts = {k: v for k, v in value.items() if isinstance(k, str) and isinstance(v, str)}

    def get(self, name: str) -> str | None:
        """Text that was never entered, or None."""
        return self._texts.get(name)

    def keep(self, name: str, text: str) -> None:
        """Write a text down now.

        Raises:
            OSError: The disk refused (full, read-only).
        """
        if self._path is not None and self._texts.get(name) != text:
            self._texts[name] = text
            self._write()

    def drop(self, *names: str) -> None:
        """Forget texts that were entered or given up."""
        known = [name for name in names if name in self._texts]
        for name in known:
            del self._texts[name]
        if known:
            self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        if self._texts:
            write_file(self._path, json.dumps(self._texts).encode("utf-8", "surrogatepass"), mode=0o600)
        else:
            self._path.unlink(missing_ok=True)
