"""DNG files that tests write: a TIFF with the tags of a camera."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from viewfinder import raw

CAMERA = np.array([[0.9020, -0.2890, -0.0715], [-0.4535, 1.2436, 0.2348], [-0.0934, 0.1919, 0.7086]])
"""XYZ to the colours of a real camera (a Nikon's, as in the data folder's note)."""

BLACK, WHITE = (600, 604, 608, 612), 15_520


def rationals(values: Any, denominator: int = 10_000) -> list[int]:
    """Write numbers as a TIFF's numerators and denominators."""
    return [part for value in np.ravel(values) for part in (round(value * denominator), denominator)]


def tags(pattern: str, noise: Sequence[float], orientation: int) -> list[Any]:
    """Return the tags that make a TIFF a DNG."""
    letters = bytes("RGB".index(letter) for letter in pattern)
    found = [
        (271, "s", 0, "Viewfinder", True),
        (272, "s", 0, "Test", True),
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, letters, True),
        (50706, "B", 4, (1, 4, 0, 0), True),
        (50708, "s", 0, "Viewfinder Test", True),
        (50713, "H", 2, (2, 2), True),
        (50714, 5, 4, rationals(_black(pattern), 1), True),
        (50717, "I", 1, WHITE, True),
        (50721, 10, 9, rationals(CAMERA), True),
        (50728, 5, 3, rationals([0.5, 1.0, 0.75]), True),
        (50778, "H", 1, 21, True),
    ]
    return found + ([(51041, "d", len(noise), noise, True)] if noise else [])


def _black(pattern: str) -> NDArray[Any]:
    """Order the blacks of R, G1, G2, B as the pattern's first 2x2 pixels have them."""
    row, column = raw.PATTERNS[pattern]
    return np.roll(np.reshape(BLACK, (2, 2)), (row, column), (0, 1)).ravel()


def write(
    path: Path, frames: Iterable[NDArray[Any]], pattern: str = "RGGB", noise: Sequence[float] = (), orientation: int = 1
) -> Path:
    """Write mosaics as one uncompressed DNG."""
    with tifffile.TiffWriter(path) as writer:
        for frame in frames:
            extra = tags(pattern, noise, orientation)
            writer.write(frame, photometric="cfa", extratags=extra, metadata=None, subfiletype=0)
    return path
