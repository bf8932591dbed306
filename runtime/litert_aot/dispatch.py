"""The NPU's binary inside a ``.tflite`` file: found, checked, and wrapped so that Qualcomm's emulator loads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from viewfinder.errors import BadArtifactError
from viewfinder.runtime.graphs import tflite
from viewfinder.task import TensorSpec

CUSTOM = b"DISPATCH_OP"
_AGAIN = "compile the float or quantized TFLite artifact again"
_FLOAT32 = 0


@dataclass(frozen=True)
class Dispatch:
    """What a compiled file holds.

    Attributes:
        binary: of the NPU.
        name: of the graph inside it.
        inputs, outputs: by the names that the binary knows, in the order of the file.
        left: operators that are no call of the NPU, and would run on the CPU.
    """

    binary: bytes
    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    left: tuple[str, ...]


def read(path: Path) -> Dispatch:
    """Cut the binary out of a file; of several, the first.

    Raises:
        BadArtifactError: it is no TFLite file, calls no NPU, or points outside itself.
    """
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import flexbuffers

    data = path.read_bytes()
    if data[4:8] != tflite.IDENTIFIER:
        raise BadArtifactError(f"{path} does not begin like a TFLite file", _AGAIN)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = model.subgraphs[0]
    codes = [model.operatorCodes[operator.opcodeIndex] for operator in graph.operators]
    calls = [one for one, code in zip(graph.operators, codes, strict=True) if code.customCode == CUSTOM]
    if not calls or calls[0].customOptions is None:
        raise BadArtifactError(f"{path} calls no NPU", _AGAIN)
    options = flexbuffers.Loads(bytes(calls[0].customOptions))
    start, size = int(options["bytecode_offset"]), int(options["bytecode_size"])
    if start < 0 or size <= 0 or start + size > len(data):
        raise BadArtifactError(f"{path} says that its binary lies at {start}, {size} bytes, outside the file", _AGAIN)
    left = tuple(tflite.read(path).operators) if len(calls) < len(codes) else ()
    return Dispatch(
        data[start : start + size],
        str(options["name"]),
        tuple(_spec(path, graph.tensors[index]) for index in calls[0].inputs),
        tuple(_spec(path, graph.tensors[index]) for index in calls[0].outputs),
        tuple(name for name in left if CUSTOM.decode() not in name),
    )


def _spec(path: Path, tensor: Any) -> TensorSpec:
    """Describe a tensor of the call."""
    name = tensor.name.decode()
    if tensor.type != _FLOAT32:
        raise BadArtifactError(f"{path} gives the NPU {name} as integers; the file's ends have to be float32", _AGAIN)
    return TensorSpec(name, tuple(int(side) for side in tensor.shape))


def wrap(found: Dispatch, target: Path) -> None:
    """Write an ONNX file with the binary as its one node, which onnxruntime-qnn loads as it is."""
    import onnx
    from onnx import TensorProto, helper

    sides = [
        [helper.make_tensor_value_info(one.name, TensorProto.FLOAT, one.shape) for one in side]
        for side in (found.inputs, found.outputs)
    ]
    node = helper.make_node(
        "EPContext", [one.name for one in found.inputs], [one.name for one in found.outputs], name=found.name,
        domain="com.microsoft", main_context=1, embed_mode=1, ep_cache_context=found.binary,
        source="QNNExecutionProvider", partition_name=found.name,
    )  # fmt: skip
    graph = helper.make_graph([node], "npu", *sides)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 10
    onnx.save(model, str(target))
