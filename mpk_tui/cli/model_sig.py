"""Check an OpenSSF Model Signing file (model.sig) offline, and list what it does not cover.

Give the signer's public key (--key) or a CA (--ca); a file cannot vouch for itself, so without either the digests are
compared and the signature is not checked. Every file that the signature names is hashed and compared; everything that
is there and not covered is listed, also what signers leave out by habit (.git, .gitattributes, ignore_paths).

Ends with 0 if the signature fits, every signed file is equal, and nothing is there beside them but what the signer
or the format leaves out; 20 if it does not fit; 12 if the certificate is not valid today; 11 if no key was given or
the certificate is not under the CA; 21 if files differ or unsigned ones were added; 30, 31, 32 if the file cannot be
read. Keyless signatures end with 32: their digests are compared, the signature is not checked.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from mpk_tui.cli.output import emit, emit_json, progress_bar
from mpk_tui.modelsig.chain import Certificate, read_authorities
from mpk_tui.modelsig.check import MEANING, Checked, check_model
from mpk_tui.modelsig.signer_key import SignerKey, read_signer_key

NAME = "model.sig"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("path", type=Path, metavar="FOLDER", help="the model's folder, or the file that was signed")
    parser.add_argument("--sig", type=Path, metavar="FILE", help=f"signature file (default: {NAME} in the folder)")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--key", type=Path, metavar="PEM", help="the signer's public key (ECDSA)")
    group.add_argument("--ca", type=Path, metavar="PEM", help="certificates that a signer's certificate may lead to")
    parser.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/modelsig/1)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    key, authorities = whom(args.key, args.ca)
    folder = args.path if args.path.is_dir() else args.path.parent
    now = datetime.now(UTC)
    found = check_model(args.path, args.sig or folder / NAME, now, key, authorities, progress_bar())
    if args.json:
        emit_json(found.as_record())
    else:
        show(found)
    return int(found.code)


def whom(key: Path | None, ca: Path | None) -> tuple[SignerKey | None, tuple[Certificate, ...]]:
    """The key or the CAs that the arguments name."""
    return read_signer_key(key) if key else None, read_authorities(ca) if ca else ()


def show(found: Checked) -> None:
    """Print an answer; the whole of it comes last."""
    s, made = found.statement, found.file
    size = f" of {s.shard_size} bytes" if s.shard_size else ""
    counted = f"{len(s.files)} file{'' if len(s.files) == 1 else 's'}"
    emit(f"{made.where}  (sha256 {made.sha256}, by {made.method})", fold=True)
    emit(f"model {s.model} as the signer calls it: {counted}, {s.method}{size}, {s.algorithm}", fold=True)
    emit(f"signature: {found.signing.sentence}", fold=True)
    if found.signing.keyid:
        emit(f"  key {found.signing.keyid}", fold=True)
    for c in found.signing.chain:
        emit(f"  certificate {c.subject}, issued by {c.issuer}, sha256 {c.sha256}", fold=True)
    for sentence in found.signing.validity.sentences() if found.signing.validity else ():
        emit(f"  {sentence}", fold=True)
    for notice in (*made.notices, *s.notices, *found.signing.notices, *found.compared.notices):
        emit(f"note: {notice}", fold=True)
    for path in found.compared.same:
        emit(f"same      {path}", fold=True)
    for word, items in (
        ("changed", found.compared.changed), ("missing", found.compared.missing),
        ("unable", found.compared.not_comparable), ("extra", found.compared.extra),
    ):  # fmt: skip
        for item in items:
            emit(f"{word:<9} {item.path}  ({item.note})", fold=True)
    emit(MEANING, fold=True)
    emit(found.sentence, fold=True)
