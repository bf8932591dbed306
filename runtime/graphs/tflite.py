"""TFLite: read through the flatbuffer schema that ai-edge-litert brings along."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from viewfinder.errors import BadArtifactError, MissingToolError
from viewfinder.runtime.graphs import Contents, Tensor, convolution, known

SUFFIX = ".tflite"
IDENTIFIER = b"TFL3"
Shape = tuple[int, ...]


def read(path: Path) -> Contents:
    """Read the first subgraph of a TFLite file, with the names of its first signature."""
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        hint = "python -m pip install ai-edge-litert"
        raise MissingToolError("the package ai-edge-litert is not installed", hint) from error
    data = path.read_bytes()
    if data[4:8] != IDENTIFIER:
        raise BadArtifactError(f"{path} does not begin like a TFLite file", "export the model again")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = model.subgraphs[0]
    names = [_operator(schema, model, operator) for operator in graph.operators]
    operators = Counter(names)
    inputs, outputs = _interface(schema, model, graph)
    return Contents(
        inputs=inputs,
        outputs=outputs,
        operators=dict(operators.most_common()),
        macs=_macs(graph, names),
        transposes=operators["TRANSPOSE"],
        weights_bytes=sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None),
        metadata=_metadata(model),
        notes={"schema_version": model.version, "subgraphs": len(model.subgraphs)},
    )


def _names(enumeration: Any) -> dict[int, str]:
    """Map the numbers of a schema enumeration to its names."""
    return {number: name for name, number in vars(enumeration).items() if not name.startswith("_")}


def _operator(schema: Any, model: Any, operator: Any) -> str:
    """Name an operator; old files keep small codes in the deprecated field."""
    code = model.operatorCodes[operator.opcodeIndex]
    if code.customCode:
        return f"custom:{_text(code.customCode)}"
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return _names(schema.BuiltinOperator).get(number, f"unknown:{number}")


def _text(value: Any) -> str:
    """Decode a flatbuffer string."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _shape(tensor: Any) -> Shape:
    """Shape of a tensor; 0 for an axis that is set at run time."""
    dynamic = tensor.shapeSignature if tensor.shapeSignature is not None else ()
    sizes = [0 if size < 0 else int(size) for size in dynamic]
    return tuple(sizes) if sizes else tuple(int(size) for size in (tensor.shape if tensor.shape is not None else ()))


def _interface(schema: Any, model: Any, graph: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Describe inputs and outputs under the names of the signature, where there is one."""
    dtypes = _names(schema.TensorType)
    names = {index: _text(tensor.name) for index, tensor in enumerate(graph.tensors)}
    for signature in (model.signatureDefs or [])[:1]:
        names |= {item.tensorIndex: _text(item.name) for item in (*signature.inputs, *signature.outputs)}

    def describe(indices: Sequence[int]) -> tuple[Tensor, ...]:
        tensors = [(int(index), graph.tensors[index]) for index in indices]
        return tuple(Tensor(names[index], _shape(tensor), dtypes[tensor.type].lower()) for index, tensor in tensors)

    return describe(graph.inputs), describe(graph.outputs)


def _macs(graph: Any, names: Sequence[str]) -> int | None:
    """Sum over the operators; None when a shape that is needed is unknown."""
    total = 0
    for name, operator in zip(names, graph.operators, strict=True):
        if name not in _COUNTED:
            continue
        shapes = [_shape(graph.tensors[index]) for index in (*operator.inputs, *operator.outputs) if index >= 0]
        if not known(shapes):
            return None
        total += _COUNTED[name](shapes, operator.builtinOptions)
    return total


def _batch_matmul(shapes: list[Shape], options: Any) -> int:
    """Every output element sums over the shared axis."""
    return math.prod(shapes[-1]) * shapes[0][-2 if options is not None and options.adjX else -1]


_COUNTED: dict[str, Callable[[list[Shape], Any], int]] = {
    "CONV_2D": lambda shapes, _: convolution(shapes[-1], shapes[1]),
    "CONV_3D": lambda shapes, _: math.prod(shapes[-1]) * math.prod(shapes[1][:-1]),
    "DEPTHWISE_CONV_2D": lambda shapes, _: math.prod(shapes[-1]) * math.prod(shapes[1][1:-1]),
    "TRANSPOSE_CONV": lambda shapes, _: math.prod(shapes[2]) * math.prod(shapes[1][:-1]),
    "FULLY_CONNECTED": lambda shapes, _: math.prod(shapes[-1]) * shapes[1][-1],
    "BATCH_MATMUL": _batch_matmul,
}


def _metadata(model: Any) -> dict[str, str]:
    """Collect what the file says about itself; long and binary entries only by their size."""
    found = {"description": _text(model.description)} if model.description else {}
    for entry in model.metadata or []:
        data = model.buffers[entry.buffer].data
        text = bytes(data if data is not None else b"").rstrip(b"\0")
        readable = len(text) < 200 and text.isascii() and text.decode("ascii").isprintable()
        found[_text(entry.name)] = text.decode("ascii") if readable else f"{len(text)} bytes"
    return found
