"""`verify` on a hosted phone, against a fake of the service's client, and on the fake device: whole jobs, no calls."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.verbs.test_profile import SIDE, write

from viewfinder import artifact, golden
from viewfinder.devices import DeviceBusyError, hosted
from viewfinder.errors import Exit, UsageError
from viewfinder.golden import Golden, GoldenPhoto
from viewfinder.measurement import Evidence
from viewfinder.runtime import pipelines
from viewfinder.target import Target
from viewfinder.verbs.verify import VerifyRequest, verify

TARGET = "onnx@hosted:Galaxy Test"


@pytest.fixture
def build(tmp_path):
    """Return an artifact of one convolution, with a golden photograph of several tiles that it computes rightly."""
    made = artifact.load(write(tmp_path / "onnx-float"))
    pixels = np.random.default_rng(1).integers(0, 256, (SIDE + 40, SIDE + 40, 3), np.uint8)
    expected = pipelines.open(made, "onnx").enhance(pixels)
    golden.write(tmp_path / "golden.npz", Golden("own", "", "", "", (GoldenPhoto("noise", pixels, expected, None),)))
    return tmp_path


def verified(build, target=TARGET):
    """Verify on a device; return the exit code and the report."""
    result = verify(VerifyRequest(str(build), target=Target.parse(target), use_cache=False))
    (section,) = result.document.sections
    return result.exit_code, section.report


def test_the_same_artifact_on_a_hosted_phone(build, hub):
    """All tiles of the photograph are one job, the model is uploaded once, the numbers are measured and say where."""
    code, report = verified(build)
    numbers = {one.metric: one.value for one in report.measurements}
    assert code is Exit.PASS
    assert numbers["psnr_vs_float_worst_db"] > 100
    assert (report.evidence, report.engine) == (Evidence.MEASURED, "onnx@hosted:Galaxy Test")
    assert report.notes["processor"] == "qualcomm-snapdragon-8gen3"
    assert (hub / "samples").read_text() == "4\n"
    verified(build)
    assert (hub / "uploads").read_text() == "model.onnx\n"


def test_the_service_as_a_target_says_what_is_lacking(build, hub, monkeypatch):
    """The client, the account, or only a phone's name: never a pass, the artifact is ready, and nothing is uploaded."""

    def row():
        """Verify; return what the one row says."""
        result = verify(VerifyRequest(str(build), npus=("qualcomm-ai-hub",)))
        assert result.exit_code is Exit.NOT_VERIFIED
        (section,) = result.document.sections
        return section.report.measurements[0].reason

    assert "--target onnx@hosted:NAME" in row()
    (hub / "locked").touch()
    assert "no API token is configured" in row()
    monkeypatch.setattr(hosted, "_python", lambda: None)
    reason = row()
    assert reason.startswith("not-run: SDK absent")
    assert "viewfinder doctor --install qai-hub" in reason
    assert "(ready: onnx-float)" in reason
    assert not (hub / "uploads").exists()


def test_a_phone_that_computes_something_else_fails(build, hub):
    """Half of every value: exit 1."""
    (hub / "wrong").touch()
    assert verified(build)[0] is Exit.CHECK_FAILED


@pytest.mark.parametrize(
    ("word", "said"),
    [("lazy", "[1, 1, 3, 256, 256], which should be [4, 1, 3, 256, 256]"), ("locked", "no API token is configured")],
)
def test_what_was_not_computed_is_never_a_pass(build, hub, word, said):
    """Fewer samples than were sent, and no account: exit 3 with the reason."""
    (hub / word).touch()
    code, report = verified(build)
    assert code is Exit.NOT_VERIFIED
    assert said in report.measurements[0].reason


def test_other_formats_are_refused(hub, tmp_path):
    """Before anything is sent."""
    write(tmp_path / "coreml-float", kind="coreml")
    golden.write(
        tmp_path / "golden.npz",
        Golden(
            "own", "", "", "", (GoldenPhoto("x", np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.float32), None),)
        ),
    )
    with pytest.raises(UsageError, match="does not run coreml artifacts"):
        verify(VerifyRequest(str(tmp_path), target=Target.parse("coreml@hosted:Galaxy Test")))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"to": "infer"}, "follows a script; nothing was computed"),
        ({"to": "infer", "argv": "onnx-float/model", "fails": "disconnect"}, "went away"),
        ({"to": "infer", "seconds": 9e9}, "was still running"),
    ],
)
def test_a_fake_verifies_nothing(build, tmp_path, answer, said):
    """For tests of users' own pipelines: the report says not-run and what the script has happen, exit 3."""
    (tmp_path / "script.json").write_text(json.dumps({"answers": [answer]}))
    code, report = verified(build, f"onnx@fake:{tmp_path}/script.json")
    assert (code, report.evidence) == (Exit.NOT_VERIFIED, Evidence.NOT_RUN)
    assert said in report.measurements[0].reason


def test_a_device_that_is_in_use(build, tmp_path):
    """Somebody else has it: nothing is verified meanwhile, exit 2."""
    (tmp_path / "script.json").write_text('{"answers": [{"to": "lock", "fails": "busy"}]}')
    with pytest.raises(DeviceBusyError, match="is in use"):
        verified(build, f"onnx@fake:{tmp_path}/script.json")
