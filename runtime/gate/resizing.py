"""The ways in which programs make a picture smaller that are mistaken for one another; none is the pipeline's own code.

Pictures are ``[H, W, 3]`` floats. Coordinates as in ONNX's operator Resize: half-pixel centres ``(x + 0.5) s - 0.5``,
corner-aligned ``x (in - 1) / (out - 1)``, asymmetric ``x s``, with s = in / out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from viewfinder.photos import sizes

Picture = NDArray[np.float32]
Positions = Callable[[int, int], NDArray[np.float64]]
TRAINED = "half-pixel centres and an antialiasing filter"
"""How the networks here are trained."""
ALIKE = 2e-3
"""Largest difference at which two squeezed pictures count as made in the same way: half a step of 8 bits."""


def _half_pixel(out: int, size: int) -> NDArray[np.float64]:
    """Place the centres of `out` pixels on `size` pixels."""
    return (np.arange(out) + 0.5) * size / out - 0.5


def _corners(out: int, size: int) -> NDArray[np.float64]:
    """Place the first and the last pixel on the first and the last."""
    return np.arange(out) * (size - 1) / max(1, out - 1)


def _asymmetric(out: int, size: int) -> NDArray[np.float64]:
    """Place upper left corners on upper left corners."""
    return np.arange(out) * size / out


def _linear(picture: Picture, axis: int, places: NDArray[np.float64]) -> Picture:
    """Interpolate linearly along one axis; beyond the edge its pixel is repeated."""
    last = picture.shape[axis] - 1
    inside = places.clip(0, last)
    low = np.floor(inside).astype(np.intp)
    share = (inside - low).astype(np.float32).reshape([-1 if one == axis else 1 for one in range(3)])
    one, other = picture.take(low, axis), picture.take(np.minimum(low + 1, last), axis)
    return np.asarray(one * (1 - share) + other * share, np.float32)


def _bilinear(positions: Positions) -> Callable[[Picture, int], Picture]:
    """Make a resize to a square from a rule for coordinates."""

    def resize(picture: Picture, side: int) -> Picture:
        """Resize rows, then columns."""
        narrow = _linear(picture, 0, positions(side, picture.shape[0]))
        return _linear(narrow, 1, positions(side, picture.shape[1]))

    return resize


def _nearest(picture: Picture, side: int) -> Picture:
    """Take the pixel at the upper left corner's place."""
    rows, columns = (np.floor(_asymmetric(side, size)).astype(np.intp) for size in picture.shape[:2])
    return np.asarray(picture[rows][:, columns], np.float32)


WAYS: Mapping[str, Callable[[Picture, int], Picture]] = MappingProxyType(
    {
        TRAINED: lambda picture, side: sizes.resize(picture, (side, side)),
        "aligned corners": _bilinear(_corners),
        "half-pixel centres without antialiasing": _bilinear(_half_pixel),
        "upper left corners (asymmetric)": _bilinear(_asymmetric),
        "the nearest pixel": _nearest,
    }
)
"""Name to a resize of ``[H, W, 3]`` to ``[side, side, 3]``."""


def recognized(fed: Picture, picture: Picture) -> str:
    """Name the way in which `fed` was made from `picture`, or return "" if it is none of `WAYS`."""
    errors = {name: float(np.max(np.abs(way(picture, len(fed)) - fed))) for name, way in WAYS.items()}
    best = min(errors, key=lambda name: errors[name])
    return best if errors[best] <= ALIKE else ""
