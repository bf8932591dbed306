"""Snapdragon's NPU: the compiled binary itself, executed by Qualcomm's emulator in an isolated environment.

The processor is not the caller's choice: it is written in the binary, and has to be the one in the manifest.
"""

from __future__ import annotations

import os
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
    """Return None when `python`, the toolchain's interpreter, is there."""
    return None if python is not None and python.exists() else "its isolated environment is not installed"


def open(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None = None) -> engines.Runner:  # noqa: A001 as the standard library's modules do
    """Load a compiled file in the emulator; see `viewfinder.runtime.engines.Engine.open`.

    Raises:
        BadArtifactError: it is no compiled file, or was compiled for another processor than the manifest says.
    """
    engines.require(engines.load(NAME, python))
    found = binary.require_for(artifact_path, graph.notes)
    # What runs on the CPU was allowed, and counted, when the file was compiled.
    environment = {**os.environ, "VIEWFINDER_QNN_STRICT": "0"} if graph.notes.get("not_delegated") else None
    there = _process.Interpreter((str(python), "-I"), environment, f" for {found.processor}", TIMEOUT_S)
    return _process.open_in(there, "onnxruntime_qnn", artifact_path, graph, threads)
