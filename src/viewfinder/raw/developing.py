"""From Bayer planes in linear light to linear sRGB: white balance, bilinear demosaicking, colour matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def develop(
    planes: Array,
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0),
    matrix: Sequence[Sequence[float]] | None = None,
) -> Array:
    """Develop planes R, G1, G2, B.

    Args:
        planes: ``[h, w, 4]``, black 0, white 1.
        white_balance: gains of red, green, blue. Divided by the least of them and clipped at white afterwards, so that
            saturated pixels become white and not pink.
        matrix: camera colours to linear sRGB, by rows; None leaves the colours.

    Returns:
        Linear sRGB ``[2 h, 2 w, 3]``, clipped to 0..1.
    """
    gains = np.array(white_balance, np.float32) / np.float32(min(white_balance))
    image = demosaic(np.clip(planes * gains[[0, 1, 1, 2]], 0, 1))
    if matrix is not None:
        image = image @ np.asarray(matrix, np.float32).T
    result: Array = np.clip(image, 0, 1, out=image)
    return result


def demosaic(planes: Array) -> Array:
    """Interpolate planes ``[h, w, 4]`` bilinearly to ``[2 h, 2 w, 3]``; what was measured stays as it is.

    A missing value is the mean of its nearest neighbours of that colour: two or four, fewer at the border.
    """
    height, width = planes.shape[:2]
    image = np.empty((height * 2, width * 2, 3), np.float32)
    _fill(image[..., 0], [(planes[..., 0], 0, 0)])
    _fill(image[..., 1], [(planes[..., 1], 0, 1), (planes[..., 2], 1, 0)])
    _fill(image[..., 2], [(planes[..., 3], 1, 1)])
    return image


def _fill(target: Array, samples: list[tuple[Array, int, int]]) -> None:
    """Write samples that lie at ``(row, column)`` of every 2x2 block into ``[H, W]``, and the tent between them."""
    values, known = np.zeros(target.shape, np.float32), np.zeros(target.shape, np.float32)
    for plane, row, column in samples:
        values[row::2, column::2], known[row::2, column::2] = plane, 1
    target[...] = _tent(values) / _tent(known)
    for plane, row, column in samples:
        target[row::2, column::2] = plane


def _tent(image: Array) -> Array:
    """Convolve ``[H, W]`` with 1 2 1 both ways; outside is nothing."""
    padded = np.pad(image, 1)
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    result: Array = rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]
    return result
