"""Every verb that looks at artifacts takes one that merges bursts: probe, audit, bisect, profile, gate, baseline."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.verbs import burst_build

from viewfinder.errors import Exit
from viewfinder.measurement import Verdict
from viewfinder.target import Target
from viewfinder.verbs.audit import AuditRequest, audit
from viewfinder.verbs.baseline import AcceptRequest, accept
from viewfinder.verbs.bisect import BisectRequest, bisect
from viewfinder.verbs.gate import GateRequest, gate
from viewfinder.verbs.overflow import OverflowRequest, overflow
from viewfinder.verbs.probe import ProbeRequest, probe
from viewfinder.verbs.profile import ProfileRequest, profile
from viewfinder.verbs.verify import VerifyRequest, verify

POLICY = """version: 1
baseline: baseline.json
limits:
  against_truth: {worst_drop_db: 0.3}
  against_baseline: {drop_vs_truth_db: 0.1, worst_drop_db: 0.3}
  strata:
    gain=4: {worst_drop_db: 0.3}
gates:
  - model: mean
    targets: [onnx]
    precisions: [float]
    artifacts: export
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Float, an artifact that errs by 5 %, golden bursts."""
    return burst_build.build(tmp_path_factory.mktemp("burst") / "export")


def test_the_report_shows_what_is_left_of_the_error(built: Path, tmp_path: Path) -> None:
    """At both gains: error maps against the truth of reference frame, average, PyTorch and artifact, on one scale."""
    request = VerifyRequest(str(built / "onnx-float"), output=tmp_path)
    document = verify(request).document
    found = {
        photo["name"]: {**photo["errors"], "artifact": document.sections[0].pictures[photo["name"]]["error"]}
        for photo in document.photographs
    }
    kinds = document.sections[0].report.notes["strata"]
    assert {kind for name in found for kind in kinds[name] if kind.startswith("gain")} == {"gain=1", "gain=4"}
    for errors in found.values():
        assert set(errors) == {"input", "average", "float", "artifact"}
        levels = {
            kind: np.asarray(Image.open(tmp_path / "pictures" / one["file"])).mean() for kind, one in errors.items()
        }
        assert levels["input"] > 1.5 * levels["artifact"]
        assert errors["artifact"]["mean"] == pytest.approx(errors["float"]["mean"], abs=1e-3)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").count('class="errors"') == len(found)


def test_charts_pass_through_as_bursts(built: Path) -> None:
    """A ramp keeps its levels through the merge of equal frames; an artifact 5 % too bright moves grey and fails."""
    result = probe(ProbeRequest(str(built / "onnx-fp16"), probes=("display-ramp", "noisy-grey", "border-gradient")))
    found = {one.metric: one for one in result.document.sections[0].report.measurements}
    assert found["probe_display_ramp_levels"].verdict is Verdict.PASS
    assert found["probe_border_gradient_seam"].verdict is Verdict.PASS
    assert found["probe_noisy_grey_grey_moved"].verdict is Verdict.FAIL
    assert result.exit_code is Exit.CHECK_FAILED


def test_tensors_are_audited_on_bursts(built: Path) -> None:
    """The light of every tensor is far inside float16's range, and each tensor is listed."""
    result = audit(AuditRequest(str(built / "onnx-float")))
    assert {one.tensor for one in result.ranges} >= {"parts", "plane"}
    assert 0.5 / 65504 < result.measurement.value < 5 / 65504


def test_the_operator_that_errs_is_named(built: Path) -> None:
    """The second convolution parts, the first does not."""
    (found,) = bisect(BisectRequest(built / "onnx-float", built / "onnx-fp16", limit_db=30, photos=1)).partings
    assert found.first is not None
    assert found.first.other.name == "conv_plane"


def test_enlarged_bursts_do_not_upset_it(built: Path) -> None:
    """The overflow test feeds from a burst, too."""
    result = overflow(OverflowRequest(str(built / "onnx-fp16"), golden=built / "golden.npz"))
    assert set(result.found) == {"onnx-fp16"}
    assert result.exit_code is Exit.PASS


def test_it_is_timed_on_a_burst(built: Path) -> None:
    """The graph's tensors come from a burst made of a photograph."""
    request = ProfileRequest(str(built / "onnx-float"), Target("onnx", "host"), processes=1, runs=3, seconds=0.0)
    found = {one.metric: one.value for one in profile(request).document.sections[0].report.measurements}
    assert found["model_warm_p50_ms"] > 0


def test_the_gate_holds_and_turns_red_for_each_gain(built: Path, tmp_path: Path) -> None:
    """A baseline is accepted, the unchanged build passes, a tenth too dark fails, at gain 4 alone too."""
    shutil.copytree(built, tmp_path / "export")
    (tmp_path / "gate.yaml").write_text(POLICY)
    accept(AcceptRequest(tmp_path / "gate.yaml", "first"))
    assert gate(GateRequest(tmp_path / "gate.yaml")).exit_code is Exit.PASS
    shutil.rmtree(tmp_path / "export" / "onnx-float")
    burst_build.write(tmp_path / "export" / "onnx-float", -0.1)
    red = gate(GateRequest(tmp_path / "gate.yaml"))
    assert red.exit_code is Exit.CHECK_FAILED
    (case,) = red.to_dict()["cases"]
    failed = {check["rule"] for check in case["checks"] if check["ruling"] == "fail"}
    assert any("gain=4" in rule for rule in failed), failed
    told = [one["told"] for one in case["explanations"]]
    assert any("range: the result differs by a gain" in one for one in told), told
