"""Make signing keys and keep the trust store.

new -o KEY.pem           a new Ed25519 key: KEY.pem (encrypted, for you alone) and KEY.pub.pem (for everybody);
                         --suite s2 adds an ML-DSA-65 key beside it, KEY.ml-dsa-65.pem
show FILE                algorithm and fingerprint of a public key; --pem and --openssh print it
agent KEY.pem            let the ssh-agent hold an Ed25519 key for a while, to sign with --agent
trust KEY.pub.pem        put a key into the trust store, after its fingerprint was confirmed
list                     the people and keys of the store
revoke WHO               mark keys as superseded, left or compromised, from a date on
policy                   how many people of which role must sign, and the weakest suite
store ACTION             signed stores: accept, show, new, next, sign, unpack (keys store --help)

A fingerprint is the SHA-256 of the key's DER form; compare it with its owner over another way than the one that the
file came by: by hex digits, or by words.
"""

from __future__ import annotations

import argparse
import importlib

# Action -> module of this package; each has ``add(actions)``, which declares its arguments, and ``run(args)``.
ACTIONS = {
    "new": "making", "show": "making", "agent": "making", "trust": "trusting", "list": "trusting", "revoke": "trusting",
    "policy": "trusting", "store": "storing",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in dict.fromkeys(ACTIONS.values()):
        importlib.import_module(f"{__name__}.{name}").add(actions)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    return int(importlib.import_module(f"{__name__}.{ACTIONS[args.action]}").run(args))
