"""Make signing keys and keep the trust store.

new -o KEY.pem           a new Ed25519 key: KEY.pem (encrypted, for you alone) and KEY.pub.pem (for everybody)
show FILE                algorithm and fingerprint of a public key
trust KEY.pub.pem        put a key into the trust store, after its fingerprint was confirmed
list                     the people and keys of the store
revoke WHO               mark keys as superseded, left or compromised

A fingerprint is the SHA-256 of the key's DER form; compare it with its owner over another way than the one that the
file came by.
"""

from __future__ import annotations

import argparse
import importlib

# Action -> module of this package; each has ``add(actions)``, which declares its arguments, and ``run(args)``.
ACTIONS = {"new": "making", "show": "making", "trust": "trusting", "list": "trusting", "revoke": "trusting"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in dict.fromkeys(ACTIONS.values()):
        importlib.import_module(f"{__name__}.{name}").add(actions)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    return int(importlib.import_module(f"{__name__}.{ACTIONS[args.action]}").run(args))
