"""Layouts in few bits against what their own implementations make of them (``make_layout_vectors.py``)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.floats import table, unpack
from mpk_tui.checkpoint.model import Checkpoint, Part
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.errors import MalformedError

VECTORS = Path(__file__).parent / "layout_vectors"
CASES = sorted(p.name for p in VECTORS.iterdir() if p.is_dir())
BITS = {
    "awq": 4, "bnb-int8": 8, "fp8-deepseek": 8, "mxfp4-gpt-oss": 4, "torchao-int4": 4, "torchao-int5-row": 5,
    "torchao-int8": 8, "torchao-float8": 8, "nvfp4": 4, "mxfp4": 4,
}  # fmt: skip


def plain(folder: Path) -> tuple[str, np.ndarray]:
    """The expected weight's name and values."""
    expected = open_checkpoint(folder / "expected.safetensors")
    (name,) = expected.tensors
    with WeightReader(expected) as reader:
        return name, reader.whole(Part(name))


def stated_bits(case: str) -> int:
    if case in BITS:
        return BITS[case]
    if case.startswith("bnb"):
        return 4
    if case.startswith(("int8", "fp8")):
        return 8
    return int(next(c for c in case.split("-")[1]))


@pytest.mark.parametrize("case", CASES)
def test_every_value_is_what_the_reference_implementation_makes(case: str) -> None:
    name, expected = plain(VECTORS / case)
    checkpoint = open_checkpoint(VECTORS / case)
    assert list(checkpoint.derived) == [name], checkpoint.notices
    derived = checkpoint.derived[name]
    assert derived.bits == stated_bits(case)
    assert derived.shape == expected.shape
    assert list(checkpoint.logical) == [name]
    with WeightReader(checkpoint) as reader:
        if len(expected.shape) == 3:
            got = np.stack([reader.whole(Part(name, index=k)) for k in range(expected.shape[0])])
            turned = reader.select(Part(name, index=1, transposed=True), np.array([5, 2, 9]))
            assert np.array_equal(turned, expected[1][:, [5, 2, 9]].T)
        else:
            got = reader.whole(Part(name))
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("case", CASES)
def test_rows_and_columns_are_those_of_the_whole(case: str) -> None:
    name, expected = plain(VECTORS / case)
    if expected.ndim == 3:
        return
    ids = np.array([7, 3, 17, 18, 30])
    with WeightReader(open_checkpoint(VECTORS / case)) as reader:
        assert np.array_equal(reader.rows(Part(name), 5, 23), expected[5:23])
    with WeightReader(open_checkpoint(VECTORS / case)) as reader:
        assert np.array_equal(reader.select(Part(name), ids), expected[ids])
        assert np.array_equal(reader.columns(Part(name), ids), expected[:, ids])


