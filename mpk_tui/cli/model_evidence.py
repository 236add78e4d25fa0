"""A model signature as an item of evidence of kind (b) in a case.

What it can carry is little: whoever holds the key signed these bytes.  It speaks for identity (C4, 3.1) only where the
other side of the pair is made of the very files that were signed, and for nothing else: a signature does not say where
weights come from.  Whatever does not meet this is refused with its reason; nothing is recorded then.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from mpk_tui.case import Case, actions
from mpk_tui.case.artifacts import find_artifact, opening_of, shown, stored_fingerprint
from mpk_tui.case.state import Artifact
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.cli.model_sig import whom
from mpk_tui.cli.output import emit, narrate, progress_bar
from mpk_tui.errors import ExitCode, UsageError
from mpk_tui.fingerprint.record import Fingerprint, looks_like_fingerprint
from mpk_tui.modelsig.check import Checked, check_model

IDENTITY = frozenset({"c4", "3.1"})
"""All that a signature over files can speak for."""
MOST_LISTED = 50


def add_model_evidence(case: Case, args: argparse.Namespace) -> int:
    """Check the signature named by ``--model-sig`` against an artifact and record it.

    Raises:
        UsageError: It cannot be this artifact's evidence, or not for the questions given; says why.
        MpkError: The signature file, the key or the artifact cannot be read.
    """
    pair, other = _sides(case, args)
    artifact = find_artifact(case, args.artifact)
    supports = tuple(dict.fromkeys(s.lower() for s in args.supports))
    beyond = [q for q in supports if q not in IDENTITY]
    if beyond:
        raise UsageError(
            f"a model signature cannot support {beyond[0]}: it says who signed these bytes, not where they come from",
            hint="It may support c4 and 3.1 where both sides are made of the signed files",
        )
    if not artifact.fingerprint:
        raise UsageError(f"{artifact.id} has no fingerprint yet", hint="mpk-tui case fingerprint makes it")
    path = Path(artifact.path)
    if path.is_file() and looks_like_fingerprint(path):
        raise UsageError(f"{artifact.id} is a fingerprint file; a signature is held against the files", where=str(path))
    key, authorities = whom(args.key, args.ca)
    found = check_model(path, args.model_sig, datetime.now(UTC), key, authorities, progress_bar(), whole=True)
    if found.code != ExitCode.OK:
        narrate(found.sentence)
        narrate("nothing was recorded; as context it can be kept with --kind context --file")
        return int(found.code)
    mine = stored_fingerprint(case, artifact.id)
    weights = _signed_weights(artifact, found, mine)
    if supports:
        _require_same(case, artifact.id, other, mine, weights)
    made = actions.add_evidence(
        case, pair, kind="b", supports=supports, source=_source(args, found),
        locator=f"{artifact.id}: {len(found.compared.same)} of {_present(found)} files covered and equal; root digest "
        f"{found.statement.root.hex()}",
        excerpt=_not_covered(found), file=args.model_sig, id=args.id,
    )  # fmt: skip
    emit(f"{made.id}  kind {made.kind}  supports {', '.join(made.supports) or 'nothing'}")
    emit(f"  {made.locator}")
    emit(f"  {made.excerpt}")
    return ExitCode.OK


def _sides(case: Case, args: argparse.Namespace) -> tuple[str, str]:
    """The pair and the artifact on the other side."""
    for name in ("locator", "excerpt", "file", "opposes"):
        if getattr(args, name):
            raise UsageError(f"--{name} does not go with --model-sig, which states it itself")
    if args.kind not in (None, "b"):
        raise UsageError(f"--model-sig makes evidence of kind b, not {args.kind}")
    pair, a, b = actions.split_pair(case, args.pair)
    if args.artifact not in (a, b):
        given = args.artifact or "none"
        raise UsageError(f"--artifact names the side whose files were signed, {a} or {b}; given was {given}")
    return pair, b if args.artifact == a else a


def _signed_weights(artifact: Artifact, found: Checked, mine: Fingerprint) -> frozenset[bytes]:
    """SHA-256 of the artifact's weight files, all of them signed and all as they were when it was fingerprinted."""
    same = dict(found.compared.sha256)
    recorded = {f.path: f.sha256 for f in mine.files}
    for path, digest in same.items():
        before = recorded.get(path)
        if before is None or before.hex() != digest:
            raise UsageError(
                f"{path} is not what it was when {artifact.id} was fingerprinted",
                where=artifact.path,
                hint="Find out why; then fingerprint it again",
            )
    weights = open_checkpoint(Path(artifact.path), how=opening_of(artifact)).weights
    bare = [w for w in weights if w not in same]
    if bare or not weights:
        raise UsageError(
            f"the signature does not cover the weights of {artifact.id} ({', '.join(bare[:5]) or 'none'})",
            where=str(found.file.where),
            hint="What it covers may be kept as context: --kind context --file",
        )
    return frozenset(bytes.fromhex(same[w]) for w in weights)


def _require_same(case: Case, signed: str, other: str, mine: Fingerprint, weights: frozenset[bytes]) -> None:
    """The other side must be made of the signed weight files, whatever they are called there, and of nothing more."""
    if not find_artifact(case, other).fingerprint:
        raise UsageError(f"{other} has no fingerprint yet", hint="mpk-tui case fingerprint makes it")
    theirs = stored_fingerprint(case, other)
    if theirs.root != mine.root or not weights <= {f.sha256 for f in theirs.files}:
        raise UsageError(
            f"the signed files are those of {signed}; {other} is made of other ones, so that the signature does not "
            "support identity of the two",
            hint="Without --supports it is recorded as what it is: who signed the files of one side",
        )


def _source(args: argparse.Namespace, found: Checked) -> str:
    given = args.key or args.ca
    who = f"{args.source.strip()}: " if args.source.strip() else ""
    holder = f" of {found.signing.signer}" if found.signing.signer else ""
    return f"{who}OpenSSF Model Signing, key {found.signing.keyid}{holder}, checked with {shown(given.name)}"


def _present(found: Checked) -> int:
    return len(found.compared.same) + len(found.compared.extra)


def _not_covered(found: Checked) -> str:
    extra = found.compared.extra
    text = "Not covered: " + ("; ".join(f"{shown(e.path)[:200]} ({e.note[:200]})" for e in extra[:MOST_LISTED]) or "-")
    more = f"; and {len(extra) - MOST_LISTED} more" if len(extra) > MOST_LISTED else ""
    held = found.signing.validity
    return f"{shown(text)}{more}." + (f" {'; '.join(held.sentences())}." if held else "")
