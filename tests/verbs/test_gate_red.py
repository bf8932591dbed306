"""What has to turn the gate red, each with its reason named, on a real HDRNet artifact; and that nothing else does."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.verbs import gate_build

from viewfinder import photos, strata
from viewfinder.cli.gating import told
from viewfinder.errors import CheckFailedError, Exit
from viewfinder.runtime.gate import resizing
from viewfinder.runtime.gate.outcome import Ruling
from viewfinder.verbs.baseline import AcceptRequest, accept
from viewfinder.verbs.gate import GateRequest, gate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Build once, and accept its numbers as the baseline."""
    folder = gate_build.build(tmp_path_factory.mktemp("gate"))
    accept(AcceptRequest(folder / "gate.yaml", "as exported", use_cache=False))
    return folder


@pytest.fixture
def build(good, tmp_path):
    """Return a copy to break: its artifact's folder."""
    shutil.copytree(good / "export", tmp_path / "export")
    return tmp_path / "export" / gate_build.NAME


def gated(good, build):
    """Gate a broken copy against the baseline of the good one; measure, and take nothing from the cache."""
    result = gate(GateRequest(good / "gate.yaml", artifacts=build.parent, use_cache=False))
    return result, told(result)


def failed(result):
    """Name the rules that failed."""
    return {check.rule for case in result.outcome.cases for check in case.checks if check.ruling is Ruling.FAIL}


def causes(result):
    """Name the causes that were found."""
    return [one.cause for case in result.outcome.cases for one in case.explanations]


def test_an_unchanged_build_is_never_red(good):
    """Measured twenty times without the cache: green each time, with the same answers."""
    results = [gated(good, good / "export" / gate_build.NAME) for _ in range(20)]
    assert {result.exit_code for result, _ in results} == {Exit.PASS}
    assert len({text for _, text in results}) == 1
    assert all(check.ruling is Ruling.PASS for check in results[0][0].outcome.cases[0].checks)


def test_a_flipped_bit_in_the_weights(good, build):
    """The file is named that does not match its manifest."""
    gate_build.flip(build / "coefficients.onnx")
    result, text = gated(good, build)
    assert result.exit_code is Exit.CHECK_FAILED
    assert failed(result) == {"artifact.integrity"}
    assert "coefficients.onnx does not match its manifest" in text


def test_a_flipped_bit_under_a_new_manifest(good, build):
    """A manifest that fits the damage does not hide it: the hash is not the baseline's, and nothing explains that."""
    gate_build.flip(build / "coefficients.onnx")
    gate_build.reseal(build)
    result, text = gated(good, build)
    assert result.exit_code is Exit.CHECK_FAILED
    assert failed(result) == {"against_baseline.bytes"}
    assert "the hash of coefficients.onnx" in text
    assert "weights, recipe, sizes and tools are the same" in text


@pytest.mark.parametrize("inputs", [("lowres", "image"), ("lowres",), ("image",)])
def test_a_swapped_channel_order(good, build, inputs):
    """Red and blue exchanged, before both graphs or one: the order and the input are named."""
    graphs = {"lowres": "coefficients.onnx", "image": "strip.onnx"}
    for name in inputs:
        gate_build.insert(build / graphs[name], name, gate_build.swapped)
    gate_build.reseal(build)
    result, text = gated(good, build)
    assert result.exit_code is Exit.CHECK_FAILED
    assert failed(result) >= {"against_truth.drop_db", "against_baseline.drop_vs_truth_db"}
    assert causes(result)[0] == "channels-swapped"
    assert f"the channels of the input {' and '.join(inputs)} are read as BGR instead of RGB" in text


@pytest.mark.parametrize(("graph", "name"), [("coefficients.onnx", "lowres"), ("strip.onnx", "image")])
def test_an_input_off_by_one_pixel(good, build, graph, name):
    """The direction is named, and that undoing it brings the picture back."""
    gate_build.insert(build / graph, name, gate_build.shifted)
    gate_build.reseal(build)
    result, text = gated(good, build)
    assert result.exit_code is Exit.CHECK_FAILED
    assert "against_float.worst_psnr_db" in failed(result)
    assert causes(result)[0] == "shifted"
    assert "shifted by one pixel (right)" in text
    (case,) = result.outcome.cases
    assert case.explanations[0].after > case.explanations[0].before + 20


def test_a_resize_with_other_corners(good, build, monkeypatch):
    """The pipeline's squeezed copy is recognized as corner-aligned, and what is expected is named."""

    def corners(pixels, side):
        """Squeeze as `align_corners=True` does."""
        white = np.float32(photos.white(pixels))
        return resizing.WAYS["aligned corners"](pixels.astype(np.float32) / white, side)

    monkeypatch.setattr(photos, "squeeze", corners)
    result, text = gated(good, build)
    assert result.exit_code is Exit.CHECK_FAILED
    assert "against_float.worst_psnr_db" in failed(result)
    assert causes(result) == ["resized"]
    assert "the input lowres is resized with aligned corners; expected is half-pixel centres" in text


def test_a_drop_of_three_tenths_of_a_decibel(good, build):
    """The interval of the paired losses lies above the margin; the loss, its interval and the worst are named."""
    gate_build.add_noise(build / "strip.onnx", "enhanced", gate_build.noise_for(0.3, build.parent))
    gate_build.reseal(build)
    result, text = gated(good, build)
    assert result.exit_code is Exit.CHECK_FAILED
    assert failed(result) >= {"against_truth.drop_db", "against_baseline.drop_vs_truth_db"}
    (check,) = [one for one in result.outcome.cases[0].checks if one.rule == "against_baseline.drop_vs_truth_db"]
    assert check.interval.mean == pytest.approx(0.3, abs=0.03)
    assert check.interval.low > 0.1
    assert "above the limit of 0.1 dB" in text
    assert f"loss {check.interval.mean:+.3f} dB, 95% interval" in text
    assert causes(result) == ["files-changed"]


def without_dark(folder: Path, source: Path) -> Path:
    """Copy photographs, but no dark ones."""
    folder.mkdir()
    for path in sorted(source.iterdir()):
        if strata.of(photos.read(path).pixels) != "exposure=dark":
            shutil.copyfile(path, folder / path.name)
    return folder


def test_a_calibration_set_without_dark_frames(good, build, tmp_path):
    """What was quantized with it is refused by the gate, and a build with it before any work; both name the stratum."""
    pytest.importorskip("onnxruntime.quantization")
    from viewfinder.verbs.quantize import QuantizeRequest, quantize

    bright = without_dark(tmp_path / "bright", good / "photos")
    assert 0 < len(list(bright.iterdir())) < 8
    request = QuantizeRequest(str(build), "w8a8", calibration_data=bright, min_coverage=0.0, use_cache=False)
    quantize(request)
    policy = tmp_path / "gate.yaml"
    limits = "limits:\n  calibration: {min_coverage: 1}\n"
    case = "gates:\n  - {model: hdrnet, targets: [onnx], precisions: [w8a8], artifacts: export}\n"
    policy.write_text(f"version: 1\n{limits}{case}")
    result = gate(GateRequest(policy, use_cache=False))
    assert result.exit_code is Exit.CHECK_FAILED
    assert failed(result) == {"calibration.min_coverage"}
    assert "the calibration set 'bright' has no samples of exposure=dark" in told(result)
    with pytest.raises(CheckFailedError, match="dark"):
        quantize(replace(request, min_coverage=1.0))
