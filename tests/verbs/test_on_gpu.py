"""Android's GPUs in `verify --targets`: right and wrong graphs are told apart by numbers, and nothing falls back."""

from __future__ import annotations

import pytest
from tests import npu
from tests.verbs import made

from viewfinder.cli import npus
from viewfinder.errors import Exit
from viewfinder.measurement import Evidence, Verdict
from viewfinder.verbs.export import ExportOptions, export
from viewfinder.verbs.quantize import QuantizeRequest, quantize
from viewfinder.verbs.verify import VerifyRequest, verify


def test_without_the_driver_both_precisions_are_not_run(tmp_path):
    """Exit 3, and the command that installs it."""
    made.write_artifact(tmp_path / "export" / "tflite-float")
    made.write_golden(tmp_path / "export" / "golden.npz")
    result = verify(VerifyRequest(str(tmp_path / "export"), npus=("android-gpu",)))
    assert result.exit_code is Exit.NOT_VERIFIED
    names = [section.report.artifact for section in result.document.sections]
    assert names == ["gpu-float-fp32", "gpu-float-fp16"]
    assert "viewfinder doctor --install lavapipe" in npus.verified(result)


@pytest.fixture(scope="module")
def hdrnet(tmp_path_factory):
    """HDRNet in tent form, float and w8a8, with golden pictures."""
    npu.need("lavapipe")
    folder = tmp_path_factory.mktemp("hdrnet")
    export(ExportOptions("hdrnet", ("tflite",), output=folder, form="tent", use_cache=False))
    quantize(QuantizeRequest(str(folder / "tflite-float"), "w8a8"))
    return folder


@pytest.mark.npu
def test_hdrnet_on_a_phones_gpu(hdrnet, own_cache):
    """Float is whole and right in fp32 and fp16; w8a8 is taken whole, is wrong, and fails with the driver's words."""
    npu.lend(own_cache, "lavapipe")
    result = verify(VerifyRequest(str(hdrnet), npus=("android-gpu",), bands=1))
    rows = {section.report.artifact: section.report for section in result.document.sections}
    found = {name: {one.metric: one for one in report.measurements} for name, report in rows.items()}
    assert all(one["npu_fallback_ops"].value == 0 for one in found.values())
    assert all(
        report.evidence is Evidence.EMULATED and "llvmpipe" in report.notes["driver"] for report in rows.values()
    )
    assert found["gpu-float-fp32"]["psnr_vs_float_worst_db"].value >= 100
    assert found["gpu-float-fp16"]["psnr_vs_float_worst_db"].value >= 55
    verdicts = {name: report.verdict for name, report in rows.items()}
    assert verdicts == {
        "gpu-float-fp32": Verdict.PASS, "gpu-float-fp16": Verdict.PASS,
        "gpu-w8a8-fp32": Verdict.FAIL, "gpu-w8a8-fp16": Verdict.FAIL,
    }  # fmt: skip
    assert found["gpu-w8a8-fp32"]["psnr_vs_float_worst_db"].verdict is Verdict.FAIL
    assert "parsing WGSL" in found["gpu-w8a8-fp32"]["gpu_shader_errors"].reason


@pytest.mark.npu
def test_an_operator_that_gpus_do_not_take_is_a_fallback(tmp_path, own_cache):
    """The cell form's product of two variables: named, counted, exit 1; with enough operators allowed, it runs."""
    npu.lend(own_cache, "lavapipe")
    export(ExportOptions("hdrnet", ("tflite",), output=tmp_path, form="cell", use_cache=False))
    result = verify(VerifyRequest(str(tmp_path), npus=("android-gpu",), bands=1))
    assert result.exit_code is Exit.CHECK_FAILED
    found = result.document.sections[0].report.measurements[0]
    assert (found.metric, found.verdict) == ("npu_fallback_ops", Verdict.FAIL)
    assert found.value > 1
    assert "BATCH_MATMUL" in found.reason
    allowed = verify(VerifyRequest(str(tmp_path), npus=("android-gpu",), bands=1, max_fallback_ops=int(found.value)))
    assert {section.report.verdict for section in allowed.document.sections} == {Verdict.PASS}
