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
from viewfinder.verbs.adapters import rockchip
from viewfinder.verbs.export import ExportOptions, export
from viewfinder.verbs.quantize import QuantizeRequest, quantize
from viewfinder.verbs.verify import VerifyRequest, verify

TARGET = ("rockchip-rk3588",)


def test_without_the_toolchain_it_is_not_run(tmp_path):
    """Exit 3, and the command that installs it."""
    made.write_artifact(tmp_path / "export" / "onnx-float")
    made.write_golden(tmp_path / "export" / "golden.npz")
    result = verify(VerifyRequest(str(tmp_path / "export"), npus=TARGET))
    assert result.exit_code is Exit.NOT_VERIFIED
    assert "viewfinder doctor --install rknn" in npus.verified(result)


def test_strips_that_are_too_wide_come_with_what_helps():
    """The compiler names a register; a user has a width. Other errors and other networks get no such advice."""
    wide = ["REGTASK: The bit width of field value exceeds the limit, target: v2", "Unkown op target: 0"]
    said = rockchip.explained([*wide, wide[0]], "bilateral_grid")
    assert said.startswith("; ".join(wide))
    assert said.endswith("--width 640")
    assert said.count("REGTASK") == 1
    assert rockchip.explained(wide, "tiles") == "; ".join(wide)
    assert rockchip.explained(wide[1:], "bilateral_grid") == wide[1]


@pytest.mark.npu
def test_a_network_of_convolutions_is_taken_whole(tmp_path, own_cache, monkeypatch):
    """In half precision, and with the integers that our quantization wrote; no error, no file left in this folder."""
    npu.lend(own_cache, "rknn")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Image.fromarray(data.astronaut()[:90, 100:250]).save(tmp_path / "photo.png")
    photos, own = (tmp_path / "photo.png",), f"{tiny_file(tmp_path)}:TASK"
    export(ExportOptions(own, ("onnx",), output=tmp_path / "build", photos=photos))
    quantize(QuantizeRequest(str(tmp_path / "build"), "w8a8", target="npu"))
    result = verify(VerifyRequest(str(tmp_path / "build"), npus=TARGET, bands=1))
    reports = {section.report.artifact: section.report for section in result.document.sections}
    assert list(reports) == ["rknn-fp16-rk3588", "rknn-w8a8-rk3588"]
    assert all(one.evidence is Evidence.REFERENCE and one.size_bytes > 1000 for one in reports.values())
    assert reports["rknn-fp16-rk3588"].verdict is Verdict.PASS
    half, eight = ({one.metric: one for one in report.measurements} for report in reports.values())
    assert half["psnr_vs_float_worst_db"].value >= 60
    assert 35 <= eight["psnr_vs_float_worst_db"].value < 60
    for found in (half, eight):
        assert (found["npu_fallback_ops"].value, found["rknn_compiler_errors"].value) == (0, 0)
        assert found["npu_ops"].value >= 3
    assert not list((tmp_path / "here").iterdir())
