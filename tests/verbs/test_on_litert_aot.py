"""Snapdragon through LiteRT in `verify --targets`: nothing without the SDK, a label for the unofficial way."""

from __future__ import annotations

import numpy as np
import pytest
from tests import npu
from tests.runtime.ethos import integers
from tests.verbs import made

from viewfinder import presets
from viewfinder.cli import npus
from viewfinder.devices import toolchains
from viewfinder.errors import Exit
from viewfinder.measurement import Evidence, Verdict
from viewfinder.runtime import engines
from viewfinder.runtime.litert_aot import sdk
from viewfinder.runtime.litert_aot.engine import LitertAot
from viewfinder.verbs.verification import VerifyRequest
from viewfinder.verbs.verify import verify

TARGET = ("snapdragon-8-elite-litert",)


def test_without_the_sdk_it_is_not_run_and_the_artifact_is_ready(tmp_path):
    """Exit 3; the same with the flag and without the toolchain, where the row says unofficial all the same."""
    made.write_artifact(tmp_path / "export" / "tflite-float")
    made.write_golden(tmp_path / "export" / "golden.npz")
    for unofficial, reason in ((False, "SDK absent"), (True, "viewfinder doctor --install qnn")):
        result = verify(VerifyRequest(str(tmp_path / "export"), npus=TARGET, unofficial=unofficial))
        assert result.exit_code is Exit.NOT_VERIFIED
        (section,) = result.document.sections
        assert section.report.artifact.startswith("unofficial-") is unofficial
        assert reason in npus.verified(result)
        assert "(tflite-float)" in npus.verified(result)


@pytest.mark.npu
def test_the_binary_of_the_file_that_ships_is_executed(tmp_path, own_cache):
    """A network of convolutions: one piece, nothing on the CPU, LiteRT's own numbers; the label stands everywhere."""
    npu.lend(own_cache)
    quantized = integers.write(tmp_path / "export")
    result = verify(VerifyRequest(str(quantized.folder.parent), npus=TARGET, unofficial=True, bands=1))
    for section in result.document.sections:
        report = section.report
        found = {one.metric: one for one in report.measurements}
        assert report.artifact.startswith("unofficial-litert-aot-")
        assert report.notes["sdk"] == "unofficial"
        assert "unofficial" in report.notes["computed_by"]
        assert report.evidence is Evidence.EMULATED
        assert (found["npu_fallback_ops"].value, found["npu_partitions"].value) == (0, 1)
        assert found["npu_fallback_ops"].verdict is Verdict.PASS
    (graph,) = quantized.graphs
    python = toolchains.python("qnn")
    engine = LitertAot(presets.npu("snapdragon-8-elite"), sdk.unofficial(python, tmp_path), python, tmp_path)
    random = np.random.default_rng(0)
    feeds = {spec.name: random.random(spec.shape, np.float32) for spec in graph.inputs}
    found, expected = (one.open(quantized.path(graph), graph, 1)(feeds) for one in (engine, engines.load("litert")))
    for name, array in expected.items():
        step = np.ptp(array) / 255
        assert np.abs(found[name] - array).max() < 3 * step
