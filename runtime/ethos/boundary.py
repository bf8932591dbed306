"""Give a TFLite file integers throughout: what converts to and from float at its ends is the caller's work.

Vela counts these conversions as operators on the CPU. They read and write the caller's own buffers, which on a device
hold integers anyway; an operator *inside* the network that falls back is another matter and stays.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from viewfinder.errors import BadArtifactError
from viewfinder.runtime.ethos import islands

_BITS = {9: 8, 7: 16}
"""Of TFLite's types (``TensorType.INT8``, ``INT16``)."""


def write(source: Path, target: Path) -> dict[str, int]:
    """Write `source` without the QUANTIZE behind its inputs and the DEQUANTIZE before its outputs; `islands` closed.

    Returns:
        How many of each were taken off.

    Raises:
        BadArtifactError: it is no TFLite file.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    data = source.read_bytes()
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        graph = model.subgraphs[0]
        kinds = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    except Exception as error:  # flatbuffers raises what indexing raises
        raise BadArtifactError(f"{source} is no TFLite file", "export the model again") from error
    operators = schema.BuiltinOperator
    first = [op for op in graph.operators if _is(op, kinds, operators.QUANTIZE, list(graph.inputs), "inputs")]
    last = [op for op in graph.operators if _is(op, kinds, operators.DEQUANTIZE, list(graph.outputs), "outputs")]
    first = _widest(graph, first)
    renamed = {int(op.inputs[0]): int(op.outputs[0]) for op in first}
    renamed |= {int(op.outputs[0]): int(op.inputs[0]) for op in last}
    graph.operators = [op for op in graph.operators if op not in [*first, *last]]
    graph.inputs = [renamed.get(int(index), int(index)) for index in graph.inputs]
    graph.outputs = [renamed.get(int(index), int(index)) for index in graph.outputs]
    for signature in model.signatureDefs or ():
        for item in (*(signature.inputs or ()), *(signature.outputs or ())):
            item.tensorIndex = renamed.get(int(item.tensorIndex), int(item.tensorIndex))
    islands.close(model)
    _inline(model, data)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return {"quantize": len(first), "dequantize": len(last)}


def _is(op: Any, kinds: list[int], kind: int, ends: list[int], side: str) -> bool:
    """Tell whether an operator of `kind` touches an end of the graph."""
    return kinds[op.opcodeIndex] == kind and int(getattr(op, side)[0]) in [int(end) for end in ends]


def _widest(graph: Any, first: list[Any]) -> list[Any]:
    """Choose one conversion behind each input, of the most bits; the others read its integers, which the NPU can.

    An input with a reader in float has to stay as it is.
    """
    found = []
    for end in graph.inputs:
        readers = [op for op in graph.operators if int(end) in [int(index) for index in op.inputs]]
        if not readers or not all(any(op is one for one in first) for op in readers):
            continue
        wide = max(readers, key=lambda op: _BITS.get(graph.tensors[int(op.outputs[0])].type, 0))
        for op in readers:
            if op is not wide:
                op.inputs = [int(wide.outputs[0])]
        found.append(wide)
    return found


def _inline(model: Any, data: bytes) -> None:
    """Take constants that lie behind the tables of the file into them, because their places change."""
    import numpy as np

    for buffer in model.buffers:
        if buffer.size and buffer.offset > 1:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0


def partitions(path: Path) -> int:
    """Count the pieces that a compiled file gives to the NPU: its custom operators ``ethos-u``."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    own = [place for place, code in enumerate(model.operatorCodes) if code.customCode == b"ethos-u"]
    return sum(op.opcodeIndex in own for graph in model.subgraphs for op in graph.operators)
