"""LiteRT (``ai-edge-litert``), Google's current TFLite runtime, on the CPU through XNNPACK.

The Interpreter is used, not the newer CompiledModel: on the HDRNet strip both take the same time (2.65 and 2.59 ms,
one thread, version 2.3.0), and CompiledModel looks for accelerator plug-ins at every load and complains on stderr.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines._quiet import quietly
from viewfinder.runtime.engines._tensors import by_name_or_order, checked, damaged, require_match
from viewfinder.task import TensorSpec

NAME = "litert"
FORMAT = "tflite"
EVIDENCE = Evidence.MEASURED
PACKAGE = "'ai-edge-litert>=2.3,<2.4'"
TOOLCHAIN = ""
PARALLEL = True


def probe() -> str | None:
    """Look for the package without importing it."""
    return None if find_spec("ai_edge_litert") else "the package ai-edge-litert is not installed"


def open(artifact_path: Path, graph: GraphFile, threads: int) -> engines.Runner:  # noqa: A001 as the standard library's modules do
    """Load a ``.tflite`` file; see `viewfinder.runtime.engines.Engine.open`."""
    engines.require(engines.load(NAME))
    with quietly():
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter = Interpreter(str(artifact_path), num_threads=threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise damaged(artifact_path, error) from error
    return _Runner(interpreter, artifact_path, graph)


class _Runner:
    """A loaded ``.tflite`` file."""

    def __init__(self, interpreter: Any, path: Path, graph: GraphFile) -> None:
        """Find the tensors of the manifest in the file, by the names in its signature or by their order."""
        self._interpreter, self._graph = interpreter, graph
        signatures = interpreter.get_signature_list()
        runner = interpreter.get_signature_runner(next(iter(signatures))) if signatures else None
        inputs = runner.get_input_details() if runner else _unnamed(interpreter.get_input_details())
        outputs = runner.get_output_details() if runner else _unnamed(interpreter.get_output_details())
        self._inputs = _match(path, graph.inputs, inputs, "input")
        self._outputs = _match(path, graph.outputs, outputs, "output")

    def __call__(self, feeds: engines.Arrays) -> dict[str, NDArray[Any]]:
        """Copy in, compute, copy out."""
        arrays = checked(feeds, self._graph)
        for index, array in zip(self._inputs, arrays, strict=True):
            self._interpreter.set_tensor(index, array)
        self._interpreter.invoke()
        pairs = zip(self._graph.outputs, self._outputs, strict=True)
        return {spec.name: _floats(self._interpreter.get_tensor(index)) for spec, index in pairs}


def _floats(array: NDArray[Any]) -> NDArray[np.float32]:
    """Return an output as float32."""
    return array.astype(np.float32, copy=False)


def _unnamed(details: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name tensors as the file does when it has no signature."""
    return {detail["name"]: detail for detail in details}


def _match(path: Path, specs: tuple[TensorSpec, ...], details: dict[str, dict[str, Any]], kind: str) -> list[int]:
    """Return the tensor indices of the manifest's tensors; shapes must agree."""
    # Without real names the converter's numbered ones (args_0, args_1, ...) keep their order when sorted by number.
    ordered = sorted(details.items(), key=lambda item: (len(item[0]), item[0]))
    order = by_name_or_order(specs, [name for name, _ in ordered])
    chosen = [ordered[position][1] for position in order if position < len(ordered)]
    shapes = {spec.name: detail["shape"].tolist() for spec, detail in zip(specs, chosen, strict=False)}
    require_match(path, specs, shapes, kind)
    return [detail["index"] for detail in chosen]
