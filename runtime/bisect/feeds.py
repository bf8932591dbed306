"""What the graphs of an artifact are fed with when a photograph passes through its pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact
from viewfinder.runtime import pipelines
from viewfinder.runtime.engines import Engine

Feeds = dict[str, NDArray[Any]]
MOST = 3
"""Calls of one graph that are kept of a photograph, evenly spread from its top to its bottom."""


class _Tap:
    """A graph that remembers what it was fed with and what came out."""

    def __init__(self, graph: pipelines.Graph) -> None:
        """Wrap a graph."""
        self._graph = graph
        self.fed: list[Feeds] = []

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Run it; pipelines reuse their arrays, so they are copied."""
        self.fed.append({name: np.array(array) for name, array in feeds.items()})
        return self._graph(feeds)


def captured(artifact: Artifact, engine: Engine, given: Any) -> dict[str, list[Feeds]]:
    """Run a photograph or a burst and return some of what each graph was fed with, by the graph's name."""
    taps = {graph.name: _Tap(engine.open(artifact.path(graph), graph, 1)) for graph in artifact.graphs}
    pipelines.assemble(artifact, taps).enhance(given)
    return {name: _spread(tap.fed) for name, tap in taps.items()}


def _spread(fed: list[Feeds]) -> list[Feeds]:
    """Keep at most `MOST`, evenly spread: the middles of as many equal parts."""
    count = min(MOST, len(fed))
    return [fed[(2 * part + 1) * len(fed) // (2 * count)] for part in range(count)]
