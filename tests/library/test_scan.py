"""A scan finds what is there, claims nothing else, and says what it looked at."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import mpk_tui.demo
from mpk_tui import canonical
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.checkpoint.opening import Opening
from mpk_tui.cli import main
from mpk_tui.cli.scan import lines
from mpk_tui.errors import CancelledError, ExitCode
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.fingerprint.record import Fingerprint, write
from mpk_tui.library import judging
from mpk_tui.library.catalogue import Catalogue, open_library
from mpk_tui.library.entry import Facts, Origin, Parent
from mpk_tui.library.judging import CLAIMS, judged_pair
from mpk_tui.library.scan import scan
from mpk_tui.lineage.compare import compare_sides
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.lineage.sources import MOST_BLOCKS, blocks_of
from mpk_tui.progress import CancelToken, silent

DEMO = Path(mpk_tui.demo.__file__).parent
SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "scan-1.json").read_text(encoding="ascii"))
UNITS = ("ffn.aligned", "ffn.anchored", "residual.embeddings")


def array(fp: Fingerprint, name: str) -> np.ndarray:
    f = fp.features[name]
    return np.frombuffer(f.data, f.dtype).reshape(f.shape).astype(np.float32)


def changed(fp: Fingerprint, mark: str, **arrays: np.ndarray) -> Fingerprint:
    """Another model: its own digests and features in place of the given ones (names with _ for .)."""
    made = dict(fp.features)
    for name, x in arrays.items():
        key = name.replace("_", ".")
        made[key] = replace(made[key], shape=x.shape, data=x.astype("<f2").tobytes())
    tensors = tuple(replace(t, sha256=hashlib.sha256(mark.encode() + t.sha256).digest()) for t in fp.tensors)
    files = tuple(replace(f, sha256=hashlib.sha256(mark.encode() + f.path.encode()).digest()) for f in fp.files)
    return replace(fp, tensors=tensors, files=files, features=made)


def stranger(fp: Fingerprint, seed: int) -> Fingerprint:
    """The same units under other numbers: what an unrelated model looks like, and as like as can be otherwise."""
    rng = np.random.default_rng(seed)
    units = {n.replace(".", "_"): array(fp, n) for n in UNITS}
    units = {n: np.stack([layer[rng.permutation(len(layer))] for layer in x]) for n, x in units.items()}
    learned = rng.standard_normal(array(fp, "retention").shape)
    return changed(fp, f"stranger {seed}", **units, retention=learned)


def near(fp: Fingerprint, seed: int, size: float = 0.05) -> Fingerprint:
    """A fine-tune: all features moved a little."""
    rng = np.random.default_rng([7, seed])
    moved = {n: array(fp, n) for n in (*UNITS, "retention")}
    moved = {n.replace(".", "_"): x + size * x.std() * rng.standard_normal(x.shape) for n, x in moved.items()}
    return changed(fp, f"near {seed}", **moved)


@pytest.fixture(scope="module")
def models() -> dict[str, Fingerprint]:
    made = {n: fingerprint(open_checkpoint(DEMO / n)) for n in ("base", "fine-tune")}
    base = made["base"]
    made |= {f"stranger {n}": stranger(base, n) for n in range(4)}
    made |= {"near 1": near(base, 1), "near 2": near(base, 2)}
    return made


@pytest.fixture(scope="module")
def library(models: dict[str, Fingerprint], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library") / "library"
    evil = Facts("\x1b[31mevil\u202e", source="a\nb", location="/tmp/\x1b]0;x\x07", licence="mit")
    with open_library(folder, write=True, create=True) as made:
        for name, fp in models.items():
            facts = Facts(name, location=f"/shelf/{name}")
            if name == "fine-tune":
                facts = replace(
                    facts, parents=(Parent("base", models["base"].digest, kind="a", evidence="model card", source="x"),)
                )
            made.add([(fp, evil if name == "stranger 3" else facts)], who="test", at=1)
    return folder


@pytest.fixture
def opened(library: Path) -> Iterator[Catalogue]:
    with open_library(library) as catalogue:
        yield catalogue


def checked(r: dict[str, Any]) -> dict[str, Any]:
    jsonschema.validate(r, SCHEMA, cls=jsonschema.Draft202012Validator)
    canonical.encode(r)
    return r


def names(r: dict[str, Any]) -> list[str]:
    return [row["entry"]["name"] for row in r["relatives"]]


def test_a_descendant_finds_its_ancestor_and_siblings(opened: Catalogue, models: dict[str, Fingerprint]) -> None:
    r = checked(scan(opened, Side("query", near(models["base"], 9, 0.02), None)))
    assert r["comparisons"] == r["library"]["entries"] == 8
    assert r["compared"] == 8
    assert names(r)[0] == "base"
    assert set(names(r)) == {"base", "near 1", "near 2", "fine-tune"}
    assert {row["finding"] for row in r["relatives"]} == {"shared-trained-ancestor"}
    assert all("8 comparisons" in row["sentence"] for row in r["relatives"])
    assert r["answer"] == "query shares a trained ancestor with base and 3 more entries (8 entries looked at)."
    assert [len(g["members"]) for g in r["groups"]] == [4]
    assert r["groups"][0]["documented"]
    assert "not show" in r["groups"][0]["sentence"]
    assert r["parents"][0]["parents"][0]["evidence"] == "model card"
    # The same shape and vocabulary as the strangers is context and never more.
    assert {m["what"] for m in r["near_misses"]} == {"vocabulary"}
    assert len(r["near_misses"]) == 4
    assert scan(opened, Side("query", near(models["base"], 9, 0.02), None)) == r


def test_a_stranger_finds_nothing(opened: Catalogue, models: dict[str, Fingerprint]) -> None:
    for seed in (20, 21):
        r = checked(scan(opened, Side("query", stranger(models["base"], seed), None)))
        assert r["relatives"] == []
        assert r["sources"] == []
        assert r["exact"]["tensors"] == []
        assert r["answer"] == "No relative of query was found (8 entries looked at)."
        assert any("not the same as none" in text for text in r["limits"])


def test_the_same_model_is_found_by_its_bytes(opened: Catalogue, models: dict[str, Fingerprint]) -> None:
    r = checked(scan(opened, Side("query", models["fine-tune"], None)))
    first = r["relatives"][0]
    assert (first["entry"]["name"], first["finding"], first["stage"]) == ("fine-tune", "identical", "exact")
    assert r["exact"]["root"] == [first["entry"]["id"]]
    assert first["equal"] == first["of"] > 0
    assert [f["path"] for f in r["exact"]["files"] if f["weights"]] == ["model.safetensors"]
    assert not r["sources"]


def test_equal_constants_and_small_tensors_make_no_relative(tmp_path: Path, models: dict[str, Fingerprint]) -> None:
    def with_common(fp: Fingerprint) -> Fingerprint:
        zeros = hashlib.sha256(bytes(4 * 8192)).digest()
        ones = hashlib.sha256(b"\0\0\x80\x3f" * 8192).digest()
        more = [
            TensorHash("a.zeros", "F32", (8192,), 4 * 8192, zeros), TensorHash("b.ones", "F32", (64, 128), 4 * 8192, ones),
            TensorHash("c.small", "F32", (64,), 256, b"s" * 32),
            TensorHash("layers.0.attn.rotary_emb.inv_freq", "F32", (8192,), 4 * 8192, b"r" * 32),
            # What quantisers and code write by rule, and what a layer is filled with before training.
            *(TensorHash(name, "I32", (64, 128), 4 * 8192, hashlib.sha256(name.encode()).digest())
              for name in ("layers.0.q.g_idx", "layers.0.q.qzeros", "causal_mask", "freqs_cis", "h.0.attn_mask")),
            TensorHash("layers.0.zp", "I32", (8192,), 4 * 8192, hashlib.sha256(b"\x88" * 4 * 8192).digest()),
            TensorHash("layers.0.gamma", "BF16", (8192,), 2 * 8192, hashlib.sha256(b"\x28\x37" * 8192).digest()),
        ]  # fmt: skip
        return replace(fp, tensors=(*fp.tensors, *more))

    with open_library(tmp_path / "l", write=True, create=True) as catalogue:
        catalogue.add([(with_common(models["stranger 1"]), Facts("stranger"))], who="t", at=1)
        r = checked(scan(catalogue, Side("query", with_common(models["base"]), None)))
        assert r["exact"]["tensors"] == []
        assert r["relatives"] == []

    # Nearly all of a model that is nothing but such tensors, or all of it under other names, is no relative either.
    mine = with_common(replace(models["base"], tensors=models["base"].tensors[:1], features={}))
    other = replace(mine, tensors=(replace(mine.tensors[0], sha256=b"o" * 32), *mine.tensors[1:]))
    renamed = replace(
        mine, tensors=tuple(replace(t, name=f"x.{n}.rotary_emb.inv_freq") for n, t in enumerate(mine.tensors[1:]))
    )
    plain = replace(mine, tensors=mine.tensors[1:])
    assert [judged_pair(Side("q", a, None), Side("e", b, None), 1, CancelToken())[1].name
            for a, b in ((mine, other), (plain, renamed))] == ["near-identical", "reformatted"]  # fmt: skip
    with open_library(tmp_path / "m", write=True, create=True) as catalogue:
        catalogue.add([(other, Facts("other")), (renamed, Facts("renamed"))], who="t", at=1)
        for fp in (mine, plain):
            assert checked(scan(catalogue, Side("query", fp, None)))["relatives"] == []


def test_what_was_looked_at_is_in_the_significance(models: dict[str, Fingerprint]) -> None:
    """A named pair says what it always said; one of N pays for the choice, and a weak one no longer counts."""
    a, b = Side("a", models["base"], None), Side("b", near(models["base"], 5), None)
    named, chosen = compare_sides(a, b), compare_sides(a, b, comparisons=1000)
    assert "comparisons" not in named
    assert chosen["comparisons"] == 1000
    assert chosen["finding"] == named["finding"]
    assert "1000 comparisons" in chosen["sentence"]
    assert {k: v for k, v in named.items() if k not in ("sentence", "components", "proposal")} == {
        k: v for k, v in chosen.items() if k not in ("sentence", "components", "proposal", "comparisons")
    }
    rng = np.random.default_rng(3)
    weak = array(models["base"], "ffn.aligned")[:1] * 0.06 + rng.standard_normal((1, 256, 64)) * 0.2
    only = {"ffn.aligned": models["base"].features["ffn.aligned"]}
    one = changed(replace(models["base"], features=only), "one", ffn_aligned=array(models["base"], "ffn.aligned")[:1])
    two = changed(replace(models["base"], features=only), "two", ffn_aligned=weak)
    block = {"blocks": [[0, -1]], "layers": 1}
    sides = [
        Side(n, replace(f, features={k: replace(v, params={**v.params, **block}) for k, v in f.features.items()}), None)
        for n, f in (("one", one), ("two", two))
    ]
    alone = compare_sides(*sides)
    many = compare_sides(*sides, comparisons=100)
    assert many["p"] == pytest.approx(min(1.0, 100 * alone["p"]), rel=1e-6)
    assert alone["p"] > 1e-12
    assert math.isfinite(many["p"])


def test_a_large_library_is_screened_first(tmp_path: Path, opened: Catalogue, models: dict[str, Fingerprint]) -> None:
    query = Side("query", near(models["base"], 9, 0.02), None)
    r = checked(scan(opened, query, most=5))
    assert not r["screened"]["whole"]
    assert r["screened"]["worth"] == 4
    assert r["screened"]["left_out"] == 0
    assert set(names(r)) == {"base", "near 1", "near 2", "fine-tune"}
    few = checked(scan(opened, query, most=2))
    assert len(names(few)) == 2
    assert few["screened"]["left_out"] == 2
    assert len(few["screened"]["next"]) == 2
    assert few["comparisons"] == 8
    assert any("--most" in text for text in few["limits"])


def test_two_sources_of_a_mixture_and_of_layers(tmp_path: Path, models: dict[str, Fingerprint]) -> None:
    base = models["base"]
    a, b, other = near(base, 1, 0.2), near(base, 2, 0.2), models["stranger 1"]
    mixed = {n: 0.6 * array(a, n) + 0.4 * array(b, n) for n in (*UNITS, "retention")}
    mixture = changed(base, "mixture", **{n.replace(".", "_"): x for n, x in mixed.items()})
    half = {
        n.replace(".", "_"): np.concatenate([array(a, n)[:2], array(other, n)[2:]]) for n in UNITS[:2]
    }  # fmt: skip
    halves = changed(base, "halves", **half, residual_embeddings=array(a, UNITS[2]))
    with open_library(tmp_path / "l", write=True, create=True) as catalogue:
        for name, fp in (("a", a), ("b", b), ("other", other)):
            catalogue.add([(fp, Facts(name))], who="t", at=1)
        r = checked(scan(catalogue, Side("mixture", mixture, None)))
        (found,) = [s for s in r["sources"] if s["kind"] == "mixture"]
        shares = {row["name"]: row["coefficient"] for row in found["of"]}
        assert shares["a"] == pytest.approx(0.6, abs=0.02)
        assert shares["b"] == pytest.approx(0.4, abs=0.02)
        assert found["gain"] > 0.9
        sibling = checked(scan(catalogue, Side("sibling", near(base, 3, 0.2), None)))
        assert sibling["sources"] == []
        r = checked(scan(catalogue, Side("halves", halves, None)))
        (found,) = [s for s in r["sources"] if s["kind"] == "parts"]
        layers = {row["name"]: row["layers"] for row in found["of"]}
        assert sorted(layers.values()) == [[0, 1], [2, 3]]
        assert layers["other"] == [2, 3]


def test_an_unresolved_origin_names_what_would_resolve_it(opened: Catalogue, models: dict[str, Fingerprint]) -> None:
    base = models["base"]
    rng = np.random.default_rng(1)
    turned = changed(
        base, "turned", ffn_aligned=rng.standard_normal((4, 256, 64)), residual_embeddings=rng.standard_normal((1, 128, 64)),
        retention=rng.standard_normal((28, 2, 128, 128)),
    )  # fmt: skip
    r = checked(scan(opened, Side("query", turned, None)))
    first = r["relatives"][0]
    assert first["finding"] == "common-origin-unresolved"
    assert first["finding"] not in CLAIMS
    assert f"/shelf/{first['entry']['name']}" in first["would_resolve"]
    assert "what would resolve it" in r["answer"]


def test_an_empty_library_says_how_to_fill_it(tmp_path: Path, models: dict[str, Fingerprint]) -> None:
    with open_library(tmp_path / "l", write=True, create=True) as catalogue:
        r = checked(scan(catalogue, Side("query", models["base"], None)))
    assert "no entry" in r["answer"]
    assert "library add" in r["answer"]
    assert r["relatives"] == []


def test_revoked_and_broken_entries_are_told_and_not_compared(tmp_path: Path, models: dict[str, Fingerprint]) -> None:
    with open_library(tmp_path / "l", write=True, create=True) as catalogue:
        bad, gone, _good = catalogue.add(
            [(models[n], Facts(n)) for n in ("fine-tune", "base", "near 1")], who="t", at=1
        )  # fmt: skip
        catalogue.revoke(gone, "mislabelled", who="t", at=2)
        catalogue.path(bad).write_bytes(b"\x92\xa5MPKF1 broken")
        r = checked(scan(catalogue, Side("query", models["base"], None)))
    assert names(r) == ["near 1"]
    assert r["library"]["revoked"] == 1
    assert r["comparisons"] == 2
    assert any("mislabelled" in n for n in r["notices"])
    assert any("fine-tune" in n for n in r["notices"])


def test_it_can_be_stopped(opened: Catalogue, models: dict[str, Fingerprint]) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        scan(opened, Side("query", models["base"], None), cancel=token)


def test_the_command(
    library: Path, models: dict[str, Fingerprint], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = tmp_path / "query.mpkf"
    write(query, models["near 1"])
    where = ["--library", str(library)]
    assert main(["scan", str(query), *where]) == ExitCode.OK
    out = capsys.readouterr().out
    assert out.startswith("query.mpkf holds the very tensors of near 1")
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert main(["scan", str(query), *where, "--names-only", "--fail-on", "linked"]) == ExitCode.LINKED
    assert capsys.readouterr().out.splitlines()[0] == "near 1"
    assert main(["scan", str(query), *where, "--json"]) == ExitCode.OK
    checked(json.loads(capsys.readouterr().out))
    assert main(["scan", str(query), "--library", str(tmp_path / "none")]) == ExitCode.INTERNAL
    assert "library add" in capsys.readouterr().err
    for wrong in (["--most", "-1"], ["--weights", "near 1"], ["--weights", f"near 1={DEMO / 'twin'}"]):
        assert main(["scan", str(query), *where, *wrong]) == ExitCode.USAGE
        capsys.readouterr()
    svg = tmp_path / "family.svg"
    assert main(["scan", str(query), *where, "--svg", str(svg), "--tree", "--most", "3"]) == ExitCode.OK
    assert svg.read_bytes().startswith(b"<")
    assert "near 1" in capsys.readouterr().out


def test_words_that_claim_too_much_are_never_said(opened: Catalogue, models: dict[str, Fingerprint]) -> None:
    banned = ("copied", "stolen", "infring", "proves", "certified", "compliant", "cleared", "original", "unrelated",
              "confidence")  # fmt: skip
    for fp in (models["fine-tune"], stranger(models["base"], 30)):
        r = scan(opened, Side("query", fp, None), pairs=2)
        text = " ".join(lines(r)).lower()
        assert not [w for w in banned if w in text]


def test_weights_at_hand_are_used(opened: Catalogue) -> None:
    with (
        open_side(DEMO / "fine-tune", silent, CancelToken()) as side,
        open_side(DEMO / "base", silent, CancelToken()) as base,
    ):
        r = checked(scan(opened, side, given={opened.entry("base").id: base}, most=2))
    assert r["query"]["kind"] == "checkpoint"
    assert [row["weights"] for row in r["relatives"] if row["entry"]["name"] == "base"] == [True]


def test_features_of_a_stranger_are_taken_for_nothing(tmp_path: Path, models: dict[str, Fingerprint]) -> None:
    base = models["base"]
    odd = replace(
        base.features["ffn.aligned"], params={**base.features["ffn.aligned"].params, "blocks": [["x", None]] * 4}
    )
    learned = replace(base.features["retention"], params={"matrices": [["attn.q", 0]], "gain_spread": "x"})
    hostile = [
        changed(base, "nan", **{n.replace(".", "_"): np.full_like(array(base, n), np.nan) for n in (*UNITS, "retention")}),
        changed(replace(base, features={**base.features, "ffn.aligned": odd}), "odd"),
        changed(replace(base, features={**base.features, "retention": learned}), "learned"),
        changed(replace(base, config={"layers": -1, "width": "x", "parameters": -1}, features={}), "empty"),
        replace(base, tensors=(*base.tensors, TensorHash("t", "F32", (2**62, 2**62), 4, bytes(32)))),
    ]  # fmt: skip
    with open_library(tmp_path / "l", write=True, create=True) as catalogue:
        catalogue.add([(fp, Facts(f"hostile {n}")) for n, fp in enumerate(hostile)], who="t", at=1)
        for fp in (base, *hostile):
            r = checked(scan(catalogue, Side("query\udcff", fp, None)))
            assert r["compared"] + sum("was not compared" in n for n in r["notices"]) == 5
            assert r["query"]["label"] == "query\\udcff"


def test_who_stands_for_an_entry_is_told_and_a_forged_one_contradicts_itself(
    tmp_path: Path, models: dict[str, Fingerprint]
) -> None:
    base, other = models["base"], models["stranger 1"]
    pack = Origin(bytes(32), "pack \x1b[31m", 3, (bytes([171]) * 32,))
    with open_library(tmp_path / "l", write=True, create=True) as catalogue:
        catalogue.add([(replace(base, features=other.features), Facts("planted"))], who="mallory\u202e", at=1)
        catalogue.add([(replace(other, features=base.features), Facts("moved"))], who="importer", at=1, origin=pack)
        r = checked(scan(catalogue, Side("query", base, None)))
        sound = checked(scan(catalogue, Side("query", models["near 1"], None)))
    assert names(r) == ["planted", "moved"]
    (notice,) = [n for n in r["notices"] if "planted" in n]
    assert "not made by measuring" in notice
    assert "mallory" in notice
    assert not [n for n in sound["notices"] if "measuring" in n]
    text = "\n".join(lines(r))
    assert "1: added here by mallory" in text
    assert "2: came with the pack pack" in text
    assert "signed by abababababababab; taken in by importer" in " ".join(text.split())
    assert "a statement of whoever added it" in " ".join(text.split())
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_fingerprint_that_states_absurd_blocks_costs_nothing(
    tmp_path: Path, models: dict[str, Fingerprint], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = models["base"]

    def stating(mark: str, blocks: list[list[int]]) -> Fingerprint:
        x = array(base, "ffn.aligned")
        many = changed(base, mark, ffn_aligned=np.resize(x, (len(blocks), *x.shape[1:])))
        f = many.features["ffn.aligned"]
        return replace(many, features={"ffn.aligned": replace(f, params={**f.params, "blocks": blocks})})

    hostile = [
        stating("far", [[0, -1], [1, -1], [2, -1], [10**8, -1]]),
        stating("before", [[0, -1], [1, -1], [2, -1], [-5, -1]]),
        stating("many", [[n, -1] for n in range(MOST_BLOCKS + 1)]),
        stating("twice", [[0, -1]] * 4),
    ]
    assert [blocks_of(Side("x", fp, None)) for fp in hostile] == [()] * 4
    assert blocks_of(Side("x", base, None))
    monkeypatch.setattr(judging, "MOST_BYTES", len(base.to_bytes()) - 1)
    with open_library(tmp_path / "l", write=True, create=True) as catalogue:
        catalogue.add([(fp, Facts(f"hostile {n}")) for n, fp in enumerate([*hostile, base])], who="t", at=1)
        r = checked(scan(catalogue, Side("query", models["near 1"], None)))
    assert r["relatives"] == []
    assert any("hostile 4 was not compared" in n for n in r["notices"])


def test_rows_of_a_stranger_are_not_believed(tmp_path: Path, models: dict[str, Fingerprint]) -> None:
    base = models["base"]
    telling = max(base.tensors, key=lambda t: t.elements).sha256[:16]
    with open_library(tmp_path / "l", write=True, create=True) as catalogue:
        catalogue.add([(models["stranger 1"], Facts("said to share"))], who="t", at=1)
    connection = sqlite3.connect(tmp_path / "l" / "catalogue.sqlite3")
    weights = next(f.sha256 for f in base.files if f.path.endswith(".safetensors"))
    connection.execute("INSERT INTO tensors VALUES (?, 1), (?, 999)", (telling, telling))
    connection.execute("INSERT INTO files VALUES (?, 999, x'7a')", (weights,))
    connection.commit()
    connection.close()
    with open_library(tmp_path / "l") as catalogue:
        r = checked(scan(catalogue, Side("query", base, None)))
    assert (r["relatives"], r["exact"]["tensors"], r["exact"]["files"]) == ([], [], [])
    assert any("says that said to share has 1 tensors of the model, its fingerprint 0" in n for n in r["notices"])


def test_what_stands_in_the_base_of_an_adapter_is_no_news(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = Path(__file__).parents[1] / "checkpoint" / "adapter_vectors"
    base = fingerprint(open_checkpoint(vectors / "base-llama"))
    cousin = replace(
        changed(base, "x"), features={}, config={**base.config, "width": 1}, tokenizer={"sha256": b"w" * 32}
    )
    with open_library(tmp_path / "library", write=True, create=True) as made:
        made.add([(base, Facts("Zoo A")), (cousin, Facts("cousin"))], who="test", at=1)
    asked = [
        "scan",
        str(vectors / "lora"),
        "--base",
        str(vectors / "base-llama"),
        "--library",
        str(tmp_path / "library"),
    ]
    assert main([*asked, "--json"]) == ExitCode.OK
    r = checked(json.loads(capsys.readouterr().out))
    assert r["query"]["base"] == "base-llama"
    assert r["answer"].startswith("lora on the base that was given (base-llama) shares an origin with Zoo A")
    assert any("a base that the examiner chose, base-llama: what equals the base" in text for text in r["limits"])
    assert r["compared"] == 2
    assert any(
        t.startswith("1 entry has no units") and t.endswith("also where it was run in full.") for t in r["limits"]
    )
    with open_side(vectors / "lora", silent, CancelToken(), Opening(base=vectors / "base-llama")) as side:
        kept = Side("query", replace(side.fingerprint, tokenizer=cousin.tokenizer), None)
        with open_library(tmp_path / "library") as library:
            again = checked(scan(library, kept))
    assert again["answer"].startswith("query on the base that was given shares an origin"), (
        "a fingerprint does not name it"
    )
    (context,) = again["near_misses"]
    assert (context["what"], context["would_resolve"]) == ("vocabulary", ""), "nothing is open about context"


def test_an_initialisation_does_not_hide_behind_an_open_origin() -> None:
    """The first row is the one that may say most; what is known of the others is said in the same breath."""
    from mpk_tui.library.answering import answer

    def row(name: str, finding: str) -> dict:
        return {"entry": {"name": name}, "finding": finding, "would_resolve": ""}

    rows = [row("a", "common-origin-unresolved"), *(row(n, "shared-initialisation") for n in "bcd")]
    record = {"library": {"entries": 9, "revoked": 0}, "query": {"label": "query"}, "relatives": rows}
    said = answer(record)
    assert said.startswith("query shares an origin with a, ")
    assert said.endswith("With 3 other entries it shares an initialisation, and no trained ancestor was found there.")
    assert "initialisation, and no" not in answer({**record, "relatives": rows[:1]})
