"""A coefficient network on a squeezed copy, then one strip model for every few rows at full resolution.

One artifact serves every picture: the weights with which grid rows and columns are mixed are inputs of the strip model.
This module computes them from where a strip lies, and, for a picture of another width than the model's, deals its
columns to the slots of the model, in several passes if it needs more than there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from viewfinder import photos
from viewfinder.artifact import Artifact
from viewfinder.photos import Array, Pixels
from viewfinder.runtime.pipelines import lanes, parameters

if TYPE_CHECKING:
    from viewfinder.runtime.pipelines import Graph, Rows


REPEATED = ("strip",)
"""Graphs that run many times for one picture: with several threads, each thread gets one of its own."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a strip model; `width` = `cells` * `cell_width`."""

    cells: int
    rows: int
    width: int
    cell_width: int
    form: str


@dataclass(frozen=True)
class ColumnPass:
    """Which columns of the picture one run of the strip model computes.

    Attributes:
        slots: picture column shown to each of the model's `width` columns; unused ones repeat column 0.
        filled: the model's columns whose result counts, and ``columns``, where in the picture it goes.
        weights: the model's input ``column_weights [cells + 1, cell_width]`` or ``column_matrix [cells, width]``.
    """

    slots: NDArray[np.intp]
    filled: NDArray[np.intp]
    columns: NDArray[np.intp]
    weights: Array


def positions(count: int, cells: int) -> NDArray[np.float64]:
    """Place `count` pixels among `cells` grid cells: half-pixel centres, cell centres at whole numbers."""
    return (np.arange(count) + 0.5) * cells / count - 0.5


def hat_weights(position: NDArray[np.float64], cells: int) -> Array:
    """Return bilinear weights ``[pixels, cells]``, clamped at the border."""
    inside = position.clip(0, cells - 1)
    weights: Array = np.maximum(1 - np.abs(inside[:, None] - np.arange(cells)), 0).astype(np.float32)
    return weights


def column_passes(width: int, sizes: Sizes) -> list[ColumnPass]:
    """Deal the columns of a picture of any `width` to as many runs of the strip model as they need."""
    return _matrix_passes(width, sizes) if sizes.form == "tent" else _cell_passes(width, sizes)


def _cell_passes(width: int, sizes: Sizes) -> list[ColumnPass]:
    """Deal columns to cells: cell k mixes the grid columns k - 1 and k, and its slots may be taken in any order.

    The model's picture is padded by half a cell on the left, so the first and the last cell have fewer slots.
    """
    half, span = sizes.cell_width // 2, sizes.cell_width
    position = positions(width, sizes.cells)
    # ceil, not floor + 1: with odd cell widths a column on a cell's centre then stays in the cell where it lies.
    cell = np.ceil(position).clip(0, sizes.cells).astype(np.intp)
    weight = (position - (cell - 1)).clip(0, 1)
    start = np.maximum(np.arange(sizes.cells + 1) * span - half, 0)
    capacity = np.minimum(np.arange(1, sizes.cells + 2) * span - half, sizes.width) - start
    rank = np.arange(width) - np.searchsorted(cell, cell)
    number, slot = rank // capacity[cell], start[cell] + rank % capacity[cell]
    passes = []
    for current in range(int(number.max()) + 1):
        columns = np.flatnonzero(number == current)
        weights = np.zeros((sizes.cells + 1, span), np.float32)
        weights[cell[columns], slot[columns] + half - cell[columns] * span] = weight[columns]
        passes.append(_pass(columns, slot[columns], weights, sizes))
    return passes


def _matrix_passes(width: int, sizes: Sizes) -> list[ColumnPass]:
    """Deal columns in order: the tent form takes any column anywhere."""
    weight, passes = hat_weights(positions(width, sizes.cells), sizes.cells), []
    for first in range(0, width, sizes.width):
        columns = np.arange(first, min(first + sizes.width, width))
        matrix = np.zeros((sizes.cells, sizes.width), np.float32)
        matrix[:, : len(columns)] = weight[columns].T
        passes.append(_pass(columns, np.arange(len(columns)), matrix, sizes))
    return passes


def _pass(columns: NDArray[np.intp], filled: NDArray[np.intp], weights: Array, sizes: Sizes) -> ColumnPass:
    """Put a pass together."""
    slots = np.zeros(sizes.width, np.intp)
    slots[filled] = columns
    return ColumnPass(slots, filled, columns, weights)


@dataclass(frozen=True)
class _Layouts:
    """Which tensors have their channels last, and what the columns' input is called."""

    lowres_is_last: bool
    image_is_last: bool
    enhanced_is_last: bool
    column_input: str


@dataclass(frozen=True)
class _Frame:
    """A picture with all that its strips share."""

    pixels: Pixels | Array
    grid: Array
    passes: list[ColumnPass]
    row_weights: Array


