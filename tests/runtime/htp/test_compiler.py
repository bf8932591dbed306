from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests import npu

from viewfinder import presets
from viewfinder.errors import MissingToolError, NotVerifiedError
from viewfinder.runtime import engines, tiny
from viewfinder.runtime.htp import compiler, trying
from viewfinder.runtime.htp.compiler import CompileError, FallbackError, Refused

ELITE = presets.NPUS["snapdragon-8-elite"]

# onnxruntime-qnn 2.7.0 on a graph of Conv, Acosh and Relu, fallback disabled, for SM8750.
ACOSH_LOG = (
    "[1;31m2026-11-22 18:34:23.797935553 [E:onnxruntime:, qnn_execution_provider.cc:2453 GetCapabilityImpl] "
    "Unsupported nodes in QNN EP: { name: odd, type: Acosh }[m\n"
    "[1;31m2026-11-22 18:34:24.123573306 [E:onnxruntime:, inference_session.cc:3181 operator()] This session "
    "contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has been explicitly disabled "
    "by the user.[m\n"
)
ACOSH_ANSWER = {
    "error": "[ONNXRuntimeError] : 1 : FAIL : This session contains graph nodes that are assigned to the default CPU "
    "EP, but fallback to CPU EP has been explicitly disabled by the user.",
    "placement": {
        "QNNExecutionProvider": [[["Conv", "c0_token_1"]], [["Relu", "r"]]],
        "CPUExecutionProvider": [[["Acosh", "odd"]]],
    },
}
# The same on HDRNet's slicing as one 5-D GridSample: then not even a session with fallback starts.
GRID_SAMPLE_LOG = (
    "[0;93m2026-11-22 18:33:20.942241836 [W:onnxruntime:, qnn_model_wrapper.cc:565 CreateQnnNode] "
    "QNN.backendValidateOpConfig() failed for node `node_GridSample_64_token_12_2` of type `GridSample` with error "
    "code 3110\n"
    "[1;31m2026-11-22 18:33:20.735327604 [E:onnxruntime:, qnn_execution_provider.cc:2453 GetCapabilityImpl] "
    "Unsupported nodes in QNN EP: { name: node_GridSample_64_token_12, type: GridSample }[m\n"
)
GRID_SAMPLE_ANSWER = {
    "error": "[ONNXRuntimeError] : 1 : FAIL : Node 'node_GridSample_64_token_12' OpType:GridSample with domain:"
    "com.ms.internal.nhwc was inserted using the NHWC format as requested by QNNExecutionProvider, but was not selected"
}


def test_a_fallback_names_the_operators():
    """What the placement gives to the CPU is in the sentence and in the error, with the name that the file has."""
    error = compiler.explain("strip.onnx", ACOSH_ANSWER, ACOSH_LOG)
    assert isinstance(error, FallbackError)
    assert error.code == "npu-fallback"
    assert "1 operator of strip.onnx would run on the CPU: Acosh (odd)" in error.message
    assert [(one.operator, one.node) for one in error.refused] == [("Acosh", "odd")]


def test_a_fallback_is_named_by_the_log_where_no_session_starts():
    """The log's name for the node loses what onnxruntime appended, and the compiler's code is the reason."""
    error = compiler.explain("model.onnx", GRID_SAMPLE_ANSWER, GRID_SAMPLE_LOG)
    assert isinstance(error, FallbackError)
    assert error.refused == (Refused("GridSample", "node_GridSample_64", "validation failed with code 3110"),)


def test_many_fallbacks_are_counted():
    """The sentence names five, the error holds all."""
    nodes = [["Acosh", f"n{number}"] for number in range(7)]
    error = compiler.explain("m", {"error": "x", "placement": {"CPUExecutionProvider": [nodes]}}, "")
    assert isinstance(error, FallbackError)
    assert len(error.refused) == 7
    assert error.message.startswith("7 operators")
    assert error.message.endswith("; and 2 more")


def test_a_refusal_without_an_operator_keeps_the_reason():
    """Out of memory while the graph is finished, for instance."""
    said = "Failed to finalize QNN graph. Error: QNN_COMMON_ERROR_MEM_ALLOC ... Code: 1002\nmore"
    error = compiler.explain("m", {"error": said}, "")
    assert isinstance(error, CompileError)
    assert "QNN_COMMON_ERROR_MEM_ALLOC ... Code: 1002" in error.message
    assert "more" not in error.message


def test_a_compiler_that_crashes_is_no_verdict_about_the_graph(tmp_path):
    """Here a Python without the compiler ends with an exception; its last words are in the sentence."""
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(NotVerifiedError, match=r"code 1 on a\.onnx for snapdragon-8-elite: .*No module named"):
        compiler.compile_graph(Path(sys.executable), tmp_path / "a.onnx", tmp_path / "b.onnx", ELITE)


def test_an_interpreter_that_is_not_there(tmp_path):
    """The way out is the doctor."""
    with pytest.raises(MissingToolError, match="cannot be started"):
        compiler.compile_graph(tmp_path / "python", tmp_path / "a.onnx", tmp_path / "b.onnx", ELITE)


def test_operators_are_counted_in_the_dump(tmp_path):
    """Files of another kind beside the dump do not matter."""
    nodes = {"a": {"type": "Conv2d"}, "b": {"type": "Conv2d"}, "c": {"type": "Relu"}}
    (tmp_path / "graph.json").write_text(json.dumps({"graph": {"nodes": nodes}}))
    (tmp_path / "answer.json").write_text(json.dumps({"seconds": 1}))
    (tmp_path / "broken.json").write_text("{")
    assert compiler._operators(tmp_path) == {"Conv2d": 2, "Relu": 1}


def test_one_addition_is_tried_before_the_emulator_is_believed(tmp_path, monkeypatch):
    """A right sum is no reason, a wrong one is; a Python without the toolchain cannot compile it, and says so."""
    monkeypatch.setattr(trying.compiler, "compile_graph", lambda *_: None)
    assert (
        trying.tried(Path(sys.executable), tmp_path, lambda _path, _graph: lambda _feeds: {"sum": tiny.EXPECTED})
        is None
    )
    wrong = trying.tried(
        Path(sys.executable), tmp_path, lambda _path, _graph: lambda _feeds: {"sum": tiny.EXPECTED + 1}
    )
    assert wrong is not None
    assert wrong.startswith("it adds")
    monkeypatch.undo()
    assert "one addition" in str(engines.load("qnn", Path(sys.executable)).probe())


@pytest.mark.npu
def test_one_addition_on_the_emulator(own_cache):
    """Compiled and emulated by the toolchain."""
    npu.lend(own_cache)
    assert engines.load("qnn", npu.INSTALLED["qnn"] / "bin" / "python").probe() is None
