"""The TFLite interpreter inside TensorFlow, in its isolated environment or in this one, always in its own process."""

from __future__ import annotations

import functools
import sys
from importlib.util import find_spec
from pathlib import Path

from viewfinder.artifact import GraphFile
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _process

NAME = "tensorflow"
FORMAT = "tflite"
EVIDENCE = Evidence.MEASURED
PACKAGE = ""
TOOLCHAIN = "tensorflow"


def _interpreter(python: Path | None) -> Path | None:
    """Choose the toolchain's Python, else this one if it has TensorFlow."""
    if python is not None and python.exists():
        return python
    return Path(sys.executable) if find_spec("tensorflow") else None


def probe(python: Path | None = None) -> str | None:
    """Return None when the toolchain, or TensorFlow where it is installed here, computes one addition; asked once."""
    chosen = _interpreter(python)
    return _tried(chosen) if chosen else "neither TensorFlow nor its isolated environment is installed"


@functools.cache
def _tried(python: Path) -> str | None:
    """Compute one addition."""
    from viewfinder.runtime import tiny

    return tiny.tried(NAME, tiny.write, lambda path, graph: _opened(path, graph, 1, python))


def open(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None = None) -> engines.Runner:  # noqa: A001 as the standard library's modules do
    """Load a ``.tflite`` file with ``tf.lite.Interpreter``; see `viewfinder.runtime.engines.Engine.open`."""
    engines.require(engines.load(NAME, python))
    return _opened(artifact_path, graph, threads, _interpreter(python))


def _opened(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None) -> engines.Runner:
    """Load a file."""
    return _process.open_tflite(python, "tensorflow.lite.python.interpreter", artifact_path, graph, threads)
