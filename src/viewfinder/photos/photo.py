"""What a photograph is once it has been read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp", ".heic", ".heif")
Array = NDArray[np.float32]
Pixels = NDArray[np.uint8 | np.uint16]


def white(pixels: Pixels | Array) -> int:
    """Return the value of white in an array of pixels: 255, 65535, or 1 for floats."""
    return {1: 255, 2: 65535}[pixels.dtype.itemsize] if pixels.dtype.kind == "u" else 1


@dataclass(frozen=True)
class Photo:
    """Pixels and what goes with them.

    Attributes:
        pixels: ``[H, W, 3]``, uint8 or uint16, display-referred, upright.
        alpha: ``[H, W]`` of the same type (the largest value is opaque), or None.
        format: the file's format in Pillow's words (``JPEG``, ``PNG``, ``TIFF``, ``WEBP``, ``BMP``, ``HEIF``).
        mode: the file's mode in Pillow's words before it became RGB (``L``, ``P``, ``CMYK``, ``I;16``, ``F``, ...).
        exif: EXIF without thumbnail, orientation 1; b"" if there is none.
        icc: ICC profile of RGB pixels; b"" if there is none, which means sRGB.
        notes: sentences about what could not be kept.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    format: str = ""
    mode: str = "RGB"
    exif: bytes = b""
    icc: bytes = b""
    notes: tuple[str, ...] = ()

    @property
    def largest(self) -> int:
        """Value of white: 255 or 65535."""
        return white(self.pixels)

    def display(self) -> Array:
        """Return the pixels as float32 in 0..1."""
        return self.pixels.astype(np.float32) / np.float32(self.largest)
