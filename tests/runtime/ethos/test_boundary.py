"""Integer ends of TFLite files: the same integers come out, and nothing else is touched."""

from __future__ import annotations

import copy

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tests.runtime.bisect import nets
from tests.runtime.ethos import integers

from viewfinder.errors import BadArtifactError
from viewfinder.runtime.ethos import boundary


def run(path, fed):
    """Run a file on one input; return its output and the scale and zero point of both ends."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    start, end = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    interpreter.set_tensor(start["index"], fed(start) if callable(fed) else fed)
    interpreter.invoke()
    return interpreter.get_tensor(end["index"]), start, end


def test_the_integers_stay_the_same(tmp_path):
    """What the caller rounds and scales back by hand is what the file with float ends gives, but for ties."""
    made, target = integers.write(tmp_path), tmp_path / "integer_ends.tflite"
    source = made.path(made.graphs[0])
    assert boundary.write(source, target) == {"quantize": 1, "dequantize": 1}
    picture = np.ascontiguousarray(nets.pictures()[0].transpose(0, 2, 3, 1))
    expected, *_ = run(source, picture)

    def rounded(detail):
        """Quantize by hand."""
        scale, zero = detail["quantization"]
        return np.clip(np.round(picture / np.float32(scale)) + zero, -128, 127).astype(np.int8)

    found, start, end = run(target, rounded)
    assert start["dtype"] == end["dtype"] == np.int8
    scale, zero = end["quantization"]
    steps = np.abs((found.astype(np.float32) - zero) * np.float32(scale) - expected) / np.float32(scale)
    # Another rounding of ties at the input moves a few results by one or two steps of int8.
    assert steps.max() < 2.01
    assert (steps > 0.01).mean() < 0.03


def test_a_float_file_keeps_its_ends(tmp_path):
    """Where nothing is converted, nothing is taken off."""
    source, target = tmp_path / "float.tflite", tmp_path / "same.tflite"
    source.write_bytes(nets.tflite_float())
    assert boundary.write(source, target) == {"quantize": 0, "dequantize": 0}
    picture = np.ascontiguousarray(nets.pictures()[0].transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(run(target, picture)[0], run(source, picture)[0])


def test_something_else_is_refused(tmp_path):
    """A damaged file is a sentence."""
    (tmp_path / "a.tflite").write_bytes(b"no tables")
    with pytest.raises(BadArtifactError, match="is no TFLite file"):
        boundary.write(tmp_path / "a.tflite", tmp_path / "b.tflite")


def test_an_input_of_two_widths_keeps_the_wider(tmp_path):
    """Where 8 and 16 bits of an input are read, the caller gives 16 and the file makes 8 of them itself."""
    made = integers.write(tmp_path)
    data = made.path(made.graphs[0]).read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = model.subgraphs[0]
    narrow = next(op for op in graph.operators if int(op.inputs[0]) == int(graph.inputs[0]))
    tensor, wide = copy.deepcopy(graph.tensors[int(narrow.outputs[0])]), copy.deepcopy(narrow)
    tensor.type, tensor.quantization.zeroPoint = schema.TensorType.INT16, [0]
    graph.tensors.append(tensor)
    wide.outputs = [len(graph.tensors) - 1]
    graph.operators.append(wide)
    source, target = tmp_path / "two.tflite", tmp_path / "ends.tflite"
    boundary._inline(model, data)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    source.write_bytes(bytes(builder.Output()))
    assert boundary.write(source, target) == {"quantize": 1, "dequantize": 1}
    found = schema.ModelT.InitFromObj(schema.Model.GetRootAs(target.read_bytes(), 0)).subgraphs[0]
    assert found.tensors[int(found.inputs[0])].type == schema.TensorType.INT16
    assert any(int(op.inputs[0]) == int(found.inputs[0]) for op in found.operators)
