"""Burst networks on Snapdragon's NPU: whole, in one piece."""

from __future__ import annotations

import pytest
from tests import npu

from viewfinder.verbs import compile as compiling
from viewfinder.verbs.export import ExportOptions, export


@pytest.mark.npu
def test_kpn_lite_is_whole_on_snapdragon(tmp_path, own_cache):
    """Kernels, blurs, sRGB's curve and the way back to full resolution: one piece, nothing on the CPU."""
    npu.lend(own_cache)
    export(
        ExportOptions("kpn-lite", ("onnx",), "float", tmp_path, width=256, strip_rows=256, write_golden=False),
        lambda _line: None,
    )
    request = compiling.CompileRequest(str(tmp_path / "onnx-float"), ("snapdragon-8-elite",), tmp_path / "compiled")
    (graph,) = compiling.compile(request).artifacts[0].graphs
    assert graph.notes["partitions"] == 1
    assert graph.notes["operators"]
