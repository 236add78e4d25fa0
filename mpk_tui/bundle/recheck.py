"""A bundle held against checkpoints on this machine: re-hash them, find out which artifact each is, list differences.

Two levels, kept apart: L1 compares files (paths, kinds, contents), L2 compares tensors by name, type, shape and bytes,
whatever files they lie in.  L2 decides which artifact a checkpoint is and whether it is that artifact; another folder
layout or a file that was added is told and listed, and is no mismatch.  Standard library and our own hashing only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpk_tui import hashtree
from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.bundle.verify import with_checkpoint
from mpk_tui.canonical import encode
from mpk_tui.checkpoint.folder import INDEX, list_folder
from mpk_tui.checkpoint.model import Checkpoint
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.errors import LimitError, MalformedError, UnstableFileError, UnsupportedError, UsageError
from mpk_tui.fingerprint.hashing import FileHash, Hashes, hash_checkpoint, tensor_root
from mpk_tui.progress import CancelToken, Report, silent


@dataclass(frozen=True)
class Lists:
    """What a comparison of names found.  ``same`` is a count, the rest are names."""

    same: int
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    not_comparable: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Plain form."""
        return {
            "same": self.same, "changed": list(self.changed), "missing": list(self.missing), "extra": list(self.extra),
            "not_comparable": list(self.not_comparable),
        }  # fmt: skip


