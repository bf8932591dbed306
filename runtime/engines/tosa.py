"""Arm's TOSA reference model: an integer TFLite file, converted to TOSA and computed as its specification says.

What Arm's NPUs compute is specified by TOSA; the reference model executes that specification, in an isolated
environment. Inputs are rounded to the file's integers here, and outputs widened: on a device the caller does this.
"""

from __future__ import annotations

import functools
import json
import tempfile
import weakref
from pathlib import Path
from typing import Any

from viewfinder.artifact import GraphFile
from viewfinder.errors import BadArtifactError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _process
from viewfinder.runtime.ethos import batches, boundary

NAME = "tosa"
FORMAT = "tflite"
EVIDENCE = Evidence.REFERENCE
PACKAGE = ""
TOOLCHAIN = "tosa"

TIMEOUT_S = 600.0
"""For converting a graph and for one run. A strip of HDRNet of 12 x 1920 takes two seconds."""
_INTEGERS = ("int8", "int16")


def probe(python: Path | None = None) -> str | None:
    """Return None when `python`, the toolchain's interpreter, computes one addition; asked once."""
    if python is None or not python.exists():
        return "its isolated environment is not installed"
    return _tried(python)


@functools.cache
def _tried(python: Path) -> str | None:
    """Convert and compute one addition."""
    from viewfinder.runtime import tiny
    from viewfinder.runtime.ethos import trying

    return tiny.tried("Arm's reference model", trying.write, lambda path, graph: _opened(path, graph, 1, python))


def open(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None = None) -> engines.Runner:  # noqa: A001 as the standard library's modules do
    """Convert and load a ``.tflite`` file with integers throughout; see `viewfinder.runtime.engines.Engine.open`.

    Raises:
        BadArtifactError: it is no TFLite file, or its inputs and outputs are no integers behind their conversions.
    """
    engines.require(engines.load(NAME, python))
    return _opened(artifact_path, graph, threads, python)


def _opened(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None) -> engines.Runner:
    """Convert and load a file."""
    work = tempfile.TemporaryDirectory(prefix="viewfinder-tosa-")
    folder = Path(work.name)
    prepare(artifact_path, folder)
    there = _process.Interpreter((str(python), "-I"), None, "", TIMEOUT_S)
    runner = _process.open_in(there, NAME, folder, graph, threads)
    weakref.finalize(runner, work.cleanup)
    return runner


def prepare(source: Path, folder: Path) -> None:
    """Write into `folder` the file that is converted, and how its inputs and outputs are rounded.

    Raises:
        BadArtifactError: as `open`.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    target = folder / "graph.tflite"
    boundary.write(source, target)
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(target.read_bytes(), 0))
    batches.add(model)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    graph, signature = model.subgraphs[0], next(iter(model.signatureDefs or ()), None)
    ends = {
        side: [_end(source, graph.tensors[int(index)], _names(signature, side).get(int(index), "")) for index in found]
        for side, found in (("inputs", graph.inputs), ("outputs", graph.outputs))
    }
    (folder / "ends.json").write_text(json.dumps(ends), encoding="utf-8")


def _names(signature: Any, side: str) -> dict[int, str]:
    """Map tensors at an end of the graph to the names that callers use."""
    listed = getattr(signature, side, None) or ()
    return {int(item.tensorIndex): bytes(item.name).decode() for item in listed}


def _end(source: Path, tensor: Any, name: str) -> dict[str, Any]:
    """Describe an input or an output: name, shape, type, scale and zero point."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = {getattr(schema.TensorType, kind.upper()): kind for kind in _INTEGERS}
    known = tensor.quantization
    if tensor.type not in kinds or known is None or known.scale is None or len(known.scale) != 1:
        raise BadArtifactError(
            f"{source} has the input or output {name!r}, which is no tensor of 8-bit or 16-bit integers",
            "quantize every operator: `viewfinder verify MODEL --targets ethos-u85` makes such artifacts",
        )
    return {
        "name": name or bytes(tensor.name).decode(), "shape": [int(side) for side in tensor.shape],
        "type": kinds[tensor.type], "scale": float(known.scale[0]), "zero_point": int(known.zeroPoint[0]),
    }  # fmt: skip
