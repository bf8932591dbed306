"""Snapdragon's NPU: the compiled binary itself, executed by Qualcomm's emulator in an isolated environment.

The processor is not the caller's choice: it is written in the binary, and has to be the one in the manifest.
"""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

from viewfinder.artifact import GraphFile
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _process
from viewfinder.runtime.htp import binary

NAME = "qnn"
FORMAT = "qnn"
EVIDENCE = Evidence.EMULATED
PACKAGE = ""
TOOLCHAIN = "qnn"

TIMEOUT_S = 600.0
"""For one run of a graph. Emulated, a strip of HDRNet takes about a second."""


def probe(python: Path | None = None) -> str | None:
    """Return None when `python`, the toolchain's interpreter, compiles and emulates one addition; asked once."""
    if python is None or not python.exists():
        return "its isolated environment is not installed"
    return _tried(python)


@functools.cache
def _tried(python: Path) -> str | None:
    """Compile and emulate one addition."""
    from viewfinder.runtime.htp import trying

    with tempfile.TemporaryDirectory(prefix="viewfinder-qnn-") as work:
        return trying.tried(python, Path(work), lambda path, graph: _opened(path, graph, 1, python))


def open(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None = None) -> engines.Runner:  # noqa: A001 as the standard library's modules do
    """Load a compiled file in the emulator; see `viewfinder.runtime.engines.Engine.open`.

    Raises:
        BadArtifactError: it is no compiled file, or was compiled for another processor than the manifest says.
    """
    binary.require_for(artifact_path, graph.notes)
    engines.require(engines.load(NAME, python))
    return _opened(artifact_path, graph, threads, python)


def _opened(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None) -> engines.Runner:
    """Load a compiled file."""
    found = binary.require_for(artifact_path, graph.notes)
    # What runs on the CPU was allowed, and counted, when the file was compiled.
    environment = {**os.environ, "VIEWFINDER_QNN_STRICT": "0"} if graph.notes.get("not_delegated") else None
    there = _process.Interpreter((str(python), "-I"), environment, f" for {found.processor}", TIMEOUT_S)
    return _process.open_in(there, "onnxruntime_qnn", artifact_path, graph, threads)
