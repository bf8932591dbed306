"""The Bayer pattern: one colour per pixel, packed as four planes R, G1, G2, B at half resolution, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def pack(bayer: Array) -> Array:
    """Pack an RGGB mosaic ``[H, W]`` (even sides) into planes ``[H/2, W/2, 4]``: R, G1 (beside R), G2, B."""
    return np.stack([bayer[0::2, 0::2], bayer[0::2, 1::2], bayer[1::2, 0::2], bayer[1::2, 1::2]], -1)


def unpack(planes: Array) -> Array:
    """Unpack planes ``[h, w, 4]`` into the RGGB mosaic ``[2 h, 2 w]``; the inverse of `pack`."""
    height, width = planes.shape[:2]
    bayer = np.empty((height * 2, width * 2), np.float32)
    for number, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        bayer[row::2, column::2] = planes[..., number]
    return bayer


def mosaic(image: Array) -> Array:
    """Keep of ``[H, W, 3]`` (even sides) what an RGGB sensor sees: planes ``[H/2, W/2, 4]`` (Brooks et al. 2019)."""
    return np.stack(
        [image[0::2, 0::2, 0], image[0::2, 1::2, 1], image[1::2, 0::2, 1], image[1::2, 1::2, 2]], -1
    ).astype(np.float32)


def demosaic(planes: Array) -> Array:
    """Interpolate planes ``[h, w, 4]`` bilinearly to ``[2 h, 2 w, 3]``: a missing value is its neighbours' mean.

    A pixel that was measured keeps its value. This is the demosaicking of Brooks et al. 2019, where it is
    part of the loss; it is no method for pictures.
    """
    height, width = planes.shape[:2]
    image = np.empty((height * 2, width * 2, 3), np.float32)
    for colour, places in enumerate((((0, 0, 0),), ((1, 0, 1), (2, 1, 0)), ((3, 1, 1),))):
        image[..., colour] = _interpolate([(planes[..., plane], row, column) for plane, row, column in places])
    return image


def _interpolate(samples: list[tuple[Array, int, int]]) -> Array:
    """Fill ``[2 h, 2 w]`` from samples at ``(row, column)`` of each 2x2 block: tent-weighted mean of neighbours."""
    height, width = samples[0][0].shape
    values, known = np.zeros((2, height * 2, width * 2), np.float32)
    for plane, row, column in samples:
        values[row::2, column::2] = plane
        known[row::2, column::2] = 1
    filled = _tent(values) / _tent(known)
    result: Array = np.where(known > 0, values, filled)
    return result


def _tent(image: Array) -> Array:
    """Convolve ``[H, W]`` with 1 2 1 / 2 both ways; outside is nothing."""
    padded = np.pad(image, 1)
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    result: Array = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4
    return result
