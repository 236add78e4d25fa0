"""Build an evidence bundle from a case, sign it, look into it.

build CASE -o FILE --key KEY.pem            build and sign at once
build CASE -o FILE --signer ID:ROLE:PUB.pem build for signers who sign elsewhere: each with bundle sign
sign FILE --key KEY.pem                     add the signature of a declared signer
show FILE                                   everything in it, after it was verified

All declared signers must sign; a bundle with one signature missing is never VALID.  What is signed is printed first.
"""

from __future__ import annotations

import argparse
import importlib

# Action -> module of this package; each has ``add(actions)``, which declares its arguments, and ``run(args)``.
ACTIONS = {"build": "building", "sign": "signing", "show": "showing"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in dict.fromkeys(ACTIONS.values()):
        importlib.import_module(f"{__name__}.{name}").add(actions)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    return int(importlib.import_module(f"{__name__}.{ACTIONS[args.action]}").run(args))
