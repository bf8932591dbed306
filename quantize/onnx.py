"""ONNX with onnxruntime's own quantizer: QuantizeLinear and DequantizeLinear pairs around what a recipe names.

For CPUs, activations are uint8 with a zero point and weights int8 with one scale per output channel: of uint8, int8 and
both unsigned, the fastest on x86 with VNNI (coefficient network of HDRNet, one thread, one interleaved run: 1.3 ms
against 1.8 and 1.9, float 1.4). For NPUs, onnxruntime's configuration for Qualcomm's is taken, which leaves no range
smaller than the hardware resolves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from viewfinder.errors import UsageError
from viewfinder.quantize import compensation
from viewfinder.quantize.job import Feeds, GraphJob, abilities, counts
from viewfinder.recipe import Operator, Rule

TOOLS = ("onnx", "onnxruntime")
ABILITIES = abilities("fp16 int8", "fp16 int8 int16", "int8 weights, and int8 or int16 activations, work in ONNX")
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators whose second input is worth storing in 8 bits."""
_SIXTEEN_BIT_OPSET = 21
"""The first opset whose QuantizeLinear gives 16 bits."""


def quantize(job: GraphJob) -> dict[str, Any]:
    """Write the quantized graph; return what happened, for the manifest.

    Raises:
        UsageError: half precision and integers in one graph, or a result that onnxruntime does not load.
    """
    import onnx

    model = onnx.load(str(job.source))
    _name_nodes(model)
    nodes = [node.name for node in model.graph.node]
    rules = dict(zip(nodes, job.rules(operators(model)), strict=True))
    kinds = {rule.weights for rule in rules.values()} - {"float"}
    if {"fp16", "int8"} <= kinds:
        raise UsageError(
            f"the recipe asks for fp16 and int8 in the graph {job.name}", "keep what is not int8 in float, not fp16"
        )
    compensation.in_onnx(model, {name for name, rule in rules.items() if rule.is_compensated}, job.feeds)
    if "fp16" in kinds:
        result = _halved(model, rules)
    else:
        result = _static(job, model, rules) if _static_nodes(rules) else model
        _store_weights(result, {name for name, rule in rules.items() if rule.kind == "w8"}, rules)
    onnx.checker.check_model(result, full_check=True)
    _try(result, job)
    onnx.save(result, str(job.target))
    return {"rules": counts(rules.values())}


def operators(model: Any) -> list[Operator]:
    """Describe the nodes of a model."""
    constants = {item.name for item in model.graph.initializer}
    return [
        Operator(
            (node.name, *node.output, *(name for name in node.input if name in constants)),
            node.op_type,
            tuple(node.input),
            tuple(node.output),
        )
        for node in model.graph.node
    ]


def _name_nodes(model: Any) -> None:
    """Give nodes without a name one, because the quantizer excludes by name."""
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"


def _static_nodes(rules: dict[str, Rule]) -> list[str]:
    """List the nodes whose activations become integers."""
    return [name for name, rule in rules.items() if rule.activations in {"int8", "int16"}]


class _Reader:
    """Hands calibration inputs to the quantizer; it may ask for them again after `rewind`."""

    def __init__(self, feeds: Sequence[Feeds]) -> None:
        """Keep the inputs."""
        self._feeds = feeds
        self.rewind()

    def __len__(self) -> int:
        """Count the inputs."""
        return len(self._feeds)

    def rewind(self) -> None:
        """Start again."""
        self._left: Iterator[Feeds] = iter(self._feeds)

    def get_next(self) -> Feeds | None:
        """Return the next inputs, or None."""
        return next(self._left, None)

    def __iter__(self) -> _Reader:
        """Be its own iterator."""
        return self

    def __next__(self) -> Feeds:
        """Return the next inputs."""
        return next(self._left)


