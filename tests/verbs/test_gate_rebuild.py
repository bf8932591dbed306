"""A gate that builds what it measures: a user's own network, exported in the run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image
from skimage import data

from viewfinder.cli.gating import told
from viewfinder.errors import Exit
from viewfinder.runtime.gate.outcome import Ruling
from viewfinder.verbs.baseline import AcceptRequest, accept
from viewfinder.verbs.gate import GateRequest, gate

pytestmark = pytest.mark.slow

OWN = """
from viewfinder.task import Task, TensorSpec

def build():
    import torch
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3, padding=1))
    with torch.no_grad():
        net[0].weight.mul_(SCALE)
        for channel in range(3):
            net[0].weight[channel, channel, 1, 1] += 0.8
    return net

picture = TensorSpec("image", (1, 3, 64, 64))
TASK = Task("own", "a 3x3 convolution", build, (picture,), (TensorSpec("result", (1, 3, 64, 64), value_range=None),))
"""
POLICY = """version: 1
baseline: baseline.json
photographs: [photos]
calibration_data: photos
limits:
  against_float: {worst_psnr_db: 80}
  against_baseline: {drop_vs_float_db: 0.5}
  calibration: {min_coverage: 1}
gates:
  - model: own.py:TASK
    targets: [onnx]
    precisions: [float]
"""


@pytest.fixture
def project(tmp_path):
    """A policy without artifacts, a network, photographs of one kind of light."""
    (tmp_path / "photos").mkdir()
    pixels = data.astronaut()
    for number in range(6):
        part = pixels[30 * number : 30 * number + 100, 150:270] // 6
        Image.fromarray(part).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "own.py").write_text(OWN.replace("SCALE", "0.1"))
    (tmp_path / "gate.yaml").write_text(POLICY)
    return tmp_path


def test_what_the_policy_names_is_built_and_measured(project):
    """Built twice, the artifact is the baseline's byte by byte; another network is told to have other weights."""
    accept(AcceptRequest(project / "gate.yaml", "as built"))
    request = GateRequest(project / "gate.yaml", use_cache=False)
    result = gate(request)
    assert result.exit_code is Exit.PASS, told(result)
    checks = {check.rule: check for check in result.outcome.cases[0].checks}
    assert "byte by byte" in checks["against_baseline.bytes"].told
    assert not list(project.glob("**/*.onnx")), "nothing is left behind"
    (project / "own.py").write_text(OWN.replace("SCALE", "0.2"))
    changed = gate(request)
    checks = {check.rule: check for check in changed.outcome.cases[0].checks}
    assert "other weights" in checks["against_baseline.bytes"].told


def test_a_poor_calibration_set_is_refused_before_any_work(project):
    """All photographs are dark: the missing strata are named, and the gate is red."""
    text = POLICY.replace("  against_baseline: {drop_vs_float_db: 0.5}\n", "")
    (project / "gate.yaml").write_text(text.replace("precisions: [float]", "precisions: [w8a8]"))
    result = gate(replace(GateRequest(project / "gate.yaml"), explain=False))
    assert result.exit_code is Exit.CHECK_FAILED, told(result)
    (check,) = result.outcome.cases[0].checks
    assert (check.rule, check.ruling) == ("artifact.build", Ruling.FAIL)
    assert "bright" in told(result)


def test_weights_of_an_own_denoiser_are_refitted_in_its_network(project):
    """A user's own denoiser in w8: the gate finds its file again, because weights are moved in PyTorch."""
    own = OWN.replace("SCALE", "0.1").replace("value_range=None),))", 'value_range=None),), samples="noisy")')
    (project / "own.py").write_text(own.replace("padding=1))", "padding=1), torch.nn.Conv2d(3, 3, 1))"))
    text = POLICY.replace("  against_baseline: {drop_vs_float_db: 0.5}\n", "").replace("baseline: baseline.json\n", "")
    text = text.replace("worst_psnr_db: 80", "worst_psnr_db: 45").replace("min_coverage: 1", "min_coverage: 0.1")
    (project / "gate.yaml").write_text(text.replace("[float]", "[w8]"))
    result = gate(GateRequest(project / "gate.yaml", use_cache=False))
    assert result.exit_code is Exit.PASS, told(result)
