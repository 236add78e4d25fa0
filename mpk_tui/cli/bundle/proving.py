"""``bundle prove`` and ``bundle check-proof``: one tensor of a bundle, proven without the rest of it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from mpk_tui.bundle.later import proofs
from mpk_tui.bundle.later.proofs import ProofOutcome
from mpk_tui.bundle.outcome import Word
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.cli.bundle.looking import look, look_options, refuse
from mpk_tui.cli.bundle.redacting import tensor_name
from mpk_tui.cli.bundle.signing import now
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import ExitCode, LimitError, MpkError, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.text import hex_groups


def add(actions: Any) -> None:
    """Declare the arguments of both actions."""
    made = actions.add_parser("prove", allow_abbrev=False, help="write the proof of one tensor")
    made.add_argument("bundle", type=Path, metavar="FILE")
    made.add_argument("--tensor", metavar="ARTIFACT:NAME", required=True)
    made.add_argument("-o", "--output", type=Path, metavar="P.mpki", required=True, help="proof file to write")
    look_options(made)
    checked = actions.add_parser("check-proof", allow_abbrev=False, help="check the proof of one tensor")
    checked.add_argument("proof", type=Path, metavar="P.mpki")
    checked.add_argument("--checkpoint", type=Path, metavar="PATH", help="hold its tensor of that name against it")
    checked.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/proof/1)")
    look_options(checked)


def run(args: argparse.Namespace) -> int:
    """Run one of the actions."""
    return _prove(args) if args.action == "prove" else _check(args)


def _prove(args: argparse.Namespace) -> int:
    if os.path.lexists(args.output):
        raise StorageError("exists; it is not overwritten", where=str(args.output), hint="Name another file")
    artifact, name = tensor_name(args.tensor)
    looked = look(args)
    if looked.contents is None:
        return refuse(looked, untrusted=args.show_untrusted, what="nothing was written")
    proof = proofs.prove(looked.sealed, looked.body, artifact, name)
    data = proof.to_bytes()
    write_file(args.output, data)
    emit(f"tensor   {proof.index + 1} of {proof.count} of {artifact}: {name}")
    narrate(f"wrote {args.output}, {len(data)} bytes with {len(proof.path)} hashes; it holds the manifest: who gets it")
    narrate("reads the case, tool and signers, and ids, sizes and counts of all sections")
    return ExitCode.OK


def _check(args: argparse.Namespace) -> int:
    outcome = ProofOutcome(Word.INTERNAL, "")
    try:
        outcome = _outcome(args)
    except MpkError as error:
        if isinstance(error, UsageError) and error.where is None:
            raise
        outcome = ProofOutcome(Word.INTERNAL, error.diagnosis())
    if args.json:
        emit_json(_record(outcome, untrusted=args.show_untrusted))
        narrate(f"VERDICT {outcome.verdict} {int(outcome.code)}")
        return int(outcome.code)
    for line in _lines(outcome, untrusted=args.show_untrusted):
        emit(line, fold=True)
    emit(f"VERDICT {outcome.verdict} {int(outcome.code)}")
    return int(outcome.code)


def _outcome(args: argparse.Namespace) -> ProofOutcome:
    from mpk_tui.cli.verify import trust_from

    store = trust_from(args)
    try:
        data = read_small(args.proof, proofs.MOST_BYTES, follow=True)
    except LimitError as error:
        return ProofOutcome(Word.LIMIT, error.diagnosis())
    outcome = proofs.check(data, store, now())
    tensor = outcome.shown(untrusted=args.show_untrusted)
    if args.checkpoint is None:
        return outcome
    if tensor is None:
        narrate("the checkpoint was not compared: the proof is not to be relied on")
        return outcome
    from mpk_tui.checkpoint.open import open_checkpoint
    from mpk_tui.fingerprint.hashing import hash_tensor

    checkpoint = open_checkpoint(args.checkpoint)
    found = hash_tensor(checkpoint, tensor[0], progress_bar())
    local = None if found is None else (found.name, found.dtype, list(found.shape), found.nbytes, found.sha256)
    return proofs.held_against(outcome, local, str(args.checkpoint))


def _lines(outcome: ProofOutcome, *, untrusted: bool) -> list[str]:
    out = []
    if outcome.bundle_id is not None:
        out.append(f"bundle   {outcome.bundle_id.hex()}")
    tensor = outcome.shown(untrusted=untrusted)
    if tensor is not None:
        name, dtype, shape, nbytes, digest = tensor
        out += [
            f"tensor   {name}: {dtype} {shape}, {nbytes} bytes",
            f"         {digest.hex()}",
            f"list     {outcome.section}, number {outcome.index + 1} of {outcome.count}",
        ]
    for s in outcome.signers:
        who = f"{s.person} as {s.id!r}" if s.person else repr(s.id) if s.id else "somebody"
        role = f", {s.role}" if s.role else ""
        out.append(f"signer   {who}{role}: {s.state}{f' ({s.reason})' if s.reason else ''}")
        out += [f"         key {hex_groups(k)}" for k in s.keyids]
    return [*out, *outcome.notices, "", outcome.words]


def _record(outcome: ProofOutcome, *, untrusted: bool) -> dict[str, Any]:
    tensor = outcome.shown(untrusted=untrusted)
    here = tensor is not None
    return {
        "schema": "mpk-tui/proof/1", "verdict": outcome.verdict.value, "code": int(outcome.code),
        "words": outcome.words, "bundle": outcome.bundle_id.hex() if outcome.bundle_id else None,
        "section": outcome.section if here else None, "index": outcome.index if here else None,
        "count": outcome.count if here else None,
        "tensor": None if tensor is None else {
            "name": tensor[0], "dtype": tensor[1], "shape": list(tensor[2]), "bytes": tensor[3],
            "sha256": tensor[4].hex(),
        },
        "signers": [
            {"id": s.id, "role": s.role, "keys": [k.hex() for k in s.keyids], "state": s.state, "person": s.person,
             "reason": s.reason}
            for s in outcome.signers
        ],
        "notices": list(outcome.notices),
    }  # fmt: skip