@dataclass(frozen=True)
class Recheck:
    """One local checkpoint against the bundle.

    Attributes:
        path: As it was named.
        artifact: Id of the artifact that it is, or comes closest to; None if it shares no tensor with any.
        word: `Word.MISMATCH`, `Word.PARTIAL`, or None where everything presented matches.
        sentence: The result in words.
        tensors: L2.
        files: L1.
        notices: What else a person should know.
    """

    path: str
    artifact: str | None
    word: Word | None
    sentence: str
    tensors: Lists = Lists(0)
    files: Lists = Lists(0)
    notices: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Plain form, as ``verify --json`` prints it."""
        result = "match" if self.word is None else self.word.value.lower()
        return {
            "path": self.path, "artifact": self.artifact, "result": result, "sentence": self.sentence,
            "tensors": self.tensors.as_record(), "files": self.files.as_record(), "notices": list(self.notices),
        }  # fmt: skip


def recheck(
    outcome: Outcome,
    contents: Contents,
    paths: Sequence[Path],
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> Outcome:
    """Compare checkpoints with the artifacts of a bundle.

    Args:
        outcome: Of the verification; its verdict can only become worse.
        contents: What the bundle says, as far as it may be shown.
        paths: Folders or files.
        report: Progress of the hashing.
        cancel: Polled while hashing.

    Raises:
        StorageError: A path cannot be read.
    """
    roots = {
        s.suffix: s.digest for s in (outcome.manifest.sections if outcome.manifest else ()) if s.family == "tensors"
    }
    done: list[Recheck] = []
    for path in paths:
        taken = {r.artifact for r in done if r.artifact is not None}
        done.append(_one(contents, roots, path, taken, report, cancel))
    presented = {r.artifact for r in done if r.artifact is not None and r.word is not Word.MISMATCH}
    absent = [a for a in contents.artifacts if a["id"] not in presented]
    words = " ".join(r.sentence for r in done)
    if absent and presented:
        names = ", ".join(f"{a['id']} ({a['label']})" for a in absent)
        words += f" Not presented and therefore not compared: {names}."
    worst = min((r.word for r in done if r.word is not None), key=list(Word).index, default=None)
    return with_checkpoint(outcome, worst, words, tuple(r.as_record() for r in done))


def _one(
    contents: Contents,
    roots: Mapping[str, bytes],
    path: Path,
    taken: set[str],
    report: Report,
    cancel: CancelToken | None,
) -> Recheck:
    notices: list[str] = []
    try:
        checkpoint = _open(path, notices, cancel)
        hashes = hash_checkpoint(checkpoint, report, cancel)
    except UnstableFileError as error:
        return Recheck(str(path), None, Word.MISMATCH, f"{path}: unstable, it changed while it was read ({error}).")
    except (LimitError, MalformedError, UnsupportedError, UsageError) as error:
        return Recheck(str(path), None, Word.MISMATCH, f"{path}: cannot be read as a checkpoint ({error.diagnosis()}).")
    leaves = {t.name: hashtree.leaf_hash(t.item()) for t in hashes.tensors}
    artifact = _closest(contents, roots, hashes, leaves, taken)
    if artifact is None:
        return Recheck(
            str(path), None, Word.MISMATCH,
            f"{path}: not one of the bundle's artifacts; it shares no tensor with any of them. Another file format or "
            "number format changes every digest: mpk-tui compare can tell.",
        )  # fmt: skip
    name = f"{artifact} ({(contents.artifact(artifact) or {}).get('label', '')})"
    files, layout = _files(contents, artifact, checkpoint, hashes)
    rows = contents.sections.get(f"tensors.{artifact}")
    if rows is None:
        whole = tensor_root(hashes.tensors) == roots[artifact]
        tensors = Lists(len(leaves)) if whole else Lists(0, not_comparable=tuple(leaves))
        notices.append(f"the list of tensors of {artifact} is withheld: only its root was compared")
    else:
        tensors = _tensors(rows, leaves)
    word, sentence = _result(path, name, tensors, files, layout, len(leaves))
    if files.changed or files.missing or files.extra:
        notices.append("files differ from those that were examined: see the list")
    return Recheck(str(path), artifact, word, sentence, tensors, files, tuple(notices))


def _open(path: Path, notices: list[str], cancel: CancelToken | None) -> Checkpoint:
    try:
        return open_checkpoint(path, cancel)
    except MalformedError as error:
        # A folder with a shard missing is no checkpoint, but what is there can still be compared tensor by tensor.
        if not path.is_dir():
            raise
        files = list_folder(path, cancel)
        shards = [f.path for f in files if "/" not in f.path and f.path.endswith(".safetensors") and f.kind == "file"]
        if not shards:
            raise
        parts = [open_checkpoint(path / shard, cancel) for shard in shards]
        tensors = {name: t for part in parts for name, t in part.tensors.items()}
        if len(tensors) != sum(len(part.tensors) for part in parts):
            raise
        notices.append(f"not a complete checkpoint ({error.what}); the shards that are there were compared")
        ordered = {n: tensors[n] for n in sorted(tensors, key=lambda n: n.encode("utf-8", "surrogatepass"))}
        return replace(parts[0], path=path, root=path, files=files, weights=tuple(shards), tensors=ordered)


def _closest(
    contents: Contents, roots: Mapping[str, bytes], hashes: Hashes, leaves: Mapping[str, bytes], taken: set[str]
) -> str | None:
    """The artifact that most of these tensors belong to; an exact one wins, then one that was not presented yet."""
    root = tensor_root(hashes.tensors)
    have = set(leaves.values())
    best: tuple[tuple[bool, int, int, bool], str] | None = None
    for artifact in contents.artifacts:
        name = artifact["id"]
        rows = contents.sections.get(f"tensors.{name}", ())
        equal = sum(_leaf(r) in have for r in rows)
        shared = sum(not isinstance(r, Withheld) and r[0] in leaves for r in rows)
        exact = roots.get(name) == root
        if not (exact or equal or shared):
            continue
        score = (exact, equal, shared, name not in taken)
        if best is None or score > best[0]:
            best = (score, name)
    return best[1] if best else None


def _leaf(row: Any) -> bytes:
    return row.digest if isinstance(row, Withheld) else hashtree.leaf_hash(encode(row))


def _tensors(rows: Sequence[Any], leaves: Mapping[str, bytes]) -> Lists:
    named = {r[0]: _leaf(r) for r in rows if not isinstance(r, Withheld)}
    hidden = {r.digest for r in rows if isinstance(r, Withheld)}
    same = sum(leaves.get(name) == leaf for name, leaf in named.items())
    found = [name for name, leaf in leaves.items() if name not in named and leaf in hidden]
    lost = len(hidden) - len(found)
    return Lists(
        same + len(found),
        tuple(n for n, leaf in named.items() if n in leaves and leaves[n] != leaf),
        tuple(n for n in named if n not in leaves),
        tuple(n for n in leaves if n not in named and leaves[n] not in hidden),
        tuple(f"{lost} withheld tensors" for _ in range(1) if lost),
    )


def _files(contents: Contents, artifact: str, checkpoint: Checkpoint, hashes: Hashes) -> tuple[Lists, tuple[str, ...]]:
    """Files by path, and those of the changed ones that only hold the tensors in another way."""
    recorded = {_path(f): f for f in contents.sections[f"checkpoint.{artifact}"]["files"]}
    local = {f.path: f for f in hashes.files}
    changed, unread = [], []
    same = 0
    for path, row in recorded.items():
        mine = local.get(path)
        if mine is None:
            continue
        if row["kind"] == "file" and row["sha256"] is None:
            unread.append(path)
        elif _equal(row, mine):
            same += 1
        else:
            changed.append(path)
    weights = {*checkpoint.weights, INDEX}
    # A model card says nothing that a model computes with: rewritten, it is listed like one that was added.
    prose = {p for p in changed if p.upper().startswith(("README", "LICENSE", "NOTICE")) and local[p].kind == "file"}
    layout = tuple(
        p for p in changed if p in weights | prose or (local[p].sha256 and local[p].sha256 == recorded[p]["sha256"])
    )
    lists = Lists(
        same,
        tuple(changed),
        tuple(p for p in recorded if p not in local),
        tuple(p for p in local if p not in recorded),
        tuple(unread),
    )
    return lists, layout


def _path(row: Mapping[str, Any]) -> str:
    raw = row.get("path_b")
    return os.fsdecode(raw) if isinstance(raw, bytes) else str(row["path"])


def _equal(row: Mapping[str, Any], mine: FileHash) -> bool:
    raw = row.get("link_b")
    link = os.fsdecode(raw) if isinstance(raw, bytes) else row["link"]
    return bool(row["kind"] == mine.kind and row["sha256"] == mine.sha256 and link == mine.link)


def _result(
    path: Path, name: str, tensors: Lists, files: Lists, layout: tuple[str, ...], count: int
) -> tuple[Word | None, str]:
    edited = [p for p in files.changed if p not in layout]
    if tensors.changed or tensors.extra or (tensors.not_comparable and not tensors.same):
        named = [*tensors.changed, *(f"{t} (not in the bundle)" for t in tensors.extra)]
        what = ", ".join(named[:10]) + (f" and {len(named) - 10} more" if len(named) > 10 else "")
        return Word.MISMATCH, f"{path}: not {name}; {tensors.same} of its tensors match, these differ: {what or 'all'}."
    absent = len(tensors.missing) + len(tensors.not_comparable)
    if edited:
        listed = ", ".join(edited[:10])
        return Word.MISMATCH, f"{path}: the tensors that are here match {name}, but these files differ: {listed}."
    if absent:
        return (
            Word.PARTIAL,
            f"{path}: {tensors.same} of {name}'s tensors are here and match; {len(tensors.missing)} are absent.",
        )
    other = bool(files.changed or files.missing or files.extra)
    tail = "; the folder's layout differs (listed)" if other else " and so do all files"
    return None, f"{path}: all {count} tensors of {name} match{tail}."
