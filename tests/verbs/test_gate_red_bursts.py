"""What has to turn the gate red for a network that merges bursts, with its reason named; and that nothing else does."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from tests.verbs import burst_build, gate_build

from viewfinder import artifact
from viewfinder.cli.gating import told
from viewfinder.errors import Exit
from viewfinder.recipe import CalibrationSet, Recipe, Rule
from viewfinder.runtime.gate.outcome import Ruling
from viewfinder.verbs.baseline import AcceptRequest, accept
from viewfinder.verbs.gate import GateRequest, gate

pytestmark = pytest.mark.slow

POLICY = """version: 1
baseline: baseline.json
limits:
  against_float: {worst_psnr_db: 60}
  against_truth: {drop_db: 0.1}
  against_baseline: {drop_vs_truth_db: 0.1, drop_vs_float_db: 1, worst_drop_db: 0.3}
  strata: {gain=4: {worst_drop_db: 0.3}}
gates:
  - {model: mean, targets: [onnx], precisions: [float], artifacts: export}
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Build a network whose reference counts more than the other frames, and accept its numbers as the baseline."""
    folder = tmp_path_factory.mktemp("gate")
    own = burst_build.write(folder / "export" / "onnx-float")
    weigh(own.folder / "model.onnx", (0.7, 0.3))
    gate_build.reseal(own.folder)
    burst_build.write_golden(folder / "export", artifact.load(own.folder))
    (folder / "gate.yaml").write_text(POLICY)
    accept(AcceptRequest(folder / "gate.yaml", "as exported", use_cache=False))
    return folder


def weigh(path, weights):
    """Write the weights of the reference and of the other frames into the file."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    (joined,) = [item for item in model.graph.initializer if item.name == "joined"]
    joined.CopyFrom(numpy_helper.from_array(np.array(weights, np.float32).reshape(1, 2, 1, 1), "joined"))
    onnx.save(model, path)


@pytest.fixture
def build(good, tmp_path):
    """Return a copy to break: its artifact's folder."""
    shutil.copytree(good / "export", tmp_path / "export")
    return tmp_path / "export" / "onnx-float"


def gated(good, build, output=None):
    """Gate a broken copy against the baseline of the good one; measure, and take nothing from the cache."""
    result = gate(GateRequest(good / "gate.yaml", artifacts=build.parent, output=output, use_cache=False))
    return result, told(result)


def failed(result):
    """Name the rules that failed."""
    return {check.rule for case in result.outcome.cases for check in case.checks if check.ruling is Ruling.FAIL}


def causes(result):
    """Name the causes that were found."""
    return [one.cause for case in result.outcome.cases for one in case.explanations]


def test_an_unchanged_build_is_never_red(good):
    """Measured five times without the cache: green each time, with the same answers."""
    results = [gated(good, good / "export" / "onnx-float") for _ in range(5)]
    assert {result.exit_code for result, _ in results} == {Exit.PASS}
    assert len({text for _, text in results}) == 1


def test_a_flipped_bit(good, build):
    """The file is named that does not match its manifest; under a new manifest, that nothing explains its new hash."""
    gate_build.flip(build / "model.onnx")
    result, text = gated(good, build)
    assert failed(result) == {"artifact.integrity"}
    assert "model.onnx does not match its manifest" in text
    shutil.copy(good / "export" / "onnx-float" / "model.onnx", build)
    weigh(build / "model.onnx", (np.nextafter(np.float32(0.7), np.float32(1)), 0.3))
    gate_build.reseal(build)
    result, text = gated(good, build)
    assert failed(result) == {"against_baseline.bytes"}
    assert "the hash of model.onnx" in text


def test_another_order_of_the_frames(good, build, tmp_path):
    """The last frame in the reference's place: the order is named, in every output."""
    gate_build.insert(build / "model.onnx", "frames", gate_build.swapped)
    gate_build.reseal(build)
    result, text = gated(good, build, tmp_path / "out")
    assert result.exit_code is Exit.CHECK_FAILED
    assert failed(result) >= {"against_float.worst_psnr_db", "against_baseline.drop_vs_float_db"}
    assert causes(result)[0] == "frames-reordered"
    reason = "the frames of the input frames are read in the order 2 1 0, the reference is 0"
    assert reason in text
    for name in ("junit.xml", "gate.json", "summary.md", "report.html"):
        assert reason in (tmp_path / "out" / name).read_text(encoding="utf-8"), name
    (run,) = json.loads((tmp_path / "out" / "gate.sarif").read_text())["runs"]
    assert {one["ruleId"] for one in run["results"]} >= {"against_float.worst_psnr_db"}


def test_frames_off_by_one_pixel(good, build):
    """The direction is named, and that undoing it brings the picture back."""
    gate_build.insert(build / "model.onnx", "frames", gate_build.shifted)
    gate_build.reseal(build)
    result, text = gated(good, build)
    assert result.exit_code is Exit.CHECK_FAILED
    assert causes(result)[0] == "shifted"
    assert "shifted by one pixel (right)" in text


def test_a_drop_of_three_tenths_of_a_decibel(good, build):
    """Noise that costs 0.3 dB against the truth is found, and so is that nothing on record explains it."""
    start = 0.002
    loss = drop_with_noise(good, build, start).mean
    power = (10**0.03 - 1) / (10 ** (loss / 10) - 1)
    shutil.copy(good / "export" / "onnx-float" / "model.onnx", build)
    interval = drop_with_noise(good, build, start * power**0.5)
    assert interval.mean == pytest.approx(0.3, abs=0.1)
    assert interval.low > 0.1
    result, _ = gated(good, build)
    assert failed(result) >= {"against_truth.drop_db", "against_baseline.drop_vs_truth_db"}
    assert "files-changed" in causes(result)


def drop_with_noise(good, build, strength):
    """Add a pattern to the result; return the interval of the loss against the truth."""
    gate_build.add_noise(build / "model.onnx", "plane", strength)
    gate_build.reseal(build)
    result, _ = gated(good, build)
    (check,) = [one for one in result.outcome.cases[0].checks if one.rule == "against_baseline.drop_vs_truth_db"]
    return check.interval


def test_a_calibration_set_without_dark_bursts(good, build, tmp_path):
    """An artifact whose manifest says that no dark burst was seen is refused; the stratum is named."""
    strata = {"gain=1": 2, "gain=4": 2, "exposure=dark": 0, "exposure=bright": 4}
    recipe = Recipe(
        "w8a8",
        (Rule(weights="int8", activations="int8"),),
        calibration=CalibrationSet("evenings", "ab" * 32, 4, strata),
    )
    made = artifact.load(build)
    target = build.with_name("onnx-w8a8")
    with artifact.writing(replace(made, folder=target, precision="w8a8", recipe=recipe.to_dict())) as partial:
        shutil.copy(build / "model.onnx", partial)
    policy = tmp_path / "gate.yaml"
    case = "gates: [{model: mean, targets: [onnx], precisions: [w8a8], artifacts: export}]"
    policy.write_text(f"version: 1\nlimits: {{calibration: {{min_coverage: 1}}}}\n{case}\n")
    result = gate(GateRequest(policy, use_cache=False))
    assert failed(result) == {"calibration.min_coverage"}
    assert "the calibration set 'evenings' has no samples of exposure=dark" in told(result)
