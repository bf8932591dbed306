"""A network of four operators in ONNX and in TFLite, quantized by the formats' own tools, with one bad operator.

The bad operator's output has a scale eight times too small, as a calibration on the wrong pictures leaves it, so that
most of its values saturate.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from skimage import data

from viewfinder import artifact, golden
from viewfinder.artifact import Artifact, GraphFile
from viewfinder.golden import Golden, GoldenPhoto
from viewfinder.task import TensorSpec

SIDE, CHANNELS = 96, 8
NAMES = ("first", "second", "third", "result")
SPOIL = 8.0
WEIGHTS_SHA256 = "cd" * 32


def weights() -> list[np.ndarray]:
    """Return the kernels ``[out, in, 3, 3]``, the same in every run: the picture passes through, a little changed."""
    random = np.random.default_rng(7)
    kernels = []
    for count, given in [(CHANNELS, 3), (CHANNELS, CHANNELS), (CHANNELS, CHANNELS), (3, CHANNELS)]:
        kernel = random.normal(0, 0.02, (count, given, 3, 3))
        kernel[np.arange(min(count, given)), np.arange(min(count, given)), 1, 1] += 0.95
        kernels.append(kernel.astype(np.float32))
    return kernels


def pictures() -> list[np.ndarray]:
    """Return photographs as the network takes them, ``[1, 3, 96, 96]``."""
    shown = data.astronaut()[:256, :256].astype(np.float32) / 255
    blocks = [shown[y : y + SIDE, x : x + SIDE] for y in range(0, 160, 80) for x in range(0, 160, 80)]
    return [np.ascontiguousarray(block.transpose(2, 0, 1)[None]) for block in blocks]


def write(folder: Path, model: bytes, layout: str = "NCHW") -> Artifact:
    """Write an artifact ``FORMAT-PRECISION`` around a model file."""
    kind, _, precision = folder.name.partition("-")
    shape = (1, SIDE, SIDE, 3) if layout == "NHWC" else (1, 3, SIDE, SIDE)
    graph = GraphFile(
        "model",
        f"model.{kind}",
        (TensorSpec("image", shape, layout),),
        (TensorSpec("result", shape, layout, value_range=None),),
    )
    parameters = {"tile": [SIDE, SIDE], "halo": 4, "scale": 1}
    made = Artifact(
        folder, "four", kind, precision, "tiles", parameters, (graph,), weights="w", weights_sha256=WEIGHTS_SHA256
    )
    with artifact.writing(made) as partial:
        (partial / graph.file).write_bytes(model)
    return artifact.load(folder)


def write_golden(folder: Path) -> Golden:
    """Write golden pictures; what float makes of them does not matter here."""
    photos = [("astronaut", data.astronaut()), ("coffee", data.coffee())]
    made = tuple(
        GoldenPhoto(name, np.asarray(one[:64, :96]), np.zeros((64, 96, 3), np.float32)) for name, one in photos
    )
    return golden.write(folder / golden.FILE, Golden("four", "w", WEIGHTS_SHA256, "", made))


def onnx_float() -> bytes:
    """Build the network in ONNX: convolutions with ReLU between them."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, shown = [], [], "image"
    for name, kernel in zip(NAMES, weights(), strict=True):
        tensors.append(numpy_helper.from_array(kernel, f"{name}.weight"))
        made = name if name == "result" else f"{name}_sum"
        nodes.append(
            helper.make_node(
                "Conv", [shown, f"{name}.weight"], [made], f"conv_{name}", pads=[1] * 4, kernel_shape=[3, 3]
            )
        )
        if name != "result":
            nodes.append(helper.make_node("Relu", [made], [name], f"relu_{name}"))
        shown = name
    shape = (1, 3, SIDE, SIDE)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("image", "result")]
    graph = helper.make_graph(nodes, "four", values[:1], values[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def onnx_quantized(folder: Path, bad: str = "") -> bytes:
    """Quantize it with ONNX Runtime's tool; `bad` names the tensor whose scale is spoiled."""
    import onnx
    from onnx import numpy_helper
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        """Feeds the photographs."""

        def __init__(self) -> None:
            self.left = iter(pictures())

        def get_next(self) -> Any:
            """Return the next one."""
            return next(({"image": one} for one in self.left), None)

    source, target = folder / "float.onnx", folder / "quantized.onnx"
    source.write_bytes(onnx_float())
    quantize_static(
        source, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    model = onnx.load(target)
    for tensor in model.graph.initializer:
        if bad and tensor.name == f"{bad}_scale":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) / np.float32(SPOIL), tensor.name))
    return model.SerializeToString()


