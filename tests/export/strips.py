"""A plain host for strip models: what a runtime has to feed them, written for clarity instead of speed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Strip = Callable[[dict[str, Array]], Array]


def positions(length: int, cells: int) -> NDArray[np.float64]:
    """Return the positions of pixel centres in cells; cell centres lie at whole numbers."""
    return (np.arange(length) + 0.5) * cells / length - 0.5


def bilinear(length: int, cells: int) -> Array:
    """Return bilinear weights ``[length, cells]``, clamped at the border."""
    place = positions(length, cells).clip(0, cells - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(cells))).astype(np.float32)


def columns(width: int, cells: int, cell_width: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64], Array]]:
    """Map the columns of a picture to slots of the strip: per pass the columns, their slots, and all weights."""
    place = positions(width, cells)
    cell = np.floor(place).astype(np.int64) + 1
    fraction = (place - np.floor(place)).astype(np.float32)
    left = cell_width // 2
    passes: list[tuple[list[int], list[int], Array]] = []
    for index in range(cells + 1):
        first = left if index == 0 else 0
        slots = range(first, left) if index == cells else range(first, cell_width)
        wanted = np.flatnonzero(cell == index)
        for turn, start in enumerate(range(0, len(wanted), len(slots))):
            if turn == len(passes):
                passes.append(([], [], np.zeros((cells + 1, cell_width), np.float32)))
            for slot, column in zip(slots, wanted[start : start + len(slots)], strict=False):
                passes[turn][0].append(int(column))
                passes[turn][1].append(index * cell_width + slot - left)
                passes[turn][2][index, slot] = fraction[column]
    return [(np.array(taken), np.array(slots), weights) for taken, slots, weights in passes]


def enhance(strip: Strip, grid: Array, image: Array, sizes: tuple[int, int, int]) -> Array:
    """Run a cell-form strip model over ``image [1, 3, H, W]``; `sizes` are (cells, rows, width) of the model."""
    cells, rows, width = sizes
    height, columns_of_image = image.shape[2:]
    result, all_rows = np.zeros_like(image), bilinear(height, cells)
    for top in range(0, height, rows):
        count = min(rows, height - top)
        weights = np.zeros((rows, cells), np.float32)
        weights[:count] = all_rows[top : top + count]
        for taken, slots, column_weights in columns(columns_of_image, cells, width // cells):
            part = np.zeros((1, 3, rows, width), np.float32)
            part[:, :, :count, slots] = image[:, :, top : top + count, taken]
            inputs = {"grid": grid, "row_weights": weights, "column_weights": column_weights, "image": part}
            result[:, :, top : top + count, taken] = strip(inputs)[:, :, :count, slots]
    return result
