"""One table for several kinds of targets: every one that was asked for has a row, and what did not run never passes."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from tests import npu
from tests.runtime.ethos import integers
from tests.verbs import made

from viewfinder import demo
from viewfinder.cli import npus
from viewfinder.errors import Exit, UsageError
from viewfinder.measurement import Evidence, Verdict
from viewfinder.task import BURST
from viewfinder.verbs import adapters, on_ethos, on_targets
from viewfinder.verbs.export import ExportOptions, export
from viewfinder.verbs.quantize import QuantizeRequest, quantize
from viewfinder.verbs.verify import VerifyRequest, verify


@pytest.fixture
def build(tmp_path):
    """A folder with ONNX and TFLite artifacts and golden pictures."""
    folder = tmp_path / "export"
    for name in ("onnx-float", "tflite-float", "tflite-w8a8"):
        made.write_artifact(folder / name)
    made.write_golden(folder / "golden.npz")
    return folder


TARGETS = ("snapdragon-8-elite", "ethos-u85", "apple-coreml", "apple-coreai", "android-gpu", "mediatek")


def test_without_toolchains_every_target_has_a_row(build):
    """Exit 3; each row says why, the vendors' ones with the artifact that they would take."""
    result = verify(VerifyRequest(str(build), npus=TARGETS, output=build / "report"))
    assert result.exit_code is Exit.NOT_VERIFIED
    reports = [section.report for section in result.document.sections]
    assert all(one.evidence is Evidence.NOT_RUN and one.verdict is Verdict.NOT_RUN for one in reports)
    reasons = {one.notes["target"]: one.measurements[0].reason for one in reports}
    assert set(reasons) == set(TARGETS)
    assert "viewfinder doctor --install qnn" in reasons["snapdragon-8-elite"]
    assert "viewfinder doctor --install vela" in reasons["ethos-u85"]
    assert "SDK absent" in reasons["mediatek"]
    assert "it would take the w8a8 TFLite artifact (ready: tflite-w8a8)" in reasons["mediatek"]
    assert "it would take a Core ML package (not made here)" in reasons["apple-coreml"]
    assert "viewfinder doctor --install lavapipe" in reasons["android-gpu"]
    others = set(TARGETS[2:]) - {"android-gpu"}
    assert all(f"{target}: not-run" in npus.verified(result) for target in others)


def test_bad_names_and_numbers(build):
    """A misspelled target, and fewer than no operators, are refused before anything runs."""
    with pytest.raises(UsageError, match="there is no processor 'ethos-u86'"):
        verify(VerifyRequest(str(build), npus=("ethos-u86",)))
    with pytest.raises(UsageError, match="-1 operators"):
        VerifyRequest(str(build), npus=("ethos-u85",), max_fallback_ops=-1)


def test_the_recipes_leave_nothing_in_float():
    """Both precisions quantize every operator of every graph."""
    for precision, activations in (("w8a8", "int8"), ("w8a16", "int16")):
        (rule,) = on_ethos.recipe(precision).rules
        assert (rule.graph, rule.match, rule.weights, rule.activations) == ("*", "", "int8", activations)


def test_npus_get_the_tent_form():
    """Slicing in tent form, everything else in small tiles; without float, curves of bursts as tables too."""
    small, smaller = {"strip_rows": 128, "width": 128}, {"strip_rows": 96, "width": 96}
    assert {name: on_targets._shape(name, adapters.NPU) for name in ("hdrnet", "kpn-lite", "dncnn")} == {
        "hdrnet": {"form": "tent"}, "kpn-lite": small, "dncnn": smaller,
    }  # fmt: skip
    assert {name: on_targets._shape(name, adapters.INTEGERS) for name in ("hdrnet", "kpn-lite", "dncnn")} == {
        "hdrnet": {"form": "tent"}, "kpn-lite": {**small, "form": "tables"},
        "dncnn": {**smaller, "form": "doubled"},
    }  # fmt: skip


def test_denoisers_get_16_bits_from_npus():
    """Where others are offered 8 bits, and the NPU computes 16."""
    eight = adapters.Order("onnx", "w8a8", adapters.NPU)
    assert on_targets._suited("dncnn", eight) == adapters.Order("onnx", "w8a16", adapters.NPU)
    assert "rockchip" not in on_targets._IN_16_BITS
    assert on_targets._suited("dncnn", adapters.Order("onnx")) == adapters.Order("onnx")
    assert on_targets._suited("hdrnet", eight) == eight


