"""ONNX Runtime on the CPU."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines._tensors import checked, damaged, require_match

NAME = "onnxruntime"
FORMAT = "onnx"
EVIDENCE = Evidence.MEASURED
PACKAGE = "'onnxruntime>=1.22'"
TOOLCHAIN = ""
PARALLEL = True

_ERRORS_ONLY = 3


def probe() -> str | None:
    """Look for the package without importing it."""
    return None if find_spec("onnxruntime") else "the package onnxruntime is not installed"


def open(artifact_path: Path, graph: GraphFile, threads: int) -> engines.Runner:  # noqa: A001 as the standard library's modules do
    """Load an ``.onnx`` file; see `viewfinder.runtime.engines.Engine.open`."""
    engines.require(engines.load(NAME))
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        session = ort.InferenceSession(str(artifact_path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no base class but this one
        raise damaged(artifact_path, error) from error
    require_match(artifact_path, graph.inputs, {item.name: item.shape for item in session.get_inputs()}, "input")
    require_match(artifact_path, graph.outputs, {item.name: item.shape for item in session.get_outputs()}, "output")
    return _Runner(session, graph)


class _Runner:
    """A loaded ``.onnx`` file."""

    def __init__(self, session: Any, graph: GraphFile) -> None:
        """Remember the session."""
        self._session, self._graph = session, graph
        self._outputs = [spec.name for spec in graph.outputs]

    def __call__(self, feeds: engines.Arrays) -> dict[str, NDArray[Any]]:
        """Compute; inputs are read in place."""
        arrays = checked(feeds, self._graph)
        named = {spec.name: array for spec, array in zip(self._graph.inputs, arrays, strict=True)}
        results = self._session.run(self._outputs, named)
        return {name: array.astype(np.float32, copy=False) for name, array in zip(self._outputs, results, strict=True)}
