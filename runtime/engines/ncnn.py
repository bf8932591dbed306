"""ncnn on this computer's processor, in an isolated environment; on a GPU it is `viewfinder.runtime.gpu.ncnn`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from viewfinder.artifact import GraphFile
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _process
from viewfinder.runtime.engines._tensors import damaged

NAME = "ncnn"
FORMAT = "ncnn"
EVIDENCE = Evidence.MEASURED
PACKAGE = ""
TOOLCHAIN = "ncnn"

TIMEOUT_S = 1200.0
"""For loading a file and for one run. A software driver compiles shaders for minutes on a loaded core, once."""
_PARTS = ("model.param", "model.bin", "ends.json")


def probe(python: Path | None = None) -> str | None:
    """Return None when `python`, the toolchain's interpreter, computes one addition; asked once."""
    if python is None or not python.exists():
        return "its isolated environment is not installed"
    return _tried(python)


@functools.cache
def _tried(python: Path) -> str | None:
    """Compute one addition on the processor."""
    from viewfinder.runtime import tiny

    there = _on_cpu(python)
    return tiny.tried(NAME, tiny.write_ncnn, lambda path, graph: start(there, path, graph, 1))


def open(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None = None) -> engines.Runner:  # noqa: A001 as the standard library's modules do
    """Load an ``.ncnn`` folder; see `viewfinder.runtime.engines.Engine.open`."""
    _require_parts(artifact_path)
    engines.require(engines.load(NAME, python))
    return start(_on_cpu(python), artifact_path, graph, threads)


def start(interpreter: _process.Interpreter, path: Path, graph: GraphFile, threads: int) -> engines.Runner:
    """Load a folder in a Python that has ncnn.

    Raises:
        BadArtifactError: it is not such a folder.
    """
    _require_parts(path)
    return _process.open_in(interpreter, NAME, path, graph, threads)


def _require_parts(path: Path) -> None:
    """Refuse folders that are no model."""
    for part in _PARTS:
        if not (path / part).is_file():
            raise damaged(path, f"it has no {part}")


def _on_cpu(python: Path | None) -> _process.Interpreter:
    """Describe a Python whose ncnn computes on the processor."""
    return _process.Interpreter((str(python), "-I"), None, "", TIMEOUT_S)


def on_gpu(python: Path, driver: Mapping[str, str], precision: str, placed: Path) -> _process.Interpreter:
    """Describe a Python whose ncnn computes on a Vulkan driver, and writes into `placed` what it leaves to the CPU."""
    variables = {**driver, "VIEWFINDER_NCNN_GPU": precision, "VIEWFINDER_NCNN_PLACED": str(placed)}
    return _process.Interpreter((str(python), "-I"), variables, " on the GPU", TIMEOUT_S)
