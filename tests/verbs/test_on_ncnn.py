"""ncnn in `verify --targets`: two rows of the GPU, and without one its processor path, which is no substitute."""

from __future__ import annotations

import pytest
from PIL import Image
from skimage import data
from tests import npu
from tests.verbs import made

from viewfinder.cli import npus
from viewfinder.errors import Exit
from viewfinder.measurement import Evidence, Verdict
from viewfinder.verbs.export import ExportOptions, export
from viewfinder.verbs.verify import VerifyRequest, verify

OWN = '''
import torch
from torch import nn
from viewfinder.task import Task, TensorSpec


def build():
    """Build it alike every time."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Sigmoid(), nn.Conv2d(8, 3, 3, padding=1))


SHAPE = (1, 3, 64, 64)
TASK = Task(
    "own", "three layers", build, (TensorSpec("image", SHAPE),), (TensorSpec("enhanced", SHAPE, value_range=None),)
)
'''
TARGET = "android-gpu-ncnn"


def test_without_the_toolchain_both_precisions_are_not_run(tmp_path):
    """Exit 3, and the command that installs it."""
    made.write_artifact(tmp_path / "export" / "ncnn-float")
    made.write_golden(tmp_path / "export" / "golden.npz")
    result = verify(VerifyRequest(str(tmp_path / "export"), npus=(TARGET,)))
    assert result.exit_code is Exit.NOT_VERIFIED
    names = [section.report.artifact for section in result.document.sections]
    assert names == ["ncnn-float-fp32", "ncnn-float-fp16"]
    assert "viewfinder doctor --install ncnn" in npus.verified(result)


@pytest.mark.npu
def test_a_network_on_a_phones_gpu_through_ncnn(tmp_path, own_cache):
    """Whole and right in both precisions; without the driver the processor's row has numbers, which is not enough."""
    npu.lend(own_cache, "ncnn")
    Image.fromarray(data.astronaut()[:150, 100:300]).save(tmp_path / "photo.png")
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    photos, own = (tmp_path / "photo.png",), f"{tmp_path / 'own.py'}:TASK"
    export(ExportOptions(own, ("ncnn",), output=tmp_path / "build", photos=photos))
    request = VerifyRequest(str(tmp_path / "build"), npus=(TARGET,), bands=1)
    result = verify(request)
    rows = {section.report.artifact: section.report for section in result.document.sections}
    assert list(rows) == ["ncnn-float-fp32", "ncnn-float-fp16", "ncnn-float-cpu"]
    assert [one.evidence for one in rows.values()] == [Evidence.NOT_RUN, Evidence.NOT_RUN, Evidence.MEASURED]
    assert rows["ncnn-float-cpu"].verdict is Verdict.PASS
    assert result.exit_code is Exit.NOT_VERIFIED
    npu.lend(own_cache, "lavapipe")
    result = verify(request)
    rows = {section.report.artifact: section.report for section in result.document.sections}
    found = {name: {one.metric: one for one in report.measurements} for name, report in rows.items()}
    assert list(rows) == ["ncnn-float-fp32", "ncnn-float-fp16"]
    assert all("llvmpipe" in report.notes["driver"] for report in rows.values())
    assert all((one["npu_fallback_ops"].value, one["npu_ops"].value) == (0, 2) for one in found.values())
    assert found["ncnn-float-fp32"]["psnr_vs_float_worst_db"].value >= 100
    assert 55 <= found["ncnn-float-fp16"]["psnr_vs_float_worst_db"].value < 100
    assert result.exit_code is Exit.PASS
