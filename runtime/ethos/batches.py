"""Matrix products of TFLite files with a batch axis, as TOSA has them.

TFLite's product of two matrices of rank 2 becomes, on the way to TOSA, a reshape of its 48-bit sums, which no
specification of TOSA has. With a batch of one around it, the sums are rounded first and reshaped then; the numbers stay
the same.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

_RANK = 2


def add(model: Any) -> int:
    """Give every BATCH_MATMUL of rank 2 a batch of one, in a ``ModelT``; return how many there were."""
    from ai_edge_litert import schema_py_generated as schema

    graph, kinds = model.subgraphs[0], schema.BuiltinOperator
    operators, count = [], 0
    for op in graph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        is_product = max(code.builtinCode, code.deprecatedBuiltinCode) == kinds.BATCH_MATMUL
        if not is_product or len(graph.tensors[int(op.outputs[0])].shape) != _RANK:
            operators.append(op)
            continue
        count += 1
        sides = [int(index) for index in (*op.inputs, op.outputs[0])]
        batched = [_batched(graph, index) for index in sides]
        before = [_reshape(model, old, new) for old, new in zip(sides[:-1], batched[:-1], strict=True)]
        op.inputs, op.outputs = batched[:-1], batched[-1:]
        operators += [*before, op, _reshape(model, batched[-1], sides[-1])]
    graph.operators = operators
    return count


def _batched(graph: Any, index: int) -> int:
    """Add a tensor like another one, with one more axis."""
    made = copy.copy(graph.tensors[index])
    made.shape, made.shapeSignature, made.buffer = [1, *map(int, made.shape)], None, 0
    made.name = bytes(made.name) + b"_batched"
    graph.tensors.append(made)
    return len(graph.tensors) - 1


def _reshape(model: Any, source: int, target: int) -> Any:
    """Make the operator that gives a tensor another tensor's shape."""
    from ai_edge_litert import schema_py_generated as schema

    shape = [int(side) for side in model.subgraphs[0].tensors[target].shape]
    op, chosen = schema.OperatorT(), schema.ReshapeOptionsT()
    chosen.newShape = shape
    op.opcodeIndex, op.inputs, op.outputs = _code(model), [source, _constant(model, shape)], [target]
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.ReshapeOptions, chosen
    return op


def _code(model: Any) -> int:
    """Return the place of RESHAPE among the operators that a file uses; add it if it is not there."""
    from ai_edge_litert import schema_py_generated as schema

    kind = schema.BuiltinOperator.RESHAPE
    for place, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == kind:
            return place
    made = schema.OperatorCodeT()
    made.builtinCode = made.deprecatedBuiltinCode = kind
    made.version = 1
    model.operatorCodes.append(made)
    return len(model.operatorCodes) - 1


def _constant(model: Any, values: Sequence[int]) -> int:
    """Add a constant of 32-bit integers."""
    from ai_edge_litert import schema_py_generated as schema

    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(np.asarray(values, np.int32).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.shape, tensor.type, tensor.name = [len(values)], schema.TensorType.INT32, b"shape"
    tensor.buffer = len(model.buffers) - 1
    tensors = model.subgraphs[0].tensors
    tensors.append(tensor)
    return len(tensors) - 1
