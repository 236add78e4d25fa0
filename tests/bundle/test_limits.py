"""Limits: lowered freely, raised on request only, and the refusal names the one that was met."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import workshop as w
from keyfiles import key_files
from workshop import ANNA, BERT

from mpk_tui.bundle import limits, schema
from mpk_tui.bundle.limits import DEFAULT, Bounds, bounds
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.bundle.verify import verify
from mpk_tui.cli import main
from mpk_tui.errors import UsageError

ONE = w.endorsed(w.endorsed(w.sealed(None, ANNA, BERT), BERT), ANNA)
RAW = ONE.to_bytes()


def checked(data: bytes, chosen: Bounds) -> Outcome:
    return verify(data, w.DEFAULT_STORE, w.NOW, bounds=chosen)


LOWERED: dict[str, int] = {
    "file_bytes": len(RAW), "manifest_bytes": len(ONE.payload), "signatures": 2, "endorsements": 2,
    "endorsement_bytes": max(len(e.body) for e in ONE.endorsements), "sections": len(ONE.blobs), "log_entries": 3,
    "tensors": 3, "blob_bytes": max(len(b.data) for b in ONE.blobs),
}  # fmt: skip


@pytest.mark.parametrize("name", LOWERED)
def test_lowered_by_one_it_is_refused_by_name(name: str) -> None:
    enough = LOWERED[name]
    assert checked(RAW, bounds({name: enough})).verdict is Word.VALID
    outcome = checked(RAW, bounds({name: enough - 1}))
    assert outcome.verdict is Word.LIMIT
    assert name in outcome.words
    assert outcome.contents is None


def test_values_of_a_section_can_be_bounded() -> None:
    assert checked(RAW, bounds({"nodes": 10})).verdict is Word.LIMIT
    assert checked(RAW, DEFAULT).verdict is Word.VALID


def test_every_limit_is_tried() -> None:
    assert {f.name for f in fields(Bounds)} == {*LOWERED, "nodes", "total_nodes"}
    assert checked(RAW, bounds({})) == checked(RAW, DEFAULT)


def test_raised_on_request_only() -> None:
    with pytest.raises(UsageError, match="--allow-larger"):
        bounds({"endorsements": 65})
    assert bounds({"endorsements": 65}, larger=True).endorsements == 65
    many = replace(ONE, endorsements=ONE.endorsements[:1] * 65).to_bytes()
    assert checked(many, DEFAULT).verdict is Word.LIMIT
    assert checked(many, bounds({"endorsements": 65}, larger=True)).verdict is Word.VALID


def test_raised_signatures() -> None:
    from mpk_tui.bundle.envelope import Signature

    more = tuple(Signature(w.sha(f"key {n}"), bytes(64)) for n in range(40))
    many = replace(ONE, endorsements=(), signatures=(*ONE.signatures, *more)).to_bytes()
    assert checked(many, DEFAULT).verdict is Word.LIMIT
    assert checked(many, bounds({"signatures": 42}, larger=True)).verdict is Word.VALID


@pytest.mark.parametrize("chosen", [{"x": 1}, {"tensors": 0}, {"tensors": -1}, {"tensors": 1 << 40}])
def test_what_cannot_be_chosen(chosen: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        bounds(chosen, larger=True)


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "good.mpkb").write_bytes(RAW)
    return key_files(tmp_path, anna=ANNA)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (["--limit", "tensors=3"], 0),
        (["--limit", "tensors=2"], 31),
        (["--limit", "file_bytes=100"], 31),
        (["--limit", "log_entries=5", "--limit", "tensors=2"], 31),
        (["--limit", "tensors=9999999"], 2),
        (["--limit", "tensors=9999999", "--allow-larger"], 0),
        (["--limit", "tensors"], 2),
        (["--limit", "tensors=x"], 2),
        (["--limit", "tensors=²"], 2),
        (["--limit", "tensors=" + "9" * 5000], 2),
        (["--limit", "colour=3"], 2),
    ],
)
def test_the_option(more: list[str], code: int, bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(bench / "good.mpkb"), "--key", str(bench / "anna.pub.pem"), "--json", *more]) == code
    if code == 31:
        told: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert any(name in told["words"] for name in ("tensors", "file_bytes"))


def test_the_format_s_limits_are_integers() -> None:
    assert limits.SIGNATURES == 32
    assert json.dumps(limits.TENSORS) == "1048576"
    assert DEFAULT.of(limits.TENSORS) == DEFAULT.of(1 << 20) == 1 << 20


def test_fields_that_are_not_known_are_told_up_to_a_number() -> None:
    """A newer minor version may add fields to every row; a section of them must not become a million lines."""
    newer = w.with_manifest(w.sealed(), lambda m: m.update(v=[1, 9]))
    notes = [{"at": w.CREATED, "who": "Anna", "text": "", "colour": "red", "shape": n} for n in range(400)]
    outcome = w.check(w.with_section(newer, "notes", notes))
    told = [n for n in outcome.notices if n.startswith("not understood")]
    assert outcome.verdict is Word.VALID
    assert len(told) == schema.MOST_TOLD + 1
    assert told[-1].endswith(f"{800 - schema.MOST_TOLD} more fields")


def test_values_of_all_sections_are_counted_together() -> None:
    data = w.sealed().to_bytes()
    from mpk_tui.bundle.limits import bounds
    from mpk_tui.bundle.verify import verify

    many = verify(data, w.DEFAULT_STORE, w.NOW, bounds=bounds({"total_nodes": 400}))
    assert many.verdict is Word.LIMIT
    assert verify(data, w.DEFAULT_STORE, w.NOW, bounds=bounds({"total_nodes": 2000})).verdict is Word.VALID
