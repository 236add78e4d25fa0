"""One signature file held against a key or CA and against a folder: the whole answer, with its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mpk_tui.errors import ExitCode
from mpk_tui.modelsig.chain import Certificate
from mpk_tui.modelsig.comparison import Compared, compare_with
from mpk_tui.modelsig.envelope import SignatureFile, read_signature_file
from mpk_tui.modelsig.signature import Signing, check_with_ca, check_with_key, unchecked
from mpk_tui.modelsig.signer_key import SignerKey
from mpk_tui.modelsig.statement import COMPUTED, Statement, read_statement
from mpk_tui.progress import CancelToken, Report, silent

SCHEMA = "mpk-tui/modelsig/1"
MEANING = (
    "A fitting signature says that the holder of the key signed these digests. It does not say where the weights come "
    "from, when they were signed, or that what is not covered is harmless."
)


@dataclass(frozen=True)
class Checked:
    """The answer about a signature file.

    Attributes:
        file: The signature file.
        statement: What was signed.
        signing: Whether the signature fits what was given.
        compared: The folder against the statement.
        path: The folder, as it was named.
    """

    file: SignatureFile
    statement: Statement
    signing: Signing
    compared: Compared
    path: str

    @property
    def code(self) -> ExitCode:
        """The signature's answer first; files count where the signature is good."""
        if self.signing.code != ExitCode.OK:
            return self.signing.code
        c = self.compared
        if c.changed or c.missing or c.unsigned:
            return ExitCode.MISMATCH
        if self.statement.algorithm not in COMPUTED:
            return ExitCode.UNSUPPORTED
        return ExitCode.MISMATCH if c.not_comparable else ExitCode.OK

    @property
    def sentence(self) -> str:
        """The whole answer in one sentence."""
        c = self.compared
        parts = [f"{len(c.same)} of {c.covered} signed files are here and equal"]
        counts = ((len(c.changed), "changed"), (len(c.missing), "missing"), (len(c.not_comparable), "not comparable"))
        parts += [f"{n} {word}" for n, word in counts if n]
        tail = f"{len(c.extra)} entries are here and not covered" if c.extra else "nothing else is here"
        if c.unsigned:
            tail += f", {len(c.unsigned)} of them left out by nobody"
        return f"{self.signing.sentence}. {', '.join(parts)}; {tail}."

    def as_record(self) -> dict[str, Any]:
        """Plain form, as ``model-sig --json`` prints it."""
        s = self.statement
        return {
            "schema": SCHEMA, "path": self.path, "code": int(self.code), "sentence": self.sentence,
            "meaning": MEANING,
            "signature_file": {"path": self.file.where, "sha256": self.file.sha256, "method": self.file.method,
                               "hint": self.file.hint, "notices": list(self.file.notices)},
            "statement": {
                "model": s.model, "root": s.root.hex(), "method": s.method, "algorithm": s.algorithm,
                "shard_size": s.shard_size, "allow_symlinks": s.allow_symlinks,
                "ignore_paths": list(s.ignore_paths), "notices": list(s.notices),
                "resources": [
                    {"path": f.path, "digest": f.digest.hex(), "size": f.size,
                     "shards": [[x.start, x.end, x.digest.hex()] for x in f.shards]} for f in s.files
                ],
            },
            "signature": self.signing.as_record(), "files": self.compared.as_record(),
        }  # fmt: skip


def check_model(
    path: Path,
    signature: Path,
    now: datetime,
    key: SignerKey | None = None,
    authorities: Sequence[Certificate] = (),
    report: Report = silent,
    cancel: CancelToken | None = None,
    *,
    whole: bool = False,
) -> Checked:
    """Read a signature file, check it, and hold a folder against what it names.

    Args:
        path: Folder, or the file where one file was signed.
        signature: The signature file.
        now: Today, with a time zone.
        key: The key to believe, or None.
        authorities: The CAs to believe, where no key is given.
        report: Progress of the hashing.
        cancel: Polled while hashing.
        whole: Compute SHA-256 of whole files also where shards are signed.

    Raises:
        MalformedError, UnsupportedError, LimitError: The file cannot be read as a model signature.
        UsageError: One file was signed and a folder was given.
        StorageError: Something cannot be read.
    """
    made = read_signature_file(signature)
    statement = read_statement(made.payload, made.where)
    if key is not None:
        signing = check_with_key(made, key)
    elif authorities:
        signing = check_with_ca(made, authorities, now)
    else:
        signing = unchecked(made)
    compared = compare_with(statement, path, signature, report, cancel, whole=whole)
    return Checked(made, statement, signing, compared, str(path))