@pytest.mark.parametrize("case", CASES)
def test_large_weights_are_computed_in_pieces(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no matrix fitted: every piece must come out as it does in the whole."""
    monkeypatch.setattr("mpk_tui.checkpoint.arrays._KEPT", 1000)
    monkeypatch.setattr("mpk_tui.checkpoint.arrays._AROUND", 3000)
    name, expected = plain(VECTORS / case)
    part = Part(name, index=2) if expected.ndim == 3 else Part(name)
    wanted = expected[2] if expected.ndim == 3 else expected
    ids = np.array([21, 3, 4, 19, 0])
    with WeightReader(open_checkpoint(VECTORS / case)) as reader:
        assert np.array_equal(reader.select(part, ids), wanted[ids])
        pieces = [reader.rows(part, at, min(len(wanted), at + 5)) for at in range(0, len(wanted), 5)]
        assert np.array_equal(np.concatenate(pieces), wanted)


def test_small_floats_have_the_values_of_their_standards() -> None:
    assert table("F4").tolist()[:8] == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert (table("F6_E2M3").max(), table("F6_E3M2").max()) == (7.5, 28.0)
    assert (np.nanmax(table("F8_E4M3")), np.nanmax(table("F8_E4M3FNUZ"))) == (448.0, 240.0)
    finite = table("F8_E5M2")[np.isfinite(table("F8_E5M2"))]
    assert (finite.max(), np.nanmax(table("F8_E5M2FNUZ"))) == (57344.0, 57344.0)
    assert (table("F8_E8M0")[0], table("F8_E8M0")[127], table("F8_E8M0")[254]) == (2.0**-127, 1.0, 2.0**127)
    assert [int(np.isnan(table(t)).sum()) for t in ("F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E8M0", "F4")] == [
        2, 6, 1, 1, 0,
    ]  # fmt: skip


def test_six_bit_values_lie_four_in_three_bytes() -> None:
    codes = np.array([1, 2, 3, 4, 63, 32, 31, 0])
    word = sum(int(c) << (6 * k) for k, c in enumerate(codes))
    raw = np.frombuffer(word.to_bytes(6, "little"), dtype=np.uint8)[None, :]
    assert np.array_equal(unpack(raw, "F6_E3M2", 8)[0], table("F6_E3M2")[codes])


def changed(tmp_path: Path, case: str, edit: dict[str, object], config: dict[str, object] | None = None) -> Checkpoint:
    """A case with header entries and configuration replaced; data stays."""
    raw = (VECTORS / case / "model.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    for name, value in edit.items():
        key = next(k for k in header if k.endswith(name))
        if value is None:
            del header[key]
        else:
            assert isinstance(value, dict)
            header[key] |= value
    text = json.dumps(header).encode()
    (tmp_path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    return open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("case", "edit", "says"),
    [
        ("gptq-4", {"qzeros": None}, "its qzeros is missing"),
        ("gptq-4", {"scales": None}, "its scales is missing"),
        ("gptq-4", {"scales": {"shape": [32, 4]}}, "4 outputs"),
        ("gptq-4-act-order", {"g_idx": {"shape": [64, 2]}}, "g_idx of shape [64, 2]"),
        ("gptq-4", {"qweight": {"shape": [32, 16]}}, "neither GPTQ nor AWQ"),
        ("gptq-4", {"qweight": {"dtype": "F32"}}, "codes of type F32"),
        ("awq", {"qzeros": {"shape": [4, 4], "dtype": "F32"}}, "codes of type I32 and F32"),
        ("packed-4", {"weight_shape": None}, "its weight_shape is missing"),
        ("packed-4", {"weight_shape": {"dtype": "F64"}}, "weight_shape of shape [2]"),
        ("packed-4", {"weight_scale": {"shape": [4, 32]}}, "scales and codes differ in rows"),
        ("bnb-nf4-bfloat16", {"quant_state.bitsandbytes__nf4": None}, "its recorded quantization state is missing"),
        ("bnb-nf4-bfloat16", {"weight.absmax": None}, "its weight.absmax is missing"),
        ("bnb-nf4-bfloat16", {"weight.quant_map": {"dtype": "I32"}}, "a book of 16 values"),
        ("int8-row", {"weight_scale": {"shape": [8, 4]}}, ""),
        ("fp8-row", {"weight_scale": {"shape": [1, 32]}}, ""),
        ("nvfp4", {"weight_global_scale": None}, "the scale of the whole matrix is missing"),
        ("mxfp4-gpt-oss", {"_scales": None}, "its scales are missing"),
        ("mxfp4-gpt-oss", {"_scales": {"shape": [3, 4, 16]}}, "scales of shape [3, 4, 16]"),
        ("torchao-int8", {"_scale": None}, "its codes or scales are missing"),
    ],
)
def test_tensors_that_contradict_each_other_are_left_as_they_are(
    tmp_path: Path, case: str, edit: dict[str, object], says: str
) -> None:
    checkpoint = changed(tmp_path, case, edit)
    if says:
        assert not checkpoint.derived
        assert any(says in n and n.startswith("not decoded: ") for n in checkpoint.notices), checkpoint.notices
    else:
        # Another shape that is consistent in itself: another block, and still every row can be read.
        (name,) = checkpoint.derived
        with WeightReader(checkpoint) as reader:
            assert reader.whole(Part(name)).shape == checkpoint.derived[name].shape


def test_packed_zero_points_outvote_stated_bits(tmp_path: Path) -> None:
    checkpoint = changed(tmp_path, "gptq-4", {}, {"quantization_config": {"quant_method": "gptq", "bits": 8}})
    (derived,) = checkpoint.derived.values()
    assert derived.bits == 4
    assert "the configuration states 8 bits, packed zero points have 4; the latter count" in checkpoint.notices


def test_unknown_versions_are_named_and_not_guessed(tmp_path: Path) -> None:
    config = {"quantization_config": {"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}}
    checkpoint = changed(tmp_path, "gptq-4", {}, config)
    assert not checkpoint.derived
    assert any("GPTQ format 'marlin' is not decoded" in n for n in checkpoint.notices)


def test_without_a_configuration_the_older_zero_points_are_read_and_it_is_said(tmp_path: Path) -> None:
    checkpoint = changed(tmp_path, "gptq-4", {})
    assert any("v1 is read" in n for n in checkpoint.notices)


def test_settings_of_older_tools_are_found_in_their_own_file(tmp_path: Path) -> None:
    changed(tmp_path, "gptq_v2-4", {})
    (tmp_path / "quantize_config.json").write_text('{"bits": 4, "checkpoint_format": "gptq_v2"}')
    checkpoint = open_checkpoint(tmp_path)
    name, expected = plain(VECTORS / "gptq_v2-4")
    with WeightReader(checkpoint) as reader:
        assert np.array_equal(reader.whole(Part(name)), expected)


def test_groups_that_do_not_exist_are_an_error_that_names_the_tensor(tmp_path: Path) -> None:
    raw = bytearray((VECTORS / "gptq-4-act-order" / "model.safetensors").read_bytes())
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    begin = header["model.layers.0.mlp.up_proj.g_idx"]["data_offsets"][0] + 8 + length
    raw[begin : begin + 4] = (99).to_bytes(4, "little")
    (tmp_path / "model.safetensors").write_bytes(bytes(raw))
    checkpoint = open_checkpoint(tmp_path)
    with WeightReader(checkpoint) as reader, pytest.raises(MalformedError, match="names group 99 of 4"):
        reader.whole(Part("model.layers.0.mlp.up_proj.weight"))


def test_layouts_that_are_not_decoded_are_named(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file(
        {"model.layers.0.mlp.up_proj.W_q": np.zeros((4, 4), np.uint8), "x.bias": np.zeros(4, np.float32)},
        tmp_path / "model.safetensors",
    )
    (tmp_path / "config.json").write_text('{"quantization_config": {"quant_method": "hqq"}}')
    assert any("stored as HQQ" in n for n in open_checkpoint(tmp_path).notices)


def test_a_claim_of_quantization_without_its_tensors_is_said(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"model.layers.0.mlp.up_proj.weight": np.zeros((4, 4), np.float32)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"quantization_config": {"quant_method": "gptq"}}')
    notices = open_checkpoint(tmp_path).notices
    assert "the configuration states quantization (gptq), but no layout of it is stored" in notices
