"""Two frozen bundles that come with the package, and what a verifier must say to them and to damaged copies.

``known.mpkb`` is a complete bundle of a made-up case; ``contradiction.mpkb`` is signed as well as the other and claims
a verdict that does not follow from its answers.  ``tests/selftest/make_bundles.py`` writes both.
"""

from __future__ import annotations

from importlib import resources

from mpk_tui.bundle.suites import ED25519, PublicKey
from mpk_tui.bundle.trust import TrustStore, single_key
from mpk_tui.bundle.verify import verify
from mpk_tui.hashtree import sha256
from mpk_tui.progress import Meter, Report
from mpk_tui.selftest.check import Question

KNOWN, CONTRADICTION = "known.mpkb", "contradiction.mpkb"
NOW = 1_700_000_000_000
"""The clock that the verifier is given, so that the answers do not depend on the day."""
PUBLIC = bytes.fromhex("f3a8c1b7538aaf1cc79299da84fa2c24ea93f609f273da5803898676149b2f1d")
"""The key that signed both; its seed is published in the script that wrote them: never trust it for anything else."""
# SHA-256 of the files as they were written.
_KNOWN_SHA256 = "d4b064f341007f474fc8908acc3d080827f2b3c511160998635aa7d6642b13fd"
_CONTRADICTION_SHA256 = "3b571e9af4a3def829f68239f5373978f687019d59799e04a474b21d33596c59"
_PLACES = 24
_REFUSED = ("ALTERED", "MALFORMED", "LIMIT", "UNSUPPORTED")


def data(name: str) -> bytes:
    """One of the frozen bundles."""
    return (resources.files("mpk_tui") / "selftest" / name).read_bytes()


def questions() -> list[Question]:
    """The frozen bundles as they are, for a stranger, with bits turned, cut and lengthened."""
    return [
        Question("SHA-256 of the frozen bundle", _KNOWN_SHA256, lambda: sha256(data(KNOWN)).hex()),
        Question("the frozen bundle, by its key", "VALID 0", lambda: _word(data(KNOWN))),
        Question("the frozen bundle, by nobody's key", "UNTRUSTED 11", lambda: _word(data(KNOWN), TrustStore())),
        Question(
            "the frozen bundle with a bit of its last section turned",
            "ALTERED 20",
            _last_section,
        ),
        Question("the frozen bundle with a bit of its signature turned", "ALTERED 20", _signature),
        Question("the frozen bundle with a bit turned in 24 places", "none reads VALID", _some_places),
        Question("the frozen bundle cut in half", "MALFORMED 30", lambda: _word(data(KNOWN)[: len(data(KNOWN)) // 2])),
        Question("the frozen bundle with a byte added", "MALFORMED 30", lambda: _word(data(KNOWN) + b"\xc0")),
        Question("no bytes at all", "MALFORMED 30", lambda: _word(b"")),
        Question(
            "SHA-256 of the bundle that contradicts itself",
            _CONTRADICTION_SHA256,
            lambda: sha256(data(CONTRADICTION)).hex(),
        ),
        Question("the bundle that contradicts itself", "INCONSISTENT 22", lambda: _word(data(CONTRADICTION))),
    ]


def every_byte(report: Report) -> Question:
    """A bit of every byte of the frozen bundle turned, one at a time."""
    known = data(KNOWN)
    return Question(
        f"the frozen bundle with a bit turned in each of its {len(known):,} bytes",
        "none reads VALID",
        lambda: _flips(known, len(known), report),
    )


def _word(raw: bytes, store: TrustStore | None = None) -> str:
    outcome = verify(raw, single_key(PublicKey(ED25519, PUBLIC)) if store is None else store, NOW)
    return f"{outcome.verdict} {int(outcome.code)}"


def _turned(raw: bytes, at: int) -> bytes:
    changed = bytearray(raw)
    changed[at] ^= 1
    return bytes(changed)


def _last_section() -> str:
    return _word(_turned(data(KNOWN), -9))


def _some_places() -> str:
    return _flips(data(KNOWN), _PLACES)


def _signature() -> str:
    known = data(KNOWN)
    at = known.find(PublicKey(ED25519, PUBLIC).keyid + b"\xc4\x40")  # key id, then the header of 64 bytes
    return _word(_turned(known, at + 40))


def _flips(raw: bytes, places: int, report: Report | None = None) -> str:
    meter = None if report is None else Meter(report, "turning bits", places, "steps")
    for n in range(places):
        at = n * len(raw) // places
        word = _word(_turned(raw, at)).split()[0]
        if word not in _REFUSED:
            return f"{word} with a bit of byte {at} turned"
        if meter is not None:
            meter.add(1)
    return "none reads VALID"
