"""A bundle verified before something is done with it: what may not be shown is not signed, cut or handed on either."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from mpk_tui.bundle import envelope, wording
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.loading import read_bundle
from mpk_tui.bundle.manifest import Manifest
from mpk_tui.bundle.outcome import ON_REQUEST, Outcome
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.bundle.verify import Expected, verify
from mpk_tui.cli.output import emit, narrate


@dataclass(frozen=True)
class Looked:
    """A bundle that was read and verified.

    Attributes:
        data: The file.
        outcome: Of the verification.
        store: Whom it believed.
        at: The clock that it went by, milliseconds.
        contents: What it says; None if that may not be shown.
    """

    data: bytes
    outcome: Outcome
    store: TrustStore
    at: int
    contents: Contents | None

    @property
    def sealed(self) -> Envelope:
        """The file, taken apart."""
        return envelope.parse(self.data)

    @property
    def body(self) -> Manifest:
        """The signed manifest; only where the content may be shown."""
        assert self.outcome.manifest is not None
        return self.outcome.manifest


def look_options(parser: argparse.ArgumentParser, *, signs: bool = False) -> None:
    """Declare whom to believe and ``--show-untrusted``.

    Args:
        parser: Of an action that verifies first.
        signs: ``--key`` is the key that signs; the one to believe is then called ``--believe``.
    """
    from mpk_tui.cli.verify import trust_options

    trust_options(parser, key="--believe" if signs else "--key")
    parser.add_argument("--show-untrusted", action="store_true", help="go on even if it is not to be relied on")


def look(args: argparse.Namespace) -> Looked:
    """Read and verify the bundle that the arguments name.

    Raises:
        MpkError: It, the store or the key cannot be read.
    """
    from mpk_tui.cli.bundle.signing import now
    from mpk_tui.cli.receipts import default_file, history
    from mpk_tui.cli.verify import trust_from

    data = read_bundle(args.bundle)
    whom = {"key": args.believe} if "believe" in vars(args) else {}
    store = trust_from(argparse.Namespace(**{**vars(args), **whom}))
    at = now()
    outcome = verify(data, store, at, Expected(history=history(default_file())))
    return Looked(data, outcome, store, at, outcome.shown(untrusted=args.show_untrusted))


def show(looked: Looked, *, untrusted: bool) -> None:
    """Print what was found, without the verdict's line: the action's own result comes last."""
    store = looked.store
    for line in wording.lines(looked.outcome, untrusted=untrusted, dated=store.dated, edition=store.edition):
        emit(line, fold=True)
    # A reader that went away has not seen it: then nothing is signed.
    sys.stdout.flush()


def refuse(looked: Looked, *, untrusted: bool, what: str) -> int:
    """Say why nothing was done with the bundle; the exit code is the verdict's."""
    show(looked, untrusted=untrusted)
    emit(wording.verdict_line(looked.outcome))
    narrate(f"{what}: what may not be shown is not used")
    if looked.outcome.verdict in ON_REQUEST:
        narrate("--show-untrusted goes on in spite of the verdict")
    return int(looked.outcome.code)
