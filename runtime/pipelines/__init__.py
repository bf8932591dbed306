"""How a photograph passes through the graphs of an artifact: a module per pipeline, named as `Task.pipeline` says.

Each module has ``rows(artifact, graphs) -> Rows``, ``borders(artifact, height, width)`` and ``REPEATED``, the graphs
that run many times for one picture. numpy only; what runs a graph comes from ``runtime/engines``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.errors import BadArtifactError
from viewfinder.runtime import engines
from viewfinder.runtime.engines import Engine
from viewfinder.runtime.pipelines.lanes import Graph, Lanes
from viewfinder.runtime.pipelines.runner import PhotoRunner, Rows

__all__ = ["Graph", "PhotoRunner", "Rows", "assemble", "borders", "names", "open", "open_graph", "open_rows"]


def names() -> list[str]:
    """List the pipelines."""
    return sorted(
        module.name for module in pkgutil.iter_modules(__path__) if module.name not in {"lanes", "parameters", "runner"}
    )


def open(artifact: Artifact, engine: str | Engine, threads: int = 1) -> PhotoRunner:  # noqa: A001 as in the standard library's modules
    """Load every graph of `artifact` into an engine and make it run photographs.

    Args:
        artifact: from `viewfinder.artifact.load`, so its hashes have been checked.
        engine: from `viewfinder.runtime.engines.load`, or its name.
        threads: strips or tiles computed side by side where the engine can, else threads inside each graph.
    """
    return _runner(artifact, _loaded(artifact, engine, threads))


def open_rows(artifact: Artifact, engine: str | Engine, threads: int = 1) -> Rows:
    """Do the same without what makes whole photographs of rows."""
    return _rows(artifact, _loaded(artifact, engine, threads))


def _loaded(artifact: Artifact, engine: str | Engine, threads: int) -> dict[str, Graph]:
    """Load every graph."""
    loaded = engines.load(engine) if isinstance(engine, str) else engine
    return {graph.name: open_graph(artifact, graph, loaded, threads) for graph in artifact.graphs}


def open_graph(artifact: Artifact, graph: GraphFile, engine: Engine, threads: int = 1) -> Graph:
    """Load one graph: once, or once for each thread if it runs many times for a picture and the engine can."""
    path = artifact.path(graph)
    if threads == 1 or graph.name not in _module(artifact).REPEATED or not getattr(engine, "PARALLEL", False):
        return engine.open(path, graph, threads)
    return Lanes([engine.open(path, graph, 1) for _ in range(threads)])


def assemble(artifact: Artifact, graphs: Mapping[str, Graph]) -> PhotoRunner:
    """Join loaded graphs as the artifact's pipeline says."""
    return _runner(artifact, graphs)


def _runner(artifact: Artifact, graphs: Mapping[str, Graph]) -> PhotoRunner:
    """Make what runs photographs; or, where the pipeline has its own, what runs bursts."""
    own = getattr(_module(artifact), "runner", None)
    made: PhotoRunner = PhotoRunner(_rows(artifact, graphs)) if own is None else own(artifact, graphs)
    return made


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
