"""What the pipeline gives each graph of an artifact: so a graph is profiled on what it will see, not on noise."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact
from viewfinder.runtime import given, pipelines
from viewfinder.runtime.engines import Engine

Array = NDArray[Any]


class _Enough(Exception):  # noqa: N818 it is no error: the rest of the photograph is not needed
    """Every graph has been asked once."""


def first_feeds(artifact: Artifact, engine: Engine, pixels: Array) -> dict[str, dict[str, Array]]:
    """Return the inputs that each graph gets first when a photograph passes through the pipeline.

    Args:
        artifact: from `viewfinder.artifact.load`.
        engine: one that runs here.
        pixels: ``[H, W, 3]`` uint8 or uint16; a network that merges bursts gets a burst of it.

    Returns:
        Graph to input to array; the computation stops when every graph has been reached.
    """
    seen: dict[str, dict[str, Array]] = {}

    def watched(name: str) -> pipelines.Graph:
        """Wrap a graph, loaded when it is first asked."""
        graph = next(one for one in artifact.graphs if one.name == name)
        loaded: list[Any] = []

        def run(feeds: Mapping[str, Array]) -> Mapping[str, Array]:
            """Keep the first inputs."""
            if name not in seen:
                seen[name] = {key: np.array(value) for key, value in feeds.items()}
            if len(seen) == len(artifact.graphs):
                raise _Enough
            if not loaded:
                loaded.append(engine.open(artifact.path(graph), graph, 1))
            result: Mapping[str, Array] = loaded[0](feeds)
            return result

        return run

    with suppress(_Enough):
        pipelines.assemble(artifact, {one.name: watched(one.name) for one in artifact.graphs}).enhance(
            given.of_photograph(artifact, pixels)
        )
    return seen
