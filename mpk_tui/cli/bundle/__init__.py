"""Build an evidence bundle from a case, sign it, look into it.

build CASE -o FILE --key KEY.pem            build and sign at once
build CASE -o FILE --signer ID:ROLE:PUB.pem build for signers who sign elsewhere: each with bundle sign
sign FILE --key KEY.pem                     add the signature of a declared signer; --agent lets an ssh-agent sign
sign FILE --request OUT.pae                 write the message, for another machine: sign-request or openssl
sign-request OUT.pae --key KEY.pem -o S.sig say what would be signed, and sign it
sign FILE --import S.sig                    take that signature in
show FILE                                   everything in it, after it was verified
endorse FILE --kind concur|dissent|… --id NAME --statement TEXT --key KEY.pem   a signed statement beside it
redact FILE -o OUT --section ID --reason CODE --authority TEXT --id NAME --key KEY.pem   leave something out
extract FILE --to DIR                       write attachments into an empty folder, under their ids
detach FILE -o OUT                          a copy whose attachments travel beside it (verify --attachments DIR)
prove FILE --tensor ARTIFACT:NAME -o P.mpki one tensor of the bundle, proven without the rest of it
check-proof P.mpki --checkpoint PATH        check such a proof, and a local tensor against it

All declared signers must sign; a bundle with one signature missing is never VALID.  What is signed is printed first.
"""

from __future__ import annotations

import argparse
import importlib

# Action -> module of this package; each has ``add(actions)``, which declares its arguments, and ``run(args)``.
ACTIONS = {
    "build": "building",
    "sign": "signing",
    "sign-request": "elsewhere",
    "show": "showing",
    "endorse": "endorsing",
    "redact": "redacting",
    "extract": "attaching",
    "detach": "attaching",
    "prove": "proving",
    "check-proof": "proving",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in dict.fromkeys(ACTIONS.values()):
        importlib.import_module(f"{__name__}.{name}").add(actions)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    return int(importlib.import_module(f"{__name__}.{ACTIONS[args.action]}").run(args))