def tflite_float() -> bytes:
    """Build the network in TFLite, channels last, convolutions with fused ReLU; written through LiteRT's own schema."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description, model.buffers = 3, "four", [schema.BufferT()]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONV_2D
    code.version, model.operatorCodes = 1, [code]
    graph.tensors, graph.operators, graph.name = [], [], "main"

    def tensor(name: str, shape: tuple[int, ...], values: np.ndarray | None = None) -> int:
        """Add a tensor, with its values if it is a constant."""
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(shape), schema.TensorType.FLOAT32, 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values, np.float32).tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.buffer = len(model.buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    shown = start = tensor("image", (1, SIDE, SIDE, 3))
    for name, kernel in zip(NAMES, weights(), strict=True):
        count = kernel.shape[0]
        constants = (
            tensor(f"{name}.weight", (count, 3, 3, kernel.shape[1]), kernel.transpose(0, 2, 3, 1)),
            tensor(f"{name}.bias", (count,), np.zeros(count, np.float32)),
        )
        made = tensor(name, (1, SIDE, SIDE, count))
        graph.operators.append(_convolution(schema, (shown, *constants), made, with_relu=name != "result"))
        shown = made
    graph.inputs, graph.outputs = [start], [shown]
    model.subgraphs, model.signatureDefs = [graph], [_signature(schema, start, shown)]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _convolution(schema: Any, inputs: tuple[int, ...], output: int, *, with_relu: bool) -> Any:
    """Make one operator."""
    made, options = schema.OperatorT(), schema.Conv2DOptionsT()
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    options.padding = schema.Padding.SAME
    kinds = schema.ActivationFunctionType
    options.fusedActivationFunction = kinds.RELU if with_relu else kinds.NONE
    made.opcodeIndex, made.inputs, made.outputs = 0, list(inputs), [output]
    made.builtinOptionsType, made.builtinOptions = schema.BuiltinOptions.Conv2DOptions, options
    return made


def _signature(schema: Any, start: int, end: int) -> Any:
    """Name input and output."""
    made = schema.SignatureDefT()
    made.signatureKey, made.subgraphIndex = "serving_default", 0
    named = []
    for name, index in (("image", start), ("result", end)):
        item = schema.TensorMapT()
        item.name, item.tensorIndex = name, index
        named.append(item)
    made.inputs, made.outputs = named[:1], named[1:]
    return made


def tflite_quantized(folder: Path, bad: str = "") -> bytes:
    """Quantize it with AI Edge Quantizer; `bad` names the tensor whose scale is spoiled."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_quantizer import quantizer, recipe

    source = folder / "float.tflite"
    source.write_bytes(tflite_float())
    tool = quantizer.Quantizer(str(source))
    tool.load_quantization_recipe(recipe.static_wi8_ai8())
    inputs = [{"image": np.ascontiguousarray(one.transpose(0, 2, 3, 1))} for one in pictures()]
    made = tool.quantize(tool.calibrate({"serving_default": inputs})).quantized_model
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytes(made), 0))
    for tensor in model.subgraphs[0].tensors:
        if bad and tensor.name.decode() == bad:
            tensor.quantization.scale = np.asarray(tensor.quantization.scale) / np.float32(SPOIL)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
