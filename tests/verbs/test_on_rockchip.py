"""Rockchip in `verify --targets`: with the toolchain numbers, placement and the compiler's errors."""

from __future__ import annotations

import pytest
from PIL import Image
from skimage import data
from tests import npu
from tests.export.networks import tiny_file
from tests.verbs import made

from viewfinder.cli import npus
from viewfinder.errors import Exit
from viewfinder.measurement import Evidence, Verdict
from viewfinder.verbs.export import ExportOptions, export
from viewfinder.verbs.verify import VerifyRequest, verify

TARGET = ("rockchip-rk3588",)


def test_without_the_toolchain_it_is_not_run(tmp_path):
    """Exit 3, and the command that installs it."""
    made.write_artifact(tmp_path / "export" / "onnx-float")
    made.write_golden(tmp_path / "export" / "golden.npz")
    result = verify(VerifyRequest(str(tmp_path / "export"), npus=TARGET))
    assert result.exit_code is Exit.NOT_VERIFIED
    assert "viewfinder doctor --install rknn" in npus.verified(result)


@pytest.mark.npu
def test_a_network_of_convolutions_is_taken_whole(tmp_path, own_cache, monkeypatch):
    """Built in half precision, computed by the simulator; no error of the compiler, none of its files here."""
    npu.lend(own_cache, "rknn")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Image.fromarray(data.astronaut()[:90, 100:250]).save(tmp_path / "photo.png")
    photos, own = (tmp_path / "photo.png",), f"{tiny_file(tmp_path)}:TASK"
    export(ExportOptions(own, ("onnx",), output=tmp_path / "build", photos=photos))
    (section,) = verify(VerifyRequest(str(tmp_path / "build"), npus=TARGET, bands=1)).document.sections
    report, found = section.report, {one.metric: one for one in section.report.measurements}
    assert (report.artifact, report.evidence, report.verdict) == ("rknn-fp16-rk3588", Evidence.REFERENCE, Verdict.PASS)
    assert found["psnr_vs_float_worst_db"].value >= 60
    assert (found["npu_fallback_ops"].value, found["rknn_compiler_errors"].value) == (0, 0)
    assert found["npu_ops"].value >= 3
    assert report.size_bytes > 1000
    assert not list((tmp_path / "here").iterdir())
