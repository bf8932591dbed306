"""Verify on some tiles: emulated, one tile of 128 x 128 of a small burst network takes ten seconds.

Only some tiles of a picture are computed, and compared with the same pixels of PyTorch's output and of the truth. Of a
network of one channel only the middle plane (green of three) is looked at, and its tiles are compared as grey pictures.
Alignment and merge of a burst run on the whole burst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact
from viewfinder.bursts import Burst
from viewfinder.errors import UsageError
from viewfinder.runtime import pipelines
from viewfinder.task import TensorSpec

if TYPE_CHECKING:
    from viewfinder.golden import GoldenPhoto
    from viewfinder.runtime.pipelines import Graph

Array = NDArray[np.float32]
Corner = tuple[int, int]


class _Chosen:
    """A graph of which only some calls are computed; the others give zeros at once."""

    def __init__(self, graph: Graph, outputs: tuple[TensorSpec, ...]) -> None:
        """Compute nothing yet."""
        self._graph, self._outputs = graph, outputs
        self._wanted: frozenset[int] = frozenset()
        self._calls = 0

    def begin(self, wanted: frozenset[int]) -> None:
        """Count calls from 0 again, and compute those in `wanted`."""
        self._wanted, self._calls = wanted, 0

    def __call__(self, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, Array]:
        """Compute, or not."""
        number, self._calls = self._calls, self._calls + 1
        if number in self._wanted:
            return self._graph(feeds)
        return {spec.name: np.zeros(spec.shape, np.float32) for spec in self._outputs}


class Tiles:
    """Which tiles of a picture of one size are compared: whole ones, spread evenly; the first where none is whole.

    Attributes:
        plane: which is looked at; None where the network takes all three at once.
    """

    def __init__(self, artifact: Artifact, feed: Any, count: int) -> None:
        """Choose `count` of them, or all if there are fewer.

        Args:
            artifact: of a pipeline with tiles.
            feed: a photograph ``[H, W, 3]``, or a `Burst`.
            count: of tiles.

        Raises:
            UsageError: `count` is not positive.
        """
        if count < 1:
            raise UsageError(f"{count} tiles", "give at least 1")
        self._of_bursts, shape = (
            isinstance(feed, Burst),
            feed.frames.shape[1:] if isinstance(feed, Burst) else feed.shape,
        )
        size = int(shape[0]), int(shape[1])
        self.plane = int(shape[2]) // 2 if self._of_bursts or _channels(artifact) == 1 else None
        borders = pipelines.borders(artifact, *size)
        starts = [(0, *found) for found in borders]
        side = [found[0] if found else whole for found, whole in zip(borders, size, strict=True)]
        every = [(top, left) for top in starts[0] for left in starts[1]]
        whole = [one for one in every if one[0] + side[0] <= size[0] and one[1] + side[1] <= size[1]] or every[:1]
        shown = min(count, len(whole))
        self._corners = [whole[(2 * number + 1) * len(whole) // (2 * shown)] for number in range(shown)]
        self._side, self._every, self._planes = side, every, int(shape[2])
        self._scale = int(artifact.parameters.get("scale", 1))

    @property
    def calls(self) -> frozenset[int]:
        """Number the calls of a graph that these tiles are.

        Of bursts, planes follow one another and tiles do within a plane; of photographs, a tile's planes do.
        """
        found = [self._every.index(corner) for corner in self._corners]
        if self.plane is None:
            return frozenset(found)
        if self._of_bursts:
            return frozenset(self.plane * len(self._every) + number for number in found)
        return frozenset(number * self._planes + self.plane for number in found)

    def of(self, picture: Array) -> Array:
        """Take the tiles out of ``[H, W, 3]``, one below the other, ``[h, w, 3]``; of a single plane, in grey."""
        (rows, columns), scale = self._side, self._scale
        parts = [
            picture[top * scale : (top + rows) * scale, left * scale : (left + columns) * scale]
            for top, left in self._corners
        ]
        shown = np.concatenate(parts)
        return shown if self.plane is None else np.repeat(shown[..., self.plane, None], 3, -1)


class SampledTiles:
    """Runs some tiles of photographs or bursts through an artifact."""

    def __init__(self, artifact: Artifact, graphs: Mapping[str, Graph], count: int) -> None:
        """Join the graphs, each wrapped so that it computes little."""
        self._artifact, self._count = artifact, count
        self._graphs = {spec.name: _Chosen(graphs[spec.name], spec.outputs) for spec in artifact.graphs}
        self._runner = pipelines.assemble(artifact, self._graphs)

    def enhance(self, given: Any) -> Array:
        """Return the tiles of a photograph or a burst, float32 in 0..1."""
        tiles = Tiles(self._artifact, given, self._count)
        for graph in self._graphs.values():
            graph.begin(tiles.calls)
        return tiles.of(self._runner.enhance(given))


def photo_of(photo: GoldenPhoto, artifact: Artifact, count: int) -> GoldenPhoto:
    """Keep of a golden photograph's pictures the tiles that `SampledTiles` gives; what it is fed with stays whole."""
    tiles = Tiles(artifact, photo.feed, count)
    truth = None if photo.truth is None else tiles.of(photo.truth)
    return replace(photo, expected=tiles.of(photo.expected), truth=truth)


def _channels(artifact: Artifact) -> int:
    """Return how many channels the only input of a network from picture to picture has."""
    found = artifact.graphs[0].inputs[0]
    return int(found.shape[3 if found.layout == "NHWC" else 1])
