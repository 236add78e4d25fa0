"""Keep a library of reference fingerprints: what a strange model can be held against without a network.

add PATH…        checkpoints or fingerprint files (.mpkf) into the catalogue, with what is said of them
list             the entries, then fingerprint files that merely lie in the folder
show NAME        one entry with everything that is known of it; -o writes its fingerprint file
change NAME      say something else of it
remove NAME      take it out; the history keeps by whom and why
graph            draw which entry is documented as made from which; nothing is compared
stats            how much there is, and of what
log              who did what when
check            hold the library against itself; --repair makes rows again that follow from the files
revoke NAME      mark it as one that must not be relied on: scans pass it over
export           a signed pack (.mpkl) of some or all entries; --since makes a delta
import PACK      verify a pack and, if it is VALID, take it in, all of it or nothing
pack show PACK   what a pack holds and who signed it; nothing is written
pack sign PACK   add the signature of an issuer whom export declared with --signer
packs            packs that were taken in, and whether their issuers are believed today
build LIST.toml  fingerprint the checkpoints that a list names, and sign a pack of them
import-mpk PATH  the reference database of Cisco's Model Provenance Kit: leads, which decide nothing

A library is a folder: a catalogue, and the fingerprint files that it names.  It is the folder library in your data
folder unless --library names another; on read-only media it is read without writing a byte.  NAME is a name or an
alias of an entry, in any case, or the beginning of the hex of its fingerprint or tensor root.
"""

from __future__ import annotations

import argparse
import importlib

# Action -> module of this package; each has ``add(actions)``, which declares the arguments of all its actions with
# `declaring.declare`, and ``run(args)``; ``args.action`` tells which is meant.
ACTIONS = {
    "add": "adding",
    "list": "listing",
    "show": "showing",
    "change": "changing",
    "remove": "changing",
    "graph": "graph",
    "stats": "counting",
    "log": "counting",
    "check": "checking",
    "export": "export",
    "import": "import_",
    "pack": "packs",
    "packs": "packs",
    "revoke": "revoking",
    "build": "build",
    "import-mpk": "import_mpk",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in dict.fromkeys(ACTIONS.values()):
        importlib.import_module(f"{__name__}.{name}").add(actions)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    return int(importlib.import_module(f"{__name__}.{ACTIONS[args.action]}").run(args))
