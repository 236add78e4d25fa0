"""Write the two frozen bundles that the self-test carries: ``python tests/selftest/make_bundles.py mpk_tui/selftest``.

Run it when the format changes, then put the printed digests into mpk_tui/selftest/bundles.py.  The key's seed is
SHA-256 of b"mpk-tui selftest", published here: nobody may trust it.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bundle"))

import workshop as w

KEY = w.Key("mpk-tui selftest")


def bundles() -> dict[str, bytes]:
    """Both bundles by file name."""
    plain = w.contents()
    contradicting = w.contents()
    row = contradicting.sections["verdict"]["pairs"][0]
    row.update(label="independent", display="exclusion established", conditions=[], exclusions=["4.1"], basis="")
    return {
        "known.mpkb": w.sealed(plain, KEY).to_bytes(),
        "contradiction.mpkb": w.sealed(contradicting, KEY).to_bytes(),
    }


if __name__ == "__main__":
    print("key", KEY.public.raw.hex())
    for name, data in bundles().items():
        Path(sys.argv[1], name).write_bytes(data)
        print(name, len(data), hashlib.sha256(data).hexdigest())
