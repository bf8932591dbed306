"""Verify burst networks on some tiles: emulated, one tile of 128 x 128 takes ten seconds.

Alignment and merge run on the whole burst; of its planes only the middle one (green of three) is looked at, and of that
plane's tiles only some are computed. Those are compared, as grey pictures, with the same pixels of PyTorch's output and
of the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

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
    """Which tiles of a picture of one size are compared: whole ones, spread evenly; the first where none is whole."""

    def __init__(self, artifact: Artifact, size: tuple[int, int], count: int) -> None:
        """Choose `count` of them, or all if there are fewer.

        Raises:
            UsageError: `count` is not positive.
        """
        if count < 1:
            raise UsageError(f"{count} tiles", "give at least 1")
        borders = pipelines.borders(artifact, *size)
        starts = [(0, *found) for found in borders]
        side = [found[0] if found else whole for found, whole in zip(borders, size, strict=True)]
        every = [(top, left) for top in starts[0] for left in starts[1]]
        whole = [one for one in every if one[0] + side[0] <= size[0] and one[1] + side[1] <= size[1]] or every[:1]
        shown = min(count, len(whole))
        self._corners = [whole[(2 * number + 1) * len(whole) // (2 * shown)] for number in range(shown)]
        self._side, self._every = side, every

    def calls(self, plane: int) -> frozenset[int]:
        """Number the calls of a graph that these tiles of a plane are: planes and tiles follow one another."""
        return frozenset(plane * len(self._every) + self._every.index(corner) for corner in self._corners)

    def of(self, picture: Array, plane: int) -> Array:
        """Take the tiles of a plane out of ``[H, W, 3]``: grey, one below the other, ``[h, w, 3]``."""
        rows, columns = self._side
        parts = [picture[top : top + rows, left : left + columns, plane] for top, left in self._corners]
        return np.repeat(np.concatenate(parts)[..., None], 3, -1)


class SampledBursts:
    """Runs some tiles of bursts through an artifact."""

    def __init__(self, artifact: Artifact, graphs: Mapping[str, Graph], count: int) -> None:
        """Join the graphs, each wrapped so that it computes little."""
        self._artifact, self._count = artifact, count
        self._graphs = {spec.name: _Chosen(graphs[spec.name], spec.outputs) for spec in artifact.graphs}
        self._runner = pipelines.assemble(artifact, self._graphs)

    def enhance(self, given: Any) -> Array:
        """Return the tiles of a burst, float32 in 0..1."""
        burst = cast("Burst", given)
        plane = _plane(burst)
        tiles = Tiles(self._artifact, burst.frames.shape[1:3], self._count)
        for graph in self._graphs.values():
            graph.begin(tiles.calls(plane))
        # This pipeline's own runner takes bursts.
        return tiles.of(cast("Any", self._runner).enhance(burst), plane)


def photo_of(photo: GoldenPhoto, artifact: Artifact, count: int) -> GoldenPhoto:
    """Keep of a golden burst's pictures the tiles that `SampledBursts` gives; the burst itself stays whole."""
    burst = cast("Burst", photo.feed)
    tiles, plane = Tiles(artifact, burst.frames.shape[1:3], count), _plane(burst)
    truth = None if photo.truth is None else tiles.of(photo.truth, plane)
    return replace(photo, expected=tiles.of(photo.expected, plane), truth=truth)


def _plane(burst: Burst) -> int:
    """Choose the plane: green of three, the only one of grey."""
    return int(burst.frames.shape[3]) // 2
