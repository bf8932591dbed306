"""Exponentials and logarithms of integers: the quantizer leaves them in float between two conversions, NPUs need not.

AI Edge Quantizer 0.7 knows neither EXP nor LOG and writes DEQUANTIZE, the operator, QUANTIZE. Scales of what goes in
and of what comes out stand in these conversions, so the same operator on the integers themselves says the same; Vela
and TOSA compute it by a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_VERSION = 2
"""Of both operators, since when they take integers."""


def close(model: Any) -> int:
    """Let every EXP and LOG between two conversions of a ``ModelT`` work on integers; return how many there were."""
    from ai_edge_litert import schema_py_generated as schema

    kinds, graph = schema.BuiltinOperator, model.subgraphs[0]
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    before = {int(op.outputs[0]): op for op in graph.operators if codes[op.opcodeIndex] == kinds.DEQUANTIZE}
    readers = _readers(graph.operators)
    gone: list[Any] = []
    count = 0
    for op in graph.operators:
        if codes[op.opcodeIndex] not in {kinds.EXP, kinds.LOG} or int(op.inputs[0]) not in before:
            continue
        behind = readers.get(int(op.outputs[0]), [])
        if not behind or any(codes[one.opcodeIndex] != kinds.QUANTIZE for one in behind):
            continue
        results = [int(one.outputs[0]) for one in behind]
        if any(not _alike(graph.tensors[results[0]], graph.tensors[other]) for other in results[1:]):
            continue
        for other in results[1:]:
            _redirect(readers.get(other, []), other, results[0])
        op.inputs, op.outputs = [int(before[int(op.inputs[0])].inputs[0])], [results[0]]
        code = model.operatorCodes[op.opcodeIndex]
        code.version = max(code.version, _VERSION)
        gone += behind
        count += 1
    kept = [op for op in graph.operators if not any(op is one for one in gone)]
    read = {int(index) for op in kept for index in op.inputs} | {int(index) for index in graph.outputs}
    graph.operators = [op for op in kept if codes[op.opcodeIndex] != kinds.DEQUANTIZE or int(op.outputs[0]) in read]
    return count


def _readers(operators: Sequence[Any]) -> dict[int, list[Any]]:
    """Map tensors to the operators that read them."""
    found: dict[int, list[Any]] = {}
    for op in operators:
        for index in op.inputs:
            found.setdefault(int(index), []).append(op)
    return found


def _alike(one: Any, other: Any) -> bool:
    """Tell whether two tensors hold integers of one type and scale."""
    return bool(
        one.type == other.type
        and np.array_equal(one.quantization.scale, other.quantization.scale)
        and np.array_equal(one.quantization.zeroPoint, other.quantization.zeroPoint)
    )


def _redirect(operators: Sequence[Any], old: int, new: int) -> None:
    """Let operators read another tensor."""
    for op in operators:
        op.inputs = [new if int(index) == old else int(index) for index in op.inputs]
