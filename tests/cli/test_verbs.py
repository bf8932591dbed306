"""Export, verify, run and report on the command line, with a network small enough to convert in a moment."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from skimage import data
from tests import jobs_here

from viewfinder import jobs
from viewfinder.cli import main

pytestmark = pytest.mark.slow

OWN = """
from viewfinder.task import Task, TensorSpec

def build():
    import torch
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3, padding=1))
    with torch.no_grad():
        net[0].weight.mul_(0.1)
        for channel in range(3):
            net[0].weight[channel, channel, 1, 1] += 0.8
    return net

picture = TensorSpec("image", (1, 3, 64, 64))
TASK = Task("own", "a 3x3 convolution", build, (picture,), (TensorSpec("result", (1, 3, 64, 64), value_range=None),))
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Return a folder with a model, a photograph, and the model's ONNX artifact with golden pictures."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "own.py").write_text(OWN)
    Image.fromarray(data.astronaut()[:100, :120]).save(folder / "photo.png")
    command = ["export", f"{folder / 'own.py'}:TASK", "--format", "onnx", "--photos", str(folder / "photo.png")]
    assert main([*command, "-o", str(folder / "export"), "--no-cache"]) == 0
    return folder


def ended(capfd, *command):
    """Run a command; return exit code, result and error of its envelope."""
    code = main([*map(str, command), "--json"])
    found = json.loads(capfd.readouterr().out)
    return code, found["result"], found["error"]


def test_verify_passes(work, capfd):
    """A sound artifact exits 0, and its numbers carry evidence and hash."""
    code, result, _ = ended(capfd, "verify", work / "export" / "onnx-float")
    (found,) = result["artifacts"]
    assert (code, result["verdict"], found["evidence"]) == (0, "pass", "measured")
    assert len(found["artifact_sha256"]) == 64


def test_a_bound_that_is_missed_exits_1(work, capfd):
    """--min-psnr and --limit are held; what is missed is named."""
    artifact = work / "export" / "onnx-float"
    assert ended(capfd, "verify", artifact, "--min-psnr", "500")[0] == 1
    assert main(["verify", str(artifact), "--limit", "max_abs_vs_float_worst=:1e-12"]) == 1
    text = capfd.readouterr().out
    assert "verdict: fail" in text
    assert "max_abs_vs_float_worst" in text


@pytest.mark.parametrize("limit", ["psnr", "psnr=40", "psnr=a:b", "=1:2"])
def test_a_bound_that_is_none_exits_2(work, capfd, limit):
    """A --limit that cannot be read is answered with how to write it."""
    code, _, error = ended(capfd, "verify", work / "export" / "onnx-float", "--limit", limit)
    assert code == 2
    assert "METRIC=LOW:HIGH" in error["hint"]


def test_an_engine_that_is_missing_exits_with_its_remedy(work, capfd):
    """Core ML's engine does not run an ONNX artifact, and says so."""
    code, _, error = ended(capfd, "verify", work / "export" / "onnx-float", "--engine", "coreml")
    assert code == 2
    assert "coreml" in error["message"]


def test_a_damaged_artifact_exits_2(work, capfd, tmp_path):
    """A flipped byte is named with its file."""
    shutil.copytree(work / "export", tmp_path / "export")
    (model,) = (tmp_path / "export" / "onnx-float").glob("*.onnx")
    damaged = bytearray(model.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    model.write_bytes(damaged)
    code, _, error = ended(capfd, "verify", tmp_path / "export" / "onnx-float")
    assert code == 2
    assert error["code"] == "bad-artifact"
    assert model.name in error["message"]


def test_the_same_picture_from_every_engine(work, capfd, tmp_path):
    """`run` writes what PyTorch gives, from the artifact and from the network, and refuses to replace it unasked."""
    artifact, photo = work / "export" / "onnx-float", work / "photo.png"
    assert ended(capfd, "run", artifact, photo, "-o", tmp_path / "onnx.png")[0] == 0
    own = f"{work / 'own.py'}:TASK"
    assert ended(capfd, "run", own, photo, "-o", tmp_path / "torch.png", "--engine", "torch")[0] == 0
    found, expected = (np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in ("onnx", "torch"))
    assert found.shape == (100, 120, 3)
    assert abs(found - expected).max() <= 1
    assert abs(found - np.asarray(Image.open(photo)).astype(int)).max() > 5
    code, _, error = ended(capfd, "run", artifact, photo, "-o", tmp_path / "onnx.png")
    assert code == 2
    assert "--overwrite" in error["hint"]


def test_a_report_is_written_and_written_again(work, capfd, tmp_path):
    """`verify -o` writes a page, `report` the same page again from its numbers."""
    assert ended(capfd, "verify", work / "export", "-o", tmp_path / "report")[0] == 0
    page = (tmp_path / "report" / "report.html").read_text()
    (tmp_path / "report" / "report.html").unlink()
    assert ended(capfd, "report", tmp_path / "report")[0] == 0
    assert (tmp_path / "report" / "report.html").read_text() == page
    assert "onnx-float" in page


def test_a_build_writes_its_fixed_names(work, capfd, tmp_path, monkeypatch):
    """`build` exits 0 and leaves export/, report.html, report.json and manifest.json.

    Its processes are held by tests/verbs/test_build.py.
    """
    monkeypatch.setattr(jobs, "run", jobs_here.run)
    command = ["build", f"{work / 'own.py'}:TASK", "--format", "onnx", "-j", "1"]
    code, result, _ = ended(capfd, *command, "--photos", work / "photo.png", "-o", tmp_path / "build")
    assert (code, result["verdict"]) == (0, "pass")
    assert [one["name"] for one in result["artifacts"]] == ["onnx-float", "onnx-fp16"]
    names = {path.name for path in (tmp_path / "build").iterdir()}
    assert names >= {"export", "report.html", "report.json", "manifest.json"}


def test_training_needs_data(capfd, tmp_path):
    """`train` without photographs and without pairs is wrong usage."""
    code, _, error = ended(capfd, "train", "hdrnet", "-o", tmp_path)
    assert code == 2
    assert "--pairs" in error["hint"]
