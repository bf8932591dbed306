"""The NPU's binary inside a .tflite: cut out as it is, and nothing is believed that the file says about itself."""

from __future__ import annotations

import flatbuffers
import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from viewfinder.errors import BadArtifactError
from viewfinder.runtime.litert_aot import dispatch

BINARY = bytes(range(256)) * 4


def tensor(name, kind=schema.TensorType.FLOAT32):
    """Describe a tensor of two by three."""
    made = schema.TensorT()
    made.shape, made.type, made.buffer, made.name = [2, 3], kind, 0, name.encode()
    return made


def call(offset, size=1024):
    """Describe the call of an NPU."""
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = 0, [0], [1]
    options = {"bytecode_offset": offset, "bytecode_size": size, "name": "qnn_partition_0"}
    made.customOptions = np.frombuffer(flexbuffers.Dumps(options), np.uint8)
    return made


def write(path, operators, kinds=(schema.TensorType.FLOAT32,) * 2):
    """Write a file with a call, the binary behind it."""
    codes = [schema.OperatorCodeT(), schema.OperatorCodeT()]
    codes[0].builtinCode, codes[0].customCode = schema.BuiltinOperator.CUSTOM, b"DISPATCH_OP"
    codes[0].deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    codes[1].builtinCode = codes[1].deprecatedBuiltinCode = schema.BuiltinOperator.RELU
    graph, model = schema.SubGraphT(), schema.ModelT()
    graph.tensors = [tensor("serving_default_x", kinds[0]), tensor("serving_default_y_output", kinds[1])]
    graph.inputs, graph.outputs, graph.operators, graph.name = [0], [1], operators, b"main"
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, codes, [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()) + BINARY)
    return path


@pytest.fixture
def compiled(tmp_path):
    """A file whose call points to the binary behind it: written until the offset that it says is the right one."""
    path = write(tmp_path / "x.tflite", [call(2**20)])
    for _ in range(3):
        offset = path.stat().st_size - len(BINARY)
        write(path, [call(offset)])
        if path.stat().st_size - len(BINARY) == offset:
            return path
    raise AssertionError


def test_the_binary_is_cut_out_as_it_is(compiled):
    """Bytes, name and ends; nothing is left to the CPU."""
    found = dispatch.read(compiled)
    assert found.binary == BINARY
    assert found.name == "qnn_partition_0"
    assert [(one.name, one.shape) for one in found.inputs] == [("serving_default_x", (2, 3))]
    assert [one.name for one in found.outputs] == ["serving_default_y_output"]
    assert found.left == ()


def test_it_is_wrapped_with_the_same_bytes(compiled, tmp_path):
    """One node, whose attribute is the binary, under the names that the binary knows."""
    found = dispatch.read(compiled)
    dispatch.wrap(found, tmp_path / "x.onnx")
    model = onnx.load(tmp_path / "x.onnx")
    (node,) = model.graph.node
    held = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    assert (node.op_type, held["ep_cache_context"], held["embed_mode"]) == ("EPContext", BINARY, 1)
    assert [one.name for one in model.graph.input] == ["serving_default_x"]


@pytest.mark.parametrize(("offset", "size"), [(-1, 10), (0, 0), (10, 2**40), (2**40, 10)])
def test_a_place_outside_the_file_is_refused(tmp_path, offset, size):
    """Files are untrusted."""
    with pytest.raises(BadArtifactError, match="outside the file"):
        dispatch.read(write(tmp_path / "x.tflite", [call(offset, size)]))


def test_what_runs_beside_the_npu_is_named(tmp_path):
    """An operator before or behind the call would run on the CPU."""
    relu = schema.OperatorT()
    relu.opcodeIndex, relu.inputs, relu.outputs = 1, [0], [1]
    assert dispatch.read(write(tmp_path / "x.tflite", [call(0, 8), relu])).left == ("RELU",)


def test_files_that_are_something_else_are_refused(tmp_path):
    """No TFLite, no call of an NPU, ends that are no float."""
    (tmp_path / "no.tflite").write_bytes(b"something else")
    with pytest.raises(BadArtifactError, match="does not begin like a TFLite file"):
        dispatch.read(tmp_path / "no.tflite")
    relu = schema.OperatorT()
    relu.opcodeIndex, relu.inputs, relu.outputs = 1, [0], [1]
    with pytest.raises(BadArtifactError, match="calls no NPU"):
        dispatch.read(write(tmp_path / "x.tflite", [relu]))
    integers = (schema.TensorType.INT8, schema.TensorType.FLOAT32)
    with pytest.raises(BadArtifactError, match="serving_default_x as integers"):
        dispatch.read(write(tmp_path / "x.tflite", [call(0, 8)], integers))