def test_bilateral_grids_keep_16_bits_where_8_make_no_picture():
    """In w8a8 the grid and the strips have 16 bits and nothing is in float; w8a16 has 16 bits everywhere."""
    first, grid, strip = on_ethos.recipe("w8a8", "bilateral_grid").rules
    assert (first.graph, first.activations, first.rounding) == ("coefficients", "int8", "compensated")
    assert (grid.match, grid.onwards, grid.activations) == ("predict", True, "int16")
    assert (strip.graph, strip.match, strip.activations) == ("strip", "", "int16")
    assert all(rule.weights == "int8" for rule in (first, grid, strip))
    assert len(on_ethos.recipe("w8a16", "bilateral_grid").rules) == 1


def test_bursts_keep_16_bits_where_light_is_computed():
    """Convolutions that look at the frames have 8 bits, kernels and what they are applied to 16; nothing is float."""
    wide, seen, kernels, ones = on_ethos.recipe("w8a8", BURST).rules
    assert [one.activations for one in (wide, seen, kernels, ones)] == ["int16", "int8", "int16", "int16"]
    assert (wide.match, seen.onwards, kernels.onwards, ones.granularity) == ("", True, True, "tensor")
    convolutions, picture = on_ethos.recipe("w8a8", "tiles").rules
    assert (convolutions.activations, convolutions.rounding, picture.activations) == ("int8", "compensated", "int16")


@pytest.mark.npu
def test_hdrnet_in_8_bits_is_whole_and_good_on_ethos(tmp_path, own_cache):
    """With its shipped weights: nothing on the CPU, one piece per graph, 45 dB or more against float on photographs.

    The integers are computed by Arm's reference model, as the specification of Arm's NPUs says.
    """
    npu.lend(own_cache, "vela")
    npu.lend(own_cache, "tosa")
    result = verify(VerifyRequest("hdrnet", npus=("ethos-u85",), bands=1, output=tmp_path / "report"))
    (found,) = (
        {one.metric: one for one in section.report.measurements}
        for section in result.document.sections
        if section.report.precision == "w8a8"
    )
    assert (found["npu_fallback_ops"].value, found["npu_partitions"].value) == (0, 1)
    assert found["psnr_vs_float_worst_db"].value >= 45
    assert found["psnr_vs_float_worst_db"].evidence is Evidence.REFERENCE
    assert "Arm's TOSA reference model" in npus.verified(result)


@pytest.mark.npu
def test_a_network_of_convolutions_on_ethos(tmp_path, own_cache):
    """Vela takes w8a8 whole; the row has a reference's numbers, and costs that are labelled as the compiler's."""
    npu.lend(own_cache, "vela")
    made_here = integers.write(tmp_path / "export")
    result = verify(VerifyRequest(str(made_here.folder.parent), npus=("ethos-u85", "ethos-u55"), bands=1))
    for section in result.document.sections:
        found = {one.metric: one for one in section.report.measurements}
        assert section.report.evidence is Evidence.REFERENCE
        assert (found["npu_fallback_ops"].value, found["npu_partitions"].value) == (0, 1)
        assert found["psnr_vs_float_worst_db"].value is not None
        for name in ("npu_estimate_us", "npu_estimate_sram_bytes", "npu_estimate_cycles"):
            assert found[name].evidence is Evidence.COMPILER_ESTIMATE
            assert f"compiler-estimate ({section.report.notes['target']}" in found[name].definition
    assert "compiler-estimate (ethos-u55-128, Vela's default memory)" in npus.verified(result)


@pytest.mark.npu
def test_a_denoiser_with_doubled_weights_is_good_on_ethos(tmp_path, own_cache):
    """Weights of twice 8 bits, activations of 16: whole, 48 dB and no tenth of a dB lost; a tile of 64, noise of 25."""
    npu.lend(own_cache, "vela")
    npu.lend(own_cache, "tosa")
    with Image.open(demo.photos()[0]) as photo:
        photo.crop((400, 400, 480, 480)).save(tmp_path / "crop.png")
    sizes = {"strip_rows": 64, "width": 64, "form": "doubled", "photos": (tmp_path / "crop.png",)}
    export(ExportOptions("dncnn", ("tflite",), output=tmp_path / "export", **sizes))
    (tmp_path / "w8a16.json").write_text(json.dumps(on_ethos.recipe("w8a16", "tiles").to_dict()))
    quantize(QuantizeRequest(str(tmp_path / "export" / "tflite-float"), recipe=tmp_path / "w8a16.json"))
    (section,) = verify(VerifyRequest(str(tmp_path / "export" / "tflite-w8a16"), npus=("ethos-u85",))).document.sections
    found = {one.metric: one.value for one in section.report.measurements}
    assert (found["npu_fallback_ops"], found["npu_partitions"]) == (0, 1)
    assert found["psnr_vs_float_worst_db"] >= 48
    assert found["psnr_drop_vs_truth_db"] <= 0.1
    assert "TOSA" in section.report.notes["computed_by"]
