"""The verb `overflow`: saturation on the NPU fails, where a scan for NaN finds nothing."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from tests import npu
from tests.verbs import made
from tests.verbs.test_on_npu import ELITE, onnx_artifact

from viewfinder import artifact
from viewfinder.cli import main
from viewfinder.errors import Exit, UsageError
from viewfinder.measurement import Evidence
from viewfinder.verbs import compile as compiling
from viewfinder.verbs.overflow import OverflowRequest, overflow


def build(folder):
    """A graph that multiplies its picture by 1000 and divides it again, and golden pictures."""
    nodes = [
        helper.make_node("Mul", ["image", "up"], ["large"], "louder"),
        helper.make_node("Mul", ["large", "down"], ["enhanced"], "softer"),
    ]
    own = onnx_artifact(folder / "onnx-float", nodes, [("up", 1e3), ("down", 1e-3)])
    made.write_golden(folder / "golden.npz")
    return own


def test_float_holds(tmp_path, capsys):
    """An artifact whose sums are float's keeps them: exit 0, and the word is a dash."""
    own = build(tmp_path)
    again = artifact.replace(own, folder=tmp_path / "onnx-again", precision="again")
    with artifact.writing(again) as partial:
        (partial / "model.onnx").write_bytes(own.path(own.graphs[0]).read_bytes())
    assert main(["overflow", str(again.folder)]) == 0
    assert "verdict: pass" in capsys.readouterr().out


def test_nothing_to_compare_with(tmp_path):
    """A lone float artifact has no other float beside it."""
    own = build(tmp_path)
    with pytest.raises(UsageError, match="no other float artifact"):
        overflow(OverflowRequest(str(own.folder)))


@pytest.mark.npu
def test_the_npu_saturates_and_fails(tmp_path, own_cache):
    """What half precision cannot hold is finite everywhere on the HTP, named ``saturate``, exit 1."""
    npu.lend(own_cache)
    own = build(tmp_path)
    whole = compiling.compile(compiling.CompileRequest(str(own.folder), (ELITE,))).artifacts[0]
    result = overflow(OverflowRequest(str(whole.folder)))
    assert result.exit_code is Exit.CHECK_FAILED
    (found,) = result.found[whole.folder.name]
    assert (found.signature, found.not_finite) == ("saturate", 0)
    assert np.isfinite(found.largest)
    assert found.largest < found.expected / 2
    report = result.document.sections[0].report
    assert report.evidence is Evidence.EMULATED
    assert "saturate" in report.measurements[0].reason
