"""What partial evidence may say: parts are compared and named, identity and exclusions are never established."""

from __future__ import annotations

import json
from pathlib import Path

import ml_arrays
import pytest

from mpk_tui.case import artifacts, create_case
from mpk_tui.case.actions import add_evidence, answer, compare_pair
from mpk_tui.case.review import verdict
from mpk_tui.checkpoint.open import Opening
from mpk_tui.cli import main
from mpk_tui.constitution.verdict import PARTIAL
from mpk_tui.lineage.compare import compare

ZOO = Path(__file__).parent.parent / "zoo" / "slim"
PARTS = Opening(partial=True)


@pytest.fixture(scope="module")
def whole() -> Path:
    return ZOO / "llama-a-1"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Path:
    """The same model in two shards, of which one is missing."""
    return without_second_shard(whole, tmp_path_factory.mktemp("parts") / "m")


def without_second_shard(model: Path, folder: Path) -> Path:
    folder.mkdir()
    tensors = ml_arrays.load(model / "model.safetensors")
    lost = [n for n in tensors if ".layers.3." in n or "h.3." in n]
    assert lost
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    raw = (model / "model.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    dtype = next(v["dtype"] for k, v in header.items() if k != "__metadata__")
    ml_arrays.save(folder / first, {n: v for n, v in tensors.items() if n not in lost}, dtype)
    index = {n: second if n in lost else first for n in tensors}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (folder / "config.json").write_bytes((model / "config.json").read_bytes())
    return folder


def test_equal_parts_are_near_identical_and_never_identical(whole: Path, parts: Path) -> None:
    record = compare(parts, parts, how=PARTS)
    assert record["finding"] == "near-identical"
    assert "the evidence is partial (A: the shard 'model-00002-of-00002.safetensors' is missing" in record["sentence"]
    assert record["a"]["missing"] == record["b"]["missing"] != []
    assert record["proposal"]["conditions"]["c4"]["answer"] == "undetermined"
    against = compare(whole, parts, how=PARTS)
    assert against["finding"] not in ("identical", "reformatted")
    assert "missing" not in against["a"]
    assert any("The evidence is partial" in line for line in against["limits"])


def test_two_runs_of_one_seed_establish_no_exclusion_in_parts(tmp_path: Path) -> None:
    base, run = ZOO / "gpt2-a-1", ZOO / "gpt2-a-1.seed_order"
    assert compare(base, run)["proposal"]["exclusions"]
    record = compare(base, without_second_shard(run, tmp_path / "m"), how=PARTS)
    assert record["finding"] == "common-origin-unresolved"
    assert "Partial evidence establishes no exclusion" in record["sentence"]
    assert record["proposal"]["exclusions"] == []


def test_a_case_records_what_is_missing_and_its_verdict_says_so(tmp_path: Path, whole: Path, parts: Path) -> None:
    with create_case(tmp_path / "case", id="X", title="t", examiner="e") as case:
        artifacts.add_artifact(case, parts, role="subject", how=PARTS)
        artifacts.add_artifact(case, whole, role="reference")
        for name in ("S1", "R1"):
            artifacts.fingerprint_artifact(case, name)
        assert not case.state.artifacts["S1"].complete
        assert case.state.artifacts["R1"].complete
        assert compare_pair(case)["a"]["missing"]
        item = add_evidence(case, "", kind="a", source="paper", supports=("4.4",), excerpt="two runs")
        answer(case, "4.4", "met", reason="as the paper says", evidence=(item.id,))
        found = verdict(case)
    assert found.exclusions == ()
    assert PARTIAL in found.statements
    assert "exclusion 4.4 is answered met, but the evidence is partial and establishes none" in found.gaps


def test_the_command_line_asks_for_leave(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fingerprint", str(parts)]) == 30
    assert "--partial" in capsys.readouterr().err
    assert main(["fingerprint", "--partial", str(parts)]) == 0
    assert "  missing      the shard 'model-00002-of-00002.safetensors' is missing" in capsys.readouterr().out
