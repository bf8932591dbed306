"""Core AI: the interpreter of coreai-core, which computes Apple's models on Linux, in an isolated environment.

It computes fp16 as fp16. It is not the Neural Engine, and Apple promises nothing about it: its numbers are a reference.
"""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path

from viewfinder.artifact import GraphFile
from viewfinder.errors import NotVerifiedError
from viewfinder.measurement import Evidence
from viewfinder.runtime import engines
from viewfinder.runtime.engines import _process

NAME = "coreai"
FORMAT = "coreai"
EVIDENCE = Evidence.REFERENCE
PACKAGE = ""
TOOLCHAIN = "coreai"

TIMEOUT_S = 600.0
"""For one run of a graph: a strip of HDRNet of 12 x 960 takes about ten seconds in fp16."""


def probe(python: Path | None = None) -> str | None:
    """Return None when `python`, the toolchain's interpreter, authors and computes one addition; asked once."""
    if python is None or not python.exists():
        return "its isolated environment is not installed"
    return _tried(python)


@functools.cache
def _tried(python: Path) -> str | None:
    """Author and compute one addition."""
    from viewfinder.runtime import tiny

    def write(folder: Path) -> Path:
        """Write the model."""
        path, script = folder / "tiny.aimodel", Path(__file__).resolve().with_name("_coreai_addition.py")
        argv = [str(python), "-I", str(script), str(path), json.dumps(tiny.SHAPE)]
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
            raise NotVerifiedError(f"it cannot be authored: {said[-1]}", engines.remedy(engines.load(NAME)))
        return path

    return tiny.tried("Core AI's interpreter", write, lambda path, graph: _opened(path, graph, 1, python))


def open(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None = None) -> engines.Runner:  # noqa: A001 as the standard library's modules do
    """Load an ``.aimodel`` folder; see `viewfinder.runtime.engines.Engine.open`."""
    engines.require(engines.load(NAME, python))
    return _opened(artifact_path, graph, threads, python)


def _opened(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None) -> engines.Runner:
    """Load a model."""
    there = _process.Interpreter((str(python), "-I"), None, "", TIMEOUT_S)
    return _process.open_in(there, NAME, artifact_path, graph, threads)
