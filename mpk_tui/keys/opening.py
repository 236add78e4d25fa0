"""From what a person names, files and an agent, to whoever signs with all the keys of a suite.

The command line and the workbench ask in their own ways and end here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.suites import ML_DSA_65, NAMES, SUITES, PublicKey, in_order
from mpk_tui.errors import UsageError
from mpk_tui.keys.public import half_beside, read_halves, read_public
from mpk_tui.keys.signing import MessageSigner, Together


def needs(suite: str) -> str:
    """The algorithms of a suite in words."""
    return " and ".join(NAMES[alg] for alg in SUITES[suite])


def key_files(named: Sequence[Path], suite: str, *, agent: bool = False) -> list[Path]:
    """The private key files that are opened: those that were named, and the second half beside a single one.

    Args:
        named: As given.
        suite: Which algorithms are needed.
        agent: An ssh-agent signs too, so that a single file is meant alone.
    """
    if len(named) == 1 and ML_DSA_65 in SUITES[suite] and not agent:
        beside = half_beside(named[0])
        if beside is not None and os.path.lexists(beside):
            return [named[0], beside]
    return list(named)


def together(parts: Sequence[MessageSigner], suite: str, *, whole: bool = True) -> MessageSigner:
    """One signer of several parts, held against a suite.

    Args:
        parts: At least one.
        suite: Which algorithms are needed.
        whole: Every one of them must be there.

    Raises:
        UsageError: A key is missing or of no use.
    """
    signer = parts[0] if len(parts) == 1 else Together(parts)
    missing = [alg for alg in SUITES[suite] if alg not in {k.alg for k in signer.keys}]
    surplus = [k.alg for k in signer.keys if k.alg not in SUITES[suite]]
    if surplus:
        raise UsageError(f"suite {suite} has no {NAMES[surplus[0]]} key", hint=f"It is made with {needs(suite)}")
    if missing and whole:
        raise UsageError(
            f"suite {suite} needs {needs(suite)}; the {NAMES[missing[0]]} key is not there",
            hint="It lies beside KEY.pem as KEY.ml-dsa-65.pem, or is named as a second key",
        )
    return signer


def declared_signer(text: str, suite: str) -> Signer:
    """``ID:ROLE:PUB.pem[+PUB2.pem]``: somebody who signs later.

    Raises:
        UsageError: It is not written so, or the keys are not those of the suite.
        KeyFileError: A file holds no sound public key.
        StorageError: A file cannot be read.
    """
    name, _, rest = text.partition(":")
    role, _, given = rest.partition(":")
    if not (name and role and given):
        raise UsageError(f"a declared signer {text!r} is not written ID:ROLE:PUB.pem")
    first, plus, second = given.rpartition("+")
    keys: tuple[PublicKey, ...]
    if plus and not os.path.lexists(given):
        keys = in_order((read_public(Path(first).expanduser()), read_public(Path(second).expanduser())))
    else:
        path = Path(given).expanduser()
        keys = read_halves(path) if len(SUITES[suite]) > 1 else (read_public(path),)
    if tuple(k.alg for k in keys) != SUITES[suite]:
        found = " and ".join(NAMES[k.alg] for k in keys)
        raise UsageError(
            f"signer {name}: suite {suite} needs {needs(suite)} keys, found {found}",
            hint="Name the second half after a +, or put it beside the first as KEY.ml-dsa-65.pub.pem"
            if len(keys) < len(SUITES[suite])
            else None,
        )
    return Signer(name, role, keys)