class GridRows:
    """Enhances strips of rows with the two graphs."""

    scale = 1

    def __init__(self, artifact: Artifact, graphs: Mapping[str, Graph]) -> None:
        """Read and check the sizes in the manifest."""
        self._sizes = _sizes(artifact)
        self._lowres = parameters.size(artifact, "lowres")
        coefficients, strip = (parameters.graph(artifact, name) for name in ("coefficients", "strip"))
        self._coefficients, self._strip = graphs[coefficients.name], graphs[strip.name]
        self._layouts = _Layouts(
            parameters.tensor(artifact, coefficients.inputs, "lowres").layout == "NHWC",
            parameters.tensor(artifact, strip.inputs, "image").layout == "NHWC",
            parameters.tensor(artifact, strip.outputs, "enhanced").layout == "NHWC",
            "column_matrix" if self._sizes.form == "tent" else "column_weights",
        )

    def __call__(self, pixels: Pixels | Array) -> Iterator[Array]:
        """Yield enhanced rows ``[n, W, 3]``, a strip at a time, in reused buffers."""
        yield from self.bands(pixels, range(0, pixels.shape[0], self.step))

    @property
    def step(self) -> int:
        """Return the rows of a strip."""
        return self._sizes.rows

    def bands(self, pixels: Pixels | Array, tops: Iterable[int]) -> Iterator[Array]:
        """Yield the strips that begin at `tops`, multiples of `step`, in reused buffers."""
        (height, width), cells = pixels.shape[:2], self._sizes.cells
        row_weights = hat_weights(positions(height, cells), cells)
        frame = _Frame(pixels, self._grid(pixels), column_passes(width, self._sizes), row_weights)
        strips = [_Strip(runner, self._sizes, self._layouts, frame) for runner in lanes.of(self._strip)]
        yield from lanes.in_order(strips, tops)

    def _grid(self, pixels: Pixels | Array) -> Array:
        """Predict the grid from the whole picture, squeezed to a square."""
        squeezed = photos.squeeze(pixels, self._lowres)
        lowres = squeezed if self._layouts.lowres_is_last else squeezed.transpose(2, 0, 1)
        return self._coefficients({"lowres": np.ascontiguousarray(lowres[None])})["grid"]


class _Strip:
    """Enhances one strip at a time with one runner, in buffers of its own."""

    def __init__(self, runner: Graph, sizes: Sizes, layouts: _Layouts, frame: _Frame) -> None:
        """Make the buffers for strips of `frame`."""
        self._runner, self._sizes, self._layouts, self._frame = runner, sizes, layouts, frame
        shape = (sizes.rows, sizes.width, 3) if layouts.image_is_last else (3, sizes.rows, sizes.width)
        self._image = np.zeros((1, *shape), np.float32)
        self._weights = np.zeros((sizes.rows, sizes.cells), np.float32)
        self._enhanced = np.empty((sizes.rows, frame.pixels.shape[1], 3), np.float32)

    def __call__(self, top: int) -> Array:
        """Return the rows from `top` on, ``[n, W, 3]``; the next call overwrites them."""
        frame, layouts, rows = self._frame, self._layouts, self._sizes.rows
        strip = frame.pixels[top : top + rows]
        enhanced = self._enhanced[: len(strip)]
        self._weights[: len(strip)] = frame.row_weights[top : top + rows]
        for columns in frame.passes:
            self._load(strip, columns)
            inputs = {"grid": frame.grid, "row_weights": self._weights, "image": self._image}
            result = self._runner(inputs | {layouts.column_input: columns.weights})["enhanced"]
            self._store(result, columns, enhanced)
        return enhanced

    def _load(self, strip: Pixels | Array, columns: ColumnPass) -> None:
        """Copy the columns of a pass into the model's input, as floats in 0..1; rows below the picture stay."""
        shown = strip if self._is_native(strip, columns) else strip[:, columns.slots]
        target = self._image[0] if self._layouts.image_is_last else self._image[0].transpose(1, 2, 0)
        np.divide(shown, np.float32(photos.white(strip)), out=target[: len(strip)], casting="unsafe")

    def _store(self, result: Array, columns: ColumnPass, enhanced: Array) -> None:
        """Copy the result of a pass to its columns of the picture."""
        rows = (result[0] if self._layouts.enhanced_is_last else result[0].transpose(1, 2, 0))[: len(enhanced)]
        if self._is_native(enhanced, columns):
            enhanced[:] = rows
        else:
            enhanced[:, columns.columns] = rows[:, columns.filled]

    def _is_native(self, strip: Pixels | Array, columns: ColumnPass) -> bool:
        """Tell a picture as wide as the model, whose columns need no dealing."""
        return bool(strip.shape[1] == self._sizes.width == len(columns.columns))


def _sizes(artifact: Artifact) -> Sizes:
    """Read the sizes of the strip model."""
    form = artifact.parameters.get("form")
    if form not in {"cell", "tent"}:
        raise parameters.broken(artifact, f"form is {form!r}, not cell or tent")
    cells, rows, width = (parameters.size(artifact, name) for name in ("cells", "strip_rows", "width"))
    span = parameters.size(artifact, "cell_width", smallest=2 if form == "cell" else 1)
    if width != cells * span:
        raise parameters.broken(artifact, f"width is {width}, not {cells} cells of {span}")
    return Sizes(cells, rows, width, span, form)


def rows(artifact: Artifact, graphs: Mapping[str, Graph]) -> Rows:
    """Make the pipeline for `artifact` from its loaded graphs ``coefficients`` and ``strip``."""
    return GridRows(artifact, graphs)


def borders(artifact: Artifact, height: int, width: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the first row behind each border of strips, and the first column behind each border of cells."""
    sizes = _sizes(artifact)
    cell = np.ceil(positions(width, sizes.cells)).clip(0, sizes.cells)
    return tuple(range(sizes.rows, height, sizes.rows)), tuple(int(x) + 1 for x in np.flatnonzero(np.diff(cell)))
