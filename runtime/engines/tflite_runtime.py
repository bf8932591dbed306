"""``tflite-runtime`` 2.14.0, the last release of the old TFLite runtime, which is still in the field.

It needs numpy 1, so it runs in an environment of its own behind a process boundary: what it says about a file is
what an old app would say.
"""

from __future__ import annotations

import functools
from pathlib import Path

from viewfinder.artifact import GraphFile
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _process

NAME = "tflite-runtime"
FORMAT = "tflite"
EVIDENCE = Evidence.MEASURED
PACKAGE = ""
TOOLCHAIN = "tflite-runtime"


def probe(python: Path | None = None) -> str | None:
    """Return None when `python`, the toolchain's interpreter, computes one addition; asked once."""
    if python is None or not python.exists():
        return "its isolated environment is not installed"
    return _tried(python)


@functools.cache
def _tried(python: Path) -> str | None:
    """Compute one addition."""
    from viewfinder.runtime import tiny

    return tiny.tried(NAME, tiny.write, lambda path, graph: _opened(path, graph, 1, python))


def open(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None = None) -> engines.Runner:  # noqa: A001 as the standard library's modules do
    """Load a ``.tflite`` file in the toolchain's interpreter; see `viewfinder.runtime.engines.Engine.open`."""
    engines.require(engines.load(NAME, python))
    return _opened(artifact_path, graph, threads, python)


def _opened(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None) -> engines.Runner:
    """Load a file."""
    return _process.open_tflite(python, "tflite_runtime.interpreter", artifact_path, graph, threads)
