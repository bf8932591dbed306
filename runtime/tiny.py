"""One addition as TFLite, ONNX, ncnn and ExecuTorch files, by which a backend is tried before it is believed."""

from __future__ import annotations

import base64
import json
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from viewfinder.artifact import GraphFile
from viewfinder.errors import ViewfinderError
from viewfinder.runtime import engines
from viewfinder.task import TensorSpec

SHAPE = (1, 2, 2, 4)
GRAPH = GraphFile(
    "tiny", "tiny.tflite", (TensorSpec("left", SHAPE), TensorSpec("right", SHAPE)), (TensorSpec("sum", SHAPE),)
)
_LEFT = np.arange(16, dtype=np.float32).reshape(SHAPE)
FEEDS = {"left": _LEFT, "right": np.full(SHAPE, 0.5, np.float32)}
EXPECTED = _LEFT + np.float32(0.5)
"""Exact in fp16 too."""
Opened = Callable[[Path, GraphFile], engines.Runner]


def tried(who: str, write: Callable[[Path], Path], opened: Opened, tolerance: float = 0.0) -> str | None:
    """Return None when the sum is right, else the reason.

    Args:
        who: computes, for the reason.
        write: writes the addition into an empty folder and returns its path.
        opened: loads it.
        tolerance: the largest difference that is right.
    """
    with tempfile.TemporaryDirectory(prefix="viewfinder-tiny-") as work:
        try:
            found = opened(write(Path(work)), GRAPH)(FEEDS)["sum"]
        except ViewfinderError as error:
            return f"{who} does not compute one addition here: {error.message}"
        except ImportError as error:
            return f"{who} cannot be tried: {error}"
    right = np.allclose(found, EXPECTED, rtol=0, atol=tolerance)
    return None if right else f"{who} adds {EXPECTED.tolist()} as {found.tolist()}"


_PTE = (
    "eNqtUsFOwkAQnZZSV+SASAgHDs2GgwdigvGAnDzoH3gwIUSR1tikKQS2EWNI/ACPfolf4MGDR48e/RLr27KQbcUEjTSPYWY7772ZpU5EJ6et"
    "fQQqUQ3fFcQiMbIQZUa0CxxoYHEcW4gGpT8yZ4CVPOl6PflVBVeDHGQ1TaeKkwbQVrgAXoBX4E36Mokec0Smxvm8QltqNj7jWHooAmihYSRo"
    "E7EvvLDT6buuereUdBWWHgqq51hhyYdZS0qCqemYOstr2lLLpLRHI1NbcH4AD2qvMm9DQ2qTacOPRXZmt2c4lzdD+TKVaTtxypITC/n8jmqL"
    "Hdt2Mo+t6ZFh5qyMHyu5qyJtqXnmfJR/UvMu+cA4Re1oLb4Cdj3nW/it0M43v1n+d/Dfr+mXaX7lPR0C3VbTuePiduTxjhNGQdB0+GAYCm8q"
    "tMK1H7hjLzyfjLwByt3erCf/z0amn19GfiD8cLInolHg8RQXl2R8Fdu/9f/C/x+nnq2c1vUHImO22+M/UcjV0QZwNRzf9McufQHpuKts"
)
"""``to_edge(torch.export.export(addition, summands)).to_executorch()`` of ExecuTorch 1.5.1, compressed."""

_NCNN = """7767517
3 3
Input left 0 1 left
Input right 0 1 right
BinaryOp sum 2 1 left right sum 0=0
"""


def write_ncnn(folder: Path) -> Path:
    """Write the model's folder and return its path."""
    path = folder / "tiny.ncnn"
    path.mkdir()
    (path / "model.param").write_text(_NCNN, encoding="utf-8")
    (path / "model.bin").touch()
    ends = {
        side: [{"name": spec.name, "blob": spec.name, "shape": list(spec.shape), "batch": 0} for spec in specs]
        for side, specs in (("inputs", GRAPH.inputs), ("outputs", GRAPH.outputs))
    }
    (path / "ends.json").write_text(json.dumps(ends), encoding="utf-8")
    return path


def write_executorch(folder: Path) -> Path:
    """Write the ExecuTorch program and return its path."""
    path = folder / "tiny.pte"
    path.write_bytes(zlib.decompress(base64.b64decode(_PTE)))
    return path


def write_onnx(folder: Path) -> Path:
    """Write the ONNX file and return its path."""
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("left", "right", "sum")]
    graph = helper.make_graph([helper.make_node("Add", ["left", "right"], ["sum"], "add")], "tiny", ends[:2], ends[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder / "tiny.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def write(folder: Path) -> Path:
    """Write the TFLite file and return its path."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    builder = flatbuffers.Builder(1024)
    builder.Finish(_model(schema).Pack(builder), b"TFL3")
    path = folder / "tiny.tflite"
    path.write_bytes(bytes(builder.Output()))
    return path


WRITERS = {"tflite": write, "onnx": write_onnx, "ncnn": write_ncnn, "executorch": write_executorch}
"""By format of artifacts."""


def _model(schema: Any) -> Any:
    """Describe the file: three tensors, one operator, one signature."""
    model, graph, code, add = schema.ModelT(), schema.SubGraphT(), schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    code.version = 1
    add.opcodeIndex, add.inputs, add.outputs = 0, [0, 1], [2]
    add.builtinOptionsType, add.builtinOptions = schema.BuiltinOptions.AddOptions, schema.AddOptionsT()
    graph.tensors = [_tensor(schema, name) for name in ("left", "right", "sum")]
    graph.inputs, graph.outputs, graph.operators, graph.name = [0, 1], [2], [add], b"main"
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
    signature.inputs = [_named(schema, name, index) for index, name in enumerate(("left", "right"))]
    signature.outputs = [_named(schema, "sum", 2)]
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers, model.signatureDefs, model.description = [schema.BufferT()], [signature], b"one addition"
    return model


def _tensor(schema: Any, name: str) -> Any:
    """Describe a tensor without contents."""
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer, tensor.name = list(SHAPE), schema.TensorType.FLOAT32, 0, name.encode()
    return tensor


def _named(schema: Any, name: str, index: int) -> Any:
    """Name a tensor in the signature."""
    item = schema.TensorMapT()
    item.name, item.tensorIndex = name.encode(), index
    return item
