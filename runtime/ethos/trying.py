"""One addition of integers: compiled by Vela, or computed by Arm's TOSA reference model, before either is believed."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from viewfinder.errors import ViewfinderError
from viewfinder.runtime import tiny
from viewfinder.runtime.ethos import compiler

CONFIG = "ethos-u85-128"
_STEP = 0.125
"""Of the three tensors: sums up to 15.5 are exact in 8 bits."""


@functools.cache
def vela(python: Path) -> str | None:
    """Return None when Vela places the addition on the NPU, else the reason; asked once for each interpreter."""
    with tempfile.TemporaryDirectory(prefix="viewfinder-vela-") as work:
        try:
            made = compiler.compile_graph(python, write(Path(work)), Path(work) / "compiled.tflite", CONFIG)
        except ViewfinderError as error:
            return f"Vela does not compile one addition here: {error.message}"
    return None if made.partitions == 1 else f"Vela puts one addition into {made.partitions} pieces"


def write(folder: Path) -> Path:
    """Write the addition of `viewfinder.runtime.tiny` in 8 bits, and return its path."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    path = tiny.write(folder)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    for tensor in model.subgraphs[0].tensors:
        tensor.type, tensor.quantization = schema.TensorType.INT8, _quantization(schema)
    for code in model.operatorCodes:
        code.version = 2  # the first that takes 8 bits with a sign
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _quantization(schema: Any) -> Any:
    """Describe steps of `_STEP` around zero."""
    made = schema.QuantizationParametersT()
    made.scale, made.zeroPoint = [_STEP], [0]
    return made
