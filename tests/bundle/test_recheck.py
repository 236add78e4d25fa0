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
from mpk_tui.bundle.local.recheck import recheck
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.fingerprint.hashing import hash_checkpoint
from mpk_tui.progress import Progress

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


def test_planted_files_are_a_mismatch_and_listed_wherever_they_lie(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    (path / ".git" / "hooks").mkdir(parents=True)
    (path / ".git" / "hooks" / "post-checkout").write_text("#!/bin/sh")
    (path / ".gitattributes").write_text("")
    outcome = against(bundle, path)
    assert outcome.verdict is Word.MISMATCH
    assert outcome.checkpoint[0]["files"]["extra"] == [".git/hooks/post-checkout", ".gitattributes"]


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


def named_sections(path: Path, artifact: str) -> dict[str, Any]:
    """Like `sections_for`, for names that are not UTF-8."""
    from mpk_tui.bundle.from_case import _link, _named

    out = sections_for(path, artifact)
    for row in out[f"checkpoint.{artifact}"]["files"]:
        row.update(_named("path", row.pop("path")) | _link(row.pop("link")))
    return out


def signed_folder(folder: Path, tmp_path: Path, **checkpoint: Any) -> Envelope:
    """A bundle whose subject is this folder as it is now."""
    made = w.contents(
        findings=[], evidence=[], answers=[], features__S1=None, locations__S1=None,
        verdict={"pairs": [default_verdict()], "decided_by": "Anna", "decided_at": 1},
    )  # fmt: skip
    sections = {**made.sections, **named_sections(folder, "S1")}
    sections["checkpoint.S1"] |= checkpoint
    sections |= sections_for(write_folder(tmp_path / "reference", REFERENCE), "R1")
    return w.sealed(Contents(made.case, made.seq, made.prev, made.created, made.tool, sections))


def put(folder: Path, path: str, data: bytes = b"x") -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)


@pytest.mark.parametrize(
    "path",
    [".git/config", ".git/hooks/post-checkout", ".gitattributes", "sub/.hidden", ".cache/README.md", "modeling_x.py",
     "tokenizer.json", "generation_config.json", "pytorch_model.bin", "run.sh", "sub/deep/a.so", "chat_template.jinja",
     "readme", "vocab.txt", "README.py", "empty.json"],
)  # fmt: skip
def test_a_file_that_was_added_and_could_act_is_a_mismatch(tmp_path: Path, path: str) -> None:
    folder = write_folder(tmp_path / "s", SUBJECT)
    signed = signed_folder(folder, tmp_path, exclusions=[{"reason": ".git", "count": 3}])
    put(folder, path, b"" if path == "empty.json" else b"x")
    outcome = against(signed, folder)
    (record,) = outcome.checkpoint
    assert record["files"]["extra"] == [path]
    assert record["weights"] == "all 4 tensors are those that were examined"
    assert record["folder"].startswith("2 files are the same, 1 extra (listed)")
    if path == "readme":  # prose by its name
        assert outcome.verdict is Word.VALID
        return
    assert outcome.verdict is Word.MISMATCH
    assert f"{path} (extra" in outcome.words
    assert f"could change what is run or loaded: {path} (extra" in record["folder"]
    assert ("hidden" in outcome.words) == any(p.startswith(".") for p in path.split("/"))


@pytest.mark.parametrize("path", ["README.md", "LICENSE", "NOTICE.txt", "images/plot.png", "docs/model card.md"])
def test_prose_and_pictures_that_were_added_are_told(tmp_path: Path, path: str) -> None:
    folder = write_folder(tmp_path / "s", SUBJECT)
    signed = signed_folder(folder, tmp_path)
    put(folder, path)
    outcome = against(signed, folder)
    assert outcome.verdict is Word.VALID
    assert outcome.checkpoint[0]["files"]["extra"] == [path]
    assert "other files differ (listed)" in outcome.words


