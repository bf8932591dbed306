"""Operators: where they run, what they cost, what fell back, and Model Explorer's file."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.runtime.engines import blend

from viewfinder.errors import NotVerifiedError
from viewfinder.runtime.profile import litert_c, operators
from viewfinder.runtime.profile.operators import Operator, executorch, litert, onnxruntime

FIXTURES = Path(__file__).parents[1] / "engines" / "fixtures"


def test_onnx_nodes_have_a_cost(tmp_path):
    """Every node that ONNX Runtime executes, by the name of its output in the file."""
    path = blend.write("onnx", tmp_path)
    found = operators.told("onnxruntime", path, blend.GRAPH, blend.feeds())
    outputs = onnxruntime._outputs(path).values()
    assert found
    assert all(one["microseconds"] >= 0 and one["where"] == "CPUExecutionProvider" for one in found)
    assert {one["name"] for one in found} & set(outputs)


def test_litert_tells_what_runs_inside_xnnpack():
    """Its C library has the profiler that its interpreter lacks: every step has a cost, what fell back a reason too."""
    assert litert_c.problem() == ""
    found = operators.told("litert", FIXTURES / "blend.tflite", blend.GRAPH, blend.feeds())
    assert found
    assert all(one["microseconds"] >= 0 for one in found)
    assert any("NC" in one["kind"] or "ND" in one["kind"] for one in found)
    assert all(bool(one["fallback"]) == (one["where"] != "XNNPACK") for one in found)


def test_another_version_of_litert_is_not_asked(monkeypatch):
    """Its events may be of another size: every operator of the file, taken or not, without a cost."""
    monkeypatch.setattr(litert_c, "version", lambda _name: "2.4.0")
    assert "2.4.0 is installed" in litert_c.problem()
    found = operators.told("litert", FIXTURES / "blend.tflite", blend.GRAPH, {})
    assert found
    assert {one["microseconds"] for one in found} == {None}
    assert {one["where"] for one in found} <= {"XNNPACK", "LiteRT's own kernels"}


def test_a_litert_that_refuses_a_file(tmp_path):
    """The name of the call and its status, no crash."""
    (tmp_path / "no.tflite").write_bytes(b"TFL3" * 8)
    with pytest.raises(NotVerifiedError, match="CreateModelFromFile ends with status"):
        litert_c.events(tmp_path / "no.tflite", blend.GRAPH, blend.feeds(), 1)


def test_events_of_litert():
    """Only operators count, whatever surrounds them; the first run is dropped; the file's own name where it has one."""
    raw = [SimpleNamespace(tag=b"Invoke", type=1, index=0, elapsed_us=9)]
    raw += [SimpleNamespace(tag=b"Clamp (NC)", type=8, index=0, elapsed_us=3)]
    raw += [SimpleNamespace(tag=b"PADV2", type=2, index=5, elapsed_us=7)]
    runs = [
        [replace(one, microseconds=cost * one.microseconds) for one in litert_c.told(raw)] for cost in (90, 1, 2, 3)
    ]
    inside, own = litert.executed(runs, {5: Operator("x", "PADV2", litert._OWN, None, "because")})
    assert (inside.name, inside.where, inside.microseconds, inside.fallback) == ("Clamp (NC) #0", "XNNPACK", 6.0, "")
    assert (own.name, own.kind, own.microseconds, own.fallback) == ("x", "PADV2", 14.0, "because")


@pytest.mark.parametrize("answer", [[["x"]], [[["x", 8, 0]]], [[["x", 8, 0, "y"]]], [5], [[None]]])
def test_a_phone_that_tells_something_else(answer):
    """Too few words, no numbers, no lists."""
    with pytest.raises(NotVerifiedError, match="cannot be read"):
        litert_c.read(answer)
    assert litert_c.read([[["x", 8, 0, 7]]]) == [[litert_c.Event("x", litert_c.INSIDE, 0, 7)]]


def node(index, inputs, outputs, name="ADD"):
    """Return a node as the interpreter describes it."""
    return {"index": index, "op_name": name, "inputs": inputs, "outputs": outputs}


def test_what_lies_between_the_ends_of_a_delegate_is_inside_it():
    """An operator behind it, before it, or beside it, is not."""
    own = [node(0, [0], [1]), node(1, [1], [2]), node(2, [2], [3]), node(3, [3], [4]), node(4, [0], [9])]
    assert litert._taken(own, [node(5, [1], [3], "DELEGATE")]) == {1, 2}
    assert litert._taken(own, []) == set()


@pytest.mark.slow
def test_executorch_tells_what_is_inside_the_delegate():
    """Its dump names XNNPACK's own operators with their times."""
    pytest.importorskip("executorch")
    found = operators.told("executorch", FIXTURES / "blend.pte", blend.GRAPH, blend.feeds())
    assert found
    assert all(one["microseconds"] >= 0 for one in found)


def event(name=None, inside="", start=0, end=0):
    """Return an event of a dump."""
    told = {"name": name, "delegate_debug_id_str": inside, "instruction_id": 3, "start_time": start, "end_time": end}
    return SimpleNamespace(profile_event=SimpleNamespace(**told))


def test_a_dump_of_several_runs():
    """The first run is dropped, wrappers do not count twice, what stayed outside has fallen back."""
    runs = [
        [
            event("DELEGATE_CALL", end=9_000_000),
            event(None, "Convolution (NHWC, F32) #1", 0, 1000 * time),
            event("native_call_permute.out", "", 0, 2000 * time),
        ]
        for time in (500, 10, 12, 14)
    ]
    inside, outside = executorch._read(runs)
    assert (inside.kind, inside.where, inside.microseconds) == ("Convolution (NHWC, F32)", "XNNPACK", 12.0)
    assert (outside.kind, outside.microseconds) == ("permute.out", 24.0)
    assert outside.fallback
    assert not inside.fallback


# Fields of ``node_data_builder`` in ai-edge-model-explorer 0.1.34, which brings a web server and IPython, and is
# therefore not installed: its own builder wrote the same JSON of the first data below.
GRAPH_NODE_DATA = {"results", "name", "thresholds", "gradient"}
NODE_DATA_RESULT = {"value", "bgColor", "textColor"}
GRADIENT_ITEM = {"stop", "bgColor", "textColor"}


def test_node_data_has_the_format_of_model_explorer():
    """Values by the names of outputs, added where a runtime split one; a gradient from its least to its largest."""
    found = [Operator("x", "Conv", "p", 3.0), Operator("x", "Relu", "p", 1.0), Operator("y", "Add", "own", 2.0, "why")]
    data = operators.node_data("g", [asdict(one) for one in found])
    assert data["results"] == {"x": {"value": 4.0}, "y": {"value": 2.0}}
    assert [stop["stop"] for stop in data["gradient"]] == [0, 1]
    assert json.loads(json.dumps(data)) == data
    free = [Operator("x", "Conv", "p"), Operator("y", "Add", "own", None, "why")]
    assert operators.node_data("g", [asdict(one) for one in free])["results"] == {
        "x": {"value": 0.0},
        "y": {"value": 1.0},
    }
    assert set(data) <= GRAPH_NODE_DATA
    assert all(set(one) <= NODE_DATA_RESULT for one in data["results"].values())
    assert all(set(one) <= GRADIENT_ITEM for one in data["gradient"])
