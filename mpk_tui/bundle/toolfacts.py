"""What made a bundle: versions, a digest of our own code, the operating system; no path, no user, no host by itself."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata, resources
from importlib.resources.abc import Traversable

from mpk_tui import __version__
from mpk_tui.bundle.manifest import ToolFacts
from mpk_tui.hashtree import sha256, tagged

_LIBS = ("cryptography", "msgpack", "numpy", "gguf")


def tool_facts(argv: Sequence[str] | None = None, host_label: str = "") -> ToolFacts:
    """The tool block of a manifest.

    Args:
        argv: Arguments, hashed only (NUL between them), or None.
        host_label: What the person calls this machine; nothing is asked of the system.
    """
    libs = {}
    for name in _LIBS:
        try:
            libs[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ToolFacts(
        "mpk-tui",
        __version__,
        code_digest(),
        platform.python_version(),
        libs,
        f"{platform.system()} {platform.release()} {platform.machine()}"[:200],
        host_label,
        None if argv is None else sha256("\0".join(argv).encode("utf-8", "surrogateescape")),
    )


def code_digest() -> bytes:
    """Digest of the package's own files: T("code", path, SHA-256, …) over .py and .json files, sorted by path."""
    found: list[tuple[str, bytes]] = []

    def walk(folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir() and entry.name != "__pycache__":
                walk(entry, f"{prefix}{entry.name}/")
            elif entry.name.endswith((".py", ".json")):
                found.append((prefix + entry.name, sha256(entry.read_bytes())))

    walk(resources.files("mpk_tui"), "")
    parts = [part for name, digest in sorted(found) for part in (name.encode("utf-8"), digest)]
    return tagged("code", *parts)
