"""Resize photographs with Pillow's antialiased triangle filter, in float."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viewfinder.photos.photo import Array, Pixels, white

_BAND_PIXELS = 1 << 20
"""Pixels squeezed at once: bounds the float copy of a photograph to 8 MB."""


def _resize_plane(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize ``[H, W]`` to ``size = (height, width)``."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


def resize(image: Array, size: tuple[int, int]) -> Array:
    """Resize ``[H, W, C]`` float to ``size = (height, width)`` with Pillow's antialiased triangle filter."""
    return np.stack([_resize_plane(image[..., channel], size) for channel in range(image.shape[2])], -1)


def squeeze(pixels: Pixels | Array, side: int) -> Array:
    """Squeeze a whole photograph to a square, whatever its shape; the coefficient network looks at this copy.

    The same as `resize` of the float picture, but for the last digit of a float (the filter is separable, so rows and
    columns may come one after the other); the float copy is made in bands of rows, so that 20 MP need a few megabytes.

    Args:
        pixels: ``[H, W, 3]``, uint8, uint16, or float in 0..1.
        side: of the square, in pixels.

    Returns:
        float32 ``[side, side, 3]`` in 0..1.
    """
    height, width = pixels.shape[:2]
    rows = max(1, _BAND_PIXELS // width)
    narrow = np.empty((height, side), np.float32)
    squeezed = np.empty((side, side, 3), np.float32)
    for channel in range(3):
        for top in range(0, height, rows):
            band = pixels[top : top + rows, :, channel].astype(np.float32) / np.float32(white(pixels))
            narrow[top : top + rows] = _resize_plane(band, (band.shape[0], side))
        squeezed[..., channel] = _resize_plane(narrow, (side, side))
    return squeezed
