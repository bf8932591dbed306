"""Vendors whose compilers need an SDK of theirs: tried, not assumed; what would compile is placed, and never passes."""

from __future__ import annotations

import pytest
from tests.verbs import made

from viewfinder.errors import Exit
from viewfinder.measurement import Evidence, Verdict
from viewfinder.runtime.litert_aot import compiler, sdk
from viewfinder.verbs.verify import VerifyRequest, verify

WORDS = {
    "mediatek": "Failed to load NeuronAdapter shared library",
    "google-tensor": "liblitert_plugin_compiler.so: cannot open shared object file",
    "samsung": "undefined symbol",
}
"""What ai-edge-litert 2.3.0 says without the vendors' libraries; Samsung's plug-in in the wheel cannot be loaded."""


@pytest.fixture
def build(tmp_path):
    """A folder with a TFLite artifact and golden pictures."""
    made.write_artifact(tmp_path / "export" / "tflite-w8a8")
    made.write_golden(tmp_path / "export" / "golden.npz")
    return tmp_path / "export"


@pytest.mark.parametrize("name", WORDS)
def test_without_the_sdk_its_own_compiler_says_so(name, build):
    """Exit 3; LiteRT's words without a place of this machine, and the artifact that is ready."""
    result = verify(VerifyRequest(str(build), npus=(name,)))
    assert result.exit_code is Exit.NOT_VERIFIED
    ((section,),) = [result.document.sections]
    (measured,) = section.report.measurements
    assert section.report.evidence is Evidence.NOT_RUN
    assert "SDK absent" in measured.reason
    assert WORDS[name] in measured.reason
    assert "it would take the w8a8 TFLite artifact (ready: tflite-w8a8)" in measured.reason
    assert "/vendors/" not in measured.reason


@pytest.mark.parametrize(("left", "verdict"), [(0, Verdict.NOT_RUN), (2, Verdict.FAIL)])
def test_with_an_sdk_the_row_is_compiled_only(left, verdict, build, tmp_path, monkeypatch):
    """Operators on the CPU fail; without any the row still says that nothing ran."""
    asked = []

    def compile_graph(source, target, plugin, libraries):
        asked.append((source.name, plugin, libraries))
        target.write_bytes(b"12345")
        return 7 - left, 7, 1

    monkeypatch.setattr(compiler, "compile_graph", compile_graph)
    monkeypatch.setattr(sdk, "libraries", lambda package: (tmp_path / package,))
    (section,) = verify(VerifyRequest(str(build), npus=("google-tensor",))).document.sections
    found = {one.metric: one for one in section.report.measurements}
    assert (found["npu_fallback_ops"].value, found["npu_ops"].value, found["npu_partitions"].value) == (
        left,
        7 - left,
        1,
    )
    assert "compiled only" in found["psnr_vs_float_worst_db"].reason
    assert section.report.verdict is verdict
    assert section.report.size_bytes == 5
    plugin = compiler.Plugin("Google", "google_tensor", "Tensor_G5")
    folders = (tmp_path / "ai_edge_litert_sdk_google_tensor",)
    assert asked == [("tiny.tflite", plugin, folders), ("model.json", plugin, folders)]
