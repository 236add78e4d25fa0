"""Findings computed again from the features in a bundle: reproduced, weaker, contradicted, not to be had."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import workshop as w

from mpk_tui import canonical, hashtree
from mpk_tui.bundle import wording
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.local.rebuild import fingerprint_of, rebuild, withheld
from mpk_tui.bundle.local.rerun import judge, rerun
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.constitution import norm
from mpk_tui.constitution.verdict import decide
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import Feature, Fingerprint
from mpk_tui.lineage.compare import compare_sides
from mpk_tui.lineage.sides import Side
from mpk_tui.selftest.reading import demo_folder

Record = dict[str, Any]


@cache
def made(name: str) -> Fingerprint:
    return fingerprint(open_checkpoint(demo_folder(name)))


@cache
def compared(a: str, b: str) -> Record:
    return compare_sides(Side(a, made(a), None), Side(b, made(b), None))


def artifact_sections(artifact: str, fp: Fingerprint) -> dict[str, Any]:
    """As the exporter writes them."""
    return {
        f"checkpoint.{artifact}": {
            **w.checkpoint_section(), "notices": list(fp.notices),
            "files": [{"path": f.path, "kind": f.kind, "size": f.size, "sha256": f.sha256, "after": None,
                       "link": f.link, "link_class": f.link_class, "mtime_ns": None, "error": None} for f in fp.files],
        },
        f"facts.{artifact}": {
            "tool": fp.tool, "config": dict(fp.config), "tokenizer": dict(fp.tokenizer),
            "metadata": [[file, [[k, m[k]] for k in sorted(m)]] for file, m in sorted(fp.metadata.items())],
        },
        f"tensors.{artifact}": [[t.name, t.dtype, list(t.shape), t.nbytes, t.sha256] for t in fp.tensors],
        f"features.{artifact}": [
            {"id": f.id, "version": f.version, "params": dict(f.params), "tolerance": None, "dtype": f.dtype,
             "shape": list(f.shape), "data": f.data} for _, f in sorted(fp.features.items())
        ],
    }  # fmt: skip


def contents(subject: Fingerprint, reference: Fingerprint, record: Mapping[str, Any]) -> Contents:
    """A case of one pair that answers nothing, so that only the finding is at stake."""
    plain = w.contents(
        evidence=[], answers=[], locations__S1=None,
        findings=[{"pair": w.PAIR, "digest": hashtree.sha256(canonical.encode(record)), "record": record}],
        verdict={
            "pairs": [{"pair": w.PAIR, **decide(norm.load(), {}, []).as_record(), "rationale": "", "alternatives": [],
                       "limitations": [], "known_gaps": []}],
            "decided_by": "Anna", "decided_at": 1,
        },
    )  # fmt: skip
    sections = dict(plain.sections)
    rows = []
    for row, fp in zip(sections["artifacts"], (subject, reference), strict=True):
        rows.append({**row, "format": fp.format, "family": fp.family, "scope": fp.scope, "fingerprint": fp.digest})
        sections |= artifact_sections(row["id"], fp)
    return replace(plain, sections={**sections, "artifacts": rows})


def again(what: Contents) -> Outcome:
    """Signed, verified and computed again."""
    outcome = w.check(w.sealed(what))
    assert outcome.verdict is Word.VALID, outcome.words
    shown = outcome.shown()
    assert shown is not None
    return rerun(outcome, shown)


def edited(record: Record, **changes: Any) -> Record:
    return {**copy.deepcopy(record), **changes}


def with_z(record: Record, test: str, z: float) -> Record:
    out = copy.deepcopy(record)
    next(t for t in out["tests"] if t["name"] == test)["z"] = z
    return out


@pytest.mark.parametrize("reference", ["base", "twin"])
def test_what_was_found_is_found_again_to_the_last_digit(reference: str) -> None:
    outcome = again(contents(made("fine-tune"), made(reference), compared("fine-tune", reference)))
    assert outcome.verdict is Word.VALID
    (record,) = outcome.rerun
    assert record["outcome"] == "reproduced"
    assert record["signed"] == record["found"] == compared("fine-tune", reference)["finding"]
    repeated = [t for t in record["tests"] if t["state"] == "repeated" and t["name"] != "retention"]
    assert len(repeated) == 3
    assert all(t["same_data"] and t["signed_z"] == t["found_z"] and t["signed_p"] == t["found_p"] for t in repeated)
    assert "ffn.aligned" in "\n".join(wording.lines(outcome))


def test_the_fingerprint_file_is_rebuilt_byte_for_byte() -> None:
    what = contents(made("fine-tune"), made("base"), compared("fine-tune", "base"))
    rebuilt = fingerprint_of(what, "S1")
    assert rebuilt is not None
    assert rebuilt.to_bytes() == made("fine-tune").to_bytes()
    assert rebuild(what, "R1").genuine is True


def test_names_that_are_not_text_come_back_as_they_were(tmp_path: Path) -> None:
    from mpk_tui.bundle.from_case import _link, _named

    raw = b"caf\xe9.txt"
    (tmp_path / "model.safetensors").write_bytes((demo_folder("base") / "model.safetensors").read_bytes())
    try:
        (tmp_path / raw.decode("utf-8", "surrogateescape")).write_bytes(b"x")
        (tmp_path / "link").symlink_to(raw.decode("utf-8", "surrogateescape"))
    except OSError:
        pytest.skip("the file system refuses such names")
    fp = fingerprint(open_checkpoint(tmp_path))
    what = contents(fp, made("base"), compared("fine-tune", "base"))
    rows = [
        {**_named("path", f.path), **_link(f.link), "kind": f.kind, "size": f.size, "sha256": f.sha256, "after": None,
         "link_class": f.link_class, "mtime_ns": None, "error": None} for f in fp.files
    ]  # fmt: skip
    what.sections["checkpoint.S1"]["files"] = rows  # type: ignore[index]
    assert any("path_b" in r for r in rows)
    assert rebuild(what, "S1").genuine is True


@pytest.mark.parametrize(
    ("reference", "claimed"),
    [
        ("twin", "shared-trained-ancestor"), ("twin", "near-identical"), ("twin", "shared-initialisation"),
        ("twin", "component-shared"), ("twin", "made-up"), ("base", "no-correspondence"), ("base", "not-comparable"), ("base", "shared-initialisation"),
    ],
)  # fmt: skip
def test_an_edited_finding_is_not_valid(reference: str, claimed: str) -> None:
    record = edited(compared("fine-tune", reference), finding=claimed)
    outcome = again(contents(made("fine-tune"), made(reference), record))
    assert outcome.verdict is Word.INCONSISTENT
    assert outcome.code == 22
    assert any(claimed in c for c in outcome.contradictions)
    assert outcome.rerun[0]["outcome"] == "contradicts"


def test_identical_is_contradicted_by_the_lists_of_tensors_without_a_rerun() -> None:
    record = edited(compared("fine-tune", "base"), finding="identical")
    outcome = w.check(w.sealed(contents(made("fine-tune"), made("base"), record)))
    assert outcome.verdict is Word.INCONSISTENT
    assert "identical" in outcome.contradictions[0]


def test_edited_numbers_are_not_valid() -> None:
    plain = compared("fine-tune", "twin")
    outcome = again(contents(made("fine-tune"), made("twin"), with_z(plain, "ffn.aligned", 150.0)))
    assert outcome.verdict is Word.INCONSISTENT
    assert "ffn.aligned" in outcome.contradictions[0]
    slightly = with_z(plain, "ffn.aligned", plain["tests"][0]["z"] + 0.001)  # another machine's last digits
    assert again(contents(made("fine-tune"), made("twin"), slightly)).verdict is Word.VALID


def test_swapped_features_are_not_those_of_the_fingerprint() -> None:
    what = contents(made("fine-tune"), made("base"), compared("fine-tune", "base"))
    sections = dict(what.sections)
    sections["features.R1"] = artifact_sections("R1", made("twin"))["features.R1"]
    outcome = again(replace(what, sections=sections))
    assert outcome.verdict is Word.INCONSISTENT
    assert any("features of R1 are not those that were recorded" in c for c in outcome.contradictions)
    # With a fingerprint made up to fit, the finding no longer follows.
    mixed = replace(made("base"), features=made("twin").features)
    outcome = again(contents(made("fine-tune"), mixed, compared("fine-tune", "base")))
    assert outcome.verdict is Word.INCONSISTENT
    assert outcome.rerun[0]["found"] == "no-correspondence"


def test_what_is_withheld_is_not_run_and_nothing_is_claimed() -> None:
    signed = w.sealed(contents(made("fine-tune"), made("base"), compared("fine-tune", "base")))
    for name in ("features.S1", "facts.S1", "tensors.S1"):
        outcome = w.check(w.without_blob(signed, name))
        shown = outcome.shown()
        assert shown is not None
        assert withheld(shown, "S1") == (name,)
        assert fingerprint_of(shown, "S1") is None
        outcome = rerun(outcome, shown)
        assert outcome.verdict is Word.PARTIAL
        assert outcome.rerun[0]["outcome"] == "not-run"
        assert name in outcome.rerun[0]["sentence"]
    rows = w.items(signed, "tensors.S1")
    rows[0] = [hashtree.leaf_hash(canonical.encode(rows[0]))]
    outcome = w.check(w.with_items(signed, "tensors.S1", rows))
    shown = outcome.shown()
    assert shown is not None
    assert rerun(outcome, shown).rerun[0]["outcome"] == "not-run"
    outcome = w.check(w.without_blob(signed, "findings"))
    shown = outcome.shown()
    assert shown is not None
    assert any("none was computed again" in n for n in rerun(outcome, shown).notices)


def test_without_numpy_the_verdict_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    what = contents(
        made("fine-tune"), made("base"), edited(compared("fine-tune", "base"), finding="near-identical")
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "numpy", None)
    outcome = again(what)
    assert outcome.verdict is Word.VALID
    assert "numpy is not installed" in outcome.rerun[0]["sentence"]


def test_the_module_itself_needs_no_numpy() -> None:
    code = "import sys, mpk_tui.bundle.local.rerun, mpk_tui.bundle.local.rebuild; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def hostile(fp: Fingerprint, change: str) -> Fingerprint:
    features = dict(fp.features)
    for name, f in fp.features.items():
        if change == "nan":
            features[name] = replace(f, data=b"\xff" * len(f.data))
        elif change == "params":
            features[name] = replace(f, params={})
        elif change == "types":
            features[name] = replace(f, params=dict.fromkeys(f.params, "x"))
        elif change == "empty":
            features[name] = Feature(f.id, f.version, f.params, f.dtype, (0, 0, 0), b"")
        elif change == "flat":
            features[name] = replace(f, shape=(len(f.data) // 2,), dtype="<f2")
    return replace(fp, features=features)


@pytest.mark.parametrize("change", ["nan", "params", "types", "empty", "flat"])
def test_hostile_features_end_in_a_sentence(change: str) -> None:
    bad = hostile(made("base"), change)
    outcome = again(contents(made("fine-tune"), bad, compared("fine-tune", "base")))
    assert outcome.rerun[0]["sentence"]
    assert outcome.rerun[0]["outcome"] != "reproduced"
    assert wording.as_record(outcome)["rerun"]


@pytest.mark.parametrize(
    "record",
    [{}, {"finding": 3}, {"finding": "no-correspondence", "tests": "no"}, {"finding": "no-correspondence", "tests": [1]},
     {"finding": "no-correspondence", "tests": [{"name": 1}, {"name": "ffn.aligned", "ran": True, "z": "1", "p": None}]}],
)  # fmt: skip
def test_a_signed_record_of_any_shape_is_judged(record: Record) -> None:
    found = judge("S1:R1", record, compared("fine-tune", "base"))
    assert found.outcome == "contradicts"
    assert found.faults


def from_weights(record: Record, factor: float = 2.0) -> Record:
    """The record as weights would have given it: more units, so a higher z; attention and the body looked at."""
    out = copy.deepcopy(record)
    for t in out["tests"]:
        if t["ran"] and t["z"] is not None:
            t.update(source="weights", z=t["z"] * factor)
        elif t["name"] == "residual.body":
            t.update(ran=True, p=1e-12, z=100.0, rho=0.99, reason="", source="weights")
    return out


def test_weights_and_features_need_not_give_the_same_z() -> None:
    found = judge("S1:R1", from_weights(compared("fine-tune", "base")), compared("fine-tune", "base"))
    assert (found.outcome, found.faults) == ("reproduced", ())
    assert "Features cannot repeat residual.body" in found.sentence


@pytest.mark.parametrize(
    ("signed", "found", "outcome"),
    [
        ("near-identical", "shared-trained-ancestor", "weaker"),
        ("reformatted", "shared-trained-ancestor", "weaker"),
        ("shared-trained-ancestor", "common-origin-unresolved", "weaker"),
        ("shared-trained-ancestor", "not-comparable", "weaker"),
        ("no-correspondence", "not-comparable", "weaker"),
        ("common-origin-unresolved", "shared-trained-ancestor", "stronger"),
        ("common-origin-unresolved", "shared-initialisation", "weaker"),
        ("shared-trained-ancestor", "shared-initialisation", "contradicts"),
        ("shared-initialisation", "shared-trained-ancestor", "contradicts"),
        ("no-correspondence", "common-origin-unresolved", "contradicts"),
        ("not-comparable", "shared-trained-ancestor", "contradicts"),
        ("reformatted", "identical", "contradicts"),
        ("identical", "near-identical", "contradicts"),
    ],
)
def test_claims_are_compared_and_not_names(signed: str, found: str, outcome: str) -> None:
    plain: Record = {"tool": {"version": "1"}, "tests": []}
    assert judge("p", {**plain, "finding": signed}, {**plain, "finding": found}).outcome == outcome


def test_only_a_test_that_features_cannot_repeat_may_have_seen_more() -> None:
    def test(name: str, p: float | None, source: str = "weights", rho: float = 0.9) -> Record:
        ran = p is not None
        return {"name": name, "ran": ran, "p": p, "z": 50.0 if ran and p < 0.01 else 0.0, "rho": rho if ran else None,
                "source": source, "reason": "" if ran else "needs weights"}  # fmt: skip

    nothing = {
        "finding": "no-correspondence",
        "tests": [test("ffn.aligned", 0.5, "fingerprints", 0.0), test("attn.channels", None)],
    }
    beyond = {
        "finding": "shared-trained-ancestor",
        "tests": [test("ffn.aligned", 0.5, rho=0.0), test("attn.channels", 1e-12)],
    }
    assert judge("p", beyond, nothing).outcome == "weaker"
    weak = {**beyond, "tests": [test("ffn.aligned", 0.5, rho=0.0), test("attn.channels", 0.2)]}
    assert judge("p", weak, nothing).outcome == "contradicts"
    denied = {**beyond, "tests": [test("ffn.aligned", 1e-12), test("attn.channels", 1e-12)]}
    assert any("ffn.aligned" in f for f in judge("p", denied, nothing).faults)


def test_the_profile_behind_the_figures_is_neither_repeated_nor_held_against_anybody() -> None:
    """It comes from weights where they were at hand; records of earlier versions have none."""
    found = compared("base", "fine-tune")
    assert found["profile"]["layers"]["missing"] == ""
    bare = {k: v for k, v in found.items() if k != "profile"}
    other = {**found, "profile": {"v": 99, "layers": {"missing": "", "z": [[0.0]]}}}
    for signed in (found, bare, other, {**found, "profile": 7}):
        assert judge("S1:R1", signed, found) == judge("S1:R1", found, found)
        assert judge("S1:R1", signed, found).faults == ()
