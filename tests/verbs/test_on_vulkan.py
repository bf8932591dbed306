"""Android's GPUs through ExecuTorch: compiled, placed and never passed, because nothing here runs it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.verbs import made

from viewfinder import artifact
from viewfinder.errors import Exit
from viewfinder.measurement import Verdict
from viewfinder.verbs.verification import VerifyRequest
from viewfinder.verbs.verify import verify


@pytest.mark.parametrize(
    ("left", "verdict", "code"),
    [({}, Verdict.NOT_RUN, Exit.NOT_VERIFIED), ({"aten.grid": 2}, Verdict.FAIL, Exit.CHECK_FAILED)],
)
def test_placement_is_told_and_a_fallback_fails(tmp_path, left, verdict, code):
    """Whole is not-run, with the words compiled only; two operators left to the CPU fail, and are named."""
    folder = tmp_path / "export" / "vulkan-float"
    plain = made.write_artifact(folder)
    notes = {"delegate": "vulkan", "partitions": 1, "delegated_nodes": 7, "not_delegated": left}
    artifact.write_manifest(replace(plain, graphs=(replace(plain.graphs[0], notes=notes),)), folder)
    made.write_golden(tmp_path / "export" / "golden.npz")
    result = verify(VerifyRequest(str(tmp_path / "export"), npus=("android-gpu-executorch",)))
    (section,) = result.document.sections
    found = {one.metric: one for one in section.report.measurements}
    assert "compiled only" in found["psnr_vs_float_worst_db"].reason
    assert found["npu_ops"].value == 7
    assert found["npu_fallback_ops"].value == sum(left.values())
    assert all(name in found["npu_fallback_ops"].reason for name in left)
    assert (section.report.verdict, result.exit_code) == (verdict, code)