def test_weights_alone_can_be_asked_for_and_files_are_listed_all_the_same(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    put(path, ".git/config")
    (path / "config.json").write_text("{}")
    outcome = w.check(bundle)
    shown = outcome.shown()
    assert shown is not None
    asked = recheck(outcome, shown, [path], folder=False)
    assert asked.verdict is Word.VALID
    assert asked.checkpoint[0]["files"]["extra"] == [".git/config"]
    assert asked.checkpoint[0]["files"]["changed"] == ["config.json"]
    assert "could change what is run or loaded: config.json (changed), .git/config" in asked.checkpoint[0]["folder"]
    assert recheck(outcome, shown, [path]).verdict is Word.MISMATCH
    edited = {**SUBJECT, "lm_head.weight": bytes(64)}
    other = write_folder(tmp_path / "edited", edited, 2)
    assert recheck(outcome, shown, [other], folder=False).verdict is Word.MISMATCH


def test_a_link_to_the_same_content_is_another_thing(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    (path / "same.json").write_bytes((path / "config.json").read_bytes())
    (path / "config.json").unlink()
    (path / "config.json").symlink_to("same.json")
    outcome = against(bundle, path)
    assert outcome.verdict is Word.MISMATCH
    assert "config.json (was a file, is a link)" in outcome.words
    # A weight file that became a link is not followed either, wherever it leads.
    path = write_folder(tmp_path / "again", SUBJECT, 2)
    shard = path / "model-00001-of-00002.safetensors"
    os.rename(shard, tmp_path / "elsewhere.safetensors")
    shard.symlink_to(tmp_path / "elsewhere.safetensors")
    assert against(bundle, path).verdict is Word.MISMATCH


def test_a_readme_that_became_a_link_is_a_mismatch(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s", SUBJECT, README__md="as it was")
    signed = signed_folder(folder, tmp_path)
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to("config.json")
    outcome = against(signed, folder)
    assert outcome.verdict is Word.MISMATCH
    assert "README.md (was a file, is a link)" in outcome.words


def test_a_link_out_of_the_folder_is_not_followed(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    (tmp_path / "secret").write_text("outside")
    (path / "notes.md").symlink_to(tmp_path / "secret")
    (path / "away").symlink_to(tmp_path)
    outcome = against(bundle, path)
    assert outcome.verdict is Word.MISMATCH
    assert outcome.checkpoint[0]["files"]["extra"] == ["away", "notes.md"]
    assert "away (extra, a link), notes.md (extra, a link)" in outcome.words


def test_a_name_that_differs_in_case_is_another_name_with_a_hint(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s", SUBJECT)
    signed = signed_folder(folder, tmp_path)
    os.rename(folder / "config.json", folder / "Config.json")
    outcome = against(signed, folder)
    assert outcome.verdict is Word.MISMATCH
    (record,) = outcome.checkpoint
    assert (record["files"]["missing"], record["files"]["extra"]) == (["config.json"], ["Config.json"])
    assert any(
        "'Config.json' here and 'config.json' in the bundle differ in case alone" in n for n in record["notices"]
    )


@pytest.mark.parametrize("name", ["caf\u00e9.json", "caf\u00e9.md"])
def test_another_unicode_form_is_another_name_with_a_hint(tmp_path: Path, name: str) -> None:
    import unicodedata

    folder = write_folder(tmp_path / "s", SUBJECT)
    put(folder, name)
    signed = signed_folder(folder, tmp_path)
    other = unicodedata.normalize("NFD", name)
    os.rename(folder / name, folder / other)
    if os.fsencode(other) not in os.listdir(os.fsencode(folder)):
        pytest.skip("the file system normalises names")
    outcome = against(signed, folder)
    assert outcome.verdict is Word.MISMATCH
    assert "(renamed)" in outcome.words
    assert any("differ in Unicode form alone" in n for n in outcome.checkpoint[0]["notices"])


def test_names_that_are_not_text_are_compared_as_bytes(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s", SUBJECT)
    name = b"caf\xe9.json"
    try:
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name))).write_bytes(b"x")
    except OSError:
        pytest.skip("the file system refuses such names")
    signed = signed_folder(folder, tmp_path)
    assert against(signed, folder).verdict is Word.VALID
    os.rename(os.fsencode(folder) + b"/" + name, os.fsencode(folder) + b"/caf\xe8.json")
    outcome = against(signed, folder)
    assert outcome.verdict is Word.MISMATCH
    assert outcome.checkpoint[0]["files"]["missing"] == [os.fsdecode(name)]


def test_a_file_that_changes_while_it_is_hashed_is_unstable(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    outcome = w.check(bundle)
    shown = outcome.shown()
    assert shown is not None

    def meddle(progress: Progress) -> None:
        with open(path / "model-00001-of-00002.safetensors", "r+b") as f:
            f.seek(-1, os.SEEK_END)
            f.write(os.urandom(1))

    # One byte more at each report: whichever file is being read, the shard is one of those still to come or open.
    hit = [recheck(outcome, shown, [path], meddle) for _ in range(3)]
    assert {o.verdict for o in hit} == {Word.MISMATCH}
    os.truncate(path / "model-00001-of-00002.safetensors", 8)
    assert recheck(outcome, shown, [path]).verdict is Word.MISMATCH


def test_a_file_that_grows_between_opening_and_hashing_is_called_unstable(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    put(path, "a-large-one.md", bytes(16 << 20))
    outcome = w.check(bundle)
    shown = outcome.shown()
    assert shown is not None

    def meddle(progress: Progress) -> None:
        with open(path / "a-large-one.md", "ab") as f:
            f.write(b"x")

    found = recheck(outcome, shown, [path], meddle)
    assert found.verdict is Word.MISMATCH
    assert "unstable" in found.words


def test_empty_and_hard_linked_files_are_listed_like_any_other(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "s", SUBJECT)
    put(folder, "empty.json", b"")
    signed = signed_folder(folder, tmp_path)
    assert against(signed, folder).checkpoint[0]["files"]["same"] == 3
    (folder / "empty.json").unlink()
    put(folder, "other-empty.json", b"")
    os.link(folder / "config.json", folder / "linked.json")
    outcome = against(signed, folder)
    assert outcome.verdict is Word.MISMATCH
    lists = outcome.checkpoint[0]["files"]
    assert (lists["missing"], lists["extra"]) == (["empty.json"], ["linked.json", "other-empty.json"])


def test_bytes_that_no_tensor_covers_are_caught(bundle: Envelope, tmp_path: Path) -> None:
    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    with open(path / "model-00001-of-00002.safetensors", "ab") as f:
        f.write(b"payload")
    outcome = against(bundle, path)
    assert outcome.verdict is Word.MISMATCH
    assert "bytes that belong to no tensor" in outcome.words
    assert outcome.checkpoint[0]["tensors"]["same"] == 4
    # The same in a file that was not there before.
    path = write_folder(tmp_path / "resharded", SUBJECT, 3)
    with open(path / "model-00003-of-00003.safetensors", "ab") as f:
        f.write(b"payload")
    outcome = against(bundle, path)
    assert outcome.verdict is Word.MISMATCH
    assert "extra, with bytes that belong to no tensor" in outcome.words


def test_the_words_say_that_shards_differ_and_tensors_do_not(bundle: Envelope, tmp_path: Path) -> None:
    record = against(bundle, write_folder(tmp_path / "suspect", SUBJECT, 3)).checkpoint[0]
    assert record["weights"] == "all 4 tensors are those that were examined"
    assert "the tensors lie in other files" in record["folder"]


def test_the_first_lines_answer_what_a_receiver_asks(bundle: Envelope, tmp_path: Path) -> None:
    from mpk_tui.bundle import wording

    path = write_folder(tmp_path / "suspect", SUBJECT, 2)
    put(path, ".git/config")
    lines = wording.lines(against(bundle, path))[:12]
    text = "\n".join(lines)
    for said in (
        "complete and intact", "signer   Anna", "says     S1 (suspect) and R1 (reference): ",
        f"yours    {path} has the weights of S1 (suspect)", "weights: all 4 tensors are those that were examined",
        "1 extra (listed)", "not held against anything here: R1 (reference)",
    ):  # fmt: skip
        assert said in text, said
    assert all(len(line) <= 80 for line in lines if str(tmp_path) not in line and "loaded" not in line), text
