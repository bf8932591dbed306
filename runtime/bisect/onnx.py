"""Record ONNX graphs: every inner value becomes an output, and ONNX Runtime runs them without fusing anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.runtime.bisect import Array, Op
from viewfinder.runtime.engines._tensors import damaged

CARRIERS = {"QuantizeLinear", "DequantizeLinear", "Cast", "Identity"}
"""They change how a number is written, not what it is for the next operator."""
_ADDED = ("_QuantizeLinear_Input", "_DequantizeLinear_Output", "_QuantizeLinear_Output")
"""What onnxruntime's quantizer appends to a tensor's name."""
WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_ERRORS_ONLY = 3
_FLOATS = (np.float16, np.float32, np.float64)


def open(path: Path, graph: GraphFile) -> Recorded:  # noqa: A001 as engines do
    """Open an ``.onnx`` file; see `viewfinder.runtime.bisect.open`."""
    return Recorded(path, graph)


class Recorded:
    """A graph whose every value is an output."""

    def __init__(self, path: Path, graph: GraphFile) -> None:
        """Load the file and add the outputs."""
        import onnx
        import onnxruntime as ort

        try:
            model = onnx.load(path)
            self._flow = _Flow(model.graph)
            inferred = onnx.shape_inference.infer_shapes(model).graph
            shapes = _shapes(inferred)
            self.shapes = {name: shapes[name] for name in _floats(inferred, onnx.TensorProto.FLOAT)}
            """Of every float32 tensor whose shape is known."""
            known = {value.name for value in model.graph.output}
            wanted = dict.fromkeys(shown for shown in self._flow.shown.values() if shown not in known)
            model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
            options = ort.SessionOptions()
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.intra_op_num_threads, options.log_severity_level = 1, _ERRORS_ONLY
            self._session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        except Exception as error:  # protobuf's and the runtime's exceptions share no base class but this one
            raise damaged(path, error) from error
        self._inputs = [spec.name for spec in graph.inputs]
        self.shown = self._flow.shown
        """Tensor that an operator makes, to the one in which its value can be read as the next operator sees it."""
        self.ops = tuple(self._flow.op(node, place, shapes) for place, node in enumerate(self._flow.computing))

    def record(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
        """Run; values that are no numbers of the network (shapes, indices) are left out."""
        names = list(dict.fromkeys(self._flow.shown.values()))
        values = dict(zip(names, self._session.run(names, {name: feeds[name] for name in self._inputs}), strict=True))
        return {
            plain(tensor): values[shown].astype(np.float32)
            for tensor, shown in self._flow.shown.items()
            if values[shown].dtype in _FLOATS
        }


class _Flow:
    """Who makes a value, and where it can be seen as the next operator sees it."""

    def __init__(self, graph: Any) -> None:
        """Index the nodes."""
        self._maker = {name: node for node in graph.node for name in node.output}
        self._constants = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
        self._readers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self.computing = [
            node
            for node in graph.node
            if node.op_type not in CARRIERS | {"Constant"} and any(self._source(name) for name in node.input)
        ]
        self.shown = {node.output[0]: self._seen(node.output[0]) for node in self.computing}

    def _behind(self, name: str) -> str:
        """Return the tensor that carriers write in another way."""
        while name in self._maker and self._maker[name].op_type in CARRIERS:
            name = self._maker[name].input[0]
        return name

    def _source(self, name: str) -> str:
        """Return the tensor behind carriers; "" for a constant."""
        name = self._behind(name)
        is_constant = name in self._constants or (name in self._maker and self._maker[name].op_type == "Constant")
        return "" if is_constant else name

    def _seen(self, name: str) -> str:
        """Return the tensor in which the value of `name` can be read after its rounding, if it is rounded."""
        for quantize in self._readers.get(name, ()):
            if quantize.op_type == "QuantizeLinear":
                for dequantize in self._readers.get(quantize.output[0], ()):
                    if dequantize.op_type == "DequantizeLinear":
                        return str(dequantize.output[0])
        return name

    def op(self, node: Any, place: int, shapes: Mapping[str, tuple[int, ...]]) -> Op:
        """Describe an operator."""
        inputs = tuple(plain(source) for source in map(self._source, node.input) if source)
        made, name = node.output[0], node.name or f"{node.op_type} #{place}"
        return Op(name, node.op_type, plain(made), inputs, shapes.get(made, ()), self._weight(node))

    def _weight(self, node: Any) -> tuple[int, ...]:
        """Return the shape of an operator's weights; a matrix product's last axis is its output channels."""
        if node.op_type not in WEIGHTED:
            return ()
        for name in node.input:
            shape = self._constants.get(self._behind(name), ())
            if len(shape) > 1:
                return shape[::-1] if node.op_type == "MatMul" else shape
        return ()


def plain(name: str) -> str:
    """Return a tensor's name without what the quantizer appends."""
    for ending in _ADDED:
        name = name.removesuffix(ending)
    return name


def _shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    """Map tensors to shapes."""
    values = (*graph.input, *graph.value_info, *graph.output)
    return {value.name: tuple(int(axis.dim_value) for axis in value.type.tensor_type.shape.dim) for value in values}


def _floats(graph: Any, float32: int) -> list[str]:
    """List the tensors of type float32."""
    values = (*graph.input, *graph.value_info, *graph.output)
    return [value.name for value in values if value.type.tensor_type.elem_type == float32]
