"""Core AI: the interpreter of coreai-core, which computes Apple's models on Linux, in an isolated environment.

It computes fp16 as fp16. It is not the Neural Engine, and Apple promises nothing about it: its numbers are a reference.
"""

from __future__ import annotations

from pathlib import Path

from viewfinder.artifact import GraphFile
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
    """Return None when `python`, the toolchain's interpreter, is there."""
    return None if python is not None and python.exists() else "its isolated environment is not installed"


def open(artifact_path: Path, graph: GraphFile, threads: int, python: Path | None = None) -> engines.Runner:  # noqa: A001 as the standard library's modules do
    """Load an ``.aimodel`` folder; see `viewfinder.runtime.engines.Engine.open`."""
    engines.require(engines.load(NAME, python))
    there = _process.Interpreter((str(python), "-I"), None, "", TIMEOUT_S)
    return _process.open_in(there, NAME, artifact_path, graph, threads)
