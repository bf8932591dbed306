"""How a photograph passes through the graphs of an artifact: a module per pipeline, named as `Task.pipeline` says.

Each module has ``rows(artifact, graphs) -> Rows`` and ``borders(artifact, height, width)``. numpy only; what runs a
graph comes from ``runtime/engines``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact
from viewfinder.errors import BadArtifactError
from viewfinder.runtime import engines
from viewfinder.runtime.engines import Engine
from viewfinder.runtime.pipelines.runner import PhotoRunner, Rows

Graph = Callable[[Mapping[str, NDArray[np.float32]]], Mapping[str, NDArray[np.float32]]]
"""A graph ready to run: arrays by input name to arrays by output name."""

__all__ = ["Graph", "PhotoRunner", "Rows", "assemble", "borders", "names", "open", "open_rows"]


def names() -> list[str]:
    """List the pipelines."""
    return sorted(
        module.name for module in pkgutil.iter_modules(__path__) if module.name not in {"parameters", "runner"}
    )


def open(artifact: Artifact, engine: str | Engine, threads: int = 1) -> PhotoRunner:  # noqa: A001 as in the standard library's modules
    """Load every graph of `artifact` into an engine and make it run photographs.

    Args:
        artifact: from `viewfinder.artifact.load`, so its hashes have been checked.
        engine: from `viewfinder.runtime.engines.load`, or its name.
        threads: for each graph.
    """
    return PhotoRunner(open_rows(artifact, engine, threads))


def open_rows(artifact: Artifact, engine: str | Engine, threads: int = 1) -> Rows:
    """Do the same without what makes whole photographs of rows."""
    loaded = engines.load(engine) if isinstance(engine, str) else engine
    graphs = {graph.name: loaded.open(artifact.path(graph), graph, threads) for graph in artifact.graphs}
    return _rows(artifact, graphs)


def assemble(artifact: Artifact, graphs: Mapping[str, Graph]) -> PhotoRunner:
    """Join loaded graphs as the artifact's pipeline says."""
    return PhotoRunner(_rows(artifact, graphs))


def _rows(artifact: Artifact, graphs: Mapping[str, Graph]) -> Rows:
    """Join loaded graphs as the artifact's pipeline says."""
    rows: Rows = _module(artifact).rows(artifact, graphs)
    return rows


def borders(artifact: Artifact, height: int, width: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return where the pieces meet in which `artifact` computes a picture: first rows and columns behind a border."""
    found: tuple[tuple[int, ...], tuple[int, ...]] = _module(artifact).borders(artifact, height, width)
    return found


def _module(artifact: Artifact) -> ModuleType:
    """Import the artifact's pipeline."""
    if artifact.pipeline not in names():  # before it becomes a module's name: a manifest is untrusted
        raise BadArtifactError(
            f"{artifact.folder} needs the pipeline {artifact.pipeline!r}; known are {', '.join(names())}",
            "use the viewfinder that made it, or export the model again",
        )
    return importlib.import_module(f"{__name__}.{artifact.pipeline}")
