"""The end of the demo: a throw-away key, the signed bundle, and what a receiver's machine says to it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.bundle import build as building
from mpk_tui.bundle import dsse, envelope, wording
from mpk_tui.bundle.from_case import export, record_sealed
from mpk_tui.bundle.local.recheck import recheck
from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.outcome import MEANING, Outcome, Word
from mpk_tui.bundle.toolfacts import tool_facts
from mpk_tui.bundle.trust import single_key
from mpk_tui.bundle.verify import inspect, verify
from mpk_tui.case import open_case
from mpk_tui.demo.run import BUNDLE, CASE, CHECKPOINTS, COPIES, KEYS, VERIFICATION, Say
from mpk_tui.errors import MalformedError
from mpk_tui.files import write_file
from mpk_tui.keys import private, public
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.progress import Report, silent
from mpk_tui.selftest.record import current
from mpk_tui.selftest.run import DISTRUST

KEY = "demo.pem"
# Printed, documented and the same everywhere: a secret that nobody is told would leave a key that nobody can use, and a
# key that signs a demonstration protects nothing.  What makes it harmless is that no trust store ever holds it.
PASSPHRASE = "demonstration"


@dataclass(frozen=True)
class Sealed:
    """What the receiver's machine said.

    Attributes:
        outcome: Of the bundle as it was written, with all three checkpoints presented.
        altered: Of the same bundle with one byte changed.
    """

    outcome: Outcome
    altered: Outcome


def seal(out: Path, say: Say, report: Report = silent) -> Sealed:
    """Sign the case in ``out``, write the bundle, verify it as a receiver would.

    Args:
        out: Folder in which `mpk_tui.demo.run.run_case` has left a case that waits for nothing.
        say: Told what is done and why, a line at a time.
        report: Progress of the hashing.

    Raises:
        IncompleteCaseError: The case has gaps.
    """
    say("9 Sign")
    (out / KEYS).mkdir(mode=0o700, exist_ok=True)
    secret = Passphrase(PASSPHRASE.encode())
    private.create(out / KEYS / KEY, secret)
    say(f"  a new key in {KEYS}/{KEY}, for this folder only; its passphrase is the word {PASSPHRASE!r}, known to")
    say("  everybody: never put it into a trust store, make your own with mpk-tui keys new")
    tested = current(lambda line: say(f"  {line}"))
    say(f"  self-test of this installation: {'passed' if tested['passed'] else DISTRUST}")
    data = _bundle(out, private.load(out / KEYS / KEY, secret), tested)
    say(f"  {BUNDLE}, {len(data):,} bytes, bundle {_identity(data)}")
    say("Verify, as a machine that holds the public key and the three checkpoints")
    store = single_key(public.read_public(private.public_path(out / KEYS / KEY)), name="the demo's key")
    outcome = verify(data, store, _now())
    contents = outcome.shown()
    if contents is not None:
        outcome = recheck(outcome, contents, [out / COPIES / name for name in CHECKPOINTS], report)
    text = json.dumps(wording.as_record(outcome), indent=2, ensure_ascii=True) + "\n"
    write_file(out / VERIFICATION, text.encode())
    for record in outcome.checkpoint:
        say(f"  {Path(record['path']).name}: {record['sentence']}")
    say(f"  {wording.verdict_line(outcome)}")
    say(f"  {MEANING}")
    altered = verify(_one_byte_changed(data), store, _now())
    say("The same bundle with one byte of it changed")
    say(f"  {wording.verdict_line(altered)}")
    return Sealed(outcome, altered)


def _bundle(out: Path, key: private.SigningKey, tested: Mapping[str, Any]) -> bytes:
    """Build, sign and write the bundle; the journal records it."""
    with open_case(out / CASE) as case:
        contents = export(case, tool_facts(("demo",), "demonstration"), tested)
        made = building.build(contents, [Signer(case.state.examiner, "analyst", (key.public,))])
        made = building.sign(made, key.public, key.sign)
        data = made.to_bytes()
        looked = inspect(data, _now())
        if looked.verdict is not Word.VALID:
            raise MalformedError(f"would read {looked.verdict}: {looked.words}", where=str(out / BUNDLE))
        write_file(out / BUNDLE, data)
        record_sealed(case, dsse.bundle_id(made.payload), contents.seq)
    return data


def _identity(data: bytes) -> str:
    return dsse.bundle_id(envelope.parse(data).payload).hex()


def _one_byte_changed(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _now() -> int:
    return time.time_ns() // 1_000_000
