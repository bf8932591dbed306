"""ONNX through PyTorch's own exporter: static shapes, checked, shapes inferred, metadata."""

from __future__ import annotations

from typing import Any

import torch

from viewfinder.export.lowering.half import HalfInside
from viewfinder.export.request import Conversion

SUFFIX = ".onnx"
TOOLS = ("torch", "onnx", "onnxscript")
PRECISIONS = ("float", "fp16")
OPSET = 18
GRID_SAMPLE_OPSET = 20
"""The first opset whose GridSample takes 5-D input."""


def convert(conversion: Conversion) -> dict[str, Any]:
    """Write an ``.onnx`` file with the weights inside."""
    import onnx

    model = translate(conversion, OPSET)
    _describe(model, conversion)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(conversion.path))
    return {
        "opset": OPSET,
        "operators": _count(model),
        "transposes": sum(node.op_type == "Transpose" for node in model.graph.node),
    }


def translate(conversion: Conversion, opset: int) -> Any:
    """Translate the graph to an in-memory ``onnx.ModelProto`` with inferred shapes."""
    import onnx

    graph = conversion.graph
    module = HalfInside(graph.module).eval() if conversion.precision == "fp16" else graph.module
    program = torch.onnx.export(
        module,
        graph.examples,
        dynamo=True,
        opset_version=opset,
        input_names=[spec.name for spec in graph.inputs],
        output_names=[spec.name for spec in graph.outputs],
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    return onnx.shape_inference.infer_shapes(program.model_proto, strict_mode=True)


def _describe(model: Any, conversion: Conversion) -> None:
    """Write the model's own metadata; drop the exporter's, which holds paths and stack traces of this machine."""
    import onnx

    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    model.graph.ClearField("metadata_props")
    model.graph.name = conversion.graph.name
    model.doc_string = conversion.metadata.get("description", "")
    onnx.helper.set_model_props(model, dict(sorted(conversion.metadata.items())))


def _count(model: Any) -> dict[str, int]:
    """Count the nodes by operator."""
    names = [node.op_type for node in model.graph.node]
    return {name: names.count(name) for name in sorted(set(names))}
