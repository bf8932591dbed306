"""TFLite from a rounded PT2E graph: integers with the graph's own scales, between float32 inputs and outputs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch


def convert(module: torch.nn.Module, examples: dict[str, torch.Tensor], path: Path) -> None:
    """Write a module that holds a PT2E graph whose weights are float behind their quantization.

    litert-torch asks its quantizer for one thing only: whether ranges are looked up at every call. So the graph may be
    any quantizer's; where its weights are integers already, the converter stops.
    """
    import litert_torch
    from litert_torch.quantize.pt2e_quantizer import PT2EQuantizer, get_symmetric_quantization_config
    from litert_torch.quantize.quant_config import QuantConfig
    from torchao.quantization.pt2e import allow_exported_model_train_eval

    for part in module.modules():
        if isinstance(part, torch.fx.GraphModule):
            allow_exported_model_train_eval(part)
    static = PT2EQuantizer().set_global(get_symmetric_quantization_config())
    litert_torch.convert(module.eval(), sample_kwargs=examples, quant_config=QuantConfig(pt2e_quantizer=static)).export(
        str(path)
    )
    path.write_bytes(_with_float_ends(path.read_bytes()))


def _with_float_ends(data: bytes) -> bytes:
    """Put QUANTIZE behind inputs and DEQUANTIZE before outputs that the converter made integers."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = model.subgraphs[0]
    codes = schema.BuiltinOperator
    graph.inputs, graph.outputs = list(graph.inputs), list(graph.outputs)
    for place, inner in enumerate(graph.inputs):
        if (outer := _float_twin(schema, model, inner)) is not None:
            graph.inputs[place] = outer
            _rename(model.signatureDefs[0].inputs, inner, outer)
            graph.operators.insert(0, _operator(schema, model, codes.QUANTIZE, inner, outer))
    for place, inner in enumerate(graph.outputs):
        if (outer := _float_twin(schema, model, inner)) is not None:
            graph.outputs[place] = outer
            _rename(model.signatureDefs[0].outputs, inner, outer)
            graph.operators.append(_operator(schema, model, codes.DEQUANTIZE, outer, inner))
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _float_twin(schema: Any, model: Any, number: int) -> int | None:
    """Add a float32 tensor of the shape and name of an int8 one; return its number, None where the tensor is float."""
    graph = model.subgraphs[0]
    tensor = graph.tensors[number]
    if tensor.type != schema.TensorType.INT8:
        return None
    twin = copy.copy(tensor)
    twin.type, twin.quantization, twin.buffer = schema.TensorType.FLOAT32, None, 0
    tensor.name += b"_int8"
    graph.tensors.append(twin)
    return len(graph.tensors) - 1


def _rename(entries: Any, inner: int, outer: int) -> None:
    """Have a signature name the float tensor."""
    for entry in entries:
        if entry.tensorIndex == inner:
            entry.tensorIndex = outer


def _operator(schema: Any, model: Any, kind: int, result: int, source: int) -> Any:
    """Make an operator of one input and one output."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = 1
    model.operatorCodes.append(code)
    made = schema.OperatorT()
    made.opcodeIndex = len(model.operatorCodes) - 1
    made.inputs, made.outputs = np.array([source], np.int32), np.array([result], np.int32)
    return made
