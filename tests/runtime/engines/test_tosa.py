"""Arm's TOSA reference model computes integer files; products of matrices get the batch axis that TOSA wants."""

from __future__ import annotations

import json

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tests import npu
from tests.runtime.bisect import nets
from tests.runtime.ethos import integers

from viewfinder.errors import BadArtifactError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _tosa_worker, tosa
from viewfinder.runtime.ethos import batches


def product(left, right):
    """Describe a file that multiplies two matrices, in TFLite's tables."""
    model, graph, op, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.BATCH_MATMUL
    code.version = 1
    op.inputs, op.outputs, op.builtinOptionsType = [0, 1], [2], schema.BuiltinOptions.BatchMatMulOptions
    op.builtinOptions = schema.BatchMatMulOptionsT()
    graph.tensors = []
    for name, shape in ((b"left", left), (b"right", right), (b"made", [left[0], right[1]])):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), schema.TensorType.FLOAT32, 0
        graph.tensors.append(tensor)
    graph.inputs, graph.outputs, graph.operators = [0, 1], [2], [op]
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    return model


def run(model, *arrays):
    """Compute a file."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    interpreter = Interpreter(model_content=bytes(builder.Output()))
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), arrays, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_a_batch_of_one_changes_no_number():
    """Three reshapes more, the same product; a product that has a batch already is left alone."""
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 3), (3, 5)))
    model = product((4, 3), (3, 5))
    assert batches.add(model) == 1
    kinds = [model.operatorCodes[op.opcodeIndex].builtinCode for op in model.subgraphs[0].operators]
    own = schema.BuiltinOperator
    assert kinds == [own.RESHAPE, own.RESHAPE, own.BATCH_MATMUL, own.RESHAPE]
    np.testing.assert_allclose(run(model, left, right), left @ right, rtol=1e-6)
    assert batches.add(model) == 0


def test_a_float_file_is_not_for_it(tmp_path):
    """The way to integers is named."""
    (tmp_path / "float.tflite").write_bytes(nets.tflite_float())
    with pytest.raises(BadArtifactError, match="no tensor of 8-bit or 16-bit integers") as error:
        tosa.prepare(tmp_path / "float.tflite", tmp_path)
    assert "--targets ethos-u85" in error.value.hint


def test_the_ends_are_described_by_the_names_of_callers(tmp_path):
    """Name, shape, type, scale and zero point of what goes in and comes out."""
    made = integers.write(tmp_path / "export")
    graph = made.graphs[0]
    tosa.prepare(made.path(graph), tmp_path)
    ends = json.loads((tmp_path / "ends.json").read_text())
    (given,), (result,) = ends["inputs"], ends["outputs"]
    assert (given["name"], result["name"]) == (graph.inputs[0].name, graph.outputs[0].name)
    assert (given["type"], tuple(given["shape"])) == ("int8", graph.inputs[0].shape)
    assert given["scale"] > 0


def test_without_the_toolchain_it_says_so():
    """The engine does not run; nothing is guessed."""
    assert engines.load("tosa").probe() == "its isolated environment is not installed"


@pytest.mark.npu
def test_arms_model_agrees_with_litert(tmp_path, own_cache):
    """Within two steps of int8 everywhere, equal nearly everywhere; labelled as a reference."""
    npu.lend(own_cache, "tosa")
    made = integers.write(tmp_path / "export")
    graph = made.graphs[0]
    feeds = {graph.inputs[0].name: np.ascontiguousarray(nets.pictures()[0].transpose(0, 2, 3, 1))}
    engine = engines.load("tosa", npu.INSTALLED["tosa"] / "bin" / "python")
    found = engine.open(made.path(graph), graph, 1)(feeds)[graph.outputs[0].name]
    expected = engines.load("litert").open(made.path(graph), graph, 1)(feeds)[graph.outputs[0].name]
    tosa.prepare(made.path(graph), tmp_path)
    step = json.loads((tmp_path / "ends.json").read_text())["outputs"][0]["scale"]
    off = np.abs(found - expected) / step
    assert off.max() < 2.01
    assert (off < 0.01).mean() > 0.9
    assert engine.EVIDENCE is Evidence.REFERENCE


def test_tables_of_16_bits_have_results_of_23():
    """TOSA's table of int16 gives int32, which is rounded by the 7 bits that lie between two of its values."""
    table = "    %390 = tosa.table %389, %356 : (tensor<1x4xi16>, tensor<513xi16>) -> tensor<1x4xi16>\n"
    bytes_ = "    %391 = tosa.table %390, %357 : (tensor<1x4xi8>, tensor<256xi8>) -> tensor<1x4xi8>\n"
    wide = _tosa_worker.widened(table + bytes_)
    assert wide.count("tosa.table") == 2
    assert "%t390_w = tosa.table %389, %356 : (tensor<1x4xi16>, tensor<513xi16>) -> tensor<1x4xi32>" in wide
    assert "\n%390 = tosa.rescale %t390_w," in wide
    assert wide.endswith(bytes_)
