"""A bundle held against checkpoints on this machine: re-hash them, find out which artifact each is, list differences.

Two levels, kept apart and answered apart: L2 compares tensors by name, type, shape and bytes, whatever files they lie
in, and decides which artifact a checkpoint is; L1 compares files by path, kind and content.  Every difference is
listed.  Other shards and prose are told and are no mismatch; whatever else was changed or added could change what is
run or loaded, hidden files above all, and is one (ADR 0018).  Standard library and our own hashing only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mpk_tui import hashtree
from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.local.filematch import NONE, FilesFound, Lists, compare_files, first
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.bundle.verify import with_checkpoint
from mpk_tui.canonical import encode
from mpk_tui.checkpoint.folder import INDEX, list_folder
from mpk_tui.checkpoint.model import Checkpoint
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.checkpoint.weights import find_weights, models
from mpk_tui.errors import LimitError, MalformedError, StorageError, UnstableFileError, UnsupportedError, UsageError
from mpk_tui.fingerprint.hashing import Hashes, hash_checkpoint, tensor_root
from mpk_tui.progress import CancelToken, Report, silent
from mpk_tui.records import dataclass, replace


@dataclass(frozen=True)
class Recheck:
    """One local checkpoint against the bundle.

    Attributes:
        path: As it was named.
        artifact: Id of the artifact that it is, or comes closest to; None if it shares no tensor with any.
        word: `Word.MISMATCH`, `Word.PARTIAL`, or None where everything presented matches.
        sentence: The result in words.
        weights: The answer on tensors alone, in a line.
        folder: The answer on files alone, in a line.
        tensors: L2.
        files: L1.
        notices: What else a person should know.
    """

    path: str
    artifact: str | None
    word: Word | None
    sentence: str
    weights: str = "nothing could be compared"
    folder: str = "nothing could be compared"
    tensors: Lists = NONE
    files: Lists = NONE
    notices: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Plain form, as ``verify --json`` prints it."""
        result = "match" if self.word is None else self.word.value.lower()
        return {
            "path": self.path, "artifact": self.artifact, "result": result, "sentence": self.sentence,
            "weights": self.weights, "folder": self.folder,
            "tensors": self.tensors.as_record(), "files": self.files.as_record(), "notices": list(self.notices),
            "features": None,
        }  # fmt: skip


def recheck(
    outcome: Outcome,
    contents: Contents,
    paths: Sequence[Path],
    report: Report = silent,
    cancel: CancelToken | None = None,
    *,
    folder: bool = True,
) -> Outcome:
    """Compare checkpoints with the artifacts of a bundle.

    Args:
        outcome: Of the verification; its verdict can only become worse.
        contents: What the bundle says, as far as it may be shown.
        paths: Folders or files.
        report: Progress of the hashing.
        cancel: Polled while hashing.
        folder: Whether files count; without, their differences are listed and tensors alone decide.

    Raises:
        StorageError: A path cannot be read.
    """
    roots = {
        s.suffix: s.digest for s in (outcome.manifest.sections if outcome.manifest else ()) if s.family == "tensors"
    }
    done: list[Recheck] = []
    for path in paths:
        taken = {r.artifact for r in done if r.artifact is not None}
        done.append(_one(contents, roots, path, taken, folder, report, cancel))
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
    folder: bool,
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
    except StorageError as error:
        # A weight file that is a link is an answer; one that cannot be read is none.
        if not _is_link(path, error.where):
            raise
        return Recheck(str(path), None, Word.MISMATCH, f"{path}: not what was examined ({error.diagnosis()}).")
    leaves = {t.name: hashtree.leaf_hash(t.item()) for t in hashes.tensors}
    artifact = _closest(contents, roots, hashes, leaves, taken)
    if artifact is None:
        return Recheck(
            str(path), None, Word.MISMATCH,
            f"{path}: not one of the bundle's artifacts; it shares no tensor with any of them. Another file format or "
            "number format changes every digest: mpk-tui compare can tell.",
            f"none of these {len(leaves)} tensors is one that was examined", "not compared",
        )  # fmt: skip
    name = f"{artifact} ({(contents.artifact(artifact) or {}).get('label', '')})"
    rows = contents.sections.get(f"tensors.{artifact}")
    if rows is None:
        whole = tensor_root(hashes.tensors) == roots[artifact]
        tensors = Lists(len(leaves)) if whole else Lists(0, not_comparable=tuple(leaves))
        notices.append(f"the list of tensors of {artifact} is withheld: only its root was compared")
    else:
        tensors = _tensors(rows, leaves)
    equal = not (tensors.changed or tensors.missing or tensors.extra or tensors.not_comparable)
    recorded = contents.sections[f"checkpoint.{artifact}"]["files"]
    found = compare_files(recorded, checkpoint, hashes, same_tensors=equal)
    notices += found.hints
    word, sentence = _result(path, name, tensors, found, len(leaves), folder=folder)
    if found.lists.changed or found.lists.missing or found.lists.extra:
        notices.append("files differ from those that were examined: see the list")
    return Recheck(
        str(path), artifact, word, sentence, _weights_line(tensors, len(leaves)), found.line, tensors, found.lists,
        tuple(notices),
    )  # fmt: skip