def _static(job: GraphJob, model: Any, rules: dict[str, Rule]) -> Any:
    """Insert the pairs around every node with integer activations."""
    import tempfile
    from pathlib import Path

    import onnx
    from onnxruntime import quantization as ort

    chosen = _static_nodes(rules)
    wide = [name for name in chosen if rules[name].activations == "int16"]
    narrow_type, wide_type = ort.QuantType.QUInt8, ort.QuantType.QUInt16
    default = wide_type if len(wide) == len(chosen) else narrow_type
    per_channel = all(rules[name].granularity == "channel" for name in chosen)
    if wide:
        model = onnx.version_converter.convert_version(model, max(_SIXTEEN_BIT_OPSET, model.opset_import[0].version))
    results = {name for node in model.graph.node if node.name in wide for name in node.output}
    mixed = {name: [{"quant_type": wide_type}] for name in sorted(results)} if default is narrow_type else {}
    common: dict[str, Any] = {
        "activation_type": default,
        "weight_type": ort.QuantType.QInt8,
        "per_channel": per_channel,
        "nodes_to_exclude": [name for name in rules if name not in chosen],
    }
    reader: Any = _Reader(job.require_feeds())
    if job.recipe.target == "npu" or mixed:
        from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config

        config = get_qnn_qdq_config(model, reader, init_overrides=mixed or None, add_qtype_converts=True, **common)
    else:
        config = ort.StaticQuantConfig(reader, quant_format=ort.QuantFormat.QDQ, **common)
    with tempfile.TemporaryDirectory(prefix="viewfinder-quantize-") as folder:
        target = Path(folder) / "model.onnx"
        ort.quantize(model, str(target), config)
        return onnx.load(str(target))


def _store_weights(model: Any, chosen: set[str], rules: dict[str, Rule]) -> None:
    """Store the weights of the `chosen` nodes in 8 bits, followed by DequantizeLinear, which is folded at load."""
    from onnx import TensorProto, helper, numpy_helper

    initializers = {item.name: item for item in model.graph.initializer}
    made: list[Any] = []
    for node in model.graph.node:
        name = node.input[1] if node.name in chosen and node.op_type in WEIGHTED else ""
        if name not in initializers:
            continue
        weight = numpy_helper.to_array(initializers[name])
        axis = _output_axis(node, weight.ndim)
        per_channel = rules[node.name].granularity == "channel"
        integers, scale = _rounded(weight, axis if per_channel else None)
        for suffix, array in (("_int8", integers), ("_scale", scale)):
            model.graph.initializer.append(numpy_helper.from_array(array, name + suffix))
        inputs, attributes = [f"{name}_int8", f"{name}_scale"], {"axis": axis} if per_channel else {}
        made.append(helper.make_node("DequantizeLinear", inputs, [name], f"{name}_dequantized", **attributes))
        model.graph.initializer.remove(initializers.pop(name))
    for node in reversed(made):
        model.graph.node.insert(0, node)
    if made and not any(item.data_type == TensorProto.INT8 for item in model.graph.initializer):
        raise UsageError("no weight could be stored in 8 bits", "look at the graph with `viewfinder inspect`")


def _output_axis(node: Any, rank: int) -> int:
    """Return the axis of a weight that counts output channels."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm":
        return 0 if any(item.name == "transB" and item.i for item in node.attribute) else 1
    return rank - 1 if node.op_type == "MatMul" else 1


def _rounded(weight: Any, axis: int | None) -> tuple[Any, Any]:
    """Round a weight to int8 with onnxruntime's own arithmetic, one scale for all or one per slice of `axis`."""
    from onnx import TensorProto
    from onnxruntime.quantization.quant_utils import quantize_data

    slices = [weight] if axis is None else np.moveaxis(weight, axis, 0)
    parts = [quantize_data(np.ascontiguousarray(part), TensorProto.INT8, symmetric=True) for part in slices]
    scales = np.array([part[1] for part in parts], np.float32)
    integers = np.stack([np.asarray(part[2], np.int8) for part in parts])
    if axis is None:
        return integers[0], scales[0]
    return np.ascontiguousarray(np.moveaxis(integers, 0, axis)), scales


def _halved(model: Any, rules: dict[str, Rule]) -> Any:
    """Compute in float16 behind float32 inputs and outputs."""
    from onnxruntime.transformers import float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    kept = [name for name, rule in rules.items() if rule.weights != "fp16"]
    halved = float16.convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True, node_block_list=kept)
    # The converter appends its Cast nodes, which the checker takes for a graph out of order.
    ordered = OnnxModel(halved)
    ordered.topological_sort()
    return ordered.model


def _try(model: Any, job: GraphJob) -> None:
    """Load the result, because onnxruntime refuses some graphs that its own quantizer writes."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    try:
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no base class but this one
        raise UsageError(
            f"onnxruntime does not load the quantized graph {job.name}: {str(error).splitlines()[0]}",
            "keep the operator that it names float with a rule, or take another precision",
            code="cannot-quantize",
        ) from error
