"""The scorer itself: what counts as found, abstained and wrong; Kolmogorov-Smirnov; tables; how peers are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from zoo import calibrate, nulls, pairing, peers, score, tally, uniform
from zoo.pairing import Pair

from mpk_tui.lineage import findings


def result(finding: str, mechanisms: tuple[str, ...] = (), met: tuple[str, ...] = ()) -> dict[str, object]:
    return {"finding": finding, "mechanisms": list(mechanisms), "met": list(met), "sentence": "s", "tests": []}


class TestUniformity:
    def test_exact_distribution_at_the_published_example(self) -> None:
        # Marsaglia, Tsang, Wang (2003): K(10, 0.274) = 0.628479...
        assert 1 - uniform.survival(10, 0.274) == pytest.approx(0.6284796154565, abs=1e-9)

    def test_one_value(self) -> None:
        # P(D_1 >= d) = 2 (1 - d) for d >= 1/2.
        for d in (0.5, 0.7, 0.95):
            assert uniform.survival(1, d) == pytest.approx(2 * (1 - d))

    def test_limit_meets_the_exact_values(self) -> None:
        n = uniform.EXACT_UP_TO + 1
        for d in (0.04, 0.07, 0.1, 0.14, 0.2):
            exact = 1 - uniform._exact(n, d)
            assert uniform.survival(n, d) == pytest.approx(exact, abs=1e-3 if exact < 0.1 else 1e-2)

    def test_critical_values(self) -> None:
        # Five per cent and one per cent of the limit: 1.358 and 1.628 over sqrt(n).
        assert uniform.survival(10**6, 1.3581e-3) == pytest.approx(0.05, abs=1e-3)
        assert uniform.survival(10**6, 1.6276e-3) == pytest.approx(0.01, abs=1e-3)

    def test_edges(self) -> None:
        assert uniform.survival(5, 0.0) == 1.0
        assert uniform.survival(5, 1.0) == 0.0
        with pytest.raises(ValueError, match="no p-values"):
            uniform.uniformity([])

    def test_uniform_passes_and_small_p_values_do_not(self) -> None:
        rng = np.random.default_rng(5)
        even = uniform.uniformity(rng.random(800).tolist())
        assert even.p > 0.01
        small = uniform.uniformity((rng.random(800) ** 1.3).tolist())
        assert small.p < 1e-3
        assert small.p_excess < 1e-3
        large = uniform.uniformity((rng.random(800) ** 0.7).tolist())
        assert large.p < 1e-3
        assert large.p_excess > 0.5

    def test_distance_by_hand(self) -> None:
        u = uniform.uniformity([0.1, 0.2, 0.3, 0.9])
        assert u.excess == pytest.approx(0.75 - 0.3)
        assert u.distance == pytest.approx(0.45)


class TestVerdict:
    @pytest.mark.parametrize(
        ("truth", "finding", "wanted"),
        [
            ("linked", findings.TRAINED_ANCESTOR, "found"),
            ("linked", findings.REFORMATTED, "found"),
            ("linked", findings.COMPONENT, "found"),
            ("linked", findings.UNRESOLVED, "abstained"),
            ("linked", findings.NONE_FOUND, "abstained"),
            ("linked", findings.SHARED_INIT, "wrong"),
            ("component", findings.COMPONENT, "found"),
            ("component", findings.TRAINED_ANCESTOR, "wrong"),
            ("component", findings.NONE_FOUND, "abstained"),
            ("independent", findings.TRAINED_ANCESTOR, "wrong"),
            ("independent", findings.COMPONENT, "wrong"),
            ("independent", findings.NEAR_IDENTICAL, "wrong"),
            ("independent", findings.SHARED_INIT, "abstained"),
            ("undecidable", findings.COMPONENT, "wrong"),
            ("undecidable", findings.NONE_FOUND, "abstained"),
        ],
    )
    def test_each(self, truth: str, finding: str, wanted: str) -> None:
        assert tally.verdict(Pair("a", "b", truth), result(finding)) == wanted

    def test_every_finding_has_a_place(self) -> None:
        for finding in findings.FINDINGS:
            for truth in ("linked", "component", "independent", "undecidable"):
                assert tally.verdict(Pair("a", "b", truth), result(finding)) in ("found", "abstained", "wrong")

    def test_a_condition_proposed_as_met_accuses_whatever_the_finding_is_called(self) -> None:
        assert tally.verdict(Pair("a", "b", "independent"), result(findings.UNRESOLVED, met=("c5",))) == "wrong"

    def test_an_error_is_told_apart(self) -> None:
        assert tally.verdict(Pair("a", "b", "independent"), {"error": "x"}) == "error"

    def test_mechanism(self) -> None:
        pair = Pair("a", "b", "linked", "3.5/3.6")
        assert tally.right_first(pair, result(findings.COMPONENT, ("3.6", "3.2"))) is True
        assert tally.right_first(pair, result(findings.COMPONENT, ("3.2", "3.6"))) is False
        assert tally.right_first(pair, result(findings.COMPONENT)) is False
        assert tally.right_first(pair, result(findings.UNRESOLVED)) is None
        assert tally.right_first(Pair("a", "b", "linked"), result(findings.COMPONENT, ("3.6",))) is None


def some_results() -> dict[Pair, dict[str, object]]:
    return {
        Pair("x", "x.ft", "linked", "3.2", split="report"): result(findings.TRAINED_ANCESTOR, ("3.2",)),
        Pair("x", "x.cpt", "linked", "3.3", split="choose"): result(findings.TRAINED_ANCESTOR, ("3.2",)),
        Pair("x", "x.p", "linked", "3.1", "units permuted", split="report"): result(findings.NONE_FOUND),
        Pair("x", "x.pp", "linked", "3.1", "units and residual permuted", split="report"): result(findings.NONE_FOUND),
        Pair("x", "x.f", "component", "3.9", split="report"): result(findings.TRAINED_ANCESTOR, ("3.9",)),
        Pair("x", "y", "independent", "4.1", split="report"): result(findings.NONE_FOUND),
        Pair("x", "x.s", "independent", "4.4", split="report"): result(findings.COMPONENT),
        Pair("x", "x.k", "undecidable", "3.5", split="report"): result(findings.NONE_FOUND),
    }


class TestTables:
    def test_figures(self) -> None:
        lines = tally.figures(some_results()).splitlines()
        assert lines[0] == "| figure | wanted | choose | report | all |"
        by_name = {line.split(" | ")[0].removeprefix("| "): line.rstrip(" |").split(" | ")[-1] for line in lines[2:]}
        assert by_name["linked findings on independent pairs, shared seeds included"] == "1 of 2"
        assert by_name["claims on pairs that weights cannot decide"] == "0 of 1"
        assert by_name["linked pairs found, nothing concealed"] == "2 (67 %) of 3"
        assert by_name["linked pairs found, one concealment"] == "0 (0 %) of 1"
        assert by_name["linked pairs found, several concealments"] == "0 (0 %) of 1"
        assert by_name["right mechanism first, of found pairs"] == "1 (50 %) of 2"

    def test_mechanisms_name_what_was_said_instead(self) -> None:
        text = tally.mechanisms(some_results())
        assert "| 3.1 | units permuted | 1 | 0 (0 %) | 0 | 1 no-correspondence | 0 | 0 | – |" in text
        assert "| 3.9, a part | none | 1 | 0 (0 %) | 0 | 0 | 1 shared-trained-ancestor | 0 | – |" in text

    def test_exclusions_and_offenders(self) -> None:
        text = tally.exclusions(some_results())
        assert "| 4.1 | none | 1 | 0 | 0 | 1 | 0 | 0 | 0 |" in text
        assert "| 4.4 | none | 1 | 1 | 0 | 0 | 0 | 0 | 0 |" in text
        listed = tally.offenders(some_results()).splitlines()[2:]
        assert [line.split(" | ")[0] for line in listed] == ["| wrong", "| wrong", "| abstained", "| abstained"]
        assert tally.offenders({}) == "none"

    def test_the_page_holds_every_section(self) -> None:
        text = score.page(some_results(), misses=True)
        for title in ("Figures", "Mechanisms", "First mechanism", "Exclusions", "Wrong, errors"):
            assert f"## {title}" in text

    def test_few_relabellings_are_judged_by_small_p_values_only(self) -> None:
        large = uniform.uniformity([0.5, 1.0] * 200)
        assert tally.calibrated("ffn.aligned", large) == "NO"
        assert tally.calibrated("attn.heads", large).startswith("yes")
        assert tally.calibrated("attn.heads", uniform.uniformity([0.01, 0.5] * 200)).startswith("NO")


class TestCalibration:
    def test_only_unrelated_bases_fulfil_the_null(self) -> None:
        assert calibrate.is_null(Pair("x", "y", "independent", "4.1"))
        for pair in (
            Pair("x", "y.ft", "independent", "4.1"),
            Pair("x", "z", "independent", "4.4"),
            Pair("x", "v", "linked", "3.2"),
        ):
            assert not calibrate.is_null(pair)

    def test_every_form_gives_p_values_and_a_copy_gives_small_ones(self, tmp_path: Path) -> None:
        for n in range(2):
            nulls.write_model(tmp_path / f"m{n}", n)
        found = calibrate.layer_tests(tmp_path / "m0", tmp_path / "m1")
        # Each layer beside three; residual dimensions once.
        wanted = dict.fromkeys(("ffn.aligned", "ffn.anchored", "attn.channels", "attn.heads"), 3 * nulls.DEPTH)
        assert {f: len(ps) for f, ps in found.items()} == {**wanted, "residual.embeddings": 1, "residual.body": 1}
        assert min(p for ps in found.values() for p in ps) > 1e-6
        same = calibrate.layer_tests(tmp_path / "m0", tmp_path / "m0")
        assert max(same["ffn.aligned"][::3]) < 1e-6
        assert min(same["ffn.aligned"][1::3]) > 1e-6
        kept = {Pair("a", "b", "independent"): {"p": found}, Pair("a", "c", "independent"): {"error": "x"}}
        assert calibrate.gathered(kept) == found


class TestPairs:
    def test_full_and_short_tables(self, tmp_path: Path) -> None:
        table = tmp_path / "pairs.tsv"
        table.write_text(
            "a\tb\ttruth\tmechanism\tconcealment\tgroup\tsplit\tothers\nx\ty\tlinked\t3.7/3.2\tnone\tx\treport\tz,w\n"
        )
        (pair,) = pairing.read_table(table)
        assert pair == Pair("x", "y", "linked", "3.7/3.2", "none", "x", "report", ("z", "w"))
        assert pair.numbers == ("3.7", "3.2")
        table.write_text("a\tb\ttruth\twhat\nA\tB\tlinked\t3.6 depth\nA\tC\tlinked\tsiblings\n")
        assert [p.mechanism for p in pairing.read_table(table)] == ["3.6", ""]

    @pytest.mark.parametrize(("row", "said"), [("x\t\tlinked", "no b"), ("x\ty\tmaybe", "unknown truth 'maybe'")])
    def test_a_bad_row_is_named(self, tmp_path: Path, row: str, said: str) -> None:
        table = tmp_path / "pairs.tsv"
        table.write_text(f"a\tb\ttruth\n{row}\n")
        with pytest.raises(ValueError, match=f"line 2: {said}"):
            pairing.read_table(table)

    def test_limit_is_spread_evenly_and_pairs_count_once(self) -> None:
        pairs = [Pair(f"m{n}", "x", "linked", split="report" if n % 2 else "choose") for n in range(10)]
        assert [p.a for p in score.chosen(pairs * 2, None, 5)] == ["m0", "m2", "m4", "m6", "m8"]
        assert [p.a for p in score.chosen(pairs, "report", None)] == ["m1", "m3", "m5", "m7", "m9"]

    def test_runs_keeps_and_goes_on(self, tmp_path: Path) -> None:
        for n in range(2):
            nulls.write_model(tmp_path / f"m{n}", n)
        pair, again = Pair("m0", "m1", "independent", "4.1"), Pair("m0", "m0", "linked", "3.1")
        cache = tmp_path / "results.jsonl"
        first = pairing.run([pair], tmp_path, cache, 1, echo=False)
        assert first[pair]["finding"] == findings.NONE_FOUND
        assert {t["name"] for t in first[pair]["tests"]} >= {"ffn.aligned", "ffn.anchored"}
        # What is kept is taken from the file: a mark that is put there comes back, beside the pair that was missing.
        row = json.loads(cache.read_text())
        row["result"]["sentence"] = "kept"
        cache.write_text(json.dumps(row) + '\n{"key": "cut o')
        second = pairing.run([pair], tmp_path, cache, 1, echo=False)
        assert second[pair]["sentence"] == "kept"
        digests = {"m0": pairing.model_digest(tmp_path / "m0"), "m1": pairing.model_digest(tmp_path / "m1")}
        assert pairing.key_of(pair, digests, "e") != pairing.key_of(again, digests, "e")
        assert pairing.key_of(pair, digests, "e") != pairing.key_of(pair, digests, "f")
        (tmp_path / "m0" / "tokenizer.json").write_text("{}")
        assert pairing.model_digest(tmp_path / "m0") != digests["m0"]


class TestNulls:
    def test_structure_is_shared_and_units_are_not(self) -> None:
        rng = np.random.default_rng(1)
        world = nulls.World(
            np.full(40, 3.0, np.float32), np.ones(40, np.float32), np.ones((1, 40), np.float32) * 2, False
        )
        a, b = nulls.draw_rows(rng, world, 50), nulls.draw_rows(rng, world, 50)
        # A naive cosine sees the common mean everywhere.
        cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert np.median(cosine) > 0.5
        assert not np.array_equal(a, b)

    def test_small_pairs_are_repeatable_and_say_nothing(self) -> None:
        found = [nulls.small_pair(n) for n in range(12)]
        assert found[0] == nulls.small_pair(0)
        assert {n.finding for n in found} == {findings.NONE_FOUND}
        assert len({p for n in found for p in n.p}) > 12
        assert "12 pairs, 36 layer tests" in nulls.small_page(found)


class TestPeers:
    def test_readings(self) -> None:
        kit, dna = peers.PEERS
        assert kit.reading({"verdict": "Confirmed Match"}) == "match"
        assert kit.reading({"verdict": "High-Confidence Match (metadata only)"}) == "match"
        assert kit.reading({"verdict": "Weak Match"}) == "weak"
        assert kit.reading({"verdict": "Not Matched"}) == "none"
        assert dna.reading({"verdict": "SAME_LINEAGE"}) == "match"
        assert dna.reading({"verdict": "SAME_FAMILY_UNRESOLVED"}) == "weak"
        assert dna.reading({"verdict": "NO_MATCH"}) == "none"
        assert dna.reading({"error": "x"}) == "error"

    def test_missing_environments_are_left_out(self, tmp_path: Path) -> None:
        text = peers.section(list(some_results()), tmp_path, tmp_path, some_results())
        assert text.count("not installed") == len(peers.PEERS)
        assert "| independent | all |  | 2 | 1 |" in text

    def test_a_peer_gets_no_account_and_no_hub(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_TOKEN", "secret")
        env = peers.offline("/nowhere")
        assert "HF_TOKEN" not in env
        assert env["HF_HUB_OFFLINE"] == "1"
        assert env["HOME"] == "/nowhere"