def _is_link(path: Path, where: str | None) -> bool:
    return (
        where is not None and path.is_dir() and any(f.kind == "symlink" and f.path == where for f in list_folder(path))
    )


def _check_index(checkpoint: Checkpoint) -> None:
    """Refuse a folder whose index says something that cannot be followed: what others load from it is not known.

    Raises:
        MalformedError: The index is a link, is no map of tensors to files here, or none of its files is here.
    """
    if checkpoint.path != checkpoint.root or not checkpoint.format.startswith("safetensors"):
        return
    top = {e.path: e for e in checkpoint.files if "/" not in e.path and e.kind != "dir"}
    for model in models(checkpoint.root, top):
        if model.index_name == INDEX and model.error is not None:
            raise MalformedError(f"its index cannot be followed ({model.error.what})", where=INDEX)


def _open(path: Path, notices: list[str], cancel: CancelToken | None) -> Checkpoint:
    try:
        made = open_checkpoint(path, cancel)
        _check_index(made)
        return made
    except MalformedError as error:
        # A folder with a shard missing is no checkpoint, but what is there can still be compared tensor by tensor: the
        # shards that the index names (or that their numbers say belong together), and no other files.
        if not path.is_dir():
            raise
        files = list_folder(path, cancel)
        model = find_weights(path, files, partial=True)
        if model.kind != "safetensors" or (model.index is None and not model.missing):
            raise
        shards = model.weights
        parts = [open_checkpoint(path / shard, cancel) for shard in shards]
        tensors = {name: t for part in parts for name, t in part.tensors.items()}
        if len(tensors) != sum(len(part.tensors) for part in parts):
            raise
        if model.index is not None and any(model.index.get(n) != t.file for n, t in tensors.items()):
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


def _weights_line(tensors: Lists, count: int) -> str:
    if not (tensors.changed or tensors.extra or tensors.missing or tensors.not_comparable):
        return f"all {count} tensors are those that were examined"
    known = tensors.same + len(tensors.changed) + len(tensors.missing)
    parts = [f"{tensors.same} of {known} tensors are those that were examined"]
    parts += [
        f"{len(names)} {what}"
        for names, what in (
            (tensors.changed, "differs" if len(tensors.changed) == 1 else "differ"), (tensors.missing, "absent"),
            (tensors.extra, "not in the bundle"), (tensors.not_comparable, "not compared"),
        )
        if names
    ]  # fmt: skip
    return ", ".join(parts)


def _result(
    path: Path, name: str, tensors: Lists, files: FilesFound, count: int, *, folder: bool
) -> tuple[Word | None, str]:
    if tensors.changed or tensors.extra or (tensors.not_comparable and not tensors.same):
        named = [*tensors.changed, *(f"{t} (not in the bundle)" for t in tensors.extra)]
        return (
            Word.MISMATCH,
            f"{path}: not {name}; {tensors.same} of its tensors match, these differ: {first(named) or 'all'}.",
        )
    absent = len(tensors.missing) + len(tensors.not_comparable)
    if files.acting and folder:
        return (
            Word.MISMATCH,
            f"{path}: the tensors that are here match {name}, but these files differ: {first(files.acting)}.",
        )
    if absent:
        return (
            Word.PARTIAL,
            f"{path}: {tensors.same} of {name}'s tensors are here and match; {len(tensors.missing)} are absent.",
        )
    return None, f"{path}: all {count} tensors of {name} match{files.tail}."
