"""A bundle against checkpoints on disk: whole, re-sharded, edited, incomplete, strange."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import workshop as w

from mpk_tui import hashtree
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.bundle.recheck import recheck
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.fingerprint.hashing import hash_checkpoint

Tensors = Mapping[str, bytes]


def random_tensors(seed: str) -> dict[str, bytes]:
    names = ["model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight", "model.norm.weight", "lm_head.weight"]
    return {n: b"".join(hashlib.sha256(f"{seed} {n} {i}".encode()).digest() for i in range(2)) for n in names}


def write_shard(path: Path, tensors: Tensors, **metadata: str) -> None:
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    at = 0
    for name, data in tensors.items():
        header[name] = {"dtype": "F32", "shape": [4, 4], "data_offsets": [at, at + len(data)]}
        at += len(data)
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + b"".join(tensors.values()))


def write_folder(folder: Path, tensors: Tensors, shards: int = 1, **files: str) -> Path:
    folder.mkdir(parents=True)
    names = list(tensors)
    if shards == 1:
        write_shard(folder / "model.safetensors", tensors)
    else:
        index = {}
        for n in range(shards):
            name = f"model-{n + 1:05}-of-{shards:05}.safetensors"
            part = {k: tensors[k] for k in names[n::shards]}
            write_shard(folder / name, part)
            index |= dict.fromkeys(part, name)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (folder / "config.json").write_text('{"model_type": "llama"}')
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def sections_for(path: Path, artifact: str) -> dict[str, Any]:
    hashes = hash_checkpoint(open_checkpoint(path))
    files = [
        {"path": f.path, "kind": f.kind, "size": f.size, "sha256": f.sha256, "after": None, "link": f.link,
         "link_class": f.link_class, "mtime_ns": None, "error": None}
        for f in hashes.files
    ]  # fmt: skip
    rows = [[t.name, t.dtype, list(t.shape), t.nbytes, t.sha256] for t in hashes.tensors]
    return {f"checkpoint.{artifact}": w.checkpoint_section(*files), f"tensors.{artifact}": rows}


SUBJECT, REFERENCE = random_tensors("subject"), random_tensors("reference")


@pytest.fixture
def bundle(tmp_path: Path) -> Envelope:
    made = w.contents(
        findings=[], evidence=[], answers=[], features__S1=None, locations__S1=None,
        verdict={"pairs": [default_verdict()], "decided_by": "Anna", "decided_at": 1},
    )  # fmt: skip
    sections = dict(made.sections)
    sections |= sections_for(write_folder(tmp_path / "original" / "s", SUBJECT, 2), "S1")
    sections |= sections_for(write_folder(tmp_path / "original" / "r", REFERENCE), "R1")
    return w.sealed(Contents(made.case, made.seq, made.prev, made.created, made.tool, sections))


def default_verdict() -> dict[str, Any]:
    from mpk_tui.constitution import norm
    from mpk_tui.constitution.verdict import decide

    more = {"rationale": "", "alternatives": [], "limitations": [], "known_gaps": []}
    return {"pair": w.PAIR, **decide(norm.load(), {}, []).as_record(), **more}


def against(bundle: Envelope, *paths: Path) -> Outcome:
    outcome = w.check(bundle)
    contents = outcome.shown()
    assert contents is not None
    return recheck(outcome, contents, paths)


def test_the_same_folder_matches_and_the_other_artifact_is_named(bundle: Envelope, tmp_path: Path) -> None:
    outcome = against(bundle, tmp_path / "original" / "s")
    assert outcome.verdict is Word.VALID
    assert "all 4 tensors of S1 (suspect) match and so do all files" in outcome.words
    assert "Not presented and therefore not compared: R1 (reference)" in outcome.words
    assert outcome.checkpoint[0]["files"]["same"] == 4


def test_both_artifacts(bundle: Envelope, tmp_path: Path) -> None:
    outcome = against(bundle, tmp_path / "original" / "r", tmp_path / "original" / "s")
    assert outcome.verdict is Word.VALID
    assert [c["artifact"] for c in outcome.checkpoint] == ["R1", "S1"]
    assert "Not presented" not in outcome.words


@pytest.mark.parametrize("shards", [1, 3, 4])
def test_resharded_with_a_readme_still_matches(bundle: Envelope, tmp_path: Path, shards: int) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, shards, README__md="hello")
    outcome = against(bundle, path)
    assert outcome.verdict is Word.VALID
    assert "all 4 tensors of S1 (suspect) match; the folder's layout differs" in outcome.words
    (record,) = outcome.checkpoint
    assert record["result"] == "match"
    assert "README.md" in record["files"]["extra"]
    assert record["files"]["missing"]
    assert record["tensors"] == {"same": 4, "changed": [], "missing": [], "extra": [], "not_comparable": []}
    assert record["notices"]


def test_a_rewritten_readme_is_listed_and_no_mismatch(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s", SUBJECT, README__md="as it was", config_extra__json="{}")
    made = w.contents(
        findings=[], evidence=[], answers=[], features__S1=None, locations__S1=None,
        verdict={"pairs": [default_verdict()], "decided_by": "Anna", "decided_at": 1},
    )  # fmt: skip
    sections = {**made.sections, **sections_for(folder, "S1")}
    sections |= sections_for(write_folder(tmp_path / "r", REFERENCE), "R1")
    signed = w.sealed(Contents(made.case, made.seq, made.prev, made.created, made.tool, sections))
    (folder / "README.md").write_text("as somebody wants it")
    outcome = against(signed, folder)
    assert outcome.verdict is Word.VALID
    assert outcome.checkpoint[0]["files"]["changed"] == ["README.md"]
    (folder / "config_extra.json").write_text('{"auto_map": "run me"}')
    assert against(signed, folder).verdict is Word.MISMATCH


def test_other_metadata_in_a_weight_file_is_layout(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", REFERENCE)
    write_shard(path / "model.safetensors", REFERENCE, format="pt")
    outcome = against(bundle, path)
    assert outcome.verdict is Word.VALID
    assert outcome.checkpoint[0]["files"]["changed"] == ["model.safetensors"]


def test_a_lone_file_is_enough(bundle: Envelope, tmp_path: Path) -> None:
    write_shard(tmp_path / "any.safetensors", SUBJECT)
    outcome = against(bundle, tmp_path / "any.safetensors")
    assert outcome.verdict is Word.VALID
    assert outcome.checkpoint[0]["artifact"] == "S1"


def test_one_edited_tensor_is_a_mismatch_that_names_it(bundle: Envelope, tmp_path: Path) -> None:
    edited = {**SUBJECT, "model.norm.weight": b"\1" + SUBJECT["model.norm.weight"][1:]}
    outcome = against(bundle, write_folder(tmp_path / "suspect", edited, 2))
    assert outcome.verdict is Word.MISMATCH
    assert outcome.code == 21
    assert "model.norm.weight" in outcome.words
    assert outcome.checkpoint[0]["tensors"]["changed"] == ["model.norm.weight"]
    assert outcome.checkpoint[0]["tensors"]["same"] == 3


def test_a_renamed_or_added_tensor_is_a_mismatch(bundle: Envelope, tmp_path: Path) -> None:
    added = {**SUBJECT, "extra.weight": bytes(64)}
    outcome = against(bundle, write_folder(tmp_path / "added", added))
    assert outcome.verdict is Word.MISMATCH
    assert outcome.checkpoint[0]["tensors"]["extra"] == ["extra.weight"]
    renamed = dict(SUBJECT)
    renamed["head"] = renamed.pop("lm_head.weight")
    assert against(bundle, write_folder(tmp_path / "renamed", renamed)).verdict is Word.MISMATCH


def test_two_tensors_with_their_names_swapped_are_a_mismatch(bundle: Envelope, tmp_path: Path) -> None:
    a, b = list(SUBJECT)[:2]
    swapped = {**SUBJECT, a: SUBJECT[b], b: SUBJECT[a]}
    outcome = against(bundle, write_folder(tmp_path / "swapped", swapped))
    assert outcome.verdict is Word.MISMATCH
    assert set(outcome.checkpoint[0]["tensors"]["changed"]) == {a, b}


def test_absent_tensors_are_partial(bundle: Envelope, tmp_path: Path) -> None:
    some = {k: SUBJECT[k] for k in list(SUBJECT)[:3]}
    write_shard(tmp_path / "some.safetensors", some)
    outcome = against(bundle, tmp_path / "some.safetensors")
    assert outcome.verdict is Word.PARTIAL
    assert outcome.checkpoint[0]["tensors"]["missing"] == ["lm_head.weight"]
    assert "3 of S1 (suspect)'s tensors are here and match; 1 are absent" in outcome.words


def test_a_folder_with_one_shard_missing_is_partial(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    (path / "model-00002-of-00002.safetensors").unlink()
    outcome = against(bundle, path)
    assert outcome.verdict is Word.PARTIAL, outcome.words
    assert outcome.checkpoint[0]["tensors"]["same"] == 2
    assert any("not a complete checkpoint" in n for n in outcome.checkpoint[0]["notices"])


def test_another_model_is_a_mismatch(bundle: Envelope, tmp_path: Path) -> None:
    outcome = against(bundle, write_folder(tmp_path / "twin", random_tensors("twin")))
    assert outcome.verdict is Word.MISMATCH
    write_shard(tmp_path / "x.safetensors", {"quite.different": bytes(64)})
    outcome = against(bundle, tmp_path / "x.safetensors")
    assert outcome.verdict is Word.MISMATCH
    assert outcome.checkpoint[0]["artifact"] is None
    assert "shares no tensor" in outcome.words


def test_an_edited_config_is_a_mismatch_though_the_tensors_match(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    (path / "config.json").write_text('{"model_type": "mistral"}')
    outcome = against(bundle, path)
    assert outcome.verdict is Word.MISMATCH
    assert "config.json" in outcome.words
    assert outcome.checkpoint[0]["tensors"]["same"] == 4


def test_a_file_replaced_by_a_link_is_seen_and_not_followed(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    outside = tmp_path / "config.json"
    os.rename(path / "config.json", outside)
    (path / "config.json").symlink_to(outside)
    outcome = against(bundle, path)
    assert outcome.verdict is Word.MISMATCH
    assert outcome.checkpoint[0]["files"]["changed"] == ["config.json"]


def test_planted_files_are_listed_wherever_they_lie(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    (path / ".git" / "hooks").mkdir(parents=True)
    (path / ".git" / "hooks" / "post-checkout").write_text("#!/bin/sh")
    (path / ".gitattributes").write_text("")
    assert against(bundle, path).checkpoint[0]["files"]["extra"] == [".git/hooks/post-checkout", ".gitattributes"]


def test_what_is_no_checkpoint_is_a_mismatch_and_what_is_absent_an_error(bundle: Envelope, tmp_path: Path) -> None:
    from mpk_tui.errors import StorageError

    (tmp_path / "broken.safetensors").write_bytes(b"\xff" * 20)
    assert against(bundle, tmp_path / "broken.safetensors").verdict is Word.MISMATCH
    with pytest.raises(StorageError):
        against(bundle, tmp_path / "nothing")


def test_withheld_tensors_are_compared_by_their_hash(bundle: Envelope, tmp_path: Path) -> None:
    rows = w.items(bundle, "tensors.S1")
    from mpk_tui.canonical import encode

    rows[0] = [hashtree.leaf_hash(encode(rows[0]))]
    part = w.with_items(bundle, "tensors.S1", rows)
    outcome = against(part, tmp_path / "original" / "s")
    assert outcome.verdict is Word.PARTIAL  # of the bundle; the checkpoint matches in full
    assert outcome.checkpoint[0]["result"] == "match"
    outcome = against(w.without_blob(bundle, "tensors.S1"), tmp_path / "original" / "s")
    assert outcome.checkpoint[0]["result"] == "match"
    assert any("only its root" in n for n in outcome.checkpoint[0]["notices"])
    edited = {**SUBJECT, "lm_head.weight": bytes(64)}
    outcome = against(part, write_folder(tmp_path / "edited", edited, 2))
    assert outcome.verdict is Word.MISMATCH


def test_a_worse_verdict_of_the_bundle_stays(bundle: Envelope, tmp_path: Path) -> None:
    from mpk_tui.bundle.trust import TrustStore

    outcome = w.check(bundle, TrustStore())
    shown = outcome.shown(untrusted=True)
    assert shown is not None
    other = write_folder(tmp_path / "twin", random_tensors("twin"))
    assert recheck(outcome, shown, [other]).verdict is Word.UNTRUSTED
