"""Ranked as the Kit ranks: ``golden_ranks.json`` was made by it on the same database (``golden_ranks.py``)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tiny_database import ASSETS, QUERIES, Signals, write_database

import mpk_tui.demo
from mpk_tui.cli import main
from mpk_tui.kit import kept, leads, lookup, scores
from mpk_tui.kit.record import Features, Metadata, TokenizerFeatures, WeightSignals
from mpk_tui.kit.reference import Asset, Reference

GOLDEN = json.loads((Path(__file__).parent / "golden_ranks.json").read_text())
DEMO = Path(mpk_tui.demo.__file__).parent
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "kit-scan-1.json").read_text())


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("kit")
    write_database(folder / "database")
    return kept.import_database(folder / "database", folder / "library", who="Ann", at=1)


def weights(given: Signals | None) -> WeightSignals | None:
    return None if given is None else WeightSignals(**given)


def features(name: str) -> Features:
    metadata, tokenizer, given = QUERIES[name]
    known = set(TokenizerFeatures.__dataclass_fields__)
    return Features(
        name, Metadata(**{**metadata, "architectures": tuple(metadata["architectures"])}),
        TokenizerFeatures(**{k: v for k, v in tokenizer.items() if k in known}), frozenset(), weights(given),
    )  # fmt: skip


def with_deep(reference: Reference) -> Reference:
    """As if the weight signals had been imported: what they are comes from memory below."""
    assets = [replace(a, deep=b"\1" * 32) if ASSETS[a.model_id][3] is not None else a for a in reference.assets]
    return replace(reference, assets=tuple(assets))


def ranked(name: str, reference: Reference, **asked: Any) -> lookup.Ranking:
    return lookup.rank(features(name), with_deep(reference), lambda a: weights(ASSETS[a.model_id][3]), **asked)


def plain(lead: dict[str, Any]) -> dict[str, Any]:
    return {k: lead[k] for k in ("asset_id", "match_type", "decision", "scores")}


@pytest.mark.parametrize("name", GOLDEN)
def test_every_score_word_and_place_is_the_kit_s(name: str, reference: Reference) -> None:
    assert [lead.asset.asset_id for lead in ranked(name, reference).leads] == GOLDEN[name]["shown"]
    ranking = ranked(name, reference, most=100, threshold=0.0)
    record = leads.as_record(features(name), with_deep(reference), ranking, most=100, threshold=0.0)
    jsonschema.validate(record, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert len(record["leads"]) == len(GOLDEN[name]["all"])
    for ours, theirs in zip(record["leads"], GOLDEN[name]["all"], strict=True):
        got, expected = plain(ours), dict(theirs)
        assert got.pop("scores") == pytest.approx(expected.pop("scores"), abs=1e-3)
        assert got == expected


def test_the_prefilter_is_by_estimated_size(reference: Reference) -> None:
    ranking = ranked("large", reference, most=100, threshold=0.0)
    assert (ranking.bucket, ranking.allowed) == ("10-40B", ("1-10B", "10-40B", "40B+"))
    assert {lead.asset.model_id for lead in ranking.leads} == {"beta", "omega"}
    small = ranked("no weights", reference)
    assert (small.bucket, small.allowed, small.scored) == ("<=1B", ("<=1B", "1-10B"), 3)


def test_weights_of_another_model_are_never_asked_for_in_vain(reference: Reference) -> None:
    def refuse(asset: Asset) -> WeightSignals | None:
        raise AssertionError(asset.asset_id)

    assert lookup.rank(features("no weights"), with_deep(reference), refuse).leads
    assert lookup.rank(features("other width"), reference, refuse).leads  # nothing was imported


def test_a_lead_says_what_it_rests_on_and_what_would_test_it(reference: Reference) -> None:
    record = leads.as_record(features("equal configuration"), reference, ranked("equal configuration", reference))
    first = record["leads"][0]
    assert (first["decision"], first["basis"]) == (scores.CONFIRMED, "metadata gate")
    assert first["sentence"] == leads.BY_METADATA + ' Its weight signals, which did not count, read "Not Matched".'
    assert record["leads"][1]["sentence"] == leads.BY_METADATA  # nothing to compare with
    assert "the weights of alpha (https://models.example/alpha), or a fingerprint" in first["would_resolve"]
    text = "\n".join(leads.lines(record))
    assert "They decide" in text
    assert '"Confirmed Match", pipeline score 1.0000' in text
    assert all(len(line) <= 79 for line in text.split("\n"))
    unmatched = ranked("no weights", reference, threshold=0.99)
    assert "no lead" in "\n".join(leads.lines(leads.as_record(features("no weights"), reference, unmatched)))


def test_a_stranger_s_names_steer_no_terminal(reference: Reference) -> None:
    evil = "\x1b[2Jalpha\n\u202eevil"
    assets = tuple(replace(a, facts={**a.facts, "model_id": evil, "source_uri": evil}) for a in reference.assets)
    families = ({**reference.families[0], "display_name": evil},)
    hostile = replace(reference, assets=assets, families=families)
    ranking = lookup.rank(features("equal configuration"), hostile, lambda _: None)
    text = "".join(leads.lines(leads.as_record(features("equal configuration"), hostile, ranking)))
    assert text.isprintable()


def test_the_command_prints_leads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    library, model = str(tmp_path / "library"), str(DEMO / "base")
    assert main(["scan", model, "--kit", "--library", library]) == 2
    assert "library import-mpk PATH" in capsys.readouterr().err
    write_database(tmp_path / "database")
    kept.import_database(tmp_path / "database", tmp_path / "library", who="Ann", at=1)
    assert main(["scan", model, "--kit", "--library", library, "--kit-threshold", "0", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    jsonschema.validate(record, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert {lead["model_id"] for lead in record["leads"]} == {"alpha", "alpha-twin", "beta"}
    assert record["query"]["weights"] == "not needed"
    assert main(["scan", model, "--kit", "--library", library]) == 0
    assert capsys.readouterr().out.startswith("What the scan of Cisco's Model Provenance Kit")
    for wrong in (["--tree"], ["--fail-on", "linked"], ["--kit-threshold", "2"]):
        assert main(["scan", model, "--kit", "--library", library, *wrong]) == 2
    assert main(["scan", str(DEMO / "base" / "config.json"), "--kit", "--library", library]) == 2


def test_no_finding_can_read_a_lead() -> None:
    package = Path(mpk_tui.demo.__file__).parents[1]
    readers = {
        path.relative_to(package).as_posix()
        for room in ("library", "lineage", "constitution", "case", "bundle", "report", "sweep")
        for path in (package / room).rglob("*.py")
        if "mpk_tui.kit" in path.read_text(encoding="utf-8")
    }
    assert readers <= {"library/counting.py"}  # how many there are
