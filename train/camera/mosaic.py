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
