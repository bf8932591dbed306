"""Exponentials and logarithms between two conversions, computed on the integers themselves."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from viewfinder.runtime.ethos import islands

KINDS, TYPES = schema.BuiltinOperator, schema.TensorType
VALUES = np.linspace(0.05, 0.99, 40, dtype=np.float32)


def tensor(kind: int, scale: float | None = None) -> Any:
    """Make a tensor of as many values as `VALUES`, in float or in steps of `scale`."""
    made = schema.TensorT()
    made.shape, made.type, made.buffer, made.name = [VALUES.size], kind, 0, b"tensor"
    if scale is not None:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [0]
    return made


def island(operator: int, *scales: float) -> Any:
    """Build DEQUANTIZE, an operator and a QUANTIZE for each scale; the results are the file's outputs."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.operatorCodes = 3, [schema.BufferT()], []
    for kind in (KINDS.DEQUANTIZE, operator, KINDS.QUANTIZE):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 2 if kind != operator else 1
        model.operatorCodes.append(code)
    ends = [tensor(TYPES.INT16, scale) for scale in scales]
    graph.tensors = [tensor(TYPES.INT16, 1 / 32767), tensor(TYPES.FLOAT32), tensor(TYPES.FLOAT32), *ends]
    graph.operators = []
    for code, source, target in ((0, 0, 1), (1, 1, 2), *((2, 2, 3 + number) for number in range(len(scales)))):
        op = schema.OperatorT()
        op.opcodeIndex, op.inputs, op.outputs = code, [source], [target]
        graph.operators.append(op)
    graph.inputs, graph.outputs = [0], [3 + number for number in range(len(scales))]
    model.subgraphs = [graph]
    return model


def run(model: Any) -> np.ndarray:
    """Compute in LiteRT."""
    builder = flatbuffers.Builder(1 << 12)
    builder.Finish(model.Pack(builder), b"TFL3")
    interpreter = Interpreter(model_content=bytes(builder.Output()))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.rint(VALUES * 32767).astype(np.int16))
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), np.float64)


def kinds(model: Any) -> list[int]:
    """List the operators of a file."""
    return [model.operatorCodes[op.opcodeIndex].builtinCode for op in model.subgraphs[0].operators]


@pytest.mark.parametrize(("operator", "scale"), [(KINDS.EXP, 3 / 32767), (KINDS.LOG, 4 / 32767)])
def test_an_island_is_closed(operator, scale):
    """One operator is left, and its table gives what float gave, to a thousandth of the range."""
    model = island(operator, scale)
    before = run(model)
    assert islands.close(model) == 1
    assert kinds(model) == [operator]
    assert np.abs(run(model) - before).max() < 33
    assert np.ptp(before) > 10000


def test_other_scales_and_operators_stay():
    """Two results of different scales cannot be one, and an operator without a table stays where it is."""
    for model in (island(KINDS.EXP, 3 / 32767, 4 / 32767), island(KINDS.SIN, 3 / 32767)):
        before = kinds(model)
        assert islands.close(model) == 0
        assert kinds(model) == before


def test_readers_of_equal_results_share_one():
    """Two conversions to the same integers become one tensor, which every reader gets."""
    model = island(KINDS.EXP, 3 / 32767, 3 / 32767)
    graph = model.subgraphs[0]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = KINDS.ADD
    model.operatorCodes.append(code)
    total = schema.OperatorT()
    total.opcodeIndex, total.inputs, total.outputs = 3, [3, 4], [5]
    graph.tensors.append(tensor(TYPES.INT16, 6 / 32767))
    graph.operators.append(total)
    graph.outputs = [5]
    assert islands.close(model) == 1
    assert kinds(model) == [KINDS.EXP, KINDS.ADD]
    assert list(total.inputs) == [3, 3]
