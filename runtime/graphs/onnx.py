"""ONNX: shapes come from ONNX's own shape inference."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from viewfinder.errors import BadArtifactError, MissingToolError
from viewfinder.runtime.graphs import Contents, Tensor, convolution, known

SUFFIX = ".onnx"
Shape = tuple[int, ...]
Shapes = dict[str, Shape]


def read(path: Path) -> Contents:
    """Read an ONNX file; weights in files beside it are not loaded."""
    try:
        import onnx
    except ImportError as error:
        raise MissingToolError("the package onnx is not installed", "python -m pip install onnx") from error
    model = onnx.load(path, load_external_data=False)
    if not model.HasField("graph"):
        raise BadArtifactError(f"{path} holds no ONNX graph", "export the model again")
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = _shapes(graph)
    operators = Counter(node.op_type for node in graph.node if node.op_type != "Constant")
    weights = {tensor.name for tensor in graph.initializer}
    return Contents(
        inputs=tuple(_tensor(value) for value in graph.input if value.name not in weights),
        outputs=tuple(_tensor(value) for value in graph.output),
        operators=dict(operators.most_common()),
        macs=_macs(graph, shapes),
        transposes=operators["Transpose"],
        weights_bytes=sum(_bytes(tensor) for tensor in graph.initializer),
        metadata=_metadata(model),
        notes={"opset": {opset.domain or "ai.onnx": opset.version for opset in model.opset_import}},
    )


def _dims(value: Any) -> tuple[int, ...]:
    """Shape of a value; 0 for a symbolic axis."""
    return tuple(int(axis.dim_value) for axis in value.type.tensor_type.shape.dim)


def _tensor(value: Any) -> Tensor:
    """Describe a graph input or output."""
    import onnx

    dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    return Tensor(value.name, _dims(value), str(dtype.name))


def _shapes(graph: Any) -> Shapes:
    """Map the name of every value to its shape."""
    shapes = {value.name: _dims(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    return shapes | {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}


def _bytes(tensor: Any) -> int:
    """Size of an initializer, wherever its bytes lie."""
    import onnx

    return int(math.prod(tensor.dims)) * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def _macs(graph: Any, shapes: Shapes) -> int | None:
    """Sum over the operators; None when a shape that is needed is unknown."""
    total = 0
    for node in graph.node:
        if node.op_type not in _COUNTED:
            continue
        names = (node.input[0], node.input[1], node.output[0])
        if not known([shapes.get(name) for name in names]):
            return None
        left, right, output = (shapes[name] for name in names)
        total += _COUNTED[node.op_type](left, right, output, _transposed(node))
    return total


def _transposed(node: Any) -> bool:
    """Tell whether Gemm reads its first factor transposed."""
    return any(attribute.name == "transA" and attribute.i for attribute in node.attribute)


_COUNTED: dict[str, Callable[[Shape, Shape, Shape, bool], int]] = {
    "Conv": lambda _data, weight, output, _flag: convolution(output, weight),
    "ConvTranspose": lambda data, weight, _output, _flag: math.prod(data) * math.prod(weight[1:]),
    "MatMul": lambda left, _right, output, _flag: math.prod(output) * left[-1],
    "Gemm": lambda left, _right, output, flag: math.prod(output) * left[0 if flag else -1],
}


def _metadata(model: Any) -> dict[str, str]:
    """Collect what the file says about itself."""
    own = {
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "description": model.doc_string,
        "ir_version": str(model.ir_version),
    }
    return {key: text for key, text in own.items() if text} | {prop.key: prop.value for prop in model.metadata_props}
