"""Core ML: Apple's own runtime on macOS, elsewhere a reference evaluation of the package's program in numpy."""

from __future__ import annotations

import platform
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import GraphFile
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines._tensors import checked, damaged, require_match

NAME = "coreml"
FORMAT = "coreml"
ON_MACOS = platform.system() == "Darwin"
EVIDENCE = Evidence.MEASURED if ON_MACOS else Evidence.REFERENCE
PACKAGE = "coremltools==9.0" if ON_MACOS else ""
TOOLCHAIN = ""


def probe() -> str | None:
    """Say what is missing on macOS; the reference evaluator needs nothing."""
    return "the package coremltools is not installed" if ON_MACOS and not find_spec("coremltools") else None


def open(artifact_path: Path, graph: GraphFile, threads: int) -> engines.Runner:  # noqa: A001, ARG001 as the standard library's modules do; one signature for all
    """Load an ``.mlpackage``; see `viewfinder.runtime.engines.Engine.open`.

    Core ML chooses its threads itself, and the reference evaluator leaves them to BLAS.
    """
    engines.require(engines.load(NAME))
    return _Predictor(artifact_path, graph) if ON_MACOS else _Reference(artifact_path, graph)


class _Reference:
    """The program of a package, evaluated in numpy."""

    def __init__(self, path: Path, graph: GraphFile) -> None:
        """Plan the program."""
        from viewfinder.runtime.coreml import Evaluator

        self._program, self._graph = Evaluator(path), graph
        require_match(path, graph.inputs, {item.name: item.shape for item in self._program.inputs}, "input")
        missing = [spec.name for spec in graph.outputs if spec.name not in self._program.output_names]
        if missing:
            require_match(path, graph.outputs, dict.fromkeys(self._program.output_names, ()), "output")

    def __call__(self, feeds: engines.Arrays) -> dict[str, NDArray[Any]]:
        """Compute every operation, rounded to its declared type."""
        arrays = checked(feeds, self._graph)
        results = self._program({spec.name: array for spec, array in zip(self._graph.inputs, arrays, strict=True)})
        return {spec.name: results[spec.name] for spec in self._graph.outputs}


class _Predictor:
    """Apple's Core ML through coremltools."""

    def __init__(self, path: Path, graph: GraphFile) -> None:
        """Compile and load the package."""
        import coremltools

        self._graph = graph
        try:
            self._model = coremltools.models.MLModel(str(path))
        except Exception as error:  # its exceptions share no base class but this one
            raise damaged(path, error) from error

    def __call__(self, feeds: engines.Arrays) -> dict[str, NDArray[Any]]:
        """Predict."""
        arrays = checked(feeds, self._graph)
        results = self._model.predict(
            {spec.name: array for spec, array in zip(self._graph.inputs, arrays, strict=True)}
        )
        return {spec.name: np.asarray(results[spec.name], np.float32) for spec in self._graph.outputs}
