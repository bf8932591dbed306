"""Any network from picture to picture, as one graph of fixed size, run on overlapping tiles.

A network of one channel gets the three of a picture one after another. Each tile is surrounded by a halo that the
network sees and whose result is thrown away, so with a halo at least as wide as the network looks, no seam remains: the
result equals that of the network on the whole picture extended by `halo` mirrored pixels (the pixel at the border is
not repeated). Pictures smaller than a tile are mirrored until they fill it. A network with strides needs
tile - 2 * halo to be a multiple of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from viewfinder.artifact import Artifact, GraphFile
from viewfinder.photos import Array, Pixels, white
from viewfinder.runtime.pipelines import lanes, parameters

if TYPE_CHECKING:
    from viewfinder.runtime.pipelines import Graph, Rows


REPEATED = ("model",)
"""Graphs that run many times for one picture: with several threads, each thread gets one of its own."""


def mirrored(first: int, count: int, size: int) -> NDArray[np.intp]:
    """Return the indices `first` .. `first + count - 1` mirrored into 0 .. `size - 1`, as often as it takes."""
    period = max(1, 2 * (size - 1))
    folded = np.arange(first, first + count) % period
    return np.minimum(folded, period - folded) if size > 1 else np.zeros(count, np.intp)


class TileRows:
    """Enhances one row of tiles after the other."""

    def __init__(self, artifact: Artifact, graphs: Mapping[str, Graph]) -> None:
        """Read and check the sizes in the manifest."""
        graph = parameters.graph(artifact, "model")
        self._model = graphs[graph.name]
        self._input, self._output = _only(artifact, graph)
        self._tile = tile_of(artifact)
        self._halo = parameters.size(artifact, "halo", smallest=0)
        self.scale = parameters.size(artifact, "scale") if "scale" in artifact.parameters else 1
        if min(self._tile) <= 2 * self._halo:
            raise parameters.broken(artifact, f"tiles of {self._tile} are no larger than twice the halo {self._halo}")
        self._is_last = [spec.layout == "NHWC" for spec in (graph.inputs[0], graph.outputs[0])]
        self._channels = graph.inputs[0].shape[3 if self._is_last[0] else 1]

    def __call__(self, pixels: Pixels | Array) -> Iterator[Array]:
        """Yield enhanced rows ``[n, scale * W, 3]``, a row of tiles at a time, in reused buffers."""
        yield from self.bands(pixels, range(0, pixels.shape[0], self.step))

    @property
    def step(self) -> int:
        """Return the rows of the input that a row of tiles makes."""
        return self._tile[0] - 2 * self._halo

    def bands(self, pixels: Pixels | Array, tops: Iterable[int]) -> Iterator[Array]:
        """Yield the rows of tiles that begin at `tops`, multiples of `step`, in reused buffers."""
        bands = [self._band(runner, pixels) for runner in lanes.of(self._model)]
        yield from lanes.in_order(bands, tops)

    def _band(self, runner: Graph, pixels: Pixels | Array) -> Callable[[int], Array]:
        """Return what computes the row of tiles that begins at a row of `pixels`, in a buffer of its own."""
        (height, width), (core_rows, core_columns) = pixels.shape[:2], (side - 2 * self._halo for side in self._tile)
        scale, band = self.scale, np.empty((core_rows * self.scale, width * self.scale, 3), np.float32)

        def compute(top: int) -> Array:
            for left in range(0, width, core_columns):
                core = self._run(runner, pixels, top, left)
                space = band[:, left * scale : (left + core_columns) * scale]
                space[:] = core[:, : space.shape[1]]
            return band[: min(core_rows, height - top) * scale]

        return compute

    def _run(self, runner: Graph, pixels: Pixels | Array, top: int, left: int) -> Array:
        """Run the tile whose core begins at `top` and `left`; return the core, ``[h, w, 3]`` times the scale."""
        rows = mirrored(top - self._halo, self._tile[0], pixels.shape[0])
        columns = mirrored(left - self._halo, self._tile[1], pixels.shape[1])
        shown = pixels[rows[:, None], columns]
        tile = shown.astype(np.float32) / np.float32(white(pixels))
        if self._channels == 1:
            planes = [self._infer(runner, tile[..., channel, None]) for channel in range(tile.shape[2])]
            result = np.concatenate(planes, 2)
        else:
            result = self._infer(runner, tile)
        halo = self._halo * self.scale
        return result[halo : result.shape[0] - halo, halo : result.shape[1] - halo]

    def _infer(self, runner: Graph, tile: Array) -> Array:
        """Run the network on one tile ``[h, w, C]`` in 0..1, in the layouts that it takes and gives."""
        tile = tile if self._is_last[0] else tile.transpose(2, 0, 1)
        result: Array = np.asarray(runner({self._input: np.ascontiguousarray(tile[None])})[self._output][0])
        return result if self._is_last[1] else result.transpose(1, 2, 0)


def _only(artifact: Artifact, graph: GraphFile) -> tuple[str, str]:
    """Return the names of the graph's only input and output."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise parameters.broken(artifact, "the graph 'model' has more than one input or output")
    return graph.inputs[0].name, graph.outputs[0].name


def tile_of(artifact: Artifact) -> tuple[int, int]:
    """Return height and width of a tile."""
    tile = artifact.parameters.get("tile")
    if not isinstance(tile, list | tuple) or len(tile) != 2:
        raise parameters.broken(artifact, f"tile is {tile!r}, not [height, width]")
    if not all(isinstance(side, int) and 0 < side <= parameters.LARGEST for side in tile):
        raise parameters.broken(artifact, f"tile is {tile!r}")
    return int(tile[0]), int(tile[1])


def rows(artifact: Artifact, graphs: Mapping[str, Graph]) -> Rows:
    """Make the pipeline for `artifact` from its loaded graph ``model``."""
    return TileRows(artifact, graphs)


def borders(artifact: Artifact, height: int, width: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the first row and the first column behind each border of tiles' cores, in pixels of the input."""
    halo = parameters.size(artifact, "halo", smallest=0)
    rows, columns = (max(1, side - 2 * halo) for side in tile_of(artifact))
    return tuple(range(rows, height, rows)), tuple(range(columns, width, columns))
