"""Find the weights whose rounding errors have to cancel (`rounding`) in ONNX and TFLite files, and their inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.quantize.job import Feeds
from viewfinder.quantize.rounding import Layer, Window

MOST_FEEDS = 24
"""Calibration inputs that are run, evenly spaced."""
Values = NDArray[np.float32]
_LAST_TO_FRONT = (0, 3, 1, 2)


@dataclass(frozen=True)
class Weighted:
    """A convolution or matrix product whose weights are rounded.

    Attributes:
        key: of its weights in the file.
        reads: the tensor that its weights multiply.
        layer: weights, and what was seen.
        order: axes that bring the tensor to what the layer sees.
    """

    key: Any
    reads: Any
    layer: Layer
    order: tuple[int, ...] = ()

    def see(self, array: NDArray[Any]) -> None:
        """Show the layer a tensor of the file."""
        self.layer.see(array.transpose(self.order) if self.order else array)


def watch(found: Sequence[Weighted], feeds: Sequence[Feeds], run: Callable[[Feeds], Mapping[Any, Any]]) -> None:
    """Run calibration inputs and show every layer its own; `run` gives tensors by what `Weighted.reads` holds."""
    step = -(-len(feeds) // MOST_FEEDS)
    for feed in feeds[::step]:
        tensors = run(feed)
        for one in found:
            one.see(tensors[one.reads])


def in_onnx(model: Any, chosen: set[str], feeds: Sequence[Feeds]) -> None:
    """Round the weights of the `chosen` nodes of an ONNX model in place."""
    import onnx
    import onnxruntime as ort
    from onnx import numpy_helper

    initializers = {item.name: item for item in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.name in chosen and node.input[1:2] != []]
    found = [made for node in nodes if node.input[1] in initializers for made in _onnx_layer(node, initializers)]
    if not found:
        return
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    own = {value.name for value in copy.graph.input}
    wanted = dict.fromkeys(one.reads for one in found if one.reads not in own)
    del copy.graph.output[:]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    copy.graph.output.extend(() if wanted else model.graph.output)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(copy.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    watch(found, feeds, lambda feed: {**feed, **dict(zip(names, session.run(names, dict(feed)), strict=True))})
    for one in found:
        name, is_transposed = one.key
        values = one.layer.rounded()
        initializers[name].CopyFrom(
            numpy_helper.from_array(np.ascontiguousarray(values.T if is_transposed else values), name)
        )


def _onnx_layer(node: Any, initializers: Mapping[str, Any]) -> Iterable[Weighted]:
    """Describe a node: 2-D convolutions without groups, and products with a matrix."""
    from onnx import helper, numpy_helper

    given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    weight = numpy_helper.to_array(initializers[node.input[1]])
    if (
        node.op_type == "Conv"
        and weight.ndim == 4
        and given.get("group", 1) == 1
        and not given.get("auto_pad", b"NOTSET").strip(b"NOTSET")
    ):
        top, left, bottom, right = given.get("pads", (0, 0, 0, 0))
        stride, dilation = (tuple(given.get(name, (1, 1))) for name in ("strides", "dilations"))
        yield Weighted(
            (node.input[1], False),
            node.input[0],
            Layer(weight, Window(stride, dilation, ((top, bottom), (left, right)))),
        )
    elif node.op_type in {"Gemm", "MatMul"} and weight.ndim == 2 and not given.get("transA", 0):
        is_transposed = not given.get("transB", 0)
        yield Weighted((node.input[1], is_transposed), node.input[0], Layer(weight.T if is_transposed else weight))


def in_tflite(data: bytes, chosen: set[int], feeds: Sequence[Feeds], signature: str) -> bytes:
    """Round the weights of the `chosen` operators (by number) of a TFLite file; return the new file."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    found = [made for number in sorted(chosen) for made in _tflite_layer(schema, model, number)]
    if not found:
        return data
    interpreter = Interpreter(
        model_content=data,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    details = interpreter.get_signature_runner(signature).get_input_details()
    places = {name: one["index"] for name, one in details.items()}

    def run(feed: Feeds) -> dict[int, Any]:
        """Run the graph and read what the layers take."""
        for name, array in feed.items():
            interpreter.set_tensor(places[name], array)
        interpreter.invoke()
        return {one.reads: interpreter.get_tensor(one.reads) for one in found}

    watch(found, feeds, run)
    for one in found:
        values = one.layer.rounded()
        stored = values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
        model.buffers[one.key].data = np.frombuffer(np.ascontiguousarray(stored).tobytes(), np.uint8)
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tflite_layer(schema: Any, model: Any, number: int) -> Iterable[Weighted]:
    """Describe an operator: 2-D convolutions without groups, and products with a matrix."""
    graph = model.subgraphs[0]
    one = graph.operators[number]
    code = model.operatorCodes[one.opcodeIndex]
    kind = max(code.builtinCode, code.deprecatedBuiltinCode)
    if kind not in {schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED}:
        return
    taken, tensor = graph.tensors[one.inputs[0]], graph.tensors[one.inputs[1]]
    data = model.buffers[tensor.buffer].data
    if data is None or tensor.type != schema.TensorType.FLOAT32:
        return
    weight = np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)
    if kind == schema.BuiltinOperator.FULLY_CONNECTED:
        yield Weighted(tensor.buffer, int(one.inputs[0]), Layer(weight))
        return
    how, size = one.builtinOptions, (int(taken.shape[1]), int(taken.shape[2]))
    if taken.shape[3] != weight.shape[3] or (how.dilationHFactor, how.dilationWFactor) != (1, 1):
        return
    kernel, stride = (weight.shape[1], weight.shape[2]), (how.strideH, how.strideW)
    window = Window.same(size, kernel, stride) if how.padding == schema.Padding.SAME else Window(stride)
    yield Weighted(tensor.buffer, int(one.inputs[0]), Layer(weight.transpose(_LAST_TO_FRONT), window), _LAST_TO_FRONT)
